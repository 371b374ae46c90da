"""In: an op whose meaning is a reference function. Out: nothing: its C is written by hand."""

from __future__ import annotations

from ..opdef import OpDef, Reference
from .family import Family


class Source(Family):
    """A function of ``runtime/cpu/source``."""

    def takes(self, op: OpDef) -> bool:
        """References."""
        return isinstance(op.meaning, Reference)


FAMILY = Source()
