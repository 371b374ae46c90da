"""Losses of `nn.functional`.

`reduction` is 'none' (a value per element), 'mean' or 'sum'; `size_average` and `reduce` are its
deprecated spelling.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import opsmith
from opsmith import Tensor, int64, uint8
from opsmith import _functions as _f
from opsmith._core import need_tensor
from opsmith._modes import computes_in

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def legacy_reduction(size_average: bool | None, reduce: bool | None, warn: bool = True) -> str:
    """The `reduction` that the deprecated pair of flags means."""
    if reduce is False:
        reduction = "none"
    else:
        reduction = "sum" if size_average is False else "mean"
    if warn:
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            stacklevel=3,
        )
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Apply a reduction."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")


def _check_sizes(fn: str, input: Tensor, target: Tensor) -> None:
    if input.__class__ is not Tensor or target.__class__ is not Tensor:
        need_tensor(fn, input=input, target=target)
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def _weighted(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    loss = loss * weight
    if reduction == "mean":
        return loss.sum() / weight.sum()
    return reduced(loss, reduction)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2."""
    _check_sizes("mse_loss", input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if weight is not None:
        return _weighted(_f.mse_loss(input, target, "none"), weight, reduction)
    return _f.mse_loss(input, target, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|."""
    _check_sizes("l1_loss", input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if weight is not None:
        return _weighted(_f.l1_loss(input, target, "none"), weight, reduction)
    return _f.l1_loss(input, target, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """0.5 d^2 / beta where d = |input - target| < beta, else d - 0.5 beta (Girshick, 2015)."""
    _check_sizes("smooth_l1_loss", input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if beta == 0.0:
        return _f.l1_loss(input, target, reduction)
    return _f.smooth_l1_loss(input, target, reduction, beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """0.5 d^2 where d = |input - target| <= delta, else delta (d - 0.5 delta) (Huber, 1964)."""
    _check_sizes("huber_loss", input, target)
    if weight is not None:
        # 'mean' divides by the number of elements here, not by the weights: PyTorch does so too
        return reduced(_f.huber_loss(input, target, "none", delta) * weight, reduction)
    return _f.huber_loss(input, target, reduction, delta)


def _check_classes(input: Tensor, target: Tensor) -> None:
    """Targets of a loss over classes: class indices, or probabilities of the input's shape."""
    need_tensor("cross_entropy", input=input, target=target)
    if input.shape != target.shape:
        _check_class_indices(input, target)
    elif not target.is_floating_point():
        raise RuntimeError(
            "expected a floating point dtype for a target of class probabilities, found "
            f"{target.dtype}"
        )


def _check_class_indices(input: Tensor, target: Tensor) -> None:
    need_tensor("nll_loss", input=input, target=target)
    if target.dtype not in (int64, uint8):
        raise RuntimeError(f"expected a target dtype of int64 or uint8, found {target.dtype}")


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target] for logits (N, C, *) or (C).

    Args:
        input: unnormalised logits.
        target: classes (N, *), or probabilities of the input's shape.
        weight: (C), a factor for each class; 'mean' divides by the sum of those used.
        size_average: deprecated.
        ignore_index: a class that does not count.
        reduce: deprecated.
        reduction: see the module.
        label_smoothing: in [0, 1], mixed in from the uniform distribution (Szegedy et al., 2015).
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    _check_classes(input, target)
    return _f.cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target] for log-probabilities (N, C, *) or (C); arguments as `cross_entropy`."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    _check_class_indices(input, target)
    return _f.nll_loss(input, target, weight, reduction, ignore_index)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), logarithms clamped at -100."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    need_tensor("binary_cross_entropy", input=input, target=target)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size."
        )
    return _f.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), stably; `pos_weight` scales the positive term."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    need_tensor("binary_cross_entropy_with_logits", input=input, target=target)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.size()}) must be the same as input size ({input.size()})"
        )
    return _f.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log(target) - input), for log-probabilities `input`.

    `reduction` may also be 'batchmean': the sum divided by the first size, which is the
    Kullback-Leibler divergence.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support "
            "size.'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next "
            "major release.",
            stacklevel=2,
        )
    if reduction != "batchmean":
        return _f.kl_div(input, target, reduction, log_target=log_target)
    total = _f.kl_div(input, target, "sum", log_target=log_target)
    return total / input.size(0) if input.dim() else total


@computes_in("f32")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target * input, or input - target * log(input + eps) without `log_input`.

    `full` adds Stirling's term where target > 1.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if log_input:
        loss = _f.exp(input) - target * input
    else:
        loss = input - target * _f.log(input + eps)
    if full:
        large = _f.where(target > 1, target, opsmith.ones_like(target))
        stirling = large * _f.log(large) - large + 0.5 * _f.log(2 * math.pi * large)
        loss = loss + _f.where(target > 1, stirling, opsmith.zeros_like(target))
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """0.5 (log(max(var, eps)) + (input - target)^2 / max(var, eps)); `full` adds 0.5 log(2 pi).

    `var` is a number, of the input's shape, or that without the last axis or with it of size 1.
    (Nix and Weigend, 1994.)
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * opsmith.ones_like(input)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif not (input.shape[:-1] == var.shape[:-1] and var.size(-1) == 1):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    with opsmith.no_grad():
        raised = var.clamp(min=eps) - var
    var = var + raised  # the gradient passes through where var < eps
    loss = 0.5 * (_f.log(var) + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)
