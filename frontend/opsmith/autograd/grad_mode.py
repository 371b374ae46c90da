"""Switching recording on and off, as context managers and decorators."""

from __future__ import annotations

import functools

from .._boundary import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])

GENERATOR = 0x20  # inspect.CO_GENERATOR, without importing inspect


class _Mode:
    """Sets the gradient mode of this thread inside a block or a decorated function."""

    mode = 0

    def __enter__(self) -> Self:
        self._was = getattr(self, "_was", [])
        self._was.append(lib.ops_get_grad_enabled())
        lib.ops_set_grad_enabled(self.mode)
        return self

    def __exit__(self, *_: Any) -> None:
        lib.ops_set_grad_enabled(self._was.pop())

    def __call__(self, fn: F) -> F:
        if getattr(getattr(fn, "__code__", None), "co_flags", 0) & GENERATOR:

            @functools.wraps(fn)
            def generator(*args: Any, **kwargs: Any) -> Any:
                it = fn(*args, **kwargs)
                while True:
                    with self.clone():
                        try:
                            value = next(it)
                        except StopIteration as stop:
                            return stop.value
                    yield value

            return generator

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return fn(*args, **kwargs)

        return wrapper

    def clone(self) -> _Mode:
        """A fresh block of the same mode."""
        c = object.__new__(type(self))
        c.mode = self.mode
        return c


class _Bare(_Mode):
    """A mode that decorates without being called first, too."""

    if TYPE_CHECKING:

        @overload
        def __new__(cls, fn: F) -> F: ...
        @overload
        def __new__(cls, fn: None = None) -> Self: ...
        def __new__(cls, fn: Any = None) -> Any: ...

    else:

        def __new__(cls, fn: Any = None) -> Any:
            self = object.__new__(cls)
            return self if fn is None else self(fn)


class no_grad(_Bare):
    """Record nothing."""


class enable_grad(_Bare):
    """Record, inside a ``no_grad`` block too."""

    mode = 1


class inference_mode(_Mode):
    """Record nothing; tensors made inside are ordinary tensors."""

    def __new__(cls, mode: Any = True) -> Any:
        self = object.__new__(cls)
        if callable(mode):
            return self(mode)
        self.mode = 0 if mode else lib.ops_get_grad_enabled()
        return self

    def __init__(self, mode: Any = True) -> None:
        """Everything is set by ``__new__``."""


class set_grad_enabled(_Mode):
    """Switch recording, at once; as a context manager, until the block ends."""

    def __init__(self, mode: bool) -> None:
        self.mode = int(mode)
        self._before = lib.ops_get_grad_enabled()
        lib.ops_set_grad_enabled(self.mode)

    def __enter__(self) -> Any:
        lib.ops_set_grad_enabled(self.mode)
        return self

    def __exit__(self, *_: Any) -> None:
        lib.ops_set_grad_enabled(self._before)

    def __call__(self, fn: F) -> F:
        lib.ops_set_grad_enabled(self._before)  # as a decorator, only calls are affected
        return super().__call__(fn)

    def clone(self) -> _Mode:
        """A fresh block of the same mode."""
        return set_grad_enabled(bool(self.mode))


class set_multithreading_enabled:
    """Kept for programs that set it: a backward pass runs in the thread that asks for it."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)

    def __enter__(self) -> None:
        """Nothing to switch."""

    def __exit__(self, *_: Any) -> None:
        """Nothing to switch back."""


def set_grad_mode(on: bool) -> None:
    """Switch recording at once, without a block: for loops that cannot afford one."""
    lib.ops_set_grad_enabled(1 if on else 0)


def is_grad_enabled() -> bool:
    """Is recording on in this thread?"""
    return bool(lib.ops_get_grad_enabled())


def is_inference_mode_enabled() -> bool:
    """Inference mode is no_grad here."""
    return False
