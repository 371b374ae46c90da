"""Python's ``multiprocessing``, whose queues, pipes and arguments share tensors instead of copying.

A tensor that is sent is moved to memory that both processes map: what one writes the other sees.
The memory goes when the last tensor over it does; the sender must live until the other process has
received it.
"""

from __future__ import annotations

import multiprocessing as _base
from multiprocessing import *  # noqa: F403

from .reductions import (
    get_all_sharing_strategies,
    get_sharing_strategy,
    install,
    set_sharing_strategy,
)
from .spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    spawn,
    start_processes,
)

install()


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException",
    "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn",
    "start_processes", *_base.__all__,
]  # fmt: skip
