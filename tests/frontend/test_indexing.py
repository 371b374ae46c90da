"""Indexing against NumPy: every form, read and written, with gradients; PyTorch's errors."""

import random

import numpy as np
import pytest

import opsmith

F64 = opsmith.float64
VALUES = np.arange(2 * 3 * 4 * 5, dtype=np.float64).reshape(2, 3, 4, 5) / 7


def as_opsmith(index):
    """Arrays become tensors; the rest is taken as it is."""
    if isinstance(index, tuple):
        return tuple(as_opsmith(i) for i in index)
    return opsmith.tensor(index) if isinstance(index, np.ndarray) else index


def a(*values):
    return np.array(values)


MASK = VALUES[0, :, :, 0] % 3 < 1.2
FORMS = [
    0,
    -1,
    slice(None),
    slice(1, 3),
    slice(-2, None),
    slice(None, None, 2),
    None,
    ...,
    True,
    False,
    (0, 1),
    (0, 1, 2, 3),
    (slice(None), 1),
    (slice(None), slice(1, 3)),
    (..., 0),
    (0, ...),
    (..., None),
    (None, 0, None, ..., slice(1, 4, 2)),
    (slice(5, 2), 0),
    (slice(None, None, 3), ..., -1),
    a(0, 1, 1),
    a(-1),
    np.array([], int),
    a([0, 1], [1, 0]),
    [0, 1],
    [True, False],
    (slice(None), a(0, 2)),
    (..., a(4, 0, 0)),
    (a(0, 1), a(2, 0)),
    (a([0], [1]), a(2, 0)),
    (slice(None), a(1, 2), a(3, 3)),
    (slice(None), a(1, 2), slice(1, 3), a(0, 4)),
    (a(0, 1), slice(None), a(3, 0)),
    (a(1, 0), slice(None), slice(None), a(1, 2)),
    (a(1), None, a(2)),
    (None, a(1, 0)),
    (slice(None), None, a(1, 0), slice(0, 2)),
    MASK[:2, 0],
    (slice(None), MASK),
    (0, MASK),
    (MASK[:2, 0], slice(None), a(1)),
    (..., VALUES[0, 0, 0] > 0.3),
    (a(0, 1), ..., a(1, 1)),
    VALUES > 3,
    (0, slice(None), [2, 1]),
    (slice(1, 2), True, a(0, 1)),
    np.int64(1),
    (np.int32(0), slice(np.int64(1), None)),
    range(2),
    (slice(None), range(0, 3, 2)),
]


def name(index):
    return repr(index).replace("\n", "")[:60]


@pytest.mark.parametrize("index", FORMS, ids=name)
def test_get(index):
    x = opsmith.tensor(VALUES, requires_grad=True)
    got = x[as_opsmith(index)]
    want = VALUES[index] if not _int_beside_list(index) else VALUES[0][:, [2, 1]]
    assert tuple(got.shape) == want.shape
    assert np.array_equal(got.detach().numpy(), want)
    weights = np.arange(want.size, dtype=np.float64).reshape(want.shape) + 1
    (got * opsmith.tensor(weights)).sum().backward()
    grad = np.zeros_like(VALUES)
    np.add.at(
        grad if not _int_beside_list(index) else grad[0],
        index if not _int_beside_list(index) else index[1:],
        weights,
    )
    assert np.array_equal(x.grad.numpy(), grad)


def _int_beside_list(index):
    """NumPy counts the int as an array, which puts the result's dims in another order."""
    return (
        isinstance(index, tuple)
        and len(index) == 3
        and index[0].__class__ is int
        and isinstance(index[2], list)
    )


def _repeats(index):
    """Does the index name an element twice? Then what stays there is not defined."""
    count = np.zeros(VALUES.shape)
    np.add.at(count, index, 1)
    return (count > 1).any()


@pytest.mark.parametrize(
    "index", [f for f in FORMS if not _repeats(f) and not _int_beside_list(f)], ids=name
)
@pytest.mark.parametrize("kind", ["number", "full", "broadcast"])
def test_set(index, kind):
    shape = VALUES[index].shape
    array = np.asarray(np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape) - 9.5)
    value = {"number": -3.5, "full": array, "broadcast": array[..., :1] if array.ndim else array}[
        kind
    ]
    x = opsmith.tensor(VALUES, requires_grad=True)
    y = x * 1
    v = value if kind == "number" else opsmith.tensor(value, requires_grad=True)
    y[as_opsmith(index)] = v
    want = VALUES.copy()
    want[index] = value
    assert np.array_equal(y.detach().numpy(), want)
    weights = VALUES + 1
    (y * opsmith.tensor(weights)).sum().backward()
    left = weights.copy()
    left[index] = 0
    assert np.allclose(x.grad.numpy(), left)
    if kind != "number" and v.requires_grad and v.grad is not None:
        taken = weights[index]
        taken = taken.sum(-1, keepdims=True) if kind == "broadcast" and array.ndim else taken
        assert np.allclose(v.grad.numpy(), taken)


def random_index(rng, shape):
    items, d, common = [], 0, rng.choice([(2,), (3,), (2, 2), (1,)])
    while d < len(shape) and rng.random() > 0.12:
        s, r = shape[d], rng.random()
        if r < 0.35:
            items.append(
                slice(
                    *(rng.choice([None, *range(-5, 6)]) for _ in range(2)), rng.choice([None, 1, 2])
                )
            )
            d += 1
        elif r < 0.45:
            items.append(None)
        elif r < 0.52 and ... not in [i for i in items if i is ...]:
            items.append(...)
            d += rng.randrange(
                1, len(shape) - d + 1
            )  # NumPy parts arrays even at an empty ellipsis
        elif r < 0.62:
            k = rng.randrange(1, len(shape) - d + 1)
            mask = np.zeros(shape[d : d + k], bool)
            mask.reshape(-1)[[rng.randrange(mask.size)] * common[-1]] = True
            items.append(mask)
            d += k
        else:
            items.append(
                np.array([rng.randrange(-s, s) for _ in range(int(np.prod(common)))]).reshape(
                    common
                )
            )
            d += 1
    return tuple(items)


def test_random_indices():
    rng = random.Random(7)
    compared = 0
    for _ in range(600):
        shape = tuple(rng.randrange(1, 5) for _ in range(rng.randrange(1, 5)))
        values = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)
        index = random_index(rng, shape)
        x = opsmith.tensor(values, requires_grad=True)
        base = x.permute(*reversed(range(len(shape)))).clone().permute(*reversed(range(len(shape))))
        try:
            want = values[index]
        except IndexError:
            with pytest.raises(IndexError):
                base[as_opsmith(index)]
            continue
        got = base[as_opsmith(index)]
        assert got.shape == want.shape, index
        assert np.array_equal(got.detach().numpy(), want), index
        got.sum().backward()
        grad = np.zeros(shape)
        np.add.at(grad, index, 1)
        assert np.array_equal(x.grad.numpy(), grad), index
        compared += 1
    assert compared > 400


@pytest.mark.parametrize(
    "dtype", ["float32", "bfloat16", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
def test_dtypes(dtype):
    x = opsmith.tensor([[0, 1], [2, 0]]).to(getattr(opsmith, dtype))
    i = opsmith.tensor([1, 0, 1])
    assert x[i].tolist() == [x[1].tolist(), x[0].tolist(), x[1].tolist()]
    assert x[i].dtype is x.dtype
    x[i[:2], 0] = 1
    assert x[:, 0].tolist() == [True, True] if dtype == "bool" else [1, 1]


def test_index_dtypes():
    x = opsmith.arange(5)
    for dtype in (opsmith.int64, opsmith.int32, opsmith.int16, opsmith.int8):
        assert x[opsmith.tensor([1, -1]).to(dtype)].tolist() == [1, 4]
    assert x[opsmith.tensor([1, 0, 1, 0, 0]).to(opsmith.uint8)].tolist() == [
        0,
        2,
    ]  # a mask, as in PyTorch


def test_a_zero_dim_index_is_a_view():
    x = opsmith.zeros(3, 2)
    x[opsmith.tensor(1)].fill_(5)
    assert x.tolist() == [[0, 0], [5, 5], [0, 0]]


def test_views_share_memory_and_copies_do_not():
    x = opsmith.zeros(3, 4)
    x[1][2] = 7
    x[:, 0] += 1
    assert x[1].tolist() == [1, 0, 7, 0]
    assert x[0].data_ptr() == x.data_ptr()
    assert x[:]._base is x
    assert x[opsmith.tensor([0])].data_ptr() != x.data_ptr()
    x[[0, 2], 1] += 3
    assert x[:, 1].tolist() == [3, 0, 3]


def test_repeated_indices_accumulate():
    x = opsmith.zeros(3)
    x.index_put_((opsmith.tensor([0, 0, 2]),), opsmith.tensor([1.0, 2.0, 3.0]), accumulate=True)
    assert x.tolist() == [3, 0, 3]
    h = opsmith.zeros(1, dtype=opsmith.bfloat16)
    h.index_put_(
        (opsmith.zeros(1000, dtype=opsmith.int64),),
        opsmith.ones(1000, dtype=opsmith.bfloat16),
        accumulate=True,
    )
    assert h.item() == 1000  # halves are summed wide


def test_double_backward():
    x = opsmith.tensor([1.0, 2.0, 3.0], dtype=F64, requires_grad=True)
    i = opsmith.tensor([0, 2, 0])
    assert opsmith.autograd.gradcheck(lambda t: t[i] * t[1], [x])
    assert opsmith.autograd.gradgradcheck(lambda t: t[i] ** 3 * t[1], [x])

    def written(t, v):
        y = t * t
        y[i[:2]] = v * v * v
        return y * y

    v = opsmith.tensor([0.5, -1.5], dtype=F64, requires_grad=True)
    assert opsmith.autograd.gradcheck(written, [x, v])
    assert opsmith.autograd.gradgradcheck(written, [x, v])


ERRORS = [
    ((3,), lambda x: x[5], IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
    ((3,), lambda x: x[-4], IndexError, "index -4 is out of bounds for dimension 0 with size 3"),
    ((2, 3), lambda x: x[0, 3], IndexError, "index 3 is out of bounds for dimension 1 with size 3"),
    ((2, 3), lambda x: x[0, 0, 0], IndexError, "too many indices for tensor of dimension 2"),
    ((), lambda x: x[0], IndexError, "invalid index of a 0-dim tensor"),
    (
        (3,),
        lambda x: x[opsmith.tensor([3])],
        IndexError,
        "index 3 is out of bounds for dimension 0 with size 3",
    ),
    ((3,), lambda x: x[opsmith.tensor([0.5])], IndexError, "tensors used as indices must be long"),
    (
        (3,),
        lambda x: x[opsmith.tensor([True])],
        IndexError,
        r"The shape of the mask \[1\] at index 0 does not match",
    ),
    (
        (3, 3),
        lambda x: x[opsmith.tensor([0, 1]), opsmith.tensor([0, 1, 2])],
        IndexError,
        "shape mismatch: indexing tensors",
    ),
    ((3,), lambda x: x["a"], TypeError, "invalid data type 'str'"),
    ((3,), lambda x: x[1.0], IndexError, "only integers, slices"),
    ((3,), lambda x: x[::-1], ValueError, "step must be greater than zero"),
    (
        (3, 2),
        lambda x: x.__setitem__([0, 1], opsmith.ones(3)),
        RuntimeError,
        "shape mismatch: value tensor of shape",
    ),
    (
        (3,),
        lambda x: x.__setitem__([0], opsmith.ones(1, dtype=F64)),
        RuntimeError,
        "source and destination dtypes match",
    ),
    (
        (1, 3),
        lambda x: x.expand(2, 3).__setitem__(([0, 1], 0), 1.0),
        RuntimeError,
        "single memory location",
    ),
]


@pytest.mark.parametrize(("shape", "use", "error", "text"), ERRORS, ids=[e[3] for e in ERRORS])
def test_errors(shape, use, error, text):
    with pytest.raises(error, match=text):
        use(opsmith.zeros(shape) if shape else opsmith.tensor(1.0))


def test_a_leaf_cannot_be_written():
    x = opsmith.zeros(3, requires_grad=True)
    for index in (0, slice(1), [0, 1], opsmith.tensor([True, False, True])):
        with pytest.raises(RuntimeError, match="leaf"):
            x[index] = 1.0
    with opsmith.no_grad():
        x[[0, 1]] = 1.0
    assert x.tolist() == [1, 1, 0]


def test_meta():
    x = opsmith.empty(3, 4, 5, device="meta")
    assert x[0, 1:, None].shape == (3, 1, 5)
    assert x[:, [0, 1]].shape == (3, 2, 5)
    with pytest.raises(NotImplementedError, match="depends on the values"):
        x[opsmith.empty(3, device="meta", dtype=opsmith.bool)]


def test_iteration_and_unpacking():
    x = opsmith.arange(6).reshape(3, 2)
    assert [row.tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]
    first, *rest = x
    assert first.tolist() == [0, 1] and len(rest) == 2


# Lists that are read as tuples, several '...' -----------------------------------------------------

X = np.arange(24.0).reshape(2, 3, 4)
TUPLES = [  # what is given, what it means
    ([[0, 1], [1, 2]], ([0, 1], [1, 2])),
    ([(0, 1), (1, 2)], ([0, 1], [1, 2])),
    ([[0, 1]], ([0, 1],)),
    ([[[0, 1], [1, 0]]], ([[0, 1], [1, 0]],)),
    ([[[0, 1], [1, 0]], [[0, 1], [1, 0]]], ([[0, 1], [1, 0]], [[0, 1], [1, 0]])),
    ([0, [1, 2]], (0, [1, 2])),
    ([slice(0, 1), 0], (slice(0, 1), 0)),
    ([None, 0], (None, 0)),
    ([..., 0], (..., 0)),
    ([range(2), 0], ([0, 1], 0)),
    ([np.array([0, 1]), np.array([0, 2])], ([0, 1], [0, 2])),
    ([0, 1], np.array([0, 1])),
    ([0] * 40, np.array([0] * 40)),
    ([[0]] * 32, np.array([[0]] * 32)),
    ((..., ...), ...),
    ((..., 0, ...), (..., 0)),
    ((0, ..., ...), 0),
    ((..., [0, 1], ...), (..., [0, 1])),
    ((slice(None), ..., slice(None), ..., slice(None)), ...),
]


@pytest.mark.parametrize(("given", "meant"), TUPLES, ids=repr)
def test_lists_as_tuples(given, meant):
    t = opsmith.tensor(X)
    assert t[given].tolist() == X[meant].tolist()
    t[given] = -1.0
    want = X.copy()
    want[meant] = -1.0
    assert t.tolist() == want.tolist()


def test_tensors_in_a_list():
    t = opsmith.tensor(X)
    k = opsmith.tensor([0, 1])
    assert t[[k, k]].tolist() == X[[0, 1], [0, 1]].tolist()
    assert t[[opsmith.tensor(1), 0]].tolist() == X[1, 0].tolist()


@pytest.mark.parametrize(
    "index", [(..., ..., 0), (..., 0, ..., 1), ([[0, 1]] * 31), (..., 1, ..., a(0, 1))]
)
def test_too_many_indices(index):
    with pytest.raises(IndexError, match="too many indices"):
        opsmith.tensor(X)[as_opsmith(index)]


# Operands that look into what is written ----------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x[1:].add_(x[:-1]),
        lambda x: x[1:].copy_(x[:-1]),
        lambda x: x.__setitem__(slice(1, None), x[:-1]),
        lambda x: x.add_(x[0]),
        lambda x: x.view(2, 2).add_(x.view(2, 2).t()),
        lambda x: x.view(2, 2).copy_(x.view(2, 2).t()),
        lambda x: x[1:3].lerp_(x[:2], 0.5),
        lambda x: opsmith.sin(x[:3], out=x[1:]),
        lambda x: opsmith.add(x[:2], x[2:], out=x[1:3]),
        lambda x: x.__setitem__(opsmith.tensor([1, 2]), x[:2]),
        lambda x: x[1:].__setitem__(opsmith.tensor([0]), x[1:2]),
    ],
)
def test_overlapping_writes(write):
    x = opsmith.arange(4.0)
    with pytest.raises(RuntimeError, match="single memory location"):
        write(x)
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_writes_that_do_not_overlap():
    x = opsmith.arange(4.0)
    x.add_(x)
    x.view(2, 2).add_(x.view(2, 2))
    x[:2].add_(x[2:])
    x[::2].add_(x[1::2])
    assert x.tolist() == [24.0, 16.0, 20.0, 12.0]
