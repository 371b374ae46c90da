"""Layers of `nn.functional`: what PyTorch's signatures add to the registry's operations."""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith.nn._sizes import ntuple

__all__ = [
    "bilinear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "embedding",
]


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """out[..., o] = input1 @ weight[o] @ input2 + bias[o].

    Shapes: input1 (*, I), input2 (*, J), weight (O, I, J), bias (O), out (*, O).
    """
    outputs, left, right = weight.shape
    rows = input1.reshape(-1, left) @ weight.permute(1, 0, 2).reshape(left, outputs * right)
    paired = rows.reshape(-1, outputs, right) * input2.reshape(-1, 1, right)
    out = paired.sum(-1).reshape(*input1.shape[:-1], outputs)
    return out if bias is None else out + bias


def _resolved_padding(
    input: Tensor, weight: Tensor, stride: Any, padding: str, dilation: Any, n: int
) -> tuple[Tensor, tuple[int, ...]]:
    """Turn 'same' or 'valid' into numbers; an uneven 'same' pads the input first."""
    if padding == "valid":
        return input, (0,) * n
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}', expected 'same' or 'valid'")
    if any(step != 1 for step in ntuple(stride, n)):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(ntuple(dilation, n), weight.shape[-n:], strict=True)]
    extra: list[int] = []
    for total in reversed(totals):
        extra += (0, total % 2)
    if any(extra):
        input = _f.pad(input, tuple(extra))
    return input, tuple(total // 2 for total in totals)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate (N, C, L) or (C, L) with weight (O, C / groups, K).

    `padding` may be 'valid' (none) or 'same' (the output is as long as the input).
    """
    if type(padding) is str:
        input, padding = _resolved_padding(input, weight, stride, padding, dilation, 1)
    return _f.conv1d(input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate (N, C, H, W) or (C, H, W) with weight (O, C / groups, KH, KW).

    `padding` may be 'valid' (none) or 'same' (the output is as large as the input).
    """
    if type(padding) is str:
        input, padding = _resolved_padding(input, weight, stride, padding, dilation, 2)
    return _f.conv2d(input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The adjoint of `conv1d`, as a two-dimensional one of height 1.

    Shapes: input (N, C, L), weight (C, O / groups, K).
    """
    (step,), (pad,), (extra,), (spread,) = (
        ntuple(value, 1) for value in (stride, padding, output_padding, dilation)
    )
    out = _f.conv_transpose2d(
        input.unsqueeze(-2),
        weight.unsqueeze(-2),
        bias,
        (1, step),
        (0, pad),
        (0, extra),
        groups,
        (1, spread),
    )
    return out.squeeze(-2)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The adjoint of `conv2d`. Shapes: input (N, C, H, W), weight (C, O / groups, KH, KW)."""
    return _f.conv_transpose2d(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate (N, C, D, H, W) or (C, D, H, W) with weight (O, C / groups, KD, KH, KW).

    `padding` may be 'valid' (none) or 'same' (the output is as large as the input).
    """
    if type(padding) is str:
        input, padding = _resolved_padding(input, weight, stride, padding, dilation, 3)
    return _f.conv3d(input, weight, bias, stride, padding, dilation, groups)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The adjoint of `conv3d`: input (N, C, D, H, W), weight (C, O / groups, KD, KH, KW)."""
    return _f.conv_transpose3d(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of weight (V, D) at the integers of input (*): (*, D).

    Args:
        input: integers in [0, V).
        weight: the table.
        padding_idx: a row that receives no gradient; negative counts from the end.
        max_norm: rows looked up are first scaled down, in place, to at most this norm.
        norm_type: the p of that norm.
        scale_grad_by_freq: not supported.
        sparse: not supported.
    """
    if sparse or scale_grad_by_freq:
        raise NotImplementedError("embedding: sparse and scale_grad_by_freq are not supported")
    if padding_idx is not None:
        if not -weight.size(0) <= padding_idx < weight.size(0):
            raise AssertionError("Padding_idx must be within num_embeddings")
        if padding_idx < 0:
            padding_idx += weight.size(0)
    if max_norm is not None:
        shrink_rows(weight, input, max_norm, norm_type)
    return _f.embedding(input, weight, padding_idx)


def shrink_rows(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows of weight at the integers of input, in place, to at most a norm."""
    with opsmith.no_grad():
        used = input.reshape(-1).unique()
        rows = weight[used]
        norms = rows.norm(norm_type, 1, keepdim=True)
        weight[used] = _f.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)
