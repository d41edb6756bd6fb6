# SPDX-License-Identifier: Apache-2.0
"""`onggi scan` of disks in qcow2: what QEMU makes of a raw disk says what the raw disk says, or is refused."""

import fcntl
import struct
import subprocess

import pytest

from inventories import make_disk
from scanning import debian_root, record

PACKAGES = [("libssl3", "3.0.1-1", "openssl"), ("zlib1g", "1:1.2.13-1", "zlib")]


@pytest.fixture
def loaded(scanner, require):
    for tool in ("mke2fs", "sfdisk", "qemu-img", "qemu-io"):
        require.tool(tool)
    scanner.load(record("CVE-2024-1", "openssl", "3.0.1-2"), record("CVE-2024-2", "zlib", "1:1.2.13-2"))
    return scanner


@pytest.fixture
def raw(loaded, tmp_path):
    """A disk with a partition table, and on it a system and something that no compression makes small."""
    root = debian_root(tmp_path / "root", PACKAGES)
    (root / "usr").mkdir()
    (root / "usr/noise").write_bytes(b"".join(struct.pack("<I", i * 2654435761 % 2**32) for i in range(1 << 18)))
    make_disk(tmp_path / "raw", root, table="gpt")
    return tmp_path / "raw"


def img(*words):
    return subprocess.run(["qemu-img", *map(str, words)], check=True, timeout=120, stdout=subprocess.DEVNULL)


def convert(source, to, *words, options=None):
    img("convert", "-f", "raw", "-O", "qcow2", *words, *(["-o", options] if options else []), source, to)
    return to


def said(scanner, target):
    """All that is said of a disk but its name."""
    tree = scanner.tree(f"disk:{target}")
    del tree["target"]
    return tree


def refused(scanner, target):
    result = scanner.scan(f"disk:{target}", check=False)
    assert result.returncode == 2 and result.stdout == "" and result.stderr.count("\n") == 1, result
    return result.stderr


@pytest.mark.parametrize("options", [
    None, "compat=0.10", "cluster_size=512", "cluster_size=4k", "cluster_size=2M", "preallocation=metadata",
    "preallocation=full", "refcount_bits=1", "refcount_bits=64", "lazy_refcounts=on"])
def test_a_qcow2_disk_says_what_the_raw_one_says(loaded, raw, tmp_path, options):
    expected = said(loaded, raw)
    assert {row["id"] for row in expected["vulnerabilities"]} == {"CVE-2024-1", "CVE-2024-2"}
    disk = convert(raw, tmp_path / "disk", options=options)
    assert said(loaded, f"{disk},format=qcow2") == expected
    # Its length is not that of whole clusters.
    with disk.open("ab") as out:
        out.write(b"x" * 100)
    assert said(loaded, f"{disk},format=qcow2") == expected


@pytest.mark.parametrize("options", [
    "compression_type=zlib", "compression_type=zstd", "compat=0.10", "cluster_size=512", "cluster_size=2M",
    "cluster_size=512,compression_type=zstd", "cluster_size=2M,compression_type=zstd"])
def test_a_compressed_disk(loaded, raw, tmp_path, options):
    disk = convert(raw, tmp_path / "disk", "-c", options=options)
    assert said(loaded, f"{disk},format=qcow2") == said(loaded, raw)


def test_snapshots_inside_are_passed_over(loaded, raw, tmp_path):
    older = tmp_path / "older"
    make_disk(older, debian_root(tmp_path / "old", [("libssl3", "1.1-1", "openssl")]), table="gpt")
    disk = convert(older, tmp_path / "disk")
    before = said(loaded, f"{disk},format=qcow2")
    img("snapshot", "-c", "one", disk)
    img("convert", "-n", "-f", "raw", "-O", "qcow2", raw, disk)
    img("snapshot", "-c", "two", disk)
    assert said(loaded, f"{disk},format=qcow2") == said(loaded, raw) != before


def test_a_backing_file_is_the_one_that_is_named(loaded, raw, tmp_path):
    expected = said(loaded, raw)
    disk, below = tmp_path / "disk", convert(raw, tmp_path / "below", "-c")
    # What the image names is not there, and is not asked for.
    img("create", "-u", "-f", "qcow2", "-b", "/nowhere/disk", "-F", "raw", disk, "80M")
    assert "backing=FILE" in refused(loaded, f"{disk},format=qcow2")
    assert "backing_format" in refused(loaded, f"{disk},format=qcow2,backing={raw}")
    assert said(loaded, f"{disk},format=qcow2,backing={raw},backing_format=raw") == expected
    assert said(loaded, f"{disk},format=qcow2,backing={below},backing_format=qcow2") == expected
    assert "no qcow2 image" in refused(loaded, f"{disk},format=qcow2,backing={raw},backing_format=qcow2")
    # A chain of three is not followed.
    assert "backing file" in refused(loaded, f"{disk},format=qcow2,backing={disk},backing_format=qcow2")
    # What was written above counts.
    img("rebase", "-u", "-f", "qcow2", "-b", raw, "-F", "raw", disk)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -z 4M 64M", disk], check=True, timeout=60)
    assert "no ext2" in refused(loaded, f"{disk},format=qcow2,backing={raw},backing_format=raw")


def test_a_backing_file_without_need_is_refused(loaded, raw, tmp_path):
    disk = convert(raw, tmp_path / "disk")
    assert "laid over no other file" in refused(loaded, f"{disk},format=qcow2,backing={raw},backing_format=raw")
    assert "backing= is for" in refused(loaded, f"{raw},backing={disk},backing_format=qcow2")
    assert "none of format=" in refused(loaded, f"{disk},form=qcow2")
    assert "format=raw or format=qcow2" in refused(loaded, f"{disk},format=vmdk")


@pytest.mark.parametrize("options, why", [
    (["--object", "secret,id=key,data=0123456789", "-o",
      "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10"], "encrypted"),
    (["-o", "data_file=outside,data_file_raw=on"], "another file"),
    (["-o", "extended_l2=on"], "subclusters"),
])
def test_what_is_not_read_is_named(loaded, tmp_path, monkeypatch, options, why):
    monkeypatch.chdir(tmp_path)
    img("create", "-f", "qcow2", *options, "disk", "16M")
    assert why in refused(loaded, f"{tmp_path}/disk,format=qcow2")


def test_the_format_is_never_guessed(loaded, raw, tmp_path):
    disk = convert(raw, tmp_path / "disk")
    assert "format=qcow2" in refused(loaded, disk)
    assert "no qcow2 image" in refused(loaded, f"{raw},format=qcow2")
    # A raw disk that begins as an image which lies over another file: a raw disk it remains.
    plain = tmp_path / "plain"
    make_disk(plain, tmp_path / "root")
    expected = said(loaded, plain)
    img("create", "-u", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw", tmp_path / "guise", "80M")
    with plain.open("r+b") as out:
        out.write((tmp_path / "guise").read_bytes()[:1024])
    assert said(loaded, plain) == said(loaded, f"{plain},format=raw") == expected


def test_a_disk_that_a_vm_writes_is_not_scanned(loaded, raw, tmp_path):
    disk = convert(raw, tmp_path / "disk")
    for path, words in ((raw, ""), (disk, ",format=qcow2")):
        with path.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert "in use" in refused(loaded, f"{path}{words}")
            fcntl.flock(held, fcntl.LOCK_SH)
            assert loaded.tree(f"disk:{path}{words}")["complete"]


def lie(disk, at, value, width=8):
    with disk.open("r+b") as out:
        out.seek(at)
        out.write(value.to_bytes(width, "big"))


@pytest.mark.parametrize("at, value, width, why", [
    (20, 40, 4, "clusters"), (24, 2**62 + 512, 8, "disk of"), (36, 2**31, 4, "L1 table"), (40, 2**60, 8, "outside"),
    (40, 0, 8, "twice"), (4, 9, 4, "version"), (72, 2**40, 8, "features")])
def test_a_hostile_image_is_one_clear_line(loaded, raw, tmp_path, at, value, width, why):
    disk = convert(raw, tmp_path / "disk")
    lie(disk, at, value, width)
    assert why in refused(loaded, f"{disk},format=qcow2")


def test_a_damaged_compressed_cluster_is_no_empty_partition(loaded, raw, tmp_path):
    """Where the superblock cannot be unpacked, there is not 'no file system'."""
    disk = convert(raw, tmp_path / "disk", "-c")
    content = disk.read_bytes()
    l1 = struct.unpack(">Q", content[40:48])[0]
    table = struct.unpack(">Q", content[l1:l1 + 8])[0] & 0xfffffffffffe00
    number = (8192 * 512 + 1024) >> 16
    entry = struct.unpack(">Q", content[table + 8 * number:table + 8 * number + 8])[0]
    assert entry >> 62 & 1
    with disk.open("r+b") as out:
        out.seek(entry & (1 << 54) - 1)
        out.write(b"\xff" * 16)
    assert "partition 2: damaged" in refused(loaded, f"{disk},format=qcow2")
