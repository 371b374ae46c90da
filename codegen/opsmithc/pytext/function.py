"""In: ops of the other families. Out: their functions.

Must not know: kernels. Compositions call other ops, which record themselves.
"""

from __future__ import annotations

from ..abi import encode
from ..derive.op import Derived
from ..formula import Call, Name, Seq, names
from ..opdef import Body, Compose, Index, OpDef, Reduce, Reference, Scan, View
from .backward import backward_texts
from .modes import modes, writing
from .opening import opening, renaming_first, renaming_late
from .raw import RawOps
from .record import record_of
from .refusal import refusal
from .result import result_lines
from .signature import (
    arguments,
    doc,
    itself,
    literal,
    parameter,
    safe,
    signature,
    tuple_name,
)  # fmt: skip
from .tree import python, static


def function_text(
    derived: Derived, is_dims: tuple[str, ...] = (), ops: RawOps | None = None, plain: bool = False
) -> list[str]:
    """The function of an op whose C entry takes all parameters (reduce, scan, view, index).

    ``plain``: what stands for the entry is Python; only tensors cross as C values.
    """
    op = derived.op
    n = op.name
    record = record_of(derived)
    lines: list[str] = []
    if derived.gradients:
        lines += backward_texts(derived, record, "", ops)
    args = [
        safe(p.name) if plain and not p.type.is_tensor
        else encode(p, p.name in is_dims).py.replace("{x}", safe(p.name))
        for p in op.schema.params
    ]  # fmt: skip
    passed = arguments(op)
    lines += [f"def {n}({signature(op)}):", *doc(op), *opening(op)]
    lines += modes(op, itself(op), passed)
    start = len(lines)
    for p in op.schema.params:
        if p.default in {q.name for q in op.schema.params}:
            lines += [f"    if {safe(p.name)} is None: {safe(p.name)} = {safe(p.default)}"]
    if isinstance(op.meaning, Reduce | Scan | Index | Reference):
        lines += refusal(op)
    call = ", ".join(args)
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
    late = renaming_late(op, itself(op), passed)
    lines += [*late, f"        return retry({itself(op)}, {passed})"]
    rec = record if derived.gradients else None
    view = ""
    if isinstance(op.meaning, View):
        others = "".join(f", {safe(p.name)}" for p in op.schema.params[1:])
        view = f"({safe(op.schema.params[0].name)}, {n}{others})"
    lines += result_lines(op, derived, rec, "", 4, False, (), view)
    lines += [f"    return failed({itself(op)}, {passed})", ""]
    if "varargs" in op.variants:
        lines += _varargs(op, [line for line in lines[start:] if line not in late])
    if "inplace" in op.variants:
        saves = record is not None and safe(op.schema.params[0].name) in record.saved
        lines += restriding(op) if isinstance(op.meaning, View) else assigning(op, saves)
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
        *(line for text in body for line in _spread(text, encode(sizes).py, name)),
    ]


def _spread(text: str, encoded: str, name: str) -> list[str]:
    """A call of C whose list was given as two to four numbers takes them as they are."""
    listed = encoded.replace("{x}", name)
    if listed not in text or encoded != "*ints({x})":
        return [text]
    pad = text[: len(text) - len(text.lstrip())]
    lines = [f"{pad}count = len(sizes)"]
    for count, word in ((2, "if"), (3, "elif"), (4, "elif")):
        values = "abcd"[:count]
        numbers = ", ".join([str(count), *values, *"0" * (4 - count)])
        lines += [
            f"{pad}{word} count == {count}:",
            f"{pad}    {', '.join(values)} = sizes",
            f"    {text.replace(listed, numbers)}",
        ]
    return [*lines, f"{pad}else:", f"    {text}"]


def assigning(op: OpDef, saves: bool = True) -> list[str]:
    """The in-place form of an op without one of its own: the result is copied.

    ``saves``: may a node keep the first argument? Then it is given a copy of what is overwritten.
    """
    first = safe(op.schema.params[0].name)
    call = f"{op.name}({arguments(op)})"
    return [
        f"def {op.name}_({signature(op, out=False)}):",
        f'    """In-place :func:`{op.name}`; returns its first argument."""',
        *renaming_first(op, f"{op.name}_", arguments(op)),
        *(_kept(op, call) if saves else [f"    return assign({first}, {call})"]), "",
    ]  # fmt: skip


def _kept(op: OpDef, call: str, pad: str = "    ") -> list[str]:
    """The lines that assign ``call`` to the first argument, whose values nodes may keep."""
    first = safe(op.schema.params[0].name)
    return [
        f"{pad}target = {first}",
        f"{pad}if has_node({first}) and grad_enabled(): {first} = copy_of({first})",
        f"{pad}return assign(target, {call})",
    ]


def restriding(op: OpDef) -> list[str]:
    """The in-place form of a view: the tensor object becomes its own view."""
    first, *rest = [safe(p.name) for p in op.schema.params]
    return [
        f"def {op.name}_({signature(op, out=False)}):",
        f'    """In-place :func:`{op.name}`; returns its first argument."""',
        *renaming_first(op, f"{op.name}_", arguments(op)),
        f"    need_tensor({f'{op.name}_'!r}, {first}={first})",
        f"    return restride({', '.join([first, itself(op), *rest])})", "",
    ]  # fmt: skip


def body_text(op: OpDef) -> list[str]:
    """A composition: calls of other ops, which record themselves."""
    assert isinstance(op.meaning, Body)
    n = op.name
    passed = arguments(op)
    lines = [f"def {n}({signature(op)}):", *doc(op), *opening(op, whole=True)]
    lines += modes(op, itself(op), passed)
    for p in op.schema.params:
        if p.default in {q.name for q in op.schema.params}:
            lines += [f"    if {safe(p.name)} is None: {safe(p.name)} = {safe(p.default)}"]
    if op.schema.tensors:
        first = safe(op.schema.tensors[0].name)
        lines += [
            f"    if {first}.__class__ is not Tensor and overrides({first}): "
            f"return dispatch({itself(op)}, {arguments(op)})"
        ]
    total = op.meaning.cases[-1][0] is None  # else the checks say what no case takes
    lines += ["    try:", *(f"    {line}" for line in prologue(op, checks=total))]
    for when, block, _ in op.meaning.cases:
        pad = "        "
        if when is not None:
            lines.append(f"        if {static(when.node)}:")
            pad = "            "
        for name, value in block.lets:
            lines.append(f"{pad}{safe(name)} = {python(value)}")
        result = python(block.result)
        if isinstance(block.result, Seq) and len(op.schema.outputs) > 1:
            result = f"{tuple_name(op)}({result[1:-1]})"
        lines.append(f"{pad}return {result}")
    lines += explained(op, passed)
    lines += no_case(op, n)
    lines.append("")
    if "inplace" in op.variants:
        lines += _inplace_body(op)
    return lines


def explained(op: OpDef, passed: str) -> list[str]:
    """The end of a composition: what its failure says of the arguments."""
    call = f"explain({itself(op)}, {passed})"
    return ["    except (AttributeError, TypeError):", f"        return {call}"]


def no_case(op: OpDef, name: str) -> list[str]:
    """What a composition whose cases leave something out says of the rest."""
    assert isinstance(op.meaning, Body)
    conditions = [when for when, _, _ in op.meaning.cases]
    if conditions[-1] is None:
        return []
    known = {p.name for p in op.schema.params}
    read = dict.fromkeys(n for c in conditions if c is not None for n in names(c.node))
    found = "".join(f", {safe(n)}={safe(n)}" for n in read if n in known)
    expected = " or ".join(c.text for c in conditions if c is not None)
    return [*_checks(op), f"    no_case({name!r}, {expected!r}{found})"]


def _inplace_body(op: OpDef) -> list[str]:
    """``op_`` of a composition: the in-place form of the op it ends in, where that fits."""
    assert isinstance(op.meaning, Body)
    lines = [
        f"def {op.name}_({signature(op, out=False)}):",
        f'    """In-place :func:`{op.name}`; returns its first argument."""',
        *renaming_first(op, f"{op.name}_", arguments(op)),
        *writing(op, f"{op.name}_", arguments(op)),
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
            lines += _kept(op, f"{op.name}({arguments(op)})", pad)
    return [*lines, *no_case(op, f"{op.name}_"), ""]


def _checks(op: OpDef) -> list[str]:
    """The entry's conditions on arguments; ``{name}`` in a message is the argument's value."""
    lines = []
    for condition, error in op.check:
        kind, _, message = error.partition(":")
        text = repr(message.strip() or f"{op.name}(): expected {condition.text}")
        prefix = "f" if "{" in text else ""
        lines.append(f"    if not ({static(condition.node)}): raise {kind}({prefix}{text})")
    return lines


def prologue(op: OpDef, checks: bool) -> list[str]:
    """Checks of the arguments; a ``dtype`` argument converts the first tensor."""
    lines = refusal(op)
    lines += _checks(op) if checks else []
    if op.schema.tensors and any(p.type.base == "dtype" for p in op.schema.params):
        first = safe(op.schema.tensors[0].name)
        lines.append(f"    if dtype is not None: {first} = {first}.to(dtype)")
    return lines


def compose_text(op: OpDef) -> list[str]:
    """A Python function of frontend/opsmith/compose, imported on first call."""
    assert isinstance(op.meaning, Compose)
    module, _, function = op.meaning.function.rpartition(".")
    n = op.name
    passed = arguments(op)
    body = modes(op, itself(op), passed)
    body += ["    try:", *(f"    {line}" for line in refusal(op))]
    body += [f"        return compose({module!r}).{function}({passed})"]
    body += [*explained(op, passed), ""]
    lines = [f"def {n}({signature(op)}):", *doc(op), *opening(op, whole=True), *body]
    if "varargs" in op.variants and "method" in op.variants:
        lines += _varargs(op, body)
    if "inplace" in op.variants:
        lines += assigning(op)
    return lines
