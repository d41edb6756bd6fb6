# SPDX-License-Identifier: Apache-2.0
"""onggi-registry among clients that are slow, lie, leave or never end, and on a full disk (A62)."""

import concurrent.futures
import os
import pathlib
import re
import socket

import pytest

from onggiregistry import digest_of

THREADS_MAX = 520  # 512 workers and the registry's own


def dial(registry):
    host, port = registry.address.split(":")
    one = socket.create_connection((host, int(port)), timeout=20)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def hear(one):
    """All that comes until the server closes; a reset is an end, too."""
    parts = []
    try:
        while part := one.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def say(registry, text):
    with dial(registry) as one:
        one.sendall(text)
        return hear(one)


def status_of(answer):
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split()[1])


def process(registry, name):
    text = pathlib.Path(f"/proc/{registry.process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", text)[1])


def descriptors(registry):
    return len(os.listdir(f"/proc/{registry.process.pid}/fd"))


def blobs(registry):
    return sorted(path.name for path in registry.root.joinpath("blobs").rglob("*") if path.is_file())


def uploads(registry):
    return sorted(os.listdir(registry.root / "uploads"))


def serves(registry):
    client = registry.client()
    assert client.get("/v2/").status == 200
    content = os.urandom(1000)
    digest = client.push_blob("sound", content)
    assert client.get(f"/v2/sound/blobs/{digest}").body == content
    client.close()


# ---- slow ones, and many ----

def test_heads_that_never_end_hold_nobody_up(onggi_registry):
    held = [dial(onggi_registry) for _ in range(400)]
    for one in held:
        one.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    serves(onggi_registry)
    assert process(onggi_registry, "Threads") <= THREADS_MAX
    for one in held:
        one.close()


def test_bodies_that_never_end_hold_nobody_up(onggi_registry):
    client = onggi_registry.client()
    held = []
    for _ in range(100):
        location = client.begin("slow")
        held.append(dial(onggi_registry))
        held[-1].sendall(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nab".encode())
    serves(onggi_registry)
    for one in held:
        one.close()


def test_one_connection_too_many_is_told_so(start_onggi_registry):
    registry = start_onggi_registry("limits: {connections: 20}\n")
    held = [dial(registry) for _ in range(20)]
    for one in held:  # each is surely accepted
        one.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 200")
    assert status_of(hear(dial(registry))) == 503
    for one in held:
        one.close()
    for _ in range(1000):
        if status_of(say(registry, b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")) == 200:
            break
    else:
        pytest.fail("connections that were closed still count")
    serves(registry)


def test_requests_in_one_packet_are_answered_in_their_order(onggi_registry):
    client = onggi_registry.client()
    digests = [client.push_blob("pipe", b"%d" % number) for number in range(50)]
    text = "".join(f"GET /v2/pipe/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n" for digest in digests)
    answer = say(onggi_registry, text.encode() + b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    bodies = re.findall(rb"\r\n\r\n(\d+)HTTP/1.1", answer)
    assert bodies == [b"%d" % number for number in range(50)]
    client.close()


# ---- those that lie ----

def put(location, digest, headers, body):
    return (f"PUT {location}?digest={digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode()
            + body)


@pytest.mark.parametrize("headers, body", [
    ("Content-Length: 100\r\n", b"not a hundred"),
    ("Transfer-Encoding: chunked\r\n", b"d\r\nnot a hundred\r\n"),
    ("Transfer-Encoding: chunked\r\n", b"ff\r\nnot a hundred\r\n"),
    ("Transfer-Encoding: chunked\r\n", b"d\r\nnot a hundred\r\n0\r\n"),
])
def test_a_body_that_breaks_off_makes_no_blob(onggi_registry, headers, body):
    client = onggi_registry.client()
    before = blobs(onggi_registry)
    location = client.begin("liar")
    with dial(onggi_registry) as one:
        one.sendall(put(location, digest_of(b"not a hundred"), headers, body))
        one.shutdown(socket.SHUT_WR)
        hear(one)
    assert blobs(onggi_registry) == before
    assert client.head(f"/v2/liar/blobs/{digest_of(b'not a hundred')}").status == 404
    client.close()


@pytest.mark.parametrize("headers, body, status", [
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n", 400),
    ("Content-Length: 5\r\nContent-Length: 5\r\n", b"hello", 400),
    ("Content-Length: -5\r\n", b"hello", 400),
    ("Content-Length: 5\n", b"hello", 400),
    ("Content-Length: 99999999999999999999999\r\n", b"hello", 400),
    ("Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n", 400),
    ("Content-Length: 4\r\n", b"hell", 400),                      # another digest's
    ("Content-Range: 5-9\r\nContent-Length: 5\r\n", b"hello", 416),
])
def test_a_body_that_is_told_wrongly_is_refused(onggi_registry, headers, body, status):
    client = onggi_registry.client()
    before = blobs(onggi_registry)
    answer = say(onggi_registry, put(client.begin("liar"), digest_of(b"hello"), headers, body))
    assert status_of(answer) == status
    assert blobs(onggi_registry) == before
    client.close()


def test_a_range_of_a_thousand_parts_costs_no_more_than_the_whole(onggi_registry):
    client = onggi_registry.client()
    digest = client.push_blob("ranges", b"0123456789" * 1000)
    for parts in ("0-0," * 1000 + "1-1", "0-," * 1000 + "5-5", "bytes=" * 500, "-" * 5000):
        answer = client.get(f"/v2/ranges/blobs/{digest}", headers={"Range": f"bytes={parts}"})
        assert answer.status in (200, 416) and len(answer.body) <= 10000, answer
    client.close()


def test_what_follows_a_body_is_no_part_of_it(onggi_registry):
    client = onggi_registry.client()
    answer = say(onggi_registry, put(client.begin("liar"), digest_of(b"part"), "Content-Length: 4\r\n",
                                     b"part of more"))
    assert status_of(answer) == 201 and answer.count(b"HTTP/1.1") == 1
    assert client.get(f"/v2/liar/blobs/{digest_of(b'part')}").body == b"part"
    client.close()


# ---- those that leave ----

def test_clients_that_leave_in_a_pull_leave_nothing(onggi_registry):
    client = onggi_registry.client()
    digest = client.push_blob("large", os.urandom(32 << 20))
    client.close()
    serves(onggi_registry)
    before = descriptors(onggi_registry)
    for _ in range(50):
        with dial(onggi_registry) as one:
            one.sendall(f"GET /v2/large/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert one.recv(1000).startswith(b"HTTP/1.1 200")
    for _ in range(1000):
        serves(onggi_registry)
        if descriptors(onggi_registry) <= before + 2:
            break
    else:
        pytest.fail("descriptors of clients that have left are still open")


def test_ten_thousand_open_uploads_take_next_to_nothing(start_onggi_registry):
    registry = start_onggi_registry()
    serves(registry)
    before = process(registry, "VmRSS")

    def begin(count):
        client = registry.client()
        last = [client.begin("many") for _ in range(count)][-1]
        client.close()
        return last

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        locations = list(pool.map(begin, [2500] * 4))
    assert process(registry, "VmRSS") < before + 8 * 1024
    assert uploads(registry) == []
    client = registry.client()
    for location in locations:
        assert client.put(f"{location}?digest={digest_of(b'one of many')}", b"one of many").status == 201
    client.close()
    serves(registry)


def test_uploads_with_bytes_are_counted(start_onggi_registry):
    registry = start_onggi_registry("storage: {uploads: 20}\n")
    client = registry.client()
    locations = [client.begin("many") for _ in range(21)]
    for location in locations[:20]:
        assert client.patch(location, b"bytes").status == 202
    refused = client.patch(locations[20], b"bytes")
    assert refused.status == 429 and refused.code == "TOOMANYREQUESTS"
    serves(registry)  # what comes whole is no open upload
    assert client.delete(locations[0]).status == 204
    assert client.patch(locations[20], b"bytes").status == 202
    assert len(uploads(registry)) == 20
    client.close()


# ---- no space ----

def fill(path):
    with open(path, "wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(b"x" * 65536)


def test_an_upload_goes_on_when_there_is_room_again(start_onggi_registry, small_disk):
    registry = start_onggi_registry(options=["--root", small_disk / "root"])
    registry.root = small_disk / "root"
    client = registry.client()
    content = os.urandom(300_000)
    location = client.begin("later")
    assert client.patch(location, content[:4096]).status == 202
    fill(small_disk / "filler")

    def there():
        return int(client.get(location).headers["Range"].split("-")[1]) + 1

    before = None
    while before != there():   # what came before there was no room is kept
        before = there()
        assert client.patch(location, content[before:]).status == 507
    small_disk.joinpath("filler").unlink()
    assert client.patch(location, content[before:]).status == 202
    answer = client.put(f"{location}?digest={digest_of(content)}")
    assert answer.status == 201, answer
    client.close()
    registry.stop()


def test_a_full_disk_is_said_and_loses_nothing(start_onggi_registry, small_disk):
    registry = start_onggi_registry(options=["--root", small_disk / "root"])
    registry.root = small_disk / "root"
    client = registry.client()
    digest, document = client.push_image("kept", "1")
    large = os.urandom(24 << 20)
    for chunked in (False, True):
        location = client.begin("large")
        answer = client.put(f"{location}?digest={digest_of(large)}", iter([large]) if chunked else large,
                            chunked=chunked)
        assert answer.status == 507, answer
    answer = client.patch(client.begin("large"), large)
    assert answer.status == 507, answer

    # Filled to the last byte: what is there is still served, what does not fit is refused.
    fill(small_disk / "filler")
    assert client.get("/v2/kept/manifests/1").body == document
    assert client.put(f"{client.begin('kept')}?digest={digest_of(b'x' * 99999)}", b"x" * 99999).status == 507
    small_disk.joinpath("filler").unlink()

    for name in uploads(registry):
        assert client.delete(f"/v2/large/blobs/uploads/{name}").status == 204
    assert client.push_image("kept", "2", layers=(os.urandom(4 << 20),))
    assert client.get(f"/v2/kept/manifests/{digest}").body == document
    assert client.head(f"/v2/large/blobs/{digest_of(large)}").status == 404
    client.close()
    registry.stop()
