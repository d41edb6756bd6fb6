# SPDX-License-Identifier: Apache-2.0
"""`onggi vm run`: a disk's own boot sector by SeaBIOS, under both hypervisors."""

import os
import signal
import subprocess
import time

import pytest

import disks
import terminal

BIOS = "/usr/share/seabios/bios-256k.bin"


def send(port, value):
    """mov dx, PORT; mov al, VALUE; out dx, al"""
    return bytes([0xba, port & 0xff, port >> 8, 0xb0, value, 0xee])


# Without interrupts: the firmware's console would take what is typed.
SAY = b"\xfa" + send(0x3f8, ord("@"))
# ACPI's sleep control of onggi-vmm's PC, and the one of QEMU's, which is a word.
OFF = send(0x600, 5 << 2 | 0x20) + bytes([0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef])
RESET = send(0x64, 0xfe)
# Waits for a character of the serial port and says the one that follows it.
ANSWER = bytes([0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf8, 0xba, 0xf8, 0x03, 0xec, 0xfe, 0xc0, 0xee])
HALT = bytes([0xf4, 0xeb, 0xfd])


def disk(path, code):
    path.write_bytes((code + HALT).ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    return path


@pytest.fixture(params=["onggi-vmm", "qemu"])
def hypervisor(request, require):
    """By name: a KVM that runs no stock kernel does run a BIOS and a boot sector."""
    if not os.path.exists(BIOS):
        require.lacking(f"no {BIOS}: tools/install-deps test")
    if request.param == "qemu":
        require.tool("qemu-system-x86_64")
    elif not os.access("/dev/kvm", os.R_OK | os.W_OK):
        require.lacking("no usable /dev/kvm")
    return request.param


@pytest.fixture
def plain(prefix):
    return [str(prefix / "bin/onggi"), "vm", "run", "--memory", "64m"]


@pytest.fixture
def words(plain, hypervisor):
    return [*plain, "--hypervisor", hypervisor]


@pytest.fixture
def run(words):
    return runner(words)


def runner(words):
    def run_it(*options, status=0):
        result = subprocess.run([*words, *map(str, options)], stdin=subprocess.DEVNULL, capture_output=True,
                                timeout=100, check=False)
        assert result.returncode == status, result
        return result.stdout, result.stderr.decode()
    return run_it


def test_the_serial_port_is_the_standard_input(words, tmp_path):
    path = disk(tmp_path / "disk", SAY + ANSWER + OFF)
    with subprocess.Popen([*words, "--disk", f"{path},format=raw"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        read_until(process.stdout, b"@")
        process.stdin.write(b"B")
        process.stdin.flush()
        assert b"C" in process.stdout.read()
    assert process.returncode == 0


def read_until(stream, end):
    seen = b""
    while not seen.endswith(end):
        piece = os.read(stream.fileno(), 1)
        assert piece, seen
        seen += piece
    return seen


def test_a_guest_that_resets_itself_begins_again(words, tmp_path):
    path = disk(tmp_path / "disk", SAY + RESET)
    with subprocess.Popen([*words, "--disk", f"{path},format=raw"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        for _ in range(2):
            read_until(process.stdout, b"@")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM


def test_or_ends_where_it_is_not_to(run, hypervisor, tmp_path):
    path = disk(tmp_path / "disk", SAY + RESET)
    # QEMU does not tell a reset from a power-off.
    output, _ = run("--disk", f"{path},format=raw", "--no-reboot", status=10 if hypervisor == "onggi-vmm" else 0)
    assert output.count(b"@") == 1


def test_a_qcow2_image_and_one_that_lies_over_it(run, require, tmp_path):
    require.tool("qemu-img")
    raw = disk(tmp_path / "disk", SAY + OFF)
    base, over = tmp_path / "base.qcow2", tmp_path / "over.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, base], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", over], check=True)
    assert "backing=" in run("--disk", f"{over},format=qcow2", status=125)[1]
    output, _ = run("--disk", f"{over},format=qcow2,backing={base},backing_format=qcow2")
    assert output.partition(b"Booting from")[2].count(b"@") == 1


def test_a_disk_boots_by_uefi(plain, require, tmp_path):
    for tool in ("qemu-system-x86_64", "grub-mkimage", "mcopy"):
        require.tool(tool)
    if not os.path.exists("/usr/share/ovmf/OVMF.fd"):
        require.lacking("no /usr/share/ovmf/OVMF.fd: tools/install-deps test")
    tree = tmp_path / "tree"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_text("echo reached by $grub_platform\nhalt\n")
    (tmp_path / "disk").mkdir()
    disks.uefi_disk(tmp_path / "disk/disk", tree, 8)
    words = [*plain, "--hypervisor", "qemu", "--firmware", "uefi", "--memory", "128m"]
    assert b"reached by efi" in runner(words)("--disk", f"{tmp_path / 'disk/disk'},format=raw")[0]


def test_keys_of_a_terminal_reach_it_and_one_ends_it(plain, require, tmp_path):
    require.tool("qemu-system-x86_64")
    path = disk(tmp_path / "disk", SAY + ANSWER + ANSWER)
    with terminal.Terminal([*plain, "--hypervisor", "qemu", "--disk", f"{path},format=raw"]) as typed:
        typed.expect(b"@")
        typed.send(b"\x03")  # Ctrl-C is the guest's
        typed.expect(b"\x04")
        typed.send(b"\x1d")
        assert typed.wait() == 128 + signal.SIGINT


def test_a_disk_is_one_machines(plain, require, tmp_path):
    require.tool("qemu-system-x86_64")
    words = [*plain, "--hypervisor", "qemu"]
    path = disk(tmp_path / "disk", SAY)
    with subprocess.Popen([*words, "--disk", f"{path},format=raw"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        read_until(process.stdout, b"@")
        assert "in use by another VM" in runner(words)("--disk", f"{path},format=raw", status=1)[1]
        process.terminate()
    # Nothing of it is left.
    end = time.monotonic() + 10
    while hypervisor_runs(path) and time.monotonic() < end:
        time.sleep(0.05)
    assert not hypervisor_runs(path)


def hypervisor_runs(path):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if any(os.readlink(f"/proc/{pid}/fd/{fd}") == str(path) for fd in os.listdir(f"/proc/{pid}/fd")):
                return True
        except OSError:
            pass
    return False


@pytest.mark.parametrize("options, said", [
    ([], "needs --disk"),
    (["--disk", "DISK"], "format=raw"),
    (["--disk", "DISK,format=vmdk"], "format=raw"),
    (["--disk", "DISK,format=qcow2"], "no qcow2 image"),
    (["--disk", "DISK,format=raw,backing=DISK,backing_format=raw"], "backing= is for format=qcow2"),
    (["--disk", "DISK,format=raw,shared"], "shared"),
    (["--disk", "DISK,format=raw", "--cpus", "0"], "--cpus"),
    (["--disk", "DISK,format=raw", "--memory", "1m"], "--memory"),
    (["--disk", "DISK,format=raw", "--firmware", "coreboot"], "bios, uefi"),
    (["--disk", "DISK,format=raw", "--net", "user"], "tap=NAME"),
    (["--disk", "DISK,format=raw", "--hypervisor", "xen"], "'xen'"),
    (["--disk", "DISK,format=raw", "word"], "'word'"),
])
def test_wrong_words_are_named(plain, tmp_path, options, said):
    path = disk(tmp_path / "disk", SAY)
    assert said in runner(plain)(*(word.replace("DISK", str(path)) for word in options), status=125)[1]


def test_a_disk_that_is_not_there_is_named(plain, tmp_path):
    assert str(tmp_path / "none") in runner(plain)("--disk", f"{tmp_path / 'none'},format=raw", status=1)[1]
