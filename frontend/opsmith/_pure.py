"""The Tensor class in Python alone: what the C type does, for interpreters and tools without it.

Chosen by OPSMITH_PURE_TENSOR=1; the test suite runs with both.
"""

from __future__ import annotations

from ._boundary import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_drop = lib.ops_drop
_new = object.__new__
_shape_maker: Any = None


class Tensor:
    """A strided n-dimensional array that records what is done to it; see ``opsmith.tensor``."""

    __slots__ = ("__dict__", "__weakref__", "_h", "_node", "_shape", "_view")

    def __del__(self, drop=_drop):
        try:
            drop(self._h)
        except AttributeError:  # construction failed before there was a handle
            pass

    @property
    def shape(self) -> Any:
        """The size of each dimension."""
        s = self._shape
        if s is None:
            s = self._shape = _shape_maker(self)
        return s


def make(h: float, node: Any) -> Tensor:
    """A tensor that owns the handle."""
    t = _new(Tensor)
    t._h = h
    t._node = node
    t._shape = t._view = None
    return t


def make_view(h: float, node: Any, view: Any) -> Tensor:
    """The same for a view."""
    t = _new(Tensor)
    t._h = h
    t._node = node
    t._shape = None
    t._view = view
    return t


def set_shape_maker(fn: Callable[[Any], Any]) -> None:
    """How a shape that is not cached is made."""
    global _shape_maker
    _shape_maker = fn
