"""Joining, cutting, repeating and padding against NumPy: dtypes, strides, empty tensors, errors."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith.autograd import gradcheck, gradgradcheck

DTYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
pad = opsmith.nn.functional.pad


def array(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> Any:
    rng = np.random.default_rng([seed, *shape])
    return rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


def strided(a: Any) -> Any:
    """A tensor with the array's values and another memory order."""
    return opsmith.tensor(np.ascontiguousarray(a.T)).permute(*reversed(range(a.ndim)))


def leaf(*shape: int) -> Any:
    return opsmith.tensor(array(shape) / 7).requires_grad_()


def same(got: Any, want: Any) -> None:
    assert got.numpy().dtype == want.dtype
    assert np.array_equal(got.numpy(), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_and_stack(dtype: str, dim: int) -> None:
    arrays = [array((2, 3, 4), dtype, k) for k in range(3)]
    for make in (opsmith.tensor, strided):
        tensors = [make(a) for a in arrays]
        same(opsmith.cat(tensors, dim), np.concatenate(arrays, dim))
        same(opsmith.stack(tensors, dim), np.stack(arrays, dim))


@pytest.mark.parametrize(("a", "b"), list(product(DTYPES[:6], DTYPES[3:])))
def test_cat_promotes(a: str, b: str) -> None:
    x, y = opsmith.tensor(array((2,), a)), opsmith.tensor(array((3,), b))
    got = opsmith.cat([x, y])
    assert got.dtype is opsmith.promote_types(x.dtype, y.dtype)
    assert got.tolist() == x.to(got.dtype).tolist() + y.to(got.dtype).tolist()


def test_cat_gradients_have_their_operands_dtypes() -> None:
    a = opsmith.ones(2, 2, requires_grad=True)
    b = opsmith.ones(1, 2, dtype=opsmith.float64, requires_grad=True)
    c = opsmith.ones(3, 2, dtype=opsmith.int64)
    out = opsmith.cat([a, c, b])
    assert len(out.grad_fn.next_functions) == 3
    out.backward(opsmith.arange(12.0, dtype=opsmith.float64).reshape(6, 2))
    assert a.grad.dtype is opsmith.float32
    assert a.grad.tolist() == [[0, 1], [2, 3]]
    assert b.grad.dtype is opsmith.float64
    assert b.grad.tolist() == [[10, 11]]


def test_cat_takes_empty_vectors() -> None:
    """PyTorch's legacy: a vector without elements joins tensors of any rank, gradient included."""
    nothing, m = opsmith.ones(0, requires_grad=True), leaf(2, 3)
    out = opsmith.cat([nothing, m], 1)
    assert out.shape == (2, 3)
    out.sum().backward()
    assert nothing.grad.shape == (0,)
    assert opsmith.cat([nothing, nothing]).shape == (0,)


def test_cat_errors() -> None:
    m = opsmith.zeros(2, 3)
    with pytest.raises(ValueError, match="non-empty list"):
        opsmith.cat([])
    with pytest.raises(RuntimeError, match="zero-dimensional tensor \\(at position 1\\)"):
        opsmith.cat([m, opsmith.tensor(1.0)])
    with pytest.raises(RuntimeError, match="Expected size 3 but got size 2 for tensor number 1"):
        opsmith.cat([m, opsmith.zeros(2, 2)])
    with pytest.raises(RuntimeError, match="same number of dimensions: got 2 and 1"):
        opsmith.cat([m, opsmith.zeros(3)])
    with pytest.raises(IndexError, match="\\[-2, 1\\], but got 2"):
        opsmith.cat([m, m], 2)
    with pytest.raises(TypeError, match="element 1"):
        opsmith.cat([m, 3])
    with pytest.raises(RuntimeError, match="equal size, but got \\[2, 3\\] at entry 0"):
        opsmith.stack([m, opsmith.zeros(2, 2)])
    with pytest.raises(RuntimeError, match="same device"):
        opsmith.cat([m, opsmith.zeros(2, 3, device="meta")])


def test_cat_out() -> None:
    a = opsmith.tensor([1.0, 2.0])
    out = opsmith.empty(4)
    assert opsmith.cat([a, a], out=out) is out
    assert out.tolist() == [1, 2, 1, 2]
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        opsmith.cat([a.clone().requires_grad_(), a], out=out)
    with pytest.raises(RuntimeError, match="can't be cast"):
        opsmith.cat([a, a], out=opsmith.empty(4, dtype=opsmith.int64))


def test_large_cat_copies_without_the_lock() -> None:
    a = np.arange(400_000, dtype=np.float32).reshape(400, 1000)
    same(opsmith.cat([opsmith.tensor(a), strided(a)], 1), np.concatenate([a, a], 1))


def test_parts_are_views() -> None:
    x = opsmith.zeros(4, 6)
    for k, part in enumerate((*x.split(2, 1), *x.chunk(2), *x.unbind(0), *x.tensor_split((1,), 1))):
        part.fill_(k + 1)
        assert (x == k + 1).sum() == part.numel()


@pytest.mark.parametrize("n", range(8))
@pytest.mark.parametrize("count", range(1, 6))
def test_cuts(n: int, count: int) -> None:
    a = array((n, 2))
    x = opsmith.tensor(a)
    for got, want in (
        (x.tensor_split(count), np.array_split(a, count)),
        (x.tensor_split((1, 3)), np.array_split(a, (1, 3))),
        (x.split(count), np.split(a, range(count, max(n, 1), count))),
    ):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            same(g, w)
    assert sum(p.shape[0] for p in x.chunk(count)) == n


def test_cut_errors() -> None:
    x = opsmith.zeros(5, 4)
    with pytest.raises(RuntimeError, match="sum exactly to 5"):
        x.split([2, 2])
    with pytest.raises(RuntimeError, match="non-negative, but got split_size=-1"):
        x.split(-1)
    with pytest.raises(RuntimeError, match="greater than 0, got: 0"):
        x.chunk(0)
    with pytest.raises(RuntimeError, match="not divisible by the split_size 3"):
        opsmith.hsplit(x, 3)
    with pytest.raises(IndexError, match="no dimensions"):
        opsmith.tensor(1.0).unbind()


@pytest.mark.parametrize("repeats", [(2,), (1, 3), (2, 1, 2), (0, 1), (3, 1, 1, 2)])
def test_repeat(repeats: tuple[int, ...]) -> None:
    a = array((3,))
    same(opsmith.tensor(a).repeat(*repeats), np.tile(a, repeats))
    same(opsmith.tensor(a).repeat(repeats), np.tile(a, repeats))
    b = array((2, 3))
    same(opsmith.tile(strided(b), repeats), np.tile(b, repeats))
    with pytest.raises(RuntimeError, match="can not be smaller"):
        opsmith.tensor(b).repeat(2)


def test_repeat_is_a_copy() -> None:
    x = opsmith.zeros(2)
    x.repeat(1).fill_(1)
    assert x.tolist() == [0, 0]


@pytest.mark.parametrize("dim", [None, 0, 1, -1])
def test_repeat_interleave(dim: int | None) -> None:
    a = array((2, 3))
    n = a.size if dim is None else a.shape[dim]
    counts = np.arange(n) % 3
    same(opsmith.tensor(a).repeat_interleave(2, dim), np.repeat(a, 2, dim))
    got = opsmith.repeat_interleave(opsmith.tensor(a), opsmith.tensor(counts), dim)
    same(got, np.repeat(a, counts, dim))
    assert opsmith.repeat_interleave(opsmith.tensor(a), 0, dim).numel() == 0


@pytest.mark.parametrize("k", range(-5, 6))
@pytest.mark.parametrize("dtype", DTYPES)
def test_triangles(k: int, dtype: str) -> None:
    a = array((2, 4, 3), dtype)
    for make in (opsmith.tensor, strided):
        same(opsmith.tril(make(a), k), np.tril(a, k))
        same(opsmith.triu(make(a), k), np.triu(a, k))
    x = opsmith.tensor(a)
    assert x.tril_(k) is x
    same(x, np.tril(a, k))


def test_triangle_edges() -> None:
    assert opsmith.tril(opsmith.zeros(0, 3)).shape == (0, 3)
    assert opsmith.triu(opsmith.ones(3, 3), 2**62).sum() == 0
    with pytest.raises(RuntimeError, match="triu: input tensor must have at least 2 dimensions"):
        opsmith.triu(opsmith.zeros(3))
    big = np.ones((300, 400), np.float32)
    same(opsmith.tril(opsmith.tensor(big), 7), np.tril(big, 7))


@pytest.mark.parametrize("offset", range(-4, 5))
def test_diagonals(offset: int) -> None:
    v, m = array((3,)), array((3, 4))
    same(opsmith.diag(opsmith.tensor(v), offset), np.diag(v, offset))
    same(opsmith.diag(opsmith.tensor(m), offset), np.diag(m, offset))
    same(opsmith.diagflat(opsmith.tensor(m), offset), np.diagflat(m, offset))
    got = opsmith.diag_embed(opsmith.tensor(m), offset, 0, 2)
    same(got.diagonal(offset, 0, 2), m)


def test_trace() -> None:
    assert opsmith.trace(opsmith.tensor([[1, 2, 3], [4, 5, 6]])).item() == 6
    assert opsmith.trace(opsmith.ones(2, 2, dtype=opsmith.int8)).dtype is opsmith.int64


NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize("mode", NUMPY_MODES)
@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ((2, 5), (2, 1)),
        ((2, 3, 4), (1, 3, 2, 0)),
        ((1, 2, 3, 4), (0, 1, 2, 2)),
        ((1, 2, 3, 2, 4), (1, 0, 1, 1, 2, 1)),
    ],
)
def test_pad_modes(mode: str, shape: tuple[int, ...], widths: tuple[int, ...]) -> None:
    a = array(shape)
    pairs = list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (a.ndim - len(pairs)) + pairs
    same(pad(strided(a), widths, mode=mode), np.pad(a, pairs, NUMPY_MODES[mode]))  # type: ignore[call-overload]


@pytest.mark.parametrize("dtype", DTYPES)
def test_pad_constant(dtype: str) -> None:
    a = array((2, 3), dtype)
    same(
        pad(opsmith.tensor(a), (1, 2, 0, 1), value=1),
        np.pad(a, ((0, 1), (1, 2)), constant_values=1),
    )
    same(pad(opsmith.tensor(a), (-1, 2, 1, -1)), np.pad(a[:1, 1:], ((1, 0), (0, 2))))
    same(pad(strided(a), ()), a)


def test_pad_errors() -> None:
    x = opsmith.zeros(1, 2, 3)
    with pytest.raises(RuntimeError, match="divisible by 2"):
        pad(x, (1,))
    with pytest.raises(RuntimeError, match="less than the corresponding input dimension"):
        pad(x, (3, 0), mode="reflect")
    with pytest.raises(RuntimeError, match="more than once"):
        pad(x, (4, 0), mode="circular")
    with pytest.raises(NotImplementedError, match="padding mode mirror"):
        pad(x, (1, 1), mode="mirror")
    with pytest.raises(RuntimeError, match="negative output size"):
        pad(x, (-2, -2))


def test_grids() -> None:
    a, b, c = array((2,)), array((3,)), array((4,))
    for indexing in ("ij", "xy"):
        got = opsmith.meshgrid(*(opsmith.tensor(v) for v in (a, b, c)), indexing=indexing)
        for g, w in zip(got, np.meshgrid(a, b, c, indexing=indexing), strict=True):  # type: ignore[call-overload]
            same(g, w)
    pairs = opsmith.cartesian_prod(opsmith.tensor([1, 2]), opsmith.tensor([3, 4]))
    assert pairs.tolist() == [[1, 3], [1, 4], [2, 3], [2, 4]]
    assert opsmith.combinations(opsmith.tensor([1, 2, 3])).tolist() == [[1, 2], [1, 3], [2, 3]]
    assert opsmith.broadcast_shapes((3, 1), (1, 4), 1) == (3, 4)
    assert opsmith.broadcast_shapes((0, 1), (1, 1)) == (0, 1)
    with pytest.raises(RuntimeError, match="cannot be broadcast"):
        opsmith.broadcast_shapes((3,), (4,))


def test_atleast() -> None:
    x = opsmith.tensor(1.0)
    assert opsmith.atleast_1d(x).shape == (1,)
    assert [t.shape for t in opsmith.atleast_3d(x, opsmith.zeros(2), opsmith.zeros(2, 3))] == [
        (1, 1, 1), (1, 2, 1), (2, 3, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("shifts", [1, (2,), (1, -4), 7])
def test_roll(shifts: Any) -> None:
    a = array((3, 4))
    dims = None if isinstance(shifts, int) else tuple(range(len(shifts)))
    same(opsmith.roll(strided(a), shifts, dims), np.roll(a, shifts, dims))
    with pytest.raises(RuntimeError, match="shifts and dimensions must align"):
        opsmith.roll(opsmith.tensor(a), (1, 2), (0,))


@pytest.mark.parametrize("k", range(-4, 5))
def test_rot90(k: int) -> None:
    a = array((2, 3, 4))
    same(opsmith.rot90(opsmith.tensor(a), k, (1, 2)), np.rot90(a, k, (1, 2)))


GRADIENTS = {
    "cat": lambda a, b: opsmith.cat([a, b], 1),
    "stack": lambda a, b: opsmith.stack([a, b[:, :1].expand(2, 3)], -1),
    "block_diag": lambda a, b: opsmith.block_diag(a, b),
    "split": lambda a, b: (a.split(2, 1)[0] * b, *a.chunk(2)),
    "pad": lambda a, b: pad(a, (1, -1, 2, 0), value=3) ** 2,
    "pad_reflect": lambda a, b: pad(a, (2, 1), mode="reflect") ** 2,
    "repeat": lambda a, b: a.repeat(2, 1, 2) ** 2,
    "triangles": lambda a, b: opsmith.tril(a) * opsmith.triu(a, -1),
    "diag_embed": lambda a, b: opsmith.diag_embed(a, 1) ** 2,
    "roll": lambda a, b: opsmith.roll(a, (1, 2), (0, 1)) ** 2,
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str) -> None:
    inputs = (leaf(2, 3), leaf(2, 2))
    gradcheck(GRADIENTS[name], inputs)
    gradgradcheck(GRADIENTS[name], inputs)


def test_meta_gives_shapes() -> None:
    m = opsmith.empty(2, 3, device="meta")
    for out, shape in (
        (opsmith.cat([m, m]), (4, 3)),
        (opsmith.stack([m, m], 1), (2, 2, 3)),
        (opsmith.tril(m), (2, 3)),
        (pad(m, (1, 2)), (2, 6)),
        (m.repeat(2, 2), (4, 6)),
        (opsmith.roll(m, 1, 0), (2, 3)),
        (m.sort()[0], (2, 3)),
    ):
        assert out.is_meta
        assert out.shape == shape


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ((2, 3, 4), (3, 4, 5), r"tensor a \(2\) must match .* b \(3\) at .*singleton dimension 0"),
        ((4,), (2, 3, 5), r"batch2 tensor to be: \[2, 4\] but got: \[2, 3\]"),
        ((2, 1, 3, 4), (5, 5, 6), r"batch2 tensor to be: \[10, 4\] but got: \[10, 5\]"),
    ],
)
def test_matrices_that_do_not_fit(one: Any, other: Any, said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        opsmith.ones(*one) @ opsmith.ones(*other)


def test_matrices_of_two_dtypes() -> None:
    """Leading dims that broadcast do not make products convert."""
    with pytest.raises(RuntimeError, match="same dtype"):
        opsmith.ones(2, 2, dtype=opsmith.float64) @ opsmith.ones(3, 2, 2)


@pytest.mark.parametrize("shapes", [((256, 1, 8, 8), (1, 256, 8, 8)), ((2, 2), (0, 2, 3))])
def test_matrices_over_leading_dims(shapes: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s) for s in shapes)
    assert np.allclose((opsmith.tensor(a) @ opsmith.tensor(b)).numpy(), a @ b)
