"""Products of Householder's reflections, powers and exponentials, tensors as matrices.

A product of reflections is I - V T V^T, and T follows from V and the factors tau by one triangular
solution (Joffrain et al. 2006, Accumulating Householder transformations, revisited), so that it is
made of matrix products, and so are its derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor, named_tuple
from .arguments import wrap_dim
from .linear import inv
from .linear import solve as _solve
from .matrices import given, square, type_name
from .matrices import matrices as _matrices

_GEQRF = named_tuple("geqrf", ("a", "tau"))


def _unit(input: Tensor) -> Tensor:
    """Ones on the diagonal of matrices of that size."""
    m, n = input.shape[-2:]
    ones = f.diag_embed(input.new_ones((max(m, n),)))
    return f.narrow(f.narrow(ones, 0, 0, m), 1, 0, n)


def _vectors(input: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors as columns, and the triangle that their products and tau make."""
    k = tau.shape[-1]
    columns = f.tril(f.narrow(input, -1, 0, k), -1)
    columns = columns + _unit(columns)
    inner = f.triu(f.matmul(columns.mT, columns), 1)
    return columns, f.unsqueeze(tau, -1) * inner


def _turned(input: Tensor, tau: Tensor, other: Tensor, transpose: bool) -> Tensor:
    """Q other, or Q^T other."""
    columns, inner = _vectors(input, tau)
    product = f.matmul(columns.mT, other)
    factors = f.unsqueeze(tau, -1)
    if transpose:
        middle = factors * f.solve_triangle(inner.mT, product, False, True)
    else:
        middle = f.solve_triangle(inner, factors * product, True, True)
    return other - f.matmul(columns, middle)


def _check(name: str, input: Tensor, tau: Tensor) -> None:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if input.shape[-2] < input.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if input.shape[-1] < tau.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    if input.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.ndim} and input.ndim is equal to {input.ndim}"
        )
    if tau.shape[:-1] != input.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}"
        )
    if tau.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {type_name(tau)} does not match input dtype {type_name(input)}"
        )


def householder_product(input: Tensor, tau: Tensor, out: Any = None) -> Tensor:
    """The first columns of the product of reflections."""
    _check("torch.linalg.householder_product", input, tau)
    start = f.expand(_unit(input), tuple(input.shape))
    return given(out, _turned(input, tau, start, False), "linalg_householder_product")


def linalg_householder_product(A: Tensor, tau: Tensor, out: Any = None) -> Tensor:
    """The first columns of the product of reflections."""
    return householder_product(A, tau, out)


def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The product of all of Q, or of its transpose, with a matrix."""
    name = "torch.ormqr"
    if input.ndim < 2 or other.ndim < 2:
        which = "input" if input.ndim < 2 else "other"
        raise RuntimeError(f"{name}: {which} must have at least 2 dimensions.")
    side = -2 if left else -1
    if other.shape[side] < tau.shape[-1]:
        raise RuntimeError(
            f"{name}: other.shape[{side}] must be greater than or equal to tau.shape[-1]"
        )
    if tau.shape[-1] != min(other.shape[side], input.shape[-1]):
        raise RuntimeError(
            f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])"
        )
    if other.shape[side] != input.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    if left:
        result = _turned(input, tau, other, transpose)
    else:
        result = _turned(input, tau, other.mT, not transpose).mT
    return given(out, result, "ormqr")


def geqrf(input: Tensor, out: Any = None) -> Any:
    """R, and below it the vectors of the reflections; their factors."""
    if input.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    return given(out, _GEQRF(*f.reflections(input)), "geqrf")


# Powers and exponentials -------------------------------------------------------------------------


def matrix_exp(input: Tensor) -> Tensor:
    """Exponentials of square matrices."""
    square("linalg.matrix_exp", input)
    return f.matrix_exponential(input)


def linalg_matrix_exp(A: Tensor) -> Tensor:
    """Exponentials of square matrices."""
    return matrix_exp(A)


def matrix_power(input: Tensor, n: int, out: Any = None) -> Tensor:
    """Integer powers, by repeated squaring."""
    square("linalg.matrix_power", input)
    found: Tensor | None = None
    base, k = (inv(input), -n) if n < 0 else (input, n)
    while k:
        if k & 1:
            found = base if found is None else f.matmul(found, base)
        k >>= 1
        if k:
            base = f.matmul(base, base)
    if found is None:
        found = f.expand(_unit(input), tuple(input.shape)).clone()
    return given(out, found.clone() if found is input else found, "linalg_matrix_power")


def linalg_matrix_power(A: Tensor, n: int, out: Any = None) -> Tensor:
    """Integer powers, by repeated squaring."""
    return matrix_power(A, n, out)


# Tensors as matrices -----------------------------------------------------------------------------


def tensorinv(A: Tensor, ind: int = 2, out: Any = None) -> Tensor:
    """The inverse of the map from the dims from ``ind`` on to those before it."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    before, after = A.shape[:ind], A.shape[ind:]
    rows, columns = math.prod(before), math.prod(after)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {columns} != {rows}"
        )
    found = f.reshape(inv(f.reshape(A, (rows, columns))), (*after, *before))
    return given(out, found, "linalg_tensorinv")


def tensorsolve(
    A: Tensor, B: Tensor, dims: Sequence[int] | None = None, out: Any = None
) -> Tensor:
    """The tensor that A maps to B, as it maps its last dims to its first."""
    if dims is not None:
        moved = [wrap_dim(d, A.ndim) for d in dims]
        A = f.permute(A, (*(d for d in range(A.ndim) if d not in moved), *moved))
    shape = tuple(A.shape[B.ndim :])
    rows, columns = B.numel(), math.prod(shape)
    if rows != columns or rows * columns != A.numel():
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {columns} != "
            f"{math.prod(A.shape[: B.ndim])}"
        )
    solution = _solve(f.reshape(A, (rows, columns)), f.reshape(B, (-1,)))
    return given(out, f.reshape(solution, shape), "linalg_tensorsolve")


def chain_matmul(matrices: tuple[Any, ...], out: Any = None) -> Tensor:
    """The product of matrices, in the cheapest order."""
    from .arguments import unpacked
    from .einsum import multi_dot

    found = unpacked(matrices)
    for m in found:
        _matrices("chain_matmul", m)
    return given(out, found[0] if len(found) == 1 else multi_dot(found), "chain_matmul")
