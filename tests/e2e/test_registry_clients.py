# SPDX-License-Identifier: Apache-2.0
"""onggi-registry with clients that nobody here wrote: they push, pull, list, copy, attach, discover, delete."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

import engines
import images
import leaks
import onggiregistry
import pushing
import registries

DOCKERS = sorted({path for path in (shutil.which("docker"), "/usr/local/bin/docker",
                                    "/usr/bin/docker") if path and shutil.which(path)})
PLAIN = "--tls-verify=false"


@pytest.fixture
def run(tmp_path):
    """run(words...): a program with a home of its own."""
    home = tmp_path / "home"
    home.mkdir()

    def run_one(*words, check=True, **rest):
        result = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=90, check=False, cwd=tmp_path,
                                env={**os.environ, "HOME": str(home)}, **rest)
        assert not check or result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result
    return run_one


def make_archive(path, tag, *marks):
    layers = [images.busybox_layer()] + [
        images.tar([images.entry("mark", mark.encode())]) for mark in marks]
    return images.docker_archive(path, layers, tag=tag)


@pytest.mark.parametrize("client", DOCKERS or ["docker"])
def test_docker_pushes_and_pulls(client, onggid, onggi_registry, require, tmp_path):
    tool = require.tool(client)
    name = f"{onggi_registry.address}/docker/v{DOCKERS.index(client) if DOCKERS else 0}:1"

    def docker(*words):
        return onggid.run(tool, "-H", onggid.host, *words).stdout
    make_archive(tmp_path / "in.tar", name, client)
    docker("load", "-i", tmp_path / "in.tar")
    before = json.loads(docker("inspect", name))[0]["Id"]
    assert "1: digest: sha256:" in docker("push", name)
    docker("rmi", "-f", name)
    docker("pull", name)
    assert json.loads(docker("inspect", name))[0]["Id"] == before
    assert docker("run", "--rm", name, "cat", "/mark") == client
    assert "Layer already exists" in docker("push", name)
    assert name.removesuffix(":1") in docker("search", f"{onggi_registry.address}/docker")
    docker("rmi", "-f", name)


def test_podman_pushes_lists_and_pulls(onggi_registry, require, tmp_path, test_folder, nothing_is_left_behind):
    del nothing_is_left_behind
    require.root()
    require.tool("podman")
    folder = test_folder / "podman-clients"
    ground = leaks.Ground([folder], strict=False)
    podman = engines.Podman(folder, "/bin/false")
    name = f"{onggi_registry.address}/podman:1"
    try:
        make_archive(tmp_path / "in.tar", "localhost/podman:1", "podman")
        podman.podman("load", "-i", tmp_path / "in.tar")
        podman.podman("push", PLAIN, "localhost/podman:1", name)
        found = podman.podman("search", PLAIN, "--list-tags", name.removesuffix(":1"))
        assert found.stdout.split() == ["NAME", "TAG", name.removesuffix(":1"), "1"]
        podman.podman("pull", "-q", PLAIN, name)
        found = podman.podman("search", PLAIN, f"{onggi_registry.address}/pod")
        assert name.removesuffix(":1") in found.stdout.split()
    finally:
        podman.stop()
    assert not ground.settled_leftovers()


def test_skopeo_copies_inspects_lists_and_deletes(onggi_registry, require, run, tmp_path):
    skopeo = require.tool("skopeo")
    name = f"{onggi_registry.address}/skopeo"
    make_archive(tmp_path / "in.tar", "x:1", "skopeo")
    for form in ("oci", "v2s2"):
        run(skopeo, "copy", "-q", "--format", form, "--dest-tls-verify=false", "docker-archive:in.tar",
            f"docker://{name}:{form}")
    run(skopeo, "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{name}:oci",
        f"docker://{name}-too:oci")
    assert json.loads(run(skopeo, "list-tags", PLAIN, f"docker://{name}").stdout)["Tags"] == ["oci", "v2s2"]
    digests = {json.loads(run(skopeo, "inspect", PLAIN, f"docker://{one}").stdout)["Digest"]
               for one in (f"{name}:oci", f"{name}-too:oci")}
    assert len(digests) == 1
    run(skopeo, "copy", "-q", "--src-tls-verify=false", f"docker://{name}:v2s2", "oci:back:x")
    run(skopeo, "delete", PLAIN, f"docker://{name}:v2s2")
    result = run(skopeo, "inspect", PLAIN, f"docker://{name}:v2s2", check=False)
    assert result.returncode != 0 and "manifest unknown" in result.stderr


def test_umoci_makes_what_is_pushed_and_pulled(onggi_registry, require, run, tmp_path):
    skopeo, umoci = require.tool("skopeo"), require.tool("umoci")
    name = f"{onggi_registry.address}/umoci:1"
    run(umoci, "init", "--layout", "layout")
    run(umoci, "new", "--image", "layout:1")
    (tmp_path / "mark").write_text("umoci")
    run(umoci, "insert", "--image", "layout:1", "mark", "/mark")
    run(skopeo, "copy", "-q", "--dest-tls-verify=false", "oci:layout:1", f"docker://{name}")
    run(skopeo, "copy", "-q", "--src-tls-verify=false", f"docker://{name}", "oci:back:1")
    run(umoci, "raw", "unpack", "--image", "back:1", "root")
    assert (tmp_path / "root/mark").read_text() == "umoci"


def test_containerd_pushes_and_pulls(onggi_registry, require, tmp_path, test_folder, nothing_is_left_behind):
    del nothing_is_left_behind
    require.root()
    for tool in ("containerd", "ctr"):
        require.tool(tool)
    folder = test_folder / "containerd-clients"
    ground = leaks.Ground([folder], strict=False)
    one = engines.Containerd(folder, "/bin/false")
    name = f"{onggi_registry.address}/containerd:1"
    try:
        one.start()
        make_archive(tmp_path / "in.tar", name, "containerd")
        one.ctr("image", "import", "--no-unpack", tmp_path / "in.tar")
        one.ctr("image", "push", "--plain-http", name)
        digest = pushing.sha256(pushing.Repository(onggi_registry.address, "containerd").get("1"))
        one.ctr("image", "rm", name)
        one.ctr("image", "pull", "--plain-http", "--snapshotter", one.snapshotter, name)
        assert digest in one.ctr("image", "ls").stdout
    finally:
        one.stop()
    assert not ground.settled_leftovers()


def test_oras_pushes_attaches_discovers_copies_and_deletes(onggi_registry, peers):
    name = f"{onggi_registry.address}/oras/artifact"
    plain = "--plain-http"
    (peers.folder / "file.txt").write_text("content")
    (peers.folder / "sbom.json").write_text('{"sbom":true}')
    peers.run("oras", "push", plain, "--artifact-type", "application/vnd.example", f"{name}:1", "file.txt:text/plain")
    peers.run("oras", "attach", plain, "--artifact-type", "application/spdx+json", f"{name}:1", "sbom.json")
    peers.run("oras", "attach", plain, "--artifact-type", "application/vnd.other", f"{name}:1", "file.txt:text/plain")
    found = json.loads(peers.run("oras", "discover", plain, "--format", "json", f"{name}:1").stdout)
    listed = found.get("referrers") or found.get("manifests")
    assert sorted(one["artifactType"] for one in listed) == ["application/spdx+json", "application/vnd.other"]
    found = json.loads(peers.run("oras", "discover", plain, "--format", "json", "--artifact-type",
                                 "application/spdx+json", f"{name}:1").stdout)
    listed = found.get("referrers") or found.get("manifests")
    assert [one["artifactType"] for one in listed] == ["application/spdx+json"]
    peers.run("oras", "cp", "-r", "--from-plain-http", "--to-plain-http", f"{name}:1", f"{name}-too:1")
    assert "1" in peers.run("oras", "repo", "tags", plain, f"{name}-too").stdout.split()
    assert "oras/artifact" in peers.run("oras", "repo", "ls", plain, onggi_registry.address).stdout
    (peers.folder / "file.txt").unlink()
    peers.run("oras", "pull", plain, f"{name}-too:1")
    assert (peers.folder / "file.txt").read_text() == "content"
    peers.run("oras", "manifest", "delete", plain, "--force", f"{name}-too:1")
    assert peers.run("oras", "manifest", "fetch", plain, f"{name}-too:1", check=False).returncode != 0


def test_skopeo_of_debian_13_copies_whole_indexes(onggi_registry, peers):
    repository = pushing.Repository(onggi_registry.address, "new/index")
    top = repository.index([{**repository.image(arch), "platform": {"os": "linux", "architecture": arch}}
                            for arch in ("amd64", "arm64", "riscv64")], "1")
    peers.run("skopeo", "copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false",
              f"docker://{onggi_registry.address}/new/index:1", f"docker://{onggi_registry.address}/new/too:1")
    assert pushing.sha256(pushing.Repository(onggi_registry.address, "new/too").get("1")) == top["digest"]


def test_cosign_signs_and_verifies(onggi_registry, peers):
    repository = pushing.Repository(onggi_registry.address, "signed/image")
    image = repository.image("signed", "1")
    name, env = f"{onggi_registry.address}/signed/image@{image['digest']}", {"COSIGN_PASSWORD": ""}
    peers.run("cosign", "generate-key-pair", env=env)
    peers.run("cosign", "sign", "--yes", "--tlog-upload=false", "--key", "cosign.key", name, env=env)
    peers.run("cosign", "verify", "--insecure-ignore-tlog", "--key", "cosign.pub", name, env=env)
    assert name.split("@")[1].replace(":", "-") + ".sig" in " ".join(repository.tags())


# ---- our own ----

@pytest.fixture
def onggi(prefix, tmp_path):
    def run_one(*words, refused=False):
        words = [str(word) for word in (prefix / "bin/onggi", "--config", tmp_path / "none", *words)]
        result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                                check=False)
        assert (result.returncode == 0) != refused, result.stdout + result.stderr
        return result.stdout + result.stderr if refused else result.stdout
    run_one.refused = lambda *words: run_one(*words, refused=True)
    return run_one


def test_onggi_copies_into_it_and_out_with_referrers(onggi_registry, onggi, registry):
    ours, theirs = onggi_registry.address, pushing.Repository(registry, "in/out")
    image = theirs.image("in and out", "1")
    sbom = theirs.artifact(image, "application/spdx+json", "an SBOM")
    theirs.index([sbom], image["digest"].replace(":", "-"))
    onggi("copy", f"{registry}/in/out:1", f"{ours}/in/out")
    _, _, listed = pushing.Repository(ours, "in/out").ask("GET", f"referrers/{image['digest']}")
    assert [one["digest"] for one in json.loads(listed)["manifests"]] == [sbom["digest"]]
    onggi("copy", f"{ours}/in/out:1", f"{registry}/back")
    back = pushing.Repository(registry, "back")
    assert back.get(image["digest"].replace(":", "-")) is not None and back.get(sbom["digest"]) is not None
    out = onggi("copy", f"{ours}/in/out:1", f"{ours}/mounted:1")
    assert " 0 sent (0 bytes)" in out, out


def test_a_push_that_breaks_goes_on_where_it_was(onggi_registry, onggi, tmp_path, registry):
    proxy = pushing.CuttingProxy(onggi_registry.address, [9 << 20, 5 << 20])
    source = pushing.Repository(registry, "whole")
    data, empty = os.urandom(24 << 20), source.blob(b"{}", "application/vnd.oci.empty.v1+json")
    try:
        source.manifest({"schemaVersion": 2, "mediaType": pushing.OCI_MANIFEST, "artifactType": "text/x",
                         "config": empty, "layers": [source.blob(data)]}, "1")
        onggi("copy", f"{registry}/whole:1", f"{proxy.address}/broken:1")
        assert proxy.cut == 2
        assert proxy.passed < 1.25 * len(data) # what had come was not sent again
        _, _, back = pushing.Repository(onggi_registry.address, "broken").ask("GET", f"blobs/{pushing.sha256(data)}")
        assert back == data
    finally:
        proxy.stop()


def test_onggi_copies_what_has_sha512_digests(start_onggi_registry, onggi_registry, onggi):
    other = start_onggi_registry()
    client = onggi_registry.client()
    layer, name = b"layer" * 1000, "with/sha512"
    client.push_blob(name, onggiregistry.EMPTY, "sha512")
    client.push_blob(name, layer, "sha512")
    document = json.dumps({
        "schemaVersion": 2, "mediaType": onggiregistry.MANIFEST, "artifactType": "text/x",
        "config": onggiregistry.descriptor(onggiregistry.EMPTY, "application/vnd.oci.empty.v1+json", "sha512"),
        "layers": [onggiregistry.descriptor(layer, "text/plain", "sha512")]}).encode()
    digest = onggiregistry.digest_of(document, "sha512")
    assert client.put_manifest(name, digest, document).status == 201
    index = json.dumps({"schemaVersion": 2, "mediaType": onggiregistry.INDEX, "manifests": [
        {"mediaType": onggiregistry.MANIFEST, "digest": digest, "size": len(document)}]}).encode()
    assert client.put_manifest(name, "1", index).status == 201
    onggi("copy", f"{onggi_registry.address}/{name}:1", f"{other.address}/{name}:1")
    assert other.client().get(f"/v2/{name}/manifests/{digest}").body == document
    assert other.client().get(f"/v2/{name}/blobs/{onggiregistry.digest_of(layer, 'sha512')}").body == layer


def test_onggi_shows_a_certificate_of_its_own(start_onggi_registry, onggi, registry, test_folder, require):
    require.root()
    require.tool("openssl")
    folder = test_folder / "certificates"
    ca, ca_key = registries.make_certificate(folder / "ca", "ca.example.org")
    server, server_key = registries.make_certificate(folder / "server")

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=robot", "-keyout", folder / "key", "-out",
            folder / "csr")
    openssl("x509", "-req", "-in", folder / "csr", "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30",
            "-out", folder / "pem")
    closed = start_onggi_registry(f"""
tls: {{certificate: {server}, key: {server_key}, client-ca: {ca}, client: optional}}
access: {{permissions: {{"**": {{"client:robot": [read, create]}}}}}}
""")
    source = pushing.Repository(registry, "for/robots")
    image = source.image("for robots", "1")
    assert onggi.refused("copy", f"{registry}/for/robots:1", f"{closed.address}/robots:1")
    certs = pathlib.Path("/etc/onggi/certs.d", closed.address)
    certs.mkdir(parents=True)
    try:
        for name, path in (("ca.crt", server), ("client.cert", folder / "pem"), ("client.key", folder / "key")):
            shutil.copy(path, certs / name)
        out = onggi("copy", f"{registry}/for/robots:1", f"{closed.address}/robots:1")
        assert out.splitlines()[-1] == image["digest"]
    finally:
        shutil.rmtree(certs)
        for parent in (certs.parent, certs.parent.parent):
            if not any(parent.iterdir()):
                parent.rmdir()


def test_onggi_logs_in_pushes_and_mounts_where_accounts_are_asked(start_onggi_registry, onggid, onggi, tmp_path):
    registry = start_onggi_registry()
    registry.stop()
    registries.htpasswd(registry.folder / "htpasswd", "lead", "lead's secret")
    registry.config.write_text("""
access:
  htpasswd: htpasswd
  permissions: {"team/*": {lead: [read, create, update, delete]}, "other/*": {"*": [read]}}
""")
    registry.start()
    own = tmp_path / "own"
    name = f"{registry.address}/team/app:1"
    make_archive(tmp_path / "in.tar", name, "accounts")

    def client(*words, **rest):
        return onggid.run(onggid.prefix / "bin/onggi", "--config", own, "-H", onggid.host, *words, **rest)
    client("load", "-i", tmp_path / "in.tar")
    denied = client("push", name, check=False)
    assert denied.returncode == 1 and "denied" in denied.stderr
    assert client("login", "-u", "lead", "--password-stdin", registry.address, input="wrong", check=False).returncode == 1
    client("login", "-u", "lead", "--password-stdin", registry.address, input="lead's secret")
    client("push", name)
    elsewhere = f"{registry.address}/other/app:1"
    client("tag", name, elsewhere)
    denied = client("push", elsewhere, check=False)
    assert denied.returncode == 1 and "denied" in denied.stderr
    result = subprocess.run([onggid.prefix / "bin/onggi", "--config", own, "copy", name,
                             f"{registry.address}/team/too:1"], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0 and " 0 sent (0 bytes), " in result.stdout, result.stdout + result.stderr
    tags = client("search", "--list-tags", "--format", "{{.Name}}", f"{registry.address}/team/too").stdout
    assert tags.split() == [f"{registry.address}/team/too:1"]
    client("rmi", "-f", name)


def test_snapshots_of_machines_are_kept(onggi_registry, onggi, tmp_path):
    disk, name = tmp_path / "disk", f"{onggi_registry.address}/vm/disk"
    disk.write_bytes(os.urandom(1 << 20) + bytes(1 << 20))
    onggi("vm", "push", disk, f"{name}:1")
    onggi("vm", "pull", f"{name}:1", tmp_path / "back")
    assert (tmp_path / "back/disk").read_bytes() == disk.read_bytes()
    assert pushing.Repository(onggi_registry.address, "vm/disk").tags() == ["1"]
    onggi("vm", "rm", f"{name}:1")
    assert pushing.Repository(onggi_registry.address, "vm/disk").tags() == []
