# SPDX-License-Identifier: Apache-2.0
"""What the scanner finds inside images, folders, disks: compared with what their own tools say."""

import base64
import contextlib
import gzip
import io
import json
import os
import pathlib
import re
import shutil
import sqlite3
import struct
import subprocess
import tarfile
import zipfile

import pytest

import images
import registries
import shareddata

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATUS = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"
KEY = ("-----BEGIN OPENSSH PRIVATE KEY-----\n" +
       "\n".join(base64.b64encode(bytes(range(i, i + 48))).decode() for i in range(6)) +
       "\n-----END OPENSSH PRIVATE KEY-----\n")


@pytest.fixture(scope="module")
def inspect(require):
    tool = pathlib.Path(os.environ.get("ONGGI_BUILD", ROOT / "build")) / "tests/tools/og-inventory"
    if not tool.exists():
        require.lacking(f"no {tool}: ninja -C build")

    def run(kind, what, ok=True, stdin=None):
        result = subprocess.run([tool, kind, what], capture_output=True, text=True, timeout=60,
                                check=False, stdin=stdin)
        if not ok:
            assert result.returncode == 1, result.stdout[:500]
            return result.stderr
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)
    return run


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def named(inventory, kind, *fields):
    fields = fields or ("name", "version")
    return sorted(tuple(p[f] for f in fields) for p in inventory["packages"] if p["type"] == kind)


def findings(inventory, *kinds):
    return [(f["kind"], f["rule"], f["path"], f["deleted"]) for f in inventory["findings"]
            if not kinds or f["kind"] in kinds]


# ---- distributions ----


@pytest.fixture(scope="module")
def debian(tmp_path_factory, require):
    """A Debian root of mmdebstrap's, unpacked."""
    require.root()
    root = tmp_path_factory.mktemp("debian")
    subprocess.run(["tar", "-xf", images.debian_root_tar(), "-C", root, "--exclude=./dev/*"], check=True,
                   timeout=60)
    return root


def test_debian_packages_are_what_dpkg_says(inspect, debian):
    query = subprocess.run(
        ["dpkg-query", f"--admindir={debian}/var/lib/dpkg", "-W", "-f",
         "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"],
        capture_output=True, text=True, check=True).stdout
    truth = sorted(tuple(line.split("\t")) for line in query.splitlines())
    found = inspect("folder", debian)
    assert len(truth) > 50
    assert named(found, "deb", "name", "version", "architecture", "source",
                 "source_version") == truth
    assert (found["os_id"], found["os_version"]) == ("debian", "12")


def test_a_debian_root_has_no_secrets_and_its_set_uid_programs(inspect, debian):
    found = inspect("folder", debian)
    assert findings(found, "secret") == []
    truth = subprocess.run(["find", debian, "-xdev", "-type", "f", "-perm", "/6000", "-perm", "/111",
                            "-printf", "%P\n"], capture_output=True, text=True, check=True).stdout
    assert sorted(f[2] for f in findings(found, "setuid")) == sorted(truth.split())


def test_a_layer_says_what_its_folder_says(inspect, debian, tmp_path):
    layer = pathlib.Path(images.debian_root_tar()).read_bytes()
    images.docker_archive(tmp_path / "debian.tar", [layer])
    one, other = inspect("archive", tmp_path / "debian.tar"), inspect("folder", debian)
    fields = ("name", "version", "architecture", "source", "source_version", "path", "owned")
    for kind in ("deb", "npm", "pypi", "golang", "gem", "maven"):
        assert named(one, kind, *fields) == named(other, kind, *fields)
    assert [f[:3] for f in findings(one, "setuid")] == [f[:3] for f in findings(other, "setuid")]


def test_distroless_has_a_file_for_each_package(inspect, tmp_path):
    write(tmp_path, {
        "var/lib/dpkg/status.d/base": "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n",
        "var/lib/dpkg/status.d/libc6": "Package: libc6\nSource: glibc\nVersion: 2.36-9\n",
        "var/lib/dpkg/status.d/libc6.md5sums": "0123  usr/lib/node_modules/x/package.json\n",
        "usr/lib/node_modules/x/package.json": '{"name": "x", "version": "1.0.0"}',
        "usr/lib/node_modules/y/package.json": '{"name": "y", "version": "1.0.0"}',
    })
    found = inspect("folder", tmp_path)
    assert named(found, "deb") == [("base-files", "12.4"), ("libc6", "2.36-9")]
    assert named(found, "npm", "name", "owned") == [("x", True), ("y", False)]


def test_alpine(inspect, tmp_path):
    write(tmp_path, {
        "etc/os-release": 'ID=alpine\nVERSION_ID=3.18.4\nPRETTY_NAME="Alpine Linux v3.18"\n',
        "lib/apk/db/installed":
            "C:Q1xx=\nP:libcrypto3\nV:3.1.3-r0\nA:x86_64\no:openssl\nL:Apache-2.0\n"
            "F:lib\nR:libcrypto.so.3\na:0:0:555\nZ:Q1=\n\n"
            "P:py3-x\nV:1.0-r1\nA:x86_64\nF:usr/lib/python3.11/site-packages/x-1.0.dist-info\nR:METADATA\n\n",
        "usr/lib/python3.11/site-packages/x-1.0.dist-info/METADATA":
            "Metadata-Version: 2.1\nName: x\nVersion: 1.0\n\nText\n",
    })
    found = inspect("folder", tmp_path)
    assert named(found, "apk", "name", "version", "architecture", "source", "license") == [
        ("libcrypto3", "3.1.3-r0", "x86_64", "openssl", "Apache-2.0"),
        ("py3-x", "1.0-r1", "x86_64", "py3-x", "")]
    assert named(found, "pypi", "name", "version", "owned") == [("x", "1.0", True)]
    assert (found["os_id"], found["os_version"]) == ("alpine", "3.18.4")


SPEC = """
Name: {name}
Version: 1.2
Release: 3.el9
Epoch: {epoch}
Summary: x
License: MIT
BuildArch: noarch
%description
x
%install
mkdir -p %{{buildroot}}/usr/lib/node_modules/{name} %{{buildroot}}/etc
echo '{{"name": "{name}", "version": "1.2.0"}}' > %{{buildroot}}/usr/lib/node_modules/{name}/package.json
touch %{{buildroot}}/etc/{name}.conf
%files
/usr/lib/node_modules/{name}/package.json
/etc/{name}.conf
%package -n {name}-libs
Summary: y
%description -n {name}-libs
y
%files -n {name}-libs
"""


@pytest.fixture(scope="module")
def rpms(tmp_path_factory, require):
    """Packages that rpmbuild made."""
    if not shutil.which("rpmbuild"):
        require.lacking("no rpmbuild: apt-get install rpm")
    folder = tmp_path_factory.mktemp("rpms")
    for name, epoch in (("pot", 0), ("kiln", 2)):
        (folder / f"{name}.spec").write_text(SPEC.format(name=name, epoch=epoch))
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}", f"{name}.spec"],
                       cwd=folder, check=True, timeout=60, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    return sorted(str(path) for path in folder.rglob("*.rpm"))


def as_ndb(headers):
    """The headers in the file that openSUSE's rpm keeps (rpm's lib/backend/ndb/rpmpkg.c)."""
    slots, blobs, at = b"", b"", 4096 // 16
    for index, header in enumerate(headers, 1):
        blob = struct.pack("<4sIII", b"BlbS", index, 1, len(header)) + header
        blob += bytes(-len(blob) % 16) + struct.pack("<IIII", 0, 0, len(header), 0)
        slots += struct.pack("<4sIII", b"Slot", index, at + len(blobs) // 16, len(blob) // 16)
        blobs += blob
    slots += struct.pack("<4sIII", b"Slot", 0, 0, 0) * (254 - len(headers))
    return struct.pack("<4sIIIIIII", b"RpmP", 0, 1, 1, len(headers) + 1, 0, 0, 0) + slots + blobs


def as_bdb(headers, order):
    """The headers in a Berkeley DB hash (db's dbinc/db_page.h), as CentOS 7's rpm keeps it."""
    size, pages = 4096, [b"", b""]
    items, offsets, end = b"", [], size

    def put(item):
        nonlocal items, end
        items, end = item + items, end - len(item)
        offsets.append(end)

    def page(next_page, used, kind, body, entries=0):
        return (struct.pack(order + "8xIIIHHBB", len(pages), 0, next_page, entries, used, 0, kind)
                + body).ljust(size, b"\0")

    for index, header in enumerate([b"\1\2\3\4", *headers]):
        put(b"\1" + struct.pack(order + "I", index))
        if index == 0:  # what is short is in the page itself
            put(b"\1" + header)
            continue
        put(struct.pack(order + "B3xII", 3, len(pages), len(header)))
        parts = [header[i:i + size - 26] for i in range(0, len(header), size - 26)]
        for part in parts:
            last = part is parts[-1]
            pages.append(page(0 if last else len(pages) + 1, len(part), 7, part))
    body = struct.pack(order + f"{len(offsets)}H", *offsets)
    pages[0] = struct.pack(order + "8xIIIIBBBB", 0, 0x061561, 9, size, 0, 8, 0, 0).ljust(size, b"\0")
    number, pages[1] = 1, b""
    pages[1] = (struct.pack(order + "8xIIIHHBB", number, 0, 0, len(offsets), end, 0, 13) + body
                ).ljust(end, b"\0") + items
    return b"".join(pages)


@pytest.mark.parametrize("path, convert", [
    ("var/lib/rpm/rpmdb.sqlite", None),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", None),
    ("usr/lib/sysimage/rpm/Packages.db", as_ndb),
    ("var/lib/rpm/Packages", lambda headers: as_bdb(headers, "<")),
    ("var/lib/rpm/Packages", lambda headers: as_bdb(headers, ">")),
])
def test_rpm_packages_are_what_rpm_says(inspect, rpms, require, tmp_path, path, convert):
    require.root()
    root = tmp_path / "root"
    (root / path).parent.mkdir(parents=True)
    options = ["--root", str(root), "--define", "_db_backend sqlite",
               "--dbpath", "/" + str(pathlib.Path(path).parent)]
    subprocess.run(["rpm", *options, "-i", "--nodeps", "--noscripts", "--nosignature", *rpms],
                   check=True, timeout=60)
    query = subprocess.run(["rpm", *options, "-qa", "--qf",
                            "%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{ARCH}\t%{LICENSE}\n"],
                           capture_output=True, text=True, check=True, timeout=60).stdout
    truth = sorted(tuple(re.sub("^0:", "", field) for field in line.split("\t"))
                   for line in query.splitlines())
    if convert:
        made = root / pathlib.Path(path).parent / "rpmdb.sqlite"
        with contextlib.closing(sqlite3.connect(made)) as db:
            headers = [blob for blob, in db.execute("SELECT blob FROM Packages")]
        for old in made.parent.glob("rpmdb.sqlite*"):
            old.unlink()
        write(root, {path: convert(headers)})
    found = inspect("folder", root)
    assert [name for name, *_ in truth] == ["kiln", "kiln-libs", "pot", "pot-libs"]
    assert named(found, "rpm", "name", "version", "architecture", "license") == truth
    assert named(found, "rpm", "name", "source", "source_version")[1] == ("kiln-libs", "kiln", "2:1.2-3.el9")
    assert named(found, "npm", "name", "owned") == [("kiln", True), ("pot", True)]


@pytest.mark.parametrize("name", ["rpmdb.sqlite", "Packages.db", "Packages"])
def test_a_damaged_rpm_database_is_an_error(inspect, tmp_path, name):
    write(tmp_path, {f"var/lib/rpm/{name}": b"garbage" * 1000})
    assert f"var/lib/rpm/{name}" in inspect("folder", tmp_path, ok=False)


# ---- languages ----


def test_languages_by_their_files(inspect, tmp_path):
    write(tmp_path, {
        "app/node_modules/left/package.json": '{"name": "left", "version": "1.0.0", "license": "MIT"}',
        "app/node_modules/@s/right/package.json": '{"name": "@s/right", "version": "2.0.0"}',
        "app/node_modules/left/test/package.json": '{"name": "no", "version": "1.0.0"}',
        "app/node_modules/left/package-lock.json":
            '{"lockfileVersion": 1, "dependencies": {"no": {"version": "1.0.0"}}}',
        "app/package.json": '{"name": "app", "version": "0.0.1"}',
        "app/package-lock.json": json.dumps({"lockfileVersion": 3, "packages": {
            "": {"name": "app"}, "node_modules/left": {"version": "1.0.0"},
            "node_modules/left/node_modules/deep": {"version": "3.0.0"},
            "node_modules/dev": {"version": "1.0.0", "dev": True}}}),
        "old/package-lock.json": json.dumps({"lockfileVersion": 1, "dependencies": {
            "a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0"}}},
            "c": {"version": "npm:real@4.0.0"}, "d": {"version": "file:../d"}}}),
        "y/yarn.lock": '# yarn lockfile v1\n\n"@a/b@^1.0", "@a/b@^1.1":\n  version "1.2.3"\n'
                       'x@npm:z@2:\n  version "2.0.0"\n',
        "y2/yarn.lock": '__metadata:\n  version: 6\n\n"q@npm:^1":\n  version: 1.5.0\n'
                        '"app@workspace:.":\n  version: 0.0.0-use.local\n',
        "v/site-packages/Flask-2.0.dist-info/METADATA": "Name: Flask\nVersion: 2.0\nLicense: BSD\n\nName: no\n",
        "v/site-packages/old.egg-info/PKG-INFO": "Name: old\nVersion: 1.0\n",
        "v/site-packages/older-0.1.egg-info": "Name: older\nVersion: 0.1\n",
        "r/Cargo.lock": '[[package]]\nname = "serde"\nversion = "1.0.1"\n\n[metadata]\nname = "no"\nversion = "1"\n',
        "g/specifications/rake-13.0.6.gemspec": "# stub: rake 13.0.6 ruby lib\n",
        "g2/specifications/x.gemspec": 'Gem::Specification.new do |s|\n  s.name = "x".freeze\n  s.version = "1.1"\n'
                                       '  s.licenses = ["MIT".freeze]\nend\n',
        "g/Gemfile.lock": "GIT\n  specs:\n    no (1.0)\n\nGEM\n  specs:\n    nokogiri (1.13.8-x86_64-linux)\n"
                          "      racc (~> 1.4)\n    racc (1.6.0)\n\nBUNDLED WITH\n   2.3\n",
    })
    found = inspect("folder", tmp_path)
    assert named(found, "npm", "name", "version", "path") == [
        ("@a/b", "1.2.3", "y/yarn.lock"),
        ("@s/right", "2.0.0", "app/node_modules/@s/right/package.json"),
        ("a", "1.0.0", "old/package-lock.json"), ("b", "2.0.0", "old/package-lock.json"),
        ("deep", "3.0.0", "app/package-lock.json"),
        ("left", "1.0.0", "app/node_modules/left/package.json"), ("left", "1.0.0", "app/package-lock.json"),
        ("q", "1.5.0", "y2/yarn.lock"), ("real", "4.0.0", "old/package-lock.json"),
        ("z", "2.0.0", "y/yarn.lock")]
    assert named(found, "pypi") == [("Flask", "2.0"), ("old", "1.0"), ("older", "0.1")]
    assert named(found, "cargo") == [("serde", "1.0.1")]
    assert named(found, "gem") == [("nokogiri", "1.13.8"), ("racc", "1.6.0"), ("rake", "13.0.6"), ("x", "1.1")]
    assert {(p["name"], p["license"]) for p in found["packages"] if p["license"]} == {
        ("left", "MIT"), ("Flask", "BSD"), ("x", "MIT")}


def jar(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def pom(group, artifact, version):
    return {f"META-INF/maven/{group}/{artifact}/pom.properties":
            f"#Generated\r\ngroupId={group}\r\nartifactId={artifact}\r\nversion={version}\r\n"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_jars_and_those_inside(inspect, tmp_path, method):
    log4j = jar(pom("org.apache.logging.log4j", "log4j-core", "2.14.1"))
    war = jar({"WEB-INF/lib/log4j-core-2.14.1.jar": log4j, **pom("shop", "web", "1.0")}, method)
    ear = jar({"web.war": war, "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\n"}, method)
    write(tmp_path, {
        "app/shop-3.1.ear": b"#!/bin/sh\nexec java -jar $0\n" + ear,
        "app/guess-1.5-SNAPSHOT.jar": jar({"META-INF/MANIFEST.MF": "Bundle-SymbolicName: org.guess.core;x:=y\r\n"}),
        "app/plain.jar": jar({"META-INF/MANIFEST.MF": "Implementation-Title: titled\nImplementation-Version: 7\n"}),
        "app/shaded.jar": jar({**pom("a", "one", "1"), **pom("b", "two", "2")}),
        "app/broken.jar": log4j[:-10],
    })
    assert named(inspect("folder", tmp_path), "maven", "name", "version", "path") == [
        ("a:one", "1", "app/shaded.jar"), ("b:two", "2", "app/shaded.jar"),
        ("org.apache.logging.log4j:log4j-core", "2.14.1",
         "app/shop-3.1.ear!/web.war!/WEB-INF/lib/log4j-core-2.14.1.jar"),
        ("org.guess:guess", "1.5-SNAPSHOT", "app/guess-1.5-SNAPSHOT.jar"),
        ("shop", "3.1", "app/shop-3.1.ear"), ("shop:web", "1.0", "app/shop-3.1.ear!/web.war"),
        ("titled", "7", "app/plain.jar")]


def test_a_jar_that_unpacks_for_ever_ends(inspect, tmp_path):
    inner = jar({"x": bytes(50 << 20)})
    for _ in range(3):
        inner = jar({f"{i}.jar": inner for i in range(20)})
    write(tmp_path, {"bomb.jar": inner})
    assert named(inspect("folder", tmp_path), "maven") == []


def go_version(path):
    """What `go version -m` would say, by the text in the program itself: it is all between two marks."""
    data = path.read_bytes()
    start, end = bytes.fromhex("3077af0c9274080241e1c107e6d618e6"), bytes.fromhex("f932433186182072008242104116d8f2")
    text = data[data.index(start) + 16:]
    return text[:text.index(end)].decode()


@pytest.mark.parametrize("program", ["/usr/bin/skopeo", "/usr/bin/podman", "/usr/sbin/runc"])
def test_go_programs_of_debian(inspect, tmp_path, require, program):
    path = pathlib.Path(program)
    if not path.exists():
        require.lacking(f"no {program}")
    truth = set()
    for line in go_version(path).splitlines():
        kind, *words = line.split("\t")
        if kind == "dep" or (kind == "mod" and words[1] != "(devel)"):
            truth.add((words[0], words[1]))
        elif kind == "=>":
            truth.add((words[0], words[1]))
    (tmp_path / "usr/bin").mkdir(parents=True)
    shutil.copy(path, tmp_path / "usr/bin/tool")
    found = named(inspect("folder", tmp_path), "golang")
    library = [version for name, version in found if name == "stdlib"]
    assert library and re.fullmatch(r"1\.\d+(\.\d+)?", library[0])
    assert {p for p in found if p[0] != "stdlib"} <= truth
    # All but those that are replaced by others.
    assert len(found) - 1 >= len(truth) * 9 // 10


def test_python_and_node_of_debian_are_owned(inspect, require, tmp_path):
    """The files of two real packages, with their lists: owned, and what is beside them is not."""
    lists = [path for path in pathlib.Path("/var/lib/dpkg/info").glob("python3-*.list")
             if ".egg-info" in path.read_text() or ".dist-info" in path.read_text()][:20]
    if not lists:
        require.lacking("no python3-* package is installed")
    names = []
    for path in lists:
        write(tmp_path, {f"var/lib/dpkg/info/{path.name}": path.read_bytes()})
        for name in path.read_text().splitlines():
            if os.path.isfile(name) and re.search(r"(METADATA|PKG-INFO|\.egg-info)$", name):
                write(tmp_path, {name[1:]: pathlib.Path(name).read_bytes()})
                text = pathlib.Path(name).read_text(errors="replace")
                names.append((re.search(r"^Name: (.*)$", text, re.M)[1], True))
    write(tmp_path, {"usr/local/lib/python3.11/site-packages/mine-1.dist-info/METADATA": "Name: mine\nVersion: 1\n"})
    assert named(inspect("folder", tmp_path), "pypi", "name", "owned") == sorted([*names, ("mine", False)])


def test_trivys_fixtures_of_lock_files(inspect, tmp_path):
    archive = shareddata.path("fixtures") / "trivy-integration-testdata-dc3c56ee.tar.gz"
    if not archive.exists():
        pytest.skip(f"no {archive}")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(tmp_path)
    base = tmp_path / "integration/testdata"
    checked = 0
    for folder, golden, kind in (("npm", "npm", "npm"), ("yarn", "yarn", "npm"), ("cargo", "cargo.lock", "cargo")):
        path = base / f"{golden}.json.golden"
        if not path.exists():
            continue
        report = json.loads(path.read_text())
        truth = {(p["Name"], p["Version"]) for result in report["Results"] for p in result.get("Packages") or []
                 if p.get("Version") and not p.get("Dev") and p.get("Relationship") not in ("root", "workspace")}
        found = set(named(inspect("folder", base / "fixtures/repo" / folder), kind))
        assert truth <= found, (folder, truth - found)
        checked += 1
    assert checked >= 2


# ---- layers ----


def status(**packages):
    return "".join(STATUS.format(name, version) for name, version in packages.items()).encode()


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


def make_disk(path, root, kind="ext4", table=None, options=(), size="64M"):
    """A raw disk with this tree, made by mke2fs without root or mount; with a partition table or none."""
    part = path.with_suffix(".part")
    subprocess.run(["mke2fs", "-q", "-t", kind, *options, "-d", root, part, size], check=True, timeout=60)
    if not table:
        part.rename(path)
        return
    with path.open("wb") as disk:
        disk.truncate(80 << 20)
    subprocess.run(["sfdisk", "-q", path], input=f"label: {table}\nstart=2048, size=4096\nstart=8192, size=131072\n",
                   text=True, check=True, timeout=60, stdout=subprocess.DEVNULL)
    subprocess.run(["dd", f"if={part}", f"of={path}", "bs=512", "seek=8192", "conv=notrunc", "status=none"],
                   check=True, timeout=60)
    part.unlink()


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
