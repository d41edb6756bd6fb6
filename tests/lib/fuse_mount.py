#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mounts a folder through the server of shared folders, by Linux's own FUSE driver, and runs a command there.

    fuse_mount.py OG-FS FOLDER MOUNTPOINT COMMAND...

Between /dev/fuse and the server's socket it only carries messages, as the virtio device does. To be run
in a mount namespace of its own: the mount ends with that. Its exit status is the command's.
"""

import ctypes
import os
import pathlib
import struct
import subprocess
import sys
import threading

import fuse

MESSAGE = 1 << 18
WITHOUT_ANSWER = {fuse.FORGET, fuse.BATCH_FORGET}


def carry(device, server):
    while True:
        try:
            message = os.read(device, MESSAGE)
        except OSError:  # unmounted
            return
        opcode = struct.unpack_from("<I", message, 4)[0]
        if opcode == fuse.INTERRUPT:  # virtio-fs has none
            continue
        server.raw(message, 0 if opcode in WITHOUT_ANSWER else fuse.ROOM)
        if opcode not in WITHOUT_ANSWER:
            os.write(device, server.socket.recv(MESSAGE))


def mount(device, mountpoint):
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"onggi", os.fsencode(mountpoint), b"fuse", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {mountpoint}")


def main():
    program, folder, mountpoint = (pathlib.Path(word) for word in sys.argv[1:4])
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    with fuse.Client(program, folder) as server:
        mount(device, mountpoint)
        threading.Thread(target=carry, args=(device, server), daemon=True).start()
        status = subprocess.run(sys.argv[4:], check=False).returncode
        subprocess.run(["umount", mountpoint], check=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
