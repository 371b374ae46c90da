"""Pooling by powers, back from places, and over windows drawn at random."""

from __future__ import annotations

from typing import Any

from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn._sizes import ntuple
from opsmith.nn.modules.module import Module

__all__ = [
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _LPPool(Module):
    """Keeps the exponent and the windows."""

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        """Keep the arguments."""
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """sum(x^p)^(1/p) over each window of (N, C, L), p being `norm_type`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> windows in place of elements."""
        return F.lp_pool1d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool2d(_LPPool):
    """sum(x^p)^(1/p) over each window of (N, C, H, W), p being `norm_type`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> windows in place of elements."""
        return F.lp_pool2d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool3d(_LPPool):
    """sum(x^p)^(1/p) over each window of (N, C, D, H, W), p being `norm_type`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) -> windows in place of elements."""
        return F.lp_pool3d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class _MaxUnpool(Module):
    ndim: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        """Keep the arguments."""
        super().__init__()
        self.kernel_size = ntuple(kernel_size, self.ndim)
        self.stride = ntuple(kernel_size if stride is None else stride, self.ndim)
        self.padding = ntuple(padding, self.ndim)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts what `MaxPool1d` took back at its places; zeros elsewhere."""

    ndim = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, L) -> what was pooled, or `output_size`, which strides leave ambiguous."""
        return F.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool2d(_MaxUnpool):
    """Puts what `MaxPool2d` took back at its places; zeros elsewhere."""

    ndim = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, H, W) -> what was pooled, or `output_size`, which strides leave ambiguous."""
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool3d(_MaxUnpool):
    """Puts what `MaxPool3d` took back at its places; zeros elsewhere."""

    ndim = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, D, H, W) -> what was pooled, or `output_size`, which strides leave ambiguous."""
        return F.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class _FractionalMaxPool(Module):
    ndim: int

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        """Keep the arguments."""
        super().__init__()
        name, n = type(self).__name__, self.ndim
        self.kernel_size = ntuple(kernel_size, n)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else ntuple(output_size, n)
        self.output_ratio = None if output_ratio is None else ntuple(output_ratio, n)
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")


class FractionalMaxPool2d(_FractionalMaxPool):
    """The greatest of windows of (N, C, H, W) that begin at random steps (Graham, 2014)."""

    ndim = 2

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) -> the output size, or that part of the input's."""
        return F.fractional_max_pool2d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool3d(_FractionalMaxPool):
    """The greatest of windows of (N, C, D, H, W) that begin at random steps (Graham, 2014)."""

    ndim = 3

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) -> the output size, or that part of the input's."""
        return F.fractional_max_pool3d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )
