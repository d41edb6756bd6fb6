# SPDX-License-Identifier: Apache-2.0
"""process.apparmorProfile and selinuxLabel, linux.mountLabel: where the kernel has them, and where not."""

import contextlib
import json
import os
import pathlib
import subprocess

import pytest

import bundles
import daemon

PROFILE = f"og-test-{os.getpid()}"
SECURITYFS = pathlib.Path("/sys/kernel/security")
TEXT = f"""profile {PROFILE} flags=(attach_disconnected,mediate_deleted) {{
  file,
  capability,
  mount,
  umount,
  network,
  signal,
  unix,
  deny /etc/secret r,
}}
"""


def has_apparmor():
    with contextlib.suppress(OSError):
        return pathlib.Path("/sys/module/apparmor/parameters/enabled").read_text() == "Y\n"
    return False


def has_selinux():
    return pathlib.Path("/sys/fs/selinux/enforce").exists()


@pytest.fixture
def runtime(prefix, require, tmp_path):
    require.root()
    made = bundles.Runtime(prefix, tmp_path)
    made.rootfs.joinpath("etc/secret").write_text("secret\n")
    yield made
    made.clean()


@pytest.fixture(scope="module")
def profile(require, tmp_path_factory):
    """The name of an AppArmor profile that the kernel knows meanwhile."""
    if not has_apparmor():
        pytest.skip("this kernel has AppArmor not enabled; the lab's has")
    tool = require.tool("apparmor_parser")
    file = tmp_path_factory.mktemp("profile") / PROFILE
    file.write_text(TEXT)
    mounted = SECURITYFS.joinpath("apparmor").exists()
    if not mounted:
        subprocess.run(["mount", "-t", "securityfs", "securityfs", SECURITYFS], check=True)
    try:
        subprocess.run([tool, "--replace", "--skip-cache", file], check=True)
        yield PROFILE
        subprocess.run([tool, "--remove", file], check=True)
    finally:
        if not mounted:
            subprocess.run(["umount", SECURITYFS], check=True)


LOOK = "cat /proc/self/attr/apparmor/current; cat /etc/secret 2>&1; true"


@pytest.mark.in_lab
@pytest.mark.parametrize("privileges", [True, False])
def test_an_apparmor_profile_confines_the_process_and_each_exec(runtime, profile, tmp_path, privileges):
    process = runtime.config["process"]
    process |= {"noNewPrivileges": not privileges}
    assert runtime.sh(LOOK) == "unconfined\nsecret\n"
    process["apparmorProfile"] = profile
    confined = f"{profile} (enforce)\ncat: can't open '/etc/secret': Permission denied\n"
    assert runtime.sh(LOOK) == confined
    name = runtime.start("/bin/sleep", "1000")
    pid = runtime.state(name)["pid"]
    assert pathlib.Path(f"/proc/{pid}/attr/apparmor/current").read_text() == f"{profile} (enforce)\n"
    assert runtime.call("exec", name, "/bin/sh", "-c", LOOK).stdout == confined
    other = dict(process, args=["/bin/sh", "-c", LOOK], apparmorProfile="unconfined")
    (tmp_path / "process.json").write_text(json.dumps(other))
    assert runtime.call("exec", "--process", tmp_path / "process.json", name).stdout == "unconfined\nsecret\n"


@pytest.mark.in_lab
@pytest.mark.weakened_by("A6")
def test_a6_a_covered_procfs_keeps_no_profile_away(attack, profile, tmp_path):
    """CVE-2025-52881: tried on the weakened build, too (lib/attacks.py)."""
    runtime = attack.runtime
    process = runtime.config["process"]
    process["capabilities"] = {kind: ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"] for kind in ("bounding", "effective", "permitted")}
    del runtime.config["linux"]["seccomp"]
    for number in range(1, 50):  # whichever process it will be
        fake = runtime.rootfs / f"fake/{number}/attr/apparmor"
        fake.mkdir(parents=True)
        for file in ("exec", "current"):
            fake.joinpath(file).touch()
    name = runtime.start("/bin/sh", "-c", "mount --bind /fake /proc && touch /tmp/ready && sleep 1000")
    daemon.wait_for("procfs to be covered", runtime.rootfs.joinpath("tmp/ready").exists)
    (tmp_path / "process.json").write_text(json.dumps(dict(process, args=["/bin/sleep", "1000"], apparmorProfile=profile)))
    subprocess.run([runtime.program, "--root", runtime.root, "exec", "--detach", "--pid-file", tmp_path / "pid", "--process",
                    tmp_path / "process.json", name], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=bundles.TIMEOUT_S)
    pid = (tmp_path / "pid").read_text()
    held = pathlib.Path(f"/proc/{pid}/attr/apparmor/current").read_text()
    written = runtime.call("exec", name, "/bin/sh", "-c", "cat /proc/*/attr/apparmor/*").stdout
    assert (held == f"{profile} (enforce)\n") != attack.weakened
    attack.judge(written)


@pytest.mark.in_lab
def test_a_profile_that_is_not_loaded_is_refused_at_create(runtime, profile):
    del profile
    runtime.config["process"]["apparmorProfile"] = "og-test-none"
    runtime.write()
    result = runtime.call("create", "--bundle", runtime.bundle, runtime.name(), check=False)
    assert result.returncode == 1 and "process.apparmorProfile 'og-test-none' is not loaded" in result.stderr


@pytest.mark.skipif(has_apparmor(), reason="this kernel has AppArmor")
def test_a_profile_without_apparmor_is_refused(runtime, tmp_path):
    process = runtime.config["process"]
    process["apparmorProfile"] = "docker-default"
    result = runtime.run("/bin/true", check=False)
    assert result.returncode == 1 and "process.apparmorProfile 'docker-default': AppArmor is not enabled" in result.stderr
    process["apparmorProfile"] = "unconfined"  # as everything is here
    name = runtime.start("/bin/sleep", "1000")
    (tmp_path / "process.json").write_text(json.dumps(dict(process, args=["/bin/true"], apparmorProfile="x")))
    result = runtime.call("exec", "--process", tmp_path / "process.json", name, check=False)
    assert result.returncode == 1 and "process.apparmorProfile 'x'" in result.stderr


CONTAINER, OTHER, FILES = "u:r:og_container_t:s0:c1", "u:r:og_other_t:s0", "u:r:og_files_t:s0"


def has_policy():
    """Whether the policy of tests/lab/selinux.cil is loaded."""
    with contextlib.suppress(OSError), open("/sys/fs/selinux/context", "w", encoding="ascii") as file:
        file.write(CONTAINER)
        return True
    return False


@pytest.mark.skipif(not has_policy(), reason="this kernel has not the SELinux policy that tests/lab/test_selinux.py loads")
def test_selinux_labels_processes_and_mounts(runtime, tmp_path):
    look = ["/bin/cat", "/proc/self/attr/current"]
    process = runtime.config["process"]
    process |= {"selinuxLabel": CONTAINER, "noNewPrivileges": False}
    runtime.config["linux"]["mountLabel"] = FILES
    assert runtime.run(*look).stdout == f"{CONTAINER}\0"
    name = runtime.start("/bin/sleep", "1000")
    pid = runtime.state(name)["pid"]
    for path in ("dev", "dev/shm", "dev/pts", "dev/mqueue"):
        assert os.getxattr(f"/proc/{pid}/root/{path}", "security.selinux") == f"{FILES}\0".encode(), path
    assert os.getxattr(f"/proc/{pid}/root/proc", "security.selinux") != f"{FILES}\0".encode()
    assert runtime.call("exec", name, *look).stdout == f"{CONTAINER}\0"
    (tmp_path / "process.json").write_text(json.dumps(dict(process, args=look, selinuxLabel=OTHER)))
    assert runtime.call("exec", "--process", tmp_path / "process.json", name).stdout == f"{OTHER}\0"
    process["selinuxLabel"] = "u:r:og_none_t:s0"
    assert "process.selinuxLabel 'u:r:og_none_t:s0'" in runtime.run(*look, check=False).stderr


@pytest.mark.in_lab
@pytest.mark.skipif(has_selinux(), reason="this kernel has SELinux")
def test_labels_without_selinux_are_refused(runtime, tmp_path):
    process = runtime.config["process"]
    process["selinuxLabel"] = "system_u:system_r:container_t:s0"
    assert "process.selinuxLabel 'system_u:system_r:container_t:s0': SELinux" in runtime.run("/bin/true", check=False).stderr
    process["selinuxLabel"] = ""
    runtime.config["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0"
    assert "linux.mountLabel 'system_u:object_r:container_file_t:s0': SELinux" in runtime.run("/bin/true", check=False).stderr
    runtime.config["linux"]["mountLabel"] = ""
    name = runtime.start("/bin/sleep", "1000")
    (tmp_path / "process.json").write_text(json.dumps(dict(process, args=["/bin/true"], selinuxLabel="x")))
    result = runtime.call("exec", "--process", tmp_path / "process.json", name, check=False)
    assert result.returncode == 1 and "process.selinuxLabel 'x'" in result.stderr
