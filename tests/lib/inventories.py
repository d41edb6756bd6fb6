# SPDX-License-Identifier: Apache-2.0
"""What the scanner is let loose on, and what its inventory of it says."""

import base64
import io
import subprocess
import zipfile

STATUS = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"
KEY = ("-----BEGIN OPENSSH PRIVATE KEY-----\n" +
       "\n".join(base64.b64encode(bytes(range(i, i + 48))).decode() for i in range(6)) +
       "\n-----END OPENSSH PRIVATE KEY-----\n")


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def named(inventory, kind, *fields):
    fields = fields or ("name", "version")
    return sorted(tuple(p[f] for f in fields) for p in inventory["packages"] if p["type"] == kind)


def findings(inventory, *kinds):
    return [(f["kind"], f["rule"], f["path"], f["deleted"]) for f in inventory["findings"]
            if not kinds or f["kind"] in kinds]


def status(**packages):
    return "".join(STATUS.format(name, version) for name, version in packages.items()).encode()


def jar(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def pom(group, artifact, version):
    return {f"META-INF/maven/{group}/{artifact}/pom.properties":
            f"#Generated\r\ngroupId={group}\r\nartifactId={artifact}\r\nversion={version}\r\n"}


def make_disk(path, root, kind="ext4", table=None, options=(), size="64M"):
    """A raw disk with this tree, made by mke2fs without root or mount; with a partition table or none."""
    part = path.with_suffix(".part")
    subprocess.run(["mke2fs", "-q", "-t", kind, *options, "-d", root, part, size], check=True, timeout=60)
    if not table:
        part.rename(path)
        return
    with path.open("wb") as disk:
        disk.truncate(80 << 20)
    subprocess.run(["sfdisk", "-q", path], input=f"label: {table}\nstart=2048, size=4096\nstart=8192, size=131072\n",
                   text=True, check=True, timeout=60, stdout=subprocess.DEVNULL)
    subprocess.run(["dd", f"if={part}", f"of={path}", "bs=512", "seek=8192", "conv=notrunc", "status=none"],
                   check=True, timeout=60)
    part.unlink()
