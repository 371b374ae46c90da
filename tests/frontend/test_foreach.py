"""Forms on lists of tensors: as their in-place operation on each item, slow paths included."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith import _loading
from opsmith._generated import index


def tensors(seed: int) -> list[Any]:
    """Of several dtypes, layouts and sizes; one is empty."""
    rng = np.random.default_rng(seed)
    made = [opsmith.tensor(rng.uniform(0.2, 1.0, shape).astype(np.float32))
            for shape in ((3, 4), (700,), (0, 2), (), (5, 2))]  # fmt: skip
    made[1] = made[1].double()
    made[3] = made[3].to(opsmith.bfloat16)
    made[4] = made[4].t()
    return made


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("name", index.FOREACH)
def test_as_one_by_one(name: str, grad: bool) -> None:
    each = _loading.lookup(f"_foreach_{name}_")
    one = getattr(opsmith, f"{name}_", None) or _loading.lookup(f"{name}_")
    parameters = inspect.signature(each).parameters.values()
    operands = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    numbers = {p.name: 0.75 for p in parameters if p.kind is p.KEYWORD_ONLY}
    others = [tensors(k) for k in range(1, len(operands))]
    got, want = tensors(0), tensors(0)
    versions = [t._version for t in got]
    with opsmith.set_grad_enabled(grad):
        assert each(got, *others, **numbers) is None
        for k, t in enumerate(want):
            one(t, *(o[k] for o in others), **numbers)
    for g, w, before in zip(got, want, versions, strict=True):
        assert g.dtype is w.dtype and g.stride() == w.stride()
        assert g._version == before + 1
        assert opsmith.equal(g, w)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("factor", [3, 0.5, opsmith.tensor(2.0)])
def test_one_operand_for_all(grad: bool, factor: Any) -> None:
    got, want = tensors(0), tensors(0)
    with opsmith.set_grad_enabled(grad):
        opsmith._foreach_mul_(tuple(got), factor)
    for g, w in zip(got, want, strict=True):
        assert opsmith.equal(g, w.mul_(factor))


def test_recorded() -> None:
    x = opsmith.ones(3, requires_grad=True)
    items = [x * 2, opsmith.ones(2)]
    opsmith._foreach_mul_(items, [x, opsmith.ones(2)])
    items[0].sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 4.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        opsmith._foreach_add_([x], 1)


def test_subclasses_take_the_slow_path() -> None:
    seen = []

    class Noted(opsmith.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            seen.append(func)
            return super().__torch_function__(func, types, args, kwargs or {})

    noted = opsmith.ones(2).as_subclass(Noted)
    items = [opsmith.ones(2), noted, opsmith.ones(3)]
    with opsmith.no_grad():
        opsmith._foreach_add_(items, 1)
    assert seen
    assert [t.tolist() for t in items] == [[2.0, 2.0], [2.0, 2.0], [2.0, 2.0, 2.0]]


@pytest.mark.parametrize("grad", [False, True])
def test_refusals(grad: bool) -> None:
    x = [opsmith.zeros(2), opsmith.zeros(3), opsmith.zeros(4)]
    with opsmith.set_grad_enabled(grad):
        with pytest.raises(RuntimeError, match="must have the same number of tensors, got 3 and 2"):
            opsmith._foreach_add_(x, x[:2])
        with pytest.raises(RuntimeError, match=r"The size of tensor a \(3\) must match"):
            opsmith._foreach_add_(x, [opsmith.ones(2), opsmith.ones(7), opsmith.ones(4)])
        with pytest.raises(TypeError, match="list or a tuple"):
            opsmith._foreach_add_(x[0], x)
        with pytest.raises(TypeError, match="must be Tensor, not str"):
            opsmith._foreach_add_(x, "1")
        assert opsmith._foreach_add_([], []) is None
    assert [t.tolist() for t in x] == [[1.0, 1.0], [0.0] * 3, [0.0] * 4]  # up to the mistake


@pytest.mark.parametrize("foreach", [None, True, False])
def test_optimizer_steps_are_the_same(foreach: bool | None) -> None:
    params = [t.detach().requires_grad_() for t in tensors(0)]
    for p, g in zip(params[:-1], tensors(1), strict=False):
        p.grad = g
    opsmith.optim.SGD(params, lr=0.5, foreach=foreach).step()
    for p, start, g in zip(params[:-1], tensors(0), tensors(1), strict=False):
        assert opsmith.equal(p.detach(), start.add_(g, alpha=-0.5))
    assert opsmith.equal(params[-1].detach(), tensors(0)[-1])
