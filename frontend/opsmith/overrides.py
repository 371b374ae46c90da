"""Calls that a class or a mode takes over: ``__torch_function__``.

An operand whose class overrides functions carries a flag that C tests in the branch it takes
anyway; while a mode is on, every call takes that branch. Both lead to `handle`, which asks the
innermost mode first, then the operands' classes, subclasses before their bases.

Source: NumPy's NEP 18, as PyTorch adopts it (`torch.overrides`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from threading import local
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

from ._boundary import AUTOCAST as _AUTOCAST
from ._boundary import lib
from ._core import ALWAYS as _ALWAYS
from ._core import SUBCLASS as _SUBCLASS
from ._core import Tensor
from ._core import overrides as _overrides
from ._modes import count as _count

__all__ = [
    "BaseTorchFunctionMode", "DisableTorchFunction", "DisableTorchFunctionSubclass",
    "TorchFunctionMode", "get_ignored_functions", "get_overridable_functions", "handle",
    "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like", "is_tensor_method_or_property", "resolve_name",
    "wrap_torch_function",
]  # fmt: skip


class _Modes(local):
    """The modes of a thread, outermost first."""

    def __init__(self) -> None:
        self.stack: list[TorchFunctionMode] = []


_modes = _Modes()


class _Diverted:
    """Within the block only operands with these flags take the slow path."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._before: list[int] = []

    def __enter__(self) -> None:
        self._before.append(lib.ops_diverted_flags())
        lib.ops_divert(self._before[-1] & self._keep)

    def __exit__(self, *exc: object) -> None:
        lib.ops_divert(self._before.pop())


class DisableTorchFunctionSubclass(_Diverted):
    """Within the block no class takes calls over; modes still do."""

    def __init__(self) -> None:
        super().__init__(~_SUBCLASS)


class DisableTorchFunction(_Diverted):
    """Within the block neither a class nor a mode takes calls over."""

    def __init__(self) -> None:
        super().__init__(_AUTOCAST)


class TorchFunctionMode:
    """A context in which every operation goes through ``__torch_function__`` of this object.

    Operations inside the handler go to the next mode outside, so ``func(*args, **kwargs)`` there
    does what the call would have done without this mode. Creation functions, which have no tensor
    to start from, are not seen.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """To be overridden: what a call gives."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        """Put this mode innermost."""
        _count(1)
        _modes.stack.append(self)
        lib.ops_divert(lib.ops_diverted_flags() | _ALWAYS)
        return self

    def __exit__(self, *exc: object) -> None:
        """Take it off."""
        _count(-1)
        _modes.stack.pop()
        if not _modes.stack:
            lib.ops_divert(lib.ops_diverted_flags() & ~_ALWAYS)

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """The older spelling of ``cls(*args, **kwargs)``."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function."""
        return func(*args, **(kwargs or {}))


def _operands(values: Iterable[Any]) -> Iterator[Any]:
    for v in values:
        if isinstance(v, (list, tuple)):
            yield from _operands(v)
        elif _overrides(v):
            yield v


def _overriding(args: Iterable[Any], kwargs: dict[str, Any]) -> list[Any]:
    """One operand of each overriding class, left to right, subclasses before their bases."""
    found: list[Any] = []
    for v in _operands([*args, *kwargs.values()]):
        cls = type(v)
        if any(type(other) is cls for other in found):
            continue
        at = next((k for k, o in enumerate(found) if issubclass(cls, type(o))), len(found))
        found.insert(at, v)
    return found


def handle(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give a call to the innermost mode, then to the classes of its operands.

    Raises:
        TypeError: all of them returned NotImplemented.
    """
    if kwargs.get("out", func) is None:
        kwargs = {k: v for k, v in kwargs.items() if k != "out"}
    operands = _overriding(args, kwargs)
    types = tuple([type(v) for v in operands])
    asked: list[str] = []
    if lib.ops_diverted_flags() & _ALWAYS:
        mode = _modes.stack.pop()
        flags = lib.ops_diverted_flags()
        if not _modes.stack:
            lib.ops_divert(flags & ~_ALWAYS)
        try:
            result = mode.__torch_function__(func, types, args, kwargs)
        finally:
            _modes.stack.append(mode)
            lib.ops_divert(flags)
        if result is not NotImplemented:
            return result
        asked.append(f"mode object {mode!r}")
    for v in operands:
        result = type(v).__torch_function__(func, types, args, kwargs)
        if result is not NotImplemented:
            return result
        asked.append(f"tensor subclass {type(v)!r}")
    if not asked:  # a flag without an override that is on: the plain call
        with DisableTorchFunction():
            return func(*args, **kwargs)
    raise TypeError(
        f"Multiple dispatch failed for '{resolve_name(func) or func}'; all __torch_function__ "
        "handlers returned NotImplemented:\n\n" + "\n".join(f"  - {who}" for who in asked)
    )


def default(cls: type, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """`Tensor.__torch_function__`: the plain call, whose results become instances of ``cls``."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = func(*args, **(kwargs or {}))
        return result if func == _grad_getter() else _converted(result, cls, args)


def _grad_getter() -> Any:
    return Tensor.grad.__get__


def _converted(result: Any, cls: type, args: tuple[Any, ...]) -> Any:
    if isinstance(result, Tensor):
        if isinstance(result, cls):
            return result
        if any(result is a for a in args):  # an operand that was written in place keeps its class
            return result.as_subclass(cls)
        result.__class__ = cls
        lib.ops_set_flag(result._h, _SUBCLASS, 1)
        return result
    if isinstance(result, (list, tuple)):
        items = [_converted(item, cls, args) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return result


# The methods that Tensor has in Python -----------------------------------------------------------

_DUNDERS = frozenset(
    f"__{name}__" for name in (
        "getitem", "setitem", "len", "repr", "iter", "contains", "bool", "int", "float", "index",
        "format", "array", "complex",
    )
)  # fmt: skip


def guard(cls: type) -> None:
    """Let an overriding class see the methods and properties that are written in Python.

    Plain tensors do not pay for it: the guards stand on the subclass. Generated methods need none,
    they meet the flag in C.
    """
    for name, value in vars(Tensor).items():
        if name.startswith("_") and name not in _DUNDERS:
            continue
        owner = next((c for c in cls.__mro__ if name in vars(c)), None)
        if owner is not Tensor:
            continue
        if isinstance(value, FunctionType):
            if not value.__module__.startswith("opsmith._generated"):
                setattr(cls, name, _guarded(value))
        elif isinstance(value, (property, GetSetDescriptorType, MemberDescriptorType)):
            setattr(cls, name, _guarded_property(value))


def _guarded(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _overrides(self) or lib.ops_diverted_flags() & _ALWAYS:
            return handle(fn, (self, *args), kwargs)
        return fn(self, *args, **kwargs)

    return method


def _guarded_property(value: Any) -> property:
    def read(self: Any) -> Any:
        if _overrides(self):
            return handle(value.__get__, (self,), {})
        return value.__get__(self)

    def write(self: Any, new: Any) -> None:
        value.__set__(self, new)

    return property(read, write, doc=value.__doc__)


# For libraries that write overridable functions --------------------------------------------------


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Does a mode or one of the arguments take calls over?"""
    return bool(lib.ops_diverted_flags() & _ALWAYS) or any(_overrides(a) for a in relevant_args)


def has_torch_function_unary(arg: Any) -> bool:
    """The same for one argument."""
    return has_torch_function((arg,))


def has_torch_function_variadic(*args: Any) -> bool:
    """The same, arguments listed."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Do the call as the modes and the classes of ``args`` want it.

    Raises:
        TypeError: all of them returned NotImplemented.
    """
    return handle(public_api, args, kwargs)


def wrap_torch_function(
    dispatcher: Callable[..., Iterable[Any]],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function overridable; ``dispatcher``, called alike, gives the arguments that count."""

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if has_torch_function(tuple(dispatcher(*args, **kwargs))):
                return handle(wrapped, args, kwargs)
            return fn(*args, **kwargs)

        return wrapped

    return wrap


def is_tensor_like(inp: Any) -> bool:
    """A tensor, or an object whose class has ``__torch_function__``."""
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Is it reached through a tensor?"""
    return getattr(func, "__name__", "") == "__get__" or any(
        func is value for value in vars(Tensor).values()
    )


def get_overridable_functions() -> dict[Any, list[Callable[..., Any]]]:
    """Namespaces and the functions in them that can be taken over."""
    import opsmith
    from opsmith.nn import functional

    from . import _loading

    ops = [_loading.lookup(name) for name in _loading.names()]
    layers = [f for f in vars(functional).values() if callable(f) and f in ops]
    methods = [f for f in vars(Tensor).values() if isinstance(f, FunctionType)]
    return {opsmith: ops, functional: layers, Tensor: methods}


def get_ignored_functions() -> set[Callable[..., Any]]:
    """Public functions that cannot be taken over: those that make a tensor from none."""
    from . import _create, _foreign

    made = (getattr(_create, n) for n in ("tensor", "empty", "zeros", "ones", "full"))
    return {*made, _foreign.from_numpy}


def resolve_name(f: Any) -> str | None:
    """How a function is called in this API: ``torch.add``, ``torch.Tensor.numel``."""
    owner = getattr(f, "__self__", None)
    if getattr(f, "__name__", "") == "__get__" and owner is not None:
        named = next((n for n, v in vars(Tensor).items() if v is owner), "?")
        return f"torch.Tensor.{named}.__get__"
    name = getattr(f, "__qualname__", None)
    return f"torch.{name}" if name else None


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)
