"""In: an op. Out: as much of it as another op may see, and the content key of that.

Must not know: who looks. What an op is made into may depend on other ops through these views alone:
that is what keeps records of builds right (``entries.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace

from .errors import Place
from .opdef import Formula, Meaning, OpDef

NOWHERE = Place("", 0, 0)


def head(op: OpDef) -> OpDef:
    """What a caller may know of an op: all but what its formulas and its documentation say.

    The kind of the meaning stays; reading what is in it fails.
    """
    bare: Meaning = object.__new__(type(op.meaning))
    return replace(
        op, place=NOWHERE, meaning=bare, grad={}, kinks=(), transpose={}, let={},
        outside={}, check=(), stop={}, tol={}, doc={}, samples=(), text="",
        fast=replace(op.fast, acc=None, place=NOWHERE) if op.fast else None,
    )  # fmt: skip


def core(op: OpDef) -> OpDef:
    """What a program that calls the op may know of it: all but its examples and documentation."""
    return replace(op, doc={}, samples=(), tol={}, text="")


def key(op: OpDef) -> str:
    """A content key, wherever the op stands and however it is laid out."""
    return hashlib.sha256(_said(op).encode()).hexdigest()


def _said(value: object) -> str:
    if isinstance(value, Place):
        return ""
    if isinstance(value, Formula):
        return f"{value.text!r} {value.node!r}"
    if is_dataclass(value):
        inner = (_said(getattr(value, f.name, None)) for f in fields(value))
        return f"{type(value).__name__}({', '.join(inner)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_said(k)}: {_said(v)}' for k, v in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_said, value))},)"
    return repr(value)
