# SPDX-License-Identifier: Apache-2.0
"""Who may do what in onggi-registry: accounts, htpasswd, tokens, certificates, permissions."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.parse

import pytest

import images
import registries
from onggiregistry import Client, digest_of, image

CONFIG = """
access:
  htpasswd: htpasswd
  service: test-registry
  issuers:
    - {{issuer: tokens, audience: tests, key: {key}}}
  permissions:
    "team/*":
      "group:dev": [read, create]
      lead: [read, create, update, delete]
    team/secret: {{lead: [read, create]}}
    "pub/*": {{"*": [read], lead: [read, create, update, delete], bob: [read, create, update]}}
limits:
  logins: {{rate: 1000, burst: 100000}}
"""
PASSWORDS = {"lead": "lead's secret", "dev": "dev's:secret", "bob": "bob's secret"}


def basic(account, password=None):
    pair = f"{account}:{PASSWORDS[account] if password is None else password}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def issuer(test_folder):
    server = registries.TokenServer(test_folder / "issuer", "carol", "carol's secret")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def registry(start_onggi_registry, issuer):
    """With two accounts of its own (lead, dev) and one of a file (bob)."""
    registry = start_onggi_registry()
    registry.stop()
    for name, groups in (("lead", ""), ("dev", "dev")):
        account(registry, "add", name, "--groups", groups, stdin=PASSWORDS[name])
    registries.htpasswd(registry.folder / "htpasswd", "bob", PASSWORDS["bob"])
    registry.config.write_text(CONFIG.format(key=issuer.certificate))
    registry.start()
    lead = registry.client(headers=basic("lead"))
    for name in ("team/app", "team/secret", "pub/app"):
        lead.push_image(name, "v1")
    return registry


def account(registry, *words, stdin="", check=True):
    return subprocess.run([registry.program, "account", *words, "--root", registry.root],
                          input=stdin + "\n", capture_output=True, text=True, timeout=30, check=check)


def as_(registry, who):
    return registry.client(headers=basic(who) if who else {})


def token_for(client, *scopes, **query):
    query = urllib.parse.urlencode([("service", "test-registry"), *query.items(),
                                    *(("scope", scope) for scope in scopes)])
    return client.get(f"/token?{query}")


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# ---- accounts ----

def test_an_account_works_from_the_moment_it_is_added_until_it_is_removed(registry):
    client = registry.client(headers=basic("new", "first"))
    assert client.get("/v2/").status == 401
    account(registry, "add", "new", "--groups", "dev", stdin="first")
    assert client.get("/v2/").status == 200
    assert client.get("/v2/team/app/tags/list").status == 200
    account(registry, "groups", "new", "--groups", "")
    assert client.get("/v2/team/app/tags/list").status == 403
    account(registry, "passwd", "new", stdin="second")
    assert client.get("/v2/").status == 401
    assert registry.client(headers=basic("new", "second")).get("/v2/").status == 200
    assert "new\t" in account(registry, "list").stdout
    account(registry, "remove", "new")
    assert registry.client(headers=basic("new", "second")).get("/v2/").status == 401


@pytest.mark.parametrize("words, stdin, why", [
    (["add", "lead"], "x", "there is an account 'lead'"),
    (["add", "a:b"], "x", "no account's name"),
    (["add", "fresh"], "", "the password is empty"),
    (["passwd", "nobody"], "x", "there is no account 'nobody'"),
    (["remove", "nobody"], "", "there is no account 'nobody'"),
    (["add"], "x", "account add, passwd"),
    (["fly", "lead"], "x", "account add, passwd")])
def test_what_an_account_cannot_be_is_told(registry, words, stdin, why):
    result = account(registry, *words, stdin=stdin, check=False)
    assert result.returncode == 1 and why in result.stderr, result


def test_passwords_are_kept_as_argon2id_alone(registry):
    kept = b"".join(path.read_bytes() for path in registry.root.glob("accounts.db*"))
    assert b"$argon2id$v=19$" in kept
    assert not any(password.encode() in kept for password in PASSWORDS.values())
    assert (registry.root / "accounts.db").stat().st_mode & 0o777 == 0o600
    assert (registry.root / "token.key").stat().st_mode & 0o777 == 0o600


def test_a_changed_htpasswd_counts_at_once(registry):
    path = registry.folder / "htpasswd"
    before = path.read_text()
    try:
        registries.htpasswd(path, "eve", "eve's secret")
        assert registry.client(headers=basic("eve", "eve's secret")).get("/v2/").status == 200
        assert registry.client(headers=basic("bob")).get("/v2/").status == 401
    finally:
        path.write_text(before)
    assert registry.client(headers=basic("bob")).get("/v2/").status == 200


def test_a_costly_line_is_refused_at_the_start(start_onggi_registry):
    registry = start_onggi_registry()
    registry.stop()
    (registry.folder / "htpasswd").write_text("eve:$2y$31$" + "C" * 53 + "\n")
    registry.config.write_text("access: {htpasswd: htpasswd}\n")
    result = registry.run("serve", "--addr", registry.address, check=False)
    assert result.returncode == 1
    assert "line 1: bcrypt cost 31, at most 14 is checked" in result.stderr


# ---- permissions ----

@pytest.mark.parametrize("who, name, pull, push, move, delete", [
    (None, "pub/app", 200, 401, 401, 401),
    (None, "team/app", 401, 401, 401, 401),
    ("dev", "pub/app", 200, 403, 403, 403),
    ("dev", "team/app", 200, 201, 403, 403),
    ("dev", "team/secret", 403, 403, 403, 403),
    ("dev", "nowhere/app", 403, 403, 403, 403),
    ("bob", "pub/app", 200, 201, 201, 403),
    ("bob", "team/app", 403, 403, 403, 403),
    ("lead", "team/app", 200, 201, 201, 202),
    ("lead", "team/secret", 200, 201, 403, 403)])
def test_the_longest_pattern_says_what_one_may(registry, who, name, pull, push, move, delete):
    client, lead = as_(registry, who), as_(registry, "lead")
    document = image()
    if name.startswith(("team/", "pub/")):
        lead.push_image(name, "v1") if name != "team/secret" else None
    assert client.get(f"/v2/{name}/manifests/v1").status == pull
    tag = f"new-{who}"
    assert client.put_manifest(name, tag, document).status == push
    moved = json.dumps({**json.loads(document), "annotations": {"moved": "yes"}}).encode()
    assert client.put_manifest(name, "v1", moved).status == move
    assert client.delete(f"/v2/{name}/manifests/{tag if push == 201 else 'v1'}").status == delete


def test_the_catalog_lists_what_one_may_read(registry):
    def seen(who):
        return set(as_(registry, who).get("/v2/_catalog").json()["repositories"])

    assert seen("lead") == {"pub/app", "team/app", "team/secret"}
    assert seen("dev") == {"pub/app", "team/app"}
    assert seen("bob") == {"pub/app"}
    token = token_for(registry.client(), "registry:catalog:*").json()["token"]
    anonymous = registry.client(headers=bearer(token)).get("/v2/_catalog")
    assert anonymous.json()["repositories"] == ["pub/app"]


def test_a56_nothing_is_mounted_from_where_one_may_not_read(registry):
    secret = os.urandom(100)
    digest = as_(registry, "lead").push_blob("team/secret", secret)
    dev = as_(registry, "dev")
    answer = dev.post(f"/v2/team/app/blobs/uploads/?mount={digest}&from=team/secret")
    assert answer.status == 202, answer
    assert dev.head(f"/v2/team/app/blobs/{digest}").status == 404
    anywhere = dev.post(f"/v2/team/app/blobs/uploads/?mount={digest}")
    assert anywhere.status == 202, anywhere
    # Nor is it told whether something is there.
    absent = digest_of(b"absent")
    for who in ("dev", "bob", None):
        here = as_(registry, who).head(f"/v2/team/secret/blobs/{digest}")
        there = as_(registry, who).head(f"/v2/team/secret/blobs/{absent}")
        never = as_(registry, who).head(f"/v2/never/seen/blobs/{absent}")
        assert here.status == there.status == never.status == (403 if who else 401)
    lead = as_(registry, "lead")
    assert lead.post(f"/v2/team/app/blobs/uploads/?mount={digest}&from=team/secret").status == 201


def test_a57_an_upload_is_its_accounts_own(registry):
    location = as_(registry, "lead").begin("pub/app")
    for who in ("bob", "dev"):
        answer = as_(registry, who).patch(location, b"poison",
                                          {"Content-Type": "application/octet-stream"})
        assert answer.status == (404 if who == "bob" else 403), answer
    content = os.urandom(50)
    done = as_(registry, "lead").put(f"{location}?digest={digest_of(content)}", content,
                                     {"Content-Type": "application/octet-stream"})
    assert done.status == 201, done


# ---- tokens ----

def test_the_challenge_leads_to_a_token(registry):
    answer = registry.client().get("/v2/team/app/manifests/v1")
    assert answer.status == 401 and answer.code == "UNAUTHORIZED"
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="http://{registry.address}/token",service="test-registry",'
        'scope="repository:team/app:pull"')
    given = token_for(as_(registry, "dev"), "repository:team/app:pull").json()
    assert given["token"] == given["access_token"] and given["expires_in"] == 300
    assert "refresh_token" not in given
    assert registry.client(headers=bearer(given["token"])).get("/v2/team/app/manifests/v1").status == 200


def test_a_token_is_for_what_was_asked_and_may_be_done(registry):
    given = token_for(as_(registry, "dev"), "repository:team/app:pull,push,delete",
                      "repository:team/secret:pull", "repository:pub/app:pull,push").json()
    access = {entry["name"]: entry["actions"] for entry in claims_of(given["token"])["access"]}
    assert access == {"team/app": ["pull", "push"], "team/secret": [], "pub/app": ["pull"]}
    # A narrower one is answered with what to ask for, so that clients do.
    pull_only = token_for(as_(registry, "dev"), "repository:team/app:pull").json()["token"]
    client = registry.client(headers=bearer(pull_only))
    refused = client.post("/v2/team/app/blobs/uploads/")
    assert refused.status == 401
    assert 'scope="repository:team/app:pull,push"' in refused.headers["WWW-Authenticate"]
    assert client.get("/v2/pub/app/manifests/v1").status == 401
    assert client.get("/v2/team/secret/manifests/v1").status == 403
    assert client.get("/token?scope=repository:team/app:push").status == 401


def test_scopes_may_share_a_parameter_and_nobody_gets_what_anybody_may(registry):
    given = token_for(registry.client(), "repository:pub/app:pull,push repository:team/app:pull").json()
    access = [entry["actions"] for entry in claims_of(given["token"])["access"]]
    assert access == [["pull"], []] and claims_of(given["token"])["sub"] == ""
    client = registry.client(headers=bearer(given["token"]))
    assert client.get("/v2/pub/app/manifests/v1").status == 200
    assert client.get("/v2/team/app/manifests/v1").status == 401


@pytest.mark.parametrize("query", [
    "scope=repository:team/app", "scope=a:b%0d%0ac:pull", "service=another", "scope=:::",
    "&".join(["scope=repository:a:pull"] * 51)])
def test_what_is_no_request_for_a_token_is_400(registry, query):
    assert registry.client().get(f"/token?{query}").status == 400


def form(**fields):
    return urllib.parse.urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_refresh_token_stands_for_the_password_until_that_changes(registry):
    account(registry, "add", "walker", "--groups", "dev", stdin="first")
    given = token_for(registry.client(headers=basic("walker", "first")), offline_token="true",
                      account="walker", client_id="docker").json()
    refresh = given["refresh_token"]
    body = form(grant_type="refresh_token", service="test-registry", client_id="docker",
                scope="repository:team/app:pull,push", refresh_token=refresh)
    answer = registry.client().post("/token", *body)
    assert answer.status == 200, answer
    client = registry.client(headers=bearer(answer.json()["access_token"]))
    assert client.get("/v2/team/app/manifests/v1").status == 200
    account(registry, "passwd", "walker", stdin="second")
    assert registry.client().post("/token", *body).status == 401
    account(registry, "remove", "walker")
    assert client.get("/v2/team/app/manifests/v1").status == 401


def test_a_token_by_post_with_a_password(registry):
    def ask(**more):
        return registry.client().post("/token", *form(**{
            "grant_type": "password", "service": "test-registry", "client_id": "containerd",
            "username": "dev", "password": PASSWORDS["dev"], "access_type": "offline",
            "scope": "repository:team/app:pull", **more}))

    answer = ask()
    assert answer.status == 200 and answer.json()["refresh_token"].startswith("ogr_")
    assert ask(password="wrong").status == 401
    assert ask(username="nobody").status == 401
    assert ask(grant_type="authorization_code").status == 400
    assert ask(service="another").status == 400
    twice = "grant_type=password&username=dev&username=lead&password=x"
    assert registry.client().post("/token", twice).status == 400
    assert registry.client().put("/token", b"x").status == 405


def sign(header, claims, key, algorithm="sha256"):
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    text = encode(json.dumps(header).encode()) + b"." + encode(json.dumps(claims).encode())
    signature = subprocess.run(["openssl", "dgst", f"-{algorithm}", "-sign", key], input=text,
                               stdout=subprocess.PIPE, check=True).stdout
    return (text + b"." + encode(signature)).decode()


def test_a58_no_other_token_is_taken(registry, issuer, test_folder):
    good = token_for(as_(registry, "lead"), "repository:team/app:pull").json()["token"]
    head, body, signature = good.split(".")

    def with_header(**header):
        part = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        return f"{part}.{body}.{signature}"

    def foreign(key=issuer.key, **claims):
        now = int(time.time())
        return sign({"alg": "RS256", "typ": "JWT"}, {
            "iss": "tokens", "aud": "tests", "sub": "carol", "exp": now + 60, "nbf": now,
            "access": [{"type": "repository", "name": "team/app", "actions": ["pull"]}], **claims}, key)

    _, other_key = registries.make_certificate(test_folder / "another-issuer")
    now = int(time.time())
    bad = {
        "none": with_header(alg="none").rsplit(".", 1)[0] + ".",
        "none, signed": with_header(alg="none"),
        "HS256": with_header(alg="HS256"),
        "kid a path": with_header(alg="ES256", kid="../../../../dev/null"),
        "own key": with_header(alg="ES256", jwk={"kty": "EC"}),
        "own key's URL": with_header(alg="ES256", jku="http://127.0.0.1:1/"),
        "other header": with_header(alg="ES256"),
        "cut": good[:-1], "cut body": f"{head}.{body[:-4]}.{signature}", "no signature": f"{head}.{body}",
        "two parts more": good + ".a.b", "blank": "", "text": "x",
        "over": foreign(exp=now - 3600, nbf=now - 7200), "not yet": foreign(nbf=now + 3600),
        "never over": foreign(exp=None), "other audience": foreign(aud="another"),
        "our audience by another": foreign(iss="onggi-registry", aud="test-registry"),
        "other issuer": foreign(iss="elsewhere"), "other key": foreign(key=other_key),
    }
    assert registry.client(headers=bearer(good)).get("/v2/team/app/manifests/v1").status == 200
    assert registry.client(headers=bearer(foreign())).get("/v2/team/app/manifests/v1").status == 200
    for what, token in bad.items():
        answer = registry.client(headers=bearer(token)).get("/v2/team/app/manifests/v1")
        assert answer.status == 401, (what, answer)
        # Where anybody may read, a wrong token is still wrong, and not none.
        assert registry.client(headers=bearer(token)).get("/v2/pub/app/manifests/v1").status == 401, what
    for header in ("Basic", "Basic !", "Digest x", "Negotiate abc", "Basic " + "A" * 3000):
        assert registry.client(headers={"Authorization": header}).get("/v2/").status == 401, header


def test_a_token_of_another_issuer_is_worth_what_it_says(registry, issuer):
    query = {"service": ["tests"], "scope": ["repository:team/app:pull"]}
    client = registry.client(headers=bearer(issuer.token(query)))
    assert client.get("/v2/team/app/manifests/v1").status == 200
    assert client.post("/v2/team/app/blobs/uploads/").status == 401
    assert client.get("/v2/team/secret/manifests/v1").status == 401


def test_who_guesses_too_often_is_not_listened_to(start_onggi_registry):
    registry = start_onggi_registry()
    registry.stop()
    account(registry, "add", "lead", stdin=PASSWORDS["lead"])
    registry.config.write_text("access: {}\nlimits: {logins: {rate: 1, burst: 3}}\n")
    registry.start()
    answers = [registry.client(headers=basic("lead", f"guess {i}")).get("/v2/") for i in range(8)]
    statuses = [answer.status for answer in answers]
    assert statuses[:3] == [401] * 3 and 429 in statuses[3:], statuses
    late = next(answer for answer in answers if answer.status == 429)
    assert late.code == "TOOMANYREQUESTS" and int(late.headers["Retry-After"]) >= 1
    # Others of that address, who show nothing, go on.
    assert registry.client().get("/v2/").status == 401


def test_guesses_in_a_form_are_counted_too(start_onggi_registry):
    registry = start_onggi_registry()
    registry.stop()
    account(registry, "add", "lead", stdin=PASSWORDS["lead"])
    registry.config.write_text("access: {}\nlimits: {logins: {rate: 1, burst: 3}}\n")
    registry.start()

    def guess(**fields):
        return registry.client().post("/token", *form(**fields))

    answers = [guess(grant_type="password", username="lead", password=f"guess {i}") for i in range(12)]
    statuses = [answer.status for answer in answers]
    assert statuses[:3] == [401] * 3 and 429 in statuses[3:], statuses
    late = next(answer for answer in answers if answer.status == 429)
    assert late.code == "TOOMANYREQUESTS" and int(late.headers["Retry-After"]) >= 1
    assert 429 in [guess(grant_type="refresh_token", refresh_token=f"ogr_{i:064}").status for i in range(12)]
    assert registry.client().get("/v2/").status == 401


# ---- certificates ----

def test_a_certificate_names_a_client(start_onggi_registry, test_folder, require):
    require.tool("openssl")
    folder = test_folder / "mtls"
    ca, ca_key = registries.make_certificate(folder / "ca", "ca.example.org")
    server, server_key = registries.make_certificate(folder / "server")

    def make(name):
        key, request, made = (folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        run = lambda *words: subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
        run("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        run("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30",
            "-out", made)
        return ["--cert", made, "--key", key]

    registry = start_onggi_registry(f"""
tls: {{certificate: {server}, key: {server_key}, client-ca: {ca}, client: optional}}
access: {{permissions: {{"**": {{"client:robot": [read, create], "*": [read]}}}}}}
""")

    def status(path, *words):
        result = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", server,
                                 *map(str, words), f"https://{registry.address}{path}"],
                                capture_output=True, text=True, timeout=20, check=False)
        return result.stdout

    post = ["-X", "POST", "-d", ""]
    robot, stranger = make("robot"), make("stranger")
    foreign = ["--cert", server, "--key", server_key]
    assert status("/v2/", *robot) == "200"
    assert status("/v2/x/blobs/uploads/", *post, *robot) == "202"
    assert status("/v2/x/blobs/uploads/", *post, *stranger) == "403"
    assert status("/v2/x/blobs/uploads/", *post) == "401"
    assert status("/v2/x/tags/list") == "404"
    assert status("/v2/", *foreign) == "000", "a certificate of another authority ends the handshake"


# ---- clients that nobody here wrote ----

@pytest.fixture
def run(tmp_path):
    def run(*words, stdin="", check=True):
        result = subprocess.run([str(word) for word in words], input=stdin, capture_output=True, text=True,
                                timeout=60, check=False,
                                env={**os.environ, "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path),
                                     "DOCKER_HOST": f"unix://{tmp_path}/none",
                                     "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")})
        if check:
            assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result
    return run


@pytest.mark.parametrize("who", ["lead", "bob"])
def test_docker_logs_in(registry, run, require, tmp_path, who):
    require.tool("docker")
    login = ["docker", "login", "--username", who, "--password-stdin", registry.address]
    assert "Login Succeeded" in run(*login, stdin=PASSWORDS[who]).stdout
    kept = json.loads((tmp_path / "config.json").read_text())["auths"][registry.address]
    assert kept.get("identitytoken", "").startswith("ogr_"), "a token is kept, and no password"
    assert run(*login, stdin="wrong", check=False).returncode != 0
    run("docker", "logout", registry.address)


@pytest.mark.parametrize("who", ["lead", "bob"])
def test_podman_logs_in_and_skopeo_copies(registry, run, require, who):
    require.tool("podman")
    require.tool("skopeo")
    here = f"docker://{registry.address}"
    anonymous = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{here}/team/app:v1", check=False)
    assert anonymous.returncode != 0
    login = ["podman", "login", "--tls-verify=false", "-u", who, "--password-stdin", registry.address]
    assert run(*login, stdin="wrong", check=False).returncode != 0
    run(*login, stdin=PASSWORDS[who])
    copy = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"{here}/pub/app:v1"]
    run(*copy, f"{here}/pub/copy:{who}")
    run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{here}/pub/copy:{who}")
    assert run(*copy, f"{here}/elsewhere/app:1", check=False).returncode != 0
    tags = json.loads(run("skopeo", "list-tags", "--tls-verify=false", f"{here}/pub/copy").stdout)["Tags"]
    assert who in tags
    delete = run("skopeo", "delete", "--tls-verify=false", f"{here}/pub/copy:{who}", check=False)
    assert (delete.returncode == 0) == (who == "lead"), delete.stderr
    run("podman", "logout", registry.address)


CLIENTS = sorted({path for path in (shutil.which("docker"), "/usr/local/bin/docker", "/usr/bin/docker")
                  if path and shutil.which(path)})


@pytest.mark.parametrize("tool", [*CLIENTS, "onggi"])
def test_engines_clients_log_in_push_and_pull(registry, onggid, tmp_path, tool):
    """Of both Docker versions and our own, through the engine."""
    tool = onggid.prefix / "bin/onggi" if tool == "onggi" else tool
    config = tmp_path / "config"
    config.mkdir()

    def client(*words, **rest):
        return onggid.run(tool, "--config", config, "-H", onggid.host, *words, **rest)

    name, where = f"{registry.address}/team/pushed:{tmp_path.name}", registry.address
    images.docker_archive(tmp_path / "in.tar", [images.busybox_layer()], tag=name)
    client("load", "-i", tmp_path / "in.tar")
    assert client("push", name, check=False).returncode != 0, "without credentials"
    wrong = client("login", "-u", "dev", "--password-stdin", where, input="wrong", check=False)
    assert wrong.returncode != 0
    assert "Login Succeeded" in client("login", "-u", "dev", "--password-stdin", where,
                                       input=PASSWORDS["dev"]).stdout
    client("push", name)
    client("rmi", "-f", name)
    client("pull", name)
    other = f"{registry.address}/pub/pushed:1"
    client("tag", name, other)
    assert client("push", other, check=False).returncode != 0, "dev may only read there"
    client("rmi", "-f", name, other)
    client("logout", where)
    assert client("pull", name, check=False).returncode != 0


def test_oras_skopeo_and_cosign_of_debian_13_sign_in(registry, peers):
    who = ["-u", "dev", "--password-stdin", registry.address]
    assert peers.run("oras", "login", "--plain-http", *who, stdin="wrong", check=False).returncode != 0
    peers.run("oras", "login", "--plain-http", *who, stdin=PASSWORDS["dev"])
    (peers.folder / "artifact.txt").write_text("an artifact\n")
    there = f"{registry.address}/team/artifact"
    peers.run("oras", "push", "--plain-http", "--artifact-type", "text/x", f"{there}:1", "artifact.txt")
    peers.run("oras", "pull", "--plain-http", "-o", "back", f"{there}:1")
    assert (peers.folder / "back/artifact.txt").read_text() == "an artifact\n"
    secret = peers.run("oras", "push", "--plain-http", f"{registry.address}/team/secret:1", "artifact.txt",
                       check=False)
    assert secret.returncode != 0
    credentials = f"dev:{PASSWORDS['dev']}"
    peers.run("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--src-creds", credentials,
              "--dest-creds", credentials, f"docker://{there}:1", f"docker://{there}:copy")
    peers.run("cosign", "login", registry.address, "-u", "dev", "--password-stdin", stdin=PASSWORDS["dev"])
    tree = peers.run("cosign", "tree", "--allow-http-registry", f"{there}:1", check=False)
    assert "UNAUTHORIZED" not in tree.stdout + tree.stderr


def test_nothing_is_asked_for_where_the_file_has_no_access(onggi_registry):
    client = Client(onggi_registry.address)
    assert client.get("/v2/").status == 200
    client.push_image("anything/at-all", "1")
    assert client.get("/token").status == 404
    assert not (onggi_registry.root / "accounts.db").exists()
