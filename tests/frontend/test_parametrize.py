"""Parametrizations: what is used, kept, saved, copied and undone; weight and spectral norms."""

import copy

import numpy as np
import pytest

import opsmith
from opsmith import nn
from opsmith.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T

    def right_inverse(self, x):
        return x.triu()


class Doubled(nn.Module):
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        return 2 * x


class Halves(nn.Module):
    def forward(self, a, b):
        return a + b

    def right_inverse(self, x):
        return x / 2, x / 2


def test_a_weight_becomes_a_function():
    layer, before = nn.Linear(3, 3), type(nn.Linear(1, 1))
    parameter = layer.weight
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert opsmith.equal(layer.weight, layer.weight.T) and "weight" not in layer._parameters
    assert layer.parametrizations.weight.original is parameter  # what an optimizer holds
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert repr(layer).startswith("ParametrizedLinear(\n") and isinstance(layer, before)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    layer(opsmith.ones(2, 3)).sum().backward()
    assert parameter.grad is not None and (parameter.grad.tril(-1) == 0).all()
    layer.weight = opsmith.eye(3)
    assert opsmith.equal(layer.weight, opsmith.eye(3))
    assert layer.parametrizations.weight.original is parameter
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is before and layer.weight is parameter
    assert opsmith.equal(parameter.detach(), opsmith.eye(3))
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_several():
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Halves())
    parametrize.register_parametrization(layer, "weight", Symmetric())
    parametrize.register_parametrization(layer, "bias", Doubled())
    layer.weight = opsmith.tensor([[1.0, 2.0], [2.0, 4.0]])
    assert layer.weight.tolist() == [[1, 2], [2, 4]]
    assert layer.parametrizations.weight.original1.tolist() == [[0.5, 1], [0, 2]]
    with pytest.raises(ValueError, match="Cannot leave unparametrized"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    value = layer.parametrizations.bias.original
    parametrize.remove_parametrizations(layer, "bias", leave_parametrized=False)
    assert layer.bias is value and parametrize.is_parametrized(layer)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        layer.__getstate__()


def test_copies():
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    copied = copy.deepcopy(layer)
    assert opsmith.equal(copied.weight, layer.weight)
    copied.weight = opsmith.zeros(2, 2)
    assert not opsmith.equal(copied.weight, layer.weight)
    other = nn.Linear(2, 2)
    parametrize.transfer_parametrizations_and_params(layer, other)
    assert opsmith.equal(other.weight, layer.weight)
    assert isinstance(other.parametrizations.weight[0], Symmetric)


def test_cached():
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Doubled())
    Doubled.calls = 0
    with parametrize.cached():
        assert layer.weight is layer.weight and Doubled.calls == 1
    assert layer.weight is not layer.weight and Doubled.calls == 3


class Shrunk(nn.Module):
    def forward(self, x):
        return x[:1]


def test_refused():
    layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(layer, "weight", Shrunk())
    with pytest.raises(ValueError, match="with name 'x'"):
        parametrize.register_parametrization(layer, "x", Doubled())
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(layer, "weight")
    parametrize.register_parametrization(layer, "bias", Shrunk(), unsafe=True)
    assert layer.bias.shape == (1,)
    with pytest.raises(RuntimeError, match="Shrunk does not implement right_inverse"):
        layer.bias = opsmith.zeros(1)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(dim):
    layer = nn.Linear(3, 4)
    before = layer.weight.detach().clone()
    x = opsmith.randn(2, 3)
    want = layer(x)
    parametrizations.weight_norm(layer, dim=dim)
    opsmith.testing.assert_close(layer(x), want)
    names = [f"parametrizations.weight.original{k}" for k in (0, 1)]
    assert list(layer.state_dict()) == ["bias", *names]
    length, direction = (layer.state_dict()[name] for name in names)
    assert tuple(length.shape) == {0: (4, 1), 1: (1, 3), None: ()}[dim]
    norms = np.linalg.norm(before.numpy(), axis=None if dim is None else 1 - dim)
    np.testing.assert_allclose(length.numpy().ravel(), np.ravel(norms), rtol=1e-6)
    assert opsmith.equal(direction, before)
    layer(x).sum().backward()  # of the direction only what is across it can change the weight
    across = (layer.parametrizations.weight.original1.grad * before).sum()
    assert abs(across.item()) < 1e-5

    old = nn.Linear(3, 4)
    with pytest.warns(FutureWarning, match="is deprecated in favor of"):
        nn.utils.weight_norm(old, dim=dim)
    with pytest.warns(FutureWarning), pytest.raises(RuntimeError, match="two weight_norm hooks"):
        nn.utils.weight_norm(old)
    assert list(old.state_dict()) == ["bias", "weight_g", "weight_v"]
    layer.load_state_dict(old.state_dict())
    opsmith.testing.assert_close(layer(x), old(x))
    with opsmith.no_grad():
        old.weight_g.mul_(2)
    opsmith.testing.assert_close(old(x) - old.bias, 2 * (layer(x) - layer.bias))
    nn.utils.remove_weight_norm(old)
    assert list(old.state_dict()) == ["bias", "weight"] and not old._forward_pre_hooks
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        nn.utils.remove_weight_norm(old)


@pytest.mark.parametrize("transposed", [False, True])
def test_spectral_norm(transposed):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = parametrizations.spectral_norm(kind(3, 4, 2))
    kept = layer.parametrizations.weight
    original = kept.original.detach().numpy()
    assert list(layer.state_dict()) == [
        "bias", *(f"parametrizations.weight.{name}" for name in ("original", "0._u", "0._v")),
    ]  # fmt: skip
    for _ in range(200):
        weight = layer.weight
    matrix = original.swapaxes(0, 1) if transposed else original
    greatest = np.linalg.svd(matrix.reshape(4, -1))[1][0]
    np.testing.assert_allclose(weight.detach().numpy(), original / greatest, rtol=1e-4, atol=1e-6)
    layer.eval()
    u = kept[0]._u.clone()
    layer(opsmith.randn(1, 3, 4, 4)).sum().backward()
    assert opsmith.equal(kept[0]._u, u) and kept.original.grad is not None
    vector = nn.BatchNorm1d(3)
    parametrizations.spectral_norm(vector)
    assert abs(vector.weight.norm().item() - 1) < 1e-6
    with pytest.raises(ValueError, match="to be positive, but got n_power_iterations=0"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(ValueError, match="no parameter or buffer with name 'x'"):
        parametrizations.spectral_norm(nn.Linear(2, 2), "x")


def test_spectral_norm_by_a_hook():
    layer = nn.Linear(3, 4)
    original = layer.weight
    assert nn.utils.spectral_norm(layer) is layer
    assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    x = opsmith.randn(2, 3)
    for _ in range(100):
        layer(x).sum().backward()
    greatest = np.linalg.svd(original.detach().numpy())[1][0]
    np.testing.assert_allclose(
        layer.weight.detach().numpy(), original.detach().numpy() / greatest, rtol=1e-4, atol=1e-6
    )
    assert layer.weight_orig is original and original.grad is not None
    with pytest.raises(RuntimeError, match="two spectral_norm hooks"):
        nn.utils.spectral_norm(layer)
    u = layer.weight_u.clone()
    layer.eval()
    want = layer(x)
    assert opsmith.equal(layer.weight_u, u)
    nn.utils.remove_spectral_norm(layer)
    assert set(layer.state_dict()) == {"bias", "weight"}
    opsmith.testing.assert_close(layer(x), want)
    with pytest.raises(ValueError, match="spectral_norm of 'weight' not found"):
        nn.utils.remove_spectral_norm(layer)


MAPS = ("matrix_exp", "cayley", "householder")


def is_orthonormal(weight):
    w = weight.detach().numpy()
    w = w if w.shape[-2] >= w.shape[-1] else w.swapaxes(-1, -2)
    return np.allclose(w.swapaxes(-1, -2) @ w, np.eye(w.shape[-1]), atol=1e-5)


@pytest.mark.parametrize("by", MAPS)
@pytest.mark.parametrize("sizes", [(4, 4), (3, 5), (5, 3)])
@pytest.mark.parametrize("based", [True, False])
def test_orthogonal(by, sizes, based):
    layer = nn.Linear(*sizes)
    made = parametrizations.orthogonal(layer, orthogonal_map=by, use_trivialization=based)
    assert made is layer and is_orthonormal(layer.weight)
    assert ("parametrizations.weight.0.base" in layer.state_dict()) is based
    optimizer = opsmith.optim.SGD(layer.parameters(), 0.1)
    x = opsmith.randn(8, sizes[0])
    losses = []
    for _ in range(5):
        loss = (layer(x) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        assert is_orthonormal(layer.weight)
    assert losses[-1] < losses[0]
    target = nn.init.orthogonal_(opsmith.empty(*layer.weight.shape))
    if based or by == "householder":
        layer.weight = target
        opsmith.testing.assert_close(layer.weight.detach(), target)
    else:
        with pytest.raises(NotImplementedError, match="not possible to assign"):
            layer.weight = target


def test_orthogonal_of_batches_and_by_default():
    layer = nn.Module()
    layer.weight = nn.Parameter(opsmith.randn(2, 5, 3))
    parametrizations.orthogonal(layer)
    assert layer.parametrizations.weight[0].orthogonal_map == "householder"
    assert layer.weight.shape == (2, 5, 3) and is_orthonormal(layer.weight)
    square = parametrizations.orthogonal(nn.Linear(3, 3))
    assert square.parametrizations.weight[0].orthogonal_map == "matrix_exp"
    with pytest.raises(ValueError, match='one of "matrix_exp", "cayley", "householder". Got: x'):
        parametrizations.orthogonal(nn.Linear(3, 3), orthogonal_map="x")
    with pytest.raises(ValueError, match="Got a tensor of 1 dimensions"):
        parametrizations.orthogonal(nn.Linear(3, 3), "bias")
    with pytest.raises(ValueError, match="Expected a matrix or batch of matrices of shape"):
        square.weight = opsmith.eye(2)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Conv2d, nn.BatchNorm2d, (2, 3, 5, 5)),
        (nn.ConvTranspose1d, nn.BatchNorm1d, (2, 3, 5)),
        (nn.Linear, nn.BatchNorm1d, (5, 3)),
    ],
)
def test_fusion(bias, layer, norm, shape):
    sizes = (3, 4) if layer is nn.Linear else (3, 4, 2)
    first, second = layer(*sizes, bias=bias), norm(4)
    x = opsmith.randn(*shape)
    with opsmith.no_grad():
        second.weight.uniform_(0.5, 2)
        second.bias.uniform_(-1, 1)
    for _ in range(5):
        second(first(opsmith.randn(*shape)))
    fuse = nn.utils.fuse_linear_bn_eval if layer is nn.Linear else nn.utils.fuse_conv_bn_eval
    more = (True,) if layer is nn.ConvTranspose1d else ()
    with pytest.raises(AssertionError, match="only for eval"):
        fuse(first, second, *more)
    first.eval(), second.eval()
    fused = fuse(first, second, *more)
    opsmith.testing.assert_close(fused(x), second(first(x)))
    assert type(fused) is layer and fused.weight.requires_grad and fused.bias is not first.bias
