"""Arguments as C takes them, and what follows where it does not: conversions, overrides, errors."""

from __future__ import annotations

import itertools
from array import array

from ._boundary import SLOW_PATH, STALE_VIEW, SUBCLASS, ffi, lib, raise_status, take_status
from ._dtypes import SCALAR_TYPE_NAMES, device, dtype
from ._handles import NAN, Tensor, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


# Fast paths --------------------------------------------------------------------------------------


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


# Slow paths --------------------------------------------------------------------------------------

_PARAMS: dict[str, tuple[tuple[str, str], ...]] = {}  # op -> (name, type) of its parameters


def failed(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """A call returned no handle: an error, an overriding operand, or a stale view."""
    status = take_status()
    if status == SLOW_PATH:
        return dispatch(fn, *args, **kwargs)
    if status == STALE_VIEW:
        from .autograd.views import refresh

        for a in itertools.chain(args, kwargs.values()):
            for t in a if isinstance(a, (list, tuple)) else (a,):
                if isinstance(t, Tensor) and lib.ops_is_stale(t._h):
                    refresh(t)
        return fn(*args, **kwargs)
    raise_status(status)


def retry(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """An argument was not what C takes: convert what PyTorch would, or say what is wrong."""
    status = take_status()
    if status:
        raise_status(status)
    if _any_overrides(args) or _any_overrides(kwargs.values()):
        return dispatch(fn, *args, **kwargs)
    name = fn.__name__
    # As in PyTorch a number stands for an operand beside others, not for the only one.
    several = sum(kind.startswith("Tensor") for _, kind in _params(name)) > 1
    values, options, changed = _converted(name, args, kwargs, numbers=several)
    if not changed:
        given = ", ".join(_kind(a) for a in (*args, *kwargs.values()))
        raise TypeError(f"{name}(): received an invalid combination of arguments - got ({given})")
    return fn(*values, **options)


def _converted(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], numbers: bool
) -> tuple[list[Any], dict[str, Any], bool]:
    """Arguments as their parameters' types, and whether any changed.

    ``numbers``: may a number stand for a tensor? Never for the one that is written in place.

    Raises:
        TypeError: names the first argument that has the wrong type.
    """
    params = _params(name)
    changed = False
    values, options = list(args), dict(kwargs)
    for k, (param, kind) in enumerate(params[: len(values)]):
        may = numbers and not (k == 0 and name.endswith("_"))
        values[k], was = _convert(name, param, kind, k + 1, values[k], may)
        changed |= was
    kinds = dict(params)
    for key, v in kwargs.items():
        if key in kinds:
            options[key], was = _convert(name, key, kinds[key], 0, v, numbers)
            changed |= was
    return values, options, changed


def _params(name: str) -> tuple[tuple[str, str], ...]:
    if not _PARAMS:
        from ._generated.params import PARAMS

        _PARAMS.update(PARAMS)
    if name not in _PARAMS and name.endswith("_"):
        name = name[:-1]
    return _PARAMS.get(name, ())


def register_params(params: dict[str, tuple[tuple[str, str], ...]]) -> None:
    """Parameters of a user registry's ops, for messages and conversions."""
    _params("")
    _PARAMS.update(params)


def _kind(v: Any) -> str:
    return type(v).__name__ + (f" of {_kind(v[0])}" if isinstance(v, (list, tuple)) and v else "")


def _convert(
    fn: str, param: str, kind: str, position: int, v: Any, numbers: bool
) -> tuple[Any, bool]:
    """The argument as its parameter's type, and whether it changed."""
    optional = kind.endswith("?")
    base = kind.rstrip("?")
    if v is None and (optional or base == "dtype"):
        return v, False
    where = f"(position {position}) " if position else ""
    fail = f"{fn}(): argument '{param}' {where}must be {_public(base)}, not {_kind(v)}"
    if base == "Tensor":
        if isinstance(v, Tensor):
            return v, False
        if numbers and is_number(v):
            return number(v), True
        raise TypeError(fail)
    if base == "Tensor[]":
        if not isinstance(v, (list, tuple)):
            raise TypeError(fail)
        if not numbers and len(v) == 1 and isinstance(v[0], (list, tuple)):
            v = v[0]  # a composition called as fn([a, b]) or fn(a, b)
        exact = type(v) is list or type(v) is tuple
        v = v if exact else list(v)
        items = [t if isinstance(t, Tensor) else None for t in v]
        for k, t in enumerate(items):
            if t is None:
                raise TypeError(
                    f"expected Tensor as element {k} in argument '{param}', but got {_kind(v[k])}"
                )
        return items, not exact
    if base in ("int", "float", "bool", "Scalar"):
        if isinstance(v, Tensor) or (is_number(v) and type(v) not in (int, float, bool)):
            v = v.item()
            return v, True
        ok = {"int": int, "float": (int, float), "bool": int, "Scalar": (int, float)}[base]
        if not isinstance(v, ok):
            if base == "int" and hasattr(v, "__index__"):
                return v.__index__(), True
            raise TypeError(fail)
        if base == "int" and not -(2**63) <= v < 2**63:
            raise ValueError(f"{fn}(): argument '{param}' {where}is beyond 64 bits: {v}")
        return v, False
    if base.startswith("int["):
        if isinstance(v, Tensor) and v.ndim == 1:
            return tuple(v.tolist()), True
        if isinstance(v, (list, tuple)) or hasattr(v, "__iter__"):
            try:
                items = tuple(x if type(x) is int else x.__index__() for x in v)
            except (AttributeError, TypeError):
                raise TypeError(fail) from None
            return items, items != v or type(v) is not tuple
        if hasattr(v, "__index__"):
            return v.__index__(), type(v) is not int
        raise TypeError(fail)
    if base == "dtype":
        if not isinstance(v, dtype):
            raise TypeError(fail)
        return v, False
    return v, False


def _public(base: str) -> str:
    return {"Scalar": "Number", "int[]": "tuple of ints", "Tensor[]": "tuple of Tensors",
            "dtype": "torch.dtype"}.get(base, base)  # fmt: skip


def retry_operator(fn: Any, a: Any, b: Any) -> Any:
    """An operator met something else than a tensor, int or float."""
    status = take_status()
    if status:
        raise_status(status)
    if overrides(a) or overrides(b):
        return dispatch(fn, a, b)
    a_ok = isinstance(a, Tensor) or is_number(a)
    b_ok = isinstance(b, Tensor) or is_number(b)
    if not (a_ok and b_ok):
        return NotImplemented
    a = a if isinstance(a, Tensor) else number(a)
    b = b if isinstance(b, Tensor) else number(b)
    return fn(a, b)


def no_overrides(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The ``__torch_function__`` of subclasses that take no calls over, such as Parameter."""
    return NotImplemented


def overrides(v: Any) -> bool:
    """Does the value's class take over function calls, and is that not switched off?"""
    cls = type(v)
    return (
        cls is not Tensor
        and getattr(cls, "__torch_function__", no_overrides) is not no_overrides
        and bool(lib.ops_diverted_flags() & SUBCLASS)
    )


def _any_overrides(values: Any) -> bool:
    return any(
        any(overrides(item) for item in v) if isinstance(v, (list, tuple)) else overrides(v)
        for v in values
    )


def dispatch(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Hand a call to the top of the handler stack, or to ``__torch_function__``."""
    from .overrides import handle

    return handle(fn, args, kwargs)


def refuse_dtype(name: str, refused: int, *operands: Any) -> None:
    """Raise unless an operand has a dtype whose bit in ``refused`` is not set."""
    given = [as_operand(t) for t in operands if t is not None]
    codes = [lib.ops_dtype(t._h) for t in given]
    if all(refused >> code & 1 for code in codes):
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_TYPE_NAMES[codes[0]]}'")


def explain(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """A composition failed on its arguments: call again with what PyTorch would convert converted.

    Raises:
        TypeError: an argument has the wrong type; any other failure is raised on.
    """
    if _any_overrides(args) or _any_overrides(kwargs.values()):
        raise
    values, options, changed = _converted(fn.__name__, args, kwargs, numbers=False)
    if not changed:
        raise
    return fn(*values, **options)


def no_case(name: str, expected: str, **found: Any) -> NoReturn:
    """No case of a body applies to the arguments that its conditions read."""
    shown = ", ".join(
        f"{k}={list(v.shape) if isinstance(v, Tensor) else repr(v)}" for k, v in found.items()
    )
    raise RuntimeError(f"{name}(): expected {expected}, found {shown}")


def need_tensor(fn: str, **operands: Any) -> None:
    """Refuse arguments that are no tensors.

    Raises:
        TypeError: names the first of them.
    """
    for k, (name, v) in enumerate(operands.items(), 1):
        if not isinstance(v, Tensor):
            raise TypeError(
                f"{fn}(): argument '{name}' (position {k}) must be Tensor, not {_kind(v)}"
            )
