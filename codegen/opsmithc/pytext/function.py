"""In: ops of the other families. Out: their functions.

Must not know: kernels. Compositions call other ops, which record themselves.
"""

from __future__ import annotations

from ..abi import encode
from ..derive.op import Derived
from ..formula import Call, Name, Seq
from ..opdef import Body, Compose, Index, OpDef, Reduce, Reference, Scan, View
from .backward import backward_texts
from .raw import RawOps
from .record import record_of
from .refusal import refusal
from .result import result_lines
from .signature import arguments, doc, literal, parameter, safe, signature, tuple_name
from .tree import python, static


def function_text(
    derived: Derived, is_dims: tuple[str, ...] = (), ops: RawOps | None = None
) -> list[str]:
    """The function of an op whose C entry takes all parameters (reduce, scan, view, index)."""
    op = derived.op
    n = op.name
    record = record_of(derived)
    lines: list[str] = []
    if derived.gradients:
        lines += backward_texts(derived, record, "", ops)
    args = [encode(p, p.name in is_dims).py.replace("{x}", safe(p.name)) for p in op.schema.params]
    lines += [f"def {n}({signature(op)}):", *doc(op)]
    start = len(lines)
    for p in op.schema.params:
        if p.default in {q.name for q in op.schema.params}:
            lines += [f"    if {safe(p.name)} is None: {safe(p.name)} = {safe(p.default)}"]
    if isinstance(op.meaning, Reduce | Scan | Index | Reference):
        lines += refusal(op)
    call = ", ".join(args)
    out = "out" in op.variants
    passed = arguments(op) + (", out=out" if out else "")
    lines += ["    try:"]
    if has_default_entry(op):
        first, *rest = op.schema.params
        test = " and ".join(f"{safe(p.name)} is {literal(p)}" for p in rest)
        lines += [
            f"        if {test}:",
            f"            h = c_{n}_0({safe(first.name)}._h)",
            "        else:",
            f"            h = c_{n}({call})",
        ]
    else:
        lines += [f"        h = c_{n}({call})"]
    lines += ["    except (AttributeError, TypeError, OverflowError, KeyError):"]
    lines += [f"        return retry({n}, {passed})"]
    if out:
        lines += [f"    if out is not None and h: return write_out(out, h, {n!r})"]
    rec = record if derived.gradients else None
    view = ""
    if isinstance(op.meaning, View):
        others = "".join(f", {safe(p.name)}" for p in op.schema.params[1:])
        view = f"({safe(op.schema.params[0].name)}, {n}{others})"
    lines += result_lines(op, derived, rec, "", 4, False, (), view)
    lines += [f"    return failed({n}, {passed})", ""]
    if "varargs" in op.variants:
        lines += _varargs(op, lines[start:])
    if "inplace" in op.variants:
        lines += assigning(op)
    return lines


def has_default_entry(op: OpDef) -> bool:
    """Does the op have an entry with everything but its first tensor at the default?"""
    rest = op.schema.params[1:]
    return (
        isinstance(op.meaning, Reduce)
        and bool(rest)
        and not any(p.type.base in ("Scalar", "float") for p in rest)
        and all(p.default in ("None", "False", "True", "false", "true") for p in rest)
    )


def _varargs(op: OpDef, body: list[str]) -> list[str]:
    """The method form ``x.view(2, 3)`` of a function whose second parameter is a list of ints."""
    first, sizes, *rest = op.schema.params
    keywords = "".join(f", {parameter(op, p)}" for p in rest)
    name = safe(sizes.name)
    return [
        f"def m_{op.name}({safe(first.name)}, *sizes, {name}=None{keywords}):",
        f'    """Method form of :func:`{op.name}`."""',
        "    if sizes:",
        f"        {name} = sizes",
        "        if sizes[0].__class__ is not int and len(sizes) == 1:",
        f"            {name} = sizes[0]",
        f"    elif {name} is None:",
        f"        {name} = ()",
        *body,
    ]


def assigning(op: OpDef) -> list[str]:
    """The in-place form of an op without one of its own: the result is copied."""
    first = safe(op.schema.params[0].name)
    parameters = signature(op).replace(", *, out=None", "").replace(", out=None", "")
    return [
        f"def {op.name}_({parameters}):",
        f'    """In-place :func:`{op.name}`; returns its first argument."""',
        f"    return assign({first}, {op.name}({arguments(op)}))", "",
    ]  # fmt: skip


def body_text(op: OpDef) -> list[str]:
    """A composition: calls of other ops, which record themselves."""
    assert isinstance(op.meaning, Body)
    n = op.name
    lines = [f"def {n}({signature(op)}):", *doc(op)]
    for p in op.schema.params:
        if p.default in {q.name for q in op.schema.params}:
            lines += [f"    if {safe(p.name)} is None: {safe(p.name)} = {safe(p.default)}"]
    if op.schema.tensors:
        first = safe(op.schema.tensors[0].name)
        lines += [
            f"    if {first}.__class__ is not Tensor and overrides({first}): "
            f"return dispatch({n}, {arguments(op)})"
        ]
    if "out" in op.variants:
        operands = ", ".join(safe(p.name) for p in op.schema.tensors if not p.type.is_list)
        lines.append(f"    if out is not None: refuse_recorded_out(out, {operands}, name={n!r})")
    lines += prologue(op)
    for when, block, _ in op.meaning.cases:
        pad = "    "
        if when is not None:
            lines.append(f"    if {static(when.node)}:")
            pad = "        "
        for name, value in block.lets:
            lines.append(f"{pad}{safe(name)} = {python(value)}")
        result = python(block.result)
        if isinstance(block.result, Seq) and len(op.schema.outputs) > 1:
            result = f"{tuple_name(op)}({result[1:-1]})"
        if "out" in op.variants:
            result = f"write_out(out, {result}, {n!r}) if out is not None else {result}"
        lines.append(f"{pad}return {result}")
    if op.meaning.cases[-1][0] is not None:
        lines.append(f"    return no_case({n}, {arguments(op)})")
    lines.append("")
    if "inplace" in op.variants:
        lines += _inplace_body(op)
    return lines


def _inplace_body(op: OpDef) -> list[str]:
    """``op_`` of a composition: the in-place form of the op it ends in, where that fits."""
    assert isinstance(op.meaning, Body)
    first = safe(op.schema.params[0].name)
    sig = signature(op).replace(", *, out=None", "").replace(", out=None", "")
    lines = [
        f"def {op.name}_({sig}):",
        f'    """In-place :func:`{op.name}`; returns its first argument."""',
    ]
    for when, block, _ in op.meaning.cases:
        pad = "    "
        if when is not None:
            lines.append(f"    if {static(when.node)}:")
            pad = "        "
        last = block.result
        direct = isinstance(last, Call) and last.args[:1] == (Name(op.schema.params[0].name),)
        if direct and not block.lets:
            assert isinstance(last, Call)
            call = python(last).removeprefix(f"_f.{last.fn}(")
            lines.append(f"{pad}return in_place(_f, {last.fn!r})({call}")
        else:
            lines.append(f"{pad}return assign({first}, {op.name}({arguments(op)}))")
    if op.meaning.cases[-1][0] is not None:
        lines.append(f"    return no_case({op.name}_, {arguments(op)})")
    return [*lines, ""]


def prologue(op: OpDef) -> list[str]:
    """Checks of the arguments; a ``dtype`` argument converts the first tensor."""
    lines = refusal(op)
    lines += [
        f"    if not ({static(condition.node)}): "
        f"raise {error}({f'{op.name}(): expected {condition.text}'!r})"
        for condition, error in op.check
    ]
    if op.schema.tensors and any(p.type.base == "dtype" for p in op.schema.params):
        first = safe(op.schema.tensors[0].name)
        lines.append(f"    if dtype is not None: {first} = {first}.to(dtype)")
    return lines


def compose_text(op: OpDef) -> list[str]:
    """A Python function of frontend/opsmith/compose, imported on first call."""
    assert isinstance(op.meaning, Compose)
    module, _, function = op.meaning.function.rpartition(".")
    n = op.name
    out = ", out=out" if "out" in op.variants else ""
    body = [*refusal(op), f"    return compose({module!r}).{function}({arguments(op)}{out})", ""]
    lines = [f"def {n}({signature(op)}):", *doc(op), *body]
    if "varargs" in op.variants and "method" in op.variants:
        lines += _varargs(op, body)
    if "inplace" in op.variants:
        lines += assigning(op)
    return lines
