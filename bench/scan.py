# SPDX-License-Identifier: Apache-2.0
"""A scan of a Debian root with 955 packages against some 7,000 records."""

import gzip
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

import common

TITLE = "Scan of a Debian root with 955 packages"
PACKAGES = 955
RUNS = 40


def data():
    for place in (common.TOP.parent, common.TOP.parent.parent):
        path = place / "shared/data/debian/debian12-changelog-osv.jsonl.gz"
        if path.exists():
            return path
    raise common.Skip("no shared/data/debian beside the checkout")


def installed():
    """955 packages of this machine; where it has fewer, some that nobody knows beside them."""
    if not pathlib.Path("/var/lib/dpkg/status").exists():
        raise common.Skip("no dpkg here")
    lines = common.output("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${source:Package}\t${source:Version}\n")
    packages = [line.split("\t") for line in lines.splitlines()]
    packages += [(f"more{i}", "1.0-1", f"more{i}", "1.0-1") for i in range(PACKAGES - len(packages))]
    return packages[:PACKAGES]


def make_root(folder, packages):
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    (folder / "var/lib/dpkg").mkdir(parents=True)
    with open(folder / "var/lib/dpkg/status", "w") as status:
        for name, version, source, source_version in packages:
            status.write(f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
                         f"Source: {source} ({source_version})\nVersion: {version}\n"
                         f"Description: {'x' * 60}\n {'y' * 70}\n {'z' * 70}\n\n")
    return folder


def unpack_large(folder):
    """A root with all its files, as an image has them."""
    folder.mkdir()
    common.run("tar", "-x", "-f", common.output(common.TOP / "tools/debian-root", "large").strip(), "-C", folder)
    return folder, sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def more_records(count):
    """Advisories of other packages, so that the database has as many as a year of Debian's has."""
    return "".join(json.dumps({
        "id": f"DSA-{i}", "aliases": [f"CVE-2024-{10000 + i}"], "modified": "2024-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "Debian:12", "name": f"other{i % 900}"},
                      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2-3"}]}]}]}) + "\n"
        for i in range(count))


def main(prefix, quick=False):
    source, packages = data(), installed()
    with tempfile.TemporaryDirectory(prefix="onggi-bench-") as name:
        folder = pathlib.Path(name)
        known = sum(1 for _ in gzip.open(source))
        (folder / "more.jsonl").write_text(more_records(max(0, 7000 - known)))
        program, db = prefix / "bin/onggi-trust", folder / "v.db"
        importing = [program, "scan", "db", "import", "-q", "--db", db, source, folder / "more.jsonl"]
        common.run(*importing)
        root = make_root(folder / "root", packages)
        scan = [program, "scan", "-f", "json", "-o", folder / "report.json", "--db", db, root]
        whole, entries = unpack_large(folder / "whole")
        runs = common.interleaved(4 if quick else RUNS, 1, 20, {
            "import": importing, "scan": scan,
            "scan of a root with its files": [program, "scan", "-f", "json", "-o", folder / "whole.json", "--db", db, whole]})
        files = json.loads((folder / "whole.json").read_text())["summary"]["packages"]["judged"]
        report = json.loads((folder / "report.json").read_text())
    assert report["summary"]["packages"]["judged"] == PACKAGES, report["summary"]
    records = sum(one["records"] for one in report["database"]["sources"])
    rows = []
    for what, of in runs.items():
        rows.append([what, f"{statistics.median(of.wall_us) / 1000:.1f}", f"{statistics.median(of.cpu_us) / 1000:.1f}",
                     f"{max(of.peak_kib) / 1024:.1f}"])
        common.say(f"{what}: {rows[-1][1]} ms, {rows[-1][3]} MiB")
    return (f"{common.machine()}; {PACKAGES} packages in a dpkg database without their files, {records} records, {len(report['vulnerabilities'])} rows in a JSON "
            f"report; medians of {len(runs['scan'].wall_us)} runs, the most memory of all. To be at most 100 ms and 64 MiB. "
            f"The root with its files has {entries:,} entries and {files} packages: secrets and set-uid programs are "
            "looked for in all of them.\n\n"
            + common.table(["", "ms", "ms of CPU", "MiB"], rows))
