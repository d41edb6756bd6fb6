# SPDX-License-Identifier: Apache-2.0
"""Ctrl+Alt+Del by the API, with the test guest as the driver of the keyboard's controller."""

import re

import pytest

from vmmapi import Machine, end, load, snapshot

pytestmark = pytest.mark.usefixtures("guest_kernel")

PRESS = {"action_type": "SendCtrlAltDel"}
KEYS = [0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d]  # down and up again, in set 1


def begin(machine):
    """Starts the guest, up to where it waits for keys."""
    machine.start("keys")
    said = []
    while (line := machine.line()) != "listening\n":
        said.append(line.strip())
    assert said == ["test 85", "control 64", "reset 170", "first 171", "second 131"]


def keys(text):
    return [int(number) for number in re.findall(r"^key (\d+)$", text, re.MULTILINE)]


def test_the_guest_hears_control_alt_delete(machine):
    begin(machine)
    machine.put("/actions", **PRESS)
    status, output, _ = machine.ends()
    assert status == 0 and keys(output) == KEYS


def test_keys_are_pressed_in_a_pause_and_wait(machine):
    begin(machine)
    machine.patch("/vm", state="Paused")
    machine.put("/actions", **PRESS)
    assert "SendCtrlAltDel: the guest has not read yet" in machine.refused("PUT", "/actions", PRESS)
    machine.patch("/vm", state="Resumed")
    _, output, _ = machine.ends()
    assert keys(output) == KEYS


def test_a_guest_without_a_driver_and_a_machine_not_started_are_told_apart(machine):
    assert "before starting" in machine.refused("PUT", "/actions", PRESS)
    machine.start("spin")
    assert machine.line() == "spinning\n"
    assert "SendCtrlAltDel: the guest has no driver" in machine.refused("PUT", "/actions", PRESS)


def test_what_was_pressed_is_in_a_snapshot(launch, tmp_path):
    first = launch()
    begin(first)
    first.patch("/vm", state="Paused")
    first.put("/actions", **PRESS)
    snapshot(first, tmp_path)
    second = launch()
    load(second, tmp_path, resume_vm=True)
    _, output, _ = second.ends()
    assert keys(output) == KEYS


def test_a_clone_has_a_keyboard_of_its_own(launch, tmp_path):
    first = launch("--forkable")
    begin(first)
    first.put("/fork", id="clone", api_sock=str(tmp_path / "clone.sock"), resume_vm=False)
    clone = Machine(None, tmp_path)
    clone.sock = tmp_path / "clone.sock"
    clone.put("/actions", **PRESS)
    assert "has not read" in clone.refused("PUT", "/actions", PRESS)
    first.put("/actions", **PRESS)  # the first one's room was not taken
    end(clone.sock)
    _, output, _ = first.ends()
    assert keys(output) == KEYS


def test_no_accesses_of_any_width_break_it(launch, tmp_path):
    hostile = launch("--metrics-path", tmp_path / "metrics")
    hostile.start("keys-hostile")
    status, output, errors = hostile.ends()
    assert (status, errors) == (0, "") and output.endswith("reset 170\ndone\n")
