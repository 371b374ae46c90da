"""`Parameter` and `Buffer`: tensors that a `Module` registers when they are assigned to it.

Both subclass `Tensor` for `isinstance` alone. They add no behaviour to operations, so the core
treats them as plain tensors and they stay on its fast path.
"""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith._core import no_overrides as _no_overrides

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "is_lazy",
]


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


class _Uninitialized:
    """A tensor whose shape is not known yet; `materialize` makes it an ordinary one in place."""

    cls_to_become: type

    def materialize(self: Any, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give it a shape, with undefined values.

        Args:
            shape: the sizes.
            device: where it shall live; as before by default.
            dtype: of its elements; as before by default.
        """
        self.data = opsmith.empty(
            tuple(shape), device=device or self.device, dtype=dtype or self.dtype
        )
        self.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        """There is none yet."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """A `Parameter` of a shape that is found out later, by lazy modules.

    Args:
        requires_grad: whether gradients are wanted.
        device: where it lives.
        dtype: of its elements.
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        """Hold no elements yet."""
        data = opsmith.empty(0, device=device, dtype=dtype)
        return Tensor._make_subclass(cls, data, requires_grad)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        """Nothing is left to do: `__new__` has made the tensor."""

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        """Another one without a shape; one parameter is copied once."""
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle as the arguments."""
        return type(self), (self.requires_grad, None, self.dtype)


class UninitializedBuffer(_Uninitialized, Buffer):
    """A `Buffer` of a shape that is found out later, by lazy modules.

    Args:
        requires_grad: whether gradients are wanted.
        device: where it lives.
        dtype: of its elements.
        persistent: whether the buffer belongs to its module's `state_dict`.
    """

    cls_to_become = Buffer

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Any:
        """Hold no elements yet."""
        data = opsmith.empty(0, device=device, dtype=dtype)
        buffer = Tensor._make_subclass(cls, data, requires_grad)
        buffer.persistent = persistent
        return buffer

    def __init__(
        self,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> None:
        """Nothing is left to do: `__new__` has made the tensor."""

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedBuffer:
        """Another one without a shape; one buffer is copied once."""
        if id(self) not in memo:
            copied = type(self)(self.requires_grad, self.device, self.dtype, self.persistent)
            memo[id(self)] = copied
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle as the arguments."""
        return type(self), (self.requires_grad, None, self.dtype, self.persistent)


def is_lazy(param: Any) -> bool:
    """Is it a parameter or buffer without a shape?"""
    return isinstance(param, _Uninitialized)


def _rebuild_parameter(cls: type, data: Any, requires_grad: bool) -> Any:
    return cls(data, requires_grad)


def _rebuild_buffer(cls: type, data: Any, persistent: bool) -> Any:
    return cls(data, persistent=persistent)
