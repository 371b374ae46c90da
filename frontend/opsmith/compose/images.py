"""Channels of images moved into space, back, and among each other."""

from __future__ import annotations

from .. import _functions as f
from .._core import Tensor


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) -> (*, C, H r, W r)."""
    r = _factor("pixel_shuffle", "upscale_factor", input, upscale_factor)
    *batch, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the "
            f"square of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    n = len(batch)
    split = f.reshape(input, (*batch, channels // (r * r), r, r, height, width))
    moved = f.permute(split, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return f.reshape(moved, (*batch, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) -> (*, C r^2, H, W)."""
    r = _factor("pixel_unshuffle", "downscale_factor", input, downscale_factor)
    *batch, channels, height, width = input.shape
    for what, size, d in (("height", height, -2), ("width", width, -1)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but "
                f"input.size({d})={size} is not divisible by {r}"
            )
    n = len(batch)
    split = f.reshape(input, (*batch, channels, height // r, r, width // r, r))
    moved = f.permute(split, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return f.reshape(moved, (*batch, channels * r * r, height // r, width // r))


def _factor(op: str, name: str, input: Tensor, factor: int) -> int:
    if input.ndim < 3:
        raise RuntimeError(
            f"{op} expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{op} expects a positive {name}, but got {factor}")
    return factor


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(N, C, *) with the channels of the groups interleaved."""
    if input.ndim < 3:
        raise RuntimeError(
            "channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    batch, channels, *space = input.shape
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and "
            f"{groups} groups."
        )
    split = f.reshape(input, (batch, groups, channels // groups, *space))
    return f.reshape(f.transpose(split, 1, 2), input.shape)
