"""`Parameter` and `Buffer`: tensors that a `Module` registers when they are assigned to it.

Both subclass `Tensor` for `isinstance` alone. They add no behaviour to operations, so the core
treats them as plain tensors and they stay on its fast path.
"""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith._core import no_overrides as _no_overrides

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that is a module's parameter.

    Args:
        data: the tensor whose storage the parameter shares; an empty one by default.
        requires_grad: whether gradients are wanted. Unlike `no_grad` blocks suggest, a parameter
            made inside one still requires grad.
    """

    __torch_function__ = _no_overrides

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        """Share `data`'s storage under the class `Parameter`."""
        if data is None:
            data = opsmith.empty(0)
        return Tensor._make_subclass(cls, data, requires_grad)

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        """Nothing is left to do: `__new__` has made the tensor."""

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        """Print as PyTorch does, naming the class before the tensor."""
        plain = self.detach().requires_grad_(self.requires_grad)
        return f"Parameter containing:\n{plain!r}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """Copy the values, never the handle; one parameter is copied once."""
        if id(self) in memo:
            return memo[id(self)]
        copied = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle as the plain tensor and the flag."""
        return _rebuild_parameter, (type(self), self.detach(), self.requires_grad)


class Buffer(Tensor):
    """A tensor that is a module's state but no parameter (running statistics, for example).

    Args:
        data: the tensor whose storage the buffer shares; an empty one by default.
        persistent: whether the buffer belongs to its module's `state_dict`.
    """

    persistent: bool
    __torch_function__ = _no_overrides

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        """Share `data`'s storage under the class `Buffer`."""
        if data is None:
            data = opsmith.empty(0)
        buffer = Tensor._make_subclass(cls, data, data.requires_grad)
        buffer.persistent = persistent
        return buffer

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        """Nothing is left to do: `__new__` has made the tensor."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        """Copy the values, never the handle; one buffer is copied once."""
        if id(self) in memo:
            return memo[id(self)]
        copied = type(self)(self.detach().clone(), persistent=self.persistent)
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle as the plain tensor and the flag."""
        return _rebuild_buffer, (type(self), self.detach(), self.persistent)


def _rebuild_parameter(cls: type, data: Any, requires_grad: bool) -> Any:
    return cls(data, requires_grad)


def _rebuild_buffer(cls: type, data: Any, persistent: bool) -> Any:
    return cls(data, persistent=persistent)
