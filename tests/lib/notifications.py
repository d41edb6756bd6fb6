# SPDX-License-Identifier: Apache-2.0
"""Who answers for SCMP_ACT_NOTIFY: seccomp_unotify(2), and the container process state of config-linux.md."""

import fcntl
import json
import os
import select
import socket
import struct
import threading

RECEIVE = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
SEND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
NOTIFICATION = struct.Struct("=QIIiIQ6Q")
ANSWER = struct.Struct("=QqiI")


class Listener:
    """
    Listens on `path`. `answer(number, args)` says what a call comes to: a result, a negative errno, or
    None: what the kernel makes of it. `states` are the states that came, `calls` the calls' numbers.
    """

    def __init__(self, path, answer):
        self.answer = answer
        self.states = []
        self.calls = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:  # shut down
                return
            with connection:
                text, fds, _, _ = socket.recv_fds(connection, 65536, 4)
                while more := connection.recv(65536):
                    text += more
            if not text:
                continue
            self.states.append(json.loads(text))
            assert len(fds) == 1
            self.threads.append(threading.Thread(target=self._serve, args=(fds[0],)))
            self.threads[-1].start()

    def _serve(self, fd):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while (ready := poll.poll(30000)) and ready[0][1] & select.POLLIN:  # else nobody has the filter any more
            notification = bytearray(NOTIFICATION.size)
            try:
                fcntl.ioctl(fd, RECEIVE, notification)
            except FileNotFoundError:  # who asked is gone
                continue
            ident, _, _, number, _, _, *args = NOTIFICATION.unpack(notification)
            self.calls.append(number)
            result = self.answer(number, args)
            answer = ANSWER.pack(ident, max(result or 0, 0), min(result or 0, 0), CONTINUE if result is None else 0)
            try:
                fcntl.ioctl(fd, SEND, bytearray(answer))
            except FileNotFoundError:
                continue
        os.close(fd)

    def close(self):
        """Those who have a filter are gone, or they get ENOSYS."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self.threads:
            thread.join(30)
