# SPDX-License-Identifier: Apache-2.0
"""onggi-vmm starts kernels by PVH and by multiboot: small ones of our own (tests/guest/small.c)."""

import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
KERNELS = ["pvh", "multiboot", "multiboot-addresses"]


@pytest.fixture
def boot(prefix, require):
    """boot(NAME, options...): what the kernel of that name says it was told, in lines."""
    def boot_kernel(name, *options):
        path = TOP / f"build/tests/guest/test-guest-{name}"
        if not path.exists():
            require.lacking(f"no {path}: make")
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            require.lacking("no usable /dev/kvm")
        words = [prefix / "bin/onggi-vmm", "--kernel", path, "--serial", "stdio", "--memory", "64",
                 *options]
        result = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False,
                                stdin=subprocess.DEVNULL, timeout=60)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout.splitlines()
    return boot_kernel


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_told_its_memory(boot, name):
    lines = boot(name, "--memory", "4096")
    assert lines[-1] == "done" and "loaded wrong" not in lines
    assert [line for line in lines if line.startswith("range")] == [
        "range 0000000000000000 000000000009fc00 ram",
        "range 000000000009fc00 0000000000060400 reserved",
        "range 0000000000100000 00000000bff00000 ram",
        "range 0000000100000000 0000000040000000 ram"]


@pytest.mark.parametrize("name", KERNELS)
def test_it_is_told_its_command_line_and_initrd(boot, name, tmp_path):
    (tmp_path / "initrd").write_bytes(b"Z" * 12345)
    lines = boot(name, "--cmdline", "one two=3", "--initrd", tmp_path / "initrd")
    name_word = "" if name == "pvh" else "kernel "  # a multiboot kernel takes it for its own name
    assert f"cmdline {name_word}one two=3" in lines
    assert ["module bytes 00003039", "module begins with 0000005a"] == lines[-3:-1]


def test_a_pvh_kernel_is_told_where_the_acpi_tables_are(boot):
    lines = boot("pvh")
    assert lines[0] == "pvh version 00000001"
    assert "rsdp R" in lines
    assert not [line for line in lines if line.startswith("module")]


def test_a_multiboot_kernel_is_told_who_loaded_it(boot):
    assert "loader onggi" in boot("multiboot")


def vendor():
    words = pathlib.Path("/proc/cpuinfo").read_text().split("vendor_id", 1)[1].split()
    return words[1]


def run(prefix, *options):
    kernel = TOP / "build/tests/guest/test-guest-pvh"
    words = [prefix / "bin/onggi-vmm", "--kernel", kernel, "--serial", "stdio", "--memory", "64",
             *options]
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=60)


def test_a_cpu_template_is_for_one_vendor(boot, prefix):
    ours, other = ("T2", "T2A") if vendor() == "GenuineIntel" else ("T2A", "T2")
    assert boot("pvh", "--cpu-template", ours)[-1] == "done"
    result = run(prefix, "--cpu-template", other)
    assert result.returncode == 1 and f"CPU template {other} is for processors by" in result.stderr
    result = run(prefix, "--cpu-template", "T9")
    assert result.returncode == 1 and "no CPU template 'T9'" in result.stderr


def test_threads_of_a_core_come_in_pairs(boot, prefix):
    assert boot("pvh", "--smt", "--cpus", "32")[-1] == "done"
    result = run(prefix, "--smt", "--cpus", "3")
    assert result.returncode == 1 and "3 vCPUs are not threads of whole cores" in result.stderr


@pytest.mark.parametrize("name", KERNELS)
def test_a_machine_with_a_pci_bus_ends_well(boot, name, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(4096))
    assert boot(name, "--pci", "--disk", tmp_path / "disk")[-1] == "done"


def test_a_pci_device_works_where_it_is_moved_to_and_after_any_access(prefix):
    kernel = TOP / "build/tests/guest/test-guest"
    result = run(prefix, "--kernel", kernel, "--pci", "--cmdline", "pci")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "entropy is device 2", f"its bar is at {0xc0000000}", "filled 64", "random",
        "bytes of the bar 32768", "filled 64", "random", "done"]


def test_seabios_starts_a_disk_by_virtio_over_pci(prefix, require, tmp_path):
    bios = pathlib.Path("/usr/share/seabios/bios-256k.bin")
    if not bios.exists():
        require.lacking(f"no {bios}: apt-get install seabios")
    # A boot sector that writes one letter to the serial port and powers off.
    code = bytes([0xba, 0xf8, 0x03, 0xb0, ord("@"), 0xee, 0xba, 0x00, 0x06, 0xb0, 5 << 2 | 0x20, 0xee,
                  0xf4, 0xeb, 0xfd])
    (tmp_path / "disk").write_bytes(code.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    words = [prefix / "bin/onggi-vmm", "--firmware", bios, "--firmware-log", tmp_path / "log",
             "--serial", "stdio", "--memory", "64", "--disk", tmp_path / "disk"]
    result = subprocess.run([str(w) for w in words], capture_output=True, check=False, timeout=120,
                            stdin=subprocess.DEVNULL)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"Booting from Hard Disk" in result.stdout and b"@" in result.stdout
    log = (tmp_path / "log").read_text(errors="replace")
    assert "Running on QEMU (i440fx)" in log and "using modern (1.0) virtio mode" in log
    assert "table(50434146)" in log  # it found our ACPI tables, through their checksums


def test_what_is_no_firmware_is_refused(prefix, tmp_path):
    (tmp_path / "odd").write_bytes(bytes(100_000))
    words = [prefix / "bin/onggi-vmm", "--firmware", tmp_path / "odd"]
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "no firmware image" in result.stderr
