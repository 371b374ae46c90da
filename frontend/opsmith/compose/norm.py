"""Normalisations that keep running statistics or ask for a dtype's precision, and positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._create import ones
from .._dtypes import float32, int64
from ..autograd.grad_mode import no_grad


def positions(input: Tensor, dim: int) -> Tensor:
    """0, 1, 2, .. along ``dim``, of size 1 along the other dimensions."""
    n = input.ndim
    if n == 0:
        return f.cumsum(ones((), dtype=int64, device=input.device), 0) - 1
    line = f.cumsum(ones((input.shape[dim],), dtype=int64, device=input.device), 0) - 1
    return f.reshape(line, (-1, *(1,) * (n - 1 - dim % n)))


def along(input: Tensor, model: Tensor, dim: int) -> Tensor:
    """A vector as a row of ``model`` along ``dim``."""
    n = model.ndim
    if n == 0 or dim % n == n - 1:
        return input
    return f.reshape(input, (-1, *(1,) * (n - 1 - dim % n)))


def sum_rows(input: Tensor, dim: int | Sequence[int]) -> Tensor:
    """The adjoint of repeating a vector for every row along ``dim``: sums over all other dims."""
    n = input.ndim
    kept = {d % n for d in ((dim,) if isinstance(dim, int) else dim)} if n else set()
    others = tuple(d for d in range(n) if d not in kept)
    return f.sum(input, others) if others else input


def class_targets(input: Tensor, target: Tensor) -> Tensor:
    """Classes (N, *) as (N, 1, *), one for each place of scores (N, C, *); one for scores (C)."""
    if input.ndim <= 1:
        return f.reshape(target, (1,))
    have, want = tuple(target.shape), (input.shape[0], *input.shape[2:])
    if have[:1] != want[:1]:
        raise ValueError(
            f"Expected input batch_size ({want[0]}) to match target batch_size "
            f"({have[0] if have else 0})."
        )
    if have != want:
        raise RuntimeError(f"Expected target size {list(want)}, got {list(have)}")
    return f.unsqueeze(target, 1)


def join_last(input: Tensor, normalized_shape: Sequence[int]) -> Tensor:
    """The last dimensions as one row; they must be ``normalized_shape``."""
    k = len(normalized_shape)
    if k == 0:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    if k > input.ndim or tuple(input.shape[len(input.shape) - k :]) != tuple(normalized_shape):
        sizes = ", ".join(map(str, normalized_shape))
        raise RuntimeError(
            f"Given normalized_shape={list(normalized_shape)}, expected input with shape "
            f"[*, {sizes}], but got input of size{list(input.shape)}"
        )
    return input if k == 1 else f.flatten(input, -k)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, eps: Any
) -> Tensor:
    """Over the last dimensions, as one row."""
    rows = join_last(input, normalized_shape)
    if eps is None:
        d = input.dtype
        limits = (d if d.itemsize >= 4 else float32).limits  # of what is computed in
        eps = 2.0 ** (1 - limits[0]) if limits else 1e-5
    if rows is input:
        return f.rms_norm_rows(input, weight, eps)
    flat = None if weight is None else f.flatten(weight)
    return f.reshape(f.rms_norm_rows(rows, flat, eps), input.shape)


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None,
    bias: Tensor | None, training: bool, momentum: float, eps: float,
) -> Tensor:  # fmt: skip
    """By the batch's statistics, which move the running ones; or by the running ones."""
    shape = (-1, *(1,) * (input.ndim - 2))
    w = None if weight is None else f.reshape(weight, shape)
    b = None if bias is None else f.reshape(bias, shape)
    if not training and (running_mean is None or running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise RuntimeError(f"batch_norm(): {missing} must be defined in evaluation mode")
    if running_mean is None or running_var is None or training:
        dims = (0, *range(2, input.ndim))
        out, mean, var = f.batch_norm_rows(input, w, b, dims, eps)
        if training and running_mean is not None:
            with no_grad():
                n = input.numel() // max(1, input.shape[1])
                unbiased = n / max(1, n - 1)
                _move(running_mean, mean, momentum, 1.0)
                if running_var is not None:
                    _move(running_var, var, momentum, unbiased)
        return out
    scale = f.rsqrt(f.add(running_var, eps))
    scale = scale if weight is None else f.mul(scale, weight)
    shift = f.mul(f.neg(running_mean), scale)
    shift = shift if bias is None else f.add(shift, bias)
    return f.addcmul(f.reshape(shift, shape), input, f.reshape(scale, shape))


def _move(running: Tensor, value: Tensor, momentum: float, factor: float) -> None:
    value = f.reshape(value, running.shape)
    f.mul_(running, 1 - momentum)
    f.add_(running, value.to(running.dtype), alpha=momentum * factor)


def instance_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None,
    bias: Tensor | None, use_input_stats: bool, momentum: float, eps: float,
) -> Tensor:  # fmt: skip
    """``batch_norm`` of each instance by itself."""
    if not use_input_stats:
        return f.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    batch, channels = input.shape[:2]
    rows = f.reshape(input, (batch, channels, input.numel() // max(1, batch * channels)))
    out, mean, var = f.batch_norm_rows(rows, None, None, (2,), eps)
    if running_mean is not None and running_var is not None:
        with no_grad():
            n = rows.shape[2]
            _move(running_mean, f.mean(mean, (0,)), momentum, 1.0)
            _move(running_var, f.mean(var, (0,)), momentum, n / max(1, n - 1))
    return f.scale_channels(f.reshape(out, input.shape), weight, bias)


def feature_dropout(input: Tensor, p: float, training: bool) -> Tensor:
    """Zeroes whole channels."""
    if not training or p == 0:
        return input
    shape = (*input.shape[:2], *(1,) * (input.ndim - 2))
    return f.mul(input, f.dropout_scale(ones(shape, dtype=input.dtype, device=input.device), p))
