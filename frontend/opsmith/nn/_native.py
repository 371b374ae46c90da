"""Layers as PyTorch's root namespace has them: positional, with numbers for names of modes."""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith.nn import functional as F

_REDUCTIONS = ("none", "mean", "sum")
_INTERPOLATIONS = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """The greatest of windows that divide (N, C, L), and where they stood."""
    return F.adaptive_max_pool1d(input, output_size, True)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """See `nn.functional.bilinear`."""
    return F.bilinear(input1, input2, weight, bias)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolution over time of input (T, B, C) with weight (K, C, O)."""
    found = F.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return found.permute(2, 0, 1)


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int,
) -> Tensor:  # fmt: skip
    """A convolution of as many dims as the weight has behind its first two, or its transpose."""
    name = f"conv{'_transpose' if transposed else ''}{weight.ndim - 2}d"
    if transposed:
        last = (output_padding, groups, dilation)
        return getattr(F, name)(input, weight, bias, stride, padding, *last)
    return getattr(F, name)(input, weight, bias, stride, padding, dilation, groups)


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: int = 0, zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """See `nn.functional.ctc_loss`; reduction is 0 (none), 1 (mean) or 2 (sum)."""
    sizes = (input_lengths, target_lengths)
    return F.ctc_loss(log_probs, targets, *sizes, blank, _REDUCTIONS[reduction], zero_infinity)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False,
    generator: Any = None,
) -> Tensor:  # fmt: skip
    """See `nn.functional.rrelu`."""
    return F.rrelu(input, lower, upper, training)


def rrelu_(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False,
    generator: Any = None,
) -> Tensor:  # fmt: skip
    """`rrelu`, in place."""
    return F.rrelu_(input, lower, upper, training)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """See `nn.functional.feature_alpha_dropout`."""
    return F.feature_alpha_dropout(input, p, train)


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`feature_alpha_dropout`, in place."""
    return F.feature_alpha_dropout(input, p, train, True)


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`nn.functional.grid_sample`, its modes by their numbers."""
    modes = (_INTERPOLATIONS[interpolation_mode], _PADDINGS[padding_mode])
    return F.grid_sample(input, grid, *modes, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """See `nn.functional.affine_grid`."""
    return F.affine_grid(theta, tuple(size), align_corners)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """See `nn.functional.channel_shuffle`."""
    return _f.channel_shuffle(input, groups)


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """Dropout, and which elements were kept."""
    if train is False or p == 0:
        return input.clone(), opsmith.ones_like(input, dtype=opsmith.bool)
    kept = opsmith.rand_like(input) >= p
    return input * kept * (0.0 if p == 1 else 1 / (1 - p)), kept


def _moments(x: Tensor, dims: Any, eps: float) -> tuple[Tensor, Tensor]:
    wide = x.float() if x.dtype.itemsize < 4 else x
    mean = _f.mean(wide, dims, True)
    return mean, _f.rsqrt(_f.var(wide, dims, correction=0, keepdim=True) + eps)


def native_layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Layer normalisation, and the mean and reciprocal deviation of every group."""
    shape = tuple(normalized_shape)
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    return F.layer_norm(input, shape, weight, bias, eps), *_moments(input, dims, eps)


def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Group normalisation, and the mean and reciprocal deviation of every group."""
    mean, scale = _moments(input.reshape(N, group, -1), (2,), eps)
    return F.group_norm(input, group, weight, bias, eps), mean.squeeze(2), scale.squeeze(2)


def native_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Batch normalisation; in training also the mean and reciprocal deviation of every channel."""
    saved = input.new_empty(0), input.new_empty(0)
    if training:
        dims = (0, *range(2, input.ndim))
        mean, scale = _moments(input, dims, eps)
        saved = mean.reshape(-1), scale.reshape(-1)
    kept = (running_mean, running_var, weight, bias, training, momentum, eps)
    return F.batch_norm(input, *kept), *saved


def embedding_renorm_(
    input: Tensor, indices: Tensor, max_norm: float, norm_type: float = 2.0
) -> Tensor:
    """Scale the rows of ``input`` that indices name and whose norm is above max_norm, in place."""
    with opsmith.no_grad():
        at = opsmith.unique(indices)
        rows = input[at]
        norms = opsmith.linalg.vector_norm(rows, norm_type, 1, True)
        scale = opsmith.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0)
        input[at] = rows * scale.to(rows.dtype)
    return input


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """Norms of the slices along a dim, of which the result keeps the place; -1: of all."""
    if dim == -1:
        return _f.norm(v, pow)
    last = v.ndim - 1
    if dim not in (0, last):
        return norm_except_dim(v.transpose(0, dim), pow, 0).transpose(0, dim)
    shape = [1] * v.ndim
    shape[dim] = v.shape[dim]
    flat = v.reshape(v.shape[0], -1) if dim == 0 else v.reshape(-1, v.shape[last])
    return _f.norm(flat, pow, 1 if dim == 0 else 0).reshape(shape)


# Recurrent layers over parameters that are given --------------------------------------------------

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _recurrent(mode: str, args: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Run (input, hx, params, ..), or packed (data, batch_sizes, hx, params, ..)."""
    from opsmith.nn.modules import rnn
    from opsmith.nn.modules.module import Module

    packed = not isinstance(args[3], bool)
    sizes = args[1] if packed else None
    data, rest = args[0], args[2:] if packed else args[1:]
    hx, params, has_biases, layers, dropout, train, bidirectional, *last = rest
    kind = rnn.RNN if mode.startswith("RNN") else getattr(rnn, mode)
    layer: Any = kind.__new__(kind)
    Module.__init__(layer)
    ways = 2 if bidirectional else 1
    each = len(params) // (layers * ways)
    names = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if has_biases else [])]
    names += ["weight_hr"] if each > len(names) else []
    layer.hidden_size = params[0].shape[0] // _GATES[mode]
    layer.input_size, layer.num_layers, layer.bias = params[0].shape[1], layers, has_biases
    layer.proj_size = params[1].shape[1] if "weight_hr" in names else 0
    layer.mode, layer.dropout, layer.bidirectional = mode, dropout, bidirectional
    layer.batch_first, layer.nonlinearity = bool(last and last[0]), mode[4:].lower()
    layer.train(train)
    layer._all_weights = [
        [f"{name}_l{k // ways}{'_reverse' if k % ways else ''}" for name in names]
        for k in range(layers * ways)
    ]
    flat = [name for group in layer._all_weights for name in group]
    for name, value in zip(flat, params, strict=True):
        object.__setattr__(layer, name, value)
    state = tuple(hx) if mode == "LSTM" else hx
    if packed:
        from opsmith.nn.utils.rnn import PackedSequence

        data = PackedSequence(data, sizes)
    output, state = layer(data, state)
    output = output.data if packed else output
    return (output, *state) if mode == "LSTM" else (output, state)


def lstm(*args: Any) -> tuple[Tensor, ...]:
    """An LSTM: outputs, last hidden and cell states; see PyTorch's `nn.LSTM` for the parameters."""
    return _recurrent("LSTM", args)


def gru(*args: Any) -> tuple[Tensor, ...]:
    """A GRU: outputs and last states."""
    return _recurrent("GRU", args)


def rnn_tanh(*args: Any) -> tuple[Tensor, ...]:
    """A simple recurrent layer with tanh: outputs and last states."""
    return _recurrent("RNN_TANH", args)


def rnn_relu(*args: Any) -> tuple[Tensor, ...]:
    """A simple recurrent layer with relu: outputs and last states."""
    return _recurrent("RNN_RELU", args)
