#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a running VM takes beyond its guest's memory: onggi-vmm against QEMU microvm in the lab."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import boot
import common

TITLE = "Memory of a running VM beyond its guest's"


def kib_beyond_guest(pid, guest_mib):
    """(KiB of PSS beside the guest's memory, KiB of PSS that is the guest's memory)."""
    beside = guest = 0
    large = False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if head := re.match(r"([0-9a-f]+)-([0-9a-f]+) (....)", line):
            size = int(head[2], 16) - int(head[1], 16)
            large = head[3].startswith("rw") and size >= guest_mib << 20
        elif line.startswith("Pss:"):
            kib = int(line.split()[1])
            guest, beside = (guest + kib, beside) if large else (guest, beside + kib)
    return beside, guest


def inside(prefix, guest, initramfs):
    """In the lab: boots each, waits for its init, and prints the figures as JSON."""
    found = {}
    for name, words in boot.commands(prefix, guest, initramfs, boot.CMDLINE + " stay").items():
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            for line in process.stdout:
                if b"init reached" in line:
                    found[name] = kib_beyond_guest(process.pid, boot.MEMORY_MIB)
                    break
            process.send_signal(signal.SIGKILL)
    print(json.dumps(found))


def main(prefix, quick=False):
    del quick
    common.need("qemu-system-x86_64", "gcc", "cpio")
    guest = prefix / "lib/onggi/guest"
    if not guest.joinpath("vmlinuz").exists():
        raise common.Skip(f"no guest kernel in {prefix}: make install PREFIX={prefix}")
    with tempfile.TemporaryDirectory(prefix="onggi-bench-") as name:
        initramfs = boot.cpio_of_init(pathlib.Path(name))
        text = common.output(common.TOP / "tools/lab", "run", "--timeout", "300", "--", "/usr/bin/python3",
                             pathlib.Path(__file__).resolve(), prefix, guest, initramfs,
                             stdin=subprocess.DEVNULL)
    found = json.loads(text.splitlines()[-1])
    if not found:
        raise RuntimeError("no VM reached its init in the lab")
    rows = [[label, f"{beside / 1024:.1f}", f"{guest / 1024:.1f}"]
            for label, (beside, guest) in found.items()]
    return (f"{common.machine()}; QEMU {common.version('qemu-system-x86_64', '--version')}; a guest of "
            f"{boot.MEMORY_MIB} MiB at its first process, on KVM in the lab; proportional set sizes.\n\n"
            + common.table(["", "beside the guest's MiB", "touched by the guest MiB"], rows))


if __name__ == "__main__":
    inside(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3])
