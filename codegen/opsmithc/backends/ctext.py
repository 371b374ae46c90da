"""In: formula trees and the classes of the names in them. Out: C expressions (CUDA's are the same).

Must not know: ops, families or files. One printer; what differs between targets is the name table
of the math functions, chosen by ``spelling``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..dtypes import BY_CODE, DType
from ..formula import (
    Binary,
    Call,
    Compare,
    IfExp,
    Logic,
    Name,
    Node,
    Num,
    Unary,
)  # fmt: skip
from ..intrinsics import table
from ..ir import BOOL, COMMON, LONG

_CALLS = {
    "**": "pow", "//": "floor_divide", "%": "remainder", "<<": "shift_left", ">>": "shift_right",
}  # fmt: skip
_POWERS = (2, 3)  # products, whatever the dtype
_INT_LIMITS = {"i64": "INT64", "i32": "INT32"}


class Printer:
    """Prints element formulas of one compute dtype."""

    def __init__(
        self, compute: str, env: Mapping[str, tuple[str, str]], spelling: str = "c"
    ) -> None:
        """``env``: name -> (C text, class)."""
        self.compute, self.env, self.spelling = compute, env, spelling
        self.dtype = BY_CODE[compute]

    def value(self, node: Node, cls: str) -> str:
        """The formula as an element of class ``cls``, ready to be stored."""
        text, found = self._expr(node)
        if cls == BOOL or (cls == COMMON and self.compute == "b8"):
            return text if found == BOOL else f"({text}) != 0"
        return self._literal_as(node, text, found, cls)

    def cls(self, node: Node) -> str:
        """The class of the formula's value."""
        return self._expr(node)[1]

    def condition(self, node: Node) -> str:
        """The formula as a C condition."""
        text, found = self._expr(node)
        return text if found == BOOL else f"({text} != 0)"

    def _convert(self, text: str, found: str, cls: str) -> str:
        if found == cls:
            return text
        ctype = {COMMON: self.dtype.ctype, LONG: "int64_t", BOOL: "uint8_t"}[cls]
        return f"({ctype}){_atom(text)}"

    def _common(self, node: Node) -> str:
        text, found = self._expr(node)
        return self._convert(text, found, COMMON)

    def _expr(self, node: Node) -> tuple[str, str]:
        match node:
            case Num(value=bool() as v):
                return ("1" if v else "0"), BOOL
            case Num(value=v):
                assert not isinstance(v, complex)
                return self.literal(v), COMMON
            case Name(id=name):
                return self.env[name]
            case Unary(op="-", arg=a):
                return f"-{_atom(self._common(a))}", COMMON
            case Unary(op="not", arg=a):
                return f"!{_atom(self.condition(a))}", BOOL
            case Unary(op="~", arg=a):
                text, found = self._expr(a)
                if found == BOOL or self.compute == "b8":
                    return f"!{_atom(text)}", BOOL
                return f"~{_atom(text)}", found
            case Binary(op=op, left=a, right=b):
                return self._binary(op, a, b)
            case Compare(op=op, left=a, right=b):
                (ta, ca), (tb, cb) = self._expr(a), self._expr(b)
                if ca != cb:
                    both = LONG if LONG in (ca, cb) and not self._is_float() else COMMON
                    ta, tb = self._literal_as(a, ta, ca, both), self._literal_as(b, tb, cb, both)
                return f"({ta} {op} {tb})", BOOL
            case Logic(op=op, args=args):
                symbol = " & " if op == "and" else " | "  # no jumps: the loop must vectorise
                return f"({symbol.join(self.condition(a) for a in args)})", BOOL
            case Call(fn="where", args=(c, a, b)):
                return self._select(c, a, b)
            case IfExp(test=c, then=a, other=b):
                return self._select(c, a, b)
            case Call(fn=fn, args=args):
                return self._call(fn, args)
        raise AssertionError(f"no C for {node}")

    def _is_float(self) -> bool:
        return self.dtype.kind == "float"

    def _literal_as(self, node: Node, text: str, found: str, cls: str) -> str:
        if isinstance(node, Num) and cls == LONG and not isinstance(node.value, bool | complex):
            if math.isinf(node.value):
                return "INT64_MAX" if node.value > 0 else "INT64_MIN"
            return f"INT64_C({int(node.value)})"
        return self._convert(text, found, cls)

    def _select(self, c: Node, a: Node, b: Node) -> tuple[str, str]:
        (ta, ca), (tb, cb) = self._expr(a), self._expr(b)
        cls = ca if ca == cb else COMMON
        if LONG in (ca, cb) and ca != cb:
            cls = LONG if isinstance(a, Num) or isinstance(b, Num) else COMMON
        ta, tb = self._literal_as(a, ta, ca, cls), self._literal_as(b, tb, cb, cls)
        return f"({self.condition(c)} ? {ta} : {tb})", cls

    def _binary(self, op: str, a: Node, b: Node) -> tuple[str, str]:
        if op == "**" and isinstance(b, Num) and b.value in _POWERS:
            base = self._common(a)
            if isinstance(a, Name):
                return "(" + " * ".join([base] * int(b.value)) + ")", COMMON  # type: ignore[arg-type]
        if op in _CALLS:
            return self._call(_CALLS[op], (a, b))
        (ta, ca), (tb, cb) = self._expr(a), self._expr(b)
        if op in "&|^" and ca == cb == BOOL:
            return f"({ta} {op} {tb})", BOOL
        if (
            LONG in (ca, cb)
            and {ca, cb} <= {LONG, BOOL}
            or (LONG in (ca, cb) and (isinstance(a, Num) or isinstance(b, Num)))
        ):
            left, right = self._literal_as(a, ta, ca, LONG), self._literal_as(b, tb, cb, LONG)
            return f"({left} {op} {right})", LONG
        return f"({self._convert(ta, ca, COMMON)} {op} {self._convert(tb, cb, COMMON)})", COMMON

    def _call(self, fn: str, args: tuple[Node, ...]) -> tuple[str, str]:
        row = table().get(fn)
        name = (row.c if self.spelling == "c" else row.cuda) if row else f"ops_{fn}_{{T}}"
        values = [self._common(a) for a in args]
        if row and row.random:
            values = ["seed", "offset", "start + k"]
        text = f"{name.replace('{T}', self.compute)}({', '.join(_bare(v) for v in values)})"
        return text, BOOL if row and row.is_bool else COMMON

    def literal(self, v: int | float) -> str:
        """A number in the compute dtype."""
        if self.compute == "b8":
            return "1" if v > 0 else "0"
        if not self._is_float():
            limit = _INT_LIMITS[self.compute]
            if isinstance(v, float) and not math.isfinite(v):
                return f"{limit}_MAX" if v > 0 else f"{limit}_MIN"
            return f"INT64_C({int(v)})" if self.compute == "i64" else str(int(v))
        if math.isnan(v):
            return "NAN"
        if math.isinf(v):
            return "INFINITY" if v > 0 else "(-INFINITY)"
        text = repr(float(v)) + ("f" if self.compute == "f32" else "")
        return f"({text})" if v < 0 else text


def has_reading(node: Node, dtype: DType) -> bool:
    """Does one operation, or number, of a formula mean something in a compute dtype?"""
    match node:
        case Num(value=bool()):
            return True
        case Num(value=v) if dtype.kind != "float" and not isinstance(v, complex):
            if not math.isfinite(v):
                return True  # the greatest integer, or the least
            return v == int(v) and (dtype.kind == "bool" or abs(v) < 2 ** (8 * dtype.size - 1))
        case Binary(op="/"):
            return dtype.kind == "float"  # true division leaves the integers
        case Binary(op="&" | "|" | "^") | Unary(op="~"):
            return True
        case Binary(op="**", left=Name(), right=Num(value=v)) if v in _POWERS:
            return True
        case Binary(op="<<" | ">>"):
            return dtype.kind == "int"
        case Binary(op=op) if op in _CALLS:
            return dtype.kind in table()[_CALLS[op]].classes
        case Call(fn=fn) if fn in table():
            row = table()[fn]
            return dtype.kind in row.classes or (row.random and dtype.kind == "float")
    return True


def _atom(text: str) -> str:
    """Parenthesised unless it already is one token or group."""
    if text.isidentifier() or text.replace(".", "").isalnum() or _grouped(text):
        return text
    return f"({text})"


def _bare(text: str) -> str:
    """Without the outer parentheses of a group (function arguments need none)."""
    return text[1:-1] if _grouped(text) and text.startswith("(") else text


def _grouped(text: str) -> bool:
    if not text.endswith(")"):
        return False
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and c == ")":
            return i == len(text) - 1 and (text[0] == "(" or text[: text.index("(")].isidentifier())
    return False
