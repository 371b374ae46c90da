"""Order statistics over the sorted lines of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor, named_tuple
from .._create import tensor
from .arguments import wrap_dim

_MEDIAN = named_tuple("median", ("values", "indices"))
_MODE = named_tuple("mode", ("values", "indices"))
_NANMEDIAN = named_tuple("nanmedian", ("values", "indices"))


def along_back(g: Tensor, index: Tensor, size: Sequence[int], dim: int, keepdim: bool) -> Tensor:
    """The cotangent of elements that were taken at ``index`` along ``dim``: zeros but there."""
    if not keepdim and len(size):
        g, index = f.unsqueeze(g, dim), f.unsqueeze(index, dim)
    return f.gather_adjoint_input(g, index, tuple(size), dim, False)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The positions that would sort."""
    return f.sort(input.detach(), dim, descending, stable=stable)[1]


def msort(input: Tensor) -> Tensor:
    """Sorted along the first dimension."""
    return f.sort(input, 0)[0]


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower middle element: of all, or along a dimension with its position."""
    if dim is None:
        return f.median_all(input)
    return _MEDIAN(*f.median_dim(input, dim, keepdim))


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """``median`` of what is not NaN."""
    if dim is None:
        return f.median_all(input, True)
    return _NANMEDIAN(*f.median_dim(input, dim, keepdim, True))


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along a dimension, and where it stands last."""
    return _MODE(*f.mode_dim(input, dim, keepdim))


# Quantiles ---------------------------------------------------------------------------------------

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    interpolation: str = "linear",
) -> Tensor:
    """The value below which a share q lies; NaN where there is one."""
    return _quantile(input, q, dim, keepdim, interpolation, False)


def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    interpolation: str = "linear",
) -> Tensor:
    """``quantile`` of what is not NaN."""
    return _quantile(input, q, dim, keepdim, interpolation, True)


def _quantile(
    input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, skip: bool
) -> Tensor:
    name = "nanquantile" if skip else "quantile"
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.dtype._name not in ("float32", "float64"):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    if isinstance(q, Tensor):
        if q.ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
        if q.dtype is not input.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    else:
        q = tensor(float(q), dtype=input.dtype, device=input.device)
    if not q.is_meta and not all(0 <= v <= 1 for v in f.reshape(q.detach(), (-1,)).tolist()):
        found = "values must be in the range [0, 1]"
        if q.ndim == 0:
            found = f"value must be in the range [0, 1] but got {q.item():g}"
        raise RuntimeError(f"{name}() q {found}")
    q = q.to(input.device) if q.ndim == 0 else q  # a number goes where the input is
    ndim = input.ndim
    if dim is None:
        lines, kept = f.reshape(input, (-1,)), [1] * ndim
    else:
        d = wrap_dim(dim, ndim)
        lines = f.movedim(input, d, -1) if ndim else f.reshape(input, (1,))
        kept = [1 if k == d else s for k, s in enumerate(input.shape)]
    ordered = f.sort(lines, -1)[0]
    n = ordered.shape[-1]
    count = f.sum(f.logical_not(f.isnan(ordered)), -1, True).to(input.dtype)  # (..., 1)
    whole = f.reshape(q, (-1,))
    if skip:
        rank = f.mul(whole, f.clamp_min(f.sub(count, 1), 0))  # (..., k)
        rank = f.expand(rank, (*ordered.shape[:-1], whole.numel()))
    else:  # a line with NaN gives what it has last: NaN
        rank = f.where(f.lt(count, n), float(n - 1), f.mul(whole, n - 1))
        rank = f.expand(rank, (*ordered.shape[:-1], whole.numel()))
    out = _at(ordered, rank, interpolation)
    if dim is None:
        out = f.reshape(out, (whole.numel(), *(kept if keepdim else ())))
    else:
        out = f.movedim(out, -1, 0)
        out = f.reshape(out, (whole.numel(), *kept)) if keepdim else out
    return out if q.ndim else f.squeeze(out, 0)


def _at(ordered: Tensor, rank: Tensor, interpolation: str) -> Tensor:
    from .._dtypes import int64

    below = f.floor(rank)
    if interpolation == "lower":
        return f.gather(ordered, -1, below.to(int64))
    if interpolation == "nearest":
        return f.gather(ordered, -1, f.round(rank).to(int64))
    above = f.ceil(rank)
    high = f.gather(ordered, -1, above.to(int64))
    if interpolation == "higher":
        return high
    low = f.gather(ordered, -1, below.to(int64))
    weight = (
        f.add(f.mul(rank, 0), 0.5) if interpolation == "midpoint" else f.sub(rank, below.detach())
    )
    return f.lerp(low, high, weight)


# Groups of equals --------------------------------------------------------------------------------


def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The distinct elements, or slices along ``dim``, in order."""
    return _unique(input, False, return_inverse, return_counts, dim)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """One of every run of equal elements, or slices along ``dim``."""
    return _unique(input, True, return_inverse, return_counts, dim)


def _unique(input: Tensor, consecutive: bool, inverse: bool, counts: bool, dim: int | None) -> Any:
    if dim is None or input.ndim == 0:
        along, d = f.reshape(input, (-1,)), 0
        rows = f.reshape(along, (-1, 1))
    else:
        d = wrap_dim(dim, input.ndim)
        along = input
        if input.numel() == 0 and input.shape[d]:
            raise RuntimeError(
                "There are 0 sized dimensions, and they aren't selected, so unique cannot be "
                "applied"
            )
        n = input.shape[d]
        rows = f.reshape(f.movedim(input, d, 0), (n, input.numel() // n if n else 1))
    first, group, count = f.groups(rows.detach(), consecutive)
    values = f.index_select(along.detach(), d, first)
    if dim is None:
        group = f.reshape(group, tuple(input.shape))
    out = [values, *([group] if inverse else []), *([count] if counts else [])]
    return values if len(out) == 1 else tuple(out)
