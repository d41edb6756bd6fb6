# SPDX-License-Identifier: Apache-2.0
"""The harness itself: a leak must be seen, and the images must be what they say."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import images
import leaks

ROOT = pathlib.Path(__file__).resolve().parents[2]


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


def test_nothing_that_is_installed_has_the_holes_of_the_weakened_build(prefix, weakened_build):
    """src/base/weak.h leaves no trace in an ordinary build, and is in the weakened one."""
    installed = [path for path in prefix.rglob("*") if path.is_file() and os.access(path, os.X_OK)]
    assert any(path.name == "onggi-runtime" for path in installed)
    for path in installed:
        content = path.read_bytes()
        assert b"ONGGI_WEAKEN" not in content and b"og_weak" not in content, path
    weakened = weakened_build / "cmd/onggi-runtime/onggi-runtime"
    assert b"ONGGI_WEAKEN" in weakened.read_bytes()


def test_the_holes_cost_an_ordinary_build_no_instruction(tmp_path, require):
    """The same function with the question and without it compiles to the same code."""
    compiler = require.tool("cc")
    body = "#include <unistd.h>\n#include \"base/weak.h\"\nint f(int fd) { if (%s fd > 2) return close(fd); return 0; }\n"
    codes = []
    for word in ('!og_weak("A2") &&', ""):
        (tmp_path / "f.c").write_text(body % word)
        subprocess.run([compiler, "-O1", "-I", ROOT / "src", "-c", tmp_path / "f.c", "-o", tmp_path / "f.o"], check=True)
        codes.append((tmp_path / "f.o").read_bytes())
    assert codes[0] == codes[1]


def test_each_hole_has_an_attack_and_each_attack_a_hole():
    """og_weak("A4") in the source, "A4" at a test, A4 in the list for operators."""
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.c"))
    holes = set(re.findall(r'og_weak\("([^"]+)"\)', source))
    tests = "".join(path.read_text() for path in (ROOT / "tests/e2e").glob("test_*.py"))
    used = re.findall(r"weakened_by\(([^)]*)\)", tests) + re.findall(r"^HOLES = \[(.*)\]", tests, re.MULTILINE)
    assert holes == set(re.findall(r'"([^"]+)"', " ".join(used)))
    told = (ROOT / "docs/security.md").read_text()
    assert [number for number in range(1, 31) if not re.search(rf"\bA{number}\b", told)] == []
