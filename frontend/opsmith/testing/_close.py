"""Comes in: two values. Goes out: nothing, or an AssertionError that says how they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._core import Tensor
from .._create import tensor
from .._dtypes import DTYPES
from .._foreign import as_tensor

# rtol, atol: about the square root of the dtype's resolution, so that a few hundred roundings pass
DEFAULTS = {d: d.close for d in DTYPES if d.close}


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

    Sequences and mappings are compared item by item.

    Raises:
        AssertionError: with the number of mismatches and the greatest differences.
        ValueError: when only one of rtol and atol is given.
    """
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    options = {
        "rtol": rtol,
        "atol": atol,
        "equal_nan": equal_nan,
        "check_device": check_device,
        "check_dtype": check_dtype,
        "check_stride": check_stride,
    }
    problem = _compare(actual, expected, options, "")
    if problem is not None:
        raise AssertionError(msg(problem) if callable(msg) else problem if msg is None else msg)


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
    if isinstance(a, int | float) and isinstance(e, int | float):
        return _numbers(a, e, options, where)
    return _tensors(_as_tensor(a), _as_tensor(e), options, where)


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


def _as_tensor(v: Any) -> Tensor:
    if isinstance(v, Tensor):
        return v.detach()
    try:
        return as_tensor(v) if hasattr(v, "__array_interface__") else tensor(v)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"No comparison pair was able to handle inputs of type {type(v)}."
        ) from error


def _numbers(a: float, e: float, options: dict[str, Any], where: str) -> str | None:
    if options["check_dtype"] and type(a) is not type(e):
        return f"The (d)types do not match: {type(a)} != {type(e)}.{where}"
    rtol, atol = options["rtol"], options["atol"]
    if rtol is None:
        rtol, atol = (1e-7, 1e-7) if isinstance(a, float) or isinstance(e, float) else (0.0, 0.0)
    if a == e or (options["equal_nan"] and a != a and e != e) or abs(a - e) <= atol + rtol * abs(e):
        return None
    if rtol == 0 and atol == 0:
        return (
            f"Scalars are not equal!\n\nExpected {e} but got {a}.\nAbsolute difference: "
            f"{abs(a - e)}\nRelative difference: {_relative(a, e)}{where}"
        )
    return (
        f"Scalars are not close!\n\nExpected {e} but got {a}.\nAbsolute difference: {abs(a - e)} "
        f"(up to {atol} allowed)\n"
        f"Relative difference: {_relative(a, e)} (up to {rtol} allowed){where}"
    )


def _relative(a: float, e: float) -> float:
    return abs(a - e) / abs(e) if e else math.inf


def _tensors(a: Tensor, e: Tensor, options: dict[str, Any], where: str) -> str | None:
    checks = [
        ("shape", True),
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
    x, y = a.reshape(-1).tolist(), e.reshape(-1).tolist()
    nan = options["equal_nan"]
    bad = [
        k for k, (p, q) in enumerate(zip(x, y, strict=True)) if not _close(p, q, rtol, atol, nan)
    ]
    if not bad:
        return None
    return _report(x, y, bad, tuple(a.shape), rtol, atol) + where


def _close(p: float, q: float, rtol: float, atol: float, nan: bool) -> bool:
    if p == q:
        return True
    if p != p or q != q:
        return nan and p != p and q != q
    return math.isfinite(q) and math.isfinite(p) and abs(p - q) <= atol + rtol * abs(q)


def _report(
    x: list[Any], y: list[Any], bad: list[int], shape: tuple[int, ...], rtol: float, atol: float
) -> str:
    exact = rtol == 0 and atol == 0
    text = f"Tensor-likes are not {'equal' if exact else 'close'}!\n\n"
    text += f"Mismatched elements: {len(bad)} / {len(x)} ({100 * len(bad) / len(x):.1f}%)\n"
    lines = []
    for name, measure, bound in (
        ("absolute", lambda k: abs(x[k] - y[k]), atol),
        ("relative", lambda k: _relative(x[k], y[k]), rtol),
    ):
        sizes = [(measure(k), k) for k in bad]
        worst, k = next((s for s in sizes if s[0] != s[0]), max(sizes, key=lambda s: s[0]))
        place = f" at index {_place(k, shape)}" if shape else ""
        allowed = "" if exact else f" (up to {bound} allowed)"
        lines.append(f"Greatest {name} difference: {worst}{place}{allowed}")
    return text + "\n".join(lines)


def _place(k: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for s in reversed(shape):
        found.append(k % s)
        k //= s
    return tuple(reversed(found))


__all__ = ["assert_close"]
