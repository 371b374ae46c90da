"""The accelerator of this machine, whichever it is: a GPU, or none."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._dtypes import device


def _cuda() -> Any:
    from . import cuda

    return cuda if cuda.is_available() else None


def is_available() -> bool:
    """Is there one?"""
    return _cuda() is not None


def device_count() -> int:
    """How many there are."""
    found = _cuda()
    return found.device_count() if found is not None else 0


def current_accelerator(check_available: bool = False) -> device | None:
    """Its device, None where there is none."""
    from ._dtypes import device

    return device("cuda") if _cuda() is not None else None


def _need() -> Any:
    found = _cuda()
    if found is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return found


def current_device_index() -> int:
    """Index of the one in use."""
    return int(_need().current_device())


def set_device_index(device: Any, /) -> None:
    """Choose one."""
    _need().set_device(device)


current_device_idx, set_device_idx = current_device_index, set_device_index


def synchronize(device: Any = None, /) -> None:
    """Wait for everything queued."""
    _need().synchronize(device)


def current_stream(device: Any = None, /) -> Any:
    """The calling thread's stream."""
    return _need().current_stream(device)


def set_stream(stream: Any) -> None:
    """Make it the calling thread's stream."""
    _need().set_stream(stream)


def empty_cache() -> None:
    """Give cached memory back."""
    _need().empty_cache()


def memory_allocated(device: Any = None, /) -> int:
    """Bytes that tensors hold."""
    return int(_need().memory_allocated(device))


def memory_reserved(device: Any = None, /) -> int:
    """Bytes taken from the driver."""
    return int(_need().memory_reserved(device))


def max_memory_allocated(device: Any = None, /) -> int:
    """The most bytes that tensors have held."""
    return int(_need().max_memory_allocated(device))


def reset_peak_memory_stats(device: Any = None, /) -> None:
    """Start ``max_memory_allocated`` anew."""
    _need().reset_peak_memory_stats(device)


def get_memory_info(device: Any = None, /) -> tuple[int, int]:
    """Free and total bytes."""
    return _need().mem_get_info(device)  # type: ignore[no-any-return]


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "current_stream",
    "device_count", "empty_cache", "get_memory_info", "is_available", "max_memory_allocated",
    "memory_allocated", "memory_reserved", "reset_peak_memory_stats", "set_device_idx",
    "set_device_index", "set_stream", "synchronize",
]  # fmt: skip
