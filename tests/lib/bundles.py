# SPDX-License-Identifier: Apache-2.0
"""OCI bundles with busybox in them, and onggi-runtime to run them with."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

BUSYBOX = pathlib.Path("/bin/busybox")
TIMEOUT_S = 60


def make_root(path):
    """A small root file system."""
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "home/user"):
        path.joinpath(folder).mkdir(parents=True)
    shutil.copy(BUSYBOX, path / "bin/busybox")
    names = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout
    for name in names.split():
        if name != "busybox":
            path.joinpath("bin", name).symlink_to("busybox")
    path.joinpath("etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
    return path


class Runtime:
    """One state folder, one bundle that tests change as they like, and the program."""

    def __init__(self, prefix, folder):
        self.program = prefix / "bin/onggi-runtime"
        self.folder = folder
        self.root = folder / "state"
        self.bundle = folder / "bundle"
        self.rootfs = make_root(self.bundle / "rootfs")
        self.count = 0
        self.config = self.default_config()

    def default_config(self):
        path = self.bundle / "config.json"
        path.unlink(missing_ok=True)
        subprocess.run([self.program, "spec", "--bundle", self.bundle], check=True, timeout=TIMEOUT_S)
        config = json.loads(path.read_text())
        config["process"]["terminal"] = False
        config["root"]["readonly"] = False
        return config

    def write(self):
        (self.bundle / "config.json").write_text(json.dumps(self.config))

    def name(self):
        self.count += 1
        return f"og-test-{os.getpid()}-{self.count}"

    def call(self, *words, check=True, **rest):
        rest.setdefault("stdin", subprocess.DEVNULL)
        result = subprocess.run([self.program, "--root", self.root, *map(str, words)], timeout=TIMEOUT_S,
                                capture_output=True, text=True, errors="replace", check=False, **rest)
        if check:
            assert result.returncode == 0, f"{words}: {result.returncode}: {result.stderr}"
        return result

    def run(self, *args, check=True, flags=(), **rest):
        """Runs a program in a new workload to its end."""
        if args:
            self.config["process"]["args"] = list(args)
        self.write()
        return self.call("run", "--bundle", self.bundle, *flags, self.name(), check=check, **rest)

    def sh(self, script, check=True, **rest):
        return self.run("/bin/sh", "-c", script, check=check, **rest).stdout

    def create(self, *args, flags=()):
        """Creates a workload; its streams are /dev/null. Returns its name."""
        if args:
            self.config["process"]["args"] = list(args)
        self.write()
        name = self.name()
        subprocess.run([self.program, "--root", self.root, "create", "--bundle", self.bundle, *flags, name],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=TIMEOUT_S, check=True)
        return name

    def start(self, *args, flags=()):
        name = self.create(*args, flags=flags)
        self.call("start", name)
        return name

    def state(self, name):
        return json.loads(self.call("state", name).stdout)

    def wait_for(self, name, status):
        end = time.monotonic() + TIMEOUT_S
        while self.state(name)["status"] != status:
            assert time.monotonic() < end, f"{name} never became {status}"
            time.sleep(0.01)

    def clean(self):
        if self.root.is_dir():
            for entry in os.listdir(self.root):
                self.call("delete", "--force", entry)
        # pytest keeps a test's folder; hundreds of root file systems are too many.
        subprocess.run(["rm", "-rf", "--one-file-system", self.rootfs], check=False, timeout=TIMEOUT_S)


def left(word):
    """cgroups, mounts and processes whose names have `word` in them."""
    found = [path for path, _, _ in os.walk("/sys/fs/cgroup") if word in path]
    found += [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if word in line]
    for entry in os.listdir("/proc"):
        try:
            if not entry.isdigit():
                continue
            lines = pathlib.Path("/proc", entry, "cgroup").read_text().splitlines()
            state = pathlib.Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        # What is dying or dead may still be listed; only that has a group that is gone.
        if state != "Z" and any(word in line and not line.endswith("(deleted)") for line in lines):
            found.append(f"process {entry}")
    return found


def receive_terminal(listener):
    """The master that a runtime sends to a console socket."""
    connection, _ = listener.accept()
    with connection:
        _, fds, _, _ = socket.recv_fds(connection, 64, 1)
    return fds[0]
