"""Resizing, sliding windows, pooling back: against formulas and figures of PyTorch 2.13.0."""

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
    ("mode", "size", "expected"),
    [
        ("bilinear", (4, 12), (1.45687, 0.400014)),
        ("bilinear", (5, 3), (0.589568, -0.433701)),
        ("bicubic", (4, 12), (1.53203, 0.595821)),
        ("bicubic", (5, 3), (0.58903, -0.471596)),
    ],
)
def test_antialias(mode, size, expected):
    out = F.interpolate(ramp((2, 3, 9, 10)), size, mode=mode, antialias=True)
    assert digest(out) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_fractional_pooling_at_given_samples():
    out, at = F.fractional_max_pool2d(
        ramp((2, 3, 9, 10)), (2, 3), (4, 5), None, True, ramp((2, 3, 2), 0.0, 0.99)
    )
    assert digest(out) == pytest.approx((93.6165, -0.0199123), rel=1e-4)
    assert digest(at) == pytest.approx((5387.0, 2.16501), rel=1e-5)
    out, at = F.fractional_max_pool3d(
        ramp((1, 3, 5, 6, 7)), 2, None, (0.6, 0.5, 0.7), True, ramp((1, 3, 3), 0.0, 0.99)
    )
    assert digest(out) == pytest.approx((85.5141, -0.0744059), rel=1e-4)
    assert digest(at) == pytest.approx((10466.0, 84.2873), rel=1e-5)


@pytest.mark.parametrize("n", [2, 3])
def test_fractional_pooling_draws_windows(n):
    x = ramp((2, 2, *(7, 6, 5)[:n])).requires_grad_()
    pool = getattr(nn, f"FractionalMaxPool{n}d")(2, output_size=3, return_indices=True)
    opsmith.manual_seed(0)
    out, at = pool(x)
    assert out.shape == (2, 2, *(3,) * n)
    assert np.array_equal(
        out.detach().numpy().ravel(), x.detach().flatten(2).gather(2, at.flatten(2)).numpy().ravel()
    )
    out.sum().backward()
    assert x.grad.sum() == out.numel()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling_puts_back_what_was_pooled(n):
    x = ramp((2, 2, *(5, 6, 7)[:n]))
    pooled, at = getattr(nn, f"MaxPool{n}d")(2, return_indices=True)(x)
    pooled.requires_grad_()
    out = getattr(nn, f"MaxUnpool{n}d")(2)(pooled, at, output_size=x.size())
    kept = out.detach().numpy() != 0
    assert out.shape == x.shape and kept.sum() == (pooled.detach().numpy() != 0).sum()
    assert np.array_equal(out.detach().numpy()[kept], x.numpy()[kept])
    (out * x).sum().backward()
    assert np.allclose(pooled.grad.numpy(), pooled.detach().numpy())


def test_unpooling_refuses():
    pool = nn.MaxUnpool2d(2)
    x, at = opsmith.ones(1, 1, 2, 2), opsmith.full((1, 1, 2, 2), 16, dtype=opsmith.int64)
    with pytest.raises(RuntimeError, match="invalid max index: 16 .* 4x4"):
        pool(x, at)
    with pytest.raises(ValueError, match=r"invalid output_size '\[9, 4\]' \(dim 0 .* 2 and 6\)"):
        pool(x, at, output_size=(9, 4))
    with pytest.raises(RuntimeError, match="Expected shape of indices"):
        pool(x, at[:, :, :1])


def test_unfold_gathers_windows_and_fold_is_its_adjoint():
    x = ramp((2, 3, 5, 6))
    columns = F.unfold(x, (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2))
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (0, 0)))
    want = [padded[:, :, i : i + 3 : 2, j : j + 3].reshape(2, -1) for i in range(5) for j in (0, 2)]
    assert np.array_equal(columns.numpy(), np.stack(want, 2))
    y = ramp(columns.shape)
    back = F.fold(y, (5, 6), (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2))
    assert np.isclose(float((columns * y).sum()), float((back * x).sum()), rtol=1e-4)


def test_nearest_repeats():
    x = ramp((1, 2, 3, 4))
    want = x.numpy().repeat(2, 2).repeat(3, 3)
    assert np.array_equal(F.interpolate(x, scale_factor=(2, 3)).numpy(), want)
    assert np.array_equal(F.upsample_nearest(x, size=(6, 12)).numpy(), want)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({}, ValueError, "either size or scale_factor should be defined"),
        ({"size": 2, "scale_factor": 2}, ValueError, "only one of size or scale_factor"),
        ({"size": (2, 2, 2)}, ValueError, "same number of spatial dimensions"),
        ({"scale_factor": (2.0,)}, ValueError, "same number of spatial dimensions"),
        ({"size": 2, "align_corners": True}, ValueError, "align_corners option can only be set"),
        ({"size": 2, "mode": "trilinear"}, NotImplementedError, "Got 4D input, but trilinear"),
        ({"size": 2, "mode": "cubic"}, NotImplementedError, r"\(got cubic\)"),
        ({"size": 2, "antialias": True}, ValueError, "Anti-alias option is restricted"),
        ({"size": 0}, RuntimeError, "should be greater than 0"),
    ],
)  # fmt: skip
def test_interpolate_refuses(options, kind, text):
    with pytest.raises(kind, match=text):
        F.interpolate(ramp((1, 2, 3, 4)), **options)


def test_windows_and_channels_refuse():
    with pytest.raises(RuntimeError, match="divisible by the product of kernel_size"):
        F.fold(ramp((1, 5, 4)), 3, 2)
    with pytest.raises(RuntimeError, match=r"sliding blocks 2 \* 2 = 4, but got input.size\(2\)=5"):
        F.fold(ramp((1, 4, 5)), 3, 2)
    with pytest.raises(RuntimeError, match="stride should be greater than zero"):
        F.unfold(ramp((1, 1, 4, 5)), 2, stride=0)
    with pytest.raises(RuntimeError, match="Got 5 channels and 2 groups"):
        F.channel_shuffle(ramp((1, 5, 4)), 2)
    with pytest.raises(RuntimeError, match=r"input.size\(-1\)=5 is not divisible by 2"):
        F.pixel_unshuffle(ramp((1, 4, 5)), 2)
    with pytest.raises(RuntimeError, match="at least 3 dimensions"):
        opsmith.pixel_shuffle(ramp((4, 5)), 2)


def test_printing():
    assert repr(nn.Upsample(scale_factor=2)) == "Upsample(scale_factor=2.0, mode='nearest')"
    assert repr(nn.Upsample((3, 4), mode="area")) == "Upsample(size=(3, 4), mode='area')"
    assert repr(nn.Fold((4, 5), 2)) == (
        "Fold(output_size=(4, 5), kernel_size=2, dilation=1, padding=0, stride=1)"
    )
    assert (
        repr(nn.MaxUnpool2d(2)) == "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"
    )
    assert repr(nn.LPPool2d(2, 3)) == (
        "LPPool2d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)"
    )


def test_feature_alpha_dropout_drops_whole_channels():
    opsmith.manual_seed(0)
    layer = nn.FeatureAlphaDropout(0.5)
    out = layer(opsmith.ones(20, 5, 3)).numpy()
    assert (out == out[:, :, :1]).all()
    assert len(np.unique(out)) == 2
    assert layer.eval()(opsmith.ones(2, 3)).sum() == 6


@pytest.mark.parametrize("n", [1, 2, 3])
def test_names_that_always_give_places(n):
    x = ramp((2, 2, *(5, 6, 4)[:n]))
    values, at = getattr(F, f"adaptive_max_pool{n}d_with_indices")(x, 2)
    assert np.array_equal(
        x.flatten(2).gather(2, at.flatten(2)).reshape(values.shape).numpy(), values.numpy()
    )
    if n > 1:
        values, at = getattr(F, f"fractional_max_pool{n}d_with_indices")(x, 2, 2)
        assert np.array_equal(
            x.flatten(2).gather(2, at.flatten(2)).reshape(values.shape).numpy(), values.numpy()
        )


def test_activations_in_place():
    for name in ("celu_", "rrelu_"):
        x = ramp((4,))
        want = getattr(F, name.removesuffix("_"))(x.clone())
        assert getattr(F, name)(x) is x
        assert np.array_equal(x.numpy(), want.numpy())


def test_images_of_bytes_are_rounded():
    x = opsmith.arange(0, 160, 10).view(1, 1, 4, 4).to(opsmith.uint8)
    got = F.interpolate(x, size=7, mode="bilinear")
    assert got.dtype is opsmith.uint8 and got[0, 0, 1].tolist() == [14, 18, 24, 29, 35, 41, 44]
    with pytest.raises(NotImplementedError, match="bilinear not implemented for .*int32"):
        F.interpolate(x.to(opsmith.int32), size=7, mode="bilinear")
