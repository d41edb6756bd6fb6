# SPDX-License-Identifier: Apache-2.0
"""What a workload is, seen from outside: one suite, the same for a container and a VM.

Exit status, signals, standard input to its end, a terminal and its size, much output, environment,
user, folder, names, logs, execs, a daemon that is restarted meanwhile. `isolation` is the only thing
that differs. On this machine VMs run on whatever serves; in the lab the file runs on onggi-vmm.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import threading

import pytest

import daemon
import images
import terminal

MUCH = 100_000_000  # bytes, at least, of output and of input


@pytest.fixture
def run(onggid, isolation):
    """run(words..., status=0): `onggi run --rm --isolation ISOLATION words...`."""
    def run_it(*words, status=0, **rest):
        result = onggid.onggi("run", "--rm", "--network", "none", "--isolation", isolation, *words,
                              check=False, **rest)
        assert result.returncode == status, (words, result.stdout, result.stderr,
                                             onggid.logged()[-1000:])
        return result
    return run_it


@pytest.fixture
def start(onggid, isolation, request):
    """start(name, words...): a workload in the background, which is removed after the test."""
    names = []

    def start_it(name, *words):
        name = f"{name}-{isolation}"
        names.append(name)
        onggid.onggi("run", "-d", "--name", name, "--network", "none", "--isolation", isolation,
                     *words)
        return name
    yield start_it
    for name in names:
        onggid.onggi("rm", "-f", name, check=False)


@pytest.fixture
def foreground(onggid, isolation):
    """The command line of a run in the foreground, for tests that hold its process."""
    def command(*words):
        return [onggid.prefix / "bin/onggi", "-H", onggid.host, "run", "--rm", "--network", "none",
                "--isolation", isolation, *words]
    return command


def test_output_and_error_are_two_streams(run):
    result = run("busybox:test", "sh", "-c", "echo out; echo err >&2")
    # Where VMs are slow, the client says so beside what the program says.
    said = [line for line in result.stderr.splitlines() if not line.startswith("WARNING: VMs are")]
    assert (result.stdout, said) == ("out\n", ["err"])


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_the_exit_status_is_the_programs(run, status):
    run("busybox:test", "sh", "-c", f"exit {status}", status=status)


def test_a_program_that_a_signal_ends_has_its_number(run):
    run("busybox:test", "sh", "-c", "sh -c 'kill -9 $$'; exit $?", status=137)


def test_a_program_that_is_not_there_is_told_by_name(run):
    assert "nothing-like-it" in run("busybox:test", "nothing-like-it", status=127).stderr
    run("busybox:test", "/etc", status=126)


def test_standard_input_reaches_the_program_to_its_end(run):
    text = "".join(f"line {number}\n" for number in range(20000))
    assert run("-i", "busybox:test", "cat", input=text).stdout == text
    assert run("-i", "busybox:test", "wc", "-c", input="").stdout.strip() == "0"
    assert run("busybox:test", "wc", "-c").stdout.strip() == "0"


def test_what_is_no_text_passes_both_ways(run):
    data = os.urandom(2_000_000) + bytes(range(256)) * 100
    assert run("-i", "busybox:test", "cat", input=data, text=False).stdout == data


def test_a_hundred_megabytes_come_out_unharmed(foreground):
    program = images.BUSYBOX.read_bytes()  # what costs the guest next to nothing to write
    times = MUCH // len(program) + 1
    script = f"for i in $(seq {times}); do cat /bin/busybox; done"
    process = subprocess.Popen(foreground("busybox:test", "sh", "-c", script),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    digest, size = hashlib.sha256(), 0
    while part := process.stdout.read(1 << 20):
        digest.update(part)
        size += len(part)
    assert process.wait(60) == 0
    assert size >= MUCH and digest.digest() == hashlib.sha256(program * times).digest()


def test_a_hundred_megabytes_go_in_unharmed(foreground):
    process = subprocess.Popen(foreground("-i", "busybox:test", "sha256sum"), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    block = os.urandom(1_000_000)
    digest = hashlib.sha256()
    for _ in range(MUCH // len(block)):
        process.stdin.write(block)
        digest.update(block)
    process.stdin.close()
    assert process.stdout.read().decode().split()[0] == digest.hexdigest()
    assert process.wait(60) == 0


def test_a_reader_that_pauses_loses_nothing(foreground):
    process = subprocess.Popen(foreground("busybox:test", "seq", "1", "400000"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.read(2) == b"1\n"
    pause = threading.Event()
    pause.wait(3)  # longer than any buffer between takes to fill
    rest = process.stdout.read().decode().split()
    assert process.wait(120) == 0
    assert rest == [str(number) for number in range(2, 400001)]


def test_a_signal_to_the_client_is_the_programs_to_handle(foreground):
    script = "trap 'echo got; exit 5' TERM; echo up; while :; do sleep 0.1; done"
    process = subprocess.Popen(foreground("busybox:test", "sh", "-c", script),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "got\n"
    assert process.wait(60) == 5


def test_a_terminal_has_a_size_that_follows_ours(foreground):
    with terminal.Terminal(foreground("-it", "busybox:test", "sh"), rows=33,
                           columns=77) as session:
        before = session.settings()
        session.expect(b"# ")
        session.send(b"stty size; test -t 0 && test -t 1 && test -t 2 && echo all-$((1+1))\n")
        assert b"33 77" in session.expect(b"all-2")
        session.resize(40, 90)
        session.expect(b"40 90", resend=b"stty size\n")
        session.send(b"exit 9\n")
        assert session.wait() == 9
        assert session.settings() == before


def test_keys_of_a_terminal_are_signals_inside(foreground):
    with terminal.Terminal(foreground("-it", "busybox:test", "sh", "-c",
                                      "trap 'echo interrupted; exit 3' INT; echo ready-1; "
                                      "while :; do sleep 0.1; done")) as session:
        session.expect(b"ready-1")
        session.send(b"\x03")
        session.expect(b"interrupted")
        assert session.wait() == 3


def test_the_detach_keys_leave_it_running(onggid, isolation):
    name = f"left-{isolation}"
    with terminal.Terminal([onggid.prefix / "bin/onggi", "-H", onggid.host, "run", "--name", name,
                            "--network", "none", "--isolation", isolation, "-it", "busybox:test",
                            "sh"]) as session:
        session.expect(b"# ")
        session.send(b"\x10\x11")
        assert session.wait() == 0
    try:
        assert onggid.onggi("inspect", "-f", "{{.State.Running}}", name).stdout == "true\n"
        with terminal.Terminal([onggid.prefix / "bin/onggi", "-H", onggid.host, "attach",
                                name]) as session:
            session.send(b"exit 6\n")
            assert session.wait() == 6
    finally:
        onggid.onggi("rm", "-f", name)


def test_environment_folder_user_and_host_name(run):
    result = run("-e", "A=one two", "-e", "B=", "-w", "/tmp", "-u", "1234:567", "--hostname",
                 "somewhere", "busybox:test", "sh", "-c",
                 'echo "$A|$B|$(pwd)|$(id -u):$(id -g)|$(hostname)"')
    assert result.stdout == "one two||/tmp|1234:567|somewhere\n"


def test_arguments_arrive_byte_for_byte(run):
    words = ["a b", "", "'\"\\", "$HOME", "*", "\n", "\u00e9\uac00", "-x", "--"]
    result = run("busybox:test", "sh", "-c", 'for a; do printf "[%s]" "$a"; done', "sh", *words)
    assert result.stdout == "".join(f"[{word}]" for word in words)


def test_it_sees_no_process_of_the_host(run):
    shown = run("busybox:test", "ps").stdout
    assert "onggid" not in shown and "pytest" not in shown


def test_the_root_file_system_is_its_own_and_starts_anew(run):
    run("busybox:test", "sh", "-c", "echo x >/new && rm /bin/seq && test ! -e /bin/seq")
    run("busybox:test", "sh", "-c", "test ! -e /new && test -e /bin/seq")


def test_what_is_written_stays_from_start_to_start(onggid, start):
    name = start("again", "busybox:test", "sh", "-c", "cat /kept; echo more >>/kept")
    onggid.onggi("wait", name)
    onggid.onggi("start", name)
    assert onggid.onggi("wait", name).stdout == "0\n"
    assert onggid.onggi("logs", name).stdout == "more\n"


def test_a_read_only_root_cannot_be_written(run):
    run("--read-only", "busybox:test", "sh", "-c", "! echo x >/new 2>/dev/null")


def test_rm_leaves_nothing_and_a_name_may_be_used_again(onggid, run, isolation):
    run("--name", f"once-{isolation}", "busybox:test", "true")
    daemon.wait_for("the workload to be removed",
                    lambda: f"once-{isolation}" not in onggid.onggi("ps", "-a").stdout)
    run("--name", f"once-{isolation}", "busybox:test", "true")


def test_a_workload_in_the_background_lives_and_is_stopped(onggid, start):
    name = start("life", "busybox:test", "sh", "-c",
                 "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.1; done")
    daemon.wait_for("its first words", lambda: onggid.onggi("logs", name).stdout == "up\n")
    assert name in onggid.onggi("ps").stdout
    onggid.onggi("stop", "-t", "60", name)
    [state] = json.loads(onggid.onggi("inspect", name).stdout)
    assert state["State"]["Status"] == "exited" and state["State"]["ExitCode"] == 4
    assert onggid.onggi("logs", name).stdout == "up\nbye\n"
    assert name not in onggid.onggi("ps").stdout
    assert re.search(rf"Exited \(4\).*{name}", onggid.onggi("ps", "-a").stdout)


def test_kill_and_wait_tell_the_signal(onggid, start):
    name = start("killed", "busybox:test", "sleep", "1000")
    waiting = subprocess.Popen([onggid.prefix / "bin/onggi", "-H", onggid.host, "wait", name],
                               stdout=subprocess.PIPE, text=True)
    onggid.onggi("kill", name)
    assert waiting.communicate(timeout=60)[0] == "137\n"


def test_logs_keep_both_streams_and_their_times(onggid, start):
    name = start("logs", "busybox:test", "sh", "-c", "echo one; echo two >&2; echo three")
    onggid.onggi("wait", name)
    logs = onggid.onggi("logs", name)
    assert (logs.stdout, logs.stderr) == ("one\nthree\n", "two\n")
    lines = onggid.onggi("logs", "--tail", "2", name)  # two pipes: their order is not known
    assert (lines.stdout + lines.stderr).count("\n") == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z one\n\d{4}-\d\d-\d\dT[\d:.]+Z three\n",
                        onggid.onggi("logs", "-t", name).stdout)


def test_logs_follow_to_the_end(onggid, start):
    name = start("follow", "busybox:test", "sh", "-c",
                 "for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done")
    assert onggid.onggi("logs", "-f", name).stdout == "".join(f"line {i}\n" for i in range(1, 6))


def test_execs_have_streams_statuses_and_users_of_their_own(onggid, start):
    name = start("execs", "busybox:test", "sleep", "1000")
    result = onggid.onggi("exec", name, "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (result.returncode, result.stdout, result.stderr) == (7, "out\n", "err\n")
    data = os.urandom(1_000_000)
    assert onggid.onggi("exec", "-i", name, "cat", input=data, text=False).stdout == data
    assert onggid.onggi("exec", "-e", "A=b", "-w", "/tmp", "-u", "5:6", name, "sh", "-c",
                        'echo "$A $(pwd) $(id -u):$(id -g)"').stdout == "b /tmp 5:6\n"
    missing = onggid.onggi("exec", name, "nothing-like-it", check=False)
    assert missing.returncode in (126, 127) and "nothing-like-it" in missing.stderr
    onggid.onggi("exec", "-d", name, "touch", "/tmp/touched")
    daemon.wait_for("the exec in the background", lambda: onggid.onggi(
        "exec", name, "ls", "/tmp").stdout == "touched\n")


def test_an_exec_has_a_terminal(onggid, start):
    name = start("exec-tty", "busybox:test", "sleep", "1000")
    with terminal.Terminal([onggid.prefix / "bin/onggi", "-H", onggid.host, "exec", "-it", name,
                            "sh"], rows=21, columns=43) as session:
        session.expect(b"# ")
        session.expect(b"21 43", resend=b"stty size\n")
        session.send(b"exit 8\n")
        assert session.wait() == 8


def test_memory_is_limited(run):
    """A VM has so much and no more; in a container the kernel kills what takes more."""
    run("--memory", "128m", "busybox:test", "sh", "-c",
        "head -c 400m /dev/zero | tail -c 390m >/dev/null; test $? -ne 0")


def test_workloads_outlive_the_daemon(start_onggid, isolation, busybox_tar):
    one = start_onggid()
    one.onggi("load", "-i", busybox_tar)
    one.onggi("run", "-d", "--name", "outlives", "--network", "none", "--isolation", isolation,
              "busybox:test", "sh", "-c", "while :; do echo tick; sleep 0.1; done")
    one.kill()
    one.start()
    assert one.onggi("inspect", "-f", "{{.State.Running}}", "outlives").stdout == "true\n"
    assert one.onggi("exec", "outlives", "echo", "still here").stdout == "still here\n"
    before = one.onggi("logs", "outlives").stdout.count("tick")
    daemon.wait_for("the log to grow",
                    lambda: one.onggi("logs", "outlives").stdout.count("tick") > before)
    one.onggi("kill", "outlives")
    assert one.onggi("wait", "outlives").stdout == "137\n"


def test_what_ended_while_the_daemon_was_dead_is_known(start_onggid, isolation, busybox_tar):
    one = start_onggid()
    one.onggi("load", "-i", busybox_tar)
    one.onggi("run", "-d", "--name", "ended", "--network", "none", "--isolation", isolation,
              "busybox:test", "sh", "-c", "echo last words; sleep 2; exit 9")
    monitors = [line for line in subprocess.run(
        ["ps", "-eo", "pid,args"], check=True, capture_output=True, text=True).stdout.splitlines()
        if "onggi-monitor" in line and str(one.exec_root) in line]
    one.kill()
    for line in monitors:
        pid = line.split()[0]
        daemon.wait_for("the workload to end", lambda p=pid: not os.path.exists(f"/proc/{p}"))
    one.start()
    assert one.onggi("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}",
                     "ended").stdout == "exited 9\n"
    assert one.onggi("logs", "ended").stdout == "last words\n"


@pytest.mark.parametrize("victim", ["onggi-monitor", "onggid"])
def test_a_killed_part_leaves_nothing_that_the_next_start_keeps(start_onggid, isolation, victim,
                                                                busybox_tar):
    one = start_onggid()
    one.onggi("load", "-i", busybox_tar)
    one.onggi("run", "-d", "--name", "victim", "--network", "none", "--isolation", isolation,
              "busybox:test", "sleep", "1000")
    listed = subprocess.run(["ps", "-eo", "pid,args"], check=True, capture_output=True,
                            text=True).stdout.splitlines()
    pids = [int(line.split()[0]) for line in listed
            if victim in line.split()[1] and str(one.folder) in line]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    if victim == "onggid":
        one.process.wait()
        one.start()
        assert one.onggi("inspect", "-f", "{{.State.Running}}", "victim").stdout == "true\n"
    else:
        daemon.wait_for("the daemon to notice", lambda: one.onggi(
            "inspect", "-f", "{{.State.Running}}", "victim").stdout == "false\n")
    one.onggi("rm", "-f", "victim")
    assert one.onggi("run", "--rm", "--network", "none", "--isolation", isolation, "busybox:test",
                     "echo", "fine").stdout == "fine\n"
