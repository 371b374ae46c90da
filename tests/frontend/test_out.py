"""``out=``: its dtype stays and must be able to hold the result; its shape becomes the result's."""

from __future__ import annotations

import warnings

import pytest

import opsmith as torch

# One of every way to make a result: a kernel, a composition, a reference, a fold, several outputs.
OPS = {
    "add": lambda x, out: torch.add(x, 1, out=out),
    "clamp": lambda x, out: torch.clamp(x, 0.0, 1.0, out=out),
    "round": lambda x, out: torch.round(x, decimals=1, out=out),
    "cat": lambda x, out: torch.cat([x], out=out),
    "stack": lambda x, out: torch.stack([x[0], x[1]], out=out),
    "tril": lambda x, out: torch.tril(x, 5, out=out),
    "nan_to_num": lambda x, out: torch.nan_to_num(x, out=out),
}


@pytest.mark.parametrize("name", OPS)
def test_a_wrong_shape_is_resized_with_a_warning(name):
    x, out = torch.ones(2, 3), torch.zeros(5)
    assert out.shape == (5,)
    with pytest.warns(UserWarning, match=r"resized since it had shape \[5\].* shape \[2, 3\]"):
        assert OPS[name](x, out) is out
    assert out.tolist() == [[2.0 if name == "add" else 1.0] * 3] * 2
    assert out.shape == (2, 3)
    out.mul_(0)
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]  # never the operand's own memory


@pytest.mark.parametrize("name", OPS)
def test_an_empty_one_is_resized_silently(name):
    out = torch.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OPS[name](torch.ones(2, 3), out)
    assert out.shape == (2, 3)


@pytest.mark.parametrize("name", OPS)
def test_dtypes(name):
    wide = torch.empty(2, 3, dtype=torch.float64)
    assert OPS[name](torch.ones(2, 3), wide).dtype is torch.float64
    with pytest.raises(RuntimeError, match="Float can't be cast to the desired output type Long"):
        OPS[name](torch.ones(2, 3), torch.empty(2, 3, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="can't be cast"):  # nor is it resized before
        OPS[name](torch.ones(2, 3), torch.empty(0, dtype=torch.int64))


@pytest.mark.parametrize("name", OPS)
def test_gradients(name):
    text = rf"{name}.*functions with out=... arguments don't support automatic differentiation"
    with pytest.raises(RuntimeError, match=text):
        OPS[name](torch.ones(2, 3, requires_grad=True), torch.empty(2, 3))
    with pytest.raises(RuntimeError, match=text):
        OPS[name](torch.ones(2, 3), torch.empty(2, 3, requires_grad=True))
    with torch.no_grad():
        OPS[name](torch.ones(2, 3, requires_grad=True), torch.empty(2, 3))


@pytest.mark.parametrize("name", OPS)
def test_memory_shared_with_itself(name):
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        OPS[name](torch.ones(2, 3), torch.empty(1, 3).expand(2, 3))


def test_masked_fill_keeps_the_dtype_of_what_it_fills():
    x, mask = torch.tensor([1, 2]), torch.tensor([True, False])
    assert x.masked_fill(mask, 1.5).tolist() == [1, 2]
    assert x.masked_fill(mask, torch.tensor(7.5)).tolist() == [7, 2]
    assert mask.masked_fill(mask, 2).tolist() == [True, False]
    assert x.masked_fill_(mask, 3.7).tolist() == [3, 2]
    value = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    y = torch.ones(2).masked_fill(mask, value)
    assert y.dtype is torch.float32
    y.sum().backward()
    assert value.grad.dtype is torch.float64 and value.grad.item() == 1


MAKERS = {
    "empty": lambda out: torch.empty(2, 3, out=out),
    "zeros": lambda out: torch.zeros(2, 3, out=out),
    "ones": lambda out: torch.ones((2, 3), out=out),
    "full": lambda out: torch.full((2, 3), 7, out=out),
    "rand": lambda out: torch.rand(2, 3, out=out),
    "randn": lambda out: torch.randn(2, 3, out=out),
    "randint": lambda out: torch.randint(1, 9, (2, 3), out=out),
    "normal": lambda out: torch.normal(5.0, 1.0, (2, 3), out=out),
    "bernoulli": lambda out: torch.bernoulli(torch.ones(2, 3), out=out),
    "eye": lambda out: torch.eye(2, 3, out=out),
    "arange": lambda out: torch.arange(6, out=out).reshape(2, 3),
    "linspace": lambda out: torch.linspace(0, 1, 6, out=out).reshape(2, 3),
    "logspace": lambda out: torch.logspace(0, 1, 6, out=out).reshape(2, 3),
    "randperm": lambda out: torch.randperm(6, out=out).reshape(2, 3),
    "multinomial": lambda out: torch.multinomial(torch.ones(2, 9), 3, out=out),
}


@pytest.mark.parametrize("name", MAKERS)
def test_functions_that_make_tensors_write_to_out(name):
    integers = () if name in ("rand", "randn", "normal") else (torch.int32,)
    for dtype in (torch.float32, torch.float64, *integers):
        out = torch.empty(0, dtype=dtype)
        got = MAKERS[name](out)
        assert out.numel() == 6 and out.dtype is dtype
        assert got.data_ptr() == out.data_ptr() and got.shape == (2, 3)
        assert name in ("empty", "zeros") or out.bool().any()
    with pytest.raises(RuntimeError, match="dtype Double does not match dtype of out"):
        torch.zeros(2, dtype=torch.float64, out=torch.empty(2))


def test_out_of_several_results():
    values, places = torch.empty(0), torch.empty(0, dtype=torch.int64)
    got = torch.sort(torch.tensor([3.0, 1.0, 2.0]), out=(values, places))
    assert got.values is values and got.indices is places
    assert values.tolist() == [1, 2, 3] and places.tolist() == [1, 2, 0]
    with pytest.raises(TypeError, match="sort.*tuple of 2 Tensors, not Tensor"):
        torch.sort(values, out=places)
    with pytest.raises(TypeError, match="mm.*must be Tensor, not int"):
        torch.mm(torch.eye(2), torch.eye(2), out=3)


def test_a_result_of_many_dims_replaces_one_of_few():
    out = torch.zeros(3)
    with pytest.warns(UserWarning, match="resized"):
        assert torch.cumsum(torch.ones(1, 1, 1, 1, 1, 2), -1, out=out) is out
    assert out.shape == (1, 1, 1, 1, 1, 2) and out.flatten().tolist() == [1, 2]
