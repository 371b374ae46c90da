"""Views under in-place writes: whoever is written, everyone's graph stays right.

A view keeps its base, the function that made it and the arguments. A write through a view becomes
a node of its base as well; a view that is older than its base's last write makes its node anew
from the base when it is used next.
"""

from __future__ import annotations

from .._boundary import lib
from .._core import Leaf, Tensor, attach, grad_enabled, raw, seq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def rebase_view(t: Tensor, node: list[Any]) -> Tensor:
    """``t``, a view, was written by ``node``: give its bases nodes that see the write."""
    written, before = t, t._node
    t._h = -abs(t._h)
    t._node = node
    if before is not None and getattr(t, "_kept_grad", None) is not None:
        from .hooks import follow

        follow(t, before)
    view = getattr(t, "_view", None)
    while view is not None:
        base, fn, *args = view
        base._node = [seq(), b_copy_slices, base._node, t._node, fn, tuple(args)]
        base._h = -abs(base._h)
        lib.ops_refresh_view(base._h)
        t = base
        view = getattr(t, "_view", None)
    return written


def refresh(t: Tensor) -> None:
    """Give a stale view its node anew, from its base as it is now."""
    view = getattr(t, "_view", None)
    if view is not None and t._node.__class__ is not Leaf:
        base, fn, *args = view
        if lib.ops_is_stale(base._h):
            refresh(base)
        if base._node is None:
            t._node = None
            t._h = abs(t._h)
        else:
            was = grad_enabled()
            lib.ops_set_grad_enabled(1)
            try:
                again = fn(base, *args)
            finally:
                lib.ops_set_grad_enabled(was)
            if (again.data_ptr(), again.shape, again.stride()) != (
                t.data_ptr(), t.shape, t.stride(),
            ):  # fmt: skip
                raise RuntimeError(
                    f"a view by {fn.__name__} is used after its base was written, and after the "
                    "base's shape or strides were changed in place; make the view anew"
                )
            t._node = again._node
            t._h = -abs(t._h)
    lib.ops_refresh_view(t._h)


def r_copy_slices(n: list[Any], g: Tensor) -> tuple[Any, ...]:
    """Of a write through a view: the base's old values get g outside the view, the written inside."""  # noqa: E501
    fn, args = n[-2], n[-1]
    inside = None if n[3] is None else fn(g, *args).clone()
    outside = None
    if n[2] is not None:
        outside = g.clone()
        fn(outside, *args).zero_()
    return outside, inside


b_copy_slices = raw(r_copy_slices)
attach(b_copy_slices, r_copy_slices, "CopySlices", 2)

__all__ = ["rebase_view", "refresh"]
