"""Comes in: two values. Goes out: nothing, or an AssertionError that says how they differ."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._dtypes import DTYPES, bool_, float64, int64
from .._foreign import as_tensor
from ..autograd.grad_mode import no_grad

# rtol, atol: about the square root of the dtype's resolution, so that a few hundred roundings pass
DEFAULTS = {d: d.close for d in DTYPES if d.close}
OF_NUMBERS = DEFAULTS[float64]  # a Python float is one


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """``|actual - expected| <= atol + rtol * |expected|`` everywhere; shapes and dtypes equal.

    Sequences and mappings are compared item by item. Values are of one type: tensors, arrays,
    numbers, booleans, None.

    Raises:
        AssertionError: with the number of mismatches and the greatest differences.
        ValueError: when only one of rtol and atol is given.
        TypeError: for values of other types, or of two.
    """
    if (rtol is None) != (atol is None):
        lacking = "atol" if atol is None else "rtol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {lacking}."
        )
    options = {
        "rtol": rtol,
        "atol": atol,
        "equal_nan": equal_nan,
        "check_device": check_device,
        "check_dtype": check_dtype,
        "check_layout": check_layout,
        "check_stride": check_stride,
        "allow_subclasses": allow_subclasses,
    }
    with no_grad():
        problem = _compare(actual, expected, options, "")
    if problem is not None:
        raise AssertionError(
            msg(problem) if callable(msg) else msg if isinstance(msg, str) else problem
        )


def assert_allclose(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = True, msg: str = "",
) -> None:  # fmt: skip
    """The older form of ``assert_close``: anything that becomes a tensor, of any dtype."""
    warnings.warn(
        "`assert_allclose()` is deprecated: use `assert_close()`", FutureWarning, stacklevel=2
    )
    a = actual if isinstance(actual, Tensor) else as_tensor(actual)
    e = expected if isinstance(expected, Tensor) else as_tensor(expected, dtype=a.dtype)
    if rtol is None and atol is None:
        pairs = [_OLDER.get(str(t.dtype), (0.0, 0.0)) for t in (a, e)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    assert_close(
        a, e, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False,
        msg=msg or None,
    )  # fmt: skip


_OLDER = {
    "torch.float16": (1e-3, 1e-3), "torch.float32": (1e-4, 1e-5), "torch.float64": (1e-5, 1e-8),
}  # fmt: skip


def _compare(a: Any, e: Any, options: dict[str, Any], where: str) -> str | None:
    if isinstance(a, Mapping) and isinstance(e, Mapping):
        if set(a) != set(e):
            return (
                "The keys of the mappings do not match:\nMissing keys in the actual mapping: "
                f"{sorted(set(e) - set(a))}\nAdditional keys in the actual mapping: "
                f"{sorted(set(a) - set(e))}"
            )
        return _first((a[k], e[k], k) for k in e)(options, where)
    if _is_sequence(a) and _is_sequence(e):
        if len(a) != len(e):
            return f"The length of the sequences mismatch: {len(a)} != {len(e)}"
        return _first(zip(a, e, range(len(a)), strict=True))(options, where)
    if a is None or e is None:
        return None if a is e else f"None mismatch: {a} is not {e}{where}"
    if isinstance(a, bool) and isinstance(e, bool):
        return None if a is e else f"Booleans mismatch: {a} is not {e}{where}"
    if isinstance(a, int | float | complex) and isinstance(e, int | float | complex):
        return _numbers(a, e, options, where)
    related = isinstance(a, type(e)) or isinstance(e, type(a))
    if not related or not (options["allow_subclasses"] or type(a) is type(e)):
        raise _no_pair(a, e)
    return _tensors(_as_tensor(a, e), _as_tensor(e, a), options, where)


def _first(items: Any) -> Callable[[dict[str, Any], str], str | None]:
    def run(options: dict[str, Any], where: str) -> str | None:
        for a, e, k in items:
            found = _compare(
                a,
                e,
                options,
                f"{where}[{k!r}]" if where else f"\n\nThe failure occurred for item [{k!r}]",
            )
            if found is not None:
                return found
        return None

    return run


def _is_sequence(v: Any) -> bool:
    return isinstance(v, Sequence) and not isinstance(v, str | bytes)


def _no_pair(a: Any, e: Any) -> TypeError:
    return TypeError(
        f"No comparison pair was able to handle inputs of type {type(a)} and {type(e)}."
    )


def _as_tensor(v: Any, other: Any) -> Tensor:
    if isinstance(v, Tensor):
        return v.detach()
    if not hasattr(v, "__array_interface__") and not hasattr(v, "__array__"):
        raise _no_pair(v, other)
    try:
        return as_tensor(v)
    except (TypeError, ValueError, RuntimeError):
        raise _no_pair(v, other) from None


# Numbers -----------------------------------------------------------------------------------------


def _numbers(a: Any, e: Any, options: dict[str, Any], where: str) -> str | None:
    if options["check_dtype"] and type(a) is not type(e):
        return f"The (d)types do not match: {type(a)} != {type(e)}.{where}"
    rtol, atol = options["rtol"], options["atol"]
    if rtol is None:
        exact = isinstance(a, int) and isinstance(e, int)
        rtol, atol = (0.0, 0.0) if exact else OF_NUMBERS
    if _close(a, e, rtol, atol, options["equal_nan"]):
        return None
    return _scalars(a, e, rtol, atol, where)


def _close(a: Any, e: Any, rtol: float, atol: float, nan: bool) -> bool:
    if a == e or (nan and a != a and e != e):
        return True
    return math.isfinite(abs(e)) and math.isfinite(abs(a)) and abs(a - e) <= atol + rtol * abs(e)


def _scalars(a: Any, e: Any, rtol: float, atol: float, where: str) -> str:
    difference = abs(a - e)
    relative = difference / abs(e) if e else math.inf
    if rtol == 0 and atol == 0:
        return (
            f"Scalars are not equal!\n\nExpected {e} but got {a}.\nAbsolute difference: "
            f"{difference}\nRelative difference: {relative}{where}"
        )
    return (
        f"Scalars are not close!\n\nExpected {e} but got {a}.\nAbsolute difference: {difference} "
        f"(up to {atol} allowed)\nRelative difference: {relative} (up to {rtol} allowed){where}"
    )


# Tensors -----------------------------------------------------------------------------------------


def _tensors(a: Tensor, e: Tensor, options: dict[str, Any], where: str) -> str | None:
    checks = [
        ("shape", True),
        ("layout", options["check_layout"]),
        ("device", options["check_device"]),
        ("dtype", options["check_dtype"]),
    ]
    for name, wanted in checks:
        x, y = getattr(a, name), getattr(e, name)
        if wanted and x != y:
            return f"The values for attribute '{name}' do not match: {x} != {y}.{where}"
    if options["check_stride"] and a.stride() != e.stride():
        return (
            f"The values for attribute 'stride()' do not match: {a.stride()} != "
            f"{e.stride()}.{where}"
        )
    if a.is_meta or e.is_meta:
        return None
    rtol, atol = options["rtol"], options["atol"]
    if rtol is None:
        pairs = [DEFAULTS.get(t.dtype, (0.0, 0.0)) for t in (a, e)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    if a.device != e.device:
        a, e = a.cpu(), e.cpu()
    if a.dtype is not e.dtype:
        wide = f.add(a[:0] if a.ndim else a, e[:0] if e.ndim else e).dtype
        a, e = a.to(wide), e.to(wide)
    if a.dtype is bool_ or not (a.is_floating_point() or a.is_complex()):
        a, e = a.to(int64), e.to(int64)
    close = f.isclose(a, e, rtol, atol, options["equal_nan"])
    if bool(f.all(close)):
        return None
    if not a.ndim:
        return _scalars(a.item(), e.item(), rtol, atol, where)
    return _report(a, e, close, rtol, atol) + where


def _report(a: Tensor, e: Tensor, close: Tensor, rtol: float, atol: float) -> str:
    exact = rtol == 0 and atol == 0
    bad, total = int(f.sum(f.logical_not(close))), a.numel()
    difference = f.abs(f.sub(a, e))
    text = f"Tensor-likes are not {'equal' if exact else 'close'}!\n\n"
    text += f"Mismatched elements: {bad} / {total} ({100 * bad / total:.1f}%)\n"
    lines = []
    for name, measure, bound in (
        ("absolute", difference, atol),
        ("relative", f.true_divide(difference, f.abs(e)), rtol),
    ):
        sizes = f.where(close, f.zeros_like(measure), measure).reshape(-1)
        k = int(f.argmax(sizes))
        allowed = "" if exact else f" (up to {bound} allowed)"
        place = _place(k, tuple(a.shape))
        lines.append(f"Greatest {name} difference: {sizes[k].item()} at index {place}{allowed}")
    return text + "\n".join(lines)


def _place(k: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for s in reversed(shape):
        found.append(k % s)
        k //= s
    return tuple(reversed(found))


__all__ = ["assert_allclose", "assert_close"]
