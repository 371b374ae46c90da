"""Storages: the flat memory under tensors, as PyTorch shows it."""

from __future__ import annotations

from . import _functions as f
from ._boundary import lib
from ._core import Tensor
from ._create import empty, tensor
from ._dtypes import DTYPES, NAMES, dtype, uint8
from ._methods import view_as_dtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_NAMES = {f"{d.scalar}Storage": d for d in DTYPES if d.typed}


class UntypedStorage:
    """Bytes: ``UntypedStorage(n)``, ``UntypedStorage(bytes)``, ``tensor.untyped_storage()``."""

    __slots__ = ("__weakref__", "_bytes")

    def __init__(self, source: Any = 0, *, device: Any = None) -> None:
        """``source``: a number of bytes, a sequence of them, or a tensor to look under."""
        if isinstance(source, Tensor):
            have = lib.ops_storage_bytes(source._h) // source.itemsize
            whole = f.as_strided(source.detach(), (have,), (1,), 0)
            self._bytes = view_as_dtype(whole, uint8)
        elif hasattr(source, "__index__"):
            self._bytes = empty(source, dtype=uint8, device=device)
        else:
            self._bytes = tensor(list(source), dtype=uint8, device=device)

    def tensor(self, d: dtype) -> Tensor:
        """All of it as a vector of a dtype, without a copy."""
        whole = self.nbytes() // d.itemsize
        return view_as_dtype(self._bytes[: whole * d.itemsize], d)

    def nbytes(self) -> int:
        """Number of bytes."""
        return self._bytes.numel()

    size = __len__ = nbytes

    def element_size(self) -> int:
        """Of one byte: 1."""
        return 1

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return self._bytes.data_ptr()

    @property
    def device(self) -> Any:
        """Where it lives."""
        return self._bytes.device

    @property
    def is_cuda(self) -> bool:
        """Does it live on a GPU?"""
        return self._bytes.is_cuda

    def is_shared(self) -> bool:
        """Is the memory one that other processes see?"""
        return self._bytes.is_shared()

    def is_pinned(self, device: Any = None) -> bool:
        """Memory is pageable."""
        return False

    def tolist(self) -> list[Any]:
        """The values as Python numbers."""
        return self._bytes.tolist()

    def clone(self) -> UntypedStorage:
        """A copy."""
        return UntypedStorage(self._bytes.clone())

    def cpu(self) -> UntypedStorage:
        """The storage itself where it is on the CPU, else a copy there."""
        return self if self.device.type == "cpu" else UntypedStorage(self._bytes.cpu())

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> UntypedStorage:
        """Overwrite with another storage's bytes."""
        self._bytes.copy_(source._bytes)
        return self

    def fill_(self, value: int) -> UntypedStorage:
        """Overwrite with one value."""
        self._bytes.fill_(value)
        return self

    def untyped(self) -> UntypedStorage:
        """Itself."""
        return self

    def __getitem__(self, key: Any) -> Any:
        found = self._bytes[key]
        return UntypedStorage(found.clone()) if isinstance(key, slice) else found.item()

    def __setitem__(self, key: Any, value: Any) -> None:
        self._bytes[key] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self.data_ptr() == other.data_ptr()

    def __hash__(self) -> int:
        return hash(self.data_ptr())

    def __deepcopy__(self, memo: Any) -> UntypedStorage:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return UntypedStorage, (bytes(self.tolist()),)

    def __repr__(self) -> str:
        return _shown(self, f"torch.storage.UntypedStorage(device={self.device})")


class _ByDtype(type):
    """``isinstance(storage, FloatStorage)`` asks for the dtype."""

    def __instancecheck__(cls, instance: object) -> bool:
        own = cls.__dict__.get("dtype")
        if not isinstance(own, dtype):
            return type.__instancecheck__(cls, instance)
        return isinstance(instance, TypedStorage) and instance.dtype is own


class TypedStorage(metaclass=_ByDtype):
    """Elements of a dtype: ``tensor.storage()``, ``FloatStorage(3)``, ``FloatStorage([1.])``."""

    __slots__ = ("__weakref__", "_elements", "dtype")

    def __init__(self, source: Any = 0, *, wrap_storage: Any = None, dtype: Any = None,
                 device: Any = None) -> None:  # fmt: skip
        """``source``: how many elements, a sequence of them, or a tensor to look under."""
        chosen = dtype or type(self).__dict__.get("dtype")
        chosen = chosen if hasattr(chosen, "itemsize") else NAMES["float32"]
        if wrap_storage is not None:
            self._elements = wrap_storage.tensor(chosen)
        elif isinstance(source, Tensor):
            chosen = source.dtype
            self._elements = UntypedStorage(source).tensor(chosen)
        elif hasattr(source, "__index__"):
            self._elements = empty(source, dtype=chosen, device=device)
        else:
            self._elements = tensor(list(source), dtype=chosen, device=device)
        object.__setattr__(self, "dtype", chosen)

    def tensor(self, d: dtype) -> Tensor:
        """All of it as a vector of a dtype, without a copy."""
        return self._elements if d is self.dtype else UntypedStorage(self._elements).tensor(d)

    def untyped(self) -> UntypedStorage:
        """The bytes under it."""
        return UntypedStorage(self._elements)

    def size(self) -> int:
        """Number of elements."""
        return self._elements.numel()

    __len__ = size

    def nbytes(self) -> int:
        """Number of bytes."""
        return self._elements.nbytes

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._elements.data_ptr()

    @property
    def device(self) -> Any:
        """Where it lives."""
        return self._elements.device

    def is_shared(self) -> bool:
        """Is the memory one that other processes see?"""
        return self._elements.is_shared()

    def type(self) -> str:
        """PyTorch's name of its class."""
        return f"torch.{self.dtype.scalar}Storage"

    def tolist(self) -> list[Any]:
        """The values as Python numbers."""
        return self._elements.tolist()

    def clone(self) -> TypedStorage:
        """A copy."""
        return TypedStorage(self._elements.clone())

    def copy_(self, source: Any, non_blocking: bool = False) -> TypedStorage:
        """Overwrite with another storage's values, converted."""
        self._elements.copy_(source.tensor(source.dtype))
        return self

    def fill_(self, value: Any) -> TypedStorage:
        """Overwrite with one value."""
        self._elements.fill_(value)
        return self

    def __getitem__(self, key: Any) -> Any:
        found = self._elements[key]
        return TypedStorage(found.clone()) if isinstance(key, slice) else found.item()

    def __setitem__(self, key: Any, value: Any) -> None:
        self._elements[key] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and self.untyped() == other.untyped()

    def __hash__(self) -> int:
        return hash(self.data_ptr())

    def __deepcopy__(self, memo: Any) -> TypedStorage:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return _typed, (self.tolist(), self.dtype)

    def __repr__(self) -> str:
        return _shown(self, f"torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})")


def _typed(values: list[Any], d: dtype) -> TypedStorage:
    return TypedStorage(values, dtype=d)


def _shown(storage: Any, head: str) -> str:
    if storage.device.type == "meta":
        return f"...\n[{head} of size {len(storage)}]"
    return "\n".join([*(f" {v}" for v in storage), f"[{head} of size {len(storage)}]"])


def __getattr__(name: str) -> Any:
    """``FloatStorage`` and the like, made on first use."""
    if name not in _NAMES:
        raise AttributeError(f"module 'opsmith.storage' has no attribute '{name}'")
    made = _ByDtype(name, (TypedStorage,), {"dtype": _NAMES[name], "__module__": "opsmith"})
    globals()[name] = made
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})


__all__ = ["TypedStorage", "UntypedStorage"]
