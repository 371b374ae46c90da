"""Convolutions."""

from __future__ import annotations

import math
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn import init
from opsmith.nn._sizes import ntuple
from opsmith.nn.modules.module import Module
from opsmith.nn.parameter import Parameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What the convolutions share: checks, parameters, printing.

    Shapes: weight (out, in / groups, *kernel_size), or (in, out / groups, *kernel_size) if
    transposed, and bias (out), both from U(-k, k), k = 1 / sqrt(weight.size(1) * prod(kernel)).

    Raises:
        ValueError: channels that groups do not divide, or an unknown padding or mode.
    """

    ndim: int
    transposed = False
    bias: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make and initialise the parameters."""
        super().__init__()
        n = self.ndim
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
                )
            if padding == "same" and any(step != 1 for step in ntuple(stride, n)):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _MODES:
            raise ValueError(
                f"padding_mode must be one of {set(_MODES)}, but got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = ntuple(kernel_size, n)
        self.stride = ntuple(stride, n)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n)
        self.dilation = ntuple(dilation, n)
        self.output_padding: tuple[int, ...] = (0,) * n
        self.groups = groups
        self.padding_mode = padding_mode
        first, second = (
            (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        )
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(opsmith.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(opsmith.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def _surround(self, input: Tensor) -> Tensor:
        """Pad the input as `padding_mode` says; for modes other than zeros."""
        if self.padding == "valid":
            return input
        sides: list[int] = []
        for i in reversed(range(self.ndim)):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                sides += (total // 2, total - total // 2)
            else:
                sides += (self.padding[i],) * 2
        return F.pad(input, tuple(sides), mode=self.padding_mode)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        n = self.ndim
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != (0,) * n:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv1d(_ConvNd):
    """Cross-correlation of (N, C, L) or (C, L) with a weight (O, C / groups, K).

    Args are those of PyTorch: stride, padding (a number, 'same' or 'valid'), dilation, groups,
    bias, padding_mode ('zeros', 'reflect', 'replicate', 'circular'), device, dtype.
    """

    ndim = 1

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> (N, O, L')."""
        if self.padding_mode == "zeros":
            return F.conv1d(
                input,
                self.weight,
                self.bias,
                self.stride,
                self.padding,
                self.dilation,
                self.groups,
            )
        return F.conv1d(
            self._surround(input),
            self.weight,
            self.bias,
            self.stride,
            (0,),
            self.dilation,
            self.groups,
        )


class Conv2d(_ConvNd):
    """Cross-correlation of (N, C, H, W) or (C, H, W) with a weight (O, C / groups, KH, KW).

    Args are those of PyTorch: stride, padding (numbers, 'same' or 'valid'), dilation, groups,
    bias, padding_mode ('zeros', 'reflect', 'replicate', 'circular'), device, dtype.
    """

    ndim = 2

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, H', W')."""
        if self.padding_mode == "zeros":
            return F.conv2d(
                input,
                self.weight,
                self.bias,
                self.stride,
                self.padding,
                self.dilation,
                self.groups,
            )
        return F.conv2d(
            self._surround(input),
            self.weight,
            self.bias,
            self.stride,
            (0, 0),
            self.dilation,
            self.groups,
        )


class Conv3d(_ConvNd):
    """Cross-correlation of (N, C, D, H, W) or (C, D, H, W) with a weight (O, C / groups, *K).

    Args are those of PyTorch: stride, padding (numbers, 'same' or 'valid'), dilation, groups,
    bias, padding_mode ('zeros', 'reflect', 'replicate', 'circular'), device, dtype.
    """

    ndim = 3

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, O, D', H', W')."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._surround(input), (0, 0, 0)
        return F.conv3d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class _ConvTransposeNd(_ConvNd):
    """What the transposed convolutions share; `output_padding` comes before `groups`."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make and initialise the parameters."""
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.output_padding = ntuple(output_padding, self.ndim)

    def _extra_for(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`, which strides leave ambiguous."""
        if output_size is None:
            return self.output_padding
        n = self.ndim
        sizes = tuple(output_size)
        if len(sizes) == input.dim():
            sizes = sizes[-n:]
        if len(sizes) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} or "
                f"{input.dim()} elements (got {len(sizes)})"
            )
        least = [
            (have - 1) * s - 2 * p + d * (k - 1) + 1
            for have, s, p, d, k in zip(
                input.shape[-n:],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
        for wanted, low, high in zip(sizes, least, most, strict=True):
            if not low <= wanted <= high:
                raise ValueError(
                    f"requested an output size of {sizes}, but valid sizes range from {least} to "
                    f"{most} (for an input of {input.size()[2:]})"
                )
        return tuple(wanted - low for wanted, low in zip(sizes, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """The adjoint of `Conv1d`: (N, C, L) with a weight (C, O / groups, K)."""

    ndim = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, L) -> (N, O, L')."""
        return F.conv_transpose1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra_for(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose2d(_ConvTransposeNd):
    """The adjoint of `Conv2d`: (N, C, H, W) with a weight (C, O / groups, KH, KW)."""

    ndim = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, H, W) -> (N, O, H', W')."""
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra_for(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose3d(_ConvTransposeNd):
    """The adjoint of `Conv3d`: (N, C, D, H, W) with a weight (C, O / groups, KD, KH, KW)."""

    ndim = 3

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, D, H, W) -> (N, O, D', H', W')."""
        return F.conv_transpose3d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra_for(input, output_size),
            self.groups,
            self.dilation,
        )
