"""Normalisations of `nn.functional`: what PyTorch's signatures add to the registry's operations."""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith._core import dtype_code

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]


_SMALL = frozenset({opsmith.bfloat16.code, opsmith.float16.code})


def _narrowed(out: Tensor, input: Tensor) -> Tensor:
    """Parameters of float32 do not widen a small dtype: autocast gives layers such inputs."""
    return out.to(input.dtype) if dtype_code(input._h) in _SMALL else out


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias for each channel of (N, C, *).

    Mean and biased variance are the batch's if `training`, which also moves the running ones by
    `momentum`; else the running ones. (Ioffe and Szegedy, 2015.)

    Raises:
        ValueError: `training` with one value per channel.
    """
    if training and input.numel() == input.size(1) and input.numel() > 0:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.size()}"
        )
    out = _f.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    return _narrowed(out, input)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`batch_norm` of each instance of (N, C, *) by itself (Ulyanov et al., 2016)."""
    batch, channels = input.shape[:2]
    if not use_input_stats:
        out = _f.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        return _narrowed(out, input)
    if input.numel() == batch * channels:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.size()}"
        )
    out = _f.group_norm(input, channels, weight, bias, eps)
    if running_mean is not None and running_var is not None:
        with opsmith.no_grad():
            flat = input.reshape(batch, channels, -1)
            running_mean.lerp_(flat.mean((0, 2)).to(running_mean.dtype), momentum)
            running_var.lerp_(flat.var(2).mean(0).to(running_var.dtype), momentum)
    return _narrowed(out, input)


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias over the last axes.

    Those have the sizes `normalized_shape`, as weight and bias do. (Ba et al., 2016.)
    """
    return _narrowed(_f.layer_norm(input, normalized_shape, weight, bias, eps), input)


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """input / sqrt(mean(input^2) + eps) * weight over the last axes (Zhang and Sennrich, 2019)."""
    return _narrowed(_f.rms_norm(input, normalized_shape, weight, eps), input)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each of `num_groups` groups of channels of (N, C, *) (Wu and He, 2018)."""
    return _narrowed(_f.group_norm(input, num_groups, weight, bias, eps), input)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """input / (k + alpha * mean of squares over `size` neighbouring channels) ^ beta.

    (Krizhevsky et al., 2012.)
    """
    if input.dim() < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)"
        )
    batch, channels = input.shape[:2]
    squares = (input * input).reshape(batch, 1, channels, -1)
    padded = _f.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = _f.avg_pool2d(padded, (size, 1), (1, 1)).reshape(input.shape)
    return input / (means * alpha + k) ** beta


def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """input / max(norm_p(input, dim), eps)."""
    result = _f.normalize(input, p, dim, eps)
    return result if out is None else out.copy_(result)
