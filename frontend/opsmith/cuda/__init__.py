"""opsmith.cuda: the GPU, if there is one.

The CUDA library loads on the first question that needs it. Without the library, a driver or a GPU
``is_available()`` is False and everything else of opsmith works; asking for a CUDA tensor says why
there is none.
"""

from __future__ import annotations

import importlib
from functools import cache

from .._boundary import check as _check
from .._boundary import ffi as _ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@cache
def _library() -> tuple[Any, Exception | None]:
    """The library's functions, or None and what to raise where they are needed.

    The kinds of errors are PyTorch's: an AssertionError without the library, else a RuntimeError.
    """
    try:
        found = importlib.import_module("opsmith._generated._cuda").lib
    except ImportError as e:
        if getattr(e, "name", None) == "opsmith._generated._cuda":
            return None, AssertionError(
                "opsmith not compiled with CUDA enabled (python3 build.py --cuda)"
            )
        return None, RuntimeError(f"the CUDA library does not load: {e}")
    if found.ops_cuda_device_count() < 1:
        why = _text(found.ops_cuda_why_not())
        return None, RuntimeError(f"Found no usable NVIDIA GPU on your system: {why}")
    return found, None


def _text(pointer: Any) -> str:
    return str(_ffi.string(pointer).decode("utf-8", "replace"))


def require() -> Any:
    """The started library's functions, or an error that says what is missing."""
    lib, missing = _library()
    if missing is not None:
        raise type(missing)(*missing.args)
    if not lib.ops_cuda_start():
        raise RuntimeError(f"the GPU cannot be used: {_text(lib.ops_cuda_why_not())}")
    return lib


def is_available() -> bool:
    """Can tensors live on a GPU here? Never raises."""
    return _library()[0] is not None


def is_initialized() -> bool:
    """Has the library been loaded and found a GPU?"""
    return _library.cache_info().currsize > 0 and is_available()


def init() -> None:
    """Start the CUDA backend; asking for a CUDA tensor does it too."""
    require()


def device_count() -> int:
    """Number of GPUs; a process uses one of them."""
    lib = _library()[0]
    return 0 if lib is None else int(lib.ops_cuda_device_count())


def current_device() -> int:
    """Index of the GPU that this process uses."""
    return int(require().ops_cuda_current_device())


def set_device(device: Any) -> None:
    """Choose the GPU: only the one in use can be chosen (set OPSMITH_CUDA_DEVICE for another)."""
    wanted = _index(device)
    if wanted != current_device():
        raise RuntimeError(
            f"opsmith uses one GPU a process, {current_device()} here; "
            f"set OPSMITH_CUDA_DEVICE={wanted}"
        )


def get_device_name(device: Any = None) -> str:
    """The GPU's name."""
    return _text(require().ops_cuda_device_name(_index(device)))


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Its compute capability, like (9, 0)."""
    return divmod(int(require().ops_cuda_capability(_index(device))), 10)


def synchronize(device: Any = None) -> None:
    """Wait for everything queued; raises the errors of kernels that ran."""
    _check(require().ops_cuda_synchronize())


def memory_allocated(device: Any = None) -> int:
    """Bytes of GPU memory that tensors hold."""
    lib = _library()[0]
    return 0 if lib is None else int(lib.ops_cuda_memory_allocated())


def memory_reserved(device: Any = None) -> int:
    """Bytes of GPU memory taken from the driver, cached blocks included."""
    lib = _library()[0]
    return 0 if lib is None else int(lib.ops_cuda_memory_reserved())


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that tensors have held at once."""
    lib = _library()[0]
    return 0 if lib is None else int(lib.ops_cuda_max_memory_allocated())


def reset_peak_memory_stats(device: Any = None) -> None:
    """Start ``max_memory_allocated`` from what is held now."""
    lib = _library()[0]
    if lib is not None:
        lib.ops_cuda_reset_peak()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of the GPU."""
    lib = require()
    return int(lib.ops_cuda_memory_free()), int(lib.ops_cuda_memory_total(_index(device)))


def empty_cache() -> None:
    """Give cached memory back to the driver."""
    lib = _library()[0]
    if lib is not None:
        lib.ops_cuda_empty_cache()


def _index(device: Any) -> int:
    if device is None:
        return current_device()
    if isinstance(device, int):
        return device
    from .._dtypes import device as Device

    return Device(device).index or 0


default_generators: tuple[Any, ...] = ()
has_half, has_magma = True, False
_MODULES = ("amp", "memory", "nvtx", "random")
_LATE = {
    **dict.fromkeys((
        "CUDAGraph", "Event", "can_device_access_peer", "device", "device_of", "get_arch_list",
        "get_device_properties", "get_gencode_flags", "get_sync_debug_mode", "graph",
        "is_bf16_supported", "is_current_stream_capturing", "is_tf32_supported",
        "set_sync_debug_mode",
    ), "_devices"),
    **dict.fromkeys((
        "caching_allocator_alloc", "caching_allocator_delete", "get_allocator_backend",
        "ipc_collect", "max_memory_cached", "max_memory_reserved", "memory_cached",
        "memory_snapshot", "memory_stats", "memory_summary", "reset_accumulated_memory_stats",
        "reset_max_memory_allocated", "reset_max_memory_cached", "set_per_process_memory_fraction",
    ), "memory"),
    **dict.fromkeys((
        "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all",
        "seed", "seed_all", "set_rng_state", "set_rng_state_all",
    ), "random"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"opsmith.cuda.{name}")
    if name in _LATE:
        return getattr(importlib.import_module(f"opsmith.cuda.{_LATE[name]}"), name)
    from opsmith._names import missing

    raise missing(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_LATE})


class Stream:
    """A queue of GPU work, not ordered with others; ``with stream(s):`` makes it current."""

    __slots__ = ("_owned", "cuda_stream")

    def __init__(self, device: Any = None, priority: int = 0, *, handle: int | None = None) -> None:
        lib = require()
        self._owned = handle is None
        self.cuda_stream = (
            int(_check(lib.ops_cuda_stream_new(priority))) if handle is None else handle
        )

    def synchronize(self) -> None:
        """Wait for what is queued here."""
        _check(require().ops_cuda_stream_synchronize(self.cuda_stream))

    def query(self) -> bool:
        """Is everything queued here done?"""
        return bool(require().ops_cuda_stream_query(self.cuda_stream))

    def wait_stream(self, other: Stream) -> None:
        """What is queued here from now on waits for what is queued on ``other`` now."""
        _check(require().ops_cuda_stream_wait(self.cuda_stream, other.cuda_stream))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.cuda_stream == other.cuda_stream

    def __hash__(self) -> int:
        return hash(self.cuda_stream)

    def __repr__(self) -> str:
        place = f"device=cuda:{current_device()}"
        return f"<opsmith.cuda.Stream {place} cuda_stream={self.cuda_stream:#x}>"


def current_stream(device: Any = None) -> Stream:
    """The calling thread's stream."""
    return Stream(handle=int(require().ops_cuda_stream_get()))


def default_stream(device: Any = None) -> Stream:
    """The stream that threads start with."""
    return Stream(handle=0)


def set_stream(stream: Stream) -> None:
    """Make it the calling thread's stream."""
    require().ops_cuda_stream_set(stream.cuda_stream)


class StreamContext:
    """A block whose work is queued on a stream; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self._before = current_stream()
            set_stream(self.stream)

    def __exit__(self, *exc: object) -> None:
        if self.stream is not None:
            set_stream(self._before)


def stream(stream: Stream | None) -> StreamContext:
    """Queue on this stream inside the block."""
    return StreamContext(stream)


__all__ = [
    "Stream", "StreamContext", "current_device", "current_stream", "default_stream",
    "device_count", "empty_cache",
    "get_device_capability", "get_device_name", "init", "is_available", "is_initialized",
    "max_memory_allocated", "mem_get_info", "memory_allocated", "memory_reserved", "require",
    "reset_peak_memory_stats", "set_device", "set_stream", "stream", "synchronize", *_LATE,
]  # fmt: skip
