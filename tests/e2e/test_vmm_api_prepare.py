# SPDX-License-Identifier: Apache-2.0
"""Processes that wait with their machine's jail and KVM ready: onggi-vmm --prepare."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest
from vmmapi import Machine, descendants, end, load, snapshot


def machine_of(front, kept=False):
    """The machine that waits, its keeper before it: they are there before anything was asked for."""
    def look():
        found = descendants(front.process.pid)
        return found if len(found) == 1 + kept and kvm_of(found[-1]) else None

    for _ in range(1000):
        with contextlib.suppress(OSError):
            if found := look():
                return found
        time.sleep(0.01)
    raise AssertionError("no machine waits")


def see_end(pids):
    """What has ended and was not waited for has no root any more."""
    for _ in range(1000):
        if not any(pathlib.Path(f"/proc/{pid}/root").exists() for pid in pids):
            return
        time.sleep(0.01)
    raise AssertionError(f"some of {pids} are still there")


def kvm_of(pid):
    """What it has of KVM."""
    found = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    return [name for name in found if "kvm-v" in name]


def test_a_machine_waits_in_its_jail_and_is_the_one_that_is_asked_for(launch, tmp_path):
    front = launch("--prepare")
    machine, = machine_of(front)
    for space in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
        assert os.readlink(f"/proc/{machine}/ns/{space}") != os.readlink(f"/proc/self/ns/{space}"), space
    status = dict(line.split(":\t", 1) for line in
                  pathlib.Path(f"/proc/{machine}/status").read_text().splitlines())
    assert status["NoNewPrivs"] == "1" and int(status["CapPrm"] + status["CapBnd"], 16) == 0
    assert not os.listdir(f"/proc/{machine}/root")
    assert front.get("/")["state"] == "Not started"

    (tmp_path / "disk").write_bytes(bytes(8192))
    front.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True,
              path_on_host=str(tmp_path / "disk"))
    front.start("count")
    assert front.process.stdout.read(3) == b"..."
    assert machine_of(front) == [machine]


def test_what_the_machine_sees_of_its_front_is_a_copy(launch):
    keeper, machine = machine_of(launch("--prepare", "--forkable"), kept=True)
    seen = [line.split()[1] for line in pathlib.Path(f"/proc/{machine}/maps").read_text().splitlines()
            if "memfd:machine" in line]
    assert seen == ["rw-p"]
    assert "memfd:machine" not in pathlib.Path(f"/proc/{keeper}/maps").read_text()


def test_a_machine_that_waited_is_forked(launch, tmp_path):
    machine = launch("--prepare", "--forkable")
    machine.start("count")
    assert machine.process.stdout.read(3) == b"..."
    machine.put("/fork", id="clone", api_sock=str(tmp_path / "clone.sock"), resume_vm=True)
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "clone.sock"
    clone.patch("/vm", state="Paused")
    machine.patch("/vm", state="Paused")
    assert machine.get("/")["state"] == clone.get("/")["state"] == "Paused"
    end(clone.sock)


def test_a_machine_that_waited_begins_from_a_snapshot(launch, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(8192))
    first = launch("--prepare")
    first.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True,
              path_on_host=str(tmp_path / "disk"))
    first.put("/entropy")
    first.start("count", track_dirty_pages=True)
    assert first.process.stdout.read(3) == b"..."
    snapshot(first, tmp_path)
    second = launch("--prepare")
    machine, = machine_of(second)
    state = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(state[:-1] + bytes([state[-1] ^ 1]))
    body = {"snapshot_path": str(tmp_path / "state"),
            "mem_backend": {"backend_type": "File", "backend_path": str(tmp_path / "memory")}}
    assert "snapshot" in second.refused("PUT", "/snapshot/load", body)
    (tmp_path / "state").write_bytes(state)
    load(second, tmp_path, resume_vm=True)
    assert second.process.stdout.read(3) == b"..."
    assert machine_of(second) == [machine]


def test_what_fails_at_the_start_leaves_nothing_and_may_be_tried_again(launch, tmp_path):
    front = launch("--prepare")
    waiting = machine_of(front)
    (tmp_path / "none").write_bytes(bytes(100_000))
    front.put("/boot-source", kernel_image_path=str(tmp_path / "none"))
    assert "none" in front.refused("PUT", "/actions", {"action_type": "InstanceStart"})
    see_end(waiting)
    front.start("count")
    assert front.process.stdout.read(3) == b"..."


@pytest.mark.parametrize("options", [[], ["--forkable"]])
def test_a_machine_that_waits_ends_with_its_front(launch, options):
    front = launch("--prepare", *options)
    waiting = machine_of(front, kept=bool(options))
    front.process.send_signal(signal.SIGKILL)
    see_end(waiting)


@pytest.mark.parametrize("options", [[], ["--forkable"]])
def test_a_front_ends_with_the_machine_that_waits(launch, options):
    front = launch("--prepare", *options)
    os.kill(machine_of(front, kept=bool(options))[0], signal.SIGKILL)
    status, _, said = front.ends()
    assert status == 1 and "the machine's process ended" in said


def test_a_configuration_file_is_not_waited_for(vmm, tmp_path):
    result = subprocess.run([vmm, "--prepare", "--config-file", tmp_path / "none"], capture_output=True,
                            text=True, timeout=60, check=False)
    assert result.returncode == 1 and "--prepare" in result.stderr
