# SPDX-License-Identifier: Apache-2.0
"""
onggi-registry against the OCI distribution specification 1.1, in the groups of its own conformance
tests: pull, push, content discovery, content management; and what 1.1 leaves to those who know.
"""

import json
import os
import pathlib
import re
import subprocess
import threading

import pytest

from onggiregistry import (EMPTY, INDEX, MANIFEST, descriptor, digest_of, image, index, quote)

TOP = pathlib.Path(__file__).resolve().parents[2]

ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture(scope="module")
def client(onggi_registry):
    return onggi_registry.client()


@pytest.fixture
def name(request):
    """A repository of the test's own."""
    return "test/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


def check_error(answer, status, code):
    assert answer.status == status and answer.code == code, answer
    assert answer.json()["errors"][0]["message"]


# ---- the base ----

def test_the_base_says_that_this_is_a_registry(client):
    answer = client.get("/v2/")
    assert answer.status == 200
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert client.get("/v2").status == 200


@pytest.mark.parametrize("method, path", [
    ("POST", "/v2/"), ("PUT", "/v2/a/tags/list"), ("PATCH", "/v2/a/manifests/latest"),
    ("POST", "/v2/_catalog"), ("PUT", "/v2/a/blobs/" + digest_of(b""))])
def test_a_method_that_is_not_served_is_405(client, method, path):
    answer = client.ask(method, path)
    check_error(answer, 405, "UNSUPPORTED")
    allowed = answer.headers["Allow"].split(", ")
    assert "GET" in allowed and "HEAD" in allowed and method not in allowed


def test_the_description_names_what_is_served(client):
    """docs/openapi/onggi-registry.yaml: its methods are served with a status it names, no others are."""
    yaml = pytest.importorskip("yaml")
    described = yaml.safe_load((TOP / "docs/openapi/onggi-registry.yaml").read_text())
    parts = {"{name}": "some/name", "{reference}": "latest", "{digest}": digest_of(b""),
             "{id}": "0123abc"}
    for path, entry in described["paths"].items():
        for part, value in parts.items():
            path = path.replace(part, value)
        for method in ("get", "put", "post", "patch", "delete"):
            answer = client.ask(method.upper(), path)
            if method in entry:
                assert str(answer.status) in entry[method]["responses"], (method, path, answer)
            else:
                check_error(answer, 405, "UNSUPPORTED")


# ---- blobs: every form of upload ----

def test_a_blob_is_pushed_in_one_request(client, name):
    content = os.urandom(3000)
    digest = digest_of(content)
    answer = client.post(f"/v2/{name}/blobs/uploads/?digest={digest}", content)
    assert answer.status == 201, answer
    assert answer.headers["Location"] == f"/v2/{name}/blobs/{digest}"
    assert client.get(answer.headers["Location"]).body == content


@pytest.mark.parametrize("size", [0, 1, 4096, (128 << 10) - 1, 128 << 10, (128 << 10) + 1, 9 << 20])
def test_a_blob_is_pushed_in_two_requests(client, name, size):
    content = os.urandom(size)
    digest = client.push_blob(name, content)
    answer = client.get(f"/v2/{name}/blobs/{digest}")
    assert answer.status == 200 and answer.body == content
    assert answer.headers["Docker-Content-Digest"] == digest
    assert int(answer.headers["Content-Length"]) == size


def test_a_blob_is_pushed_in_chunks(client, name):
    content = os.urandom(300_000)
    location, at = client.begin(name), 0
    for size in (100_000, 1, 150_000):
        answer = client.patch(location, content[at:at + size],
                              {"Content-Range": f"{at}-{at + size - 1}"})
        at += size
        assert answer.status == 202 and answer.headers["Range"] == f"0-{at - 1}", answer
        location = answer.headers["Location"]
        status = client.get(location)
        assert status.status == 204 and status.headers["Range"] == f"0-{at - 1}", status
    digest = digest_of(content)
    answer = client.put(f"{location}?digest={digest}", content[at:],
                        {"Content-Range": f"{at}-{len(content) - 1}"})
    assert answer.status == 201, answer
    assert client.get(f"/v2/{name}/blobs/{digest}").body == content
    check_error(client.get(location), 404, "BLOB_UPLOAD_UNKNOWN")


def test_chunks_must_come_in_order(client, name):
    location = client.begin(name)
    content = b"0123456789" * 10
    assert client.patch(location, content[50:], {"Content-Range": "50-99"}).status == 416
    assert client.patch(location, content[:50], {"Content-Range": "0-49"}).status == 202
    for header in ("0-49", "51-100", "49-98"):
        answer = client.patch(location, content[:50], {"Content-Range": header})
        assert answer.status == 416, answer
        assert answer.headers["Range"] == "0-49"
    assert client.patch(location, content[50:], {"Content-Range": "50-99"}).status == 202
    assert client.put(f"{location}?digest={digest_of(content)}").status == 201


@pytest.mark.parametrize("header", ["", "5", "5-", "-5", "5-4", "a-b", "0-9/10", "bytes 0-9",
                                    "0-99999999999999999999", "0-8", "0-10"])
def test_a_content_range_that_is_none_is_refused(client, name, header):
    answer = client.patch(client.begin(name), b"0123456789", {"Content-Range": header})
    assert answer.status == 416, answer


@pytest.mark.parametrize("sizes", [(5000,), (70_000, 1, 200_000), ()])
def test_a_blob_is_streamed(client, name, sizes):
    parts = [os.urandom(size) for size in sizes]
    content = b"".join(parts)
    answer = client.patch(client.begin(name), iter(parts), chunked=True)
    assert answer.status == 202, answer
    answer = client.put(f"{answer.headers['Location']}?digest={digest_of(content)}")
    assert answer.status == 201, answer
    assert client.get(f"/v2/{name}/blobs/{digest_of(content)}").body == content


def test_what_comes_after_a_patch_without_a_range_is_appended(client, name):
    location = client.begin(name)
    assert client.patch(location, b"one").status == 202
    assert client.patch(location, b"two").headers["Range"] == "0-5"
    assert client.put(f"{location}?digest={digest_of(b'onetwothree')}", b"three").status == 201


def test_an_upload_goes_on_after_a_restart(start_onggi_registry, name):
    registry = start_onggi_registry()
    content = os.urandom(600_000)
    untouched = registry.client().begin(name)
    location = registry.client().begin(name)
    assert registry.client().patch(location, content[:400_000]).status == 202
    registry.kill()
    registry.start()
    client = registry.client()
    assert client.get(location).headers["Range"] == "0-399999"
    assert client.patch(location, content[400_000:500_000],
                        {"Content-Range": "400000-499999"}).status == 202
    answer = client.put(f"{location}?digest={digest_of(content)}", content[500_000:])
    assert answer.status == 201, answer
    assert client.get(f"/v2/{name}/blobs/{digest_of(content)}").body == content
    assert client.put(f"{untouched}?digest={digest_of(b'x')}", b"x").status == 201


def test_an_upload_is_cancelled(client, name):
    location = client.begin(name)
    assert client.patch(location, b"some").status == 202
    assert client.delete(location).status == 204
    check_error(client.get(location), 404, "BLOB_UPLOAD_UNKNOWN")
    check_error(client.patch(location, b"more"), 404, "BLOB_UPLOAD_UNKNOWN")
    check_error(client.delete(location), 404, "BLOB_UPLOAD_UNKNOWN")


def test_two_requests_do_not_work_on_one_upload(onggi_registry, name):
    """The second is refused, or comes after the first; the bytes are never mixed."""
    location = onggi_registry.client().begin(name)
    statuses = []

    def send(letter):
        statuses.append(onggi_registry.client().patch(location, letter * 3_000_000).status)
    threads = [threading.Thread(target=send, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = onggi_registry.client()
    size = int(client.get(location).headers["Range"].split("-")[1]) + 1
    assert set(statuses) <= {202, 409} and size == 3_000_000 * statuses.count(202)
    orders = (b"a", b"b", b"ab", b"ba")
    contents = [b"".join(bytes([letter]) * 3_000_000 for letter in order) for order in orders
                if len(order) == statuses.count(202)]
    held = (onggi_registry.root / "uploads" / location.rsplit("/", 1)[1]).read_bytes()
    assert held in contents


def test_a_blob_that_is_there_may_be_pushed_again(client, name):
    for _ in range(2):
        client.push_blob(name, b"the same")


# ---- digests ----

@pytest.mark.parametrize("form", ["one", "two", "patch"])
def test_what_is_not_its_digest_is_refused(client, name, form):
    wrong = digest_of(b"something else")
    if form == "one":
        answer = client.post(f"/v2/{name}/blobs/uploads/?digest={wrong}", b"content")
    else:
        location = client.begin(name)
        if form == "patch":
            client.patch(location, b"cont")
        answer = client.put(f"{location}?digest={wrong}", b"ent" if form == "patch" else b"content")
    check_error(answer, 400, "DIGEST_INVALID")
    assert client.head(f"/v2/{name}/blobs/{wrong}").status == 404
    assert client.head(f"/v2/{name}/blobs/{digest_of(b'content')}").status == 404


@pytest.mark.parametrize("digest", [
    "", "sha256", "sha256:", "sha256:abc", "sha256:" + "A" * 64, "sha256:" + "g" * 64, "md5:" + "0" * 32,
    "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha512:" + "0" * 64, "SHA256:" + "0" * 64,
    "sha256:../../../../etc/passwd", "sha256+b64:AAAA"])
def test_a_digest_that_is_none_is_refused(client, name, digest):
    location = client.begin(name)
    check_error(client.put(f"{location}?digest={quote(digest)}", b"x"), 400, "DIGEST_INVALID")
    if "/" not in digest and digest:
        check_error(client.get(f"/v2/{name}/blobs/{digest}"), 400, "DIGEST_INVALID")


def test_a_put_without_a_digest_is_refused(client, name):
    check_error(client.put(client.begin(name), b"x"), 400, "DIGEST_INVALID")


@pytest.mark.parametrize("form", ["one", "two", "patch"])
def test_sha512_is_served(client, name, form):
    content = os.urandom(200_000)
    digest = digest_of(content, "sha512")
    if form == "one":
        answer = client.post(f"/v2/{name}/blobs/uploads/?digest={digest}", content)
    elif form == "two":
        answer = client.put(f"{client.begin(name)}?digest={digest}", content)
    else:
        location = client.begin(name)
        client.patch(location, content[:100_000])
        answer = client.put(f"{location}?digest={digest}", content[100_000:])
    assert answer.status == 201 and answer.headers["Docker-Content-Digest"] == digest, answer
    assert client.get(f"/v2/{name}/blobs/{digest}").body == content


def test_an_image_with_sha512_throughout(client, name):
    config, layer = b'{"a":1}', b"layer"
    document = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json", "sha512"),
        "layers": [descriptor(layer, algorithm="sha512")]}).encode()
    for content in (config, layer):
        client.push_blob(name, content, "sha512")
    digest = digest_of(document, "sha512")
    answer = client.put_manifest(name, digest, document)
    assert answer.status == 201 and answer.headers["Docker-Content-Digest"] == digest, answer
    assert client.get(f"/v2/{name}/manifests/{digest}").body == document


# ---- mounting ----

@pytest.mark.parametrize("source", ["&from={}", ""])
def test_a_blob_is_mounted(client, name, source):
    content = os.urandom(100)
    digest = client.push_blob(f"{name}/a", content)
    answer = client.post(f"/v2/{name}/b/blobs/uploads/?mount={digest}" + source.format(f"{name}/a"))
    assert answer.status == 201, answer
    assert answer.headers["Location"] == f"/v2/{name}/b/blobs/{digest}"
    assert client.get(answer.headers["Location"]).body == content


@pytest.mark.parametrize("source", ["&from=nowhere", "", "&from=..%2F..", "&from=A"])
def test_what_cannot_be_mounted_begins_an_upload(client, name, source):
    content = os.urandom(100)
    digest = digest_of(content)
    answer = client.post(f"/v2/{name}/blobs/uploads/?mount={digest}{source}")
    assert answer.status == 202, answer
    assert client.put(f"{answer.headers['Location']}?digest={digest}", content).status == 201


# ---- pulling blobs ----

def test_a_blob_is_of_its_repository_alone(client, name):
    digest = client.push_blob(f"{name}/a", b"only there")
    check_error(client.get(f"/v2/{name}/b/blobs/{digest}"), 404, "BLOB_UNKNOWN")
    assert client.head(f"/v2/{name}/b/blobs/{digest}").status == 404


def test_head_tells_a_blobs_length(client, name):
    digest = client.push_blob(name, b"x" * 300_000)
    answer = client.head(f"/v2/{name}/blobs/{digest}")
    assert answer.status == 200 and answer.body == b""
    assert answer.headers["Content-Length"] == "300000"
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("header", ["bytes=0-99", "bytes=300000-"])
def test_head_knows_no_ranges(client, name, header):
    """RFC 9110, section 14.2: for any method but GET a Range is ignored."""
    for size in 1000, 300_000:
        digest = client.push_blob(name, b"x" * size)
        answer = client.head(f"/v2/{name}/blobs/{digest}", None, {"Range": header})
        assert answer.status == 200 and answer.headers["Content-Length"] == str(size), answer


@pytest.mark.parametrize("size", [1000, 300_000])
@pytest.mark.parametrize("header, part", [
    ("bytes=0-99", slice(0, 100)), ("bytes=100-", slice(100, None)), ("bytes=-10", slice(-10, None)),
    ("bytes=5-5", slice(5, 6)), ("bytes=990-999999999999999999999999", slice(990, None)),
    ("bytes=-999999999", slice(0, None)), ("BYTES=0-0", slice(0, 1))])
def test_a_part_of_a_blob_is_pulled(client, name, size, header, part):
    content = os.urandom(size)
    digest = client.push_blob(name, content)
    answer = client.get(f"/v2/{name}/blobs/{digest}", None, {"Range": header})
    assert answer.status == 206 and answer.body == content[part], answer
    first = (part.start or 0) if (part.start or 0) >= 0 else size + part.start
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.body) - 1}/{size}"


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-1001", "bytes=-0",
                                    "bytes=99999999999999999999-"])
def test_a_range_behind_the_end_is_416(client, name, header):
    digest = client.push_blob(name, b"x" * 1000)
    answer = client.get(f"/v2/{name}/blobs/{digest}", None, {"Range": header})
    check_error(answer, 416, "RANGE_INVALID")
    assert answer.headers["Content-Range"] == "bytes */1000"


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=5-4", "bytes=", "lines=0-1", "bytes=a-b",
                                    "bytes 0-1", "0-1", "bytes=--1", "bytes=1--2"])
def test_several_ranges_and_what_is_none_give_the_whole(client, name, header):
    content = os.urandom(1000)
    digest = client.push_blob(name, content)
    answer = client.get(f"/v2/{name}/blobs/{digest}", None, {"Range": header})
    assert answer.status == 200 and answer.body == content, answer


# ---- manifests ----

@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_is_pushed_and_pulled(client, name, by):
    document = image()
    for content in (EMPTY, b"a layer"):
        client.push_blob(name, content)
    digest = digest_of(document)
    reference = "v1.0_A-b" if by == "tag" else digest
    answer = client.put_manifest(name, reference, document)
    assert answer.status == 201, answer
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Location"].endswith(f"/v2/{name}/manifests/{digest}")
    for asked in {reference, digest}:
        answer = client.get(f"/v2/{name}/manifests/{asked}")
        assert answer.status == 200 and answer.body == document
        assert answer.headers["Content-Type"] == MANIFEST
        assert answer.headers["Docker-Content-Digest"] == digest
        answer = client.head(f"/v2/{name}/manifests/{asked}")
        assert answer.status == 200 and answer.body == b""
        assert int(answer.headers["Content-Length"]) == len(document)


def test_a_manifest_that_is_known_is_not_sent_again(client, name):
    digest, _ = client.push_image(name, "latest")
    answer = client.get(f"/v2/{name}/manifests/latest", None, {"If-None-Match": f'"{digest}"'})
    assert answer.status == 304 and answer.body == b""


@pytest.mark.parametrize("reference", ["latest", digest_of(b"nothing")])
def test_a_manifest_that_is_not_there_is_404(client, name, reference):
    check_error(client.get(f"/v2/{name}/manifests/{reference}"), 404, "MANIFEST_UNKNOWN")
    assert client.head(f"/v2/{name}/manifests/{reference}").status == 404


def test_a_tag_is_moved(client, name):
    first, _ = client.push_image(name, "latest", [b"one"])
    second, _ = client.push_image(name, "latest", [b"two"])
    assert client.head(f"/v2/{name}/manifests/latest").headers["Docker-Content-Digest"] == second
    assert client.get(f"/v2/{name}/manifests/{first}").status == 200


@pytest.mark.parametrize("missing", ["config", "layer"])
def test_a_manifest_of_blobs_that_are_not_there_is_refused(client, name, missing):
    client.push_blob(name, b"a layer" if missing == "config" else EMPTY)
    check_error(client.put_manifest(name, "latest", image()), 404, "MANIFEST_BLOB_UNKNOWN")
    assert client.get(f"/v2/{name}/manifests/latest").status == 404


def test_layers_that_lie_elsewhere_need_not_be_here(client, name):
    document = json.loads(image())
    document["layers"].append({**descriptor(b"far"), "urls": ["http://169.254.169.254/"]})
    document["layers"].append(descriptor(
        b"farther", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"))
    for content in (EMPTY, b"a layer"):
        client.push_blob(name, content)
    assert client.put_manifest(name, "latest", document).status == 201


def test_what_comes_by_another_digest_is_refused(client, name):
    _, document = client.push_image(name, "latest")
    check_error(client.put_manifest(name, digest_of(b"another"), document), 400, "DIGEST_INVALID")


def test_custom_fields_are_kept_byte_for_byte(client, name):
    document = image(x={"y": [1, 2.50, None]}, annotations={"a": "\u00fc\u20ac"}).replace(b", ", b" ,\n\t")
    for content in (EMPTY, b"a layer"):
        client.push_blob(name, content)
    assert client.put_manifest(name, "latest", document).status == 201
    assert client.get(f"/v2/{name}/manifests/latest").body == document


def test_a_large_manifest_is_served(client, name):
    _, document = client.push_image(name, "big", annotations={"a": "x" * 4_190_000})
    assert 4_190_000 < len(document) <= 4 << 20
    assert client.get(f"/v2/{name}/manifests/big").body == document


def test_a_manifest_of_thousands_of_layers(client, name):
    layers = [b"layer %d" % i for i in range(300)]
    for content in (EMPTY, *layers):
        client.push_blob(name, content)
    assert client.put_manifest(name, "many", image(layers=layers * 60)).status == 201


def test_docker_manifests_and_lists(client, name):
    document = image(EMPTY, mediaType=DOCKER)
    for content in (EMPTY, b"a layer"):
        client.push_blob(name, content)
    assert client.put_manifest(name, digest_of(document), document, DOCKER).status == 201
    lists = index([(document, DOCKER)], mediaType=DOCKER_LIST)
    assert client.put_manifest(name, "latest", lists, DOCKER_LIST).status == 201
    assert client.get(f"/v2/{name}/manifests/latest").headers["Content-Type"] == DOCKER_LIST


def test_a_manifest_without_a_media_type_is_what_it_came_as(client, name):
    document = json.loads(image())
    del document["mediaType"]
    for content in (EMPTY, b"a layer"):
        client.push_blob(name, content)
    body = json.dumps(document).encode()
    assert client.put_manifest(name, "latest", body, DOCKER).status == 201
    assert client.get(f"/v2/{name}/manifests/latest").headers["Content-Type"] == DOCKER


# ---- indexes and artifacts ----

def test_nested_indexes(client, name):
    digest, document = client.push_image(name, "inner")
    inner = index([(document, MANIFEST)])
    assert client.put_manifest(name, digest_of(inner), inner).status == 201
    outer = index([(inner, INDEX), (document, MANIFEST)])
    assert client.put_manifest(name, "outer", outer).status == 201
    answer = client.get(f"/v2/{name}/manifests/outer")
    assert answer.body == outer and answer.headers["Content-Type"] == INDEX
    assert client.get(f"/v2/{name}/manifests/{digest}").body == document


def test_an_empty_index(client, name):
    assert client.put_manifest(name, "latest", index([])).status == 201


def test_a_sparse_index_is_refused_unless_it_is_configured(client, start_onggi_registry, name):
    sparse = index([(b"not here", MANIFEST)])
    check_error(client.put_manifest(name, "latest", sparse), 404, "MANIFEST_BLOB_UNKNOWN")
    other = start_onggi_registry("storage: {sparse-indexes: true}\n").client()
    assert other.put_manifest(name, "latest", sparse).status == 201
    assert other.get(f"/v2/{name}/manifests/latest").body == sparse


def artifact(kind="application/vnd.example+type", subject=None, **more):
    document = json.loads(image(EMPTY, [b"content"]))
    document["config"] = descriptor(EMPTY, "application/vnd.oci.empty.v1+json")
    document["artifactType"] = kind
    if subject is not None:
        document["subject"] = descriptor(subject, MANIFEST)
    document.update(more)
    return json.dumps(document).encode()


def push_artifact(client, name, document, reference=None, kind=MANIFEST):
    for content in (EMPTY, b"content"):
        client.push_blob(name, content)
    answer = client.put_manifest(name, reference or digest_of(document), document, kind)
    assert answer.status == 201, answer
    return answer


def test_an_artifact(client, name):
    document = artifact()
    push_artifact(client, name, document, "latest")
    assert client.get(f"/v2/{name}/manifests/latest").body == document


def test_an_artifact_manifest_of_the_release_candidates(client, name):
    document = json.dumps({"mediaType": ARTIFACT, "artifactType": "a/b",
                           "blobs": [descriptor(b"content", "c/d")]}).encode()
    push_artifact(client, name, document, "latest", ARTIFACT)
    assert client.get(f"/v2/{name}/manifests/latest").headers["Content-Type"] == ARTIFACT


# ---- referrers ----

def referrers(client, name, digest, more=""):
    answer = client.get(f"/v2/{name}/referrers/{digest}{more}")
    assert answer.status == 200 and answer.headers["Content-Type"] == INDEX, answer
    document = answer.json()
    assert document["schemaVersion"] == 2 and document["mediaType"] == INDEX
    return document["manifests"], answer


def test_referrers_of_a_manifest(client, name):
    digest, subject = client.push_image(name, "latest")
    assert referrers(client, name, digest)[0] == []
    one = artifact("a/one", subject, annotations={"org.example": 'quoted "text"'})
    two = artifact("a/two", subject)
    three = json.dumps({**json.loads(image(EMPTY, [b"content"])),
                        "subject": descriptor(subject, MANIFEST)}).encode()
    four = json.dumps({**json.loads(index([])), "artifactType": "a/four",
                       "subject": descriptor(subject, MANIFEST)}).encode()
    for document in (one, two, three, four):
        kind = json.loads(document)["mediaType"]
        answer = push_artifact(client, name, document, kind=kind)
        assert answer.headers["OCI-Subject"] == digest
    found, answer = referrers(client, name, digest)
    assert [entry["digest"] for entry in found] == [digest_of(d) for d in (one, two, three, four)]
    assert found[0] == {"mediaType": MANIFEST, "digest": digest_of(one), "size": len(one),
                        "artifactType": "a/one", "annotations": {"org.example": 'quoted "text"'}}
    assert found[2]["artifactType"] == "application/vnd.oci.image.config.v1+json"
    assert found[3]["mediaType"] == INDEX and found[3]["artifactType"] == "a/four"
    assert "OCI-Filters-Applied" not in answer.headers


def test_referrers_are_filtered(client, name):
    digest, subject = client.push_image(name, "latest")
    for kind in ("a/one", "a/two+x"):
        push_artifact(client, name, artifact(kind, subject))
    found, answer = referrers(client, name, digest, f"?artifactType={quote('a/two+x')}")
    assert [entry["artifactType"] for entry in found] == ["a/two+x"]
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"


def test_a_subject_need_not_be_there(client, name):
    subject = b"a manifest that comes later"
    answer = push_artifact(client, name, artifact(subject=subject))
    assert answer.headers["OCI-Subject"] == digest_of(subject)
    assert len(referrers(client, name, digest_of(subject))[0]) == 1


def test_referrers_come_in_pages(client, name):
    digest, subject = client.push_image(name, "latest")
    for number in range(7):
        push_artifact(client, name, artifact(f"a/{number % 2}+x", subject, number=number))
    for filter_by, count in (("", 7), (f"&artifactType={quote('a/1+x')}", 3)):
        seen, path = [], f"/v2/{name}/referrers/{digest}?n=2{filter_by}"
        while path:
            answer = client.get(path)
            page = [entry["digest"] for entry in answer.json()["manifests"]]
            assert 0 < len(page) <= 2
            seen += page
            link = answer.headers.get("Link")
            path = link and re.fullmatch(r'<([^>]+)>; rel="next"', link)[1]
        assert len(set(seen)) == len(seen) == count


def test_referrers_of_what_was_deleted_are_gone_with_themselves(client, name):
    digest, subject = client.push_image(name, "latest")
    document = artifact(subject=subject)
    push_artifact(client, name, document)
    assert client.delete(f"/v2/{name}/manifests/{digest_of(document)}").status == 202
    assert referrers(client, name, digest)[0] == []


def test_the_fallback_of_older_clients_is_a_tag_like_any(client, name):
    digest, _ = client.push_image(name, "latest")
    tag = digest.replace(":", "-")
    assert client.get(f"/v2/{name}/manifests/{tag}").status == 404
    assert client.put_manifest(name, tag, index([])).status == 201
    assert client.get(f"/v2/{name}/manifests/{tag}").status == 200


def test_a_bad_digest_has_no_referrers(client, name):
    check_error(client.get(f"/v2/{name}/referrers/sha256:x"), 400, "DIGEST_INVALID")


# ---- discovery ----

def test_tags_are_listed_in_order_and_pages(client, name):
    digest, document = client.push_image(name, "z")
    tags = ["B", "a", "a-1", "b", "test0", "z"]
    for tag in tags:
        client.put_manifest(name, tag, document)
    assert client.get(f"/v2/{name}/tags/list").json() == {"name": name, "tags": sorted(tags)}
    seen, path = [], f"/v2/{name}/tags/list?n=4"
    while path:
        answer = client.get(path)
        seen.append(answer.json()["tags"])
        link = answer.headers.get("Link")
        path = link and re.fullmatch(r'<([^>]+)>; rel="next"', link)[1]
    assert seen == [sorted(tags)[:4], sorted(tags)[4:]]
    answer = client.get(f"/v2/{name}/tags/list?n=6")
    assert len(answer.json()["tags"]) == 6 and "Link" not in answer.headers
    assert client.get(f"/v2/{name}/tags/list?n=0").json()["tags"] == []
    assert client.get(f"/v2/{name}/tags/list?last=b").json()["tags"] == ["test0", "z"]
    assert digest in client.head(f"/v2/{name}/manifests/a").headers["ETag"]


def test_tags_of_nowhere(client, name):
    check_error(client.get(f"/v2/{name}/tags/list"), 404, "NAME_UNKNOWN")


@pytest.mark.parametrize("number", ["x", "-1", "1.5", ""])
def test_a_page_of_no_number_is_refused(client, name, number):
    client.push_image(name, "latest")
    assert client.get(f"/v2/{name}/tags/list?n={number}").status == 400


def test_the_catalog_comes_in_pages(start_onggi_registry):
    client = start_onggi_registry().client()
    assert client.get("/v2/_catalog").json() == {"repositories": []}
    names = sorted(["a", "a/b", "a-b", "z/y/x", "q", "m"])
    for one in names:
        client.push_image(one, "latest")
    assert client.get("/v2/_catalog").json() == {"repositories": names}
    answer = client.get("/v2/_catalog?n=4")
    assert answer.json()["repositories"] == names[:4]
    answer = client.get(re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers["Link"])[1])
    assert answer.json()["repositories"] == names[4:] and "Link" not in answer.headers


# ---- management ----

def test_a_tag_is_deleted_and_its_manifest_stays(client, name):
    digest, _ = client.push_image(name, "one")
    assert client.delete(f"/v2/{name}/manifests/one").status == 202
    check_error(client.get(f"/v2/{name}/manifests/one"), 404, "MANIFEST_UNKNOWN")
    assert client.get(f"/v2/{name}/manifests/{digest}").status == 200
    check_error(client.delete(f"/v2/{name}/manifests/one"), 404, "MANIFEST_UNKNOWN")


def test_a_manifest_is_deleted_with_its_tags(client, name):
    digest, document = client.push_image(name, "one")
    client.put_manifest(name, "two", document)
    assert client.delete(f"/v2/{name}/manifests/{digest}").status == 202
    for reference in ("one", "two", digest):
        assert client.get(f"/v2/{name}/manifests/{reference}").status == 404
    assert client.get(f"/v2/{name}/tags/list").json()["tags"] == []
    check_error(client.delete(f"/v2/{name}/manifests/{digest}"), 404, "MANIFEST_UNKNOWN")


def test_a_blob_is_deleted_when_nothing_refers_to_it(client, name):
    digest, _ = client.push_image(name, "one", [b"mine"])
    layer = digest_of(b"mine")
    check_error(client.delete(f"/v2/{name}/blobs/{layer}"), 405, "DENIED")
    assert client.get(f"/v2/{name}/blobs/{layer}").status == 200
    assert client.delete(f"/v2/{name}/manifests/{digest}").status == 202
    assert client.delete(f"/v2/{name}/blobs/{layer}").status == 202
    assert client.get(f"/v2/{name}/blobs/{layer}").status == 404
    check_error(client.delete(f"/v2/{name}/blobs/{layer}"), 404, "BLOB_UNKNOWN")


def test_what_is_deleted_in_one_repository_stays_in_another(client, name):
    for one in ("a", "b"):
        client.push_image(f"{name}/{one}", "latest", [b"shared"])
    digest = client.head(f"/v2/{name}/a/manifests/latest").headers["Docker-Content-Digest"]
    assert client.delete(f"/v2/{name}/a/manifests/{digest}").status == 202
    assert client.delete(f"/v2/{name}/a/blobs/{digest_of(b'shared')}").status == 202
    assert client.get(f"/v2/{name}/b/manifests/latest").status == 200
    assert client.get(f"/v2/{name}/b/blobs/{digest_of(b'shared')}").body == b"shared"


# ---- on disk ----

def test_the_root_is_an_image_layout(start_onggi_registry, require):
    skopeo = require.tool("skopeo")
    registry = start_onggi_registry()
    digest, _ = registry.client().push_image("some/app", "1.0", config=json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode())
    registry.stop()
    found = json.loads((registry.root / "index.json").read_text())
    assert json.loads((registry.root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert [(entry["digest"], entry["annotations"]) for entry in found["manifests"]] == [
        (digest, {"org.opencontainers.image.ref.name": "some/app:1.0"})]
    raw = subprocess.run([skopeo, "inspect", "--raw", f"oci:{registry.root}:some/app:1.0"],
                         capture_output=True, check=True).stdout
    assert digest_of(raw) == digest
