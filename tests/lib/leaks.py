# SPDX-License-Identifier: Apache-2.0
"""What is left behind: mounts, cgroups, processes, loop devices and network namespaces.

`Ground` is looked at before and after; the difference must be empty. On a machine that others use
too, only what names our own folders counts; with ONGGI_STRICT_LEAKS=1 (CI) everything does.
"""

import glob
import os
import pathlib
import time


def mounts():
    """{(mount point, file system, source)} of this mount namespace."""
    found = set()
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        kind, source = right.split()[:2]
        if left.split()[4] != "/run/netns":  # `ip netns` keeps it; what is in it counts
            found.add((left.split()[4], kind, source))
    return found


def cgroups():
    """Every control group but an empty `onggi` at the top: the parent of all workloads stays."""
    found = set()
    for path, below, _ in os.walk("/sys/fs/cgroup"):
        if os.path.basename(path) != "onggi" or below:
            found.add(path)
    return found


def loops():
    found = set()
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            found.add((path.split("/")[3], pathlib.Path(path).read_text().strip()))
        except OSError:
            continue
    return found


def network_namespaces():
    return set(glob.glob("/run/netns/*")) | set(glob.glob("/var/run/docker/netns/*"))


def read_link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def processes():
    """{pid: (start time, program, command line, cgroups)} of every process that can be read."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        base = pathlib.Path("/proc", entry)
        try:
            start = base.joinpath("stat").read_text().rsplit(")", 1)[1].split()[19]
            words = base.joinpath("cmdline").read_bytes().replace(b"\0", b" ")
            groups = base.joinpath("cgroup").read_text()
        except OSError:
            continue
        found[int(entry)] = (start, read_link(base / "exe"), words.decode(errors="replace").strip(),
                             groups)
    return found


class Ground:
    """The state of the machine as far as onggi may change it."""

    def __init__(self, ours, strict):
        """`ours`: paths; what names one of them is ours, whatever else the machine does."""
        self.ours = [str(path) for path in ours]
        self.strict = strict
        self.before = self.look()

    def look(self):
        return {"mount": mounts(), "cgroup": cgroups(), "loop device": loops(),
                "network namespace": network_namespaces(), "process": processes()}

    def is_ours(self, item):
        text = " ".join(item) if isinstance(item, tuple) else str(item)
        return any(path in text for path in self.ours)

    def new_processes(self, now):
        """With `strict` also what runs in a workload's cgroup, whoever started it."""
        for pid, (start, program, words, groups) in now.items():
            if self.before["process"].get(pid, ("",))[0] == start:
                continue
            if self.is_ours((program, words)) or (self.strict and "onggi" in groups):
                yield f"process {pid} ({words or program})"

    def leftovers(self):
        now = self.look()
        found = list(self.new_processes(now["process"]))
        for kind in ("mount", "cgroup", "loop device", "network namespace"):
            for item in sorted(now[kind] - self.before[kind]):
                if self.strict or self.is_ours(item):
                    found.append(f"{kind} {item}")
        return found

    def settled_leftovers(self, seconds=10):
        """What is still there after up to `seconds`: some ends (a cgroup's, a loop's) take effect late."""
        end = time.monotonic() + seconds
        while (found := self.leftovers()) and time.monotonic() < end:
            time.sleep(0.1)
        return found
