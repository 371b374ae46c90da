"""Index notation with functions in it: every order that is made, and the next, refused."""

from __future__ import annotations

from typing import Any

import pytest

import opsmith
from opsmith.autograd import grad, gradcheck, gradgradcheck

ENTRIES = """
- op: outer_tanh(Tensor x) -> Tensor
  index: "out[i, j] = tanh(x[i]) * x[j]"
  samples: [{x: [3]}]

- op: largest_power(Tensor x, Tensor w) -> Tensor
  index: "out[i] = max(pow(abs(x[i]) + 1, w[k]) for k in K)"
  samples: [{x: [3], w: [4]}]
"""


@pytest.fixture(scope="module")
def ops() -> Any:
    return opsmith.ops.define(ENTRIES, name="index_functions")


def vectors(*sizes: int) -> list[Any]:
    opsmith.manual_seed(0)
    made = [opsmith.randn(n, dtype=opsmith.float64) for n in sizes]
    return [x.requires_grad_() for x in made]


@pytest.mark.parametrize(("name", "sizes"), [("outer_tanh", (3,)), ("largest_power", (3, 4))])
def test_derivatives(ops: Any, name: str, sizes: tuple[int, ...]) -> None:
    op, xs = getattr(ops, name), vectors(*sizes)
    assert gradcheck(op, xs) and gradgradcheck(op, xs)

    def second(*xs: Any) -> Any:
        (first,) = grad((op(*xs) ** 2).sum(), xs[:1], create_graph=True)
        return grad((first**2).sum(), xs, create_graph=True)

    assert gradcheck(second, xs)
    total = sum((t**2).sum() for t in second(*xs))
    third = grad(total, xs, create_graph=True)
    with pytest.raises(RuntimeError, match="of the fourth order.*up to the third"):
        grad(sum((t**2).sum() for t in third), xs)


def test_a_size_is_that_of_the_axis_its_loop_runs_over(ops: Any) -> None:
    (x,) = vectors(3)
    assert opsmith.allclose(ops.outer_tanh(x), x.tanh()[:, None] * x)
    assert ops.outer_tanh(opsmith.empty(0)).shape == (0, 0)
