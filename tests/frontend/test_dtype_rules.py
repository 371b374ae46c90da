"""Which dtypes ops take and what they give, where a formula alone would take more or less."""

from __future__ import annotations

import pytest

import opsmith as torch
from opsmith.nn import functional as F

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def ones(dtype, *shape):
    return torch.ones(*shape).to(dtype)


def pair(fn):
    return lambda d: fn(ones(d, 3), ones(d, 3))


def one(fn, *shape):
    return lambda d: fn(ones(d, *(shape or (3,))))


FLOATS_ONLY = {
    "hypot": pair(torch.hypot),
    "logaddexp": pair(torch.logaddexp),
    "leaky_relu": one(F.leaky_relu),
    "hardsigmoid": one(F.hardsigmoid),
    "hardswish": one(F.hardswish),
    "prelu": lambda d: F.prelu(ones(d, 3), ones(d, 1)),
    "max_pool1d": lambda d: F.max_pool1d(ones(d, 1, 4), 2),
    "adaptive_max_pool2d": lambda d: F.adaptive_max_pool2d(ones(d, 1, 4, 4), 2),
    "mse_loss": pair(F.mse_loss),
    "round": lambda d: torch.round(ones(d, 3), decimals=1),
    "batch_norm": lambda d: F.batch_norm(ones(d, 2, 3), ones(d, 3), ones(d, 3)),
}
NO_BOOL = {
    "softsign": one(F.softsign),
    "tanhshrink": one(F.tanhshrink),
    "clamp": lambda d: torch.clamp(ones(d, 3), ones(d, 3), ones(d, 3)),
    "positive": one(torch.positive),
    "argmax": one(torch.argmax),
    "argmin": one(torch.argmin),
    "trace": one(torch.trace, 2, 2),
    "topk": lambda d: torch.topk(ones(d, 3), 1),
    "kthvalue": lambda d: torch.kthvalue(ones(d, 3), 1),
    "median": one(torch.median),
    "nanmedian": one(torch.nanmedian),
    "searchsorted": pair(torch.searchsorted),
    "bucketize": pair(torch.bucketize),
    "isin": pair(torch.isin),
    "trapezoid": one(torch.trapezoid),
    "cov": one(torch.cov, 2, 3),
}


@pytest.mark.parametrize("dtype", (*INTEGERS, torch.bool), ids=str)
@pytest.mark.parametrize("name", FLOATS_ONLY)
def test_floats_only(name, dtype):
    with pytest.raises(NotImplementedError, match="not implemented for"):
        FLOATS_ONLY[name](dtype)
    FLOATS_ONLY[name](torch.float32)


@pytest.mark.parametrize("name", NO_BOOL)
def test_no_booleans(name):
    with pytest.raises(NotImplementedError, match=f'"{name}.*" not implemented for \'Bool\''):
        NO_BOOL[name](torch.bool)
    NO_BOOL[name](torch.int64)


def test_an_accepted_operand_makes_the_others_accepted():
    assert torch.hypot(torch.tensor([3]), torch.tensor([4.0])).tolist() == [5]
    assert F.mse_loss(torch.tensor([3]), torch.tensor([1.0])).item() == 4


RESULTS = [
    (lambda: torch.square(torch.tensor([True])), torch.int64),
    (lambda: torch.square(ones(torch.int8, 2)), torch.int8),
    (lambda: F.softsign(torch.tensor([1])), torch.float32),
    (lambda: F.tanhshrink(torch.tensor([1])), torch.float32),
    (lambda: torch.trapezoid(torch.tensor([1, 2])), torch.float32),
    (lambda: torch.vander(ones(torch.int16, 3)), torch.int64),
    (lambda: torch.vander(torch.tensor([True])), torch.int64),
    (lambda: torch.argsort(ones(torch.int8, 3)), torch.int64),
    (lambda: torch.nonzero(ones(torch.float16, 3)), torch.int64),
    (lambda: torch.argwhere(torch.tensor([True])), torch.int64),
    (lambda: torch.count_nonzero(ones(torch.uint8, 3)), torch.int64),
]


@pytest.mark.parametrize(("use", "dtype"), RESULTS)
def test_result_dtype(use, dtype):
    assert use().dtype is dtype


def test_factors_of_integer_products_are_truncated():
    """As PyTorch does: the sum stays an integer whatever the factors are."""
    a = torch.ones(2, 2).long()
    assert torch.addmm(a, a, a, alpha=2.5).tolist() == [[5, 5], [5, 5]]
    assert torch.addmm(a, a, a, beta=0.5, alpha=2.5).tolist() == [[4, 4], [4, 4]]
    assert torch.addmv(a[0], a, a[0], beta=1.5, alpha=2.5).tolist() == [5, 5]
    assert torch.baddbmm(a[None], a[None], a[None], beta=0).dtype is torch.int64
    half = torch.ones(2, 2)
    assert torch.addmm(half, half, half, beta=0.5, alpha=2.5).tolist() == [[5.5, 5.5], [5.5, 5.5]]


def test_the_integral_of_narrow_integers_does_not_overflow():
    y = torch.tensor([100, 100, 3], dtype=torch.int8)
    assert torch.trapezoid(y).item() == 151.5 and torch.trapezoid(y, dx=2).item() == 303


# Shapes that the fuzz test found ------------------------------------------------------------------


def test_two_long_lists_in_one_call():
    """Lists of more than four ints wait in memory: each in its own."""
    x = torch.arange(64)
    got = torch.as_strided(x, (1, 2, 1, 2, 3), (1, 8, 1, 16, 2))
    assert got.tolist() == [[[[[0, 2, 4], [16, 18, 20]]], [[[8, 10, 12], [24, 26, 28]]]]]


@pytest.mark.parametrize("key", ["kernel_size", "stride", "padding"])
def test_lists_of_the_wrong_length(key):
    arguments = {"kernel_size": 2, key: [1, 1, 1]}
    with pytest.raises(RuntimeError, match="a single int or a list of 2 ints"):
        F.max_pool2d(torch.ones(1, 1, 4, 4), **arguments)


def test_lists_of_one():
    """An op of one axis takes one value, alone or in a list."""
    x, w = torch.ones(2, 4), torch.ones(3, 2, 2)
    for stride in ([1, 1], [], (2, 0, 0)):
        with pytest.raises(RuntimeError, match="a single int or a list of one, but got"):
            F.conv1d(x, w, None, stride)
    assert F.conv1d(x, w, None, [2]).shape == F.conv1d(x, w, None, 2).shape == (3, 2)


def test_a_convolution_without_taps_is_its_bias():
    x, w = torch.ones(4, 1, requires_grad=True), torch.empty(6, 2, 0)
    y = F.conv1d(x, w, torch.arange(6.0), 5, 1, 2, 2)
    assert y.tolist() == [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
    y.sum().backward()
    assert x.grad.tolist() == [[0.0]] * 4


def test_adaptive_sizes_of_the_wrong_length():
    with pytest.raises(RuntimeError, match="must be 2 sizes for an input of at least 2 dimensions"):
        F.adaptive_avg_pool2d(torch.ones(2, 3, 4), (1, 2, 3))


@pytest.mark.parametrize("loss", [F.nll_loss, F.cross_entropy])
def test_classes_fit_their_scores(loss):
    """One class is not broadcast over a batch."""
    with pytest.raises(ValueError, match=r"batch_size \(3\) to match target batch_size \(1\)"):
        loss(torch.ones(3, 4), torch.tensor([1]))
    with pytest.raises(ValueError, match=r"target batch_size \(0\)"):
        loss(torch.ones(3, 4), torch.tensor(1))
    with pytest.raises(RuntimeError, match=r"Expected target size \[3, 5\], got \[3, 4\]"):
        loss(torch.ones(3, 4, 5), torch.ones(3, 4).long())
    assert loss(torch.ones(4), torch.tensor([1])).shape == ()


def test_pooling_refuses_empty_windows():
    for use in (
        lambda: F.max_pool1d(torch.ones(3, 0), 2, padding=1),
        lambda: F.avg_pool1d(torch.ones(3, 0), 2, padding=1),
        lambda: F.max_pool2d(torch.ones(3, 2, 0), 2, padding=1),
        lambda: F.avg_pool2d(torch.ones(3, 2, 0), 2, padding=1),
    ):
        with pytest.raises(RuntimeError, match="optional 0 dim batch size"):
            use()
    assert F.max_pool2d(torch.ones(0, 3, 2, 2), 2).shape == (0, 3, 1, 1)


@pytest.mark.parametrize("norm", [F.layer_norm, F.rms_norm])
def test_norms_compare_all_of_normalized_shape(norm):
    x = torch.ones(2, 3, 4)
    with pytest.raises(RuntimeError, match=r"expected input with shape \[\*, 7, 4\]"):
        norm(x, [7, 4])
    with pytest.raises(RuntimeError, match="expected input with shape"):
        norm(x, [5])
    with pytest.raises(RuntimeError, match="at least 1-dimensional"):
        norm(x, [])
    assert norm(x, [3, 4]).shape == (2, 3, 4)


@pytest.mark.parametrize("count", [0, 2])
def test_a_scalar_has_one_place_to_select(count):
    """Without this no element, or an element twice, would be selected into a tensor of one."""
    with pytest.raises(RuntimeError, match=f"Index to scalar can have only 1 value, got {count}"):
        torch.index_select(torch.tensor(1.0), 0, torch.zeros(count, dtype=torch.int64))
    assert torch.index_select(torch.tensor(1.0), 0, torch.zeros(1, dtype=torch.int64)).item() == 1
