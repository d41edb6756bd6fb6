# SPDX-License-Identifier: Apache-2.0
"""linux.netDevices: interfaces handed to a workload, from a network namespace of the test's own."""

import subprocess

import pytest



class Host:
    """A network namespace that is the host's for the runtime."""

    def __init__(self, runtime):
        self.runtime = runtime
        self.process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"\n"
        self.enter = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"]

    def ip(self, *words):
        return subprocess.run([*self.enter, "ip", *words], check=True, capture_output=True, text=True).stdout

    def sh(self, script, check=True):
        self.runtime.config["process"]["args"] = ["/bin/sh", "-c", script]
        self.runtime.write()
        return subprocess.run([*self.enter, self.runtime.program, "--root", self.runtime.root, "run", "--bundle",
                               self.runtime.bundle, self.runtime.name()], check=check, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)

    def refused(self):
        result = self.sh("true", check=False)
        assert result.returncode == 1 and result.stderr.count("\n") == 1
        return result.stderr


@pytest.fixture
def host(runtime, require):
    require.tool("ip")
    made = Host(runtime)
    try:
        made.ip("link", "add", "v0", "type", "veth", "peer", "name", "p0")
        yield made
    finally:
        made.process.kill()
        made.process.wait()


@pytest.mark.in_lab
@pytest.mark.parametrize("up", [False, True])
def test_an_interface_is_moved_with_name_and_addresses(runtime, host, up):
    host.ip("link", "set", "v0", "address", "02:00:00:00:00:77", "mtu", "1400")
    host.ip("address", "add", "10.7.0.1/24", "broadcast", "10.7.0.255", "dev", "v0")
    host.ip("address", "add", "10.8.0.1/32", "dev", "v0")
    host.ip("address", "add", "fd00:7::1/64", "dev", "v0", "nodad")
    host.ip("address", "add", "169.254.1.1/16", "scope", "link", "dev", "v0")
    host.ip("address", "add", "10.9.0.1/24", "valid_lft", "1000", "preferred_lft", "1000", "dev", "v0")
    if up:
        host.ip("link", "set", "v0", "up")
    runtime.config["linux"]["netDevices"] = {"v0": {"name": "eth7"}}
    runtime.config["linux"]["sysctl"] = {"net.ipv4.conf.eth7.forwarding": "1"}
    out = host.sh("ip address show dev eth7; cat /proc/sys/net/ipv4/conf/eth7/forwarding; ip route").stdout
    assert "inet 10.7.0.1/24 brd 10.7.0.255 scope global eth7" in out and "inet 10.8.0.1/32" in out
    assert "inet6 fd00:7::1/64 scope global" in out
    assert "169.254.1.1" not in out and "10.9.0.1" not in out
    assert "UP" in out.split(">")[0] and "02:00:00:00:00:77" in out and "mtu 1400" in out
    assert "\n1\n10.7.0.0/24 dev eth7" in out
    assert "v0" not in host.ip("link")


def test_names_with_a_number(runtime, host):
    host.ip("link", "add", "v1", "type", "veth", "peer", "name", "p1")
    runtime.config["linux"]["netDevices"] = {"v0": {"name": "eth%d"}, "v1": {"name": "eth%d"}, "p1": {}}
    out = host.sh("ls /sys/class/net").stdout
    assert {"eth0", "eth1", "p1"} <= set(out.split())


def test_a_joined_namespace_gets_it_and_keeps_its_own(runtime, host):
    other = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link add v0 type veth peer name x0; echo; exec sleep 1000"],
                             stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"\n"
        for space in runtime.config["linux"]["namespaces"]:
            if space["type"] == "network":
                space["path"] = f"/proc/{other.pid}/ns/net"
        runtime.config["linux"]["netDevices"] = {"v0": {}}
        assert "linux.netDevices.v0" in host.refused() and "v0" in host.ip("link")
        runtime.config["linux"]["netDevices"] = {"v0": {"name": "mine"}}
        assert "mine" in host.sh("ip link").stdout
        names = subprocess.run(["nsenter", f"--net=/proc/{other.pid}/ns/net", "ip", "link"], capture_output=True, text=True,
                               check=True).stdout
        assert "mine" in names and "x0" in names
    finally:
        other.kill()
        other.wait()


def test_with_a_user_namespace(runtime, host):
    runtime.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        runtime.config["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    subprocess.run(["chown", "-R", "-h", "100000:100000", runtime.rootfs], check=True)
    host.ip("address", "add", "10.7.0.1/24", "dev", "v0")
    runtime.config["linux"]["netDevices"] = {"v0": {"name": "eth0"}}
    assert "inet 10.7.0.1/24" in host.sh("ip address show dev eth0").stdout


@pytest.mark.parametrize("devices, words", [
    ({"nothing": {}}, "linux.netDevices.nothing: the host has no such interface"), ({"lo": {"name": "x"}}, "linux.netDevices.lo"),
    ({"v0": {"name": "lo"}}, "has an interface 'lo'"), ({"v0": {"name": "a/b"}}, "no name of an interface"),
    ({"v0": {"name": "%d%d"}}, "no name"), ({"v0": {"name": "x" * 16}}, "no name"), ({"y" * 16: {}}, "no such interface")])
def test_what_cannot_be_moved_is_named_and_stays(runtime, host, devices, words):
    runtime.config["linux"]["netDevices"] = devices
    assert words in host.refused()
    assert "v0" in host.ip("link")


def test_without_a_network_namespace_there_is_no_place_to_move_to(runtime, host):
    spaces = runtime.config["linux"]["namespaces"]
    runtime.config["linux"]["namespaces"] = [space for space in spaces if space["type"] != "network"]
    runtime.config["linux"]["netDevices"] = {"v0": {}}
    assert "linux.netDevices without a network namespace" in host.refused()
    assert "v0" in host.ip("link")


@pytest.mark.parametrize("field, value", [("netDevices", {"v0": {}}), ("intelRdt", {"closID": "gold"})])
def test_a_virtual_machine_cannot_have_them(runtime, field, value):
    runtime.config["linux"][field] = value
    runtime.write()
    result = runtime.call("--isolation", "vm", "run", "--bundle", runtime.bundle, runtime.name(), check=False)
    assert result.returncode == 1 and f"linux.{field}: isolation vm cannot do that" in result.stderr
