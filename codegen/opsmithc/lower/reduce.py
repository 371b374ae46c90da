"""In: a reduce OpDef. Out: its AccumulateKernels, then the context of templates/c/reduce.c.j2.

Must not know: YAML, cffi, or how blocks are cut (runtime/cpu/reduce.c does that). The formulas are
printed once per element type, as functions on a struct of states; the loops only call those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..derive.op import Derived
from ..dtypes import BY_CODE, COMPUTE
from ..ir import BOOL, COMMON, LONG, AccumulateKernel, key
from ..opdef import OpDef, Reduce
from ..pytext.raw import RawOps
from .accumulate import (
    CLASS_MACRO,
    RULES,
    Function,
    States,
    Wide,
    accumulate_kernels,
    combined,
    cost,
    element,
    finish_values,
    map_function,
    public_name,
    reads,
    selects,
    state_struct,
    uniform_states,
    wide_code,
    wide_of,
)  # fmt: skip
from .family import Family

if TYPE_CHECKING:
    from ..centry import Entry

# Lanes keep 8 registers of 64 bytes busy: enough to hide the latency of a combine, few enough to
# leave room for its temporaries. Sums add eight elements in a tree before they meet a lane, which
# hides it already (and rounds less).
LANE_BYTES, TREE_BYTES, MOST_LANES, FEW_LANES = 512, 128, 64, 8


@dataclass(frozen=True, slots=True)
class Lanes:
    """States of many lanes: an array a state, a scalar where all lanes agree."""

    declare: tuple[str, ...]
    element: str  # the state of the element that lane j reads
    several: tuple[str, ...]  # statements: b = eight elements of lane j in one state
    state: str  # lane j
    upper: str  # lane j + half
    first: str  # lane 0
    add: str  # lane j combined with b
    keep: tuple[str, ...]  # a -> lane j
    settle: tuple[str, ...]  # after a pass over the lanes
    spread: tuple[str, ...]  # the scalars as arrays, from where lanes differ
    keep_spread: tuple[str, ...]
    state_spread: str
    add_spread: str


@dataclass(frozen=True, slots=True)
class KernelText:
    """The kernels of one compute dtype."""

    symbol: str
    code: str
    element: str  # C type of an element of the input
    state: str
    wide: str
    wide_code: str
    combine_wide: str
    widen: str
    many: int
    few: int
    block: str  # the parameter through which formulas read scalars, or ""
    pass_block: str
    tree: bool  # elements are combined in eights before they meet a lane
    lanes: Lanes
    columns: Lanes
    last_element: str
    outputs: tuple[str, ...]  # declarations of the pointers
    finish: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The static ops_reduce_op of an op."""

    symbol: str
    name: str
    key: str
    kernels: tuple[str, ...]
    states: int
    outputs: int
    scalars: int
    rule: str
    input_class: str
    output_class: tuple[str, ...]
    positions: int
    nonempty: int
    cost: str


@dataclass(frozen=True, slots=True)
class ReduceFile:
    """Context of templates/c/reduce.c.j2: every kernel of one op."""

    op: str
    title: tuple[str, ...]
    states: tuple[States, ...]
    maps: tuple[Function, ...]
    wides: tuple[Wide, ...]
    kernels: tuple[KernelText, ...]
    descriptor: Descriptor


def descriptor_symbol(op: OpDef) -> str:
    """C name of the op's descriptor."""
    return f"opsk_{op.name}"


def render_context(op: OpDef) -> ReduceFile:
    """Every kernel and the descriptor of a reduction."""
    kernels = accumulate_kernels(op)
    wides: dict[str, Wide] = {}
    states: dict[str, States] = {}
    maps: dict[str, Function] = {}
    texts = []
    for k in kernels:
        code, lane = wide_code(k.compute), _lane_code(op, k)
        for each in (code, lane):
            states.setdefault(each, state_struct(k, each))
        maps.setdefault(lane, map_function(k, lane))
        wides.setdefault(code, wide_of(k, states[code]))
        texts.append(_text(k, states[lane], maps[lane], wides[code]))
    return ReduceFile(
        op=op.name,
        title=tuple(kernels[0].title.splitlines()),
        states=tuple(states.values()),
        maps=tuple(maps.values()),
        wides=tuple(wides.values()),
        kernels=tuple(texts),
        descriptor=_descriptor(op, kernels),
    )


def _lane_code(op: OpDef, kernel: AccumulateKernel) -> str:
    """The dtype of a lane's states. Sums of a block are short enough for the compute dtype."""
    return wide_code(kernel.compute) if op.dtype.wide and not kernel.additive else kernel.compute


def _tree(states: States, items: Sequence[str]) -> tuple[str, ...]:
    pairs = [combined(states, x, y) for x, y in zip(items[::2], items[1::2])]
    names = [f"p{k}" for k in range(len(pairs))]
    lines = [f"const {states.type} {p} = {pair};" for p, pair in zip(names, pairs)]
    while len(names) > 1:
        names = [combined(states, x, y) for x, y in zip(names[::2], names[1::2])]
    return *lines, f"const {states.type} b = {names[0]};"


def _lanes(kernel: AccumulateKernel, states: States, count: str, elements: Sequence[str]) -> Lanes:
    uniform = uniform_states(kernel)

    def at(index: str, apart: bool = False) -> str:
        each = (
            f"a{k}[{index}]" if k not in uniform else f"l{k}[{index}]" if apart else f"a{k}"
            for k in range(len(states.members))
        )
        return f"({states.type}){{{', '.join(each)}}}"

    declare, keep, settle, spread, keep_spread = [], [], [], [], []
    for k, m in enumerate(states.members):
        if k in uniform:
            declare.append(f"{m.ctype} a{k} = 0, next{k} = 0; /* the same in every lane */")
            keep.append(f"next{k} = a.a{k};")
            settle.append(f"a{k} = next{k};")
            spread += [
                f"{m.ctype} l{k}[{count}];",
                "for (int j = 0; j < lanes; ++j) {",
                f"    l{k}[j] = a{k};",
                "}",
            ]
            keep_spread.append(f"l{k}[j] = a.a{k};")
        else:
            declare.append(f"{m.ctype} a{k}[{count}];")
            keep.append(f"a{k}[j] = a.a{k};")
            keep_spread.append(f"a{k}[j] = a.a{k};")
    return Lanes(
        declare=tuple(declare),
        element=elements[0],
        several=_tree(states, elements),
        state=at("j"),
        upper=at("j + half", True),
        first=at("0", True),
        add=combined(states, at("j"), "b"),
        keep=tuple(keep),
        settle=tuple(settle),
        spread=tuple(spread),
        keep_spread=tuple(keep_spread),
        state_spread=at("j", True),
        add_spread=combined(states, at("j", True), "b"),
    )


def _text(kernel: AccumulateKernel, states: States, mapping: Function, wide: Wide) -> KernelText:
    size = BY_CODE[states.code].size * max(1, len(states.members) - len(uniform_states(kernel)))
    same = kernel.input.cls == COMMON  # else widening an element costs more than adding it
    many = min(MOST_LANES, (TREE_BYTES if kernel.additive and same else LANE_BYTES) // size)
    many = 1 << (many.bit_length() - 1)

    def lanes(count: str, reads: Sequence[tuple[str, str]]) -> Lanes:
        return _lanes(kernel, states, count, [element(kernel, mapping, *at) for at in reads])

    shift = ["", "lanes + ", *(f"{q} * lanes + " for q in range(2, 8))]
    down = [("x[j]", "k"), ("x[pitch + j]", "k + 1")]
    finish = finish_values(kernel)
    block = mapping.rest or states.combine.rest
    return KernelText(
        symbol=kernel.symbol,
        code=kernel.compute,
        element="uint8_t" if kernel.input.cls == BOOL else BY_CODE[kernel.compute].ctype,
        state=states.type,
        wide=wide.type,
        wide_code=wide.code,
        combine_wide=wide.combine,
        widen=", ".join(
            f"block->start + block->step * a.{m.name}" if m.cls == LONG else f"a.{m.name}"
            for m in states.members
        ),
        many=many,
        few=FEW_LANES,
        block=", const ops_reduce_block *block" if block else "",
        pass_block=", block" if block else "",
        tree=kernel.additive,
        lanes=lanes(str(many), [(f"x[k + {s}j]", f"(int32_t)k + {s}j") for s in shift]),
        columns=lanes(
            "OPS_REDUCE_WIDTH",
            down + [(f"x[{q} * pitch + j]", f"k + {q}") for q in range(2, 8)],
        ),
        last_element=element(kernel, mapping, "x[k]", "k"),
        outputs=tuple(f"{ctype} *out{k} = out[{k}];" for k, (ctype, _) in enumerate(finish)),
        finish=tuple(f"out{k}[j] = {value};" for k, (_, value) in enumerate(finish)),
    )


def _descriptor(op: OpDef, kernels: tuple[AccumulateKernel, ...]) -> Descriptor:
    first = kernels[0]
    by_code = {k.compute: k.symbol for k in kernels}
    return Descriptor(
        symbol=descriptor_symbol(op),
        name=public_name(op),
        key=key(op.name, kernels),
        kernels=tuple(f"&{by_code[d.code]}" if d.code in by_code else "NULL" for d in COMPUTE),
        states=len(first.states),
        outputs=len(first.outputs),
        scalars=len(first.scalars),
        rule=RULES[op.dtype.kind],
        input_class=CLASS_MACRO[first.input.cls],
        output_class=tuple(CLASS_MACRO[o.cls] for o in first.outputs),
        positions=int(reads(first.map, "i")),
        nonempty=int(selects(first)),
        cost=cost(first),
    )


class ReduceFamily(Family):
    """Folds over contiguous blocks."""

    def takes(self, op: OpDef) -> bool:
        """A monoid."""
        return isinstance(op.meaning, Reduce)

    def context(self, d: Derived) -> Any:
        """ReduceFile."""
        return render_context(d.op)

    def entries(self, d: Derived) -> tuple[list[str], list[Entry]]:
        """Calls of the driver with the op's descriptor."""
        from .. import centry

        return centry.descriptor(d, ("dim",))

    def text(self, d: Derived, ops: RawOps) -> list[str]:
        """The axes travel as a mask."""
        from ..pytext.function import function_text

        return function_text(d, ("dim",), ops)


FAMILY = ReduceFamily()
