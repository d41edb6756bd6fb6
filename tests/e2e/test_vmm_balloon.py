# SPDX-License-Identifier: Apache-2.0
"""The balloon, with the small guest of tests/guest, which any /dev/kvm runs."""

import pytest


def test_exactly_what_the_guest_gives_is_taken(run_guest):
    result = run_guest("balloon", "--balloon", "8")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "wanted 2048", "inflated 0", "actual 4", "first 0", "fifth 5", "again 77", "deflated 0",
        "reported 0", "eighth 8", "ninth 0", "eleventh 11", "done"]


def test_pages_that_are_not_the_guests_cost_it_the_device(run_guest):
    assert run_guest("balloon-hostile", "--balloon", "8").stdout == "refused\n" * 6 + "done\n"


@pytest.mark.parametrize("value, says", [
    ("65", "a balloon of 65 MiB in memory of 64"), ("x", "no number of MiB"),
])
def test_a_balloon_that_cannot_be_is_named(run_guest, value, says):
    result = run_guest("off", "--balloon", value)
    assert result.returncode in (1, 2) and says in result.stderr
