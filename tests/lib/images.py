# SPDX-License-Identifier: Apache-2.0
"""Images for the tests, made in pure Python: tars, docker archives and OCI layouts.

Everything is deterministic: the same call gives the same bytes and so the same digests.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile

EPOCH = 1700000000
BUSYBOX = pathlib.Path("/bin/busybox")


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(name, data=b"", *, kind=tarfile.REGTYPE, mode=None, uid=0, gid=0, mtime=EPOCH, link="",
          major=0, minor=0, pax=None):
    """One tar entry: (TarInfo, data). Names and links are taken as they are, however bad."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode if mode is not None else (0o755 if kind == tarfile.DIRTYPE else 0o644)
    info.uid, info.gid, info.mtime, info.linkname = uid, gid, mtime, link
    info.devmajor, info.devminor = major, minor
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    info.pax_headers = dict(pax or {})
    return info, data


def directory(name, mode=0o755, **rest):
    return entry(name, kind=tarfile.DIRTYPE, mode=mode, **rest)


def symlink(name, target, **rest):
    return entry(name, kind=tarfile.SYMTYPE, mode=0o777, link=target, **rest)


def hardlink(name, target, **rest):
    return entry(name, kind=tarfile.LNKTYPE, link=target, **rest)


def tar(entries, *, format=tarfile.PAX_FORMAT):
    """The bytes of a tar with these entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def compress(data, how):
    """`how` is '', 'gzip' or 'zstd'."""
    if how == "gzip":
        return gzip.compress(data, compresslevel=1, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE,
                              check=True).stdout
    return data


def image_config(layers, *, cmd=("/bin/sh",), entrypoint=None, env=("PATH=/bin:/sbin:/usr/bin:/usr/sbin",),
                 user="", workdir="", labels=None, architecture="amd64"):
    """An image configuration as a dict, for these uncompressed layers."""
    config = {"Cmd": list(cmd) if cmd else None, "Env": list(env), "User": user,
              "WorkingDir": workdir}
    if entrypoint:
        config["Entrypoint"] = list(entrypoint)
    if labels:
        config["Labels"] = labels
    return {
        "architecture": architecture, "os": "linux", "created": "2023-11-14T22:13:20Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
        "history": [{"created": "2023-11-14T22:13:20Z", "created_by": f"layer {i}"}
                    for i in range(len(layers))],
    }


def docker_archive(path, layers, tag="test:latest", config=None):
    """Writes what `docker save` would; returns the image's ID."""
    text = json.dumps(config or image_config(layers)).encode()
    name = hashlib.sha256(text).hexdigest()
    files = [entry(name + ".json", text)]
    names = []
    for i, layer in enumerate(layers):
        names.append(f"{i}-{hashlib.sha256(layer).hexdigest()[:16]}/layer.tar")
        files.append(entry(names[-1], layer))
    manifest = [{"Config": name + ".json", "RepoTags": [tag] if tag else None, "Layers": names}]
    files.append(entry("manifest.json", json.dumps(manifest).encode()))
    pathlib.Path(path).write_bytes(tar(files))
    return "sha256:" + name


LAYER_TYPE = {
    "": "application/vnd.oci.image.layer.v1.tar",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}


def oci_blobs(layers, compression="gzip", config=None):
    """An OCI image as (manifest bytes, {digest: bytes of every blob, the manifest's too})."""
    text = json.dumps(config or image_config(layers)).encode()
    blobs = {sha256(text): text}
    described = []
    for layer in layers:
        data = compress(layer, compression)
        blobs[sha256(data)] = data
        described.append({"mediaType": LAYER_TYPE[compression], "digest": sha256(data),
                          "size": len(data)})
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": sha256(text), "size": len(text)},
        "layers": described}).encode()
    blobs[sha256(manifest)] = manifest
    return manifest, blobs


def oci_archive(path, layers, ref="latest", compression="gzip", config=None):
    """Writes an OCI layout in a tar; returns the manifest's digest."""
    manifest, blobs = oci_blobs(layers, compression, config)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                            "digest": sha256(manifest), "size": len(manifest),
                            "annotations": {"org.opencontainers.image.ref.name": ref}}]}
    files = [entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
             entry("index.json", json.dumps(index).encode()), directory("blobs"),
             directory("blobs/sha256")]
    files += [entry("blobs/sha256/" + digest[7:], data) for digest, data in sorted(blobs.items())]
    pathlib.Path(path).write_bytes(tar(files))
    return sha256(manifest)


def motd_layer(text, *more):
    """A small layer that differs by its text."""
    return tar([directory("etc"), entry("etc/motd", text.encode()), *more])


def busybox_layer():
    """A small root file system around Debian's busybox-static, as a tar."""
    applets = subprocess.run([BUSYBOX, "--list"], stdout=subprocess.PIPE, check=True,
                             text=True).stdout.split()
    entries = [directory(name) for name in ("bin", "dev", "etc", "home", "lib", "mnt", "proc",
                                            "root", "run", "sbin", "sys", "usr", "usr/bin",
                                            "usr/sbin", "var")]
    entries += [directory("tmp", mode=0o1777), directory("var/tmp", mode=0o1777)]
    entries.append(entry("bin/busybox", BUSYBOX.read_bytes(), mode=0o755))
    entries += [symlink(f"bin/{applet}", "busybox") for applet in applets if applet != "busybox"]
    entries += [
        entry("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n"
              b"nobody:x:65534:65534:nobody:/:/bin/false\n"),
        entry("etc/group", b"root:x:0:\nuser:x:1000:\nextra:x:2000:user\nnogroup:x:65534:\n"),
        entry("etc/os-release", b'ID=busybox\nPRETTY_NAME="busybox for tests"\n'),
    ]
    return tar(entries)


def test_cache():
    path = pathlib.Path(os.environ.get("ONGGI_TEST_CACHE", "/var/tmp/onggi-test"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def busybox_archive():
    """The busybox image `busybox:test` as a docker archive, made once: its path."""
    path = test_cache() / f"busybox-{BUSYBOX.stat().st_size}-{int(BUSYBOX.stat().st_mtime)}.tar"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        docker_archive(part, [busybox_layer()], tag="busybox:test")
        part.rename(path)
    return path


def debian_root_tar():
    """A Debian minbase root as a tar, made from the distribution's packages once: its path."""
    tool = pathlib.Path(__file__).resolve().parents[2] / "tools" / "debian-root"
    out = subprocess.run([tool, "minbase"], stdout=subprocess.PIPE, check=True, text=True)
    return pathlib.Path(out.stdout.strip())
