"""Random tensors for tests."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from .._dtypes import bool_, dtype
from .._random import rand, randint


def make_tensor(
    *shape: Any,
    dtype: dtype,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor with elements drawn uniformly from [low, high).

    Args:
        shape: the sizes, as ints or one sequence.
        dtype: of the elements.
        device: where.
        low: lower bound; -9 by default, 0 for bool and unsigned integers.
        high: upper bound; 9 by default (10 for integers), 2 for bool.
        requires_grad: make it a leaf that requires grad.
        noncontiguous: with gaps between the elements of the last dim.
        memory_format: taken for PyTorch's sake.
        exclude_zero: put the smallest positive number (1 for integers) in place of zeros.
    """
    size = (
        tuple(shape[0]) if len(shape) == 1 and not hasattr(shape[0], "__index__") else tuple(shape)
    )
    full = (*size[:-1], 2 * size[-1]) if noncontiguous and size else size
    if dtype.is_floating_point:
        a, b = -9.0 if low is None else low, 9.0 if high is None else high
        t = (rand(*full) * (b - a) + a).to(dtype)
    else:
        lowest = -9 if dtype.is_signed else 0
        a = lowest if low is None else int(low)
        b = (2 if dtype is bool_ else 10) if high is None else int(high)
        t = randint(a, b, full).to(dtype)
    if exclude_zero:
        tiny = 1e-3 if dtype.is_floating_point else 1
        t = t.masked_fill(t == 0, tiny)
    if device is not None:
        t = t.to(device)
    if noncontiguous and size:
        t = t[..., ::2]
    return t.requires_grad_(True) if requires_grad else t


__all__ = ["make_tensor"]
