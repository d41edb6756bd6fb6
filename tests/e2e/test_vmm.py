# SPDX-License-Identifier: Apache-2.0
"""onggi-vmm with a small guest of our own (tests/guest), which any /dev/kvm runs."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

import pytest

import daemon

TOP = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20


@pytest.fixture(scope="module")
def guest(guest_kernel):
    """The arguments that boot the test guest; its command line comes last."""
    return ["--memory", "64", "--serial", "stdio", "--kernel", guest_kernel, "--cmdline"]


@pytest.fixture
def run(vmm, guest):
    """run("word", options...): boots the guest to its end and gives the result."""
    def run_guest(word, *options, stdin=None, **more):
        words = [str(w) for w in (vmm, *guest, word, *options)]
        return subprocess.run(words, input=stdin or "", capture_output=True, text=True, timeout=60,
                              check=False, **more)
    return run_guest


@contextlib.contextmanager
def console(vmm, guest, word, *options):
    """The guest with a console: (our end of the stream, the process)."""
    ours, theirs = socket.socketpair()
    words = [*guest, word, "--console", f"fd:{theirs.fileno()}", *options]
    with ours, subprocess.Popen([str(w) for w in (vmm, *words)], pass_fds=[theirs.fileno()],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        theirs.close()
        ours.settimeout(60)
        try:
            yield ours, process
        finally:
            process.kill()


def receive(stream, size):
    data = bytearray()
    while len(data) < size and (chunk := stream.recv(MIB)):
        data += chunk
    return bytes(data)


@pytest.mark.parametrize("word, status", [("off", 0), ("reset", 10), ("i8042", 10), ("triple", 10)])
def test_the_exit_status_says_how_the_guest_ended(run, word, status):
    result = run(word)
    assert (result.returncode, result.stderr) == (status, "")


def test_memory_is_described_with_the_gap_left_out(run):
    lines = run("memory", "--memory", "4096").stdout.splitlines()
    assert lines[4:8] == [f"e820 from {MIB}", f"e820 bytes {3072 * MIB - MIB}",
                          f"e820 from {4096 * MIB}", f"e820 bytes {1024 * MIB}"]


def test_an_initrd_is_where_the_zero_page_says(run, tmp_path):
    (tmp_path / "initrd").write_bytes(b"Z" * 12345)
    result = run("memory", "--initrd", tmp_path / "initrd")
    assert "initrd bytes 12345\ninitrd begins with 90\n" in result.stdout


def checksum(data):
    total = 0
    for i in range(0, len(data), 512):
        total = (total * 31 + data[i]) % (1 << 64)
    return total


def test_parts_are_one_disk_and_gaps_are_zeros(run, tmp_path):
    first, second = os.urandom(100_000), os.urandom(30_000)
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "second").write_bytes(second)
    result = run("blk", "--disk-readonly", tmp_path / "first", "--part",
                 f"131072:{tmp_path / 'second'}")
    whole = first.ljust(131072, b"\0") + second
    whole = whole.ljust((len(whole) + 511) // 512 * 512, b"\0")
    assert f"sectors {len(whole) // 512}\nsum {checksum(whole)}\n" in result.stdout
    assert "cannot read" not in result.stdout


def test_only_a_writable_disk_is_written(run, tmp_path):
    for name in ("ro", "rw"):
        (tmp_path / name).write_bytes(bytes(8192))
    result = run("blk", "--disk-readonly", tmp_path / "ro", "--disk", tmp_path / "rw")
    assert re.findall(r"write (\d+)\n", result.stdout) == ["1", "0"]
    assert re.findall(r"behind (\d+)\n", result.stdout) == ["1", "1"]
    assert "diska\n" in result.stdout and "diskb\n" in result.stdout
    assert (tmp_path / "ro").read_bytes() == bytes(8192)
    assert (tmp_path / "rw").read_bytes() == bytes(7680) + b"w" * 512


def test_entropy_is_random(run):
    assert run("rng").stdout == "filled 64\nrandom\ndone\n"


def test_a_guest_that_breaks_the_rules_loses_a_device_until_its_reset(run):
    lines = run("hostile").stdout.splitlines()
    assert lines[-1] == "done"
    assert len(lines) == 8
    for line in lines[:6]:
        assert line.endswith(": refused, well again")
    assert lines[6] == "index jump: refused"


def test_any_access_to_any_register_is_survived(run):
    assert run("bus").stdout == "bus survived\nstatus 0\ndone\n"


def test_the_serial_port_takes_input_and_a_flood(run):
    assert run("echo", stdin="across the line.").stdout == "listening\nacross the line.\ndone\n"
    assert len(run("flood").stdout) == 20_000 + len("done\n")


def test_the_serial_port_writes_to_a_file_or_nowhere(run, tmp_path):
    assert run("rng", "--serial", tmp_path / "log").stdout == ""
    assert (tmp_path / "log").read_text() == "filled 64\nrandom\ndone\n"
    result = run("flood", "--serial", "none")
    assert (result.returncode, result.stdout) == (0, "")


def test_the_console_carries_bytes_both_ways(vmm, guest):
    data = os.urandom(300_000).replace(b".", b"x") + b"."
    with console(vmm, guest, "console") as (stream, process):
        sender = threading.Thread(target=stream.sendall, args=[data])
        sender.start()
        assert receive(stream, len(data)) == data
        sender.join()
        output, _ = process.communicate()
        assert output == b"port org.onggi.guest\nechoed\ndone\n"
        assert process.returncode == 0


def test_a_hundred_megabytes_come_out_unharmed(vmm, guest):
    with console(vmm, guest, "send") as (stream, process):
        size = 0
        while chunk := stream.recv(MIB):
            size += len(chunk)
        assert size == 3200 * 32768
        assert b"sent 104857600\n" in process.communicate()[0]


def test_a_guest_is_not_stuck_when_the_host_hangs_up(vmm, guest):
    with console(vmm, guest, "send") as (stream, process):
        assert stream.recv(1)
        stream.close()
        assert b"sent 104857600\n" in process.communicate(timeout=60)[0]
        assert process.returncode == 0


@contextlib.contextmanager
def spinning(vmm, guest, *options):
    words = [str(w) for w in (vmm, *guest, "spin", *options)]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"spinning\n"
            yield process
        finally:
            process.kill()


def memory_areas(pid):
    """[(bytes, proportional KiB, flags)] of each mapping."""
    areas, size, share = [], 0, 0
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if re.match(r"[0-9a-f]+-[0-9a-f]+$", words[0]):
            start, end = (int(word, 16) for word in words[0].split("-"))
            size = end - start
        elif words[0] == "Pss:":
            share = int(words[1])
        elif words[0] == "VmFlags:":
            areas.append((size, share, words[1:]))
    return areas


def test_it_takes_less_than_three_megabytes_beside_the_guests(require, vmm, guest):
    require.root()
    with spinning(vmm, guest) as process:
        assert sum(share for size, share, _ in memory_areas(process.pid) if size != 64 * MIB) < 3072


def test_every_thread_is_confined_and_guest_memory_is_not_dumped(require, vmm, guest):
    require.root()
    with spinning(vmm, guest, "--cpus", "2") as process:
        tasks = [p for p in pathlib.Path(f"/proc/{process.pid}/task").iterdir()]
        assert len(tasks) >= 3
        for task in tasks:  # a thread's first step is its filter, which it may not have taken yet
            daemon.wait_for(f"{task} to be confined", lambda: "Seccomp:\t2" in (task / "status").read_text())
            assert "NoNewPrivs:\t1" in (task / "status").read_text()
        assert [flags for size, _, flags in memory_areas(process.pid)
                if size == 64 * MIB and "dd" in flags]
        limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0", limits)


def test_a_signal_ends_it(vmm, guest):
    with spinning(vmm, guest, "--cpus", "2") as process:
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM


def test_a_kernel_may_be_a_descriptor(vmm, guest):
    with open(guest[-2], "rb") as kernel:
        words = [vmm, *guest[:-2], f"/dev/fd/{kernel.fileno()}", guest[-1], "rng"]
        result = subprocess.run([str(w) for w in words], pass_fds=[kernel.fileno()],
                                stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def fails(vmm, *words, status=1):
    result = subprocess.run([str(w) for w in (vmm, *words)], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == status
    assert result.stdout == ""
    assert result.stderr.startswith("onggi-vmm: ") and result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize("content, says", [
    (b"", "no bzImage, no ELF and no multiboot kernel"),
    pytest.param(b"#!/bin/sh\necho I am a kernel\n" * 200, "no bzImage, no ELF and no multiboot kernel", id="script"),
    (b"\x7fELF\x01" + bytes(4096), "ELF file is not for x86"),
    (b"\x7fELF\x02" + bytes(4096), "ELF file is not for x86"),
])
def test_a_kernel_that_is_no_kernel_is_named(vmm, guest, tmp_path, content, says):
    path = tmp_path / "vmlinuz"
    path.write_bytes(content)
    message = fails(vmm, *guest[:2], "--kernel", path)
    assert f"kernel '{path}'" in message and says in message


def test_a_cut_kernel_is_refused(vmm, guest, tmp_path):
    path = tmp_path / "cut"
    path.write_bytes(pathlib.Path(guest[-2]).read_bytes()[:5000])
    assert "kernel segment ends behind the file" in fails(vmm, "--kernel", path)


def test_things_that_are_no_files_are_refused(vmm, guest, tmp_path):
    assert "no regular file" in fails(vmm, "--kernel", "/dev/null")
    assert "no regular file" in fails(vmm, *guest, "off", "--initrd", tmp_path)
    assert "/dev/null" in fails(vmm, *guest, "off", "--disk-readonly", "/dev/null")


def test_too_little_memory_says_how_much_it_takes(vmm, guest, tmp_path):
    with open(tmp_path / "initrd", "wb") as file:
        file.truncate(80 * MIB)
    assert "needs 18 MiB" in fails(vmm, *guest, "off", "--memory", "16")
    assert "80 MiB do not fit" in fails(vmm, *guest, "off", "--initrd", tmp_path / "initrd")


def test_a_command_line_too_long_is_refused(vmm, guest):
    assert "kernel command line of 5000 bytes" in fails(vmm, *guest, "x" * 5000)


@pytest.mark.parametrize("words, says", [
    ([], "--kernel FILE is missing"),
    (["--kernel"], "--kernel needs a value"),
    (["--kernel", "/nonexistent"], "open '/nonexistent': No such file"),
    (["--colour", "red"], "'--colour' is no option"),
    (["--cpus", "0"], "'0' is no number from 1 to 32"),
    (["--cpus", "33"], "'33' is no number from 1 to 32"),
    (["--memory", "1x"], "'1x' is no number of MiB"),
    (["--memory", "99999999999999999999"], "is no number of MiB"),
    (["--part", "0:/bin/sh"], "comes before any disk"),
    (["--disk-readonly", "/bin/sh", "--part", "/bin/sh"], "is not OFFSET:FILE"),
    (["--disk-readonly", "/bin/sh", "--part", "-1:/bin/sh"], "is not OFFSET:FILE"),
    (["--console", "7"], "'7' is not fd:N"),
    (["--console", "fd:1"], "descriptor 1 is no socket"),
    (["--console", "fd:999"], "descriptor 999 is no socket"),
    (["--kernel", "/dev/fd/999"], "open '/dev/fd/999'"),
    (["--kernel", "/dev/fd/x"], "'x' is no descriptor's number"),
    (["--probe=1"], "--probe takes no value"),
])
def test_bad_options_are_named(vmm, words, says):
    assert says in fails(vmm, *words, status=2)


def test_parts_that_overlap_are_refused(vmm, guest, tmp_path):
    (tmp_path / "one").write_bytes(bytes(4096))
    message = fails(vmm, *guest, "off", "--disk-readonly", tmp_path / "one", "--part",
                    f"512:{tmp_path / 'one'}")
    assert "begins inside" in message


def test_probe_gives_a_reason_or_success(vmm):
    result = subprocess.run([vmm, "--probe"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr == "") in [(0, True), (1, False)]


def test_help_lists_every_option(vmm):
    text = subprocess.run([vmm, "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--kernel", "--initrd", "--disk-readonly", "--part", "--console", "--probe"):
        assert option in text
