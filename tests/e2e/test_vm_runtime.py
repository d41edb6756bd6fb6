# SPDX-License-Identifier: Apache-2.0
"""onggi-runtime --isolation vm by its command line: one bundle, a guest, and what is left of them."""

import fcntl
import hashlib
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

import bundles

pytestmark = pytest.mark.vm
TIMEOUT_S = 100  # software emulation on a busy machine


class VmRuntime(bundles.Runtime):
    """A bundle whose root is an EROFS disk, and the program with --isolation vm."""

    def __init__(self, prefix, folder):
        super().__init__(prefix, folder)
        self.disk = folder / "image.erofs"
        self.rootfs.joinpath("etc/group").write_text("root:x:0:\nuser:x:1000:\nvideo:x:44:user\n")
        subprocess.run(["mkfs.erofs", "--all-root", self.disk, self.rootfs], check=True,
                       capture_output=True)
        self.scratch = None

    def name(self):
        return super().name() + "-" + self.folder.name  # several live at a time here

    def disks(self):
        disks = [{"readonly": True, "parts": [{"path": str(self.disk), "offset": 0}]}]
        if self.scratch:
            disks.append({"readonly": False, "parts": [{"path": str(self.scratch), "offset": 0}]})
        return disks

    def write(self):
        self.config.setdefault("annotations", {}).setdefault(
            "org.onggi.vm.disks", json.dumps(self.disks()))
        # What the default configuration has for the host's kernel.
        super().write()

    def command(self, *words):
        return [str(word) for word in (self.program, "--root", self.root, "--isolation", "vm", *words)]

    def call(self, *words, check=True, **rest):
        rest.setdefault("stdin", subprocess.DEVNULL)
        rest.setdefault("timeout", TIMEOUT_S)
        rest.setdefault("text", True)
        result = subprocess.run(self.command(*words), capture_output=True, check=False, **rest)
        if check:
            assert result.returncode == 0, f"{words}: {result.returncode}: {result.stderr}"
        return result

    def create(self, *args, flags=()):
        self.config["process"]["args"] = list(args)
        self.write()
        name = self.name()
        subprocess.run(self.command("create", "--bundle", self.bundle, *flags, name), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=TIMEOUT_S)
        return name


def hypervisor_of(supervisor):
    """The pid of a supervisor's one child."""
    children = pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def wait_gone(pid):
    """Waits for a process that is nobody's child here."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], TIMEOUT_S)[0], f"process {pid} is still there"
    finally:
        os.close(fd)


def made(prefix, require, folder):
    require.root()
    require.tool("mkfs.erofs")
    if not prefix.joinpath("lib/onggi/guest/initramfs.cpio").exists():
        require.lacking(f"no guest in {prefix}: make install")
    return VmRuntime(prefix, folder)


@pytest.fixture
def runtime(prefix, require, tmp_path):
    one = made(prefix, require, tmp_path)
    yield one
    one.clean()


@pytest.fixture(scope="module")
def running(prefix, require, tmp_path_factory):
    """A VM that only waits, for the tests that start something in it: (runtime, name)."""
    one = made(prefix, require, tmp_path_factory.mktemp("running"))
    one.config["hostname"] = "guest7"
    one.config["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [44]}
    name = one.start("/bin/sleep", "100000")
    yield one, name
    one.clean()


def execute(running, *words, check=True, flags=(), **rest):
    runtime, name = running
    return runtime.call("exec", *flags, name, *words, check=check, **rest)


# ---- which kernel ----


@pytest.mark.parametrize("kernel, folder, release", [("small", "guest/small", "-onggi"),
                                                     ("debian", "guest", "-cloud-amd64")])
def test_the_installed_kernel_that_is_asked_for_boots(runtime, prefix, require, monkeypatch, kernel,
                                                      folder, release):
    if not prefix.joinpath("lib/onggi", folder, "initramfs.cpio").exists():
        require.lacking(f"no {kernel} kernel in {prefix}: make guest-kernel install PREFIX={prefix}")
    monkeypatch.setenv("ONGGI_GUEST_KERNEL", kernel)
    name = runtime.start("/bin/sleep", "100000")
    assert runtime.call("exec", name, "/bin/uname", "-r").stdout.strip().endswith(release)
    state = json.loads(runtime.root.joinpath(name, "state.json").read_text())
    assert state["extra"]["kernel"] == kernel


def test_a_kernel_of_no_known_name_is_refused(runtime, monkeypatch):
    monkeypatch.setenv("ONGGI_GUEST_KERNEL", "huge")
    runtime.config["process"]["args"] = ["/bin/true"]
    runtime.write()
    result = runtime.call("run", "--bundle", runtime.bundle, runtime.name(), check=False)
    assert result.returncode == 1 and "ONGGI_GUEST_KERNEL=huge" in result.stderr


# ---- one VM, many processes ----


def test_the_guest_has_a_kernel_of_its_own(running):
    guest = execute(running, "/bin/uname", "-r").stdout.strip()
    assert guest and guest != os.uname().release


def test_what_a_vm_cannot_do_is_said_and_what_it_uses_is_counted(running):
    runtime, name = running
    for words in (["pause"], ["resume"], ["update", "--memory", "64m"], ["ps"], ["events"]):
        result = runtime.call(*words, name, check=False)
        assert result.returncode == 1 and "cannot be done with isolation vm" in result.stderr
    assert "isolation vm" in execute(running, "/bin/true", flags=("--cgroup", "x"), check=False).stderr
    stats = json.loads(runtime.call("events", "--stats", name).stdout)["data"]
    assert stats["memory"]["usage"]["usage"] > 20 << 20 and stats["cpu"]["usage"]["total"] > 10 ** 8


def test_the_workload_is_pid_1_and_sees_only_its_own_processes(running):
    lines = execute(running, "/bin/ps", "-o", "pid,args").stdout.splitlines()
    assert lines[1].split() == ["1", "/bin/sleep", "100000"]
    assert not any("onggi-init" in line for line in lines)
    execute(running, "/bin/kill", "-9", "1", check=False)
    assert execute(running, "/bin/true").returncode == 0


def test_host_name_hosts_and_mounts_are_as_in_a_container(running):
    assert execute(running, "/bin/hostname").stdout == "guest7\n"
    assert "guest7" in execute(running, "/bin/cat", "/etc/hosts").stdout
    mounts = execute(running, "/bin/cat", "/proc/mounts").stdout
    for target in ("/proc", "/dev", "/dev/pts", "/dev/shm", "/sys"):
        assert f" {target} " in mounts
    assert execute(running, "/bin/sh", "-c", "echo 1 > /proc/sys/kernel/printk",
                   check=False).returncode != 0
    assert "lo" in execute(running, "/bin/sh", "-c", "cat /proc/net/dev").stdout


def test_an_exec_has_the_users_groups_capabilities_and_limits(running):
    assert "uid=1000(user) gid=1000(user)" in execute(running, "/bin/id").stdout
    status = execute(running, "/bin/cat", "/proc/self/status").stdout
    assert "CapInh:\t0000000000000000" in status
    assert "CapBnd:\t000001ffffffffff" not in status
    assert execute(running, "/bin/sh", "-c", "ulimit -n").stdout.strip() == "1024"


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_an_exec_ends_with_its_programs_status(running, status):
    assert execute(running, "/bin/sh", "-c", f"exit {status}", check=False).returncode == status


def test_an_exec_that_a_signal_ended_says_so(running):
    assert execute(running, "/bin/sh", "-c", "kill -TERM $$", check=False).returncode == 128 + 15


def test_a_program_that_is_not_there_is_named(running):
    result = execute(running, "/bin/nosuch", check=False)
    assert result.returncode != 0 and "/bin/nosuch" in result.stderr


def test_stdin_is_carried_to_its_end(running):
    text = "".join(f"line {n}\n" for n in range(20000))
    assert execute(running, "/bin/cat", input=text, stdin=None).stdout == text


def test_stdout_and_stderr_stay_apart(running):
    result = execute(running, "/bin/sh", "-c", "echo out; echo err >&2")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_100_mb_arrive_unharmed(running):
    script = "dd if=/dev/urandom of=/dev/shm/r bs=1M count=10 2>/dev/null; sha256sum /dev/shm/r >&2; " \
             "for i in 0 1 2 3 4 5 6 7 8 9; do cat /dev/shm/r; done"
    result = execute(running, "/bin/sh", "-c", script, text=False)
    want = result.stderr.split()[0].decode()
    assert len(result.stdout) == 100 << 20
    for begin in range(0, len(result.stdout), 10 << 20):
        assert hashlib.sha256(result.stdout[begin:begin + (10 << 20)]).hexdigest() == want


def test_a_writer_whose_reader_has_gone_is_told(running):
    runtime, name = running
    command = runtime.command("exec", name, "/bin/yes")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(4) == b"y\ny\n"
        process.stdout.close()
        assert process.wait(TIMEOUT_S) in (1, 128 + 13)


def test_one_slow_stream_does_not_hold_up_another(running):
    runtime, name = running
    command = runtime.command("exec", name, "/bin/yes")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(2) == b"y\n"  # and no more: its credit is soon used up
        assert execute(running, "/bin/echo", "through").stdout == "through\n"
        process.stdout.close()
        process.wait(TIMEOUT_S)


def read_until(fd, wanted):
    seen = b""
    end = time.monotonic() + TIMEOUT_S
    while wanted not in seen:
        assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], seen
        seen += os.read(fd, 4096)
    return seen


def open_terminal(runtime, folder, *words):
    """Runs the program with a console socket; returns the terminal's master."""
    path = folder / "console.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        with subprocess.Popen(runtime.command(*words[:1], "--console-socket", path, *words[1:]),
                              stdin=subprocess.DEVNULL) as process:
            master = bundles.receive_terminal(listener)
            assert process.wait(TIMEOUT_S) == 0
    return master


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_a_terminal_echoes_resizes_and_interrupts(running, tmp_path):
    runtime, name = running
    master = open_terminal(runtime, tmp_path, "exec", "-t", "-d", name, "/bin/sh")
    try:
        read_until(master, b"$ ")
        os.write(master, b"echo a$((40+2))b\n")
        seen = read_until(master, b"a42b")
        assert b"echo a$((40+2))b\r\n" in seen  # echoed once, by the guest's terminal alone
        assert seen.count(b"$((40+2))") == 1
        resize(master, 33, 101)
        os.write(master, b"while [ \"$(stty size)\" != '33 101' ]; do sleep 0.1; done; echo si''zed\n")
        read_until(master, b"sized")
        # One process, so that the terminal is its own by the time that it says so.
        os.write(master, b"sh -c 'tty; exec sleep 1000'\n")
        read_until(master, b"/dev/pts/")
        os.write(master, b"\x03")
        os.write(master, b"echo inter''rupted\n")
        read_until(master, b"interrupted")
        os.write(master, b"exit\n")
    finally:
        os.close(master)


def test_an_exec_on_a_terminal_ends_with_its_programs_status(running, tmp_path):
    runtime, name = running
    path = tmp_path / "console.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        command = runtime.command("exec", "-t", "--console-socket", path, name, "/bin/sh")
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            master = bundles.receive_terminal(listener)
            try:
                read_until(master, b"$ ")
                resize(master, 20, 40)
                os.write(master, b"while [ \"$(stty size)\" != '20 40' ]; do sleep 0.1; done; exit 8\n")
                assert process.wait(TIMEOUT_S) == 8
            finally:
                os.close(master)


# ---- a VM each ----


def test_a_run_prints_and_ends_with_the_programs_status(runtime):
    result = runtime.run("/bin/sh", "-c", "echo hello; echo $X; cat; exit 5", check=False,
                         input="typed\n", stdin=None)
    assert (result.stdout, result.returncode) == ("hello\n\ntyped\n", 5), result.stderr
    assert not list(runtime.root.iterdir())


def test_the_states_follow_each_other_and_nothing_is_left(runtime):
    runtime.config["process"]["args"] = []
    name = runtime.create("/bin/sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done")
    state = runtime.state(name)
    hypervisor = hypervisor_of(state["pid"])
    assert state["status"] == "created"
    runtime.call("start", name)
    assert runtime.state(name)["status"] == "running"
    runtime.call("kill", name, "KILL")
    wait_gone(hypervisor)
    runtime.wait_for(name, "stopped")
    runtime.call("delete", name)
    assert bundles.left(name) == []


def test_a_user_by_name_is_looked_up_in_the_image(runtime):
    runtime.config.setdefault("annotations", {})["org.onggi.user"] = "user"
    result = runtime.run("/bin/sh", "-c", "id; echo $HOME")
    assert "uid=1000(user) gid=1000(user) groups=44(video)" in result.stdout
    assert "/home/user" in result.stdout


def test_a_user_that_the_image_lacks_is_refused(runtime):
    runtime.config.setdefault("annotations", {})["org.onggi.user"] = "nobody-there"
    result = runtime.run("/bin/id", check=False)
    assert result.returncode != 0 and "no user 'nobody-there'" in result.stderr


def test_what_is_written_to_the_scratch_disk_stays(runtime, require):
    require.tool("mkfs.ext4")
    runtime.scratch = runtime.folder / "scratch.img"
    with runtime.scratch.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-E", "root_owner=0:0", runtime.scratch], check=True,
                   env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    runtime.run("/bin/sh", "-c", "echo kept > /tmp/file; rm /etc/group")
    assert runtime.run("/bin/sh", "-c", "cat /tmp/file; ls /etc/group", check=False).stdout == "kept\n"


def test_a_disk_of_parts_is_one_disk(runtime):
    """The image's file cut in two, with a gap of zeros behind it."""
    whole = runtime.disk.read_bytes()
    half = len(whole) // 2 // 4096 * 4096
    first, second, third = (runtime.folder / name for name in ("first", "second", "third"))
    first.write_bytes(whole[:half])
    second.write_bytes(whole[half:])
    third.write_bytes(b"third" + bytes(507))
    gap = len(whole) + (1 << 20)
    parts = [(first, 0), (second, half), (third, gap)]
    runtime.config.setdefault("annotations", {})["org.onggi.vm.disks"] = json.dumps(
        [{"readonly": True, "parts": [{"path": str(p), "offset": o} for p, o in parts]}])
    assert runtime.run("/bin/sh", "-c", "ls -la /bin/busybox && echo whole").stdout.endswith("whole\n")


@pytest.mark.parametrize("victim", ["supervisor", "hypervisor"])
def test_a_kill_leaves_nothing_that_delete_does_not_remove(runtime, victim):
    name = runtime.start("/bin/sleep", "100000")
    supervisor = runtime.state(name)["pid"]
    hypervisor = hypervisor_of(supervisor)
    os.kill(supervisor if victim == "supervisor" else hypervisor, signal.SIGKILL)
    wait_gone(hypervisor)
    wait_gone(supervisor)
    runtime.wait_for(name, "stopped")
    runtime.call("delete", "--force", name)
    assert bundles.left(name) == []
    assert not list(runtime.root.iterdir())


def test_a_killed_create_takes_its_vm_with_it(runtime):
    runtime.config["process"]["args"] = ["/bin/sleep", "100000"]
    runtime.write()
    name = runtime.name()
    with subprocess.Popen(runtime.command("create", "--bundle", runtime.bundle, name),
                          stdin=subprocess.DEVNULL) as process:
        sockets = runtime.root / name / "vm.sock"
        while not sockets.exists():
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    runtime.call("delete", "--force", name)
    assert bundles.left(name) == []
    assert not list(runtime.root.iterdir())


# ---- what is refused, before anything is started ----


def refused(runtime, *words):
    result = runtime.run("/bin/true", check=False)
    assert result.returncode != 0
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr
    assert not runtime.root.exists() or not list(runtime.root.iterdir())


def test_a_bind_mount_is_refused_under_qemu(runtime):
    if os.environ.get("ONGGI_HYPERVISOR") == "onggi-vmm":
        pytest.skip("onggi-vmm shares folders (test_workload_volumes.py)")
    runtime.config["mounts"].append({"destination": "/data", "type": "bind", "source": "/srv",
                                     "options": ["rbind"]})
    refused(runtime, "/data", "under qemu a VM shares no folders of the host")


def test_a_bundle_without_disks_is_refused(runtime):
    runtime.config["annotations"] = {"org.onggi.vm.disks": "[]"}
    refused(runtime, "org.onggi.vm.disks")


@pytest.mark.parametrize("disks,word", [
    ("nonsense", "org.onggi.vm.disks"),
    ('[{"readonly":true,"parts":[{"path":"/nosuch","offset":0}]}]', "/nosuch"),
    ('[{"readonly":true,"parts":[{"path":"/dev/null","offset":0}]}]', "/dev/null"),
    ('[{"readonly":true,"parts":[{"path":"relative","offset":0}]}]', "absolute"),
    ('[{"readonly":true,"parts":[{"path":"/bin/busybox","offset":5}]}]', "aligned"),
])
def test_disks_that_are_none_are_refused_by_name(runtime, disks, word):
    runtime.config["annotations"] = {"org.onggi.vm.disks": disks}
    refused(runtime, word)


def test_a_kernel_that_is_no_kernel_is_refused(runtime):
    runtime.config.setdefault("annotations", {})["org.onggi.vm.kernel"] = "/bin/busybox.none"
    refused(runtime, "no guest kernel at '/bin/busybox.none'")
    junk = runtime.folder / "junk"
    junk.write_bytes(bytes(100000))
    runtime.config["annotations"]["org.onggi.vm.kernel"] = str(junk)
    refused(runtime, "is no kernel", str(junk))


def test_an_image_that_is_none_is_the_guests_error(runtime):
    runtime.disk.write_bytes(bytes(1 << 20))
    refused(runtime, "mount the image")


def test_which_hypervisor_will_be_used_can_be_asked(runtime):
    annotations = json.loads(runtime.call("features").stdout)["annotations"]
    assert annotations["org.onggi.vm.hypervisor"] in ("onggi-vmm", "qemu")
    assert annotations["org.onggi.vm.reason"]
