"""Printed tensors, character for character as PyTorch 2.13.0 prints them."""

# ruff: noqa: E501 - the texts are PyTorch's lines

import pytest

import opsmith as torch
from opsmith import tensor as T

nan, inf = float("nan"), float("inf")
CASES = [
    ("T([1., 2., 3.])", "tensor([1., 2., 3.])"),
    ("T(3)", "tensor(3)"),
    ("T(2.5)", "tensor(2.5000)"),
    ("T(True)", "tensor(True)"),
    ("T([1, -20, 3])", "tensor([  1, -20,   3])"),
    ("T([True, False])", "tensor([ True, False])"),
    ("T([[1., 2.], [3., 4.]])", "tensor([[1., 2.],\n        [3., 4.]])"),
    ("T([0.5, 1000.])", "tensor([5.0000e-01, 1.0000e+03])"),
    ("T([1e-5, 1.])", "tensor([1.0000e-05, 1.0000e+00])"),
    ("T([1e10, 2e10])", "tensor([1.0000e+10, 2.0000e+10])"),
    ("T([1., 1e9])", "tensor([1.0000e+00, 1.0000e+09])"),
    ("T([nan, 1., -inf])", "tensor([nan, 1., -inf])"),
    ("T([nan, 0.])", "tensor([nan, 0.])"),
    ("T([0., -0.])", "tensor([0., -0.])"),
    ("T([])", "tensor([])"),
    ("torch.zeros(0, 3)", "tensor([], size=(0, 3))"),
    ("torch.zeros(2, 0, dtype=torch.int64)", "tensor([], size=(2, 0), dtype=torch.int64)"),
    ("torch.zeros(3, dtype=torch.float64)", "tensor([0., 0., 0.], dtype=torch.float64)"),
    ("T([1., 2.], dtype=torch.bfloat16)", "tensor([1., 2.], dtype=torch.bfloat16)"),
    ("T([1, 2], dtype=torch.int32)", "tensor([1, 2], dtype=torch.int32)"),
    ("T([1., 2.], requires_grad=True)", "tensor([1., 2.], requires_grad=True)"),
    ("T([1., 2.], requires_grad=True) * 2", "tensor([2., 4.], grad_fn=<MulBackward0>)"),
    ("(T([1., 2.], requires_grad=True) * 2).sum()", "tensor(6., grad_fn=<SumBackward0>)"),
    ("torch.empty(2, 3, device='meta')", "tensor(..., device='meta', size=(2, 3))"),
    (
        "torch.empty(2, device='meta', dtype=torch.int8, requires_grad=False)",
        "tensor(..., device='meta', size=(2,), dtype=torch.int8)",
    ),
    ("torch.arange(1001)", "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        "torch.arange(1200.).reshape(30, 40)",
        "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 3.7000e+01, 3.8000e+01,\n         3.9000e+01],\n        [4.0000e+01, 4.1000e+01, 4.2000e+01,  ..., 7.7000e+01, 7.8000e+01,\n         7.9000e+01],\n        [8.0000e+01, 8.1000e+01, 8.2000e+01,  ..., 1.1700e+02, 1.1800e+02,\n         1.1900e+02],\n        ...,\n        [1.0800e+03, 1.0810e+03, 1.0820e+03,  ..., 1.1170e+03, 1.1180e+03,\n         1.1190e+03],\n        [1.1200e+03, 1.1210e+03, 1.1220e+03,  ..., 1.1570e+03, 1.1580e+03,\n         1.1590e+03],\n        [1.1600e+03, 1.1610e+03, 1.1620e+03,  ..., 1.1970e+03, 1.1980e+03,\n         1.1990e+03]])",
    ),
    (
        "torch.arange(24).reshape(2, 3, 4)",
        "tensor([[[ 0,  1,  2,  3],\n         [ 4,  5,  6,  7],\n         [ 8,  9, 10, 11]],\n\n        [[12, 13, 14, 15],\n         [16, 17, 18, 19],\n         [20, 21, 22, 23]]])",
    ),
    (
        "torch.arange(30)",
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])",
    ),
    (
        "torch.arange(30.) / 7",
        "tensor([0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1.0000, 1.1429,\n        1.2857, 1.4286, 1.5714, 1.7143, 1.8571, 2.0000, 2.1429, 2.2857, 2.4286,\n        2.5714, 2.7143, 2.8571, 3.0000, 3.1429, 3.2857, 3.4286, 3.5714, 3.7143,\n        3.8571, 4.0000, 4.1429])",
    ),
    (
        "torch.zeros(2, 2, 2)",
        "tensor([[[0., 0.],\n         [0., 0.]],\n\n        [[0., 0.],\n         [0., 0.]]])",
    ),
    (
        "T([[0.1, 200.5], [3e-3, 12345.678]])",
        "tensor([[1.0000e-01, 2.0050e+02],\n        [3.0000e-03, 1.2346e+04]])",
    ),
    (
        "torch.arange(2000).reshape(2, 10, 100)",
        "tensor([[[   0,    1,    2,  ...,   97,   98,   99],\n         [ 100,  101,  102,  ...,  197,  198,  199],\n         [ 200,  201,  202,  ...,  297,  298,  299],\n         ...,\n         [ 700,  701,  702,  ...,  797,  798,  799],\n         [ 800,  801,  802,  ...,  897,  898,  899],\n         [ 900,  901,  902,  ...,  997,  998,  999]],\n\n        [[1000, 1001, 1002,  ..., 1097, 1098, 1099],\n         [1100, 1101, 1102,  ..., 1197, 1198, 1199],\n         [1200, 1201, 1202,  ..., 1297, 1298, 1299],\n         ...,\n         [1700, 1701, 1702,  ..., 1797, 1798, 1799],\n         [1800, 1801, 1802,  ..., 1897, 1898, 1899],\n         [1900, 1901, 1902,  ..., 1997, 1998, 1999]]])",
    ),
    ("T(1e-8)", "tensor(1.0000e-08)"),
    ("T([123456789, 1])", "tensor([123456789,         1])"),
]
OPTIONS = [
    ({"precision": 2}, "T([1.23456789, 2.])", "tensor([1.23, 2.00])"),
    ({"threshold": 5, "edgeitems": 2}, "torch.arange(10)", "tensor([0, 1,  ..., 8, 9])"),
    ({"sci_mode": False}, "T([1., 1000000.])", "tensor([      1., 1000000.])"),
    ({"sci_mode": True}, "T([1., 2.])", "tensor([1.0000e+00, 2.0000e+00])"),
    (
        {"linewidth": 40}, "torch.arange(20)",
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,\n         8,  9, 10, 11, 12, 13, 14, 15,\n        16, 17, 18, 19])",
    ),
    ({"profile": "short"}, "T([1.23456789, 2.])", "tensor([1.23, 2.00])"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _defaults():
    yield
    torch.set_printoptions(profile="default")


@pytest.mark.parametrize(("expression", "text"), CASES)
def test_repr(expression, text):
    assert repr(eval(expression)) == text
    assert str(eval(expression)) == text


@pytest.mark.parametrize(("options", "expression", "text"), OPTIONS)
def test_options(options, expression, text):
    torch.set_printoptions(**options)
    assert repr(eval(expression)) == text


def test_full_profile_shows_everything():
    torch.set_printoptions(profile="full")
    assert "..." not in repr(torch.arange(3000))


def test_format():
    assert f"{T(2.5)}" == "2.5"
    assert f"{T(2.5):.3f}" == "2.500"
    assert f"{T(7):4d}" == "   7"
    assert f"{T([1, 2])}" == "tensor([1, 2])"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{T([1.0, 2.0]):.2f}"


def test_default_dtype_decides_the_suffix():
    torch.set_default_dtype(torch.float64)
    try:
        assert repr(T([1.0])) == "tensor([1.])"
        assert repr(T([1.0], dtype=torch.float32)) == "tensor([1.], dtype=torch.float32)"
    finally:
        torch.set_default_dtype(torch.float32)


def test_views_print_what_they_show():
    x = torch.arange(12).reshape(3, 4)
    assert repr(x.t()[1:3]) == "tensor([[ 1,  5,  9],\n        [ 2,  6, 10]])"
    assert repr(x[:, ::2]) == "tensor([[ 0,  2],\n        [ 4,  6],\n        [ 8, 10]])"


def test_subclass_prints_its_name():
    class Mine(torch.Tensor):
        pass

    assert repr(T([1.0]).as_subclass(Mine)) == "Mine([1.])"


def test_a_freed_graph_keeps_its_names():
    y = (T([2.0], requires_grad=True) * 3).sum()
    y.backward()
    assert repr(y) == "tensor(6., grad_fn=<SumBackward0>)"
