"""In: matrices as arrays, batched. Out: what factorisations and solvers mean.

Must not know: targets. Part of ``reference.py``: one function each for the names of the registry.
All compute at 60 digits by the plainest algorithm, on one matrix after the other; doubles give
doubles, arrays of mpf give arrays of mpf, so that the gate can take differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .mp import mp, mpf

Array = Any
_LIFT = np.frompyfunc(mpf, 1, 1)


def _each(
    fn: Callable[..., Any], operands: Sequence[Array], shapes: Sequence[tuple[int, ...]],
    integers: Sequence[int] = (),
) -> tuple[Array, ...]:  # fmt: skip
    """``fn`` of every matrix of a batch; ``shapes`` of its results, ``integers`` among them."""
    exact = any(a.dtype == object for a in operands)
    lead = operands[0].shape[:-2]
    lifted = [
        np.asarray(_LIFT(a), object).reshape((math.prod(lead), *a.shape[-2:])) for a in operands
    ]
    kinds = [np.int64 if k in integers else object for k in range(len(shapes))]
    made = [
        np.empty((math.prod(lead), *s), kind) for s, kind in zip(shapes, kinds, strict=True)
    ]
    for k in range(math.prod(lead)):
        results = fn(*(a[k] for a in lifted))
        for out, result in zip(made, results, strict=True):
            out[k] = result
    shaped = [m.reshape((*lead, *s)) for m, s in zip(made, shapes, strict=True)]
    return tuple(a if exact or a.dtype != object else a.astype(np.float64) for a in shaped)


def _eye(n: int) -> Array:
    return _LIFT(np.eye(n)) if n else np.zeros((0, 0), object)


def _solved(a: Array, b: Array) -> Array:
    """Gauss-Jordan elimination with the largest pivot."""
    n = len(a)
    rows = np.concatenate([a, b], 1)
    for k in range(n):
        pivot = k + max(range(n - k), key=lambda i: abs(rows[k + i, k]))
        rows[[k, pivot]] = rows[[pivot, k]]
        rows[k] /= rows[k, k]
        for other in range(n):
            if other != k:
                rows[other] -= rows[other, k] * rows[k]
    return rows[:, n:]


def invert(input: Array) -> tuple[Array, ...]:
    """The inverse, and 0: the matrix is regular."""
    n = input.shape[-1]
    return _each(lambda a: (_solved(a, _eye(n)), 0), [input], [(n, n), ()], [1])


def solve_many(input: Array, other: Array) -> tuple[Array, ...]:
    """The solution of input X = other, and 0: the matrix is regular."""
    return _each(lambda a, b: (_solved(a, b), 0), [input, other], [other.shape[-2:], ()], [1])


def inverse(input: Array) -> Array:
    """The inverse."""
    return invert(input)[0]


def solve_triangle(input: Array, other: Array, upper: bool, unitriangular: bool) -> Array:
    """The solution of a triangle's equations; what is beyond the triangle counts as 0."""

    def one(a: Array, b: Array) -> tuple[Array]:
        a = np.triu(a) if upper else np.tril(a)
        if unitriangular:
            a = a - np.diag(np.diag(a)) + _eye(len(a))
        return (_solved(a, b),)

    return _each(one, [input, other], [other.shape[-2:]])[0]


def cholesky_factor(input: Array) -> tuple[Array, ...]:
    """The lower factor of the lower triangle's symmetric matrix, and 0: it is positive definite."""
    n = input.shape[-1]

    def one(a: Array) -> tuple[Array, int]:
        factor = _eye(n) * 0
        for j in range(n):
            for i in range(j, n):
                rest = a[i, j] - (factor[i, :j] * factor[j, :j]).sum()
                factor[i, j] = mp.sqrt(rest) if i == j else rest / factor[j, j]
        return factor, 0

    return _each(one, [input], [(n, n), ()], [1])


def _reflected(a: Array) -> tuple[Array, Array]:
    """All of Q, and R, by Householder's reflections, with signs as LAPACK chooses them."""
    rows, columns = a.shape
    r, q = a.copy(), _eye(rows)
    for k in range(min(rows - 1, columns)):
        x = r[k:, k]
        if not any(x[1:] != 0):
            continue
        length = mp.sqrt((x * x).sum())
        v = x.copy()
        v[0] += length if x[0] >= 0 else -length
        scale = 2 / (v * v).sum()
        r[k:] = r[k:] - scale * v[:, None] * (v @ r[k:])[None, :]
        q[:, k:] = q[:, k:] - scale * (q[:, k:] @ v)[:, None] * v[None, :]
    return q, np.triu(r)


def qr_reduced(input: Array) -> tuple[Array, ...]:
    """The factors Q and R, with as many columns and rows as the shorter side."""
    m, n = input.shape[-2:]
    k = min(m, n)

    def one(a: Array) -> tuple[Array, Array]:
        q, r = _reflected(a)
        return q[:, :k], r[:k]

    return _each(one, [input], [(m, k), (k, n)])


def qr_complete(input: Array) -> tuple[Array, ...]:
    """The factors Q and R, with Q square."""
    m, n = input.shape[-2:]
    return _each(_reflected, [input], [(m, m), (m, n)])


def _signs(columns: Array) -> Array:
    """By column: the sign of the first element that is nearly the largest."""
    size = abs(columns)
    first = [next(i for i, v in enumerate(c) if 10 * v >= 9 * max(c)) for c in size.T]
    return np.array([mp.sign(columns[i, k]) or mpf(1) for k, i in enumerate(first)], object)


def _array(matrix: Any) -> Array:
    return np.array(matrix.tolist(), object).reshape(matrix.rows, matrix.cols)


def eigh_triangle(input: Array, upper: bool) -> tuple[Array, ...]:
    """Eigenvalues, ascending, and eigenvectors of the symmetric matrix that a triangle gives."""
    n = input.shape[-1]

    def one(a: Array) -> tuple[Array, Array]:
        half = a.T if upper else a
        values, vectors = mp.eigsy(mp.matrix((np.tril(half) + np.tril(half, -1).T).tolist()))
        order = sorted(range(n), key=lambda k: values[k])
        columns = _array(vectors)[:, order]
        return np.array([values[k] for k in order], object), columns * _signs(columns)

    return _each(one, [input], [(n,), (n, n)])


def svd_reduced(input: Array) -> tuple[Array, ...]:
    """Left singular vectors, singular values, descending, and right singular vectors as rows."""
    m, n = input.shape[-2:]
    k = min(m, n)

    def one(a: Array) -> tuple[Array, Array, Array]:
        if not k:
            return a[:, :0], np.zeros(0, object), a[:0]
        u, s, v = (_array(x) for x in mp.svd_r(mp.matrix(a.tolist())))
        signs = _signs(u)
        return u * signs, s[:, 0], v * signs[:, None]

    return _each(one, [input], [(m, k), (k,), (k, n)])


def sign_and_log(input: Array) -> tuple[Array, ...]:
    """The determinant's sign, and the logarithm of its magnitude."""

    def one(a: Array) -> tuple[Any, Any]:
        d = _determinant(a)
        return mp.sign(d), mp.log(abs(d)) if d else -mp.inf

    return _each(one, [input], [(), ()])


def determinant(input: Array) -> Array:
    """The determinant."""
    return _each(lambda a: (_determinant(a),), [input], [()])[0]


def _determinant(a: Array) -> Any:
    """By expansion along the first row: matrices are small here."""
    if not len(a):
        return mpf(1)
    minors = (np.delete(a[1:], j, 1) for j in range(len(a)))
    return mp.fsum((-1) ** j * a[0, j] * _determinant(m) for j, m in enumerate(minors))


def whole(input: Array) -> Array:
    """The symmetric matrix that the lower triangle gives."""
    return np.tril(input) + np.swapaxes(np.tril(input, -1), -1, -2)


def eigvalsh_triangle(input: Array, upper: bool) -> Array:
    """Eigenvalues alone."""
    return eigh_triangle(input, upper)[0]


def singular_values(input: Array) -> Array:
    """Singular values alone."""
    return svd_reduced(input)[1]


def cofactors(input: Array) -> Array:
    """The determinants of what is left without a row and a column, with alternating signs."""
    n = input.shape[-1]

    def one(a: Array) -> tuple[Array]:
        found = a.copy()
        for i, j in np.ndindex(n, n):
            found[i, j] = (-1) ** (i + j) * _determinant(np.delete(np.delete(a, i, 0), j, 1))
        return (found,)

    return _each(one, [input], [(n, n)])[0]


def lu_rows(input: Array) -> tuple[Array, ...]:
    """Both factors in one matrix, the rows that were exchanged, and 0: no pivot is zero."""
    m, n = input.shape[-2:]
    k = min(m, n)

    def one(a: Array) -> tuple[Array, Array, int]:
        a, pivots = a.copy(), np.zeros(k, np.int64)
        for j in range(k):
            largest = j + max(range(m - j), key=lambda i: abs(a[j + i, j]))
            a[[j, largest]] = a[[largest, j]]
            pivots[j] = largest + 1
            a[j + 1 :, j] /= a[j, j]
            a[j + 1 :, j + 1 :] -= a[j + 1 :, j, None] * a[j, None, j + 1 :]
        return a, pivots, 0

    return _each(one, [input], [(m, n), (k,), ()], [1, 2])


def row_places(pivots: Array, size: int, inverse: bool) -> Array:
    """Where exchanges put each row, or which row they put in each place."""
    found = []
    for own in pivots.reshape(-1, pivots.shape[-1]):
        rows = list(range(size))
        for k, other in enumerate(own):
            rows[k], rows[other - 1] = rows[other - 1], rows[k]
        found.append(rows if inverse else np.argsort(rows))
    return np.array(found, np.int64).reshape(*pivots.shape[:-1], size)


def ldl_solve_rows(LD: Array, pivots: Array, B: Array) -> Array:
    """The solution of equations whose matrix is given by exchanges, L and D."""
    places = [np.asarray(p) for p in pivots.reshape(-1, pivots.shape[-1])]
    todo = iter(places)

    def one(a: Array, b: Array) -> tuple[Array]:
        own, n, k = next(todo), len(a), 0
        left, middle = _eye(n), _eye(n) * 0
        while k < n:
            width = 1 if own[k] > 0 else 2
            step, order = _eye(n), list(range(n))
            last, other = k + width - 1, abs(own[k]) - 1
            order[last], order[other] = order[other], order[last]
            step[k + width :, k : k + width] = a[k + width :, k : k + width]
            block = np.tril(a[k : k + width, k : k + width])
            middle[k : k + width, k : k + width] = block + np.tril(block, -1).T
            left = left @ _eye(n)[order] @ step
            k += width
        return (_solved(left @ middle @ left.T, b),)

    return _each(one, [LD, B], [B.shape[-2:]])[0]


def pseudo_inverse(input: Array, atol: Array, rtol: Array) -> Array:
    """Moore and Penrose's inverse of a matrix whose shorter side's vectors are independent."""
    m, n = input.shape[-2:]

    def one(a: Array) -> tuple[Array]:
        if not min(m, n):
            return (a.T,)
        return (_solved(a.T @ a, a.T),) if m >= n else (_solved(a @ a.T, a).T,)

    return _each(one, [input], [(n, m)])[0]


def matrix_exponential(input: Array) -> Array:
    """The exponential."""
    n = input.shape[-1]

    def one(a: Array) -> tuple[Array]:
        return (_array(mp.expm(mp.matrix(a.tolist()))) if n else a,)

    return _each(one, [input], [(n, n)])[0]
