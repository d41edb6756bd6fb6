# SPDX-License-Identifier: Apache-2.0
"""File trees: made at random, recorded whole, mounted from EROFS files by the kernel's own calls."""

import contextlib
import ctypes
import errno
import hashlib
import os
import pathlib
import stat
import struct
import subprocess
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
FSOPEN, FSCONFIG, FSMOUNT, MOVE_MOUNT = 430, 431, 432, 429
SET_FLAG, SET_STRING, CREATE = 0, 1, 6
MOVE_MOUNT_F_EMPTY_PATH = 4
AT_FDCWD = -100


def _call(number, *args):
    result = LIBC.syscall(number, *args)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def mount(kind, where, options):
    """fsopen(2) and friends: as many options as wanted, [(key, value or None)]. Read-only."""
    context = _call(FSOPEN, kind.encode(), 1)
    try:
        _call(FSCONFIG, context, SET_FLAG, b"ro", None, 0)
        for key, value in options:
            what = SET_FLAG if value is None else SET_STRING
            _call(FSCONFIG, context, what, key.encode(),
                  None if value is None else os.fsencode(str(value)), 0)
        _call(FSCONFIG, context, CREATE, None, None, 0)
        mounted = _call(FSMOUNT, context, 1, 1)
    finally:
        os.close(context)
    try:
        _call(MOVE_MOUNT, mounted, b"", AT_FDCWD, os.fsencode(str(where)), MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(mounted)


def file_backed(folder):
    """Whether the kernel mounts EROFS from a file in `folder` without a loop device: Linux 6.12, and
    a file system with a page cache of its own (not overlayfs)."""
    with tempfile.NamedTemporaryFile(dir=folder) as nothing:
        nothing.truncate(8192)
        try:
            mount("erofs", "/nowhere", [("source", nothing.name)])
        except OSError as error:
            # It looked into the file, and found no EROFS.
            return error.errno == errno.EINVAL
    return False


@contextlib.contextmanager
def mounted(kind, where, options):
    where = pathlib.Path(where)
    where.mkdir(parents=True, exist_ok=True)
    mount(kind, where, options)
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)


@contextlib.contextmanager
def loop_device(path):
    out = subprocess.run(["losetup", "--find", "--show", "--read-only", path], check=True,
                         stdout=subprocess.PIPE, text=True)
    device = out.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def content(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def xattrs(path):
    return {name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)
            if not name.startswith("trusted.onggi.")}


def record(root, links=True):
    """Everything that can be seen of the tree at `root`: {path: facts}. Paths are bytes."""
    root = os.fsencode(str(root))
    seen = {}
    first = {}

    def look(path):
        st = os.lstat(path)
        kind = stat.S_IFMT(st.st_mode)
        name = os.path.relpath(path, root)
        facts = {"mode": oct(st.st_mode), "uid": st.st_uid, "gid": st.st_gid,
                 "mtime": st.st_mtime_ns, "xattrs": xattrs(path)}
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            facts["device"] = (os.major(st.st_rdev), os.minor(st.st_rdev))
        if kind == stat.S_IFLNK:
            facts["target"] = os.readlink(path)
        if kind == stat.S_IFREG:
            facts["size"] = st.st_size
            facts["content"] = content(path)
        if links:
            facts["links"] = st.st_nlink
        if links and kind != stat.S_IFDIR:
            facts["same as"] = first.setdefault((st.st_dev, st.st_ino), name)
        seen[name] = facts
        if kind == stat.S_IFDIR:
            for entry in sorted(os.listdir(path)):
                # overlayfs lists the whiteouts of a directory that only one layer has.
                if os.path.lexists(below := os.path.join(path, entry)):
                    look(below)

    look(root)
    return seen


def difference(one, other, limit=10):
    """What is not the same in two records, in words; "" if they are equal."""
    lines = []
    for name in sorted(one.keys() | other.keys()):
        a, b = one.get(name), other.get(name)
        if a == b:
            continue
        if a is None or b is None:
            lines.append(f"{name!r}: only in the {'first' if b is None else 'second'}")
            continue
        lines += [f"{name!r}: {key} {a.get(key)!r} / {b.get(key)!r}"
                  for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)]
    more = f"\n... and {len(lines) - limit} more" if len(lines) > limit else ""
    return "\n".join(lines[:limit]) + more


def acl(*entries):
    """system.posix_acl_*: entries (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NO_ID = 0xffffffff
SOME_ACL = acl((1, 6, NO_ID), (2, 5, 4242), (4, 4, NO_ID), (16, 5, NO_ID), (32, 0, NO_ID))
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


class Grower:
    """Makes a tree that has a little of everything, the same for the same random.Random."""

    def __init__(self, root, random):
        self.root, self.random = os.fsencode(str(root)), random
        self.dirs, self.files = [self.root], []

    def name(self):
        kind = self.random.randrange(12)
        if kind == 0:
            return b"n" * self.random.randrange(200, 251) + b"%04d" % self.random.randrange(10000)
        if kind == 1:
            return bytes(self.random.choice(b"\x01\xff\xfe\n \\*?%=abc") for _ in range(12))
        if kind == 2:
            return "옹기-%d".encode() % self.random.randrange(1000)
        return b"%s%d" % (self.random.choice([b"a", b".hidden", b"!", b"-x", b"file", b"Z~"]),
                          self.random.randrange(100000))

    def free_path(self):
        while True:
            path = os.path.join(self.random.choice(self.dirs), self.name())
            # tar reads an archive whose names it can resolve again.
            if not os.path.lexists(path) and len(path) < 3000:
                return path

    def file(self):
        path = self.free_path()
        size = self.random.choice([0, 1, 100, 4095, 4096, 4097, 8192, 70000, 300000])
        with open(path, "wb") as out:
            out.write(self.random.randbytes(size))
        self.files.append(path)
        return path

    def sparse(self):
        path = self.free_path()
        with open(path, "wb") as out:
            for _ in range(self.random.randrange(4)):
                out.seek(self.random.randrange(1 << 22) & ~(self.random.choice([0, 4095])))
                out.write(self.random.randbytes(self.random.randrange(1, 9000)))
            out.truncate(self.random.randrange(1 << 23))
        self.files.append(path)
        return path

    def directory(self):
        path = self.free_path()
        os.mkdir(path)
        self.dirs.append(path)
        return path

    def symlink(self):
        path = self.free_path()
        long = self.random.randrange(8) == 0
        os.symlink(b"t" * self.random.randrange(3900, 4095) if long else self.name(), path)
        return path

    def hard_link(self):
        if self.files:
            os.link(self.random.choice(self.files), path := self.free_path(), follow_symlinks=False)
            return path
        return self.file()

    def device(self):
        path = self.free_path()
        kind = self.random.choice([stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
        # 0:0 is overlayfs's whiteout.
        number = os.makedev(self.random.randrange(1, 4096), self.random.randrange(1 << 20))
        os.mknod(path, kind | 0o600, number if kind != stat.S_IFIFO else 0)
        return path

    def describe(self, path):
        """Owner, mode, attributes and time; the time last, as the others change it."""
        is_link = os.path.islink(path)
        choose = self.random.choice
        os.chown(path, choose([0, 1, 65535, 65536, 1 << 30]), choose([0, 5, 70000]),
                 follow_symlinks=False)
        if not is_link:
            os.chmod(path, choose([0o644, 0o755, 0o4755, 0o2711, 0o1777, 0o000, 0o600]))
        if self.random.randrange(4) == 0 and not is_link:
            self.attributes(path)
        seconds = choose([0, 1, 1 << 31, 1 << 33, 1700000000, 86400])
        os.utime(path, ns=(0, seconds * 10**9 + self.random.randrange(10**9)),
                 follow_symlinks=False)

    def attributes(self, path):
        regular = os.path.isfile(path)
        os.setxattr(path, "trusted.x", self.random.randbytes(self.random.randrange(200)))
        if regular or os.path.isdir(path):
            os.setxattr(path, "user.some-name", self.random.randbytes(self.random.randrange(900)))
            os.setxattr(path, "user.a=b%c", b"escaped")
        if regular:
            os.setxattr(path, "security.capability", CAPABILITY)
        os.setxattr(path, "system.posix_acl_access", SOME_ACL)
        if os.path.isdir(path):
            os.setxattr(path, "system.posix_acl_default", SOME_ACL)

    def grow(self, count):
        makers = [self.file] * 5 + [self.sparse, self.directory, self.directory, self.symlink,
                                    self.hard_link, self.device]
        made = [self.random.choice(makers)() for _ in range(count)]
        for path in made + [self.root]:
            self.describe(path)
        # What was made later changed the times of directories.
        for path in self.dirs:
            os.utime(path, ns=(0, self.random.randrange(2**33) * 10**9 + 7))
