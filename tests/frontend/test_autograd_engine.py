"""The backward pass: accumulation, graphs that are kept or freed, higher orders, errors, size."""

import gc

import pytest

import opsmith
from opsmith import tensor
from opsmith._boundary import lib
from opsmith.autograd import grad, gradcheck, gradgradcheck

F64 = opsmith.float64


def leaf(*values):
    return tensor([float(v) for v in values], dtype=F64, requires_grad=True)


def test_gradients_accumulate_over_uses_and_calls():
    x = leaf(1, 2)
    (x * x + 3 * x).sum().backward()
    assert x.grad.tolist() == [5, 7]
    (2 * x).sum().backward()
    assert x.grad.tolist() == [7, 9]


def test_a_diamond():
    x = leaf(2)
    a = x * 3
    (a * a + a.exp() * 0 + a).sum().backward()
    assert x.grad.tolist() == [39]


def test_second_backward_needs_retain_graph():
    x = leaf(1, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        grad(y, x)


def test_freeing_drops_what_was_saved():
    before = lib.ops_live_bytes()
    x = opsmith.ones(1000, requires_grad=True)
    y = (x * x).exp().sum()
    held = lib.ops_live_bytes()
    y.backward()
    x.grad = None
    assert lib.ops_live_bytes() < held
    del x, y
    assert lib.ops_live_bytes() <= before


def test_create_graph():
    x = leaf(3)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.sum().backward()
    assert x.grad.tolist() == [18]


def test_orders_one_to_four():
    x = leaf(2)
    y = (x**5).sum()
    for want in (80, 160, 240, 240):
        (y,) = grad(y, x, create_graph=True)
        assert y.tolist() == [want]
        y = y.sum()


def test_grad_of_grad_norm():
    x = leaf(1, -2, 3)
    assert gradcheck(lambda t: (t * t * t).sin(), [x])
    assert gradgradcheck(lambda t: (t * t * t).sin(), [x])

    def penalty(t):
        (g,) = grad((t**3).sum(), t, create_graph=True)
        return (g * g).sum()

    assert gradcheck(penalty, [x])


def test_grad_with_respect_to_inner_tensors():
    x = leaf(1, 2)
    y = x * 2
    z = (y * y).sum()
    gx, gy = grad(z, [x, y])
    assert gy.tolist() == [4, 8] and gx.tolist() == [8, 16]


def test_grad_leaves_leaves_alone():
    x, w = leaf(1), leaf(2)
    grad((x * w).sum(), x)
    assert x.grad is None and w.grad is None


def test_unused_inputs():
    x, w = leaf(1), leaf(2)
    with pytest.raises(RuntimeError, match="index 1 appears to not have been used"):
        grad((x * 2).sum(), [x, w], retain_graph=True)
    y = (x * 2).sum()
    assert grad(y, [x, w], allow_unused=True, retain_graph=True)[1] is None
    assert grad(y, [x, w], materialize_grads=True)[1].tolist() == [0]


def test_several_roots():
    x, w = leaf(1, 2), leaf(3, 4)
    opsmith.autograd.backward([(x * w).sum(), x * 2], [None, tensor([1.0, 10.0], dtype=F64)])
    assert x.grad.tolist() == [5, 24] and w.grad.tolist() == [1, 2]


def test_inputs_argument():
    x, w = leaf(1), leaf(2)
    (x * w).sum().backward(inputs=[x])
    assert x.grad.tolist() == [2] and w.grad is None


ERRORS = [
    (lambda x: (x * 2).backward(), "only for scalar outputs"),
    (lambda x: x.detach().sum().backward(), "does not require grad and does not have a grad_fn"),
    (lambda x: (x * 2).backward(opsmith.ones(3)), "Mismatch in shape"),
    (lambda x: grad((x * 2).sum(), x.detach()), "does not require grad"),
    (lambda x: (x * 2).sum().backward(inputs=[]), "cannot be empty"),
    (lambda x: (x * 2).requires_grad_(False), "you can only change requires_grad flags of leaf"),
    (lambda x: opsmith.tensor([1]).requires_grad_(), "floating point"),
]


@pytest.mark.parametrize(("use", "text"), ERRORS, ids=[t for _, t in ERRORS])
def test_errors(use, text):
    with pytest.raises(RuntimeError, match=text):
        use(leaf(1, 2))


def test_modes():
    x = leaf(1)
    with opsmith.no_grad():
        assert not (x * 2).requires_grad
        with opsmith.enable_grad():
            assert (x * 2).requires_grad
    opsmith.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    opsmith.set_grad_enabled(True)
    assert (x * 2).requires_grad

    @opsmith.no_grad()
    def f():
        return x * 2

    assert not f().requires_grad


def test_detach_cuts():
    x = leaf(3)
    (x * x.detach()).sum().backward()
    assert x.grad.tolist() == [3]


def test_mixed_dtypes_and_broadcasting_come_back():
    x = opsmith.ones(3, 1, requires_grad=True)
    w = opsmith.ones(4, dtype=F64, requires_grad=True)
    (x * w).sum().backward()
    assert x.grad.dtype is opsmith.float32 and x.grad.tolist() == [[4], [4], [4]]
    assert w.grad.dtype is F64 and w.grad.tolist() == [3, 3, 3, 3]


def test_several_outputs():
    x = leaf(3, 1, 2)
    values, indices = x.cummax(0)
    assert not indices.requires_grad and values.requires_grad
    (values * tensor([1.0, 2.0, 4.0], dtype=F64)).sum().backward()
    assert x.grad.tolist() == [7, 0, 0]


def test_a_million_ops():
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + x
    y.sum().backward()
    assert x.grad.tolist() == [1_000_001]
    del y


def test_a_long_chain_is_freed_without_backward():
    x = leaf(1.0)
    y = x
    for _ in range(300_000):
        y = y * 1.0
    del y
    gc.collect()


def test_no_leak_in_a_loop():
    x = opsmith.ones(64, requires_grad=True)

    def step():
        x.grad = None
        y = (x * x).exp() * 1.0
        v = y[3:9]
        v.mul_(2)
        (y.sum() + v.sum()).backward()

    step()
    gc.collect()
    tensors, size = lib.ops_live_tensors(), lib.ops_live_bytes()
    for _ in range(300):
        step()
    assert lib.ops_live_tensors() <= tensors and lib.ops_live_bytes() <= size


def test_no_cycles():
    """Graphs go without the collector."""
    gc.collect()
    gc.disable()
    try:
        tensors = lib.ops_live_tensors()
        for _ in range(10):
            x = opsmith.ones(8, requires_grad=True)
            y = (x.exp().tanh() * x).sum()
            y.backward()
            del x, y
        assert lib.ops_live_tensors() <= tensors
    finally:
        gc.enable()


def test_grad_of_many_cotangents_at_once():
    x, w = opsmith.randn(3, requires_grad=True), opsmith.randn(2, requires_grad=True)
    y = (x * x).sum() * w
    v = opsmith.eye(2)
    gx, gw = opsmith.autograd.grad(y, (x, w), v, is_grads_batched=True, retain_graph=True)
    assert gx.shape == (2, 3) and gw.shape == (2, 2)
    for k in range(2):
        one = opsmith.autograd.grad(y, (x, w), v[k], retain_graph=True)
        assert opsmith.equal(gx[k], one[0]) and opsmith.equal(gw[k], one[1])
    (g,) = opsmith.autograd.grad((y,), (x,), (v,), is_grads_batched=True, create_graph=True)
    assert opsmith.allclose(opsmith.autograd.grad(g.sum(), w)[0], 2 * x.sum().expand(2))
    none = opsmith.ones(0, 2)
    assert opsmith.autograd.grad(y, (x,), none, is_grads_batched=True)[0].shape == (0, 3)
    rows = opsmith.ones(4, 2)
    unused = {"is_grads_batched": True, "retain_graph": True}
    assert opsmith.autograd.grad(w * 2, (x,), rows, allow_unused=True, **unused) == (None,)
    (z,) = opsmith.autograd.grad(w * 2, (x,), rows, materialize_grads=True, **unused)
    assert z.tolist() == [0, 0, 0]
    for cotangents, text in (
        (opsmith.ones(3), r"grad_output\[0\] has a shape of torch.Size\(\[3\]\)"),
        (None, "implicitly created only for scalar"),
    ):
        with pytest.raises(RuntimeError, match=text):
            opsmith.autograd.grad(w * 2, (w,), cotangents, is_grads_batched=True)
    with pytest.raises(ValueError, match=r"rows: \[2, 3\]"):
        opsmith.autograd.grad(
            (w * 2, x * 2), (w,), (opsmith.ones(2, 2), opsmith.ones(3, 3)), is_grads_batched=True
        )
