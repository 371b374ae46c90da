"""Pooling over windows, and over as many windows as the output shall have."""

from __future__ import annotations

from typing import Any

from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn._sizes import ntuple
from opsmith.nn.modules.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]


class _MaxPool(Module):
    """The greatest element of each window; padding counts as -inf.

    Args:
        kernel_size: the size of a window.
        stride: the step from one to the next, by default their size.
        padding: how far windows may reach over the edge.
        dilation: the step within a window.
        return_indices: also return where in the input's plane the greatest element is.
        ceil_mode: let the last window hang over the edge.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        """Keep the arguments."""
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _arguments(self) -> tuple[Any, ...]:
        return (
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The greatest of each window of (N, C, L) or (C, L); arguments as PyTorch's."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) -> (N, C, L')."""
        return F.max_pool1d(input, *self._arguments())


class MaxPool2d(_MaxPool):
    """The greatest of each window of (N, C, H, W) or (C, H, W); arguments as PyTorch's."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) -> (N, C, H', W')."""
        return F.max_pool2d(input, *self._arguments())


class MaxPool3d(_MaxPool):
    """The greatest of each window of (N, C, D, H, W) or (C, D, H, W); arguments as PyTorch's."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) -> (N, C, D', H', W')."""
        return F.max_pool3d(input, *self._arguments())


class AvgPool1d(Module):
    """The mean of each window of (N, C, L) or (C, L); padding counts if `count_include_pad`."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        """Keep the arguments."""
        super().__init__()
        self.kernel_size = ntuple(kernel_size, 1)
        self.stride = ntuple(kernel_size if stride is None else stride, 1)
        self.padding = ntuple(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L')."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        """The arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window of (N, C, H, W) or (C, H, W).

    Padding counts if `count_include_pad`; `divisor_override` divides in place of the count.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        """Keep the arguments."""
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); arguments as `AvgPool2d`'s."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, C, D', H', W')."""
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class _AdaptiveAvgPool(Module):
    """Means over windows that divide the input into `output_size` parts; None keeps a size."""

    def __init__(self, output_size: Any) -> None:
        """Keep the argument."""
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """The argument."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows that divide (N, C, L) into `output_size` parts."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, output_size)."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows that divide (N, C, H, W) into `output_size` parts."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, *output_size)."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows that divide (N, C, D, H, W) into `output_size` parts."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, C, *output_size)."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(Module):
    """The greatest over windows that divide the input into `output_size` parts."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        """Keep the arguments."""
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        """The argument."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The greatest over windows that divide (N, C, L) into `output_size` parts."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) -> (N, C, output_size)."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The greatest over windows that divide (N, C, H, W) into `output_size` parts."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) -> (N, C, *output_size)."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The greatest over windows that divide (N, C, D, H, W) into `output_size` parts."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) -> (N, C, *output_size)."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)
