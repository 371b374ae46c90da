"""Containers of parameters: `ParameterList` and `ParameterDict`."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opsmith import Tensor
from opsmith.nn.modules.module import Module, typename
from opsmith.nn.parameter import Parameter

__all__ = [
    "ParameterDict",
    "ParameterList",
]


def _kept(value: Any) -> Any:
    """A tensor becomes a parameter; anything else stays what it is."""
    plain = isinstance(value, Tensor) and not isinstance(value, Parameter)
    return Parameter(value) if plain else value


def _described(name: str, value: Any, named: Any) -> str:
    if isinstance(value, Tensor):
        where = "" if value.device.type == "cpu" else f" ({value.device})"
        size = "x".join(str(size) for size in value.shape)
        kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
        return f"({name}): {kind} containing: [{named} of size {size}{where}]"
    return f"({name}): Object of type: {type(value).__name__}"


class ParameterList(Module):
    """A list of parameters under the names "0", "1", ...; tensors become parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        """Add the values."""
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def _index(self, index: Any) -> str:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return str(index % len(self))

    def __getitem__(self, index: int | slice) -> Any:
        """A parameter, or a list of some."""
        if isinstance(index, slice):
            chosen = range(*index.indices(len(self)))
            return type(self)([getattr(self, str(i)) for i in chosen])
        return getattr(self, self._index(index))

    def __setitem__(self, index: int, value: Any) -> None:
        """Replace a parameter."""
        setattr(self, self._index(index), _kept(value))

    def __len__(self) -> int:
        """The number of parameters."""
        return self._size

    def __iter__(self) -> Iterator[Any]:
        """The parameters in order."""
        return iter([self[i] for i in range(len(self))])

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        """Add several values at the end."""
        return self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end."""
        name = str(self._size)
        self._size += 1
        setattr(self, name, _kept(value))
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add several values at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                f"ParameterList.extend should be called with an iterable, but got "
                f"{type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """A line for each value."""
        return "\n".join(
            "  " + _described(str(i), value, getattr(value, "dtype", None))
            for i, value in enumerate(self)
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """It cannot be called."""
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters, ordered; tensors become parameters."""

    def __init__(self, parameters: Any = None) -> None:
        """Add the values."""
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    @staticmethod
    def _attribute(key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string "
                f"(type is '{type(key).__name__}'). Open an issue on github if you need "
                "non-string keys."
            )
        return key

    def __getitem__(self, key: str) -> Any:
        """The value of that name."""
        name = self._attribute(key)
        if name not in self._keys:
            raise KeyError(name)
        return getattr(self, name)

    def __setitem__(self, key: str, value: Any) -> None:
        """Add or replace a value."""
        name = self._attribute(key)
        self._keys[name] = None
        setattr(self, name, _kept(value))

    def __delitem__(self, key: str) -> None:
        """Remove a value."""
        del self._keys[key]
        delattr(self, self._attribute(key))

    def __len__(self) -> int:
        """The number of values."""
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        """The names from last to first."""
        return reversed(list(self._keys))

    def __contains__(self, key: object) -> bool:
        """Whether there is a value of that name."""
        return key in self._keys

    def copy(self) -> ParameterDict:
        """Another dictionary of the same values."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of that name, set to `default` first if it is absent."""
        if key not in self._keys:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Remove all values."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Remove a value and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the last value and return (name, value)."""
        key = list(self._keys)[-1]
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of that name, or `default`."""
        return self[key] if key in self._keys else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another dictionary with the same value for each name."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> Any:
        """The names."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The (name, value) pairs."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Add the values of a mapping or of (name, value) pairs."""
        if not isinstance(parameters, Iterable):
            raise TypeError(
                "ParametersDict.update should be called with an iterable of key/value pairs, but "
                f"got {type(parameters).__name__}"
            )
        mapping = isinstance(parameters, Mapping | ParameterDict)
        pairs = parameters.items() if mapping else parameters
        for i, pair in enumerate(pairs):
            if len(pair) != 2:
                raise ValueError(
                    f"ParameterDict update sequence element #{i} has length {len(pair)}; 2 is "
                    "required"
                )
            self[pair[0]] = pair[1]

    def extra_repr(self) -> str:
        """A line for each value."""
        return "\n".join(
            "  " + _described(key, value, typename(value)) for key, value in self.items()
        )

    def __call__(self, input: Any) -> Any:
        """It cannot be called."""
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: ParameterDict) -> ParameterDict:
        """The values of both; the right one's win."""
        copy = self.copy()
        copy.update(other.items())
        return copy

    def __ior__(self, other: ParameterDict) -> ParameterDict:
        """Add another dictionary's values."""
        self.update(other.items())
        return self
