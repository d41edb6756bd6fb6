# SPDX-License-Identifier: Apache-2.0
"""--systemd-cgroup against a systemd of the tests' own (lib/fakesystemd.py); tests/lab has the real one."""

import contextlib
import json
import os
import pathlib
import pwd
import signal
import subprocess
import sys
import time

import pytest

import bundles
import daemon
from rootless import become, ordinary

TOP = pathlib.Path("/sys/fs/cgroup")
SLICE = f"ogtest{os.getpid()}.slice"
CONF = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*"/><allow own="*"/><allow eavesdrop="true"/></policy></busconfig>
"""


@pytest.fixture
def runtime(prefix, require, tmp_path, monkeypatch):
    require.root()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    made = bundles.Runtime(prefix, tmp_path)
    made.config["linux"]["cgroupsPath"] = f"{SLICE[:-6]}-low.slice:pre:one"
    made.log = tmp_path / "calls"
    made.log.write_text("")
    yield made
    made.clean()
    remove_slices(TOP.glob(f"*/{SLICE}"))


def remove_slices(paths):
    for path in paths:
        for folder, _, _ in os.walk(path, topdown=False):
            os.rmdir(folder)


@contextlib.contextmanager
def running(words, ready=b"ready\n"):
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert not ready or process.stdout.readline() == ready
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def bus_in(folder, require):
    """A bus that nobody else has, and a function that starts a systemd on it."""
    bus = require.tool("dbus-daemon")
    try:
        import dbus  # pylint: disable=import-outside-toplevel,unused-import
        import gi  # pylint: disable=import-outside-toplevel,unused-import
    except ImportError:
        require.lacking("no python3-dbus or python3-gi: tools/install-deps test")
    (folder / "bus.conf").write_text(CONF.format(path=folder / "bus"))
    with contextlib.ExitStack() as stack:
        stack.enter_context(running([bus, f"--config-file={folder}/bus.conf", "--nofork"], ready=None))
        daemon.wait_for("a bus", (folder / "bus").exists)

        def start_systemd(mode, *more):
            stack.enter_context(running([sys.executable, pathlib.Path(__file__).parents[1] / "lib/fakesystemd.py",
                                         f"unix:path={folder}/bus", folder / "calls", mode, *map(str, more)]))
        yield start_systemd


@pytest.fixture
def systemd(runtime, require, tmp_path):
    """systemd("good"): starts it."""
    with bus_in(tmp_path, require) as start_systemd:
        yield start_systemd
        runtime.clean()


def calls(runtime, method):
    return [one for one in map(json.loads, runtime.log.read_text().splitlines()) if one["method"] == method]


def start(runtime, *flags):
    runtime.config["process"]["args"] = ["/bin/sleep", "1000"]
    runtime.write()
    name = runtime.name()
    subprocess.run([runtime.program, "--root", runtime.root, "--systemd-cgroup", *flags, "run", "-d", "--bundle", runtime.bundle,
                    name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)
    return name


def groups_of(pid):
    lines = [line.split(":", 2) for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    return {controllers: path for _, controllers, path in lines}


def value(pid, controller, file):
    return (TOP / controller / groups_of(pid)[controller][1:] / file).read_text().strip()


def helpers():
    """Processes of onggi-systemd that speak on this test's bus."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and "onggi-systemd" in text_of(pid, "cmdline")
            and os.environ["DBUS_SYSTEM_BUS_ADDRESS"] in text_of(pid, "environ")]


def text_of(pid, file):
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc", pid, file).read_text()
    return ""


def test_a_scope_is_asked_for_with_its_limits_and_taken_away_again(runtime, systemd):
    if TOP.joinpath("cgroup.controllers").exists():
        pytest.skip("version 2 alone: tests/lab has the real systemd for that")
    systemd("good")
    runtime.config["linux"]["resources"] |= {
        "memory": {"limit": 64 << 20}, "pids": {"limit": 20},
        "cpu": {"shares": 512, "quota": 33333, "period": 100000, "cpus": "0"},
    }
    name = start(runtime)
    asked, = calls(runtime, "StartTransientUnit")
    group = f"/{SLICE}/{SLICE[:-6]}-low.slice/pre-one.scope"
    assert asked["unit"] == "pre-one.scope" and asked["mode"] == "fail"
    properties = asked["properties"]
    assert properties["Slice"] == f"{SLICE[:-6]}-low.slice" and name in properties["Description"]
    assert properties["Delegate"] is True and properties["DefaultDependencies"] is False
    assert properties["MemoryLimit"] == 64 << 20 and properties["TasksMax"] == 20 and properties["CPUShares"] == 512
    assert properties["CPUQuotaPerSecUSec"] == 340000 and properties["CPUQuotaPeriodUSec"] == 100000  # whole percents
    assert properties["DevicePolicy"] == "strict" and ["/dev/char/1:3", "rwm"] in properties["DeviceAllow"]
    assert ["char-pts", "rwm"] in properties["DeviceAllow"] and len(properties["PIDs"]) == 1
    pid = runtime.state(name)["pid"]
    assert {path for path in groups_of(pid).values()} == {group}
    assert value(pid, "memory", "memory.limit_in_bytes") == str(64 << 20) and value(pid, "pids", "pids.max") == "20"
    assert value(pid, "cpu", "cpu.cfs_quota_us") == "33333" and value(pid, "cpuset", "cpuset.cpus") == "0"
    assert value(pid, "pids", "cgroup.procs") == str(pid) and helpers() == []  # whoever held the scope open is gone
    assert runtime.call("exec", name, "/bin/cat", "/proc/self/cgroup").stdout.count(":/\n") == len(groups_of(pid))

    runtime.call("--systemd-cgroup", "update", "--memory", 32 << 20, "--pids-limit", 30, name)
    changed, = calls(runtime, "SetUnitProperties")
    assert changed["unit"] == "pre-one.scope" and changed["runtime"] is True
    assert changed["properties"] == {"MemoryLimit": 32 << 20, "TasksMax": 30}
    assert value(pid, "memory", "memory.limit_in_bytes") == str(32 << 20) and value(pid, "pids", "pids.max") == "30"

    runtime.call("kill", name, "KILL")
    runtime.wait_for(name, "stopped")
    runtime.call("delete", name)
    assert [one["unit"] for one in calls(runtime, "StopUnit") + calls(runtime, "ResetFailedUnit")] == ["pre-one.scope"] * 2
    assert not [path for path in TOP.glob(f"*{group}") if path.exists()] and helpers() == []


def test_names_are_escaped_and_slices_checked(runtime, systemd):
    systemd("good")
    low = f"{SLICE[:-6]}-low.slice"
    runtime.config["linux"]["cgroupsPath"] = f"{low}::a+b c"
    start(runtime)
    assert calls(runtime, "StartTransientUnit")[0]["unit"] == "a\\x2bb\\x20c.scope"
    for path, words in (("/plain/path", "SLICE:PREFIX:NAME"), ("a:b", "SLICE:PREFIX:NAME"), (f"{low}:a:b:c", "SLICE:PREFIX:NAME"),
                        ("x:a:b", "no name of a slice"), ("a--b.slice:a:b", "no name of a slice"),
                        ("../x.slice:a:b", "no name of a slice"), (f"{low}:a:{'b' * 300}", "255 at most")):
        runtime.config["linux"]["cgroupsPath"] = path
        runtime.write()
        result = runtime.call("--systemd-cgroup", "run", "--bundle", runtime.bundle, runtime.name(), check=False)
        assert result.returncode == 1 and words in result.stderr and result.stderr.count("\n") == 1, result.stderr
        assert "linux.cgroupsPath" in result.stderr


def run_and_fail(runtime, monkeypatch, timeout=None):
    if timeout:
        monkeypatch.setenv("ONGGI_SYSTEMD_TIMEOUT", str(timeout))
    runtime.write()
    begin = time.monotonic()
    result = runtime.call("--systemd-cgroup", "run", "--bundle", runtime.bundle, runtime.name(), check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1, result.stderr
    assert os.listdir(runtime.root) == [] and helpers() == []
    return result.stderr, time.monotonic() - begin


@pytest.mark.parametrize("mode", ["hang", "endless"])
def test_a_systemd_that_hangs_is_given_up(runtime, systemd, monkeypatch, mode):
    systemd(mode)
    said, took = run_and_fail(runtime, monkeypatch, timeout=1)
    assert "--systemd-cgroup: systemd has not answered after 1 s" in said and "cgroupfs driver" in said
    assert 0.9 < took < 20


@pytest.mark.parametrize("mode, words", [("refuse", "already loaded"), ("failed", "ended as 'failed'")])
def test_what_systemd_refuses_is_told(runtime, systemd, monkeypatch, mode, words):
    systemd(mode)
    said, _ = run_and_fail(runtime, monkeypatch)
    assert words in said and "StartTransientUnit" in said


def test_without_a_systemd_it_says_so(runtime, systemd, monkeypatch):
    del systemd  # but there is a bus
    words = "--systemd-cgroup: no systemd answers on /run/systemd/private or the system bus: use the cgroupfs driver"
    said, _ = run_and_fail(runtime, monkeypatch)
    assert words in said
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    said, _ = run_and_fail(runtime, monkeypatch)
    assert words in said


def test_a_scope_of_that_name_that_is_anothers_is_left_alone(runtime, systemd, monkeypatch):
    systemd("good")
    name = start(runtime)
    runtime.write()
    result = runtime.call("--systemd-cgroup", "run", "--bundle", runtime.bundle, runtime.name(), check=False)
    assert result.returncode == 1 and ("already loaded" in result.stderr or "processes of others" in result.stderr)
    assert runtime.state(name)["status"] == "running" and calls(runtime, "StopUnit") == []
    del monkeypatch


def test_a_killed_runtimes_scope_is_found_by_delete(runtime, systemd, tmp_path):
    systemd("good")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/reached\nexec sleep 1000\n")
    hook.chmod(0o755)
    runtime.config["hooks"] = {"createRuntime": [{"path": str(hook)}]}
    runtime.write()
    name = runtime.name()
    with subprocess.Popen([runtime.program, "--root", runtime.root, "--systemd-cgroup", "create", "--bundle", runtime.bundle, name],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        daemon.wait_for("the hook", (tmp_path / "reached").exists)
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the hook, which outlives its runtime
    daemon.wait_for("the end of the helper", lambda: not helpers())
    runtime.call("delete", "--force", name)
    assert [one["unit"] for one in calls(runtime, "StopUnit")] == ["pre-one.scope"] and os.listdir(runtime.root) == []


def test_features_say_that_it_can(runtime):
    cgroup = json.loads(runtime.call("features").stdout)["linux"]["cgroup"]
    assert cgroup["systemd"] and cgroup["systemdUser"]


@pytest.fixture(name="rootless")
def fixture_rootless(prefix, require):
    require.root()
    uid = pwd.getpwnam("games").pw_uid  # D-Bus lets nobody in whom /etc/passwd does not name
    with ordinary(prefix, uid) as made, bus_in(made.folder, require) as start_systemd:
        made.log = made.folder / "calls"
        made.env["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={made.folder}/bus"
        made.config["linux"]["cgroupsPath"] = f"{SLICE}:pre:one"
        start_systemd("good", uid)
        yield made
        made.clean()
    remove_slices(TOP.glob(SLICE))


def create(rootless):
    rootless.config["process"]["args"] = ["/bin/sleep", "1000"]
    rootless.write()
    name = rootless.name()
    with open(rootless.folder / "said", "w+b") as said:  # a pipe would be the workload's, too
        done = subprocess.run(rootless.words("--systemd-cgroup", "create", "--bundle", rootless.bundle, name), env=rootless.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, timeout=60, check=False,
                              preexec_fn=become(rootless.uid))
        said.seek(0)
        return name, done.returncode, said.read().decode()


@pytest.mark.in_lab
def test_an_ordinary_users_own_systemd_moves_his_processes(rootless):
    if not TOP.joinpath("cgroup.controllers").exists():
        pytest.skip("needs cgroup version 2 alone: the lab has it")
    rootless.config["linux"]["resources"] = {"pids": {"limit": 17}}
    name, status, said = create(rootless)
    assert status == 0, said
    rootless.call("start", name)
    pid = rootless.state(name)["pid"]
    group = f"/{SLICE}/pre-one.scope"
    assert groups_of(pid) == {"": group} and value(pid, "", "pids.max") == "17"
    assert calls(rootless, "AttachProcessesToUnit")[0] == {"method": "AttachProcessesToUnit", "unit": "pre-one.scope",
                                                           "subgroup": "", "pids": [pid]}
    assert rootless.call("exec", name, "/bin/sh", "-c", "cat /proc/self/cgroup; wc -l < /sys/fs/cgroup/cgroup.procs").stdout.split() \
        == ["0::/", "2"]  # sh becomes wc
    rootless.call("kill", name, "KILL")
    rootless.wait_for(name, "stopped")
    rootless.call("delete", name)
    assert [one["unit"] for one in calls(rootless, "StopUnit")] == ["pre-one.scope"] and not (TOP / group[1:]).exists()


def test_where_version_1_is_an_ordinary_user_is_told(rootless):
    if TOP.joinpath("cgroup.controllers").exists():
        pytest.skip("version 2 alone is here")
    _, status, said = create(rootless)
    assert status == 1 and "version 2 alone" in said and said.count("\n") == 1
