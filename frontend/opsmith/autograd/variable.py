"""`Variable`: the name of tensors that require grad before all could; now any tensor is one."""

from __future__ import annotations

from typing import Any

from .._core import Tensor


class _Kind(type):
    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)


class Variable(metaclass=_Kind):
    """``Variable(data, requires_grad=False)`` gives a tensor over the same memory."""

    def __new__(
        cls, data: Any, requires_grad: bool = False, volatile: bool = False
    ) -> Any:
        """Volatile is what ``no_grad`` is now."""
        t = data.detach() if isinstance(data, Tensor) else Tensor(data)
        return t.requires_grad_(requires_grad and not volatile)


__all__ = ["Variable"]
