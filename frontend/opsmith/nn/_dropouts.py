"""Dropout in `nn.functional`: what PyTorch's signatures add to the registry's operation."""

from __future__ import annotations

import warnings

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith.nn._activations import in_place

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero elements with probability p and scale the others by 1 / (1 - p).

    (Srivastava et al., 2014.)
    """
    _check_probability(p)
    if not inplace:
        return _f.dropout(input, p, training)
    return in_place("dropout", input, p, training) if training else input


def _channel_dropout(
    input: Tensor, p: float, training: bool, inplace: bool, channels: int
) -> Tensor:
    """Zero whole channels; those are the first `channels` axes."""
    _check_probability(p)
    if not training or p == 0:
        return input
    shape = (*input.shape[:channels], *(1,) * (input.dim() - channels))
    mask = _f.dropout(opsmith.ones(shape, dtype=input.dtype, device=input.device), p, True)
    return input.mul_(mask) if inplace else input * mask


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L) with probability p."""
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. "
            "Note that dropout1d exists to provide channel-wise dropout on inputs with 1 "
            "spatial dimension, a channel dimension, and an optional batch dimension "
            "(i.e. 2D or 3D inputs)."
        )
    return _channel_dropout(input, p, training, inplace, input.dim() - 1)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, H, W) with probability p (Tompson et al., 2014)."""
    if input.dim() not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.dim()}-D input to dropout2d, which is deprecated and "
            "will result in an error in a future release.",
            stacklevel=2,
        )
    return _channel_dropout(input, p, training, inplace, 2)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W) with probability p."""
    return _channel_dropout(input, p, training, inplace, 2 if input.dim() == 5 else 1)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean and variance of SELU's outputs (Klambauer et al., 2017)."""
    _check_probability(p)
    if not training or p == 0:
        return input
    if p == 1:
        result = input * 0
    else:
        low = -1.7580993408473766  # selu(-inf): what a dropped element is set to
        a = ((1 - p) * (1 + p * low**2)) ** -0.5
        keep = (opsmith.rand_like(input) >= p).to(input.dtype)
        result = (input * keep + low * (1 - keep)) * a - a * p * low
    return input.copy_(result) if inplace else result


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, *)."""
    _check_probability(p)
    if not training or p == 0:
        return input
    if p == 1:
        result = input * 0
    else:
        low = -1.7580993408473766  # selu(-inf): what a dropped channel is set to
        a = ((1 - p) * (1 + p * low**2)) ** -0.5
        shape = (*input.shape[:2], *(1,) * (input.dim() - 2))
        keep = (opsmith.rand(shape, device=input.device) >= p).to(input.dtype)
        result = (input * keep + low * (1 - keep)) * a - a * p * low
    return input.copy_(result) if inplace else result
