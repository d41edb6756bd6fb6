# SPDX-License-Identifier: Apache-2.0
"""What tests put into registries and ask of them, by plain HTTP."""

import hashlib
import json
import socket
import threading
import urllib.error
import urllib.request

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
ALL = ", ".join([OCI_MANIFEST, OCI_INDEX, "application/vnd.docker.distribution.manifest.v2+json",
                 "application/vnd.docker.distribution.manifest.list.v2+json"])


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Repository:
    """One repository of a registry "HOST:PORT" that speaks HTTP."""

    def __init__(self, registry, name):
        self.registry, self.name = registry, name

    def ask(self, method, path, data=None, headers=()):
        """(status, headers, body); a path that begins with http is taken as it is."""
        url = path if path.startswith("http") else f"http://{self.registry}/v2/{self.name}/{path}"
        request = urllib.request.Request(url, data=data, method=method, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def blob(self, data, kind="application/octet-stream"):
        """Pushes a blob: its descriptor."""
        digest = sha256(data)
        _, headers, _ = self.ask("POST", "blobs/uploads/", b"")
        url = headers["Location"]
        if url.startswith("/"):
            url = f"http://{self.registry}{url}"
        url += ("&" if "?" in url else "?") + f"digest={digest}"
        status, _, body = self.ask("PUT", url, data, {"Content-Type": "application/octet-stream"})
        assert status == 201, body
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def manifest(self, document, tag=None):
        """Pushes a manifest: its descriptor."""
        data = json.dumps(document).encode()
        kind, digest = document["mediaType"], sha256(data)
        status, _, body = self.ask("PUT", f"manifests/{tag or digest}", data, {"Content-Type": kind})
        assert status == 201, body
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def image(self, text, tag=None, **more):
        """Pushes a small image: its manifest's descriptor."""
        config = self.blob(json.dumps({"architecture": "amd64", "os": "linux", "made-of": text}).encode(),
                           "application/vnd.oci.image.config.v1+json")
        layer = self.blob(text.encode() * 100, "application/vnd.oci.image.layer.v1.tar")
        return self.manifest({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config,
                              "layers": [layer], **more}, tag)

    def index(self, entries, tag=None):
        return self.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, tag)

    def artifact(self, subject, kind, text):
        """Pushes something that refers to `subject`: its descriptor as a referrer."""
        empty = self.blob(b"{}", "application/vnd.oci.empty.v1+json")
        made = self.manifest({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "config": empty,
            "layers": [self.blob(text.encode(), "text/plain")], "subject": subject})
        return {**made, "artifactType": kind}

    def get(self, reference):
        """A manifest's bytes, None where there is none."""
        status, _, body = self.ask("GET", f"manifests/{reference}", headers={"Accept": ALL})
        return body if status == 200 else None

    def has_blob(self, digest):
        return self.ask("HEAD", f"blobs/{digest}")[0] == 200

    def tags(self):
        status, _, body = self.ask("GET", "tags/list")
        return sorted(json.loads(body)["tags"] or []) if status == 200 else []


class CuttingProxy:
    """Passes connections on to "HOST:PORT", but cuts those that carry much: each of `cuts` once, after
    that many bytes from the client."""

    def __init__(self, target, cuts):
        self.target, self.cuts, self.cut = target, list(cuts), 0
        self.passed = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            host, port = self.target.split(":")
            server = socket.create_connection((host, int(port)))
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()
            del client, server # what is only shut down looks to the other side like one that is slow

    def _pass(self, source, sink, counted):
        passed = 0
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                passed += len(data)
                if not counted:
                    continue
                with self.lock:
                    self.passed += len(data)
                    if self.cuts and passed >= self.cuts[0]:
                        self.cuts.pop(0)
                        self.cut += 1
                        break
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.listener.close()
