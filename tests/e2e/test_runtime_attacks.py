# SPDX-License-Identifier: Apache-2.0
"""Known ways out of a container, tried on onggi-runtime. The numbers are those of issue 3's list."""

import ctypes
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import time

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


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


# ---- A1: the runtime's own file ----


WRITER = """#!/bin/sh
# opens whatever runs as the runtime for reading, waits until it is gone, and writes
for i in $(seq 1 200); do
	for p in /proc/[0-9]*; do
		[ $p = /proc/$$ ] && continue
		( exec 9<$p/exe ) 2>/dev/null && { exec 9<$p/exe; [ "$(readlink $p/exe)" != /bin/busybox ] && break 2; exec 9<&-; }
	done
done
for i in $(seq 1 100); do
	if ( echo gotcha > /proc/self/fd/9 ) 2>/tmp/why; then echo written; exit 0; fi
	usleep 10000
done
echo "failed: $(cat /tmp/why)"
"""


@pytest.mark.parametrize("way", ["program", "script", "exec"])
def test_a1_the_runtime_cannot_be_overwritten_through_proc_self_exe(runtime, way, tmp_path):
    """CVE-2019-5736. What runs is a copy of the runtime, so that a hit hurts nobody."""
    copy = tmp_path / "copy"
    shutil.copy(runtime.program, copy)
    runtime.program = copy
    before = digest(copy)
    (runtime.rootfs / "writer").write_text(WRITER)
    (runtime.rootfs / "script").write_text("#!/proc/self/exe\n")
    for name in ("writer", "script"):
        (runtime.rootfs / name).chmod(0o755)
    (runtime.rootfs / "program").symlink_to("/proc/self/exe")
    runtime.config["process"]["capabilities"] = {}  # root, but no more: it is about the file's owner
    if way == "exec":
        name = runtime.start("/bin/sh", "/writer")
        for _ in range(20):
            runtime.call("exec", name, "/script", "--help", check=False)
        runtime.call("kill", name, "KILL", check=False)
    else:
        # The workload executes the runtime's file; what it shows of that file must be read-only.
        for _ in range(5):
            runtime.run(f"/{way}", "--help", check=False)
    assert digest(copy) == before


def test_a1_what_proc_self_exe_shows_of_the_runtime_is_read_only(runtime):
    """The link of a created workload's waiting process: from outside, by root, not even so."""
    name = runtime.create("/bin/sleep", "1000")
    link = f"/proc/{runtime.state(name)['pid']}/exe"
    before = digest(runtime.program)
    with pytest.raises(OSError) as failure:
        os.close(os.open(link, os.O_WRONLY))
    assert failure.value.errno in (30, 26)  # EROFS, ETXTBSY
    descriptor = os.open(link, os.O_RDONLY)
    runtime.call("delete", "--force", name)
    with pytest.raises(OSError) as failure:
        os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY))
    os.close(descriptor)
    assert failure.value.errno == 30  # EROFS, now that nothing executes it
    assert digest(runtime.program) == before


# ---- A2, A3: the working directory ----


def test_a2_no_descriptor_of_ours_is_a_working_directory(runtime):
    """CVE-2024-21626."""
    script = "pwd; [ \"$(readlink /proc/self/cwd)\" = \"$(pwd)\" ] && ls ../../../../etc"
    name = runtime.start("/bin/sleep", "1000")
    for number in range(3, 51):
        cwd = f"/proc/self/fd/{number}"
        runtime.config["process"]["cwd"] = cwd
        result = runtime.run("/bin/sh", "-c", script, check=False)
        assert result.returncode != 0 and "process.cwd" in result.stderr, number
        result = runtime.call("exec", "--cwd", cwd, name, "/bin/sh", "-c", script, check=False)
        assert result.returncode != 0 and "process.cwd" in result.stderr, number


def test_a2_a_process_has_no_other_descriptors(runtime):
    with open("/etc/passwd") as leaked:
        os.set_inheritable(leaked.fileno(), True)
        out = runtime.run("/bin/ls", "/proc/self/fd", pass_fds=[leaked.fileno()]).stdout
        assert out.split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads
        name = runtime.start("/bin/sleep", "1000")
        assert sorted(os.listdir(f"/proc/{runtime.state(name)['pid']}/fd")) == ["0", "1", "2"]
        out = runtime.call("exec", name, "/bin/ls", "/proc/self/fd", pass_fds=[leaked.fileno()]).stdout
        assert out.split() == ["0", "1", "2", "3"]


def test_a3_a_link_to_a_descriptor_is_no_working_directory(runtime):
    for number in range(3, 30):
        link = runtime.rootfs / f"l{number}"
        link.symlink_to(f"/proc/self/fd/{number}")
        runtime.config["process"]["cwd"] = f"/l{number}"
        result = runtime.run("/bin/pwd", check=False)
        assert result.returncode != 0 and "process.cwd" in result.stderr, number


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


def test_a17_a_process_that_joins_shows_nothing(runtime):
    """CVE-2016-9962: what exec brings in is watched from inside, all the time."""
    (runtime.rootfs / "watch").write_text(
        "#!/bin/sh\ntouch /tmp/up\nwhile :; do for p in /proc/[0-9]*; do\n"
        "l=$(readlink $p/exe) && case $l in /bin/busybox) ;; *) echo $l >> /tmp/seen; ls -l $p/fd >> /tmp/seen ;; esac\n"
        "done; done 2>/dev/null\n")
    (runtime.rootfs / "watch").chmod(0o755)
    name = runtime.start("/watch")
    while not (runtime.rootfs / "tmp/up").exists():
        time.sleep(0.01)
    for _ in range(50):
        runtime.call("exec", name, "/bin/true")
    assert not (runtime.rootfs / "tmp/seen").exists(), (runtime.rootfs / "tmp/seen").read_text()


def test_a20_the_terminal_takes_no_input_from_its_own_processes(runtime):
    """TIOCSTI: the process has no terminal of the host's, and none of its own is anyone else's."""
    name = runtime.start("/bin/sleep", "1000")
    assert "not a tty" in runtime.call("exec", name, "/bin/tty", check=False).stdout


def test_a22_the_state_is_for_its_owner_alone(runtime):
    name = runtime.create("/bin/sleep", "1000")
    for path in (runtime.root, runtime.root / name):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (runtime.root / name).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or stat.S_ISSOCK(path.stat().st_mode)
    runtime.call("delete", "--force", name)
    runtime.root.chmod(0o777)
    result = runtime.run("/bin/true", check=False)
    assert result.returncode != 0 and "can be written by others" in result.stderr
    runtime.root.chmod(0o700)


def test_a21_there_is_no_abstract_socket(runtime):
    runtime.config["linux"]["namespaces"] = [space for space in runtime.config["linux"]["namespaces"]
                                             if space["type"] != "network"]
    name = runtime.create("/bin/sleep", "1000")
    sockets = [line.split()[-1] for line in pathlib.Path("/proc/net/unix").read_text().splitlines()]
    assert not [path for path in sockets if path.startswith("@") and ("onggi" in path or name in path)]


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
