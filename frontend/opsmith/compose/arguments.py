"""Arguments of compositions: dims, lists of ints, lists of tensors, the shape of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core import Tensor


def wrap_dim(dim: int, ndim: int) -> int:
    """A dim counted from the front; a 0-d tensor counts as 1-d.

    Raises:
        IndexError: outside ``-ndim .. ndim - 1``.
    """
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    return dim % n


def ints_of(v: Any) -> tuple[int, ...]:
    """An int, a sequence of ints or an integer tensor as a tuple of ints."""
    if isinstance(v, Tensor):
        v = v.tolist()
    return tuple(x.__index__() for x in v) if hasattr(v, "__iter__") else (v.__index__(),)


def unpacked(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands of a call ``fn(a, b)`` or ``fn([a, b])``."""
    return (
        tuple(tensors[0])
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
        else tensors
    )


def common_shape(tensors: Sequence[Tensor]) -> tuple[int, ...]:
    """What the tensors broadcast to; a mismatch names both sizes and the dimension."""
    out: list[int] = []
    for t in tensors:
        shape = t.shape
        out = [1] * (len(shape) - len(out)) + out
        for k in range(1, len(shape) + 1):
            if shape[-k] != 1:
                if out[-k] not in (1, shape[-k]):
                    raise RuntimeError(
                        f"The size of tensor a ({out[-k]}) must match the size of tensor b "
                        f"({shape[-k]}) at "
                        f"non-singleton dimension {len(out) - k}"
                    )
                out[-k] = shape[-k]
    return tuple(out)
