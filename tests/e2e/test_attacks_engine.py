# SPDX-License-Identifier: Apache-2.0
"""
Attacks by an image's configuration, and on what keeps a workload: A2, A16, A19, A21, A25's log, A27,
A30. Two engines, a real one and one with holes (lib/attacks.py), serve the whole file.
"""

import json
import pathlib
import shutil
import stat
import tempfile

import pytest

import attacks
import daemon
import images

HOLES = ["A2", "A16", "A21-monitor", "A25-log", "A27", "A30"]
LOG_MAX_BYTES, LOG_FILES = 64 << 10, 2


def weakened_prefix(prefix, build, folder):
    """A copy of the installation with the weakened programs in it."""
    shutil.copytree(prefix, folder)
    for place, program in (("bin", "onggi-runtime"), ("sbin", "onggid"), ("libexec/onggi", "onggi-monitor")):
        shutil.copy(build / "cmd" / program / program, folder / place / program)
    return folder


@pytest.fixture(scope="module", params=["real", "weakened"])
def engine(request, prefix, require, weakened_build, test_folder, busybox_tar):
    require.root()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="attacks-", dir=test_folder))
    env = {}
    if request.param == "weakened":
        prefix = weakened_prefix(prefix, weakened_build, folder / "prefix")
        env["ONGGI_WEAKEN"] = ",".join(HOLES)
    one = daemon.Daemon(prefix, folder, env=env).start()
    one.weakened = request.param == "weakened"
    one.onggi("load", "-i", busybox_tar)
    yield one
    one.stop()


@pytest.fixture
def attack_engine(engine):
    made = attacks.EngineAttack(engine, engine.weakened)
    yield made
    assert made.judged, "the test never judged its attack"


def load(engine, folder, tag, **config):
    """Busybox with this in its image's configuration."""
    layer = images.busybox_layer()
    whole = images.image_config([layer])
    whole["config"].update(config)
    images.docker_archive(folder / "image.tar", [layer], tag=tag, config=whole)
    engine.onggi("load", "-i", folder / "image.tar")


def test_a2_an_images_folder_to_work_in_is_its_own(attack_engine, tmp_path):
    """CVE-2024-21626: WORKDIR /proc/self/fd/7."""
    engine = attack_engine.daemon
    (tmp_path / "canary").write_text("of the host")
    reached = []
    for number in range(3, 20):
        result = engine.onggi("run", "--rm", "-w", f"/proc/self/fd/{number}", "busybox:test", "sh", "-c",
                              f"cat {'../' * 20}{tmp_path}/canary", check=False)
        if not attack_engine.weakened:
            assert result.returncode != 0 and "process.cwd" in result.stderr
        if "of the host" in result.stdout:
            reached.append(number)
            break
    attack_engine.judge(reached)


@pytest.mark.parametrize("user", ["4294967296", "4294967296:1000", "1000:4294967296", "18446744069414584320"])
def test_a16_an_image_whose_user_wraps_to_root_does_not_run(attack_engine, user, tmp_path):
    """CVE-2024-40635, CVE-2026-47262."""
    engine = attack_engine.daemon
    load(engine, tmp_path, "wraps:1", User=user)
    result = engine.onggi("run", "--rm", "wraps:1", "sh", "-c", "id -u; id -g", check=False)
    if not attack_engine.weakened:
        assert result.returncode != 0 and "user" in result.stderr
    attack_engine.judge("0" in result.stdout.split())


def test_a21_a_monitor_has_no_abstract_socket(attack_engine):
    """CVE-2020-15257: looked for from within, on the host's network."""
    engine = attack_engine.daemon
    out = engine.onggi("run", "--rm", "--network", "host", "busybox:test", "cat", "/proc/net/unix").stdout
    sockets = [line.split()[-1] for line in out.splitlines()]
    assert attack_engine.weakened or any(path.endswith("monitor.sock") for path in sockets)  # they are all there
    attack_engine.judge([path for path in sockets if path.startswith("@") and "onitor.sock" in path])


def test_a21_a_monitors_socket_is_for_root_alone(attack_engine):
    engine = attack_engine.daemon
    name = engine.onggi("run", "-d", "busybox:test", "sleep", "1000").stdout.strip()
    sockets = [path for path in engine.exec_root.rglob("monitor.sock") if name in str(path)]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (*sockets, engine.exec_root)]
    engine.onggi("rm", "-f", name)
    attack_engine.judge(modes != [0o600, 0o700] and f"modes {modes}")


def test_a25_a_flood_of_output_fills_no_disk(attack_engine):
    engine = attack_engine.daemon
    body = {"Image": "busybox:test", "Cmd": ["sh", "-c", "yes 0123456789abcdef | head -c 1000000"],
            "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "64k", "max-file": str(LOG_FILES)}}}}
    status, answer = engine.request("POST", "/containers/create", body)
    assert status == 201, answer
    engine.request("POST", f"/containers/{answer['Id']}/start")
    engine.request("POST", f"/containers/{answer['Id']}/wait")
    logs = list((engine.data_root / "workloads" / answer["Id"]).glob("*log*"))
    taken = sum(path.stat().st_size for path in logs)
    engine.onggi("rm", "-f", answer["Id"])
    assert taken > LOG_MAX_BYTES / 2
    attack_engine.judge(taken > LOG_MAX_BYTES * LOG_FILES and f"{taken} bytes")


def test_a27_labels_of_an_image_are_no_instructions(attack_engine, tmp_path):
    """CVE-2026-53488, CVE-2026-53492: nothing of them comes near the runtime."""
    engine = attack_engine.daemon
    labels = {"org.onggi.vm.disks": "[]", "org.onggi.isolation": "vm", "org.onggi.landlock": "{}",
              "run.oci.handler": "krun", "cdi.k8s.io/all": "vendor.com/device=all"}
    load(engine, tmp_path, "labels:1", Labels=labels)
    result = engine.onggi("run", "-d", "--label", "org.onggi.user=0", "labels:1", "sleep", "1000", check=False)
    told = {result.stderr for name in labels if name in result.stderr}  # it was tried to follow them
    for path in engine.exec_root.rglob("config.json"):
        told |= {*labels, "org.onggi.user"} & set(json.loads(path.read_text()).get("annotations", {}))
    assert attack_engine.weakened or result.returncode == 0
    engine.onggi("rm", "-f", result.stdout.strip(), check=False)
    attack_engine.judge(told)


def test_a27_a_program_is_no_place_for_a_log(engine):
    body = {"Image": "busybox:test", "HostConfig": {"LogConfig": {"Type": "binary:///bin/sh", "Config": {}}}}
    status, answer = engine.request("POST", "/containers/create", body)
    assert status >= 400 and "binary" in str(answer)


def test_a30_a_volume_of_an_image_shows_nothing_of_the_host(attack_engine, tmp_path):
    """CVE-2022-23648: what lies at a VOLUME in the image is copied; not what lies there on the host."""
    engine = attack_engine.daemon
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "canary").write_text("of the host")
    load(engine, tmp_path, "volumes:1", Volumes={f"/../..{victim}": {}})
    out = engine.onggi("run", "--rm", "volumes:1", "sh", "-c", f"test -d {victim} && cat {victim}/* 2>&1", check=False).stdout
    assert out  # the volume is there
    attack_engine.judge("of the host" in out)


@pytest.mark.weakened_by("A19")
def test_a19_no_file_of_a_machine_is_opened_through_a_link(attack, tmp_path):
    """CVE-2025-24965. What a VM writes to is the very file that was named, and nothing goes into its root."""
    runtime = attack.runtime
    victim = tmp_path / "victim"
    victim.write_text("of the host")
    (tmp_path / "disk").symlink_to(victim)
    (runtime.rootfs / ".krun_config.json").symlink_to(victim)
    (tmp_path / "image").touch()
    disks = [{"readonly": name == "image", "parts": [{"path": str(tmp_path / name), "offset": 0}]}
             for name in ("image", "disk")]
    # Without a kernel nothing starts, and that is found out behind the disks.
    runtime.config["annotations"] = {"org.onggi.vm.disks": json.dumps(disks), "org.onggi.vm.kernel": str(tmp_path / "absent")}
    runtime.write()
    result = runtime.call("--isolation", "vm", "create", "--bundle", runtime.bundle, runtime.name(), check=False)
    attack.refused(result, "/disk'")
    assert victim.read_text() == "of the host"
    attack.judge("/absent" in result.stderr and "the link was followed")


def test_a27_annotations_of_a_bundle_choose_no_isolation(runtime):
    runtime.config["annotations"] = {"org.onggi.isolation": "vm", "run.oci.handler": "krun", "org.onggi.vm.disks": "[]"}
    assert runtime.sh("readlink /proc/self/ns/pid").startswith("pid:")
