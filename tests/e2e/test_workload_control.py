# SPDX-License-Identifier: Apache-2.0
"""Pause, update and stats of workloads: what the daemon says, and what the kernel says of it.

`client` is our own command line, then Docker's: the same words do the same.
"""

import contextlib
import itertools
import json
import os
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


# ---- stats ----

BUSY = "touch /count; while :; do :; done"


def stats(onggid, name, query="stream=0&one-shot=1"):
    status, answer = onggid.request("GET", f"/containers/{name}/stats?{query}")
    assert status == 200, answer
    return answer


def test_stats_are_what_the_kernel_counts(begin, onggid):
    workload = begin("counted", BUSY, ["-m", "64m", "--pids-limit", "33"])
    daemon.wait_for("some time", lambda: stats(onggid, "counted")["cpu_stats"]["cpu_usage"]["total_usage"]
                    > 50_000_000)
    one = stats(onggid, "counted")
    cgroup = workload.cgroup("memory", "memory.usage_in_bytes", "memory.current")
    assert abs(one["memory_stats"]["usage"] - int(cgroup.read_text())) < 4 << 20
    assert 0 < one["memory_stats"]["usage"] <= one["memory_stats"]["limit"] == 64 << 20
    assert "inactive_file" in one["memory_stats"]["stats"]
    assert one["pids_stats"] == {"current": 1, "limit": 33}
    assert one["cpu_stats"]["online_cpus"] == os.cpu_count()
    assert one["name"] == "/counted" and one["id"] == workload.inspect()["Id"]
    assert isinstance(one["blkio_stats"]["io_service_bytes_recursive"], list)
    assert one["preread"].startswith("0001-") and "system_cpu_usage" not in one["precpu_stats"]
    assert "networks" not in one
    daemon.wait_for("more time", lambda: stats(onggid, "counted")["cpu_stats"]["cpu_usage"]["total_usage"]
                    > one["cpu_stats"]["cpu_usage"]["total_usage"])


def test_one_answer_has_what_was_a_second_before(begin, onggid):
    begin("second", BUSY)
    start = time.monotonic()
    one = stats(onggid, "second", "stream=false")
    assert 0.9 < time.monotonic() - start < 5
    before, now = one["precpu_stats"], one["cpu_stats"]
    assert one["preread"] < one["read"] and not one["preread"].startswith("0001-")
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now["system_cpu_usage"] - before["system_cpu_usage"]
    assert 0 < used < 1.2 * passed
    host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
    assert one["memory_stats"]["limit"] == host  # no limit is that of the host
    # Ticks of all processors together, in nanoseconds: a second of each.
    assert 0.5e9 * os.cpu_count() < passed < 5e9 * os.cpu_count()


def test_the_interfaces_of_its_namespace_are_counted(begin, onggid, require):
    workload = begin("networked", "sleep 1000")
    inside = [require.tool("nsenter"), "-t", str(workload.pid), "-n", require.tool("ip")]
    onggid.run(*inside, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    for name in ("eth0", "eth1"):
        onggid.run(*inside, "link", "set", name, "up")
    found = daemon.wait_for("packets", lambda: (
        networks := stats(onggid, "networked")["networks"])["eth0"]["tx_bytes"] and networks)
    assert set(found) == {"eth0", "eth1"}
    assert set(found["eth0"]) == {f"{way}_{what}" for way in ("rx", "tx")
                                  for what in ("bytes", "packets", "errors", "dropped")}
    assert found["eth0"]["tx_bytes"] > found["eth0"]["tx_packets"] > 0


def test_one_that_does_not_run_has_a_name_and_zeros(begin, onggid):
    workload = begin("ended", "true")
    daemon.wait_for("its end", lambda: workload.status == "exited")
    for query in ("stream=0", "stream=0&one-shot=1"):
        one = stats(onggid, "ended", query)
        assert one["name"] == "/ended" and one["cpu_stats"]["cpu_usage"]["total_usage"] == 0
        assert one["read"].startswith("0001-") and one["memory_stats"] == {}
    assert onggid.request("GET", "/containers/nobody/stats")[0] == 404


def sockets(onggid):
    """How many the daemon has open, once those of clients that have ended are closed."""
    def count():
        folder, found = f"/proc/{onggid.process.pid}/fd", 0
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found += os.readlink(f"{folder}/{name}").startswith("socket:")
        return found
    last, now = -1, count()
    while last != now:
        time.sleep(0.05)
        last, now = now, count()
    return now


@contextlib.contextmanager
def streamed(onggid, name):
    connection = daemon.UnixConnection(onggid.socket, 10)
    connection.request("GET", f"/containers/{name}/stats")
    answer = connection.getresponse()
    assert answer.status == 200
    yield answer
    answer.close()
    connection.close()


def test_a_stream_is_one_document_a_second_until_the_client_leaves(begin, onggid):
    begin("streamed", BUSY)
    before = sockets(onggid)
    with streamed(onggid, "streamed") as answer:
        first = json.loads(answer.readline())
        start = time.monotonic()
        second, third = (json.loads(answer.readline()) for _ in range(2))
        assert 1.5 < time.monotonic() - start < 4
        assert sockets(onggid) > before
    left = time.monotonic()
    daemon.wait_for("the daemon to see that", lambda: sockets(onggid) <= before)
    assert time.monotonic() - left < 0.5  # and not with the next document
    assert (second["preread"], third["preread"]) == (first["read"], second["read"])
    assert third["precpu_stats"] == second["cpu_stats"]


def test_a_stream_ends_with_the_workloads_removal(begin, onggid):
    begin("removed", "sleep 1000")
    with streamed(onggid, "removed") as answer:
        answer.readline()
        onggid.onggi("rm", "-f", "removed")
        rest = list(itertools.takewhile(bool, (answer.readline() for _ in range(4))))
    assert len(rest) < 4  # its end came
    assert all(json.loads(line)["name"] == "/removed" for line in rest)


def test_the_table_is_dockers(client, begin):
    begin("tabled", BUSY, ["-m", "64m"])
    begin("tabled-too", "sleep 1000")
    title, row = client("stats", "--no-stream", "tabled").stdout.splitlines()
    assert title.split() == ["CONTAINER", "ID", "NAME", "CPU", "%", "MEM", "USAGE", "/", "LIMIT", "MEM",
                             "%", "NET", "I/O", "BLOCK", "I/O", "PIDS"]
    words = row.split()
    assert words[1] == "tabled" and words[5] == "64MiB" and words[-1] == "1"
    assert 1 < float(words[2].rstrip("%")) < 200
    assert words[7:10] == ["0B", "/", "0B"]
    every = client("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}").stdout
    assert {"tabled 1", "tabled-too 1"} <= set(every.splitlines())
    assert "nobody" in client("stats", "--no-stream", "nobody", check=False).stderr


def test_the_table_goes_on_until_nobody_reads_it(begin, onggid):
    begin("shown", BUSY)
    result = onggid.run("sh", "-c", f"'{onggid.prefix}/bin/onggi' -H '{onggid.host}' stats shown | head -3",
                        timeout=20)
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["ID", "shown", "ID"]


@pytest.mark.vm
def test_a_vm_counts_what_its_hypervisor_uses(begin, onggid):
    begin("machine-stats", "sleep 1000", ["--isolation", "vm"])
    one = stats(onggid, "machine-stats")
    assert one["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert one["memory_stats"]["usage"] > 8 << 20 and one["pids_stats"]["current"] > 1
    assert "networks" not in one
