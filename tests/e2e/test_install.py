# SPDX-License-Identifier: Apache-2.0
"""An installation is one folder: it may be anywhere, and be moved."""

import pathlib
import shutil
import subprocess

import pytest

import daemon

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def moved(prefix, test_folder):
    """A copy of the installation in a folder with an awkward name."""
    path = test_folder / "moved here, to a büro"
    shutil.copytree(prefix, path, symlinks=True)
    return path


def test_everything_is_where_people_look_for_it(prefix):
    for name in ("bin/onggi", "bin/onggi-runtime", "bin/onggi-vmm", "sbin/onggid",
                 "libexec/onggi/onggi-monitor", "libexec/onggi/onggi-systemd", "lib/onggi/guest/vmlinuz",
                 "lib/onggi/guest/initramfs.cpio", "share/man/man1/onggi.1",
                 "share/man/man8/onggid.8"):
        assert prefix.joinpath(name).is_file(), name


def test_programs_that_start_often_load_no_shared_library(prefix):
    for name in ("bin/onggi", "bin/onggi-runtime", "bin/onggi-vmm", "libexec/onggi/onggi-monitor"):
        out = subprocess.run(["readelf", "-d", prefix / name], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
        assert "NEEDED" not in out, name
        assert "PIE" in out, name


def test_the_hypervisor_is_small(prefix, tmp_path):
    """One runs for each VM, and what is not in it cannot be attacked."""
    subprocess.run(["strip", "-o", tmp_path / "stripped", prefix / "bin/onggi-vmm"], check=True)
    assert tmp_path.joinpath("stripped").stat().st_size <= 400_000


def test_no_program_knows_the_folder_that_it_was_installed_to(prefix):
    for path in [*prefix.joinpath("bin").iterdir(), *prefix.joinpath("sbin").iterdir(),
                 *prefix.joinpath("libexec").rglob("onggi*")]:
        if path.is_file():
            assert str(prefix).encode() not in path.read_bytes(), path


def test_an_installation_that_was_moved_runs_images_both_ways(moved, test_folder, busybox_tar):
    folder = test_folder / "moved-daemon"
    folder.mkdir()
    one = daemon.Daemon(moved, folder)
    one.start()
    try:
        one.onggi("load", "-i", busybox_tar)
        for isolation in ("container", "vm"):
            result = one.onggi("run", "--rm", "--isolation", isolation, "busybox:test", "echo", "hi")
            assert result.stdout == "hi\n"
    finally:
        one.stop()


def test_make_install_puts_nothing_outside_of_its_prefix(tmp_path, prefix):
    if prefix != ROOT / "build/root":
        pytest.skip("the installation under test is not this tree's own")
    target = tmp_path / "there"
    subprocess.run([ROOT / "tools/install-prefix", ROOT / "build", target], check=True,
                   stdout=subprocess.DEVNULL)

    def files(top):
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())

    assert files(target) == files(prefix)
