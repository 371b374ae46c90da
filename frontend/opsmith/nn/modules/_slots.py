"""The dictionaries a module keeps its parameters, buffers and children in.

Python looks an attribute up in the instance's `__dict__` in about 20 ns; falling back to a
`__getattr__` costs 300 ns, several times per layer. So what these dictionaries hold stands in the
module's `__dict__` too, and every way of changing them keeps both in step.
"""

from __future__ import annotations

import weakref
from typing import Any

__all__ = ["Slots"]

_MISSING = object()


class Slots(dict):
    """A dictionary whose entries are also attributes of `owner` (held weakly: no cycle)."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Any, entries: Any = ()) -> None:
        """Start with `entries`, which become attributes of `owner`."""
        self._owner = weakref.ref(owner)
        self.update(entries)

    def _attributes(self) -> dict[str, Any]:
        owner = self._owner()
        return {} if owner is None else owner.__dict__

    def __setitem__(self, name: str, value: Any) -> None:
        """Set the entry and the attribute."""
        dict.__setitem__(self, name, value)
        self._attributes()[name] = value

    def __delitem__(self, name: str) -> None:
        """Delete the entry and the attribute."""
        dict.__delitem__(self, name)
        self._attributes().pop(name, None)

    def pop(self, name: str, default: Any = _MISSING) -> Any:
        """Delete and return an entry."""
        if name in self:
            value = self[name]
            del self[name]
            return value
        if default is _MISSING:
            raise KeyError(name)
        return default

    def popitem(self) -> tuple[str, Any]:
        """Delete and return the last entry."""
        name, value = dict.popitem(self)
        self._attributes().pop(name, None)
        return name, value

    def clear(self) -> None:
        """Delete all entries."""
        for name in list(self):
            del self[name]

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return an entry, set to `default` first if it is absent."""
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *entries: Any, **named: Any) -> None:
        """Set several entries."""
        for name, value in dict(*entries, **named).items():
            self[name] = value

    def __ior__(self, entries: Any) -> Slots:  # type: ignore[override,misc]
        """Set several entries."""
        self.update(entries)
        return self

    def copy(self) -> dict[str, Any]:
        """A plain dictionary of the same entries."""
        return dict(self)

    def __copy__(self) -> dict[str, Any]:
        """A plain dictionary of the same entries."""
        return dict(self)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle as a plain dictionary; the module makes slots of it again."""
        return dict, (), None, None, iter(self.items())
