"""``x[...]`` and ``x[...] = v``: every form NumPy and PyTorch know.

Ints, slices, None and ``...`` are views, made by ``select``, ``slice`` and ``unsqueeze`` one after
the other. What is left, integer and boolean tensors, lists and arrays, addresses dims of that view
together, and is read by ``index_get`` and written by ``index_write``. The common forms (an int, a
slice, a tuple of those) go first and look at classes only.
"""

from __future__ import annotations

from . import _functions as f
from ._boundary import lib
from ._core import Tensor, attach, check_inplace, grad_enabled, raw, rebase, scalar, seq, wrap
from ._dtypes import CPU, DTYPES, POSITIONS, SCALAR_TYPE_NAMES, bool_, uint8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

_FULL = slice(None)
_BASIC = (int, slice, type(None), type(Ellipsis))
_NUMBERS = (int, float, bool)
_SHORT = 32  # items of a list that may still be read as a tuple


def getitem(self: Tensor, index: Any, int=int, slice=slice) -> Tensor:
    """``self[index]``."""
    kind = index.__class__
    if kind is int:
        try:
            return f.select(self, 0, index)
        except IndexError:
            _explain(self, (index,))
            raise
    if kind is tuple:
        d = 0
        out = self
        try:
            for i in index:
                kind = i.__class__
                if kind is slice:
                    step = i.step
                    if i != _FULL:
                        out = f.slice(out, d, i.start, i.stop, 1 if step is None else step)
                    d += 1
                elif kind is int:
                    out = f.select(out, d, i)
                elif i is None:
                    out = f.unsqueeze(out, d)
                    d += 1
                elif (
                    i is Ellipsis
                    and all(j.__class__ in _BASIC for j in index)
                    and index.count(Ellipsis) == 1
                ):
                    d += lib.ops_ndim(self._h) + 1 + index.count(None) - len(index)
                else:
                    break
            else:
                if out is self or d > out.ndim:
                    _check_count(self, index)
                    return f.alias(self)
                return out
        except IndexError:
            _explain(self, index)
            raise
        return _get(self, index)
    if kind is slice:
        step = index.step
        return f.slice(self, 0, index.start, index.stop, 1 if step is None else step)
    if kind is Tensor:
        h = index._h
        if (
            lib.ops_dtype(h) in POSITIONS
            and lib.ops_ndim(h)
            and lib.ops_ndim(self._h)
            and lib.ops_device(h) == lib.ops_device(self._h)
        ):
            return f.index_get(self, (index,), (0,))
    elif index is None:
        return f.unsqueeze(self, 0)
    return _get(self, as_tuple(index))


def as_tuple(index: Any) -> tuple[Any, ...]:
    """The items of an index: a short list that holds more than numbers is read as a tuple."""
    if isinstance(index, tuple):
        return tuple(index)
    if isinstance(index, list) and len(index) < _SHORT and any(map(_makes_tuple, index)):
        return tuple(index)
    return (index,)


def _makes_tuple(item: Any) -> bool:
    """Does a list with this item index several dims, as NumPy before 1.23 and PyTorch read it?"""
    return (
        item is None
        or item is Ellipsis
        or isinstance(item, (slice, Tensor))
        or (hasattr(item, "__len__") and hasattr(item, "__getitem__"))
    )


def _get(self: Tensor, index: tuple[Any, ...]) -> Tensor:
    view, tensors, dims = _parse(self, index)
    if tensors:
        return f.index_get(view, tensors, dims)
    return f.alias(self) if view is self else view


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``."""
    kind = index.__class__
    if kind is int or kind is slice:
        view, tensors, dims = getitem(self, index), [], ()
    else:
        given = as_tuple(index)
        mask = _lone_mask(self, given)
        if mask is not None and _fill(self, mask, value):
            return
        view, tensors, dims = _parse(self, given)
    if value.__class__ in _NUMBERS:
        if not tensors:
            view.fill_(value)
            return
        value = wrap(
            lib.ops_full(
                lib.ops_dtype(view._h), lib.ops_device(view._h), *scalar(value), 0, 0, 0, 0, 0
            )
        )
    elif not isinstance(value, Tensor):
        from ._create import tensor

        value = tensor(value, device=CPU)
        if tensors and value.dtype is not view.dtype:
            value = value.to(view.dtype)
    if not tensors:
        _assign(view, value)
    else:
        _write(view, tensors, dims, value, False)


def _assign(view: Tensor, value: Tensor) -> None:
    extra = value.ndim - view.ndim
    if extra > 0 and all(s == 1 for s in value.shape[:extra]):
        value = f.reshape(value, tuple(value.shape[extra:]))
    if value.numel() == 1 and view.numel() == 1 and value.shape != view.shape:
        value = f.reshape(value, tuple(view.shape))
    view.copy_(value)


# Parsing -----------------------------------------------------------------------------------------


def _parse(self: Tensor, index: tuple[Any, ...]) -> tuple[Tensor, list[Tensor], tuple[int, ...]]:
    """A view of ``self``, the index tensors that remain, and the dims of the view they address."""
    items = [_item(i, self) for i in index]
    used = _check_count(self, items)
    view = self
    tensors: list[Tensor] = []
    dims: list[int] = []
    d = 0
    for i in items:
        kind = i.__class__
        if kind is int:
            view = _checked_select(self, items, view, d, i)
        elif kind is slice:
            if i != _FULL:
                view = f.slice(
                    view,
                    d,
                    _bound(i.start),
                    _bound(i.stop),
                    1 if i.step is None else _bound(i.step),
                )
            d += 1
        elif i is None:
            view = f.unsqueeze(view, d)
            d += 1
        elif i is Ellipsis:
            d += self.ndim - used
        elif kind is bool:
            view = f.unsqueeze(view, d)
            tensors.append(_positions_of_bool(i, view))
            dims.append(d)
            d += 1
        else:
            code = DTYPES[lib.ops_dtype(i._h)]
            if code is bool_ or code is uint8:
                if i.ndim == 0:
                    view = f.unsqueeze(view, d)
                    i = f.reshape(i, (1,))
                _check_mask(i, view, d)
                found = f.nonzero_rows(i)
                for k in range(i.ndim):
                    tensors.append(f.select(found, 1, k))
                    dims.append(d)
                    d += 1
            else:
                tensors.append(i)
                dims.append(d)
                d += 1
    if dims and dims[-1] >= view.ndim:  # behind several '...'
        raise IndexError(f"too many indices for tensor of dimension {self.ndim}")
    return view, tensors, tuple(dims)


def _item(i: Any, self: Tensor) -> Any:
    """An index item as an int, slice, None, Ellipsis, bool or tensor."""
    kind = i.__class__
    if kind is int or kind is slice or i is None or i is Ellipsis or kind is bool:
        return i
    if isinstance(i, Tensor):
        code = DTYPES[lib.ops_dtype(i._h)]
        if code.is_floating_point:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        if i.ndim == 0 and code is not bool_ and code is not uint8 and not i.is_meta:
            return i.item()
        return i.to(self.device) if i.is_cpu and not self.is_cpu else i
    if isinstance(i, slice):
        return i
    if (
        hasattr(i, "__array_interface__")
        or isinstance(i, (list, tuple, range))
        or hasattr(i, "__array__")
    ):
        from ._create import tensor
        from ._dtypes import int64

        if hasattr(i, "__array_interface__") and getattr(i, "ndim", 1) == 0 and i.dtype.kind == "b":
            return bool(i)
        if isinstance(i, (list, tuple, range)) and len(i) == 0:
            return tensor([], dtype=int64, device=CPU)
        t = tensor(list(i) if isinstance(i, range) else i, device=CPU)
        return _item(t, self)
    if hasattr(i, "__index__"):
        return i.__index__()
    if isinstance(i, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(i).__name__}'")
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        "indices "
        f"(got {type(i).__name__})"
    )


def _bound(v: Any) -> Any:
    return v if v is None or v.__class__ is int else v.__index__()


def _check_count(self: Tensor, items: Sequence[Any]) -> int:
    """The number of dims that the items use up."""
    used = 0
    for i in items:
        if isinstance(i, Tensor) and DTYPES[lib.ops_dtype(i._h)] in (bool_, uint8):
            used += i.ndim
        elif i is not None and i is not Ellipsis and i.__class__ is not bool:
            used += 1
    n = self.ndim
    if used > n:
        if n == 0 and len(items) == 1 and items[0].__class__ is int:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                "`tensor.item<T>()` in C++ "
                "to convert a 0-dim tensor to a number"
            )
        if n == 0 and any(i.__class__ is slice for i in items):
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        raise IndexError(f"too many indices for tensor of dimension {n}")
    return used


def _checked_select(self: Tensor, items: Sequence[Any], view: Tensor, d: int, i: int) -> Tensor:
    try:
        return f.select(view, d, i)
    except IndexError:
        _explain(self, items)
        raise


def _explain(self: Tensor, items: Sequence[Any]) -> None:
    """Raise what PyTorch says about the first index that is out of bounds."""
    used = _check_count(self, items)
    d = shown = 0  # the dim of self, and the dim as PyTorch counts: new dims too
    for i in items:
        if i.__class__ is int:
            if d >= self.ndim:  # behind several '...'
                raise IndexError(f"too many indices for tensor of dimension {self.ndim}") from None
            n = self.shape[d]
            if not -n <= i < n:
                raise IndexError(
                    f"index {i} is out of bounds for dimension {shown} with size {n}"
                ) from None
            d += 1
            shown += 1
        elif i is None or i.__class__ is bool:
            shown += 1
        else:
            step = 1
            if i is Ellipsis:
                step = self.ndim - used
            elif isinstance(i, Tensor) and DTYPES[lib.ops_dtype(i._h)] in (bool_, uint8):
                step = i.ndim
            d += step
            shown += step


def _check_mask(mask: Tensor, view: Tensor, d: int) -> None:
    for k in range(mask.ndim):
        if mask.shape[k] != view.shape[d + k]:
            _refuse_mask(mask, view, d, k)


def _refuse_mask(mask: Tensor, view: Tensor, d: int, k: int) -> NoReturn:
    raise IndexError(
        f"The shape of the mask {list(mask.shape)} at index {k} does not match the shape of the "
        "indexed tensor "
        f"{list(view.shape)} at index {d + k}"
    )


def _positions_of_bool(on: bool, view: Tensor) -> Tensor:
    from ._create import zeros
    from ._dtypes import int64

    return zeros(1 if on else 0, dtype=int64, device=CPU)


# Writing -----------------------------------------------------------------------------------------


def check_overlap(written: Tensor, *operands: Tensor) -> None:
    """Refuse operands that look into the memory a write at indices is about to change."""
    if any(lib.ops_overlap(t._h, written._h) for t in operands):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor "
            "refer to a single memory location. Please clone() the tensor before performing the "
            "operation."
        )


def _lone_mask(self: Tensor, items: tuple[Any, ...]) -> Tensor | None:
    """The boolean tensor of ``x[mask]`` when it is the whole index."""
    if len(items) != 1:
        return None
    i = items[0]
    if isinstance(i, Tensor) and 0 < i.ndim <= self.ndim and DTYPES[lib.ops_dtype(i._h)] is bool_:
        return i
    return None


def _fill(self: Tensor, mask: Tensor, value: Any) -> bool:
    """``x[mask] = number``: no positions are needed."""
    if isinstance(value, Tensor):
        if value.ndim or value.dtype is not self.dtype:
            return False
    elif value.__class__ not in (int, float, bool):
        return False
    elif value.__class__ is float and not self.dtype.is_floating_point:
        return False
    _check_mask(mask, self, 0)
    extra = self.ndim - mask.ndim
    if extra:
        mask = f.reshape(mask, (*mask.shape, *(1,) * extra))
    f.masked_fill_(self, mask, value)
    return True


def _r_write(n: list[Any], g: Tensor) -> tuple[Any, ...]:
    """Of a write at indices: what stood there loses its gradient, the values take it."""
    indices, dims, accumulate, shape, dtype = n[-5:]
    before = g if accumulate or n[2] is None else f.index_put_at(g, indices, dims, 0)
    values = None
    if n[3] is not None:
        values = f.index_get(g, indices, dims)
        extra = len(shape) - values.ndim
        values = f.sum_to(values, tuple(shape[extra:]) if extra > 0 else tuple(shape))
        if extra > 0:
            values = f.reshape(values, tuple(shape))
        if values.dtype is not dtype:
            values = values.to(dtype)
    return (None if n[2] is None else before), values


_b_write = raw(_r_write)
attach(_b_write, _r_write, "IndexPut", 2)


def _write(
    view: Tensor, indices: list[Tensor], dims: tuple[int, ...], values: Tensor, accumulate: bool
) -> None:
    """Write (or add) values at indices of a view."""
    if view._node is not None:
        check_inplace(view)
    if lib.ops_overlaps_itself(view._h):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory "
            "location. Please clone() the tensor before performing the operation."
        )
    if values.dtype is not view.dtype:
        names = [SCALAR_TYPE_NAMES[t.dtype.code] for t in (view, values)]
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {names[0]} for the "
            "destination "
            f"and {names[1]} for the source."
        )
    check_overlap(view, values, *indices)
    record = grad_enabled() and (view.requires_grad or values.requires_grad)
    if record:
        from ._tensor_copies import _check_view_leaf, _fresh

        _fresh(view)
        _fresh(values)
        _check_view_leaf(view)
    stamp = seq()
    was = grad_enabled()
    lib.ops_set_grad_enabled(0)
    try:
        f.index_write(view, indices, dims, values, accumulate)
    finally:
        lib.ops_set_grad_enabled(was)
    lib.ops_bump_version(view._h, -stamp)
    if record:
        rebase(
            view,
            [
                stamp,
                _b_write,
                view._node,
                values._node,
                indices,
                dims,
                accumulate,
                tuple(values.shape),
                values.dtype,
            ],
        )


def index_put_(
    self: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """``self[indices] = values``, or ``+=`` with every repeated index counted."""
    view, tensors, dims = _parse(self, tuple(_FULL if i is None else i for i in indices))
    if tensors:
        _write(view, tensors, dims, values, accumulate)
    elif accumulate:
        view.add_(values)
    else:
        _assign(view, values)
    return self


def index_put(
    self: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy of ``self`` with values at indices."""
    return index_put_(self.clone(), indices, values, accumulate)


Tensor.__getitem__ = getitem  # type: ignore[method-assign, attr-defined]
Tensor.__setitem__ = setitem  # type: ignore[method-assign, attr-defined]
Tensor.index_put_ = index_put_  # type: ignore[attr-defined]
Tensor.index_put = index_put  # type: ignore[attr-defined]

__all__ = ["getitem", "index_put", "index_put_", "setitem"]
