#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs inside the lab: boots what is no Linux, and disks by firmware, under onggi-vmm.

    vmm_firmware.py PREFIX GUESTS DISKS WORKDIR

Each runs until a text is seen on its serial port or its time is over. Prints one JSON object:
{name of the run: {status, output, seconds}}, status None where it was still running.
"""

import gzip
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time

PREFIX, GUESTS, DISKS, WORK = (pathlib.Path(word) for word in sys.argv[1:5])
SEABIOS = "/usr/share/seabios/bios-256k.bin"
RESULTS = {}


def run(name, until, *options, seconds=60, memory=128):
    words = [PREFIX / "bin/onggi-vmm", "--memory", memory, "--serial", "stdio", *options]
    begin = time.monotonic()
    output = b""
    with subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        while until is None or until.encode() not in output:
            left = begin + seconds - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                break
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                process.wait()
                break
            output += chunk
        status = process.poll()
        process.kill()
    RESULTS[name] = {"status": status, "output": output.decode(errors="replace"),
                     "seconds": round(time.monotonic() - begin, 1)}


def main():
    mach = WORK / "gnumach"
    mach.write_bytes(gzip.open("/boot/gnumach-1.8-486.gz").read())
    run("mach", "DMA32: min", "--kernel", mach, "--cmdline", "console=com0", memory=256)
    run("pvh", None, "--kernel", GUESTS / "test-guest-pvh", "--cmdline", "in the lab")
    run("memtest", "Memtest86+ v", "--timer", "--kernel", "/boot/memtest86+x64.bin", "--cmdline",
        "console=ttyS0,115200")
    bios = ["--firmware", SEABIOS, "--disk-readonly"]
    run("memtest-bios", "Memtest86+ v", *bios, DISKS / "memtest/disk")
    run("mach-bios", "No bootstrap code loaded with the kernel", *bios, DISKS / "mach/disk", seconds=120, memory=256)
    run("rescue", "GNU GRUB", *bios, "/usr/lib/grub-rescue/grub-rescue-cdrom.iso", seconds=150)
    shutil.copyfile(DISKS / "debian/disk", WORK / "debian")
    run("debian", None, "--firmware", SEABIOS, "--disk", WORK / "debian", seconds=240, memory=384)
    print(json.dumps(RESULTS))


main()
