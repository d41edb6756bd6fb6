# SPDX-License-Identifier: Apache-2.0
"""The first pull of a large blob: it is hashed while it goes out, and none that is damaged goes out whole."""

import json
import os
import pathlib
import re
import socket
import ssl
import threading
import time

import pytest

import registries
from onggiregistry import digest_of

SIZE = 3_000_000
HELD = 65536


@pytest.fixture(scope="module")
def files(test_folder, require):
    require.tool("openssl")
    return registries.make_certificate(test_folder / "first-pull")


@pytest.fixture(params=["plain", "TLS"])
def tls(request, files):
    """Options of the server, and the certificate to trust."""
    if request.param == "plain":
        return [], None
    return ["--tls-cert", files[0], "--tls-key", files[1]], files[0]


class Puller:
    """One connection, seen byte by byte."""

    def __init__(self, registry, certificate=None):
        host, _, port = registry.address.partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        if certificate:
            context = ssl.create_default_context(cafile=certificate)
            # A connection that just ends is what these tests are about.
            context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        self.rest = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def read(self):
        try:
            return self.socket.recv(1 << 16)
        except (ConnectionError, ssl.SSLError):
            return b""

    def ask(self, path, method="GET", headers=""):
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())

    def head(self):
        """(status, what was promised)"""
        while b"\r\n\r\n" not in self.rest:
            part = self.read()
            assert part, self.rest
            self.rest += part
        head = bytes(self.rest[:self.rest.index(b"\r\n\r\n")])
        del self.rest[:len(head) + 4]
        return int(head.split()[1]), int(re.search(rb"(?i)content-length: (\d+)", head)[1])

    def get(self, path, headers=""):
        """(status, what was promised, what came)"""
        self.ask(path, headers=headers)
        status, promised = self.head()
        while len(self.rest) < promised and (part := self.read()):
            self.rest += part
        body = bytes(self.rest[:promised])
        del self.rest[:promised]
        return status, promised, body


def content_of(seed, size=SIZE):
    return seed.encode() + os.urandom(size - len(seed))


def change(registry, content, offset=None, length=None):
    """One bit at `offset`, or another length."""
    path = registry.blob_path(digest_of(content))
    with open(path, "r+b") as file:
        if length is not None:
            file.truncate(length)
        else:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))


@pytest.fixture
def damage(require):
    require.root()  # blobs are read-only even for their owner
    return change


@pytest.fixture
def registry(start_onggi_registry, tls):
    return start_onggi_registry("access-log: {file: access.log}\n", options=tls[0])


def sent(registry, content):
    """Bytes of its pulls, of each: what the server got rid of, whatever then reached the client."""
    end = time.monotonic() + 20
    while True:
        lines = [json.loads(line) for line in (registry.folder / "access.log").read_text().splitlines()]
        found = [line["bytes"] for line in lines if line["method"] == "GET" and line["path"] == path_of(content)]
        if found or time.monotonic() > end:
            return found
        time.sleep(0.01)


def push(registry, tls, *contents):
    """By a client of its own, so that the server may start anew."""
    for content in contents:
        with Puller(registry, tls[1]) as client:
            client.socket.sendall(b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            while b"\r\n\r\n" not in client.rest:
                client.rest += client.read()
            location = re.search(rb"(?i)location: (?:https?://[^/]*)?(\S+)", client.rest)[1].decode()
            client.rest.clear()
            client.socket.sendall(f"PUT {location}?digest={digest_of(content)} HTTP/1.1\r\nHost: x\r\n"
                                  f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
            assert client.head()[0] == 201


def path_of(content):
    return f"/v2/a/blobs/{digest_of(content)}"


def restart(registry):
    registry.stop()
    registry.start()


def test_a_good_one_is_whole_over_a_kept_connection(registry, tls):
    contents = [content_of("one"), content_of("two", SIZE + 1)]
    push(registry, tls, *contents)
    restart(registry)
    with Puller(registry, tls[1]) as client:
        for content in contents * 2:
            assert client.get(path_of(content)) == (200, len(content), content)
        for first, last in ((0, 0), (1, HELD), (1, HELD + 1), (5, SIZE - 1)):
            found = client.get(path_of(contents[0]), f"Range: bytes={first}-{last}\r\n")
            assert found == (206, last - first + 1, contents[0][first:last + 1])


@pytest.mark.parametrize("first, last", [(0, 0), (7, HELD + 6), (0, HELD), (100_000, SIZE - 1)])
def test_a_part_of_a_good_one_that_is_not_known(registry, tls, first, last):
    content = content_of("part")
    push(registry, tls, content)
    restart(registry)
    with Puller(registry, tls[1]) as client:
        for _ in range(2):
            found = client.get(path_of(content), f"Range: bytes={first}-{last}\r\n")
            assert found == (206, last - first + 1, content[first:last + 1])


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("where", [0, SIZE // 2, SIZE - 1])
def test_a_damaged_one_breaks_off_before_its_end(registry, tls, damage, where, restarted):
    bad, good = content_of("bad"), content_of("good")
    push(registry, tls, bad, good)
    if restarted:
        registry.stop()
    damage(registry, bad, where)
    if restarted:
        registry.start()
    with Puller(registry, tls[1]) as client:
        status, promised, body = client.get(path_of(bad))
        # What is sent before the verdict is all but the end; nobody can take it for the whole.
        assert (status, promised) == (200, SIZE) and len(body) <= SIZE - HELD
        assert client.read() == b"", "the connection is over"
    assert sent(registry, bad) == [SIZE - HELD]
    with Puller(registry, tls[1]) as client:
        assert client.get(path_of(bad))[0] == 404
        assert client.get(path_of(good)) == (200, SIZE, good)
    quarantined = os.listdir(registry.root / "quarantine")
    assert [name.split(".")[0] for name in quarantined] == [digest_of(bad).split(":")[1]]
    assert registry.log().count("is damaged: moved to quarantine/") == 1
    push(registry, tls, bad)
    with Puller(registry, tls[1]) as client:
        assert client.get(path_of(bad)) == (200, SIZE, bad)


@pytest.mark.parametrize("length", [SIZE - 1, SIZE // 2, SIZE + 1, 2 * SIZE])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_one_of_another_length_is_not_there(registry, tls, damage, length, method):
    content = content_of("length")
    push(registry, tls, content)
    damage(registry, content, length=length)
    with Puller(registry, tls[1]) as client:
        client.ask(path_of(content), method)
        assert client.head()[0] == 404
    assert len(os.listdir(registry.root / "quarantine")) == 1


def test_parts_never_make_the_whole_of_a_damaged_one(registry, tls, damage):
    content = content_of("parts")
    for headers, held in (("Range: bytes=0-0\r\n", True), (f"Range: bytes=5-{HELD + 4}\r\n", True),
                          ("Range: bytes=-9\r\n", True), (f"Range: bytes=0-{SIZE - 2}\r\n", False),
                          (f"Range: bytes=-{SIZE // 2}\r\n", False)):
        push(registry, tls, content)
        damage(registry, content, SIZE // 3)
        with Puller(registry, tls[1]) as client:
            status, promised, body = client.get(path_of(content), headers)
            assert status == (404 if held else 206), headers
            assert held or len(body) <= promised - HELD, headers


def test_head_tells_what_is_there_until_somebody_reads_it(registry, tls, damage):
    content = content_of("head")
    push(registry, tls, content)
    damage(registry, content, 0)
    with Puller(registry, tls[1]) as client:
        client.ask(path_of(content), "HEAD")
        assert client.head() == (200, SIZE)
        assert client.get(path_of(content))[2] != content
    with Puller(registry, tls[1]) as client:
        client.ask(path_of(content), "HEAD")
        assert client.head()[0] == 404


def test_a_client_that_stops_reading_holds_up_nobody(registry, tls, damage):
    bad, good = content_of("slow", 30_000_000), content_of("quick", 30_000_000)
    push(registry, tls, bad, good)
    registry.stop()
    damage(registry, bad, 0)
    registry.start()
    with Puller(registry, tls[1]) as slow, Puller(registry, tls[1]) as other:
        for client, content in ((slow, bad), (other, good)):
            client.ask(path_of(content))
            assert client.head() == (200, 30_000_000)
        # Neither reads on. Others have their answer, and the damage is found.
        with Puller(registry, tls[1]) as quick:
            assert quick.get(path_of(good)) == (200, 30_000_000, good)
        end = time.monotonic() + 30
        while "is damaged" not in registry.log():
            assert time.monotonic() < end
            time.sleep(0.01)
        with Puller(registry, tls[1]) as late:
            assert late.get(path_of(bad))[0] == 404
        # Who reads on after all has no more of it than others.
        while part := slow.read():
            slow.rest += part
        assert len(slow.rest) <= 30_000_000 - HELD
    registry.stop()


def test_a_server_ends_while_clients_wait(registry, tls):
    content = content_of("end", 30_000_000)
    push(registry, tls, content)
    restart(registry)
    with Puller(registry, tls[1]) as client:
        client.ask(path_of(content))
        assert client.head()[0] == 200
        registry.stop()


def read_bytes(registry):
    """What the server's process has read or sent from files; and from sockets, which is little here."""
    text = pathlib.Path(f"/proc/{registry.process.pid}/io").read_text()
    return int(re.search(r"rchar: (\d+)", text)[1])


def test_a_crowd_hashes_it_once(start_onggi_registry):
    registry, size, crowd = start_onggi_registry(), 40_000_000, 6
    content = content_of("crowd", size)
    push(registry, ([], None), content)
    restart(registry)
    before, found, gate = read_bytes(registry), [], threading.Barrier(crowd)

    def pull():
        with Puller(registry) as client:
            gate.wait()
            found.append(client.get(path_of(content))[2] == content)

    threads = [threading.Thread(target=pull) for _ in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * crowd
    # Each sent it, and one read it to hash it.
    assert read_bytes(registry) - before < (crowd + 1.5) * size
