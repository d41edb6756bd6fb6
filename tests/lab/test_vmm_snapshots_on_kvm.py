# SPDX-License-Identifier: Apache-2.0
"""Linux goes on after snapshots and as a fork (tests/tools/og-snapshots.c), on real KVM in the lab."""

import re

import pytest
import test_vmm_on_kvm as vmm_on_kvm

pytestmark = pytest.mark.lab

TOOL = vmm_on_kvm.TOP / "build/tests/tools/og-snapshots"


@pytest.fixture(scope="module", params=[1, 2])
def went(request, in_lab, prefix, require, tmp_path_factory):
    """What the tool said of a guest with so many processors: {word: number}, and its last line."""
    kernel = prefix / "lib/onggi/guest/small/vmlinux"
    for path in (kernel, TOOL):
        if not path.exists():
            require.lacking(f"no {path}: make guest-kernel, make")
    initramfs = tmp_path_factory.mktemp("snapshots") / "initramfs"
    vmm_on_kvm.make_initramfs(initramfs, {})
    script = ("mkdir /run/lab/disk/work && cd /run/lab/disk/work && head -c 65536 /dev/urandom >disk && "
              f"exec timeout 400 {TOOL} {kernel} {initramfs} {request.param} 3")
    result = in_lab("sh", "-c", script, disk=4, timeout=500, env={"OG_TEST_GUEST": "/dev/null"})
    assert result.returncode == 0, result.stdout + result.stderr
    return {k: int(v) for k, v in re.findall(r"^(\w+)=(\d+)$", result.stdout, re.MULTILINE)}, result.stdout


def test_linux_goes_on_in_each(went):
    facts, output = went
    assert output.splitlines()[-1] == "all went on"
    assert facts["restored"] > facts["resumed"]
    assert facts["forked"] > facts["resumed"] and facts["parent"] > facts["resumed"]


def test_only_what_was_touched_or_changed_is_written(went):
    facts, _ = went
    assert 0 < facts["memory_bytes"] < 80 << 20
    assert 0 < facts["changes_bytes"] < facts["memory_bytes"] / 4
    assert facts["state_bytes"] < 65536
