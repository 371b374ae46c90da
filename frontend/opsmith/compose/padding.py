"""``pad``: values around a tensor, by mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._create import tensor
from .._dtypes import int64
from .._modes import computes_in
from .arguments import ints_of


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Widths come in pairs (before, after), the last dimension's first; negative ones cut."""
    widths = ints_of(pad)
    if len(widths) % 2:
        raise RuntimeError(f"Padding length should be divisible by 2. Got {len(widths)}")
    if len(widths) // 2 > input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but "
            "got padding length "
            f"{len(widths)} and input of dimension {input.ndim}"
        )
    if mode == "constant":
        return f.constant_pad_nd(input, widths, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _SOURCES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    pairs = len(widths) // 2
    if input.ndim not in (pairs + 1, pairs + 2) or not 1 <= pairs <= 3:
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now"
        )
    if mode == "circular":
        return _padded(input, widths, mode)
    return _continued(input, widths, mode)


def _padded(input: Tensor, widths: Any, mode: str) -> Tensor:
    out = input
    for k in range(len(widths) // 2):
        dim = input.ndim - 1 - k
        before, after = widths[2 * k], widths[2 * k + 1]
        if before or after:
            out = _pad_dim(out, dim, before, after, mode)
    return out.clone() if out is input else out


_continued = computes_in("f32")(_padded)  # as PyTorch lists them for autocast


def _pad_dim(input: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    n = input.shape[dim]
    _check(input, dim, n, before, after, mode)
    cut, kept = 0, n
    if mode == "circular":  # what negative widths leave wraps around
        cut, kept = max(-before, 0), n - max(-before, 0) - max(-after, 0)
        before, after = max(before, 0), max(after, 0)
    at = [cut + _SOURCES[mode](k, kept) for k in range(-before, kept + after)]
    return f.index_select(input, dim, tensor(at, dtype=int64, device=input.device))


def _check(input: Tensor, dim: int, n: int, before: int, after: int, mode: str) -> None:
    shape = list(input.shape)
    if n + before + after < 0 or (n == 0 and before + after > 0):
        raise RuntimeError(
            f"input (size: {n} at dimension {dim}) is too small for padding ({before}, {after}) "
            f"in mode '{mode}'"
        )
    if mode == "reflect" and (before >= n or after >= n):
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, "
            "but got: padding "
            f"({before}, {after}) at dimension {dim} of input {shape}"
        )
    if mode == "circular" and (before > n or after > n):
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if mode == "circular" and n + min(before, 0) + min(after, 0) <= 0 < max(before, after):
        raise RuntimeError("Negative padding value is resulting in an empty dimension")


_SOURCES: dict[str, Callable[[int, int], int]] = {  # position in the input of position k
    "reflect": lambda k, n: -k if k < 0 else 2 * (n - 1) - k if k >= n else k,
    "replicate": lambda k, n: min(max(k, 0), n - 1),
    "circular": lambda k, n: k % n,
}
