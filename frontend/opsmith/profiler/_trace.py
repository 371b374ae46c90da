"""``OPSMITH_TRACE=1``: a line on standard error for every operation, as it ends.

``add(float32[2, 3], float32[2, 3]) 412 ns``: what was called, with dtypes and shapes, and how long
it took. What a composition or a backward function calls stands above it, indented: it ends first.
"""

from __future__ import annotations

import sys
from typing import Any

from .._core import Tensor
from ._recorder import Event, Recorder


class Tracer(Recorder):
    """A recorder that prints and keeps nothing."""

    def begin(self, name: str, kind: str, args: Any = ()) -> Event:
        """Open an event, with its operands as text."""
        event = super().begin(name, kind, args)
        self.events.clear()
        event.shapes = [_operand(a) for a in args]
        return event

    def end(self, event: Event) -> None:
        """Close it and print its line."""
        super().end(event)
        event.children.clear()
        operands = ", ".join(text for text in event.shapes if text)
        depth = len(self._open)
        took = event.end - event.start
        print(f"{'  ' * depth}{event.name}({operands}) {took} ns", file=sys.stderr)


def _operand(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).rpartition('.')[2]}{list(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_operand, value))}]"
    return "" if value is None else repr(value)


def start() -> None:
    """Trace this thread to the end of the process."""
    Tracer().start()
