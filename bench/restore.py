# SPDX-License-Identifier: Apache-2.0
"""A restored VM against one that boots, and what a snapshot of an idle guest writes; in instructions."""

import json
import pathlib
import re
import shlex
import subprocess
import tempfile

import boot
import common

TITLE = "Restore of a VM from a snapshot, against its boot"
MEMORY_MIB = 1024
MARKER = "guest works"
API = "/run/onggi-vmm"


def ask(socket, method, path, **body):
    return shlex.join(["/ask", socket, method, path, json.dumps(body)])


def launch(socket):
    return f"{API} --api-sock {socket} --id bench &"


def start(socket):
    """The requests by which a machine boots."""
    arguments = boot.CMDLINE + " work"
    return [ask(socket, "PUT", "/machine-config", vcpu_count=1, mem_size_mib=MEMORY_MIB),
            ask(socket, "PUT", "/boot-source", kernel_image_path="/kernel", initrd_path="/initramfs",
                boot_args=arguments),
            ask(socket, "PUT", "/actions", action_type="InstanceStart")]


def until(lines):
    return f"/until {shlex.quote(MARKER)} sh -c {shlex.quote(chr(10).join([*lines, 'wait']))}"


def script():
    """Boots and counts; boots again and takes a snapshot; restores and counts."""
    load = ask("/w/c", "PUT", "/snapshot/load", snapshot_path="/w/state",
               mem_backend={"backend_type": "File", "backend_path": "/w/memory"}, resume_vm=True)
    return "\n".join([
        "mkdir -p /w",
        f"echo cold; {until([launch('/w/a'), *start('/w/a')])}",
        "sleep 1",
        f"{API} --api-sock /w/b --id bench >/w/said 2>&1 &",
        *start("/w/b"),
        f"until grep -q {shlex.quote(MARKER)} /w/said; do sleep 0.1; done",
        ask("/w/b", "PATCH", "/vm", state="Paused"),
        ask("/w/b", "PUT", "/snapshot/create", snapshot_type="Full", snapshot_path="/w/state",
            mem_file_path="/w/memory"),
        "echo stored $(du -k /w/memory | cut -f1) $(du -k /w/state | cut -f1)",
        "kill -9 $!; sleep 1",
        f"echo restored; {until([launch('/w/c'), load])}",
        "poweroff -f",
    ])


def boot_script():
    return "\n".join(["mkdir -p /w", until([launch("/w/a"), *start("/w/a")]), "poweroff -f"])


def run_in_lab(prefix, kernel, commands):
    """([instructions of each `until`], what was printed) of a lab of its own."""
    with tempfile.TemporaryDirectory(prefix="onggi-bench-") as name:
        folder = pathlib.Path(name)
        words = [common.TOP / "tools/lab", "count", "--memory", "3072", "--timeout", "900"]
        for tool in ("until", "ask"):
            common.run("gcc", "-O2", "-static", "-o", folder / tool, common.TOP / f"bench/{tool}.c")
            words += ["--file", f"/{tool}={folder / tool}"]
        words += ["--file", f"/initramfs={boot.cpio_of_init(folder)}", "--file", f"/kernel={kernel}",
                  "--file", f"{API}={prefix / 'bin/onggi-vmm'}"]
        result = subprocess.run([*map(str, words), "--", commands], stdout=subprocess.PIPE, text=True,
                                stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False, errors="replace")
    return ([int(n) // boot.NS_AN_INSTRUCTION for n in re.findall(r"^until (\d+)", result.stdout, re.MULTILINE)],
            result.stdout)


def main(prefix, quick=False):
    del quick
    common.need("qemu-system-x86_64", "gcc", "cpio")
    guest = boot.guest_folder(prefix)
    small = guest / "small/vmlinux"
    if not small.exists():
        raise common.Skip("no small kernel: make guest-kernel")
    found, text = run_in_lab(prefix, small, script())
    debian, more = run_in_lab(prefix, guest / "vmlinuz", boot_script())
    stored = re.search(r"^stored (\d+) (\d+)", text, re.MULTILINE)
    if len(found) != 2 or len(debian) != 1 or not stored:
        raise RuntimeError(f"no figures from the lab:\n{text[-3000:]}\n{more[-1000:]}")
    rows = [["boot, Debian's kernel", f"{debian[0] / 1e6:.1f}", "", ""],
            ["boot, small kernel", f"{found[0] / 1e6:.1f}", "", ""],
            ["restore", f"{found[1] / 1e6:.1f}", f"{found[1] / debian[0]:.3f}", f"{found[1] / found[0]:.3f}"]]
    return (f"{boot.setting(prefix)}; a guest of {MEMORY_MIB} MiB, through the API: from exec of onggi-vmm, with its "
            "requests, until the guest's first process says something. The snapshot, of an idle guest with the small "
            f"kernel, takes {int(stored[1]) / 1024:.1f} MiB for its memory and {stored[2]} KiB for its state.\n\n"
            + common.table(["", "10^6 instructions", "to Debian's boot", "to the small kernel's"], rows))
