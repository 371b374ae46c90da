"""In: a loop program. Out: IndexFile, what templates/c/index.c.j2 prints.

Must not know: how kernels are written; it puts the parts together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...derive.index import OUT, SIZE, Program, is_adjoint
from ...errors import FormulaError
from ...formula import Node, calls
from ...intrinsics import table
from ...ir import key
from .arguments import Arguments, c_params, with_unpack
from .ints import Ints
from .kernels import Kernel, Kernels, words
from .nest import Nest
from .shapes import Shapes, bounding, tensors

# Names of the generated functions' own variables: a registry's sizes and loops must not take them.
RESERVED = frozenset(
    "BLOCK T acc arg args arguments axis best compute count direct dtype element hi indices into k "
    "kernels lo ndim operands part ready rest result row run shape tuned typed v whole".split()
)


@dataclass(frozen=True, slots=True)
class IndexFile:
    """Context of templates/c/index.c.j2."""

    op: str
    key: str  # how other backends find their form of it
    formula: str
    structure: str  # what the formula was recognised as
    math: bool  # does it call functions of intrinsics.yaml?
    fields: tuple[str, ...]  # declarations in the struct of arguments
    kernels: tuple[Kernel, ...]  # those of table and tuned
    table: tuple[str, ...]
    tuned: tuple[str, ...]  # what runs instead, if anything, but for OPSMITH_REFERENCE=1
    by_size: bool  # kernels are chosen by element size: values are moved, not computed with
    checks: tuple[str, ...]  # of single elements
    params: tuple[str, ...]
    names: tuple[str, ...]
    unused: tuple[str, ...]
    shapes: tuple[str, ...]  # statements: checks, sizes, `dtype`
    ndim: str
    shape: str
    device: str
    operands: tuple[str, ...]
    counted: bool  # there is a second output
    start: str
    zero: str  # condition: the result is written in places only
    narrow: str  # tensor whose shape bounds the part of the result that is written
    assign: tuple[str, ...]  # initialisers of the struct
    rows: str
    work: str
    inplace: bool


def file_of(kernels: Kernels) -> IndexFile:
    """The context of a program computed with ``kernels``."""
    p = kernels.program
    op = p.op
    refuse_reserved(p)
    written = kernels.written()
    every = [*written.kernels, *written.tuned]
    effort = work(p)
    shapes = Shapes(p)
    body = shapes.lines(written.names | words(effort) | words(written.rows), written.strides)
    checks = shapes.checks.of_elements(shapes.bound)
    among = [t for t in tensors(op) if t.name != p.start]
    read = [t for t in among if t.name in written.names]
    looked = words(" ".join(checks))
    read += [t for t in among if t not in read and t.name in looked]
    ndim, shape, more = shapes.result_shape()
    arguments = Arguments(kernels, written, read, checks)
    arguments.collect(shapes.bound)
    params, names = c_params(op)
    operands = [arguments.operand(t) for t in read]
    rest = [*more, *arguments.assign, ndim, shape, written.rows, effort, *operands, p.start]
    rest += [narrow(p), *checks]
    body = without_unread(body, rest)
    used = words(" ".join([*body, *rest]))
    zero = "out != NULL && !tuned" if written.tuned else "out != NULL"
    return IndexFile(
        op=op.name,
        key=key(op.name, [every, body, more, checks, ndim, shape]),
        formula=op.meaning.formula.text,  # type: ignore[union-attr]
        structure=kernels.structure(),
        math=any(fn in table() for f in formulas(p) for fn in calls(f)),
        fields=tuple(arguments.fields),
        kernels=tuple(with_unpack(k, arguments.unpack) for k in every),
        table=kernels.table(written.kernels), tuned=kernels.table(written.tuned),
        by_size=kernels.by_size,
        checks=tuple(checks), params=tuple(params), names=tuple(names),
        unused=tuple(n for n in names if n not in used),
        shapes=(*body, *more), ndim=ndim, shape=shape, device=f"{tensors(op)[0].name}->device",
        operands=tuple(operands), counted=p.indices, start=p.start,
        zero=zero if p.partial and not p.start and not written.clears else "", narrow=narrow(p),
        assign=tuple(arguments.assign), rows=written.rows, work=effort,
        inplace=bool(p.start) and not is_adjoint(op),
    )  # fmt: skip


def without_unread(lines: Sequence[str], rest: Sequence[str]) -> list[str]:
    """Without sizes that nothing reads: an axis may be there for its shape alone."""
    kept = list(lines)
    while True:
        counts = Counter(re.findall(r"[A-Za-z_]\w*", " ".join([*kept, *rest])))
        unread = [
            line for line in kept
            if (m := re.match(r"\s*const int64_t (\w+) = ", line)) and counts[m[1]] == 1
        ]  # fmt: skip
        if not unread:
            return kept
        kept = [line for line in kept if line not in unread]


def formulas(p: Program) -> tuple[Node, ...]:
    """What the loops compute with elements."""
    return tuple(f for f in (p.term, p.picked, p.finish) if f is not None)


def refuse_reserved(p: Program) -> None:
    """Loops, sizes and parameters must not be called as the generated C's own variables."""
    params = {q.name for q in p.op.schema.params}
    taken = {v.var for v in p.loops} | set(p.let) | params - {SIZE}
    own = RESERVED if p.indices else RESERVED - {"indices"}
    for name in sorted(taken & (own - {"k", "v"}) | (params & own)):
        raise FormulaError(f"'{name}' is a name of the generated C; rename it")


def narrow(p: Program) -> str:
    """The tensor whose shape bounds what is written of the result."""
    return bounding(p) if any(a.at_least for a in p.dims[OUT]) else ""


def work(p: Program) -> str:
    """An estimate of the work, in elements."""
    nest, ints = Nest(p, "f32"), Ints(p, in_kernel=False)
    parts = [v.extent for v in p.loops if not nest.depends(v.extent)]
    texts = [ints.text(x, 11) for x in parts]
    return " * ".join(["1.0" if not texts else f"(double){texts[0]}", *texts[1:]])
