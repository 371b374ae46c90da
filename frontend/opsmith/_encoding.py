"""Arguments as C takes them, on the way that every call goes; what fails here raises as it may.

`_arguments.py` looks after what raised: converts and calls again, or says what is wrong.
"""

from __future__ import annotations

from array import array

from ._boundary import ffi, lib
from ._dtypes import device
from ._handles import NAN, Tensor, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Dims(dict):
    """Sets of axes as 64-bit masks: bit d for d >= 0, bit 64 + d for d < 0; 0 for None."""

    def __missing__(self, dim: Any) -> int:
        if dim is None:
            mask = 0
        elif isinstance(dim, tuple):
            mask = 0
            for d in dim:
                bit = 1 << _axis(d)
                if mask & bit:
                    raise RuntimeError(f"dim {int(d)} appears multiple times in the list of dims")
                mask |= bit
        else:
            mask = 1 << _axis(dim)
        if not isinstance(dim, bool):
            self[dim] = mask
        return mask


def _axis(d: Any) -> int:
    d = d.__index__()
    if not -32 <= d < 32:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-32, 31], but got {d})"
        )
    return d & 63


DIMS = _Dims()


def ints(v: Any, length: int = 0) -> tuple[int, ...]:
    """int[] as a count and four values; longer ones wait in a buffer, whose address is passed."""
    if v is None:
        return -1, 0, 0, 0, 0
    if v.__class__ is int:
        return (length or 1, v, v, v, v)
    n = len(v)
    if length and n != length and n != 1:
        several = f"a list of {length} ints" if length > 1 else "a list of one"
        raise RuntimeError(f"expected a single int or {several}, but got {list(v)}")
    if n == 2:
        a, b = v
        return 2, a, b, 0, 0
    if n == 1:
        (a,) = v
        return (length or 1), a, a, a, a
    if n == 3:
        return (3, *v, 0)
    if n == 4:
        return (4, *v)
    if n == 0:
        return 0, 0, 0, 0, 0
    if n > 64:
        raise RuntimeError(f"a list of at most 64 ints is expected, found {n}")
    buffer = lib.ops_long_ints()
    for k in range(n):
        buffer[k] = v[k]
    return n, int(ffi.cast("intptr_t", buffer)), 0, 0, 0


def scalar(v: Any) -> tuple[int, float, int]:
    """A number as (kind, float, int)."""
    t = v.__class__
    if t is float:
        return 1, v, 0
    if t is int:
        return 0, 0.0, v
    if t is bool:
        return 2, 0.0, int(v)
    if v is None:
        return 1, NAN, 0
    if isinstance(v, Tensor):
        return scalar(v.item())
    if hasattr(v, "item"):
        return scalar(v.item())
    if isinstance(v, int):
        return 0, 0.0, int(v)
    return 1, float(v), 0


def operand(v: Any) -> tuple[float, int, int]:
    """A tensor or number operand as (handle or float, int, kind)."""
    t = v.__class__
    if t is float:
        return v, 0, 1
    if t is int:
        return 0.0, v, 0
    if t is bool:
        return 0.0, int(v), 2
    return v._h, 0, -1


def tensors(v: Any) -> tuple[Any, int]:
    """Tensor[] as a double array and a count.

    Only of lists and tuples: the handles of what another iterable makes would outlive it.
    """
    if v.__class__ is not list and v.__class__ is not tuple:
        raise TypeError(f"expected a list or a tuple of tensors, not {type(v).__name__}")
    a = array("d", [t._h for t in v])
    return ffi.from_buffer("double[]", a), len(a)


def device_code(d: Any) -> int:
    """A device as its number, -1 for None."""
    if d is None:
        return -1
    code = device(d).code
    if code == 2:
        from . import cuda

        cuda.require()
    return code


def number(v: Any) -> Tensor:
    """A Python number as a 0-d tensor that promotes like the number."""
    t = v.__class__
    if t is not float and t is not int and t is not bool:
        if isinstance(v, complex) or getattr(v, "dtype", None) is not None and v.dtype.kind == "c":
            raise TypeError("complex numbers are not supported yet")
        v = v.item() if hasattr(v, "item") else v
        t = v.__class__
    try:
        return wrap(
            lib.ops_make_number(
                1 if t is float else 2 if t is bool else 0,
                float(v) if t is float else 0.0,
                0 if t is float else int(v),
            )
        )
    except OverflowError:
        raise RuntimeError("value cannot be converted to type int64_t without overflow") from None


def is_number(v: Any) -> bool:
    """A Python or NumPy scalar."""
    if isinstance(v, (int, float, complex)):
        return True
    return (
        hasattr(v, "dtype")
        and hasattr(v, "item")
        and not isinstance(v, Tensor)
        and getattr(v, "ndim", 1) == 0
    )


def as_operand(v: Any) -> Tensor:
    """A tensor operand: numbers become 0-d tensors."""
    return v if isinstance(v, Tensor) else number(v)


class _Missing:
    """What a parameter without default holds when it is not given: nothing that C takes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<missing>"


MISSING = _Missing()
