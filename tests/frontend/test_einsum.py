"""einsum and what is made of products of pairs, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith.autograd import gradcheck, gradgradcheck

SIZES = dict(zip("abcijklmnxyz", (2, 3, 2, 3, 4, 2, 5, 2, 3, 2, 4, 3), strict=True))
EQUATIONS = (
    "ij,jk->ik", "ij,jk", "ij->ji", "ij->", "ii->i", "ii", "ij,ij->", "ij,ij->ij", "i,j->ij", "i,i",
    "aij,ajk->aik", "aij,akj->ika", "ijk,jkl->il", "ij,jk,kl->il", "a,b,c->abc", "ij,kl->",
    "iij->j",
    "ij,j->i", "abc,cx,aby->xy", "ab,ba", "ijk->kj", "aab,b->a", ",ij->ij", "xij,xkj->xik",
    "i,ij,ijk,k->j", " ij , jk -> ki ",
)  # fmt: skip


def arrays(equation: str, dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(len(equation))
    terms = equation.replace(" ", "").split("->")[0].split(",")
    return [rng.integers(-4, 5, [SIZES[c] for c in term]).astype(dtype) for term in terms]


@pytest.mark.parametrize("equation", EQUATIONS)
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_equations(equation: str, dtype: str) -> None:
    given = arrays(equation, dtype)
    got = opsmith.einsum(equation, *(opsmith.tensor(a) for a in given))
    want = np.einsum(equation.replace(" ", ""), *given)
    assert got.numpy().dtype == want.dtype
    assert np.array_equal(got.numpy(), want)
    again = opsmith.einsum(equation, [opsmith.tensor(a) for a in given])
    assert np.array_equal(again.numpy(), want)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 2)]),
        ("...ij,...jk->...ik", [(5, 2, 3, 4), (1, 4, 2)]),
        ("...i->...", [(2, 3, 4)]),
        ("i...->...", [(2, 3, 4)]),
        ("i...,j...->ij...", [(2, 3), (4, 3)]),
        ("...,...->...", [(2, 3), (3,)]),
        ("...ij,j", [(2, 3, 4), (4,)]),
        ("...", [(2, 3)]),
    ],
)
def test_ellipsis(equation: str, shapes: list[tuple[int, ...]]) -> None:
    given = [np.random.default_rng(k).normal(size=s) for k, s in enumerate(shapes)]
    got = opsmith.einsum(equation, *(opsmith.tensor(a) for a in given))
    assert np.allclose(got.numpy(), np.einsum(equation, *given))


def test_sublists() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    x, y = opsmith.tensor(a), opsmith.tensor(b)
    assert np.array_equal(opsmith.einsum(x, [0, 1], y, [1, 2], [2, 0]).numpy(), (a @ b).T)
    assert np.array_equal(opsmith.einsum(x, [..., 1], [...]).numpy(), a.sum(1))
    with pytest.raises(RuntimeError, match="within range \\[0, 52\\)"):
        opsmith.einsum(x, [0, 60])


def test_sizes_of_one_broadcast() -> None:
    a, b = np.arange(3.0).reshape(3, 1), np.arange(8.0).reshape(4, 2)
    got = opsmith.einsum("ij,jk->ik", opsmith.tensor(a), opsmith.tensor(b))
    assert np.array_equal(got.numpy(), a * b.sum(0))


def test_empty() -> None:
    a, b = opsmith.zeros(2, 0), opsmith.zeros(0, 3)
    assert opsmith.einsum("ij,jk->ik", a, b).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk->iz", [(2, 3), (3, 2)], "output subscript z does not appear"),
        ("ij->ii", [(2, 2)], "appears more than once in the output"),
        ("i->i", [(2, 3)], "does not match the number of dimensions"),
        ("ij,jk", [(2, 3)], "fewer operands"),
        ("ij", [(2, 3), (3, 2)], "more operands"),
        ("i1", [(2, 3)], "invalid subscript"),
        ("i.j", [(2, 3)], "not part of any ellipsis"),
        ("ij,jk->ik", [(2, 3), (4, 2)], "does not broadcast"),
    ],
)
def test_errors(equation: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        opsmith.einsum(equation, *(opsmith.zeros(*s) for s in shapes))


@pytest.mark.parametrize("dims", [0, 1, 2, ([0], [1]), ([0, 2], [1, 0]), ([-1], [0])])
def test_tensordot(dims: Any) -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    shape = {0: (2,), 1: (4, 2), 2: (3, 4, 2)}.get(dims if isinstance(dims, int) else -1, (4, 2, 3))
    b = np.arange(float(np.prod(shape))).reshape(shape)
    got = opsmith.tensordot(opsmith.tensor(a), opsmith.tensor(b), dims)
    assert np.allclose(got.numpy(), np.tensordot(a, b, dims))


def test_kron_cross_cdist() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(6.0, 12.0).reshape(2, 3) ** 2
    x, y = opsmith.tensor(a), opsmith.tensor(b)
    assert np.array_equal(opsmith.kron(x, y).numpy(), np.kron(a, b))
    assert np.array_equal(opsmith.kron(x, y[0]).numpy(), np.kron(a, b[0]))
    assert np.array_equal(opsmith.cross(x, y).numpy(), np.cross(a, b))
    assert np.array_equal(opsmith.cross(x.T, y.T).numpy(), np.cross(a, b).T)
    for p in (1.0, 2.0, 3.0, float("inf")):
        want = np.linalg.norm(a[:, None] - b[None], p, -1)
        assert np.allclose(opsmith.cdist(x, y, p).numpy(), want)


def test_linalg() -> None:
    from opsmith import linalg

    a = np.random.default_rng(0).normal(size=(3, 4, 5))
    x = opsmith.tensor(a)
    for order in (1, 2, 3, float("inf"), -float("inf"), 0):
        want = np.linalg.norm(a.reshape(3, -1), order, axis=1)
        assert np.allclose(linalg.vector_norm(x, order, (1, 2)).numpy(), want)
    for name in ("fro", 1, -1, np.inf, -np.inf):
        want = np.linalg.norm(a, name, axis=(0, 2), keepdims=True)
        assert np.allclose(linalg.matrix_norm(x, name, (0, 2), True).numpy(), want)
    assert np.allclose(linalg.norm(x).item(), np.linalg.norm(a))
    mats = [a[0], a[1].T, a[2]]
    got = linalg.multi_dot([opsmith.tensor(np.ascontiguousarray(m)) for m in mats])
    assert np.allclose(got.numpy(), np.linalg.multi_dot(mats))
    square = a[:, :, :4]
    got = linalg.matrix_power(opsmith.tensor(np.ascontiguousarray(square)), 5)
    assert np.allclose(got.numpy(), np.linalg.matrix_power(square, 5))
    for name in ("nuc", 2, -2):
        want = np.linalg.norm(a, name, axis=(0, 2), keepdims=True)
        assert np.allclose(linalg.matrix_norm(x, name, (0, 2), True).numpy(), want)


GRADIENTS = {
    "product": ("ij,jk->ik", (2, 3), (3, 2)),
    "diagonal": ("iij->j", (2, 2, 3)),
    "three": ("ij,jk,k->i", (2, 3), (3, 2), (2,)),
    "broadcast": ("...i,...i->...", (2, 1, 3), (2, 3)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str) -> None:
    equation, *shapes = GRADIENTS[name]
    rng = np.random.default_rng(0)
    inputs = tuple(opsmith.tensor(rng.normal(size=s)).requires_grad_() for s in shapes)

    def run(*x: Any) -> Any:
        return opsmith.einsum(equation, *x)

    gradcheck(run, inputs)
    gradgradcheck(run, inputs)
