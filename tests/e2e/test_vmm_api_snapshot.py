# SPDX-License-Identifier: Apache-2.0
"""Snapshots and clones of a machine, by the API, with the test guest behind it."""

import json
import pathlib
import re
import time

import pytest

import vmmapi
from vmmapi import Machine, end, load, snapshot

MIB = 1 << 20


def test_a_machine_begins_from_a_snapshot_with_its_devices(launch, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(8192))
    first = launch("--id", "first")
    first.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True,
              path_on_host=str(tmp_path / "disk"))
    first.put("/entropy")
    first.start("count")
    assert first.process.stdout.read(3) == b"..."
    assert "must be paused" in first.refused(
        "PUT", "/snapshot/create", {"snapshot_path": "s", "mem_file_path": "m"})
    snapshot(first, tmp_path)
    assert (tmp_path / "memory").stat().st_size == 64 * MIB
    first.patch("/vm", state="Resumed")
    assert first.process.stdout.read(3) == b"..."
    first.process.kill()

    second = launch("--id", "second")
    load(second, tmp_path)
    assert second.get("/")["state"] == "Paused"
    shown = second.get("/vm/config")
    assert [drive["drive_id"] for drive in shown["drives"]] == ["d"] and shown["entropy"]
    assert shown["machine-config"]["mem_size_mib"] == 64
    second.patch("/vm", state="Resumed")
    assert second.process.stdout.read(3) == b"..."

    third = launch()
    load(third, tmp_path, resume_vm=True)
    assert third.process.stdout.read(3) == b"..."


def test_changes_alone_are_kept_where_they_are_tracked(launch, tmp_path):
    machine = launch()
    machine.start("count", track_dirty_pages=True)
    assert machine.process.stdout.read(1) == b"."
    snapshot(machine, tmp_path)
    machine.patch("/vm", state="Resumed")
    assert machine.process.stdout.read(3) == b"..."
    (tmp_path / "diff").mkdir()
    snapshot(machine, tmp_path / "diff", "Diff")
    used = (tmp_path / "diff/memory").stat().st_blocks * 512
    assert 0 < used < MIB


def test_a_snapshot_that_no_file_may_be_as_large_as_costs_no_machine(vmm, guest_kernel, tmp_path):
    words = [vmm, "--api-sock", tmp_path / "api.sock"]
    with vmmapi.launched(tmp_path, ["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", *words]) as machine:
        machine.start("pages")
        assert machine.process.stdout.read(3) == b"..."
        machine.patch("/vm", state="Paused")
        _, answer, _ = machine.ask("PUT", "/snapshot/create", {"snapshot_path": str(tmp_path / "state"),
                                                               "mem_file_path": str(tmp_path / "memory")})
        assert "File too large" in answer["fault_message"]
        machine.patch("/vm", state="Resumed")
        assert b"broken" not in machine.process.stdout.read(20)


@pytest.mark.parametrize("change, says", [
    (lambda data: b"", "snapshot"),
    (lambda data: data[:1000], "snapshot"),
    (lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:], "snapshot"),
    (lambda data: b"x" * 10_000, "snapshot"),
])
def test_a_snapshot_that_is_none_is_refused_and_another_may_be_tried(launch, tmp_path, change,
                                                                    says):
    first = launch()
    first.start("count")
    snapshot(first, tmp_path)
    second = launch()
    good = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(change(good))
    body = {"snapshot_path": str(tmp_path / "state"),
            "mem_backend": {"backend_type": "File", "backend_path": str(tmp_path / "memory")}}
    text = second.refused("PUT", "/snapshot/load", body)
    assert text.startswith("Load snapshot error: Failed to restore from snapshot") and says in text
    text = second.refused("PUT", "/snapshot/load", body | {
        "mem_backend": {"backend_type": "File", "backend_path": "/nonexistent"}})
    (tmp_path / "state").write_bytes(good)
    load(second, tmp_path, resume_vm=True)
    assert second.process.stdout.read(3) == b"..."


def test_a_clone_runs_with_an_api_of_its_own(launch, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(8192))
    machine = launch("--forkable")
    machine.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True,
                path_on_host=str(tmp_path / "disk"))
    machine.start("count")
    assert machine.process.stdout.read(3) == b"..."
    machine.put("/fork", id="clone", api_sock=str(tmp_path / "clone.sock"), resume_vm=False)
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "clone.sock"
    assert (clone.get("/")["id"], clone.get("/")["state"]) == ("clone", "Paused")
    assert clone.get("/vm/config")["drives"][0]["drive_id"] == "d"
    assert machine.get("/")["state"] == "Running"
    text = machine.refused("PUT", "/fork", {"id": "x", "api_sock": str(clone.sock)})
    assert "in use" in text
    machine.process.terminate()
    assert machine.process.wait(60) == 1
    clone.patch("/vm", state="Resumed")
    assert clone.get("/")["state"] == "Running"
    end(clone.sock)


def filters(pid):
    """Of seccomp."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^Seccomp_filters:\s*(\d+)$", status, re.MULTILINE)[1])


def test_what_is_asked_of_a_front_that_has_few_system_calls_left_is_done(launch, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(bytes(8192))
    machine = launch("--forkable", "--metrics-path", tmp_path / "metrics")
    machine.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True,
                path_on_host=str(tmp_path / "one"))
    machine.put("/vsock", guest_cid=3, uds_path=str(tmp_path / "v"))
    machine.start("spin")
    end_of_patience = time.monotonic() + 60
    while filters(machine.process.pid) < filters("self") + 2:
        assert time.monotonic() < end_of_patience
    machine.patch("/drives/d", drive_id="d", path_on_host=str(tmp_path / "two"))
    machine.put("/mmds", a="b" * 50_000)
    machine.patch("/mmds", a="c" * 50_000)
    machine.put("/actions", action_type="FlushMetrics")
    snapshot(machine, tmp_path)
    machine.put("/fork", id="clone", api_sock=str(tmp_path / "clone.sock"), metrics_path=str(tmp_path / "second"),
                vsock_override={"uds_path": str(tmp_path / "w")})
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "clone.sock"
    clone.put("/actions", action_type="FlushMetrics")
    clone.patch("/drives/d", drive_id="d", path_on_host=str(tmp_path / "one"))
    clone.put("/fork", id="third", api_sock=str(tmp_path / "third.sock"))
    end(tmp_path / "third.sock")
    end(clone.sock)
    machine.process.terminate()
    assert machine.process.wait(60) == 1 and not machine.sock.exists()


def flush(machine, path):
    """The line of metrics that it writes now."""
    machine.put("/actions", action_type="FlushMetrics")
    return json.loads(path.read_text().splitlines()[-1])


def wait_for_exits(machine, path):
    """Its first line with exits of the processor."""
    end_of_patience = time.monotonic() + 60
    while (line := flush(machine, path))["vcpu"]["exit_io_out"] == 0:
        assert time.monotonic() < end_of_patience
    return line


def test_a_clone_counts_by_itself(launch, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    machine = launch("--forkable", "--metrics-path", first)
    machine.put("/serial", serial_out_path="/dev/null")
    machine.start("count")
    wait_for_exits(machine, first)
    machine.patch("/vm", state="Paused")
    flush(machine, first)
    machine.put("/fork", id="clone", api_sock=str(tmp_path / "clone.sock"), metrics_path=str(second))
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "clone.sock"
    found = flush(clone, second)
    assert found["put_api_requests"]["actions_count"] == 1  # the first one's start is not among them
    wait_for_exits(clone, second)
    assert flush(machine, first)["vcpu"]["exit_io_out"] == 0  # what the clone does is not this one's
    end(clone.sock)


def test_a_clone_has_a_tap_metadata_and_a_socket_of_its_own(require, vmm, tmp_path):
    require.root()
    require.tool("ip")
    taps = "".join(f"ip tuntap add {tap} mode tap vnet_hdr && ip link set {tap} up && " for tap in ("tap7", "tap8"))
    words = [vmm, "--api-sock", tmp_path / "api.sock", "--forkable"]
    with vmmapi.launched(tmp_path, ["unshare", "--net", "sh", "-c", f'{taps} exec "$@"', "sh", *words]) as machine:
        machine.put("/network-interfaces/e", iface_id="e", host_dev_name="tap7")
        machine.put("/mmds/config", network_interfaces=["e"])
        machine.put("/vsock", guest_cid=3, uds_path=str(tmp_path / "v"))
        machine.start("spin")
        body = {"id": "clone", "api_sock": str(tmp_path / "clone.sock")}
        assert "a tap of its own for 'e'" in machine.refused("PUT", "/fork", body)
        machine.put("/fork", **body, vsock_override={"uds_path": str(tmp_path / "w")},
                    network_overrides=[{"iface_id": "e", "host_dev_name": "tap8"}])
        clone = Machine(None, tmp_path)
        clone.sock = tmp_path / "clone.sock"
        clone.put("/mmds", name="clone")
        assert machine.get("/mmds") == {}
        assert (tmp_path / "w").is_socket()
        end(clone.sock)
        assert machine.get("/")["state"] == "Running"


def test_a_clone_keeps_its_memory_where_the_first_is_saved_under_that_name(launch, tmp_path):
    first = launch()
    first.start("pages")
    assert first.process.stdout.read(3) == b"..."
    snapshot(first, tmp_path)
    first.process.kill()
    second = launch("--forkable")
    load(second, tmp_path)
    second.put("/fork", id="clone", api_sock=str(tmp_path / "clone.sock"), resume_vm=False)
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "clone.sock"
    second.patch("/vm", state="Resumed")
    assert b"broken" not in second.process.stdout.read(20)
    snapshot(second, tmp_path)
    clone.patch("/vm", state="Resumed")
    assert b"broken" not in second.process.stdout.read(60)  # it writes to the same place
    end(clone.sock)


def test_a_clones_metrics_that_cannot_be_written_are_named(launch, tmp_path):
    machine = launch("--forkable")
    machine.start("count")
    text = machine.refused("PUT", "/fork", {"id": "x", "api_sock": str(tmp_path / "x"),
                                            "metrics_path": "/nonexistent/metrics"})
    assert "/nonexistent/metrics" in text and not (tmp_path / "x").exists()


def test_a_machine_is_forked_only_where_that_was_asked_for(machine, tmp_path):
    machine.start("spin")
    text = machine.refused("PUT", "/fork", {"id": "x", "api_sock": str(tmp_path / "x")})
    assert "--forkable" in text


def test_a_drive_that_is_written_is_not_shared_with_a_clone(launch, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(bytes(8192))
    machine = launch("--forkable")
    machine.put("/drives/d", drive_id="d", is_root_device=False, path_on_host=str(tmp_path / "one"))
    machine.start("spin")
    body = {"id": "x", "api_sock": str(tmp_path / "x.sock")}
    assert "a disk of its own for 'd'" in machine.refused("PUT", "/fork", body)
    assert not (tmp_path / "x.sock").exists()
    machine.put("/fork", **body, drive_overrides=[{"drive_id": "d",
                                                   "path_on_host": str(tmp_path / "two")}])
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "x.sock"
    assert clone.get("/")["state"] == "Running"
    end(clone.sock)
