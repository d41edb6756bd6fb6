# SPDX-License-Identifier: Apache-2.0
"""tools/run-tests: what counts as passed when a test fails and then passes."""

import importlib.machinery
import importlib.util
import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
# Passes but for the runs whose numbers are in FAILS.
TEST = """
import pathlib
def test_{name}():
    runs = pathlib.Path(__file__).with_suffix(".{name}")
    count = len(runs.read_text()) if runs.exists() else 0
    runs.write_text("." * (count + 1))
    assert count not in {fails}
def test_{name}_of_no_interest():
    pass
"""


@pytest.fixture
def run_tests(tmp_path):
    """run_tests({name: fails}): what a phase of those tests comes to, as text."""
    loader = importlib.machinery.SourceFileLoader("run_tests", str(TOP / "tools/run-tests"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    loader.exec_module(module)
    module.TOP, module.LOGS = tmp_path, tmp_path / "logs"
    module.LOGS.mkdir()
    tmp_path.joinpath("pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")

    def run(tests):
        folder = tmp_path / "tests/e2e"
        folder.mkdir(parents=True)
        folder.joinpath("test_them.py").write_text(
            "".join(TEST.format(name=name, fails=fails) for name, fails in tests.items()))
        junit = module.LOGS / "phase.junit.xml"
        words = [sys.executable, "-m", "pytest", "tests/e2e", f"--junitxml={junit}"]
        return str(module.run_phase("phase", 60, [words], junit, {"PYTHONDONTWRITEBYTECODE": "1"}))
    return run


def test_one_that_fails_once_is_counted_as_passed_and_named(run_tests, capsys):
    assert run_tests({"a": [0], "b": []}) == "4 passed, 0 failed"
    said = capsys.readouterr().out
    assert "unsteady: tests/e2e/test_them.py::test_a failed once" in said and "test_b" not in said


@pytest.mark.parametrize("fails", [[0, 1], [0, 2]])
def test_one_that_fails_twice_of_three_times_has_failed(run_tests, capsys, fails):
    assert run_tests({"a": fails, "b": []}) == "3 passed, 1 failed"
    assert "unsteady" not in capsys.readouterr().out


def test_many_that_fail_are_not_tried_again(run_tests, tmp_path):
    assert run_tests({name: [0] for name in "abcd"}) == "4 passed, 4 failed"
    assert not tmp_path.joinpath("logs/phase-again.log").exists()
