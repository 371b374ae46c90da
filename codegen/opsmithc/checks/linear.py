"""In: an op that says what it is linear in. Out: where it is not, with a sample.

Must not know: kernels. The op is run by its meaning at 60 digits on the samples' tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from ..derive.op import differentiable_outputs
from ..errors import RegistryError
from ..opdef import OpDef, Reference
from ..readings.mp import finite, mpf
from ..samples import Case
from .differences import agree, show
from .programs import LARGEST, MISSING, Exact, fitting

SAMPLES = 2  # the smallest of an entry
FIRST, SECOND = mpf(2), mpf(-3)  # of what a combination is made
_SHIFT = mpf(1) / 4


def check(op: OpDef, ops: Mapping[str, OpDef]) -> tuple[int, list[RegistryError]]:
    """How many numbers were compared, and what is wrong."""
    run = Exact(())
    run.ops = dict(ops)
    compared = 0
    for group in op.linear:
        seen = 0
        for case in fitting(op)[:SAMPLES]:
            try:
                found, wrong = _group(op, run, group, case)
            except MISSING:
                continue
            seen += found
            if wrong:
                return compared + seen, [RegistryError(op.place, wrong)]
        compared += seen
        if not seen and not isinstance(op.meaning, Reference):
            return compared, [RegistryError(
                op.place, f"linear: [{', '.join(group)}] is compared at no sample; expected one "
                f"whose tensors have 1 to {LARGEST} elements, drawn from a range",
            )]  # fmt: skip
    return compared, []


def _group(op: OpDef, run: Exact, group: tuple[str, ...], case: Case) -> tuple[int, str]:
    """Compare the op of a combination with the combination of the op's values."""
    first = run.lifted(case)
    moving = [n for n in group if getattr(getattr(first.get(n), "dtype", None), "kind", "") == "O"]
    second = {n: _other(first[n]) for n in moving}
    both = {n: FIRST * first[n] + SECOND * second[n] for n in moving}
    if not moving:
        return 0, ""
    x, y, z = (run.exact(op, {**first, **given}) for given in ({}, second, both))
    compared = 0
    for output in differentiable_outputs(op):
        want = FIRST * x[output] + SECOND * y[output]
        for a, b in zip(numpy.ravel(want), numpy.ravel(z[output]), strict=True):
            if not (finite(a) and finite(b)):
                continue
            compared += 1
            if not agree(a, b):
                return compared, (
                    f"linear: the op is not linear in {' and '.join(group)} at {case}: of "
                    f"2 * x - 3 * y it gives {show(b, a)}, expected {show(a, b)}, the same "
                    "combination of what it gives of x and of y"
                )
    return compared, ""


def _other(x: Any) -> Any:
    """Other numbers in the same shape."""
    return numpy.reshape(x.ravel()[::-1] * _SHIFT + _SHIFT, x.shape)
