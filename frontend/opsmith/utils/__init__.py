"""Helpers around tensors; each module loads on first touch."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LAZY = ("checkpoint", "collect_env", "data", "hooks")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"opsmith.utils.{name}")
    from opsmith._names import missing

    raise missing(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def set_module(obj: Any, mod: str) -> None:
    """Say that an object belongs to a module."""
    obj.__module__ = mod


__all__ = [*_LAZY, "set_module"]
