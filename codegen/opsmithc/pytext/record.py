"""In: an op with its gradients. Out: what a node of it keeps, and the text that makes one.

Must not know: kernels. A node is ``[-seq, backward, *edges, *saved]``; saved values are addressed
from the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..derive.algebra import simplify
from ..derive.op import Derived, Gradient, differentiable_outputs
from ..formula import Attr, Name, Node, names, substitute, transform
from ..lower.pointwise import number_params
from ..opdef import OpDef, Reduce, Reference
from .signature import safe

SHAPE_OF, DTYPE_OF = "shape_of_", "dtype_of_"  # facts about a tensor, kept without holding it


FACTS = (SHAPE_OF, DTYPE_OF)


SHAPE = "shape"  # a reduce's node keeps its input's shape under this name


@dataclass(frozen=True, slots=True)
class Record:
    """What a node of the op keeps, and how its backward reads it."""

    derived: Derived
    edges: tuple[str, ...]  # differentiable parameters, in schema order
    saved: tuple[str, ...]  # tensors, outputs and numbers, in order; position k is n[k - len]
    grads: tuple[Gradient, ...]

    def at(self, name: str) -> str:
        """Where a saved value stands in the node."""
        return f"n[{self.saved.index(name) - len(self.saved)}]"

    def edge(self, param: str) -> str:
        """Where a parameter's edge stands in the node."""
        return f"n[{2 + self.edges.index(param)}]"


def record_of(derived: Derived, defaults: bool = False) -> Record:
    """The record; with ``defaults`` number parameters are folded to their default values."""
    op = derived.op
    fold: dict[str, Node] = {}
    if defaults:
        from ..formula import parse

        fold = {
            p.name: parse(p.default)
            for p in op.schema.params
            if p.kwonly and p.default is not None and p.name in number_params(op)
        }

    def folded(g: Gradient) -> Gradient:
        formula = simplify(substitute(g.formula, fold)) if fold else g.formula
        formula = transform(formula, _shape_name)
        known = {p.name for p in op.schema.params} | set(op.schema.outputs)
        reads = tuple(n for n in names(formula) if n in known or n.startswith(FACTS))
        return Gradient(g.param, formula, g.declared, g.elementwise, reads)

    grads = tuple(folded(g) for g in derived.gradients.values())
    edges = tuple(p.name for p in op.schema.params if p.name in derived.gradients)
    reads: dict[str, None] = {}
    for g in grads:
        reads |= dict.fromkeys(g.reads)
    if isinstance(op.meaning, Reduce):
        reads |= dict.fromkeys(p.name for p in op.schema.params if p.name in ("dim", "keepdim"))
    if grads:
        reads |= dict.fromkeys(shaped_outputs(op))
    order = [p.name for p in op.schema.params] + list(op.schema.outputs)
    saved = tuple(n for n in order if n in reads)
    saved += tuple(n for n in reads if n.startswith(FACTS))
    if isinstance(op.meaning, Reduce):
        saved += (SHAPE,)
    return Record(derived, edges, saved, grads)


def shaped_outputs(op: OpDef) -> tuple[str, ...]:
    """Outputs whose missing cotangents are zeros of a shape that only they know."""
    carriers = differentiable_outputs(op)
    return carriers if isinstance(op.meaning, Reference) and len(carriers) > 1 else ()


def _shape_name(node: Node) -> Node:
    """``input.shape`` and ``input.dtype`` alone are kept as such: no need to hold the tensor."""
    if isinstance(node, Attr) and node.name in ("shape", "dtype") and isinstance(node.base, Name):
        return Name(f"{node.name}_of_{node.base.id}")
    return node


def is_list(op: OpDef, name: str) -> bool:
    """Is the parameter a list of tensors?"""
    return any(
        p.name == name and p.type.is_list and p.type.base == "Tensor" for p in op.schema.params
    )


def has_list(record: Record) -> bool:
    """Does a list of tensors carry a gradient?"""
    return any(is_list(record.derived.op, e) for e in record.edges)


def node_text(record: Record, suffix: str, extra: str = "", stamp: str = "seq()") -> str:
    """The node literal, saving only what the wanted gradients read."""
    op = record.derived.op
    tensors = {p.name for p in op.schema.tensors}
    edges = []
    for e in record.edges:
        if is_list(op, e):
            edges.append(f"*[t._node for t in {safe(e)}]")
        elif op.schema.param(e).type.optional:
            edges.append(f"None if {safe(e)} is None else {safe(e)}._node")
        else:
            edges.append(f"{safe(e)}._node")
    saved = []
    for name in record.saved:
        if name == SHAPE:
            saved.append(f"{safe(op.schema.params[0].name)}.shape")
            continue
        if name.startswith(FACTS):
            fact, _, param = name.partition("_of_")
            text = f"{safe(param)}.{fact}"
            if is_list(op, param):
                text = f"tuple([t.{fact} for t in {safe(param)}])"
            elif param not in op.schema.outputs and op.schema.param(param).type.optional:
                text = f"None if {safe(param)} is None else {text}"
            saved.append(text)
            continue
        readers = [g.param for g in record.grads if name in names(g.formula)]
        text = f"saved_{name}" if name in op.schema.outputs else safe(name)
        optional = name in tensors and op.schema.param(name).type.optional
        if name in tensors and len(readers) < len(record.edges):
            wanted = " or ".join(_carries(op, r) for r in readers) or "False"
            wanted = f"{text} is not None and ({wanted})" if optional else wanted
            text = f"{text} if {wanted} else NONE"
        elif optional:
            text = f"NONE if {text} is None else {text}"
        saved.append(text)
    parts = [stamp, f"b_{op.name}{suffix}", *edges, *saved] + ([extra] if extra else [])
    return f"[{', '.join(parts)}]"


def _carries(op: OpDef, name: str) -> str:
    """The Python condition that the operand needs a gradient."""
    text = f"{safe(name)}._node is not None"
    return f"({safe(name)} is not None and {text})" if op.schema.param(name).type.optional else text


def like(op: OpDef, name: str) -> str:
    """What the gradient of the operand must look like."""
    x = safe(name)
    return (
        f"None if {x} is None else like({x})"
        if op.schema.param(name).type.optional
        else f"like({x})"
    )
