# SPDX-License-Identifier: Apache-2.0
"""Cases of vmm_guests.py that ask for something while Linux runs: through the API."""

import hashlib
import re
import subprocess
import time

import api_vm

MAC = "06:00:0a:09:00:02"


class Cases:
    """Each method is a case; what it returns is the result of that name."""

    def __init__(self, prefix, kernels, initramfs, work, cmdline):
        self.program = prefix / "bin/onggi-vmm"
        self.kernel, self.initramfs, self.work, self.cmdline = kernels / "vmlinux", initramfs, work, cmdline

    def config(self, command, memory=256, cpus=1, **more):
        return {"boot-source": {"kernel_image_path": str(self.kernel), "initrd_path": str(self.initramfs),
                                "boot_args": f"{self.cmdline} lab.run={command}"},
                "machine-config": {"vcpu_count": cpus, "mem_size_mib": memory}, **more}

    def vm(self, name, command, options=(), **more):
        return api_vm.ApiVm(self.program, self.work, name, self.config(command, **more), options)

    def pause(self):
        """What was said before, during and after a pause of the machine."""
        with self.vm("pause", "work") as vm:
            vm.hear(r"step=3$")
            vm.ask("PATCH", "/vm", {"state": "Paused"})
            time.sleep(0.5)  # what was under way comes out
            before = len(vm.lines)
            time.sleep(1.5)
            during = len(vm.lines) - before
            vm.ask("PATCH", "/vm", {"state": "Resumed"})
            vm.hear(r"step=", since=before + 2)
            return {"during": during, "steps": steps(vm.lines)}

    def snapshot_files(self, name):
        return self.work / f"{name}.state", self.work / f"{name}.memory"

    def take_snapshot(self, vm, name, kind="Full"):
        state, memory = self.snapshot_files(name)
        vm.ask("PATCH", "/vm", {"state": "Paused"})
        vm.ask("PUT", "/snapshot/create", {"snapshot_path": str(state), "mem_file_path": str(memory),
                                           "snapshot_type": kind})
        return {"file_bytes": memory.stat().st_size, "stored_bytes": memory.stat().st_blocks * 512}

    def restore(self, name, new_name, resume=True):
        state, memory = self.snapshot_files(name)
        vm = api_vm.ApiVm(self.program, self.work, new_name)
        vm.ask("PUT", "/snapshot/load", {"snapshot_path": str(state), "resume_vm": resume, "mem_backend":
                                         {"backend_type": "File", "backend_path": str(memory)}})
        return vm

    def snapshot(self):
        """Work goes on in another process where a snapshot found it, and in the first one as well."""
        with self.vm("snapshot", "work", cpus=2) as vm:
            vm.hear(r"step=3$")
            found = self.take_snapshot(vm, "snapshot")
            time.sleep(0.5)
            first = len(vm.lines)
            with self.restore("snapshot", "restored") as other:
                other.hear(r"step=", since=4)
                found["restored"] = steps(other.lines)
            vm.ask("PATCH", "/vm", {"state": "Resumed"})
            vm.hear(r"step=", since=first + 2)
            return found | {"first": steps(vm.lines)}

    def clones(self):
        """Two guests of one snapshot: what each draws from the kernel's generator."""
        with self.vm("origin", "lots") as vm:
            vm.hear(r"step=2$")
            self.take_snapshot(vm, "origin")
        found = {"random": [], "reseeded": []}
        for name in ("one", "two"):
            with self.restore("origin", name) as vm:
                vm.hear(r"step=")
                vm.say("go\n")
                drawn, at = vm.hear(r"random=([0-9a-f]+)")
                vm.hear(r"crng reseeded", since=at, seconds=30)
                found["random"].append(drawn[1])
                found["reseeded"].append("crng reseeded due to virtual machine fork" in vm.text())
        return found

    def memory_kib(self, vm, came, seconds=60):
        """What the guest says of its memory once came(total, free) holds, or in the end: (total, free) in KiB.

        Its lines come late where the host is busy, so the next one may be of before.
        """
        end = time.monotonic() + seconds
        at = len(vm.lines)
        while True:
            found, at = vm.hear(r"total=(\d+) free=(\d+)", since=at)
            total, free = int(found[1]), int(found[2])
            if came(total, free) or time.monotonic() > end:
                return total, free

    def inflate(self, vm, mib, came):
        """Until the balloon has that size: the guest's free memory in KiB once came(it) holds."""
        vm.ask("PATCH", "/balloon", {"amount_mib": mib})
        wait_for(lambda: vm.ask("GET", "/balloon/statistics")["actual_mib"] == mib)
        return self.memory_kib(vm, lambda total, free: came(free))[1]

    def balloon(self):
        """64 MiB go into the balloon and come back; the guest's own figures, and those of its statistics."""
        body = {"amount_mib": 0, "deflate_on_oom": False, "stats_polling_interval_s": 1}
        with self.vm("balloon", "memory", balloon=body) as vm:
            before = self.memory_kib(vm, lambda total, free: True)[1]
            inside = self.inflate(vm, 64, lambda free: before - free > 48 << 10)
            statistics = vm.ask("GET", "/balloon/statistics")
            after = self.inflate(vm, 0, lambda free: free - inside > 48 << 10)
            return {"free_kib": [before, inside, after], "statistics": statistics, "output": vm.text()}

    def hotplug(self):
        """128 MiB are plugged and unplugged; the guest's total each time."""
        with self.vm("hotplug", "memory memhp_default_state=online_movable",
                     **{"memory-hotplug": {"total_size_mib": 256}}) as vm:
            first = self.memory_kib(vm, lambda total, free: True)[0]
            totals = [first]
            for mib, came in ((128, lambda total, free: total - first > 100 << 10),
                              (0, lambda total, free: abs(total - first) < 8 << 10)):
                vm.ask("PATCH", "/hotplug/memory", {"requested_size_mib": mib})
                wait_for(lambda wanted=mib: vm.ask("GET", "/hotplug/memory")["plugged_size_mib"] == wanted)
                totals.append(self.memory_kib(vm, came)[0])
            return {"totals_kib": totals, "output": vm.text()}

    def ctrl_alt_del(self):
        """The first process hears of it where it asked to; without that the kernel restarts."""
        with self.vm("keys", "keys") as vm:
            vm.hear("^waiting$")
            try:
                vm.ask("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
            except RuntimeError as error:
                return {"refused": str(error)}
            vm.hear("^hard$")
            vm.ask("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
            return {"status": vm.process.wait(60), "output": vm.text()}

    def fork(self):
        """A clone of a guest at work goes on where it was, and so does the first."""
        with self.vm("fork", "work", options=["--forkable"]) as vm:
            vm.hear(r"step=3$")
            clone = self.work / "clone.api"
            vm.ask("PUT", "/fork", {"id": "clone", "api_sock": str(clone), "resume_vm": False})
            vm.ask("PATCH", "/vm", {"state": "Paused"})
            time.sleep(0.5)
            first = len(vm.lines)
            api_vm.request(clone, "PATCH", "/vm", {"state": "Resumed"})  # at the same serial port
            vm.hear(r"step=", since=first + 3)
            api_vm.request(clone, "PATCH", "/vm", {"state": "Paused"})
            time.sleep(0.5)
            both = len(vm.lines)
            vm.ask("PATCH", "/vm", {"state": "Resumed"})
            vm.hear(r"step=", since=both + 3)
            lines = vm.lines
            return {"before": steps(lines[:first]), "clone": steps(lines[first:both]),
                    "after": steps(lines[both:]), "output": vm.text()}

    def metadata(self):
        """What the guest reads at the metadata service, before and after the host changes it."""
        subprocess.run(["ip", "tuntap", "add", "dev", "mmds0", "mode", "tap"], check=True)
        subprocess.run(["ip", "link", "set", "mmds0", "up"], check=True)
        long = "0123456789" * 4000
        try:
            with api_vm.ApiVm(self.program, self.work, "metadata") as vm:
                for place, body in self.config("metadata", cpus=2).items():
                    vm.ask("PUT", f"/{place}", body)
                vm.ask("PUT", "/network-interfaces/eth0", {"iface_id": "eth0", "host_dev_name": "mmds0",
                                                           "guest_mac": MAC})
                vm.ask("PUT", "/mmds/config", {"network_interfaces": ["eth0"], "version": "V1"})
                vm.ask("PUT", "/mmds", {"name": "first", "long": long})
                vm.ask("PUT", "/actions", {"action_type": "InstanceStart"})
                said = [vm.hear(r"name=first")[0][0]]
                vm.ask("PATCH", "/mmds", {"name": "second"})
                said.append(vm.hear(r"name=second")[0][0])
                vm.hear("metadata done")
                return {"output": vm.text(), "said": said, "long": md5(long.encode())}
        finally:
            subprocess.run(["ip", "link", "del", "mmds0"], check=False)


def wait_for(came, seconds=120):
    end = time.monotonic() + seconds
    while not came():
        if time.monotonic() > end:
            raise TimeoutError("what was asked for did not come")
        time.sleep(0.5)


def steps(lines):
    return [int(found[1]) for line in lines if (found := re.search(r"step=(\d+)", line))]


def md5(data):
    return hashlib.md5(data).hexdigest()


def all_cases(*arguments):
    """{name: function}, by the names of the methods."""
    cases = Cases(*arguments)
    return {name: getattr(cases, name) for name in ("pause", "snapshot", "clones", "balloon", "hotplug", "fork", "ctrl_alt_del",
                                                   "metadata")}
