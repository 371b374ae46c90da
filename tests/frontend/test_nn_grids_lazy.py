"""Sampling at grids, lazy modules and the rarer normalisations: figures of PyTorch 2.13.0."""

import copy
import pickle

import numpy as np
import pytest

import opsmith
from opsmith import nn
from opsmith.nn import functional as F


def ramp(shape, low=-1.0, high=1.0):
    """Values that differ from each other and run all over [low, high]."""
    steps = np.arange(int(np.prod(shape))) * 373 % 997 / 996
    return opsmith.from_numpy((low + (high - low) * steps).astype(np.float32).reshape(shape))


def digest(tensor):
    """Two figures that depend on every element and its place."""
    flat = tensor.detach().numpy().astype(np.float64).ravel()
    return float(flat.sum()), float(flat @ np.cos(np.arange(flat.size)))


@pytest.mark.parametrize(
    ("shape", "mode", "padding", "align", "value", "image", "places"),
    [
        (
            (2, 3, 5, 6),
            "bilinear",
            "zeros",
            False,
            (5.80682, 0.163621),
            (9.54823, 9.30262),
            (-29.2473, 1.55948),
        ),
        (
            (2, 3, 5, 6),
            "bilinear",
            "border",
            True,
            (-6.24229, -0.0849232),
            (-12.4846, 9.05799),
            (-50.154, -15.9501),
        ),
        (
            (2, 3, 5, 6),
            "bilinear",
            "reflection",
            False,
            (3.53641, 0.354581),
            (7.07282, 2.95945),
            (-26.1346, -9.78857),
        ),
        (
            (2, 3, 5, 6),
            "nearest",
            "zeros",
            True,
            (-0.65261, -0.295401),
            (-1.30522, 0.932797),
            (0.0, 0.0),
        ),
        (
            (2, 3, 5, 6),
            "nearest",
            "reflection",
            True,
            (7.44177, -0.836929),
            (14.8835, -21.4518),
            (0.0, 0.0),
        ),
        (
            (2, 3, 5, 6),
            "bicubic",
            "zeros",
            True,
            (-1.59952, -0.0313284),
            (6.2337, 15.9663),
            (-85.0008, 3.1214),
        ),
        (
            (2, 3, 5, 6),
            "bicubic",
            "border",
            False,
            (-2.31126, 0.47292),
            (-4.62251, 7.20514),
            (-7.1159, -14.672),
        ),
        (
            (2, 3, 5, 6),
            "bicubic",
            "reflection",
            True,
            (7.19283, -0.196609),
            (14.3857, -4.33168),
            (-46.3161, -11.8486),
        ),
        (
            (2, 2, 4, 5, 3),
            "bilinear",
            "reflection",
            False,
            (6.87102, 1.40501),
            (13.742, 10.0365),
            (-8.24742, -12.0288),
        ),
    ],
)
def test_grid_sample(shape, mode, padding, align, value, image, places):
    x = ramp(shape).requires_grad_()
    at = (2, 4, 7, 2) if len(shape) == 4 else (2, 3, 4, 2, 3)
    grid = ramp(at, -1.3, 1.4).requires_grad_()
    out = F.grid_sample(x, grid, mode, padding, align)
    (out * out).sum().backward()
    assert digest(out) == pytest.approx(value, rel=1e-4, abs=1e-4)
    assert digest(x.grad) == pytest.approx(image, rel=1e-4, abs=1e-3)
    moved = (0.0, 0.0) if grid.grad is None else digest(grid.grad)
    assert moved == pytest.approx(places, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(3, (2.03314, -1.487)), (4, (2.12553, -1.54211)), (5, (2.17912, -1.57106))],
)
def test_cross_map_lrn(size, expected):
    assert digest(nn.CrossMapLRN2d(size, alpha=0.5)(ramp((2, 7, 3, 2)))) == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("sizes", [(4, 5), (3, 2, 4)])
def test_identity_grid_is_the_image(sizes, align):
    n = len(sizes)
    theta = opsmith.eye(n, n + 1).unsqueeze(0).expand(2, -1, -1)
    x = ramp((2, 3, *sizes))
    grid = F.affine_grid(theta, x.shape, align)
    assert grid.shape == (2, *sizes, n)
    assert np.allclose(F.grid_sample(x, grid, align_corners=align).numpy(), x.numpy(), atol=1e-6)


def test_grids_refuse():
    x, grid = ramp((1, 1, 3, 3)), ramp((1, 2, 2, 2))
    with pytest.raises(ValueError, match="expected mode to be 'bilinear', 'nearest', or 'bicubic'"):
        F.grid_sample(x, grid, "linear", align_corners=False)
    with pytest.raises(RuntimeError, match="same batch size"):
        F.grid_sample(x, ramp((2, 2, 2, 2)), align_corners=False)
    with pytest.raises(RuntimeError, match="size 2 in last dimension"):
        F.grid_sample(x, ramp((1, 2, 2, 3)), align_corners=False)
    with pytest.raises(ValueError, match="Expected a batch of 2D affine matrices of shape Nx2x3"):
        F.affine_grid(ramp((1, 3, 3)), (1, 1, 2, 2), False)
    with pytest.warns(UserWarning, match="align_corners=False since 1.3.0"):
        F.grid_sample(x, grid)


LAZY = [
    ("LazyLinear", (5,), (2, 3)),
    *((f"LazyConv{n}d", (4, 2), (2, 3, *(4,) * n)) for n in (1, 2, 3)),
    *((f"LazyConvTranspose{n}d", (4, 2), (2, 3, *(4,) * n)) for n in (1, 2, 3)),
    ("LazyBatchNorm1d", (), (2, 3)),
    *((f"LazyBatchNorm{n}d", (), (2, 3, *(4,) * n)) for n in (2, 3)),
    *((f"LazyInstanceNorm{n}d", (), (2, 3, *(4,) * n)) for n in (1, 2, 3)),
]


@pytest.mark.parametrize(("name", "args", "shape"), LAZY)
def test_lazy_modules_become_what_they_stand_for(name, args, shape):
    lazy = getattr(nn, name)(*args)
    assert repr(lazy.weight) == "<UninitializedParameter>"
    plain = getattr(nn, name.removeprefix("Lazy"))
    filled = copy.deepcopy(lazy)
    weight = lazy.weight
    x = ramp(shape)
    out = lazy(x)
    assert type(lazy) is plain
    assert lazy.weight is weight and type(weight) is nn.Parameter
    filled.load_state_dict(lazy.state_dict())
    lazy.eval()
    filled.eval()
    assert np.array_equal(lazy(x).numpy(force=True), filled(x).numpy(force=True))
    assert repr(lazy) == repr(filled)
    out.sum().backward()
    assert weight.grad.shape == weight.shape


def test_lazy_parameters_have_no_shape_yet():
    layer = nn.LazyLinear(2)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized"):
        layer.weight.shape  # noqa: B018
    assert layer.has_uninitialized_params()
    assert list(layer.state_dict()) == ["weight", "bias"]
    again = pickle.loads(pickle.dumps(layer.weight))
    assert type(again) is nn.UninitializedParameter
    again.materialize((2, 3))
    assert again.shape == (2, 3) and again.requires_grad
    with pytest.raises(ValueError, match="divisible by groups"):
        nn.LazyConv1d(4, 2, groups=2)(ramp((2, 3, 4)))


def test_sync_batch_norm_takes_over():
    model = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm1d(2)))
    model.eval()
    weight = model[1].weight
    plain = copy.deepcopy(model[:2]).train()
    model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert type(model[1]) is type(model[2][0]) is nn.SyncBatchNorm
    assert model[1].weight is weight and not model[1].training
    x = ramp((2, 3, 4, 4))
    model.train()
    assert np.allclose(model[:2](x).numpy(force=True), plain(x).numpy(force=True))
    assert np.allclose(model[1].running_var.numpy(), plain[1].running_var.numpy())
    with pytest.raises(ValueError, match="expected at least 2D input"):
        model[1](ramp((4,)))
