"""Checkpointing: the same gradients with and without, of every kind, and what memory it saves."""

from __future__ import annotations

import gc

import pytest

import opsmith
from opsmith import nn
from opsmith._boundary import lib
from opsmith.autograd import grad, gradcheck, gradgradcheck
from opsmith.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    detach_variable,
    set_checkpoint_early_stop,
)


def net():
    opsmith.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))


def gradients(run):
    model = net()
    opsmith.manual_seed(1)
    x = opsmith.randn(5, 4).requires_grad_(True)
    opsmith.manual_seed(2)
    out = run(model, x * 1)
    after = opsmith.rand(2)
    (out**2).sum().backward()
    return [x.grad, *(p.grad for p in model.parameters()), out.detach(), after]


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradients_and_random_numbers_are_those_without(reentrant):
    plain = gradients(lambda model, x: model(x))
    found = gradients(lambda model, x: checkpoint(model, x, use_reentrant=reentrant))
    for a, b in zip(plain, found, strict=True):
        assert opsmith.equal(a, b)


def test_random_numbers_differ_where_they_are_not_kept():
    x = opsmith.ones(1000, requires_grad=True)
    seen = []

    def f(x):
        seen.append(nn.functional.dropout(x, 0.5))
        return seen[-1] * x

    checkpoint(f, x, use_reentrant=False, preserve_rng_state=False).sum().backward()
    assert len(seen) == 2 and not opsmith.equal(seen[0].detach(), seen[1].detach())


def test_the_function_runs_again_in_backward_only():
    count = [0]

    def f(x, *, scale, more):
        count[0] += 1
        return {"a": [x * scale, more[0].exp()], "n": 3}

    x, m = opsmith.ones(3, requires_grad=True), opsmith.zeros(2, requires_grad=True)
    out = checkpoint(f, x, scale=2.0, more=(m,), use_reentrant=False)
    assert count == [1] and out["n"] == 3
    assert type(out["a"][0].grad_fn).__name__ == "CheckpointBackward"
    (out["a"][0].sum() + out["a"][1].sum()).backward()
    assert count == [2] and x.grad.tolist() == [2, 2, 2] and m.grad.tolist() == [1, 1]
    with opsmith.no_grad():
        assert not checkpoint(f, x, scale=2.0, more=(m,), use_reentrant=False)["a"][0].requires_grad
    assert count == [3]


def test_second_derivatives():
    w = opsmith.randn(3, 3, dtype=opsmith.float64, requires_grad=True)
    x = opsmith.randn(2, 3, dtype=opsmith.float64, requires_grad=True)

    def f(x, w):
        return checkpoint(lambda a: (a @ w).tanh() * a.sum(), x * 2, use_reentrant=False)

    assert gradcheck(f, (x, w)) and gradgradcheck(f, (x, w))


def test_grad_reaches_what_the_function_closes_over():
    w = opsmith.randn(3, requires_grad=True)
    y = w * 2
    z = y.sin()
    out = checkpoint(lambda a: (a * y * z).sum(), y, use_reentrant=False)
    plain = (y * y * z).sum()
    for wanted in ((w,), (y,), (z, y), (w, y, z)):
        found = grad(out, wanted, retain_graph=True)
        for a, b in zip(found, grad(plain, wanted, retain_graph=True), strict=True):
            opsmith.testing.assert_close(a, b)


def test_hooks_run_once():
    w = opsmith.ones(3, requires_grad=True)
    y = w * 2
    seen = []
    w.register_hook(lambda g: seen.append("w"))
    y.register_hook(lambda g: seen.append("y"))
    y.retain_grad()
    checkpoint(lambda a: a * w, y, use_reentrant=False).sum().backward()
    assert sorted(seen) == ["w", "y"] and y.grad.tolist() == [1, 1, 1]
    assert w.grad.tolist() == [4, 4, 4]


def test_nested():
    x = opsmith.linspace(0.1, 1, 4).requires_grad_(True)

    def inner(a):
        return a.exp() * a

    def outer(a):
        return checkpoint(inner, a * 2, use_reentrant=False).sin()

    checkpoint(outer, x, use_reentrant=False).sum().backward()
    found, x.grad = x.grad, None
    inner(x * 2).sin().sum().backward()
    opsmith.testing.assert_close(found, x.grad)


def test_sequential():
    opsmith.manual_seed(0)
    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(5)])
    x = opsmith.randn(2, 4, requires_grad=True)
    model(x).sum().backward()
    plain = [x.grad] + [p.grad for p in model.parameters()]
    for segments in (1, 2, 5):
        x.grad = None
        model.zero_grad()
        checkpoint_sequential(model, segments, x, use_reentrant=False).sum().backward()
        for a, b in zip(plain, [x.grad] + [p.grad for p in model.parameters()], strict=True):
            opsmith.testing.assert_close(a, b)


def test_autocast_is_that_of_the_first_time():
    seen = []

    def f(x):
        seen.append((x @ x).dtype)
        return x @ x

    x = opsmith.rand(3, 3, requires_grad=True)
    with opsmith.autocast("cpu"):
        out = checkpoint(f, x, use_reentrant=False)
    out.sum().backward()
    assert seen == [opsmith.bfloat16] * 2


def test_contexts():
    seen = []

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            seen.append(self.name)

        def __exit__(self, *exc):
            pass

    x = opsmith.ones(2, requires_grad=True)
    with set_checkpoint_early_stop(False):
        out = checkpoint(
            lambda a: a * 2, x, use_reentrant=False,
            context_fn=lambda: (Note("first"), Note("second")),
        )  # fmt: skip
    out.sum().backward()
    assert seen == ["first", "second"]


def test_memory_of_intermediate_values():
    def f(x):
        for _ in range(20):
            x = (x * 1.01).sin()
        return x

    def held(run):
        x = opsmith.ones(1000, requires_grad=True)
        gc.collect()
        before = lib.ops_live_bytes()
        out = run(x)
        gc.collect()
        found = lib.ops_live_bytes() - before
        out.sum().backward()
        return found

    assert held(f) > 20 * 4000
    assert held(lambda x: checkpoint(f, x, use_reentrant=False)) < 3 * 4000


def test_refusals():
    x = opsmith.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        checkpoint(lambda a: a, x)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        out = checkpoint(lambda a: a * x, opsmith.ones(2), use_reentrant=True)
    assert not out.requires_grad
    with pytest.raises(ValueError, match="Unexpected keyword arguments: k"):
        checkpoint(lambda a, k: a, x, k=1, use_reentrant=True)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(lambda a: a, x, debug=True, use_reentrant=True)
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(lambda a: a, x, use_reentrant=False, determinism_check="x")
    sizes = [2, 3]
    out = checkpoint(
        lambda a: (a.sum() * opsmith.ones(sizes.pop())), x, use_reentrant=False
    )  # fmt: skip
    with pytest.raises(CheckpointError, match=r"first: \[3\].*\nrecomputed: \[2\]"):
        out.sum().backward()
    y = opsmith.ones(2, requires_grad=True) * 1
    out = checkpoint(lambda a: a * a, y, use_reentrant=False)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        out.sum().backward()
    with pytest.raises(RuntimeError, match="Unsupported input type: list"):
        detach_variable([x])
    d, n = detach_variable((x, 3))
    assert d.requires_grad and d is not x and n == 3


def test_a_second_backward_needs_the_graph_kept():
    x = opsmith.ones(2, requires_grad=True)
    out = checkpoint(lambda a: a * a, x, use_reentrant=False).sum()
    out.backward(retain_graph=True)
    out.backward()
    assert x.grad.tolist() == [4, 4]
    with pytest.raises(RuntimeError, match="second time"):
        out.backward()
