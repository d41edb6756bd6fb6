# SPDX-License-Identifier: Apache-2.0
"""Version orders (src/format/version.h) against the programs that made them, and against the lines of
osv-scalibr's tests."""

import json
import os
import random
import re
import shutil
import subprocess

import pytest

import shareddata

DATA = shareddata.path("versions")
SEED = int(os.environ.get("ONGGI_TEST_SEED", random.randrange(1 << 32)))
PAIRS = 4000


@pytest.fixture(scope="module")
def program(require):
    return require.built("og-versions")


def ask(program, kind, pairs):
    """What we say of each pair, in one run."""
    lines = "".join(f"{kind}\t{a}\t{b}\n" for a, b in pairs)
    result = subprocess.run([program], input=lines, stdout=subprocess.PIPE, text=True, check=True)
    answers = result.stdout.split("\n")[:-1]
    assert len(answers) == len(pairs)
    return answers


def compare(program, kind, pairs, theirs):
    ours = ask(program, kind, pairs)
    wrong = [f"{a} {mine} {b}, they say {other}"
             for (a, b), mine, other in zip(pairs, ours, theirs) if other is not None and mine != other]
    assert not wrong, f"seed {SEED}: {len(wrong)} of {len(pairs)}: " + "; ".join(wrong[:10])
    # An oracle that refuses most of what it is asked tells nothing.
    assert sum(other is not None for other in theirs) > len(pairs) / 2
    assert {"<", "=", ">"} <= set(ours)


@pytest.mark.parametrize("kind, name", [
    ("Debian", "debian"), ("Red Hat", "redhat"), ("Alpine", "alpine"), ("npm", "semver"),
    ("PyPI", "pypi"), ("RubyGems", "rubygems")])
def test_every_line_of_the_known_orders(program, kind, name):
    path = DATA / f"{name}-versions.txt"
    if not path.exists():
        pytest.skip(f"no {path}")
    expected = []
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith(("#", "//")):
            expected.append(re.fullmatch(r"(\S+) ([<=>]) (\S+)", line.strip()).groups())
    ours = ask(program, kind, [(a, b) for a, _, b in expected])
    wrong = [f"{a} {mine} {b}, not {way}" for (a, way, b), mine in zip(expected, ours) if mine != way]
    assert len(expected) > 20 and not wrong, f"{len(wrong)}: " + "; ".join(wrong[:20])
    # The other way round, too.
    turned = ask(program, kind, [(b, a) for a, _, b in expected])
    assert turned == [way.translate(str.maketrans("<>", "><")) for _, way, _ in expected]


def pairs_of(make, count=PAIRS):
    """Pairs that are often close to each other: one is the other with a small change."""
    draw = random.Random(SEED)
    pairs = []
    for _ in range(count):
        a = make(draw)
        b = make(draw) if draw.random() < 0.4 else changed(draw, a)
        pairs.append((a, b))
    return pairs


def changed(draw, text):
    letters = list(text)
    for _ in range(draw.choice([0, 1, 1, 2])):
        place = draw.randrange(len(letters))
        if draw.random() < 0.3 and len(letters) > 1:
            del letters[place]
        else:
            letters.insert(place, draw.choice(letters + list("0129.ab~+-")))
    return "".join(letters)


def signs(numbers):
    return [None if n is None else "<" if n < 0 else ">" if n > 0 else "=" for n in numbers]


def python_oracle(code, pairs):
    """Runs @code, which defines way(a, b), in the system's Python."""
    script = ("import json, sys\n" + code + "\n"
              "print(json.dumps([way(a, b) for a, b in json.load(sys.stdin)]))")
    result = subprocess.run(["/usr/bin/python3", "-c", script], input=json.dumps(pairs), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0 and "ModuleNotFoundError" in result.stderr:
        pytest.skip(result.stderr.strip().splitlines()[-1])
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def debian_version(draw):
    epoch = draw.choice(["", "", "", "0:", "1:", "10:"])
    upstream = str(draw.choice([0, 1, 2, 10, 1009])) + "".join(
        draw.choice([".", "~", "+", "a", "rc", "dfsg", "0", "1", "9", "10", "00"]) for _ in range(draw.randrange(6)))
    revision = draw.choice(["", "-0", "-1", "-1+b1", "-1~deb12u1", "-2ubuntu0.1", "-1.1", "-a"])
    return epoch + upstream + revision


def test_debian_as_dpkg_compares(program):
    if shutil.which("dpkg") is None:
        pytest.skip("no dpkg")
    valid = re.compile(r"(\d+:)?\d[A-Za-z0-9.+~]*(-[A-Za-z0-9.+~]+)?")
    pairs = [pair for pair in pairs_of(debian_version, 2500) if all(valid.fullmatch(v) for v in pair)]
    script = ('while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo "<";'
              ' elif dpkg --compare-versions "$a" eq "$b"; then echo "="; else echo ">"; fi; done')
    result = subprocess.run(["sh", "-c", script], input="".join(f"{a} {b}\n" for a, b in pairs),
                            stdout=subprocess.PIPE, text=True, check=True)
    compare(program, "Debian", pairs, result.stdout.split())


def rpm_version(draw):
    parts = "".join(draw.choice([".", "~", "^", "+", "_", "a", "rc", "git", "0", "1", "9", "10", "007"])
                    for _ in range(1 + draw.randrange(6)))
    return draw.choice(["", "", "0:", "1:"]) + "1" + parts + draw.choice(["", "-1", "-2.el9", "-1.el9_2", "-10.fc38"])


def test_rpm_as_rpm_compares(program):
    pairs = pairs_of(rpm_version)
    theirs = python_oracle("""import rpm
def parts(text):
    epoch, colon, rest = text.partition(":")
    if not (colon and epoch.isdigit()):
        epoch, rest = "0", text
    version, dash, release = rest.rpartition("-")
    return (epoch, version, release) if dash else (epoch, rest, None)
def way(a, b):
    a, b = parts(a), parts(b)
    return rpm.labelCompare(a, b) if a[1] and b[1] else None
""", pairs)
    compare(program, "Red Hat", pairs, signs(theirs))


def python_version(draw):
    text = draw.choice(["", "", "", "v", "0!", "1!"]) + ".".join(
        str(draw.choice([0, 1, 2, 10, 2021])) for _ in range(1 + draw.randrange(4)))
    text += draw.choice(["", "", "a1", ".b2", "rc1", "-c3", "alpha", "_pre.2", "preview1", "RC10"])
    text += draw.choice(["", "", ".post1", "-1", "r2", ".rev", ".post"])
    text += draw.choice(["", "", ".dev1", "dev", "-dev10"])
    return text + draw.choice(["", "", "", "+local", "+1.a", "+ubuntu-1", "+10"])


def test_python_as_packaging_compares(program):
    pairs = pairs_of(python_version)
    theirs = python_oracle("""from packaging.version import InvalidVersion, Version
def way(a, b):
    try:
        a, b = Version(a), Version(b)
    except InvalidVersion:
        return None
    return (a > b) - (a < b)
""", pairs)
    compare(program, "PyPI", pairs, signs(theirs))


def semver(draw):
    text = ".".join(str(draw.choice([0, 1, 2, 10, 100])) for _ in range(3))
    text += draw.choice(["", "", "-alpha", "-alpha.1", "-beta.11", "-rc.1", "-0", "-1.2.3", "-x-y", "-A.b"])
    return text + draw.choice(["", "", "+build", "+build.1-2"])


def node(script, given):
    if shutil.which("node") is None:
        pytest.skip("no node")
    script = ("const semver = require('semver');"
              "const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));" + script)
    result = subprocess.run(["node", "-e", script], input=json.dumps(given), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})
    if "Cannot find module" in result.stderr:
        pytest.skip("no semver for node (Debian: node-semver)")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_semver_as_npm_compares(program):
    pairs = pairs_of(semver)
    theirs = node("console.log(JSON.stringify(given.map(([a, b]) =>"
                  " semver.valid(a) && semver.valid(b) ? semver.compare(a, b) : null)))", pairs)
    compare(program, "npm", pairs, signs(theirs))


def npm_range(draw):
    def version():
        text = ".".join(str(draw.choice([0, 0, 1, 2, 10])) for _ in range(draw.choice([1, 2, 3, 3, 3])))
        if text.count(".") < 2 and draw.random() < 0.4:
            text += draw.choice([".x", ".*", ".X"])
        elif text.count(".") == 2 and draw.random() < 0.2:
            text += draw.choice(["-alpha", "-beta.2", "-0"])
        return text

    def one():
        if draw.random() < 0.15:
            return f"{version()} - {version()}"
        return " ".join(draw.choice(["", ">", ">=", "<", "<=", "=", "^", "~", ">= ", "^ "]) + version()
                        for _ in range(draw.choice([1, 1, 2])))
    return draw.choice(["*", ""]) if draw.random() < 0.02 else " || ".join(
        one() for _ in range(draw.choice([1, 1, 2, 3])))


def test_npm_ranges_as_npm_reads_them(program):
    draw = random.Random(SEED)
    pairs = [(npm_range(draw), semver(draw)) for _ in range(PAIRS)]
    theirs = node("console.log(JSON.stringify(given.map(([range, version]) => semver.validRange(range) === null"
                  " ? 'bad' : semver.satisfies(version, range, {includePrerelease: true}) ? 'in' : 'out')))", pairs)
    ours = ask(program, "npm-range", pairs)
    wrong = [f"{v} {mine} '{r}', npm: {other}"
             for (r, v), mine, other in zip(pairs, ours, theirs) if mine != other]
    assert not wrong, f"seed {SEED}: {len(wrong)}: " + "; ".join(wrong[:10])
    assert ours.count("in") > PAIRS / 10 and ours.count("out") > PAIRS / 10


def gem_version(draw):
    text = ".".join(str(draw.choice([0, 0, 1, 2, 10])) for _ in range(1 + draw.randrange(4)))
    return text + draw.choice(["", "", ".a", ".rc1", ".beta.2", ".pre", "-1", "-x86", ".b0.0"])


def ruby(script, given):
    if shutil.which("ruby") is None:
        pytest.skip("no ruby")
    script = ("require 'json'; require 'rubygems'\n"
              "puts JSON.generate(JSON.parse(STDIN.read).map { |a, b| " + script + " })")
    result = subprocess.run(["ruby", "-e", script], input=json.dumps(given), stdout=subprocess.PIPE, text=True,
                            check=True)
    return json.loads(result.stdout)


def test_gems_as_rubygems_compares(program):
    pairs = pairs_of(gem_version)
    theirs = ruby("Gem::Version.correct?(a) && Gem::Version.correct?(b) ?"
                  " Gem::Version.new(a) <=> Gem::Version.new(b) : nil", pairs)
    compare(program, "RubyGems", pairs, signs(theirs))


def test_gem_requirements_as_rubygems_reads_them(program):
    draw = random.Random(SEED)
    plain = [".".join(str(draw.choice([0, 1, 2, 5])) for _ in range(1 + draw.randrange(4))) for _ in range(PAIRS)]
    ranges = [", ".join(draw.choice(["~> ", ">= ", "> ", "< ", "<= ", "= ", ""]) + draw.choice(plain)
                        for _ in range(draw.choice([1, 1, 2]))) for _ in plain]
    pairs = list(zip(ranges, plain))
    theirs = ruby("Gem::Requirement.new(a.split(', ')).satisfied_by?(Gem::Version.new(b)) ? 'in' : 'out'", pairs)
    assert ask(program, "gem-range", pairs) == theirs, f"seed {SEED}"
    assert theirs.count("in") > PAIRS / 20


# The rising rows of Maven's own tests (ComparableVersionTest), each before all that follow it.
MAVEN_RISING = [
    "1-alpha2snapshot 1-alpha2 1-alpha-123 1-beta-2 1-beta123 1-m2 1-m11 1-rc 1-cr2 1-rc123 1-SNAPSHOT 1 1-sp 1-sp2"
    " 1-sp123 1-abc 1-def 1-pom-1 1-1-snapshot 1-1 1-2 1-123",
    "2.0 2.0.a 2-1 2.0.2 2.0.123 2.1.0 2.1-a 2.1b 2.1-c 2.1-1 2.1.0.1 2.2 2.123 11.a2 11.a11 11.b2 11.b11 11.m2 11.m11"
    " 11 11.a 11b 11c 11m",
    "2.0.1-xyz 2.0.1-123", "1.0.RC2 1.0-RC3 1.0.1", "1.5 1.10 2", "20040616 20240101",
    "9.4.43.v20210629 9.4.44.v20210927", "2.14.1 2.15.0 2.17.1", "5.3.0-M1 5.3.0-RC1 5.3.0 5.3.1"]
MAVEN_EQUAL = ["1.0 1 1.ga 1-final 1.0.0 1-release 1.0.0-0", "1-a1 1-alpha-1", "1-cr2 1-rc2 1-RC2",
               "1-SNAPSHOT 1-snapshot", "1.0.0.Final 1.0.0"]


def test_maven_by_its_own_examples(program):
    """Maven itself is not among the tools here."""
    rising = [(a, b) for row in MAVEN_RISING for i, a in enumerate(row.split()) for b in row.split()[i + 1:]]
    wrong = [pair for pair, way in zip(rising, ask(program, "Maven", rising)) if way != "<"]
    assert len(rising) > 500 and not wrong, f"{len(wrong)}: {wrong}"
    assert set(ask(program, "Maven", [(b, a) for a, b in rising])) == {">"}
    equal = [(a, b) for row in MAVEN_EQUAL for a in row.split() for b in row.split()]
    assert set(ask(program, "Maven", equal)) == {"="}


def test_go_pseudo_versions(program):
    rising = ["v0.0.0-20190101000000-aaaaaaaaaaaa", "v0.0.0-20200101000000-000000000000", "v0.0.1", "v1.2.3-pre",
              "v1.2.4-0.20191109021931-daa7c04131f5", "v1.2.4", "v2.0.0+incompatible", "v2.0.1"]
    assert set(ask(program, "npm", list(zip(rising, rising[1:])))) == {"<"}
    assert ask(program, "npm", [("go1.20.3", "1.20.3"), ("v2.0.0+incompatible", "2.0.0")]) == ["=", "="]
