"""Derivatives of functions as functions: grad, vjp, jvp, jacobians.

The forward products (`jvp`, `jacfwd`, `linearize`) come of two backward passes: the product of a
vector with the Jacobian is linear in the vector, and the derivative of that by the vector is the
Jacobian's product with a tangent (Townsend, "A new trick for calculating Jacobian vector products",
2017).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from .._core import Tensor
from ..utils._pytree import tree_flatten, tree_unflatten
from ._levels import (
    chosen,
    cotangents,
    level,
    reaches_others,
    released,
    split_aux,
    tensors,
    tracked,
    with_arguments,
)


def grad_and_value(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives (gradient, value) of ``func``, whose value is one number.

    Args:
        func: returns a tensor of one element, or with ``has_aux`` (that, anything).
        argnums: the argument, or a tuple of those, to differentiate by; nests of tensors.
        has_aux: the gradient function returns (gradient, (value, aux)).

    Raises:
        RuntimeError: the output is no tensor of one element; an argnum is no position.
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        at, one = chosen(argnums, args, "grad")
        with level() as nested:
            own, nest, outer = tracked([args[k] for k in at], "grad")
            out, aux = split_aux(
                with_arguments(func, args, kwargs, at, nest), has_aux, "grad_and_value(f)(*args)"
            )
            if not isinstance(out, Tensor):
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a tensor, got "
                    f"{type(out)}"
                )
            if out.numel() != 1 or out.ndim:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got "
                    f"tensor with {out.ndim} dims. Maybe you forgot to reduce the output?"
                )
            kept = nested or outer or reaches_others([out], own)
            found = released(cotangents([out], own, [None], kept), kept)
            aux_leaves, aux_form = tree_flatten(aux)
            value = released([out], kept)[0]
            aux = tree_unflatten(released(aux_leaves, kept), aux_form)
        grads = tree_unflatten(found, tree_flatten([args[k] for k in at])[1])
        result = grads[0] if one else tuple(grads)
        return (result, (value, aux)) if has_aux else (result, value)

    return wrapper


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of ``func`` as a function; with ``has_aux`` it returns (gradient, aux)."""
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(output, function), which takes cotangents of the output to those of the inputs.

    The function returns a tuple with an entry for every primal, or what stands for it alone. It may
    be called often.
    """
    with level() as nested:
        own, nest, outer = tracked(list(primals), "vjp")
        out, aux = split_aux(func(*nest), has_aux, "vjp(f, *primals)")
        outs, form = tensors(out, "vjp(f, *primals)")
        kept = nested or outer or reaches_others(outs, own)
        shown = tree_unflatten(released(outs, kept), form)
    inputs = tree_flatten(list(primals))[1]

    def vjp_fn(*cots: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, given_form = tree_flatten(cots[0] if len(cots) == 1 else cots)
        if given_form != form and len(given) != len(outs):
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {len(given)} tensors, outputs: {len(outs)}"
            )
        with level() as inside:
            wanted = inside or kept or any(c.requires_grad for c in given)
            wanted = wanted if create_graph is None else create_graph
            found = released(cotangents(outs, own, given, wanted), wanted)
        result = tree_unflatten(found, inputs)
        return result[0] if len(primals) == 1 and isinstance(primals[0], Tensor) else tuple(result)

    return (shown, vjp_fn, aux) if has_aux else (shown, vjp_fn)


class _Linear:
    """The derivative of a function at a place, as a linear map of tangents."""

    def __init__(self, func: Callable[..., Any], primals: Any, has_aux: bool, name: str) -> None:
        from .._create import zeros_like

        self.name, self.primals = name, primals
        with level() as nested:
            self.own, nest, outer = tracked(list(primals), name)
            out, self.aux = split_aux(func(*nest), has_aux, f"{name}(f, primals)")
            self.outs, self.form = tensors(out, f"{name}(f, primals)")
            self.kept = nested or outer or reaches_others(self.outs, self.own)
            self.dual = [zeros_like(y, requires_grad=True) for y in self.outs]
            self.pulled = cotangents(self.outs, self.own, self.dual, True)
            self.value = tree_unflatten(released(self.outs, self.kept), self.form)

    def __call__(self, tangents: Any) -> Any:
        given, form = tree_flatten(list(tangents))
        if form != tree_flatten(list(self.primals))[1]:
            raise RuntimeError(
                f"{self.name}(f, primals, tangents): Expected primals and tangents to have the "
                "same python structure"
            )
        for t, v in zip(self.own, given, strict=True):
            if tuple(t.shape) != tuple(v.shape):
                raise RuntimeError(
                    f"{self.name}: a tangent of shape {list(v.shape)} is given for an input of "
                    f"shape {list(t.shape)}"
                )
        with level() as inside:
            kept = inside or self.kept or any(v.requires_grad for v in given)
            found = released(cotangents(self.pulled, self.dual, given, kept), kept)
        return tree_unflatten(found, self.form)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False,
    has_aux: bool = False,
) -> Any:  # fmt: skip
    """(output, the Jacobian's product with the tangents), and aux with ``has_aux``."""
    if not isinstance(primals, tuple):
        raise RuntimeError(f"jvp(f, primals, tangents): primals must be a tuple, found {primals!r}")
    if not isinstance(tangents, tuple):
        raise RuntimeError(
            f"jvp(f, primals, tangents): tangents must be a tuple, found {tangents!r}"
        )
    linear = _Linear(func, primals, has_aux, "jvp")
    product = linear(tangents)
    return (linear.value, product, linear.aux) if has_aux else (linear.value, product)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(output, function), which takes tangents of the primals to the output's."""
    linear = _Linear(func, primals, False, "linearize")
    return linear.value, lambda *tangents: linear(tangents)


def jacrev(
    func: Callable[..., Any], argnums: Any = 0, *, has_aux: bool = False,
    chunk_size: int | None = None, _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """The Jacobian as a function, by rows: one backward pass for each element of the output.

    For an output of shape S and an argument of shape T a tensor of shape S + T; a nest of outputs
    has nests of arguments in it. ``chunk_size`` is accepted: rows are made one by one.
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        from .._create import zeros_like

        at, one = chosen(argnums, args, "jacrev")
        with level() as nested:
            own, nest, outer = tracked([args[k] for k in at], "jacrev")
            out, aux = split_aux(
                with_arguments(func, args, kwargs, at, nest), has_aux, "jacrev(f)(*args)"
            )
            outs, form = tensors(out, "jacrev(f)(*args)")
            kept = nested or outer or reaches_others(outs, own)
            blocks = []
            for y in outs:
                rows = []
                for j in range(y.numel()):
                    unit = zeros_like(y, requires_grad=False).reshape(-1)
                    unit[j] = 1
                    rows.append(cotangents([y], own, [unit.view(y.shape)], kept))
                blocks.append(_stacked(rows, own, y, 0, kept))
        inputs = tree_flatten([args[k] for k in at])[1]
        nests = [tree_unflatten(b, inputs) for b in blocks]
        result = tree_unflatten([n[0] if one else tuple(n) for n in nests], form)
        return (result, aux) if has_aux else result

    return wrapper


def _stacked(
    rows: list[list[Tensor]], own: list[Tensor], y: Tensor, place: int, kept: bool
) -> list[Tensor]:
    """Rows (or columns, ``place`` -1) as blocks of a Jacobian, one for each tensor."""
    from .. import _functions as f
    from .._create import empty

    found = []
    for k, t in enumerate(own):
        shape = (*y.shape, *t.shape)
        if rows:
            found.append(f.stack([r[k] for r in rows], place).reshape(shape))
        else:
            found.append(empty(shape, dtype=t.dtype, device=t.device))
    return released(found, kept)


def jacfwd(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """The Jacobian as a function, by columns: one product for each element of the inputs."""

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        from .. import _functions as f
        from .._create import empty, zeros_like

        at, one = chosen(argnums, args, "jacfwd")
        given = [args[k] for k in at]

        def moved(*values: Any) -> Any:
            return with_arguments(func, args, kwargs, at, values)

        linear = _Linear(moved, tuple(given), has_aux, "jacfwd")
        leaves, inputs = tree_flatten(given)
        columns: list[list[Tensor]] = []  # of each output, blocks by input
        for k, t in enumerate(leaves):
            products = []
            for j in range(t.numel()):
                units = [zeros_like(v, requires_grad=False) for v in leaves]
                units[k].view(-1)[j] = 1
                products.append(tree_flatten(linear(tree_unflatten(units, inputs)))[0])
            columns.append([
                f.stack([p[i] for p in products], -1).reshape((*y.shape, *t.shape)) if products
                else empty((*y.shape, *t.shape), dtype=y.dtype, device=y.device)
                for i, y in enumerate(linear.outs)
            ])  # fmt: skip
        blocks = [
            tree_unflatten([column[i] for column in columns], inputs)
            for i in range(len(linear.outs))
        ]
        result = tree_unflatten([b[0] if one else tuple(b) for b in blocks], linear.form)
        return (result, linear.aux) if has_aux else result

    return wrapper


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """Second derivatives as a function: the Jacobian of the Jacobian."""
    return jacrev(jacrev(func, argnums), argnums)


__all__ = [
    "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp",
]  # fmt: skip
