"""Custom functions, numeric checks of gradients, derivatives of functions."""

import gc

import pytest

import opsmith
from opsmith import tensor
from opsmith._boundary import lib
from opsmith.autograd import Function, functional, grad, gradcheck, gradgradcheck
from opsmith.autograd.function import once_differentiable

F64 = opsmith.float64


def leaf(*values):
    return tensor([float(v) for v in values], dtype=F64, requires_grad=True)


class Exp(Function):
    @staticmethod
    def forward(ctx, x, k):
        out = (x * k).exp()
        ctx.save_for_backward(out)
        ctx.k = k
        return out

    @staticmethod
    def backward(ctx, g):
        (out,) = ctx.saved_tensors
        return g * out * ctx.k, None


class Two(Function):
    @staticmethod
    def forward(x, y):
        return x * y, x + y, x > y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.mark_non_differentiable(output[2])

    @staticmethod
    def backward(ctx, ga, gb, gc):
        x, y = ctx.saved_tensors
        return ga * y + gb, ga * x + gb if ctx.needs_input_grad[1] else None


def test_a_saved_output():
    x = leaf(0.5, -0.25)
    assert gradcheck(lambda t: Exp.apply(t, 2), [x])
    assert gradgradcheck(lambda t: Exp.apply(t, 2), [x])
    y = Exp.apply(x, 2)
    assert type(y.grad_fn).__name__ == "ExpBackward" and y.grad_fn.k == 2


def test_several_outputs():
    x, y = leaf(1, 5), leaf(3, 4)
    p, q, r = Two.apply(x, y)
    assert p.requires_grad and q.requires_grad and not r.requires_grad
    assert r.tolist() == [False, True]
    (p.sum() + 2 * q.sum()).backward()
    assert x.grad.tolist() == [5, 6] and y.grad.tolist() == [3, 7]
    x.grad = None
    Two.apply(x, y)[1].sum().backward()  # one output without gradient
    assert x.grad.tolist() == [1, 1]
    assert gradcheck(lambda a, b: Two.apply(a, b)[:2], [x, y])
    assert gradgradcheck(lambda a, b: Two.apply(a, b)[:2], [x, y])


def test_needs_input_grad():
    seen = []

    class Look(Function):
        @staticmethod
        def forward(ctx, x, y, s):
            return x * y

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return g, None, None

    x = leaf(1)
    Look.apply(x, tensor([2.0], dtype=F64), "text").sum().backward()
    assert seen == [(True, False, False)] and x.grad.tolist() == [1]


def test_undefined_gradients():
    class Pair(Function):
        materialize = True

        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(Pair.materialize)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, a, b):
            seen.append(b if b is None else b.tolist())
            return a

    seen = []
    for Pair.materialize in (True, False):
        Pair.apply(leaf(1, 2))[0].sum().backward()
    assert seen == [[0, 0], None]


def test_in_place():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    a = leaf(1, 2)
    c = a * 1
    d = Double.apply(c)
    assert d is c
    (c * a).sum().backward()
    assert a.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="leaf"):
        Double.apply(a)


def test_an_input_returned_as_it_is():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return -g

    x = leaf(1)
    y = Same.apply(x)
    assert y is not x
    assert grad(y.sum(), x)[0].tolist() == [-1]
    assert not Same.apply(x.detach()).requires_grad


def test_saved_tensors_are_checked():
    x = leaf(1, 2)
    t = x * 1
    y = Two.apply(t, t)[0]
    t.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    z = Exp.apply(x, 1).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x, w = leaf(3), leaf(1)
    (g,) = grad((Once.apply(x) * w).sum(), x, create_graph=True)
    assert g.tolist() == [6]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad(g.sum(), w)


def test_mistakes():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 2, got 1\)"):
        Wrong.apply(leaf(1), leaf(2)).sum().backward()
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        Exp()
    with pytest.raises(NotImplementedError):
        Function.apply(leaf(1))


def test_no_cycles():
    gc.collect()
    gc.disable()
    try:
        before = lib.ops_live_tensors()
        for _ in range(5):
            x = leaf(1, 2)
            y = Exp.apply(x, 2).sum()
            del x, y
        assert lib.ops_live_tensors() <= before
    finally:
        gc.enable()


def test_gradcheck_finds_errors():
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1, 2)
    with pytest.raises(
        RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"
    ):
        gradcheck(Bad.apply, [x])
    assert not gradcheck(Bad.apply, [x], raise_exception=False)
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(Bad.apply, [x.detach()])


def test_functional():
    x = leaf(1, 2)
    v = tensor([1.0, -1.0], dtype=F64)
    cube = lambda t: (t**3).sum()  # noqa: E731
    assert functional.vjp(lambda t: t * t, x, v)[1].tolist() == [2, -4]
    assert functional.jvp(lambda t: t * t, x, v)[1].tolist() == [2, -4]
    assert functional.hvp(cube, x, v)[1].tolist() == [6, -12]
    assert functional.vhp(cube, x, v)[1].tolist() == [6, -12]
    assert functional.vjp(lambda a, b: a * b, (x, x * 2), v)[1][0].tolist() == [2, -4]


@pytest.mark.skipif(not hasattr(opsmith, "stack"), reason="stack is not built")
def test_jacobian_and_hessian():
    x = leaf(1, 2)
    assert functional.jacobian(lambda t: t * t, x).tolist() == [[2, 0], [0, 4]]
    assert functional.hessian(lambda t: (t**3).sum(), x).tolist() == [[6, 0], [0, 12]]
    jac = functional.jacobian(lambda a, b: (a * b, a + b), (x, x))
    assert jac[0][1].tolist() == [[1, 0], [0, 2]] and jac[1][0].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((3,), opsmith.float64, [1, 1, 1]),
        ((2, 3), opsmith.float32, [2, 2, 2]),
        ((4,), opsmith.float32, r"gradient at index 1 - got \[4\] but expected shape .*\[3\]"),
        ((1,), opsmith.float32, r"got \[1\] but expected shape compatible with \[3\]"),
        ((), opsmith.float32, r"got \[\] but expected shape compatible with \[3\]"),
    ],
)  # fmt: skip
def test_gradients_are_fitted_to_their_inputs(shape, dtype, expected):
    class Given(opsmith.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return None, opsmith.ones(shape, dtype=dtype)

    x, y = (opsmith.ones(3, requires_grad=True) for _ in "xy")
    out = Given.apply(x, y).sum()
    if isinstance(expected, str):
        with pytest.raises(RuntimeError, match=expected):
            out.backward()
    else:
        out.backward()
        assert y.grad.tolist() == expected and y.grad.dtype == opsmith.float32
