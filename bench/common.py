# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: interleaved runs, medians, the machine's description, the tables."""

import datetime
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
CACHE = pathlib.Path(os.environ.get("ONGGI_TEST_CACHE", "/var/tmp/onggi-test"))
RESULTS = TOP / "bench/RESULTS.md"


class Skip(Exception):
    """This benchmark cannot run here: why."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(f"no {tool}: tools/install-deps build test bench")


def output(*words, **rest):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, check=True,
                          text=True, **rest).stdout


def run(*words, **rest):
    """Runs words quietly; what they wrote is shown where they fail."""
    rest.setdefault("stdin", subprocess.DEVNULL)
    result = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False, text=True, **rest)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: status {result.returncode}\n{result.stdout}")
    return result.stdout


def measure_program():
    """bench/measure.c, compiled."""
    program = TOP / "build/bench-measure"
    source = TOP / "bench/measure.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        run("gcc", "-O2", "-static", "-o", program, source)
    return program


class Runs:
    """The figures of one command's runs."""

    def __init__(self):
        self.wall_us, self.cpu_us, self.peak_kib, self.failed = [], [], [], 0

    def add(self, wall_us, cpu_us, peak_kib, status):
        self.wall_us.append(wall_us)
        self.cpu_us.append(cpu_us)
        self.peak_kib.append(peak_kib)
        self.failed += status != 0


def interleaved(count, warm, pause_ms, commands, cleanup=(), wrapper=()):
    """Runs the commands (a dict of name: words) in turn, `count` times each: {name: Runs}."""
    words = [*wrapper, measure_program(), count, warm, pause_ms, *cleanup]
    for command in commands.values():
        words += ["---", *command]
    lines = output(*words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).splitlines()
    found = {name: Runs() for name in commands}
    names = list(commands)
    for line in lines:
        index, *figures = map(int, line.split())
        found[names[index]].add(*figures)
    for name, runs in found.items():
        if runs.failed:
            raise RuntimeError(f"{name}: {runs.failed} of {count} runs failed: "
                               f"{' '.join(map(str, commands[name]))}")
    return found


def system_calls(words, wrapper=()):
    """System calls of a command and all its children, by strace; None without strace."""
    if not shutil.which("strace"):
        return None
    text = output(*wrapper, "strace", "-f", "-qq", "-c", "-o", "/dev/stdout", *words,
                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    total = re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total", text, re.MULTILINE)
    return int(total[1]) if total else None


median = statistics.median


def table(head, rows):
    """A Markdown table, its columns aligned for reading as plain text too."""
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row):
        first, *rest = (cell.ljust(width) if i == 0 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths)))
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":")
                          for i, width in enumerate(widths)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def ratio(value, other):
    return f"{value / other:.2f}" if other else "-"


def version(*words, pattern=r"\d+\.\d+[\w.+~-]*"):
    try:
        result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                stdin=subprocess.DEVNULL, check=False).stdout
    except OSError:
        return "absent"
    found = re.search(pattern, result)
    return found[0] if found else "?"


def machine():
    """One line about this machine."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    commit = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    return (f"{datetime.date.today()}, {model[1] if model else platform.machine()}, "
            f"{os.cpu_count()} CPUs, {memory >> 20} GiB, Linux {platform.release()}, "
            f"onggi {commit.strip() or '?'}")


def record(name, title, text):
    """Puts a section into RESULTS.md, in the place of an older one of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    section = f"{begin}\n## {title}\n\n{text}\n\n{end}\n"
    old = RESULTS.read_text() if RESULTS.exists() else (
        "# Measured\n\nWritten by `make bench`, from what it measured and nothing else. "
        "bench/README.md says how each figure is taken.\n\n")
    if begin in old:
        head, rest = old.split(begin, 1)
        RESULTS.write_text(head + section + rest.split(end + "\n", 1)[1])
    else:
        RESULTS.write_text(old.rstrip("\n") + "\n\n" + section)
    print(f"\n{title}\n\n{text}\n", flush=True)
