"""In: intrinsics.yaml. Out: the math functions of the formula language, by name.

Must not know: ops or targets; a row says what a function is in every reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from .formula import Node, parse
from .paths import PACKAGE
from .reader import typed


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """One math function."""

    name: str
    args: tuple[str, ...]
    partials: tuple[Node, ...]
    at: tuple[tuple[str, float, Node], ...]  # (argument, number, what the function is there)
    classes: tuple[str, ...]
    is_bool: bool
    random: bool
    divisor: str  # the argument that may not be 0 where the arguments are integers, or ''
    c: str
    cuda: str
    mp: str
    np: str
    latex: str
    text: str


@cache
def table() -> Mapping[str, Intrinsic]:
    """Every intrinsic by name, read once."""
    rows = typed((PACKAGE / "intrinsics.yaml").read_text(encoding="utf-8"))
    return {name: _row(str(name), row) for name, row in rows.items()}


def _row(name: str, row: dict[str, object]) -> Intrinsic:
    known = {
        "args", "partials", "at", "classes", "result", "random", "divisor", "c", "cuda", "mp", "np",
        "latex",
    }  # fmt: skip
    unknown = set(row) - known
    if unknown:
        raise ValueError(f"intrinsics.yaml: '{name}' has unknown fields {sorted(unknown)}")
    args = tuple(str(a) for a in _list(row["args"]))
    call = f"({', '.join(args)})"
    c = str(row.get("c", f"ops_{name}_{{T}}"))
    return Intrinsic(
        name=name,
        args=args,
        partials=tuple(parse(str(p)) for p in _list(row.get("partials", []))),
        at=tuple(
            (str(arg), float(number), parse(str(form)))
            for arg, forms in _pairs(row.get("at", {}))
            for number, form in _pairs(forms)
        ),
        classes=tuple(str(c) for c in _list(row.get("classes", ["float"]))),
        is_bool=row.get("result") == "bool",
        random=bool(row.get("random", False)),
        divisor=str(row.get("divisor", "")),
        c=c,
        cuda=str(row.get("cuda", c)),
        mp=str(row.get("mp", f"mp.{name}{call}")),
        np=str(row.get("np", f"np.{name}{call}")),
        latex=str(row.get("latex", name)),
        text=repr(sorted(row.items())),
    )


def _pairs(value: object) -> list[tuple[str, object]]:
    assert isinstance(value, dict), value
    return list(value.items())


def _list(value: object) -> list[object]:
    assert isinstance(value, list), value
    return value
