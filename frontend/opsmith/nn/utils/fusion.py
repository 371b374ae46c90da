"""A batch norm in evaluation is linear: here it goes into the layer before it."""

from __future__ import annotations

import copy
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn.parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _fused(
    weight: Tensor, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float,
    scale: Tensor | None, shift: Tensor | None, dim: int,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias such that scale (W x + b - mean) / sqrt(var + eps) + shift = W' x + b'."""
    factor = (var + eps).rsqrt()
    if scale is not None:
        factor = factor * scale
    shape = [1] * weight.dim()
    shape[dim] = -1
    offset = -mean if bias is None else bias - mean
    added = offset * factor
    if shift is not None:
        added = added + shift
    new = (weight * factor.reshape(shape)).to(weight.dtype)
    added = added.to(weight.dtype if bias is None else bias.dtype)
    wanted = weight.requires_grad, weight.requires_grad if bias is None else bias.requires_grad
    return Parameter(new.detach(), wanted[0]), Parameter(added.detach(), wanted[1])


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution with a batch norm in it; `transpose` for transposed ones."""
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer with a batch norm in it."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _copied(layer: Any, norm: Any, fuse: Any, *more: Any) -> Any:
    if layer.training or norm.training:
        raise AssertionError("Fusion only for eval!")
    made = copy.deepcopy(layer)
    if norm.running_mean is None or norm.running_var is None:
        raise AssertionError("BatchNorm must have running_mean and running_var")
    with opsmith.no_grad():
        made.weight, made.bias = fuse(
            layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
            norm.bias, *more,
        )  # fmt: skip
    return made


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of a convolution that does what it and the batch norm behind it do in evaluation."""
    return _copied(conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of a linear layer that does what it and the batch norm behind it do in evaluation.

    Raises:
        AssertionError: the norm has another number of features, and more than one.
    """
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1"
        )
    return _copied(linear, bn, fuse_linear_bn_weights)
