# SPDX-License-Identifier: Apache-2.0
"""--systemd-cgroup with the real systemd and version 2 alone: one boot, all questions."""

import json

import pytest

pytestmark = pytest.mark.lab

LIMITS = {"memory": {"limit": 64 << 20, "swap": 128 << 20, "reservation": 32 << 20}, "pids": {"limit": 20},
          "cpu": {"shares": 1024, "quota": 50000, "period": 100000, "cpus": "0"}, "blockIO": {"weight": 500}}

# systemd is init of a PID namespace, and speaks only with processes that it can see.
SCRIPT = r"""
mkdir -p /run/systemd/system /run/b/rootfs/bin
printf '[Unit]\nDefaultDependencies=no\n' >/run/systemd/system/lab.target
unshare --fork --pid --mount-proc --kill-child env container=lab /lib/systemd/systemd --system --unit=lab.target \
	--log-target=null --show-status=0 &
until [ -S /run/systemd/private ]; do sleep 0.1; done
pid=$(cat /proc/$!/task/$!/children)
there() { nsenter -t $pid -p -m "$@"; }
until there systemctl is-system-running >/dev/null 2>&1; do sleep 0.1; done
part() { echo "== $1"; }
cp /bin/busybox /run/b/rootfs/bin
for name in sh sleep cat; do ln -s busybox /run/b/rootfs/bin/$name; done
$RUNTIME spec --bundle /run/b
python3 - <<END
import json
config = json.load(open("/run/b/config.json"))
config["process"].update(terminal=False, args=["sleep", "1000"])
config["linux"]["cgroupsPath"] = "a-b.slice:pre:one"
config["linux"]["resources"].update(json.loads('$LIMITS'))
json.dump(config, open("/run/b/config.json", "w"))
END
dir=/sys/fs/cgroup/a.slice/a-b.slice/pre-one.scope
there $RUNTIME --systemd-cgroup run -d --bundle /run/b one </dev/null >/dev/null || exit 1
part show; there systemctl show pre-one.scope
part files; cd $dir; grep . memory.max memory.low memory.swap.max pids.max cpu.max cpu.weight cpuset.cpus io.weight
part procs; wc -l <cgroup.procs; cd /
part exec; there $RUNTIME exec one cat /proc/self/cgroup
part again; there $RUNTIME --systemd-cgroup run -d --bundle /run/b two 2>&1 </dev/null; there $RUNTIME state one
part update; there $RUNTIME --systemd-cgroup update --pids-limit 30 --cpu-quota 30000 --cpu-period 100000 one
there systemctl daemon-reload; cat $dir/pids.max $dir/cpu.max; there systemctl show -p TasksMax,MemoryMax pre-one.scope
part device; there $RUNTIME exec one sh -c 'cat /dev/null && echo readable'
part pause; there $RUNTIME pause one; there $RUNTIME state one; there $RUNTIME resume one
part delete; there $RUNTIME delete --force one; echo $?; ls -d $dir 2>&1; there systemctl show -p LoadState,ActiveState pre-one.scope
part ended; sed -i 's/"1000"/"0"/' /run/b/config.json; there $RUNTIME --systemd-cgroup run --bundle /run/b three; echo $?
there systemctl list-units --all --no-legend '*.scope'
part left; pgrep -l onggi-systemd; exit 0
"""


@pytest.fixture(scope="module")
def parts(in_lab, prefix, require):
    require.tool("systemctl")
    result = in_lab("bash", "-c", SCRIPT, timeout=240, env={"RUNTIME": prefix / "bin/onggi-runtime", "LIMITS": json.dumps(LIMITS)})
    assert result.returncode == 0, result.stderr
    return {name: text for name, _, text in (one.partition("\n") for one in result.stdout.split("== ")[1:])}


def test_the_scope_is_as_it_was_asked_for(parts):
    show = dict(line.split("=", 1) for line in parts["show"].splitlines() if "=" in line)
    assert show["ControlGroup"] == "/a.slice/a-b.slice/pre-one.scope" and show["Slice"] == "a-b.slice"
    assert show["ActiveState"] == "active" and show["Delegate"] == "yes" and show["CollectMode"] == "inactive-or-failed"
    assert show["MemoryMax"] == str(64 << 20) and show["MemoryLow"] == str(32 << 20) and show["MemorySwapMax"] == str(64 << 20)
    assert show["TasksMax"] == "20" and show["AllowedCPUs"] == "0" and show["CPUQuotaPerSecUSec"] == "500ms"
    assert show["CPUWeight"] == "100" and show["DevicePolicy"] == "strict"


def test_the_limits_are_in_the_files(parts):
    files = dict(line.split(":", 1) for line in parts["files"].splitlines())
    assert files["memory.max"] == files["memory.swap.max"] == str(64 << 20) and files["memory.low"] == str(32 << 20)
    assert files["pids.max"] == "20" and files["cpu.max"] == "50000 100000" and files["cpuset.cpus"] == "0"
    assert files["cpu.weight"] == "100" and files["io.weight"].startswith("default ")
    assert parts["procs"].strip() == "1" and parts["exec"].strip() == "0::/"


def test_a_second_one_of_that_name_is_refused_and_harms_nobody(parts):
    assert "pre-one.scope" in parts["again"] and '"running"' in parts["again"]


def test_update_outlives_a_reload_of_systemd(parts):
    assert parts["update"].splitlines()[:2] == ["30", "30000 100000"]
    assert "TasksMax=30" in parts["update"] and f"MemoryMax={64 << 20}" in parts["update"]
    assert parts["device"] == "readable\n" and '"paused"' in parts["pause"]


def test_nothing_is_left(parts):
    lines = parts["delete"].splitlines()
    assert lines[0] == "0" and "No such file" in lines[1] and "LoadState=not-found" in lines
    assert parts["ended"].splitlines()[0] == "0" and "pre-" not in parts["ended"] and parts["left"] == ""
