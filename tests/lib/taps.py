# SPDX-License-Identifier: Apache-2.0
"""A network namespace with taps in it, for tests of network cards."""

import ctypes
import os
import socket
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000


class Network:
    """A network namespace of its own, which ends with a process."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.enter = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]
        ours = os.stat("/proc/self/ns/net").st_ino
        while os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino == ours:
            time.sleep(0.01)
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")

    def run(self, *words):
        return subprocess.run([*self.enter, *words], check=True, capture_output=True, text=True,
                              timeout=30).stdout

    def tap(self, name, *options):
        self.run("ip", "tuntap", "add", name, "mode", "tap", "vnet_hdr")
        self.run("ip", "link", "set", name, "up", *options)

    def packets(self, name):
        """A socket that sends and gets whole frames at @name."""
        result = []

        def make():
            with open(f"/proc/{self.holder.pid}/ns/net", "rb") as space:
                assert ctypes.CDLL(None).setns(space.fileno(), CLONE_NEWNET) == 0
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.bind((name, 0))
            sock.settimeout(30)
            result.append(sock)

        thread = threading.Thread(target=make)  # a thread enters the namespace, and ends
        thread.start()
        thread.join()
        return result[0]

    def end(self):
        self.holder.kill()
        self.holder.wait()
