"""In: registry ops and a row of values. Out: what the ops compute there, at 60 digits.

Must not know: gradients. A row is one line of elements along the reduced dimension: pointwise ops,
reductions, scans and compositions of them are exact on it; any other op is Deferred to the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy

from ..derive.op import meaning_formula
from ..formula import Block, Node, Seq, calls, inline, substitute
from ..intrinsics import table
from ..opdef import Body, OpDef, Out, Reduce, Scan
from ..reader import literal
from ..readings.mp import evaluate_mp, reduce_mp, scan_mp
from ..readings.walk import Deferred, Env
from .points import lift

DEPTH = 12  # compositions of compositions; cycles are refused before


class Interpreter:
    """Runs registry ops by their meaning."""

    def __init__(self, ops: Mapping[str, OpDef]) -> None:
        """Know ops by name and alias."""
        self.ops = ops
        self.depth = 0

    def __call__(self, fn: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a registry op."""
        op = self.ops.get(fn)
        if op is None:
            raise Deferred(f"'{fn}' is no element-wise function")
        env = bind(op, args, kwargs)
        self.depth += 1
        try:
            if self.depth > DEPTH:
                raise Deferred(f"'{fn}' is composed too deeply")
            outputs = self.outputs(op, env)
        finally:
            self.depth -= 1
        found = tuple(outputs[o] for o in op.schema.outputs)
        return found[0] if len(found) == 1 else found

    def outputs(self, op: OpDef, env: Env) -> dict[str, Any]:
        """The outputs of ``op`` on scalars or a row."""
        env = {**env, **{k: evaluate_mp(f.node, env, self) for k, f in op.let.items()}}
        match op.meaning:
            case Out(outputs=outputs):
                return {o: evaluate_mp(self._formula(op, o), env, self) for o in outputs}
            case Reduce(acc=acc):
                values, params, n = row(op, env)
                found = reduce_mp(acc, values, params, n)
                keep = bool(env.get("keepdim", False))
                return {
                    o: one(v) if keep else v for o, v in zip(op.schema.outputs, found, strict=True)
                }
            case Scan(acc=acc):
                values, params, n = row(op, env)
                steps = scan_mp(acc, values, params, n)
                return {o: array([s[k] for s in steps]) for k, o in enumerate(op.schema.outputs)}
            case Body():
                block = self.case(op, env)
                if block is None:
                    raise Deferred(f"no case of '{op.name}' holds")
                return self._block(op, block, env)
        raise Deferred(f"'{op.name}' is no element-wise function")

    def case(self, op: OpDef, env: Env) -> Block | None:
        """The first case of a body that holds."""
        assert isinstance(op.meaning, Body)
        for when, block, _ in op.meaning.cases:
            if when is None or evaluate_mp(when.node, env, self) is True:
                return block
        return None

    def _formula(self, op: OpDef, output: str) -> Node:
        node = meaning_formula(op, output)
        if node is None:
            raise Deferred(f"'{op.name}' has no meaning for floats")
        return node

    def _block(self, op: OpDef, block: Block, env: Env) -> dict[str, Any]:
        scope = dict(env)
        for name, node in block.lets:
            scope[name] = evaluate_mp(node, scope, self)
        value = evaluate_mp(block.result, scope, self)
        many = isinstance(value, list | tuple)
        return dict(zip(op.schema.outputs, value if many else (value,), strict=True))

    def pointwise(self, op: OpDef, env: Env) -> dict[str, Node] | None:
        """One formula an output where the meaning is element-wise, else None."""
        if isinstance(op.meaning, Out):
            found = {o: meaning_formula(op, o) for o in op.meaning.outputs}
            return {o: n for o, n in found.items() if n is not None}
        if not isinstance(op.meaning, Body):
            return None
        block = self.case(op, env)
        if block is None:
            return None
        tree = substitute(inline(block), {k: f.node for k, f in op.let.items()})
        parts = tree.items if isinstance(tree, Seq) else (tree,)
        if len(parts) != len(op.schema.outputs) or not all(self._elementwise(p, 0) for p in parts):
            return None
        return dict(zip(op.schema.outputs, parts, strict=True))

    def _elementwise(self, node: Node, depth: int) -> bool:
        for fn in calls(node):
            if fn == "where" or fn in table():
                continue
            op = self.ops.get(fn)
            if op is None or depth > DEPTH:
                return False
            match op.meaning:
                case Out():
                    pass
                case Body(cases=((None, block, _),)):
                    if not self._elementwise(inline(block), depth + 1):
                        return False
                case _:
                    return False
        return True


def bind(op: OpDef, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by parameter name, defaults filled in."""
    names = [p.name for p in op.schema.params]
    env = {p.name: lift(literal(p.default)) if p.default else None for p in op.schema.params}
    return {**env, **dict(zip(names, args, strict=False)), **kwargs}


def row(op: OpDef, env: Env) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Split a call of a reduce or scan: its rows, its other arguments, the row's length."""
    tensors = {p.name: env[p.name] for p in op.schema.tensors if env.get(p.name) is not None}
    arrays = [v for v in tensors.values() if isinstance(v, numpy.ndarray)]
    if any(v.ndim != 1 for v in arrays):
        raise Deferred(f"'{op.name}' of more than a row")
    n = max((len(v) for v in arrays), default=1)
    values = {
        k: (v if isinstance(v, numpy.ndarray) and len(v) == n else [_single(v)] * n)
        for k, v in tensors.items()
    }
    return values, {k: v for k, v in env.items() if k not in tensors}, n


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, numpy.ndarray) else value


def array(values: Iterable[Any]) -> Any:
    """A row: a one-dimensional object array."""
    listed = list(values)
    made = numpy.empty(len(listed), dtype=object)
    made[:] = listed
    return made


def one(value: Any) -> Any:
    """A row of one element."""
    return array([value])
