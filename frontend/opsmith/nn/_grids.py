"""Sampling images at grids of positions (Jaderberg et al., 2015), in `nn.functional`."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith._modes import computes_in

__all__ = ["affine_grid", "grid_sample"]

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _defaulted(name: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            f"Default {name} behavior has changed to align_corners=False since 1.3.0. Please "
            f"specify align_corners=True if the old behavior is desired. See the documentation of "
            f"{name} for details.",
            stacklevel=3,
        )
    return bool(align_corners)


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Positions of an image under affine maps, in [-1, 1], for `grid_sample`.

    Args:
        theta: the maps, (N, 2, 3) or (N, 3, 4).
        size: of the output, (N, C, H, W) or (N, C, D, H, W).
        align_corners: do -1 and 1 mean the outermost pixels' centres, not the image's edges?

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3): x, y and z of each position.
    """
    align = _defaulted("affine_grid", align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {tuple(size)}"
        )
    if theta.ndim != 3 or theta.shape[1:] != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size "
            f"{tuple(size)}. Got {tuple(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    kind = {"dtype": theta.dtype, "device": theta.device}
    axes = []
    for count in size[2:]:
        steps = opsmith.linspace(-1, 1, count, **kind) if count > 1 else opsmith.zeros(1, **kind)
        axes.append(steps if align else steps * ((count - 1) / count))
    columns = [*reversed(opsmith.meshgrid(*axes, indexing="ij"))]
    base = opsmith.stack([*columns, opsmith.ones(tuple(size[2:]), **kind)], -1)
    flat = base.reshape(1, -1, n + 1).expand(size[0], -1, -1)
    return opsmith.bmm(flat, theta.transpose(1, 2)).reshape(size[0], *size[2:], n)


def _padded(at: Tensor, size: int, padding_mode: str, align: bool) -> Tensor:
    """Positions moved into the image; for zeros they stay, and are masked where read."""
    if padding_mode == "zeros":
        return at
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align else (-0.5, float(size))
        if span == 0:
            return at * 0
        off = (at - low).abs()
        turns = (off.detach() / span).floor()
        rest = off - turns * span
        at = opsmith.where(turns % 2 == 0, rest, span - rest) + low
    return at.clamp(0, size - 1)


def _read(flat: Tensor, places: list[Tensor], sizes: Any) -> Tensor:
    """Elements (N, C, P) of flat (N, C, *sizes) at whole positions (N, P); 0 outside."""
    index: Any = 0
    inside: Any = None
    for place, size in zip(places, sizes, strict=True):
        known = (place >= 0) & (place <= size - 1)
        inside = known if inside is None else inside & known
        index = index * size + opsmith.where(known, place, 0).to(opsmith.int64)
    index = index.unsqueeze(1).expand(-1, flat.shape[1], -1)
    return opsmith.where(inside.unsqueeze(1), flat.gather(2, index), 0)


def _cubic_weights(t: Tensor) -> list[Tensor]:
    """Keys' kernel at the distances of four neighbours."""
    a = -0.75

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


@computes_in("f32")
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Values of images (N, C, H, W) or (N, C, D, H, W) at the positions of a grid.

    Args:
        input: the images.
        grid: (N, H', W', 2) or (N, D', H', W', 3): x, y and z, -1 and 1 at the image's ends.
        mode: 'bilinear', 'nearest', or for images 'bicubic'.
        padding_mode: what lies outside: 'zeros', the 'border', or the image's 'reflection'.
        align_corners: do -1 and 1 mean the outermost pixels' centres, not the image's edges?
    """
    for value, known, what in ((mode, _MODES, "mode"), (padding_mode, _PADDINGS, "padding_mode")):
        if value not in known:
            listed = ", ".join(f"'{name}'" for name in known[:-1])
            raise ValueError(
                f"nn.functional.grid_sample(): expected {what} to be {listed}, or "
                f"'{known[-1]}', but got: '{value}'"
            )
    align = _defaulted("grid_sample", align_corners)
    n = input.ndim - 2
    if n not in (2, 3) or grid.ndim != input.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with "
            f"sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {n} in last dimension, but got grid with "
            f"sizes {list(grid.shape)}"
        )
    sizes = input.shape[2:]
    if 0 in sizes:
        raise RuntimeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
            f"sizes {list(input.shape)}"
        )
    if mode == "bicubic" and n != 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    flat, points = input.flatten(2), grid.flatten(1, -2)
    at = []
    for axis, size in enumerate(sizes):
        x = points[..., n - 1 - axis]
        at.append((x + 1) * ((size - 1) / 2) if align else ((x + 1) * size - 1) / 2)
    if mode != "bicubic":
        at = [_padded(x, s, padding_mode, align) for x, s in zip(at, sizes, strict=True)]
    shape = (input.shape[0], input.shape[1], *grid.shape[1:-1])
    if mode == "nearest":
        return _read(flat, [x.round() for x in at], sizes).reshape(shape)
    first = [x.detach().floor() for x in at]
    part = [x - low for x, low in zip(at, first, strict=True)]
    taps = range(2) if mode == "bilinear" else range(-1, 3)
    weights = [[1 - t, t] if mode == "bilinear" else _cubic_weights(t) for t in part]
    total: Any = 0
    for corner in itertools.product(taps, repeat=n):
        places = [low + step for low, step in zip(first, corner, strict=True)]
        if mode == "bicubic":
            places = [
                _padded(x, s, padding_mode, align) for x, s in zip(places, sizes, strict=True)
            ]
        weight: Any = 1
        for axis, step in enumerate(corner):
            weight = weight * weights[axis][step - taps[0]]
        total = total + _read(flat, places, sizes) * weight.unsqueeze(1)
    return total.reshape(shape)
