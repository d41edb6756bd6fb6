# SPDX-License-Identifier: Apache-2.0
"""Commands that stand on control groups: pause, resume, ps, update, events; looked at in the groups' own files."""

import json
import os
import pathlib
import subprocess
import time

import pytest

import bundles
import daemon
from controlgroups import groups_of, stats_of

MIB = 1 << 20


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


@pytest.mark.in_lab
def test_who_runs_out_of_memory_ends_with_sigkill(runtime):
    runtime.config["linux"]["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    assert runtime.run("/bin/tail", "/dev/zero", check=False).returncode == 137
