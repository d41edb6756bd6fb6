# SPDX-License-Identifier: Apache-2.0
"""A running onggi-vmm, and how to ask its API."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

KERNEL = pathlib.Path(__file__).resolve().parents[2] / "build/tests/guest/test-guest"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Machine:
    """A running onggi-vmm with an API."""

    def __init__(self, process, folder):
        self.process, self.folder, self.sock = process, folder, folder / "api.sock"

    def ask(self, method, path, body=None):
        """(status, document or None, headers)"""
        connection = Connection(self.sock)
        with contextlib.closing(connection):
            text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
            connection.request(method, path, text)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None, answer.headers

    def get(self, path):
        status, document, _ = self.ask("GET", path)
        assert status == 200, document
        return document

    def put(self, path, **body):
        status, document, _ = self.ask("PUT", path, body)
        assert status == 204, document

    def patch(self, path, **body):
        status, document, _ = self.ask("PATCH", path, body)
        assert status == 204, document

    def refused(self, method, path, body=None):
        status, document, _ = self.ask(method, path, body)
        assert status == 400, document
        return document["fault_message"]

    def configure(self, word, **machine):
        self.put("/machine-config", **({"vcpu_count": 1, "mem_size_mib": 64} | machine))
        self.put("/boot-source", kernel_image_path=str(KERNEL), boot_args=word)

    def start(self, word, **machine):
        self.configure(word, **machine)
        self.put("/actions", action_type="InstanceStart")

    def line(self):
        return self.process.stdout.readline().decode()

    def ends(self):
        output, errors = self.process.communicate(timeout=120)
        return self.process.returncode, output.decode(), errors.decode()


def listens(path):
    with socket.socket(socket.AF_UNIX) as stream, contextlib.suppress(OSError):
        stream.connect(str(path))
        return True
    return False


@contextlib.contextmanager
def launched(folder, words):
    """The Machine that these words start, once it listens at FOLDER/api.sock; it is killed at the end."""
    with subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            while not listens(folder / "api.sock"):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            yield Machine(process, folder)
        finally:
            process.kill()


def descendants(pid):
    found = [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
             for child in (task / "children").read_text().split()]
    return found + [further for child in found for further in descendants(child)]


def snapshot(machine, folder, kind="Full"):
    machine.patch("/vm", state="Paused")
    machine.put("/snapshot/create", snapshot_path=str(folder / "state"), snapshot_type=kind,
                mem_file_path=str(folder / "memory"))


def load(machine, folder, **more):
    machine.put("/snapshot/load", snapshot_path=str(folder / "state"),
                mem_backend={"backend_type": "File", "backend_path": str(folder / "memory")}, **more)


def end(path):
    """Ends who listens at the socket, which is nobody's child here."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(path))
        pid, _, _ = struct.unpack("3i", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    os.kill(pid, signal.SIGTERM)
    while path.exists():
        time.sleep(0.01)


def last_metrics(machine, path):
    """What it counted since its last line but one, once it has ended."""
    machine.process.wait(60)
    return json.loads(path.read_text().splitlines()[-1])
