# SPDX-License-Identifier: Apache-2.0
"""onggi copy: from registry to registry, with all that refers to what is copied."""

import json
import subprocess

import pytest

import pushing


@pytest.fixture
def onggi(prefix, tmp_path):
    """onggi(words...): a run of the command line without credentials."""
    def run(*words, check=True):
        result = subprocess.run([prefix / "bin/onggi", "--config", tmp_path / "none", *words],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                                check=False)
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result
    return run


@pytest.fixture
def second(start_registry):
    return start_registry()


def enter_by_tag(repository, subject, referrers):
    """A registry without the referrers API: the tag that stands in for it."""
    repository.index(referrers, subject["digest"].replace(":", "-"))


def test_an_index_is_copied_whole(onggi, registry, second):
    source, target = pushing.Repository(registry, "copy/index"), pushing.Repository(second, "x/y")
    platforms = [{**source.image(arch), "platform": {"os": "linux", "architecture": arch}}
                 for arch in ("amd64", "arm64")]
    inner = source.index(platforms[:1])
    top = source.index([*platforms, inner], "1")
    out = onggi("copy", f"{registry}/copy/index:1", f"{second}/x/y:copied").stdout
    assert out.splitlines()[-1] == top["digest"]
    for reference in (top["digest"], inner["digest"], *(p["digest"] for p in platforms)):
        assert target.get(reference) == source.get(reference) is not None
    assert target.get("copied") == source.get("1")
    for platform in platforms:
        manifest = json.loads(target.get(platform["digest"]))
        assert all(target.has_blob(part["digest"]) for part in (manifest["config"], *manifest["layers"]))
    again = onggi("copy", f"{registry}/copy/index:1", f"{second}/x/y:copied").stdout
    assert " 0 sent (0 bytes)" in again, again


def test_all_that_refers_to_it_goes_with_it(onggi, registry, second):
    source, target = pushing.Repository(registry, "copy/signed"), pushing.Repository(second, "signed")
    image = source.image("signed", "1")
    sbom = source.artifact(image, "application/spdx+json", "an SBOM")
    about = source.artifact(sbom, "application/vnd.example.signature", "a signature of the SBOM")
    enter_by_tag(source, image, [sbom])
    enter_by_tag(source, sbom, [about])
    signature = source.image("cosign's", image["digest"].replace(":", "-") + ".sig")
    onggi("copy", f"{registry}/copy/signed:1", f"{second}/signed")
    for reference in (image, sbom, about, signature):
        assert target.get(reference["digest"]) == source.get(reference["digest"]) is not None
    listed = json.loads(target.get(image["digest"].replace(":", "-")))["manifests"]
    assert [(entry["digest"], entry["artifactType"]) for entry in listed] == [
        (sbom["digest"], "application/spdx+json")]
    assert target.get(image["digest"].replace(":", "-") + ".sig") == source.get(signature["digest"])


def test_referrers_are_left_behind_when_asked(onggi, registry, second):
    source, target = pushing.Repository(registry, "copy/bare"), pushing.Repository(second, "bare")
    image = source.image("bare", "1")
    enter_by_tag(source, image, [source.artifact(image, "text/x", "left")])
    onggi("copy", "--no-referrers", f"{registry}/copy/bare:1", f"{second}/bare:1")
    assert target.tags() == ["1"]


def test_blobs_are_mounted_within_one_registry(onggi, registry):
    source = pushing.Repository(registry, "copy/mounted")
    image = source.image("mounted", "1")
    out = onggi("copy", f"{registry}/copy/mounted@{image['digest']}", f"{registry}/elsewhere/mounted").stdout
    assert " 0 sent (0 bytes), 2 mounted" in out, out
    target = pushing.Repository(registry, "elsewhere/mounted")
    assert target.get(image["digest"]) is not None and target.tags() == []


def test_every_tag_is_copied(onggi, registry, second):
    source = pushing.Repository(registry, "copy/many")
    for tag in ("a", "b", "c"):
        source.image(tag, tag)
    onggi("copy", "--all-tags", f"{registry}/copy/many", f"{second}/many")
    assert pushing.Repository(second, "many").tags() == ["a", "b", "c"]


def test_large_blobs_are_streamed(onggi, registry, second):
    source, target = pushing.Repository(registry, "copy/large"), pushing.Repository(second, "large")
    data = bytes(range(256)) * 4096 * 12
    layer = source.blob(data)
    config = source.blob(b"{}", "application/vnd.oci.empty.v1+json")
    source.manifest({"schemaVersion": 2, "mediaType": pushing.OCI_MANIFEST, "artifactType": "text/x",
                     "config": config, "layers": [layer]}, "1")
    onggi("copy", f"{registry}/copy/large:1", f"{second}/large:1")
    assert target.ask("GET", f"blobs/{layer['digest']}")[2] == data


def test_what_is_not_there_is_said(onggi, registry, second):
    result = onggi("copy", f"{registry}/copy/none:1", f"{second}/none:1", check=False)
    assert result.returncode == 1 and "not found" in result.stderr


def test_what_cosign_and_oras_made_is_still_found(onggi, peers, registry, second):
    source = pushing.Repository(registry, "copy/peers")
    image = source.image("peers", "1")
    name = f"{registry}/copy/peers@{image['digest']}"
    env = {"COSIGN_PASSWORD": ""}
    peers.run("cosign", "generate-key-pair", env=env)
    peers.run("cosign", "sign", "--yes", "--tlog-upload=false", "--key", "cosign.key", name, env=env)
    (peers.folder / "sbom.json").write_text("{}")
    peers.run("oras", "attach", "--plain-http", "--artifact-type", "application/spdx+json", name, "sbom.json")
    onggi("copy", f"{registry}/copy/peers:1", f"{second}/peers:1")
    moved = f"{second}/peers@{image['digest']}"
    peers.run("cosign", "verify", "--insecure-ignore-tlog", "--key", "cosign.pub", moved, env=env)
    out = peers.run("oras", "discover", "--plain-http", "--format", "json", moved).stdout
    assert "application/spdx+json" in out


def test_what_refers_in_circles_is_copied_once(onggi, registry, second):
    source, target = pushing.Repository(registry, "copy/circle"), pushing.Repository(second, "circle")
    image = source.image("circle", "1")
    about = source.artifact(image, "text/x", "about")
    enter_by_tag(source, image, [about])
    enter_by_tag(source, about, [{**image, "artifactType": "text/x"}, about])
    onggi("copy", f"{registry}/copy/circle:1", f"{second}/circle:1")
    assert target.get(about["digest"]) is not None


def test_indexes_within_one_another_have_an_end(onggi, registry, second):
    source = pushing.Repository(registry, "copy/deep")
    inner = source.image("deep")
    for depth in range(20):
        inner = source.index([inner], f"d{depth}")
    result = onggi("copy", f"{registry}/copy/deep:d19", f"{second}/deep:1", check=False)
    assert result.returncode == 1 and "over 16 manifests inside one another" in result.stderr
    onggi("copy", f"{registry}/copy/deep:d10", f"{second}/deep:1")
