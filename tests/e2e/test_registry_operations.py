# SPDX-License-Identifier: Apache-2.0
"""What goes on around onggi-registry: quotas, retention, webhooks, other registries, numbers, logs."""

import base64
import concurrent.futures
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

import daemon
import registries
from onggiregistry import MANIFEST, Client, descriptor, digest_of, image

OCTETS = {"Content-Type": "application/octet-stream"}


def another(document, word):
    """The same image under another digest."""
    return json.dumps({**json.loads(document), "annotations": {"word": word}}).encode()


def metric(registry, name):
    for line in registry.client().get("/metrics").body.decode().splitlines():
        if line.startswith(f"onggi_registry_{name} "):
            return int(line.split()[-1])
    raise AssertionError(f"no {name}")


# ---- the configuration ----

@pytest.mark.parametrize("text, why", [
    ("acces: {}\n", "line 1: acces: no such key in the file; did you mean 'access'?"),
    ("limits:\n  requests:\n    rat: 5\n", "line 3: rat: no such key in requests; did you mean 'rate'?"),
    ("access:\n  permissions:\n    \"a/*\": {bob: [write]}\n", "line 3: bob: 'write' is no right"),
    ("access: &a {}\nlimits: *a\n", "line 1: anchors (&name) are not read here"),
    ("storage: {grace: soon}\n", "line 1: grace: it must be a time"),
    ("access: {htpasswd: missing}\n", "missing"),
    ("access: {issuers: [{issuer: a, audience: b, key: missing.pem}]}\n", "issuer 'a'")])
def test_a_wrong_file_is_told_with_its_line(prefix, tmp_path, text, why):
    config = tmp_path / "registry.yaml"
    config.write_text(text)
    result = subprocess.run([prefix / "sbin/onggi-registry", "serve", "--addr", "127.0.0.1:0", "--root",
                             tmp_path / "root", "--config", config], capture_output=True, text=True,
                            timeout=20, check=False)
    assert result.returncode == 1 and why in result.stderr, result.stderr


def test_the_example_in_the_documentation_is_taken(prefix, tmp_path):
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs/registry-config.md").read_text()
    config = tmp_path / "registry.yaml"
    config.write_text(text.split("```yaml\n")[1].split("```")[0])
    subprocess.run([prefix / "sbin/onggi-registry", "account", "add", "alice", "--root", tmp_path, "--config",
                    config], input=b"a password\n", check=True, timeout=20)


# ---- quotas, immutable tags, retention ----

@pytest.fixture(scope="module")
def kept(start_onggi_registry):
    return start_onggi_registry("""
repositories:
  "small/*": {quota: {size: 10kB}}
  "few/*": {quota: {tags: 2}}
  "**": {immutable: ["v*"]}
  "free/*": {immutable: []}
metrics: {readers: "*"}
""")


def test_a_quota_of_bytes_counts_each_blob_once(kept):
    client = kept.client()
    blob = os.urandom(6000)
    client.push_blob("small/a", blob)
    client.push_blob("small/a", blob)
    second = os.urandom(6000)
    refused = client.post(f"/v2/small/a/blobs/uploads/?digest={digest_of(second)}", second, OCTETS)
    assert refused.status == 403 and refused.code == "DENIED", refused
    assert "the quota of 'small/a' is 10000 bytes" in refused.json()["errors"][0]["message"]
    # Of unknown length: it is seen at the end.
    sent = client.patch(client.begin("small/a"), second, OCTETS, chunked=True)
    late = client.put(f"{sent.headers['Location']}?digest={digest_of(second)}")
    assert late.status == 403, late
    assert client.head(f"/v2/small/a/blobs/{digest_of(second)}").status == 404
    # Nor from elsewhere.
    client.push_blob("big/a", second)
    mounted = client.post(f"/v2/small/a/blobs/uploads/?mount={digest_of(second)}&from=big/a")
    assert mounted.status == 403, mounted
    client.push_blob("small/b", second)
    assert metric(kept, "quota_refusals_total") >= 2


def test_a_quota_of_tags_lets_old_ones_move(kept):
    client = kept.client()
    _, document = client.push_image("few/a", "1")
    assert client.put_manifest("few/a", "2", document).status == 201
    assert client.put_manifest("few/a", "3", document).status == 403
    assert client.put_manifest("few/a", "2", another(document, "moved")).status == 201
    assert client.delete("/v2/few/a/manifests/1").status == 202
    assert client.put_manifest("few/a", "3", document).status == 201


def test_an_immutable_tag_neither_moves_nor_goes(kept):
    client = kept.client()
    digest, document = client.push_image("app/x", "v1")
    assert client.put_manifest("app/x", "v1", document).status == 201, "the same again changes nothing"
    moved = client.put_manifest("app/x", "v1", another(document, "moved"))
    assert moved.status == 409 and moved.code == "DENIED", moved
    assert client.delete("/v2/app/x/manifests/v1").status == 409
    assert client.delete(f"/v2/app/x/manifests/{digest}").status == 409, "with its tags it would go"
    assert client.get("/v2/app/x/manifests/v1").body == document
    assert client.put_manifest("app/x", "latest", document).status == 201
    assert client.put_manifest("app/x", "latest", another(document, "moved")).status == 201
    _, free = client.push_image("free/x", "v1")
    assert client.put_manifest("free/x", "v1", another(free, "moved")).status == 201
    assert metric(kept, "immutable_refusals_total") >= 3


def test_an_immutable_tag_that_comes_while_its_manifest_goes_stays(kept):
    client, tagger = kept.client(), kept.client()
    _, other = client.push_image("app/busy", "latest", layers=(b"another",))
    for number in range(600):   # so that to look at all of them takes a while
        assert client.put_manifest("app/busy", f"t{number}", other).status == 201
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for number in range(20):
            document = another(other, str(number))
            digest = digest_of(document)
            assert client.put_manifest("app/busy", digest, document).status == 201
            gone = pool.submit(client.delete, f"/v2/app/busy/manifests/{digest}")
            put = tagger.put_manifest("app/busy", f"v{number}", document)
            assert put.status == 201 and gone.result().status in (202, 409)
            assert tagger.get(f"/v2/app/busy/manifests/v{number}").body == document, gone.result()


def test_many_move_a_tag_at_once(kept):
    """Each is told that it is done; it is as the last one said."""
    _, document = kept.client().push_image("free/busy", "made")
    together = threading.Barrier(12, timeout=60)

    def push(who):
        client, pushed = kept.client(), set()
        for number in range(10):
            mine = another(document, f"{who} {number}")
            for tag in (f"new{number}", "latest"):
                together.wait()
                answer = client.put_manifest("free/busy", tag, mine)
                assert answer.status == 201, answer
            pushed.add(mine)
        client.close()
        return pushed

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        pushed = set.union(*pool.map(push, range(12)))
    assert kept.client().get("/v2/free/busy/manifests/latest").body in pushed


def test_a_head_of_a_tag_is_a_use_of_it(start_onggi_registry):
    """containerd asks by HEAD where a tag points, and pulls that by its digest."""
    registry = start_onggi_registry()
    client = registry.client()
    digest, _ = client.push_image("a/b", "1")
    assert client.get(f"/v2/a/b/manifests/{digest}").status == 200
    assert client.head("/v2/a/b/manifests/1").status == 200
    with contextlib.closing(sqlite3.connect(registry.root / "registry.db")) as records:
        assert records.execute("SELECT pulled_at > 0 FROM tags").fetchall() == [(1,)]


def test_retention_is_run_by_the_collector(start_onggi_registry):
    registry = start_onggi_registry("""
repositories:
  "app/*": {retention: {keep-last: 2, keep: "v*"}, immutable: "1.*"}
storage: {grace: 0s, untagged: 1s}
""")
    client = registry.client()
    _, document = client.push_image("app/x", "1")
    for tag in ("1.0", "v1", "2", "3", "4"):
        assert client.put_manifest("app/x", tag, another(document, tag)).status == 201
        time.sleep(1.05 if tag in ("v1", "2", "3") else 0)
    client.put_manifest("other/x", "1", document)
    dry = registry.run("gc", "--dry-run").stdout
    assert "tag app/x:1 sha256:" in dry and "tag app/x:2 sha256:" in dry and dry.count("tag ") == 2
    tags = lambda: set(client.get("/v2/app/x/tags/list").json()["tags"])
    assert tags() == {"1", "1.0", "v1", "2", "3", "4"}
    registry.run("gc")
    assert tags() == {"1.0", "v1", "3", "4"}
    assert client.get("/v2/app/x/manifests/v1").body == another(document, "v1")


def test_retention_runs_at_intervals(start_onggi_registry):
    registry = start_onggi_registry("""
repositories: {"**": {retention: {keep-last: 1}}}
storage: {retention-every: 1s}
metrics: {readers: "*"}
""")
    client = registry.client()
    _, document = client.push_image("app/x", "a")
    client.put_manifest("app/x", "b", document)
    daemon.wait_for("a tag to go", lambda: client.get("/v2/app/x/tags/list").json()["tags"] == ["b"])
    assert metric(registry, "tags_expired_total") == 1


# ---- webhooks ----

class Receiver:
    """Takes notifications; answers with what `statuses` says, then with 200."""

    def __init__(self):
        self.bodies, self.headers, self.statuses, self.paths = [], [], [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.statuses.pop(0) if outer.statuses else 200
                outer.headers.append(dict(self.headers))
                outer.paths.append(self.path)
                outer.bodies.append((status, body))
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def events(self):
        return [json.loads(body)["events"][0] for status, body in list(self.bodies) if status == 200]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


def test_pushes_and_deletions_are_told(start_onggi_registry, receiver, test_folder):
    secret = test_folder / "hook.secret"
    secret.write_text("a shared secret\n")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        registry = start_onggi_registry(f"""
webhooks:
  - {{url: "http://127.0.0.1:{silent.getsockname()[1]}/", timeout: 1s, attempts: 1}}
  - {{url: "{receiver.url}", secret-file: {secret}, repositories: ["told/**"]}}
metrics: {{readers: "*"}}
""")
        client = registry.client(headers={"User-Agent": "a tester"})
        receiver.statuses = [503, 200, 307]
        start = time.monotonic()
        digest, document = client.push_image("told/app", "v1")
        client.push_image("told/app", "v2")
        client.push_image("untold/app", "v1")
        assert client.get("/v2/told/app/manifests/v1").status == 200
        assert client.delete("/v2/told/app/manifests/v1").status == 202
        assert time.monotonic() - start < 5, "no client waits for a receiver"
        daemon.wait_for("notifications", lambda: len(receiver.events()) == 2, 20)
        push, delete = receiver.events()
        assert push["action"] == "push" and delete["action"] == "delete"
        target = push["target"]
        assert (target["repository"], target["tag"], target["digest"]) == ("told/app", "v1", digest)
        assert target["mediaType"] == MANIFEST and target["size"] == len(document)
        assert target["url"] == f"http://{registry.address}/v2/told/app/manifests/{digest}"
        assert push["request"]["addr"] == "127.0.0.1" and push["request"]["useragent"] == "a tester"
        for (_, body), headers in zip(receiver.bodies, receiver.headers):
            made = hmac.new(b"a shared secret", body, hashlib.sha256).hexdigest()
            assert headers["X-Onggi-Signature"] == f"sha256={made}"
            assert headers["Content-Type"] == "application/vnd.docker.distribution.events.v2+json"
        assert [status for status, _ in receiver.bodies] == [503, 200, 307, 200], "tried again where it may help"
        assert set(receiver.paths) == {"/hook"}, "followed nowhere"
        daemon.wait_for("the silent one to be given up", lambda: metric(registry, "webhooks_lost_total") >= 2)
        assert metric(registry, "webhooks_retried_total") == 1
        assert metric(registry, "webhooks_sent_total") == 2
        stop = time.monotonic()
        registry.stop()
        assert time.monotonic() - stop < 5


# ---- other registries ----

@pytest.fixture
def upstream():
    stub = registries.Stub()
    yield stub
    stub.stop()


def add_image(stub, name="library/app", tag="latest", layer=b"a layer", word="first"):
    document = another(image(layers=[layer]), word)
    stub.add(name, document, {digest_of(b"{}"): b"{}", digest_of(layer): layer}, tag)
    return digest_of(document), document


def behind(start, stub, fresh="0s"):
    return start(f"""
upstreams: {{hub: {{url: "http://{stub.address}", fresh: {fresh}}}}}
metrics: {{readers: "*"}}
""")


def test_what_is_missing_is_fetched_once_and_kept(start_onggi_registry, upstream):
    layer = os.urandom(300000)
    digest, document = add_image(upstream, layer=layer)
    registry = behind(start_onggi_registry, upstream, "1h")
    client = registry.client()
    pulled = client.get("/v2/hub/library/app/manifests/latest")
    assert pulled.status == 200 and pulled.body == document
    assert pulled.headers["Docker-Content-Digest"] == digest

    def slow(handler):
        time.sleep(0.3)
        return "plain"

    path = f"/v2/library/app/blobs/{digest_of(layer)}"
    upstream.bend[path] = slow
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        ask = lambda _: Client(registry.address).get("/v2/hub" + path.removeprefix("/v2"))
        answers = list(pool.map(ask, range(16)))
    assert all(answer.status == 200 and answer.body == layer for answer in answers)
    assert len(upstream.asked(path)) == 1, "16 asked, upstream was asked once"
    upstream.log.clear()
    assert client.get("/v2/hub/library/app/manifests/latest").body == document
    assert client.get(f"/v2/hub/library/app/manifests/{digest}").body == document
    assert client.get("/v2/hub" + path.removeprefix("/v2")).body == layer
    assert not upstream.log, "from here on it is served from here"
    assert client.get("/v2/hub/library/app/manifests/none").status == 404
    assert client.get("/v2/other/library/app/manifests/latest").status == 404
    assert client.get(f"/v2/hub/library/app/blobs/{digest_of(b'none')}").status == 404
    pushed = client.post("/v2/hub/library/app/blobs/uploads/")
    assert pushed.status in (202, 403)
    assert client.put_manifest("hub/library/app", "mine", document).status == 403, "a copy is not pushed to"


def test_a_moved_tag_is_followed_and_an_upstream_that_is_away_is_not_missed(start_onggi_registry, upstream):
    _, first = add_image(upstream)
    registry = behind(start_onggi_registry, upstream)
    client = registry.client()
    path = "/v2/hub/library/app/manifests/latest"
    assert client.get(path).body == first
    _, second = add_image(upstream, word="second")
    assert client.get(path).body == second, "it has moved there, and so it does here"

    upstream.bend["*"] = lambda handler: handler.answer(503, b"")
    assert client.get(path).body == second, "served as it was"
    assert client.get("/v2/hub/library/new/manifests/latest").status == 502
    assert metric(registry, "upstream_stale_total") >= 1
    upstream.stop()
    assert client.get(path).body == second
    registry.stop()
    registry.start()
    assert registry.client().get(path).body == second


def test_a_tag_that_is_gone_upstream_is_gone(start_onggi_registry, upstream):
    add_image(upstream)
    registry = behind(start_onggi_registry, upstream)
    path = "/v2/hub/library/app/manifests/latest"
    assert registry.client().get(path).status == 200
    del upstream.content["/v2/library/app/manifests/latest"]
    assert registry.client().get(path).status == 404


def test_a_server_ends_while_an_upstream_is_silent(start_onggi_registry):
    with socket.socket() as silent, concurrent.futures.ThreadPoolExecutor(2) as pool:
        silent.bind(("127.0.0.1", 0))
        silent.listen(2)
        silent.settimeout(20)
        registry = start_onggi_registry(
            f'upstreams: {{hub: {{url: "http://127.0.0.1:{silent.getsockname()[1]}"}}}}\n')
        waiting = [pool.submit(registry.client().get, f"/v2/hub/a/{what}")
                   for what in ("manifests/1", "blobs/" + digest_of(b"x"))]
        asked = [silent.accept()[0] for _ in waiting]
        registry.stop()   # which has patience for less than the server has with the upstream
        for one in waiting:
            assert one.exception(20) or one.result().status == 502
        for one in asked:
            one.close()


def test_a61_what_is_something_else_is_refused(start_onggi_registry, upstream):
    layer = b"the layer that was asked for"
    digest, document = add_image(upstream, layer=layer)
    registry = behind(start_onggi_registry, upstream)
    client = registry.client()
    blob = f"/v2/library/app/blobs/{digest_of(layer)}"
    manifest = f"/v2/library/app/manifests/{digest}"
    here = lambda path: path.replace("/v2/", "/v2/hub/")
    for lie in (b"another layer", layer + b"!", layer[:-1], b""):
        upstream.bend[blob] = lambda handler, lie=lie: handler.answer(200, lie, OCTETS)
        answer = client.get(here(blob))
        assert answer.status == 502 and answer.body != lie, answer
        assert client.head(here(blob)).status != 200
    evil = another(document, "evil")
    upstream.bend[manifest] = lambda handler: handler.answer(200, evil, {"Content-Type": MANIFEST})
    assert client.get(here(manifest)).status == 502
    # By tag: it is not what upstream itself says that it is.
    tag = "/v2/library/app/manifests/latest"
    upstream.bend[tag] = lambda handler: handler.answer(
        200, evil, {"Content-Type": MANIFEST, "Docker-Content-Digest": digest})
    assert client.get(here(tag)).status == 502
    both = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(b"{}"), "layers": [],
                       "manifests": []}).encode()
    upstream.bend[tag] = lambda handler: handler.answer(200, both, {"Content-Type": MANIFEST})
    assert client.get(here(tag)).status == 502, "ambiguous ones are no manifests, whoever sends them"
    upstream.bend.clear()
    assert client.get(here(blob)).body == layer, "and a lie is not remembered"
    assert client.get(here(manifest)).body == document
    blobs = {path.name for path in (registry.root / "blobs/sha256").iterdir()}
    assert hashlib.sha256(evil).hexdigest() not in blobs and hashlib.sha256(b"").hexdigest() not in blobs


def test_a_cut_blob_is_not_kept(start_onggi_registry, upstream):
    layer = os.urandom(100000)
    add_image(upstream, layer=layer)
    registry = behind(start_onggi_registry, upstream)
    path = f"/v2/library/app/blobs/{digest_of(layer)}"

    def cut(handler):
        handler.answer(200, layer[:50000], OCTETS, length=len(layer))
        handler.break_off()

    upstream.bend[path] = cut
    assert registry.client().get(path.replace("/v2/", "/v2/hub/")).status == 502
    upstream.bend.clear()
    assert registry.client().get(path.replace("/v2/", "/v2/hub/")).body == layer


def test_credentials_go_to_the_upstream_and_its_tokens_are_used(start_onggi_registry, test_folder):
    far = start_onggi_registry()
    digest, document = far.client().push_image("library/app", "latest")
    far.stop()
    registries.htpasswd(far.folder / "htpasswd", "mirror", "its secret")
    far.config.write_text("access: {htpasswd: htpasswd}\naccess-log: {file: access.log}\n")
    far.start()
    password = test_folder / "upstream.password"
    password.write_text("its secret\n")
    near = start_onggi_registry(f"""
upstreams: {{"*": {{url: "http://{far.address}", user: mirror, password-file: {password}}}}}
""")
    pulled = near.client().get("/v2/library/app/manifests/latest")
    assert pulled.status == 200 and pulled.body == document, near.log()
    layer = json.loads(document)["layers"][0]["digest"]
    assert near.client().get(f"/v2/library/app/blobs/{layer}").status == 200
    log = [json.loads(line) for line in (far.folder / "access.log").read_text().splitlines()]
    assert [entry["path"].split("?")[0] for entry in log if entry["status"] == 200] == [
        "/token", "/v2/library/app/manifests/latest", f"/v2/library/app/blobs/{layer}"], log
    password.write_text("wrong\n")
    near.stop()
    near.start()
    assert near.client().get(f"/v2/library/app/manifests/{digest}").status == 200, "from here"
    assert near.client().get("/v2/library/other/manifests/latest").status == 404


# ---- rates, numbers, logs ----

def test_who_asks_too_often_is_told_when_to_come_back(start_onggi_registry):
    registry = start_onggi_registry("limits: {requests: {rate: 5, burst: 10}}\nmetrics: {addr: '127.0.0.1:0'}\n")
    answers = [registry.client().get("/v2/") for _ in range(25)]
    late = [answer for answer in answers if answer.status == 429]
    assert answers[0].status == 200 and late
    assert late[0].code == "TOOMANYREQUESTS" and 1 <= int(late[0].headers["Retry-After"]) <= 3
    time.sleep(int(late[0].headers["Retry-After"]))
    assert registry.client().get("/v2/").status == 200


def test_metrics_are_for_whom_the_file_says(start_onggi_registry):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    registry = start_onggi_registry()
    registry.stop()
    registries.htpasswd(registry.folder / "htpasswd", "ops", "secret")
    with open(registry.folder / "htpasswd", "a+") as file:
        file.seek(0)
        file.write("other" + file.read().removeprefix("ops"))
    registry.config.write_text(f"""
access: {{htpasswd: htpasswd, permissions: {{"**": {{"*": [read, create]}}}}}}
metrics: {{addr: "127.0.0.1:{port}", readers: [ops]}}
""")
    registry.start()
    client = registry.client
    assert client().get("/metrics").status == 401
    basic = lambda pair: {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    assert client(headers=basic("other:secret")).get("/metrics").status == 403
    answer = client(headers=basic("ops:secret")).get("/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    own = Client(f"127.0.0.1:{port}")
    # A request is counted when its answer has gone, and so perhaps after its client has it.
    daemon.wait_for("the request to be counted", lambda: b'onggi_registry_requests_total{method="GET",status="2xx"}'
                    in own.get("/metrics").body)
    text = own.get("/metrics").body.decode()
    assert own.get("/v2/").status == 404, "nothing else is served there"
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ", "onggi_registry_")), line


def raw(address, text):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("form", ["json", "combined"])
def test_a60_a_log_line_is_one_request_whatever_it_holds(start_onggi_registry, form):
    registry = start_onggi_registry(f"access-log: {{file: access.log, format: {form}}}\n")
    agents = ["\x1b[2Jclear", 'a" 200 "', "a\\", '{"status":200}', "\x7f\x80\xff", "tab\there", "é"]
    for agent in agents:
        raw(registry.address, b"GET /v2/%22%5cGET HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: "
            + agent.encode("latin-1") + b"\r\nReferer: http://x/\"\r\n\r\n")
    answer = registry.client(headers={"User-Agent": "plain"}).get("/v2/")
    assert answer.status == 200
    registry.stop()
    text = (registry.folder / "access.log").read_bytes()
    lines = text.decode("ascii").splitlines()
    assert all(32 <= byte < 127 or byte == 10 for byte in text)
    assert lines[-1].count("plain") == 1 and "200" in lines[-1]
    if form == "json":
        entries = [json.loads(line) for line in lines]
        assert all(entry["address"] == "127.0.0.1" for entry in entries)
        assert entries[-1]["path"] == "/v2/" and entries[-1]["bytes"] == len(answer.body)
        seen = {entry.get("agent") for entry in entries}
        assert {'a" 200 "', "a\\", '{"status":200}'} <= seen, seen
    else:
        for line in lines:
            assert line.startswith("127.0.0.1 - - [") and line.endswith('"')
