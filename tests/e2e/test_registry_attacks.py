# SPDX-License-Identifier: Apache-2.0
"""Attacks on onggi-registry: A49 to A51, A55 to A57, A62, A63 of docs/security.md."""

import http.client
import json
import os
import re
import socket
import subprocess
import threading

import pytest

from onggiregistry import EMPTY, INDEX, MANIFEST, descriptor, digest_of, image, index


@pytest.fixture(scope="module")
def client(onggi_registry):
    return onggi_registry.client()


@pytest.fixture
def name(request):
    return "attack/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


def memory_kib(registry, key="VmRSS"):
    for line in open(f"/proc/{registry.process.pid}/status", encoding="ascii"):
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def files(registry):
    return sum(len(names) for _, _, names in os.walk(registry.root / "blobs"))


# ---- A49: what is not what it says ----

@pytest.mark.parametrize("length", [10, 1000, 10_000_000])
def test_a_body_that_ends_early_makes_no_blob(onggi_registry, client, name, length):
    before = files(onggi_registry)
    location = client.begin(name)
    content = b"0123456789"[:9]
    with socket.create_connection(onggi_registry.address.split(":"), timeout=20) as connection:
        connection.sendall(f"PUT {location}?digest={digest_of(content)} HTTP/1.1\r\nHost: x\r\n"
                           f"Content-Length: {length}\r\n\r\n".encode() + content)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    assert not answer or answer.split()[1] in (b"400", b"404", b"500"), answer
    assert client.head(f"/v2/{name}/blobs/{digest_of(content)}").status == 404
    assert files(onggi_registry) == before


def test_a_manifest_that_ends_early_is_none(onggi_registry, client, name):
    for content in (EMPTY, b"a layer"):
        client.push_blob(name, content)
    document = image()
    with socket.create_connection(onggi_registry.address.split(":"), timeout=20) as connection:
        connection.sendall(f"PUT /v2/{name}/manifests/latest HTTP/1.1\r\nHost: x\r\n"
                           f"Content-Type: {MANIFEST}\r\n"
                           f"Content-Length: {len(document) + 5}\r\n\r\n".encode() + document)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    assert not answer or answer.split()[1] != b"201", answer
    assert client.get(f"/v2/{name}/manifests/latest").status == 404


# ---- A50: what two readers take for two things ----

def twice(key, document):
    """The same key once more, with another value."""
    return document.replace(b"{", b'{"%s": [], ' % key, 1)


def ambiguous():
    plain = json.loads(image())
    entries = json.loads(index([(image(), MANIFEST)]))["manifests"]
    yield "image-and-index", MANIFEST, {**plain, "manifests": entries}
    yield "index-and-image", INDEX, {**plain, "mediaType": INDEX, "manifests": entries}
    yield "empty-index", MANIFEST, {**plain, "manifests": []}
    yield "null-index", MANIFEST, {**plain, "manifests": None}
    yield "image-and-artifact", MANIFEST, {**plain, "blobs": []}
    yield "came-as-index", INDEX, plain
    yield "index-shape-as-image", MANIFEST, {
        "schemaVersion": 2, "mediaType": MANIFEST, "manifests": entries}
    yield "schema-1", MANIFEST, {**plain, "fsLayers": []}
    yield "schema-version", MANIFEST, {**plain, "schemaVersion": 1}
    yield "no-schema-version", MANIFEST, {k: v for k, v in plain.items() if k != "schemaVersion"}
    yield "layers-twice", MANIFEST, twice(b"layers", image())
    yield "config-twice", MANIFEST, twice(b"config", image())
    yield "text-behind", MANIFEST, image() + b"{}"
    yield "no-object", MANIFEST, b"[]"
    yield "no-json", MANIFEST, b"\x00\xff"
    yield "nothing", MANIFEST, b""
    yield "neither", MANIFEST, b"{}"
    yield "strange-type", "text/html", image(mediaType="text/html")
    yield "config-is-no-object", MANIFEST, {**plain, "config": "x"}
    yield "layers-are-no-array", MANIFEST, {**plain, "layers": {}}
    yield "negative-size", MANIFEST, {**plain, "layers": [{**descriptor(b"a layer"), "size": -1}]}
    yield "no-size", MANIFEST, {**plain, "layers": [{"digest": digest_of(b"a layer")}]}
    yield "path-as-digest", MANIFEST, {**plain, "layers": [
        {**descriptor(b"a layer"), "digest": "sha256:../../../registry.db"}]}
    yield "capital-digest", MANIFEST, {**plain, "layers": [
        {**descriptor(b"a layer"), "digest": digest_of(b"a layer").upper().replace("SHA", "sha")}]}
    yield "annotation-is-no-text", MANIFEST, {**plain, "annotations": {"a": 1}}
    yield "type-of-two-lines", MANIFEST, {**plain, "artifactType": "a/b\r\nX-Y: z"}


@pytest.mark.parametrize("kind, document", [pytest.param(k, d, id=i) for i, k, d in ambiguous()])
def test_a_manifest_of_two_meanings_is_refused(client, name, kind, document):
    for content in (EMPTY, b"a layer"):
        client.push_blob(name, content)
    client.put_manifest(name, digest_of(image()), image())
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = client.put_manifest(name, "latest", body, kind)
    assert answer.status == 400 and answer.code == "MANIFEST_INVALID", answer
    assert client.get(f"/v2/{name}/manifests/latest").status == 404


# ---- A51: bombs ----

def test_indexes_nest_only_so_deep(client, name):
    _, document = client.push_image(name, "latest")
    kind, accepted = MANIFEST, 0
    for _ in range(1000):
        document, kind = index([(document, kind)]), INDEX
        answer = client.put_manifest(name, digest_of(document), document)
        if answer.status != 201:
            break
        accepted += 1
    assert accepted == 16 and answer.status == 400 and answer.code == "MANIFEST_INVALID", answer


@pytest.mark.parametrize("size", [(4 << 20) + 1, 100 << 20])
def test_a_huge_manifest_is_refused(onggi_registry, name, size):
    before = memory_kib(onggi_registry)
    with socket.create_connection(onggi_registry.address.split(":"), timeout=20) as connection:
        connection.sendall(f"PUT /v2/{name}/manifests/latest HTTP/1.1\r\nHost: x\r\n"
                           f"Content-Type: {MANIFEST}\r\nContent-Length: {size}\r\n\r\n".encode())
        assert connection.recv(4096).split()[1] == b"413"
    chunked = onggi_registry.client()
    block = b" " * (1 << 20)
    try:
        answer = chunked.put(f"/v2/{name}/manifests/latest", (block for _ in range(8)),
                             {"Content-Type": MANIFEST}, chunked=True)
        assert answer.status == 413, answer
    except (http.client.HTTPException, ConnectionError):
        pass  # hung up on in the midst
    assert memory_kib(onggi_registry) - before < 16 << 10


def test_descriptors_are_counted(onggi_registry, client, name):
    entry = json.dumps(descriptor(b"")).encode()
    document = b'{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}' % (
        INDEX.encode(), b",".join([entry.replace(b" ", b"")] * 24_000))
    assert len(document) < 4 << 20
    assert client.put_manifest(name, "latest", document, INDEX).status == 404
    many = b'{"schemaVersion":2,"mediaType":"%s","layers":[%s]}' % (
        MANIFEST.encode(), b",".join([b"{}"] * 1_000_000))
    assert client.put_manifest(name, "latest", many, MANIFEST).status in (400, 413)
    assert memory_kib(onggi_registry, "VmHWM") < 120 << 10


def test_deep_json_is_refused(client, name):
    deep = b"[" * 1_000_000
    document = image()[:-1] + b', "x": ' + deep + b"}"
    assert client.put_manifest(name, "latest", document, MANIFEST).status == 400


# ---- A55: names that are paths ----

PATHS = [
    "/v2/../../etc/passwd", "/v2/a/../b/manifests/latest", "/v2/a/./manifests/latest",
    "/v2/a//manifests/latest", "/v2/a/manifests/..", "/v2/a/manifests/../../x",
    "/v2/%2e%2e/manifests/latest", "/v2/a%2F..%2Fb/manifests/latest", "/v2/a%2fb/manifests/latest",
    "/v2/a/manifests/%2e%2e%2f%2e%2e%2fregistry.db", "/v2/a/manifests/..%2f..%2fregistry.db",
    "/v2/a/blobs/sha256:..%2f..%2fregistry.db", "/v2/a/blobs/..%2f..%2fregistry.db",
    "/v2/a/blobs/sha256%3A" + "0" * 63 + "/", "/v2/a/blobs/uploads/..%2f..%2fregistry.db",
    "/v2/a/blobs/uploads/../../registry.db", "/v2/a/blobs/uploads/%2e%2e", "/v2/a/tags/list/../x",
    "/v2/A/manifests/latest", "/v2/-a/manifests/latest", "/v2/a-/manifests/latest",
    "/v2/a..b/manifests/latest", "/v2/a/manifests/.hidden", "/v2/a/manifests/-x",
    "/v2/a/manifests/" + "x" * 129, "/v2/" + "a" * 256 + "/manifests/latest",
    "/v2/a/manifests/a%00b", "/v2/a%0d%0aX:y/manifests/latest", "/v2/a b/manifests/latest",
    "/v2/a\\..\\b/manifests/latest", "/v2/\u00e4/manifests/latest", "/v2/a/referrers/..%2f..",
    "/v2/manifests/latest", "/v2//manifests/latest", "/v2/blobs/uploads/",
]


def raw(address, method, path):
    with socket.create_connection(address.split(":"), timeout=20) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                           "Connection: close\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return int(answer.split(b" ", 2)[1]), answer


@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_is_a_path_leads_nowhere(onggi_registry, path):
    before = sorted(str(p) for p in onggi_registry.folder.rglob("*") if "index.json" not in p.name)
    for method in ("GET", "HEAD", "DELETE", "PUT", "POST", "PATCH"):
        status, answer = raw(onggi_registry.address, method, path)
        assert status in (400, 404, 405, 413, 414), (method, answer)
        assert b"SQLite" not in answer and b"root:" not in answer
    after = sorted(str(p) for p in onggi_registry.folder.rglob("*") if "index.json" not in p.name)
    assert after == before


# ---- A56, A57: what is another's ----

def test_an_upload_is_of_its_repository_alone(client, name):
    location = client.begin(f"{name}/a")
    assert client.patch(location, b"secret").status == 202
    stolen = location.replace(f"{name}/a/", f"{name}/b/")
    for answer in (client.get(stolen), client.patch(stolen, b"x"), client.delete(stolen),
                   client.put(f"{stolen}?digest={digest_of(b'secret')}")):
        assert answer.status == 404 and answer.code == "BLOB_UPLOAD_UNKNOWN", answer
    assert client.get(location).headers["Range"] == "0-5"


def test_upload_ids_cannot_be_made_up(onggi_registry, client, name):
    location = client.begin(name)
    base, real = location.rsplit("/", 1)
    last = "0" if real[-1] != "0" else "1"
    for forged in (real[:-1] + last, "0" * 8 + real[8:], "f" * 8 + real[8:], real[:32] + "0" * 32,
                   real[:32], real + "0", "0" * 64, real.upper() + "0"):
        assert client.patch(f"{base}/{forged}", b"x").status == 404, forged
    assert os.listdir(onggi_registry.root / "uploads").count(real) == 0


def test_a_blob_of_another_repository_is_found_by_nobody_else(client, name):
    digest = client.push_blob(f"{name}/a", b"secret")
    here = client.get(f"/v2/{name}/b/blobs/{digest}")
    nowhere = client.get(f"/v2/{name}/b/blobs/{digest_of(b'never pushed')}")
    assert here.status == nowhere.status == 404 and here.code == nowhere.code
    assert here.body.replace(digest.encode(), b"") == nowhere.body.replace(
        digest_of(b"never pushed").encode(), b"")


# ---- A62: floods ----

def test_ten_thousand_open_uploads_take_neither_memory_nor_disk(start_onggi_registry):
    registry = start_onggi_registry()
    registry.client().begin("a")
    before = memory_kib(registry)

    def begin(count):
        client = registry.client()
        for _ in range(count):
            client.begin("a")
    threads = [threading.Thread(target=begin, args=(2500,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.listdir(registry.root / "uploads") == []
    assert memory_kib(registry) - before < 2048


def test_uploads_with_bytes_are_limited(start_onggi_registry):
    registry = start_onggi_registry("storage: {uploads: 3, uploads-size: 100KiB}\n")
    client = registry.client()
    locations = [client.begin("a") for _ in range(5)]
    answers = [client.patch(location, b"x" * 1000) for location in locations]
    assert [answer.status for answer in answers] == [202, 202, 202, 429, 429]
    assert answers[-1].code == "TOOMANYREQUESTS"
    assert client.patch(locations[0], b"x" * 200_000).status == 429
    assert client.delete(locations[0]).status == 204
    assert client.patch(locations[3], b"x" * 1000).status == 202
    # What comes in one piece needs no place among them.
    assert client.push_blob("a", b"y" * 50_000)


def test_a_long_list_of_ranges_costs_no_more_than_the_whole(onggi_registry, client, name):
    digest = client.push_blob(name, b"x" * 10_000)
    header = "bytes=" + ",".join(f"{i}-{i}" for i in range(9000))
    answer = client.get(f"/v2/{name}/blobs/{digest}", None, {"Range": header})
    assert answer.status in (200, 400, 431) and len(answer.body) <= 10_000
    header = "bytes=" + ",".join("0-" for _ in range(1000))
    answer = client.get(f"/v2/{name}/blobs/{digest}", None, {"Range": header})
    assert answer.status == 200 and len(answer.body) == 10_000
    assert onggi_registry.process.poll() is None


def test_a_full_disk_is_said_and_survived(start_onggi_registry, require, tmp_path):
    require.root()
    registry = start_onggi_registry()
    registry.stop()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "full", registry.root], check=True)
    try:
        registry.start()
        client = registry.client()
        kept = client.push_blob("a", b"kept")
        for size in (4_000_000, 8_000_000):
            content = os.urandom(size)
            answer = client.put(f"{client.begin('a')}?digest={digest_of(content)}", content)
            assert answer.status == 507, answer
            location = client.begin("a")
            answer = client.patch(location, content)
            assert answer.status == 507, answer
            assert client.delete(location).status == 204
            assert client.head(f"/v2/a/blobs/{digest_of(content)}").status == 404
        assert client.get(f"/v2/a/blobs/{kept}").body == b"kept"
        assert client.push_blob("a", b"room again" * 1000)
        client.close()
        registry.stop()
    finally:
        if registry.process.poll() is None:
            registry.kill()
        subprocess.run(["umount", "-l", registry.root], check=True)
        registry.start()


# ---- A63: referrers without end ----

def test_a_thousand_referrers_come_in_pages(onggi_registry, client, name):
    digest, subject = client.push_image(name, "latest")
    client.push_blob(name, b"content")
    plain = {**json.loads(image(EMPTY, [b"content"])), "subject": descriptor(subject, MANIFEST)}

    def push(numbers):
        mine = onggi_registry.client()
        for number in numbers:
            assert mine.put_manifest(name, f"r{number}", {**plain, "n": number}).status == 201
    threads = [threading.Thread(target=push, args=(range(i, 1100, 4),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen, pages, path = set(), 0, f"/v2/{name}/referrers/{digest}?n=1000000"
    while path:
        answer = client.get(path)
        found = answer.json()["manifests"]
        assert len(found) <= 500
        seen |= {entry["digest"] for entry in found}
        pages += 1
        link = answer.headers.get("Link")
        path = link and re.fullmatch(r'<([^>]+)>; rel="next"', link)[1]
    assert len(seen) == 1100 and pages == 3


def test_huge_annotations_do_not_make_a_huge_answer(client, name):
    digest, subject = client.push_image(name, "latest")
    client.push_blob(name, b"content")
    plain = {**json.loads(image(EMPTY, [b"content"])), "subject": descriptor(subject, MANIFEST)}
    for number in range(4):
        answer = client.put_manifest(name, f"r{number}",
                                     {**plain, "annotations": {"a": f"{number}" * 2_000_000}})
        assert answer.status == 201, answer
    seen, path = 0, f"/v2/{name}/referrers/{digest}"
    while path:
        answer = client.get(path)
        assert len(answer.body) < 4 << 20
        seen += len(answer.json()["manifests"])
        link = answer.headers.get("Link")
        path = link and re.fullmatch(r'<([^>]+)>; rel="next"', link)[1]
    assert seen == 4


def test_many_large_manifests_at_once_take_little_memory(start_onggi_registry):
    """Sent slowly, and taken slowly: neither holds memory for each."""
    registry = start_onggi_registry()
    client = registry.client()
    _, document = client.push_image("a", "big", annotations={"a": "x" * 4_000_000})
    before = memory_kib(registry)
    host, port = registry.address.split(":")
    head = (f"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Type: {MANIFEST}\r\n"
            f"Content-Length: {len(document)}\r\n\r\n").encode()
    get = b"GET /v2/a/manifests/big HTTP/1.1\r\nHost: x\r\n\r\n"
    connections = []
    try:
        for number in range(60):
            connections.append(socket.create_connection((host, port), timeout=20))
            if number % 2:
                connections[-1].sendall(get)
            else:
                connections[-1].sendall(head + document[:-1])
        assert client.get("/v2/a/manifests/big").body == document
        assert memory_kib(registry) - before < 40 << 10
        for connection in connections[::2]:
            connection.sendall(document[-1:])
        for connection in connections[::2]:
            assert connection.recv(4096).split()[1] == b"201"
    finally:
        for connection in connections:
            connection.close()
