"""Factorisations and solvers on NumPy arrays, by NumPy's LAPACK; targets of `fast: {library: ...}`.

What LAPACK leaves open, the signs of vectors, is settled here, and a factorisation that may fail
says how far it came, as LAPACK does: a batch has good and bad matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_NEARLY = 0.9  # of the largest element, so that rounding does not choose between equals


def cholesky(a: Any) -> tuple[Any, Any]:
    """Lower factors; of a matrix that is not positive definite the part that has one."""
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        return np.linalg.cholesky(a), info
    except np.linalg.LinAlgError:
        out = np.tril(a)
        for at in np.ndindex(info.shape):
            info[at] = _bad_order(a[at])
            good = info[at] - 1 if info[at] else a.shape[-1]
            out[at][:good, :good] = np.linalg.cholesky(a[at][:good, :good])
        return out, info


def _bad_order(a: Any) -> int:
    """The order of the first leading minor that is not positive, or 0."""
    good, bad = 0, len(a) + 1  # orders of one that is, and of one that is not
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            np.linalg.cholesky(a[:middle, :middle])
            good = middle
        except np.linalg.LinAlgError:
            bad = middle
    return bad if bad <= len(a) else 0


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
