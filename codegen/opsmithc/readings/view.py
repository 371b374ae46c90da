"""In: a view's primitives and an array. Out: what the view shows, by NumPy's own views.

Must not know: strides, C or adjoints; each primitive is the NumPy function that means the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from ..formula import (
    Attr,
    Binary,
    Call,
    Compare,
    IfExp,
    Logic,
    Name,
    Nil,
    Node,
    Num,
    Seq,
    Str,
    Unary,
)  # fmt: skip
from ..opdef import OpDef, View

Array = Any


def run(op: OpDef, env: Mapping[str, Any]) -> Array:
    """The view of the op's first argument."""
    assert isinstance(op.meaning, View)
    tensor = op.schema.params[0].name
    first = np.asarray(env[tensor])
    shown = first
    for step in op.meaning.steps:
        shown = _Step(env, tensor, first, shown).run(step)
    return shown


class _Step:
    """One step: integer arguments are read against the shape so far."""

    def __init__(self, env: Mapping[str, Any], tensor: str, first: Array, x: Array) -> None:
        self.env, self.tensor, self.first, self.x = env, tensor, first, x

    def run(self, node: Node) -> Array:
        match node:
            case IfExp(test=test, then=a, other=b):
                return self.run(a if self.value(test) else b)
            case Call(fn="require", args=(test, *rest)):
                if not self.value(test):
                    raise ValueError(next((s.value for s in rest if isinstance(s, Str)), "refused"))
                return self.x
            case Call(fn=fn, args=args, kwargs=kwargs):
                named = {k: self.value(v) for k, v in kwargs}
                return PRIMITIVES[fn](self.x, *(self.value(a) for a in args), **named)
        raise AssertionError(node)

    def value(self, node: Node) -> Any:
        match node:
            case Num(value=v) | Str(value=v):
                return v
            case Nil():
                return None
            case Name(id="ndim"):
                return self.x.ndim
            case Name(id=name):
                return self.env[name]
            case Attr(base=Name(id=name), name="ndim") if name == self.tensor:
                return self.first.ndim
            case Unary(op=op, arg=a):
                return -self.value(a) if op == "-" else not self.value(a)
            case Binary(op=op, left=a, right=b):
                return _BINARY[op](self.value(a), self.value(b))
            case Compare(op=op, left=a, right=b):
                return _COMPARE[op](self.value(a), self.value(b))
            case Logic(op=op, args=args):
                return (all if op == "and" else any)(self.value(a) for a in args)
            case IfExp(test=t, then=a, other=b) | Call(fn="where", args=(t, a, b)):
                return self.value(a) if self.value(t) else self.value(b)
            case Call(fn="size", args=(d,)):
                return self.x.shape[self.value(d)]
            case Call(fn="stride", args=(d,)):
                return self.x.strides[self.value(d)] // self.x.itemsize
            case Call(fn="min" | "max" | "len" as fn, args=args):
                return _INTEGERS[fn](*(self.value(a) for a in args))
            case Seq(items=items):
                return [self.value(i) for i in items]
        raise AssertionError(node)


_INTEGERS: Mapping[str, Callable[..., Any]] = {"min": min, "max": max, "len": len}
_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "//": lambda a, b: a // b, "%": lambda a, b: a % b,
}  # fmt: skip
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "is": lambda a, b: a is b, "is not": lambda a, b: a is not b,
}  # fmt: skip


def _ints(v: Any) -> tuple[int, ...]:
    return (v,) if isinstance(v, int) else tuple(v)


def _swap(x: Array, a: int, b: int) -> Array:
    return x if x.ndim == 0 else np.swapaxes(x, a, b)


def _unpermute(x: Array, dims: Sequence[int]) -> Array:
    return x.transpose(np.argsort([d % x.ndim for d in dims])) if x.ndim else x


def _insert(x: Array, dim: int, size: int = 1, stride: int | None = None) -> Array:
    wide = np.expand_dims(x, dim)
    if size == 1:
        return wide
    at = dim % wide.ndim
    return np.broadcast_to(wide, (*wide.shape[:at], size, *wide.shape[at + 1 :]))


def _squeeze(x: Array, dims: Any = None) -> Array:
    if x.ndim == 0:
        return x
    wanted = range(x.ndim) if dims is None else [d % x.ndim for d in _ints(dims)]
    return x.reshape([s for d, s in enumerate(x.shape) if not (d in wanted and s == 1)])


def _broadcast(x: Array, size: Sequence[int]) -> Array:
    lead = len(size) - x.ndim
    return np.broadcast_to(x, [x.shape[d - lead] if s == -1 else s for d, s in enumerate(size)])


def _slice(x: Array, dim: int, start: Any, end: Any, step: int = 1) -> Array:
    at = [slice(None)] * x.ndim
    at[dim] = slice(start, end, step)
    return x[tuple(at)]


def _narrow(x: Array, dim: int, start: int, length: int) -> Array:
    start += x.shape[dim] if start < 0 else 0
    return _slice(x, dim, start, start + length)


def _unfold(x: Array, dim: int, size: int, step: int) -> Array:
    if x.ndim == 0:
        return x.reshape(1)[:size]
    windows = sliding_window_view(x, size, axis=dim)
    return _slice(windows, dim % x.ndim, None, None, step)


def _restride(x: Array, size: Sequence[int], stride: Sequence[int], offset: Any = None) -> Array:
    flat = x.reshape(-1)  # a contiguous input: the view addresses its storage
    return as_strided(flat[offset or 0 :], size, [s * x.itemsize for s in stride], writeable=False)


def _merge(x: Array, first: int, last: int) -> Array:
    if x.ndim == 0:
        return x.reshape(1)
    a, b = first % x.ndim, last % x.ndim
    return x.reshape((*x.shape[:a], math.prod(x.shape[a : b + 1]), *x.shape[b + 1 :]))


def _split(x: Array, dim: int, sizes: Sequence[int]) -> Array:
    at = dim % x.ndim
    return x.reshape((*x.shape[:at], *sizes, *x.shape[at + 1 :]))


PRIMITIVES: Mapping[str, Callable[..., Array]] = {
    "same": lambda x: x,
    "swap": _swap,
    "reverse": lambda x: x.T,
    "permute": lambda x, dims: x.transpose(dims) if x.ndim else x,
    "unpermute": _unpermute,
    "move": lambda x, source, destination: np.moveaxis(x, _ints(source), _ints(destination)),
    "insert": _insert,
    "squeeze": _squeeze,
    "broadcast": _broadcast,
    "slice": _slice,
    "narrow": _narrow,
    "select": lambda x, dim, index: np.take(x, index, dim),
    "diagonal": lambda x, offset, dim0, dim1: np.diagonal(x, offset, dim0, dim1),
    "unfold": _unfold,
    "restride": _restride,
    "regroup": lambda x, shape: x.reshape(tuple(shape)),
    "reshape": lambda x, shape: x.reshape(tuple(shape)),
    "merge": _merge,
    "split": _split,
    "dense": lambda x: np.ascontiguousarray(x).reshape(x.shape),
}
