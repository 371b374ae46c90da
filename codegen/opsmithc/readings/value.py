"""In: an op and NumPy arguments. Out: the op's outputs as its meaning says, in float64 or int64.

Must not know: targets, kernels or how fast forms compute. Every meaning has one plain reading here:
formulas by ``np.py``, a fold for reductions and scans, ``view.py``, ``index.py``, bodies by running
the ops they call, and the functions of ``reference.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..derive.op import meaning_formula
from ..derive.rows import FULL, SINGLE, Rows, layout, recognise
from ..dtypes import DType
from ..formula import Node, calls
from ..intrinsics import table
from ..opdef import (
    Accumulate,
    Body,
    Compose,
    Index,
    OpDef,
    Out,
    Reduce,
    Reference,
    Scan,
    View,
    by_name,
)  # fmt: skip
from ..reader import literal
from . import combine, index, linear, matrices, order, reference, shapes, view
from .np import evaluate_np

Array = Any
Evaluate = Callable[..., Any]
MEANINGS = (reference, shapes, order, combine, matrices, linear)  # functions by registry names


class NoValue(Exception):
    """The op's meaning has no NumPy reading, or none for these arguments."""


class Values:
    """Runs ops by their meaning; derived classes compute with other numbers."""

    evaluate = staticmethod(evaluate_np)  # the value of a formula on arrays

    function: index.Functions = staticmethod(index.function)  # of a name, on single numbers

    @staticmethod
    def floats(array: Any) -> Array:
        """An array as the numbers that are computed with."""
        return array.astype(np.float64)

    def __init__(self, ops: Iterable[OpDef]) -> None:
        """Know every op by name and alias."""
        self.ops: Mapping[str, OpDef] = by_name(ops)
        self.rows: dict[str, Node | None] = {}  # of bodies over rows: what names the dims

    def __call__(self, fn: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call an op by name, as bodies do."""
        if fn == "len":
            return len(args[0])
        if fn not in self.ops:
            raise NoValue(f"'{fn}' has no NumPy reading")
        op = self.ops[fn]
        names = [p.name for p in op.schema.params]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        found = self.outputs(op, given)
        return found[0] if len(found) == 1 else found

    def outputs(self, op: OpDef, given: Mapping[str, Any]) -> tuple[Array, ...]:
        """The outputs for arguments by name; missing ones take their defaults.

        Raises:
            NoValue: where the meaning has no reading.
        """
        env: dict[str, Any] = _bind(op, given)
        kind = common_kind(op, env)
        for p in op.schema.params:
            if p.type.base == "Tensor":
                env[p.name] = self._operand(op, p.name, env[p.name], kind)
        with np.errstate(all="ignore"):
            return tuple(self._outputs(op, env, kind))

    def _outputs(self, op: OpDef, env: dict[str, Any], kind: str) -> Sequence[Array]:
        match op.meaning:
            case Out():
                return self._pointwise(op, env, kind)
            case Reduce(acc=acc):
                return _reduce(op, acc, env, self.evaluate)
            case Scan(acc=acc):
                return _scan(op, acc, env, self.evaluate)
            case View():
                return [view.run(op, env)]
            case Index():
                found = self._index(op, env)
                return [a.astype(np.int64) for a in found] if kind == "int" else found
            case Body():
                return self._body(op, env)
            case Compose(function=name) | Reference(function=name):
                short = name.rpartition(".")[2]
                fn = next((f for m in MEANINGS if (f := getattr(m, short, None))), None)
                if fn is None:
                    raise NoValue(f"no module of readings/ has '{name}'")
                found = fn(**env)
                return found if isinstance(found, tuple | list) else [found]

    def _operand(self, op: OpDef, name: str, value: Any, kind: str) -> Any:
        """A tensor argument as the formula reads it."""
        if value is None:
            return None
        if isinstance(value, list | tuple):
            return [self._operand(op, name, v, kind) for v in value]
        array = np.asarray(value)
        own = op.dtype.classes.get(name)
        if own == "bool":
            return array != 0
        if own == "integral" or name not in op.dtype.args and array.dtype.kind not in "fO":
            return array.astype(np.int64) if array.dtype.kind != "b" else array
        if kind == "bool":
            stated = isinstance(op.meaning, Out) and any(
                "bool" in f for f in op.meaning.outputs.values()
            )
            return (
                array
                if stated or not isinstance(op.meaning, Out | Reduce | Scan)
                else array.astype(np.int64)
            )
        return self.floats(array) if kind == "float" else array.astype(np.int64)

    def _pointwise(self, op: OpDef, env: dict[str, Any], kind: str) -> Sequence[Array]:
        found = []
        for p in op.schema.params:  # a kernel of integers reads numbers as integers
            if kind == "int" and isinstance(env[p.name], float) and np.isfinite(env[p.name]):
                env[p.name] = int(env[p.name])
        shapes = [np.shape(env[p.name]) for p in op.schema.tensors if env[p.name] is not None]
        for output in op.schema.outputs:
            node = meaning_formula(op, output, kind)
            if node is None:
                raise NoValue(f"no formula for {kind}")
            if any(fn in table() and table()[fn].random for fn in calls(node)):
                raise NoValue("random")
            value = self.evaluate(node, env, self)
            found.append(np.broadcast_to(value, np.broadcast_shapes(*shapes, np.shape(value))))
        return found

    def _index(self, op: OpDef, env: Mapping[str, Any]) -> Sequence[Array]:
        from ..derive.index import analyse

        tensors = {p.name: env[p.name] for p in op.schema.tensors}
        params = {k: v for k, v in env.items() if k not in tensors}
        return index.run(analyse(op), tensors, params, self.function)

    def _body(self, op: OpDef, env: dict[str, Any]) -> Sequence[Array]:
        assert isinstance(op.meaning, Body)
        self._share_rows(op, env)
        for name, f in op.let.items():
            env[name] = self.evaluate(f.node, env, self)
        for when, block, _ in op.meaning.cases:
            if when is not None and not self.evaluate(when.node, env, self):
                continue
            for name, node in block.lets:
                env[name] = self.evaluate(node, env, self)
            found = self.evaluate(block.result, env, self)
            return found if isinstance(found, tuple | list) else [found]
        raise NoValue("no case applies")

    def _share_rows(self, op: OpDef, env: dict[str, Any]) -> None:
        """A body over rows means the rows that all its operands make together."""
        if op.name not in self.rows:
            lowered = recognise(op, self.ops).meaning
            self.rows[op.name] = lowered.dim if isinstance(lowered, Rows) else None
        dim = self.rows[op.name]
        named = [p.name for p in op.schema.tensors if env[p.name] is not None]
        full = [n for n in named if layout(op, n) == FULL]
        single = [n for n in named if layout(op, n) == SINGLE]
        if dim is None or not full:
            return
        for n in single:
            if np.ndim(env[n]) != np.ndim(env[full[0]]):
                raise NoValue(f"'{n}' has one element a row: as many dims as the others")
        shape = np.broadcast_shapes(*(np.shape(env[n]) for n in (*full, *single)))
        axes = np.ravel(self.evaluate(dim, env, self)).tolist()
        rows = list(shape)
        for axis in axes if shape else ():
            rows[axis] = 1
        env.update((n, np.broadcast_to(env[n], shape)) for n in full)
        env.update((n, np.broadcast_to(env[n], rows)) for n in single)


def _bind(op: OpDef, given: Mapping[str, Any]) -> dict[str, Any]:
    params = {p.name: p for p in op.schema.params}
    unknown = [k for k in given if k not in params]
    if unknown:
        raise TypeError(f"{op.name}() has no parameter '{unknown[0]}'")
    env: dict[str, Any] = {}
    for name, p in params.items():
        value = given.get(name, literal(p.default) if p.default is not None else None)
        if name not in given and isinstance(value, str) and value in params:
            value = env[value]  # int[2] stride=kernel_size
        if p.type.base == "int" and p.type.is_list and isinstance(value, int) and p.type.length:
            value = [value] * p.type.length
        env[name] = value
    return env


def common_kind(op: OpDef, env: Mapping[str, Any]) -> str:
    """The class of dtype the formula is read for: the highest among the promoted arguments."""
    wanted = env.get("dtype")
    if isinstance(wanted, DType):
        return wanted.kind
    if op.dtype.kind == "int_to_float":
        return "float"
    kinds = {_kind(a) for n in op.dtype.args for a in _each(env.get(n))}
    if op.dtype.kind == "bool_to_long":
        kinds = {"int" if k == "bool" else k for k in kinds}
    return next((k for k in ("float", "int", "bool") if k in kinds), "float")


def _each(value: Any) -> Sequence[Any]:
    return [] if value is None else value if isinstance(value, list | tuple) else [value]


def _kind(array: Any) -> str:
    return {"f": "float", "O": "float", "b": "bool"}.get(np.asarray(array).dtype.kind, "int")


# Folds -------------------------------------------------------------------------------------------


def _fold_input(op: OpDef, env: Mapping[str, Any]) -> tuple[str, Array]:
    name = op.schema.tensors[0].name
    return name, np.asarray(env[name])


def _steps(
    acc: Accumulate, env: Mapping[str, Any], name: str, rows: Array, evaluate: Evaluate
) -> Any:
    """States after each row of ``rows``, folded by combine; the first are the identities."""
    shape = rows.shape[1:]
    n = rows.shape[0]
    states = [np.broadcast_to(evaluate(f.node, env), shape) for f in acc.identity]
    yield states
    for i in range(n):
        at = {**env, name: rows[i], "i": i, "n": n}
        right = [np.broadcast_to(evaluate(f.node, at), shape) for f in acc.map]
        both = {**env, "n": n, **{f"a{k}": s for k, s in enumerate(states)},
                **{f"b{k}": s for k, s in enumerate(right)}}  # fmt: skip
        for let, f in acc.let.items():
            both[let] = evaluate(f.node, both)
        states = [np.broadcast_to(evaluate(f.node, both), shape) for f in acc.combine]
        yield states


def _finish(
    acc: Accumulate, env: Mapping[str, Any], states: Any, n: int, evaluate: Evaluate
) -> list[Array]:
    at = {**env, "n": n, **{f"a{k}": s for k, s in enumerate(states)}}
    return [np.broadcast_to(evaluate(f.node, at), np.shape(states[0])) for f in acc.finish]


def folded(dim: Any, ndim: int) -> list[int]:
    """The dims that a reduce folds: all where none is given."""
    every = dim is None or (isinstance(dim, list | tuple) and not dim)
    return sorted({d % ndim for d in (range(ndim) if every else _each(dim))}) if ndim else []


def _reduce(op: OpDef, acc: Accumulate, env: Mapping[str, Any], evaluate: Evaluate) -> list[Array]:
    name, x = _fold_input(op, env)
    axes = folded(env.get("dim"), x.ndim)
    moved = np.moveaxis(x, axes, range(len(axes)))
    n = math.prod(x.shape[d] for d in axes)
    rows = moved.reshape((n, *moved.shape[len(axes) :]))
    *_, states = _steps(acc, env, name, rows, evaluate)
    found = _finish(acc, env, states, n, evaluate)
    if not env.get("keepdim"):
        return found
    return [f.reshape([1 if d in axes else s for d, s in enumerate(x.shape)]) for f in found]


def _scan(op: OpDef, acc: Accumulate, env: Mapping[str, Any], evaluate: Evaluate) -> list[Array]:
    name, x = _fold_input(op, env)
    wide = x.reshape(1) if x.ndim == 0 else x
    rows = np.moveaxis(wide, int(env["dim"]), 0)
    steps = list(_steps(acc, env, name, rows, evaluate))[1:]
    finished = [_finish(acc, env, s, len(rows), evaluate) for s in steps]
    found = []
    for k in range(len(acc.finish)):
        parts = [f[k] for f in finished]
        rows_out = np.stack(parts) if parts else np.zeros(rows.shape)
        found.append(np.moveaxis(rows_out, 0, int(env["dim"])).reshape(x.shape))
    return found
