"""In: NumPy arguments by parameter name. Out: what ops that join, cut, move, order or choose mean.

Must not know: targets. Part of ``reference.py``: one function each for the names of the registry;
an op that returns several tensors returns a tuple.
"""

from __future__ import annotations

import itertools
from builtins import max as most
from builtins import min as least
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any

# Joining and cutting -----------------------------------------------------------------------------


def cat(tensors: Sequence[Array], dim: int = 0) -> Array:
    """One behind the other."""
    return np.concatenate(tensors, dim)


def stack(tensors: Sequence[Array], dim: int = 0) -> Array:
    """Along a new dimension."""
    return np.stack(tensors, dim)


def hstack(tensors: Sequence[Array]) -> Array:
    """Along columns."""
    return np.hstack(tensors)


def vstack(tensors: Sequence[Array]) -> Array:
    """Along rows."""
    return np.vstack(tensors)


def dstack(tensors: Sequence[Array]) -> Array:
    """Along the third dimension."""
    return np.dstack(tensors)


def column_stack(tensors: Sequence[Array]) -> Array:
    """Along columns, vectors as columns."""
    return np.column_stack(tensors)


def block_diag(tensors: Sequence[Array]) -> Array:
    """Blocks along the diagonal."""
    blocks = [np.atleast_2d(t) for t in tensors]
    out = np.zeros(np.sum([b.shape for b in blocks], 0), np.result_type(*blocks))
    row = column = 0
    for b in blocks:
        out[row : row + b.shape[0], column : column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return out


def split(input: Array, split_size_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """Parts of one size or of the sizes given."""
    size, n = split_size_or_sections, input.shape[dim]
    sizes = size if isinstance(size, Sequence) else [least(size, n - k) for k in range(0, n, size)]
    return split_with_sizes(input, sizes, dim)


def split_with_sizes(input: Array, split_sizes: Sequence[int], dim: int = 0) -> tuple[Array, ...]:
    """Parts of the sizes given."""
    return tuple(np.split(input, np.cumsum(split_sizes)[:-1], dim))


def chunk(input: Array, chunks: int, dim: int = 0) -> tuple[Array, ...]:
    """At most that many parts of one size."""
    return split(input, -(-input.shape[dim] // chunks), dim)


def tensor_split(input: Array, indices_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """So many parts, or parts between positions."""
    return tuple(np.array_split(input, indices_or_sections, dim))


def hsplit(input: Array, indices_or_sections: Any) -> tuple[Array, ...]:
    """Along columns."""
    return tuple(np.hsplit(input, indices_or_sections))


def vsplit(input: Array, indices_or_sections: Any) -> tuple[Array, ...]:
    """Along rows."""
    return tuple(np.vsplit(input, indices_or_sections))


def dsplit(input: Array, indices_or_sections: Any) -> tuple[Array, ...]:
    """Along the third dimension."""
    return tuple(np.dsplit(input, indices_or_sections))


def unbind(input: Array, dim: int = 0) -> tuple[Array, ...]:
    """All slices."""
    return tuple(np.moveaxis(input, dim, 0))


# Repeating, turning, padding ---------------------------------------------------------------------


def repeat(input: Array, repeats: Sequence[int]) -> Array:
    """Side by side."""
    return np.tile(input, repeats)


def tile(input: Array, dims: Sequence[int]) -> Array:
    """Side by side."""
    return np.tile(input, dims)


def repeat_interleave(input: Array, repeats: Array, dim: int | None = None, **_: Any) -> Array:
    """Every element so many times in a row."""
    return np.repeat(input, repeats, dim)


def roll(input: Array, shifts: Sequence[int], dims: Sequence[int] = ()) -> Array:
    """Moved, what leaves enters at the other end."""
    return np.roll(input, shifts, tuple(dims)) if dims else np.roll(input, shifts)


def rot90(input: Array, k: int = 1, dims: Sequence[int] = (0, 1)) -> Array:
    """Turned by right angles."""
    return np.rot90(input, k, (dims[0], dims[1]))


def tril(input: Array, diagonal: int = 0) -> Array:
    """The lower triangle."""
    return np.tril(input, diagonal)


def triu(input: Array, diagonal: int = 0) -> Array:
    """The upper triangle."""
    return np.triu(input, diagonal)


def diag_embed(input: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """The last dimension as a diagonal."""
    n = input.shape[-1]
    side = n + abs(offset)
    out = np.zeros((*input.shape[:-1], side, side), input.dtype)
    k = np.arange(n)
    out[..., k + most(-offset, 0), k + most(offset, 0)] = input
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


def diag(input: Array, diagonal: int = 0) -> Array:
    """A diagonal, or a matrix with one."""
    return np.diag(input, diagonal)


def constant_pad_nd(input: Array, pad: Sequence[int], value: float = 0) -> Array:
    """A value around; negative widths cut."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    cut = tuple(
        slice(most(-a, 0), n - most(-b, 0)) for (a, b), n in zip(pairs, input.shape, strict=True)
    )
    return np.pad(input[cut], [(most(a, 0), most(b, 0)) for a, b in pairs], constant_values=value)


def pad_back(input: Array, pad: Sequence[int]) -> Array:
    """What stood inside."""
    return constant_pad_nd(input, [-w for w in pad])


def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Array:
    """Values around, by mode."""
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    names: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    return np.pad(input, pairs, names[mode])


# Grids -------------------------------------------------------------------------------------------


def meshgrid(tensors: Sequence[Array], indexing: str | None = None) -> tuple[Array, ...]:
    """Grids of coordinates."""
    return tuple(np.meshgrid(*tensors, indexing=indexing or "ij"))  # type: ignore[call-overload]


def cartesian_prod(tensors: Sequence[Array]) -> Array:
    """Tuples of one element each."""
    if len(tensors) == 1:
        return tensors[0]
    return np.array(list(itertools.product(*tensors)))


def combinations(input: Array, r: int = 2, with_replacement: bool = False) -> Array:
    """Choices of r elements."""
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return np.array(list(choose(input, r)))


def broadcast_tensors(tensors: Sequence[Array]) -> tuple[Array, ...]:
    """The common shape."""
    return tuple(np.broadcast_arrays(*tensors))


def atleast_1d(tensors: Sequence[Array]) -> tuple[Array, ...]:
    """At least vectors."""
    return tuple(np.atleast_1d(t) for t in tensors)


def atleast_2d(tensors: Sequence[Array]) -> tuple[Array, ...]:
    """At least matrices."""
    return tuple(np.atleast_2d(t) for t in tensors)


def atleast_3d(tensors: Sequence[Array]) -> tuple[Array, ...]:
    """At least three dimensions."""
    return tuple(np.atleast_3d(t) for t in tensors)


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


def unique(input: Array, dim: int | None = None, **_: Any) -> Array:
    """The distinct ones (without the further results)."""
    return np.unique(input, axis=dim)


def unique_consecutive(input: Array, **_: Any) -> Array:
    """One of every run (of all elements)."""
    flat = input.reshape(-1)
    return flat[np.r_[True, flat[1:] != flat[:-1]]] if flat.size else flat


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


# Sums of products, overloads ---------------------------------------------------------------------


def einsum(equation: str, operands: Sequence[Array]) -> Array:
    """Einstein's notation."""
    return np.einsum(equation, *operands)


def tensordot(a: Array, b: Array, dims: Any = 2) -> Array:
    """Sums of products over dims."""
    return np.tensordot(a, b, dims)


def kron(input: Array, other: Array) -> Array:
    """All products, as blocks."""
    return np.kron(input, other)


def cross(input: Array, other: Array, dim: int | None = None) -> Array:
    """Cross products."""
    a, b = np.broadcast_arrays(input, other)
    at = list(np.shape(input)).index(3) if dim is None else dim
    parts = [np.take(t, k, at) for t in (a, b) for k in range(3)]
    x, y, z, u, v, w = parts
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], at)


def _norm(x: Array, p: Any, axis: Any = None, keepdims: bool = False) -> Array:
    if p == 0:
        return (x != 0).sum(axis, keepdims=keepdims).astype(np.float64)
    if abs(p) == np.inf:
        return (np.max if p > 0 else np.min)(abs(x), axis=axis, keepdims=keepdims)
    return (abs(x) ** p).sum(axis, keepdims=keepdims) ** (1 / p)


def cdist(x1: Array, x2: Array, p: float = 2.0, **_: Any) -> Array:
    """Distances of all pairs of rows."""
    return _norm(x1[..., :, None, :] - x2[..., None, :, :], p, -1)


def norm(
    input: Array, p: Any = 2, dim: Sequence[int] | None = None, keepdim: bool = False, **_: Any
) -> Array:
    """The p-norm."""
    return _norm(
        input, 2 if p in (None, "fro") else p, None if dim is None else tuple(dim), keepdim
    )


def dist(input: Array, other: Array, p: Any = 2) -> Array:
    """The norm of a difference."""
    return _norm(input - other, p)


def max(
    input: Array, dim: int | None = None, keepdim: bool = False, *, other: Array | None = None
) -> Any:
    """The largest, of all, of lines or of two."""
    return _extreme(input, dim, keepdim, other, np.argmax, np.maximum)


def min(
    input: Array, dim: int | None = None, keepdim: bool = False, *, other: Array | None = None
) -> Any:
    """The smallest, of all, of lines or of two."""
    return _extreme(input, dim, keepdim, other, np.argmin, np.minimum)


def _extreme(x: Array, dim: int | None, keepdim: bool, other: Any, where: Any, two: Any) -> Any:
    if other is not None:
        return two(x, other)
    if dim is None:
        return two.reduce(x, axis=None)
    at = np.expand_dims(where(x, axis=dim), dim)
    values = np.take_along_axis(x, at, dim)
    return (values, at) if keepdim else (np.squeeze(values, dim), np.squeeze(at, dim))


def _moments(
    input: Array, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> tuple[Array, Array]:
    ddof = (1 if unbiased is None else int(unbiased)) if correction is None else correction
    axis = None if dim is None else tuple(dim)
    options: dict[str, Any] = {"axis": axis, "keepdims": keepdim}
    return np.var(input, ddof=ddof, **options), np.mean(input, **options)


def var_mean(
    input: Array, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: Any = None,
) -> tuple[Array, Array]:  # fmt: skip
    """Variance and mean."""
    return _moments(input, dim, unbiased, keepdim, correction)


def std_mean(
    input: Array, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: Any = None,
) -> tuple[Array, Array]:  # fmt: skip
    """Standard deviation and mean."""
    variance, mean = _moments(input, dim, unbiased, keepdim, correction)
    return np.sqrt(variance), mean


def nan_to_num(input: Array, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Array:
    """NaN and infinities replaced (the largest numbers are the dtype's: not known here)."""
    out = np.where(np.isnan(input), 0.0 if nan is None else nan, input)
    out = np.where(out == np.inf, np.inf if posinf is None else posinf, out)
    return np.where(out == -np.inf, -np.inf if neginf is None else neginf, out)


# Along a dimension -------------------------------------------------------------------------------


def diff(
    input: Array, n: int = 1, dim: int = -1, prepend: Array | None = None,
    append: Array | None = None,
) -> Array:  # fmt: skip
    """Differences of neighbours."""
    parts = [t for t in (prepend, input, append) if t is not None]
    return np.diff(np.concatenate(parts, dim), n, dim)


def trapezoid(y: Array, x: Array | None = None, *, dx: Any = None, dim: int = -1) -> Array:
    """The integral by trapezoids."""
    return _areas(y, x, dx, dim).sum(dim)


def cumulative_trapezoid(
    y: Array, x: Array | None = None, *, dx: Any = None, dim: int = -1
) -> Array:
    """The running integral."""
    return _areas(y, x, dx, dim).cumsum(dim)


def _areas(y: Array, x: Array | None, dx: Any, dim: int) -> Array:
    n = y.shape[dim]
    pairs = np.take(y, range(1, n), dim) + np.take(y, range(n - 1), dim)
    if x is None:
        return pairs * (1 if dx is None else dx) / 2
    steps = np.diff(x, axis=-1 if x.ndim == 1 else dim)
    if x.ndim == 1:
        steps = steps.reshape((-1, *(1,) * (y.ndim - 1 - dim % y.ndim)))
    return pairs * steps / 2


def cov(
    input: Array, *, correction: int = 1, fweights: Array | None = None,
    aweights: Array | None = None,
) -> Array:  # fmt: skip
    """Covariances of rows."""
    return np.cov(input, ddof=correction, fweights=fweights, aweights=aweights)


def corrcoef(input: Array) -> Array:
    """Correlations of rows."""
    return np.corrcoef(input)


def vander(x: Array, N: int | None = None, *, increasing: bool = False) -> Array:
    """Powers as rows."""
    return np.vander(x, N, increasing)


def renorm(input: Array, p: float, dim: int, maxnorm: float) -> Array:
    """Slices of bounded norm."""
    others = tuple(k for k in range(input.ndim) if k != dim % input.ndim)
    size = _norm(input, p, others, True)
    return input * np.where(size > maxnorm, maxnorm / (size + 1e-7), 1)
