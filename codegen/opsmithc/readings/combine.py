"""In: NumPy arguments by parameter name. Out: what ops that combine elements mean: products, norms.

Must not know: targets. Part of ``reference.py``: one function each for the names of the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any


def product_of_others(input: Array, dim: int | None = None) -> Array:
    """For each element the product of all others."""
    if input.ndim == 0:
        return input * 0 + 1
    if dim is None:
        return product_of_others(input.reshape(-1), 0).reshape(input.shape)
    others = [np.prod(np.delete(input, k, dim), dim) for k in range(input.shape[dim])]
    return np.stack(others, dim) if others else input


def cumprod_back(input: Array, other: Array, dim: int) -> Array:
    """The cotangent of what cumprod is taken of, given that of its output."""
    if other.ndim == 0:
        return input
    g, x = np.moveaxis(input, dim, 0), np.moveaxis(other, dim, 0)
    found = np.zeros_like(x)
    for i in range(len(x)):
        product = np.prod(x[:i], 0)
        for k in range(i, len(x)):
            product = product * x[k] if k > i else product
            found[i] = found[i] + g[k] * product
    return np.moveaxis(found, 0, dim)


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
        input, 2 if p in (None, "fro") else p, tuple(dim) if dim else None, keepdim
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
    axis = tuple(dim) if dim else None
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
