"""Sequences and patterns: arange, linspace, logspace, eye, tril_indices, triu_indices."""

from __future__ import annotations

import math

from . import _functions as f
from . import _places
from ._boundary import lib
from ._core import Tensor, wrap
from ._create import dtype_of, empty, finish, place_of, zeros
from ._dtypes import CPU, DEVICES, float64, int64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._dtypes import dtype


def _number(v: Any) -> Any:
    return v.item() if isinstance(v, Tensor) or hasattr(v, "item") else v


def arange(
    start: Any, end: Any = None, step: Any = 1, *, out: Any = None, dtype: dtype | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``start, start + step, ...`` below ``end``: int64 when all arguments are ints.

    Raises:
        RuntimeError: when the bounds do not fit the sign of the step, or the step is 0.
    """
    if end is None:
        start, end = 0, start
    start, end, step = _number(start), _number(end), _number(step)
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0 or step != step:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    whole = all(isinstance(v, int) for v in (start, end, step))
    target = int64 if whole and dtype is None and out is None else dtype_of(dtype, out)
    n = max(0, -((start - end) // step)) if whole else max(0, math.ceil((end - start) / step))
    return _placed(_line(start, step, n, whole).to(target), device, requires_grad, out)


def _placed(t: Tensor, device: Any, requires_grad: bool = False, out: Any = None) -> Tensor:
    """A tensor made on the CPU, where it was asked for."""
    if device is not None or _places.used:
        t = t.to(device=DEVICES[place_of(device)])
    return finish(t, requires_grad, out)


def _line(start: Any, step: Any, n: int, whole: bool) -> Tensor:
    """``start + step * k`` for k below n, exact for integers."""
    if n > 2**63 - 1:
        raise RuntimeError(f"a range of {n:.3g} elements is too large")
    k = wrap(lib.ops_range(start, step, n) if whole else lib.ops_range(0, 1, n))
    return k if whole else k.to(float64) * float(step) + float(start)


def range_(
    start: Any, end: Any = None, step: Any = 1, *, out: Any = None, dtype: dtype | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``start, start + step, ...`` up to and including ``end``, as floats; use ``arange``."""
    import warnings

    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior "
        "is inconsistent with Python's range builtin. Instead, use torch.arange, which produces "
        "values in [start, end).",
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    start, end, step = _number(start), _number(end), _number(step)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    count = math.floor((end - start) / step) + 1
    line = _line(start, step, count, all(isinstance(v, int) for v in (start, end, step)))
    return _placed(line.to(dtype_of(dtype, out)), device, requires_grad, out)


def linspace(
    start: Any, end: Any, steps: int, *, out: Any = None, dtype: dtype | None = None, layout: Any = None,  # noqa: E501
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` equally spaced numbers from start to end, both included."""
    start, end = _number(start), _number(end)
    if not hasattr(steps, "__index__"):
        raise TypeError(f"linspace(): argument 'steps' must be int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    k = _line(0, 1, steps, True).to(float64)
    step = (end - start) / max(steps - 1, 1)
    # From both ends, so that the last number is exactly ``end``.
    values = f.where(k < steps / 2, k * step + start, (k - (steps - 1)) * step + end)
    values = values if steps > 1 else k * 0 + start
    return _placed(values.to(dtype_of(dtype, out)), device, requires_grad, out)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Any = None, dtype: dtype | None = None,  # noqa: E501
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to the power of equally spaced exponents."""
    exponents = linspace(start, end, steps, dtype=float64, device=CPU)
    return _placed((base**exponents).to(dtype_of(dtype, out)), device, requires_grad, out)


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: dtype | None = None, layout: Any = None,  # noqa: E501
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of an (n, m) matrix of zeros."""
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n must be greater or equal to 0, got {n if n < 0 else m}")
    t = zeros(n, n if m is None else m, dtype=dtype_of(dtype, out), device=CPU)
    t.diagonal().fill_(1)
    return _placed(t, device, requires_grad, out)


def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: dtype = int64,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Row and column numbers of the lower triangle, as a (2, n) tensor."""
    return _placed(_staircase(row, col, offset, dtype, lower=True), device)


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: dtype = int64,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Row and column numbers of the upper triangle, as a (2, n) tensor."""
    return _placed(_staircase(row, col, offset, dtype, lower=False), device)


def _staircase(row: int, col: int, offset: int, dtype: dtype, *, lower: bool) -> Tensor:
    """Positions on or below the diagonal (``lower``), or on or above it, row by row."""
    if row < 0 or col < 0:
        raise RuntimeError(f"the sizes must not be negative, found {row} and {col}")
    total = _steps(row, col, offset + (1 if lower else 0))
    # Refused if it is too large.
    empty(2, total if lower else row * col - total, dtype=dtype, device=CPU)
    rows = arange(row, device=CPU)
    edge = f.clamp(rows + (offset + (1 if lower else 0)), 0, col)  # columns left of the stairs
    count = edge if lower else col - edge
    starts = f.cumsum(count, 0) - count  # where each row begins in the result
    rows = f.repeat_interleave(rows, count)
    shift = starts if lower else starts - edge
    columns = arange(rows.numel(), device=CPU) - f.index_select(shift, 0, rows)
    return f.stack([rows, columns]).to(dtype)


def _steps(row: int, col: int, first: int) -> int:
    """The sum of ``first + r``, clamped to 0 .. col, over the rows r."""
    rising = range(min(max(-first, 0), row), min(max(col - first, 0), row))
    whole = max(row - max(col - first, 0), 0)
    rows = sum((rising.start, rising.stop - 1)) * len(rising) // 2
    return rows + first * len(rising) + col * whole


__all__ = ["arange", "eye", "linspace", "logspace", "range_", "tril_indices", "triu_indices"]
