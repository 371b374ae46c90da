"""How accurate are the kernels? Errors in ULP of values and gradients, per op and dtype.

The meaning of an op of one formula is evaluated at 60 digits; kernels run on the same points. Run by
``opsmithc check`` in a process of its own: ``python benchmarks/accuracy.py [OP ...]``; with
``--json FILE`` the table goes there, for the documents.
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opsmith

STEPS = 257  # points, evenly over the range of the op's samples


@dataclass
class Errors:
    """The largest errors of an op in a dtype (ULP), and where a result should be finite."""

    dtype: str
    value: float
    gradient: float | None
    lost: list[float]


def measurable(op: Any) -> bool:
    """Is the op a function of one tensor, given by one formula?"""
    return not unmeasured(op)


def unmeasured(op: Any) -> str:
    """Why the table has no line for the op; '' where it has."""
    from opsmithc.derive.op import meaning_formula
    from opsmithc.opdef import Out

    if not isinstance(op.meaning, Out):
        return f"a {type(op.meaning).__name__.lower()} is no formula of one element"
    if len(op.schema.tensors) != 1 or len(op.schema.outputs) != 1:
        return "more than one tensor"
    if op.random:
        return "random"
    if any(p.default is None for p in op.schema.params[1:]):
        return "an argument without default"
    if op.dtype.kind == "always_bool":
        return "truth values"
    return "" if meaning_formula(op, op.schema.outputs[0]) is not None else "no formula for floats"


def measure(op: Any, derived: Any, dtype_name: str, functions: Any) -> Errors:
    """The errors against 60 digits, of the value and of the gradient that the gate has verified."""
    from opsmithc.derive.op import meaning_formula
    from opsmithc.readings.mp import evaluate_mp, mp

    def exactly(formula: Any, env: Any) -> Any:
        try:
            found = evaluate_mp(formula, env)
        except (ValueError, ZeroDivisionError, ArithmeticError):
            return None
        return found if mp.isfinite(found) else None

    name, out = op.schema.tensors[0].name, op.schema.outputs[0]
    formula, gradient = meaning_formula(op, out), derived.gradients.get(name)
    low, high = _range(op)
    points = [low + (high - low) * k / (STEPS - 1) for k in range(STEPS)]
    x = opsmith.tensor(points, dtype=getattr(opsmith, dtype_name))
    x.requires_grad_(gradient is not None)
    y = getattr(functions, op.name)(x)
    scalars = {
        p.name: mp.mpf(float(p.default)) for p in op.schema.params[1:] if _numeric(p.default)
    }
    slopes = [0.0] * STEPS
    if gradient is not None:
        y.sum().backward()
        slopes = x.grad.tolist()
    eps = opsmith.finfo(x.dtype).eps
    found = Errors(dtype_name, 0.0, None if gradient is None else 0.0, [])
    for point, got, slope in zip(x.detach().tolist(), y.detach().tolist(), slopes, strict=True):
        env = {name: mp.mpf(point), **scalars}
        exact = exactly(formula, env)
        if exact is None:
            continue
        if got - got != 0:
            found.lost.append(point)
            continue
        found.value = max(found.value, _ulps(got, exact, eps))
        if gradient is not None and found.gradient is not None:
            true = exactly(gradient.formula, {**env, out: exact, "g": mp.mpf(1)})
            if true is not None:
                found.gradient = max(found.gradient, _ulps(slope, true, eps))
    return found


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


def main() -> None:
    """Print the table, or write it."""
    from opsmithc import paths, pipeline, registry

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ops", nargs="*", metavar="OP")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--registry", type=Path, metavar="FILE", help="one of your own")
    args = parser.parse_args()

    functions: Any = opsmith._functions
    if args.registry:
        functions = opsmith.ops.load(args.registry)
    base = registry.load(paths.OPS_YAML) if args.registry else ()
    derived = pipeline.derive_all(pipeline.parse([args.registry or paths.OPS_YAML], base))
    asked = [d for d in derived if not args.ops or d.op.name in args.ops]
    chosen = [d for d in asked if measurable(d.op)]
    table = {
        d.op.name: [measure(d.op, d, dtype, functions) for dtype in ("float64", "float32")]
        for d in chosen
    }
    if args.json:
        ranges = {d.op.name: _range(d.op) for d in chosen}
        facts = {
            name: {
                "points": STEPS, "low": ranges[name][0], "high": ranges[name][1],
                "rows": [[e.dtype, e.value, e.gradient, len(e.lost)] for e in errors],
            }
            for name, errors in table.items()
        }  # fmt: skip
        args.json.write_text(json.dumps(facts, indent=1), encoding="utf-8")
        return
    head = ("op", "dtype", "value ULP", "gradient ULP", "non-finite where the meaning is finite")
    print("{:24s} {:9s} {:>10s} {:>13s}  {}".format(*head))
    for name, errors in table.items():
        for e in errors:
            where = "none"
            if e.lost:
                where = f"{len(e.lost)} of {STEPS} points, from {min(e.lost):g} to {max(e.lost):g}"
            gradient = "" if e.gradient is None else f"{e.gradient:.2f}"
            print(f"{name:24s} {e.dtype:9s} {e.value:10.2f} {gradient:>13s}  {where}")
    if args.ops or args.registry:
        for d in asked:
            if not measurable(d.op):
                print(f"{d.op.name:24s} not measured: {unmeasured(d.op)}; tests compare it")


if __name__ == "__main__":
    main()
