# SPDX-License-Identifier: Apache-2.0
"""
A80: the hypervisor has been taken over by its guest. The weakened build (src/base/weak.h) does what an
attacker would do from the thread that serves the devices; the jail is that of the real build, and each
half of it is left out once, so that the other is seen to hold alone and the attempt to be a real one.
"""

import json
import os
import signal
import subprocess

import pytest
import vmmapi

# Each is left out while others hold, and all are.
HOLES = ["A80-front-seccomp", "A80-namespaces", "A80-seccomp"]
ATTEMPTS = ["open", "execve", "socket", "ptrace", "kill", "mprotect", "setuid"]
REFUSED = {"ENOENT", "ENETUNREACH", "EPERM", "ESRCH", "EACCES", "EINVAL"}
# What a user of its own may do to itself is not kept from it by namespaces, only by seccomp.
OWN = {"mprotect"}
# By the process that serves the API: before its machine runs, and after.
FRONT = [f"front-{name}" for name in ("execve", "socket", "ptrace", "mprotect")] + [
    f"running-{name}" for name in ("execve", "socket", "ptrace", "mprotect", "setuid", "unshare")]


@pytest.fixture
def program(weakened_build):
    return weakened_build / "cmd/onggi-vmm/onggi-vmm"


@pytest.fixture
def attempt(program, guest_kernel):
    """attempt("open", holes...): how it ended, and what the attacker says of it."""
    def run(name, *holes):
        weaken = ",".join(f"A80-{hole}" for hole in (name, *holes))
        result = subprocess.run([program, "--memory", "32", "--kernel", guest_kernel, "--cmdline", "count"],
                                env={**os.environ, "ONGGI_WEAKEN": weaken}, capture_output=True, text=True,
                                timeout=2, check=False)
        return result.returncode, result.stderr

    def run_bounded(name, *holes):
        try:
            return run(name, *holes)
        except subprocess.TimeoutExpired as expired:  # it lives on: the attempt did not end it
            return 0, (expired.stderr or b"").decode()

    return run_bounded


@pytest.fixture
def attempt_forkable(program, guest_kernel, tmp_path):
    """The same by a machine that may be forked, whose filter lets it build another one: what it says."""
    config = {"boot-source": {"kernel_image_path": str(guest_kernel), "boot_args": "count"},
              "machine-config": {"vcpu_count": 1, "mem_size_mib": 32},
              "metrics": {"metrics_path": str(tmp_path / "metrics")}}
    (tmp_path / "config").write_text(json.dumps(config))

    def run(name, *holes):
        weaken = ",".join(f"A80-{hole}" for hole in (name, *holes))
        words = [program, "--forkable", "--no-api", "--config-file", tmp_path / "config"]
        with subprocess.Popen(words, env={**os.environ, "ONGGI_WEAKEN": weaken}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            said = process.stdout.read(3) and b""
            process.terminate()
            said += process.stderr.read()
            process.stdout.read()
        panics = json.loads((tmp_path / "metrics").read_text().splitlines()[-1])["vmm"]["panic_count"]
        return panics, said.decode()
    return run


@pytest.fixture
def attempt_front(program, guest_kernel, tmp_path):
    """The same by the front that reads requests: how it ended (None: it did not), and what it says."""
    config = {"boot-source": {"kernel_image_path": str(guest_kernel), "boot_args": "spin"},
              "machine-config": {"vcpu_count": 1, "mem_size_mib": 32}}
    (tmp_path / "config").write_text(json.dumps(config))

    def run(name, *holes):
        weaken = ",".join(f"A80-{hole}" for hole in (name, *holes))
        words = [program, "--no-api", "--config-file", tmp_path / "config"]
        with subprocess.Popen(words, env={**os.environ, "ONGGI_WEAKEN": weaken}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                _, said = process.communicate(timeout=2)
                status = process.returncode
            except subprocess.TimeoutExpired:  # it lives on: the attempt did not end it
                process.terminate()
                _, said = process.communicate()
                status = None
        return status, said.decode()
    return run


@pytest.mark.parametrize("name", FRONT)
def test_a80_seccomp_kills_a_front_that_was_taken_over(attempt_front, name):
    assert attempt_front(name) == (-signal.SIGSYS, "")
    status, said = attempt_front(name, "front-seccomp")
    if name.endswith("execve"):
        assert (status, said) == (0, "")  # it is /bin/true now
    else:
        assert status is None and said.startswith(f"A80-{name}: succeeded\n")


@pytest.fixture
def attempt_waiting(program, tmp_path):
    """The same by a machine whose jail was there before it was asked for: what it says."""
    count = iter(range(100))

    def run(monkeypatch, name, *holes):
        monkeypatch.setenv("ONGGI_WEAKEN", ",".join(f"A80-{hole}" for hole in (name, *holes)))
        folder = tmp_path / f"vm{next(count)}"
        folder.mkdir()
        with vmmapi.launched(folder, [program, "--prepare", "--api-sock", folder / "api.sock"]) as machine:
            machine.put("/metrics", metrics_path=str(folder / "metrics"))
            machine.start("count")
            machine.process.stdout.read(3)  # less where it was ended
            machine.process.terminate()
            _, _, said = machine.ends()
        panics = json.loads((folder / "metrics").read_text().splitlines()[-1])["vmm"]["panic_count"]
        return panics, said
    return run


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a80_a_machine_that_waited_is_held_by_each_half_of_its_jail(attempt_waiting, monkeypatch, name):
    panics, said = attempt_waiting(monkeypatch, name)
    assert panics == 1 and f"A80-{name}" not in said, said
    if name not in OWN:
        _, said = attempt_waiting(monkeypatch, name, "seccomp", "front-seccomp")
        outcome = next(line for line in said.splitlines() if line.startswith(f"A80-{name}: "))
        assert outcome.split()[1] in REFUSED, said
    _, said = attempt_waiting(monkeypatch, name, "seccomp", "namespaces", "front-seccomp")
    assert name == "execve" or f"A80-{name}: succeeded" in said, said


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a80_a_machine_that_may_be_forked_is_killed_as_well(attempt_forkable, name):
    panics, said = attempt_forkable(name)
    assert panics == 1 and f"A80-{name}" not in said, said
    panics, said = attempt_forkable(name, "namespaces")
    assert panics == 1 and f"A80-{name}" not in said, said
    _, said = attempt_forkable(name, "seccomp", "namespaces", "front-seccomp")
    assert name == "execve" or f"A80-{name}: succeeded" in said, said


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a80_seccomp_kills_a_process_that_was_taken_over(attempt, name):
    status, said = attempt(name)
    assert (status, said) == (-signal.SIGSYS, "")
    status, said = attempt(name, "namespaces")
    assert (status, said) == (-signal.SIGSYS, "")


@pytest.mark.parametrize("name", [name for name in ATTEMPTS if name not in OWN])
def test_a80_without_seccomp_there_is_nothing_to_reach(attempt, name):
    _, said = attempt(name, "seccomp")
    assert said.startswith(f"A80-{name}: ") and said.split()[1] in REFUSED, said


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a80_without_a_jail_the_attempts_succeed(attempt, name):
    _, said = attempt(name, "seccomp", "namespaces")
    if name == "execve":
        assert said == ""  # it is /bin/true now
    else:
        assert said == f"A80-{name}: succeeded\n"
