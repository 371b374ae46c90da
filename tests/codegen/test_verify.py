"""The gate: right gradients pass, planted mistakes do not, and a pass is remembered."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from opsmithc import paths, registry, verify
from opsmithc.derive.op import Derived, derive
from opsmithc.formula import Binary, Num
from opsmithc.opdef import OpDef

ENTRIES = Path(__file__).parent / "data" / "entries.yaml"
BASE = registry.parse("- op: flip(Tensor input, int[] dims) -> Tensor\n  view: flip(dims)\n")
F = "- op: f(Tensor input) -> Tensor\n"
NO_GRADIENT = "  unsupported: {backward: no derivative by definition}\n"
R = "- op: f(Tensor input, int[] dim, bool keepdim=False) -> Tensor\n"


def _derived(source: str) -> list[Derived]:
    return [derive(op) for op in registry.parse(source, "ops.yaml", BASE)]


def _errors(source: str, cache: Path | None = None) -> list[str]:
    return [str(e) for e in verify.verify(_derived(source), cache)]


def _verdict(source: str) -> verify.Verdict:
    return verify.verdicts(_derived(source), None)[-1]


RIGHT = {
    "sigmoid": F + "  out: 1 / (1 + exp(-input))\n  grad: {input: g * out * (1 - out)}\n"
    "  samples: [{input: [3], range: [-120, 120]}]\n",
    "kink": F + "  out: abs(input)\n  kink: {input: {0: 0}}\n",
    "kink of a declared gradient": F + "  out: where(input <= 0, 0, input)\n"
    '  grad: {input: "where(out <= 0, 0, g)"}\n  kink: {input: {0: 0}}\n',
    "kink between arguments": "- op: f(Tensor input, Tensor other) -> Tensor\n"
    "  out: maximum(input, other)\n  kink: {input == other: {input: 0.5, other: 0.5}}\n",
    "kink at a threshold": "- op: f(Tensor input, Scalar lambd=0.45) -> Tensor\n"
    "  out: where(input > lambd, input - lambd, where(input < -lambd, input + lambd, 0))\n"
    "  kink: {input == lambd or input == -lambd: {input: 0}}\n",
    "jump": F + '  out: where(input > 1, input, 0)\n  grad: {input: "where(input > 1, g, 0)"}\n',
    "domain": F + "  out: sqrt(input)\n  grad: {input: g / (2 * out)}\n",
    "two outputs": "- op: f(Tensor input) -> (Tensor a, Tensor b)\n"
    "  out: {a: sin(input), b: cos(input)}\n  grad: {input: g_a * b - g_b * a}\n",
    "let": "- op: f(Tensor input, Scalar alpha=2) -> Tensor\n  let: {k: alpha * alpha}\n"
    "  out: input * k\n  grad: {input: g * k}\n",
    "optional tensor": "- op: f(Tensor input, Tensor? weight=None) -> Tensor\n"
    "  out: input if weight is None else input * weight\n"
    "  grad: {input: g if weight is None else g * weight, weight: g * input}\n"
    "  samples: [{input: [3]}, {input: [3], weight: [3]}]\n",
    "random": F + "  out: where(uniform() < 0.5, 0, input * 2)\n  random: true\n",
    "body of pointwise ops": "- op: silu(Tensor input) -> Tensor\n  out: input * sigmoid(input)\n"
    "- op: f(Tensor input) -> Tensor\n  body: silu(input) * 2\n"
    "  grad: {input: 2 * g * (sigmoid(input) + out / 2 * (1 - sigmoid(input)))}\n",
    "cases": "- op: f(Tensor input, *, str kind='a') -> Tensor\n"
    "  cases: [{when: kind == 'a', body: sin(input)}, {body: exp(input)}]\n"
    '  grad: {input: "g * where(kind == \'a\', cos(input), out)"}\n'
    "  samples: [{input: [3]}, {input: [3], kind: b}]\n",
    "softmax": "- op: f(Tensor input, int dim) -> Tensor\n  body: |\n"
    "    m = exp(input - amax(input, dim, True))\n    m / sum(m, dim, True)\n"
    '  grad: {input: "g * out - out * sum(g * out, dim, True)"}\n',
    "norm": R + "  reduce: {map: [input * input], identity: [0], combine: [a0 + b0], "
    "finish: sqrt(a0)}\n"
    "  grad: {input: g * input / out}\n",
    "mean": R + "  reduce: {map: [input], identity: [0], combine: [a0 + b0], finish: a0 / n}\n",
    "amax": R + '  reduce: {map: [input], identity: [-inf], combine: ["maximum(a0, b0)"]}\n'
    '  grad: {input: "where(input == out, g, 0) / sum(where(input == out, 1, 0), dim, True)"}\n',
    "any": R + "  reduce: {map: [input != 0], identity: [False], combine: [a0 or b0]}\n"
    "  dtype: always_bool\n",
    "variance in one pass": R + "  reduce:\n    map: [1, input, 0]\n    identity: [0, 0, 0]\n"
    "    let: {c: a0 + b0, d: b1 - a1}\n    combine:\n    - c\n"
    '    - "where(c == 0, 0, a1 + d * b0 / c)"\n'
    '    - "where(c == 0, 0, a2 + b2 + d * d * a0 * b0 / c)"\n'
    "    finish: a2 / n\n" + NO_GRADIENT,
    "cumprod": "- op: f(Tensor input, int dim) -> Tensor\n"
    "  scan: {map: [input], identity: [1], combine: [a0 * b0]}\n" + NO_GRADIENT,
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_entries_pass(name: str) -> None:
    assert _errors(RIGHT[name]) == []
    assert _verdict(RIGHT[name]).compared > 0


def test_the_prototypes_pass() -> None:
    derived = _derived(ENTRIES.read_text())
    found = {v.op: v for v in verify.verdicts(derived, None, _bundled()) if "(" not in v.op}
    assert not [e for v in found.values() for e in v.errors]
    assert not [n for n, v in found.items() if v.deferred]
    assert found["sigmoid"].compared == 64


# Planted mistakes: each in an entry of RIGHT, by a replacement -----------------------------------
WRONG = [
    ("sigmoid", "(1 - out)", "(1 + out)",
     "3:17: op 'f': gradient of 'input' is wrong at input=0.0: declared 0.75, meaning gives 0.25"),
    ("kink", "{0: 0}", "{0: 2}",
     "3:21: op 'f': kink of 'input' is wrong at input=0.0: "
     "declared 2, one-sided derivatives are -1 and 1"),
    ("kink of a declared gradient", "{0: 0}", "{0: 1}",
     "4:21: op 'f': kink of 'input' is wrong at input=0.0: declared 1, the gradient gives 0"),
    ("kink of a declared gradient", "out <= 0, 0, g", "out <= 0, g / 4, g",
     "4:21: op 'f': kink of 'input' is wrong at input=0.0: declared 0, the gradient gives 0.25"),
    ("kink at a threshold", "{input: 0}", "{input: 1.5}",
     "3:53: op 'f': kink of 'input' is wrong at input=0.45, lambd=0.45: "
     "declared 1.5, one-sided derivatives are 0 and 1"),
    ("two outputs", "- g_b", "+ g_b",
     "3:17: op 'f': gradient of 'input' is wrong through 'b' at input=1.0: "
     "declared 0.841471, meaning gives -0.841471"),
    ("let", "g * k", "g * alpha * k",
     "4:17: op 'f': gradient of 'input' is wrong at input=0.0, alpha=2: "
     "declared 8, meaning gives 4"),
    ("norm", "g * input / out", "g * out / input",
     "3:17: op 'f': gradient of 'input' is wrong at input=[2.07, 2.83], element 0: "
     "declared 1.69384, meaning gives 0.590374"),
    ("softmax", "out * sum", "sum",
     "5:18: op 'f': gradient of 'input' is wrong at input=[2.07, 2.83], element 0: "
     "declared 0.340677, meaning gives 0.325666"),
    ("variance in one pass", "a0 * b0 / c", "a0 / c",
     "4:16: op 'f': reduce identity is not neutral at input=[2.65]: with it 0, without 7.0225"),
    ("variance in one pass", "d * d * a0 * b0 / c", "d * a0 * b0 / c",
     "7:7: op 'f': reduce combine depends on the order at "),
    ("amax", "identity: [-inf]", "identity: [0]",
     "2:37: op 'f': reduce identity is not neutral at input=[-inf, -inf, -inf]: "
     "with it 0, without -inf"),
    ("amax", "maximum(a0, b0)", "where(a0 >= b0, a0, b0)",
     "2:55: op 'f': reduce combine depends on the order at input=[1.0, nan, 0.5]: "
     "from the left 0.5, from the right 1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message"), WRONG)
def test_planted_mistakes_are_found(name: str, old: str, new: str, message: str) -> None:
    assert old in RIGHT[name]
    errors = _errors(RIGHT[name].replace(old, new))
    assert errors and errors[0].startswith("ops.yaml:" + message), errors


FAST = (
    "- op: f(Tensor input, int[] dim, bool keepdim=False) -> Tensor\n"
    "  body: log(sum(exp(input), dim, keepdim))\n"
    "  fast:\n"
    "    reduce:\n"
    "      map: [input, 1]\n"
    "      identity: [-inf, 0]\n"
    '      let: {m: "maximum(a0, b0)"}\n'
    '      combine: [m, "where(a0 == m, a1, a1 * exp(a0 - m)) + '
    'where(b0 == m, b1, b1 * exp(b0 - m))"]\n'
    "      finish: a0 + log(a1)\n"
)


def test_a_right_fast_form_passes() -> None:
    assert _errors(FAST) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("finish: a0 + log(a1)", "finish: a0 + log(a1 + 1)",
         "5:7: op 'f': fast reduce is wrong at input=[2.65]: "
         "fast gives 3.34315, meaning gives 2.65"),
        ("where(a0 == m, a1, a1 * exp(a0 - m))", "a1 * exp(a0 - m)",
         "6:18: op 'f': fast reduce identity is not neutral at input=[-inf, 1.0, 2.0]: "
         "with it nan, without 2.31326"),
        ("b1 * exp(b0 - m))", "b1)", "8:17: op 'f': fast reduce combine depends on the order at "),
    ],
)  # fmt: skip
def test_a_wrong_fast_form_is_found(old: str, new: str, message: str) -> None:
    assert old in FAST
    errors = _errors(FAST.replace(old, new))
    assert errors and errors[0].startswith("ops.yaml:" + message), errors


def test_every_mistake_is_reported_in_order() -> None:
    source = RIGHT["sigmoid"].replace("(1 - out)", "out") + (
        "- op: h(Tensor input, Tensor other) -> Tensor\n  out: input / other\n"
        "  grad: {input: g, other: g}\n"
    )
    errors = verify.verify(_derived(source), None)
    assert [(e.place.op, e.place.line, e.place.col) for e in errors] == [
        ("f", 3, 17), ("h", 7, 17), ("h", 7, 27),
    ]  # fmt: skip


def test_deterministic() -> None:
    source = RIGHT["norm"].replace("g * input / out", "g * input")
    assert _errors(source) == _errors(source)


# Programs on whole tensors ------------------------------------------------------------------------

MATRICES = {
    "inverse": "- op: f(Tensor input) -> (Tensor out, Tensor info)\n  reference: invert\n"
    "  fast: {library: numpy.linalg.inv}\n"
    '  grad: {input: "-matmul(matmul(out.mT, g_out), out.mT)"}\n'
    "  dtype: {kind: same, info: int32}\n"
    "  samples: [{input: [2, 2], range: [1, 2]}, {input: [2, 2, 2]}]\n",
    "eigenvalues": "- op: f(Tensor input, bool upper=False) -> Tensor\n"
    "  reference: eigvalsh_triangle\n"
    "  fast: {library: numpy.linalg.eigvalsh}\n"
    '  grad: {input: "eigvalsh_back(input, g, upper)"}\n'
    "  samples: [{input: [2, 2], form: symmetric}]\n",
    "flip": "- op: f(Tensor input, int[] dims) -> Tensor\n  reference: flip\n"
    "  fast: {library: numpy.flip}\n"
    '  grad: {input: "2 * flip(g, dims) / 2"}\n'
    "  samples: [{input: [3], dims: [0]}]\n",
}  # fmt: skip
WRONG_PROGRAMS = [
    ("inverse", "-matmul(matmul(out.mT", "matmul(matmul(out.mT",
     "4:18: op 'f': gradient of 'input' is wrong at sample 0: input float64[2, 2], element 0: "),
    ("inverse", "matmul(out.mT, g_out)", "matmul(out, g_out)", "4:18: op 'f': gradient of 'input'"),
    ("eigenvalues", ", upper)", ", upper) * 2", "4:18: op 'f': gradient of 'input' is wrong at "),
    ("eigenvalues", "input: [2, 2], form: symmetric", "input: [2, 2]",
     "4:18: op 'f': gradient of 'input' is wrong at sample 0: input float64[2, 2], upper=F"),
    ("flip", "/ 2", "/ 4", "4:18: op 'f': gradient of 'input' is wrong at sample 0: "
     "input float64[3], dims=[0], element 0: declared 1, meaning gives 2"),
]  # fmt: skip


@cache
def _bundled() -> tuple[OpDef, ...]:
    return registry.load(paths.OPS_YAML)


def _program(source: str) -> verify.Verdict:
    ops = registry.parse(source, "ops.yaml", _bundled())
    return verify.verdicts([derive(op) for op in ops], None, _bundled())[-1]


@pytest.mark.parametrize("name", MATRICES)
def test_right_programs_pass(name: str) -> None:
    verdict = _program(MATRICES[name])
    assert not verdict.errors and not verdict.deferred and verdict.compared > 0


@pytest.mark.parametrize(("name", "old", "new", "message"), WRONG_PROGRAMS)
def test_wrong_programs_are_found(name: str, old: str, new: str, message: str) -> None:
    assert old in MATRICES[name]
    errors = [str(e) for e in _program(MATRICES[name].replace(old, new)).errors]
    assert errors and errors[0].startswith("ops.yaml:" + message), errors


# Loops and views: sizes decide which samples are small enough

LOOPS = {
    "product": "- op: f(Tensor input, Tensor other) -> Tensor\n"
    "  dims: {input: [I, K], other: [K, J], out: [I, J]}\n"
    "  index: out[i, j] = sum(input[i, k] * other[k, j] for k in K)\n"
    "  grad: {input: 'mm(g, transpose(other, 0, 1))'}\n"
    "  samples: [{input: [2, 3], other: [3, 2]}]\n",
    "many": "- op: f(Tensor input, Tensor other) -> Tensor\n"
    "  index: out[i, j] = sum(input[i, k] * other[k, j] for k in K)\n"
    "  transpose: {input: 'mm(g, other.mT)', other: 'mm(input.mT, g)'}\n"
    "  samples: [{input: [8, 7], other: [7, 5]}]\n",
    "of a function": "- op: f(Tensor input) -> Tensor\n"
    "  index: out[i] = sin(input[i]) * exp(-input[i])\n"
    "  grad: {input: g * (cos(input) * exp(-input) - out)}\n"
    "  samples: [{input: [3]}]\n",
    "view": "- op: f(Tensor input) -> Tensor\n  view: swap(0, 1)\n"
    "  transpose: {input: 'transpose(g, 0, 1)'}\n"
    "  samples: [{input: [3, 3]}]\n",
    "gradient of a view": "- op: f(Tensor input) -> Tensor\n  view: swap(0, 1)\n"
    "  grad: {input: 'f(g) * 1'}\n"
    "  samples: [{input: [2, 3]}]\n",
    "cumprod": "- op: f(Tensor input, int dim) -> Tensor\n"
    "  scan: {map: input, identity: 1, combine: a0 * b0}\n"
    "  grad: {input: 'cumprod_back(g, input, dim) * 1'}\n"
    "  samples: [{input: [3, 2], dim: 0}]\n",
    "prod": "- op: f(Tensor input, int? dim=None, bool keepdim=False) -> Tensor\n"
    "  reduce: {map: input, identity: 1, combine: a0 * b0}\n"
    "  grad: {input: 'g * product_of_others(input, dim)'}\n"
    "  samples: [{input: [3, 2], dim: 1}]\n",
}  # fmt: skip
AT = "gradient of 'input' is wrong at sample 0: input float64"
NONE = ("gradient of 'input' is compared at no sample; expected one whose tensors have 1 to 400 "
        "elements, drawn from a range")  # fmt: skip
WRONG_LOOPS = [
    ("product", "0, 1))", "0, 1)) * 2", f"4:18: op 'f': {AT}[2, 3], other float64[3, 2], "
     "element 0: declared -4.6994, meaning gives -2.3497"),
    ("many", "other.mT)", "other.mT) * 2", f"3:23: op 'f': {AT}[8, 7], other float64[7, 5], "
     "element 0: declared -13.7048, meaning gives -6.85238"),
    ("many", "mm(input.mT, g)", "mm(input.mT, g) * 1.001",
     "3:49: op 'f': gradient of 'other' is wrong at sample 0: input float64[8, 7], "
     "other float64[7, 5], element 0: declared 8.96273, meaning gives 8.95378"),
    ("of a function", "- out", "+ out",
     f"3:17: op 'f': {AT}[3], element 0: declared 0.986726, meaning gives 1.23444"),
    ("view", "'transpose(g, 0, 1)'", "g",
     f"3:22: op 'f': {AT}[3, 3], element 1: declared -0.5, meaning gives 0.25"),
    ("view", "g, 0, 1)", "g, 0, 1) * 5",
     f"3:23: op 'f': {AT}[3, 3], element 0: declared 5, meaning gives 1"),
    ("gradient of a view", "* 1", "* 7",
     f"3:18: op 'f': {AT}[2, 3], element 0: declared 7, meaning gives 1"),
    ("cumprod", "* 1", "* 3",
     f"3:18: op 'f': {AT}[3, 2], dim=0, element 0: declared 0.795402, meaning gives 0.265134"),
    ("prod", "dim)'", "dim) * 2'", f"3:18: op 'f': {AT}[3, 2], dim=1, keepdim=False, "
     "element 0: declared 0.0227892, meaning gives 0.0113946"),
    ("product", "  samples: [{input: [2, 3], other: [3, 2]}]\n", "", f"4:18: op 'f': {NONE}"),
    ("gradient of a view", "'f(g) * 1'", "g", f"3:17: op 'f': {AT}[2, 3]: "
     "its shape is [3, 2], expected that of 'input', [2, 3]"),
    ("view", "[3, 3]", "[300, 3]", f"3:23: op 'f': {NONE}"),
    ("cumprod", "cumprod_back(g, input, dim)", "cumprod_back(g, input, 5)",
     "3:18: op 'f': gradient of 'input' cannot be compared with the meaning: "
     "source: axis 5 is out of bounds for array of dimension 2"),
]  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_right_gradients_of_loops_and_views_pass(name: str) -> None:
    verdict = _program(LOOPS[name])
    assert not verdict.errors and not verdict.deferred and verdict.compared > 0


@pytest.mark.parametrize(("name", "old", "new", "message"), WRONG_LOOPS)
def test_wrong_gradients_of_loops_and_views_are_found(
    name: str, old: str, new: str, message: str
) -> None:
    assert old in LOOPS[name]
    errors = [str(e) for e in _program(LOOPS[name].replace(old, new)).errors]
    assert errors == ["ops.yaml:" + message]


# What an op says that it is linear in

LINEAR = {
    "square": "- op: f(Tensor input) -> Tensor\n  out: input * input\n  linear: [[input]]\n"
    "  samples: [{input: [3]}]\n",
    "shifted": "- op: f(Tensor input, Tensor other) -> Tensor\n  out: input * other + other\n"
    "  linear: [[other], [input]]\n  samples: [{input: [3], other: [3]}]\n",
    "product": "- op: f(Tensor input, Tensor other) -> Tensor\n  out: input * other\n"
    "  linear: [[input, other]]\n  samples: [{input: [3], other: [3]}]\n",
    "loop": "- op: f(Tensor input, Scalar value=2) -> Tensor\n"
    "  index: out[i] = input[i] + value\n"
    "  linear: [[input]]\n  samples: [{input: [3]}]\n",
}  # fmt: skip
FROM = "of 2 * x - 3 * y it gives"
SAME = ", the same combination of what it gives of x and of y"
UNSEEN = "is compared at no sample; expected one whose tensors have 1 to 400 elements, drawn from"
WRONG_LINEAR = [
    ("square", "", "", "linear: the op is not linear in input at sample 0: input float64[3]: "
     f"{FROM} 4.5582, expected -1.19502{SAME}"),
    ("square", "[3]", "[3000]", f"linear: [input] {UNSEEN} a range"),
    ("shifted", "", "", "linear: the op is not linear in input at sample 0: input float64[3], "
     f"other float64[3]: {FROM} 2.88263, expected 7.96217{SAME}"),
    ("product", "", "", "linear: the op is not linear in input and other at sample 0: "
     f"input float64[3], other float64[3]: {FROM} 16.0955, expected -1.00399{SAME}"),
    ("loop", "", "", "linear: the op is not linear in input at sample 0: input float64[3], "
     f"value=2: {FROM} -0.134995, expected -4.13499{SAME}"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message"), WRONG_LINEAR)
def test_what_is_not_linear_is_found(name: str, old: str, new: str, message: str) -> None:
    errors = [str(e) for e in _program(LINEAR[name].replace(old, new)).errors]
    assert errors == [f"ops.yaml:1:3: op 'f': {message}"]


def test_right_linear_ops_pass() -> None:
    assert not _program(LINEAR["shifted"].replace("[[other], [input]]", "[[other]]")).errors
    assert not _program(LINEAR["product"].replace("[[input, other]]", "[[input], [other]]")).errors


SQUARE = "- op: sq(Tensor input) -> Tensor\n  out: input * input\n"


@pytest.mark.parametrize(
    ("meaning", "message"),
    [
        ("out: input * 3",
         "5:17: op 'f': gradient of 'input' is wrong at input=0.0: declared -6, meaning gives 3"),
        ("index: out[i] = input[i] * 3",
         "5:17: op 'f': gradient of 'input' is wrong at sample 0: input float64[3], element 1: "
         "declared 0.75, meaning gives -1.5"),
    ],
)  # fmt: skip
def test_a_gradient_is_not_linear_through_an_op(meaning: str, message: str) -> None:
    source = (
        f"{SQUARE}- op: f(Tensor input) -> Tensor\n  {meaning}\n  grad: {{input: sq(g) * 3}}\n"
        "  samples: [{input: [3]}]\n"
    )
    assert [str(e) for e in _program(source).errors] == ["ops.yaml:" + message]


def test_a_reading_in_doubles_is_left_to_the_tests() -> None:
    verdict = _program(MATRICES["flip"].replace("reference: flip", "reference: zeros_like"))
    assert not verdict.errors and verdict.deferred == ("input",) and not verdict.compared


# The cache ---------------------------------------------------------------------------------------


def test_a_pass_is_remembered(tmp_path: Path) -> None:
    derived = _derived("".join(RIGHT[n].replace(" f(", f" f{k}(") for k, n in enumerate(RIGHT)
                               if n != "body of pointwise ops"))  # fmt: skip
    assert verify.verify(derived, tmp_path) == []
    begin = time.perf_counter()
    again = verify.verdicts(derived, tmp_path)
    assert time.perf_counter() - begin < 0.1
    assert all(v.cached for v in again)


def test_a_changed_entry_is_checked_again(tmp_path: Path) -> None:
    both = RIGHT["sigmoid"] + RIGHT["kink"].replace(" f(", " h(")
    assert _errors(both, tmp_path) == []
    changed = both.replace("{0: 0}", "{0: 0.25}")
    verdicts = {v.op: v for v in verify.verdicts(_derived(changed), tmp_path)}
    assert verdicts["f"].cached and not verdicts["h"].cached
    assert "the gradient gives" not in "".join(_errors(changed, tmp_path))
    wrong = both.replace("(1 - out)", "(2 - out)")
    assert len(_errors(wrong, tmp_path)) == len(_errors(wrong, tmp_path)) == 1  # never remembered
    assert _errors("# moved\n" + both, tmp_path) == []


def test_an_op_that_calls_a_changed_op_is_checked_again(tmp_path: Path) -> None:
    source = RIGHT["body of pointwise ops"]
    assert _errors(source, tmp_path) == []
    assert len(_errors(source.replace("input * sigmoid", "3 * input * sigmoid"), tmp_path)) == 1


def test_a_damaged_cache_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "verdicts.json").write_text('{"ops.yaml:f"')
    assert _errors(RIGHT["kink"], tmp_path) == []
    assert "ops.yaml:f" in json.loads((tmp_path / "verdicts.json").read_text())


# Deferred gradients ------------------------------------------------------------------------------


def _run(fn: str, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    named = dict(zip(("input", "dim"), args, strict=False)) | kwargs
    x, dim = np.asarray(named["input"]), named.get("dim", named.get("dims"))
    assert isinstance(dim, int)
    return np.cumsum(x, dim) if fn == "cumsum" else np.flip(x, dim)


@pytest.mark.parametrize(("transpose", "right"), [
    ("flip(cumsum(flip(g, dim), dim), dim)", True), ("cumsum(g, dim)", False),
])  # fmt: skip
def test_programs_are_checked_by_running_them(transpose: str, right: bool) -> None:
    source = (
        "- op: cumsum(Tensor input, int dim) -> Tensor\n"
        "  scan: {map: [input], identity: [0], combine: [a0 + b0]}\n"
        f'  transpose: {{input: "{transpose}"}}\n'
    )
    (d,) = _derived(source)
    x = np.random.default_rng(0).normal(size=(3, 4))
    error = verify.verify_program(d, "input", {"input": x, "dim": 1}, _run)
    assert (error < 1e-8) is right


# The bundled registry ----------------------------------------------------------------------------


def test_the_gate_finds_every_scaled_gradient_of_the_bundled_registry() -> None:
    ops = registry.load(Path(__file__).parents[2] / "ops.yaml")
    for op in ops:
        for param, f in op.grad.items():
            wrong = replace(f, node=Binary("*", f.node, Num(1.001)))
            d = derive(replace(op, grad={**op.grad, param: wrong}))
            verdict = verify.verdicts([d], None, base=ops)[-1]
            assert verdict.errors or param in verdict.deferred, (op.name, param)
