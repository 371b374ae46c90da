"""In: a formula tree, a table of functions, values of the names. Out: the formula's value.

Must not know: which numbers it computes with; ``mp.py`` and ``np.py`` are tables for this walk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy

from ..derive.gradient import OPERATORS
from ..errors import FormulaError
from ..formula import (
    Attr,
    Binary,
    Call,
    Compare,
    IfExp,
    Item,
    Logic,
    Name,
    Nil,
    Node,
    Num,
    Seq,
    Str,
    Unary,
)  # fmt: skip
from ..intrinsics import Intrinsic, table

Env: TypeAlias = Mapping[str, Any]
CallOp: TypeAlias = Callable[[str, tuple[Any, ...], dict[str, Any]], Any]


class NoReading(FormulaError):
    """The reading lacks a function or a name the formula uses."""


class Deferred(FormulaError):
    """The formula calls an op that is more than this reading can compute."""


@dataclass(frozen=True)
class Reading:
    """What a reading does with numbers, operators, intrinsics and reductions over a row."""

    name: str
    number: Callable[[Any], Any]
    binary: Mapping[str, Callable[[Any, Any], Any]]
    unary: Mapping[str, Callable[[Any], Any]]
    compare: Mapping[str, Callable[[Any, Any], Any]]
    logic: Mapping[str, Callable[[Any, Any], Any]]
    select: Callable[[Any, Any, Any], Any]  # where() of arrays
    rows: Mapping[str, Callable[[Any, Any, bool], Any]]  # (x, dims, keepdim)
    compile: Callable[[Intrinsic], Callable[..., Any] | None]
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def evaluate(self, node: Node, env: Env, call: CallOp | None = None) -> Any:
        """The value of ``node``; ``call`` runs registry ops that are no intrinsics."""
        return _WALK.get(type(node), _never)(self, node, env, call)

    def function(self, name: str, col: int) -> Callable[..., Any]:
        """The intrinsic ``name`` as a Python function."""
        if name not in self.functions:
            row = table().get(name)
            made = self.compile(row) if row is not None else None
            if made is None:
                raise NoReading(f"'{name}' has no {self.name} reading in intrinsics.yaml", col)
            self.functions[name] = made
        return self.functions[name]


def _name(r: Reading, n: Name, env: Env, call: CallOp | None) -> Any:
    try:
        return env[n.id]
    except KeyError:
        raise NoReading(f"'{n.id}' has no value", n.col) from None


def _binary(r: Reading, n: Binary, env: Env, call: CallOp | None) -> Any:
    left, right = r.evaluate(n.left, env, call), r.evaluate(n.right, env, call)
    if n.op in OPERATORS:
        return r.function(OPERATORS[n.op], n.col)(left, right)
    if n.op not in r.binary:
        raise Deferred(f"operator '{n.op}' is no element-wise operator", n.col)
    return r.binary[n.op](left, right)


def _compare(r: Reading, n: Compare, env: Env, call: CallOp | None) -> Any:
    left, right = r.evaluate(n.left, env, call), r.evaluate(n.right, env, call)
    match n.op:
        case "is":
            return left is right
        case "is not":
            return left is not right
        case "in":
            return left in right
        case "not in":
            return left not in right
    if isinstance(left, str) or isinstance(right, str) or left is None or right is None:
        return (left == right) is (n.op == "==")
    if isinstance(left, list) and isinstance(right, list):  # shapes
        return (left == right) is (n.op == "==")
    return r.compare[n.op](left, right)


def _logic(r: Reading, n: Logic, env: Env, call: CallOp | None) -> Any:
    value = r.evaluate(n.args[0], env, call)
    for arg in n.args[1:]:
        if value is True or value is False:  # a known left side decides whether to go on
            if value is (n.op == "or"):
                return value
            value = r.evaluate(arg, env, call)
        else:
            value = r.logic[n.op](value, r.evaluate(arg, env, call))
    return value


def _call(r: Reading, n: Call, env: Env, call: CallOp | None) -> Any:
    if n.fn == "where" and len(n.args) == 3:
        test = r.evaluate(n.args[0], env, call)
        if test is True or test is False:
            return r.evaluate(n.args[1] if test else n.args[2], env, call)
        return r.select(test, r.evaluate(n.args[1], env, call), r.evaluate(n.args[2], env, call))
    if f"{n.fn}()" in env:  # a random draw: the same at every evaluation
        return env[f"{n.fn}()"]
    args = tuple(r.evaluate(a, env, call) for a in n.args)
    kwargs = {k: r.evaluate(v, env, call) for k, v in n.kwargs}
    if n.fn == "count" and "n" in env:
        return env["n"]
    if n.fn in _PLACES and not kwargs:
        return _PLACES[n.fn](*args)
    if n.fn in r.rows and not (n.fn in table() and not kwargs and len(args) == 1):
        full = dict(zip(("input", "dim", "keepdim"), args, strict=False)) | kwargs
        return r.rows[n.fn](
            full.pop("input"), full.pop("dim", None), bool(full.pop("keepdim", False))
        )
    row = table().get(n.fn)
    if row is not None and not kwargs and len(args) == len(row.args):
        return r.function(n.fn, n.col)(*args)
    if call is None:
        raise NoReading(f"'{n.fn}' has no {r.name} reading", n.col)
    return call(n.fn, args, kwargs)


def _positions(x: Any, dim: Any) -> Any:
    """0, 1, 2, .. along ``dim``."""
    shape = [1] * max(x.ndim, 1)
    shape[int(dim)] = -1
    return numpy.arange(x.shape[int(dim)] if x.ndim else 1).reshape(shape)


def _along(x: Any, like: Any, dim: Any) -> Any:
    """A vector laid along ``dim`` of ``like``."""
    shape = [1] * max(like.ndim, 1)
    shape[int(dim)] = -1
    return x.reshape(shape)


_PLACES: Mapping[str, Callable[..., Any]] = {"positions": _positions, "along": _along}


def _item(r: Reading, n: Item, env: Env, call: CallOp | None) -> Any:
    base = r.evaluate(n.base, env, call)
    index = tuple(int(r.evaluate(i, env, call)) for i in n.index)
    return base[index[0] if len(index) == 1 else index]


def _attr(r: Reading, n: Attr, env: Env, call: CallOp | None) -> Any:
    base = r.evaluate(n.base, env, call)
    if n.name == "ndim":
        return getattr(base, "ndim", 0)
    if n.name == "shape":
        return list(getattr(base, "shape", ()))
    if call is not None:
        return call(n.name, (base,), {})  # a property: x.mT
    raise Deferred(f"'.{n.name}' is no element-wise value", n.col)


def _never(r: Reading, n: Any, env: Env, call: CallOp | None) -> Any:
    raise Deferred(f"{type(n).__name__} is no element-wise formula", getattr(n, "col", 0))


_WALK: dict[type, Callable[[Reading, Any, Env, CallOp | None], Any]] = {
    Num: lambda r, n, env, call: r.number(n.value),
    Str: lambda r, n, env, call: n.value,
    Nil: lambda r, n, env, call: None,
    Name: _name,
    Unary: lambda r, n, env, call: r.unary[n.op](r.evaluate(n.arg, env, call)),
    Binary: _binary,
    Compare: _compare,
    Logic: _logic,
    Call: _call,
    Item: _item,
    Attr: _attr,
    IfExp: lambda r, n, env, call: r.evaluate(
        n.then if r.evaluate(n.test, env, call) else n.other, env, call
    ),
    Seq: lambda r, n, env, call: [r.evaluate(i, env, call) for i in n.items],
}
