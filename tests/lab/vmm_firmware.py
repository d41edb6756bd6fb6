#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs inside the lab: boots what is no Linux, and disks by firmware, under onggi-vmm.

Some of them as a user does, by `onggi vm run`.

    vmm_firmware.py PREFIX GUESTS DISKS WORKDIR

Each runs until a text is seen on its serial port or its time is over. Prints one JSON object:
{name of the run: {status, output, seconds}}, status None where it was still running. What was run by
`onggi vm run` has "left", too: what is there afterwards and was not before.
"""

import fcntl
import gzip
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from terminal import plain

PREFIX, GUESTS, DISKS, WORK = (pathlib.Path(word) for word in sys.argv[1:5])
SEABIOS = "/usr/share/seabios/bios-256k.bin"
TEMPORARY = ("/tmp", "/var/tmp")
RESULTS = {}
SECONDS = 400  # for what stands still: each takes a tenth of that where the machine has nothing else to do


def watch(name, until, words):
    begin = time.monotonic()
    output = b""
    with subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        while until is None or until not in plain(output):
            left = begin + SECONDS - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                break
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                process.wait()
                break
            output += chunk
        status = process.poll()
        process.kill()
    RESULTS[name] = {"status": status, "output": plain(output),
                     "seconds": round(time.monotonic() - begin, 1)}


def run(name, until, *options, memory=128):
    watch(name, until, [PREFIX / "bin/onggi-vmm", "--memory", memory, "--serial", "stdio", *options])


def processes():
    """Those of user space, each with its command line; of one that nobody has waited for, its name."""
    found = set()
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if line or state == "Z":
                found.add(f"process {path.name} {line or (path / 'comm').read_text()}")
        except OSError:
            pass  # it has ended
    return found


def things():
    """All that a machine could leave behind."""
    found = processes()
    for top in (*TEMPORARY, "/run", "/dev", "/sys/fs/cgroup"):
        for folder, folders, files in os.walk(top):
            names = folders if top == "/sys/fs/cgroup" else folders + files
            found |= {f"{folder}/{name}" for name in names}
    found |= {f"mount {line}" for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()}
    return found | {f"link {name}" for name in os.listdir("/sys/class/net")}


def vm_run(name, disk, file_format):
    for top in TEMPORARY:  # empty ones: the host's, where others work meanwhile, are seen through them else
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", top], check=True)
    before = things()
    watch(name, None, [PREFIX / "bin/onggi", "vm", "run", "--hypervisor", "onggi-vmm", "--memory", "64m",
                       "--disk", f"{disk},format={file_format}"])
    RESULTS[name]["left"] = sorted(things() - before)
    for top in TEMPORARY:
        subprocess.run(["umount", top], check=True)
    with open(disk, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody has it any more


def main():
    mach = WORK / "gnumach"
    mach.write_bytes(gzip.open("/boot/gnumach-1.8-486.gz").read())
    run("mach", "DMA32: min", "--kernel", mach, "--cmdline", "console=com0", memory=256)
    run("pvh", None, "--kernel", GUESTS / "test-guest-pvh", "--cmdline", "in the lab")
    run("memtest", "Memtest86+ v6", "--timer", "--kernel", "/boot/memtest86+x64.bin", "--cmdline",
        "console=ttyS0,115200")
    bios = ["--firmware", SEABIOS, "--disk-readonly"]
    run("memtest-bios", "Memtest86+ v6", *bios, DISKS / "memtest/disk")
    run("mach-bios", "No bootstrap code loaded with the kernel", *bios, DISKS / "mach/disk", memory=256)
    run("rescue", "GNU GRUB", *bios, "/usr/lib/grub-rescue/grub-rescue-cdrom.iso")
    shutil.copyfile(DISKS / "sector/disk", WORK / "sector")
    vm_run("vm-raw", WORK / "sector", "raw")
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", WORK / "sector", WORK / "sector.qcow2"], check=True)
    vm_run("vm-qcow2", WORK / "sector.qcow2", "qcow2")
    shutil.copyfile(DISKS / "debian/disk", WORK / "debian")
    run("debian", None, "--firmware", SEABIOS, "--disk", WORK / "debian", memory=384)
    print(json.dumps(RESULTS))


main()
