"""Making tensors: from Python data, from NumPy, filled, random seeds."""

from __future__ import annotations

from array import array

from . import _places
from ._boundary import check, ffi, lib
from ._core import Leaf, Tensor, device_code, ints, is_number, make, scalar, wrap, write_out
from ._dtypes import (
    BY_NUMPY,
    CPU,
    DTYPES,
    SCALAR_TYPE_NAMES,
    Size,
    bool_,
    default_float,
    dtype,
    float64,
    int64,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_default = default_float
_PYTHON_TYPES = {float: float64, int: int64, bool: bool_}
_DEEPEST = 64  # dims of a tensor


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Choose the dtype of tensors made from Python floats."""
    global _default
    if not (isinstance(d, dtype) and d.is_floating_point):
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _default = d
    lib.ops_set_default_dtype(d.code)


def finish(t: Tensor, requires_grad: bool, out: Tensor | None = None) -> Tensor:
    """The end of a function that makes a tensor: into ``out`` if given, as a leaf if wanted."""
    if out is not None:
        t = write_out(out, t.to(out.dtype), "out")
    if requires_grad:
        t.requires_grad_(True)
    return t


def tensor(
    data: Any, *, dtype: dtype | None = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A new tensor holding a copy of ``data``: a number, nested sequences, an array or a tensor.

    Raises:
        ValueError: for sequences of unequal length.
        TypeError: for values that are no numbers.
    """
    if dtype is not None:
        dtype = as_dtype(dtype)
    floats = dtype is None or dtype.is_floating_point  # any number fits
    if device is None and _places.used and not isinstance(data, Tensor):
        device = _places.get_default_device()
    if data.__class__ is list and data and data[0].__class__ is float and floats and device is None:
        try:  # a flat list of floats: the common case
            block = array("d", data).tobytes()
        except TypeError:
            pass
        else:
            h = lib.ops_from_doubles((dtype or _default).code, block, len(data))
            return finish(wrap(h), True) if requires_grad else make(h, None)
    if isinstance(data, Tensor):
        t = data.detach().clone()
        if dtype is not None or device is not None:
            t = t.to(dtype=dtype, device=device)
        return finish(t, requires_grad)
    if hasattr(data, "__array_interface__") or hasattr(data, "__array__"):
        if not floats and is_number(data):
            t = _from_python(data.item(), dtype)
        else:
            t = _from_array(data, dtype)
    else:
        t = _from_python(data, dtype)
    if device is not None:
        t = t.to(device=device)
    return finish(t, requires_grad)


def _from_array(data: Any, d: dtype | None) -> Tensor:
    import numpy as np

    a = np.asarray(data)
    if a.dtype.byteorder == ">":
        a = a.astype(a.dtype.newbyteorder("="))
    source = BY_NUMPY.get(a.dtype.name)
    if source is None:
        raise TypeError(
            f"can't convert np.ndarray of type {a.dtype}. The only supported types are: "
            f"{', '.join(BY_NUMPY)}."
        )
    a = np.ascontiguousarray(a).reshape(a.shape)
    block = ffi.from_buffer("char[]", a.reshape(-1).view(np.uint8) if a.size else b"\0")
    return wrap(lib.ops_from_block((d or source).code, source.code, block, *ints(a.shape)))


def _from_python(data: Any, d: dtype | None) -> Tensor:
    shape: list[int] = []
    probe = data
    while isinstance(probe, (list, tuple)) or (
        hasattr(probe, "__len__")
        and hasattr(probe, "__getitem__")
        and not isinstance(probe, (str, bytes, Tensor, dict))
    ):
        if len(shape) == _DEEPEST:
            raise ValueError(f"too many dimensions '{type(probe).__name__}'")
        shape.append(len(probe))
        if not len(probe):
            break
        probe = probe[0]
    if shape and isinstance(probe, str):
        raise ValueError("too many dimensions 'str'")
    flat: list[Any] = []
    _flatten(data, shape, 0, flat)
    kinds = set(map(type, flat))
    if not kinds <= {bool, int, float}:
        flat = [_number(v) for v in flat]
        kinds = {float if isinstance(v, float) else type(v) for v in flat}
    if not flat or float in kinds:
        source, typecode = float64, "d"
    elif kinds <= {bool}:
        source, typecode = bool_, "B"
    else:
        source, typecode = int64, "q"
        if d is not None and d.is_floating_point:
            source, typecode, flat = float64, "d", [float(v) for v in flat]
    target = d or (_default if source is float64 else source)
    if not target.is_floating_point and target is not bool_:
        _check_range(flat, target)
    try:
        block = array(typecode, flat).tobytes()
    except OverflowError:
        raise ValueError("Overflow when unpacking long long") from None
    return wrap(lib.ops_from_block(target.code, source.code, block, *ints(shape)))


def _check_range(flat: list[Any], d: dtype) -> None:
    """Refuse numbers outside an integer dtype; unsigned ones take negative ints, modulo."""
    bits = 8 * d.itemsize
    high = 2 ** (bits - d.is_signed) - 1
    low = -high - 1 if d.is_signed else -high
    for v in flat:
        if not (low if v.__class__ is not float or d.is_signed else 0) <= v <= high:
            if v.__class__ is not float and d is int64:
                raise ValueError("Overflow when unpacking long long")
            raise RuntimeError(
                f"value cannot be converted to type {d._name} without overflow: {v!r}"
            )


def _flatten(data: Any, shape: list[int], depth: int, flat: list[Any]) -> None:
    """Append all numbers below ``data`` to ``flat``; every level has the length of ``shape``."""
    if depth == len(shape):
        if isinstance(data, Tensor) and data.ndim == 0:
            flat.append(data.item())
        elif isinstance(data, (list, tuple)):
            raise TypeError(
                f"expected a number at dim {depth}, found a sequence of length {len(data)}"
            )
        else:
            flat.append(data)
        return
    if isinstance(data, Tensor):
        data = data.tolist()
    if not hasattr(data, "__len__") or isinstance(data, (str, bytes)):
        raise TypeError(f"not a sequence at dim {depth}: {type(data).__name__}")
    if len(data) != shape[depth]:
        raise ValueError(
            f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})"
        )
    if depth == len(shape) - 1 and all(type(v) in (int, float, bool) for v in data):
        flat.extend(data)
        return
    for v in data:
        _flatten(v, shape, depth + 1, flat)


def _number(v: Any) -> Any:
    if isinstance(v, (int, float)):
        return v
    if isinstance(v, complex):
        raise TypeError("complex numbers are not supported yet")
    if is_number(v) or isinstance(v, Tensor):
        return v.item()
    name = type(v).__name__
    if isinstance(v, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{name}'")
    raise RuntimeError(f"Could not infer dtype of {name}")


def _size(size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        size = tuple(size[0])
    return tuple(s if s.__class__ is int else s.__index__() for s in size)


def _given(sizes: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    """The shape, given as numbers, as one list, or by keyword, as it crosses to C."""
    if size is not None:
        if sizes:
            raise TypeError(f"the size is given twice: {sizes} and size={size!r}")
        sizes = (size,)
    return ints(_size(sizes))


def as_dtype(d: Any) -> dtype:
    """A dtype, or the one that a Python type stands for.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(d, dtype):
        return d
    found = _PYTHON_TYPES.get(d) if isinstance(d, type) else None
    if found is None:
        raise TypeError(f"argument 'dtype' must be torch.dtype, not {type(d).__name__}")
    return found


def dtype_of(d: Any, out: Tensor | None = None) -> dtype:
    """The dtype of a new tensor: the one asked for, that of ``out``, or the default."""
    if out is not None:
        if d is not None and as_dtype(d) is not out.dtype:
            names = [SCALAR_TYPE_NAMES[x.code] for x in (as_dtype(d), out.dtype)]
            raise RuntimeError(
                f"dtype {names[0]} does not match dtype of out parameter ({names[1]})"
            )
        return out.dtype
    return _default if d is None else as_dtype(d)


def place_of(d: Any) -> int:
    """The number of the device asked for, or of the default one."""
    if d is None:
        return device_code(_places.get_default_device()) if _places.used else 0
    return device_code(d)


def empty(*sizes: Any, size: Any = None, out: Any = None, dtype: dtype | None = None, layout: Any = None, device: Any = None,  # noqa: E501
          requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip  # noqa: E501
    """A tensor of that size with undefined values."""
    return finish(
        wrap(lib.ops_empty(dtype_of(dtype, out).code, place_of(device), *_given(sizes, size))),
        requires_grad,
        out,
    )


def full(size: Any, fill_value: Any, *, out: Any = None, dtype: dtype | None = None, layout: Any = None,  # noqa: E501
         device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A tensor filled with one value; without dtype, of the value's own kind."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if dtype is None and out is None:
        dtype = (
            bool_
            if isinstance(fill_value, bool)
            else int64
            if isinstance(fill_value, int)
            else _default
        )
    h = lib.ops_full(
        dtype_of(dtype, out).code, place_of(device), *scalar(fill_value), *ints(_size((size,)))
    )
    return finish(wrap(h), requires_grad, out)


def zeros(*sizes: Any, size: Any = None, out: Any = None, dtype: dtype | None = None, layout: Any = None, device: Any = None,  # noqa: E501
          requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor of zeros."""
    h = lib.ops_full(dtype_of(dtype, out).code, place_of(device), 0, 0.0, 0, *_given(sizes, size))
    return finish(wrap(h), requires_grad, out)


def ones(*sizes: Any, size: Any = None, out: Any = None, dtype: dtype | None = None, layout: Any = None, device: Any = None,  # noqa: E501
         requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor of ones."""
    h = lib.ops_full(dtype_of(dtype, out).code, place_of(device), 0, 0.0, 1, *_given(sizes, size))
    return finish(wrap(h), requires_grad, out)


def _like(
    t: Tensor, kind: int, f: float, i: int, dtype: dtype | None, device: Any, requires_grad: bool
) -> Tensor:
    if not isinstance(t, Tensor):
        raise TypeError(f"argument 'input' (position 1) must be Tensor, not {type(t).__name__}")
    r = wrap(lib.ops_like(t._h, -1 if dtype is None else as_dtype(dtype).code, kind, f, i))
    if device is not None:
        r = r.to(device=device)
    return finish(r, requires_grad)


def empty_like(input: Tensor, *, dtype: dtype | None = None, layout: Any = None, device: Any = None,
               requires_grad: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip
    """Undefined values in the shape of ``input``."""
    return _like(input, -1, 0.0, 0, dtype, device, requires_grad)


def zeros_like(input: Tensor, *, dtype: dtype | None = None, layout: Any = None, device: Any = None,
               requires_grad: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip
    """Zeros in the shape of ``input``."""
    return _like(input, 0, 0.0, 0, dtype, device, requires_grad)


def ones_like(input: Tensor, *, dtype: dtype | None = None, layout: Any = None, device: Any = None,
              requires_grad: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip
    """Ones in the shape of ``input``."""
    return _like(input, 0, 0.0, 1, dtype, device, requires_grad)


def full_like(input: Tensor, fill_value: Any, *, dtype: dtype | None = None, layout: Any = None,
              device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip  # noqa: E501
    """One value in the shape of ``input``."""
    return _like(input, *scalar(fill_value), dtype, device, requires_grad)


def empty_strided(size: Any, stride: Any, *, dtype: dtype | None = None, layout: Any = None, device: Any = None,  # noqa: E501
                  requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Undefined values with the given strides."""
    shape, strides = list(_size((size,))), list(_size((stride,)))
    h = lib.ops_empty_strided(
        dtype_of(dtype).code, place_of(device), len(shape), shape or [0], strides or [0]
    )
    return finish(wrap(h), requires_grad)


__all__ = ["CPU", "DTYPES", "Leaf", "Size", "check"]
