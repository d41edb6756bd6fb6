# SPDX-License-Identifier: Apache-2.0
"""config.json made wrong, by onggi-runtime's command line. Every member: tests/unit/format/test-oci-fields.c."""

import json
import os
import subprocess
import time

import pytest

import bundles

LONG = 100 << 20
MAX_KB = 24 << 10  # of memory for a run that is given 100 MB: it reads 8 MiB of them
MAX_SECONDS = 5  # it takes some 20 ms; without a limit of its own it would take a minute


def refuse(runtime, path):
    """Runs the bundle as it is: one line that names `path`, quickly, in little memory, and nothing left."""
    begin = time.monotonic()
    result = subprocess.run(["/bin/sh", "-c", f'ulimit -v {MAX_KB} && exec "$@"', "sh", runtime.program, "--root",
                             runtime.root, "run", "--bundle", runtime.bundle, runtime.name()], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=bundles.TIMEOUT_S, check=False)
    said = result.stderr
    assert result.returncode == 1 and path in said and said.count("\n") == 1, said
    assert time.monotonic() - begin < MAX_SECONDS
    assert not runtime.root.is_dir() or os.listdir(runtime.root) == []
    assert bundles.left(f"og-test-{os.getpid()}-") == []


def set_member(document, path, value):
    *parents, last = path.split(".")
    for name in parents:
        document = document[int(name)] if isinstance(document, list) else document.setdefault(name, {})
    document[int(last) if isinstance(document, list) else last] = value


@pytest.mark.parametrize("path, value", [
    ("process.scheduler", {"policy": "SCHED_NEVER"}),
    ("process.rlimits", [{"type": "RLIMIT_NOTHING", "soft": 1, "hard": 1}]),
    ("process.execCPUAffinity.final", "0-"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_MAYBE"}),
    ("linux.rootfsPropagation", "everywhere"),
    ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "x"}),
    ("mounts.0.destination", 7),
])
def test_a_wrong_member_is_named(runtime, path, value):
    set_member(runtime.config, path, value)
    runtime.write()
    refuse(runtime, path.replace(".0.", "[0]."))


@pytest.mark.parametrize("path", ["hostname", "process.cwd", "process.args.0", "linux.sysctl.key", "annotations.key",
                                  "mounts.1.source"])
def test_a_member_of_100_mb_is_named(runtime, path):
    set_member(runtime.config, path, "@LONG@")
    head, tail = json.dumps(runtime.config).split("@LONG@")
    with open(runtime.bundle / "config.json", "w", encoding="ascii") as file:
        file.write(head)
        file.truncate(len(head) + LONG)  # a hole: the runtime never comes to its bytes, which are no JSON
        file.seek(len(head) + LONG)
        file.write(tail)
    refuse(runtime, path.replace(".0", "[0]").replace(".1.", "[1]."))


def test_100_mb_of_members_are_refused(runtime):
    runtime.config["annotations"] = {}
    head, tail = json.dumps(runtime.config).split('"annotations": {}')
    with open(runtime.bundle / "config.json", "w", encoding="ascii") as file:
        file.write(head + '"annotations": {')
        for i in range(LONG // 100):
            file.write(f'"{i:040}": "{"x" * 50}",')
        file.write('"last": ""}' + tail)
    refuse(runtime, "annotations")


def test_a_member_that_is_there_twice_is_named(runtime):
    runtime.config["process"]["user"] = {"uid": 0, "gid": 0}
    text = json.dumps(runtime.config).replace('"uid": 0', '"uid": 1000, "u\\u0069d": 0')
    (runtime.bundle / "config.json").write_text(text)
    refuse(runtime, "process.user.u\\u0069d")


def test_a_name_cannot_make_a_line_of_its_own(runtime):
    runtime.config["linux"]["sysctl"] = {"a\nonggi-runtime: all is well\x1b[2J": 1}
    runtime.write()
    refuse(runtime, "linux.sysctl.a onggi-runtime: all is well [2J is not a string")


def test_a_process_file_is_read_as_strictly(runtime, tmp_path):
    name = runtime.start("/bin/sleep", "1000")
    file = tmp_path / "process.json"
    for text, path in [('{"cwd": "/", "args": ["id"], "user": {"uid": "0", "gid": 0}}', "process.user.uid"),
                       ('{"cwd": "/", "cwd": "/", "args": ["id"]}', "cwd"),
                       ('{"cwd": "/", "args": ["' + "x" * (9 << 20) + '"]}', "args[0]")]:
        file.write_text(text)
        result = runtime.call("exec", "--process", file, name, check=False)
        assert result.returncode == 1 and path in result.stderr and result.stderr.count("\n") == 1
