"""Comparing gradients with central differences."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from .._boundary import lib
from .._core import Tensor
from . import _gradient_rules as rules
from ._gradient_rules import GradcheckError
from .gradients import grad


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
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Does backward give, for each input that requires grad, what central differences give?

    Args:
        func: takes the inputs, returns a tensor or several.
        inputs: a tensor or a sequence; those that require grad should be float64.
        eps: half the distance of the differences.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise on a difference instead of returning False.
        nondet_tol: how much two runs of backward may differ.
        check_undefined_grad: is the gradient of one output that with zeros for the others?
        check_grad_dtypes: have gradients the dtypes of the inputs?
        check_batched_grad: do rows of cotangents at once give what they give one by one?
        check_batched_forward_grad: taken for PyTorch's sake; asks for ``check_forward_ad``.
        check_forward_ad: does ``func.jvp`` give differences along a line?
        check_backward_ad: False leaves backward out.
        fast_mode: compare one number of each Jacobian, along random directions.
        masked: taken for PyTorch's sake.

    Raises:
        GradcheckError: naming the input, the output and both values.
        ValueError: when no input requires grad, or nothing is to be checked.
        RuntimeError: when elements of an input overlap.
    """
    if not (check_forward_ad or check_backward_ad):
        raise ValueError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise ValueError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise ValueError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
        )
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wrt = [k for k, t in enumerate(args) if isinstance(t, Tensor) and t.requires_grad]
    if not wrt:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    rules.inputs_fit(args)
    try:
        outs = _outputs(func(*args))
        if check_forward_ad:
            rules.forward_along_a_line(func, args, wrt, eps, atol, rtol)
        if check_backward_ad:
            if fast_mode:
                given = [y for y in outs if y.is_floating_point()]
                rules.along_a_line(_floats(func), args, wrt, given, eps, atol, rtol)
            else:
                for o, y in enumerate(outs):
                    if y.requires_grad or y.is_floating_point():
                        _compare(func, args, wrt, o, y, eps, atol, rtol)
            _keeps_rules(
                [y for y in outs if y.requires_grad], [args[k] for k in wrt], nondet_tol,
                check_undefined_grad, check_grad_dtypes, check_batched_grad,
            )  # fmt: skip
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _keeps_rules(
    outs: list[Tensor], ins: list[Tensor], nondet_tol: float, undefined: bool, dtypes: bool,
    batched: bool,
) -> None:  # fmt: skip
    """What holds of a backward besides its values."""
    if not outs:
        return
    cotangents = [_spread(y) for y in outs]
    rules.zero_in_zero_out(outs, ins)
    rules.repeats(outs, ins, cotangents, nondet_tol)
    if undefined:
        rules.takes_missing_cotangents(outs, ins, cotangents)
    if dtypes:
        rules.same_dtypes(outs, ins, cotangents)
    if batched:
        rules.same_in_batches(outs, ins, cotangents)


def _floats(func: Callable[..., Any]) -> Callable[..., list[Tensor]]:
    return lambda *given: [y for y in _outputs(func(*given)) if y.is_floating_point()]


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
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """``gradcheck`` of the gradient itself, with respect to inputs and cotangents.

    Args:
        func: takes the inputs, returns a tensor or several.
        inputs: a tensor or a sequence.
        grad_outputs: the cotangents; some are made when left out.
        eps: half the distance of the differences.
        atol: absolute tolerance.
        rtol: relative tolerance.
        gen_non_contig_grad_outputs: make them with gaps between their elements.
        raise_exception: raise on a difference instead of returning False.
        nondet_tol: how much two runs may differ.
        check_undefined_grad: see ``gradcheck``.
        check_grad_dtypes: see ``gradcheck``.
        check_batched_grad: see ``gradcheck``.
        check_fwd_over_rev: does ``func.jvp`` of the gradient give differences along a line?
        check_rev_over_rev: False leaves the gradient of the gradient out.
        fast_mode: see ``gradcheck``.
        masked: taken for PyTorch's sake.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wrt = [k for k, t in enumerate(args) if isinstance(t, Tensor) and t.requires_grad]
    outs = [y for y in _outputs(func(*args)) if y.requires_grad]
    if grad_outputs is None:
        cots = [_spread(y) for y in outs]
        if gen_non_contig_grad_outputs:
            cots = [_with_gaps(c) for c in cots]
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
        gradient, (*args, *cots), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
    )  # fmt: skip


def _with_gaps(t: Tensor) -> Tensor:
    from .. import _functions as f

    return f.stack([t, t], -1)[..., 0]


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
