"""Memory layouts: every op gives on any strides what it gives on contiguous tensors.

Views are made with slicing, transposition and as_strided over NumPy memory. Negative strides, which
``from_numpy`` refuses as PyTorch does, cannot be made in Python; the runtime's tests have them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.opdef import Body, Compose, OpDef, Out, Reduce, Scan, View
from opsmithc.readings import reference
from opsmithc.readings.value import Values
from opsmithc.samples import Case

from . import harness as h


def every_other(a: Any) -> Any:
    """In memory of twice the size along each dim."""
    if a.ndim == 0:
        return np.stack([a, a])[1:].reshape(())
    wide = np.zeros([2 * s + 1 for s in a.shape], a.dtype)
    at = tuple(slice(1, 2 * s + 1, 2) for s in a.shape)
    wide[at] = a
    return wide[at]


def columns(a: Any) -> Any:
    """Column-major."""
    return np.array(a, order="F")


def rotated(a: Any) -> Any:
    """The first dim varies fastest, the others keep their order; starts inside its memory."""
    if a.ndim < 2:
        return np.concatenate([a.reshape(-1)[:1], a.reshape(-1)])[1:].reshape(a.shape)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "every_other": every_other, "columns": columns, "rotated": rotated,
}  # fmt: skip


def laid_out(case: Case, make: Callable[[Any], Any]) -> dict[str, Any]:
    """The arguments in another layout, conditions and indices too."""

    def one(a: Any) -> Any:
        return a if a is None else opsmith.from_numpy(make(a))

    args = {}
    for n, v in case.args.items():
        if isinstance(v, np.ndarray):
            args[n] = one(v)
        elif isinstance(v, list) and n in case.dtypes:
            args[n] = [one(x) for x in v]
        else:
            args[n] = h._argument(case, n, v, False)
    return args


def absolute(d: Derived) -> bool:
    """Does the view address the storage itself, whatever the input's strides?"""
    from opsmithc.lower.view import is_absolute

    return isinstance(d.op.meaning, View) and is_absolute(d.op)


def views(op: OpDef) -> bool:
    """Is the result a view, itself or by what a composition of views calls?"""
    return isinstance(op.meaning, View) or isinstance(op.meaning, Body)


def undefined(op: OpDef) -> bool:
    """Are the values of the result not said?"""
    name = op.meaning.function.rpartition(".")[2] if isinstance(op.meaning, Compose) else ""
    return reference.UNDEFINED is getattr(reference, name, None)


def equal(a: Any, b: Any) -> bool:
    return a.shape == b.shape and np.allclose(h.numpy(a), h.numpy(b), 1e-12, 1e-12, equal_nan=True)


@pytest.mark.trial("test")
@pytest.mark.where(lambda d: not d.op.random and not absolute(d))
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_strides(derived: Derived, layout: str) -> None:
    op = derived.op
    for case in samples.cases(op, seed=h.SEED):
        want = h.call(op, h.arguments(case))
        try:
            got = h.call(op, laid_out(case, LAYOUTS[layout]))
        except RuntimeError as e:
            if views(op) and "view size is not compatible" in str(e):
                continue  # a view that these strides do not have: PyTorch refuses as well
            raise
        for g, w in zip(got, want, strict=True):
            assert equal(g, w) or undefined(op), f"{layout}: {case}"


@pytest.mark.trial("test")
@pytest.mark.where(lambda d: not d.op.random and not absolute(d))
def test_expanded(derived: Derived) -> None:
    """Operands of stride 0, and one tensor in all places."""
    op = derived.op
    for case in samples.cases(op, seed=h.SEED):
        flat = {
            n: np.broadcast_to(v[:1], v.shape)
            if isinstance(v, np.ndarray) and v.ndim and v.size
            else v
            for n, v in case.args.items()
        }
        dense = Case(
            op,
            case.number,
            {n: np.array(v) if isinstance(v, np.ndarray) else v for n, v in flat.items()},
            case.dtypes,
        )
        try:
            want = h.call(op, h.arguments(dense))
        except h.ERRORS:
            continue  # the repeated values are outside the op's domain
        try:
            got = h.call(op, laid_out(Case(op, case.number, flat, case.dtypes), lambda a: a))
        except RuntimeError as e:
            if (views(op) and "view" in str(e)) or "read-only" in str(e):
                continue  # no such view of an expanded tensor; or the op writes into its operand
            raise
        for g, w in zip(got, want, strict=True):
            assert equal(g, w) or undefined(op), str(case)


@pytest.mark.trial("test")
@pytest.mark.where(lambda d: isinstance(d.op.meaning, Out))
def test_pointwise_shapes(derived: Derived, values: Values) -> None:
    """0-d, empty and broadcast operands of pointwise ops."""
    op = derived.op
    case = next(samples.cases(op, seed=h.SEED))
    for shapes in (
        ((),) * 3,
        ((0,), (), (1,)),
        ((2, 0), (1, 1), (0,)),
        ((3, 1), (1, 2), ()),
        ((1,), (1, 1), (1,)),
    ):
        args = dict(case.args)
        for n, shape in zip(case.tensors, itertools.cycle(shapes), strict=False):
            args[n] = np.resize(args[n], shape) if args[n].size else np.ones(shape, args[n].dtype)
        one = Case(op, 0, args, case.dtypes)
        got = h.call(op, h.arguments(one))
        if op.random:
            continue
        want = h.expected(values, one)
        assert want is not None
        for g, w in zip(got, want, strict=True):
            h.assert_same(op, g, w, one)


@pytest.mark.trial("test")
@pytest.mark.where(lambda d: isinstance(d.op.meaning, Reduce | Scan))
def test_empty_axis(derived: Derived, values: Values) -> None:
    """Reductions and scans over an axis of size 0: the identity, or an error that says so."""
    op = derived.op
    case = next(samples.cases(op, seed=h.SEED))
    name = case.tensors[0]
    for shape, dim in (((0, 3), 0), ((0, 3), 1), ((2, 0), 1)):
        many = any(p.name == "dim" and p.type.is_list for p in op.schema.params)
        if not any(p.name == "dim" for p in op.schema.params):
            continue
        one = Case(
            op, 0, {**case.args, name: np.zeros(shape), "dim": [dim] if many else dim}, case.dtypes
        )
        try:
            got = h.call(op, h.arguments(one))
        except (IndexError, RuntimeError):
            assert shape[dim] == 0, str(one)
            continue
        for g, w in zip(got, h.expected(values, one) or (), strict=True):
            h.assert_same(op, g, w, one)


@pytest.mark.parametrize("consumed", [False, True])
def test_gradients_lie_as_their_operands(consumed: bool) -> None:
    """Transposed operands and cotangents give transposed gradients, not dense ones in C order."""
    a, b = np.random.default_rng(0).uniform(1, 2, (2, 5, 7, 3))
    want = {"x": 1 / b, "y": -a / (b * b)}
    x = opsmith.tensor(a).permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_()
    y = opsmith.tensor(b).permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_()
    out = x / y
    if consumed:
        out = out * 2.0
    out.backward(opsmith.full_like(out, 0.5 if consumed else 1.0))
    for t, name in ((x, "x"), (y, "y")):
        assert t.grad.stride() == t.stride() == (7, 1, 35)
        assert np.allclose(t.grad.numpy(), want[name])


def test_gradients_of_broadcast_and_absent_operands() -> None:
    x = opsmith.ones(4, 3).t().requires_grad_()
    y = opsmith.full((1, 4), 2.0, requires_grad=True)
    z = opsmith.ones(3, 4)
    (x * y * z).sum().backward()
    assert np.array_equal(x.grad.numpy(), np.full((3, 4), 2.0))
    assert np.array_equal(y.grad.numpy(), np.full((1, 4), 3.0))


@pytest.mark.parametrize("dims", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_flip_lies_as_its_operand(dims: tuple[int, ...]) -> None:
    x = opsmith.arange(60).reshape(3, 4, 5).permute(2, 0, 1)
    got = opsmith.flip(x, dims)
    assert got.stride() == x.stride() == (1, 20, 5)
    assert np.array_equal(got.numpy(), np.flip(x.numpy(), dims))
    assert opsmith.flip(x[..., ::2], dims).stride() == (1, 10, 5)
