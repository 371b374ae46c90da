"""Changing a whole module: dtype, device, mode, `requires_grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn.parameter import Parameter

__all__ = ["Convert"]


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Sort the arguments of `to` into those of `Tensor.to`.

    The forms are (device, dtype, non_blocking), (dtype, non_blocking), (tensor, non_blocking).
    """
    found = dict(kwargs)
    found.pop("memory_format", None)
    positional = list(args)
    if positional and isinstance(positional[0], Tensor):
        other = positional.pop(0)
        found |= {"device": other.device, "dtype": other.dtype}
    elif positional and not isinstance(positional[0], opsmith.dtype):
        found["device"] = positional.pop(0)
    if positional and (positional[0] is None or isinstance(positional[0], opsmith.dtype)):
        found["dtype"] = positional.pop(0)
    if positional:
        found["non_blocking"] = positional.pop(0)
    if "tensor" in found:
        other = found.pop("tensor")
        found |= {"device": other.device, "dtype": other.dtype}
    unknown = set(found) - {"device", "dtype", "non_blocking"}
    if positional or unknown:
        raise TypeError(
            "to() received an invalid combination of arguments - got "
            f"{[*args, *sorted(unknown)]}, but expected (device, dtype, non_blocking), "
            "(dtype, non_blocking) or (tensor, non_blocking)"
        )
    return {name: value for name, value in found.items() if value is not None}


class Convert:
    """The part of `Module` that converts parameters and buffers in place."""

    training: bool
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    children: Callable[[], Any]
    parameters: Callable[..., Any]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Replace each parameter's data and gradient and each buffer by `fn` of it."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        with opsmith.no_grad():
            for parameter in self._parameters.values():
                if parameter is None:
                    continue
                grad = parameter.grad
                parameter.data = fn(parameter.data)
                if grad is not None:
                    parameter.grad = fn(grad).requires_grad_(grad.requires_grad)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def apply(self, fn: Callable[[Any], None]) -> Any:
        """Call `fn` on every submodule, then on this module, which is returned."""
        for child in self.children():
            child.apply(fn)
        fn(self)  # type: ignore[arg-type]
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Convert in place: `to(device, dtype)`, `to(dtype)`, `to(tensor)`; returns the module.

        Only floating-point and complex tensors change dtype.

        Raises:
            TypeError: the dtype is integral.
        """
        target = _parse_to(args, kwargs)
        dtype = target.get("dtype")
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )
        others = {name: value for name, value in target.items() if name != "dtype"}

        def convert(tensor: Tensor) -> Tensor:
            inexact = tensor.is_floating_point() or tensor.is_complex()
            wanted = target if inexact else others
            return tensor.to(**wanted) if wanted else tensor

        return self._apply(convert)

    def type(self, dst_type: Any) -> Any:
        """Cast all parameters and buffers to `dst_type`."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def _cast(self, dtype: Any) -> Any:
        return self._apply(
            lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor
        )

    def float(self) -> Any:
        """Cast floating-point parameters and buffers to float32."""
        return self._cast(opsmith.float32)

    def double(self) -> Any:
        """Cast floating-point parameters and buffers to float64."""
        return self._cast(opsmith.float64)

    def half(self) -> Any:
        """Cast floating-point parameters and buffers to float16."""
        return self._cast(opsmith.float16)

    def bfloat16(self) -> Any:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._cast(opsmith.bfloat16)

    def cpu(self) -> Any:
        """Move parameters and buffers to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Any:
        """Move parameters and buffers to a GPU, the current one by default."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Move to `device` without copying: the values are left uninitialised."""
        return self._apply(lambda tensor: opsmith.empty_like(tensor, device=device), recurse)

    def share_memory(self) -> Any:
        """Move parameters and buffers to memory that other processes can map."""
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.share_memory_()
        return self

    def train(self, mode: bool = True) -> Any:
        """Set training mode on this module and all below it (dropout and batch norm read it)."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Any:
        """The same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Say whether gradients of all parameters are wanted; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero in place."""
        for parameter in self.parameters():
            zero_grad(parameter, set_to_none)


def zero_grad(parameter: Parameter, set_to_none: bool) -> None:
    """Drop one parameter's gradient, or set it to zero in place."""
    grad = parameter.grad
    if grad is None:
        return
    if set_to_none:
        parameter.grad = None
        return
    if grad.grad_fn is not None:
        grad.detach_()
    else:
        grad.requires_grad_(False)
    grad.zero_()
