"""Modules that take their input's size from the first input they see."""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn.modules import conv, linear, norm
from opsmith.nn.modules.module import Module
from opsmith.nn.parameter import (
    UninitializedBuffer,
    UninitializedParameter,
    is_lazy,
)

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class LazyModuleMixin(Module):
    """A module whose parameters get their shapes at the first call, or from a loaded state.

    Subclasses define `initialize_parameters`, which takes what `forward` does. Once it has run, the
    module is a `cls_to_become`.
    """

    cls_to_become: type | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Arrange for the parameters to be made."""
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes; every subclass defines it."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Are there parameters or buffers without a shape?"""
        members = (*self._parameters.values(), *self._buffers.values())
        return any(is_lazy(member) for member in members)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in self._persistent():
            whole = keep_vars or is_lazy(value)
            destination[prefix + name] = value if whole else value.detach()

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        for name, value in self._persistent():
            given = state_dict.get(prefix + name)
            if given is not None and is_lazy(value) and not is_lazy(given):
                with opsmith.no_grad():
                    value.materialize(given.shape)

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any) -> None:
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        for hook in (self._initialize_hook, self._load_hook):
            hook.remove()
        del self._initialize_hook, self._load_hook
        if self.cls_to_become is not None:
            self.__class__ = self.cls_to_become


def _placeholder(bias: bool, device: Any, dtype: Any) -> Any:
    return UninitializedParameter(device=device, dtype=dtype) if bias else None


class LazyLinear(LazyModuleMixin, linear.Linear):
    """A `Linear` whose `in_features` is the last size of its first input."""

    cls_to_become = linear.Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        """Make parameters without shapes."""
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        self.bias = _placeholder(bias, device, dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they have shapes."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take `in_features` from the input."""
        if self.has_uninitialized_params():
            with opsmith.no_grad():
                self.in_features = input.shape[-1]
                self.weight.materialize((self.out_features, self.in_features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        if self.in_features == 0:
            self.in_features = self.weight.shape[-1]


class _LazyConv(LazyModuleMixin):
    ndim: int
    transposed: bool

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they have shapes."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take `in_channels` from the input."""
        n = self.ndim
        if self.has_uninitialized_params():
            if input.dim() not in (n + 1, n + 2):
                raise RuntimeError(
                    f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to "
                    f"{type(self).__name__}, but got input of size: {input.shape}"
                )
            self.in_channels = input.shape[-n - 1]
            if self.in_channels % self.groups:
                raise ValueError("in_channels must be divisible by groups")
            first, second = self.out_channels, self.in_channels
            if self.transposed:
                first, second = second, first
            self.weight.materialize((first, second // self.groups, *self.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()
        elif self.in_channels == 0:
            self.in_channels = self.weight.shape[0 if self.transposed else 1] * (
                1 if self.transposed else self.groups
            )


class _LazyConvNd(_LazyConv):
    def __init__(
        self,
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
        """Make parameters without shapes."""
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        self.bias = _placeholder(bias, device, dtype)


class _LazyConvTransposeNd(_LazyConv):
    def __init__(
        self,
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
        """Make parameters without shapes."""
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation,
            padding_mode,
        )  # fmt: skip
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        self.bias = _placeholder(bias, device, dtype)


class _LazyNorm(LazyModuleMixin):
    """Keeps tensors without shapes until `num_features`, the input's second size, is known."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        bias: bool = True,
    ) -> None:
        """Make parameters and buffers without shapes."""
        super().__init__(0, eps, momentum, False, False, bias=False)
        kind = {"device": device, "dtype": dtype}
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(**kind)
            self.bias = _placeholder(bias, device, dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**kind)
            self.running_var = UninitializedBuffer(**kind)
            self.num_batches_tracked = opsmith.tensor(0, dtype=opsmith.int64, device=device)

    def reset_parameters(self) -> None:
        """Set weight to 1, bias to 0 and forget the statistics, once they have shapes."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take `num_features` from the input."""
        if self.has_uninitialized_params():
            self.num_features = input.shape[self._channel(input)]
            for value in (self.weight, self.bias, self.running_mean, self.running_var):
                if is_lazy(value):
                    value.materialize((self.num_features,))
            self.reset_parameters()
        elif self.num_features == 0:
            known = self.running_mean if self.weight is None else self.weight
            self.num_features = input.shape[self._channel(input)] if known is None else len(known)

    def _channel(self, input: Tensor) -> int:
        return 1


class _LazyInstanceNorm(_LazyNorm):
    ndim: int

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        bias: bool = True,
    ) -> None:
        """Make parameters and buffers without shapes."""
        super().__init__(eps, momentum, affine, track_running_stats, device, dtype, bias)

    def _channel(self, input: Tensor) -> int:
        return input.dim() - self.ndim - 1


class LazyConv1d(_LazyConvNd, conv.Conv1d):
    """A `Conv1d` that takes `in_channels` from its first input."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyConvNd, conv.Conv2d):
    """A `Conv2d` that takes `in_channels` from its first input."""

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyConvNd, conv.Conv3d):
    """A `Conv3d` that takes `in_channels` from its first input."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_LazyConvTransposeNd, conv.ConvTranspose1d):
    """A `ConvTranspose1d` that takes `in_channels` from its first input."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, conv.ConvTranspose2d):
    """A `ConvTranspose2d` that takes `in_channels` from its first input."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, conv.ConvTranspose3d):
    """A `ConvTranspose3d` that takes `in_channels` from its first input."""

    cls_to_become = conv.ConvTranspose3d


class LazyBatchNorm1d(_LazyNorm, norm.BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from its first input."""

    cls_to_become = norm.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, norm.BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from its first input."""

    cls_to_become = norm.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, norm.BatchNorm3d):
    """A `BatchNorm3d` that takes `num_features` from its first input."""

    cls_to_become = norm.BatchNorm3d


class LazyInstanceNorm1d(_LazyInstanceNorm, norm.InstanceNorm1d):
    """A `InstanceNorm1d` that takes `num_features` from its first input."""

    cls_to_become = norm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, norm.InstanceNorm2d):
    """A `InstanceNorm2d` that takes `num_features` from its first input."""

    cls_to_become = norm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, norm.InstanceNorm3d):
    """A `InstanceNorm3d` that takes `num_features` from its first input."""

    cls_to_become = norm.InstanceNorm3d
