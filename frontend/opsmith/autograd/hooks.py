"""Hooks on gradients: a node that has some carries a ``Hooked`` in place of its function.

The wrapper runs, around the function it replaces: hooks of the node's output tensors, prehooks of
the node, the function, hooks of the node. Hooks see tensors, in the raw pass as well; there they
run unrecorded.
"""

from __future__ import annotations

import weakref

from .._boundary import lib
from .._core import Leaf, Tensor, grad_enabled, steal, wrap
from ..utils.hooks import HookTable, RemovableHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Hooked:
    """A backward function with hooks; takes the place of the function in its node."""

    __slots__ = (
        "context",
        "edges",
        "fn",
        "kept",
        "metadata",
        "op",
        "outputs",
        "post",
        "pre",
        "tensor",
        "trace",
    )

    def __init__(self, fn: Any) -> None:
        self.fn = fn
        self.op, self.edges = fn.op, fn.edges
        self.outputs = getattr(fn, "outputs", 1)
        self.context = getattr(fn, "context", None)
        self.tensor: dict[int, HookTable] = {}  # output -> hooks
        self.kept: dict[int, list[Any]] = {}  # output -> where its gradient is kept
        self.pre, self.post = HookTable(), HookTable()
        self.metadata: dict[Any, Any] | None = None
        self.trace: Any = None

    def before(self, g: Any) -> Any:
        """The gradient(s) after the hooks that come first; ``g`` is a tensor or a list."""
        many = isinstance(g, list)
        grads = list(g) if many else [g]
        for k, table in self.tensor.items():
            if grads[k] is None:
                continue
            for hook in tuple(table.values()):
                grads[k] = _checked(hook(grads[k]), grads[k])
        for k, slot in self.kept.items():
            if grads[k] is not None:
                slot[0] = grads[k] if slot[0] is None else slot[0] + grads[k]
        for hook in tuple(self.pre.values()):
            replaced = hook(tuple(grads))
            if replaced is not None:
                grads = list(replaced) if isinstance(replaced, tuple | list) else [replaced]
        return grads if many else grads[0]

    def after(self, out: Any, g: Any) -> Any:
        """The gradients of the inputs after the node's hooks."""
        if not self.post:
            return out
        given = tuple(g) if isinstance(g, list) else (g,)
        out = tuple(out)
        for hook in tuple(self.post.values()):
            replaced = hook(out, given)
            if replaced is not None:
                out = tuple(replaced) if isinstance(replaced, tuple | list) else (replaced,)
        return out

    def recorded(self, node: Any, g: Any) -> Any:
        """The recorded form; ``before`` was called by the engine."""
        return self.after(self.fn.recorded(node, g), g)

    def __call__(self, node: Any, g: Any) -> Any:
        """The raw form: handles in, handles out."""
        was = grad_enabled()
        lib.ops_set_grad_enabled(0)
        try:
            if isinstance(g, float):
                given: Any = self.before(wrap(g))
                raw_g: Any = steal(given)
            else:
                given = self.before([None if h is None else wrap(h) for h in g])
                raw_g = [None if t is None else steal(t) for t in given]
            if not self.post:
                del given
                return self.fn(node, raw_g)
            out = [None if h is None else wrap(h) for h in self.fn(node, raw_g)]
            return tuple([None if t is None else steal(t) for t in self.after(out, given)])
        finally:
            lib.ops_set_grad_enabled(was)


def _checked(replaced: Any, g: Tensor) -> Tensor:
    """A hook's result in place of ``g``."""
    if replaced is None:
        return g
    if not isinstance(replaced, Tensor):
        raise TypeError(f"hook should return a Tensor or None, not {type(replaced).__name__}")
    if replaced.shape != g.shape:
        raise RuntimeError(
            f"hook has changed the size of value: expected {list(g.shape)}, got "
            f"{list(replaced.shape)}"
        )
    return replaced


def hooked(node: list[Any]) -> Hooked:
    """The wrapper of a node's function, put there when it has none."""
    if node[1].__class__ is not Hooked:
        node[1] = Hooked(node[1])
    return node[1]  # type: ignore[no-any-return]


def hook_leaf(leaf: Leaf, kind: str, fn: Callable[..., Any]) -> RemovableHandle:
    """Add a hook to a leaf's ``hooks`` or ``post_hooks``."""
    table = getattr(leaf, kind)
    if table is None:
        table = HookTable()
        setattr(leaf, kind, table)
    return table.add(fn)


def register_hook(t: Tensor, fn: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """``Tensor.register_hook``."""
    from .engine import root

    if t._node is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if t._node.__class__ is Leaf:
        return hook_leaf(t._node, "hooks", lambda g: _checked(fn(g), g))
    e = root(t, 0)
    node, k = e if e.__class__ is tuple else (e, 0)
    h = hooked(node)
    if k not in h.tensor:
        h.tensor[k] = HookTable()
    return h.tensor[k].add(fn)


def register_post_accumulate(t: Tensor, fn: Callable[[Tensor], None]) -> RemovableHandle:
    """``Tensor.register_post_accumulate_grad_hook``."""
    leaf = t._node
    if leaf is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if leaf.__class__ is not Leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    leaf.tensor = weakref.ref(t)
    return hook_leaf(leaf, "post_hooks", fn)


def retain(t: Tensor) -> None:
    """``Tensor.retain_grad``: nothing to do for leaves."""
    from .engine import root

    if t._node is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if t._node.__class__ is Leaf or t.__dict__.get("_kept_grad"):
        return
    e = root(t, 0)
    node, k = e if e.__class__ is tuple else (e, 0)
    slot = t.__dict__["_kept_grad"] = [None]
    hooked(node).kept[k] = slot


def follow(t: Tensor, before: Any) -> None:
    """``t``, whose gradient is kept, was written in place: keep that of its new values instead."""
    node, k = before if before.__class__ is tuple else (before, 0)
    slot = hooked(node).kept.pop(k)
    node, k = t._node if t._node.__class__ is tuple else (t._node, 0)
    hooked(node).kept[k] = slot


__all__ = [
    "HookTable",
    "Hooked",
    "RemovableHandle",
    "follow",
    "register_hook",
    "register_post_accumulate",
    "retain",
]
