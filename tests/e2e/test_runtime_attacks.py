# SPDX-License-Identifier: Apache-2.0
"""Known ways out of a container, tried on onggi-runtime. The numbers are those of issue 3's list."""


def test_a27_annotations_change_nothing_of_a_container(runtime):
    runtime.config["annotations"] = {"org.onggi.isolation": "vm", "run.oci.handler": "krun", "org.onggi.vm.disks": "[]"}
    assert runtime.sh("readlink /proc/self/ns/pid").startswith("pid:")
