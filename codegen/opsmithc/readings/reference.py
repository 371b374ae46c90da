"""In: NumPy arguments by parameter name. Out: what an op without a formula means.

Must not know: targets. One function each for the ``reference:`` and ``compose:`` names of the
registry; the simplest NumPy that is right, however slow. Arguments an op has but its value does not
depend on are taken by ``**_``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any


def lay_out(input: Array, like: Array) -> Array:
    """The memory layout is no part of the value."""
    return input


def flip(input: Array, dims: Sequence[int]) -> Array:
    """Reversed along dims."""
    return np.flip(input, tuple(dims) if not isinstance(dims, int) else dims)


def sum_to(input: Array, size: Sequence[int]) -> Array:
    """Summed to the shape that broadcasting came from."""
    lead = input.ndim - len(size)
    dims = tuple(range(lead)) + tuple(
        d + lead for d, s in enumerate(size) if s == 1 and input.shape[d + lead] != 1
    )
    return input.sum(dims, keepdims=True).reshape(size)


def zeros_like(input: Array, **_: Any) -> Array:
    """Zeros."""
    return np.zeros(np.shape(input))


def ones_like(input: Array, **_: Any) -> Array:
    """Ones."""
    return np.ones(np.shape(input))


def empty_like(**_: Any) -> None:
    """Undefined values: nothing to compare with."""


def full_like(input: Array, fill_value: float, **_: Any) -> Array:
    """One value."""
    return np.full(np.shape(input), fill_value)
