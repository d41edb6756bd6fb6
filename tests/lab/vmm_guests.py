#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs inside the lab: boots Linux under onggi-vmm again and again, and prints what came of it.

    vmm_guests.py PREFIX KERNELS INITRAMFS WORKDIR [CASE...]

KERNELS is a folder with the kernel as vmlinux and as vmlinuz. Prints one JSON object:
{name of the run: {status, output, seconds, ...}}; a case that broke is {name: {"broke": why}}.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback

import api_cases

PREFIX, KERNELS, INITRAMFS, WORK = (pathlib.Path(word) for word in sys.argv[1:5])
CMDLINE = "console=ttyS0 quiet panic=-1 cryptomgr.notests"
RESULTS = {}
MEMORY_MIB = 256


def own_memory_kib(pid):
    """What the process takes beside the guest's memory, proportionally."""
    total = size = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if re.match(r"[0-9a-f]+-[0-9a-f]+$", words[0]):
            start, end = (int(word, 16) for word in words[0].split("-"))
            size = end - start
        elif words[0] == "Pss:" and size != MEMORY_MIB << 20:
            total += int(words[1])
    return total


def run(name, command, *options, kernel="vmlinux", talk=None, initramfs=True, more="", seconds=300):
    """Boots a guest, lets talk(stream, pid) use its console, and waits for its end."""
    ours, theirs = socket.socketpair()
    words = [PREFIX / "bin/onggi-vmm", "--kernel", KERNELS / kernel,
             "--memory", MEMORY_MIB, "--serial", "stdio", "--console", f"fd:{theirs.fileno()}",
             "--cmdline", f"{CMDLINE} lab.run={command} {more}", *options]
    words += ["--initrd", INITRAMFS] if initramfs else []
    begin = time.monotonic()
    process = subprocess.Popen([str(w) for w in words], pass_fds=[theirs.fileno()],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    theirs.close()
    more = talk(ours, process.pid) if talk else {}
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        more["timeout"] = True
    RESULTS[name] = {"status": process.returncode, "output": output.decode(errors="replace"),
                     "seconds": round(time.monotonic() - begin, 1), **more}


def swallow(stream, pid):
    """Takes 100 MiB of zeros and says how fast they came."""
    size = bad = own = 0
    begin = None
    while size < 3200 * 32768 and (chunk := stream.recv(1 << 20)):
        begin = begin or time.monotonic()
        bad += len(chunk) - chunk.count(0)
        size += len(chunk)
        if not own and size > 50 << 20:
            own = own_memory_kib(pid)
    seconds = time.monotonic() - (begin or 0)
    stream.sendall(b"k")
    return {"bytes": size, "bad": bad, "mb_per_s": round(size / 1e6 / seconds), "own_kib": own}


def echo(stream, pid):
    del pid
    data, got = os.urandom(4 << 20), bytearray()
    sender = threading.Thread(target=stream.sendall, args=[data])
    sender.start()
    while len(got) < len(data) and (chunk := stream.recv(1 << 20)):
        got += chunk
    sender.join()
    stream.shutdown(socket.SHUT_WR)
    return {"equal": bytes(got) == data}


def make_ext4(path, mib, *options):
    with open(path, "wb") as file:
        file.truncate(mib << 20)
    subprocess.run(["/sbin/mkfs.ext4", "-q", *options, path], check=True)


def make_disks():
    """An EROFS image cut in two parts with a gap behind, and an ext4 disk; their truth."""
    tree = WORK / "tree/tree"
    tree.mkdir(parents=True)
    sums = {}
    for i in range(20):
        data = os.urandom(10_000 * i)
        (tree / f"file{i}").write_bytes(data)
        sums[f"tree/file{i}"] = hashlib.md5(data).hexdigest()
    subprocess.run(["mkfs.erofs", "--quiet", WORK / "image", tree.parent], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    image = (WORK / "image").read_bytes()
    (WORK / "one").write_bytes(image[:512_000])
    (WORK / "two").write_bytes(image[512_000:])
    whole = hashlib.md5(image + bytes(-len(image) % 512)).hexdigest()
    make_ext4(WORK / "rw", 64)
    RESULTS["truth"] = {"sums": sums, "whole": whole}


IMAGE = ["--disk-readonly", WORK / "one", "--part", f"512000:{WORK / 'two'}"]


def processors():
    for cpus in (1, 2, 4):
        run(f"facts-{cpus}", "facts", "--cpus", cpus)


def disks():
    make_disks()
    run("disks", "disks", *IMAGE, "--disk", WORK / "rw", "--cpus", 2)
    make_ext4(WORK / "pci", 64)
    run("disks-pci", "disks", *IMAGE, "--disk", WORK / "pci", "--cpus", 2, "--pci")
    fsck = subprocess.run(["/sbin/e2fsck", "-fn", WORK / "rw"], capture_output=True, check=False)
    file = out_of_ext4(WORK / "rw", "file")
    RESULTS["ext4"] = {"fsck": fsck.returncode, "file": hashlib.md5(file).hexdigest(), "bytes": len(file)}
    run("load", "load", *IMAGE, "--cpus", 2)


def out_of_ext4(path, name):
    return subprocess.run(["/sbin/debugfs", "-R", f"cat {name}", path], capture_output=True, check=False).stdout


def pmem():
    """Two files as memory: an ext4 that the guest writes to, and an EROFS that it may only read."""
    tree = WORK / "pmem"
    tree.mkdir()
    tree.joinpath("given").write_bytes(os.urandom(300_000))
    make_ext4(WORK / "pmem.ext4", 64, "-b", "4096", "-d", tree)
    image = WORK / "pmem.erofs"
    subprocess.run(["mkfs.erofs", "--quiet", image, tree], check=True, stdout=subprocess.DEVNULL)
    before = image.read_bytes()
    run("pmem", "pmem", "--pmem", WORK / "pmem.ext4", "--pmem-readonly", image)
    fsck = subprocess.run(["/sbin/e2fsck", "-fn", WORK / "pmem.ext4"], capture_output=True, check=False)
    memory = before + bytes(-len(before) % (2 << 20))  # what the guest has of it
    RESULTS["pmem"] |= {"fsck": fsck.returncode, "given": hashlib.md5(tree.joinpath("given").read_bytes()).hexdigest(),
                        "file": hashlib.md5(out_of_ext4(WORK / "pmem.ext4", "file")).hexdigest(),
                        "image": hashlib.md5(memory).hexdigest(), "unchanged": image.read_bytes() == before}


def root_on_disk():
    """The root is an ext4 disk; a kernel with all built in needs no initramfs for it."""
    tree = WORK / "root"
    for folder in ("bin", "dev", "proc", "sys"):
        tree.joinpath(folder).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    tree.joinpath("init").write_text("""#!/bin/busybox sh
[ -e /proc/mounts ] || /bin/busybox mount -t proc proc /proc
echo "root=$(/bin/busybox sed -n 's/.* \\/ \\(ext[0-9]\\).*/\\1/p' /proc/mounts)"
echo kept >/kept && /bin/busybox mount -o remount,ro /
/bin/busybox poweroff -f
""")
    tree.joinpath("init").chmod(0o755)
    make_ext4(WORK / "root.ext4", 64, "-d", tree)
    direct = not KERNELS.joinpath("modules").exists()
    run("root", "root", "--disk", WORK / "root.ext4", initramfs=not direct,
        more="root=/dev/vda rw init=/init" if direct else "")
    RESULTS["root"]["kept"] = out_of_ext4(WORK / "root.ext4", "kept").decode()


def connect_until_it_listens(path, port):
    """A stream to the guest's port, as Firecracker has it: CONNECT, and OK when it is there."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.connect(str(path))
            stream.sendall(f"CONNECT {port}\n".encode())
            answer = b""
            while not answer.endswith(b"\n") and (octet := stream.recv(1)):
                answer += octet
            if answer.startswith(b"OK "):
                return stream
        except OSError:
            pass
        stream.close()
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens at {port}")


def vsock_into_the_guest(name, *options):
    path = WORK / f"{name}.sock"

    def talk(stream, pid):
        with connect_until_it_listens(path, 1000) as peer:
            return echo(peer, pid)
    run(name, "vsock_echo", "--vsock", f"3:{path}", *options, talk=talk)


def vsock_out_of_the_guest(name, *options):
    path = WORK / f"{name}.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{path}_2000")
    server.listen()
    server.settimeout(120)

    def talk(stream, pid):
        peer, _ = server.accept()
        size = 0
        while chunk := peer.recv(1 << 20):
            peer.sendall(chunk)
            size += len(chunk)
        return {"bytes": size}
    with server:
        run(name, "vsock_send", "--vsock", f"3:{path}", *options, talk=talk)


def take_all(server, got):
    peer, _ = server.accept()
    with peer:
        while chunk := peer.recv(1 << 20):
            got += chunk


def network(name, *options):
    """A tap to the lab's own network: ping, a download and an upload of 10 MiB each."""
    tap = name[:15]
    subprocess.run(["ip", "tuntap", "add", "dev", tap, "mode", "tap"], check=True)
    subprocess.run(["ip", "addr", "add", "10.9.0.1/24", "dev", tap], check=True)
    subprocess.run(["ip", "link", "set", tap, "up"], check=True)
    served, got = WORK / name, bytearray()
    served.mkdir()
    served.joinpath("file").write_bytes(os.urandom(10 << 20))
    files = subprocess.Popen([sys.executable, "-m", "http.server", "-d", served, "-b", "10.9.0.1", "8000"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with socket.create_server(("10.9.0.1", 8001)) as sink:
            threading.Thread(target=take_all, args=[sink, got], daemon=True).start()
            run(name, "network", "--net", f"tap={tap},mac=52:54:00:00:00:2a", *options)
    finally:
        files.kill()
        files.wait()
        subprocess.run(["ip", "link", "del", tap], check=True)
    RESULTS[name] |= {"served": hashlib.md5(served.joinpath("file").read_bytes()).hexdigest(),
                      "got": hashlib.md5(got).hexdigest()}


# What the host made, what the guest makes, and its random steps; Debian's kernel is asked for fewer.
FILES, OURS, STEPS = (500, 100, 200) if KERNELS.joinpath("modules").exists() else (10000, 500, 1000)


def tool_sum(folder):
    return subprocess.run([KERNELS / "guest-tool", "sum", folder], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


def share(name="share"):
    """A folder by virtio-fs: both sides sum up what the host made, and what the guest made."""
    folder = WORK / name
    folder.mkdir()
    subprocess.run([KERNELS / "guest-tool", "fill", folder / "theirs", str(FILES), "3"], check=True)
    run(name, "share", "--fs", f"tag=shared,path={folder}", more=f"lab.files={OURS} lab.steps={STEPS}",
        seconds=900)
    RESULTS[name] |= {part: tool_sum(folder / part) for part in ("theirs", "ours", "stress")}


def probe():
    found = subprocess.run([PREFIX / "bin/onggi-vmm", "--probe"], capture_output=True, text=True,
                           check=False)
    RESULTS["probe"] = {"status": found.returncode, "output": found.stderr}


CASES = {
    "processors": processors,
    "bzimage": lambda: run("bzimage", "facts", kernel="vmlinuz"),
    "disks": disks,
    "pmem": pmem,
    "root": root_on_disk,
    "facts-pci": lambda: run("facts-pci", "facts", "--pci", "--cpus", 2),
    "vsock-in": lambda: vsock_into_the_guest("vsock-in"),
    "vsock-out": lambda: vsock_out_of_the_guest("vsock-out"),
    "vsock-pci": lambda: vsock_into_the_guest("vsock-pci", "--pci"),
    "net": lambda: network("net", "--cpus", 2),
    "net-pci": lambda: network("net-pci", "--pci"),
    "send": lambda: run("send", "send", "--cpus", 2, talk=swallow),
    "echo": lambda: run("echo", "echo_back", "--cpus", 2, talk=echo),
    "share": share,
    "reboot": lambda: run("reboot", "reboot", "--cpus", 2),
    "panic": lambda: run("panic", "panic"),
    "probe": probe,
}


def main():
    asked = api_cases.all_cases(PREFIX, KERNELS, INITRAMFS, WORK, CMDLINE)
    for name in sys.argv[5:] or [*CASES, *asked]:
        begin = time.monotonic()
        try:
            if name in asked:
                RESULTS[name] = asked[name]()
            else:
                CASES[name]()
        except Exception:  # one case's trouble is not the others'
            RESULTS[name] = {"broke": traceback.format_exc()}
            print(RESULTS[name]["broke"], file=sys.stderr, flush=True)
        print(f"{name}: {time.monotonic() - begin:.1f} s", file=sys.stderr, flush=True)
    print(json.dumps(RESULTS))


main()
