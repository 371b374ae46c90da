"""Functions that PyTorch overloads by the number or class of arguments, over the registry's ops.

The registry has one schema an op; here the other call forms are told apart.
"""

from __future__ import annotations

from . import _functions as f
from ._core import Tensor, need_tensor, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """``input`` where condition is true, else ``other``; of the condition alone, its positions."""
    if input is None and other is None:
        return f.nonzero(condition, as_tuple=True)
    return (
        f.where(condition, input, other)
        if out is None
        else f.where(condition, input, other, out=out)
    )


def equal(input: Tensor, other: Tensor) -> bool:
    """Same shape and the same values?"""
    need_tensor("equal", input=input, other=other)
    from .compose import selection

    return selection.equal(input, other)


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Are all elements close: ``abs(input - other) <= atol + rtol * abs(other)``?"""
    need_tensor("allclose", input=input, other=other)
    from .compose import selection

    return selection.allclose(input, other, rtol, atol, equal_nan)


def is_nonzero(input: Tensor) -> bool:
    """Is the only element not zero?"""
    need_tensor("is_nonzero", input=input)
    from .compose import selection

    return selection.is_nonzero(input)


def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """``self`` where condition is true, else ``other``."""
    return f.where(condition, self, other)


def _moment(op: Any, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """An op by correction, called in that form or in the older one by ``unbiased``."""
    need_tensor(op.__name__, input=input)
    if args and args[0].__class__ is bool:  # (input, unbiased)
        args, kwargs = args[1:], {**kwargs, "unbiased": args[0]}
    if len(args) > 1:  # (input, dim, unbiased, keepdim)
        kwargs = {**kwargs, **dict(zip(("unbiased", "keepdim"), args[1:], strict=False))}
        args = args[:1]
    if "unbiased" in kwargs:
        unbiased = kwargs.pop("unbiased")
        if unbiased is not None:
            kwargs["correction"] = int(unbiased)
    return op(input, *args, **kwargs)


def var(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Variance over ``dim`` (all of them if None), divided by n - ``correction``.

    Forms: ``var(input, dim=None, *, correction=1, keepdim=False)``, ``var(input, unbiased)``,
    ``var(input, dim, unbiased, keepdim)``.
    """
    return _moment(f.var, input, *args, **kwargs)


def std(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Square root of the variance; takes what ``var`` takes."""
    return _moment(f.std, input, *args, **kwargs)


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    out: Any = None,
) -> Tensor:
    """Writes ``src`` (a tensor or a number) at positions along dim, or combines it there."""
    if out is not None:
        found = scatter(input, dim, index, src, value=value, reduce=reduce)
        return write_out(out, found, "scatter")
    given = value if src is None else src
    if reduce is not None:
        if reduce == "add":
            return f.scatter_add(input, dim, index, _spread(given, input, index))
        if reduce == "multiply":
            there = f.gather(input, dim, index)
            return f.scatter(input, dim, index, there * given)
        raise RuntimeError("reduce argument must be either add or multiply.")
    if isinstance(given, Tensor):
        return f.scatter(input, dim, index, given)
    return f.scatter_value(input, dim, index, given)


def scatter_(
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """In-place ``scatter``."""
    return self.copy_(scatter(self, dim, index, src, value=value, reduce=reduce))


def _spread(v: Any, input: Tensor, index: Tensor) -> Tensor:
    if isinstance(v, Tensor):
        return v
    from ._create import full

    return full(tuple(index.shape), v, dtype=input.dtype, device=input.device)


Tensor.where = _where_method  # type: ignore[attr-defined]
Tensor.var, Tensor.std = var, std  # type: ignore[attr-defined]
Tensor.equal, Tensor.allclose = equal, allclose  # type: ignore[attr-defined]
Tensor.is_nonzero = is_nonzero  # type: ignore[attr-defined]
Tensor.scatter, Tensor.scatter_ = scatter, scatter_  # type: ignore[attr-defined]

__all__ = ["allclose", "equal", "is_nonzero", "scatter", "std", "var", "where"]
