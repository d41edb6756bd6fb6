# SPDX-License-Identifier: Apache-2.0
"""Docker's own daemon drives onggi-runtime, by --add-runtime and as its default runtime."""

import json
import pathlib
import re

import pytest

import engines
import leaks
from daemon import wait_for

FOREVER = "trap 'exit 3' TERM; echo up; echo bad >&2; while :; do sleep 0.05; done"
TOOLS = ("dockerd", "docker", "containerd", "ctr", "containerd-shim-runc-v2")


@pytest.fixture(scope="module")
def engine(prefix, test_folder, require, nothing_is_left_behind, busybox_tar):
    """A daemon whose default runtime is ours."""
    del nothing_is_left_behind  # which must look after this has ended
    require.root()
    for tool in TOOLS:
        require.tool(tool)
    folder = test_folder / "docker"
    ground = leaks.Ground([folder], strict=False)
    one = engines.Docker(folder, prefix / "bin/onggi-runtime", ["--default-runtime", "onggi"])
    try:
        one.start()
        one.docker("load", "-i", busybox_tar)
        yield one
    finally:
        one.stop()
    assert not ground.settled_leftovers()


@pytest.fixture
def running(engine, request):
    """The name of a container that runs until it is told to end."""
    name = engine.begin(request.function.__name__, "sh", "-c", FOREVER)
    yield name
    engine.docker("rm", "-f", name)


def test_it_is_the_default_runtime_and_its_version_is_read(engine):
    info = json.loads(engine.docker("info", "--format", "{{json .}}").stdout)
    assert info["DefaultRuntime"] == "onggi"
    assert info["Runtimes"]["onggi"]["path"] == str(engine.runtime)
    assert "failed to retrieve" not in engine.logged()


def test_a_runtime_by_name(engine):
    assert engine.run("echo", "hi", flags=["--runtime", "onggi"]).stdout == "hi\n"
    other = engine.run("true", flags=["--runtime", "runc"], check=False)
    assert "runc was called instead" in other.stderr or "exit status 70" in other.stderr


def test_run_passes_output_input_and_exit_status(engine):
    text = "".join(f"line {number}\n" for number in range(5000))
    assert engine.run("cat", flags=["-i"], input=text).stdout == text
    result = engine.run("sh", "-c", "echo out; echo err >&2; exit 42", check=False)
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "err\n", 42)


@pytest.mark.parametrize("program, status", [("nosuch", 127), ("/bin/nosuch", 127), ("/etc/passwd", 126)])
def test_what_cannot_be_run_has_dockers_exit_status(engine, program, status):
    result = engine.run(program, check=False)
    assert result.returncode == status
    assert f'exec: "{program}": ' in result.stderr
    # Docker's own word for it, not ours: the engine read the log.
    assert "OCI runtime create failed" in result.stderr


def test_exec_passes_output_user_folder_environment_and_exit_status(engine, running):
    result = engine.docker("exec", "-u", "1000:2000", "-w", "/tmp", "-e", "WORD=word", running, "sh", "-c",
                           "id -u; id -g; pwd; echo $WORD; exit 7", check=False)
    assert (result.stdout, result.returncode) == ("1000\n2000\n/tmp\nword\n", 7)
    text = "".join(f"line {number}\n" for number in range(5000))
    assert engine.docker("exec", "-i", running, "cat", input=text).stdout == text
    engine.docker("exec", "-d", running, "touch", "/tmp/detached")
    wait_for("it", lambda: engine.docker("exec", running, "ls", "/tmp/detached", check=False).returncode == 0)
    privileged = engine.docker("exec", "--privileged", running, "grep", "CapEff", "/proc/self/status").stdout
    plain = engine.docker("exec", running, "grep", "CapEff", "/proc/self/status").stdout
    assert int(privileged.split()[1], 16) > int(plain.split()[1], 16)


def test_exec_of_what_cannot_be_run_says_why(engine, running):
    for program, why in (("nosuch", "executable file not found in $PATH"), ("/etc/passwd", "permission denied")):
        result = engine.docker("exec", running, program, check=False)
        assert result.returncode in (126, 127)  # 126 for both in 20.10
        assert f'exec: "{program}": {why}' in result.stdout + result.stderr


def test_a_terminal_of_run_and_exec_is_resized(engine, running):
    run = engine.terminal("run", "--rm", "-it", "--network", "none", "busybox:test", "sh", "-c",
                          engines.ASK_SIZE + "read word; echo got $word; exit 5")
    execute = engine.terminal("exec", "-it", running, "sh", "-c", "tty; " + engines.ASK_SIZE + "exit 4")
    run.wait_for("30 100")
    run.resize_until(33, 77, "33 77")
    run.type("key\n")
    run.wait_for("got key")
    assert run.end()[1] == 5
    execute.wait_for("/dev/pts/0")
    execute.resize_until(33, 77, "33 77")
    assert execute.end()[1] == 4


def test_logs_stop_start_restart_and_kill(engine, running):
    wait_for("its words", lambda: engine.docker("logs", running).stdout)
    logs = engine.docker("logs", running)
    assert (logs.stdout, logs.stderr) == ("up\n", "bad\n")
    engine.docker("stop", running)
    state = engine.inspect(running)["State"]
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 3, False)
    engine.docker("start", running)
    first = engine.inspect(running)["State"]["Pid"]
    engine.docker("restart", "-t", "0", running)
    second = engine.inspect(running)["State"]["Pid"]
    assert first != second and second > 0
    engine.docker("kill", "-s", "KILL", running)
    wait_for("it to end", lambda: engine.inspect(running)["State"]["Status"] == "exited")
    assert engine.inspect(running)["State"]["ExitCode"] == 137


def test_the_restart_policy_starts_it_again(engine):
    engine.begin("again", "sh", "-c", "echo once; exit 5", flags=["--restart", "on-failure:2"])
    try:
        wait_for("its last start", lambda: engine.inspect("again")["RestartCount"] == 2
                 and engine.inspect("again")["State"]["Status"] == "exited")
        assert engine.docker("logs", "again").stdout == "once\n" * 3
    finally:
        engine.docker("rm", "-f", "again")


def test_what_ran_out_of_memory_is_known_as_such(engine):
    engine.begin("hungry", "sh", "-c", "x=a; while :; do x=$x$x; done", flags=["-m", "16m"])
    try:
        assert engine.docker("wait", "hungry").stdout == "137\n"
        wait_for("the word of it", lambda: engine.inspect("hungry")["State"]["OOMKilled"])
    finally:
        engine.docker("rm", "-f", "hungry")


def test_top_lists_its_processes(engine, running):
    lines = engine.docker("top", running, "-o", "pid,args").stdout.splitlines()
    assert lines[0].split() == ["PID", "COMMAND"]
    assert any(f"sh -c {FOREVER}" in line for line in lines[1:])
    assert str(engine.inspect(running)["State"]["Pid"]) in lines[1]


def test_stats_are_read_from_its_groups(engine):
    engine.begin("measured", "sh", "-c", FOREVER, flags=["-m", "64m"])
    try:
        stats = json.loads(engine.docker("stats", "--no-stream", "--format", "{{json .}}", "measured").stdout)
        assert stats["MemUsage"].endswith("/ 64MiB") and not stats["MemUsage"].startswith("0B")
        assert int(stats["PIDs"]) in (1, 2)
    finally:
        engine.docker("rm", "-f", "measured")


def test_pause_and_unpause(engine):
    engine.begin("paused", "sh", "-c", "while :; do echo >> /count; sleep 0.01; done")
    count = pathlib.Path(f"/proc/{engine.inspect('paused')['State']['Pid']}/root/count")
    wait_for("it to count", lambda: count.exists() and count.stat().st_size > 2)
    engine.docker("pause", "paused")
    before = count.stat().st_size
    assert engine.inspect("paused")["State"]["Status"] == "paused"
    refused = engine.docker("exec", "paused", "true", check=False)
    assert refused.returncode != 0 and "paused" in refused.stderr
    assert count.stat().st_size == before
    engine.docker("unpause", "paused")
    wait_for("it to count again", lambda: count.stat().st_size > before)
    engine.docker("pause", "paused")
    engine.docker("rm", "-f", "paused")


def limits_seen(engine, name):
    """What a container sees of its own limits: memory, processor quota, processes."""
    script = ("cd /sys/fs/cgroup; if [ -e memory.max ]; then cat memory.max cpu.max pids.max; else "
              "cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.max; fi")
    return engine.docker("exec", name, "sh", "-c", script).stdout.split()


def test_update_changes_the_limits_of_what_runs(engine):
    engine.begin("updated", "sh", "-c", FOREVER, flags=["-m", "64m", "--pids-limit", "50"])
    try:
        memory, *_, pids = limits_seen(engine, "updated")
        assert (memory, pids) == (str(64 << 20), "50")
        engine.docker("update", "--memory", "32m", "--memory-swap", "32m", "--cpus", "0.5",
                      "--pids-limit", "40", "updated")
        memory, quota, period, pids = limits_seen(engine, "updated")
        assert (memory, pids) == (str(32 << 20), "40")
        assert int(quota) * 2 == int(period)
    finally:
        engine.docker("rm", "-f", "updated")


def test_build_runs_its_steps_through_the_runtime(engine):
    lines = ("FROM busybox:test", "RUN echo built > /file && grep -c . /proc/self/cgroup", "USER 1000",
             "RUN id -u > /tmp/id", 'CMD ["cat", "/file", "/tmp/id"]')
    engine.docker("build", "--network", "none", "-t", "built:1", "-", input="\n".join(lines))
    result = engine.docker("run", "--rm", "--network", "none", "built:1")
    assert result.stdout == "built\n1000\n"
    failed = engine.docker("build", "--network", "none", "-", input="FROM busybox:test\nRUN exit 9\n",
                           check=False)
    assert failed.returncode == 9


# What `docker run` takes, and what it looks like from inside: options, command, expected output.
OPTIONS = {
    "init": (["--init"], "cat /proc/1/comm", "docker-init\n"),
    "user": (["--user", "1000:2000"], "id -u; id -g", "1000\n2000\n"),
    "read-only": (["--read-only", "--tmpfs", "/tmp"], "touch /tmp/x && ! touch /x 2>/dev/null && echo ro", "ro\n"),
    "tmpfs": (["--tmpfs", "/t:size=64k,mode=700"], "df /t | tail -1 | awk '{print $2}'; stat -c %a /t", "64\n700\n"),
    "caps": (["--cap-drop", "all", "--cap-add", "chown"], "grep CapEff /proc/self/status", "CapEff:\t0000000000000001\n"),
    "seccomp": ([], "grep Seccomp: /proc/self/status", "Seccomp:\t2\n"),
    "unconfined": (["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status", "Seccomp:\t0\n"),
    "no-new-privileges": (["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"),
    "device": (["--device", "/dev/kmsg:/dev/mine:r"], "stat -c %t:%T /dev/mine; echo > /dev/mine || echo denied", "1:b\ndenied\n"),
    "privileged": (["--privileged"], "test -c /dev/kmsg && grep -E 'CapEff|Seccomp:' /proc/self/status | wc -l", "2\n"),
    "sysctl": (["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward", "1\n"),
    "ulimit": (["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn", "100\n200\n"),
    "oom-score-adj": (["--oom-score-adj", "300"], "cat /proc/self/oom_score_adj", "300\n"),
    "hostname": (["--hostname", "name-in", "--domainname", "example"], "hostname; cat /proc/sys/kernel/domainname", "name-in\nexample\n"),
    "shm-size": (["--shm-size", "1m"], "df /dev/shm | tail -1 | awk '{print $2}'", "1024\n"),
    "shared-ipc": (["--ipc", "host"], "df -a | grep -c /dev/shm", "1\n"),
    "workdir": (["-w", "/made/for/it"], "pwd", "/made/for/it\n"),
    "stop-signal": (["--stop-signal", "USR1", "-e", "A=b"], "echo $A", "b\n"),
    "cgroupns": (["--cgroupns", "private"], "cut -d: -f3 /proc/self/cgroup | sort -u", "/\n"),
}


@pytest.mark.parametrize("what", OPTIONS)
def test_options_of_run_look_right_from_inside(engine, what):
    flags, script, expected = OPTIONS[what]
    assert engine.run("sh", "-c", script, flags=flags).stdout == expected


def test_a_seccomp_profile_of_the_users_own(engine):
    profile = engine.folder / "profile.json"
    profile.write_text(json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}))
    result = engine.run("mkdir", "/x", flags=["--security-opt", f"seccomp={profile}"], check=False)
    assert result.returncode == 1 and "not supported" in result.stderr


def test_volumes_bind_mounts_and_their_options(engine, tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    script = "cat /b/file; touch /b/x 2>/dev/null || echo ro; echo kept > /v/file"
    flags = ["-v", f"{tmp_path}:/b:ro", "-v", "volume:/v"]
    assert engine.run("sh", "-c", script, flags=flags).stdout == "from the host\nro\n"
    assert engine.run("cat", "/w/file", flags=["-v", "volume:/w"]).stdout == "kept\n"
    engine.docker("volume", "rm", "volume")


def test_namespaces_of_another_container_are_joined(engine, running):
    inside = engine.docker("exec", running, "sh", "-c", "readlink /proc/1/ns/net; readlink /proc/1/ns/ipc").stdout
    script = "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; grep -c ^ /proc/1/status; ps | grep -c 'exit 3'"
    joined = engine.docker("run", "--rm", "--network", f"container:{running}", "--pid", f"container:{running}",
                           "busybox:test", "sh", "-c", script).stdout
    assert joined.splitlines()[0] == inside.splitlines()[0]
    assert int(joined.splitlines()[3]) >= 1


def test_copying_in_and_out_and_what_changed(engine, running, tmp_path):
    (tmp_path / "in").write_text("word\n")
    engine.docker("cp", tmp_path / "in", f"{running}:/in")
    assert engine.docker("exec", running, "cat", "/in").stdout == "word\n"
    engine.docker("cp", f"{running}:/in", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "word\n"
    assert "A /in" in engine.docker("diff", running).stdout


def test_a_health_check_runs_by_exec(engine):
    engine.begin("healthy", "sh", "-c", FOREVER,
                 flags=["--health-cmd", "test -e /proc/1", "--health-interval", "1s"])
    try:
        wait_for("its health", lambda: engine.inspect("healthy")["State"]["Health"]["Status"] == "healthy")
    finally:
        engine.docker("rm", "-f", "healthy")


def test_nothing_is_kept_of_what_was_removed(engine):
    engine.run("true")
    left = [path for path in (engine.folder / "exec").rglob("*") if re.fullmatch("[0-9a-f]{64}", path.name)]
    listed = {name for name in engine.docker("ps", "-aq", "--no-trunc").stdout.split()}
    assert not [path for path in left if path.name not in listed]
