# SPDX-License-Identifier: Apache-2.0
"""The server of shared folders (src/vmm/fs), asked directly as a guest's kernel would ask it."""

import errno
import functools
import hashlib
import os
import pathlib
import random
import socket
import stat
import struct
import subprocess
import threading

import pytest

import fuse
from attacks import Judge
from fuse import refusal

TOP = pathlib.Path(__file__).resolve().parents[2]
READ_CAPS = 1 << 2  # DAC_READ_SEARCH
WRITE_CAPS = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7
RENAME_ROUNDS = 3000


@pytest.fixture(scope="module")
def program(prefix, require):
    require.root()
    return require.built("og-fs")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "shared"
    path.mkdir()
    (tmp_path / "secret").write_text("secret\n")
    return path


@pytest.fixture
def client(program, folder):
    with fuse.Client(program, folder) as made:
        made.init()
        yield made


class Attack(Judge):
    def __init__(self, weakened, holes, folder):
        super().__init__(weakened)
        path = TOP / ("build-weakened" if weakened else "build") / "tests/tools/og-fs"
        self.client = fuse.Client(path, folder, env={"ONGGI_WEAKEN": holes} if weakened else None)
        self.client.init()


@pytest.fixture(params=["real", "weakened"])
def attack(request, program, folder, require):
    weakened = request.param == "weakened"
    if weakened and not (TOP / "build-weakened/tests/tools/og-fs").exists():
        require.lacking("no build-weakened: tools/build-weakened")
    made = Attack(weakened, ",".join(request.node.get_closest_marker("weakened_by").args), folder)
    with made.client:
        yield made
    assert made.judged


# ---- what a guest does ----

def test_versions_are_agreed_on(program, folder):
    with fuse.Client(program, folder) as client:
        assert refusal(client.getattr) == "EPROTO", "something is served before FUSE_INIT"
        assert refusal(client.init, 30) == "EPROTO"
        assert client.init(38)[:2] == (7, 38)
        assert client.init(31)[:2] == (7, 31)
        assert client.init(99)[:2] == (7, 38)


def test_files_are_written_and_read(client, folder):
    data = os.urandom(300_000)
    node, _, fh = client.create("file")
    for at in range(0, len(data), 1 << 17):
        part = data[at:at + (1 << 17)]
        assert client.write(fh, part, at) == len(part)
    client.ask(fuse.FLUSH, node, struct.pack("<QIIQ", fh, 0, 0, 0))
    client.ask(fuse.FSYNC, node, struct.pack("<QII", fh, 1, 0))
    client.release(fh)
    assert (folder / "file").read_bytes() == data
    fh = client.open(node)
    assert b"".join(client.read(fh, at) for at in range(0, len(data), 1 << 17)) == data
    assert client.read(fh, len(data)) == b""
    assert client.getattr(node).size == len(data)


def test_only_what_may_be_written_is_flushed_at_its_close(folder, client):
    (folder / "file").write_bytes(b"x")
    node = client.lookup("file")[0]
    no_flush = 1 << 5  # FOPEN_NOFLUSH
    for flags, expected in ((os.O_RDONLY, no_flush), (os.O_RDWR, 0), (os.O_WRONLY, 0)):
        answer = client.ask(fuse.OPEN, node, struct.pack("<II", flags, 0))
        assert struct.unpack("<QII", answer)[1] & no_flush == expected


def test_every_kind_of_entry_is_made_and_removed(client, folder):
    client.ask(fuse.MKDIR, 1, struct.pack("<II", 0o751, 0) + client.name("dir"))
    client.ask(fuse.SYMLINK, 1, client.name("link", "/etc/passwd"))
    client.ask(fuse.MKNOD, 1, struct.pack("<IIII", stat.S_IFIFO | 0o640, 0, 0, 0) + client.name("fifo"))
    client.ask(fuse.MKNOD, 1, struct.pack("<IIII", stat.S_IFREG | 0o604, 0, 0, 0) + client.name("file"))
    kinds = {path.name: oct(path.lstat().st_mode) for path in folder.iterdir()}
    assert kinds == {"dir": oct(stat.S_IFDIR | 0o751), "link": oct(stat.S_IFLNK | 0o777),
                     "fifo": oct(stat.S_IFIFO | 0o640), "file": oct(stat.S_IFREG | 0o604)}
    assert client.ask(fuse.READLINK, client.lookup("link")[0]) == b"/etc/passwd"
    node, attr = client.entry(client.ask(
        fuse.LINK, client.lookup("dir")[0], struct.pack("<Q", client.lookup("file")[0]) + client.name("same")))
    assert (node, attr.nlink) == (client.lookup("file")[0], 2)
    assert refusal(client.ask, fuse.RMDIR, 1, client.name("dir")) == "ENOTEMPTY"
    client.ask(fuse.UNLINK, client.lookup("dir")[0], client.name("same"))
    client.ask(fuse.RMDIR, 1, client.name("dir"))
    for name in ("link", "fifo", "file"):
        client.ask(fuse.UNLINK, 1, client.name(name))
    assert not list(folder.iterdir())


def test_what_is_made_belongs_to_the_guests_user(client, folder):
    client.uid, client.gid = 1234, 5678
    client.create("file")
    client.ask(fuse.MKDIR, 1, struct.pack("<II", 0o755, 0) + client.name("dir"))
    assert {(p.stat().st_uid, p.stat().st_gid) for p in folder.iterdir()} == {(1234, 5678)}
    client.uid = client.gid = 0
    node, attr, _ = client.create("roots")
    assert (attr.uid, attr.gid) == (0, 0)
    assert client.setattr(node, 1 << 1 | 1 << 2, uid=7, gid=8).uid == 7


def test_attributes_are_set(client, folder):
    node, attr, fh = client.create("file", mode=0o4755)
    assert attr.mode == stat.S_IFREG | 0o4755
    client.write(fh, b"x", flags=1 << 2)
    assert client.getattr(node).mode == stat.S_IFREG | 0o755, "a set-user-ID bit outlives a write"
    attr = client.setattr(node, 1 << 0 | 1 << 3 | 1 << 5, mode=0o600, size=42, mtime=1_000_000)
    assert (attr.mode, attr.size, attr.mtime) == (stat.S_IFREG | 0o600, 42, 1_000_000)
    assert (folder / "file").stat().st_mtime == 1_000_000


def test_folders_are_listed_in_any_portion(client, folder):
    names = {f"{i:04}-{'n' * (i % 200)}" for i in range(700)}
    for name in names:
        (folder / name).touch()
    for plus in (False, True):
        for size in (600, 4096, 1 << 16):
            found = client.list(plus=plus, size=size)
            assert set(found) == names | {".", ".."}
            assert not plus or all((found[name][0] > 1) for name in names)
    for name, (node, _) in client.list(plus=True).items():
        assert name in (".", "..") or client.lookup(name)[0] == node


def test_files_are_moved_and_exchanged(client, folder):
    (folder / "dir").mkdir()
    (folder / "a").write_text("a")
    (folder / "b").write_text("b")
    (a, _), (target, _) = client.lookup("a"), client.lookup("dir")
    rename = lambda flags, to, *names: client.ask(  # noqa: E731
        fuse.RENAME2, 1, struct.pack("<QII", to, flags, 0) + client.name(*names))
    assert refusal(rename, 1, 1, "a", "b") == "EEXIST"
    rename(2, 1, "a", "b")
    assert (folder / "b").read_text() == "a"
    rename(0, target, "b", "c")
    assert (folder / "dir/c").read_text() == "a"
    assert client.read(client.open(a)) == b"a"
    assert refusal(rename, 4, 1, "a", "z") == "EINVAL", "whiteouts are the host's"


def test_a_removed_file_lives_as_long_as_the_guest_knows_it(client, folder):
    (folder / "file").write_text("still here")
    node, _ = client.lookup("file")
    client.ask(fuse.UNLINK, 1, client.name("file"))
    assert client.getattr(node).nlink == 0
    assert client.read(client.open(node)) == b"still here"
    client.forget(node)
    assert refusal(client.getattr, node) == "ESTALE"


def test_extended_attributes_are_the_users_alone(client, folder):
    node, _, _ = client.create("file")
    client.ask(fuse.SETXATTR, node, struct.pack("<II", 5, 0) + client.name("user.word") + b"value")
    assert client.ask(fuse.GETXATTR, node, struct.pack("<II", 100, 0) + client.name("user.word")) == b"value"
    assert client.ask(fuse.GETXATTR, node, struct.pack("<II", 0, 0) + client.name("user.word"))[:4] == b"\5\0\0\0"
    assert refusal(client.ask, fuse.GETXATTR, node, struct.pack("<II", 2, 0) + client.name("user.word")) == "ERANGE"
    assert client.ask(fuse.LISTXATTR, node, struct.pack("<II", 100, 0)) == b"user.word\0"
    for name in ("trusted.overlay.opaque", "security.capability", "system.posix_acl_access"):
        assert refusal(client.ask, fuse.SETXATTR, node,
                       struct.pack("<II", 1, 0) + client.name(name) + b"x") == "ENOTSUP"
    client.ask(fuse.REMOVEXATTR, node, client.name("user.word"))
    assert os.listxattr(folder / "file") == []


def test_space_is_allocated_punched_found_and_copied(client, folder):
    node, _, fh = client.create("file")
    client.ask(fuse.FALLOCATE, node, struct.pack("<QQQII", fh, 0, 1 << 20, 0, 0))
    assert (folder / "file").stat().st_size == 1 << 20
    client.write(fh, b"d" * 4096, 1 << 19)
    client.ask(fuse.FALLOCATE, node, struct.pack("<QQQII", fh, 0, 1 << 19, 3, 0))
    found = client.ask(fuse.LSEEK, node, struct.pack("<QQII", fh, 0, os.SEEK_DATA, 0))
    assert struct.unpack("<Q", found)[0] == 1 << 19
    _, _, copy = client.create("copy")
    copied = client.ask(fuse.COPY, node, struct.pack("<QQQQQQQ", fh, 1 << 19, 1, copy, 10, 4096, 0))
    assert struct.unpack("<II", copied)[0] == 4096
    assert (folder / "copy").read_bytes() == bytes(10) + b"d" * 4096
    assert refusal(client.ask, fuse.FALLOCATE, node, struct.pack("<QQQII", fh, 0, 1 << 19, 8, 0)) == "ENOTSUP"
    client.ask(fuse.SYNCFS, 1, bytes(8))
    blocks = struct.unpack("<QQQQQIII", client.ask(fuse.STATFS)[:52])
    assert blocks[0] == os.statvfs(folder).f_blocks


def test_a_folder_that_is_read_only_is_not_changed(program, folder):
    (folder / "file").write_text("kept")
    with fuse.Client(program, folder, readonly=True) as client:
        client.init()
        node, _ = client.lookup("file")
        assert client.read(client.open(node)) == b"kept"
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
            assert refusal(client.open, node, flags) == "EROFS"
        assert refusal(client.create, "new") == "EROFS"
        assert refusal(client.setattr, node, 1 << 3) == "EROFS"
        assert refusal(client.ask, fuse.UNLINK, 1, client.name("file")) == "EROFS"
        assert refusal(client.ask, fuse.MKDIR, 1, struct.pack("<II", 0o755, 0) + client.name("d")) == "EROFS"
        assert set(client.list()) == {".", "..", "file"}
    assert (folder / "file").read_text() == "kept"


def test_a_single_file_is_shared_alone(program, tmp_path):
    (tmp_path / "one").write_text("one")
    (tmp_path / "other").write_text("other")
    with fuse.Client(program, tmp_path / "one") as client:
        client.init()
        assert set(client.list()) == {".", "..", "file"}
        node, _ = client.lookup("file")
        client.write(client.open(node, os.O_WRONLY), b"two")
        assert refusal(client.create, "new") == "EROFS"
    assert (tmp_path / "one").read_text() == "two"


def test_an_ordinary_user_shares_what_it_may(program, tmp_path):
    folder = pathlib.Path(f"/tmp/og-fs-{os.getpid()}")
    folder.mkdir()
    try:
        os.chown(folder, 65534, 65534)
        (folder / "roots").write_text("x")
        (folder / "roots").chmod(0o600)
        with fuse.Client(program, folder, user=65534) as client:
            client.init()
            client.uid = 1234
            node, attr, fh = client.create("file")
            assert (attr.uid, client.write(fh, b"mine")) == (65534, 4)
            assert refusal(client.open, client.lookup("roots")[0]) == "EACCES"
        assert (folder / "file").stat().st_uid == 65534
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


# ---- the process ----

def server_of(client):
    """The process at the other end, by the socket's peer: the only "onggi-fs" that holds it."""
    inode = os.stat(f"/proc/self/fd/{client.socket.fileno()}").st_ino
    found = [path for path in pathlib.Path("/proc").glob("[0-9]*")
             if (path / "comm").exists() and (path / "comm").read_text() == "onggi-fs\n"]
    assert inode and found
    return max(found, key=lambda path: int(path.name))


def status_of(process):
    lines = (process / "status").read_text().splitlines()
    return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}


@pytest.mark.parametrize("readonly, caps", [(False, WRITE_CAPS), (True, READ_CAPS)])
def test_the_server_is_alone_with_the_folder(program, folder, readonly, caps):
    (folder / "inside").touch()
    with fuse.Client(program, folder, readonly=readonly) as client:
        client.init()
        process = server_of(client)
        for space in ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup"):
            assert os.readlink(process / "ns" / space) != os.readlink(f"/proc/self/ns/{space}"), space
        status = status_of(process)
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        for field in ("CapEff", "CapPrm", "CapBnd"):
            assert int(status[field], 16) == caps, field
        assert int(status["CapAmb"], 16) == int(status["CapInh"], 16) == 0
        assert os.listdir(process / "root") == ["inside"]
        assert len((process / "mountinfo").read_text().splitlines()) == 1
        assert status["Groups"] == ""
        names = sorted(os.readlink(process / "fd" / fd) for fd in os.listdir(process / "fd"))
        # The folder, the way to its files (its mount shows as a root, too), nothing three times, the socket.
        assert [name.split(":")[0] for name in names] == ["/", "/", "/null", "/null", "/null", "socket"], names
    for _ in range(200):
        if not process.exists():
            break
        threading.Event().wait(0.05)
    assert not process.exists() or "Z" in status_of(process)["State"], "it outlives its socket"


# ---- a guest of our own, through the device ----

@pytest.fixture
def boot(run_guest):
    """boot(options...): what the test guest says that reads and writes the folder "shared"."""
    return functools.partial(run_guest, "fs")


def test_a_guest_reads_and_writes_by_its_device(boot, folder):
    (folder / "file").write_text("from the host\n")
    result = boot("--fs", f"tag=shared,path={folder}")
    assert result.stdout.splitlines() == [
        "init 0", "lookup 0", "dots 22", "open 0", "read 0", "from the host", "write 0", "init 0", "closed 116",
        "done"], result.stderr
    assert (folder / "file").read_text() == "from the guest"


def test_words_that_are_no_folder_are_refused(boot, folder):
    for words in ("tag=a", f"path={folder}", f"tag=,path={folder}", f"tag={'t' * 37},path={folder}",
                  f"tag=a,path={folder},rw", "tag=a,path=/dev/null", "tag=a,path=/nonexistent"):
        result = boot("--fs", words)
        assert result.returncode == 2 and "--fs" in result.stderr, words


# ---- attacks ----

NAMES = ["..", ".", "../secret", "/etc/passwd", "a/b", "shared/../../secret"]


@pytest.mark.weakened_by("A75")
@pytest.mark.parametrize("name", ["..", "../etc/passwd", "/etc/passwd"])
def test_a75_no_name_leads_out_of_the_folder(attack, name):
    attack.judge(refusal(attack.client.lookup, name) == "")


@pytest.mark.weakened_by("A75")
def test_a75_no_link_leads_out_of_the_folder(attack, folder):
    (folder / "out").symlink_to("/etc/passwd")
    node, attr = attack.client.lookup("out")
    reached = b""
    if not stat.S_ISLNK(attr.mode):
        reached = attack.client.read(attack.client.open(node))
    elif refusal(attack.client.open, node) == "":
        reached = b"opened"
    attack.judge(reached)


@pytest.mark.weakened_by("A75")
def test_a75_a_folder_that_becomes_a_link_at_any_moment_leads_nowhere(attack, folder, tmp_path):
    """Another program of the host exchanges a folder and a link to the outside without pause."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (folder / "dir").mkdir()
    (folder / "link").symlink_to(outside)
    racer = subprocess.Popen(["python3", "-c", f"""
import ctypes, os
os.chdir({str(folder)!r})
libc = ctypes.CDLL(None)
print("begun", flush=True)
while True:
    libc.renameat2(-100, b"dir", -100, b"link", 2)
"""], stdout=subprocess.PIPE)
    racer.stdout.readline()
    reached, kinds = 0, set()
    try:
        for _ in range(RENAME_ROUNDS):
            try:
                node, attr = attack.client.lookup("dir")
                kinds.add(stat.S_IFMT(attr.mode))
                attack.client.lookup("secret", node)
                reached += 1
            except OSError as error:
                assert error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE), error
    finally:
        racer.kill()
        racer.wait()
        racer.stdout.close()
    assert attack.weakened or kinds == {stat.S_IFDIR, stat.S_IFLNK}, "there was no race"
    attack.judge(reached)


@pytest.mark.parametrize("name", NAMES)
def test_a75_names_are_entries_wherever_a_name_is_taken(client, folder, name, tmp_path):
    (folder / "file").touch()
    node, _ = client.lookup("file")
    bodies = {
        fuse.LOOKUP: client.name(name),
        fuse.SYMLINK: client.name(name, "x"),
        fuse.MKNOD: struct.pack("<IIII", stat.S_IFREG | 0o644, 0, 0, 0) + client.name(name),
        fuse.MKDIR: struct.pack("<II", 0o755, 0) + client.name(name),
        fuse.UNLINK: client.name(name),
        fuse.RMDIR: client.name(name),
        fuse.RENAME: struct.pack("<Q", 1) + client.name("file", name),
        fuse.RENAME2: struct.pack("<QII", 1, 0, 0) + client.name(name, "x"),
        fuse.LINK: struct.pack("<Q", node) + client.name(name),
        fuse.CREATE: struct.pack("<IIII", os.O_RDWR, 0o644, 0, 0) + client.name(name),
    }
    for opcode, body in bodies.items():
        assert client.error(opcode, 1, body) == errno.EINVAL, opcode
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_devices_are_not_made(client):
    for kind in (stat.S_IFCHR, stat.S_IFBLK):
        body = struct.pack("<IIII", kind | 0o666, 0x103, 0, 0) + client.name("dev")
        assert client.error(fuse.MKNOD, 1, body) == errno.EPERM


def test_special_files_of_the_host_are_not_opened(client, folder):
    os.mkfifo(folder / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    for name in ("fifo", "socket"):
        node, _ = client.lookup(name)
        assert refusal(client.open, node, os.O_RDWR) == "EINVAL"
        assert refusal(client.create, name, flags=os.O_RDWR | os.O_CREAT) != ""
    listener.close()


def test_what_is_mounted_in_the_folder_is_not_served(program, folder):
    (folder / "mounted").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", folder / "mounted"], check=True)
    try:
        (folder / "mounted/inner").touch()
        with fuse.Client(program, folder) as client:
            client.init()
            node, _ = client.lookup("mounted")
            assert refusal(client.lookup, "inner", node) == "ENOENT"
    finally:
        subprocess.run(["umount", folder / "mounted"], check=True)


@pytest.mark.weakened_by("A75-fds")
def test_a75_a_guest_that_knows_all_files_does_not_exhaust_descriptors(attack, folder):
    for i in range(600):
        (folder / str(i)).touch()
    attack.client.socket.close()
    attack.client = limited(attack, folder)
    attack.client.init()
    nodes, errors = {}, set()
    for i in range(600):
        error = refusal(lambda name: nodes.__setitem__(name, attack.client.lookup(name)[0]), str(i))
        errors |= {error} - {""}
    for name, node in list(nodes.items()):
        errors |= {refusal(attack.client.getattr, node)} - {""}
    attack.judge(errors)
    if not attack.weakened:
        opened = [refusal(attack.client.open, nodes["1"]) for _ in range(400)]
        assert opened[0] == "" and opened[-1] == "ENFILE"
        assert refusal(attack.client.getattr, nodes["599"]) == ""


def limited(attack, folder):
    """The server where the host gives few descriptors."""
    path = TOP / ("build-weakened" if attack.weakened else "build") / "tests/tools/og-fs"
    wrapper = folder.parent / "limited"
    wrapper.write_text(f"#!/bin/sh\nulimit -n 256\nexec {path} \"$@\"\n")
    wrapper.chmod(0o755)
    return fuse.Client(wrapper, folder, env={"ONGGI_WEAKEN": "A75-fds"} if attack.weakened else None)


def test_a_file_let_go_of_is_found_again_or_stale(program, folder):
    """Beyond the descriptors there are, files are found by their names, and must be the same."""
    deep = folder / "a/b"
    deep.mkdir(parents=True)
    for i in range(400):
        (deep / str(i)).write_text(str(i))

    class Real:
        weakened = False
    with limited(Real, folder) as client:
        client.init()
        node = client.walk("a/b")
        nodes = [client.lookup(str(i), node)[0] for i in range(400)]
        assert [client.read(client.open(nodes[i])) for i in range(3)] == [b"0", b"1", b"2"]
        (deep / "5").unlink()
        (deep / "5").symlink_to("/etc/passwd")
        (deep / "6").rename(deep / "600")
        client.ask(fuse.RENAME, node, struct.pack("<Q", 1) + client.name("7", "seven"))
        for i in range(100, 400):
            client.getattr(nodes[i])
        assert refusal(client.getattr, nodes[5]) == "ESTALE"
        assert refusal(client.getattr, nodes[6]) == "ESTALE"
        assert client.read(client.open(nodes[7])) == b"7"


def test_lies_about_lengths_are_refused(client):
    def error(message):
        client.raw(message)
        return -client.answer()[0]

    good = struct.pack("<QQIIQII", 0, 0, 4, 0, 0, 0, 0) + b"data"
    assert error(client.header(fuse.WRITE, 1, 1 << 30) + good) == errno.EINVAL
    assert client.error(fuse.WRITE, 1, good + b"more") == errno.EINVAL
    assert client.error(fuse.WRITE, 1, good[:20]) == errno.EINVAL
    for size in (0xffffffff, 0x80000000, 5, 0):
        lie = struct.pack("<QQIIQII", 0, 0, size, 0, 0, 0, 0) + b"data"
        assert client.error(fuse.WRITE, 1, lie) == errno.EINVAL
    assert client.error(fuse.LOOKUP, 1, b"no end") == errno.EINVAL
    assert client.error(fuse.LOOKUP, 1, b"") == errno.EINVAL
    assert client.error(fuse.LOOKUP, 1, b"\0") == errno.EINVAL
    assert client.error(fuse.LOOKUP, 1, b"a\0b\0") == errno.EINVAL
    assert client.error(fuse.LOOKUP, 1, b"n" * 256 + b"\0") == errno.ENAMETOOLONG
    assert client.error(fuse.SETXATTR, 1, struct.pack("<II", 0xffffffff, 0) + b"user.a\0") == errno.E2BIG
    node, _, fh = client.create("file")
    for size in (0xffffffff, 1 << 20):
        assert client.error(fuse.READ, node, struct.pack("<QQIIQII", fh, 0, size, 0, 0, 0, 0)) == errno.EINVAL
    assert client.error(fuse.READ, node, struct.pack("<QQIIQII", fh, 1 << 63, 10, 0, 0, 0, 0)) == errno.EINVAL
    assert client.setattr(node, 1 << 3, size=10).size == 10
    assert refusal(client.setattr, node, 1 << 3, size=1 << 63) == "EFBIG"
    for room in (16, 20, 100):
        assert client.error(fuse.LOOKUP, 1, client.name("file"), room) == errno.EINVAL
    client.raw(b"short", 0)
    client.raw(struct.pack("<IIQQIIIHH", 48, fuse.BATCH_FORGET, 1, 0, 0, 0, 0, 0, 0)
               + struct.pack("<II", 0xffffffff, 0), 0)
    assert client.getattr(node).size == 10


def test_numbers_that_mean_nothing_are_refused(client):
    for opcode in [0, 7, 19, 31, 32, 33, 34, 37, 39, 40, 41, 48, 49, 51, 52, 4096, 1 << 31]:
        assert client.error(opcode, 1, bytes(64)) == errno.ENOSYS, opcode
    for node in (0, 2, 99, 1 << 31, (1 << 64) - 1):
        assert client.error(fuse.GETATTR, node, bytes(16)) == errno.ESTALE
    for fh in (0, 1, 8191, 8192, (1 << 64) - 1):
        assert client.error(fuse.READ, 1, struct.pack("<QQIIQII", fh, 0, 10, 0, 0, 0, 0)) == errno.EBADF
    for _ in range(3):
        client.forget(1, (1 << 64) - 1)
    assert stat.S_ISDIR(client.getattr(1).mode), "the root was forgotten"


def test_random_messages_do_not_end_the_server(client):
    seed = random.Random(75)
    for _ in range(20_000):
        opcode = seed.choice([*range(1, 52), seed.getrandbits(32)])
        body = seed.randbytes(seed.choice([0, 1, 8, 16, 24, 40, 64, 88, 200]))
        if opcode in (fuse.DESTROY, fuse.INIT):
            continue
        client.error(opcode, seed.choice([0, 1, 2, seed.getrandbits(64)]), body)
    assert stat.S_ISDIR(client.getattr(1).mode)


def test_thousands_of_files_are_what_they_are_on_the_host(client, folder):
    total = hashlib.sha256()
    for i in range(2000):
        data = os.urandom(i % 3000)
        (folder / f"{i}").write_bytes(data)
        total.update(data)
    again = hashlib.sha256()
    for i in range(2000):
        node, _ = client.lookup(f"{i}")
        fh = client.open(node)
        again.update(client.read(fh))
        client.release(fh)
    assert total.digest() == again.digest()
