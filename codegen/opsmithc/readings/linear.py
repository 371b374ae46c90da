"""In: matrices in double precision. Out: what public functions of linear algebra mean, by NumPy.

Must not know: targets. Part of ``reference.py``; what factorisations mean is in ``matrices.py``,
and what NumPy computes otherwise than PyTorch, or leaves open, goes through it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import matrices

Array = Any


def _t(a: Array) -> Array:
    return np.swapaxes(a, -1, -2)


def _none(a: Array) -> Array:
    """Of each matrix: it was good."""
    return np.zeros(a.shape[:-2], np.int32)


def inv(A: Array) -> Array:
    """The inverse."""
    return np.linalg.inv(A)


def inv_ex(A: Array, check_errors: bool = False) -> tuple[Array, ...]:
    """The inverse, which there is."""
    return inv(A), _none(A)


def det(A: Array) -> Array:
    """The determinant."""
    return np.linalg.det(A)


def linalg_slogdet(A: Array) -> tuple[Array, ...]:
    """Sign and logarithm of the determinant."""
    return tuple(np.linalg.slogdet(A))


def slogdet(input: Array) -> tuple[Array, ...]:
    """Sign and logarithm of the determinant."""
    return linalg_slogdet(input)


def logdet(input: Array) -> Array:
    """The logarithm of the determinant."""
    return np.log(np.linalg.det(input))


def solve(A: Array, B: Array, left: bool = True) -> Array:
    """The solution of equations."""
    if not left:
        return _t(solve(_t(A), _t(B)))
    vector = B.ndim == 1 or A.ndim - 1 == B.ndim and B.shape == A.shape[:-1]
    return (inv(A) @ B[..., None])[..., 0] if vector else inv(A) @ B


def solve_ex(A: Array, B: Array, left: bool = True, check_errors: bool = False) -> Any:
    """The solution, which there is."""
    return solve(A, B, left), _none(A)


def solve_triangular(
    A: Array, B: Array, upper: bool, left: bool = True, unitriangular: bool = False
) -> Array:
    """The solution of a triangle's equations."""
    a = np.triu(A) if upper else np.tril(A)
    if unitriangular:
        a = np.where(np.eye(a.shape[-1]), 1, a)
    return solve(a, np.broadcast_to(B, (*np.broadcast_shapes(A.shape[:-2], B.shape[:-2]),
                                        *B.shape[-2:])), left)  # fmt: skip


def triangular_solve(
    input: Array, A: Array, upper: bool = True, transpose: bool = False,
    unitriangular: bool = False,
) -> Any:  # fmt: skip
    """The solution of a triangle's equations, and the triangle."""
    a, up = (_t(A), not upper) if transpose else (A, upper)
    return solve_triangular(a, input, up, True, unitriangular), A


def cholesky(A: Array, upper: bool = False) -> Array:
    """The triangular factor."""
    factor = np.linalg.cholesky(_t(A) if upper else A)
    return _t(factor) if upper else factor


def cholesky_ex(A: Array, upper: bool = False, check_errors: bool = False) -> Any:
    """The triangular factor, which there is."""
    return cholesky(A, upper), _none(A)


def cholesky_solve(input: Array, input2: Array, upper: bool = False) -> Array:
    """The solution of equations given by a factor."""
    factor = np.triu(input2) if upper else np.tril(input2)
    return inv(_t(factor) @ factor if upper else factor @ _t(factor)) @ input


def cholesky_inverse(input: Array, upper: bool = False) -> Array:
    """The inverse of what a factor stands for."""
    return cholesky_solve(np.eye(input.shape[-1]), input, upper)


def linalg_qr(A: Array, mode: str = "reduced") -> tuple[Array, ...]:
    """The factors Q and R."""
    q, r = matrices.qr_complete(A) if mode == "complete" else matrices.qr_reduced(A)
    return (np.zeros(0) if mode == "r" else q), r


def qr(input: Array, some: bool = True) -> tuple[Array, ...]:
    """The factors Q and R."""
    return linalg_qr(input, "reduced" if some else "complete")


def eigh(A: Array, UPLO: str = "L") -> tuple[Array, ...]:
    """Eigenvalues and eigenvectors."""
    return matrices.eigh_triangle(A, UPLO == "U")


def eigvalsh(A: Array, UPLO: str = "L") -> Array:
    """Eigenvalues."""
    return np.linalg.eigvalsh(A, "U" if UPLO == "U" else "L")


def linalg_svd(A: Array, full_matrices: bool = True, driver: Any = None) -> tuple[Array, ...]:
    """Singular values and vectors; of rectangular matrices the further ones are any."""
    from .value import NoValue

    if full_matrices and A.shape[-1] != A.shape[-2]:
        raise NoValue("not unique")
    return matrices.svd_reduced(A)


def svdvals(A: Array, driver: Any = None) -> Array:
    """Singular values."""
    return np.linalg.svd(A, compute_uv=False)


def svd(input: Array, some: bool = True, compute_uv: bool = True) -> tuple[Array, ...]:
    """Singular values and vectors, as columns."""
    u, s, vh = linalg_svd(input, not some)
    return (u, s, _t(vh)) if compute_uv else (u * 0, s, _t(vh) * 0)


# Elimination -------------------------------------------------------------------------------------


def lu_factor_ex(A: Array, pivot: bool = True, check_errors: bool = False) -> tuple[Array, ...]:
    """L and U in one matrix, exchanged rows, 0."""
    return matrices.lu_rows(A)


def lu_factor(A: Array, pivot: bool = True) -> tuple[Array, ...]:
    """L and U in one matrix, exchanged rows."""
    return matrices.lu_rows(A)[:2]


def lu(A: Array, pivot: bool = True, get_infos: bool = False) -> tuple[Array, ...]:
    """L and U in one matrix, exchanged rows; 0 if asked for."""
    return matrices.lu_rows(A)[: 3 if get_infos else 2]


def lu_unpack(
    LU_data: Array, LU_pivots: Array, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[Array, ...]:
    """P, L and U."""
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    lower = np.tril(LU_data[..., :k], -1) + np.eye(m, k)
    upper, none = np.triu(LU_data[..., :k, :]), np.zeros(0)
    permutation = none
    if unpack_pivots:
        permutation = np.eye(m)[matrices.row_places(LU_pivots, m, False)]
    return (permutation, lower, upper) if unpack_data else (permutation, none, none)


def linalg_lu(A: Array, pivot: bool = True) -> tuple[Array, ...]:
    """P, L and U."""
    return lu_unpack(*lu_factor(A))


def linalg_lu_solve(
    LU: Array, pivots: Array, B: Array, left: bool = True, adjoint: bool = False
) -> Array:
    """The solution of equations with the product of factors."""
    p, lower, upper = lu_unpack(LU, pivots)
    a = p @ lower @ upper
    return inv(_t(a) if adjoint else a) @ B if left else B @ inv(_t(a) if adjoint else a)


def ldl_solve(LD: Array, pivots: Array, B: Array, hermitian: bool = False) -> Array:
    """The solution of equations with the product of factors."""
    lead = np.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    a, b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (LD, B))
    return matrices.ldl_solve_rows(a, np.broadcast_to(pivots, a.shape[:-1]), b)


# What follows ------------------------------------------------------------------------------------


def pinv(
    A: Array, rcond: Any = None, hermitian: bool = False, atol: Any = None, rtol: Any = None
) -> Array:
    """The pseudo-inverse; a relative tolerance is small, or that of all matrices."""
    whole = np.tril(A) + _t(np.tril(A, -1)) if hermitian else A
    relative = rcond if rtol is None else rtol
    if atol is not None or np.ndim(relative):
        return _unknown()
    return np.linalg.pinv(whole, 1e-12 if relative is None else float(relative))


def _unknown() -> Any:
    from .value import NoValue

    raise NoValue("tolerances of each matrix")


def matrix_rank(A: Array, hermitian: bool = False, **tolerances: Any) -> Array:
    """How many singular values are above the tolerance, which is small."""
    if any(v is not None for v in tolerances.values()):
        return _unknown()
    return np.linalg.matrix_rank(A, hermitian=hermitian)


def lstsq(A: Array, B: Array, rcond: Any = None, driver: Any = None) -> tuple[Array, ...]:
    """The solution of least squares, and with it what the driver says."""
    vector = B.ndim == A.ndim - 1
    x = np.linalg.pinv(A) @ (B[..., None] if vector else B)
    rest = ((A @ x - (B[..., None] if vector else B)) ** 2).sum(-2)
    none = np.zeros(0)
    high = A.shape[-2] > A.shape[-1] and driver not in (None, "gelsy")
    values = svdvals(A) if driver in ("gelsd", "gelss") else none
    rank = none.astype(np.int64) if driver == "gels" else np.linalg.matrix_rank(A)
    return x[..., 0] if vector else x, rest if high else none, rank, values


def householder_product(input: Array, tau: Array) -> Array:
    """The first columns of the product of reflections, one by one."""
    m, n = input.shape[-2:]
    q = np.broadcast_to(np.eye(m), (*input.shape[:-2], m, m))
    for k in range(tau.shape[-1]):
        v = np.tril(input, -1)[..., k] + np.eye(m)[k]
        q = q - tau[..., k, None, None] * (q @ v[..., None]) * v[..., None, :]
    return q[..., :n]


def linalg_householder_product(A: Array, tau: Array) -> Array:
    """The first columns of the product of reflections."""
    return householder_product(A, tau)


def ormqr(
    input: Array, tau: Array, other: Array, left: bool = True, transpose: bool = False
) -> Array:
    """The product of all of Q with a matrix."""
    m, n = input.shape[-2:]
    wide = np.concatenate([input, np.zeros((*input.shape[:-1], m - n))], -1)
    q = householder_product(wide, tau)
    q = _t(q) if transpose else q
    return q @ other if left else other @ q


def matrix_exp(input: Array) -> Array:
    """The exponential."""
    return matrices.matrix_exponential(input)


def linalg_matrix_exp(A: Array) -> Array:
    """The exponential."""
    return matrices.matrix_exponential(A)


def matrix_power(input: Array, n: int) -> Array:
    """An integer power."""
    return np.linalg.matrix_power(input, n) if n >= 0 else _unknown()


def linalg_matrix_power(A: Array, n: int) -> Array:
    """An integer power."""
    return matrix_power(A, n)


def tensorinv(A: Array, ind: int = 2) -> Array:
    """The inverse of a tensor as a map."""
    return np.linalg.tensorinv(A, ind)


def tensorsolve(A: Array, B: Array, dims: Any = None) -> Array:
    """The solution of a tensor as a map."""
    return np.linalg.tensorsolve(A, B, dims)


def chain_matmul(matrices: tuple[Array, ...]) -> Array:
    """A product of matrices."""
    return np.linalg.multi_dot(matrices) if len(matrices) > 1 else matrices[0]


def nuclear_norm(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The sum of singular values."""
    return np.linalg.norm(input, "nuc", tuple(dim) if dim else (-2, -1), keepdims=bool(keepdim))
