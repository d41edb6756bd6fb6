#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A systemd that does what control groups need of it, on a D-Bus of a test's own.

    fakesystemd.py ADDRESS LOG MODE [UID]

Each call is a line of JSON in LOG. MODE: good; hang (no answer); refuse (an error); endless (an
answer, and no end of the job); failed (a job that ends as "failed").
With UID its units are given to that user, as those of his own systemd are.
"""

import contextlib
import json
import os
import pathlib
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.systemd1"
MANAGER = f"{NAME}.Manager"
TOP = pathlib.Path("/sys/fs/cgroup")


def trees():
    """The trees in which systemd itself makes groups."""
    if TOP.joinpath("cgroup.controllers").exists():
        return [TOP]
    return [TOP / name for name in ("memory", "pids", "cpu", "systemd", "unified") if TOP.joinpath(name).is_dir()]


def slice_path(name):
    words = name.removesuffix(".slice").split("-")
    return "/".join("-".join(words[:i + 1]) + ".slice" for i in range(len(words)))


def plain(value):
    """D-Bus values as JSON has them."""
    if isinstance(value, dbus.Dictionary):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (dbus.Array, tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, (dbus.Boolean, bool)):
        return bool(value)
    return int(value) if isinstance(value, int) else str(value)


class Unit(dbus.service.FallbackObject):
    def __init__(self, manager, connection):
        super().__init__(connection, "/org/freedesktop/systemd1/unit")
        self.manager = manager

    @dbus.service.method("org.freedesktop.DBus.Properties", "ss", "v", path_keyword="path")
    def Get(self, _interface, name, path):  # pylint: disable=invalid-name
        encoded = path.rsplit("/", 1)[1]
        unit = bytes(encoded, "ascii").replace(b"_", b"\\x").decode("unicode_escape")
        return {"ControlGroup": self.manager.groups.get(unit, ""),
                "Description": self.manager.described.get(unit, unit)}[name]


class Manager(dbus.service.Object):
    def __init__(self, connection, log, mode, owner):
        super().__init__(connection, "/org/freedesktop/systemd1")
        self.log, self.mode, self.owner = log, mode, owner
        self.groups, self.described = {}, {}
        self.jobs = 0

    def note(self, method, **what):
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(json.dumps({"method": method, **what}) + "\n")

    def job(self, unit):
        self.jobs += 1
        path = f"/org/freedesktop/systemd1/job/{self.jobs}"
        if self.mode != "endless":
            result = "failed" if self.mode == "failed" else "done"
            GLib.idle_add(lambda: self.JobRemoved(self.jobs, path, unit, result) and False)
        return dbus.ObjectPath(path)

    @dbus.service.signal(MANAGER, "uoss")
    def JobRemoved(self, number, path, unit, result):  # pylint: disable=invalid-name
        pass

    @dbus.service.method(MANAGER)
    def Subscribe(self):  # pylint: disable=invalid-name
        self.note("Subscribe")

    @dbus.service.method(MANAGER, "ssa(sv)a(sa(sv))", "o", async_callbacks=("done", "fail"))
    def StartTransientUnit(self, unit, mode, properties, _aux, done, fail):  # pylint: disable=invalid-name
        values = {str(key): plain(value) for key, value in properties}
        unit = str(unit)
        self.note("StartTransientUnit", unit=unit, mode=str(mode), properties=values)
        if self.mode == "hang":
            return
        if self.mode == "refuse" or unit in self.groups:
            fail(dbus.exceptions.DBusException(f"Unit {unit} was already loaded or has a fragment file.",
                                               name=f"{NAME}.UnitExists"))
            return
        group = f"/{slice_path(values['Slice'])}/{unit}"
        for tree in trees():
            folder = tree / group[1:]
            folder.mkdir(parents=True)
            for above in reversed(folder.relative_to(TOP).parents) if tree == TOP else ():
                (TOP / above / "cgroup.subtree_control").write_text("+memory +pids +cpu")
            for path in (folder.parent, folder, *folder.iterdir()) if self.owner else ():
                os.chown(path, self.owner, self.owner)
            for pid in values["PIDs"]:
                (folder / "cgroup.procs").write_text(str(pid))
        self.groups[unit], self.described[unit] = group, values["Description"]
        done(self.job(unit))

    @dbus.service.method(MANAGER, "sba(sv)")
    def SetUnitProperties(self, unit, runtime, properties):  # pylint: disable=invalid-name
        values = {str(key): plain(value) for key, value in properties}
        self.note("SetUnitProperties", unit=str(unit), runtime=bool(runtime), properties=values)

    @dbus.service.method(MANAGER, "ssau")
    def AttachProcessesToUnit(self, unit, subgroup, pids):  # pylint: disable=invalid-name
        self.note("AttachProcessesToUnit", unit=str(unit), subgroup=str(subgroup), pids=plain(pids))
        for pid in pids:
            (TOP / self.groups[str(unit)][1:] / "cgroup.procs").write_text(str(pid))

    @dbus.service.method(MANAGER, "ss", "o")
    def StopUnit(self, unit, mode):  # pylint: disable=invalid-name
        self.note("StopUnit", unit=str(unit), mode=str(mode))
        self.remove(str(unit))
        return self.job(unit)

    def remove(self, unit):
        group = self.groups.pop(unit, None)
        self.described.pop(unit, None)
        for tree in trees() if group else ():
            with contextlib.suppress(OSError):
                os.rmdir(tree / group[1:])

    @dbus.service.method(MANAGER, "s")
    def ResetFailedUnit(self, unit):  # pylint: disable=invalid-name
        self.note("ResetFailedUnit", unit=str(unit))
        raise dbus.exceptions.DBusException(f"Unit {unit} not loaded.", name=f"{NAME}.NoSuchUnit")


def main(address, log, mode, owner="0"):
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    connection = dbus.bus.BusConnection(address)
    manager = Manager(connection, log, mode, int(owner))
    Unit(manager, connection)
    connection.request_name(NAME)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
