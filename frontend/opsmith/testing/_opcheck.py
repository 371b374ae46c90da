"""Comes in: the name of an op. Goes out: what was checked of it, over its registry samples.

The compiler says what arguments an op takes and, where it can, what they should give; without it
(``pip install opsmith`` alone) ``args`` must be given and values are compared with nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

from .. import _functions
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ..autograd.gradcheck import gradcheck, gradgradcheck
from ._close import assert_close


def opcheck(
    op: Any, args: Any = None, kwargs: dict[str, Any] | None = None, *, raise_exception: bool = True
) -> dict[str, str]:
    """Check one op: values, gradients of first and second order, meta, in-place and ``out=``.

    Args:
        op: its name, or the function.
        args: arguments of one call; all registry samples of the op when left out.
        kwargs: keyword arguments of that call.
        raise_exception: raise at the first failure instead of noting it.

    Returns:
        For each check, ``SUCCESS``, why it does not apply, or what failed.
    """
    name = op if isinstance(op, str) else op.__name__
    calls = [(tuple(args), dict(kwargs or {}), None)] if args is not None else _samples(name)
    found: dict[str, str] = {}
    for check in (_value, _gradient, _meta, _inplace, _out):
        key = check.__name__.strip("_")
        found[key] = "SUCCESS" if calls else "no samples"
        for a, k, want in calls:
            try:
                verdict = check(name, a, k, want)
            except Exception as e:
                if raise_exception:
                    raise AssertionError(f"opcheck({name!r}): {key}: {e}") from e
                verdict = f"FAILED: {e}"
            if verdict:
                found[key] = verdict
                break
    return found


def _samples(name: str) -> list[tuple[tuple[Any, ...], dict[str, Any], Any]]:
    from .. import _create, ops

    ops._compiler()
    part = importlib.import_module
    pipeline, paths = part("opsmithc.pipeline"), part("opsmithc.paths")
    defs = {d.op.name: d for d in pipeline.derive_all(pipeline.parse([paths.OPS_YAML]))}
    if name not in defs:
        raise ValueError(f"no op named '{name}' in the registry")
    d = defs[name]
    values = part("opsmithc.readings.value").Values([x.op for x in defs.values()])
    calls = []
    for case in part("opsmithc.samples").cases(d.op):
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for p in d.op.schema.params:
            v = case.args[p.name]
            if hasattr(v, "__array_interface__"):
                v = _create.tensor(v).requires_grad_(p.name in d.differentiable)
            elif isinstance(v, list) and p.type.base == "Tensor":
                v = [_create.tensor(x).requires_grad_(p.name in d.differentiable) for x in v]
            if p.kwonly:
                keywords[p.name] = v
            else:
                positional.append(v)
        try:
            want = values.outputs(d.op, case.args)
        except Exception:  # no NumPy reading of this op: nothing to compare with
            want = None
        calls.append((tuple(positional), keywords, want))
    return calls


def _run(name: str, args: Any, kwargs: Any) -> tuple[Any, ...]:
    out = getattr(_functions, name)(*args, **kwargs)
    return tuple(out) if isinstance(out, tuple | list) else (out,)


def _value(name: str, args: Any, kwargs: Any, want: Any) -> str:
    got = _run(name, args, kwargs)
    for t, w in zip(got, want or (), strict=False):
        if w is not None:
            assert_close(
                t.detach().double(),
                _functions.reshape(_tensor(w), tuple(t.shape)),
                rtol=1e-9,
                atol=1e-9,
                equal_nan=True,
            )
    return "" if want is not None else "no reference value"


def _tensor(w: Any) -> Tensor:
    from .._create import tensor

    return tensor(w).double()


def _gradient(name: str, args: Any, kwargs: Any, want: Any) -> str:
    wrt = [k for k, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
    if not wrt:
        return "no differentiable argument"

    def call(*given: Any) -> Any:
        full = list(args)
        for k, t in zip(wrt, given, strict=True):
            full[k] = t
        return tuple([t for t in _run(name, full, kwargs) if t.is_floating_point()])

    inputs = [args[k].double().detach().requires_grad_(True) for k in wrt]
    gradcheck(call, inputs)
    gradgradcheck(call, inputs)
    return ""


def _meta(name: str, args: Any, kwargs: Any, want: Any) -> str:
    with no_grad():
        real = _run(name, args, kwargs)
        shadow = _run(
            name, [_to_meta(a) for a in args], {k: _to_meta(v) for k, v in kwargs.items()}
        )
    for r, m in zip(real, shadow, strict=True):
        if r.shape != m.shape or r.dtype != m.dtype or not m.is_meta:
            raise AssertionError(
                f"meta gives {m!r}, the real result has size {tuple(r.shape)} and dtype {r.dtype!r}"
            )
    return ""


def _to_meta(a: Any) -> Any:
    if isinstance(a, Tensor):
        return a.detach().to("meta")
    if isinstance(a, list):
        return [_to_meta(x) for x in a]
    return a


def _inplace(name: str, args: Any, kwargs: Any, want: Any) -> str:
    fn = getattr(_functions, name + "_", None)
    if fn is None:
        return "no in-place form"
    with no_grad():
        result = _run(name, args, kwargs)[0]
        first = args[0].detach().clone()
        if result.shape != first.shape or result.dtype != first.dtype:
            return "the result does not fit into the first argument"
        got = fn(first, *args[1:], **kwargs)
        assert got is first, "an in-place op returns its first argument"
        assert_close(got, result.detach(), rtol=0, atol=0, equal_nan=True)
    return ""


def _out(name: str, args: Any, kwargs: Any, want: Any) -> str:
    from .._create import empty

    with no_grad():
        result = _run(name, args, kwargs)[0]
        out = empty(0, dtype=result.dtype)
        try:
            getattr(_functions, name)(*args, **kwargs, out=out)
        except TypeError:
            return "no out= form"
        assert_close(out, result.detach(), rtol=0, atol=0, equal_nan=True)
    return ""


__all__ = ["opcheck"]
