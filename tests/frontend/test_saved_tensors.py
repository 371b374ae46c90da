"""Hooks on saved tensors, edges of the graph, and older names of autograd."""

from __future__ import annotations

import pytest

import opsmith
from opsmith import nn
from opsmith.autograd import Variable, grad, gradgradcheck
from opsmith.autograd.graph import (
    GradientEdge,
    disable_saved_tensors_hooks,
    get_gradient_edge,
    increment_version,
    save_on_cpu,
    saved_tensors_hooks,
)


def gradients(model, x, block=None):
    model.zero_grad()
    x = x.detach().requires_grad_(True)
    if block is None:
        out = model(x)
    else:
        with block:
            out = model(x)
    out.pow(2).sum().backward()
    return [x.grad, *(p.grad for p in model.parameters())]


def test_gradients_are_those_without():
    opsmith.manual_seed(0)
    layers = nn.Linear(4, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3), nn.Softmax(-1)
    model = nn.Sequential(*layers)
    x = opsmith.randn(5, 4)
    plain = gradients(model, x)
    packed, unpacked = [], []

    def pack(t):
        assert not opsmith.is_grad_enabled()
        packed.append(tuple(t.shape))
        return t.numpy(force=True).copy()

    def unpack(a):
        unpacked.append(a.shape)
        return opsmith.from_numpy(a)

    found = gradients(model, x, saved_tensors_hooks(pack, unpack))
    for a, b in zip(plain, found, strict=True):
        opsmith.testing.assert_close(a, b)
    assert (5, 4) in packed and len(packed) >= 6 and len(unpacked) == len(packed)
    for a, b in zip(plain, gradients(model, x, save_on_cpu()), strict=True):
        assert opsmith.equal(a, b)
    assert opsmith._functions.blocks == 0


def test_what_is_unpacked_counts():
    x = opsmith.tensor([1.0, 2.0], requires_grad=True)
    with saved_tensors_hooks(lambda t: t * 10, lambda t: t):
        y = x * x
        z = y.exp() * 0
    (y.sum() + z.sum()).backward()
    assert x.grad.tolist() == [20, 40]


def test_a_write_after_packing_is_no_mistake():
    x = opsmith.tensor([1.0, 2.0], requires_grad=True)
    with saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = (x * 2).sin()
        h = x * 3
        z = h.exp()
    h.detach().zero_()
    (y.sum() + z.sum()).backward()
    expected = 2 * (2 * x.detach()).cos() + 3 * (3 * x.detach()).exp()
    opsmith.testing.assert_close(x.grad, expected)


def test_second_derivatives_and_lists():
    x = opsmith.randn(3, 2, dtype=opsmith.float64, requires_grad=True)
    w = opsmith.randn(2, 2, dtype=opsmith.float64, requires_grad=True)

    def f(x, w):
        with saved_tensors_hooks(lambda t: (t.detach().clone(),), lambda p: p[0]):
            return opsmith.cat([x @ w, x.sin()]).softmax(1) * x[0]

    assert gradgradcheck(f, (x, w))


def test_custom_functions():
    class Square(opsmith.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.detach() ** 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = opsmith.tensor([3.0], requires_grad=True)
    count = []
    with saved_tensors_hooks(lambda t: count.append(1) or t.clone(), lambda t: t):
        y = Square.apply(x) * 1  # an operation follows, which sees the node behind it
    y.backward()
    assert count == [1] and x.grad.item() == 6


def test_blocks_nest_and_can_be_forbidden():
    x = opsmith.tensor([1.0], requires_grad=True)
    seen = []

    def note(name):
        return saved_tensors_hooks(lambda t: seen.append(name) or t, lambda t: t)

    with note("outer"):
        x.exp()
        with note("inner"):
            x.exp()
    assert seen == ["outer", "inner"]
    with disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        note("never").__enter__()
    with note("again"):
        pass
    with saved_tensors_hooks(lambda t: t, lambda t: "text"):
        y = x.exp()
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got str"):
        y.backward()


def test_edges():
    x = opsmith.ones(4, 2, requires_grad=True)
    edge = get_gradient_edge(x.max(1)[0])
    assert isinstance(edge, GradientEdge) and edge.output_nr == 0
    node, k = edge
    assert node is edge.node and k == 0 and "GradientEdge(node=<MaxDimBackward0" in repr(edge)


def test_a_version_can_be_counted():
    x = opsmith.ones(2, requires_grad=True)
    h = x * 1
    y = h.exp() * h
    increment_version(h)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_older_names():
    x = Variable(opsmith.ones(2), requires_grad=True)
    assert type(x) is opsmith.Tensor and x.requires_grad and isinstance(x, Variable)
    assert isinstance(opsmith.ones(1), Variable) and not isinstance(3, Variable)
    assert grad((x * 2).sum(), x)[0].tolist() == [2, 2]
    with opsmith.autograd.set_multithreading_enabled(False):
        pass
