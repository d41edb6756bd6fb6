# SPDX-License-Identifier: Apache-2.0
"""Archives in zip64, as writers make them of many members or of large ones."""

import io
import json
import subprocess
import zipfile

import pytest

from inventories import jar, named, pom, write

MANY = 65_536  # members: their number does not fit into the end of a zip archive


@pytest.fixture(scope="module")
def many():
    """A jar with more members than classic archives can have."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(MANY):
            archive.writestr(zipfile.ZipInfo(f"c/{number}.class"), b"")
        archive.writestr("lib/inner.jar", jar(pom("in", "ner", "2")))
        for name, text in pom("out", "er", "1").items():
            archive.writestr(name, text)
    assert b"PK\x06\x06" in out.getvalue()
    return out.getvalue()


@pytest.mark.parametrize("front", [b"", b"#!/bin/sh\nexec java -jar $0\n"])
def test_a_jar_of_many_members_is_read(inspect, tmp_path, many, front):
    write(tmp_path, {"app/many.jar": front + many})
    assert named(inspect("folder", tmp_path), "maven", "name", "version", "path") == [
        ("in:ner", "2", "app/many.jar!/lib/inner.jar"), ("out:er", "1", "app/many.jar")]


def test_a_jar_of_over_4_gib_is_read(inspect, tmp_path):
    """Most of it a hole in front, as of a program that brings a jar along."""
    write(tmp_path, {"app/large.jar": b""})
    with (tmp_path / "app/large.jar").open("wb") as out:
        out.truncate((4 << 30) + 12345)
        out.seek(0, 2)
        out.write(jar({"lib/inner.jar": jar(pom("in", "ner", "2")), **pom("out", "er", "1")}))
    assert named(inspect("folder", tmp_path), "maven", "name", "version", "path") == [
        ("in:ner", "2", "app/large.jar!/lib/inner.jar"), ("out:er", "1", "app/large.jar")]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_whose_sizes_and_places_are_wide(inspect, tmp_path, monkeypatch, method):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    inner = jar(pom("in", "ner", "2"), method)
    write(tmp_path, {"app/wide.jar": jar({"lib/inner.jar": inner, **pom("out", "er", "1")}, method)})
    assert named(inspect("folder", tmp_path), "maven", "name", "version", "path") == [
        ("in:ner", "2", "app/wide.jar!/lib/inner.jar"), ("out:er", "1", "app/wide.jar")]


def test_a_database_in_zip64_is_imported(prefix, tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    record = {"id": "CVE-2030-1", "modified": "2026-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": "npm", "name": "left-pad"}, "ranges": [
            {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]}
    tmp_path.joinpath("all.zip").write_bytes(jar({"CVE-2030-1.json": json.dumps(record)}))
    done = subprocess.run([prefix / "bin/onggi", "scan", "db", "import", "--db", tmp_path / "vuln.db",
                           tmp_path / "all.zip"], capture_output=True, text=True, timeout=60, check=True)
    assert "1 record" in done.stdout, done
