# SPDX-License-Identifier: Apache-2.0
"""onggi-vmm's configuration file, command line, log and metrics, with the test guest behind them."""

import contextlib
import json
import os
import re
import signal
import subprocess

import pytest

from vmmapi import KERNEL, Connection, descendants, last_metrics

pytestmark = pytest.mark.usefixtures("guest_kernel")

CONFIG = {
    "boot-source": {"kernel_image_path": str(KERNEL), "boot_args": "rng"},
    "machine-config": {"vcpu_count": 1, "mem_size_mib": 64},
    "drives": [],
    "entropy": {},
}


def run_config(vmm, folder, config, *options):
    (folder / "config.json").write_text(json.dumps(config))
    words = [str(w) for w in (vmm, "--config-file", folder / "config.json", *options)]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def test_a_configuration_file_starts_a_machine(vmm, tmp_path):
    result = run_config(vmm, tmp_path, CONFIG, "--no-api")
    assert (result.returncode, result.stdout, result.stderr) == (0, "filled 64\nrandom\ndone\n", "")


def test_a_configuration_file_goes_with_the_api(launch, tmp_path):
    config = CONFIG | {"boot-source": CONFIG["boot-source"] | {"boot_args": "spin"}}
    (tmp_path / "config").write_text(json.dumps(config))
    machine = launch("--config-file", tmp_path / "config", "--id", "my-vm")
    assert machine.line() == "spinning\n"
    assert machine.get("/") == {"id": "my-vm", "state": "Running", "app_name": "onggi-vmm",
                                "vmm_version": machine.get("/version")["firecracker_version"]}
    shown = machine.get("/vm/config")
    assert shown["machine-config"]["mem_size_mib"] == 64 and shown["drives"] == []


@pytest.mark.parametrize("change, says", [
    ({"boot-source": None}, "missing field `boot-source`"),
    ({"colour": 1}, "unknown field `colour`"),
    ({"machine-config": {"vcpu_count": 99, "mem_size_mib": 64}}, "at `vcpu_count`"),
    ({"drives": [{"drive_id": "a"}]}, "drives[0]: missing field `is_root_device`"),
    ({"boot-source": {"kernel_image_path": "/nonexistent"}}, "open '/nonexistent'"),
])
def test_a_configuration_file_that_is_wrong_says_where(vmm, tmp_path, change, says):
    result = run_config(vmm, tmp_path, CONFIG | change, "--no-api")
    assert result.returncode == 1 and says in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("words, status, says", [
    (["--no-api", "--api-sock", "x"], 1, "--no-api needs --config-file"),
    (["--api-sock", "x", "--kernel", str(KERNEL)], 2, "go with neither"),
    (["--api-sock", "x", "--level", "loud"], 2, "'loud' is no level"),
    (["--api-sock", "x", "--no-seccomp"], 2, "always on"),
    (["--api-sock", "x", "--seccomp-filter", "f"], 2, "built in"),
    (["--api-sock", "x", "--boot-timer"], 2, "no boot timer"),
    (["--api-sock", "x", "--id", "a/b"], 1, "--id 'a/b'"),
    (["--api-sock", "x", "--http-api-max-payload-size", "0"], 2, "no number in range"),
    (["--api-sock", "/nonexistent/x"], 1, "API socket '/nonexistent/x'"),
    (["--api-sock", "y" * 200], 1, "API socket"),
    (["--config-file", "/nonexistent"], 1, "/nonexistent"),
])
def test_options_that_are_wrong_are_named(vmm, tmp_path, words, status, says):
    if words == ["--config-file", "/nonexistent"]:
        words = [*words, "--no-api"]
    result = subprocess.run([str(vmm), *words], cwd=tmp_path, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == status and says in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_socket_that_is_there_is_not_taken_over(vmm, machine):
    result = subprocess.run([vmm, "--api-sock", machine.sock], capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == 1 and "in use" in result.stderr
    assert machine.get("/version")


def test_log_and_metrics_go_to_named_pipes(launch, tmp_path):
    for name in ("log", "metrics"):
        os.mkfifo(tmp_path / name)
    machine = launch("--log-path", tmp_path / "log", "--level", "debug", "--show-level",
                     "--show-log-origin", "--metrics-path", tmp_path / "metrics", "--id", "piped")
    with open(os.open(tmp_path / "log", os.O_RDWR), encoding="utf-8") as log, \
            open(os.open(tmp_path / "metrics", os.O_RDWR), encoding="utf-8") as metrics:
        machine.start("spin")
        assert machine.line() == "spinning\n"
        machine.put("/actions", action_type="FlushMetrics")
        while "Running onggi-vmm" not in (line := log.readline()):
            pass
        assert re.match(r"\S+ \[piped:vmm:INFO:src/vmmapi/vmm\] ", line)
        while "GET request" not in (line := log.readline()):
            if "FlushMetrics" in line or "/actions" in line:
                break
        assert json.loads(metrics.readline())["put_api_requests"]["actions_count"] == 2


def test_a_reset_by_the_keyboard_controller_is_counted(launch, tmp_path):
    machine = launch("--metrics-path", tmp_path / "metrics")
    machine.start("i8042")
    found = last_metrics(machine, tmp_path / "metrics")
    assert (found["i8042"]["reset_count"], found["vmm"]["panic_count"]) == (1, 0)


def test_a_machine_that_is_killed_is_counted(launch, tmp_path):
    machine = launch("--metrics-path", tmp_path / "metrics")
    machine.start("spin")
    machine.line()
    os.kill(descendants(machine.process.pid)[-1], signal.SIGKILL)
    found = last_metrics(machine, tmp_path / "metrics")
    assert (found["i8042"]["reset_count"], found["vmm"]["panic_count"]) == (0, 1)


def test_a_pipe_that_nobody_reads_stops_nothing(launch, tmp_path):
    os.mkfifo(tmp_path / "log")
    machine = launch("--log-path", tmp_path / "log")
    connection = Connection(machine.sock)
    with contextlib.closing(connection):
        for _ in range(1500):
            connection.request("GET", "/version")
            connection.getresponse().read()


def test_a_signal_ends_both_processes_and_removes_the_socket(machine):
    machine.start("spin")
    assert machine.line() == "spinning\n"
    machine.process.send_signal(signal.SIGTERM)
    status, _, errors = machine.ends()
    assert (status, errors) == (1, "onggi-vmm: ended by signal 15\n")
    assert not machine.sock.exists()


def test_versions_of_snapshots_are_said(vmm, tmp_path):
    def ask(*words):
        result = subprocess.run([vmm, *words], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout, result.stderr

    golden = KERNEL.parents[3] / "tests/golden"
    assert ask("--snapshot-version") == (0, "v1.1.0\n", "")
    assert ask("--describe-snapshot", golden / "snapshot-v1.1.state") == (0, "v1.1.0\n", "")
    assert ask("--describe-snapshot", golden / "snapshot-v1.state") == (0, "v1.0.0\n", "")
    (tmp_path / "cut").write_bytes((golden / "snapshot-v1.state").read_bytes()[:-1])
    status, output, errors = ask("--describe-snapshot", tmp_path / "cut")
    assert (status, output) == (1, "") and f"'{tmp_path}/cut'" in errors


def test_the_configuration_has_a_place_for_what_is_the_processs_own(machine):
    shown = machine.get("/vm/config")
    assert shown["logger"] is None and shown["metrics"] is None
