"""In-place writes, views and versions: values and gradients as PyTorch 2.13.0 gives them."""

import pytest

import opsmith
from opsmith.autograd import grad

A = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


@pytest.fixture
def a():
    return opsmith.tensor(A, requires_grad=True)


def test_a_view_sees_a_later_write_to_its_base(a):
    x = a * 1
    v = x[0]
    x.mul_(2)
    v.sum().backward()
    assert a.grad.tolist() == [[2, 2, 2], [0, 0, 0]]


def test_a_base_sees_a_write_through_its_view(a):
    x = a * 1
    x[0].mul_(3)
    x.sum().backward()
    assert a.grad.tolist() == [[3, 3, 3], [1, 1, 1]]


def test_a_view_sees_a_write_through_another(a):
    x = a * 1
    v, w = x[0], x[:, 1]
    v.mul_(3)
    (w * w).sum().backward()
    assert a.grad.tolist() == [[0, 36, 0], [0, 10, 0]]


def test_a_write_through_a_view_of_a_view(a):
    x = a * 1
    v = x.t()
    v[1].mul_(5)
    (v**2).sum().backward()
    assert a.grad.tolist() == [[2, 100, 6], [8, 250, 12]]


def test_copying_into_a_view(a):
    x = a * 1
    x[1].copy_(a[0] * 7)
    (x * x).sum().backward()
    assert a.grad.tolist() == [[100, 200, 300], [0, 0, 0]]


def test_a_constant_becomes_part_of_the_graph(a):
    x = opsmith.zeros(2, 3)
    w = x[0]
    x[1].copy_(a[0])
    assert x.requires_grad and w.requires_grad
    x[0].mul_(2)
    (x * x).sum().backward()
    assert a.grad.tolist() == [[2, 4, 6], [0, 0, 0]]


def test_a_view_of_a_constant_that_is_overwritten(a):
    x = opsmith.ones(2, 3)
    v = x[0]
    x.mul_(a)
    assert v.requires_grad
    v.sum().backward()
    assert a.grad.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_leaves_refuse(a):
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        a.mul_(2)
    with pytest.raises(RuntimeError, match="view of a leaf Variable"):
        a[0].mul_(2)
    with opsmith.no_grad():
        a[0].mul_(2)
    assert a[0].tolist() == [2, 4, 6]


def test_what_was_saved_must_not_change(a):
    x = a * 2
    y = x * x
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_saved_output_must_not_change(a):
    y = (a * 2).exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_what_was_not_saved_may_change(a):
    x = a * 2
    y = x + 1
    x.mul_(3)
    y.sum().backward()
    assert a.grad.tolist() == [[2, 2, 2], [2, 2, 2]]


def test_detach_shares_the_version(a):
    x = a * 1
    y = x * x
    x.detach().mul_(10)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_data_has_a_version_of_its_own(a):
    x = a * 1
    y = x * x
    x.data.mul_(10)
    y.sum().backward()
    assert a.grad.tolist() == [[20, 40, 60], [80, 100, 120]]


def test_zeroing(a):
    x = a * 1
    x[0].zero_()
    x.sum().backward()
    assert a.grad.tolist() == [[0, 0, 0], [1, 1, 1]]
    a.grad = None
    y = a * 1
    y.zero_()
    (y + a).sum().backward()
    assert a.grad.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_writes_without_recording(a):
    x = a * 1
    v = x[0]
    with opsmith.no_grad():
        v.mul_(2)
    (x * x).sum().backward()
    assert a.grad.tolist() == [[4, 8, 12], [8, 10, 12]]


def test_flat_views_and_narrow(a):
    x = a * 1
    x.view(-1).mul_(2)
    w = x.narrow(1, 0, 2)
    w.add_(x.narrow(1, 1, 2).detach())
    x.pow(2).sum().backward()
    assert a.grad.tolist() == [[24, 40, 24], [72, 88, 48]]


def test_a_view_outlives_its_base(a):
    x = a * 1
    v = x[0]
    del x
    v.mul_(2)
    v.sum().backward()
    assert a.grad.tolist() == [[2, 2, 2], [0, 0, 0]]


def test_a_zero_dim_root_that_is_stale(a):
    x = a * 1
    v = x[0][1]
    x.mul_(2)
    v.backward()
    assert a.grad.tolist() == [[0, 2, 0], [0, 0, 0]]


def test_augmented_assignment(a):
    x = a * 1
    v = x[0]
    v += 1
    v *= 3
    x *= 2
    (v.sum() + x.sum()).backward()
    assert a.grad.tolist() == [[12, 12, 12], [2, 2, 2]]
    x = a * 1
    x[1] += 3
    x[:, 0] *= 2
    assert x.tolist() == [[2, 2, 3], [14, 8, 9]]


def test_double_backward_through_a_write(a):
    (g,) = grad((a * 1)[0].mul_(a[1]).sum(), a, create_graph=True)
    (h,) = grad((g * g).sum(), a)
    assert h.tolist() == [[2, 4, 6], [8, 10, 12]]


def test_a_view_can_be_a_leaf():
    x = opsmith.tensor(A)
    v = x[0].requires_grad_()
    (v * 2).sum().backward()
    assert v.grad.tolist() == [2, 2, 2] and not x.requires_grad
    x[1].mul_(2)  # not a part of v, but v is older than the write
    (v * 3).sum().backward()
    assert v.grad.tolist() == [5, 5, 5]


def test_expanded_memory_is_not_written(a):
    with pytest.raises(RuntimeError, match="single memory location"):
        (a * 1).expand(2, 2, 3).mul_(2)


def test_bases():
    x = opsmith.zeros(4, 3)
    v = x[1:][0].view(3, 1)
    assert v._base is x and v._is_view() and x._base is None
    assert v._version == x._version
    x.add_(1)
    assert v._version == x._version


@pytest.mark.parametrize(
    "views",
    [
        lambda y: y.chunk(2), lambda y: y.chunk(1), lambda y: y.split(2), lambda y: y.split([1, 3]),
        lambda y: y.unbind(0), lambda y: list(y), lambda y: opsmith.chunk(y, 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "write",
    [
        lambda a: a.mul_(2), lambda a: a.zero_(), lambda a: a.copy_(opsmith.tensor(1.0)),
        lambda a: a.reshape(-1)[:1].mul_(2), lambda a: opsmith.exp_(a),
    ],
)  # fmt: skip
def test_one_of_several_views_is_not_written(views, write):
    y = opsmith.ones(4, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="multiple views"):
        write(views(y)[0])
    assert y.tolist() == [1.0] * 4
    with opsmith.no_grad():
        write(views(y)[0])
    write(views(opsmith.ones(4))[0])  # nothing is recorded
    write(views(y)[0].detach())


def test_single_views_are_written():
    for first in (lambda y: y[:2], lambda y: y.tensor_split(2)[0], lambda y: y.hsplit(2)[0]):
        x = opsmith.ones(4, requires_grad=True)
        y = x * 1
        first(y).mul_(3)
        y.sum().backward()
        assert x.grad.tolist() == [3.0, 3.0, 1.0, 1.0]
