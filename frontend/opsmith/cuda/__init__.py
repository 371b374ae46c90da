"""opsmith.cuda: the GPU, if there is one.

The CUDA library loads on the first question that needs it. Without the library, a driver or a GPU
``is_available()`` is False and everything else of opsmith works; asking for a CUDA tensor says why
there is none.
"""

from __future__ import annotations

import contextlib
import importlib
from functools import cache

from .._boundary import check as _check
from .._boundary import ffi as _ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
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


@contextlib.contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Queue on this stream inside the block."""
    if stream is None:
        yield
        return
    before = current_stream()
    set_stream(stream)
    try:
        yield
    finally:
        set_stream(before)


__all__ = [
    "Stream", "current_device", "current_stream", "default_stream", "device_count", "empty_cache",
    "get_device_capability", "get_device_name", "init", "is_available", "is_initialized",
    "max_memory_allocated", "mem_get_info", "memory_allocated", "memory_reserved", "require",
    "reset_peak_memory_stats", "set_device", "set_stream", "stream", "synchronize",
]  # fmt: skip
