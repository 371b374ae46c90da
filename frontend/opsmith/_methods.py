"""Attach the generated operations to Tensor: methods, operators, properties."""

from __future__ import annotations

from . import _functions as f
from ._boundary import lib
from ._core import Tensor, is_number, wrap
from ._dtypes import dtype
from ._generated import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DUNDERS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow",
    "&": "and", "|": "or", "^": "xor", "<<": "lshift", ">>": "rshift", "==": "eq", "!=": "ne",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "@": "matmul",
}  # fmt: skip
UNARY = {"neg": "neg", "invert": "invert", "abs": "abs", "pos": "pos"}
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


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


def install() -> None:
    """Fill the class from the generated index."""
    for name, target, varargs in index.METHODS:
        fn = getattr(f, f"m_{target}" if varargs else target, None)
        if fn is not None:
            setattr(Tensor, name, fn)
    for name in index.PROPERTIES:
        setattr(Tensor, name, property(getattr(f, name)))
    for word, target, binary, inplace in index.OPERATORS:
        fn = getattr(f, target)
        if word in UNARY:
            setattr(Tensor, f"__{UNARY[word]}__", fn)
            continue
        dunder = DUNDERS[word]
        direct = getattr(f, f"o_{dunder}", None) if binary else None
        setattr(Tensor, f"__{dunder}__", direct or _plain(fn, f"__{dunder}__"))
        if dunder not in COMPARISONS:
            setattr(Tensor, f"__r{dunder}__", _reflected(fn, f"__r{dunder}__"))
            if inplace:
                setattr(
                    Tensor, f"__i{dunder}__", _plain(getattr(f, f"{target}_"), f"__i{dunder}__")
                )


install()
_view_shape = Tensor.view


def _view(self: Tensor, *size: Any, **kwargs: Any) -> Tensor:
    """``view(2, 3)``: the same elements in another shape; ``view(dtype)``: the same bytes as another dtype."""  # noqa: E501
    if size and size[0].__class__ is dtype:
        return view_as_dtype(self, size[0])
    if "dtype" in kwargs:
        return view_as_dtype(self, kwargs["dtype"])
    return _view_shape(self, *size, **kwargs)


def view_as_dtype(t: Tensor, d: dtype) -> Tensor:
    """The same bytes read as another dtype, off the graph."""
    return wrap(lib.ops_bitcast(t._h, d.code))


Tensor.view = _view
