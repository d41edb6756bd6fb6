# SPDX-License-Identifier: Apache-2.0
"""The six kinds of hooks: when they run, where, with what, and what their failure means."""

import json
import os
import pathlib
import tempfile

import pytest

import bundles
from daemon import wait_for

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
SAY = """#!/bin/busybox sh
b=/bin/busybox
state=$($b cat)
fds=
for fd in /proc/self/fd/*; do fds="$fds ${fd##*/}"; done
for kind in mnt pid net ipc uts; do spaces="$spaces $($b readlink /proc/self/ns/$kind)"; done
$b echo "$1|$2|$spaces|$(test -e /in-the-image && echo inside)|$state|$($b env | $b sort | $b tr '\\n' ' ')" >> LOG
exit $3
"""


@pytest.fixture
def runtime(prefix, test_folder, require):
    require.root()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hooks-", dir=test_folder))
    one = bundles.Runtime(prefix, folder)
    # The log is a file of the host's that is at the same place inside.
    log = folder / "log/log"
    log.parent.mkdir()
    log.touch()
    one.log = log
    one.config["mounts"].append({"destination": str(log.parent), "type": "none", "source": str(log.parent),
                                 "options": ["bind"]})
    for path in (folder / "say", one.rootfs / "say"):
        path.write_text(SAY.replace("LOG", str(log)))
        path.chmod(0o755)
    (one.rootfs / "in-the-image").touch()
    yield one
    one.clean()


def hook(runtime, kind, number=0, status=0):
    path = "/say" if kind == "startContainer" else str(runtime.folder / "say")
    return {"path": path, "args": ["say", kind, str(number), str(status)], "env": [f"OWN={kind}"]}


def told(runtime):
    """[(kind, number, namespaces, whether inside, state, environment)] in order."""
    found = []
    for line in runtime.log.read_text().splitlines():
        kind, number, spaces, inside, state, environment = line.split("|")
        found.append((kind, int(number), spaces.split(), inside == "inside", json.loads(state), environment.split()))
    return found


def order(runtime):
    return [(kind, number) for kind, number, *_ in told(runtime)]


@pytest.mark.in_lab
def test_each_kind_runs_in_its_order_place_and_environment(runtime):
    runtime.config["hooks"] = {kind: [hook(runtime, kind, 0), hook(runtime, kind, 1)] for kind in KINDS}
    runtime.config["process"]["env"].append("IMAGE=1")
    name = runtime.create("sleep", "100")
    assert order(runtime) == [(kind, number) for kind in KINDS[:3] for number in (0, 1)]
    runtime.call("start", name)
    pid = runtime.state(name)["pid"]
    theirs = [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("mnt", "pid", "net", "ipc", "uts")]
    runtime.call("delete", "--force", name)
    assert order(runtime) == [(kind, number) for kind in KINDS for number in (0, 1)]
    ours = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "pid", "net", "ipc", "uts")]
    statuses = dict(zip(KINDS, ["creating"] * 3 + ["created", "running", "stopped"]))
    for kind, _, spaces, inside, state, environment in told(runtime):
        in_container = kind in ("createContainer", "startContainer")
        assert spaces == (theirs if in_container else ours), kind
        assert inside == (kind == "startContainer"), "only that one is behind the change of root"
        assert (state["id"], state["status"], state["bundle"]) == (name, statuses[kind], str(runtime.bundle))
        assert state["ociVersion"] == "1.3.0"
        assert state["pid"] == (1 if in_container else 0 if kind == "poststop" else pid), "as seen from there"
        # The shell itself adds these.
        added = ("PWD", "SHLVL", "OLDPWD", "PATH")
        assert [word for word in environment if word.split("=")[0] not in added] == [f"OWN={kind}"]


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_failure_before_the_end_of_create_undoes_it(runtime, kind):
    runtime.config["hooks"] = {kind: [hook(runtime, kind, 0, 3), hook(runtime, kind, 1)],
                               "poststop": [hook(runtime, "poststop")]}
    runtime.write()
    result = runtime.call("create", "--bundle", runtime.bundle, "undone", check=False)
    assert result.returncode == 1
    assert f"hook {kind}[0] '{runtime.folder}/say': exit status 3" in result.stderr
    assert (kind, 1) not in order(runtime), "those behind a failed one do not run"
    assert not (runtime.root / "undone").exists()


def test_a_failure_of_startcontainer_fails_the_start(runtime):
    runtime.config["hooks"] = {"startContainer": [hook(runtime, "startContainer", 0, 4)],
                               "poststart": [hook(runtime, "poststart")]}
    name = runtime.create("sh", "-c", f"echo ran > {runtime.log.parent}/ran")
    result = runtime.call("start", name, check=False)
    assert result.returncode == 1 and "hook startContainer[0] '/say': exit status 4" in result.stderr
    runtime.wait_for(name, "stopped")
    assert order(runtime) == [("startContainer", 0)]
    assert not (runtime.log.parent / "ran").exists()


def test_a_failure_of_poststart_stops_it(runtime):
    runtime.config["hooks"] = {"poststart": [hook(runtime, "poststart", 0, 5), hook(runtime, "poststart", 1)]}
    name = runtime.create("sleep", "100")
    result = runtime.call("start", name, check=False)
    assert result.returncode == 1 and "hook poststart[0]" in result.stderr
    runtime.wait_for(name, "stopped")
    assert order(runtime) == [("poststart", 0)]


def test_failures_of_poststop_are_logged_and_change_nothing(runtime):
    runtime.config["hooks"] = {"poststop": [hook(runtime, "poststop", number, 6) for number in range(3)]}
    name = runtime.create("sleep", "100")
    log = runtime.folder / "log.json"
    runtime.call("--log", log, "--log-format", "json", "delete", "--force", name)
    assert order(runtime) == [("poststop", number) for number in range(3)]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["level"] for line in lines] == ["warning"] * 3
    assert "hook poststop[2]" in lines[2]["msg"] and "exit status 6" in lines[2]["msg"]
    assert not (runtime.root / name).exists()


def test_a_timeout_kills_the_hook_and_what_it_started(runtime):
    runtime.config["hooks"] = {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"sleep 4321 & echo $! > {runtime.log}; wait"], "timeout": 1,
         "env": ["PATH=/usr/bin:/bin"]}]}
    runtime.write()
    result = runtime.call("create", "--bundle", runtime.bundle, "late", check=False)
    assert result.returncode == 1 and "hook createRuntime[0] '/bin/sh': no end after 1 s" in result.stderr
    child = pathlib.Path("/proc", runtime.log.read_text().strip(), "cmdline")
    wait_for("its end", lambda: not child.exists() or "4321" not in child.read_text())


def test_a_hook_that_is_missing_is_named(runtime):
    runtime.config["hooks"] = {"createRuntime": [{"path": "/no/such/hook"}]}
    result = runtime.run("true", check=False)
    assert result.returncode == 1 and "hook createRuntime[0] '/no/such/hook'" in result.stderr


def test_features_say_what_there_is(runtime):
    features = json.loads(runtime.call("features").stdout)
    assert features["ociVersionMin"] == "1.0.0" and features["ociVersionMax"] == "1.3.0"
    assert features["hooks"] == KINDS
    lin = features["linux"]
    assert set(lin["namespaces"]) == {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}
    assert len(lin["capabilities"]) == 41 and lin["capabilities"][0] == "CAP_CHOWN"
    assert lin["capabilities"][40] == "CAP_CHECKPOINT_RESTORE"
    assert set(lin["cgroup"]) == {"v1", "v2", "systemd", "systemdUser", "rdma"}
    seccomp = lin["seccomp"]
    assert set(seccomp) == {"enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"}
    assert {"SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO"} <= set(seccomp["actions"]) and "SCMP_ARCH_X86_64" in seccomp["archs"]
    assert {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"} <= set(seccomp["supportedFlags"]) <= set(seccomp["knownFlags"])
    for name in ("apparmor", "selinux", "intelRdt", "netDevices"):
        assert isinstance(lin[name]["enabled"], bool)
    assert lin["mountExtensions"]["idmap"]["enabled"] is True
    assert features["potentiallyUnsafeConfigAnnotations"]
    # What is listed is taken: every mount option and namespace.
    for option in ("rro", "ridmap", "tmpcopyup", "nosymfollow"):
        assert option in features["mountOptions"]


@pytest.mark.parametrize("flag", ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"])
def test_a_supported_flag_is_taken(runtime, flag):
    if flag not in json.loads(runtime.call("features").stdout)["linux"]["seccomp"]["supportedFlags"]:
        pytest.skip(f"this kernel has no {flag}")
    runtime.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "flags": [flag]}
    assert runtime.run("grep", "Seccomp:", "/proc/self/status").stdout == "Seccomp:\t2\n"
