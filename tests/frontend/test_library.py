"""Ops whose kernels are a library's: recorded, overridden and refused like any other."""

from __future__ import annotations

from typing import Any

import pytest

import opsmith
from opsmith.autograd import gradcheck, gradgradcheck

from .test_overrides import Plain


def matrix(**kwargs: Any) -> Any:
    return opsmith.tensor([[2.0, 1.0], [0.5, 4.0]], dtype=opsmith.float64, **kwargs)


def test_value_and_derivatives() -> None:
    x = matrix(requires_grad=True)
    assert opsmith.allclose(x @ opsmith.inverse(x), opsmith.eye(2, dtype=opsmith.float64))
    assert gradcheck(opsmith.inverse, (x,)) and gradgradcheck(opsmith.inverse, (x,))


def test_operands_of_any_layout_are_read_in_place() -> None:
    x = matrix()
    assert opsmith.allclose(x.t().inverse(), x.inverse().t())
    wide = opsmith.zeros(2, 4, dtype=opsmith.float64)
    wide[:, ::2] = x
    assert opsmith.allclose(wide[:, ::2].inverse(), x.inverse())


def test_out_and_meta_and_subclasses() -> None:
    x = matrix()
    out = opsmith.empty(2, 2, dtype=opsmith.float64)
    assert opsmith.inverse(x, out=out) is out and opsmith.allclose(out, x.inverse())
    assert opsmith.inverse(x.to("meta")).is_meta
    assert type(opsmith.inverse(x.as_subclass(Plain))) is Plain


def test_the_result_is_the_callers() -> None:
    y = matrix().inverse()
    y.mul_(2).add_(1)
    assert opsmith.allclose(y, matrix().inverse() * 2 + 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: opsmith.ones(2, 2).inverse(),
            "LinAlgError",
            "linalg.inv: The diagonal element 2 is zero, the inversion could not be completed",
        ),
        (
            lambda: opsmith.stack([opsmith.eye(2), opsmith.ones(2, 2)]).inverse(),
            "LinAlgError",
            r"linalg.inv: \(Batch element 1\): The diagonal element 2 is zero",
        ),
        (
            lambda: opsmith.ones(2, 3).inverse(),
            "RuntimeError",
            "linalg.inv: A must be batches of square matrices, but they are 2 by 3 matrices",
        ),
        (
            lambda: opsmith._functions.invert(opsmith.ones(2, 2).long()),
            "NotImplementedError",
            "\"invert\" not implemented for 'Long'",
        ),
        (lambda: opsmith.inverse("a"), "TypeError", "argument 'input'"),
    ],
)
def test_refusals(call: Any, error: str, message: str) -> None:
    with pytest.raises((RuntimeError, TypeError), match=message) as caught:
        call()
    assert caught.type.__name__ == error


def test_a_users_registry_may_name_a_library(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPSMITH_CACHE", str(tmp_path))
    mine = opsmith.ops.define(
        "- op: my_inverse(Tensor input) -> Tensor\n"
        "  reference: inverse\n"
        "  fast: {library: numpy.linalg.inv}\n"
        '  grad: {input: "-matmul(matmul(out.mT, g), out.mT)"}\n'
        "  doc: {short: Its own inverse.}\n"
        "  samples: [{input: [2, 2], range: [1, 2]}]\n"
    )
    x = matrix(requires_grad=True)
    assert opsmith.allclose(mine.my_inverse(x), x.inverse()) and gradcheck(mine.my_inverse, (x,))
