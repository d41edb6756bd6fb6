# SPDX-License-Identifier: Apache-2.0
"""onggi-registry on an engine's own data root: its images are there to be pulled."""

import http.client
import json
import os
import subprocess

import pytest

import images
from onggiregistry import digest_of


@pytest.fixture(scope="module")
def engine(start_onggid, busybox_tar, tmp_path_factory):
    """An engine with an image of plain tars, which it keeps as recipes, and one of compressed layers."""
    one = start_onggid()
    one.onggi("load", "-i", busybox_tar)
    one.onggi("tag", "busybox:test", "team/tool:1.0")
    one.onggi("tag", "busybox:test", "registry.example.org:5000/far/app:2")
    one.onggi("tag", "busybox:test", "registry.example.org/near:3")
    return one


@pytest.fixture(scope="module")
def registry(engine, start_onggi_registry):
    return start_onggi_registry(root=engine.data_root)


@pytest.fixture(scope="module")
def client(registry):
    return registry.client()


def pull_whole(client, name, reference):
    """The manifest's digest, after all it refers to was pulled and is what it should be."""
    answer = client.get(f"/v2/{name}/manifests/{reference}")
    assert answer.status == 200, answer
    digest = answer.headers["Docker-Content-Digest"]
    assert digest == digest_of(answer.body)
    document = answer.json()
    assert answer.headers["Content-Type"] == document["mediaType"]
    for part in (document["config"], *document["layers"]):
        head = client.head(f"/v2/{name}/blobs/{part['digest']}")
        assert head.status == 200 and int(head.headers["Content-Length"]) == part["size"]
        blob = client.get(f"/v2/{name}/blobs/{part['digest']}")
        assert blob.status == 200 and digest_of(blob.body) == part["digest"]
        assert len(blob.body) == part["size"]
    return digest


@pytest.mark.parametrize("name, tag", [("busybox", "test"), ("library/busybox", "test"),
                                       ("team/tool", "1.0"), ("far/app", "2"),
                                       ("registry.example.org/near", "3")])
def test_an_engines_image_is_pulled(client, name, tag):
    digest = pull_whole(client, name, tag)
    assert client.get(f"/v2/{name}/manifests/{digest}").status == 200
    assert client.get(f"/v2/{name}/tags/list").json()["tags"] == [tag]


def test_its_names_are_in_the_catalog(client):
    client.push_image("pushed/here", "latest")
    found = client.get("/v2/_catalog").json()["repositories"]
    assert found == ["busybox", "far/app", "pushed/here", "registry.example.org/near", "team/tool"]
    assert client.get("/v2/_catalog?n=2").json()["repositories"] == found[:2]
    assert client.get("/v2/_catalog?last=far/app").json()["repositories"] == found[2:]


def test_a_part_of_a_layer_kept_as_a_recipe(client, engine):
    document = client.get("/v2/busybox/manifests/test").json()
    layer = document["layers"][0]
    assert (engine.data_root / "recipes" / layer["digest"].split(":")[1]).exists()
    path = f"/v2/busybox/blobs/{layer['digest']}"
    whole = client.get(path).body
    for header, part in (("bytes=0-9", slice(0, 10)), ("bytes=70000-140000", slice(70000, 140001)),
                         ("bytes=-5", slice(-5, None))):
        answer = client.get(path, None, {"Range": header})
        assert answer.status == 206 and answer.body == whole[part]
    assert client.get(path, None, {"Range": f"bytes={layer['size']}-"}).status == 416


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}])
def test_a_damaged_layer_is_not_served_whole(client, engine, registry, require, headers):
    require.root()
    layer = client.get("/v2/busybox/manifests/test").json()["layers"][0]["digest"]
    path, whole = f"/v2/busybox/blobs/{layer}", client.get(f"/v2/busybox/blobs/{layer}").body
    file = engine.data_root / "layers" / (layer.split(":")[1] + ".erofs")
    kept = file.read_bytes()
    # Within a file's content, so that the tar can still be made of it.
    at = kept.index(whole[len(whole) // 2:][:4096])
    file.write_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1:])
    try:
        if headers:
            assert client.get(path, None, headers).status == 404
        else:
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                client.get(path)
        assert f"the engine's blob {layer}: it is damaged" in registry.log()
    finally:
        file.write_bytes(kept)
    assert client.get(path).body == whole


def test_what_an_image_does_not_have_is_not_there(client):
    assert client.get("/v2/busybox/manifests/other").status == 404
    assert client.get(f"/v2/busybox/blobs/{digest_of(b'nothing')}").status == 404
    config = client.get("/v2/busybox/manifests/test").json()["config"]["digest"]
    assert client.get(f"/v2/pushed/here/blobs/{config}").status == 404
    assert client.get("/v2/nowhere/tags/list").status == 404


def test_nothing_of_the_engine_is_deleted(client, engine):
    digest = client.head("/v2/busybox/manifests/test").headers["Docker-Content-Digest"]
    before = sorted(os.listdir(engine.data_root / "blobs/sha256"))
    for reference in ("test", digest):
        assert client.delete(f"/v2/busybox/manifests/{reference}").status == 404
    assert sorted(os.listdir(engine.data_root / "blobs/sha256")) == before
    assert client.get("/v2/busybox/manifests/test").status == 200


def test_a_blob_that_both_have_is_one_file(client, registry, engine):
    config = client.get("/v2/busybox/manifests/test").json()["config"]["digest"]
    content = client.get(f"/v2/busybox/blobs/{config}").body
    client.push_blob("pushed/here", content)
    ours = engine.data_root / "registry/blobs/sha256" / config.split(":")[1]
    theirs = engine.data_root / "blobs/sha256" / config.split(":")[1]
    assert os.path.samefile(ours, theirs) and ours.stat().st_nlink == 2
    registry.run("scrub")
    assert client.delete(f"/v2/pushed/here/blobs/{config}").status == 202
    registry.run("gc")
    assert not ours.exists() and theirs.read_bytes() == content


def test_skopeo_and_the_engine_itself_pull_it(registry, engine, require, tmp_path):
    skopeo = require.tool("skopeo")
    subprocess.run([skopeo, "copy", "--src-tls-verify=false", f"docker://{registry.address}/busybox:test",
                    f"oci:{tmp_path}/out:x"], check=True, capture_output=True, timeout=60)
    engine.onggi("pull", f"{registry.address}/team/tool:1.0")
    found = json.loads(engine.onggi("inspect", f"{registry.address}/team/tool:1.0").stdout)
    assert found[0]["Id"] == json.loads(engine.onggi("inspect", "busybox:test").stdout)[0]["Id"]
    assert images.BUSYBOX.exists()


def test_images_that_come_later_are_there_at_once(client, engine):
    engine.onggi("tag", "busybox:test", "later:now")
    pull_whole(client, "later", "now")
    engine.onggi("rmi", "later:now")
    assert client.get("/v2/later/manifests/now").status == 404
