# SPDX-License-Identifier: Apache-2.0
"""Folders and files of the host in a workload: the same for a container and a VM under onggi-vmm."""

import hashlib
import os
import subprocess

import pytest

FILES = 150  # the lab emulates its processor: a file takes 0.2 s there


@pytest.fixture
def run(onggid, isolation, require):
    """run(words..., status=0): the output of `onggi run --rm --isolation ISOLATION words...`."""
    program = onggid.prefix / "bin/onggi-vmm"
    if isolation == "vm" and subprocess.run([program, "--probe"], check=False, capture_output=True).returncode:
        pytest.skip("QEMU serves here, which shares no folders: the lab has onggi-vmm")

    def run_it(*words, status=0):
        result = onggid.onggi("run", "--rm", "--network", "none", "--isolation", isolation, *words, check=False,
                              timeout=600)  # a lab on a busy machine
        assert result.returncode == status, (words, result.stdout, result.stderr, onggid.logged()[-1000:])
        return result.stdout
    return run_it


def checksum(folder):
    """What `find -type f | sort | xargs cat | sha256sum` says."""
    total = hashlib.sha256()
    for path in sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()):
        total.update((folder / path).read_bytes())
    return total.hexdigest()


SUM = "find . -type f | sort | tr '\\n' '\\0' | xargs -0 cat | sha256sum | cut -d' ' -f1"


def test_a_folder_is_read_and_written(run, tmp_path):
    tmp_path.joinpath("file").write_text("from the host\n")
    out = run("-v", f"{tmp_path}:/data", "busybox:test", "sh", "-c",
              "cat /data/file; mkdir /data/d; echo inside >/data/d/new; ln -s /etc/passwd /data/link; "
              "mv /data/file /data/moved; id -u >/data/uid; chown 12:34 /data/uid; chmod 4711 /data/uid")
    assert out == "from the host\n"
    assert tmp_path.joinpath("d/new").read_text() == "inside\n"
    assert os.readlink(tmp_path / "link") == "/etc/passwd"
    assert not tmp_path.joinpath("file").exists() and tmp_path.joinpath("moved").exists()
    found = tmp_path.joinpath("uid").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (12, 34, 0o4711)


def test_what_is_read_only_is_not_written(run, tmp_path):
    tmp_path.joinpath("file").write_text("kept\n")
    out = run("-v", f"{tmp_path}:/data:ro", "busybox:test", "sh", "-c",
              "cat /data/file; echo x 2>&1 >/data/file || echo refused; touch /data/new || echo refused; "
              "mount -o remount,rw /data; touch /data/new || echo refused")
    assert out.splitlines()[0] == "kept" and out.count("refused") == 3
    assert os.listdir(tmp_path) == ["file"] and tmp_path.joinpath("file").read_text() == "kept\n"


def test_a_single_file_is_mounted(run, tmp_path):
    tmp_path.joinpath("one").write_text("one\n")
    tmp_path.joinpath("other").write_text("other\n")
    out = run("-v", f"{tmp_path}/one:/etc/some/place", "busybox:test", "sh", "-c",
              "cat /etc/some/place; ls /etc/some; echo two >/etc/some/place")
    assert out == "one\nplace\n"
    assert tmp_path.joinpath("one").read_text() == "two\n"


def test_a_named_volume_keeps_what_one_workload_wrote_for_the_next(run, onggid, isolation):
    name = f"kept-{isolation}"
    run("-v", f"{name}:/v", "busybox:test", "sh", "-c", "echo kept >/v/f")
    assert run("-v", f"{name}:/v:ro", "busybox:test", "cat", "/v/f") == "kept\n"
    # A volume that is empty takes over what the image has there.
    assert "sh" in run("-v", f"bin-{isolation}:/bin", "busybox:test", "ls", "/bin").split()
    onggid.onggi("volume", "rm", name, f"bin-{isolation}", check=False)


def test_users_write_as_themselves(run, tmp_path):
    tmp_path.chmod(0o777)
    run("-u", "1234:5678", "-v", f"{tmp_path}:/data", "busybox:test", "sh", "-c", "umask 027; echo x >/data/f")
    found = tmp_path.joinpath("f").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 5678, 0o640)


@pytest.mark.in_lab
def test_many_files_are_the_same_on_both_sides(run, tmp_path):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    for i in range(FILES):
        folder = theirs / f"{i % 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"{i}").write_bytes(os.urandom(i % 5000))
    out = run("-v", f"{tmp_path}:/data", "busybox:test", "sh", "-c",
              f"cd /data/theirs && {SUM}; cp -a /data/theirs/. /data/ours/ && cd /data/ours && {SUM}")
    assert out.split() == [checksum(theirs)] * 2
    assert checksum(ours) == checksum(theirs)


def test_devices_of_the_host_are_refused_for_a_vm(onggid):
    result = onggid.onggi("run", "--rm", "--network", "none", "--isolation", "vm", "-v", "/dev/null:/dev/x",
                          "busybox:test", "true", check=False)
    assert result.returncode != 0 and "/dev/x" in result.stderr
