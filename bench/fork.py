# SPDX-License-Identifier: Apache-2.0
"""How long a fork stops its guest, by how much memory the guest has filled; natively, with the test guest."""

import os
import statistics
import subprocess
import tempfile

import common

TITLE = "Pause of a fork, by the memory that the guest has filled"
SIZES_MIB = [64, 128, 256, 512, 1024]
FORKS = 40


def measure(mib, forks):
    """[[pause, stop, save, copy] in microseconds] of each fork, and what was spent before the first."""
    build = common.TOP / "build/tests"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise common.Skip("no usable /dev/kvm")
    with tempfile.TemporaryDirectory(prefix="onggi-bench-") as folder:
        text = subprocess.run([build / "tools/og-forks", str(mib), str(forks)], cwd=folder, check=True, text=True,
                              stdout=subprocess.PIPE, timeout=600,
                              env={**os.environ, "OG_TEST_GUEST": str(build / "guest/test-guest")}).stdout
    rows = [[int(word) for word in line.split()] for line in text.splitlines()]
    return [row[:4] for row in rows], rows[0][4]


def slope(points):
    """Of the straight line through (MiB, microseconds) that fits best."""
    x = statistics.fmean(p[0] for p in points)
    y = statistics.fmean(p[1] for p in points)
    return sum((p[0] - x) * (p[1] - y) for p in points) / sum((p[0] - x) ** 2 for p in points)


def main(prefix, quick=False):
    del prefix
    rows, points, before = [], [], {}
    for mib in SIZES_MIB:
        forks, before[mib] = measure(mib, 5 if quick else FORKS)
        median = [statistics.median(row[column] for row in forks) for column in range(4)]
        points.append((mib, median[0]))
        rows.append([str(mib), *(f"{value / 1000:.2f}" for value in median), f"{before[mib] / 1000:.0f}"])
        common.say(f"{mib} MiB: {median[0] / 1000:.2f} ms")
    per_gib = slope(points) * 1024 / 1000
    return (f"{common.machine()}; {5 if quick else FORKS} forks of each guest, every page of whose memory was written; "
            f"milliseconds, medians. The slope is {per_gib:.2f} ms a GiB: what is left of the page tables once dense "
            "memory is huge pages, which is done before, while the guest runs (last column, once for each guest).\n\n"
            + common.table(["MiB", "pause", "of it: stopping vCPUs", "taking the state", "copying page tables",
                            "before, running"], rows))
