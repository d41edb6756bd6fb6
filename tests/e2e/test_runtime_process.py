# SPDX-License-Identifier: Apache-2.0
"""What config.json's process (and some of linux) asks of the process itself, as it sees it from inside."""

import contextlib
import json
import os
import pathlib
import shutil

import pytest

import bundles

HAS_NUMA = pathlib.Path("/proc/self/numa_maps").exists()
HAS_RT_GROUPS = pathlib.Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists()


@pytest.fixture
def runtime(runtime, require):
    shutil.copy(require.built("og-process"), runtime.rootfs / "bin/og-process")
    return runtime


def topics(text):
    return dict(line.split(" ", 1) for line in text.splitlines())


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def values(text):
    return {name: int(value) for name, value in (word.split("=") for word in text.split())}


def look(runtime):
    return topics(runtime.run("/bin/og-process").stdout)


def look_by_exec(runtime, name, tmp_path, **process):
    """What exec with a process object of its own looks like."""
    process = dict(runtime.config["process"], args=["/bin/og-process"], **process)
    (tmp_path / "process.json").write_text(json.dumps(process))
    return topics(runtime.call("exec", "--process", tmp_path / "process.json", name).stdout)


def refusal(runtime):
    result = runtime.run("/bin/og-process", check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and result.stdout == "", result
    return result.stderr


def may(capability):
    effective = int(status_of(pathlib.Path("/proc/self/status").read_text())["CapEff"], 16)
    return effective >> {"SYS_NICE": 23, "SYS_RESOURCE": 24}[capability] & 1 == 1


# ---- scheduling ----


@pytest.mark.in_lab
@pytest.mark.parametrize("asked, seen", [
    ({"policy": "SCHED_OTHER", "nice": 7}, {"policy": 0, "nice": 7}),
    ({"policy": "SCHED_OTHER", "nice": -3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, {"policy": 0, "nice": -3, "flags": 1}),
    ({"policy": "SCHED_BATCH", "nice": 5}, {"policy": 3, "nice": 5}),
    ({"policy": "SCHED_IDLE"}, {"policy": 5}),
    ({"policy": "SCHED_FIFO", "priority": 4}, {"policy": 1, "priority": 4}),
    ({"policy": "SCHED_RR", "priority": 9}, {"policy": 2, "priority": 9}),
    ({"policy": "SCHED_DEADLINE", "runtime": 2000000, "deadline": 50000000, "period": 100000000},
     {"policy": 6, "runtime": 2000000, "deadline": 50000000, "period": 100000000}),
    ({"policy": "SCHED_DEADLINE", "runtime": 2000000, "deadline": 50000000, "period": 100000000,
      "flags": ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"]}, {"policy": 6, "flags": 6}),
])
def test_each_scheduling_policy(runtime, asked, seen):
    runtime.config["process"]["scheduler"] = asked
    if asked["policy"] in ("SCHED_FIFO", "SCHED_RR") and HAS_RT_GROUPS:
        runtime.config["linux"]["resources"]["cpu"] = {"realtimeRuntime": 200000, "realtimePeriod": 1000000}
    found = values(look(runtime)["scheduler"])
    assert {name: found[name] for name in seen} == seen


def test_a_scheduler_that_cannot_be_says_why(runtime):
    for scheduler, words in [
            ({"policy": "SCHED_ISO"}, "process.scheduler.policy SCHED_ISO"),
            ({"policy": "SCHED_OTHER", "priority": 5}, "process.scheduler (the policy does not take all"),
            ({"policy": "SCHED_DEADLINE"}, "process.scheduler (the policy does not take all")]:
        runtime.config["process"]["scheduler"] = scheduler
        assert words in refusal(runtime)
    if HAS_RT_GROUPS:  # this group has no share of real time
        runtime.config["process"]["scheduler"] = {"policy": "SCHED_RR", "priority": 5}
        assert "linux.resources.cpu.realtimeRuntime" in refusal(runtime)


@pytest.mark.in_lab
def test_io_priority(runtime):
    for name, number, priority in [("BE", 2, 6), ("IDLE", 3, 0), ("RT", 1, 3)]:
        runtime.config["process"]["ioPriority"] = {"class": f"IOPRIO_CLASS_{name}", "priority": priority}
        assert values(look(runtime)["io"]) == {"class": number, "priority": priority}


@pytest.mark.in_lab
def test_exec_has_the_scheduling_of_its_own_process(runtime, tmp_path):
    runtime.config["process"] |= {"scheduler": {"policy": "SCHED_BATCH", "nice": 3},
                                  "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 5}}
    name = runtime.start("/bin/sleep", "1000")
    found = topics(runtime.call("exec", name, "/bin/og-process").stdout)
    assert values(found["scheduler"])["policy"] == 3 and values(found["io"]) == {"class": 2, "priority": 5}
    found = look_by_exec(runtime, name, tmp_path, scheduler={"policy": "SCHED_IDLE"},
                         ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0})
    assert values(found["scheduler"])["policy"] == 5 and values(found["io"])["class"] == 3


@pytest.mark.in_lab
@pytest.mark.skipif(os.cpu_count() < 2, reason="one processor has no affinity to choose")
def test_exec_has_its_affinity_and_the_first_process_has_not(runtime, tmp_path):
    everywhere = f"{(1 << os.cpu_count()) - 1}"
    runtime.config["process"]["execCPUAffinity"] = {"initial": "0", "final": "1"}
    assert look(runtime)["processors"] == everywhere
    name = runtime.start("/bin/sleep", "1000")
    assert topics(runtime.call("exec", name, "/bin/og-process").stdout)["processors"] == "2"
    assert look_by_exec(runtime, name, tmp_path, execCPUAffinity={"final": "0-0,0"})["processors"] == "1"
    # Without a final one the kernel decides: before Linux 6.2 entering a cpuset forgets the first.
    assert look_by_exec(runtime, name, tmp_path, execCPUAffinity={"initial": "1"})["processors"] in ("2", everywhere)
    assert look_by_exec(runtime, name, tmp_path, execCPUAffinity={"final": ""})["processors"] == everywhere


def test_processors_that_are_not_there_are_refused(runtime, tmp_path):
    name = runtime.start("/bin/sleep", "1000")
    for kind in ("initial", "final"):
        for cpus in ("8191", "0,8191"):
            with pytest.raises(AssertionError, match=f"process.execCPUAffinity.{kind} '{cpus}'"):
                look_by_exec(runtime, name, tmp_path, execCPUAffinity={kind: cpus})


# ---- memory and personality ----


@pytest.mark.in_lab
@pytest.mark.skipif(not HAS_NUMA, reason="this kernel has no NUMA")
@pytest.mark.parametrize("asked, seen", [
    ({"mode": "MPOL_DEFAULT"}, "mode=0 flags=0 nodes=0"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "mode=1 flags=0 nodes=1"),
    ({"mode": "MPOL_BIND", "nodes": "0"}, "mode=2 flags=0 nodes=1"),
    ({"mode": "MPOL_INTERLEAVE", "nodes": "0-0", "flags": ["MPOL_F_STATIC_NODES"]}, "mode=3 flags=32768 nodes=1"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}, "mode=2 flags=16384 nodes=1"),
    ({"mode": "MPOL_LOCAL"}, "mode=4 flags=0 nodes=0"),
    ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}, "mode=5 flags=0 nodes=1"),
])
def test_memory_policies(runtime, asked, seen):
    runtime.config["linux"]["memoryPolicy"] = asked
    del runtime.config["linux"]["seccomp"]  # it has no get_mempolicy()
    assert look(runtime)["memory"] == seen
    name = runtime.start("/bin/sleep", "1000")
    assert topics(runtime.call("exec", name, "/bin/og-process").stdout)["memory"] == seen


@pytest.mark.skipif(not HAS_NUMA, reason="this kernel has no NUMA")
def test_memory_policies_that_cannot_be_are_refused(runtime):
    for asked in ({"mode": "MPOL_BIND"}, {"mode": "MPOL_BIND", "nodes": "1000"}, {"mode": "MPOL_BIND", "nodes": "0,1000"},
                  {"mode": "MPOL_DEFAULT", "nodes": "0"}, {"mode": "MPOL_INTERLEAVE", "nodes": ""}):
        runtime.config["linux"]["memoryPolicy"] = asked
        assert "linux.memoryPolicy" in refusal(runtime)


@pytest.mark.in_lab
def test_the_personality_is_that_of_a_32_bit_machine(runtime):
    assert "personality=0" in look(runtime)["machine"]
    runtime.config["linux"]["personality"] = {"domain": "LINUX32"}
    assert look(runtime)["machine"] == "i686 personality=8"
    assert runtime.run("/bin/uname", "-m").stdout == "i686\n"
    name = runtime.start("/bin/sleep", "1000")
    assert runtime.call("exec", name, "/bin/uname", "-m").stdout == "i686\n"
    runtime.config["linux"]["personality"] = {"domain": "LINUX"}
    assert look(runtime)["machine"] == f"{os.uname().machine} personality=0"
    runtime.config["linux"]["personality"]["flags"] = ["ADDR_NO_RANDOMIZE"]
    assert "linux.personality.flags[0] is 'ADDR_NO_RANDOMIZE'" in refusal(runtime)


# ---- limits and rights ----


@pytest.mark.in_lab
def test_every_limit(runtime):
    kinds = ["CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING",
             "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"]
    ours = topics(look_outside(runtime))["limits"].split()
    asked = []
    for i, kind in enumerate(kinds):
        hard = int(ours[i].split(":")[1])
        soft = (10**9 if hard < 0 else hard) - (1 if hard != 0 else 0)
        asked.append({"type": f"RLIMIT_{kind}", "soft": soft, "hard": hard if hard >= 0 else 2**64 - 1})
    runtime.config["process"]["rlimits"] = asked
    assert look(runtime)["limits"].split() == [f"{one['soft']}:{one['hard'] if one['hard'] < 2**63 else -1}" for one in asked]
    name = runtime.start("/bin/sleep", "1000")
    assert "Max open files            " in runtime.call("exec", name, "/bin/cat", "/proc/self/limits").stdout
    assert topics(runtime.call("exec", name, "/bin/og-process").stdout)["limits"].split()[7] == \
        f"{asked[7]['soft']}:{asked[7]['hard']}"


def look_outside(runtime):
    return bundles.subprocess.run([runtime.rootfs / "bin/og-process"], capture_output=True, text=True, check=True).stdout


@pytest.mark.in_lab
def test_a_hard_limit_is_raised_where_that_is_allowed(runtime):
    runtime.config["process"]["rlimits"] = [{"type": "RLIMIT_MSGQUEUE", "soft": 1000000, "hard": 1000000}]
    if not may("SYS_RESOURCE"):
        assert "process.rlimits[0] RLIMIT_MSGQUEUE" in refusal(runtime)
        return
    assert look(runtime)["limits"].split()[12] == "1000000:1000000"
    runtime.config["linux"]["namespaces"].append({"type": "user"})
    runtime.config["linux"] |= {kind: [{"containerID": 0, "hostID": 100000, "size": 1000}]
                                for kind in ("uidMappings", "gidMappings")}
    with opened(runtime):
        assert look(runtime)["limits"].split()[12] == "1000000:1000000"


@contextlib.contextmanager
def opened(runtime):
    """Lets other users come by, as the root of a user namespace is."""
    changed = []
    for path in (runtime.rootfs, *runtime.rootfs.parents):
        mode = path.stat().st_mode & 0o7777
        if mode & 0o001 == 0:
            changed.append((path, mode))
            path.chmod(mode | 0o011)
    try:
        yield
    finally:
        for path, mode in changed:
            path.chmod(mode)


@pytest.mark.in_lab
def test_the_oom_score(runtime, tmp_path):
    ours = int(pathlib.Path("/proc/self/oom_score_adj").read_text())
    assert int(runtime.sh("cat /proc/self/oom_score_adj")) == ours
    runtime.config["process"]["oomScoreAdj"] = 1000
    assert runtime.sh("cat /proc/self/oom_score_adj") == "1000\n"
    name = runtime.start("/bin/sleep", "1000")
    process = dict(runtime.config["process"], args=["/bin/cat", "/proc/self/oom_score_adj"], oomScoreAdj=700)
    (tmp_path / "process.json").write_text(json.dumps(process))
    assert runtime.call("exec", "--process", tmp_path / "process.json", name).stdout == "700\n"
    runtime.config["process"]["oomScoreAdj"] = ours - 1
    if may("SYS_RESOURCE"):
        assert int(runtime.sh("cat /proc/self/oom_score_adj")) == ours - 1
    else:
        assert f"process.oomScoreAdj {ours - 1}" in refusal(runtime)


def test_the_umask(runtime, tmp_path):
    assert look(runtime)["umask"] == "022"
    runtime.config["process"]["user"]["umask"] = 0o027
    assert look(runtime)["umask"] == "027"
    name = runtime.start("/bin/sleep", "1000")
    assert topics(runtime.call("exec", name, "/bin/og-process").stdout)["umask"] == "027"
    user = {"uid": 0, "gid": 0, "umask": 0o777}
    assert look_by_exec(runtime, name, tmp_path, user=user)["umask"] == "777"


@pytest.mark.in_lab
def test_no_new_privileges(runtime, tmp_path):
    for wanted in (False, True):
        runtime.config["process"]["noNewPrivileges"] = wanted
        assert f"NoNewPrivs:\t{int(wanted)}\n" in runtime.sh("cat /proc/self/status")
    runtime.config["process"]["noNewPrivileges"] = False
    name = runtime.start("/bin/sleep", "1000")
    status = runtime.call("exec", "--no-new-privs", name, "/bin/cat", "/proc/self/status").stdout
    assert "NoNewPrivs:\t1\n" in status


CHOWN, KILL, NET_RAW = 1 << 0, 1 << 5, 1 << 13


def caps_of(text):
    status = status_of(text)
    return {name: int(status[f"Cap{name}"], 16) for name in ("Bnd", "Eff", "Prm", "Inh", "Amb")}


@pytest.mark.in_lab
def test_capability_sets_are_those_asked_for(runtime, tmp_path):
    process = runtime.config["process"]
    process["user"] = {"uid": 1000, "gid": 1000}
    process["capabilities"] = {"bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
                               "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}
    seen = caps_of(runtime.sh("cat /proc/self/status"))
    # execve() keeps of an ordinary user's capabilities what is ambient.
    assert seen == {"Bnd": CHOWN | KILL | NET_RAW, "Eff": KILL, "Prm": KILL, "Inh": KILL, "Amb": KILL}
    name = runtime.start("/bin/sleep", "1000")
    assert caps_of(runtime.call("exec", name, "/bin/cat", "/proc/self/status").stdout) == seen
    other = dict(process, args=["/bin/cat", "/proc/self/status"], user={"uid": 0, "gid": 0},
                 capabilities={"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]})
    (tmp_path / "process.json").write_text(json.dumps(other))
    assert caps_of(runtime.call("exec", "--process", tmp_path / "process.json", name).stdout) == \
        {"Bnd": CHOWN, "Eff": CHOWN, "Prm": CHOWN, "Inh": 0, "Amb": 0}


@pytest.mark.in_lab
def test_capabilities_that_cannot_be_given_are_warned_of(runtime, tmp_path):
    process = runtime.config["process"]
    process["capabilities"] = {"bounding": ["CAP_KILL", "CAP_TIME_TRAVEL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]}
    expected = "process.capabilities.bounding[1]: 'CAP_TIME_TRAVEL' is not known, left out"
    result = runtime.run("/bin/cat", "/proc/self/status")
    assert result.stderr == f"onggi-runtime: warning: {expected}\n" and caps_of(result.stdout)["Bnd"] == KILL
    log = tmp_path / "log"
    result = runtime.call("--log", log, "--log-format", "json", "run", "--bundle", runtime.bundle, runtime.name())
    entry = json.loads(log.read_text())
    assert result.stderr == "" and (entry["level"], entry["msg"]) == ("warning", expected)
    name = runtime.start("/bin/sleep", "1000")
    assert "warning: process.capabilities.bounding[2]: 'CAP_MORE' is not known" in \
        runtime.call("exec", "--cap", "CAP_MORE", name, "/bin/true").stderr
    if not may("SYS_RESOURCE"):
        process["capabilities"]["bounding"] = ["CAP_SYS_RESOURCE"]
        result = runtime.run("/bin/cat", "/proc/self/status")
        assert "CAP_SYS_RESOURCE is not ours to give" in result.stderr and caps_of(result.stdout)["Bnd"] == 0


@pytest.mark.in_lab
def test_few_descriptors_are_enough_for_a_program_that_needs_none(runtime):
    """They are not taken from what setting it up takes."""
    runtime.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 4, "hard": 5}]
    runtime.config["process"]["cwd"] = "/home/user"
    seen = runtime.sh("pwd; echo $HOME; ulimit -n; ulimit -Hn").split()
    assert seen == ["/home/user", "/root", "4", "5"]
