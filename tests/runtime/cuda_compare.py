"""What the tests of CUDA kernels share: layouts of operands, and how results are compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import opsmith
from opsmithc.dtypes import TABLE

# Both sides round their own functions: a few units in the last place of the dtype.
TOLERANCE = {"f64": 1e-11, "f32": 2e-5, "f16": 2e-3, "bf16": 1.6e-2}


def layouts(t: Any) -> Iterator[Any]:
    """The tensor, and the same values with other strides and at odd places of memory."""
    yield t
    if t.dim() == 0:
        return
    room = opsmith.zeros(*t.shape[:-1], 2 * t.shape[-1] + 1, dtype=t.dtype)
    strided = room[..., 1::2]
    strided.copy_(t)
    yield strided
    if t.dim() > 1:
        yield t.transpose(0, -1).contiguous().transpose(0, -1)


def moved(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments with tensors on the GPU."""
    return {k: v.to("cuda") if isinstance(v, opsmith.Tensor) else v for k, v in args.items()}


def same(got: Any, expected: Any, what: str, size: float = 0.0) -> None:
    """The GPU's result is the CPU's, rounding aside: of it, and of terms of ``size``."""
    assert got.device.type == "cuda", what
    back = got.to("cpu")
    assert back.dtype == expected.dtype, f"{what}: {back.dtype}, the CPU has {expected.dtype}"
    assert tuple(back.shape) == tuple(expected.shape), what
    a, b = (x.to(opsmith.float64).numpy() for x in (back, expected))
    code = next(d.code for d in TABLE if str(expected.dtype).endswith(f".{d.name}"))
    tolerance = TOLERANCE.get(code, 0.0)
    scale = np.max(np.abs(b[np.isfinite(b)]), initial=size)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale * 0.1, err_msg=what)


def cotangent(t: Any, seed: int, where: str) -> Any:
    """Of ``t``: not constant, since what cancels would be compared as noise."""
    values = np.random.default_rng(seed).uniform(0.5, 1.5, tuple(t.shape))
    return opsmith.tensor(values, dtype=t.dtype).to(where)
