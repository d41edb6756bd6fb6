# SPDX-License-Identifier: Apache-2.0
"""Firmware that the lab boots only with a clock that counts instructions (`tools/lab count`).

With any other, QEMU 7.2's SVM stops at an assertion of its own (CR8 written while an interrupt
waits: OVMF) or stands still (iPXE).
"""

import lzma
import pathlib
import re
import shutil
import subprocess

import pytest

import disks
from terminal import plain

pytestmark = pytest.mark.lab

TOP = pathlib.Path(__file__).resolve().parents[2]
UEFI = """mkdir -p /tmp /run
/onggi-vmm --memory 384 --serial stdio --firmware /firmware --disk /disk
echo "status $?"
poweroff -f"""
# What iPXE says after its address is not waited for: it looks for a server to boot from.
IPXE = """mkdir -p /tmp /run /dev/net
insmod /tun.ko
ip tuntap add tap0 mode tap 2>/dev/null || tunctl -t tap0
ip addr add 10.9.0.1/24 dev tap0
ip link set tap0 up
: >/tmp/leases
udhcpd -f /udhcpd.conf 2>/tmp/dhcp &
/onggi-vmm --memory 128 --serial stdio --firmware /firmware --disk-readonly /disk \
  --net tap=tap0,mac=52:54:00:12:34:56 &
for i in $(seq 60); do
  sleep 1
  grep -q "sending ACK" /tmp/dhcp && break
done
kill -9 $!
cat /tmp/dhcp
poweroff -f"""
DHCP = """start 10.9.0.50
end 10.9.0.60
interface tap0
option subnet 255.255.255.0
option router 10.9.0.1
lease_file /tmp/leases
pidfile /tmp/udhcpd.pid
"""


def needed(require, *paths):
    for tool in ("qemu-system-x86_64", "grub-mkimage", "mcopy"):
        require.tool(tool)
    for path in paths:
        if not pathlib.Path(path).exists():
            require.lacking(f"no {path}: tools/install-deps test")


def counted(script, files, seconds=500):
    words = [TOP / "tools/lab", "count", "--memory", "2048", "--timeout", seconds]
    for target, file in files.items():
        words += ["--file", f"/{target}={file}"]
    result = subprocess.run([*map(str, words), "--", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=seconds + 100, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return plain(result.stdout)


def tree(path, config, *files):
    (path / "boot/grub").mkdir(parents=True)
    (path / "boot/grub/grub.cfg").write_text(config)
    for file in files:
        (path / pathlib.Path(file).name).write_bytes(pathlib.Path(file).read_bytes())
    return path


def by_ovmf(prefix, require, path, tree, mib, seconds):
    """What is said when OVMF starts a disk with @tree."""
    needed(require, "/usr/share/ovmf/OVMF.fd")
    (path / "disk").mkdir()
    disks.uefi_disk(path / "disk/disk", tree, mib)
    shutil.rmtree(tree)
    output = counted(UEFI, {"onggi-vmm": prefix / "bin/onggi-vmm", "firmware": "/usr/share/ovmf/OVMF.fd",
                            "disk": path / "disk/disk"}, seconds)
    (path / "disk/disk").unlink()
    assert "status 0" in output, output[-2000:]
    return output


def test_a_disk_boots_by_ovmf_and_powers_off(prefix, require, tmp_path):
    root = tree(tmp_path / "tree", "echo reached by $grub_platform\nhalt\n")
    assert "reached by efi" in by_ovmf(prefix, require, tmp_path, root, 8, 500)


def test_an_installed_debian_boots_by_ovmf_and_grub_and_powers_off(prefix, require, tmp_path):
    require.tool("mmdebstrap")
    root = disks.debian_tree(tmp_path / "tree", "/dev/vda2")
    output = by_ovmf(prefix, require, tmp_path, root, disks.DEBIAN_MIB, 1500)
    assert re.search(r"reached debian 12 on /dev/vda2, \d+ and /sys/firmware/efi\r*$", output, re.MULTILINE), output


def test_ipxe_gets_an_address_through_virtio_net(prefix, require, tmp_path):
    needed(require, "/boot/ipxe.lkrn", "/usr/share/seabios/bios-256k.bin")
    kernel = subprocess.run([TOP / "tools/get-kernels", "generic"], stdout=subprocess.PIPE, text=True,
                            check=True).stdout.strip().splitlines()[-1]
    tun = next(pathlib.Path(kernel, "generic/modules").rglob("tun.ko*"))
    (tmp_path / "tun.ko").write_bytes(lzma.open(tun).read() if tun.suffix == ".xz" else tun.read_bytes())
    (tmp_path / "udhcpd.conf").write_text(DHCP)
    (tmp_path / "disk").mkdir()
    disks.bios_disk(tmp_path / "disk/disk",
                    tree(tmp_path / "tree", "linux16 /ipxe.lkrn\nboot\n", "/boot/ipxe.lkrn"), 8)
    output = counted(IPXE, {"onggi-vmm": prefix / "bin/onggi-vmm", "firmware": "/usr/share/seabios/bios-256k.bin",
                            "disk": tmp_path / "disk/disk", "tun.ko": tmp_path / "tun.ko",
                            "udhcpd.conf": tmp_path / "udhcpd.conf"})
    assert "using virtio-net" in output
    assert "sending ACK to 10.9.0." in output  # it has asked for what was offered
