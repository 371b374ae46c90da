"""Compositions that only move or sum whole dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _functions as f
from .._core import Tensor


def sum_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """The adjoint of expanding ``size`` to the shape of ``input``: sums what was repeated."""
    have = input.shape
    lead = len(have) - len(size)
    dims = tuple(range(lead)) + tuple(
        d + lead for d, s in enumerate(size) if s == 1 and have[d + lead] != 1
    )
    out = f.sum(input, dims, True) if dims else input
    return f.reshape(out, tuple(size)) if lead else out
