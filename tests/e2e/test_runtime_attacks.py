# SPDX-License-Identifier: Apache-2.0
"""Known ways out of a container, tried on onggi-runtime. The numbers are those of issue 3's list."""

import ctypes
import os
import pathlib
import shutil
import signal
import socket

import pytest

import bundles

RENAME_EXCHANGE = 2


@pytest.fixture
def runtime(prefix, require, tmp_path):
    require.root()
    made = bundles.Runtime(prefix, tmp_path)
    yield made
    made.clean()


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.mkdir()
    return path


# ---- A4 to A11: mounts ----


def test_a4_a_masked_path_is_covered_by_the_true_null_device(runtime):
    """CVE-2025-31133."""
    before = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    runtime.config["mounts"] = [mount for mount in runtime.config["mounts"] if mount["destination"] == "/proc"]
    (runtime.rootfs / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")
    result = runtime.run("/bin/sh", "-c", "echo '|/evil' > /proc/keys; stat -c %t:%T /proc/keys; cat /proc/keys", check=False)
    assert result.returncode != 0 or result.stdout == "1:3\n"
    assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_a5_the_console_is_not_mounted_over_where_a_link_leads(runtime, tmp_path):
    """CVE-2025-52565."""
    before = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    runtime.config["process"]["terminal"] = True
    runtime.config["mounts"] = [mount for mount in runtime.config["mounts"]
                                if mount["destination"] in ("/proc", "/dev/pts")]
    (runtime.rootfs / "dev/pts").mkdir()
    (runtime.rootfs / "dev/console").symlink_to("/proc/sys/kernel/core_pattern")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "console"))
        listener.listen()
        result = runtime.run("/bin/true", flags=("--console-socket", tmp_path / "console"), check=False)
    assert result.returncode != 0 and "console" in result.stderr
    assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_a7_a_link_at_dev_gets_no_device_outside(runtime, victim):
    """CVE-2026-41579, CVE-2026-47766."""
    shutil.rmtree(runtime.rootfs / "dev")
    runtime.config["mounts"] = [mount for mount in runtime.config["mounts"] if not mount["destination"].startswith("/dev")]
    runtime.config["mounts"].append({"destination": "/vol", "type": "bind", "source": str(victim), "options": ["rbind"]})
    for target in (str(victim), "/vol", "../../../../../.." + str(victim)):
        (runtime.rootfs / "dev").symlink_to(target)
        result = runtime.run("/bin/true", check=False)
        assert result.returncode != 0 and "/dev" in result.stderr
        assert os.listdir(victim) == []
        (runtime.rootfs / "dev").unlink()


@pytest.mark.parametrize("place", ["proc", "sys"])
def test_a8_proc_and_sys_must_be_ordinary_directories(runtime, place):
    """CVE-2019-19921, CVE-2023-27561."""
    shutil.rmtree(runtime.rootfs / place)
    (runtime.rootfs / "evil").mkdir()
    (runtime.rootfs / place).symlink_to("/evil")
    result = runtime.run("/bin/true", check=False)
    assert result.returncode != 0 and "must be mounted on an ordinary directory" in result.stderr


def test_a8_a_volume_cannot_be_mounted_at_proc(runtime, victim):
    for destination in ("/proc", "/proc/", "//proc", "/./proc", "/x/../proc"):
        runtime.config["mounts"] = [{"destination": destination, "type": "bind", "source": str(victim), "options": ["rbind"]}]
        result = runtime.run("/bin/true", check=False)
        assert result.returncode != 0 and "/proc" in result.stderr, destination


@pytest.mark.parametrize("destination", ["/proc/self/attr", "/proc/sys/kernel", "/proc/1", "/x/../proc/self", "/link/self"])
def test_a9_nothing_is_mounted_within_proc(runtime, victim, destination):
    """CVE-2019-16884."""
    (runtime.rootfs / "link").symlink_to("/proc")
    runtime.config["mounts"].append({"destination": destination, "type": "tmpfs", "source": "tmpfs"})
    result = runtime.run("/bin/true", check=False)
    assert result.returncode != 0 and "within /proc" in result.stderr
    runtime.config["mounts"][-1] = {"destination": "/proc/uptime", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}
    assert runtime.sh("cat /proc/uptime") == pathlib.Path("/etc/hostname").read_text()


@pytest.mark.slow
def test_a10_a11_a_link_that_comes_and_goes_leads_nowhere(runtime, victim, tmp_path):
    """CVE-2021-30465, CVE-2024-45310: the destination is exchanged for a link while it is mounted on."""
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "b").symlink_to("../" * 30 + str(victim))
    runtime.config["mounts"] += [
        {"destination": "/vol", "type": "bind", "source": str(volume), "options": ["rbind"]},
        {"destination": "/vol/a/made", "type": "tmpfs", "source": "tmpfs"},
    ]
    runtime.config["linux"]["seccomp"] = None
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        while True:
            libc.renameat2(-100, str(volume / "a").encode(), -100, str(volume / "b").encode(), RENAME_EXCHANGE)
    try:
        runtime.config["process"]["args"] = ["/bin/true"]
        for _ in range(300):
            runtime.run(check=False)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert os.listdir(victim) == []
    assert not [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if str(victim) in line]


# ---- A13 to A25: what a workload may do ----


def test_a13_a_cgroup_cannot_be_mounted(runtime):
    """CVE-2022-0492."""
    result = runtime.run("/bin/sh", "-c", "mkdir /tmp/c; mount -t cgroup -o rdma cgroup /tmp/c || mount -t cgroup2 c /tmp/c", check=False)
    assert result.returncode != 0 and "ermission" in result.stderr


def test_a20_the_terminal_takes_no_input_from_its_own_processes(runtime):
    """TIOCSTI: the process has no terminal of the host's, and none of its own is anyone else's."""
    name = runtime.start("/bin/sleep", "1000")
    assert "not a tty" in runtime.call("exec", name, "/bin/tty", check=False).stdout


@pytest.mark.parametrize("path, access", [
    ("/proc/sys/kernel/core_pattern", "w"), ("/proc/sysrq-trigger", "w"), ("/proc/kcore", "r"), ("/proc/keys", "r"),
    ("/proc/timer_list", "r"), ("/sys/firmware", "r"), ("/proc/irq/default_smp_affinity", "w"), ("/proc/acpi", "r"),
])
def test_a26_paths_of_the_kernel_are_covered(runtime, path, access):
    if access == "w":
        result = runtime.run("/bin/sh", "-c", f"echo 0 > {path}", check=False)
        assert result.returncode != 0
    else:
        assert runtime.sh(f"if [ -d {path} ]; then ls {path}; else head -c 100 {path}; fi; true") == ""


def test_a18_too_many_mappings_are_an_error_and_70_kb_are_none(runtime):
    """CVE-2021-43784: nothing is cut to fit."""
    runtime.config["annotations"] = {"big": "x" * 70000}
    assert runtime.sh("echo fine") == "fine\n"
    runtime.config["linux"]["namespaces"].append({"type": "user"})
    many = [{"containerID": i, "hostID": 100000 + i, "size": 1} for i in range(4000)]
    runtime.config["linux"]["uidMappings"] = many
    runtime.config["linux"]["gidMappings"] = many
    result = runtime.run("/bin/true", check=False)
    assert result.returncode == 1 and "linux.uidMappings" in result.stderr


def test_a23_system_calls_that_reach_the_kernels_depths_are_refused(runtime):
    if not runtime.config["linux"].get("seccomp"):
        pytest.fail("the default configuration has no seccomp profile")
    assert "Seccomp:\t2" in runtime.sh("cat /proc/self/status")
    name = runtime.start("/bin/sleep", "1000")
    assert "Seccomp:\t2" in runtime.call("exec", name, "/bin/cat", "/proc/self/status").stdout
    for words in ("unshare -U true", "unshare -m true", "mount -t tmpfs t /tmp", "swapon /tmp", "insmod /x", "reboot -f",
                  "chroot . true && mknod /tmp/n b 8 0 && cat /tmp/n", "hwclock -w", "nsenter -t 1 -m true"):
        result = runtime.run("/bin/sh", "-c", words, check=False)
        assert result.returncode != 0, words


def test_a27_annotations_change_nothing_of_a_container(runtime):
    runtime.config["annotations"] = {"org.onggi.isolation": "vm", "run.oci.handler": "krun", "org.onggi.vm.disks": "[]"}
    assert runtime.sh("readlink /proc/self/ns/pid").startswith("pid:")
