"""Intel's GPUs: there are none here, and this says so."""

from __future__ import annotations

from ._absent import fill, refusing_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHY = "opsmith not compiled with XPU enabled"


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Nothing to empty."""


def memory_allocated(device: Any = None) -> int:
    """0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """0."""
    return 0


def memory_stats(device: Any = None) -> dict[str, Any]:
    """Nothing was counted."""
    return {}


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing was counted."""


_REFUSED = (
    "current_device", "current_stream", "get_device_capability", "get_device_name",
    "get_device_properties", "get_rng_state", "init", "initial_seed", "mem_get_info", "seed",
    "seed_all", "set_device", "set_rng_state", "set_stream", "stream", "synchronize",
)  # fmt: skip
fill(globals(), _REFUSED, AssertionError, _WHY)
Event = refusing_class("Event", RuntimeError, _WHY, __name__)
Stream = refusing_class("Stream", RuntimeError, _WHY, __name__)


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "Event", "Stream", "device_count", "empty_cache", "is_available", "is_bf16_supported",
    "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "max_memory_reserved", "memory_allocated", "memory_reserved", "memory_stats",
    "reset_peak_memory_stats", *_REFUSED,
]  # fmt: skip
