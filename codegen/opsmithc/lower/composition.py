"""In: an op made of other ops. Out: nothing in C: Python that calls them."""

from __future__ import annotations

from ..centry import Entry
from ..derive.op import Derived
from ..derive.rows import Rows
from ..opdef import Body, Compose, OpDef
from ..pytext.raw import RawOps
from .family import Family


class Composition(Family):
    """A body, or a Python function over public ops."""

    def takes(self, op: OpDef) -> bool:
        """Bodies without the structure of rows, and functions."""
        return isinstance(op.meaning, Compose) or (
            isinstance(op.meaning, Body) and not isinstance(op.meaning, Rows)
        )

    def entries(self, d: Derived) -> tuple[list[str], list[Entry]]:
        """None: the ops that it calls have theirs."""
        return [], []

    def text(self, d: Derived, ops: RawOps) -> list[str]:
        """Calls of other ops."""
        from ..pytext.function import body_text, compose_text

        return body_text(d.op) if isinstance(d.op.meaning, Body) else compose_text(d.op)


FAMILY = Composition()
