"""Factorisations: what PyTorch asks of operands, and says of bad ones."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor, grad_enabled, named_tuple
from .._create import empty
from .linear import solve_triangular
from .matrices import given, matrices, refuse, square

_CHOLESKY_EX = named_tuple("linalg_cholesky_ex", ("L", "info"))
_LINALG_QR = named_tuple("linalg_qr", ("Q", "R"))
_QR = named_tuple("qr", ("Q", "R"))
_EIGH = named_tuple("linalg_eigh", ("eigenvalues", "eigenvectors"))
_LINALG_SVD = named_tuple("linalg_svd", ("U", "S", "Vh"))
_SVD = named_tuple("svd", ("U", "S", "V"))
_INDEFINITE = (
    "The factorization could not be completed because the input is not positive-definite (the "
    "leading minor of order {info} is not positive-definite)."
)


# Cholesky ----------------------------------------------------------------------------------------


def _cholesky(A: Tensor, upper: bool) -> tuple[Tensor, Tensor]:
    square("linalg.cholesky", A)
    factor, info = f.cholesky_factor(A.mT if upper else A)
    return factor.mT if upper else factor, info


def cholesky(A: Tensor, upper: bool = False, out: Any = None) -> Tensor:
    """The triangular factor of positive definite matrices."""
    factor, info = _cholesky(A, upper)
    refuse(info, "linalg.cholesky", _INDEFINITE)
    return given(out, factor, "linalg_cholesky")


def cholesky_ex(A: Tensor, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """The factor, and the order of the first leading minor that is not positive."""
    found = _CHOLESKY_EX(*_cholesky(A, upper))
    if check_errors:
        refuse(found.info, "linalg.cholesky_ex", _INDEFINITE)
    return given(out, found, "linalg_cholesky_ex")


def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False, out: Any = None) -> Tensor:
    """The solution of A X = input, for A given by its factor."""
    if input.ndim < 2:
        raise RuntimeError(
            f"b should have at least 2 dimensions, but has {input.ndim} dimensions instead"
        )
    if input2.ndim < 2:
        raise RuntimeError(
            f"u should have at least 2 dimensions, but has {input2.ndim} dimensions instead"
        )
    square("cholesky_solve", input2)
    if input.shape[-2] != input2.shape[-1]:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {input2.shape[-1]} by "
            f"{input2.shape[-1]} but each b matrix is {input.shape[-2]} by {input.shape[-1]}"
        )
    first, then = (input2.mT, input2) if upper else (input2, input2.mT)
    half = solve_triangular(first, input, upper=False)
    return given(out, solve_triangular(then, half, upper=True), "cholesky_solve")


def cholesky_inverse(input: Tensor, upper: bool = False, out: Any = None) -> Tensor:
    """The inverse of a matrix that is given by its factor."""
    square("cholesky_inverse", input)
    unit = f.diag_embed(input.new_ones(input.shape[:-1]))
    return given(out, cholesky_solve(unit, input, upper), "cholesky_inverse")


# QR ----------------------------------------------------------------------------------------------


def _refusing(message: str) -> Any:
    """The identity, whose backward says why there is none."""
    from ..autograd import Function

    class Refusing(Function):
        @staticmethod
        def forward(ctx: Any, A: Tensor, *results: Tensor) -> Any:
            return tuple(r.clone() for r in results)

        @staticmethod
        def backward(ctx: Any, *g: Tensor) -> Any:
            raise RuntimeError(message)

    return Refusing.apply


def _qr(A: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    matrices("linalg.qr", A)
    if mode not in ("reduced", "r", "complete"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    if mode == "complete" and A.shape[-2] > A.shape[-1]:
        q, r = f.qr_complete(A)
        if A.requires_grad and grad_enabled():
            q, r = _refusing(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
            )(A, q, r)
        return q, r
    q, r = f.qr_reduced(A)
    return (empty(0, dtype=A.dtype, device=A.device) if mode == "r" else q), r


def linalg_qr(A: Tensor, mode: str = "reduced", out: Any = None) -> Any:
    """The factors Q and R."""
    return given(out, _LINALG_QR(*_qr(A, mode)), "linalg_qr")


def qr(input: Tensor, some: bool = True, out: Any = None) -> Any:
    """The factors Q and R; all columns of Q without ``some``."""
    return given(out, _QR(*_qr(input, "reduced" if some else "complete")), "qr")


# Eigenvalues and singular values -----------------------------------------------------------------


def _half(A: Tensor, UPLO: str) -> bool:
    """Is it the upper triangle that is read?"""
    square("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper() == "U"


def eigh(A: Tensor, UPLO: str = "L", out: Any = None) -> Any:
    """Eigenvalues and eigenvectors of symmetric matrices."""
    upper = _half(A, UPLO)
    return given(out, _EIGH(*f.eigh_triangle(A, upper)), "linalg_eigh")


def eigvalsh(A: Tensor, UPLO: str = "L", out: Any = None) -> Tensor:
    """Eigenvalues of symmetric matrices."""
    upper = _half(A, UPLO)
    return given(out, f.eigvalsh_triangle(A, upper), "linalg_eigvalsh")


def _completed(columns: Tensor) -> Tensor:
    """Orthonormal columns with those that are orthogonal to them all, which are constants."""
    more = f.qr_complete(columns.detach())[0]
    n = columns.shape[-1]
    return f.cat([columns, f.narrow(more, -1, n, more.shape[-1] - n)], -1)


def _svd(A: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
    matrices("linalg.svd", A)
    u, s, vh = f.svd_reduced(A)
    if full and A.shape[-2] > A.shape[-1]:
        u = _completed(u)
    if full and A.shape[-1] > A.shape[-2]:
        vh = _completed(vh.mT).mT
    return u, s, vh


def _no_driver(driver: Any) -> None:
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with "
            "cuSOLVER backend."
        )


def linalg_svd(
    A: Tensor, full_matrices: bool = True, driver: Any = None, out: Any = None
) -> Any:
    """Singular values, and vectors of both sides."""
    _no_driver(driver)
    return given(out, _LINALG_SVD(*_svd(A, full_matrices)), "linalg_svd")


def svdvals(A: Tensor, driver: Any = None, out: Any = None) -> Tensor:
    """Singular values."""
    _no_driver(driver)
    matrices("linalg.svd", A)
    return given(out, f.singular_values(A), "linalg_svdvals")


def svd(input: Tensor, some: bool = True, compute_uv: bool = True, out: Any = None) -> Any:
    """Singular values, and vectors of both sides as columns; zeros without ``compute_uv``."""
    if not compute_uv:
        m, n = input.shape[-2:]
        s = svdvals(input)
        found = (input.new_zeros((*input.shape[:-1], m)), s, input.new_zeros((*s.shape[:-1], n, n)))
    else:
        u, s, vh = _svd(input, not some)
        found = (u, s, vh.mT)
    return given(out, _SVD(*found), "svd")
