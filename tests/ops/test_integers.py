"""Integer arithmetic that has no answer is refused, not answered by some number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import opsmith
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.formula import Call, Name, walk
from opsmithc.intrinsics import table
from opsmithc.lower.pointwise import meaning_formula
from opsmithc.opdef import Out
from opsmithc.samples import Case

from . import harness as h

INTEGERS = ("int64", "int32", "int16", "int8", "uint8")


def divisors(derived: Derived) -> set[str]:
    """Operands that the op's meaning divides by, in integers."""
    op = derived.op
    if not isinstance(op.meaning, Out):
        return set()
    found = set()
    for output in op.schema.outputs:
        formula = meaning_formula(op, output, "int")
        for node in walk(formula) if formula is not None else ():
            if isinstance(node, Call) and node.fn in table() and table()[node.fn].divisor:
                by = node.args[table()[node.fn].args.index(table()[node.fn].divisor)]
                found |= {by.id} if isinstance(by, Name) else set()
    return found


@pytest.mark.parametrize("name", INTEGERS)
def test_division_by_zero(derived: Derived, name: str) -> None:
    by = divisors(derived)
    if not by:
        return
    op = derived.op
    case = next(samples.cases(op, seed=h.SEED))
    for operand in by:
        args = integers(case, getattr(opsmith, name))
        assert all(
            t.shape == w.shape for t, w in zip(h.call(op, args), h.call(op, args), strict=True)
        )
        args[operand].view(-1)[-1] = 0
        for suffix in ("", "_") if "inplace" in op.variants else ("",):
            if suffix and "hidden" in op.variants:
                continue
            with pytest.raises(RuntimeError, match="^ZeroDivisionError$"):
                h.call(op, args, suffix)


def integers(case: Case, dtype: Any) -> dict[str, Any]:
    return {
        n: opsmith.tensor(np.maximum(np.round(np.abs(v)), 1), dtype=dtype)
        if isinstance(v, np.ndarray)
        else v
        for n, v in case.args.items()
    }


@pytest.mark.parametrize("n", [1, 600, 200_000])
@pytest.mark.parametrize("where", [0, -1])
def test_zero_anywhere(n: int, where: int) -> None:
    """In whatever block and thread the zero lies, and behind every way to the kernel."""
    ones = opsmith.ones(n, dtype=opsmith.int64)
    zero = ones.clone()
    zero[where] = 0
    wide = opsmith.ones(2 * n, dtype=opsmith.int64)
    wide[1::2] = zero
    for divisor in (zero, wide[1::2], zero.to(opsmith.int16), zero.view(n, 1)[:, 0]):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            ones // divisor
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            ones % divisor
    assert (ones // zero.float()).isinf().any()
    assert (ones // 1 == ones).all()  # the error is gone with the call that had it


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x // 0, lambda x: x % 0, lambda x: 1 // (x - x), lambda x: 1 % (x - x),
        lambda x: x.fmod(0), lambda x: x.floor_divide_(0), lambda x: x.remainder_(0),
        lambda x: opsmith.div(x, 0, rounding_mode="trunc"),
        lambda x: opsmith.div(x, 0, rounding_mode="floor"),
        lambda x: opsmith.floor_divide(x, opsmith.tensor(0)),
    ],
)  # fmt: skip
def test_division_by_the_number_zero(call: Any) -> None:
    x = opsmith.tensor([1, 2])
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        call(x)
    empty = opsmith.tensor([], dtype=opsmith.int64)
    assert call(empty).numel() == 0


def test_negative_powers() -> None:
    x = opsmith.tensor([1, 2])
    for call in (
        lambda: x**-1, lambda: x.pow_(-1), lambda: opsmith.pow(x, -2),
        lambda: x.to(opsmith.uint8) ** -1,
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="negative"):
            call()
    assert (x.float() ** -1).tolist() == [1.0, 0.5]
    assert (x**-1.0).tolist() == [1.0, 0.5]
    assert (x ** opsmith.tensor([-1, 2])).tolist() == [1, 4]
    assert (x ** opsmith.tensor(-1)).tolist() == [1, 0]
    assert (2 ** opsmith.tensor([-1, 1])).tolist() == [0, 2]
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["add", "sub", "rsub"])
def test_float_weights_of_integers(name: str) -> None:
    f = getattr(opsmith, name)
    x = opsmith.tensor([1])
    for other in (opsmith.tensor([2]), 2):
        with pytest.raises(RuntimeError, match="alpha"):
            f(x, other, alpha=2.5)
    assert f(x, opsmith.tensor([2.0]), alpha=2.5).dtype is opsmith.float32
    assert f(x.double(), x, alpha=2.5).dtype is opsmith.float64
    if name != "rsub":
        with pytest.raises(RuntimeError, match="alpha"):
            getattr(opsmith, f"{name}_")(x, x, alpha=2.5)
    assert x.tolist() == [1]


def test_true_division_of_a_user_is_not_cs(tmp_path: Any, monkeypatch: Any) -> None:
    """C's division of integers by zero ends the process; `/` is defined for floats alone."""
    monkeypatch.setenv("OPSMITH_CACHE", str(tmp_path))
    mine = opsmith.ops.define(
        "- op: ratio(Tensor input, Tensor other) -> Tensor\n"
        "  out: input / other\n"
        "  samples: [{input: [3, 4], other: [3, 4], range: [1, 3]}]\n"
    )
    assert mine.ratio(opsmith.tensor([1.0]), opsmith.tensor([0.0])).item() == float("inf")
    with pytest.raises(NotImplementedError, match='"ratio" not implemented for'):
        mine.ratio(opsmith.tensor([1]), opsmith.tensor([0]))
