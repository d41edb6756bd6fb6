# SPDX-License-Identifier: Apache-2.0
"""Bad input at the command line: one line that names the object, nothing left, nothing touched."""

import json
import os
import pathlib
import shutil
import subprocess
import tarfile

import pytest

import images
from images import compress, directory, docker_archive, entry, hardlink, oci_archive, symlink, tar

FILE = entry("hello", b"hello\n")


def snapshot(root):
    """Every name in the data root that holds content, without the databases and their journals."""
    found = set()
    for base, _, names in os.walk(root):
        for name in names:
            if ".db" not in name:
                found.add(os.path.relpath(os.path.join(base, name), root))
    return found


@pytest.fixture
def refused(onggid):
    """refused(words, names=...): the command fails with one line and leaves the store as it was."""
    def check(*words, names, input=None):
        before = snapshot(onggid.data_root)
        listed = onggid.onggi("images", "-q", "--no-trunc").stdout
        result = onggid.onggi(*words, input=input, check=False, text=input is None)
        err = result.stderr if isinstance(result.stderr, str) else result.stderr.decode()
        lines = [line for line in err.splitlines() if line.strip()]
        assert result.returncode != 0, f"accepted: {result.stdout!r}"
        assert lines, "no word about what is wrong"
        message = lines[-1]
        assert len(message) < 600
        for name in [names] if isinstance(names, str) else names:
            assert name in message, f"'{name}' is not in: {message}"
        assert snapshot(onggid.data_root) == before
        assert onggid.onggi("images", "-q", "--no-trunc").stdout == listed
        assert onggid.process.poll() is None
        return message
    return check


def write(path, data):
    path.write_bytes(data)
    return path


def test_a_truncated_archive_is_refused(refused, tmp_path, busybox_tar):
    whole = pathlib.Path(busybox_tar).read_bytes()
    for cut in (100, 5000, len(whole) // 2, len(whole) - 60000):
        refused("load", "-i", write(tmp_path / "cut.tar", whole[:cut]), names="archive")


def test_a_truncated_archive_on_stdin_is_refused(refused, busybox_tar):
    refused("load", input=pathlib.Path(busybox_tar).read_bytes()[:300000], names="archive")


def test_an_archive_with_a_flipped_byte_in_a_layer_is_refused(refused, tmp_path):
    path = tmp_path / "image.tar"
    docker_archive(path, [tar([FILE])], tag="flip:latest")
    data = path.read_bytes().replace(b"hello\n", b"jello\n")
    refused("load", "-i", write(path, data), names="layer.tar")


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_an_oci_archive_whose_blob_is_not_its_digest_is_refused(refused, tmp_path, compression):
    path = tmp_path / "image.tar"
    manifest, blobs = images.oci_blobs([tar([FILE])], compression)
    blobs = {digest: (compress(tar([entry("hello", b"other\n")]), compression)
                      if digest == json.loads(manifest)["layers"][0]["digest"] else data)
             for digest, data in blobs.items()}
    index = {"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": images.sha256(manifest), "size": len(manifest)}]}
    files = [entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
             entry("index.json", json.dumps(index).encode())]
    files += [entry("blobs/sha256/" + digest[7:], data) for digest, data in blobs.items()]
    refused("load", "-i", write(path, tar(files)), names="sha256/")


def test_a_manifest_that_is_index_and_manifest_is_refused(refused, tmp_path):
    manifest, blobs = images.oci_blobs([tar([FILE])])
    both = json.loads(manifest)
    both["manifests"] = []
    text = json.dumps(both).encode()
    blobs[images.sha256(text)] = text
    index = {"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": images.sha256(text), "size": len(text)}]}
    files = [entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
             entry("index.json", json.dumps(index).encode())]
    files += [entry("blobs/sha256/" + digest[7:], data) for digest, data in blobs.items()]
    refused("load", "-i", write(tmp_path / "both.tar", tar(files)), names="manifest")


@pytest.mark.parametrize("name", ["no-image.txt", "empty", "folder"])
def test_a_path_that_is_no_image_is_refused(refused, tmp_path, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"" if name == "empty" else b"This is a letter, not an image.\n" * 100)
    refused("load", "-i", path, names=[])
    refused("import", path, "bad:latest", names=[])


def test_a_missing_file_is_named(refused, tmp_path):
    refused("load", "-i", tmp_path / "nowhere.tar", names="nowhere.tar")
    refused("import", tmp_path / "nowhere.tar", names="nowhere.tar")


def test_an_image_that_is_nowhere_is_named(onggid):
    result = onggid.onggi("run", "--pull=never", "no/such:image", "true", check=False)
    assert result.returncode == 125
    assert "no/such:image" in result.stderr


def canary(folder):
    folder.mkdir()
    path = folder / "canary"
    path.write_text("untouched")
    return path


@pytest.mark.parametrize("what", ["dotdot", "absolute", "link", "hardlink", "parent-link"])
def test_an_import_never_touches_what_lies_outside(onggid, tmp_path, what):
    bird = canary(tmp_path / "outside")
    up = "../" * 40 + str(bird).lstrip("/")
    entries = {
        "dotdot": [entry(up, b"owned")],
        "absolute": [entry(str(bird), b"owned")],
        "link": [symlink("door", str(bird)), entry("door", b"owned")],
        "hardlink": [hardlink("door", up), entry("door", b"owned")],
        "parent-link": [symlink("door", str(bird.parent)), entry("door/canary", b"owned")],
    }[what]
    path = write(tmp_path / "bad.tar", tar([directory("etc"), *entries]))
    result = onggid.onggi("import", path, f"bad-{what}:latest", check=False)
    assert bird.read_text() == "untouched"
    assert sorted(os.listdir(bird.parent)) == ["canary"]
    if result.returncode == 0:
        onggid.onggi("rmi", f"bad-{what}:latest")
    else:
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_device_in_an_image_opens_nothing(onggid, tmp_path):
    """It may be in the image, but what it names cannot be reached from a container."""
    node = entry("disk", kind=tarfile.BLKTYPE, mode=0o666, major=7, minor=0)
    char = entry("kmsg", kind=tarfile.CHRTYPE, mode=0o666, major=1, minor=11)
    layers = [images.busybox_layer(), tar([node, char])]
    docker_archive(tmp_path / "dev.tar", layers, tag="dev:latest")
    onggid.onggi("load", "-i", tmp_path / "dev.tar")
    for name in ("disk", "kmsg"):
        result = onggid.onggi("run", "--rm", "dev:latest", "head", "-c1", f"/{name}", check=False)
        assert result.returncode == 1
        assert "not permitted" in result.stderr or "Permission denied" in result.stderr
    onggid.onggi("rmi", "dev:latest")


def gzip_bomb(path, gib):
    """`gib` GiB of zeros as one file of a tar, compressed to about a thousandth."""
    info = tarfile.TarInfo("zeros")
    info.size = gib << 30
    with open(path, "wb") as out:
        packer = subprocess.Popen(["gzip", "-9"], stdin=subprocess.PIPE, stdout=out)
        packer.stdin.write(info.tobuf(tarfile.GNU_FORMAT))
        block = bytes(1 << 20)
        for _ in range(gib << 10):
            packer.stdin.write(block)
        packer.stdin.write(bytes(1024))
        packer.stdin.close()
        packer.wait()


def test_four_gigabytes_of_zeros_in_four_megabytes_are_refused(refused, tmp_path):
    gzip_bomb(tmp_path / "bomb.tar.gz", 4)
    assert (tmp_path / "bomb.tar.gz").stat().st_size < 5 << 20
    refused("import", tmp_path / "bomb.tar.gz", "bomb:latest", names="times")


def test_no_space_left_is_said_and_the_space_comes_back(start_onggid, small_disk, tmp_path):
    one = start_onggid(["--data-root", small_disk / "data"])
    one.data_root = small_disk / "data"
    path = write(tmp_path / "big.tar", tar([entry("big", os.urandom(40 << 20))]))

    def free():
        about = os.statvfs(small_disk)
        return about.f_bavail * about.f_frsize

    before = free()
    result = one.onggi("import", path, "big:latest", check=False)
    assert result.returncode != 0
    assert "No space left" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert free() > before - (1 << 20)
    assert one.onggi("images", "-q").stdout == ""
    one.onggi("import", write(tmp_path / "small.tar", tar([FILE])), "small:latest")
    one.stop()


def test_a_kernel_that_is_no_kernel_is_named(onggid, tmp_path, prefix):
    """The guest's kernel is the installation's: a copy of it gets a letter in the kernel's place."""
    copy = tmp_path / "root"
    subprocess.run(["cp", "-a", str(prefix), str(copy)], check=True)
    shutil.rmtree(copy / "lib/onggi/guest/small", ignore_errors=True)
    (copy / "lib/onggi/guest/vmlinux").unlink()
    (copy / "lib/onggi/guest/vmlinuz").unlink()
    (copy / "lib/onggi/guest/vmlinuz").write_text("This is no kernel.\n" * 1000)
    onggid.stop()
    kept, onggid.prefix = onggid.prefix, copy
    try:
        onggid.start()
        result = onggid.onggi("run", "--rm", "--isolation", "vm", "busybox:test", "true", check=False)
        assert result.returncode == 125
        assert "vmlinuz" in result.stderr
        assert len([line for line in result.stderr.splitlines() if "vmlinuz" in line]) == 1
        assert onggid.onggi("ps", "-aq").stdout == ""
    finally:
        onggid.stop()
        onggid.prefix = kept
        onggid.start()
