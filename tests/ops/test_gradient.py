"""Gradients of every differentiable op in float64, against central differences.

First order at every element of every sample; second order the differences of the first; third order
runs. An element where the differences from left and right disagree sits on a kink or a jump: there
the gradient must lie between the two, and ``test_kinks`` asks for the declared value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmithc import samples, trials
from opsmithc.derive.index import analyse
from opsmithc.derive.op import Derived
from opsmithc.formula import Compare, Name
from opsmithc.opdef import Index, OpDef
from opsmithc.readings.np import evaluate_np
from opsmithc.samples import Case

from . import harness as h

STEP = 1e-6  # central differences of float64: rounding 1e-10, truncation 1e-12
CLOSE = 2e-6  # relative to the largest derivative of the tensor (1 where all are smaller)
KINK = 1e-3  # one-sided slopes of smooth functions differ by STEP times the curvature
JUMP = 1e4  # slopes beyond are a jump of at least 1e4 * STEP
MOST = 24  # elements of a tensor that are moved


def _weights(outputs: tuple[Any, ...], rng: np.random.Generator) -> list[Any]:
    """Positive: at a tie, a sum over some of them lies between none and all of them."""
    return [opsmith.tensor(rng.uniform(0.5, 1.5, tuple(t.shape))) for t in outputs]


def _carriers(outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Outputs that carry gradients; if none does, those that should: the gradient counts as 0."""
    carriers = tuple(t for t in outputs if t.requires_grad)
    return carriers or tuple(t for t in outputs if t.dtype.is_floating_point)


def _grad(total: Any, leaves: list[Any], **more: bool) -> list[Any]:
    if not total.requires_grad:
        return [None] * len(leaves)
    return list(opsmith.autograd.grad(total, leaves, allow_unused=True, **more))


def _scalar(outputs: tuple[Any, ...], weights: list[Any]) -> Any:
    return sum(((t * w).sum() for t, w in zip(outputs, weights, strict=True)), opsmith.tensor(0.0))


def _first(
    d: Derived, case: Case, seed: int
) -> tuple[list[Any], Callable[[], list[Any]], list[Any]]:
    """Leaves, a function that runs the op on them, weights of its outputs that carry gradients."""
    names = trials.differentiable(d)
    args = h.arguments(case, names)
    leaves = list(h.leaves(args, names))

    def run() -> tuple[Any, ...]:
        return _carriers(h.call(d.op, args))

    outputs = run()
    assert outputs, f"no output of {d.op.name} requires grad: {case}"
    rng = np.random.default_rng(seed + case.number)
    return leaves, run, _weights(outputs, rng)


def _slopes(value: Callable[[], float], flat: Any, at: Any) -> tuple[float, float]:
    """Differences of ``value`` to the right and to the left, when the elements ``at`` move."""
    kept = flat[at].copy()
    step = STEP * max(1.0, float(np.abs(kept).max()))
    middle = value()
    flat[at] = kept + step
    up = value()
    flat[at] = kept - step
    down = value()
    flat[at] = kept
    return (up - middle) / step, (middle - down) / step


def _groups(case: Case, flat: Any, name: str) -> list[Any]:
    """Which elements move together: one by one, or, where a sample has ties, those that are equal.

    At a tie an op selects one of the equals (or shares), and only their sum has a derivative. Of
    a symmetric matrix (an argument ``name``) the two elements that are one do.
    """
    if "values" in case.op.samples[case.number] and "values" not in case.args:
        return [np.flatnonzero(flat == v) for v in np.unique(flat[np.isfinite(flat)])]
    every = [[k] for k in range(flat.size)] if not name else samples.together(case, name)
    return [np.array(at) for at in every[:: max(1, -(-len(every) // MOST))]]


def _compare(
    op: OpDef,
    leaves: list[Any],
    value: Callable[[], float],
    grads: list[Any],
    case: Case,
    owners: list[str],
    close: float = CLOSE,
) -> None:
    """``grads`` against differences of ``value``, which reads the leaves' memory.

    ``owners``: the parameters that the first leaves are arguments of.
    """
    declared_zero = bool(op.stop) or _overwrites(op)
    owners = [*owners, *[""] * (len(leaves) - len(owners))]
    for k, (leaf, grad, name) in enumerate(zip(leaves, grads, owners, strict=True)):
        memory = leaf.detach().numpy()
        assert memory.flags.c_contiguous
        flat = memory.reshape(-1)
        every = np.zeros(flat.size) if grad is None else h.numpy(grad).reshape(-1)
        groups = _groups(case, flat, name)
        slopes = [_slopes(value, flat, at) for at in groups]
        steady = [abs(a + b) / 2 for a, b in slopes if max(abs(a), abs(b)) < JUMP]
        scale = max([1.0, *steady])
        for at, (right, left) in zip(groups, slopes, strict=True):
            central, got = (left + right) / 2, every[at].sum()
            if not max(abs(left), abs(right)) < JUMP:  # a jump, or not finite
                continue
            if abs(right - left) > KINK * scale:
                low, high = sorted((left, right))
                good = low - KINK * scale <= got <= high + KINK * scale
            else:
                good = abs(got - central) <= close * scale
            assert good or (declared_zero and (got == 0 or central == 0)), (
                f"{op.name}: gradient {got!r}, differences {central!r} (left {left!r}, right "
                f"{right!r}) at elements {list(at)} of leaf {k}, value {flat[at[0]]!r}: {case}"
            )


def _overwrites(op: OpDef) -> bool:
    """Does the op write elements at positions, the last of equal ones staying? As in PyTorch, those
    overwritten get a gradient all the same."""
    return isinstance(op.meaning, Index) and analyse(op).replace


@pytest.mark.trial("backward")
def test_first_order(derived: Derived) -> None:
    for case in samples.cases(derived.op, seed=h.SEED):
        _check_first(derived, case)


def _check_first(d: Derived, case: Case) -> None:
    leaves, run, weights = _first(d, case, 1)
    grads = _grad(_scalar(run(), weights), leaves)
    owners = list(h.owners(case, trials.differentiable(d)))
    _compare(d.op, leaves, lambda: _scalar(run(), weights).item(), grads, case, owners)


@pytest.mark.trial("double backward")
def test_second_order(derived: Derived) -> None:
    """Differences of the gradient, with respect to the arguments and to the cotangents."""
    for case in samples.cases(derived.op, seed=h.SEED):
        _check_second(derived, case)


def _check_second(d: Derived, case: Case) -> None:
    leaves, run, weights = _first(d, case, 2)
    weights = [w.requires_grad_(True) for w in weights]
    rng = np.random.default_rng(case.number)
    probes = [opsmith.tensor(rng.normal(size=tuple(t.shape))) for t in leaves]

    def directional(create: bool) -> Any:
        grads = _grad(_scalar(run(), weights), leaves, create_graph=create)
        pairs = [(g, v) for g, v in zip(grads, probes, strict=True) if g is not None]
        return sum(((g * v).sum() for g, v in pairs), opsmith.tensor(0.0))

    every = [*leaves, *weights]
    total = directional(True)
    # Off the graph is right only where the gradient is a constant: then all differences are 0.
    seconds = _grad(total, every) if total.requires_grad else [None] * len(every)
    owners = list(h.owners(case, trials.differentiable(d)))
    _compare(d.op, every, lambda: directional(False).item(), seconds, case, owners, close=2e-5)


@pytest.mark.trial("double backward")
def test_third_order(derived: Derived) -> None:
    """Runs, and is finite where the lower orders are."""
    case = next(samples.cases(derived.op, seed=h.SEED))
    leaves, run, weights = _first(derived, case, 3)
    total = _scalar(run(), weights)
    for order in range(3):
        grads = [g for g in _grad(total, leaves, create_graph=True) if g is not None]
        assert all(np.isfinite(h.numpy(g)).all() for g in grads), f"order {order + 1}: {case}"
        total = sum(((g * g).sum() for g in grads if g.requires_grad), opsmith.tensor(0.0))
        if not total.requires_grad:
            return


@pytest.mark.trial("backward")
@pytest.mark.where(lambda d: kinks(d.op))
def test_kinks(derived: Derived) -> None:
    """At a declared kink ``t == value``, backward gives the declared value."""
    op = derived.op
    for kink in kinks(op):
        name = kink.condition.node.left.id
        for case in samples.cases(op, seed=h.SEED):
            point = np.asarray(evaluate_np(kink.condition.node.right, case.args))
            if np.broadcast_shapes(point.shape, case.args[name].shape) != case.args[name].shape:
                point = np.float64(point.reshape(-1)[0])  # two broadcast operands: equal in a place
            moved = np.array(np.broadcast_to(point, case.args[name].shape), np.float64)
            at = Case(op, case.number, {**case.args, name: moved}, case.dtypes)
            names = trials.differentiable(derived)
            args = h.arguments(at, names)
            (out,) = h.call(op, args)
            grads = opsmith.autograd.grad(out, list(h.leaves(args, names)), opsmith.ones_like(out))
            for param, grad in zip(names, grads, strict=True):
                if param not in kink.values:
                    continue
                where = np.broadcast_to(evaluate_np(kink.condition.node, at.args), out.shape)
                if not where.all():
                    continue
                want = np.broadcast_to(evaluate_np(kink.values[param].node, at.args), out.shape)
                want = _sum_to(np.asarray(want, np.float64), at.args[param].shape)
                h.assert_same(op, grad, want, at)


def kinks(op: OpDef) -> list[Any]:
    """The declared kinks whose condition is ``t == value``."""
    nodes = [(k, k.condition.node) for k in op.kinks]
    return [
        k for k, n in nodes if isinstance(n, Compare) and n.op == "==" and isinstance(n.left, Name)
    ]


def _sum_to(a: Any, shape: tuple[int, ...]) -> Any:
    a = a.sum(tuple(range(a.ndim - len(shape))))
    return a.sum(tuple(d for d, s in enumerate(shape) if s == 1 and a.shape[d] != 1), keepdims=True)
