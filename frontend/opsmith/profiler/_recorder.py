"""What a thread does between two points: its operations, backward functions and named blocks.

Operations are seen by a mode (``overrides``): each call is an event, and what a composition calls
is an event inside it. Backward functions are reported by the engine. Times are of the host.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from .._boundary import lib
from .._core import Tensor
from .._watch import Watch
from ..autograd import engine
from ..autograd.graph import class_name


@dataclass
class Event:
    """Something that took time; ``children`` happened inside it."""

    name: str
    kind: str  # "op", "backward" or "block"
    start: int  # nanoseconds
    end: int = 0
    thread: int = 0
    shapes: list[Any] = field(default_factory=list)
    stack: list[str] = field(default_factory=list)
    memory: int = 0  # bytes that tensors hold more at the end
    parent: Event | None = None
    children: list[Event] = field(default_factory=list)


class Recorder:
    """Events of the thread that started it."""

    def __init__(
        self, record_shapes: bool = False, profile_memory: bool = False, with_stack: bool = False
    ) -> None:
        self.events: list[Event] = []  # in the order in which they began
        self.shapes, self.memory, self.stacks = record_shapes, profile_memory, with_stack
        self._open: list[Event] = []
        self._mode = _Operations(self)
        self._thread = threading.get_ident()
        self.begun = self.ended = 0

    def start(self) -> None:
        """Record from now on."""
        self.begun = time.perf_counter_ns()
        _recorders.append(self)
        self._mode.__enter__()
        engine.watch(timed=_backward)

    def stop(self) -> None:
        """Record no more."""
        self._mode.__exit__()
        _recorders.remove(self)
        if not _recorders:
            engine.watch(timed=None)
        for event in reversed(self._open):  # blocks that go on
            self._close(event)
        self._open.clear()
        self.ended = time.perf_counter_ns()

    def mine(self) -> bool:
        """Is this the thread that is recorded?"""
        return threading.get_ident() == self._thread

    def begin(self, name: str, kind: str, args: Any = ()) -> Event:
        """Open an event."""
        event = Event(name, kind, 0, thread=self._thread)
        if self.shapes:
            event.shapes = [_shape(a) for a in args]
        if self.stacks:
            event.stack = _stack()
        if self._open:
            event.parent = self._open[-1]
            event.parent.children.append(event)
        self.events.append(event)
        self._open.append(event)
        event.memory = -lib.ops_live_bytes() if self.memory else 0
        event.start = time.perf_counter_ns()
        return event

    def end(self, event: Event) -> None:
        """Close it, with what was left open inside."""
        now = time.perf_counter_ns()
        while event in self._open:
            self._close(self._open.pop(), now)

    def _close(self, event: Event, now: int | None = None) -> None:
        event.end = time.perf_counter_ns() if now is None else now
        if self.memory:
            event.memory += lib.ops_live_bytes()


_recorders: list[Recorder] = []


def current() -> Recorder | None:
    """The recorder of this thread that was started last."""
    return next((r for r in reversed(_recorders) if r.mine()), None)


class _Operations(Watch):
    """The mode by which a recorder sees operations."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def before(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Event:
        return self._recorder.begin(_name(func), "op", (*args, *kwargs.values()))

    def after(self, token: Event, result: Any) -> None:
        self._recorder.end(token)


def _name(func: Any) -> str:
    name = getattr(func, "__name__", "") or str(func)
    owner = getattr(func, "__self__", None)
    return f"{type(owner).__name__}.{name}" if name == "__get__" else name


def _backward(fn: Any, g: Any) -> Any:
    """The engine is about to run a backward function; returns what to call afterwards."""
    recorder = current()
    if recorder is None:
        return None
    event = recorder.begin(class_name(fn.op), "backward", g if isinstance(g, list) else (g,))
    return lambda: recorder.end(event)


def _shape(value: Any) -> list[Any]:
    if isinstance(value, Tensor):
        return list(value.shape)
    if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
        return [_shape(v) for v in value]
    return []


_OWN = ("/opsmith/_generated/", "/opsmith/profiler/", "/opsmith/overrides.py", "/opsmith/_")


def _stack() -> list[str]:
    frames = traceback.extract_stack()[:-1]
    return [
        f"{f.filename}({f.lineno}): {f.name}"
        for f in reversed(frames)
        if not any(part in f.filename for part in _OWN)
    ]


__all__ = ["Event", "Recorder", "current"]
