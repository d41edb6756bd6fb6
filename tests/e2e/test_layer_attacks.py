# SPDX-License-Identifier: Apache-2.0
"""Archives that want out, or want too much. The breakouts are containerd's (TestBreakouts), A43 to
A48 and A52 those of our list. Nothing is unpacked on the host: what is tested is where things end
up inside, that what is refused is refused in one line, and that nothing is left of it."""

import gzip
import io
import os
import pathlib
import stat
import subprocess
import tarfile

import pytest

import images
import trees
from images import directory as folder
from images import entry as file
from images import hardlink as link
from images import symlink
from test_layers import program, store  # noqa: F401  fixtures

IN = b"inside"
PASSWD = [folder("etc", mode=0o770), file("/etc/passwd", IN)]


@pytest.fixture(autouse=True)
def canaries(store):
    """Files around the store that the archives aim at: they stay as they are."""
    outside = store.folder / "outside"
    outside.mkdir()
    (outside / "passwd").write_text("host")
    (outside / "perm400").write_text("...")
    (outside / "perm400").chmod(0o400)
    before = trees.record(outside)
    host = {path: os.stat(path) for path in ("/etc/passwd", "/etc/shadow", "/", "/etc", "/tmp")}
    yield outside
    assert trees.record(outside) == before
    for path, st in host.items():
        now = os.stat(path)
        assert (now.st_mode, now.st_uid, now.st_ino) == (st.st_mode, st.st_uid, st.st_ino)
    assert not os.path.exists("/localpasswd") and not os.path.exists("/etc/unbroken")


def resolve(root, path):
    """Where `path` leads for a process whose root is `root`."""
    todo, at = [part for part in path.split("/") if part], []
    for _ in range(1000):
        if not todo:
            return pathlib.Path(root, *at)
        part = todo.pop(0)
        if part == "..":
            at = at[:-1]
        elif part != ".":
            here = pathlib.Path(root, *at, part)
            if here.is_symlink():
                target = os.readlink(here)
                at = [] if target.startswith("/") else at
                todo = [part for part in target.split("/") if part] + todo
            else:
                at.append(part)
    raise AssertionError("a loop")


def holds(path, data):
    return lambda root: resolve(root, path).read_bytes() == data


def same(one, other):
    return lambda root: resolve(root, one).samefile(resolve(root, other))


def not_same(one, other):
    return lambda root: not same(one, other)(root)


def same_link(one, other):
    return lambda root: os.readlink(root / one) == os.readlink(root / other)


def absent(path):
    return lambda root: not os.path.lexists(root / path)


def every(*checks):
    return lambda root: all(check(root) for check in checks)


REFUSED = "refused"
BASE = [folder("/etc/"), file("/etc/passwd", IN)]
USERS = [folder("/etc/"), file("/etc/passwd", b"all users")]

# Name, the layer below, the layer, what must be (or REFUSED). With a layer below, containerd's own
# overlayfs driver cannot link to its files: we refuse such a layer, and test it as one archive too.
BREAKOUTS = [
    ("SymlinkAbsolute", [], [folder("etc"), symlink("localetc", "/etc"),
     file("/localetc/unbroken", IN)], holds("etc/unbroken", IN)),
    ("SymlinkUpAndOut", [], [folder("etc"), folder("dummy"), symlink("localetc", "/dummy/../etc"),
     file("/localetc/unbroken", IN)], holds("etc/unbroken", IN)),
    ("SymlinkMultipleAbsolute", [], [folder("etc"), folder("dummy"), symlink("/dummy/etc", "/etc"),
     symlink("localetc", "/dummy/etc"), file("/dummy/etc/unbroken", IN)], holds("etc/unbroken", IN)),
    ("SymlinkMultipleRelative", [], [folder("etc"), folder("dummy"), symlink("/dummy/etc", "/etc"),
     symlink("localetc", "./dummy/etc"), file("/dummy/etc/unbroken", IN)], holds("etc/unbroken", IN)),
    ("SymlinkEmptyFile", [], [folder("etc"), file("etc/emptied", b"notempty"),
     symlink("localetc", "/etc"), file("/localetc/emptied")], holds("etc/emptied", b"")),
    ("HardlinkRelative", [], PASSWD + [folder("breakouts"), symlink("breakouts/d1", "../../etc"),
     link("breakouts/mypasswd", "/breakouts/d1/passwd")], same("breakouts/mypasswd", "etc/passwd")),
    ("HardlinkDownAndOut", [], PASSWD + [folder("breakouts"), folder("downandout"),
     symlink("breakouts/d1", "../downandout/../../etc"),
     link("breakouts/mypasswd", "/breakouts/d1/passwd")], same("breakouts/mypasswd", "etc/passwd")),
    ("HardlinkAbsolute", [], PASSWD + [symlink("localetc", "/etc"),
     link("localpasswd", "/localetc/passwd")], same("localpasswd", "etc/passwd")),
    ("HardlinkRelativeLong", [], PASSWD + [symlink("localetc", "../../../../../../../etc"),
     link("localpasswd", "/localetc/passwd")], same("localpasswd", "etc/passwd")),
    ("HardlinkRelativeUpAndOut", [], PASSWD + [symlink("localetc", "upandout/../../../etc"),
     link("localpasswd", "/localetc/passwd")], same("localpasswd", "etc/passwd")),
    ("HardlinkDirectRelative", [], PASSWD + [link("localpasswd", "../../../../../etc/passwd")],
     same("localpasswd", "etc/passwd")),
    ("HardlinkDirectAbsolute", [], PASSWD + [link("localpasswd", "/etc/passwd")],
     same("localpasswd", "etc/passwd")),
    ("SymlinkParentDirectory", [], PASSWD + [symlink("..", "/etc/"), link("localpasswd", "/etc/passwd")],
     same("localpasswd", "etc/passwd")),
    ("SymlinkEmptyFilename", [], PASSWD + [symlink("", "/etc/"), link("localpasswd", "/etc/passwd")],
     same("localpasswd", "etc/passwd")),
    ("SymlinkParentRelative", [], PASSWD + [symlink("localetc/sub/..", "/etc/"),
     link("/localetc/localpasswd", "/etc/passwd")], same("localetc/localpasswd", "etc/passwd")),
    ("SymlinkSlashEnded", [], PASSWD + [folder("localetc/", mode=0o770),
     link("/localetc/localpasswd", "/etc/passwd")], same("localetc/localpasswd", "etc/passwd")),
    ("SymlinkOverrideDirectory", BASE + [folder("/localetc/")], [symlink("localetc", "/etc"),
     link("/localetc/localpasswd", "/etc/passwd")], same("localetc/localpasswd", "etc/passwd")),
    ("SymlinkOverrideDirectoryRelative", BASE + [folder("/localetc/")],
     [symlink("localetc", "../../etc"), link("/localetc/localpasswd", "/etc/passwd")],
     same("localetc/localpasswd", "etc/passwd")),
    ("DirectoryOverrideSymlink", BASE + [symlink("localetc", "/etc")],
     [folder("/localetc/"), link("/localetc/localpasswd", "/etc/passwd")],
     same("localetc/localpasswd", "etc/passwd")),
    ("DirectoryOverrideSymlinkAndHardlink", BASE + [symlink("localetc", "etc"),
     link("/localetc/localpasswd", "/etc/passwd")],
     [folder("/localetc/"), file("/localetc/localpasswd", b"different")],
     not_same("localetc/localpasswd", "etc/passwd")),
    ("WhiteoutRootParent", BASE, [file(".wh...")], REFUSED),
    ("WhiteoutParent", BASE, [file("etc/.wh...")], REFUSED),
    ("WhiteoutRoot", BASE, [file(".wh..")], REFUSED),
    ("WhiteoutCurrentDirectory", BASE, [file("etc/.wh..")], REFUSED),
    ("WhiteoutSymlink", USERS + [symlink("localetc", "/etc")], [file(".wh.localetc")],
     every(holds("etc/passwd", b"all users"), absent("localetc"))),
    ("WhiteoutDirectoryName", USERS + [file("/etc/whitedout", b"ahhhh"), symlink("localetc", "/etc")],
     [file(".wh.etc/somefile", b"non-empty")],
     every(holds("etc/passwd", b"all users"), holds(".wh.etc/somefile", b"non-empty"))),
    ("WhiteoutDeadSymlinkParent", USERS + [symlink("localetc", "/dne")], [file("localetc/.wh.etc")],
     holds("etc/passwd", b"all users")),
    ("WhiteoutRelativePath", USERS + [symlink("localetc", "/dne")], [file("dne/../.wh.etc")],
     absent("etc/passwd")),
    # A layer's name goes through links of its own layer only, as with Docker's overlay2: the
    # directory that it names takes the link's place, and what the link led to is not touched.
    ("WhiteoutSymlinkPath", USERS + [file("/etc/whitedout", b"ahhhh"), symlink("localetc", "/etc")],
     [file("localetc/.wh.whitedout")],
     every(holds("etc/passwd", b"all users"), absent("localetc/whitedout"))),
    ("SymlinkOverridePath", [], [folder("foo"), folder("foo/tmp"), file("foo/tmp/out", b"012"),
     symlink("foo", "/"), file("foo/tmp/out", b"345"), folder("foo"), folder("foo/tmp"),
     file("foo/tmp/out", b"678")], holds("foo/tmp/out", b"678")),
    ("HardlinkSymlinkBeforeCreateTarget", [], [folder("etc", mode=0o770),
     symlink("localpasswd", "/etc/passwd"), link("localpasswd-dup", "localpasswd"),
     file("/etc/passwd", b"after")], same("localpasswd-dup", "etc/passwd")),
    ("HardlinkSymlinkRelative", [], PASSWD + [symlink("passwdlink", "../../../../../etc/passwd"),
     link("localpasswd", "/passwdlink")],
     every(same_link("localpasswd", "passwdlink"), same("localpasswd", "etc/passwd"))),
    ("HardlinkSymlinkAbsolute", [], PASSWD + [symlink("passwdlink", "/etc/passwd"),
     link("localpasswd", "/passwdlink")],
     every(same_link("localpasswd", "passwdlink"), same("localpasswd", "etc/passwd"))),
    ("HardlinkSymlinkChmod", [], [symlink("OUTSIDE/also", "OUTSIDE/perm400"),
     link("sketchylink", "OUTSIDE/also", mode=0o777)], same_link("sketchylink", "OUTSIDE/also")),
]
assert len(BREAKOUTS) == 34


def aimed(entries, outside):
    """The archive, its names pointed at the canaries."""
    for info, _ in entries:
        info.name = info.name.replace("OUTSIDE", str(outside).lstrip("/"))
        info.linkname = info.linkname.replace("OUTSIDE", str(outside))
    return images.tar(entries)


def refused(store, archive, *words, **env):
    """The archive is refused in one line that holds `words`, and nothing is left of it."""
    before = sorted(os.listdir(store.layers))
    result = store.try_make(archive, **env)
    assert result.returncode == 1, result.stdout
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
    assert sorted(os.listdir(store.layers)) == before


@pytest.mark.parametrize("name,below,above,check", BREAKOUTS, ids=[row[0] for row in BREAKOUTS])
def test_breakout_ends_inside(store, canaries, name, below, above, check):
    links_below = below and any(info.type == tarfile.LNKTYPE for info, _ in above)
    if check is REFUSED:
        refused(store, aimed(above, canaries), "whiteout")
        return
    if links_below:
        # The target is in another layer: refused. As one archive it is what it says.
        refused(store, aimed(above, canaries), "hard link to")
        layers = [images.tar(below + above)]
    else:
        layers = [images.tar(below)] if below else []
        layers.append(aimed(above, canaries))
    if name == "HardlinkSymlinkChmod":
        prefix = str(canaries).lstrip("/")
        check = same_link("sketchylink", f"{prefix}/also")
    with store.mounted(*[store.make(layer) for layer in layers]) as root:
        assert check(root)


@pytest.mark.parametrize("name,ends_as", [
    ("/absolute", "absolute"), ("../up", "up"), ("../../../../up", "up"), ("a//b", "a/b"),
    ("./a/./b", "a/b"), ("a/../../b", "b"), ("a/b/", "a/b"), ("//a", "a"), ("a/..", None), (".", None),
    ("..", None), ("/", None),
])
def test_a43_odd_names_stay_inside(store, name, ends_as):
    with store.mounted(store.make(images.tar([file(name, b"x")]))) as root:
        found = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        assert found == ([ends_as] if ends_as else [])


def test_a43_names_are_bytes(store):
    info, data = file("x", b"1")
    archive = images.tar([(info, data)], format=tarfile.GNU_FORMAT).replace(b"x\0", b"\xff\xfe", 1)
    archive = bytearray(archive)
    archive[148:156] = b" " * 8
    archive[148:156] = b"%06o\0 " % sum(archive[:512])
    with store.mounted(store.make(bytes(archive))) as root:
        assert os.listdir(os.fsencode(root)) == [b"\xff\xfe"]


@pytest.mark.parametrize("name,word", [
    ("n" * 256, "longer than 255"), ("d/" + "n" * 300 + "/f", "longer than 255"),
    ("a/" * 2100, "longer than 4095"), ("n\0m", None),
])
def test_a43_names_that_linux_cannot_have_are_refused(store, name, word):
    info, data = file("short")
    info.pax_headers = {"path": name}
    if word is None:
        refused(store, images.tar([(info, data)]), "path")
    else:
        refused(store, images.tar([(info, data)]), word)


@pytest.mark.parametrize("entries,word", [
    ([link("l", "/etc/shadow")], "/etc/shadow"),
    ([link("l", "../../../../etc/shadow")], "etc/shadow"),
    ([symlink("s", "/etc"), link("l", "s/shadow")], "s/shadow"),
    ([link("l", "l")], "hard link"),
    ([folder("d"), link("l", "d")], "hard link to a directory"),
    ([link("l", "/")], "hard link to a directory"),
    ([file(".wh.f"), link("l", "f")], "not in the archive"),
    ([symlink("a", "b"), symlink("b", "a"), file("a/f")], "more than 40 symbolic links"),
    ([file("f"), file("f/g")], "is no directory"),
    ([symlink("s", "")], "link to nothing"),
])
def test_a44_links_that_lead_nowhere_are_refused(store, entries, word):
    refused(store, images.tar(entries), "entry '", word)


def test_a44_a_link_never_reaches_what_is_in_the_layer_below(store):
    store.make(images.tar(PASSWD + [symlink("out", "/etc/shadow")]))
    refused(store, images.tar([link("mine", "out")]), "not in the archive before it")


def test_a45_opaque_markers_hide_their_own_directory_only(store):
    lower = images.tar([folder("a"), file("a/1"), folder("b"), file("b/1"), file("top")])
    upper = images.tar([folder("a"), file("a/.wh..wh..opq"), file("a/2"),
                        file("b/.wh..wh.plnk"), file("b/.wh..wh.aufs")])
    with store.mounted(store.make(lower), store.make(upper)) as root:
        assert os.listdir(root / "a") == ["2"]
        assert os.listdir(root / "b") == ["1"]
        assert (root / "top").exists()
    with store.mounted(store.make(lower), store.make(images.tar([file(".wh..wh..opq"), file("new")]))) as root:
        assert os.listdir(root) == ["new"]


def test_a46_overlay_attributes_are_dropped_and_nodes_are_data(store):
    bad = {"SCHILY.xattr.trusted.overlay.redirect": "/../..", "SCHILY.xattr.user.overlay.metacopy": "y",
           "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.trusted.onggi.implicit": "y",
           "SCHILY.xattr.user.kept": "1", "SCHILY.xattr.security.capability": "x" * 20}
    entries = [folder("d", pax=bad), file("f", b"1", mode=0o4755, pax=bad),
               file("node", kind=tarfile.BLKTYPE, major=8, minor=1, mode=0o660),
               file("pipe", kind=tarfile.FIFOTYPE)]
    below = images.tar([folder("d"), file("d/seen")])
    with store.mounted(store.make(below), store.make(images.tar(entries))) as root:
        assert sorted(os.listxattr(root / "f")) == ["security.capability", "user.kept"]
        assert (root / "d/seen").exists()
        assert (root / "f").stat().st_mode & 0o7777 == 0o4755
        node = (root / "node").stat()
        assert stat.S_ISBLK(node.st_mode) and node.st_rdev == os.makedev(8, 1)
        assert stat.S_ISFIFO((root / "pipe").stat().st_mode)
    layer = store.layer(store.make(images.tar(entries)))
    with trees.mounted("erofs", store.folder / "mnt", [("source", layer)]) as root:
        assert "trusted.overlay.redirect" not in os.listxattr(root / "f")
        assert "trusted.overlay.opaque" not in os.listxattr(root / "d")


def bomb(compressor):
    """4 GB of zeros in a tar, compressed in pieces that are all the same: 4 MB, or less."""
    info = tarfile.TarInfo("zeros")
    info.size = 4 << 30
    pieces = [info.tobuf(tarfile.GNU_FORMAT)] + [bytes(64 << 20)] * 64 + [bytes(1024)]
    packed = {piece: subprocess.run(compressor, input=piece, stdout=subprocess.PIPE, check=True).stdout
              for piece in set(pieces)}
    return b"".join(packed[piece] for piece in pieces)


@pytest.mark.parametrize("compressor", [["gzip", "-9"], ["zstd", "-q", "-c"]], ids=["gzip", "zstd"])
def test_a47_a_decompression_bomb_ends_at_its_ratio(store, require, compressor):
    require.tool(compressor[0])
    packed = bomb(compressor)
    assert len(packed) < 5 << 20
    refused(store, packed, "decompression bomb")


def test_a47_quotas_end_what_is_too_much(store):
    big = images.compress(images.tar([file("f", bytes(5 << 20))]), "gzip")
    refused(store, big, "limit of 1048576 bytes", MAX_BYTES="1048576")
    many = images.tar([file(f"f{number}") for number in range(50)])
    refused(store, many, "more than 49 entries", MAX_ENTRIES="49")
    long = images.tar([file(f"{number}" + "n" * 200) for number in range(500)])
    refused(store, long, "more metadata", MAX_METADATA_BYTES="65536")


def sparse_entry(name, real, pieces):
    text = f"{len(pieces)}\n" + "".join(f"{offset}\n{size}\n" for offset, size in pieces)
    data = text.encode().ljust(-(-len(text) // 512) * 512, b"\0") + b"x" * sum(size for _, size in pieces)
    return file(name, data, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name,
                                 "GNU.sparse.realsize": str(real)})


@pytest.mark.parametrize("real,pieces,word", [
    (1 << 63, [(0, 1)], "GNU.sparse.realsize"),
    ((1 << 63) - 1, [((1 << 63) - 2, 1)], "16 TiB"),
    (100, [(0, 10), (5, 10)], "out of order"),
    (100, [(90, 20)], "too long"),
    (1 << 40, [((number << 30) + 5, 1) for number in range(1000)], None),
])
def test_a47_sparse_files_cost_what_they_hold(store, real, pieces, word):
    archive = images.tar([sparse_entry("s", real, pieces)])
    if word:
        refused(store, archive, word)
        return
    with store.mounted(store.make(archive)) as root:
        assert (root / "s").stat().st_size == real
        with open(root / "s", "rb") as content:
            for offset, _ in pieces[::50]:
                content.seek(offset - 1)
                assert content.read(3) == b"\0x\0"
    assert sum(path.stat().st_blocks for path in store.layers.iterdir()) * 512 < 64 << 20


def header(**fields):
    """A plain header with some fields replaced, its checksum right."""
    places = {"name": (0, 100), "mode": (100, 8), "uid": (108, 8), "size": (124, 12), "mtime": (136, 12),
              "type": (156, 1)}
    block = bytearray(images.tar([file("f")])[:512])
    for key, value in fields.items():
        at, size = places[key]
        block[at:at + size] = value.ljust(size, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(1024)
MALFORMED = {
    "negative size": header(size=b"\xff" * 12) + END,
    "size over 8 EiB": header(size=b"\x80" + b"\x7f" * 11) + END,
    "octal that is none": header(size=b"00000000009\0") + END,
    "largest octal, cut short": header(size=b"77777777777\0") + END,
    "user id -1": header(uid=b"\xff" * 8) + END,
    "unknown type": header(type=b"Q") + END,
    "bad checksum": header()[:-1] + b"x" + END,
    "cut in a header": header()[:300],
    "no end": header(),
    "content cut short": header(size=b"00000001000\0") + b"x" * 100,
    "data behind two end blocks": header() + END + header() + END,
    "data behind one end block": header() + bytes(512) + header() + END,
    "garbage": bytes(range(256)) * 8,
    "nothing": b"",
    "long link without its entry": header(type=b"L", size=b"00000000010\0") + b"longname".ljust(512, b"\0") + END,
    "long links without end": (header(type=b"L", size=b"00000000010\0") + b"longname".ljust(512, b"\0")) * 500,
    "huge special header": header(type=b"x", size=b"00010000000\0") + END,
    "pax without a length": header(type=b"x", size=b"00000000010\0") + b"x path=a".ljust(512, b"\0") + header() + END,
    "pax longer than itself": header(type=b"x", size=b"00000000010\0") + b"99 a=b\n".ljust(512, b"\0") + header() + END,
    "an EROFS file": bytes(1024) + b"\xe2\xe1\xf5\xe0" + bytes(4096),
    "a disk image of qcow2": b"QFI\xfb\0\0\0\2" + bytes(4096),
    "xz": b"\xfd7zXZ\0" + bytes(4096),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a48_malformed_archives_are_refused(store, name):
    refused(store, MALFORMED[name])


def test_a48_a_pax_size_does_not_hide_an_entry(store):
    # The size is for the file, not for the long name between: readers that disagree see two archives.
    pax = b"12 size=512\n".ljust(512, b"\0")
    archive = (header(type=b"x", size=b"00000000014\0") + pax + header(type=b"L", size=b"00000000004\0") +
               b"real".ljust(512, b"\0") + header(size=b"00000000000\0") + b"c" * 512 + header(name=b"next") + END)
    with store.mounted(store.make(archive)) as root:
        assert sorted(os.listdir(root)) == ["next", "real"]
        assert (root / "real").read_bytes() == b"c" * 512


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a48_damaged_compression_is_refused(store, how):
    good = images.compress(images.busybox_layer(), how)
    refused(store, good[:len(good) // 2], "cut short")
    refused(store, good + b"garbage behind the end")
    middle = bytearray(good)
    middle[len(good) // 2] ^= 0xff
    refused(store, bytes(middle))
    assert store.make(good + images.compress(b"", how)) == images.sha256(images.busybox_layer())


def test_a48_members_make_one_stream(store):
    layer = images.busybox_layer()
    pieces = [gzip.compress(layer[at:at + 100_000]) for at in range(0, len(layer), 100_000)]
    assert store.make(b"".join(pieces)) == images.sha256(layer)


def test_a52_modes_are_never_set_through_links(store, canaries):
    entries = [symlink("s", str(canaries / "perm400")), file("s", kind=tarfile.DIRTYPE, mode=0o777),
               symlink("t", str(canaries)), folder("t/sub", mode=0o777)]
    with store.mounted(store.make(images.tar(entries))) as root:
        assert (root / "s").is_dir() and not (root / "s").is_symlink()
        assert resolve(root, "t/sub").stat().st_mode & 0o7777 == 0o777


def test_no_space_left_is_said_and_leaves_nothing(store):
    small = store.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=True)
    try:
        store.layers = small
        refused(store, images.tar([file("f", os.urandom(4 << 20))]), "No space left", "make room")
        assert os.statvfs(small).f_bfree > 200
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_damaged_layer_file_is_not_merged(store):
    digest = store.make(images.busybox_layer())
    path = store.layer(digest)
    good = path.read_bytes()
    for damage in (good[:-4096], good[:1024] + bytes(64) + good[1088:], good[:1040] + b"\1" + good[1041:]):
        path.unlink()
        path.write_bytes(damage)
        result = store.run("merge", store.layers, store.merged, digest, check=False)
        assert result.returncode == 1 and "pull or load" in result.stderr and result.stderr.count("\n") == 1
    path.unlink()
    result = store.run("merge", store.layers, store.merged, digest, check=False)
    assert result.returncode == 1 and "No such file" in result.stderr
    assert os.listdir(store.merged) == []
