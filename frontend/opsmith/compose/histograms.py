"""How many elements fall into bins, of one and of several dimensions."""

from __future__ import annotations

import math
from builtins import range as upto
from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor, named_tuple
from .._create import zeros
from .._ranges import linspace

_HISTOGRAM = named_tuple("histogram", ("hist", "bin_edges"))
_HISTOGRAMDD = named_tuple("histogramdd", ("hist", "bin_edges"))


def _edges(column: Tensor, bins: Any, limits: Any) -> Tensor:
    """The edges of bins: given, or equally spaced between limits or the least and the largest."""
    if isinstance(bins, Tensor):
        return bins
    if bins < 1:
        raise RuntimeError(f"histogramdd(): bins must be positive, but got {bins}")
    if limits is None:
        low, high = (float(m) for m in f.aminmax(column)) if column.numel() else (0.0, 1.0)
    else:
        low, high = (float(v) for v in limits)
        if low > high:
            raise RuntimeError("histogram(): min should not exceed max")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, bins + 1, dtype=column.dtype, device=column.device)


def _counts(
    points: Tensor, edges: Sequence[Tensor], weight: Tensor | None, density: bool
) -> Tensor:
    """points (n, d), d rows of edges -> counts in d dims; the last bin has both ends."""
    shape = [len(e) - 1 for e in edges]
    place: Any = 0
    parts = []
    for d, e in enumerate(edges):
        x = f.select(points, 1, d).contiguous()
        place = place * shape[d] + f.clamp(f.search(e, x, True) - 1, 0, shape[d] - 1)
        parts.append(f.logical_and(f.ge(x, e[0]), f.le(x, e[-1])))
    inside, size = f.all(f.stack(parts), 0), math.prod(shape)
    share = f.ones_like(f.select(points, 1, 0)) if weight is None else f.reshape(weight, (-1,))
    share = f.where(inside, share, 0.0).to(points.dtype)
    hist = f.scatter_add(zeros(size, dtype=points.dtype, device=points.device), 0, place, share)
    hist = f.reshape(hist, tuple(shape))
    if density:
        hist = hist / f.sum(hist)
        for d, e in enumerate(edges):
            width = f.diff(e)
            hist = hist / f.reshape(width, tuple(-1 if k == d else 1 for k in range(len(edges))))
    return hist


def histogram(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None,
    density: bool = False, out: Any = None,
) -> Any:  # fmt: skip
    """How many elements fall into each bin, or their weights' sum, and the bins' edges."""
    _floats("histogram", input)
    flat = f.reshape(input, (-1,))
    edges = _edges(flat, bins, range)
    found = _HISTOGRAM(_counts(f.unsqueeze(flat, 1), [edges], weight, density), edges)
    if out is None:
        return found
    from .._core import write_out

    return write_out(out, found, "histogram")


def histogramdd(
    input: Tensor, bins: Any, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Any:
    """The histogram of points (.., d) in d dimensions, and the bins' edges of each."""
    _floats("histogramdd", input)
    if input.ndim < 2:
        raise RuntimeError(
            "torch.histogramdd: input tensor should have at least 2 dimensions, but got "
            f"{input.ndim}"
        )
    points = f.reshape(input, (-1, input.shape[-1]))
    d = points.shape[1]
    each = [bins] * d if hasattr(bins, "__index__") and not isinstance(bins, Tensor) else list(bins)
    if len(each) != d:
        raise RuntimeError(
            f"torch.histogramdd: Expected the number of bins to be {d}, but got {len(each)}"
        )
    limits = [None] * d if range is None else [range[2 * k : 2 * k + 2] for k in upto(d)]
    edges = [_edges(f.select(points, 1, k), each[k], limits[k]) for k in upto(d)]
    return _HISTOGRAMDD(_counts(points, edges, weight, density), edges)


def _floats(name: str, input: Tensor) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"{name}: \"not implemented for '{input.dtype.scalar}'\"")
