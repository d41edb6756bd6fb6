# SPDX-License-Identifier: Apache-2.0
"""Namespaces, new, joined and shared; user namespaces; sysctls; devices; the root's propagation."""

import contextlib
import os
import pathlib
import stat
import subprocess

import pytest


FILES = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "user": "user", "cgroup": "cgroup",
         "time": "time"}
LINKS = "; ".join(f"readlink /proc/self/ns/{name}" for name in FILES.values())


@pytest.fixture
def holder():
    """A function that makes namespaces, held by a process whose PID it returns."""
    with contextlib.ExitStack() as stack:
        def hold(*flags):
            process = subprocess.Popen(["unshare", *flags, "--fork", "--kill-child", "sh", "-c", "echo; exec sleep 1000"],
                                       stdout=subprocess.PIPE)
            stack.callback(process.wait)
            stack.callback(process.kill)  # the one signal that it does not keep from itself
            assert process.stdout.readline() == b"\n"
            return process.pid
        yield hold


def spaces(runtime, *names, **paths):
    """The workload's namespaces: new ones, and such with a path."""
    runtime.config["linux"]["namespaces"] = [{"type": name} for name in names] + \
        [{"type": name, "path": path} for name, path in paths.items()]


def links(text):
    return dict(zip(FILES, text.split()))


def ours():
    return {kind: os.readlink(f"/proc/self/ns/{name}") for kind, name in FILES.items()}


def mapped(runtime, host_id=100000, size=65536):
    """The workload has a user namespace with a root file system of its own IDs."""
    runtime.config["linux"]["namespaces"].append({"type": "user"})
    runtime.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": host_id, "size": size}]
    runtime.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": host_id, "size": size}]
    give(runtime, host_id)


def give(runtime, owner):
    for folder, _, files in os.walk(runtime.rootfs):
        for name in [folder] + [os.path.join(folder, file) for file in files]:
            os.chown(name, owner, owner, follow_symlinks=False)


def bare(runtime):
    """Nothing that a namespace of the host's would not allow, or that would be the host's."""
    runtime.config["mounts"] = [mount for mount in runtime.config["mounts"] if mount["destination"] in ("/proc", "/dev")]
    runtime.config.pop("hostname", None)
    runtime.config["linux"]["readonlyPaths"] = []


def refusal(runtime):
    result = runtime.run("/bin/true", check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


# ---- new, shared, joined ----


@pytest.mark.in_lab
def test_all_eight_are_new_where_listed_and_the_hosts_where_not(runtime):
    runtime.config["linux"]["namespaces"].append({"type": "time"})
    mapped(runtime)
    inside = links(runtime.sh(LINKS))
    assert len(inside) == 8 and all(inside[kind] != ours()[kind] for kind in FILES)


def test_what_is_not_listed_is_the_hosts(runtime):
    spaces(runtime, "mount")
    bare(runtime)
    inside = links(runtime.sh(LINKS))
    assert {kind for kind in FILES if inside[kind] == ours()[kind]} == set(FILES) - {"mount"}


def test_each_is_joined_by_its_path(runtime, holder):
    pid = holder("-n", "-i", "-u", "-p", "-C", "-T")
    paths = {kind: f"/proc/{pid}/ns/{FILES[kind]}" for kind in ("network", "ipc", "uts", "cgroup")}
    paths |= {kind: f"/proc/{pid}/ns/{kind}_for_children" for kind in ("pid", "time")}
    spaces(runtime, "mount", **paths)
    bare(runtime)
    inside = links(runtime.sh(LINKS))
    for kind, path in paths.items():
        assert inside[kind] == os.readlink(path) != ours()[kind]


def test_hooks_of_the_host_are_not_in_a_joined_pid_namespace(runtime, holder, tmp_path):
    pid = holder("-p")
    spaces(runtime, "mount", "time", pid=f"/proc/{pid}/ns/pid_for_children")
    bare(runtime)
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\nreadlink /proc/self/ns/pid /proc/self/ns/time > {tmp_path}/seen\n")
    hook.chmod(0o755)
    runtime.config["hooks"] = {"createRuntime": [{"path": str(hook)}]}
    assert runtime.sh("readlink /proc/self/ns/pid").strip() == os.readlink(f"/proc/{pid}/ns/pid_for_children")
    assert (tmp_path / "seen").read_text().split() == [ours()["pid"], ours()["time"]]


@pytest.mark.parametrize("kind", list(FILES))
def test_a_path_of_another_kind_is_refused(runtime, kind):
    other = "ipc" if kind != "ipc" else "uts"
    spaces(runtime, *({"mount"} - {kind}), **{kind: f"/proc/self/ns/{other}"})
    assert f"is no {kind} namespace" in refusal(runtime)
    spaces(runtime, *({"mount"} - {kind}), **{kind: "/etc/passwd"})
    assert f"is no {kind} namespace" in refusal(runtime)
    spaces(runtime, *({"mount"} - {kind}), **{kind: "/no/such"})
    assert "/no/such" in refusal(runtime)


def test_a_mount_namespace_is_joined_and_left_as_it_is(runtime, holder):
    pid = holder("-m")
    subprocess.run(["nsenter", "-m", "-t", str(pid), "mount", "-t", "tmpfs", "only-there", "/mnt"], check=True)
    spaces(runtime, "pid", mount=f"/proc/{pid}/ns/mnt")
    assert "mounts would change the mount namespace" in refusal(runtime)
    runtime.config["mounts"] = []
    assert "linux.maskedPaths would" in refusal(runtime)
    runtime.config["linux"]["maskedPaths"] = runtime.config["linux"]["readonlyPaths"] = []
    runtime.config.pop("hostname", None)
    runtime.config["root"]["path"] = "/"
    before = subprocess.run(["nsenter", "-m", "-t", str(pid), "cat", "/proc/self/mountinfo"], capture_output=True, check=True)
    inside = runtime.sh("readlink /proc/self/ns/mnt; cat /proc/mounts").splitlines()
    assert inside[0] == os.readlink(f"/proc/{pid}/ns/mnt") and "only-there" in " ".join(inside)
    runtime.config["root"]["path"] = "rootfs"
    name = runtime.start("/bin/sleep", "1000")
    assert os.readlink(f"/proc/{runtime.state(name)['pid']}/ns/mnt") == inside[0]
    assert "mnt" not in runtime.call("exec", name, "/bin/ls", "/").stdout.split()
    runtime.call("delete", "--force", name)
    after = subprocess.run(["nsenter", "-m", "-t", str(pid), "cat", "/proc/self/mountinfo"], capture_output=True, check=True)
    assert after.stdout == before.stdout


def test_names_of_host_and_domain(runtime):
    runtime.config["hostname"] = "some-host"
    runtime.config["domainname"] = "some.domain"
    assert runtime.sh("cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname").split() == ["some-host", "some.domain"]
    spaces(runtime, "mount", "pid", "ipc", "network")
    assert "hostname" in refusal(runtime)


# ---- time ----


@pytest.mark.in_lab
@pytest.mark.parametrize("user", [False, True])
def test_both_clocks_have_their_offsets(runtime, user):
    runtime.config["linux"]["namespaces"].append({"type": "time"})
    runtime.config["linux"]["timeOffsets"] = {"boottime": {"secs": 86400, "nanosecs": 5}, "monotonic": {"secs": 777}}
    if user:
        mapped(runtime)
    out = runtime.sh("cat /proc/self/timens_offsets /proc/uptime").split()
    assert out[:6] == ["monotonic", "777", "0", "boottime", "86400", "5"]
    assert float(out[6]) - float(pathlib.Path("/proc/uptime").read_text().split()[0]) > 86000


def test_offsets_that_cannot_be_are_refused(runtime):
    runtime.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1}}
    assert "timeOffsets without a new time namespace" in refusal(runtime)
    runtime.config["linux"]["namespaces"].append({"type": "time"})
    runtime.config["linux"]["timeOffsets"] = {"realtime": {"secs": 1}}
    assert "linux.timeOffsets.realtime" in refusal(runtime)
    runtime.config["linux"]["timeOffsets"] = {"boottime": {"secs": -(1 << 40)}}
    assert "linux.timeOffsets" in refusal(runtime)


# ---- user namespaces ----


def test_a_user_namespace_needs_no_open_folders_on_the_way(runtime):
    """The root file system of another user is below folders that only the host's root may enter."""
    mapped(runtime)
    runtime.folder.chmod(0o700)
    out = runtime.sh("id -u; touch /made; stat -c %u /made /; grep -c . /proc/self/uid_map; cat /proc/self/setgroups")
    assert out.split() == ["0", "0", "0", "1", "allow"]
    assert os.stat(runtime.rootfs / "made").st_uid == 100000


def test_340_mappings_are_taken_and_more_refused_by_name(runtime):  # A18
    mapped(runtime, 1)
    few = [{"containerID": i, "hostID": 2 * i + 1, "size": 1} for i in range(340)]
    runtime.config["linux"]["uidMappings"] = few
    assert runtime.sh("grep -c . /proc/self/uid_map").split() == ["340"]
    for count in (341, 4000):
        runtime.config["linux"]["uidMappings"] = [{"containerID": i, "hostID": 2 * i + 1, "size": 1} for i in range(count)]
        assert f"linux.uidMappings: {count} lines" in refusal(runtime)
    runtime.config["linux"]["uidMappings"] = few
    runtime.config["linux"]["gidMappings"] = [{"containerID": i, "hostID": 2 * i + 1000000000, "size": 1} for i in range(340)]
    assert "linux.gidMappings" in refusal(runtime)
    runtime.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1, "size": 20}, {"containerID": 1, "hostID": 90, "size": 1}]
    assert "linux.gidMappings" in refusal(runtime)


@pytest.mark.in_lab
def test_a_user_namespace_is_joined_by_its_path(runtime, holder):
    pid = holder("-U")
    for name in ("uid_map", "gid_map"):
        pathlib.Path(f"/proc/{child_of(pid)}/{name}").write_text("0 200000 1000\n")
    runtime.config["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{child_of(pid)}/ns/user"})
    give(runtime, 200000)
    runtime.folder.chmod(0o700)
    inside = runtime.sh(f"id -u; touch /made; echo > /dev/null; cat /proc/self/uid_map; {LINKS}").split()
    assert inside[:4] == ["0", "0", "200000", "1000"]
    found = links(" ".join(inside[4:]))
    assert found["user"] == os.readlink(f"/proc/{child_of(pid)}/ns/user")
    assert all(found[kind] != ours()[kind] for kind in ("pid", "network", "mount", "ipc", "uts", "cgroup"))
    assert os.stat(runtime.rootfs / "made").st_uid == 200000
    name = runtime.start("/bin/sleep", "1000")
    assert runtime.call("exec", name, "/bin/id", "-u").stdout.split() == ["0"]


def child_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@pytest.mark.parametrize("user", ["new", "joined"])
def test_a_user_namespace_together_with_joined_ones_of_the_host(runtime, holder, user):
    """Their owner is the host's user namespace: they have to be joined before it is left."""
    other = holder("-n", "-i", "-u", "-p")
    paths = {kind: f"/proc/{other}/ns/{FILES[kind]}" for kind in ("network", "ipc", "uts")}
    paths["pid"] = f"/proc/{other}/ns/pid_for_children"
    spaces(runtime, "mount", **paths)
    runtime.config["mounts"] = [mount for mount in runtime.config["mounts"] if mount["destination"] == "/dev"]
    runtime.config["mounts"].append({"destination": "/proc", "source": "/proc", "options": ["rbind"]})
    runtime.config["linux"]["maskedPaths"] = runtime.config["linux"]["readonlyPaths"] = []
    runtime.config.pop("hostname")
    if user == "new":
        mapped(runtime)
    else:
        pid = child_of(holder("-U"))
        for name in ("uid_map", "gid_map"):
            pathlib.Path(f"/proc/{pid}/{name}").write_text("0 100000 1000\n")
        runtime.config["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{pid}/ns/user"})
        give(runtime, 100000)
    name = runtime.start("/bin/sleep", "1000")
    first = runtime.state(name)["pid"]
    for kind, path in paths.items():
        assert os.readlink(f"/proc/{first}/ns/{FILES[kind]}") == os.readlink(path)
    assert os.stat(f"/proc/{first}").st_uid == 100000
    assert os.readlink(f"/proc/{first}/ns/user") != ours()["user"]
    runtime.call("kill", name, "KILL")
    runtime.wait_for(name, "stopped")


def test_the_workloads_own_mapping_is_that_of_an_id_mapped_mount(runtime, tmp_path, holder):
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o777)
    (volume / "file").write_text("x")
    os.chown(volume / "file", 3, 4)
    runtime.config["mounts"].append({"destination": "/vol", "source": str(volume), "options": ["bind", "idmap"]})
    mapped(runtime)
    assert runtime.sh("stat -c '%u %g' /vol/file; touch /vol/made").split() == ["3", "4"]
    assert os.stat(volume / "made").st_uid == 0
    runtime.config["mounts"][-1]["options"] = ["bind"]
    assert runtime.sh("stat -c '%u %g' /vol/file").split() == ["65534", "65534"]
    pid = child_of(holder("-U"))
    for name in ("uid_map", "gid_map"):
        pathlib.Path(f"/proc/{pid}/{name}").write_text("0 200000 1000\n")
    runtime.config["linux"]["namespaces"][-1]["path"] = f"/proc/{pid}/ns/user"
    runtime.config["mounts"][-1]["options"] = ["bind", "ridmap"]
    give(runtime, 200000)
    assert runtime.sh("stat -c '%u %g' /vol/file").split() == ["3", "4"]


# ---- sysctls ----


def test_sysctls_in_every_form_of_their_names(runtime):
    mapped(runtime)
    runtime.config["linux"]["sysctl"] = {
        "net.ipv4.ip_forward": "1", "net/ipv4/ip_default_ttl": "77", "net.ipv4.conf.lo.forwarding": "1",
        "kernel/shmmni": "99", "fs.mqueue.msg_max": "8", "user.max_net_namespaces": "6"}
    out = runtime.sh("cd /proc/sys; cat net/ipv4/ip_forward net/ipv4/ip_default_ttl net/ipv4/conf/lo/forwarding kernel/shmmni "
                     "fs/mqueue/msg_max user/max_net_namespaces")
    assert out.split() == ["1", "77", "1", "99", "8", "6"]


def test_a_dot_within_a_part_is_a_slash(runtime, holder):
    pid = holder("-n")
    subprocess.run(["nsenter", "-n", "-t", str(pid), "ip", "link", "add", "eth0.5", "type", "veth"], check=True)
    spaces(runtime, "mount", "pid", "ipc", "uts", network=f"/proc/{pid}/ns/net")
    runtime.config["mounts"] = [mount for mount in runtime.config["mounts"] if mount["destination"] != "/sys/fs/cgroup"]
    runtime.config["linux"]["sysctl"] = {"net.ipv4.conf.eth0/5.forwarding": "1", "net/ipv6/conf/eth0.5/accept_ra": "0"}
    assert runtime.sh("cat /proc/sys/net/ipv4/conf/eth0.5/forwarding /proc/sys/net/ipv6/conf/eth0.5/accept_ra").split() == ["1", "0"]


@pytest.mark.parametrize("name, how", [
    ("net.ipv4.ip_forward", "shared"), ("net.ipv4.ip_forward", "joined"), ("kernel.shmmni", "shared"),
    ("kernel.domainname", "shared"), ("user.max_net_namespaces", "new"), ("kernel.core_pattern", "new"),
    ("vm.swappiness", "new"), ("net/../kernel/panic", "new"), ("net.ipv4.no_such_thing", "new")])
def test_sysctls_of_the_host_are_refused(runtime, name, how):
    names = ["mount", "pid"] if how != "new" else ["mount", "pid", "ipc", "uts", "network"]
    spaces(runtime, *names, **({"network": "/proc/self/ns/net"} if how == "joined" else {}))
    bare(runtime)
    runtime.config["linux"]["sysctl"] = {name: "1"}
    assert f"linux.sysctl.{name}" in refusal(runtime)


# ---- devices ----


DEVICES = [{"path": "/dev/some/char", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8},
           {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 3},
           {"path": "/opt/block", "type": "b", "major": 254, "minor": 77, "fileMode": 0o600},
           {"path": "/dev/pipe", "type": "p", "fileMode": 0o622}]


@pytest.mark.in_lab
@pytest.mark.parametrize("user", [False, True])
def test_devices_of_all_types_with_owner_and_mode(runtime, user):
    runtime.config["linux"]["devices"] = DEVICES
    if user:
        mapped(runtime)
    for _ in range(2):  # in the root file system the second time finds what the first has left
        out = runtime.sh("stat -c '%F %t:%T %a %u %g' /dev/some/char /dev/unbuffered /opt/block /dev/pipe; "
                         "head -c 3 /dev/some/char | wc -c; echo x > /dev/null && echo > /dev/unbuffered && echo fine")
        assert out.splitlines() == ["character special file 1:5 640 7 8", "character special file 1:3 666 0 0",
                                    "block special file fe:4d 600 0 0", "fifo 0:0 622 0 0", "3", "fine"]
    assert not list(pathlib.Path(runtime.rootfs / "dev").iterdir())


@pytest.mark.parametrize("user", [False, True])
def test_what_is_there_and_is_another_thing_is_refused(runtime, user):
    (runtime.rootfs / "opt").mkdir()
    (runtime.rootfs / "opt/block").write_text("a file")
    runtime.config["linux"]["devices"] = [DEVICES[2]]
    if user:
        mapped(runtime)
    assert "linux.devices[0] '/opt/block'" in refusal(runtime)
    (runtime.rootfs / "opt/block").unlink()
    (runtime.rootfs / "opt/block").symlink_to("/etc/passwd")
    assert "linux.devices[0] '/opt/block'" in refusal(runtime)
    (runtime.rootfs / "opt/block").unlink()
    os.mknod(runtime.rootfs / "opt/block", 0o600 | stat.S_IFBLK, os.makedev(254, 78))
    assert "linux.devices[0] '/opt/block'" in refusal(runtime)


def test_in_a_bound_dev_nothing_is_made(runtime, tmp_path):
    dev = tmp_path / "dev"
    dev.mkdir()
    os.mknod(dev / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    runtime.config["mounts"] = [mount for mount in runtime.config["mounts"] if not mount["destination"].startswith("/dev")]
    runtime.config["mounts"].append({"destination": "/dev", "source": str(dev), "options": ["bind"]})
    runtime.config["linux"]["devices"] = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3}, DEVICES[2]]
    assert runtime.sh("ls /dev; stat -c %F /opt/block").splitlines() == ["null", "block special file"]
    runtime.config["linux"]["devices"] = [DEVICES[0]]
    assert "linux.devices[0]" in refusal(runtime)
    assert sorted(path.name for path in dev.iterdir()) == ["null", "some"]


def test_there_is_a_console_only_with_a_terminal(runtime):
    assert runtime.sh("ls /dev").split() == sorted(["full", "fd", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                                                    "stdin", "stdout", "tty", "urandom", "zero"])


# ---- the root ----


def root_fields(runtime):
    line = next(line for line in runtime.sh("cat /proc/self/mountinfo").splitlines() if line.split()[4] == "/")
    return line.split(" - ")[0].split()[6:]


def test_propagation_of_the_root(runtime, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for word, expected in {"shared": "shared:", "rshared": "shared:", "slave": "master:", "rslave": "master:", "private": "",
                           "rprivate": "", "unbindable": "unbindable", "runbindable": "unbindable", None: ""}.items():
        runtime.config["linux"].pop("rootfsPropagation", None)
        if word:
            runtime.config["linux"]["rootfsPropagation"] = word
        with shared_mount(runtime.rootfs):
            found = " ".join(root_fields(runtime))
        assert found.startswith(expected) and (expected or found == ""), (word, found)
    runtime.config["linux"]["rootfsPropagation"] = "sideways"
    assert "linux.rootfsPropagation" in refusal(runtime)


@contextlib.contextmanager
def shared_mount(path):
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        subprocess.run(["mount", "--make-private", path], check=True)
        subprocess.run(["mount", "--make-shared", path], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.parametrize("word, comes_in", [("slave", True), ("rslave", True), ("private", False), ("shared", False)])
def test_mounts_of_the_host_below_the_root(runtime, word, comes_in):
    runtime.config["linux"]["rootfsPropagation"] = word
    (runtime.rootfs / "late").mkdir()
    with shared_mount(runtime.rootfs):
        name = runtime.start("/bin/sleep", "1000")
        subprocess.run(["mount", "-t", "tmpfs", "of-the-host", runtime.rootfs / "late"], check=True)
        inside = runtime.call("exec", name, "/bin/cat", "/proc/self/mountinfo").stdout
        subprocess.run(["umount", "-l", runtime.rootfs / "late"], check=True)
        runtime.call("delete", "--force", name)
    assert ("of-the-host" in inside) == comes_in


@pytest.mark.parametrize("flags", [(), ("--no-pivot",)])
def test_the_hosts_mounts_are_gone_with_and_without_pivot(runtime, flags):
    runtime.config["root"]["readonly"] = True
    runtime.config["linux"]["maskedPaths"] += ["/etc"]
    out = runtime.run("/bin/sh", "-c", "ls /; ls /etc; touch /x 2>&1; cat /proc/keys; cd /..; pwd", flags=flags).stdout
    assert out.split("\n")[:1] == ["bin"] and "Read-only" in out and out.endswith("/\n")
    assert not (runtime.rootfs / "x").exists() and "passwd" not in out


# ---- what this host may not have ----


def test_shares_of_cache_need_a_resctrl_file_system(runtime):
    if os.path.exists("/sys/fs/resctrl/schemata"):
        pytest.skip("this host has resctrl: tests/unit/container/test-resctrl.c is what looks at the rest")
    runtime.config["linux"]["intelRdt"] = {"closID": "gold", "schemata": ["L3:0=f"]}
    assert "linux.intelRdt: no resctrl file system at /sys/fs/resctrl (mount -t resctrl" in refusal(runtime)
