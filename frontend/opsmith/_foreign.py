"""Tensors over memory that others own: NumPy's arrays, buffers, DLPack, files."""

from __future__ import annotations

from ._boundary import ffi, lib
from ._core import Tensor, wrap
from ._create import finish, get_default_dtype, tensor
from ._dtypes import BY_NUMPY, dtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def as_tensor(data: Any, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """The data as a tensor, without copying when it already fits."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype or data.dtype, device=device)
    if type(data).__module__ == "numpy" and hasattr(data, "__array_interface__") and data.ndim:
        t = from_numpy(data)
        return t if dtype is None and device is None else t.to(dtype=dtype, device=device)
    return tensor(data, dtype=dtype, device=device)


def asarray(obj: Any, *, dtype: dtype | None = None, device: Any = None, copy: bool | None = None,
            requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The object as a tensor: sharing its memory where that is possible, and ``copy`` allows it.

    Raises:
        ValueError: with ``copy=False``, the memory cannot be shared.
    """
    shares = isinstance(obj, Tensor) or hasattr(obj, "__array_interface__") and obj.ndim
    if isinstance(obj, Tensor):
        t = obj if requires_grad == obj.requires_grad else obj.detach()
    elif shares:
        t = from_numpy(obj)
    elif hasattr(obj, "__dlpack__"):
        t, shares = from_dlpack(obj), True
    elif _is_buffer(obj):
        t, shares = frombuffer(obj, dtype=dtype or get_default_dtype()), True
    else:
        t = tensor(obj, dtype=dtype, device=device)
    moved = t.to(dtype=dtype, device=device)
    if copy is False and not (shares and moved is t):
        raise ValueError("can't alias tensor with the given dtype, device or kind of object")
    if copy and moved is t and shares:
        moved = moved.clone()
    return finish(moved, True) if requires_grad and not moved.requires_grad else moved


def _is_buffer(obj: Any) -> bool:
    try:
        memoryview(obj)
    except TypeError:
        return False
    return True


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares memory with an object of another library, by the DLPack protocol."""
    import numpy as np

    if isinstance(ext_tensor, Tensor):
        return ext_tensor.clone() if copy else ext_tensor.view_as(ext_tensor)
    try:
        array = np.from_dlpack(ext_tensor)
    except (BufferError, RuntimeError, TypeError) as e:
        raise RuntimeError(f"from_dlpack(): {e}") from None
    return from_numpy(array.copy() if copy else array)


def from_file(filename: str, shared: bool | None = None, size: int = 0, *,
              dtype: dtype | None = None, layout: Any = None, device: Any = None,
              requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A vector over a file's bytes; ``shared``: what is written to it goes to the file."""
    import mmap

    kind = dtype or get_default_dtype()
    nbytes = size * kind.itemsize
    try:
        file = open(filename, "r+b" if shared else "rb")
    except OSError as e:
        raise RuntimeError(f"unable to open file <{filename}>: {e.strerror}") from None
    with file:
        if shared:
            file.seek(0, 2)
            if file.tell() < nbytes:
                file.truncate(nbytes)
        access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
        memory = mmap.mmap(file.fileno(), nbytes, access=access) if nbytes else bytearray()
    return frombuffer(memory, dtype=kind, count=size, requires_grad=requires_grad)


_OWNERS: dict[float, Any] = {}
_next_owner = 1.0


@ffi.callback("void(double)")
def _release(key: float) -> None:
    _OWNERS.pop(key, None)


def _adopt(owner: Any, d: dtype, address: int, shape: Any, strides: Any, readonly: bool) -> Tensor:
    """A tensor over foreign memory, which lives as long as the tensor's storage."""
    global _next_owner
    key = _next_owner
    _next_owner += 1.0
    h = lib.ops_from_foreign(
        d.code,
        ffi.cast("char *", address),
        int(readonly),
        len(shape),
        list(shape) or [0],
        list(strides) or [0],
        key,
        _release,
    )
    _OWNERS[key] = owner
    if not h:
        del _OWNERS[key]
    return wrap(h)


def from_numpy(array: Any) -> Tensor:
    """A tensor that shares memory with a NumPy array.

    Raises:
        TypeError: for other objects and dtypes opsmith lacks.
        ValueError: for strides that are no multiple of the item size.
    """
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    d = BY_NUMPY.get(array.dtype.name)
    if d is None or array.dtype.byteorder == ">":
        raise TypeError(
            f"can't convert np.ndarray of type {array.dtype}. The only supported types are: "
            f"{', '.join(BY_NUMPY)}."
        )
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a copy "  # noqa: E501
            "of your array with array.copy().)"
        )
    if any(s % array.itemsize for s in array.strides):
        raise ValueError("given numpy array strides not a multiple of the element byte size")
    strides = [s // array.itemsize for s in array.strides]
    return _adopt(
        array,
        d,
        array.__array_interface__["data"][0],
        array.shape,
        strides,
        not array.flags.writeable,
    )


def frombuffer(
    buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-d tensor over an object with the buffer protocol."""
    view = memoryview(buffer)
    n = (view.nbytes - offset) // dtype.itemsize if count < 0 else count
    if count < 0 and (view.nbytes - offset) % dtype.itemsize:
        raise ValueError(
            f"buffer length ({view.nbytes - offset} bytes) after offset ({offset} bytes) must be a "
            f"multiple of element size ({dtype.itemsize})"
        )
    if n < 0 or offset + n * dtype.itemsize > view.nbytes:
        raise ValueError(
            f"requested buffer length ({n} * {dtype.itemsize} bytes) after offset ({offset} bytes) must not be greater than actual buffer length ({view.nbytes} bytes)"  # noqa: E501
        )
    c = ffi.from_buffer(view)
    address = int(ffi.cast("intptr_t", c)) + offset
    return finish(_adopt((c, view), dtype, address, (n,), (1,), view.readonly), requires_grad)
