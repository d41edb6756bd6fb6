# SPDX-License-Identifier: Apache-2.0
"""Runs a command in the lab (tools/lab): a machine with KVM and cgroup v2, by emulation."""

import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
LAB_FAILED = 125


def run(*words, disk=0, out=None, env=None, timeout=600, memory=3072, boot=""):
    """Runs words in the lab; the result has returncode, stdout and stderr as text.

    Once more where the lab's own kernel went down: QEMU 7.2 sometimes runs half of an instruction
    that this kernel patches under KVM's feet.
    """
    command = [TOP / "tools/lab", "run", "--timeout", timeout, "--memory", memory, "--disk", disk]
    if boot:
        command += ["--boot", boot]
    if out:
        command += ["--out", out]
    for name, value in (env or {}).items():
        command += ["--env", f"{name}={value}"]
    for _ in range(2):
        result = subprocess.run([str(word) for word in (*command, "--", *words)], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=timeout + 120, check=False,
                                errors="replace")
        if result.returncode != LAB_FAILED or "Kernel panic" not in result.stderr:
            break
    return result
