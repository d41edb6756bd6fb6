# SPDX-License-Identifier: Apache-2.0
"""Each field of linux.resources, looked at in the groups' own files; and refused where a host has no use for it."""

import json
import os
import pathlib
import stat
import subprocess
import time

import pytest

import bundles
import daemon
from controlgroups import groups_of, need_hugetlb, stats_of, trees

MIB = 1 << 20


def started_with(runtime, resources):
    """The groups of a running workload with these resources."""
    runtime.config["linux"]["resources"] |= resources
    return groups_of(runtime, runtime.start("/bin/sleep", "1000"))


def refusal(runtime, resources):
    runtime.config["linux"]["resources"] |= resources
    result = runtime.run("/bin/true", check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert bundles.left(f"og-test-{os.getpid()}-{runtime.count}") == []
    return result.stderr


def disk():
    """MAJOR, MINOR of a real disk."""
    for path in sorted(pathlib.Path("/sys/block").iterdir()):
        if path.joinpath("device").exists() and path.joinpath("size").read_text().strip() != "0":
            return tuple(map(int, path.joinpath("dev").read_text().split(":")))
    return pytest.skip("no disk here")


@pytest.mark.in_lab
def test_processor_fields(runtime):
    groups = started_with(runtime, {"cpu": {"shares": 512, "quota": 40000, "period": 80000, "burst": 30000, "cpus": "0",
                                            "mems": "0"}})
    assert groups.read("cpu", "cpu.shares", "cpu.weight") == ("59" if groups.v2("cpu") else "512")
    assert groups.cpu() == (40000, 80000) and groups.read("cpu", "cpu.cfs_burst_us", "cpu.max.burst") == "30000"
    assert groups.read("cpuset", "cpuset.cpus", "cpuset.cpus") == groups.read("cpuset", "cpuset.mems", "cpuset.mems") == "0"
    runtime.config["linux"]["resources"]["cpu"] = {"idle": 1}
    groups = started_with(runtime, {})
    assert groups.read("cpu", "cpu.idle", "cpu.idle") == "1"
    for field, value in (("cpus", "4000"), ("mems", "900"), ("burst", 1 << 60), ("quota", 10), ("period", 10)):
        assert f"linux.resources.cpu.{field}" in refusal(runtime, {"cpu": {field: value}})


def test_shares_that_version_1_would_clamp_are_refused(runtime):
    if "cpu" not in trees():
        pytest.skip("version 2 here")
    for shares in (1, 262145):
        assert f"linux.resources.cpu.shares is {shares}, not 2 to 262144" in refusal(runtime, {"cpu": {"shares": shares}})


@pytest.mark.in_lab
def test_realtime_fields(runtime):
    fields = {"realtimeRuntime": 2000, "realtimePeriod": 500000}
    if "cpu" in trees() and trees()["cpu"].joinpath("cpu.rt_runtime_us").exists():
        directory = started_with(runtime, {"cpu": fields}).dir("cpu")
        assert [directory.joinpath(f"cpu.rt_{name}_us").read_text() for name in ("runtime", "period")] == ["2000\n", "500000\n"]
    else:
        assert "linux.resources.cpu.realtimePeriod" in refusal(runtime, {"cpu": fields})


@pytest.mark.in_lab
def test_memory_fields(runtime):
    groups = started_with(runtime, {"memory": {"limit": 64 * MIB, "reservation": 32 * MIB, "swap": 64 * MIB,
                                               "disableOOMKiller": False, "useHierarchy": True, "kernelTCP": -1}})
    assert groups.memory() == (64 * MIB, 64 * MIB)
    assert groups.read("memory", "memory.soft_limit_in_bytes", "memory.low") == str(32 * MIB)
    only_v1 = {"swappiness": (0, "memory.swappiness", "0"), "kernelTCP": (8 * MIB, "memory.kmem.tcp.limit_in_bytes", str(8 * MIB)),
               "disableOOMKiller": (True, "memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0")}
    for field, (value, file, text) in only_v1.items():
        if groups.v2("memory"):
            assert f"linux.resources.memory.{field}: this host has no" in refusal(runtime, {"memory": {field: value}})
        else:
            assert started_with(runtime, {"memory": {field: value}}).read("memory", file, None) == text
    groups = started_with(runtime, {"memory": {"limit": -1, "swap": -1, "reservation": 0}})
    assert min(groups.memory()) >= 1 << 60
    if groups.v2("memory"):
        assert "set memory.limit with it" in refusal(runtime, {"memory": {"swap": 64 * MIB}})
    assert "linux.resources.memory.swap" in refusal(runtime, {"memory": {"limit": 64 * MIB, "swap": 32 * MIB}})


@pytest.mark.in_lab
def test_a_limit_below_what_is_used_is_refused_when_asked_to(runtime):
    runtime.config["mounts"].append({"destination": "/t", "type": "tmpfs", "source": "tmpfs"})
    name = runtime.start("/bin/sh", "-c", "head -c 33554432 /dev/zero > /t/file; touch /tmp/up; sleep 1000")
    daemon.wait_for("it to be up", runtime.rootfs.joinpath("tmp/up").exists)
    document = json.dumps({"memory": {"limit": 16 * MIB, "swap": 16 * MIB, "checkBeforeUpdate": True}})
    result = runtime.call("update", "--resources", "-", name, check=False, stdin=None, input=document)
    assert result.returncode == 1 and "linux.resources.memory.limit 16777216 is below what is used" in result.stderr
    assert min(groups_of(runtime, name).memory()) >= 1 << 60 and runtime.state(name)["status"] == "running"


@pytest.mark.in_lab
def test_pids_field(runtime):
    assert started_with(runtime, {"pids": {"limit": 17}}).read("pids", "pids.max", "pids.max") == "17"
    for limit in (0, -1):
        assert started_with(runtime, {"pids": {"limit": limit}}).read("pids", "pids.max", "pids.max") == "max"


@pytest.mark.in_lab
def test_block_io_throttles(runtime):
    major, minor = disk()
    rates = {"ReadBps": 1048576, "WriteBps": 2097152, "ReadIOPS": 300, "WriteIOPS": 400}
    groups = started_with(runtime, {"blockIO": {f"throttle{name}Device": [{"major": major, "minor": minor, "rate": rate}]
                                                for name, rate in rates.items()}})
    if groups.v2("blkio"):
        assert groups.dir("blkio").joinpath("io.max").read_text() == f"{major}:{minor} rbps=1048576 wbps=2097152 riops=300 wiops=400\n"
    else:
        for file, rate in zip(("read_bps", "write_bps", "read_iops", "write_iops"), rates.values()):
            text = groups.dir("blkio").joinpath(f"blkio.throttle.{file}_device").read_text()
            assert text == f"{major}:{minor} {rate}\n"
    wrong = {"blockIO": {"throttleWriteIOPSDevice": [{"major": major, "minor": minor, "rate": 5},
                                                     {"major": 4000, "minor": 1, "rate": 5}]}}
    assert "linux.resources.blockIO.throttleWriteIOPSDevice[1]" in refusal(runtime, wrong)


@pytest.mark.in_lab
def test_block_io_weights(runtime):
    major, minor = disk()
    groups = started_with(runtime, {})
    files = [name for name in ("blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight")
             if groups.dir("blkio").joinpath(name).exists()]
    if not files:
        assert "linux.resources.blockIO.weight: there is no file" in refusal(runtime, {"blockIO": {"weight": 500}})
        return
    groups = started_with(runtime, {"blockIO": {"weight": 505}})
    expected = "5000" if files[0] == "io.weight" else "505"
    assert groups.dir("blkio").joinpath(files[0]).read_text().split()[-1] == expected
    assert "neither weight nor leafWeight" in refusal(runtime, {"blockIO": {"weightDevice": [{"major": major, "minor": minor}]}})
    assert "leaf_weight" in refusal(runtime, {"blockIO": {"leafWeight": 300}})
    weights = {"blockIO": {"weightDevice": [{"major": 4000, "minor": 1, "weight": 300}]}}
    assert "linux.resources.blockIO.weightDevice[0]" in refusal(runtime, weights)


@pytest.mark.in_lab
def test_huge_page_limits_also_of_what_is_reserved(runtime):
    need_hugetlb()
    groups = started_with(runtime, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]})
    assert groups.read("hugetlb", "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max") == str(4 * MIB)
    assert groups.read("hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes", "hugetlb.2MB.rsvd.max") == str(4 * MIB)
    assert stats_of(runtime, runtime.call("list", "-q").stdout.split()[0])["hugetlb"]["2MB"] == {"failcnt": 0}
    for size in ("2", "MB", "../x", "2MB/", "2mB", "7MB"):
        assert "linux.resources.hugepageLimits[0]" in refusal(runtime, {"hugepageLimits": [{"pageSize": size, "limit": 1}]})


@pytest.mark.in_lab
def test_unified_names_files_of_version_2(runtime):
    if "" not in trees():
        pytest.skip("no version 2 here")
    keys = {"cgroup.max.depth": "7"} | ({} if "memory" in trees() else {"memory.high": str(50 * MIB), "pids.max": "30"})
    groups = started_with(runtime, {"pids": {"limit": 20}, "unified": keys})
    assert {key: groups.dir("").joinpath(key).read_text().strip() for key in keys} == keys
    for key in ("nothing.max", "../cgroup.max.depth", "cgroup.max.depth/x", ""):
        assert "linux.resources.unified" in refusal(runtime, {"unified": {key: "1"}})


@pytest.mark.in_lab
def test_rdma_names_its_device_when_there_is_none(runtime):
    message = refusal(runtime, {"rdma": {"mlx5_9": {"hcaHandles": 3, "hcaObjects": 10}}})
    assert "linux.resources.rdma.mlx5_9" in message
    assert "neither hcaHandles nor hcaObjects" in refusal(runtime, {"rdma": {"mlx5_9": {}}})


@pytest.fixture
def with_net(tmp_path):
    """
    What to begin a command with that is to see net_cls and net_prio at .../net. They are mounted in
    a namespace of its own, so that nobody else sees them, and given back to the kernel at the end.
    """
    folder = tmp_path / "net"
    folder.mkdir()
    begin = ["unshare", "-m", "sh", "-c", f"mount -t cgroup -o net_cls,net_prio net {folder} && exec \"$@\"", "sh"]
    if "net_cls" in trees() or subprocess.run([*begin, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("net_cls and net_prio cannot be mounted here")
    yield begin

    def given_back():
        """A while after a mount without groups ends; those removed before count as there for a while."""
        subprocess.run([*begin, "true"], check=True)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            if "net_cls\t0\t" in pathlib.Path("/proc/cgroups").read_text():
                return True
            time.sleep(0.02)
        return False
    daemon.wait_for("the tree to be gone", given_back)


@pytest.mark.in_lab
def test_network_class_and_priorities(runtime, with_net):
    def run(network):
        runtime.config["linux"]["resources"]["network"] = network
        runtime.write()
        words = [runtime.program, "--root", runtime.root, "run", "--bundle", runtime.bundle, runtime.name()]
        return subprocess.run([*with_net, *words], check=False, capture_output=True, text=True)
    script = "cat /sys/fs/cgroup/net/net_cls.classid /sys/fs/cgroup/net/net_prio.ifpriomap"
    runtime.config["process"]["args"] = ["/bin/sh", "-c", script]
    lines = run({"classID": 1048577, "priorities": [{"name": "lo", "priority": 7}]}).stdout.splitlines()
    assert lines[0] == "1048577" and "lo 7" in lines
    assert "linux.resources.network.priorities[0]" in run({"priorities": [{"name": "none0", "priority": 7}]}).stderr


def test_network_fields_need_their_controllers(runtime):
    if "net_cls" in trees():
        pytest.skip("this host has net_cls")
    for field, value in (("classID", 7), ("priorities", [{"name": "lo", "priority": 1}])):
        assert "linux.resources.network." in refusal(runtime, {"network": {field: value}})


# ---- devices ----

TRY = "test -e /tmp/dev || mknod /tmp/dev c %d %d; (: < /tmp/dev) && echo read; (: >> /tmp/dev) && echo written; " \
      "(: <> /tmp/dev) && echo both; true"


@pytest.fixture
def device(tmp_path):
    """MAJOR, MINOR of a character device that everybody may open and that no workload has."""
    for major, minor in ((10, 229), (10, 200), (10, 237), (1, 4)):
        path = tmp_path / f"device-{major}-{minor}"
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
        try:
            os.close(os.open(path, os.O_RDWR))
            return major, minor
        except OSError:
            continue
    return pytest.skip("no character device to try")


def with_numbers(rules, device):
    """MAJOR, MINOR in the rules are the device's."""
    numbers = {"MAJOR": device[0], "MINOR": device[1]}
    return [{key: numbers.get(value, value) for key, value in rule.items()} for rule in rules]


DEVICE = {"type": "c", "major": "MAJOR", "minor": "MINOR"}


@pytest.mark.in_lab
@pytest.mark.parametrize("rules, expected", [
    ([], ""),
    ([{"allow": False}, {"allow": True, **DEVICE, "access": "r"}], "read"),
    ([{"allow": False}, {"allow": True, **DEVICE, "access": "w"}], "written"),
    ([{"allow": True, **DEVICE, "access": access} for access in "rw"], "read written both"),
    ([{"allow": True, "type": "c", "major": "MAJOR"}], "read written both"),
    ([{"allow": True}], "read written both"),
    ([{"allow": True}, {"allow": False, **DEVICE, "access": "w"}], "read"),
    ([{"allow": True}, {"allow": False, **DEVICE}], ""),
    ([{"allow": True}, {"allow": False}], ""),
    ([{"allow": True, **DEVICE}, {"allow": False, "type": "c", "major": "MAJOR"}], ""),
    ([{"allow": True, **DEVICE, "type": "b"}], ""),
])
def test_device_rules_are_kept(runtime, device, rules, expected):
    runtime.config["linux"]["resources"]["devices"] = with_numbers(rules, device)
    assert runtime.sh(f"echo > /dev/null; {TRY % device}").split() == expected.split()


@pytest.mark.in_lab
@pytest.mark.parametrize("rules, words", [
    ([{"allow": True, "type": "c", "major": 9}, {"allow": False, "type": "c", "major": 9, "minor": 1}], "devices[1] takes back"),
    ([{"allow": True}, {"allow": False, "type": "c", "major": 1}], "devices denies a range"),
    ([{"allow": True, "type": "c", "major": 1, "minor": i} for i in range(1025)], "devices has more than 1024 rules"),
])
def test_device_rules_that_no_list_can_say_are_refused(runtime, rules, words):
    assert f"linux.resources.{words}" in refusal(runtime, {"devices": rules})


@pytest.mark.in_lab
def test_devices_are_updated_and_nothing_is_missed_meanwhile(runtime, device):
    script = "while echo x > /dev/null; do :; done; touch /tmp/failed"
    name = runtime.start("/bin/sh", "-c", script)
    [rule] = with_numbers([{"allow": True, **DEVICE}], device)

    def update(*rules):
        runtime.call("update", "-r", "-", name, stdin=None, input=json.dumps({"devices": [{"allow": False}, *rules]}))

    def seen():
        return runtime.call("exec", name, "/bin/sh", "-c", TRY % device).stdout.split()
    assert seen() == []
    update(rule)
    assert seen() == ["read", "written", "both"]
    update(rule | {"access": "r"})
    assert seen() == ["read"]
    for i in range(40):
        update(*([rule] if i % 2 else []), {"allow": True, "type": "c", "major": 200 + i, "minor": i})
    runtime.call("update", "--pids-limit", "100", name)
    assert seen() == ["read", "written", "both"]
    update()
    assert seen() == [] and not runtime.rootfs.joinpath("tmp/failed").exists()
    assert runtime.state(name)["status"] == "running"
