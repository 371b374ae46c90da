"""In: an op whose meaning is element-wise. Out: its wrong gradients and kinks, with a point each.

Must not know: how gradients were made. Every gradient, declared or derived, is compared with
one-sided differences of the meaning at 60 digits; at kinks the declared value is wanted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import islice, permutations
from typing import Any

from ..derive.op import Derived, Gradient, cotangent, differentiable_outputs
from ..errors import FormulaError, RegistryError
from ..formula import Compare, Name, Node, names, substitute, walk
from ..opdef import Body, Kink, Out
from ..readings.mp import evaluate_mp, finite, mpf
from ..readings.walk import Deferred, Env
from .differences import COARSE, Slopes, agree, show, slopes
from .interpret import Interpreter
from .points import MOST, Point, Setting, lift, points, seed, settings, text

APART = mpf(10) ** -3  # derivatives nearby that differ by more belong to a kink
COTANGENT = mpf(-2)
FEWEST = 12  # points a setting where an entry has many settings


class Pointwise:
    """The check of one entry."""

    def __init__(self, derived: Derived, ops: Interpreter) -> None:
        """Nothing is evaluated yet."""
        self.derived, self.op, self.ops = derived, derived.op, ops
        self.outputs = differentiable_outputs(self.op)
        let = {k: f.node for k, f in self.op.let.items()}
        self.formulas = {k: substitute(g.formula, let) for k, g in derived.gradients.items()}
        self.compared = 0
        self.failed: dict[str, RegistryError] = {}
        self.deferred: set[str] = set()
        self.kinks_seen: set[int] = set()

    def run(self) -> bool:
        """Check everything; False if the meaning is not element-wise."""
        op = self.op
        if not isinstance(op.meaning, Out | Body) or (op.fast and op.fast.acc):
            return False
        if not self.formulas and isinstance(op.meaning, Out):
            return True  # nothing is claimed
        rng = seed(self.op)
        chosen = settings(self.op)
        count = max(FEWEST, MOST // len(chosen))
        for setting in chosen:
            meaning = self.ops.pointwise(self.op, self._env({}, setting, rng))
            if meaning is None:
                return False
            wanted = {o: meaning[o] for o in self.outputs if o in meaning}
            if not wanted:
                continue
            plain = points(self.op, setting, count, rng)
            for point in (*plain, *self._kink_points(plain, setting, rng)):
                env = self._env(point, setting, rng)
                try:
                    self._point(wanted, point, env, setting)
                except Deferred:  # the meaning itself is more than a formula
                    self.deferred |= set(self.formulas)
                    return True
        self._unreached()
        return True

    def _env(self, point: Point, setting: Setting, rng: random.Random) -> dict[str, Any]:
        draws = {"uniform()": mpf(rng.random()), "normal()": mpf(rng.gauss(0, 1))}
        return {**setting.scalars, **{k: lift(v) for k, v in point.items()}, **draws}

    def _point(
        self, meaning: Mapping[str, Node], point: Point, env: dict[str, Any], setting: Setting
    ) -> None:
        try:
            values = {o: evaluate_mp(n, env, self.ops) for o, n in meaning.items()}
        except Deferred:
            raise
        except FormulaError as e:
            self._unverifiable(e)
            return
        kinks = [k for k, kink in enumerate(self.op.kinks) if self._holds(kink, env)]
        self.kinks_seen |= set(kinks)
        for param, gradient in self.derived.gradients.items():
            x = env.get(param)
            if param in self.failed or param in self.deferred or not isinstance(x, mpf):
                continue
            for output, value in values.items():
                if not finite(value) or param in self.failed:
                    continue
                got = self._got(gradient, {**env, **values}, output)
                if got is None:
                    continue
                self.compared += 1
                near = slopes(self._function(meaning[output], env, param), x, value)
                where = text(point, setting.scalars, self._reads(meaning[output], param))
                chosen = self._chosen(kinks, param, env)
                if chosen is not None:
                    joint = self._joint(meaning[output], env, param, chosen[1])
                    self._at_kink(param, *chosen, got, None if joint else near, where)
                elif near is not None and not self._joint(meaning[output], env, param, got, near):
                    self._plain(gradient, output, got, near, where)

    def _function(self, node: Node, env: Env, param: str) -> Any:
        return lambda v: evaluate_mp(node, {**env, param: v}, self.ops)

    def _joint(
        self, node: Node, env: dict[str, Any], param: str, got: Any, near: Slopes | None = None
    ) -> bool:
        """Is ``got`` a derivative of points nearby, where kinks of several arguments meet?

        clamp(x, 0, 0) is flat in x, yet 1 is a generalised derivative there: that of x between
        two bounds that are not quite equal.
        """
        if near is not None and (not near.smooth or agree(got, near.middle, near.noise)):
            return False
        moving = [p for p in self.op.schema.tensors if isinstance(env.get(p.name), mpf)]
        if len(moving) < 2 or not finite(got):
            return False
        found = []
        for order in islice(permutations(range(len(moving))), 24):
            moved = dict(env)
            for p, rank in zip(moving, order, strict=True):  # ties break in every order
                moved[p.name] = env[p.name] + (rank - mpf(0.4) * len(moving)) * COARSE
            value = evaluate_mp(node, moved, self.ops)
            close = slopes(self._function(node, moved, param), moved[param], value)
            if close is not None and close.smooth:
                found.append(close.middle)
        low, high = min(found, default=got), max(found, default=got)
        return bool(high - low > APART * (1 + abs(got)) and low - APART <= got <= high + APART)

    def _got(self, gradient: Gradient, env: dict[str, Any], output: str) -> Any:
        """What the gradient says for a unit cotangent of ``output``.

        It is asked for another one and must be linear in that, whatever ops it calls.
        """
        for o in self.op.schema.outputs:
            env[cotangent(self.op, o)] = COTANGENT if o == output else mpf(0)
        env.setdefault("g", COTANGENT)
        try:
            value = evaluate_mp(self.formulas[gradient.param], env, self.ops)
        except Deferred:
            self.deferred.add(gradient.param)
            return None
        except FormulaError as e:
            self._unverifiable(e, gradient)
            return None
        return mpf(value) / COTANGENT

    def _holds(self, kink: Kink, env: Env) -> bool:
        try:
            return evaluate_mp(kink.condition.node, env, self.ops) is True
        except FormulaError:
            return False

    def _chosen(self, kinks: list[int], param: str, env: Env) -> tuple[Kink, Any] | None:
        for k in kinks:
            kink = self.op.kinks[k]
            if param in kink.values:
                return kink, mpf(evaluate_mp(kink.values[param].node, env, self.ops))
        return None

    def _plain(self, gradient: Gradient, output: str, got: Any, near: Slopes, where: str) -> None:
        param = gradient.param
        through = f" through '{output}'" if len(self.outputs) > 1 else ""
        if near.smooth:
            if not agree(got, near.middle, near.noise):
                self._wrong(
                    gradient, f"is wrong{through} at {where}: {_said(gradient)} "
                    f"{show(got, near.middle)}, "
                    f"meaning gives {show(near.middle, got)}",
                )  # fmt: skip
        elif gradient.declared and not near.touches(got):
            self._fail(
                param, self.op.grad[param].place if param in self.op.grad else self.op.place,
                f"gradient of '{param}' is wrong{through} at the kink {where}: "
                f"declared {show(got)}, one-sided derivatives are {show(near.left)} "
                f"and {show(near.right)}; "
                "a value of one's own is declared under 'kink'",
            )  # fmt: skip

    def _at_kink(
        self, param: str, kink: Kink, value: Any, got: Any, near: Slopes | None, where: str
    ) -> None:
        place = kink.values[param].place
        if near is not None and not near.between(value):
            sides = f"one-sided derivatives are {show(near.left)} and {show(near.right)}"
            self._fail(param, place, f"kink of '{param}' is wrong at {where}: "
                       f"declared {show(value)}, {sides}")  # fmt: skip
        elif not agree(got, value):
            self._fail(param, place, f"kink of '{param}' is wrong at {where}: "
                       f"declared {show(value, got)}, "
                       f"the gradient gives {show(got, value)}")  # fmt: skip

    def _wrong(self, gradient: Gradient, message: str) -> None:
        param = gradient.param
        if gradient.declared and param in self.op.grad:
            self._fail(param, self.op.grad[param].place, f"gradient of '{param}' {message}")
        else:
            self._fail(param, self.op.place, f"derived gradient of '{param}' {message}; "
                       "declare it under 'grad'")  # fmt: skip

    def _fail(self, param: str, place: Any, message: str) -> None:
        self.failed[param] = RegistryError(place, message)

    def _unverifiable(self, e: FormulaError, gradient: Gradient | None = None) -> None:
        wanted = [gradient] if gradient else list(self.derived.gradients.values())
        for g in wanted:
            declared = self.op.grad.get(g.param)
            place = declared.place.shifted(e.offset) if declared and gradient else self.op.place
            self._fail(g.param, place, f"gradient of '{g.param}' cannot be verified: {e.message}")

    def _reads(self, meaning: Node, param: str) -> set[str]:
        return set(names(meaning)) | set(names(self.formulas[param]))

    def _kink_points(
        self, plain: list[Point], setting: Setting, rng: random.Random
    ) -> Iterator[Point]:
        """Points on the kinks: one side of an equality of the condition is solved for."""
        for kink in self.op.kinks:
            equalities = [
                n for n in walk(kink.condition.node) if isinstance(n, Compare) and n.op == "=="
            ]
            for k, point in enumerate(plain[:4] + plain[-4:]):
                moved = dict(point)
                for j in range(len(equalities)):  # each of an `or` comes last once
                    self._solve(equalities[(j + k) % len(equalities)], moved, setting, rng)
                yield moved

    def _solve(self, node: Compare, point: Point, setting: Setting, rng: random.Random) -> None:
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(one, Name) and isinstance(point.get(one.id), float):
                env = self._env(point, setting, rng)
                try:
                    value = evaluate_mp(other, env, self.ops)
                except FormulaError:
                    continue
                if finite(value):
                    point[one.id] = float(value)
                    return

    def _unreached(self) -> None:
        for k, kink in enumerate(self.op.kinks):
            params = [p for p in kink.values if p in self.formulas and p not in self.failed]
            if k not in self.kinks_seen and params and self.compared:
                self._fail(
                    params[0], kink.condition.place,
                    f"kink '{kink.condition.text}' holds at no point tried; "
                    "add one to a sample's 'values'",
                )  # fmt: skip


def _said(gradient: Gradient) -> str:
    return "declared" if gradient.declared else "derived"
