# SPDX-License-Identifier: Apache-2.0
"""Where a workload's control groups are, whose they may not be, and what it makes below them."""

import os
import pathlib
import subprocess

import pytest

import bundles
import daemon
from controlgroups import Groups, groups_of, need_hugetlb, trees

MIB = 1 << 20


def own_path(name):
    """Where this process is in a tree, below its mount."""
    own, mount = Groups(os.getpid()).dirs[name], trees()[name]
    return own.relative_to(mount)


def remove(paths):
    for path in paths:
        for folder, _, _ in os.walk(path, topdown=False):
            os.rmdir(folder)


@pytest.mark.in_lab
@pytest.mark.parametrize("form", ["/{name}", "/{name}/deep/er", "{name}", "{name}/deep", None])
def test_the_groups_are_where_the_path_says(runtime, form):
    name = f"og-test-path-{os.getpid()}"
    if form is None:
        runtime.config["linux"].pop("cgroupsPath", None)
    else:
        runtime.config["linux"]["cgroupsPath"] = form.format(name=name)
    try:
        workload = runtime.create("/bin/true")
        groups, where = groups_of(runtime, workload), trees()
        assert len(groups.dirs) == len(set(where.values()))
        for tree, path in groups.dirs.items():
            above = "" if form is None or form[0] == "/" else own_path(tree)
            below = f"onggi-{workload}" if form is None else form.format(name=name).lstrip("/")
            assert path == where[tree] / above / below
        runtime.call("delete", "--force", workload)
        assert not any(path.exists() for path in groups.dirs.values())
    finally:
        remove([where[tree] / ("" if form is None or form[0] == "/" else own_path(tree)) / name for tree in groups.dirs])


@pytest.mark.parametrize("path", ["/", "..", "/../x", "/x/../../y", "x/./y"])
def test_a_path_that_is_no_groups_is_refused(runtime, path):
    runtime.config["linux"]["cgroupsPath"] = path
    assert "linux.cgroupsPath" in runtime.run("/bin/true", check=False).stderr


@pytest.mark.in_lab
@pytest.mark.parametrize("tree", ["first", "last"])
@pytest.mark.parametrize("below", ["", "/below"])
def test_a_group_of_others_is_refused_and_left_alone(runtime, tree, below):
    name = f"og-test-used-{os.getpid()}"
    where = sorted(set(trees().values()))
    mounts = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup" in line]
    where.sort(key=lambda path: mounts.index(str(path)))
    group = pathlib.Path(f"{where[0 if tree == 'first' else -1]}/{name}{below}")
    group.mkdir(parents=True)
    with subprocess.Popen(["sleep", "1000"]) as other:
        try:
            for file in ("cpuset.cpus", "cpuset.mems"):
                if group.joinpath(file).exists() and "cpuset" in str(group):
                    for folder in ([group.parent] if below else []) + [group]:
                        folder.joinpath(file).write_text("0")
            group.joinpath("cgroup.procs").write_text(str(other.pid))
            runtime.config["linux"]["cgroupsPath"] = f"/{name}"
            result = runtime.run("/bin/true", check=False)
            assert result.returncode == 1 and "holds processes of others" in result.stderr
            assert other.poll() is None and group.exists()
            assert not [path for path in where if path not in group.parents and path.joinpath(name).exists()]
        finally:
            other.kill()
            other.wait()
            daemon.wait_for("the group to be free", lambda: not group.joinpath("cgroup.procs").read_text())
            remove([path / name for path in where])


@pytest.mark.in_lab
def test_a_frozen_group_is_refused(runtime):
    name = f"og-test-cold-{os.getpid()}"
    where = trees()
    group = where.get("freezer", where.get("")) / name
    group.mkdir()
    try:
        file, state, thawed = ("freezer.state", "FROZEN", "THAWED") if "freezer" in where else ("cgroup.freeze", "1", "0")
        group.joinpath(file).write_text(state)
        runtime.config["linux"]["cgroupsPath"] = f"/{name}"
        assert "is frozen" in runtime.run("/bin/true", check=False).stderr
        group.joinpath(file).write_text(thawed)
        runtime.run("/bin/true")  # an empty one of that name is taken over, and removed in the end
        assert not group.exists()
    finally:
        remove([path / name for path in set(where.values())])


@pytest.mark.in_lab
def test_a_group_that_can_take_no_workload_is_explained(runtime):
    if "" not in trees():
        pytest.skip("no version 2 here")
    top = trees()[""] / f"og-test-threads-{os.getpid()}"
    for folder in (top, top / "threads"):
        folder.mkdir()
    try:
        top.joinpath("threads/cgroup.type").write_text("threaded")  # what is beside it is of no use until it is so, too
        runtime.config["linux"]["cgroupsPath"] = f"/{top.name}/workload"
        assert "choose another linux.cgroupsPath" in runtime.run("/bin/true", check=False).stderr
        assert not top.joinpath("workload").exists()
    finally:
        remove([path / top.name for path in set(trees().values())])


def own_groups(runtime):
    """Lets the workload write to its own groups."""
    for mount in runtime.config["mounts"]:
        if mount["type"] == "cgroup":
            mount["options"] = [option for option in mount["options"] if option != "ro"]


IN_EACH = "for g in /sys/fs/cgroup /sys/fs/cgroup/*; do test -e $g/cgroup.procs || continue; case $g in */sub) continue;; esac; "


@pytest.mark.in_lab
def test_groups_that_the_workload_makes_go_with_it(runtime):
    own_groups(runtime)
    name = runtime.start("/bin/sh", "-c", f"{IN_EACH} mkdir -p $g/sub/below/deep; done; touch /tmp/up; sleep 1000")
    daemon.wait_for("it to be up", runtime.rootfs.joinpath("tmp/up").exists)
    groups = groups_of(runtime, name)
    assert all(path.joinpath("sub/below/deep").exists() for path in groups.dirs.values())
    runtime.call("delete", "--force", name)
    assert bundles.left(name) == []


@pytest.mark.in_lab
def test_exec_goes_into_a_group_below(runtime):
    own_groups(runtime)
    script = f"{IN_EACH} mkdir $g/sub; test -e $g/cpuset.cpus -a ! -e $g/cgroup.controllers && for f in cpus mems; do " \
             "cat $g/cpuset.$f > $g/sub/cpuset.$f; done; done; touch /tmp/up; sleep 1000"
    name = runtime.start("/bin/sh", "-c", script)
    daemon.wait_for("it to be up", runtime.rootfs.joinpath("tmp/up").exists)

    def where(*flags):
        result = runtime.call("exec", *flags, name, "/bin/cat", "/proc/self/cgroup")
        return {controller: line.split(":", 2)[2] for line in result.stdout.splitlines()
                for controller in line.split(":", 2)[1].split(",")}
    trees_here = groups_of(runtime, name).dirs.keys()
    assert all(where()[tree] == "/" for tree in trees_here)
    assert all(where("--cgroup", "sub")[tree] == "/sub" for tree in trees_here)
    assert all(where("--cgroup", "/")[tree] == "/" for tree in trees_here)
    if "memory" in trees_here:
        places = where("--cgroup", "memory,pids:/sub", "--cgroup", "cpu:sub")
        assert {tree for tree in trees_here if places[tree] == "/sub"} == {"memory", "pids", "cpu"}
    for path, words in (("nothing", "nothing"), ("../..", "--cgroup"), ("sub/../..", "--cgroup"), ("what:sub", "'what' is no controller")):
        result = runtime.call("exec", "--cgroup", path, name, "/bin/true", check=False)
        assert result.returncode == 1 and words in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.in_lab
def test_exec_follows_a_workload_that_hands_its_controllers_on(runtime):
    """systemd in a container does that: in version 2 its own group takes no process any more."""
    if "" not in trees():
        pytest.skip("no version 2 here")
    own_groups(runtime)
    if "memory" in trees():
        need_hugetlb()
        runtime.config["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 * MIB}]
    script = "g=/sys/fs/cgroup; test -e $g/cgroup.controllers || g=$g/unified; mkdir $g/init && echo 1 > $g/init/cgroup.procs && " \
             "for c in $(cat $g/cgroup.controllers); do echo +$c > $g/cgroup.subtree_control; done; touch /tmp/up; sleep 1000"
    name = runtime.start("/bin/sh", "-c", script)
    daemon.wait_for("it to be up", runtime.rootfs.joinpath("tmp/up").exists)
    assert groups_of(runtime, name).dirs[""].parent.joinpath("cgroup.subtree_control").read_text().split()
    assert "0::/init\n" in runtime.call("exec", name, "/bin/cat", "/proc/self/cgroup").stdout
    runtime.call("delete", "--force", name)
    assert bundles.left(name) == []
