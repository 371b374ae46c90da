"""Methods of Tensor that hand its values to Python: numbers, lists, NumPy, text, iteration."""

from __future__ import annotations

from ._boundary import ffi, lib
from ._core import Tensor, alias, one_of_several, wrap
from ._dtypes import FLOATS, bool_, float64, int64
from ._tensor import _method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


@_method
def item(self: Tensor) -> int | float:
    """The one element as a Python number."""
    h = self._h
    if lib.ops_numel(h) != 1:
        raise RuntimeError(
            f"a Tensor with {lib.ops_numel(h)} elements cannot be converted to Scalar"
        )
    if lib.ops_device(h) == 1:
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")
    code = lib.ops_dtype(h)
    if code < FLOATS:
        return lib.ops_item_float(h)
    v = lib.ops_item_int(h)
    return bool(v) if code == bool_.code else v


@_method
def tolist(self: Tensor) -> Any:
    """Nested lists of Python numbers (a number for 0-d)."""
    if self.ndim == 0:
        return self.item()
    if self.numel() == 0:
        return _empty_lists(self.shape)
    flat = _flat_list(self)
    for n in reversed(self.shape[1:]):
        flat = [flat[k : k + n] for k in range(0, len(flat), n)]
    return flat


def _empty_lists(shape: Any) -> list[Any]:
    """Nested lists of the sizes before the first 0."""
    return [_empty_lists(shape[1:]) for _ in range(shape[0])]


def _flat_list(t: Tensor) -> list[Any]:
    if t.numel() == 0:
        return []
    code = lib.ops_dtype(t._h)
    wide, ctype = (float64.code, "double *") if code < FLOATS else (int64.code, "int64_t *")
    block = wrap(lib.ops_convert_to(t._h, wide, 0, 0, 1))  # to the host's memory
    values = ffi.unpack(ffi.cast(ctype, lib.ops_data_pointer(block._h)), t.numel())
    return [bool(v) for v in values] if code == bool_.code else values


@_method
def numpy(self: Tensor, *, force: bool = False) -> Any:
    """A NumPy array over the same memory."""
    import numpy as np

    t = self
    if force:
        t = t.detach().to("cpu")
    if lib.ops_device(t._h) == 2:
        raise TypeError(
            f"can't convert {t.device} device type tensor to numpy. Use Tensor.cpu() to copy the "
            "tensor to host memory first."
        )
    if t._node is not None:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    d = t.dtype
    if not d.numpy:
        raise TypeError(f"Got unsupported ScalarType {d.scalar}")
    if lib.ops_device(t._h) == 1:
        raise RuntimeError("cannot look into a meta tensor: it has no data")
    holder = alias(t._h)
    base = _Memory(holder, d.numpy)
    return np.asarray(base)


class _Memory:
    """Keeps a tensor alive under a NumPy array."""

    def __init__(self, t: Tensor, name: str) -> None:
        import numpy as np

        self.tensor = t
        size = t.element_size()
        self.__array_interface__ = {
            "data": (t.data_ptr() if t.numel() else 0 or t.data_ptr(), False),
            "shape": tuple(t.shape),
            "strides": tuple(s * size for s in t.stride()),
            "typestr": np.dtype(name).str,
            "version": 3,
        }


Tensor.__array_priority__ = 1000  # type: ignore[attr-defined]  # NumPy's operators ask ours first


@_method
def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    a = self.detach().numpy() if self._node is None else self.numpy()
    return a if dtype is None else a.astype(dtype, copy=False)


@_method
def __array_wrap__(
    self: Tensor, array: Any, context: Any = None, return_scalar: bool = False
) -> Any:
    """What NumPy's functions of tensors return: a tensor over the same memory."""
    import numpy as np

    from ._foreign import from_numpy

    return from_numpy(np.asarray(array))


@_method
def __len__(self: Tensor) -> int:
    if self.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    return self.shape[0]


@_method
def __bool__(self: Tensor) -> bool:
    n = self.numel()
    if n != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'no values' if n == 0 else 'more than one value'} is ambiguous"  # noqa: E501
        )
    return bool(self.item())


@_method
def __int__(self: Tensor) -> int:
    return int(self.item())


@_method
def __float__(self: Tensor) -> float:
    return float(self.item())


@_method
def __index__(self: Tensor) -> int:
    v = self.item() if self.numel() == 1 else None
    if not isinstance(v, int):
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(v)


@_method
def __complex__(self: Tensor) -> complex:
    return complex(self.item())


@_method
def __hash__(self: Tensor) -> int:
    return id(self)


@_method
def __iter__(self: Tensor) -> Iterator[Tensor]:
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(one_of_several(tuple([self[k] for k in range(self.shape[0])])))


@_method
def _repr_html_(self: Tensor) -> str:
    """For notebooks; ``repr`` stays what it is."""
    from ._html import html

    return html(self)


@_method
def __repr__(self: Tensor, *, tensor_contents: Any = None) -> str:
    from ._print import text

    return text(self)


@_method
def __format__(self: Tensor, spec: str) -> str:
    if lib.ops_ndim(self._h) == 0 and self.__class__ is Tensor and not self.is_meta:
        return self.item().__format__(spec)  # type: ignore[no-any-return]
    return object.__format__(self, spec)


@_method
def __dir__(self: Tensor) -> list[str]:
    return sorted(set(dir(type(self))) | set(self.__dict__))
