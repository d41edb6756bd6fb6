# SPDX-License-Identifier: Apache-2.0
"""Registries that lie, archives that are damaged, disks that are full, processes that are killed.

A49, A50, A51, A53, A54 and A61 of the list of attacks, and what else may come over the wire. After
each: one line that says what is wrong, nothing left behind, and an honest pull works.
"""

import gzip
import json
import os
import random
import subprocess
import tarfile
import threading

import pytest

import images
import registries

LAYERS = [images.motd_layer("one", images.entry("a", os.urandom(300000))), images.motd_layer("two")]
OCI = "application/vnd.oci.image."


@pytest.fixture
def stub():
    one = registries.Stub()
    yield one
    one.stop()


class Image:
    """An honest image in a stub, taken apart so that a test can bend any piece."""

    def __init__(self, stub, layers=LAYERS, compression="gzip"):
        self.stub = stub
        manifest, self.blobs = images.oci_blobs(layers, compression)
        self.manifest = json.loads(manifest)
        self.serve()

    def serve(self, **rest):
        body = json.dumps(self.manifest).encode()
        self.stub.add("x", body, self.blobs)
        self.stub.add_manifest("x", body, **rest)

    @property
    def layer(self):
        return self.manifest["layers"][0]

    def set_blob(self, descriptor, body):
        """Another content, rightly described."""
        descriptor.update(digest=images.sha256(body), size=len(body))
        self.blobs[descriptor["digest"]] = body

    def config(self):
        return json.loads(self.blobs[self.manifest["config"]["digest"]])

    def set_config(self, config):
        self.set_blob(self.manifest["config"], json.dumps(config).encode())


@pytest.fixture
def image(stub):
    return Image(stub)


@pytest.fixture
def refused(image_store, stub, image):
    """refused("text"): the pull fails with that text, nothing stays, and an honest one works after."""
    def check(*texts, reference=None, options=()):
        said = image_store.error("pull", *options, reference or f"{stub.address}/x")
        assert any(text in said for text in texts), said
        assert len(said) < 512
        assert image_store.files() == [] and image_store.list() == []
        stub.bend.clear()
        stub.content.clear()
        Image(stub)
        image_store.ok("pull", f"{stub.address}/x")
        image_store.assert_clean()
    return check


# ---- A49: sizes and digests ----

def test_a49_a_blob_longer_than_its_descriptor_is_refused(refused, image):
    image.stub.content["/v2/x/blobs/" + image.layer["digest"]] = (
        "application/octet-stream", image.blobs[image.layer["digest"]] + b"x")
    refused("longer than")


def test_a49_a_blob_shorter_than_its_descriptor_is_refused(refused, image):
    image.stub.content["/v2/x/blobs/" + image.layer["digest"]] = (
        "application/octet-stream", image.blobs[image.layer["digest"]][:-1])
    refused("shorter", "cut short")


def test_a49_a_smaller_size_in_the_descriptor_is_refused(refused, image):
    image.layer["size"] -= 1
    image.serve()
    refused("longer than", "cut short")


def test_a49_another_content_of_the_same_size_is_refused(refused, image):
    body = bytearray(image.blobs[image.layer["digest"]])
    body[4:8] = b"\1\2\3\4"  # gzip's time: it unpacks to the same layer
    image.stub.content["/v2/x/blobs/" + image.layer["digest"]] = ("application/octet-stream", bytes(body))
    refused("layer verification failed")


def test_a49_another_configuration_is_refused(refused, image):
    digest = image.manifest["config"]["digest"]
    image.stub.content["/v2/x/blobs/" + digest] = (
        "application/json", image.blobs[digest].replace(b"amd64", b"amd46"))
    refused("its content is another")


def test_a49_a_layer_that_is_not_its_diff_id_is_refused(refused, image):
    image.set_blob(image.layer, images.compress(images.motd_layer("another"), "gzip"))
    image.serve()
    refused("diff_id")


def test_a49_a_manifest_that_is_not_its_digest_is_refused(refused, image, stub):
    wanted = images.sha256(b"something else")
    stub.content[f"/v2/x/manifests/{wanted}"] = stub.content["/v2/x/manifests/latest"]
    refused("its content is another", reference=f"{stub.address}/x@{wanted}")


def test_a49_a_registry_that_contradicts_itself_is_refused(refused, image, stub):
    def bend(handler):
        kind, body = stub.content["/v2/x/manifests/latest"]
        handler.answer(200, body, {"Content-Type": kind,
                                   "Docker-Content-Digest": "sha256:" + "0" * 64})
    stub.bend["/v2/x/manifests/latest"] = bend
    refused("the registry calls it sha256:0000")


@pytest.mark.parametrize("digest", [
    "sha256:../../../../../../../../../../../../../../../../../../../../../../tmp",
    "sha256:" + "A" * 64, "sha512:" + "a" * 128, "md5:" + "a" * 32, "a" * 64, "sha256:" + "a" * 63,
    "sha256:" + "a" * 65, "", 7, None, ["sha256:" + "a" * 64]])
@pytest.mark.parametrize("where", ["layer", "config"])
def test_a49_a_crooked_digest_is_refused(refused, image, digest, where):
    (image.layer if where == "layer" else image.manifest["config"])["digest"] = digest
    image.serve()
    refused("manifest: ")


def test_a49_a_crooked_diff_id_is_refused(refused, image):
    config = image.config()
    config["rootfs"]["diff_ids"][0] = "sha256:../../../../etc/passwd"
    image.set_config(config)
    image.serve()
    refused("bad diff_id")


def test_a49_fewer_layers_than_the_configuration_says_are_refused(refused, image):
    image.manifest["layers"].pop()
    image.serve()
    refused("it has 1 layers, its configuration 2")


def test_a49_a_known_blob_is_not_taken_for_another_known_layer(image_store, image, stub):
    """Both are in the store, but the one was not made of the other."""
    image_store.ok("pull", f"{stub.address}/x")
    before = image_store.files()
    image.manifest["layers"].reverse()
    image.serve()
    assert image_store.find(f"{stub.address}/x")["id"] == image_store.ok("pull", f"{stub.address}/x")[0]
    config = image.config()
    config["author"] = "another image"
    image.set_config(config)
    image.serve()
    assert "diff_id" in image_store.error("pull", f"{stub.address}/x")
    assert image_store.files() == before


# ---- A50: what is it? ----

def bent(**members):
    def change(image):
        image.manifest.update(members)
        image.serve()
    return change


@pytest.mark.parametrize("what,change,text", [
    ("both an image and an index", bent(manifests=[]), "ambiguous"),
    ("an image that says it is an index", bent(mediaType=OCI + "index.v1+json"), "index"),
    ("an image that came as an index", lambda image: image.serve(kind=OCI + "index.v1+json"), "came as"),
    ("an OCI manifest that came as Docker's",
     lambda image: image.serve(kind="application/vnd.docker.distribution.manifest.v2+json"), "came as"),
    ("an artefact", bent(config={"mediaType": "application/vnd.x", "size": 2,
                                 "digest": "sha256:" + "0" * 64}), "no image for onggi"),
    ("schema 1", bent(schemaVersion=1), "schemaVersion"),
    ("a configuration of another kind", lambda image: (image.set_blob(
        image.manifest["config"], b'{"rootfs":{"type":"x"}}'), image.serve()), "not layers"),
    ("an image for Windows", lambda image: (image.set_config({**image.config(), "os": "windows"}),
                                            image.serve()), "not linux"),
])
def test_a50_what_can_be_taken_for_two_things_is_refused(refused, image, what, change, text):
    change(image)
    refused(text)


def test_a50_equal_keys_are_refused(refused, image, stub):
    body = json.dumps(image.manifest).encode()
    body = body[:-1] + b', "layers": []}'
    stub.add_manifest("x", body, kind=OCI + "manifest.v1+json")
    refused("manifest: ")


def test_a50_an_entry_that_is_another_kind_than_its_index_says_is_refused(refused, image, stub):
    body = json.dumps(image.manifest).encode()
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
        {"mediaType": OCI + "index.v1+json", "digest": images.sha256(body), "size": len(body),
         "platform": {"os": "linux", "architecture": "amd64"}}]}
    stub.add_manifest("x", json.dumps(index).encode())
    refused("another kind than its index says")


# ---- A51: bombs ----

def test_a51_indexes_inside_indexes_have_an_end(refused, image, stub):
    body, kind = json.dumps(image.manifest).encode(), OCI + "manifest.v1+json"
    for _ in range(1000):
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
            {"mediaType": kind, "digest": images.sha256(body), "size": len(body),
             "platform": {"os": "linux", "architecture": "amd64"}}]}
        body, kind = json.dumps(index).encode(), OCI + "index.v1+json"
        stub.add_manifest("x", body)
    stub.log.clear()
    refused("indexes inside one another")


def test_a51_a_million_descriptors_are_not_read(refused, image, stub):
    def bend(handler):
        entry = json.dumps(image.layer).encode() + b","
        handler.send_response(200)
        handler.send_header("Content-Type", OCI + "manifest.v1+json")
        handler.send_header("Content-Length", str(len(entry) * 1000000))
        handler.end_headers()
        handler.wfile.write(b'{"schemaVersion":2,"layers":[')
        for _ in range(1000):
            handler.wfile.write(entry * 1000)
    stub.bend["/v2/x/manifests/latest"] = bend
    refused("over its limit")


def test_a51_endless_headers_are_not_read(refused, image, stub):
    def bend(handler):
        handler.send_response(200)
        for number in range(5000):
            handler.send_header(f"X-{number}", "a" * 200)
        handler.end_headers()
    stub.bend["/v2/x/manifests/latest"] = bend
    refused("over its limit", "Too large", "headers")


def test_a51_too_many_layers_are_refused(refused, image):
    image.manifest["layers"] = image.manifest["layers"] * 64
    image.serve()
    refused("the limit is 127")


# ---- A53, A54: what is no layer, and what lies elsewhere ----

DISKS = {
    "EROFS": bytes(1024) + bytes.fromhex("e2e1f5e0") + bytes(100000),
    "qcow2": b"QFI\xfb\0\0\0\3" + b"/etc/shadow" + bytes(100000),
    "ext4": bytes(1080) + b"\x53\xef" + bytes(100000),
    "ELF": b"\x7fELF" + bytes(5000),
    "nothing": b"",
}


@pytest.mark.parametrize("name", DISKS)
def test_a53_a_file_system_is_never_taken_for_a_layer(image_store, stub, name):
    """It is refused; or, where it begins as an empty tar does, is one: its bytes are never mounted."""
    Image(stub, [DISKS[name]], compression="")
    result = image_store.run("pull", f"{stub.address}/x")
    if result.returncode == 0:
        assert DISKS[name][:512] == bytes(512)
        made = [path.read_bytes() for path in image_store.folder.glob("*/*.erofs")]
        assert made and all(len(content) == 4096 for content in made), "an empty directory each"
    else:
        assert "archive" in result.stderr
        assert image_store.files() == []


def test_a54_a_foreign_layer_is_not_fetched(refused, image, stub):
    canary = registries.Stub()
    try:
        image.layer["mediaType"] = OCI + "layer.nondistributable.v1.tar+gzip"
        image.layer["urls"] = [f"http://{canary.address}/layer", "file:///etc/passwd",
                               "http://169.254.169.254/latest/meta-data"]
        image.serve()
        refused("foreign layer")
        assert canary.log == []
    finally:
        canary.stop()


def test_a54_urls_of_an_ordinary_layer_are_not_asked(image_store, image, stub):
    canary = registries.Stub()
    try:
        image.layer["urls"] = [f"http://{canary.address}/layer"]
        image.serve()
        image_store.ok("pull", f"{stub.address}/x")
        assert canary.log == []
    finally:
        canary.stop()


# ---- where credentials and requests go ----

def redirect(target):
    def bend(handler):
        handler.answer(307, b"", {"Location": target})
    return bend


def test_credentials_stay_with_the_registry(image_store, image, stub):
    other = registries.Stub()
    try:
        other.content = dict(stub.content)
        path = "/v2/x/blobs/" + image.layer["digest"]
        stub.bend[path] = redirect(f"http://{other.address}{path}")

        def guard(handler):
            if "Authorization" in handler.headers:
                return "plain"
            return handler.answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
        stub.bend["/v2/x/manifests/latest"] = guard
        image_store.ok("pull", "--user", "u", "--password", "p", f"{stub.address}/x")
        assert any("Authorization" in headers for headers in stub.asked("/manifests/"))
        assert len(other.log) == 1 and "Authorization" not in other.log[0][1]
    finally:
        other.stop()


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd",
                                    "http://10.99.99.99/x", "gopher://127.0.0.1/x",
                                    "http://user:word@127.0.0.1/x"])
def test_a_redirect_to_where_nobody_should_ask_is_not_followed(refused, image, stub, target):
    stub.bend["/v2/x/blobs/" + image.layer["digest"]] = redirect(target)
    refused("not allowed", "nowhere")


def test_redirects_in_a_circle_have_an_end(refused, image, stub):
    path = "/v2/x/blobs/" + image.layer["digest"]
    stub.bend[path] = redirect(path)
    refused("redirects")


def test_a_token_server_without_https_is_not_asked(refused, stub, image):
    def guard(handler):
        handler.answer(401, b"", {"WWW-Authenticate": 'Bearer realm="http://10.99.99.99/token",service="s"'})
    stub.bend["*"] = guard
    refused("not allowed", options=("--user", "u", "--password", "p"))


def test_nonsense_in_www_authenticate_is_no_way_in(refused, stub, image):
    stub.bend["*"] = lambda handler: handler.answer(
        401, b"no", {"WWW-Authenticate": 'Bearer realm="open, ' + "x" * 3000})
    refused("access denied")


def test_what_a_registry_says_cannot_garble_a_terminal(refused, stub, image):
    body = json.dumps({"errors": [{"code": "\x1b[2JX", "message": "a\nb\rc" + "d" * 5000}]}).encode()
    stub.bend["*"] = lambda handler: handler.answer(403, body)
    refused("access denied")


@pytest.mark.parametrize("status", [204, 302, 304, 400, 418])
def test_an_answer_that_is_no_registrys_is_told(refused, stub, image, status):
    stub.bend["*"] = lambda handler: handler.answer(status, b"")
    refused("no registry's answer")


def test_a_server_that_is_always_broken_is_given_up(refused, stub, image):
    stub.bend["*"] = lambda handler: handler.answer(503, b"")
    refused("busy or broken")


# ---- transfers that break ----

def breaking(stub, path, every, ranges=True):
    """Serves `every` bytes at a time, then breaks off."""
    def bend(handler):
        body = stub.content[path][1]
        first = 0
        if ranges and handler.headers.get("Range"):
            first = int(handler.headers["Range"][6:-1])
        piece = body[first:first + every] if ranges else body[:every * len(stub.asked(path))]
        handler.answer(206 if first else 200, piece,
                       {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if first else {},
                       length=len(body) - first)
        handler.break_off()
    stub.bend[path] = bend


def test_a_broken_transfer_goes_on_where_it_broke(image_store, image, stub):
    path = "/v2/x/blobs/" + image.layer["digest"]
    breaking(stub, path, 70000)
    image_store.ok("pull", f"{stub.address}/x")
    ranges = [headers.get("Range") for headers in stub.asked(path)]
    assert ranges[:3] == [None, "bytes=70000-", "bytes=140000-"]
    assert len(ranges) == -(-image.layer["size"] // 70000)
    image_store.assert_clean()


def test_a_registry_that_knows_no_ranges_is_asked_from_the_start(image_store, image, stub):
    breaking(stub, "/v2/x/blobs/" + image.layer["digest"], 90000, ranges=False)
    image_store.ok("pull", f"{stub.address}/x")
    image_store.assert_clean()


def test_a_transfer_that_never_gets_further_is_given_up(refused, image, stub):
    path = "/v2/x/blobs/" + image.layer["digest"]

    def bend(handler):
        first = 1000 if handler.headers.get("Range") else 0
        handler.answer(206 if first else 200, b"" if first else stub.content[path][1][:1000],
                       {"Content-Range": f"bytes {first}-2/3"}, length=image.layer["size"] - first)
        handler.break_off()
    stub.bend[path] = bend
    refused("broke off")


def test_a_range_from_another_byte_than_asked_is_refused(refused, image, stub):
    path = "/v2/x/blobs/" + image.layer["digest"]

    def bend(handler):
        body = stub.content[path][1]
        if not handler.headers.get("Range"):
            handler.answer(200, body[:1000], length=len(body))
            return handler.break_off()
        return handler.answer(206, body[900:], {"Content-Range": f"bytes 900-{len(body) - 1}/{len(body)}"})
    stub.bend[path] = bend
    refused("another byte than asked")


# ---- archives ----

@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    images.docker_archive(folder / "docker", LAYERS)
    images.oci_archive(folder / "oci", LAYERS, ref="test:latest")
    return {form: (folder / form).read_bytes() for form in ("docker", "oci")}


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_a_truncated_archive_leaves_nothing(image_store, archives, form):
    whole = archives[form]
    for length in [0, 1, 511, 512, 513, *range(5000, len(whole) - 10240, len(whole) // 23)]:
        image_store.error("load", input=whole[:length], stdin=None)
        assert image_store.files() == [], length
    # Towards the end all layers have come, and only a document or the end is missing.
    for length in range(len(whole) - 20480, len(whole) - 8192, 1024):
        result = image_store.run("load", input=whole[:length], stdin=None)
        assert (result.returncode == 0) == bool(image_store.files()), length
        image_store.run("rm", "test")
    assert image_store.ok("load", input=whole, stdin=None) == ["test:latest"]


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_a_corrupted_archive_is_refused_or_harmless(image_store, archives, form):
    dice = random.Random(1)
    refusals = 0
    for _ in range(40):
        damaged = bytearray(archives[form])
        for _ in range(3):
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        result = image_store.run("load", "--quiet", input=bytes(damaged), stdin=None)
        refusals += result.returncode
        if result.returncode:
            assert image_store.files() == []
        else:
            image_store.assert_clean()
            for image in image_store.list():
                image_store.ok("rm", "--force", image["id"])
    assert refusals > 30


def docker_archive(manifest, *entries):
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    return images.tar([*entries, images.entry("manifest.json", text)])


CONFIG = json.dumps(images.image_config([LAYERS[0]])).encode()
SOUND = [images.entry("c.json", CONFIG), images.entry("l.tar", LAYERS[0])]
ITEM = {"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l.tar"]}


@pytest.mark.parametrize("what,archive,text", [
    ("no archive", b"hello, world\n" * 100, "archive"),
    ("an empty archive", images.tar([]), "neither manifest.json nor index.json"),
    ("a root file system", LAYERS[0], "onggi import"),
    ("a missing layer", docker_archive([{**ITEM, "Layers": ["m.tar"]}], *SOUND), "'m.tar' is missing"),
    ("a missing configuration", docker_archive([{**ITEM, "Config": "d.json"}], *SOUND), "is missing"),
    ("a path upwards", docker_archive([{**ITEM, "Config": "../../../etc/passwd"}], *SOUND), "is missing"),
    ("a link upwards", docker_archive([{**ITEM, "Config": "up"}], *SOUND,
                                      images.symlink("up", "../../etc/passwd")), "is no document"),
    ("links in a circle", docker_archive([{**ITEM, "Config": "p"}], *SOUND, images.symlink("p", "q"),
                                         images.symlink("q", "p")), "is missing"),
    ("another layer", docker_archive([ITEM], SOUND[0], images.entry("l.tar", LAYERS[1])),
     "not what the image's configuration says"),
    ("two layers for one", docker_archive([{**ITEM, "Layers": ["l.tar", "l.tar"]}], *SOUND),
     "it has 2 layers"),
    ("a layer that is text", docker_archive([ITEM], SOUND[0], images.entry("l.tar", b"x" * 5000)),
     "no tar archive"),
    ("a damaged layer", docker_archive([ITEM], SOUND[0], images.entry("l.tar", LAYERS[0][:2000])),
     "l.tar"),
    ("no list", docker_archive({}, *SOUND), "no list"),
    ("an empty list", docker_archive([], *SOUND), "no image in it"),
    ("no JSON", docker_archive(b"[{]", *SOUND), "manifest.json"),
    ("a bad name", docker_archive([{**ITEM, "RepoTags": ["../x:1"]}], *SOUND), "name '../x:1'"),
    ("a digest for a name", docker_archive([{**ITEM, "RepoTags": ["x@sha256:" + "0" * 64]}], *SOUND),
     "no name to load under"),
    ("one sound image and one that is not", docker_archive([ITEM, {**ITEM, "Layers": []}], *SOUND),
     "it has 0 layers"),
    ("a document of 5 MB", docker_archive([ITEM], images.entry("c.json", CONFIG + b" " * 5000000),
                                          SOUND[1]), "too large"),
    ("an index that is a manifest", images.tar([
        images.entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        images.entry("index.json", b'{"schemaVersion":2,"manifests":[],"layers":[]}')]), "ambiguous"),
    ("a layout of another version", images.tar([
        images.entry("oci-layout", b'{"imageLayoutVersion":"2.0.0"}'),
        images.entry("index.json", b'{"schemaVersion":2,"manifests":[]}')]), "another version"),
], ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "")
def test_an_archive_that_is_no_image_is_told_in_one_line(image_store, what, archive, text):
    assert text in image_store.error("load", input=archive, stdin=None)
    assert image_store.files() == []


def test_a_blob_under_a_false_name_is_refused(image_store, archives, tmp_path):
    manifest, blobs = images.oci_blobs([LAYERS[0]])
    layer = json.loads(manifest)["layers"][0]["digest"]
    blobs[layer] = images.compress(LAYERS[1], "gzip")
    index = {"schemaVersion": 2, "manifests": [{"mediaType": OCI + "manifest.v1+json",
                                                "digest": images.sha256(manifest), "size": len(manifest)}]}
    archive = images.tar([images.entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
                          images.entry("index.json", json.dumps(index).encode()),
                          *[images.entry("blobs/sha256/" + d[7:], b) for d, b in blobs.items()]])
    assert "its content is another" in image_store.error("load", input=archive, stdin=None)
    assert image_store.files() == []


@pytest.mark.parametrize("content,text", [
    (b"", "archive"), (b"no tar" * 1000, "archive"), (LAYERS[0][:3000], "cut short"),
    (images.compress(LAYERS[0], "gzip")[:-9], "cut short"), (b"\x1f\x8b\x08" + b"x" * 1000, "gzip"),
], ids=["nothing", "text", "cut tar", "cut gzip", "damaged gzip"])
def test_what_is_no_root_file_system_is_not_imported(image_store, content, text):
    assert text in image_store.error("import", "-", "x", input=content, stdin=None)
    assert image_store.files() == []


def test_a47_zeros_that_were_squeezed_are_bounded(image_store):
    """A file of 4 GB of zeros in 4 MB is given up long before the disk is full."""
    piece = gzip.compress(bytes(64 << 20), 9)
    header = tarfile.TarInfo("zeros")
    header.size = 4 << 30
    bomb = gzip.compress(header.tobuf()) + piece * 64 + gzip.compress(bytes(1024))
    assert len(bomb) < 4.5e6
    said = image_store.error("import", "-", "x", input=bomb, stdin=None)
    assert "grow" in said or "ratio" in said or "times" in said
    assert image_store.files() == []


# ---- full disks, killed processes ----

@pytest.fixture
def small_disk(image_store, require):
    require.root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "small", image_store.folder], check=True)
    yield image_store
    subprocess.run(["umount", image_store.folder], check=True)


def used_bytes(path):
    status = os.statvfs(path)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def test_a_full_disk_is_told_and_its_space_returned(small_disk, stub, tmp_path):
    small_disk.ok("list")
    before = used_bytes(small_disk.folder)
    big = images.tar([images.entry("big", os.urandom(6 << 20))])
    images.docker_archive(tmp_path / "big.tar", [big], tag="big")
    image = Image(stub, [big])
    for words, rest in ((["import", "-"], {"input": big, "stdin": None}),
                        (["load", tmp_path / "big.tar"], {}), (["pull", f"{stub.address}/x"], {})):
        assert "No space left on device" in small_disk.error(*words, **rest)
        assert small_disk.files() == []
        assert used_bytes(small_disk.folder) <= before + 65536
    stub.content.clear()
    image = Image(stub)
    small_disk.ok("pull", f"{stub.address}/x")
    assert image.layer["digest"]


@pytest.mark.parametrize("how", ["pull", "load", "import"])
def test_a_killed_process_leaves_nothing_that_the_next_does_not_clear(image_store, stub, tmp_path, how):
    layers = [images.motd_layer(str(i), images.entry("f", os.urandom(400000))) for i in range(4)]
    images.docker_archive(tmp_path / "a.tar", layers)
    Image(stub, layers)
    (tmp_path / "root.tar").write_bytes(layers[0])
    words = {"pull": ["pull", f"{stub.address}/x"], "load": ["load", tmp_path / "a.tar"],
             "import": ["import", tmp_path / "root.tar", "x"]}[how]
    killed = 0
    for lines in range(12):
        killed += image_store.kill_after(words, lines)
        image_store.assert_clean()
        for image in image_store.list():
            image_store.ok("rm", "--force", image["id"])
    assert killed > 0
    image_store.ok(*words)
    image_store.assert_clean()


def test_a_pull_killed_in_the_midst_of_a_layer_leaves_nothing(image_store, image, stub):
    path = "/v2/x/blobs/" + image.layer["digest"]
    halfway, go_on = threading.Event(), threading.Event()

    def bend(handler):
        body = stub.content[path][1]
        handler.answer(200, body[:150000], length=len(body))
        handler.wfile.flush()
        halfway.set()
        go_on.wait(30)
        handler.break_off()
    stub.bend[path] = bend
    process = subprocess.Popen(image_store.command("pull", f"{stub.address}/x"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert halfway.wait(30)
    process.kill()
    process.wait()
    go_on.set()
    assert image_store.list() == [] and image_store.files() == []
    stub.bend.clear()
    image_store.ok("pull", f"{stub.address}/x")


def test_rubbish_in_the_folders_of_the_store_is_cleared_away(image_store, archives):
    image_store.ok("load", input=archives["docker"], stdin=None)
    before = image_store.files()
    for folder in ("blobs/sha256", "layers", "merged", "recipes"):
        (image_store.folder / folder / ("0" * 64)).write_bytes(b"half")
    assert len(image_store.list()) == 1
    assert image_store.files() == before


def test_a_layer_damaged_on_the_disk_is_told_when_saved(image_store, archives):
    image_store.ok("load", input=archives["docker"], stdin=None)
    for path in image_store.folder.glob("layers/*"):
        content = bytearray(path.read_bytes())
        if len(content) > 300000:
            content[content.index(b"one")] ^= 1
        path.chmod(0o600)
        path.write_bytes(content)
    assert "is damaged in the store" in image_store.error("save", "--output", "/dev/null", "test")


@pytest.mark.parametrize("keep", [0, 8, 31, 32, 1000, -1])
def test_a_damaged_recipe_is_told(image_store, keep):
    image_store.ok("import", "-", "x", input=LAYERS[0], stdin=None)
    path, = image_store.folder.glob("recipes/*")
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[:keep])
    assert "is damaged; remove the image" in image_store.error("save", "--output", "/dev/null", "x")


def test_a_damaged_database_is_told(image_store, archives):
    image_store.ok("load", input=archives["docker"], stdin=None)
    database = image_store.folder / "images.db"
    database.write_bytes(b"nonsense" * 1000)
    assert "open image store" in image_store.error("list")
