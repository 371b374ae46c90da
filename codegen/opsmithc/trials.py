"""In: an op with its gradients. Out: the trials of tests/ops it undergoes, and why not the others.

Must not know: how a trial is run. The tests are parametrised by ``applies`` and the support matrix
is filled by it: a cell says *tested* exactly where a test runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .derive.op import Derived, differentiable_outputs
from .opdef import Body, Compose, OpDef, Out, Reduce, Scan
from .registry import UNSUPPORTED_REASONS

INTEGER = "integer or boolean output"
NO_DERIVATIVE = "no derivative by definition"
DATA, RANDOM = "data-dependent size", "random"
NO_VARIANT = "no such variant"  # the entry does not ask for it, as PyTorch has none
HIDDEN = "hidden"  # no public name: exists to close derivatives or to carry a case
REFUSED = "dtype not taken"  # the entry's `unsupported`, or its formulas have no such reading
REASONS = (*UNSUPPORTED_REASONS, NO_VARIANT, HIDDEN, REFUSED)  # closed: a cell says one of these


def written(op: OpDef) -> bool:
    """Is the op an entry of the registry, not one that the compiler adds to close a derivative?"""
    return op.text.removeprefix("- op: ").partition("(")[0].strip() == op.name


def differentiable(d: Derived) -> tuple[str, ...]:
    """Parameters whose gradient is tested; a composition has one wherever a float tensor enters."""
    op = d.op
    if d.gradients:
        return d.differentiable
    if not isinstance(op.meaning, Body | Compose) or no_gradient(d):
        return ()
    return tuple(
        p.name
        for p in op.schema.params
        if p.type.base == "Tensor" and p.name not in op.dtype.classes
    )


def no_gradient(d: Derived) -> str:
    """Why the op has no gradient; '' where it has one, or where an entry must say."""
    op = d.op
    if "backward" in op.unsupported:
        return op.unsupported["backward"]
    if op.random:
        return RANDOM
    if op.dtype.kind == "always_bool" or not differentiable_outputs(op):
        return INTEGER
    tensors = [p.name for p in op.schema.params if p.type.base == "Tensor"]
    if not tensors or all(t in op.dtype.classes for t in tensors):
        return INTEGER if tensors else NO_DERIVATIVE
    if not d.gradients and isinstance(op.meaning, Out | Reduce | Scan):
        return NO_DERIVATIVE  # derived: it is zero wherever it exists
    return ""


def _always(d: Derived) -> str:
    return ""


def _double(d: Derived) -> str:
    return d.op.unsupported.get("double backward") or no_gradient(d)


def _inplace(d: Derived) -> str:
    return "" if "inplace" in d.op.variants else d.op.unsupported.get("inplace", NO_VARIANT)


def _out(d: Derived) -> str:
    return "" if "out" in d.op.variants else d.op.unsupported.get("out", NO_VARIANT)


def _meta(d: Derived) -> str:
    return d.op.unsupported.get("meta") or (DATA if d.op.size == "data" else "")


def _stub(d: Derived) -> str:
    return HIDDEN if d.op.hidden else ""


def _doc(d: Derived) -> str:
    return HIDDEN if d.op.hidden else ""


# column of the matrix -> (why not, the parametrised test that fills it)
TRIALS: Mapping[str, tuple[Callable[[Derived], str], str]] = {
    "forward": (_always, "test_value.py::test_value"),
    "backward": (no_gradient, "test_gradient.py::test_first_order"),
    "double backward": (_double, "test_gradient.py::test_second_order"),
    "meta": (_meta, "test_meta.py::test_meta"),
    "inplace": (_inplace, "test_inplace_out.py::test_inplace"),
    "out": (_out, "test_inplace_out.py::test_out"),
    "stub": (_stub, "test_stubs.py::test_every_op"),
    "doc": (_doc, "test_doc.py::test_page"),
    "test": (_always, "test_fuzz.py::test_fuzz"),
}


def reason(column: str, d: Derived) -> str:
    """Why ``column`` does not apply to the op; '' where it is tested."""
    return TRIALS[column][0](d)


def applies(column: str, d: Derived) -> bool:
    """Does the trial run for this op? The empty column is every entry of the registry."""
    return written(d.op) and bool(d.op.samples) and (not column or not reason(column, d))
