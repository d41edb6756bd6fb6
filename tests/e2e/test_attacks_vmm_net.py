# SPDX-License-Identifier: Apache-2.0
"""
A74: a guest sends under another's address, or frames whose header lies, through its network card. On the
real build nothing of that reaches the tap; with the check left out (src/base/weak.h) it does.
"""

import os
import pathlib
import socket
import subprocess

import pytest

import taps

TOP = pathlib.Path(__file__).resolve().parents[2]
HOLES = ["A74-spoof", "A74-header"]
MAC = "52:54:00:00:00:2a"
KIND = b"\x88\xb5"  # as the test guest's


@pytest.fixture
def reached(require, guest_kernel):
    """reached(hole): the frames that a hostile guest brings to the tap, up to its good one."""
    require.root()
    program = TOP / "build-weakened/cmd/onggi-vmm/onggi-vmm"
    if not program.exists():
        require.lacking("no build-weakened: tools/build-weakened")
    if not os.path.exists("/dev/net/tun"):
        require.lacking("no /dev/net/tun")
    network = taps.Network()
    network.tap("tap0")

    def run(hole):
        words = [*network.enter, program, "--memory", "32", "--kernel", guest_kernel, "--cmdline", "net-hostile",
                 "--net", f"tap=tap0,mac={MAC}"]
        frames = []
        with network.packets("tap0") as sock, \
                subprocess.Popen([str(word) for word in words], env={**os.environ, "ONGGI_WEAKEN": hole},
                                 stdin=subprocess.DEVNULL) as process:
            try:
                while not frames or frames[-1][14:15] != b"!":
                    data, (_, _, kind, _, _) = sock.recvfrom(70_000)
                    if kind != socket.PACKET_OUTGOING and data[12:14] == KIND:
                        frames.append(data)
            finally:
                process.kill()
        return frames

    yield run
    network.end()


def test_a74_only_the_good_frame_reaches_the_tap(reached):
    assert len(reached("")) == 1


def test_a74_without_the_check_a_guest_has_any_address(reached):
    frames = reached("A74-spoof")
    ours = bytes.fromhex(MAC.replace(":", ""))
    assert [data[6:12] == ours for data in frames] == [False, True]


def test_a74_without_the_check_the_kernel_is_given_headers_that_lie(reached):
    assert max(len(data) for data in reached("A74-header")) > 50_000  # in segments of one byte
