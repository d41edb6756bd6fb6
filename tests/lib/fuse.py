# SPDX-License-Identifier: Apache-2.0
"""Speaks FUSE to the server of a shared folder (src/vmm/fs) as a guest's kernel would, and worse."""

import errno
import os
import socket
import struct
import subprocess

LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK = 1, 2, 3, 4, 5, 6
MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ, WRITE, STATFS, RELEASE = *range(8, 18), 18
FSYNC, SETXATTR, GETXATTR, LISTXATTR, REMOVEXATTR, FLUSH, INIT = range(20, 27)
OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, CREATE, INTERRUPT = 27, 28, 29, 30, 35, 36
DESTROY, BATCH_FORGET, FALLOCATE, READDIRPLUS, RENAME2, LSEEK, COPY, SYNCFS = 38, 42, 43, 44, 45, 46, 47, 50
ROOT = 1
ROOM = 1 << 17 | 4096
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
ENTRY = struct.Struct("<QQQQII")


class Attr:
    """struct fuse_attr."""

    def __init__(self, data):
        (self.ino, self.size, _, self.atime, self.mtime, self.ctime, *_, self.mode, self.nlink, self.uid,
         self.gid, self.rdev, _, _) = ATTR.unpack(data[:ATTR.size])


class Client:
    """A connection. `process` is the starter's; it has ended by then."""

    def __init__(self, program, folder, readonly=False, env=None, user=None):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            words = [program, folder, theirs.fileno(), *(["ro"] if readonly else [])]
            subprocess.run([str(word) for word in words], pass_fds=[theirs.fileno()], check=True,
                           env={**os.environ, **(env or {})}, user=user, group=user,
                           extra_groups=[] if user else None)
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        self.socket = socket.socket(fileno=fds[0])
        self.unique = 0
        self.uid = self.gid = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def raw(self, message, room=ROOM):
        """Sends one message as it is."""
        self.socket.send(struct.pack("<II", room, 0) + message)

    def header(self, opcode, node, length, unique=None):
        self.unique += 1
        return struct.pack("<IIQQIIIHH", 40 + length, opcode, unique or self.unique, node, self.uid, self.gid,
                           1, 0, 0)

    def answer(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server has ended")
        length, error, unique = struct.unpack("<IiQ", data[:16])
        assert length == len(data), "an answer's length is wrong"
        return error, unique, data[16:]

    def error(self, opcode, node=ROOT, body=b"", room=ROOM):
        """The error as a positive number, 0 for none."""
        self.raw(self.header(opcode, node, len(body)) + body, room)
        return -self.answer()[0]

    def ask(self, opcode, node=ROOT, body=b"", room=ROOM):
        self.raw(self.header(opcode, node, len(body)) + body, room)
        error, unique, data = self.answer()
        if error:
            raise OSError(-error, os.strerror(-error))
        assert unique == self.unique
        return data

    def init(self, minor=38):
        data = self.ask(INIT, 0, struct.pack("<IIII", 7, minor, 1 << 17, 0xffffffff))
        return struct.unpack("<IIII", data[:16])

    @staticmethod
    def name(*names):
        return b"".join(name if isinstance(name, bytes) else name.encode() + b"\0" for name in names)

    def entry(self, data):
        return ENTRY.unpack(data[:ENTRY.size])[0], Attr(data[ENTRY.size:])

    def lookup(self, name, node=ROOT):
        return self.entry(self.ask(LOOKUP, node, self.name(name)))

    def walk(self, path):
        node = ROOT
        for part in path.split("/"):
            node, _ = self.lookup(part, node)
        return node

    def forget(self, node, count=1):
        body = struct.pack("<Q", count)
        self.raw(self.header(FORGET, node, len(body)) + body, 0)

    def getattr(self, node=ROOT):
        return Attr(self.ask(GETATTR, node, struct.pack("<IIQ", 0, 0, 0))[16:])

    def setattr(self, node, valid, size=0, mode=0, uid=0, gid=0, mtime=0):
        body = struct.pack("<IIQQQQQQIIIIIIII", valid, 0, 0, size, 0, 0, mtime, 0, 0, 0, 0, mode, 0, uid, gid, 0)
        return Attr(self.ask(SETATTR, node, body)[16:])

    def open(self, node, flags=os.O_RDONLY, opcode=OPEN):
        return struct.unpack("<QII", self.ask(opcode, node, struct.pack("<II", flags, 0)))[0]

    def create(self, name, node=ROOT, mode=0o644, flags=os.O_RDWR | os.O_CREAT | os.O_EXCL):
        data = self.ask(CREATE, node, struct.pack("<IIII", flags, mode, 0, 0) + self.name(name))
        number, attr = self.entry(data)
        return number, attr, struct.unpack("<Q", data[128:136])[0]

    def read(self, fh, offset=0, size=1 << 17, node=ROOT, opcode=READ):
        return self.ask(opcode, node, struct.pack("<QQIIQII", fh, offset, size, 0, 0, 0, 0))

    def write(self, fh, data, offset=0, node=ROOT, flags=0):
        body = struct.pack("<QQIIQII", fh, offset, len(data), flags, 0, 0, 0)
        return struct.unpack("<II", self.ask(WRITE, node, body + data))[0]

    def release(self, fh, opcode=RELEASE):
        self.ask(opcode, ROOT, struct.pack("<QIIQ", fh, 0, 0, 0))

    def list(self, node=ROOT, plus=False, size=1 << 16):
        """{name: (node, type)} of a folder."""
        fh, offset, found = self.open(node, opcode=OPENDIR), 0, {}
        while data := self.read(fh, offset, size, node, READDIRPLUS if plus else READDIR):
            while data:
                number = 0
                if plus:
                    number, data = ENTRY.unpack(data[:ENTRY.size])[0], data[128:]
                _, offset, length, kind = struct.unpack("<QQII", data[:24])
                found[data[24:24 + length].decode()] = (number, kind)
                data = data[(24 + length + 7) // 8 * 8:]
        self.release(fh, RELEASEDIR)
        return found


def refusal(call, *args, **more):
    """The name of the error that a call ends with, or "" for none."""
    try:
        call(*args, **more)
    except OSError as error:
        return errno.errorcode[error.errno]
    return ""
