# SPDX-License-Identifier: Apache-2.0
"""The walk through a root folder, by several threads: whoever comes to a file, it is seen, and once."""

import json

from inventories import findings, named, status, write

ROUNDS = 8  # who takes what from whom differs each time


def package(name):
    return json.dumps({"name": name, "version": "1.0.0"})


def test_each_file_of_a_wide_and_deep_tree_is_seen_once(inspect, tmp_path):
    wide = [f"srv/{'wide' * 12}{number}/node_modules/p{number}" for number in range(1500)]
    deep = ["opt" + "/d" * depth + f"/node_modules/q{depth}" for depth in range(110)]
    write(tmp_path, {f"{folder}/package.json": package(folder.rsplit("/", 1)[1]) for folder in wide + deep})
    wanted = sorted((folder.rsplit("/", 1)[1], f"{folder}/package.json") for folder in wide + deep)
    for _ in range(ROUNDS):
        assert named(inspect("folder", tmp_path), "npm", "name", "path") == wanted


def test_a_folder_of_many_files_is_read_to_its_end(inspect, tmp_path):
    names = [f"app/{'x' * 200}{number}.egg-info" for number in range(1000)]
    write(tmp_path, {name: f"Name: p{index}\nVersion: 1\n" for index, name in enumerate(names)})
    assert len(named(inspect("folder", tmp_path), "pypi")) == len(names)


def test_each_list_of_owned_files_is_read(inspect, tmp_path):
    files = {f"usr/lib/python3/dist-packages/p{number}.egg-info": f"Name: p{number}\nVersion: 1\n"
             for number in range(1200)}
    lists = {f"var/lib/dpkg/info/{'long' * 15}{number}.list": f"/.\n/usr/lib/python3/dist-packages/p{number}.egg-info\n"
             for number in range(0, 1200, 2)}
    write(tmp_path, {"var/lib/dpkg/status": status(a="1"), **files, **lists})
    wanted = sorted((f"p{number}", number % 2 == 0) for number in range(1200))
    for _ in range(ROUNDS):
        assert named(inspect("folder", tmp_path), "pypi", "name", "owned") == wanted


def test_secrets_and_set_uid_programs_are_found_by_whoever_comes(inspect, tmp_path):
    write(tmp_path, {f"home/u{number}/.netrc": "machine a login b password c9d8e7f6\n" for number in range(300)})
    write(tmp_path, {f"opt/t{number}/tool": "x" for number in range(300)})
    for number in range(300):
        (tmp_path / f"opt/t{number}/tool").chmod(0o4755)
    wanted = sorted([("secret", "netrc", f"home/u{number}/.netrc", False) for number in range(300)] +
                    [("setuid", "CIS-DI-0008", f"opt/t{number}/tool", False) for number in range(300)])
    for _ in range(ROUNDS):
        assert sorted(findings(inspect("folder", tmp_path))) == wanted


def test_folders_without_end_are_an_error_whoever_comes_to_them(inspect, tmp_path):
    (tmp_path / "/".join(["d"] * 128)).mkdir(parents=True)
    write(tmp_path, {f"{number}/x": "x" for number in range(500)})
    for _ in range(ROUNDS):
        assert "over 128 folders deep" in inspect("folder", tmp_path, ok=False)


def test_a_damaged_list_of_packages_is_an_error_whoever_comes_to_it(inspect, tmp_path):
    write(tmp_path, {f"srv/{number}/node_modules/p/package.json": package("p") for number in range(500)})
    write(tmp_path, {"var/lib/rpm/rpmdb.sqlite": b"no database at all" * 500})
    for _ in range(ROUNDS):
        assert "rpmdb.sqlite" in inspect("folder", tmp_path, ok=False)
