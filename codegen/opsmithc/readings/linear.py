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
