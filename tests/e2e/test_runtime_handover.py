# SPDX-License-Identifier: Apache-2.0
"""What passes between a caller and its workload beside the bundle: descriptors, pidfd, state."""

import array
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import tempfile

import pytest

import bundles


@pytest.fixture
def runtime(prefix, test_folder, require):
    require.root()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="handover-", dir=test_folder))
    one = bundles.Runtime(prefix, folder)
    yield one
    one.clean()


def receive_pidfd(listener):
    """(words, descriptor)"""
    connection, _ = listener.accept()
    with connection:
        data, control, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(4))
    return data.decode(), array.array("i", control[0][2])[0]


def pid_of(pidfd):
    text = pathlib.Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii")
    return int(re.search(r"^Pid:\s*(\d+)", text, re.MULTILINE)[1])


@pytest.mark.in_lab
def test_the_pidfd_socket_gets_each_process(runtime):
    path = runtime.folder / "pidfd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4)
        listener.settimeout(bundles.TIMEOUT_S)
        flags = ["--pidfd-socket", path]
        name = runtime.create("sleep", "100", flags=flags)
        words, first = receive_pidfd(listener)
        assert words == "standard" and pid_of(first) == runtime.state(name)["pid"]
        runtime.call("start", name)
        subprocess.run([runtime.program, "--root", runtime.root, "exec", "-d", *flags, "--pid-file",
                        runtime.folder / "pid", name, "sleep", "100"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        words, further = receive_pidfd(listener)
        assert words == "setns"
        assert pid_of(further) == int((runtime.folder / "pid").read_text())
    signal.pidfd_send_signal(first, signal.SIGKILL)
    for pidfd in (first, further):  # the end of the first is the end of all
        assert select.select([pidfd], [], [], bundles.TIMEOUT_S)[0]
        os.close(pidfd)


def test_a_pidfd_socket_that_nobody_listens_at_is_an_error(runtime):
    runtime.write()
    result = runtime.call("create", "--bundle", runtime.bundle, "--pidfd-socket", "/nowhere", "no-socket",
                          check=False)
    assert result.returncode == 1 and "--pidfd-socket '/nowhere'" in result.stderr
    assert not (runtime.root / "no-socket").exists()


def run_with_sockets(runtime, env, flags=()):
    """Runs the workload with three open files at 3, 4 and 5, and LISTEN_PID as @env says."""
    runtime.write()
    files = []
    for number in range(3):
        path = runtime.folder / f"file{number}"
        path.write_text(f"file {number}\n")
        files.append(os.open(path, os.O_RDONLY))
    words = [runtime.program, "--root", runtime.root, "run", "--bundle", runtime.bundle, *flags, runtime.name()]
    lines = " ".join(f"{number}</proc/self/fd/{fd}" for number, fd in zip((3, 4, 5), files))
    script = f"exec {lines}; {env} exec \"$@\""
    result = subprocess.run(["bash", "-c", script, "bash", *map(str, words)], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=bundles.TIMEOUT_S, check=False, pass_fds=files)
    for fd in files:
        os.close(fd)
    return result


SAY = "echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; cat /proc/self/fd/3 /proc/self/fd/4; ls /proc/$$/fd; true"


@pytest.mark.in_lab
def test_sockets_of_activation_come_first_and_are_announced(runtime):
    runtime.config["process"]["args"] = ["sh", "-c", SAY]
    runtime.config["process"]["env"] += ["LISTEN_FDS=7"]
    env = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web"
    result = run_with_sockets(runtime, env, ["--preserve-fds", "1"])
    assert result.stdout.splitlines()[:3] == ["1 1 web", "file 0", "file 1"]
    assert "5" not in result.stdout.splitlines()[3:], "what was not handed on is closed"


def test_sockets_of_another_process_are_not_ours(runtime):
    runtime.config["process"]["args"] = ["sh", "-c", "echo .$LISTEN_FDS$LISTEN_PID.; ls /proc/$$/fd; true"]
    result = run_with_sockets(runtime, "LISTEN_PID=1 LISTEN_FDS=1")
    assert result.stdout.splitlines()[0] == ".."
    assert "3" not in result.stdout.splitlines()[1:]


def test_promised_descriptors_that_are_missing_are_an_error(runtime):
    result = runtime.run("true", flags=["--preserve-fds", "900"], check=False)
    assert result.returncode == 1 and "--preserve-fds" in result.stderr


def test_state_and_list_are_complete(runtime):
    runtime.config["annotations"] = {"some.key": "some value"}
    name = runtime.create("sleep", "100")
    state = runtime.state(name)
    assert state == {
        "ociVersion": "1.3.0", "id": name, "pid": state["pid"], "status": "created",
        "bundle": str(runtime.bundle), "rootfs": f"{runtime.bundle}/rootfs", "created": state["created"],
        "owner": "root", "annotations": {"some.key": "some value"}, "isolation": "container"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", state["created"])
    [listed] = json.loads(runtime.call("list", "--format", "json").stdout)
    assert listed == state
    assert pathlib.Path(f"/proc/{state['pid']}").is_dir()
    runtime.call("kill", name, "KILL")
    runtime.wait_for(name, "stopped")
    assert runtime.state(name)["pid"] == 0


@pytest.mark.parametrize("words, text", [
    (["state", "none"], "does not exist"), (["kill", "none", "KILL"], "does not exist"),
    (["start", "none"], "does not exist"), (["exec", "none", "true"], "does not exist"),
    (["delete", "none"], "does not exist")])
def test_errors_reach_the_log_as_engines_read_them(runtime, words, text):
    log = runtime.folder / "log.json"
    result = runtime.call("--log", log, "--log-format", "json", *words, check=False)
    assert result.returncode == 1
    [line] = log.read_text().splitlines()
    entry = json.loads(line)
    assert set(entry) == {"level", "msg", "time"} and entry["level"] == "error"
    assert text in entry["msg"] and entry["msg"] in result.stderr
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", entry["time"])


def test_killing_what_has_ended_is_said_in_the_words_that_engines_look_for(runtime):
    name = runtime.start("true")
    runtime.wait_for(name, "stopped")
    assert "container not running" in runtime.call("kill", name, "TERM", check=False).stderr
    assert "container not running" in runtime.call("exec", name, "true", check=False).stderr
