"""Derived gradients against differences at 60 digits."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from opsmithc import verify
from opsmithc.checks.differences import agree, slopes
from opsmithc.checks.partials import check
from opsmithc.derive.gradient import gradient
from opsmithc.errors import Place
from opsmithc.formula import Node, names, parse
from opsmithc.intrinsics import table
from opsmithc.readings.mp import evaluate_mp, finite, mpf

FORMULAS = [
    "x", "x + y", "x - y", "x * y", "x / y", "x ** 3", "x ** y", "-x", "x * x * x",
    "1 / (1 + exp(-x))", "x * sigmoid(x)", "log(1 + exp(x))", "log1p(exp(x)) * tanh(y)",
    "sin(x) * cos(y) - tan(x * y)", "sqrt(x * x + y * y)", "hypot(x, y)", "atan2(x, y)",
    "where(x > y, x * y, x - y)", "where(x > 0, x, exp(x) - 1)", "fmax(x, y) - fmin(x, y)",
    "maximum(x, y) * minimum(x, 0.5)", "0.5 * x * (1 + erf(x / sqrt(2)))",
    "x * tanh(0.7978845608028654 * (x + 0.044715 * x ** 3))", "abs(x) ** 1.5", "x % y",
    "fmod(x, y) * x", "floor(x) * x", "round(y) + trunc(x) * y", "lgamma(x * x + 1)",
    "digamma(x * x + 1)", "erfinv(tanh(x))", "asinh(x) + atanh(y / 4) + acosh(x * x + 1.5)",
    "asin(x / 4) * acos(y / 4) + atan(x)", "exp2(x) - expm1(y)",
    "log2(x * x + 1) + log10(y * y + 1)", "sinh(x) / cosh(y)", "rsqrt(x * x + 0.5)",
    "copysign(x, y)", "sign(x) * x * x", "erfc(x) * erf(y)", "(x * y) / (x + y) / (x - y)",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_pointwise(text: str) -> None:
    node = parse(text)
    wrt = [n for n in names(node) if n in ("x", "y")]
    derived = gradient(node, wrt)
    rng = random.Random(text)
    compared = 0
    for _ in range(24):
        env: dict[str, Any] = {k: mpf(round(rng.uniform(-3, 3), 3)) for k in wrt}
        value = evaluate_mp(node, env)
        if not finite(value):
            continue
        for name in wrt:
            near = slopes(
                lambda v, name=name, env=env: evaluate_mp(node, {**env, name: v}), env[name], value
            )
            if near is None or not near.smooth:
                continue
            compared += 1
            got = evaluate_mp(derived[name], {**env, "g": mpf(1)})
            assert agree(got, near.middle, near.noise), (env, name, got, near.middle)
    assert compared >= 8


def _along(node: Node, env: dict[str, Any], name: str) -> Callable[[Any], Any]:
    return lambda v: evaluate_mp(node, {**env, name: v})


ROWS = [
    "sum(x * x, 0, True)", "mean(exp(x), 0, True) * x", "x - mean(x, 0, True)",
    "exp(x - amax(x, 0, True)) / sum(exp(x - amax(x, 0, True)), 0, True)",
    "(x - mean(x, 0, True)) * rsqrt(mean((x - mean(x, 0, True)) ** 2, 0, True) + 0.01)",
    "x / amin(x, 0, True)", "log(sum(exp(x), 0, True)) * x",
]  # fmt: skip


@pytest.mark.parametrize("text", ROWS)
def test_rows(text: str) -> None:
    node = parse(text)
    derived = gradient(node, ["x"])["x"]
    x, g = _row([0.5, -1.25, 2.0, 0.75]), _row([1.0, -0.5, 2.0, 0.25])
    if np.size(evaluate_mp(node, {"x": x})) == 1:
        g = g[:1]
    got = evaluate_mp(derived, {"x": x, "g": g, "n": 4})
    for k in range(4):

        def total(v: Any, k: int = k) -> Any:
            moved = x.copy()
            moved[k] = v
            return (g * evaluate_mp(node, {"x": moved})).sum()

        near = slopes(total, x[k], total(x[k]))
        assert near is not None and agree(got[k] if np.size(got) > 1 else got[0], near.middle)


def _row(values: list[float]) -> Any:
    made = np.empty(len(values), dtype=object)
    made[:] = [mpf(v) for v in values]
    return made


def test_every_partial_of_the_intrinsics() -> None:
    assert verify.check_intrinsics() == []


@pytest.mark.parametrize(
    ("number", "form", "message"),
    [
        (2.0, "x * x + x", "y = 2 is wrong at x=0.3: declared 0.39, the function gives 0.09"),
        (0.5, "sqrt(x)", "y = 0.5 is wrong at x=-inf: declared nan, the function gives inf"),
    ],
)
def test_a_form_at_a_number_is_compared(number: float, form: str, message: str) -> None:
    row = replace(table()["pow"], at=(("y", number, parse(form)),))
    compared, errors = check(row, Place("intrinsics.yaml", 1, 1))
    assert compared > len(table()["pow"].partials)
    assert [e.message for e in errors] == [f"pow() at {message}"]
