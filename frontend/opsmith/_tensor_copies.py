"""Methods of Tensor that copy, convert and overwrite its values."""

from __future__ import annotations

from ._boundary import check, lib
from ._core import Leaf, Tensor, attach, check_inplace, grad_enabled, raw, rebase, scalar, seq, wrap
from ._dtypes import DTYPES, device, dtype
from ._tensor import _method
from ._tensor_gradient import _base_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# Copies and conversion ---------------------------------------------------------------------------


def _r_to(n: list[Any], g: Tensor) -> tuple[Any, ...]:
    return (g.to(n[-1]),)


_b_to = raw(_r_to)
attach(_b_to, _r_to, "ToCopy", 1)


def _converted(t: Tensor, h: float) -> Tensor:
    """A converted copy on the graph."""
    r = wrap(h)
    if t._node is not None and grad_enabled() and DTYPES[lib.ops_dtype(h)].is_floating_point:
        r._h = -h
        r._node = [seq(), _b_to, t._node, t.dtype]
    return r


@_method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Convert dtype and device: ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other)``."""  # noqa: E501
    from ._create import as_dtype

    d = kwargs.get("dtype")
    where = kwargs.get("device")
    copy = kwargs.get("copy", False)
    for k, a in enumerate(args):
        if isinstance(a, Tensor):
            d, where = a.dtype, a.device
        elif isinstance(a, dtype) or a in (float, int, bool):
            d = a
        elif a.__class__ is int:
            where = device("cuda", a)
        elif isinstance(a, (str, device)):
            where = a
        elif isinstance(a, bool):
            copy = a if k >= 2 else copy  # before it stands non_blocking
        elif a is not None:
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({a.__class__.__name__})"
            )
    if not (where is None or isinstance(where, (str, int, device))):
        raise TypeError(
            f"to(): argument 'device' must be torch.device, not {where.__class__.__name__}"
        )
    code = -1 if d is None else as_dtype(d).code
    place = -1 if where is None else device(where).code
    if not copy and code in (-1, lib.ops_dtype(self._h)) and place in (-1, lib.ops_device(self._h)):
        return _formatted(self, kwargs.get("memory_format"))
    if place == 2:
        from . import cuda

        cuda.require()
    return _formatted(
        _converted(self, check(lib.ops_convert_to(self._h, code, place, 1, 0))),
        kwargs.get("memory_format"),
    )


def _formatted(t: Tensor, memory_format: Any) -> Tensor:
    return t if memory_format is None else t.contiguous(memory_format=memory_format)


def _install_casts() -> None:
    for target in DTYPES:
        if not target.typed:
            continue

        def cast(self: Tensor, memory_format: Any = None, _target: dtype = target) -> Tensor:
            return self.to(_target)

        cast.__name__ = target.scalar.lower()
        cast.__doc__ = f"Convert to {target!r}."
        setattr(Tensor, cast.__name__, cast)


_install_casts()


@_method
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """The tensor on the GPU."""
    where = "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
    if not str(where).startswith("cuda"):
        raise RuntimeError(f"Invalid device, must be cuda device, got {where}")
    return to(self, where, memory_format=memory_format)


@_method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the CPU."""
    return self.to("cpu")


@_method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Convert to the dtype and device of ``other``."""
    return self.to(other)


def _r_clone(n: list[Any], g: Any) -> tuple[Any, ...]:
    return (g,)


def _b_clone(n: list[Any], g: float) -> tuple[float]:
    return (g,)


attach(_b_clone, _r_clone, "Clone", 1)


def _keep_node(t: Tensor, h: float) -> Tensor:
    r = wrap(h)
    if t._node is not None and grad_enabled():
        if lib.ops_is_stale(t._h):
            from .autograd.views import refresh

            refresh(t)
        r._h = -h
        r._node = [seq(), _b_clone, t._node]
    return r


@_method
def clone(self: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy that stays on the graph."""
    contiguous = memory_format is not None and "contiguous" in repr(memory_format)
    return _formatted(
        _keep_node(self, check(lib.ops_convert_to(self._h, -1, -1, 1, int(contiguous)))),
        memory_format
        if memory_format is not None and "channels_last" in repr(memory_format)
        else None,
    )


@_method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself when row-major, else a row-major copy."""
    if memory_format is not None and "channels_last" in repr(memory_format):
        if self.is_contiguous(memory_format=memory_format):
            return self
        order = (0, *range(2, self.ndim), 1)
        back = tuple(order.index(d) for d in range(self.ndim))
        return self.permute(*order).contiguous().permute(*back)
    if lib.ops_flags(self._h) & 1:
        return self
    return _keep_node(self, check(lib.ops_convert_to(self._h, -1, -1, 1, 1)))


# Writing -----------------------------------------------------------------------------------------


def _r_copy(n: list[Any], g: Tensor) -> tuple[Any, ...]:
    from ._core import reduce_to

    before = None if n[2] is None else g * 0
    return before, None if n[3] is None else reduce_to(g, n[-1])


_b_copy = raw(_r_copy)
attach(_b_copy, _r_copy, "CopyBackwards", 2)


@_method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Overwrite with the (broadcast, converted) values of ``src``."""
    from ._core import as_operand

    src = as_operand(src)
    if self._node is not None:
        check_inplace(self)
    stamp = seq()
    if src._node is not None and lib.ops_is_stale(src._h):
        from .autograd.views import refresh

        refresh(src)
    old = self._node
    if grad_enabled() and (src._node is not None or old is not None):
        _fresh(self)
        _check_view_leaf(self)
        check(lib.ops_copy(self._h, src._h, -stamp))
        return rebase(
            self, [stamp, _b_copy, self._node, src._node, (src.shape, lib.ops_dtype(src._h))]
        )
    check(lib.ops_copy(self._h, src._h, -stamp))
    return self


def _fresh(t: Tensor) -> None:
    if lib.ops_is_stale(t._h):
        from .autograd.views import refresh

        refresh(t)


def _check_view_leaf(t: Tensor) -> None:
    base = _base_of(t)
    if base is not None and base._node.__class__ is Leaf:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def _r_fill(n: list[Any], g: Tensor) -> tuple[Any, ...]:
    return (g * 0,)


_b_fill = raw(_r_fill)
attach(_b_fill, _r_fill, "FillBackward", 1)


@_method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite with one value."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."  # noqa: E501
            )
        return self.copy_(value)
    if self._node is not None:
        check_inplace(self)
        _fresh(self)
    stamp = seq()
    check(lib.ops_fill(self._h, *scalar(value), -stamp))
    if self._node is not None and grad_enabled():
        return rebase(self, [stamp, _b_fill, self._node])
    return self


@_method
def zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros."""
    return self.fill_(0)


# Shared memory -----------------------------------------------------------------------------------


@_method
def share_memory_(self: Tensor) -> Tensor:
    """Move the elements to memory that other processes can map; returns the tensor."""
    from .multiprocessing import reductions

    reductions.share(self)
    return self


@_method
def is_shared(self: Tensor) -> bool:
    """Can other processes map the elements?"""
    from .multiprocessing import reductions

    return reductions.is_shared(self)
