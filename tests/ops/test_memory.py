"""The memory of results: only what the registry says looks into an operand does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith._boundary import lib
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.formula import Call, IfExp, Name, Node, Seq
from opsmithc.opdef import Body, OpDef, View
from opsmithc.samples import Case

from . import harness as h


def shares(op: OpDef, ops: dict[str, OpDef]) -> bool:
    """May the result look into an operand's memory? A view, what ends in one, what says so."""
    if isinstance(op.meaning, View) or "shares" in op.variants:
        return True
    if not isinstance(op.meaning, Body):
        return False
    for _, block, _ in op.meaning.cases:
        if any(_looks(node, block.lets, ops) for node in _results(block.result)):
            return True
    return False


def _results(node: Node) -> Iterator[Node]:
    if isinstance(node, Seq):
        for item in node.items:
            yield from _results(item)
    elif isinstance(node, IfExp):
        yield from _results(node.then)
        yield from _results(node.other)
    else:
        yield node


def _looks(node: Node, lets: Sequence[tuple[str, Node]], ops: dict[str, OpDef]) -> bool:
    """Does the expression look into an operand? A name is what was last bound to it before."""
    if isinstance(node, Name):
        for k in reversed(range(len(lets))):
            if lets[k][0] == node.id:
                return any(_looks(n, lets[:k], ops) for n in _results(lets[k][1]))
        return True
    if isinstance(node, Call) and node.fn in ops:
        first = node.args[0] if node.args else None
        return shares(ops[node.fn], ops) and first is not None and _looks(first, lets, ops)
    return False


def tensors(v: Any) -> Iterator[Any]:
    if isinstance(v, opsmith.Tensor):
        yield v
    elif isinstance(v, list | tuple):
        for item in v:
            yield from tensors(item)


def smaller(case: Case) -> Case:
    """The case with one element a dim: where a copy is tempting to leave out."""

    def cut(v: Any) -> Any:
        if isinstance(v, np.ndarray):
            return v[(slice(0, 1),) * v.ndim]
        return [cut(x) for x in v] if isinstance(v, list) else v

    return Case(case.op, case.number, {n: cut(v) for n, v in case.args.items()}, case.dtypes)


def test_results_own_their_memory(derived: Derived, ops: tuple[Derived, ...]) -> None:
    """In-place writes into a result must not reach the operands, unless it is a view."""
    op = derived.op
    if shares(op, {d.op.name: d.op for d in ops}):
        return
    for case in samples.cases(op, seed=h.SEED):
        args = h.arguments(case)
        check(op, args, h.call(op, args), case)
        args = h.arguments(smaller(case))
        try:
            results = h.call(op, args)
        except h.ERRORS:
            continue  # the sizes of this case depend on each other
        check(op, args, results, case)


def check(op: OpDef, args: dict[str, Any], results: tuple[Any, ...], case: Case) -> None:
    held = {lib.ops_storage_pointer(t._h) for t in tensors(list(args.values())) if t.numel()}
    for t in tensors(list(results)):
        assert not t.numel() or lib.ops_storage_pointer(t._h) not in held, (
            f"{op.name}: the result looks into an operand: {case}"
        )
        assert not lib.ops_overlaps_itself(t._h), f"{op.name}: elements share memory: {case}"


def test_shares_is_true(derived: Derived) -> None:
    """An op that is said to look into an operand does so in some sample."""
    op = derived.op
    if "shares" not in op.variants:
        return
    seen = False
    cases = list(samples.cases(op, seed=h.SEED))
    for case in (*cases, *map(smaller, cases)):
        args = h.arguments(case)
        held = {lib.ops_storage_pointer(t._h) for t in tensors(list(args.values()))}
        try:
            results = h.call(op, args)
        except h.ERRORS:
            continue
        seen |= any(lib.ops_storage_pointer(t._h) in held for t in tensors(list(results)))
    assert seen


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x.repeat(3),
        lambda x: x.repeat(1, 3),
        lambda x: x.tile(3),
        lambda x: x.tile((2, 1)),
    ],
)
def test_repeats_of_one_element(make: Any) -> None:
    """What was repeated by stride 0 alone is copied."""
    x = opsmith.ones(1)
    y = make(x)
    y.mul_(5)
    assert x.tolist() == [1.0] and y.flatten().tolist() == [5.0] * y.numel()


def test_no_difference() -> None:
    x = opsmith.ones(3)
    y = opsmith.diff(x, n=0)
    y[0] = 5
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_a_refused_call_leaves_nothing() -> None:
    """The result and the copies of operands that overlap it, where a kernel or a check refuses."""
    a = opsmith.arange(1, 65).reshape(8, 8)
    zeros, wide = opsmith.zeros(8, 1, dtype=opsmith.int64), opsmith.arange(1, 9)
    memory = opsmith.arange(1, 33)
    even, thirds = memory[::2][:8], memory[::3][:8]  # in part the same elements: a copy is made

    def refused() -> None:
        for call in (
            lambda: a.t() // zeros,  # the kernel, into a new tensor
            lambda: even.floor_divide_(thirds * 0),
            lambda: opsmith.floor_divide(thirds, zeros[:, 0], out=even),  # after a copy
            lambda: memory[1:9].add_(memory[:8]),  # surely overlaps
            lambda: wide.add_(a),  # does not broadcast
        ):
            with pytest.raises(RuntimeError):
                call()

    refused()
    tensors, size = lib.ops_live_tensors(), lib.ops_live_bytes()
    for _ in range(20):
        refused()
    assert (lib.ops_live_tensors(), lib.ops_live_bytes()) == (tensors, size)
