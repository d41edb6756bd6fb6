# SPDX-License-Identifier: Apache-2.0
"""Docker's own command line against onggid: every `docker` that is on this machine."""

import json
import shutil

import pytest

import images

CLIENTS = sorted({path for path in (shutil.which("docker"), "/usr/local/bin/docker",
                                    "/usr/bin/docker") if path and shutil.which(path)})


@pytest.fixture(params=CLIENTS or ["docker"])
def docker(request, onggid, require):
    """docker(words...): a run of the client against the daemon."""
    tool = require.tool(request.param)

    def run(*words, **rest):
        return onggid.run(tool, "-H", onggid.host, *words, **rest)
    return run


def test_run_prints_what_the_workload_says(docker, isolation):
    result = docker("run", "--rm", "--isolation", isolation, "busybox:test", "echo", "hi")
    assert result.stdout == "hi\n"


def test_a_runtime_names_the_isolation_too(docker):
    guest = docker("run", "--rm", "--runtime", "onggi-vm", "busybox:test", "uname", "-r").stdout
    host = docker("run", "--rm", "--runtime", "onggi", "busybox:test", "uname", "-r").stdout
    with open("/proc/sys/kernel/osrelease", encoding="ascii") as file:
        assert host == file.read() != guest


def test_the_exit_status_is_the_workloads(docker, isolation):
    result = docker("run", "--rm", "--isolation", isolation, "busybox:test", "sh", "-c", "exit 42",
                    check=False)
    assert result.returncode == 42


def test_standard_input_reaches_the_workload_to_its_end(docker, isolation):
    text = "".join(f"line {number}\n" for number in range(10000))
    result = docker("run", "--rm", "-i", "--isolation", isolation, "busybox:test", "cat", input=text)
    assert result.stdout == text


def test_create_start_wait_logs_and_rm(docker):
    name = docker("create", "--name", "by-docker", "busybox:test", "sh", "-c",
                  "echo out; echo err >&2; exit 3").stdout.strip()
    assert len(name) == 64
    docker("start", "by-docker")
    assert docker("wait", "by-docker").stdout == "3\n"
    logs = docker("logs", "by-docker")
    assert (logs.stdout, logs.stderr) == ("out\n", "err\n")
    [inspected] = json.loads(docker("inspect", "by-docker").stdout)
    assert inspected["Id"] == name
    assert inspected["State"]["Status"] == "exited" and inspected["State"]["ExitCode"] == 3
    assert "by-docker" in docker("ps", "-a").stdout
    docker("rm", "by-docker")
    assert "by-docker" not in docker("ps", "-a").stdout


def test_stop_ends_a_workload_that_ignores_the_signal(docker):
    docker("run", "-d", "--name", "stubborn", "busybox:test", "sh", "-c",
           "trap '' TERM; echo up; while :; do sleep 1; done")
    docker("stop", "-t", "1", "stubborn")
    [inspected] = json.loads(docker("inspect", "stubborn").stdout)
    assert inspected["State"]["ExitCode"] == 137
    docker("rm", "stubborn")


def test_images_are_loaded_listed_saved_and_removed(docker, tmp_path):
    layer = images.tar([images.directory("etc"), images.entry("etc/mark", b"docker cli\n")])
    images.docker_archive(tmp_path / "in.tar", [images.busybox_layer(), layer], tag="cli:1")
    assert "cli:1" in docker("load", "-i", tmp_path / "in.tar").stdout
    assert "cli" in docker("images").stdout
    assert docker("run", "--rm", "cli:1", "cat", "/etc/mark").stdout == "docker cli\n"
    docker("save", "-o", tmp_path / "out.tar", "cli:1")
    docker("rmi", "cli:1")
    assert "cli:1" not in docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout
    docker("load", "-i", tmp_path / "out.tar")
    assert docker("run", "--rm", "cli:1", "cat", "/etc/mark").stdout == "docker cli\n"
    docker("rmi", "cli:1")


def test_an_image_is_pulled_from_a_registry(docker, onggid, registry, busybox_tar, require):
    skopeo = require.tool("skopeo")
    onggid.run(skopeo, "copy", "-q", "--dest-tls-verify=false", f"docker-archive:{busybox_tar}",
               f"docker://{registry}/cli/busybox:1")
    docker("pull", f"{registry}/cli/busybox:1")
    assert docker("run", "--rm", f"{registry}/cli/busybox:1", "echo", "pulled").stdout == "pulled\n"
    docker("rmi", f"{registry}/cli/busybox:1")


def test_version_and_info_answer(docker):
    assert json.loads(docker("version", "--format", "{{json .Server}}").stdout)["Version"]
    assert json.loads(docker("info", "--format", "{{json .}}").stdout)["Driver"]


def test_an_image_that_is_not_there_is_named_in_the_error(docker):
    result = docker("run", "--rm", "--pull", "never", "no-such-image:1", "true", check=False)
    assert result.returncode == 125
    assert "no-such-image:1" in result.stderr
