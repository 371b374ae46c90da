"""The JSON schema accepts registries and draws red lines under what the registry refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsmithc import jsonschema, registry

ENTRIES = Path(__file__).parent / "data" / "entries.yaml"
SCHEMA = jsonschema.schema()
TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float),
    "null": type(None),
}  # fmt: skip


def valid(value: Any, schema: dict[str, Any]) -> bool:
    """A validator for the part of JSON Schema that the schema uses."""
    known = {"type", "enum", "pattern", "properties", "additionalProperties", "required", "items",
             "anyOf", "oneOf", "minItems", "maxItems", "minProperties", "maxProperties",
             "description", "$schema", "title"}  # fmt: skip
    assert set(schema) <= known, set(schema) - known
    kinds = schema.get("type", list(TYPES))
    if not any(isinstance(value, TYPES[k]) for k in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    if "anyOf" in schema and not any(valid(value, s) for s in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(valid(value, s) for s in schema["oneOf"]) != 1:
        return False
    if isinstance(value, list):
        size = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return size and all(valid(v, schema.get("items", {})) for v in value)
    if isinstance(value, dict):
        if any(k not in value for k in schema.get("required", ())):
            return False
        if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", 99):
            return False
        named, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
        for k, v in value.items():
            allowed = named.get(str(k), rest)
            if allowed is False or not valid(v, allowed):
                return False
    return True


def test_every_key_is_described_and_closed() -> None:
    entry = SCHEMA["items"]
    assert list(entry["properties"]) == list(registry.KEYS)
    assert entry["additionalProperties"] is False
    assert all(p["description"].endswith(".") for p in entry["properties"].values())


def test_words_are_the_registry_s() -> None:
    keys = SCHEMA["items"]["properties"]
    assert keys["dtype"]["anyOf"][0]["enum"] == list(registry.DTYPE_KINDS)
    words = keys["variants"]["anyOf"][0]["anyOf"][0]["enum"]
    assert [*words, "operator"] == [*(v for v in registry.VARIANTS if v != "operator"), "operator"]
    reasons = keys["unsupported"]["properties"]["backward"]["enum"]
    assert reasons == list(registry.UNSUPPORTED_REASONS)


def test_text_is_json_and_the_same_every_time() -> None:
    assert json.loads(jsonschema.text()) == SCHEMA
    assert jsonschema.text() == jsonschema.text()


def test_the_prototypes_are_valid() -> None:
    assert valid(yaml.safe_load(ENTRIES.read_text()), SCHEMA)


@pytest.mark.parametrize(
    "change",
    [{"outt": "x"}, {"dtype": "sam"}, {"variants": ["methd"]}, {"variants": "operator"},
     {"body": "input"}, {"doc": {"shrot": "x"}}, {"linear": ["input"]}, {"op": "f(Tensor input)"},
     {"unsupported": {"backward": "too hard"}}, {"tol": {"float32": 1e-5}},
     {"fast": {"source": "a", "library": "b"}}, {"reduce": {"map": ["input"]}}],
)  # fmt: skip
def test_mistakes_are_red(change: dict[str, Any]) -> None:
    entry = {"op": "f(Tensor input) -> Tensor", "out": "input"}
    assert valid([entry], SCHEMA)
    assert not valid([entry | change], SCHEMA)
