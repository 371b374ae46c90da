"""Attention modules: the switch of a fast path that is not here."""

from __future__ import annotations

_enabled = True


def get_fastpath_enabled() -> bool:
    """What was set."""
    return _enabled


def set_fastpath_enabled(value: bool) -> None:
    """Kept."""
    global _enabled
    _enabled = bool(value)


__all__ = ["get_fastpath_enabled", "set_fastpath_enabled"]
