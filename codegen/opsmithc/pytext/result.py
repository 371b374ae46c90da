"""In: what a node keeps. Out: the lines from a handle to the tensors that a function returns.

Must not know: where the handle came from.
"""

from __future__ import annotations

from ..derive.op import Derived, differentiable_outputs
from ..opdef import OpDef
from .record import Record, like, node_text
from .signature import tuple_name


def new_tensor(h: str, node: str, view: str) -> str:
    """The one place that says how a generated function makes a tensor."""
    return f"make_view({h}, {node}, {view})" if view else f"make({h}, {node})"


def result_lines(
    op: OpDef,
    derived: Derived,
    record: Record | None,
    suffix: str,
    indent: int,
    rare: bool,
    before: tuple[str, ...] = (),
    view: str = "",
) -> list[str]:
    """From a handle ``h`` to the returned tensor(s), recording when asked to."""
    p = " " * indent
    lines = [f"{p}if h > 0.0:"]
    lines += _return(op, p + "    ", new_tensor("h", "None", view), "None")
    if record is None or not record.edges:
        return lines
    lines += [f"{p}if h < 0.0:"]
    lines += [f"{p}    {b}" for b in before]
    saves = [o for o in record.saved if o in op.schema.outputs]
    many = len(differentiable_outputs(op)) > 1

    def recorded(pad: str, node: str) -> list[str]:
        out = _save_outputs(op, saves, pad)
        if many or len(op.schema.outputs) > 1:
            first = "(node, 0)" if many else "node"
            return [
                *out,
                f"{pad}node = {node}",
                *_return(op, pad, new_tensor("h", first, view), "node"),
            ]
        return [*out, *_return(op, pad, new_tensor("h", node, view), "node")]

    if rare:
        likes = ", ".join(like(op, e) for e in record.edges)
        lines += [f"{p}    if h < LIMIT:", f"{p}        h += RARE"]
        lines += recorded(p + "        ", node_text(record, suffix + "_rare", f"({likes},)"))
    return lines + recorded(p + "    ", node_text(record, suffix))


def _save_outputs(op: OpDef, saves: list[str], p: str) -> list[str]:
    lines = []
    for o in saves:
        k = op.schema.outputs.index(o)
        handle = "h" if k == 0 else f"next_output({k})"
        lines.append(f"{p}saved_{o} = alias_of({handle})")
    return lines


def _return(op: OpDef, p: str, made: str, node: str) -> list[str]:
    outputs = op.schema.outputs
    if len(outputs) == 1:
        return [f"{p}return {made}"]
    carriers = differentiable_outputs(op)
    rest = []
    for k, o in enumerate(outputs[1:], start=1):
        if o in carriers and node == "node" and len(carriers) > 1:
            rest.append(f"further({k}, (node, {carriers.index(o)}))")
        else:
            rest.append(f"further({k}, None)")
    return [f"{p}return {tuple_name(op)}({made}, {', '.join(rest)})"]
