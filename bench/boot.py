# SPDX-License-Identifier: Apache-2.0
"""Boot to the first process: onggi-vmm against QEMU microvm on KVM in the lab, in instructions."""

import pathlib
import re
import shlex
import subprocess
import tempfile

import common

TITLE = "Boot to init on KVM, in instructions"
NS_AN_INSTRUCTION = 2  # tools/lab count: shift=1
# As src/vm has it: nothing is tested or looked for that a guest cannot have.
CMDLINE = ("console=ttyS0 quiet panic=-1 reboot=t pci=off cryptomgr.notests "
           "initcall_blacklist=jent_mod_init")
MEMORY_MIB = 256
# What QEMU's microvm reads beside its program and libraries.
QEMU_FILES = ["/usr/share/seabios/bios-microvm.bin", "/usr/share/qemu/qboot.rom",
              "/usr/share/qemu/linuxboot_dma.bin", "/usr/share/qemu/pvh.bin",
              "/usr/share/qemu/kvmvapic.bin"]


def cpio_of_init(folder):
    """An uncompressed initramfs whose /init is bench/init.c."""
    root = folder / "root"
    (root / "dev").mkdir(parents=True)
    common.run("gcc", "-O2", "-static", "-o", root / "init", common.TOP / "bench/init.c")
    common.run("mknod", root / "dev/console", "c", "5", "1")
    path = folder / "initramfs"
    common.run("sh", "-c", f"cd {root} && find . | cpio -o -H newc >{path}")
    return path


def qemu_words(kernel, initramfs, cmdline=CMDLINE):
    return ["/usr/bin/qemu-system-x86_64", "-M", "microvm,pit=off,pic=off,rtc=off,isa-serial=on",
            "-accel", "kvm", "-cpu", "host", "-m", str(MEMORY_MIB), "-nodefaults",
            "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio", "-kernel", kernel,
            "-initrd", initramfs, "-append", cmdline]


def vmm_words(prefix, kernel, initramfs, cmdline=CMDLINE):
    return [str(prefix / "bin/onggi-vmm"), "--kernel", kernel, "--initrd", initramfs, "--cmdline",
            cmdline, "--memory", str(MEMORY_MIB), "--cpus", "1", "--serial", "stdio"]


def commands(prefix, guest, initramfs, cmdline=CMDLINE):
    """{name: the words that boot the guest}; `guest` is the folder with the kernels, as installed."""
    found = {
        "QEMU microvm": qemu_words(f"{guest}/vmlinuz", initramfs, cmdline),
        "onggi-vmm": vmm_words(prefix, f"{guest}/vmlinuz", initramfs, cmdline),
        "onggi-vmm, unpacked kernel": vmm_words(prefix, f"{guest}/vmlinux", initramfs, cmdline),
    }
    if prefix.joinpath("lib/onggi/guest/small").exists():
        found["QEMU microvm, small kernel"] = qemu_words(f"{guest}/small/bzImage", initramfs, cmdline)
        found["onggi-vmm, small kernel"] = vmm_words(prefix, f"{guest}/small/vmlinux", initramfs, cmdline)
    return {name: words for name, words in found.items() if pathlib.Path(words[0]).exists()}


def instructions(marker, command, files):
    """Instructions from exec until the command has said `marker`, in a lab of its own."""
    words = [common.TOP / "tools/lab", "count", "--memory", "2048", "--timeout", "600"]
    for file in files:
        words += ["--file", file]
    script = f"/until {shlex.quote(marker)} {shlex.join(command)}\npoweroff -f"
    result = subprocess.run([*map(str, words), "--", script], stdout=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                            errors="replace")
    found = re.search(r"^until (\d+)", result.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"no figure from the lab:\n{result.stdout[-2000:]}{result.stderr}")
    return int(found[1]) // NS_AN_INSTRUCTION


def release(kernel):
    """What `uname -r` says of a bzImage: its header tells where."""
    image = kernel.read_bytes()
    begin = 0x200 + int.from_bytes(image[0x20E:0x210], "little")
    return image[begin:image.index(b" ", begin)].decode()


def guest_folder(prefix):
    guest = prefix / "lib/onggi/guest"
    if not guest.joinpath("vmlinuz").exists():
        raise common.Skip(f"no guest kernel in {prefix}: make install PREFIX={prefix}")
    return guest


def count_each(prefix, marker, wrap):
    """{label: instructions until `marker`} of each hypervisor's command, as wrap(words) changes it."""
    common.need("qemu-system-x86_64", "gcc", "cpio")
    guest = guest_folder(prefix)
    counted = {}
    with tempfile.TemporaryDirectory(prefix="onggi-bench-") as name:
        folder = pathlib.Path(name)
        until = folder / "until"
        common.run("gcc", "-O2", "-D_GNU_SOURCE", "-static", "-o", until, common.TOP / "bench/until.c")
        files = [f"/until={until}", f"/initramfs={cpio_of_init(folder)}"]
        firmware = [path for path in QEMU_FILES if pathlib.Path(path).exists()]
        for label, command in commands(prefix, "/guest", "/initramfs").items():
            more = firmware if "qemu" in command[0] else []
            used = next(word for word in command if word.startswith("/guest/"))
            counted[label] = instructions(marker, wrap(command),
                                          [*files, f"{used}={guest / used[7:]}", command[0], *more])
            common.say(f"{label}: {counted[label] / 1e9:.3f} 10^9 instructions")
    return counted


def setting(prefix):
    """One line: the machine, QEMU, the guests."""
    guest = guest_folder(prefix)
    small = guest / "small/bzImage"
    small = f" and small {release(small)}" if small.exists() else ""
    return (f"{common.machine()}; QEMU {common.version('qemu-system-x86_64', '--version')}; guest kernels "
            f"{release(guest / 'vmlinuz')}{small}, {MEMORY_MIB} MiB, one CPU; on KVM in the lab whose clock "
            "counts instructions")


def main(prefix, quick=False):
    del quick
    counted = count_each(prefix, "init reached", lambda words: words)
    base = counted["QEMU microvm"]
    rows = [[label, f"{value / 1e9:.3f}", common.ratio(value, base)] for label, value in counted.items()]
    return (f"{setting(prefix)}; from exec of the hypervisor to the guest's first process. The same kernel's "
            f"command line for all: `{CMDLINE}`.\n\n"
            + common.table(["", "10^9 instructions", "to QEMU"], rows))
