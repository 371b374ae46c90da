"""In: the registry's own constants. Out: a JSON schema of ops.yaml, for editors.

Must not know: how entries are read. Completion, descriptions and red lines come from it; what a
formula says is checked by the compiler alone.
"""

from __future__ import annotations

import json
from typing import Any

from .dtypes import BY_CODE, BY_NAME
from .opdef import CHECK_ERRORS
from .registry import (
    ACCUMULATE,
    ARGUMENT_CLASSES,
    AUTOCAST,
    CLASSES,
    DOC,
    DTYPE_KINDS,
    FAST,
    KEYS,
    MATRIX,
    MEANINGS,
    NUMBER_RULES,
    SAMPLE,
    UNSUPPORTED_REASONS,
    VARIANTS,
)  # fmt: skip

DESCRIPTIONS = {
    "op": "The op's PyTorch schema: name(Tensor input, *, Scalar alpha=1) -> Tensor.",
    "out": "Meaning of a pointwise op: a formula, one a class of dtype, or one an output.",
    "reduce": "Meaning of a reduction over 'dim': map, identity, combine, finish.",
    "scan": "Meaning of a running reduction along 'dim': map, identity, combine, finish.",
    "index": "Meaning in loop notation: out[i, j] = sum(input[i, k] * other[k, j] for k in K).",
    "view": "Meaning of a view: primitives on shape, stride and offset.",
    "body": "Meaning as a composition of registry ops: assignments, then the result.",
    "cases": "Bodies by condition: [{when: input.ndim == 1, body: ...}]; the first that holds.",
    "compose": "Meaning as a Python function module.function in frontend/opsmith/compose.",
    "reference": "Meaning as a NumPy or high-precision function.",
    "fast": "One fast form of the meaning, which the gate compares with it.",
    "grad": "Gradients by parameter, linear in g: g * out * (1 - out). The gate verifies them.",
    "kink": "Chosen derivatives where the meaning has none: {input: {0: 0}}, or by condition.",
    "linear": "Groups of parameters the op is jointly linear in: [[input, other]].",
    "transpose": "Adjoints of a linear op as programs of registry ops, by parameter.",
    "dims": "Names of each tensor's axes: {input: [I, K], out: [I]}.",
    "let": "Named intermediate formulas.",
    "outside": "The value of reads beyond the edge, by parameter.",
    "check": "Conditions on arguments, each with the error raised where it fails.",
    "stop": "Where no gradient flows to a parameter.",
    "dtype": "How the result dtype follows: a kind, or {args, kind, <arg>: bool|integral}.",
    "acc": "'wide': accumulate in the wide dtype.",
    "autocast": "What autocast does with the op's arguments.",
    "variants": "Further public forms: method, inplace, out, 'operator:+', ...",
    "alias": "Further public names.",
    "random": "The op draws random numbers: uniform(), normal().",
    "size": "'data': the size of the result depends on the data.",
    "schedule": "A row of schedules.yaml.",
    "unsupported": "Cells of the support matrix without a value, each with its reason.",
    "tol": "Tolerances of tests by dtype: {float32: [1e-5, reason]}.",
    "doc": "What the documentation says.",
    "samples": "Arguments to try: shapes of tensors, values of others, and a range of elements.",
}
assert set(DESCRIPTIONS) == set(KEYS)

Schema = dict[str, Any]
FORMULA: Schema = {"type": ["string", "number", "boolean", "null"]}
TEXT: Schema = {"type": "string"}


def one_or_many(item: Schema) -> Schema:
    """An item or a list of them."""
    return {"anyOf": [item, {"type": "array", "items": item}]}


def closed(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    """A mapping with these keys alone."""
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": required} if required else {})


def table(value: Schema) -> Schema:
    """A mapping with keys that depend on the entry."""
    return {"type": "object", "additionalProperties": value}


def words(*known: str) -> Schema:
    """One of a closed list."""
    return {"enum": list(known)}


def _values() -> dict[str, Schema]:
    """The form of each key's value."""
    monoid = closed(
        {k: table(FORMULA) if k == "let" else one_or_many(FORMULA) for k in ACCUMULATE},
        ["map", "identity", "combine"],
    )
    by_class = closed(dict.fromkeys(CLASSES, FORMULA))
    operator = {"type": "string", "pattern": "^operator:.+$"}
    plain = [v for v in VARIANTS if v != "operator"]
    dtype = {"type": "object", "properties": {
        "args": {"type": "array", "items": TEXT}, "kind": words(*DTYPE_KINDS), "acc": words("wide"),
    }, "additionalProperties": words(*ARGUMENT_CLASSES, *NUMBER_RULES)}  # fmt: skip
    sample = {"type": "object", "properties": {k: {} for k in SAMPLE}}
    case = closed({"when": FORMULA, "body": FORMULA}, ["body"])
    values: dict[str, Schema] = {
        "op": {"type": "string", "pattern": r"^\w+\(.*\) *-> *\S"},
        "out": {"anyOf": [FORMULA, by_class, table({"anyOf": [FORMULA, by_class]})]},
        "reduce": monoid,
        "scan": monoid,
        "index": TEXT,
        "view": TEXT,
        "body": FORMULA,
        "cases": {"type": "array", "items": case},
        "compose": TEXT,
        "reference": TEXT,
        "fast": closed({k: monoid if k in ("reduce", "scan") else TEXT for k in FAST})
        | {"minProperties": 1, "maxProperties": 1},
        "kink": table(table(FORMULA)),
        "linear": {"type": "array", "items": {"type": "array", "items": TEXT}},
        "dims": table(one_or_many(TEXT)),
        "check": table(words(*CHECK_ERRORS)),
        "dtype": {"anyOf": [words(*DTYPE_KINDS), dtype]},
        "acc": words("wide"),
        "autocast": words(*AUTOCAST),
        "variants": one_or_many({"anyOf": [words(*plain), operator]}),
        "alias": one_or_many(TEXT),
        "random": {"type": "boolean"},
        "size": TEXT,
        "schedule": TEXT,
        "unsupported": closed(
            dict.fromkeys((*BY_NAME, *BY_CODE, *CLASSES), TEXT)
            | dict.fromkeys(MATRIX, words(*UNSUPPORTED_REASONS))
        ),
        "tol": table({"type": "array", "minItems": 2, "maxItems": 2}),
        "doc": closed(dict.fromkeys(DOC, TEXT)),
        "samples": {"type": "array", "items": sample},
    }
    return values | {k: table(FORMULA) for k in ("grad", "transpose", "let", "outside", "stop")}


def schema() -> Schema:
    """The JSON schema of a registry file."""
    values = _values()
    assert set(values) == set(KEYS), set(values) ^ set(KEYS)
    entry = closed({k: {"description": DESCRIPTIONS[k], **values[k]} for k in KEYS}, ["op"])
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "opsmith registry",
        "type": "array",
        "items": entry | {"oneOf": [{"required": [m]} for m in MEANINGS]},
    }


def text() -> str:
    """The schema as a file's content."""
    return json.dumps(schema(), indent=1) + "\n"
