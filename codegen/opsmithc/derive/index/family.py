"""In: an index op. Out: the hidden ops that close its derivatives, and gradients that call them.

Must not know: how an adjoint is made. The adjoints of an op that is linear in each of its reads
have the op and one another as gradients; others are derived in turn, to a depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ... import formula as fm
from ...errors import at
from ...formula import Attr, Call, Name, Nil, Node
from ...opdef import Formula, OpDef
from ..algebra import ZERO, add, is_num, simplify
from ..gradient import gradient
from .adjoint import ARG_FOLDS, adjoint, adjoint_start, inherited, partial_of, plain
from .analysis import analyse
from .edges import edges
from .program import ACC, GRAD, SIZE, Program, Read, differentiable

DEPTH = 2  # adjoints of adjoints of a formula that is not linear in its reads: triple backward


def adjoint_ops(op: OpDef) -> tuple[OpDef, ...]:
    """The hidden ops that close the derivatives of an index op, their own gradients included."""
    return tuple(_family(op).hidden.values())


def gradient_programs(op: OpDef) -> dict[str, str]:
    """Per tensor, its cotangent as a program of registry ops over ``g`` and the op's arguments."""
    return {p: fm.unparse(node) for p, node in _family(op).gradients.items()}


def with_gradients(op: OpDef) -> OpDef:
    """The op with every derived gradient written out; declared ones stay."""
    place = op.place
    derived = {p: Formula(fm.unparse(n), n, place) for p, n in _family(op).gradients.items()}
    return replace(op, grad={**derived, **op.grad})


@dataclass
class _Family:
    """An op, its hidden relatives, and its own gradients."""

    hidden: dict[str, OpDef] = field(default_factory=dict)
    gradients: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class _Adjoint:
    """The adjoint of one read: which op it is, of which read it is the cotangent."""

    op: OpDef
    read: Read | None


def _family(op: OpDef, depth: int = DEPTH) -> _Family:
    """Derive the adjoint of every differentiable read, then the gradients of the adjoints."""
    family = _Family()
    program = analyse(op)
    with at(op.meaning.formula.place, "index"):  # type: ignore[union-attr]
        edges(program)
    if "backward" in op.unsupported:
        return family
    adjoints: list[_Adjoint] = []
    for tensor in differentiable(op):
        if tensor in op.grad or tensor in op.transpose:
            continue
        with at(op.place):
            total = _tensor_adjoints(program, tensor, adjoints)
        if not is_num(total, 0):
            family.gradients[tensor] = total
    for a in adjoints:
        grads = _adjoint_gradients(program, adjoints, a, family, depth)
        place = op.place
        formulas = {k: Formula(fm.unparse(n), n, place) for k, n in grads.items()}
        family.hidden[a.op.name] = replace(a.op, grad=formulas)
    return family


def _tensor_adjoints(program: Program, tensor: str, adjoints: list[_Adjoint]) -> Node:
    """The cotangent of one tensor; new adjoint ops go to ``adjoints``."""
    total: Node = ZERO
    given: dict[str, Node] = {inherited(program.op, GRAD): Name(GRAD)}
    if tensor == program.start:
        if not program.replace:
            total = Name(program.cotangent)
        else:
            adjoints.append(_Adjoint(adjoint_start(program), None))
            g = Name(program.cotangent)
            total = _call(adjoints[-1].op, g, given, Attr(Name(tensor), "shape"))
    reads = [r for r in program.reads if r.tensor == tensor]
    for k, read in enumerate(reads):
        partial = partial_of(program, read)
        if is_num(partial, 0):
            continue
        suffix = f"{tensor}_{k}" if len(reads) > 1 else tensor
        found = adjoint(program, read, partial, suffix)
        adjoints.append(_Adjoint(found, read))
        shape = Attr(Name(tensor), "shape")
        total = add(total, _call(found, Name(program.cotangent), given, shape))
    return total


def _adjoint_gradients(
    program: Program, adjoints: list[_Adjoint], a: _Adjoint, family: _Family, depth: int
) -> dict[str, Node]:
    """Gradients of an adjoint op: the op itself and its other adjoints where they fit."""
    if a.read is None:  # zeroing written elements is its own transpose
        return {GRAD: _call(a.op, Name("g"), {}, Attr(Name(GRAD), "shape"))}
    if not _multilinear(program, a.read):
        return _general_gradients(a.op, family, depth)
    op = program.op
    tensors = [p.name for p in a.op.schema.tensors]
    swap: dict[str, Node] = {inherited(op, a.read.tensor): Name("g")}
    grads: dict[str, Node] = {}
    for b in adjoints:
        name = inherited(op, b.read.tensor) if b.read is not None and b is not a else ""
        if name in tensors:
            grads[name] = _call(b.op, Name(GRAD), swap, Attr(Name(name), "shape"))
    if _only_term(program, a.read):
        grads[GRAD] = _forward(program, swap)
    else:
        grads[GRAD] = _transposed(a.op, family)
    return {k: grads[k] for k in tensors if k in grads}


def _multilinear(program: Program, read: Read) -> bool:
    """Is the term a product in which every differentiable read occurs once?"""
    term = program.term if program.picked is None else program.picked
    floats = [r for r in program.reads if not program.integral(r.tensor)]
    if len({r.tensor for r in floats}) != len(floats):
        return False
    if read.name in fm.names(program.finish):
        return True
    for r in floats:
        if r.name not in fm.names(term):
            continue  # a place is selected by it, which has no derivative
        part = gradient(plain(term, r), [r.name])[r.name]
        at_zero = simplify(fm.substitute(plain(term, r), {r.name: ZERO}))
        if r.name in fm.names(part) or not is_num(at_zero, 0):
            return False
    return True


def _only_term(program: Program, read: Read) -> bool:
    """Is the op itself, without its optional tensors, linear in the read?"""
    if program.start or program.picked is not None or program.fold in ARG_FOLDS or program.scatter:
        return program.fold == "sum" and not program.start and program.finish == Name(ACC)
    if read.tensor in program.op.stop or read.name in fm.names(program.finish):
        return False
    optional = {p.name for p in program.op.schema.tensors if p.type.optional}
    extra = [n for n in fm.names(program.finish) if program.read(n) is not None]
    return all(n.partition("#")[0] in optional for n in extra)


def _transposed(a: OpDef, family: _Family) -> Node:
    """The gradient of a linear op by its own adjoint, which in turn has the op as its gradient."""
    program = analyse(a)
    read = next(r for r in program.reads if r.tensor == GRAD)
    b = adjoint(program, read, partial_of(program, read), GRAD)
    back = _call(a, Name("g"), {}, Attr(Name(GRAD), "shape"))
    grad = {GRAD: Formula(fm.unparse(back), back, a.place)}
    family.hidden[b.name] = replace(b, grad=grad)
    return _call(b, Name("g"), {}, Attr(Name(GRAD), "shape"))


def _general_gradients(a: OpDef, family: _Family, depth: int) -> dict[str, Node]:
    """Gradients of an adjoint that is not linear in its reads: derived in turn, to a depth."""
    if depth == 0:
        return {t: Call("underived", (Name("g"),)) for t in differentiable(a)}
    inner = _family(a, depth - 1)
    family.hidden |= inner.hidden
    return inner.gradients


def _call(op: OpDef, g: Node, swap: Mapping[str, Node], size: Node) -> Call:
    """A call of an adjoint op with the arguments in scope, ``swap`` replacing tensors."""
    args: list[Node] = []
    for p in op.schema.params:
        if p.name == GRAD:
            args.append(g)
        elif p.name == SIZE:
            args.append(size)
        else:
            args.append(swap.get(p.name, Name(p.name)))
    return Call(op.name, tuple(args))


def _forward(program: Program, swap: Mapping[str, Node]) -> Call:
    """A call of the op itself, without its optional tensors."""
    args: list[Node] = []
    kwargs: list[tuple[str, Node]] = []
    for p in program.op.schema.params:
        value: Node = Name(p.name) if p.name != SIZE else Attr(Name(GRAD), "shape")
        if p.type.is_tensor:
            name = inherited(program.op, p.name)
            value = Nil() if p.type.optional else swap.get(name, Name(name))
        if p.kwonly:
            kwargs.append((p.name, value))
        else:
            args.append(value)
    return Call(program.op.name, tuple(args), tuple(kwargs))
