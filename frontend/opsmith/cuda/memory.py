"""What is known of a GPU's memory."""

from __future__ import annotations

from typing import Any

from .._absent import fill
from . import (
    empty_cache,
    max_memory_allocated,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    require,
    reset_peak_memory_stats,
)


def max_memory_reserved(device: Any = None) -> int:
    """Bytes taken from the driver now: the most is not kept, and cached blocks are rarely given back."""  # noqa: E501
    return memory_reserved(device)


def memory_stats(device: Any = None) -> dict[str, Any]:
    """The figures by PyTorch's names; none without a GPU."""
    from . import is_available

    if not is_available():
        return {}
    return {
        "allocated_bytes.all.current": memory_allocated(device),
        "allocated_bytes.all.peak": max_memory_allocated(device),
        "reserved_bytes.all.current": memory_reserved(device),
        "reserved_bytes.all.peak": max_memory_reserved(device),
    }


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The figures as a table."""
    rows = [("", "now", "most")]
    rows += [("allocated", str(memory_allocated(device)), str(max_memory_allocated(device)))]
    rows += [("reserved", str(memory_reserved(device)), str(max_memory_reserved(device)))]
    return "\n".join(f"{a:<10} {b:>16} {c:>16}" for a, b, c in rows)


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Nothing is accumulated."""


def reset_max_memory_allocated(device: Any = None) -> None:
    """The older name of ``reset_peak_memory_stats``."""
    reset_peak_memory_stats(device)


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Only the whole can be asked for."""
    require()
    if fraction != 1.0:
        raise RuntimeError("opsmith's allocator has no limit of its own")


def ipc_collect() -> None:
    """No memory is shared with other processes."""
    require()


def get_allocator_backend() -> str:
    """The allocator's kind."""
    return "native"


max_memory_cached, memory_cached = max_memory_reserved, memory_reserved
reset_max_memory_cached = reset_max_memory_allocated
_REFUSED = ("caching_allocator_alloc", "caching_allocator_delete", "memory_snapshot")
fill(globals(), _REFUSED, RuntimeError, "opsmith's allocator does not tell its blocks")


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "empty_cache", "get_allocator_backend", "ipc_collect", "max_memory_allocated",
    "max_memory_cached", "max_memory_reserved", "mem_get_info", "memory_allocated",
    "memory_cached", "memory_reserved", "memory_stats", "memory_summary",
    "reset_accumulated_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached",
    "reset_peak_memory_stats", "set_per_process_memory_fraction", *_REFUSED,
]  # fmt: skip
