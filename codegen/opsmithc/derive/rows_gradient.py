"""In: an op lowered to rows. Out: its gradients.

Must not know: targets. One reverse pass over the shared graph of the formula, so a value used twice
is differentiated once. Sums of cotangents are freed of factors that are constant along a row:
fewer of them wait for one another, which saves passes.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import FormulaError
from ..formula import (
    ONE,
    ZERO,
    Binary,
    Call,
    Compare,
    IfExp,
    Name,
    Node,
    Num,
    Unary,
    children,
    names,
    substitute,
    transform,
)  # fmt: skip
from ..intrinsics import table
from ..opdef import OpDef
from . import algebra
from .gradient import OPERATORS, ROW_ADJOINTS
from .rows import COUNT, REDUCTIONS, Rows, is_static, singles


def gradients(op: OpDef, wrt: Iterable[str]) -> dict[str, Node]:
    """Cotangents of the parameters ``wrt``, given ``g`` (or ``g_<output>``)."""
    assert isinstance(op.meaning, Rows)
    many = len(op.schema.outputs) > 1
    roots = {
        name: (value, Name(f"g_{name}" if many else "g"))
        for name, value in zip(op.schema.outputs, op.meaning.outputs, strict=True)
    }
    wanted = tuple(wrt)
    found = _Reverse(op, wanted).run(list(roots.values()))
    saved: dict[Node, Node] = {
        v: Name(k) for k, (v, _) in roots.items() if not isinstance(v, Name | Num)
    }
    result: dict[str, Node] = {}
    for name in wanted:
        value = assume(found.get(name, ZERO), name, present=True)
        value = transform(value, lambda n: saved.get(n, n))
        result[name] = value
    return result


class _Reverse:
    def __init__(self, op: OpDef, wanted: tuple[str, ...]) -> None:
        assert isinstance(op.meaning, Rows)
        self.op, self.dim, self.single = op, op.meaning.dim, singles(op)
        self.wanted = frozenset(wanted)
        self.forward: set[Node] = set()
        self.adjoint: dict[Node, Node] = {}

    def run(self, roots: list[tuple[Node, Node]]) -> dict[str, Node]:
        order: dict[Node, None] = {}
        for value, _ in roots:
            _visit(value, order)
        self.forward = set(order)
        for value, g in roots:
            self.push(value, g)
        found: dict[str, Node] = {}
        for node in reversed(order):
            g = self.adjoint.pop(node, ZERO)
            if algebra.is_num(g, 0):
                continue
            if isinstance(node, Name):
                if node.id in self.wanted:
                    found[node.id] = g
            else:
                self.step(node, g)
        return found

    def push(self, arg: Node, g: Node) -> None:
        """Add a contribution to the cotangent of ``arg``."""
        if algebra.is_num(g, 0) or not any(n in self.wanted for n in names(arg)):
            return
        if self.single(arg) and not self.single(g):
            g = self.total(g)
        self.adjoint[arg] = plus(self.adjoint[arg], g) if arg in self.adjoint else g

    def step(self, node: Node, g: Node) -> None:
        match node:
            case Unary(op="-", arg=a):
                self.push(a, algebra.neg(g))
            case Binary(op="+", left=a, right=b):
                self.push(a, g)
                self.push(b, g)
            case Binary(op="-", left=a, right=b):
                self.push(a, g)
                self.push(b, algebra.neg(g))
            case Binary(op="*", left=a, right=b):
                self.push(a, times(g, b))
                self.push(b, times(g, a))
            case Binary(op="/", left=a, right=b):
                self.push(a, over(g, b))
                self.push(b, algebra.neg(over(times(g, node), b)))
            case Binary(op=symbol, left=a, right=b) if symbol in OPERATORS:
                self.intrinsic(node, OPERATORS[symbol], (a, b), g)
            case Call(fn="where", args=(c, a, b)):
                self.push(a, algebra.where(c, g, ZERO))
                self.push(b, algebra.where(c, ZERO, g))
            case IfExp(test=t, then=a, other=b):
                self.push(a, IfExp(t, g, ZERO))
                self.push(b, IfExp(t, ZERO, g))
            case Call(fn=fn, args=(x, *_)) if fn in ROW_ADJOINTS:
                self.push(x, ROW_ADJOINTS[fn](g, x, node))
            case Call(fn="along", args=(x, *_)):
                self.push(x, g)
            case Call(fn=fn) if fn in REDUCTIONS:
                raise FormulaError(f"the gradient of {fn}() must be declared", node.col)
            case Call(fn=fn, args=args) if fn in table():
                self.intrinsic(node, fn, args, g)

    def intrinsic(self, node: Node, fn: str, args: tuple[Node, ...], g: Node) -> None:
        row = table()[fn]
        values: dict[str, Node] = {"out": node, **dict(zip(row.args, args, strict=True))}
        for arg, partial in zip(args, row.partials, strict=False):
            if not algebra.is_num(partial, 0):
                self.push(arg, times(g, substitute(partial, values)))
        if not row.partials and any(n in self.wanted for a in args for n in names(a)):
            raise FormulaError(f"'{fn}' has no derivative in intrinsics.yaml", node.col)

    # Sums without factors that are constant along the row ----------------------------------------

    def total(self, node: Node) -> Node:
        """``sum(node)`` over the row."""
        groups: dict[Node | None, Node] = {}  # factor -> what is summed; None -> what is added
        self.terms(node, ONE, groups)
        result = groups.get(None, ZERO)
        for factor, term in groups.items():
            if factor is not None:
                result = plus(result, times(factor, self.sum(term)))
        return result

    def sum(self, term: Node) -> Node:
        if self.is_deviation(term):
            return ZERO
        if isinstance(term, Binary) and term.op == "*" and isinstance(term.left, Num):
            return times(term.left, self.sum(term.right))
        return Call("sum", (term, self.dim, Num(True)))

    def is_deviation(self, term: Node) -> bool:
        """``x - mean(x)``: its sum is 0."""
        if not (isinstance(term, Binary) and term.op == "-"):
            return False
        mean = term.right
        return isinstance(mean, Call) and mean.fn == "mean" and mean.args[0] == term.left

    def terms(self, node: Node, factor: Node, groups: dict[Node | None, Node]) -> None:
        """``factor * node`` as terms; values of the forward pass are left whole."""
        if self.single(node):
            self.note(None, times(times(factor, node), Call(COUNT, (self.dim,))), groups)
            return
        match node:
            case Unary(op="-", arg=a):
                self.terms(a, algebra.neg(factor), groups)
            case Binary(op="*", left=a, right=b) if self.single(b):
                self.terms(a, times(factor, b), groups)
            case Binary(op="*", left=a, right=b) if self.single(a):
                self.terms(b, times(factor, a), groups)
            case Binary(op="*", left=Binary(op="*", left=a, right=s), right=b) if self.single(s):
                self.terms(times(a, b), times(factor, s), groups)
            case Binary(op="/", left=a, right=b) if self.single(b):
                self.terms(a, over(factor, b), groups)
            case Binary(op="+", left=a, right=b) if node not in self.forward:
                self.terms(a, factor, groups)
                self.terms(b, factor, groups)
            case Binary(op="-", left=a, right=b) if node not in self.forward:
                self.terms(a, factor, groups)
                self.terms(b, algebra.neg(factor), groups)
            case IfExp(test=t, then=a, other=b):
                chosen = branch(t, self.total(a), self.total(b))
                self.note(None, times(factor, chosen), groups)
            case _:
                self.note(factor, node, groups)

    def note(self, factor: Node | None, term: Node, groups: dict[Node | None, Node]) -> None:
        groups[factor] = plus(groups[factor], term) if factor in groups else term


def _visit(node: Node, order: dict[Node, None]) -> None:
    """Every part once, operands first."""
    if node in order:
        return
    for child in children(node):
        _visit(child, order)
    order[node] = None


# Constructors that know IfExp --------------------------------------------------------------------


def plus(a: Node, b: Node) -> Node:
    """``a + b``; two halves of the same choice become one."""
    if isinstance(a, IfExp) and isinstance(b, IfExp) and a.test == b.test:
        return branch(a.test, plus(a.then, b.then), plus(a.other, b.other))
    if a == b and not algebra.is_num(a, 0):
        return algebra.mul(Num(2), a)
    if isinstance(a, Binary) and a.op == "+" and a.right == b:
        return algebra.add(a.left, algebra.mul(Num(2), b))
    return algebra.add(a, b)


def times(a: Node, b: Node) -> Node:
    """``a * b``; a choice with a zero takes the factor inside."""
    if isinstance(a, IfExp) and (algebra.is_num(a.then, 0) or algebra.is_num(a.other, 0)):
        return branch(a.test, times(a.then, b), times(a.other, b))
    if isinstance(b, IfExp) and (algebra.is_num(b.then, 0) or algebra.is_num(b.other, 0)):
        return branch(b.test, times(a, b.then), times(a, b.other))
    return algebra.mul(a, b)


def over(a: Node, b: Node) -> Node:
    """``a / b``."""
    if isinstance(a, IfExp) and (algebra.is_num(a.then, 0) or algebra.is_num(a.other, 0)):
        return branch(a.test, over(a.then, b), over(a.other, b))
    return algebra.div(a, b)


def branch(test: Node, a: Node, b: Node) -> Node:
    """``a if test else b``."""
    return a if a == b else IfExp(test, a, b)


def assume(node: Node, param: str, present: bool) -> Node:
    """The formula where ``param`` is (not) None."""

    def step(n: Node) -> Node:
        if isinstance(n, IfExp) and is_static(n.test):
            test = n.test
            assert isinstance(test, Compare)
            if test.left == Name(param):
                return n.other if (test.op == "is") == present else n.then
        return n

    return algebra.simplify(transform(node, step))
