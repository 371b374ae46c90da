"""Apple's GPUs: there are none here, and this says so."""

from __future__ import annotations

from ._absent import fill, refusing_class

_WHY = "opsmith has no MPS backend"


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


_REFUSED = (
    "compile_shader", "current_allocated_memory", "driver_allocated_memory", "empty_cache",
    "get_rng_state", "load_metallib", "recommended_max_memory", "seed",
    "set_per_process_memory_fraction", "set_rng_state", "synchronize",
)  # fmt: skip
fill(globals(), _REFUSED, RuntimeError, _WHY)
Event = refusing_class("Event", RuntimeError, _WHY, __name__)


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = ["Event", "device_count", "is_available", "manual_seed", *_REFUSED]
