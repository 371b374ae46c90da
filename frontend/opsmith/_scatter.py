"""Folds of what positions send to one place, on NumPy arrays; targets of `fast: library`."""

from __future__ import annotations

from typing import Any

import numpy as np


def extreme(input: Any, dim: int, index: Any, src: Any, largest: bool, include_self: bool) -> Any:
    """The largest or least of what comes together at a place, and of what is there."""
    if input.dtype.kind == "f":
        low, high = -np.inf, np.inf
    else:
        whole = input.dtype.kind == "b"
        low, high = (
            (False, True) if whole else (np.iinfo(input.dtype).min, np.iinfo(input.dtype).max)
        )
    fold = np.maximum if largest else np.minimum
    return _folded(fold, input, dim, index, src, None if include_self else low if largest else high)


def product(input: Any, dim: int, index: Any, src: Any, include_self: bool) -> Any:
    """The product of what comes together at a place, and of what is there."""
    return _folded(np.multiply, input, dim, index, src, None if include_self else 1)


def _folded(fold: Any, input: Any, dim: int, index: Any, src: Any, identity: Any) -> Any:
    out = np.array(input, order="C")
    if not index.size:
        return out
    flat = out.reshape(1) if out.ndim == 0 else out
    at = index.reshape(1) if index.ndim == 0 else index
    if at.min() < 0 or at.max() >= flat.shape[dim]:
        wrong = at[(at < 0) | (at >= flat.shape[dim])].flat[0]
        raise ValueError(
            f"index {wrong} is out of bounds for dimension {dim} with size {flat.shape[dim]}"
        )
    where = list(np.indices(at.shape, sparse=True))
    where[dim] = at
    places = tuple(where)
    if identity is not None:
        flat[places] = identity
    fold.at(flat, places, src.reshape(at.shape))
    return out
