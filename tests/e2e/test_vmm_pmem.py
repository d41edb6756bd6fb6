# SPDX-License-Identifier: Apache-2.0
"""Persistent memory, with the small guest of tests/guest, which any /dev/kvm runs."""

import pytest


def test_a_file_is_memory_that_lasts(run_guest, tmp_path):
    (tmp_path / "file").write_bytes(b"A" * 10_000)
    result = run_guest("pmem", "--pmem", tmp_path / "file")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"bytes {2 << 20}", "begins with 65",
                                          f"then {ord('W')}", "flush 0", "done"]
    assert (tmp_path / "file").read_bytes() == b"AW" + b"A" * 9_998


def test_a_file_to_be_read_is_not_written(run_guest, tmp_path):
    (tmp_path / "file").write_bytes(b"A" * 10_000)
    result = run_guest("pmem", "--pmem-readonly", tmp_path / "file")
    assert result.stdout.splitlines() == [f"bytes {2 << 20}", "begins with 65", "then 65",
                                          "flush 0", "done"]
    assert (tmp_path / "file").read_bytes() == b"A" * 10_000


def test_memory_of_both_kinds_is_kept_apart(run_guest, tmp_path):
    (tmp_path / "file").write_bytes(b"B" * 10_000)
    words = ["--pmem", tmp_path / "file", "--hotplug-memory", "256:4"]
    assert "begins with 66" in run_guest("pmem", *words).stdout
    assert f"region at {4 << 30}" in run_guest("hotplug", *words).stdout


def test_what_is_no_file_is_named(run_guest, tmp_path):
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", "/dev/null"):
        result = run_guest("off", "--pmem", path)
        assert result.returncode == 1
        assert f"persistent memory '{path}': is no regular file" in result.stderr
    assert "open '/nonexistent'" in run_guest("off", "--pmem", "/nonexistent").stderr
