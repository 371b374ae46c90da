"""Result dtypes of every op: all pairs of dtypes, 0-d tensors and Python numbers, by the rule."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import numpy as np
import pytest

from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.dtypes import TABLE, DType, promote, promotion_table
from opsmithc.opdef import Body, Compose, OpDef
from opsmithc.readings import dtypes as rule
from opsmithc.readings.dtypes import Operand
from opsmithc.readings.value import Values

from . import harness as h


def test_promotion_table() -> None:
    """The table that C reads: symmetric, idempotent, associative up to the half floats."""
    table = promotion_table()
    for i, a in enumerate(TABLE):
        assert table[i][i] == i
        for j, b in enumerate(TABLE):
            assert table[i][j] == table[j][i]
            assert TABLE[table[i][j]] is promote(a, b)


def states_rule(op: OpDef) -> bool:
    """Does the entry state a rule? Without one a composition's dtype follows from what it calls."""
    return not isinstance(op.meaning, Body | Compose) or op.dtype.kind not in (
        "default",
        "no_opmath",
    )


def operand(case: samples.Case, name: str) -> Operand:
    return Operand(case.dtypes[name], 2 if np.ndim(case.args[name]) else 1)


def operands(case: samples.Case) -> dict[str, Operand]:
    found = {n: operand(case, n) for n in case.tensors}
    for n, v in case.args.items():  # lists: their members share a dtype
        if n in case.dtypes and isinstance(v, list):
            rank = 2 if any(x is not None and x.ndim for x in v) else 1
            found[n] = Operand(case.dtypes[n], rank)
    return found


def run(op: OpDef, args: dict[str, Any]) -> list[DType]:
    return [h.dtype_of(t) for t in h.call(op, args)]


@pytest.mark.trial("forward")
@pytest.mark.where(lambda d: states_rule(d.op))  # of a composition it follows from what that calls
def test_result(derived: Derived, values: Values) -> None:
    """One dtype for all tensors; what the op does not take raises."""
    op = derived.op
    for dtype in TABLE:
        case = next(samples.cases(op, dtype, h.SEED))
        args = h.arguments(case)
        reason = samples.refusal(op, dtype, values.ops)
        if reason and isinstance(op.meaning, Body | Compose):
            with contextlib.suppress(
                *h.ERRORS
            ):  # not taken, but nothing in a composition forbids it
                h.call(op, args)
            continue
        if reason:
            with pytest.raises(h.ERRORS):
                h.call(op, args)
            continue
        if isinstance(case.args.get("dtype"), DType):
            want = [case.args["dtype"]] * len(op.schema.outputs)
        else:
            want = list(rule.results(op, operands(case)))
        found = run(op, args)
        if op.schema.many:
            want = want[:1] * len(found)
        assert found == want, (
            f"{dtype.name}: {[d.name for d in found]}, rule says {[d.name for d in want]}"
        )


def promoted(op: OpDef) -> list[str]:
    """Two operands that are brought to one dtype, where the op has as many."""
    if op.dtype.kind == "same" or not states_rule(op):
        return []
    first = next(samples.cases(op, seed=h.SEED))
    pair = [n for n in op.dtype.args if n in first.tensors and n not in op.dtype.classes]
    return pair[:2] if len(pair) >= 2 else []


@pytest.mark.trial("forward")
@pytest.mark.where(lambda d: promoted(d.op))
def test_pairs(derived: Derived) -> None:
    """Two operands of every pair of dtypes; each also as a 0-d tensor; the second as a number."""
    op = derived.op
    first = next(samples.cases(op, seed=h.SEED))
    pair = promoted(op)
    for a, b in itertools.product(TABLE, TABLE):
        one, two = (next(samples.cases(op, d, h.SEED)) for d in (a, b))
        for scalar in ("", *pair, "number"):
            second = np.where(two.args[pair[1]] == 0, two.args[pair[1]] + 1, two.args[pair[1]])
            second = second.astype(two.args[pair[1]].dtype)  # no 0: it may be a divisor
            args = {**first.args, **{n: one.args[n] for n in pair}, pair[1]: second}
            kinds = {
                **first.dtypes,
                **{n: a for n in first.dtypes if n in op.dtype.args},
                pair[1]: b,
            }
            args.update({n: one.args[n] for n in op.dtype.args if n not in pair and n in args})
            value: Any = None
            if scalar in pair:
                args[scalar] = np.array(args[scalar].reshape(-1)[0])
            case = samples.Case(op, 0, args, kinds)
            given = operands(case)
            passed = h.arguments(case)
            if scalar == "number":
                value = args[pair[1]].reshape(-1)[0].item()
                passed[pair[1]] = value
                given[pair[1]] = rule.number(value)
            base = rule.common([given[n] for n in op.dtype.args if n in given])
            if samples.refusal(op, base):
                with pytest.raises(h.ERRORS):
                    h.call(op, passed)
                continue
            want, found = list(rule.results(op, given)), run(op, passed)
            shown = f"{pair[0]} {a.name}, {pair[1]} {b.name}, scalar: {scalar or 'none'} {value!r}"
            assert found == want, (
                f"{shown}: {[d.name for d in found]}, rule says {[d.name for d in want]}"
            )
