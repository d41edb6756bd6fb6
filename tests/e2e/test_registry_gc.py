# SPDX-License-Identifier: Apache-2.0
"""Collection beside a server: what is acknowledged stays, what nothing refers to goes (A59)."""

import json
import os
import threading
import time

from onggiregistry import EMPTY, MANIFEST, descriptor, digest_of, image, index

QUICK = "storage: {{grace: {grace}, collect-every: 1s, upload-timeout: {upload}}}\n"


def collected(registry, *options):
    """What `onggi-registry gc` says it removed: manifests, blobs, uploads, bytes."""
    words = registry.run("gc", *options).stdout.split()
    return [int(word) for word in words if word.isdigit()]


class Loop:
    """`onggi-registry gc`, one run after the other, in a thread."""

    def __init__(self, registry):
        self.registry, self.runs, self.failures, self.stop = registry, 0, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop:
            done = self.registry.run("gc", check=False)
            self.runs += 1
            if done.returncode != 0:
                self.failures.append(done.stderr)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


def push(client, name, number, retry):
    """An image with a layer of its own and one that all have. True when it was acknowledged."""
    layers = [b"layer %d" % number, b"shared by all"]
    document = image(EMPTY, layers, number=number)
    while True:
        for content in (EMPTY, *layers):
            client.push_blob(name, content)
        answer = client.put_manifest(name, f"t{number % 50}", document)
        if answer.status == 201:
            return document, layers
        assert retry and answer.code == "MANIFEST_BLOB_UNKNOWN", answer


def push_many(registry, name, numbers, retry):
    pushed, failures = [], []

    def work(mine):
        client = registry.client()
        try:
            pushed.extend(push(client, name, number, retry) for number in mine)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)
    threads = [threading.Thread(target=work, args=(numbers[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    return pushed


def check_pulls(client, name, pushed):
    for document, layers in pushed:
        answer = client.get(f"/v2/{name}/manifests/{digest_of(document)}")
        assert answer.status == 200 and answer.body == document, answer
        for content in (EMPTY, *layers):
            answer = client.get(f"/v2/{name}/blobs/{digest_of(content)}")
            assert answer.status == 200 and answer.body == content, answer


def test_a_thousand_pushes_beside_collection_all_pull(start_onggi_registry):
    registry = start_onggi_registry(QUICK.format(grace="20s", upload="1m"))
    with Loop(registry) as loop:
        pushed = push_many(registry, "a/b", range(1000), retry=False)
    assert len(pushed) == 1000 and loop.runs > 5 and not loop.failures
    check_pulls(registry.client(), "a/b", pushed)


def test_without_any_grace_what_is_acknowledged_still_pulls(start_onggi_registry):
    """A push may then be refused, and is tried again; but none is acknowledged that does not pull."""
    registry = start_onggi_registry(QUICK.format(grace="0s", upload="1m"))
    with Loop(registry) as loop:
        pushed = push_many(registry, "a/b", range(150), retry=True)
    assert loop.runs > 2 and not loop.failures
    check_pulls(registry.client(), "a/b", pushed)


def test_what_nothing_refers_to_goes(start_onggi_registry):
    registry = start_onggi_registry("storage: {grace: 0s, collect-every: 1h}\n")
    client = registry.client()
    kept, document = client.push_image("a", "kept", [b"kept"])
    inner, inner_document = client.push_image("a", "inner", [b"inner"])
    client.put_manifest("a", "outer", index([(inner_document, MANIFEST)]))
    client.delete("/v2/a/manifests/inner")
    gone, _ = client.push_image("a", "gone", [b"gone"])
    client.push_blob("a", b"stray")
    client.delete(f"/v2/a/manifests/{gone}")
    before = collected(registry, "--dry-run")
    assert all(registry.blob_path(digest_of(c)).exists() for c in (b"stray", b"gone"))
    assert before == collected(registry)
    assert before[:3] == [0, 3, 0] and collected(registry)[:3] == [0, 0, 0]
    assert not any(registry.blob_path(d).exists() for d in (gone, digest_of(b"stray"), digest_of(b"gone")))
    for digest in (kept, inner):
        assert client.get(f"/v2/a/manifests/{digest}").status == 200
    assert client.get(f"/v2/a/blobs/{digest_of(b'inner')}").status == 200
    assert client.head(f"/v2/a/blobs/{digest_of(b'stray')}").status == 404
    assert client.get("/v2/a/manifests/kept").body == document


def test_what_was_asked_for_has_its_grace_again(start_onggi_registry):
    """A client that finds a blob there does not push it: its manifest may come a while later."""
    registry = start_onggi_registry("storage: {grace: 3s, collect-every: 1h}\n")
    client = registry.client()
    for content in (b"asked for", b"forgotten"):
        client.push_blob("a", content)
    deadline = time.monotonic() + 3.5
    while time.monotonic() < deadline:
        assert client.head(f"/v2/a/blobs/{digest_of(b'asked for')}").status == 200
        time.sleep(0.3)
    assert collected(registry)[1] == 1
    assert registry.blob_path(digest_of(b"asked for")).exists()
    assert client.put_manifest("a", "latest", json.loads(image(b"asked for", []))).status == 201


def test_manifests_that_nothing_names_go_when_that_is_configured(start_onggi_registry):
    registry = start_onggi_registry("storage: {grace: 0s, untagged: 1s, collect-every: 1h}\n")
    client = registry.client()
    client.push_image("a", "first", [b"1"])
    subject, subject_document = client.push_image("a", "latest", [b"2"])
    _, old = client.push_image("a", "old", [b"3"])
    nested = index([(old, MANIFEST)])
    client.put_manifest("a", digest_of(nested), nested)
    client.delete("/v2/a/manifests/old")
    client.push_blob("a", b"x")
    document = json.dumps({**json.loads(image(EMPTY, [b"x"])),
                           "subject": descriptor(subject_document, MANIFEST)}).encode()
    assert client.put_manifest("a", digest_of(document), document).status == 201
    time.sleep(2.1)
    assert collected(registry)[0] == 2   # the index, and then what it named
    for digest in (digest_of(nested), digest_of(old)):
        assert client.get(f"/v2/a/manifests/{digest}").status == 404
    for digest in (subject, digest_of(document)):
        assert client.get(f"/v2/a/manifests/{digest}").status == 200
    assert client.delete(f"/v2/a/manifests/{subject}").status == 202
    assert collected(registry)[0] == 1   # whom it referred to is gone


def test_uploads_that_nobody_goes_on_with_are_given_up(start_onggi_registry):
    registry = start_onggi_registry("storage: {upload-timeout: 1s, collect-every: 1h}\n")
    client = registry.client()
    location = client.begin("a")
    assert client.patch(location, b"some").status == 202
    assert len(os.listdir(registry.root / "uploads")) == 1
    time.sleep(2.1)
    assert collected(registry)[2] == 1
    assert os.listdir(registry.root / "uploads") == []
    assert client.get(location).status == 404


def test_uploads_given_up_by_another_process_leave_room(start_onggi_registry):
    registry = start_onggi_registry("storage: {uploads: 2, uploads-size: 100, collect-every: 1h}\n")
    client = registry.client()
    for _ in range(2):
        location = client.begin("a")
        assert client.patch(location, b"x" * 50).status == 202
        os.utime(registry.root / "uploads" / location.rpartition("/")[2], (1, 1))
    assert client.patch(client.begin("a"), b"y").status == 429
    assert collected(registry)[2] == 2
    # They are counted again once a second at most.
    location = client.begin("a")
    for _ in range(100):
        if client.patch(location, b"x" * 50).status == 202:
            break
        time.sleep(0.1)
    assert client.put(f"{location}?digest={digest_of(b'x' * 50)}").status == 201


def test_a_file_without_a_record_stays_while_a_push_may_be_at_it(start_onggi_registry):
    registry = start_onggi_registry("storage: {grace: 0s, collect-every: 1h}\n")
    path = registry.blob_path(digest_of(b"no record yet"))
    path.write_bytes(b"no record yet")
    collected(registry)
    assert path.exists()
    assert registry.client().push_blob("a", b"no record yet")
