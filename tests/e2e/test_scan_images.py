# SPDX-License-Identifier: Apache-2.0
"""What the scanner finds inside images, disks and bills of materials, and what else than packages."""

import gzip
import json
import os
import shutil
import subprocess
import tarfile

import pytest

import images
import registries
import shareddata
from inventories import KEY, findings, jar, make_disk, named, pom, status, write


# ---- layers ----


def scan_layers(inspect, tmp_path, layers, make=images.docker_archive, **config):
    document = images.image_config(layers, **config)
    make(tmp_path / "image.tar", layers, config=document)
    return inspect("archive", tmp_path / "image.tar")


@pytest.mark.parametrize("make", [images.docker_archive, images.oci_archive])
def test_each_package_is_of_the_layer_that_brought_it(inspect, tmp_path, make):
    layers = [
        images.tar([images.entry("var/lib/dpkg/status", status(base="1", raised="1", gone="1"))]),
        images.tar([images.entry("./var/lib/dpkg/status", status(base="1", raised="2", new="1")),
                    images.entry("app/node_modules/x/package.json", b'{"name": "x", "version": "1.0.0"}'),
                    images.entry("app/node_modules/y/package.json", b'{"name": "y", "version": "1.0.0"}')]),
        images.tar([images.entry("app/node_modules/.wh.x"), images.entry("etc/os-release", b"ID=debian\nVERSION_ID=12\n")]),
        images.tar([images.directory("app/node_modules"), images.entry("app/node_modules/.wh..wh..opq"),
                    images.entry("app/node_modules/z/package.json", b'{"name": "z", "version": "1.0.0"}')]),
    ]
    found = scan_layers(inspect, tmp_path, layers, make)
    assert named(found, "deb", "name", "version", "layer") == [("base", "1", 0), ("new", "1", 1), ("raised", "2", 1)]
    assert named(found, "npm", "name", "layer") == [("z", 3)]
    assert [layer["created_by"] for layer in found["layers"]] == [f"layer {i}" for i in range(4)]
    assert [layer["diff_id"] for layer in found["layers"]] == [images.sha256(layer) for layer in layers]
    assert (found["os_id"], found["os_version"]) == ("debian", "12")
    assert found["image_id"].startswith("sha256:")


def test_a_second_name_of_a_file_says_the_same(inspect, tmp_path):
    """As uv installs: the files of its cache get a second name, and the cache is deleted."""
    cached, installed = "root/.cache/uv/a/x-1.dist-info/METADATA", "venv/site-packages/x-1.dist-info/METADATA"
    layers = [images.tar([images.entry(cached, b"Name: x\nVersion: 1\n"), images.hardlink(installed, cached),
                          images.entry("usr/bin/su", b"x", mode=0o4755),
                          images.hardlink("usr/bin/su2", "usr/bin/su", mode=0o4755)]),
              images.tar([images.entry("root/.wh..cache")])]
    found = scan_layers(inspect, tmp_path, layers)
    assert named(found, "pypi", "name", "path", "layer") == [("x", installed, 0)]
    assert [f[2] for f in findings(found, "setuid")] == ["usr/bin/su", "usr/bin/su2"]


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_layers_of_every_compression(inspect, tmp_path, compression):
    layers = [images.tar([images.entry("var/lib/dpkg/status", status(pot="1"))])]
    digest = images.oci_archive(tmp_path / "image.tar", layers, compression=compression)
    found = inspect("archive", tmp_path / "image.tar")
    assert named(found, "deb") == [("pot", "1")]
    assert found["image_digest"] == digest
    (tmp_path / "layout").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "image.tar", "-C", tmp_path / "layout"], check=True)
    assert {**inspect("layout", tmp_path / "layout"), "target": ""} == {**found, "target": ""}


def test_a_compressed_archive_and_one_through_a_pipe(inspect, tmp_path):
    layers = [images.tar([images.entry("var/lib/dpkg/status", status(pot="1"))])]
    images.docker_archive(tmp_path / "image.tar", layers)
    (tmp_path / "image.tar.gz").write_bytes(gzip.compress((tmp_path / "image.tar").read_bytes()))
    assert named(inspect("archive", tmp_path / "image.tar.gz"), "deb") == [("pot", "1")]
    with subprocess.Popen(["cat", tmp_path / "image.tar"], stdout=subprocess.PIPE) as cat:
        assert named(inspect("archive", "/dev/stdin", stdin=cat.stdout), "deb") == [("pot", "1")]


def test_what_skopeo_writes(inspect, tmp_path, require):
    if not shutil.which("skopeo"):
        require.lacking("no skopeo")
    layers = [images.tar([images.entry("var/lib/dpkg/status", status(pot="1"))]),
              images.tar([images.entry("etc/x", b"x")])]
    images.docker_archive(tmp_path / "image.tar", layers)
    for kind, where in (("layout", f"oci:{tmp_path}/layout:latest"), ("archive", f"oci-archive:{tmp_path}/oci.tar"),
                        ("archive", f"docker-archive:{tmp_path}/docker.tar:x/y:1")):
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", f"docker-archive:{tmp_path}/image.tar", where],
                       check=True, timeout=60)
        found = inspect(kind, tmp_path / {"oci": "layout", "oci-archive": "oci.tar",
                                          "docker-archive": "docker.tar"}[where.split(":")[0]])
        assert named(found, "deb", "name", "layer") == [("pot", 0)]


def test_a_layer_that_is_not_the_images_is_an_error(inspect, tmp_path):
    layers = [images.tar([images.entry("var/lib/dpkg/status", status(pot="1"))])]
    other = [images.tar([images.entry("etc/nothing", b"")])]
    images.docker_archive(tmp_path / "image.tar", other, config=images.image_config(layers))
    assert "not what the image's configuration says" in inspect("archive", tmp_path / "image.tar", ok=False)


def test_hostile_names_stay_in_the_layer(inspect, tmp_path):
    layers = [images.tar([images.entry("../../var/lib/dpkg/status", status(evil="1")),
                          images.entry("/var/lib/dpkg/status", status(abs="1")),
                          images.symlink("app", "/etc"), images.entry(".wh..", b""), images.entry(".wh.", b"")])]
    assert named(scan_layers(inspect, tmp_path, layers), "deb") == [("abs", "1")]


def test_a_folders_links_lead_nowhere(inspect, tmp_path):
    write(tmp_path, {"outside/status": status(evil="1"), "root/app/x": "x"})
    (tmp_path / "root/var/lib").mkdir(parents=True)
    (tmp_path / "root/var/lib/dpkg").symlink_to(tmp_path / "outside")
    (tmp_path / "root/etc").symlink_to("/etc")
    os.mkfifo(tmp_path / "root/app/package-lock.json")
    found = inspect("folder", tmp_path / "root")
    assert found["packages"] == [] and found["os_id"] == ""


def test_an_image_in_a_registry(prefix, require):
    program = prefix / "bin/onggi-trust"
    if not program.exists():
        require.lacking(f"no {program}")
    layers = [images.tar([images.entry("var/lib/dpkg/status", status(pot="1"))]),
              images.tar([images.entry("app/.env", b"x")])]
    manifest, blobs = images.oci_blobs(layers)
    stub = registries.Stub()
    stub.add("team/pot", manifest, blobs, "1")

    def scan():
        return subprocess.run([program, "sbom", f"registry:{stub.address}/team/pot:1"], capture_output=True, text=True,
                              timeout=60, check=False)

    try:
        result = scan()
        assert result.returncode == 0, result.stderr
        found = json.loads(result.stdout)
        assert [(c["name"], c["version"]) for c in found["components"] if c["type"] == "library"] == [("pot", "1")]
        assert images.sha256(manifest).removeprefix("sha256:") in json.dumps(found["metadata"])
        # A registry that serves another layer than the manifest names.
        (layer, body), = [(d, b) for d, b in blobs.items() if b == images.compress(layers[0], "gzip")]
        path = f"/v2/team/pot/blobs/{layer}"
        kind, _ = stub.content[path]
        other = images.compress(images.tar([images.entry("var/lib/dpkg/status", status(lid="1"))]), "gzip")
        stub.content[path] = kind, other.ljust(len(body), b"\0")[:len(body)]
        result = scan()
        assert result.returncode == 2 and "layer 1" in result.stderr, result.stderr
    finally:
        stub.stop()


# ---- disks ----


@pytest.mark.parametrize("kind, table, options", [
    ("ext4", None, ()), ("ext4", "gpt", ("-b", "1024")), ("ext4", "dos", ("-O", "^64bit,^metadata_csum")),
    ("ext2", None, ("-b", "1024")), ("ext3", "gpt", ("-b", "4096"))])
def test_a_disk_says_what_its_folder_says(inspect, tmp_path, require, kind, table, options):
    if not shutil.which("mke2fs") or not shutil.which("sfdisk"):
        require.lacking("no mke2fs or sfdisk")
    root = write(tmp_path / "root", {
        "etc/os-release": "ID=debian\nVERSION_ID=12\n",
        # Longer than what ext2 reaches with twelve blocks, and than one block of blocks.
        "var/lib/dpkg/status": status(first="1") + b"\n" * 400000 + status(last="2"),
        "opt/app.jar": jar({**pom("a", "b", "1"), "x": os.urandom(300000)}),
        "root/.ssh/id_ed25519": KEY})
    for i in range(600):
        write(root, {f"srv/many/{i:05}-with-a-name-that-fills-the-folder/x": b""})
    write(root, {"srv/many/node_modules/z/package.json": '{"name": "z", "version": "1.0.0"}'})
    (root / "srv/many/node_modules/z/run").write_bytes(b"\x7fELF" + bytes(5000))
    (root / "srv/many/node_modules/z/run").chmod(0o4755)
    make_disk(tmp_path / "disk", root, kind, table, options)
    folder = inspect("folder", root)
    assert named(folder, "deb") == [("first", "1"), ("last", "2")]
    assert {**inspect("disk", tmp_path / "disk"), "target": ""} == {**folder, "target": ""}


def test_a_disk_that_is_damaged_ends_with_an_error_or_less(inspect, tmp_path, require):
    if not shutil.which("mke2fs"):
        require.lacking("no mke2fs")
    root = write(tmp_path / "root", {"var/lib/dpkg/status": status(pot="1")})
    make_disk(tmp_path / "disk", root, size="2M")
    sound = (tmp_path / "disk").read_bytes()
    assert "no ext2" in inspect_error(inspect, tmp_path, b"x" * 100000)
    for at in range(1024, 1024 + 1024, 64):
        spoiled = sound[:at] + b"\xff" * 64 + sound[at + 64:]
        inspect_error(inspect, tmp_path, spoiled)
    inspect_error(inspect, tmp_path, sound[:1 << 20])


def inspect_error(inspect, tmp_path, data):
    """The text of the error, or "" where it read something all the same: but it ends."""
    (tmp_path / "bad").write_bytes(data)
    try:
        return inspect("disk", tmp_path / "bad", ok=False)
    except AssertionError:
        inspect("disk", tmp_path / "bad")
        return ""


# ---- bills of materials ----


def test_bills_of_materials(inspect, tmp_path):
    (tmp_path / "cdx.json").write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
        {"type": "operating-system", "name": "debian", "version": "12"},
        {"type": "library", "purl": "pkg:deb/debian/libc6@2.36-9?arch=amd64&upstream=glibc&distro=debian-12"},
        {"type": "library", "purl": "pkg:npm/%40babel/core@7.0.0", "licenses": [{"license": {"id": "MIT"}}],
         "components": [{"purl": "pkg:maven/org.x/y@1.0"}]},
        {"type": "library", "purl": "pkg:golang/github.com/a/b@v1.2.3#sub"}, {"purl": "pkg:nuget/x@1"},
        {"type": "library", "purl": "pkg:rpm/centos/openssl-libs@1.0.2k-16.el7?arch=x86_64&epoch=1"}]}))
    found = inspect("sbom", tmp_path / "cdx.json")
    assert [(p["type"], p["name"], p["version"], p["source"]) for p in found["packages"]] == [
        ("deb", "libc6", "2.36-9", "glibc"),
        ("rpm", "openssl-libs", "1:1.0.2k-16.el7", "openssl-libs"),
        ("npm", "@babel/core", "7.0.0", "@babel/core"), ("golang", "github.com/a/b", "v1.2.3", "github.com/a/b"),
        ("maven", "org.x:y", "1.0", "org.x:y")]
    assert (found["os_id"], found["os_version"]) == ("debian", "12")
    (tmp_path / "no.json").write_text('{"x": 1}')
    assert "neither CycloneDX nor SPDX" in inspect("sbom", tmp_path / "no.json", ok=False)


def test_trivys_bills_of_materials(inspect, tmp_path):
    archive = shareddata.path("fixtures") / "trivy-integration-testdata-dc3c56ee.tar.gz"
    if not archive.exists():
        pytest.skip(f"no {archive}")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path)
    base = tmp_path / "integration/testdata/fixtures/sbom"
    for name, source in (("centos-7-cyclonedx.json", "openssl"), ("centos-7-spdx.json", "openssl-libs")):
        found = inspect("sbom", base / name)
        assert named(found, "rpm", "name", "version", "source", "source_version") == [
            ("bash", "4.2.46-31.el7", "bash", "4.2.46-31.el7"),
            ("openssl-libs", "1:1.0.2k-16.el7", source, "1:1.0.2k-16.el7")]
        assert (found["os_id"], found["os_version"]) == ("centos", "7.6.1810")
    found = inspect("sbom", base / "fluentd-multiple-lockfiles-cyclonedx.json")
    assert named(found, "deb", "name", "source") == [("bash", "bash"), ("libidn2-0", "libidn2")]
    assert ("activesupport", "6.0.2.1") in named(found, "gem")


# ---- findings ----


def test_secrets_are_found_in_layers_and_when_they_are_deleted(inspect, tmp_path):
    token = "ghp_" + "a1B2" * 9
    layers = [
        images.tar([images.entry("root/.ssh/id_ed25519", KEY.encode()),
                    images.entry("app/.env", f"GITHUB={token}\nDB_PASSWORD=kX9mQ2vLp7Wn4RtZ8s\n".encode()),
                    images.entry("app/readme.md", b"-----BEGIN RSA PRIVATE KEY-----\n...\n"),
                    images.entry("root/.aws/credentials",
                                 b"[default]\naws_access_key_id = AKIA2E0A8F3B244C9986\n"
                                 b"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYzq19d8hk3A\n")]),
        images.tar([images.entry("root/.ssh/.wh.id_ed25519"),
                    images.entry("root/.docker/config.json",
                                 b'{"auths": {"r": {"auth": "dXNlcjpwYXNzd29yZA=="}}}'),
                    images.entry("root/.netrc", b"machine h login me password hunter2hunter\n"),
                    images.entry("root/.npmrc", b"//r/:_authToken=${NPM}\n//s/:_authToken=abcdef0123456789\n")]),
    ]
    found = scan_layers(inspect, tmp_path, layers)
    assert findings(found, "secret") == [
        ("secret", "github-token", "app/.env", False), ("secret", "named-secret", "app/.env", False),
        ("secret", "aws-access-key", "root/.aws/credentials", False),
        ("secret", "aws-secret-key", "root/.aws/credentials", False),
        ("secret", "docker-auth", "root/.docker/config.json", False),
        ("secret", "netrc", "root/.netrc", False), ("secret", "npmrc", "root/.npmrc", False),
        ("secret", "private-key", "root/.ssh/id_ed25519", True)]
    text = json.dumps(found)
    assert token not in text and "hunter2" not in text and "kX9mQ2vLp7Wn4RtZ8s" not in text
    assert [f["layer"] for f in found["findings"] if f["rule"] == "private-key"] == [0]


def test_set_uid_programs_that_are_deleted_are_gone(inspect, tmp_path):
    layers = [images.tar([images.entry("usr/bin/su", b"x", mode=0o4755), images.entry("usr/bin/wall", b"x", mode=0o2755),
                          images.entry("usr/bin/gone", b"x", mode=0o4755), images.entry("srv/data", b"x", mode=0o4644)]),
              images.tar([images.entry("usr/bin/.wh.gone")])]
    assert [f[2] for f in findings(scan_layers(inspect, tmp_path, layers), "setuid")] == ["usr/bin/su", "usr/bin/wall"]


def test_what_a_configuration_tells(inspect, tmp_path):
    layers = [images.tar([images.entry("etc/x", b"x")])]
    config = images.image_config(layers, env=("PATH=/bin", "DB_PASSWORD=hunter2", "TOKEN_FILE=/run/t", "API_KEY="))
    config["history"] = [
        {"created_by": "/bin/sh -c #(nop) ADD file:abc in / "},
        {"created_by": "ADD app.conf /etc/ # buildkit", "empty_layer": True},
        {"created_by": "ADD https://x/y /etc/ # buildkit", "empty_layer": True},
        {"created_by": "RUN /bin/sh -c apt-get update # buildkit", "empty_layer": True},
        {"created_by": "RUN /bin/sh -c apt-get update && apt-get install -y x", "empty_layer": True}]
    images.docker_archive(tmp_path / "image.tar", layers, config=config)
    found = inspect("archive", tmp_path / "image.tar")
    assert findings(found) == [
        ("root-user", "CIS-DI-0001", "User", False), ("env-secret", "CIS-DI-0010", "DB_PASSWORD", False),
        ("no-healthcheck", "CIS-DI-0006", "Healthcheck", False), ("add", "CIS-DI-0009", "history", False),
        ("update-alone", "CIS-DI-0007", "history", False)]
    assert "hunter2" not in json.dumps(found)
    config["config"].update(User="1000:1000", Env=[], Healthcheck={"Test": ["CMD", "true"]})
    config["history"] = [{"created_by": "COPY x / # buildkit"}]
    images.docker_archive(tmp_path / "image.tar", layers, config=config)
    assert findings(inspect("archive", tmp_path / "image.tar")) == []
