"""``__torch_function__``: subclasses, other classes and modes that take calls over."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest

import opsmith
from opsmith import Tensor, overrides
from opsmith.nn import functional as F
from opsmith.overrides import TorchFunctionMode


class Plain(Tensor):
    """A subclass that adds nothing."""


class Logged(Tensor):
    """Notes the calls it sees."""

    calls: list[Any] = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.calls.append((func, types))
        return super().__torch_function__(func, types, args, kwargs)


class Duck:
    """Not a tensor, but takes calls over."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func.__name__, types


class Shy:
    """Declines every call."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return NotImplemented


class Scaled(TorchFunctionMode):
    """Doubles what `add` gives."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        return out * 2 if func is opsmith.add else out


@pytest.fixture
def logged() -> Logged:
    Logged.calls = []
    return opsmith.arange(6.0).reshape(2, 3).as_subclass(Logged)


RESULTS = (
    lambda x: x + 1,
    lambda x: 1 - x,
    lambda x: x * x,
    lambda x: -x,
    lambda x: x @ x.T,
    lambda x: x.sum(),
    lambda x: x[0],
    lambda x: x[:, 1:],
    lambda x: x[x > 2],
    lambda x: x.T,
    lambda x: x.reshape(-1),
    lambda x: x.double(),
    lambda x: x.clone(),
    lambda x: x.detach(),
    lambda x: x.cumsum(0),
    lambda x: x.softmax(-1),
    lambda x: opsmith.cat([opsmith.ones(2, 3), x]),
    lambda x: opsmith.stack([x, x]),
    lambda x: opsmith.where(x > 1, x, 0.0),
    lambda x: opsmith.max(x, 0).values,
    lambda x: x.split(1)[0],
    lambda x: F.linear(opsmith.ones(4, 3), x),
    lambda x: F.gelu(x),
    lambda x: x.add_(1),
    lambda x: opsmith.var(x),
)


@pytest.mark.parametrize("number", range(len(RESULTS)))
def test_results_keep_the_class(number: int) -> None:
    x = opsmith.arange(6.0).reshape(2, 3)
    want = RESULTS[number](x.clone())
    got = RESULTS[number](x.as_subclass(Plain))
    assert type(got) is Plain
    assert got.as_subclass(Tensor).tolist() == want.tolist()


def test_what_is_no_tensor_stays_so() -> None:
    x = opsmith.ones(2).as_subclass(Plain)
    assert type(x.tolist()) is list
    assert x.numel() == 2 and x.shape == (2,) and x.dtype is opsmith.float32
    assert repr(x) == "Plain([1., 1.])"


def test_the_function_that_is_seen(logged: Logged) -> None:
    opsmith.add(logged, 1, alpha=2)
    _ = logged + 1
    logged.sum()
    logged.float()
    _ = logged.shape
    seen = [f for f, _ in Logged.calls]
    assert seen == [
        opsmith.add, opsmith.add, opsmith.sum, Tensor.float, Tensor.shape.__get__,
    ]  # fmt: skip
    assert {t for _, t in Logged.calls} == {(Logged,)}


def test_gradients_pass_through(logged: Logged) -> None:
    w = opsmith.ones(2, 3, requires_grad=True)
    out = (w * logged).sin().sum()
    assert type(out) is Logged
    Logged.calls = []
    out.backward()
    want = logged.as_subclass(Tensor).cos() * logged.as_subclass(Tensor)
    assert opsmith.allclose(w.grad, want)
    assert type(w.grad) is Tensor


def test_second_derivatives_pass_through() -> None:
    x = opsmith.tensor([0.5, 2.0]).as_subclass(Plain).requires_grad_()
    (g,) = opsmith.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = opsmith.autograd.grad(g.sum(), x)
    assert opsmith.allclose(h.as_subclass(Tensor), opsmith.tensor([3.0, 12.0]))


def test_a_write_through_a_view_of_a_subclass() -> None:
    base = opsmith.zeros(3, requires_grad=True).clone().as_subclass(Plain)
    view = base[1:]
    view.mul_(2).add_(1)
    assert base.tolist() == [0.0, 1.0, 1.0]
    assert type(view) is Plain


def test_subclasses_are_asked_before_their_bases() -> None:
    order: list[str] = []

    class Base(Tensor):
        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            order.append(cls.__name__)
            return NotImplemented

    class Derived(Base):
        pass

    x, y = opsmith.ones(2).as_subclass(Base), opsmith.ones(2).as_subclass(Derived)
    with pytest.raises(TypeError, match="Multiple dispatch failed for 'torch.add'"):
        opsmith.add(x, y)
    assert order == ["Derived", "Base"]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda d: opsmith.add(d, opsmith.ones(2)), "add"),
        (lambda d: opsmith.ones(2) + d, "add"),
        (lambda d: opsmith.cat([opsmith.ones(2), d]), "cat"),
        (lambda d: opsmith.sum(d), "sum"),
        (lambda d: opsmith.where(d, opsmith.ones(2), opsmith.ones(2)), "where"),
    ],
)
def test_objects_that_are_no_tensors(call: Any, name: str) -> None:
    assert call(Duck()) == (name, (Duck,))


def test_all_decline() -> None:
    with pytest.raises(TypeError, match=r"tensor subclass <class '.*Shy'>"):
        opsmith.mul(Shy(), opsmith.ones(2))


def test_parameters_take_nothing_over() -> None:
    p = opsmith.nn.Parameter(opsmith.ones(2))
    assert type(p + 1) is Tensor and not overrides.has_torch_function((p,))


def test_switched_off() -> None:
    x = opsmith.ones(2).as_subclass(Plain)
    with overrides.DisableTorchFunctionSubclass():
        assert type(x + 1) is Tensor
    assert type(x + 1) is Plain


def test_a_mode_sees_every_operation_and_nests() -> None:
    a = opsmith.ones(2)
    with Scaled():
        assert (a + 1).tolist() == [4.0, 4.0]
        with Scaled():
            assert (a + 1).tolist() == [8.0, 8.0]
        assert (a * 3).tolist() == [3.0, 3.0]
    assert (a + 1).tolist() == [2.0, 2.0]


def test_a_mode_ends_with_its_block_even_on_errors() -> None:
    class Broken(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            raise ValueError("no")

    a = opsmith.ones(2)
    with pytest.raises(ValueError, match="no"), Broken():
        _ = a + 1
    assert (a + 1).tolist() == [2.0, 2.0]


def test_modes_belong_to_their_thread() -> None:
    seen: list[Any] = []
    with Scaled():
        t = threading.Thread(target=lambda: seen.append((opsmith.ones(1) + 1).item()))
        t.start()
        t.join()
    assert seen == [2.0]


def test_copies_and_pickles_keep_the_class() -> None:
    x = opsmith.ones(2).as_subclass(Plain)
    x.note = "kept"
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(y) is Plain and y.note == "kept" and y.tolist() == [1.0, 1.0]


def test_own_overridable_functions() -> None:
    @overrides.wrap_torch_function(lambda x: (x,))
    def twice(x: Any) -> Any:
        return x + x

    assert twice(opsmith.ones(1)).item() == 2.0
    assert twice(Duck()) == ("twice", (Duck,))
    assert overrides.is_tensor_like(Duck()) and not overrides.is_tensor_like(3)


def test_names() -> None:
    assert overrides.resolve_name(opsmith.add) == "torch.add"
    assert overrides.resolve_name(Tensor.shape.__get__) == "torch.Tensor.shape.__get__"
    functions = overrides.get_overridable_functions()
    assert opsmith.add in functions[opsmith] and Tensor.float in functions[Tensor]
    assert opsmith.zeros in overrides.get_ignored_functions()


def test_modes_see_compositions_as_they_were_called() -> None:
    seen: list[str] = []

    class Names(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    x = opsmith.randn(3, 3)
    target = opsmith.tensor([0, 1, 2])
    with Names():
        opsmith.addmm(x, x, x, beta=2)
        F.cross_entropy(x, target, label_smoothing=0.1)
        opsmith.einsum("ij,jk->ik", x, x)
        F.multi_margin_loss(x, target)
    assert seen == ["addmm", "cross_entropy", "einsum", "multi_margin_loss"]
    assert opsmith._functions.blocks == 0
