"""In: a program and one of its reads. Out: the hidden op that is the adjoint of that read.

Must not know: which gradients call it. It sums the partial derivative, times the cotangent, into
the place that was read: a gather where that place names its loops, else a scatter.
"""

from __future__ import annotations

from dataclasses import replace

from ... import formula as fm
from ...errors import FormulaError
from ...formula import Attr, Binary, Call, Compare, Fold, IfExp, Item, Name, Nil, Node, Num
from ...opdef import DTypeRule, Formula, Index, OpDef
from ...schema import Param, Schema, Type
from ..algebra import ONE, ZERO, add, is_num, mul, simplify
from ..gradient import gradient
from .program import ACC, GRAD, OUT, SIZE, Axis, Program, Read

ARG_FOLDS = {"max": "argmax", "min": "argmin"}


def inherited(op: OpDef, tensor: str) -> str:
    """What an adjoint of ``op`` calls its tensor: an adjoint's own cotangent gets a number."""
    if tensor != GRAD:
        return tensor
    taken = {p.name for p in op.schema.params}
    return next(f"{GRAD}_{k}" for k in range(1, len(taken) + 2) if f"{GRAD}_{k}" not in taken)


def partial_of(program: Program, read: Read) -> Node:
    """d out / d read, times the read of the cotangent: the term that the adjoint sums."""
    g = Item(Name(GRAD), program.target)
    stop = program.op.stop.get(read.tensor)
    if program.picked is not None or program.fold in ARG_FOLDS:
        if program.finish != Name(ACC):
            raise FormulaError(f"declare the gradient: the {program.fold} is not the whole value")
        value = program.picked if program.picked is not None else program.term
        partial = gradient(plain(value, read), [read.name], g)[read.name]
    elif program.fold in ("", "sum"):
        finish = plain(program.finish, read)
        through = gradient(finish, [ACC, read.name], g)
        if ACC in fm.names(through[ACC]):
            raise FormulaError("declare the gradient: it reads the sum itself")
        partial = gradient(plain(program.term, read), [read.name], through[ACC])[read.name]
        partial = add(partial, through[read.name])
        if not is_num(through[read.name], 0) and read.name in fm.names(program.term):
            raise FormulaError(f"declare the gradient of '{read.tensor}': it is read twice")
    else:
        raise FormulaError(f"declare the gradient: {program.fold}() of loops has no derived one")
    if stop is not None and not is_num(partial, 0):
        partial = Call("where", (stop.node, ZERO, partial))
    return simplify(partial)


def plain(node: Node, read: Read) -> Node:
    """Conditional expressions as ``where``; the tensor we differentiate by is not None."""

    def step(n: Node) -> Node:
        match n:
            case Compare(op="is", left=Name(id=t), right=Nil()) if t == read.tensor:
                return Num(False)
            case Compare(op="is not", left=Name(id=t), right=Nil()) if t == read.tensor:
                return Num(True)
            case IfExp(test=c, then=a, other=b):
                return Call("where", (c, a, b))
        return n

    return fm.transform(node, step)


def adjoint(program: Program, read: Read, partial: Node, suffix: str) -> OpDef:
    """The hidden op that sums ``partial`` over the loops into ``read``'s place."""
    items: dict[str, Node] = {
        r.name: Item(Name(inherited(program.op, r.tensor)), r.index) for r in program.reads
    }
    term = fm.substitute(partial, items)
    in_finish = read.name in fm.names(program.finish)
    loops = program.outer if in_finish else program.loops
    value: Node
    at_places = _at_places(program, read, term)
    if at_places is not None:
        target, value = at_places
        return _hidden(program, suffix, target, value, program.dims[read.tensor], start=False)
    if program.picked is not None or program.fold in ARG_FOLDS:
        kind = ARG_FOLDS.get(program.fold, program.fold)
        found = fm.substitute(program.term, items)
        value = Call(
            "pick", (term, Fold(kind, found, tuple((v.var, v.extent) for v in program.inner)))
        )
    else:
        bare = [i.id if isinstance(i, Name) else "" for i in read.index]
        gather = len(set(bare)) == len(bare) and set(bare) <= {v.var for v in loops}
        summed = [v for v in loops if not gather or v.var not in bare]
        folded = tuple((v.var, v.extent) for v in summed)
        value = Fold("sum", term, folded) if folded else term
    axes = program.dims[read.tensor]
    return _hidden(program, suffix, Item(Name(OUT), read.index), value, axes, start=False)


def _at_places(program: Program, read: Read, term: Node) -> tuple[Item, Node] | None:
    """Target and value of a selection's adjoint that adds at the places the op has returned.

    Nothing needs to be searched again, where what is added does not depend on the place.
    """
    folded = {v.var for v in program.inner}
    if not program.indices or folded & set(fm.names(term)) or any(
        isinstance(n, Item) and n.base != Name(GRAD) for n in fm.walk(term)
    ):  # fmt: skip
        return None
    place = Item(Name(program.op.schema.outputs[1]), program.target)
    index: list[Node] = []
    inner: Node = ONE  # elements that one step along the axis moves the place by
    for axis, i in reversed(list(zip(program.dims[read.tensor], read.index, strict=True))):
        if not folded & set(fm.names(i)):
            index.insert(0, i)
            continue
        outermost = not any(folded & set(fm.names(x)) for x in read.index[: -len(index) - 1])
        at: Node = place if is_num(inner, 1) else Binary("//", place, inner)
        index.insert(0, at if outermost else Binary("%", at, axis.size))
        inner = mul(inner, axis.size)
    loops = tuple((v.var, v.extent) for v in program.outer)
    return Item(Name(OUT), tuple(index)), Fold("sum", term, loops)


def adjoint_start(program: Program) -> OpDef:
    """Of ``input[..] = src[..]``: the cotangent of input, g with the written elements zeroed."""
    target = Item(Name(GRAD), program.target)
    return _hidden(program, program.start, target, ZERO, program.dims[OUT], start=True)


def _hidden(
    program: Program, suffix: str, target: Item, value: Node, axes: tuple[Axis, ...], start: bool
) -> OpDef:
    op = program.op
    renamed = {inherited(op, p.name): p for p in op.schema.tensors}
    known = set(renamed)
    used = {n.id for t in (target, value) for n in fm.walk(t) if isinstance(n, Name)} & known
    places = tuple(
        o for o in op.schema.outputs
        if any(n == Name(o) for t in (target, value) for n in fm.walk(t)) and program.indices
    )  # fmt: skip
    used |= _for_sizes(program, used, axes, (target, value)) & known
    tensors = [replace(p, name=name) for name, p in renamed.items() if name in used]
    others = [p for p in op.schema.params if not p.type.base == "Tensor" and p.name != SIZE]
    params = (
        Param(GRAD, Type("Tensor")),
        *(Param(o, Type("Tensor")) for o in places),
        *(Param(p.name, replace(p.type, optional=False)) for p in tensors),
        Param(SIZE, Type("int", True)),
        *(Param(p.name, p.type) for p in others),
    )
    out_axes = tuple(a.text for a in program.dims[OUT])
    size_axes = tuple(a.text for a in axes)
    dims = {GRAD: out_axes} | {o: out_axes for o in places}
    for p in tensors:
        dims[p.name] = tuple(a.text for a in program.dims[renamed[p.name].name])
    dims |= {SIZE: size_axes, OUT: size_axes}
    outside = {inherited(op, k): f for k, f in op.outside.items() if inherited(op, k) in used}
    if any(beyond(program.op, i) for i in program.target):  # what was not written: no cotangent
        outside[GRAD] = Formula("0", ZERO, op.place)
    formula = f"{fm.unparse(target)} = {fm.unparse(value)}"
    name = f"{op.name}_adjoint_{suffix}"
    classes = {k: v for k, v in op.dtype.classes.items() if k in used}
    args = (GRAD, *(p.name for p in tensors if p.name not in op.dtype.classes))
    positions = {p.name for p in tensors if p.name in op.dtype.classes}
    checks = tuple(
        (f, e)
        for f, e in op.check
        if set(fm.names(f.node)) & positions
        and not any(isinstance(n, Attr) for n in fm.walk(f.node))
    )
    return replace(
        op,
        schema=Schema(name, params, ("",)),
        meaning=Index(target, value, Formula(formula, value, op.place)),
        fast=None, grad={}, kinks=(), linear=((GRAD,),), transpose={},
        dtype=DTypeRule("same", args, classes | {o: "integral" for o in places}),
        dims=dims,
        outside=outside,
        check=checks, stop={}, variants=("hidden",), alias=(), schedule="", autocast="",
        doc={"short": f"Adjoint of {op.name} with respect to {suffix}."}, samples=(),
        text=f"{op.text}\n# {name}",
    )  # fmt: skip


def _for_sizes(
    program: Program, used: set[str], axes: tuple[Axis, ...], formulas: tuple[Node, ...]
) -> set[str]:
    """Tensors that are needed for a size alone."""
    op = program.op
    bound = {a.name for t, v in program.dims.items() if inherited(op, t) in used for a in v}
    bound |= {a.name for a in axes}
    bound |= {a.name for a in program.dims[OUT]}
    todo = [n for f in formulas for n in fm.names(f)]
    wanted: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += fm.names(program.let[name]) if name in program.let else []
    found: set[str] = set()
    for tensor, sizes in program.dims.items():
        missing = {a.name for a in sizes if a.name} & wanted - bound
        if tensor not in (OUT, SIZE) and missing:
            found.add(inherited(op, tensor))
            bound |= {a.name for a in sizes}
    return found


def beyond(op: OpDef, i: Node) -> bool:
    """May a subscript of the target lie beyond the edge? Loops and checked positions do not."""
    if isinstance(i, Name):
        return False
    checked = {n for f, _ in op.check for n in fm.names(f.node)}
    read = {n.base.id for n in fm.walk(i) if isinstance(n, Item) and isinstance(n.base, Name)}
    return not read or not read <= checked
