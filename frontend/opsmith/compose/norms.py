"""Norms of matrices in two dims, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .arguments import wrap_dim
from .linear import inv_ex
from .matrices import matrices

INF = float("inf")


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False
) -> Tensor:
    """By squares ('fro'), sums of columns or rows (1, inf), singular values (2, 'nuc')."""
    name = "linalg.matrix_norm"
    matrices(name, A)
    if len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple")
    rows, columns = (wrap_dim(d, A.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        return f.vector_norm(A, 2, (rows, columns), keepdim)
    if ord == "nuc" or ord in (2, -2):
        values = f.singular_values(f.movedim(A, (rows, columns), (-2, -1)))
        if ord == "nuc" or (ord == 2 and not values.shape[-1]):
            found = f.sum(values, -1)
        else:
            found = (f.amax if ord == 2 else f.amin)(values, -1)
        for d in sorted((rows, columns)) if keepdim else ():
            found = f.unsqueeze(found, d)
        return found
    if ord not in (1, -1, INF, -INF):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    along, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = f.sum(f.abs(A), (along,), True)
    if sums.shape[other] == 0 and ord > 0:  # of nothing, the largest sum is 0
        sums = f.constant_pad_nd(sums, (0, 0) * (A.ndim - 1 - other) + (0, 1))
    found = (f.amax if ord > 0 else f.amin)(sums, (other,), True)
    return found if keepdim else f.squeeze(found, (rows, columns))


def nuclear_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The sum of singular values; the second argument may be ``keepdim``."""
    if isinstance(dim, bool):
        dim, keepdim = None, dim
    return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)


def cond(A: Tensor, p: Any = None) -> Tensor:
    """The norm times that of the inverse."""
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or p in (2, -2):
        values = f.singular_values(A)
        if not values.shape[-1]:
            return f.sum(values, -1)
        largest, smallest = f.select(values, -1, 0), f.select(values, -1, -1)
        return f.div(smallest, largest) if p == -2 else f.div(largest, smallest)
    if p not in ("fro", "nuc", 1, -1, INF, -INF):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.cond(ord={p}): A must be batches of square matrices, but they are "
            f"{A.shape[-2]} by {A.shape[-1]} matrices"
        )
    if not A.shape[-1]:
        return A.new_zeros(A.shape[:-2])
    inverse, info = inv_ex(A)
    if info.is_meta or not bool((info != 0).any()):
        return matrix_norm(A, p) * matrix_norm(inverse, p)
    bad = f.unsqueeze(f.unsqueeze(info != 0, -1), -1)
    found = matrix_norm(A, p) * matrix_norm(f.where(bad, 0.0, inverse), p)
    return f.where(info != 0, INF, found)
