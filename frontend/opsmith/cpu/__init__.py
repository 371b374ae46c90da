"""The CPU under the names that programs use for any device."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def __getattr__(name: str) -> Any:
    if name == "amp":
        return importlib.import_module("opsmith.cpu.amp")
    from opsmith._names import missing

    raise missing(__name__, name)


def get_capabilities() -> Mapping[str, Any]:
    """What this processor can do, by the names of /proc/cpuinfo."""
    import platform
    from types import MappingProxyType

    from .. import _cpu

    found: dict[str, Any] = dict.fromkeys(sorted(_cpu.features() or ()), True)
    return MappingProxyType({"architecture": platform.machine(), **found})


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def synchronize(device: Any = None) -> None:
    """Operations are done when they return."""


def current_device() -> str:
    """``cpu``."""
    return "cpu"


def device_count() -> int:
    """1."""
    return 1


def set_device(device: Any) -> None:
    """There is one."""


class Stream:
    """Stands for the order in which operations run here: that of the calls."""

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Any) -> None:
        """Nothing is waiting."""

    def record_event(self, event: Any = None) -> Event:
        """An event that has happened."""
        return Event()

    def wait_event(self, event: Any) -> None:
        """It has happened."""

    def synchronize(self) -> None:
        """All is done."""

    def query(self) -> bool:
        """All is done."""
        return True


class Event:
    """A point in a stream; it has happened."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def query(self) -> bool:
        """True."""
        return True

    def record(self, stream: Any = None) -> None:
        """Nothing to do."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait(self, stream: Any = None) -> None:
        """Nothing to wait for."""


_default = _current = Stream()


def current_stream(device: Any = None) -> Stream:
    """The stream chosen by ``stream``."""
    return _current


class StreamContext:
    """A block in which a stream is the current one."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        global _current
        self._before = _current
        if self.stream is not None:
            _current = self.stream

    def __exit__(self, *exc: object) -> None:
        global _current
        _current = self._before


def stream(stream: Stream | None) -> StreamContext:
    """Make a stream the current one inside the block."""
    return StreamContext(stream)


__all__ = [
    "Event", "Stream", "StreamContext", "current_device", "current_stream", "device_count",
    "get_capabilities", "is_available", "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip
