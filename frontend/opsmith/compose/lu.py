"""Elimination with exchanged rows: L and U of any matrix, L and D of symmetric ones."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor, named_tuple
from .._create import empty
from .._dtypes import int32
from .arguments import broadcast_of
from .matrices import batched, equation, given, matrices, refuse, square, type_name

_LU_FACTOR_EX = named_tuple("linalg_lu_factor_ex", ("LU", "pivots", "info"))
_LU_FACTOR = named_tuple("linalg_lu_factor", ("LU", "pivots"))
_LU = named_tuple("linalg_lu", ("P", "L", "U"))
_UNPACKED = named_tuple("lu_unpack", ("P", "L", "U"))
_LDL_FACTOR_EX = named_tuple("linalg_ldl_factor_ex", ("LD", "pivots", "info"))
_LDL_FACTOR = named_tuple("linalg_ldl_factor", ("LD", "pivots"))
_ZERO_PIVOT = (
    "U[{info},{info}] is zero and using it on lu_solve would result in a division by zero. If you "
    "still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
    "linalg.lu_factor_ex(A, pivot)"
)
_ZERO_OF_D = (
    "D[{info},{info}] is zero and using it on ldl_solve would result in a division by zero."
)


def _factor(name: str, A: Tensor, pivot: bool) -> tuple[Tensor, Tensor, Tensor]:
    if A.ndim < 2:
        raise RuntimeError(
            f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead"
        )
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    return f.lu_rows(A)


def lu_factor_ex(
    A: Tensor, pivot: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """L and U in one matrix, exchanged rows, and which pivot is zero."""
    found = _LU_FACTOR_EX(*_factor("torch.lu_factor", A, pivot))
    if check_errors:
        refuse(found.info, "torch.linalg.lu_factor_ex", _ZERO_PIVOT, RuntimeError)
    return given(out, found, "linalg_lu_factor_ex")


def lu_factor(A: Tensor, pivot: bool = True, out: Any = None) -> Any:
    """L and U in one matrix, and exchanged rows; no pivot may be zero."""
    factors, pivots, info = _factor("torch.lu_factor", A, pivot)
    refuse(info, "torch.linalg.lu_factor", _ZERO_PIVOT, RuntimeError)
    return given(out, _LU_FACTOR(factors, pivots), "linalg_lu_factor")


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> tuple[Tensor, ...]:
    """As `lu_factor`; with ``get_infos`` which pivot is zero."""
    return tuple(lu_factor_ex(A, pivot) if get_infos else lu_factor(A, pivot))


def _triangles(LU: Tensor) -> tuple[Tensor, Tensor]:
    """L of unit diagonal and U."""
    m, n = LU.shape[-2:]
    k = min(m, n)
    unit = f.diag_embed(LU.new_ones((*LU.shape[:-2], k)))
    if m > k:
        unit = f.constant_pad_nd(unit, (0, 0, 0, m - k))
    lower = f.tril(f.narrow(LU, -1, 0, k), -1) + unit
    return lower, f.triu(f.narrow(LU, -2, 0, k))


def _permutation(LU: Tensor, pivots: Tensor) -> Tensor:
    """The matrix P of A = P L U."""
    m = LU.shape[-2]
    places = f.row_places(pivots, m, False)
    unit = f.diag_embed(LU.new_ones((m,)))
    return f.index_select(unit, 0, f.reshape(places, (-1,))).reshape((*places.shape, m))


def linalg_lu(A: Tensor, pivot: bool = True, out: Any = None) -> Any:
    """P, L and U."""
    factors, pivots, _ = _factor("linalg.lu", A, pivot)
    found = _LU(_permutation(factors, pivots), *_triangles(factors))
    return given(out, found, "linalg_lu")


def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True,
    out: Any = None,
) -> Any:  # fmt: skip
    """P, L and U, from what `lu_factor` gives; what is not wanted is empty."""
    if unpack_pivots and LU_pivots.dtype is not int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
            "dtype.\nNote: this function is intended to be used with the output produced by "
            "torch.linalg.lu_factor"
        )
    nothing = empty(0, dtype=LU_data.dtype, device=LU_data.device)
    permutation = _permutation(LU_data, LU_pivots) if unpack_pivots else nothing
    triangles = _triangles(LU_data) if unpack_data else (nothing, nothing)
    return given(out, _UNPACKED(permutation, *triangles), "lu_unpack")


def _rows(B: Tensor, places: Tensor) -> Tensor:
    """The rows of B in the order of places."""
    return f.gather(B, -2, f.expand(f.unsqueeze(places, -1), tuple(B.shape)))


def linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, left: bool = True, adjoint: bool = False,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The solution of equations with a matrix that is given by its factors."""
    name = "linalg.lu_solve"
    if pivots.dtype is not int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32")
    square(f"torch.{name}", LU)
    matrices(name, B, "B")
    if LU.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected LU and B to have the same dtype, but found LU of type "
            f"{type_name(LU)} and B of type {type_name(B)} instead"
        )
    equation(name, LU, B, left)
    n = LU.shape[-1]
    if pivots.shape[-1] != n:
        raise RuntimeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix"
        )
    factors, sides = batched(LU, B)
    order = f.expand(pivots, (*factors.shape[:-2], n))
    if not left:
        sides, adjoint = sides.mT, not adjoint
    if adjoint:
        half = f.solve_triangle(factors.mT, sides, False, False)
        half = f.solve_triangle(factors.mT, half, True, True)
        result = _rows(half, f.row_places(order, n, False))
    else:
        half = f.solve_triangle(factors, _rows(sides, f.row_places(order, n, True)), False, True)
        result = f.solve_triangle(factors, half, True, False)
    return given(out, result if left else result.mT, "linalg_lu_solve")


# Symmetric matrices ------------------------------------------------------------------------------


def ldl_factor_ex(
    A: Tensor, hermitian: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """L and D in one matrix, exchanged rows, and which element of D is zero."""
    square("torch.linalg.ldl_factor_ex", A)
    found = _LDL_FACTOR_EX(*f.ldl_rows(A))
    if check_errors:
        refuse(found.info, "torch.linalg.ldl_factor_ex", _ZERO_OF_D, RuntimeError)
    return given(out, found, "linalg_ldl_factor_ex")


def ldl_factor(A: Tensor, hermitian: bool = False, out: Any = None) -> Any:
    """L and D in one matrix, and exchanged rows; no element of D may be zero."""
    factors, pivots, info = ldl_factor_ex(A, hermitian)
    refuse(info, "torch.linalg.ldl_factor", _ZERO_OF_D, RuntimeError)
    return given(out, _LDL_FACTOR(factors, pivots), "linalg_ldl_factor")


def ldl_solve(
    LD: Tensor, pivots: Tensor, B: Tensor, hermitian: bool = False, out: Any = None
) -> Tensor:
    """The solution of equations with a symmetric matrix that is given by its factors."""
    name = "torch.linalg.ldl_solve"
    square(name, LD)
    matrices(name, B, "B")
    if LD.shape[-1] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {LD.shape[-2]} by "
            f"{LD.shape[-1]} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    if tuple(pivots.shape) != tuple(LD.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with "
            f"shape {list(pivots.shape)} instead"
        )
    if pivots.dtype.is_floating_point or LD.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected integers as pivots, and LD and B of one dtype, but found "
            f"{type_name(pivots)}, {type_name(LD)} and {type_name(B)}"
        )
    factors, sides = batched(LD, B)
    lead = broadcast_of((LD.shape[:-2], B.shape[:-2]))
    order = f.expand(pivots, (*lead, LD.shape[-1]))
    return given(out, f.ldl_solve_rows(factors, order, sides), "linalg_ldl_solve")
