# SPDX-License-Identifier: Apache-2.0
"""The description of onggi-vmm's API, docs/openapi/onggi-vmm.yaml, against the program's own tables."""

import json
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


def described():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((TOP / "docs/openapi/onggi-vmm.yaml").read_text())


def tables():
    program = TOP / "build/tests/unit/vmmapi/vmmapi-tables"
    return json.loads(subprocess.run([program], capture_output=True, check=True).stdout)


def resolved(schema):
    """(name of what a schema refers to, or None; the schema without wrapping)"""
    if "allOf" in schema:
        schema = schema["allOf"][0]
    reference = schema.get("$ref")
    return (reference.rsplit("/", 1)[1] if reference else None), schema


def test_the_description_has_every_path_and_method():
    described_routes = {(method, re.sub(r"\{\w+\}", "{}", path))
                        for path, methods in described()["paths"].items() for method in methods}
    assert described_routes == {(r["method"], r["path"]) for r in tables()["routes"]}


def test_the_description_has_every_body():
    paths = {re.sub(r"\{\w+\}", "{}", path): methods
             for path, methods in described()["paths"].items()}
    for route in tables()["routes"]:
        content = paths[route["path"]][route["method"]].get("requestBody")
        if "body" in route:
            schema = content["content"]["application/json"]["schema"]
            assert resolved(schema)[0] == route["body"], route
        else:
            assert (content is not None) == route["any_json"], route


def test_the_description_has_every_field_with_its_kind_and_range():
    schemas = described()["components"]["schemas"]
    for name, body in tables()["bodies"].items():
        schema = schemas[name]
        assert list(schema["properties"]) == list(body["fields"]), name
        assert set(schema.get("required", [])) == {
            key for key, field in body["fields"].items() if field["required"]}, name
        assert schema["additionalProperties"] is False and schema["description"]
        for key, field in body["fields"].items():
            shown = schema["properties"][key]
            where = f"{name}.{key}"
            assert shown["description"], where
            assert shown.get("deprecated", False) == field["deprecated"], where
            if field["list"]:
                assert shown["type"] == "array", where
                shown = shown["items"]
            reference, shown = resolved(shown)
            assert reference == field.get("body"), where
            if field["kind"] in ("boolean", "integer", "string"):
                assert shown["type"] == field["kind"], where
            if field["kind"] == "word":
                assert shown["enum"] == field["words"], where
            if field["kind"] == "integer":
                assert (shown["minimum"], shown["maximum"]) == (field["min"], field["max"]), where


def test_every_counter_is_counted_somewhere():
    """A metric that nothing raises says 0 for ever, which is worse than not being there."""
    structs = (TOP / "src/vmm/metrics.h").read_text()
    names = {name.strip() for line in re.findall(r"^\s+og_count (.*?);", structs, re.MULTILINE)
             for name in line.split(",")}
    code = "".join(path.read_text() for folder in ("vmm", "vmmapi")
                   for path in (TOP / "src" / folder).rglob("*.c"))
    counted = " ".join(re.findall(r"og_counted\((.*?)\);", code, re.DOTALL))
    named = set(re.findall(r"(?:->|\.)(\w+)", counted))
    indirect = {"i8042_reset_count"}  # by a pointer to it (i8042.h)
    assert len(names) > 70 and names - named == indirect
