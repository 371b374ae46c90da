"""Entry points that are a library's functions: handles in, a handle out, as if they were C.

What is no tensor is handed on as it is.

A result's sign says "record", 0.0 says "slow path", further outputs wait where C leaves its own.
The library sees the tensors' memory as NumPy arrays, without a copy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._boundary import lib
from ._core import NONE_H, alias, grad_enabled, steal
from ._create import empty
from ._dtypes import BY_NUMPY
from ._foreign import from_numpy

if TYPE_CHECKING:
    from collections.abc import Callable


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
    taking_part = {k for k, asked in tensors if asked}

    def entry(*args: Any) -> float:
        given = [k for k in where if args[k] != NONE_H]
        handles = [args[k] for k in given]
        if any([lib.ops_check_plain(abs(h)) for h in handles]):
            return 0.0
        operands = [alias(abs(h)) for h in handles]
        for k, t in zip(given, operands, strict=True):
            if k in taking_part and t.dtype._name not in dtypes:
                raise RuntimeError(
                    f"{name}: dtype {t.dtype} is not supported; expected one of {_listed(dtypes)}"
                )
        if len({t.device for t in operands}) > 1:
            places = ", ".join(sorted({str(t.device) for t in operands}))
            raise RuntimeError(
                f"{name}: Expected all tensors to be on the same device, but found at least two "
                f"devices, {places}!"
            )
        values = [None if k in where else v for k, v in enumerate(args)]
        for k, t in zip(given, operands, strict=True):
            values[k] = _stand_in(t) if t.is_meta else t.numpy()
        results = _call(name, _function(name, target), values)
        made = [_made(r, operands[0].device) for r in results]
        for k, t in enumerate(made[1:], start=1):
            lib.ops_put_output(k, steal(t))
        h = steal(made[0])
        return -h if records and grad_enabled() and any(x < 0.0 for x in handles) else h

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


def _made(array: Any, device: Any) -> Any:
    """A tensor that has the memory of a result."""
    import numpy as np

    array = np.asarray(array)
    if not array.size:  # an empty array's strides are its own affair
        return empty(array.shape, dtype=BY_NUMPY[array.dtype.name], device=device)
    owned = array.flags.owndata and array.flags.writeable
    return from_numpy(array if owned else array.copy()).to(device)


def _stand_in(t: Any) -> Any:
    """An array of a meta tensor's shape and dtype that no library refuses: unit matrices."""
    import numpy as np

    array = np.zeros(tuple(t.shape), t.dtype.numpy)
    if array.ndim >= 2:
        diagonal = np.arange(min(array.shape[-2:]))
        array[..., diagonal, diagonal] = 1
    return array


def _listed(names: tuple[str, ...]) -> str:
    from ._dtypes import DTYPES

    return ", ".join(str(d) for d in DTYPES if d._name in names)
