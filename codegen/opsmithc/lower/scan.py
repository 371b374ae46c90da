"""In: a scan OpDef. Out: its AccumulateKernels, then the context of templates/c/scan.c.j2.

Must not know: YAML, cffi, or how lines are cut (runtime/cpu/scan.c does that). A scan's states are
wide from the first element on: it is bound by latency, and every step is rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..derive.op import Derived
from ..dtypes import BY_CODE, COMPUTE
from ..ir import BOOL, AccumulateKernel
from ..opdef import OpDef, Scan
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
    state_struct,
    wide_code,
    wide_of,
)  # fmt: skip
from .family import Family

if TYPE_CHECKING:
    from ..centry import Entry

# Lines scanned at once: each is one chain of dependent operations, eight hide its latency.
LINES = 8


@dataclass(frozen=True, slots=True)
class WideText:
    """States and elements of one wide dtype."""

    wide: Wide
    states: States
    map: Function


@dataclass(frozen=True, slots=True)
class KernelText:
    """The kernels of one compute dtype."""

    symbol: str
    code: str
    element: str  # C type of an element of the input
    wide: Wide
    lines: int
    row_element: str
    column_element: str
    row_outputs: tuple[str, ...]  # declarations of the pointers
    column_outputs: tuple[str, ...]
    advance: str  # `before` and the element `b` in one state
    row_finish: tuple[str, ...]
    column_finish: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The static ops_scan_op of an op."""

    symbol: str
    name: str
    kernels: tuple[str, ...]
    states: int
    outputs: int
    scalars: int
    rule: str
    input_class: str
    output_class: tuple[str, ...]
    cost: str


@dataclass(frozen=True, slots=True)
class ScanFile:
    """Context of templates/c/scan.c.j2: every kernel of one op."""

    op: str
    title: tuple[str, ...]
    wides: tuple[WideText, ...]
    kernels: tuple[KernelText, ...]
    descriptor: Descriptor


def descriptor_symbol(op: OpDef) -> str:
    """C name of the op's descriptor."""
    return f"opsk_{op.name}"


def render_context(op: OpDef) -> ScanFile:
    """Every kernel and the descriptor of a scan."""
    kernels = accumulate_kernels(op)
    wides: dict[str, WideText] = {}
    for k in kernels:
        code = wide_code(k.compute)
        if code not in wides:
            states = state_struct(k, code)
            wides[code] = WideText(wide_of(k, states), states, map_function(k, code))
    return ScanFile(
        op=op.name,
        title=tuple(kernels[0].title.splitlines()),
        wides=tuple(wides.values()),
        kernels=tuple(_text(k, wides[wide_code(k.compute)]) for k in kernels),
        descriptor=_descriptor(op, kernels),
    )


def _text(kernel: AccumulateKernel, text: WideText) -> KernelText:
    finish = finish_values(kernel)
    return KernelText(
        symbol=kernel.symbol,
        code=kernel.compute,
        element="uint8_t" if kernel.input.cls == BOOL else BY_CODE[kernel.compute].ctype,
        wide=text.wide,
        lines=LINES,
        row_element=element(kernel, text.map, "x[q * pitch + k]", "block->start + k"),
        column_element=element(kernel, text.map, "x[j]", "block->start + k"),
        row_outputs=tuple(
            f"{ctype} *out{k} = ({ctype} *)out[{k}] + r * out_pitch;"
            for k, (ctype, _) in enumerate(finish)
        ),
        column_outputs=tuple(
            f"{ctype} *out{k} = ({ctype} *)out[{k}] + k * out_pitch;"
            for k, (ctype, _) in enumerate(finish)
        ),
        advance=combined(text.states, "before", "b"),
        row_finish=tuple(
            f"out{k}[q * out_pitch + k] = {value};" for k, (_, value) in enumerate(finish)
        ),
        column_finish=tuple(f"out{k}[j] = {value};" for k, (_, value) in enumerate(finish)),
    )


def _descriptor(op: OpDef, kernels: tuple[AccumulateKernel, ...]) -> Descriptor:
    first = kernels[0]
    by_code = {k.compute: k.symbol for k in kernels}
    return Descriptor(
        symbol=descriptor_symbol(op),
        name=public_name(op),
        kernels=tuple(f"&{by_code[d.code]}" if d.code in by_code else "NULL" for d in COMPUTE),
        states=len(first.states),
        outputs=len(first.outputs),
        scalars=len(first.scalars),
        rule=RULES[op.dtype.kind],
        input_class=CLASS_MACRO[first.input.cls],
        output_class=tuple(CLASS_MACRO[o.cls] for o in first.outputs),
        cost=cost(first),
    )


class ScanFamily(Family):
    """Running folds of lines."""

    def takes(self, op: OpDef) -> bool:
        """A monoid."""
        return isinstance(op.meaning, Scan)

    def context(self, d: Derived) -> Any:
        """ScanFile."""
        return render_context(d.op)

    def entries(self, d: Derived) -> tuple[list[str], list[Entry]]:
        """Calls of the driver with the op's descriptor."""
        from .. import centry

        return centry.descriptor(d, ())


FAMILY = ScanFamily()
