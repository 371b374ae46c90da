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
    Attr,
    Binary,
    Block,
    Call,
    Compare,
    Fold,
    IfExp,
    Item,
    Name,
    Nil,
    Node,
    Num,
    Seq,
    Str,
    children,
    inline,
    substitute,
    transform,
    unparse,
    walk,
)  # fmt: skip
from ..intrinsics import table
from ..opdef import Body, Formula, OpDef, Out

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
        if not _keeps_dtypes(op, outputs, ops, block):
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


def _keeps_dtypes(
    op: OpDef, outputs: Iterable[Node], ops: Mapping[str, OpDef], block: Block
) -> bool:
    """Do integers and booleans come out of the formula as out of the calls it was inlined from?"""
    nodes = [n for o in outputs for n in walk(o)]
    floats = any(isinstance(n, Binary) and n.op == "/" for n in nodes) or any(
        isinstance(n, Call) and n.fn in table() and "int" not in table()[n.fn].classes
        for n in nodes
    )
    if floats and op.dtype.kind != "int_to_float":
        return False
    written = [n for f in (*(v for _, v in block.lets), block.result) for n in walk(f)]
    called = [ops[n.fn] for n in written if isinstance(n, Call) and n.fn in ops]
    return all(set(c.unsupported) <= {"backward", *op.unsupported} for c in called)


def _mixed(node: Node, op: OpDef) -> bool:
    """Does an element-wise value read a row's reduction? Then the dims must have been kept."""
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
    if set(given) - {"input", "dim", "keepdim"} or isinstance(given.get("dim", Nil()), Nil):
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
    """How a tensor lies in the rows; ``dims: {weight: [n], target: [1]}`` says if not fully."""
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
    """A test: is the value the same all along a row? It remembers its answers."""
    full = {p.name for p in op.schema.tensors if layout(op, p.name) != SINGLE}
    more = _cotangents(op)
    known: dict[Node, bool] = {}

    def test(node: Node) -> bool:
        if node not in known:
            known[node] = not _varies(node, full, more)
        return known[node]

    return test
