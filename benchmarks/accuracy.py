"""How accurate are the kernels? Errors in ULP of values and gradients, per op and dtype.

The meaning of an op of one formula is evaluated at 60 digits; kernels run on the same points. Run by
``opsmithc check`` in a process of its own: ``python benchmarks/accuracy.py [OP ...]``.
"""  # noqa: E501

from __future__ import annotations

import sys
from typing import Any

import opsmith


def measure(op: Any, derived: Any, dtype_name: str) -> tuple[float, float, list[float]] | None:
    """Largest value error, largest gradient error (ULP) and inputs with non-finite results.

    None for ops that are no function of one tensor.
    """
    from opsmithc.derive.op import meaning_formula
    from opsmithc.opdef import Out
    from opsmithc.readings.mp import evaluate_mp, mp

    tensors = op.schema.tensors
    if (
        not isinstance(op.meaning, Out)
        or len(tensors) != 1
        or op.random
        or len(op.schema.outputs) != 1
    ):
        return None
    if any(p.default is None for p in op.schema.params[1:]):
        return None
    formula = meaning_formula(op, op.schema.outputs[0])
    if formula is None or op.dtype.kind == "always_bool":
        return None
    dtype = getattr(opsmith, dtype_name)
    low, high = _range(op)
    steps = 257
    points = [low + (high - low) * k / (steps - 1) for k in range(steps)]
    x = opsmith.tensor(points, dtype=dtype)
    x.requires_grad_(op.name in derived and bool(derived[op.name].gradients))
    y = getattr(opsmith._functions, op.name)(x)
    scalars = {
        p.name: mp.mpf(float(p.default)) for p in op.schema.params[1:] if _numeric(p.default)
    }
    grads = [0.0] * steps
    if x.requires_grad:
        y.sum().backward()
        grads = x.grad.tolist()
    eps = opsmith.finfo(dtype).eps
    worst = worst_grad = 0.0
    lost = []
    for point, got, slope in zip(x.detach().tolist(), y.detach().tolist(), grads, strict=True):
        env = {tensors[0].name: mp.mpf(point), **scalars}
        try:
            exact = evaluate_mp(formula, env)
        except (ValueError, ZeroDivisionError, ArithmeticError):
            continue
        if not mp.isfinite(exact):
            continue
        if got - got != 0:
            lost.append(point)
            continue
        worst = max(worst, _ulps(got, exact, eps))
        if x.requires_grad:
            try:
                true = mp.diff(
                    lambda v, env=env: evaluate_mp(formula, {**env, tensors[0].name: v}), mp.mpf(point)  # noqa: E501
                )
            except (ValueError, ZeroDivisionError, ArithmeticError):
                continue
            worst_grad = max(worst_grad, _ulps(slope, true, eps))
    return worst, worst_grad, lost


def _numeric(text: Any) -> bool:
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return True


def _range(op: Any) -> tuple[float, float]:
    for sample in op.samples:
        bounds = sample.get("range")
        if isinstance(bounds, list):
            return float(bounds[0]), float(bounds[1])
    return -3.0, 3.0


def _ulps(got: float, exact: Any, eps: float) -> float:
    """Error in units of the last place of the exact value (absolute below 1e-3)."""
    scale = max(abs(float(exact)), 1e-3) * eps
    return abs(float(got - exact)) / scale


def main(names: list[str]) -> int:
    """Print the table."""
    from opsmithc import paths, pipeline

    ops = pipeline.parse([paths.OPS_YAML])
    derived = {d.op.name: d for d in pipeline.derive_all(ops)}
    print(
        f"{'op':24s} {'dtype':9s} {'value ULP':>10s} {'gradient ULP':>13s}  non-finite where the meaning is finite"  # noqa: E501
    )
    for op in ops:
        if names and op.name not in names:
            continue
        for dtype in ("float64", "float32"):
            found = measure(op, derived, dtype)
            if found is None:
                continue
            value, grad, lost = found
            where = (
                f"{len(lost)} of 257 points, from {min(lost):g} to {max(lost):g}"
                if lost
                else "none"
            )
            print(f"{op.name:24s} {dtype:9s} {value:10.2f} {grad:13.2f}  {where}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
