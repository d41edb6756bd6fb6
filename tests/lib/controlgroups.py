# SPDX-License-Identifier: Apache-2.0
"""Where a workload's control groups are, and what their files say, in version 1 and 2."""

import json
import pathlib

import pytest


def trees():
    """{controller: mount point}; version 2 is ""."""
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        kind, _, options = right.split()[:3]
        if kind == "cgroup2":
            found.setdefault("", pathlib.Path(left.split()[4]))
        elif kind == "cgroup":
            for option in options.split(","):
                found.setdefault(option, pathlib.Path(left.split()[4]))
    return found


class Groups:
    """Where a process is in each tree."""

    def __init__(self, pid):
        self.dirs = {}
        where = trees()
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            for name in names.split(","):
                if name in where:
                    self.dirs[name] = pathlib.Path(f"{where[name]}{path}")

    def v2(self, controller):
        """Whether it is version 2 that has the controller here."""
        return controller not in self.dirs

    def dir(self, controller):
        return self.dirs[controller] if controller in self.dirs else self.dirs[""]

    def read(self, controller, v1_file, v2_file):
        """The file's text, by the name that it has here."""
        return self.dir(controller).joinpath(v2_file if self.v2(controller) else v1_file).read_text().strip()

    def memory(self):
        """Limit of memory, and of memory with swap."""
        limit = self.read("memory", "memory.limit_in_bytes", "memory.max")
        swap = self.read("memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
        limit, swap = ((1 << 62) if text == "max" else int(text) for text in (limit, swap))
        return limit, swap + limit if self.v2("memory") and swap < 1 << 62 else swap

    def cpu(self):
        """Quota and period."""
        if self.v2("cpu"):
            quota, period = self.dir("cpu").joinpath("cpu.max").read_text().split()
            return -1 if quota == "max" else int(quota), int(period)
        return tuple(int(self.dir("cpu").joinpath(f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))


def groups_of(runtime, name):
    return Groups(runtime.state(name)["pid"])


def stats_of(runtime, name):
    event = json.loads(runtime.call("events", "--stats", name).stdout)
    assert event["type"] == "stats" and event["id"] == name
    return event["data"]


def need_hugetlb():
    where = trees()
    if "hugetlb" in where:
        return
    if "" not in where or "hugetlb" not in where[""].joinpath("cgroup.controllers").read_text().split():
        pytest.skip("this kernel has no hugetlb controller")
