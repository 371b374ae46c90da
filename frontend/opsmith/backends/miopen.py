"""MIOpen: not used."""

from __future__ import annotations

immediate = False

__all__ = ["immediate"]
