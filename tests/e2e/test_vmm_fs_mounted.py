# SPDX-License-Identifier: Apache-2.0
"""The server of shared folders under Linux's own FUSE driver, worked on by programs that verify what they find.

The same driver, over virtio, is seen in tests/lab/test_vmm_on_kvm.py.
"""

import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
FILES, STEPS = 10000, 5000
# Debian has no fsstress. Of stress-ng, what works on names, data and attributes of files, and how often each:
# a round of some makes thousands of files.
STRESSORS = {name: 100 for name in (
    "access", "chmod", "chown", "dir", "dirdeep", "dirmany", "flock", "fstat", "getdent", "hdd", "locka", "lockf",
    "lockofd", "mknod", "open", "rename", "seek", "touch", "utime")}
STRESSORS |= {"copy-file": 10, "dentry": 10, "xattr": 5, "fallocate": 2, "filename": 2, "iomix": 2, "link": 1}


@pytest.fixture
def mounted(require, tmp_path):
    """mounted(*words): runs a program in the shared folder; FOLDER is where the host keeps it."""
    require.root()
    program = require.built("og-fs")
    if not pathlib.Path("/dev/fuse").exists():
        require.lacking("no /dev/fuse: this kernel has no FUSE")
    folder, mountpoint = tmp_path / "folder", tmp_path / "mountpoint"
    folder.mkdir()
    mountpoint.mkdir()

    def run(*words):
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, TOP / "tests/lib/fuse_mount.py",
                   program, folder, mountpoint, *words]
        return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
    run.folder, run.mountpoint = folder, mountpoint
    return run


@pytest.fixture(scope="module")
def guest_tool(tmp_path_factory):
    path = tmp_path_factory.mktemp("tool") / "guest-tool"
    subprocess.run(["gcc", "-O2", "-o", path, TOP / "tests/lab/guest-tool.c"], check=True)
    return path


@pytest.mark.parametrize("work", [["fill", FILES, 3], ["stress", STEPS, 9]], ids=lambda work: work[0])
def test_both_sides_see_the_same_files(mounted, guest_tool, work):
    verb, *numbers = work
    below = mounted.mountpoint / verb
    made = mounted(guest_tool, verb, below, *numbers)
    assert made.returncode == 0, made.stdout
    there = mounted(guest_tool, "sum", below)
    here = subprocess.run([guest_tool, "sum", mounted.folder / verb], stdout=subprocess.PIPE, text=True, check=True)
    assert there.stdout == here.stdout and "entries=" in here.stdout


def test_stress_ng_finds_nothing_wrong(mounted, require):
    words = [word for name, times in STRESSORS.items() for word in (f"--{name}", 1, f"--{name}-ops", times)]
    result = mounted(require.tool("stress-ng"), "--temp-path", mounted.mountpoint, "--verify", "--timeout", "20m",
                     *words)
    assert result.returncode == 0, result.stdout
    assert f"dispatching hogs: {', '.join(f'1 {name}' for name in STRESSORS)}" in result.stdout, "some were left out"
    assert list(mounted.folder.iterdir()) == [], "files are left"
