# SPDX-License-Identifier: Apache-2.0
"""Persistent memory, with the small guest of tests/guest, which any /dev/kvm runs."""

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


def test_a_file_is_memory_that_lasts(run, tmp_path):
    (tmp_path / "file").write_bytes(b"A" * 10_000)
    result = run("pmem", "--pmem", tmp_path / "file")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"bytes {2 << 20}", "begins with 65",
                                          f"then {ord('W')}", "flush 0", "done"]
    assert (tmp_path / "file").read_bytes() == b"AW" + b"A" * 9_998


def test_a_file_to_be_read_is_not_written(run, tmp_path):
    (tmp_path / "file").write_bytes(b"A" * 10_000)
    result = run("pmem", "--pmem-readonly", tmp_path / "file")
    assert result.stdout.splitlines() == [f"bytes {2 << 20}", "begins with 65", "then 65",
                                          "flush 0", "done"]
    assert (tmp_path / "file").read_bytes() == b"A" * 10_000


def test_memory_of_both_kinds_is_kept_apart(run, tmp_path):
    (tmp_path / "file").write_bytes(b"B" * 10_000)
    words = ["--pmem", tmp_path / "file", "--hotplug-memory", "256:4"]
    assert "begins with 66" in run("pmem", *words).stdout
    assert f"region at {4 << 30}" in run("hotplug", *words).stdout


def test_what_is_no_file_is_named(run, tmp_path):
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", "/dev/null"):
        result = run("off", "--pmem", path)
        assert result.returncode == 1
        assert f"persistent memory '{path}': is no regular file" in result.stderr
    assert "open '/nonexistent'" in run("off", "--pmem", "/nonexistent").stderr
