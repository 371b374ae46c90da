"""Hooks on tensors and nodes, retained gradients, the graph as users see it."""

import weakref

import pytest

import opsmith
from opsmith.autograd import grad


def leaf(*values):
    return opsmith.tensor([float(v) for v in values], requires_grad=True)


def test_a_leaf_hook_sees_the_whole_gradient_once():
    x, seen = leaf(1, 2, 3), []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * x + x).sum().backward()
    assert seen == [[3, 5, 7]]


def test_a_hook_may_replace_the_gradient():
    x = leaf(1, 2)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    (y * y).sum().backward()
    assert x.grad.tolist() == [181, 361]
    assert grad((x * 2).sum(), x)[0].tolist() == [3, 3]


def test_hooks_run_in_order_and_can_go():
    x, seen = leaf(1), []
    y = x * 2
    first = y.register_hook(lambda g: seen.append("first"))
    y.register_hook(lambda g: seen.append("second"))
    y.sum().backward(retain_graph=True)
    first.remove()
    first.remove()
    y.sum().backward()
    assert seen == ["first", "second", "second"]
    with leaf(1).register_hook(print):
        pass


def test_a_handle_is_a_block():
    x, seen = leaf(1), []
    with x.register_hook(lambda g: seen.append(1)):
        (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert seen == [1]


def test_hooks_of_recorded_passes_can_be_differentiated():
    x = leaf(2)
    y = x * x
    y.register_hook(lambda g: g * y)
    (g,) = grad(y.sum(), x, create_graph=True)  # 2 x * x ** 2
    assert g.tolist() == [16]
    assert grad(g.sum(), x)[0].tolist() == [72]  # 2 y, and through y, whose hook runs again: 16 * 4


def test_hooks_do_not_record_in_a_plain_pass():
    x, w = leaf(1), leaf(3)
    y = x * 2
    y.register_hook(lambda g: g * w)
    y.sum().backward()
    assert x.grad.tolist() == [6] and not x.grad.requires_grad and w.grad is None


def test_bad_hooks():
    x = leaf(1, 2)
    y = x * 2
    y.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match="changed the size"):
        y.sum().backward()
    z = x * 2
    z.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="should return a Tensor or None"):
        z.sum().backward()
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        x.detach().register_hook(print)


def test_retain_grad():
    x = leaf(1, 2)
    y = x * 3
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    assert y.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [12, 24]  # after the hooks
    x.retain_grad()
    assert x.grad.tolist() == [36, 72]
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        x.detach().retain_grad()


def test_post_accumulate():
    x, seen = leaf(1, 2), []

    def step(p):
        seen.append(p is x)
        with opsmith.no_grad():
            p.sub_(p.grad)
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    assert seen == [True] and x.tolist() == [-1, -2] and x.grad is None
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_node_hooks():
    x, seen = leaf(1, 2), []
    y = x * 3
    y.grad_fn.register_prehook(lambda go: seen.append(("pre", go[0].tolist())))
    y.grad_fn.register_hook(lambda gi, go: seen.append(("post", gi[0].tolist(), go[0].tolist())))
    y.sum().backward()
    assert seen == [("pre", [1, 1]), ("post", [3, 3], [1, 1])]
    z = x * 3
    z.grad_fn.register_prehook(lambda go: (go[0] * 2,))
    z.grad_fn.register_hook(lambda gi, go: (gi[0] * 5,) + tuple(gi[1:]))
    x.grad = None
    z.sum().backward()
    assert x.grad.tolist() == [30, 30]


def test_leaf_nodes():
    x, seen = leaf(1), []
    node = (x * 2).grad_fn.next_functions[0][0]
    assert node.name() == "AccumulateGrad" and node.variable is x and node.next_functions == ()
    handle = node.register_hook(lambda gi, go: seen.append(go[0].tolist()))
    (x * 4).sum().backward()
    handle.remove()
    (x * 4).sum().backward()
    assert seen == [[4]]


def test_walking_the_graph():
    x = leaf(1, 2)
    y = (x * 2).exp().sum()
    names, node = [], y.grad_fn
    while node is not None and node.next_functions:
        names.append(node.name())
        node = node.next_functions[0][0]
    assert names == ["SumBackward0", "ExpBackward0", "MulBackward0"]
    assert type(y.grad_fn).__name__ == "SumBackward0" and "SumBackward0" in repr(y.grad_fn)
    assert y.grad_fn == y.grad_fn and len({y.grad_fn, y.grad_fn}) == 1
    assert y.grad_fn.next_functions[0][1] == 0
    assert x.grad_fn is None and x.is_leaf and not y.is_leaf
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}


def test_hooks_keep_no_tensor_alive():
    x = leaf(1)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: None)
    ref = weakref.ref(y)
    del y
    assert ref() is None


def test_anomaly_mode_names_the_forward_call():
    x = leaf(-1, 4)
    with pytest.warns(UserWarning, match="Anomaly"), opsmith.autograd.detect_anomaly():
        y = (x.sqrt() * 0).sum()
        with pytest.warns(UserWarning, match="(?s)SqrtBackward0.*test_autograd_hooks.py"):
            with pytest.raises(
                RuntimeError, match="'SqrtBackward0' returned nan values in its 0th output"
            ):
                y.backward()
    assert not opsmith.autograd.is_anomaly_enabled()
    y = (x.sqrt() * 0).sum()
    y.backward()  # off: no check
    with opsmith.autograd.set_detect_anomaly(True, check_nan=False):
        (x.sqrt() * 0).sum().backward()


def test_a_kept_gradient_follows_writes_in_place():
    """It is that of the values the tensor has in the end; hooks stay where they were put."""
    x = opsmith.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.mul_(3)
    y.add_(1)
    y.sum().backward()
    assert y.grad.tolist() == [1, 1] and seen == [[3, 3]] and x.grad.tolist() == [6, 6]

    base = x * 1
    part = base[1:]
    part.retain_grad()
    part.mul_(4)
    base.sum().backward()
    assert part.retains_grad


def test_anomaly_names_the_line_of_the_user(recwarn):
    class Bad(opsmith.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ValueError("mine")

    x = opsmith.zeros(2, requires_grad=True)
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        block = opsmith.autograd.detect_anomaly()
    with block:
        for make, name, error in (
            (lambda: x.sqrt() * 0, "SqrtBackward0", RuntimeError),
            (lambda: Bad.apply(x), "BadBackward", ValueError),
            (lambda: opsmith.nn.functional.gelu(x / 0 * 0), "", RuntimeError),
        ):
            out = make()
            with pytest.warns(UserWarning, match=f"Error detected in {name}") as found:
                with pytest.raises(error):
                    out.sum().backward()
            lines = str(found[0].message).strip().splitlines()
            assert "test_autograd_hooks.py" in lines[-2] and "lambda" in lines[-1]
