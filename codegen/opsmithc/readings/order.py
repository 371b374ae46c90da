"""In: NumPy arguments by parameter name. Out: what ops that order, search and choose mean.

Must not know: targets. Part of ``reference.py``: one function each for the names of the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any

# Order -------------------------------------------------------------------------------------------


def along_back(input: Array, index: Array, size: Sequence[int], dim: int, keepdim: bool) -> Array:
    """Zeros but at positions along dim."""
    if not keepdim:
        input, index = np.expand_dims(input, dim), np.expand_dims(index, dim)
    out = np.zeros(size, input.dtype)
    for k in np.ndindex(*input.shape):
        at = list(k)
        at[dim] = int(index[k])
        out[tuple(at)] += input[k]
    return out


def _order(input: Array, dim: int, descending: bool) -> Array:
    """Positions that sort stably, NaN as the largest."""
    if not descending:
        return np.argsort(input, dim, kind="stable")
    mirrored = np.flip(input, dim)
    n = input.shape[dim]
    return n - 1 - np.flip(np.argsort(mirrored, dim, kind="stable"), dim)


def sort(input: Array, dim: int = -1, descending: bool = False, **_: Any) -> tuple[Array, Array]:
    """Sorted, and where the values stood."""
    x = input.reshape(1) if input.ndim == 0 else input
    at = _order(x, dim, descending)
    return np.take_along_axis(x, at, dim).reshape(input.shape), at.reshape(input.shape)


def argsort(input: Array, dim: int = -1, descending: bool = False, **_: Any) -> Array:
    """The positions that sort."""
    return sort(input, dim, descending)[1]


def msort(input: Array) -> Array:
    """Sorted along the first dimension."""
    return np.sort(input, 0)


def topk(
    input: Array, k: int, dim: int = -1, largest: bool = True, **_: Any
) -> tuple[Array, Array]:
    """The first k in order."""
    if input.ndim == 0:
        return input, np.zeros((), np.int64)
    values, at = sort(input, dim, largest)
    return np.take(values, range(k), dim), np.take(at, range(k), dim)


def _rank(input: Array, k: int, dim: int, keepdim: bool) -> tuple[Array, Array]:
    values, at = sort(input, dim)
    where = [k] if keepdim else k
    return np.take(values, where, dim), np.take(at, where, dim)


def kthvalue(input: Array, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The k-th least."""
    return _rank(input, k - 1, dim, keepdim)


def _median(line: Array, skip_nan: bool) -> int:
    """Where the lower middle one stands; the first NaN when there is one and it counts."""
    nan = np.isnan(line)
    if nan.all() or (nan.any() and not skip_nan):
        return int(np.flatnonzero(nan)[0])
    return int(np.argsort(line, kind="stable")[(len(line) - nan.sum() - 1) // 2])


def median_dim(
    input: Array, dim: int, keepdim: bool = False, skip_nan: bool = False
) -> tuple[Array, Array]:
    """The lower middle one of each line."""
    at = np.apply_along_axis(_median, dim, input, skip_nan)
    values = np.take_along_axis(input, np.expand_dims(at, dim), dim)
    return (values, np.expand_dims(at, dim)) if keepdim else (np.squeeze(values, dim), at)


def median_all(input: Array, skip_nan: bool = False) -> Array:
    """The lower middle one of all."""
    flat = np.asarray(input).reshape(-1)
    return np.asarray(flat[_median(flat, skip_nan)])


def median(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower middle one, of all or of lines."""
    return median_all(input) if dim is None else median_dim(input, dim, keepdim)


def nanmedian(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower middle one of what is not NaN."""
    return median_all(input, True) if dim is None else median_dim(input, dim, keepdim, True)


def _mode(line: Array) -> int:
    values, counts = np.unique(line, return_counts=True)
    return int(np.flatnonzero(line == values[np.argmax(counts)])[-1])


def mode_dim(input: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The most frequent, the least of several, and where it stands last."""
    at = np.apply_along_axis(_mode, dim, input)
    values = np.take_along_axis(input, np.expand_dims(at, dim), dim)
    return (values, np.expand_dims(at, dim)) if keepdim else (np.squeeze(values, dim), at)


mode = mode_dim


def quantile(
    input: Array, q: Array, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Array:  # fmt: skip
    """The value below which a share lies."""
    method: Any = interpolation
    return np.quantile(input, q, axis=dim, keepdims=keepdim, method=method)


def nanquantile(
    input: Array, q: Array, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Array:  # fmt: skip
    """The quantile of what is not NaN."""
    method: Any = interpolation
    return np.nanquantile(input, q, axis=dim, keepdims=keepdim, method=method)


def unique(
    input: Array, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The distinct ones; which one each is; how many there are."""
    values, inverse, counts = np.unique(
        input, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    shaped = inverse.reshape(input.shape if dim is None else -1)
    return _chosen(values, (return_inverse, shaped), (return_counts, counts))


def unique_consecutive(
    input: Array, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """One of every run; which run each is in; how long the runs are."""
    lines = np.reshape(input, -1) if dim is None else np.moveaxis(input, dim, 0)
    n = len(lines)
    first = np.ones(n, bool)
    first[1:] = (lines[1:] != lines[:-1]).reshape(max(n - 1, 0), -1).any(1)
    inverse = np.cumsum(first) - 1
    values = lines[first] if dim is None else np.compress(first, input, dim)
    shaped = inverse.reshape(input.shape) if dim is None else inverse
    counts = np.diff(np.r_[np.flatnonzero(first), n])
    return _chosen(values, (return_inverse, shaped), (return_counts, counts))


def _chosen(values: Array, *further: tuple[bool, Array]) -> Any:
    asked = [array for wanted, array in further if wanted]
    return (values, *asked) if asked else values


# Choosing ----------------------------------------------------------------------------------------


def masked_select(input: Array, mask: Array) -> Array:
    """Elements where the mask is true."""
    a, m = np.broadcast_arrays(input, mask)
    return a[m]


def masked_scatter(input: Array, mask: Array, source: Array) -> Array:
    """Elements where the mask is true replaced in order."""
    a, m = np.broadcast_arrays(input, mask)
    out = np.array(a)
    out[m] = source.reshape(-1)[: int(m.sum())]
    return out


def take_along_dim(input: Array, indices: Array, dim: int | None = None) -> Array:
    """Elements at positions along a dimension."""
    return np.take_along_axis(input, indices.reshape(-1) if dim is None else indices, dim)


def one_hot(input: Array, num_classes: int = -1) -> Array:
    """Ones at classes."""
    count = int(input.max()) + 1 if num_classes < 0 else num_classes
    return (input[..., None] == np.arange(count)).astype(np.int64)


def search(lines: Array, input: Array, right: bool = False) -> Array:
    """Where values go into sorted lines."""
    side: Any = "right" if right else "left"
    if lines.ndim == 1:
        return np.asarray(np.searchsorted(lines, input, side))
    flat = zip(lines.reshape(-1, lines.shape[-1]), input.reshape(-1, input.shape[-1]), strict=True)
    return np.stack([np.searchsorted(a, v, side) for a, v in flat]).reshape(input.shape)


def searchsorted(
    sorted_sequence: Array, input: Array, *, right: bool = False, side: str | None = None, **_: Any
) -> Array:
    """Where values go into sorted lines."""
    return search(sorted_sequence, input, right or side == "right")


def bucketize(input: Array, boundaries: Array, *, right: bool = False, **_: Any) -> Array:
    """Where values go between boundaries."""
    return search(boundaries, input, right)


def isin(elements: Array, test_elements: Array, invert: bool = False, **_: Any) -> Array:
    """Is each among the others?"""
    return np.isin(elements, test_elements, invert=invert)


def bincount(input: Array, weights: Array | None = None, minlength: int = 0) -> Array:
    """How often each number occurs."""
    return np.bincount(input, weights, minlength)


def histc(input: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
    """How many fall into each interval."""
    ends = (float(input.min()), float(input.max())) if min == max else (float(min), float(max))
    return np.histogram(input, bins, ends)[0]
