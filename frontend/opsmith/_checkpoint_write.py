"""The pickle of a checkpoint, and the storages it refers to.

A tensor is pickled as a call of PyTorch's `_rebuild_tensor_v2` on a storage's number. Storages have
no object of their own here: tensors are taken to share one if the addresses of their first
elements, less their offsets, agree. How far a storage reaches is known once all its tensors are.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith._dtypes import DTYPES, as_bits

__all__ = ["STORAGES", "Writer"]

# PyTorch's storage classes and their dtypes; other dtypes are stored as bytes
STORAGES = {
    **{f"{d.scalar}Storage": d._name for d in DTYPES if d.typed},
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}


class _Global:
    """A name that the pickle refers to without our importing it."""

    def __init__(self, module: str, name: str) -> None:
        self.line = f"{module}\n{name}\n".encode()

    def __call__(self) -> None:
        """Pickle wants the first item of a reduction to be callable."""


_REBUILD = _Global("torch._utils", "_rebuild_tensor_v2")
_REBUILD_BYTES = _Global("torch._utils", "_rebuild_tensor_v3")
_REBUILD_PARAMETER = _Global("torch._utils", "_rebuild_parameter")
_DEVICE = _Global("torch", "device")
_SIZE = _Global("torch", "Size")
_BYTES = _Global("torch.storage", "UntypedStorage")
_CLASSES = {dtype: _Global("torch", name) for name, dtype in STORAGES.items()}


def dtype_name(dtype: Any) -> str:
    """`float32` for `opsmith.float32`."""
    return str(dtype).rpartition(".")[2]


class _Data:
    """A parameter's tensor, without its class."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class _Storage:
    """The memory that some tensors share."""

    def __init__(self, key: str, tensor: Tensor) -> None:
        self.key = key
        self.dtype = tensor.dtype
        self.location = str(tensor.device)
        self.extent = 0
        self.widest = tensor

    def cover(self, tensor: Tensor) -> None:
        extent = _extent(tensor)
        if extent > self.extent:
            self.extent, self.widest = extent, tensor

    def data(self) -> memoryview:
        """The bytes."""
        flat = opsmith.as_strided(self.widest, (self.extent,), (1,), 0).cpu()
        if not self.dtype.numpy:
            flat = flat.view(as_bits(self.dtype))
        return memoryview(flat.numpy().view("u1"))


def _extent(tensor: Tensor) -> int:
    """How many elements of its storage a tensor reaches over."""
    if tensor.numel() == 0:
        return 0
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return int(tensor.storage_offset()) + 1 + sum((n - 1) * step for n, step in steps)


class Writer:
    """Pickles an object and collects the storages of its tensors."""

    def __init__(self) -> None:
        """Start without storages."""
        self._storages: dict[Any, _Storage] = {}
        self._alive: list[Any] = []  # else an address could come to mean another tensor

    def dump(self, obj: Any) -> bytes:
        """The pickle. Extents are part of it: if one grew on the way, it is made again."""
        while True:
            before = {key: storage.extent for key, storage in self._storages.items()}
            self._first_seen: dict[str, int] = {}
            buffer = io.BytesIO()
            _Pickler(buffer, self).dump(obj)
            grown = any(
                self._first_seen.get(storage.key, storage.extent) != storage.extent
                for storage in self._storages.values()
            )
            if not grown or before == {k: s.extent for k, s in self._storages.items()}:
                return buffer.getvalue()

    def storages(self) -> Iterator[tuple[str, memoryview]]:
        """(key, bytes) of each storage."""
        for storage in self._storages.values():
            yield storage.key, storage.data()

    def storage_of(self, tensor: Tensor) -> _Storage:
        """The storage of a tensor, made known if it is new.

        Raises:
            RuntimeError: it is known under another dtype.
        """
        address: Any = tensor.data_ptr() - tensor.storage_offset() * tensor.element_size()
        if tensor.numel() == 0:
            address = "empty", dtype_name(tensor.dtype)
        where = (str(tensor.device), address)
        storage = self._storages.get(where)
        if storage is None:
            storage = self._storages[where] = _Storage(str(len(self._storages)), tensor)
        elif storage.dtype != tensor.dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types, found {storage.dtype} and {tensor.dtype}"
            )
        storage.cover(tensor)
        self._first_seen.setdefault(storage.key, storage.extent)
        return storage

    def reduce_tensor(self, tensor: Tensor, requires_grad: bool) -> tuple[Any, ...]:
        """A tensor as a call of PyTorch's rebuilding function."""
        data = tensor.detach()
        if any(step < 0 for step in data.stride()):
            data = data.contiguous()
        self._alive.append(data)
        storage = self.storage_of(data)
        hooks: Any = OrderedDict()
        place = (int(data.storage_offset()), tuple(data.shape), tuple(data.stride()))
        if dtype_name(data.dtype) in _CLASSES:
            return _REBUILD, (storage, *place, requires_grad, hooks)
        return _REBUILD_BYTES, (storage, *place, requires_grad, hooks, data.dtype)


class _Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """A pickler in Python: the one in C would insist on importing PyTorch's names."""

    def __init__(self, file: Any, writer: Writer) -> None:
        super().__init__(file, protocol=2)
        self.writer = writer

    def persistent_id(self, obj: Any) -> Any:
        """What stands for a storage: ("storage", class, key, location, number of elements)."""
        if type(obj) is not _Storage:
            return None
        cls = _CLASSES.get(dtype_name(obj.dtype))
        if cls is None:
            return "storage", _BYTES, obj.key, obj.location, obj.extent * obj.dtype.itemsize
        return "storage", cls, obj.key, obj.location, obj.extent

    def reducer_override(self, obj: Any) -> Any:
        """How our own classes are pickled: under PyTorch's names."""
        cls = type(obj)
        if cls in (int, float, str, dict, tuple, list, bool, type(None)):
            return NotImplemented
        if cls is _Global:
            return "name"
        if cls is _Data:
            return self.writer.reduce_tensor(obj.tensor, False)
        if isinstance(obj, Tensor):
            if _is_parameter(obj):
                data = _Data(obj)
                self.writer._alive.append(data)
                return _REBUILD_PARAMETER, (data, obj.requires_grad, OrderedDict())
            return self.writer.reduce_tensor(obj, obj.requires_grad)
        if isinstance(obj, opsmith.dtype):
            return "name"
        if isinstance(obj, opsmith.device):
            return _DEVICE, (obj.type,) if obj.index is None else (obj.type, obj.index)
        if cls is opsmith.Size:
            return _SIZE, (tuple(obj),)
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a name; ours as it is."""
        if isinstance(obj, opsmith.dtype):
            line = f"torch\n{dtype_name(obj)}\n".encode()
        elif type(obj) is _Global:
            line = obj.line
        else:
            super().save_global(obj, name)
            return
        self.write(pickle.GLOBAL + line)
        self.memoize(obj)


def _is_parameter(obj: Any) -> bool:
    from opsmith.nn.parameter import Parameter

    return isinstance(obj, Parameter)
