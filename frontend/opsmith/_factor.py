"""Factorisations and solvers on NumPy arrays that NumPy does not hand out, in LAPACK's formats.

Targets of `fast: {library: ...}`. Matrices of a batch are worked on together.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def row_places(pivots: Any, size: int, inverse: bool) -> Any:
    """Where the exchanges of an elimination put each row, or which row they put in each place."""
    order = np.broadcast_to(np.arange(size), (*pivots.shape[:-1], size)).copy()
    for k in range(pivots.shape[-1]):
        other = np.asarray(pivots[..., k, None], np.int64) - 1
        moved = np.take_along_axis(order, other, -1)
        np.put_along_axis(order, other, order[..., k, None].copy(), -1)
        order[..., k, None] = moved
    return order if inverse else np.argsort(order, -1)


# Symmetric indefinite matrices -------------------------------------------------------------------

_GROWTH = (1 + 17**0.5) / 8  # Bunch and Kaufman's bound, which keeps the elements small


def ldl(a: Any) -> tuple[Any, Any, Any]:
    """L and D of A = L D L^T in one matrix, the exchanged rows, the first zero of D.

    D has blocks of two where the exchanged row is negative (Bunch, Kaufman 1977; LAPACK's sytf2).
    """
    out = np.tril(a)
    pivots = np.zeros(a.shape[:-1], np.int32)
    info = np.zeros(a.shape[:-2], np.int32)
    for at in np.ndindex(info.shape):
        info[at] = _ldl(out[at], pivots[at])
    return out, pivots, info


def _ldl(a: Any, pivots: Any) -> int:
    n, k, info = len(a), 0, 0
    full = a + np.tril(a, -1).T
    while k < n:
        exchanged, width = _pivot(full, k)
        last = k + width - 1
        if exchanged != last:
            for part in (full[:, k:], full[k:].T):
                part[[last, exchanged]] = part[[exchanged, last]]
        block, below = full[k : k + width, k : k + width], full[k + width :, k : k + width]
        if width == 1 and block[0, 0] == 0:
            info = info or k + 1
        elif below.size:
            scaled = np.linalg.solve(block, below.T).T
            full[k + width :, k + width :] -= scaled @ below.T
            below[:] = scaled
        pivots[k : k + width] = exchanged + 1 if width == 1 else -exchanged - 1
        k += width
    a[:] = np.tril(full)
    return info


def _pivot(full: Any, k: int) -> tuple[int, int]:
    """The row to exchange, and the size of the block of D."""
    column = abs(full[k + 1 :, k])
    own = abs(full[k, k])
    if not column.size or own >= _GROWTH * column.max():
        return k, 1
    other = k + 1 + int(column.argmax())
    row = abs(full[other, k:])
    row[other - k] = 0
    if own * row.max() >= _GROWTH * column.max() ** 2:
        return k, 1
    return other, 1 if abs(full[other, other]) >= _GROWTH * row.max() else 2


def ldl_solve(factor: Any, pivots: Any, b: Any) -> Any:
    """Solutions of A x = b for matrices that are given by `ldl`."""
    out = np.array(b, np.result_type(factor, b), order="C")
    with np.errstate(all="ignore"):
        for at in np.ndindex(out.shape[:-2]):
            _ldl_solve(factor[at], pivots[at], out[at])
    return out


def _ldl_solve(a: Any, pivots: Any, b: Any) -> None:
    steps, k = [], 0
    while k < len(a):
        width = 2 if pivots[k] < 0 else 1
        last, exchanged = k + width - 1, abs(int(pivots[k])) - 1
        b[[last, exchanged]] = b[[exchanged, last]]
        below = a[k + width :, k : k + width]
        b[k + width :] -= below @ b[k : k + width]
        if width == 1:
            b[k] /= a[k, k]
        else:
            block = np.tril(a[k : k + 2, k : k + 2])
            b[k : k + 2] = np.linalg.solve(block + np.tril(block, -1).T, b[k : k + 2])
        steps.append((k, width, last, exchanged))
        k += width
    for k, width, last, exchanged in reversed(steps):
        b[k : k + width] -= a[k + width :, k : k + width].T @ b[k + width :]
        b[[last, exchanged]] = b[[exchanged, last]]


# Exponentials ------------------------------------------------------------------------------------

# Higham 2005 (The scaling and squaring method for the matrix exponential revisited): coefficients
# of the approximant of degree 13, and the norm up to which it is exact to double precision.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0,
    960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_EXACT = 5.371920351148152


def matrix_exp(a: Any) -> Any:
    """Exponentials of square matrices."""
    if a.shape[-1] != a.shape[-2]:
        raise ValueError("expected square matrices")
    if not a.size:
        return a.copy()
    norm = abs(a.astype(np.float64)).sum(-2).max(-1)
    finite = np.isfinite(norm)
    fraction = np.where(finite & (norm > _EXACT), norm, _EXACT) / _EXACT
    halvings = np.ceil(np.log2(fraction)).astype(int)
    with np.errstate(all="ignore"):
        x = np.where(finite[..., None, None], a, 0) * np.exp2(-halvings)[..., None, None]
        out = _pade(x.astype(np.float64))
        for k in range(int(halvings.max())):
            out = np.where((halvings > k)[..., None, None], out @ out, out)
        return np.where(finite[..., None, None], out, np.nan).astype(a.dtype)


def _pade(x: Any) -> Any:
    c, unit = _PADE, np.eye(x.shape[-1])
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    odd = x6 @ (c[13] * x6 + c[11] * x4 + c[9] * x2)
    odd = x @ (odd + c[7] * x6 + c[5] * x4 + c[3] * x2 + c[1] * unit)
    even = x6 @ (c[12] * x6 + c[10] * x4 + c[8] * x2)
    even = even + c[6] * x6 + c[4] * x4 + c[2] * x2 + c[0] * unit
    return np.linalg.solve(even - odd, even + odd)
