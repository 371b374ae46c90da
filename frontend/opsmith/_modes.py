"""Blocks in which a thread's calls are seen or changed before they run.

A mode (``overrides.TorchFunctionMode``, a profiler) takes calls over; autocast converts operands of
the ops whose entries say so. C diverts calls to a mode by itself. What C cannot see asks here, and
only once some thread has entered a block: ``_functions.blocks`` counts them.
"""

from __future__ import annotations

import functools
from _thread import allocate_lock

from . import _functions
from ._arguments import dispatch, overriding
from ._boundary import ALWAYS, AUTOCAST, ENTERED, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_lock = allocate_lock()
_flags = lib.ops_diverted_flags
_casting: list[Any] = []  # the function that converts operands, once a block needed it


def autocasting() -> bool:
    """Is this thread in an autocast block?"""
    return bool(_flags() & AUTOCAST)


def count(change: int) -> None:
    """A block was entered (1) or left (-1)."""
    with _lock:
        _functions.blocks += change


def diverts(policy: str) -> int:
    """Does a block of this thread change a call of an op with this ``autocast`` key?"""
    flags = _flags()
    if flags & ENTERED:
        lib.ops_divert(flags & ~ENTERED)
        flags &= ~ALWAYS
    return flags & (ALWAYS | AUTOCAST if policy else ALWAYS)


def divert(fn: Any, policy: str, *args: Any, **kwargs: Any) -> Any:
    """Make the call as the blocks want it: modes and overriding classes come before autocast."""
    if _flags() & ALWAYS or overriding(args, kwargs):
        return dispatch(fn, *args, **kwargs)
    if not _casting:
        from .amp._casting import call

        _casting.append(call)
    return _casting[0](fn, policy, args, kwargs)


def computes_in(policy: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a function that is no entry what the key ``autocast`` gives one; modes see it whole."""

    def mark(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            if _functions.blocks and diverts(policy):
                return divert(call, policy, *args, **kwargs)
            return fn(*args, **kwargs)

        return call

    return mark
