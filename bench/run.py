# SPDX-License-Identifier: Apache-2.0
"""onggi-runtime run of /bin/true against crun and runc."""

import contextlib
import json
import pathlib
import shutil
import tempfile

import common

TITLE = "`run` of /bin/true: onggi-runtime, crun, runc"
RUNS = 100
# crun 1.8 refuses hybrid cgroups: every program runs in a mount namespace without the v2 tree.
WITHOUT_V2 = ["unshare", "-m", "sh", "-c",
              'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"]


def make_bundle(folder):
    """A bundle as `runc spec` makes it, around a static busybox."""
    root = folder / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (root / "bin/true").symlink_to("busybox")
    common.run("runc", "spec", "-b", folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["process"]["terminal"] = False
    config["process"]["args"] = ["/bin/true"]
    path.write_text(json.dumps(config))


def programs(prefix, folder):
    """{name: the words that run the bundle}."""
    found = {}
    for name in (prefix / "bin/onggi-runtime", "crun", "runc"):
        path = pathlib.Path(name)
        if not shutil.which(name):
            continue
        found[path.name] = [name, "--root", folder / f"state-{path.name}", "run", "-b", folder,
                            f"bench-{path.name}"]
    return found


def rows(found, calls):
    base = found.get("crun")
    for name, runs in found.items():
        cpu = common.median(runs.cpu_us)
        yield [name, f"{cpu / 1000:.2f}", f"{common.median(runs.wall_us) / 1000:.2f}",
               common.ratio(cpu, common.median(base.cpu_us)) if base else "-",
               common.ratio(common.median(runs.wall_us), common.median(base.wall_us)) if base else "-",
               f"{common.median(runs.peak_kib) / 1024:.1f}", calls.get(name) or "-"]


def main(prefix, quick=False):
    common.need("runc", "crun", "unshare")
    head = ["", "CPU ms", "wall ms", "CPU / crun's", "wall / crun's", "peak MiB", "system calls"]
    versions = (f"crun {common.version('crun', '--version')}, runc {common.version('runc', '--version')}; "
                f"{5 if quick else RUNS} interleaved runs each, medians; CPU of the command and all "
                "its children; peak memory of its largest process.")
    text = [common.machine() + "; " + versions]
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onggi-bench-")))
        make_bundle(folder)
        commands = programs(prefix, folder)
        calls = {name: common.system_calls(words, WITHOUT_V2) for name, words in commands.items()}
        for warm, pause, what in ((2, 0, "Back to back, after two runs of itself"),
                                  (0, 100, "After a pause of 100 ms")):
            common.say(f"run: {what.lower()}")
            found = common.interleaved(5 if quick else RUNS, warm, pause, commands,
                                       wrapper=WITHOUT_V2)
            text.append(f"{what}:\n\n{common.table(head, rows(found, calls))}")
    return "\n\n".join(text)
