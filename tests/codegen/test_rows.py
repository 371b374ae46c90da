"""Recognition of rows: what becomes one kernel, its gradients, its passes."""

from __future__ import annotations

import pytest

from opsmithc import registry
from opsmithc.derive.op import derive
from opsmithc.derive.rows import Rows
from opsmithc.formula import unparse
from opsmithc.lower import families, rows
from opsmithc.opdef import Body, Out
from opsmithc.verify import verify

BASE = """
- op: bell(Tensor input) -> Tensor
  out: exp(-input * input)
- op: relu(Tensor input) -> Tensor
  out: where(input <= 0, 0, input)
  kink: {input: {0: 0}}
- op: flip(Tensor input, int[] dims) -> Tensor
  reference: flip
  fast: {source: flip}
"""
SOFTMAX = """
- op: soft(Tensor input, int dim) -> Tensor
  body: |
    e = exp(input - amax(input, dim, True))
    e * (1 / sum(e, dim, True))
  grad: {input: "out * (g - sum(g * out, dim, True))"}
  samples: [{input: [3, 4], dim: 1}]
"""
NORM = """
- op: norm(Tensor input, Tensor? weight=None, float eps=1e-05) -> Tensor
  body: |
    c = input - mean(input, -1, True)
    x = c * rsqrt(mean(c * c, -1, True) + eps)
    x if weight is None else x * weight
  dims: {weight: [n]}
  samples: [{input: [3, 4], weight: [4]}, {input: [3, 4]}]
"""
PICK = """
- op: positions(Tensor input, int dim) -> Tensor
  compose: norm.positions
- op: pick(Tensor input, Tensor target, int dim) -> Tensor
  body: "-sum(where(positions(input, dim) == target, input, 0), dim, True)"
  dims: {target: [1]}
  dtype: {args: [input], kind: same, target: integral}
  samples: [{input: [3, 4], target: [3, 1], dim: 1, int_range: [0, 4]}]
"""


def entry(text, name):
    """The op as the pipeline sees it."""
    ops = families.by_structure(registry.parse(BASE + text, "ops.yaml"))
    return next(op for op in ops if op.name == name)


def body(text, schema="f(Tensor input, int dim) -> Tensor", more=""):
    return entry(f"- op: {schema}\n  body: {text!r}\n{more}", "f").meaning


def test_reductions_over_one_dim_are_rows():
    found = body("input / sum(abs(input), dim, True)")
    assert isinstance(found, Rows)
    assert [unparse(o) for o in found.outputs] == ["input / sum(abs(input), dim, True)"]


def test_registry_ops_are_inlined():
    found = body("bell(input) / sum(input, dim, keepdim=True)")
    assert unparse(found.outputs[0]) == "exp(-input * input) / sum(input, dim, True)"


def test_a_body_without_reductions_is_pointwise():
    schema = "f(Tensor input) -> Tensor"
    found = body("input * bell(input)", schema, "  dtype: int_to_float\n")
    assert isinstance(found, Out)
    assert type(body("input * bell(input)", schema)) is Body  # integers would stay integers
    assert unparse(found.outputs["out"][""].node) == "input * exp(-input * input)"


@pytest.mark.parametrize(
    "text",
    [
        "flip(input, [0])",  # not element-wise
        "sum(input)",  # over everything
        "sum(input, dim, True) + sum(input, 0, True)",  # two dim sets
        "input - sum(input, dim)",  # an element reads a row without its dim
        "relu(input) / sum(input, dim, True)",  # a chosen gradient at a kink
        "input * size(input, dim) / sum(input, dim, True)",
    ],
)
def test_more_than_rows_stays_a_composition(text):
    found = body(text)
    assert type(found) is Body


def test_sums_of_cotangents_wait_for_nothing_they_need_not():
    d = derive(entry(NORM, "norm"))
    kernel = next(k for k in rows.render_context(d).kernels if "backward__f64" in k.symbol)
    assert len(kernel.passes) == 2  # the mean, then all other sums at once
    assert unparse(d.gradients["weight"].formula).startswith("g * ")


def test_absent_operands_are_variants():
    context = rows.render_context(derive(entry(NORM, "norm")))
    assert [k.symbol for k in context.kernels[:4]] == [
        "opsk_norm__f64", "opsk_norm__f32", "opsk_norm_no_weight__f64", "opsk_norm_no_weight__f32",
    ]  # fmt: skip
    assert not any("weight" in line for line in context.kernels[3].pointers)


def test_heavy_values_are_kept_between_passes():
    context = rows.render_context(derive(entry(SOFTMAX, "soft")))
    assert context.descriptors[0].stashes == 1
    assert context.descriptors[1].stashes == 0


def test_one_element_of_a_row_needs_no_pass():
    d = derive(entry(PICK, "pick"))
    forward, backward = (rows.render_context(d).kernels[k] for k in (0, 2))
    assert forward.passes == ()
    assert any("input[target]" in line for line in forward.finish)
    assert any("p_d_input[target]" in line for line in backward.patches)


@pytest.mark.parametrize("text,name", [(SOFTMAX, "soft"), (NORM, "norm"), (PICK, "pick")])
def test_the_gate_agrees(text, name):
    op = entry(text, name)
    assert verify([derive(op)], None, base=registry.parse(BASE + text, "ops.yaml")) == []


def test_the_gate_refuses_a_wrong_gradient():
    wrong = SOFTMAX.replace("out * (g - sum(g * out", "out * (g - sum(g")
    op = entry(wrong, "soft")
    (error,) = verify([derive(op)], None, base=registry.parse(BASE + wrong, "ops.yaml"))
    assert "gradient of 'input' is wrong" in str(error)
    assert "declared" in str(error)
