"""In: an op. Out: the first lines of its functions: parameters by other names, ``out=``.

Must not know: kernels, or what follows.
"""

from __future__ import annotations

from ..opdef import Body, OpDef
from .signature import arguments, itself, other_names, safe


def renaming(op: OpDef, function: str, passed: str) -> list[str]:
    """The lines that begin a function: called by other names, call it again by its own."""
    return _renamed(op, function, passed, _asked(op), 4)


def renaming_late(op: OpDef, function: str, passed: str) -> list[str]:
    """The lines that begin the handling of a failure: names of what is required."""
    free = {p.name for p in op.schema.params if p.default is not None}
    required = [f"{name} is not None" for p, name in _flat(op) if p not in free]
    return _renamed(op, function, passed, required, 8)


def renaming_first(op: OpDef, function: str, passed: str) -> list[str]:
    """All in one, for functions that would not fail at once: every name, and what is missing."""
    return _renamed(op, function, passed, _whole(op), 4)


def opening(op: OpDef, whole: bool = False) -> list[str]:
    """What a function does first: other names, and ``out=`` by itself without.

    The fast path pays one comparison for both: a name that nobody used is what ``out`` is, None.
    ``whole``: as ``renaming_first``.
    """
    function, passed = itself(op), arguments(op)
    tests = _whole(op) if whole else _asked(op)
    if "out" not in op.variants:
        return _renamed(op, function, passed, tests, 4)
    again = _renamed(op, function, f"{passed}, out=out", tests, 8)
    either = "out is not None" if not tests else " or ".join(
        [tests[0].replace("is not None", "is not out"), *tests[1:]]
    )
    refused = ""
    if isinstance(op.meaning, Body):  # the result of what is constant almost everywhere has no node
        operands = ", ".join(safe(p.name) for p in op.schema.tensors)
        refused = f"refuse_recorded_out(out, {operands}, name={op.name!r})"
    return [
        f"    if {either}:",
        *again,
        *([f"        {refused}"] if refused else []),
        f"        return write_out(out, {function}({passed}), {op.name!r})",
    ]


def _asked(op: OpDef) -> list[str]:
    """Conditions under which parameters were given by other names, as far as the fast path asks.

    It asks for names of parameters with defaults, and for the first, on which an argument too many
    would land. Without a parameter that is required the function fails, and then asks for the rest.
    """
    free = {p.name for p in op.schema.params if p.default is not None}
    return [f"{name} is not None" for k, (p, name) in enumerate(_flat(op)) if k == 0 or p in free]


def _whole(op: OpDef) -> list[str]:
    if not other_names(op):
        return []
    missing = [f"{safe(p.name)} is MISSING" for p in op.schema.params if p.default is None]
    return [*(f"{name} is not None" for _, name in _flat(op)), *missing]


def _flat(op: OpDef) -> list[tuple[str, str]]:
    """(parameter, other name) in the order in which they stand."""
    return [(p, name) for p, names in other_names(op).items() for name in names]


def _renamed(op: OpDef, function: str, passed: str, tests: list[str], indent: int) -> list[str]:
    if not tests:
        return []
    pad = " " * indent
    given = ", ".join(f"{p!r}: ({', '.join(names)},)" for p, names in other_names(op).items())
    return [
        f"{pad}if {' or '.join(tests)}:",
        f"{pad}    return renamed({function}, {{{given}}}, {passed})",
    ]
