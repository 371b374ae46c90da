"""Compositions that only move, repeat, join or sum whole dimensions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor, one_of_several
from .._create import tensor, zeros
from .._dtypes import Size, dtype, int64
from .arguments import copied, ints_of, some, unpacked, wrap_dim
from .grids import atleast_1d, atleast_2d, atleast_3d


def sum_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """The adjoint of expanding ``size`` to the shape of ``input``: sums what was repeated."""
    have = input.shape
    lead = len(have) - len(size)
    dims = tuple(range(lead)) + tuple(
        d + lead for d, s in enumerate(size) if s == 1 and have[d + lead] != 1
    )
    out = f.sum(input, dims, True) if dims else input
    return f.reshape(out, tuple(size)) if lead else out


# Joining -----------------------------------------------------------------------------------------


def cat_back(
    g: Tensor, shapes: Sequence[Size], dtypes: Sequence[dtype], dim: int
) -> tuple[Tensor, ...]:
    """The parts of the cotangent of ``cat`` that belong to its operands."""
    parts, at = [], 0
    for shape, d in zip(shapes, dtypes, strict=True):
        n = shape[dim] if len(shape) == g.ndim else 0
        part = f.narrow(g, dim, at, n)
        at += n
        if part.shape != shape:  # an empty vector among tensors of another rank
            part = f.reshape(part, tuple(shape))
        parts.append(part if part.dtype is d else part.to(d))
    return tuple(parts)


def stack_back(g: Tensor, dtypes: Sequence[dtype], dim: int) -> tuple[Tensor, ...]:
    """The cotangents of the operands of ``stack``."""
    parts = [f.select(g, dim, k) for k in range(len(dtypes))]
    return tuple([p if p.dtype is d else p.to(d) for p, d in zip(parts, dtypes, strict=True)])


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Along columns; vectors one behind the other."""
    rows = [atleast_1d((t,)) for t in some("hstack", tensors)]
    return f.cat(rows, 0 if rows[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Along rows; vectors become rows."""
    return f.cat([atleast_2d((t,)) for t in some("vstack", tensors)], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Along the third dimension."""
    return f.cat([atleast_3d((t,)) for t in some("dstack", tensors)], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Along columns; vectors become columns."""
    columns = some("column_stack", tensors)
    return f.cat([t if t.ndim > 1 else f.reshape(t, (t.numel(), 1)) for t in columns], 1)


def block_diag(tensors: tuple[Any, ...]) -> Tensor:
    """The matrices along the diagonal of a matrix of zeros."""
    blocks = unpacked(tensors)
    if not blocks:
        return zeros(1, 0)
    for k, t in enumerate(blocks):
        if t.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {k} "
                f"has {t.ndim} dimensions"
            )
    blocks = [atleast_2d((t,)) for t in blocks]
    width, left, rows = sum(t.shape[1] for t in blocks), 0, []
    for t in blocks:
        rows.append(f.constant_pad_nd(t, (left, width - left - t.shape[1])))
        left += t.shape[1]
    return f.cat(rows, 0)


# Cutting -----------------------------------------------------------------------------------------


def split(input: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one size (the last may be smaller), or of the sizes given."""
    size = split_size_or_sections
    if isinstance(size, (list, tuple)) or (isinstance(size, Tensor) and size.ndim):
        return split_with_sizes(input, size, dim)
    size = size.__index__()
    if input.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d]
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0 and n:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
        )
    if n == 0:
        return one_of_several((f.narrow(input, d, 0, 0),))
    parts = [f.narrow(input, d, at, min(size, n - at)) for at in range(0, n, size)]
    return one_of_several(tuple(parts))


def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of the sizes given."""
    return one_of_several(_parts(input, ints_of(split_sizes), dim))


def _parts(input: Tensor, sizes: tuple[int, ...], dim: int) -> tuple[Tensor, ...]:
    if input.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, input.ndim)
    if any(s < 0 for s in sizes):
        raise RuntimeError(
            "split_with_sizes expects split_sizes have only non-negative entries, but got "
            f"split_sizes={list(sizes)}"
        )
    if sum(sizes) != input.shape[d]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[d]} (input "
            "tensor's size at "
            f"dimension {dim}), but got split_sizes={list(sizes)}"
        )
    starts = itertools.accumulate(sizes, initial=0)
    return tuple([f.narrow(input, d, at, s) for at, s in zip(starts, sizes, strict=False)])


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts of one size, the last perhaps smaller."""
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.shape[wrap_dim(dim, input.ndim)]
    if n == 0:
        return split_with_sizes(input, (0,) * chunks, dim)
    return split(input, -(-n // chunks), dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """As many parts as said, or parts between the positions given."""
    if input.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with "
            f"{input.ndim} dims"
        )
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d]
    where = indices_or_sections
    if isinstance(where, (list, tuple)) or (isinstance(where, Tensor) and where.ndim):
        ends = [0, *ints_of(where)]
        return tuple(
            [f.slice(input, d, lo, hi) for lo, hi in zip(ends, [*ends[1:], n], strict=True)]
        )
    count = int(where)
    if count <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {count}")
    return _parts(input, tuple(n // count + (k < n % count) for k in range(count)), d)


def _axis_split(input: Tensor, where: Any, dim: int, name: str, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} "
            f"dimension{'s' * (least > 1)}, but got a tensor with "
            f"{input.ndim} dimensions!"
        )
    if isinstance(where, int) and (where <= 0 or input.shape[dim] % where):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.shape[dim]} is not divisible by the split_size {where}!"
        )
    return tensor_split(input, where, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Along columns; a vector along its only dimension."""
    return _axis_split(input, indices_or_sections, 0 if input.ndim == 1 else 1, "hsplit", 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Along rows."""
    return _axis_split(input, indices_or_sections, 0, "vsplit", 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Along the third dimension."""
    return _axis_split(input, indices_or_sections, 2, "dsplit", 3)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along a dimension."""
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = wrap_dim(dim, input.ndim)
    return one_of_several(tuple([f.select(input, d, k) for k in range(input.shape[d])]))


# Repeating ---------------------------------------------------------------------------------------


def repeat(input: Tensor, repeats: Any) -> Tensor:
    """The tensor laid side by side ``repeats[d]`` times along each dimension."""
    times = ints_of(repeats)
    lead = len(times) - input.ndim
    if lead < 0:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions "
            "of tensor"
        )
    if any(r < 0 for r in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(times)}")
    shape = (1,) * lead + tuple(input.shape)
    apart = [1 if k % 2 == 0 else shape[k // 2] for k in range(2 * len(shape))]
    spread = [times[k // 2] if k % 2 == 0 else shape[k // 2] for k in range(2 * len(shape))]
    # Adjacent dims that are not repeated stay one dim: fewer than 32 are needed.
    merged: list[tuple[int, int]] = []
    for a, s in zip(apart, spread, strict=True):
        if s == a and merged and merged[-1][0] == merged[-1][1]:
            merged[-1] = (merged[-1][0] * a, merged[-1][1] * s)
        else:
            merged.append((a, s))
    out = f.expand(f.reshape(input, tuple(a for a, _ in merged)), tuple(s for _, s in merged))
    return copied(f.reshape(out, tuple(r * s for r, s in zip(times, shape, strict=True))), input)


def tile(input: Tensor, dims: Any) -> Tensor:
    """``repeat``, counting dimensions from the last."""
    times = ints_of(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(
    input: Tensor, repeats: Any, dim: int | None = None, output_size: int | None = None
) -> Tensor:
    """Every element ``repeats`` times in a row; without ``dim`` of the flattened tensor."""
    if dim is None:
        input, dim = f.reshape(input, (-1,)), 0
    d = wrap_dim(dim, input.ndim)
    if input.ndim == 0:
        input = f.reshape(input, (1,))
    if isinstance(repeats, Tensor) and repeats.ndim == 0:
        repeats = repeats.item()
    if isinstance(repeats, (list, tuple)):
        repeats = tensor(list(repeats), dtype=int64, device=input.device)
    n = input.shape[d]
    if not isinstance(repeats, Tensor):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        shape = list(input.shape)
        wide = f.unsqueeze(input, d + 1)
        wide = f.expand(wide, tuple(shape[: d + 1] + [repeats] + shape[d + 1 :]))
        return copied(f.reshape(wide, tuple(shape[:d] + [n * repeats] + shape[d + 1 :])), input)
    if repeats.dtype.is_floating_point or repeats.ndim != 1:
        raise RuntimeError(
            "repeats must be 0-dim or 1-dim tensor"
            if repeats.ndim > 1
            else "repeats has to be Long or Int tensor"
        )
    if repeats.shape[0] == 1:
        repeats = f.expand(repeats, (n,))
    if repeats.shape[0] != n:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{repeats.shape[0]} and "
            f"input.size({d}) = {n}"
        )
    if n and int(f.amin(repeats).item()) < 0:
        raise RuntimeError("repeats can not be negative")
    from .._ranges import arange

    ends = f.cumsum(repeats, 0)
    total = int(ends[-1].item()) if n else 0
    return f.index_select(input, d, f.search(ends, arange(total, device=input.device), True))


# Turning -----------------------------------------------------------------------------------------


def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Moves elements along dims; what leaves at one end enters at the other."""
    steps, axes = ints_of(shifts), () if dims is None else ints_of(dims)
    if not axes and len(steps) == 1:
        return f.reshape(roll(f.reshape(input, (-1,)), steps, (0,)), tuple(input.shape))
    if len(steps) != len(axes) or not steps:
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(axes)}"
            if steps
            else "`shifts` required"
        )
    out = input
    for step, axis in zip(steps, axes, strict=True):
        d = wrap_dim(axis, out.ndim)
        n = out.shape[d] if out.ndim else 1
        by = step % n if n else 0
        if by:
            out = f.cat([f.narrow(out, d, n - by, by), f.narrow(out, d, 0, n - by)], d)
    return out.clone() if out is input else out


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k right angles in the plane of two dims."""
    axes = ints_of(dims)
    if len(axes) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(axes)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = (wrap_dim(d, input.ndim) for d in axes)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {axes[0]} and dim1 = {axes[1]}"
        )
    match k % 4:
        case 1:
            return f.transpose(f.flip(input, (b,)), a, b)
        case 2:
            return f.flip(input, (a, b))
        case 3:
            return f.transpose(f.flip(input, (a,)), a, b)
    return input.clone()


# Diagonals ---------------------------------------------------------------------------------------


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension as the diagonal of two dims of zeros."""
    n = input.ndim + 1
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    side = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    sizes = tuple(side if d in (a, b) else next(rest) for d in range(n))
    return f.diagonal_adjoint(input, sizes, offset, a, b)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or a matrix with a diagonal."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return f.diagonal(input, diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
