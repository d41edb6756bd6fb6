# SPDX-License-Identifier: Apache-2.0
"""The harness itself: a leak must be seen, and the images must be what they say."""

import json
import subprocess
import sys
import tarfile

import images
import leaks


def test_a_process_that_is_left_behind_is_found(tmp_path):
    ground = leaks.Ground([tmp_path], strict=False)
    script = tmp_path / "sleeper.py"
    script.write_text("import sys; print(flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert any(str(process.pid) in line for line in ground.leftovers())
        process.stdin.close()
        process.wait()
    assert ground.settled_leftovers() == []


def test_a_mount_that_is_left_behind_is_found(tmp_path, require):
    require.root()
    ground = leaks.Ground([tmp_path], strict=False)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    try:
        assert any("mount" in line and str(tmp_path) in line for line in ground.leftovers())
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert ground.leftovers() == []


def test_the_busybox_archive_names_its_layers_by_their_digests(busybox_tar):
    with tarfile.open(busybox_tar) as archive:
        [manifest] = json.load(archive.extractfile("manifest.json"))
        config = json.load(archive.extractfile(manifest["Config"]))
        layers = [archive.extractfile(name).read() for name in manifest["Layers"]]
    assert manifest["RepoTags"] == ["busybox:test"]
    assert [images.sha256(layer) for layer in layers] == config["rootfs"]["diff_ids"]


def test_an_image_pushed_by_skopeo_comes_back_from_the_registry(registry, busybox_tar, tmp_path,
                                                               require):
    skopeo = require.tool("skopeo")
    subprocess.run([skopeo, "copy", "-q", "--dest-tls-verify=false", f"docker-archive:{busybox_tar}",
                    f"docker://{registry}/harness/busybox:1"], check=True)
    out = subprocess.run([skopeo, "inspect", "--tls-verify=false",
                          f"docker://{registry}/harness/busybox:1"], check=True,
                         stdout=subprocess.PIPE)
    assert json.loads(out.stdout)["Os"] == "linux"
