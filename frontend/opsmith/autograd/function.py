"""Operations with a backward of their own, written in Python: ``autograd.Function``.

``apply`` runs ``forward`` unrecorded, then gives the outputs a node whose function object holds the
context. Saved outputs are kept as aliases without node, so that a graph has no cycles.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._boundary import lib
from .._core import Tensor, _check_saved, alias, check_inplace, grad_enabled, raw, rebase, seq, wrap
from .._dtypes import DEVICES, DTYPES
from .._recording import reduce_to


class FunctionCtx:
    """What ``forward`` leaves for ``backward``."""

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._materialize = True
        self._node: Any = None  # while backward runs
        self._seq = 0.0
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs, outputs or others) for ``backward``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    "save_for_backward can only save variables, but argument is of type "
                    f"{type(t).__name__}"
                )
        self._saved = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Kept for forward-mode differentiation."""
        self.saved_for_forward = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept; refuses tensors that were written since."""
        return tuple(
            [s.get(self._seq, self._node) if isinstance(s, _Saved) else s for s in self._saved]
        )

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Inputs that ``forward`` overwrites."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Outputs that carry no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a missing gradient is given as zeros (the default) or as None."""
        self._materialize = value


class _Saved:
    """A saved tensor: an input with the edge it had, or an output's alias with its number."""

    __slots__ = ("edge", "output", "tensor")

    def __init__(self, tensor: Tensor, edge: Any, output: int | None) -> None:
        self.tensor, self.edge, self.output = tensor, edge, output

    def get(self, seq: float, node: Any) -> Tensor:
        t = self.tensor
        if seq:
            _check_saved([seq, None] if node is None else node, t)
        if self.output is None and t._node is self.edge:
            return t
        edge = self.edge
        if self.output is not None and node is not None:
            edge = node if node[1].outputs == 1 else (node, self.output)
        r = alias(t._h)
        if edge is not None:
            r._node = edge
            r._h = -r._h
        return r


class _Apply:
    """The backward function of one application; its node ends with the context."""

    __slots__ = ("cls", "edges", "given", "op", "outputs", "raw", "shapes", "slots")

    def __init__(
        self, cls: Any, edges: int, slots: list[int], given: list[Any], shapes: list[Any]
    ) -> None:
        self.cls, self.edges, self.slots = cls, edges, slots
        self.given, self.shapes = given, shapes  # what inputs and outputs look like
        self.outputs = len(shapes)
        self.op = f"{cls.__name__}Backward"
        self.raw = raw(self.recorded)

    def __call__(self, node: Any, g: Any) -> Any:
        return self.raw(node, g)

    def recorded(self, node: Any, g: Any) -> tuple[Any, ...]:
        """Gradients of the tensor arguments."""
        ctx = node[-1]
        grads = g if isinstance(g, list) else [g]
        if ctx._materialize:
            grads = [
                _zeros(like) if t is None and like is not None else t
                for t, like in zip(grads, self.shapes, strict=True)
            ]
        ctx._node = node
        try:
            out = self.cls.backward(ctx, *grads)
        finally:
            ctx._node = None
        if not isinstance(out, tuple | list):
            out = (out,)
        wanted = len(ctx.needs_input_grad)
        if len(out) > wanted and all(t is None for t in out[wanted:]):
            out = out[:wanted]
        if len(out) != wanted:
            raise RuntimeError(
                f"function {self.op} returned an incorrect number of gradients (expected {wanted}, "
                f"got {len(out)})"
            )
        return tuple([self._fit(out[k], node[2 + j], j) for j, k in enumerate(self.slots)])

    def context(self, node: Any) -> FunctionCtx:
        """What ``grad_fn`` shows as its attributes."""
        return node[-1]  # type: ignore[no-any-return]

    def _fit(self, t: Any, edge: Any, j: int) -> Any:
        """The gradient of input j, summed and converted to what the input looks like."""
        if t is None or edge is None:
            return None
        if not isinstance(t, Tensor):
            raise TypeError(
                f"function {self.op} returned a gradient of type {type(t).__name__}; expected "
                "Tensor or None"
            )
        shape, code, place = self.given[j]
        if lib.ops_device(t._h) != place:
            raise RuntimeError(
                f"Function {self.op} returned an invalid gradient at index {self.slots[j]} - "
                f"expected device {DEVICES[place]} but got {t.device}"
            )
        if t.shape == shape and lib.ops_dtype(t._h) == code:
            return t
        have = t.shape[t.ndim - len(shape) :]
        if len(have) < len(shape) or any(h != s and s != 1 for h, s in zip(have, shape)):
            raise RuntimeError(
                f"Function {self.op} returned an invalid gradient at index {self.slots[j]} - got "
                f"{list(t.shape)} but expected shape compatible with {list(shape)}"
            )
        return reduce_to(t, (shape, code))


def _look(t: Any) -> tuple[Any, int, int] | None:
    """Shape, dtype and device of a tensor."""
    if not isinstance(t, Tensor):
        return None
    return t.shape, lib.ops_dtype(t._h), lib.ops_device(t._h)


def _zeros(like: tuple[Any, int, int]) -> Tensor:
    from .._create import zeros

    shape, code, place = like
    return zeros(*shape, dtype=DTYPES[code], device=DEVICES[place])


class Function:
    """Base class of custom operations: static ``forward(ctx, ...)`` and ``backward(ctx, ...)``.

    ``forward(...)`` without ctx goes together with ``setup_context(ctx, inputs, output)``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, "
            "so you should invoke them on the class itself."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation itself, on unrecorded tensors."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """One gradient (or None) for each argument of ``forward``."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Fill the context, when ``forward`` does not take it."""
        raise NotImplementedError("setup_context is not implemented.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run the operation and record it."""
        ctx = FunctionCtx()
        record = grad_enabled()
        slots = [k for k, a in enumerate(args) if isinstance(a, Tensor)]
        for k in slots:
            if args[k]._node is not None and lib.ops_is_stale(args[k]._h):
                from .views import refresh

                refresh(args[k])
        edges = [args[k]._node for k in slots]
        ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a._node is not None for a in args])
        lib.ops_set_grad_enabled(0)
        try:
            if cls.setup_context is not Function.setup_context:
                out = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, out)
            else:
                out = cls.forward(ctx, *args, **kwargs)
        finally:
            lib.ops_set_grad_enabled(record)
        return _record(cls, ctx, args, edges, slots, out, record)


def _record(
    cls: Any,
    ctx: FunctionCtx,
    args: tuple[Any, ...],
    edges: list[Any],
    slots: list[int],
    out: Any,
    record: Any,
) -> Any:
    """Give the outputs their node."""
    many = isinstance(out, tuple | list)
    outs = list(out) if many else [out]
    if not any(isinstance(t, Tensor) for t in outs):
        return out
    given = [args[k] for k in slots]
    tracked = bool(record) and any(e is not None for e in edges)
    carries = [
        tracked
        and isinstance(t, Tensor)
        and DTYPES[lib.ops_dtype(t._h)].is_floating_point
        and not any(t is c for c in ctx._constant)
        for t in outs
    ]
    saved = [None if s is None else _save(s, given, edges, outs) for s in ctx._saved]
    looks = [_look(t) for t in given], [_look(t) for t in outs]
    node = [seq(), _Apply(cls, len(edges), slots, *looks), *edges, ctx]
    ctx._saved = tuple(saved)
    ctx._seq = node[0] if tracked else 0.0
    results = []
    for k, t in enumerate(outs):
        dirty = any(t is d for d in ctx._dirty)
        own = any(t is a for a in given)
        if dirty and carries[k]:
            if not own:
                raise RuntimeError("a tensor marked as dirty in forward must be an input of it")
            check_inplace(t)
            edge = node if len(outs) == 1 else (node, k)
            results.append(rebase(t, edge))
            continue
        if isinstance(t, Tensor) and not dirty and (carries[k] or own):
            fresh = alias(t._h) if type(t) is Tensor else t.as_subclass(type(t))
            fresh._node = None
            fresh._h = abs(fresh._h)
            if carries[k]:
                fresh._node = node if len(outs) == 1 else (node, k)
                fresh._h = -fresh._h
            t = fresh
        results.append(t)
    return (
        type(out)(results)
        if many and type(out) in (tuple, list)
        else tuple(results)
        if many
        else results[0]
    )


def _save(s: Tensor, given: list[Any], edges: list[Any], outs: list[Any]) -> _Saved:
    for t, e in zip(given, edges, strict=True):
        if s is t and not any(s is o for o in outs):
            return _Saved(s, e, None)
    for k, o in enumerate(outs):
        if s is o:
            return _Saved(alias(s._h), None, k)
    return _Saved(s, s._node, None)


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A ``backward`` that must not be differentiated itself: doing so is an error."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        record = grad_enabled()
        lib.ops_set_grad_enabled(0)
        try:
            out = fn(ctx, *grads)
        finally:
            lib.ops_set_grad_enabled(record)
        edges = [t._node for t in grads if isinstance(t, Tensor) and t._node is not None]
        if not record or not edges:
            return out
        single = not isinstance(out, tuple | list)
        results = []
        for t in (out,) if single else out:
            if isinstance(t, Tensor) and DTYPES[lib.ops_dtype(t._h)].is_floating_point:
                t = wrap(lib.ops_alias(t._h), [seq(), _Refusal(len(edges)), *edges])
                t._h = -t._h
            results.append(t)
        return results[0] if single else tuple(results)

    return wrapper


class _Refusal:
    """The backward of what was differentiated once already."""

    op, outputs = "ErrorBackward", 1

    def __init__(self, edges: int) -> None:
        self.edges = edges

    def __call__(self, node: Any, g: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )

    recorded = __call__


__all__ = ["Function", "FunctionCtx", "once_differentiable"]
