"""Several processes that compute together: not here yet, and this says so.

``is_available()`` is False, which programs ask before they use the rest. Collectives exist, so that
code that only names them loads; calling one raises.
"""

from __future__ import annotations

import os

from .._absent import fill, refusing_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHY = "opsmith has no distributed package yet"
_NO_GROUP = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False: there are no process groups."""
    return False


def is_torchelastic_launched() -> bool:
    """Was this process started by a launcher?"""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_backend_available(backend: str) -> bool:
    """False, for each."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


is_gloo_available = is_mpi_available = is_ucc_available = is_xccl_available = is_nccl_available


def get_rank(group: Any = None) -> int:
    """There is no group that this process could have a rank in.

    Raises:
        ValueError: always.
    """
    raise ValueError(_NO_GROUP)


def get_world_size(group: Any = None) -> int:
    """There is no group.

    Raises:
        ValueError: always.
    """
    raise ValueError(_NO_GROUP)


_REFUSED = (
    "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "all_to_all",
    "all_to_all_single", "barrier", "batch_isend_irecv", "broadcast", "broadcast_object_list",
    "destroy_process_group", "gather", "gather_object", "get_backend", "init_device_mesh",
    "init_process_group", "irecv", "isend", "monitored_barrier", "new_group", "recv", "reduce",
    "reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list", "send",
)  # fmt: skip
fill(globals(), _REFUSED, RuntimeError, _WHY)
_CLASSES = ("FileStore", "HashStore", "ProcessGroup", "Store", "TCPStore", "Work")
for _name in _CLASSES:
    globals()[_name] = refusing_class(_name, RuntimeError, _WHY, __name__)


class ReduceOp:
    """How a collective combines: names to write down."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR = range(8)


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "ReduceOp", "get_rank", "get_world_size", "is_available", "is_backend_available",
    "is_gloo_available", "is_initialized", "is_mpi_available", "is_nccl_available",
    "is_torchelastic_launched", "is_ucc_available", "is_xccl_available", *_CLASSES, *_REFUSED,
]  # fmt: skip
