# SPDX-License-Identifier: Apache-2.0
"""
A25: a workload takes all that it can get of processes, memory, descriptors and inodes. Each bomb
ends by itself, soon and small, and lies in a group of the test's own with limits around the
runtime's, so that the weakened build hurts nobody either. The flood of a log is in test_attacks_engine.py.
"""

import os
import pathlib
import subprocess
import time

import pytest

import bundles

PROCESSES, MEMORY_MIB, DESCRIPTORS, INODES = 200, 64, 2000, 3000
LIMIT = {"processes": 32, "memory": 16, "descriptors": 64, "inodes": 500}
ANSWER_MAX_S = 0.2


@pytest.fixture
def fence():
    """A group that holds the bombs whatever the runtime does: its path for linux.cgroupsPath."""
    name = f"/og-fence-{os.getpid()}"
    made = []
    v1 = pathlib.Path("/sys/fs/cgroup/pids").is_dir()
    limits = [("pids", "pids.max", 400), ("memory", "memory.limit_in_bytes" if v1 else "memory.max", 256 << 20)]
    if not v1:
        pathlib.Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+pids +memory")
    for controller, file, value in limits:
        group = pathlib.Path("/sys/fs/cgroup", controller if v1 else "", name[1:])
        if not group.is_dir():
            group.mkdir()
            made.append(group)
        (group / file).write_text(str(value))
    yield f"{name}/bomb"
    for group in made:
        for inner in [path for path in group.iterdir() if path.is_dir()]:
            inner.rmdir()
        group.rmdir()
    # The runtime makes its groups in every tree.
    for path in pathlib.Path("/sys/fs/cgroup").glob(f"*{name}"):
        path.rmdir()


def answers_in_s():
    """How long the machine takes for the least of things; the best of some tries, as others use it too."""
    best = 60.0
    for _ in range(5):
        begin = time.monotonic()
        subprocess.run(["/bin/busybox", "true"], check=True)
        best = min(best, time.monotonic() - begin)
    return best


@pytest.fixture
def bomb(fence, attack):
    linux = attack.runtime.config["linux"]
    linux["cgroupsPath"] = fence
    linux["resources"]["pids"] = {"limit": LIMIT["processes"]}
    linux["resources"]["memory"] = {"limit": LIMIT["memory"] << 20, "swap": LIMIT["memory"] << 20}
    attack.runtime.config["process"]["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": LIMIT["descriptors"], "hard": LIMIT["descriptors"]}]
    return attack


@pytest.mark.in_lab
@pytest.mark.weakened_by("A25")
@pytest.mark.parametrize("kind, words", [("processes", ["fork", PROCESSES]), ("memory", ["memory", MEMORY_MIB]),
                                         ("descriptors", ["descriptors", DESCRIPTORS])])
def test_a25_a_bomb_takes_no_more_than_its_limit(bomb, kind, words):
    runtime = bomb.runtime
    runtime.config["process"]["args"] = ["/attacker", *map(str, words)]
    runtime.write()
    with subprocess.Popen([runtime.program, "--root", runtime.root, "run", "--bundle", runtime.bundle, runtime.name()],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
        first = running.stdout.readline()
        answer = answers_in_s()
        lines = [first, *running.stdout.readlines()]
    taken = int(lines[-1])
    assert 0 < taken <= words[1]
    assert answer < ANSWER_MAX_S, f"the machine took {answer:.3f} s to answer"
    bomb.judge(taken > LIMIT[kind] and f"{taken} {kind}")


@pytest.mark.weakened_by("A25-pipe")
@pytest.mark.parametrize("way", ["run", "exec"])
def test_a25_a_pipe_for_a_list_of_users_holds_nobody_up(bomb, way):
    """Where HOME is not set, /etc/passwd is read for it: an image may have there what never ends."""
    runtime = bomb.runtime
    words = ["exec", runtime.start("/bin/sleep", "1000"), "/bin/true"]
    (runtime.rootfs / "etc/passwd").unlink()
    os.mkfifo(runtime.rootfs / "etc/passwd")
    if way == "run":
        runtime.config["process"]["args"] = ["/bin/true"]
        runtime.config["linux"]["cgroupsPath"] += "2"
        runtime.write()
        words = ["run", "--bundle", runtime.bundle, runtime.name()]
    with subprocess.Popen([runtime.program, "--root", runtime.root, *words], stdin=subprocess.DEVNULL) as running:
        try:
            status = running.wait(1 if bomb.weakened else bundles.TIMEOUT_S)
        except subprocess.TimeoutExpired:
            status = None
            (runtime.rootfs / "etc/passwd").write_text("")  # which lets it go on
    bomb.judge(status is None and "it waits for ever")


@pytest.mark.weakened_by("A25-tmpfs")
def test_a25_a_tmpfs_holds_no_more_inodes_than_it_was_given(bomb):
    bomb.runtime.config["mounts"].append({"destination": "/small", "type": "tmpfs", "source": "tmpfs",
                                          "options": [f"nr_inodes={LIMIT['inodes']}", "size=64k"]})
    taken = int(bomb.runtime.run("/attacker", "inodes", "/small", str(INODES)).stdout)
    assert 0 < taken <= INODES
    bomb.judge(taken > LIMIT["inodes"] and f"{taken} inodes")
