# SPDX-License-Identifier: Apache-2.0
"""A VM that is driven through onggi-vmm's API: made, asked, listened to on its serial port."""

import http.client
import json
import pathlib
import re
import socket
import subprocess
import threading
import time


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=300)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def request(path, method, target, body=None):
    """(status, what was answered) of the API at this socket."""
    connection = UnixConnection(path)
    try:
        connection.request(method, target, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    return answer.status, json.loads(text) if text else None


class ApiVm:
    """onggi-vmm with an API socket in `folder`; nothing runs until something is asked for."""

    def __init__(self, program, folder, name, config=None, options=()):
        self.socket = pathlib.Path(folder) / f"{name}.api"
        words = [program, "--api-sock", self.socket, "--id", name, *options]
        if config:
            path = pathlib.Path(folder) / f"{name}.json"
            path.write_text(json.dumps(config))
            words += ["--config-file", path]
        self.lines = []
        self.ended = False
        self.more = threading.Condition()
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self.read, daemon=True).start()
        end = time.monotonic() + 60
        while not self.socket.exists() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)

    def read(self):
        for line in self.process.stdout:
            with self.more:
                self.lines.append(line.decode(errors="replace").rstrip("\r\n"))
                self.more.notify_all()
        with self.more:
            self.ended = True
            self.more.notify_all()

    def text(self):
        return "\n".join(self.lines)

    def hear(self, pattern, since=0, seconds=180):
        """The first match of a line said after the first `since` ones: (match, how many lines then)."""
        end = time.monotonic() + seconds
        with self.more:
            at = since
            while True:
                while at < len(self.lines):
                    at += 1
                    if found := re.search(pattern, self.lines[at - 1]):
                        return found, at
                left = end - time.monotonic()
                if self.ended or left <= 0 or not self.more.wait(left):
                    raise TimeoutError(f"never said {pattern!r}:\n{self.text()[-2000:]}")

    def say(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ask(self, method, target, body=None):
        status, answer = request(self.socket, method, target, body)
        if status not in (200, 204):
            raise RuntimeError(f"{method} {target} {body}: {status} {answer}\n{self.text()[-1000:]}")
        return answer

    def stop(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
