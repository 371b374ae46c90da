"""Where the time goes: ``with profile() as p: ...`` then ``print(p.key_averages().table())``.

Operations of the thread that started the profiler are shown with what they call, backward functions
and named blocks beside them. Times are of the host; a profiled program runs slower, most so where
operations are small.
"""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from ._blocks import record_function
from ._events import EventList
from ._recorder import Recorder


class ProfilerActivity(Enum):
    """What is watched: only the CPU is."""

    CPU, XPU, MTIA, CUDA, HPU, PrivateUse1 = range(6)


class DeviceType(Enum):
    """Kinds of devices."""

    CPU, CUDA = range(2)


class ProfilerAction(Enum):
    """What a profiler does in a step."""

    NONE, WARMUP, RECORD, RECORD_AND_SAVE = range(4)


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """False: the profiler is the library's own."""
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:  # fmt: skip
    """Which steps to record: cycles of ``wait`` + ``warmup`` + ``active`` steps.

    Args:
        wait: steps that are not watched.
        warmup: steps that are not kept.
        active: steps that are recorded.
        repeat: how many cycles; 0 for any number.
        skip_first: steps before the first cycle.
        skip_first_wait: nonzero: the first cycle does not wait.
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} "
            f"(need >= 0), active={active} (need > 0), repeat={repeat} (need >= 0), "
            f"skip_first={skip_first} (need >= 0)."
        )
    if warmup == 0:
        warnings.warn(
            "Profiler won't be using warmup, this can skew profiler results", stacklevel=2
        )
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        if repeat and step // cycle >= repeat:
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def _always(_: int) -> ProfilerAction:
    return ProfilerAction.RECORD


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile:
    """A block whose operations are recorded; with a ``schedule``, some steps of it.

    Args:
        activities: taken for PyTorch's sake: the CPU is watched.
        schedule: what to do in each step; ``step()`` ends one. Everything is recorded without.
        on_trace_ready: called with the profiler when a cycle's record is complete.
        record_shapes: note the shapes of operands.
        profile_memory: note the bytes that tensors hold.
        with_stack: note where operations were called.
        with_flops: taken for PyTorch's sake: operations are not counted.
        with_modules: taken for PyTorch's sake.
        experimental_config: taken for PyTorch's sake.
        acc_events: keep the events of all cycles.
    """

    def __init__(
        self, *, activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None, record_shapes: bool = False,
        profile_memory: bool = False, with_stack: bool = False, with_flops: bool = False,
        with_modules: bool = False, experimental_config: Any = None,
        execution_trace_observer: Any = None, acc_events: bool = False, use_cuda: Any = None,
        custom_trace_id_callback: Any = None,
    ) -> None:  # fmt: skip
        self.activities = set(activities) if activities is not None else supported_activities()
        if not self.activities:
            raise AssertionError("No valid profiler activities found")
        self.schedule = schedule or _always
        self._steps = schedule is not None
        self.on_trace_ready, self._keep = on_trace_ready, acc_events
        self.record_shapes, self.profile_memory = record_shapes, profile_memory
        self.with_stack = with_stack
        self.step_num = 0
        self.current_action = self.schedule(0)
        self._recorder: Recorder | None = None
        self._step_block: record_function | None = None
        self._events: list[Any] = []

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin the first step."""
        self._act(ProfilerAction.NONE, self.current_action)

    def stop(self) -> None:
        """End the last one."""
        self._act(self.current_action, ProfilerAction.NONE, last=True)

    def step(self) -> None:
        """End a step and begin the next."""
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        self._act(before, self.current_action)

    def _act(self, before: ProfilerAction, now: ProfilerAction, last: bool = False) -> None:
        if self._step_block is not None:
            self._step_block.__exit__()
            self._step_block = None
        ends = before is ProfilerAction.RECORD_AND_SAVE or now not in _RECORDING
        if self._recorder is not None and ends:
            self._recorder.stop()
            found = self._recorder.events
            self._events = [*self._events, *found] if self._keep else found
            self._recorder = None
            whole = before is ProfilerAction.RECORD_AND_SAVE or last
            if whole and self.on_trace_ready is not None:
                self.on_trace_ready(self)
        if now in _RECORDING and self._recorder is None:
            self._recorder = Recorder(self.record_shapes, self.profile_memory, self.with_stack)
            self._recorder.start()
        if self._recorder is not None and self._steps:
            self._step_block = record_function(f"ProfilerStep#{self.step_num}")
            self._step_block.__enter__()

    def events(self) -> EventList:
        """What was recorded, in order."""
        recorded = self._recorder.events if self._recorder is not None else self._events
        return EventList.of([e for e in recorded if e.end], self.profile_memory)

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:  # fmt: skip
        """The same added up by name."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Write a trace that chrome://tracing and Perfetto show; compressed if it ends in .gz."""
        self.events().export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write stacks with their time, for flame graphs."""
        self.events().export_stacks(path, metric)

    def toggle_collection_dynamic(self, enable: bool, activities: Any = None) -> None:
        """Stop or go on recording inside the block."""
        if enable and self._recorder is None:
            self._recorder = Recorder(self.record_shapes, self.profile_memory, self.with_stack)
            self._recorder.events = list(self._events)
            self._recorder.start()
        elif not enable and self._recorder is not None:
            self._recorder.stop()
            self._events, self._recorder = self._recorder.events, None

    @property
    def profiler(self) -> profile:
        """Itself: there is one."""
        return self


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """An ``on_trace_ready`` that writes each trace into a folder, as TensorBoard expects them."""

    def handler(p: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        p.export_chrome_trace(os.path.join(dir_name, name))

    return handler


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "DeviceType", "ProfilerAction", "ProfilerActivity", "kineto_available", "profile",
    "record_function", "schedule", "supported_activities", "tensorboard_trace_handler",
]  # fmt: skip
