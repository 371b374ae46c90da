"""In-place changes of what a tensor shows of its memory.

The in-place forms of views, and ``resize_`` and ``set_``: the elements stay where they are, the
tensor object takes another shape, strides or storage.
"""

from __future__ import annotations

import math

from ._boundary import check, lib
from ._dtypes import Size, contiguous_format, preserve_format
from ._handles import Leaf, Tensor, alias, grad_enabled, seq
from ._writes import check_inplace, exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def restride(t: Tensor, fn: Any, *args: Any) -> Tensor:
    """``t`` becomes its own view ``fn(t, *args)``: the in-place form of a view."""
    if t._node is not None and grad_enabled():
        check_inplace(t)
    before, view = t._node, getattr(t, "_view", None)
    lib.ops_bump_version(t._h, -seq())  # nodes that saved ``t`` itself would find another shape
    old = alias(t._h)  # what ``t`` was; nodes and views may keep it
    if before is not None:
        old._node, old._h = before, -abs(old._h)
    old._view = view
    v = fn(old, *args)
    exchange(t, v)
    if before.__class__ is not Leaf:  # a leaf stays one: this is unrecorded
        t._node = v._node
        t._h = abs(t._h) if t._node is None else -abs(t._h)
    t._view = None if view is None else (old, fn, *args)
    if before is not None and getattr(t, "_kept_grad", None) is not None:
        from .autograd.hooks import follow

        follow(t, before)
    return t


def refuse_gradient(t: Tensor, what: str) -> None:
    """New memory has no history.

    Raises:
        RuntimeError: ``t`` requires grad.
    """
    if t.requires_grad:
        raise RuntimeError(f"cannot {what} variables that require grad")


def resize_(self: Tensor, *size: Any, memory_format: Any = contiguous_format) -> Tensor:
    """Another shape for the same storage, row by row; elements beyond its end are undefined."""
    refuse_gradient(self, "resize")
    shape = Size(size[0] if len(size) == 1 and not hasattr(size[0], "__index__") else size)
    if any(s < 0 for s in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(shape)}")
    if shape != self.shape or memory_format not in (contiguous_format, preserve_format):
        strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
        _lay(self, self.storage_offset(), shape, strides)
        if memory_format not in (contiguous_format, preserve_format):
            exchange(self, self.contiguous(memory_format=memory_format))
    return self


def resize_as_(
    self: Tensor, the_template: Tensor, *, memory_format: Any = contiguous_format
) -> Tensor:
    """``resize_`` to the shape of another tensor."""
    return resize_(self, the_template.shape, memory_format=memory_format)


def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Another storage, of a tensor or as such; with offset, shape and strides in elements."""
    from ._create import empty
    from .storage import TypedStorage, UntypedStorage

    if source is None:
        source = empty(0, dtype=self.dtype, device=self.device)
    if isinstance(source, (TypedStorage, UntypedStorage)):
        whole = source.tensor(self.dtype)
        size = whole.shape if size is None else size
    else:
        whole = source
    if whole.dtype is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {whole.dtype} to a tensor of type {self.dtype}"
        )
    fresh = alias(whole._h)
    if size is not None:
        shape = Size((size,) if hasattr(size, "__index__") else size)
        strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
        _lay(fresh, storage_offset, shape, strides if stride is None else list(stride))
    exchange(self, fresh)
    return self


def _lay(t: Tensor, offset: int, shape: Size, strides: list[int]) -> None:
    """Lay ``t`` over its storage anew; a storage that is too small is replaced by a larger one."""
    from . import _functions as f

    reach = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 1
    have = lib.ops_storage_bytes(t._h) // t.itemsize
    if not shape.numel() or reach <= have:
        fresh = f.as_strided(t.detach(), tuple(shape), tuple(strides), offset)
        exchange(t, fresh)
        return
    from ._create import empty

    grown = empty(reach, dtype=t.dtype, device=t.device)
    if have:
        kept, before = (f.as_strided(x, (have,), (1,), 0) for x in (grown, t.detach()))
        check(lib.ops_copy(kept._h, before._h, -seq()))
    exchange(t, f.as_strided(grown, tuple(shape), tuple(strides), offset))
