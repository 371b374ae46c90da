"""Named blocks in a profile."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ._recorder import Event, Recorder, current


class record_function:
    """A block, or a decorated function, that a running profiler shows under a name."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._open: list[tuple[Recorder, Event] | None] = []

    def __enter__(self) -> record_function:
        recorder = current()
        found = None if recorder is None else (recorder, recorder.begin(self.name, "block"))
        self._open.append(found)
        return self

    def __exit__(self, *exc: object) -> None:
        found = self._open.pop()
        if found is not None:
            found[0].end(found[1])

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its calls shown."""

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return fn(*args, **kwargs)

        return wrapper


__all__ = ["record_function"]
