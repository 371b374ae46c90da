"""opsmith.testing: comparisons and their messages, random tensors, whole-op checks."""

from __future__ import annotations

from typing import Any

import pytest

import opsmith
from opsmith.testing import assert_close, gradcheck, gradgradcheck, make_tensor, opcheck

nan = float("nan")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (opsmith.tensor([1.0, 2.0]), opsmith.tensor([1.0, 2.0 + 1e-6])),
        (1.0, 1.0 + 1e-9),
        ([opsmith.zeros(2), 3], [opsmith.zeros(2), 3]),
        ({"x": opsmith.ones(1)}, {"x": opsmith.ones(1)}),
        (opsmith.tensor([1, 2]), opsmith.tensor([1, 2])),
    ],
)
def test_close(a: Any, b: Any) -> None:
    assert_close(a, b)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (opsmith.tensor([1.0, 2.0]), opsmith.tensor([1.0, 3.0]), "Mismatched elements: 1 / 2"),
        (opsmith.zeros(2), opsmith.zeros(3), "shape"),
        (opsmith.zeros(2), opsmith.zeros(2, dtype=opsmith.float64), "dtype"),
        (opsmith.tensor([nan]), opsmith.tensor([nan]), "Mismatched elements: 1 / 1"),
        ([opsmith.zeros(1)], [opsmith.zeros(1), opsmith.zeros(1)], "length"),
        ({"x": 1}, {"y": 1}, "x"),
    ],
)
def test_not_close(a: Any, b: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_close(a, b)


def test_close_options() -> None:
    x = opsmith.tensor([1.0, nan])
    assert_close(x, x, equal_nan=True)
    assert_close(opsmith.zeros(2), opsmith.zeros(2, dtype=opsmith.float64), check_dtype=False)
    assert_close(opsmith.tensor(1.0), opsmith.tensor(1.1), rtol=0, atol=0.2)
    with pytest.raises(ValueError, match="both"):
        assert_close(x, x, rtol=1e-3)
    with pytest.raises(AssertionError, match="mine"):
        assert_close(opsmith.ones(1), opsmith.zeros(1), msg="mine")


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int8", "uint8", "bool"])
def test_make_tensor(name: str) -> None:
    d = getattr(opsmith, name)
    t = make_tensor(50, 4, dtype=d)
    assert t.shape == (50, 4)
    assert t.dtype is d
    assert not make_tensor((3, 4), dtype=d, noncontiguous=True).is_contiguous()
    if name != "bool":
        assert (make_tensor(200, dtype=d, low=1, high=3) >= 1).all()
        assert (make_tensor(200, dtype=d, exclude_zero=True) != 0).all()
    assert make_tensor(2, dtype=opsmith.float64, requires_grad=True).requires_grad


def test_gradients_are_checked() -> None:
    x = opsmith.tensor([0.5, 2.0], dtype=opsmith.float64, requires_grad=True)
    assert gradcheck(lambda v: v * v, (x,))
    assert gradgradcheck(lambda v: v**3, (x,))


@pytest.mark.parametrize("name", ["sigmoid", "add", "sum", "mm", "tril"])
def test_opcheck(name: str) -> None:
    found = opcheck(name)
    assert found["value"] == "SUCCESS"
    assert found["gradient"] == "SUCCESS"


def test_opcheck_of_one_call() -> None:
    x = opsmith.tensor([1.0, 2.0], dtype=opsmith.float64, requires_grad=True)
    assert opcheck(opsmith.exp, (x,))["gradient"] == "SUCCESS"
