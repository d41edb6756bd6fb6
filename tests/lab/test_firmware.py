# SPDX-License-Identifier: Apache-2.0
"""onggi-vmm boots what Debian ships beside Linux, and disks by firmware (vmm_firmware.py)."""

import gzip
import json
import pathlib
import re
import shutil

import pytest

import disks

pytestmark = pytest.mark.lab

TOP = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ["/usr/share/seabios/bios-256k.bin", "/usr/lib/grub-rescue/grub-rescue-cdrom.iso",
          "/boot/memtest86+x64.bin", "/boot/gnumach-1.8-486.gz"]

# Says "@" on the serial port and writes to ACPI's sleep control of onggi-vmm's PC.
SECTOR = bytes([0xfa, 0xba, 0xf8, 0x03, 0xb0, ord("@"), 0xee,
                0xba, 0x00, 0x06, 0xb0, 5 << 2 | 0x20, 0xee, 0xf4, 0xeb, 0xfd])


def grub_tree(path, config, *files):
    (path / "boot/grub").mkdir(parents=True)
    (path / "boot/grub/grub.cfg").write_text(config)
    for file in files:
        shutil.copy(file, path)
    return path


@pytest.fixture(scope="module")
def boots(in_lab, prefix, require, tmp_path_factory):
    for path in NEEDED:
        if not pathlib.Path(path).exists():
            require.lacking(f"no {path}: tools/install-deps test")
    for tool in ("grub-mkimage", "mmdebstrap", "qemu-img"):
        require.tool(tool)
    top = tmp_path_factory.mktemp("firmware")
    for name in ("memtest", "mach", "sector", "debian"):
        (top / name).mkdir()
    memtest = grub_tree(top / "tree", "linux16 /memtest86+x64.bin console=ttyS0,115200\nboot\n",
                        "/boot/memtest86+x64.bin")
    disks.bios_disk(top / "memtest/disk", memtest, 16)
    mach = grub_tree(top / "mach/tree", "multiboot /gnumach gnumach console=com0\nboot\n")
    (mach / "gnumach").write_bytes(gzip.open("/boot/gnumach-1.8-486.gz").read())
    disks.bios_disk(top / "mach/disk", mach, 8)
    (top / "sector/disk").write_bytes(SECTOR.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    disks.bios_disk(top / "debian/disk", disks.debian_tree(top / "root", "/dev/vda1"), disks.DEBIAN_MIB)
    shutil.rmtree(top / "root")
    script = (f"exec /usr/bin/python3 {TOP}/tests/lab/vmm_firmware.py {prefix} "
              f"{TOP}/build/tests/guest {top} /run/lab/disk")
    result = in_lab("sh", "-c", script, disk=3, timeout=1200)
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_gnu_mach_boots_by_multiboot(boots):
    output = boots["mach"]["output"]
    assert "GNU Mach 1.8" in output
    assert "0000000000100000:000000000010000000, available" in output  # its memory, as we told it


def test_gnu_mach_by_seabios_and_grub_reads_the_clock_and_looks_for_its_system(boots):
    output = boots["mach-bios"]["output"]
    assert re.search(r"RTC time is 20\d\d-", output), output[-2000:]
    assert "No bootstrap code loaded with the kernel" in output  # of the Hurd's, which Debian has for other processors


def test_our_pvh_kernel_boots_in_hardware_too(boots):
    assert boots["pvh"]["status"] == 0
    assert "cmdline in the lab" in boots["pvh"]["output"].splitlines()


@pytest.mark.parametrize("way", ["memtest", "memtest-bios"])
def test_memtest_runs(boots, way):
    assert "Memtest86+ v6" in boots[way]["output"]


def test_grubs_rescue_image_shows_its_menu(boots):
    assert "GRUB loading" in boots["rescue"]["output"]
    assert "GNU GRUB" in boots["rescue"]["output"]


def test_an_installed_debian_boots_by_seabios_and_grub_and_powers_off(boots):
    run = boots["debian"]
    assert "Booting from Hard Disk" in run["output"]
    assert "reached debian 12 on /dev/vda1" in run["output"]
    assert run["status"] == 0, run["output"][-2000:]


@pytest.mark.parametrize("name", ["vm-raw", "vm-qcow2"])
def test_vm_run_ends_with_its_guest_and_leaves_nothing_behind(boots, name):
    run = boots[name]
    assert run["output"].partition("Booting from")[2].count("@") == 1, run
    assert (run["status"], run["left"]) == (0, [])
