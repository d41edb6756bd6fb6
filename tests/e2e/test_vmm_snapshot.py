# SPDX-License-Identifier: Apache-2.0
"""Snapshots' memory files, laid one over the other by onggi-vmm."""

import os
import subprocess

import pytest

from disks import sparse

MIB = 1 << 20


@pytest.fixture
def merge(prefix):
    def run(*words):
        words = [str(w) for w in (prefix / "bin/onggi-vmm", *words)]
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return run


def test_changes_take_the_place_of_what_the_base_has(merge, tmp_path):
    page = 4096
    base = sparse(tmp_path / "base", 8 * MIB, {0: b"a" * page, MIB: b"b" * 3 * page, 7 * MIB: b"c" * page})
    changes = sparse(tmp_path / "changes", 8 * MIB, {MIB + page: b"B" * page, 5 * MIB: bytes(page), 8 * MIB - page: b"d" * page})
    result = merge("--merge-snapshot", base, "--changes", changes)
    assert (result.returncode, result.stderr) == (0, "")
    whole = bytearray(8 * MIB)
    for at, data in {0: b"a" * page, MIB: b"b" * page + b"B" * page + b"b" * page, 7 * MIB: b"c" * page,
                     8 * MIB - page: b"d" * page}.items():
        whole[at:at + len(data)] = data
    assert base.read_bytes() == whole
    assert os.stat(base).st_blocks * 512 < MIB


def test_a_page_that_became_zero_becomes_zero(merge, tmp_path):
    base = sparse(tmp_path / "base", MIB, {0: b"a" * 8192})
    changes = sparse(tmp_path / "changes", MIB, {0: bytes(4096)})
    assert merge("--merge-snapshot", base, "--changes", changes).returncode == 0
    assert base.read_bytes()[:8192] == bytes(4096) + b"a" * 4096


def test_files_of_two_machines_and_half_a_command_are_refused(merge, tmp_path):
    base = sparse(tmp_path / "base", MIB, {0: b"a"})
    other = sparse(tmp_path / "other", 2 * MIB, {0: b"b"})
    result = merge("--merge-snapshot", base, "--changes", other)
    assert result.returncode == 1 and "1048576 and 2097152 bytes" in result.stderr
    assert base.read_bytes()[:1] == b"a"
    assert merge("--merge-snapshot", base).returncode == 2
    result = merge("--merge-snapshot", base, "--changes", tmp_path / "none")
    assert result.returncode == 1 and "none'" in result.stderr
