# SPDX-License-Identifier: Apache-2.0
"""Clients of Debian 13 (cosign, skopeo, oras), in a root of their own: tools/peers-root.

They share this machine's network, so a registry on the loopback is theirs too. Of its files they
see one folder, at /work, which is where they run and what HOME is. Nothing is left behind: the mounts
are in a namespace that ends with the command.
"""

import os
import pathlib
import subprocess

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "peers-root"

ENTER = r"""
set -e
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/tmp"
mount -t tmpfs tmpfs "$ROOT/var/tmp"
mount -t tmpfs tmpfs "$ROOT/run"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
for name in null zero urandom random; do
	: >"$ROOT/dev/$name"
	mount --bind /dev/$name "$ROOT/dev/$name"
done
mount --bind "$WORK" "$ROOT/work"
exec chroot "$ROOT" sh -c 'cd /work && exec timeout -s KILL 60 "$@"' sh "$@"
"""


class Peers:
    """run(words...): runs one of them; its paths are below /work, `folder` out here."""

    def __init__(self, root, folder):
        self.root, self.folder = pathlib.Path(root), pathlib.Path(folder)

    def run(self, *words, check=True, env=None, stdin=""):
        result = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", *map(str, words)],
            env={"ROOT": str(self.root), "WORK": str(self.folder), "HOME": "/work", "USER": "root",
                 "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": "/tmp", **(env or {})},
            input=stdin, capture_output=True, text=True, timeout=90, check=False)
        if check:
            assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result


def root():
    """(path, None), or (None, why there is none)."""
    if os.geteuid() != 0:
        return None, "needs root"
    try:
        made = subprocess.run([TOOL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return None, "tools/peers-root took over ten minutes"
    if made.returncode != 0:
        return None, "tools/peers-root: " + (made.stderr.strip().splitlines() or ["failed"])[-1]
    return made.stdout.strip(), None
