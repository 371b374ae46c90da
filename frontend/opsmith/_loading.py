"""Shards of generated code, loaded when one of their operations is first used.

A shard is a Python module and a shared library; loading all of them would take most of the time of
`import opsmith`. Until then the index says which shard an operation lives in, and placeholders on
Tensor (`_methods.py`) load it.
"""

from __future__ import annotations

import importlib

from ._generated import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ALIASES = dict(index.ALIASES)
_HOME = {op: shard for shard, ops in index.SHARDS.items() for op in ops}
_loaded: set[str] = set()
_waiting: dict[str, list[Callable[[], None]]] = {}  # shard -> what to do once it is loaded


def home(name: str) -> str | None:
    """The shard that defines a function: an op, its in-place form `x_` or its method form `m_x`."""
    name = _ALIASES.get(name, name)
    return _HOME.get(name) or _HOME.get(name.removesuffix("_").removeprefix("m_"))


def load(shard: str) -> None:
    """Bring the functions of a shard into `opsmith._functions`."""
    from . import _functions

    if shard in _loaded:
        return
    defined = vars(importlib.import_module(f"opsmith._generated.{shard}"))
    namespace = vars(_functions)
    for op in index.SHARDS[shard]:
        for name in (op, f"{op}_", f"m_{op}"):
            if name in defined:
                namespace[name] = defined[name]
    for name in defined:
        if name.startswith("o_"):
            namespace[name] = defined[name]
    _loaded.add(shard)
    for action in _waiting.pop(shard, ()):
        action()


def when_loaded(shard: str, action: Callable[[], None]) -> None:
    """Run an action as soon as a shard's functions are there."""
    _waiting.setdefault(shard, []).append(action)


def names() -> list[str]:
    """The public functions, with in-place forms and aliases."""
    hidden = {*index.HIDDEN, *(f"{name}_" for name in index.HIDDEN)}
    forms = {target for _, target, varargs in index.METHODS if not varargs}
    return [name for name in {*_HOME, *forms, *_ALIASES} if name not in hidden]


def lookup(name: str) -> Any:
    """A function by name; its shard is loaded if need be.

    Raises:
        AttributeError: there is no such operation.
    """
    from . import _functions

    namespace = vars(_functions)
    shard = home(name)
    if shard is not None:
        load(shard)
    target = _ALIASES.get(name, name)
    if target not in namespace:
        raise AttributeError(f"module 'opsmith' has no operation '{name}'")
    namespace[name] = namespace[target]
    return namespace[name]
