"""In: a reduce, a scan or a composition over a row. Out: what of it is wrong, with a row each.

Must not know: kernels. A monoid must give the same output for every bracketing, its identity must
not matter, a fast form must equal the meaning, and gradients are compared with differences.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy

from ..derive.op import Derived, Gradient, cotangent, differentiable_outputs
from ..errors import FormulaError, Place, RegistryError
from ..formula import substitute
from ..opdef import Accumulate, Body, Reduce, Scan
from ..readings import mp as reading
from ..readings.mp import Monoid, evaluate_mp, finite, mpf, reduce_mp, scan_mp
from ..readings.walk import Deferred
from .differences import agree, show, slopes
from .interpret import Interpreter, array
from .points import Setting, draw, lift, seed, settings

INF, NAN = float("inf"), float("nan")
SETTINGS = 3  # settings a row check tries
LENGTHS = (1, 2, 4)
ODD: tuple[list[float], ...] = (
    [0.0, 0.0, 2.0, 0.0], [1.5, -1.0, 1.5, 0.0, -2.0], [-INF, 1.0, 2.0], [-INF, -INF, -INF],
    [INF, 1.0], [1.0, NAN, 0.5], [NAN, 2.0, 1.0], [],
)  # fmt: skip
COTANGENTS = (1.0, -0.5, 2.0, 0.25, -1.5, 3.0)
_ORDERS = (
    ("from the right", reading.right), ("a tree", reading.tree), ("two lanes", reading.lanes),
)  # fmt: skip


class Rows:
    """The check of one entry."""

    def __init__(self, derived: Derived, ops: Interpreter) -> None:
        """Nothing is evaluated yet."""
        self.derived, self.op, self.ops = derived, derived.op, ops
        self.compared = 0
        self.failed: dict[str, RegistryError] = {}
        self.deferred: set[str] = set()

    def run(self) -> bool:
        """Check everything."""
        rng = seed(self.op)
        for setting in settings(self.op)[:SETTINGS]:
            rows = [self._row(setting, n, rng) for n in LENGTHS]
            odd = [self._odd(setting, values, rng) for values in ODD]
            for row in (*rows, *odd):
                self._forms(setting, row)
            for row in (*rows, *odd[:2]):
                try:
                    self._gradients(setting, row, rng)
                except Deferred:
                    self.deferred |= set(self.derived.gradients)
                    break
        return True

    def _row(self, setting: Setting, n: int, rng: random.Random) -> dict[str, list[Any]]:
        names = [p.name for p in self.op.schema.tensors if p.name not in setting.absent]
        single = {t for t, d in self.op.dims.items() if d == ("1",)}  # one value a row
        return {
            t: [draw(self.op, setting, t, rng) for _ in range(1 if t in single else n)]
            for t in names
        }

    def _odd(
        self, setting: Setting, values: list[float], rng: random.Random
    ) -> dict[str, list[Any]]:
        """A row whose first floating tensor has the given values."""
        row = self._row(setting, len(values), rng)
        for name in row:
            if name not in self.op.dtype.classes:
                row[name] = list(values)
                break
        return row

    def _params(self, setting: Setting) -> dict[str, Any]:
        """The other arguments; a dim of the sample is the row's."""
        env = {**setting.scalars, **dict.fromkeys(setting.absent)}
        for p in self.op.schema.params:
            if p.name == "dim" and env.get("dim") is not None:
                env["dim"] = [0] if isinstance(env["dim"], list) else 0
        return env

    # Forms ---------------------------------------------------------------------------------------

    def _forms(self, setting: Setting, row: dict[str, list[Any]]) -> None:
        params = self._params(setting)
        if isinstance(self.op.meaning, Reduce | Scan):
            what = "reduce" if isinstance(self.op.meaning, Reduce) else "scan"
            self._monoid(what, self.op.meaning.acc, params, row)
        fast = self.op.fast
        if fast is None or fast.acc is None:
            return
        self._monoid(f"fast {fast.kind}", fast.acc, params, row)
        n = _length(row)
        if {"fast", f"fast {fast.kind}"} & (self.failed.keys() | self.deferred):
            return
        try:
            meaning = self._meaning(params, {k: array(map(lift, v)) for k, v in row.items()}, n)
        except Deferred:
            self.deferred.add("fast")
            return
        lifted = {k: list(map(lift, v)) for k, v in row.items()}
        kept = {k: v for k, v in params.items()}
        if fast.kind == "reduce":
            got = [(v,) for v in reduce_mp(fast.acc, lifted, kept, n)]
        else:
            steps = scan_mp(fast.acc, lifted, kept, n)
            got = [tuple(s[k] for s in steps) for k in range(len(fast.acc.finish))]
        for output, values in zip(self.op.schema.outputs, got, strict=False):
            for mine, theirs in zip(_flat(meaning[output]), values, strict=False):
                self.compared += 1
                if not agree(mine, theirs):
                    self._fail(
                        "fast", fast.place, f"fast {fast.kind} is wrong at {_show(row)}: "
                        f"fast gives {show(theirs, mine)}, meaning gives {show(mine, theirs)}",
                    )  # fmt: skip
                    return

    def _monoid(
        self, what: str, acc: Accumulate, params: Mapping[str, Any], row: dict[str, list[Any]]
    ) -> None:
        if what in self.failed:
            return
        n = _length(row)
        m = Monoid(acc, params, n)
        states = reading.states(m, {k: list(map(lift, v)) for k, v in row.items()}, n)
        if not states:
            m.finish(m.identity())
            return
        want = m.finish(reading.left(m, states))
        bare = states[0]
        for s in states[1:]:
            bare = m.combine(bare, s)
        orders = _ORDERS if not what.endswith("scan") else _ORDERS[:2]
        self.compared += len(orders) + 1
        pair = _differ(want, m.finish(bare)) or _differ(
            want, m.finish(m.combine(bare, m.identity()))
        )
        if pair:
            self._fail(
                what, acc.identity[0].place, f"{what} identity is not neutral at {_show(row)}: "
                f"with it {pair[0]}, without {pair[1]}",
            )  # fmt: skip
            return
        for name, order in orders:
            pair = _differ(want, m.finish(order(m, states)))
            if pair:
                self._fail(
                    what, acc.combine[0].place, f"{what} combine depends on the order at "
                    f"{_show(row)}: from the left {pair[0]}, {name} {pair[1]}",
                )  # fmt: skip
                return

    # Gradients -----------------------------------------------------------------------------------

    def _meaning(self, params: Mapping[str, Any], row: Mapping[str, Any], n: int) -> dict[str, Any]:
        return self.ops.outputs(self.op, {**params, **row, "n": n})

    def _gradients(self, setting: Setting, row: dict[str, list[Any]], rng: random.Random) -> None:
        wanted = [g for k, g in self.derived.gradients.items()
                  if k not in self.failed and k not in self.deferred and row.get(k)]  # fmt: skip
        if not wanted:
            return
        params, n = self._params(setting), _length(row)
        arrays = {k: array(map(lift, v)) for k, v in row.items()}
        try:
            outputs = self._meaning(params, arrays, n)
        except Deferred:
            raise
        except FormulaError as e:
            if isinstance(self.op.meaning, Body):
                raise Deferred(e.message) from None
            for g in wanted:
                self._unverifiable(g, e)
            return
        carried = [o for o in differentiable_outputs(self.op) if o in outputs]
        if not all(finite(v) for o in carried for v in _flat(outputs[o])):
            return
        env: dict[str, Any] = {**params, **arrays, "n": n, "i": array(range(n))}
        env |= {o: _as_row(v) for o, v in outputs.items()}
        weights = {o: _cotangent(outputs[o], k) for k, o in enumerate(carried)}
        env |= {cotangent(self.op, o): w for o, w in weights.items()}
        for g in wanted:
            got = self._got(g, env, n)
            if got is not None:
                self._compare(g, got, params, arrays, weights, row)

    def _got(self, g: Gradient, env: dict[str, Any], n: int) -> list[Any] | None:
        let = {k: f.node for k, f in self.op.let.items()}
        try:
            value = evaluate_mp(substitute(g.formula, let), env, self.ops)
        except Deferred:
            self.deferred.add(g.param)
            return None
        except FormulaError as e:
            if g.elementwise:
                self._unverifiable(g, e)
            else:
                self.deferred.add(g.param)
            return None
        flat = _flat(value)
        n = len(env[g.param])
        return flat if len(flat) == n else flat * n

    def _compare(
        self, g: Gradient, got: list[Any], params: Mapping[str, Any], arrays: dict[str, Any],
        weights: Mapping[str, Any], row: dict[str, list[Any]],
    ) -> None:  # fmt: skip
        n = len(arrays[g.param])

        def total(v: Any) -> Any:
            moved = arrays[g.param].copy()
            moved[k] = v
            outputs = self._meaning(params, {**arrays, g.param: moved}, n)
            return sum(
                (
                    w * v
                    for o in weights
                    for w, v in zip(_flat(weights[o]), _flat(outputs[o]), strict=True)
                ),
                mpf(0),
            )

        for k in range(n):
            x = arrays[g.param][k]
            near = slopes(total, x, total(x)) if isinstance(x, mpf) else None
            if near is None or (not near.smooth and (not g.declared or near.between(got[k]))):
                continue
            self.compared += 1
            if near.smooth and agree(got[k], near.middle, near.noise):
                continue
            said = "declared" if g.declared else "derived"
            gives = show(near.middle) if near.smooth else f"{show(near.left)} to {show(near.right)}"
            place, hint = self._place(g)
            self._fail(
                g.param, place, f"{hint}gradient of '{g.param}' is wrong at {_show(row)}, "
                f"element {k}: {said} {show(got[k])}, meaning gives {gives}",
            )  # fmt: skip
            return

    def _place(self, g: Gradient) -> tuple[Place, str]:
        for table in (self.op.grad, self.op.transpose):
            if g.declared and g.param in table:
                return table[g.param].place, ""
        return self.op.place, "derived "

    def _unverifiable(self, g: Gradient, e: FormulaError) -> None:
        place, _ = self._place(g)
        self._fail(g.param, place, f"gradient of '{g.param}' cannot be verified: {e.message}")

    def _fail(self, what: str, place: Place, message: str) -> None:
        self.failed[what] = RegistryError(place, message)


def _length(row: Mapping[str, list[Any]]) -> int:
    return max((len(v) for v in row.values()), default=0)


def _flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, numpy.ndarray) else [value]


def _as_row(value: Any) -> Any:
    return value if isinstance(value, numpy.ndarray) else array([value])


def _cotangent(value: Any, shift: int) -> Any:
    n = len(_flat(value))
    return array(mpf(COTANGENTS[(k + shift) % len(COTANGENTS)]) for k in range(n))


def _differ(a: Iterable[Any], b: Iterable[Any]) -> tuple[str, str] | None:
    """The first outputs that differ; where the left fold is NaN an infinity will do as well."""
    for x, y in zip(a, b, strict=True):
        if not agree(x, y) and not (x != x and not finite(y)):
            return show(x), show(y)
    return None


def _show(row: Mapping[str, list[Any]]) -> str:
    return ", ".join(f"{k}={v}" for k, v in row.items())
