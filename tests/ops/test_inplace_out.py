"""In-place and ``out=`` forms: equal the function, bump versions, refuse what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import opsmith
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.dtypes import DType
from opsmithc.opdef import OpDef, View
from opsmithc.readings.value import Values

from . import harness as h
from .harness import skip_refused


def first(op: OpDef) -> str:
    return next(p.name for p in op.schema.params if p.type.base == "Tensor")


def fits(op: OpDef, case: samples.Case, want: Any) -> bool:
    """Can the result be written into the first argument?"""
    kinds = ("bool", "int", "float")
    own = case.dtypes[first(op)]
    if isinstance(op.meaning, View):
        return True
    return tuple(want.shape) == np.shape(case.args[first(op)]) and kinds.index(
        h.dtype_of(want).kind
    ) <= kinds.index(own.kind)


def run_seeded(op: OpDef, args: dict[str, Any], suffix: str = "", **more: Any) -> tuple[Any, ...]:
    if op.random:
        h.seed(7)
    return h.call(op, args, suffix, **more)


@pytest.mark.trial("inplace")
def test_inplace(derived: Derived, dtype: DType, values: Values) -> None:
    op = derived.op
    skip_refused(op, dtype, values)
    for case in samples.cases(op, dtype, h.SEED):
        (want,) = run_seeded(op, h.arguments(case))
        args = h.arguments(case)
        target = args[first(op)]
        before = target._version
        if not fits(op, case, want):
            with pytest.raises(h.ERRORS):
                run_seeded(op, args, "_")
            continue
        (got,) = run_seeded(op, args, "_")
        assert got is target, "an in-place form returns its first argument"
        assert target._version > before, "the version stays"
        assert target.dtype is h.torch_dtype(case.dtypes[first(op)])
        _same(target, want.to(target.dtype), case)


@pytest.mark.trial("inplace")
@pytest.mark.where(lambda d: not isinstance(d.op.meaning, View))
def test_inplace_strided(derived: Derived) -> None:
    """Into a strided view: the elements between stay; into overlapping memory: an error."""
    op = derived.op
    for case in samples.cases(op, seed=h.SEED):
        (want,) = run_seeded(op, h.arguments(case))
        if not fits(op, case, want) or np.ndim(case.args[first(op)]) == 0:
            continue
        args = h.arguments(case)
        shape = case.args[first(op)].shape
        memory = np.full((*shape[:-1], 2 * shape[-1]), 77, case.args[first(op)].dtype)
        memory[..., ::2] = case.args[first(op)]
        args[first(op)] = opsmith.from_numpy(memory)[..., ::2]
        run_seeded(op, args, "_")
        _same(args[first(op)], want, case)
        assert (memory[..., 1::2] == memory.dtype.type(77)).all()
        if want.numel() > 1:
            args = h.arguments(case)
            dtype = h.torch_dtype(case.dtypes[first(op)])
            args[first(op)] = opsmith.zeros(1, dtype=dtype).expand(*shape)
            with pytest.raises(RuntimeError):
                run_seeded(op, args, "_")


@pytest.mark.trial("inplace")
@pytest.mark.where(lambda d: isinstance(d.op.meaning, View))
def test_inplace_view(derived: Derived) -> None:
    """The tensor object shows the same memory as the view does; saved tensors notice."""
    op = derived.op
    for case in samples.cases(op, seed=h.SEED):
        args = h.arguments(case)
        target = args[first(op)]
        (want,) = h.call(op, args)
        address, stride = want.data_ptr(), want.stride()
        (got,) = h.call(op, args, "_")
        assert got is target and (got.data_ptr(), got.stride()) == (address, stride)
        got.zero_()
        assert not h.numpy(want).any()
        leaf = opsmith.ones(2, 2, requires_grad=True)
        saved = leaf * 2
        loss = (saved * saved).sum()
        saved.unsqueeze_(0)
        with pytest.raises(RuntimeError, match="modified by an in-?place"):
            loss.backward()


@pytest.mark.trial("inplace")
@pytest.mark.where(lambda d: d.differentiable)
def test_inplace_gradient(derived: Derived) -> None:
    """Backward through the in-place form gives the functional form's gradients."""
    op, names = derived.op, derived.differentiable
    for case in samples.cases(op, seed=h.SEED):
        args = h.arguments(case, names)
        (out,) = run_seeded(op, args)
        if not fits(op, case, out):
            continue
        weights = opsmith.tensor(np.random.default_rng(0).normal(size=tuple(out.shape)))
        leaves = list(h.leaves(args, names))
        want = opsmith.autograd.grad((out * weights).sum(), leaves, allow_unused=True)
        copied = {**args, first(op): args[first(op)] * 1}
        (got,) = run_seeded(op, copied, "_")
        found = opsmith.autograd.grad((got * weights).sum(), leaves, allow_unused=True)
        for f, w in zip(found, want, strict=True):
            assert (f is None) == (w is None)
            if f is not None:
                _same(f, w, case)


@pytest.mark.trial("out")
def test_out(derived: Derived, dtype: DType, values: Values) -> None:
    op = derived.op
    skip_refused(op, dtype, values)
    for case in samples.cases(op, dtype, h.SEED):
        want = run_seeded(op, h.arguments(case))
        out = tuple(opsmith.empty_like(w) for w in want)
        before = [o._version for o in out]
        got = run_seeded(op, h.arguments(case), out=out if len(out) > 1 else out[0])
        for g, o, w, v in zip(got, out, want, before, strict=True):
            assert g is o
            assert o._version > v
            _same(o, w, case)


@pytest.mark.trial("out")
def test_out_strided(derived: Derived) -> None:
    """Non-contiguous out, out that overlaps itself, out of another dtype."""
    op = derived.op
    for case in samples.cases(op, seed=h.SEED):
        want = run_seeded(op, h.arguments(case))
        if len(want) > 1 or want[0].ndim == 0:
            continue
        shape = tuple(want[0].shape)
        memory = opsmith.zeros(*shape[:-1], 2 * shape[-1], dtype=want[0].dtype)
        out = memory[..., ::2]
        run_seeded(op, h.arguments(case), out=out)
        _same(out, want[0], case)
        assert not h.numpy(memory[..., 1::2]).any()
        if want[0].numel() > 1:
            with pytest.raises(RuntimeError):
                overlapping = opsmith.zeros(1, dtype=want[0].dtype).expand(*shape)
                run_seeded(op, h.arguments(case), out=overlapping)
        if want[0].dtype.is_floating_point:
            with pytest.raises(RuntimeError):
                run_seeded(op, h.arguments(case), out=opsmith.empty(shape, dtype=opsmith.int64))


@pytest.mark.trial("out")
def test_out_shape(derived: Derived) -> None:
    """An empty out is resized; out= refuses operands that require grad."""
    op = derived.op
    case = next(samples.cases(op, seed=h.SEED))
    want = run_seeded(op, h.arguments(case))
    if len(want) > 1:
        pytest.skip("several outputs")
    out = opsmith.empty(0, dtype=want[0].dtype)
    run_seeded(op, h.arguments(case), out=out)
    assert out.shape == want[0].shape
    _same(out, want[0], case)
    if derived.differentiable:
        with pytest.raises(RuntimeError, match="automatic differentiation"):
            run_seeded(
                op, h.arguments(case, derived.differentiable), out=opsmith.empty_like(want[0])
            )


def _same(got: Any, want: Any, case: samples.Case) -> None:
    assert got.shape == want.shape, case
    a, b = h.numpy(got), h.numpy(want)
    close = np.isclose(
        a.astype(np.float64),
        b.astype(np.float64),
        1e-6 if a.itemsize < 8 else 1e-13,
        1e-12,
        equal_nan=True,
    )
    assert close.all(), f"{a[~close].reshape(-1)[:3]}, expected {b[~close].reshape(-1)[:3]}: {case}"


@pytest.mark.parametrize("n", [8, 513, 100_000])
def test_inplace_on_own_memory(n: int) -> None:
    """The first operand as another operand: the same elements are fine, shifted ones refused."""
    values = np.arange(n, dtype=np.float32) % 7
    x = opsmith.tensor(values)
    version = x._version
    assert np.array_equal(x.mul_(x).numpy(), values * values)
    assert x._version == version + 1
    x = opsmith.tensor(values)
    with pytest.raises(RuntimeError, match="single memory location"):
        x[1:].add_(x[:-1])
    assert np.array_equal(x.numpy(), values)
    pair = opsmith.tensor(values).repeat(2).reshape(2, n)
    pair[0].add_(pair[1], alpha=2)
    assert np.array_equal(pair.numpy(), np.stack([3 * values, values]))
