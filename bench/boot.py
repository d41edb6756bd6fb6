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


def commands(prefix, kernel, initramfs, cmdline=CMDLINE, unpacked=None):
    """{name: the words that boot the guest}. `unpacked`: the same kernel as an ELF, if wanted."""
    qemu = ["/usr/bin/qemu-system-x86_64", "-M", "microvm,pit=off,pic=off,rtc=off,isa-serial=on",
            "-accel", "kvm", "-cpu", "host", "-m", str(MEMORY_MIB), "-nodefaults",
            "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio", "-kernel", kernel,
            "-initrd", initramfs, "-append", cmdline]
    vmm = [str(prefix / "bin/onggi-vmm"), "--kernel", kernel, "--initrd", initramfs, "--cmdline",
           cmdline, "--memory", str(MEMORY_MIB), "--cpus", "1", "--serial", "stdio"]
    found = {"QEMU microvm": qemu, "onggi-vmm": vmm}
    if unpacked:
        found["onggi-vmm, unpacked kernel"] = [word if word != kernel else unpacked for word in vmm]
    return {name: words for name, words in found.items() if pathlib.Path(words[0]).exists()}


def instructions(command, files):
    """Instructions from exec to the guest's init, of one boot in a lab of its own."""
    words = [common.TOP / "tools/lab", "count", "--memory", "2048", "--timeout", "300"]
    for file in files:
        words += ["--file", file]
    script = f"/until 'init reached' {shlex.join(command)}\npoweroff -f"
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


def main(prefix, quick=False):
    del quick
    common.need("qemu-system-x86_64", "gcc", "cpio")
    kernel = prefix / "lib/onggi/guest/vmlinuz"
    if not kernel.exists():
        raise common.Skip(f"no guest kernel in {prefix}: make install PREFIX={prefix}")
    counted = {}
    with tempfile.TemporaryDirectory(prefix="onggi-bench-") as name:
        folder = pathlib.Path(name)
        until = folder / "until"
        common.run("gcc", "-O2", "-static", "-o", until, common.TOP / "bench/until.c")
        files = [f"/until={until}", f"/initramfs={cpio_of_init(folder)}"]
        firmware = [path for path in QEMU_FILES if pathlib.Path(path).exists()]
        for label, command in commands(prefix, "/vmlinuz", "/initramfs", unpacked="/vmlinux").items():
            common.say(f"boot: {label}")
            more = firmware if "qemu" in command[0] else []
            used = "vmlinux" if "/vmlinux" in command else "vmlinuz"
            counted[label] = instructions(command, [*files, f"/{used}={kernel.parent / used}",
                                                    command[0], *more])
    base = counted["QEMU microvm"]
    rows = [[label, f"{value / 1e9:.3f}", common.ratio(value, base)] for label, value in counted.items()]
    return (f"{common.machine()}; QEMU {common.version('qemu-system-x86_64', '--version')}; guest kernel "
            f"{release(kernel)}, {MEMORY_MIB} MiB, one CPU; from exec of the hypervisor to the "
            "guest's first process, on KVM in the lab whose clock counts instructions. The same "
            f"kernel's command line for all: `{CMDLINE}`.\n\n"
            + common.table(["", "10^9 instructions", "to QEMU"], rows))
