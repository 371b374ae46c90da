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
    with pytest.raises(opsmith.linalg.LinAlgError, match="my_inverse: Singular matrix"):
        mine.my_inverse(opsmith.ones(2, 2))
    with pytest.raises(RuntimeError, match="my_inverse"):
        mine.my_inverse(opsmith.ones(2, 2).long())


def test_a_library_takes_and_gives_anything(tmp_path: Any, monkeypatch: Any) -> None:
    """Numbers, texts and lists beside tensors; large and small results, some of integers."""
    monkeypatch.setenv("OPSMITH_CACHE", str(tmp_path))
    (tmp_path / "rolling.py").write_text(
        "import numpy as np\n"
        "def roll(x, other, shifts, how, scale):\n"
        "    assert how in ('a', 'b') and isinstance(shifts, (list, tuple))\n"
        "    other = 0 if other is None else other\n"
        "    return np.roll(x, shifts, (0, 1)) * scale + other, np.int32(x.size)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = opsmith.ops.define(
        "- op: rolled(Tensor input, Tensor? other=None, int[] shifts=[1, 0], *, str how='a', "
        "float? scale=None) -> (Tensor out, Tensor items)\n"
        "  reference: rolled\n"
        "  fast: {library: rolling.roll}\n"
        "  dtype: {args: [input], kind: same, items: int32}\n"
        "  unsupported: {backward: no derivative by definition}\n"
        "  doc: {short: Rolled.}\n"
        "  samples: [{input: [2, 2]}]\n"
    )
    for n in (2, 200):  # copied, and taken over
        x = opsmith.randn(n, n)
        out, count = mine.rolled(x, scale=2.0)
        assert opsmith.equal(out, 2 * x.roll(1, 0)) and count.item() == n * n
        assert count.dtype is opsmith.int32 and not count.requires_grad
        out, _ = mine.rolled(x.t(), x, [0, 1], how="b", scale=1.0)
        assert opsmith.equal(out, x.t().roll(1, 1) + x)
    entry = (
        "- op: absent(Tensor input) -> Tensor\n  reference: absent\n"
        "  fast: {library: rolling.absent}\n  doc: {short: Not there.}\n"
        "  unsupported: {backward: no derivative by definition}\n  samples: [{input: [2, 2]}]\n"
    )
    with pytest.raises(ValueError, match="fast library: 'rolling' has no 'absent'"):
        opsmith.ops.define(entry)
    import rolling

    rolling.absent = rolling.roll  # there when the entry is read, gone when it is called
    missing = opsmith.ops.define(entry)
    del rolling.absent
    with pytest.raises(RuntimeError, match="absent: its library function 'rolling.absent' is not"):
        missing.absent(x)
