"""Comparing gradients with central differences."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from .._boundary import lib
from .._core import Tensor
from .gradients import grad


class GradcheckError(RuntimeError):
    """A gradient differs from the differences."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
    **_: Any,
) -> bool:
    """Does backward give, for each input that requires grad, what central differences give?

    Args:
        func: takes the inputs, returns a tensor or several.
        inputs: a tensor or a sequence; those that require grad should be float64.
        eps: half the distance of the differences.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise on a difference instead of returning False.
        nondet_tol: taken for PyTorch's sake: ops are deterministic.
        check_undefined_grad: taken for PyTorch's sake.
        check_grad_dtypes: taken for PyTorch's sake.
        fast_mode: taken for PyTorch's sake.

    Raises:
        GradcheckError: naming the input, the output and both values.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wrt = [k for k, t in enumerate(args) if isinstance(t, Tensor) and t.requires_grad]
    if not wrt:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them "
            "have requires_grad=True."
        )
    try:
        outs = _outputs(func(*args))
        for o, y in enumerate(outs):
            if y.requires_grad or y.is_floating_point():
                _compare(func, args, wrt, o, y, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(out: Any) -> list[Tensor]:
    items = (out,) if isinstance(out, Tensor) else tuple(out)
    return [t for t in items if isinstance(t, Tensor)]


def _compare(
    func: Any,
    args: Sequence[Any],
    wrt: list[int],
    o: int,
    y: Tensor,
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    n = y.numel()
    analytic = {k: [] for k in wrt}  # type: dict[int, list[list[float]]]
    for j in range(n):
        rows: Sequence[Any] = [None] * len(wrt)
        if y.requires_grad:
            cot = _unit(y, j)
            rows = grad([y], [args[k] for k in wrt], [cot], retain_graph=True, allow_unused=True)
        for k, g in zip(wrt, rows, strict=True):
            size = args[k].numel()
            analytic[k].append([0.0] * size if g is None else g.detach().reshape(-1).tolist())
    for k in wrt:
        numeric = _numeric(func, args, k, o, eps)
        for i in range(args[k].numel()):
            for j in range(n):
                a, b = analytic[k][j][i], numeric[i][j]
                if not abs(a - b) <= atol + rtol * abs(b):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {o} with respect to input {k}, at element "
                        f"{j} of the "
                        f"output and {i} of the input: numerical {b!r}, analytical {a!r}"
                    )


def _unit(y: Tensor, j: int) -> Tensor:
    from .._create import tensor

    flat = [0.0] * y.numel()
    flat[j] = 1.0
    return tensor(flat, dtype=y.dtype, device=y.device).reshape(tuple(y.shape))


def _numeric(func: Any, args: Sequence[Any], k: int, o: int, eps: float) -> list[list[float]]:
    """d output / d input by central differences: a row for each element of the input."""
    from .._create import tensor

    x = args[k]
    shape = tuple(x.shape)
    flat = x.detach().reshape(-1).tolist()
    rows = []
    for i, v in enumerate(flat):
        sides = []
        for step in (eps, -eps):
            moved = [*flat[:i], v + step, *flat[i + 1 :]]
            moved = tensor(moved, dtype=x.dtype, device=x.device).reshape(shape)
            moved.requires_grad_(True)
            out = _outputs(func(*args[:k], moved, *args[k + 1 :]))[o]
            sides.append(out.detach().reshape(-1).tolist())
        rows.append([(a - b) / (2 * eps) for a, b in zip(*sides, strict=True)])
    return rows


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **options: Any,
) -> bool:
    """``gradcheck`` of the gradient itself, with respect to inputs and cotangents."""
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wrt = [k for k, t in enumerate(args) if isinstance(t, Tensor) and t.requires_grad]
    outs = [y for y in _outputs(func(*args)) if y.requires_grad]
    if grad_outputs is None:
        cots = [_spread(y) for y in outs]
    else:
        cots = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    for c in cots:
        c.requires_grad_(True)

    def gradient(*given: Any) -> tuple[Tensor, ...]:
        was = lib.ops_get_grad_enabled()
        lib.ops_set_grad_enabled(1)
        try:
            inner = given[: len(args)]
            ys = [y for y in _outputs(func(*inner)) if y.requires_grad]
            got = grad(
                ys,
                [inner[k] for k in wrt],
                given[len(args) :],
                create_graph=True,
                allow_unused=True,
            )
            return tuple([g for g in got if g is not None])
        finally:
            lib.ops_set_grad_enabled(was)

    return gradcheck(
        gradient, (*args, *cots), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )


def _spread(y: Tensor) -> Tensor:
    """A cotangent with different entries, the same on every call."""
    from .._create import tensor

    values = [((7 * j + 3) % 11 - 5) / 4 + 0.1 for j in range(y.numel())]
    return tensor(values, dtype=y.dtype, device=y.device).reshape(tuple(y.shape))


class _Module(types.ModuleType):
    """``autograd.gradcheck`` names the function and this module: both can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _Module

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
