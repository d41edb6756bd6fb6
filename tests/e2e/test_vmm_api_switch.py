# SPDX-License-Identifier: Apache-2.0
"""What those who come from Firecracker rely on, by the API, with the test guest behind it."""

import os
import socket

import pytest

from vmmapi import last_metrics, load, snapshot

MIB = 1 << 20


def goes_on(machine):
    """The guest writes a dot every 50 ms of its own."""
    return machine.process.stdout.read(3) == b"..."


@pytest.mark.parametrize("kind", ["Full", "Diff"])
def test_a_snapshot_may_be_written_over_the_file_that_it_began_from(launch, tmp_path, kind):
    first = launch()
    first.start("count")
    assert goes_on(first)
    snapshot(first, tmp_path)
    first.process.kill()
    second = launch()
    load(second, tmp_path, track_dirty_pages=True, resume_vm=True)
    assert goes_on(second)
    snapshot(second, tmp_path, kind)
    assert (tmp_path / "memory").stat().st_size == 64 * MIB
    second.patch("/vm", state="Resumed")
    assert goes_on(second)
    third = launch()
    load(third, tmp_path, resume_vm=True)
    assert goes_on(third)


def test_changes_are_laid_over_a_memory_file_that_is_there(launch, tmp_path):
    machine = launch()
    machine.start("count", track_dirty_pages=True)
    assert goes_on(machine)
    snapshot(machine, tmp_path)
    used = (tmp_path / "memory").stat().st_blocks
    machine.patch("/vm", state="Resumed")
    assert goes_on(machine)
    snapshot(machine, tmp_path, "Diff")
    assert (tmp_path / "memory").stat().st_blocks >= used
    machine.process.kill()
    second = launch()
    load(second, tmp_path, resume_vm=True)
    assert goes_on(second)


def test_nothing_is_left_of_another_memory_file(launch, tmp_path):
    machine = launch()
    machine.start("count")
    assert goes_on(machine)
    (tmp_path / "memory").write_bytes(b"\xff" * 64 * MIB)
    snapshot(machine, tmp_path)
    with (tmp_path / "memory").open("rb") as file:
        file.seek(32 * MIB)
        assert file.read(MIB) == bytes(MIB)


def test_limits_that_were_changed_are_shown_and_kept(launch, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(8192))
    bucket = {"size": 1000, "one_time_burst": None, "refill_time": 100}
    given = {key: bucket[key] for key in ("size", "refill_time")}
    machine = launch()
    machine.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True, path_on_host=str(tmp_path / "disk"),
                rate_limiter={"ops": {"size": 5, "refill_time": 100}})
    machine.put("/pmem/p", id="p", path_on_host=str(tmp_path / "disk"), read_only=True)
    machine.start("count")
    assert goes_on(machine)
    machine.patch("/drives/d", drive_id="d", rate_limiter={"bandwidth": given})
    machine.patch("/pmem/p", id="p", rate_limiter={"ops": given})

    def shown(of):
        config = of.get("/vm/config")
        return config["drives"][0]["rate_limiter"], config["pmem"][0]["rate_limiter"]

    expected = ({"bandwidth": bucket, "ops": {"size": 5, "one_time_burst": None, "refill_time": 100}},
                {"bandwidth": None, "ops": bucket})
    assert shown(machine) == expected
    snapshot(machine, tmp_path)
    second = launch()
    load(second, tmp_path)
    assert shown(second) == expected


def test_memory_is_plugged_in_blocks(machine):
    machine.put("/hotplug/memory", total_size_mib=256)
    machine.start("spin")
    machine.patch("/hotplug/memory", requested_size_mib=66)
    assert machine.get("/hotplug/memory")["requested_size_mib"] == 66
    assert "requested_size_mib" in machine.refused("PATCH", "/hotplug/memory", {"requested_size_mib": 67})


def test_a_socket_that_took_ones_place_is_left_alone(machine, tmp_path):
    machine.put("/vsock", guest_cid=3, uds_path=str(tmp_path / "v"))
    machine.start("spin")
    assert machine.line() == "spinning\n"
    with socket.socket(socket.AF_UNIX) as api, socket.socket(socket.AF_UNIX) as vsock:
        for other, path in ((api, machine.sock), (vsock, tmp_path / "v")):
            path.unlink()
            other.bind(str(path))
        machine.process.terminate()
        assert machine.process.wait(60) == 1
        assert machine.sock.is_socket() and (tmp_path / "v").is_socket()


def test_no_snapshot_is_loaded_once_a_processor_was_configured(machine):
    machine.put("/cpu-config", cpuid_modifiers=[])
    text = machine.refused("PUT", "/snapshot/load", {"snapshot_path": "s", "mem_file_path": "m"})
    assert "after configuring" in text


def test_a_snapshot_that_does_not_load_leaves_no_machine_behind(launch, tmp_path):
    first = launch()
    first.start("count", track_dirty_pages=True)
    snapshot(first, tmp_path)
    os.truncate(tmp_path / "memory", MIB)
    machine = launch()
    before = machine.get("/vm/config")
    machine.refused("PUT", "/snapshot/load", {"snapshot_path": str(tmp_path / "state"),
                                              "mem_file_path": str(tmp_path / "memory")})
    assert machine.get("/vm/config") == before


def test_what_was_left_to_the_program_is_shown(machine):
    machine.put("/network-interfaces/e", iface_id="e", host_dev_name="tap0")
    machine.put("/mmds/config", network_interfaces=["e"])
    assert machine.get("/vm/config")["mmds-config"] == {
        "version": "V1", "network_interfaces": ["e"], "ipv4_address": "169.254.169.254", "imds_compat": False}


def test_the_first_changes_are_the_whole_memory(launch, tmp_path):
    machine = launch()
    machine.start("count", track_dirty_pages=True)
    assert goes_on(machine)
    snapshot(machine, tmp_path, "Diff")
    (tmp_path / "full").mkdir()
    snapshot(machine, tmp_path / "full")
    assert (tmp_path / "memory").read_bytes() == (tmp_path / "full/memory").read_bytes()
    second = launch()
    load(second, tmp_path, resume_vm=True)
    assert goes_on(second)


def test_a_snapshot_takes_two_files(machine, tmp_path):
    machine.start("count")
    machine.patch("/vm", state="Paused")
    assert "into two files" in machine.refused("PUT", "/snapshot/create", {
        "snapshot_path": str(tmp_path / "s"), "mem_file_path": str(tmp_path / "s")})


def test_counters_are_called_as_they_were(launch, tmp_path):
    (tmp_path / "file").write_bytes(bytes(8192))
    machine = launch("--metrics-path", tmp_path / "metrics")
    machine.put("/entropy")
    machine.put("/hotplug/memory", total_size_mib=256)
    machine.put("/pmem/p", id="p", path_on_host=str(tmp_path / "file"))
    machine.start("rng")
    found = last_metrics(machine, tmp_path / "metrics")
    assert found["entropy"]["entropy_event_count"] > 0
    for group, names in (
            ("entropy", ("activate_fails", "entropy_event_fails", "entropy_bytes", "host_rng_fails")),
            ("memory_hotplug", ("activate_fails", "queue_event_count", "queue_event_fails", "plug_count")),
            ("pmem_p", ("activate_fails", "queue_event_count", "event_fails", "rate_limiter_throttled_events"))):
        assert set(names) <= set(found[group])
