# SPDX-License-Identifier: Apache-2.0
"""onggi-registry against Debian's docker-registry: small pushes and pulls, 1 GiB, memory."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import tempfile
import time

import common
import servers

TITLE = "Registries: onggi-registry and docker-registry"
ROUNDS = 3
SMALL = 200   # pushes, or pulls, in a round
PULLS = 3     # of the large blob, beside the first
LARGE = 1 << 30
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
DOCUMENT = "application/vnd.oci.image.manifest.v1+json"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A registry in a folder of its own, plain and with TLS, and what its process has used."""

    def __init__(self, start):
        self.start = start

    @contextlib.contextmanager
    def run(self, folder, tls):
        folder.mkdir(exist_ok=True)
        self.port = free_port()

        def ready():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        with servers.process(self.start(folder, self.port, tls), folder / "log", ready) as process:
            self.pid = process.pid
            yield self

    def cpu_ms(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_MS

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def onggi(prefix):
    def start(folder, port, tls):
        return [prefix / "sbin/onggi-registry", "serve", "--addr", f"127.0.0.1:{port}", "--root",
                folder / "data", *(["--tls-cert", tls / "cert.pem", "--tls-key", tls / "key.pem"]
                                   if tls else [])]
    return Server(start)


def docker():
    def start(folder, port, tls):
        files = f", tls: {{certificate: {tls}/cert.pem, key: {tls}/key.pem}}" if tls else ""
        config = folder / "registry.yml"
        config.write_text("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
                          f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
                          f'http: {{addr: "127.0.0.1:{port}"{files}}}\n')
        return ["docker-registry", "serve", config]
    return Server(start)


# ---- a client that costs little: what it takes of the machine is not the server's ----

class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 20)

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, method, path, body=b"", headers=""):
        length = f"Content-Length: {len(body)}\r\n" if method in ("POST", "PUT", "PATCH") else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{length}{headers}\r\n"
                            .encode() + body)

    def answer(self, wanted, head_only=False):
        """(headers, body)"""
        status = self.file.readline()
        headers = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip().decode()
        if int(status.split()[1]) not in wanted:
            raise RuntimeError(f"the registry says {status}, not one of {wanted}")
        body = b"" if head_only else self.file.read(int(headers.get(b"content-length", 0)))
        return headers, body

    def ask(self, method, path, wanted, body=b"", headers=""):
        self.send(method, path, body, headers)
        return self.answer(wanted, method == "HEAD")

    def begin(self, repository):
        location = self.ask("POST", f"/v2/{repository}/blobs/uploads/", [202])[0][b"location"]
        return re.sub(r"^https?://[^/]*", "", location)


def with_digest(location, digest):
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def push_small(client, content):
    """As a client does that does not know what is there."""
    digest = digest_of(content)
    client.ask("HEAD", f"/v2/small/blobs/{digest}", [404])
    location = client.begin("small")
    client.ask("PUT", with_digest(location, digest), [201], content,
               "Content-Type: application/octet-stream\r\n")
    return digest


def push_large(client, path, digest):
    """Seconds from the first byte sent to the answer that all of it is kept."""
    begun = time.monotonic()
    location = client.begin("large")
    with open(path, "rb") as file:
        client.socket.sendall(f"PATCH {location} HTTP/1.1\r\nHost: bench\r\nContent-Length: {LARGE}\r\n"
                              "Content-Type: application/octet-stream\r\n\r\n".encode())
        client.socket.sendfile(file)
    location = re.sub(r"^https?://[^/]*", "", client.answer([202])[0][b"location"])
    client.ask("PUT", with_digest(location, digest), [201])
    return time.monotonic() - begun


def push_manifest(client, name, blobs):
    described = [{"mediaType": "application/octet-stream", "digest": digest, "size": size}
                 for digest, size in blobs]
    body = json.dumps({"schemaVersion": 2, "mediaType": DOCUMENT, "config": described[0],
                       "layers": described[1:]}).encode()
    client.ask("PUT", f"/v2/{name}/manifests/1", [201], body, f"Content-Type: {DOCUMENT}\r\n")


def pull_large(port, digest, tls):
    """Seconds, by curl."""
    url = f"http{'s' if tls else ''}://127.0.0.1:{port}/v2/large/blobs/{digest}"
    size, seconds = common.output("curl", "-sSf", "-k", "-L", "-o", "/dev/null", "-w",
                                  "%{size_download} %{time_total}", url).split()
    if int(size) != LARGE:
        raise RuntimeError(f"{size} bytes came, not {LARGE}")
    return float(seconds)


# ---- what is measured ----

class Figures(dict):
    """{what: {server's name: [figures]}}"""

    def add(self, what, name, figure):
        self.setdefault(what, {}).setdefault(name, []).append(figure)


def small_round(figures, name, server, count):
    """Pushes and pulls over one connection, as a client keeps it."""
    client = Client(server.port)
    contents = [os.urandom(4096) for _ in range(count)]
    before = server.cpu_ms()
    digests = [push_small(client, content) for content in contents]
    pushed = server.cpu_ms()
    for digest in digests:
        client.ask("GET", f"/v2/small/blobs/{digest}", [200])
    figures.add("push", name, (pushed - before) / count)
    figures.add("small", name, (server.cpu_ms() - pushed) / count)
    push_manifest(client, "small", [(digests[0], 4096), (digests[1], 4096)])
    before = server.cpu_ms()
    for _ in range(count):
        client.ask("GET", "/v2/small/manifests/1", [200], headers=f"Accept: {DOCUMENT}\r\n")
    figures.add("manifest", name, (server.cpu_ms() - before) / count)
    client.close()
    # Clients that come anew for each pull.
    before = server.cpu_ms()
    for digest in digests:
        client = Client(server.port)
        client.ask("GET", f"/v2/small/blobs/{digest}", [200])
        client.close()
    figures.add("new", name, (server.cpu_ms() - before) / count)


def push_round(figures, name, server, path, digest):
    client = Client(server.port)
    before = server.cpu_ms()
    figures.add("push 1 GiB", name, push_large(client, path, digest))
    figures.add("push 1 GiB CPU", name, (server.cpu_ms() - before) / 1000)
    push_manifest(client, "large", [(digest, LARGE), (digest, LARGE)])
    client.close()


def first_pulls(figures, what, found, digest, tls):
    for name, server in found.items():
        before = server.cpu_ms()
        figures.add(what, name, pull_large(server.port, digest, tls))
        figures.add(f"{what} CPU", name, (server.cpu_ms() - before) / 1000)


def pulls(figures, first, what, found, digest, tls):
    """Of each server in turn, so that what else the machine does meets both."""
    first_pulls(figures, first, found, digest, tls)
    for _ in range(PULLS):
        for name, server in found.items():
            before = server.cpu_ms()
            figures.add(what, name, pull_large(server.port, digest, tls))
            figures.add(f"{what} CPU", name, (server.cpu_ms() - before) / 1000)


def crowd(server, digest):
    """Sixteen clients at once, each with a pull of 64 MiB and some small pushes."""
    def one(_):
        client = Client(server.port)
        for _ in range(10):
            push_small(client, os.urandom(4096))
        client.send("GET", f"/v2/large/blobs/{digest}", headers=f"Range: bytes=0-{(64 << 20) - 1}\r\n")
        client.answer([206])
        client.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(16)))


def make_certificate(folder):
    folder.mkdir()
    common.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
               "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    return folder


def fill(path):
    """LARGE bytes that do not compress; and their digest."""
    block = os.urandom(64 << 20)
    hashed = hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(LARGE // len(block)):
            part = number.to_bytes(8, "big") + block[8:]
            hashed.update(part)
            file.write(part)
    return "sha256:" + hashed.hexdigest()


def one_round(figures, found, folder, count, source, digest):
    with contextlib.ExitStack() as stack:
        for name, server in found.items():
            stack.enter_context(server.run(folder / name, None))
        for name, server in found.items():
            small_round(figures, name, server, count)
        for name, server in found.items():
            push_round(figures, name, server, source, digest)
        pulls(figures, "first pull", "pull", found, digest, False)
        for name, server in found.items():
            crowd(server, digest)
            figures.add("peak", name, server.peak_mib())
    with contextlib.ExitStack() as stack:
        for name, server in found.items():
            stack.enter_context(server.run(folder / name, None))
        first_pulls(figures, "new process", found, digest, False)
    with contextlib.ExitStack() as stack:
        for name, server in found.items():
            stack.enter_context(server.run(folder / name, folder / "tls"))
        pulls(figures, "first TLS", "TLS", found, digest, True)
    for name in found:
        shutil.rmtree(folder / name)


def measure(found, folder, rounds, count):
    figures = Figures()
    make_certificate(folder / "tls")
    source = folder / "source"
    digest = fill(source)
    for number in range(rounds):
        common.say(f"registry: {number + 1} of {rounds}")
        one_round(figures, found, folder, count, source, digest)
    return figures


LINES = {
    "push": "push of a 4 KiB blob (HEAD, POST, PUT), CPU ms",
    "small": "pull of it, CPU ms",
    "new": "pull of it over a new connection, CPU ms",
    "manifest": "pull of a manifest by tag, CPU ms",
    "push 1 GiB": "push of 1 GiB (POST, PATCH, PUT), s",
    "push 1 GiB CPU": "its CPU, s",
    "first pull": "first pull of it, s",
    "new process": "first pull of it by a new process, s",
    "new process CPU": "its CPU, s",
    "pull": "pull of 1 GiB, s",
    "pull CPU": "its CPU, s",
    "first TLS": "first pull of it by a new process, over TLS, s",
    "TLS": "pull of 1 GiB over TLS, s",
    "TLS CPU": "its CPU, s",
    "peak": "peak memory, 16 clients among it, MiB",
}


def main(prefix, quick=False):
    common.need("docker-registry", "openssl", "curl")
    if not (prefix / "sbin/onggi-registry").exists():
        raise common.Skip(f"no onggi-registry in {prefix}: make install PREFIX={prefix}")
    rounds, count = (1, 50) if quick else (ROUNDS, SMALL)
    found = {"onggi-registry": onggi(prefix), "docker-registry": docker()}
    with tempfile.TemporaryDirectory(prefix="onggi-bench-", dir="/var/tmp") as name:
        figures = measure(found, pathlib.Path(name), rounds, count)
    rows = []
    for what, line in LINES.items():
        ours, theirs = (common.median(figures[what][one]) for one in found)
        rows.append([line, f"{ours:.2f}", f"{theirs:.2f}", common.ratio(ours, theirs)])
    return (f"{common.machine()}; docker-registry "
            f"{common.version('docker-registry', '--version')}; {rounds} rounds, interleaved, each "
            f"into an empty store, with {count} small pushes and pulls; medians; CPU of the server's "
            "process; both flush what they keep to the disk before they say so; clients are this "
            "machine's, over loopback, and keep their connection where nothing else is said. What "
            "onggi-registry keeps goes past the page cache: its first pull is read from the disk, "
            "docker-registry's is not. A new process of it hashes a large blob while it serves it for "
            "the first time, and keeps back the end until then: the lines of a new process.\n\n"
            + common.table(["", "onggi", "docker-registry", "ratio"], rows))
