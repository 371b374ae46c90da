"""In: a formula and the names to differentiate by. Out: cotangent formulas, linear in ``g``.

Must not know: targets or registries. One reverse pass over the tree; the partials of the math
functions come from intrinsics.yaml. Reductions over a row (``sum(x, dim, True)`` and friends inside
a body) are differentiated by the same pass: the adjoint of a broadcast is a sum.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import FormulaError, did_you_mean
from ..formula import (
    ONE,
    ZERO,
    Attr,
    Binary,
    Call,
    Compare,
    IfExp,
    Logic,
    Name,
    Nil,
    Node,
    Num,
    Str,
    Unary,
    substitute,
    unparse,
)  # fmt: skip
from ..intrinsics import table
from .algebra import add, div, is_num, mul, neg, simplify, where

OPERATORS = {"**": "pow", "//": "floor_divide", "%": "remainder"}
FLAT = frozenset({"size", "numel"})


def gradient(
    formula: Node, wrt: Iterable[str], g: Node | None = None, out: Node | None = None
) -> dict[str, Node]:
    """Cotangents of ``wrt`` given the cotangent ``g`` of ``formula``.

    Args:
        formula: an element-wise formula, perhaps with row reductions.
        wrt: names to differentiate by; a name that does not matter gets the formula 0.
        g: the cotangent of the result (default: the name ``g``).
        out: a name standing for the value of ``formula``; where given, derivatives read it instead
            of computing the value again (``d exp = g * out``).

    Raises:
        FormulaError: for a function without derivative.
    """
    wanted = tuple(wrt)
    found: dict[str, Node] = {}
    _reverse(formula, g if g is not None else Name("g"), out, frozenset(wanted), found)
    return {name: simplify(found.get(name, ZERO)) for name in wanted}


def _reverse(
    node: Node, g: Node, out: Node | None, wanted: frozenset[str], found: dict[str, Node]
) -> None:
    """Add the contribution of cotangent ``g`` at ``node`` to ``found``."""
    if is_num(g, 0):
        return
    match node:
        case Name(id=name):
            if name in wanted:
                found[name] = add(found[name], g) if name in found else g
        case Num() | Str() | Nil() | Compare() | Logic() | Attr():
            pass
        case Unary(op="-", arg=a):
            _reverse(a, neg(g), None, wanted, found)
        case Unary():
            pass
        case Binary(op="+", left=a, right=b):
            _reverse(a, g, None, wanted, found)
            _reverse(b, g, None, wanted, found)
        case Binary(op="-", left=a, right=b):
            _reverse(a, g, None, wanted, found)
            _reverse(b, neg(g), None, wanted, found)
        case Binary(op="*", left=a, right=b):
            _reverse(a, mul(g, b), None, wanted, found)
            _reverse(b, mul(g, a), None, wanted, found)
        case Binary(op="/", left=a, right=b):
            _reverse(a, div(g, b), None, wanted, found)
            quotient = out if out is not None else node
            _reverse(b, neg(div(mul(g, quotient), b)), None, wanted, found)
        case Binary(op=op, left=a, right=b) if op in OPERATORS:
            _reverse(Call(OPERATORS[op], (a, b), col=node.col), g, out, wanted, found)
        case Binary():
            pass  # bitwise operators act on integers
        case Call(fn="where", args=(c, a, b)):
            _reverse(a, where(c, g, ZERO), None, wanted, found)
            _reverse(b, where(c, ZERO, g), None, wanted, found)
        case Call(fn=fn) if fn in FLAT:
            pass
        case Call(fn=fn, args=(x, *dims)) if fn in ROW_ADJOINTS and dims:
            total = Call("sum", (g, *dims), node.kwargs)
            _reverse(x, ROW_ADJOINTS[fn](total, x, node), None, wanted, found)
        case Call(fn=fn, args=args):
            _intrinsic(node, fn, args, g, out, wanted, found)
        case IfExp(test=test, then=then, other=other):
            better = unparse(Call("where", (test, then, other)))
            raise FormulaError(f"'{unparse(node)}' has no derivative; write {better}", node.col)
        case _:
            raise FormulaError(f"{type(node).__name__} has no derivative", node.col)


def _intrinsic(
    node: Call, fn: str, args: tuple[Node, ...], g: Node, out: Node | None,
    wanted: frozenset[str], found: dict[str, Node],
) -> None:  # fmt: skip
    row = table().get(fn)
    if row is None:
        raise FormulaError(f"unknown function '{fn}'{did_you_mean(fn, table())}", node.col)
    if len(args) != len(row.args):
        raise FormulaError(f"{fn}() takes {len(row.args)} arguments, found {len(args)}", node.col)
    values: dict[str, Node] = {"out": out if out is not None else node}
    values |= dict(zip(row.args, args, strict=True))
    for arg, partial in zip(args, row.partials, strict=False):
        if not is_num(partial, 0):
            _reverse(arg, mul(g, substitute(partial, values)), None, wanted, found)
    if not row.partials and row.args and _reads(args, wanted):
        raise FormulaError(f"'{fn}' has no derivative in intrinsics.yaml", node.col)


def _reads(args: tuple[Node, ...], wanted: frozenset[str]) -> bool:
    from ..formula import names

    return any(n in wanted for a in args for n in names(a))


def _mean(total: Node, x: Node, call: Call) -> Node:
    return div(total, Call("count", call.args[1:2]))


def _selected(total: Node, x: Node, call: Call) -> Node:
    hit = Compare("==", x, call)
    ties = Call("sum", (Call("where", (hit, ONE, ZERO)), *call.args[1:]), call.kwargs)
    return where(hit, div(total, ties), ZERO)


# Adjoints of reductions over a row, given the row's total cotangent.
ROW_ADJOINTS = {
    "sum": lambda total, x, call: total,
    "mean": _mean,
    "amax": _selected,
    "amin": _selected,
}
