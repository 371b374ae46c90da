"""What is wrong with an argument: errors of the right type, which name it and no private name."""

import importlib
import re

import pytest

import opsmith
import opsmith.nn.functional as F

ONE, TWO = opsmith.ones(1), opsmith.ones(2, 2)
CLASSES = opsmith.tensor([0, 1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: opsmith.log2_(5),
        lambda: opsmith.sin_(None),
        lambda: opsmith.relu_([1]),
        lambda: opsmith.allclose(ONE, 5),
        lambda: opsmith.allclose(5, ONE),
        lambda: opsmith.equal(ONE, 5),
        lambda: opsmith.is_nonzero(5),
        lambda: opsmith.numel(5),
        lambda: opsmith.clone(5),
        lambda: opsmith.is_floating_point(5),
        lambda: opsmith.var(5),
        lambda: opsmith.std("a"),
        lambda: opsmith.norm(5),
        lambda: opsmith.nan_to_num(5),
        lambda: opsmith.roll([None], 1),
        lambda: opsmith.roll(ONE, None),
        lambda: opsmith.roll(ONE, "a"),
        lambda: opsmith.roll(ONE, 1.5),
        lambda: opsmith.log2(5),
        lambda: opsmith.min([1]),
        lambda: opsmith.hstack(5),
        lambda: opsmith.vstack([5]),
        lambda: F.l1_loss(ONE, 0),
        lambda: F.mse_loss(ONE, 0),
        lambda: F.smooth_l1_loss(ONE, 0),
        lambda: F.huber_loss(0, ONE),
        lambda: F.cross_entropy(TWO, 0),
        lambda: F.nll_loss(TWO, 0),
        lambda: F.binary_cross_entropy(ONE, 0),
        lambda: F.relu(5),
        lambda: F.softmax(5, 0),
        lambda: F.layer_norm(5, (1,)),
        lambda: F.one_hot(5),
        lambda: F.pad(5, (1, 1)),
        lambda: F.pad(ONE, "a"),
    ],
)
def test_wrong_types(call):
    with pytest.raises(TypeError, match=r"must be|expected") as e:
        call()
    assert "_h" not in str(e.value).split() and "_node" not in str(e.value)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: ~ONE, TypeError, "float32"),
        (lambda: ONE[1.0], IndexError, "float"),
        (lambda: ONE[object()], IndexError, "object"),
        (lambda: ONE["a"], TypeError, "str"),
        (lambda: ONE[2**70], ValueError, "64 bits"),
        (lambda: opsmith.cat([]), ValueError, "non-empty"),
        (lambda: opsmith.stack([]), RuntimeError, "non-empty"),
        (lambda: opsmith.hstack([]), RuntimeError, "hstack"),
        (lambda: opsmith.column_stack([]), RuntimeError, "column_stack"),
        (lambda: opsmith.bitwise_not(ONE), NotImplementedError, "bitwise_not.*Float"),
        (lambda: ONE & 1, NotImplementedError, "bitwise_and.*Float"),
        (lambda: F.softmax(CLASSES, 0), NotImplementedError, "softmax.*Long"),
        (lambda: opsmith.mean(CLASSES), NotImplementedError, "mean.*Long"),
        (lambda: F.gelu(ONE, approximate="foo"), RuntimeError, "approximate .*'foo'"),
        (lambda: opsmith.div(ONE, 2, rounding_mode="foo"), RuntimeError, "rounding_mode .*'foo'"),
        (lambda: ONE.div_(2, rounding_mode="foo"), RuntimeError, "rounding_mode .*'foo'"),
        (lambda: opsmith.clamp(ONE), RuntimeError, "min=None, max=None"),
        (lambda: ONE @ opsmith.tensor(2.0), RuntimeError, "1D and 0D"),
        (lambda: opsmith.tensor(2.0) @ ONE, RuntimeError, "0D and 1D"),
    ],
)
def test_types_of_errors(call, error, match):
    with pytest.raises(error, match=match) as e:
        call()
    assert type(e.value) is error


@pytest.mark.parametrize(
    "loss",
    [F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.binary_cross_entropy, F.kl_div,
     F.soft_margin_loss, F.poisson_nll_loss],
)  # fmt: skip
@pytest.mark.parametrize("reduction", ["foo", None, 1])
def test_reductions(loss, reduction):
    with pytest.raises(ValueError, match=f"{reduction} is not a valid value for reduction"):
        loss(ONE, ONE, reduction=reduction)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
class TestClasses:
    def test_reduction(self, loss):
        with pytest.raises(ValueError, match="foo is not a valid value for reduction"):
            loss(TWO, CLASSES, reduction="foo")

    @pytest.mark.parametrize("name", ["float32", "int32", "bool", "int16"])
    def test_dtype(self, loss, name):
        with pytest.raises(RuntimeError, match=f"target.*{name}"):
            loss(TWO, CLASSES.to(getattr(opsmith, name)))
        assert loss(TWO, CLASSES.byte()).item() == loss(TWO, CLASSES).item()

    def test_out_of_range(self, loss):
        for bad in (2, -1):
            with pytest.raises(IndexError, match="target") as e:
                loss(TWO, opsmith.tensor([0, bad]))
            assert "rows" not in str(e.value)
        assert loss(TWO, opsmith.tensor([0, -100])).item() == loss(TWO[:1], CLASSES[:1]).item()

    def test_shape(self, loss):
        with pytest.raises(ValueError, match="batch_size"):
            loss(TWO, opsmith.tensor([0, 1, 0]))
        with pytest.raises(RuntimeError, match="target size"):
            loss(opsmith.zeros(2, 3), opsmith.zeros(2, 2, dtype=opsmith.int64))


def test_class_probabilities_are_floats():
    with pytest.raises(RuntimeError, match="int64"):
        F.cross_entropy(TWO, opsmith.zeros(2, 2, dtype=opsmith.int64))


def test_probabilities_lie_between_0_and_1():
    inside = opsmith.tensor([0.0, 0.5, 1.0])
    assert F.binary_cross_entropy(inside, inside).isfinite()
    for bad in (2.0, -0.1, float("nan"), float("inf")):
        for n in (1, 100, 100_000):  # one block, a thread, several threads
            outside = opsmith.full((n,), 0.5)
            outside[n // 2] = bad
            with pytest.raises(RuntimeError, match="input should be between 0 and 1"):
                F.binary_cross_entropy(outside, opsmith.full((n,), 0.5))
            with pytest.raises(RuntimeError, match="target should be between 0 and 1"):
                F.binary_cross_entropy(opsmith.full((n,), 0.5), outside)


PUBLIC = (
    "autograd", "autograd.functional", "cuda", "linalg", "nn", "nn.init",
    "nn.parameter", "nn.utils", "ops", "optim", "optim.lr_scheduler", "overrides", "safetensors",
    "serialization", "testing", "utils", "utils.data",
)  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_modules_show_no_private_helpers(name):
    """A name of a public module that comes from a private one is public on purpose: in __all__."""
    module = importlib.import_module(f"opsmith.{name}")
    public = set(getattr(module, "__all__", ())) | set(dir(opsmith))
    for shown in dir(module):
        value = getattr(module, shown)
        home = getattr(value, "__module__", None) or ""
        if not shown.startswith("_") and shown not in public:
            assert not home.startswith("opsmith._"), f"opsmith.{name}.{shown} is {home}'s"


def test_linalg_is_its_public_functions():
    import opsmith.linalg as linalg

    helpers = {n for n in dir(linalg) if not n.startswith("_") and callable(getattr(linalg, n))}
    assert helpers <= {*linalg.__all__, "Tensor"}
    assert not hasattr(linalg, "write_out")


def test_dir_lists_the_members_of_a_tensor():
    t = opsmith.ones(2)
    t.note = 1
    shown = dir(t)
    assert {"matmul", "grad", "shape", "note"} <= set(shown) and "zfill" not in shown


def test_a_gradient_that_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None .* int"):
        opsmith.ones(2, requires_grad=True).grad = 3


def test_older_forms_take_numpys_names():
    """var and std are told apart by hand, before the registry's ops."""
    x = opsmith.arange(6.0).reshape(2, 3)
    assert opsmith.var(x, axis=1).tolist() == opsmith.var(x, 1).tolist()
    assert x.std(axis=1, keepdims=True).shape == (2, 1)
    assert x.std(axis=1, unbiased=False).tolist() == x.std(1, False).tolist()


def test_a_missing_argument_is_named():
    with pytest.raises(TypeError, match=r"mm\(\) missing 1 required .*'mat2'"):
        opsmith.mm(TWO)
    expected = r"addmm\(\) missing 3 required .*'input', 'mat1', and 'mat2'"
    with pytest.raises(TypeError, match=expected):
        opsmith.addmm()
    with pytest.raises(TypeError, match=r"softmax\(\) missing 1 required .*'dim'"):
        TWO.softmax()


@pytest.mark.parametrize("sizes", [(2, "a"), ("a", 2), (1, 2, 1.0), (2.0, 2)])
def test_names_the_element_that_is_no_int(sizes):
    k, found = next((k, v) for k, v in enumerate(sizes) if type(v) is not int)
    element = f"element {k} is {type(found).__name__}: {found!r}"
    message = f"'shape' .*must be tuple of ints, but {element}"
    with pytest.raises(TypeError, match=message):
        TWO.reshape(*sizes)
    with pytest.raises(TypeError, match=message):
        TWO.reshape(list(sizes))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.layer_norm(x, (2,)),
        lambda x: F.dropout(x),
        lambda x: F.gelu(x),
        lambda x: F.smooth_l1_loss(x, x),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: opsmith.rand_like(x),
        lambda x: opsmith.nn.LayerNorm(2)(opsmith.ones(2, 3)),
    ],
)
def test_errors_name_what_was_called(call):
    """Not one of the ops that it is made of."""
    from opsmith._generated import index

    with pytest.raises((NotImplementedError, RuntimeError)) as caught:
        call(TWO.long())
    assert not any(re.search(rf"\b{name}\b", str(caught.value)) for name in index.HIDDEN)
