"""What must hold of a backward besides its values, and checks along a line: parts of `gradcheck`.

Each function raises a ``GradcheckError`` where its rule does not hold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._create import zeros_like
from .._dtypes import float64
from .gradients import grad


class GradcheckError(RuntimeError):
    """A gradient differs from the differences, or breaks a rule."""


def inputs_fit(args: Sequence[Any]) -> None:
    """Warn of inputs that are too coarse for differences; refuse those whose elements overlap."""
    for k, t in enumerate(args):
        if not (isinstance(t, Tensor) and t.requires_grad):
            continue
        if t.dtype is not float64 and not t.is_complex():
            warnings.warn(
                f"Input #{k} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex. ", stacklevel=3,
            )  # fmt: skip
        if any(stride == 0 and size > 1 for stride, size in zip(t.stride(), t.shape, strict=True)):
            raise RuntimeError(
                f"The {k}th input has a dimension with stride 0. gradcheck only supports inputs "
                "that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You should call .contiguous on the input before passing it to "
                "gradcheck."
            )


def _grads(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> tuple[Any, ...]:
    return grad(outs, ins, cotangents, retain_graph=True, allow_unused=True)


def zero_in_zero_out(outs: Sequence[Tensor], ins: Sequence[Tensor]) -> None:
    """A backward is linear: zeros give zeros, of the inputs' sizes, dtypes and devices."""
    found = _grads(outs, ins, [zeros_like(y) for y in outs])
    for t, g in zip(ins, found, strict=True):
        if g is None:
            continue
        if not bool(f.all(g == 0)):
            raise GradcheckError("backward not multiplied by grad_output")
        for name in ("dtype", "device", "shape"):
            if getattr(g, name) != getattr(t, name):
                wrong = {"dtype": "type", "shape": "size"}.get(name, name)
                raise GradcheckError(f"grad is incorrect {wrong}")


def repeats(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cotangents: Sequence[Tensor], tolerance: float
) -> None:
    """Asked twice, it gives the same."""
    twice = [_grads(outs, ins, cotangents) for _ in range(2)]
    for a, b in zip(*twice, strict=True):
        if a is not None and b is not None and bool(f.any((a - b).abs() > tolerance)):
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and "
                "grad_output multiple times gives different values, although analytical gradient "
                f"matches numerical gradient. The tolerance for nondeterminism was {tolerance}."
            )


def takes_missing_cotangents(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> None:
    """Of several outputs, those that nothing depends on count as zeros."""
    for k, y in enumerate(outs):
        if len(outs) == 1:
            return
        whole = [c if j == k else zeros_like(c) for j, c in enumerate(cotangents)]
        try:
            alone = _grads([y], ins, [cotangents[k]])
        except Exception as e:
            raise GradcheckError(
                f"Expected backward function to handle undefined output grads: {e}"
            ) from e
        for a, b in zip(alone, _grads(outs, ins, whole), strict=True):
            zero = b is None or bool(f.all(b == 0))
            if (a is None and not zero) or (a is not None and b is not None and not _near(a, b)):
                raise GradcheckError(
                    f"The gradient of output {k} alone differs from that with zeros for the others"
                )


def _near(a: Tensor, b: Tensor) -> bool:
    return bool(f.all(f.isclose(a, b, 1e-9, 1e-12, True)))


def same_dtypes(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> None:
    """Gradients have the dtypes of their inputs."""
    for t, g in zip(ins, _grads(outs, ins, cotangents), strict=True):
        if g is not None and g.dtype != t.dtype:
            raise GradcheckError("Gradient has dtype mismatch")


def same_in_batches(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> None:
    """Rows of cotangents at once give what they give one by one."""
    for y, c in zip(outs, cotangents, strict=True):
        rows = f.stack([c, c * 2 + 1])
        batched = grad(
            y, ins, rows, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        for k in range(2):
            for a, b in zip(batched, _grads([y], ins, [rows[k]]), strict=True):
                if a is not None and b is not None and not _near(a[k], b):
                    raise GradcheckError("gradcheck failed while testing batched gradients")


def along_a_line(
    func: Callable[..., Sequence[Tensor]], args: Sequence[Any], wrt: Sequence[int],
    outs: Sequence[Tensor], eps: float, atol: float, rtol: float,
) -> None:  # fmt: skip
    """``fast_mode``: of each Jacobian one number, v' J u for random u and v, instead of all."""
    from .._random import rand

    ins = [args[k] for k in wrt]
    for o, y in enumerate(outs):
        v = _unit(rand(*y.shape, dtype=y.dtype))
        found = _grads([y], ins, [v]) if y.requires_grad else [None] * len(ins)
        for k, x, g in zip(wrt, ins, found, strict=True):
            u = _unit(rand(*x.shape, dtype=x.dtype))
            sides = []
            for step in (eps, -eps):
                moved = (x.detach() + step * u).requires_grad_(True)
                sides.append(func(*args[:k], moved, *args[k + 1 :])[o].detach())
            numerical = float(f.sum((sides[0] - sides[1]) * v.detach()).item()) / (2 * eps)
            analytical = 0.0 if g is None else float(f.sum(g * u).item())
            loose = atol * float(f.sum(u).item()) * float(f.sum(v).item())
            if not abs(numerical - analytical) <= loose + rtol * abs(numerical):
                raise GradcheckError(
                    f"Jacobian mismatch for output {o} with respect to input {k}, along random "
                    f"directions: numerical {numerical!r}, analytical {analytical!r}; without "
                    "fast_mode the check says which elements differ"
                )


def forward_along_a_line(
    func: Callable[..., Any], args: Sequence[Any], wrt: Sequence[int], eps: float, atol: float,
    rtol: float,
) -> None:  # fmt: skip
    """``func.jvp`` along a random direction gives the difference along it."""
    from .._random import rand
    from ..func import jvp

    ins = [args[k].detach() for k in wrt]
    lines = [_unit(rand(*x.shape, dtype=x.dtype)) for x in ins]

    def of_inputs(*given: Tensor) -> tuple[Tensor, ...]:
        full = list(args)
        for k, t in zip(wrt, given, strict=True):
            full[k] = t
        out = func(*full)
        found = (out,) if isinstance(out, Tensor) else tuple(out)
        return tuple([y for y in found if isinstance(y, Tensor) and y.is_floating_point()])

    tangents = jvp(of_inputs, tuple(ins), tuple(lines))[1]
    up, down = (
        of_inputs(*[(x + s * u).requires_grad_(True) for x, u in zip(ins, lines, strict=True)])
        for s in (eps, -eps)
    )
    for o, (t, a, b) in enumerate(zip(tangents, up, down, strict=True)):
        slope = (a - b).detach() / (2 * eps)
        if not bool(f.all(f.isclose(t, slope, rtol, atol, True))):
            raise GradcheckError(
                f"Jacobian computed with forward mode mismatch for output {o}, along a random "
                f"direction:\nnumerical:{slope}\nanalytical:{t}\n"
            )


def _unit(t: Tensor) -> Tensor:
    return t / (t * t).sum().sqrt()
