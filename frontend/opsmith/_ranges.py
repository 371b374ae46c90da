"""Sequences and patterns: arange, linspace, logspace, eye, tril_indices, triu_indices."""

from __future__ import annotations

import math
from array import array

from . import _functions as f
from ._boundary import lib
from ._core import Tensor, ints, wrap
from ._create import _finish, get_default_dtype, tensor, zeros
from ._dtypes import float64, int64

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
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    whole = all(isinstance(v, int) for v in (start, end, step))
    target = dtype or (int64 if whole else get_default_dtype())
    n = max(0, -((start - end) // step)) if whole else max(0, math.ceil((end - start) / step))
    return _finish(_line(start, step, n, whole).to(target).to(device=device), requires_grad)


def _line(start: Any, step: Any, n: int, whole: bool) -> Tensor:
    """``start + step * k`` for k below n, exact for integers."""
    ends = (start, start + n * step, step) if whole else (0, n)
    block = array("q", range(*ends)).tobytes() or b"\0"
    k = wrap(lib.ops_from_block(int64.code, int64.code, block, *ints((n,))))
    return k if whole else k.to(float64) * float(step) + float(start)


def linspace(
    start: Any, end: Any, steps: int, *, out: Any = None, dtype: dtype | None = None, layout: Any = None,  # noqa: E501
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` equally spaced numbers from start to end, both included."""
    start, end = _number(start), _number(end)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    k = _line(0, 1, steps, True).to(float64)
    step = (end - start) / max(steps - 1, 1)
    # From both ends, so that the last number is exactly ``end``.
    values = f.where(k < steps / 2, k * step + start, (k - (steps - 1)) * step + end)
    values = values if steps > 1 else k * 0 + start
    return _finish(values.to(dtype or get_default_dtype()).to(device=device), requires_grad)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Any = None, dtype: dtype | None = None,  # noqa: E501
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to the power of equally spaced exponents."""
    exponents = linspace(start, end, steps, dtype=float64)
    return _finish(
        (base**exponents).to(dtype or get_default_dtype()).to(device=device), requires_grad
    )


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: dtype | None = None, layout: Any = None,  # noqa: E501
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of an (n, m) matrix of zeros."""
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n must be greater or equal to 0, got {n if n < 0 else m}")
    t = zeros(n, n if m is None else m, dtype=dtype)
    t.diagonal().fill_(1)
    return _finish(t.to(device=device), requires_grad)


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
    pairs = [(r, c) for r in range(row) for c in range(col) if c <= r + offset]
    return _pairs(pairs, dtype)


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
    pairs = [(r, c) for r in range(row) for c in range(col) if c >= r + offset]
    return _pairs(pairs, dtype)


def _pairs(pairs: list[tuple[int, int]], dtype: dtype) -> Tensor:
    return tensor([[r for r, _ in pairs], [c for _, c in pairs]], dtype=dtype)


__all__ = ["arange", "eye", "linspace", "logspace", "tril_indices", "triu_indices"]
