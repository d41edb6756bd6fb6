# SPDX-License-Identifier: Apache-2.0
"""A data root of images, worked on by the test program og-images."""

import json
import re
import signal
import subprocess


class ImageStore:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def command(self, *words):
        return [str(word) for word in (self.program, self.folder, *words)]

    def run(self, *words, **rest):
        """The result; stdout and stderr as text."""
        rest.setdefault("stdin", subprocess.DEVNULL)
        result = subprocess.run(self.command(*words), capture_output=True, timeout=120, check=False,
                                **rest)
        result.stdout, result.stderr = result.stdout.decode(), result.stderr.decode()
        assert result.returncode in (0, 1), f"status {result.returncode}: {result.stderr}"
        return result

    def ok(self, *words, **rest):
        result = self.run(*words, **rest)
        assert result.returncode == 0, result.stderr
        return result.stdout.split()

    def error(self, *words, **rest):
        """The one line that a failing command says."""
        result = self.run("" if not words else words[0], "--quiet", *words[1:], **rest)
        assert result.returncode == 1, f"it succeeded: {result.stdout}"
        lines = result.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("og-images: "), result.stderr
        return lines[0].removeprefix("og-images: ")

    def list(self):
        return [json.loads(line) for line in self.run("list").stdout.splitlines()]

    def find(self, name):
        return json.loads(self.run("find", name).stdout)

    def files(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*")
                      if path.is_file() and not path.name.startswith("images.db"))

    def kill_after(self, words, lines):
        """Runs a command and kills it when it has told of progress `lines` times: did it live so long?"""
        process = subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(lines):
            if not process.stderr.readline():
                break
        process.send_signal(signal.SIGKILL)
        process.stderr.read()
        return process.wait() == -signal.SIGKILL

    def assert_clean(self):
        """Nothing is there but what images need."""
        known = self.list()
        assert bool(known) == bool(self.files()), self.files()
        hex_ = "[0-9a-f]{64}"
        pattern = re.compile(f"(blobs/sha256|recipes)/{hex_}|(layers|merged)/{hex_}[.]erofs")
        assert all(pattern.fullmatch(name) for name in self.files()), self.files()
