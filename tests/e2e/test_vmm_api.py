# SPDX-License-Identifier: Apache-2.0
"""onggi-vmm's API, with the test guest behind it."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

import vmmapi
from vmmapi import Connection, descendants, last_metrics


def test_a_machine_is_configured_started_and_ends(machine):
    assert machine.get("/")["state"] == "Not started"
    machine.start("bus")
    status, output, errors = machine.ends()
    assert (status, errors) == (0, "") and output.endswith("done\n")
    assert not machine.sock.exists()


def cpu_ticks(pid):
    """What all processes below it have used."""
    fields = [pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
              for child in descendants(pid)]
    return sum(int(f[11]) + int(f[12]) for f in fields)


def test_it_is_paused_and_resumed(machine):
    machine.start("spin")
    assert machine.line() == "spinning\n"
    assert machine.get("/")["state"] == "Running"
    machine.patch("/vm", state="Paused")
    assert machine.get("/")["state"] == "Paused"
    before = cpu_ticks(machine.process.pid)
    time.sleep(0.3)
    assert cpu_ticks(machine.process.pid) - before <= 2
    machine.patch("/vm", state="Resumed")
    deadline = time.monotonic() + 60
    while cpu_ticks(machine.process.pid) - before < 10:
        assert time.monotonic() < deadline


def test_the_exit_status_says_how_the_guest_ended(launch):
    for word, status in (("off", 0), ("reset", 10), ("triple", 10)):
        machine = launch()
        machine.start(word)
        assert machine.ends() == (status, "", "")


def test_a_drive_is_read_and_counted(machine, tmp_path):
    (tmp_path / "disk").write_bytes(os.urandom(8192))
    machine.put("/drives/first", drive_id="first", is_root_device=False, is_read_only=True,
                path_on_host=str(tmp_path / "disk"))
    machine.put("/metrics", metrics_path=str(tmp_path / "metrics"), emit_id=True)
    machine.start("blk")
    status, output, _ = machine.ends()
    assert status == 0 and "sectors 16\n" in output and "cannot read" not in output
    line = json.loads((tmp_path / "metrics").read_text().splitlines()[-1])
    assert line["id"] == "anonymous-instance"
    assert line["put_api_requests"]["drive_count"] == 1
    assert set(line["block_first"]) == set(line["block"])


def test_entropy_is_there_only_where_it_was_asked_for(launch):
    machine = launch()
    machine.put("/entropy")
    machine.start("rng")
    assert machine.ends() == (0, "filled 64\nrandom\ndone\n", "")
    machine = launch()
    machine.start("rng")
    assert "filled 64" not in machine.ends()[1]


def test_the_serial_port_leads_to_a_file(machine, tmp_path):
    machine.put("/serial", serial_out_path=str(tmp_path / "serial"))
    machine.put("/entropy")
    machine.start("rng")
    assert machine.ends() == (0, "", "")
    assert (tmp_path / "serial").read_text() == "filled 64\nrandom\ndone\n"


def test_a_limited_serial_port_loses_what_is_beyond_it(launch, tmp_path):
    machine = launch("--metrics-path", tmp_path / "metrics")
    machine.put("/serial", serial_out_path=str(tmp_path / "serial"),
                rate_limiter={"size": 100, "one_time_burst": 50, "refill_time": 1 << 40})
    machine.start("flood")
    found = last_metrics(machine, tmp_path / "metrics")
    text = b"0123456789abcde\n" * 10
    assert (tmp_path / "serial").read_bytes() == text[:150]
    assert found["uart"] == {"read_count": 0, "write_count": 150, "missed_write_count": 0,
                             "rate_limiter_dropped_bytes": 20000 + len("done\n") - 150}
    assert found["vcpu"]["exit_io_out"] > 20000 and found["vcpu"]["failures"] == 0


def test_a_vcpu_is_pinned_before_and_after_the_start(machine):
    machine.put("/pin", vcpu=0, cpus=[1])
    machine.start("spin")
    assert machine.line() == "spinning\n"

    def threads():
        """The masks of every thread below the front, but for the kernel's own workers."""
        return {re.search(r"Cpus_allowed_list:\t(.*)", status.read_text())[1]
                for pid in descendants(machine.process.pid)
                for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status")
                if "kvm" not in status.read_text().splitlines()[0]}

    assert "1" in threads()
    machine.put("/pin", vcpu=0, cpus=[0])
    assert "1" not in threads() and "0" in threads()
    assert "vCPU 1" in machine.refused("PUT", "/pin", {"vcpu": 1, "cpus": [0]})


def test_several_clients_and_several_requests_a_connection(machine):
    connections = [Connection(machine.sock) for _ in range(10)]
    with contextlib.ExitStack() as stack:
        for connection in connections:
            stack.callback(connection.close)
        for _ in range(3):
            for connection in connections:
                connection.request("GET", "/version")
                answer = connection.getresponse()
                assert (answer.status, "firecracker_version" in json.load(answer)) == (200, True)
        with socket.socket(socket.AF_UNIX) as eleventh:
            eleventh.settimeout(60)
            eleventh.connect(str(machine.sock))
            assert eleventh.recv(1000).startswith(b"HTTP/1.1 503 ")


@pytest.fixture
def raw(machine):
    """raw(bytes) gives all that comes back."""
    def send(data, *more):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(60)
            stream.connect(str(machine.sock))
            stream.sendall(data)
            for part in more:
                time.sleep(0.05)
                stream.sendall(part)
            stream.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := stream.recv(65536):
                answer += chunk
            return answer
    return send


def test_requests_come_in_pieces_and_in_one_piece(raw):
    one = b"GET /version HTTP/1.1\r\n\r\n"
    assert raw(one * 3).count(b"200 OK") == 3
    assert raw(*(one[i:i + 1] for i in range(len(one)))).count(b"200 OK") == 1


def test_what_is_not_http_ends_the_connection(raw, machine):
    for data in (b"\0" * 100 + b"\r\n\r\n", b"GET / HTTP/3\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"a" * 8192,
                 b"PUT /vm HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        answer = raw(data)
        assert answer.count(b"HTTP/1.1 ") == 1 and b"fault_message" in answer
        assert b"Connection: close" in answer
    assert machine.get("/version")


def test_a_body_over_the_limit_is_refused_before_it_comes(launch):
    machine = launch("--http-api-max-payload-size", "1000", "--mmds-size-limit", "100")
    status, document, _ = machine.ask("PUT", "/mmds", b"{" + b" " * 1000 + b"}")
    assert status == 413 and "larger than the limit of 1000" in document["fault_message"]
    assert machine.ask("PUT", "/mmds", {"a": "b" * 50})[0] == 204
    status, document, _ = machine.ask("PUT", "/mmds", {"a": "b" * 150})
    assert status == 413 and "doesn't fit" in document["fault_message"]


def test_deprecated_fields_are_said_to_be(machine):
    _, _, headers = machine.ask("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 64})
    assert "Deprecation" not in headers
    _, _, headers = machine.ask("PUT", "/machine-config",
                                {"vcpu_count": 1, "mem_size_mib": 64, "cpu_template": "None"})
    assert headers["Deprecation"] == "true"


def test_curl_talks_to_it(machine, require):
    require.tool("curl")
    result = subprocess.run(
        ["curl", "-sS", "--unix-socket", machine.sock, "-X", "PUT", "-H",
         "Expect: 100-continue", "http://localhost/machine-config", "-d",
         '{"vcpu_count": 1, "mem_size_mib": 64}', "-w", "%{http_code}"],
        capture_output=True, text=True, check=True)
    assert result.stdout == "204"


def test_a_machine_that_does_not_start_says_why_and_goes_on(machine, tmp_path):
    (tmp_path / "kernel").write_bytes(b"no kernel" * 100)
    machine.put("/boot-source", kernel_image_path=str(tmp_path / "kernel"))
    text = machine.refused("PUT", "/actions", {"action_type": "InstanceStart"})
    assert "Start microvm error" in text and "no bzImage" in text
    machine.start("off")
    assert machine.ends() == (0, "", "")


def test_metadata_is_kept_for_whoever_asks(launch, tmp_path):
    (tmp_path / "metadata").write_text('{"latest": {"meta-data": {"ami-id": "a"}}}')
    machine = launch("--metadata", tmp_path / "metadata")
    machine.patch("/mmds", latest={"user-data": "x"})
    assert machine.get("/mmds") == {"latest": {"meta-data": {"ami-id": "a"}, "user-data": "x"}}


def private_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(n) for n in re.findall(r"Private_\w+: +(\d+) kB", text))


def test_the_front_takes_less_than_400_kib(require, machine):
    require.root()
    machine.start("spin")
    assert machine.line() == "spinning\n"
    machine.ask("PUT", "/mmds", {"a": "b" * 50_000})
    machine.get("/vm/config")
    assert private_kib(machine.process.pid) < 400


def test_a_balloon_takes_and_gives_back(launch):
    machine = launch()
    machine.configure("balloon")
    machine.put("/balloon", amount_mib=8, deflate_on_oom=True, stats_polling_interval_s=1,
                free_page_hinting=True, free_page_reporting=True)
    machine.put("/actions", action_type="InstanceStart")
    status, output, _ = machine.ends()
    assert status == 0 and output.startswith("wanted 2048\ninflated 0\nactual 4\n")
    machine = launch()
    machine.configure("spin")
    machine.put("/balloon", amount_mib=8, deflate_on_oom=False, stats_polling_interval_s=1,
                free_page_hinting=True)
    machine.put("/actions", action_type="InstanceStart")
    machine.patch("/balloon", amount_mib=4)
    assert machine.get("/balloon")["amount_mib"] == 4
    assert machine.get("/balloon/statistics") == {"target_pages": 1024, "actual_pages": 0,
                                                  "target_mib": 4, "actual_mib": 0}
    machine.patch("/balloon/statistics", stats_polling_interval_s=2)
    machine.ask("PATCH", "/balloon/hinting/start")
    assert set(machine.get("/balloon/hinting/status")) == {"host_cmd", "guest_cmd"}
    machine.ask("PATCH", "/balloon/hinting/stop")
    assert "amount_mib" in machine.refused("PATCH", "/balloon", {"amount_mib": 100})


def test_memory_is_there_to_be_plugged(machine):
    machine.put("/hotplug/memory", total_size_mib=256)
    machine.start("spin")
    assert machine.get("/hotplug/memory") == {
        "total_size_mib": 256, "slot_size_mib": 128, "block_size_mib": 2, "plugged_size_mib": 0,
        "requested_size_mib": 0}
    machine.patch("/hotplug/memory", requested_size_mib=128)
    assert machine.get("/hotplug/memory")["requested_size_mib"] == 128


def test_a_file_is_persistent_memory(machine, tmp_path):
    (tmp_path / "file").write_bytes(b"A" * 10_000)
    machine.put("/pmem/p", id="p", path_on_host=str(tmp_path / "file"))
    machine.start("pmem")
    status, output, _ = machine.ends()
    assert status == 0 and "begins with 65\n" in output
    assert (tmp_path / "file").read_bytes()[:2] == b"AW"


def test_programs_of_host_and_guest_talk(machine, tmp_path):
    path = tmp_path / "v.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}_52")
        listener.listen()
        listener.settimeout(60)
        machine.put("/vsock", guest_cid=3, uds_path=str(path))
        machine.start("vsock-out")
        stream, _ = listener.accept()
        with stream:
            stream.settimeout(60)
            assert stream.recv(100) == b"a word from the guest"
            stream.sendall(b"a word from the host\n")
        status, output, _ = machine.ends()
    assert status == 0 and "a word from the host\n" in output
    assert not path.exists()


def test_devices_stand_on_pci_where_that_is_asked_for(launch):
    machine = launch("--enable-pci")
    machine.put("/entropy")
    machine.start("pci")
    status, output, _ = machine.ends()
    assert status == 0 and output.endswith("done\n")


def test_a_drive_gets_another_file_while_the_guest_runs(machine, tmp_path):
    for name, size in (("one", 8192), ("two", 16384)):
        (tmp_path / name).write_bytes(bytes(size))
    machine.put("/drives/d", drive_id="d", is_root_device=False, path_on_host=str(tmp_path / "one"),
                rate_limiter={"ops": {"size": 100, "refill_time": 100}})
    machine.start("spin")
    machine.patch("/drives/d", drive_id="d", path_on_host=str(tmp_path / "two"),
                  rate_limiter={"bandwidth": {"size": 1000000, "refill_time": 100}})
    assert machine.get("/vm/config")["drives"][0]["path_on_host"] == str(tmp_path / "two")
    text = machine.refused("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": "/nonexistent"})
    assert "path_on_host" in text and "/nonexistent" in text
    text = machine.refused("PATCH", "/drives/e", {"drive_id": "e"})
    assert "no drive 'e'" in text


@pytest.mark.usefixtures("guest_kernel")
def test_an_interface_is_on_its_tap_and_metadata_behind_it(require, vmm, tmp_path):
    require.root()
    require.tool("ip")
    words = [vmm, "--api-sock", tmp_path / "api.sock"]
    script = "ip tuntap add tap7 mode tap vnet_hdr && ip link set tap7 up && exec \"$@\""
    with vmmapi.launched(tmp_path, ["unshare", "--net", "sh", "-c", script, "sh", *words]) as machine:
        limiter = {"ops": {"size": 10, "refill_time": 100}}
        machine.put("/network-interfaces/e", iface_id="e", host_dev_name="tap7",
                    guest_mac="52:54:00:00:00:2a", mtu=1400, rx_rate_limiter=limiter)
        machine.put("/mmds/config", network_interfaces=["e"], version="V2")
        machine.put("/mmds", a={"b": "c"})
        machine.start("spin")
        assert machine.line() == "spinning\n"
        machine.put("/mmds", a={"b": "d"})
        machine.patch("/mmds", x="y" * 1000)
        machine.patch("/network-interfaces/e", iface_id="e", tx_rate_limiter=limiter)
        assert machine.get("/")["state"] == "Running"


def test_a_tap_that_is_not_there_is_named(machine):
    machine.put("/network-interfaces/e", iface_id="e", host_dev_name="a/b")
    machine.configure("spin")
    text = machine.refused("PUT", "/actions", {"action_type": "InstanceStart"})
    assert "network-interfaces/e: host_dev_name" in text and "a/b" in text
