"""`torch.compiler`'s names: nothing is compiled at run time, marks change nothing."""

from __future__ import annotations

import contextlib

from ._settings import compile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_state: dict[str, Any] = {"backend": "default"}


def is_compiling() -> bool:
    """False."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def reset() -> None:
    """There are no caches."""


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """None."""
    return []


def get_default_backend() -> Any:
    """What was set."""
    return _state["backend"]


def set_default_backend(backend: Any) -> None:
    """Kept."""
    _state["backend"] = backend


def _same(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    return fn if callable(fn) else _same


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself."""
    return _same(fn)


def allow_in_graph(fn: Any) -> Any:
    """The function itself."""
    return fn


assume_constant_result = nested_compile_region = allow_in_graph


def cudagraph_mark_step_begin() -> None:
    """There are no graphs of launches."""


def set_stance(stance: str = "default", **options: Any) -> Any:
    """A block; nothing is compiled in it."""
    return contextlib.nullcontext()


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable",
    "get_default_backend", "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends",
    "nested_compile_region", "reset", "set_default_backend", "set_stance",
]  # fmt: skip
