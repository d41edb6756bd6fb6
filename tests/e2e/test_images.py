# SPDX-License-Identifier: Apache-2.0
"""The image store against real peers: docker-registry and skopeo, every way an image comes and goes."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import tarfile

import pytest

import images
import registries

ROOT = pathlib.Path(__file__).resolve().parents[2]

LAYERS = [images.motd_layer("one", images.entry("a", b"a" * 5000)),
          images.motd_layer("two", images.entry(".wh.a")), images.tar([])]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A docker archive of three layers, named test:latest: (path, the image's ID)."""
    path = tmp_path_factory.mktemp("archive") / "image.tar"
    return path, images.docker_archive(path, LAYERS)


def skopeo(require, *words):
    tool = require.tool("skopeo")
    subprocess.run([tool, "--insecure-policy", "copy", "-q", *words], check=True)


def push(require, source, target, *options):
    skopeo(require, "--dest-tls-verify=false", *options, source, f"docker://{target}")


def id_in(require, name):
    """The image ID that a registry's manifest names: converting to OCI, skopeo writes another configuration."""
    raw = subprocess.run([require.tool("skopeo"), "inspect", "--raw", "--tls-verify=false",
                          f"docker://{name}"], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(raw)["config"]["digest"]


def assert_is(store, name, image_id):
    """The image is whole: its record, and files to run from."""
    found = store.find(name)
    assert found["id"] == image_id
    paths = [line.split()[0] for line in store.run("rootfs", name).stdout.splitlines()]
    assert paths[0].startswith("merged/")
    assert len(paths) == 1 + len(found["diff_ids"])
    assert all((store.folder / path).stat().st_size % 4096 == 0 for path in paths)
    return found


# ---- pull ----

FORMS = {
    "docker schema 2": ["--format", "v2s2"],
    "OCI": ["--format", "oci"],
    "OCI with zstd": ["--format", "oci", "--dest-compress-format", "zstd"],
    "OCI without compression": ["--format", "oci", "--dest-decompress"],
}


@pytest.mark.parametrize("form", FORMS)
def test_an_image_that_skopeo_pushed_is_pulled(image_store, require, registry, archive, form):
    path, _ = archive
    name = f"{registry}/forms:{form.replace(' ', '-')}"
    if "without" in form:
        folder = image_store.folder.with_suffix(".dir")
        skopeo(require, f"docker-archive:{path}", f"oci:{folder}:x")
        push(require, f"oci:{folder}:x", name, "--dest-compress=false")
        shutil.rmtree(folder)
    else:
        push(require, f"docker-archive:{path}", name, *FORMS[form])
    image_id = id_in(require, name)
    result = image_store.run("pull", name)
    assert result.stdout.strip() == image_id
    assert "Status: Downloaded newer image for " + name in result.stderr
    found = assert_is(image_store, name, image_id)
    assert found["tags"] == [name]
    assert len(found["digests"]) == 1 and found["digests"][0].startswith(f"{registry}/forms@sha256:")
    assert "Status: Image is up to date for " in image_store.run("pull", name).stderr
    assert_is(image_store, found["digests"][0], image_id)
    image_store.assert_clean()


def push_index(require, registry, folder, name):
    """An index of an amd64, an arm64 and an attestation-like entry; returns {architecture: ID}."""
    ids, entries = {}, []
    blobs_dir = folder / "blobs/sha256"
    blobs_dir.mkdir(parents=True)
    for architecture in ("arm64", "amd64"):
        config = images.image_config([images.motd_layer(architecture)], architecture=architecture)
        manifest, blobs = images.oci_blobs([images.motd_layer(architecture)], config=config)
        for digest, data in blobs.items():
            (blobs_dir / digest[7:]).write_bytes(data)
        ids[architecture] = images.sha256(json.dumps(config).encode())
        entries.append({"mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "digest": images.sha256(manifest), "size": len(manifest),
                        "platform": {"os": "linux", "architecture": architecture}})
    index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                        "manifests": entries}).encode()
    (blobs_dir / hashlib.sha256(index).hexdigest()).write_bytes(index)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": images.sha256(index),
         "size": len(index), "annotations": {"org.opencontainers.image.ref.name": "x"}}]}))
    push(require, f"oci:{folder}:x", name, "--all")
    return ids, images.sha256(index)


def test_an_index_gives_the_image_for_the_platform(new_image_store, require, registry, tmp_path):
    name = f"{registry}/multi:1"
    ids, digest = push_index(require, registry, tmp_path / "oci", name)
    native, foreign, none = new_image_store(), new_image_store(), new_image_store()
    assert native.ok("pull", "--arch", "amd64", name)[-1] == ids["amd64"]
    assert native.find(name)["digests"] == [f"{registry}/multi@{digest}"]
    assert foreign.ok("pull", "--arch", "arm64", name)[-1] == ids["arm64"]
    assert "no matching manifest for linux/s390x" in none.error("pull", "--arch", "s390x", name)
    none.assert_clean()


def test_a_tag_that_moves_leaves_the_old_image_without_a_name(image_store, require, registry, tmp_path):
    old = images.docker_archive(tmp_path / "old.tar", [images.motd_layer("old"), images.motd_layer("base")])
    new = images.docker_archive(tmp_path / "new.tar", [images.motd_layer("new"), images.motd_layer("base")])
    name = f"{registry}/moving"
    push(require, f"docker-archive:{tmp_path}/old.tar", f"{name}:latest")
    image_store.ok("pull", name)
    digest = image_store.find(name)["digests"][0]
    push(require, f"docker-archive:{tmp_path}/new.tar", f"{name}:latest")
    assert "Downloaded newer image" in image_store.run("pull", name).stderr
    assert image_store.find(name)["id"] == new
    assert image_store.find(digest)["id"] == old and image_store.find(old[7:19])["tags"] == []
    assert image_store.ok("pull", digest) == [old]
    assert image_store.ok("rm", digest)[-1] == old
    assert_is(image_store, name, new)
    image_store.ok("rm", name)
    assert image_store.files() == []


def test_pulls_at_once_of_one_image_fetch_each_blob_once(image_store, require):
    stub = registries.Stub()
    try:
        stub.add("x", *images.oci_blobs(LAYERS))
        ids = image_store.ok("pull", "--times", "6", f"{stub.address}/x")
        assert len(ids) == 6 and len(set(ids)) == 1
        for digest in {path for path, _ in stub.log if "/blobs/" in path}:
            if digest.endswith(ids[0][7:]):
                continue # the configuration, which is small, each asks for itself
            assert len(stub.asked(digest)) == 1, digest
        assert_is(image_store, f"{stub.address}/x", ids[0])
    finally:
        stub.stop()


def test_forty_layers_are_pulled_and_joined(image_store, require, registry, tmp_path):
    image_id = images.docker_archive(tmp_path / "a.tar", [
        images.motd_layer(str(i), images.entry(f"file-{i}", os.urandom(3000))) for i in range(40)])
    push(require, f"docker-archive:{tmp_path}/a.tar", f"{registry}/forty:1")
    image_store.ok("pull", f"{registry}/forty:1")
    assert len(assert_is(image_store, f"{registry}/forty:1", image_id)["diff_ids"]) == 40


# ---- who may pull ----

def test_basic_authentication_is_passed(image_store, require, start_registry, archive, tmp_path):
    registry = start_registry(more=registries.htpasswd(tmp_path / "htpasswd", "user", "pass:word"))
    push(require, f"docker-archive:{archive[0]}", f"{registry}/x:1", "--dest-creds", "user:pass:word")
    name = f"{registry}/x:1"
    assert "may require 'docker login'" in image_store.error("pull", name)
    assert "denied" in image_store.error("pull", "--user", "user", "--password", "wrong", name)
    image_store.assert_clean()
    assert image_store.ok("pull", "--user", "user", "--password", "pass:word", name) == [archive[1]]


def test_bearer_tokens_are_got_where_the_registry_says(image_store, require, start_registry, archive, tmp_path):
    tokens = registries.TokenServer(tmp_path / "keys", "user", "secret")
    try:
        registry = start_registry(more=registries.token_auth(tokens))
        name = f"{registry}/some/x:1"
        push(require, f"docker-archive:{archive[0]}", name, "--dest-creds", "user:secret")
        assert "incorrect username or password" in image_store.error("pull", name)
        assert "incorrect" in image_store.error("pull", "--user", "user", "--password", "no", name)
        tokens.log.clear()
        assert image_store.ok("pull", "--user", "user", "--password", "secret", name) == [archive[1]]
        assert len(tokens.log) == 1, "one token serves all threads"
        assert "scope=repository%3Asome%2Fx%3Apull&" in tokens.log[0][0] + "&"
        image_store.ok("rm", name)
        tokens.log.clear()
        image_store.ok("pull", "--token", "a refresh token", name)
        assert "grant_type=refresh_token" in tokens.log[0][0]
        assert "Authorization" not in tokens.log[0][1]
    finally:
        tokens.stop()


def test_tls_is_spoken_on_loopback_whoever_signed(image_store, require, start_registry, archive, tmp_path):
    certificate, key = registries.make_certificate(tmp_path / "tls")
    registry = start_registry(tls=f"  tls: {{certificate: {certificate}, key: {key}}}\n")
    push(require, f"docker-archive:{archive[0]}", f"{registry}/x:1")
    assert image_store.ok("pull", f"{registry}/x:1") == [archive[1]]


def test_elsewhere_than_on_loopback_only_trusted_tls_is_spoken(require, new_image_store, archive, tmp_path):
    """In a network namespace with an address that is not loopback's."""
    require.root()
    require.tool("ip")
    image_store = new_image_store()
    netns = f"og-images-{os.getpid()}"
    inside = ["ip", "netns", "exec", netns]
    stub = None
    certificate, key = registries.make_certificate(tmp_path / "tls", "10.99.0.1")
    manifest, blobs = images.oci_blobs(LAYERS)
    for digest, data in blobs.items():
        (tmp_path / digest.replace(":", "-")).write_bytes(data)
    server = tmp_path / "server.py"
    server.write_text(f"""
import http.server, pathlib, ssl, sys
sys.path.insert(0, {str(ROOT / "tests/lib")!r})
import images
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        name = self.path.rsplit("/", 1)[1].replace("latest", {images.sha256(manifest)!r})
        body = pathlib.Path({str(tmp_path)!r}, name.replace(":", "-")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
plain = http.server.ThreadingHTTPServer(("10.99.0.1", 80), Handler)
secure = http.server.ThreadingHTTPServer(("10.99.0.1", 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain({str(certificate)!r}, {str(key)!r})
secure.socket = context.wrap_socket(secure.socket, server_side=True)
import threading
threading.Thread(target=secure.serve_forever, daemon=True).start()
print("ready", flush=True)
plain.serve_forever()
""")
    subprocess.run(["ip", "netns", "add", netns], check=True)
    try:
        for words in (["link", "set", "lo", "up"], ["addr", "add", "10.99.0.1/32", "dev", "lo"]):
            subprocess.run([*inside, "ip", *words], check=True)
        stub = subprocess.Popen([*inside, "python3", server], stdout=subprocess.PIPE)
        stub.stdout.readline()

        def pull(*options, host="10.99.0.1"):
            return subprocess.run([*inside, *image_store.command("pull", "--quiet", *options, f"{host}/x")],
                                  capture_output=True, text=True, check=False)
        refused = pull()
        assert refused.returncode == 1 and "certificate is not trusted" in refused.stderr
        assert "/etc/onggi/certs.d/10.99.0.1/ca.crt" in refused.stderr, "the next step"
        refused = pull(host="10.99.0.1:80")
        assert refused.returncode == 1 and "'onggid --insecure-registry'" in refused.stderr
        image_store.assert_clean()
        assert pull("--insecure", "10.99.0.1").returncode == 0
        image_store.ok("rm", "10.99.0.1/x")
        folder = pathlib.Path("/etc/onggi/certs.d/10.99.0.1")
        folder.mkdir(parents=True)
        try:
            shutil.copy(certificate, folder / "ca.crt")
            trusted = pull()
            assert trusted.returncode == 0, trusted.stderr
        finally:
            shutil.rmtree(folder)
            for parent in (folder.parent, folder.parent.parent):
                if not any(parent.iterdir()):
                    parent.rmdir()
    finally:
        if stub:
            stub.kill()
            stub.wait()
        subprocess.run(["ip", "netns", "delete", netns], check=True)


# ---- load and save ----

def test_what_is_saved_is_loaded_again(new_image_store, archive, tmp_path):
    path, image_id = archive
    first = new_image_store()
    assert first.ok("load", path) == ["test:latest"]
    first.ok("tag", "test", "other/name:2")
    for form in ("docker", "oci"):
        saved = tmp_path / form
        first.ok("save", "--format", form, "--output", saved, "test:latest", "other/name:2")
        second = new_image_store()
        assert sorted(second.ok("load", saved)) == ["other/name:2", "test:latest"]
        assert_is(second, "other/name:2", image_id)
        second.ok("save", "--format", form, "--output", tmp_path / "again", "test:latest", "other/name:2")
        assert (tmp_path / "again").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("form,transport", [("docker", "docker-archive"), ("oci", "oci-archive")])
def test_skopeo_reads_what_is_saved(image_store, require, archive, tmp_path, form, transport):
    image_store.ok("load", archive[0])
    image_store.ok("save", "--format", form, "--output", tmp_path / "saved", "test")
    skopeo(require, f"{transport}:{tmp_path}/saved", f"dir:{tmp_path}/dir")
    manifest = json.loads((tmp_path / "dir/manifest.json").read_text())
    assert manifest["config"]["digest"] == archive[1]


def test_an_image_that_was_pulled_compressed_is_saved_for_skopeo(image_store, require, registry, archive, tmp_path):
    push(require, f"docker-archive:{archive[0]}", f"{registry}/saved:1", "--format", "v2s2")
    image_store.ok("pull", f"{registry}/saved:1")
    for form, transport in (("docker", "docker-archive"), ("oci", "oci-archive")):
        image_store.ok("save", "--format", form, "--output", tmp_path / form, f"{registry}/saved:1")
        folder = tmp_path / f"dir-{form}"
        skopeo(require, f"{transport}:{tmp_path / form}", f"dir:{folder}")
        assert json.loads((folder / "manifest.json").read_text())["config"]["digest"] == archive[1]


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_what_skopeo_writes_is_loaded(image_store, require, archive, tmp_path, transport):
    skopeo(require, f"docker-archive:{archive[0]}", f"{transport}:{tmp_path}/by-skopeo:some/name:3")
    assert image_store.ok("load", tmp_path / "by-skopeo") == ["some/name:3"]
    found = image_store.find("some/name:3")
    assert_is(image_store, "some/name:3", found["id"])
    assert found["diff_ids"] == [images.sha256(data) for data in LAYERS]
    assert found["id"] == archive[1] or transport == "oci-archive"


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_an_archive_is_loaded_from_stdin_however_compressed(image_store, require, archive, tmp_path, compression):
    if compression == "zstd":
        require.tool("zstd")
    packed = tmp_path / "packed"
    packed.write_bytes(images.compress(archive[0].read_bytes(), compression))
    with open(packed, "rb") as stdin:
        assert image_store.ok("load", stdin=stdin) == ["test:latest"]
    assert_is(image_store, "test", archive[1])


@pytest.mark.parametrize("seed", range(6))
def test_members_may_come_in_any_order(image_store, archive, tmp_path, seed):
    with tarfile.open(archive[0]) as source:
        members = [(info, source.extractfile(info).read()) for info in source.getmembers()]
    random.Random(seed).shuffle(members)
    (tmp_path / "shuffled").write_bytes(images.tar(members))
    assert image_store.ok("load", tmp_path / "shuffled") == ["test:latest"]
    assert_is(image_store, "test", archive[1])


def test_old_archives_with_links_between_layers_are_loaded(image_store, tmp_path):
    config = json.dumps(images.image_config([LAYERS[0], LAYERS[1], LAYERS[0]])).encode()
    name = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{name}.json", "RepoTags": ["old:1", "old:2"],
                 "Layers": ["aa/layer.tar", "bb/layer.tar", "cc/layer.tar"]}]
    (tmp_path / "old.tar").write_bytes(images.tar([
        images.directory("aa"), images.entry("aa/VERSION", b"1.0"), images.entry("aa/json", b"{}"),
        images.entry("aa/layer.tar", LAYERS[0]), images.entry("./bb/layer.tar", LAYERS[1]),
        images.symlink("cc/layer.tar", "../aa/layer.tar"), images.entry(f"{name}.json", config),
        images.entry("repositories", b"{}"),
        images.entry("manifest.json", json.dumps(manifest).encode())]))
    assert image_store.ok("load", tmp_path / "old.tar") == ["old:1", "old:2"]
    assert_is(image_store, "old:2", f"sha256:{name}")


def test_images_without_a_name_are_told_by_their_id(image_store, tmp_path):
    image_id = images.docker_archive(tmp_path / "a.tar", LAYERS, tag=None)
    assert image_store.ok("load", tmp_path / "a.tar") == [image_id]
    images.oci_archive(tmp_path / "b.tar", LAYERS)
    assert image_store.ok("load", tmp_path / "b.tar") == [image_id]


# ---- import ----

@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_a_root_file_system_becomes_an_image(image_store, require, compression):
    if compression == "zstd":
        require.tool("zstd")
    data = images.compress(LAYERS[0], compression)
    image_id, = image_store.ok("import", "--message", "hello", "--change", 'CMD ["sh", "-c"]', "--change",
                         "ENV A=1", "-", "mine:1", input=data, stdin=None)
    found = assert_is(image_store, "mine:1", image_id)
    assert found["config"]["config"] == {"Cmd": ["sh", "-c"], "Env": ["A=1"]}
    assert found["config"]["history"][0]["comment"] == "hello"
    assert found["diff_ids"] == [images.sha256(LAYERS[0])]
    assert save_layer(image_store, "mine:1", data) == data


@pytest.mark.parametrize("words,text", [
    (["x", "--change", "RUN rm -rf /"], "RUN rm -rf /"),
    (["x", "--change", "ENV"], "nothing follows"),
    (["UPPER"], "must be lowercase"),
    (["x@sha256:" + "0" * 64], "digest reference"),
])
def test_a_bad_wish_is_told_before_anything_is_read(image_store, words, text):
    assert text in image_store.error("import", "-", *words, stdin=subprocess.DEVNULL)
    assert image_store.files() == []


def save_layer(store, name, blob):
    saved = subprocess.run(store.command("save", "--format", "oci", name), capture_output=True,
                           check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        return archive.extractfile("blobs/sha256/" + images.sha256(blob)[7:]).read()


@pytest.mark.parametrize("first,second", [("", "gzip"), ("gzip", "")])
def test_one_layer_may_come_plain_and_compressed(image_store, first, second):
    content = [images.entry(f"file-{i}", os.urandom(i * 777 % 9000)) for i in range(60)]
    content += [images.hardlink("link", "file-3"), images.entry("file-5", b"once more")]
    tar = images.tar(content)
    for number, compression in enumerate((first, second)):
        blob = images.compress(tar, compression)
        image_store.ok("import", "-", f"x:{number}", input=blob, stdin=None)
    for number, compression in enumerate((first, second)):
        blob = images.compress(tar, compression)
        assert save_layer(image_store, f"x:{number}", blob) == blob
    image_store.ok("rm", "x:0")
    assert save_layer(image_store, "x:1", images.compress(tar, second))
    image_store.ok("rm", "x:1")
    assert image_store.files() == []


def test_the_bytes_of_a_plain_layer_are_kept_once(image_store):
    tar = images.tar([images.entry("big", os.urandom(8 << 20)), images.entry("zeros", bytes(1 << 20))])
    image_store.ok("import", "-", "x", input=tar, stdin=None)
    kept = sum(path.stat().st_blocks * 512 for path in image_store.folder.rglob("*"))
    assert kept < len(tar) + (1 << 20)
    assert save_layer(image_store, "x", tar) == tar


def test_odd_tars_are_given_back_byte_for_byte(image_store, tmp_path):
    """Zeros behind the end, sparse files, long names, other formats: all literal, or in its place."""
    folder = tmp_path / "tree"
    folder.mkdir()
    with open(folder / "sparse", "wb") as sparse:
        sparse.truncate(3 << 20)
        sparse.seek(1 << 20)
        sparse.write(os.urandom(70000))
    (folder / ("n" * 200)).write_bytes(os.urandom(5000))
    for number in range(30):
        (folder / f"f{number}").write_bytes(os.urandom(number * 300))
    for form in ("gnu", "pax", "ustar", "v7"):
        options = ["--sparse"] if form in ("gnu", "pax") else ["--exclude=nn*"]
        tar = subprocess.run(["tar", f"--format={form}", *options, "-c", "-C", folder, "."],
                             stdout=subprocess.PIPE, check=True).stdout + bytes(99 * 512)
        image_store.ok("import", "-", f"x:{form}", input=tar, stdin=None)
        assert save_layer(image_store, f"x:{form}", tar) == tar, form


def test_a_daemon_saves_whole_archives_or_fails(start_onggid, tmp_path):
    """A stream that breaks must not look complete; found: one save in six ended early, and well."""
    one = start_onggid()
    tar = images.tar([images.entry(f"f{i}", os.urandom(300000)) for i in range(10)])
    (tmp_path / "root.tar").write_bytes(tar)
    one.onggi("import", tmp_path / "root.tar", "whole:1")
    for _ in range(25):
        one.onggi("save", "-o", tmp_path / "saved", "whole:1")
        assert (tmp_path / "saved").stat().st_size > len(tar)
    (tmp_path / "saved").unlink()
    layer, = one.data_root.glob("layers/*")
    content = bytearray(layer.read_bytes())
    content[5000] ^= 1
    layer.chmod(0o600)
    layer.write_bytes(content)
    broken = one.onggi("save", "-o", tmp_path / "saved", "whole:1", check=False)
    assert broken.returncode != 0
    assert not (tmp_path / "saved").exists()


# ---- names and removal ----

def test_the_last_name_takes_the_image_with_it(image_store, archive):
    image_store.ok("load", archive[0])
    image_store.ok("tag", "test", "two")
    assert image_store.run("rm", "two").stdout == "Untagged: two:latest\n"
    assert image_store.run("rm", "test").stdout == f"Untagged: test:latest\nDeleted: {archive[1]}\n"
    assert image_store.files() == [] and image_store.list() == []


def test_an_id_with_names_in_several_repositories_must_be_forced(image_store, archive):
    image_store.ok("load", archive[0])
    image_store.ok("tag", "test", "two")
    hex_ = archive[1][7:]
    assert "must be forced" in image_store.error("rm", hex_[:12])
    assert f"Deleted: {archive[1]}" in image_store.run("rm", "--force", hex_[:12]).stdout
    assert image_store.files() == []


def test_what_a_workload_uses_stays(image_store, archive):
    image_store.ok("load", archive[0])
    used = ["--in-use", archive[1]]
    assert "(must force) - container 0123456789ab is using" in image_store.error("rm", *used, "test")
    assert "cannot be forced" in image_store.error("rm", *used, "--force", archive[1])
    assert_is(image_store, "test", archive[1])
    assert image_store.run("rm", *used, "--force", "test").stdout == "Untagged: test:latest\n"
    assert_is(image_store, archive[1], archive[1])
    assert image_store.ok("prune", "--all", *used) == []
    assert image_store.run("prune").stdout == f"Deleted: {archive[1]}\n"
    assert image_store.files() == []


def test_layers_that_others_use_stay(image_store, tmp_path):
    one = images.docker_archive(tmp_path / "1.tar", [LAYERS[0], LAYERS[1]], tag="one")
    two = images.docker_archive(tmp_path / "2.tar", [LAYERS[0]], tag="two")
    image_store.ok("load", tmp_path / "1.tar")
    image_store.ok("load", tmp_path / "2.tar")
    before = image_store.files()
    image_store.ok("rm", "one")
    assert set(image_store.files()) < set(before)
    assert_is(image_store, "two", two)
    assert "No such image: one:latest" == image_store.error("find", "one")
    assert one not in [image["id"] for image in image_store.list()]


def test_names_are_found_as_docker_finds_them(image_store, archive):
    image_store.ok("load", archive[0])
    hex_ = archive[1][7:]
    for name in ("test", "test:latest", "docker.io/library/test", hex_, hex_[:12], hex_[:3], archive[1]):
        assert image_store.find(name)["id"] == archive[1], name
    assert image_store.error("find", "nope") == "No such image: nope:latest"
    assert image_store.error("find", "nope:3") == "No such image: nope:3"
    assert "No such image" in image_store.error("find", "sha256:" + "0" * 64)
    assert "must be lowercase" in image_store.error("find", "NOPE")
    image_store.ok("tag", "test", hex_[:5])
    assert image_store.find(hex_[:5])["tags"] == sorted([f"{hex_[:5]}:latest", "test:latest"])


def test_two_processes_cannot_have_one_store(image_store):
    holder = subprocess.Popen(image_store.command("import", "-"), stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        holder.stdin.write(LAYERS[0] + bytes(300000))
        holder.stdin.flush()
        holder.stderr.readline()
        assert "in use by another process" in image_store.error("list")
    finally:
        holder.kill()
        holder.communicate()
    assert image_store.list() == []


def test_zstd_may_begin_with_a_frame_to_be_skipped(image_store, require):
    require.tool("zstd")
    skipped = bytes.fromhex("502a4d18") + (5).to_bytes(4, "little") + b"hello"
    data = skipped + images.compress(LAYERS[0], "zstd")
    image_store.ok("import", "-", "x", input=data, stdin=None)
    assert image_store.find("x")["diff_ids"] == [images.sha256(LAYERS[0])]
    assert save_layer(image_store, "x", data) == data


def test_gzip_of_several_members_is_one_layer(image_store):
    half = len(LAYERS[0]) // 2
    data = gzip.compress(LAYERS[0][:half]) + gzip.compress(LAYERS[0][half:])
    image_store.ok("import", "-", "x", input=data, stdin=None)
    assert image_store.find("x")["diff_ids"] == [images.sha256(LAYERS[0])]
