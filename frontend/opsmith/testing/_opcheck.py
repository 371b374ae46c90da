"""Comes in: an op. Goes out: what was checked of it, over its registry samples.

The compiler says what arguments an op takes and, where it can, what they should give; without it
(``pip install opsmith`` alone) ``args`` must be given and values are compared with nothing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .. import _functions, _loading, _random
from .._core import Tensor
from .._dtypes import bfloat16, float16, float32, float64
from ..autograd.grad_mode import no_grad
from ..autograd.gradcheck import gradcheck, gradgradcheck
from ._close import assert_close


@dataclass(frozen=True)
class _Call:
    """One call of an op, and what it should give (None where nothing says so)."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    want: Any = None
    symmetric: frozenset[int] = frozenset()  # ids of operands that are symmetric matrices
    reasons: dict[str, str] = field(default_factory=dict)  # why a check does not apply

    def run(self, args: Any = None, kwargs: Any = None, fn: Any = None) -> tuple[Any, ...]:
        """The outputs."""
        out = (fn or self.fn)(
            *(self.args if args is None else args), **(self.kwargs if kwargs is None else kwargs)
        )
        return tuple(out) if isinstance(out, tuple | list) else (out,)

    def random(self) -> bool:
        """Does it draw numbers? Then two calls differ."""
        state = _random.get_rng_state()
        try:
            with no_grad():
                self.run()
            return not bool((state == _random.get_rng_state()).all())
        finally:
            _random.set_rng_state(state)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> tuple[Any, dict[str, Any]]:
        """The arguments with every tensor changed."""
        return (
            [_mapped(a, change) for a in self.args],
            {k: _mapped(v, change) for k, v in self.kwargs.items()},
        )


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value.detach())
    if isinstance(value, list | tuple):
        return type(value)([_mapped(v, change) for v in value])
    return value


def opcheck(
    op: Any, args: Any = None, kwargs: dict[str, Any] | None = None, *,
    test_utils: str | Iterable[str] | None = None, raise_exception: bool = True,
) -> dict[str, str]:  # fmt: skip
    """Check one op.

    ``value`` against what the registry's meaning gives, ``gradient`` of first and second order by
    differences, ``meta`` (shapes without values), ``layout`` (operands with gaps), ``dtypes``
    (smaller floats), ``inplace`` and ``out``.

    Args:
        op: its name, or the function; of a registry of your own, the function.
        args: arguments of one call; all registry samples of the op when left out.
        kwargs: keyword arguments of that call.
        test_utils: the checks to make, all by default.
        raise_exception: raise at the first failure instead of noting it.

    Returns:
        For each check, ``SUCCESS``, why it does not apply, or what failed.
    """
    fn = _loading.lookup(op) if isinstance(op, str) else op
    name = fn.__name__
    if args is not None:
        calls = [_Call(fn, tuple(args), dict(kwargs or {}))]
    else:
        calls = _samples(fn)
    found: dict[str, str] = {}
    for key in _chosen(test_utils):
        found[key] = "SUCCESS" if calls else "no samples"
        for call in calls:
            try:
                verdict = call.reasons.get(key, "")
                if not verdict and key not in ("value", "meta") and call.random():
                    verdict = "random"
                verdict = verdict or CHECKS[key](call)
            except Exception as e:
                if raise_exception:
                    raise AssertionError(f"opcheck({name!r}): {key}: {e}") from e
                verdict = f"FAILED: {e}"
            if verdict:
                found[key] = verdict
                break
    return found


def _chosen(names: str | Iterable[str] | None) -> list[str]:
    if names is None:
        return list(CHECKS)
    chosen = [names] if isinstance(names, str) else list(names)
    unknown = [n for n in chosen if n not in CHECKS]
    if unknown:
        raise ValueError(f"opcheck has no check {unknown[0]!r}; it has {', '.join(CHECKS)}")
    return chosen


@cache
def _registry(source: Any) -> tuple[dict[str, Any], Any]:
    """The ops of a registry file (the bundled one for None), and what their meanings give."""
    part = importlib.import_module
    pipeline, paths, registry = (part(f"opsmithc.{n}") for n in ("pipeline", "paths", "registry"))
    base = registry.load(paths.OPS_YAML) if source is not None else ()
    parsed = pipeline.parse([source if source is not None else paths.OPS_YAML], base)
    defs = {d.op.name: d for d in pipeline.derive_all(parsed)}
    return defs, part("opsmithc.readings.value").Values([d.op for d in defs.values()])


def _samples(fn: Any) -> list[_Call]:
    """The calls that the entry's samples make."""
    from .. import _create, ops

    name, package = fn.__name__, fn.__module__.partition(".")[0]
    own = ops._NAMESPACES.get(package)
    ops._compiler()
    defs, values = _registry(own._source if own is not None else None)
    if name not in defs:
        raise ValueError(f"no op named '{name}' in the registry")
    d = defs[name]
    trials = importlib.import_module("opsmithc.trials")
    wanted = trials.differentiable(d)
    columns = {"gradient": "backward", "meta": "meta", "inplace": "inplace", "out": "out"}
    reasons = {key: why for key, c in columns.items() if (why := trials.reason(c, d))}
    if d.op.stop:
        reasons["gradient"] = "a gradient that is stopped by definition"
    calls = []
    samples = importlib.import_module("opsmithc.samples")
    together = samples.together
    for case in samples.cases(d.op):
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for p in d.op.schema.params:
            v = case.args[p.name]
            if hasattr(v, "__array_interface__"):
                v = _create.tensor(v).requires_grad_(p.name in wanted)
            elif isinstance(v, list) and p.type.base == "Tensor":
                v = [_create.tensor(x).requires_grad_(p.name in wanted) for x in v]
            if p.kwonly:
                keywords[p.name] = v
            else:
                positional.append(v)
        try:
            want = values.outputs(d.op, case.args)
        except Exception:  # no NumPy reading of this op: nothing to compare with
            want = None
        given = dict(zip((p.name for p in d.op.schema.params), (*positional, *keywords.values())))
        symmetric = frozenset(
            id(v)
            for name, v in given.items()
            if isinstance(v, Tensor) and any(len(g) > 1 for g in together(case, name))
        )
        calls.append(_Call(fn, tuple(positional), keywords, want, symmetric, reasons))
    return calls


# Checks: each gives "" or why it does not apply, and raises where something is wrong --------------


def _value(call: _Call) -> str:
    from .._create import tensor

    for t, w in zip(call.run(), call.want or (), strict=False):
        if w is not None:
            expected = _functions.reshape(tensor(w).double(), tuple(t.shape))
            assert_close(t.detach().double(), expected, rtol=1e-9, atol=1e-9, equal_nan=True)
    return "" if call.want is not None else "no reference value"


def _gradient(call: _Call) -> str:
    wrt: list[Tensor] = []

    def collect(value: Any) -> None:
        if isinstance(value, Tensor) and value.requires_grad:
            wrt.append(value)
        elif isinstance(value, list | tuple):
            for v in value:
                collect(v)

    collect((*call.args, *call.kwargs.values()))
    if not wrt:
        return "no differentiable argument"

    def run(*given: Any) -> Any:
        new = {
            id(t): (g + g.mT) / 2 if id(t) in call.symmetric else g
            for t, g in zip(wrt, given, strict=True)
        }
        args = [_replaced(a, new) for a in call.args]
        out = call.run(args, {k: _replaced(v, new) for k, v in call.kwargs.items()})
        return tuple([t for t in out if isinstance(t, Tensor) and t.is_floating_point()])

    inputs = [t.double().detach().requires_grad_(True) for t in wrt]
    if not _smooth(run, inputs):
        return ""  # a sample at a kink, a tie or a pole: differences say nothing there
    gradcheck(run, inputs)
    gradgradcheck(run, inputs)
    return ""


def _replaced(value: Any, new: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return new.get(id(value), value)
    if isinstance(value, list | tuple):
        return type(value)([_replaced(v, new) for v in value])
    return value


def _smooth(run: Callable[..., Any], inputs: list[Tensor]) -> bool:
    """Do differences to both sides agree, each element moved alone, and are values finite?"""
    step = 1e-6
    with no_grad():
        middle = run(*inputs)
        for k, x in enumerate(inputs):
            for i in range(x.numel()):
                sides = []
                for by in (step, -step):
                    moved = x.detach().clone()
                    moved.view(-1)[i] += by
                    sides.append(run(*inputs[:k], moved, *inputs[k + 1 :]))
                for m, up, down in zip(middle, *sides, strict=True):
                    bend = ((up - m) - (m - down)).abs() / step
                    if not bool((bend < 1e-3 * (1 + m.abs())).all()):
                        return False
    return True


def _meta(call: _Call) -> str:
    with no_grad():
        try:
            shadow = call.run(*call.mapped(lambda t: t.to("meta")))
        except NotImplementedError as e:
            return f"not on meta: {e}"
        for r, m in zip(call.run(), shadow, strict=True):
            if r.shape != m.shape or r.dtype != m.dtype or not m.is_meta:
                raise AssertionError(
                    f"meta gives {m!r}, the real result has size {tuple(r.shape)} and dtype "
                    f"{r.dtype!r}"
                )
    return ""


def _with_gaps(t: Tensor) -> Tensor:
    """The same values with other memory between them."""
    return _functions.stack([t, t + 0.375 if t.is_floating_point() else t], -1)[..., 0]


def _layout(call: _Call) -> str:
    with no_grad():
        strided = call.run(*call.mapped(_with_gaps))
        for r, s in zip(call.run(), strided, strict=True):
            assert_close(s.detach(), r.detach(), rtol=1e-12, atol=1e-12, equal_nan=True)
    return ""


def _dtypes(call: _Call) -> str:
    """Results in smaller floats are those of the rounded operands."""
    floats = [t for t in call.args if isinstance(t, Tensor) and t.dtype is float64]
    if not floats:
        return "no operand of float64"
    tried = 0
    for d in (float32, bfloat16, float16):
        small = call.mapped(lambda t, d=d: t.to(d) if t.dtype is float64 else t)  # type: ignore[misc]
        rounded = call.mapped(lambda t, d=d: t.to(d).double() if t.dtype is float64 else t)  # type: ignore[misc]
        with no_grad():
            try:
                found = call.run(*small)
            except (NotImplementedError, RuntimeError, TypeError):
                continue  # the op refuses the dtype
            expected = call.run(*rounded)
        tried += 1
        loose = max(1e-4, 8 * 2.0 ** -({float32: 24, bfloat16: 8, float16: 11}[d]))
        for s, r in zip(found, expected, strict=True):
            if r.is_floating_point():
                assert_close(s.double(), r.double(), rtol=loose, atol=loose, equal_nan=True)
    return "" if tried else "float64 alone"


def _inplace(call: _Call) -> str:
    fn = getattr(sys.modules[call.fn.__module__], f"{call.fn.__name__}_", None)
    if fn is None:
        return "no in-place form"
    with no_grad():
        result = call.run()[0]
        first = call.args[0].detach().clone()
        if result.shape != first.shape or result.dtype != first.dtype:
            return "the result does not fit into the first argument"
        got = fn(first, *call.args[1:], **call.kwargs)
        assert got is first, "an in-place op returns its first argument"
        assert_close(got, result.detach(), rtol=0, atol=0, equal_nan=True)
    return ""


def _out(call: _Call) -> str:
    from .._create import empty

    with no_grad():
        results = call.run()
        if len(results) != 1 or not isinstance(results[0], Tensor):
            return "several outputs"
        out = empty(0, dtype=results[0].dtype)
        try:
            call.fn(*call.args, **call.kwargs, out=out)
        except TypeError:
            return "no out= form"
        assert_close(out, results[0].detach(), rtol=0, atol=0, equal_nan=True)
    return ""


CHECKS: dict[str, Callable[[_Call], str]] = {
    "value": _value, "gradient": _gradient, "meta": _meta, "layout": _layout, "dtypes": _dtypes,
    "inplace": _inplace, "out": _out,
}  # fmt: skip

__all__ = ["opcheck"]
