# SPDX-License-Identifier: Apache-2.0
"""vsock over Unix sockets, with the small guest of tests/guest, which any /dev/kvm runs."""

import contextlib
import os
import pathlib
import socket
import subprocess
import threading

import pytest


@contextlib.contextmanager
def running(guest, word, path):
    words = [str(w) for w in (*guest, word, "--vsock", f"3:{path}")]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            assert process.stdout.readline() == "context 3\n"
            yield process
        finally:
            process.kill()


def rest(process):
    text = process.stdout.read()
    process.wait(30)
    return text


@contextlib.contextmanager
def stream(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(path))
        yield sock


@contextlib.contextmanager
def connected(path, port):
    with stream(path) as sock:
        sock.sendall(f"CONNECT {port}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            byte = sock.recv(1)
            assert byte
            answer += byte
        assert answer.startswith(b"OK ") and int(answer[3:]) >= 1 << 30
        yield sock


def end(path):
    with stream(path) as sock:
        sock.sendall(b"CONNECT 99\n")
        assert sock.recv(1) == b""


def receive(sock, size):
    data = bytearray()
    while len(data) < size and (chunk := sock.recv(65536)):
        data += chunk
    return bytes(data)


def test_a_program_of_the_host_talks_to_the_guest(guest, tmp_path):
    path = tmp_path / "v.sock"
    with running(guest, "vsock", path) as process:
        for text in (b"first", b"second"):
            with connected(path, 1000) as sock:
                sock.sendall(text)
                assert receive(sock, len(text)) == text
        end(path)
        assert rest(process) == "listening\nevent 99\ndone\n"
        assert process.returncode == 0


def test_much_comes_through_unharmed_both_ways(guest, tmp_path):
    path = tmp_path / "v.sock"
    data = os.urandom(1_000_000)
    with running(guest, "vsock", path):
        with connected(path, 1000) as sock:
            sender = threading.Thread(target=sock.sendall, args=[data])
            sender.start()
            assert receive(sock, len(data)) == data
            sender.join()


def test_a_half_closed_stream_still_carries_the_other_half(guest, tmp_path):
    path = tmp_path / "v.sock"
    with running(guest, "vsock", path):
        with connected(path, 1000) as sock:
            sock.sendall(b"all of it")
            sock.shutdown(socket.SHUT_WR)
            assert receive(sock, 1 << 20) == b"all of it"


def test_other_words_than_connect_are_cut_off(guest, tmp_path):
    path = tmp_path / "v.sock"
    with running(guest, "vsock", path):
        for words in (b"GET / HTTP/1.1\r\n", b"CONNECT x\n", b"CONNECT 4294967296\n"):
            with stream(path) as sock:
                sock.sendall(words)
                with contextlib.suppress(ConnectionResetError):
                    assert sock.recv(1) == b""
        end(path)


def test_a_program_of_the_guest_talks_to_the_host(guest, tmp_path):
    path = tmp_path / "v.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}_52")
        listener.listen()
        listener.settimeout(30)
        with running(guest, "vsock-out", path) as process:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(30)
                assert receive(sock, 21) == b"a word from the guest"
                sock.sendall(b"a word from the host\n")
            output = rest(process)
    assert output == "connected\na word from the host\nshutdown 3\nreset\ndone\n"


def test_a_port_of_the_host_without_anyone_is_refused(guest, tmp_path):
    with running(guest, "vsock-out", tmp_path / "v.sock") as process:
        assert rest(process) == "reset\ndone\n"


def test_lengths_that_lie_cost_the_guest_its_device_until_the_reset(guest, tmp_path):
    with running(guest, "vsock-hostile", tmp_path / "v.sock") as process:
        lines = rest(process).splitlines()
    assert lines == ["refused", "context 3"] * 4 + ["answer 3", "done"]


def test_no_process_is_left_behind(guest, tmp_path):
    with running(guest, "vsock", tmp_path / "v.sock") as process:
        kids = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert kids
        end(tmp_path / "v.sock")
        rest(process)
    for kid in kids:
        for _ in range(100):
            if not pathlib.Path(f"/proc/{kid}").exists():
                break
            threading.Event().wait(0.05)
        else:
            raise AssertionError(f"process {kid} is still there")


@pytest.mark.parametrize("value, says", [
    ("2:{}", "3 to 4294967294"), ("{}", "CID:PATH"), ("3:", "a socket's path"),
    ("3:/nonexistent/v.sock", "listen at '/nonexistent/v.sock'"),
    ("3:" + "x" * 200, "a socket's path"),
])
def test_what_cannot_be_is_named(guest, tmp_path, value, says):
    words = [str(w) for w in (*guest, "off", "--vsock", value.format(tmp_path / "v.sock"))]
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=30, check=False)
    assert result.returncode == 2
    assert says in result.stderr
