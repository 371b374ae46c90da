"""In: an OpDef. Out: its gradients, each with where it came from and what it reads.

Must not know: targets. Declared gradients win over derived ones; the gate compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import FormulaError, RegistryError
from ..formula import Name, Node, calls, names, substitute
from ..intrinsics import table
from ..opdef import Accumulate, Body, OpDef, Out, Reduce, Reference, Scan
from .algebra import ZERO, add, is_num, mul, simplify, where
from .folds import ADVICE, fold_gradients
from .gradient import gradient
from .rows import Rows
from .rows_gradient import gradients


@dataclass(frozen=True, slots=True)
class Gradient:
    """The cotangent of one parameter.

    ``elementwise`` means: a formula of intrinsics over ``g``, outputs and inputs, all broadcast
    against the op's own iteration space (for a reduce or scan: the unreduced one). Otherwise the
    formula is a program of registry ops on whole tensors.
    """

    param: str
    formula: Node
    declared: bool
    elementwise: bool
    reads: tuple[str, ...]  # parameters and outputs, besides g


@dataclass(frozen=True, slots=True)
class Derived:
    """An op with its gradients; ``differentiable`` are the parameters that have one."""

    op: OpDef
    gradients: Mapping[str, Gradient]

    @property
    def differentiable(self) -> tuple[str, ...]:
        """Parameters with a gradient, in schema order."""
        return tuple(self.gradients)


def cotangent(op: OpDef, output: str) -> str:
    """The name of the cotangent of ``output``: ``g``, or ``g_<output>`` when there are several."""
    return "g" if len(op.schema.outputs) == 1 else f"g_{output}"


def meaning_formula(op: OpDef, output: str, kind: str = "float") -> Node | None:
    """The element-wise meaning of an output for a dtype class, or None if the class has none."""
    assert isinstance(op.meaning, Out)
    by_class = op.meaning.outputs[output]
    formula = by_class.get(kind, by_class.get(""))
    if formula is None:
        return None
    found = formula.node
    parts = {k: f.node for k, f in op.let.items()}
    while parts.keys() & set(names(found)):  # a part may read others; the registry has no circles
        found = substitute(found, parts)
    return found


def float_tensors(op: OpDef) -> tuple[str, ...]:
    """Single tensors that can carry a gradient: not conditions, not indices."""
    return tuple(p.name for p in op.schema.tensors if p.name not in op.dtype.classes)


def differentiable_outputs(op: OpDef) -> tuple[str, ...]:
    """Outputs that carry a gradient (indices, booleans and what has a dtype of its own do not)."""
    if op.dtype.kind == "always_bool":
        return ()
    if isinstance(op.meaning, Out):
        return tuple(o for o in op.schema.outputs if not is_boolean(meaning_formula(op, o)))
    integers = {*INDEX_OUTPUTS, *op.dtype.outputs}
    return tuple(o for o in op.schema.outputs if o not in integers)


INDEX_OUTPUTS = frozenset({"indices"})  # the schema name PyTorch gives positions


def is_boolean(node: Node | None) -> bool:
    """Does the formula yield a truth value?"""
    from ..formula import Call, Compare, Logic, Unary

    if isinstance(node, Call):
        row = table().get(node.fn)
        return row is not None and row.is_bool
    return isinstance(node, Compare | Logic) or (isinstance(node, Unary) and node.op == "not")


def derive(op: OpDef) -> Derived:
    """Derive or take every gradient of ``op``."""
    found: dict[str, Gradient] = {}
    if "backward" in op.unsupported or not differentiable_outputs(op):
        return Derived(op, found)
    derived = _derived(op)
    for name in tuple(p.name for p in op.schema.params if p.type.base == "Tensor"):
        if name in op.grad:
            let = {k: f.node for k, f in op.let.items()}
            found[name] = _make(op, name, substitute(op.grad[name].node, let), declared=True)
        elif name in op.transpose:
            found[name] = _make(op, name, op.transpose[name].node, declared=True)
        elif name in derived and not is_num(derived[name], 0):
            found[name] = _make(op, name, derived[name], declared=False)
    return Derived(op, found)


def _make(op: OpDef, param: str, formula: Node, declared: bool) -> Gradient:
    known = {p.name for p in op.schema.params} | set(op.schema.outputs)
    elementwise = isinstance(op.meaning, Out | Reduce | Scan | Body) and all(
        fn == "where" or fn in table() for fn in calls(formula)
    )
    return Gradient(
        param, formula, declared, elementwise, tuple(n for n in names(formula) if n in known)
    )


def _derived(op: OpDef) -> dict[str, Node]:
    """Gradients that follow from the meaning; without those that need a declaration."""
    try:
        match op.meaning:
            case Out():
                return _pointwise(op)
            case Reduce(acc=acc) | Scan(acc=acc):
                return _folded(op, acc)
            case Reference(function=name, place=place):
                if float_tensors(op) and not (op.grad or op.transpose):
                    raise RegistryError(
                        place, f"cannot derive the gradient of '{float_tensors(op)[0]}': "
                        f"'{name}' is no formula; {ADVICE}",
                    )  # fmt: skip
                return {}
            case Rows():
                return gradients(op, [t for t in float_tensors(op) if t not in op.grad])
            case _:
                return {}
    except FormulaError as e:
        missing = [t for t in float_tensors(op) if t not in op.grad]
        if not missing:
            return {}
        raise RegistryError(
            op.place, f"cannot derive the gradient of '{missing[0]}': {e.message}"
        ) from None


def _pointwise(op: OpDef) -> dict[str, Node]:
    wrt = [t for t in float_tensors(op) if t not in op.grad]
    total: dict[str, Node] = dict.fromkeys(wrt, ZERO)
    for output in differentiable_outputs(op):
        formula = meaning_formula(op, output)
        if formula is None:
            continue
        part = gradient(formula, wrt, Name(cotangent(op, output)), Name(output))
        total = {k: add(total[k], part[k]) for k in wrt}
    for kink in op.kinks:
        for param, value in kink.values.items():
            if param in total:
                chosen = mul(Name("g"), value.node)
                total[param] = where(kink.condition.node, chosen, total[param])
    return {k: simplify(v) for k, v in total.items()}


def _folded(op: OpDef, acc: Accumulate) -> dict[str, Node]:
    """Gradients of a reduce or scan, where some are not declared."""
    wrt = [t for t in float_tensors(op) if t not in op.grad and t not in op.transpose]
    cotangents = {o: Name(cotangent(op, o)) for o in differentiable_outputs(op)}
    return fold_gradients(op, acc, cotangents, wrt) if wrt else {}
