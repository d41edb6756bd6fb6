# SPDX-License-Identifier: Apache-2.0
"""Debian's Podman, its conmon and its buildah drive onggi-runtime."""

import json
import os
import pathlib

import pytest

import engines
import leaks
from daemon import wait_for

FOREVER = "trap 'exit 3' TERM; echo up; echo bad >&2; while :; do sleep 0.05; done"


@pytest.fixture(scope="module")
def engine(prefix, test_folder, require, nothing_is_left_behind, busybox_tar):
    del nothing_is_left_behind  # which must look after this has ended
    require.root()
    for tool in ("podman", "conmon"):
        require.tool(tool)
    folder = test_folder / "podman"
    ground = leaks.Ground([folder], strict=False)
    one = engines.Podman(folder, prefix / "bin/onggi-runtime")
    try:
        one.load(busybox_tar)
        yield one
    finally:
        one.stop()
    assert not ground.settled_leftovers()


@pytest.fixture
def running(engine, request):
    """The name of a container that runs until it is told to end."""
    name = engine.begin(request.function.__name__, "sh", "-c", FOREVER)
    yield name
    engine.podman("rm", "-f", "-t", "0", name)


def test_info_knows_the_runtime_and_its_version(engine):
    info = json.loads(engine.podman("info", "--format", "json").stdout)["host"]["ociRuntime"]
    assert info["path"] == str(engine.runtime)
    assert info["version"].startswith("onggi-runtime version ")


def test_the_runtime_can_be_named(engine):
    flags = [*engine.flags(), "busybox:test"]
    assert engine.podman("--runtime", engine.runtime, "run", "--rm", *flags, "echo", "hi").stdout == "hi\n"
    other = engine.podman("--runtime", "runc", "run", "--rm", *flags, "true", check=False)
    assert "runc was called instead" in other.stderr


def test_run_passes_output_input_and_exit_status(engine):
    text = "".join(f"line {number}\n" for number in range(5000))
    assert engine.run("cat", flags=["-i"], input=text).stdout == text
    result = engine.run("sh", "-c", "echo out; echo err >&2; exit 42", check=False)
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "err\n", 42)


@pytest.mark.parametrize("program, status", [("nosuch", 127), ("/bin/nosuch", 127), ("/etc/passwd", 126)])
def test_what_cannot_be_run_has_podmans_exit_status(engine, program, status):
    result = engine.run(program, check=False)
    assert result.returncode == status
    assert f'exec: "{program}": ' in result.stderr


def test_exec_passes_everything(engine, running):
    result = engine.podman("exec", "-u", "1000:2000", "-w", "/tmp", "-e", "WORD=word", running, "sh", "-c",
                           "id -u; id -g; pwd; echo $WORD; exit 7", check=False)
    assert (result.stdout, result.returncode) == ("1000\n2000\n/tmp\nword\n", 7)
    text = "".join(f"line {number}\n" for number in range(5000))
    assert engine.podman("exec", "-i", running, "cat", input=text).stdout == text
    engine.podman("exec", "-d", running, "touch", "/tmp/detached")
    wait_for("it", lambda: engine.podman("exec", running, "ls", "/tmp/detached", check=False).returncode == 0)
    for program, status in (("nosuch", 127), ("/etc/passwd", 126)):
        assert engine.podman("exec", running, program, check=False).returncode == status


def test_a_terminal_of_run_and_exec_is_resized(engine, running):
    run = engine.terminal("run", "--rm", "-it", *engine.flags(), "busybox:test", "sh", "-c",
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
    wait_for("its words", lambda: engine.podman("logs", running).stdout)
    logs = engine.podman("logs", running)
    assert (logs.stdout, logs.stderr) == ("up\n", "bad\n")
    engine.podman("stop", running)
    state = engine.inspect(running)["State"]
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 3, False)
    engine.podman("start", running)
    first = engine.inspect(running)["State"]["Pid"]
    engine.podman("restart", "-t", "0", running)
    second = engine.inspect(running)["State"]["Pid"]
    assert first != second and second > 0
    engine.podman("kill", "-s", "KILL", running)
    assert engine.podman("wait", running).stdout == "137\n"


def test_what_ran_out_of_memory_is_known_as_such(engine):
    engine.begin("hungry", "sh", "-c", "x=a; while :; do x=$x$x; done", flags=["-m", "16m"])
    assert engine.podman("wait", "hungry").stdout == "137\n"
    # This conmon leaves its note in the folder that podman was called in, and this podman looks
    # for it elsewhere, whichever runtime there is.
    assert engine.inspect("hungry")["State"]["OOMKilled"] or (engine.folder / "oom").exists()
    engine.podman("rm", "hungry")


def test_top_and_stats(engine):
    engine.begin("measured", "sh", "-c", FOREVER, flags=["-m", "64m"])
    assert f"sh -c {FOREVER}" in engine.podman("top", "measured", "pid", "args").stdout
    [stats] = json.loads(engine.podman("stats", "--no-stream", "--format", "json", "measured").stdout)
    assert stats["mem_usage"].endswith("/ 67.11MB") and not stats["mem_usage"].startswith("0B")
    assert int(stats["pids"]) in (1, 2)
    engine.podman("rm", "-f", "-t", "0", "measured")


def test_pause_and_unpause(engine):
    engine.begin("paused", "sh", "-c", "while :; do echo >> /count; sleep 0.01; done")
    count = pathlib.Path(f"/proc/{engine.inspect('paused')['State']['Pid']}/root/count")
    wait_for("it to count", lambda: count.exists() and count.stat().st_size > 2)
    engine.podman("pause", "paused")
    before = count.stat().st_size
    assert engine.inspect("paused")["State"]["Status"] == "paused"
    assert engine.podman("exec", "paused", "true", check=False).returncode != 0
    assert count.stat().st_size == before
    engine.podman("unpause", "paused")
    wait_for("it to count again", lambda: count.stat().st_size > before)
    engine.podman("rm", "-f", "-t", "0", "paused")


def limits_seen(engine, name):
    """What a container sees of its own limits: memory, processor quota, period."""
    script = ("cd /sys/fs/cgroup; if [ -e memory.max ]; then cat memory.max cpu.max; else "
              "cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us; fi")
    return engine.podman("exec", name, "sh", "-c", script).stdout.split()


def test_update_changes_the_limits_of_what_runs(engine):
    engine.begin("updated", "sh", "-c", FOREVER, flags=["-m", "64m"])
    assert limits_seen(engine, "updated")[0] == str(64 << 20)
    engine.podman("update", "--memory", "32m", "--cpus", "0.5", "updated")
    memory, quota, period = limits_seen(engine, "updated")
    assert memory == str(32 << 20) and int(quota) * 2 == int(period)
    engine.podman("rm", "-f", "-t", "0", "updated")


def test_build_runs_its_steps_through_the_runtime(engine):
    context = engine.folder / "context"
    context.mkdir()
    (context / "Containerfile").write_text(
        "FROM busybox:test\nRUN echo built > /file && grep -c . /proc/self/cgroup\nUSER 1000\n"
        'RUN id -u > /tmp/id\nCMD ["cat", "/file", "/tmp/id"]\n')
    engine.podman("build", "--network", "none", "--pull=never", "--isolation", "oci", "-t", "built:1", context)
    assert engine.podman("run", "--rm", *engine.flags(), "built:1").stdout == "built\n1000\n"
    (context / "Containerfile").write_text("FROM busybox:test\nRUN exit 9\n")
    failed = engine.podman("build", "--network", "none", "--pull=never", context, check=False)
    assert failed.returncode == 9


# What `podman run` takes, and what it looks like from inside: options, command, expected output.
OPTIONS = {
    "user": (["--user", "1000:2000"], "id -u; id -g", "1000\n2000\n"),
    "read-only": (["--read-only"], "touch /tmp/x && ! touch /x 2>/dev/null && echo ro", "ro\n"),
    "tmpfs": (["--tmpfs", "/t:size=64k,mode=700"], "df /t | tail -1 | awk '{print $2}'; stat -c %a /t", "64\n700\n"),
    "tmpfs-copies-up": (["--tmpfs", "/etc"], "grep -c nobody /etc/passwd", "1\n"),
    "caps": (["--cap-drop", "all", "--cap-add", "chown"], "grep CapEff /proc/self/status", "CapEff:\t0000000000000001\n"),
    "seccomp": ([], "grep Seccomp: /proc/self/status", "Seccomp:\t2\n"),
    "unconfined": (["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status", "Seccomp:\t0\n"),
    "no-new-privileges": (["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"),
    "masks": (["--security-opt", "mask=/etc/passwd"], "grep . /etc/passwd || echo empty", "empty\n"),
    "device": (["--device", "/dev/kmsg:/dev/mine:r"], "stat -c %t:%T /dev/mine; echo > /dev/mine || echo denied", "1:b\ndenied\n"),
    "privileged": (["--privileged"], "test -c /dev/kmsg && grep -E 'CapEff|Seccomp:' /proc/self/status | wc -l", "2\n"),
    "pids-limit": (["--pids-limit", "20"], "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null", "20\n"),
    "sysctl": (["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward", "1\n"),
    "ulimit": (["--ulimit", "nofile=100:200", "--ulimit", "nproc=99:99"], "ulimit -n; ulimit -Hn", "100\n200\n"),
    "umask": (["--umask", "077"], "umask", "0077\n"),
    "oom-score-adj": (["--oom-score-adj", "300"], "cat /proc/self/oom_score_adj", "300\n"),
    "hostname": (["--hostname", "name-in"], "hostname", "name-in\n"),
    "workdir": (["-w", "/var"], "pwd", "/var\n"),
    "userns": (["--uidmap", "0:100000:1000", "--gidmap", "0:100000:1000"], "cat /proc/self/uid_map; id -u",
               "         0     100000       1000\n0\n"),
}


@pytest.mark.parametrize("what", OPTIONS)
def test_options_of_run_look_right_from_inside(engine, what):
    flags, script, expected = OPTIONS[what]
    assert engine.run("sh", "-c", script, flags=flags, check=what != "pids-limit").stdout == expected


def test_volumes_and_their_options(engine, tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    script = "cat /b/file; touch /b/x 2>/dev/null || echo ro; echo kept > /v/file; grep -c 'noexec.* /v\\|/v .*noexec' /proc/self/mounts"
    flags = ["-v", f"{tmp_path}:/b:ro", "-v", "volume:/v:noexec"]
    assert engine.run("sh", "-c", script, flags=flags).stdout == "from the host\nro\n1\n"
    assert engine.run("cat", "/w/file", flags=["-v", "volume:/w"]).stdout == "kept\n"
    engine.podman("volume", "rm", "volume")


def test_namespaces_of_another_container_are_joined(engine, running):
    inside = engine.podman("exec", running, "readlink", "/proc/1/ns/ipc").stdout
    joined = engine.podman("run", "--rm", "--pull", "never", "--cgroup-parent", f"/{engine.cgroup}",
                           "--network", f"container:{running}", "--ipc", f"container:{running}",
                           "--pid", f"container:{running}", "busybox:test", "sh", "-c",
                           "readlink /proc/self/ns/ipc; cat /proc/1/comm").stdout
    assert joined == inside + "sh\n"


def test_preserved_descriptors_reach_run_and_exec(engine, running):
    for words in (["run", "--rm", "--preserve-fds", "1", *engine.flags(), "busybox:test"],
                  ["exec", "--preserve-fds", "1", running]):
        read_fd, write_fd = os.pipe()
        os.write(write_fd, b"through\n")
        os.close(write_fd)
        as_3 = ["bash", "-c", f'exec 3<&{read_fd} {read_fd}<&-; exec "$@"', "bash"]
        try:
            result = engine.call([*as_3, "podman", *words, "cat", "/proc/self/fd/3"], pass_fds=[read_fd])
        finally:
            os.close(read_fd)
        assert result.stdout == "through\n"


def test_healthcheck_runs_by_exec(engine, running):
    engine.begin("healthy", "sh", "-c", FOREVER, flags=["--health-cmd", "test -e /proc/1", "--health-interval", "disable"])
    assert engine.podman("healthcheck", "run", "healthy").stdout.strip() in ("", "healthy")
    assert engine.inspect("healthy")["State"]["Health"]["Status"] == "healthy"
    engine.podman("rm", "-f", "-t", "0", "healthy")
