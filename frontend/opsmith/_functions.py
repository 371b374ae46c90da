"""Every operation by name, from the registry; a name is filled in when it is first read."""

from __future__ import annotations

from . import _loading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def __getattr__(name: str) -> Any:
    return _loading.lookup(name)
