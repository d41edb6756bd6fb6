# SPDX-License-Identifier: Apache-2.0
"""onggi-vmm's API, configuration file and command line, with the test guest behind them."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
KERNEL = TOP / "build/tests/guest/test-guest"
MIB = 1 << 20


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Machine:
    """A running onggi-vmm with an API."""

    def __init__(self, process, folder):
        self.process, self.folder, self.sock = process, folder, folder / "api.sock"

    def ask(self, method, path, body=None):
        """(status, document or None, headers)"""
        connection = Connection(self.sock)
        with contextlib.closing(connection):
            text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
            connection.request(method, path, text)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None, answer.headers

    def get(self, path):
        status, document, _ = self.ask("GET", path)
        assert status == 200, document
        return document

    def put(self, path, **body):
        status, document, _ = self.ask("PUT", path, body)
        assert status == 204, document

    def patch(self, path, **body):
        status, document, _ = self.ask("PATCH", path, body)
        assert status == 204, document

    def refused(self, method, path, body=None):
        status, document, _ = self.ask(method, path, body)
        assert status == 400, document
        return document["fault_message"]

    def configure(self, word, **machine):
        self.put("/machine-config", **({"vcpu_count": 1, "mem_size_mib": 64} | machine))
        self.put("/boot-source", kernel_image_path=str(KERNEL), boot_args=word)

    def start(self, word, **machine):
        self.configure(word, **machine)
        self.put("/actions", action_type="InstanceStart")

    def line(self):
        return self.process.stdout.readline().decode()

    def ends(self):
        output, errors = self.process.communicate(timeout=120)
        return self.process.returncode, output.decode(), errors.decode()


@pytest.fixture(scope="module")
def vmm(prefix, require):
    if not KERNEL.exists():
        require.lacking("no build/tests/guest/test-guest: make")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        require.lacking("no usable /dev/kvm")
    return prefix / "bin/onggi-vmm"


def listens(path):
    with socket.socket(socket.AF_UNIX) as stream, contextlib.suppress(OSError):
        stream.connect(str(path))
        return True
    return False


@pytest.fixture
def launch(vmm, tmp_path):
    """launch(options...) starts an onggi-vmm whose API is at FOLDER/api.sock."""
    with contextlib.ExitStack() as stack:
        count = iter(range(100))

        def launch_one(*options):
            folder = tmp_path / f"vm{next(count)}"
            folder.mkdir()
            words = [str(w) for w in (vmm, "--api-sock", folder / "api.sock", *options)]
            process = stack.enter_context(subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                cwd=folder))
            stack.callback(process.kill)
            while not listens(folder / "api.sock"):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            return Machine(process, folder)
        yield launch_one


@pytest.fixture
def machine(launch):
    return launch()


def test_a_machine_is_configured_started_and_ends(machine):
    assert machine.get("/")["state"] == "Not started"
    machine.start("bus")
    status, output, errors = machine.ends()
    assert (status, errors) == (0, "") and output.endswith("done\n")
    assert not machine.sock.exists()


def descendants(pid):
    found = [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
             for child in (task / "children").read_text().split()]
    return found + [further for child in found for further in descendants(child)]


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


CONFIG = {
    "boot-source": {"kernel_image_path": str(KERNEL), "boot_args": "rng"},
    "machine-config": {"vcpu_count": 1, "mem_size_mib": 64},
    "drives": [],
    "entropy": {},
}


def run_config(vmm, folder, config, *options):
    (folder / "config.json").write_text(json.dumps(config))
    words = [str(w) for w in (vmm, "--config-file", folder / "config.json", *options)]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def test_a_configuration_file_starts_a_machine(vmm, tmp_path):
    result = run_config(vmm, tmp_path, CONFIG, "--no-api")
    assert (result.returncode, result.stdout, result.stderr) == (0, "filled 64\nrandom\ndone\n", "")


def test_a_configuration_file_goes_with_the_api(launch, tmp_path):
    config = CONFIG | {"boot-source": CONFIG["boot-source"] | {"boot_args": "spin"}}
    (tmp_path / "config").write_text(json.dumps(config))
    machine = launch("--config-file", tmp_path / "config", "--id", "my-vm")
    assert machine.line() == "spinning\n"
    assert machine.get("/") == {"id": "my-vm", "state": "Running", "app_name": "onggi-vmm",
                                "vmm_version": machine.get("/version")["firecracker_version"]}
    shown = machine.get("/vm/config")
    assert shown["machine-config"]["mem_size_mib"] == 64 and shown["drives"] == []


@pytest.mark.parametrize("change, says", [
    ({"boot-source": None}, "missing field `boot-source`"),
    ({"colour": 1}, "unknown field `colour`"),
    ({"machine-config": {"vcpu_count": 99, "mem_size_mib": 64}}, "at `vcpu_count`"),
    ({"drives": [{"drive_id": "a"}]}, "drives[0]: missing field `is_root_device`"),
    ({"boot-source": {"kernel_image_path": "/nonexistent"}}, "open '/nonexistent'"),
])
def test_a_configuration_file_that_is_wrong_says_where(vmm, tmp_path, change, says):
    result = run_config(vmm, tmp_path, CONFIG | change, "--no-api")
    assert result.returncode == 1 and says in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("words, status, says", [
    (["--no-api", "--api-sock", "x"], 1, "--no-api needs --config-file"),
    (["--api-sock", "x", "--kernel", str(KERNEL)], 2, "go with neither"),
    (["--api-sock", "x", "--level", "loud"], 2, "'loud' is no level"),
    (["--api-sock", "x", "--no-seccomp"], 2, "always on"),
    (["--api-sock", "x", "--seccomp-filter", "f"], 2, "built in"),
    (["--api-sock", "x", "--boot-timer"], 2, "no boot timer"),
    (["--api-sock", "x", "--id", "a/b"], 1, "--id 'a/b'"),
    (["--api-sock", "x", "--http-api-max-payload-size", "0"], 2, "no number in range"),
    (["--api-sock", "/nonexistent/x"], 1, "API socket '/nonexistent/x'"),
    (["--api-sock", "y" * 200], 1, "API socket"),
    (["--config-file", "/nonexistent"], 1, "/nonexistent"),
])
def test_options_that_are_wrong_are_named(vmm, tmp_path, words, status, says):
    if words == ["--config-file", "/nonexistent"]:
        words = [*words, "--no-api"]
    result = subprocess.run([str(vmm), *words], cwd=tmp_path, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == status and says in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_socket_that_is_there_is_not_taken_over(vmm, machine):
    result = subprocess.run([vmm, "--api-sock", machine.sock], capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == 1 and "in use" in result.stderr
    assert machine.get("/version")


def test_log_and_metrics_go_to_named_pipes(launch, tmp_path):
    for name in ("log", "metrics"):
        os.mkfifo(tmp_path / name)
    machine = launch("--log-path", tmp_path / "log", "--level", "debug", "--show-level",
                     "--show-log-origin", "--metrics-path", tmp_path / "metrics", "--id", "piped")
    with open(os.open(tmp_path / "log", os.O_RDWR), encoding="utf-8") as log, \
            open(os.open(tmp_path / "metrics", os.O_RDWR), encoding="utf-8") as metrics:
        machine.start("spin")
        assert machine.line() == "spinning\n"
        machine.put("/actions", action_type="FlushMetrics")
        while "Running onggi-vmm" not in (line := log.readline()):
            pass
        assert re.match(r"\S+ \[piped:vmm:INFO:src/vmmapi/vmm\] ", line)
        while "GET request" not in (line := log.readline()):
            if "FlushMetrics" in line or "/actions" in line:
                break
        assert json.loads(metrics.readline())["put_api_requests"]["actions_count"] == 2


def test_there_is_no_keyboard_to_press_keys_on(machine):
    machine.start("spin")
    assert "no keyboard" in machine.refused("PUT", "/actions", {"action_type": "SendCtrlAltDel"})


def last_metrics(machine, path):
    machine.process.wait(60)
    return json.loads(path.read_text().splitlines()[-1])


def test_a_reset_by_the_keyboard_controller_is_counted(launch, tmp_path):
    machine = launch("--metrics-path", tmp_path / "metrics")
    machine.start("i8042")
    found = last_metrics(machine, tmp_path / "metrics")
    assert (found["i8042"]["reset_count"], found["vmm"]["panic_count"]) == (1, 0)


def test_a_machine_that_is_killed_is_counted(launch, tmp_path):
    machine = launch("--metrics-path", tmp_path / "metrics")
    machine.start("spin")
    machine.line()
    os.kill(descendants(machine.process.pid)[-1], signal.SIGKILL)
    found = last_metrics(machine, tmp_path / "metrics")
    assert (found["i8042"]["reset_count"], found["vmm"]["panic_count"]) == (0, 1)


def test_a_pipe_that_nobody_reads_stops_nothing(launch, tmp_path):
    os.mkfifo(tmp_path / "log")
    machine = launch("--log-path", tmp_path / "log")
    connection = Connection(machine.sock)
    with contextlib.closing(connection):
        for _ in range(1500):
            connection.request("GET", "/version")
            connection.getresponse().read()


def test_a_signal_ends_both_processes_and_removes_the_socket(machine):
    machine.start("spin")
    assert machine.line() == "spinning\n"
    machine.process.send_signal(signal.SIGTERM)
    status, _, errors = machine.ends()
    assert (status, errors) == (1, "onggi-vmm: ended by signal 15\n")
    assert not machine.sock.exists()


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


def snapshot(machine, folder, kind="Full"):
    machine.patch("/vm", state="Paused")
    machine.put("/snapshot/create", snapshot_path=str(folder / "state"), snapshot_type=kind,
                mem_file_path=str(folder / "memory"))


def load(machine, folder, **more):
    machine.put("/snapshot/load", snapshot_path=str(folder / "state"),
                mem_backend={"backend_type": "File", "backend_path": str(folder / "memory")}, **more)


def test_a_machine_begins_from_a_snapshot_with_its_devices(launch, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(8192))
    first = launch("--id", "first")
    first.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True,
              path_on_host=str(tmp_path / "disk"))
    first.put("/entropy")
    first.start("count")
    assert first.process.stdout.read(3) == b"..."
    assert "must be paused" in first.refused(
        "PUT", "/snapshot/create", {"snapshot_path": "s", "mem_file_path": "m"})
    snapshot(first, tmp_path)
    assert (tmp_path / "memory").stat().st_size == 64 * MIB
    first.patch("/vm", state="Resumed")
    assert first.process.stdout.read(3) == b"..."
    first.process.kill()

    second = launch("--id", "second")
    load(second, tmp_path)
    assert second.get("/")["state"] == "Paused"
    shown = second.get("/vm/config")
    assert [drive["drive_id"] for drive in shown["drives"]] == ["d"] and shown["entropy"]
    assert shown["machine-config"]["mem_size_mib"] == 64
    second.patch("/vm", state="Resumed")
    assert second.process.stdout.read(3) == b"..."

    third = launch()
    load(third, tmp_path, resume_vm=True)
    assert third.process.stdout.read(3) == b"..."


def test_changes_alone_are_kept_where_they_are_tracked(launch, tmp_path):
    machine = launch()
    machine.start("count", track_dirty_pages=True)
    assert machine.process.stdout.read(1) == b"."
    snapshot(machine, tmp_path)
    machine.patch("/vm", state="Resumed")
    assert machine.process.stdout.read(3) == b"..."
    (tmp_path / "diff").mkdir()
    snapshot(machine, tmp_path / "diff", "Diff")
    used = (tmp_path / "diff/memory").stat().st_blocks * 512
    assert 0 < used < MIB


@pytest.mark.parametrize("change, says", [
    (lambda data: b"", "snapshot"),
    (lambda data: data[:1000], "snapshot"),
    (lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:], "snapshot"),
    (lambda data: b"x" * 10_000, "snapshot"),
])
def test_a_snapshot_that_is_none_is_refused_and_another_may_be_tried(launch, tmp_path, change,
                                                                    says):
    first = launch()
    first.start("count")
    snapshot(first, tmp_path)
    second = launch()
    good = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(change(good))
    body = {"snapshot_path": str(tmp_path / "state"),
            "mem_backend": {"backend_type": "File", "backend_path": str(tmp_path / "memory")}}
    text = second.refused("PUT", "/snapshot/load", body)
    assert text.startswith("Load snapshot error: Failed to restore from snapshot") and says in text
    text = second.refused("PUT", "/snapshot/load", body | {
        "mem_backend": {"backend_type": "File", "backend_path": "/nonexistent"}})
    (tmp_path / "state").write_bytes(good)
    load(second, tmp_path, resume_vm=True)
    assert second.process.stdout.read(3) == b"..."


def end(path):
    """Ends who listens at the socket, which is nobody's child here."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(path))
        pid, _, _ = struct.unpack("3i", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    os.kill(pid, signal.SIGTERM)
    while path.exists():
        time.sleep(0.01)


def test_a_clone_runs_with_an_api_of_its_own(launch, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(8192))
    machine = launch("--forkable")
    machine.put("/drives/d", drive_id="d", is_root_device=False, is_read_only=True,
                path_on_host=str(tmp_path / "disk"))
    machine.start("count")
    assert machine.process.stdout.read(3) == b"..."
    machine.put("/fork", id="clone", api_sock=str(tmp_path / "clone.sock"), resume_vm=False)
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "clone.sock"
    assert (clone.get("/")["id"], clone.get("/")["state"]) == ("clone", "Paused")
    assert clone.get("/vm/config")["drives"][0]["drive_id"] == "d"
    assert machine.get("/")["state"] == "Running"
    text = machine.refused("PUT", "/fork", {"id": "x", "api_sock": str(clone.sock)})
    assert "in use" in text
    machine.process.terminate()
    assert machine.process.wait(60) == 1
    clone.patch("/vm", state="Resumed")
    assert clone.get("/")["state"] == "Running"
    end(clone.sock)


def test_a_machine_is_forked_only_where_that_was_asked_for(machine, tmp_path):
    machine.start("spin")
    text = machine.refused("PUT", "/fork", {"id": "x", "api_sock": str(tmp_path / "x")})
    assert "--forkable" in text


def test_a_drive_that_is_written_is_not_shared_with_a_clone(launch, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(bytes(8192))
    machine = launch("--forkable")
    machine.put("/drives/d", drive_id="d", is_root_device=False, path_on_host=str(tmp_path / "one"))
    machine.start("spin")
    body = {"id": "x", "api_sock": str(tmp_path / "x.sock")}
    assert "a disk of its own for 'd'" in machine.refused("PUT", "/fork", body)
    assert not (tmp_path / "x.sock").exists()
    machine.put("/fork", **body, drive_overrides=[{"drive_id": "d",
                                                   "path_on_host": str(tmp_path / "two")}])
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "x.sock"
    assert clone.get("/")["state"] == "Running"
    end(clone.sock)


def test_an_interface_is_on_its_tap_and_metadata_behind_it(require, vmm, tmp_path):
    require.root()
    require.tool("ip")
    words = [str(w) for w in (vmm, "--api-sock", tmp_path / "api.sock")]
    script = "ip tuntap add tap7 mode tap vnet_hdr && ip link set tap7 up && exec \"$@\""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", script, "sh", *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        try:
            while not listens(tmp_path / "api.sock"):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            machine = Machine(process, tmp_path)
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
        finally:
            process.kill()


def test_a_tap_that_is_not_there_is_named(machine):
    machine.put("/network-interfaces/e", iface_id="e", host_dev_name="a/b")
    machine.configure("spin")
    text = machine.refused("PUT", "/actions", {"action_type": "InstanceStart"})
    assert "network-interfaces/e: host_dev_name" in text and "a/b" in text


def described():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((TOP / "docs/openapi/onggi-vmm.yaml").read_text())


def tables():
    program = TOP / "build/tests/unit/vmmapi/vmmapi-tables"
    return json.loads(subprocess.run([program], capture_output=True, check=True).stdout)


def resolved(schema):
    """(name of what a schema refers to, or None; the schema without wrapping)"""
    if "allOf" in schema:
        schema = schema["allOf"][0]
    reference = schema.get("$ref")
    return (reference.rsplit("/", 1)[1] if reference else None), schema


def test_the_description_has_every_path_and_method():
    described_routes = {(method, re.sub(r"\{\w+\}", "{}", path))
                        for path, methods in described()["paths"].items() for method in methods}
    assert described_routes == {(r["method"], r["path"]) for r in tables()["routes"]}


def test_the_description_has_every_body():
    paths = {re.sub(r"\{\w+\}", "{}", path): methods
             for path, methods in described()["paths"].items()}
    for route in tables()["routes"]:
        content = paths[route["path"]][route["method"]].get("requestBody")
        if "body" in route:
            schema = content["content"]["application/json"]["schema"]
            assert resolved(schema)[0] == route["body"], route
        else:
            assert (content is not None) == route["any_json"], route


def test_the_description_has_every_field_with_its_kind_and_range():
    schemas = described()["components"]["schemas"]
    for name, body in tables()["bodies"].items():
        schema = schemas[name]
        assert list(schema["properties"]) == list(body["fields"]), name
        assert set(schema.get("required", [])) == {
            key for key, field in body["fields"].items() if field["required"]}, name
        assert schema["additionalProperties"] is False and schema["description"]
        for key, field in body["fields"].items():
            shown = schema["properties"][key]
            where = f"{name}.{key}"
            assert shown["description"], where
            assert shown.get("deprecated", False) == field["deprecated"], where
            if field["list"]:
                assert shown["type"] == "array", where
                shown = shown["items"]
            reference, shown = resolved(shown)
            assert reference == field.get("body"), where
            if field["kind"] in ("boolean", "integer", "string"):
                assert shown["type"] == field["kind"], where
            if field["kind"] == "word":
                assert shown["enum"] == field["words"], where
            if field["kind"] == "integer":
                assert (shown["minimum"], shown["maximum"]) == (field["min"], field["max"]), where
