# SPDX-License-Identifier: Apache-2.0
"""How long a fork stops its guest, by how much memory the guest has filled; natively, with the test guest."""

import os
import statistics
import subprocess
import tempfile

import common

TITLE = "Pause of a fork, by the memory that the guest has filled"
SIZES_MIB = [64, 128, 256, 512, 1024]
MACHINES = 5
FORKS = 8


def measure(mib, forks, *how):
    """[[pause, stop, save, copy, before] in microseconds] of each fork."""
    build = common.TOP / "build/tests"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise common.Skip("no usable /dev/kvm")
    with tempfile.TemporaryDirectory(prefix="onggi-bench-") as folder:
        text = subprocess.run([build / "tools/og-forks", str(mib), str(forks), *how], cwd=folder, check=True,
                              text=True, stdout=subprocess.PIPE, timeout=600,
                              env={**os.environ, "OG_TEST_GUEST": str(build / "guest/test-guest")}).stdout
    return [[int(word) for word in line.split()] for line in text.splitlines()]


def slope(points):
    """Of the straight line through (MiB, microseconds) that fits best, in milliseconds a GiB."""
    x = statistics.fmean(p[0] for p in points)
    y = statistics.fmean(p[1] for p in points)
    return sum((p[0] - x) * (p[1] - y) for p in points) / sum((p[0] - x) ** 2 for p in points) * 1024 / 1000


def medians(forks):
    return [statistics.median(row[column] for row in forks) for column in range(4)]


def ms(*values):
    return [f"{value / 1000:.2f}" for value in values]


def main(prefix, quick=False):
    del prefix
    machines, count = (1, 3) if quick else (MACHINES, FORKS)
    first, later, again, lines = [], [], [], []
    for mib in SIZES_MIB:
        runs = [measure(mib, count + 1) for _ in range(machines)]
        first.append((mib, statistics.median(run[0][0] for run in runs)))
        later.append((mib, *medians([fork for run in runs for fork in run[1:]])))
        again.append((mib, *medians(measure(mib, count + 1, "again")[1:])))
        before = statistics.median(run[0][4] for run in runs)
        lines.append([str(mib), *ms(first[-1][1], *later[-1][1:], again[-1][1]), f"{before / 1000:.0f}"])
        common.say(f"{mib} MiB: {first[-1][1] / 1000:.2f} ms, then {later[-1][1] / 1000:.2f} ms")
    return (f"{common.machine()}; {machines} guests of each size, every page of whose memory was written; "
            "milliseconds, medians. The slope of the first fork's pause is "
            f"{slope(first):.2f} ms a GiB, that of the {machines * count} forks after it {slope(later):.2f}. Where the "
            f"guest writes every page again between two forks ({count} of them) page tables of what was written are "
            f"copied: {slope(again):.0f} ms a GiB. Before its first fork memory is mapped anew, while the guest runs "
            "(last column, once).\n\n"
            + common.table(["MiB", "first fork", "a later one", "of it: stopping vCPUs", "taking the state",
                            "copying page tables", "all written again", "before the first, running"], lines))
