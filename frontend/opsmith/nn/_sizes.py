"""Sizes given as one number or several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["ntuple"]


def ntuple(value: Any, n: int) -> tuple[Any, ...]:
    """`value` n times if it is one number (or a sequence of one), else its items."""
    if not isinstance(value, Iterable):
        return (value,) * n
    items = tuple(value)
    return items * n if len(items) == 1 else items
