# SPDX-License-Identifier: Apache-2.0
"""A restored VM against one that boots, and what a snapshot of an idle guest writes; in instructions."""

import json
import pathlib
import re
import shlex
import statistics
import subprocess
import tempfile

import boot
import common

TITLE = "Restore of a VM from a snapshot, against its boot"
MEMORY_MIB = 1024
MARKER = "guest works"
# A snapshot may have cut a line in two: the guest has said something when it has ended that one, too.
MARKER_RESTORED = "ks"
API = "/run/onggi-vmm"


def request(method, path, **body):
    return f"{method} {path} {json.dumps(body)}"


def ask(socket, method, path, **body):
    return shlex.join(["/ask", socket, method, path, json.dumps(body)])


def boots(kernel):
    """The requests by which a machine boots."""
    return [("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": MEMORY_MIB}),
            ("PUT", "/boot-source", {"kernel_image_path": kernel, "initrd_path": "/initramfs",
                                     "boot_args": boot.CMDLINE + " work"}),
            ("PUT", "/actions", {"action_type": "InstanceStart"})]


WAYS = ["boot", "restore, from exec", "restore by a process that waits, from the request",
        "the same with --prepare"]
# Snapshots of the same guest at different moments of what it does: what it has to wait for differs.
MOMENTS = 5


def load(moment):
    return [("PUT", "/snapshot/load", {"snapshot_path": f"/w/state{moment}", "resume_vm": True, "mem_backend": {
        "backend_type": "File", "backend_path": f"/w/memory{moment}"}})]


def take(moment):
    """Takes a snapshot, and lets the guest work on for a while of no round length."""
    return [ask("/w/b", "PATCH", "/vm", state="Paused"),
            ask("/w/b", "PUT", "/snapshot/create", snapshot_type="Full", snapshot_path=f"/w/state{moment}",
                mem_file_path=f"/w/memory{moment}"),
            ask("/w/b", "PATCH", "/vm", state="Resumed"), f"sleep 0.{37 + 23 * moment:03}"]


def until(requests, *more, waits=False, marker=MARKER_RESTORED):
    """Counts what these requests take to make the guest say something; nothing is left of it then."""
    words = ["/until", "-s", "/w/api", *["-w"] * waits]
    for method, path, body in requests:
        words += ["-r", request(method, path, **body)]
    words += [marker, API, "--api-sock", "/w/api", "--id", "bench", *more]
    return shlex.join(words) + "; rm -f /w/api; sleep 1"


def script():
    """Boots and counts; boots again and takes snapshots; restores each and counts, in each way of WAYS."""
    return "\n".join([
        "mkdir -p /w",
        until(boots("/kernel"), marker=MARKER),
        f"{API} --api-sock /w/b --id bench >/w/said 2>&1 &",
        *[ask("/w/b", method, path, **body) for method, path, body in boots("/kernel")],
        f"until grep -q {shlex.quote(MARKER)} /w/said; do sleep 0.1; done",
        *[line for moment in range(MOMENTS) for line in take(moment)],
        "echo stored $(du -k /w/memory0 | cut -f1) $(du -k /w/state0 | cut -f1)",
        "kill -9 $!; sleep 1",
        *[until(load(moment)) for moment in range(MOMENTS)],
        *[until(load(moment), waits=True) for moment in range(MOMENTS)],
        *[until(load(moment), "--prepare", waits=True) for moment in range(MOMENTS)],
        "poweroff -f",
    ])


def run_in_lab(prefix, kernel):
    """([[instructions] for each of WAYS], KiB of memory file and state file) of a lab of its own."""
    with tempfile.TemporaryDirectory(prefix="onggi-bench-") as name:
        folder = pathlib.Path(name)
        words = [common.TOP / "tools/lab", "count", "--memory", "3072", "--timeout", "900"]
        for tool in ("until", "ask"):
            common.run("gcc", "-O2", "-D_GNU_SOURCE", "-static", "-o", folder / tool, common.TOP / f"bench/{tool}.c")
            words += ["--file", f"/{tool}={folder / tool}"]
        words += ["--file", f"/initramfs={boot.cpio_of_init(folder)}", "--file", f"/kernel={kernel}",
                  "--file", f"{API}={prefix / 'bin/onggi-vmm'}"]
        text = subprocess.run([*map(str, words), "--", script()], stdout=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False,
                              errors="replace").stdout
    found = [int(n) // boot.NS_AN_INSTRUCTION for n in re.findall(r"^until (\d+)", text, re.MULTILINE)]
    stored = re.search(r"^stored (\d+) (\d+)", text, re.MULTILINE)
    if len(found) != 1 + (len(WAYS) - 1) * MOMENTS or not stored:
        raise RuntimeError(f"no figures from the lab:\n{text[-3000:]}")
    each = [found[:1], *[found[1 + i * MOMENTS:][:MOMENTS] for i in range(len(WAYS) - 1)]]
    return each, [int(n) for n in stored.groups()]


def rows_of(label, counted):
    rows = []
    for way, values in zip(WAYS, counted):
        middle = statistics.median(values)
        among = "" if way == "boot" else f"{min(values) / 1e6:.1f} to {max(values) / 1e6:.1f}"
        rows.append([f"{label}: {way}", f"{middle / 1e6:.1f}", among,
                     "" if way == "boot" else f"{middle / counted[0][0]:.4f}"])
    return rows


def main(prefix, quick=False):
    del quick
    common.need("qemu-system-x86_64", "gcc", "cpio")
    guest = boot.guest_folder(prefix)
    small = guest / "small/vmlinux"
    if not small.exists():
        raise common.Skip("no small kernel: make guest-kernel")
    counted, stored = run_in_lab(prefix, small)
    debian, debian_stored = run_in_lab(prefix, guest / "vmlinuz")
    return (f"{boot.setting(prefix)}; a guest of {MEMORY_MIB} MiB, through the API, with its requests, until the "
            "guest's first process says something; each guest against itself. A process that waits has its API "
            "open, as one of a pool has, and with --prepare its machine's jail and KVM. Restores are medians of "
            f"{MOMENTS} snapshots at different moments of the guest: the time that it waits for its own timer is counted, "
            "too. The snapshots, of idle guests, take "
            f"{stored[0] / 1024:.1f} and {debian_stored[0] / 1024:.1f} MiB for their memory and {stored[1]} and "
            f"{debian_stored[1]} KiB for their state.\n\n"
            + common.table(["", "10^6 instructions", "least to most", "to its boot"],
                           rows_of("small kernel", counted) + rows_of("Debian's kernel", debian)))
