# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests and of the lab's. See CONTRIBUTING.md, "Add a test".

prefix          the installation under test: ONGGI_PREFIX, or build/root
onggid          a daemon of this test file's own, with the image `busybox:test` in it
start_onggid    a function that starts another one: start_onggid(options=[...], env={...})
isolation       "container", then "vm": the test runs once for each
registry        Debian's docker-registry on a loopback port: "127.0.0.1:PORT"
start_registry  a function that starts another one, with authentication or TLS: lib/registries.py
onggi_registry  onggi-registry on a loopback port, for the test file: lib/onggiregistry.py
start_onggi_registry  a function that starts another one: start_onggi_registry(config="...", options=[...])
image_store     an empty image store worked on by the test program og-images; new_image_store() makes more
busybox_tar     path of the busybox image as a docker archive
debian_tar      path of a Debian root file system as a tar
peers           cosign, skopeo and oras of Debian 13: peers.run("cosign", ...): lib/peers.py

ONGGI_REQUIRE_ALL=1 (set by CI) turns each skip for want of a tool into a failure.
"""

import contextlib
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile

import pytest
from _pytest.runner import runtestprotocol

import daemon
import images
import imagestore
import leaks
import onggiregistry
import peers as peers_lib

ROOT = pathlib.Path(__file__).resolve().parents[1]
STRICT = os.environ.get("ONGGI_STRICT_LEAKS", str(int(os.environ.get("CI") == "true"))) == "1"
REQUIRE_ALL = os.environ.get("CI") == "true" or os.environ.get("ONGGI_REQUIRE_ALL") == "1"


# Software emulation of a machine's own paging now and then breaks a guest's first process.
EMULATORS_FAULT = "Attempted to kill init! exitcode=0x0000000b"


def pytest_runtest_protocol(item, nextitem):
    """In the lab, a test that met the emulator's fault, and no other failure, is run once more."""
    if not os.path.isdir("/run/lab"):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed and EMULATORS_FAULT in str(report.longrepr) for report in reports):
        print(f"\n{item.nodeid}: the emulated guest's first process broke; once more", flush=True)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def lacking(reason):
    """Skips the test for want of `reason`; where everything is required, fails it."""
    if REQUIRE_ALL:
        pytest.fail(f"required here, but lacking: {reason}", pytrace=False)
    pytest.skip(reason)


def need_tool(name):
    if found := shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin"):
        return found
    return lacking(f"no {name}: tools/install-deps test")


def need_built(name):
    path = pathlib.Path(os.environ.get("ONGGI_BUILD", ROOT / "build")) / "tests/tools" / name
    return path if path.exists() else lacking(f"no {path}: ninja -C build")


def need_root():
    if os.geteuid() != 0:
        lacking("needs root")


@pytest.fixture(scope="session")
def require():
    """
    require.tool("skopeo"), require.built("og-layer") (of tests/tools) or require.root(): skip, or fail
    where everything is required.
    """
    class Require:
        tool = staticmethod(need_tool)
        built = staticmethod(need_built)
        root = staticmethod(need_root)
        lacking = staticmethod(lacking)
    return Require


@pytest.fixture(scope="session")
def prefix():
    path = pathlib.Path(os.environ.get("ONGGI_PREFIX", ROOT / "build/root")).resolve()
    if not path.joinpath("bin").is_dir():
        lacking(f"nothing is installed in {path}: make install PREFIX={path}")
    return path


@pytest.fixture(scope="session")
def test_folder():
    """A folder for this session on a real file system (overlay and EROFS need one)."""
    base = os.environ.get("ONGGI_TEST_ROOT", "/var/tmp")
    path = pathlib.Path(tempfile.mkdtemp(prefix="onggi-e2e-", dir=base))
    yield path
    for mount_point, _, _ in sorted(leaks.mounts(), reverse=True):
        if mount_point.startswith(f"{path}/"):
            subprocess.run(["umount", "-l", mount_point], check=False)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(test_folder):
    """
    Fails the run where a mount, cgroup, process, loop device or namespace outlives the tests.
    A session's fixture that starts something has to ask for this one, to be ended before it looks.
    """
    ground = leaks.Ground([test_folder], STRICT)
    yield ground
    if found := ground.settled_leftovers():
        pytest.fail("left behind:\n  " + "\n  ".join(found), pytrace=False)


@pytest.fixture(scope="module")
def start_onggid(request, prefix, test_folder):
    """Starts daemons; each is ended, and looked after, when the test file is through."""
    need_root()
    if not prefix.joinpath("sbin/onggid").exists():
        lacking(f"no onggid in {prefix}")
    started = []

    def start(options=(), env=None):
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{request.module.__name__}-", dir=test_folder))
        one = daemon.Daemon(prefix, folder, options, env)
        started.append((one, leaks.Ground([folder], strict=False)))
        return one.start()

    yield start
    problems = []
    for one, ground in reversed(started):
        try:
            one.stop()
        except (AssertionError, OSError) as error:
            problems.append(str(error))
        problems += ground.settled_leftovers()
    if problems:
        pytest.fail("after onggid's end:\n  " + "\n  ".join(problems), pytrace=False)


@pytest.fixture(scope="module")
def onggid(start_onggid, busybox_tar):
    one = start_onggid()
    one.onggi("load", "-i", busybox_tar)
    return one


@pytest.fixture(params=["container", pytest.param("vm", marks=pytest.mark.vm)])
def isolation(request):
    return request.param


@pytest.fixture(scope="session")
def busybox_tar():
    if not images.BUSYBOX.exists():
        lacking("no /bin/busybox: tools/install-deps")
    return images.busybox_archive()


@pytest.fixture(scope="session")
def debian_tar():
    need_tool("mmdebstrap")
    need_root()
    return images.debian_root_tar()


@pytest.fixture(scope="session")
def peers_root():
    need_tool("mmdebstrap")
    path, why = peers_lib.root()
    return path or lacking(why)


@pytest.fixture
def peers(peers_root, tmp_path):
    folder = tmp_path / "peers"
    folder.mkdir()
    return peers_lib.Peers(peers_root, folder)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def run_registry(folder, more="", tls=""):
    """Debian's docker-registry on a loopback port: yields "127.0.0.1:PORT"."""
    tool = need_tool("docker-registry")
    port = free_port()
    folder.mkdir()
    config = folder / "config.yml"
    config.write_text(f"""version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
http:
  addr: "127.0.0.1:{port}"
{tls}
{more}
""")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([tool, "serve", config], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log)

    def listens():
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        daemon.wait_for("docker-registry to listen", listens)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def registry(test_folder, nothing_is_left_behind):
    """An empty registry that speaks HTTP without authentication."""
    del nothing_is_left_behind  # which must look after this has ended
    with run_registry(test_folder / "registry") as address:
        yield address


@pytest.fixture
def start_registry(test_folder):
    """Starts further registries: start_registry(more="auth: ...", tls="  tls: ...")."""
    with contextlib.ExitStack() as stack:
        def start(more="", tls=""):
            folder = pathlib.Path(tempfile.mkdtemp(prefix="registry-", dir=test_folder)) / "one"
            return stack.enter_context(run_registry(folder, more, tls))
        yield start


@pytest.fixture(scope="module")
def start_onggi_registry(prefix, test_folder, nothing_is_left_behind):
    """Starts onggi-registry; each is ended when the test file is through."""
    del nothing_is_left_behind  # which must look after these have ended
    if not prefix.joinpath("sbin/onggi-registry").exists():
        lacking(f"no onggi-registry in {prefix}")
    started = []

    def start(config="", options=(), root=None):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="onggi-registry-", dir=test_folder))
        one = onggiregistry.OnggiRegistry(prefix, folder, free_port(), config, options, root)
        started.append(one)
        return one.start()

    yield start
    for one in reversed(started):
        one.stop()


@pytest.fixture(scope="module")
def onggi_registry(start_onggi_registry):
    return start_onggi_registry()


@pytest.fixture(scope="session")
def og_images(require):
    return require.built("og-images")


@pytest.fixture
def new_image_store(og_images, test_folder):
    """A function that makes an empty store."""
    made = []

    def new():
        folder = test_folder / f"images-{random.randrange(1 << 40):x}"
        folder.mkdir()
        made.append(folder)
        return imagestore.ImageStore(og_images, folder)
    yield new
    for folder in made:
        shutil.rmtree(folder)


@pytest.fixture
def image_store(new_image_store):
    return new_image_store()
