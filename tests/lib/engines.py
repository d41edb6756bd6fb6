# SPDX-License-Identifier: Apache-2.0
"""Foreign engines that drive onggi-runtime: containerd, Docker's daemon, Podman.

Each has every path of its own below one folder, no network but loopback, and no other runtime to
fall back on: `runc` and `crun` in its PATH are programs that fail. stop() ends what it started, by
pid, and removes its own cgroups.
"""

import fcntl
import glob
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

from daemon import wait_for

TIMEOUT_S = 60
# Says the terminal's size as soon as it has one, and again when that is 33 by 77.
ASK_SIZE = "for size in '[1-9]' '33 77'; do until stty size 2>/dev/null | grep \"$size\"; do sleep 0.02; done; done; "
CLIENT_ENV = {"DOCKER_BUILDKIT": "0", "DOCKER_CLI_HINTS": "false"}


def failing_runtimes(folder):
    """A folder to be first in PATH, whose runtimes all fail."""
    folder.mkdir()
    for name in ("runc", "crun", "youki", "runsc"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} was called instead of onggi-runtime' >&2\nexit 70\n")
        program.chmod(0o755)
    return folder


def overlay_works(folder):
    """Whether an overlay's writable layer can lie there: not on 9p, nor on another overlay."""
    for name in ("lower", "upper", "work", "merged"):
        (folder / "try" / name).mkdir(parents=True)
    base = folder / "try"
    options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
    tried = subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", base / "merged"],
                           stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if tried.returncode == 0:
        subprocess.run(["umount", base / "merged"], check=True)
    shutil.rmtree(base)
    return tried.returncode == 0


def remove_cgroups(name):
    """Removes the groups `name` at the top of each hierarchy: engines leave the parent they were told."""
    for top in ["/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*/")]:
        for path, _, _ in os.walk(os.path.join(top, name), topdown=False):
            os.rmdir(path)


class Terminal:
    """A program on a terminal of `rows` by `columns`, as a person has it."""

    def __init__(self, words, env, rows=30, columns=100):
        self.master, slave = pty.openpty()
        self.set_size(rows, columns)
        self.process = subprocess.Popen(
            [str(word) for word in words], stdin=slave, stdout=slave, stderr=slave, env=env,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.seen = ""

    def set_size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize_until(self, rows, columns, pattern):
        """Clients begin to listen for a new size at some time after the start."""
        self.set_size(rows, columns)

        def seen():
            self.process.send_signal(signal.SIGWINCH)
            self.read_some(0.05)
            return re.search(pattern, self.seen)
        wait_for(f"'{pattern}' on a terminal of another size", seen)

    def type(self, text):
        os.write(self.master, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def wait_for(self, pattern, seconds=TIMEOUT_S):
        """Reads until `pattern` (a regular expression) was seen; what came before it is forgotten."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            if time.monotonic() > end or not self.read_some(0.5):
                raise AssertionError(f"no '{pattern}' on the terminal, but: {self.seen!r}")
        self.seen = self.seen[found.end():]
        return found

    def read_some(self, seconds):
        """Whether there may be more."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # nobody has the other side open any more
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def end(self):
        """What is left to read, and the exit status."""
        while self.read_some(TIMEOUT_S):
            continue
        os.close(self.master)
        return self.seen, self.process.wait(TIMEOUT_S)


class Engine:
    """What the three have in common: a folder, an environment, a way to call a program."""

    def __init__(self, folder, runtime):
        folder.mkdir(mode=0o755)
        self.folder = folder
        self.runtime = pathlib.Path(runtime)
        self.cgroup = f"og-{folder.name}-{os.getpid()}"
        self.log = folder / "log"
        self.process = None
        self.env = {**os.environ, **CLIENT_ENV, "HOME": str(folder),
                    "PATH": f"{failing_runtimes(folder / 'first')}:{os.environ['PATH']}:/usr/sbin:/sbin"}
        for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"):
            self.env.pop(name, None)

    def start_daemon(self, words):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.env, cwd=self.folder,
                                            start_new_session=True)

    def answers(self, words):
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}:\n{self.logged()}")
        return subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, env=self.env,
                              capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 0

    def logged(self):
        return self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""

    def call(self, words, check=True, input=None, env=None, **rest):
        """Runs a program of the engine's; with `check`, a status that is not 0 fails with what it wrote."""
        if input is None:
            rest.setdefault("stdin", subprocess.DEVNULL)
        result = subprocess.run([str(word) for word in words], input=input, text=True, errors="replace",
                                capture_output=True, timeout=TIMEOUT_S, check=False,
                                env={**self.env, **(env or {})}, cwd=self.folder, **rest)
        if check and result.returncode != 0:
            words = " ".join(str(word) for word in words)
            raise AssertionError(f"{words}: status {result.returncode}\nstdout: {result.stdout}\n"
                                 f"stderr: {result.stderr}\n{self.logged()}")
        return result

    def end_daemon(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def unmount(self, below):
        for line in reversed(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
            point = line.split()[4]
            if point == str(below) or point.startswith(f"{below}/"):
                subprocess.run(["umount", point], check=True)


class Containerd(Engine):
    """containerd without its CRI plugin. ctr("run", ...) is its command line."""

    # Those that look for devices or programs of their own, or make a folder outside of ours (opt).
    DISABLED = ("grpc.v1.cri", "internal.v1.opt", "internal.v1.tracing", "snapshotter.v1.aufs",
                "snapshotter.v1.btrfs", "snapshotter.v1.devmapper", "snapshotter.v1.zfs")

    def __init__(self, folder, runtime):
        super().__init__(folder, runtime)
        self.socket = folder / "c.sock"
        self.snapshotter = "overlayfs" if overlay_works(folder) else "native"
        plugins = json.dumps([f"io.containerd.{name}" for name in self.DISABLED])
        (folder / "config.toml").write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
            f'disabled_plugins = {plugins}\n[grpc]\n  address = "{self.socket}"\n')

    def start(self):
        self.start_daemon(["containerd", "--config", self.folder / "config.toml"])
        wait_for("containerd to answer", lambda: self.answers([*self.command(), "version"]))
        return self

    def command(self):
        return ["ctr", "--address", self.socket]

    def ctr(self, *words, **rest):
        return self.call([*self.command(), *words], **rest)

    def run_words(self, name, flags):
        return ["run", "--runc-binary", self.runtime, "--runc-root", self.folder / "runc",
                "--snapshotter", self.snapshotter, "--cgroup", f"/{self.cgroup}/{name}", *flags]

    def run(self, name, *words, flags=(), **rest):
        """ctr run: flags stand before the image."""
        return self.ctr(*self.run_words(name, flags), "docker.io/library/busybox:test", name, *words, **rest)

    def status(self, name):
        for line in self.ctr("task", "list").stdout.splitlines():
            if line.split()[0] == name:
                return line.split()[2]
        return None

    def remove(self, name):
        """Whatever state it is in."""
        if self.status(name) is not None:
            self.ctr("task", "kill", "-s", "KILL", name, check=False)
            wait_for(f"{name} to end", lambda: self.status(name) == "STOPPED")
            self.ctr("task", "rm", name)
        self.ctr("container", "rm", name)

    def stop(self):
        try:
            for name in self.ctr("container", "list", "-q").stdout.split():
                self.remove(name)
        finally:
            self.end_daemon()
            remove_cgroups(self.cgroup)


class Docker(Engine):
    """dockerd, with a containerd of its own, and Docker's command line: docker("run", ...)."""

    def __init__(self, folder, runtime, options=()):
        super().__init__(folder, runtime)
        self.containerd = Containerd(folder / "containerd", runtime)
        self.containerd.env = self.env
        self.socket = folder / "d.sock"
        self.env["DOCKER_HOST"] = f"unix://{self.socket}"
        self.env["DOCKER_CONFIG"] = str(folder)
        # Debian's client first: it is the one that belongs to Debian's daemon.
        self.client = "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"
        self.options = list(options)
        (folder / "daemon.json").write_text(json.dumps({"deprecated-key-path": f"{folder}/key.json"}))

    def start(self):
        self.containerd.start()
        driver = "overlay2" if self.containerd.snapshotter == "overlayfs" else "vfs"
        self.start_daemon([
            "dockerd", "--config-file", self.folder / "daemon.json", "--data-root", self.folder / "data",
            "--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid",
            "--host", f"unix://{self.socket}", "--containerd", self.containerd.socket,
            "--storage-driver", driver, "--cgroup-parent", f"/{self.cgroup}", "--bridge=none",
            "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
            "--userland-proxy=false", "--add-runtime", f"onggi={self.runtime}", *self.options])
        wait_for("dockerd to answer", lambda: self.answers([self.client, "version"]))
        return self

    def docker(self, *words, **rest):
        return self.call([self.client, *words], **rest)

    def run(self, *words, flags=(), **rest):
        """docker run --rm of the test image, without a network."""
        return self.docker("run", "--rm", "--network", "none", *flags, "busybox:test", *words, **rest)

    def begin(self, name, *words, flags=()):
        self.docker("run", "-d", "--name", name, "--network", "none", *flags, "busybox:test", *words)
        return name

    def inspect(self, name):
        [found] = json.loads(self.docker("inspect", name).stdout)
        return found

    def terminal(self, *words, **rest):
        return Terminal([self.client, *words], self.env, **rest)

    def stop(self):
        try:
            for name in self.docker("ps", "-aq").stdout.split():
                self.docker("rm", "-f", name)
        finally:
            self.end_daemon()
            self.containerd.stop()
            self.unmount(self.folder / "exec/netns")  # dockerd keeps those of past workloads
            self.unmount(self.folder / "data")  # mounted on itself where / is a private mount
            remove_cgroups(self.cgroup)


class Podman(Engine):
    """Podman has no daemon: podman("run", ...) with a configuration of its own."""

    CACHE = pathlib.Path("/var/lib/containers/cache")  # nothing moves this one

    def __init__(self, folder, runtime):
        super().__init__(folder, runtime)
        driver = "overlay" if overlay_works(folder) else "vfs"
        limits = json.dumps(["nofile=1024:1024", "nproc=4096:4096"])  # more takes CAP_SYS_RESOURCE
        self.had_cache = self.CACHE.exists()
        (folder / "net").mkdir()
        (folder / "containers.conf").write_text(f"""
[containers]
cgroupns = "private"
default_ulimits = {limits}
log_driver = "k8s-file"
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "onggi"
tmp_dir = "{folder}/tmp"
[engine.runtimes]
onggi = ["{runtime}"]
crun = ["{folder}/first/crun"]
runc = ["{folder}/first/runc"]
[network]
network_config_dir = "{folder}/net"
""")
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "{driver}"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/graph"\n')
        (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.env.update({
            "CONTAINERS_CONF": f"{folder}/containers.conf", "CONTAINERS_REGISTRIES_CONF": "/dev/null",
            "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf", "TMPDIR": str(folder)})

    def podman(self, *words, **rest):
        return self.call(["podman", *words], **rest)

    def load(self, path):
        self.podman("load", "--signature-policy", self.folder / "policy.json", "-i", path)

    def flags(self):
        return ["--network", "none", "--pull", "never", "--cgroup-parent", f"/{self.cgroup}"]

    def run(self, *words, flags=(), **rest):
        return self.podman("run", "--rm", *self.flags(), *flags, "busybox:test", *words, **rest)

    def begin(self, name, *words, flags=()):
        self.podman("run", "-d", "--name", name, *self.flags(), *flags, "busybox:test", *words)
        return name

    def inspect(self, name):
        [found] = json.loads(self.podman("inspect", name).stdout)
        return found

    def terminal(self, *words, **rest):
        return Terminal(["podman", *words], self.env, **rest)

    def stop(self):
        try:
            self.podman("rm", "--all", "--force", "--time", "0")
            self.podman("rmi", "--all", "--force")
        finally:
            self.unmount(self.folder)
            if not self.had_cache:
                shutil.rmtree(self.CACHE, ignore_errors=True)
            wait_for("podman's groups to be empty", self.cgroups_are_gone)

    def cgroups_are_gone(self):
        try:
            remove_cgroups(self.cgroup)
        except OSError:  # a conmon is just ending in it
            return False
        return True
