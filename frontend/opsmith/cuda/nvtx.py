"""NVTX: marks for NVIDIA's profilers, which are not written here."""

from __future__ import annotations

from .._absent import fill

_NAMES = ("mark", "range_pop", "range_push", "range_start", "range_end", "range")
fill(globals(), _NAMES, RuntimeError, "NVTX functions not installed")

__all__ = list(_NAMES)
