"""Events added up by name, as a table, and as a trace for chrome://tracing or Perfetto."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from ._recorder import Event

COLUMN = 12
MEMORY = (("Gb", 2**30), ("Mb", 2**20), ("Kb", 2**10))


class FunctionEvent:
    """One event, with times in microseconds."""

    count = 1

    def __init__(self, event: Event, number: int) -> None:
        self.id, self.name, self.key, self.thread = number, event.name, event.name, event.thread
        self.kind = event.kind
        self.time_range = (event.start / 1e3, event.end / 1e3)
        self.cpu_time_total = (event.end - event.start) / 1e3
        inside = sum(c.end - c.start for c in event.children)
        self.self_cpu_time_total = (event.end - event.start - inside) / 1e3
        self.cpu_memory_usage = event.memory
        self.self_cpu_memory_usage = event.memory - sum(c.memory for c in event.children)
        self.input_shapes, self.stack = event.shapes, event.stack
        self.is_top_level = event.parent is None
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []
        self.is_user_annotation = event.kind == "block"

    @property
    def cpu_time(self) -> float:
        """The time of a call."""
        return self.cpu_time_total / self.count

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.key} calls={self.count} "
            f"self={time_text(self.self_cpu_time_total)} total={time_text(self.cpu_time_total)}>"
        )


class FunctionEventAvg(FunctionEvent):
    """Events of one name (and shapes, or place) added up."""

    def __init__(self, first: FunctionEvent) -> None:
        self.__dict__.update(first.__dict__)
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0

    def add(self, other: FunctionEvent) -> FunctionEventAvg:
        """Count one more; the same event inside itself does not add to the total time."""
        self.count += other.count
        self.self_cpu_time_total += other.self_cpu_time_total
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        if not _inside_its_like(other):
            self.cpu_time_total += other.cpu_time_total
            self.cpu_memory_usage += other.cpu_memory_usage
        return self


def _inside_its_like(event: FunctionEvent) -> bool:
    parent = event.cpu_parent
    while parent is not None:
        if parent.key == event.key:
            return True
        parent = parent.cpu_parent
    return False


class EventList(list):  # type: ignore[type-arg]
    """Events in the order in which they began, or sums of them."""

    def __init__(self, items: Iterable[FunctionEvent] = (), memory: bool = False) -> None:
        super().__init__(items)
        self._memory = memory

    @classmethod
    def of(cls, events: list[Event], memory: bool) -> EventList:
        """The events of a recorder."""
        made = {id(e): FunctionEvent(e, k) for k, e in enumerate(events)}
        for e in events:
            own = made[id(e)]
            own.cpu_parent = made.get(id(e.parent)) if e.parent is not None else None
            own.cpu_children = [made[id(c)] for c in e.children]
        return cls(made.values(), memory)

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in the events."""
        return sum(e.self_cpu_time_total for e in self)

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:  # fmt: skip
        """Events of one name added up; those with other shapes, or called elsewhere, apart."""
        sums: dict[Any, FunctionEventAvg] = {}
        for e in self:
            key: tuple[Any, ...] = (e.key,)
            if group_by_input_shapes:
                key += (str(e.input_shapes),)
            if group_by_stack_n > 0:
                key += tuple(e.stack[:group_by_stack_n])
            if key not in sums:
                sums[key] = FunctionEventAvg(e)
                if not group_by_input_shapes:
                    sums[key].input_shapes = []
                sums[key].stack = e.stack[:group_by_stack_n]
            sums[key].add(e)
        return EventList(sums.values(), self._memory)

    def total_average(self) -> FunctionEventAvg:
        """All of them added up."""
        if not self:
            return FunctionEventAvg(FunctionEvent(Event("Total", "block", 0), 0))
        total = FunctionEventAvg(self[0])
        total.key = total.name = "Total"
        for e in self:
            total.add(e)
        return total

    def table(
        self, sort_by: str | None = None, row_limit: int = 100, max_src_column_width: int = 75,
        max_name_column_width: int = 55, max_shapes_column_width: int = 80,
        header: str | None = None, top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:  # fmt: skip
        """A line for each event.

        Args:
            sort_by: an attribute, greatest first: "self_cpu_time_total", "cpu_time_total", "count",
                "cpu_time", "self_cpu_memory_usage", "cpu_memory_usage".
            row_limit: how many lines, -1 for all.
            max_src_column_width: of the column of places.
            max_name_column_width: of the column of names.
            max_shapes_column_width: of the column of shapes.
            header: a line above.
            top_level_events_only: leave out what happened inside others.
            time_unit: "s", "ms" or "us" for all times.
        """
        events = [e for e in self if not top_level_events_only or e.cpu_parent is None]
        if not events:
            return ""
        if sort_by is not None:
            events.sort(key=lambda e: getattr(e, sort_by), reverse=True)
        total = self.self_cpu_time_total
        columns = _columns(events, total, self._memory, time_unit)
        rows = [[text(e) for _, text in columns] for e in events]
        rows = rows if row_limit < 0 else rows[:row_limit]
        limits = {
            "Name": max_name_column_width, "Input Shapes": max_shapes_column_width,
            "Source Location": max_src_column_width,
        }  # fmt: skip
        lines = _laid_out([name for name, _ in columns], rows, limits)
        if header is not None:
            lines = ["=" * len(lines[0]), header, *lines]
        return "\n".join([*lines, f"Self CPU time total: {time_text(total, time_unit)}", ""])

    def export_chrome_trace(self, path: str) -> None:
        """Write a trace: a JSON file that chrome://tracing and Perfetto show."""
        names = {"op": "cpu_op", "backward": "autograd", "block": "user_annotation"}
        process = os.getpid()
        trace = [
            {
                "ph": "X", "cat": names[e.kind], "name": e.name, "pid": process, "tid": e.thread,
                "ts": e.time_range[0], "dur": e.time_range[1] - e.time_range[0],
                "args": {"Input Dims": e.input_shapes, "Bytes": e.cpu_memory_usage,
                         "Call stack": ";".join(e.stack)},
            }
            for e in self
        ]  # fmt: skip
        with _opened(path) as file:
            json.dump({"schemaVersion": 1, "traceEvents": trace, "displayTimeUnit": "ms"}, file)

    def export_stacks(self, path: str, metric: str) -> None:
        """Write stacks with their time, for flame graphs."""
        if metric != "self_cpu_time_total":
            raise ValueError(f"metric should be self_cpu_time_total, found {metric}")
        with _opened(path) as file:
            for e in self:
                if e.stack:
                    place = ";".join(reversed([s.replace(" ", "_") for s in e.stack]))
                    file.write(f"{place};{e.name} {int(e.self_cpu_time_total)}\n")

    def __str__(self) -> str:
        return self.table()


def _opened(path: str) -> Any:
    if str(path).endswith(".gz"):
        import gzip

        return gzip.open(path, "wt", encoding="utf-8")
    return open(path, "w", encoding="utf-8")


def _columns(
    events: list[FunctionEvent], total: float, memory: bool, unit: str | None
) -> list[tuple[str, Callable[[FunctionEvent], str]]]:
    columns: list[tuple[str, Callable[[FunctionEvent], str]]] = [
        ("Name", lambda e: e.key),
        ("Self CPU %", lambda e: _share(e.self_cpu_time_total, total)),
        ("Self CPU", lambda e: time_text(e.self_cpu_time_total, unit)),
        ("CPU total %", lambda e: _share(e.cpu_time_total, total)),
        ("CPU total", lambda e: time_text(e.cpu_time_total, unit)),
        ("CPU time avg", lambda e: time_text(e.cpu_time, unit)),
    ]
    if memory:
        columns += [
            ("CPU Mem", lambda e: memory_text(e.cpu_memory_usage)),
            ("Self CPU Mem", lambda e: memory_text(e.self_cpu_memory_usage)),
        ]
    columns.append(("# of Calls", lambda e: str(e.count)))
    if any(e.input_shapes for e in events):
        columns.append(("Input Shapes", lambda e: str(e.input_shapes)))
    if any(e.stack for e in events):
        columns.append(("Source Location", lambda e: e.stack[0] if e.stack else ""))
    return columns


def _laid_out(heads: list[str], rows: list[list[str]], limits: dict[str, int]) -> list[str]:
    widths = []
    for k, head in enumerate(heads):
        widest = max(len(head), *(len(row[k]) for row in rows)) if rows else len(head)
        widths.append(min(widest, limits[head]) if head in limits else max(COLUMN, widest))

    def line(cells: list[str]) -> str:
        cut = [c if len(c) <= w else c[: w - 3] + "..." for c, w in zip(cells, widths, strict=True)]
        return "  ".join(c.rjust(w) for c, w in zip(cut, widths, strict=True))

    rule = "  ".join("-" * w for w in widths)
    return [rule, line(heads), rule, *map(line, rows), rule]


def time_text(us: float, unit: str | None = None) -> str:
    """A time in the unit that suits it."""
    if unit == "s" or (unit is None and us >= 1e6):
        return f"{us / 1e6:.3f}s"
    if unit == "ms" or (unit is None and us >= 1e3):
        return f"{us / 1e3:.3f}ms"
    return f"{us:.3f}us"


def _share(part: float, total: float) -> str:
    return f"{100 * part / total if total else 0:.2f}%"


def memory_text(nbytes: int) -> str:
    """Bytes in the unit that suits them."""
    for name, size in MEMORY:
        if abs(nbytes) >= size:
            return f"{nbytes / size:.2f} {name}"
    return f"{nbytes} b"


__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "memory_text", "time_text"]
