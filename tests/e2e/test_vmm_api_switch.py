# SPDX-License-Identifier: Apache-2.0
"""What those who come from Firecracker rely on, by the API, with the test guest behind it."""

import socket

import pytest

from vmmapi import load, snapshot

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
