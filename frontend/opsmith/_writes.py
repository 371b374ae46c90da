"""Writing to tensors that exist: in-place, on lists, the in-place form of compositions, out=."""

from __future__ import annotations

from ._boundary import SUBCLASS, check, lib, take_status
from ._dtypes import SCALAR_TYPE_NAMES, Size
from ._encoding import ints, operand
from ._handles import Leaf, Tensor, grad_enabled, seq, wrap
from ._recording import has_node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_INLINE_NDIM = 4  # sizes that a tensor has place for without an array of its own, as in tensor.h


class OneOfSeveral(tuple):
    """Where a view came from (base, function, arguments) that one call made along with others."""

    __slots__ = ()


def one_of_several(views: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Views that one call returns together; recorded ones refuse to be written in place."""
    for t in views:
        if t._node is not None and t._view is not None:
            t._view = OneOfSeveral(t._view)
    return views


def check_inplace(t: Tensor) -> None:
    """Refuse in-place writes that no gradient can be given for."""
    if not grad_enabled():
        return
    view = getattr(t, "_view", None)
    while view is not None:
        if view.__class__ is OneOfSeveral:
            raise RuntimeError(
                f"a view by {view[1].__name__} is being modified inplace. This view is the output "
                "of a function that returns multiple views. Such functions do not allow the output "
                "views to be modified inplace. Use clone(), or a function that returns one view."
            )
        view = getattr(view[0], "_view", None)
    if t._node.__class__ is Leaf:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    base = getattr(t, "_view", None)
    if base is not None and base[0]._node.__class__ is Leaf:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def rebase(t: Tensor, node: list[Any]) -> Tensor:
    """``t`` was written in place by ``node``: it is the node's output now, and so for its bases."""
    view = getattr(t, "_view", None)
    if view is None:
        before = t._node
        t._h = -abs(t._h)
        t._node = node
        if before is not None and getattr(t, "_kept_grad", None) is not None:
            from .autograd.hooks import follow

            follow(t, before)
        return t
    from .autograd.views import rebase_view

    return rebase_view(t, node)


def copy_of(t: Tensor) -> Tensor:
    """A copy of the values on the same node (what an in-place op is about to overwrite)."""
    r = wrap(lib.ops_convert_to(t._h, -1, -1, 1, 0), t._node)
    if t._node is not None:
        r._h = -r._h
    return r


def assign(t: Tensor, value: Tensor) -> Tensor:
    """Write the result of a functional op into ``t`` (the in-place form of compositions)."""
    have, want = value.dtype, t.dtype
    if have.kind_rank > want.kind_rank:
        raise RuntimeError(
            f"result type {SCALAR_TYPE_NAMES[have.code]} can't be cast to the desired output type "
            f"{SCALAR_TYPE_NAMES[want.code]}"
        )
    return t.copy_(value)


def in_place(functions: Any, name: str) -> Any:
    """The in-place form of an op: its own, or its result written back."""
    own = getattr(functions, name + "_", None)
    if own is not None:
        return own
    fn = getattr(functions, name)
    return lambda t, *args, **kwargs: assign(t, fn(t, *args, **kwargs))


def refuse_recorded_out(out: Any, *operands: Any, name: str) -> None:
    """out= and gradients exclude each other."""
    if grad_enabled() and any(has_node(t) for t in (out, *operands)):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but "  # noqa: E501
            "one of the arguments requires grad."
        )
    out._shape = out.shape  # kept, for written()
    most = max((t.ndim for t in operands if isinstance(t, Tensor)), default=0)
    if most > max(out.ndim, _INLINE_NDIM):  # the handle has no place for so many sizes
        before, kind = out.shape, (lib.ops_dtype(out._h), lib.ops_device(out._h))
        exchange(out, wrap(lib.ops_empty(*kind, *ints((0,) * most))))
        out._shape = before


def written(out: Any) -> Any:
    """``out`` after a kernel wrote to it: its shape may have changed."""
    before = out._shape
    out._shape = None
    _warn_resized(before, out.shape)
    return out


def _warn_resized(before: Size, after: Size) -> None:
    if before != after and before.numel():
        import warnings

        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(before)}, which does not match the required output shape {list(after)}. "
            "This behavior is deprecated, and in a future PyTorch release outputs will not be "
            "resized unless they have zero elements. You can explicitly reuse an out tensor t by "
            "resizing it, inplace, to zero elements with t.resize_(0).",
            stacklevel=4,
        )


def write_out(out: Any, result: Any, name: str) -> Any:
    """Move the result of op ``name`` into out=, which takes its shape and keeps its own dtype."""
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(
                f"{name}(): argument 'out' must be tuple of {len(result)} Tensors, "
                f"not {type(out).__name__}"
            )
        return type(result)(*[write_out(o, r, name) for o, r in zip(out, result, strict=True)])
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    refuse_recorded_out(out, result, name=name)
    if result.device != out.device:
        raise RuntimeError(
            f"Expected out tensor to have device {result.device}, but got {out.device} instead"
        )
    have, want = result.dtype, out.dtype
    if have is not want and (
        want.kind_rank == 0 or have.is_floating_point and not want.is_floating_point
    ):
        names = [SCALAR_TYPE_NAMES[d.code] for d in (have, want)]
        raise RuntimeError(
            f"result type {names[0]} can't be cast to the desired output type {names[1]}"
        )
    if out.shape != result.shape:
        fresh = wrap(lib.ops_convert_to(result._h, want.code, -1, 1, 0))  # may alias an operand
        before = out.shape
        exchange(out, fresh)
        _warn_resized(before, out.shape)
        return out
    if lib.ops_overlaps_itself(out._h):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "  # noqa: E501
            "location. Please clone() the tensor before performing the operation."
        )
    check(lib.ops_copy(out._h, result._h, -seq()))
    return out


def exchange(t: Tensor, other: Tensor) -> None:
    """Two tensors take each other's memory, shape and dtype; not their places in the graph."""
    flags = [lib.ops_flags(x._h) & SUBCLASS for x in (t, other)]
    signs = [-1.0 if x._h < 0 else 1.0 for x in (t, other)]
    t._h, other._h = signs[0] * abs(other._h), signs[1] * abs(t._h)
    for x, flag in zip((t, other), flags, strict=True):
        lib.ops_set_flag(x._h, SUBCLASS, int(bool(flag)))
        x._shape = None


def several(v: Any, first: Any) -> tuple[Any, int, Any, int, int]:
    """An operand of a foreach form: a list as long as the first one, or what serves for all."""
    if v.__class__ is list or v.__class__ is tuple:
        if len(v) != len(first):
            raise TypeError("lists of different lengths")
        return [t._h for t in v], len(v), 0.0, 0, -1
    return (), 0, *operand(v)


def one_by_one(op: Any, done: float, first: Any, *others: Any, **numbers: Any) -> None:
    """What the C call of a foreach form left: gradient mode is on, a slow path, an error to raise.

    Raises:
        TypeError: the first operand is no list.
        RuntimeError: lists of different lengths.
    """
    take_status()  # of the item that stopped the call: it says so again
    if not isinstance(first, list | tuple):
        raise TypeError(f"expected a list or a tuple of tensors, not {type(first).__name__}")
    lists = [o if isinstance(o, list | tuple) else None for o in others]
    for o in lists:
        if o is not None and len(o) != len(first):
            raise RuntimeError(
                "Tensor lists must have the same number of tensors, got "
                f"{len(first)} and {len(o)}"
            )
    for k in range(int(done), len(first)):
        op(first[k], *(o if v is None else v[k] for o, v in zip(others, lists)), **numbers)
