"""Methods of Tensor that are not operations: construction, metadata, tensors alike, pickling.

What concerns gradients, values and copies stands in ``_tensor_*.py``; operations become methods in
``_methods.py``, from the generated index.
"""

from __future__ import annotations

from ._boundary import SUBCLASS, ffi, lib
from ._core import Tensor, alias, no_overrides, wrap
from ._dtypes import DEVICES, DTYPES, dtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _method(fn: Callable[..., Any]) -> Callable[..., Any]:
    setattr(Tensor, fn.__name__, fn)
    fn.__qualname__ = f"Tensor.{fn.__name__}"
    return fn


def _property(fn: Callable[..., Any]) -> Callable[..., Any]:
    setattr(Tensor, fn.__name__, property(fn))
    return fn


# Construction ------------------------------------------------------------------------------------


def _new(cls: type, *args: Any, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """``Tensor(2, 3)`` is uninitialised, ``Tensor([..])`` holds data in the default dtype."""
    from ._create import get_default_dtype
    from ._legacy import build

    whole = len(args) == 1 and isinstance(args[0], Tensor)  # of any dtype, for subclasses
    t = alias(args[0]._h) if whole else build(get_default_dtype(), args, device)
    return t if cls is Tensor else Tensor._make_subclass(cls, t)


def _init(self: Tensor, *args: Any, **kwargs: Any) -> None:
    """All is done by ``__new__``."""


_allocate = Tensor.__new__ if Tensor.__new__ is not object.__new__ else object.__new__
Tensor.__new__ = staticmethod(_new)  # type: ignore[method-assign, assignment]
Tensor.__init__ = _init  # type: ignore[method-assign]


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
    """An instance of a subclass that shares ``data``'s storage and version."""
    t = _allocate(cls)
    t._h = lib.ops_alias(data._h)
    t._node = t._shape = t._view = None
    if cls.__torch_function__ is not no_overrides:  # type: ignore[attr-defined]
        lib.ops_set_flag(t._h, SUBCLASS, 1)
    if require_grad:
        t.requires_grad_(True)
    return t


Tensor._make_subclass = staticmethod(_make_subclass)  # type: ignore[attr-defined]


def _torch_function(
    cls: type, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
) -> Any:
    """The plain call, whose results become instances of ``cls``; for subclasses to extend."""
    from .overrides import default

    return default(cls, func, types, args, kwargs)


def _init_subclass(cls: type, **kwargs: Any) -> None:
    """Subclasses see the methods that are written in Python, unless they take no calls over."""
    super(Tensor, cls).__init_subclass__(**kwargs)
    if cls.__torch_function__ is not no_overrides:  # type: ignore[attr-defined]
        from .overrides import guard

        guard(cls)


Tensor.__torch_function__ = classmethod(_torch_function)  # type: ignore[attr-defined]
Tensor.__init_subclass__ = classmethod(_init_subclass)  # type: ignore[assignment]


@_method
def as_subclass(self: Tensor, cls: type) -> Any:
    """The same data and graph as an instance of ``cls``."""
    t = _make_subclass(cls, self)
    t._node = self._node
    t._h = -t._h if self._node is not None else t._h
    return t


# Metadata ----------------------------------------------------------------------------------------


@_property
def dtype_(self: Tensor) -> dtype:
    """The type of the elements."""
    return DTYPES[lib.ops_dtype(self._h)]


Tensor.dtype = property(lambda self: DTYPES[lib.ops_dtype(self._h)])  # type: ignore[attr-defined]
del Tensor.dtype_  # type: ignore[attr-defined]
Tensor.device = property(lambda self: DEVICES[lib.ops_device(self._h)])  # type: ignore[attr-defined]
_ndim = lib.ops_ndim  # a global is read faster than an attribute of the library
Tensor.ndim = property(lambda self: _ndim(self._h))  # type: ignore[attr-defined]
Tensor.itemsize = property(lambda self: lib.ops_itemsize_of(self._h))  # type: ignore[attr-defined]
Tensor.nbytes = property(lambda self: lib.ops_itemsize_of(self._h) * lib.ops_numel(self._h))  # type: ignore[attr-defined]
Tensor._version = property(lambda self: lib.ops_version_of(self._h))  # type: ignore[attr-defined]
Tensor.is_cuda = property(lambda self: lib.ops_device(self._h) == 2)  # type: ignore[attr-defined]
Tensor.is_meta = property(lambda self: lib.ops_device(self._h) == 1)  # type: ignore[attr-defined]
Tensor.is_cpu = property(lambda self: lib.ops_device(self._h) == 0)  # type: ignore[attr-defined]
for _name in (
    "is_sparse",
    "is_quantized",
    "is_nested",
    "is_mkldnn",
    "is_sparse_csr",
    "is_mps",
    "is_xpu",
):
    setattr(Tensor, _name, False)
Tensor.names = property(lambda self: (None,) * self.ndim)  # type: ignore[attr-defined]


@_property
def layout(self: Tensor) -> Any:
    """Always ``strided``."""
    from ._dtypes import strided

    return strided


@_method
def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or one of its sizes."""
    if dim is None:
        return self.shape
    n = self.ndim
    if not -max(n, 1) <= dim < max(n, 1) or n == 0:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-max(n, 1)}, {max(n, 1) - 1}], but got {dim})"  # noqa: E501
        )
    return self.shape[dim]


@_method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Steps between neighbours along each dim, in elements."""
    n = self.ndim
    strides = tuple(ffi.unpack(lib.ops_strides(self._h), n)) if n else ()
    return strides if dim is None else strides[dim]


@_method
def dim(self: Tensor) -> int:
    """Number of dimensions."""
    return lib.ops_ndim(self._h)


Tensor.ndimension = dim  # type: ignore[attr-defined]


@_method
def numel(self: Tensor) -> int:
    """Number of elements."""
    return lib.ops_numel(self._h)


Tensor.nelement = numel  # type: ignore[attr-defined]


@_method
def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return lib.ops_itemsize_of(self._h)


@_method
def storage_offset(self: Tensor) -> int:
    """Position of the first element in the storage, in elements."""
    return lib.ops_storage_offset(self._h)


@_method
def data_ptr(self: Tensor) -> int:
    """Address of the first element."""
    return lib.ops_data_pointer(self._h)


@_method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Row-major without gaps?"""
    if memory_format is not None and "channels_last" in repr(memory_format):
        n = self.ndim
        order = (0, *range(2, n), 1)
        step = 1
        for d in reversed(order):
            if self.shape[d] != 1 and self.stride(d) != step:
                return False
            step *= self.shape[d]
        return n in (4, 5)
    return bool(lib.ops_flags(self._h) & 1)


@_method
def is_floating_point(self: Tensor) -> bool:
    """Is the dtype a float?"""
    return DTYPES[lib.ops_dtype(self._h)].is_floating_point


@_method
def is_complex(self: Tensor) -> bool:
    """Complex dtypes do not exist yet."""
    return False


@_method
def is_signed(self: Tensor) -> bool:
    """Can the dtype hold negative numbers?"""
    return DTYPES[lib.ops_dtype(self._h)].is_signed


@_method
def is_inference(self: Tensor) -> bool:
    """Inference tensors are ordinary tensors here."""
    return False


@_method
def is_set_to(self: Tensor, other: Tensor) -> bool:
    """Same storage, offset, shape and strides?"""
    return (self.data_ptr(), self.shape, self.stride()) == (
        other.data_ptr(),
        other.shape,
        other.stride(),
    )


@_method
def get_device(self: Tensor) -> int:
    """-1 on the CPU."""
    return -1 if lib.ops_device(self._h) == 0 else 0


# Identity ----------------------------------------------------------------------------------------


@_method
def __deepcopy__(self: Tensor, memo: dict[int, Any]) -> Any:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment."  # noqa: E501
        )
    if id(self) in memo:
        return memo[id(self)]
    t = _own_memory(self, memo)
    if self.__class__ is not Tensor:
        t = _make_subclass(self.__class__, t)
    t.requires_grad_(self.requires_grad)
    import copy

    if self.grad is not None:
        t.grad = copy.deepcopy(self.grad, memo)
    t.__dict__.update(
        copy.deepcopy({k: v for k, v in self.__dict__.items() if k != "_kept_grad"}, memo)
    )
    memo[id(self)] = t
    return t


def _own_memory(t: Tensor, memo: dict[Any, Any]) -> Tensor:
    """The elements in the same place of a copy of the storage, of which there is one in a memo."""
    if t.is_meta or not t.is_cpu or t.numel() == 0:
        return t.detach().clone()
    storage = t.untyped_storage()
    key = ("opsmith.storage", storage.data_ptr())
    if key not in memo:
        memo[key] = storage.clone()
    return t.detach().new_empty(0).set_(memo[key], t.storage_offset(), t.shape, t.stride())


@_method
def __copy__(self: Tensor) -> Any:
    t = self.as_subclass(self.__class__) if self.__class__ is not Tensor else alias(self._h)
    t._node = self._node
    t._h = -abs(t._h) if self._node is not None else t._h
    t.__dict__.update(self.__dict__)
    return t


@_method
def __reduce_ex__(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    if not self.is_leaf:
        raise RuntimeError("cannot pickle a Tensor that is part of a graph: detach() it first")
    raw_bytes = self.detach().contiguous()
    data = (
        bytes(ffi.buffer(ffi.cast("char *", raw_bytes.data_ptr()), raw_bytes.nbytes))
        if raw_bytes.numel()
        else b""
    )
    return _rebuild, (
        self.__class__,
        data,
        self.dtype,
        tuple(self.shape),
        self.requires_grad,
        dict(self.__dict__),
    )


def _rebuild(
    cls: type,
    data: bytes,
    d: dtype,
    shape: tuple[int, ...],
    requires_grad: bool,
    state: dict[str, Any],
) -> Any:
    from ._core import ints

    t = wrap(lib.ops_from_block(d.code, d.code, data or b"\0", *ints(shape)))
    if cls is not Tensor:
        t = _make_subclass(cls, t)
    t.requires_grad_(requires_grad)
    t.__dict__.update(state)
    return t
