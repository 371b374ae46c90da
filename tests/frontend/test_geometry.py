"""In-place changes of shape and storage; storages; PyTorch's older ways to make tensors."""

from __future__ import annotations

import pytest

import opsmith as torch


def test_a_recorded_tensor_stays_on_its_graph():
    w = torch.ones(2, 3, requires_grad=True)
    a = w * 2
    assert a.t_() is a and a.shape == (3, 2) and not a.is_leaf
    (a * torch.arange(6.0).reshape(3, 2)).sum().backward()
    assert w.grad.tolist() == [[0, 4, 8], [2, 6, 10]]


def test_writes_after_it_are_on_the_graph():
    w = torch.ones(2, 3, requires_grad=True)
    a = (w * 2).unsqueeze_(0)
    a.mul_(torch.arange(6.0).reshape(1, 2, 3))
    a.sum().backward()
    assert w.grad.tolist() == [[0, 2, 4], [6, 8, 10]]


def test_a_view_whose_shape_changes_still_writes_to_its_base():
    w = torch.ones(2, 3, requires_grad=True)
    a = w * 2
    v = a[0]
    v.unsqueeze_(1).mul_(torch.tensor([[1.0], [2.0], [3.0]]))
    a.sum().backward()
    assert w.grad.tolist() == [[2, 4, 6], [2, 2, 2]]
    base = torch.zeros(2, 3)
    row = base[1].unsqueeze_(0)
    row.copy_(w[:1] * 5)
    assert base.requires_grad and base[1].tolist() == [5, 5, 5]


def test_views_made_before_are_refused_once_written_after():
    w = torch.ones(2, 3, requires_grad=True)
    a = w * 2
    v = a[0]
    a.t_().mul_(3)
    with pytest.raises(RuntimeError, match="view by select.*make the view anew"):
        (v * 2).sum().backward()


def test_leaves_that_require_grad_refuse():
    w = torch.ones(2, 3, requires_grad=True)
    for change in (w.t_, w.squeeze_, lambda: w.unsqueeze_(0), lambda: w.as_strided_((1,), (1,))):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            change()
    with torch.no_grad():
        assert w.t_().shape == (3, 2) and w.requires_grad and w.is_leaf
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        w.resize_(2)


def test_a_subclass_keeps_its_class():
    p = torch.nn.Parameter(torch.ones(2, 3))
    with torch.no_grad():
        p.unsqueeze_(0)
    assert isinstance(p, torch.nn.Parameter) and p.shape == (1, 2, 3) and p.requires_grad


def test_resize():
    t = torch.arange(12.0)
    assert t.resize_(3, 4) is t and t[2].tolist() == [8, 9, 10, 11]
    assert t.resize_((2, 2)).tolist() == [[0, 1], [2, 3]]
    grown = t.resize_(4, 5)
    assert grown[:2].flatten().tolist() == list(range(10)) and grown.storage_offset() == 0
    assert t.resize_as_(torch.zeros(1, 1, 1, 1, 1, 2)).flatten().tolist() == [0, 1]
    assert torch.empty(0).resize_(2, 3).shape == (2, 3)
    with pytest.raises(RuntimeError, match="negative"):
        t.resize_(-1)


def test_set():
    source, t = torch.arange(4.0), torch.zeros(3)
    assert t.set_(source) is t
    source[0] = 9
    assert t.tolist() == [9, 1, 2, 3]
    assert t.set_(source.untyped_storage(), 1, (2, 2), (1, 1)).tolist() == [[1, 2], [2, 3]]
    assert t.set_(source, 2, 2).tolist() == [2, 3]
    assert t.set_().shape == (0,)
    with pytest.raises(RuntimeError, match="tensor of type torch.float32 to a tensor of type"):
        torch.zeros(2, dtype=torch.int64).set_(source)


def test_storages():
    x = torch.arange(6.0).reshape(2, 3)
    typed, untyped = x[1].storage(), x[1].untyped_storage()
    assert len(typed) == 6 and untyped.nbytes() == len(untyped) == 24
    assert typed.data_ptr() == untyped.data_ptr() == x.data_ptr() != x[1].data_ptr()
    assert (
        typed == x.storage()
        and untyped == x.untyped_storage()
        and untyped != x.clone().untyped_storage()
    )
    typed[0] = 7
    untyped.copy_(untyped.clone())
    assert (
        x[0, 0].item() == 7
        and typed.tolist() == [7, 1, 2, 3, 4, 5]
        and typed[1:3].tolist() == [1, 2]
    )
    assert isinstance(typed, torch.FloatStorage) and not isinstance(typed, torch.LongStorage)
    assert torch.is_storage(typed) and torch.is_storage(untyped) and not torch.is_storage(x)
    assert torch.LongStorage([1, 2]).tolist() == [1, 2] and torch.DoubleStorage(3).nbytes() == 24
    assert (
        repr(torch.UntypedStorage(b"a"))
        == " 97\n[torch.storage.UntypedStorage(device=cpu) of size 1]"
    )
    assert typed.type() == "torch.FloatStorage" and typed.untyped().tensor(torch.float32)[0] == 7


def test_element_by_element():
    y = torch.arange(4.0).reshape(2, 2)
    assert y.apply_(lambda v: v * 2) is y and y.tolist() == [[0, 2], [4, 6]]
    assert y.map_(torch.ones(2), lambda a, b: a + b).tolist() == [[1, 3], [5, 7]]
    assert y.map2_(y, y, lambda a, b, c: a + b + c)[0].tolist() == [3, 9]
    with pytest.raises(TypeError, match="float32.*int64"):
        y.map_(torch.ones(2, dtype=torch.int64), lambda a, b: a)
    with pytest.raises(RuntimeError, match="requires grad"):
        torch.ones(2, requires_grad=True).apply_(abs)


def test_facts():
    x = torch.zeros(2, 3, 4)
    assert x.dim_order() == (0, 1, 2) and x.permute(2, 0, 1).dim_order() == (1, 2, 0)
    assert x.is_same_size(torch.ones(2, 3, 4)) and not x.is_same_size(torch.ones(2))
    assert x.pin_memory() is x and x.to_dense() is x and not x.is_pinned() and not x.is_shared()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("Float", "float32"), ("Double", "float64"), ("Half", "float16"), ("Long", "int64"),
     ("Int", "int32"), ("Short", "int16"), ("Char", "int8"), ("Byte", "uint8"), ("Bool", "bool"),
     ("BFloat16", "bfloat16")],
)  # fmt: skip
def test_classes_of_tensors(name, dtype):
    kind, dtype = getattr(torch, f"{name}Tensor"), getattr(torch, dtype)
    assert kind([1, 0]).dtype is dtype and kind([1, 0]).tolist() == [1, 0]
    assert kind(2, 3).shape == kind(torch.Size([2, 3])).shape == (2, 3) and kind().shape == (0,)
    x, other = torch.ones(2, dtype=dtype), torch.int64 if dtype is not torch.int64 else torch.int8
    assert isinstance(x, kind) and not isinstance(x.to(other), kind)
    assert x.type() == f"torch.{name}Tensor" and torch.zeros(1).type(kind).dtype is dtype
    assert torch.zeros(1).type(f"torch.{name}Tensor").dtype is dtype
    assert kind(x).data_ptr() == x.data_ptr() and x.new([1, 1]).dtype is x.new(3).dtype is dtype
    assert repr(kind) == f"<class 'torch.{name}Tensor'>"
    for wrong in (2.5, "a", torch.ones(1, dtype=other)):
        with pytest.raises(TypeError):
            kind(wrong)


def test_default_class_of_tensors():
    try:
        torch.set_default_tensor_type(torch.DoubleTensor)
        assert torch.ones(1).dtype is torch.Tensor([1]).dtype is torch.float64
    finally:
        torch.set_default_tensor_type("torch.FloatTensor")
    with pytest.raises(ValueError, match="invalid type: 'foo'"):
        torch.ones(1).type("foo")


def test_tensors_like_a_tensor():
    x = torch.arange(2)
    assert (
        x.new_zeros(2, 3).dtype
        is x.new_ones((2,)).dtype
        is x.new_tensor([1.5]).dtype
        is torch.int64
    )
    assert x.new_full((2,), 3.7).tolist() == [3, 3] and x.new_empty_strided(
        (2, 2), (1, 2)
    ).stride() == (1, 2)
    assert x.new_empty(size=(3,), dtype=torch.float16).dtype is torch.float16
    assert x.new_zeros(2, requires_grad=False).requires_grad is False
