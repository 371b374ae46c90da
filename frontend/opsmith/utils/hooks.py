"""Handles that take a registered hook away again; shared by tensors, modules and optimizers."""

from __future__ import annotations

import itertools
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HookTable", "RemovableHandle"]

_ids = itertools.count()


class RemovableHandle:
    """What `register_*_hook` returns; `remove()` or leaving a `with` block drops the hook.

    Args:
        hooks: the dictionary the hook is stored in, under `handle.id`. It is referred to weakly.
        extra: further dictionaries with an entry for the same hook.
    """

    def __init__(self, hooks: Any, *, extra: tuple[Any, ...] = ()) -> None:
        """Take the next free id."""
        self.id = next(_ids)
        self._tables = [weakref.ref(table) for table in (hooks, *extra)]

    def remove(self) -> None:
        """Drop the hook; doing so twice is harmless."""
        for reference in self._tables:
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        """Keep the hook for the duration of a `with` block."""
        return self

    def __exit__(self, *exception: Any) -> None:
        """Drop the hook."""
        self.remove()

    def __getstate__(self) -> dict[str, Any]:
        """A copied or unpickled handle refers to nothing."""
        return {"id": self.id, "_tables": []}


class HookTable(dict):
    """A dictionary of hooks by handle id, in the order of registration; it can be referred to."""

    __slots__ = ("__weakref__",)

    def add(
        self, hook: Any, *, first: bool = False, extra: tuple[Any, ...] = ()
    ) -> RemovableHandle:
        """Store `hook`, before all others if `first`, and return its handle."""
        handle = RemovableHandle(self, extra=extra)
        if first:
            others = list(self.items())
            self.clear()
            self[handle.id] = hook
            self.update(others)
        else:
            self[handle.id] = hook
        return handle
