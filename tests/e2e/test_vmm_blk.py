# SPDX-License-Identifier: Apache-2.0
"""Disks by format and engine, with the small guest of tests/guest, which any /dev/kvm runs."""

import shutil
import subprocess
import time

import pytest

MIB = 1 << 20
PIECE = 4096


@pytest.fixture
def qemu_img(require):
    if shutil.which("qemu-img") is None:
        require.lacking("no qemu-img: tools/install-deps test")

    def call(*words):
        subprocess.run(["qemu-img", *[str(w) for w in words]], check=True, capture_output=True)
    return call


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw"
    path.write_bytes(bytes(MIB))
    return path


SAID = ["written 16", "flush 0", "discard 0", "zeroes 0", "behind 1", "flags 2", "read 0",
        "kept 127", "done"]


def expected(discarded):
    """What tests/guest/blk.c leaves, by the first byte of each sector."""
    sectors = [1 + i // 8 for i in range(16 * 8)]
    if discarded:
        sectors[8:16] = [0] * 8
    sectors[17:19] = [0, 0]
    return sectors


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_requests_in_flight_are_served_and_forgotten_by_a_reset(run_guest, raw, engine):
    result = run_guest("blk-more", "--disk", f"path={raw},io_engine={engine}")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == SAID
    assert list(raw.read_bytes()[:16 * PIECE:512]) == expected(discarded=True)


def test_a_qcow2_disk_holds_what_the_guest_wrote(run_guest, qemu_img, tmp_path):
    image, copy = tmp_path / "image", tmp_path / "copy"
    qemu_img("create", "-f", "qcow2", image, "1M")
    result = run_guest("blk-more", "--disk", f"path={image},format=qcow2")
    assert result.stdout.splitlines() == SAID
    qemu_img("check", "-f", "qcow2", image)
    qemu_img("convert", "-f", "qcow2", "-O", "raw", image, copy)
    # A discard of less than a cluster changes nothing.
    assert list(copy.read_bytes()[:16 * PIECE:512]) == expected(discarded=False)


def test_a_backing_file_is_what_the_operator_says_and_is_not_written(run_guest, qemu_img, raw, tmp_path):
    image = tmp_path / "image"
    raw.write_bytes(b"x" * MIB)
    qemu_img("create", "-f", "qcow2", "-b", raw, "-F", "raw", image)
    result = run_guest("blk", "--disk", f"path={image},format=qcow2")
    assert result.returncode == 1 and "backing=FILE" in result.stderr
    result = run_guest("blk", "--disk", f"path={image},format=qcow2,backing={raw}")
    assert "sectors 2048\n" in result.stdout and "write 0\n" in result.stdout
    assert raw.read_bytes() == b"x" * MIB


def test_a_limit_makes_requests_wait(run_guest, raw):
    begin = time.monotonic()
    result = run_guest("blk-more", "--disk", f"path={raw},ops=10/1000")
    # Ten at once, and then one in 100 ms: at least 22 are served.
    assert time.monotonic() - begin >= 1.2
    assert result.stdout.splitlines()[:6] == SAID[:6]


@pytest.mark.parametrize("words, says", [
    ("path={raw},format=vmdk", "format takes raw or qcow2"),
    ("path={raw},format=qcow2", "this is no qcow2 image"),
    ("path={raw},colour=red", "'colour' is no word of a disk"),
    ("path={raw},ops=10", "ops takes COUNT/MILLISECONDS"),
    ("path={raw},backing={raw}", "a raw disk has no backing file"),
    ("path=/nowhere", "open '/nowhere'"),
])
def test_words_that_make_no_disk_are_named(run_guest, raw, words, says):
    result = run_guest("off", "--disk", words.format(raw=raw))
    assert result.returncode in (1, 2) and says in result.stderr


def test_every_device_comes_back_from_a_driver_that_keeps_no_rule(run_guest, raw):
    """A67 to A69, over whatever is in the machine."""
    lines = run_guest("hostile-all", "--disk", raw, "--disk", f"path={raw},io_engine=async,id=second",
                "--balloon", "8").stdout.splitlines()
    devices = int(lines[0].split()[1])
    assert devices >= 4
    assert lines[1:] == [f"survived {devices * 9 * 3}", "done"]
