# SPDX-License-Identifier: Apache-2.0
"""
Attacks by what an image puts where the runtime mounts, makes devices and hides paths.
A4 to A12 and A26; each runs on the real build and on the weakened one (lib/attacks.py).
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

import attacks

ROUNDS = 5000
CORE_PATTERN = pathlib.Path("/proc/sys/kernel/core_pattern")


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.mkdir()
    return path


def add_mount(attack, destination, kind="tmpfs", source="tmpfs", options=()):
    attack.runtime.config["mounts"].append(
        {"destination": destination, "type": kind, "source": str(source), "options": list(options)})


# ---- A4, A5, A7: devices ----


@pytest.mark.weakened_by("A4")
def test_a4_a_masked_path_is_covered_by_the_true_null_device(attack):
    """CVE-2025-31133. What is written is what is there already, so that a hit hurts nobody."""
    before = CORE_PATTERN.read_text()
    attacks.drop_mounts(attack.runtime, "/proc")
    (attack.runtime.rootfs / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")
    script = "cat /proc/sys/kernel/core_pattern > /tmp/p; cat /tmp/p > /proc/keys && cat /proc/keys"
    result = attack.runtime.run("/bin/sh", "-c", script, check=False)
    attack.refused(result, "null")
    assert CORE_PATTERN.read_text() == before
    attack.judge(result.stdout == before and "core_pattern can be written")


@pytest.mark.weakened_by("A5")
def test_a5_the_console_is_not_mounted_over_where_a_link_leads(attack, victim, tmp_path):
    """CVE-2025-52565: the place of the console is made, outside, where the image's link leads."""
    runtime = attack.runtime
    runtime.config["process"]["terminal"] = True
    attacks.drop_mounts(runtime, "/proc", "/dev/pts")
    (runtime.rootfs / "dev/pts").mkdir()
    (runtime.rootfs / "dev/console").symlink_to(victim / "made")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "console"))
        listener.listen()
        result = runtime.run("/bin/true", flags=("--console-socket", tmp_path / "console"), check=False)
    attack.refused(result, "console")
    attack.judge(os.listdir(victim))


@pytest.mark.weakened_by("A7")
@pytest.mark.parametrize("way", ["absolute", "relative"])
def test_a7_a_link_at_dev_gets_no_device_outside(attack, way, victim):
    """CVE-2026-41579, CVE-2026-47766."""
    runtime = attack.runtime
    shutil.rmtree(runtime.rootfs / "dev")
    attacks.drop_mounts(runtime, "/proc")
    (runtime.rootfs / "dev").symlink_to(victim if way == "absolute" else f"{'../' * 20}{victim}")
    result = runtime.run("/bin/true", check=False)
    attack.refused(result, "/dev")
    attack.judge(os.listdir(victim))


@pytest.mark.weakened_by("A7")
def test_a7_a_link_at_dev_gets_no_device_in_a_volume(attack, victim):
    runtime = attack.runtime
    shutil.rmtree(runtime.rootfs / "dev")
    attacks.drop_mounts(runtime, "/proc")
    add_mount(attack, "/vol", "bind", victim, ["rbind"])
    (runtime.rootfs / "dev").symlink_to("vol")
    result = runtime.run("/bin/true", check=False)
    attack.refused(result, "/dev")
    attack.judge(os.listdir(victim))


# ---- A6: writes to procfs that are led astray ----


@pytest.mark.weakened_by("A6")
@pytest.mark.parametrize("cover", ["a folder at /proc", "a file over the setting"])
def test_a6_a_setting_is_written_to_procfs_or_not_at_all(attack, cover, victim):
    """
    CVE-2025-52881. The workload joins a mount namespace whose procfs its owner has covered: with a
    folder of his own, or with one file over the very setting.
    """
    goal = victim / "goal"
    goal.write_text("before")
    fake = victim / "fake"
    (fake / "sys/kernel").mkdir(parents=True)
    (fake / "sys/kernel/domainname").symlink_to(goal)
    mount = (f"mount --bind {fake} /proc" if cover.startswith("a folder")
             else f"mount --bind {goal} /proc/sys/kernel/domainname")
    holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c",
                               f"{mount} && echo up && read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"up\n"
        for space in attack.runtime.config["linux"]["namespaces"]:
            if space["type"] == "mount":
                space["path"] = f"/proc/{holder.pid}/ns/mnt"
        attack.runtime.config["linux"]["sysctl"] = {"kernel.domainname": "evil"}
        # Its mounts are the owner's, and left as they are.
        attack.runtime.config["mounts"] = []
        for key in ("maskedPaths", "readonlyPaths"):
            attack.runtime.config["linux"][key] = []
        result = attack.runtime.run("/bin/true", check=False)
    finally:
        holder.communicate(b"\n")
    attack.refused(result, "proc" if cover.startswith("a folder") else "domainname")
    attack.judge(goal.read_text() != "before" and "a file of the host was written")


# ---- A8, A9: /proc itself ----


@pytest.mark.weakened_by("A8")
@pytest.mark.parametrize("place", ["proc", "sys"])
def test_a8_proc_and_sys_must_be_ordinary_directories(attack, place):
    """CVE-2019-19921, CVE-2023-27561."""
    runtime = attack.runtime
    shutil.rmtree(runtime.rootfs / place)
    (runtime.rootfs / "evil").mkdir()
    (runtime.rootfs / place).symlink_to("/evil")
    result = runtime.run("/bin/cat", "/proc/self/mountinfo", check=False)
    attack.refused(result, "must be mounted on an ordinary directory")
    attack.judge([line for line in result.stdout.splitlines() if line.split()[4] == "/evil"])


@pytest.mark.weakened_by("A9")
@pytest.mark.parametrize("destination", ["/proc", "/proc/", "//proc", "/./proc", "/x/../proc", "/link"])
def test_a8_a_volume_cannot_be_mounted_at_proc(attack, destination, victim):
    runtime = attack.runtime
    (runtime.rootfs / "link").symlink_to("/proc")
    (victim / "canary").write_text("not procfs")
    attacks.drop_mounts(runtime)
    add_mount(attack, destination, "bind", victim, ["rbind"])
    if destination == "/x/../proc":
        (runtime.rootfs / "x").mkdir()
    result = runtime.run("/bin/cat", "/proc/canary", check=False)
    attack.refused(result, "/proc")
    attack.judge(result.stdout)


@pytest.mark.weakened_by("A9")
@pytest.mark.parametrize("destination", ["/proc/self/attr", "/proc/sys/kernel", "/proc/1", "/x/../proc/self", "/link/self"])
def test_a9_nothing_is_mounted_within_proc(attack, destination):
    """CVE-2019-16884."""
    runtime = attack.runtime
    (runtime.rootfs / "link").symlink_to("/proc")
    (runtime.rootfs / "x").mkdir()
    runtime.config["linux"]["readonlyPaths"] = []
    add_mount(attack, destination)
    runtime.config["linux"]["maskedPaths"] = []
    result = runtime.run("/bin/sh", "-c", "stat -f -c %T /proc/self /proc/self/attr /proc/1 /proc/sys/kernel", check=False)
    attack.refused(result, "within /proc")
    attack.judge("tmpfs" in result.stdout)


def test_a9_a_file_that_decides_nothing_can_be_covered(runtime):
    runtime.config["mounts"].append(
        {"destination": "/proc/uptime", "type": "bind", "source": "/etc/hostname", "options": ["bind"]})
    assert runtime.sh("cat /proc/uptime") == pathlib.Path("/etc/hostname").read_text()


# ---- A10, A11: a second process that exchanges what is mounted on ----


@pytest.mark.weakened_by("A10")
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a10_a11_a_link_that_comes_and_goes_leads_nowhere(attack, kind, victim, tmp_path):
    """CVE-2021-30465, CVE-2024-45310: 5,000 mounts in all, while their folder is now a link to the host's."""
    runtime = attack.runtime
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "b").symlink_to("../" * 30 + str(victim))
    (runtime.rootfs / str(victim)[1:]).mkdir(parents=True)  # where the link leads inside
    (tmp_path / "file").touch()
    each = 100  # in one workload: starting them would take the time
    attacks.drop_mounts(runtime, "/proc")
    add_mount(attack, "/vol", "bind", volume, ["rbind"])
    for number in range(each):
        if kind == "file":
            add_mount(attack, f"/vol/a/made{number}", "bind", tmp_path / "file", ["bind"])
        else:
            add_mount(attack, f"/vol/a/made{number}")
    first = len(runtime.config["mounts"]) - each
    rounds = 0
    with subprocess.Popen([attack.attacker, "flip", volume / "a", volume / "b"]) as flipping:
        try:
            while rounds < ROUNDS // 2 and not os.listdir(victim):
                result = runtime.run("/bin/true", check=False)
                # A round may be lost to an error: what was just made is elsewhere when it is opened.
                lost = re.search(r"mounts\[(\d+)\]", result.stderr)
                assert result.returncode == 0 or lost, result.stderr
                rounds += each if lost is None else int(lost[1]) + 1 - first
        finally:
            flipping.kill()
    mounts = [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if str(victim) in line]
    attack.judge(os.listdir(victim) + mounts)


# ---- A12: control groups ----


@pytest.mark.in_lab
@pytest.mark.weakened_by("A12")
@pytest.mark.parametrize("options", ["read-only", "writable", "user namespace"])
def test_a12_a_workload_cannot_leave_its_control_groups(attack, options):
    """CVE-2023-25809: without a cgroup namespace the host's tree is there to be seen."""
    runtime = attack.runtime
    if options == "user namespace":
        same = [{"containerID": 0, "hostID": 0, "size": 65536}]
        runtime.config["linux"]["namespaces"].append({"type": "user"})
        runtime.config["linux"] |= {"uidMappings": same, "gidMappings": same}
    attacks.drop_namespace(runtime, "cgroup")
    for mount in runtime.config["mounts"]:
        if mount["destination"] == "/sys/fs/cgroup" and options == "writable":
            mount["options"].remove("ro")
    tree = "/sys/fs/cgroup/pids" if pathlib.Path("/sys/fs/cgroup/pids").is_dir() else "/sys/fs/cgroup"
    result = runtime.run("/bin/sh", "-c", f"echo 0 > {tree}/cgroup.procs;"
                                          f"cat /proc/self/cgroup", check=False)
    own = [line.split(":", 2) for line in result.stdout.splitlines()]
    left = [words for words in own if words[1] in ("pids", "") and words[2] == "/" and
            (words[1] == "pids" or tree == "/sys/fs/cgroup")]
    attack.judge(left)


# ---- A26: paths of the kernel ----


READ = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi", "/proc/interrupts", "/proc/asound",
        "/proc/latency_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap"]
WRITE = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/panic_on_oom",
         "/proc/irq/default_smp_affinity", "/proc/sys/kernel/hotplug", "/sys/kernel/uevent_helper"]


@pytest.mark.weakened_by("A26")
@pytest.mark.parametrize("access", ["r", "w"])
def test_a26_paths_of_the_kernel_are_covered(attack, access):
    """They are opened, and read, but nothing is ever written."""
    paths = READ if access == "r" else WRITE
    attack.judge(attack.runtime.run("/attacker", "open", access, *paths).stdout.split())


@pytest.mark.weakened_by("A8-race")
@pytest.mark.parametrize("other", ["link", "folder"])
def test_a8_procfs_that_is_moved_away_meanwhile_is_masked_all_the_same(attack, other):
    """CVE-2023-27561: a second process exchanges /proc for something else, between mounting and masking."""
    runtime = attack.runtime
    evil = runtime.rootfs / "evil"
    (runtime.rootfs / "fake").mkdir()
    if other == "link":
        evil.symlink_to("/fake")
    else:
        evil.mkdir()
    runtime.config["process"]["args"] = ["/attacker", "open", "w", *(f"/{place}{path[5:]}" for place in ("proc", "evil")
                                                                   for path in WRITE if path.startswith("/proc"))]
    runtime.write()
    reached = []
    with subprocess.Popen([attack.attacker, "flip", runtime.rootfs / "proc", evil]) as flipping:
        try:
            for _ in range(1000 if attack.weakened else 150):
                result = runtime.run(check=False)
                reached += result.stdout.split()
                if reached:
                    break
        finally:
            flipping.kill()
    attack.judge(reached)
