# SPDX-License-Identifier: Apache-2.0
"""Mounts added to and removed from a workload that runs: `mounts add`, `mounts remove`."""

import ctypes
import json
import os
import pathlib
import threading

import pytest


RENAME_EXCHANGE = 2


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "volume"
    path.mkdir()
    (path / "file").write_text("from outside")
    return path


def change(runtime, what, name, mounts, check=True):
    path = runtime.folder / "mounts.json"
    path.write_text(mounts if isinstance(mounts, str) else json.dumps(mounts))
    return runtime.call("mounts", what, name, path, check=check)


def inside(runtime, name, script):
    return runtime.call("exec", name, "/bin/sh", "-c", script).stdout


def bind(source, destination, *options, **rest):
    return {"destination": destination, "source": str(source), "options": ["bind", *options], **rest}


def user_namespace(runtime):
    runtime.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        runtime.config["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    for folder, _, files in os.walk(runtime.rootfs):
        for path in [folder] + [os.path.join(folder, file) for file in files]:
            os.chown(path, 100000, 100000, follow_symlinks=False)


@pytest.mark.in_lab
@pytest.mark.parametrize("flags", [(), ("--no-pivot",)])
def test_mounts_come_and_go_while_it_runs(runtime, volume, flags):
    name = runtime.start("/bin/sleep", "1000", flags=flags)
    before = inside(runtime, name, "cat /proc/self/mountinfo")
    mounts = [bind(volume, "/new/vol", "ro", "nodev"), bind(volume / "file", "/etc/one"),
              {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "noexec"]},
              {"destination": "/more", "type": "proc", "source": "proc"}]
    change(runtime, "add", name, mounts)
    out = inside(runtime, name, "cat /new/vol/file /etc/one; echo x 2>/dev/null > /new/vol/x || echo no; cat /more/1/comm; "
                                "grep -E ' /(scratch|new/vol) ' /proc/self/mountinfo")
    assert out.startswith("from outsidefrom outsideno\nsleep\n")
    assert "size=64k" in out and "noexec" in out and "nodev" in out
    change(runtime, "remove", name, mounts[1:3] + mounts[:1])
    assert "cannot" not in inside(runtime, name, "ls /new/vol /scratch")
    left = inside(runtime, name, "cat /proc/self/mountinfo")
    assert [line for line in left.splitlines() if " /more " not in line] == before.splitlines()
    assert "procfs is not to be removed" in change(runtime, "remove", name, mounts[3:], check=False).stderr
    assert "mounts add" in change(runtime, "remove", name, mounts[:1], check=False).stderr


def test_in_a_user_namespace_they_are_its_own(runtime, volume):
    user_namespace(runtime)
    os.chown(volume / "file", 5, 6)
    volume.chmod(0o755)
    name = runtime.start("/bin/sleep", "1000")
    change(runtime, "add", name, [bind(volume, "/vol", "idmap"), {"destination": "/scratch", "type": "tmpfs"}])
    assert inside(runtime, name, "stat -c '%u %g' /vol/file /scratch; touch /scratch/x && echo fine").split() == \
        ["5", "6", "0", "0", "fine"]
    assert os.stat(runtime.rootfs / "scratch").st_uid == 100000


def test_a_created_workload_and_a_mount_of_config_json(runtime, volume):
    runtime.config["mounts"].append(bind(volume, "/first"))
    name = runtime.create("/bin/sh", "-c", "cat /second/file > /result; ls /first | wc -l >> /result")
    change(runtime, "add", name, [bind(volume, "/second")])
    change(runtime, "remove", name, [{"destination": "/first"}])
    runtime.call("start", name)
    runtime.wait_for(name, "stopped")
    assert (runtime.rootfs / "result").read_text() == "from outside0\n"
    assert "it is stopped" in change(runtime, "add", name, [bind(volume, "/third")], check=False).stderr


def test_all_or_none(runtime, volume):
    name = runtime.start("/bin/sleep", "1000")
    before = inside(runtime, name, "cat /proc/self/mountinfo")
    result = change(runtime, "add", name, [bind(volume, "/one"), {"destination": "/two", "type": "tmpfs"},
                                           bind(volume, "/proc/sys")], check=False)
    assert result.returncode == 1 and "mounts[2] '/proc/sys'" in result.stderr
    assert inside(runtime, name, "cat /proc/self/mountinfo") == before


@pytest.mark.parametrize("mounts, words", [
    ("{", "mounts.json"), ("{}", "is not an array of mounts"), ([{"type": "tmpfs"}], "mounts[0].destination"),
    ([{"destination": "/x", "source": "/no/such", "options": ["bind"]}], "/no/such"),
    ([{"destination": "/x", "type": "cgroup"}], "mounts[0] '/x'"),
    ([{"destination": "/x", "type": "tmpfs", "options": ["nonsense=1"]}], "nonsense"),
    ([{"destination": "/bin/sh/x", "type": "tmpfs"}], "mounts[0] '/bin/sh/x'")])
def test_what_cannot_be_is_said(runtime, mounts, words):
    name = runtime.start("/bin/sleep", "1000")
    result = change(runtime, "add", name, mounts, check=False)
    assert result.returncode == 1 and words in result.stderr and result.stderr.count("\n") == 1
    assert "only add and remove" in runtime.call("mounts", "change", name, "/x", check=False).stderr


def test_a_link_does_not_choose_what_is_unmounted(runtime, volume):
    """Else a workload could have its masks removed by whoever removes a volume."""
    runtime.config["mounts"].append(bind(volume, "/in/keys"))
    name = runtime.start("/bin/sleep", "1000")
    change(runtime, "add", name, [bind(volume / "file", "/vol/keys")])
    for folder in ("vol", "in"):
        (runtime.rootfs / folder).rename(runtime.rootfs / f"{folder}-away")
        (runtime.rootfs / folder).symlink_to("/proc")
    masks = inside(runtime, name, "grep -c . /proc/keys; grep /proc/keys /proc/self/mountinfo")
    assert masks.startswith("0\n") and "/null" in masks
    assert "not the mount that was added" in change(runtime, "remove", name, [{"destination": "/vol/keys"}], check=False).stderr
    assert change(runtime, "remove", name, [{"destination": "/in/keys"}], check=False).returncode == 1
    assert inside(runtime, name, "grep -c . /proc/keys; grep /proc/keys /proc/self/mountinfo") == masks


def test_nothing_is_mounted_outside_while_folders_become_links(runtime, volume, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    name = runtime.start("/bin/sleep", "1000")
    (runtime.rootfs / "data/a").mkdir(parents=True)
    (runtime.rootfs / "data/b").symlink_to(f"../../../../../../..{victim}")
    (runtime.rootfs / "data/c").symlink_to(victim)
    done = threading.Event()
    libc = ctypes.CDLL(None, use_errno=True)

    def swap():
        base = str(runtime.rootfs / "data").encode()
        while not done.is_set():
            for other in (b"/b", b"/c"):
                libc.renameat2(-100, base + b"/a", -100, base + other, RENAME_EXCHANGE)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        added = 0
        for _ in range(60):
            mounts = [bind(volume, "/data/a/deep"), {"destination": "/data/a/file/x", "type": "tmpfs"}]
            if change(runtime, "add", name, mounts, check=False).returncode == 0:
                added += 1
                change(runtime, "remove", name, mounts, check=False)
            assert os.listdir(victim) == []
    finally:
        done.set()
        swapper.join()
    assert added > 0 and str(victim) not in pathlib.Path("/proc/self/mountinfo").read_text()
