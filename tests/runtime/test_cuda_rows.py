"""Rows on CUDA equal the CPU's for every way in which a row is cut, found and summed.

One element a row, rows of a warp, of a block, longer than its registers; neighbours in memory;
several dims; sums over many rows; nothing at all; NaN and infinity. As test_cuda_device.py, on a
GPU or compiled for the CPU.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith import _functions
from opsmithc import paths, pipeline
from opsmithc.derive.op import Derived
from opsmithc.derive.rows import COLUMN, FULL, Rows, layout
from opsmithc.formula import Name
from opsmithc.ir import LONG
from opsmithc.lower import rows
from opsmithc.opdef import OpDef

from .cuda_compare import cotangent, layouts, moved, same

pytestmark = pytest.mark.gpu
SHAPES = [  # and the dims of a row
    ((3, 1), (1,)), ((5, 10), (1,)), ((2, 3, 33), (2,)), ((3, 700), (1,)), ((2, 1500), (1,)),
    ((1, 5003), (1,)), ((2, 9216), (1,)), ((3, 0), (1,)), ((0, 5), (1,)), ((1500, 24), (1,)),
    ((130, 40), (0,)), ((3, 50, 7), (1,)), ((300, 2), (0,)), ((3, 4, 5, 6), (0, 2)),
    ((2, 3, 8, 4), (0, 2, 3)), ((5, 3, 7), (0, 2)),
]  # fmt: skip
CODES = ["float32", "bfloat16", "float64", "float16"]
MANY = 10000  # elements: such shapes are tried contiguous only


@pytest.fixture(scope="module", autouse=True)
def device() -> None:
    if not opsmith.cuda.is_available():
        pytest.skip("no GPU, or opsmith was built without CUDA")


@cache
def registry() -> tuple[Derived, ...]:
    derived = pipeline.derive_all(pipeline.parse([paths.OPS_YAML]))
    return tuple(d for d in derived if isinstance(d.op.meaning, Rows))


def fits(op: OpDef, shape: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    """Can the op work along these dims?"""
    assert isinstance(op.meaning, Rows)
    if op.check and 0 in (shape[d] for d in dims):
        return False  # no position to pick
    if not isinstance(op.meaning.dim, Name):
        return dims == (len(shape) - 1,)
    return len(dims) == 1 or op.schema.param(op.meaning.dim.id).type.is_list


def arguments(
    op: OpDef, shape: tuple[int, ...], dims: tuple[int, ...], dtype: Any, absent: bool, odd: bool
) -> dict[str, Any]:
    """Operands of the layouts that the op declares; with ``odd``, some are NaN or infinite."""
    assert isinstance(op.meaning, Rows)
    rng = np.random.default_rng(3)
    count = math.prod(shape[d] for d in dims)
    integral = {i.name for i in rows.inputs(op) if i.cls == LONG}
    found: dict[str, Any] = {}
    for p in op.schema.params:
        kind = layout(op, p.name) if p.type.base == "Tensor" else ""
        if kind and p.type.optional and absent:
            found[p.name] = None
        elif kind:
            own = [1 if d in dims else n for d, n in enumerate(shape)]
            if kind in (FULL, COLUMN):
                own = [n for d, n in enumerate(shape) if kind == FULL or d in dims]
            if p.name in integral:
                values = rng.integers(0, max(count, 1), own)
                found[p.name] = opsmith.tensor(values, dtype=opsmith.int64)
                continue
            values = rng.uniform(-3, 3, own)
            if odd and kind == FULL and values.size > 5:
                values.flat[[0, values.size // 2, values.size - 1]] = np.nan, np.inf, -np.inf
            found[p.name] = opsmith.tensor(values, dtype=dtype)
        elif isinstance(op.meaning.dim, Name) and p.name == op.meaning.dim.id:
            found[p.name] = list(dims) if p.type.is_list else dims[0]
        elif p.type.base in ("float", "int"):
            found[p.name] = 1e-3 if p.type.base == "float" else 1
    return found


def call(op: OpDef, args: dict[str, Any]) -> tuple[Any, ...]:
    got = getattr(_functions, op.name)(**args)
    return tuple(got) if isinstance(got, tuple | list) else (got,)


def variants(args: dict[str, Any]) -> list[dict[str, Any]]:
    """The arguments with operands in other layouts."""
    names = [n for n, v in args.items() if isinstance(v, opsmith.Tensor)]
    if sum(args[n].numel() for n in names) > MANY:
        return [args]
    several = zip(*(layouts(args[n]) for n in names), strict=False)
    return [args | dict(zip(names, these, strict=True)) for these in several]


def cases() -> list[Any]:
    """Every op, shape and dtype, with all operands and the fewest.

    Without a GPU each shape in one dtype, a few in all.
    """
    found = []
    for d in registry():
        optional = any(p.type.optional for p in d.op.schema.tensors)
        for k, (shape, dims) in enumerate(SHAPES):
            if not fits(d.op, shape, dims):
                continue
            for j, code in enumerate(CODES):
                marks = () if k in (1, 4) or j == k % len(CODES) else (pytest.mark.full,)
                name = f"{d.op.name}-{'x'.join(map(str, shape))}-{''.join(map(str, dims))}-{code}"
                for absent in (False, True)[: 1 + optional]:
                    id_ = name + "-fewest" * absent
                    found.append(pytest.param(d, shape, dims, code, absent, id=id_, marks=marks))
    return found


@pytest.mark.parametrize(("derived", "shape", "dims", "code", "absent"), cases())
def test_values_and_gradients(
    derived: Derived, shape: tuple[int, ...], dims: tuple[int, ...], code: str, absent: bool
) -> None:
    op = derived.op
    for args in variants(arguments(op, shape, dims, getattr(opsmith, code), absent, odd=False)):
        found = []
        for where in ("cpu", "cuda"):
            these = args if where == "cpu" else moved(args)
            leaves = {}
            for name, t in these.items():
                if name in derived.gradients and t is not None:
                    leaves[name] = these[name] = t.detach().requires_grad_(True)
            outputs = call(op, these)
            for k, t in enumerate(outputs):
                if t.requires_grad:
                    t.backward(cotangent(t, k, where), retain_graph=True)
            found.append((outputs, {n: leaf.grad for n, leaf in leaves.items()}))
        (plain, wanted), (outputs, grads) = found
        for k, (a, b) in enumerate(zip(outputs, plain, strict=True)):
            same(a.detach(), b.detach(), f"output {k}")
        for name, b in wanted.items():
            assert (grads[name] is None) == (b is None), name
            if b is not None:
                same(grads[name], b, f"gradient of {name}", size=1.0)


@pytest.mark.parametrize("derived", registry(), ids=lambda d: d.op.name)
@pytest.mark.parametrize("code", ["float32", "bfloat16"])
def test_nan_and_infinity(derived: Derived, code: str) -> None:
    for shape, dims in (((4, 10), (1,)), ((2, 5000), (1,)), ((40, 9), (0,))):
        if fits(derived.op, shape, dims):
            args = arguments(derived.op, shape, dims, getattr(opsmith, code), False, odd=True)
            both = zip(call(derived.op, moved(args)), call(derived.op, args), strict=True)
            for k, (a, b) in enumerate(both):
                same(a, b, f"output {k} of {shape}")


def test_operands_of_several_dtypes() -> None:
    rng = np.random.default_rng(1)
    x = opsmith.tensor(rng.normal(size=(5, 30)), dtype=opsmith.bfloat16)
    w = opsmith.tensor(rng.normal(size=30), dtype=opsmith.float32)
    got = _functions.layer_norm(x.to("cuda"), [30], w.to("cuda"))
    same(got, _functions.layer_norm(x, [30], w), "bfloat16 with float32")


def test_broadcast_and_expanded_rows() -> None:
    rng = np.random.default_rng(1)
    row = opsmith.tensor(rng.normal(size=(1, 64)), dtype=opsmith.float32)
    column = opsmith.tensor(rng.normal(size=(7, 1)), dtype=opsmith.float32)
    for x in (row.expand(7, 64), column.expand(7, 64)):
        for dim in (0, 1):
            got = _functions.log_softmax(x.to("cpu").expand(7, 64).to("cuda"), dim)
            same(got, _functions.log_softmax(x, dim), "expanded")
            far = (row if x.stride(0) == 0 else column).to("cuda").expand(7, 64)
            same(_functions.log_softmax(far, dim), _functions.log_softmax(x, dim), "expanded there")
    a, b = row, opsmith.tensor(rng.normal(size=(7, 64)), dtype=opsmith.float32)
    got = _functions.cosine_similarity(a.to("cuda"), b.to("cuda"), 1)
    same(got, _functions.cosine_similarity(a, b, 1), "broadcast")


def test_results_have_the_same_bits_from_run_to_run() -> None:
    rng = np.random.default_rng(1)
    x = opsmith.tensor(rng.normal(size=(999, 48)), dtype=opsmith.float32).to("cuda")
    grads = []
    for _ in range(2):
        w = opsmith.ones(48).to("cuda").requires_grad_(True)
        _functions.layer_norm(x, [48], w).backward(x)
        grads.append(w.grad.to("cpu").numpy().tobytes())
    assert grads[0] == grads[1]


def test_a_target_out_of_range_raises_at_the_next_wait() -> None:
    x = opsmith.zeros(4, 10, device="cuda")
    good = opsmith.zeros(4, dtype=opsmith.int64).to("cuda")
    for wrong in (10, -5, 1 << 40):
        with pytest.raises((IndexError, RuntimeError), match="a target is out of bounds"):
            _functions.cross_entropy_rows(x, (good + wrong).unsqueeze(1), None, 1, -100)
            opsmith.cuda.synchronize()
    loss = _functions.cross_entropy_rows(x, good.unsqueeze(1), None, 1, -100)[0]
    assert abs(loss.to("cpu").sum().item() / 4 - math.log(10)) < 1e-5  # and the device goes on
