# SPDX-License-Identifier: Apache-2.0
"""Pushing: by Docker's clients and our own, to a registry that nobody here wrote."""

import base64
import http.server
import json
import os
import random
import shutil
import threading
import urllib.request

import pytest

import engines
import images
import pushing
import registries

CLIENTS = sorted({path for path in (shutil.which("docker"), "/usr/local/bin/docker",
                                    "/usr/bin/docker") if path and shutil.which(path)})


@pytest.fixture(params=[*CLIENTS, "onggi"])
def client(request, onggid, require, tmp_path):
    """client(words...): a run of docker's or our own command line, with credentials of its own."""
    tool = onggid.prefix / "bin/onggi" if request.param == "onggi" else require.tool(request.param)

    def run(*words, **rest):
        return onggid.run(tool, "--config", tmp_path / "config", "-H", onggid.host, *words, **rest)
    (tmp_path / "config").mkdir()
    return run


def get(url, accept="*/*", method="GET"):
    request = urllib.request.Request(url, headers={"Accept": accept}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read(), answer.headers


def load(onggid, folder, tag, *marks):
    """An image of busybox and one layer a mark."""
    layers = [images.busybox_layer()] + [
        images.tar([images.entry("mark", mark)]) for mark in marks]
    images.docker_archive(folder / "in.tar", layers, tag=tag)
    onggid.run(onggid.prefix / "bin/onggi", "-H", onggid.host, "load", "-i", folder / "in.tar")


def test_what_was_pushed_is_pulled_again(client, onggid, registry, tmp_path):
    name = f"{registry}/pushed/again:1"
    load(onggid, tmp_path, name, b"first\n", b"second\n")
    before = json.loads(client("inspect", name).stdout)[0]
    out = client("push", name).stdout
    assert "The push refers to repository" in out and "1: digest: sha256:" in out, out
    client("rmi", "-f", name)
    client("pull", name)
    after = json.loads(client("inspect", name).stdout)[0]
    assert after["Id"] == before["Id"]
    assert client("run", "--rm", name, "cat", "/mark").stdout == "second\n"
    again = client("push", name).stdout
    assert "Layer already exists" in again and "Pushed" not in again
    client("rmi", "-f", name)


def test_a_pulled_image_keeps_its_manifest(client, onggid, registry, require, tmp_path):
    skopeo = require.tool("skopeo")
    images.docker_archive(tmp_path / "in.tar", [images.tar([images.entry("mark", str(client).encode())])])
    source, target = f"{registry}/kept:1", f"{registry}/elsewhere/kept:1"
    onggid.run(skopeo, "copy", "-q", "--dest-tls-verify=false", "--format", "v2s2",
               f"docker-archive:{tmp_path}/in.tar", f"docker://{source}")
    client("pull", source)
    client("tag", source, target)
    out = client("push", target).stdout
    assert "Mounted from kept" in out or "Layer already exists" in out, out
    accept = "application/vnd.docker.distribution.manifest.v2+json"
    first, _ = get(f"http://{registry}/v2/kept/manifests/1", accept)
    second, headers = get(f"http://{registry}/v2/elsewhere/kept/manifests/1", accept)
    assert first == second
    digests = json.loads(client("inspect", target).stdout)[0]["RepoDigests"]
    assert f"{registry}/elsewhere/kept@{headers['Docker-Content-Digest']}" in digests
    client("rmi", "-f", source, target)


def test_an_image_that_is_not_there_is_not_pushed(client, registry):
    result = client("push", f"{registry}/nothing:1", check=False)
    assert result.returncode == 1
    assert "does not exist locally with the tag" in result.stderr + result.stdout


def test_all_tags_of_a_repository_are_pushed(onggid, registry, tmp_path, require):
    tool = require.tool(CLIENTS[0] if CLIENTS else "docker")
    for tag in ("a", "b"):
        load(onggid, tmp_path, f"{registry}/tags:{tag}", tag.encode())
    onggid.run(tool, "-H", onggid.host, "push", "--all-tags", f"{registry}/tags")
    tags, _ = get(f"http://{registry}/v2/tags/tags/list")
    assert sorted(json.loads(tags)["tags"]) == ["a", "b"]


def test_login_push_and_logout_where_a_password_is_asked(client, onggid, start_registry, tmp_path):
    registry = start_registry(more=registries.htpasswd(tmp_path / "htpasswd", "user", "pass:word"))
    name = f"{registry}/closed:1"
    load(onggid, tmp_path, name, b"closed\n")
    denied = client("push", name, check=False)
    assert denied.returncode == 1 and "denied" in denied.stdout + denied.stderr
    wrong = client("login", "-u", "user", "--password-stdin", registry, input="other", check=False)
    assert wrong.returncode == 1 and "unauthorized" in wrong.stderr
    right = client("login", "-u", "user", "--password-stdin", registry, input="pass:word\n")
    assert "Login Succeeded" in right.stdout
    config = json.loads((tmp_path / "config/config.json").read_text())
    assert base64.b64decode(config["auths"][registry]["auth"]) == b"user:pass:word"
    client("push", name)
    client("logout", registry)
    assert "pass" not in (tmp_path / "config/config.json").read_text()
    assert registry not in json.loads((tmp_path / "config/config.json").read_text()).get("auths", {})
    assert client("push", name, check=False).returncode == 1
    client("rmi", "-f", name)


def test_a_token_for_pushing_is_got(onggid, start_registry, tmp_path):
    tokens = registries.TokenServer(tmp_path / "tokens", "user", "secret")
    try:
        registry = start_registry(more=registries.token_auth(tokens))
        name = f"{registry}/some/pushed:1"
        load(onggid, tmp_path, name, b"token\n")
        config = tmp_path / "config"
        config.mkdir()
        auth = base64.b64encode(b"user:secret").decode()
        (config / "config.json").write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
        onggid.run(onggid.prefix / "bin/onggi", "--config", config, "-H", onggid.host, "push", name)
        assert any("scope=repository%3Asome%2Fpushed%3Apull%2Cpush" in path for path, _ in tokens.log)
    finally:
        tokens.stop()


def test_search_looks_through_the_catalog(client, onggid, registry, tmp_path):
    name = f"{registry}/found/by-search:1"
    load(onggid, tmp_path, name, b"search\n")
    client("push", name)
    assert f"{registry}/found/by-search" in client("search", f"{registry}/by-sea").stdout
    assert "by-search" not in client("search", f"{registry}/otherwise").stdout
    client("rmi", "-f", name)


def test_a_push_that_breaks_is_tried_again(onggid, start_registry, tmp_path):
    registry = start_registry()
    proxy = pushing.CuttingProxy(registry, [9 << 20, 5 << 20])
    try:
        name = f"{proxy.address}/broken:1"
        images.docker_archive(tmp_path / "in.tar", [images.tar([
            images.entry("large", random.Random(1).randbytes(24 << 20))])], tag=name)
        onggi = onggid.prefix / "bin/onggi"
        onggid.run(onggi, "-H", onggid.host, "load", "-i", tmp_path / "in.tar")
        onggid.run(onggi, "-H", onggid.host, "push", name)
        assert proxy.cut == 2
        manifest = json.loads(pushing.Repository(registry, "broken").get("1"))
        digest = manifest["layers"][0]["digest"]
        _, _, data = pushing.Repository(registry, "broken").ask("GET", f"blobs/{digest}")
        assert pushing.sha256(data) == digest
    finally:
        proxy.stop()


def test_dockers_search_is_asked_where_there_is_one(client):
    stub = registries.Stub()
    try:
        stub.content["/v1/search"] = ("application/json", json.dumps({"num_results": 2, "results": [
            {"name": "one", "description": "The first", "star_count": 7, "is_official": True},
            {"name": "two", "description": "x" * 80, "star_count": 1}]}).encode())
        lines = client("search", f"{stub.address}/words").stdout.splitlines()
        assert lines[1].split()[:4] == [f"{stub.address}/one", "The", "first", "7"] and "[OK]" in lines[1]
        assert lines[2].startswith(f"{stub.address}/two") and "x" * 50 not in lines[2]
        assert [path for path, _ in stub.log if "q=words&n=25" in path], stub.log
    finally:
        stub.stop()


HELPER = """#!/bin/sh
case $1 in
store) cat >"$HELPED/kept" ;;
erase) cat >/dev/null; rm -f "$HELPED/kept" ;;
get) cat >/dev/null; cat "$HELPED/kept" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
esac
"""


def test_a_credential_helper_keeps_what_a_login_says(onggid, start_registry, tmp_path):
    registry = start_registry(more=registries.htpasswd(tmp_path / "htpasswd", "user", "secret"))
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker-credential-test").write_text(HELPER)
    (folder / "docker-credential-test").chmod(0o755)
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"credHelpers": {registry: "test"}, "kept": 1}))
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "HELPED": str(tmp_path)}

    def onggi(*words, **rest):
        return onggid.run(onggid.prefix / "bin/onggi", "--config", config, "-H", onggid.host, *words, env=env, **rest)
    onggi("login", "-u", "user", "--password-stdin", registry, input="secret")
    assert json.loads((tmp_path / "kept").read_text())["Secret"] == "secret"
    assert json.loads((config / "config.json").read_text()) == {"credHelpers": {registry: "test"}, "kept": 1}
    load(onggid, tmp_path, f"{registry}/helped:1", b"helped\n")
    onggi("push", f"{registry}/helped:1")
    onggi("logout", registry)
    assert not (tmp_path / "kept").exists()


def test_a_password_is_asked_for_without_showing_it(onggid, start_registry, tmp_path):
    registry = start_registry(more=registries.htpasswd(tmp_path / "htpasswd", "user", "secret"))
    terminal = engines.Terminal([onggid.prefix / "bin/onggi", "--config", tmp_path / "config", "-H", onggid.host,
                                 "login", registry], os.environ)
    terminal.wait_for("Username: ")
    terminal.type("user\n")
    terminal.wait_for("Password: ")
    terminal.type("secret\n")
    terminal.wait_for("Login Succeeded")
    seen, status = terminal.end()
    assert status == 0 and "secret" not in seen


def test_an_interrupted_question_leaves_the_terminal_as_it_was(onggid, start_registry, tmp_path):
    registry = start_registry(more=registries.htpasswd(tmp_path / "htpasswd", "user", "secret"))
    terminal = engines.Terminal([onggid.prefix / "bin/onggi", "--config", tmp_path / "config", "-H", onggid.host,
                                 "login", "--username", "user", registry], os.environ)
    terminal.wait_for("Password: ")
    assert not terminal.echoes()
    terminal.type("sec\x03")
    terminal.wait_for("interrupted")
    assert terminal.echoes()
    assert terminal.end()[1] != 0


class Misleading:
    """A registry that asks for a password and leads uploads, and lists of tags, to another port."""

    def __init__(self):
        outer = self
        self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, headers=(), body=b""):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def any(self):
                if self.server is outer.other:
                    outer.seen.append((self.command, self.headers.get("Authorization")))
                    return self.answer(201 if self.command == "PUT" else 200, body=b'{"tags":["x"]}')
                if not self.headers.get("Authorization"):
                    return self.answer(401, {"WWW-Authenticate": 'Basic realm="x"'})
                if self.command == "HEAD":
                    return self.answer(404)
                if self.command == "GET":
                    return self.answer(200, {"Link": f'<http://{outer.address(outer.other)}/more>; rel="next"'},
                                       b'{"tags":["y"]}')
                return self.answer(202, {"Location": f"http://{outer.address(outer.other)}/upload"})
            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = any

        self.first, self.other = (http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2))
        for one in (self.first, self.other):
            threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True).start()

    @staticmethod
    def address(server):
        return "127.0.0.1:%d" % server.server_address[1]

    def stop(self):
        for one in (self.first, self.other):
            one.shutdown()
            one.server_close()


def test_a_registry_that_leads_elsewhere_gives_no_credentials_away(onggid, tmp_path):
    registry = Misleading()
    try:
        address, config = registry.address(registry.first), tmp_path / "config"
        config.mkdir()
        auth = base64.b64encode(b"user:secret").decode()
        (config / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))
        load(onggid, tmp_path, f"{address}/x:1", b"misled\n")

        def onggi(*words):
            return onggid.run(onggid.prefix / "bin/onggi", "--config", config, "-H", onggid.host, *words, check=False)
        onggi("push", f"{address}/x:1")
        assert "PUT" in {method for method, _ in registry.seen}
        assert f"{address}/x:y" in onggi("search", "--list-tags", f"{address}/x").stdout
        assert "GET" in {method for method, _ in registry.seen}
        assert {shown for _, shown in registry.seen} == {None}
    finally:
        registry.stop()
