"""Comes in: the registry's reductions, compiled.
Goes out: verdicts on values, shapes, dtypes, strides, errors and threads, against NumPy.
Must not know: the frontend or gradients.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from opsmithc.emit import render
from opsmithc.lower import reduce
from opsmithc.opdef import Reduce

from .accumulate import EVERY, FLOATS, INTEGERS, Library, entries, layouts, numbers

OPS = entries(Reduce)
SHAPES = [
    (), (1,), (7,), (8,), (63,), (64,), (65,), (130,), (4097,), (3, 5), (5, 1), (1, 70), (129, 3),
    (2, 3, 4), (7, 66, 5), (3, 1, 2, 9), (20000,), (130, 520), (9, 2, 8300),
]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("reduce"), Reduce)


def subsets(ndim: int):
    """Every set of dims, and None for all."""
    yield None
    for n in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), n)


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64 if x.dtype.kind == "f" else np.int64)


def logsumexp(x, axis, keepdims):
    m = x.max(axis=axis, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    total = np.log(np.exp(x - m).sum(axis=axis, keepdims=True)) + m
    return total if keepdims else total.squeeze(tuple(range(x.ndim)) if axis is None else axis)


VALUES = {
    "sum": lambda x, a, k: wide(x).sum(axis=a, keepdims=k),
    "mean": lambda x, a, k: wide(x).mean(axis=a, keepdims=k),
    "prod": lambda x, a, k: wide(x).prod(axis=a, keepdims=k),
    "nansum": lambda x, a, k: np.nansum(wide(x), axis=a, keepdims=k),
    "nanmean": lambda x, a, k: np.nanmean(wide(x), axis=a, keepdims=k),
    "count_nonzero": lambda x, a, k: np.count_nonzero(x, axis=a, keepdims=k),
    "any": lambda x, a, k: x.any(axis=a, keepdims=k),
    "all": lambda x, a, k: x.all(axis=a, keepdims=k),
    "amax": lambda x, a, k: x.max(axis=a, keepdims=k),
    "amin": lambda x, a, k: x.min(axis=a, keepdims=k),
    "logsumexp": lambda x, a, k: logsumexp(wide(x).astype(np.float64), a, k),
    "norm_1": lambda x, a, k: np.abs(wide(x)).sum(axis=a, keepdims=k),
    "norm_2": lambda x, a, k: np.sqrt(np.square(wide(x)).sum(axis=a, keepdims=k)),
    "norm_inf": lambda x, a, k: np.abs(x).max(axis=a, keepdims=k),
}  # fmt: skip
ONLY_FLOATS = {"mean", "nanmean", "norm_1", "norm_2", "norm_inf", "var", "std"}
LONG = {"sum", "prod", "nansum", "count_nonzero"}
TOLERANCE = {np.float64: 1e-13, np.float32: 2e-6, np.float16: 2e-3}


def result_dtype(name: str, dtype):
    if name in ("any", "all"):
        return np.uint8 if dtype == np.uint8 else np.bool_
    if name == "count_nonzero" or (name in LONG and dtype not in FLOATS):
        return np.int64
    if name == "logsumexp" and dtype not in FLOATS:
        return np.float32
    return dtype


def check(found, expected, dtype) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    with np.errstate(over="ignore"):
        expected = expected.astype(found.dtype)
    scale = TOLERANCE[found.dtype.type]
    np.testing.assert_allclose(found, expected, rtol=scale, atol=20 * scale)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_values_of_every_shape_layout_and_dtype(library: Library, name: str) -> None:
    rng = np.random.default_rng(1)
    for n, shape in enumerate(SHAPES):
        few = name == "prod" and np.prod(shape, dtype=int) > 70
        for dtype in FLOATS if name in ONLY_FLOATS else EVERY:
            if few or (n > 9 and dtype not in (np.float32, np.float64, np.int16, np.bool_)):
                continue
            for _, x in layouts(rng, shape, dtype):
                for dims in subsets(x.ndim) if x.size < 2000 else [None, *range(x.ndim)]:
                    keepdim = bool(rng.integers(2))
                    if name == "prod" and x.dtype.kind == "i":
                        x = np.clip(x, -2, 2)
                    found = library.reduce(name, x, dims, keepdim)
                    assert found.dtype == result_dtype(name, dtype)
                    check(found, VALUES[name](x, dims, keepdim), dtype)


@pytest.mark.parametrize("correction", [0, 1, 2.5])
@pytest.mark.parametrize("name", ["var", "std"])
def test_variance(library: Library, name: str, correction: float) -> None:
    rng = np.random.default_rng(2)
    for shape in SHAPES:
        for dtype in FLOATS:
            for _, x in layouts(rng, shape, dtype):
                for dims in [None, *range(x.ndim)]:
                    with warnings.catch_warnings(), np.errstate(all="ignore"):
                        warnings.simplefilter("ignore")
                        n = x.size if dims is None else x.shape[dims]
                        squares = np.square(wide(x) - wide(x).mean(axis=dims, keepdims=True))
                        expected = squares.sum(axis=dims) / max(n - correction, 0)
                        expected = np.sqrt(expected) if name == "std" else expected
                    if n <= correction:  # 0 / 0, or a positive sum of rounding errors by 0
                        continue
                    check(library.reduce(name, x, dims, scalars=[correction]), expected, dtype)


def test_variance_without_degrees_of_freedom(library: Library) -> None:
    one = np.ones((1,), np.float32)
    assert np.isnan(library.reduce("var", one, scalars=[1]))
    assert library.reduce("var", one, scalars=[0]) == 0
    assert library.reduce("var", np.arange(3.0), scalars=[7]) == np.inf
    assert np.isnan(library.reduce("var", np.empty(0), scalars=[1]))
    assert np.isnan(library.reduce("var", np.array([np.inf, 1.0]), scalars=[1]))


def test_variance_far_from_zero(library: Library) -> None:
    x = np.random.default_rng(3).standard_normal(100000).astype(np.float32) + np.float32(4096)
    expected = x.astype(np.float64).var(ddof=1)
    assert abs(library.reduce("var", x, scalars=[1]) / expected - 1) < 1e-5


@pytest.mark.parametrize("name", ["argmax", "argmin", "max_dim", "min_dim"])
def test_positions(library: Library, name: str) -> None:
    rng = np.random.default_rng(4)
    where = np.argmax if "max" in name else np.argmin
    for shape in SHAPES:
        for dtype in (*FLOATS, *INTEGERS):
            for _, x in layouts(rng, shape, dtype):
                for dim in [None, *range(x.ndim)] if name.startswith("arg") else range(x.ndim):
                    found = library.reduce(name, x, dim)
                    values, indices = found if isinstance(found, tuple) else (None, found)
                    expected = where(x, axis=dim)
                    assert indices.dtype == np.int64
                    np.testing.assert_array_equal(indices, expected)
                    if values is not None:
                        picked = np.take_along_axis(x, np.expand_dims(expected, dim), dim)
                        np.testing.assert_array_equal(values, picked.squeeze(dim))


def test_position_of_several_dims_counts_in_the_order_of_the_dims(library: Library) -> None:
    x = np.random.default_rng(5).permutation(4 * 5 * 6).reshape(4, 5, 6).astype(np.float32)
    for order in itertools.permutations(range(3)):
        y = x.transpose(order)
        assert library.reduce("argmax", y) == y.argmax()
        found = library.reduce("argmax", y, (0, 2))
        flat = y.transpose(1, 0, 2).reshape(y.shape[1], -1)
        np.testing.assert_array_equal(found, flat.argmax(1))


@pytest.mark.parametrize("size", [3, 9, 64, 100, 5000])
def test_nan_wins_and_the_first_of_equals_counts(library: Library, size: int) -> None:
    for dtype in (np.float32, np.float64):
        x = np.zeros(size, dtype)
        assert library.reduce("argmax", x) == library.reduce("argmin", x) == 0
        x[size // 2] = x[size - 1] = np.nan
        assert np.isnan(library.reduce("amax", x)) and np.isnan(library.reduce("amin", x))
        assert library.reduce("argmax", x) == library.reduce("argmin", x) == size // 2
        assert np.isnan(library.reduce("sum", x)) and library.reduce("nansum", x) == 0
        assert library.reduce("any", x) and not library.reduce("all", x)
        tall = np.stack([x, -x], 1)
        assert library.reduce("argmax", tall, 0).tolist() == [size // 2] * 2


def test_extremes(library: Library) -> None:
    inf = np.full(70, -np.inf, np.float32)
    assert library.reduce("amax", inf) == -np.inf and library.reduce("argmax", inf) == 0
    assert library.reduce("logsumexp", inf) == -np.inf
    assert library.reduce("logsumexp", np.array([np.inf, 1.0])) == np.inf
    assert library.reduce("logsumexp", np.array([1000.0, 1000.0])) == 1000 + np.log(2)
    least = np.iinfo(np.int64).min
    assert library.reduce("amax", np.full(9, least)) == least
    assert library.reduce("sum", np.full(300, 255, np.uint8)) == 300 * 255
    low, high = library.reduce("aminmax", np.array([3, -1, 7], np.int8))
    assert (low, high, low.dtype) == (-1, 7, np.int8)


def test_asked_dtype_is_rounded_to_before_folding(library: Library) -> None:
    x = np.array([1.5, 2.5, 0.25], np.float32)
    for dtype, expected in [(np.int64, 3), (np.int8, 3), (np.bool_, True), (np.float64, 4.25)]:
        found = library.reduce("sum", x, dtype=dtype)
        assert found == expected and found.dtype == dtype
    many = np.full(3000, 0.1, np.float64)
    half = library.reduce("sum", many, dtype=np.float16)
    assert half == np.float16(many.astype(np.float16).astype(np.float64).sum())
    assert library.reduce("mean", np.arange(4), dtype=np.float32) == 1.5


def test_empty(library: Library) -> None:
    x = np.empty((0, 3), np.float32)
    assert library.reduce("sum", x) == 0 and library.reduce("prod", x) == 1
    assert library.reduce("sum", x, 0).tolist() == [0, 0, 0]
    assert library.reduce("sum", x, 1).shape == (0,)
    assert library.reduce("sum", x, 1, keepdim=True).shape == (0, 1)
    assert np.isnan(library.reduce("mean", x, 0)).all()
    assert not library.reduce("any", x) and library.reduce("all", x)
    assert library.reduce("amax", x, 1).shape == (0,)
    assert library.reduce("logsumexp", x, 0).tolist() == [-np.inf] * 3


@pytest.mark.parametrize(
    "name, shape, dim, error, text",
    [
        ("amax", (0, 3), None, RuntimeError,
         "amax(): Expected reduction dim to be specified for input.numel() == 0. "
         "Specify the reduction dim with the 'dim' argument."),
        ("max_all", (0,), None, RuntimeError, "max(): Expected reduction dim to be specified"),
        ("argmax", (0, 3), None, IndexError, "argmax(): Expected reduction dim to be specified"),
        ("amax", (0, 3), 0, IndexError, "amax(): Expected reduction dim 0 to have non-zero size."),
        ("max_dim", (2, 0), -1, IndexError, "max(): Expected reduction dim 1 to have non-zero"),
        ("sum", (2, 3), 2, IndexError,
         "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
        ("sum", (), 1, IndexError,
         "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
        ("sum", (2, 3), -3, IndexError,
         "Dimension out of range (expected to be in range of [-2, 1], but got -3)"),
        ("sum", (2, 3), (0, -2), RuntimeError, "dim 0 appears multiple times in the list of dims"),
    ],
)  # fmt: skip
def test_errors(library: Library, name, shape, dim, error, text) -> None:
    with pytest.raises(error) as caught:
        library.reduce(name, np.zeros(shape, np.float32), dim)
    assert str(caught.value).startswith(text)


def test_dtypes_without_kernels_are_refused(library: Library) -> None:
    for name in sorted(ONLY_FLOATS):
        with pytest.raises(RuntimeError, match="not implemented for 'Long'"):
            library.reduce(name, np.arange(3), scalars=[1])


def test_a_scalar_has_a_dim_0(library: Library) -> None:
    assert library.reduce("sum", np.float32(3), 0) == library.reduce("sum", np.float32(3), -1) == 3


def test_destination(library: Library) -> None:
    x = np.random.default_rng(6).standard_normal((5, 6)).astype(np.float32)
    for dtype in (np.float32, np.float64, np.float16):
        dst = library.empty((6,), dtype)
        found = library.reduce("sum", x, 0, dst=dst)
        assert found.dtype == dtype
        close = 1e-2 if dtype == np.float16 else 1e-6
        np.testing.assert_allclose(found, wide(x).sum(0), rtol=close, atol=close)
        library.drop(dst)
    empty = library.empty((0,), np.float32)
    assert library.reduce("sum", x, 0, dst=empty).shape == (6,)
    library.drop(empty)
    for shape, dtype, text in [((5,), np.float32, "shape"), ((6,), np.int64, "can't be cast")]:
        dst = library.empty(shape, dtype)
        with pytest.raises(RuntimeError, match=text):
            library.reduce("sum", x, 0, dst=dst)
        library.drop(dst)
    column = np.zeros((6, 2), np.float32)
    dst = library.tensor(column[:, 1])
    library.reduce("sum", x, 0, dst=dst)
    check(column[:, 1], x.sum(0), np.float32)
    library.drop(dst)


def test_destination_may_be_part_of_the_input(library: Library) -> None:
    x = np.arange(12.0).reshape(4, 3)
    expected = x.sum(0)
    source, dst = library.tensor(x), library.tensor(x[0])
    dst.storage = source.storage  # as the two tensors of a view have it
    handle = library.lib.ops_reduce(
        library.lib.opsk_sum, source, 0, 1, 0, 0, -1, library.ffi.NULL, dst
    )
    assert handle != 0
    np.testing.assert_array_equal(x[0], expected)


@pytest.mark.parametrize("name", ["sum", "argmax", "var", "logsumexp", "norm_p"])
def test_bits_do_not_depend_on_the_number_of_threads(library: Library, name: str) -> None:
    rng = np.random.default_rng(7)
    scalars = {"var": [1], "norm_p": [3]}.get(name, ())
    for shape, dim in [((700000,), None), ((3, 200000), 1), ((40000, 20), 0), ((800, 900), 0),
                       ((900, 800), 1), ((30, 40, 500), (0, 2))]:  # fmt: skip
        x = numbers(rng, shape, np.float32)
        found = []
        for threads in (1, 2, 5):
            library.lib.ops_set_num_threads(threads)
            found.append(library.reduce(name, x, dim, scalars=scalars).tobytes())
        assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("shape, dim", [((1 << 20,), None), ((4096, 256), 0), ((256, 4096), 1)])
def test_sums_are_as_accurate_as_pairwise_ones(library: Library, shape, dim) -> None:
    rng = np.random.default_rng(8)
    for values in (rng.random(shape), np.full(shape, 0.1), 1 + rng.standard_normal(shape)):
        # The worst of many sums; constants round the same way at every step.
        x = values.astype(np.float32)
        exact = x.astype(np.float64).sum(axis=dim)
        ours = np.abs(library.reduce("sum", x, dim) / exact - 1).max()
        rows = np.ascontiguousarray(x.T if dim == 0 else x)  # where NumPy sums pairwise
        pairwise = np.abs(rows.sum(axis=None if dim is None else 1) / exact - 1).max()
        assert ours <= max(1.25 * pairwise, 2.5 * 2.0**-23)


def test_no_tensor_leaks(library: Library) -> None:
    x = np.ones((3, 4), np.float32)
    before = library.lib.ops_live_tensors()
    for dtype in (None, np.float16, np.int8):
        library.reduce("sum", x, 1, dtype=dtype)
    library.reduce("max_dim", x, 1)
    with pytest.raises(IndexError):
        library.reduce("sum", x, 5)
    assert library.lib.ops_live_tensors() == before


@pytest.mark.full
def test_more_elements_than_an_int_counts(library: Library) -> None:
    x = np.broadcast_to(np.ones((), np.int8), (3, (1 << 31) // 2))
    assert library.reduce("sum", x) == 3 * ((1 << 31) // 2)
    assert library.reduce("argmax", x) == 0


@pytest.mark.parametrize("name", sorted(OPS))
def test_generated_text(name: str) -> None:
    text = render("c/reduce.c.j2", reduce.render_context(OPS[name]))
    assert text == render("c/reduce.c.j2", reduce.render_context(OPS[name]))
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert f" * {name}: each element is" in text
