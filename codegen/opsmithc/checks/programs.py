"""In: an op of whole tensors. Out: its wrong gradients, with a sample each.

Must not know: kernels. A gradient that is a program of registry ops is run at 60 digits, on the
samples' tensors, and compared with differences of the meaning. What has no reading of such numbers
is left to the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from ..derive.op import Derived, Gradient, cotangent, differentiable_outputs
from ..errors import FormulaError, RegistryError
from ..formula import substitute
from ..opdef import OpDef
from ..readings.mp import evaluate_mp, finite, mp, mpf
from ..readings.value import NoValue, Values
from ..samples import Case, cases, together
from .differences import STEP, agree, show

LARGEST = 24  # elements of a tensor: differences run the meaning twice for each
COTANGENTS = (1.0, -0.5, 2.0, 0.25, -1.5, 3.0)
_LIFT = numpy.frompyfunc(mpf, 1, 1)
_MISSING = (NoValue, FormulaError, ArithmeticError, LookupError, TypeError, ValueError)


class Exact(Values):
    """Runs ops by their meaning on arrays of mpf."""

    evaluate = staticmethod(evaluate_mp)

    @staticmethod
    def floats(array: Any) -> Any:
        """Doubles are taken as they are."""
        return numpy.asarray(_LIFT(array), object)


class Programs:
    """The check of one entry."""

    def __init__(self, derived: Derived, ops: Mapping[str, OpDef]) -> None:
        """Nothing is evaluated yet."""
        self.derived, self.op = derived, derived.op
        self.ops = Exact(())
        self.ops.ops = ops
        self.compared = 0
        self.failed: dict[str, RegistryError] = {}
        self.deferred: set[str] = set()

    def run(self) -> None:
        """Check every gradient on every sample that is small enough."""
        for case in cases(self.op):
            sizes = [a.size for a in case.args.values() if isinstance(a, numpy.ndarray)]
            if sizes and 0 < min(sizes) and max(sizes) <= LARGEST and not _ties(case):
                self._sample(case)
        if not self.compared:
            self.deferred |= set(self.derived.gradients) - set(self.failed)

    def _sample(self, case: Case) -> None:
        env = {
            n: self.ops.floats(v) if isinstance(v, numpy.ndarray) and v.dtype.kind == "f" else v
            for n, v in case.args.items()
        }
        try:
            outputs = self._outputs(env)
        except _MISSING:
            return
        carriers = enumerate(differentiable_outputs(self.op))
        weights = {o: _weights(outputs[o], k) for k, o in carriers}
        known = {**env, **outputs, **{cotangent(self.op, o): w for o, w in weights.items()}}
        if not all(finite(v) for o in weights for v in outputs[o].ravel()):
            return
        for g in self.derived.gradients.values():
            if g.param not in self.failed and isinstance(env.get(g.param), numpy.ndarray):
                self._gradient(g, case, known, env, weights)

    def _outputs(self, env: Mapping[str, Any]) -> dict[str, Any]:
        found = [numpy.asarray(v) for v in self.ops.outputs(self.op, env)]
        named = dict(zip(self.op.schema.outputs, found, strict=True))
        if any(named[o].dtype != object for o in differentiable_outputs(self.op)):
            raise NoValue("the meaning is read in doubles")
        return named

    def _gradient(
        self, g: Gradient, case: Case, known: Mapping[str, Any], env: dict[str, Any],
        weights: Mapping[str, Any],
    ) -> None:  # fmt: skip
        let = {k: f.node for k, f in self.op.let.items()}
        try:
            got = evaluate_mp(substitute(g.formula, let), known, self.ops)
            flat = numpy.broadcast_to(got, env[g.param].shape).ravel()
            for at, slope in self._slopes(g.param, case, env, weights):
                self.compared += 1
                if not agree(mp.fsum(flat[at]), slope):
                    self._wrong(g, case, at, mp.fsum(flat[at]), slope)
                    return
        except _MISSING:
            self.deferred.add(g.param)

    def _slopes(
        self, param: str, case: Case, env: dict[str, Any], weights: Mapping[str, Any]
    ) -> Iterator[tuple[list[int], Any]]:
        """Which elements move, and how the weighted outputs change."""

        def total(step: Any, at: list[int]) -> Any:
            moved = env[param].copy()
            moved.reshape(-1)[at] += step
            outputs = self._outputs({**env, param: moved})
            return mp.fsum(numpy.sum(outputs[o] * w) for o, w in weights.items())

        for at in together(case, param):
            yield at, (total(STEP, at) - total(-STEP, at)) / (2 * STEP)

    def _wrong(self, g: Gradient, case: Case, at: list[int], got: Any, want: Any) -> None:
        table = self.op.grad if g.param in self.op.grad else self.op.transpose
        place = table[g.param].place if g.param in table else self.op.place
        moved = f"element {at[0]}" if len(at) == 1 else f"elements {at}"
        self.failed[g.param] = RegistryError(
            place, f"gradient of '{g.param}' is wrong at {case}, {moved}: declared "
            f"{show(got, want)}, meaning gives {show(want, got)}",
        )  # fmt: skip


def _ties(case: Case) -> bool:
    """Are elements drawn from a few values? At equal ones an op that selects has no slope."""
    return "values" in case.op.samples[case.number] and "values" not in case.args


def _weights(value: Any, shift: int) -> Any:
    found = [mpf(COTANGENTS[(k + shift) % len(COTANGENTS)]) for k in range(value.size)]
    made = numpy.empty(value.size, dtype=object)
    made[:] = found
    return made.reshape(value.shape)
