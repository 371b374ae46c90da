"""In: a pointwise OpDef with its gradients. Out: Kernel IR, then the context of the C template.

Must not know: YAML, cffi or Python's side. One kernel per compute dtype; the first backward of an
op is one more kernel, with an output per wanted gradient.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..backends.ctext import Printer, has_reading
from ..derive.op import (
    Derived,
    Gradient,
    cotangent,
    differentiable_outputs,
    is_boolean,
    meaning_formula,
)
from ..dtypes import BY_CODE, COMPUTE, DType
from ..formula import Call, Compare, Node, Num, calls, names, unparse, walk
from ..intrinsics import table
from ..ir import BOOL, COMMON, LONG, STATUS, Arg, Check, PointwiseKernel, check, key
from ..opdef import OpDef, Out
from ..pytext.raw import RawOps
from .family import Family
from .special import specials

if TYPE_CHECKING:
    from ..centry import Entry

NUMBERS = ("Scalar", "float", "int", "bool")
RULES = {
    "same": "OPS_RULE_COMMON", "default": "OPS_RULE_COMMON", "no_opmath": "OPS_RULE_COMMON",
    "int_to_float": "OPS_RULE_INT_TO_FLOAT", "int_to_long": "OPS_RULE_INT_TO_LONG",
    "bool_to_long": "OPS_RULE_BOOL_TO_LONG", "always_long": "OPS_RULE_LONG",
    "always_bool": "OPS_RULE_BOOL", "complex_to_float": "OPS_RULE_COMMON",
}  # fmt: skip
CLASS_MACRO = {COMMON: "OPS_OPERAND_COMMON", BOOL: "OPS_OPERAND_BOOL", LONG: "OPS_OPERAND_LONG"}
FOLLOW = "OPS_OPERAND_FOLLOW"
CHEAP = frozenset(
    {"where", "abs", "maximum", "minimum", "sign", "isnan", "isinf", "isfinite", "sqrt"}
)
RESERVED = frozenset(
    "n k p s start int float double long short char auto break case const continue default do else "
    "enum extern for goto if inline register restrict return signed sizeof static struct switch "
    "typedef union unsigned void volatile while seed offset ok constant".split()
)


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of a kernel over the block, which runs where `guard` holds ("": always)."""

    guard: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Special:
    """Loops for blocks where an operand is one number: how such a block is told."""

    guard: str
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True)
class CheckText:
    """A look at the block before the loops: lines that clear `ok`, and what is reported then."""

    lines: tuple[str, ...]
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class KernelText:
    """A kernel as C."""

    title: str
    symbol: str
    declarations: tuple[str, ...]
    checks: tuple[CheckText, ...]
    special: tuple[Special, ...]  # instead of the rest, where an operand is one number
    joint: Loop | None  # all outputs at once, what they share computed once
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The static ops_pointwise_op of an op."""

    symbol: str
    name: str
    key: str
    kernels: tuple[str, ...]  # one per compute dtype, "NULL" where there is none
    inputs: int
    outputs: int
    scalars: int
    cotangents: int
    rule: str
    checked: int
    ordered: int
    input_class: tuple[str, ...]
    output_class: tuple[str, ...]
    cost: str


@dataclass(frozen=True, slots=True)
class PointwiseFile:
    """Context of templates/c/pointwise.c.j2: every kernel of one op."""

    op: str
    kernels: tuple[KernelText, ...]
    descriptors: tuple[Descriptor, ...]


def number_params(op: OpDef) -> tuple[str, ...]:
    """Names of the number parameters a kernel may read, in schema order."""
    return tuple(p.name for p in op.schema.params if p.type.base in NUMBERS and not p.type.is_list)


def input_class(op: OpDef, name: str) -> str:
    """Class of a tensor operand inside the kernel."""
    return {"bool": BOOL, "integral": LONG}.get(op.dtype.classes.get(name, ""), COMMON)


def supports(op: OpDef, formula: Node, dtype: DType) -> bool:
    """Does the formula make sense for this compute dtype?"""
    if dtype.kind in op.unsupported or dtype.code in op.unsupported:
        return False
    if op.dtype.kind == "int_to_float" and dtype.kind != "float":
        return False
    return all(has_reading(node, dtype) for node in walk(formula))


def forward_kernels(op: OpDef) -> list[PointwiseKernel]:
    """One kernel per compute dtype that the op supports."""
    assert isinstance(op.meaning, Out)
    found = []
    for dtype in COMPUTE:
        values = [meaning_formula(op, o, dtype.kind) for o in op.schema.outputs]
        if any(v is None or not supports(op, v, dtype) for v in values):
            continue
        formulas = tuple(v for v in values if v is not None)
        outputs = tuple(
            Arg(o, BOOL if op.dtype.kind == "always_bool" or is_boolean(v) else COMMON)
            for o, v in zip(op.schema.outputs, formulas, strict=True)
        )
        title = "; ".join(
            f"{o.name} = {unparse(v)}" for o, v in zip(outputs, formulas, strict=True)
        )
        found.append(_kernel(op, f"opsk_{op.name}", dtype, title, outputs, formulas, ()))
    return found


def backward_params(derived: Derived) -> tuple[Gradient, ...]:
    """Gradients that the op's own backward kernel computes."""
    return tuple(
        g for g in derived.gradients.values() if g.elementwise and unparse(g.formula) != "g"
    )


def backward_kernels(derived: Derived) -> list[PointwiseKernel]:
    """The first backward: an output per gradient, for the float compute dtypes."""
    grads = backward_params(derived)
    if not grads:
        return []
    op = derived.op
    title = "; ".join(f"d_{g.param} = {unparse(g.formula)}" for g in grads)
    outputs = tuple(Arg(f"d_{g.param}") for g in grads)
    return [
        _kernel(
            op, f"opsk_{op.name}_backward", dtype, title, outputs, tuple(g.formula for g in grads),
            tuple(cotangent(op, o) for o in differentiable_outputs(op)),
        )
        for dtype in COMPUTE
        if dtype.kind == "float"
    ]  # fmt: skip


def _kernel(
    op: OpDef, stem: str, dtype: DType, title: str, outputs: tuple[Arg, ...],
    values: tuple[Node, ...], cotangents: tuple[str, ...],
) -> PointwiseKernel:  # fmt: skip
    checks = () if cotangents else _checks(op, dtype, values)
    read = {n for v in (*values, *(c.condition for c in checks)) for n in names(v)}
    tensors = [p.name for p in op.schema.tensors]
    inputs = [Arg(c) for c in cotangents]
    inputs += [Arg(t, input_class(op, t)) for t in tensors if not cotangents or t in read]
    if cotangents:
        inputs += [Arg(o) for o in op.schema.outputs if o in read]
    numbers = [*number_params(op), *(("n",) if "n" in read else ())]
    kernel = PointwiseKernel(
        op=op.name,
        symbol=f"{stem}__{dtype.code}",
        compute=dtype.code,
        title=title,
        outputs=outputs,
        inputs=tuple(inputs),
        scalars=tuple(Arg(n) for n in numbers),
        values=values,
        random=any(c in table() and table()[c].random for v in values for c in calls(v)),
        checks=checks,
    )
    check(kernel)
    return kernel


def _checks(op: OpDef, dtype: DType, values: tuple[Node, ...]) -> tuple[Check, ...]:
    """What the forward looks at before it computes: the entry's checks, divisors of integers."""
    found = []
    for condition, error in op.check:
        kind, _, message = error.partition(":")
        text = message.strip() or f"{op.name}(): expected {condition.text}"
        found.append(Check(condition.node, kind, text))
    if dtype.kind == "int":
        for node in (n for v in values for n in walk(v)):
            row = table().get(node.fn) if isinstance(node, Call) else None
            if isinstance(node, Call) and row and row.divisor:
                divisor = node.args[row.args.index(row.divisor)]
                nonzero = Compare("!=", divisor, Num(0))
                found.append(Check(nonzero, "RuntimeError", "ZeroDivisionError"))
    return tuple(dict.fromkeys(found))


def render_context(derived: Derived) -> PointwiseFile:
    """Every kernel and descriptor of a pointwise op."""
    op = derived.op
    forward, backward = forward_kernels(op), backward_kernels(derived)
    follow = frozenset(p.name for p in op.schema.tensors) - frozenset(op.dtype.args)
    descriptors = [_descriptor(op.name, f"opsk_{op.name}", RULES[op.dtype.kind], forward, follow)]
    if backward:
        descriptors.append(_backward_descriptor(op, backward))
    texts = [kernel_text(k, guarded=False) for k in forward]
    texts += [kernel_text(k, guarded=True) for k in backward]
    return PointwiseFile(op.name, tuple(texts), tuple(descriptors))


def _backward_descriptor(op: OpDef, kernels: Sequence[PointwiseKernel]) -> Descriptor:
    return _descriptor(
        f"{op.name}_backward", f"opsk_{op.name}_backward", "OPS_RULE_COMMON", kernels,
        cotangents=len(differentiable_outputs(op)),
    )  # fmt: skip


def _descriptor(
    name: str, symbol: str, rule: str, kernels: Sequence[PointwiseKernel],
    follow: frozenset[str] = frozenset(), cotangents: int = 0,
) -> Descriptor:  # fmt: skip
    """``follow`` names the operands that do not take part in promotion."""
    first = kernels[0]

    def of_input(a: Arg) -> str:
        return FOLLOW if a.cls == COMMON and a.name in follow else CLASS_MACRO[a.cls]

    by_compute = {k.compute: k.symbol for k in kernels}
    return Descriptor(
        symbol=symbol,
        name=name,
        key=key(name, kernels),
        kernels=tuple(by_compute.get(d.code, "NULL") for d in COMPUTE),
        inputs=len(first.inputs),
        outputs=len(first.outputs),
        scalars=len(first.scalars),
        cotangents=cotangents,
        rule=rule,
        checked=int(any(k.checks for k in kernels)),
        ordered=int(first.random),
        input_class=tuple(map(of_input, first.inputs)) or ("0",),
        output_class=tuple(
            CLASS_MACRO[COMMON if rule == "OPS_RULE_BOOL" else a.cls] for a in first.outputs
        ),
        cost=f"{_cost(first.values):.2f}f",
    )


def _cost(values: Iterable[Node]) -> float:
    """Estimated nanoseconds an element, to decide when threads pay."""
    heavy = sum(1 for v in values for n in walk(v) if isinstance(n, Call) and n.fn not in CHEAP)
    return 0.25 + 0.6 * heavy


def kernel_text(kernel: PointwiseKernel, guarded: bool) -> KernelText:
    """The kernel in C."""
    dtype = BY_CODE[kernel.compute]
    env: dict[str, tuple[str, str]] = {}
    for arg in (*kernel.inputs, *kernel.scalars):
        env[arg.name] = (local(arg.name), arg.cls)
    declarations = []
    conditions = tuple(c.condition for c in kernel.checks)
    read = {n for v in (*kernel.values, *conditions) for n in names(v)}
    for k, arg in enumerate(kernel.outputs):
        ctype = element_type(arg.cls, dtype)
        declarations.append(f"{ctype} *p_{arg.name} = ({ctype} *)p[{k}];")
    for k, arg in enumerate(kernel.inputs, start=len(kernel.outputs)):
        if arg.name in read:
            ctype = element_type(arg.cls, dtype)
            declarations.append(f"const {ctype} *p_{arg.name} = (const {ctype} *)p[{k}];")
    used_scalars = 0
    for k, arg in enumerate(kernel.scalars):
        if arg.name in read:
            field = "f" if dtype.kind == "float" else "i"
            declarations.append(
                f"const {dtype.ctype} {local(arg.name)} = ({dtype.ctype})s[{k}].{field};"
            )
            used_scalars += 1
    if kernel.random:
        at = len(kernel.scalars)
        declarations.append(f"const uint64_t seed = (uint64_t)s[{at}].i;")
        declarations.append(f"const uint64_t offset = (uint64_t)s[{at + 1}].i;")
        used_scalars += 1
    else:
        declarations.append("(void)start;")
    if not used_scalars:
        declarations.append("(void)s;")
    found = specials(kernel, CHEAP) if dtype.kind == "float" else []
    if not found:
        declarations.append("(void)constant;")
    printer = Printer(kernel.compute, env)

    def loads(value: Node) -> list[str]:
        free = set(names(value))
        return [
            f"const {element_type(arg.cls, dtype)} {local(arg.name)} = p_{arg.name}[k];"
            for arg in kernel.inputs
            if arg.name in free
        ]

    checks = [
        CheckText(
            (*loads(c.condition), f"ok &= {printer.condition(c.condition)};"),
            STATUS[c.error], json.dumps(c.message),
        )
        for c in kernel.checks
    ]  # fmt: skip

    def loops_of(values: Sequence[Node]) -> list[Loop]:
        return [
            Loop(
                f"p_{out.name} != NULL" if guarded else "",
                (*loads(value), f"p_{out.name}[k] = {_unwrapped(printer.value(value, out.cls))};"),
            )
            for out, value in zip(kernel.outputs, values, strict=True)
        ]

    special = [
        Special(
            f"{constant(kernel, each.name)} && "
            f"p_{each.name}[0] == {printer.value(Num(each.value), COMMON)}",
            tuple(loops_of(each.values)),
        )
        for each in found
    ]
    loops, joint = loops_of(kernel.values), None
    if _share(kernel.values):
        every = dict.fromkeys(line for loop in loops for line in loop.lines[:-1])
        stores = [loop.lines[-1] for loop in loops]
        at_once = Loop(" && ".join(loop.guard for loop in loops if guarded), (*every, *stores))
        if guarded:
            joint = at_once
        else:
            loops = [at_once]
    return KernelText(
        f"{kernel.op}: {kernel.title}", kernel.symbol, tuple(declarations), tuple(checks),
        tuple(special), joint, tuple(loops),
    )  # fmt: skip


def constant(kernel: PointwiseKernel, name: str) -> str:
    """Is the operand one number throughout the call? As C."""
    place = [a.name for a in (*kernel.outputs, *kernel.inputs)].index(name)
    return f"(constant >> {place} & 1)"


def _share(values: Sequence[Node]) -> bool:
    """Do two of the formulas call a function of the same arguments that is not cheap?"""
    seen: set[Node] = set()
    for value in values:
        own = {n for n in walk(value) if isinstance(n, Call) and n.fn not in CHEAP}
        if own & seen:
            return True
        seen |= own
    return False


def element_type(cls: str, dtype: DType) -> str:
    """C type of an element of a class."""
    return {COMMON: dtype.ctype, BOOL: "uint8_t", LONG: "int64_t"}[cls]


def local(name: str) -> str:
    """A C local for a formula's name."""
    return f"{name}_" if name in RESERVED else name


def _unwrapped(text: str) -> str:
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return text[1:-1] if c == ")" and i == len(text) - 1 and text[0] == "(" else text
    return text


class Pointwise(Family):
    """A loop per compute dtype over contiguous blocks, and one for the first backward."""

    def takes(self, op: OpDef) -> bool:
        """A formula an output."""
        return isinstance(op.meaning, Out)

    def context(self, d: Derived) -> Any:
        """PointwiseFile."""
        return render_context(d)

    def entries(self, d: Derived) -> tuple[list[str], list[Entry]]:
        """Entries for tensors, for numbers and for the backward."""
        from .. import centry

        return centry.pointwise(d)

    def text(self, d: Derived, ops: RawOps) -> list[str]:
        """The function, its in-place form and its backwards."""
        from ..pytext.pointwise import pointwise_text

        return pointwise_text(d)


FAMILY = Pointwise()
