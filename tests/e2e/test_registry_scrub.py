# SPDX-License-Identifier: Apache-2.0
"""Bits that flip in the store: all are found, none is served."""

import os
import random
import threading

import pytest

from onggiregistry import digest_of, image


def contents(count, seed):
    """Most small, some so large that they are not verified at each read."""
    chance = random.Random(seed)
    return [chance.randbytes(chance.choice((1, 2, 100, 4096)) if number % 20 else 140_000)
            + number.to_bytes(4, "big") for number in range(count)]


def push_all(registry, blobs):
    def work(mine):
        client = registry.client()
        for content in mine:
            client.push_blob("a", content)
    threads = [threading.Thread(target=work, args=(blobs[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def flip_bit(registry, content, chance):
    """In place, with the times that the file had."""
    path = registry.blob_path(digest_of(content))
    at, bit = chance.randrange(len(content)), chance.randrange(8)
    before = path.stat()
    with open(path, "r+b", opener=lambda name, _: os.open(name, os.O_RDWR)) as file:
        file.seek(at)
        file.write(bytes([content[at] ^ (1 << bit)]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def damage(require):
    require.root()  # blobs are read-only even for their owner
    return flip_bit


def test_a_thousand_flipped_bits_are_found(start_onggi_registry, damage):
    registry = start_onggi_registry()
    blobs, chance = contents(1050, 1), random.Random(2)
    push_all(registry, blobs)
    bad, good = blobs[:1000], blobs[1000:]
    for content in bad:
        damage(registry, content, chance)
    done = registry.run("scrub", check=False)
    assert done.returncode == 1 and "1000 damaged, 0 missing" in done.stdout, done
    assert len(os.listdir(registry.root / "quarantine")) == 1000
    client = registry.client()
    for content in bad[::50]:
        assert client.get(f"/v2/a/blobs/{digest_of(content)}").status == 404
    for content in good:
        assert client.get(f"/v2/a/blobs/{digest_of(content)}").body == content
    # The next push brings it again.
    for content in bad[::50]:
        assert client.head(f"/v2/a/blobs/{digest_of(content)}").status == 404
        client.push_blob("a", content)
        assert client.get(f"/v2/a/blobs/{digest_of(content)}").body == content
    assert "0 damaged, 980 missing" in registry.run("scrub").stdout


@pytest.mark.parametrize("restarted", [False, True])
def test_none_is_served_though_nobody_scrubbed(start_onggi_registry, damage, restarted):
    registry = start_onggi_registry()
    blobs, chance = contents(300, 3), random.Random(4)
    push_all(registry, blobs)
    client = registry.client()
    for content in blobs[::5]:  # which makes them known to be good
        assert client.get(f"/v2/a/blobs/{digest_of(content)}").body == content
    if restarted:
        registry.stop()
    for content in blobs:
        damage(registry, content, chance)
    if restarted:
        registry.start()
        client = registry.client()
    for number, content in enumerate(blobs):
        headers = {"Range": "bytes=0-0"} if number % 3 == 0 else {}
        answer = client.get(f"/v2/a/blobs/{digest_of(content)}", None, headers)
        assert answer.status == 404 and answer.code == "BLOB_UNKNOWN", (number, answer)
    assert len(os.listdir(registry.root / "quarantine")) == 300
    assert registry.log().count("is damaged: moved to quarantine/") == 300


def test_a_damaged_manifest_is_not_served(start_onggi_registry, damage):
    registry = start_onggi_registry()
    client = registry.client()
    digest, document = client.push_image("a", "latest")
    damage(registry, document, random.Random(5))
    for reference in ("latest", digest):
        assert client.get(f"/v2/a/manifests/{reference}").status == 404
    assert client.put_manifest("a", "latest", image()).status == 201
    assert client.get("/v2/a/manifests/latest").body == document


def test_a_push_replaces_what_is_damaged(start_onggi_registry, damage):
    registry = start_onggi_registry()
    client = registry.client()
    for content in (b"small", b"large" * 100_000):
        client.push_blob("a", content)
        damage(registry, content, random.Random(6))
        client.push_blob("b", content)
        for name in ("a", "b"):
            assert client.get(f"/v2/{name}/blobs/{digest_of(content)}").body == content


def test_scrub_runs_at_an_interval_beside_requests(start_onggi_registry, damage):
    registry = start_onggi_registry("storage: {scrub-every: 1s}\n")
    client = registry.client()
    client.push_blob("a", b"good")
    client.push_blob("a", b"bad")
    damage(registry, b"bad", random.Random(7))
    for _ in range(300):
        assert client.get(f"/v2/a/blobs/{digest_of(b'good')}").status == 200
        if "1 damaged" in registry.log():
            break
        threading.Event().wait(0.02)
    assert "1 damaged" in registry.log()
