"""Entry points that are a library's functions: handles in, a handle out, as if they were C.

What is no tensor is handed on as it is.

A result's sign says "record", 0.0 says "slow path", further outputs wait where C leaves its own.
The library sees the tensors' memory as NumPy arrays, without a copy.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from ._boundary import ffi, lib
from ._core import NONE_H, alias, grad_enabled, steal
from ._create import empty
from ._dtypes import BY_NUMPY, DTYPES
from ._foreign import from_numpy

if TYPE_CHECKING:
    from collections.abc import Callable


_SMALL = 1 << 15  # bytes that are copied sooner than their memory is taken over


class LinAlgError(RuntimeError):
    """A matrix that a decomposition or a solver cannot take: singular, or not positive definite."""


def library_entry(
    name: str, target: str, dtypes: tuple[str, ...], tensors: tuple[tuple[int, bool], ...],
    records: bool,
) -> Callable[..., float]:
    """The stand-in for the entry point of op ``name``: it calls ``target``, ``package.function``.

    Args:
        name: the op, for messages.
        target: the library's function, looked up when it is first called.
        dtypes: the names of the dtypes that the library takes.
        tensors: which arguments are handles of tensors, and must they be of such a dtype?
        records: has the op a gradient?
    """
    where = [k for k, _ in tensors]
    asked = [k for k, taking_part in tensors if taking_part]
    taken = sum(1 << d.code for d in DTYPES if d._name in dtypes)
    function: Any = None

    def entry(*args: Any) -> float:
        nonlocal function
        given = [k for k in where if args[k] != NONE_H]
        handles = [abs(args[k]) for k in given]
        if any([lib.ops_check_plain(h) for h in handles]):
            return 0.0
        for k in asked:
            if args[k] != NONE_H and not taken >> lib.ops_dtype(abs(args[k])) & 1:
                raise RuntimeError(
                    f"{name}: dtype {alias(abs(args[k])).dtype} is not supported; expected one of "
                    f"{_listed(dtypes)}"
                )
        operands = [alias(h) for h in handles]
        if len(operands) > 1 and len({t.device for t in operands}) > 1:
            places = ", ".join(sorted({str(t.device) for t in operands}))
            raise RuntimeError(
                f"{name}: Expected all tensors to be on the same device, but found at least two "
                f"devices, {places}!"
            )
        values = [None if k in where else v for k, v in enumerate(args)]
        for k, t in zip(given, operands, strict=True):
            values[k] = _stand_in(t) if t.is_meta else _array(t)
        if function is None:
            function = _function(name, target)
        made = [_made(r, operands[0]) for r in _call(name, function, values)]
        for k, further in enumerate(made[1:], start=1):
            lib.ops_put_output(k, further)
        h = made[0]
        return -h if records and grad_enabled() and any([args[k] < 0.0 for k in given]) else h

    return entry


def _function(name: str, target: str) -> Any:
    package, _, attribute = target.rpartition(".")
    try:
        return getattr(importlib.import_module(package), attribute)
    except (ImportError, AttributeError) as e:
        raise RuntimeError(f"{name}: its library function '{target}' is not there: {e}") from None


def _call(name: str, function: Any, values: list[Any]) -> tuple[Any, ...]:
    import numpy as np

    try:
        result = function(*values)
    except np.linalg.LinAlgError as e:
        raise LinAlgError(f"{name}: {e}") from None
    except ValueError as e:
        shapes = ", ".join(str(v.shape) for v in values if hasattr(v, "shape"))
        raise RuntimeError(f"{name}: {e} (shapes {shapes})") from None
    return tuple(result) if isinstance(result, tuple) else (result,)


def _array(t: Any) -> Any:
    """A tensor's memory as an array; that of dense ones without a detour."""
    import numpy as np

    if not t.numel() or not t.is_contiguous():
        return t.numpy()
    memory = ffi.buffer(ffi.cast("char *", t.data_ptr()), t.numel() * t.element_size())
    return np.frombuffer(memory, t.dtype.numpy).reshape(tuple(t.shape))


def _made(array: Any, operand: Any) -> float:
    """The handle of a tensor that has the memory of a result, or a small one's values."""
    import numpy as np

    array = np.asarray(array)
    device = operand.device
    if array.size and (array.nbytes > _SMALL or device.type != "cpu"):
        owned = array.flags.owndata and array.flags.writeable
        return steal(from_numpy(array if owned else array.copy()).to(device))
    out = empty(array.shape, dtype=_dtype(array.dtype), device=device)
    if array.size:
        to = ffi.cast("char *", out.data_ptr())
        ffi.memmove(to, np.ascontiguousarray(array), array.nbytes)
    return steal(out)


@functools.cache
def _dtype(own: Any) -> Any:
    return BY_NUMPY[own.name]


def _stand_in(t: Any) -> Any:
    """An array of a meta tensor's shape and dtype that no library refuses: unit matrices."""
    import numpy as np

    array = np.zeros(tuple(t.shape), t.dtype.numpy)
    if array.ndim >= 2:
        diagonal = np.arange(min(array.shape[-2:]))
        array[..., diagonal, diagonal] = 1
    return array


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(str(d) for d in DTYPES if d._name in names)
