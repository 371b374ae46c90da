"""The tensor class, handles and nodes.

A tensor is a handle (``_h``, negative when it requires grad), a node (``_node``: a list, a Leaf or
None), a cached shape and, for views, where it came from (``_view``: base, function, arguments).
A node is ``[-seq, backward, *edges, *saved]``: an edge is a node, a Leaf, ``(node, k)`` for output
k, or None. Sequence numbers grow, so an edge always points to an older node.
"""

from __future__ import annotations

import itertools
import os

from ._boundary import ffi, lib, raise_status, take_status
from ._dtypes import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RARE = 2.0**50
LIMIT = -RARE
NO_INT = -(2**63)
NAN = float("nan")
seq = itertools.count(-1, -1).__next__  # node sequence numbers, negated: smaller is newer

drop = lib.ops_drop
saved_is_valid = lib.ops_saved_is_valid
unreduce_handle = lib.ops_unreduce
last_write = lib.ops_last_write
_alias = lib.ops_alias
_next = lib.ops_next_output
_shape_key = lib.ops_shape_key
_shape = lib.ops_shape
_ndim = lib.ops_ndim
dtype_code = lib.ops_dtype
_unpack = ffi.unpack
_SHAPES: dict[float, Size] = {}
grad_enabled = lib.ops_get_grad_enabled


class Leaf:
    """What a leaf that requires grad points to: its gradient and its hooks."""

    __slots__ = ("__weakref__", "grad", "hooks", "post_hooks", "tensor")

    def __init__(self) -> None:
        self.grad = self.hooks = self.post_hooks = self.tensor = None


def make_shape(t: Any) -> Size:
    """The shape of a tensor as a Size; small ones are shared."""
    h = t._h
    key = _shape_key(h)
    s = _SHAPES.get(key)
    if s is None:
        n = _ndim(h)
        s = Size(_unpack(_shape(h), n)) if n else Size()
        if key >= 0:
            if len(_SHAPES) > 10000:
                _SHAPES.clear()
            _SHAPES[key] = s
    return s


if os.environ.get("OPSMITH_PURE_TENSOR") or not lib.ops_install_tensor_type(
    b"opsmith._tensor_type"
):
    from ._pure import Tensor, make, set_shape_maker
    from ._pure import make_view as make_view
else:
    from ._tensor_type import Tensor, make, set_shape_maker
    from ._tensor_type import make_view as make_view
set_shape_maker(make_shape)
Tensor.__module__ = "opsmith"


def wrap(h: float, node: Any = None) -> Tensor:
    """A tensor for a handle; raises the pending error when there is none."""
    if not h:
        raise_status(take_status())
    return make(h, node)


def alias(h: float) -> Tensor:
    """A tensor that shares storage and version with a handle, without node."""
    return make(_alias(h), None)


def further(k: int, node: Any) -> Tensor:
    """Output k of the last call."""
    h = _next(k)
    return make(-h if node is not None else h, node)


NONE_H = lib.ops_none_handle()
NONE = make(NONE_H, None)
_KEEP = NONE  # its handle is static: never dropped, since this module holds it
