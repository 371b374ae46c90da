"""Order statistics, distinct elements, search: against NumPy, for every dtype and algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith.autograd import gradcheck, gradgradcheck

DTYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
SIZES = (1, 5, 17, 100, 5000)  # insertion, merges, radix


def array(shape: Any, dtype: str = "float64", ties: bool = False) -> Any:
    rng = np.random.default_rng(3)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("float"):
        a = rng.normal(size=shape) * 10
        return (np.round(a) if ties else a).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def strided(a: Any) -> Any:
    return opsmith.tensor(np.ascontiguousarray(a.T)).permute(*reversed(range(a.ndim)))


def leaf(*shape: int) -> Any:
    return opsmith.tensor(array(shape)).requires_grad_()


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sort(dtype: str, n: int) -> None:
    a = array((n,), dtype)
    values, indices = opsmith.tensor(a).sort()
    assert np.array_equal(values.numpy(), np.sort(a))
    assert np.array_equal(indices.numpy(), np.argsort(a, kind="stable"))
    values, indices = opsmith.sort(opsmith.tensor(a), descending=True)
    assert np.array_equal(values.numpy(), np.sort(a)[::-1])
    assert np.array_equal(a[indices.numpy()], values.numpy())


@pytest.mark.parametrize("n", SIZES)
def test_sort_is_stable_both_ways(n: int) -> None:
    a = np.arange(n) % 3
    x = opsmith.tensor(a)
    assert np.array_equal(x.argsort().numpy(), np.argsort(a, kind="stable"))
    assert np.array_equal(x.argsort(descending=True).numpy(), np.argsort(-a, kind="stable"))


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_sort_along_any_dim_and_stride(dim: int) -> None:
    a = array((3, 4, 5), ties=True)
    for x in (opsmith.tensor(a), strided(a), opsmith.tensor(np.repeat(a, 2, 0))[::2]):
        values, indices = x.sort(dim)
        assert np.array_equal(values.numpy(), np.sort(a, dim))
        assert np.array_equal(indices.numpy(), np.argsort(a, dim, kind="stable"))


@pytest.mark.parametrize("n", [6, 4000])
def test_nan_is_largest_and_zeros_are_equal(n: int) -> None:
    a = np.resize([np.nan, -0.0, np.inf, 0.0, -np.inf, np.nan], n)
    values, indices = opsmith.tensor(a).sort()
    assert np.array_equal(values.numpy(), np.sort(a), equal_nan=True)
    assert np.array_equal(indices.numpy(), np.argsort(a, kind="stable"))
    top = opsmith.tensor(a).topk(2).values
    assert top.isnan().all()


def test_sort_results() -> None:
    out = opsmith.tensor([3, 1]).sort()
    assert out.values.tolist() == [1, 3]
    assert type(out).__name__ == "sort"
    zero = opsmith.tensor(5.0).sort()
    assert zero.values.shape == ()
    assert zero.indices.item() == 0
    assert opsmith.zeros(0).sort().values.shape == (0,)
    with pytest.raises(IndexError, match="out of range"):
        opsmith.zeros(2).sort(1)


@pytest.mark.parametrize("k", [0, 1, 3, 40, 100])
@pytest.mark.parametrize("largest", [True, False])
def test_topk(k: int, largest: bool) -> None:
    a = np.random.default_rng(0).permutation(100) * 0.5
    values, indices = opsmith.tensor(a).topk(k, largest=largest)
    want = np.sort(a)[::-1][:k] if largest else np.sort(a)[:k]
    assert np.array_equal(values.numpy(), want)
    assert np.array_equal(a[indices.numpy()], want)


def test_topk_takes_the_first_of_equals() -> None:
    assert opsmith.tensor([1, 2, 2, 0, 2]).topk(2).indices.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="selected index k out of range"):
        opsmith.zeros(3).topk(4)


@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_kthvalue_and_median(n: int) -> None:
    a = array((4, n), ties=True)
    x = opsmith.tensor(a)
    ordered = np.sort(a, 1)
    for k in (1, (n + 1) // 2, n):
        values, indices = x.kthvalue(k, 1)
        assert np.array_equal(values.numpy(), ordered[:, k - 1])
        assert np.array_equal(
            np.take_along_axis(a, indices.numpy()[:, None], 1)[:, 0], values.numpy()
        )
    assert np.array_equal(x.median(1).values.numpy(), ordered[:, (n - 1) // 2])
    assert x.median().item() == np.sort(a, None)[(a.size - 1) // 2]
    with pytest.raises(RuntimeError, match="out of range for dimension 1"):
        x.kthvalue(n + 1, 1)


def test_median_and_nan() -> None:
    x = opsmith.tensor([[3.0, float("nan"), 1.0, float("nan")], [4.0, 3.0, 2.0, 1.0]])
    assert x.median().isnan()
    assert x.nanmedian().item() == 2
    values, indices = x.median(1)
    assert values[0].isnan()
    assert indices[0].item() == 1
    assert x.nanmedian(1).values.tolist() == [1, 2]
    assert opsmith.zeros(0).median().isnan()
    with pytest.raises(IndexError, match="non-zero size"):
        opsmith.zeros(2, 0).median(1)


def test_mode() -> None:
    values, indices = opsmith.tensor([[2, 1, 2, 1], [3, 3, 0, 3]]).mode()
    assert values.tolist() == [1, 3]
    assert indices.tolist() == [3, 3]


METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dim", [None, 0, 1])
def test_quantile(method: Any, dim: int | None) -> None:
    a = array((5, 4))
    q = np.array([0.0, 0.3, 0.71, 1.0])
    got = opsmith.quantile(opsmith.tensor(a), opsmith.tensor(q), dim, interpolation=method)
    assert np.allclose(got.numpy(), np.quantile(a, q, dim, method=method))
    a[1, 2] = np.nan
    got = opsmith.nanquantile(opsmith.tensor(a), 0.4, dim, True, interpolation=method)
    assert np.allclose(got.numpy(), np.nanquantile(a, 0.4, dim, method=method, keepdims=True))
    assert opsmith.quantile(opsmith.tensor(a), 0.5).isnan()


def test_quantile_errors() -> None:
    x = opsmith.zeros(3)
    with pytest.raises(RuntimeError, match="range \\[0, 1\\]"):
        opsmith.quantile(x, 1.5)
    with pytest.raises(RuntimeError, match="float or double"):
        opsmith.quantile(opsmith.tensor([1, 2]), 0.5)
    with pytest.raises(RuntimeError, match="non-empty"):
        opsmith.quantile(opsmith.zeros(0), 0.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_unique(dtype: str, n: int) -> None:
    a = array((n,), dtype, ties=True)
    got = opsmith.unique(opsmith.tensor(a), return_inverse=True, return_counts=True)
    want = np.unique(a, return_inverse=True, return_counts=True)
    for g, w in zip(got, want, strict=True):
        assert np.array_equal(g.numpy(), w)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_unique_slices(dim: int) -> None:
    a = np.random.default_rng(1).integers(0, 2, (5, 6))
    values, inverse, counts = opsmith.unique(
        opsmith.tensor(a), return_inverse=True, return_counts=True, dim=dim
    )
    want = np.unique(a, return_inverse=True, return_counts=True, axis=dim)
    assert np.array_equal(values.numpy(), want[0])
    assert np.array_equal(inverse.numpy(), want[1].reshape(-1))
    assert np.array_equal(counts.numpy(), want[2])


def test_unique_consecutive() -> None:
    x = opsmith.tensor([1, 1, 2, 2, 2, 1])
    values, inverse, counts = opsmith.unique_consecutive(x, True, True)
    assert values.tolist() == [1, 2, 1]
    assert inverse.tolist() == [0, 0, 1, 1, 1, 2]
    assert counts.tolist() == [2, 3, 1]


def test_every_nan_is_distinct() -> None:
    x = opsmith.tensor([float("nan"), 1.0, float("nan")])
    assert opsmith.unique(x).shape == (3,)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", DTYPES[:8])
def test_searchsorted(right: bool, dtype: str) -> None:
    a, v = np.sort(array((20,), dtype, ties=True)), array((4, 6), dtype, ties=True)
    side: Any = "right" if right else "left"
    want = np.searchsorted(a, v, side)
    assert np.array_equal(
        opsmith.searchsorted(opsmith.tensor(a), strided(v), right=right).numpy(), want
    )
    got = opsmith.bucketize(opsmith.tensor(v), opsmith.tensor(a), right=right, out_int32=True)
    assert got.dtype is opsmith.int32
    assert np.array_equal(got.numpy(), want)


def test_searchsorted_lines_and_sorter() -> None:
    lines = np.array([[3.0, 1.0, 2.0], [9.0, 8.0, 7.0]])
    x = opsmith.tensor(lines)
    values = opsmith.tensor([[2.0], [8.5]], dtype=opsmith.float64)
    want = [[1], [2]]
    assert opsmith.searchsorted(x.sort()[0], values).tolist() == want
    assert opsmith.searchsorted(x, values, sorter=x.argsort()).tolist() == want
    with pytest.raises(RuntimeError, match="can't be set to opposites"):
        opsmith.searchsorted(x, values, side="left", right=True)
    with pytest.raises(RuntimeError, match="should have same dtype"):
        opsmith.searchsorted(x, values.to(opsmith.float32))


def test_isin() -> None:
    a, b = np.arange(12).reshape(3, 4), np.array([3, 7, 99])
    got = opsmith.isin(opsmith.tensor(a), opsmith.tensor(b))
    assert np.array_equal(got.numpy(), np.isin(a, b))
    assert opsmith.isin(opsmith.tensor(a), 5, invert=True).sum() == 11
    assert not opsmith.isin(opsmith.tensor(a), opsmith.zeros(0)).any()
    nan = opsmith.tensor([float("nan")])
    assert not opsmith.isin(nan, nan).item()


def test_counts() -> None:
    a = np.array([1, 1, 4, 0])
    x = opsmith.tensor(a)
    assert np.array_equal(x.bincount().numpy(), np.bincount(a))
    weights = np.array([0.5, 1, 2, 4])
    got = opsmith.bincount(x, opsmith.tensor(weights), 7)
    assert np.array_equal(got.numpy(), np.bincount(a, weights, 7))
    with pytest.raises(RuntimeError, match="non-negative"):
        opsmith.bincount(-x)
    v = array((200,))
    assert np.array_equal(
        opsmith.histc(opsmith.tensor(v), 7, -10, 12).numpy(), np.histogram(v, 7, (-10, 12))[0]
    )


GRADIENTS = {
    "sort": lambda x: x.sort(0)[0] ** 2,
    "topk": lambda x: x.topk(2, 1).values ** 2,
    "kthvalue": lambda x: x.kthvalue(2, keepdim=True).values ** 2,
    "median": lambda x: x.median() ** 2,
    "median_dim": lambda x: x.median(0).values ** 2,
    "mode": lambda x: x.mode(0).values ** 2,
    "max": lambda x: x.max(1).values ** 2,
    "aminmax": lambda x: tuple(v**2 for v in opsmith.aminmax(x, dim=0)),
    "one of aminmax": lambda x: opsmith.aminmax(x).max ** 2,
    "quantile": lambda x: opsmith.quantile(x, 0.3, 0) ** 2,
    "masked_select": lambda x: x.masked_select(x.detach() > 0) ** 2,
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str) -> None:
    x = (leaf(4, 3),)
    gradcheck(GRADIENTS[name], x)
    gradgradcheck(GRADIENTS[name], x)


def test_a_sorted_input_may_be_overwritten() -> None:
    """Gradients of selections keep positions and the shape, not the input."""
    x = leaf(4)
    y = x * 2
    out = y.sort()[0]
    y.zero_()
    out.sum().backward()
    assert x.grad.tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_quantiles_of_shapes_alone(name: str) -> None:
    """A number q goes where the input is."""
    x = opsmith.empty(3, 4, device="meta")
    fn = getattr(opsmith, name)
    assert fn(x, 0.5).shape == () and fn(x, 0.5, dim=1).shape == (3,)
    two = opsmith.empty(2, device="meta")
    assert fn(x, two, dim=1, keepdim=True).shape == (2, 3, 1)
