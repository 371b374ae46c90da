"""In: a loop program and arrays. Out: what it means, computed element by element.

Must not know: targets. The slowest and plainest reading of index notation; the C text and the
derived adjoints are compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import formula as fm
from ..derive.index import OUT, SIZE, Axis, Program
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
    Unary,
)  # fmt: skip

Array = np.ndarray[Any, Any]
NONE = -(2**63)  # None for an int, as it crosses the C boundary

_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b, "//": lambda a, b: a // b if b else 0, "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}  # fmt: skip
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip
_CALLS: Mapping[str, Callable[..., Any]] = {
    "min": min, "max": max, "minimum": min, "maximum": max, "abs": abs, "int": int, "exp": math.exp,
    "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh, "sign": np.sign, "floor": math.floor,
    "ceil": math.ceil,
}  # fmt: skip


Functions = Callable[[str], Callable[..., Any]]


def function(name: str) -> Callable[..., Any]:
    """A function of doubles and integers, by its name in formulas."""
    return _CALLS[name]


def run(
    program: Program, tensors: Mapping[str, Array | None], params: Mapping[str, Any],
    functions: Functions = function,
) -> tuple[Array, ...]:  # fmt: skip
    """Values of the op (and flat positions, where the op has a second output)."""
    return _Run(program, tensors, params, functions).outputs()


def slope(
    program: Program, tensors: Mapping[str, Array | None], params: Mapping[str, Any], g: Array,
    name: str, direction: Array, h: float = 1e-6,
) -> float:  # fmt: skip
    """Central difference of ``sum(g * out)`` as the tensor ``name`` moves along ``direction``."""
    sides = []
    for step in (h, -h):
        base = tensors[name]
        assert base is not None
        moved = {**tensors, name: base + step * direction}
        sides.append(float((run(program, moved, params)[0] * g).sum()))
    return (sides[0] - sides[1]) / (2 * h)


class _Run:
    def __init__(
        self, program: Program, tensors: Mapping[str, Array | None], params: Mapping[str, Any],
        functions: Functions,
    ) -> None:  # fmt: skip
        self.program, self.arrays, self.functions = program, dict(tensors), functions
        self.env: dict[str, Any] = {k: NONE if v is None else v for k, v in params.items()}
        self.flat: dict[str, Array] = {}
        self.groups: dict[str, tuple[int, ...]] = {}
        for name, axes in program.dims.items():
            if name == SIZE:
                self.bind(axes, tuple(params[SIZE]))
            elif name != OUT and self.arrays.get(name) is not None:
                array = self.arrays[name]
                assert array is not None
                self.flat[name] = array.reshape(self.bind(axes, array.shape))

    def bind(self, axes: tuple[Axis, ...], shape: Sequence[int]) -> tuple[int, ...]:
        """Give the size names of one shape their values; returns the shape the loops see."""
        sizes = []
        for axis, part in zip(axes, split(axes, tuple(shape), self.env.get("dim", 0)), strict=True):
            size = math.prod(part)
            sizes.append(size)
            if axis.name and not axis.at_least:
                known = self.env.setdefault(axis.name, size)
                self.groups.setdefault(axis.name, part)
                if known != size:
                    raise ValueError(f"{self.program.op.name}: {axis.name} is {known} and {size}")
        return tuple(sizes)

    def output_shape(self) -> tuple[int, ...]:
        if SIZE in self.program.dims:
            return tuple(self.env[SIZE])
        if self.program.start:
            start = self.arrays[self.program.start]
            assert start is not None
            return tuple(start.shape)
        shape: list[int] = []
        for axis in self.program.dims[OUT]:
            shape += self.groups.get(axis.name, (self.value(axis.size, {}),))
        return tuple(shape)

    def outputs(self) -> tuple[Array, ...]:
        p = self.program
        shape = self.output_shape()
        parts = split(p.dims[OUT], shape, self.env.get("dim", 0))
        flat = tuple(math.prod(part) for part in parts)
        exact = any(a is not None and a.dtype == object for a in self.arrays.values())
        out = np.zeros(flat, object if exact else float)
        if p.start:
            start = self.arrays[p.start]
            assert start is not None
            out = start.reshape(flat).copy()
        indices = np.zeros(flat, np.int64)
        with np.errstate(all="ignore"):
            for loops in self.nest(p.outer, {}):
                value, at = self.fold(loops)
                where = tuple(self.value(i, at) for i in p.target)
                if not all(0 <= q < n for q, n in zip(where, flat, strict=True)):
                    continue
                if p.scatter and not p.replace and p.picked is None:
                    out[where] += value
                elif p.picked is not None and p.scatter:
                    out[where] += value
                else:
                    out[where] = value
                if p.indices:
                    indices[where] = self.position(at)
        result = (out.reshape(shape),)
        return (*result, indices.reshape(shape)) if p.indices else result

    def nest(self, loops: Sequence[Any], at: dict[str, int]) -> Iterator[dict[str, int]]:
        if not loops:
            yield at
            return
        for k in range(self.value(loops[0].extent, at)):
            yield from self.nest(loops[1:], {**at, loops[0].var: k})

    def fold(self, at: dict[str, int]) -> tuple[Any, dict[str, int]]:
        p = self.program
        if p.fold == "":
            return self.value(p.finish, {**at, "acc": self.value(p.term, at)}), at
        if p.fold in ("sum", "prod"):
            terms = [self.value(p.term, inner) for inner in self.nest(p.inner, at)]
            acc = sum(terms) if p.fold == "sum" else math.prod(terms)
            return self.value(p.finish, {**at, "acc": acc}), at
        best: Any = None
        found = at
        for inner in self.nest(p.inner, at):
            if not self.inside(inner):
                continue
            v = self.value(p.term, inner)
            larger = best is None or (v > best if p.fold.endswith("max") else v < best)
            if larger or v != v:
                best, found = v, inner
        if p.picked is not None:
            return self.value(p.picked, found), found
        return self.value(p.finish, {**at, "acc": best}), found

    def inside(self, at: Mapping[str, Any]) -> bool:
        reads = [r for r in self.program.reads if r.name in fm.names(self.program.term)]
        return all(
            0 <= self.value(i, at) < n
            for r in reads for i, n in zip(r.index, self.flat[r.tensor].shape, strict=True)
        )  # fmt: skip

    def position(self, at: Mapping[str, Any]) -> int:
        """Flat position of the selected element over the axes that the fold walks."""
        read = self.program.reads[0]
        folded = {v.var for v in self.program.inner}
        flat = 0
        for i, n in zip(read.index, self.flat[read.tensor].shape, strict=True):
            if set(fm.names(i)) & folded:
                flat = flat * n + self.value(i, at)
        return flat

    def element(self, tensor: str, index: Sequence[Node], at: Mapping[str, Any]) -> Any:
        array = self.flat[tensor]
        where = tuple(self.value(i, at) for i in index)
        if all(0 <= q < n for q, n in zip(where, array.shape, strict=True)):
            return array[where]
        outside = self.program.op.outside.get(tensor)
        if outside is None:
            raise IndexError(f"{self.program.op.name}: {tensor}[{where}] of {array.shape}")
        return self.value(outside.node, at)

    def value(self, node: Node, at: Mapping[str, Any]) -> Any:
        def v(n: Node) -> Any:
            return self.value(n, at)

        match node:
            case Num(value=x):
                return x
            case Nil():
                return None
            case Name(id=name):
                return self.name(name, at)
            case Item(base=Name(id=t), index=index) if t in self.flat:
                return self.element(t, index, at)
            case Item(base=base, index=(i,)):
                return v(base)[v(i)]
            case Attr(base=Name(id=t), name="shape"):
                return self.arrays[t].shape  # type: ignore[union-attr]
            case Attr(base=Name(id=t), name="ndim"):
                return self.arrays[t].ndim  # type: ignore[union-attr]
            case Unary(op=op, arg=a):
                return -v(a) if op == "-" else not v(a)
            case Binary(op=op, left=a, right=b):
                return _BINARY[op](v(a), v(b))
            case Compare(op="is" | "is not" as op, left=Name(id=t), right=Nil()):
                absent = self.arrays[t] is None if t in self.arrays else self.env[t] == NONE
                return absent == (op == "is")
            case Compare(op=op, left=a, right=b):
                return _COMPARE[op](v(a), v(b))
            case Logic(op=op, args=args):
                return (all if op == "and" else any)(v(a) for a in args)
            case IfExp(test=c, then=a, other=b) | Call(fn="where", args=(c, a, b)):
                return v(a) if v(c) else v(b)
            case Call(fn=fn, args=args):
                return self.functions(fn)(*(v(a) for a in args))
        raise AssertionError(node)

    def name(self, name: str, at: Mapping[str, Any]) -> Any:
        if name in at:
            return at[name]
        read = self.program.read(name)
        if read is not None:
            return self.element(read.tensor, read.index, at)
        if name in self.env:
            return self.env[name]
        return self.value(self.program.let.get(name, self.program.sizes.get(name, Nil())), at)


def split(axes: tuple[Axis, ...], shape: tuple[int, ...], dim: int) -> list[tuple[int, ...]]:
    """The dims of ``shape`` that each axis stands for."""
    n, rest = len(shape), len(axes) - 1
    if sum(a.group for a in axes) == 2:
        at = dim % max(n, 1)
        return [shape[:at], shape[at : at + 1], shape[at + 1 :]]
    if axes and (axes[0].group or axes[0].optional):
        return [shape[: n - rest], *((s,) for s in shape[n - rest :])]
    return [(s,) for s in shape]


__all__ = ["run", "slope", "split"]
