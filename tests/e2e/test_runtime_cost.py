# SPDX-License-Identifier: Apache-2.0
"""What a container costs that can be counted: calls, memory, remains. Times are for bench/."""

import os
import pathlib
import re
import subprocess

import pytest

# crun makes about 1,000 under the same conditions: nine control group trees of version 1, or the one
# of version 2, and no seccomp profile, as bench/ measures it.
CALLS_MAX = 400
PEAK_MAX_KIB = 1900


# crun 1.8 refuses hybrid control groups.
WITHOUT_HYBRID = ["unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"]


def test_the_runtime_is_one_static_file(runtime):
    elf = subprocess.run(["readelf", "-Wld", runtime.program], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    assert "INTERP" not in elf
    assert "(NEEDED)" not in elf
    assert "GNU_RELRO" in elf and re.search(r"Flags:.*PIE", elf)


def test_a_run_takes_few_system_calls(runtime, require, tmp_path):
    require.tool("strace")
    runtime.config["process"]["args"] = ["/bin/true"]
    runtime.config["linux"].pop("seccomp", None)
    runtime.write()
    counts = tmp_path / "counts"
    subprocess.run([*WITHOUT_HYBRID, "strace", "-f", "-qq", "-c", "-o", counts, runtime.program, "--root", runtime.root,
                    "run", "--bundle", runtime.bundle, runtime.name()], check=True, timeout=60)
    total = int(re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total",
                          counts.read_text(), re.MULTILINE)[1])
    assert total <= CALLS_MAX, counts.read_text()


def test_no_process_of_a_run_is_large(runtime):
    """The peak of the largest one, busybox' own 1.3 MiB included."""
    runtime.config["process"]["args"] = ["/bin/true"]
    runtime.write()
    # A child begins with its parent's peak, so busybox, a small one, starts it and tells.
    told = subprocess.run(["/bin/busybox", "time", "-f", "%M", runtime.program, "--root", runtime.root,
                           "run", "--bundle", runtime.bundle, runtime.name()], check=True, timeout=60,
                          stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL).stderr
    pages_told = int(told.splitlines()[-1])  # busybox takes KiB for pages
    assert pages_told * 1024 // os.sysconf("SC_PAGESIZE") <= PEAK_MAX_KIB


def test_true_runs_in_a_limit_of_half_a_mebibyte(runtime):
    runtime.config["linux"]["resources"] = {"memory": {"limit": 512 << 10}}
    result = runtime.run("/bin/true", check=False)
    if "memory" in result.stderr and result.returncode == 1:
        pytest.skip(f"no memory limits here: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr


def test_a_thousand_leave_nothing_behind(runtime):
    def remains():
        mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        return ([line for line in mounts if str(runtime.folder) in line or "og-test-k" in line],
                [str(path) for path in pathlib.Path("/sys/fs/cgroup").rglob("*og-test-k*")],
                [entry.name for entry in runtime.root.iterdir()] if runtime.root.exists() else [])

    runtime.config["process"]["args"] = ["/bin/true"]
    runtime.write()
    script = (f'i=0; while [ $i -lt 1000 ]; do "$0" --root "$1" run --bundle "$2" og-test-k$i || exit 1; '
              "i=$((i+1)); done")
    subprocess.run(["sh", "-c", script, runtime.program, runtime.root, runtime.bundle], check=True,
                   timeout=300, stdin=subprocess.DEVNULL)
    assert remains() == ([], [], [])
    processes = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "og-test-k" not in processes
