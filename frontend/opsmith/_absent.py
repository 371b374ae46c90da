"""Functions of what is not here: they exist, so that programs that only name them load, and say so.

A device or a service that this library lacks answers ``is_available()`` with False; anything that
would need it raises when it is called, never when it is imported.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


def fill(namespace: dict[str, Any], names: Iterable[str], error: type[Exception], why: str) -> None:
    """Put into a module functions of these names that raise ``error`` with ``why``."""
    for name in names:
        namespace[name] = refusing(name, error, why, namespace["__name__"])


def refusing(name: str, error: type[Exception], why: str, module: str) -> Callable[..., Any]:
    """One such function."""

    def absent(*args: Any, **kwargs: Any) -> Any:
        raise error(f"{name}: {why}")

    absent.__name__ = absent.__qualname__ = name
    absent.__module__ = module
    absent.__doc__ = f"Not here: raises {error.__name__}, {why}."
    return absent


def refusing_class(name: str, error: type[Exception], why: str, module: str) -> type:
    """A class to name in annotations and ``isinstance``; it has no instances."""

    def create(cls: type, *args: Any, **kwargs: Any) -> Any:
        raise error(f"{name}: {why}")

    return type(name, (), {"__new__": create, "__module__": module, "__doc__": f"Not here: {why}."})
