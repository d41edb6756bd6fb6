# SPDX-License-Identifier: Apache-2.0
"""linux.seccomp, as system calls inside a container see it."""

import errno
import platform
import shutil
import socket

import pytest

import notifications

X86_64 = platform.machine() == "x86_64"
only_x86 = pytest.mark.skipif(not X86_64, reason="numbers of x86-64")
# Numbers of x86-64 and of 32-bit x86; no program here needs these calls.
GETPGRP, GETPGRP_32, MKDIR, CLONE3, SOCKET, KEYCTL = 111, 65, 83, 435, 41, 250
SIGSYS_STATUS = 128 + 31

pytestmark = [pytest.mark.in_lab, only_x86]


@pytest.fixture
def runtime(runtime, require):
    shutil.copy(require.built("og-syscall"), runtime.rootfs / "bin/og-syscall")
    return runtime


@pytest.fixture
def listen(tmp_path):
    """listen(answer): a listener on a socket of its own, whose path is in `.path`."""
    made = []

    def start(answer):
        path = tmp_path / f"listener-{len(made)}"
        made.append(notifications.Listener(path, answer))
        made[-1].path = path
        return made[-1]
    yield start
    for one in made:
        one.close()


def rule(name, action, **rest):
    return {"names": [name], "action": f"SCMP_ACT_{action}", **rest}


def profile(*rules, **rest):
    return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": list(rules), **rest}


def make_call(runtime, *words):
    return runtime.run("/bin/og-syscall", *map(str, words), check=False)


def result_of(runtime, *words):
    result = make_call(runtime, *words)
    assert result.returncode == 0, (result.returncode, result.stderr)
    return result.stdout.strip()


def refusal(runtime):
    result = runtime.run("/bin/true", check=False)
    assert result.returncode != 0
    return result.stderr


# ---- actions ----


@pytest.mark.parametrize("action, more, seen", [
    ("ERRNO", {"errnoRet": 7}, "-7"),
    ("ERRNO", {}, f"-{errno.EPERM}"),
    ("TRAP", {}, f"trap {GETPGRP}"),
    ("TRACE", {"errnoRet": 9}, f"-{errno.ENOSYS}"),  # nobody traces
    ("LOG", {}, "1"),
    ("ALLOW", {}, "1"),
])
def test_each_action_is_seen_from_inside(runtime, action, more, seen):
    runtime.config["linux"]["seccomp"] = profile(rule("getpgrp", action, **more))
    assert result_of(runtime, GETPGRP) == seen


@pytest.mark.parametrize("action, status, said", [
    ("KILL", 0, "alive 0"), ("KILL_THREAD", 0, "alive 0"), ("KILL_PROCESS", SIGSYS_STATUS, ""),
])
def test_killing_ends_the_thread_or_the_process(runtime, action, status, said):
    runtime.config["linux"]["seccomp"] = profile(rule("getpgrp", action))
    result = make_call(runtime, "thread", GETPGRP)
    assert (result.returncode, result.stdout.strip()) == (status, said)
    assert make_call(runtime, GETPGRP).returncode == SIGSYS_STATUS


def test_the_default_action_is_for_what_no_rule_names(runtime):
    needed = ("execve arch_prctl brk mmap munmap mprotect set_tid_address set_robust_list rseq prlimit64 readlink readlinkat "
              "getrandom rt_sigaction write exit_group newfstatat read close openat fstat no_such_call").split()
    runtime.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 11, "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": needed, "action": "SCMP_ACT_ALLOW"}]}
    assert result_of(runtime, GETPGRP) == "-11"


@pytest.mark.parametrize("op, value, two, fits, fits_not", [
    ("EQ", 1 << 32, 0, [1 << 32], [0, 1, (1 << 32) + 1, 1 << 33]),
    ("NE", (1 << 32) + 5, 0, [5, 1 << 32], [(1 << 32) + 5]),
    ("LT", 1 << 32, 0, [0, (1 << 32) - 1], [1 << 32, (1 << 64) - 1]),
    ("LE", (1 << 32) + 1, 0, [2, (1 << 32) + 1], [(1 << 32) + 2, 1 << 33]),
    ("GE", (1 << 32) + 5, 0, [(1 << 32) + 5, 1 << 33], [6, (1 << 32) + 4]),
    ("GT", (1 << 32) - 1, 0, [1 << 32], [(1 << 32) - 1, 7]),
    ("MASKED_EQ", 0xF0000000F, 0x100000001, [0x100000001, 0xF00000010000F0F1 & ~0xE00000000], [1, 0x100000002]),
])
def test_arguments_are_compared_whole(runtime, op, value, two, fits, fits_not):
    arg = {"index": 2, "value": value, "valueTwo": two, "op": f"SCMP_CMP_{op}"}
    runtime.config["linux"]["seccomp"] = profile(rule("getpgrp", "ERRNO", errnoRet=5, args=[arg]))
    script = "; ".join(f"og-syscall {GETPGRP} 9 9 {number}" for number in fits + fits_not)
    seen = runtime.sh(script).split()
    assert [line == "-5" for line in seen] == [True] * len(fits) + [False] * len(fits_not)


def test_calls_of_other_abis_are_judged_only_where_they_are_named(runtime):
    runtime.config["linux"]["seccomp"] = profile(rule("getpgrp", "ERRNO", errnoRet=3))
    assert make_call(runtime, "int80", GETPGRP_32).returncode == SIGSYS_STATUS
    assert make_call(runtime, GETPGRP | 0x40000000).returncode == SIGSYS_STATUS
    runtime.config["linux"]["seccomp"]["architectures"] += ["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"]
    if (without := unfiltered(runtime, "int80", GETPGRP_32)) != f"-{errno.ENOSYS}":
        assert int(without) >= 0 and result_of(runtime, "int80", GETPGRP_32) == "-3"
    assert result_of(runtime, GETPGRP | 0x40000000) == "-3"


def unfiltered(runtime, *words):
    saved = runtime.config["linux"].pop("seccomp")
    try:
        result = make_call(runtime, *words)
        return result.stdout.strip() if result.returncode == 0 else f"-{errno.ENOSYS}"
    finally:
        runtime.config["linux"]["seccomp"] = saved


# ---- what is refused ----


@pytest.mark.parametrize("change, said", [
    ({"flags": ["SECCOMP_FILTER_FLAG_FOO"]}, "flags[0] is 'SECCOMP_FILTER_FLAG_FOO'"),
    ({"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]},
     "flags[1]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY"),
    ({"defaultAction": "SCMP_ACT_FOO"}, "defaultAction is 'SCMP_ACT_FOO'"),
    ({"defaultErrnoRet": 5}, "defaultErrnoRet: SCMP_ACT_ALLOW takes none"),
    ({"architectures": ["SCMP_ARCH_X86_64", "x86"]}, "architectures[1] is 'x86'"),
    ({"syscalls": [rule("getpgrp", "KILL", errnoRet=5)]}, "syscalls[0]: errnoRet: SCMP_ACT_KILL takes none"),
    ({"syscalls": [rule("getpgrp", "NOTIFY")]}, "SCMP_ACT_NOTIFY needs listenerPath"),
    ({"syscalls": [rule("getpgrp", "NOTIFY")], "listenerPath": "/nowhere/at/all"}, "listenerPath '/nowhere/at/all'"),
    ({"listenerMetadata": "x"}, "listenerMetadata"),
])
def test_what_cannot_be_is_refused_by_its_path(runtime, change, said):
    runtime.config["linux"]["seccomp"] = profile(**{}) | change
    text = refusal(runtime)
    assert "linux.seccomp" in text and said in text and text.count("\n") == 1


def test_every_flag_that_the_kernel_has_is_taken(runtime, listen):
    flags = ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    runtime.config["linux"]["seccomp"] = profile(rule("getpgrp", "ERRNO", errnoRet=4), flags=flags)
    assert result_of(runtime, GETPGRP) == "-4"
    listener = listen(lambda number, args: 12)
    runtime.config["linux"]["seccomp"] = profile(
        rule("getpgrp", "NOTIFY"), flags=[*flags, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], listenerPath=str(listener.path))
    result = make_call(runtime, GETPGRP)
    if "this kernel has no SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" in result.stderr:
        pytest.skip("Linux before 5.19 has no SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
    assert result.stdout.strip() == "12"


# ---- the listener ----


def test_a_listener_decides_what_a_call_comes_to(runtime, listen):
    listener = listen(lambda number, args: 0 if number == MKDIR else None)
    runtime.config["linux"]["seccomp"] = profile(
        rule("mkdir", "NOTIFY"), listenerPath=str(listener.path), listenerMetadata="what=\"mkdir\"")
    runtime.config["annotations"] = {"a.b": "c"}
    assert runtime.sh("mkdir /tmp/made && test ! -e /tmp/made && echo faked").strip() == "faked"
    assert listener.calls == [MKDIR]
    [state] = listener.states
    assert state["ociVersion"].startswith("1.") and state["fds"] == ["seccompFd"] and state["metadata"] == "what=\"mkdir\""
    assert state["state"]["id"].startswith("og-test-") and state["state"]["status"] == "creating"
    assert state["state"]["pid"] == state["pid"] and state["state"]["annotations"] == {"a.b": "c"}
    assert state["state"]["bundle"] == str(runtime.bundle)


def test_a_listener_may_refuse(runtime, listen):
    listener = listen(lambda number, args: -errno.EDQUOT)
    runtime.config["linux"]["seccomp"] = profile(rule("mkdir", "NOTIFY"), listenerPath=str(listener.path))
    assert "quota" in runtime.run("/bin/mkdir", "/tmp/made", check=False).stderr.lower()


def test_created_and_entered_processes_have_a_listener_each(runtime, listen):
    listener = listen(lambda number, args: None if args[0] else 42)
    runtime.config["linux"]["seccomp"] = profile(rule("getpgrp", "NOTIFY"), listenerPath=str(listener.path))
    name = runtime.create("/bin/sleep", "1000")
    assert listener.states == []
    runtime.call("start", name)
    assert runtime.call("exec", name, "/bin/og-syscall", str(GETPGRP)).stdout.strip() == "42"
    first, second = listener.states
    pid = runtime.state(name)["pid"]
    assert first["pid"] == pid and first["state"]["pid"] == pid
    assert second["pid"] not in (0, 1, pid) and second["state"]["pid"] == pid and second["state"]["status"] == "running"
    runtime.call("delete", "--force", name)


@pytest.mark.parametrize("way", ["run", "start", "exec"])
def test_everything_may_be_asked_about(runtime, listen, way):
    """Even what installing the filter, sending the listener and execve() take: nothing deadlocks."""
    listener = listen(lambda number, args: 77 if number == GETPGRP else None)
    runtime.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": str(listener.path),
                                          "architectures": ["SCMP_ARCH_X86_64"]}
    if way == "run":
        assert result_of(runtime, GETPGRP) == "77"
    elif way == "start":
        runtime.wait_for(runtime.start("/bin/og-syscall", str(GETPGRP)), "stopped")
    else:
        name = runtime.start("/bin/sleep", "1000")
        assert runtime.call("exec", name, "/bin/og-syscall", str(GETPGRP)).stdout.strip() == "77"
        runtime.call("delete", "--force", name)
    assert {59, GETPGRP} <= set(listener.calls)  # 59: execve


def test_a_listener_that_hangs_up_fails_the_start(runtime, tmp_path):
    """Nobody would ever answer."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        runtime.config["linux"]["seccomp"] = profile(rule("getpgrp", "NOTIFY"), listenerPath=str(tmp_path / "socket"))
        name = runtime.create("/bin/true")
        connection, _ = server.accept()
        connection.close()
        result = runtime.call("start", name, check=False)
    assert result.returncode != 0 and "send the seccomp listener" in result.stderr
    runtime.wait_for(name, "stopped")


# ---- exec ----


@pytest.mark.parametrize("harm", ["none", "missing", "empty", "cut", "jumps", "garbage"])
def test_exec_has_the_filter_even_where_its_file_is_damaged(runtime, harm):
    runtime.config["linux"]["seccomp"] = profile(rule("getpgrp", "ERRNO", errnoRet=6))
    name = runtime.start("/bin/sleep", "1000")
    saved = runtime.root / name / "seccomp.bpf"
    code = saved.read_bytes()
    assert len(code) % 8 == 0 and saved.stat().st_mode & 0o777 == 0o600
    if harm == "missing":
        saved.unlink()
    elif harm != "none":
        saved.write_bytes({"empty": b"", "cut": code[:-3], "garbage": b"\xff" * 80,
                           "jumps": b"\x05\0\0\0\xff\xff\xff\x7f" + code}[harm])
    assert runtime.call("exec", name, "/bin/og-syscall", str(GETPGRP)).stdout.strip() == "-6"
    runtime.call("delete", "--force", name)


# ---- the default profile ----


def test_the_default_profile_has_the_c_library_fall_back_from_clone3(runtime):
    assert result_of(runtime, CLONE3, 0, 0) == f"-{errno.ENOSYS}"
    assert result_of(runtime, KEYCTL, 0, 0) == f"-{errno.EPERM}"


def test_the_default_profile_allows_the_sockets_that_dockers_allows(runtime):
    """Docker's: all families below 46 but those; the rest of the kernel's have had their holes."""
    refused = {12, 19, 20, 23, 25, 34, 37, 38, 40}
    seen = runtime.sh(f"for f in $(seq 0 47); do og-syscall {SOCKET} $f 0 99999; done").split()
    found = {family for family, result in enumerate(seen) if result == f"-{errno.EPERM}"}
    # AF_KEY and AF_PHONET, where there are such, want a capability of the kernel's own accord.
    assert found - {15, 35} == refused | {46, 47}
