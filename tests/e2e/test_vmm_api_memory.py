# SPDX-License-Identifier: Apache-2.0
"""Balloon and memory for hot-plug while the guest runs, by the API, with the test guest."""

import time

from test_vmm_api import launch, machine, vmm  # noqa: F401  fixtures


def wait(get, wanted, seconds=30):
    end = time.monotonic() + seconds
    while (found := get()) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def test_statistics_come_again_and_again(machine):  # noqa: F811
    machine.put("/balloon", amount_mib=0, deflate_on_oom=False, stats_polling_interval_s=1,
                free_page_hinting=True)
    machine.start("balloon-live")
    for _ in range(3):
        assert machine.line() == "asked 0\n"
    found = machine.get("/balloon/statistics")
    assert (found["free_memory"], found["direct_reclaim"]) == (3000, 3)
    assert "swap_in" not in found


def test_a_guest_hints_at_free_pages_and_is_told_that_it_was_heard(machine):  # noqa: F811
    machine.put("/balloon", amount_mib=0, deflate_on_oom=False, stats_polling_interval_s=1,
                free_page_hinting=True)
    machine.start("balloon-live")
    while machine.line() != "waiting\n":
        pass
    machine.patch("/balloon/hinting/start", acknowledge_on_stop=True)
    assert [machine.line() for _ in range(3)] == ["hinted 0\n", "kept 7\n", "acknowledged\n"]
    assert machine.get("/balloon/hinting/status") == {"host_cmd": 1, "guest_cmd": 0}


def test_memory_comes_and_goes_while_the_guest_runs(machine):  # noqa: F811
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
