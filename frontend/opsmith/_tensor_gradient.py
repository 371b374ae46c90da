"""Methods of Tensor about gradients: requires_grad, grad, backward, detach, hooks, bases."""

from __future__ import annotations

import weakref

from ._boundary import lib
from ._core import Leaf, Tensor, alias, exchange, wrap
from ._dtypes import DTYPES
from ._tensor import _method, _property
from .autograd import engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _get_requires_grad(self: Tensor) -> bool:
    """Does anything recorded on this tensor need a gradient?"""
    if self._node is None and lib.ops_is_stale(self._h):
        from .autograd.views import refresh

        refresh(self)
    return self._node is not None


def _set_requires_grad(self: Tensor, on: bool) -> None:
    if self._node is not None and self._node.__class__ is not Leaf:
        if not on:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use var_no_grad = "  # noqa: E501
                "var.detach()."
            )
        return
    if on:
        if not DTYPES[lib.ops_dtype(self._h)].is_floating_point:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if self._node is None:
            self._node = leaf = Leaf()
            leaf.tensor = weakref.ref(self)
            self._h = -abs(self._h)
    else:
        self._node = None
        self._h = abs(self._h)


Tensor.requires_grad = property(_get_requires_grad, _set_requires_grad)  # type: ignore[attr-defined]


@_method
def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Set ``requires_grad`` and return the tensor."""
    _set_requires_grad(self, requires_grad)
    return self


def _get_grad(self: Tensor) -> Tensor | None:
    """The gradient accumulated by backward."""
    n = self._node
    if n.__class__ is Leaf:
        return n.grad
    kept = self.__dict__.get("_kept_grad")
    return kept[0] if kept else None


def _set_grad(self: Tensor, g: Tensor | None) -> None:
    n = self._node
    if g is not None:
        if not isinstance(g, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}"  # noqa: E501
            )
        if g is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if g.shape != self.shape:
            raise RuntimeError(
                f"assigned grad has data of a different size: expected {list(self.shape)}, got {list(g.shape)}"  # noqa: E501
            )
        if g.dtype is not self.dtype:
            raise RuntimeError(
                f"assigned grad has data of a different type: expected {self.dtype}, got {g.dtype}"
            )
    if n.__class__ is Leaf:
        n.grad = g
    elif n is None and g is not None:
        self.__dict__["_kept_grad"] = [g]
    else:
        self.__dict__["_kept_grad"] = [g]


Tensor.grad = property(_get_grad, _set_grad)  # type: ignore[attr-defined]
Tensor.is_leaf = property(lambda self: not _get_requires_grad(self) or self._node.__class__ is Leaf)  # type: ignore[attr-defined]


@_method
def backward(self: Tensor, gradient: Any = None, retain_graph: bool | None = None,
             create_graph: bool = False, inputs: Any = None) -> None:  # fmt: skip
    """Accumulate the gradients of this tensor into the leaves; see ``opsmith.autograd.backward``."""  # noqa: E501
    plain = gradient is None and not create_graph and inputs is None and not engine.watched
    if plain and lib.ops_numel(self._h) == 1:
        node = self._node
        if node is not None and not (self._view is not None and lib.ops_is_stale(self._h)):
            engine.run_raw(node, lib.ops_ones_like(self._h), retain_graph)
            return
    engine.backward(self, gradient, retain_graph, create_graph, inputs=inputs)


@_property
def grad_fn(self: Tensor) -> Any:
    """The operation that made this tensor, None for leaves."""
    if lib.ops_is_stale(self._h):
        from .autograd.views import refresh

        refresh(self)
    n = self._node
    if n is None or n.__class__ is Leaf:
        return None
    from .autograd.graph import Node

    return Node.of(n)


@_method
def detach(self: Tensor) -> Tensor:
    """The same data, off the graph; shares the version counter."""
    return alias(self._h)


@_method
def detach_(self: Tensor) -> Tensor:
    """Leave the graph in place."""
    if getattr(self, "_view", None) is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel "  # noqa: E501
            "(DDP) for training, set gradient_as_bucket_view as False."
        )
    self._node = None
    self._h = abs(self._h)
    return self


def _get_data(self: Tensor) -> Tensor:
    return wrap(lib.ops_unshared_alias(self._h))


def _set_data(self: Tensor, other: Tensor) -> None:
    fresh = wrap(lib.ops_unshared_alias(other._h))
    exchange(self, fresh)


Tensor.data = property(_get_data, _set_data)  # type: ignore[attr-defined]


@_method
def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> Any:
    """Call ``hook(grad)`` when this tensor's gradient is known; a returned tensor replaces it."""
    from .autograd.hooks import register_hook as register

    return register(self, hook)


@_method
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> Any:
    """Call ``hook(tensor)`` after a leaf's gradient was accumulated."""
    from .autograd.hooks import register_post_accumulate

    return register_post_accumulate(self, hook)


@_method
def retain_grad(self: Tensor) -> None:
    """Keep the gradient of a tensor that is no leaf."""
    from .autograd.hooks import retain

    retain(self)


Tensor.retains_grad = property(
    lambda self: bool(self.__dict__.get("_kept_grad")) and not self.is_leaf
)  # type: ignore[attr-defined]
Tensor.output_nr = property(lambda self: self._node[1] if self._node.__class__ is tuple else 0)  # type: ignore[attr-defined]
Tensor._base = property(lambda self: _base_of(self))  # type: ignore[attr-defined]


def _base_of(t: Tensor) -> Tensor | None:
    view = getattr(t, "_view", None)
    base = None
    while view is not None:
        base = view[0]
        view = getattr(base, "_view", None)
    return base


@_method
def _is_view(self: Tensor) -> bool:
    """Does the tensor look into another one?"""
    return getattr(self, "_view", None) is not None
