# SPDX-License-Identifier: Apache-2.0
"""`onggi scan`: what it finds, what it says of it, and what it never does."""

import collections
import functools
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import tarfile
import time
import xml.etree.ElementTree
import zipfile

import pytest

import shareddata
from scanning import NOW, debian_root, record

def ids(tree):
    return {(row["package"], row["id"]) for row in tree["vulnerabilities"]}


def one_cve(scanner, tmp_path, **more):
    scanner.load(record("DSA-1", "openssl", "3.0.1-2", aliases=["CVE-2024-1"], summary="Bad\tthing",
                        severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}], **more))
    return debian_root(tmp_path / "root", [("libssl3", "3.0.1-1", "openssl"), ("openssl", "3.0.1-1", "openssl"),
                                           ("zlib1g", "1:1.3-1", "zlib")])


# Debian's order of versions, once more, so that the test does not believe what it tests.

def weight(letter):
    return -1 if letter == "~" else 0 if letter == "" else ord(letter) if letter.isalpha() else ord(letter) + 256


def compare_parts(a, b):
    while a or b:
        x, y = re.match(r"\D*", a)[0], re.match(r"\D*", b)[0]
        for i in range(max(len(x), len(y))):
            way = weight(x[i:i + 1]) - weight(y[i:i + 1])
            if way:
                return way
        a, b = a[len(x):], b[len(y):]
        x, y = re.match(r"\d*", a)[0], re.match(r"\d*", b)[0]
        if int(x or 0) != int(y or 0):
            return int(x or 0) - int(y or 0)
        a, b = a[len(x):], b[len(y):]
    return 0


def compare_versions(a, b):
    def split(text):
        epoch, colon, rest = text.partition(":")
        if not colon:
            epoch, rest = "0", text
        upstream, dash, revision = rest.rpartition("-")
        return (int(epoch), upstream, revision) if dash else (int(epoch), rest, "")
    a, b = split(a), split(b)
    return (a[0] - b[0]) or compare_parts(a[1], b[1]) or compare_parts(a[2], b[2])


VERSION_KEY = functools.cmp_to_key(compare_versions)


@pytest.fixture
def debian_records():
    path = shareddata.path("debian/debian12-changelog-osv.jsonl.gz")
    if not path.exists():
        pytest.skip(f"no {path}")
    fixes = collections.defaultdict(dict)
    for line in gzip.open(path, "rt"):
        entry = json.loads(line)
        for affected in entry["affected"]:
            fixed = affected["ranges"][0]["events"][1]["fixed"]
            fixes[affected["package"]["name"]][entry["aliases"][0]] = fixed
    return path, fixes


def test_each_cve_is_found_one_version_before_its_fix_and_none_when_all_are_there(scanner, debian_records, tmp_path):
    path, fixes = debian_records
    scanner.run("scan", "db", "import", "--db", scanner.db, path)
    steps = {name: sorted({*of.values()}, key=VERSION_KEY) for name, of in fixes.items()}
    places = {name: {version: i for i, version in enumerate(versions)} for name, versions in steps.items()}
    current = [(name, versions[-1], name) for name, versions in steps.items()]
    tree = scanner.tree(debian_root(tmp_path / "root", current))
    assert ids(tree) == set() and tree["complete"] and tree["summary"]["packages"]["judged"] == len(steps)
    seen = set()
    # In each round every package is right before another of its fixes, from the last one down: all from there on
    # are missing.
    for step in range(max(map(len, steps.values()))):
        packages, expected = [], set()
        for name, versions in steps.items():
            if step >= len(versions):
                continue
            place = len(versions) - 1 - step
            fixed = versions[place]
            packages.append((f"lib{name}", fixed + "~", name))
            for cve, version in fixes[name].items():
                # A rebuild for the release ("1.2-3~deb12u1") has what its version has, though it comes before it.
                missing = places[name][version] >= place or version.startswith(fixed + "~")
                if missing and not fixed.startswith(version + "~deb"):
                    expected.add((name, cve))
                    if version == fixed:
                        seen.add((name, cve))
        # The table: half a million rows of JSON would take most of the time.
        text = scanner.scan(debian_root(tmp_path / "root", packages)).stdout
        assert {*re.findall(r"^(\S+) +\S+ +(CVE-\S+) ", text, re.M)} == expected
    assert seen == {(name, cve) for name, of in fixes.items() for cve in of} and len(seen) > 6000


def test_a_row_is_one_vulnerability_in_one_source_package(scanner, tmp_path):
    tree = scanner.tree(one_cve(scanner, tmp_path))
    assert tree["schema"] == "onggi-scan/1" and tree["os"]["id"] == "debian" and tree["warnings"] == []
    row, = tree["vulnerabilities"]
    assert (row["id"], row["aliases"], row["package"], row["version"]) == ("CVE-2024-1", ["DSA-1"], "openssl", "3.0.1-1")
    assert (row["severity"], row["score"], row["status"], row["fixed_version"]) == ("critical", 9.8, "fixed", "3.0.1-2")
    assert row["summary"] == "Bad thing" and row["source"] == "test.jsonl"
    assert [(p["name"], p["purl"]) for p in row["packages"]] == [
        (name, f"pkg:deb/debian/{name}@3.0.1-1?arch=amd64&distro=debian-12") for name in ("libssl3", "openssl")]
    assert tree["summary"]["critical"] == 1 and tree["summary"]["fixable"]["critical"] == 1
    assert tree["database"]["sources"][0]["newest"] == "2026-11-01T00:00:00Z"


def test_records_of_one_vulnerability_are_joined_by_their_names(scanner, tmp_path):
    root = debian_root(tmp_path / "root", [("a", "1.0", "a")])
    scanner.load(record("DSA-9", "a", "1.5", upstream=["CVE-2024-9"]),
                 record("X-1", "a", "1.2", aliases=["GHSA-x"]),
                 record("GHSA-x", "a", aliases=["CVE-2024-9"], database_specific={"severity": "MODERATE"}),
                 record("X-2", "a", aliases=["CVE-2024-8"]))
    rows = scanner.tree(root)["vulnerabilities"]
    assert [(row["id"], row["aliases"]) for row in rows] == [
        ("CVE-2024-9", ["DSA-9", "GHSA-x", "X-1"]), ("CVE-2024-8", ["X-2"])]
    # The version that has none of them any more.
    assert rows[0]["fixed_version"] == "1.5" and rows[0]["severity"] == "medium"
    assert rows[1]["status"] == "unfixed" and rows[1]["severity"] == "unknown"


def test_fixed_unfixed_wont_fix_and_not_affected_are_told_apart(scanner, tmp_path):
    root = debian_root(tmp_path / "root", [("a", "1.0", "a")])
    scanner.load(record("CVE-1-1", "a", "2.0"), record("CVE-1-2", "a"),
                 record("CVE-1-3", "a", affected={"ecosystem_specific": {"status": "wont-fix"}}),
                 record("X-4", "a", aliases=["CVE-1-4"]),
                 record("Y-4", "a", aliases=["CVE-1-4"], affected={"database_specific": {"status": "not-affected"}}),
                 record("CVE-1-5", "a", "0.9"), record("CVE-1-6", "b"),
                 record("CVE-1-7", "a", ecosystem="Debian:11"), record("CVE-1-8", "a", withdrawn="2024-01-01T00:00:00Z"),
                 record("CVE-1-9", "a", affected={"ecosystem_specific": {"urgency": "unimportant"}}),
                 record("CVE-1-10", "a", affected={"ecosystem_specific": {"urgency": "end-of-life"}}))
    rows = {row["id"]: (row["status"], row["severity"]) for row in scanner.tree(root)["vulnerabilities"]}
    assert rows == {"CVE-1-1": ("fixed", "unknown"), "CVE-1-2": ("unfixed", "unknown"),
                    "CVE-1-3": ("wont-fix", "unknown"), "CVE-1-9": ("unfixed", "negligible"),
                    "CVE-1-10": ("wont-fix", "unknown")}


def test_an_advisory_of_several_vulnerabilities_is_a_row_for_each(scanner, tmp_path):
    """Who says of one that it does no harm does not say so of the others."""
    root = debian_root(tmp_path / "root", [("a", "1.0", "a")])
    scanner.load(record("DSA-7-1", "a", "2.0", upstream=["CVE-2024-1", "CVE-2024-2"]),
                 record("DSA-8-1", "a", "3.0", aliases=["CVE-2024-2", "CVE-2024-3", "X-9"]),
                 record("DEBIAN-CVE-2024-1", "a", "2.0", upstream=["CVE-2024-1"], affected={"ecosystem_specific": {
                     "urgency": "high"}}),
                 record("DEBIAN-CVE-2024-3", "a", upstream=["CVE-2024-3"], affected={"ecosystem_specific": {
                     "status": "not-affected"}}))
    rows = scanner.tree(root)["vulnerabilities"]
    assert [(row["id"], row["aliases"], row["fixed_version"], row["severity"]) for row in rows] == [
        ("CVE-2024-1", ["DEBIAN-CVE-2024-1", "DSA-7-1"], "2.0", "high"),
        ("CVE-2024-2", ["DSA-7-1", "DSA-8-1", "X-9"], "3.0", "unknown")]
    ignore = tmp_path / "ignore"
    for name, hidden in (("CVE-2024-1", 1), ("DSA-7-1", 2), ("DSA-8-1", 1), ("CVE-2024-3", 0)):
        ignore.write_text(name + "\n")
        assert scanner.tree(root, "--ignore-file", ignore)["summary"]["hidden"] == hidden, name


def suse_bom(path, os, **packages):
    """A bill of materials of a system of SUSE's: {binary: version}, all of openssl-3."""
    purls = [f"pkg:rpm/suse/{name}@{version}?arch=x86_64&upstream=openssl-3-{version}.src.rpm"
             for name, version in packages.items()]
    path.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
        {"type": "operating-system", "name": os[0], "version": os[1], "bom-ref": "os"},
        *({"type": "library", "name": purl.split("/")[2].split("@")[0], "purl": purl, "bom-ref": purl} for purl in purls)]}))
    return path


def test_suse_is_judged_by_release_and_service_pack(scanner, tmp_path):
    """Whatever module or phase of support the advisory is filed under; another service pack's says nothing."""
    products = ["Module for Basesystem 15 SP5", "Server 15 SP5-LTSS", "Module for Python 3 15 SP5"]
    first = record("SUSE-SU-2026:1-1", "openssl-3", "3.0.8-150500.5.9.1",
                   ecosystem=f"SUSE:Linux Enterprise {products[0]}")
    first["affected"] += [{**first["affected"][0], "package": {
        "ecosystem": f"SUSE:Linux Enterprise {product}", "name": "openssl-3"}} for product in products[1:]]
    scanner.load(first, record("SUSE-SU-2026:2-1", "openssl-3", "3.1.4-150600.5.1",
                               ecosystem="SUSE:Linux Enterprise Module for Basesystem 15 SP6"),
                 record("SUSE-SU-2026:3-1", "openssl-3", "3.0.8-150500.5.9.1", ecosystem="SUSE:Linux Enterprise Micro 5.5"))
    for version, expected in (("3.0.8-150500.5.8.1", ["SUSE-SU-2026:1-1"]), ("3.0.8-150500.5.10.1", []),
                              ("3.0.8-150500.5.9.1", [])):
        bom = suse_bom(tmp_path / "bom.json", ("sles", "15.5"), **{"libopenssl3": version, "openssl-3": version})
        tree = scanner.tree(f"sbom:{bom}")
        assert [row["id"] for row in tree["vulnerabilities"]] == expected, version
    old = {"libopenssl3": "3.0.8-150500.5.8.1"}
    for os, expected in ((("sle-micro", "5.5"), ["SUSE-SU-2026:3-1"]), (("sles", "15.6"), ["SUSE-SU-2026:2-1"])):
        tree = scanner.tree(f"sbom:{suse_bom(tmp_path / 'bom.json', os, **old)}")
        assert [row["id"] for row in tree["vulnerabilities"]] == expected, os
    bom = suse_bom(tmp_path / "bom.json", ("sles", "15.4"), **old)
    assert "of SUSE:15.4 are not judged" in scanner.scan(f"sbom:{bom}").stderr


def test_what_cannot_be_judged_is_said(scanner, tmp_path):
    scanner.load(record("CVE-1-1", "a"))
    result = scanner.scan(debian_root(tmp_path / "root", [("a", "1.0", "a")], version="13"), "-f", "json")
    tree = json.loads(result.stdout)
    assert "the database has nothing of it" in result.stderr and "Debian:13" in result.stderr
    assert not tree["complete"] and tree["summary"]["packages"]["unjudged"] == 1
    assert tree["warnings"] == [result.stderr.strip().removeprefix("onggi: ")]
    # Nothing was found because nothing was looked for.
    result = scanner.scan(tmp_path / "root", "--fail-on", "critical", check=False)
    assert result.returncode == 2 and "1 packages were not judged" in result.stderr
    # What was found elsewhere counts.
    scanner.load(record("CVE-1-1", "y", ecosystem="npm", database_specific={"severity": "CRITICAL"}))
    (tmp_path / "root/node_modules/y").mkdir(parents=True)
    (tmp_path / "root/node_modules/y/package.json").write_text('{"name": "y", "version": "0.1.0"}')
    assert scanner.scan(tmp_path / "root", "--fail-on", "critical", check=False).returncode == 1


@pytest.mark.parametrize("threshold, status", [
    ("critical", 1), ("low", 1), ("critical:fixed", 1), ("unknown", 1), ("severe", 125)])
def test_the_exit_status_is_what_fail_on_asks_for(scanner, tmp_path, threshold, status):
    root = one_cve(scanner, tmp_path)
    assert scanner.scan(root, "--fail-on", threshold, check=False).returncode == status
    debian_root(root, [("openssl", "3.0.1-2", "openssl")])
    assert scanner.scan(root, "--fail-on", threshold, check=False).returncode == (125 if status == 125 else 0)


def test_fail_on_fixed_counts_only_what_an_update_fixes(scanner, tmp_path):
    scanner.load(record("CVE-1-1", "a", database_specific={"severity": "CRITICAL"}))
    root = debian_root(tmp_path / "root", [("a", "1.0", "a")])
    assert scanner.scan(root, "--fail-on", "high", check=False).returncode == 1
    assert scanner.scan(root, "--fail-on", "high:fixed", check=False).returncode == 0


def openvex(*statements):
    return {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://x/1", "author": "x", "timestamp": NOW,
            "version": 1, "statements": list(statements)}


PURL = "pkg:deb/debian/libssl3@3.0.1-1"


@pytest.mark.parametrize("statement, hidden", [
    ({"products": [{"@id": "pkg:deb/debian/openssl"}], "status": "not_affected"}, True),
    ({"products": [{"@id": "pkg:deb/debian/openssl"}], "status": "fixed"}, True),
    ({"products": ["pkg:deb/debian/openssl"], "status": "under_investigation"}, False),
    ({"products": ["pkg:deb/debian/openssl"], "status": "affected"}, False),
    # Only one of the binary packages, another version, another kind, another package, another image.
    ({"products": ["pkg:deb/debian/libssl3"], "status": "not_affected"}, False),
    ({"products": ["pkg:deb/debian/openssl@3.0.1-0"], "status": "not_affected"}, False),
    ({"products": ["pkg:rpm/debian/openssl"], "status": "not_affected"}, False),
    ({"products": ["pkg:deb/debian/zlib"], "status": "not_affected"}, False),
    ({"products": [{"@id": "pkg:oci/other", "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}],
      "status": "not_affected"}, False),
    ({"products": [{"@id": "pkg:oci/root", "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}],
      "status": "not_affected"}, True),
    ({"products": ["pkg:oci/root@sha256%3A" + "0" * 64], "status": "not_affected"}, False),
    # Another distribution's word, another release's, another architecture's, on another registry's image.
    ({"products": ["pkg:deb/ubuntu/openssl"], "status": "not_affected"}, False),
    ({"products": ["pkg:deb/debian/openssl?distro=debian-11"], "status": "not_affected"}, False),
    ({"products": ["pkg:deb/debian/openssl?distro=debian-12.5"], "status": "not_affected"}, True),
    ({"products": ["pkg:deb/debian/openssl?distro=bookworm"], "status": "not_affected"}, True),
    ({"products": ["pkg:deb/debian/openssl?arch=s390x"], "status": "not_affected"}, False),
    ({"products": ["pkg:deb/debian/openssl?arch=source"], "status": "not_affected"}, True),
    ({"products": ["pkg:oci/root?repository_url=ghcr.io%2Fsomebody%2Froot"], "status": "not_affected"}, False),
])
def test_vex_hides_what_it_is_about(scanner, tmp_path, statement, hidden):
    root = one_cve(scanner, tmp_path)
    path = tmp_path / "vex.json"
    path.write_text(json.dumps(openvex({"vulnerability": {"name": "CVE-2024-1"}, "justification":
                                        "vulnerable_code_not_in_execute_path", **statement})))
    tree = scanner.tree(root, "--vex", path)
    assert len(tree["hidden"]) == hidden and len(tree["vulnerabilities"]) == (not hidden)
    assert tree["summary"]["hidden"] == hidden and tree["summary"]["critical"] == (not hidden)
    if hidden:
        assert tree["hidden"][0]["said"] == statement["status"]
        assert tree["hidden"][0]["reason"] == "vulnerable_code_not_in_execute_path"
        assert scanner.scan(root, "--vex", path, "--fail-on", "low", check=False).returncode == 0
        text = scanner.scan(root, "--vex", path, "--show-hidden").stdout
        assert "1 more not counted" in text and "vulnerable_code_not_in_execute_path" in text


@pytest.mark.parametrize("said, hidden", [
    ([("not_affected", "2026-01-02T00:00:00Z"), ("affected", "2026-01-01T00:00:00Z")], True),
    ([("affected", "2026-01-02T00:00:00+01:00"), ("not_affected", "2026-01-01T22:00:00Z")], False),
    # Without a moment of its own, a statement has its document's, which is younger; of equals the last counts.
    ([("affected", None), ("not_affected", "2026-01-01T22:00:00Z")], False),
    ([("affected", None), ("not_affected", None)], True),
])
def test_the_youngest_vex_statement_counts(scanner, tmp_path, said, hidden):
    root = one_cve(scanner, tmp_path)
    path = tmp_path / "vex.json"
    path.write_text(json.dumps(openvex(*(
        {"vulnerability": {"name": "CVE-2024-1"}, "products": ["pkg:deb/debian/openssl"], "status": status,
         **({"timestamp": at} if at else {})} for status, at in said))))
    assert scanner.tree(root, "--vex", path)["summary"]["hidden"] == hidden


def test_cyclonedx_vex_refers_to_a_bill_of_materials(scanner, tmp_path):
    root = one_cve(scanner, tmp_path)
    bom = json.loads(scanner.scan(root, "-f", "cyclonedx").stdout)
    for row in bom["vulnerabilities"]:
        row["analysis"] = {"state": "not_affected", "justification": "code_not_reachable", "detail": "tried"}
    path = tmp_path / "vex.json"
    # The first binary package alone is not all of the row.
    bom["vulnerabilities"][0]["affects"] = bom["vulnerabilities"][0]["affects"][:1]
    path.write_text(json.dumps(bom))
    assert scanner.tree(root, "--vex", path)["summary"]["hidden"] == 0
    bom["components"] = [{"bom-ref": "x", "type": "library", "name": "openssl", "purl": "pkg:deb/debian/openssl"}]
    bom["vulnerabilities"][0]["affects"] = [{"ref": "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#x"}]
    path.write_text(json.dumps(bom))
    hidden, = scanner.tree(root, "--vex", path)["hidden"]
    assert (hidden["said"], hidden["reason"]) == ("not_affected", "tried")


@pytest.mark.parametrize("text, name, hidden, warns", [
    ("# mine\nCVE-2024-1 package=openssl until=2026-11-28 not reached\n", "ignore", 1, False),
    ("DSA-1\n", "ignore", 1, False),
    ("CVE-2024-1 until=2026-11-27 it was to be updated\n", "ignore", 0, True),
    ("CVE-2024-1 exp:2020-01-01\n", ".trivyignore", 0, True),
    ("CVE-2024-1 package=zlib\n", "ignore", 0, False),
    ("ignore:\n  - id: CVE-2024-1\n    package: openssl\n    until: 2027-01-31\n    reason: not reached\n",
     "ignore.yaml", 1, False),
    ("ignore:\n  - id: CVE-2024-1\n    until: 2026-01-31\n", "ignore.yml", 0, True),
])
def test_ignore_files_have_reasons_and_end(scanner, tmp_path, text, name, hidden, warns):
    root = one_cve(scanner, tmp_path)
    path = tmp_path / name
    path.write_text(text)
    result = scanner.scan(root, "--ignore-file", path, "-f", "json")
    tree = json.loads(result.stdout)
    assert tree["summary"]["hidden"] == hidden
    assert ("does not count" in result.stderr) == warns == any("does not count" in w for w in tree["warnings"])
    if hidden and "not reached" in text:
        assert (tree["hidden"][0]["said"], tree["hidden"][0]["reason"]) == ("ignored", "not reached")


@pytest.mark.parametrize("name, text", [
    ("ignore", "CVE 2024\x01\n"), ("ignore", "CVE-2024-1 until=tomorrow\n"), ("i.yaml", "ignore:\n - package: x\n"),
    ("i.yaml", "- CVE-2024-1\n")])
def test_an_ignore_file_that_is_not_understood_is_no_scan(scanner, tmp_path, name, text):
    root = one_cve(scanner, tmp_path)
    (tmp_path / name).write_text(text)
    result = scanner.scan(root, "--ignore-file", tmp_path / name, check=False)
    # "CVE" is an id by its letters; what follows it is a reason.
    assert result.returncode == 2 or text.startswith("CVE 2024")
    (tmp_path / "vex.json").write_text('{"statements": []}')
    assert scanner.scan(root, "--vex", tmp_path / "vex.json", check=False).returncode == 2


# ---- what is scanned ----

def archive_of(root, path):
    """What `docker save` writes of an image with this folder as its only layer."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for name in ("etc/os-release", "var/lib/dpkg/status"):
            tar.add(root / name, name)
    config = {"architecture": "amd64", "os": "linux", "config": {}, "history": [{"created_by": "RUN make it"}],
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]}}
    with tarfile.open(path, "w") as tar:
        for name, content in (("layer.tar", layer.getvalue()), ("c.json", json.dumps(config).encode()),
                              ("manifest.json", json.dumps([{"Config": "c.json", "RepoTags": ["t:1"],
                                                             "Layers": ["layer.tar"]}]).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_archives_pipes_and_bills_of_materials_say_the_same(scanner, tmp_path):
    root = one_cve(scanner, tmp_path)
    expected = ids(scanner.tree(root))
    image = archive_of(root, tmp_path / "image.tar")
    tree = scanner.tree(image)
    assert ids(tree) == expected == {("openssl", "CVE-2024-1")}
    assert tree["vulnerabilities"][0]["packages"][0]["layer"]["created_by"] == "RUN make it"
    with open(image, "rb") as stdin:
        piped = subprocess.run([scanner.program, "scan", "--db", scanner.db, "-f", "json", "-"], stdin=stdin,
                               stdout=subprocess.PIPE, check=True)
    assert ids(json.loads(piped.stdout)) == expected
    bom = tmp_path / "bom.json"
    for form in ("cyclonedx", "spdx"):
        bom.write_text(scanner.run("sbom", "-f", form, image).stdout)
        assert {name for _, name in ids(scanner.tree(bom))} == {"CVE-2024-1"}, form


# ---- reports ----

def report(scanner, root, form, *words):
    first = scanner.scan(root, "-f", form, *words).stdout
    assert scanner.scan(root, "-f", form, *words).stdout == first, "not the same twice"
    return first


def two_cves(scanner, tmp_path):
    root = one_cve(scanner, tmp_path)
    ignore = tmp_path / "ignore"
    ignore.write_text("CVE-2024-2 not reached\n")
    scanner.load(record("CVE-2024-1", "openssl", "3.0.1-2", summary='A "bad" <thing> & more',
                        references=[{"type": "ADVISORY", "url": "https://x/1"}], published="2024-01-01T00:00:00Z",
                        severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]),
                 record("CVE-2024-2", "zlib"))
    return root, ignore


def test_a_table_is_for_people(scanner, tmp_path):
    root, ignore = two_cves(scanner, tmp_path)
    text = report(scanner, root, "table", "--ignore-file", ignore)
    assert "\033" not in text and NOW[:10] not in text.splitlines()[0]
    assert re.search(r"^openssl +3\.0\.1-1 +CVE-2024-1 +critical +3\.0\.1-2 +A \"bad\" <thing> & more$", text, re.M)
    assert "1 vulnerability, 1 critical; 1 fixed in a later version; 1 more not counted" in text
    assert "CVE-2024-2" not in text


def test_sarif_has_what_its_schema_requires(scanner, tmp_path):
    root, ignore = two_cves(scanner, tmp_path)
    sarif = json.loads(report(scanner, root, "sarif", "--ignore-file", ignore))
    assert sarif["version"] == "2.1.0" and sarif["$schema"].endswith("sarif-2.1.0.json")
    run, = sarif["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "onggi" and [rule["id"] for rule in rules] == ["CVE-2024-1", "CVE-2024-2"]
    assert rules[0]["properties"]["security-severity"] == "9.8" and rules[0]["helpUri"] == "https://x/1"
    vulnerabilities = [result for result in run["results"] if result["ruleId"].startswith("CVE-")]
    for result in vulnerabilities:
        assert result["message"]["text"] and result["level"] in ("none", "note", "warning", "error")
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        location, = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "var/lib/dpkg/status"
        assert location["physicalLocation"]["region"]["startLine"] >= 1
    assert [result.get("suppressions") for result in vulnerabilities] == [
        None, [{"kind": "external", "justification": "not reached"}]]


def test_places_in_sarif_are_uris(scanner, tmp_path):
    scanner.load(record("CVE-1-1", "y", ecosystem="npm", references=[{"type": "ADVISORY", "url": "https://x/a b?c#d%20"}]))
    for folder in ("My App [1]", "50%20", "a:b", "é"):
        path = tmp_path / "root" / folder / "node_modules/y/package.json"
        path.parent.mkdir(parents=True)
        path.write_text('{"name": "y", "version": "0.1.0"}')
    run, = json.loads(report(scanner, tmp_path / "root", "sarif"))["runs"]
    assert run["tool"]["driver"]["rules"][0]["helpUri"] == "https://x/a%20b?c#d%20"
    result, = [result for result in run["results"] if result["ruleId"] == "CVE-1-1"]
    assert [location["physicalLocation"]["artifactLocation"]["uri"] for location in result["locations"]] == [
        f"{name}/node_modules/y/package.json" for name in ("50%2520", "My%20App%20%5B1%5D", "./a:b", "%C3%A9")]


def test_cyclonedx_has_what_its_schema_requires(scanner, tmp_path):
    root, ignore = two_cves(scanner, tmp_path)
    bom = json.loads(report(scanner, root, "cyclonedx", "--ignore-file", ignore))
    assert (bom["bomFormat"], bom["specVersion"], bom["version"]) == ("CycloneDX", "1.5", 1)
    assert bom["metadata"]["timestamp"] == "2026-11-28T12:00:00Z"
    refs = [component["bom-ref"] for component in bom["components"]] + [bom["metadata"]["component"]["bom-ref"]]
    assert len(set(refs)) == len(refs)
    for component in bom["components"]:
        assert component["name"] and component["type"] in ("library", "operating-system")
    libraries = [c for c in bom["components"] if c["type"] == "library"]
    assert {c["name"]: c["purl"] for c in libraries}["zlib1g"] == \
        "pkg:deb/debian/zlib1g@1:1.3-1?arch=amd64&distro=debian-12"
    first, second = bom["vulnerabilities"]
    assert first["ratings"] == [{"score": 9.8, "severity": "critical", "method": "CVSSv31",
                                 "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    assert {affected["ref"] for affected in first["affects"]} <= set(refs) and len(first["affects"]) == 2
    assert second["analysis"] == {"state": "exploitable", "detail": "not reached"}
    assert "vulnerabilities" not in json.loads(scanner.run("sbom", root).stdout)


def test_spdx_has_what_its_schema_requires(scanner, tmp_path):
    root, _ = two_cves(scanner, tmp_path)
    document = json.loads(report(scanner, root, "spdx"))
    assert (document["spdxVersion"], document["dataLicense"], document["SPDXID"]) == (
        "SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    assert document["creationInfo"] == {"created": "2026-11-28T12:00:00Z", "creators": ["Tool: onggi-0.1.0"]}
    assert re.fullmatch(r"[a-z]+:[^\s#]+", document["documentNamespace"]) and document["name"]
    known = {"SPDXRef-DOCUMENT"} | {package["SPDXID"] for package in document["packages"]}
    assert len(known) == len(document["packages"]) + 1
    for package in document["packages"]:
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", package["SPDXID"])
        assert package["name"] and package["downloadLocation"] == "NOASSERTION" and package["filesAnalyzed"] is False
    assert document["relationships"][0]["relationshipType"] == "DESCRIBES"
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= known
    purls = [ref["referenceLocator"] for package in document["packages"] for ref in package.get("externalRefs", [])]
    assert purls == sorted(purls) and len(purls) == 3


def test_junit_counts_its_cases(scanner, tmp_path):
    root, ignore = two_cves(scanner, tmp_path)
    suites = xml.etree.ElementTree.fromstring(report(scanner, root, "junit", "--ignore-file", ignore))
    suite, = suites
    assert (suites.tag, suite.tag, suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == (
        "testsuites", "testsuite", "2", "1", "1")
    failed, skipped = suite
    assert failed.attrib["name"] == "[critical] CVE-2024-1" and failed.attrib["classname"] == "openssl 3.0.1-1"
    assert failed[0].tag == "failure" and failed[0].attrib["message"] == 'A "bad" <thing> & more'
    assert skipped[0].tag == "skipped" and skipped[0].attrib["message"] == "not reached"
    debian_root(root, [])
    assert 'failures="0"' in scanner.scan(root, "-f", "junit").stdout


def test_a_report_goes_into_a_file(scanner, tmp_path):
    root, _ = two_cves(scanner, tmp_path)
    result = scanner.scan(root, "-f", "json", "-o", tmp_path / "report.json")
    assert result.stdout == "" and json.loads((tmp_path / "report.json").read_text())["schema"] == "onggi-scan/1"
    assert scanner.scan(root, "-f", "html", check=False).returncode == 125


# ---- the database ----

def test_every_form_of_advisory_is_taken(scanner, tmp_path):
    alpine, npm, changelogs = tmp_path / "alpine", tmp_path / "npm", tmp_path / "changelogs"
    for folder in (alpine, npm, changelogs):
        folder.mkdir()
    (alpine / "main.yaml").write_text("distroversion: v3.18\npackages:\n  - pkg:\n      name: musl\n      secfixes:\n"
                                      "        1.2.4-r1:\n          - CVE-2020-28928\n")
    (npm / "1.json").write_text(json.dumps({"id": 1, "module_name": "bad", "title": "x", "cves": ["CVE-2014-7205"],
                                            "vulnerable_versions": "<=1.5.1", "patched_versions": ">=1.5.2"}))
    (npm / "gem.yml").write_text("gem: rack\ncve: 2022-1\ntitle: x\npatched_versions:\n  - \">= 2.0\"\n")
    (npm / "other.json").write_text("{}")
    with gzip.open(changelogs / "changelog.Debian.gz", "wt") as file:
        file.write("zlib (1:1.2.13-1) unstable; urgency=low\n\n  * Fix CVE-2022-37434.\n\n -- A <a@b>  now\n")
    os.symlink("/", changelogs / "root")
    assert "--ecosystem" in scanner.run("scan", "db", "import", "--db", scanner.db, changelogs, check=False).stderr
    assert not scanner.db.exists()
    result = scanner.run("scan", "db", "import", "--db", scanner.db, "--ecosystem", "Debian:12", alpine, npm, changelogs)
    assert result.stdout.splitlines() == ["1 records of 1 files", "2 records of 3 files, 1 documents of no form that is known",
                                          "1 records of 1 files"]
    status = json.loads(scanner.run("scan", "db", "status", "--db", scanner.db, "--json").stdout)
    assert [(s["name"], s["records"]) for s in status["sources"]] == [("alpine", 1), ("changelogs", 1), ("npm", 2)]
    root = debian_root(tmp_path / "root", [("zlib1g", "1:1.2.12-1", "zlib")])
    assert ids(scanner.tree(root)) == {("zlib", "CVE-2022-37434")}


def test_a_zip_of_records_is_taken(scanner, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(3):
            file.writestr(f"CVE-1-{i}.json", json.dumps(record(f"CVE-1-{i}", "a")))
    scanner.run("scan", "db", "import", "--db", scanner.db, tmp_path / "all.zip")
    tree = scanner.tree(debian_root(tmp_path / "root", [("a", "1", "a")]))
    assert ids(tree) == {("a", f"CVE-1-{i}") for i in range(3)}


def test_a_source_that_comes_again_replaces_what_it_said(scanner, tmp_path):
    root = debian_root(tmp_path / "root", [("a", "1", "a")])
    scanner.load(record("CVE-1-1", "a"), record("CVE-1-2", "a"))
    path = tmp_path / "other.jsonl"
    path.write_text(json.dumps(record("CVE-1-3", "a")))
    scanner.run("scan", "db", "import", "--db", scanner.db, path)
    assert {name for _, name in ids(scanner.tree(root))} == {"CVE-1-1", "CVE-1-2", "CVE-1-3"}
    path.write_text(json.dumps(record("CVE-1-4", "a")))
    scanner.run("scan", "db", "import", "--db", scanner.db, "--source", "test.jsonl", path)
    assert {name for _, name in ids(scanner.tree(root))} == {"CVE-1-3", "CVE-1-4"}


def test_an_import_that_fails_or_is_killed_changes_nothing(scanner, tmp_path):
    scanner.load(record("CVE-1-1", "a"))
    before = scanner.db.read_bytes()
    bad = tmp_path / "bad.json"
    for text in ("{", "[]", '{"id": "CVE-1", "affected": [{"package": {"ecosystem": "npm", "name": ""}}]}', ""):
        bad.write_text(text)
        assert scanner.run("scan", "db", "import", "--db", scanner.db, bad, check=False).returncode == 2
    (tmp_path / "bad.json.gz").write_bytes(gzip.compress(b"{}" * 100)[:20])
    assert scanner.run("scan", "db", "import", "--db", scanner.db, tmp_path / "bad.json.gz", check=False).returncode == 2
    many = tmp_path / "many.jsonl"
    many.write_text("".join(json.dumps(record(f"CVE-2-{i}", "a")) + "\n" for i in range(30000)))
    process = subprocess.Popen([scanner.program, "scan", "db", "import", "--db", scanner.db, "-q", many])
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert scanner.db.read_bytes() == before


def test_a_database_from_elsewhere_has_to_be_whole(scanner, tmp_path):
    scanner.load(record("CVE-1-1", "a", summary="x" * 200))
    made, other = tmp_path / "made.db", tmp_path / "other.db"
    os.rename(scanner.db, made)
    scanner.run("scan", "db", "update-from", "--db", scanner.db, made)
    assert scanner.db.read_bytes() == made.read_bytes()
    before = scanner.db.read_bytes()
    other.write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    assert scanner.run("scan", "db", "update-from", "--db", scanner.db, other, check=False).returncode == 2
    other.write_bytes(before[:len(before) // 2])
    assert scanner.run("scan", "db", "update-from", "--db", scanner.db, other, check=False).returncode == 2
    other.write_text("not a database at all")
    result = scanner.run("scan", "db", "update-from", "--db", scanner.db, other, check=False)
    assert f"'{other.name}' is no sound database" in result.stderr
    for words in (("update-from", other), ("status",)):
        place = other if words == ("status",) else scanner.db
        assert scanner.run("scan", "db", words[0], "--db", place, *words[1:], check=False).returncode == 2
    # A file that is somebody else's is not written to.
    assert scanner.run("scan", "db", "import", "--db", other, made, check=False).returncode == 2
    assert other.read_text() == "not a database at all" and scanner.db.read_bytes() == before


def test_without_a_database_it_says_what_to_do(scanner, tmp_path):
    root = debian_root(tmp_path / "root", [("a", "1", "a")])
    for db in (tmp_path / "none.db", tmp_path / "no/folder/none.db"):
        result = scanner.run("scan", "--db", db, root, check=False)
        assert result.returncode == 2 and "onggi scan db import" in result.stderr
    assert json.loads(scanner.run("scan", "--no-vulnerabilities", "-f", "json", root).stdout)["complete"] is False


# ---- what it gives up ----

def test_the_scanner_gives_up_all_before_it_reads(scanner, require, tmp_path):
    require.tool("strace")
    root = one_cve(scanner, tmp_path)
    log = tmp_path / "strace"
    subprocess.run(["strace", "-f", "-o", log, "-e", "trace=openat,openat2,prctl,capset,landlock_restrict_self,execve",
                    scanner.program, "scan", "--db", scanner.db, root], check=True, stdout=subprocess.DEVNULL)
    lines = log.read_text().splitlines()

    def first(*words):
        return next(i for i, line in enumerate(lines) if all(word in line for word in words))
    read = first("openat", '"status"')
    assert first("PR_SET_NO_NEW_PRIVS") < first("capset(") < read
    if any("landlock_restrict_self" in line and "= 0" in line for line in lines):
        assert first("landlock_restrict_self") < read
    kept = re.search(r"permitted=([^}]*?),? inheritable", lines[first("capset(")])[1]
    assert kept in ("1<<CAP_DAC_READ_SEARCH", "0")
    assert sum("execve(" in line for line in lines) == 1, "something was run"
