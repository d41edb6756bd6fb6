# SPDX-License-Identifier: Apache-2.0
"""Import of a 0.9 GB tar against cp of it (the floor) and tar -x, each flushed to disk."""

import pathlib
import shutil
import tempfile
import time

import common
import servers

TITLE = "`import` of a large tar, flushed to disk"
RUNS = 5


def large_tar():
    return pathlib.Path(common.output(common.TOP / "tools/debian-root", "large").strip())


def describe(tar):
    entries = common.output("tar", "-tf", tar).count("\n")
    return f"a Debian root of {tar.stat().st_size / 1e9:.2f} GB and {entries:,} entries"


def flushed(folder, *words):
    """Seconds of the command and of flushing the file system that holds `folder`."""
    begin = time.monotonic()
    common.run(*words)
    common.run("sync", "-f", folder)
    return time.monotonic() - begin


def by_cp(tar, folder, _):
    folder.mkdir()
    return flushed(folder, "cp", tar, folder / "copy")


def by_tar(tar, folder, _):
    folder.mkdir()
    return flushed(folder, "tar", "-x", "-f", tar, "--numeric-owner", "--xattrs", "-C", folder)


def by_onggi(tar, folder, prefix):
    with servers.onggid(prefix, folder) as one:
        return flushed(folder, prefix / "bin/onggi", "-H", one.host, "import", tar, "large:1")


METHODS = {"cp": by_cp, "tar -x": by_tar, "onggi import": by_onggi}


def main(prefix, quick=False):
    if not (prefix / "sbin/onggid").exists():
        raise common.Skip(f"no onggid in {prefix}: make install PREFIX={prefix}")
    tar = large_tar()
    runs = 1 if quick else RUNS
    seconds = {name: [] for name in METHODS}
    with tempfile.TemporaryDirectory(prefix="onggi-bench-", dir="/var/tmp") as name:
        warm(tar)
        for number in range(runs):
            for method, function in METHODS.items():
                common.say(f"import: {method}, {number + 1} of {runs}")
                folder = pathlib.Path(name) / "one"
                common.run("sync", "-f", name)
                seconds[method].append(function(tar, folder, prefix))
                shutil.rmtree(folder, ignore_errors=True)
    floor = common.median(seconds["cp"])
    rows = [[method, f"{common.median(all_):.2f}", f"{min(all_):.2f} to {max(all_):.2f}",
             common.ratio(common.median(all_), floor)] for method, all_ in seconds.items()]
    return (f"{common.machine()}; {describe(tar)}, in the page cache; {runs} interleaved runs each; "
            "wall clock with `sync -f` of the target's file system.\n\n"
            + common.table(["", "median s", "range", "to cp"], rows))


def warm(tar):
    with open(tar, "rb") as file:
        while file.read(1 << 24):
            pass
