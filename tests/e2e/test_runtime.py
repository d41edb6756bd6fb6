# SPDX-License-Identifier: Apache-2.0
"""onggi-runtime by its command line: what a workload sees, and what is left of it."""

import fcntl
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

import bundles


def status_of(text):
    """/proc/self/status as a dictionary."""
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


# ---- life cycle ----


@pytest.mark.in_lab
def test_create_start_kill_delete_go_through_the_states(runtime):
    name = runtime.create("/bin/sleep", "1000")
    state = runtime.state(name)
    assert state["status"] == "created" and state["bundle"] == str(runtime.bundle)
    assert state["ociVersion"].startswith("1.") and state["id"] == name and state["pid"] > 0
    assert pathlib.Path(f"/proc/{state['pid']}").exists()
    runtime.call("start", name)
    assert runtime.state(name)["status"] == "running"
    assert "it is running" in runtime.call("start", name, check=False).stderr
    assert "it is running" in runtime.call("delete", name, check=False).stderr
    runtime.call("kill", name, "KILL")
    runtime.wait_for(name, "stopped")
    assert "not running" in runtime.call("kill", name, "TERM", check=False).stderr
    runtime.call("delete", name)
    assert "does not exist" in runtime.call("state", name, check=False).stderr
    runtime.call("delete", "--force", name)
    assert bundles.left(name) == []


def test_an_id_is_taken_only_once(runtime):
    name = runtime.create("/bin/sleep", "1000")
    again = runtime.call("create", "--bundle", runtime.bundle, name, check=False)
    assert again.returncode != 0 and "exists already" in again.stderr
    assert runtime.state(name)["status"] == "created"


@pytest.mark.parametrize("bad", ["", "../x", "a/b", ".x", "-x", "a b", "x" * 300, "ä"])
def test_an_id_that_is_no_plain_name_is_refused(runtime, bad):
    runtime.write()
    result = runtime.call("run", "--bundle", runtime.bundle, "--", bad, check=False)
    assert result.returncode != 0 and "ID" in result.stderr


@pytest.mark.parametrize("script, expected", [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$; exit 4", 4),
                                              ("sh -c 'kill -9 $$'; exit $?", 137)])
def test_run_ends_with_the_exit_status(runtime, script, expected):
    assert runtime.run("/bin/sh", "-c", script, check=False).returncode == expected


def test_a_signal_is_handed_on_by_run(runtime):
    runtime.config["process"]["args"] = ["/bin/sh", "-c", "trap 'exit 33' TERM; echo up; while :; do sleep 0.05; done"]
    runtime.write()
    with subprocess.Popen([runtime.program, "--root", runtime.root, "run", "--bundle", runtime.bundle, runtime.name()],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 33


def test_what_run_waits_for_can_be_deleted_by_another(runtime):
    runtime.config["process"]["args"] = ["/bin/sh", "-c", "echo up; sleep 1000"]
    runtime.write()
    name = runtime.name()
    with subprocess.Popen([runtime.program, "--root", runtime.root, "run", "--bundle", runtime.bundle, name],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"up\n"
        runtime.call("delete", "--force", name)
        assert process.wait(30) == 137
    assert bundles.left(name) == []


def test_delete_waits_for_who_still_creates(runtime, tmp_path):
    hook = tmp_path / "hook"
    os.mkfifo(tmp_path / "fifo")
    hook.write_text(f"#!/bin/sh\nread x < {tmp_path}/fifo\n")
    hook.chmod(0o755)
    runtime.config["hooks"] = {"createRuntime": [{"path": str(hook)}]}
    runtime.config["process"]["args"] = ["/bin/sleep", "1000"]
    runtime.write()
    name = runtime.name()
    words = [runtime.program, "--root", runtime.root]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*words, "create", "--bundle", runtime.bundle, name], **quiet) as creator:
        with open(tmp_path / "fifo", "w") as fifo:  # the hook runs
            with subprocess.Popen([*words, "delete", "--force", name], **quiet) as remover:
                fifo.write("go on\n")
                fifo.flush()
                assert remover.wait(30) == 0
        assert creator.wait(30) == 0
    assert bundles.left(name) == [] and os.listdir(runtime.root) == []


def test_stdin_reaches_its_end_and_100_mb_come_through_unharmed(runtime):
    runtime.config["process"]["args"] = ["/bin/md5sum"]
    runtime.write()
    data = random.Random(1).randbytes(100 << 20)
    result = subprocess.run([runtime.program, "--root", runtime.root, "run", "--bundle", runtime.bundle, runtime.name()],
                            input=data, capture_output=True, timeout=60, check=True)
    expected = subprocess.run(["md5sum"], input=data, capture_output=True, check=True).stdout
    assert result.stdout == expected


def test_kill_all_reaches_every_process(runtime):
    name = runtime.start("/bin/sh", "-c", "sleep 1000 & sleep 1000 & trap '' TERM; touch /tmp/up; sleep 1000")
    while not runtime.rootfs.joinpath("tmp/up").exists():
        time.sleep(0.01)
    runtime.call("kill", "--all", name, "KILL")
    runtime.wait_for(name, "stopped")
    runtime.call("delete", name)
    assert bundles.left(name) == []


def test_list_shows_workloads(runtime):
    name = runtime.create("/bin/sleep", "1000")
    entries = json.loads(runtime.call("list", "--format", "json").stdout)
    assert [(entry["id"], entry["status"], entry["owner"]) for entry in entries] == [(name, "created", "root")]
    assert runtime.call("list", "-q").stdout.split() == [name]
    assert name in runtime.call("list").stdout


def test_the_pid_file_holds_the_pid(runtime, tmp_path):
    name = runtime.create("/bin/sleep", "1000", flags=("--pid-file", tmp_path / "pid"))
    assert int((tmp_path / "pid").read_text()) == runtime.state(name)["pid"]


def test_errors_go_to_the_log_as_json(runtime, tmp_path):
    log = tmp_path / "log"
    result = subprocess.run([runtime.program, "--root", runtime.root, "--log", log, "--log-format", "json", "state",
                             "nobody"], capture_output=True, text=True, check=False)
    entry = json.loads(log.read_text().splitlines()[-1])
    assert result.returncode == 1 and entry["level"] == "error" and "nobody" in entry["msg"] and entry["time"]


def test_features_and_spec_are_json(runtime):
    features = json.loads(runtime.call("features").stdout)
    assert "createContainer" in features["hooks"] and features["linux"]["cgroup"]["v1"]
    assert runtime.default_config()["linux"]["maskedPaths"]


# ---- what a workload sees ----


def test_namespaces_are_its_own(runtime):
    inside = runtime.sh("for n in pid net mnt ipc uts cgroup; do readlink /proc/self/ns/$n; done").split()
    outside = [os.readlink(f"/proc/self/ns/{n}") for n in ("pid", "net", "mnt", "ipc", "uts", "cgroup")]
    assert len(inside) == 6 and not set(inside) & set(outside)
    assert runtime.sh("echo $$; hostname").split() == ["1", "onggi"]


def test_a_namespace_is_joined_by_its_path(runtime):
    for space in runtime.config["linux"]["namespaces"]:
        if space["type"] == "network":
            space["path"] = "/proc/self/ns/net"
    assert runtime.sh("readlink /proc/self/ns/net").strip() == os.readlink("/proc/self/ns/net")
    for space in runtime.config["linux"]["namespaces"]:
        if space["type"] == "network":
            space["path"] = "/proc/self/ns/ipc"
    assert "is no network namespace" in runtime.run("/bin/true", check=False).stderr


def test_a_user_namespace_maps_root_to_nobody(runtime):
    runtime.config["linux"]["namespaces"].append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    runtime.config["linux"]["uidMappings"] = maps
    runtime.config["linux"]["gidMappings"] = maps
    for folder, _, files in os.walk(runtime.rootfs):
        for name in [folder] + [os.path.join(folder, file) for file in files]:
            os.chown(name, 100000, 100000, follow_symlinks=False)
    for path in [runtime.folder, *runtime.folder.parents]:
        if os.stat(path).st_mode & 0o1 == 0:
            os.chmod(path, os.stat(path).st_mode | 0o1)
    out = runtime.sh("id -u; cat /proc/self/uid_map; echo x > /tmp/file; ls -ln /dev/null; echo > /dev/null && echo fine")
    assert out.split()[:4] == ["0", "0", "100000", "65536"] and out.endswith("fine\n")
    assert os.stat(runtime.rootfs / "tmp/file").st_uid == 100000


def test_a_time_namespace_has_its_offset(runtime):
    runtime.config["linux"]["namespaces"].append({"type": "time"})
    runtime.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000, "nanosecs": 0}}
    inside = float(runtime.sh("cat /proc/uptime").split()[0])
    outside = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    assert inside - outside > 999000


def test_capabilities_are_what_was_asked_for(runtime):
    status = status_of(runtime.sh("cat /proc/self/status"))
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0xa80425fb
    assert int(status["CapInh"], 16) == 0 and int(status["CapAmb"], 16) == 0  # A14
    sets = {"bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_KILL"], "inheritable": ["CAP_KILL"],
            "effective": ["CAP_KILL"], "ambient": ["CAP_KILL"]}
    runtime.config["process"]["capabilities"] = sets
    runtime.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    status = status_of(runtime.sh("cat /proc/self/status"))
    assert int(status["CapEff"], 16) == 1 << 5 and int(status["CapBnd"], 16) == 1 | 1 << 5
    del runtime.config["process"]["capabilities"]
    assert int(status_of(runtime.sh("cat /proc/self/status"))["CapBnd"], 16) == 0


def test_user_groups_umask_and_home(runtime):
    runtime.config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o27}
    out = runtime.sh("id -u; id -g; id -G; umask; echo $HOME").split("\n")
    assert out[:5] == ["1000", "1001", "1001 5 6", "0027", "/home/user"]


def test_no_new_privs_rlimits_environment_and_directory(runtime):
    process = runtime.config["process"]
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    process["env"] = ["PATH=/bin", "A=b c"]
    process["cwd"] = "/made/by/it"
    out = runtime.sh("ulimit -n; ulimit -Hn; echo $A; pwd; grep NoNewPrivs /proc/self/status").split("\n")
    assert out[:5] == ["100", "200", "b c", "/made/by/it", "NoNewPrivs:\t1"]
    process["noNewPrivileges"] = False
    assert "NoNewPrivs:\t0" in runtime.sh("cat /proc/self/status")


def test_raising_a_limit_that_may_not_be_raised_is_an_error_that_says_so(runtime):
    if int(status_of(pathlib.Path("/proc/self/status").read_text())["CapEff"], 16) >> 24 & 1:
        pytest.skip("this machine has CAP_SYS_RESOURCE")
    runtime.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}]
    assert "process.rlimits[0] RLIMIT_NOFILE" in runtime.run("/bin/true", check=False).stderr


def test_mounts_have_their_options(runtime, tmp_path):
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "file").write_text("from outside")
    (tmp_path / "one").write_text("one file")
    runtime.config["mounts"] += [
        {"destination": "/vol", "type": "bind", "source": str(volume), "options": ["rbind", "ro", "nosuid", "nodev"]},
        {"destination": "/etc/one", "source": str(tmp_path / "one"), "options": ["bind"]},
        {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "noexec", "mode=700"]},
    ]
    out = runtime.sh("cat /vol/file /etc/one; echo; touch /vol/x 2>&1; grep -E ' /(vol|t|proc|sys) ' /proc/self/mountinfo")
    lines = {line.split()[4]: line for line in out.splitlines() if line[0].isdigit()}
    assert out.startswith("from outsideone file\n") and "Read-only" in out
    assert "ro,nosuid,nodev" in lines["/vol"] and "noexec" in lines["/t"] and "size=64k" in lines["/t"]
    assert "nosuid,nodev,noexec" in lines["/proc"] and lines["/sys"].split()[5].startswith("ro")


def test_a_recursive_read_only_mount_covers_what_is_below(runtime, tmp_path):
    below = tmp_path / "volume/below"
    below.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", below], check=True)
    try:
        mount = {"destination": "/vol", "type": "bind", "source": str(below.parent), "options": ["rbind", "rro"]}
        runtime.config["mounts"].append(mount)
        assert "Read-only" in runtime.sh("touch /vol/below/x 2>&1; true")
        mount["options"] = ["rbind", "ro"]
        assert runtime.sh("touch /vol/below/x 2>&1; touch /vol/x 2>&1; true").count("Read-only") == 1
    finally:
        subprocess.run(["umount", below], check=True)


def test_the_root_may_be_read_only(runtime):
    runtime.config["root"]["readonly"] = True
    assert "Read-only" in runtime.sh("touch /x 2>&1; true")


def test_masked_and_read_only_paths(runtime):
    runtime.config["linux"]["maskedPaths"] += ["/etc/passwd", "/etc/nothing", "/home"]
    out = runtime.sh("wc -c < /proc/keys; wc -c < /etc/passwd; ls /home /sys/firmware | grep -v :; "
                     "echo 1 2>/dev/null > /proc/sys/kernel/panic || echo refused; touch /home/x 2>&1; true")
    assert out.split() == ["0", "0"] + ["refused"] + "touch: /home/x: Read-only file system".split()


def test_devices_are_the_default_ones_and_those_asked_for(runtime):
    runtime.config["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640,
                                           "uid": 7, "gid": 8}]
    out = runtime.sh("for d in null zero full random urandom tty; do stat -c '%n %t:%T %a' /dev/$d; done; "
                     "stat -c '%n %t:%T %a %u %g' /dev/mine; for l in ptmx fd stdin; do readlink /dev/$l; done; head -c 4 /dev/mine | wc -c")
    assert out.splitlines() == ["/dev/null 1:3 666", "/dev/zero 1:5 666", "/dev/full 1:7 666", "/dev/random 1:8 666",
                                "/dev/urandom 1:9 666", "/dev/tty 5:0 666", "/dev/mine 1:5 640 7 8",
                                "pts/ptmx", "/proc/self/fd", "/proc/self/fd/0", "4"]


@pytest.mark.in_lab
def test_other_devices_cannot_be_opened(runtime):  # A24
    out = runtime.sh("mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk; mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem; true 2>&1")
    assert out == ""
    result = runtime.run("/bin/sh", "-c", "mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg", check=False)
    assert result.returncode != 0 and "Operation not permitted" in result.stderr


def test_sysctls_of_its_own_namespaces_and_no_others(runtime):
    runtime.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "100", "fs.mqueue.msg_max": "7"}
    out = runtime.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max")
    assert out.split() == ["1", "100", "7"]
    for bad in ("kernel.core_pattern", "vm.swappiness", "kernel.shmmni/../core_pattern", "net/../kernel/panic"):
        runtime.config["linux"]["sysctl"] = {bad: "1"}
        result = runtime.run("/bin/true", check=False)
        assert result.returncode != 0 and "linux.sysctl" in result.stderr


@pytest.mark.in_lab
def test_limits_are_set_in_its_cgroups(runtime):
    runtime.config["linux"]["resources"] |= {
        "memory": {"limit": 64 << 20}, "pids": {"limit": 20},
        "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"},
    }
    name = runtime.start("/bin/sleep", "1000")
    found = {}
    for path, _, files in os.walk("/sys/fs/cgroup"):
        if name in path:
            for file in ("memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us", "cpu.max", "cpuset.cpus"):
                if file in files:
                    found[file] = pathlib.Path(path, file).read_text().strip()
    assert str(64 << 20) in (found.get("memory.limit_in_bytes"), found.get("memory.max"))
    assert found["pids.max"] == "20" and found["cpuset.cpus"] == "0"
    assert "50000" in (found.get("cpu.cfs_quota_us") or found.get("cpu.max"))


def test_a_limit_that_cannot_be_set_names_the_file(runtime):
    runtime.config["linux"]["resources"]["network"] = {"classID": 7}
    result = runtime.run("/bin/true", check=False)
    assert result.returncode != 0 and "net_cls.classid" in result.stderr
    runtime.config["linux"]["resources"].pop("network")
    runtime.config["linux"]["resources"]["cpu"] = {"cpus": "4000"}
    assert "cpuset.cpus" in runtime.run("/bin/true", check=False).stderr
    assert bundles.left("og-test-%d-" % os.getpid()) == []


def test_too_much_memory_ends_only_the_workload(runtime):  # A25
    runtime.config["linux"]["resources"]["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
    result = runtime.run("/bin/sh", "-c", "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}", check=False)
    assert result.returncode != 0 or "200000000" not in result.stdout


def test_a_fork_bomb_is_bounded(runtime):  # A25
    runtime.config["linux"]["resources"]["pids"] = {"limit": 10}
    result = runtime.run("/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 30 & done", check=False)
    assert "can't fork" in result.stderr


def test_cgroups_are_shown_and_cannot_be_written(runtime):  # A12
    out = runtime.sh("cat /proc/self/cgroup; find /sys/fs/cgroup -name cgroup.procs | head -1 | xargs cat; "
                     "mkdir $(find /sys/fs/cgroup -name cgroup.procs | head -1 | xargs dirname)/x 2>&1; true")
    assert all(line.endswith(":/") for line in out.splitlines() if line[0].isdigit() and ":" in line)
    assert "1" in out.splitlines() and "Read-only" in out


# ---- exec ----


@pytest.mark.in_lab
def test_exec_is_in_the_same_place_with_the_same_limits(runtime):
    name = runtime.start("/bin/sleep", "1000")
    first = runtime.state(name)["pid"]
    out = runtime.call("exec", name, "/bin/sh", "-c",
                       "for n in pid net mnt ipc uts cgroup; do readlink /proc/self/ns/$n; done; cat /proc/self/status; exit 0")
    assert out.stdout.split("\n")[:6] == [os.readlink(f"/proc/{first}/ns/{n}") for n in
                                          ("pid", "net", "mnt", "ipc", "uts", "cgroup")]
    status = status_of(out.stdout)
    assert int(status["CapEff"], 16) == 0xa80425fb and status["NoNewPrivs"] == "1" and int(status["CapInh"], 16) == 0
    groups = runtime.call("exec", name, "/bin/cat", "/proc/self/cgroup").stdout
    assert all(line.endswith(":/") for line in groups.splitlines())
    assert runtime.call("exec", name, "/bin/sh", "-c", "exit 9", check=False).returncode == 9
    missing = runtime.call("exec", name, "nothing", check=False)
    assert missing.returncode == 1 and "executable file not found" in missing.stderr


def test_exec_takes_flags_and_a_process_file(runtime, tmp_path):
    name = runtime.start("/bin/sleep", "1000")
    out = runtime.call("exec", "-u", "1000:1001", "-g", "7", "--cwd", "/tmp", "-e", "A=1", "--env", "B=2", name,
                       "/bin/sh", "-c", "id -u; id -g; id -G; pwd; echo $A$B").stdout
    assert out.split("\n")[:5] == ["1000", "1001", "1001 7", "/tmp", "12"]
    process = dict(runtime.config["process"], args=["/bin/sh", "-c", "id -u; pwd"], cwd="/etc", user={"uid": 5, "gid": 5})
    (tmp_path / "process.json").write_text(json.dumps(process))
    assert runtime.call("exec", "--process", tmp_path / "process.json", name).stdout.split() == ["5", "/etc"]


@pytest.mark.parametrize("user", ["0:0x", "1000:", ":5", "4294967295", "4294967296", "-1", "root", "+5", " 5", "5 ", "1:2:3", ""])
def test_exec_refuses_users_that_are_no_numbers(runtime, user):  # A15, A16
    name = runtime.start("/bin/sleep", "1000")
    result = runtime.call("exec", "-u", user, name, "/bin/id", check=False)
    assert result.returncode != 0 and "--user" in result.stderr and "uid=" not in result.stdout


# ---- terminals ----


def listen(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def read_all(fd):
    text = b""
    while True:
        try:
            more = os.read(fd, 4096)
        except OSError:
            return text
        if not more:
            return text
        text += more


def test_a_terminal_goes_to_the_console_socket(runtime, tmp_path):
    runtime.config["process"]["terminal"] = True
    runtime.config["process"]["consoleSize"] = {"height": 33, "width": 44}
    with listen(tmp_path / "console") as listener:
        name = runtime.create("/bin/sh", "-c", "tty; stty size; test -t 0 && stat -c %t /dev/console; readlink /proc/self/fd/0",
                              flags=("--console-socket", tmp_path / "console"))
        master = bundles.receive_terminal(listener)
    runtime.call("start", name)
    out = read_all(master).decode().split()
    os.close(master)
    assert out == ["/dev/pts/0", "33", "44", "88", "/dev/pts/0"]


def test_exec_gets_a_terminal_of_its_own(runtime, tmp_path):
    name = runtime.start("/bin/sleep", "1000")
    with listen(tmp_path / "console") as listener:
        runtime.call("exec", "-t", "-d", "--console-socket", tmp_path / "console", name, "/bin/sh", "-c",
                     "tty; read x; stty size; echo got $x")
        master = bundles.receive_terminal(listener)
    begin = b""
    while b"\n" not in begin:
        begin += os.read(master, 100)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 11, 22, 0, 0))
    os.write(master, b"word\n")
    out = (begin + read_all(master)).decode().split()
    os.close(master)
    assert out == ["/dev/pts/0", "word", "11", "22", "got", "word"]


# ---- hooks ----


def test_hooks_run_in_order_with_the_state_and_a_clean_environment(runtime, tmp_path, monkeypatch):  # A29
    log = tmp_path / "log"
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\nread -r state\necho \"$1 $state LD=$LD_PRELOAD A=$A\" >> {log}\n")
    script.chmod(0o755)
    inside = runtime.rootfs / "bin/inside"
    inside.write_text("#!/bin/sh\nread -r state\necho \"$1 $state LD=$LD_PRELOAD A=$A\" > /tmp/inside\n")
    inside.chmod(0o755)
    monkeypatch.setenv("LD_PRELOAD", "/evil.so")
    runtime.config["process"]["env"].append("LD_PRELOAD=/evil.so")
    kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    runtime.config["hooks"] = {kind: [{"path": str(script), "args": ["hook", kind], "env": ["A=1"]}] for kind in kinds}
    runtime.config["hooks"]["startContainer"] = [{"path": "/bin/inside", "args": ["inside", "startContainer"]}]
    runtime.run("/bin/true")
    lines = log.read_text().splitlines()
    assert [line.split()[0] for line in lines] == kinds
    states = [json.loads(line.split(" ", 1)[1].rsplit(" LD=", 1)[0])["status"] for line in lines]
    assert states[:3] == ["creating"] * 3 and states[3] == "running" and states[4] == "stopped"
    assert all(line.endswith("LD= A=1") for line in lines)
    text = (runtime.rootfs / "tmp/inside").read_text()
    assert text.startswith("startContainer {") and text.endswith("LD= A=\n")


def test_a_failing_hook_stops_the_creation_and_leaves_nothing(runtime, tmp_path):
    script = tmp_path / "hook"
    script.write_text("#!/bin/sh\necho went wrong\nexit 3\n")
    script.chmod(0o755)
    for kind in ("prestart", "createRuntime", "createContainer"):
        runtime.config["hooks"] = {kind: [{"path": str(script)}]}
        result = runtime.run("/bin/true", check=False)
        assert result.returncode == 1 and f"hook {kind}[0]" in result.stderr and "went wrong" in result.stderr
    runtime.config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]}
    assert "no end after 1 s" in runtime.run("/bin/true", check=False).stderr
    assert bundles.left(f"og-test-{os.getpid()}-") == [] and os.listdir(runtime.root) == []


# ---- bad input ----


@pytest.mark.parametrize("change, words", [
    ({"ociVersion": 1}, "ociVersion is not a string"),
    ({"ociVersion": "2.0.0"}, "ociVersion"),
    ({"root": {}}, "root.path is missing"),
    ({"root": {"path": "nowhere"}}, "root.path"),
    ({"process": {"args": ["x"]}}, "process.cwd is missing"),
    ({"process": {"cwd": "relative", "args": ["x"]}}, "process.cwd is not an absolute path"),
    ({"process": {"cwd": "/", "args": []}}, "process.args is empty"),
    ({"mounts": [{"destination": "x", "type": "tmpfs"}]}, "mounts[0].destination"),
    ({"mounts": [{"destination": "/x", "type": "nosuchfs"}]}, "mounts[0]"),
    ({"mounts": [{"destination": "/x", "type": "tmpfs", "source": "t", "options": ["size=many"]}]}, "mounts[0]"),
    ({"mounts": [{"destination": "/x", "source": "/no/such/file", "options": ["bind"]}]}, "/no/such/file"),
    ({"linux": {"resources": {"memory": {"limit": "1"}}}}, "linux.resources.memory.limit is not an integer"),
    ({"linux": {"namespaces": [{"type": "what"}]}}, "linux.namespaces[0].type"),
    ({"linux": {"namespaces": [{"type": "pid"}]}}, "mount namespace"),
    ({"linux": {"namespaces": [{"type": "mount"}, {"type": "mount"}]}}, "twice"),
])
def test_bad_configurations_name_the_field(runtime, change, words):
    runtime.config.update(change)
    result = runtime.run(check=False)
    assert result.returncode == 1 and words in result.stderr and result.stderr.count("\n") == 1, result.stderr
    assert not runtime.root.is_dir() or os.listdir(runtime.root) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "nonsense", '{"ociVersion":"1.0.0","ociVersion":"1.0.0"}', "{}"])
def test_files_that_are_no_configuration_are_refused(runtime, text):
    (runtime.bundle / "config.json").write_text(text)
    result = runtime.call("run", "--bundle", runtime.bundle, runtime.name(), check=False)
    assert result.returncode == 1 and "config.json" in result.stderr


def test_a_program_that_cannot_run_is_told_at_create(runtime):
    assert "executable file not found" in runtime.run("nothing", check=False).stderr
    assert "no such file" in runtime.run("/no/such", check=False).stderr
    assert "permission denied" in runtime.run("/etc/passwd", check=False).stderr


# ---- nothing stays ----


@pytest.mark.slow
def test_200_workloads_leave_nothing(runtime):
    runtime.config["process"]["args"] = ["/bin/true"]
    for _ in range(200):
        runtime.run()
    assert bundles.left(f"og-test-{os.getpid()}-") == [] and os.listdir(runtime.root) == []


@pytest.mark.slow
def test_sigkill_at_any_moment_leaves_nothing_that_delete_does_not_clean_up(runtime):
    chance = random.Random(7)
    runtime.config["process"]["args"] = ["/bin/sleep", "1000"]
    runtime.write()
    for _ in range(100):
        name = runtime.name()
        with subprocess.Popen([runtime.program, "--root", runtime.root, "run", "--detach", "--bundle", runtime.bundle, name],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(chance.random() * 0.03)
            process.kill()
        runtime.call("delete", "--force", name)
        assert bundles.left(name) == []
    assert not runtime.root.is_dir() or os.listdir(runtime.root) == []
