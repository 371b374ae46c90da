"""In: a formula tree and arrays for its names. Out: its value by NumPy, the tests' reference.

Must not know: ops, or what the arrays' dtypes promote to; the caller casts.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..derive.op import Derived, cotangent, differentiable_outputs
from ..formula import Node, substitute
from ..intrinsics import Intrinsic
from .walk import CallOp, Env, Reading


def vectorize(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn`` of Python floats over arrays; a pole gives inf."""

    def guarded(*args: Any) -> float:
        try:
            return float(fn(*args))
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan if any(a != a for a in args) else math.inf

    def apply(*arrays: Any) -> Any:
        first = np.asarray(arrays[0])
        kind = first.dtype if first.dtype.kind == "f" else np.dtype(float)
        return np.asarray(np.frompyfunc(guarded, len(arrays), 1)(*arrays)).astype(kind)

    return apply


def _precise(name: str) -> Callable[..., float]:
    def fn(*x: float) -> float:
        from . import mp  # rows without a NumPy function are rare: pay for mpmath only then

        return float(mp.READING.function(name, 0)(*map(mp.mpf, x)))

    return fn


_NAMES = {
    "np": np, "math": math, "vectorize": vectorize, "precise": _precise,
}  # fmt: skip


def compile_row(row: Intrinsic) -> Callable[..., Any] | None:
    """The intrinsic's ``np`` expression as a function; None where it has none."""
    if not row.np or row.random:
        return None
    fn: Callable[..., Any] = eval(f"lambda {', '.join(row.args)}: {row.np}", dict(_NAMES))
    return fn


def _extreme(fn: Callable[..., Any], identity: float) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any, keepdims: bool) -> Any:
        if np.size(x):
            return fn(x, axis=axis, keepdims=keepdims)
        return fn(np.asarray(x, float), axis=axis, keepdims=keepdims, initial=identity)

    return reduce


def _row(fn: Callable[..., Any]) -> Callable[[Any, Any, bool], Any]:
    def reduce(x: Any, dims: Any, keepdim: bool) -> Any:
        if isinstance(dims, list | tuple):
            dims = tuple(int(d) for d in dims) or None
        elif dims is not None:
            dims = int(dims)
        return fn(x, axis=dims, keepdims=keepdim)

    return reduce


READING = Reading(
    name="np",
    number=lambda value: value,
    binary={
        "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide,
        "&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor,
        "<<": np.left_shift, ">>": np.right_shift, "@": np.matmul,
    },
    unary={"-": operator.neg, "not": np.logical_not, "~": np.invert},
    compare={
        "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal,
        ">": np.greater, ">=": np.greater_equal,
    },
    logic={"and": np.logical_and, "or": np.logical_or},
    select=np.where,
    rows={
        "sum": _row(np.sum), "mean": _row(np.mean), "prod": _row(np.prod),
        "amax": _row(_extreme(np.max, -math.inf)), "amin": _row(_extreme(np.min, math.inf)), "any": _row(np.any), "all": _row(np.all),  # noqa: E501
        "size": lambda x, dims, keepdim: np.shape(x)[int(dims)],
        "numel": lambda x, dims, keepdim: np.size(x),
    },
    compile=compile_row,
)  # fmt: skip


def evaluate_np(node: Node, env: Env, call: CallOp | None = None) -> Any:
    """The value of a formula on arrays; warnings about NaN and infinity are off."""
    with np.errstate(all="ignore"):
        return READING.evaluate(node, env, call)


def program_error(
    d: Derived, param: str, args: Mapping[str, Any], call: CallOp, step: float
) -> float:
    """How far a gradient is from central differences of the op itself, run by ``call``."""
    names = d.op.schema.outputs
    rng = np.random.default_rng(0)

    def run(values: Mapping[str, Any]) -> dict[str, Any]:
        got = call(d.op.name, (), dict(values))
        return dict(zip(names, got if len(names) > 1 else (got,), strict=True))

    outputs = run(args)
    weights = {o: rng.normal(size=np.shape(outputs[o])) for o in differentiable_outputs(d.op)}
    env = {**args, **outputs, **{cotangent(d.op, o): w for o, w in weights.items()}}
    let = {k: f.node for k, f in d.op.let.items()}
    got = np.asarray(evaluate_np(substitute(d.gradients[param].formula, let), env, call))
    x = np.asarray(args[param], dtype=np.float64)
    want = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        sides = []
        for h in (step, -step):
            moved = x.copy()
            moved[at] += h
            sides.append(
                sum((w * run({**args, param: moved})[o]).sum() for o, w in weights.items())
            )
        want[at] = (sides[0] - sides[1]) / (2 * step)
    scale = max(1.0, float(np.abs(want).max(initial=0.0)))
    return float(np.abs(np.broadcast_to(got, want.shape) - want).max(initial=0.0)) / scale
