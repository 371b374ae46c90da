"""In: a formula and what its names are. Out: is it a number or a truth value, is it linear in g.

Must not know: entries or places; a mistake is a FormulaError at the formula's own column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Literal, TypeAlias

from .errors import FormulaError
from .formula import (
    Attr,
    Binary,
    Call,
    Compare,
    Fold,
    IfExp,
    Item,
    Logic,
    Name,
    Node,
    Num,
    Seq,
    Unary,
    unparse,
    walk,
)  # fmt: skip
from .intrinsics import table

Kind: TypeAlias = Literal["number", "bool"] | None  # None: not known, anything goes
ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**", "@"})
TRUTH = frozenset({"any", "all"})
SUMS = frozenset({"sum", "mean"})
ROWS = ("sum", "mean", "prod", "amax", "amin", "any", "all")
STATIC = {"size": 2, "numel": 1, "count": 1, "len": 1}


class Kinds:
    """Infers the kind of every part; op results are looked up by name."""

    def __init__(self, names: Mapping[str, Kind], ops: Callable[[str], Kind]) -> None:
        """``names`` in scope (others are unknown); ``ops`` says what a registry op yields."""
        self.names, self.ops = names, ops

    def of(self, node: Node) -> Kind:
        """The kind of ``node``; raises FormulaError where kinds do not fit."""
        match node:
            case Num(value=v):
                return "bool" if isinstance(v, bool) else "number"
            case Name(id=name):
                return self.names.get(name)
            case Unary(op="not", arg=a):
                self._condition(a, "'not'")
                return "bool"
            case Unary(op="~", arg=a):
                return self.of(a)
            case Unary(arg=a):
                self._number(a, "'-'")
                return "number"
            case Binary(op=op, left=a, right=b) if op in ARITHMETIC:
                self._number(a, f"'{op}'")
                self._number(b, f"'{op}'")
                return "number"
            case Binary(left=a, right=b):
                left, right = self.of(a), self.of(b)
                return left if left == right else None
            case Compare(left=a, right=b):
                self.of(a)
                self.of(b)
                return "bool"
            case Logic(op=op, args=args):
                for a in args:
                    self._condition(a, f"'{op}'")
                return "bool"
            case IfExp(test=t, then=a, other=b):
                self._condition(t, "'if'")
                left, right = self.of(a), self.of(b)
                return left if left == right else None
            case Item(base=base, index=index):
                for i in index:
                    self._number(i, "a subscript")
                return self.of(base)
            case Attr(name=name):
                return "number" if name == "ndim" else None
            case Fold(kind=kind, body=body):
                if kind in TRUTH:
                    self._condition(body, f"{kind}()")
                    return "bool"
                self._number(body, f"{kind}()")
                return "number"
            case Seq(items=items):
                for i in items:
                    self.of(i)
                return None
            case Call():
                return self._call(node)
        return None

    def _call(self, node: Call) -> Kind:
        if node.fn == "where" and len(node.args) == 3:
            test, a, b = node.args
            self._condition(test, "where()")
            left, right = self.of(a), self.of(b)
            if left and right and left != right:
                raise FormulaError(
                    f"where() mixes the {_word(left)} '{unparse(a)}' and the {_word(right)} "
                    f"'{unparse(b)}'", b.col,
                )  # fmt: skip
            return left or right
        row = table().get(node.fn)
        known = self.ops(node.fn)
        if row is not None and known is None:
            for a in node.args:
                self._number(a, f"{node.fn}()")
            return "bool" if row.is_bool else "number"
        for a in (*node.args, *(v for _, v in node.kwargs)):
            self.of(a)
        if node.fn in TRUTH:
            return "bool"
        return "number" if node.fn in ROWS or node.fn in STATIC else known

    def _number(self, node: Node, user: str) -> None:
        if self.of(node) == "bool":
            text = unparse(node)
            raise FormulaError(
                f"{user} needs a number, found the truth value '{text}'; "
                f"write where({text}, 1, 0)", node.col,
            )  # fmt: skip

    def _condition(self, node: Node, user: str) -> None:
        if self.of(node) == "number":
            text = unparse(node)
            raise FormulaError(
                f"{user} needs a condition, found the number '{text}'; write {unparse_ne(node)}",
                node.col,
            )


def unparse_ne(node: Node) -> str:
    """``node != 0`` as text."""
    return f"{unparse(node, 5)} != 0"


def _word(kind: Kind) -> str:
    return "truth value" if kind == "bool" else "number"


class Degree(Enum):
    """How a formula depends on the cotangents."""

    ZERO = "is zero"
    FREE = "does not read"
    LINEAR = "is linear in"
    UNKNOWN = "depends, in a way only its ops know, on"


class Linearity:
    """Refuses what is not linear in the cotangents; what only an op knows is taken as linear."""

    def __init__(self, cotangents: frozenset[str], linear_op: Callable[[str], bool]) -> None:
        """``linear_op`` says whether a registry op is linear in the arguments it is given."""
        self.cotangents, self.linear_op = cotangents, linear_op

    def of(self, node: Node) -> Degree:
        """The degree of ``node``; raises FormulaError at what is not linear."""
        match node:
            case Num(value=v):
                return Degree.ZERO if v == 0 and not isinstance(v, bool) else Degree.FREE
            case Name(id=name):
                return Degree.LINEAR if name in self.cotangents else Degree.FREE
            case Unary(op="-", arg=a):
                return self.of(a)
            case Binary(op="+" | "-", left=a, right=b):
                return self._sum(a, b)
            case Binary(op="*" | "@" as op, left=a, right=b):
                return self._product(a, b, op)
            case Binary(op="/", left=a, right=b):
                self._free(b, "divides by")
                return self.of(a)
            case Call(fn="where", args=(test, a, b)):
                self._free(test, "decides by")
                return self._sum(a, b)
            case IfExp(test=test, then=a, other=b):
                self._free(test, "decides by")
                return self._sum(a, b)
            case Item(base=base, index=index):
                for i in index:
                    self._free(i, "reads at")
                return self.of(base)
            case Attr(base=base, name=name):
                return (
                    Degree.FREE if name in ("ndim", "shape", "dtype", "device") else self.of(base)
                )
            case Fold(kind="sum", body=body):
                return self.of(body)
            case Seq(items=items):
                found = [self.of(i) for i in items]
                return Degree.UNKNOWN if any(map(_reads, found)) else Degree.FREE
            case Call():
                return self._call(node)
            case Compare(op="is" | "is not"):
                return Degree.FREE
            case Compare() | Logic() | Unary() | Binary() | Fold():
                self._free(
                    node, "decides by" if isinstance(node, Compare | Logic) else "is not linear:"
                )
        return Degree.FREE

    def _sum(self, a: Node, b: Node) -> Degree:
        left, right = self.of(a), self.of(b)
        if left is Degree.ZERO or right is Degree.ZERO or left is right:
            return right if left is Degree.ZERO else left
        if Degree.FREE in (left, right):
            alone = a if left is Degree.FREE else b
            raise FormulaError(f"'{unparse(alone)}' does not read {self._g()}", alone.col)
        return Degree.UNKNOWN

    def _product(self, a: Node, b: Node, op: str) -> Degree:
        left, right = self.of(a), self.of(b)
        if _reads(left) and _reads(right):
            text = f"{unparse(a, 10)} {op} {unparse(b, 11)}"
            raise FormulaError(f"both factors of '{text}' read {self._g()}", a.col)
        if Degree.ZERO in (left, right):
            return Degree.ZERO
        return left if _reads(left) else right

    def _call(self, node: Call) -> Degree:
        args = (*node.args, *(v for _, v in node.kwargs))
        if node.fn in STATIC:
            return Degree.FREE
        found = [self.of(a) for a in args]
        reading = [d for d in found if _reads(d)]
        if not reading:
            return Degree.FREE
        if node.fn in SUMS and _reads(found[0]) and len(reading) == 1:
            return found[0]
        if node.fn in table() or node.fn in ROWS:
            raise FormulaError(f"{node.fn}() of {self._g()} is not linear", node.col)
        return Degree.LINEAR if self.linear_op(node.fn) else Degree.UNKNOWN

    def _free(self, node: Node, how: str) -> None:
        if any(isinstance(n, Name) and n.id in self.cotangents for n in walk(node)):
            raise FormulaError(f"it {how} '{unparse(node)}', which reads {self._g()}", node.col)

    def _g(self) -> str:
        return " or ".join(sorted(self.cotangents))


def _reads(degree: Degree) -> bool:
    return degree in (Degree.LINEAR, Degree.UNKNOWN)
