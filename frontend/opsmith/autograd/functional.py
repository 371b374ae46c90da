"""Derivatives of functions: jacobian, hessian and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._core import Tensor
from .grad_mode import enable_grad
from .gradients import grad


def _tuple(v: Any) -> tuple[Any, ...]:
    return (v,) if isinstance(v, Tensor) else tuple(v)


def _prepare(inputs: Sequence[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    """Inputs of our own, on the caller's graph when that is wanted."""
    return tuple(
        [
            t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_(True)
            for t in inputs
        ]
    )


def _finish(values: Sequence[Any], create_graph: bool) -> tuple[Any, ...]:
    return tuple(values) if create_graph else tuple([t.detach() for t in values])


def _grads(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cots: Any, create_graph: bool, strict: bool
) -> tuple[Tensor, ...]:
    from .._create import zeros_like

    outs_cots = [(y, c) for y, c in zip(outs, cots, strict=True) if y.requires_grad]
    found: Sequence[Any] = [None] * len(ins)
    if outs_cots:
        found = grad(
            [y for y, _ in outs_cots],
            ins,
            [c for _, c in outs_cots],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    if strict and any(g is None for g in found):
        raise RuntimeError(
            "The output of the user-provided function is independent of an input: this is not "
            "allowed in strict mode."
        )
    return tuple([zeros_like(t) if g is None else g for t, g in zip(ins, found, strict=True)])


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """d func / d inputs; its shape is the output's followed by the input's.

    With several outputs or inputs: a tuple of tuples, outputs first.
    """
    from .. import _functions as f
    from .._create import zeros_like

    one_in = isinstance(inputs, Tensor)
    with enable_grad():
        ins = _prepare(_tuple(inputs), create_graph)
        out = func(*ins)
        one_out = isinstance(out, Tensor)
        blocks = []
        for y in _tuple(out):
            rows: list[list[Tensor]] = [[] for _ in ins]
            for j in range(y.numel()):
                unit = zeros_like(y)
                unit.view(-1)[j] = 1
                for row, g in zip(
                    rows, _grads([y], ins, [unit], create_graph, strict), strict=True
                ):
                    row.append(g)
            block = [
                f.stack(row).reshape((*y.shape, *t.shape))
                if row
                else zeros_like(t).expand((*y.shape, *t.shape))
                for row, t in zip(rows, ins, strict=True)
            ]
            blocks.append(_finish(block, create_graph))
    result = tuple([b[0] if one_in else b for b in blocks])
    return result[0] if one_out else result


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Second derivatives of a scalar function."""
    one = isinstance(inputs, Tensor)

    def gradient(*ins: Tensor) -> Any:
        y = func(*ins)
        _check_scalar(y)
        found = _grads([y], ins, [None], True, strict)
        return found[0] if one else found

    return jacobian(gradient, inputs, create_graph, strict)


def _check_scalar(y: Any) -> None:
    if not isinstance(y, Tensor):
        raise RuntimeError("The function given to hessian should return a single Tensor")
    if y.numel() != 1:
        raise RuntimeError(
            "The Tensor returned by the function given to hessian should contain a single element"
        )


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> Any:
    """``(func(inputs), v @ jacobian)``."""
    one = isinstance(inputs, Tensor)
    with enable_grad():
        ins = _prepare(_tuple(inputs), create_graph)
        out = func(*ins)
        outs = _tuple(out)
        cots = [None] * len(outs) if v is None else _tuple(v)
        if v is None and (len(outs) != 1 or outs[0].numel() != 1):
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single "
                "Tensor with a single element."
            )
        found = _finish(_grads(outs, ins, cots, create_graph, strict), create_graph)
    shown = _finish(outs, create_graph)
    return shown[0] if isinstance(out, Tensor) else shown, found[0] if one else found


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> Any:
    """``(func(inputs), jacobian @ v)``, by differentiating the vjp in its cotangent."""
    from .._create import ones_like, zeros_like

    with enable_grad():
        ins = _prepare(_tuple(inputs), create_graph)
        vs = tuple([ones_like(t) for t in ins]) if v is None else _tuple(v)
        if v is None and (len(ins) != 1 or ins[0].numel() != 1):
            raise RuntimeError(
                "The vector v can only be None if the input to the user-provided function is a "
                "single Tensor with a single element."
            )
        out = func(*ins)
        outs = _tuple(out)
        cots = tuple([zeros_like(y).requires_grad_(True) for y in outs])
        back = _grads(outs, ins, cots, True, strict)
        found = _finish(_grads(back, cots, vs, create_graph, strict), create_graph)
    shown = _finish(outs, create_graph)
    one = isinstance(out, Tensor)
    return shown[0] if one else shown, found[0] if one else found


def _gradient_of(func: Callable[..., Any], one: bool, strict: bool) -> Callable[..., Any]:
    def gradient(*ins: Tensor) -> Any:
        y = func(*ins)
        _check_scalar(y)
        found = _grads([y], ins, [None], True, strict)
        return found[0] if one else found

    return gradient


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> Any:
    """``(func(inputs), v @ hessian)``."""
    one = isinstance(inputs, Tensor)
    value = func(*_tuple(inputs))
    _, found = vjp(_gradient_of(func, one, strict), inputs, v, create_graph, strict)
    return value if create_graph else value.detach(), found


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> Any:
    """``(func(inputs), hessian @ v)``."""
    one = isinstance(inputs, Tensor)
    value = func(*_tuple(inputs))
    _, found = jvp(_gradient_of(func, one, strict), inputs, v, create_graph, strict)
    return value if create_graph else value.detach(), found


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
