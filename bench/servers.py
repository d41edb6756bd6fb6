# SPDX-License-Identifier: Apache-2.0
"""Servers that the benchmarks start for themselves: onggid, dockerd, a registry."""

import contextlib
import pathlib
import shutil
import subprocess
import sys

import common

sys.path.insert(0, str(common.TOP / "tests/lib"))
import daemon  # noqa: E402


@contextlib.contextmanager
def process(words, log, ready):
    """A server, from when it is ready to the end of the block."""
    with open(log, "ab") as sink:
        server = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                  stdout=sink, stderr=sink)
    try:
        def check():
            if server.poll() is not None:
                raise RuntimeError(f"{words[0]} ended: {pathlib.Path(log).read_text()[-2000:]}")
            return ready()
        daemon.wait_for(str(words[0]), check, 60)
        yield server
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextlib.contextmanager
def onggid(prefix, folder):
    """A daemon.Daemon with everything below `folder`, which is removed afterwards."""
    folder.mkdir()
    one = daemon.Daemon(prefix, folder)
    try:
        yield one.start()
    finally:
        one.stop()
        shutil.rmtree(folder)


@contextlib.contextmanager
def dockerd(folder):
    """dockerd of its own, without a network; yields the words that begin each docker command."""
    folder.mkdir()
    host = f"unix://{folder}/docker.sock"
    program = shutil.which("dockerd", path="/usr/sbin:/usr/bin")
    words = [program, "-H", host, "--data-root", folder / "data", "--exec-root", folder / "exec",
             "--pidfile", folder / "pid", "--bridge=none", "--iptables=false", "--ip-forward=false"]
    docker = ["docker", "-H", host]

    def ready():
        return subprocess.run([*docker, "version"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0

    try:
        with process(words, folder / "log", ready):
            yield docker
    finally:
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            if line.split()[4].startswith(f"{folder}/"):
                subprocess.run(["umount", "-l", line.split()[4]], check=False)
        shutil.rmtree(folder)


@contextlib.contextmanager
def registry(data, folder):
    """Debian's docker-registry over `data`; yields its address."""
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "registry.yml"
    config.write_text("version: 0.1\nlog: {level: error}\n"
                      f"storage: {{filesystem: {{rootdirectory: {data}}}}}\n"
                      f'http: {{addr: "127.0.0.1:{port}"}}\n')

    def ready():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with process(["docker-registry", "serve", config], folder / "registry.log", ready):
        yield f"127.0.0.1:{port}"
