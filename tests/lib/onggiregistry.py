# SPDX-License-Identifier: Apache-2.0
"""onggi-registry on a loopback port, and a client that says what it means to the letter."""

import hashlib
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import time
import urllib.parse

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = b"{}"


def digest_of(content, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = response.headers

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The code of an error in the specification's form."""
        return self.json()["errors"][0]["code"]

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:300]!r}"


class Client:
    """Requests to one registry, over one connection as long as it lasts. Not for several threads."""

    def __init__(self, address, headers=None, timeout=30):
        self.address, self.headers, self.timeout = address, headers or {}, timeout
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def send(self, method, path, body, headers, chunked):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.address, timeout=self.timeout)
        headers = {**self.headers, **headers}
        if body is None and method in ("POST", "PUT", "PATCH"):
            headers.setdefault("Content-Length", "0")
        self.connection.request(method, path, body=body, headers=headers, encode_chunked=chunked)
        response = self.connection.getresponse()
        answer = Answer(response, response.read())
        if response.will_close:
            self.close()
        return answer

    def ask(self, method, path, body=None, headers=None, chunked=False):
        """A kept connection may have been closed meanwhile: what only reads is then asked once more."""
        headers = dict(headers or {})
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        fresh = self.connection is None
        try:
            return self.send(method, path, body, headers, chunked)
        except (http.client.HTTPException, ConnectionError):
            self.close()
            if fresh or method not in ("GET", "HEAD"):
                raise
            return self.send(method, path, body, headers, chunked)

    def __getattr__(self, name):
        if name not in ("get", "head", "put", "post", "patch", "delete"):
            raise AttributeError(name)
        return lambda path, *args, **more: self.ask(name.upper(), path, *args, **more)

    # ---- what tests do all the time ----

    def begin(self, name):
        answer = self.post(f"/v2/{name}/blobs/uploads/")
        assert answer.status == 202, answer
        return answer.headers["Location"]

    def push_blob(self, name, content, algorithm="sha256"):
        """POST and PUT; the digest."""
        digest = digest_of(content, algorithm)
        answer = self.put(f"{self.begin(name)}?digest={digest}", content,
                          {"Content-Type": "application/octet-stream"})
        assert answer.status == 201, answer
        return digest

    def put_manifest(self, name, reference, document, kind=None):
        """Its Content-Type is what the document says it is, unless `kind` is given."""
        if not isinstance(document, bytes):
            document = json.dumps(document).encode()
        kind = kind or json.loads(document).get("mediaType", MANIFEST)
        return self.put(f"/v2/{name}/manifests/{reference}", document, {"Content-Type": kind})

    def push_image(self, name, tag, layers=(b"a layer",), config=EMPTY, **more):
        """An image manifest with its blobs; (digest, document as bytes)."""
        document = image(config, layers, **more)
        for content in (config, *layers):
            self.push_blob(name, content)
        answer = self.put_manifest(name, tag, document)
        assert answer.status == 201, answer
        return digest_of(document), document


def descriptor(content, kind="application/vnd.oci.image.layer.v1.tar", algorithm="sha256"):
    return {"mediaType": kind, "digest": digest_of(content, algorithm), "size": len(content)}


def image(config=EMPTY, layers=(b"a layer",), **more):
    """An image manifest as bytes; `more` are further members."""
    return json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(layer) for layer in layers], **more}).encode()


def index(manifests, **more):
    """An index of (document as bytes, media type) as bytes."""
    return json.dumps({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [descriptor(document, kind) for document, kind in manifests], **more}).encode()


class OnggiRegistry:
    """A server of its own folder; may be killed and started again."""

    def __init__(self, prefix, folder, port, config="", options=(), root=None):
        self.program = pathlib.Path(prefix) / "sbin/onggi-registry"
        self.folder = pathlib.Path(folder)
        self.root = pathlib.Path(root or self.folder / "root")
        self.address = f"127.0.0.1:{port}"
        self.config = self.folder / "config.yaml"
        self.config.write_text(config or "# nothing\n")
        self.options = [str(option) for option in options]
        self.process = None

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--addr", self.address, "--root", self.root, "--config",
                 self.config, *self.options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while not self.listens():
            assert time.monotonic() < end, self.log()
            time.sleep(0.003)
        return self

    def listens(self):
        """By a connection that is over on both sides then, so that it counts as none any more."""
        assert self.process.poll() is None, self.log()
        try:
            with socket.create_connection(self.address.split(":"), timeout=5) as connection:
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
            return True
        except OSError:
            return False

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(20) == 0, self.log()

    def client(self, **more):
        return Client(self.address, **more)

    def run(self, command, *options, check=True):
        """`onggi-registry gc` and the like on the same root."""
        return subprocess.run([self.program, command, "--root", self.root, "--config", self.config,
                               *options], capture_output=True, text=True, timeout=120, check=check)

    def blob_path(self, digest):
        algorithm, _, text = digest.partition(":")
        return self.root / "blobs" / algorithm / text


def quote(text):
    return urllib.parse.quote(text, safe="")
