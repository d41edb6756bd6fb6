# SPDX-License-Identifier: Apache-2.0
"""The gate: one policy file, three outcomes; at the engine, at a registry, and in `onggi policy test`."""

import base64
import datetime
import json
import os
import pathlib
import re
import subprocess
import time

import pytest

import images
import registries
from onggiregistry import MANIFEST, image, index
from test_signatures import PASSWORD, Repository

YAML = """
default: refuse
signers:
  release: {{keys: [{folder}/release.pub]}}
  scanner: {{keys: [{folder}/scanner.pub]}}
rules:
  - name: signed
    images: ["{address}/gate/**"]
    signed-by: [release]
  - name: scanned
    images: ["{address}/gate/**"]
    except: ["{address}/gate/unscanned"]
    scan: {{by: [scanner], max-age: 7d, max-database-age: 30d, critical: 0, high: 2, fixable-only: true}}
    otherwise: isolate
  - name: open
    images: ["{address}/open/*"]
    outcome: allow
  - name: strangers
    images: ["{address}/strange/**"]
    outcome: isolate
"""


class Gate:
    """A policy, keys, and an engine that reads the policy."""

    def __init__(self, prefix, folder, address, daemon):
        self.prefix, self.folder, self.address, self.daemon = prefix, folder, address, daemon
        self.policy = folder / "policy.yaml"

    def write(self, text=YAML):
        self.policy.write_text(text.format(folder=self.folder, address=self.address))

    def onggi(self, *words, check=True):
        result = subprocess.run([self.prefix / "bin/onggi", *map(str, words)], cwd=self.folder, text=True,
                                env={"PATH": os.environ["PATH"], "HOME": str(self.folder),
                                     "ONGGI_KEY_PASSWORD": PASSWORD}, capture_output=True, timeout=60,
                                check=False)
        if check:
            assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result

    def repository(self, name):
        """A new image under this name, in the registry."""
        made = Repository(self.address, name)
        layers = [images.busybox_layer(), images.motd_layer(name)]
        manifest, blobs = images.oci_blobs(layers)
        for digest, data in blobs.items():
            if digest != images.sha256(manifest):
                made.put_blob(data)
        made.put_manifest(manifest, "1")
        return made

    def sign(self, repository, key="release"):
        self.onggi("sign", "--key", f"{key}.key", f"{repository.reference}:1")

    def scan(self, repository, *, days_ago=0, database_days_ago=1, key="scanner", **counts):
        def ago(days):
            moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        none = {"critical": 0, "high": 0, "medium": 0, "low": 0}
        predicate = {"scanner": {"uri": "test", "version": "1", "db": {"lastUpdate": ago(database_days_ago)},
                                 "result": {"summary": {**none, **counts}}},
                     "metadata": {"scanStartedOn": ago(days_ago), "scanFinishedOn": ago(days_ago)}}
        path = self.folder / "predicate.json"
        path.write_text(json.dumps(predicate))
        self.onggi("attest", "--key", f"{key}.key", "--type", "vuln", "--predicate", path,
                   f"{repository.reference}:1")

    def test(self, repository, *words):
        """(outcome, all of what is said)."""
        reference = repository if isinstance(repository, str) else f"{repository.reference}:1"
        result = self.onggi("policy", "test", "--policy", self.policy, *words, reference, check=False)
        return ({0: "allow", 3: "isolate", 4: "refuse"}.get(result.returncode, result.stderr),
                result.stdout + result.stderr)

    def create(self, reference, pull=True):
        """(outcome, all of what is said) of a create."""
        if pull:
            self.daemon.onggi("pull", "-q", reference)
        status, answer = self.daemon.request("POST", "/containers/create", {
            "Image": reference, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}})
        if status == 403:
            return "refuse", answer["message"]
        assert status == 201, answer
        _, shown = self.daemon.request("GET", f"/containers/{answer['Id']}/json")
        said = "\n".join(answer["Warnings"] or [])
        return {"vm": "isolate", "container": "allow"}[shown["HostConfig"]["Isolation"]], said


@pytest.fixture(scope="module")
def gate(prefix, registry, start_onggid, tmp_path_factory, require):
    require.root()
    folder = tmp_path_factory.mktemp("gate")
    made = Gate(prefix, folder, registry, None)
    made.write()
    for name in ("release", "scanner", "other"):
        made.onggi("key", "generate", name)
    made.daemon = start_onggid(options=["--policy", str(made.policy)])
    return made


@pytest.fixture(autouse=True)
def the_same_policy(gate):
    gate.write()


def both(gate, repository):
    """The engine and `policy test` agree; gives the outcome and what the engine said."""
    told, said = gate.test(repository)
    done, heard = gate.create(f"{repository.reference}:1")
    assert told == done, f"{said}\n{heard}\n{gate.daemon.logged()}"
    return done, heard


def test_signed_and_scanned_is_allowed(gate):
    image = gate.repository("gate/good")
    gate.sign(image)
    gate.scan(image, high=2, medium=100)
    assert both(gate, image) == ("allow", "")
    outcome, said = gate.test(image)
    assert "rule 'signed': allow: signed by release (tag sha256-" in said
    assert "0 critical with a fix, 2 high with a fix" in said
    assert "rule 'open': -: does not speak of it" in said


def test_unsigned_is_refused_with_every_reason(gate):
    image = gate.repository("gate/unsigned")
    outcome, said = both(gate, image)
    assert outcome == "refuse"
    assert "rule 'signed': not signed by release: there is no signature" in said
    assert "rule 'scanned': not scanned: there is no scan by whom it should be" in said
    gate.sign(image, "other")
    outcome, said = both(gate, image)
    assert outcome == "refuse" and "by another key" in said


@pytest.mark.parametrize("name, scan, why", [
    ("none", None, "there is no scan"),
    ("critical", {"critical": 1}, "1 critical with a fix, over 0"),
    ("high", {"high": 3}, "3 high with a fix, over 2"),
    ("old", {"days_ago": 8}, "the scan is 8 days old, over 7 days"),
    ("future", {"days_ago": -1}, "there is no scan"),
    ("old-database", {"database_days_ago": 31}, "its database is 31 days old, over 30 days"),
    ("stranger", {"key": "other"}, "there is no scan"),
])
def test_vulnerable_or_badly_scanned_runs_in_a_vm(gate, name, scan, why):
    image = gate.repository(f"gate/{name}")
    gate.sign(image)
    if scan is not None:
        gate.scan(image, **scan)
    outcome, said = both(gate, image)
    assert outcome == "isolate"
    assert "The policy wants this image in a VM" in said and why in said


def test_what_has_no_fix_does_not_count_where_the_policy_says_so(gate):
    image = gate.repository("gate/unfixed")
    gate.sign(image)
    gate.scan(image, critical=5, fixable={"critical": 0, "high": 0, "medium": 0, "low": 0})
    assert both(gate, image)[0] == "allow"
    # The newest scan counts, whatever the others say.
    gate.scan(image, days_ago=3, critical=5)
    assert both(gate, image)[0] == "allow"


def test_trivys_report_is_understood(gate):
    image = gate.repository("gate/trivy")
    gate.sign(image)
    path = gate.folder / "trivy.json"
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    path.write_text(json.dumps({
        "scanner": {"uri": "trivy", "db": {"lastUpdate": now}, "result": {"Results": [{"Vulnerabilities": [
            {"VulnerabilityID": "CVE-1", "Severity": "CRITICAL", "FixedVersion": "2"},
            {"VulnerabilityID": "CVE-2", "Severity": "CRITICAL"}]}]}},
        "metadata": {"scanStartedOn": now, "scanFinishedOn": now}}))
    gate.onggi("attest", "--key", "scanner.key", "--type", "vuln", "--predicate", path,
               f"{image.reference}:1")
    outcome, said = both(gate, image)
    assert outcome == "isolate" and "1 critical with a fix, over 0" in said


def test_our_own_report_is_attested_as_it_is(gate):
    image = gate.repository("gate/ours")
    gate.sign(image)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    counts = {"critical": 0, "high": 0, "medium": 4, "low": 1, "negligible": 0, "unknown": 0}
    digest = images.sha256(image.get("manifests/1"))
    report = {"schema": "onggi-scan/1", "image": {"digest": digest}, "scanned_at": now,
              "scanner": {"name": "onggi", "version": "1"}, "database": {"written": now},
              "complete": True, "summary": {**counts, "fixable": counts}}
    path = gate.folder / "report.json"

    def attest(check=True, **change):
        path.write_text(json.dumps({**report, **change}))
        return gate.onggi("attest", "--key", "scanner.key", "--type", "vuln", "--predicate", path,
                          f"{image.reference}:1", check=check)

    attest(complete=False)
    outcome, said = both(gate, image)
    assert outcome == "isolate" and "there is no scan" in said
    result = attest(check=False, image={"digest": "sha256:" + "0" * 64})
    assert result.returncode == 1 and "of another image" in result.stderr
    attest()
    assert both(gate, image)[0] == "allow"


def test_a_scan_of_ours_from_the_database_to_the_gate(gate):
    """One vulnerable package, by `onggi scan`, `onggi attest` and the policy."""
    record = {"id": "CVE-2030-1", "modified": "2026-01-01T00:00:00Z", "summary": "bad",
              "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
              "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"}, "ranges": [
                  {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]}
    gate.folder.joinpath("osv.json").write_text(json.dumps(record))
    gate.onggi("scan", "db", "import", "--db", gate.folder / "vuln.db", gate.folder / "osv.json")
    for version, outcome in (("1.0.0", "isolate"), ("2.0.0", "allow")):
        image = Repository(gate.address, f"gate/scan-{version}")
        package = images.tar([images.directory("app"), images.directory("app/node_modules"),
                              images.directory("app/node_modules/left-pad"),
                              images.entry("app/node_modules/left-pad/package.json", json.dumps(
                                  {"name": "left-pad", "version": version}).encode())])
        manifest, blobs = images.oci_blobs([images.busybox_layer(), package])
        for digest, data in blobs.items():
            if digest != images.sha256(manifest):
                image.put_blob(data)
        image.put_manifest(manifest, "1")
        gate.sign(image)
        report = gate.onggi("scan", "--db", gate.folder / "vuln.db", "--format", "json",
                            f"registry:{image.reference}:1").stdout
        gate.folder.joinpath("scan.json").write_text(report)
        gate.onggi("attest", "--key", "scanner.key", "--type", "vuln", "--predicate", "scan.json",
                   f"{image.reference}:1")
        assert both(gate, image)[0] == outcome, report


def test_each_image_has_its_rules(gate):
    exempt = gate.repository("gate/unscanned")
    gate.sign(exempt)
    assert both(gate, exempt)[0] == "allow"
    assert both(gate, gate.repository("open/tool"))[0] == "allow"
    assert both(gate, gate.repository("open/deep/tool"))[0] == "refuse"
    outcome, said = both(gate, gate.repository("strange/app"))
    assert outcome == "isolate" and "isolate all of these" in said
    outcome, said = both(gate, gate.repository("elsewhere/app"))
    assert outcome == "refuse" and "no rule speaks of it" in said


def test_what_was_pulled_is_judged_without_the_registry(gate, start_registry):
    """And a signature under another name does not count for a new name here, nor for the ID."""
    address, before = start_registry(), gate.address
    gate.address = address
    try:
        gate.write()
        image = gate.repository("gate/offline")
        gate.sign(image)
        gate.scan(image)
        assert gate.create(f"{image.reference}:1")[0] == "allow"
        # From here on nothing answers: what follows is by what was kept.
        gate.address = "127.0.0.1:1"
        _, shown = gate.daemon.request("GET", f"/images/{image.reference}:1/json")
        assert gate.create(f"{image.reference}:1", pull=False)[0] == "allow"
        assert gate.create(shown["Id"], pull=False)[0] == "allow"
        gate.daemon.onggi("tag", f"{image.reference}:1", f"{address}/gate/renamed:1")
        outcome, said = gate.create(f"{address}/gate/renamed:1", pull=False)
        assert outcome == "refuse" and "another name" in said
        assert gate.create(shown["Id"], pull=False)[0] == "refuse"
        for kept in gate.daemon.data_root.joinpath("evidence").glob("*.json"):
            kept.unlink()
        outcome, said = gate.create(f"{image.reference}:1", pull=False)
        assert outcome == "refuse" and "pull it again" in said
    finally:
        gate.address = before


def test_what_is_kept_goes_with_the_image(gate):
    folder = gate.daemon.data_root / "evidence"
    gone, other = gate.repository("open/gone"), gate.repository("open/other")
    gate.daemon.onggi("pull", "-q", f"{gone.reference}:1")
    kept = folder / (images.sha256(gone.get("manifests/1"))[7:] + ".json")
    assert kept.exists()
    gate.daemon.onggi("rmi", f"{gone.reference}:1")
    gate.daemon.onggi("pull", "-q", f"{other.reference}:1")
    assert not kept.exists()


def test_fails_closed(gate):
    image = gate.repository("gate/closed")
    gate.sign(image)
    gate.scan(image)
    reference = f"{image.reference}:1"
    assert gate.create(reference)[0] == "allow"
    for bad in ("default: [", "default: perhaps", "defualt: allow", "rules: [{images: ['**']}]",
                "rules: [{images: ['**'], signed-by: [nobody]}]",
                "rules: [{images: ['**'], scan: {max-age: 7d}}]",
                "rules: [{images: ['**'], outcome: allow, otherwise: refuse}]"):
        gate.write(bad.replace("{", "{{").replace("}", "}}"))
        outcome, said = gate.create(reference, pull=False)
        assert outcome == "refuse" and "the policy cannot be read" in said, bad
        assert gate.onggi("policy", "check", gate.policy, check=False).returncode == 1
    gate.policy.unlink()
    assert gate.create(reference, pull=False)[0] == "refuse"
    gate.write(YAML.replace("release.pub", "gone.pub"))
    outcome, said = gate.create(reference, pull=False)
    assert outcome == "refuse" and "gone.pub" in said
    # A registry that is away: nothing can be said of the image.
    gate.write(YAML.replace("{address}", "127.0.0.1:1"))
    outcome, said = gate.test("127.0.0.1:1/gate/away:1")
    assert outcome == "refuse" and "not signed by release" in said


def guest_version(prefix):
    """What `uname -r` says in a guest of this installation."""
    folder = prefix / "lib/onggi/guest"
    name = os.environ.get("ONGGI_GUEST_KERNEL") or ("small" if (folder / "small/initramfs.cpio").exists() else "debian")
    folder = folder / "small" if name == "small" else folder
    unpacked = folder / "vmlinux"
    if unpacked.exists():
        return re.search(rb"Linux version (\S+) ", unpacked.read_bytes())[1].decode()
    packed = (folder / ("bzImage" if name == "small" else "vmlinuz")).read_bytes()
    at = int.from_bytes(packed[0x20e:0x210], "little") + 0x200  # Documentation/arch/x86/boot.rst
    return packed[at:packed.index(b" ", at)].decode()


ASK = "cat /proc/sys/kernel/random/boot_id; uname -r; exec sleep 1000"


def run_and_ask(gate, name):
    """(isolation, boot, kernel): what the engine says of the workload that it runs, and what that says itself."""
    image = gate.repository(name)
    gate.daemon.onggi("pull", "-q", f"{image.reference}:1")
    started = gate.daemon.onggi("run", "-d", "--network", "none", f"{image.reference}:1", "sh", "-c", ASK)
    workload = started.stdout.strip()
    try:
        end = time.monotonic() + 100  # software emulation on a busy machine
        while len(said := gate.daemon.onggi("logs", workload).stdout.split()) < 2:
            assert time.monotonic() < end, (said, gate.daemon.logged())
            time.sleep(0.2)
        shown = json.loads(gate.daemon.onggi("inspect", workload).stdout)[0]
        assert shown["State"]["Running"]
        return shown["HostConfig"]["Isolation"], *said, started.stderr
    finally:
        gate.daemon.onggi("rm", "-f", workload)


@pytest.mark.vm
def test_an_isolated_image_runs_in_a_vm(gate, prefix):
    """By a kernel that was booted for it; what is allowed runs by the host's."""
    host_boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    isolation, boot, kernel, said = run_and_ask(gate, "strange/run")
    assert "wants this image in a VM" in said
    assert (isolation, kernel) == ("vm", guest_version(prefix)) and boot != host_boot
    isolation, boot, kernel, said = run_and_ask(gate, "open/run")
    assert (isolation, boot, kernel, said) == ("container", host_boot, os.uname().release, "")


# ---- at a registry ----

REGISTRY = """
url: http://{address}
policy: {policy}
access:
  htpasswd: htpasswd
  permissions:
    "**": {{keeper: [read, create, update, delete], reader: [read], "*": [read]}}
"""

AT_REGISTRY = """
default: allow
signers:
  release: {{keys: [{folder}/release.pub]}}
rules:
  - name: signed
    images: ["{address}/prod/**"]
    signed-by: [release]
  - name: nothing new
    images: ["{address}/frozen/**"]
    at: [push]
    outcome: refuse
  - name: only in a VM
    images: ["{address}/strange/**"]
    outcome: isolate
"""


@pytest.fixture(scope="module")
def gated(gate, start_onggi_registry):
    """A registry with a policy, an account that keeps it, and everybody else, who reads."""
    one = start_onggi_registry()
    one.stop()
    one.policy = one.folder / "policy.yaml"
    one.policy.write_text(AT_REGISTRY.format(folder=gate.folder, address=one.address))
    registries.htpasswd(one.folder / "one", "keeper", "a secret")
    registries.htpasswd(one.folder / "other", "reader", "its secret")
    one.folder.joinpath("htpasswd").write_text(
        one.folder.joinpath("one").read_text() + one.folder.joinpath("other").read_text())
    one.config.write_text(REGISTRY.format(address=one.address, policy=one.policy))
    one.start()
    token = base64.b64encode(b"keeper:a secret").decode()
    one.keeper = one.client(headers={"Authorization": "Basic " + token})
    one.reader = one.client()
    config = gate.folder / "docker"
    config.mkdir()
    config.joinpath("config.json").write_text(json.dumps({"auths": {one.address: {"auth": token}}}))
    return one


def at_registry(gate, gated, *words):
    result = subprocess.run([gate.prefix / "bin/onggi", "--config", gate.folder / "docker", *words],
                            cwd=gate.folder, text=True, capture_output=True, timeout=60, check=False,
                            env={"PATH": os.environ["PATH"], "HOME": str(gate.folder),
                                 "ONGGI_KEY_PASSWORD": PASSWORD})
    assert result.returncode == 0, result.stderr


def test_a_registry_gives_out_what_is_signed(gate, gated):
    digest, _ = gated.keeper.push_image("prod/app", "1")
    for reference in ("1", digest):
        answer = gated.reader.get(f"/v2/prod/app/manifests/{reference}")
        assert answer.status == 401 and "WWW-Authenticate" in answer.headers
        assert "rule 'signed': not signed by release: there is no signature" in answer.body.decode()
        assert gated.keeper.get(f"/v2/prod/app/manifests/{reference}").status == 200
    for layout in ("tag", "referrer", "bundle"):
        digest, _ = gated.keeper.push_image(f"prod/{layout}", "1", layers=(layout.encode(),))
        assert gated.reader.get(f"/v2/prod/{layout}/manifests/1").status == 401
        at_registry(gate, gated, "sign", "--key", "release.key", "--layout", layout,
                    f"{gated.address}/prod/{layout}:1")
        for reference in ("1", digest):
            assert gated.reader.get(f"/v2/prod/{layout}/manifests/{reference}").status == 200
        # Signatures are there for everybody, or nobody could judge them.
        gate.onggi("verify", "--key", "release.pub", f"{gated.address}/prod/{layout}:1")


def test_an_account_that_only_reads_is_told_why(gated):
    gated.keeper.push_image("prod/told", "1")
    token = base64.b64encode(b"reader:its secret").decode()
    reader = gated.client(headers={"Authorization": "Basic " + token})
    answer = reader.get("/v2/prod/told/manifests/1")
    assert answer.status == 403 and answer.code == "DENIED"
    assert "there is no signature" in answer.body.decode()


def test_a_registry_refuses_another_repositorys_signature(gate, gated):
    gated.keeper.push_image("prod/one", "1")
    at_registry(gate, gated, "sign", "--key", "release.key", f"{gated.address}/prod/one:1")
    at_registry(gate, gated, "copy", f"{gated.address}/prod/one:1", f"{gated.address}/prod/two:1")
    assert gated.reader.get("/v2/prod/one/manifests/1").status == 200
    answer = gated.reader.get("/v2/prod/two/manifests/1")
    assert answer.status == 401 and "another name" in answer.body.decode()


DISGUISES = {
    # Docker runs an image whose configuration does not say what it is, and unpacks layers of any type ...
    "unsaid": {"config": "application/octet-stream"},
    "empty": {"config": ""},
    "signature": {"layer": "application/vnd.dev.cosign.simplesigning.v1+json"},
    # ... podman any configuration in a manifest of Docker's.
    "plugin": {"kind": "application/vnd.docker.distribution.manifest.v2+json",
               "config": "application/vnd.cncf.helm.config.v1+json", "layer": "application/x"},
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_an_image_in_disguise_is_judged(gated, disguise):
    layer = images.busybox_layer()
    document = json.loads(image(b'{"rootfs": {}}', (layer,)))
    document["mediaType"] = DISGUISES[disguise].get("kind", MANIFEST)
    document["config"]["mediaType"] = DISGUISES[disguise].get("config", document["config"]["mediaType"])
    document["layers"][0]["mediaType"] = DISGUISES[disguise].get("layer", document["layers"][0]["mediaType"])
    for blob in (b'{"rootfs": {}}', layer):
        gated.keeper.push_blob("prod/disguised", blob)
    assert gated.keeper.put_manifest("prod/disguised", disguise, document).status == 201
    answer = gated.reader.get(f"/v2/prod/disguised/manifests/{disguise}")
    assert answer.status == 401 and "there is no signature" in answer.body.decode()


def test_what_is_attached_is_given_out(gated):
    """Charts, what oras attaches, SBOMs of cosign's: none of it runs."""
    for name, config, config_type, layer, layer_type in (
            ("chart", b'{"name": "x"}', "application/vnd.cncf.helm.config.v1+json", b"\x1f\x8bx", "application/x"),
            ("file", b"{}", "application/vnd.oci.empty.v1+json", b"\x1f\x8bx",
             "application/vnd.oci.image.layer.v1.tar"),
            ("sbom", b'{"rootfs": {}}', "application/vnd.oci.image.config.v1+json", b"SPDXVersion: SPDX-2.3",
             "text/spdx")):
        document = json.loads(image(config, (layer,)))
        document["config"]["mediaType"], document["layers"][0]["mediaType"] = config_type, layer_type
        for blob in (config, layer):
            gated.keeper.push_blob("prod/attached", blob)
        assert gated.keeper.put_manifest("prod/attached", name, document).status == 201
        assert gated.reader.get(f"/v2/prod/attached/manifests/{name}").status == 200, name


def test_a_tags_digest_is_told_like_its_image(gate, gated):
    """Who asks for the digest by HEAD and pulls that would get round `identity: exact` otherwise."""
    before = gated.policy.read_text()
    gated.keeper.push_image("prod/moved", "1")
    at_registry(gate, gated, "sign", "--key", "release.key", f"{gated.address}/prod/moved:1")
    try:
        gated.policy.write_text(before.replace("release.pub]", "release.pub], identity: exact"))
        digest = gated.reader.head("/v2/prod/moved/manifests/1").headers["Docker-Content-Digest"]
        at_registry(gate, gated, "copy", f"{gated.address}/prod/moved:1", f"{gated.address}/prod/moved:2")
        for ask in (gated.reader.get, gated.reader.head):
            assert ask("/v2/prod/moved/manifests/2").status == 401
            assert ask(f"/v2/prod/moved/manifests/{digest}").status == 200
    finally:
        gated.policy.write_text(before)


def test_an_indexs_signature_lets_its_images_out(gate, gated):
    made = [gated.keeper.push_image("prod/multi", name, layers=(name.encode(),)) for name in ("a", "b")]
    whole = index([(document, MANIFEST) for _, document in made])
    assert gated.keeper.put_manifest("prod/multi", "all", whole).status == 201
    assert gated.reader.get("/v2/prod/multi/manifests/all").status == 401
    at_registry(gate, gated, "sign", "--key", "release.key", f"{gated.address}/prod/multi:all")
    for reference in ("all", *(digest for digest, _ in made)):
        assert gated.reader.get(f"/v2/prod/multi/manifests/{reference}").status == 200
    other, _ = gated.keeper.push_image("prod/multi", "c", layers=(b"c",))
    assert gated.reader.get(f"/v2/prod/multi/manifests/{other}").status == 401


def test_pushes_are_judged_and_vms_left_to_the_engine(gated):
    gated.keeper.push_blob("frozen/app", b"{}")
    gated.keeper.push_blob("frozen/app", b"a layer")
    answer = gated.keeper.put_manifest("frozen/app", "1", image(b"{}", (b"a layer",)))
    assert answer.status == 403 and "nothing new" in answer.body.decode()
    gated.keeper.push_image("strange/app", "1")
    assert gated.reader.get("/v2/strange/app/manifests/1").status == 200


def test_a_registry_fails_closed(gated):
    gated.keeper.push_image("free/app", "1")
    assert gated.reader.get("/v2/free/app/manifests/1").status == 200
    before = gated.policy.read_text()
    try:
        for text in ("default: [", before.replace("release.pub", "gone.pub")):
            gated.policy.write_text(text)
            name = "free" if "[" == text[-1] else "prod"
            assert gated.reader.get(f"/v2/{name}/app/manifests/1").status == 401
        gated.policy.unlink()
        answer = gated.reader.get("/v2/free/app/manifests/1")
        assert answer.status == 401 and "the policy cannot be read" in answer.body.decode()
    finally:
        gated.policy.write_text(before)
    assert gated.reader.get("/v2/free/app/manifests/1").status == 200


# ---- at a registry on an engine's own data root ----

AT_ENGINE = """
default: refuse
signers:
  release: {{keys: [{folder}/release.pub]}}
rules:
  - name: signed where they come from
    images: ["{far}/gate/**"]
    signed-by: [release]
  - name: signed as they are given out
    images: ["{address}/gate/strict*"]
    signed-by: [release]
  - name: given out
    images: ["{address}/gate/**", "{address}/strange/**"]
    outcome: allow
  - name: strangers
    images: ["{far}/strange/**"]
    outcome: isolate
  - name: not given out
    images: ["{address}/open/**"]
    outcome: allow
"""


@pytest.fixture(scope="module")
def beside(gate, gated, start_onggi_registry):
    """A registry with a policy of its own on the engine's data root, whose images come from another."""
    one = start_onggi_registry(root=gate.daemon.data_root)
    one.stop()
    one.policy = one.folder / "policy.yaml"
    one.policy.write_text(AT_ENGINE.format(folder=gate.folder, far=gate.address, address=one.address))
    one.folder.joinpath("htpasswd").write_text(gated.folder.joinpath("htpasswd").read_text())
    one.config.write_text(REGISTRY.format(address=one.address, policy=one.policy))
    one.start()
    one.keeper, one.reader = one.client(headers=gated.keeper.headers), one.client()
    config = json.loads(gate.folder.joinpath("docker/config.json").read_text())
    config["auths"][one.address] = config["auths"][gated.address]
    gate.folder.joinpath("docker/config.json").write_text(json.dumps(config))
    return one


def pulled(gate, name, *, signed=True):
    image = gate.repository(name)
    if signed:
        gate.sign(image)
    gate.daemon.onggi("pull", "-q", f"{image.reference}:1")
    return image, images.sha256(image.get("manifests/1"))


def refusal(beside, name, reference="1"):
    answer = beside.reader.get(f"/v2/{name}/manifests/{reference}")
    assert answer.status == 401 and "WWW-Authenticate" in answer.headers, answer
    return answer.json()["errors"][0]["message"]


def test_an_engines_images_are_given_out_by_what_it_keeps(gate, beside):
    _, good = pulled(gate, "gate/kept")
    bare, bad = pulled(gate, "gate/bare", signed=False)
    for reference in ("1", good):
        assert beside.reader.get(f"/v2/gate/kept/manifests/{reference}").status == 200
    for reference in ("1", bad):
        said = refusal(beside, "gate/bare", reference)
        assert said.startswith(f"{gate.address}/gate/bare") and "there is no signature" in said
        assert beside.keeper.get(f"/v2/gate/bare/manifests/{reference}").status == 200
    # The engine learns of a signature when it pulls.
    gate.sign(bare)
    refusal(beside, "gate/bare")
    gate.daemon.onggi("pull", "-q", f"{bare.reference}:1")
    assert beside.reader.get("/v2/gate/bare/manifests/1").status == 200
    # What is kept is not believed because it is there.
    kept = gate.daemon.data_root / "evidence" / (good[7:] + ".json")
    text = kept.read_text()
    for wrong in ("{", kept.with_name(bad[7:] + ".json").read_text()):
        kept.write_text(wrong)
        refusal(beside, "gate/kept")
    kept.unlink()
    assert "there is no signature" in refusal(beside, "gate/kept")
    kept.write_text(text)
    assert beside.reader.get("/v2/gate/kept/manifests/1").status == 200


def test_what_is_kept_for_one_image_says_nothing_of_another(gate, beside):
    """Though both have the same name, and the one was signed."""
    image, signed = pulled(gate, "gate/swapped")
    manifest, blobs = images.oci_blobs([images.busybox_layer(), images.motd_layer("another")])
    for digest, data in blobs.items():
        if digest != images.sha256(manifest):
            image.put_blob(data)
    image.put_manifest(manifest, "1")
    gate.daemon.onggi("pull", "-q", f"{image.reference}:1")
    assert "there is no signature" in refusal(beside, "gate/swapped")
    folder = gate.daemon.data_root / "evidence"
    wrong = folder / (images.sha256(manifest)[7:] + ".json")
    wrong.write_text((folder / (signed[7:] + ".json")).read_text())
    assert "of another image" in refusal(beside, "gate/swapped")
    outcome, said = gate.create(f"{image.reference}:1", pull=False)
    assert outcome == "refuse" and "of another image" in said


def test_an_engines_images_are_judged_under_both_their_names(gate, beside):
    _, digest = pulled(gate, "gate/strict")
    said = refusal(beside, "gate/strict")
    assert said.startswith(f"{beside.address}/gate/strict:1") and "another name" in said
    at_registry(gate, beside, "sign", "--key", "release.key", f"{beside.address}/gate/strict:1")
    for reference in ("1", digest):
        assert beside.reader.get(f"/v2/gate/strict/manifests/{reference}").status == 200
    # Allowed here, refused where it comes from; and the other way round.
    pulled(gate, "open/tool")
    assert "no rule speaks of it" in refusal(beside, "open/tool")
    pulled(gate, "strange/given")
    assert beside.reader.get("/v2/strange/given/manifests/1").status == 200, "VMs are left to the engine"
    gate.daemon.onggi("tag", f"{gate.address}/strange/given:1", f"{gate.address}/gate/given:1")
    assert "another name" in refusal(beside, "gate/given")


def test_a_registry_on_an_engines_root_fails_closed(gate, beside):
    pulled(gate, "gate/closed-here")
    assert beside.reader.get("/v2/gate/closed-here/manifests/1").status == 200
    before = beside.policy.read_text()
    try:
        for text in ("default: [", before.replace("release.pub", "gone.pub")):
            beside.policy.write_text(text)
            refusal(beside, "gate/closed-here")
        beside.policy.unlink()
        assert "the policy cannot be read" in refusal(beside, "gate/closed-here")
    finally:
        beside.policy.write_text(before)
    assert beside.reader.get("/v2/gate/closed-here/manifests/1").status == 200
