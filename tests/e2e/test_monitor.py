# SPDX-License-Identifier: Apache-2.0
"""onggi-monitor with the real onggi-runtime and no engine: streams, terminals, execs, its death.

The monitor is started as onggid does it: its folder, monitor.json, the image's mount as descriptor
3, a pipe as descriptor 4; asked as src/monitor/client.h describes it.
"""

import ctypes
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess

import pytest

import daemon

OPEN_TREE, OPEN_TREE_CLONE, AT_FDCWD = 428, 1, -100
NAMESPACES = ["pid", "mount", "ipc", "uts", "network"]


def clone_mount(path):
    """A detached mount of `path`: what the engine hands down as the image."""
    fd = ctypes.CDLL(None, use_errno=True).syscall(OPEN_TREE, AT_FDCWD, os.fsencode(path),
                                                   OPEN_TREE_CLONE | os.O_CLOEXEC)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd


class Workload:
    def __init__(self, prefix, folder, image, args, **config):
        self.prefix, self.folder = prefix, folder
        self.dir = folder / "exec"
        self.state = folder / "state"
        self.root = folder / "runtime"
        for path in (self.dir / "bundle", self.state / "upper", self.state / "work", self.root):
            path.mkdir(parents=True)
        self.tty = config.get("tty", False)
        self.process = {"args": args, "cwd": "/", "env": ["PATH=/bin"], "terminal": self.tty,
                        "user": {"uid": 0, "gid": 0}}
        (self.dir / "bundle/config.json").write_text(json.dumps({
            "ociVersion": "1.0.2", "process": self.process, "root": {"path": "rootfs"},
            "hostname": "here",
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                       {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                        "options": ["newinstance", "ptmxmode=0666", "mode=0620"]}],
            "linux": {"namespaces": [{"type": kind} for kind in NAMESPACES],
                      "cgroupsPath": f"/onggi-test-{os.getpid()}-{folder.name}",
                      "resources": {"memory": {"limit": config.pop("memory", 256 << 20)}}}}))
        (self.dir / "monitor.json").write_text(json.dumps({
            "id": "w", "isolation": "container", "runtime": str(prefix / "bin/onggi-runtime"),
            "runtime_root": str(self.root), "state_dir": str(self.state),
            "upper": str(self.state / "upper"), "work": str(self.state / "work"),
            "log": {"path": str(self.state / "log"), "max_bytes": 1 << 20, "max_files": 3},
            **config}))
        self.ready = self.spawn(image)

    def spawn(self, image):
        lower = clone_mount(image)
        read_end, write_end = os.pipe()

        def place():
            os.dup2(lower, 203)  # above both numbers, so that neither overwrites the other
            os.dup2(write_end, 204)
            os.dup2(203, 3)
            os.dup2(204, 4)
            os.closerange(5, 256)

        subprocess.run([self.prefix / "libexec/onggi/onggi-monitor", "--dir", self.dir],
                       check=True, close_fds=False, preexec_fn=place)
        os.close(lower)
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            return json.loads(pipe.read())

    def ask(self, op, **request):
        """A connection that was asked `op`, and the answer; what follows stays in it."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(120)
        connection.connect(str(self.dir / "monitor.sock"))
        connection.sendall(json.dumps({"op": op, **request}).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            byte = connection.recv(1)
            assert byte, (op, line)
            line += byte
        return connection, json.loads(line)

    def attach(self, **streams):
        connection, answer = self.ask("attach", **{"in": False, "out": True, "err": True,
                                                   **streams})
        assert answer == {"ok": True}
        return connection

    def start(self):
        assert self.ask("start")[1] == {"ok": True}

    def wait(self):
        return self.ask("wait")[1]

    def left(self):
        """What it left in exit.json, once its monitor is gone."""
        daemon.wait_for("the monitor to end",
                        lambda: not os.path.exists(f"/proc/{self.ready['monitor_pid']}"))
        return json.loads((self.state / "exit.json").read_text())

    def clean(self):
        subprocess.run([self.prefix / "bin/onggi-runtime", "--root", self.root, "delete",
                        "--force", "w"], check=False, capture_output=True)


def frames(connection):
    """{1: all of stdout, 2: all of stderr} until the end."""
    streams = {1: [], 2: []}
    with connection.makefile("rb") as file:
        while header := file.read(8):
            stream, size = struct.unpack(">BxxxI", header)
            streams[stream].append(file.read(size))
    return {stream: b"".join(parts) for stream, parts in streams.items()}


def everything(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture(scope="module")
def image(test_folder, require):
    require.root()
    folder = test_folder / "monitor-image"
    (folder / "bin").mkdir(parents=True)
    for name in ("proc", "dev", "etc", "tmp"):
        (folder / name).mkdir()
    shutil.copy("/bin/busybox", folder / "bin/busybox")
    for name in subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True,
                               text=True).stdout.split():
        if name != "busybox":
            (folder / "bin" / name).symlink_to("busybox")
    return folder


@pytest.fixture
def make(request, prefix, test_folder, image, require):
    if not prefix.joinpath("bin/onggi-runtime").exists():
        require.lacking("no onggi-runtime is installed")
    made = []

    def run(*args, **config):
        folder = test_folder / f"monitor-{request.node.name[:40]}-{len(made)}"
        made.append(Workload(prefix, folder, image, list(args), **config))
        return made[-1]
    yield run
    for one in made:
        if one.ready.get("monitor_pid"):
            try:
                os.kill(one.ready["monitor_pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
        one.clean()


def test_a_workload_runs_to_its_end_and_leaves_its_status(make):
    workload = make("sh", "-c", "echo out; echo err >&2; hostname; echo x >/new; exit 7")
    assert workload.ready["pid"] > 0
    stream = workload.attach()
    workload.start()
    assert frames(stream) == {1: b"out\nhere\n", 2: b"err\n"}
    assert workload.left()["status"] == 7
    assert (workload.state / "upper/new").read_text() == "x\n"
    texts = [json.loads(line) for line in (workload.state / "log").read_text().splitlines()]
    assert [(line["stream"], line["log"]) for line in texts if line["stream"] == "stderr"] == [
        ("stderr", "err\n")]
    assert not list(workload.root.iterdir())


def test_a_program_that_is_not_there_is_told_at_once(make):
    workload = make("nothing-like-it")
    if "error" in workload.ready:
        assert "nothing-like-it" in workload.ready["error"]
    else:
        assert "nothing-like-it" in workload.ask("start")[1]["error"]


def test_a_hundred_megabytes_come_out_unharmed(make):
    workload = make("sh", "-c", "seq 1 12600000")
    stream = workload.attach()
    workload.start()
    digest, size = hashlib.sha256(), 0
    with stream.makefile("rb") as file:
        while header := file.read(8):
            part = file.read(struct.unpack(">BxxxI", header)[1])
            digest.update(part)
            size += len(part)
    expected = hashlib.sha256()
    for start in range(1, 12600001, 100000):
        expected.update("".join(f"{n}\n" for n in range(start, start + 100000)).encode())
    assert size > 100_000_000 and digest.digest() == expected.digest()
    kept = sum(path.stat().st_size for path in workload.state.glob("log*"))
    assert kept <= 3 << 20


def test_standard_input_reaches_its_end(make):
    workload = make("wc", "-c", open_stdin=True, stdin_once=True)
    stream = workload.attach(**{"in": True})
    workload.start()
    stream.sendall(b"x" * 3_000_000)
    stream.shutdown(socket.SHUT_WR)
    assert frames(stream)[1] == b"3000000\n"


def test_a_terminal_is_raw_and_can_be_resized(make):
    workload = make("sh", "-c", "stty -echo; echo up; read x; stty size; exit 3", tty=True,
                    open_stdin=True, stdin_once=True, rows=33, columns=77)
    stream = workload.attach(**{"in": True})
    workload.start()
    seen = b""
    while b"up" not in seen:
        seen += stream.recv(4096)
    assert workload.ask("resize", rows=40, columns=90)[1] == {"ok": True}
    stream.sendall(b"\n")
    seen += everything(stream)
    assert b"40 90" in seen
    assert workload.left()["status"] == 3


def test_execs_have_streams_terminals_and_statuses_of_their_own(make):
    workload = make("sleep", "1000")
    workload.start()
    plain = {**workload.process, "args": ["sh", "-c", "cat; hostname >&2; exit 9"]}
    stream, answer = workload.ask("exec", id="e1", process=plain,
                                  **{"in": True, "out": True, "err": True})
    assert answer["ok"] and answer["pid"] > 0
    stream.sendall(b"ping")
    stream.shutdown(socket.SHUT_WR)
    assert frames(stream) == {1: b"ping", 2: b"here\n"}
    assert workload.ask("exec_wait", exec="e1")[1]["status"] == 9
    terminal = {**workload.process, "terminal": True, "args": ["sh", "-c", "stty size; tty"]}
    stream, answer = workload.ask("exec", id="e2", process=terminal, tty=True, rows=12, columns=34,
                                  out=True)
    assert answer["ok"]
    assert b"12 34\r\n/dev/pts/" in everything(stream)
    _, answer = workload.ask("exec", id="e3", process={**plain, "args": ["nothing-like-it"]},
                             out=True)
    assert "nothing-like-it" in answer.get("error", "") or \
        workload.ask("exec_wait", exec="e3")[1]["status"] == 127
    assert workload.ask("kill", signal=9)[1] == {"ok": True}
    assert workload.wait()["status"] == 137


def test_a_signal_is_the_workloads_to_handle(make):
    workload = make("sh", "-c", "trap 'echo got; exit 5' TERM; echo up; while :; do sleep 0.1; done")
    stream = workload.attach()
    workload.start()
    assert stream.recv(11, socket.MSG_WAITALL)[8:] == b"up\n"
    workload.ask("kill", signal=15)
    assert frames(stream)[1] == b"got\n"


def test_out_of_memory_is_known(make):
    workload = make("sh", "-c", "head -c 200m /dev/zero | tail -c 199m | wc -c",
                    memory=16 << 20)
    workload.start()
    assert workload.wait()["oom_killed"] is True


def test_two_hundred_clients_that_do_not_read_cost_little(make):
    workload = make("sh", "-c", "while :; do echo 0123456789012345678901234567890123456789; done")
    workload.start()
    clients = []
    for _ in range(200):
        clients.append(workload.attach())
    status = pathlib.Path(f"/proc/{workload.ready['monitor_pid']}/status").read_text()
    [resident] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    assert resident < 100_000  # KiB: 256 KiB for each, and no more however long it lasts
    for client in clients:
        client.close()
    workload.ask("kill", signal=9)
    assert workload.wait()["status"] == 137


def test_a_killed_monitor_leaves_only_what_delete_removes(make):
    workload = make("sleep", "1000")
    workload.start()
    os.kill(workload.ready["monitor_pid"], signal.SIGKILL)
    daemon.wait_for("the monitor to be gone",
                    lambda: not os.path.exists(f"/proc/{workload.ready['monitor_pid']}"))
    workload.clean()
    daemon.wait_for("the workload to be gone",
                    lambda: not os.path.exists(f"/proc/{workload.ready['pid']}"))
    assert str(workload.dir) not in pathlib.Path("/proc/mounts").read_text()
    assert not list(workload.root.iterdir())
