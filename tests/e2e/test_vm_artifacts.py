# SPDX-License-Identifier: Apache-2.0
"""Snapshots and disks of VMs in a registry: onggi vm push, pull, ls, rm."""

import json
import os
import random
import re
import struct
import subprocess
import threading
import time

import pytest

import pushing
import registries
import vmmapi
from disks import sparse

MIB = 1 << 20
CHUNK, PAGE = 65536, 4096
INDEX_KIND = "application/vnd.onggi.vm.index.v1"
PACK_KIND = "application/vnd.onggi.vm.pack.v1"
SNAPSHOT = "application/vnd.onggi.vm.snapshot.v1"


@pytest.fixture
def onggi(prefix, tmp_path):
    """onggi(words...): a run of the command line without credentials."""
    def run(*words, check=True):
        words = [str(word) for word in (prefix / "bin/onggi", "--config", tmp_path / "none", *words)]
        result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=60, check=False)
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result
    return run


def data_of(path):
    """Where the file is no hole: [(start, end)]."""
    found, end = [], 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append((start, end))
    return found


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def sent(result):
    return int(re.search(r"(\d+) bytes sent", result.stdout)[1])


@pytest.fixture
def snapshot(tmp_path):
    """A folder as a snapshot has it: a small state, and memory that is mostly holes."""
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "state").write_bytes(noise(1, 20000))
    sparse(folder / "memory", 64 * MIB, {
        0: noise(2, 3 * MIB), 10 * MIB + 5 * PAGE: noise(3, PAGE), 20 * MIB: bytes(MIB),
        30 * MIB: noise(2, 3 * MIB), 64 * MIB - 100: noise(4, 100)})
    return folder


def test_a_snapshot_comes_back_as_it_was(onggi, registry, snapshot, tmp_path):
    name = f"{registry}/vm/whole:1"
    onggi("vm", "push", snapshot, name)
    onggi("vm", "pull", name, tmp_path / "back")
    assert sorted(os.listdir(tmp_path / "back")) == ["memory", "state"]
    for file in ("memory", "state"):
        assert (tmp_path / "back" / file).read_bytes() == (snapshot / file).read_bytes()
        assert data_of(tmp_path / "back" / file) == data_of(snapshot / file)
    assert [one for one in os.listdir(tmp_path) if "part" in one] == []


def test_what_is_there_twice_or_zero_is_sent_once_or_not(onggi, registry, snapshot):
    result = onggi("vm", "push", snapshot, f"{registry}/vm/once:1")
    assert sent(result) < 3.3 * MIB # of 7 MiB of data
    again = onggi("vm", "push", snapshot, f"{registry}/vm/once:1")
    assert sent(again) == 0


def test_a_second_snapshot_sends_what_changed(onggi, registry, snapshot, tmp_path):
    name = f"{registry}/vm/second"
    first = sent(onggi("vm", "push", snapshot, f"{name}:1"))
    with open(snapshot / "memory", "r+b") as memory:
        for at in (PAGE, MIB, 50 * MIB):
            memory.seek(at)
            memory.write(noise(at, PAGE))
    second = sent(onggi("vm", "push", "--base", "1", snapshot, f"{name}:2"))
    assert second < 3 * CHUNK + 20000 < first / 10
    onggi("vm", "pull", f"{name}:2", tmp_path / "back")
    assert (tmp_path / "back/memory").read_bytes() == (snapshot / "memory").read_bytes()


def test_packs_of_which_little_is_left_are_not_kept(onggi, registry, tmp_path):
    name, disk = f"{registry}/vm/little:1", tmp_path / "disk"
    disk.write_bytes(noise(1, 64 * CHUNK))
    onggi("vm", "push", disk, name)
    disk.write_bytes(noise(1, 4 * CHUNK) + noise(2, 60 * CHUNK))
    out = onggi("vm", "push", disk, name).stdout
    assert " 0 shared" in out, out
    onggi("vm", "pull", name, tmp_path / "back")
    assert (tmp_path / "back/disk").read_bytes() == disk.read_bytes()


def test_changes_keep_their_holes_and_their_zeros(onggi, registry, tmp_path):
    folder = tmp_path / "changes"
    folder.mkdir()
    sparse(folder / "memory", 8 * MIB, {
        0: bytes(PAGE), MIB + PAGE: noise(1, PAGE), MIB + 3 * PAGE: bytes(PAGE), 5 * MIB: bytes(3 * CHUNK)})
    onggi("vm", "push", folder, f"{registry}/vm/changes:1")
    onggi("vm", "pull", f"{registry}/vm/changes:1", tmp_path / "back")
    assert data_of(tmp_path / "back/memory") == data_of(folder / "memory") != []
    assert (tmp_path / "back/memory").read_bytes() == (folder / "memory").read_bytes()


def test_a_disk_comes_back_sparse(onggi, registry, tmp_path):
    disk = tmp_path / "disk.raw"
    disk.write_bytes(noise(1, 2 * MIB) + bytes(20 * MIB) + noise(2, 1000))
    onggi("vm", "push", disk, f"{registry}/vm/disk:1")
    onggi("vm", "pull", f"{registry}/vm/disk:1", tmp_path / "back")
    assert (tmp_path / "back/disk.raw").read_bytes() == disk.read_bytes()
    assert os.stat(tmp_path / "back/disk.raw").st_blocks * 512 < 3 * MIB
    assert "disk sha256:" in onggi("vm", "ls", f"{registry}/vm/disk:1").stdout


def test_what_cannot_be_carried_is_named(onggi, registry, tmp_path):
    folder = tmp_path / "bad"
    (folder / "sub").mkdir(parents=True)
    result = onggi("vm", "push", folder, f"{registry}/vm/bad:1", check=False)
    assert result.returncode == 1 and "'sub' cannot be carried" in result.stderr
    (folder / "sub").rmdir()
    (folder / "link").symlink_to("/etc/passwd")
    result = onggi("vm", "push", folder, f"{registry}/vm/bad:1", check=False)
    assert result.returncode == 1 and "link" in result.stderr


def test_a_folder_that_exists_is_left_alone(onggi, registry, snapshot, tmp_path):
    onggi("vm", "push", snapshot, f"{registry}/vm/exists:1")
    (tmp_path / "there").mkdir()
    result = onggi("vm", "pull", f"{registry}/vm/exists:1", tmp_path / "there", check=False)
    assert result.returncode == 1 and "exists" in result.stderr
    assert os.listdir(tmp_path / "there") == []


def test_an_image_is_no_snapshot(onggi, registry, tmp_path):
    pushing.Repository(registry, "vm/image").image("an image", "1")
    result = onggi("vm", "pull", f"{registry}/vm/image:1", tmp_path / "back", check=False)
    assert result.returncode == 1 and "neither a snapshot nor a disk" in result.stderr


def test_it_is_copied_like_an_image(onggi, registry, start_registry, snapshot, tmp_path):
    other = start_registry()
    onggi("vm", "push", snapshot, f"{registry}/vm/copied:1")
    onggi("copy", f"{registry}/vm/copied:1", f"{other}/x:1")
    onggi("vm", "pull", f"{other}/x:1", tmp_path / "back")
    assert (tmp_path / "back/memory").read_bytes() == (snapshot / "memory").read_bytes()


# ---- a machine ----

def test_a_machine_goes_on_from_what_was_pulled(launch, onggi, registry, tmp_path):
    first, name = launch(), f"{registry}/vm/machine"
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    first.start("fill")
    assert first.line().startswith("filled") and first.process.stdout.read(2) == b".."
    vmmapi.snapshot(first, tmp_path / "one")
    first.patch("/vm", state="Resumed")
    assert first.process.stdout.read(2) == b".."
    vmmapi.snapshot(first, tmp_path / "two")
    first.process.kill()

    whole = sent(onggi("vm", "push", tmp_path / "one", f"{name}:1"))
    changed = sent(onggi("vm", "push", "--base", "1", tmp_path / "two", f"{name}:2"))
    index = json.loads(pushing.Repository(registry, "vm/machine").get("1"))["layers"][0]["size"]
    print(f"first {whole} bytes, second {changed}, each with an index of {index}")
    assert changed - index < (whole - index) / 8
    assert "machine: 64 MiB, 1 vCPUs" in onggi("vm", "ls", f"{name}:2").stdout
    for tag in ("1", "2"):
        onggi("vm", "pull", f"{name}:{tag}", tmp_path / f"back{tag}")
        again = launch()
        vmmapi.load(again, tmp_path / f"back{tag}", resume_vm=True)
        seen = again.process.stdout.read(6)
        assert re.fullmatch(rb"[.G]{6}", seen), seen # no "broken page"


# ---- what a registry may lie about ----

class Artifact:
    """A hostile artifact: an index written by hand, and packs."""

    def __init__(self, registry, name):
        self.repository = pushing.Repository(registry, name)
        self.files, self.chunks, self.places, self.ranges, self.packs = [], [], [], [], []

    def pack(self, *contents):
        """A pack of these contents, each a frame; and their chunks."""
        pack = b""
        for content in contents:
            frame = subprocess.run(["zstd", "-q", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout
            self.chunks.append([bytes.fromhex(pushing.sha256(content)[7:]), len(self.packs), len(pack),
                                len(frame), min(len(content), CHUNK)])
            pack += frame
        self.packs.append(pack)

    def file(self, name, size, places=(), ranges=(), flags=0):
        self.files.append([name, size, flags, len(places), len(ranges)])
        self.places += places
        self.ranges += ranges

    def index(self):
        head = bytes.fromhex("6f6e6767691a5649") + struct.pack(
            "<HHIIIIIII", 1, 0, CHUNK, len(self.files), len(self.packs), len(self.chunks), len(self.places),
            len(self.ranges), 0)
        return head + b"".join(
            struct.pack("<128sQIIII", name.encode(), size, flags, places, ranges, 0)
            for name, size, flags, places, ranges in self.files) + b"".join(
            struct.pack("<32sIIII", *chunk) for chunk in self.chunks) + b"".join(
            struct.pack("<II", *pair) for pair in [*self.places, *self.ranges])

    def push(self, index=None):
        """Returns its name with a tag."""
        repository = self.repository
        layers = [repository.blob(self.index() if index is None else index, INDEX_KIND)]
        layers += [repository.blob(pack, PACK_KIND) for pack in self.packs]
        config = repository.blob(b"{}", "application/vnd.onggi.vm.snapshot.config.v1+json")
        repository.manifest({"schemaVersion": 2, "mediaType": pushing.OCI_MANIFEST, "artifactType": SNAPSHOT,
                             "config": config, "layers": layers}, "1")
        return f"{repository.registry}/{repository.name}:1"


def good(artifact):
    artifact.pack(noise(1, CHUNK), noise(2, CHUNK))
    artifact.file("memory", 4 * CHUNK, [(0, 0), (3, 1)])


def wrong_digest(artifact):
    good(artifact)
    artifact.chunks[1][0] = bytes(32)


def bomb(artifact):
    artifact.pack(bytes(64 * MIB))
    artifact.file("memory", CHUNK, [(0, 0)])


def many_places(artifact):
    artifact.pack(noise(1, CHUNK))
    artifact.file("memory", CHUNK * 70_000, [(place, 0) for place in range(70_000)])


def many_pages(artifact):
    artifact.pack(noise(1, CHUNK))
    artifact.file("memory", 1 << 44, [(0, 0)], [(0, (1 << 32) - 1)], 1)


def change(table, row, column, value):
    def bend(artifact):
        good(artifact)
        getattr(artifact, table)[row][column] = value
    return bend


def places(*pairs):
    def bend(artifact):
        good(artifact)
        artifact.places[:] = pairs
    return bend


@pytest.mark.parametrize("bend, said", [
    (wrong_digest, "its content is another"),
    (bomb, "zstd"),
    (many_places, "--max-size"),
    (many_pages, "--max-size"),
    (change("files", 0, 0, "../evil"), "no name"),
    (change("files", 0, 0, ".hidden"), "no name"),
    (change("files", 0, 0, ""), "no name"),
    (change("files", 0, 1, 3 * CHUNK), "cannot be at place 3"),
    (change("files", 0, 1, 4 * CHUNK - 1), "another size"),
    (change("files", 0, 1, 1 << 60), "cannot be"),
    (change("files", 0, 3, 1), "more than its files"),
    (change("files", 0, 3, 3), "cannot be"),
    (change("files", 0, 4, 1), "cannot be"),
    (change("files", 0, 2, 2), "cannot be"),
    (change("chunks", 1, 1, 7), "not next"),
    (change("chunks", 1, 2, 5), "cannot be"),
    (change("chunks", 1, 2, 1 << 22), "outside of its pack"),
    (change("chunks", 1, 3, (1 << 32) - 1), "cannot be"),
    (change("chunks", 1, 4, CHUNK + 1), "cannot be"),
    (change("chunks", 1, 4, 100), "another size"),
    (places((0, 0), (0, 1)), "place 0"),
    (places((3, 0), (0, 1)), "place 0"),
    (places((0, 0), (3, 2)), "chunk 2"),
])
def test_an_index_that_lies_is_refused(onggi, registry, tmp_path, bend, said, request):
    number = request.node.callspec.indices["bend"]
    artifact = Artifact(registry, f"vm/hostile-{number}")
    bend(artifact)
    result = onggi("vm", "pull", "--max-size", "4g", artifact.push(), tmp_path / "back", check=False)
    assert result.returncode == 1 and said in result.stderr, result.stderr
    assert [one for one in os.listdir(tmp_path) if "back" in one] == []


def test_the_artifact_that_those_were_bent_from_is_taken(onggi, registry, tmp_path):
    artifact = Artifact(registry, "vm/by-hand")
    good(artifact)
    onggi("vm", "pull", artifact.push(), tmp_path / "back")
    assert (tmp_path / "back/memory").read_bytes() == (
        noise(1, CHUNK) + bytes(2 * CHUNK) + noise(2, CHUNK))


@pytest.mark.parametrize("cut", [0, 7, 39, 40, 100, -1])
def test_an_index_that_was_cut_is_refused(onggi, registry, tmp_path, cut):
    artifact = Artifact(registry, f"vm/cut-{cut % 1000}")
    good(artifact)
    result = onggi("vm", "pull", artifact.push(artifact.index()[:cut]), tmp_path / "back", check=False)
    assert result.returncode == 1 and "index:" in result.stderr
    assert [one for one in os.listdir(tmp_path) if "back" in one] == []


def test_a_pack_that_is_another_is_refused(onggi, tmp_path, registry):
    source = pushing.Repository(registry, "vm/stub")
    artifact = Artifact(registry, "vm/stub")
    good(artifact)
    artifact.push()
    manifest = json.loads(source.get("1"))
    stub = registries.Stub()
    try:
        stub.add("vm/stub", source.get("1"), {
            part["digest"]: source.ask("GET", f"blobs/{part['digest']}")[2]
            for part in [manifest["config"], *manifest["layers"]]}, "1")
        name = f"{stub.address}/vm/stub:1"
        onggi("vm", "pull", name, tmp_path / "good")
        pack = manifest["layers"][1]
        bent = bytearray(stub.content[f"/v2/vm/stub/blobs/{pack['digest']}"][1])
        bent[len(bent) // 2] ^= 1
        stub.content[f"/v2/vm/stub/blobs/{pack['digest']}"] = ("x", bytes(bent))
        result = onggi("vm", "pull", name, tmp_path / "back", check=False)
        assert result.returncode == 1 and "its content is another" in result.stderr
        assert [one for one in os.listdir(tmp_path) if "back" in one] == []
    finally:
        stub.stop()


def test_a_pull_that_is_killed_leaves_no_folder_of_that_name(prefix, onggi, tmp_path, registry):
    disk, name = tmp_path / "disk", "vm/killed"
    disk.write_bytes(noise(7, 3 * 64 * CHUNK))
    onggi("vm", "push", disk, f"{registry}/{name}:1")
    source = pushing.Repository(registry, name)
    manifest = json.loads(source.get("1"))
    stub, asked = registries.Stub(), threading.Event()
    try:
        stub.add(name, source.get("1"), {part["digest"]: source.ask("GET", f"blobs/{part['digest']}")[2]
                                         for part in [manifest["config"], *manifest["layers"]]}, "1")
        last = f"/v2/{name}/blobs/{manifest['layers'][-1]['digest']}"

        def hold(handler):
            asked.set()
            time.sleep(3)
            return "plain"
        stub.bend[last] = hold
        words = [prefix / "bin/onggi", "--config", tmp_path / "none", "vm", "pull", f"{stub.address}/{name}:1",
                 tmp_path / "back"]
        with subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            assert asked.wait(20)
            process.kill()
        assert not (tmp_path / "back").exists()
        del stub.bend[last]
        onggi("vm", "pull", f"{stub.address}/{name}:1", tmp_path / "back")
        assert (tmp_path / "back/disk").read_bytes() == disk.read_bytes()
    finally:
        stub.stop()
