"""In: an op of whole tensors. Out: its wrong gradients, with a sample each.

Must not know: kernels. A gradient that is a program of registry ops is run at 60 digits, on the
samples' tensors, and compared with differences of the meaning. What has no reading of such numbers
is left to the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy

from ..derive.op import Derived, Gradient, cotangent, differentiable_outputs
from ..errors import FormulaError, RegistryError
from ..formula import substitute
from ..intrinsics import table
from ..opdef import Formula, Index, OpDef, Reduce, Reference, View
from ..readings import index
from ..readings.mp import READING, evaluate_mp, finite, mp, mpf
from ..readings.value import NoValue, Values, folded
from ..samples import Case, cases, together
from .differences import STEP, agree, show

FEW = 24  # elements of tensors whose slopes are taken one by one: each runs the meaning twice
LARGEST = 400  # elements of a tensor; beyond FEW the slope is taken along one direction
COTANGENTS = (1.0, -0.5, 2.0, 0.25, -1.5, 3.0)
_LIFT = numpy.frompyfunc(mpf, 1, 1)
MISSING = (NoValue, FormulaError, ArithmeticError, LookupError, TypeError, ValueError)


class Exact(Values):
    """Runs ops by their meaning on arrays of mpf."""

    evaluate = staticmethod(evaluate_mp)

    @staticmethod
    def function(name: str) -> Callable[..., Any]:
        """Integers stay what they are: they are sizes and positions."""
        exact = READING.function(name, 0) if name in table() else index.function(name)

        def call(*args: Any) -> Any:
            whole = not any(isinstance(a, mpf | float) for a in args)
            return (index.function(name) if whole else exact)(*args)

        return call

    @staticmethod
    def floats(array: Any) -> Any:
        """Doubles are taken as they are."""
        return numpy.asarray(_LIFT(array), object)

    def lifted(self, case: Case) -> dict[str, Any]:
        """The arguments of a case, doubles as mpf."""
        return {
            n: self.floats(v) if isinstance(v, numpy.ndarray) and v.dtype.kind == "f" else v
            for n, v in case.args.items()
        }

    def exact(self, op: OpDef, env: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name; NoValue where they are doubles."""
        found = [numpy.asarray(v) for v in self.outputs(op, env)]
        named = dict(zip(op.schema.outputs, found, strict=True))
        if any(named[o].dtype != object for o in differentiable_outputs(op)):
            raise NoValue("the meaning is read in doubles")
        return named


class Programs:
    """The check of one entry."""

    def __init__(self, derived: Derived, ops: Mapping[str, OpDef], wanted: Iterable[str]) -> None:
        """Nothing is evaluated yet; ``wanted`` are the parameters whose gradients are compared."""
        self.derived, self.op = derived, derived.op
        self.ops = Exact(())
        self.ops.ops = ops
        self.compared = 0
        self.failed: dict[str, RegistryError] = {}
        self.deferred: set[str] = set()
        self.wanted = frozenset(wanted)
        self.seen: set[str] = set()  # parameters whose gradients were compared
        self.missing: dict[str, str] = {}  # why not; "" for the meaning

    def run(self) -> None:
        """Check every gradient on every sample that is small enough."""
        for case in fitting(self.op):
            self._sample(case)
        for param in self.derived.gradients:
            if param not in self.wanted or param in self.seen or param in self.failed:
                continue
            self.deferred.add(param)
            formula = self._declared(param)
            if formula is not None and not isinstance(self.op.meaning, Reference):
                self.failed[param] = RegistryError(formula.place, self._uncompared(param))

    def _uncompared(self, param: str) -> str:
        why = self.missing.get(param) or self.missing.get("")
        if why:
            return f"gradient of '{param}' cannot be compared with the meaning: {why}"
        return (
            f"gradient of '{param}' is compared at no sample; expected one whose tensors have "
            f"1 to {LARGEST} elements, drawn from a range"
        )

    def _declared(self, param: str) -> Formula | None:
        """The formula of an entry; those of adjoints that the compiler makes stand at the op's."""
        formula = self.op.grad.get(param) or self.op.transpose.get(param)
        return None if formula is None or formula.place == self.op.place else formula

    def _open(self, param: str) -> bool:
        """Is there more to compare? One sample will do for what was derived."""
        if param not in self.wanted or param in self.failed:
            return False
        declared = self._declared(param) is not None
        return declared or (param not in self.seen and param not in self.op.stop)

    def _sample(self, case: Case) -> None:
        env = self.ops.lifted(case)
        if not any(self._open(n) for n in env):
            return
        try:
            outputs = self.ops.exact(self.op, env)
        except MISSING as e:
            self.missing[""] = _reason(e)
            return
        carriers = enumerate(differentiable_outputs(self.op))
        weights = {o: _weights(outputs[o], k) for k, o in carriers}
        known = {**env, **outputs, **{cotangent(self.op, o): w for o, w in weights.items()}}
        if isinstance(self.op.meaning, Reduce):  # a gradient is read over what is folded
            known |= {n: self._kept(known[n], env) for n in known.keys() - env.keys()}
        if not all(finite(v) for o in weights for v in outputs[o].ravel()):
            return
        for g in self.derived.gradients.values():
            if self._open(g.param) and isinstance(env.get(g.param), numpy.ndarray):
                self._gradient(g, case, known, env, weights)

    def _kept(self, value: Any, env: Mapping[str, Any]) -> Any:
        """An output or cotangent of a reduce with its folded dims."""
        shape = list(env[self.op.schema.tensors[0].name].shape)
        for d in folded(env.get("dim"), len(shape)):
            shape[d] = 1
        return value.reshape(shape)

    def _gradient(
        self, g: Gradient, case: Case, known: Mapping[str, Any], env: dict[str, Any],
        weights: Mapping[str, Any],
    ) -> None:  # fmt: skip
        let = {k: f.node for k, f in self.op.let.items()}
        try:
            got = evaluate_mp(substitute(g.formula, let), known, self.ops)
            if self._misshapen(g, case, numpy.shape(got)):
                return
            flat = numpy.broadcast_to(got, env[g.param].shape).ravel()
            if _most(case) > FEW or self._declared(g.param) is None:
                along = _direction(flat.size)
                if agree(mp.fsum(flat * along), self._slope(g.param, along, env, weights)):
                    self.compared += 1
                    self.seen.add(g.param)
                    return
            for at in together(case, g.param):
                one = numpy.zeros(flat.size, int)
                one[at] = 1
                slope = self._slope(g.param, one, env, weights)
                self.compared += 1
                self.seen.add(g.param)
                if not agree(mp.fsum(flat[at]), slope):
                    self._wrong(g, case, at, mp.fsum(flat[at]), slope)
                    return
        except MISSING as e:
            self.missing[g.param] = _reason(e)

    def _misshapen(self, g: Gradient, case: Case, found: tuple[int, ...]) -> bool:
        """Loops and views do not broadcast, so nothing would be undone later."""
        shape, declared = case.args[g.param].shape, self._declared(g.param)
        if declared is None or found == shape or not isinstance(self.op.meaning, Index | View):
            return False
        self.failed[g.param] = RegistryError(
            declared.place, f"gradient of '{g.param}' is wrong at {case}: "
            f"its shape is {list(found)}, expected that of '{g.param}', {list(shape)}",
        )  # fmt: skip
        return True

    def _slope(
        self, param: str, direction: Any, env: dict[str, Any], weights: Mapping[str, Any]
    ) -> Any:
        """How the weighted outputs change as the elements of ``param`` move together."""

        def total(step: Any) -> Any:
            moved = env[param] + (step * direction).reshape(env[param].shape)
            outputs = self.ops.exact(self.op, {**env, param: moved})
            return mp.fsum(numpy.sum(outputs[o] * w) for o, w in weights.items())

        return (total(STEP) - total(-STEP)) / (2 * STEP)

    def _wrong(self, g: Gradient, case: Case, at: list[int], got: Any, want: Any) -> None:
        declared = self._declared(g.param)
        moved = f"element {at[0]}" if len(at) == 1 else f"elements {at}"
        said, what = ("declared", "") if declared else ("derived", "derived ")
        self.failed[g.param] = RegistryError(
            declared.place if declared else self.op.place,
            f"{what}gradient of '{g.param}' is wrong at {case}, {moved}: {said} "
            f"{show(got, want)}, meaning gives {show(want, got)}",
        )  # fmt: skip


def fitting(op: OpDef) -> list[Case]:
    """The cases that are small enough, the smallest first."""
    found = [c for c in cases(op) if 0 < _least(c) and _most(c) <= LARGEST and not _ties(c)]
    return sorted(found, key=_most)


def _ties(case: Case) -> bool:
    """Are elements drawn from a few values? At equal ones an op that selects has no slope."""
    return "values" in case.op.samples[case.number] and "values" not in case.args


def _sizes(case: Case) -> list[int]:
    return [v.size for v in case.args.values() if isinstance(v, numpy.ndarray)]


def _least(case: Case) -> int:
    return min(_sizes(case), default=0)


def _most(case: Case) -> int:
    return max(_sizes(case), default=0)


def _direction(size: int) -> Any:
    """No element is left out; the same at every run."""
    rng = numpy.random.default_rng(size)
    steps = rng.uniform(0.5, 2, size) * rng.choice((-1.0, 1.0), size)
    return numpy.asarray(_LIFT(steps), object)


def _reason(e: Exception) -> str:
    return e.message if isinstance(e, FormulaError) else str(e) or type(e).__name__


def _weights(value: Any, shift: int) -> Any:
    found = [mpf(COTANGENTS[(k + shift) % len(COTANGENTS)]) for k in range(value.size)]
    made = numpy.empty(value.size, dtype=object)
    made[:] = found
    return made.reshape(value.shape)
