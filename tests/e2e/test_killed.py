# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of any program of ours at any moment: the next start cleans up, nothing is half there."""

import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import pytest

from daemon import wait_for
from images import docker_archive, entry, tar

SEED = int(os.environ.get("ONGGI_SEED", "20261123"))


def processes_of(onggid, program):
    """Pids of `program` that work for this daemon: its folder is in their command line."""
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = folder.joinpath("cmdline").read_bytes().split(b"\0")
            exe = os.readlink(folder / "exe")
        except OSError:
            continue
        if os.path.basename(exe) == program and any(
                str(onggid.folder).encode() in word for word in words):
            found.append(int(folder.name))
    return found


class Hunter(threading.Thread):
    """Kills `program` the moment it is seen, `delay` seconds later, up to `rounds` times."""

    def __init__(self, onggid, program, rng, rounds):
        super().__init__(daemon=True)
        self.onggid, self.program, self.rng, self.rounds = onggid, program, rng, rounds
        self.killed = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set() and self.killed < self.rounds:
            for pid in processes_of(self.onggid, self.program):
                time.sleep(self.rng.choice([0, 0, 0.001, 0.003, 0.01, 0.05]))
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1
                except ProcessLookupError:
                    pass

    def stop(self):
        self.over.set()
        self.join()


def all_settled(onggid):
    """No workload is between two states; every one that says it runs has a process."""
    status, workloads = onggid.request("GET", "/containers/json?all=1")
    assert status == 200
    for workload in workloads:
        if workload["State"] == "running":
            _, about = onggid.request("GET", f"/containers/{workload['Id']}/json")
            if about["State"]["Running"] and not os.path.exists(f"/proc/{about['State']['Pid']}"):
                return False
    return True


def nothing_remains(onggid):
    """After removing all workloads: no process, no folder of one, no mount, no cgroup."""
    for workload in onggid.request("GET", "/containers/json?all=1")[1]:
        status, answer = onggid.request("DELETE", f"/containers/{workload['Id']}?force=1&v=1")
        assert status in (204, 404), answer
    wait_for("the monitors to end", lambda: not processes_of(onggid, "onggi-monitor"))
    wait_for("the runtimes to end", lambda: not processes_of(onggid, "onggi-runtime"))
    for folder in (onggid.data_root / "workloads", onggid.exec_root / "workloads",
                   onggid.exec_root / "runtime"):
        assert not folder.exists() or os.listdir(folder) == [], folder
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    assert str(onggid.folder) not in mounts


def still_works(onggid, isolation="container"):
    result = onggid.onggi("run", "--rm", "--isolation", isolation, "busybox:test", "echo", "works")
    assert result.stdout == "works\n"


@pytest.mark.parametrize("program", ["onggi-runtime", "onggi-monitor"])
def test_a_killed_helper_leaves_nothing(onggid, program):
    rng = random.Random(SEED)
    hunter = Hunter(onggid, program, rng, rounds=40)
    hunter.start()
    tries = 0
    while hunter.killed < hunter.rounds and tries < 1000:  # a program of two milliseconds is not often seen
        tries += 1
        onggid.onggi("run", "--rm", "busybox:test", "echo", "hi", check=False, timeout=60)
    hunter.stop()
    assert hunter.killed >= 20, "the test hardly ever hit"
    wait_for("the workloads to settle", lambda: all_settled(onggid))
    nothing_remains(onggid)
    still_works(onggid)


def test_a_killed_daemon_leaves_nothing(onggid):
    rng = random.Random(SEED)
    for _ in range(15):
        words = rng.choice([["run", "--rm"], ["run", "-d"], ["create"]])
        client = subprocess.Popen([onggid.prefix / "bin/onggi", "-H", onggid.host, *words,
                                   "busybox:test", "sleep", rng.choice(["0", "0.02", "100"])],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 0.06))
        onggid.kill()
        client.kill()
        client.wait()
        onggid.start()
        wait_for("the workloads to settle", lambda: all_settled(onggid))
    nothing_remains(onggid)
    still_works(onggid)


def test_a_workload_outlives_its_daemon_and_is_found_again(onggid):
    onggid.onggi("run", "-d", "--name", "survivor", "busybox:test", "sh", "-c",
                 "trap 'echo bye; exit 7' TERM; while true; do sleep 0.1; done")
    pid = onggid.request("GET", "/containers/survivor/json")[1]["State"]["Pid"]
    onggid.kill()
    assert os.path.exists(f"/proc/{pid}")
    onggid.start()
    state = onggid.request("GET", "/containers/survivor/json")[1]["State"]
    assert state["Running"] and state["Pid"] == pid
    onggid.onggi("stop", "survivor")
    assert onggid.request("GET", "/containers/survivor/json")[1]["State"]["ExitCode"] == 7
    assert onggid.onggi("logs", "survivor").stdout == "bye\n"
    onggid.onggi("rm", "survivor")


def test_what_ends_while_the_daemon_is_away_keeps_its_status(onggid):
    onggid.onggi("run", "-d", "--name", "quick", "busybox:test", "sh", "-c", "sleep 1; echo out; exit 9")
    pid = onggid.request("GET", "/containers/quick/json")[1]["State"]["Pid"]
    onggid.kill()
    wait_for("the workload to end", lambda: not os.path.exists(f"/proc/{pid}"))
    onggid.start()
    state = wait_for("the exit to be known", lambda: (
        lambda s: s if s["Status"] == "exited" else None)(
            onggid.request("GET", "/containers/quick/json")[1]["State"]))
    assert state["ExitCode"] == 9
    assert onggid.onggi("logs", "quick").stdout == "out\n"
    onggid.onggi("rm", "quick")


def test_a_daemon_killed_while_it_loads_keeps_no_half_image(onggid, tmp_path):
    rng = random.Random(SEED)
    layers = [tar([entry(f"file-{i}", rng.randbytes(3 << 20))]) for i in range(4)]
    docker_archive(tmp_path / "big.tar", layers, tag="big:latest")

    def load():
        return subprocess.Popen([onggid.prefix / "bin/onggi", "-H", onggid.host, "load", "-i",
                                 tmp_path / "big.tar"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    start = time.monotonic()
    assert load().wait() == 0
    whole = time.monotonic() - start
    onggid.onggi("rmi", "big:latest")
    before = sorted(p for p in (onggid.data_root / "layers").iterdir())
    for _ in range(12):
        client = load()
        time.sleep(rng.uniform(0, whole))
        onggid.kill()
        client.kill()
        client.wait()
        onggid.start()
        if onggid.onggi("images", "-q", "big:latest").stdout:
            # it is there, so it is whole: every byte can be read back
            saved = onggid.onggi("save", "-o", tmp_path / "again.tar", "big:latest")
            assert saved.returncode == 0
            onggid.onggi("rmi", "big:latest")
        assert sorted((onggid.data_root / "layers").iterdir()) == before
    assert load().wait() == 0
    onggid.onggi("rmi", "big:latest")


@pytest.mark.vm
@pytest.mark.parametrize("program", ["onggi-runtime", "onggi-monitor", "hypervisor"])
def test_a_killed_part_of_a_vm_leaves_nothing(onggid, program):
    onggid.onggi("run", "-d", "--name", "machine", "--isolation", "vm", "busybox:test", "sleep", "1000")
    if program == "hypervisor":
        victims = processes_of(onggid, "qemu-system-x86_64") + processes_of(onggid, "onggi-vmm")
        if not victims:
            supervisor = onggid.request("GET", "/containers/machine/json")[1]["State"]["Pid"]
            children = pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
            victims = [int(pid) for pid in children.split()]
    else:
        victims = processes_of(onggid, program)
    assert victims, f"no {program} serves the VM"
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait_for("the end to be seen", lambda: not onggid.request(
        "GET", "/containers/machine/json")[1]["State"]["Running"])
    nothing_remains(onggid)
