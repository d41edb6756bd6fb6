# SPDX-License-Identifier: Apache-2.0
"""Clients of onggi-vmm's API that mean harm, or know no better, with the test guest behind it."""

import contextlib
import os
import pathlib
import re
import select
import socket

import pytest

from vmmapi import Machine, descendants, end, snapshot


@contextlib.contextmanager
def stream_to(machine):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(60)
        stream.connect(str(machine.sock))
        yield stream


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1])


def test_a_clone_that_is_not_made_leaves_no_socket(launch, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(bytes(8192))
    machine = launch("--forkable")
    machine.put("/drives/d", drive_id="d", is_root_device=False, path_on_host=str(tmp_path / "one"))
    machine.put("/vsock", guest_cid=3, uds_path=str(tmp_path / "v"))
    machine.start("spin")
    body = {"id": "x", "api_sock": str(tmp_path / "x.sock"), "vsock_override": {"uds_path": str(tmp_path / "w")}}
    assert "a disk of its own" in machine.refused("PUT", "/fork", body)
    assert not (tmp_path / "w").exists()
    override = {"drive_overrides": [{"drive_id": "d", "path_on_host": str(tmp_path / "two")}]}
    text = machine.refused("PUT", "/fork", body | override | {"api_sock": "/nonexistent/x"})
    assert "/nonexistent/x" in text and not (tmp_path / "w").exists()
    machine.put("/fork", **body, **override)
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "x.sock"
    assert clone.get("/")["state"] == "Running"
    end(clone.sock)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("words", [[], ["--no-jail"]])
def test_a_machine_outlives_a_clone_that_is_not_made(launch, tmp_path, words):
    machine = launch("--forkable", *words)
    machine.put("/vsock", guest_cid=3, uds_path=str(tmp_path / "v"))
    machine.start("count")
    assert machine.process.stdout.read(3) == b"..."
    text = machine.refused("PUT", "/fork", {"id": "x", "api_sock": str(tmp_path / "x"),
                                            "metrics_path": "/nonexistent/metrics"})
    assert "/nonexistent/metrics" in text and not (tmp_path / "x").exists()
    assert (tmp_path / "v").is_socket()
    assert machine.process.stdout.read(3) == b"..."
    machine.patch("/vm", state="Paused")


def test_nothing_runs_on_without_its_front(machine):
    machine.start("spin")
    assert machine.line() == "spinning\n"
    others = [os.pidfd_open(pid) for pid in descendants(machine.process.pid)]
    assert others
    machine.process.kill()
    for other in others:
        assert select.select([other], [], [], 60)[0]
        os.close(other)
