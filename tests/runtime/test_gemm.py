"""Comes in: the matrix products of each instruction set, compiled.
Goes out: verdicts against NumPy in float64 on shapes, strides, NaN, epilogues, threads.
Must not know: how tiles are chosen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jinja2 import Environment, meta

NUMPY = {"f32": np.float32, "f64": np.float64}
SENTINEL = 12345.0
SHAPES = [
    (1, 1, 1),
    (4, 4, 4),
    (3, 5, 7),
    (14, 32, 16),
    (15, 33, 17),
    (29, 65, 300),
    (40, 70, 513),
    (2, 130, 30),
    (1, 70, 90),
    (1, 2100, 19),
    (70, 1, 90),
    (90, 1, 7),
    (33, 2, 5),
]


def ordered(rng: np.random.Generator, rows: int, cols: int, dtype: str, by_columns: bool) -> Any:
    values = rng.standard_normal((cols, rows) if by_columns else (rows, cols))
    array = values.astype(NUMPY[dtype])
    return array.T if by_columns else array


def strides(array: np.ndarray) -> tuple[int, ...]:
    return tuple(s // array.itemsize for s in array.strides)


def epilogue(kernels: Any, dtype: str, bias: np.ndarray | None, per_row: int, relu: int) -> Any:
    record = kernels.ffi.new(f"ops_gemm_epilogue_{dtype} *")
    record.bias = kernels.pointer(bias, dtype)
    record.bias_per_row = per_row
    record.activation = relu
    return record


def multiply(
    kernels: Any,
    dtype: str,
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    accumulate: int = 0,
    epi: Any = None,
) -> None:
    (m, k), n = a.shape, b.shape[1]
    getattr(kernels.lib, f"ops_gemm_{dtype}")(
        m, n, k, kernels.pointer(a, dtype), *strides(a), kernels.pointer(b, dtype), *strides(b),
        kernels.pointer(c, dtype), strides(c)[0], accumulate, epi or kernels.ffi.NULL,
    )  # fmt: skip


def assert_product(found: np.ndarray, a: np.ndarray, b: np.ndarray, start: Any = 0.0) -> None:
    """A sum of k products in any order errs by at most about k eps times the sum of magnitudes.

    The reference errs as well, by the same bound in float64: twice the bound covers both.
    """
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    expected = a64 @ b64 + start
    bound = np.abs(a64) @ np.abs(b64) + np.abs(start)
    tolerance = 2 * (a.shape[1] + 3) * np.finfo(found.dtype).eps * bound
    assert np.all(np.abs(found - expected) <= tolerance)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_product(kernels: Any, dtype: str, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    rng = np.random.default_rng(0)
    for a_by_columns, b_by_columns, accumulate in itertools.product((False, True), repeat=3):
        a = ordered(rng, m, k, dtype, a_by_columns)
        b = ordered(rng, k, n, dtype, b_by_columns)
        held = np.full((m + 2, n + 3), SENTINEL, NUMPY[dtype])
        c = held[1 : m + 1, 1 : n + 1]
        before = 0.0
        if accumulate:
            c[...] = rng.standard_normal((m, n))
            before = c.astype(np.float64)
        multiply(kernels, dtype, a, b, c, int(accumulate))
        assert_product(c, a, b, before)
        c[...] = SENTINEL
        assert np.all(held == SENTINEL)  # nothing beside c was written


@pytest.mark.parametrize("shape", [(20, 1100, 300), (3, 1500, 1040), (130, 40, 1100)], ids=str)
def test_product_of_several_blocks(kernels: Any, dtype: str, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    rng = np.random.default_rng(1)
    for by_columns in (False, True):
        a, b = ordered(rng, m, k, dtype, by_columns), ordered(rng, k, n, dtype, by_columns)
        c = np.empty((m, n), NUMPY[dtype])
        multiply(kernels, dtype, a, b, c)
        assert_product(c, a, b)


@pytest.mark.parametrize("shape", [(5, 40, 30), (1, 70, 33), (70, 1, 33)], ids=str)
def test_any_strides(kernels: Any, dtype: str, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    rng = np.random.default_rng(2)

    def views(rows: int, cols: int) -> list[np.ndarray]:
        base = rng.standard_normal((2 * rows, 3 * cols)).astype(NUMPY[dtype])
        return [
            base[:rows, :cols][::-1],
            base[:rows, :cols][:, ::-1],
            base[::2, ::3],
            np.broadcast_to(base[0, :cols], (rows, cols)),
            np.broadcast_to(base[:rows, :1], (rows, cols)),
            np.broadcast_to(base[0, 0], (rows, cols)),
        ]

    for a, b in itertools.product(views(m, k), views(k, n)):
        c = np.empty((m, n), NUMPY[dtype])
        multiply(kernels, dtype, a, b, c)
        assert_product(c, a, b)


def test_empty(kernels: Any, dtype: str) -> None:
    c = np.full((3, 40), 7, NUMPY[dtype])
    for m, n in ((0, 40), (3, 0), (0, 0)):
        multiply(kernels, dtype, np.ones((m, 5), c.dtype), np.ones((5, n), c.dtype), c)
        assert np.all(c == 7)
    none = np.ones((3, 0), c.dtype), np.ones((0, 40), c.dtype)
    multiply(kernels, dtype, *none, c, accumulate=1)
    assert np.all(c == 7)
    multiply(kernels, dtype, *none, c)
    assert np.all(c == 0)
    bias = np.arange(40).astype(c.dtype)
    multiply(kernels, dtype, *none, c, epi=epilogue(kernels, dtype, bias, 0, 0))
    assert np.all(c == bias)


@pytest.mark.parametrize("shape", [(15, 40, 20), (1, 70, 20), (70, 1, 20), (60, 500, 300)], ids=str)
def test_nan_and_infinity_stay_where_arithmetic_puts_them(
    kernels: Any, dtype: str, shape: tuple[int, int, int]
) -> None:
    m, n, k = shape
    rng = np.random.default_rng(3)
    for by_columns in (False, True):
        a, b = ordered(rng, m, k, dtype, by_columns), ordered(rng, k, n, dtype, by_columns)
        a[m // 2, k // 2] = np.nan
        a[0, 0] = 0
        b[0, n - 1] = np.inf  # 0 * inf
        b[k - 1, 0] = -np.inf
        with np.errstate(invalid="ignore"):
            expected = a.astype(np.float64) @ b.astype(np.float64)
        c = np.empty((m, n), NUMPY[dtype])
        multiply(kernels, dtype, a, b, c)
        assert np.array_equal(np.isnan(c), np.isnan(expected))
        assert np.array_equal(np.isinf(c), np.isinf(expected))


@pytest.mark.parametrize("shape", [(17, 45, 9), (1, 100, 50), (50, 1, 30), (9, 600, 700)], ids=str)
def test_epilogue(kernels: Any, dtype: str, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    rng = np.random.default_rng(4)
    for by_columns, per_row, relu in itertools.product((False, True), (0, 1), (0, 1)):
        a, b = ordered(rng, m, k, dtype, False), ordered(rng, k, n, dtype, by_columns)
        bias = rng.standard_normal(m if per_row else n).astype(NUMPY[dtype])
        c = np.empty((m, n), NUMPY[dtype])
        multiply(kernels, dtype, a, b, c, epi=epilogue(kernels, dtype, bias, per_row, relu))
        plain = np.empty_like(c)
        multiply(kernels, dtype, a, b, plain)
        expected = plain + (bias[:, None] if per_row else bias)
        assert np.array_equal(c, np.maximum(expected, 0) if relu else expected)


def test_relu_keeps_nan(kernels: Any, dtype: str) -> None:
    a = np.array([[np.nan], [-1.0], [2.0]], NUMPY[dtype])
    c = np.empty((3, 1), NUMPY[dtype])
    one = np.ones((1, 1), NUMPY[dtype])
    multiply(kernels, dtype, a, one, c, epi=epilogue(kernels, dtype, None, 0, 1))
    assert np.isnan(c[0, 0])
    assert c[1, 0] == 0
    assert c[2, 0] == 2


@pytest.mark.parametrize(
    "shape",
    [
        (130, 90, 110),
        (15, 700, 200),
        (100, 64, 1700),
        (9, 2100, 130),
        (300, 33, 64),
        (1, 9000, 70),
        (9000, 1, 70),
    ],
    ids=str,
)
def test_threads_do_not_change_bits(kernels: Any, dtype: str, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    rng = np.random.default_rng(5)
    for by_columns in (False, True):
        a, b = ordered(rng, m, k, dtype, by_columns), ordered(rng, k, n, dtype, by_columns)
        results = []
        for threads in (1, 2, 3, 7):
            kernels.lib.ops_set_num_threads(threads)
            c = np.empty((m, n), NUMPY[dtype])
            multiply(kernels, dtype, a, b, c)
            results.append(c.tobytes())
        kernels.lib.ops_set_num_threads(2)
        assert len(set(results)) == 1


def test_reads_stay_inside(
    kernels: Any, dtype: str, guarded: Callable[[np.ndarray], np.ndarray]
) -> None:
    rng = np.random.default_rng(6)
    for m, n, k in [(5, 9, 3), (14, 33, 20), (1, 75, 19), (40, 1, 19), (30, 70, 900)]:
        for by_columns in (False, True):
            a = guarded(rng.standard_normal((k, m) if by_columns else (m, k)).astype(NUMPY[dtype]))
            b = guarded(rng.standard_normal((n, k) if by_columns else (k, n)).astype(NUMPY[dtype]))
            c = guarded(np.zeros((m, n), NUMPY[dtype]))
            a, b = (a.T, b.T) if by_columns else (a, b)
            multiply(kernels, dtype, a, b, c)
            assert_product(c, a, b)


@pytest.mark.parametrize("case", ["plain", "b shared", "a shared", "transposed", "column", "tall"])
@pytest.mark.parametrize("batch", [0, 1, 2, 9])
def test_batched(kernels: Any, dtype: str, case: str, batch: int) -> None:
    rng = np.random.default_rng(7)
    m, n, k = {"column": (20, 1, 12), "tall": (90, 64, 50)}.get(case, (6, 19, 12))
    a = rng.standard_normal((batch, m, k)).astype(NUMPY[dtype])
    b = rng.standard_normal((batch, k, n)).astype(NUMPY[dtype])
    if case == "b shared":
        b = np.broadcast_to(b[:1], b.shape) if batch else b
    if case == "a shared":
        a = np.broadcast_to(a[:1], a.shape) if batch else a
    if case == "transposed":
        b = np.ascontiguousarray(b.transpose(0, 2, 1)).transpose(0, 2, 1)
    bias = rng.standard_normal(n).astype(NUMPY[dtype])
    c = np.full((batch, m, n), SENTINEL, NUMPY[dtype])
    (a_batch, *a_strides), (b_batch, *b_strides) = strides(a), strides(b)
    getattr(kernels.lib, f"ops_gemm_batched_{dtype}")(
        batch, a_batch, b_batch, m * n, m, n, k, kernels.pointer(a, dtype), *a_strides,
        kernels.pointer(b, dtype), *b_strides, kernels.pointer(c, dtype), n, 0,
        epilogue(kernels, dtype, bias, 0, 0),
    )  # fmt: skip
    for i in range(batch):
        assert_product(c[i], a[i], b[i], bias.astype(np.float64))


def test_batched_where_a_and_b_start_together(kernels: Any, dtype: str) -> None:
    a = np.random.default_rng(8).standard_normal((3, 20, 12)).astype(NUMPY[dtype])
    b = a[0, 0, :].reshape(12, 1)
    c = np.empty((3, 21, 1), NUMPY[dtype])
    getattr(kernels.lib, f"ops_gemm_batched_{dtype}")(
        3, 240, 0, 21, 20, 1, 12, kernels.pointer(a, dtype), 12, 1, kernels.pointer(b, dtype), 1, 1,
        kernels.pointer(c, dtype), 1, 0, kernels.ffi.NULL,
    )  # fmt: skip
    for i in range(3):
        assert_product(c[i, :20], a[i], b)


def test_unknown_schedule_is_refused() -> None:
    from opsmithc.lower.gemm import gemm_contexts

    with pytest.raises(ValueError, match="known are avx512, avx2, generic"):
        gemm_contexts({}, "sse9")
    with pytest.raises(ValueError, match=r"gemm\.avx2\.f32"):
        gemm_contexts({"gemm": {"avx2": {"f32": {"mr": 6}}}}, "avx2")


def test_templates_and_contexts_name_the_same_values() -> None:
    from opsmithc.lower.conv import ConvFile
    from opsmithc.lower.gemm import GemmFile

    templates = Path(__file__).resolve().parents[2] / "codegen" / "opsmithc" / "templates"
    for name, context in (("gemm", GemmFile), ("conv", ConvFile)):
        text = (templates / "c" / f"{name}.c.j2").read_text()
        used = meta.find_undeclared_variables(Environment(trim_blocks=True).parse(text))
        assert used == {field.name for field in fields(context)}
