"""In: an op lowered to rows, with its gradients. Out: the context of templates/c/rows.c.j2.

Must not know: YAML, cffi, or how rows are found in tensors (runtime/cpu/rows.c does that). A kernel
for each compute dtype and set of absent operands; the first backward is one more op like it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from ..derive.op import Derived, cotangent, differentiable_outputs
from ..derive.rows import COLUMN, FULL, SINGLE, Rows, layout, varies
from ..formula import names, walk
from ..ir import COMMON
from ..opdef import OpDef
from .family import Family
from .pointwise import CLASS_MACRO, input_class
from .rows_kernel import Kernel, KernelText
from .rows_values import Operand, is_heavy, scalars

if TYPE_CHECKING:
    from ..centry import Entry

COMPUTE = ("f64", "f32")
LAYOUTS = {FULL: "OPS_ROWS_FULL", SINGLE: "OPS_ROWS_SINGLE", COLUMN: "OPS_ROWS_COLUMN"}
ERRORS = {
    "IndexError": "OPS_INDEX_ERROR", "ValueError": "OPS_VALUE_ERROR",
    "RuntimeError": "OPS_RUNTIME_ERROR", "TypeError": "OPS_TYPE_ERROR",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The static ops_rows_op of an op or of its backward."""

    symbol: str
    name: str
    kernels: tuple[str, ...]
    inputs: int
    outputs: int
    scalars: int
    stashes: int
    cotangents: int
    optional: tuple[str, ...]
    input_class: tuple[str, ...]
    input_layout: tuple[str, ...]
    output_layout: tuple[str, ...]
    check_error: str
    check: str
    cost: str


@dataclass(frozen=True, slots=True)
class RowsFile:
    """Context of templates/c/rows.c.j2: every kernel of one op."""

    op: str
    title: tuple[str, ...]
    kernels: tuple[KernelText, ...]
    descriptors: tuple[Descriptor, ...]


# What is computed --------------------------------------------------------------------------------


def inputs(op: OpDef) -> tuple[Operand, ...]:
    """The tensors of the op, in schema order."""
    return tuple(
        Operand(p.name, input_class(op, p.name), layout(op, p.name)) for p in op.schema.tensors
    )


def outputs(op: OpDef) -> tuple[Operand, ...]:
    """The outputs of the op."""
    assert isinstance(op.meaning, Rows)
    return tuple(
        Operand(o, COMMON, FULL if varies(v, op) else SINGLE, v)
        for o, v in zip(op.schema.outputs, op.meaning.outputs, strict=True)
    )


def gradients(derived: Derived) -> tuple[Operand, ...]:
    """The outputs of the backward: a gradient a parameter."""
    op = derived.op
    return tuple(
        Operand(f"d_{g.param}", COMMON, layout(op, g.param), g.formula)
        for g in derived.gradients.values()
    )


def backward_inputs(derived: Derived) -> tuple[Operand, ...]:
    """Cotangents, then the parameters and outputs that gradients read."""
    op = derived.op
    carried = differentiable_outputs(op)
    found = [
        Operand(cotangent(op, o.name), COMMON, o.layout) for o in outputs(op) if o.name in carried
    ]
    read = backward_reads(derived)
    found += [i for i in (*inputs(op), *outputs(op)) if i.name in read]
    return tuple(replace(i, value=None) for i in found)


def backward_reads(derived: Derived) -> tuple[str, ...]:
    """Parameters and outputs that gradients read, in the order of the backward's inputs."""
    op = derived.op
    read = {n for g in derived.gradients.values() for n in names(g.formula)}
    order = [p.name for p in op.schema.tensors] + list(op.schema.outputs)
    whole = [o.name for o in (*inputs(op), *outputs(op)) if o.layout == FULL]
    if not read & set(whole) and all(o.layout != FULL for o in outputs(op)):
        read.add(whole[0])  # for its shape
    return tuple(n for n in order if n in read)


def optional(op: OpDef, operands: Sequence[Operand]) -> tuple[int, ...]:
    """Inputs that may be absent: each is a bit of the variant."""
    maybe = {p.name for p in op.schema.tensors if p.type.optional}
    return tuple(k for k, o in enumerate(operands) if o.name in maybe)


def render_context(derived: Derived) -> RowsFile:
    """Every kernel and descriptor of the op."""
    op = derived.op
    assert isinstance(op.meaning, Rows)
    text = op.meaning.cases[0][2].text
    kernels, descriptors = [], []
    ins, outs = inputs(op), outputs(op)
    made, d = _kernels(op, f"opsk_{op.name}", ins, outs, 0)
    kernels += made
    descriptors.append(d)
    if derived.gradients:
        back = backward_inputs(derived)
        count = len(differentiable_outputs(op))
        made, d = _kernels(op, f"opsk_{op.name}_backward", back, gradients(derived), count)
        kernels += made
        descriptors.append(d)
    title = (f"{op.name}:", *(f"    {line}" for line in text.splitlines()))
    return RowsFile(op.name, title, tuple(kernels), tuple(descriptors))


def _kernels(
    op: OpDef, symbol: str, ins: tuple[Operand, ...], outs: tuple[Operand, ...], cotangents: int
) -> tuple[list[KernelText], Descriptor]:
    bits = optional(op, ins)
    kernels = []
    for absent in product((False, True), repeat=len(bits)):
        missing = [ins[k].name for k, gone in zip(reversed(bits), absent, strict=True) if gone]
        present = [ins[k].name for k in bits if ins[k].name not in missing]
        for compute in COMPUTE:
            suffix = "".join(f"_no_{m}" for m in missing)
            kernels.append(
                Kernel(op, f"{symbol}{suffix}__{compute}", compute, ins, outs, missing, present,
                        bool(cotangents)).text()
            )  # fmt: skip
    heavy = [n for o in outs if o.value for n in walk(o.value) if is_heavy(n)]
    check = op.check[0] if op.check and not cotangents else None
    return kernels, Descriptor(
        symbol=symbol,
        name=op.name + ("_backward" if cotangents else ""),
        kernels=tuple(k.symbol for k in kernels),
        inputs=len(ins),
        outputs=len(outs),
        scalars=len(scalars(op)),
        stashes=max(k.stashes for k in kernels),
        cotangents=cotangents,
        optional=tuple(str(bits[k]) if k < len(bits) else "-1" for k in range(2)),
        input_class=tuple(CLASS_MACRO[i.cls] for i in ins),
        input_layout=tuple(LAYOUTS[i.layout] for i in ins),
        output_layout=tuple(LAYOUTS[o.layout] for o in outs),
        check_error=ERRORS[check[1]] if check else "OPS_OK",
        check=f'"{check[0].text}"' if check else "NULL",
        cost=f"{0.4 + 0.6 * len(set(heavy)):.2f}f",
    )


class RowsFamily(Family):
    """Passes over a row held in cache."""

    def takes(self, op: OpDef) -> bool:
        """A body of pointwise ops and reductions over one set of dims."""
        return isinstance(op.meaning, Rows)

    def context(self, d: Derived) -> Any:
        """RowsFile."""
        return render_context(d)

    def entries(self, d: Derived) -> tuple[list[str], list[Entry]]:
        """The op and its backward."""
        from . import rows_text

        return rows_text.entries(d)

    def text(self, d: Derived, known: Mapping[str, OpDef]) -> list[str]:
        """The function and its backwards."""
        from . import rows_text

        return rows_text.function_text(d)


FAMILY = RowsFamily()
