"""OpenMP: not used, threads are the library's own."""

from __future__ import annotations


def is_available() -> bool:
    """False."""
    return False


__all__ = ["is_available"]
