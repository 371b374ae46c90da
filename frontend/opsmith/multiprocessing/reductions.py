"""Tensors in memory that processes share, and how they are pickled for another process.

A segment is an anonymous file in memory, mapped; strategy ``file_descriptor`` hands its descriptor
over, ``file_system`` a name under /dev/shm, which goes when the process that made it ends.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import weakref
from multiprocessing.reduction import DupFd, ForkingPickler
from multiprocessing.util import Finalize
from typing import Any

from .._boundary import ffi, lib
from .._core import Leaf, Tensor, exchange
from .._dtypes import DTYPES
from .._foreign import _adopt

STRATEGIES = frozenset({"file_descriptor", "file_system"})
_state: dict[str, Any] = {"strategy": "file_descriptor", "made": 0}


def get_all_sharing_strategies() -> set[str]:
    """The ways there are to hand memory over."""
    return set(STRATEGIES)


def get_sharing_strategy() -> str:
    """The way in use."""
    return str(_state["strategy"])


def set_sharing_strategy(new_strategy: str) -> None:
    """Choose one: for memory that is shared from now on."""
    if new_strategy not in STRATEGIES:
        raise ValueError(
            f"sharing strategy {new_strategy!r} is not known; known are "
            f"{', '.join(sorted(STRATEGIES))}"
        )
    _state["strategy"] = new_strategy


class _Segment(mmap.mmap):
    """Shared memory, with what another process can open it by: a descriptor or a name."""

    fd: int = -1
    path: str = ""

    def address(self) -> int:
        """Where it is mapped."""
        return int(ffi.cast("intptr_t", ffi.from_buffer(self)))


_segments: weakref.WeakValueDictionary[int, _Segment] = weakref.WeakValueDictionary()


def _new_segment(nbytes: int) -> _Segment:
    path = _new_name() if _state["strategy"] == "file_system" else ""
    if path:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    else:
        fd = os.memfd_create("opsmith", os.MFD_CLOEXEC)
    os.ftruncate(fd, nbytes)
    return _mapped(fd, nbytes, path)


def _new_name() -> str:
    _state["made"] += 1
    return f"/dev/shm/opsmith_{os.getpid()}_{_state['made']}"


def _mapped(fd: int, nbytes: int, path: str) -> _Segment:
    """Map a file; the descriptor, or else the name, is the segment's from now on."""
    segment = _Segment(fd, nbytes)
    if path:
        os.close(fd)
        segment.path = path
        Finalize(segment, _unlink, (path,), exitpriority=10)
    else:
        segment.fd = fd
        weakref.finalize(segment, os.close, fd).atexit = False
    _segments[segment.address()] = segment
    return segment


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _handed_over(segment: _Segment) -> Any:
    """What the other process opens: a descriptor of its own, or a name that becomes its own.

    A name that nobody took goes when this process ends.
    """
    if not segment.path:
        return DupFd(segment.fd)
    name = _new_name()
    os.link(segment.path, name)
    Finalize(None, _unlink, (name,), exitpriority=10)
    return name


def _taken(where: Any, nbytes: int) -> _Segment:
    """The other end of `_handed_over`."""
    if not isinstance(where, str):
        fd = where.detach()
        return _known(fd) or _mapped(fd, nbytes, "")
    fd = os.open(where, os.O_RDWR | os.O_CLOEXEC)
    found = _known(fd)
    if found is not None:
        os.unlink(where)
        return found
    path = _new_name()
    os.rename(where, path)
    return _mapped(fd, nbytes, path)


def _known(fd: int) -> _Segment | None:
    """The mapping of the same file, where this process has one: then ``fd`` is closed."""
    stat = os.fstat(fd)
    for segment in list(_segments.values()):
        other = os.stat(segment.path) if segment.path else os.fstat(segment.fd)
        if (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino):
            os.close(fd)
            return segment
    return None


def is_shared(t: Tensor) -> bool:
    """Is the tensor's memory shared with other processes, or on a GPU?"""
    return lib.ops_device(t._h) == 2 or lib.ops_storage_pointer(t._h) in _segments


def share(t: Tensor) -> None:
    """Move a tensor's elements to shared memory.

    Other tensors over the same storage stay where they are.
    """
    if is_shared(t) or lib.ops_numel(t._h) == 0:
        return
    twin = _shared_copy(t)
    exchange(t, twin)


def _shared_copy(t: Tensor) -> Tensor:
    plain = t.detach()
    strides = plain.stride() if plain.is_contiguous() else _dense(plain)
    segment = _new_segment(max(plain.nbytes, 1))
    twin = _adopt(segment, plain.dtype, segment.address(), tuple(plain.shape), strides, False)
    twin.copy_(plain)
    return twin


def _dense(t: Tensor) -> tuple[int, ...]:
    """The strides of a copy that keeps the order of the dims."""
    return tuple(t.clone().stride())


def reduce_tensor(t: Tensor) -> tuple[Any, ...]:
    """How a tensor is pickled for another process."""
    if t._node is not None and t._node.__class__ is not Leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries.  If you just want to transfer the data, "
            "call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    if lib.ops_device(t._h) != 0 or lib.ops_numel(t._h) == 0:
        return t.__reduce_ex__(2)  # type: ignore[return-value]
    if not is_shared(t) and lib.ops_storage_refcount(t._h) == 1:
        share(t)
    data = t if is_shared(t) else _shared_copy(t)
    segment = _segments[lib.ops_storage_pointer(data._h)]
    geometry = tuple(data.shape), tuple(data.stride()), data.storage_offset()
    state = {k: v for k, v in t.__dict__.items() if k != "_kept_grad"}
    return _rebuild, (
        type(t), _handed_over(segment), len(segment), lib.ops_dtype(t._h), geometry,
        t.requires_grad, state,
    )  # fmt: skip


def _rebuild(
    cls: type, where: Any, nbytes: int, code: int, geometry: Any, requires_grad: bool, state: Any
) -> Any:
    shape, strides, offset = geometry
    segment = _taken(where, nbytes)
    d = DTYPES[code]
    t = _adopt(segment, d, segment.address(), (nbytes // d.itemsize,), (1,), False)
    t = t.as_strided(shape, strides, offset).detach()
    if cls is not Tensor:
        t = Tensor._make_subclass(cls, t, requires_grad)  # type: ignore[attr-defined]
    elif requires_grad:
        t.requires_grad_(True)
    t.__dict__.update(state)
    return t


def install() -> None:
    """Let queues and processes pickle tensors this way."""
    from ..nn.parameter import Buffer, Parameter

    for cls in (Tensor, Parameter, Buffer):
        ForkingPickler.register(cls, reduce_tensor)


__all__ = [
    "get_all_sharing_strategies", "get_sharing_strategy", "install", "is_shared",
    "reduce_tensor", "set_sharing_strategy", "share",
]  # fmt: skip
