# SPDX-License-Identifier: Apache-2.0
"""Debian's containerd drives onggi-runtime: ctr run --runc-binary, its shim, its metrics."""

import json
import os
import pathlib
import signal

import pytest

import engines
import leaks
from daemon import wait_for

FOREVER = "echo up; while :; do sleep 0.1; done"


@pytest.fixture(scope="module")
def containerd(prefix, test_folder, require, nothing_is_left_behind, busybox_tar):
    del nothing_is_left_behind  # which must look after this has ended
    require.root()
    for tool in ("containerd", "ctr", "containerd-shim-runc-v2"):
        require.tool(tool)
    folder = test_folder / "containerd"
    ground = leaks.Ground([folder], strict=False)
    one = engines.Containerd(folder, prefix / "bin/onggi-runtime")
    try:
        one.start()
        one.ctr("image", "import", "--snapshotter", one.snapshotter, busybox_tar)
        yield one
    finally:
        one.stop()
    assert not ground.settled_leftovers()


@pytest.fixture
def running(containerd, request):
    """The name of a container that runs until it is told to end."""
    name = request.function.__name__.replace("_", "-")[:60]
    containerd.run(name, "sh", "-c", FOREVER, flags=["-d"])
    yield name
    containerd.remove(name)


def exec_in(containerd, name, *words, **rest):
    return containerd.ctr("task", "exec", "--exec-id", f"e{os.urandom(4).hex()}", name, *words, **rest)


def test_run_passes_output_and_exit_status(containerd):
    result = containerd.run("words", "sh", "-c", "echo out; echo err >&2; exit 42", flags=["--rm"],
                            check=False)
    assert (result.stdout, result.returncode) == ("out\n", 42)
    assert "err\n" in result.stderr
    assert containerd.status("words") is None


def test_run_reads_standard_input(containerd):
    text = "".join(f"line {number}\n" for number in range(5000))
    # Not to its end: this ctr does not pass that on, whichever runtime there is.
    result = containerd.run("input", "head", "-n", "5000", flags=["--rm"], input=text)
    assert result.stdout == text


def test_a_terminal_has_a_size_and_passes_keys(containerd):
    words = containerd.run_words("terminal", ["--rm", "-t"])
    terminal = engines.Terminal([*containerd.command(), *words, "docker.io/library/busybox:test",
                                 "terminal", "sh", "-c", engines.ASK_SIZE + "read word; echo got $word; exit 5"], containerd.env)
    terminal.wait_for("30 100")
    terminal.resize_until(33, 77, "33 77")
    terminal.type("key\n")
    terminal.wait_for("got key")
    assert terminal.end()[1] == 5


def test_a_program_that_is_missing_is_named(containerd):
    result = containerd.run("missing", "no-such-program", flags=["--rm"], check=False)
    assert result.returncode != 0
    assert '"no-such-program": executable file not found in $PATH' in result.stderr
    assert "onggi-runtime" not in result.stderr, "the log's words were read, not standard error's"
    containerd.ctr("container", "rm", "missing", check=False)


def test_detached_it_is_listed_executed_in_killed_and_removed(containerd):
    containerd.run("whole", "sh", "-c", FOREVER, flags=["-d"])
    assert containerd.status("whole") == "RUNNING"
    assert exec_in(containerd, "whole", "cat", "/proc/1/cmdline").stdout == f"sh\0-c\0{FOREVER}\0"
    assert exec_in(containerd, "whole", "sh", "-c", "exit 7", check=False).returncode == 7
    groups = exec_in(containerd, "whole", "cat", "/proc/self/cgroup").stdout
    assert f"/{containerd.cgroup}/whole" in groups or "0::/\n" in groups
    containerd.ctr("task", "kill", "-s", "KILL", "whole")
    wait_for("it to end", lambda: containerd.status("whole") == "STOPPED")
    assert "137" in containerd.ctr("task", "rm", "whole", check=False).stderr
    containerd.ctr("container", "rm", "whole")
    assert not [path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith(f"{containerd.cgroup}/whole")]


def test_exec_with_a_terminal(containerd, running):
    terminal = engines.Terminal([*containerd.command(), "task", "exec", "-t", "--exec-id", "t1", running,
                                 "sh", "-c", "tty; " + engines.ASK_SIZE + "exit 3"], containerd.env)
    terminal.wait_for("/dev/pts/")
    terminal.wait_for("30 100")
    terminal.resize_until(33, 77, "33 77")
    assert terminal.end()[1] == 3


def test_exec_of_a_missing_program_is_named(containerd, running):
    result = exec_in(containerd, running, "no-such-program", check=False)
    assert '"no-such-program": executable file not found in $PATH' in result.stderr


def test_kill_passes_the_signal_by_name_and_number(containerd):
    containerd.run("signals", "sh", "-c", "trap 'echo usr1 > /got' USR1; touch /ready; " + FOREVER, flags=["-d"])
    wait_for("its trap", lambda: exec_in(containerd, "signals", "ls", "/ready", check=False).returncode == 0)
    for word in ("USR1", "10"):
        containerd.ctr("task", "kill", "-s", word, "signals")
        wait_for(word, lambda: exec_in(containerd, "signals", "rm", "/got", check=False).returncode == 0)
    containerd.remove("signals")


def test_killing_what_has_ended_is_not_found(containerd):
    containerd.run("ended", "true", flags=["-d"])
    wait_for("it to end", lambda: containerd.status("ended") == "STOPPED")
    result = containerd.ctr("task", "kill", "ended", check=False)
    assert result.returncode != 0 and "not found" in result.stderr
    containerd.ctr("task", "rm", "ended")
    containerd.ctr("container", "rm", "ended")


def metrics_of(containerd, name):
    return json.loads(containerd.ctr("task", "metrics", "--format", "json", name).stdout)


def test_metrics_are_read_from_the_containers_groups(containerd):
    containerd.run("metrics", "sh", "-c", FOREVER, flags=["-d", "--memory-limit", str(64 << 20)])
    found = metrics_of(containerd, "metrics")
    pids = found.get("pids", {})
    assert int(pids["current"]) in (1, 2)
    memory = found["memory"]
    usage = memory.get("usage", memory)
    limit = usage["limit"] if isinstance(usage, dict) else memory["usage_limit"]
    assert int(limit) == 64 << 20
    containerd.remove("metrics")


def test_processes_are_listed(containerd, running):
    listed = containerd.ctr("task", "ps", running).stdout.splitlines()[1:]
    assert 1 <= len(listed) <= 2
    pid = listed[0].split()[0]
    assert pathlib.Path("/proc", pid, "cmdline").read_text(encoding="ascii").startswith("sh\0-c\0")


def test_pause_stops_it_and_resume_lets_it_go_on(containerd):
    containerd.run("paused", "sh", "-c", "while :; do echo >> /count; sleep 0.01; done", flags=["-d"])
    rootfs = containerd.folder / "state/io.containerd.runtime.v2.task/default/paused/rootfs/count"
    wait_for("it to count", lambda: rootfs.exists() and rootfs.stat().st_size > 2)
    containerd.ctr("task", "pause", "paused")
    assert containerd.status("paused") == "PAUSED"
    before = rootfs.stat().st_size
    assert exec_in(containerd, "paused", "true", check=False).returncode != 0
    assert rootfs.stat().st_size == before
    containerd.ctr("task", "resume", "paused")
    assert containerd.status("paused") == "RUNNING"
    wait_for("it to count again", lambda: rootfs.stat().st_size > before)
    containerd.remove("paused")


def test_a_shim_that_was_killed_leaves_nothing(containerd):
    containerd.run("orphan", "sh", "-c", FOREVER, flags=["-d"])
    pid = int(containerd.ctr("task", "list").stdout.split("orphan")[1].split()[0])
    shim = int(pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[1])
    assert "shim" in pathlib.Path(f"/proc/{shim}/comm").read_text(encoding="ascii")
    address = containerd.folder / "state/io.containerd.runtime.v2.task/default/orphan/address"
    socket = pathlib.Path(address.read_text(encoding="ascii").strip().removeprefix("unix://"))
    os.kill(shim, signal.SIGKILL)
    wait_for("containerd to delete it", lambda: not os.path.exists(f"/proc/{pid}"))
    wait_for("its task to be gone", lambda: containerd.status("orphan") is None)
    containerd.ctr("container", "rm", "orphan")
    socket.unlink(missing_ok=True)  # which is outside of our folder, and the shim's to remove
    assert not list((containerd.folder / "runc").glob("*/orphan"))
    assert not [path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith(f"{containerd.cgroup}/orphan")]


def test_the_default_seccomp_profile_and_privileges(containerd):
    script = "grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/self/status"
    plain = containerd.run("plain", "sh", "-c", script, flags=["--rm", "--seccomp"]).stdout
    assert "Seccomp:\t2" in plain and "NoNewPrivs:\t1" in plain
    strong = containerd.run("strong", "sh", "-c", script, flags=["--rm", "--privileged", "--allow-new-privs"],
                            check=False)
    if "CAP_SYS_RESOURCE" in strong.stderr:
        pytest.skip("no CAP_SYS_RESOURCE here, which --privileged asks for")
    assert "Seccomp:\t0" in strong.stdout and "NoNewPrivs:\t0" in strong.stdout
