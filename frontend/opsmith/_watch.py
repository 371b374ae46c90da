"""A mode that sees operations inside operations.

An ordinary mode is off while its handler runs. This one stays on, so that what a composition calls
is seen as well. An operation then comes back here: at once from C, which diverts every call; a
composition is told to go on by a flag.
"""

from __future__ import annotations

from typing import Any

from ._boundary import ALWAYS, ENTERED, lib
from ._modes import count
from .overrides import TorchFunctionMode, _modes


class Watch(TorchFunctionMode):
    """``before`` and ``after`` are called around every operation of the thread."""

    def __init__(self) -> None:
        self._entered: Any = None

    def before(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """An operation is about to run; what is returned goes to ``after``."""

    def after(self, token: Any, result: Any) -> None:
        """It ran; ``result`` is None if it raised."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        flags = lib.ops_diverted_flags() & ~ENTERED
        lib.ops_divert(flags)
        kwargs = kwargs or {}
        if self._entered is func:
            self._entered = None
            return func(*args, **kwargs)
        outside = self._entered
        token = self.before(func, args, kwargs)
        self._entered = func
        _modes.stack.append(self)
        lib.ops_divert(flags | ALWAYS | ENTERED)
        result = None
        try:
            result = func(*args, **kwargs)
        finally:
            _modes.stack.pop()
            lib.ops_divert(flags)
            self._entered = outside
            self.after(token, result)
        return result

    def __enter__(self) -> Any:
        count(1)
        _modes.stack.insert(0, self)  # outermost: other modes see calls as they were written
        lib.ops_divert(lib.ops_diverted_flags() | ALWAYS)
        return self

    def __exit__(self, *exc: object) -> None:
        count(-1)
        _modes.stack.remove(self)
        if not _modes.stack:
            lib.ops_divert(lib.ops_diverted_flags() & ~ALWAYS)


__all__ = ["Watch"]
