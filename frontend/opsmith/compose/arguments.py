"""Arguments of compositions: dims, lists of ints, lists of tensors, the shape of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .._boundary import lib
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


def copied(result: Tensor, input: Tensor) -> Tensor:
    """The result, in memory of its own: a copy where it still looks into ``input``."""
    shared = lib.ops_storage_pointer(result._h) == lib.ops_storage_pointer(input._h)
    return result.contiguous().clone() if shared else result


def some(fn: str, tensors: Any) -> Sequence[Tensor]:
    """The operands of a call that needs at least one.

    Raises:
        TypeError: not a list or tuple of tensors.
        RuntimeError: an empty one.
    """
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"{fn}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    for k, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"expected Tensor as element {k} in argument 'tensors', but got {type(t).__name__}"
            )
    if not tensors:
        raise RuntimeError(f"{fn} expects a non-empty TensorList")
    return tensors


def unpacked(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands of a call ``fn(a, b)`` or ``fn([a, b])``."""
    return (
        tuple(tensors[0])
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
        else tensors
    )


def common_shape(tensors: Sequence[Tensor]) -> tuple[int, ...]:
    """What the tensors broadcast to; a mismatch names both sizes and the dimension."""
    return broadcast_of([t.shape for t in tensors])


def broadcast_of(shapes: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """What the shapes broadcast to; a mismatch names both sizes and the dimension."""
    out: list[int] = []
    for shape in shapes:
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
