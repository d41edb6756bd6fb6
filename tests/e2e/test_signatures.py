# SPDX-License-Identifier: Apache-2.0
"""Signatures and attestations, beside cosign, skopeo, openssl and npm's @sigstore/verify.

Both directions: what we make they accept, what they make we accept. And nine ways to be refused.
"""

import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

import images
import peers as peers_lib

PASSWORD = "a password"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SIMPLESIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
CUSTOM = "https://cosign.sigstore.dev/attestation/v1"
OFFLINE = ["--allow-insecure-registry", "--insecure-ignore-tlog"]


class Repository:
    """One repository of a registry, as raw as HTTP is."""

    def __init__(self, address, name):
        self.address, self.name = address, name
        self.reference = f"{address}/{name}"

    def ask(self, method, path, body=None, headers=None):
        url = path if path.startswith("http") else f"http://{self.address}/v2/{self.name}/{path}"
        request = urllib.request.Request(url, method=method, data=body, headers={
            "Accept": f"{MANIFEST}, {INDEX}", **(headers or {})})
        return urllib.request.urlopen(request, timeout=20)

    def get(self, path):
        return self.ask("GET", path).read()

    def put_blob(self, data):
        digest = images.sha256(data)
        where = self.ask("POST", "blobs/uploads/").headers["Location"]
        if where.startswith("/"):
            where = f"http://{self.address}{where}"
        self.ask("PUT", where + ("&" if "?" in where else "?") + f"digest={digest}", data,
                 {"Content-Type": "application/octet-stream"})
        return digest

    def put_manifest(self, manifest, reference=None, kind=MANIFEST):
        data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        self.ask("PUT", f"manifests/{reference or images.sha256(data)}", data, {"Content-Type": kind})
        return images.sha256(data)

    def put_image(self, text, tag="1", architecture="amd64"):
        layers = [images.motd_layer(text)]
        manifest, blobs = images.oci_blobs(
            layers, config=images.image_config(layers, architecture=architecture))
        for digest, data in blobs.items():
            if digest != images.sha256(manifest):
                self.put_blob(data)
        return self.put_manifest(manifest, tag)

    def put_signatures(self, digest, payloads, kind="sig", media_type=SIMPLESIGNING):
        """The tag that holds these [(payload, signature in base64)]."""
        there = {payload: self.put_blob(payload) for payload, _ in payloads}
        layers = [{"mediaType": media_type, "digest": there[payload], "size": len(payload),
                   "annotations": {SIGNATURE: signature}} for payload, signature in payloads]
        config = self.put_blob(b"{}")
        self.put_manifest({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers, "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2}},
            f"{digest.replace(':', '-')}.{kind}")

    def signatures(self, digest, kind="sig"):
        manifest = json.loads(self.get(f"manifests/{digest.replace(':', '-')}.{kind}"))
        return [(self.get("blobs/" + layer["digest"]), layer["annotations"][SIGNATURE])
                for layer in manifest["layers"]]

    def bundles(self, digest):
        """Of the referrers, by the API, else by the tag that stands in for it."""
        try:
            index = json.loads(self.get(f"referrers/{digest}"))
        except urllib.error.HTTPError:
            index = json.loads(self.get(f"manifests/{digest.replace(':', '-')}"))
        for entry in index["manifests"]:
            manifest = json.loads(self.get("manifests/" + entry["digest"]))
            for layer in manifest["layers"]:
                if layer["mediaType"] == BUNDLE:
                    yield self.get("blobs/" + layer["digest"])


@pytest.fixture
def repository(request):
    """At Debian's docker-registry, unless the test is `at_both`."""
    address = (request.getfixturevalue("onggi_registry").address
               if getattr(request, "param", "") == "onggi-registry" else request.getfixturevalue("registry"))
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return Repository(address, f"team/{name}")


at_both = pytest.mark.parametrize("repository", ["docker-registry", "onggi-registry"], indirect=True)


def run_onggi(prefix, folder, *words, check=True, env=None):
    result = subprocess.run([prefix / "bin/onggi", *map(str, words)], cwd=folder, text=True,
                            env={"PATH": os.environ["PATH"], "HOME": str(folder),
                                 "ONGGI_KEY_PASSWORD": PASSWORD, **(env or {})},
                            capture_output=True, timeout=60, check=False)
    if check:
        assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
    return result


@pytest.fixture(scope="session")
def made_keys(prefix, tmp_path_factory, require):
    """Two pairs of ours, made once: it costs a quarter of a second each."""
    if not prefix.joinpath("bin/onggi-trust").exists():
        require.lacking(f"no onggi-trust in {prefix}")
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "other"):
        run_onggi(prefix, folder, "key", "generate", name)
    assert folder.joinpath("ours.key").stat().st_mode & 0o777 == 0o600
    result = run_onggi(prefix, folder, "key", "generate", "ours", check=False)
    assert result.returncode == 1 and "exists" in result.stderr
    return folder


@pytest.fixture
def keys(made_keys, tmp_path, request):
    """A folder with our keys; that of the peers, where there are peers."""
    folder = request.getfixturevalue("peers").folder if "peers" in request.fixturenames else tmp_path
    for path in made_keys.iterdir():
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def onggi(prefix, keys):
    def run(*words, **rest):
        return run_onggi(prefix, keys, *words, **rest)
    return run


@pytest.fixture(scope="session")
def cosign_keys(peers_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cosign")
    peers_lib.Peers(peers_root, folder).run("cosign", "generate-key-pair", env={"COSIGN_PASSWORD": PASSWORD})
    return folder


@pytest.fixture
def cosign(peers, cosign_keys):
    for path in cosign_keys.glob("cosign.*"):
        shutil.copy(path, peers.folder)

    def run(*words, **rest):
        return peers.run("cosign", *words, env={"COSIGN_PASSWORD": PASSWORD}, **rest)
    return run


def refused(result, *why):
    assert result.returncode == 1, f"accepted: {result.stdout}{result.stderr}"
    assert result.stdout == ""
    for word in why:
        assert word in result.stderr, result.stderr


# ---- made by us, accepted by others ----

@at_both
def test_cosign_accepts_our_signature_and_our_key_file(repository, onggi, peers, cosign):
    digest = repository.put_image("signed by us")
    onggi("sign", "--key", "ours.key", f"{repository.reference}:1")
    cosign("verify", *OFFLINE, "--key", "ours.pub", f"{repository.reference}:1")
    # And our key's file: cosign signs with it, and either key's signature holds.
    cosign("sign", "--yes", "--tlog-upload=false", "--allow-insecure-registry", "--key", "ours.key",
           f"{repository.reference}@{digest}")
    out = json.loads(cosign("verify", *OFFLINE, "--key", "ours.pub", f"{repository.reference}:1").stdout)
    assert len(out) == 2
    assert cosign("verify", *OFFLINE, "--key", "cosign.pub", f"{repository.reference}:1",
                  check=False).returncode != 0


@at_both
def test_cosign_accepts_our_signature_as_a_referrer(repository, onggi, cosign):
    repository.put_image("signed by us")
    onggi("sign", "--key", "ours.key", "--layout", "referrer", f"{repository.reference}:1")
    cosign("verify", *OFFLINE, "--experimental-oci11", "--key", "ours.pub", f"{repository.reference}:1")


TRUSTED_ROOT = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [], "certificateAuthorities": [], "ctlogs": [], "timestampAuthorities": []}


@at_both
@pytest.mark.parametrize("layout", ["tag", "bundle"])
def test_cosign_accepts_our_attestation(repository, onggi, cosign, keys, layout):
    repository.put_image("attested by us")
    keys.joinpath("predicate.json").write_text('{"made": "here"}')
    keys.joinpath("root.json").write_text(json.dumps(TRUSTED_ROOT))
    onggi("attest", "--key", "ours.key", "--layout", layout, "--type", "slsaprovenance1",
          "--predicate", "predicate.json", f"{repository.reference}:1")
    more = ["--new-bundle-format", "--trusted-root", "root.json"] if layout == "bundle" else []
    out = cosign("verify-attestation", *OFFLINE, *more, "--key", "ours.pub", "--type",
                 "slsaprovenance1", f"{repository.reference}:1").stdout
    payload = json.loads(base64.b64decode(json.loads(out.splitlines()[-1])["payload"]))
    assert payload["predicate"] == {"made": "here"}


@at_both
def test_cosign_accepts_our_signature_as_a_bundle(repository, onggi, cosign, keys):
    """cosign 2.5 reads signatures of bundles as attestations alone."""
    repository.put_image("signed by us")
    keys.joinpath("root.json").write_text(json.dumps(TRUSTED_ROOT))
    onggi("sign", "--key", "ours.key", "--layout", "bundle", f"{repository.reference}:1")

    def check(key):
        return cosign("verify-attestation", *OFFLINE, "--new-bundle-format", "--trusted-root", "root.json",
                      "--key", key, "--type", "https://sigstore.dev/cosign/sign/v1",
                      f"{repository.reference}:1", check=False).returncode
    assert check("ours.pub") == 0
    assert check("other.pub") != 0


def skopeo_policy(folder, address, **demand):
    """policy.json and registries.d below /work of the peers."""
    folder.joinpath("registries.d").mkdir(exist_ok=True)
    folder.joinpath("registries.d/all.yaml").write_text(
        "default-docker: {use-sigstore-attachments: true}\n")
    folder.joinpath("policy.json").write_text(json.dumps({
        "default": [{"type": "reject"}],
        "transports": {"docker": {address: [{"type": "sigstoreSigned", **demand}]}}}))


def skopeo_copy(peers, reference, check=True):
    shutil.rmtree(peers.folder / "copied", ignore_errors=True)
    return peers.run("skopeo", "copy", "-q", "--policy", "policy.json", "--registries.d", "registries.d",
                     "--src-tls-verify=false", "--remove-signatures", f"docker://{reference}",
                     "dir:/work/copied", check=check)


@at_both
def test_skopeo_accepts_our_signature(repository, onggi, peers):
    repository.put_image("signed by us")
    onggi("sign", "--key", "ours.key", f"{repository.reference}:1")
    skopeo_policy(peers.folder, repository.address, keyPath="/work/ours.pub")
    skopeo_copy(peers, f"{repository.reference}:1")
    # It looks at the name; the tag that was signed is the only one.
    repository.put_image("signed by us", tag="2")
    assert skopeo_copy(peers, f"{repository.reference}:2", check=False).returncode != 0
    refused(onggi("verify", "--policy", write_policy(peers.folder, repository.address),
                  f"{repository.reference}:2", check=False), "another name")


def test_openssl_accepts_our_signature(repository, onggi, keys, require):
    require.tool("openssl")
    digest = repository.put_image("signed by us")
    onggi("sign", "--key", "ours.key", f"{repository.reference}:1")
    (payload, signature), = repository.signatures(digest)
    keys.joinpath("payload").write_bytes(payload)
    keys.joinpath("signature").write_bytes(base64.b64decode(signature, validate=True))
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", "ours.pub", "-signature", "signature",
                    "payload"], cwd=keys, check=True, capture_output=True)


SIGSTORE = """
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');
const { bundleFromJSON } = require('@sigstore/bundle');
const crypto = require('crypto');
const fs = require('fs');
const key = crypto.createPublicKey(fs.readFileSync(process.argv[2]));
const trust = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
    publicKey: () => ({ publicKey: key, validFor: () => true }) };
const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(process.argv[3])));
new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0 }).verify(toSignedEntity(bundle));
"""


@pytest.fixture(scope="session")
def sigstore_js(require):
    """A folder with npm's @sigstore/verify, fetched once."""
    npm = require.tool("npm")
    cache = pathlib.Path(os.environ.get("ONGGI_TEST_CACHE", "/var/tmp/onggi-test")) / "sigstore-js-2.1.1"
    if not cache.joinpath("done").exists():
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        try:
            result = subprocess.run(
                [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "@sigstore/verify@2.1.1",
                 "@sigstore/bundle@3.1.0"], cwd=cache, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            require.lacking("the npm registry does not answer")
        if result.returncode != 0:
            require.lacking("npm install @sigstore/verify: " + result.stderr.strip()[-200:])
        cache.joinpath("verify.js").write_text(SIGSTORE)
        cache.joinpath("done").touch()
    return cache


@at_both
def test_sigstore_js_accepts_our_bundle(repository, onggi, keys, sigstore_js, require):
    digest = repository.put_image("signed by us")
    onggi("sign", "--key", "ours.key", "--layout", "bundle", f"{repository.reference}:1")
    onggi("verify", "--key", "ours.pub", f"{repository.reference}:1")
    bundle, = repository.bundles(digest)

    def verify(key, data):
        keys.joinpath("bundle.json").write_bytes(data)
        return subprocess.run([require.tool("node"), "verify.js", keys / key, keys / "bundle.json"],
                              cwd=sigstore_js, capture_output=True, text=True, timeout=30, check=False)
    result = verify("ours.pub", bundle)
    assert result.returncode == 0, result.stderr
    assert verify("other.pub", bundle).returncode != 0


# ---- made by others, accepted by us ----

def write_policy(folder, scope, **demand):
    demand = {"type": "sigstoreSigned", "keyPath": str(folder / "ours.pub"), **demand}
    path = folder / "our-policy.json"
    path.write_text(json.dumps({"default": [{"type": "reject"}],
                                "transports": {"docker": {scope: [demand]}}}))
    return path


@at_both
def test_we_accept_cosigns_signature_and_key_file(repository, onggi, peers, cosign):
    digest = repository.put_image("signed by cosign")
    cosign("sign", "--yes", "--tlog-upload=false", "--allow-insecure-registry", "--key", "cosign.key",
           f"{repository.reference}@{digest}")
    out = onggi("verify", "--key", "cosign.pub", f"{repository.reference}:1").stdout
    assert out == f"{repository.reference}@{digest}\n"
    refused(onggi("verify", "--key", "ours.pub", f"{repository.reference}:1", check=False),
            "by another key")
    # cosign signs no tag, which is what matchRepository is for.
    key = str(peers.folder / "cosign.pub")
    policy = write_policy(peers.folder, repository.address, keyPath=key,
                          signedIdentity={"type": "matchRepository"})
    onggi("verify", "--policy", policy, f"{repository.reference}:1")
    refused(onggi("verify", "--policy", write_policy(peers.folder, repository.address, keyPath=key),
                  f"{repository.reference}:1", check=False), "another name")
    # Its key's file.
    assert onggi("key", "public", "cosign.key").stdout == peers.folder.joinpath("cosign.pub").read_text()
    onggi("sign", "--key", "cosign.key", f"{repository.reference}:1")
    assert len(repository.signatures(digest)) == 2
    cosign("verify", *OFFLINE, "--key", "cosign.pub", f"{repository.reference}:1")
    refused(onggi("key", "public", "cosign.key", env={"ONGGI_KEY_PASSWORD": "wrong"}, check=False),
            "wrong password")


@pytest.mark.parametrize("words", [
    ["verify"], ["verify", "--key", "ours.pub", "--attestation", "vulns"], ["sign"],
    ["sign", "--key", "ours.key", "--layout", "tags"], ["attest", "--key", "ours.key"],
    ["attest", "--key", "ours.key", "--predicate", "p.json", "--type", "vulns"]])
def test_a_wrong_use_has_a_status_of_its_own(onggi, words):
    result = onggi(*words, "127.0.0.1:1/app:1", check=False)
    assert result.returncode == 125 and f"see 'onggi {words[0]} --help'" in result.stderr, result.stderr


@at_both
@pytest.mark.parametrize("layout", [[], ["--new-bundle-format"]])
def test_we_accept_cosigns_attestation(repository, onggi, peers, cosign, layout):
    digest = repository.put_image("attested by cosign")
    peers.folder.joinpath("predicate.json").write_text('{"a": 1}')
    cosign("attest", "--yes", "--tlog-upload=false", "--allow-insecure-registry", *layout, "--key",
           "cosign.key", "--predicate", "predicate.json", f"{repository.reference}@{digest}")
    out = onggi("verify", "--key", "cosign.pub", "--attestation", CUSTOM, f"{repository.reference}:1").stdout
    statement = json.loads(out)
    assert statement["subject"][0]["digest"]["sha256"] == digest[7:]
    assert onggi("verify", "--key", "cosign.pub", "--attestation", "custom", f"{repository.reference}:1").stdout == out
    for words in (["--key", "cosign.pub", "--attestation", VULN], ["--key", "cosign.pub", "--attestation", "vuln"],
                  ["--key", "ours.pub", "--attestation", "all"]):
        refused(onggi("verify", *words, f"{repository.reference}:1", check=False), "no such attestation")
    # What is said of an image is no signature.
    refused(onggi("verify", "--key", "cosign.pub", f"{repository.reference}:1", check=False),
            "there is no signature")
    assert digest in onggi("tree", f"{repository.reference}:1").stdout


@at_both
def test_we_accept_skopeos_signature(repository, onggi, peers, cosign):
    digest = repository.put_image("signed by skopeo")
    peers.folder.joinpath("password").write_text(PASSWORD)
    peers.folder.joinpath("registries.d").mkdir()
    peers.folder.joinpath("registries.d/all.yaml").write_text(
        "default-docker: {use-sigstore-attachments: true}\n")
    peers.run("skopeo", "copy", "-q", "--insecure-policy", "--registries.d", "registries.d",
              "--src-tls-verify=false", "--dest-tls-verify=false", "--sign-by-sigstore-private-key",
              "cosign.key", "--sign-passphrase-file", "password", f"docker://{repository.reference}:1",
              f"docker://{repository.reference}:signed")
    onggi("verify", "--key", "cosign.pub", f"{repository.reference}:signed")
    policy = write_policy(peers.folder, repository.reference, keyPath=str(peers.folder / "cosign.pub"))
    onggi("verify", "--policy", policy, f"{repository.reference}:signed")
    onggi("verify", "--policy", policy, f"{repository.reference}@{digest}")
    refused(onggi("verify", "--policy", policy, f"{repository.reference}:1", check=False), "another name")


def payload_for(reference, digest, **more):
    return json.dumps({"critical": {
        "identity": {"docker-reference": reference}, "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature"}, "optional": None, **more}).encode()


@pytest.fixture
def openssl(keys, require):
    """openssl(data): a signature by a key that openssl made, in base64; its public half is openssl.pub."""
    require.tool("openssl")
    for words in (["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "openssl.key"],
                  ["ec", "-in", "openssl.key", "-pubout", "-out", "openssl.pub"]):
        subprocess.run(["openssl", *words], cwd=keys, check=True, capture_output=True)

    def sign(data):
        made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", "openssl.key"], cwd=keys,
                              input=data, stdout=subprocess.PIPE, check=True).stdout
        return base64.b64encode(made).decode()
    return sign


def test_we_accept_openssls_signature(repository, onggi, keys, openssl):
    digest = repository.put_image("signed by openssl")
    payload = payload_for(repository.reference, digest)
    repository.put_signatures(digest, [(payload, openssl(payload))])
    onggi("verify", "--key", "openssl.pub", f"{repository.reference}:1")
    # And we sign with a key in the open.
    onggi("sign", "--key", "openssl.key", f"{repository.reference}:1")
    assert len(repository.signatures(digest)) == 2


# ---- refused: nine of nine ----

@pytest.fixture
def signed(repository, onggi):
    """An image with one good signature: its digest."""
    digest = repository.put_image("refuse me")
    onggi("sign", "--key", "ours.key", f"{repository.reference}:1")
    onggi("verify", "--key", "ours.pub", f"{repository.reference}:1")
    return digest


def verify(onggi, repository, key="ours.pub", tag=":1"):
    return onggi("verify", "--key", key, f"{repository.reference}{tag}", check=False)


def test_refused_for_a_wrong_key(repository, onggi, signed):
    refused(verify(onggi, repository, "other.pub"), "by another key")


def test_refused_for_another_digest(repository, onggi, signed):
    other = repository.put_image("another", tag="2")
    repository.put_signatures(other, repository.signatures(signed))
    refused(verify(onggi, repository, tag=":2"), "of another image")


def test_refused_for_another_repository(repository, onggi, signed):
    other = Repository(repository.address, repository.name + "/copy")
    assert other.put_image("refuse me") == signed
    other.put_signatures(signed, repository.signatures(signed))
    refused(verify(onggi, other), "another name", repository.reference)
    onggi("verify", "--key", "ours.pub", "--identity", f"{repository.reference}:1", f"{other.reference}:1")


def test_refused_for_a_flipped_bit(repository, onggi, signed):
    (payload, signature), = repository.signatures(signed)
    raw = bytearray(base64.b64decode(signature))
    raw[len(raw) // 2] ^= 1
    repository.put_signatures(signed, [(payload, base64.b64encode(raw).decode())])
    refused(verify(onggi, repository))


def test_refused_for_an_edited_payload(repository, onggi, signed):
    (payload, signature), = repository.signatures(signed)
    edited = payload.replace(b'"timestamp":1', b'"timestamp":2')
    assert edited != payload
    repository.put_signatures(signed, [(edited, signature)])
    refused(verify(onggi, repository), "by another key")


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA", "MAYCAQACAQE="],
                         ids=["empty", "not-base64", "not-der", "r-is-0"])
def test_refused_for_an_empty_or_malformed_signature(repository, onggi, signed, signature):
    (payload, _), = repository.signatures(signed)
    repository.put_signatures(signed, [(payload, signature)])
    refused(verify(onggi, repository))


@pytest.fixture
def index(repository):
    """An index of two architectures, as the tag "multi": {architecture: digest}, and its own."""
    made = {}
    for architecture in ("amd64", "arm64"):
        made[architecture] = repository.put_image(architecture, architecture, architecture)
    manifests = [{"mediaType": MANIFEST, "digest": digest, "platform": {"os": "linux", "architecture": name},
                  "size": len(repository.get("manifests/" + digest))} for name, digest in made.items()]
    made["index"] = repository.put_manifest(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}, "multi", INDEX)
    return made


@at_both
def test_refused_for_another_architecture_of_an_index(repository, onggi, index):
    multi = f"{repository.reference}:multi"
    onggi("sign", "--key", "ours.key", f"{repository.reference}@{index['amd64']}")
    assert index["amd64"] in onggi("verify", "--key", "ours.pub", "--platform", "linux/amd64", multi).stdout
    refused(onggi("verify", "--key", "ours.pub", "--platform", "linux/arm64", multi, check=False))
    refused(onggi("verify", "--key", "ours.pub", multi, check=False))
    # The signature of one, put where the other's would be.
    repository.put_signatures(index["arm64"], repository.signatures(index["amd64"]))
    refused(onggi("verify", "--key", "ours.pub", "--platform", "linux/arm64", multi, check=False),
            "of another image")
    # The index's own covers both, and what was verified is the platform's digest.
    onggi("sign", "--key", "ours.key", multi)
    assert index["arm64"] in onggi("verify", "--key", "ours.pub", "--platform", "linux/arm64", multi).stdout
    refused(onggi("verify", "--key", "ours.pub", f"{repository.reference}@{index['arm64']}", check=False))


def test_an_index_may_be_signed_with_all_its_images(repository, onggi, index):
    onggi("sign", "--recursive", "--key", "ours.key", f"{repository.reference}:multi")
    for digest in index.values():
        onggi("verify", "--key", "ours.pub", f"{repository.reference}@{digest}")


@at_both
def test_refused_when_the_signature_was_deleted(repository, onggi, signed):
    digest = images.sha256(repository.get(f"manifests/{signed.replace(':', '-')}.sig"))
    repository.ask("DELETE", f"manifests/{digest}")
    refused(verify(onggi, repository), "there is no signature")


def test_refused_when_the_registry_is_away(onggi):
    refused(onggi("verify", "--key", "ours.pub", "127.0.0.1:1/team/app:1", check=False))


# ---- attacks ----

@pytest.mark.parametrize("repository", ["onggi-registry"], indirect=True)
def test_a_thousand_signatures_are_refused_in_bounded_time(repository, onggi, signed):
    payload, signature = repository.signatures(signed)[0]
    repository.put_signatures(signed, [(payload, "AAAA")] * 1000 + [(payload, signature)])
    refused(verify(onggi, repository), "there is no signature")
    repository.put_signatures(signed, [(payload, "AAAA")] * 63 + [(payload, signature)])
    assert verify(onggi, repository).returncode == 0


def test_a_key_file_that_wants_a_gigabyte_of_work_is_refused(onggi, keys):
    path = keys / "ours.key"
    lines = path.read_text().splitlines()
    document = json.loads(base64.b64decode("".join(lines[1:-1])))
    document["kdf"]["params"]["N"] = 1 << 30
    body = base64.b64encode(json.dumps(document).encode()).decode()
    path.write_text("\n".join([lines[0], body, lines[-1], ""]))
    refused(onggi("key", "public", "ours.key", check=False), "more work than")


def pae(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def statement_about(digest, **more):
    return json.dumps({"_type": "https://in-toto.io/Statement/v1", "predicateType": CUSTOM,
                       "subject": [{"name": "x", "digest": {"sha256": digest[7:]}}],
                       "predicate": {}, **more}).encode()


@pytest.mark.parametrize("how", ["good", "payload type changed", "signed as another type", "signed without its type", "no subject",
                                 "another subject", "payload changed", "no signature"])
def test_an_attestation_is_bound_to_its_type_and_subject(repository, onggi, openssl, how):
    digest = repository.put_image("confuse me")
    kind = "application/vnd.in-toto+json"
    payload = statement_about(digest)
    if how == "no subject":
        payload = statement_about(digest, subject=[])
    if how == "another subject":
        payload = statement_about("sha256:" + "0" * 64)
    if how == "signed as another type":
        kind = "application/json"
    signature = openssl(payload if how == "signed without its type" else pae(kind, payload))
    if how == "payload type changed":
        kind = "application/json"
    if how == "payload changed":
        payload = payload.replace(b'"x"', b'"y"')
    envelope = {"payloadType": kind, "payload": base64.b64encode(payload).decode(),
                "signatures": [] if how == "no signature" else [{"keyid": "", "sig": signature}]}
    repository.put_signatures(digest, [(json.dumps(envelope).encode(), "")], "att", DSSE)
    result = onggi("verify", "--key", "openssl.pub", "--attestation", "all", f"{repository.reference}:1",
                   check=False)
    if how == "good":
        assert result.returncode == 0, result.stderr
    else:
        refused(result, "no such attestation")


# ---- containers-policy.json ----

@pytest.mark.parametrize("demand, why", [
    ({"type": "insecureAcceptAnything"}, None),
    ({"type": "reject"}, "rejects all"),
    ({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/x"}, "OpenPGP"),
    ({"type": "sigstoreSigned", "keyPath": "ours.pub"}, None),
    ({"type": "sigstoreSigned", "keyPath": "ours.pub", "rekorPublicKeyPath": "r"}, "Rekor"),
    ({"type": "sigstoreSigned", "keyPath": "none.pub"}, "none.pub"),
    ({"type": "sigstoreSigned", "keyPaths": ["other.pub", "ours.pub"]}, None),
    ({"type": "sigstoreSigned", "keyPaths": ["other.pub"]}, "by another key"),
    ({"type": "sigstoreSigned", "keyPath": "ours.pub", "keyPth": "x"}, "unknown"),
], ids=lambda value: None if value is None else str(value)[:60])
def test_a_policy_in_the_form_people_have(repository, onggi, keys, signed, demand, why):
    policy = keys / "p.json"
    policy.write_text(json.dumps({"default": [{"type": "reject"}],
                                  "transports": {"docker": {repository.reference: [demand]}}}))
    result = onggi("verify", "--policy", policy, f"{repository.reference}:1", check=False)
    if why is None:
        assert result.returncode == 0, result.stderr
    else:
        refused(result, why)
