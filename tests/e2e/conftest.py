# SPDX-License-Identifier: Apache-2.0
"""
Fixtures of the end-to-end tests alone; the lab's tests share those in tests/conftest.py.

runtime         the real onggi-runtime with a bundle: lib/bundles.py
attack          an attempt that runs once on the real build and once on the weakened one: lib/attacks.py
guest_kernel    the small guest of tests/guest, and a /dev/kvm to run it on
guest           the words that boot it; its command line comes last
run_guest       run_guest("word", options...): boots it to its end and gives the result
vmm             the program onggi-vmm
launch          launch(options...): an onggi-vmm with an API, a Machine of lib/vmmapi.py
machine         one that was launched without options
scanner         `onggi scan` with a database of the test's own: lib/scanning.py
inspect         inspect("archive", path): what og-inventory finds there: lib/inventories.py
weakened_build  the folder that tools/build-weakened made
"""

import contextlib
import functools
import json
import os
import pathlib
import re
import subprocess

import pytest

import attacks
import bundles
import scanning
import vmmapi

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What a file says that has a test with this mark.
SAID = {"vm": re.compile(r"mark\.vm\b|def \w+\([^)]*\bisolation\b"), "in_lab": re.compile(r"mark\.in_lab\b")}


@functools.cache
def marks_said(path):
    text = path.read_text()
    return {mark for mark, said in SAID.items() if said.search(text)}


def pytest_ignore_collect(collection_path, config):
    """Leaves files unread that have no test of those that -m asks for: in the lab reading takes minutes."""
    asked = set(re.findall(r"(?<!not )\b(vm|in_lab)\b", config.option.markexpr))
    if not asked or "(" in config.option.markexpr or not collection_path.match("test_*.py"):
        return None
    return not asked & marks_said(collection_path) or None


def pytest_collection_modifyitems(items):
    for item in items:
        lost = {mark.name for mark in item.iter_markers()} & SAID.keys() - marks_said(item.path)
        if lost:
            raise pytest.UsageError(f"{item.nodeid} has the mark {lost.pop()}, which its file does not say as SAID has it")


@pytest.fixture(scope="session")
def guest_kernel(require):
    path = vmmapi.KERNEL
    if not path.exists():
        require.lacking("no build/tests/guest/test-guest: make")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        require.lacking("no usable /dev/kvm")
    return path


@pytest.fixture(scope="session")
def guest(vmm, guest_kernel):
    return [vmm, "--memory", "64", "--serial", "stdio", "--kernel", guest_kernel,
            "--cmdline"]


@pytest.fixture
def run_guest(guest):
    def run(word, *options):
        return subprocess.run([str(w) for w in (*guest, word, *options)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
    return run


@pytest.fixture(scope="session")
def vmm(prefix):
    return prefix / "bin/onggi-vmm"


@pytest.fixture
def launch(vmm, guest_kernel, tmp_path):
    with contextlib.ExitStack() as stack:
        count = iter(range(100))

        def launch_one(*options):
            folder = tmp_path / f"vm{next(count)}"
            folder.mkdir()
            words = [vmm, "--api-sock", folder / "api.sock", *options]
            return stack.enter_context(vmmapi.launched(folder, words))
        yield launch_one


@pytest.fixture
def machine(launch):
    return launch()


@pytest.fixture(scope="session")
def weakened_build(require):
    path = ROOT / "build-weakened"
    if not path.joinpath("cmd/onggi-runtime/onggi-runtime").exists():
        require.lacking(f"no {path}: make weakened")
    return path


@pytest.fixture(scope="session")
def attacker(require):
    return require.built("og-attacker")


@pytest.fixture
def runtime(prefix, require, tmp_path):
    require.root()
    made = bundles.Runtime(prefix, tmp_path)
    yield made
    made.clean()


@pytest.fixture(scope="session")
def inspect(require):
    tool = require.built("og-inventory")

    def run(kind, what, ok=True, stdin=None):
        result = subprocess.run([tool, kind, what], capture_output=True, text=True, timeout=60,
                                check=False, stdin=stdin)
        if not ok:
            assert result.returncode == 1, result.stdout[:500]
            return result.stderr
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)
    return run


@pytest.fixture
def scanner(prefix, require, tmp_path):
    program = prefix / "bin/onggi-trust"
    if not program.exists():
        require.lacking(f"no {program}")
    return scanning.Scanner(program, tmp_path)


@pytest.fixture
def attack_with(prefix, require, weakened_build, attacker, tmp_path, monkeypatch):
    """attack_with("A13") is an attempt with these holes only; without any, on the real build."""
    require.root()
    started = []

    def make(*holes):
        if holes:
            monkeypatch.setenv("ONGGI_WEAKEN", ",".join(holes))
        program = weakened_build / "cmd/onggi-runtime/onggi-runtime"
        started.append(attacks.make(prefix, program, attacker, tmp_path, bool(holes)))
        return started[-1]

    yield make
    for one in started:
        one.runtime.clean()


@pytest.fixture(params=["real", "weakened"])
def attack(request, attack_with):
    weakened = request.param == "weakened"
    made = attack_with(*(request.node.get_closest_marker("weakened_by").args if weakened else ()))
    yield made
    assert made.judged, "the test never judged its attack"


@pytest.fixture
def small_disk(tmp_path, require):
    """A file system of 24 MiB, mounted; its loop device goes with it."""
    require.root()
    backing = tmp_path / "disk"
    with open(backing, "wb") as out:
        out.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(backing)], check=True)
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    subprocess.run(["mount", "-o", "loop", str(backing), str(mount_point)], check=True)
    yield mount_point
    subprocess.run(["umount", "-l", str(mount_point)], check=True)
