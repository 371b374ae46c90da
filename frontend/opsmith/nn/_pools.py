"""Pooling in `nn.functional`: what PyTorch's signatures add to the registry's operations."""

from __future__ import annotations

from typing import Any

from opsmith import Tensor
from opsmith import _functions as _f
from opsmith.autograd.grad_mode import is_grad_enabled

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The greatest of each window of (N, C, L); with `return_indices`, where it is too."""
    if not (return_indices or _recorded(input)):
        return _f.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)
    found = _f.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return found if return_indices else found.values


def _recorded(input: Tensor) -> bool:
    """Will the pooling be differentiated? Then the places found are kept, not searched again."""
    return is_grad_enabled() and input.requires_grad


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The greatest of each window of (N, C, H, W); with `return_indices`, where it is too."""
    if not (return_indices or _recorded(input)):
        return _f.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)
    found = _f.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return found if return_indices else found.values


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The greatest of each window of (N, C, D, H, W); with `return_indices`, where it is too."""
    if not (return_indices or _recorded(input)):
        return _f.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)
    found = _f.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return found if return_indices else found.values


def _output_size(input: Tensor, wanted: Any, n: int) -> tuple[int, ...]:
    """The adaptive output size; None keeps the input's."""
    wanted = (wanted,) * n if wanted is None or isinstance(wanted, int) else tuple(wanted)
    if len(wanted) != n or input.ndim < n:
        raise RuntimeError(
            f"output_size must be {n} sizes for an input of at least {n} dimensions, but got"
            f" {list(wanted)} for an input of size {list(input.shape)}"
        )
    return tuple(
        have if size is None else size for size, have in zip(wanted, input.shape[-n:], strict=True)
    )


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows that divide (N, C, L) into `output_size` parts."""
    return _f.adaptive_avg_pool1d(input, _output_size(input, output_size, 1))


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows that divide (N, C, H, W) into `output_size` parts; None keeps a size."""
    return _f.adaptive_avg_pool2d(input, _output_size(input, output_size, 2))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows that divide (N, C, D, H, W) into `output_size` parts; None keeps one."""
    return _f.adaptive_avg_pool3d(input, _output_size(input, output_size, 3))


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The greatest of each window that divides (N, C, D, H, W) into `output_size` parts."""
    size = _output_size(input, output_size, 3)
    if return_indices:
        return tuple(_f.adaptive_max_pool3d_with_indices(input, size))
    if _recorded(input):
        return _f.adaptive_max_pool3d_with_indices(input, size).values
    return _f.adaptive_max_pool3d(input, size)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The greatest of each window that divides (N, C, H, W) into `output_size` parts."""
    size = _output_size(input, output_size, 2)
    if return_indices:
        return tuple(_f.adaptive_max_pool2d_with_indices(input, size))
    if _recorded(input):
        return _f.adaptive_max_pool2d_with_indices(input, size).values
    return _f.adaptive_max_pool2d(input, size)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The greatest of each window that divides (N, C, L) into `output_size` parts."""
    size = (1, *_output_size(input, output_size, 1))
    if return_indices:
        found = _f.adaptive_max_pool2d_with_indices(input.unsqueeze(-2), size)
        return tuple(t.squeeze(-2) for t in found)
    return adaptive_max_pool2d(input.unsqueeze(-2), size).squeeze(-2)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, L)."""
    return _f.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, H, W)."""
    return _f.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, D, H, W)."""
    return _f.avg_pool3d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """`adaptive_max_pool1d` and where in the input the greatest elements are."""
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """`adaptive_max_pool2d` and where in the input the greatest elements are."""
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """`adaptive_max_pool3d` and where in the input the greatest elements are."""
    return adaptive_max_pool3d(input, output_size, True)
