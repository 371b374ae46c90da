"""Choosing a GPU and asking what it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from .._absent import refusing_class
from . import (
    current_device,
    current_stream,
    get_device_capability,
    get_device_name,
    is_available,
    mem_get_info,
    require,
    set_device,
    synchronize,
)


class device:
    """A block that uses the GPU with this index."""

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            set_device(self.idx)

    def __exit__(self, *exc: object) -> None:
        pass


class device_of(device):
    """A block that uses the GPU on which a tensor lives; nothing for others."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else None)


@dataclass(frozen=True)
class _Properties:
    name: str
    major: int
    minor: int
    total_memory: int


def get_device_properties(device: Any = None) -> _Properties:
    """Its name, compute capability and memory."""
    require()
    return _Properties(get_device_name(device), *get_device_capability(device), mem_get_info()[1])


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Does the GPU compute with bfloat16? False without one."""
    return is_available() and (including_emulation or get_device_capability() >= (8, 0))


def is_tf32_supported() -> bool:
    """False: products have full precision."""
    return False


def get_arch_list() -> list[str]:
    """What the kernels were compiled for; empty without a GPU."""
    return ["sm_{}{}".format(*get_device_capability())] if is_available() else []


def get_gencode_flags() -> str:
    """The compiler's flags for them."""
    return " ".join(f"-gencode arch={a.replace('sm', 'compute')},code={a}" for a in get_arch_list())


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """A process uses one GPU."""
    require()
    return False


def get_sync_debug_mode() -> int:
    """0: waiting is never reported."""
    require()
    return 0


def set_sync_debug_mode(debug_mode: int | str) -> None:
    """Only "default" can be asked for."""
    require()
    if debug_mode not in (0, "default"):
        raise RuntimeError("opsmith does not report waiting")


def is_current_stream_capturing() -> bool:
    """False: launches are not captured."""
    return False


class Event:
    """A point in the work queued on a GPU; recording one waits for it, so that times are of the host."""  # noqa: E501

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False,
        external: bool = False,
    ) -> None:  # fmt: skip
        require()
        self.enable_timing, self._time = enable_timing, 0.0

    def record(self, stream: Any = None) -> None:
        """Wait for what is queued, and note the time."""
        (current_stream() if stream is None else stream).synchronize()
        self._time = time.perf_counter()

    def query(self) -> bool:
        """Has it happened?"""
        return True

    def wait(self, stream: Any = None) -> None:
        """It has happened."""

    def synchronize(self) -> None:
        """It has happened."""

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between two events."""
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        return (end_event._time - self._time) * 1e3


_WHY = "opsmith does not capture launches"
CUDAGraph = refusing_class("CUDAGraph", RuntimeError, _WHY, "opsmith.cuda")
graph = refusing_class("graph", RuntimeError, _WHY, "opsmith.cuda")

__all__ = [
    "CUDAGraph", "Event", "can_device_access_peer", "current_device", "device", "device_of",
    "get_arch_list", "get_device_properties", "get_gencode_flags", "get_sync_debug_mode", "graph",
    "is_bf16_supported", "is_current_stream_capturing", "is_tf32_supported",
    "set_sync_debug_mode", "synchronize",
]  # fmt: skip
