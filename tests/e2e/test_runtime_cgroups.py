# SPDX-License-Identifier: Apache-2.0
"""Control groups: limits, and the commands that stand on them, looked at in the groups' own files."""

import json
import os
import pathlib
import stat
import subprocess
import time

import pytest

import bundles
import daemon

MIB = 1 << 20
CGROUP = pathlib.Path("/sys/fs/cgroup")


def trees():
    """{controller: mount point}; version 2 is ""."""
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        kind, _, options = right.split()[:3]
        if kind == "cgroup2":
            found.setdefault("", pathlib.Path(left.split()[4]))
        elif kind == "cgroup":
            for option in options.split(","):
                found.setdefault(option, pathlib.Path(left.split()[4]))
    return found


class Groups:
    """Where a process is in each tree."""

    def __init__(self, pid):
        self.dirs = {}
        where = trees()
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            for name in names.split(","):
                if name in where:
                    self.dirs[name] = pathlib.Path(f"{where[name]}{path}")

    def v2(self, controller):
        """Whether it is version 2 that has the controller here."""
        return controller not in self.dirs

    def dir(self, controller):
        return self.dirs[controller] if controller in self.dirs else self.dirs[""]

    def read(self, controller, v1_file, v2_file):
        """The file's text, by the name that it has here."""
        return self.dir(controller).joinpath(v2_file if self.v2(controller) else v1_file).read_text().strip()

    def memory(self):
        """Limit of memory, and of memory with swap."""
        limit = self.read("memory", "memory.limit_in_bytes", "memory.max")
        swap = self.read("memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
        limit, swap = ((1 << 62) if text == "max" else int(text) for text in (limit, swap))
        return limit, swap + limit if self.v2("memory") and swap < 1 << 62 else swap

    def cpu(self):
        """Quota and period."""
        if self.v2("cpu"):
            quota, period = self.dir("cpu").joinpath("cpu.max").read_text().split()
            return -1 if quota == "max" else int(quota), int(period)
        return tuple(int(self.dir("cpu").joinpath(f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))


def groups_of(runtime, name):
    return Groups(runtime.state(name)["pid"])


def counter(runtime):
    """A workload that counts in /tmp/count, and a function that says how far it is."""
    script = "i=0; while :; do i=$((i+1)); echo $i > /tmp/next; mv /tmp/next /tmp/count; sleep 0.01; done"
    name = runtime.start("/bin/sh", "-c", script)
    file = runtime.rootfs / "tmp/count"
    daemon.wait_for("it to count", file.exists)
    return name, lambda: int(file.read_text())


# ---- pause and resume ----


@pytest.mark.in_lab
def test_a_paused_workload_stands_still_until_it_is_resumed(runtime):
    name, count = counter(runtime)
    assert "container not paused" in runtime.call("resume", name, check=False).stderr
    runtime.call("pause", name)
    assert runtime.state(name)["status"] == "paused"
    assert json.loads(runtime.call("list", "--format", "json").stdout)[0]["status"] == "paused"
    before = count()
    time.sleep(0.2)
    assert count() == before
    assert "it is paused" in runtime.call("pause", name, check=False).stderr
    assert "it is paused" in runtime.call("delete", name, check=False).stderr
    assert "it is paused" in runtime.call("exec", name, "/bin/true", check=False).stderr
    runtime.call("resume", name)
    assert runtime.state(name)["status"] == "running"
    daemon.wait_for("it to count on", lambda: count() > before)
    assert "container not running" in runtime.call("pause", stopped(runtime), check=False).stderr


def stopped(runtime):
    name = runtime.start("/bin/true")
    runtime.wait_for(name, "stopped")
    return name


@pytest.mark.in_lab
def test_a_paused_workload_can_be_killed_and_deleted(runtime):
    name = runtime.start("/bin/sleep", "1000")
    runtime.call("pause", name)
    runtime.call("kill", name, "KILL")
    runtime.wait_for(name, "stopped")
    runtime.call("delete", name)
    for words in (["kill", "--all"], ["delete", "--force"]):
        name = runtime.start("/bin/sh", "-c", "sleep 1000 & sleep 1000")
        runtime.call("pause", name)
        runtime.call(*words, name, *(["KILL"] if words[0] == "kill" else []))
        runtime.call("delete", "--force", name)
        assert bundles.left(name) == []


@pytest.mark.in_lab
def test_a_created_workload_can_be_paused_and_is_not_started_then(runtime):
    name = runtime.create("/bin/touch", "/tmp/ran")
    runtime.call("pause", name)
    assert runtime.state(name)["status"] == "paused"
    assert "it is paused" in runtime.call("start", name, check=False).stderr
    runtime.call("resume", name)
    assert runtime.state(name)["status"] == "created"
    runtime.call("start", name)
    runtime.wait_for(name, "stopped")
    assert runtime.rootfs.joinpath("tmp/ran").exists()


def test_exec_in_a_paused_workload_waits_when_told_to(runtime):
    name = runtime.start("/bin/sleep", "1000")
    runtime.call("pause", name)
    words = [runtime.program, "--root", runtime.root, "exec", "--ignore-paused", name, "/bin/echo", "here"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        runtime.call("resume", name)
        assert process.communicate(timeout=30)[0] == "here\n"


# ---- ps ----


@pytest.mark.in_lab
def test_ps_lists_the_processes_of_a_workload_and_no_others(runtime):
    name = runtime.start("/bin/sh", "-c", "sleep 1000 & sleep 1001 & touch /tmp/up; wait")
    daemon.wait_for("it to be up", runtime.rootfs.joinpath("tmp/up").exists)
    subprocess.run([runtime.program, "--root", runtime.root, "exec", "--detach", name, "/bin/sleep", "1002"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def words():
        found = json.loads(runtime.call("ps", "--format", "json", name).stdout)
        return {pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1]: pid for pid in found}
    daemon.wait_for("all of them to run", lambda: words().keys() == {b"-c", b"1000", b"1001", b"1002"})
    assert words()[b"-c"] == runtime.state(name)["pid"]
    pids = list(words().values())
    table = runtime.call("ps", name).stdout.splitlines()
    assert "PID" in table[0] and sorted(int(line.split()[1]) for line in table[1:]) == sorted(pids)
    table = runtime.call("ps", name, "-o", "ppid,pid,args").stdout.splitlines()
    assert table[0].split() == ["PPID", "PID", "COMMAND"] and len(table) == 5
    assert "no column PID" in runtime.call("ps", name, "-o", "args", check=False).stderr
    assert "--format" in runtime.call("ps", "--format", "xml", name, check=False).stderr


# ---- update ----


@pytest.mark.in_lab
def test_update_changes_what_is_given_and_nothing_else(runtime):
    runtime.config["linux"]["resources"] |= {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}, "pids": {"limit": 50},
                                             "cpu": {"quota": 50000, "period": 100000, "shares": 1024}}
    name = runtime.start("/bin/sleep", "1000")
    groups = groups_of(runtime, name)

    def look():
        return (*groups.memory(), *groups.cpu(), groups.read("cpu", "cpu.shares", "cpu.weight"),
                groups.read("pids", "pids.max", "pids.max"))
    now = [64 * MIB, 96 * MIB, 50000, 100000, "100" if groups.v2("cpu") else "1024", "50"]
    assert list(look()) == now
    for flag, value, index, expected in [
            ("--memory", "48m", 0, 48 * MIB), ("--memory", "67108864", 0, 64 * MIB), ("--memory-swap", "80m", 1, 80 * MIB),
            ("--cpu-quota", "70000", 2, 70000), ("--cpu-period", "200000", 3, 200000), ("--cpu-quota", "-1", 2, -1),
            ("--cpu-share", "2", 4, "1" if groups.v2("cpu") else "2"), ("--pids-limit", "60", 5, "60"),
            ("--pids-limit", "-1", 5, "max"), ("--pids-limit", "0", 5, "max")]:
        runtime.call("update", flag, value, name)
        now[index] = expected
        assert list(look()) == now, (flag, value)
    runtime.call("update", "--memory", "-1", name)
    assert min(look()[:2]) >= 1 << 60


@pytest.mark.in_lab
def test_limits_that_bound_one_another_can_be_raised_and_lowered_together(runtime):
    runtime.config["linux"]["resources"] |= {"memory": {"limit": 64 * MIB, "swap": 64 * MIB},
                                             "cpu": {"quota": 50000, "period": 100000}}
    name = runtime.start("/bin/sleep", "1000")
    groups = groups_of(runtime, name)
    for limit, swap in ((128, 128), (32, 32), (96, 160), (48, 56)):
        runtime.call("update", "--memory", f"{limit}m", "--memory-swap", f"{swap}M", name)
        assert groups.memory() == (limit * MIB, swap * MIB)
    for quota, period, burst in ((900000, 1000000, 800000), (2000, 1000, 1000), (300000, 100000, 300000), (5000, 5000, 0)):
        runtime.call("update", "--cpu-quota", quota, "--cpu-period", period, "--cpu-burst", burst, name)
        assert groups.cpu() == (quota, period)
        assert groups.read("cpu", "cpu.cfs_burst_us", "cpu.max.burst") == str(burst)
    for words in (["--memory", "1g"], ["--memory-swap", "1m"]):
        result = runtime.call("update", *words, name, check=False)
        assert result.returncode == 1 and "linux.resources.memory." in result.stderr and result.stderr.count("\n") == 1
    assert groups.memory() == (48 * MIB, 56 * MIB)


@pytest.mark.in_lab
def test_update_reads_a_document(runtime, tmp_path):
    name = runtime.start("/bin/sleep", "1000")
    groups = groups_of(runtime, name)
    (tmp_path / "new").write_text(json.dumps({"memory": {"limit": 40 * MIB}, "cpu": {"cpus": "0"}, "pids": {"limit": 7}}))
    runtime.call("update", "--resources", tmp_path / "new", name)
    assert groups.memory()[0] == 40 * MIB and groups.read("pids", "pids.max", "pids.max") == "7"
    assert groups.read("cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    words = [runtime.program, "--root", runtime.root, "update", "-r", "-", name]
    subprocess.run(words, input=json.dumps({"pids": {"limit": 8}}), text=True, check=True)
    assert groups.memory()[0] == 40 * MIB and groups.read("pids", "pids.max", "pids.max") == "8"
    for text, words in (("{", "--resources"), ('{"memory": {"limit": "1"}}', "memory.limit is not an integer")):
        (tmp_path / "new").write_text(text)
        result = runtime.call("update", "--resources", tmp_path / "new", name, check=False)
        assert result.returncode == 1 and words in result.stderr


@pytest.mark.parametrize("flag, value", [
    ("--memory", "64x"), ("--memory", "-2"), ("--memory", "1e3"), ("--memory", "9999999999g"), ("--memory", ""),
    ("--cpu-quota", "-2"), ("--cpu-quota", "much"), ("--cpu-idle", "2"), ("--pids-limit", "-7"), ("--blkio-weight", "1001")])
def test_update_refuses_what_is_no_limit(runtime, flag, value):
    name = runtime.create("/bin/true")
    result = runtime.call("update", flag, value, name, check=False)
    assert result.returncode == 1 and flag in result.stderr and result.stderr.count("\n") == 1


def test_what_update_ignores_is_logged_as_a_warning(runtime, tmp_path):
    name = runtime.create("/bin/true")
    runtime.call("--log", tmp_path / "log", "--log-format", "json", "update", "--kernel-memory", "64m", name)
    entry = json.loads((tmp_path / "log").read_text())
    assert entry["level"] == "warning" and "--kernel-memory" in entry["msg"]
    runtime.config["linux"]["resources"]["memory"] = {"kernel": 64 * MIB}
    result = runtime.run("/bin/true")
    assert "warning: linux.resources.memory.kernel is ignored" in result.stderr


# ---- events ----


def stats_of(runtime, name):
    event = json.loads(runtime.call("events", "--stats", name).stdout)
    assert event["type"] == "stats" and event["id"] == name
    return event["data"]


@pytest.mark.in_lab
def test_statistics_say_what_it_uses(runtime):
    runtime.config["linux"]["resources"] |= {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}, "pids": {"limit": 20},
                                             "cpu": {"quota": 20000, "period": 100000, "cpus": "0"}}
    runtime.config["mounts"].append({"destination": "/t", "type": "tmpfs", "source": "tmpfs"})
    name = runtime.start("/bin/sh", "-c", "head -c 8388608 /dev/zero > /t/file; touch /tmp/up; while :; do :; done")
    daemon.wait_for("it to be up", runtime.rootfs.joinpath("tmp/up").exists)
    daemon.wait_for("it to be throttled",
                    lambda: stats_of(runtime, name)["cpu"]["throttling"].get("throttledTime", 0) > 0)
    stats = stats_of(runtime, name)
    assert stats["pids"] == {"current": 1, "limit": 20}
    memory, cpu = stats["memory"], stats["cpu"]
    assert 8 * MIB < memory["usage"]["usage"] < 64 * MIB and memory["usage"]["limit"] == 64 * MIB
    assert memory["swap"]["limit"] == 96 * MIB and memory["cache"] >= 8 * MIB and memory["raw"]["pgfault"] > 0
    assert cpu["usage"]["total"] > 10 ** 6 and cpu["throttling"]["periods"] >= cpu["throttling"]["throttledPeriods"]
    assert cpu["throttling"]["throttledTime"] > 0 and cpu["usage"]["user"] + cpu["usage"]["kernel"] > 10 ** 6
    if not groups_of(runtime, name).v2("cpuacct"):
        assert len(cpu["usage"]["percpu"]) >= os.sched_getaffinity(0).__len__() and stats["cpuset"]["cpus"] == [0]
    else:
        assert cpu["psi"]["some"]["total"] >= 0
    assert {"blkio", "hugetlb", "intel_rdt"} <= stats.keys()
    gone = stopped(runtime)
    assert "not running" in runtime.call("events", "--stats", gone, check=False).stderr


@pytest.mark.in_lab
def test_events_tell_of_statistics_and_of_the_end_of_memory(runtime):
    runtime.config["linux"]["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    runtime.config["mounts"].append({"destination": "/t", "type": "tmpfs", "source": "tmpfs"})
    script = ("trap 'exit 0' TERM; while ! [ -e /tmp/go ]; do sleep 0.05; done; sh -c 'tail /dev/zero'; touch /tmp/done; "
              "while :; do sleep 0.05; done")
    name = runtime.start("/bin/sh", "-c", script)
    words = [runtime.program, "--root", runtime.root, "events", "--interval", "100ms", name]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        first = json.loads(process.stdout.readline())
        assert first["type"] == "stats" and first["data"]["memory"]["usage"]["limit"] == 16 * MIB
        runtime.rootfs.joinpath("tmp/go").touch()
        end = time.monotonic() + 30
        while (event := json.loads(process.stdout.readline()))["type"] == "stats":
            assert time.monotonic() < end, "it was never told"
        assert event == {"type": "oom", "id": name}
        daemon.wait_for("it to go on", runtime.rootfs.joinpath("tmp/done").exists)
        runtime.call("kill", name)
        rest = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and all(json.loads(line)["id"] == name for line in rest.splitlines())


@pytest.mark.parametrize("interval", ["0s", "-1s", "5", "x", "1y", "", "99999h"])
def test_an_interval_that_is_none_is_refused(runtime, interval):
    name = runtime.create("/bin/true")
    result = runtime.call("events", f"--interval={interval}", name, check=False)
    assert result.returncode == 1 and "--interval" in result.stderr


# ---- fields ----


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


def hugetlb():
    where = trees()
    if "hugetlb" in where:
        return where["hugetlb"]
    if "" not in where or "hugetlb" not in where[""].joinpath("cgroup.controllers").read_text().split():
        pytest.skip("this kernel has no hugetlb controller")
    return where[""]


@pytest.mark.in_lab
def test_huge_page_limits_also_of_what_is_reserved(runtime):
    hugetlb()
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


# ---- where the groups are ----


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
        hugetlb()
        runtime.config["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 * MIB}]
    script = "g=/sys/fs/cgroup; test -e $g/cgroup.controllers || g=$g/unified; mkdir $g/init && echo 1 > $g/init/cgroup.procs && " \
             "for c in $(cat $g/cgroup.controllers); do echo +$c > $g/cgroup.subtree_control; done; touch /tmp/up; sleep 1000"
    name = runtime.start("/bin/sh", "-c", script)
    daemon.wait_for("it to be up", runtime.rootfs.joinpath("tmp/up").exists)
    assert groups_of(runtime, name).dirs[""].parent.joinpath("cgroup.subtree_control").read_text().split()
    assert "0::/init\n" in runtime.call("exec", name, "/bin/cat", "/proc/self/cgroup").stdout
    runtime.call("delete", "--force", name)
    assert bundles.left(name) == []


@pytest.mark.in_lab
def test_who_runs_out_of_memory_ends_with_sigkill(runtime):
    runtime.config["linux"]["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    assert runtime.run("/bin/tail", "/dev/zero", check=False).returncode == 137
