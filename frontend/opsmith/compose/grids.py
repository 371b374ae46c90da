"""Common shapes, grids of coordinates, tuples of elements."""

from __future__ import annotations

import itertools
import math
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._create import empty, tensor
from .._dtypes import Size, int64
from .arguments import common_shape, ints_of, unpacked


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that all of them broadcast to.

    Raises:
        RuntimeError: when there is none.
    """
    out: list[int] = []
    for given in shapes:
        shape = ints_of(given)
        out = [1] * (len(shape) - len(out)) + out
        for k in range(1, len(shape) + 1):
            if shape[-k] < 0:
                raise RuntimeError(
                    f"Trying to create tensor with negative dimension ({shape[-k]}): ({shape[-k]})"
                )
            if shape[-k] != 1 and out[-k] not in (1, shape[-k]):
                raise RuntimeError(
                    "Shape mismatch: objects cannot be broadcast to a single shape: "
                    + ", ".join(str(list(ints_of(s))) for s in shapes)
                )
            out[-k] = max(out[-k], shape[-k]) if shape[-k] and out[-k] else 0
    return Size(out)


def broadcast_tensors(tensors: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    given = unpacked(tensors)
    shape = common_shape(given)
    return tuple([f.expand(t, shape) for t in given])


def meshgrid(tensors: tuple[Any, ...], indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids of coordinates: ``'ij'``, the default, or ``'xy'``."""
    lines = list(unpacked(tensors))
    if not lines:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    for t in lines:
        if t.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}"
            )
    if any(t.dtype is not lines[0].dtype for t in lines):
        raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(lines) > 1
    if swap:
        lines[:2] = lines[1], lines[0]
    shape = tuple(t.numel() for t in lines)
    grids = [
        f.expand(f.reshape(t, (-1, *(1,) * (len(lines) - 1 - k))), shape)
        for k, t in enumerate(lines)
    ]
    if swap:
        grids = [f.transpose(g, 0, 1) for g in grids]
        grids[:2] = grids[1], grids[0]
        grids = [f.transpose(g, 0, 1) for g in grids]
    return tuple(grids)


def cartesian_prod(tensors: tuple[Any, ...]) -> Tensor:
    """All tuples of one element of each vector, as rows."""
    lines = unpacked(tensors)
    for t in lines:
        if t.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(lines) == 1:
        return lines[0]
    return f.stack([f.reshape(g, (-1,)) for g in meshgrid(lines)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, as rows."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return f.narrow(input.detach(), 0, 0, 0)
    n = input.shape[0]
    count = math.comb(n + r - 1, r) if with_replacement and n else math.comb(n, r)
    empty(count, r)  # refused if it is too large
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = [k for row in choose(range(input.shape[0]), r) for k in row]
    return f.reshape(
        f.index_select(input, 0, tensor(rows, dtype=int64, device=input.device)),
        (-1, r) if rows else (0, r),
    )


def _each(tensors: tuple[Any, ...], shaped: Any) -> Any:
    given = unpacked(tensors)
    if len(given) == 1 and given is tensors:
        return shaped(given[0])
    return tuple([shaped(t) for t in given])


def atleast_1d(tensors: tuple[Any, ...]) -> Any:
    """0-d tensors as vectors of one element."""
    return _each(tensors, lambda t: t if t.ndim else f.reshape(t, (1,)))


def atleast_2d(tensors: tuple[Any, ...]) -> Any:
    """Tensors of fewer than two dimensions as rows."""
    return _each(tensors, lambda t: t if t.ndim > 1 else f.reshape(t, (1, t.numel())))


def atleast_3d(tensors: tuple[Any, ...]) -> Any:
    """Tensors with at least three dimensions, new ones in front of vectors and behind matrices."""

    def shaped(t: Tensor) -> Tensor:
        if t.ndim > 2:
            return t
        return f.unsqueeze(t, -1) if t.ndim == 2 else f.reshape(t, (1, t.numel(), 1))

    return _each(tensors, shaped)
