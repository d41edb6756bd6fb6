# SPDX-License-Identifier: Apache-2.0
"""Archives to EROFS, against oracles: fsck.erofs, the kernel, and GNU tar as root."""

import os
import random
import shutil
import subprocess

import pytest

import images
import trees

SEED = int(os.environ.get("ONGGI_TEST_SEED", random.randrange(1 << 32)))


class Store:
    """Folders of layers and merged files, worked on by the test program og-layer."""

    def __init__(self, folder, program, fsck):
        self.folder, self.program, self.fsck = folder, program, fsck
        self.layers, self.merged = folder / "layers", folder / "merged"
        self.layers.mkdir(), self.merged.mkdir()

    def run(self, *words, stdin=None, env=None, check=True):
        return subprocess.run([self.program, *words], stdin=stdin, env={**os.environ, **(env or {})},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=check)

    def make(self, archive, **env):
        """The layer's digest. `archive` is a path or the bytes themselves."""
        result = self.try_make(archive, **env)
        assert result.returncode == 0, result.stderr
        digest = result.stdout.split()[0]
        subprocess.run([self.fsck, self.layer(digest)], check=True, stdout=subprocess.DEVNULL)
        return digest

    def try_make(self, archive, **env):
        if isinstance(archive, bytes):
            path = self.folder / "pushed.tar"
            path.write_bytes(archive)
            archive = path
        with open(archive, "rb") as stdin:
            return self.run("make", self.layers, stdin=stdin, env=env, check=False)

    def layer(self, digest):
        return self.layers / f"{digest.removeprefix('sha256:')}.erofs"

    def merge(self, *digests):
        chain = self.run("merge", self.layers, self.merged, *digests).stdout.strip()
        return self.merged / f"{chain.removeprefix('sha256:')}.erofs"

    def mounted(self, *digests):
        """The merged image of these layers, mounted file-backed."""
        options = [("source", self.merge(*digests))]
        options += [("device", self.layer(digest)) for digest in digests]
        return trees.mounted("erofs", self.folder / "mnt", options)

    def devices(self, merged):
        lines = self.run("devices", merged).stdout.splitlines()
        rows = [line.split() for line in lines[1:]]
        return int(lines[0]), [(row[0], int(row[1]), int(row[2])) for row in rows]


@pytest.fixture(scope="module")
def program(require):
    return require.built("og-layer")


@pytest.fixture
def store(require, program, test_folder, tmp_path_factory):
    require.root()
    fsck = require.tool("fsck.erofs")
    if not trees.file_backed(test_folder):
        require.lacking("the kernel mounts no EROFS from files here (Linux 6.12)")
    folder = test_folder / f"store-{random.randrange(1 << 40):x}"
    folder.mkdir()
    yield Store(folder, program, fsck)
    shutil.rmtree(folder)


def unpack(archive, folder):
    """GNU tar as root: what the archive means."""
    folder.mkdir()
    subprocess.run(["tar", "--warning=no-timestamp", "--xattrs", "--xattrs-include=*", "--same-owner", "-xpf", archive, "-C", folder],
                   check=True)
    return trees.record(folder)


def pack(folder, archive, *options):
    attributes = [] if "--format=gnu" in options else ["--xattrs", "--xattrs-include=*"]
    subprocess.run(["tar", *attributes, *options, "-cf", archive, "-C", folder, "."], check=True)


def assert_same(one, other):
    assert not (text := trees.difference(one, other)), text


def test_a_debian_root_is_what_gnu_tar_unpacks(store, debian_tar):
    digest = store.make(debian_tar)
    expected = unpack(debian_tar, store.folder / "unpacked")
    with store.mounted(digest) as mnt:
        assert_same(expected, trees.record(mnt))


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_compressed_layer_is_the_same_layer(store, how):
    archive = images.busybox_layer()
    assert store.make(archive) == store.make(images.compress(archive, how)) == images.sha256(archive)


@pytest.mark.parametrize("options", [
    ["--format=pax"], ["--format=pax", "--sparse"], ["--format=gnu", "--sparse"],
    ["--format=pax", "--sparse", "--sparse-version=0.0"],
    ["--format=pax", "--sparse", "--sparse-version=0.1"],
], ids=" ".join)
@pytest.mark.parametrize("number", range(3))
def test_a_random_tree_is_what_gnu_tar_unpacks(store, options, number):
    seed = SEED + number
    print(f"ONGGI_TEST_SEED={SEED}")
    source = store.folder / "source"
    source.mkdir()
    trees.Grower(source, random.Random(seed)).grow(250)
    archive = store.folder / "tree.tar"
    pack(source, archive, *options)
    expected = unpack(archive, store.folder / "unpacked")
    digest = store.make(archive)
    with store.mounted(digest) as mnt:
        assert_same(expected, trees.record(mnt))
    # The layer's own file too, as the guest of one layer would see it.
    with trees.mounted("erofs", store.folder / "mnt", [("source", store.layer(digest))]) as mnt:
        assert_same(expected, trees.record(mnt))


def test_an_inode_at_the_very_end_of_a_block(store):
    """fsck.erofs reads on behind the last inode: wherever that ends there must be something."""
    source = store.folder / "files"
    source.mkdir()
    for number in range(130):  # two blocks of inodes and their folder's entries
        (source / f"f{number}").touch()
        pack(source, store.folder / "files.tar")
        store.make(store.folder / "files.tar")


def test_a_tree_read_by_fsck_has_the_same_content(store, debian_tar):
    digest = store.make(debian_tar)
    out = store.folder / "extracted"
    subprocess.run([store.fsck, f"--extract={out}", store.layer(digest)], check=True,
                   stdout=subprocess.DEVNULL)
    expected = unpack(debian_tar, store.folder / "unpacked")
    got = trees.record(out)
    files = [name for name, facts in expected.items() if "content" in facts]
    assert len(files) > 1000
    assert [got[name]["content"] for name in files] == [expected[name]["content"] for name in files]


def layered(folder, seed, count):
    """Archives of layers that add to, replace and remove what those below brought."""
    dice = random.Random(seed)
    paths, archives = [], []
    for number in range(count):
        entries, used = [images.directory("./", mode=dice.choice([0o755, 0o711]))], set()
        for _ in range(dice.randrange(1, 25)):
            parts = [f"{dice.choice('abc')}{dice.randrange(3)}" for _ in range(dice.randrange(1, 4))]
            for depth in range(1, len(parts)):
                parent = "/".join(parts[:depth])
                if parent not in used:
                    entries.append(images.directory(parent, mode=dice.choice([0o755, 0o700])))
                    used.add(parent)
            name = "/".join(parts)
            if name in used or any(other.startswith(name + "/") for other in used):
                continue
            used.add(name)
            parent, base = os.path.split(name)
            kind = dice.randrange(7)
            if kind == 0:
                entries.append(images.entry(os.path.join(parent, ".wh." + base)))
            elif kind == 1:
                entries.append(images.directory(name, mode=0o711))
                if dice.randrange(2):
                    entries.append(images.entry(name + "/.wh..wh..opq"))
            elif kind == 2:
                entries.append(images.symlink(name, "/" + base))
            else:
                entries.append(images.entry(name, b"%d:%s" % (number, name.encode()) * dice.randrange(900),
                                            mtime=number, pax={"SCHILY.xattr.user.n": str(number)}))
        # A file cannot be the directory of a later entry: keep the archive free of such.
        blocked = {info.name.replace(".wh.", "") for info, _ in entries if info.type in (b"0", b"2")}
        entries = [one for one in entries
                   if not any(one[0].name.startswith(name + "/") for name in blocked)]
        archives.append(images.tar(entries))
        paths.append(used)
    return archives


@pytest.mark.parametrize("count", [2, 5, 40])
def test_merged_layers_are_what_overlayfs_shows(store, count):
    print(f"ONGGI_TEST_SEED={SEED}")
    digests = [store.make(archive) for archive in layered(store.folder, SEED + count, count)]
    lower = []
    options = []
    try:
        for number, digest in enumerate(digests):
            where = store.folder / f"l{number}"
            where.mkdir()
            trees.mount("erofs", where, [("source", store.layer(digest))])
            lower.append(where)
        bottom = store.folder / "bottom"
        bottom.mkdir()
        options = [("lowerdir+", where) for where in reversed(lower)] + [("lowerdir+", bottom)]
        with trees.mounted("overlay", store.folder / "overlay", options) as overlay, \
                store.mounted(*digests) as mnt:
            one, other = trees.record(overlay, links=False), trees.record(mnt, links=False)
            for facts in one.values():
                facts["xattrs"].pop("trusted.overlay.opaque", None)
            assert_same(one, other)
    finally:
        for where in lower:
            subprocess.run(["umount", where], check=True)


@pytest.mark.in_lab
def test_one_disk_of_all_files_needs_no_option(store):
    digests = [store.make(archive) for archive in layered(store.folder, 7, 12)]
    merged = store.merge(*digests)
    own, table = store.devices(merged)
    assert [row[0] for row in table] == [digest.removeprefix("sha256:") for digest in digests]
    disk = store.folder / "disk"
    with open(disk, "wb") as out:
        for path, offset in [(merged, 0)] + [(store.layer(digest), row[1]) for digest, row in zip(digests, table)]:
            assert out.tell() == offset
            out.write(path.read_bytes())
    assert own == merged.stat().st_size
    with store.mounted(*digests) as mnt:
        expected = trees.record(mnt)
    with trees.mounted("erofs", store.folder / "mnt", [("source", disk)]) as mnt:
        assert_same(expected, trees.record(mnt))
    with trees.loop_device(disk) as device, \
            trees.mounted("erofs", store.folder / "mnt", [("source", device)]) as mnt:
        assert_same(expected, trees.record(mnt))


def test_loop_devices_serve_where_files_do_not(store):
    digest = store.make(images.busybox_layer())
    with store.mounted(digest) as mnt:
        expected = trees.record(mnt)
    with trees.loop_device(store.merge(digest)) as main, \
            trees.loop_device(store.layer(digest)) as device, \
            trees.mounted("erofs", store.folder / "mnt", [("source", main), ("device", device)]) as mnt:
        assert_same(expected, trees.record(mnt))


def test_hard_links_and_holes_survive_the_merge(store):
    source = store.folder / "source"
    source.mkdir()
    (source / "one").write_bytes(b"x" * 5000)
    os.link(source / "one", source / "two")
    with open(source / "holes", "wb") as out:
        out.seek(1 << 30)
        out.write(b"end")
    pack(source, store.folder / "a.tar", "--sparse", "--format=pax")
    lower = store.make(store.folder / "a.tar")
    upper = store.make(images.tar([images.entry("one", b"changed"), images.hardlink("three", "one")]))
    assert store.layer(lower).stat().st_size < 1 << 20
    with store.mounted(lower, upper) as mnt:
        assert (mnt / "two").stat().st_nlink == 1
        assert (mnt / "two").read_bytes() == b"x" * 5000
        assert (mnt / "three").stat().st_nlink == 2
        assert (mnt / "one").samefile(mnt / "three")
        assert (mnt / "holes").stat().st_size == (1 << 30) + 3
        with open(mnt / "holes", "rb") as file:
            assert file.read(4096) == bytes(4096)
            file.seek(1 << 30)
            assert file.read() == b"end"


def test_a_directory_of_a_hundred_thousand_names_is_searched_and_listed(store):
    names = [f"{number:x}-{'n' * (number % 40)}" for number in range(100_000)]
    entries = [images.directory("d")] + [images.entry(f"d/{name}") for name in names]
    digest = store.make(images.tar(entries))
    with store.mounted(digest) as mnt:
        assert sorted(os.listdir(mnt / "d")) == sorted(names)
        for name in names[::997]:
            assert (mnt / "d" / name).stat().st_size == 0
        assert not (mnt / "d" / "absent").exists()


def test_a_file_of_five_gigabytes_of_holes_is_whole(store):
    source = store.folder / "source"
    source.mkdir()
    with open(source / "big", "wb") as out:
        for gigabyte in range(6):
            out.seek(gigabyte << 30)
            out.write(b"%d" % gigabyte)
    pack(source, store.folder / "a.tar", "--sparse", "--format=pax")
    digest = store.make(store.folder / "a.tar")
    with store.mounted(digest) as mnt, open(mnt / "big", "rb") as file:
        assert os.fstat(file.fileno()).st_size == (5 << 30) + 1
        for gigabyte in range(6):
            file.seek(gigabyte << 30)
            assert file.read(1) == b"%d" % gigabyte


def test_a_plain_file_over_four_gigabytes_is_whole(store):
    # 4.2 GB through a pipe; its blocks are zeros, which cost the file system little to keep.
    path = store.folder / "big"
    with open(path, "wb") as out:
        out.truncate((4 << 30) + 5)
        out.seek((4 << 30) + 1)
        out.write(b"tail")
    tar = subprocess.Popen(["tar", "--format=pax", "-c", "-C", store.folder, "big"], stdout=subprocess.PIPE)
    result = subprocess.run([store.program, "make", store.layers], stdin=tar.stdout, check=True,
                            stdout=subprocess.PIPE, text=True)
    assert tar.wait() == 0
    with store.mounted(result.stdout.split()[0]) as mnt, open(mnt / "big", "rb") as file:
        assert os.fstat(file.fileno()).st_size == (4 << 30) + 5
        file.seek(4 << 30)
        assert file.read() == b"\0tail"


def test_an_image_without_layers_is_an_empty_directory(store):
    with store.mounted() as mnt:
        assert os.listdir(mnt) == []


def test_an_empty_layer_changes_nothing(store):
    empty = store.make(bytes(1024))
    full = store.make(images.tar([images.directory("./", mode=0o711, uid=7), images.entry("f", b"1")]))
    with store.mounted(empty, full, empty) as mnt:
        assert mnt.stat().st_mode & 0o7777 == 0o711
        assert mnt.stat().st_uid == 7
        assert (mnt / "f").read_bytes() == b"1"


def test_parents_named_in_passing_take_nothing_from_those_below(store):
    lower = store.make(images.tar([images.directory("d", mode=0o700, uid=70000, mtime=5)]))
    upper = store.make(images.tar([images.entry("d/e/f", b"1")]))
    with store.mounted(lower, upper) as mnt:
        st = (mnt / "d").stat()
        assert (st.st_mode & 0o7777, st.st_uid, st.st_mtime) == (0o700, 70000, 5)
        assert (mnt / "d/e").stat().st_mode & 0o7777 == 0o755
        assert os.listxattr(mnt / "d/e") == []


def test_what_follows_its_own_whiteout_is_new(store):
    lower = store.make(images.tar([images.entry("d/old"), images.entry("e/old"), images.entry("f"),
                                   images.entry("g/old")]))
    upper = store.make(images.tar([
        images.entry(".wh.d"), images.entry("d/new"),
        images.entry(".wh.g"), images.directory("g"), images.entry("g/new"),
        images.entry("e/new"), images.entry(".wh.e"),
        images.entry("f", b"new"), images.entry(".wh.f")]))
    with store.mounted(lower, upper) as mnt:
        assert os.listdir(mnt / "d") == os.listdir(mnt / "e") == os.listdir(mnt / "g") == ["new"]
        assert (mnt / "f").read_bytes() == b"new"
