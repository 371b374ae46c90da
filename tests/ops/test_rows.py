"""Ops lowered to rows: values against float64 NumPy, gradients against differences, layouts."""

from __future__ import annotations

import math

import numpy as np
import pytest

import opsmith
from opsmith import _functions as f

pytestmark = pytest.mark.skipif(not hasattr(f, "softmax"), reason="built without rows")


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def log_softmax(x, axis=-1):
    z = x - x.max(axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis, keepdims=True))


def layer_norm(x, w=None, b=None, eps=1e-5):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
    y = y if w is None else y * w
    return y if b is None else y + b


def rms_norm(x, w=None, eps=1e-5):
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    return y if w is None else y * w


def cosine(a, b, axis=1):
    norm = np.sqrt((a * a).sum(axis)) * np.sqrt((b * b).sum(axis))
    return (a * b).sum(axis) / norm


RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 5)), RNG.normal(size=(3, 5))
W, V = RNG.normal(size=5), RNG.normal(size=5)
CASES = {
    "softmax": (lambda x: f.softmax(x, -1), softmax, (A,)),
    "softmax of columns": (lambda x: f.softmax(x, 0), lambda x: softmax(x, 0), (A,)),
    "log_softmax": (lambda x: f.log_softmax(x, 1), log_softmax, (A,)),
    "layer_norm": (lambda x: f.layer_norm(x, (5,)), layer_norm, (A,)),
    "layer_norm, weight": (lambda x, w: f.layer_norm(x, (5,), w), layer_norm, (A, W)),
    "layer_norm, bias": (
        lambda x, b: f.layer_norm(x, (5,), None, b), lambda x, b: layer_norm(x, None, b), (A, W),
    ),
    "layer_norm, both": (lambda x, w, b: f.layer_norm(x, (5,), w, b), layer_norm, (A, W, V)),
    "layer_norm, two dims": (
        lambda x, w: f.layer_norm(x, (3, 5), w),
        lambda x, w: layer_norm(x.reshape(2, 15), w.reshape(15)).reshape(2, 3, 5),
        (RNG.normal(size=(2, 3, 5)), B),
    ),
    "rms_norm": (lambda x, w: f.rms_norm(x, (5,), w, 1e-5), rms_norm, (A, W)),
    "batch_norm": (
        lambda x, w, b: f.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: layer_norm(x.T, w[:, None], b[:, None]).T, (A, W, V),
    ),
    "group_norm": (
        lambda x, w: f.group_norm(x, 2, w),
        lambda x, w: layer_norm(x.reshape(2, 2, 6)).reshape(2, 4, 3) * w[:, None],
        (RNG.normal(size=(2, 4, 3)), RNG.normal(size=4)),
    ),
    "instance_norm": (
        lambda x: f.instance_norm(x), layer_norm, (RNG.normal(size=(2, 3, 4)),),
    ),
    "normalize": (
        lambda x: f.normalize(x), lambda x: x / np.sqrt((x * x).sum(1, keepdims=True)), (A,),
    ),
    "cosine_similarity": (lambda a, b: f.cosine_similarity(a, b), cosine, (A, B)),
    "cosine_similarity of a row": (
        lambda a, b: f.cosine_similarity(a, b), lambda a, b: cosine(a, b), (A, B[:1]),
    ),
}  # fmt: skip


def tensors(arrays, dtype=None):
    return [opsmith.from_numpy(np.array(a, dtype=dtype)).requires_grad_(True) for a in arrays]


def differences(fn, arrays, weight, step=1e-6):
    """The gradients of ``(fn(*arrays) * weight).sum()``."""
    found = []
    for k, a in enumerate(arrays):
        g = np.zeros_like(a)
        for at in np.ndindex(a.shape):
            sides = []
            for h in (step, -step):
                moved = [x.copy() for x in arrays]
                moved[k][at] += h
                sides.append((fn(*moved) * weight).sum())
            g[at] = (sides[0] - sides[1]) / (2 * step)
        found.append(g)
    return found


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name):
    op, reference, arrays = CASES[name]
    ts = tensors(arrays)
    out = op(*ts)
    np.testing.assert_allclose(out.detach().numpy(), reference(*arrays), rtol=1e-10, atol=1e-12)
    weight = np.random.default_rng(1).normal(size=tuple(out.shape))
    out.backward(opsmith.from_numpy(weight))
    for t, want in zip(ts, differences(reference, arrays, weight), strict=True):
        np.testing.assert_allclose(t.grad.numpy(), want, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_second_order(name):
    """The recorded backward is the gradient of the kernel's, and its gradient is right, too."""
    op, _, arrays = CASES[name]
    rng = np.random.default_rng(2)
    weight = None

    def first(*xs):
        """All gradients of the op, as one array."""
        nonlocal weight
        ts = tensors(xs)
        out = op(*ts)
        if weight is None:
            weight = rng.normal(size=tuple(out.shape))
        out.backward(opsmith.from_numpy(weight))
        return np.concatenate([t.grad.numpy().ravel() for t in ts])

    plain = first(*arrays)
    mix = rng.normal(size=plain.shape)
    want = differences(first, arrays, mix)
    ts = tensors(arrays)
    g = opsmith.from_numpy(weight).requires_grad_(True)
    grads = opsmith.autograd.grad(op(*ts), ts, g, create_graph=True)
    flat = np.concatenate([x.detach().numpy().ravel() for x in grads])
    np.testing.assert_allclose(flat, plain, rtol=1e-10, atol=1e-12)
    total, at = None, 0
    for x in grads:
        part = (x * opsmith.from_numpy(mix[at : at + x.numel()].reshape(x.shape))).sum()
        total, at = part if total is None else total + part, at + x.numel()
    total.backward()
    for t, w in zip(ts, want, strict=True):
        got = np.zeros(t.shape) if t.grad is None else t.grad.numpy()
        np.testing.assert_allclose(got, w, rtol=1e-5, atol=1e-6)
    assert g.grad is not None


@pytest.mark.parametrize("n", [1, 7, 16, 33, 64, 100, 4096, 10007])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_lengths_and_dtypes(n, dtype):
    """Every tail of the loops; long rows are summed in double."""
    rng = np.random.default_rng(n)
    x, w = rng.normal(size=(3, n)), rng.normal(size=n)
    kind = getattr(opsmith, dtype)
    tol = {"float64": 1e-12, "float32": 2e-6, "bfloat16": 1e-2, "float16": 2e-3}[dtype]
    t, u = opsmith.tensor(x, dtype=kind), opsmith.tensor(w, dtype=kind)
    x, w = t.to(opsmith.float64).numpy(), u.to(opsmith.float64).numpy()
    for got, want in (
        (f.softmax(t, 1), softmax(x)), (f.log_softmax(t, 1), log_softmax(x)),
        (f.layer_norm(t, (n,), u), layer_norm(x, w)),
        (f.rms_norm(t, (n,), u, 1e-5), rms_norm(x, w)),
    ):  # fmt: skip
        assert got.dtype is kind
        got = got.to(opsmith.float64).numpy()
        np.testing.assert_allclose(got, want, rtol=tol, atol=tol * max(1, abs(want).max()))


LAYOUTS = {
    "transposed": lambda t: t.transpose(0, 2).contiguous().transpose(0, 2),
    "every second": lambda t: t.unsqueeze(-1).expand(4, 6, 9, 2).contiguous().select(-1, 0),
    "reversed order": lambda t: t.permute(1, 2, 0).contiguous().permute(2, 0, 1),
    "one row": lambda t: t[:1].expand(4, 6, 9),
    "a column": lambda t: t[:, :, :1].expand(4, 6, 9),
    "narrow": lambda t: t.narrow(1, 1, 4),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_layouts(layout, dtype, dim):
    kind = getattr(opsmith, dtype)
    base = opsmith.tensor(np.random.default_rng(3).normal(size=(4, 6, 9)), dtype=kind)
    t = LAYOUTS[layout](base)
    dense = opsmith.from_numpy(t.to(opsmith.float64).numpy().copy()).requires_grad_(True)
    t = t.detach().requires_grad_(True)
    tol = {"float64": 1e-13, "float32": 1e-6, "float16": 2e-3}[dtype]
    for op in (lambda x: f.softmax(x, dim), lambda x: f.log_softmax(x, dim)):
        got, want = op(t), op(dense)
        np.testing.assert_allclose(
            got.detach().to(opsmith.float64).numpy(), want.detach().numpy(), rtol=tol, atol=tol
        )
        g = np.random.default_rng(4).normal(size=tuple(want.shape))
        t.grad = dense.grad = None
        got.backward(opsmith.tensor(g, dtype=t.dtype).transpose(0, 2).contiguous().transpose(0, 2))
        want.backward(opsmith.from_numpy(g))
        np.testing.assert_allclose(
            t.grad.to(opsmith.float64).numpy(), dense.grad.numpy(), rtol=tol, atol=8 * tol
        )


def test_batch_norm_of_images():
    """The dims of a row need not be neighbours."""
    x = RNG.normal(size=(5, 3, 4, 7)).astype("float32")
    t = opsmith.from_numpy(x).requires_grad_(True)
    mean, var = opsmith.zeros(3), opsmith.ones(3)
    out = f.batch_norm(t, mean, var, None, None, True)
    rows = x.astype("float64").transpose(1, 0, 2, 3).reshape(3, -1)
    want = layer_norm(rows).reshape(3, 5, 4, 7).transpose(1, 0, 2, 3)
    np.testing.assert_allclose(out.detach().numpy(), want, atol=2e-6)
    np.testing.assert_allclose(mean.numpy(), 0.1 * rows.mean(1), atol=1e-6)
    np.testing.assert_allclose(var.numpy(), 0.9 + 0.1 * rows.var(1, ddof=1), atol=1e-6)
    out.sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), 0, atol=1e-5)
    fixed = f.batch_norm(t, mean, var, None, None, False).detach().numpy()
    shape = (1, 3, 1, 1)
    want = (x - mean.numpy().reshape(shape)) / np.sqrt(var.numpy().reshape(shape) + 1e-5)
    np.testing.assert_allclose(fixed, want, atol=2e-6)


@pytest.mark.parametrize("shape,dim", [((0, 4), 1), ((4, 0), 1), ((4, 0), 0), ((), 0), ((1,), 0)])
def test_empty_and_scalar(shape, dim):
    t = opsmith.ones(shape).requires_grad_(True)
    for op in (f.softmax, f.log_softmax):
        out = op(t, dim)
        assert tuple(out.shape) == shape
        out.sum().backward()
        assert tuple(t.grad.shape) == shape
    if not shape:
        assert f.softmax(t, 0).item() == 1.0


def test_extremes():
    inf = float("inf")
    x = opsmith.tensor([[1e30, 0.0], [-inf, 0.0], [-1000.0, -1000.0]], dtype=opsmith.float64)
    np.testing.assert_array_equal(f.softmax(x, 1).numpy(), [[1, 0], [0, 1], [0.5, 0.5]])
    got = f.log_softmax(x, 1).numpy()
    np.testing.assert_allclose(got, [[0, -1e30], [-inf, 0], [-math.log(2)] * 2])
    bad = opsmith.tensor([[-inf, -inf], [float("nan"), 0.0]])
    assert np.isnan(f.softmax(bad, 1).numpy()).all()
    zero = opsmith.zeros(2, 3).requires_grad_(True)
    f.normalize(zero).sum().backward()
    assert np.isfinite(zero.grad.numpy()).all()
    f.cosine_similarity(zero, zero).sum().backward()
    assert np.isfinite(zero.grad.numpy()).all()


def test_meta_has_shapes_only():
    t = opsmith.empty(3, 5, device="meta")
    assert f.softmax(t, 0).shape == (3, 5)
    assert f.layer_norm(t, (5,)).device.type == "meta"
    assert f.cosine_similarity(t, t).shape == (3,)


def test_dtype_argument_converts():
    t = opsmith.tensor([1.0, 2.0], dtype=opsmith.float16).requires_grad_(True)
    out = f.softmax(t, 0, dtype=opsmith.float32)
    assert out.dtype is opsmith.float32
    out[0].backward()
    assert t.grad.dtype is opsmith.float16
    assert f.softmax(opsmith.tensor([1, 2]), 0, dtype=opsmith.float64).dtype is opsmith.float64


def test_refusals():
    with pytest.raises(RuntimeError, match="not implemented for 'Long'"):
        f.softmax(opsmith.tensor([1, 2]), 0)
    with pytest.raises(IndexError, match="out of range"):
        f.softmax(opsmith.ones(2), 1)
    with pytest.raises(RuntimeError, match="normalized_shape"):
        f.layer_norm(opsmith.ones(2, 3), (4,))
    with pytest.raises(RuntimeError, match="expected a tensor of shape"):
        f.layer_norm(opsmith.ones(2, 3), (3,), opsmith.ones(4))
    with pytest.raises(IndexError, match="target"):
        f.cross_entropy(opsmith.ones(2, 3), opsmith.tensor([0, 3]))
    with pytest.raises(IndexError, match="target"):
        f.cross_entropy(opsmith.ones(2, 3), opsmith.tensor([0, -1]))


# Losses for classes ------------------------------------------------------------------------------


def cross_entropy(x, target, weight, reduction, ignore, smoothing):
    """PyTorch's definition for (N, C, L) logits and (N, L) classes."""
    logp = log_softmax(x, 1)
    n, c, length = x.shape
    w = np.ones(c) if weight is None else weight
    loss, scale = np.zeros((n, length)), np.zeros((n, length))
    for i in range(n):
        for j in range(length):
            if target[i, j] == ignore:
                continue
            t = target[i, j]
            smooth = -(logp[i, :, j] * w).sum()
            loss[i, j] = -(1 - smoothing) * logp[i, t, j] * w[t] + smoothing / c * smooth
            scale[i, j] = w[t]
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / scale.sum()


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("ignore", [-100, 1])
def test_cross_entropy(reduction, weighted, smoothing, ignore):
    rng = np.random.default_rng(5)
    x, target = rng.normal(size=(3, 4, 2)), rng.integers(0, 4, (3, 2))
    target[0] = [1, 2]
    w = rng.random(4) if weighted else None

    def reference(x):
        return np.asarray(cross_entropy(x, target, w, reduction, ignore, smoothing))

    t = opsmith.from_numpy(x.copy()).requires_grad_(True)
    u = None if w is None else opsmith.from_numpy(w)
    out = f.cross_entropy(t, opsmith.from_numpy(target), u, reduction, ignore, smoothing)
    np.testing.assert_allclose(out.detach().numpy(), reference(x), rtol=1e-12, atol=1e-14)
    weight = rng.normal(size=tuple(out.shape))
    out.backward(opsmith.from_numpy(np.asarray(weight)))
    np.testing.assert_allclose(
        t.grad.numpy(), differences(reference, (x,), weight)[0], rtol=1e-6, atol=1e-8
    )
    if smoothing == 0:
        v = opsmith.from_numpy(x.copy()).requires_grad_(True)
        nll = f.nll_loss(f.log_softmax(v, 1), opsmith.from_numpy(target), u, reduction, ignore)
        np.testing.assert_allclose(nll.detach().numpy(), reference(x), rtol=1e-12, atol=1e-14)
        nll.backward(opsmith.from_numpy(np.asarray(weight)))
        np.testing.assert_allclose(v.grad.numpy(), t.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_cross_entropy_twice():
    """Double backward goes through the saved logarithm of the sum."""
    rng = np.random.default_rng(6)
    x, target = rng.normal(size=(3, 4)), opsmith.from_numpy(rng.integers(0, 4, 3))
    mix = rng.normal(size=x.shape)

    def first(x):
        t = opsmith.from_numpy(x.copy()).requires_grad_(True)
        f.cross_entropy(t, target).backward()
        return t.grad.numpy()

    t = opsmith.from_numpy(x.copy()).requires_grad_(True)
    (g,) = opsmith.autograd.grad(f.cross_entropy(t, target), (t,), create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), first(x), rtol=1e-12)
    (g * opsmith.from_numpy(mix)).sum().backward()
    want = differences(first, (x,), mix)[0]
    np.testing.assert_allclose(t.grad.numpy(), want, rtol=1e-5, atol=1e-8)


def test_cross_entropy_of_probabilities():
    rng = np.random.default_rng(7)
    x, p, w = rng.normal(size=(3, 4)), rng.random((3, 4)), rng.random(4)
    want = -(log_softmax(x, 1) * p * w).sum(1)
    got = f.cross_entropy(*map(opsmith.from_numpy, (x, p, w)), "none")
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


def test_threads_do_not_change_bits():
    """Sums over rows are made of parts that depend on the shape alone."""
    rng = np.random.default_rng(8)
    x, w = rng.normal(size=(700, 300)).astype("float32"), rng.normal(size=300).astype("float32")
    found = []
    for threads in (1, 2, 3):
        opsmith._boundary.lib.ops_set_threads(threads)
        t, u = tensors((x, w), "float32")
        f.layer_norm(t, (300,), u).sin().sum().backward()
        found.append((t.grad.numpy().copy(), u.grad.numpy().copy()))
    opsmith._boundary.lib.ops_set_threads(opsmith._boundary.lib.ops_num_threads_now())
    for a, b in found[1:]:
        np.testing.assert_array_equal(a, found[0][0])
        np.testing.assert_array_equal(b, found[0][1])


def test_weight_alone_needs_a_gradient():
    x, w = opsmith.from_numpy(A), opsmith.from_numpy(W.copy()).requires_grad_(True)
    f.layer_norm(x, (5,), w).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), layer_norm(A).sum(0), rtol=1e-9)
    b = opsmith.from_numpy(V.copy()).requires_grad_(True)
    f.layer_norm(x, (5,), w.detach(), b).sum().backward()
    np.testing.assert_allclose(b.grad.numpy(), np.full(5, 3.0))


def test_mixed_dtypes_and_written_inputs():
    x = opsmith.from_numpy(A.astype("float32")).requires_grad_(True)
    w = opsmith.from_numpy(W.copy()).requires_grad_(True)
    out = f.layer_norm(x, (5,), w)
    assert out.dtype is opsmith.float64
    out.sum().backward()
    assert x.grad.dtype is opsmith.float32
    assert w.grad.dtype is opsmith.float64
    y = x * 2
    out = f.layer_norm(y, (5,))
    y.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        out.sum().backward()
