# SPDX-License-Identifier: Apache-2.0
"""The balloon, with the small guest of tests/guest, which any /dev/kvm runs."""

import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def run(prefix, require):
    """run("word", options...): boots the guest to its end and gives the result."""
    path = TOP / "build/tests/guest/test-guest"
    if not path.exists():
        require.lacking("no build/tests/guest/test-guest: make")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        require.lacking("no usable /dev/kvm")

    def run_guest(word, *options):
        words = [prefix / "bin/onggi-vmm", "--memory", "64", "--serial", "stdio", "--kernel", path,
                 "--cmdline", word, *options]
        return subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
    return run_guest


def test_exactly_what_the_guest_gives_is_taken(run):
    result = run("balloon", "--balloon", "8")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "wanted 2048", "inflated 0", "actual 4", "first 0", "fifth 5", "again 77", "deflated 0",
        "reported 0", "eighth 8", "ninth 0", "eleventh 11", "done"]


def test_pages_that_are_not_the_guests_cost_it_the_device(run):
    assert run("balloon-hostile", "--balloon", "8").stdout == "refused\n" * 6 + "done\n"


@pytest.mark.parametrize("value, says", [
    ("65", "a balloon of 65 MiB in memory of 64"), ("x", "no number of MiB"),
])
def test_a_balloon_that_cannot_be_is_named(run, value, says):
    result = run("off", "--balloon", value)
    assert result.returncode in (1, 2) and says in result.stderr
