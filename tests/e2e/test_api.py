# SPDX-License-Identifier: Apache-2.0
"""The Docker Engine API itself: documents, statuses, conflicts, and what strangers may try (A27 to A40).

Streams and isolations are in test_workload.py; other people's clients in test_docker_cli.py.
"""

import ast
import json
import os
import pathlib
import re
import socket
import stat
import threading

import pytest

import daemon

TRACES = pathlib.Path(__file__).resolve().parents[3] / "shared/docker-api/traces"
IMAGE = "busybox:test"


@pytest.fixture(scope="module")
def api(onggid):
    return onggid


@pytest.fixture
def create(api):
    """create(body, name=): a workload that is removed after the test; gives its ID."""
    made = []

    def make(name="", **body):
        body = {"Image": IMAGE, "Cmd": ["sleep", "1000"], **body}
        body.setdefault("HostConfig", {}).setdefault("NetworkMode", "none")
        status, answer = api.request("POST", f"/containers/create?name={name}", body)
        assert status == 201, answer
        made.append(answer["Id"])
        return answer["Id"]

    yield make
    for one in made:
        api.request("DELETE", f"/containers/{one}?force=1&v=1")


def run(api, create, *command, **body):
    """Runs a workload to its end: (status, output)."""
    one = create(Cmd=list(command), **body)
    status, answer = api.request("POST", f"/containers/{one}/start")
    assert status == 204, answer
    _, ended = api.request("POST", f"/containers/{one}/wait")
    _, log = api.request("GET", f"/containers/{one}/logs?stdout=1&stderr=1")
    return ended["StatusCode"], unframed(log)


def unframed(data):
    out = b""
    while data:
        length = int.from_bytes(data[4:8], "big")
        out += data[8:8 + length]
        data = data[8 + length:]
    return out.decode()


def raw(api, text, timeout=20):
    """Sends bytes and gives all that comes back until the daemon closes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        client.connect(str(api.socket))
        try:
            client.sendall(text)
        except BrokenPipeError:
            pass
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def status_of(answer):
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else None


# ---- documents ----


def test_the_socket_is_its_owners_alone(api):
    assert stat.S_IMODE(os.stat(api.socket).st_mode) == 0o600
    for root in (api.data_root, api.exec_root):
        assert stat.S_IMODE(os.stat(root).st_mode) & 0o077 & ~0o011 == 0  # A22


def test_ping_says_which_api_is_spoken(api):
    answer = raw(api, b"HEAD /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"\r\nApi-Version: 1.41\r\n" in answer and b"\r\nOstype: linux\r\n" in answer


@pytest.mark.parametrize("path, status", [
    ("/v1.41/version", 200), ("/v1.24/version", 200), ("/version", 200),
    ("/v1.23/version", 400), ("/v1.99/version", 400), ("/v2.0/version", 400), ("/nothing", 404),
])
def test_versions_of_the_api(api, path, status):
    assert api.request("GET", path)[0] == status


@pytest.mark.parametrize("method, path", [
    ("POST", "/build"), ("POST", "/commit"), ("GET", "/networks"), ("POST", "/swarm/init"),
    ("GET", "/containers/x/changes"), ("GET", "/distribution/x/json"), ("GET", "/containers/x/export"),
])
def test_what_is_not_there_is_named(api, method, path):
    status, answer = api.request(method, path)
    assert status == 501 and path in answer["message"]


def shape(value):
    """The names in a document, without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return None


def missing(wanted, given, path=""):
    found = []
    for key, inner in (wanted or {}).items():
        if not isinstance(given, dict) or key not in given:
            found.append(path + key)
        else:
            found += missing(inner, given[key], f"{path}{key}.")
    return found


def recorded(name, wanted):
    """A document that dockerd answered with in one of the recorded traces."""
    if not TRACES.is_dir():
        pytest.skip("no recorded traces beside the checkout")
    for line in (TRACES / f"{name}.txt").read_text().splitlines():
        if "<B b" in line and wanted in line:
            text = ast.literal_eval(line[line.index("<B ") + 3:]).decode()
            return json.JSONDecoder().raw_decode(text[min(text.index(c) for c in "{[" if c in text):])[0]
    raise AssertionError(f"{name} has no {wanted}")


# What dockerd 20.10 tells of itself or of networks that are not there yet.
NOT_OURS = re.compile(r"ContainerConfig|LastTagTime|Metadata|Data\.|GraphDriver|Config\.|Commit|"
                      r"KernelMemory|IPv4Forwarding|BridgeNf|NFd|NGoroutines|NEvents|Proxy|NoProxy|"
                      r"GenericResources|DefaultAddressPools|AllowNondist|127.0.0.1|runc|Networks|"
                      r"HostConfig|BuildTime|GitCommit|io.containerd|GoVersion")


@pytest.mark.parametrize("trace, wanted, path", [
    ("version", '"ApiVersion"', "/version"), ("info", '"ContainersRunning"', "/info"),
    ("inspect_image", '"RepoTags"', f"/images/{IMAGE}/json"),
    ("images", '"RepoTags"', "/images/json"), ("history", '"CreatedBy"', f"/images/{IMAGE}/history"),
    ("prune", '"ContainersDeleted"', "POST /containers/prune?filters={\"label\":[\"no-such\"]}"),
    ("volls", '"Volumes"', "/volumes"),
])
def test_documents_have_what_dockerds_have(api, trace, wanted, path):
    method, _, path = path.rpartition(" ")
    status, given = api.request(method or "GET", path.replace('"', "%22").replace("{", "%7B")
                                .replace("}", "%7D"))
    document = recorded(trace, wanted)
    assert status == 200
    if isinstance(document, list):
        document, given = document[0], given[0]
    assert [name for name in missing(shape(document), given) if not NOT_OURS.search(name)] == []


def test_a_recorded_create_is_answered_as_dockerd_did(api):
    if not TRACES.is_dir():
        pytest.skip("no recorded traces beside the checkout")
    for name in ("run_rm", "run_it"):
        line = next(line for line in (TRACES / f"{name}.txt").read_text().splitlines()
                    if '>B b\'{"Hostname"' in line)
        body = json.loads(ast.literal_eval(line[line.index(">B ") + 3:]))
        body["Image"] = IMAGE
        status, answer = api.request("POST", "/v1.41/containers/create", body)
        assert status == 201 and re.fullmatch("[0-9a-f]{64}", answer["Id"])
        assert "Networks are not there yet" in answer["Warnings"][0]
        assert api.request("DELETE", f"/containers/{answer['Id']}")[0] == 204


def test_inspect_shows_what_was_asked_and_what_the_image_gave(api, create):
    one = create("shown", Env=["A=1"], Labels={"k": "v"}, WorkingDir="/tmp")
    _, document = api.request("GET", "/containers/shown/json")
    assert document["Id"] == one and document["Name"] == "/shown"
    assert document["State"]["Status"] == "created" and document["State"]["Running"] is False
    assert document["Config"]["Labels"] == {"k": "v"} and "A=1" in document["Config"]["Env"]
    assert document["Path"] == "sleep" and document["Args"] == ["1000"]
    assert document["HostConfig"]["Isolation"] == "container"
    assert missing({"NetworkSettings": {"Networks": None}, "Mounts": None, "LogPath": None}, document) == []


# ---- names, states, conflicts ----


def test_names_ids_and_prefixes_find_one_workload(api, create):
    one = create("found")
    for name in ("found", "/found".replace("/", ""), one, one[:12]):
        assert api.request("GET", f"/containers/{name}/json")[1]["Id"] == one
    assert api.request("GET", "/containers/nobody/json") == (404, {"message": "No such container: nobody"})


def test_a_name_is_one_workloads(api, create):
    create("mine")
    status, answer = api.request("POST", "/containers/create?name=mine", {"Image": IMAGE, "Cmd": ["true"]})
    assert status == 409 and 'The container name "/mine" is already in use' in answer["message"]
    create("other")
    assert api.request("POST", "/containers/other/rename?name=mine")[0] == 409
    assert api.request("POST", "/containers/other/rename?name=../x")[0] == 400
    assert api.request("POST", "/containers/other/rename?name=renamed")[0] == 204
    assert api.request("GET", "/containers/renamed/json")[0] == 200


def test_states_follow_one_another(api, create):
    one = create()
    assert api.request("POST", f"/containers/{one}/kill")[0] == 409
    assert api.request("POST", f"/containers/{one}/stop")[0] == 304
    assert api.request("POST", f"/containers/{one}/start")[0] == 204
    assert api.request("POST", f"/containers/{one}/start")[0] == 304
    assert api.request("DELETE", f"/containers/{one}")[0] == 409
    assert api.request("POST", f"/containers/{one}/restart?t=0")[0] == 204
    assert api.request("GET", f"/containers/{one}/json")[1]["State"]["Running"] is True
    assert api.request("POST", f"/containers/{one}/kill?signal=NOTHING")[0] == 400
    assert api.request("POST", f"/containers/{one}/kill")[0] == 204
    assert api.request("GET", f"/containers/{one}/json")[1]["State"]["ExitCode"] == 137
    assert api.request("DELETE", f"/containers/{one}")[0] == 204
    assert api.request("GET", f"/containers/{one}/json")[0] == 404


def test_lists_are_filtered(api, create):
    one = create("listed-a", Labels={"suite": "api", "n": "1"})
    two = create("listed-b", Labels={"suite": "api"})

    def ids(filters, more="all=1"):
        quoted = json.dumps(filters).replace(" ", "").replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
        status, found = api.request("GET", f"/containers/json?{more}&filters={quoted}")
        return {item["Id"] for item in found} if status == 200 else status

    assert ids({"label": ["suite=api"]}) == {one, two}
    assert ids({"label": {"suite=api": True, "n": True}}) == {one}
    assert ids({"label": ["suite=api"]}, "all=0") == set()
    assert ids({"name": ["^/listed-b$"]}) == {two}
    assert ids({"status": ["created"], "label": ["suite"]}, "") == {one, two}
    assert ids({"nonsense": ["x"]}) == 400


def test_an_image_in_use_stays(api, create):
    create()
    status, answer = api.request("DELETE", f"/images/{IMAGE}")
    assert status == 409 and "conflict" in answer["message"]


def test_auto_remove_removes_when_it_ends(api):
    body = {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"AutoRemove": True, "NetworkMode": "none"}}
    one = api.request("POST", "/containers/create", body)[1]["Id"]
    ended = []
    waiter = threading.Thread(target=lambda: ended.append(
        api.request("POST", f"/containers/{one}/wait?condition=removed")))
    waiter.start()
    # One that was removed before the wait arrived is not found: then it is gone as well.
    assert api.request("POST", f"/containers/{one}/start")[0] == 204
    waiter.join(60)
    assert ended[0][0] == 404 or ended[0][1]["StatusCode"] == 0
    assert api.request("GET", f"/containers/{one}/json")[0] == 404
    assert not api.data_root.joinpath("workloads", one).exists()
    assert not api.exec_root.joinpath("workloads", one).exists()


def test_a_restart_policy_restarts_until_its_count(api, create):
    one = create(Cmd=["sh", "-c", "exit 3"], HostConfig={
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    api.request("POST", f"/containers/{one}/start")

    def given_up():
        document = api.request("GET", f"/containers/{one}/json")[1]
        return document["State"]["Status"] == "exited" and document["RestartCount"] == 2

    daemon.wait_for("two restarts", given_up)


def test_events_tell_what_happened(api, create):
    one = create("eventful", Cmd=["true"])
    api.request("POST", f"/containers/{one}/start")
    api.request("POST", f"/containers/{one}/wait")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(api.socket))
        client.sendall(b"GET /events?since=1&filters=%7B%22container%22:%5B%22eventful%22%5D%7D "
                       b"HTTP/1.1\r\nHost: x\r\n\r\n")
        seen = b""
        while b'"Action":"die"' not in seen:
            seen += client.recv(65536)
    actions = re.findall(rb'"Action":"(\w+)"', seen)
    assert actions[:3] == [b"create", b"start", b"die"]


# ---- mounts and users ----


def test_binds_volumes_and_tmpfs_are_there(api, create, tmp_path):
    tmp_path.joinpath("file").write_text("from the host\n")
    status, out = run(api, create, "sh", "-c",
                      "cat /b/file; echo x >/b/file || echo refused; echo v >/v/f; cat /v/f; mount | grep -c ' /t '",
                      HostConfig={"Binds": [f"{tmp_path}:/b:ro", "apivol:/v"], "Tmpfs": {"/t": "size=1m"}})
    assert (status, out.splitlines()[0]) == (0, "from the host")
    assert {"refused", "v", "1"} <= set(out.splitlines())
    assert run(api, create, "cat", "/v/f", HostConfig={"Binds": ["apivol:/v"]}) == (0, "v\n")
    assert api.request("GET", "/volumes/apivol")[1]["Name"] == "apivol"
    status, answer = api.request("DELETE", "/volumes/apivol")
    assert status == 409 and "in use" in answer["message"]


def test_a_volume_takes_over_what_the_image_has(api, create):
    status, out = run(api, create, "sh", "-c", "ls /bin | wc -l; ls -d /bin/sh",
                      HostConfig={"Binds": ["binvol:/bin"]})
    assert status == 0 and int(out.split()[0]) > 5 and "/bin/sh" in out


def test_a_volumes_path_stays_inside_the_root(api, create):  # A30
    one = create(Volumes={"/../../etc/onggi-a30": {}})
    mounts = api.request("GET", f"/containers/{one}/json")[1]["Mounts"]
    assert [mount["Destination"] for mount in mounts] == ["/etc/onggi-a30"]
    assert api.request("POST", f"/containers/{one}/start")[0] == 204
    assert not pathlib.Path("/etc/onggi-a30").exists()


@pytest.mark.parametrize("user", ["0:0x", ":5x", "4294967295", "2147483648:1", "-1", "nobody-here", "1 "])
def test_a_user_is_exact_or_refused(api, create, user):  # A15, A16
    one = create(User=user)
    status, answer = api.request("POST", f"/containers/{one}/start")
    assert status == 400 and "unable to find user" in answer["message"]


def test_ids_become_what_they_say(api, create):
    assert run(api, create, "id", "-u", User="1234:56")[1] == "1234\n"
    assert run(api, create, "id", "-g", User="1234:56")[1] == "56\n"


def test_an_images_label_is_no_control(api, create):  # A27
    one = create(Labels={"org.onggi.vm.disks": '[{"readonly":false,"parts":[{"path":"/dev/vda"}]}]'})
    assert api.request("POST", f"/containers/{one}/start")[0] == 204
    config = json.loads(api.exec_root.joinpath("workloads", one, "bundle/config.json").read_text())
    assert config["annotations"] == {}


# ---- what strangers try ----

BODY = b'{"Image":"busybox:test","Cmd":["true"],"HostConfig":{"Privileged":true}}'


def count(api):
    return len(api.request("GET", "/containers/json?all=1")[1])


@pytest.mark.parametrize("head", [
    b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    b"Content-Length: 72\r\nContent-Length: 0\r\n",
    b"Content-Length: 72\r\nTransfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Content-Length: 0x48\r\n",
    b"Content-Length : 72\r\n",
    b"Content-Length: 72\n",
    b"X-Folded: a\r\n b\r\nContent-Length: 72\r\n",
    b"Content-Length:\r\n 72\r\n",
])
def test_a_head_with_two_readings_is_refused(api, head):  # A31, A33
    before = count(api)
    answer = raw(api, b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
                 head + b"\r\n" + BODY)
    assert status_of(answer) == 400
    assert count(api) == before


def test_a_second_request_behind_a_refused_one_is_not_run(api):  # A33
    before = count(api)
    second = (b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n" % len(BODY)) + BODY
    raw(api, b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second)
    assert count(api) == before


@pytest.mark.parametrize("mib", [1.1, 4.1, 64])
def test_an_oversized_body_is_refused(api, mib):  # A32
    before = count(api)
    padding = b" " * int(mib * 1024 * 1024)
    answer = raw(api, b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\n\r\n" % (len(padding) + len(BODY)) + padding + BODY)
    assert status_of(answer) in (413, None)  # None: cut off while it was still sending
    assert count(api) == before


@pytest.mark.parametrize("body", [
    b'{"Image":"busybox:test","HostConfig":{},"HostConfig":{"Privileged":true}}',
    b'{"Image":"busybox:test","Cmd":["a\\u0000b"]}',
    b'{"Image":"busybox:test","Cmd":["\xff"]}',
    b'{"Image":"busybox:test","HostConfig":{"Memory":99999999999999999999999}}',
    b"[" * 100000 + b"]" * 100000,
    b"{", b"", b"null", b"[]", b'{"Image":"busybox:test"} trailing',
])
def test_json_with_two_readings_is_refused(api, body):  # A34
    status, answer = api.request("POST", "/containers/create", body,
                                 headers={"Content-Type": "application/json"})
    assert status == 400 and answer["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_only_json_is_taken_for_json(api, kind):  # A35
    status, answer = api.request("POST", "/containers/create", BODY, headers={"Content-Type": kind})
    assert status == 400 and "must be 'application/json'" in answer["message"]


def test_web_pages_reach_nothing_over_tcp(start_onggid):  # A35
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start_onggid(options=["-H", f"tcp://127.0.0.1:{port}"])

    def ask(headers):
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(b"GET /info HTTP/1.1\r\n" + headers + b"Connection: close\r\n\r\n")
            answer = b""
            while piece := client.recv(65536):
                answer += piece
            return status_of(answer), answer

    assert ask(b"Host: evil.example\r\n")[0] == 403
    assert ask(b"Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n")[0] == 403
    status, answer = ask(b"Host: 127.0.0.1:%d\r\n" % port)
    assert status == 200 and b"Access-Control" not in answer


def test_other_machines_are_not_listened_to_without_tls(prefix, tmp_path):
    import subprocess
    result = subprocess.run([prefix / "sbin/onggid", "-H", "tcp://0.0.0.0:0", "--data-root", tmp_path / "d",
                             "--exec-root", tmp_path / "x"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "TLS" in result.stderr


@pytest.mark.parametrize("path", [
    "/containers/../../etc/passwd/json", "/containers/%2e%2e/json", "/containers/%2e%2e%2fx/json",
    "/containers/a%00b/json", "/containers/" + "a" * 5000 + "/json", "/containers/한글/json",
    "/images/../../x/json", "/images/%2e%2e/json", "/images/a%00/json", "/volumes/..", "/volumes/%2e%2e",
    "/exec/../x/json", "/v1.41/../info",
])
def test_hostile_paths_find_nothing(api, path):  # A38
    answer = raw(api, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status_of(answer) in (400, 404, 414)


def test_endless_headers_and_idle_connections_hold_up_nobody(api):  # A40
    idle = []
    for _ in range(200):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(api.socket))
        client.sendall(b"GET /info HTTP/1.1\r\nX-Slow: ")
        idle.append(client)
    try:
        assert api.request("GET", "/_ping")[0] == 200
        answer = raw(api, b"GET /info HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * (8 << 20) + b"\r\n\r\n")
        assert status_of(answer) in (431, 413, 400, None)
        assert api.request("GET", "/_ping")[0] == 200
    finally:
        for client in idle:
            client.close()


def test_a_stream_that_nobody_reads_holds_up_nobody(api, create):  # A40
    one = create(Cmd=["sh", "-c", "yes | head -c 3000000; sleep 1000"])
    api.request("POST", f"/containers/{one}/start")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(api.socket))
        client.sendall(f"GET /containers/{one}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert api.request("GET", f"/containers/{one}/json")[0] == 200
        assert api.request("POST", f"/containers/{one}/kill")[0] == 204


def descriptors(api):
    return len(os.listdir(f"/proc/{api.process.pid}/fd"))


def threads(api):
    return len(os.listdir(f"/proc/{api.process.pid}/task"))


def test_clients_that_attach_and_leave_cost_nothing(api, create):  # A39
    one = create()
    api.request("POST", f"/containers/{one}/start")
    head = (f"POST /containers/{one}/attach?stream=1&stdout=1&stdin=1 HTTP/1.1\r\nHost: x\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n").encode()
    before = descriptors(api), threads(api)
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(api.socket))
            client.sendall(head)
            assert client.recv(64).startswith(b"HTTP/1.1 101 ")
    daemon.wait_for("descriptors and threads to be given back",
                    lambda: descriptors(api) <= before[0] + 4 and threads(api) <= before[1] + 4)
