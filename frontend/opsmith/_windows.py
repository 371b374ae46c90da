"""Windows for spectra: one period, of which a symmetric window is one sample longer."""

from __future__ import annotations

import math

from . import _functions as f
from ._core import Tensor
from ._create import dtype_of, finish, ones
from ._ranges import arange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _window(
    name: str,
    length: int,
    periodic: bool,
    shape: Callable[[Tensor], Tensor],
    options: dict[str, Any],
) -> Tensor:
    """``shape`` of x from 0 to 1 over the window."""
    requires_grad = options.pop("requires_grad", False)
    dtype = dtype_of(options.get("dtype"))
    device = options.get("device")
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name}() expects floating point dtypes, got: {dtype}")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    if length <= 1:
        return finish(ones(length, dtype=dtype, device=device), requires_grad)
    wide = dtype if dtype.itemsize >= 4 else None
    x = arange(length, dtype=wide, device=device) / float(length if periodic else length - 1)
    return finish(shape(x).to(dtype), requires_grad)


def _cosines(*weights: float) -> Callable[[Tensor], Tensor]:
    """a0 - a1 cos(2 pi x) + a2 cos(4 pi x)."""

    def shape(x: Tensor) -> Tensor:
        total = f.cos(x * (2 * math.pi)) * -weights[1] + weights[0]
        return total if len(weights) == 2 else total + f.cos(x * (4 * math.pi)) * weights[2]

    return shape


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """sin(pi x) ** 2."""
    return _window("hann_window", window_length, periodic, _cosines(0.5, 0.5), options)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """alpha - beta cos(2 pi x)."""
    return _window("hamming_window", window_length, periodic, _cosines(alpha, beta), options)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x)."""
    shape = _cosines(0.42, 0.5, 0.08)
    return _window("blackman_window", window_length, periodic, shape, options)


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """1 - abs(2 x - 1)."""

    def shape(x: Tensor) -> Tensor:
        return f.abs(x * 2 - 1) * -1 + 1

    return _window("bartlett_window", window_length, periodic, shape, options)


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """I0(beta sqrt(1 - (2 x - 1) ** 2)) / I0(beta)."""

    def shape(x: Tensor) -> Tensor:
        root = f.sqrt(f.clamp_min(f.square(x * 2 - 1) * -1 + 1, 0.0))
        return f.i0(root * beta) / f.i0(x.new_full((), beta))

    return _window("kaiser_window", window_length, periodic, shape, options)
