"""Derived gradients against differences at 60 digits."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from opsmithc import paths, registry, verify
from opsmithc.checks.differences import agree, slopes
from opsmithc.checks.partials import check
from opsmithc.derive.gradient import gradient
from opsmithc.derive.op import Derived, derive
from opsmithc.errors import Place, RegistryError
from opsmithc.formula import Node, names, parse, unparse
from opsmithc.inspect import explain
from opsmithc.intrinsics import table
from opsmithc.readings.mp import evaluate_mp, finite, mpf

BUNDLED = registry.load(paths.OPS_YAML)
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


# Folds --------------------------------------------------------------------------------------------

REDUCE = "- op: f(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor\n  reduce: "
WITHIN = "- op: f(Tensor input, int dim, bool keepdim=False) -> Tensor\n  reduce: "
SCAN = "- op: f(Tensor input, int dim) -> Tensor\n  scan: "
FOLDS = [
    (REDUCE + "{map: input, identity: 0, combine: a0 + b0}", "g"),
    (REDUCE + "{map: exp(input), identity: 0, combine: b0 + a0, finish: log(a0)}",
     "g * (1 / sum(exp(input), dim, True)) * exp(input)"),
    (REDUCE + "{map: [input, 1], identity: [0, 0], combine: [a0 + b0, a1 + b1], finish: a0 / a1}",
     "g / n"),
    (REDUCE + "{map: abs(input), identity: -inf, combine: 'maximum(a0, b0)'}",
     "where(abs(input) == out, g / sum(where(abs(input) == out, 1, 0), dim, True) * sign(input), "
     "0)"),
    (WITHIN + "{map: input, identity: inf, combine: 'minimum(a0, b0)', finish: exp(a0)}",
     "where(input == amin(input, dim, True), "
     "g * out / sum(where(input == amin(input, dim, True), 1, 0), dim, True), 0)"),
    (SCAN + "{map: sin(input), identity: 0, combine: a0 + b0}",
     "cumsum_back(g, dim) * cos(input)"),
    (SCAN + "{map: input, identity: 0, combine: a0 + b0, finish: exp(a0)}",
     "cumsum_back(g * out, dim)"),
    (SCAN + "{map: input, identity: 0, combine: a0 + b0, finish: sin(a0)}",
     "cumsum_back(g * cos(cumsum(input, dim)), dim)"),
]  # fmt: skip
ADVICE = "declare it under 'grad', or say 'unsupported: {backward: no derivative by definition}'"
REFUSED = [
    (REDUCE + "{map: input, identity: 1, combine: a0 * b0}",
     "2:46: op 'f': cannot derive the gradient of 'input': state 0, 'a0 * b0' from '1', "
     "is not a sum, a maximum or a minimum"),
    (REDUCE + "{map: input, identity: 3, combine: a0 + b0}",
     "2:46: op 'f': cannot derive the gradient of 'input': state 0, 'a0 + b0' from '3', "
     "is not a sum, a maximum or a minimum"),
    (REDUCE + "{map: input, identity: inf, combine: 'minimum(a0, b0)', finish: exp(a0)}",
     "1:3: op 'f': cannot derive the gradient of 'input': "
     "it reads amin() over a 'dim' that may be None"),
    (REDUCE + "{map: input * i, identity: 0, combine: a0 + b0, finish: sin(a0)}",
     "1:3: op 'f': cannot derive the gradient of 'input': "
     "it reads whole rows and the position 'i'"),
    (SCAN + "{map: input, identity: 1, combine: a0 * b0}",
     "2:44: op 'f': cannot derive the gradient of 'input': state 0, 'a0 * b0' from '1', "
     "is not a sum"),
    (SCAN + "{map: input, identity: -inf, combine: 'maximum(a0, b0)'}",
     "2:48: op 'f': cannot derive the gradient of 'input': state 0, 'maximum(a0, b0)' from "
     "'-inf', is not a sum"),
    ("- op: f(Tensor input) -> Tensor\n  reference: flip\n  fast: {library: numpy.flip}",
     "2:14: op 'f': cannot derive the gradient of 'input': 'flip' is no formula"),
]  # fmt: skip


def _fold(source: str) -> Derived:
    samples = "\n  samples: [{input: [3, 4], dim: 0}]\n" if "dim" in source else "\n"
    (op,) = registry.parse(source + samples, "ops.yaml", BUNDLED)
    return derive(op)


@pytest.mark.parametrize(("source", "formula"), FOLDS)
def test_folds(source: str, formula: str) -> None:
    d = _fold(source)
    assert unparse(d.gradients["input"].formula) == formula
    verdict = verify.verdicts([d], None, BUNDLED)[-1]
    assert not verdict.errors and not verdict.deferred and verdict.compared


@pytest.mark.parametrize(("source", "message"), REFUSED)
def test_other_folds_are_refused(source: str, message: str) -> None:
    with pytest.raises(RegistryError) as caught:
        _fold(source)
    assert str(caught.value) == f"ops.yaml:{message}; {ADVICE}"
    assert not _fold(source + "\n  unsupported: {backward: no derivative by definition}").gradients


def test_a_gradient_that_is_zero_is_called_that() -> None:
    d = _fold(REDUCE + "{map: 'where(input > 0, 1, 0)', identity: 0, combine: a0 + b0}")
    assert not d.gradients
    assert "gradient: none (its derivative is zero everywhere)" in explain(d)
