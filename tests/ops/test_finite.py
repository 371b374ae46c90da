"""Far from 0 and close to it: what is a number at 60 digits is one in float32 and float64.

Each element-wise op, its gradient and its second derivative run over a grid from 1e-40 to 1e4 in
both signs, infinities among them. Formulas that meet 0 * inf or 0 / 0 on the way to a number that
the dtype can hold give NaN here. Whether they are right is asked where the samples lie.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmithc import trials
from opsmithc.checks.differences import slopes
from opsmithc.checks.interpret import Interpreter
from opsmithc.checks.points import settings
from opsmithc.derive.op import Derived, cotangent, differentiable_outputs, meaning_formula
from opsmithc.errors import FormulaError
from opsmithc.formula import Node, substitute
from opsmithc.opdef import Out
from opsmithc.readings.mp import evaluate_mp, finite, mpf

from . import harness as h

_TINY = [10.0**k for k in (-40, -30, -20, -10, -5, -2)]
_WIDE = [0.1, 0.5, 1.0, 2.0, 3.0, 5.5, 8.0, 12.0, 20.0, 50.0, 89.0, 100.0, 300.0, 710.0, 750.0, 1e4]
GRID = [0.0, -0.0, *(s * x for x in (*_TINY, *_WIDE) for s in (1, -1)), np.inf, -np.inf]
DTYPES = (opsmith.float32, opsmith.float64)
MOST = {d: mpf(opsmith.finfo(d).max) / 4 for d in DTYPES}  # room for a few roundings


class Oracle:
    """The meaning and the gradients of an element-wise op, at 60 digits."""

    def __init__(self, derived: Derived, interpreter: Interpreter, scalars: Any) -> None:
        self.op, self.scalars = derived.op, scalars
        self.interpreter = interpreter
        (self.output,) = self.op.schema.outputs
        meaning = meaning_formula(self.op, self.output)
        assert meaning is not None
        self.meaning = meaning
        let = {k: f.node for k, f in self.op.let.items()}
        self.gradients = {k: substitute(g.formula, let) for k, g in derived.gradients.items()}

    def value(self, point: dict[str, Any]) -> Any:
        return self._evaluate(self.meaning, point)

    def gradient(self, param: str, point: dict[str, Any]) -> Any:
        env = {**point, self.output: self.value(point), cotangent(self.op, self.output): mpf(1)}
        return self._evaluate(self.gradients[param], env)

    def second(self, param: str, point: dict[str, Any]) -> Any:
        """The slope of the gradient; None at its kinks and jumps."""
        x = point[param]
        here = self.gradient(param, point)
        if not (finite(x) and finite(here)):
            return None
        near = slopes(lambda v: self.gradient(param, {**point, param: v}), x, here)
        return near.middle if near is not None and near.smooth else None

    def _evaluate(self, node: Node, env: dict[str, Any]) -> Any:
        return mpf(evaluate_mp(node, {**self.scalars, **env}, self.interpreter))


@pytest.fixture(scope="module")
def interpreter(ops: tuple[Derived, ...]) -> Interpreter:
    return Interpreter(d.op for d in ops)


def elementwise(d: Derived) -> bool:
    op = d.op
    return (
        isinstance(op.meaning, Out)
        and not op.random
        and len(op.schema.outputs) == 1
        and bool(differentiable_outputs(op))
        and bool(trials.differentiable(d))
        and all(g.elementwise for g in d.gradients.values())
        and not op.check
    )


def rounded(x: float, dtype: Any) -> float:
    return float(opsmith.tensor(x, dtype=dtype).item())


@pytest.mark.trial("backward")
@pytest.mark.parametrize("kind", DTYPES, ids=str)
def test_wide_range(derived: Derived, kind: Any, interpreter: Interpreter) -> None:
    if not elementwise(derived):
        return
    op = derived.op
    for setting in settings(op):
        oracle = Oracle(derived, interpreter, setting.scalars)
        others = {
            p.name: None if p.name in setting.absent else _other(setting, op.dtype.classes, p.name)
            for p in op.schema.tensors
        }
        for param in trials.differentiable(derived):
            if others[param] is not None:
                _scan(derived, oracle, kind, param, others)


def _other(setting: Any, classes: Any, name: str) -> Any:
    """A value of an operand that stands still: inside the sample's range."""
    if name in classes:
        return classes[name] == "bool" or 1
    values = setting.values(name)
    low, high = setting.bounds(name)
    return values[0] if values else low + (high - low) * 0.625


def _scan(d: Derived, oracle: Oracle, dtype: Any, param: str, others: dict[str, Any]) -> None:
    op = d.op
    grid = [rounded(x, dtype) for x in GRID]
    args: dict[str, Any] = {
        n: v if v is None else opsmith.tensor([v], dtype=_dtype(v, dtype))
        for n, v in others.items()
    }
    x = args[param] = opsmith.tensor(grid, dtype=dtype, requires_grad=True)
    numbers = {n: float(v) if isinstance(v, mpf) else v for n, v in oracle.scalars.items()}
    (value,) = h.call(op, {**numbers, **args})
    (first,) = opsmith.autograd.grad(value, [x], opsmith.ones_like(value), create_graph=True)
    found = [value, first]
    if first.requires_grad:
        found += opsmith.autograd.grad(first, [x], opsmith.ones_like(first), allow_unused=True)
    still = {
        n: v if v is None or isinstance(v, bool) else mpf(rounded(v, dtype))
        for n, v in others.items()
    }
    for k, number in enumerate(grid):
        point = {**still, param: mpf(number)}
        asked = (oracle.value, partial(oracle.gradient, param), partial(oracle.second, param))
        for order, (ask, got) in enumerate(zip(asked, found, strict=False)):
            try:
                want = ask(point)
            except FormulaError:
                return  # a function without a reading at 60 digits
            if got is None or want is None or not finite(want) or abs(want) > MOST[dtype]:
                continue
            assert np.isfinite(h.numpy(got).reshape(-1)[k]), (
                f"{op.name}: derivative {order} in {param} at {number!r} is "
                f"{h.numpy(got).reshape(-1)[k]}, at 60 digits {float(want):.6g}; "
                f"others {others}, {numbers}"
            )


def _dtype(v: Any, dtype: Any) -> Any:
    return opsmith.bool if isinstance(v, bool) else opsmith.int64 if isinstance(v, int) else dtype


@pytest.mark.parametrize("name", ["elu", "selu", "celu"])
@pytest.mark.parametrize("kind", DTYPES, ids=str)
def test_linear_part(name: str, kind: Any) -> None:
    """Far above 0 these are straight lines, at any order."""
    x = opsmith.tensor([1.0, 50.0, 100.0, 1e4, np.inf], dtype=kind, requires_grad=True)
    (g,) = opsmith.autograd.grad(getattr(opsmith, name)(x).sum(), [x], create_graph=True)
    (gg,) = opsmith.autograd.grad((g * g).sum(), [x])
    assert g.detach().unique().numel() == 1 and gg.tolist() == [0.0] * 5
