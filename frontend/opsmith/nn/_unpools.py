"""Pooling in `nn.functional` over other ops: powers, places taken back, windows drawn at random."""

from __future__ import annotations

import math
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith._modes import computes_in
from opsmith.nn import _pools
from opsmith.nn._sizes import ntuple

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def _lp_pool(
    pool: Any, n: int, input: Tensor, p: Any, size: Any, stride: Any, ceil: bool
) -> Tensor:
    sums = pool(input.pow(p), size, stride, 0, ceil) * math.prod(ntuple(size, n))
    return (sums.sign() * sums.abs().relu()).pow(1.0 / p)


def lp_pool1d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """sum(x^p)^(1/p) over each window of (N, C, L)."""
    return _lp_pool(_pools.avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """sum(x^p)^(1/p) over each window of (N, C, H, W)."""
    return _lp_pool(_pools.avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """sum(x^p)^(1/p) over each window of (N, C, D, H, W)."""
    return _lp_pool(_pools.avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)


def _unpooled_size(input: Tensor, kernel: Any, stride: Any, padding: Any, wanted: Any) -> Any:
    """The output size: `wanted` where it is within a stride of what the windows cover."""
    n = len(kernel)
    default = [
        (have - 1) * s + k - 2 * p
        for have, s, k, p in zip(input.shape[-n:], stride, kernel, padding, strict=True)
    ]
    if wanted is None:
        return default
    sizes = list(wanted)
    if len(sizes) == n + 2:
        sizes = sizes[2:]
    if len(sizes) != n:
        raise ValueError(
            "output_size should be a sequence containing "
            f"{n} or {n + 2} elements, but it has a length of '{len(sizes)}'"
        )
    for d, (size, middle, step) in enumerate(zip(sizes, default, stride, strict=True)):
        if not middle - step < size < middle + step:
            raise ValueError(
                f"invalid output_size '{sizes}' (dim {d} must be between {middle - step} and "
                f"{middle + step})"
            )
    return sizes


@computes_in("f32")
def _max_unpool(
    n: int, input: Tensor, indices: Tensor, kernel: Any, stride: Any, padding: Any, wanted: Any
) -> Tensor:
    kernel = ntuple(kernel, n)
    stride = kernel if stride is None else ntuple(stride, n)
    sizes = _unpooled_size(input, kernel, stride, ntuple(padding, n), wanted)
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, but got a "
            f"tensor with {input.ndim} dimensions."
        )
    if indices.dtype != opsmith.int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {indices.type()[6:-6]}"
        )
    if indices.shape != input.shape:
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    lead, volume = input.shape[:-n], math.prod(sizes)
    if input.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < volume:
        raise RuntimeError(
            f"Found an invalid max index: {int(indices.max())} (output volumes are of size "
            f"{'x'.join(str(size) for size in sizes)})"
        )
    empty = opsmith.zeros((*lead, volume), dtype=input.dtype, device=input.device)
    flat = empty.scatter(-1, indices.reshape(*lead, -1), input.reshape(*lead, -1))
    return flat.reshape(*lead, *sizes)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Put what `max_pool1d` took back at its places in (N, C, L); zeros elsewhere."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Put what `max_pool2d` took back at its places in (N, C, H, W); zeros elsewhere."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Put what `max_pool3d` took back at its places in (N, C, D, H, W); zeros elsewhere."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _starts(sample: Tensor, size: int, kernel: int, count: int) -> Tensor:
    """Where the windows of one axis begin: sample (..) -> (.., count) (Graham, 2014)."""
    shape, kind = (*sample.shape, 1), {"dtype": opsmith.int64, "device": sample.device}
    last = opsmith.full(shape, size - kernel, **kind)
    if count == 1:
        return last
    pace = (size - kernel) / (count - 1)
    first = sample.unsqueeze(-1)
    steps = (first + opsmith.arange(count - 1, dtype=sample.dtype, device=sample.device)) * pace
    return opsmith.cat([steps.to(opsmith.int64) - (first * pace).to(opsmith.int64), last], -1)


@computes_in("f32")
def _fractional(
    n: int,
    input: Tensor,
    kernel: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    name = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    sizes = input.shape[-n:]
    if output_size is None:
        output_size = [
            int(size * ratio) for size, ratio in zip(sizes, ntuple(output_ratio, n), strict=True)
        ]
    counts, kernel = ntuple(output_size, n), ntuple(kernel, n)
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got {list(sizes)}")
    for size, k, count in zip(sizes, kernel, counts, strict=True):
        if count + k - 1 > size:
            raise RuntimeError(f"{name}(): pool size {k} too large relative to input size {size}")
    lead = input.shape[:-n]
    if samples is None:
        batch = 1 if input.ndim == n + 1 else input.shape[0]
        samples = opsmith.rand(
            batch, input.shape[-n - 1], n, dtype=input.dtype, device=input.device
        )
    samples = samples.reshape(*lead, n)
    places: Any = 0
    for axis in range(n):
        at = axis if n == 3 else n - 1 - axis  # of images the samples are (width, height)
        starts = _starts(samples[..., at], sizes[axis], kernel[axis], counts[axis])
        steps = opsmith.arange(kernel[axis], device=starts.device)
        inside = starts.unsqueeze(-1) + steps  # (*lead, count, k)
        shape = [1] * (2 * n)
        shape[axis], shape[n + axis] = counts[axis], kernel[axis]
        places = places * sizes[axis] + inside.reshape(*lead, *shape)
    places = places.reshape(*lead, math.prod(counts), math.prod(kernel))
    flat = input.reshape(*lead, -1)
    with opsmith.no_grad():
        values = flat.gather(-1, places.flatten(-2)).reshape(places.shape)
        chosen = places.gather(-1, values.argmax(-1, keepdim=True)).squeeze(-1)
    out = flat.gather(-1, chosen).reshape(*lead, *counts)
    return (out, chosen.reshape(out.shape)) if return_indices else out


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The greatest of windows of (N, C, H, W) that begin at random steps (Graham, 2014)."""
    return _fractional(
        2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The greatest of windows of (N, C, D, H, W) that begin at random steps (Graham, 2014)."""
    return _fractional(
        3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """`fractional_max_pool2d` and where in the input the greatest elements are."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, True, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """`fractional_max_pool3d` and where in the input the greatest elements are."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, True, _random_samples)
