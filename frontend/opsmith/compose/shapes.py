"""Compositions that only move, repeat, join or sum whole dimensions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._create import tensor, zeros
from .._dtypes import Size, dtype, int64


def wrap_dim(dim: int, ndim: int) -> int:
    """A dim counted from the front; a 0-d tensor counts as 1-d.

    Raises:
        IndexError: outside ``-ndim .. ndim - 1``.
    """
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % n


def ints_of(v: Any) -> tuple[int, ...]:
    """An int, a sequence of ints or an integer tensor as a tuple of ints."""
    if isinstance(v, Tensor):
        v = v.tolist()
    return tuple(x.__index__() for x in v) if hasattr(v, "__iter__") else (v.__index__(),)


def unpacked(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands of a call ``fn(a, b)`` or ``fn([a, b])``."""
    return tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors


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


def cat_back(g: Tensor, shapes: Sequence[Size], dtypes: Sequence[dtype], dim: int) -> tuple[Tensor, ...]:
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
    rows = [atleast_1d((t,)) for t in tensors]
    return f.cat(rows, 0 if rows and rows[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Along rows; vectors become rows."""
    return f.cat([atleast_2d((t,)) for t in tensors], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Along the third dimension."""
    return f.cat([atleast_3d((t,)) for t in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Along columns; vectors become columns."""
    return f.cat([t if t.ndim > 1 else f.reshape(t, (t.numel(), 1)) for t in tensors], 1)


def block_diag(tensors: tuple[Any, ...]) -> Tensor:
    """The matrices along the diagonal of a matrix of zeros."""
    blocks = unpacked(tensors)
    if not blocks:
        return zeros(1, 0)
    for k, t in enumerate(blocks):
        if t.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {k} has {t.ndim} dimensions"
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
        return (f.narrow(input, d, 0, 0),)
    return tuple([f.narrow(input, d, at, min(size, n - at)) for at in range(0, n, size)])


def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of the sizes given."""
    sizes = ints_of(split_sizes)
    if input.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, input.ndim)
    if any(s < 0 for s in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(sizes)}"
        )
    if sum(sizes) != input.shape[d]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[d]} (input tensor's size at "
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
        raise RuntimeError(f"tensor_split expected at least a 1-dimensional tensor, but got a tensor with {input.ndim} dims")
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d]
    where = indices_or_sections
    if isinstance(where, (list, tuple)) or (isinstance(where, Tensor) and where.ndim):
        ends = [0, *ints_of(where)]
        return tuple([
            f.slice(input, d, lo, hi) for lo, hi in zip(ends, [*ends[1:], n], strict=True)
        ])
    count = int(where)
    if count <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {count}")
    sizes = [n // count + (k < n % count) for k in range(count)]
    return split_with_sizes(input, sizes, d)


def _axis_split(input: Tensor, where: Any, dim: int, name: str, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension{'s' * (least > 1)}, but got a tensor with "
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
    return tuple([f.select(input, d, k) for k in range(input.shape[d])])


# Repeating ---------------------------------------------------------------------------------------


def repeat(input: Tensor, repeats: Any) -> Tensor:
    """The tensor laid side by side ``repeats[d]`` times along each dimension."""
    times = ints_of(repeats)
    lead = len(times) - input.ndim
    if lead < 0:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    if any(r < 0 for r in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(times)}")
    shape = (1,) * lead + tuple(input.shape)
    if all(r == 1 for r in times):
        return f.reshape(input, shape).clone()
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
    return f.reshape(out, tuple(r * s for r, s in zip(times, shape, strict=True)))


def tile(input: Tensor, dims: Any) -> Tensor:
    """``repeat``, counting dimensions from the last."""
    times = ints_of(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None, output_size: int | None = None) -> Tensor:
    """Every element ``repeats`` times in a row; without ``dim`` of the flattened tensor."""
    if dim is None:
        input, dim = f.reshape(input, (-1,)), 0
    d = wrap_dim(dim, input.ndim)
    if input.ndim == 0:
        input = f.reshape(input, (1,))
    if isinstance(repeats, Tensor) and repeats.ndim == 0:
        repeats = repeats.item()
    if isinstance(repeats, (list, tuple)):
        repeats = tensor(list(repeats), dtype=int64)
    n = input.shape[d]
    if not isinstance(repeats, Tensor):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        shape = list(input.shape)
        wide = f.unsqueeze(input, d + 1)
        wide = f.expand(wide, tuple(shape[: d + 1] + [repeats] + shape[d + 1 :]))
        return f.reshape(wide, tuple(shape[:d] + [n * repeats] + shape[d + 1 :])).clone()
    if repeats.dtype.is_floating_point or repeats.ndim != 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor" if repeats.ndim > 1 else "repeats has to be Long or Int tensor")
    if repeats.shape[0] == 1:
        repeats = f.expand(repeats, (n,))
    if repeats.shape[0] != n:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats.shape[0]} and "
            f"input.size({d}) = {n}"
        )
    if n and int(f.amin(repeats).item()) < 0:
        raise RuntimeError("repeats can not be negative")
    from .._ranges import arange

    ends = f.cumsum(repeats, 0)
    total = int(ends[-1].item()) if n else 0
    return f.index_select(input, d, f.search(ends, arange(total), True))


# Turning -----------------------------------------------------------------------------------------


def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Moves elements along dims; what leaves at one end enters at the other."""
    steps, axes = ints_of(shifts), () if dims is None else ints_of(dims)
    if not axes and len(steps) == 1:
        return f.reshape(roll(f.reshape(input, (-1,)), steps, (0,)), tuple(input.shape))
    if len(steps) != len(axes) or not steps:
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(axes)}" if steps
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
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {axes[0]} and dim1 = {axes[1]}")
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


# Grids -------------------------------------------------------------------------------------------


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
                raise RuntimeError(f"Trying to create tensor with negative dimension ({shape[-k]}): ({shape[-k]})")
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
                        f"The size of tensor a ({out[-k]}) must match the size of tensor b ({shape[-k]}) at "
                        f"non-singleton dimension {len(out) - k}"
                    )
                out[-k] = shape[-k]
    return tuple(out)


def meshgrid(tensors: tuple[Any, ...], indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids of coordinates: ``'ij'``, the default, or ``'xy'``."""
    lines = list(unpacked(tensors))
    if not lines:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for t in lines:
        if t.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
    if any(t.dtype is not lines[0].dtype for t in lines):
        raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(lines) > 1
    if swap:
        lines[:2] = lines[1], lines[0]
    shape = tuple(t.numel() for t in lines)
    grids = [
        f.expand(f.reshape(t, (-1, *(1,) * (len(lines) - 1 - k))), shape) for k, t in enumerate(lines)
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
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = [k for row in choose(range(input.shape[0]), r) for k in row]
    return f.reshape(f.index_select(input, 0, tensor(rows, dtype=int64)), (-1, r) if rows else (0, r))


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
