"""In: a derived op. Out: the contexts of its CUDA kernels, from the same Kernel IR as the CPU's.

Must not know: any op by name, nor how a launch is cut: runtime/cuda does that. A generated kernel
is a functor on elements (pointwise) or a monoid (reduce); the headers of runtime/cuda instantiate
the loops around it for the storage types named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import compile
from ..derive.op import Derived
from ..derive.rows import Rows
from ..dtypes import BY_CODE, COMPUTE
from ..formula import names
from ..ir import BOOL, LONG, AccumulateKernel, PointwiseKernel, key
from ..lower import accumulate, pointwise
from ..lower.family import family_of
from ..names import spelled
from ..opdef import Index, Out, Reduce
from . import Backend
from .ctext import Printer
from .cuda_index import IndexCuda, Launcher, index_context
from .cuda_rows import rows_context
from .cuda_text import CLASS, STORAGE, Launchers, Scalar, element


@dataclass(frozen=True, slots=True)
class Value:
    """One output of a functor."""

    wanted: int  # its bit in the mask
    text: str


@dataclass(frozen=True, slots=True)
class Functor:
    """A pointwise kernel on one element."""

    title: str
    symbol: str
    compute: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    scalars: tuple[Scalar, ...]
    params: tuple[str, ...]
    values: tuple[Value, ...]
    masked: bool  # outputs may be unwanted


Row = Launchers | Launcher  # of the table


@dataclass(frozen=True, slots=True)
class PointwiseCuda:
    """Context of templates/cuda/pointwise.cu.j2: every kernel of one op."""

    op: str
    kernels: tuple[Functor, ...]
    tables: tuple[Launchers, ...]


@dataclass(frozen=True, slots=True)
class Monoid:
    """A reduction for one compute dtype."""

    symbol: str
    element: str  # type of an element inside the kernel
    state: str  # while a run is folded
    wide: str  # between runs, threads and blocks
    mapped: str
    combine: str
    combine_wide: str
    widen: str
    identity: str
    outputs: tuple[str, ...]  # element types of the results
    results: tuple[str, ...]  # parameters that take them
    finish: tuple[str, ...]
    positions: str  # do formulas read the position of an element?
    scalars: int


@dataclass(frozen=True, slots=True)
class ReduceCuda:
    """Context of templates/cuda/reduce.cu.j2: every kernel of one op."""

    op: str
    title: tuple[str, ...]
    states: tuple[accumulate.States, ...]
    maps: tuple[accumulate.Function, ...]
    kernels: tuple[Monoid, ...]
    table: Launchers


@dataclass(frozen=True, slots=True)
class GroupFile:
    """Context of templates/cuda/group.cu.j2: the ops of one translation unit."""

    headers: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableFile:
    """Context of templates/cuda/table.cu.j2: every launcher, sorted by key."""

    rows: tuple[Row, ...]


# nvcc spends a second on headers before the first op: a file holds ops until they have that many
# kernels, which is some ten times as much work, and still keeps every core busy.
GROUP = 60
HEADERS = ("math.cuh", "pointwise.cuh", "reduce.cuh", "index.cuh", "rows.cuh")


class Cuda(Backend):
    """CUDA C++ through nvcc, ahead of time."""

    name = "cuda"
    templates = "cuda"
    spelling = "cuda"
    suffix = ".cu"

    def kernel_contexts(self, d: Derived) -> list[tuple[str, Any]]:
        """(template, context) of the op's kernel file; empty for families without CUDA kernels."""
        d = spelled(d)
        family = family_of(d.op)
        if (own := family.cuda(d)) is not None:
            return [(f"cuda/{family.name}.cu.j2", own)]
        match d.op.meaning:
            case Out():
                return [("cuda/pointwise.cu.j2", pointwise_context(d))]
            case Reduce():
                return [("cuda/reduce.cu.j2", reduce_context(d))]
            case Index():
                return [("cuda/index.cu.j2", index_context(d.op))]
            case Rows():
                return [("cuda/rows.cu.j2", rows_context(d))]
        return []

    def wanted(self, asked: bool) -> bool:
        """Where it is asked for, or there is a GPU."""
        return compile.wants_cuda(asked)

    def library(
        self, plan: compile.Plan, derived: Sequence[Derived], stage: Path, runtime: Path
    ) -> None:
        """By nvcc, several ops a file, with a table of the kernels."""
        from .. import pipeline

        pipeline.cuda_library(plan, pipeline.emit_cuda(derived, plan.folder / "cuda"), runtime)


BACKEND = Cuda()


def groups(files: Iterable[tuple[str, Any]]) -> list[GroupFile]:
    """Kernel files, by name and context, cut into translation units of like size."""
    found: list[list[str]] = []
    weight = GROUP
    for name, context in files:
        if weight >= GROUP:
            found.append([])
            weight = 0
        found[-1].append(name)
        for row in tables(context):
            made = row.launchers if isinstance(row, Launchers) else (row.symbol,)
            weight += sum(launcher != "NULL" for launcher in made)
    return [GroupFile(HEADERS, tuple(names)) for names in found]


def tables(context: Any) -> tuple[Row, ...]:
    """The rows that a kernel file adds to the table."""
    if isinstance(context, IndexCuda):
        return (context.launcher,)
    own: tuple[Row, ...] = getattr(context, "tables", ())
    return own or (context.table,)


# Pointwise ----------------------------------------------------------------------------------------


def pointwise_context(d: Derived) -> PointwiseCuda:
    """Every kernel of a pointwise op: forward, and its first backward."""
    op = d.op
    forward, backward = pointwise.forward_kernels(op), pointwise.backward_kernels(d)
    rows = [_launchers(op.name, forward)]
    if backward:
        rows.append(_launchers(f"{op.name}_backward", backward))
    functors = [_functor(k, masked=False) for k in forward]
    functors += [_functor(k, masked=True) for k in backward]
    return PointwiseCuda(op.name, tuple(functors), tuple(rows))


def _launchers(name: str, kernels: Sequence[PointwiseKernel]) -> Launchers:
    by_code = {k.compute: k.symbol for k in kernels}
    return Launchers(
        symbol=f"opsk_{name}__cuda",
        key=key(name, kernels),
        launchers=tuple(
            f"ops_pointwise_launch<{', '.join((by_code[d.code], *STORAGE[d.code]))}>"
            if d.code in by_code
            else "NULL"
            for d in COMPUTE
        ),
    )


def _functor(kernel: PointwiseKernel, masked: bool) -> Functor:
    dtype = BY_CODE[kernel.compute]
    read = {n for v in kernel.values for n in names(v)}
    env = {a.name: (pointwise.local(a.name), a.cls) for a in (*kernel.inputs, *kernel.scalars)}
    printer = Printer(kernel.compute, env, BACKEND.spelling)
    field = "f" if dtype.kind == "float" else "i"
    scalars = [
        Scalar(dtype.ctype, pointwise.local(a.name), f"({dtype.ctype})s[{k}].{field}")
        for k, a in enumerate(kernel.scalars)
        if a.name in read
    ]
    if kernel.random:
        at = len(kernel.scalars)
        scalars += [
            Scalar("uint64_t", name, f"(uint64_t)s[{at + k}].i")
            for k, name in enumerate(("seed", "offset"))
        ]

    return Functor(
        title=f"{kernel.op}: {kernel.title}",
        symbol=kernel.symbol,
        compute=dtype.ctype,
        outputs=tuple(CLASS[a.cls] for a in kernel.outputs),
        inputs=tuple(CLASS[a.cls] for a in kernel.inputs),
        scalars=tuple(scalars),
        params=(
            "int64_t start",
            "int k",
            "unsigned wanted",
            *(f"{element(a.cls, dtype)} {pointwise.local(a.name)}" for a in kernel.inputs),
            *(f"{element(a.cls, dtype)} &to_{a.name}" for a in kernel.outputs),
        ),
        values=tuple(
            Value(1 << k, f"to_{a.name} = {accumulate.bare(printer.value(v, a.cls))};")
            for k, (a, v) in enumerate(zip(kernel.outputs, kernel.values, strict=True))
        ),
        masked=masked,
    )


# Reduce -------------------------------------------------------------------------------------------


def reduce_context(d: Derived) -> ReduceCuda:
    """Every kernel of a reduction."""
    op = d.op
    kernels = accumulate.accumulate_kernels(op)
    states: dict[str, accumulate.States] = {}
    maps: dict[str, accumulate.Function] = {}
    monoids = []
    for k in kernels:
        wide = accumulate.wide_code(k.compute)
        lane = wide if op.dtype.wide and not k.additive else k.compute
        for code in (lane, wide):
            states.setdefault(code, accumulate.state_struct(k, code))
        maps.setdefault(lane, accumulate.map_function(k, lane))
        monoids.append(_monoid(k, states[lane], maps[lane], states[wide]))
    by_code = {k.compute: k for k in kernels}
    return ReduceCuda(
        op=op.name,
        title=tuple(kernels[0].title.splitlines()),
        states=tuple(states.values()),
        maps=tuple(maps.values()),
        kernels=tuple(monoids),
        table=Launchers(
            symbol=f"opsk_{op.name}__cuda",
            key=key(op.name, kernels),
            launchers=tuple(
                _reduce_launcher(op.name, by_code[c.code], c.code) if c.code in by_code else "NULL"
                for c in COMPUTE
            ),
        ),
    )


def _reduce_launcher(op: str, kernel: AccumulateKernel, code: str) -> str:
    storage = ("bool",) if kernel.input.cls == BOOL else STORAGE[code]
    return f"ops_reduce_launch<{', '.join((f'opsk_{op}_cuda::{kernel.symbol}', *storage))}>"


def _monoid(
    kernel: AccumulateKernel,
    lane: accumulate.States,
    mapping: accumulate.Function,
    wide: accumulate.States,
) -> Monoid:
    finish = accumulate.finish_values(kernel)
    bits = kernel.input.cls == BOOL
    return Monoid(
        symbol=kernel.symbol,
        element="uint8_t" if bits else BY_CODE[kernel.compute].ctype,
        state=lane.type,
        wide=wide.type,
        mapped=accumulate.element(kernel, mapping, "x", "i"),
        combine=accumulate.combined(lane, "a", "b"),
        combine_wide=accumulate.combined(wide, "a", "b"),
        widen=", ".join(
            f"block->start + block->step * a.{m.name}" if m.cls == LONG else f"a.{m.name}"
            for m in lane.members
        ),
        identity=accumulate.identity_values(kernel, wide.code),
        outputs=tuple(ctype for ctype, _ in finish),
        results=tuple(f"{ctype} &y{k}" for k, (ctype, _) in enumerate(finish)),
        finish=tuple(f"y{k} = {value};" for k, (_, value) in enumerate(finish)),
        positions="true" if accumulate.reads(kernel.map, "i") else "false",
        scalars=len(kernel.scalars),
    )
