"""Random tensors for tests."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import _dtypes
from .._core import Tensor
from .._dtypes import bool_, dtype, float32, float64, int64
from .._numeric import finfo, iinfo
from .._random import rand, randint


def make_tensor(
    *shape: Any,
    dtype: dtype,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor with elements drawn uniformly from [low, high).

    Args:
        shape: the sizes, as ints or one sequence.
        dtype: of the elements.
        device: where.
        low: lower bound; -9 by default, 0 for bool and unsigned integers.
        high: upper bound; 9 by default (10 for integers), 2 for bool.
        requires_grad: make it a leaf that requires grad.
        noncontiguous: with gaps between the elements of the last dim, if there are two or more.
        exclude_zero: put the smallest positive normal number (1 for integers) in place of zeros.
        memory_format: the order of the dims.

    Raises:
        ValueError: an empty range, one outside the dtype's, or arguments that exclude each other.
    """
    if len(shape) == 1 and not hasattr(shape[0], "__index__"):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous} and memory_format={memory_format}"
        )
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, but got "
            f"dtype={dtype}"
        )
    spread = noncontiguous and math.prod(shape) > 1
    full = (*shape[:-1], 2 * shape[-1]) if spread else tuple(shape)
    a, b = _range(dtype, low, high)
    if inexact:
        t = _uniform(full, a, b, dtype)
    else:
        t = randint(math.ceil(a), math.ceil(b), full).to(dtype)
    if device is not None:
        t = t.to(device)
    if spread:
        t = t[..., 1::2]
    elif memory_format is not None:
        t = t.clone(memory_format=memory_format)
    if exclude_zero:
        t[t == 0] = finfo(dtype).tiny if inexact else 1
    return t.requires_grad_(True) if requires_grad else t


def _uniform(shape: tuple[int, ...], a: float, b: float, d: dtype) -> Tensor:
    if d.is_complex:
        from .. import view_as_complex

        real = finfo(d).dtype
        return view_as_complex(_uniform((*shape, 2), a, b, getattr(_dtypes, real)))
    t = rand(*shape, dtype=float64 if d is float64 else float32)  # small dtypes lack b - a
    return (t * b + (1 - t) * a if math.isinf(b - a) else t * (b - a) + a).to(d)


def _range(d: dtype, low: float | None, high: float | None) -> tuple[float, float]:
    """The bounds, within what the dtype holds."""
    inexact = d.is_floating_point or d.is_complex
    if d is bool_:
        least, beyond, lowest, highest = 0.0, 2.0, 0.0, 2.0
    elif inexact:
        least, beyond, lowest, highest = finfo(d).min, finfo(d).max, -9.0, 9.0
    else:
        least, beyond = iinfo(d).min, iinfo(d).max + (d is not int64)
        lowest, highest = -9.0, 10.0
    a, b = lowest if low is None else low, highest if high is None else high
    if a != a or b != b:
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={a} and high={b}")
    if a == b and inexact:
        warnings.warn(
            "Passing `low==high` to `make_tensor` for floating or complex types is deprecated: use "
            "`full(...)`", FutureWarning, stacklevel=3,
        )  # fmt: skip
    elif a >= b:
        raise ValueError(f"`low` must be less than `high`, but got {a} >= {b}")
    elif b < least or a >= beyond:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{a}, {b}), but {d} only "
            f"supports [{least}, {beyond})"
        )
    return min(max(a, least), beyond), min(max(b, least), beyond)


__all__ = ["make_tensor"]
