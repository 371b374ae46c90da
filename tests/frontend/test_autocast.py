"""Autocast, as PyTorch 2.13.0 does it on the CPU: which op computes in what, weights, gradients."""

from __future__ import annotations

import pickle
import threading

import pytest

import opsmith as torch
import opsmith.nn.functional as F

f32, bf16, f64 = torch.float32, torch.bfloat16, torch.float64
I4 = torch.arange(4)


def T(*size):
    return torch.rand(*size) + 0.1


# What gives bfloat16 for float32 operands
LOW = {
    "mm": lambda d: torch.mm(T(4, 4).to(d), T(4, 4).to(d)),
    "bmm": lambda d: torch.bmm(T(2, 4, 4).to(d), T(2, 4, 4).to(d)),
    "matmul": lambda d: T(4, 4).to(d) @ T(4, 4).to(d),
    "matmul of vectors": lambda d: T(4).to(d) @ T(4).to(d),
    "matmul of a vector": lambda d: T(4, 4).to(d) @ T(4).to(d),
    "matmul of a batch": lambda d: T(2, 3, 4, 4).to(d) @ T(4, 4).to(d),
    "addmm": lambda d: torch.addmm(T(4, 4), T(4, 4).to(d), T(4, 4)),
    "baddbmm": lambda d: torch.baddbmm(T(2, 4, 4).to(d), T(2, 4, 4).to(d), T(2, 4, 4).to(d)),
    "linear": lambda d: F.linear(T(4, 4).to(d), T(4, 4), T(4)),
    "einsum": lambda d: torch.einsum("ij,jk->ik", T(4, 4).to(d), T(4, 4).to(d)),
    "inner": lambda d: torch.inner(T(4, 4).to(d), T(4, 4).to(d)),
    "tensordot": lambda d: torch.tensordot(T(4, 4).to(d), T(4, 4).to(d), 1),
    "conv1d": lambda d: F.conv1d(T(1, 2, 8).to(d), T(2, 2, 3)),
    "conv2d": lambda d: F.conv2d(T(1, 2, 8, 8).to(d), T(2, 2, 3, 3)),
    "conv3d": lambda d: F.conv3d(T(1, 1, 4, 4, 4).to(d), T(1, 1, 2, 2, 2)),
    "conv_transpose1d": lambda d: F.conv_transpose1d(T(1, 2, 8).to(d), T(2, 2, 3)),
    "conv_transpose2d": lambda d: F.conv_transpose2d(T(1, 2, 8, 8).to(d), T(2, 2, 3, 3)),
    "conv_transpose3d": lambda d: F.conv_transpose3d(T(1, 1, 4, 4, 4).to(d), T(1, 1, 2, 2, 2)),
    "attention": lambda d: F.scaled_dot_product_attention(*[T(1, 2, 4, 4).to(d) for _ in "qkv"]),
    "MultiheadAttention": lambda d: torch.nn.MultiheadAttention(4, 2)(
        *[T(2, 1, 4).to(d) for _ in "qkv"]
    )[0],
    "RNN": lambda d: torch.nn.RNN(4, 4)(T(2, 1, 4).to(d))[0],
    "prelu": lambda d: F.prelu(T(4, 4).to(d), torch.ones(1)),
    "vecdot": lambda d: torch.linalg.vecdot(T(4, 4).to(d), T(4, 4).to(d)),
    "cov": lambda d: torch.cov(T(4, 4).to(d)),
    "affine_grid": lambda d: F.affine_grid(T(1, 2, 3).to(d), (1, 1, 4, 4), align_corners=False),
}
# What gives float32 for bfloat16 operands
WIDE = {
    "prod": lambda d: torch.prod(T(4, 4).to(d)),
    "prod along a dim": lambda d: torch.prod(T(4, 4).to(d), dim=0),
    "prod along an axis": lambda d: torch.prod(T(4, 4).to(d), axis=0),
    "trace": lambda d: torch.trace(T(4, 4).to(d)),
    "quantile": lambda d: torch.quantile(T(4, 4).to(d), 0.5),
    "nanquantile": lambda d: torch.nanquantile(T(4, 4).to(d), 0.5),
    "inverse": lambda d: torch.inverse((T(4, 4) + 4 * torch.eye(4)).to(d)),
    "cdist": lambda d: torch.cdist(T(4, 4).to(d), T(4, 4).to(d)),
    "avg_pool3d": lambda d: F.avg_pool3d(T(1, 1, 4, 4, 4).to(d), 2),
    "max_pool3d": lambda d: F.max_pool3d(T(1, 1, 4, 4, 4).to(d), 2),
    "adaptive_avg_pool3d": lambda d: F.adaptive_avg_pool3d(T(1, 1, 4, 4, 4).to(d), 2),
    "adaptive_max_pool3d": lambda d: F.adaptive_max_pool3d(T(1, 1, 4, 4, 4).to(d), 2),
    "fractional_max_pool2d": lambda d: F.fractional_max_pool2d(
        T(2, 3, 8, 8).to(d), 2, output_size=3
    ),
    "max_unpool2d": lambda d: F.max_unpool2d(
        T(1, 1, 2, 2).to(d), torch.tensor([[[[0, 2], [8, 10]]]]), 2
    ),
    "grid_sample": lambda d: F.grid_sample(
        T(2, 3, 8, 8).to(d), T(2, 4, 4, 2).to(d), align_corners=False
    ),
    "reflect": lambda d: F.pad(T(1, 1, 4, 4).to(d), (1, 1, 1, 1), "reflect"),
    "replicate": lambda d: F.pad(T(1, 1, 4, 4).to(d), (1, 1, 1, 1), "replicate"),
    "mse_loss": lambda d: F.mse_loss(T(4).to(d), T(4).to(d)),
    "l1_loss": lambda d: F.l1_loss(T(4).to(d), T(4).to(d)),
    "smooth_l1_loss": lambda d: F.smooth_l1_loss(T(4).to(d), T(4).to(d)),
    "huber_loss": lambda d: F.huber_loss(T(4).to(d), T(4).to(d)),
    "kl_div": lambda d: F.kl_div(T(4, 4).to(d), T(4, 4).to(d), reduction="sum"),
    "poisson_nll_loss": lambda d: F.poisson_nll_loss(T(4).to(d), T(4).to(d)),
    "bce": lambda d: F.binary_cross_entropy((T(4) * 0.5).to(d), (T(4) * 0.5).to(d)),
    "bce with logits": lambda d: F.binary_cross_entropy_with_logits(T(4).to(d), T(4).to(d)),
    "cross_entropy": lambda d: F.cross_entropy(T(4, 4).to(d), I4),
    "smoothed cross_entropy": lambda d: F.cross_entropy(T(4, 4).to(d), I4, label_smoothing=0.1),
    "nll_loss": lambda d: F.nll_loss(T(4, 4).to(d), I4),
    "soft_margin_loss": lambda d: F.soft_margin_loss(T(4).to(d), torch.ones(4, dtype=d)),
    "hinge_embedding_loss": lambda d: F.hinge_embedding_loss(T(4).to(d), torch.ones(4, dtype=d)),
    "margin_ranking_loss": lambda d: F.margin_ranking_loss(
        T(4).to(d), T(4).to(d), torch.ones(4, dtype=d)
    ),
    "multi_margin_loss": lambda d: F.multi_margin_loss(T(4, 4).to(d), I4),
    "multilabel_margin_loss": lambda d: F.multilabel_margin_loss(
        T(4, 4).to(d), torch.zeros(4, 4, dtype=torch.int64)
    ),
    "cosine_embedding_loss": lambda d: F.cosine_embedding_loss(
        T(4, 4).to(d), T(4, 4).to(d), torch.ones(4)
    ),
    "triplet_margin_loss": lambda d: F.triplet_margin_loss(*[T(4, 4).to(d) for _ in "apn"]),
    "ctc_loss": lambda d: F.ctc_loss(
        T(5, 1, 3).log_softmax(2).to(d), torch.tensor([[1, 2]]), torch.tensor([5]),
        torch.tensor([2]),
    ),
    "cat of two dtypes": lambda d: torch.cat([T(4).to(d), T(4)]),
    "stack of two dtypes": lambda d: torch.stack([T(4).to(d), T(4)]),
    "index_copy": lambda d: torch.index_copy(T(4, 4).to(d), 0, I4, T(4, 4)),
}  # fmt: skip
# What keeps the dtype of its operands
SAME = {
    "mv": lambda d: torch.mv(T(4, 4).to(d), T(4).to(d)),
    "dot": lambda d: torch.dot(T(4).to(d), T(4).to(d)),
    "addmv": lambda d: torch.addmv(T(4).to(d), T(4, 4).to(d), T(4).to(d)),
    "addr": lambda d: torch.addr(T(4, 4).to(d), T(4).to(d), T(4).to(d)),
    "outer": lambda d: torch.outer(T(4).to(d), T(4).to(d)),
    "bilinear": lambda d: F.bilinear(T(4).to(d), T(4).to(d), T(2, 4, 4).to(d)),
    "exp": lambda d: torch.exp(T(4).to(d)),
    "log": lambda d: torch.log(T(4).to(d)),
    "pow": lambda d: T(4).to(d) ** 2.5,
    "sum": lambda d: torch.sum(T(4).to(d)),
    "mean": lambda d: torch.mean(T(4).to(d)),
    "cumsum": lambda d: torch.cumsum(T(4).to(d), 0),
    "var": lambda d: torch.var(T(4).to(d)),
    "norm": lambda d: torch.norm(T(4).to(d)),
    "softmax": lambda d: F.softmax(T(4).to(d), -1),
    "log_softmax": lambda d: F.log_softmax(T(4).to(d), -1),
    "logsumexp": lambda d: torch.logsumexp(T(4).to(d), -1),
    "layer_norm": lambda d: F.layer_norm(T(4, 4).to(d), (4,)),
    "group_norm": lambda d: F.group_norm(T(2, 3, 4).to(d), 3),
    "gelu": lambda d: F.gelu(T(4).to(d)),
    "avg_pool2d": lambda d: F.avg_pool2d(T(1, 1, 4, 4).to(d), 2),
    "max_pool2d": lambda d: F.max_pool2d(T(1, 1, 4, 4).to(d), 2),
    "interpolate": lambda d: F.interpolate(T(1, 1, 4, 4).to(d), scale_factor=2, mode="bilinear"),
    "constant": lambda d: F.pad(T(1, 1, 4, 4).to(d), (1, 1, 1, 1)),
    "circular": lambda d: F.pad(T(1, 1, 4, 4).to(d), (1, 1, 1, 1), "circular"),
    "embedding": lambda d: F.embedding(I4, T(4, 4).to(d)),
    "cat": lambda d: torch.cat([T(4).to(d), T(4).to(d)]),
    "dropout": lambda d: F.dropout(T(4).to(d)),
    "add": lambda d: T(4).to(d) + T(4).to(d),
}
CASES = [(fn, bf16, bf16, n) for n, fn in LOW.items()]
CASES += [(fn, f32, f32, n) for n, fn in WIDE.items()]
CASES += [(fn, f32, bf16, n) for n, fn in SAME.items()]


@pytest.mark.parametrize(
    ("call", "of_f32", "of_bf16"), [c[:3] for c in CASES], ids=[c[3] for c in CASES]
)
def test_dtypes(call, of_f32, of_bf16):
    with torch.autocast("cpu"):
        assert call(f32).dtype == of_f32
        assert call(bf16).dtype == of_bf16
    assert call(f32).dtype == f32


NORMS = {  # small inputs, parameters of float32: what PyTorch gives first
    "layer_norm": (lambda x, w: F.layer_norm(x, (4,), w, w), 4, (2, 3, 4), [-0.10, 0.33, 1.3]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (4,), w), 4, (2, 3, 4), [0.0, 0.32, 0.96]),
    "group_norm": (lambda x, w: F.group_norm(x, 2, w, w), 4, (2, 4, 3), [-0.07, 0.15, 0.36]),
    "batch_norm": (
        lambda x, w: F.batch_norm(x, torch.zeros(4), torch.ones(4), w, w, True),
        4, (2, 4, 3), [-0.06, 0.16, 0.38],
    ),
    "instance_norm": (
        lambda x, w: F.instance_norm(x, weight=w, bias=w), 4, (2, 4, 3), [-0.07, 0.3, 0.67],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(NORMS))
@pytest.mark.parametrize("small", [bf16, torch.float16])
def test_normalisations_keep_a_small_dtype(name, small):
    call, n, shape, first = NORMS[name]
    x = (torch.arange(24.0).reshape(shape) * 0.37 % 1.7).to(small).requires_grad_(True)
    w = (torch.arange(1.0, n + 1) * 0.3).requires_grad_(True)
    out = call(x, w)
    assert out.dtype == small
    assert out.detach().float().flatten()[:3].tolist() == pytest.approx(first, abs=0.02)
    out.float().sum().backward()
    assert x.grad.dtype == small and w.grad.dtype == f32
    tiny = torch.tensor([1e-4, 2e-4], dtype=small)  # eps is that of float32
    assert F.rms_norm(tiny, (2,)).tolist() == pytest.approx([0.263, 0.527], abs=0.002)


def test_values_are_those_of_rounded_operands():
    a, b = torch.randn(7, 9), torch.randn(9, 5)
    with torch.autocast("cpu"):
        found = a @ b
    exact = (a.bfloat16().double() @ b.bfloat16().double()).bfloat16()
    torch.testing.assert_close(found, exact, rtol=0.008, atol=0.0)
    with torch.autocast("cpu", dtype=torch.float16):
        assert (a @ b).dtype == torch.float16


def test_what_is_not_converted():
    with torch.autocast("cpu"):
        assert (T(2, 2).double() @ T(2, 2).double()).dtype == f64
        assert (I4.reshape(2, 2) @ I4.reshape(2, 2)).dtype == torch.int64
        assert T(2, 2).to("meta").mm(T(2, 2).to("meta")).dtype == f32


def test_blocks_nest_and_end():
    a = T(2, 2)
    assert not torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu") as block:
        assert torch.is_autocast_enabled("cpu") and not torch.is_autocast_enabled("cuda")
        assert not torch.is_autocast_enabled() and torch.is_autocast_cpu_enabled()
        with torch.autocast("cpu", enabled=False):
            assert (a @ a).dtype == f32
        with torch.autocast("cpu", dtype=torch.float16, cache_enabled=False):
            assert (a @ a).dtype == torch.float16
            assert torch.get_autocast_dtype("cpu") == torch.float16
            assert not torch.is_autocast_cache_enabled()
        assert torch.get_autocast_dtype("cpu") == bf16
        with block:
            pass
        assert (a @ a).dtype == bf16
    with pytest.raises(ZeroDivisionError), torch.autocast("cpu"):
        raise ZeroDivisionError
    assert (a @ a).dtype == f32
    assert torch._functions.blocks == 0


def test_decorator():
    @torch.autocast("cpu", dtype=torch.float16)
    def f(x, n):
        return (x @ x).dtype if n == 0 else f(x, n - 1)

    assert f.__name__ == "f" and f(T(2, 2), 3) == torch.float16
    assert (T(2, 2) @ T(2, 2)).dtype == f32
    with pytest.raises(TypeError, match="requires a callable, but got int"):
        torch.autocast("cpu")(3)


def test_switches_without_a_block():
    torch.set_autocast_enabled("cpu", True)
    torch.set_autocast_dtype("cpu", torch.float16)
    try:
        assert (T(2, 2) @ T(2, 2)).dtype == torch.float16
    finally:
        torch.set_autocast_dtype("cpu", bf16)
        torch.set_autocast_enabled("cpu", False)
    assert (T(2, 2) @ T(2, 2)).dtype == f32 and torch._functions.blocks == 0


def test_other_devices():
    assert torch.amp.is_autocast_available("cpu") and torch.amp.is_autocast_available("cuda")
    assert not torch.amp.is_autocast_available("meta")
    assert torch.get_autocast_dtype("cuda") == torch.float16
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.autocast("foo")
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'meta'"):
        torch.autocast("meta")
    with pytest.raises(ValueError, match="of type `str`"):
        torch.autocast(3)
    with pytest.warns(UserWarning, match="only supports dtypes of torch.bfloat16, torch.float16"):
        block = torch.autocast("cpu", dtype=f32)
    with block:
        assert (T(2, 2) @ T(2, 2)).dtype == f32
    if not torch.cuda.is_available():
        with pytest.warns(UserWarning, match="CUDA is not available"):
            torch.autocast("cuda")
    with torch.autocast("mps"):
        assert torch.is_autocast_enabled("mps") and (T(2, 2) @ T(2, 2)).dtype == f32
    with pytest.warns(FutureWarning, match="torch.amp.autocast"), torch.cpu.amp.autocast():
        assert (T(2, 2) @ T(2, 2)).dtype == bf16


def test_gradients_come_back_in_the_dtype_of_the_weights():
    layer = torch.nn.Linear(3, 2)
    x, y = torch.randn(4, 3), torch.randn(4, 2)
    with torch.autocast("cpu"):
        out = layer(x)
        loss = F.mse_loss(out, y)
    assert out.dtype == bf16 and loss.dtype == f32
    assert type(out.grad_fn.next_functions[1][0]).__name__ == "ToCopyBackward0"
    loss.backward()
    assert layer.weight.grad.dtype == f32 and layer.bias.grad.dtype == f32
    plain = torch.nn.Linear(3, 2)
    plain.load_state_dict(layer.state_dict())
    F.mse_loss(plain(x), y).backward()
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad, rtol=0.05, atol=0.05)


def test_backward_inside_the_block_converts_nothing_more():
    w = torch.randn(3, 3, requires_grad=True)
    x = torch.randn(3, 3, requires_grad=True)
    y = x @ w  # outside: float32
    with torch.autocast("cpu"):
        y.sum().backward(retain_graph=True)
        assert torch.equal(w.grad, x.detach().sum(0)[:, None].expand(3, 3))
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert g.dtype == f32 and torch.is_autocast_enabled("cpu")


def test_weights_are_converted_once_unless_written():
    w, x = torch.nn.Parameter(torch.randn(3, 3)), torch.randn(2, 3)
    with torch.autocast("cpu"):
        a, b = x @ w, x @ w
        assert a.grad_fn.next_functions[1][0] == b.grad_fn.next_functions[1][0]
        with torch.autocast("cpu"):
            assert (x @ w).grad_fn.next_functions[1][0] == b.grad_fn.next_functions[1][0]
        with torch.no_grad():
            assert not (x @ w).requires_grad
            w.zero_()
        assert (x @ w).abs().sum() == 0
        (x @ w).sum().backward()
        (x @ w).sum().backward()  # the conversion of the first is gone
        with torch.autocast("cpu", cache_enabled=False):
            a, b = x @ w, x @ w
            assert a.grad_fn.next_functions[1][0] != b.grad_fn.next_functions[1][0]
    torch.testing.assert_close(w.grad, 2 * x.bfloat16().float().sum(0)[:, None].expand(3, 3),
                               rtol=0.02, atol=0.02)  # fmt: skip


def test_blocks_are_of_a_thread():
    found = []
    with torch.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((T(2, 2) @ T(2, 2)).dtype))
        thread.start()
        thread.join()
    assert found == [f32]


def test_modes_and_classes_see_calls_before_they_are_converted():
    seen = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append((func.__name__, args[0].dtype))
            return func(*args, **(kwargs or {}))

    class Sub(torch.Tensor):
        pass

    x = T(2, 2)
    with torch.autocast("cpu"):
        with Mode():
            assert F.cross_entropy(x.bfloat16(), torch.tensor([0, 1])).dtype == f32
            assert (x @ x).dtype == bf16
        y = x.as_subclass(Sub) @ x
        assert type(y) is Sub and y.dtype == bf16
    assert ("matmul", f32) in seen and ("cross_entropy", bf16) in seen


def test_custom_functions():
    seen = []

    class Double(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=f32)
        def forward(ctx, x, more):
            seen.append((x.dtype, more["a"][0].dtype, torch.is_autocast_enabled("cpu")))
            return x * 2

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append((g.dtype, torch.is_autocast_enabled("cpu")))
            return g * 2, None

    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x @ x

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append(torch.is_autocast_enabled("cpu"))
            return (g @ ctx.saved_tensors[0]).to(f32)

    x = torch.rand(2, dtype=bf16).requires_grad_(True)
    w = torch.rand(2, 2, requires_grad=True)
    with torch.autocast("cpu"):
        y, z = Double.apply(x, {"a": [x.detach()]}), Product.apply(w)
        assert z.dtype == bf16
    y.sum().backward()
    z.sum().backward()
    assert seen == [(f32, f32, False), (f32, False), True] and x.grad.dtype == bf16


def test_ops_of_a_registry_of_ones_own():
    mine = torch.ops.define(
        """
        - op: swoosh_of(Tensor input, *, float beta=1.0) -> Tensor
          out: input * sigmoid(beta * input)
          samples: [{input: [3]}]
        - op: swooshed(Tensor input, Tensor other) -> Tensor
          body: mm(swoosh_of(input), other) * 2
          autocast: low
          samples: [{input: [3, 4], other: [4, 2]}]
        """
    )
    x, y = torch.randn(3, 4), torch.randn(4, 2)
    assert mine.swooshed(x, y).dtype == f32
    with torch.autocast("cpu"):
        assert mine.swooshed(x, y).dtype == bf16 and mine.swoosh_of(x).dtype == f32
    with torch.profiler.profile() as p:
        mine.swooshed(x, y)
    assert [e.name for e in p.events()][:3] == ["swooshed", "swoosh_of", "mm"]


# Scaling -----------------------------------------------------------------------------------------


def test_scaler_grows_and_shrinks_as_pytorch_s():
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], 0.1)
    found = []
    for k in range(5):
        optimizer.zero_grad()
        loss = (p * (float("inf") if k == 2 else 1)).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        found.append((round(p[0].item(), 4), scaler.get_scale(), scaler._get_growth_tracker()))
    assert found == [(0.9, 4.0, 1), (0.8, 8.0, 0), (0.8, 4.0, 0), (0.7, 4.0, 1), (0.6, 8.0, 0)]
    assert scaler.state_dict() == {
        "scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2,
        "_growth_tracker": 0,
    }  # fmt: skip
    again = pickle.loads(pickle.dumps(scaler))
    again.load_state_dict(scaler.state_dict())
    assert again.scale(torch.ones(1)).item() == 8.0
    optimizer.zero_grad()
    scaler.scale([p.sum(), (p.sum() * 3,)])[1][0].backward()
    assert p.grad.tolist() == [24, 24]
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    scaler.update(16.0)
    assert scaler.get_scale() == 16.0


def test_scaler_refuses():
    scaler = torch.GradScaler("cpu")
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], 0.1)
    assert scaler.is_enabled() and scaler.get_scale() == 65536.0
    for use in (lambda: scaler.unscale_(optimizer), lambda: scaler.step(optimizer), scaler.update):
        with pytest.raises(AssertionError, match="but _scale is None"):
            use()
    with pytest.raises(ValueError, match="Tensor or an iterable"):
        scaler.scale(3)
    with pytest.raises(AssertionError, match="growth factor must be > 1"):
        torch.GradScaler("cpu", growth_factor=0.5)
    with pytest.raises(RuntimeError, match="empty"):
        scaler.load_state_dict({})
    scaler.scale(p.sum())
    with pytest.raises(AssertionError, match="No inf checks were recorded for this optimizer"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="Closure use"):
        scaler.step(optimizer, closure=lambda: None)


def test_scaler_that_is_off_lets_everything_through():
    if torch.cuda.is_available():
        pytest.skip("it is on where there is a GPU")
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scaler = torch.amp.GradScaler()
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], 0.5)
    loss = p.sum()
    assert scaler.scale(loss) is loss and not scaler.is_enabled()
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0.5, 0.5] and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    scaler.load_state_dict({})
