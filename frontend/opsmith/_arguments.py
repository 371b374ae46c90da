"""What follows where C does not take arguments: conversions, other names, overrides, errors."""

from __future__ import annotations

import builtins
import itertools

from ._boundary import (
    SLOW_PATH,
    STALE_VIEW,
    SUBCLASS,
    lib,
    public_name,
    raise_status,
    take_status,
)
from ._dtypes import SCALAR_TYPE_NAMES, dtype
from ._encoding import MISSING, as_operand, is_number, number
from ._handles import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


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
    _refuse_missing(name, dict(enumerate(args)) | kwargs)
    # As in PyTorch a number stands for an operand beside others, not for the only one.
    several = sum(kind.startswith("Tensor") for _, kind in _params(name)) > 1
    values, options, changed = _converted(name, args, kwargs, numbers=several)
    if not changed:
        given = ", ".join(_kind(a) for a in (*args, *kwargs.values()))
        raise TypeError(f"{name}(): received an invalid combination of arguments - got ({given})")
    return fn(*values, **options)


def renamed(fn: Any, given: dict[str, tuple[Any, ...]], *args: Any, **kwargs: Any) -> Any:
    """Call ``fn`` again with parameters that were given by NumPy's names.

    Args:
        fn: a generated function; all its parameters have defaults.
        given: of a parameter, what its other names hold; None where they were not used.
        args: what the parameters hold by their own names.
        **kwargs: the same of those that are passed by keyword.

    Raises:
        TypeError: a parameter is given by two names, or by none.
    """
    names = fn.__code__.co_varnames[: fn.__code__.co_argcount]
    defaults = dict(zip(names, fn.__defaults__, strict=True)) | (fn.__kwdefaults__ or {})
    values = dict(zip(names, args)) | kwargs
    for name, others in given.items():
        for v in others:
            if v is None:
                continue
            if values[name] is not defaults[name]:
                shown = ", ".join(_kind(a) for a in (*values.values(), v))
                raise TypeError(
                    f"{fn.__name__}(): received an invalid combination of arguments - got "
                    f"({shown}): '{name}' twice, or more arguments than parameters"
                )
            values[name] = v
    _refuse_missing(fn.__name__, values)
    return fn(**values)


def _refuse_missing(name: str, values: dict[Any, Any]) -> None:
    """Raise TypeError, as Python does, where parameters without default were not given."""
    found = [param for param, v in values.items() if v is MISSING]
    if not found:
        return
    known = [param for param, _ in _params(name)]
    shown = ", ".join(repr(known[p] if p.__class__ is int else p) for p in found)
    s = "s" if len(found) > 1 else ""
    raise TypeError(f"{name}() missing {len(found)} required positional argument{s}: {shown}")


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
            for k, x in enumerate(v):
                if not hasattr(x, "__index__"):
                    found = f"but element {k} is {_kind(x)}: {x!r}"
                    raise TypeError(f"{fail.rpartition(', not ')[0]}, {found}")
            items = tuple(x if type(x) is int else x.__index__() for x in v)
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


def overriding(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Does the class of an argument take function calls over?"""
    for v in (*args, *kwargs.values()):
        if v.__class__ is not Tensor and v is not None and _any_overrides((v,)):
            return True
    return False


def _any_overrides(values: Any) -> bool:
    return any(
        any(overrides(item) for item in v) if isinstance(v, (list, tuple)) else overrides(v)
        for v in values
    )


def dispatch(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Hand a call to the top of the handler stack, or to ``__torch_function__``."""
    from .overrides import handle

    return handle(fn, args, kwargs)


def refuse_dtype(name: str, refused: int, *operands: Any, reason: str = "") -> None:
    """Raise unless an operand has a dtype whose bit in ``refused`` is not set.

    ``reason``: an error as an entry writes it, ``RuntimeError: ... {type}``.
    """
    given = [as_operand(t) for t in operands if t is not None]
    codes = [lib.ops_dtype(t._h) for t in given]
    if all(refused >> code & 1 for code in codes):
        if reason:
            kind, _, text = reason.partition(": ")
            raise getattr(builtins, kind)(text.replace("{type}", SCALAR_TYPE_NAMES[codes[0]]))
        shown, found = public_name(name), SCALAR_TYPE_NAMES[codes[0]]
        raise NotImplementedError(f"\"{shown}\" not implemented for '{found}'")


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
