"""Methods of Tensor that make tensors of the same dtype, on the same device."""

from __future__ import annotations

from . import _create, _legacy
from ._core import Tensor
from ._tensor import _method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _like(t: Tensor, options: dict[str, Any]) -> dict[str, Any]:
    """Options of a creation function: dtype and device are the tensor's own unless given."""
    if options.get("dtype") is None:
        options["dtype"] = t.dtype
    if options.get("device") is None:
        options["device"] = t.device
    return options


@_method
def new_empty(self: Tensor, *size: Any, **options: Any) -> Tensor:
    """Like ``empty``, with this tensor's dtype and device."""
    return _create.empty(*_sizes(size, options), **_like(self, options))


@_method
def new_zeros(self: Tensor, *size: Any, **options: Any) -> Tensor:
    """Like ``zeros``, with this tensor's dtype and device."""
    return _create.zeros(*_sizes(size, options), **_like(self, options))


@_method
def new_ones(self: Tensor, *size: Any, **options: Any) -> Tensor:
    """Like ``ones``, with this tensor's dtype and device."""
    return _create.ones(*_sizes(size, options), **_like(self, options))


def _sizes(size: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    return size if size or "size" not in options else (options.pop("size"),)


@_method
def new_full(self: Tensor, size: Any, fill_value: Any, **options: Any) -> Tensor:
    """Like ``full``, with this tensor's dtype and device."""
    return _create.full(size, fill_value, **_like(self, options))


@_method
def new_empty_strided(self: Tensor, size: Any, stride: Any, **options: Any) -> Tensor:
    """Like ``empty_strided``, with this tensor's dtype and device."""
    return _create.empty_strided(size, stride, **_like(self, options))


@_method
def new_tensor(self: Tensor, data: Any, **options: Any) -> Tensor:
    """Like ``tensor``, with this tensor's dtype and device."""
    return _create.tensor(data, **_like(self, options))


@_method
def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """What this tensor's class would make of the arguments."""
    return _legacy.build(self.dtype, args, self.device if device is None else device)
