"""Copies with a part replaced, and folds of elements that positions send to one place."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._ranges import arange
from .arguments import wrap_dim

# Copies with a part replaced ---------------------------------------------------------------------


def _replaced(input: Tensor, src: Tensor, view: Any, *where: Any) -> Tensor:
    out = input.clone()
    view(out, *where).copy_(src)
    return out


def _same_shape(name: str, part: Tensor, src: Tensor) -> None:
    if part.shape != src.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the {name} of self. src size = "
            f"{list(src.shape)}, {name} size = {list(part.shape)}"
        )


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    """A copy of input with a slice replaced by src."""
    where = (dim, start, end, step)
    _same_shape("slice", f.slice(input, *where), src)
    return _replaced(input, src, f.slice, *where)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of input with the place ``index`` of a dimension replaced by src."""
    _same_shape("slice", f.select(input, dim, index), src)
    return _replaced(input, src, f.select, dim, index)


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy of input with a diagonal replaced by src."""
    where = (offset, dim1, dim2)
    _same_shape("diagonal", f.diagonal(input, *where), src)
    return _replaced(input, src, f.diagonal, *where)


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """A row-major copy of input with the elements of a strided view replaced by src."""
    every = arange(input.numel(), device=input.device).reshape(tuple(input.shape))
    at = f.as_strided(every, size, stride, storage_offset)
    _same_shape("as_strided slice", at, src)
    return put(input, at, src.to(input.dtype))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of input with the elements at flat positions replaced, or added to."""
    if index.numel() != source.numel():
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype} and source.dtype = {source.dtype}"
        )
    flat, at = f.reshape(input, (-1,)), f.reshape(index, (-1,))
    written = f.index_put_at(flat, [at], (0,), f.reshape(source, (-1,)), accumulate)
    return f.reshape(written, tuple(input.shape))


# Folds -------------------------------------------------------------------------------------------


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool = True
) -> Tensor:
    """Folds src, element by element, into the places of input that index names along dim."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}."
        )
    if input.dtype is not src.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    return _fold(input, wrap_dim(dim, input.ndim), index, src, reduce, include_self)


def _fold(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, own: bool) -> Tensor:
    for d, n in enumerate(index.shape):
        if index.ndim == src.ndim and n < src.shape[d]:
            src = f.narrow(src, d, 0, n)
    if input.dtype.is_floating_point and input.dtype.itemsize < 4 and reduce not in ("sum", "mean"):
        wide = _fold(input.float(), dim, index, src.float(), reduce, own)  # NumPy's least float
        return wide.to(input.dtype)
    if reduce == "prod":
        return f.scatter_product(input, dim, index, src, own)
    if reduce in ("amax", "amin"):
        return f.scatter_extreme(input, dim, index, src, reduce == "amax", own)
    start = input if own else f.scatter_value(input, dim, index, 0)
    total = f.scatter_add(start, dim, index, src)
    if reduce == "sum":
        return total
    count = f.scatter_value(f.ones_like(input), dim, index, 1 if own else 0)
    count = f.clamp_min(f.scatter_add(count, dim, index, f.ones_like(src)), 1)
    whole = not input.dtype.is_floating_point
    return f.floor_divide(total, count) if whole else f.true_divide(total, count)


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, include_self: bool = True
) -> Tensor:
    """Folds slices of source into the slices of input that index names along dim."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    if index.ndim > 1:
        raise IndexError("index_reduce_(): Index is supposed to be a vector")
    if input.dtype is not source.dtype:
        raise RuntimeError("index_reduce_(): self and source expected to have the same dtype")
    d = wrap_dim(dim, input.ndim)
    shape = [1] * source.ndim
    if source.ndim:
        shape[d] = -1
    at = f.expand(f.reshape(index, tuple(shape)), tuple(source.shape))
    return _fold(input, d, at, source, reduce, include_self)


def scatter_shares(
    input: Tensor, dim: int, index: Tensor, src: Tensor, folded: Tensor, include_self: bool
) -> tuple[Tensor, Tensor]:
    """How a gradient is shared among elements that are as large as what they were folded into."""
    own = f.eq(input, folded).to(folded.dtype)
    if not include_self:
        own = f.mul(own, f.scatter_value(f.ones_like(folded), dim, index, 0))
    theirs = f.eq(src, f.gather(folded, dim, index)).to(folded.dtype)
    count = f.scatter_add(own, dim, index, theirs)
    return f.div(own, count), f.div(theirs, f.gather(count, dim, index))


def scatter_others(
    input: Tensor, dim: int, index: Tensor, src: Tensor, include_self: bool
) -> tuple[Tensor, Tensor]:
    """Of every element that is folded by products, the product of the others at its place."""
    zero, mine = f.eq(src, 0), f.eq(input, 0)
    if not include_self:
        mine = f.logical_and(mine, f.eq(f.scatter_value(f.ones_like(input), dim, index, 0), 1))
    nulls = f.scatter_add(mine.to(input.dtype), dim, index, zero.to(input.dtype))
    rest = f.scatter_product(
        f.masked_fill(input, mine, 1), dim, index, f.masked_fill(src, zero, 1), include_self
    )
    there = f.gather(rest, dim, index), f.gather(nulls, dim, index)
    found = []
    for x, null, product, count in ((input, mine, rest, nulls), (src, zero, *there)):
        quotient = f.div(product, f.masked_fill(x, f.eq(x, 0), 1))
        quotient = f.masked_fill(quotient, f.ne(count, 0), 0)
        found.append(f.where(f.logical_and(null, f.eq(count, 1)), product, quotient))
    if not include_self:  # where something was written, input has no part in it
        untouched = f.scatter_value(f.ones_like(input), dim, index, 0)
        found[0] = f.mul(found[0], untouched)
    return found[0], found[1]
