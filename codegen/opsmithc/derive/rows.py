"""In: a body of pointwise ops and reductions over one common dim set. Out: its tree and gradients.

Must not know: targets. ``recognise`` inlines a body to a formula of intrinsics and reductions; a
pure pointwise one becomes an ``out``, the others ``Rows``. Gradients are found by one reverse pass
over the shared graph of the formula, so a value used twice is differentiated once; sums of the
cotangents are then freed of factors that are constant along a row, which saves passes over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from ..errors import FormulaError
from ..formula import (
    ONE, ZERO, Attr, Binary, Block, Call, Compare, Fold, IfExp, Item, Logic, Name, Nil, Node, Num,
    Seq, Str, Unary, children, inline, names, substitute, transform, unparse, walk,
)  # fmt: skip
from ..intrinsics import table
from ..opdef import Body, Formula, OpDef, Out
from . import algebra
from .gradient import OPERATORS, ROW_ADJOINTS

NUMBERS = ("Scalar", "float", "int", "bool")
REDUCTIONS = ("sum", "mean", "prod", "amax", "amin")
ALONG, POSITIONS, COUNT = "along", "positions", "count"  # a vector laid along the row; 0, 1, 2, ..
FULL, SINGLE, COLUMN = "full", "single", "column"  # an element each; one a row; one a position


@dataclass(frozen=True, slots=True)
class Rows(Body):
    """A body lowered as one kernel that works row by row."""

    outputs: tuple[Node, ...]  # intrinsics, ``where`` and reductions ``sum(x, dim, True)``
    dim: Node  # the parameter that names the row's dims, or a number
    keepdim: Node  # do outputs with one element a row keep those dims?


class _Refused(Exception):
    """The body is more than rows."""


# Recognition -------------------------------------------------------------------------------------


def recognise(op: OpDef, ops: Mapping[str, OpDef]) -> OpDef:
    """``op`` with its body as ``Rows`` or ``Out`` where its structure allows; else unchanged."""
    if not isinstance(op.meaning, Body) or isinstance(op.meaning, Rows) or op.fast or op.size:
        return op
    if len(op.meaning.cases) != 1 or op.meaning.cases[0][0] is not None:
        return op
    _, block, formula = op.meaning.cases[0]
    try:
        return _lowered(op, block, formula, ops)
    except (_Refused, FormulaError):
        return op


def _lowered(op: OpDef, block: Block, formula: Formula, ops: Mapping[str, OpDef]) -> OpDef:
    assert isinstance(op.meaning, Body)
    kinds = {p.name: p.type for p in op.schema.params}
    tree = _inlined(inline(block), ops, (op.name,))
    tree = substitute(tree, {k: f.node for k, f in op.let.items()})
    outputs = tree.items if isinstance(tree, Seq) else (tree,)
    if len(outputs) != len(op.schema.outputs):
        raise _Refused
    dims: dict[Node, None] = {}
    keeps: dict[Node, None] = {}
    outputs = tuple(transform(o, lambda n: _canonical(n, dims, keeps)) for o in outputs)
    dim = next(iter(dims), None)
    for o in outputs:
        _check(o, kinds, dim)
    if len(dims) > 1 or any(t.base == "Tensor" and t.is_list for t in kinds.values()):
        raise _Refused
    if dim is None:
        if any(t.base == "Tensor" and t.optional for t in kinds.values()) or op.dims:
            raise _Refused
        values = zip(op.schema.outputs, outputs, strict=True)
        return replace(
            op, meaning=Out({o: {"": Formula(unparse(v), v, formula.place)} for o, v in values})
        )
    keepdim = next(iter(keeps), Num(True))
    single = [not varies(o, op) for o in outputs]
    if len(keeps) > 1 or (keepdim != Num(True) and not all(single)):
        raise _Refused
    if keepdim != Num(True) and any(_mixed(n, op) for o in outputs for n in walk(o)):
        raise _Refused
    return replace(op, meaning=Rows(op.meaning.cases, outputs, dim, keepdim))


def _mixed(node: Node, op: OpDef) -> bool:
    """Does an element-wise value read a row's reduction? (Then the dims must have been kept.)"""
    return varies(node, op) and any(_is_reduction(n) for n in walk(node))


def _is_reduction(node: Node) -> bool:
    return isinstance(node, Call) and node.fn in REDUCTIONS


def _inlined(node: Node, ops: Mapping[str, OpDef], above: tuple[str, ...]) -> Node:
    """Calls of registry ops replaced by what they mean."""

    def step(n: Node) -> Node:
        if not isinstance(n, Call) or n.fn in (*REDUCTIONS, ALONG, POSITIONS, "where"):
            return n
        row = table().get(n.fn)
        if row is not None and len(row.args) == len(n.args) and not n.kwargs:
            return n
        op = ops.get(n.fn)
        if op is None or op.name in above or op.grad or op.kinks or len(op.schema.outputs) != 1:
            raise _Refused
        return _inlined(_bound(n, op, _meaning(op, ops, above)), ops, (*above, op.name))

    return transform(node, step)


def _meaning(op: OpDef, ops: Mapping[str, OpDef], above: tuple[str, ...]) -> Node:
    lets = {k: f.node for k, f in op.let.items()}
    if isinstance(op.meaning, Out):
        by_class = op.meaning.outputs[op.schema.outputs[0]]
        formula = by_class.get("float", by_class.get(""))
        if formula is None:
            raise _Refused
        return substitute(formula.node, lets)
    if isinstance(op.meaning, Body) and len(op.meaning.cases) == 1:
        when, block, _ = op.meaning.cases[0]
        if when is None and not op.dims:
            return substitute(inline(block), lets)
    raise _Refused


def _bound(call: Call, op: OpDef, meaning: Node) -> Node:
    values: dict[str, Node] = {}
    positional = [p.name for p in op.schema.params if not p.kwonly]
    values |= dict(zip(positional, call.args, strict=False)) | dict(call.kwargs)
    from ..formula import parse

    for p in op.schema.params:
        if p.name not in values:
            if p.default is None:
                raise _Refused
            values[p.name] = parse({"true": "True", "false": "False"}.get(p.default, p.default))
    return substitute(meaning, values)


def _canonical(node: Node, dims: dict[Node, None], keeps: dict[Node, None]) -> Node:
    """A reduction with its dims and ``True`` as positional arguments; both are noted."""
    if not isinstance(node, Call):
        return node
    if node.fn in (ALONG, POSITIONS):
        dims[node.args[-1]] = None
        return node
    if node.fn not in REDUCTIONS:
        return node
    given = dict(zip(("input", "dim", "keepdim"), node.args, strict=False)) | dict(node.kwargs)
    if set(given) - {"input", "dim", "keepdim"} or "dim" not in given or isinstance(given["dim"], Nil):
        raise _Refused
    dims[given["dim"]] = None
    keep = given.get("keepdim", Num(False))
    if keep != Num(True):
        keeps[keep] = None
    return Call(node.fn, (given["input"], given["dim"], Num(True)), col=node.col)


def _check(node: Node, kinds: Mapping[str, object], dim: Node | None) -> None:
    """Refuse what a row kernel cannot compute."""
    for n in walk(node):
        if isinstance(n, Attr | Item | Fold | Seq | Str):
            raise _Refused
        if isinstance(n, Call) and n.fn in ("size", "numel", "len"):
            raise _Refused
        if isinstance(n, Name) and n.id not in kinds:
            raise _Refused
        if isinstance(n, IfExp) and not is_static(n.test):
            raise _Refused
        if isinstance(n, Binary) and n.op == "@":
            raise _Refused
    if dim is not None and not isinstance(dim, Name | Num):
        raise _Refused


def is_static(test: Node) -> bool:
    """``x is None`` or ``x is not None``."""
    return isinstance(test, Compare) and test.op in ("is", "is not") and isinstance(test.right, Nil)


# Values ------------------------------------------------------------------------------------------


def layout(op: OpDef, name: str) -> str:
    """How a tensor lies in the rows: ``dims: {weight: [n], target: [1]}`` says otherwise than full."""
    sizes = op.dims.get(name, ())
    return SINGLE if sizes == ("1",) else COLUMN if sizes == ("n",) else FULL


def varies(node: Node, op: OpDef) -> bool:
    """Does the value differ along a row?"""
    singles = {p.name for p in op.schema.tensors if layout(op, p.name) == SINGLE}
    full = {p.name for p in op.schema.tensors} - singles
    return _varies(node, full, _cotangents(op))


def _cotangents(op: OpDef) -> frozenset[str]:
    """Names of outputs and cotangents that have an element each."""
    if not isinstance(op.meaning, Rows):
        return frozenset()
    many = len(op.schema.outputs) > 1
    found: set[str] = set()
    for name, value in zip(op.schema.outputs, op.meaning.outputs, strict=True):
        if varies_in(value, op):
            found |= {name, f"g_{name}" if many else "g"}
    return frozenset(found)


def varies_in(node: Node, op: OpDef) -> bool:
    """As ``varies``, of a formula that reads parameters only."""
    full = {p.name for p in op.schema.tensors if layout(op, p.name) != SINGLE}
    return _varies(node, full, frozenset())


def _varies(node: Node, full: set[str], more: frozenset[str]) -> bool:
    match node:
        case Name(id=name):
            return name in full or name in more
        case Call(fn=fn) if fn in REDUCTIONS or fn == COUNT:
            return False
        case Call(fn=fn) if fn in (POSITIONS, ALONG):
            return True
        case IfExp(then=a, other=b):
            return _varies(a, full, more) or _varies(b, full, more)
    return any(_varies(c, full, more) for c in children(node))


def singles(op: OpDef) -> Callable[[Node], bool]:
    """A test: is the value the same all along a row? (Remembers its answers.)"""
    full = {p.name for p in op.schema.tensors if layout(op, p.name) != SINGLE}
    more = _cotangents(op)
    known: dict[Node, bool] = {}

    def test(node: Node) -> bool:
        if node not in known:
            known[node] = not _varies(node, full, more)
        return known[node]

    return test


# Gradients ---------------------------------------------------------------------------------------


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
            g = self.adjoint.pop(node, None)
            if g is None or algebra.is_num(g, 0):
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
        result: Node = groups.pop(None, ZERO)
        for factor, term in groups.items():
            assert factor is not None
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


__all__ = ["COLUMN", "FULL", "SINGLE", "Logic", "Rows", "gradients", "layout", "recognise", "varies"]
