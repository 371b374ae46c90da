"""Factorisations and solvers on NumPy arrays, by NumPy's LAPACK; targets of `fast: {library: ...}`.

Where LAPACK says how far it came, these say it too (`info`), and raise nothing: a batch has good
and bad matrices. What LAPACK leaves open, the signs of vectors, is settled here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_LEAF = 32  # columns that are eliminated one by one; above, halves with matrix products
_NEARLY = 0.9  # of the largest element, so that rounding does not choose between equals


def _each(call: Callable[..., Any], failed: Callable[..., Any], *arrays: Any) -> tuple[Any, Any]:
    """``call`` of a batch; if it refuses, of each matrix, and ``failed`` of those it refuses."""
    lead = arrays[0].shape[:-2]
    try:
        return call(*arrays), np.zeros(lead, np.int32)
    except np.linalg.LinAlgError:
        info = np.zeros(lead, np.int32)
        out = np.empty_like(arrays[-1])
        for at in np.ndindex(lead):
            try:
                out[at] = call(*(a[at] for a in arrays))
            except np.linalg.LinAlgError:
                out[at], info[at] = failed(*(a[at] for a in arrays))
        return out, info


def _zero_pivot(a: Any) -> int:
    """Where elimination ends, counted from 1."""
    return int(lu(a)[2]) or len(a)


def invert(a: Any) -> tuple[Any, Any]:
    """Inverses; singular matrices have infinities."""

    def failed(a: Any) -> tuple[Any, int]:
        return np.full_like(a, np.inf), _zero_pivot(a)

    return _each(np.linalg.inv, failed, a)


def solve(a: Any, b: Any) -> tuple[Any, Any]:
    """Solutions of a x = b; NaN where a matrix is singular."""

    def failed(a: Any, b: Any) -> tuple[Any, int]:
        return np.full_like(b, np.nan), _zero_pivot(a)

    return _each(np.linalg.solve, failed, a, b)


def cholesky(a: Any) -> tuple[Any, Any]:
    """Lower factors; of a matrix that is not positive definite the part that has one."""

    def failed(a: Any) -> tuple[Any, int]:
        good, bad = 0, len(a)  # orders of a leading minor that has a factor, and of one without
        while bad - good > 1:
            middle = (good + bad) // 2
            try:
                np.linalg.cholesky(a[:middle, :middle])
                good = middle
            except np.linalg.LinAlgError:
                bad = middle
        factor = np.tril(a)
        factor[:good, :good] = np.linalg.cholesky(a[:good, :good])
        return factor, bad

    return _each(np.linalg.cholesky, failed, a)


def qr_reduced(a: Any) -> Any:
    """Q with as many columns as the shorter side, and R."""
    return tuple(np.linalg.qr(a))


def qr_complete(a: Any) -> Any:
    """Q square, and R."""
    return tuple(np.linalg.qr(a, "complete"))


def _signs(columns: Any) -> Any:
    """By column: the sign of the first element that is nearly the largest."""
    if not columns.size:
        return np.ones((*columns.shape[:-2], 1, columns.shape[-1]), columns.dtype)
    size = abs(columns)
    at = np.argmax(size >= _NEARLY * size.max(-2, keepdims=True), -2)[..., None, :]
    return np.copysign(columns.dtype.type(1), np.take_along_axis(columns, at, -2))


def eigh(a: Any, upper: bool) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of symmetric matrices."""
    values, vectors = np.linalg.eigh(a, "U" if upper else "L")
    return values, vectors * _signs(vectors)


def eigvalsh(a: Any, upper: bool) -> Any:
    """Eigenvalues alone."""
    return np.linalg.eigvalsh(a, "U" if upper else "L")


def svd_reduced(a: Any) -> tuple[Any, Any, Any]:
    """Singular values and as many vectors of both sides."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    signs = _signs(u)
    return u * signs, s, vh * np.swapaxes(signs, -1, -2)


def singular_values(a: Any) -> Any:
    """Singular values alone."""
    return np.linalg.svd(a, compute_uv=False)


def cofactors(a: Any) -> Any:
    """Cofactors, by singular values: of each the product of all others, and no division."""
    n = a.shape[-1]
    u, s, vh = np.linalg.svd(a)
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    turns = np.sign(np.linalg.det(u) * np.linalg.det(vh))[..., None]
    return (u * (turns * others)[..., None, :]) @ vh


# What NumPy has not ------------------------------------------------------------------------------


def solve_triangle(a: Any, b: Any, upper: bool, unitriangular: bool) -> Any:
    """Solutions of a triangle's equations, by halves (Elmroth et al. 2004); 1 / 0 is inf."""
    out = np.array(b, np.result_type(a, b), order="C")
    with np.errstate(all="ignore"):
        _substitute(a, out, upper, unitriangular)
    return out


def _substitute(a: Any, b: Any, upper: bool, unitriangular: bool) -> None:
    """Write the solutions over ``b``."""
    n = a.shape[-1]
    if n > _LEAF:
        half = n // 2
        low, high = slice(0, half), slice(half, n)
        first, then = (high, low) if upper else (low, high)
        _substitute(a[..., first, first], b[..., first, :], upper, unitriangular)
        b[..., then, :] -= a[..., then, first] @ b[..., first, :]
        _substitute(a[..., then, then], b[..., then, :], upper, unitriangular)
        return
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        b[..., i : i + 1, :] -= a[..., i : i + 1, known] @ b[..., known, :]
        if not unitriangular:
            b[..., i, :] /= a[..., i, i, None]


def lu(a: Any) -> tuple[Any, Any, Any]:
    """Both factors in one matrix, the row that each step took from 1 on, the first zero pivot."""
    out = np.array(a, order="C")
    k = min(out.shape[-2:])
    pivots = np.zeros((*out.shape[:-2], k), np.int32)
    with np.errstate(all="ignore"):
        if out.size:
            _eliminate(out, pivots, 0)
    diagonal = np.diagonal(out, 0, -2, -1) == 0
    info = np.where(diagonal.any(-1), diagonal.argmax(-1) + 1, 0) if k else np.zeros(out.shape[:-2])
    return out, pivots, np.asarray(info, np.int32)


def _swap(a: Any, row: int, other: Any) -> None:
    """Exchange a row with another, which each matrix has its own of."""
    at = np.broadcast_to(other[..., None, None], (*a.shape[:-2], 1, a.shape[-1]))
    mine = a[..., row : row + 1, :].copy()
    a[..., row : row + 1, :] = np.take_along_axis(a, at, -2)
    np.put_along_axis(a, at, mine, -2)


def _eliminate(a: Any, pivots: Any, start: int) -> None:
    """Factor by halves of the columns (Toledo 1997), over ``a``; rows count from ``start``."""
    m, n = a.shape[-2:]
    if n > 1:
        half = min(m, n) // 2 or 1
        left, right = a[..., :half], a[..., half:]
        _eliminate(left, pivots[..., :half], start)
        for k in range(half):
            _swap(right, k, pivots[..., k] - 1 - start)
        _substitute(left[..., :half, :], right[..., :half, :], False, True)
        if m > half:
            rest = right[..., half:, :]
            rest -= left[..., half:, :] @ right[..., :half, :]
            _eliminate(rest, pivots[..., half:], start + half)
            for k in range(min(rest.shape[-2:])):
                _swap(left[..., half:, :], k, pivots[..., half + k] - 1 - start - half)
        return
    largest = abs(a[..., 0]).argmax(-1)
    pivots[..., 0] = largest + 1 + start
    _swap(a, 0, largest)
    first = a[..., :1, :]
    a[..., 1:, :] /= np.where(first == 0, 1, first)
