"""In: a formula tree and the values of its names. Out: its value to 60 digits.

Must not know: ops. mpmath is imported here alone, in a context of our own. Values are mpf, or
object arrays of mpf (a small row); arithmetic never raises: 1 / 0 is inf, log(-1) is nan, as IEEE.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
from mpmath.ctx_mp import MPContext

from ..formula import Node
from ..intrinsics import Intrinsic
from ..opdef import Accumulate
from .walk import CallOp, Env, Reading

DIGITS = 60
mp = MPContext()
mp.dps = DIGITS
mpf, INF, NAN = mp.mpf, mp.inf, mp.nan


def number(value: Any) -> Any:
    """A literal: floats become mpf (exactly the double), integers and booleans stay."""
    return mpf(value) if isinstance(value, float) else value


def finite(value: Any) -> bool:
    """Is the scalar neither infinite nor NaN?"""
    return bool(mp.isfinite(value))


def elementwise(fn: Callable[..., Any], arity: int) -> Callable[..., Any]:
    """``fn`` of scalars, applied to every element where an argument is an array."""
    over = numpy.frompyfunc(fn, arity, 1)

    def apply(*args: Any) -> Any:
        for a in args:
            if isinstance(a, numpy.ndarray):
                return over(*args)
        return fn(*args)

    return apply


def _div(x: Any, y: Any) -> Any:
    if y == 0:
        return NAN if x == 0 or x != x else (INF if x > 0 else -INF)
    return mpf(x) / y


def _mul(x: Any, y: Any) -> Any:
    return x * y


def power(x: Any, y: Any) -> Any:
    """IEEE 754 pow()."""
    x, y = mpf(x), mpf(y)
    if y == 0 or x == 1:
        return mpf(1)
    if x != x or y != y:
        return NAN
    if abs(y) == INF:
        return mpf(1) if abs(x) == 1 else (INF if (abs(x) > 1) == (y > 0) else mpf(0))
    whole = y == mp.floor(y)
    odd = whole and int(y) % 2 == 1
    if x == 0 or abs(x) == INF:
        size = INF if (abs(x) == INF) == (y > 0) else mpf(0)
        return -size if odd and x < 0 else size
    if x < 0:
        if not whole:
            return NAN
        return -mp.power(-x, y) if odd else mp.power(-x, y)
    return mp.power(x, y)


def trunc(x: Any) -> Any:
    """Towards zero."""
    return mp.floor(x) if x >= 0 else mp.ceil(x)


def fmod(x: Any, y: Any) -> Any:
    """C's fmod: the sign of x."""
    if y == 0 or abs(x) == INF or x != x or y != y:
        return NAN
    return x if abs(y) == INF else x - y * trunc(x / y)


def remainder(x: Any, y: Any) -> Any:
    """Python's %: the sign of y."""
    rest = fmod(x, y)
    return rest + y if rest != 0 and (rest < 0) != (y < 0) and rest == rest else rest


def floor_divide(x: Any, y: Any) -> Any:
    """Python's //, with x / 0 as in IEEE division."""
    if y == 0:
        return _div(x, y)
    rest = remainder(x, y)
    if abs(y) == INF:
        return mpf(-1) if abs(rest) == INF else rest * 0
    return mp.floor(x / y) if rest == rest else NAN


def atan2(y: Any, x: Any) -> Any:
    """The angle of (x, y); quarters where both are infinite."""
    if x != x or y != y:
        return NAN
    if abs(x) == INF and abs(y) == INF:
        return mp.sign(y) * (mp.pi / 4 if x > 0 else 3 * mp.pi / 4)
    return mp.atan2(y, x)


_NAMES = {
    "mp": mp, "math": math, "power": power, "trunc": trunc, "fmod": fmod, "remainder": remainder,
    "floor_divide": floor_divide, "atan2": atan2, "div": _div, "__builtins__": {
        "abs": abs, "max": max, "min": min, "int": int, "float": float,
    },
}  # fmt: skip
_KNOWN = {*_NAMES, "abs", "max", "min", "int", "float"}


def compile_row(row: Intrinsic) -> Callable[..., Any] | None:
    """The intrinsic's ``mp`` expression as a function; None where it has none."""
    if not row.mp or row.random:
        return None
    exact = eval(f"lambda {', '.join(row.args)}: {row.mp}", dict(_NAMES))
    if not all(hasattr(mp, w) or hasattr(math, w) or w in _KNOWN for w in exact.__code__.co_names):
        return None

    def guarded(*args: Any) -> Any:
        try:
            value = exact(*(a if isinstance(a, mpf) else mpf(a) for a in args))
        except (ValueError, ZeroDivisionError, OverflowError):
            return NAN
        return NAN if isinstance(value, mp.mpc) else value

    return elementwise(guarded, len(row.args))


def _axes(x: Any, dims: Any) -> tuple[int, ...]:
    if dims is None or (isinstance(dims, list | tuple) and not dims):
        return tuple(range(x.ndim))
    listed = dims if isinstance(dims, list | tuple) else [dims]
    return tuple(sorted((int(d) % x.ndim for d in listed), reverse=True))


def _folding(fn: Callable[[Any, Any], Any], empty: Any) -> Callable[[Any, Any, bool], Any]:
    over = numpy.frompyfunc(fn, 2, 1)

    def reduce(x: Any, dims: Any, keepdim: bool) -> Any:
        if not isinstance(x, numpy.ndarray):
            return x
        for axis in sorted(_axes(x, dims), reverse=True):
            x = over.reduce(x, axis=axis, keepdims=keepdim, initial=empty)
        return x

    return reduce


def _larger(x: Any, y: Any) -> Any:
    return NAN if x != x or y != y else max(x, y)


def _smaller(x: Any, y: Any) -> Any:
    return NAN if x != x or y != y else min(x, y)


_total = _folding(operator.add, 0)


def _mean(x: Any, dims: Any, keepdim: bool) -> Any:
    if not isinstance(x, numpy.ndarray):
        return x
    return _BINARY["/"](_total(x, dims, keepdim), math.prod(x.shape[a] for a in _axes(x, dims)))


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": _mul,
    "/": elementwise(_div, 2),
    "&": elementwise(lambda x, y: _bits(operator.and_, x, y), 2),
    "|": elementwise(lambda x, y: _bits(operator.or_, x, y), 2),
    "^": elementwise(lambda x, y: _bits(operator.xor, x, y), 2),
    "<<": elementwise(lambda x, y: mpf(int(x) << int(y)), 2),
    ">>": elementwise(lambda x, y: mpf(int(x) >> int(y)), 2),
}


def _bits(fn: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    return fn(x, y) if isinstance(x, bool) and isinstance(y, bool) else mpf(fn(int(x), int(y)))


READING = Reading(
    name="mp",
    number=number,
    binary=_BINARY,
    unary={
        "-": operator.neg,
        "not": elementwise(operator.not_, 1),
        "~": elementwise(lambda x: not x if isinstance(x, bool) else mpf(~int(x)), 1),
    },
    compare={
        "==": elementwise(operator.eq, 2), "!=": elementwise(operator.ne, 2),
        "<": elementwise(operator.lt, 2), "<=": elementwise(operator.le, 2),
        ">": elementwise(operator.gt, 2), ">=": elementwise(operator.ge, 2),
    },
    logic={
        "and": elementwise(lambda x, y: bool(x) and bool(y), 2),
        "or": elementwise(lambda x, y: bool(x) or bool(y), 2),
    },
    select=elementwise(lambda c, x, y: x if c else y, 3),
    rows={
        "sum": _total, "mean": _mean, "prod": _folding(operator.mul, 1),
        "amax": _folding(_larger, -INF), "amin": _folding(_smaller, INF),
        "any": _folding(lambda x, y: bool(x) or bool(y), False),
        "all": _folding(lambda x, y: bool(x) and bool(y), True),
        "size": lambda x, dims, keepdim: x.shape[int(dims)] if hasattr(x, "shape") else 1,
        "numel": lambda x, dims, keepdim: getattr(x, "size", 1),
    },
    compile=compile_row,
)  # fmt: skip


def evaluate_mp(node: Node, env: Env, call: CallOp | None = None) -> Any:
    """The value of a formula to 60 digits; names are mpf, bool, None, text or object arrays."""
    return READING.evaluate(node, env, call)


# Folds: the monoid of a reduce or a scan ---------------------------------------------------------

State = tuple[Any, ...]


class Monoid:
    """The states of a reduce or scan over one row."""

    def __init__(self, acc: Accumulate, params: Env, n: int) -> None:
        """``params`` are the values of the op's other parameters; ``n`` the row's length."""
        self.acc, self.env = acc, {**params, "n": n}
        self.let = {k: f.node for k, f in acc.let.items()}

    def identity(self) -> State:
        """The state of no element."""
        return tuple(evaluate_mp(f.node, self.env) for f in self.acc.identity)

    def map(self, element: Env) -> State:
        """The state of one element; ``element`` names its tensors and its position ``i``."""
        env = {**self.env, **element}
        return tuple(evaluate_mp(f.node, env) for f in self.acc.map)

    def combine(self, a: State, b: State) -> State:
        """The state of two runs of elements."""
        env = dict(self.env)
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            env[f"a{k}"], env[f"b{k}"] = x, y
        for name, node in self.let.items():
            env[name] = evaluate_mp(node, env)
        return tuple(evaluate_mp(f.node, env) for f in self.acc.combine)

    def finish(self, a: State) -> State:
        """The outputs of a state."""
        env = {**self.env, **{f"a{k}": x for k, x in enumerate(a)}}
        return tuple(evaluate_mp(f.node, env) for f in self.acc.finish)


def left(m: Monoid, states: Sequence[State]) -> State:
    """((1 s1) s2) s3: as a kernel runs through a row."""
    total = m.identity()
    for s in states:
        total = m.combine(total, s)
    return total


def right(m: Monoid, states: Sequence[State]) -> State:
    """s1 (s2 (s3 1))."""
    total = m.identity()
    for s in reversed(states):
        total = m.combine(s, total)
    return total


def tree(m: Monoid, states: Sequence[State]) -> State:
    """(s1 s2) (s3 s4): as threads and vector lanes meet; identity only where there is nothing."""
    level = list(states)
    while len(level) > 1:
        pairs = [level[k : k + 2] for k in range(0, len(level), 2)]
        level = [m.combine(*p) if len(p) == 2 else p[0] for p in pairs]
    return level[0] if level else m.identity()


def lanes(m: Monoid, states: Sequence[State]) -> State:
    """(s1 s3) (s2 s4): two vector lanes, each over every second element."""
    return m.combine(left(m, states[0::2]), left(m, states[1::2]))


def states(m: Monoid, values: Mapping[str, Sequence[Any]], n: int) -> list[State]:
    """The mapped elements of a row."""
    return [m.map({**{k: v[i] for k, v in values.items()}, "i": i}) for i in range(n)]


def reduce_mp(
    acc: Accumulate,
    values: Mapping[str, Sequence[Any]],
    params: Env,
    n: int,
    order: Callable[[Monoid, Sequence[State]], State] = left,
) -> State:
    """The outputs of a reduce over a row of ``n`` elements, bracketed by ``order``."""
    m = Monoid(acc, params, n)
    return m.finish(order(m, states(m, values, n)))


def scan_mp(
    acc: Accumulate, values: Mapping[str, Sequence[Any]], params: Env, n: int
) -> list[State]:
    """The outputs of a scan at every element of a row."""
    m = Monoid(acc, params, n)
    total, found = m.identity(), []
    for s in states(m, values, n):
        total = m.combine(total, s)
        found.append(m.finish(total))
    return found
