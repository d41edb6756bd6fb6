# SPDX-License-Identifier: Apache-2.0
"""onggi-registry over TLS: whole, in part, in chunks, and with certificates that change."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

import daemon
import registries
from onggiregistry import digest_of

LARGE = os.urandom(20_000_000)


@pytest.fixture(scope="module")
def folder(test_folder):
    path = test_folder / "tls"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def files(folder, require):
    require.tool("openssl")
    return registries.make_certificate(folder / "first")


@pytest.fixture(scope="module")
def registry(start_onggi_registry, files):
    return start_onggi_registry(options=["--tls-cert", files[0], "--tls-key", files[1]])


class Client:
    """Requests over one connection."""

    def __init__(self, registry, certificate):
        context = ssl.create_default_context(cafile=certificate)
        self.connection = http.client.HTTPSConnection(registry.address, timeout=30, context=context)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, path, body=None, **more):
        self.connection.request(method, path, body=body, **more)
        response = self.connection.getresponse()
        return response, response.read()

    def push(self, content, chunked=False):
        location = self.ask("POST", "/v2/large/blobs/uploads/", b"")[0].headers["Location"]
        parts = (content[at:at + 100_000] for at in range(0, len(content), 100_000))
        response, _ = self.ask("PUT", f"{location}?digest={digest_of(content)}",
                               parts if chunked else content, encode_chunked=chunked,
                               headers={"Transfer-Encoding": "chunked"} if chunked else {})
        assert response.status == 201
        return digest_of(content)


@pytest.mark.parametrize("chunked", [False, True])
def test_blobs_go_in_and_out(registry, files, chunked):
    content = LARGE[:-1] + bytes([chunked])
    with Client(registry, files[0]) as client:
        path = f"/v2/large/blobs/{client.push(content, chunked)}"
        assert client.ask("GET", path)[1] == content
        for text, wanted in (("0-0", content[:1]), ("5-70004", content[5:70005]), ("-100000", content[-100000:]),
                             ("19999990-", content[19999990:])):
            response, body = client.ask("GET", path, headers={"Range": f"bytes={text}"})
            assert (response.status, body) == (206, wanted), text
        response, body = client.ask("HEAD", path)
        assert int(response.headers["Content-Length"]) == len(content) and body == b""
        assert client.ask("GET", path, headers={"Range": "bytes=99999999-"})[0].status == 416
        assert client.connection.sock is not None, "one connection does for all of it"


def test_skopeo_copies_whom_it_trusts(registry, files, tmp_path, require):
    require.tool("skopeo")
    require.tool("umoci")
    layout = tmp_path / "oci"
    subprocess.run(["umoci", "init", "--layout", layout], check=True, capture_output=True)
    subprocess.run(["umoci", "new", "--image", f"{layout}:1"], check=True, capture_output=True)
    trusted = tmp_path / "certs"
    trusted.mkdir()

    def copy(*words):
        return subprocess.run(["skopeo", "copy", "-q", *words], capture_output=True, text=True, timeout=60, check=False)

    there = f"docker://{registry.address}/skopeo/app:1"
    refused = copy("--dest-cert-dir", trusted, f"oci:{layout}:1", there)
    assert refused.returncode != 0 and "certificate" in refused.stderr
    shutil.copy(files[0], trusted / "ca.crt")
    assert copy("--dest-cert-dir", trusted, f"oci:{layout}:1", there).returncode == 0
    assert copy("--src-cert-dir", trusted, there, f"oci:{tmp_path}/back:1").returncode == 0


def test_who_speaks_no_tls_is_hung_up_on(registry):
    host, port = registry.address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as one:
        one.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        try:
            while part := one.recv(1000):
                answer += part
        except ConnectionResetError:
            pass
    assert b"HTTP" not in answer


def test_a_certificate_that_is_renewed_is_shown_from_then_on(start_onggi_registry, folder, files, require):
    require.tool("openssl")
    second = registries.make_certificate(folder / "second")
    certificate, key = folder / "used.pem", folder / "used.key"

    def use(pair):
        shutil.copy(pair[0], certificate)
        shutil.copy(pair[1], key)

    use(files)
    registry = start_onggi_registry(options=["--tls-cert", certificate, "--tls-key", key])

    def works(pair):
        try:
            with Client(registry, pair[0]) as client:
                return client.ask("GET", "/v2/")[0].status == 200
        except ssl.SSLCertVerificationError:
            return False

    def hang_up():
        registry.process.send_signal(signal.SIGHUP)

    assert works(files) and not works(second)
    with Client(registry, files[0]) as client:
        digest = client.push(LARGE)
        client.connection.request("GET", f"/v2/large/blobs/{digest}")
        use(second)
        hang_up()
        daemon.wait_for("the new certificate", lambda: works(second))
        assert not works(files)
        assert client.connection.getresponse().read() == LARGE, "who was there goes on"

    shutil.copy(files[0], certificate)  # another's key
    hang_up()
    daemon.wait_for("a word about it", lambda: "used.pem" in registry.log())
    assert works(second)
