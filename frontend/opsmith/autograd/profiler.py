"""The older profiler's names, over ``opsmith.profiler``."""

from __future__ import annotations

from typing import Any

from ..profiler import _events, kineto_available, record_function
from ..profiler import profile as _profile
from ..profiler._events import EventList, FunctionEvent, FunctionEventAvg


class profile:
    """A block whose operations are recorded; see ``opsmith.profiler.profile``."""

    def __init__(
        self, enabled: bool = True, *, use_cuda: bool = False, use_device: str | None = None,
        record_shapes: bool = False, with_flops: bool = False, profile_memory: bool = False,
        with_stack: bool = False, with_modules: bool = False, use_kineto: bool = False,
        use_cpu: bool = True, **_: Any,
    ) -> None:  # fmt: skip
        self.enabled = enabled
        self._inner = _profile(
            record_shapes=record_shapes, profile_memory=profile_memory, with_stack=with_stack
        )

    def __enter__(self) -> profile:
        if self.enabled:
            self._inner.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.enabled:
            self._inner.stop()

    @property
    def function_events(self) -> EventList:
        """What was recorded."""
        return self._inner.events()

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> Any:
        """The same added up by name."""
        return self._inner.key_averages(group_by_input_shape, group_by_stack_n)

    def table(self, *args: Any, **kwargs: Any) -> str:
        """A line for each event."""
        return self.function_events.table(*args, **kwargs)

    def total_average(self) -> FunctionEventAvg:
        """All events added up."""
        return self.function_events.total_average()

    def export_chrome_trace(self, path: str) -> None:
        """Write a trace."""
        self._inner.export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write stacks with their time."""
        self._inner.export_stacks(path, metric)

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in the events."""
        return self.function_events.self_cpu_time_total

    def __str__(self) -> str:
        return self.table()


format_time, format_memory = _events.time_text, _events.memory_text

__all__ = [
    "EventList", "FunctionEvent", "FunctionEventAvg", "kineto_available", "profile",
    "record_function",
]  # fmt: skip
