# SPDX-License-Identifier: Apache-2.0
"""onggi-runtime against crun and runc: run, create + start + delete, exec."""

import contextlib
import json
import pathlib
import shutil
import tempfile

import common

TITLE = "Containers: onggi-runtime, crun, runc"
RUNS = 40
# crun 1.8 refuses hybrid cgroups, and a state folder is on a tmpfs wherever /run is one: every
# program runs in a mount namespace without the v2 tree, and with a tmpfs below /mnt.
WRAPPER = ["unshare", "-m", "sh", "-c",
           'umount /sys/fs/cgroup/unified 2>/dev/null; mount -t tmpfs tmpfs /mnt && exec "$@"', "sh"]


def make_bundle(folder, args):
    """A bundle as `runc spec` makes it, around a static busybox."""
    root = folder / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in ("true", "sleep"):
        (root / "bin" / name).symlink_to("busybox")
    common.run("runc", "spec", "-b", folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["process"]["terminal"] = False
    config["process"]["args"] = args
    path.write_text(json.dumps(config))
    return folder


def programs(prefix):
    """{name: (path, the words that begin each of its commands)}."""
    found = {}
    for path in (prefix / "bin/onggi-runtime", "crun", "runc"):
        name = pathlib.Path(path).name
        if shutil.which(path):
            found[name] = [str(path), "--root", f"/mnt/{name}"]
    return found


def script(*commands):
    """One process that runs commands in turn, and whose children are all waited for."""
    return ["sh", "-c", " && ".join(" ".join(command) for command in commands)]


def run_words(words, name, bundle, _sleeping):
    return [*words, "run", "-b", str(bundle), f"bench-{name}"]


def create_words(words, name, bundle, _sleeping):
    ident = f"bench-{name}"
    return script([*words, "create", "-b", str(bundle), ident], [*words, "start", ident],
                  [*words, "delete", "--force", ident])


def exec_words(words, name, _bundle, _sleeping):
    return [*words, "exec", f"sleep-{name}", "/bin/true"]


SCENARIOS = {
    "`run` of /bin/true": run_words,
    "`create`, `start` and `delete --force` of /bin/true": create_words,
    "`exec` of /bin/true": exec_words,
}


def sleepers(found, bundle, command):
    """What makes and removes the containers that exec joins, in the wrapper's namespace."""
    lines = []
    for name, words in found.items():
        shell = " ".join(words)
        lines.append(f"{shell} run -d -b {bundle} sleep-{name} </dev/null >/dev/null 2>&1"
                     if command == "begin" else f"{shell} delete --force sleep-{name}")
    return "; ".join(lines)


def wrapped(found, bundle):
    """The wrapper, with a sleeping container of each program for as long as its words run."""
    begin, end = (sleepers(found, bundle, word) for word in ("begin", "end"))
    return [*WRAPPER, "sh", "-c", f'{begin}; "$@"; status=$?; {end}; exit $status', "sh"]


def rows(found, calls):
    base = found.get("crun")
    for name, runs in found.items():
        cpu, wall, peak = (common.median(figures) for figures in
                           (runs.cpu_us, runs.wall_us, runs.peak_kib))
        others = [common.median(figures) for figures in
                  (base.cpu_us, base.wall_us, base.peak_kib)] if base else (0, 0, 0)
        yield [name, f"{cpu / 1000:.2f}", f"{wall / 1000:.2f}", f"{peak / 1024:.1f}",
               *(common.ratio(*pair) for pair in zip((cpu, wall, peak), others)),
               calls.get(name) or "-"]


def main(prefix, quick=False):
    common.need("runc", "crun", "unshare")
    runs = 5 if quick else RUNS
    head = ["", "CPU ms", "wall ms", "peak MiB", "CPU / crun's", "wall / crun's", "peak / crun's",
            "system calls"]
    text = [f"{common.machine()}; crun {common.version('crun', '--version')}, runc "
            f"{common.version('runc', '--version')}; {runs} interleaved runs each, medians; CPU of "
            "the command and of all its descendants, the container's too; peak memory of the "
            "largest of these; no seccomp profile, as "
            "`runc spec` makes it."]
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onggi-bench-")))
        bundle = make_bundle(folder / "true", ["/bin/true"])
        sleeping = make_bundle(folder / "sleep", ["/bin/sleep", "1000"])
        found = programs(prefix)
        wrapper = wrapped(found, sleeping)
        for what, make in SCENARIOS.items():
            commands = {name: make(words, name, bundle, sleeping) for name, words in found.items()}
            calls = {name: common.system_calls(words, wrapper) for name, words in commands.items()}
            for warm, pause, when in ((2, 0, "back to back, after two of itself"),
                                      (0, 100, "after a pause of 100 ms")):
                common.say(f"run: {what}, {when}")
                measured = common.interleaved(runs, warm, pause, commands, wrapper=wrapper)
                text.append(f"{what}, {when}:\n\n{common.table(head, rows(measured, calls))}")
    return "\n\n".join(text)
