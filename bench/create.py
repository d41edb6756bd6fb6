# SPDX-License-Identifier: Apache-2.0
"""VMs made one after the other on one core: onggi-vmm against QEMU microvm on KVM in the lab."""

import shlex

import boot
import common

TITLE = "VMs created, run to their init and ended, one after the other on one core"
VMS = 2  # the first one alone reads its files for the first time


def many(words):
    command = f"{shlex.join(words)} </dev/null >/dev/null"
    return ["sh", "-c", f"for i in $(seq {VMS}); do {command}; done; echo all ended"]


def main(prefix, quick=False):
    del quick
    counted = boot.count_each(prefix, "all ended", many)
    base = counted["QEMU microvm"]
    rows = [[label, f"{value / VMS / 1e9:.3f}", f"{VMS * 1e9 / value:.2f}", f"{base / value:.2f}"]
            for label, value in counted.items()]
    return (f"{boot.setting(prefix)}; {VMS} VMs, each from exec of the hypervisor through the guest's first "
            "process, which powers off, to the hypervisor's end.\n\n"
            + common.table(["", "10^9 instructions a VM", "VMs each 10^9 instructions", "VMs to QEMU's"], rows))
