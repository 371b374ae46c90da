"""In: the formulas of a kernel over rows. Out: which values vary along a row, when each is ready.

Must not know: C. Absent operands are decided here, so what remains has no choices; of a ``where``
that singles out one position of the row, the two sides are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..derive.algebra import is_num, simplify
from ..derive.rows import ALONG, COLUMN, COUNT, POSITIONS, REDUCTIONS, SINGLE, Rows
from ..derive.rows_gradient import assume, branch
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
    children,
    transform,
)  # fmt: skip
from ..intrinsics import table
from ..opdef import OpDef
from .pointwise import CHEAP, number_params

POSITION, N = "<position>", "<size>"  # names that formulas cannot have


def scalars(op: OpDef) -> tuple[str, ...]:
    """Number parameters that kernels read; the dims are the driver's."""
    return tuple(n for n in number_params(op) if n not in axes(op))


def axes(op: OpDef) -> tuple[str, ...]:
    """Parameters that name dims or say whether they are kept."""
    assert isinstance(op.meaning, Rows)
    return tuple(n.id for n in (op.meaning.dim, op.meaning.keepdim) if isinstance(n, Name))


@dataclass(frozen=True, slots=True)
class Operand:
    """An input or output of a kernel; ``value`` is an output's formula."""

    name: str
    cls: str
    layout: str
    value: Node | None = None


class Values:
    """What is known of the values of one kernel."""

    def __init__(
        self, ins: Sequence[Operand], outs: Sequence[Operand], missing: Sequence[str],
        present: Sequence[str], backward: bool,
    ) -> None:  # fmt: skip
        """Without the operands ``missing``; ``backward`` names outputs after their parameters."""
        self.ins, self.backward = tuple(ins), backward
        self.full = {i.name for i in ins if i.layout != SINGLE}
        self.outs = [replace(o, value=self.variant(o, missing, present)) for o in outs]
        self.depths: dict[Node, int] = {}
        self.single: dict[Node, bool] = {}

    def variant(self, out: Operand, missing: Sequence[str], present: Sequence[str]) -> Node:
        """The formula of an output where some operands are absent."""
        value = out.value
        assert value is not None
        own = out.name.removeprefix("d_") if self.backward else ""
        for name in missing:
            value = assume(value, name, present=name == own)
        for name in present:
            value = assume(value, name, present=True)
        return simplify(transform(value, row_name))

    def is_single(self, node: Node) -> bool:
        """One value a row?"""
        if node not in self.single:
            match node:
                case Name(id=name):
                    found = name not in self.full and name != POSITION
                case Call(fn=fn) if fn in REDUCTIONS:
                    found = True
                case _:
                    found = all(self.is_single(c) for c in children(node))
            self.single[node] = found
        return self.single[node]

    def depth(self, node: Node) -> int:
        """Passes that must be over before the value can be computed."""
        if node not in self.depths:
            below = max((self.depth(c) for c in children(node)), default=0)
            self.depths[node] = below + self.is_reduction(node)
        return self.depths[node]

    def is_reduction(self, node: Node) -> bool:
        """Is it found by a pass over the row? One element of the row is not: see ``picked``."""
        return isinstance(node, Call) and node.fn in REDUCTIONS and self.picked(node) is None

    def picked(self, node: Node) -> tuple[Node, Node] | None:
        """At and value, of ``sum(where(position == at, value, 0))``."""
        if not (isinstance(node, Call) and node.fn == "sum"):
            return None
        found = self.hit(node.args[0])
        return None if found is None or not is_num(found[2], 0) else found[:2]

    def hit(self, node: Node) -> tuple[Node, Node, Node] | None:
        """At, value and other, of ``where(position == at, value, other)``."""
        if not (isinstance(node, Call) and node.fn == "where"):
            return None
        test, value, other = node.args
        if not (isinstance(test, Compare) and test.op == "==" and test.left == Name(POSITION)):
            return None
        at = test.right
        if not (isinstance(at, Name) and self.is_single(at)) or self.moves(value):
            return None
        return at, value, other

    def moves(self, node: Node) -> bool:
        """Does the value depend on the position itself?"""
        if self.is_single(node):
            return False
        return node == Name(POSITION) or any(self.moves(c) for c in children(node))

    def chosen(self, value: Node, which: int, hits: set[Node]) -> Node:
        """The value at the positions that its ``where`` ask for (1) or at all others (2)."""

        def step(node: Node) -> Node:
            if self.is_single(node):
                return node
            hit = self.hit(node)
            if hit is None:
                return rebuilt(node, step)
            hits.add(hit[0])
            return step(hit[which])

        return simplify(step(value))

    def split(
        self, outs: Sequence[Operand]
    ) -> tuple[list[tuple[Operand, Node]], list[tuple[Operand, Node, Node]]]:
        """Values of the loop over elements, and values that only one position has."""
        loop: list[tuple[Operand, Node]] = []
        patches: list[tuple[Operand, Node, Node]] = []
        for o in outs:
            value = o.value
            assert value is not None
            hits: set[Node] = set()
            there, rest = self.chosen(value, 1, hits), self.chosen(value, 2, hits)
            if len(hits) == 1:
                if not self.moves(rest) and (o.layout != COLUMN or is_num(rest, 0)):
                    patches.append((o, next(iter(hits)), there))
                    value = rest
            if o.layout != COLUMN or not is_num(value, 0):
                loop.append((o, value))
        return loop, patches


def _bare(n: Node) -> Node:
    if isinstance(n, Call) and n.fn == ALONG:
        return n.args[0]
    if isinstance(n, Call) and n.fn == POSITIONS:
        return Name(POSITION)
    if isinstance(n, Call) and n.fn == COUNT:
        return Name(N)
    if isinstance(n, Call) and n.fn in REDUCTIONS:
        return Call(n.fn, n.args[:1])
    return n


def row_name(n: Node) -> Node:
    """``positions`` and ``count`` as names, a vector along the row as itself."""
    n = _bare(n)
    if isinstance(n, Call) and n.fn == "sum" and n.args[0] == Num(0):
        return Num(0)
    return n


def is_heavy(node: Node) -> bool:
    """Does the value's own function cost more than a load?"""
    return isinstance(node, Call) and node.fn in table() and node.fn not in CHEAP


def rebuilt(node: Node, fn: Callable[[Node], Node]) -> Node:
    """The node with ``fn`` of its direct parts."""
    match node:
        case Unary(op=op, arg=a):
            return Unary(op, fn(a))
        case Binary(op=op, left=a, right=b):
            return Binary(op, fn(a), fn(b))
        case Compare(op=op, left=a, right=b):
            return Compare(op, fn(a), fn(b))
        case Logic(op=op, args=args):
            return Logic(op, tuple(fn(a) for a in args))
        case Call(fn=name, args=args):
            return Call(name, tuple(fn(a) for a in args))
        case IfExp(test=t, then=a, other=b):
            return branch(t, fn(a), fn(b))
    return node
