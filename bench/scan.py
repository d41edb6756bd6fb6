# SPDX-License-Identifier: Apache-2.0
"""A scan of a Debian root with 955 packages against some 7,000 records."""

import gzip
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

import common

TITLE = "Scan of a Debian root with 955 packages"
ARCHIVES = pathlib.Path("/var/cache/apt/archives")
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


def place(source, target):
    """Another name of the same file; what cannot have one is copied, and who may not read it goes without."""
    if os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
    elif source.is_dir():
        target.mkdir(exist_ok=True)
    elif source.is_file():
        try:
            os.link(source, target)
        except OSError:
            if os.access(source, os.R_OK):
                shutil.copy2(source, target)


def from_elsewhere():
    """Installed packages that none of the archives has which apt knows: a vendor's, not Debian's."""
    names = common.output("dpkg-query", "-W", "-f", "${Package}\n").split()
    blocks = re.split(r"^(?=\S)", common.output("apt-cache", "policy", *names), flags=re.MULTILINE)
    found = {block.split(":", 1)[0] for block in blocks if block and "://" not in block}
    return found if len(found) < len(names) else set()


def package_of(path):
    """Whose file in dpkg's database it is, by its name: PACKAGE[:ARCHITECTURE].KIND."""
    return path.name.rsplit(".", 1)[0].split(":")[0]


def place_installed(root, without):
    """All that this machine's packages have brought, by dpkg's own lists, and dpkg's database."""
    paths = set()
    for path in pathlib.Path("/var/lib/dpkg/info").glob("*.list"):
        if package_of(path) not in without:
            paths.update(path.read_text().splitlines())
    paths.update(str(path) for path in pathlib.Path("/var/lib/dpkg").rglob("*")
                 if package_of(path) not in without)
    for name in ("bin", "lib", "lib32", "lib64", "sbin"):
        if (pathlib.Path("/") / name).is_symlink():
            place(pathlib.Path("/") / name, root / name)
    for path in sorted(paths - {"/."}):
        # By no link on the way: some lead out of the root.
        parent = os.path.realpath(os.path.dirname(path))
        if os.path.lexists(path):
            place(pathlib.Path(path), root / parent[1:] / os.path.basename(path))


def place_archive(deb, root, folder):
    """A package that is not installed: its files, its list and its paragraph."""
    shutil.rmtree(folder, ignore_errors=True)
    common.run("dpkg-deb", "-x", deb, folder)
    files = sorted(folder.rglob("*"))
    for path in files:
        parent = os.path.realpath("/" + str(path.parent.relative_to(folder)))
        place(path, root / parent[1:] / path.name)
    name, architecture, same = common.output(
        "dpkg-deb", "-W", "--showformat=${Package}\n${Architecture}\n${Multi-Arch}\n", deb).splitlines()
    listed = f"{name}:{architecture}" if same == "same" else name
    (root / f"var/lib/dpkg/info/{listed}.list").write_text(
        "/.\n" + "".join(f"/{path.relative_to(folder)}\n" for path in files))
    return common.output("dpkg-deb", "-f", deb).rstrip("\n") + "\nStatus: install ok installed\n\n"


def make_whole(folder, count, without=frozenset()):
    """This machine's packages with all their files, and as many more of apt's archives as make up for the rest."""
    root = folder / "root"
    status = "".join(f"{one}\n\n" for one in pathlib.Path("/var/lib/dpkg/status").read_text().strip().split("\n\n")
                     if re.search(r"^Package: (.*)$", one, re.MULTILINE)[1] not in without)
    root.mkdir(parents=True)
    place_installed(root, without)
    known = {line.split(" ", 1)[1] for line in status.splitlines() if line.startswith("Package: ")}
    (root / "var/lib/dpkg/status").unlink()
    for deb in sorted(ARCHIVES.glob("*.deb"), key=lambda deb: (deb.stat().st_size, deb.name)):
        name = deb.name.split("_")[0]
        if len(known) < count and name not in known | without:
            known.add(name)
            status += place_archive(deb, root, folder / "deb")
    shutil.rmtree(folder / "deb", ignore_errors=True)
    (root / "var/lib/dpkg/status").write_text(status)
    return root


def count_entries(root):
    return sum(len(folders) + len(files) for _, folders, files in os.walk(root))


def unpack_large(folder):
    """A smaller root with its files, as an image has them."""
    folder.mkdir()
    common.run("tar", "-x", "-f", common.output(common.TOP / "tools/debian-root", "large").strip(), "-C", folder)
    return folder


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
        whole, large = make_whole(folder / "whole", PACKAGES), unpack_large(folder / "large")
        debian = make_whole(folder / "debian", PACKAGES, from_elsewhere())
        roots = {"scan of a root of Debian's packages": debian, "scan of a root with a vendor's, too": whole, "scan of the database of packages alone": root,
                 "scan of a smaller root with its files": large}
        runs = common.interleaved(4 if quick else RUNS, 1, 20, {"import": importing, **{
            what: [program, "scan", "-q", "-f", "json", "-o", folder / f"{path.parent.name}-{path.name}.json", "--db", db, path]
            for what, path in roots.items()}})
        reports = {what: json.loads((folder / f"{path.parent.name}-{path.name}.json").read_text())
                   for what, path in roots.items()}
        entries = {what: count_entries(path) for what, path in roots.items()}
    assert reports["scan of the database of packages alone"]["summary"]["packages"]["judged"] == PACKAGES
    report = reports["scan of a root of Debian's packages"]
    records = sum(one["records"] for one in report["database"]["sources"])
    rows = []
    for what, of in runs.items():
        judged = f"{reports[what]['summary']['packages']['judged']:,}" if what in reports else "-"
        rows.append([what, f"{entries[what]:,}" if what in entries else "-", judged,
                     f"{statistics.median(of.wall_us) / 1000:.1f}", f"{min(of.wall_us) / 1000:.1f}",
                     f"{statistics.median(of.cpu_us) / 1000:.1f}", f"{max(of.peak_kib) / 1024:.1f}"])
        common.say(f"{what}: {rows[-1][3]} ms, {rows[-1][5]} ms of CPU, {rows[-1][6]} MiB")
    what = report["summary"]["packages"]
    elsewhere = entries["scan of a root with a vendor's, too"] - entries["scan of a root of Debian's packages"]
    return (f"{common.machine()}; the roots are this machine's installed packages with all that they brought, by dpkg's "
            f"lists, filled up from apt's archives: once those that Debian has, and once all, with a vendor's of {elsewhere:,} "
            f"entries more. {what['owned']:,} packages of languages belong to packages of the former. {records} records, "
            f"{len(report['vulnerabilities'])} rows in a JSON report; medians of {len(runs['import'].wall_us)} runs, the most memory "
            "of all. To be at most 100 ms and 64 MiB. Secrets and set-uid programs are looked for in all files.\n\n"
            + common.table(["", "entries", "packages", "ms", "best ms", "ms of CPU", "MiB"], rows))
