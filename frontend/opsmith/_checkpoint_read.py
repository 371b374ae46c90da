"""Reading a checkpoint's pickle and storages.

Nothing that the file says is trusted: sizes, strides and offsets are checked against the storages
before memory is looked at.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import io
import math
import pickle
import re
import struct
import zipfile
import zlib
from collections import OrderedDict
from typing import Any

import numpy as np

import opsmith
from opsmith import Tensor
from opsmith._checkpoint_write import STORAGES, dtype_name
from opsmith._dtypes import NAMES, as_bits

__all__ = ["Reader"]

_CHUNK = 1 << 20  # bytes read at a time
# What zipfile raises on damaged archives
_DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)
# How PyTorch names dtypes, ours among them: of the others, an error says what is missing
_DTYPE = re.compile(r"(bool|b?float\d+|u?int\d+|complex\d+)(_e\d+m\d+\w*)?")
# Classes that weights_only allows, besides tensors; all are made of plain data
_PLAIN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): collections.Counter,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "complex"): complex,
    ("builtins", "slice"): slice,
}


class _StorageClass:
    """Stands for one of PyTorch's storage classes."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: str | None) -> None:
        self.dtype = dtype


class _Flat:
    """A storage: its key in the archive and the dtype it was saved with, if it had one."""

    __slots__ = ("dtype", "key", "location", "nbytes")

    def __init__(self, key: str, location: str, dtype: str | None, nbytes: int) -> None:
        self.key = key
        self.location = location
        self.dtype = dtype
        self.nbytes = nbytes


def _item(dtype: str) -> tuple[Any, str]:
    """(opsmith's dtype, the NumPy dtype to read it as)."""
    own = NAMES.get(dtype)
    if own is None:
        raise RuntimeError(f"load: the dtype {dtype} is not supported")
    return own, np.dtype(own.numpy or as_bits(own).numpy).str[1:]


class Reader:
    """One archive.

    Args:
        archive: the zip archive.
        file: the file under it, if storages are to be mapped; else None.
        place: what errors call the file.
        map_location: see `load`.

    Raises:
        RuntimeError: a record is missing.
    """

    def __init__(self, archive: zipfile.ZipFile, file: Any, place: str, map_location: Any) -> None:
        """Find the records."""
        self.archive = archive
        self.file = file
        self.place = place
        self.map_location = map_location
        names = archive.namelist()
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if not pickles:
            raise self.error(f"has no record data.pkl, found {names[:5]}")
        self.root = pickles[0].partition("/")[0]
        if f"{self.root}/constants.pkl" in names:
            raise self.error("is a TorchScript archive, expected a checkpoint")
        self.order = "<"
        if f"{self.root}/byteorder" in names:
            order = self.record("byteorder").tobytes()
            if order not in (b"little", b"big"):
                raise self.error(f"has byteorder {order!r}, expected little or big")
            self.order = "<" if order == b"little" else ">"
        self.buffers: dict[str, Any] = {}
        self.tensors: dict[tuple[str, str], Tensor] = {}

    def error(self, text: str) -> RuntimeError:
        """An error about this file."""
        return RuntimeError(f"load: {self.place} {text}")

    def record(self, name: str) -> Any:
        """A record's bytes, as a NumPy array that can be written to."""
        try:
            info = self.archive.getinfo(f"{self.root}/{name}")
        except KeyError:
            raise self.error(f"has no record {name}") from None
        if self.file is not None and info.compress_type == zipfile.ZIP_STORED and info.file_size:
            return self._mapped(info)
        out = np.empty(info.file_size, "u1")
        view, done = memoryview(out), 0
        try:
            with self.archive.open(info) as source:
                while count := source.readinto(view[done : done + _CHUNK]):  # type: ignore[attr-defined]
                    done += count
        except _DAMAGE as error:
            raise self.error(f"is damaged in the record {name} ({error})") from None
        if done != info.file_size:
            raise self.error(f"is cut short in the record {name}")
        return out

    def _mapped(self, info: zipfile.ZipInfo) -> Any:
        self.file.seek(info.header_offset + 26)
        name, extra = (int.from_bytes(self.file.read(2), "little") for _ in range(2))
        start = info.header_offset + 30 + name + extra
        return np.memmap(self.file, "u1", "c", start, (info.file_size,))

    def pickle(self) -> io.BytesIO:
        """The record data.pkl."""
        file, self.file = self.file, None  # mapping is for storages
        try:
            return io.BytesIO(self.record("data.pkl").tobytes())
        finally:
            self.file = file

    def load_trusted(self, **options: Any) -> Any:
        """The object; the file may run any code."""
        return self._guarded(_Trusting(self.pickle(), self, **options))

    def load_restricted(self, safe: list[Any]) -> Any:
        """The object, made of plain data, tensors and what `safe` names."""
        return self._guarded(_Restricted(self.pickle(), self, safe))

    def _guarded(self, unpickler: Any) -> Any:
        try:
            return unpickler.load()
        except (EOFError, IndexError, KeyError, UnicodeDecodeError, ValueError) as error:
            raise self.error(f"has a damaged pickle ({type(error).__name__}: {error})") from error

    def storage(self, identity: Any) -> _Flat:
        """What a persistent id stands for."""
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
            raise self.error(f"refers to {identity!r}, expected a storage")
        _, cls, key, location, count = identity[:5]
        if not isinstance(cls, _StorageClass) or not isinstance(count, int) or count < 0:
            raise self.error(f"refers to {identity!r}, expected a storage class and a size")
        size = 1 if cls.dtype is None else np.dtype(_item(cls.dtype)[1]).itemsize
        return _Flat(str(key), str(location), cls.dtype, count * size)

    def flat(self, storage: _Flat, dtype: str) -> Tensor:
        """A storage as a tensor (n) of a dtype; the same memory each time."""
        found = self.tensors.get((storage.key, dtype))
        if found is not None:
            return found
        buffer = self.buffers.get(storage.key)
        if buffer is None:
            buffer = self.record(f"data/{storage.key}")
            if buffer.nbytes < storage.nbytes:
                raise self.error(
                    f"has {buffer.nbytes} bytes in the record data/{storage.key}, expected "
                    f"{storage.nbytes}"
                )
            self.buffers[storage.key] = buffer
        own, item = _item(dtype)
        array = buffer[: storage.nbytes].view(self.order + item)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        tensor = opsmith.from_numpy(array)
        if tensor.dtype != own:
            tensor = tensor.view(own)
        tensor = self._placed(tensor, storage.location)
        self.tensors[storage.key, dtype] = tensor
        return tensor

    def _placed(self, tensor: Tensor, location: str) -> Tensor:
        wanted = self.map_location
        if isinstance(wanted, dict):
            wanted = wanted.get(location, location)
        elif callable(wanted):
            result = wanted(tensor, location)
            if isinstance(result, Tensor):
                return result
            wanted = location
        target = opsmith.device(location if wanted is None else wanted)
        if target.type == "cpu":
            return tensor
        if target.type == "cuda" and not opsmith.cuda.is_available():
            raise RuntimeError(
                "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() "
                "is False. If you are running on a CPU-only machine, please use torch.load with "
                "map_location=torch.device('cpu') to map your storages to the CPU."
            )
        return tensor.to(target)

    def tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, dtype: str | None = None
    ) -> Tensor:
        """A view of a storage, if it lies within it."""
        if not isinstance(storage, _Flat):
            raise self.error(f"makes a tensor of {type(storage).__name__}, expected a storage")
        dtype = dtype or storage.dtype
        if dtype is None:
            raise self.error("makes a tensor of a storage without a dtype")
        numbers = (offset, *size, *stride)
        if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
            raise self.error(f"has a tensor of size {size}, stride {stride}, offset {offset}")
        flat = self.flat(storage, dtype)
        end = offset + 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if math.prod(size) and end > flat.numel():
            raise self.error(
                f"has a tensor of size {size}, stride {stride}, offset {offset} in a storage of "
                f"{flat.numel()} elements"
            )
        if not math.prod(size):
            return opsmith.empty(tuple(size), dtype=flat.dtype, device=flat.device)
        return opsmith.as_strided(flat, tuple(size), tuple(stride), offset).detach()

    # What the pickle may call; bound methods, which a pickle cannot alter

    def rebuild_tensor(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any = False,
        hooks: Any = None,
        metadata: Any = None,
    ) -> Tensor:
        """PyTorch's `_rebuild_tensor` and `_rebuild_tensor_v2`."""
        tensor = self.tensor(storage, offset, size, stride)
        return tensor.requires_grad_() if requires_grad else tensor

    def rebuild_tensor_v3(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Tensor:
        """PyTorch's `_rebuild_tensor_v3`: the storage is bytes."""
        tensor = self.tensor(storage, offset, size, stride, dtype_name(dtype))
        return tensor.requires_grad_() if requires_grad else tensor

    def rebuild_parameter(
        self, data: Any, requires_grad: Any, hooks: Any = None, state: Any = None
    ) -> Any:
        """PyTorch's `_rebuild_parameter`."""
        from opsmith.nn.parameter import Parameter

        if not isinstance(data, Tensor):
            raise self.error(f"makes a parameter of {type(data).__name__}")
        return Parameter(data, requires_grad=bool(requires_grad))

    def known(self, module: str, name: str) -> Any:
        """What one of PyTorch's names means here; None if nothing."""
        if module == "torch._utils":
            return {
                "_rebuild_tensor": self.rebuild_tensor,
                "_rebuild_tensor_v2": self.rebuild_tensor,
                "_rebuild_tensor_v3": self.rebuild_tensor_v3,
                "_rebuild_parameter": self.rebuild_parameter,
                "_rebuild_parameter_with_state": self.rebuild_parameter,
            }.get(name)
        if module in ("torch", "torch.storage"):
            if name in STORAGES:
                return _StorageClass(STORAGES[name])
            if name == "UntypedStorage":
                return _StorageClass(None)
            if _DTYPE.fullmatch(name):
                return _item(name)[0]
            if name in ("Size", "device"):
                return getattr(opsmith, name)
        return None


class _Trusting(pickle.Unpickler):
    """Follows any name; PyTorch's mean ours."""

    def __init__(self, file: Any, reader: Reader, **options: Any) -> None:
        super().__init__(file, **options)
        self.reader = reader

    def persistent_load(self, pid: Any) -> Any:
        return self.reader.storage(pid)

    def find_class(self, module: str, name: str) -> Any:
        found = self.reader.known(module, name)
        if found is not None:
            return found
        if module == "torch" or module.startswith("torch."):
            with contextlib.suppress(ImportError, AttributeError):
                owner: Any = importlib.import_module("opsmith" + module[len("torch") :])
                for part in name.split("."):
                    owner = getattr(owner, part)
                return owner
        return super().find_class(module, name)


class _Restricted(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """Makes plain data, tensors, and instances of allowed classes; anything else is an error.

    Written on the unpickler in Python, whose single instructions can be replaced.
    """

    dispatch = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]
    for _code in (b"i", b"o", b"\x81", b"\x92", b"\x82", b"\x83", b"\x84"):
        dispatch.pop(_code[0], None)  # INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1, EXT2, EXT4

    def __init__(self, file: Any, reader: Reader, safe: list[Any]) -> None:
        super().__init__(file)
        self.reader = reader
        self.safe: dict[str, Any] = {}
        for entry in safe:
            value, path = entry if isinstance(entry, tuple) else (entry, None)
            self.safe[path or f"{value.__module__}.{value.__qualname__}"] = value
        self.callables: list[Any] = []

    def load(self) -> Any:
        try:
            return super().load()
        except KeyError as error:  # the unpickler's own words for an instruction it lacks
            raise _refused(f"unsupported instruction or reference {error}") from None

    def persistent_load(self, pid: Any) -> Any:
        return self.reader.storage(pid)

    def find_class(self, module: str, name: str) -> Any:
        if module == "__builtin__":
            module = "builtins"
        found = self.safe.get(f"{module}.{name}")
        if found is None:
            found = _PLAIN.get((module, name)) or self.reader.known(module, name)
        if found is None and (module, name) == ("_codecs", "encode"):
            found = self._encode
        if found is None:
            raise _refused(
                f"Unsupported global: GLOBAL {module}.{name} was not an allowed global by "
                "default. Please use `torch.serialization.add_safe_globals` to allowlist it if "
                "you trust this class or function, or pass weights_only=False if you trust the "
                "whole file"
            )
        self.callables.append(found)
        return found

    @staticmethod
    def _encode(text: str, encoding: str = "latin1") -> bytes:
        if encoding != "latin1":
            raise _refused(f"bytes in the encoding {encoding}")
        return text.encode("latin1")

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not any(function is known for known in self.callables) or not callable(function):
            raise _refused(f"a call of {type(function).__name__}")
        self.stack[-1] = function(*arguments)

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self) -> None:
        arguments = self.stack.pop()
        cls = self.stack.pop()
        allowed = any(cls is known for known in self.safe.values()) or cls in _PLAIN.values()
        if not isinstance(cls, type) or not allowed:
            raise _refused(f"a new object of {cls!r}")
        self.append(cls.__new__(cls, *arguments))

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is OrderedDict and isinstance(state, dict):
            target.__dict__.update(state)
        elif any(type(target) is known for known in self.safe.values()):
            setter = getattr(target, "__setstate__", None)
            if setter is not None:
                setter(state)
            else:
                target.__dict__.update(state)
        else:
            raise _refused(f"a state for {type(target).__name__}")

    dispatch[pickle.BUILD[0]] = load_build


def _refused(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"Weights only load failed: {what}")
