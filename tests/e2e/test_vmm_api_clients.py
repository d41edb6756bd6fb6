# SPDX-License-Identifier: Apache-2.0
"""Clients of onggi-vmm's API that mean harm, or know no better, with the test guest behind it."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import threading

import pytest

from vmmapi import Machine, descendants, end, snapshot


@contextlib.contextmanager
def stream_to(machine):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(60)
        stream.connect(str(machine.sock))
        yield stream


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1])


def test_answers_that_nobody_reads_are_not_made(machine):
    machine.put("/mmds", a="b" * 50_000)
    request = b"GET /mmds HTTP/1.1\r\n\r\n"
    before = resident_kib(machine.process.pid)
    with stream_to(machine) as stream:
        stream.sendall(request * 2000)
        machine.get("/version")
        assert resident_kib(machine.process.pid) - before < 1000
        stream.shutdown(socket.SHUT_WR)
        got = 0
        while chunk := stream.recv(1 << 20):
            got += chunk.count(b"200 OK")
    assert got >= 1999  # one may lie across two chunks
    machine.get("/version")


def test_who_sends_too_much_is_told_so(machine):
    for body in (b"x" * 1_000_000, b"{" + b" " * 60_000 + b"}"):
        status, document, _ = machine.ask("PUT", "/mmds", body)
        assert status == 413 and "larger than the limit of 51200" in document["fault_message"]
    assert machine.get("/version")


def test_a_client_that_stops_in_the_middle_keeps_nobody_waiting(machine):
    with contextlib.ExitStack() as stack:
        for part in (b"P", b"PUT /vm HTTP/1.1\r\nContent-Le", b"PUT /vm HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"):
            stack.enter_context(stream_to(machine)).sendall(part)
        assert machine.get("/version")
    with contextlib.ExitStack() as stack:  # all of them have gone: there is room for ten
        for _ in range(9):
            stack.enter_context(stream_to(machine))
        assert machine.get("/version")


@pytest.mark.parametrize("text, says", [
    ('{"vcpu_count": 1, "vcpu_count": 2, "mem_size_mib": 64}', "vcpu_count"),
    ('{"vcpu_count": 18446744073709551616, "mem_size_mib": 64}', "JSON"),
    ('{"vcpu_count": -1, "mem_size_mib": 64}', "-1"),
    ('{"vcpu_count": 1e0, "mem_size_mib": 64}', "floating point"),
    ('{"vcpu_count": "1", "mem_size_mib": 64}', "string"),
    ('{"vcpu_count": 1, "mem_size_mib": 64, "smt": 0}', "integer"),
    ('{"vcpu_count": 1, "mem_size_mib": 64}x', "JSON"),
    ('{"vcpu_count": 1, "mem_size_mib": 64, "huge_pages": "None\\u0000"}', "JSON"),
    ("[" * 20_000, "deep"),
    ('{"a":' * 9000, "deep"),
    ("[]", "a map"),
    ("null", "null"),
    ('"\\ud800"', "JSON"),
    (b'{"\xff": 1}', "JSON"),
    (b'\xef\xbb\xbf{}', "JSON"),
])
def test_json_that_two_could_read_differently_is_refused(machine, text, says):
    said = machine.refused("PUT", "/machine-config", text)
    assert says.lower() in said.lower(), said
    assert machine.get("/machine-config")["mem_size_mib"] == 128


@pytest.mark.parametrize("text", [
    "{\"size\": 18446744073709551615, \"one_time_burst\": 18446744073709551615, \"refill_time\": 18446744073709551615}",
    "{\"size\": 0, \"refill_time\": 0}",
    "{\"size\": 1, \"refill_time\": 18446744073709551615}",
    "{\"size\": 18446744073709551615, \"refill_time\": 1}",
])
def test_limits_may_be_as_large_as_numbers_are(machine, tmp_path, text):
    (tmp_path / "disk").write_bytes(os.urandom(8192))
    body = f'{{"drive_id": "d", "is_root_device": false, "path_on_host": "{tmp_path}/disk", "rate_limiter": {{"ops": {text}}}}}'
    assert machine.ask("PUT", "/drives/d", body)[0] == 204
    machine.start("spin")
    assert machine.line() == "spinning\n"


def test_requests_wait_while_a_snapshot_is_written(machine, tmp_path):
    machine.start("count")
    said = []

    def ask():
        said.append(machine.ask("GET", "/vm/config")[0])
    askers = [threading.Thread(target=ask) for _ in range(8)]
    machine.patch("/vm", state="Paused")
    writer = threading.Thread(target=snapshot, args=(machine, tmp_path))
    for thread in [writer, *askers]:
        thread.start()
    for thread in [writer, *askers]:
        thread.join()
    assert said == [200] * 8 and (tmp_path / "state").stat().st_size > 0


def test_a_clone_that_is_not_made_leaves_no_socket(launch, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(bytes(8192))
    machine = launch("--forkable")
    machine.put("/drives/d", drive_id="d", is_root_device=False, path_on_host=str(tmp_path / "one"))
    machine.put("/vsock", guest_cid=3, uds_path=str(tmp_path / "v"))
    machine.start("spin")
    body = {"id": "x", "api_sock": str(tmp_path / "x.sock"), "vsock_override": {"uds_path": str(tmp_path / "w")}}
    assert "a disk of its own" in machine.refused("PUT", "/fork", body)
    assert not (tmp_path / "w").exists()
    override = {"drive_overrides": [{"drive_id": "d", "path_on_host": str(tmp_path / "two")}]}
    text = machine.refused("PUT", "/fork", body | override | {"api_sock": "/nonexistent/x"})
    assert "/nonexistent/x" in text and not (tmp_path / "w").exists()
    machine.put("/fork", **body, **override)
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "x.sock"
    assert clone.get("/")["state"] == "Running"
    end(clone.sock)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("words", [[], ["--no-jail"]])
def test_a_machine_outlives_a_clone_that_is_not_made(launch, tmp_path, words):
    machine = launch("--forkable", *words)
    machine.put("/vsock", guest_cid=3, uds_path=str(tmp_path / "v"))
    machine.start("count")
    assert machine.process.stdout.read(3) == b"..."
    text = machine.refused("PUT", "/fork", {"id": "x", "api_sock": str(tmp_path / "x"),
                                            "metrics_path": "/nonexistent/metrics"})
    assert "/nonexistent/metrics" in text and not (tmp_path / "x").exists()
    assert (tmp_path / "v").is_socket()
    assert machine.process.stdout.read(3) == b"..."
    machine.patch("/vm", state="Paused")


def test_nothing_runs_on_without_its_front(machine):
    machine.start("spin")
    assert machine.line() == "spinning\n"
    others = [os.pidfd_open(pid) for pid in descendants(machine.process.pid)]
    assert others
    machine.process.kill()
    for other in others:
        assert select.select([other], [], [], 60)[0]
        os.close(other)


def test_many_that_come_while_it_is_busy_are_all_answered(machine):
    machine.process.send_signal(signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(stream_to(machine)) for _ in range(100)]
        for stream in streams:
            stream.sendall(b"GET /version HTTP/1.1\r\n\r\n")
        machine.process.send_signal(signal.SIGCONT)
        answers = [stream.recv(1000)[:13] for stream in streams]
    assert answers == [b"HTTP/1.1 200 "] * 10 + [b"HTTP/1.1 503 "] * 90


def test_a_pipe_that_nobody_writes_keeps_nobody_waiting(launch, tmp_path):
    os.mkfifo(tmp_path / "p")
    pipe = str(tmp_path / "p")
    machine = launch()
    assert "snapshot" in machine.refused("PUT", "/snapshot/load", {"snapshot_path": pipe, "mem_file_path": pipe})
    machine.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True, path_on_host=pipe)
    machine.configure("spin")
    assert "no file or block device" in machine.refused("PUT", "/actions", {"action_type": "InstanceStart"})
    machine.put("/boot-source", kernel_image_path=pipe)
    assert "Start microvm error" in machine.refused("PUT", "/actions", {"action_type": "InstanceStart"})
