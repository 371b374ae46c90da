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
    with pytest.raises(ValueError, match="Both .rtol. and .atol."):
        assert_close(x, x, rtol=1e-3)
    with pytest.raises(AssertionError, match="mine"):
        assert_close(opsmith.ones(1), opsmith.zeros(1), msg="mine")


T = opsmith.tensor
EXACT = {  # what PyTorch 2.13.0 says
    "scalars": (
        lambda: assert_close(T(1.0), T(2.0)),
        "Scalars are not close!\n\nExpected 2.0 but got 1.0.\nAbsolute difference: 1.0 (up to "
        "1e-05 allowed)\nRelative difference: 0.5 (up to 1.3e-06 allowed)",
    ),
    "matrices": (
        lambda: assert_close(T([[1.0, 2.0], [3.0, 4.0]]), T([[1.0, 3.0], [3.0, 7.0]])),
        "Tensor-likes are not close!\n\nMismatched elements: 2 / 4 (50.0%)\nGreatest absolute "
        "difference: 3.0 at index (1, 1) (up to 1e-05 allowed)\nGreatest relative difference: "
        "0.4285714328289032 at index (1, 1) (up to 1.3e-06 allowed)",
    ),
    "integers": (
        lambda: assert_close(T([1, 2]), T([1, 3])),
        "Tensor-likes are not equal!\n\nMismatched elements: 1 / 2 (50.0%)\nGreatest absolute "
        "difference: 1 at index (1,)\nGreatest relative difference: 0.3333333432674408 at index "
        "(1,)",
    ),
    "infinities": (
        lambda: assert_close(T([float("inf"), 1.0]), T([1.0, 1.0])),
        "Tensor-likes are not close!\n\nMismatched elements: 1 / 2 (50.0%)\nGreatest absolute "
        "difference: inf at index (0,) (up to 1e-05 allowed)\nGreatest relative difference: inf at "
        "index (0,) (up to 1.3e-06 allowed)",
    ),
    "nests": (
        lambda: assert_close({"a": [T(1.0), {"b": T([1.0])}]}, {"a": [T(1.0), {"b": T([5.0])}]}),
        "Tensor-likes are not close!\n\nMismatched elements: 1 / 1 (100.0%)\nGreatest absolute "
        "difference: 4.0 at index (0,) (up to 1e-05 allowed)\nGreatest relative difference: "
        "0.800000011920929 at index (0,) (up to 1.3e-06 allowed)\n\nThe failure occurred for item "
        "['a'][1]['b']",
    ),
    "strides": (
        lambda: assert_close(opsmith.ones(2, 3).t(), opsmith.ones(3, 2), check_stride=True),
        "The values for attribute 'stride()' do not match: (1, 3) != (2, 1).",
    ),
    "numbers": (
        lambda: assert_close(1.0, 1.5),
        "Scalars are not close!\n\nExpected 1.5 but got 1.0.\nAbsolute difference: 0.5 (up to "
        "1e-07 allowed)\nRelative difference: 0.3333333333333333 (up to 1e-07 allowed)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(EXACT))
def test_what_is_said(kind: str) -> None:
    use, text = EXACT[kind]
    with pytest.raises(AssertionError) as e:
        use()
    assert str(e.value) == text


def test_values_of_two_kinds_are_not_compared() -> None:
    x = T([1.0])
    for a, b in ((1.0, T(1.0)), (x.numpy(), x), ("a", "a"), (object(), object())):
        with pytest.raises(TypeError, match="No comparison pair was able to handle inputs of type"):
            assert_close(a, b)
    assert_close(x.numpy(), x.numpy())
    assert_close(opsmith.nn.Parameter(x), x)
    with pytest.raises(TypeError):
        assert_close(opsmith.nn.Parameter(x), x, allow_subclasses=False)
    big = opsmith.randn(300, 300)
    assert_close(big, big.clone())
    with pytest.warns(FutureWarning):
        opsmith.testing.assert_allclose([1.0, nan], T([1.0, nan], dtype=opsmith.float64))


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


def test_make_tensor_s_ranges() -> None:
    f32, i8 = opsmith.float32, opsmith.int8
    for options, text in (
        ({"dtype": f32, "low": nan}, "cannot be NaN"),
        ({"dtype": f32, "low": 2, "high": 1}, "must be less than `high`, but got 2 >= 1"),
        ({"dtype": i8, "low": 1, "high": 1}, "must be less than"),
        ({"dtype": opsmith.uint8, "low": 300, "high": 400}, r"only supports \[0, 256\)"),
        ({"dtype": i8, "requires_grad": True}, "boolean and integral"),
        ({"dtype": f32, "noncontiguous": True, "memory_format": opsmith.contiguous_format},
         "mutually exclusive"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            make_tensor(3, **options)
    with pytest.warns(FutureWarning, match="low==high"):
        assert make_tensor(3, dtype=f32, low=1, high=1).tolist() == [1, 1, 1]
    assert make_tensor(1, dtype=f32, noncontiguous=True).is_contiguous()
    assert make_tensor(2, dtype=f32, noncontiguous=True).stride() == (2,)
    last = make_tensor(2, 3, 4, 4, dtype=f32, memory_format=opsmith.channels_last)
    assert last.stride() == (48, 1, 12, 3)
    wide = make_tensor(100, dtype=opsmith.float16, low=-1e9, high=1e9)
    assert wide.isfinite().all() and wide.abs().max() > 1000
    assert make_tensor(9, dtype=opsmith.float64, low=-1e308, high=1e308).isfinite().all()
    small = make_tensor(500, dtype=i8, low=-500, high=500)
    assert small.min() < -100 and small.max() > 100
    ones = make_tensor(99, dtype=opsmith.bool, exclude_zero=True)
    assert ones.all()


def test_gradients_are_checked() -> None:
    x = opsmith.tensor([0.5, 2.0], dtype=opsmith.float64, requires_grad=True)
    assert gradcheck(lambda v: v * v, (x,))
    assert gradgradcheck(lambda v: v**3, (x,))


def _function(gradient: Any) -> Any:
    class Own(opsmith.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x.sum()

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return gradient(g, h)

    return Own.apply


F64 = opsmith.float64
GRADIENTS = {
    "right": (lambda g, h: 2 * g + h, {}, ""),
    "right, fast": (lambda g, h: 2 * g + h, {"fast_mode": True}, ""),
    "right, in batches": (lambda g, h: 2 * g + h, {"check_batched_grad": True}, ""),
    "wrong": (lambda g, h: 3 * g + h, {}, "Jacobian mismatch for output 0 with respect to input 0"),
    "wrong, fast": (lambda g, h: 3 * g + h, {"fast_mode": True}, "along random directions"),
    "not linear": (lambda g, h: 2 * g + h + 1e-7, {}, "backward not multiplied by grad_output"),
    "not repeatable": (
        lambda g, h: (2 * g + h) * (1 + 1e-7 * opsmith.rand(3, dtype=F64)), {},
        "Backward is not reentrant",
    ),
    "tolerated": (
        lambda g, h: (2 * g + h) * (1 + 1e-7 * opsmith.rand(3, dtype=F64)),
        {"nondet_tol": 1e-3, "check_undefined_grad": False}, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(GRADIENTS))
def test_gradcheck_finds_what_is_wrong(kind: str) -> None:
    gradient, options, text = GRADIENTS[kind]
    x = opsmith.tensor([0.5, 2.0, -1.0], dtype=F64, requires_grad=True)
    fn = _function(gradient)
    if not text:
        assert gradcheck(fn, (x,), **options)
        return
    with pytest.raises(RuntimeError, match=text):
        gradcheck(fn, (x,), **options)
    assert gradcheck(fn, (x,), raise_exception=False, **options) is False


def test_gradcheck_options() -> None:
    x = opsmith.randn(3, 2, dtype=F64, requires_grad=True)
    y = opsmith.randn(2, dtype=F64, requires_grad=True)

    def fn(x: Any, y: Any) -> Any:
        return (x * y).sin(), (x @ y).exp()

    assert gradcheck(fn, (x, y), check_forward_ad=True, check_grad_dtypes=True)
    assert gradcheck(fn, (x, y), check_forward_ad=True, check_backward_ad=False)
    assert gradgradcheck(fn, (x, y), fast_mode=True, gen_non_contig_grad_outputs=True)
    assert gradgradcheck(fn, (x, y), check_fwd_over_rev=True)
    for options, text in (
        ({"check_backward_ad": False}, "at least one of"),
        ({"check_batched_forward_grad": True}, "requires check_forward_ad"),
        ({"check_batched_grad": True, "check_backward_ad": False, "check_forward_ad": True},
         "requires check_backward_ad"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            gradcheck(fn, (x, y), **options)
    with pytest.raises(ValueError, match="none of them have requires_grad=True"):
        gradcheck(fn, (x.detach(), y.detach()))
    with pytest.raises(RuntimeError, match="0th input has a dimension with stride 0"):
        gradcheck(lambda v: v * 2, (opsmith.ones(1, requires_grad=True).expand(3),))
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double"):
        gradcheck(lambda v: v * 2, (opsmith.ones(2, requires_grad=True),), eps=1e-2, atol=1e-1)


@pytest.mark.parametrize("name", ["sigmoid", "add", "sum", "mm", "tril", "softmax", "sort", "cat"])
def test_opcheck(name: str) -> None:
    found = opcheck(name)
    assert found["value"] == found["gradient"] == found["meta"] == found["layout"] == "SUCCESS"


def test_opcheck_says_why_a_check_does_not_apply() -> None:
    found = opcheck("nonzero")
    assert found["meta"] == "data-dependent size"
    assert found["gradient"] == "integer or boolean output"
    assert opcheck("dropout")["layout"] == "random"
    assert opcheck("embedding")["gradient"] == "a gradient that is stopped by definition"
    assert opcheck("linalg_cholesky")["gradient"] == "SUCCESS"  # along symmetric matrices
    assert list(opcheck("exp", test_utils="meta")) == ["meta"]
    with pytest.raises(ValueError, match="no check 'metta'; it has value, gradient"):
        opcheck("exp", test_utils=["metta"])
    with pytest.raises(AttributeError):
        opcheck("no_such_op")


def test_opcheck_of_a_registry_of_ones_own() -> None:
    mine = opsmith.ops.define(
        """
        - op: swoosh_for_opcheck(Tensor input, *, float beta=1.0) -> Tensor
          out: input * sigmoid(beta * input)
          variants: [inplace, out]
          samples: [{input: [3]}]
        - op: body_for_opcheck(Tensor input, Tensor other) -> Tensor
          body: mm(swoosh_for_opcheck(input), other) * 2
          samples: [{input: [3, 4], other: [4, 2]}]
        """
    )
    assert set(opcheck(mine.swoosh_for_opcheck).values()) == {"SUCCESS"}
    assert opcheck(mine.body_for_opcheck)["gradient"] == "SUCCESS"


def test_opcheck_finds_what_is_wrong() -> None:
    class Wrong(opsmith.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

    def wrong(x: Any) -> Any:
        return Wrong.apply(x)

    def crooked(x: Any) -> Any:
        return opsmith.as_strided(x, (2,), (1,))

    x = opsmith.tensor([1.0, 2.0], dtype=opsmith.float64, requires_grad=True)
    with pytest.raises(AssertionError, match=r"opcheck\('wrong'\): gradient: Jacobian"):
        opcheck(wrong, (x,))
    found = opcheck(crooked, (x,), raise_exception=False)
    assert found["layout"].startswith("FAILED: Tensor-likes are not close")


def test_opcheck_of_one_call() -> None:
    x = opsmith.tensor([1.0, 2.0], dtype=opsmith.float64, requires_grad=True)
    assert opcheck(opsmith.exp, (x,))["gradient"] == "SUCCESS"
