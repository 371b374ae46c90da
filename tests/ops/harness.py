"""Comes in: cases of opsmithc.samples. Goes out: opsmith tensors for them, calls, comparisons.

Must not know: any op by name. Every test of this folder is parametrised over the registry.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

import opsmith as ops
from opsmith import _boundary, _loading
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.dtypes import BY_CODE, BY_NAME, TABLE, DType
from opsmithc.opdef import OpDef
from opsmithc.readings.value import NoValue, Values
from opsmithc.samples import Case

SEED = int(os.environ.get("OPSMITH_TEST_SEED", "0"))
# Relative to the value, and to the largest magnitude that took part (absolute): a few roundings of
# the dtype. f32 and f64 functions are within 4 ULP, chains of a dozen of them within these; smaller
# floats compute in f32 and round once, so that their own epsilon is the bound.
TOLERANCE = {
    "f64": (1e-11, 1e-12),
    "f32": (2e-5, 2e-6),
    **{d.code: (2.0 * 2.0**-d.mantissa, 2.0**-d.mantissa) for d in TABLE if d.packed},
}
ERRORS = (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError)


def seed(value: int) -> None:
    """Start the stream of random numbers anew."""
    _boundary.lib.ops_seed(value)


def torch_dtype(dtype: DType) -> Any:
    return getattr(ops, dtype.name)


def tensor(array: Any, dtype: DType, *, requires_grad: bool = False) -> Any:
    """A contiguous tensor of ``dtype`` with the array's values."""
    t = ops.tensor(array, dtype=torch_dtype(dtype))
    return t.requires_grad_(True) if requires_grad else t


def arguments(case: Case, grad: tuple[str, ...] = ()) -> dict[str, Any]:
    """The case's arguments as the frontend takes them."""
    return {n: _argument(case, n, v, n in grad) for n, v in case.args.items()}


def _argument(case: Case, name: str, value: Any, grad: bool) -> Any:
    if isinstance(value, np.ndarray):
        return tensor(value, case.dtypes[name], requires_grad=grad)
    if isinstance(value, list) and name in case.dtypes:
        return [v if v is None else tensor(v, case.dtypes[name], requires_grad=grad) for v in value]
    if isinstance(value, DType):
        return torch_dtype(value)
    return value


def function(op: OpDef, suffix: str = "") -> Callable[..., Any]:
    return _loading.lookup(op.name + suffix)


def call(op: OpDef, args: Mapping[str, Any], suffix: str = "", **more: Any) -> tuple[Any, ...]:
    """Run the op; its outputs as a tuple."""
    positional, keywords = [], dict(more)
    for p in op.schema.params:
        if p.name not in args:
            continue
        if p.kwonly or len(positional) < _place(op, p.name):
            keywords[_safe(p.name)] = args[p.name]
        else:
            positional.append(args[p.name])
    got = function(op, suffix)(*positional, **keywords)
    return tuple(got) if isinstance(got, tuple | list) else (got,)


def _place(op: OpDef, name: str) -> int:
    return [p.name for p in op.schema.params].index(name)


def _safe(name: str) -> str:
    from opsmithc.pytext.signature import safe

    return safe(name)


def numpy(t: Any) -> Any:
    """The values as an array; widened where NumPy lacks the dtype."""
    t = t.detach()
    return (t if t.dtype.numpy else t.float()).contiguous().numpy()


def dtype_of(t: Any) -> DType:
    return BY_NAME[str(t.dtype).rpartition(".")[2]]


def expected(values: Values, case: Case) -> tuple[Any, ...] | None:
    """The outputs by the op's meaning; None where it has no NumPy reading."""
    try:
        return values.outputs(values.ops.get(case.op.name, case.op), case.args)
    except (NoValue, NotImplementedError):
        return None


def skip_refused(op: OpDef, dtype: DType, values: Values) -> None:
    """Skip where the op, or one that it calls, does not take ``dtype``."""
    reason = samples.refusal(op, dtype, values.ops)
    if reason:
        pytest.skip(reason)


def tolerance(op: OpDef, dtype: DType) -> tuple[float, float]:
    own = op.tol.get(dtype.code) or op.tol.get(dtype.name)
    return (own[0], own[0]) if own else TOLERANCE[dtype.code]


def assert_same(op: OpDef, got: Any, want: Any, case: Case, compute: DType | None = None) -> None:
    """``got`` (a tensor) equals ``want`` (an array of the reading) up to the dtype's tolerance."""
    if want is None:  # undefined values
        return
    dtype = dtype_of(got)
    found = numpy(got)
    assert found.shape == np.shape(want), f"shape {found.shape}, expected {np.shape(want)}: {case}"
    with np.errstate(all="ignore"):
        if dtype.kind == "float":
            rounded = samples.rounded(np.asarray(want, np.float64), dtype)
            loose = compute if compute is not None and compute.kind == "float" else dtype
            if loose.size > dtype.size:
                loose = dtype
            rel, tiny = tolerance(op, loose)
            finite = np.abs(rounded[np.isfinite(rounded)].astype(np.float64))
            scale = max(1.0, float(finite.max(initial=0.0)))
            close = np.isclose(found.astype(np.float64), rounded.astype(np.float64), rel,
                               tiny * scale, equal_nan=True)  # fmt: skip
        else:
            kind = np.asarray(want)
            if dtype.kind == "bool":
                rounded = kind != 0
            elif kind.dtype.kind == "f":
                rounded = kind.astype(np.int64).astype(samples.storage(dtype))
            else:
                rounded = kind.astype(samples.storage(dtype))
            close = found == rounded
    if not np.all(close):
        at = tuple(int(k) for k in np.argwhere(~np.asarray(close))[0])
        raise AssertionError(
            f"{op.name} at {list(at)}: {found[at]!r}, expected {rounded[at]!r} "
            f"({int((~close).sum())} of {close.size} differ): {case}"
        )


def leaves(args: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Any]:
    """The tensors of the differentiable arguments, lists flattened."""
    for n in names:
        v = args.get(n)
        if isinstance(v, list):
            yield from (t for t in v if t is not None)
        elif v is not None:
            yield v


def owners(case: Case, names: tuple[str, ...]) -> Iterator[str]:
    """The parameter of each of ``leaves``; '' for an item of a list."""
    for n in names:
        v = case.args.get(n)
        if isinstance(v, list):
            yield from ("" for t in v if t is not None)
        elif v is not None:
            yield n


def differentiable(d: Derived) -> tuple[str, ...]:
    """Parameters whose gradient is tested: those the compiler derived, or, for a composition,
    every tensor that can carry one."""
    return d.differentiable


FLOATS = tuple(d for d in TABLE if d.kind == "float")
INTEGERS = tuple(d for d in TABLE if d.kind == "int")
BOOL = BY_CODE["b8"]
EVERY = (*FLOATS, *INTEGERS, BOOL)
