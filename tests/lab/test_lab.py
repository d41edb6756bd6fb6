# SPDX-License-Identifier: Apache-2.0
"""The lab is what docs/LAB.md says."""

import pytest

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def facts(in_lab, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    script = """
        test -c /dev/kvm && echo kvm
        stat -f -c %T /sys/fs/cgroup
        grep -o memory /sys/fs/cgroup/cgroup.subtree_control
        stat -f -c %T /var/lib/onggi
        modprobe nbd && grep -o '^nbd' /proc/modules
        echo written >/run/lab/out/file
        echo changed >/etc/hostname && cat /etc/hostname
        echo complaint >&2
        echo "$WORD"
        exit 7
    """
    return in_lab("sh", "-c", script, disk=1, out=out, env={"WORD": "a b'c"}, timeout=120), out


def test_it_has_kvm_cgroup_v2_and_a_disk(facts):
    result, _ = facts
    assert result.stdout.split("\n")[:6] == ["kvm", "cgroup2fs", "memory", "ext2/ext3", "nbd", "changed"]


def test_it_carries_environment_streams_and_status_out(facts):
    result, out = facts
    assert result.returncode == 7
    assert result.stdout.endswith("a b'c\n")
    assert result.stderr == "complaint\n"
    assert (out / "file").read_text() == "written\n"


def test_it_changes_nothing_of_this_machine(facts):
    with open("/etc/hostname", encoding="utf-8") as file:
        assert file.read() != "changed\n"


def test_a_command_that_does_not_end_is_ended(in_lab):
    result = in_lab("sleep", "1000", timeout=20)
    assert result.returncode == 124
    assert "--timeout" in result.stderr
