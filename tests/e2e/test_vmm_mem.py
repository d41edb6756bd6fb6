# SPDX-License-Identifier: Apache-2.0
"""Hot-plug memory, with the small guest of tests/guest, which any /dev/kvm runs."""

import pytest


def test_memory_is_plugged_and_unplugged(run_guest):
    result = run_guest("hotplug", "--hotplug-memory", "256:8")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"region at {4 << 30}", f"region bytes {256 << 20}", f"requested {8 << 20}",
        "plug 0", "too much 3", f"plugged {2 << 20}", "holds 0", f"keeps {0x1234 + 0x5678}",
        "unplug 0", "plugged 0", "gone", "plug 0", "holds 0", "unplug all 0", "outside 3", "done"]


def test_nothing_is_plugged_that_nobody_asked_for(run_guest):
    lines = run_guest("hotplug", "--hotplug-memory", "256").stdout.splitlines()
    assert lines[2:6] == ["requested 0", "plug 1", "too much 3", "plugged 0"]


@pytest.mark.parametrize("value, says", [
    ("100", "hot-plug memory of 100 MiB (whole slots"), ("256:3", "hot-plug memory of 3 MiB"),
    ("256:300", "hot-plug memory of 300 MiB (up to 256"), ("x", "TOTAL[:REQUESTED]"),
    ("1048576", "up to 131072 and"),
])
def test_memory_that_cannot_be_is_named(run_guest, value, says):
    result = run_guest("off", "--hotplug-memory", value)
    assert result.returncode in (1, 2) and says in result.stderr
