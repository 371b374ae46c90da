"""Factorisations and solvers on NumPy arrays, by NumPy's LAPACK; targets of `fast: {library: ...}`.

Where LAPACK says how far it came, these say it too (`info`), and raise nothing: a batch has good
and bad matrices. What LAPACK leaves open, the signs of vectors, is settled here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._factor import lu

if TYPE_CHECKING:
    from collections.abc import Callable

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


def whole(a: Any) -> Any:
    """The symmetric matrices that lower triangles give."""
    return np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2)


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


def pseudo_inverse(a: Any, atol: Any, rtol: Any) -> Any:
    """Moore and Penrose's inverse; singular values up to a cutoff count as 0."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    if not s.size:
        return np.swapaxes(np.zeros_like(a), -1, -2)
    cutoff = np.maximum(atol, rtol * s[..., 0])[..., None]
    kept = s > cutoff
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0).astype(a.dtype)
    return np.swapaxes(u * inverse[..., None, :] @ vh, -1, -2)


def reflections(a: Any) -> tuple[Any, Any]:
    """R, and below it the vectors of the reflections that lead to it; their factors."""
    raw, tau = np.linalg.qr(a, "raw")
    return np.ascontiguousarray(np.swapaxes(raw, -1, -2)), tau
