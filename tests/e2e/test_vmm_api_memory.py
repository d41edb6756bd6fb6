# SPDX-License-Identifier: Apache-2.0
"""Balloon and memory for hot-plug while the guest runs, by the API, with the test guest."""

import os
import pathlib
import re
import time

import pytest


def wait(get, wanted, seconds=30):
    end = time.monotonic() + seconds
    while (found := get()) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def test_statistics_come_again_and_again(machine):
    machine.put("/balloon", amount_mib=0, deflate_on_oom=False, stats_polling_interval_s=1,
                free_page_hinting=True)
    machine.start("balloon-live")
    for _ in range(3):
        assert machine.line() == "asked 0\n"
    found = machine.get("/balloon/statistics")
    assert (found["free_memory"], found["direct_reclaim"]) == (3000, 3)
    assert "swap_in" not in found


def test_a_guest_hints_at_free_pages_and_is_told_that_it_was_heard(machine):
    machine.put("/balloon", amount_mib=0, deflate_on_oom=False, stats_polling_interval_s=1,
                free_page_hinting=True)
    machine.start("balloon-live")
    while machine.line() != "waiting\n":
        pass
    machine.patch("/balloon/hinting/start", acknowledge_on_stop=True)
    assert [machine.line() for _ in range(3)] == ["hinted 0\n", "kept 7\n", "acknowledged\n"]
    assert machine.get("/balloon/hinting/status") == {"host_cmd": 1, "guest_cmd": 0}


def test_memory_comes_and_goes_while_the_guest_runs(machine):
    machine.put("/hotplug/memory", total_size_mib=256)
    machine.start("hotplug-live")
    assert machine.line() == "ready\n"
    machine.patch("/hotplug/memory", requested_size_mib=128)
    assert [machine.line() for _ in range(2)] == ["plug 0\n", f"plugged {128 << 20}\n"]
    status = machine.get("/hotplug/memory")
    assert (status["plugged_size_mib"], status["requested_size_mib"]) == (128, 128)
    machine.patch("/hotplug/memory", requested_size_mib=0)
    assert [machine.line() for _ in range(2)] == ["unplug 0\n", "plugged 0\n"]
    wait(lambda: machine.get("/hotplug/memory")["plugged_size_mib"], 0)


@pytest.fixture
def huge_pages():
    """A pool with room for a guest of 64 MiB."""
    pool = pathlib.Path("/proc/sys/vm/nr_hugepages")
    if os.geteuid() != 0 or not pool.exists():
        pytest.skip("needs root and a kernel with huge pages")
    before = int(pool.read_text())
    pool.write_text(str(before + 40))
    if int(pool.read_text()) < before + 40:
        pool.write_text(str(before))
        pytest.skip("the host has no 80 MiB in huge pages")
    yield lambda: int(re.search(r"HugePages_Free: *(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    pool.write_text(str(before))


def test_memory_is_of_huge_pages_where_they_are_asked_for(machine, huge_pages):
    free = huge_pages()
    machine.start("spin", huge_pages="2M")
    machine.line()
    assert machine.get("/machine-config")["huge_pages"] == "2M"
    assert huge_pages() < free
    machine.process.kill()
    machine.process.wait()
    wait(huge_pages, free)


def test_a_pool_that_is_too_small_is_said_at_the_start(machine):
    machine.configure("balloon-live", huge_pages="2M", mem_size_mib=1 << 15)
    assert "vm.nr_hugepages" in machine.refused("PUT", "/actions", {"action_type": "InstanceStart"})


def test_a_snapshot_in_a_file_is_not_restored_into_huge_pages(machine, launch):
    machine.start("spin")
    machine.line()
    machine.patch("/vm", state="Paused")
    machine.put("/snapshot/create", snapshot_path="state", mem_file_path="memory")
    body = {"snapshot_path": str(machine.folder / "state"), "huge_pages": "2M",
            "mem_backend": {"backend_type": "File", "backend_path": str(machine.folder / "memory")}}
    assert "huge_pages" in launch().refused("PUT", "/snapshot/load", body)
