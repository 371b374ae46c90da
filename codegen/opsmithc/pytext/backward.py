"""In: what a node keeps. Out: its backward, twice from one tree.

Must not know: kernels. ``b_op`` runs on raw handles and may consume its cotangent, ``r_op`` makes
recorded calls.
"""

from __future__ import annotations

from ..derive.algebra import simplify
from ..derive.op import Derived, Gradient, cotangent, differentiable_outputs
from ..formula import Num, names, substitute, unparse
from ..lower.pointwise import number_params
from ..opdef import Out, Reduce
from .raw import NoRaw, Program, RawOps, gradient_lines
from .record import FACTS, SHAPE, Record, has_list, is_list, shaped_outputs
from .signature import default, safe
from .tree import python


def backward_texts(
    derived: Derived, record: Record, suffix: str, ops: RawOps | None = None
) -> list[str]:
    """``b_op`` on raw handles and ``r_op`` as recorded calls."""
    recorded = _recorded(record, suffix)
    name = f"{derived.op.name}{suffix}"
    kernel = [g for g in record.grads if g.elementwise and unparse(g.formula) != "g"]
    if isinstance(derived.op.meaning, Out) and all(g.elementwise for g in record.grads):
        raw = _raw_pointwise(record, kernel, suffix)
    else:
        raw = _raw_reduce(record, suffix) or _raw_program(record, suffix, ops or RawOps())
        raw = raw or [f"b_{name} = raw(r_{name})"]
    edges = len(record.edges)
    if has_list(record):  # as many as the list has items: all but what is saved, see the engine
        edges = -1 - len(record.saved)
    outputs = len(differentiable_outputs(derived.op))
    more = f", {outputs}" if outputs > 1 else ""
    attached = f'attach(b_{name}, r_{name}, "{derived.op.name}", {edges}{more})'
    return [*recorded, *raw, attached, ""]


def _raw_reduce(record: Record, suffix: str) -> list[str]:
    """A reduce whose gradient is a multiple of g: one expanded view, scaled before it is expanded."""  # noqa: E501
    op = record.derived.op
    if not isinstance(op.meaning, Reduce) or len(record.grads) != 1:
        return []
    formula = record.grads[0].formula
    if len(differentiable_outputs(op)) != 1 or set(names(formula)) - {"g", "n"}:
        return []
    factor = python(simplify(substitute(formula, {"g": Num(1)})))
    dim = record.at("dim") if "dim" in record.saved else "None"
    keepdim = record.at("keepdim") if "keepdim" in record.saved else "False"
    lines = [f"def b_{op.name}{suffix}(n, g):"]
    divide = int(factor.endswith(" / count"))  # C counts faster
    factor = factor.removesuffix(" / count")
    if "count" in factor:
        lines.append(f"    count = reduced_count(n[-1], {dim})")
    call = f"unreduce_handle(g, DIMS[{dim}], {keepdim}, {factor}, {divide}, *ints(n[-1]))"
    return [*lines, f"    return ({call} or backward_failed(n, g),)", ""]


def _raw_program(record: Record, suffix: str, ops: RawOps) -> list[str]:
    """A program of ops with C entries, on handles; [] where some part has none."""
    op = record.derived.op
    if has_list(record) or len(differentiable_outputs(op)) != 1 or isinstance(op.meaning, Reduce):
        return []
    tensors = frozenset(n for n in record.saved if n in {p.name for p in op.schema.tensors})
    if any(n in op.schema.outputs for n in record.saved):
        return []
    lines = [f"def b_{op.name}{suffix}(n, g):"]
    checked = ", ".join(record.at(t) for t in record.saved if t in tensors)
    if checked:
        lines.append(f"    if last_write() > -n[0]: check_saved(n, {checked})")
    results, called = [], []
    single = len(record.grads) == 1
    for k, g in enumerate(record.grads):
        program = Program(record.at, frozenset(record.saved), tensors, ops.ops, python)
        try:
            h = gradient_lines(program, g)
        except NoRaw:
            return []
        called += program.called
        body = [*program.lines, f"d{k} = {h}"]
        if single:
            lines += [f"    {line}" for line in body]
        else:
            lines += [f"    d{k} = None", f"    if {record.edge(g.param)} is not None:"]
            lines += [f"        {line}" for line in body]
        results.append(f"d{k}")
    ops.called.update(called)
    lines.append("    drop(g)")
    return [*lines, f"    return ({', '.join(results)},)", ""]


def _recorded(record: Record, suffix: str) -> list[str]:
    op = record.derived.op
    lines = [f"def r_{op.name}{suffix}(n, g):"]
    outputs = differentiable_outputs(op)
    if len(outputs) > 1:
        shaped = "".join(f", {record.at(o)}" for o in shaped_outputs(op))
        given = ", ".join(cotangent(op, o) for o in outputs)
        lines.append(f"    {given} = cotangents(g{shaped})")
    elif cotangent(op, outputs[0]) != "g":
        lines.append(f"    {cotangent(op, outputs[0])} = g")
    for name in record.saved:
        if name == SHAPE:
            lines.append(f"    {SHAPE} = n[-1]")
        elif name.startswith(FACTS):
            lines.append(f"    {safe(name)} = {record.at(name)}")
        elif name in op.schema.outputs:
            at = record.at(name)[2:-1]
            if name not in outputs:  # positions: nothing to differentiate
                lines.append(f"    {safe(name)} = saved_input(n, {at}, None)")
            else:
                which = f", {outputs.index(name)}" if len(outputs) > 1 else ""
                lines.append(f"    {safe(name)} = saved_output(n, {at}{which})")
        elif op.schema.param(name).type.is_tensor:
            edge = record.edge(name) if name in record.edges and not has_list(record) else "None"
            lines.append(f"    {safe(name)} = saved_input(n, {record.at(name)[2:-1]}, {edge})")
        else:
            lines.append(f"    {safe(name)} = {record.at(name)}")
    if isinstance(op.meaning, Reduce):
        lines += _unreduce(record)
    single = len(record.grads) == 1
    values = []
    for g in record.grads:
        text = python(g.formula)
        if is_list(op, g.param):
            lines.append(f"    return tuple({text})")
            return [*lines, ""]
        if single:
            lines.append(f"    return ({text},)")
            return [*lines, ""]
        values.append(f"None if {record.edge(g.param)} is None else {text}")
    lines.append("    return (")
    lines += [f"        {v}," for v in values]
    lines.append("    )")
    return [*lines, ""]


def _unreduce(record: Record) -> list[str]:
    """A reduce's gradient is written over its unreduced space: expand g and outputs first."""
    op = record.derived.op
    params = [p.name for p in op.schema.params]
    dim = "dim" if "dim" in params else "None"
    keepdim = "keepdim" if "keepdim" in params else "False"
    read = {n for g in record.grads for n in names(g.formula)}
    lines = [
        f"    {name} = unreduce({name}, {SHAPE}, {dim}, {keepdim})"
        for name in (
            *(cotangent(op, o) for o in differentiable_outputs(op)),
            *(o for o in op.schema.outputs if o in read),
        )
    ]
    if "n" in read:
        lines.insert(0, f"    count = reduced_count({SHAPE}, {dim})")
    if "i" in read:
        lines.append(f"    i = reduced_positions({SHAPE}, {dim})")
    return lines


def _raw_pointwise(record: Record, kernel: list[Gradient], suffix: str) -> list[str]:
    op = record.derived.op
    name = f"{op.name}{suffix}"
    identity = [g for g in record.grads if g not in kernel]
    lines = [f"def b_{name}(n, g):"]
    if not kernel:
        if len(record.grads) == 1:
            return [*lines, "    return (g,)", ""]
        wanted = [record.edge(g.param) for g in record.grads]
        lines.append(f"    return share(g, {', '.join(f'{w} is not None' for w in wanted)})")
        return [*lines, ""]
    all_kernel = _kernel_params(record.derived)
    args = ["g"]
    outputs = differentiable_outputs(op)
    if len(outputs) > 1:
        found = [cotangent(op, o) for o in outputs]
        lines.append(f"    {', '.join(found)} = g")
        args = [f"NONE_H if {each} is None else {each}" for each in found]
    args += [
        f"{record.at(t)}._h" if t in record.saved else "NONE_H"
        for t in _kernel_reads(record.derived)
    ]
    numbers = [
        f"*scalar({record.at(p)})" if p in record.saved else f"*scalar({default(op, p)})"
        for p in number_params(op)
    ]
    if len(record.grads) == 1:
        mask = "1"
    else:
        bits = []
        for k, param in enumerate(all_kernel):
            if param in [g.param for g in kernel]:
                bits.append(
                    f"({record.edge(param)} is not None) << {k}"
                    if k
                    else f"({record.edge(param)} is not None)"
                )
        mask = " | ".join(bits)
    consume = "1" if not identity else "0"
    call = f"c_{op.name}_backward({', '.join([*args, *numbers, 'MASK', consume, 'n[0]'])})"
    if len(record.grads) == 1:
        lines.append(f"    h = {call.replace('MASK', mask)}")
        lines.append("    return (h,) if h else backward_failed(n, g)")
        return [*lines, ""]
    lines.append(f"    mask = {mask}")
    if identity:
        lines.append("    if mask:")
        lines.append(f"        h = {call.replace('MASK', 'mask')}")
        lines.append("        if not h:")
        lines.append("            return backward_failed(n, g)")
    else:
        lines.append(f"    h = {call.replace('MASK', 'mask')}")
        lines.append("    if not h:")
        lines.append("        return backward_failed(n, g)")
    results = []
    if identity:
        holders = " + ".join(f"({record.edge(g.param)} is not None)" for g in identity)
        lines.append(f"    hold(g, {holders})")
    for g in record.grads:
        if g in kernel:
            k = all_kernel.index(g.param)
            results.append(f"next_output({k}) if mask & {1 << k} else None")
        else:
            results.append(f"g if {record.edge(g.param)} is not None else None")
    lines.append("    return (")
    lines += [f"        {r}," for r in results]
    lines.append("    )")
    return [*lines, ""]


def _kernel_params(derived: Derived) -> list[str]:
    """Parameters whose gradients the backward kernel computes, in its output order."""
    return [
        g.param for g in derived.gradients.values() if g.elementwise and unparse(g.formula) != "g"
    ]


def _kernel_reads(derived: Derived) -> list[str]:
    """Tensors and outputs the backward kernel reads besides g, in its input order."""
    read = {
        n for g in derived.gradients.values()
        if g.elementwise and unparse(g.formula) != "g" for n in names(g.formula)
    }  # fmt: skip
    op = derived.op
    return [p.name for p in op.schema.tensors if p.name in read] + [
        o for o in op.schema.outputs if o in read
    ]
