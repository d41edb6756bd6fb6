# SPDX-License-Identifier: Apache-2.0
"""A program on a pseudo-terminal of its own, as a person would sit before it."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

TIMEOUT = 120  # a VM under QEMU on a busy machine takes its time


def plain(output):
    """Bytes as text without escape sequences: firmware moves the cursor now and then, also in the midst of a word."""
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|c)", "", output.decode(errors="replace"))


class Terminal:
    """with Terminal([program, words...]) as t: t.expect(b"$ "); t.send(b"exit\\n"); t.wait()"""

    def __init__(self, command, rows=24, columns=80, env=None):
        self.master, self.slave = pty.openpty()
        self.seen = b""
        self.resize(rows, columns, tell=False)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.closerange(3, 256)
            os.execve(str(command[0]), [str(word) for word in command],
                      {**os.environ, **(env or {})})
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.status is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)

    def settings(self):
        return termios.tcgetattr(self.slave)

    def resize(self, rows, columns, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.kill(self.pid, 28)  # SIGWINCH: ours is no foreground group of that terminal

    def send(self, data):
        os.write(self.master, data)

    def signal(self, number):
        os.kill(self.pid, number)

    def read(self, seconds):
        readable, _, _ = select.select([self.master], [], [], seconds)
        if readable:
            self.seen += os.read(self.master, 65536)
        return bool(readable)

    def expect(self, text, resend=None):
        """Reads until `text` has come, and gives all up to its end. `resend` is sent again each
        second: for what takes effect at a time nobody announces."""
        end = time.monotonic() + TIMEOUT
        while text not in self.seen:
            if time.monotonic() > end:
                raise AssertionError(f"no {text!r} in {self.seen!r}")
            if not self.read(1.0) and resend is not None:
                self.send(resend)
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def wait(self):
        """The program's exit status; what it writes meanwhile is kept in `seen`."""
        end = time.monotonic() + TIMEOUT
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                while self.read(0.0):
                    pass
                return self.status
            if time.monotonic() > end:
                raise AssertionError(f"it does not end; it said {self.seen!r}")
            self.read(0.05)
