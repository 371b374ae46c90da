"""Comes in: the convolutions of each instruction set, compiled.
Goes out: verdicts against plain NumPy sums on geometry, groups, padding, threads, empty cases.
Must not know: which of the loop nests serves a shape.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

NUMPY = {"f32": np.float32, "f64": np.float64}


@dataclass(frozen=True)
class Case:
    """A convolution; sizes are tuples of one to three numbers."""

    batch: int
    groups: int
    in_channels: int  # of one group
    out_channels: int
    in_size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def out_size(self) -> tuple[int, ...]:
        axes = zip(self.in_size, self.kernel, self.stride, self.padding, self.dilation)
        return tuple((n + 2 * p - (k - 1) * d - 1) // s + 1 for n, k, s, p, d in axes)

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.batch, self.groups * self.in_channels, *self.in_size)

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (self.groups * self.out_channels, self.in_channels, *self.kernel)

    @property
    def y_shape(self) -> tuple[int, ...]:
        return (self.batch, self.groups * self.out_channels, *self.out_size)


CASES = [
    Case(2, 1, 3, 5, (9, 11), (3, 3), (1, 1), (1, 1), (1, 1)),
    Case(1, 1, 17, 40, (8, 33), (3, 3), (1, 1), (1, 1), (1, 1)),
    Case(3, 1, 16, 33, (7, 6), (1, 1), (1, 1), (0, 0), (1, 1)),  # a matrix product
    Case(2, 2, 5, 16, (9, 9), (1, 1), (1, 1), (0, 0), (1, 1)),
    Case(2, 1, 4, 20, (11, 10), (1, 1), (2, 3), (0, 0), (1, 1)),
    Case(2, 8, 1, 1, (20, 33), (3, 3), (1, 1), (1, 1), (1, 1)),  # depthwise
    Case(2, 5, 1, 2, (21, 30), (3, 5), (2, 2), (1, 2), (1, 1)),
    Case(1, 1, 3, 18, (30, 31), (7, 7), (2, 2), (3, 3), (1, 1)),
    Case(2, 1, 6, 18, (13, 15), (3, 2), (2, 3), (2, 4), (3, 2)),  # dilated and strided
    Case(1, 1, 2, 17, (10, 12), (2, 2), (3, 4), (0, 1), (1, 1)),  # stride beyond kernel
    Case(1, 1, 4, 17, (4, 4), (2, 2), (4, 4), (0, 0), (2, 1)),
    Case(2, 1, 3, 4, (3, 2), (5, 5), (1, 1), (4, 4), (1, 1)),  # kernel larger than input
    Case(2, 3, 2, 17, (19,), (4,), (2,), (3,), (1,)),
    Case(1, 2, 3, 17, (4, 7, 9), (3, 2, 3), (1, 2, 1), (1, 0, 1), (1, 1, 2)),
    Case(2, 2, 2, 3, (5, 6, 12), (2, 3, 3), (2, 1, 2), (1, 1, 1), (2, 1, 1)),
    Case(1, 1, 256, 40, (5, 6), (3, 3), (1, 1), (1, 1), (1, 1)),  # a pitch with a gap
    Case(1, 2, 2, 3, (1,), (0,), (5,), (1,), (2,)),  # no taps: the bias alone
    Case(2, 1, 3, 20, (5, 4), (3, 0), (1, 2), (1, 0), (1, 1)),
]


def random_case(rng: random.Random) -> Case:
    axes = rng.choice((1, 2, 2, 3))
    kernel = tuple(rng.choice((1, 2, 3, 4)) for _ in range(axes))
    dilation = tuple(rng.choice((1, 1, 2, 3)) for _ in range(axes))
    padding = tuple(rng.randrange(4) for _ in range(axes))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    return Case(
        batch=rng.choice((1, 2)),
        groups=rng.choice((1, 1, 2)),
        in_channels=rng.choice((1, 2, 5, 9)),
        out_channels=rng.choice((1, 3, 8, 17)),
        in_size=tuple(
            rng.randint(max(1, r - 2 * p), r + (5 if axes == 3 else 20))
            for r, p in zip(reach, padding)
        ),
        kernel=kernel,
        stride=tuple(rng.choice((1, 1, 2, 3)) for _ in range(axes)),
        padding=padding,
        dilation=dilation,
    )


def tap_slices(case: Case, tap: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """For one tap, the outputs that read inside x and what they read."""
    outs, ins = [], []
    for i, k in enumerate(tap):
        shift = k * case.dilation[i] - case.padding[i]
        inside = [
            p for p in range(case.out_size[i]) if 0 <= p * case.stride[i] + shift < case.in_size[i]
        ]
        lo, hi = (inside[0], inside[-1] + 1) if inside else (0, 0)
        first = lo * case.stride[i] + shift if inside else 0
        outs.append(slice(lo, hi))
        ins.append(slice(first, first + (hi - lo - 1) * case.stride[i] + 1, case.stride[i]))
        if not inside:
            ins[-1] = slice(0, 0)
    return tuple(outs), tuple(ins)


def reference(case: Case, x: Any, w: Any, g: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y, dx and dw in float64, one tap at a time."""
    n, groups = case.batch, case.groups
    x = x.astype(np.float64).reshape(n, groups, case.in_channels, *case.in_size)
    w = w.astype(np.float64).reshape(groups, case.out_channels, case.in_channels, *case.kernel)
    g = g.astype(np.float64).reshape(n, groups, case.out_channels, *case.out_size)
    y, dx, dw = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)
    for tap in itertools.product(*map(range, case.kernel)):
        outs, ins = tap_slices(case, tap)
        lead = (slice(None),) * 3
        xs, gs, ws = x[(*lead, *ins)], g[(*lead, *outs)], w[(*lead, *tap)]
        y[(*lead, *outs)] += np.einsum("ngc...,goc->ngo...", xs, ws)
        dx[(*lead, *ins)] += np.einsum("ngo...,goc->ngc...", gs, ws)
        flat_x = xs.reshape(n, groups, case.in_channels, -1)
        flat_g = gs.reshape(n, groups, case.out_channels, -1)
        dw[(*lead, *tap)] += np.einsum("ngcp,ngop->goc", flat_x, flat_g)
    return y.reshape(case.y_shape), dx.reshape(case.x_shape), dw.reshape(case.w_shape)


def shape_record(kernels: Any, case: Case) -> Any:
    s = kernels.ffi.new("ops_conv_shape *")
    s.batch, s.groups = case.batch, case.groups
    s.in_channels = case.groups * case.in_channels
    s.out_channels = case.groups * case.out_channels
    s.spatial = len(case.kernel)
    for i in range(s.spatial):
        s.in_size[i], s.out_size[i] = case.in_size[i], case.out_size[i]
        s.kernel[i], s.stride[i] = case.kernel[i], case.stride[i]
        s.padding[i], s.dilation[i] = case.padding[i], case.dilation[i]
    return s


def run(
    kernels: Any, dtype: str, case: Case, x: Any, w: Any, g: Any, bias: Any = None
) -> list[np.ndarray]:
    s = shape_record(kernels, case)
    outputs = [
        np.full(shape, np.nan, NUMPY[dtype]) for shape in (case.y_shape, case.x_shape, case.w_shape)
    ]
    px, pw, pg, pb, py, pdx, pdw = (
        kernels.pointer(array, dtype) for array in (x, w, g, bias, *outputs)
    )
    getattr(kernels.lib, f"ops_conv_forward_{dtype}")(s, px, pw, pb, py)
    getattr(kernels.lib, f"ops_conv_backward_input_{dtype}")(s, pg, pw, pdx)
    getattr(kernels.lib, f"ops_conv_backward_weight_{dtype}")(s, px, pg, pdw)
    return outputs


def operands(case: Case, dtype: str, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = (case.x_shape, case.w_shape, case.y_shape)
    return [rng.standard_normal(shape).astype(NUMPY[dtype]) for shape in shapes]


def assert_right(case: Case, dtype: str, found: Any, x: Any, w: Any, g: Any) -> None:
    """Each output sums at most `terms` products: the bound of a sum in any order, twice."""
    taps = int(np.prod(case.kernel))
    pixels = case.batch * int(np.prod(case.out_size))
    terms = (case.in_channels * taps, case.out_channels * taps, pixels)
    expected = reference(case, x, w, g)
    bounds = reference(case, np.abs(x), np.abs(w), np.abs(g))
    for value, right, bound, count in zip(found, expected, bounds, terms):
        tolerance = 2 * (count + 3) * np.finfo(NUMPY[dtype]).eps * bound
        assert np.all(np.abs(value - right) <= tolerance)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution(kernels: Any, dtype: str, case: Case) -> None:
    x, w, g = operands(case, dtype)
    assert_right(case, dtype, run(kernels, dtype, case, x, w, g), x, w, g)


def test_random_convolutions(kernels: Any, dtype: str) -> None:
    rng = random.Random(0)
    for _ in range(60):
        case = random_case(rng)
        x, w, g = operands(case, dtype)
        assert_right(case, dtype, run(kernels, dtype, case, x, w, g), x, w, g)


def test_plain_loops(reference_kernels: Any, dtype: str) -> None:
    rng = random.Random(1)
    for case in [*CASES, *(random_case(rng) for _ in range(20))]:
        x, w, g = operands(case, dtype)
        assert_right(case, dtype, run(reference_kernels, dtype, case, x, w, g), x, w, g)


@pytest.mark.parametrize("case", CASES[:8], ids=str)
def test_bias(kernels: Any, dtype: str, case: Case) -> None:
    x, w, g = operands(case, dtype)
    bias = np.arange(1, case.w_shape[0] + 1).astype(NUMPY[dtype])
    y = run(kernels, dtype, case, x, w, g, bias)[0]
    y -= bias.reshape(-1, *[1] * len(case.kernel))
    plain = run(kernels, dtype, case, x, w, g)[0]
    # adding a bias of at most 40 and taking it off again costs an eps of the larger value
    assert np.allclose(y, plain, rtol=0, atol=200 * np.finfo(NUMPY[dtype]).eps)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_threads_do_not_change_bits(kernels: Any, dtype: str, case: Case) -> None:
    x, w, g = operands(case, dtype)
    results = []
    for threads in (1, 2, 5):
        kernels.lib.ops_set_num_threads(threads)
        results.append(b"".join(o.tobytes() for o in run(kernels, dtype, case, x, w, g)))
    kernels.lib.ops_set_num_threads(2)
    assert len(set(results)) == 1


def test_large_enough_for_bands_and_chunks(kernels: Any, dtype: str) -> None:
    case = Case(3, 1, 20, 24, (40, 64), (3, 3), (1, 1), (1, 1), (1, 1))
    x, w, g = operands(case, dtype)
    results = []
    for threads in (1, 3):
        kernels.lib.ops_set_num_threads(threads)
        found = run(kernels, dtype, case, x, w, g)
        results.append(b"".join(o.tobytes() for o in found))
    kernels.lib.ops_set_num_threads(2)
    assert results[0] == results[1]
    assert_right(case, dtype, found, x, w, g)


@pytest.mark.parametrize("extra", [0, 1])
def test_input_size_is_free(kernels: Any, dtype: str, extra: int) -> None:
    """A transposed convolution's output_padding: positions of x that no output reads get zero."""
    for stride, kernel in ((2, 3), (3, 2), (3, 1)):
        case = Case(
            2, 1, 18, 5, (10 + extra, 9 + extra), (kernel,) * 2, (stride,) * 2, (0, 0), (1, 1)
        )
        x, w, g = operands(case, dtype)
        assert_right(case, dtype, run(kernels, dtype, case, x, w, g), x, w, g)


def test_empty_batch(kernels: Any, dtype: str) -> None:
    for case in (
        Case(0, 1, 3, 20, (9, 9), (3, 3), (1, 1), (1, 1), (1, 1)),
        Case(0, 1, 3, 20, (9, 9), (1, 1), (1, 1), (0, 0), (1, 1)),
        Case(0, 4, 1, 1, (9, 9), (3, 3), (1, 1), (1, 1), (1, 1)),
    ):
        x, w, g = operands(case, dtype)
        assert np.all(run(kernels, dtype, case, x, w, g)[2] == 0)


@pytest.mark.parametrize("channels", [(3, 20), (1, 1)], ids=str)
def test_nan_reaches_what_reads_it(kernels: Any, dtype: str, channels: tuple[int, int]) -> None:
    case = Case(1, 1, *channels, (9, 20), (3, 3), (1, 1), (1, 1), (1, 1))
    x, w, g = operands(case, dtype)
    x[0, 0, 4, 5] = np.nan
    y, _, dw = run(kernels, dtype, case, x, w, g)
    expected = np.zeros(case.y_shape, bool)
    expected[..., 3:6, 4:7] = True
    assert np.array_equal(np.isnan(y), expected)
    assert np.all(np.isnan(dw[:, 0]))
    assert not np.any(np.isnan(dw[:, 1:]))


def test_reads_stay_inside(
    kernels: Any, dtype: str, guarded: Callable[[np.ndarray], np.ndarray]
) -> None:
    for case in CASES:
        x, w, g = (guarded(array) for array in operands(case, dtype))
        assert_right(case, dtype, run(kernels, dtype, case, x, w, g), x, w, g)
