# SPDX-License-Identifier: Apache-2.0
"""Files with holes; and disks that a PC boots from, made of files without a loop device: GRUB for BIOS and for UEFI."""

import pathlib
import shutil
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20
GRUB_BIOS = pathlib.Path("/usr/lib/grub/i386-pc")
GRUB_EFI = pathlib.Path("/usr/lib/grub/x86_64-efi")
MODULES = ["ext2", "normal", "linux", "echo", "boot", "test", "search", "sleep", "halt"]

DEBIAN_MIB = 340  # what debian_tree() needs
# Says where it is and powers off, in place of all that a system does after its first minutes.
SERVICE = """[Unit]
DefaultDependencies=no
After=local-fs.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo "reached $(. /etc/os-release; echo $ID $VERSION_ID) on $(findmnt -no \
SOURCE /), $(dmesg | grep -c "8259") and $(ls -d /sys/firmware/efi 2>&1)" >/dev/ttyS0'
ExecStart=/bin/sh -c 'touch /written; sync; systemctl poweroff -ff'
"""


def sparse(path, size, pieces):
    """Holes but for @pieces: {offset: bytes}."""
    with open(path, "wb") as file:
        file.truncate(size)
        for at, data in pieces.items():
            file.seek(at)
            file.write(data)
    return path


def run(*words, **more):
    subprocess.run([str(w) for w in words], check=True, stdout=subprocess.DEVNULL, **more)


def write_partitions(path, script):
    run("/sbin/sfdisk", "--quiet", path, input=script, text=True)


def write_ext4(path, tree, mib, start_mib):
    """An ext4 file system of @tree in @path, at that offset."""
    run("/sbin/mkfs.ext4", "-q", "-F", "-d", tree, "-E", f"offset={start_mib * MIB},no_copy_xattrs",
        "-O", "^metadata_csum_seed,^orphan_file", path, f"{mib}M")


def bios_disk(path, tree, mib=64):
    """An MBR, GRUB behind it, and one partition with @tree, whose boot/grub/grub.cfg is run."""
    work = path.parent
    with open(path, "wb") as file:
        file.truncate((mib + 2) * MIB)
    write_partitions(path, f"label: dos\nstart=1MiB, size={mib}MiB, type=83, bootable\n")
    write_ext4(path, tree, mib, 1)
    run("grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", work / "core.img",
        "biosdisk", "part_msdos", "linux16", "multiboot", *MODULES)
    with open(path, "r+b") as file:
        file.write((GRUB_BIOS / "boot.img").read_bytes()[:440])
        file.seek(512)  # where the boot sector looks for the rest, unless it is told otherwise
        file.write((work / "core.img").read_bytes())


def uefi_disk(path, tree, mib=64, esp_mib=8):
    """A GPT with an EFI system partition, where GRUB is what is started by default, and @tree."""
    work = path.parent
    total = 1 + esp_mib + mib + 1
    with open(path, "wb") as file:
        file.truncate(total * MIB)
    write_partitions(path, f"label: gpt\nstart=1MiB, size={esp_mib}MiB, type=U\n"
                           f"start={1 + esp_mib}MiB, size={mib}MiB, type=L\n")
    write_ext4(path, tree, mib, 1 + esp_mib)
    (work / "early.cfg").write_text("set root=(hd0,gpt2)\nset prefix=(hd0,gpt2)/boot/grub\n")
    run("grub-mkimage", "-O", "x86_64-efi", "-p", "/boot/grub", "-c", work / "early.cfg",
        "-o", work / "BOOTX64.EFI", "part_gpt", "fat", *MODULES)
    with open(work / "esp", "wb") as file:
        file.truncate(esp_mib * MIB)
    run("/sbin/mkfs.vfat", "-F", "12", work / "esp")
    run("mmd", "-i", work / "esp", "::EFI", "::EFI/BOOT")
    run("mcopy", "-i", work / "esp", work / "BOOTX64.EFI", "::EFI/BOOT/BOOTX64.EFI")
    with open(path, "r+b") as file:
        file.seek(MIB)
        file.write((work / "esp").read_bytes())


def debian_tree(path, root):
    """Debian as mmdebstrap installs it, on the disk that it calls @root, with GRUB's configuration and SERVICE."""
    tar = subprocess.run([TOP / "tools/debian-root", "bootable"], stdout=subprocess.PIPE, text=True,
                         check=True).stdout.strip()
    path.mkdir()
    run("tar", "-xf", tar, "-C", path)
    for name in ("doc", "locale", "man"):
        shutil.rmtree(path / "usr/share" / name)
    (path / "etc/systemd/system/lab.service").write_text(SERVICE)
    wants = path / "etc/systemd/system/sysinit.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "lab.service").symlink_to("/etc/systemd/system/lab.service")
    kernel, initrd = (next((path / "boot").glob(name)).name for name in ("vmlinuz-*", "initrd.img-*"))
    (path / "boot/grub").mkdir(exist_ok=True)
    (path / "boot/grub/grub.cfg").write_text(
        f"linux /boot/{kernel} root={root} rw console=ttyS0 quiet panic=-1\n"
        f"initrd /boot/{initrd}\nboot\n")
    return path
