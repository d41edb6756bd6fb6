# SPDX-License-Identifier: Apache-2.0
"""onggi-runtime run by an ordinary user: what a workload of his sees, and what he is told he may not have."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import time

import pytest

import bundles
import daemon
from rootless import UID, Rootless, become, ordinary

OTHER = 42421
SUB = 420000  # where the test's /etc/subuid begins


@pytest.fixture(name="rootless")
def fixture_rootless(prefix, require):
    require.root()
    with ordinary(prefix) as made:
        yield made


def no_namespace(config, kind):
    config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != kind]


# ---- what is inside ----


@pytest.mark.in_lab
def test_a_user_is_root_of_a_workload_and_nobody_else(rootless):
    out = rootless.sh("id -u; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; "
                      "for n in user pid mnt ipc uts cgroup; do readlink /proc/self/ns/$n; done; hostname; "
                      "echo x > /tmp/file; echo fine > /dev/null; wc -l < /proc/keys").split("\n")
    assert out[0].split() == ["0"] and out[1].split() == out[2].split() == ["0", str(UID), "1"]
    assert out[3] == "deny"
    outside = {os.readlink(f"/proc/self/ns/{n}") for n in ("user", "pid", "mnt", "ipc", "uts", "cgroup")}
    assert len(set(out[4:10])) == 6 and not set(out[4:10]) & outside and out[10:12] == ["onggi", "0"]
    assert os.stat(rootless.rootfs / "tmp/file").st_uid == UID
    assert stat.S_IMODE(os.stat(rootless.root).st_mode) == 0o700 and os.listdir(rootless.root) == []


@pytest.mark.in_lab
def test_the_whole_life_of_a_workload_is_its_users(rootless):
    name = rootless.create("/bin/sleep", "1000")
    assert rootless.state(name)["status"] == "created"
    rootless.call("start", name)
    first = rootless.state(name)["pid"]
    script = "for n in user pid mnt ipc uts cgroup; do readlink /proc/self/ns/$n; done; id -u; echo $$ > /tmp/pid; exit 9"
    out = rootless.call("exec", name, "/bin/sh", "-c", script, check=False)
    assert out.returncode == 9, out.stderr
    spaces = [os.readlink(f"/proc/{first}/ns/{n}") for n in ("user", "pid", "mnt", "ipc", "uts", "cgroup")]
    assert out.stdout.split() == [*spaces, "0"] and int((rootless.rootfs / "tmp/pid").read_text()) > 1
    assert "executable file not found" in rootless.call("exec", name, "nothing", check=False).stderr
    assert [one["owner"] for one in json.loads(rootless.call("list", "-f", "json").stdout)] == [f"#{UID}"]
    rootless.call("kill", name, "KILL")
    rootless.wait_for(name, "stopped")
    rootless.call("delete", name)
    assert os.listdir(rootless.root) == [] and bundles.left(name) == []


def test_exec_ends_with_what_ended_it_and_leaves_no_second_process(rootless):
    name = rootless.start("/bin/sleep", "1000")
    assert rootless.call("exec", name, "/bin/sh", "-c", "kill -KILL $$", check=False).returncode == 137
    subprocess.run(rootless.words("exec", "-d", "--pid-file", rootless.folder / "xdg/pid", name, "/bin/sleep", "1000"),
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=rootless.env,
                   preexec_fn=become(UID), timeout=60, check=True)
    pid = int((rootless.folder / "xdg/pid").read_text())
    first = rootless.state(name)["pid"]
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{first}/ns/pid")
    assert len(rootless.call("exec", name, "/bin/pidof", "sleep").stdout.split()) == 2


def test_a_terminal_and_exec_with_one(rootless):
    rootless.config["process"]["terminal"] = True
    for words in (("create",), ("exec", "-t", "-d")):
        path = rootless.folder / "xdg/console"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            os.chown(path, UID, UID)
            listener.listen()
            if words[0] == "create":
                name = rootless.create("/bin/sh", "-c", "tty; stat -c %u /dev/pts/0; exec sleep 1000",
                                       flags=("--console-socket", path))
            else:
                rootless.call(*words, "--console-socket", path, name, "/bin/sh", "-c", "tty; stat -c %u /dev/pts/1")
            master = bundles.receive_terminal(listener)
        if words[0] == "create":
            rootless.call("start", name)
        out = b""
        while out.count(b"\n") < 2:
            out += os.read(master, 1000)
        os.close(master)
        assert out.split()[0].startswith(b"/dev/pts/") and out.split()[1] == b"0"
        path.unlink()


def test_a_time_namespace_has_its_offset(rootless):
    rootless.config["linux"]["namespaces"].append({"type": "time"})
    rootless.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000, "nanosecs": 0}}
    inside = float(rootless.sh("cat /proc/uptime").split()[0])
    assert inside - float(pathlib.Path("/proc/uptime").read_text().split()[0]) > 999000


def test_the_oom_score_goes_up_for_run_and_exec_and_not_down(rootless):
    rootless.config["process"]["oomScoreAdj"] = 321
    name = rootless.start("/bin/sh", "-c", "cat /proc/self/oom_score_adj > /tmp/score; exec sleep 1000")
    assert rootless.call("exec", name, "/bin/cat", "/proc/self/oom_score_adj").stdout.strip() == "321"
    score = rootless.rootfs / "tmp/score"
    daemon.wait_for("the workload's own", lambda: score.exists() and score.read_text().strip() == "321")
    rootless.config["process"]["oomScoreAdj"] = -500
    result = rootless.run("/bin/true", check=False)
    assert result.returncode == 1 and "process.oomScoreAdj -500" in result.stderr


def test_limits_of_processes_go_down_and_not_up(rootless):
    rootless.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]
    assert rootless.sh("ulimit -n; ulimit -Hn").split() == ["50", "60"]
    rootless.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}]
    assert "process.rlimits[0] RLIMIT_NOFILE" in rootless.run("/bin/true", check=False).stderr


# ---- mounts and devices ----


def test_what_shows_the_hosts_namespaces_is_the_hosts_and_noted(rootless):
    mounts = rootless.config["mounts"]
    mounts[:] = [one for one in mounts if one["destination"] not in ("/sys", "/sys/fs/cgroup")]
    mounts.append({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "nodev", "noexec", "ro"]})
    no_namespace(rootless.config, "pid")
    log = rootless.folder / "xdg/log"
    rootless.config["process"]["args"] = ["/bin/sh", "-c", "ls /sys/class/net; grep ' /sys ' /proc/self/mountinfo; "
                                         f"ls -d /proc/{os.getpid()}"]
    rootless.write()
    result = rootless.call("--log", log, "--log-format", "json", "run", "--bundle", rootless.bundle, rootless.name())
    assert "lo" in result.stdout.split() and result.stderr == ""
    line = [one for one in result.stdout.splitlines() if " /sys " in one][0]
    assert "ro,nosuid,nodev,noexec" in line
    notes = [json.loads(one) for one in log.read_text().splitlines()]
    assert {one["level"] for one in notes} == {"warning"}
    text = " ".join(one["msg"] for one in notes)
    assert "'/sys': the host's /sys" in text and "'/proc': the host's /proc" in text
    assert f"/proc/{os.getpid()}" in result.stdout.split()


def test_a_new_network_namespace_has_a_sysfs_of_its_own(rootless):
    rootless.config["linux"]["namespaces"].append({"type": "network"})
    for mount in rootless.config["mounts"]:
        if mount["destination"] == "/sys":
            mount.update(type="sysfs", source="sysfs", options=["ro"])
    result = rootless.run("/bin/ls", "/sys/class/net")
    assert result.stdout.split() == ["lo"] and "/sys" not in result.stderr


def test_a_group_that_is_not_mapped_is_left_out_of_devpts(rootless):
    for mount in rootless.config["mounts"]:
        if mount["type"] == "devpts":
            mount["options"].append("gid=5")
    result = rootless.run("/bin/sh", "-c", "grep ' /dev/pts ' /proc/self/mountinfo")
    assert "devpts" in result.stdout and "gid=5 left out" in result.stderr


def test_devices_are_the_hosts_where_it_has_them(rootless):
    rootless.config["linux"]["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11},
                                           {"path": "/tmp/pipe", "type": "p"}]
    assert rootless.sh("stat -c '%t:%T' /dev/kmsg; stat -c %F /tmp/pipe").split("\n")[:2] == ["1:b", "fifo"]
    rootless.config["linux"]["devices"][0]["path"] = "/dev/mine"
    result = rootless.run("/bin/true", check=False)
    assert result.returncode == 1 and "linux.devices[0]" in result.stderr and "/dev/mine" in result.stderr
    assert "Operation not permitted" in mknod_of_kmsg(rootless)


def mknod_of_kmsg(rootless):
    rootless.config["linux"]["devices"] = []
    rootless.config["process"]["capabilities"] = {kind: ["CAP_MKNOD"] for kind in ("bounding", "effective", "permitted")}
    return rootless.run("/bin/mknod", "/tmp/kmsg", "c", "1", "11", check=False).stderr


# ---- what may not be had ----


def test_without_a_user_namespace_it_says_what_to_do(rootless):
    no_namespace(rootless.config, "user")
    for key in ("uidMappings", "gidMappings"):
        del rootless.config["linux"][key]
    result = rootless.run("/bin/true", check=False)
    assert result.returncode == 1 and "spec --rootless" in result.stderr and "user 42420" in result.stderr


@pytest.mark.in_lab
def test_a_limit_without_a_control_group_is_an_error_that_names_it(rootless):
    for key, value in (("memory", {"limit": 64 << 20}), ("pids", {"limit": 20}), ("cpu", {"shares": 512})):
        rootless.config["linux"]["resources"] = {key: value}
        result = rootless.run("/bin/true", check=False)
        assert result.returncode == 1 and f"linux.resources.{key}." in result.stderr.splitlines()[-1]
        assert "given to this user" in result.stderr.splitlines()[-1]


def test_no_control_group_is_noted_or_with_rootless_false_an_error(rootless):
    result = rootless.run("/bin/true")
    assert "warning: no control group of" in result.stderr and result.stderr.count("\n") == 1
    rootless.write()
    result = rootless.call("--rootless=false", "run", "--bundle", rootless.bundle, rootless.name(), check=False)
    assert result.returncode == 1 and "control group" in result.stderr and "warning" not in result.stderr
    assert "--rootless is auto, true or false" in rootless.call("--rootless=maybe", "run", "x", check=False).stderr


def test_another_user_sees_and_reaches_nothing(rootless):
    name = rootless.start("/bin/sleep", "1000")
    rootless.uid = OTHER
    for words in (("state", name), ("kill", name, "KILL"), ("exec", name, "/bin/id"), ("delete", "--force", name)):
        result = rootless.call("--root", rootless.root, *words, check=False)
        assert result.returncode == 1 and "Permission denied" in result.stderr
    rootless.uid = UID
    assert rootless.state(name)["status"] == "running"


@pytest.mark.parametrize("file, value", [("user/max_user_namespaces", "0")])
def test_a_setting_of_the_kernels_that_is_in_the_way_is_named(rootless, file, value):
    """In a user namespace, which has a setting of its own: nothing of the machine is changed."""
    rootless.write()
    script = f"echo {value} > /proc/sys/{file}; exec \"$@\""
    rootless.prefix_words = ["unshare", "-U", "-m", "-r", "sh", "-c", script, "-"]
    result = rootless.call("run", "--bundle", rootless.bundle, rootless.name(), check=False)
    assert result.returncode == 1 and f"sysctl {file.replace('/', '.')} is {value}" in result.stderr


def test_root_of_a_user_namespace_needs_no_further_one(rootless):
    """As Podman calls a runtime: it has made the user namespace itself."""
    no_namespace(rootless.config, "user")
    for key in ("uidMappings", "gidMappings"):
        del rootless.config["linux"][key]
    rootless.prefix_words = ["unshare", "-U", "-m", "-r"]
    out = rootless.sh("cat /proc/self/uid_map; echo fine > /dev/null; stat -c %t:%T /dev/full")
    assert out.split() == ["0", str(UID), "1", "1:7"]
    script = f"{rootless.program} run -d -b {rootless.bundle} one > /dev/null 2>&1 && {rootless.program} exec one id -u; {rootless.program} delete -f one"
    rootless.config["process"]["args"] = ["/bin/sleep", "1000"]
    rootless.write()
    done = subprocess.run([*rootless.prefix_words, "sh", "-c", script], env=rootless.env, capture_output=True, text=True,
                          preexec_fn=become(UID), check=False, stdin=subprocess.DEVNULL, timeout=60)
    assert done.stdout.split() == ["0"] and done.returncode == 0, done.stderr


# ---- the runtime's own file ----


@pytest.mark.parametrize("way", ["run", "exec"])
def test_a_runtime_that_the_user_owns_cannot_be_overwritten_from_inside(rootless, way):  # A1
    """Inside, root is the file's owner; outside, the file is at a place that only he cares about."""
    os.chown(rootless.program, UID, UID)
    before = rootless.program.read_bytes()
    (rootless.rootfs / "script").write_text("#!/proc/self/exe\n")
    (rootless.rootfs / "writer").write_text(
        "#!/bin/sh\nfor i in $(seq 1 400); do for p in /proc/[0-9]*; do\n"
        "l=$(readlink $p/exe) && case $l in /bin/busybox) ;; *) echo $l >> /tmp/seen;\n"
        "chmod 777 $p/exe 2>> /tmp/why; echo gotcha > $p/exe;; esac\ndone; done 2>> /tmp/why\n")
    for name in ("script", "writer"):
        (rootless.rootfs / name).chmod(0o755)
    if way == "run":
        rootless.run("/script", check=False)
        rootless.run("/bin/sh", "/writer")
    else:
        name = rootless.start("/bin/sh", "/writer")
        for _ in range(10):
            rootless.call("exec", name, "/script", "--help", check=False)
    assert rootless.program.read_bytes() == before and os.stat(rootless.program).st_mode & 0o022 == 0
    link = exe_of_runtime(rootless)
    assert link.startswith("/memfd:")


def exe_of_runtime(rootless):
    """What /proc/PID/exe of a process of the runtime leads to, as root sees it."""
    name = rootless.create("/bin/sleep", "1000")
    return os.readlink(f"/proc/{rootless.state(name)['pid']}/exe")


# ---- granted ranges ----


@pytest.fixture
def granted(rootless, require):
    """The user in /etc/passwd with ranges in /etc/subuid and /etc/subgid, in a mount namespace of the test's own."""
    require.tool("newuidmap")
    folder = rootless.folder
    (folder / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nsomeone:x:{UID}:{UID}::/:/bin/sh\n")
    (folder / "group").write_text(f"root:x:0:\nsomeone:x:{UID}:\n")
    (folder / "subid").write_text(f"someone:{SUB}:65536\n")
    script = "".join(f"mount --bind {folder}/{mine} /etc/{name} && " for mine, name in
                     (("passwd", "passwd"), ("group", "group"), ("subid", "subuid"), ("subid", "subgid")))
    for name in ("subuid", "subgid"):
        if not os.path.exists(f"/etc/{name}"):
            require.lacking(f"no /etc/{name}: tools/install-deps test")
    rootless.prefix_words = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                             script + f'exec setpriv --reuid {UID} --regid {UID} --clear-groups "$@"', "-"]
    maps = [{"containerID": 0, "hostID": UID, "size": 1}, {"containerID": 1, "hostID": SUB, "size": 65536}]
    rootless.config["linux"].update(uidMappings=maps, gidMappings=json.loads(json.dumps(maps)))

    def call(*words, **rest):
        return Rootless.call(rootless, *words, preexec_fn=None, **rest)
    rootless.call = call
    yield rootless
    del rootless.call
    rootless.prefix_words = []


@pytest.mark.in_lab
def test_granted_ranges_are_mapped_by_newuidmap_and_newgidmap(granted):
    granted.config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5]}
    (granted.rootfs / "tmp").chmod(0o777)
    out = granted.sh("id -u; id -G; cat /proc/self/uid_map /proc/self/setgroups; touch /tmp/made").split("\n")
    assert out[:2] == ["1000", "1001 5"] and out[2].split() == ["0", str(UID), "1"]
    assert out[3].split() == ["1", str(SUB), "65536"] and out[4] == "allow"
    made = os.stat(granted.rootfs / "tmp/made")
    assert (made.st_uid, made.st_gid) == (SUB + 999, SUB + 1000)


def test_ranges_that_were_not_granted_are_refused(granted):
    granted.config["linux"]["uidMappings"][1]["hostID"] = SUB + 1
    result = granted.run("/bin/true", check=False)
    assert result.returncode == 1 and "linux.uidMappings" in result.stderr and "/etc/subuid" in result.stderr
    granted.config["linux"]["uidMappings"][1]["hostID"] = SUB
    granted.config["linux"]["gidMappings"][1]["hostID"] = SUB + 1
    result = granted.run("/bin/true", check=False)
    assert "linux.gidMappings" in result.stderr and "/etc/subgid" in result.stderr


def test_a_missing_newuidmap_is_named_with_its_package(rootless):
    rootless.env["PATH"] = "/nowhere"
    rootless.config["linux"]["uidMappings"].append({"containerID": 1, "hostID": SUB, "size": 10})
    result = rootless.run("/bin/true", check=False)
    assert result.returncode == 1 and "newuidmap (Debian: uidmap)" in result.stderr


# ---- groups that were given ----


def write(path, text):
    with contextlib.suppress(OSError):
        pathlib.Path(path).write_text(text)


def give(group):
    """cgroups(7), Delegation."""
    for path in (group, *(group / name for name in ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks"))):
        if path.exists():
            os.chown(path, UID, UID)


@pytest.fixture
def given(rootless):
    """Groups of the user's own: with version 2 the test's processes are in one, with version 1 of pids and memory."""
    name = f"og-given-{os.getpid()}"
    unified = pathlib.Path("/sys/fs/cgroup")
    made = []
    if (unified / "cgroup.controllers").exists():
        write(unified / "cgroup.subtree_control", "+memory +pids +cpu")
        made = [unified / name, unified / name / "shell"]
        made[0].mkdir()
        write(made[0] / "cgroup.subtree_control", "+memory +pids +cpu")
        made[1].mkdir()
        rootless.group = made[1]
    else:
        for tree in ("memory", "pids", "freezer"):
            top = unified / tree
            if not top.joinpath("cgroup.procs").exists():
                pytest.skip(f"no version 1 tree of {tree} here, and no version 2 alone")
            made.append(top / name)
            made[-1].mkdir()
        rootless.config["linux"]["cgroupsPath"] = f"/{name}/one"
    for group in made:
        give(group)
    yield made[0]
    rootless.clean()
    rootless.group = None
    for group in reversed(made):
        group.rmdir()


@pytest.mark.in_lab
def test_limits_hold_in_groups_that_were_given(rootless, given):
    rootless.config["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 17}}
    name = rootless.start("/bin/sleep", "1000")
    pid = rootless.state(name)["pid"]
    lines = [one.split(":") for one in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    own = [path for _, controllers, path in lines if controllers in ("", "pids", "memory") and given.name in path]
    assert own, lines
    inside = rootless.call("exec", name, "/bin/sh", "-c",
                           "cat /proc/self/cgroup; cat $(find /sys/fs/cgroup -name pids.max) | head -1; "
                           "cat $(find /sys/fs/cgroup -name memory.max -o -name memory.limit_in_bytes) | head -1").stdout
    assert f"\n17\n{64 << 20}\n" in inside
    rootless.call("pause", name)
    assert rootless.state(name)["status"] == "paused"
    rootless.call("resume", name)
    assert rootless.state(name)["status"] == "running"
    rootless.call("update", "--pids-limit", "19", name)
    assert rootless.call("exec", name, "/bin/sh", "-c", "cat $(find /sys/fs/cgroup -name pids.max) | head -1").stdout == "19\n"
    rootless.call("kill", name, "KILL")
    rootless.wait_for(name, "stopped")
    rootless.call("delete", name)
    left = [path for path, _, _ in os.walk(given) if path != str(given) and not path.endswith("/shell")]
    assert left == [] and bundles.left(name) == []


@pytest.mark.in_lab
def test_kill_all_reaches_every_process_without_any_group(rootless):
    name = rootless.start("/bin/sh", "-c", "sleep 1000 & sleep 1000 & trap '' TERM; touch /tmp/up; while :; do wait; done")
    while not (rootless.rootfs / "tmp/up").exists():
        time.sleep(0.01)
    first = rootless.state(name)["pid"]

    def members():
        found = [pid for pid in os.listdir("/proc") if pid.isdigit() and shares_pid_namespace(pid, first)]
        return len(found) == 3 and found
    mine = daemon.wait_for("three processes", members)
    assert set(json.loads(rootless.call("ps", "-f", "json", name).stdout)) == {*map(int, mine)}
    assert "freezer" in rootless.call("pause", name, check=False).stderr
    rootless.call("kill", "--all", name, "TERM")
    daemon.wait_for("the two that do not ignore it to end",
                    lambda: sum(shares_pid_namespace(pid, first) for pid in mine) == 1)
    rootless.call("kill", "--all", name, "KILL")
    rootless.wait_for(name, "stopped")
    rootless.call("delete", name)
    assert os.listdir(rootless.root) == []


def shares_pid_namespace(pid, other):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{other}/ns/pid")
    return False


# ---- Podman ----


def test_podman_without_root_drives_it(granted, require):
    """The user namespace is Podman's; a process of it stays until its end, to keep that."""
    for tool in ("podman", "conmon"):
        require.tool(tool)
    home = granted.folder / "xdg/home"
    home.mkdir()
    os.chown(home, UID, UID)
    granted.env.update(HOME=str(home), PATH=os.environ["PATH"])
    words = [*granted.prefix_words, "podman", "--runtime", granted.program, "--storage-driver", "vfs", "--cgroup-manager",
             "cgroupfs", "--events-backend", "file"]

    def podman(*more, check=True):
        done = subprocess.run([*map(str, words), *map(str, more)], env=granted.env, cwd=granted.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0 or not check, f"{more}: {done.stderr}"
        return done

    rootfs = ("--network", "none", "--rootfs", granted.rootfs)
    try:
        out = podman("run", "--rm", *rootfs, "/bin/sh", "-c", "id -u; cat /proc/self/uid_map; echo fine > /dev/null; exit 0").stdout
        assert out.split() == ["0", "0", str(UID), "1", "1", str(SUB), "65536"]
        assert podman("run", "--rm", *rootfs, "/bin/sh", "-c", "exit 7", check=False).returncode == 7
        podman("run", "-d", "--name", "one", *rootfs, "/bin/sleep", "1000")
        assert podman("exec", "-u", "1000", "one", "/bin/id", "-u").stdout == "1000\n"
        assert podman("ps", "--format", "{{.Names}} {{.Status}}").stdout.startswith("one Up")
        podman("kill", "one")
        assert podman("wait", "one").stdout == "137\n"
        podman("rm", "one")
    finally:
        podman("rm", "-f", "-t", "0", "-a", check=False)
        podman("unshare", "rm", "-rf", home / ".local", check=False)
        pause = granted.folder / "xdg/libpod/tmp/pause.pid"
        if pause.exists():
            os.kill(int(pause.read_text()), signal.SIGKILL)
