"""Initialisers by their defining properties."""

import math

import numpy as np
import pytest

import opsmith
from opsmith import nn
from opsmith.nn import init


@pytest.fixture(autouse=True)
def _seeded():
    opsmith.manual_seed(3)


def moments(tensor):
    values = tensor.detach().numpy().astype(np.float64)
    return values.mean(), values.std(), np.abs(values).max()


def test_constants():
    t = opsmith.empty(3, 3)
    assert init.constant_(t, 2.5) is t and t.tolist() == [[2.5] * 3] * 3
    assert init.ones_(t).sum().item() == 9 and init.zeros_(t).sum().item() == 0
    assert init.eye_(opsmith.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_gradients_stay_off():
    p = nn.Parameter(opsmith.empty(4, 4))
    for fill in (init.normal_, init.zeros_, init.xavier_uniform_, init.eye_):
        fill(p)
        assert p.requires_grad and p.is_leaf


def test_distributions():
    t = opsmith.empty(300, 200)
    mean, std, greatest = moments(init.uniform_(t, -1, 3))
    assert abs(mean - 1) < 0.02 and abs(std - 4 / math.sqrt(12)) < 0.02 and greatest <= 3
    mean, std, _ = moments(init.normal_(t, 2, 0.5))
    assert abs(mean - 2) < 0.02 and abs(std - 0.5) < 0.02
    mean, std, greatest = moments(init.trunc_normal_(t, 0, 1, -2, 2))
    assert abs(mean) < 0.02 and abs(std - 0.8796) < 0.02 and greatest <= 2


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (init.xavier_uniform_, math.sqrt(2 / 500)),
        (lambda t: init.xavier_normal_(t, gain=2.0), 2 * math.sqrt(2 / 500)),
        (init.kaiming_uniform_, math.sqrt(2 / 200)),
        (lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
         math.sqrt(2 / 300)),
        (lambda t: init.kaiming_uniform_(t, a=math.sqrt(5)), math.sqrt(1 / 600)),
    ],
)  # fmt: skip
def test_scaled_by_fans(fill, std):
    mean, found, _ = moments(fill(opsmith.empty(300, 200)))
    assert abs(mean) < std / 30 and abs(found / std - 1) < 0.02


def test_convolution_fans():
    _, _, greatest = moments(init.kaiming_uniform_(opsmith.empty(64, 8, 3, 3)))
    bound = math.sqrt(2) * math.sqrt(3 / 72)
    assert 0.98 * bound < greatest <= bound


def test_gains():
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    with pytest.raises(ValueError, match="Unsupported nonlinearity x"):
        init.calculate_gain("x")
    with pytest.raises(ValueError, match="negative_slope True not a valid number"):
        init.calculate_gain("leaky_relu", True)
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(opsmith.empty(3))


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (4, 2, 3)])
def test_orthogonal(shape):
    t = init.orthogonal_(opsmith.empty(*shape), gain=2.0)
    m = t.numpy().reshape(shape[0], -1)
    m = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(m, 4 * np.eye(len(m)), atol=1e-5)


def test_dirac_and_sparse():
    x = opsmith.randn(1, 4, 5)
    kept = nn.functional.conv1d(x, init.dirac_(opsmith.empty(4, 4, 3)), padding=1)
    np.testing.assert_allclose(kept.numpy(), x.numpy(), rtol=1e-6)
    t = init.sparse_(opsmith.empty(10, 4), 0.25)
    assert (t.numpy() == 0).sum(0).tolist() == [3, 3, 3, 3]


def test_layers_start_as_in_pytorch():
    linear = nn.Linear(400, 50)
    assert moments(linear.weight)[2] <= 0.05 and moments(linear.bias)[2] <= 0.05
    assert abs(moments(linear.weight)[1] - 0.05 / math.sqrt(3)) < 1e-3
    conv = nn.Conv2d(4, 40, 5)
    assert moments(conv.weight)[2] <= 0.1 and abs(moments(conv.weight)[1] * 10 - 0.577) < 0.02
    assert abs(moments(nn.Embedding(100, 100).weight)[1] - 1) < 0.03
    attention = nn.MultiheadAttention(64, 4)
    assert abs(moments(attention.in_proj_weight)[1] - math.sqrt(2 / 256)) < 0.003
    assert attention.in_proj_bias.abs().sum().item() == 0
