# SPDX-License-Identifier: Apache-2.0
"""Labels under SELinux: the lab's kernel has it, where it is asked to when it boots, and a policy is loaded."""

import pathlib

import pytest

pytestmark = pytest.mark.lab

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = f"""
set -e
mount -t selinuxfs selinuxfs /sys/fs/selinux
cd {HERE.parents[1]}
secilc -o /run/policy -f /dev/null {HERE}/selinux.cil
cat /run/policy >/sys/fs/selinux/load
cat /proc/self/attr/current; echo
/usr/bin/python3 -m pytest -q -p no:cacheprovider -k selinux_labels -rs tests/e2e/test_runtime_labels.py
"""


def test_labels_hold_under_selinux(in_lab, require):
    require.tool("secilc")
    result = in_lab("sh", "-c", SCRIPT, disk=2, boot="lsm=landlock,selinux selinux=1 enforcing=1", timeout=300)
    assert result.stdout.startswith("u:r:og_host_t:s0"), result.stdout + result.stderr
    assert result.returncode == 0 and "1 passed" in result.stdout, result.stdout + result.stderr
