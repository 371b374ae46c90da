"""In: a pointwise kernel. Out: what it computes where an operand is one number throughout a block.

Must not know: C. Rows of intrinsics.yaml say under `at` what a function becomes where an argument
is a given number (``pow(x, 2)`` is ``x * x``); a kernel whose formulas grow cheaper by that looks
for such blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..derive.algebra import simplify
from ..formula import Binary, Call, Compare, Name, Node, Num, names, substitute, transform, walk
from ..intrinsics import table
from ..ir import COMMON, PointwiseKernel


@dataclass(frozen=True, slots=True)
class Special:
    """The values of a kernel where the input ``name`` is ``value`` in all of a block."""

    name: str
    value: float
    values: tuple[Node, ...]


def specials(kernel: PointwiseKernel, cheap: frozenset[str]) -> list[Special]:
    """The numbers of one operand that make the kernel cheaper, as intrinsics.yaml has them."""
    inputs = {a.name for a in kernel.inputs if a.cls == COMMON}
    before = _cost(kernel.values, cheap)
    found = []
    for name, value in dict.fromkeys(_candidates(kernel.values, inputs)):
        values = tuple(_known(v, name, value) for v in kernel.values)
        if _cost(values, cheap) < before:
            found.append(Special(name, value, values))
    return found


def _candidates(values: Iterable[Node], inputs: set[str]) -> Iterator[tuple[str, float]]:
    """(operand, number) of every argument that one operand alone decides."""
    for node in (n for v in values for n in walk(v)):
        row = table().get(node.fn) if isinstance(node, Call) else None
        if isinstance(node, Call) and row:
            for arg, given in zip(row.args, node.args, strict=False):
                read = names(given)
                if len(read) == 1 and read[0] in inputs:
                    yield from ((read[0], number) for name, number, _ in row.at if name == arg)


def _known(node: Node, name: str, value: float) -> Node:
    """The formula where the operand is known."""

    def step(n: Node) -> Node:
        match n:
            case Name(id=found) if found == name:
                return Num(value)
            case Compare(op=op, left=Num(value=a), right=Num(value=b)):
                return Num(_holds(op, a, b))
            case Binary(op="+" | "-" as op, left=Num(value=a), right=Num(value=b)):
                return Num(a + b if op == "+" else a - b)
            case Call(fn=fn, args=args) if fn in table():
                return _at(n, fn, args)
        return n

    return simplify(transform(node, step))


def _at(node: Node, fn: str, args: tuple[Node, ...]) -> Node:
    row = table()[fn]
    for name, number, form in row.at:
        if args[row.args.index(name)] == Num(number):
            return substitute(form, dict(zip(row.args, args, strict=True)))
    return node


def _holds(op: str, a: complex, b: complex) -> bool:
    assert not isinstance(a, complex) and not isinstance(b, complex)
    return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def _cost(values: Iterable[Node], cheap: frozenset[str]) -> int:
    return sum(isinstance(n, Call) and n.fn not in cheap for v in values for n in walk(v))
