"""Methods of Tensor about its memory, and functions of Python applied to every element."""

from __future__ import annotations

from . import _geometry
from ._boundary import lib
from ._core import Tensor
from ._tensor import _method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor.resize_ = _geometry.resize_  # type: ignore[attr-defined]
Tensor.resize_as_ = _geometry.resize_as_  # type: ignore[attr-defined]
Tensor.set_ = _geometry.set_  # type: ignore[attr-defined]


@_method
def untyped_storage(self: Tensor) -> Any:
    """The memory under the tensor, as bytes."""
    from .storage import UntypedStorage

    return UntypedStorage(self)


@_method
def storage(self: Tensor) -> Any:
    """The memory under the tensor, as a vector of its dtype."""
    from .storage import TypedStorage

    return TypedStorage(self)


@_method
def storage_type(self: Tensor) -> type:
    """The class of ``storage()``."""
    from . import storage

    return getattr(storage, f"{self.dtype.scalar}Storage")  # type: ignore[no-any-return]


@_method
def const_data_ptr(self: Tensor) -> int:
    """Address of the first element, for reading."""
    return lib.ops_data_pointer(self._h)


@_method
def dim_order(self: Tensor, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dims from the largest step to the smallest."""
    steps = self.stride()
    return tuple(sorted(range(self.ndim), key=lambda d: -steps[d]))


@_method
def is_same_size(self: Tensor, other: Tensor) -> bool:
    """Have both the same shape?"""
    return self.shape == other.shape


@_method
def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Memory is pageable."""
    return False


@_method
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """The tensor itself: copies to a GPU go through a buffer of the driver's."""
    return self


@_method
def is_distributed(self: Tensor) -> bool:
    """No tensor is spread over processes."""
    return False


Tensor.is_mtia = Tensor.is_xla = False  # type: ignore[attr-defined]


@_method
def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool = True) -> Tensor:
    """The tensor itself: every tensor is dense."""
    return self if dtype is None else self.to(dtype)


@_method
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Overwrite every element with ``callable(element)``, one after the other."""
    return _each(self, callable)


@_method
def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Overwrite every element with ``callable(element, element of tensor)``."""
    return _each(self, callable, tensor)


@_method
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Overwrite every element with ``callable(element, element of x, element of y)``."""
    return _each(self, callable, x, y)


def _each(t: Tensor, fn: Callable[..., Any], *others: Tensor) -> Tensor:
    if t.requires_grad:
        raise RuntimeError(f"Can't call {fn} on a Variable that requires grad. Use detach() first.")
    if not callable(fn):
        raise TypeError(f"a callable is expected, not {type(fn).__name__}")
    for o in others:
        if o.dtype is not t.dtype:
            raise TypeError(f"expected a tensor of {t.dtype}, got one of {o.dtype}")
    operands = [t, *(o.expand(t.shape) for o in others)]
    values = [fn(*v) for v in zip(*(o.flatten().tolist() for o in operands), strict=True)]
    return t.copy_(t.new_tensor(values).reshape(t.shape))
