"""clip_grad and convert_parameters."""

import math

import pytest

import opsmith
from opsmith import nn
from opsmith.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    parameters_to_vector,
    vector_to_parameters,
)


def parameters():
    ps = [nn.Parameter(opsmith.zeros(2)), nn.Parameter(opsmith.zeros(1)), nn.Parameter()]
    ps[0].grad = opsmith.tensor([3.0, 0.0])
    ps[1].grad = opsmith.tensor([-4.0])
    return ps


def test_clip_grad_norm():
    ps = parameters()
    assert clip_grad_norm_(ps, 1.0).item() == 5.0
    assert ps[0].grad.tolist() == pytest.approx([0.6, 0.0])
    assert ps[1].grad.tolist() == pytest.approx([-0.8])
    assert clip_grad_norm_(iter(parameters()), 10.0, norm_type=math.inf).item() == 4.0
    ps = parameters()
    assert clip_grad_norm_(ps, 100.0, 1).item() == 7.0
    assert ps[0].grad.tolist() == [3.0, 0.0]
    assert clip_grad_norm_([nn.Parameter(opsmith.zeros(1))], 1.0).item() == 0.0
    ps[0].grad = opsmith.tensor([math.nan, 0.0])
    with pytest.raises(RuntimeError, match="is non-finite, so it cannot be clipped"):
        clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)


def test_clip_grad_value():
    ps = parameters()
    clip_grad_value_(ps, 2.0)
    assert ps[0].grad.tolist() == [2.0, 0.0] and ps[1].grad.tolist() == [-2.0]


def test_vectors():
    layer = nn.Linear(2, 2)
    vector = parameters_to_vector(layer.parameters())
    assert tuple(vector.shape) == (6,) and vector.requires_grad
    weight = layer.weight
    vector_to_parameters(opsmith.arange(6.0), layer.parameters())
    assert layer.weight is weight and weight.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert layer.bias.tolist() == [4.0, 5.0] and weight.requires_grad
    with pytest.raises(TypeError, match="expected torch.Tensor"):
        vector_to_parameters([1.0], layer.parameters())
