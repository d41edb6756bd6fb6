# SPDX-License-Identifier: Apache-2.0
"""Registries to pull from: Debian's docker-registry with authentication and TLS, a token server
for it, and a stub that lies on demand."""

import base64
import http.server
import json
import subprocess
import threading
import time
import urllib.parse
import warnings

import images


# ---- a stub that serves what it is told to ----

class Stub:
    """An HTTP registry on a loopback port whose every answer a test may bend.

    stub.add(name, manifest, blobs, tag)   an image to serve
    stub.bend[path] = function             is called as function(handler) instead of the plain answer
    stub.log                               [(path, headers)] of every request
    """

    def __init__(self):
        self.content, self.bend, self.log = {}, {}, []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                stub.log.append((self.path, dict(self.headers)))
                path = self.path.split("?")[0]
                bend = stub.bend.get(path) or stub.bend.get("*")
                if not bend or bend(self) == "plain":
                    self.plain(path)

            do_HEAD = do_GET

            def plain(self, path):
                if path not in stub.content:
                    return self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"none"}]}')
                kind, body = stub.content[path]
                first = 0
                if self.headers.get("Range"):
                    first = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                    return self.answer(206, body[first:], {
                        "Content-Type": kind,
                        "Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"})
                return self.answer(200, body, {"Content-Type": kind})

            def answer(self, status, body, headers=(), length=None):
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def break_off(self):
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def add_manifest(self, name, manifest, tag="latest", kind=None):
        kind = kind or json.loads(manifest).get("mediaType", "application/json")
        for reference in (tag, images.sha256(manifest)):
            self.content[f"/v2/{name}/manifests/{reference}"] = (kind, manifest)

    def add(self, name, manifest, blobs, tag="latest"):
        self.add_manifest(name, manifest, tag)
        for digest, body in blobs.items():
            self.content[f"/v2/{name}/blobs/{digest}"] = ("application/octet-stream", body)

    def asked(self, part):
        """Headers of the requests whose path holds `part`."""
        return [headers for path, headers in self.log if part in path]


# ---- keys and tokens, by openssl ----

def make_certificate(folder, name="127.0.0.1"):
    """A self-signed certificate for an address: (certificate, key)."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "cert.pem", folder / "key.pem"
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class TokenServer:
    """Hands out tokens that docker-registry takes, to `user` with `password` alone."""

    def __init__(self, folder, user, password):
        self.certificate, self.key = make_certificate(folder)
        self.log = []
        outer = self
        wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
                outer.log.append((self.path, dict(self.headers)))
                self.reply(self.headers.get("Authorization") == wanted, query)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.log.append((self.path + "#" + body, dict(self.headers)))
                query = urllib.parse.parse_qs(body)
                self.reply(query.get("refresh_token") == ["a refresh token"], query)

            def reply(self, right, query):
                body = json.dumps({"token": outer.token(query)} if right else {"details": "no"}).encode()
                self.send_response(200 if right else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.realm = f"http://127.0.0.1:{self.server.server_address[1]}/token"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def token(self, query):
        access = []
        for scope in query.get("scope", []):
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        pem = self.certificate.read_text()
        der = "".join(line for line in pem.splitlines() if not line.startswith("-"))
        header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        now = int(time.time())
        claims = {"iss": "tokens", "sub": "user", "aud": query["service"][0], "exp": now + 300,
                  "nbf": now - 10, "iat": now, "jti": str(now), "access": access}
        text = _b64(json.dumps(header).encode()) + b"." + _b64(json.dumps(claims).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text,
                                   stdout=subprocess.PIPE, check=True).stdout
        return (text + b"." + _b64(signature)).decode()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


# ---- docker-registry's further configuration ----

def htpasswd(path, user, password):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import crypt # Debian 12's Python still has it
    salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)
    path.write_text(f"{user}:{crypt.crypt(password, salt)}\n")
    return f"auth: {{htpasswd: {{realm: onggi, path: {path}}}}}\n"


def token_auth(server):
    return (f"auth: {{token: {{realm: '{server.realm}', service: tests, issuer: tokens, "
            f"rootcertbundle: {server.certificate}}}}}\n")
