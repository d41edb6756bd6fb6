# SPDX-License-Identifier: Apache-2.0
"""Pause, update and stats of workloads: what the daemon says, and what the kernel says of it.

`client` is our own command line, then Docker's: the same words do the same.
"""

import pathlib
import time

import pytest

import daemon

COUNTER = "while :; do echo >> /count; sleep 0.01; done"


@pytest.fixture(params=["onggi", "docker"])
def client(request, onggid, require):
    """client(words..., check=True): a command line against the daemon."""
    if request.param == "onggi":
        return onggid.onggi
    tool = require.tool("docker")
    return lambda *words, **rest: onggid.run(tool, "-H", onggid.host, *words, **rest)


class Workload:
    """One that runs: what is known of it, from the daemon and from the kernel."""

    def __init__(self, onggid, name):
        self.onggid = onggid
        self.name = name

    def inspect(self):
        status, answer = self.onggid.request("GET", f"/containers/{self.name}/json")
        assert status == 200, answer
        return answer

    @property
    def status(self):
        return self.inspect()["State"]["Status"]

    @property
    def pid(self):
        return self.inspect()["State"]["Pid"]

    def post(self, action, body=None):
        return self.onggid.request("POST", f"/containers/{self.name}/{action}", body)

    def count(self):
        return pathlib.Path(f"/proc/{self.pid}/root/count").stat().st_size

    def limit(self, controller, v1, v2):
        """What a file of its cgroup says, of whichever version it has for the controller."""
        return self.cgroup(controller, v1, v2).read_text().strip()

    def cgroup(self, controller, v1, v2):
        groups = pathlib.Path(f"/proc/{self.pid}/cgroup").read_text().split("\n")
        for line in groups[:-1]:
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                return pathlib.Path(f"/sys/fs/cgroup/{controller}{path}/{v1}")
        path = groups[-2].split(":", 2)[2]
        return pathlib.Path(f"/sys/fs/cgroup{path}/{v2}")

    def counts_on(self):
        before = self.count()
        daemon.wait_for(f"{self.name} to go on", lambda: self.count() > before, 5)

    def stands_still(self):
        before = self.count()
        time.sleep(0.15)
        return self.count() == before


@pytest.fixture
def begin(onggid):
    """begin(name, command=..., options=[...]): a workload in the background, removed after the test."""
    names = []

    def start(name, command=COUNTER, options=()):
        names.append(name)
        onggid.onggi("run", "-d", "--name", name, "--network", "none", *options, "busybox:test",
                     "sh", "-c", command)
        return Workload(onggid, name)
    yield start
    for name in names:
        onggid.onggi("rm", "-f", name, check=False)


def actions(onggid, workload):
    """Its events so far, by name."""
    now = time.time()
    result = onggid.onggi("events", "--since", "1h", "--until", f"{now + 0.1:.3f}", "--filter",
                          f"container={workload.name}", "--format", "{{.Action}}")
    return result.stdout.split()


# ---- pause ----

def test_a_paused_workload_stands_still_until_it_is_unpaused(client, begin, onggid):
    workload = begin("paused", f"touch /count; {COUNTER}")
    daemon.wait_for("its count", lambda: pathlib.Path(f"/proc/{workload.pid}/root/count").exists())
    client("pause", "paused")
    assert workload.stands_still()
    state = workload.inspect()["State"]
    assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    assert "(Paused)" in client("ps").stdout
    client("unpause", "paused")
    workload.counts_on()
    assert workload.status == "running"
    assert [one for one in actions(onggid, workload) if "pause" in one][-2:] == ["pause", "unpause"]


def test_what_cannot_be_done_is_a_conflict(begin):
    workload = begin("conflict")
    number = workload.inspect()["Id"]

    def refused(action, why):
        status, answer = workload.post(action)
        return status == 409 and answer["message"] == f"Container {number} {why}"
    assert refused("unpause", "is not paused")
    assert workload.post("pause") == (204, b"")
    assert refused("pause", "is already paused")
    for action, body in (("exec", {"Cmd": ["true"]}), ("start", None), ("attach?stream=1", None)):
        status, answer = workload.post(action, body)
        assert status == 409 and "unpause" in answer["message"], action
    assert workload.post("unpause") == (204, b"")
    workload.post("kill")
    assert refused("pause", "is not running")
    assert refused("unpause", "is not paused")
    assert workload.onggid.request("POST", "/containers/nobody/pause")[0] == 404


def test_an_exec_made_before_the_pause_is_not_run_in_it(begin, onggid):
    workload = begin("execless")
    number = workload.post("exec", {"Cmd": ["touch", "/ran"]})[1]["Id"]
    workload.post("pause")
    status, answer = onggid.request("POST", f"/exec/{number}/start", {"Detach": True})
    assert status == 409 and "is paused" in answer["message"]
    workload.post("unpause")
    assert onggid.request("POST", f"/exec/{number}/start", {"Detach": True})[0] == 200
    daemon.wait_for("the exec", pathlib.Path(f"/proc/{workload.pid}/root/ran").exists)


def test_stop_lets_a_paused_workload_end_by_itself(client, begin, onggid):
    workload = begin("stopped", "trap 'exit 7' TERM; while :; do sleep 0.05; done")
    time.sleep(0.2)  # the trap is set
    client("pause", "stopped")
    client("stop", "-t", "20", "stopped")
    assert workload.inspect()["State"]["ExitCode"] == 7
    assert "unpause" in actions(onggid, workload)


@pytest.mark.parametrize("words, status", [
    (["kill"], "exited"), (["kill", "-s", "TERM"], "exited"), (["restart", "-t", "1"], "running"),
    (["rm", "-f"], None),
])
def test_a_paused_workload_can_be_ended(client, begin, words, status):
    workload = begin("ended", f"trap 'exit 7' TERM; {COUNTER}")
    time.sleep(0.2)  # the trap is set
    client("pause", "ended")
    started = time.monotonic()
    client(*words, "ended")
    if status is None:
        assert workload.onggid.request("GET", "/containers/ended/json")[0] == 404
    else:
        daemon.wait_for(f"it to be {status}", lambda: workload.status == status)
    assert time.monotonic() - started < 5


def test_another_signal_waits_until_it_goes_on(client, begin):
    workload = begin("signalled", "trap 'touch /got' USR1; while :; do sleep 0.05; done")
    got = pathlib.Path(f"/proc/{workload.pid}/root/got")
    time.sleep(0.2)  # the trap is set
    client("pause", "signalled")
    client("kill", "-s", "USR1", "signalled")
    time.sleep(0.15)
    assert workload.status == "paused" and not got.exists()
    client("unpause", "signalled")
    daemon.wait_for("the signal", got.exists)


def test_a_restarted_daemon_finds_it_paused(start_onggid, busybox_tar):
    one = start_onggid()
    one.onggi("load", "-i", busybox_tar)
    for name in ("kept", "resumed"):
        one.onggi("run", "-d", "--name", name, "--network", "none", "busybox:test", "sh", "-c",
                  f"touch /count; {COUNTER}")
    time.sleep(0.2)
    one.onggi("pause", "kept", "resumed")
    one.kill()
    resumed = Workload(one, "resumed")
    number = next(path.name for path in (one.data_root / "workloads").iterdir()
                  if '"name":"resumed"' in (path / "workload.json").read_text())
    one.run(one.prefix / "bin/onggi-runtime", "--root", one.exec_root / "runtime", "resume", number)
    one.start()
    kept = Workload(one, "kept")
    assert kept.status == "paused" and kept.stands_still()
    assert one.onggi("unpause", "kept").stdout == "kept\n"
    kept.counts_on()
    assert resumed.status == "running"  # whatever the record said
    assert one.onggi("exec", "resumed", "echo", "here").stdout == "here\n"


@pytest.mark.vm
def test_a_vm_says_that_it_cannot_be_paused(onggid, begin):
    workload = begin("machine", "sleep 1000", ["--isolation", "vm"])
    status, answer = workload.post("pause")
    assert status == 501 and "VM cannot be paused" in answer["message"]
    assert workload.status == "running"
    assert onggid.onggi("exec", "machine", "echo", "here").stdout == "here\n"


# ---- update ----

def test_new_limits_are_the_kernels_at_once_and_with_the_next_start(client, begin):
    workload = begin("updated", options=["-m", "64m"])
    client("update", "-m", "96m", "--memory-swap", "128m", "--memory-reservation", "32m", "--cpus",
           "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0", "--pids-limit", "77", "updated")
    for _ in range(2):
        assert workload.limit("memory", "memory.limit_in_bytes", "memory.max") == str(96 << 20)
        assert workload.limit("pids", "pids.max", "pids.max") == "77"
        assert workload.limit("cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
        assert workload.limit("memory", "memory.soft_limit_in_bytes", "memory.low") == str(32 << 20)
        assert workload.limit("cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
        host = workload.inspect()["HostConfig"]
        assert [host[key] for key in ("Memory", "MemorySwap", "MemoryReservation", "NanoCpus",
                                      "CpuShares", "CpusetCpus", "PidsLimit")] == [
            96 << 20, 128 << 20, 32 << 20, 500_000_000, 512, "0", 77]
        client("restart", "-t", "0", "updated")
    client("update", "--pids-limit", "88", "updated")  # all else stays
    assert workload.limit("pids", "pids.max", "pids.max") == "88"
    assert workload.limit("memory", "memory.limit_in_bytes", "memory.max") == str(96 << 20)


def test_a_workload_that_does_not_run_starts_with_them(client, begin, onggid):
    workload = begin("later")
    client("kill", "later")
    daemon.wait_for("its end", lambda: workload.status == "exited")
    client("update", "--pids-limit", "99", "--restart", "on-failure:3", "later")
    client("start", "later")
    assert workload.limit("pids", "pids.max", "pids.max") == "99"
    assert workload.inspect()["HostConfig"]["RestartPolicy"] == {"Name": "on-failure",
                                                                 "MaximumRetryCount": 3}
    assert actions(onggid, workload).count("update") > 0


def test_a_restart_policy_counts_from_now_on(client, begin):
    workload = begin("again", "sleep 0.3; exit 1")
    client("update", "--restart", "on-failure:2", "again")
    daemon.wait_for("two restarts", lambda: workload.inspect()["RestartCount"] == 2, 10)
    daemon.wait_for("its end", lambda: workload.status == "exited", 10)


@pytest.mark.parametrize("body, status, says", [
    ({"Memory": 1 << 20}, 400, "Minimum memory limit"),
    ({"Memory": "64m"}, 400, "Memory"),
    ({"PidsLimit": -2}, 400, "PidsLimit"),
    ({"CpusetCpus": 0}, 400, "CpusetCpus"),
    ({"CpuQuota": 5000, "NanoCpus": 10 ** 9}, 400, "Conflicting options"),
    ({"Memory": 200 << 20}, 409, "update the memoryswap at the same time"),
    ({"Devices": [{"PathOnHost": "/dev/null"}]}, 501, "Devices"),
    ({"MemorySwappiness": 50}, 501, "MemorySwappiness"),
    ({"RestartPolicy": {"Name": "sometimes"}}, 400, "sometimes"),
    ({"CpusetCpus": "4000"}, 500, "cpuset"),
    ([], 400, "object"),
    (b'{"Memory":67108864,"Memory":0}', 400, "Memory"),
])
def test_what_is_wrong_changes_nothing(onggid, wrong, body, status, says):
    before = wrong.inspect()["HostConfig"]
    headers = {"Content-Type": "application/json"}
    got, answer = onggid.request("POST", "/containers/wrong/update", body, headers=headers)
    assert got == status and says in answer["message"], answer
    assert wrong.inspect()["HostConfig"] == before
    assert wrong.limit("memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)


@pytest.fixture(scope="module")
def wrong(onggid):
    """A workload that no update of a test changes."""
    onggid.onggi("run", "-d", "--name", "wrong", "--network", "none", "-m", "64m", "--memory-swap",
                 "96m", "busybox:test", "sleep", "1000")
    yield Workload(onggid, "wrong")
    onggid.onggi("rm", "-f", "wrong")


def test_updates_outlive_the_daemon(start_onggid, busybox_tar):
    one = start_onggid()
    one.onggi("load", "-i", busybox_tar)
    one.onggi("run", "-d", "--name", "kept", "--network", "none", "busybox:test", "sleep", "1000")
    one.onggi("update", "--pids-limit", "55", "kept")
    one.kill()
    one.start()
    kept = Workload(one, "kept")
    assert kept.inspect()["HostConfig"]["PidsLimit"] == 55
    one.onggi("restart", "-t", "0", "kept")
    assert kept.limit("pids", "pids.max", "pids.max") == "55"
