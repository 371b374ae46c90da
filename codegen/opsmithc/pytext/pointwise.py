"""In: a pointwise op with its gradients. Out: its function, in-place function and operators.

Must not know: kernels.
"""

from __future__ import annotations

from ..derive.op import Derived
from ..dtypes import TABLE
from ..formula import names
from ..lower.pointwise import number_params
from ..opdef import OpDef
from ..operators import COMPARISONS, DUNDERS
from .backward import backward_texts
from .modes import modes
from .opening import renaming, renaming_late
from .record import Record, node_text, record_of
from .refusal import refusal
from .result import result_lines
from .signature import (
    arguments,
    default,
    doc,
    itself,
    plain_signature,
    safe,
    signature,
)  # fmt: skip


def pointwise_text(derived: Derived) -> list[str]:
    """Function, in-place function and operator of a pointwise op."""
    op = derived.op
    n = op.name
    full = record_of(derived)
    short = record_of(derived, defaults=True)
    folded = full.saved != short.saved or any(
        a.formula != b.formula for a, b in zip(full.grads, short.grads, strict=True)
    )
    rare = len(op.schema.tensors) > 1
    lines: list[str] = []
    if derived.gradients:
        lines += backward_texts(derived, full, "_full" if folded else "")
        if folded:
            lines += backward_texts(derived, short, "")
        if rare:
            for suffix in ("", "_full") if folded else ("",):
                lines.append(f"b_{n}{suffix}_rare = undo_broadcast(b_{n}{suffix}, r_{n}{suffix})")
            lines.append("")
    tensors = [p.name for p in op.schema.tensors]
    numbers = list(number_params(op))
    kw = [p for p in op.schema.params if p.name in numbers]
    out = "out" in op.variants
    rec = full if derived.gradients else None
    passed = arguments(op) + (", out=out" if out else "")
    lines += [f"def {n}({signature(op)}):", *doc(op), *renaming(op, itself(op), passed)]
    lines += modes(op, itself(op), passed)
    # The kernel sees what became a float, and computes small floats in float32.
    if op.dtype.kind == "int_to_float" or op.unsupported.keys() & {d.name for d in TABLE}:
        lines += refusal(op)
    lines += ["    try:"]
    fast = [f"{safe(p.name)} == {default(op, p.name)}" for p in kw if p.default is not None]
    plain = all(p.default is not None for p in kw)
    cond = " and ".join((["out is None"] if out else []) + fast)
    body: list[str] = []
    pad = "        "
    if plain:
        if len(tensors) == 2:
            a, b = tensors
            body += [
                f"{pad}t = {b}.__class__",
                f"{pad}if t is float:",
                f"{pad}    h = c_{n}_d({a}._h, {b})",
                f"{pad}elif t is int:",
                f"{pad}    h = c_{n}_i({a}._h, {b})",
                f"{pad}else:",
                f"{pad}    h = c_{n}({a}._h, {b}._h)",
            ]
        else:
            body += [f"{pad}h = c_{n}({', '.join(f'{t}._h' for t in tensors)})"]
    general = _general_call(
        op,
        "out._h if out is not None else 0.0" if out else "0.0",
        "0",
        "-seq() if out is not None else 0.0" if out else "0.0",
    )
    if plain and cond:
        lines += [f"        if {cond}:", *("    " + b for b in body)]
        lines += ["        else:"]
        if out:
            lines += [
                f"            if out is not None: refuse_recorded_out(out, {', '.join(tensors)}, name={n!r})"  # noqa: E501
            ]
        lines += [f"            h = {general}"]
    elif plain:
        lines += body
    else:
        if out:
            lines += [
                f"        if out is not None: refuse_recorded_out(out, {', '.join(tensors)}, name={n!r})"  # noqa: E501
            ]
        lines += [f"        h = {general}"]
    lines += ["    except (AttributeError, TypeError, OverflowError):"]
    lines += [
        *renaming_late(op, itself(op), passed),
        f"        return retry({itself(op)}, {passed})",
    ]
    before = _wrap_numbers(rec, tensors, full)
    if out:
        lines += [
            "    if out is not None and h > 0.0:",
            "        return written(out)",
        ]
    if folded and cond:
        lines += [f"    if {' and '.join(fast)}:"]
        lines += result_lines(
            op, derived, short if derived.gradients else None, "", 8, rare, before
        )
        lines += ["    else:"]
        lines += result_lines(op, derived, rec, "_full", 8, rare, before)
    else:
        lines += result_lines(op, derived, rec, "_full" if folded else "", 4, rare, before)
    lines += [f"    return failed({itself(op)}, {passed})", ""]
    if "inplace" in op.variants:
        lines += _inplace(derived, full, "_full" if folded else "", rare)
    if "foreach" in op.variants:
        lines += _foreach(op)
    lines += _operator(derived, short, tensors, rare, plain)
    return lines


def _wrap_numbers(record: Record | None, tensors: list[str], full: Record) -> tuple[str, ...]:
    """Numbers become 0-d tensors when recorded, so that every operand has a node and a handle."""
    if record is None or len(tensors) != 2:
        return ()
    b = tensors[1]
    return (f"if {b}.__class__ is float or {b}.__class__ is int: {b} = number({b})",)


def _general_call(op: OpDef, dst: str, inplace: str, stamp: str, first: str = "") -> str:
    parts = []
    for k, p in enumerate(op.schema.tensors):
        name = first if first and k == 0 else safe(p.name)
        parts.append(f"*operand({name})")
    parts += [f"*scalar({safe(p)})" for p in number_params(op)]
    return f"c_{op.name}_s({', '.join([*parts, dst, inplace, stamp])})"


def _inplace(derived: Derived, record: Record, suffix: str, rare: bool) -> list[str]:
    """``op_``: writes into its first argument."""
    op = derived.op
    n, first = op.name, op.schema.tensors[0].name
    lines = [
        f"def {n}_({signature(op, out=False)}):",
        f'    """In-place :func:`{n}`; returns its first argument."""',
        *renaming(op, f"{n}_", arguments(op)),
    ]
    lines += ["    try:"]
    lines += [f"        if {first}._node is not None and grad_enabled(): check_inplace({first})"]
    others = [p.name for p in op.schema.tensors[1:]]
    overwritten = record.edges and first in record.saved
    if overwritten:
        lines += [f"        original = {first}"]
        readers = [g.param for g in record.grads if first in names(g.formula)]
        wanted = " or ".join(f"has_node({safe(r)})" for r in readers)
        lines += [f"        if ({wanted}) and grad_enabled(): original = copy_of({first})"]
    handles = [f"{safe(p.name)}._h" for p in op.schema.tensors]
    numbers = [
        f"*((1, {safe(p)}, 0) if {safe(p)}.__class__ is float else scalar({safe(p)}))"
        for p in number_params(op)
    ]
    lines += ["        stamp = seq()"]
    tensors = " and ".join(f"{o}.__class__ is Tensor" for o in others)
    fast = f"c_{n}_t({', '.join([*handles, *numbers, '-stamp'])})"
    general = _general_call(op, f"{first}._h", "1", "-stamp")
    if tensors:
        lines += [f"        if {tensors}:", f"            h = {fast}"]
        lines += ["        else:", f"            h = {general}"]
    else:
        lines += [f"        h = {fast}"]
    lines += ["    except (AttributeError, TypeError, OverflowError):"]
    args = ", ".join(a for a in arguments(op).split(", "))
    lines += [*renaming_late(op, f"{n}_", args), f"        return retry({n}_, {args})"]
    lines += ["    if h > 0.0:", f"        return {first}"]
    if record.edges:
        lines += ["    if h < 0.0:"]
        for o in others:
            lines += [f"        if {o}.__class__ is not Tensor: {o} = as_operand({o})"]
        saves = [o for o in record.saved if o in op.schema.outputs]
        lines += [f"        saved_{o} = alias_of({first}._h)" for o in saves]
        node = node_text(record, suffix + ("_rare" if rare else ""), "", "stamp")
        if rare:
            likes = ", ".join(f"like({e})" for e in record.edges)
            node = node_text(record, suffix + "_rare", f"({likes},)", "stamp")
        if overwritten:
            k = len(record.edges) + 2
            items = node[1:-1].split(", ")
            items = [
                "original" + i[len(first) :]
                if j >= k and (i == first or i.startswith(first + " if"))
                else i
                for j, i in enumerate(items)
            ]
            node = f"[{', '.join(items)}]"
        lines += [f"        return rebase({first}, {node})"]
    lines += [f"    return failed({n}_, {args})", ""]
    return lines


def _foreach(op: OpDef) -> list[str]:
    """``_foreach_op_``: one C call for a list; what it leaves is done one by one."""
    n = op.name
    first, *others = [safe(p.name) for p in op.schema.tensors]
    numbers = [safe(p) for p in number_params(op)]
    call = [f"[t._h for t in {first}]", f"len({first})"]
    call += [f"*several({o}, {first})" for o in others]
    call += [f"*scalar({p})" for p in numbers]
    rest = [f"{n}_", "done", first, *others, *(f"{p}={p}" for p in numbers)]
    return [
        f"def _foreach_{n}_({plain_signature(op, out=False)}):",
        f'    """In-place :func:`{n}` of a list; other operands are lists, or one for all."""',
        "    done = 0",
        "    try:",
        "        if not grad_enabled():",
        f"            done = c_{n}_foreach({', '.join(call)}, -seq())",
        f"            if done == len({first}): return",
        "    except (AttributeError, TypeError, OverflowError):",
        "        pass  # said by the operation itself",
        f"    one_by_one({', '.join(rest)})",
        "",
    ]


def _operator(
    derived: Derived, record: Record, tensors: list[str], rare: bool, plain: bool
) -> list[str]:
    """``__add__`` and its reflection, without keyword arguments."""
    op = derived.op
    words = [v.partition(":")[2] for v in op.variants if v.startswith("operator:")]
    if not words or len(tensors) != 2 or not plain:
        return []
    a, b = tensors
    lines: list[str] = []
    for word in words:
        fn = DUNDERS.get(word)
        if fn is None:
            continue
        lines += [f"def o_{fn}({a}, {b}):", f"    t = {b}.__class__", "    try:"]
        lines += [
            "        if t is float:",
            f"            h = c_{op.name}_d({a}._h, {b})",
            "        elif t is int:",
            f"            h = c_{op.name}_i({a}._h, {b})",
            "        else:",
            f"            h = c_{op.name}({a}._h, {b}._h)",
            "    except (AttributeError, TypeError, OverflowError):",
            f"        return retry_operator({op.name}, {a}, {b})",
        ]
        rec = record if derived.gradients else None
        lines += result_lines(op, derived, rec, "", 4, rare, _wrap_numbers(rec, tensors, record))
        lines += [f"    return failed({op.name}, {a}, {b})", ""]
        if fn not in COMPARISONS:
            lines += [
                f"def o_r{fn}({b}, {a}):",
                f"    return retry_operator({op.name}, {a}, {b})",
                "",
            ]
    return lines
