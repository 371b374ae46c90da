"""Attach the generated operations to Tensor: methods, operators, properties."""

from __future__ import annotations

from . import _functions as f
from ._boundary import lib
from ._core import Tensor, is_number, wrap
from ._dtypes import dtype
from ._generated import index
from ._loading import home, load, when_loaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

def _plain(fn: Any, name: str) -> Any:
    def operator(self: Tensor, other: Any) -> Any:
        if not (isinstance(other, Tensor) or is_number(other)):
            return NotImplemented
        return fn(self, other)

    operator.__name__ = name
    return operator


def _reflected(fn: Any, name: str) -> Any:
    def operator(self: Tensor, other: Any) -> Any:
        if not (isinstance(other, Tensor) or is_number(other)):
            return NotImplemented
        return fn(other, self)

    operator.__name__ = name
    return operator


class _Late:
    """Stands for an attribute of Tensor until its shard is loaded; reading it loads the shard."""

    __slots__ = ("name", "shard")

    def __init__(self, name: str, shard: str) -> None:
        self.name, self.shard = name, shard

    def __get__(self, instance: Tensor | None, owner: type[Tensor]) -> Any:
        load(self.shard)
        return getattr(owner if instance is None else instance, self.name)


class _LateProperty(_Late):
    """The same for a property, which refuses to be set."""

    __slots__ = ()

    def __set__(self, instance: Tensor, value: Any) -> None:
        load(self.shard)
        setattr(instance, self.name, value)


def _attach(shard: str, made: dict[str, Callable[[], Any]]) -> None:
    """Put placeholders on Tensor now, the attributes themselves once the shard is there."""
    late = {
        name: (_LateProperty if name in index.PROPERTIES else _Late)(name, shard) for name in made
    }

    def fill() -> None:
        for name, placeholder in late.items():
            if Tensor.__dict__[name] is placeholder:  # a module may have put its own form there
                setattr(Tensor, name, made[name]())

    for name, placeholder in late.items():
        setattr(Tensor, name, placeholder)
    when_loaded(shard, fill)


def _same(fn: Any) -> Any:
    return fn


def _inverting(fn: Any) -> Any:
    """The operator ~, to which floats are operands of the wrong type."""

    def invert(self: Tensor) -> Tensor:
        if self.dtype.is_floating_point:
            raise TypeError(f"~ is defined for integer and boolean tensors, not for {self.dtype}")
        return fn(self)

    return invert


def _operator(dunder: str, target: str, form: str, inplace: bool) -> dict[str, Callable[[], Any]]:
    """The special methods of an operator, each as a function that makes it."""
    plain, reflected, in_place = f"__{dunder}__", f"__r{dunder}__", f"__i{dunder}__"
    if form == "unary":
        made_unary = _inverting if dunder == "invert" else _same
        return {plain: lambda: made_unary(getattr(f, target))}
    own = form.startswith("own ")
    made: dict[str, Callable[[], Any]] = {
        plain: lambda: (own and vars(f).get(f"o_{dunder}")) or _plain(getattr(f, target), plain)
    }
    if not form.endswith("comparison"):
        made[reflected] = lambda: _reflected(getattr(f, target), reflected)
        if inplace:
            made[in_place] = lambda: _plain(getattr(f, f"{target}_"), in_place)
    return made


def install() -> None:
    """Fill the class from the generated index."""
    parts: dict[str, dict[str, Callable[[], Any]]] = {shard: {} for shard in index.SHARDS}
    for name, target, varargs in index.METHODS:
        function = f"m_{target}" if varargs else target
        parts[home(target)][name] = lambda function=function: getattr(f, function)
    for name in index.PROPERTIES:
        parts[home(name)][name] = lambda name=name: property(getattr(f, name))
    for dunder, target, form, inplace in index.OPERATORS:
        parts[home(target)].update(_operator(dunder, target, form, inplace))
    for shard, made in parts.items():
        _attach(shard, made)


install()


def _view(self: Tensor, *size: Any, **kwargs: Any) -> Tensor:
    """``view(2, 3)``: the same elements in another shape; ``view(dtype)``: the same bytes as another dtype."""  # noqa: E501
    if size and size[0].__class__ is dtype:
        return view_as_dtype(self, size[0])
    if "dtype" in kwargs:
        return view_as_dtype(self, kwargs["dtype"])
    return f.m_view(self, *size, **kwargs)


def view_as_dtype(t: Tensor, d: dtype) -> Tensor:
    """The same bytes read as another dtype, off the graph."""
    return wrap(lib.ops_bitcast(t._h, d.code))


Tensor.view = _view
