# SPDX-License-Identifier: Apache-2.0
"""
Attacks on the runtime itself: its file, its descriptors, its processes, its state, checkpoints, hooks.
A1, A2, A3, A17, A21, A22, A28, A29; each runs on the real build and on the weakened one (lib/attacks.py).
"""

import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import time

import pytest

import attacks

TRIES = 1000


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def wait_until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.005)


# ---- A1: the runtime's own file ----


@pytest.mark.weakened_by("A1")
@pytest.mark.parametrize("way", ["link", "script", "entrypoint"])
def test_a1_the_runtime_cannot_be_overwritten_through_proc_self_exe(attack, way, tmp_path):
    """CVE-2019-5736: the workload is made to run the runtime, and gets hold of what it runs from."""
    runtime = attack.runtime
    original = runtime.program
    runtime.program = copy = pathlib.Path(shutil.copy(original, tmp_path / "copy"))
    before = digest(copy)
    (runtime.rootfs / "link").symlink_to("/proc/self/exe")
    (runtime.rootfs / "script").write_text("#!/proc/self/exe --log\n")
    (runtime.rootfs / "script").chmod(0o755)
    (runtime.rootfs / "trap").mkdir()
    os.mkfifo(runtime.rootfs / "trap/config.json")  # on which the runtime in there waits
    name = runtime.start("/bin/sh", "-c", f"/attacker overwrite {TRIES} > /tmp/result 2> /tmp/why; echo > /tmp/done")
    if way == "entrypoint":  # of a second workload, whose processes the first one sees
        for space in runtime.config["linux"]["namespaces"]:
            if space["type"] == "pid":
                space["path"] = f"/proc/{runtime.state(name)['pid']}/ns/pid"
        runtime.run("/link", "run", "--bundle", "/trap", "x", check=False)
    else:
        runtime.call("exec", name, f"/{way}", "run", "--bundle", "/trap", "x", check=False)
    wait_until((runtime.rootfs / "tmp/done").exists, "the attacker's end")
    runtime.program = original  # to clean up with
    if not attack.weakened:
        assert "Read-only file system" in (runtime.rootfs / "tmp/why").read_text()
    attack.judge(digest(copy) != before and "the file is another")


@pytest.mark.weakened_by("A1")
def test_a1_what_proc_self_exe_shows_of_the_runtime_is_read_only(attack):
    """Of a created workload's waiting process: from outside, by root, not even so."""
    runtime = attack.runtime
    name = runtime.create("/bin/sleep", "1000")
    link = f"/proc/{runtime.state(name)['pid']}/exe"
    held = os.open(link, os.O_RDONLY)
    runtime.call("delete", "--force", name)
    try:
        os.close(os.open(f"/proc/self/fd/{held}", os.O_WRONLY))
        reached = "it opens for writing"
    except OSError as error:
        reached = None
        assert error.errno == 30  # EROFS, now that nothing executes it
    finally:
        os.close(held)
    attack.judge(reached)


# ---- A2, A3: the working directory ----


@pytest.mark.weakened_by("A2")
@pytest.mark.parametrize("way", ["run", "exec", "link", "detour"])
def test_a2_a3_no_descriptor_of_ours_is_a_working_directory(attack, way, tmp_path):
    """CVE-2024-21626. From the state folder, which the runtime has open, to what lies above it."""
    runtime = attack.runtime
    (tmp_path / "canary").write_text("of the host")
    script = "cat ../../canary"
    name = runtime.start("/bin/sleep", "1000")
    reached = []
    for number in range(3, 51):
        cwd = f"/proc/self/root/proc/thread-self/fd/{number}" if way == "detour" else f"/proc/self/fd/{number}"
        if way == "link":
            (runtime.rootfs / f"l{number}").symlink_to(cwd)
            cwd = f"/l{number}"
        if way == "exec":
            result = runtime.call("exec", "--cwd", cwd, name, "/bin/sh", "-c", script, check=False)
        else:
            runtime.config["process"]["cwd"] = cwd
            result = runtime.run("/bin/sh", "-c", script, check=False)
        attack.refused(result, "process.cwd")
        if result.stdout == "of the host":
            reached.append(cwd)
            break
    attack.judge(reached)


@pytest.mark.weakened_by("A2-inherited")
def test_a2_a_process_has_no_other_descriptors(attack):
    runtime = attack.runtime
    runtime.config["process"]["args"] = ["/bin/sleep", "1000"]
    strange = []
    with open("/etc/passwd") as leaked:
        os.set_inheritable(leaked.fileno(), True)
        extra = {"pass_fds": [leaked.fileno()]}
        runtime.write()
        name = runtime.name()
        subprocess.run([runtime.program, "--root", runtime.root, "create", "--bundle", runtime.bundle, name], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **extra)
        runtime.call("start", name)
        strange += set(os.listdir(f"/proc/{runtime.state(name)['pid']}/fd")) - {"0", "1", "2"}
        out = runtime.call("exec", name, "/bin/ls", "/proc/self/fd", **extra).stdout
        strange += set(out.split()) - {"0", "1", "2", "3"}  # 3 is the folder that ls reads
    attack.judge(strange)


# ---- A17: what joins ----


@pytest.mark.weakened_by("A17")
def test_a17_a_process_that_joins_shows_nothing(attack):
    """
    CVE-2016-9962: what exec brings in is watched from inside, all the time. A long PATH makes the
    last steps, between giving up the capabilities and the program, last long enough to be seen.
    """
    runtime = attack.runtime
    runtime.config["process"]["env"] = ["PATH=" + "/nowhere:" * 3000 + "/bin"]
    name = runtime.start("/bin/sh", "-c", "/attacker peek /bin/busybox /attacker > /tmp/seen; /bin/sleep 1000")
    wait_until((runtime.rootfs / "tmp/seen").exists, "the watcher")
    for _ in range(20):
        runtime.call("exec", name, "true")
        if seen := (runtime.rootfs / "tmp/seen").read_text():
            break
    attack.judge(seen)


# ---- A21, A22: the state ----


@pytest.mark.weakened_by("A21")
def test_a21_a_waiting_workload_has_no_abstract_socket(attack):
    """CVE-2020-15257: what shares the host's network reaches abstract sockets, whatever its files."""
    attacks.drop_namespace(attack.runtime, "network")
    attack.runtime.create("/bin/sleep", "1000")
    sockets = [line.split()[-1] for line in pathlib.Path("/proc/net/unix").read_text().splitlines()]
    attack.judge([path for path in sockets if path.startswith("@") and ("start.sock" in path or "onggi" in path)])


@pytest.mark.weakened_by("A22")
def test_a22_the_state_is_for_its_owner_alone(attack):
    """CVE-2024-25621."""
    runtime = attack.runtime
    name = runtime.create("/bin/sleep", "1000")
    paths = [runtime.root, runtime.root / name, *(runtime.root / name).iterdir()]
    attack.judge([path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077 and not path.is_socket()])


@pytest.mark.weakened_by("A22")
@pytest.mark.parametrize("command", ["run", "state", "kill", "delete"])
def test_a22_a_state_folder_that_others_can_write_is_refused(attack, command):
    """Others could have put there whom to kill."""
    runtime = attack.runtime
    name = runtime.start("/bin/sleep", "1000")
    runtime.root.chmod(0o777)
    words = ["--force", name] if command == "delete" else [name]
    result = runtime.run("/bin/true", check=False) if command == "run" else runtime.call(command, *words, check=False)
    runtime.root.chmod(0o700)
    attack.refused(result, "can be written by others")
    attack.judge(result.returncode == 0)


# ---- A28: a checkpoint of a stranger's ----


@pytest.mark.weakened_by("A28")
def test_a28_a_checkpoint_leads_to_no_file_outside_of_it(attack, tmp_path):
    """CVE-2026-50195, CVE-2026-53489: what shows that the host's file was read is what was done with it."""
    runtime = attack.runtime
    outside = tmp_path / "outside"
    outside.write_text('{"version": 1, "streams": ["", "", ""], "mounts": ["/only/outside"]}')
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "onggi.json").symlink_to(outside)
    runtime.write()
    result = runtime.call("restore", "--image-path", checkpoint, "--bundle", runtime.bundle, runtime.name(), check=False)
    attack.refused(result, "onggi.json")
    attack.judge("/only/outside" in result.stderr and "it was read")


@pytest.mark.parametrize("mount", ["/etc]:/etc", "/a/../../etc", "etc", "/a --external=dev[8/0]:/dev/sda]"])
def test_a28_a_checkpoint_says_nothing_of_places_on_the_host(runtime, mount, tmp_path):
    """Which those are says the bundle that it is restored with."""
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/onggi.json").write_text(
        json.dumps({"version": 1, "streams": ["", "", ""], "mounts": [mount]}))
    runtime.write()
    result = runtime.call("restore", "--image-path", tmp_path / "checkpoint", "--bundle", runtime.bundle, runtime.name(),
                          check=False)
    assert result.returncode != 0 and "mounts[0]" in result.stderr


# ---- A29: hooks ----


@pytest.mark.weakened_by("A29")
@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"])
def test_a29_hooks_run_with_their_own_environment_alone(attack, kind, tmp_path, monkeypatch):
    """CVE-2025-23266: neither the image's environment nor the caller's reaches a hook."""
    runtime = attack.runtime
    inside = kind == "startContainer"
    seen = (runtime.rootfs if inside else tmp_path) / "seen"
    told = "/seen" if inside else seen
    runtime.config["process"]["env"] += ["LD_DEBUG=image"]
    monkeypatch.setenv("LD_DEBUG_OUTPUT", "caller")
    shell = "/bin/sh" if inside else "/bin/busybox"
    words = ["sh"] if inside else ["busybox", "sh"]
    hook = {"path": shell, "args": [*words, "-c", f"/bin/busybox env > {told}"], "env": ["OWN=1"]}
    runtime.config["hooks"] = {kind: [hook]}
    result = runtime.run("/bin/true", check=False)
    assert seen.exists(), result.stderr
    text = seen.read_text()
    assert attack.weakened or "OWN=1" in text
    attack.judge([line for line in text.splitlines() if line.startswith("LD_")])
