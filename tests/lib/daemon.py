# SPDX-License-Identifier: Apache-2.0
"""An onggid of a test's own: started, talked to, killed, started again, ended."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def wait_for(what, condition, seconds=30):
    """Waits until condition() is true and returns what it gave; fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)
    return result


class Daemon:
    """Every path of this daemon is below `folder`; `prefix` is the installation it runs from."""

    def __init__(self, prefix, folder, options=(), env=None):
        self.prefix = prefix
        self.folder = folder
        self.data_root = folder / "data"
        self.exec_root = folder / "exec"
        self.socket = folder / "onggi.sock"
        self.host = f"unix://{self.socket}"
        self.log = folder / "onggid.log"
        self.options = list(options)
        self.env = {**os.environ, **(env or {})}
        self.process = None

    def start(self):
        command = [self.prefix / "sbin/onggid", "-H", self.host, "--data-root", self.data_root,
                   "--exec-root", self.exec_root, *self.options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.env)
        wait_for("onggid to answer", self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"onggid ended with {self.process.returncode}:\n{self.logged()}")
        try:
            return self.request("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def logged(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def request(self, method, path, body=None, timeout=60, headers=None):
        """One request of the API: (status, decoded JSON or bytes)."""
        connection = UnixConnection(self.socket, timeout)
        try:
            headers = dict(headers or {})
            if body is not None and not isinstance(body, (bytes, bytearray)):
                body = json.dumps(body).encode()
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            if "json" in (answer.getheader("Content-Type") or ""):
                try:
                    return answer.status, json.loads(data) if data else None
                except ValueError:
                    return answer.status, data
            return answer.status, data
        finally:
            connection.close()

    def run(self, program, *words, input=None, check=True, timeout=120, text=True, env=None, **rest):
        """Runs a program; with `check`, a status that is not 0 fails with what it wrote."""
        if input is None:
            rest.setdefault("stdin", subprocess.DEVNULL)
        result = subprocess.run([str(program), *map(str, words)], input=input, timeout=timeout,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text,
                                env={**self.env, **(env or {})}, **rest)
        if check and result.returncode != 0:
            raise AssertionError(f"{program} {' '.join(map(str, words))}: status "
                                 f"{result.returncode}\nstdout: {result.stdout}\n"
                                 f"stderr: {result.stderr}\nonggid: {self.logged()[-2000:]}")
        return result

    def onggi(self, *words, **rest):
        return self.run(self.prefix / "bin/onggi", "-H", self.host, *words, **rest)

    def docker(self, *words, **rest):
        return self.run("docker", "-H", self.host, *words, **rest)

    def kill(self):
        """SIGKILL: as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=30):
        """Removes every workload, then ends the daemon as a service manager would."""
        if self.process is None or self.process.poll() is not None:
            return
        status, workloads = self.request("GET", "/containers/json?all=1")
        for workload in workloads if status == 200 else []:
            self.request("DELETE", f"/containers/{workload['Id']}?force=1&v=1")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"onggid did not end {timeout} s after SIGTERM:\n"
                                 f"{self.logged()[-2000:]}") from None
