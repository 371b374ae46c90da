"""Apple's GPUs: not supported."""

from __future__ import annotations

from .._absent import fill


def is_built() -> bool:
    """False."""
    return False


def is_available() -> bool:
    """False."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """False: this is not macOS."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """False: this is not macOS."""
    return False


_REFUSED = ("get_core_count", "get_name")
fill(globals(), _REFUSED, RuntimeError, "opsmith has no MPS backend")

__all__ = [
    "is_available", "is_built", "is_macos13_or_newer", "is_macos_or_newer", *_REFUSED,
]  # fmt: skip
