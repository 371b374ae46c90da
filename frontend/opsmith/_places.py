"""The device of new tensors where none is named: ``set_default_device``, ``with device(...)``.

Functions that make tensors from none ask here; those that have operands use the operands' device.
"""

from __future__ import annotations

from _thread import _local  # what `threading` calls local, without loading it

from ._dtypes import CPU, device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Chosen(_local):
    def __init__(self) -> None:
        self.default: device | None = None
        self.inner: list[device] = []  # of the ``with`` blocks around


_chosen = _Chosen()
used = False  # has any thread ever chosen? Until then nobody pays for asking


def set_default_device(device_: Any) -> None:
    """Choose where this thread's new tensors live; None: on the CPU again."""
    global used
    used = True
    _chosen.default = None if device_ is None else device(device_)


def get_default_device() -> device:
    """Where new tensors live that no device is named for."""
    return _chosen.inner[-1] if _chosen.inner else _chosen.default or CPU


def enter(d: device) -> device:
    """Begin a block whose new tensors live on ``d``."""
    global used
    used = True
    _chosen.inner.append(d)
    return d


def leave() -> None:
    """End the innermost block."""
    _chosen.inner.pop()
