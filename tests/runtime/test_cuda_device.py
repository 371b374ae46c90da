"""CUDA results equal the CPU's, for every op of the registry that has CUDA kernels.

Runs where a GPU is (`build.py test --device cuda`), and without one in test_cuda_on_host.py, which
compiles the same kernels for the CPU.
"""

from __future__ import annotations

import keyword
import os
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith import _functions
from opsmithc import paths, pipeline, samples
from opsmithc.backends import cuda
from opsmithc.derive.op import Derived
from opsmithc.dtypes import TABLE, DType
from opsmithc.opdef import OpDef

from .cuda_compare import cotangent, layouts, moved, same

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def device() -> None:
    if not opsmith.cuda.is_available():
        pytest.skip("no GPU, or opsmith was built without CUDA")


@cache
def registry() -> tuple[Derived, ...]:
    path = Path(os.environ.get("OPSMITH_TEST_REGISTRY", paths.OPS_YAML))
    derived = pipeline.derive_all(pipeline.parse([path]))
    return tuple(d for d in derived if _compiled(d))


def _compiled(d: Derived) -> bool:
    """Has the op CUDA kernels, and does the library that is loaded hold them?"""
    found = cuda.BACKEND.kernel_contexts(d)
    if not opsmith.cuda.is_available():
        return bool(found)
    lib = opsmith.cuda.require()
    keys = [row.key for _, context in found for row in cuda.tables(context)]
    return bool(keys) and all(lib.ops_cuda_has_kernel(k.encode()) for k in keys)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "derived" in metafunc.fixturenames:
        metafunc.parametrize("derived", registry(), ids=lambda d: d.op.name)


def arguments(case: samples.Case) -> dict[str, Any]:
    found = {}
    for name, v in case.args.items():
        if isinstance(v, np.ndarray):
            found[name] = opsmith.tensor(v, dtype=getattr(opsmith, case.dtypes[name].name))
        elif isinstance(v, DType):
            found[name] = getattr(opsmith, v.name)
        else:
            found[name] = v
    return found


def call(op: OpDef, args: dict[str, Any]) -> tuple[Any, ...]:
    positional = [args[p.name] for p in op.schema.params if not p.kwonly and p.name in args]
    named = {
        p.name + "_" * keyword.iskeyword(p.name): args[p.name]
        for p in op.schema.params if p.kwonly and p.name in args
    }  # fmt: skip
    got = getattr(_functions, op.name)(*positional, **named)
    return tuple(got) if isinstance(got, tuple | list) else (got,)


@pytest.mark.parametrize("dtype", TABLE, ids=lambda t: t.code)
def test_forward(derived: Derived, dtype: DType) -> None:
    if samples.refusal(derived.op, dtype):
        pytest.skip("the op refuses this dtype")
    for case in samples.cases(derived.op, dtype, zlib.crc32(dtype.code.encode())):
        args = arguments(case)
        names = [n for n, v in args.items() if isinstance(v, opsmith.Tensor)]
        for variant in zip(*(layouts(args[n]) for n in names), strict=False):
            these = args | dict(zip(names, variant, strict=True))
            opsmith.manual_seed(7)
            try:
                expected = call(derived.op, these)
            except (RuntimeError, IndexError, TypeError, ValueError) as e:
                with pytest.raises(type(e)):
                    call(derived.op, moved(these))
                    opsmith.cuda.synchronize()  # positions are checked by kernels
                continue
            opsmith.manual_seed(7)
            got = call(derived.op, moved(these))
            for k, (a, b) in enumerate(zip(got, expected, strict=True)):
                same(a, b, f"{case}, output {k}, strides {[v.stride() for v in variant]}")


@pytest.mark.parametrize("code", ["f64", "f32", "bf16"])
def test_backward(derived: Derived, code: str) -> None:
    dtype = next(d for d in TABLE if d.code == code)
    if samples.refusal(derived.op, dtype) or not derived.gradients or derived.op.hidden:
        pytest.skip("no gradient in this dtype")
    for case in samples.cases(derived.op, dtype, 3):
        grads = []
        for where in ("cpu", "cuda"):
            args = arguments(case)
            leaves = []
            for n, v in args.items():
                if isinstance(v, opsmith.Tensor):
                    args[n] = v.to(where)
                    if n in derived.gradients and v.dtype.is_floating_point:
                        leaves.append(args[n].requires_grad_(True))
            opsmith.manual_seed(7)
            try:
                outputs = [t for t in call(derived.op, args) if t.requires_grad]
                if not outputs:
                    break
                for k, t in enumerate(outputs):
                    t.backward(cotangent(t, k, where), retain_graph=True)
            except NotImplementedError as e:
                if where == "cuda":
                    pytest.xfail(str(e))
                raise
            grads.append([leaf.grad for leaf in leaves])
        if len(grads) == 2:
            for a, b in zip(grads[1], grads[0], strict=True):
                assert (a is None) == (b is None), str(case)
                if a is not None:
                    same(a, b, f"{case}: gradient")


SHAPES = [
    ((), None), ((1,), 0), ((0, 3), 0), ((3, 0), 1), ((5,), 0), ((1000,), None), ((3, 1000), 1),
    ((1000, 3), 0), ((300, 70), 0), ((70, 300), 1), ((70, 300), None), ((4, 5, 6, 7), (0, 2)),
    ((4, 5, 6, 7), (1, 3)), ((2, 40000), 1), ((40000, 2), 0), ((3, 257, 65), 1), ((100003,), None),
]  # fmt: skip


@pytest.mark.parametrize("code", ["f64", "f32", "bf16", "f16", "i64", "u8", "b8"])
@pytest.mark.parametrize(("shape", "dim"), SHAPES, ids=lambda v: str(v).replace(" ", ""))
def test_sum_of_every_shape(shape: tuple[int, ...], dim: Any, code: str) -> None:
    dtype = next(d for d in TABLE if d.code == code)
    rng = np.random.default_rng(5)
    values = (
        rng.integers(0, 2, shape)
        if dtype.kind == "bool"
        else rng.integers(-4 * dtype.signed, 5, shape)
    )
    t = opsmith.tensor(values, dtype=getattr(opsmith, dtype.name))
    for view in (t, t.transpose(0, -1)) if t.dim() > 1 else (t,):
        same(
            _functions.sum(view.to("cuda"), dim),
            _functions.sum(view, dim),
            f"sum of {shape} over {dim}",
        )


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_positions(dim: int) -> None:
    t = opsmith.tensor(
        np.random.default_rng(1).integers(0, 9, (33, 129, 70)), dtype=opsmith.float32
    )
    for view in (t, t.transpose(0, 2), t[::2, 1:, ::3]):
        same(
            _functions.argmax(view.to("cuda"), dim),
            _functions.argmax(view, dim),
            f"argmax over {dim}",
        )


def test_copies_between_devices() -> None:
    t = opsmith.tensor(np.random.default_rng(2).uniform(-9, 9, (6, 5, 4)), dtype=opsmith.float32)
    for view in (t, t.transpose(0, 2), t[1:, ::2], t[:, :, 1], t[0, 0, 0], t[:0]):
        for name in (d.name for d in TABLE):
            to = getattr(opsmith, name)
            same(view.to("cuda").to(to), view.to(to), f"copy, then to {name}")
            same(view.to("cuda", to), view.to(to), f"copy to {name} at once")
            assert (view.to("cuda").to("cpu", to) == view.to(to)).all().item()
    big = opsmith.zeros(6, 10, device="cuda")
    big[:, ::2] = t[:, :, 0].to("cuda")
    assert (big.to("cpu")[:, ::2] == t[:, :, 0]).all().item()
    host = opsmith.zeros(5, 6).transpose(0, 1)
    host.copy_(t[:, :, 0].to("cuda"))
    assert (host == t[:, :, 0]).all().item()


def test_numbers_and_host_scalars() -> None:
    t = opsmith.tensor([1.5, -2.0, 3.0], dtype=opsmith.bfloat16)
    host = opsmith.tensor(0.1, dtype=opsmith.float64)
    for other in (2, 0.1, True, host, opsmith.tensor(3)):
        same(_functions.mul(t.to("cuda"), other), _functions.mul(t, other), f"times {other}")
    same(
        _functions.mul(t.to("cuda"), host.to("cuda")),
        _functions.mul(t, host),
        "times a scalar of the device",
    )
    with pytest.raises(RuntimeError, match="same device"):
        _functions.mul(t.to("cuda"), t)


def test_in_place_and_out() -> None:
    t = opsmith.tensor(np.arange(12.0).reshape(3, 4), dtype=opsmith.float32)
    a = t.to("cuda")
    a.mul_(3)
    a[::2].add_(a[:2])  # source and destination overlap
    b = t.clone()
    b.mul_(3)
    b[::2].add_(b[:2])
    same(a, b, "in place")
    out = opsmith.empty(3, 4, device="cuda")
    _functions.add(a, 1, out=out)
    same(out, b + 1, "out=")


def test_memory_is_given_back() -> None:
    opsmith.cuda.synchronize()
    before = opsmith.cuda.memory_allocated()
    tensors = [opsmith.empty(n, device="cuda") for n in (1, 100, 1000, 100000, 3000000)]
    assert opsmith.cuda.memory_allocated() > before
    del tensors
    assert opsmith.cuda.memory_allocated() == before
    assert opsmith.cuda.memory_reserved() >= before
    opsmith.cuda.empty_cache()


def test_positions_out_of_bounds_raise_at_the_next_wait() -> None:
    if not hasattr(_functions, "gather"):
        pytest.skip("the registry has no gather")
    t = opsmith.zeros(3, 4, device="cuda")
    good = opsmith.zeros(3, 4, dtype=opsmith.int64).to("cuda")
    for wrong in (4, -5, 1 << 40):
        with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
            _functions.gather(t, 1, good + wrong)
            opsmith.cuda.synchronize()
    assert _functions.gather(t, 1, good).sum().item() == 0.0  # and the device goes on


def test_streams() -> None:
    side = opsmith.cuda.Stream()
    x = opsmith.ones(1000, device="cuda")
    side.wait_stream(opsmith.cuda.current_stream())
    with opsmith.cuda.stream(side):
        assert opsmith.cuda.current_stream() == side
        y = x + x
    side.synchronize()
    assert side.query()
    assert y.sum().item() == 2000.0
