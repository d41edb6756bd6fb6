# SPDX-License-Identifier: Apache-2.0
"""
Attacks by a workload's processes, and by who they claim to be: A13 to A16, A18, A20, A23, A24;
each runs on the real build and on the weakened one (lib/attacks.py).
"""

import fcntl
import json
import os
import pathlib
import pty
import subprocess
import termios

import pytest

import attacks
import bundles

CONTAINERS_PROFILE = pathlib.Path("/usr/share/containers/seccomp.json")


# ---- A13, A23: what the kernel would do for them ----


@pytest.mark.weakened_by("A13", "A23")
def test_a13_a_cgroup_cannot_be_mounted(attack):
    """CVE-2022-0492. It takes a capability and a system call, and there is neither."""
    attacks.drop_namespace(attack.runtime, "cgroup")
    script = "mkdir /tmp/c; mount -t cgroup -o rdma c /tmp/c || mount -t cgroup -o pids c /tmp/c || mount -t cgroup2 c /tmp/c"
    result = attack.runtime.run("/bin/sh", "-c", f"{script} && ls /tmp/c", check=False)
    attack.refused(result, "ermission denied")
    attack.judge(result.stdout)


@pytest.mark.parametrize("hole", ["A13", "A23"])
def test_a13_either_of_the_two_is_enough(attack_with, hole):
    attack = attack_with(hole)
    attacks.drop_namespace(attack.runtime, "cgroup")
    result = attack.runtime.run("/bin/sh", "-c", "mkdir /tmp/c; mount -t cgroup -o pids c /tmp/c || mount -t cgroup2 c /tmp/c",
                                check=False)
    assert result.returncode != 0 and "ermission denied" in result.stderr


@pytest.mark.weakened_by("A23")
@pytest.mark.parametrize("way", ["run", "exec"])
def test_a23_system_calls_that_reach_the_kernels_depths_are_refused(attack, way):
    runtime = attack.runtime
    assert runtime.config["linux"].get("seccomp"), "the default configuration has no seccomp profile"
    if way == "run":
        result = runtime.run("/attacker", "calls")
    else:
        result = runtime.call("exec", runtime.start("/bin/sleep", "1000"), "/attacker", "calls")
    reached = result.stdout.split()
    if attack.weakened:  # at least those that need no capability
        assert {"keyctl", "io_uring_enter", "unshare(user)", "clone(user)"} <= set(reached)
    attack.judge(reached)


def test_a23_the_default_profile_allows_nothing_that_others_refuse(runtime, require):
    """Against Podman's, which began as Docker's: never more, for what has the default capabilities."""
    if not CONTAINERS_PROFILE.exists():
        require.lacking(f"no {CONTAINERS_PROFILE}: tools/install-deps test")

    def allowed(profile, capabilities):
        names = set()
        for rule in profile["syscalls"]:
            needs = rule.get("includes", {}).get("caps", [])
            without = rule.get("excludes", {}).get("caps", [])
            if rule["action"] != "SCMP_ACT_ALLOW" or (needs and not set(needs) & capabilities) or set(without) & capabilities:
                continue
            names |= set(rule["names"])
        return names

    theirs = json.loads(CONTAINERS_PROFILE.read_text())
    granted = set(runtime.config["process"]["capabilities"]["bounding"])
    ours = allowed(runtime.config["linux"]["seccomp"], granted)
    # Newer than that list, and of a kind with what is on it.
    newer = {"fchmodat2", "map_shadow_stack", "cachestat", "futex_wake", "futex_wait", "futex_requeue", "getxattrat",
             "setxattrat", "listxattrat", "removexattrat", "mseal"}
    dockers = {"futex_waitv", "io_pgetevents", "io_pgetevents_time64", "vmsplice"}  # allows these, and Podman does not
    assert len(ours) > 250
    assert ours - allowed(theirs, granted) - newer - dockers == set()


# ---- A14: inheritable capabilities ----


@pytest.mark.weakened_by("A14")
@pytest.mark.parametrize("way", ["run", "exec", "exec --cap"])
def test_a14_no_capability_is_inheritable(attack, way):
    """CVE-2022-24769, CVE-2022-27650, CVE-2022-29162."""
    runtime = attack.runtime
    words = ["/bin/grep", "CapInh", "/proc/self/status"]
    if way == "run":
        out = runtime.run(*words).stdout
    else:
        flags = ["--cap", "CAP_SYS_TIME"] if "--cap" in way else []
        out = runtime.call("exec", *flags, runtime.start("/bin/sleep", "1000"), *words).stdout
    attack.judge(int(out.split()[1], 16))


# ---- A15, A16: numbers of users ----


@pytest.mark.weakened_by("A15")
def test_a15_a_user_that_is_no_number_is_refused_and_never_root(attack):
    """CVE-2026-30892."""
    runtime = attack.runtime
    name = runtime.start("/bin/sleep", "1000")
    wrong = []
    for text in ("0:0x", "1000:", ":5", "4294967296", "4294967295", "-1", "1000x", "user1", "", "0x0", "+0", " 0",
                 "1000:1000:1000", "1000:-1", "1000:4294967296", "99999999999999999999"):
        result = runtime.call("exec", "--user", text, name, "/bin/sh", "-c", "id -u; id -g", check=False)
        attack.refused(result, "--user")
        if result.returncode == 0:
            wrong.append((text, result.stdout.split()))
    for text, ids in (("1000", ["1000", "0"]), ("1000:5", ["1000", "5"]), ("4294967294", ["4294967294", "0"])):
        result = runtime.call("exec", "--user", text, name, "/bin/sh", "-c", "id -u; id -g")
        assert result.stdout.split() == ids
    attack.judge([text for text, ids in wrong if "0" in ids])


@pytest.mark.weakened_by("A16")
@pytest.mark.parametrize("uid", [2**32, 2**32 - 1, 2**64 - 2**32])
def test_a16_a_user_that_wraps_to_root_is_refused(attack, uid):
    """CVE-2024-40635, CVE-2026-47262: 2^32 is 0 in 32 bits, and 2^32 - 1 tells the kernel to change nothing."""
    attack.runtime.config["process"]["user"] = {"uid": uid, "gid": 1000}
    result = attack.runtime.run("/bin/id", "-u", check=False)
    attack.refused(result, "process.user.uid")
    attack.judge(result.stdout == "0\n")


# ---- A18: what is too long ----


@pytest.mark.weakened_by("A18")
def test_a18_too_many_mappings_are_an_error_and_nothing_is_cut_to_fit(attack):
    """CVE-2021-43784."""
    runtime = attack.runtime
    runtime.config["annotations"] = {"big": "x" * 70000}
    assert runtime.sh("echo fine") == "fine\n"
    runtime.config["linux"]["namespaces"].append({"type": "user"})
    many = [{"containerID": i, "hostID": i, "size": 1} for i in range(4000)]
    runtime.config["linux"]["uidMappings"] = many
    runtime.config["linux"]["gidMappings"] = many
    result = runtime.run("/bin/cat", "/proc/self/uid_map", check=False)
    attack.refused(result, "linux.uidMappings")
    attack.judge(len(result.stdout.splitlines()))


# ---- A20: the host's terminal ----


def own_session(slave):
    def become():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    return become


@pytest.mark.weakened_by("A20")
@pytest.mark.parametrize("way", ["run", "exec"])
def test_a20_no_process_gets_at_the_callers_terminal(attack, way):
    """TIOCSTI and its like: who shares a session with the caller can type for him."""
    runtime = attack.runtime
    words = ["exec", runtime.start("/bin/sleep", "1000"), "/attacker", "terminal"]
    if way == "run":
        runtime.config["process"]["args"] = ["/attacker", "terminal"]
        runtime.write()
        words = ["run", "--bundle", runtime.bundle, runtime.name()]
    master, slave = pty.openpty()
    try:
        result = subprocess.run([runtime.program, "--root", runtime.root, *words], stdin=slave, stdout=subprocess.PIPE,
                                preexec_fn=own_session(slave), timeout=bundles.TIMEOUT_S, check=True)
    finally:
        os.close(master)
        os.close(slave)
    attack.judge(result.stdout.split())


# ---- A24: devices ----


@pytest.mark.in_lab
@pytest.mark.weakened_by("A24")
@pytest.mark.parametrize("way", ["run", "exec", "update"])
def test_a24_devices_of_the_host_cannot_be_opened(attack, way):
    """With CAP_MKNOD a node can be made of anything; the device group refuses to open it."""
    runtime = attack.runtime
    if way == "run":
        result = runtime.run("/attacker", "disks")
    else:
        name = runtime.start("/bin/sleep", "1000")
        if way == "update":  # of other limits, which must not lift this one
            runtime.call("update", "--pids-limit", "100", name)
        result = runtime.call("exec", name, "/attacker", "disks")
    attack.judge(result.stdout.split())
