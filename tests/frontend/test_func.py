"""Transformations of functions against formulas, one another and numbers of modules."""

from __future__ import annotations

from typing import Any

import pytest

import opsmith
from opsmith import func, nn
from opsmith.autograd import grad as backward
from opsmith.testing import assert_close


def t(values: Any) -> Any:
    return opsmith.tensor(values, dtype=opsmith.float64)


X, Y = t([0.5, -1.5, 2.0]), t([1.0, 3.0, -0.5])
M = t([[1.0, 2.0, 0.5], [-1.0, 0.25, 3.0]])


def cubes(x: Any) -> Any:
    return (x**3).sum()


def test_gradients_and_values() -> None:
    assert_close(func.grad(cubes)(X), 3 * X**2)
    assert not func.grad(cubes)(X).requires_grad and not X.requires_grad
    found, value = func.grad_and_value(cubes)(X)
    assert_close((found, value), (3 * X**2, cubes(X)))
    found, (value, aux) = func.grad_and_value(lambda x: (cubes(x), x + 1), has_aux=True)(X)
    assert_close((value, aux), (cubes(X), X + 1))
    assert not aux.requires_grad
    both = func.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(X, Y)
    assert_close(both, (Y, X))
    assert_close(func.grad(lambda x, y: (x * y * y).sum(), argnums=-1)(X, Y), 2 * X * Y)
    nest = func.grad(lambda p: (p["w"] @ p["b"][0]).sum())({"w": M, "b": [X]})
    assert_close(nest["b"][0], M.sum(0))


def test_levels_nest_and_reach_what_is_outside() -> None:
    assert_close(func.grad(lambda x: func.grad(cubes)(x).sum())(X), 6 * X)
    closure = func.grad(lambda x: func.grad(lambda y: (x * x * y).sum())(Y).sum())(X)
    assert_close(closure, 2 * X)
    w = X.clone().requires_grad_()
    assert_close(backward(func.grad(lambda y: (w * y**2).sum())(Y).sum(), w)[0], 2 * Y)
    assert_close(backward(func.grad(cubes)(w).sum(), w)[0], 6 * X)
    with opsmith.no_grad():
        assert_close(func.grad(cubes)(X), 3 * X**2)


def test_products_and_jacobians() -> None:
    def f(m: Any, x: Any) -> Any:
        return opsmith.sin(m @ x)

    out, pull = func.vjp(f, M, X)
    rows = func.jacrev(f, argnums=(0, 1))(M, X)
    weights = t([1.0, -2.0])
    assert_close(out, f(M, X))
    for _ in range(2):  # it may be called again
        dm, dx = pull(weights)
        assert_close(dx, weights @ rows[1])
        assert_close(dm, opsmith.einsum("i,ijk->jk", weights, rows[0]))
    columns = func.jacfwd(f, argnums=(0, 1))(M, X)
    assert_close(columns, rows)
    value, product = func.jvp(f, (M, X), (M, Y))
    assert_close(value, out)
    assert_close(product, opsmith.einsum("ijk,jk->i", rows[0], M) + rows[1] @ Y)
    value, push = func.linearize(f, M, X)
    assert_close((value, push(M, Y)), (out, product))
    assert_close(func.hessian(cubes)(X), opsmith.diag(6 * X))
    assert_close(func.jacfwd(func.jacrev(cubes))(X), opsmith.diag(6 * X))
    several = func.jacrev(lambda x: {"a": x * x, "b": x.sum()})(X)
    assert_close(several, {"a": opsmith.diag(2 * X), "b": opsmith.ones_like(X)})
    assert func.jacrev(lambda x: x[:0])(X).shape == (0, 3)


def test_maps() -> None:
    assert_close(opsmith.vmap(opsmith.dot, in_dims=(0, None))(M, X), M @ X)
    assert_close(func.vmap(lambda x: x * 2, in_dims=1, out_dims=1)(M), M * 2)
    table = func.vmap(func.vmap(lambda x, y: x * y, in_dims=(0, None)), in_dims=(None, 0))(X, Y)
    assert_close(table, Y[:, None] * X)
    nest = func.vmap(lambda d: (d["x"].sum(), d["y"] + 1), in_dims=({"x": 0, "y": 1},))(
        {"x": M, "y": M.t()}
    )
    assert_close(nest, (M.sum(1), M + 1))
    assert_close(func.vmap(func.grad(cubes))(M), 3 * M**2)
    w = M.clone().requires_grad_()
    assert_close(backward(func.vmap(cubes)(w).sum(), w)[0], 3 * M**2)
    assert func.vmap(lambda x: x.sum())(opsmith.zeros(0, 4)).shape == (0,)
    branch = func.vmap(lambda x: x if x[0] > 0 else -x)(M)  # on values, slice by slice
    assert_close(branch, M * t([[1.0], [-1.0]]))


def test_random_functions_inside_a_map() -> None:
    def noise(x: Any) -> Any:
        return x * 0 + opsmith.rand(())

    with pytest.raises(RuntimeError, match="randomness error mode"):
        func.vmap(noise)(X)
    same = func.vmap(noise, randomness="same")(X)
    assert len(set(same.tolist())) == 1
    assert len(set(func.vmap(noise, randomness="different")(X).tolist())) == 3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: func.grad(lambda x: x**2)(X), RuntimeError, "scalar tensor.*1 dims"),
        (lambda: func.grad(lambda x: 3)(X), RuntimeError, "return a tensor, got.*int"),
        (lambda: func.grad(cubes, argnums=2)(X), RuntimeError, "2 is not a position of the 1"),
        (lambda: func.grad(cubes, argnums=(0, 0))(X), ValueError, "names an argument twice"),
        (lambda: func.grad(cubes)(3.0), ValueError, "expected tensors.*3.0"),
        (lambda: func.grad(cubes, has_aux=True)(X), RuntimeError, r"return \(output, aux\)"),
        (lambda: func.jvp(cubes, X, X), RuntimeError, "primals must be a tuple"),
        (lambda: func.jvp(cubes, (X,), (M,)), RuntimeError, r"shape \[2, 3\].*shape \[3\]"),
        (lambda: func.vmap(cubes, in_dims=5)(X), ValueError, "dimensionality 1.*-1 <= in_dim < 1"),
        (lambda: func.vmap(opsmith.dot)(M, X), ValueError, r"got sizes \[2, 3\]"),
        (lambda: func.vmap(cubes, in_dims=None)(X), ValueError, "expected `in_dims` to be int"),
        (lambda: func.vmap(lambda x: 3)(X), ValueError, "must only return Tensors.*int"),
        (lambda: func.vmap(cubes)(), ValueError, "no inputs"),
        (lambda: func.vmap(cubes, randomness="some"), RuntimeError, "'different', or 'same'"),
    ],
)
def test_mistakes(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def net() -> Any:
    opsmith.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).double()


def test_modules_are_functions_of_their_tensors() -> None:
    module, x = net(), opsmith.randn(5, 3, dtype=opsmith.float64)
    given = {k: opsmith.full_like(v, 0.1) for k, v in module.named_parameters()}
    kept = {k: v.clone() for k, v in module.state_dict().items()}
    statistics = {"1.running_mean": opsmith.zeros(4, dtype=opsmith.float64)}

    def loss(p: Any) -> Any:
        return func.functional_call(module, (p, statistics), (x,)).pow(2).sum()

    found = func.grad(loss)(given)
    other = net()
    other.load_state_dict({**kept, **given})
    other(x).pow(2).sum().backward()
    assert_close(found, {k: v.grad for k, v in other.named_parameters()})
    assert bool((statistics["1.running_mean"] != 0).any())  # written in place, as by the module
    before, after = dict(kept), dict(module.state_dict())
    before.pop("1.num_batches_tracked"), after.pop("1.num_batches_tracked")
    before.pop("1.running_var"), after.pop("1.running_var")  # were not given
    assert_close(after, before)
    with pytest.raises(RuntimeError, match="missing keys.*0.bias.*unexpected keys.*nothing"):
        func.functional_call(module, {"nothing": x}, (x,), strict=True)
    with pytest.raises(ValueError, match="multiple dictionaries"):
        func.functional_call(module, (given, given), (x,))


def test_tied_weights_are_replaced_together() -> None:
    module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)).double()
    module[1].weight = module[0].weight
    double = {"0.weight": opsmith.eye(3, dtype=opsmith.float64) * 2}
    assert_close(func.functional_call(module, double, X), 4 * X)
    two = {"0.weight": double["0.weight"], "1.weight": double["0.weight"] + 1}
    with pytest.raises(ValueError, match="which are tied"):
        func.functional_call(module, two, X)


def test_an_ensemble() -> None:
    models = [nn.Linear(3, 2).double() for _ in range(3)]
    params, buffers = func.stack_module_state(models)
    assert params["weight"].shape == (3, 2, 3) and params["weight"].requires_grad

    def one(p: Any, b: Any, x: Any) -> Any:
        return func.functional_call(models[0], (p, b), (x,))

    out = func.vmap(one, in_dims=(0, 0, None))(params, buffers, X)
    assert_close(out, opsmith.stack([m(X) for m in models]))
    with pytest.raises(RuntimeError, match="same class"):
        func.stack_module_state([models[0], nn.Identity()])
    assert func.replace_all_batch_norm_modules_(net())[1].running_mean is None
