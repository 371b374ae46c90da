"""Making tensors: numbers that do not fit, data that is none, sizes that no memory holds."""

import copy
import math

import numpy as np
import pytest

import opsmith

U8, I8, I16, I32, I64 = (getattr(opsmith, n) for n in ("uint8", "int8", "int16", "int32", "int64"))
NAN, INF = math.nan, math.inf
DOES_NOT_FIT = "cannot be converted to type .* without overflow"


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(300, U8), (256, U8), (-256, U8), (300.0, U8), (-3.7, U8), (128, I8), (-129, I8), (-128.9, I8),
     (127.5, I8), (-0.5, U8), (2**31, I32),
     (2**40, I16), (1e30, I64), (2.0**63, I64), (NAN, I64), (NAN, U8), (INF, I32), (-INF, I8)],
)  # fmt: skip
@pytest.mark.parametrize(
    "make",
    [
        lambda v, d: opsmith.tensor(v, dtype=d),
        lambda v, d: opsmith.tensor([[v]], dtype=d),
        lambda v, d: opsmith.tensor([0, v], dtype=d),
        lambda v, d: opsmith.as_tensor([v], dtype=d),
        lambda v, d: opsmith.tensor(np.array(v)[()], dtype=d),
        lambda v, d: opsmith.full((2,), v, dtype=d),
        lambda v, d: opsmith.full_like(opsmith.zeros(2, dtype=d), v),
        lambda v, d: opsmith.zeros(2, dtype=d).fill_(v),
        lambda v, d: opsmith.zeros(2, dtype=d).__setitem__(0, v),
        lambda v, d: opsmith.zeros(2, dtype=d).__setitem__(opsmith.tensor([0]), v),
    ],
)
def test_numbers_outside_the_dtype(make, value, dtype):
    with pytest.raises(RuntimeError, match=DOES_NOT_FIT):
        make(value, dtype)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [(255, U8, 255), (-1, U8, 255), (-255, U8, 1), (3.7, U8, 3), (127, I8, 127), (-128, I8, -128),
     (-127.9, I8, -127), (-(2**63), I64, -(2**63)), (2**63 - 1, I64, 2**63 - 1), (True, U8, 1),
     (NAN, opsmith.bool, True), (7, opsmith.bool, True)],
)  # fmt: skip
def test_numbers_that_fit(value, dtype, expected):
    assert opsmith.tensor(value, dtype=dtype).item() == expected
    assert opsmith.tensor([value], dtype=dtype).tolist() == [expected]
    assert opsmith.zeros(1, dtype=dtype).fill_(value).tolist() == [expected]


def test_floats_become_infinite_in_data_and_are_refused_as_fill():
    assert opsmith.tensor(1e39).item() == INF
    assert opsmith.tensor([7e4], dtype=opsmith.float16).item() == INF
    assert opsmith.full((1,), INF).item() == INF
    for dtype, v in ((opsmith.float32, 1e39), (opsmith.float16, 7e4), (opsmith.bfloat16, 1e39)):
        with pytest.raises(RuntimeError, match=DOES_NOT_FIT):
            opsmith.full((1,), v, dtype=dtype)
        with pytest.raises(RuntimeError, match=DOES_NOT_FIT):
            opsmith.zeros(1, dtype=dtype).fill_(v)


def test_ints_beyond_64_bits():
    for data in (2**63, -(2**63) - 1, [2**63], 2**64 - 1):
        with pytest.raises(ValueError, match="Overflow"):
            opsmith.tensor(data)
    assert opsmith.tensor(2**70, dtype=opsmith.float64).item() == 2.0**70
    assert opsmith.tensor([1.0, 2**70]).tolist() == [1.0, 2.0**70]


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [(None, RuntimeError, "infer dtype of NoneType"), ([None], RuntimeError, "NoneType"),
     ([1, None], RuntimeError, "NoneType"), (object(), RuntimeError, "object"),
     ({}, RuntimeError, "dict"), (slice(3), RuntimeError, "slice"), (int, RuntimeError, "type"),
     ("a", TypeError, "str"), (b"a", TypeError, "bytes"),
     (["a"], ValueError, "too many dimensions"),
     ([1.0, "a"], TypeError, "str"), ([[1, 2], [3]], ValueError, "sequence of length 2"),
     ([[1, 2], 3], TypeError, "not a sequence"), ([1, [2]], TypeError, "dim 1")],
)  # fmt: skip
def test_data_that_is_none(data, error, match):
    with pytest.raises(error, match=match):
        opsmith.tensor(data)


def test_endless_data():
    inside = []
    inside.append(inside)

    class Endless:
        def __len__(self):
            return 1

        def __getitem__(self, k):
            return Endless()

    for data in (inside, [inside], Endless(), [Endless()]):
        with pytest.raises(ValueError, match="too many dimensions"):
            opsmith.tensor(data)
    with pytest.raises(ValueError, match="too many dimensions"):
        opsmith.zeros(1)[inside]


def test_dtype_arguments():
    assert opsmith.tensor([1], dtype=float).dtype is opsmith.float64
    assert opsmith.zeros(2, dtype=int).dtype is I64
    assert opsmith.zeros(2).to(bool).dtype is opsmith.bool
    for call in (lambda d: opsmith.tensor([1], dtype=d), lambda d: opsmith.zeros(2, dtype=d),
                 lambda d: opsmith.zeros_like(opsmith.ones(1), dtype=d),
                 lambda d: opsmith.zeros(2).to(dtype=d)):  # fmt: skip
        for bad in (5, "float", str):
            with pytest.raises(TypeError, match="dtype"):
                call(bad)


@pytest.mark.parametrize("bad", [1.5, [], object()])
def test_to_something_else(bad):
    with pytest.raises(TypeError, match=r"to\(\)"):
        opsmith.zeros(2).to(bad)
    with pytest.raises(TypeError, match=r"to\(\)"):
        opsmith.zeros(2).to(device=bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda: opsmith.arange(2**62),
        lambda: opsmith.arange(2**70),
        lambda: opsmith.arange(0, 2**62, 1.0),
        lambda: opsmith.arange(1e30),
        lambda: opsmith.linspace(0, 1, 2**62),
        lambda: opsmith.logspace(0, 1, 2**62),
        lambda: opsmith.tril_indices(2**31, 2**31),
        lambda: opsmith.triu_indices(2**33, 2**33),
        lambda: opsmith.combinations(opsmith.ones(100), r=50),
        lambda: opsmith.ones(2).expand(2**62, 2).sum(),
        lambda: opsmith.ones(1).expand(2**62, 4),
        lambda: opsmith.ones(1).as_strided((2**62, 4), (0, 0)),
        lambda: opsmith.ones(1).repeat(2**62),
        lambda: opsmith.ones(1).tile(2**62),
    ],
)
def test_sizes_beyond_memory(call):
    """An error at once, not an attempt that does not end."""
    with pytest.raises((RuntimeError, OverflowError, MemoryError)):
        call()


def test_ranges():
    assert opsmith.arange(5).tolist() == [0, 1, 2, 3, 4]
    assert opsmith.arange(5, -1, -2).tolist() == [5, 3, 1]
    assert opsmith.arange(2**63 - 3, 2**63 - 1).tolist() == [2**63 - 3, 2**63 - 2]
    assert opsmith.arange(0, 1, 0.25).tolist() == [0.0, 0.25, 0.5, 0.75]
    assert opsmith.arange(3, 3).tolist() == [] and opsmith.arange(0.0, 10, INF).numel() < 2
    for bad in (INF, NAN):
        with pytest.raises(RuntimeError, match="unsupported range"):
            opsmith.arange(bad)
    with pytest.raises(RuntimeError, match="step"):
        opsmith.arange(0, 1, NAN)
    with pytest.raises(TypeError, match="steps"):
        opsmith.linspace(0, 1, 2.5)


@pytest.mark.parametrize("row", [0, 1, 3, 4])
@pytest.mark.parametrize("col", [0, 1, 3, 5])
@pytest.mark.parametrize("offset", [-6, -1, 0, 1, 6])
def test_triangle_indices(row, col, offset):
    low = np.stack(np.tril_indices(row, offset, col)).tolist()
    high = np.stack(np.triu_indices(row, offset, col)).tolist()
    assert opsmith.tril_indices(row, col, offset).tolist() == low
    assert opsmith.triu_indices(row, col, offset).tolist() == high


@pytest.mark.parametrize(
    "shape",
    [
        (0,),
        (0, 0),
        (0, 3),
        (0, 3, 0),
        (0, 0, 3),
        (2, 0),
        (2, 0, 0),
        (2, 0, 3),
        (2, 3, 0),
        (1, 0, 2, 0),
    ],
)
def test_empty_lists(shape):
    assert opsmith.zeros(shape).tolist() == np.zeros(shape).tolist()


MAKERS = (
    lambda: opsmith.empty(2), lambda: opsmith.zeros(2), lambda: opsmith.ones(2),
    lambda: opsmith.full((2,), 1),
    lambda: opsmith.tensor([1.0]), lambda: opsmith.tensor([[1, 2]]), lambda: opsmith.arange(3),
    lambda: opsmith.linspace(0, 1, 3), lambda: opsmith.logspace(0, 1, 3), lambda: opsmith.eye(2),
    lambda: opsmith.rand(2), lambda: opsmith.randn(2), lambda: opsmith.randint(3, (2,)),
    lambda: opsmith.randperm(3), lambda: opsmith.normal(0.0, 1.0, (2,)),
    lambda: opsmith.tril_indices(2, 2),
    lambda: opsmith.empty_strided((2,), (1,)), lambda: opsmith.nn.Linear(2, 3).weight,
)  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_default_device(make):
    """Where new tensors live that no device is named for; what has operands stays with them."""
    assert make().device.type == "cpu" and opsmith.get_default_device() == opsmith.device("cpu")
    with opsmith.device("meta"):
        assert make().device.type == "meta"
        with opsmith.device("cpu"):
            assert make().device.type == "cpu"
        assert opsmith.zeros(2, device="cpu").device.type == "cpu"
    assert make().device.type == "cpu"
    try:
        opsmith.set_default_device("meta")
        assert make().device.type == "meta" and opsmith.get_default_device().type == "meta"
    finally:
        opsmith.set_default_device(None)


def test_operands_decide_where_results_live():
    x = opsmith.tensor([1.0, float("nan")])
    with opsmith.device("meta"):
        assert x.nan_to_num().tolist() == [1, 0]
        assert x[[0, 0]].tolist() == [1, 1] and x[:1].new_zeros(2).device.type == "cpu"
        assert opsmith.zeros_like(x).device.type == "cpu"
        x[0] = [2.0]
        assert opsmith.quantile(x[:1], 0.5).item() == 2
        assert opsmith.as_tensor(x) is x and opsmith.tensor(x).device.type == "cpu"
        assert x.scatter(0, opsmith.tensor([1], device="cpu"), 5.0, reduce="add")[0].item() == 2


def test_a_default_device_belongs_to_its_thread():
    import threading

    found = []
    with opsmith.device("meta"):
        thread = threading.Thread(target=lambda: found.append(opsmith.zeros(2).device.type))
        thread.start()
        thread.join()
    assert found == ["cpu"]


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "rand", "randn"])
def test_size_by_keyword(name):
    make = getattr(opsmith, name)
    assert make(size=(2, 3)).shape == make(2, 3).shape == make((2, 3)).shape
    with pytest.raises(TypeError, match="given twice"):
        make(2, size=(2, 3))


def test_numpy_on_the_left_of_a_tensor():
    x = opsmith.ones(2, requires_grad=True)
    for y in (np.float64(2) * x, np.int64(2) + x, np.float32(2) - x):
        assert isinstance(y, opsmith.Tensor) and y.requires_grad and y.dtype is opsmith.float32
    for y in (opsmith.ones(2) + np.ones(2), np.add(np.ones(2), opsmith.ones(2))):
        assert isinstance(y, opsmith.Tensor) and y.dtype is opsmith.float64
    assert isinstance(np.sin(opsmith.ones(2)), opsmith.Tensor)


def test_copies_of_expanded_tensors_keep_the_order_of_dimensions():
    x = opsmith.arange(4.0).expand(3, 4)
    assert x.clone().is_contiguous() and opsmith.zeros_like(x).is_contiguous()
    assert opsmith.ones(2, 3, 4).permute(2, 0, 1).clone().stride() == (1, 12, 4)
    assert opsmith.ones(2, 1, 4).expand(2, 3, 4).transpose(0, 2).clone().shape == (4, 3, 2)


def test_deep_copies_share_memory_as_the_originals_do():
    a = opsmith.arange(6.0).reshape(2, 3)
    first, part, turned = copy.deepcopy([a, a[1:], a.t()])
    first[1, 0] = 77
    assert part[0, 0] == turned[0, 1] == 77 and a[1, 0] == 3 and turned.stride() == (1, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: opsmith.randint(0, 300, (2,), dtype=opsmith.uint8), RuntimeError, "to - 1 is out"),
        (lambda: opsmith.normal(0.0, -1.0, (2,)), RuntimeError, r"expects std >= 0.0.*-1.0"),
        (lambda: opsmith.normal(opsmith.zeros(2), -opsmith.ones(2)), RuntimeError, "std >= 0.0"),
        (lambda: opsmith.bernoulli(opsmith.tensor([1.5])), RuntimeError, "p_in >= 0"),
        (lambda: opsmith.frombuffer(b"abc", dtype=opsmith.int32), ValueError, "3 bytes.*multiple"),
        (lambda: opsmith.outer(opsmith.ones(2, 2), opsmith.ones(2)), RuntimeError, "got 2-D"),
        (
            lambda: opsmith.nn.functional.batch_norm(opsmith.ones(2, 3), None, None),
            RuntimeError,
            "running_mean must be defined in evaluation mode",
        ),
    ],
)
def test_values_out_of_range_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_bound_that_is_no_number_gives_no_number():
    x, nan = opsmith.tensor([1.0, 2.0]), float("nan")
    for y in (x.clamp(min=nan), x.clamp(max=nan), x.clamp(0, nan), x.clamp(nan, 5)):
        assert bool(y.isnan().all())
