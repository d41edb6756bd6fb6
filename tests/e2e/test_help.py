# SPDX-License-Identifier: Apache-2.0
"""What `onggi` says of itself, and of a command line that it cannot read."""

import re
import subprocess

import pytest


@pytest.fixture
def say(prefix):
    """say(words...): (exit status, standard output, standard error)."""
    def run(*words):
        result = subprocess.run([prefix / "bin/onggi", *words], stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=60, check=False)
        return result.returncode, result.stdout, result.stderr
    return run


def commands(text):
    return re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +\S", text.split("\nCommands:\n")[1], re.MULTILINE)


def test_every_command_is_listed_once_and_explains_itself(say):
    status, text, _ = say("--help")
    listed = commands(text)
    assert status == 0 and len(listed) > 40 and len(set(listed)) == len(listed)
    for command in listed:
        status, text, errors = say(*command.split(), "--help")
        assert status == 0 and errors == "" and text.startswith(("usage: onggi " + command, "usage: onggi COMMAND")), command


def test_a_word_that_goes_with_others_lists_them(say):
    status, text, errors = say("vm", "--help")
    assert status == 0 and errors == ""
    assert commands(text) == ["vm run", "vm push", "vm pull", "vm ls", "vm rm"]
    assert say("vm") == (125, "", text)


@pytest.mark.parametrize("words, said", [
    (["runn"], "onggi: there is no command 'runn'; see 'onggi --help'\n"),
    (["vm", "runn"], "onggi: there is no command 'vm runn'; see 'onggi vm --help'\n"),
    (["--colour"], "onggi: there is no option --colour; see 'onggi --help'\n"),
    (["run", "--colour", "x"], "onggi: there is no option --colour; see 'onggi run --help'\n"),
    (["run", "-m"], "onggi: -m needs a value; see 'onggi run --help'\n"),
    (["run"], "onggi: run needs IMAGE [COMMAND] [ARGUMENT...]; see 'onggi run --help'\n"),
    (["ps", "x"], "onggi: ps takes no 'x'; see 'onggi ps --help'\n"),
    (["scan"], "onggi: scan needs IMAGE|PATH|KIND:WHAT; see 'onggi scan --help'\n"),
])
def test_what_cannot_be_read_is_named_in_one_line(say, words, said):
    assert say(*words) == (125, "", said)
