"""Comes in: the registry's scans, compiled.
Goes out: verdicts on values, shapes, dtypes, strides, errors and threads, against NumPy.
Must not know: the frontend or gradients.
"""

from __future__ import annotations

import numpy as np
import pytest

from opsmithc.emit import render
from opsmithc.lower import scan
from opsmithc.opdef import Scan

from .accumulate import EVERY, FLOATS, INTEGERS, Library, entries, layouts, numbers

OPS = entries(Scan)
SHAPES = [
    (), (1,), (7,), (65,), (3, 5), (5, 1), (1, 70), (129, 3), (2, 3, 4), (7, 66, 5), (20000,),
    (9, 2100), (2100, 9), (300, 400),
]  # fmt: skip
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-6, np.float16: 1e-3}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("scan"), Scan)


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64 if x.dtype.kind == "f" else np.int64)


VALUES = {
    "cumsum": lambda x, d: wide(x).cumsum(d),
    "cumprod": lambda x, d: wide(x).cumprod(d),
    "logcumsumexp": lambda x, d: np.logaddexp.accumulate(wide(x), d),
}


@pytest.mark.parametrize("name", sorted(VALUES))
def test_values_of_every_shape_layout_and_dtype(library: Library, name: str) -> None:
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        for dtype in FLOATS if name == "logcumsumexp" else EVERY:
            for _, x in layouts(rng, shape, dtype):
                if name == "cumprod" and dtype not in FLOATS:
                    x = np.sign(x) if dtype != np.bool_ else x
                for d in range(max(1, x.ndim)):
                    found = library.scan(name, x, d - max(1, x.ndim) if d % 2 else d)
                    with np.errstate(over="ignore"):
                        expected = VALUES[name](x, d) if x.ndim else wide(x)
                        if dtype in FLOATS:
                            expected = expected.astype(dtype)
                    assert found.dtype == (dtype if dtype in FLOATS else np.int64)
                    assert found.shape == x.shape
                    scale = TOLERANCE.get(dtype, 0)
                    np.testing.assert_allclose(found, expected, rtol=scale, atol=10 * scale)


def running(x: np.ndarray, dim: int, better) -> tuple[np.ndarray, np.ndarray]:
    """Values and positions by the definition, one step after another."""
    lines = np.moveaxis(x, dim, 0)
    values, indices = lines.copy(), np.zeros(lines.shape, np.int64)
    for k in range(1, len(lines)):
        take = better(lines[k], values[k - 1]) | (lines[k] != lines[k])
        values[k] = np.where(take, lines[k], values[k - 1])
        indices[k] = np.where(take, k, indices[k - 1])
    return np.moveaxis(values, 0, dim), np.moveaxis(indices, 0, dim)


@pytest.mark.parametrize("name, better", [("cummax", np.greater_equal), ("cummin", np.less_equal)])
def test_positions(library: Library, name: str, better) -> None:
    rng = np.random.default_rng(2)
    for shape in SHAPES[1:]:
        for dtype in (*FLOATS, *INTEGERS, np.bool_):
            for _, x in layouts(rng, shape, dtype):
                if dtype in FLOATS and x.size > 5:
                    x = np.where(rng.random(x.shape) < 0.03, np.nan, np.round(x)).astype(dtype)
                for d in range(x.ndim):
                    values, indices = library.scan(name, x, d)
                    expected = running(x, d, better)
                    assert values.dtype == dtype and indices.dtype == np.int64
                    np.testing.assert_array_equal(values, expected[0])
                    np.testing.assert_array_equal(indices, expected[1])


def test_extremes(library: Library) -> None:
    inf = np.inf
    found = library.scan("logcumsumexp", np.array([-inf, -inf, 1, inf, 2]), 0)
    assert found.tolist() == [-inf, -inf, 1, inf, inf]
    assert library.scan("logcumsumexp", np.array([800.0, 800.0]), 0)[1] == 800 + np.log(2)
    values, indices = library.scan("cummax", np.full(3, -inf, np.float32), 0)
    assert values.tolist() == [-inf] * 3 and indices.tolist() == [0, 1, 2]
    found = library.scan("cumsum", np.full(300, 200, np.uint8), 0)
    assert found[-1] == 60000 and found.dtype == np.int64


def test_a_long_sum_does_not_lose_its_small_steps(library: Library) -> None:
    x = np.full(1 << 21, 0.1, np.float32)
    exact = x.astype(np.float64).cumsum()
    assert np.abs(library.scan("cumsum", x, 0) / exact - 1).max() < 1e-7


def test_asked_dtype(library: Library) -> None:
    x = np.array([1.5, 1.5], np.float32)
    for dtype, expected in [(np.int32, [1, 2]), (np.float64, [1.5, 3.0]), (np.float16, [1.5, 3.0])]:
        found = library.scan("cumsum", x, 0, dtype=dtype)
        assert found.tolist() == expected and found.dtype == dtype


def test_empty_and_scalar(library: Library) -> None:
    for shape, d in [((0,), 0), ((0, 3), 0), ((3, 0), 1), ((3, 0), 0)]:
        assert library.scan("cumsum", np.empty(shape, np.float32), d).shape == shape
    assert library.scan("cumsum", np.float32(3), -1) == 3
    values, indices = library.scan("cummax", np.float32(3), 0)
    assert (values, indices) == (3, 0)


@pytest.mark.parametrize(
    "shape, dim, text", [((2, 3), 2, "[-2, 1], but got 2"), ((), 1, "[-1, 0], but got 1")]
)
def test_errors(library: Library, shape, dim: int, text: str) -> None:
    with pytest.raises(IndexError) as caught:
        library.scan("cumsum", np.zeros(shape, np.float32), dim)
    assert text in str(caught.value)


def test_integers_without_kernels_are_refused(library: Library) -> None:
    with pytest.raises(RuntimeError, match="\"logcumsumexp\" not implemented for 'Long'"):
        library.scan("logcumsumexp", np.arange(3), 0)


def test_destination(library: Library) -> None:
    x = numbers(np.random.default_rng(3), (4, 5), np.float32)
    for dtype in (np.float32, np.float64):
        dst = library.empty((4, 5), dtype)
        found = library.scan("cumsum", x, 1, dst=dst)
        np.testing.assert_allclose(found, wide(x).cumsum(1), rtol=1e-5)
        library.drop(dst)
    wrong = library.empty((5, 4), np.float32)
    with pytest.raises(RuntimeError, match="shape"):
        library.scan("cumsum", x, 1, dst=wrong)
    library.drop(wrong)


@pytest.mark.parametrize("name", ["cumsum", "cummax"])
def test_bits_do_not_depend_on_the_number_of_threads(library: Library, name: str) -> None:
    rng = np.random.default_rng(4)
    for shape in [(500, 700), (3, 90000), (90000, 3)]:
        x = numbers(rng, shape, np.float32)
        for dim in (0, 1):
            found = []
            for threads in (1, 2, 5):
                library.lib.ops_set_num_threads(threads)
                outputs = library.scan(name, x, dim)
                outputs = outputs if isinstance(outputs, tuple) else (outputs,)
                found.append([o.tobytes() for o in outputs])
            assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", sorted(OPS))
def test_generated_text(name: str) -> None:
    text = render("c/scan.c.j2", scan.render_context(OPS[name]))
    assert text == render("c/scan.c.j2", scan.render_context(OPS[name]))
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert f" * {name}: each element is" in text
