# SPDX-License-Identifier: Apache-2.0
"""Mounts of a workload, seen from inside: options, propagation, mapped IDs, kinds of file systems."""

import contextlib
import os
import pathlib
import subprocess

import pytest



@pytest.fixture
def mount():
    """A function that mounts on the host, for this test."""
    with contextlib.ExitStack() as stack:
        def add(*words):
            subprocess.run(["mount", *map(str, words)], check=True)
            if words[0] == "-t":
                stack.callback(subprocess.run, ["umount", "-l", str(words[-1])], check=True)
        yield add


@pytest.fixture
def volume(tmp_path, mount):
    """A folder of the host that is a mount, with another one on `below`."""
    path = tmp_path / "volume"
    path.mkdir()
    mount("-t", "tmpfs", "tmpfs", path)
    mount("--make-private", path)
    path.joinpath("below").mkdir()
    mount("-t", "tmpfs", "tmpfs", path / "below")
    mount("--make-private", path / "below")
    path.joinpath("file").write_text("from outside")
    return path


def seen(text):
    """{mount point: (options of the mount, optional fields, kind, options of the file system)}"""
    found = {}
    for line in text.splitlines():
        left, right = line.split(" - ", 1)
        words = left.split()
        found[words[4]] = (set(words[5].split(",")), words[6:], right.split()[0], right.split()[2].split(","))
    return found


def mounts_of(runtime):
    return seen(runtime.sh("cat /proc/self/mountinfo"))


def bind(source, *options, destination="/vol", **rest):
    return {"destination": destination, "source": str(source), "options": list(options), **rest}


def refused(runtime, *mounts):
    runtime.config["mounts"] += mounts
    result = runtime.run("/bin/true", check=False)
    del runtime.config["mounts"][-len(mounts):]
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    return result.stderr


# ---- options ----


PAIRS = [("ro", "rw"), ("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec"), ("nodiratime", "diratime"),
         ("nosymfollow", "symfollow"), ("noatime", "atime"), ("noatime", "strictatime"), ("relatime", "norelatime")]


def test_every_attribute_and_its_negation(runtime, volume):
    for i, (word, negation) in enumerate(PAIRS):
        runtime.config["mounts"] += [bind(volume, "bind", word, destination=f"/on{i}"),
                                     bind(volume, "bind", word, negation, destination=f"/off{i}")]
    found = mounts_of(runtime)
    for i, (word, _) in enumerate(PAIRS):
        assert word in found[f"/on{i}"][0], word
        assert word not in found[f"/off{i}"][0], word


def test_every_recursive_attribute_and_its_negation(runtime, volume):
    for i, (word, negation) in enumerate(PAIRS):
        runtime.config["mounts"] += [bind(volume, "rbind", f"r{word}", destination=f"/on{i}"),
                                     bind(volume, "rbind", f"r{word}", f"r{negation}", destination=f"/off{i}"),
                                     bind(volume, "rbind", word, destination=f"/top{i}")]
    found = mounts_of(runtime)
    for i, (word, _) in enumerate(PAIRS):
        for below in ("", "/below"):
            assert word in found[f"/on{i}{below}"][0], word
            assert word not in found[f"/off{i}{below}"][0], word
        assert word in found[f"/top{i}"][0]
        if word != "relatime":  # which is what a mount has anyway
            assert word not in found[f"/top{i}/below"][0]


def test_words_of_the_file_system_reach_it(runtime):
    runtime.config["mounts"] += [
        {"destination": "/a", "type": "tmpfs", "source": "one", "options": ["sync", "dirsync", "lazytime", "nr_inodes=7"]},
        {"destination": "/b", "type": "tmpfs", "source": "two", "options": ["iversion", "size=64k", "nosuid", "noatime", "ro"]},
        {"destination": "/c", "type": "tmpfs", "options": ["defaults", "async", "loud", "silent", "nofail", "x-any.thing=1",
                                                           "nomand", "noiversion", "nolazytime", "rro", "rnoexec"]}]
    found = mounts_of(runtime)
    assert {"sync", "dirsync", "lazytime", "nr_inodes=7"} <= set(found["/a"][3])
    assert {"size=64k", "ro"} <= set(found["/b"][3]) and {"nosuid", "noatime", "ro"} <= found["/b"][0]
    assert {"ro", "noexec"} <= found["/c"][0]
    assert "mounts[%d] '/d'" % len(runtime.config["mounts"]) in refused(
        runtime, {"destination": "/d", "type": "tmpfs", "options": ["nonsense=1"]})


def test_a_bind_mount_takes_no_words_of_a_file_system(runtime, volume):
    for word in ("size=1", "sync", "nonsense", "iversion"):
        error = refused(runtime, bind(volume, "bind", word))
        assert "'/vol'" in error and word in error


def test_missing_sources_and_types_are_named(runtime, tmp_path):
    assert "source is missing" in refused(runtime, {"destination": "/vol", "options": ["bind"]})
    assert str(tmp_path / "no") in refused(runtime, bind(tmp_path / "no", "rbind"))
    assert "type is missing" in refused(runtime, {"destination": "/vol"})
    assert "no file system 'nothing'" in refused(runtime, {"destination": "/vol", "type": "nothing"})


def test_files_are_bound_over_files_folders_over_folders(runtime, tmp_path):
    (tmp_path / "one").write_text("one file")
    relative = runtime.bundle / "inner"
    relative.mkdir()
    (relative / "x").write_text("of the bundle")
    runtime.config["mounts"] += [bind(tmp_path / "one", "bind", "ro", destination="/new/deep/one"),
                                 bind(tmp_path / "one", "bind", destination="/etc/passwd"),
                                 bind("inner", "bind", destination="/inner")]
    assert runtime.sh("cat /new/deep/one /etc/passwd /inner/x; echo x 2>/dev/null >> /new/deep/one || echo no") == \
        "one fileone fileof the bundleno\n"
    assert "'/bin'" in refused(runtime, bind(tmp_path / "one", "bind", destination="/bin"))


def test_remount_changes_what_is_named_and_nothing_else(runtime, volume):
    runtime.config["mounts"] += [
        {"destination": "/t", "type": "tmpfs", "options": ["size=64k", "nosuid", "nodev"]},
        {"destination": "/t", "type": "tmpfs", "options": ["remount", "size=128k", "noexec", "dev"]},
        bind(volume, "bind", "nosuid"),
        {"destination": "/vol", "options": ["bind", "remount", "ro"]}]
    found = mounts_of(runtime)
    assert "size=128k" in found["/t"][3] and {"nosuid", "noexec"} <= found["/t"][0] and "nodev" not in found["/t"][0]
    assert {"ro", "nosuid"} <= found["/vol"][0]
    assert "'/bin'" in refused(runtime, {"destination": "/bin", "options": ["remount", "ro"]})


# ---- kinds ----


def test_file_systems_by_their_type(runtime, tmp_path, volume):
    for name in ("lower", "a" * 200, "b" * 200):
        volume.joinpath(name).mkdir()
    volume.joinpath("lower/x").write_text("lower")
    layers = f"lowerdir={volume}/{'a' * 200}:{volume}/lower"
    runtime.config["mounts"] += [
        {"destination": "/q", "type": "mqueue", "source": "mqueue"},
        {"destination": "/p", "type": "proc", "source": "proc", "options": ["hidepid=2"]},
        {"destination": "/s", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        {"destination": "/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
        {"destination": "/cg", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
        {"destination": "/o", "type": "overlay", "source": "overlay", "options": [f"lowerdir={volume}/lower:{volume}/below"]},
        {"destination": "/long", "type": "overlay", "source": "overlay", "options": [layers, "nodev"]}]
    out = runtime.sh("cat /o/x /long/x; echo; cat /proc/self/mountinfo; cat /p/1/comm | grep -q . && ls -d /cg/* | head -1 >&2")
    assert out.startswith("lowerlower\n")
    found = seen(out.split("\n", 1)[1])
    kinds = {place: found[place][2] for place in ("/q", "/p", "/s", "/pts", "/o", "/long")}
    assert kinds == {"/q": "mqueue", "/p": "proc", "/s": "sysfs", "/pts": "devpts", "/o": "overlay", "/long": "overlay"}
    assert "nodev" in found["/long"][0] and "ro" in found["/s"][0]
    assert any(place == "/cg" or place.startswith("/cg/") for place in found)


def test_tmpcopyup_keeps_what_is_there(runtime):
    inner = runtime.rootfs / "data/sub"
    inner.mkdir(parents=True)
    (inner / "file").write_text("kept")
    os.chown(inner / "file", 12, 34)
    os.chmod(inner / "file", 0o4751)
    os.utime(inner / "file", (1000, 1000))
    (inner / "link").symlink_to("/etc/shadow")
    os.mkfifo(inner / "fifo", 0o600)
    os.chown(inner, 5, 6)
    runtime.config["mounts"].append({"destination": "/data", "type": "tmpfs", "options": ["tmpcopyup", "size=1m"]})
    out = runtime.sh("cat /data/sub/file; echo; cd /data/sub; stat -c '%n %a %u %g %Y %F' file fifo . ; readlink link; touch /data/new")
    assert out.splitlines()[:2] == ["kept", "file 4751 12 34 1000 regular file"]
    assert out.splitlines()[2].startswith("fifo 600 0 0") and out.splitlines()[3].startswith(". 755 5 6")
    assert out.splitlines()[4] == "/etc/shadow"
    assert not (runtime.rootfs / "data/new").exists()
    (inner / "big").write_bytes(bytes(2 << 20))
    result = runtime.run("/bin/true", check=False)
    assert result.returncode == 1 and "'/data'" in result.stderr and "tmpcopyup" in result.stderr


# ---- propagation ----


def test_propagation_words(runtime, volume):
    words = ["private", "shared", "slave", "unbindable", "rprivate", "rshared", "rslave", "runbindable"]
    for word in words:
        runtime.config["mounts"].append(bind(volume, "rbind", word, destination=f"/{word}"))
    found = mounts_of(runtime)

    def fields(place):
        return " ".join(found[place][1])

    for word in words:
        kind = word[1:] if word.startswith("r") else word
        for below in ("", "/below"):
            asked = kind if below == "" or word.startswith("r") else "private"
            # A slave of a private mount has no master: it is private.
            expected = {"shared": "shared:", "unbindable": "unbindable"}.get(asked, "")
            assert fields(f"/{word}{below}").startswith(expected), (word, below)
            assert expected or fields(f"/{word}{below}") == "", (word, below)


def test_mounts_of_the_host_come_in_and_those_inside_go_out_as_asked(runtime, volume, mount, tmp_path):
    mount("--make-shared", volume)
    for name in ("late", "inner"):
        (volume / name).mkdir()
    cases = {"rslave": (True, False), "rshared": (True, True), "rprivate": (False, False)}
    runtime.config["process"]["capabilities"]["bounding"].append("CAP_SYS_ADMIN")
    for kind in ("effective", "permitted"):
        runtime.config["process"]["capabilities"][kind].append("CAP_SYS_ADMIN")
    runtime.config["linux"].pop("seccomp", None)
    for word, (comes_in, goes_out) in cases.items():
        runtime.config["mounts"].append(bind(volume, "rbind", word))
        name = runtime.start("/bin/sleep", "1000")
        del runtime.config["mounts"][-1]
        subprocess.run(["mount", "-t", "tmpfs", "of-the-host", volume / "late"], check=True)
        try:
            inside = runtime.call("exec", name, "/bin/cat", "/proc/self/mountinfo").stdout
            assert ("of-the-host" in inside) == comes_in, word
            runtime.call("exec", name, "/bin/mount", "-t", "tmpfs", "of-the-guest", "/vol/inner")
            outside = pathlib.Path("/proc/self/mountinfo").read_text()
            assert (f"{volume}/inner " in outside) == goes_out, word
        finally:
            runtime.call("delete", "--force", name)
            subprocess.run(["umount", "-l", volume / "late"], check=True)
            subprocess.run(["umount", "-l", volume / "inner"], check=False, stderr=subprocess.DEVNULL)


# ---- mapped IDs ----


def owners(runtime, *paths):
    return [tuple(map(int, line.split())) for line in
            runtime.sh(f"stat -c '%u %g' {' '.join(paths)}").splitlines()]


def maps(host_id, size=65536, container_id=0):
    return [{"containerID": container_id, "hostID": host_id, "size": size}]


@pytest.mark.in_lab
def test_an_id_mapped_mount_has_its_own_mapping(runtime, volume):
    os.chown(volume / "file", 7, 8)
    (volume / "below/file").write_text("x")
    mapped = {"uidMappings": maps(1000), "gidMappings": maps(2000)}
    runtime.config["mounts"] += [bind(volume, "rbind", "idmap", destination="/top", **mapped),
                                 bind(volume, "rbind", "ridmap", destination="/all", **mapped),
                                 bind(volume, "rbind", destination="/implied", **mapped),
                                 bind(volume / "file", "bind", "idmap", destination="/one", **mapped)]
    found = owners(runtime, "/top/file", "/top/below/file", "/all/file", "/all/below/file", "/implied/file", "/one")
    assert found == [(1007, 2008), (0, 0), (1007, 2008), (1000, 2000), (1007, 2008), (1007, 2008)]
    assert os.stat(volume / "file").st_uid == 7


def test_what_is_written_through_an_id_mapped_mount_is_owned_on_disk(runtime, volume):
    volume.chmod(0o777)
    runtime.config["mounts"].append(bind(volume, "bind", "idmap", uidMappings=maps(1000), gidMappings=maps(1000)))
    runtime.config["process"]["user"] = {"uid": 1005, "gid": 1006}
    runtime.sh("touch /vol/made")
    assert (os.stat(volume / "made").st_uid, os.stat(volume / "made").st_gid) == (5, 6)


def test_id_mapped_mounts_that_cannot_be_are_refused(runtime, volume):
    assert "user namespace" in refused(runtime, bind(volume, "bind", "idmap"))
    assert "gidMappings" in refused(runtime, bind(volume, "bind", "idmap", uidMappings=maps(1)))
    assert "cannot be id-mapped" in refused(runtime, bind("/proc", "bind", "idmap", destination="/vol",
                                                          uidMappings=maps(1), gidMappings=maps(1)))
    assert "only bind mounts" in refused(runtime, {"destination": "/t", "type": "tmpfs", "options": ["idmap"]})
    many = [{"containerID": i, "hostID": i * 2, "size": 1} for i in range(341)]
    assert "340" in refused(runtime, bind(volume, "bind", "idmap", uidMappings=many, gidMappings=maps(1)))
    assert "uidMappings" in refused(runtime, bind(volume, "bind", "idmap", uidMappings=maps(1, 0), gidMappings=maps(1)))
