# SPDX-License-Identifier: Apache-2.0
"""Pull of a 0.9 GB image from a registry on this machine, against docker and skopeo + umoci."""

import json
import pathlib
import shutil
import tempfile

import common
import import_tar
import servers
from import_tar import flushed

TITLE = "`pull` of that image from a local registry, flushed to disk"
RUNS = 3


def filled_registry(tar):
    """A registry's folder with the tar as an image of one gzip layer, made once."""
    import hashlib
    data = common.CACHE / f"registry-{tar.stem}"
    if data.exists():
        return data
    common.say("pull: pushing the image into a registry's folder, once")
    with tempfile.TemporaryDirectory(prefix="onggi-bench-", dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        blobs = folder / "oci/blobs/sha256"
        blobs.mkdir(parents=True)

        def blob(content):
            digest = hashlib.sha256(content).hexdigest()
            (blobs / digest).write_bytes(content)
            return {"digest": f"sha256:{digest}", "size": len(content)}

        common.run("sh", "-c", f"gzip -6 -n <{tar} >{blobs / 'layer'}")
        layer = common.output("sha256sum", blobs / "layer").split()[0]
        diff_id = common.output("sha256sum", tar).split()[0]
        size = (blobs / "layer").stat().st_size
        (blobs / "layer").rename(blobs / layer)
        config = blob(json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]}}).encode())
        kind = "application/vnd.oci.image."
        manifest = blob(json.dumps({
            "schemaVersion": 2, "mediaType": f"{kind}manifest.v1+json",
            "config": {"mediaType": f"{kind}config.v1+json", **config},
            "layers": [{"mediaType": f"{kind}layer.v1.tar+gzip", "digest": f"sha256:{layer}",
                        "size": size}]}).encode())
        (folder / "oci/oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (folder / "oci/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
            {"mediaType": f"{kind}manifest.v1+json", **manifest,
             "annotations": {"org.opencontainers.image.ref.name": "1"}}]}))
        with servers.registry(folder / "data", folder) as address:
            common.run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{folder}/oci:1",
                       f"docker://{address}/large:1")
        shutil.move(folder / "data", data)
    return data


def by_onggi(address, folder, prefix):
    with servers.onggid(prefix, folder) as one:
        return flushed(folder, prefix / "bin/onggi", "-H", one.host, "pull", f"{address}/large:1")


def by_docker(address, folder, _):
    with servers.dockerd(folder) as docker:
        return flushed(folder, *docker, "pull", "-q", f"{address}/large:1")


def by_skopeo(address, folder, _):
    folder.mkdir()
    return flushed(folder, "sh", "-c",
                   f"skopeo copy -q --src-tls-verify=false docker://{address}/large:1 "
                   f"oci:{folder}/oci:1 && umoci unpack --image {folder}/oci:1 {folder}/bundle")


METHODS = {"onggi": by_onggi, "docker": by_docker, "skopeo + umoci": by_skopeo}


def main(prefix, quick=False):
    common.need("docker-registry", "skopeo", "umoci", "docker")
    if not (prefix / "sbin/onggid").exists():
        raise common.Skip(f"no onggid in {prefix}: make install PREFIX={prefix}")
    tar = import_tar.large_tar()
    data = filled_registry(tar)
    runs = 1 if quick else RUNS
    seconds = {name: [] for name in METHODS}
    with tempfile.TemporaryDirectory(prefix="onggi-bench-", dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        with servers.registry(data, folder) as address:
            for number in range(runs):
                for method, function in METHODS.items():
                    common.say(f"pull: {method}, {number + 1} of {runs}")
                    common.run("sync", "-f", name)
                    seconds[method].append(function(address, folder / "one", prefix))
                    shutil.rmtree(folder / "one", ignore_errors=True)
    base = common.median(seconds["docker"])
    rows = [[method, f"{common.median(all_):.2f}", f"{min(all_):.2f} to {max(all_):.2f}",
             common.ratio(common.median(all_), base)] for method, all_ in seconds.items()]
    versions = (f"dockerd {common.version('dockerd', '--version')}, "
                f"skopeo {common.version('skopeo', '--version')}, "
                f"umoci {common.version('umoci', '--version')}, "
                f"docker-registry {common.version('docker-registry', '--version')}")
    return (f"{common.machine()}; {versions}; {import_tar.describe(tar)}, one gzip layer; {runs} "
            "interleaved runs each, every one into an empty store; wall clock with `sync -f`.\n\n"
            + common.table(["", "median s", "range", "to docker"], rows))
