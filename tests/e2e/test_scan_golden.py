# SPDX-License-Identifier: Apache-2.0
"""
What Trivy says of the same packages by the same advisories: its integration tests' databases and reports.

The images that Trivy scans are not in its repository. Each is made again from what the report names: a root folder of dpkg,
apk or a language, a bill of materials for what RPM installed (test_scan_packages.py has databases that rpm itself wrote).
Where there is a lock file that both read, it is that file.

Not compared, since nothing of ours reads it: CocoaPods, Composer, Conan, Conda, Hex, Julia, NuGet, Pub, Swift, Kubernetes'
components; misconfigurations; what a WebAssembly module of Trivy's made of a report (spring4shell-jre8).
"""

import collections
import io
import json
import re
import tarfile
import xml.etree.ElementTree
import zipfile

import pytest

import shareddata
from scanning import debian_root

yaml = pytest.importorskip("yaml")

LEVELS = ["unknown", "low", "medium", "high", "critical"]
# Numbers of trivy-db (pkg/types/status.go) and their words, in ours. Nobody mends what is at its end.
STATUS = {5: "will_not_fix", 6: "affected", 7: "end_of_life"}
OURS = {"fixed": "fixed", "affected": "unfixed", "will_not_fix": "wont-fix", "end_of_life": "wont-fix"}

# Trivy's name of a database's part, and OSV's ecosystem. Amazon Linux 1 is 2018.03 by its os-release.
SYSTEMS = [
    (r"alpine (\d.*)", r"Alpine:v\1"), (r"debian (\d+)", r"Debian:\1"), (r"ubuntu (.*)", r"Ubuntu:\1"),
    (r"alma (\d+)", r"AlmaLinux:\1"), (r"rocky (\d+)", r"Rocky Linux:\1"), (r"Oracle Linux (\d+)", r"Oracle Linux:\1"),
    (r"amazon linux 1", "Amazon Linux:2018"), (r"amazon linux 2", "Amazon Linux:2"),
    (r"CBL-Mariner (\d+).*", r"Azure Linux:\1"), (r"Photon OS (.*)", r"Photon OS:\1"), (r"openSUSE (.*)", r"openSUSE:\1"),
    (r"npm::.*", "npm"), (r"pip::.*", "PyPI"), (r"rubygems::.*", "RubyGems"), (r"go::.*", "Go"), (r"maven::.*", "Maven"),
    (r"cargo::.*", "crates.io"),
]


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    archive = shareddata.path("fixtures/trivy-integration-testdata-dc3c56ee.tar.gz")
    if not archive.exists():
        pytest.skip(f"no {archive}")
    folder = tmp_path_factory.mktemp("trivy")
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    return folder / "integration/testdata"


# ---- the database ----

def pairs(folder, name):
    """Of each part of a database: its name, and what it says of (package, advisory)."""
    for part in yaml.safe_load((folder / f"fixtures/db/{name}.yaml").read_text()):
        for package in part["pairs"]:
            for advisory in package["pairs"]:
                yield part["bucket"], package["bucket"], advisory["key"].strip(), advisory.get("value") or {}


def flat(folder, name):
    part, = yaml.safe_load((folder / f"fixtures/db/{name}.yaml").read_text())
    return {pair["key"]: pair["value"] for pair in part["pairs"]}


def events(vulnerable, patched):
    """OSV's events of "< 1", ">= 1, <= 2.3" and "[1,2)"."""
    found = []
    for text in vulnerable:
        text = re.sub(r"^\[(.*),(.*)\)$", r">= \1, < \2", text)
        low, high = "0", {}
        for sign, version in re.findall(r"([<>]=?)\s*([^,\s]+)", text):
            if sign == ">=":
                low = version
            elif sign == "<":
                high = {"fixed": version}
            else:
                # The one that mends it is known, and is what GitHub's own OSV record has then.
                nearest = [p for p in patched if p.rsplit(".", 1)[0] in version]
                high = {"fixed": nearest[0]} if nearest else {"last_affected": version}
        found.append([{"introduced": low}] + ([high] if high else []))
    return found


def language_events(value):
    if "VulnerableVersions" in value:
        return events(value["VulnerableVersions"], value.get("PatchedVersions", []))
    # RustSec says what is not vulnerable: ">= 3.1.0" and ">= 2.1.3, < 3.0.0".
    first, found = "0", []
    for text in reversed(value["PatchedVersions"]):
        low, _, high = text.partition(",")
        found.append([{"introduced": first}, {"fixed": low.strip(" >=")}])
        first = high.strip(" <")
    return found


def red_hat(package, key, value):
    """An affected version of each release and CVE: Trivy keeps CPEs, the release is in the version."""
    for entry in value["Entries"]:
        release = re.search(r"\.el(\d)", entry.get("FixedVersion", ""))
        # 869 and 857 are RHEL 7 and 6 (cpe.yaml).
        releases = [release[1]] if release else [r for number, r in ((869, "7"), (857, "6")) if number in entry["Affected"]]
        for cve in entry["Cves"]:
            for release in releases:
                yield f"Red Hat:{release}", package, cve.get("ID", key), {**entry, "Severity": cve["Severity"]}


def claims(folder):
    # Who speaks in each part, and so says how bad it is; where that is not known, NVD does.
    voices = {part: value.get("ID") for part, value in flat(folder, "data-source").items()}
    for path in sorted((folder / "fixtures/db").glob("*.yaml")):
        if path.stem in ("vulnerability", "data-source", "cpe"):
            continue
        for part, package, key, value in pairs(folder, path.stem):
            if part == "Red Hat":
                for ecosystem, *rest in red_hat(package, key, value):
                    yield ecosystem, "redhat", *rest
            for pattern, ecosystem in SYSTEMS:
                if match := re.fullmatch(pattern, part):
                    yield match.expand(ecosystem), voices.get(part), package, key, value


@pytest.fixture(scope="module")
def records(golden):
    """Trivy's databases as OSV has them: one record a vulnerability."""
    details = flat(golden, "vulnerability")
    found = {}
    for ecosystem, vendor, package, key, value in claims(golden):
        detail = details.get(key, {})
        made = found.setdefault(key, {"id": key, "modified": "2024-01-01T00:00:00Z", "affected": [], "aliases": [],
                                      "summary": detail.get("Title", ""), "details": detail.get("Description", "")})
        if detail.get("Severity"):
            made["database_specific"] = {"severity": detail["Severity"]}
        vector = detail.get("CVSS", {}).get("nvd", {}).get("V3Vector")
        if vector:
            made["severity"] = [{"type": "CVSS_V3", "score": vector}]
        level = value.get("Severity") or detail.get("VendorSeverity", {}).get(vendor)
        specific = {"severity": LEVELS[int(level)]} if level else {}
        if "Status" in value:
            specific["status"] = STATUS[value["Status"]]
        if "VulnerableVersions" in value or "PatchedVersions" in value:
            ranges, kind = language_events(value), "SEMVER" if ecosystem in ("npm", "Go", "crates.io") else "ECOSYSTEM"
        else:
            fixed = value.get("FixedVersion")
            ranges, kind = [[{"introduced": "0"}] + ([{"fixed": fixed}] if fixed else [])], "ECOSYSTEM"
        made["affected"].append({"package": {"ecosystem": ecosystem, "name": package},
                                 "ranges": [{"type": kind, "events": one} for one in ranges],
                                 "ecosystem_specific": specific})
        made["aliases"] += [name for name in value.get("VendorIDs", []) if name not in made["aliases"]]
    assert len(found) > 30
    return list(found.values())


@pytest.fixture
def loaded(scanner, records):
    scanner.load(*records)
    return scanner


# ---- what Trivy looked at ----

# The source package of what has another name: Trivy's report does not say it, the packages do.
SOURCES = {"libssl1.1": "openssl", "libcrypto1.1": "openssl", "libidn2-0": "libidn2", "musl-utils": "musl",
           "curl-libs": "curl",
           **dict.fromkeys(("e2fslibs", "libcomerr2", "libcom-err2", "libss2", "libext2fs2"), "e2fsprogs")}


def found_in(report, kinds=None):
    return [(result, v) for result in report["Results"] if kinds is None or result["Type"] in kinds
            for v in result.get("Vulnerabilities") or []]


def alpine_root(folder, packages, version):
    write(folder, "etc/os-release", f"ID=alpine\nVERSION_ID={version}\n")
    write(folder, "lib/apk/db/installed", "".join(f"P:{name}\nV:{number}\nA:x86_64\no:{source}\n\n"
                                                  for name, number, source in packages))
    return folder


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def system_root(folder, report):
    os = report["Metadata"]["OS"]
    packages = sorted({(v["PkgName"], v["InstalledVersion"], SOURCES.get(v["PkgName"], v["PkgName"]))
                       for _, v in found_in(report, [os["Family"]])})
    if os["Family"] == "alpine":
        return alpine_root(folder, packages, os["Name"])
    debian_root(folder, packages, os["Name"])
    write(folder, "etc/os-release", f"ID={os['Family']}\nVERSION_ID=\"{os['Name']}\"\n")
    return folder


def system_bom(folder, report):
    """As Trivy itself writes a bill of materials of it: with its own names of the distributions."""
    os = report.get("Metadata", {}).get("OS")
    components = [{"type": "operating-system", "name": os["Family"], "bom-ref": "os",
                   "version": os["Name"].replace("AMI release ", "")}] if os else []
    components += [{"type": "library", "name": v["PkgName"], "bom-ref": purl, "purl": purl, "properties": [
        {"name": "aquasecurity:trivy:SrcName", "value": SOURCES.get(v["PkgName"], v["PkgName"])}]} for purl, v in
        {v["PkgIdentifier"]["PURL"]: v for _, v in found_in(report)}.items()]
    path = folder / "bom.json"
    path.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}))
    return path


def jar(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def pom(name, version):
    group, artifact = name.split(":")
    return jar({f"META-INF/maven/{group}/{artifact}/pom.properties":
                f"groupId={group}\nartifactId={artifact}\nversion={version}\n"})


def language_folder(folder, report):
    """What is installed of what a lock file of Trivy's asks for."""
    for result in report["Results"]:
        everything = [(p["Name"], p["Version"]) for p in result.get("Packages") or [] if p.get("Version")]
        for name, version in everything + [(v["PkgName"], v["InstalledVersion"])
                                           for v in result.get("Vulnerabilities") or []]:
            if result["Type"] == "bun":
                write(folder, f"node_modules/{name}/package.json", json.dumps({"name": name, "version": version}))
            elif result["Type"] in ("pip", "python-pkg"):
                write(folder, f"site-packages/{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n")
            elif result["Type"] in ("gradle", "pom", "sbt"):
                write(folder, f"lib/{name.split(':')[1]}-{version}.jar", pom(name, version))
            elif result["Type"] == "jar":
                inner = pom(name, version)
                write(folder, "helloworld.war", jar({f"WEB-INF/lib/{name.split(':')[1]}-{version}.jar": inner}))
            elif result["Type"] == "gemspec":
                write(folder, f"specifications/{name}-{version}.gemspec", f"# stub: {name} {version} ruby lib\n")
    return folder


def repository(name):
    return lambda golden, folder, report: golden / "fixtures/repo" / name


def lock_file(name, file):
    """Without what is installed beside it."""
    def copy(golden, folder, report):
        write(folder, file, (golden / "fixtures/repo" / name / file).read_text())
        return folder
    return copy


def system(golden, folder, report):
    return system_root(folder, report)


def rpm(golden, folder, report):
    return system_bom(folder, report)


def installed(golden, folder, report):
    return language_folder(folder, report)


def bom(name):
    return lambda golden, folder, report: golden / "fixtures/sbom" / name


CASES = {
    **dict.fromkeys(("alpine-310", "alpine-39", "debian-buster", "debian-stretch", "distroless-base", "distroless-python27",
                     "ubuntu-1804", "ubuntu-gp2-x86-vm"), system),
    **dict.fromkeys(("almalinux-8", "amazon-1", "amazon-2", "amazonlinux2-gp2-x86-vm", "centos-6", "centos-7", "mariner-1.0",
                     "opensuse-leap-151", "opensuse-tumbleweed", "oraclelinux-8", "photon-30", "rockylinux-8", "ubi-7",
                     "ubi-7-comprehensive", "gomod"), rpm),
    **dict.fromkeys(("bun", "pip", "gradle", "pom", "sbt", "spring4shell-jre11"), installed),
    **{name: repository(name) for name in ("pipenv", "poetry", "pylock", "uv")},
    "pnpm": lock_file("pnpm", "pnpm-lock.yaml"),
    "fluentd-multiple-lockfiles": bom("fluentd-multiple-lockfiles-cyclonedx.json"),
    "npm": repository("npm"), "yarn": repository("yarn"), "cargo.lock": repository("cargo"),
    "test-repo": repository("trivy-ci-test"), "busybox-with-lockfile": repository("trivy-ci-test"),
}


# ---- the comparison ----

def versions_of(text):
    """Trivy lists the mended version of every branch; ours is that of the branch that is there."""
    return {part.strip(" >=") for part in (text or "").split(",") if "<" not in part}


def theirs(report):
    return {(v["VulnerabilityID"], v["PkgName"].lower(), v["InstalledVersion"], v["Severity"].lower(),
             OURS[v["Status"]]) for _, v in found_in(report)}


def ours(tree):
    return {(row["id"], package["name"].lower(), package["version"], row["severity"], row["status"])
            for row in tree["vulnerabilities"] for package in row["packages"]}


def check(report, tree):
    assert ours(tree) == theirs(report)
    fixes = collections.defaultdict(set)
    for _, v in found_in(report):
        fixes[v["VulnerabilityID"], v["PkgName"].lower()] |= versions_of(v.get("FixedVersion"))
    for row in tree["vulnerabilities"]:
        for package in row["packages"]:
            mends = fixes[row["id"], package["name"].lower()]
            # Go's versions with and without "v" are one; epoch 0 is none.
            plain = {re.sub("^(v|0:)", "", version) for version in mends}
            given = re.sub("^(v|0:)", "", row["fixed_version"])
            assert given in plain if plain else given == "", (row["id"], given, plain)


@pytest.mark.parametrize("name", CASES)
def test_the_same_vulnerabilities_as_trivy(loaded, golden, tmp_path, name):
    report = json.loads((golden / f"{name}.json.golden").read_text())
    tree = loaded.tree(CASES[name](golden, tmp_path / name if CASES[name] is not rpm else tmp_path, report))
    assert tree["complete"], tree["warnings"]
    check(report, tree)
    names = {v["VulnerabilityID"]: v.get("VendorIDs", []) for _, v in found_in(report)}
    for row in tree["vulnerabilities"]:
        if row["ecosystem"].startswith("Debian"):
            assert row["aliases"] == names[row["id"]]


def test_vex_hides_what_it_hides_from_trivy(loaded, golden, tmp_path):
    """Of the package that the statement calls a part of the project: our target is named after its folder."""
    report = json.loads((golden / "gomod.json.golden").read_text())
    kept = json.loads((golden / "gomod-vex.json.golden").read_text())
    vex = json.loads((golden / "fixtures/vex/file/openvex.json").read_text())
    vex["statements"][0]["products"][0]["@id"] = "pkg:oci/bom.json"
    path = tmp_path / "vex.json"
    path.write_text(json.dumps(vex))
    tree = loaded.tree(system_bom(tmp_path, report), "--vex", path)
    assert ours(tree) == theirs(kept) != theirs(report)
    hidden, = tree["hidden"]
    assert (hidden["id"], hidden["said"]) == ("CVE-2022-23628", "not_affected")


def test_an_ignore_file_hides_what_it_hides_from_trivy(loaded, golden, tmp_path):
    report = json.loads((golden / "alpine-39.json.golden").read_text())
    kept = json.loads((golden / "alpine-39-ignore-cveids.json.golden").read_text())
    path = tmp_path / "ignore"
    path.write_text("CVE-2019-1549\nCVE-2019-14697\n")
    tree = loaded.tree(system_root(tmp_path / "root", report), "--ignore-file", path)
    assert ours(tree) == theirs(kept)
    assert {row["id"] for row in tree["hidden"]} == {"CVE-2019-1549", "CVE-2019-14697"}


# ---- the other formats ----

def keys(document):
    return {key for key, value in document.items() if value not in (None, [], {})}


def written(scanner, golden, tmp_path, name, form):
    report = json.loads((golden / f"{name}.json.golden").read_text())
    return scanner.scan(CASES[name](golden, tmp_path / name, report), "-f", form).stdout


def test_sarif_says_what_trivys_says(loaded, golden, tmp_path):
    want = json.loads((golden / "alpine-310.sarif.golden").read_text())
    got = json.loads(written(loaded, golden, tmp_path, "alpine-310", "sarif"))
    assert got["version"] == want["version"] and keys(got) == keys(want)
    (their_run,), (our_run,) = want["runs"], got["runs"]

    def rules(run):
        return {rule["id"]: (rule["properties"]["security-severity"], rule["shortDescription"]["text"],
                             rule.get("defaultConfiguration", {}).get("level")) for rule in run["tool"]["driver"]["rules"]
                if rule["id"].startswith("CVE-")}
    assert rules(our_run) == rules(their_run)
    for rule in our_run["tool"]["driver"]["rules"]:
        assert {"id", "shortDescription", "properties"} <= keys(rule)

    # Trivy has a result for each binary package, ours is of the source package that the advisory is about.
    def results(run, pattern):
        return {(result["ruleId"], result["level"], SOURCES.get(name, name), version) for result in run["results"]
                for name, version in re.findall(pattern, result["message"]["text"])}
    want = results(their_run, r"Package: (.*)\nInstalled Version: (.*)")
    assert len(want) == 2 and results(our_run, r"^(\S+) (\S+): CVE") == want
    for result in our_run["results"]:
        location, = result["locations"]
        assert keys(location["physicalLocation"]) == {"artifactLocation", "region"}


def test_cyclonedx_says_what_trivys_says(loaded, golden, tmp_path):
    want = json.loads((golden / "npm-cyclonedx.json.golden").read_text())
    got = json.loads(loaded.scan(golden / "fixtures/repo/npm", "-f", "cyclonedx").stdout)
    # Ours is of 1.5, which every reader of 1.7 knows. Which package asks for which is not in our inventory.
    assert keys(want) - keys(got) <= {"$schema", "serialNumber", "dependencies"}

    def libraries(bom):
        return {(c["name"], c.get("version"), c["purl"]) for c in bom["components"] if c.get("purl")}
    # Also what is installed, though the lock file has it for development alone.
    assert libraries(got) - libraries(want) == {("z-lock", "1.0.0", "pkg:npm/z-lock@1.0.0")}
    assert libraries(want) <= libraries(got) and len(libraries(want)) > 10

    def vulnerabilities(bom):
        purls = {c["bom-ref"]: c.get("purl") for c in bom["components"]}
        return {(v["id"], frozenset(purls[a["ref"]] for a in v["affects"])) for v in bom["vulnerabilities"]}
    assert vulnerabilities(got) == vulnerabilities(want) != set()
    assert {v["ratings"][0]["severity"] for v in got["vulnerabilities"]} == {"medium"}
    nvd, = (r for v in want["vulnerabilities"] for r in v["ratings"] if r.get("method") == "CVSSv31" and
            r["source"]["name"] == "nvd")
    (ours_of_it,), = ([r for r in v["ratings"] if r.get("vector") == nvd["vector"]] for v in got["vulnerabilities"])
    assert (ours_of_it["score"], ours_of_it["method"]) == (nvd["score"], nvd["method"])


def test_a_bill_of_materials_of_trivys_is_what_it_was(loaded, golden):
    """Read and written again: a package of the distribution and of a language keeps its purl."""
    path = golden / "fluentd-multiple-lockfiles.cdx.json.golden"
    want, got = json.loads(path.read_text()), json.loads(loaded.run("sbom", path).stdout)

    def plain(purl):
        """An epoch is part of the version in Debian's URLs; Trivy writes it as RPM's have it."""
        epoch = re.search(r"epoch=(\d+)", purl)
        return re.sub(r"[?].*", "", re.sub("@", f"@{epoch[1]}:", purl) if epoch else purl)

    def purls(bom):
        return {plain(c["purl"]) for c in bom["components"] if c.get("purl")}
    assert purls(got) == purls(want) and len(purls(want)) > 100


@pytest.mark.parametrize("name", ["conda-spdx", "julia-spdx"])
def test_spdx_has_the_members_of_trivys(loaded, golden, tmp_path, name):
    """Neither ecosystem is read by ours: compared are the version and what a document has to have."""
    want = json.loads((golden / f"{name}.json.golden").read_text())
    got = json.loads(written(loaded, golden, tmp_path, "alpine-310", "spdx"))
    for key in ("spdxVersion", "dataLicense", "SPDXID"):
        assert got[key] == want[key]
    assert keys(want) - keys(got) <= {"files"}  # no files are listed where none is said to be analyzed
    assert keys(want["creationInfo"]) <= keys(got["creationInfo"])
    assert keys(want["relationships"][0]) <= keys(got["relationships"][0])
    packages = [p for p in got["packages"] if p.get("externalRefs")]
    theirs_of_it = [p for p in want["packages"] if p.get("externalRefs")]
    # Of Trivy's alone: annotations, a supplier that is not known, checksums of files.
    alone = {"annotations", "supplier", "packageVerificationCode", "sourceInfo", "primaryPackagePurpose", "licenseDeclared",
             "licenseConcluded"}
    for package in packages:
        assert keys(theirs_of_it[0]) - keys(package) <= alone
        reference, = package["externalRefs"]
        assert keys(reference) == keys(theirs_of_it[0]["externalRefs"][0])
        assert (reference["referenceCategory"], reference["referenceType"]) == ("PACKAGE-MANAGER", "purl")
    assert {p["name"] for p in packages} == {"libcrypto1.1", "libssl1.1"}


def test_junit_says_what_trivys_says(loaded, golden, tmp_path):
    want = xml.etree.ElementTree.parse(golden / "alpine-310.junit.golden").getroot()
    got = xml.etree.ElementTree.fromstring(written(loaded, golden, tmp_path, "alpine-310", "junit"))

    def cases(suites, separator):
        found = set()
        for case in suites.iter("testcase"):
            name, version = re.fullmatch(rf"(.*?){separator}(\d.*)", case.attrib["classname"]).groups()
            failure, = case
            found.add((SOURCES.get(name, name), version, case.attrib["name"].lower(), failure.tag, failure.attrib["message"]))
        return found
    # One case for each source package, as in SARIF.
    assert cases(got, " ") == cases(want, "-(?=\\d+\\.\\d+\\.)") and len(cases(want, "-(?=\\d+\\.\\d+\\.)")) == 2
    assert got.tag == want.tag
    for suites in (got, want):
        for suite in suites:
            assert {"name", "tests", "failures", "errors", "skipped", "time"} <= set(suite.attrib)
            assert int(suite.attrib["failures"]) == len(list(suite.iter("failure")))
