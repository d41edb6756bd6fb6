# SPDX-License-Identifier: Apache-2.0
"""`onggi scan` with a database of a test's own, and what it is let loose on."""

import json
import os
import subprocess

NOW = "2026-11-28T12:00:00Z"
EPOCH = "1795867200"


class Scanner:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.db = folder / "v.db"

    def run(self, *words, check=True, **env):
        result = subprocess.run([self.program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **env}, timeout=60)
        if check:
            assert result.returncode == 0, result.stderr
        return result

    def load(self, *records, name="test"):
        """A database of these OSV records, and of nothing else."""
        self.db.unlink(missing_ok=True)
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return self.run("scan", "db", "import", "--db", self.db, "-q", path)

    def scan(self, target, *words, check=True):
        return self.run("scan", "--db", self.db, *words, target, check=check)

    def tree(self, target, *words):
        return json.loads(self.scan(target, "-f", "json", *words).stdout)


def record(name, package, fixed=None, ecosystem="Debian:12", introduced="0", **more):
    events = [{"introduced": introduced}] + ([{"fixed": fixed}] if fixed else [])
    affected = {"package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    affected.update(more.pop("affected", {}))
    return {"id": name, "modified": "2026-11-01T00:00:00Z", "affected": [affected], **more}


def debian_root(folder, packages, version="12"):
    """A root folder whose dpkg has @packages: (name, version, source) each."""
    (folder / "etc").mkdir(parents=True, exist_ok=True)
    (folder / "etc/os-release").write_text(f'PRETTY_NAME="Debian {version}"\nID=debian\nVERSION_ID="{version}"\n')
    dpkg = folder / "var/lib/dpkg"
    dpkg.mkdir(parents=True, exist_ok=True)
    text = []
    for name, number, source in packages:
        text.append(f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
                    + (f"Source: {source}\n" if source != name else "") + f"Version: {number}\n\n")
    (dpkg / "status").write_text("".join(text))
    return folder
