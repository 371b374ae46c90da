"""In: what an entry gives as an argument: defaults in its schema, samples. Out: those that fit.

Must not know: how arguments are drawn. A value fits the type of its parameter; the words beside
the parameters say how tensors are filled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .dtypes import BY_NAME
from .errors import did_you_mean, listing
from .reader import Node, Reader, literal
from .schema import Param, Schema, Type

_EXPECTED = {
    "int": "an integer", "float": "a number", "Scalar": "a number", "bool": "true or false",
    "str": "a text", "dtype": "the name of a dtype",
}  # fmt: skip


def defaults(r: Reader, node: Node, schema: Schema) -> None:
    """Report defaults that their parameter's type does not have."""
    text = r.text(node, "op")
    others = {p.name for p in schema.params}
    for p in schema.params:
        if p.default is None or p.default in others or p.type.base not in _EXPECTED:
            continue
        value = literal(p.default)
        if not _fits(value, p.type):
            place = r.place(node).shifted(max(text.find(str(p)), 0))
            r.errors.add(place, f"parameter '{p.name}': the default {p.default} is no "
                                f"'{p.type}'; expected {_words(p.type)}")  # fmt: skip


def values(r: Reader, sample: Mapping[str, Node], schema: Schema) -> dict[str, object]:
    """A sample, read; raises RegistryError at a value that does not fit."""
    params = {p.name: p for p in schema.params}
    found = {}
    for key, node in sample.items():
        value = r.value(node, f"sample '{key}'")
        if key in params:
            _argument(r, node, params[key], value)
        elif key in ("range", "int_range", "values", "dtype"):
            each = value.values() if isinstance(value, dict) else (value,)
            if isinstance(value, dict):
                r.table(node, f"sample '{key}'", tuple(params))
            for stated in each:
                _word(r, node, key, stated)
        found[key] = value
    return found


def broadcast(r: Reader, node: Node, sample: Mapping[str, object], schema: Schema) -> None:
    """Refuse shapes that a pointwise op could not take together."""
    seen: list[tuple[str, list[int]]] = []
    for p in schema.tensors:
        shape = sample.get(p.name)
        if not isinstance(shape, list):
            continue
        for name, other in seen:
            pairs = zip(reversed(shape), reversed(other), strict=False)
            if any(a != b and 1 not in (a, b) for a, b in pairs):
                raise r.fail(
                    node, f"samples: shapes {other} of '{name}' and {shape} of '{p.name}' do not "
                    "broadcast; expected sizes that are equal or 1"
                )  # fmt: skip
        seen.append((p.name, shape))


def _argument(r: Reader, node: Node, p: Param, value: object) -> None:
    if p.type.base == "Tensor":
        if value is None and p.type.optional:
            return
        shapes = value if p.type.is_list else [value]
        good = isinstance(shapes, list) and all(
            (s is None and p.type.is_list) or isinstance(s, int | float) or _is_shape(s)
            for s in shapes
        )
        if not good:
            what = "shapes, e.g. [[3, 4], [2]]" if p.type.is_list else "a shape, e.g. [3, 4]"
            raise r.fail(node, f"sample '{p.name}': expected {what}, found {value!r}")
    elif p.type.base in _EXPECTED and not _fits(value, p.type):
        if p.type.base == "str" and value is None:
            return  # the word none
        raise r.fail(node, f"sample '{p.name}': expected {_words(p.type)}, found {value!r}")


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value
    )


def _fits(value: object, type: Type) -> bool:
    if value is None:
        return type.optional
    if type.is_list and isinstance(value, list | tuple):
        return all(_fits(v, Type(type.base)) for v in value)
    match type.base:
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "Scalar":
            return isinstance(value, int | float | complex)
        case "bool":
            return isinstance(value, bool)
        case "dtype":
            return value in BY_NAME
    return isinstance(value, str)


def _words(type: Type) -> str:
    what = _EXPECTED[type.base]
    if type.is_list:
        what = f"a list of {what.partition(' ')[2]}s"
    return f"{what} or None" if type.optional else what


def _word(r: Reader, node: Node, key: str, stated: object) -> None:
    """What stands beside the parameters, for all tensors or for one."""
    if key == "dtype":
        if stated not in BY_NAME:
            hint = did_you_mean(str(stated), BY_NAME)
            raise r.fail(node, f"sample 'dtype': found {stated!r}; known are "
                               f"{listing(BY_NAME)}{hint}")  # fmt: skip
        return
    numbers = stated if isinstance(stated, list) else []
    good = bool(numbers) and all(
        isinstance(n, int | float) and not isinstance(n, bool) for n in numbers
    )
    if key == "values":
        if not good:
            raise r.fail(node, f"sample 'values': expected a list of numbers, found {stated!r}")
        return
    if not good or len(numbers) != 2 or math.isnan(sum(numbers)) or numbers[0] > numbers[1]:
        raise r.fail(node, f"sample '{key}': expected [least, greatest], found {stated!r}")


_FILL = {"int": "1", "float": "0.5", "Scalar": "0.5", "bool": "false", "str": "text"}


def skeleton(schema: Schema) -> str:
    """An entry to start from: what there is to fill in, and a sample of every argument."""
    first = schema.tensors[0].name if schema.tensors else "1"
    several = ", ".join(f"{o}: {first}" for o in schema.outputs)
    out = first if len(schema.outputs) == 1 else f"{{{several}}}"
    given = [f"{p.name}: [3, 4]" for p in schema.tensors]
    for p in schema.params:
        if p.default is None and p.type.base in _FILL and not p.type.optional:
            value = _FILL[p.type.base]
            given.append(f"{p.name}: {f'[{value}]' if p.type.is_list else value}")
    args = ", ".join("tensor(1.)" if p.type.is_tensor else "1" for p in schema.params
                     if p.default is None and not p.kwonly)  # fmt: skip
    variants = "method, out" if len(schema.outputs) == 1 and schema.tensors else "method"
    return (
        f"- op: {schema}\n  out: {out}\n  dtype: int_to_float\n  variants: [{variants}]\n"
        f'  doc: {{short: "What it computes.", example: "{schema.name}({args})  # 1."}}\n'
        f"  samples: [{{{', '.join(given)}}}]\n"
    )
