# SPDX-License-Identifier: Apache-2.0
"""onggi-runtime's checkpoint and restore, by CRIU: what runs on, and what is refused."""

import json
import os
import pathlib
import subprocess
import time

import pytest

import bundles

# Counts in names of folders: a file that was open at a checkpoint would have to be there as it was then.
COUNT = "i=0; while :; do i=$((i+1)); mkdir /volume/$i; usleep 50000; done"


@pytest.fixture(scope="module")
def criu(require):
    """CRIU, where this kernel is one that it understands."""
    tool = require.tool("criu")
    result = subprocess.run([tool, "check"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        first = (result.stderr or result.stdout).strip().splitlines()[:1]
        pytest.skip(f"criu check fails on Linux {os.uname().release}: {' '.join(first)}")
    return tool


@pytest.fixture
def images(tmp_path):
    return tmp_path / "images"


@pytest.fixture
def volume(runtime, tmp_path):
    path = tmp_path / "volume"
    path.mkdir()
    runtime.config["mounts"].append({"destination": "/volume", "type": "bind", "source": str(path),
                                     "options": ["rbind"]})
    return path


def count(volume):
    return max((int(name) for name in os.listdir(volume) if name.isdigit()), default=0)


def wait_for_more(volume, than, seconds=60):
    end = time.monotonic() + seconds
    while (now := count(volume)) <= than:
        assert time.monotonic() < end, f"it stays at {now}"
        time.sleep(0.02)
    return now


def restore(runtime, name, images, *flags, **rest):
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.run([runtime.program, "--root", runtime.root, "restore", "--detach", "--bundle",
                           runtime.bundle, "--image-path", images, *flags, name], text=True,
                          timeout=bundles.TIMEOUT_S, check=False, **{**quiet, **rest})


@pytest.mark.in_lab
def test_a_restored_workload_goes_on_where_it_was(runtime, criu, images, volume):
    del criu
    name = runtime.start("/bin/sh", "-c", COUNT)
    wait_for_more(volume, 3)
    runtime.call("checkpoint", "--image-path", images, name)
    assert "does not exist" in runtime.call("state", name, check=False).stderr
    assert bundles.left(name) == []
    before = count(volume)
    time.sleep(0.3)
    assert count(volume) == before, "it still runs"

    result = restore(runtime, name, images)
    assert result.returncode == 0, result.stderr
    assert runtime.state(name)["status"] == "running"
    after = wait_for_more(volume, before)
    assert before < after < before + 100, "it began anew"

    # What it sees is as it was made at first, and exec works in it.
    seen = runtime.call("exec", name, "/bin/sh", "-c",
                        "cat /proc/self/mountinfo; cat /proc/kcore; hostname; cat /proc/1/cgroup")
    assert " /volume " in seen.stdout and " /sys/fs/cgroup " in seen.stdout
    assert seen.stdout.strip().endswith("0::/")
    assert runtime.config["hostname"] in seen.stdout
    runtime.call("delete", "--force", name)
    assert bundles.left(name) == []


@pytest.mark.in_lab
def test_one_checkpoint_of_a_pre_dump_can_leave_it_running(runtime, criu, images, volume):
    del criu
    name = runtime.start("/bin/sh", "-c", COUNT)
    wait_for_more(volume, 3)
    images.mkdir()
    runtime.call("checkpoint", "--pre-dump", "--image-path", images / "first", name)
    assert runtime.state(name)["status"] == "running"
    runtime.call("checkpoint", "--leave-running", "--image-path", images / "second",
                 "--parent-path", "../first", name)
    assert runtime.state(name)["status"] == "running"
    assert (images / "second/parent").is_symlink()
    then = count(volume)
    wait_for_more(volume, then)
    runtime.call("delete", "--force", name)
    for folder in volume.iterdir():
        folder.rmdir()
    result = restore(runtime, name, images / "second")
    assert result.returncode == 0, result.stderr
    assert 0 < wait_for_more(volume, 0) < then + 50


@pytest.mark.in_lab
def test_a_tcp_connection_survives(runtime, criu, images, volume):
    del criu
    server = "sleep 100000 | nc -l -p 999 >/volume/all"
    client = "i=0; while :; do i=$((i+1)); echo $i; usleep 50000; done | nc 127.0.0.1 999"
    last = "while :; do mkdir -p /volume/$(tail -n 1 /volume/all 2>/dev/null); usleep 50000; done"
    for names in ("bounding", "effective", "permitted"):
        runtime.config["process"]["capabilities"][names].append("CAP_NET_ADMIN")
    name = runtime.start("/bin/sh", "-c",
                         f"ifconfig lo 127.0.0.1 up; ({server}) & usleep 500000; ({client}) & {last}")
    wait_for_more(volume, 3)
    refused = runtime.call("checkpoint", "--leave-running", "--image-path", images / "none", name,
                           check=False)
    assert refused.returncode != 0 and "tcp" in refused.stderr.lower()
    runtime.call("checkpoint", "--tcp-established", "--image-path", images, name)
    before = count(volume)
    result = restore(runtime, name, images, "--tcp-established")
    assert result.returncode == 0, result.stderr
    wait_for_more(volume, before + 3)


@pytest.mark.in_lab
def test_hooks_run_before_a_restored_workload_goes_on(runtime, criu, images, volume, tmp_path):
    del criu
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/state-$1\n/bin/ls {volume} > {tmp_path}/at-$1\n/bin/sleep 1\n"
                    f"/bin/ls {volume} | /bin/cmp - {tmp_path}/at-$1 && : > {tmp_path}/still-$1\nexit 0\n")
    hook.chmod(0o755)
    runtime.config["hooks"] = {kind: [{"path": str(hook), "args": ["hook", kind]}]
                               for kind in ("createRuntime", "poststart")}
    name = runtime.start("/bin/sh", "-c", COUNT)
    wait_for_more(volume, 3)
    runtime.call("checkpoint", "--image-path", images, name)
    for path in tmp_path.glob("st*-*"):
        path.unlink()
    result = restore(runtime, name, images)
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "state-createRuntime").read_text())["pid"] > 0
    assert json.loads((tmp_path / "state-poststart").read_text())["status"] == "running"
    assert (tmp_path / "still-createRuntime").exists() and not (tmp_path / "still-poststart").exists()


@pytest.mark.in_lab
def test_restore_in_the_foreground_ends_with_the_exit_status(runtime, criu, images, volume):
    del criu
    name = runtime.start("/bin/sh", "-c", "mkdir /volume/1; while [ ! -e /volume/end ]; do usleep 50000; done; exit 7")
    wait_for_more(volume, 0)
    runtime.call("checkpoint", "--image-path", images, name)
    (volume / "end").touch()
    result = subprocess.run([runtime.program, "--root", runtime.root, "restore", "--bundle", runtime.bundle,
                             "--image-path", images, name], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
                            timeout=bundles.TIMEOUT_S)
    assert result.returncode == 7, result.stderr
    assert bundles.left(name) == [] and os.listdir(runtime.root) in ([], [".seccomp"])


# ---- what is refused ----


def test_what_cannot_be_checkpointed_is_said(runtime, images):
    name = runtime.create("/bin/sleep", "1000")
    assert "it is created, not running" in runtime.call("checkpoint", "--image-path", images, name,
                                                        check=False).stderr
    runtime.call("start", name)
    for flags, said in ((["--parent-path", "/abs"], "is not relative"),
                        (["--manage-cgroups-mode", "x"], "not 'x'"), (["--empty-ns", "ipc"], "not 'ipc'")):
        result = runtime.call("checkpoint", *flags, "--image-path", images, name, check=False)
        assert result.returncode != 0 and said in result.stderr and len(result.stderr.splitlines()) == 1
    result = runtime.call("--criu", "/does/not/exist", "checkpoint", "--image-path", images, name, check=False)
    assert result.returncode != 0 and "install criu" in result.stderr
    assert runtime.state(name)["status"] == "running"


def test_a_failure_of_criu_names_its_reason_and_its_log(runtime, images, tmp_path):
    fake = tmp_path / "criu"
    fake.write_text('#!/bin/sh\nfor w; do case $w in --work-dir=*) d=${w#*=};; --log-file=*) f=${w#*=};; esac; done\n'
                    'echo "(00.1) Error (criu/x.c:1): the moon is full" > $d/$f\n'
                    'echo "(00.1) Error (criu/y.c:2): Dumping FAILED." >> $d/$f; exit 1\n')
    fake.chmod(0o755)
    name = runtime.start("/bin/sleep", "1000")
    result = runtime.call("--criu", fake, "checkpoint", "--image-path", images, name, check=False)
    assert result.returncode == 1 and "the moon is full" in result.stderr and "dump.log" in result.stderr
    assert runtime.state(name)["status"] == "running"


GOOD = {"version": 1, "streams": ["", "", ""], "mounts": []}


@pytest.mark.parametrize("record, said", [
    (None, "is it a checkpoint of ours"), ("[]", "version"), ("{", "JSON"), ({**GOOD, "version": 9}, "version is 9"),
    ({**GOOD, "streams": ["pipe:[1] --x", "", ""]}, "streams[0]"), ({**GOOD, "streams": []}, "streams"),
    ({**GOOD, "mounts": ["/../etc"]}, "mounts[0]"), ({**GOOD, "mounts": ["/etc"]}, "a mount at '/etc'"),
    ({**GOOD, "mounts": [1]}, "mounts[0]"), (None, "bytes")], ids=range(10))
def test_a_record_that_is_no_good_is_refused_and_nothing_is_left(runtime, images, record, said):
    runtime.write()
    images.mkdir()
    if said == "bytes":
        record = "x" * (2 << 20)
    if record is not None:
        text = record if isinstance(record, str) else json.dumps(record)
        (images / "onggi.json").write_text(text)
    name = runtime.name()
    result = restore(runtime, name, images)
    assert result.returncode == 1 and said in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert bundles.left(name) == [] and name not in os.listdir(runtime.root)


def test_a28_a_checkpoint_cannot_make_restore_write_or_read_elsewhere(runtime, images, tmp_path):
    """CVE-2026-50195 and its like: links where logs and records go."""
    victim = tmp_path / "victim"
    victim.write_text("{}")
    images.mkdir()
    for name in ("restore.log", "dump.log", "restored.pid"):
        (images / name).symlink_to(victim)
    (images / "onggi.json").write_text(json.dumps(GOOD))
    runtime.write()
    assert restore(runtime, runtime.name(), images).returncode != 0
    assert victim.read_text() == "{}"
    (images / "onggi.json").unlink()
    (images / "onggi.json").symlink_to(victim)
    assert "onggi.json" in restore(runtime, runtime.name(), images).stderr
    os.mkfifo(images / "fifo")
    (images / "onggi.json").unlink()
    (images / "fifo").rename(images / "onggi.json")
    assert restore(runtime, runtime.name(), images).returncode != 0
    assert pathlib.Path(victim).read_text() == "{}"


@pytest.mark.in_lab
@pytest.mark.weakened_by("A28-rights")
@pytest.mark.parametrize("more", ["capabilities", "seccomp"])
def test_a28_what_is_restored_has_no_rights_that_its_bundle_does_not_give(attack, criu, images, more):
    """Tried on the weakened build, too (lib/attacks.py): a checkpoint of a workload with more, under a stricter bundle."""
    del criu
    runtime = attack.runtime
    strict = json.loads(json.dumps(runtime.config))
    if more == "capabilities":
        for kind in ("bounding", "effective", "permitted"):
            runtime.config["process"]["capabilities"][kind].append("CAP_SYS_ADMIN")
    else:
        del runtime.config["linux"]["seccomp"]
    name = runtime.start("/bin/sleep", "1000")
    runtime.call("checkpoint", "--image-path", images, name)
    runtime.config = strict
    runtime.write()
    result = restore(runtime, name, images)
    attack.refused(result, more)
    assert attack.weakened or bundles.left(name) == []
    attack.judge(result.returncode == 0 and runtime.state(name)["status"])


def test_a_virtual_machine_cannot_be_checkpointed_this_way(runtime):
    runtime.write()
    result = runtime.call("--isolation", "vm", "restore", "--bundle", runtime.bundle, runtime.name(), check=False)
    assert result.returncode == 1 and "isolation vm" in result.stderr
