"""Products of many matrices; gradients of products of elements.

The latter go without a division, so that zeros are right at every order.

The products of all elements before a position, and linear recurrences, are computed by doubling
(Hillis, Steele 1986): log2(n) rounds of multiplications, each of which records itself.
"""

from __future__ import annotations

import math

from .. import _functions as f
from .._core import Tensor
from .._create import full, zeros
from .arguments import broadcast_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _shifted(x: Tensor, dim: int, by: int, fill: float) -> Tensor:
    """``x`` moved by ``by`` places along ``dim`` (up when positive), ``fill`` coming in."""
    n = x.shape[dim]
    size = list(x.shape)
    size[dim] = min(abs(by), n)
    new = (
        full(tuple(size), fill, dtype=x.dtype, device=x.device)
        if fill
        else zeros(*size, dtype=x.dtype, device=x.device)
    )
    if abs(by) >= n:
        return new
    kept = f.narrow(x, dim, 0, n - by) if by > 0 else f.narrow(x, dim, -by, n + by)
    return f.cat([new, kept], dim) if by > 0 else f.cat([kept, new], dim)


def _before(x: Tensor, dim: int, sign: int) -> Tensor:
    """The product of all elements before (sign 1) or after (-1) each one."""
    product = _shifted(x, dim, sign, 1.0)
    step = 1
    while step < x.shape[dim]:
        product = product * _shifted(product, dim, sign * step, 1.0)
        step *= 2
    return product


def product_of_others(input: Tensor, dim: Any = None) -> Tensor:
    """For each element the product of all others along ``dim`` (of all others, without dim)."""
    if input.ndim == 0:
        return input * 0 + 1
    if dim is None:
        flat = f.reshape(input, (-1,))
        return f.reshape(product_of_others(flat, 0), tuple(input.shape))
    d = dim % input.ndim
    return _before(input, d, 1) * _before(input, d, -1)


def cumprod_back(input: Tensor, other: Tensor, dim: int) -> Tensor:
    """The cotangent of cumprod's input ``other``, given the cotangent ``input`` of its output.

    d x_i = P_i * S_i: P_i is the product before i, and S_i = g_i + x_(i+1) * S_(i+1).
    """
    if other.ndim == 0:
        return input
    d = dim % other.ndim
    slope, offset = _shifted(other, d, -1, 0.0), input
    step = 1
    while step < other.shape[d]:
        offset = offset + slope * _shifted(offset, d, -step, 0.0)
        slope = slope * _shifted(slope, d, -step, 0.0)
        step *= 2
    return _before(other, d, 1) * offset


def matmul_broadcast(input: Tensor, mat2: Tensor) -> Tensor:
    """Matrix products over leading dims that broadcast: repeated by a stride of 0, never copied."""
    lead = broadcast_of((input.shape[:-2], mat2.shape[:-2]))
    if input.shape[-1] != mat2.shape[-2]:
        count = math.prod(lead)
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{count}, {input.shape[-1]}] but got: [{count}, {mat2.shape[-2]}]."
        )
    return f.bmm_many(
        f.expand(input, (*lead, *input.shape[-2:])), f.expand(mat2, (*lead, *mat2.shape[-2:]))
    )
