# SPDX-License-Identifier: Apache-2.0
"""onggi-runtime as an ordinary user runs it."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import bundles

UID = 42420


def become(uid, group=None):
    """What a child does before it runs the program: joins a control group, becomes the user."""
    def change():
        if group:
            (group / "cgroup.procs").write_text("0")
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    return change


class Rootless(bundles.Runtime):
    """A Runtime whose calls are an ordinary user's, with his own XDG_RUNTIME_DIR instead of --root."""

    def __init__(self, prefix, folder, uid=UID):
        self.uid = uid
        self.group = None
        self.prefix_words = []
        self.env = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(folder / "xdg")}
        (folder / "xdg").mkdir()
        (folder / "bundle").mkdir()
        os.chown(folder / "xdg", self.uid, self.uid)
        super().__init__(prefix, folder)
        self.root = folder / "xdg/onggi-runtime"
        for path, _, files in os.walk(self.bundle):
            for name in [path, *(os.path.join(path, file) for file in files)]:
                os.chown(name, self.uid, self.uid, follow_symlinks=False)

    def default_config(self):
        os.chown(self.bundle, self.uid, self.uid)
        self.call("spec", "--rootless", "--bundle", self.bundle)
        config = json.loads((self.bundle / "config.json").read_text())
        config["process"]["terminal"] = False
        config["root"]["readonly"] = False
        return config

    def words(self, *words):
        return [*self.prefix_words, str(self.program), *map(str, words)]

    def call(self, *words, check=True, **rest):
        rest.setdefault("stdin", subprocess.DEVNULL)
        rest.setdefault("preexec_fn", become(self.uid, self.group))
        result = subprocess.run(self.words(*words), timeout=bundles.TIMEOUT_S, env=self.env, cwd=self.folder,
                                capture_output=True, text=True, errors="replace", check=False, **rest)
        if check:
            assert result.returncode == 0, f"{words}: {result.returncode}: {result.stderr}"
        return result

    def create(self, *args, flags=()):
        if args:
            self.config["process"]["args"] = list(args)
        self.write()
        name = self.name()
        subprocess.run(self.words("create", "--bundle", self.bundle, *flags, name), env=self.env, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=bundles.TIMEOUT_S, preexec_fn=become(self.uid, self.group))
        return name


@contextlib.contextmanager
def ordinary(prefix, uid=UID):
    """A Rootless in a folder that every user may enter (pytest's own are root's alone), with programs that he may own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="onggi-rootless-", dir=os.environ.get("ONGGI_TEST_ROOT", "/var/tmp")))
    try:
        folder.chmod(0o755)
        for name in ("bin/onggi-runtime", "libexec/onggi/onggi-systemd"):
            (folder / name).parent.mkdir(parents=True)
            shutil.copy(prefix / name, folder / name)
        made = Rootless(folder, folder, uid)
        yield made
        made.group = None
        made.clean()
    finally:
        shutil.rmtree(folder)
