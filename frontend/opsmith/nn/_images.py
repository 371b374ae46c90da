"""Images in `nn.functional`: resizing, sliding windows, channels."""

from __future__ import annotations

import functools
import math
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith.nn import _pools
from opsmith.nn._sizes import ntuple

__all__ = [
    "fold",
    "interpolate",
    "native_channel_shuffle",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

_DIMS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}
_NEAREST = {"nearest": 0.0, "nearest-exact": 0.5}  # where in a pixel the source is looked up


def _cubic(x: float, a: float) -> float:
    """Keys' cubic convolution kernel."""
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


@functools.lru_cache(maxsize=64)
def _taps(n: int, out: int, pace: float, align: bool, cubic: bool) -> tuple[Any, Any]:
    """For each of `out` positions, which of `n` elements are summed and their weights."""
    places, weights = [], []
    for i in range(out):
        at = pace * i if align else pace * (i + 0.5) - 0.5
        at = at if cubic else max(at, 0.0)
        first = math.floor(at)
        part = at - first
        if cubic:
            near = range(first - 1, first + 3)
            weights.append([_cubic(part - k, -0.75) for k in (-1, 0, 1, 2)])
        else:
            near = range(first, first + 2)
            weights.append([1 - part, part])
        places.append([min(max(k, 0), n - 1) for k in near])
    return places, weights


@functools.lru_cache(maxsize=64)
def _smooth_taps(n: int, out: int, pace: float, cubic: bool) -> tuple[Any, Any]:
    """As `_taps`, with the kernel stretched over what a smaller image leaves out."""
    reach = 2 if cubic else 1
    stretch = max(pace, 1.0)
    rows = []
    for i in range(out):
        centre = pace * (i + 0.5)
        low = max(int(centre - reach * stretch + 0.5), 0)
        high = min(int(centre + reach * stretch + 0.5), n)
        x = [(k - centre + 0.5) / stretch for k in range(low, high)]
        w = [_cubic(v, -0.5) if cubic else max(0.0, 1 - abs(v)) for v in x]
        rows.append((low, [v / sum(w) for v in w]))
    width = max(len(w) for _, w in rows)
    places = [[min(low + k, n - 1) for k in range(width)] for low, _ in rows]
    return places, [[*w, *[0.0] * (width - len(w))] for _, w in rows]


def _resize(
    input: Tensor, sizes: Any, scales: Any, mode: str, align: bool, antialias: bool
) -> Tensor:
    for axis in reversed(range(len(sizes))):
        dim = axis + 2
        n, out = input.shape[dim], sizes[axis]
        pace = n / out if scales[axis] is None else 1.0 / scales[axis]
        if mode in _NEAREST:
            steps = opsmith.arange(out, dtype=opsmith.float32, device=input.device)
            at = ((steps + _NEAREST[mode]) * pace).floor().clamp(max=n - 1).to(opsmith.int64)
            input = _f.index_select(input, dim, at)
            continue
        if align:
            pace = (n - 1) / (out - 1) if out > 1 else 0.0
        if antialias:
            places, weights = _smooth_taps(n, out, pace, mode == "bicubic")
        else:
            places, weights = _taps(n, out, pace, align, mode == "bicubic")
        input = _f.resample(
            input,
            dim,
            opsmith.tensor(places, device=input.device),
            opsmith.tensor(weights, dtype=input.dtype, device=input.device),
        )
    return input


def _interpolated_size(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[list[int], list[Any]]:
    """The output size and the scales that positions are computed with, None where sizes say."""
    n = input.ndim - 2
    have = list(input.shape[2:])
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        sizes = list(size) if isinstance(size, tuple | list) else [size] * n
        if len(sizes) != n:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got "
                f"input with spatial dimensions of {have} and output size of {size}. Please "
                "provide input tensor in (N, C, d1, d2, ...,dK) format and output size in "
                "(o1, o2, ...,oK) format."
            )
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return sizes, [None] * n
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    scales = list(scale_factor) if isinstance(scale_factor, tuple | list) else [scale_factor] * n
    if len(scales) != n:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got "
            f"input with spatial dimensions of {have} and scale_factor of shape {scale_factor}. "
            "Please provide input tensor in (N, C, d1, d2, ...,dK) format and scale_factor in "
            "(s1, s2, ...,sK) format."
        )
    sizes = [math.floor(float(h) * s) for h, s in zip(have, scales, strict=True)]
    return sizes, [None] * n if recompute else scales


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize (N, C, L), (N, C, H, W) or (N, C, D, H, W) to `size` or by `scale_factor`.

    Args:
        input: the images.
        size: the sizes wanted, or one for all.
        scale_factor: by how much, if not `size`.
        mode: 'nearest', 'nearest-exact', 'linear', 'bilinear', 'bicubic', 'trilinear', 'area'.
        align_corners: put the outermost pixels' centres on each other, not the images' edges.
        recompute_scale_factor: compute positions from the sizes, not from `scale_factor`.
        antialias: average over what a smaller image leaves out ('bilinear', 'bicubic').
    """
    if mode in (*_NEAREST, "area"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: "
                "linear | bilinear | bicubic | trilinear"
            )
    elif align_corners is None:
        align_corners = False
    sizes, scales = _interpolated_size(input, size, scale_factor, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D "
            "tensor as input"
        )
    if input.ndim not in (3, 4, 5) or mode not in (*_NEAREST, "area", *_DIMS):
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported "
            f"(got {input.ndim}D) for the modes: nearest | linear | bilinear | bicubic | "
            f"trilinear | area | nearest-exact (got {mode})"
        )
    if mode in _DIMS and _DIMS[mode] != input.ndim:
        raise NotImplementedError(
            f"Got {input.ndim}D input, but {mode} mode needs {_DIMS[mode]}D input"
        )
    if any(have < 1 for have in input.shape[2:]) or any(wanted < 1 for wanted in sizes):
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{list(input.shape[2:])} output {sizes}"
        )
    if mode == "area":
        pools = (
            _pools.adaptive_avg_pool1d, _pools.adaptive_avg_pool2d, _pools.adaptive_avg_pool3d
        )  # fmt: skip
        return pools[input.ndim - 3](input, sizes)
    if mode in _DIMS and not input.is_floating_point():
        return _resize_bytes(input, sizes, scales, mode, bool(align_corners), antialias)
    return _resize(input, sizes, scales, mode, bool(align_corners), antialias)


def _resize_bytes(
    input: Tensor, sizes: Any, scales: Any, mode: str, align_corners: bool, antialias: bool
) -> Tensor:
    """Images of bytes: means are rounded. Integers of other widths are no images."""
    if input.dtype is not opsmith.uint8 or mode != "bilinear":
        raise NotImplementedError(f'"interpolate" in mode {mode} not implemented for {input.dtype}')
    exact = _resize(input.float(), sizes, scales, mode, align_corners, antialias)
    return (exact + 0.5).floor().to(opsmith.uint8)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The older name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` in mode 'nearest'."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` in mode 'bilinear' with aligned corners."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Sliding windows as columns: (N, C, H, W) -> (N, C KH KW, windows); unbatched likewise."""
    if input.ndim not in (3, 4):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    return _f.windows2d(input, kernel_size, dilation, padding, stride).flatten(4).flatten(1, 3)


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """The adjoint of `unfold`: (N, C KH KW, windows) summed into (N, C, H, W)."""
    if input.ndim not in (2, 3):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    if input.ndim == 2:
        batched = input.unsqueeze(0)
        return fold(batched, output_size, kernel_size, dilation, padding, stride).squeeze(0)
    sizes, kernel, spread, around, steps = (
        ntuple(value, 2) for value in (output_size, kernel_size, dilation, padding, stride)
    )
    if min(*kernel, *spread, *steps) < 1 or min(around) < 0:
        raise RuntimeError(
            f"fold: kernel_size {kernel}, dilation {spread} and stride {steps} should be greater "
            f"than zero, padding {around} not negative"
        )
    area = math.prod(kernel)
    if input.shape[1] % area:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={input.shape[1]} and kernel_size={kernel}."
        )
    counts = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, p, d, k, s in zip(sizes, around, spread, kernel, steps, strict=True)
    ]
    if input.shape[2] != math.prod(counts) or min(counts) < 1:
        raise RuntimeError(
            f"Given output_size={sizes}, kernel_size={kernel}, dilation={spread}, "
            f"padding={around}, stride={steps}, expected size of input's dimension 2 to match the "
            f"calculated number of sliding blocks {counts[0]} * {counts[1]} = "
            f"{math.prod(counts)}, but got input.size(2)={input.shape[2]}."
        )
    windows = input.reshape(input.shape[0], input.shape[1] // area, *kernel, *counts)
    return _f.add_windows2d(windows, sizes, spread, around, steps)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The same as `channel_shuffle`."""
    return _f.channel_shuffle(input, groups)
