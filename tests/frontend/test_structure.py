"""Ops that move, select, sort and join elements, and contractions: values against NumPy, gradients
by differences, dtypes, empty and 0-d tensors, errors."""

import numpy as np
import pytest

import opsmith
from opsmith.autograd import gradcheck

F64 = opsmith.float64
X = np.round(np.sin(np.arange(24) * 2.3).reshape(2, 3, 4) * 3, 3)
M = X[0]
V = np.array([3.0, -1.0, 2.0, -1.5, 0.25])
I = np.array([3, 1, 2, 3, 1, 0])  # noqa: E741


def t(a):
    return opsmith.tensor(a)


# expression, arrays, what NumPy says
CASES = {
    "cat": (
        lambda a, b: opsmith.cat([a, b], 1),
        (X, X[:, :1]),
        lambda a, b: np.concatenate([a, b], 1),
    ),
    "cat_negative": (
        lambda a, b: opsmith.concat((a, b), -1),
        (M, M),
        lambda a, b: np.concatenate([a, b], -1),
    ),
    "stack": (lambda a, b: opsmith.stack([a, b], 1), (M, -M), lambda a, b: np.stack([a, b], 1)),
    "hstack": (lambda a, b: opsmith.hstack([a, b]), (M, M), lambda a, b: np.hstack([a, b])),
    "hstack_vectors": (lambda a, b: opsmith.hstack([a, b]), (V, V), lambda a, b: np.hstack([a, b])),
    "vstack": (lambda a, b: opsmith.vstack([a, b]), (V, V), lambda a, b: np.vstack([a, b])),
    "dstack": (lambda a, b: opsmith.dstack([a, b]), (M, M), lambda a, b: np.dstack([a, b])),
    "split": (lambda a: opsmith.split(a, 2, 2)[1], (X,), lambda a: a[:, :, 2:]),
    "split_sizes": (lambda a: a.split([1, 3], 2)[1], (X,), lambda a: a[:, :, 1:]),
    "chunk": (lambda a: opsmith.chunk(a, 3, 2)[0], (X,), lambda a: a[:, :, :2]),
    "tensor_split": (
        lambda a: opsmith.tensor_split(a, 3, 2)[0],
        (X,),
        lambda a: np.array_split(a, 3, 2)[0],
    ),
    "unbind": (lambda a: a.unbind(1)[2], (X,), lambda a: a[:, 2]),
    "roll": (
        lambda a: opsmith.roll(a, (1, -2), (0, 2)),
        (X,),
        lambda a: np.roll(a, (1, -2), (0, 2)),
    ),
    "roll_flat": (lambda a: opsmith.roll(a, 5), (X,), lambda a: np.roll(a, 5)),
    "repeat": (lambda a: a.repeat(2, 1, 3), (M,), lambda a: np.tile(a, (2, 1, 3))),
    "tile": (lambda a: opsmith.tile(a, (2,)), (M,), lambda a: np.tile(a, 2)),
    "repeat_interleave": (lambda a: a.repeat_interleave(2, 1), (M,), lambda a: np.repeat(a, 2, 1)),
    "repeat_interleave_each": (
        lambda a: a.repeat_interleave(opsmith.tensor([1, 0, 2]), 0),
        (M,),
        lambda a: np.repeat(a, [1, 0, 2], 0),
    ),
    "rot90": (lambda a: opsmith.rot90(a, 1, (0, 1)), (M,), lambda a: np.rot90(a)),
    "fliplr": (lambda a: opsmith.fliplr(a), (M,), np.fliplr),
    "flipud": (lambda a: opsmith.flipud(a), (M,), np.flipud),
    "tril": (lambda a: a.tril(-1), (X,), lambda a: np.tril(a, -1)),
    "triu": (lambda a: a.triu(1), (X,), lambda a: np.triu(a, 1)),
    "diag": (lambda a: opsmith.diag(a, 1), (V,), lambda a: np.diag(a, 1)),
    "diag_of_matrix": (lambda a: opsmith.diag(a, -1), (M,), lambda a: np.diag(a, -1)),
    "diag_embed": (
        lambda a: opsmith.diag_embed(a),
        (M,),
        lambda a: np.stack([np.diag(r) for r in a]),
    ),
    "pad": (
        lambda a: opsmith.nn.functional.pad(a, (1, 2, 0, 1), value=0.5),
        (X,),
        lambda a: np.pad(a, ((0, 0), (0, 1), (1, 2)), constant_values=0.5),
    ),
    "pad_cuts": (
        lambda a: opsmith.nn.functional.pad(a, (-1, 1)),
        (M,),
        lambda a: np.pad(a[:, 1:], ((0, 0), (0, 1))),
    ),
    "pad_outer": (
        lambda a: opsmith.nn.functional.pad(a, (0, 0, 2, 0, 1, 1), value=-1.0),
        (X,),
        lambda a: np.pad(a, ((1, 1), (2, 0), (0, 0)), constant_values=-1.0),
    ),
    "pad_and_cut": (
        lambda a: opsmith.nn.functional.pad(a.transpose(0, 2), (1, -1, -1, 40)),
        (X,),
        lambda a: np.pad(a.swapaxes(0, 2)[:, 1:, :-1], ((0, 0), (0, 40), (1, 0))),
    ),
    "pad_reflect": (
        lambda a: opsmith.nn.functional.pad(a, (1, 2), "reflect"),
        (M,),
        lambda a: np.pad(a, ((0, 0), (1, 2)), "reflect"),
    ),
    "pad_replicate": (
        lambda a: opsmith.nn.functional.pad(a, (2, 1), "replicate"),
        (M,),
        lambda a: np.pad(a, ((0, 0), (2, 1)), "edge"),
    ),
    "pad_circular": (
        lambda a: opsmith.nn.functional.pad(a, (2, 1), "circular"),
        (X,),
        lambda a: np.pad(a, ((0, 0), (0, 0), (2, 1)), "wrap"),
    ),
    "sort": (lambda a: opsmith.sort(a, 1).values, (X,), lambda a: np.sort(a, 1)),
    "sort_down": (lambda a: a.sort(-1, descending=True)[0], (M,), lambda a: -np.sort(-a, -1)),
    "topk": (lambda a: a.topk(2, 1).values, (M,), lambda a: -np.sort(-a, 1)[:, :2]),
    "topk_smallest": (lambda a: a.topk(2, 0, largest=False)[0], (M,), lambda a: np.sort(a, 0)[:2]),
    "kthvalue": (lambda a: a.kthvalue(2, 1).values, (M,), lambda a: np.sort(a, 1)[:, 1]),
    "median": (lambda a: a.median(), (V,), lambda a: np.sort(a)[2]),
    "median_dim": (lambda a: a.median(1).values, (M,), lambda a: np.sort(a, 1)[:, 1]),
    "masked_select": (lambda a: a.masked_select(a > 0.1), (X,), lambda a: a[a > 0.1]),
    "masked_scatter": (
        lambda a, b: a.masked_scatter(t(M > 0), b),
        (M, np.arange(12.0)),
        lambda a, b: _masked_scatter(a, M > 0, b),
    ),
    "take_along_dim": (
        lambda a: opsmith.take_along_dim(a, t(np.argsort(M, 1)), 1),
        (M,),
        lambda a: np.sort(a, 1),
    ),
    "max": (lambda a: a.max(), (X,), np.max),
    "max_dim": (lambda a: a.max(1).values, (X,), lambda a: a.max(1)),
    "min_keepdim": (lambda a: opsmith.min(a, 2, True)[0], (X,), lambda a: a.min(2, keepdims=True)),
    "max_pair": (lambda a, b: opsmith.max(a, b), (M, -M), np.maximum),
    "clamp": (lambda a: a.clamp(-1, 1.5), (X,), lambda a: np.clip(a, -1, 1.5)),
    "clamp_min": (lambda a: a.clamp(min=0.1), (X,), lambda a: np.maximum(a, 0.1)),
    "clamp_tensors": (
        lambda a, b: a.clamp(b, b + 1),
        (M, M[0] + 0.05),
        lambda a, b: np.clip(a, b, b + 1),
    ),
    "nan_to_num": (lambda a: opsmith.nan_to_num(a, 1.0), (X,), lambda a: a),
    "einsum_matmul": (lambda a, b: opsmith.einsum("ij,jk->ik", a, b), (M, M.T), lambda a, b: a @ b),
    "einsum_implicit": (
        lambda a, b: opsmith.einsum("ij,kj", a, b),
        (M, M),
        lambda a, b: np.einsum("ij,kj", a, b),
    ),
    "einsum_batch": (
        lambda a, b: opsmith.einsum("bij,bkj->bik", a, b),
        (X, X),
        lambda a, b: np.einsum("bij,bkj->bik", a, b),
    ),
    "einsum_ellipsis": (
        lambda a, b: opsmith.einsum("...ij,j...->...i", a, b),
        (X, M.T[:, :2]),
        lambda a, b: np.einsum("...ij,j...->...i", a, b),
    ),
    "einsum_diagonal": (
        lambda a: opsmith.einsum("ii->i", a),
        (M[:, :3],),
        lambda a: np.einsum("ii->i", a),
    ),
    "einsum_trace": (lambda a: opsmith.einsum("ii", a), (M[:, :3],), np.trace),
    "einsum_outer": (
        lambda a, b: opsmith.einsum("i,j->ji", a, b),
        (V, V[:3]),
        lambda a, b: np.outer(b, a),
    ),
    "einsum_three": (
        lambda a, b, c: opsmith.einsum("ij,jk,kl->il", a, b, c),
        (M, M.T, M),
        lambda a, b, c: a @ b @ c,
    ),
    "einsum_sum": (lambda a: opsmith.einsum("bij->j", a), (X,), lambda a: a.sum((0, 1))),
    "tensordot": (
        lambda a, b: opsmith.tensordot(a, b, dims=([2, 1], [1, 0])),
        (X, M[:, :4]),
        lambda a, b: np.tensordot(a, b, ([2, 1], [1, 0])),
    ),
    "tensordot_count": (lambda a, b: opsmith.tensordot(a, b, dims=1), (M, M.T), lambda a, b: a @ b),
    "kron": (lambda a, b: opsmith.kron(a, b), (M, M[:2, :2]), np.kron),
    "cross": (
        lambda a, b: opsmith.cross(a, b, dim=1),
        (X, X[::-1].copy()),
        lambda a, b: np.cross(a, b, axis=1),
    ),
    "outer": (lambda a, b: opsmith.outer(a, b), (V, V), np.outer),
    "meshgrid": (
        lambda a, b: opsmith.meshgrid(a, b, indexing="ij")[1],
        (V, V[:2]),
        lambda a, b: np.meshgrid(a, b, indexing="ij")[1],
    ),
    "cartesian_prod": (
        lambda a, b: opsmith.cartesian_prod(a, b),
        (V, V[:2]),
        lambda a, b: np.array([[x, y] for x in a for y in b]),
    ),
    "combinations": (
        lambda a: opsmith.combinations(a, 2),
        (V[:3],),
        lambda a: np.array([[a[0], a[1]], [a[0], a[2]], [a[1], a[2]]]),
    ),
    "broadcast_tensors": (
        lambda a, b: opsmith.broadcast_tensors(a, b)[1],
        (M, M[0]),
        lambda a, b: np.broadcast_to(b, a.shape),
    ),
    "atleast_2d": (lambda a: opsmith.atleast_2d(a), (V,), np.atleast_2d),
    "atleast_3d": (lambda a: opsmith.atleast_3d(a), (V,), np.atleast_3d),
    "diff": (lambda a: opsmith.diff(a), (M,), np.diff),
    "trace": (lambda a: opsmith.trace(a), (M,), np.trace),
}


def _masked_scatter(a, mask, b):
    out = a.copy()
    out[mask] = b.reshape(-1)[: mask.sum()]
    return out


@pytest.mark.parametrize("name", CASES)
def test_value(name):
    use, arrays, want = CASES[name]
    got = use(*[t(a) for a in arrays])
    expected = np.asarray(want(*arrays))
    assert tuple(got.shape) == expected.shape
    assert got.dtype is F64
    assert np.allclose(got.contiguous().numpy(), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    use, arrays, _ = CASES[name]
    assert gradcheck(use, [opsmith.tensor(a, requires_grad=True) for a in arrays])


# Integer results, where a gradient makes no sense
WHOLE = {
    "argsort": (lambda a: opsmith.argsort(a, 1), (M,), lambda a: np.argsort(a, 1, kind="stable")),
    "sort_indices": (
        lambda a: a.sort(stable=True).indices,
        (I,),
        lambda a: np.argsort(a, kind="stable"),
    ),
    "nonzero": (lambda a: opsmith.nonzero(a > 0), (X,), lambda a: np.argwhere(a > 0)),
    "nonzero_tuple": (
        lambda a: opsmith.nonzero(a > 0, as_tuple=True)[1],
        (X,),
        lambda a: np.nonzero(a > 0)[1],
    ),
    "where_alone": (lambda a: opsmith.where(a > 0)[0], (X,), lambda a: np.where(a > 0)[0]),
    "argwhere": (lambda a: opsmith.argwhere(a > 0), (M,), lambda a: np.argwhere(a > 0)),
    "searchsorted": (
        lambda a: opsmith.searchsorted(t(np.sort(V)), a),
        (M,),
        lambda a: np.searchsorted(np.sort(V), a),
    ),
    "searchsorted_right": (
        lambda a: opsmith.searchsorted(t(np.sort(V)), a, right=True),
        (V,),
        lambda a: np.searchsorted(np.sort(V), a, "right"),
    ),
    "bucketize": (
        lambda a: opsmith.bucketize(a, t(np.array([-1.0, 0.0, 1.0]))),
        (M,),
        lambda a: np.searchsorted([-1.0, 0.0, 1.0], a),
    ),
    "bincount": (
        lambda a: opsmith.bincount(a, minlength=6),
        (I,),
        lambda a: np.bincount(a, minlength=6),
    ),
    "unique": (lambda a: opsmith.unique(a), (I,), np.unique),
    "unique_inverse": (
        lambda a: opsmith.unique(a, return_inverse=True)[1],
        (I,),
        lambda a: np.unique(a, return_inverse=True)[1],
    ),
    "unique_counts": (
        lambda a: opsmith.unique(a, return_counts=True)[1],
        (I,),
        lambda a: np.unique(a, return_counts=True)[1],
    ),
    "isin": (lambda a: opsmith.isin(a, t(np.array([1, 2]))), (I,), lambda a: np.isin(a, [1, 2])),
    "one_hot": (
        lambda a: opsmith.nn.functional.one_hot(a),
        (I,),
        lambda a: np.eye(4, dtype=int)[a],
    ),
    "max_indices": (lambda a: a.max(1).indices, (M,), lambda a: a.argmax(1)),
    "tril_bool": (lambda a: (a > 0).tril(), (M,), lambda a: np.tril(a > 0)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_integers(name):
    use, arrays, want = WHOLE[name]
    got = use(*[t(a) for a in arrays])
    expected = np.asarray(want(*arrays))
    assert tuple(got.shape) == expected.shape and got.tolist() == expected.tolist()
    assert not got.requires_grad


def test_nan_sorts_last():
    x = opsmith.tensor([2.0, float("nan"), -1.0, float("nan"), float("inf")])
    assert str(x.sort().values.tolist()) == "[-1.0, 2.0, inf, nan, nan]"
    assert x.sort().indices.tolist() == [2, 0, 4, 1, 3]
    assert x.argsort(descending=True, stable=True).tolist() == [1, 3, 4, 0, 2]
    for dtype in (opsmith.bfloat16, opsmith.float16):
        assert x.to(dtype).sort().indices.tolist() == [2, 0, 4, 1, 3]


@pytest.mark.parametrize("n", [0, 1, 2, 31, 64, 1000])
@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
def test_sorting_is_stable(n, dtype):
    values = (np.arange(n) * 7919) % 97
    x = opsmith.tensor(values).to(getattr(opsmith, dtype))
    array = x.numpy()
    assert x.sort(stable=True).indices.tolist() == np.argsort(array, kind="stable").tolist()
    down = x.sort(descending=True, stable=True).indices.tolist()
    assert down == sorted(range(n), key=lambda k: (-float(array[k]), k))


def test_dtypes_join():
    assert (
        opsmith.cat([opsmith.ones(1, dtype=opsmith.int64), opsmith.ones(1)]).dtype
        is opsmith.float32
    )
    assert opsmith.stack([opsmith.tensor(True), opsmith.tensor(2)]).dtype is opsmith.int64
    a = opsmith.ones(2, requires_grad=True)
    b = opsmith.ones(2, dtype=F64, requires_grad=True)
    opsmith.cat([a, b]).sum().backward()
    assert a.grad.dtype is opsmith.float32 and b.grad.dtype is F64


def test_empty():
    assert opsmith.cat([opsmith.zeros(0), opsmith.zeros(2, 3)]).shape == (2, 3)
    assert opsmith.cat([opsmith.zeros(0, 3), opsmith.zeros(2, 3)]).shape == (2, 3)
    assert opsmith.stack([opsmith.zeros(0)] * 3).shape == (3, 0)
    assert opsmith.nonzero(opsmith.zeros(0, 2)).shape == (0, 2)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int16", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(700,), (3, 257), (2, 300, 1), (5, 4, 3, 2)])
def test_nonzero_of_many(dtype, shape):
    a = (np.arange(np.prod(shape)).reshape(shape) * 7 % 5 % 2).astype(dtype)
    assert opsmith.from_numpy(a).nonzero().tolist() == np.argwhere(a).tolist()
    assert opsmith.from_numpy(a.T).nonzero().tolist() == np.argwhere(a.T).tolist()


@pytest.mark.parametrize("pool", ["max_pool1d", "max_pool2d", "adaptive_max_pool2d"])
def test_pooling_is_the_same_recorded_or_not(pool):
    """Recorded, pooling keeps the places found, and the gradient adds there."""
    rank = 1 if pool.endswith("1d") else 2
    x = opsmith.tensor(np.sin(np.arange(96.0) * 2.3).reshape((2, 3, 16, 1)[: rank + 1] + (-1,)))
    run = getattr(opsmith.nn.functional, pool)
    size = (3,) if pool.startswith("adaptive") else (3, 2, 1)
    with opsmith.no_grad():
        want = run(x, *size)
    x.requires_grad_()
    got = run(x, *size)
    assert got.tolist() == want.tolist()
    values, indices = run(x, *size, return_indices=True)
    assert values.tolist() == want.tolist()
    got.sum().backward()
    counts = np.zeros(x.shape).reshape(*x.shape[:-rank], -1)
    flat = indices.numpy().reshape(*indices.shape[:-rank], -1)
    for place in np.ndindex(flat.shape):
        counts[(*place[:-1], flat[place])] += 1
    assert x.grad.tolist() == counts.reshape(x.shape).tolist()
    assert gradcheck(lambda a: run(a, *size) ** 2, (x,), atol=1e-4)
    assert opsmith.zeros(0).unique().shape == (0,)
    assert [p.shape[0] for p in opsmith.zeros(5).split(2)] == [2, 2, 1]
    assert opsmith.zeros(3, 0).tril().shape == (3, 0)
    assert (
        opsmith.einsum("ij,jk->ik", opsmith.zeros(2, 0), opsmith.zeros(0, 3)).tolist()
        == [[0, 0, 0]] * 2
    )


def test_zero_dims():
    x = opsmith.tensor(3.0)
    assert x.sort().values.item() == 3 and x.topk(1).values.item() == 3
    assert opsmith.nonzero(x).shape == (1, 0)
    assert opsmith.atleast_1d(x).shape == (1,)
    assert x.max().item() == 3 and x.max(0).indices.item() == 0


def test_views_stay_views():
    x = opsmith.zeros(4)
    for part in x.split(2) + x.chunk(2) + x.unbind():
        part.add_(1)
    assert x.tolist() == [3, 3, 3, 3]


def test_comparisons_of_tensors():
    a = opsmith.tensor([1.0, 2.0])
    assert opsmith.equal(a, a.clone()) and not opsmith.equal(a, opsmith.zeros(3))
    assert opsmith.allclose(a, a + 1e-9) and not opsmith.allclose(a, a + 1)


ERRORS = [
    (lambda: opsmith.cat([]), (RuntimeError, ValueError), "non-empty list"),
    (
        lambda: opsmith.cat([opsmith.zeros(2, 3), opsmith.zeros(3, 2)]),
        RuntimeError,
        "Sizes of tensors must match except in dimension 0",
    ),
    (lambda: opsmith.cat([opsmith.tensor(1.0)]), RuntimeError, "zero-dimensional tensor"),
    (
        lambda: opsmith.stack([opsmith.zeros(2), opsmith.zeros(3)]),
        RuntimeError,
        "expects each tensor to be equal size",
    ),
    (lambda: opsmith.zeros(3).sort(2), IndexError, "Dimension out of range"),
    (
        lambda: opsmith.zeros(3).topk(4),
        RuntimeError,
        "k not in range|selected index k out of range",
    ),
    (lambda: opsmith.zeros(3).split(0), RuntimeError, "split_size"),
    (lambda: opsmith.zeros(3).tril(), RuntimeError, "at least 2 dimensions"),
    (
        lambda: opsmith.einsum("ij,jk->iq", opsmith.zeros(2, 2), opsmith.zeros(2, 2)),
        RuntimeError,
        "q",
    ),
    (
        lambda: opsmith.einsum("ij,jk", opsmith.zeros(2, 2), opsmith.zeros(3, 2)),
        RuntimeError,
        "does not broadcast|size",
    ),
    (lambda: opsmith.einsum("ijk", opsmith.zeros(2, 2)), RuntimeError, "dimensions"),
]


@pytest.mark.parametrize(("use", "error", "text"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(use, error, text):
    with pytest.raises(error, match=text):
        use()
