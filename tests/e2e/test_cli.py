# SPDX-License-Identifier: Apache-2.0
"""The command line `onggi` against Docker's own dockerd: it speaks the public API and no other.

What it prints, its exit statuses and its streams are held against what `docker` does there. The
same against onggid, in both isolations, is in test_workload.py.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import signal
import subprocess
import tempfile

import pytest

import daemon
import terminal

STREAM_BYTES = 8_000_000  # dockerd's own log takes 8 MB a second here


@pytest.fixture(scope="module")
def dockerd(require, prefix, busybox_tar):
    """A dockerd with roots of its own, without network; its host address, with busybox:test."""
    require.root()
    tool = require.tool("dockerd")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="onggi-dockerd-", dir="/var/tmp"))
    host = f"unix://{folder}/docker.sock"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [tool, "--data-root", folder / "data", "--exec-root", folder / "exec", "-H", host,
             "--bridge=none", "--iptables=false", "--pidfile", folder / "pid"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def answers():
        if process.poll() is not None:
            require.lacking("dockerd does not run here: " + (folder / "log").read_text()[-300:])
        with socket.socket(socket.AF_UNIX) as probe:  # onggi itself would start onggid there
            return probe.connect_ex(f"{folder}/docker.sock") == 0

    try:
        daemon.wait_for("dockerd to answer", answers)
        subprocess.run([prefix / "bin/onggi", "-H", host, "load", "-i", busybox_tar], check=True,
                       capture_output=True)
        yield host
        listed = subprocess.run([prefix / "bin/onggi", "-H", host, "ps", "-aq"], check=True,
                                capture_output=True, text=True).stdout.split()
        if listed:
            subprocess.run([prefix / "bin/onggi", "-H", host, "rm", "-f", *listed], check=False,
                           capture_output=True)
    finally:
        process.terminate()
        process.wait(60)
        for line in reversed(pathlib.Path("/proc/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{folder}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def onggi(dockerd, prefix):
    """onggi(words...): a run of the client; fails on a status that is not the expected one."""
    def run(*words, status=0, text=True, **rest):
        if "input" not in rest:
            rest.setdefault("stdin", subprocess.DEVNULL)
        result = subprocess.run([prefix / "bin/onggi", "-H", dockerd, *words], check=False,
                                capture_output=True, text=text, timeout=120, **rest)
        assert result.returncode == status, (words, result.stdout, result.stderr)
        return result
    return run


@pytest.fixture
def docker(dockerd, require):
    tool = require.tool("docker")

    def run(*words):
        return subprocess.run([tool, "-H", dockerd, *words], check=True, capture_output=True,
                              text=True, timeout=60).stdout
    return run


def test_run_passes_output_and_status_on(onggi):
    result = onggi("run", "--rm", "busybox:test", "sh", "-c", "echo out; echo err >&2; exit 7",
                   status=7)
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_a_program_that_cannot_run_has_the_statuses_of_a_shell(onggi):
    assert "nothing-like-it" in onggi("run", "--rm", "busybox:test", "nothing-like-it",
                                      status=127).stderr
    onggi("run", "--rm", "busybox:test", "/etc", status=126)


@pytest.mark.parametrize("words, said", [
    (("run", "--no-such", "busybox:test"), "no-such"),
    (("run",), "needs IMAGE"),
    (("frobnicate",), "frobnicate"),
    (("run", "--memory", "much", "busybox:test"), "memory"),
    (("run", "--rm", "--restart=always", "busybox:test"), "exclude"),
    (("-H", "ftp://x", "ps"), "ftp://x"),
])
def test_wrong_use_is_one_line_and_status_125(onggi, words, said):
    result = onggi(*words, status=125)
    assert result.stderr.startswith("onggi: ") and result.stderr.count("\n") == 1
    assert said in result.stderr


def test_a_missing_image_is_pulled_and_the_failure_told(onggi):
    result = onggi("run", "--rm", "127.0.0.1:1/nope", status=125)
    assert result.stdout == ""
    assert "Unable to find image '127.0.0.1:1/nope' locally" in result.stderr
    assert re.search(r"^onggi: pull '127.0.0.1:1/nope': .*refused", result.stderr, re.M)
    result = onggi("run", "--rm", "--pull=never", "nowhere:1", status=125)
    assert "No such image: nowhere:1" in result.stderr


def test_streams_are_unharmed_both_ways(onggi):
    data = os.urandom(STREAM_BYTES)
    result = onggi("run", "--rm", "-i", "busybox:test", "cat", input=data, text=False)
    assert result.stdout == data


def test_the_environment_is_built_from_options_and_files(onggi, tmp_path):
    tmp_path.joinpath("env").write_text("# a comment\nA=file\nB=file\nHERE\n\n", encoding="utf-8")
    result = onggi("run", "--rm", "--env-file", str(tmp_path / "env"), "-e", "B=option", "-eC=3",
                   "-e", "GONE", "busybox:test", "env", env={**os.environ, "HERE": "ours"})
    lines = result.stdout.splitlines()
    assert {"A=file", "B=option", "C=3", "HERE=ours"} <= set(lines)
    assert not [line for line in lines if line.startswith("GONE")]


def test_options_arrive_as_docker_sends_them(onggi, docker):
    """The same words to both clients give the same configuration."""
    words = ["--name", "same", "-it", "-e", "A=1", "-w", "/tmp", "-u", "1:2", "-v", "/tmp:/t:ro",
             "--tmpfs", "/x:size=1m", "--mount", "type=bind,src=/etc,dst=/e,readonly", "-m", "64m",
             "--cpus", "1.5", "--hostname", "h", "--label", "k=v", "--read-only", "--cap-add",
             "CAP_NET_ADMIN", "--cap-drop=ALL", "--security-opt", "no-new-privileges", "--ulimit",
             "nofile=10:20", "--pids-limit", "50", "--restart", "on-failure:3", "--stop-signal",
             "SIGINT", "--network", "none", "--entrypoint", "sh", "--stop-timeout", "3",
             "--shm-size", "1m", "--log-opt", "max-size=1m", "--sysctl", "kernel.shmmax=1",
             "--device", "/dev/null:/dev/n:r", "--group-add", "5", "--init", "--oom-score-adj=5"]
    seen = []
    for client in (lambda *w: onggi(*w).stdout, docker):
        client("create", *words, "busybox:test", "-c", "true")
        [config] = json.loads(client("inspect", "same"))
        client("rm", "same")
        host = config["HostConfig"]
        host["MaskedPaths"] = host["ReadonlyPaths"] = None
        host["ConsoleSize"] = None
        for holder in (config["Config"], host):
            for key, value in holder.items():
                holder[key] = value or None  # absent, null, "", 0 and [] are one to the API
        seen.append((config["Config"], host))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] == seen[1][1]


def test_lists_are_dockers_to_the_letter(onggi, docker):
    onggi("run", "-d", "--name", "listed", "--label", "a=b", "busybox:test", "sleep", "1000")
    try:
        for words in (["ps", "--no-trunc", "--format", "{{.ID}}\t{{.Image}}\t{{.Command}}\t"
                       "{{.Names}}\t{{.Labels}}\t{{.State}}\t{{.Networks}}\t{{.CreatedAt}}"],
                      ["ps", "-q"], ["ps", "-a", "--filter", "name=listed", "--format", "{{.ID}}"],
                      ["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}"],
                      ["images", "-q"], ["images", "--no-trunc", "busybox"],
                      ["inspect", "-f", "{{.State.Status}} {{json .Config.Cmd}}", "listed"],
                      ["inspect", "--type=image", "-f", "{{.Os}}", "busybox:test"],
                      ["version", "--format", "{{.Server.Version}}"],
                      ["info", "--format", "{{.Driver}} {{.NCPU}}"]):
            assert onggi(*words).stdout == docker(*words), words
        ours, theirs = onggi("ps").stdout, docker("ps")
        assert ours.splitlines()[0].split() == theirs.splitlines()[0].split()
        assert ours.splitlines()[1].split()[:3] == theirs.splitlines()[1].split()[:3]
    finally:
        onggi("rm", "-f", "listed")


def test_the_life_of_a_workload(onggi):
    onggi("create", "--name", "life", "busybox:test", "sh", "-c", "echo one; sleep 1000")
    assert onggi("start", "life").stdout == "life\n"
    onggi("rename", "life", "life2")
    onggi("pause", "life2")
    assert "Paused" in onggi("ps").stdout
    onggi("unpause", "life2")
    assert "sleep" in onggi("top", "life2").stdout
    assert onggi("exec", "life2", "sh", "-c", "echo in; exit 4", status=4).stdout == "in\n"
    assert onggi("exec", "-i", "life2", "cat", input="ping").stdout == "ping"
    onggi("kill", "-s", "KILL", "life2")
    assert onggi("wait", "life2").stdout == "137\n"
    onggi("restart", "-t", "0", "life2")
    onggi("stop", "-t", "0", "life2")
    assert onggi("logs", "--tail", "1", "life2").stdout == "one\n"
    assert re.match(r"\d{4}-\d\d-\d\dT.*Z one\n", onggi("logs", "-t", "life2").stdout)
    onggi("rm", "life2")
    assert "No such container" in onggi("rm", "life2", status=1).stderr


def test_images_come_and_go(onggi, tmp_path, busybox_tar):
    archive = tmp_path / "saved.tar"
    onggi("tag", "busybox:test", "other/name:1")
    onggi("save", "-o", str(archive), "other/name:1")
    assert archive.stat().st_size > 100_000 and not list(tmp_path.glob("*.part"))
    assert "Untagged: other/name:1" in onggi("rmi", "other/name:1").stdout
    with open(archive, "rb") as file:
        assert "other/name:1" in onggi("load", stdin=file).stdout
    onggi("history", "other/name:1")
    onggi("rmi", "-f", "other/name:1")
    assert "nope" in onggi("rmi", "nope", status=1).stderr
    assert "nope" in onggi("save", "-o", str(tmp_path / "no"), "nope", status=1).stderr
    assert not (tmp_path / "no").exists()


def test_signals_go_to_the_workload(onggi, dockerd, prefix):
    script = "trap 'echo got; exit 5' TERM; echo up; while :; do sleep 0.1; done"
    process = subprocess.Popen([prefix / "bin/onggi", "-H", dockerd, "run", "--rm", "busybox:test",
                                "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "got\n"
    assert process.wait(60) == 5


def test_a_terminal_is_raw_sized_and_restored(dockerd, prefix):
    with terminal.Terminal([prefix / "bin/onggi", "-H", dockerd, "run", "--rm", "-it",
                            "busybox:test", "sh"], rows=33, columns=77) as session:
        before = session.settings()
        session.expect(b"# ")
        session.send(b"stty size\n")
        session.expect(b"33 77")
        session.resize(40, 90)
        session.send(b"stty size\n")
        session.expect(b"40 90", resend=b"stty size\n")
        session.send(b"exit 9\n")
        assert session.wait() == 9
        assert session.settings() == before


def test_the_detach_keys_leave_it_running(onggi, dockerd, prefix):
    with terminal.Terminal([prefix / "bin/onggi", "-H", dockerd, "run", "--name", "left", "-it",
                            "busybox:test", "sh"]) as session:
        before = session.settings()
        session.expect(b"# ")
        session.send(b"\x10\x11")
        assert session.wait() == 0
        assert session.settings() == before
    assert onggi("inspect", "-f", "{{.State.Running}}", "left").stdout == "true\n"
    with terminal.Terminal([prefix / "bin/onggi", "-H", dockerd, "attach", "left"]) as session:
        session.send(b"exit 6\n")
        assert session.wait() == 6
    onggi("rm", "left")


def test_a_killed_client_restores_the_terminal(onggi, dockerd, prefix):
    with terminal.Terminal([prefix / "bin/onggi", "-H", dockerd, "run", "--name", "ended", "-it",
                            "busybox:test", "sh"]) as session:
        before = session.settings()
        session.expect(b"# ")
        assert session.settings() != before
        session.signal(signal.SIGTERM)
        assert session.wait() == 128 + signal.SIGTERM
        assert session.settings() == before
    onggi("rm", "-f", "ended")


def test_a_reader_that_leaves_ends_the_client_quietly(onggi, dockerd, prefix):
    process = subprocess.Popen([prefix / "bin/onggi", "-H", dockerd, "run", "--name", "unread",
                                "busybox:test", "yes"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 128 + signal.SIGPIPE
    onggi("rm", "-f", "unread")


def test_nothing_to_reach_is_one_line_with_the_next_step(prefix, tmp_path):
    result = subprocess.run([prefix / "bin/onggi", "-H", "tcp://127.0.0.1:1", "ps"], check=False,
                            capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == "onggi: reach the daemon at tcp://127.0.0.1:1: Connection refused\n"
