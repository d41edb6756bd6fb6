# SPDX-License-Identifier: Apache-2.0
"""
Fixtures of the end-to-end tests alone; the lab's tests share those in tests/conftest.py.

attack          an attempt that runs once on the real build and once on the weakened one: lib/attacks.py
weakened_build  the folder that tools/build-weakened made
"""

import os
import pathlib

import pytest

import attacks

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def weakened_build(require):
    path = ROOT / "build-weakened"
    if not path.joinpath("cmd/onggi-runtime/onggi-runtime").exists():
        require.lacking(f"no {path}: make weakened")
    return path


@pytest.fixture(scope="session")
def attacker(require):
    path = pathlib.Path(os.environ.get("ONGGI_BUILD", ROOT / "build")) / "tests/tools/og-attacker"
    if not path.exists():
        require.lacking(f"no {path}: ninja -C build")
    return path


@pytest.fixture(params=["real", "weakened"])
def attack(request, prefix, require, weakened_build, attacker, tmp_path, monkeypatch):
    require.root()
    weakened = request.param == "weakened"
    if weakened:
        holes = request.node.get_closest_marker("weakened_by").args
        monkeypatch.setenv("ONGGI_WEAKEN", ",".join(holes))
    program = weakened_build / "cmd/onggi-runtime/onggi-runtime"
    made = attacks.make(prefix, program, attacker, tmp_path, weakened)
    yield made
    made.runtime.clean()
    assert made.judged, "the test never judged its attack"
