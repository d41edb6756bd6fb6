# SPDX-License-Identifier: Apache-2.0
"""What packages the scanner finds, of distributions and of languages: compared with what their own tools say."""

import contextlib
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
import shareddata
from inventories import findings, jar, named, pom, write


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
