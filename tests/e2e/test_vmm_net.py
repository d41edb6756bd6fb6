# SPDX-License-Identifier: Apache-2.0
"""Network cards of onggi-vmm on a tap, with the small guest of tests/guest, which any /dev/kvm runs."""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

import taps

TOP = pathlib.Path(__file__).resolve().parents[2]
MAC = "52:54:00:00:00:2a"
OURS = bytes.fromhex("525400000001")
KIND = b"\x88\xb5"  # for experiments


@pytest.fixture
def network(require):
    require.root()
    if not os.path.exists("/dev/net/tun"):
        require.lacking("no /dev/net/tun")
    network = taps.Network()
    network.tap("tap0")
    yield network
    network.end()


@contextlib.contextmanager
def running(network, guest, word, net=f"tap=tap0,mac={MAC}", more=()):
    words = [*network.enter, *(str(w) for w in guest), word, "--net", net, *more]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def frame(payload, to=bytes.fromhex(MAC.replace(":", "")), sender=OURS):
    return to + sender + KIND + payload.ljust(46, b"\0")


def receive(sock):
    """The next frame that the guest sent."""
    while True:
        data, (_, _, kind, _, _) = sock.recvfrom(70_000)
        if kind != socket.PACKET_OUTGOING and data[12:14] == KIND:
            return data


def rest(process):
    text = process.stdout.read()
    process.wait(30)
    return text


def test_frames_go_both_ways(network, guest):
    with network.packets("tap0") as sock, running(network, guest, "net") as process:
        assert process.stdout.readline() == "last byte of the address 42\n"
        for size in (46, 47, 100, 1000, 1499, 1500):
            payload = os.urandom(size).replace(b".", b"x")
            sock.send(frame(payload))
            data = receive(sock)
            assert data[:12] == OURS + bytes.fromhex(MAC.replace(":", ""))
            assert data[14:] == payload
        sock.send(frame(b"."))
        assert receive(sock)[14:15] == b"."
        assert rest(process) == "done\n"
        assert process.returncode == 0


def test_a_jumbo_frame_is_spread_over_buffers(network, guest):
    network.run("ip", "link", "set", "tap0", "mtu", "9000")
    with network.packets("tap0") as sock, \
            running(network, guest, "net", f"tap=tap0,mac={MAC},mtu=9000") as process:
        process.stdout.readline()
        payload = os.urandom(9000).replace(b".", b"x")
        sock.send(frame(payload))
        assert receive(sock)[14:] == payload
        sock.send(frame(b"."))
        receive(sock)
        assert rest(process) == "pieces 5\ndone\n"


def test_frames_of_a_burst_all_come(network, guest):
    with network.packets("tap0") as sock, running(network, guest, "net") as process:
        process.stdout.readline()
        sent = [os.urandom(200).replace(b".", b"x") for _ in range(100)]
        for payload in sent:
            sock.send(frame(payload))
        assert [receive(sock)[14:] for _ in sent] == sent
        sock.send(frame(b"."))
        receive(sock)


def test_what_a_guest_has_no_buffers_for_waits_without_spinning(network, guest):
    """A74, CVE-2020-16843: a receive queue that is full must not freeze, nor cost the host."""
    with network.packets("tap0") as sock, running(network, guest, "net-slow") as process:
        assert process.stdout.readline() == "no buffers\n"
        for i in range(2000):  # more than the tap's queue takes
            sock.send(frame(b"%d" % i))
        ours = io_ticks(process.pid)
        time.sleep(1)
        assert io_ticks(process.pid) - ours < 20
        process.stdin.write("x")
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            sock.send(frame(b"."))
            time.sleep(0.05)
        frames = int(re.match(r"frames (\d+)\n", rest(process))[1])
        assert 400 < frames <= 2000


def io_ticks(pid):
    """What the thread that serves devices took, in hundredths of a second (nsenter became it)."""
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/stat").read_text()
    words = text.rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def test_a_hostile_guest_keeps_its_card_and_disturbs_nobody(network, guest):
    """A74: short headers, sizes that lie, an address of another's."""
    with network.packets("tap0") as sock, running(network, guest, "net-hostile") as process:
        assert receive(sock)[14:15] == b"!"  # nothing before it came out
        assert receive(sock)[14:15] == b"?"
        lines = rest(process).splitlines()
        assert lines == ["too long: taken", "spoofed: taken", "checksum outside: taken",
                         "tiny segments: taken", "good: taken", "small buffer: refused",
                         "well again: taken", "done"]


def flood(network, guest, net):
    """(seconds, frames that came out) of a guest that sends 1000 frames of 1000 bytes."""
    with network.packets("tap0") as sock, running(network, guest, "net-flood", net) as process:
        sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        assert process.stdout.readline() == "sending\n"
        begin = time.monotonic()
        assert process.stdout.readline() == "sent\n"
        seconds = time.monotonic() - begin
        rest(process)
        sock.settimeout(0.2)
        frames = 0
        with contextlib.suppress(TimeoutError):
            while receive(sock):
                frames += 1
        return seconds, frames


def test_without_limits_nothing_is_held_back(network, guest):
    seconds, frames = flood(network, guest, f"tap=tap0,mac={MAC}")
    assert frames == 1000
    assert seconds < 5


@pytest.mark.parametrize("limit, least, most", [
    ("tx-frames=200/1000", 3.8, 8),      # 200 at once, and 200 each second
    ("tx-frames=200/1000/600", 0.8, 3),  # 800 at once
    ("tx-bytes=100000/500", 4.3, 9),     # 100 frames at once, and 200 each second
])
def test_what_the_guest_sends_is_limited(network, guest, limit, least, most):
    seconds, frames = flood(network, guest, f"tap=tap0,mac={MAC},{limit}")
    assert frames == 1000
    assert least <= seconds < most


def test_what_the_guest_gets_is_limited(network, guest):
    with network.packets("tap0") as sock, \
            running(network, guest, "net", f"tap=tap0,mac={MAC},rx-frames=50/1000") as process:
        process.stdout.readline()
        begin = time.monotonic()
        for _ in range(149):
            sock.send(frame(b"x"))
        sock.send(frame(b"."))
        for _ in range(150):
            receive(sock)
        assert 1.8 < time.monotonic() - begin < 6
        rest(process)


def test_two_machines_over_a_pair_of_sockets(guest):
    """Without a tap and without root: packets of a socket are frames."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(30)
    words = [*(str(w) for w in guest), "net", "--net", f"fd={theirs.fileno()},mac={MAC}"]
    with ours, subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, text=True) as process:
        theirs.close()
        process.stdout.readline()
        ours.send(bytes(12) + frame(b"hello"))
        data = ours.recv(2000)
        assert data[:12] == bytes(12) and data[26:31] == b"hello"
        ours.send(bytes(12) + frame(b"."))
        assert ours.recv(2000)[26:27] == b"."
        assert rest(process) == "done\n"


@contextlib.contextmanager
def metadata(network, loss=0):
    """The metadata service's network by itself, with Linux's TCP in the guest's place."""
    tool = TOP / "build/tests/tools/og-mmds-tap"
    with subprocess.Popen([*network.enter, tool, "tap0", str(loss)], stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            network.run("ip", "address", "add", "169.254.0.2/16", "dev", "tap0")
            yield "http://169.254.169.254"
        finally:
            process.kill()


def answer(size):
    return "".join(chr(ord("a") + i % 23) for i in range(size))


@pytest.mark.parametrize("loss, size", [(0, 0), (0, 1), (0, 1460), (0, 60_000), (0, 1_000_000),
                                        (5, 20_000), (20, 5_000)])
def test_linux_and_the_metadata_service_understand_each_other(network, loss, size):
    with metadata(network, loss) as url:
        # Two requests on one connection.
        text = network.run("curl", "-sS", "--max-time", "25", f"{url}/{size}", f"{url}/{size}")
        assert text == answer(size) * 2


def test_many_connections_at_once_and_one_after_the_other(network):
    with metadata(network) as url:
        text = network.run("curl", "-sS", "--max-time", "25", "--parallel", "--parallel-max", "12",
                           *[f"{url}/2000"] * 60)
        assert len(text) == 120_000
        for _ in range(30):
            assert network.run("curl", "-sS", "--max-time", "25", "-H", "Connection: close",
                               f"{url}/100") == answer(100)


def test_other_ports_of_the_metadata_service_are_closed_at_once(network):
    with metadata(network) as url:
        result = subprocess.run([*network.enter, "curl", "-sS", "--max-time", "10", f"{url}:81/"],
                                capture_output=True, text=True, check=False)
        assert result.returncode == 7


@pytest.mark.parametrize("net, says", [
    ("", "names neither tap=NAME nor fd=N"),
    (f"mac={MAC}", "names neither tap=NAME nor fd=N"),
    ("tap=", "'' is no name of a network interface"),
    ("tap=tap%d", "'tap%d' is no name of a network interface"),
    ("tap=../x", "'../x' is no name of a network interface"),
    ("tap=averylongnameofatap", "is no name of a network interface"),
    ("fd=999", "'999' is no open descriptor's number"),
    ("fd=x", "'x' is no open descriptor's number"),
    ("fd=0,mac=52:54:00:00:00", "'52:54:00:00:00' is no hardware address"),
    ("fd=0,mac=52-54-00-00-00-01", "is no hardware address"),
    ("fd=0,mac=5g:54:00:00:00:01", "is no hardware address"),
    ("fd=0,mtu=67", "'67' is no number from 68 to 65535"),
    ("fd=0,mtu=65536", "'65536' is no number from 68 to 65535"),
    ("fd=0,tx-bytes=100", "'100' is not SIZE/MS or SIZE/MS/BURST"),
    ("fd=0,tx-bytes=0/100", "is not SIZE/MS or SIZE/MS/BURST"),
    ("fd=0,rx-frames=1/2/3/4", "is not SIZE/MS or SIZE/MS/BURST"),
    ("fd=0,rx-bytes=//", "is not SIZE/MS or SIZE/MS/BURST"),
    ("fd=0,colour=red", "'colour' is none of tap, fd, mac, mtu"),
    ("tap", "'tap' is not KEY=VALUE"),
    ("fd=0," + "x" * 200, "is not KEY=VALUE"),
])
def test_bad_words_are_named(guest, net, says):
    result = subprocess.run([str(w) for w in (guest[0], "--kernel", "/bin/sh", "--net", net)],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("onggi-vmm: --net: ") and says in result.stderr


@pytest.mark.parametrize("mac, says", [
    ("01:54:00:00:00:01", "a hardware address of a group"),
    (MAC, "is no tap"),
])
def test_what_is_no_card_is_refused(guest, mac, says):
    words = [str(w) for w in (*guest, "off", "--net", f"fd=0,mac={mac}")]
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            check=False)
    assert result.returncode == 1
    assert "network card 'net0'" in result.stderr and says in result.stderr


def test_a_tap_that_is_in_use_is_named(network, guest):
    with running(network, guest, "net") as process:
        process.stdout.readline()
        words = [*network.enter, *(str(w) for w in guest), "off", "--net", "tap=tap0"]
        result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                check=False)
        assert result.returncode == 2
        assert "attach to tap 'tap0': Resource busy" in result.stderr


def test_as_many_cards_as_fit(network, guest):
    words = []
    for i in range(1, 9):
        network.tap(f"more{i}")
        words += ["--net", f"tap=more{i}"]
    with running(network, guest, "net-flood", "tap=tap0,mac=" + MAC, words[:14]) as process:
        assert rest(process) == "sending\nsent\ndone\n"
    with running(network, guest, "off", "tap=tap0", words) as process:
        process.wait(30)
        assert process.returncode == 2
