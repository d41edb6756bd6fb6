# SPDX-License-Identifier: Apache-2.0
"""onggi-vmm boots Linux on KVM: for each guest kernel one boot of the lab, many of guests (vmm_guests.py)."""

import importlib.machinery
import importlib.util
import json
import pathlib
import re
import subprocess

import pytest

pytestmark = pytest.mark.lab

TOP = pathlib.Path(__file__).resolve().parents[2]
MODULES = ["virtio_mmio", "virtio_pci", "virtio_blk", "virtio_rng", "virtio_net", "virtio_balloon", "virtio_mem",
           "virtio_pmem", "nd_pmem", "vmw_vsock_virtio_transport", "erofs", "ext4"]


def lab_tool():
    loader = importlib.machinery.SourceFileLoader("lab_tool", str(TOP / "tools/lab"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lab_tool", loader))
    loader.exec_module(module)
    return module


def debian_modules(tool):
    """{path in the initramfs: (mode, bytes)} of modules of Debian's kernel, in the order of their needs."""
    kernels = subprocess.run([TOP / "tools/get-kernels", "cloud"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.strip().splitlines()[-1]
    order = tool.module_order(pathlib.Path(kernels) / "cloud/modules", MODULES)
    files = {f"modules/{tool.module_name(file)}.ko": (0o644, tool.module_bytes(file)) for file in order}
    names = "".join(f"{tool.module_name(file)}.ko\n" for file in order)
    return files | {"modules/order": (0o644, names.encode())}


def make_initramfs(path, modules):
    tool = path.with_name("guest-tool")
    subprocess.run(["gcc", "-O2", "-static", "-o", tool, TOP / "tests/lab/guest-tool.c"], check=True)
    files = {"bin/guest-tool": (0o755, tool.read_bytes()), "init": (0o755, (TOP / "tests/lab/guest-init").read_bytes()),
             "bin/busybox": (0o755, pathlib.Path("/bin/busybox").read_bytes()),
             "dev/.keep": (0o644, b"")}
    path.write_bytes(lab_tool().cpio(files | modules))


@pytest.fixture(scope="module", params=["small", "debian"])
def guests(request, in_lab, prefix, require, tmp_path_factory):
    require.tool("mkfs.erofs")
    installed = prefix / "lib/onggi/guest" / ("small" if request.param == "small" else ".")
    if not installed.joinpath("vmlinux").exists():
        require.lacking(f"no {request.param} guest kernel: make guest-kernel install PREFIX={prefix}")
    kernels = tmp_path_factory.mktemp("vmm")
    modules = debian_modules(lab_tool()) if request.param == "debian" else {}
    make_initramfs(kernels / "initramfs", modules)
    if modules:
        kernels.joinpath("modules").touch()
    for name, packed in (("vmlinux", "vmlinux"), ("vmlinuz", "vmlinuz"), ("vmlinuz", "bzImage")):
        if installed.joinpath(packed).exists():
            kernels.joinpath(name).symlink_to(installed / packed)
    script = (f"mkdir /run/work && exec /usr/bin/python3 {TOP}/tests/lab/vmm_guests.py {prefix} "
              f"{kernels} {kernels / 'initramfs'} /run/work")
    result = in_lab("sh", "-c", script, timeout=1800)
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout.splitlines()[-1])


def facts(run):
    return dict(re.findall(r"^(\w+)=(.*?)\r?$", run["output"], re.MULTILINE))


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_linux_boots_with_every_processor_and_powers_off(guests, cpus):
    run = guests[f"facts-{cpus}"]
    assert run["status"] == 0, run["output"]
    assert facts(run)["cpus"] == facts(run)["cores"] == str(cpus)


def test_a_bzimage_boots_as_well(guests):
    assert guests["bzimage"]["status"] == 0, guests["bzimage"]["output"]
    assert facts(guests["bzimage"])["cpus"] == "1"


def test_the_guest_keeps_time_by_kvm_and_has_entropy(guests):
    found = facts(guests["facts-4"])
    assert found["clock"] == "kvm-clock"
    assert found["rng"].startswith("virtio_rng")
    assert found["entropy"] == "64"
    assert int(found["year"]) >= 2024


def test_an_image_in_parts_is_mounted_and_read_whole(guests):
    run = guests["disks"]
    assert run["status"] == 0, run["output"]
    sums = dict(reversed(words) for words in re.findall(r"^([0-9a-f]{32})  (\S+)", run["output"],
                                                        re.MULTILINE))
    assert sums == guests["truth"]["sums"]
    assert facts(run)["whole"].split()[0] == guests["truth"]["whole"]
    assert "vda is read-only" in run["output"]


def test_what_the_guest_wrote_is_on_the_disk(guests):
    assert guests["ext4"]["fsck"] == 0
    assert guests["ext4"]["bytes"] == 1 << 20
    assert facts(guests["disks"])["written"].split()[0] == guests["ext4"]["file"]
    assert facts(guests["disks"])["serial"] == "diskb"


def test_the_disks_are_the_same_over_pci(guests):
    run, plain = guests["disks-pci"], guests["disks"]
    assert run["status"] == 0, run["output"]
    assert re.findall(r"^[0-9a-f]{32}  tree\S+", run["output"], re.MULTILINE) == \
        re.findall(r"^[0-9a-f]{32}  tree\S+", plain["output"], re.MULTILINE) != []
    assert facts(run)["whole"].split()[0] == guests["truth"]["whole"]


def test_linux_finds_its_devices_on_a_pci_bus(guests):
    assert guests["facts-pci"]["status"] == 0, guests["facts-pci"]["output"]
    assert facts(guests["facts-pci"])["rng"].startswith("virtio_rng")


def test_a_file_is_the_guests_memory_and_holds_what_it_wrote(guests):
    run = guests["pmem"]
    assert run.get("status") == 0, run
    assert facts(run)["writable"] == "dax=always", run["output"]
    assert facts(run)["given"].split()[0] == run["given"]
    assert facts(run)["written"].split()[0] == run["file"]  # as a program says that ran from the file's pages
    assert run["fsck"] == 0


def test_memory_that_may_only_be_read_drops_what_is_written_to_it(guests):
    run = guests["pmem"]
    assert facts(run)["readonly"] == "dax=always", run["output"]
    assert facts(run)["seen"].split()[0] == run["given"]
    assert run["unchanged"]
    assert facts(run)["kept"].split()[0] == run["image"]


def test_the_root_is_on_a_disk(guests):
    assert guests["root"]["status"] == 0, guests["root"]["output"]
    assert facts(guests["root"])["root"] == "ext4"
    assert guests["root"]["kept"] == "kept\n"


@pytest.mark.parametrize("run", ["vsock-in", "vsock-pci"])
def test_the_host_talks_to_a_port_of_the_guest(guests, run):
    assert guests[run].get("equal"), guests[run]
    assert facts(guests[run])["echoed"] == str(4 << 20)


def test_the_guest_talks_to_a_port_of_the_host(guests):
    run = guests["vsock-out"]
    assert facts(run)["sent"] == f"{8 << 20} bad=0", run
    assert run["bytes"] == 8 << 20


@pytest.mark.parametrize("run", ["net", "net-pci"])
def test_the_guest_reaches_the_host_through_a_tap(guests, run):
    found = guests[run]
    assert found["status"] == 0, found["output"]
    assert "3 packets received" in found["output"] and "all sent" in found["output"]
    assert facts(found)["received"].split()[0] == found["served"]
    assert facts(found)["sent"].split()[0] == found["got"]


def test_the_guest_reads_its_metadata_and_sees_it_change(guests):
    found = guests["metadata"]
    assert found.get("said") == ["name=first", "name=second"], found
    assert facts(found)["long"].split()[0] == found["long"]  # 40,000 bytes


def parts(run):
    """{part of the shared folder: what guest-tool says of it in the guest}."""
    return dict(re.findall(r"^(theirs|ours|stress) (sum=\S+ entries=\d+)", run["output"], re.MULTILINE))


def test_a_shared_folder_is_the_same_on_both_sides(guests):
    run = guests["share"]
    assert parts(run) == {part: run[part] for part in ("theirs", "ours", "stress")}, run
    assert int(run["theirs"].split("entries=")[1]) >= 500  # 10,000 with the small kernel
    assert "unmounted" in run["output"]


# ---- what is asked for through the API while Linux runs (api_cases.py) ----


def in_order(numbers):
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_paused_guest_does_nothing_and_then_goes_on(guests):
    run = guests["pause"]
    assert run.get("during") == 0, run
    assert in_order(run["steps"]) and len(run["steps"]) >= 4


def test_a_restored_guest_goes_on_where_it_was_and_so_does_the_first(guests):
    run = guests["snapshot"]
    assert "restored" in run, run
    taken = run["restored"][0]
    assert in_order(run["restored"]) and in_order(run["first"])
    assert taken - 1 in run["first"] and taken in run["first"]
    assert run["file_bytes"] == 256 << 20 and run["stored_bytes"] < 160 << 20


def test_two_guests_of_one_snapshot_draw_different_numbers(guests):
    run = guests["clones"]
    assert "random" in run, run
    assert run["reseeded"] == [True, True]
    assert len(set(run["random"])) == 2


def test_a_balloon_takes_memory_and_gives_it_back(guests):
    run = guests["balloon"]
    before, inside, after = run["free_kib"]
    assert before - inside > 48 << 10 and after - inside > 48 << 10, run["free_kib"]
    said = run["statistics"]
    assert said["actual_mib"] == said["target_mib"] == 64
    assert 0 < said["free_memory"] < said["total_memory"] <= 256 << 20


def test_memory_is_plugged_and_unplugged(guests):
    first, more, less = guests["hotplug"]["totals_kib"]
    assert more - first > 100 << 10 and abs(less - first) < 8 << 10, guests["hotplug"]["totals_kib"]


def test_a_clone_goes_on_where_it_was_and_so_does_the_first(guests):
    run = guests["fork"]
    assert "clone" in run, run
    fork = run["clone"][0]
    assert in_order(run["clone"]) and len(run["clone"]) >= 3 and fork - 1 in run["before"]
    assert in_order([*run["before"], *run["after"]]), run


def test_two_processors_load_disk_and_entropy_at_once(guests):
    assert "load done" in guests["load"]["output"]
    assert guests["load"]["status"] == 0


def test_a_hundred_megabytes_leave_the_guest_unharmed(guests):
    run = guests["send"]
    assert (run["bytes"], run["bad"]) == (3200 * 32768, 0)
    assert "sent" in run["output"]


def test_it_takes_less_than_three_megabytes_beside_linux(guests):
    assert 0 < guests["send"]["own_kib"] < 3072


def test_the_console_echoes_and_sees_its_end(guests):
    assert guests["echo"]["equal"]
    assert "stream ended" in guests["echo"]["output"]
    assert guests["echo"]["status"] == 0


def test_a_reboot_without_any_reboot_option_is_clean(guests):
    assert guests["reboot"]["status"] == 10, guests["reboot"]["output"]


def test_a_panic_ends_in_a_reboot(guests):
    assert guests["panic"]["status"] == 10, guests["panic"]["output"]


def test_probe_finds_this_kvm_usable(guests):
    assert guests["probe"] == {"status": 0, "output": ""}


def test_control_alt_delete_reaches_whoever_has_a_keyboard_driver(guests):
    run = guests["ctrl_alt_del"]
    if "refused" in run:  # the small kernel has none
        assert "the guest has no driver" in run["refused"]
        return
    found = facts(run)
    assert (found["port"], found["driver"]) == ("i8042 KBD port", "atkbd"), run["output"]
    assert "interrupted" in run["output"] and run["status"] == 10
