# SPDX-License-Identifier: Apache-2.0
"""`onggi scan` of everything it can be pointed at: one content, and so one answer."""

import json
import subprocess
import tarfile
import urllib.parse

import pytest

import images
from inventories import make_disk
from scanning import record

STATUS = ("Package: libssl3\nSource: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.1-1\n\n"
          "Package: python3-yaml\nSource: pyyaml\nStatus: install ok installed\nArchitecture: amd64\nVersion: 6.0-3\n\n")
OWNED = "usr/lib/python3/dist-packages/PyYAML-6.0.egg-info/PKG-INFO"
FILES = {
    "etc/os-release": "ID=debian\nVERSION_ID=12\n",
    "var/lib/dpkg/status": STATUS,
    "var/lib/dpkg/info/python3-yaml.list": f"/.\n/usr/lib/python3/dist-packages\n/{OWNED}\n",
    OWNED: "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0\n\nText\n",
    "srv/site-packages/PyYAML-5.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: PyYAML\nVersion: 5.3\n\nText\n",
    "srv/node_modules/left/package.json": '{"name": "left", "version": "1.0.0"}',
}
RECORDS = [
    record("CVE-2024-1", "openssl", "3.0.1-2"), record("CVE-2024-2", "left", "1.0.1", ecosystem="npm"),
    record("CVE-2020-14343", "pyyaml", "6.0-3+deb12u1"), record("PYSEC-1", "pyyaml", "7.0", ecosystem="PyPI",
                                                                aliases=["CVE-2020-14343"]),
]
# Not the PyYAML that the distribution owns: the same vulnerability is found in its package, once.
FOUND = {("CVE-2024-1", "Debian:12", "openssl", "3.0.1-1", "3.0.1-2"), ("CVE-2024-2", "npm", "left", "1.0.0", "1.0.1"),
         ("CVE-2020-14343", "Debian:12", "pyyaml", "6.0-3", "6.0-3+deb12u1"),
         ("CVE-2020-14343", "PyPI", "pyyaml", "5.3", "7.0")}


@pytest.fixture
def loaded(scanner):
    scanner.load(*RECORDS)
    return scanner


@pytest.fixture
def root(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "root"


@pytest.fixture(scope="module")
def layers():
    """The busybox that a workload runs, the content, and what takes away something that the second brings."""
    gone = images.entry("opt/node_modules/left/package.json", FILES["srv/node_modules/left/package.json"].encode())
    content = [images.entry(name, text.encode()) for name, text in FILES.items()]
    return [images.busybox_layer(), images.tar([*content, gone]), images.tar([images.entry("opt/node_modules/.wh.left")])]


def found(tree):
    return {(row["id"], row["ecosystem"], row["package"], row["version"], row["fixed_version"])
            for row in tree["vulnerabilities"]}


def check(tree):
    assert found(tree) == FOUND and len(tree["vulnerabilities"]) == len(FOUND)
    assert tree["complete"] and tree["warnings"] == []
    packages = tree["summary"]["packages"]
    assert (packages["total"], packages["judged"], packages["owned"]) == (5, 4, 1)
    assert {p["path"] for row in tree["vulnerabilities"] for p in row["packages"]} == {
        "var/lib/dpkg/status", "srv/site-packages/PyYAML-5.3.dist-info/METADATA", "srv/node_modules/left/package.json"}


def check_image(tree, layers):
    check(tree)
    config = images.image_config(layers)
    assert tree["image"]["id"].startswith("sha256:") and config["rootfs"]["diff_ids"][1] in {
        p["layer"]["diff_id"] for row in tree["vulnerabilities"] for p in row["packages"]}
    assert {p["layer"]["created_by"] for row in tree["vulnerabilities"] for p in row["packages"]} == {"layer 1"}


def test_a_root_folder(loaded, root):
    check(loaded.tree(root))
    check(loaded.tree(f"folder:{root}"))


def test_an_owned_package_is_judged_by_its_distribution_alone(loaded, root):
    check(loaded.tree(root))
    (root / "var/lib/dpkg/info/python3-yaml.list").unlink()
    tree = loaded.tree(root)
    # What nobody answers for is judged for itself.
    assert found(tree) == FOUND | {("CVE-2020-14343", "PyPI", "pyyaml", "6.0", "7.0")}
    assert tree["summary"]["packages"]["owned"] == 0


@pytest.mark.parametrize("kind", [None, "gpt"])
def test_a_disk(loaded, root, require, tmp_path, kind):
    require.tool("mke2fs")
    require.tool("sfdisk")
    make_disk(tmp_path / "disk", root, table=kind)
    check(loaded.tree(f"disk:{tmp_path}/disk"))


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_a_layout(loaded, layers, tmp_path, compression):
    digest = images.oci_archive(tmp_path / "image.tar", layers, compression=compression)
    with tarfile.open(tmp_path / "image.tar") as tar:
        tar.extractall(tmp_path / "layout")
    for target in (tmp_path / "layout", f"layout:{tmp_path}/layout", f"archive:{tmp_path}/image.tar"):
        tree = loaded.tree(target)
        check_image(tree, layers)
        assert tree["image"]["digest"] == digest


def test_an_image_in_a_registry(loaded, layers, onggi_registry, tmp_path):
    config = json.dumps(images.image_config(layers)).encode()
    digest, _ = onggi_registry.client().push_image("scan/app", "1", layers, config)
    for reference in ("scan/app:1", f"scan/app@{digest}"):
        tree = loaded.tree(f"registry:{onggi_registry.address}/{reference}")
        check_image(tree, layers)
        assert tree["image"]["digest"] == digest
    statement = {"vulnerability": {"name": tree["vulnerabilities"][0]["id"]}, "status": "not_affected"}
    for url, hidden in ((f"{onggi_registry.address}/scan/app", True), ("ghcr.io/scan/app", False)):
        purl = "pkg:oci/app?repository_url=" + urllib.parse.quote(url, safe="")
        (tmp_path / "vex.json").write_text(json.dumps({
            "@context": "https://openvex.dev/ns/v0.2.0", "statements": [{**statement, "products": [purl]}]}))
        tree = loaded.tree(f"registry:{onggi_registry.address}/scan/app:1", "--vex", tmp_path / "vex.json")
        assert (tree["summary"]["hidden"] > 0) == hidden
    result = loaded.scan(f"registry:{onggi_registry.address}/scan/none:1", check=False)
    assert result.returncode == 2 and "scan/none" in result.stderr


# ---- of an engine ----

@pytest.fixture(scope="module")
def engine(onggid, layers, tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "image.tar"
    images.docker_archive(path, layers, tag="scan/app:1")
    onggid.onggi("load", "-i", path)
    return onggid


@pytest.fixture
def scan(engine, loaded):
    """`onggi -H ENGINE scan WORDS`, as people write it."""
    def run(*words, check=True):
        result = engine.onggi("scan", "--db", loaded.db, "-f", "json", *words, check=check)
        return json.loads(result.stdout) if check else result
    return run


def test_an_image_of_the_engine(scan, layers):
    check_image(scan("scan/app:1"), layers)
    check_image(scan("image:scan/app:1"), layers)
    result = scan("scan/none:1", check=False)
    assert result.returncode == 2 and "scan/none" in result.stderr


def test_what_docker_save_writes_of_it(engine, loaded, layers, tmp_path):
    engine.onggi("save", "-o", tmp_path / "saved.tar", "scan/app:1")
    check_image(loaded.tree(tmp_path / "saved.tar"), layers)
    with open(tmp_path / "saved.tar", "rb") as stdin:
        piped = subprocess.run([loaded.program, "scan", "--db", loaded.db, "-f", "json", "-"], stdin=stdin,
                               stdout=subprocess.PIPE, check=True, timeout=60)
    check_image(json.loads(piped.stdout), layers)


def test_a_workload_as_it_is_now(engine, scan, require):
    require.root()
    engine.onggi("run", "-d", "--name", "scanned", "--network", "none", "scan/app:1", "sleep", "600")
    try:
        check(scan("workload:scanned"))
        # What has been changed since, and what it mounts, is not the image's.
        engine.onggi("exec", "scanned", "rm", "-r", "/srv/node_modules")
        engine.onggi("exec", "scanned", "sh", "-c", "mkdir -p /dev/shm/node_modules/left && "
                     "echo '{\"name\": \"left\", \"version\": \"1.0.0\"}' >/dev/shm/node_modules/left/package.json")
        assert found(scan("workload:scanned")) == {row for row in FOUND if row[1] != "npm"}
        engine.onggi("kill", "scanned")
        engine.onggi("wait", "scanned", check=False)
        result = scan("workload:scanned", check=False)
        assert result.returncode == 2 and "scanned" in result.stderr
    finally:
        engine.onggi("rm", "-f", "scanned", check=False)
    assert scan("workload:scanned", check=False).returncode == 2


@pytest.mark.vm
def test_a_workload_in_a_vm_is_its_image_and_says_so(engine, loaded, scan, layers, require):
    """Its disk is the guest's, which has more of it in memory: what is not looked at is said."""
    require.root()
    engine.onggi("run", "-d", "--name", "machine", "--isolation", "vm", "--network", "none", "scan/app:1", "sleep", "600")
    try:
        engine.onggi("exec", "machine", "rm", "-r", "/srv/node_modules")
        tree = scan("workload:machine")
        assert tree["target"] == "workload:machine" and tree["image"]["id"] == scan("scan/app:1")["image"]["id"]
        assert found(tree) == FOUND and not tree["complete"]
        assert len(tree["warnings"]) == 1 and "VM" in tree["warnings"][0] and "not looked at" in tree["warnings"][0]
        # What is found in the image is found; of nothing found it is not said that there is nothing.
        assert scan("--fail-on", "unknown", "workload:machine", check=False).returncode == 1
        result = scan("--fail-on", "critical", "workload:machine", check=False)
        assert result.returncode == 2 and "cannot be told" in result.stderr
        assert scan("--fail-on", "critical", "scan/app:1", check=False).returncode == 0
        for words in (["scan", "--db", loaded.db], ["sbom"]):
            result = engine.onggi(*words, "workload:machine")
            assert result.stderr == f"onggi: {tree['warnings'][0]}\n"
        assert json.loads(result.stdout)["compositions"] == [{"aggregate": "incomplete"}]
        assert "compositions" not in json.loads(engine.onggi("sbom", "scan/app:1").stdout)
    finally:
        engine.onggi("rm", "-f", "machine", check=False)
