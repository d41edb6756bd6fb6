# SPDX-License-Identifier: Apache-2.0
"""The annotation org.onggi.landlock: what a workload under its rules may do, tried from inside."""

import ctypes
import json
import shutil

import pytest


CREATE_RULESET = 444  # on every architecture
ABI = ctypes.CDLL(None, use_errno=True).syscall(CREATE_RULESET, None, 0, 1)
ANNOTATION = "org.onggi.landlock"
EXECUTABLE = {"path": "/bin", "access": ["read", "execute"]}


def needs(abi):
    return pytest.mark.skipif(ABI < abi, reason=f"this kernel's Landlock is version {ABI}, not {abi}")


def ask(runtime, **document):
    runtime.config["annotations"] = {ANNOTATION: json.dumps(document)}


PATHS = [EXECUTABLE, {"path": "/dev/null", "access": ["read", "write"]},
         {"path": "/tmp", "access": ["read", "write", "create", "remove", "truncate"]}]
SCRIPT = """
echo one > /tmp/file && cat /tmp/file && mkdir /tmp/folder && rmdir /tmp/folder
cat /etc/passwd; ls /home; echo two > /home/file; mkdir /home/folder; mv /tmp/file /home/file
cp /bin/busybox /tmp/busybox; /tmp/busybox true
mknod /tmp/null c 1 3
rm /tmp/file && ls /tmp
"""
SEEN = ["one", "cat: can't open '/etc/passwd': Permission denied", "ls: can't open '/home': Permission denied",
        "can't create /home/file: Permission denied", "mkdir: can't create directory '/home/folder': Permission denied",
        "mv: can't rename '/tmp/file': Permission denied", "/tmp/busybox: Permission denied",
        "mknod: /tmp/null: Permission denied", "busybox"]


def as_seen(text):
    """What was said, without who said it and where: the shell names itself and the line."""
    lines = [line for line in text.splitlines() if "unable to unlink" not in line]
    assert len(lines) == len(SEEN), text
    return [want if want in line else line for line, want in zip(lines, SEEN)]


@pytest.mark.in_lab
@needs(5)
@pytest.mark.parametrize("privileges", [True, False])
def test_nothing_is_reached_but_by_a_rule(runtime, privileges):
    ask(runtime, paths=PATHS)
    runtime.config["process"]["noNewPrivileges"] = not privileges
    assert as_seen(runtime.sh(f"exec 2>&1\n{SCRIPT}")) == SEEN
    status = runtime.run("/bin/sh", "-c", "read -r x < /proc/self/status; echo $x", check=False)
    assert "can't open /proc/self/status: Permission denied" in status.stderr


@pytest.mark.in_lab
@needs(5)
def test_an_ordinary_user_without_capabilities_is_under_the_rules(runtime):
    ask(runtime, paths=PATHS)
    runtime.config["process"] |= {"user": {"uid": 1000, "gid": 1000}, "noNewPrivileges": False,
                                  "capabilities": {"bounding": [], "effective": [], "permitted": []}}
    runtime.rootfs.joinpath("tmp").chmod(0o777)
    for path in (runtime.rootfs, *runtime.rootfs.parents[:2]):
        path.chmod(0o755)
    found = runtime.sh(f"exec 2>&1\n{SCRIPT}").splitlines()
    assert found[0] == "one" and "Permission denied" in found[1] and found[-1] == "busybox"


@pytest.mark.in_lab
@needs(5)
def test_exec_is_under_the_same_rules(runtime):
    ask(runtime, paths=PATHS)
    name = runtime.start("/bin/sleep", "1000")
    assert as_seen(runtime.call("exec", name, "/bin/sh", "-c", f"exec 2>&1\n{SCRIPT}").stdout) == SEEN


@pytest.mark.in_lab
@needs(1)
def test_only_what_is_listed_is_restricted(runtime):
    ask(runtime, restrict=["write"], paths=[{"path": "/tmp", "access": ["write"]}])
    assert runtime.sh("cat /etc/passwd | head -c 4; echo x > /tmp/x; mkdir /home/new && echo made; "
                      "echo x 2>/dev/null >> /etc/passwd || echo refused") == "rootmade\nrefused\n"
    assert runtime.rootfs.joinpath("tmp/x").read_text() == "x\n"


@pytest.mark.in_lab
@needs(1)
def test_a_rule_on_a_file_is_for_that_file(runtime):
    ask(runtime, restrict=["read"], paths=[EXECUTABLE | {"access": ["read"]}, {"path": "/etc/passwd", "access": ["read"]}])
    runtime.rootfs.joinpath("etc/other").write_text("secret")
    assert runtime.sh("head -c 4 /etc/passwd; cat /etc/other 2>&1; ls /etc 2>&1; true") == \
        "rootcat: can't open '/etc/other': Permission denied\nls: can't open '/etc': Permission denied\n"


@needs(1)
def test_a_link_of_the_image_leads_no_rule_out_of_it(runtime):
    runtime.rootfs.joinpath("outside").symlink_to("../../../../../../etc")
    ask(runtime, restrict=["read"], paths=[{"path": "/bin", "access": ["read"]}, {"path": "/outside", "access": ["read"]}])
    assert runtime.sh("head -c 4 /etc/passwd") == "root"  # the image's own folder is what was opened


@pytest.mark.in_lab
@needs(4)
def test_only_listed_ports_are_bound_and_connected_to(runtime):
    ask(runtime, tcp={"bind": [8080], "connect": [443]})
    assert runtime.sh("cat /etc/passwd | head -c 4") == "root"
    said = runtime.sh("exec 2>&1; timeout 1 nc -l -p 8080 </dev/null; echo 8080; timeout 1 nc -l -p 8081 </dev/null; echo 8081; "
                      "nc 127.0.0.1 443 </dev/null; nc 127.0.0.1 80 </dev/null; true").splitlines()
    assert said[:2] == ["Terminated", "8080"] and "bind: Permission denied" in said[2] and said[3] == "8081", said
    assert "127.0.0.1" in said[4] and "Permission denied" not in said[4]
    assert "127.0.0.1" in said[5] and "Permission denied" in said[5]


@pytest.mark.in_lab
@needs(4)
def test_an_empty_list_of_ports_allows_none(runtime):
    ask(runtime, tcp={"connect": []})
    assert "Permission denied" in runtime.sh("nc 127.0.0.1 443 </dev/null 2>&1; true")
    ask(runtime, tcp={"bind": []})
    assert "Permission denied" in runtime.sh("nc -l -p 8080 </dev/null 2>&1; true")


@pytest.mark.in_lab
@needs(6)
def test_signals_do_not_leave_the_scope(runtime):
    name = runtime.start("/bin/sleep", "1000")
    assert runtime.call("exec", name, "/bin/kill", "-CONT", "1", check=False).returncode == 0
    ask(runtime, scope=["signal"])
    name = runtime.start("/bin/sleep", "1000")
    result = runtime.call("exec", name, "/bin/kill", "-CONT", "1", check=False)
    assert result.returncode != 0 and "Operation not permitted" in result.stderr
    runtime.call("kill", name, "KILL")  # we are outside of it, and its master
    runtime.wait_for(name, "stopped")


@pytest.mark.parametrize("text, words", [
    ("", "JSON"),
    ("{}", "nothing is restricted"),
    ('{"paths": [], "path": []}', "path is not known"),
    ('{"restrict": ["reading"]}', "restrict[0] is 'reading'"),
    ('{"tcp": {"bind": [70000]}}', "tcp.bind[0] is out of range"),
    ('{"restrict": ["read"], "paths": [{"path": "/nothing", "access": ["read"]}]}', "paths[0].path: '/nothing'"),
    ('{"restrict": ["create"], "paths": [{"path": "/etc/passwd", "access": ["create"]}]}', "paths[0].path: '/etc/passwd' is no folder"),
])
def test_what_is_no_rule_is_refused(runtime, text, words):
    if "path" in text and ABI < 1:
        pytest.skip("this kernel has no Landlock")
    runtime.config["annotations"] = {ANNOTATION: text}
    result = runtime.run("/bin/true", check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert f"annotations.{ANNOTATION}: " in result.stderr and words in result.stderr, result.stderr


@pytest.mark.skipif(ABI >= 6, reason="this kernel's Landlock can do everything")
def test_what_this_kernel_cannot_do_is_an_error(runtime):
    ask(runtime, scope=["signal"])
    result = runtime.run("/bin/true", check=False)
    assert result.returncode == 1 and ("knows no" in result.stderr or "no Landlock" in result.stderr)


@needs(1)
def test_the_program_itself_needs_a_rule(runtime):
    ask(runtime, restrict=["execute"], paths=[{"path": "/etc", "access": ["execute"]}])
    result = runtime.run("/bin/true", check=False)
    assert result.returncode == 1 and 'exec: "/bin/true": Permission denied' in result.stderr


def test_rules_do_not_come_from_files_of_the_image(runtime):  # A27
    shutil.rmtree(runtime.rootfs / "home")
    runtime.rootfs.joinpath("config.json").write_text(json.dumps({"annotations": {ANNOTATION: '{"paths": []}'}}))
    assert runtime.sh("cat /etc/passwd | head -c 4") == "root"


@pytest.mark.in_lab
def test_features_say_what_the_kernel_has_and_what_changes_the_runtime(runtime):
    features = json.loads(runtime.call("features").stdout)
    assert features["annotations"]["org.onggi.landlock.version"] == str(max(ABI, 0))
    assert features["potentiallyUnsafeConfigAnnotations"] == ["org.onggi."]
    assert features["linux"]["apparmor"]["enabled"] and "MPOL_BIND" in features["linux"]["memoryPolicy"]["modes"]
