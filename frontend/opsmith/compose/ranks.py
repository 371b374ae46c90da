"""What follows from singular values: pseudo-inverses, ranks, least squares."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor, named_tuple
from .._create import empty, full, tensor, zeros
from .._dtypes import int64
from .._numeric import finfo
from .linear import _is_vector as is_vector
from .matrices import given, refuse, square, type_name

_LSTSQ = named_tuple("linalg_lstsq", ("solution", "residuals", "rank", "singular_values"))
_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _number(value: Any, A: Tensor) -> Tensor:
    """A tolerance as a tensor of the matrices' kind."""
    if isinstance(value, Tensor):
        return value.to(A.dtype)
    return full((), value, dtype=A.dtype, device=A.device)


def _tolerances(A: Tensor, atol: Any, rtol: Any) -> tuple[Tensor, Tensor]:
    """Both tolerances; a relative one of the dtype's precision where neither is given."""
    absolute = _number(0.0 if atol is None else atol, A)
    if rtol is not None:
        return absolute, _number(rtol, A)
    relative = _number(finfo(A.dtype).eps * max(A.shape[-2:]), A)
    return absolute, relative if atol is None else f.where(absolute > 0, 0.0, relative)


def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, atol: Any = None, rtol: Any = None,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The pseudo-inverse."""
    if A.ndim < 2:
        raise RuntimeError(
            f"linalg.pinv({type_name(A)}{{{list(A.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, double, cfloat or cdouble types"
        )
    if hermitian:
        square("linalg.pinv", A)
        A = f.whole(A)
    absolute, relative = _tolerances(A, atol, rcond if rtol is None else rtol)
    return given(out, f.pseudo_inverse(A, absolute, relative), "linalg_pinv")


def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, atol: Any = None, rtol: Any = None,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """How many singular values are above the tolerance."""
    if A.ndim < 2:
        raise RuntimeError(
            "torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions."
        )
    if not min(A.shape[-2:]):
        return given(out, zeros(*A.shape[:-2], dtype=int64, device=A.device), "linalg_matrix_rank")
    A = A.detach()
    if hermitian:
        square("linalg.matrix_rank", A)
        values = f.abs(f.eigvalsh_triangle(A, False))
    else:
        values = f.singular_values(A)
    absolute, relative = _tolerances(A, tol if atol is None else atol, rtol if tol is None else 0.0)
    cutoff = f.maximum(absolute, relative * f.amax(values, -1))
    return given(out, f.sum(values > f.unsqueeze(cutoff, -1), -1), "linalg_matrix_rank")


def lstsq(A: Tensor, B: Tensor, rcond: Any = None, driver: Any = None) -> Any:
    """The solution of least squares, of the least norm where there are several."""
    name = "torch.linalg.lstsq"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{type_name(A)} and other's dtype {type_name(B)}"
        )
    if not 0 <= A.ndim - B.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - "
            "other.dim()) <= 1"
        )
    driver = "gelsy" if driver is None else driver
    if driver not in _DRIVERS:
        raise RuntimeError(
            f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    vector = is_vector(A, B)
    sides = f.unsqueeze(B, -1) if vector else B
    if A.shape[-2] != sides.shape[-2]:
        which = (-1 if vector else -2)
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({which})")
    m, n = A.shape[-2:]
    precision = finfo(A.dtype).eps * max(m, n) if rcond is None else rcond
    solution = f.matmul(pinv(A, rtol=precision), sides)
    values = f.singular_values(A.detach())
    rank = matrix_rank(A, rtol=precision)
    if driver == "gels":
        refuse(
            f.where(rank < min(m, n), rank + 1, 0), name,
            "The least squares solution could not be computed because the input matrix does not "
            "have full rank (error code: {info}).",
        )  # fmt: skip
    found = f.squeeze(solution, -1) if vector else solution
    nothing = empty(0, dtype=A.dtype, device=A.device)
    residuals = nothing
    if driver != "gelsy" and m > n and (rank.is_meta or bool((rank == n).all())):
        rest = f.matmul(A, solution) - sides
        residuals = f.sum(rest * rest, -2)
    return _LSTSQ(
        found, residuals,
        tensor([], dtype=int64, device=A.device) if driver == "gels" else rank,
        values if driver in ("gelsd", "gelss") else nothing,
    )  # fmt: skip
