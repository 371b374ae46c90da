"""In: an op lowered to rows, with its gradients. Out: the context of templates/c/rows.c.j2.

Must not know: YAML, cffi, or how rows are found in tensors (runtime/cpu/rows.c does that). A kernel
for each compute dtype and set of absent operands; the first backward is one more op like it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from ..derive.op import Derived, cotangent, differentiable_outputs
from ..derive.rows import COLUMN, FULL, SINGLE, Rows, layout, varies
from ..formula import names, walk
from ..ir import COMMON, STATUS, key
from ..opdef import OpDef
from ..pytext.raw import RawOps
from .family import Family
from .pointwise import CLASS_MACRO, input_class
from .rows_lanes import KernelText, Lanes
from .rows_values import Operand, is_heavy, scalars

if TYPE_CHECKING:
    from ..centry import Entry

COMPUTE = ("f64", "f32")
LAYOUTS = {FULL: "OPS_ROWS_FULL", SINGLE: "OPS_ROWS_SINGLE", COLUMN: "OPS_ROWS_COLUMN"}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The static ops_rows_op of an op or of its backward."""

    symbol: str
    name: str
    key: str
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


@dataclass(frozen=True, slots=True)
class Part:
    """The op, or its first backward: what each target makes kernels of."""

    op: OpDef
    name: str
    ins: tuple[Operand, ...]
    outs: tuple[Operand, ...]
    cotangents: int  # leading inputs; 0 for the op itself

    @property
    def symbol(self) -> str:
        """Of its descriptor; kernels add what they leave out and the dtype."""
        return f"opsk_{self.name}"

    @property
    def key(self) -> str:
        """How a backend finds its kernels at run time."""
        return key(self.name, (self.ins, self.outs, self.check and self.check[0]))

    @property
    def check(self) -> tuple[str, str] | None:
        """What is said of a row that does not fulfil the entry's check, and the status."""
        if not self.op.check or self.cotangents:
            return None
        formula, error = self.op.check[0]
        word, _, message = error.partition(":")
        return message.strip() or f"{self.op.name}(): expected {formula.text}", STATUS[word]

    @property
    def optional(self) -> tuple[int, ...]:
        """Inputs that may be absent: each is a bit of the variant."""
        maybe = {p.name for p in self.op.schema.params if p.type.optional}
        return tuple(k for k, o in enumerate(self.ins) if o.name in maybe)

    def variants(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """For every set of absent inputs: suffix of symbols, names of the absent, of the others."""
        bits = self.optional
        for absent in product((False, True), repeat=len(bits)):
            gone = zip(reversed(bits), absent, strict=True)
            missing = [self.ins[k].name for k, is_gone in gone if is_gone]
            present = [self.ins[k].name for k in bits if self.ins[k].name not in missing]
            yield "".join(f"_no_{m}" for m in missing), missing, present


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


def parts(derived: Derived) -> tuple[Part, ...]:
    """The op, and its backward if it has gradients."""
    op = derived.op
    found = [Part(op, op.name, inputs(op), outputs(op), 0)]
    if derived.gradients:
        count = len(differentiable_outputs(op))
        back, grads = backward_inputs(derived), gradients(derived)
        found.append(Part(op, f"{op.name}_backward", back, grads, count))
    return tuple(found)


def title(op: OpDef) -> tuple[str, ...]:
    """The op's formula, as lines of a comment."""
    assert isinstance(op.meaning, Rows)
    text = op.meaning.cases[0][2].text
    return (f"{op.name}:", *(f"    {line}" for line in text.splitlines()))


def render_context(derived: Derived) -> RowsFile:
    """Every kernel and descriptor of the op."""
    kernels, descriptors = [], []
    for part in parts(derived):
        made, d = _kernels(part)
        kernels += made
        descriptors.append(d)
    return RowsFile(derived.op.name, title(derived.op), tuple(kernels), tuple(descriptors))


def _kernels(part: Part) -> tuple[list[KernelText], Descriptor]:
    kernels = [
        Lanes(part.op, f"{part.symbol}{suffix}__{compute}", compute, part.ins, part.outs,
              missing, present, bool(part.cotangents)).text()
        for suffix, missing, present in part.variants()
        for compute in COMPUTE
    ]  # fmt: skip
    heavy = [n for o in part.outs if o.value for n in walk(o.value) if is_heavy(n)]
    bits, check = part.optional, part.check
    return kernels, Descriptor(
        symbol=part.symbol,
        name=part.name,
        key=part.key,
        kernels=tuple(k.symbol for k in kernels),
        inputs=len(part.ins),
        outputs=len(part.outs),
        scalars=len(scalars(part.op)),
        stashes=max(k.stashes for k in kernels),
        cotangents=part.cotangents,
        optional=tuple(str(bits[k]) if k < len(bits) else "-1" for k in range(2)),
        input_class=tuple(CLASS_MACRO[i.cls] for i in part.ins),
        input_layout=tuple(LAYOUTS[i.layout] for i in part.ins),
        output_layout=tuple(LAYOUTS[o.layout] for o in part.outs),
        check_error=check[1] if check else "OPS_OK",
        check=json.dumps(check[0]) if check else "NULL",
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

    def text(self, d: Derived, ops: RawOps) -> list[str]:
        """The function and its backwards."""
        from . import rows_text

        return rows_text.function_text(d)


FAMILY = RowsFamily()
