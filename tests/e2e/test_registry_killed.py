# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at 200 random moments of push, delete and collection."""

import http.client
import os
import random
import threading
import time

from onggiregistry import EMPTY, digest_of, image

KILLS = 200
CONFIG = "storage: {grace: 2s, collect-every: 1s, upload-timeout: 1m}\n"
LOST = (OSError, http.client.HTTPException)


class Worker(threading.Thread):
    """Pushes and deletes in a repository of its own, and remembers what was acknowledged."""

    def __init__(self, registry, number):
        super().__init__()
        self.registry, self.name = registry, f"worker/{number}"
        self.random = random.Random(number)
        self.held = {}        # document: layers, of what was acknowledged
        self.unsure = {}      # likewise, of what broke off
        self.pushes = self.breaks = self.deletes = 0
        self.stop, self.failure = False, None

    def run(self):
        try:
            while not self.stop:
                self.step()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def step(self):
        client = self.registry.client(timeout=10)
        try:
            if self.held and self.random.random() < 0.25:
                self.delete(client)
            else:
                self.push(client)
            if self.held:
                self.check(client, self.random.choice(list(self.held.items())))
        except LOST:
            self.breaks += 1
            time.sleep(0.005)
        finally:
            client.close()

    def push(self, client):
        layer = os.urandom(self.random.choice((10, 4096, 200_000)))
        document = image(EMPTY, [layer, b"shared"])
        self.unsure[document] = [layer, b"shared"]
        client.push_blob(self.name, EMPTY)
        client.push_blob(self.name, b"shared")
        if self.random.random() < 0.5:
            client.push_blob(self.name, layer)
        else:
            location = client.begin(self.name)
            half = len(layer) // 2
            assert client.patch(location, layer[:half]).status == 202
            answer = client.put(f"{location}?digest={digest_of(layer)}", layer[half:])
            assert answer.status == 201, answer
        tag = f"t{self.random.randrange(5)}"
        answer = client.put_manifest(self.name, tag, document)
        # What waited for a new server may have lost its grace.
        assert answer.status == 201 or answer.code == "MANIFEST_BLOB_UNKNOWN", answer
        if answer.status == 201:
            self.held[document] = self.unsure.pop(document)
            self.pushes += 1

    def delete(self, client):
        document = self.random.choice(list(self.held))
        self.unsure[document] = self.held.pop(document)
        answer = client.delete(f"/v2/{self.name}/manifests/{digest_of(document)}")
        assert answer.status == 202, answer
        self.deletes += 1

    def check(self, client, item):
        document, layers = item
        answer = client.get(f"/v2/{self.name}/manifests/{digest_of(document)}")
        assert answer.status == 200 and answer.body == document, answer
        for content in (EMPTY, *layers):
            answer = client.get(f"/v2/{self.name}/blobs/{digest_of(content)}")
            assert answer.status == 200 and answer.body == content, (answer, len(content))

    def check_all(self, client):
        for item in self.held.items():
            self.check(client, item)
        for document, layers in self.unsure.items():
            answer = client.get(f"/v2/{self.name}/manifests/{digest_of(document)}")
            assert answer.status in (200, 404), answer
            if answer.status == 200:
                self.check(client, (document, layers))


def test_nothing_acknowledged_is_lost_and_nothing_half_written_is_served(start_onggi_registry):
    registry = start_onggi_registry(CONFIG)
    workers = [Worker(registry, number) for number in range(3)]
    moments = random.Random(2026)
    for worker in workers:
        worker.start()
    for number in range(KILLS):
        time.sleep(moments.uniform(0.005, 0.06))
        registry.kill()
        registry.start()
        # Collection by another process, which is killed too when it falls so.
        if number % 10 == 0:
            registry.run("gc")
    for worker in workers:
        worker.stop = True
    for worker in workers:
        worker.join()
    for worker in workers:
        if worker.failure:
            raise worker.failure
    assert sum(worker.breaks for worker in workers) > KILLS / 4
    assert sum(worker.pushes for worker in workers) > 50
    assert sum(worker.deletes for worker in workers) > 5
    client = registry.client()
    for worker in workers:
        worker.check_all(client)
    scrubbed = registry.run("scrub").stdout
    assert ": 0 damaged, 0 missing" in scrubbed
    registry.run("gc")
    for worker in workers:
        worker.check_all(client)
