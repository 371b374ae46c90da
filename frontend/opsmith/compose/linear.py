"""Equations, inverses and determinants: what PyTorch asks of operands, and says of bad ones."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor, named_tuple
from .matrices import batched, equation, given, matrices, one_dtype, refuse, square

_INV_EX = named_tuple("linalg_inv_ex", ("inverse", "info"))
_SOLVE_EX = named_tuple("linalg_solve_ex", ("result", "info"))
_LINALG_SLOGDET = named_tuple("linalg_slogdet", ("sign", "logabsdet"))
_SLOGDET = named_tuple("slogdet", ("sign", "logabsdet"))
_TRIANGULAR = named_tuple("triangular_solve", ("solution", "cloned_coefficient"))
_SINGULAR = "The solver failed because the input matrix is singular."
_NO_INVERSE = (
    "The diagonal element {info} is zero, the inversion could not be completed because the input "
    "matrix is singular."
)


def _invert(A: Tensor) -> tuple[Tensor, Tensor]:
    square("linalg.inv", A)
    return f.invert(A)


def inv(A: Tensor, out: Any = None) -> Tensor:
    """The inverses of matrices, all of which must have one."""
    inverse, info = _invert(A)
    refuse(info, "linalg.inv", _NO_INVERSE)
    return given(out, inverse, "linalg_inv")


def inv_ex(A: Tensor, check_errors: bool = False, out: Any = None) -> Any:
    """The inverses, and where elimination ended in matrices that have none."""
    found = _INV_EX(*_invert(A))
    if check_errors:
        refuse(found.info, "linalg.inv_ex", _NO_INVERSE)
    return given(out, found, "linalg_inv_ex")


def det(A: Tensor, out: Any = None) -> Tensor:
    """Determinants."""
    square("linalg.det", A)
    return given(out, f.determinant(A), "linalg_det")


def _slogdet(A: Tensor) -> tuple[Tensor, Tensor]:
    square("linalg.slogdet", A)
    return f.sign_and_log(A)


def linalg_slogdet(A: Tensor, out: Any = None) -> Any:
    """Signs of determinants, and logarithms of their magnitudes."""
    return given(out, _LINALG_SLOGDET(*_slogdet(A)), "linalg_slogdet")


def slogdet(input: Tensor, out: Any = None) -> Any:
    """Signs of determinants, and logarithms of their magnitudes."""
    return given(out, _SLOGDET(*_slogdet(input)), "slogdet")


def logdet(input: Tensor) -> Tensor:
    """Logarithms of determinants, NaN for negative ones."""
    sign, logarithm = _slogdet(input)
    return f.where(sign < 0, float("nan"), logarithm)


def _is_vector(A: Tensor, B: Tensor) -> bool:
    """Is the right side a vector for each matrix?"""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))


def _solve(A: Tensor, B: Tensor, left: bool) -> tuple[Tensor, Tensor]:
    name = "linalg.solve"
    square(name, A)
    one_dtype(name, A, B)
    if B.ndim == 0:
        raise RuntimeError(f"{name}: The input tensor B must have at least 1 dimension.")
    vector = _is_vector(A, B)
    if vector and not left:
        raise RuntimeError(
            f"{name}: Vector broadcasting of the left hand side is not supported for left=False. "
            "In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    columns = f.unsqueeze(B, -1) if vector else B
    equation(name, A, columns, left)
    matrix, sides = batched(A, columns)
    if left:
        result, info = f.solve_many(matrix, sides)
    else:
        result, info = f.solve_many(matrix.mT, sides.mT)
        result = result.mT
    return f.squeeze(result, -1) if vector else result, info


def solve(A: Tensor, B: Tensor, left: bool = True, out: Any = None) -> Tensor:
    """The solution of A X = B, or of X A = B."""
    result, info = _solve(A, B, left)
    refuse(info, "torch.linalg.solve", _SINGULAR)
    return given(out, result, "linalg_solve")


def solve_ex(
    A: Tensor, B: Tensor, left: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """The solution, and where elimination ended in singular matrices."""
    found = _SOLVE_EX(*_solve(A, B, left))
    if check_errors:
        refuse(found.info, "torch.linalg.solve_ex", _SINGULAR)
    return given(out, found, "linalg_solve_ex")


def solve_triangular(
    A: Tensor, B: Tensor, upper: bool, left: bool = True, unitriangular: bool = False,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The solution of A X = B, or of X A = B, for a triangle A."""
    name = "linalg.solve_triangular"
    one_dtype(name, A, B)
    square(name, A)
    matrices(name, B, "B")
    equation(name, A, B, left)
    matrix, sides = batched(A, B)
    if left:
        result = f.solve_triangle(matrix, sides, upper, unitriangular)
    else:
        result = f.solve_triangle(matrix.mT, sides.mT, not upper, unitriangular).mT
    return given(out, result, "linalg_solve_triangular")


def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False,
    unitriangular: bool = False, out: Any = None,
) -> Any:  # fmt: skip
    """The solution of A X = input, or of A^T X = input; and A."""
    matrices("torch.triangular_solve", input, "b")
    matrices("torch.triangular_solve", A)
    matrix, sides = batched(A, input)
    turned = matrix.mT if transpose else matrix
    solution = solve_triangular(
        turned, sides, upper != transpose, unitriangular=unitriangular
    )
    return given(out, _TRIANGULAR(solution, matrix.clone()), "triangular_solve")
