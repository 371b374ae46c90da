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
    """The shard of a function: an op `x`, or its form `x_`, `m_x` (method) or `_foreach_x_`."""
    name = _ALIASES.get(name, name)
    bare = name.removesuffix("_").removeprefix("m_").removeprefix("_foreach_")
    return _HOME.get(name) or _HOME.get(bare)


def load(shard: str) -> None:
    """Bring the functions of a shard into `opsmith._functions`, in the place of their stand-ins."""
    from . import _functions

    if shard in _loaded:
        return
    defined = vars(importlib.import_module(f"opsmith._generated.{shard}"))
    namespace = vars(_functions)
    for op in index.SHARDS[shard]:
        for name in (op, f"{op}_", f"m_{op}", f"_foreach_{op}_"):
            if name in defined:
                namespace[name] = defined[name]
            else:
                namespace.pop(name, None)
    for name in defined:
        if name.startswith("o_"):
            namespace[name] = defined[name]
    for alias, target in index.ALIASES:
        if target in defined and home(target) == shard:
            namespace[alias] = defined[target]
    _loaded.add(shard)
    for action in _waiting.pop(shard, ()):
        action()


def when_loaded(shard: str, action: Callable[[], None]) -> None:
    """Run an action as soon as a shard's functions are there."""
    _waiting.setdefault(shard, []).append(action)


def _forms() -> set[str]:
    written = {f"{name}_" for name in index.INPLACE}
    return written | {f"_foreach_{name}_" for name in index.FOREACH}


def names() -> list[str]:
    """The public functions, with in-place forms, those on lists, and aliases."""
    elsewhere = (*index.HIDDEN, *index.LINALG)
    hidden = {*elsewhere, *(f"{name}_" for name in elsewhere)}
    forms = _forms()
    return [name for name in {*_HOME, *forms, *_ALIASES} if name not in hidden]


def linalg_names() -> dict[str, str]:
    """The functions of `opsmith.linalg`, and the operations that they are."""
    return {name.removeprefix("linalg_"): name for name in index.LINALG}


def lookup(name: str) -> Any:
    """A function by name; its shard is loaded if need be.

    Raises:
        AttributeError: there is no such operation.
    """
    from . import _functions

    shard = home(name)
    if shard is not None:
        load(shard)
    if not hasattr(_functions, name):
        raise AttributeError(f"module 'opsmith' has no operation '{name}'")
    return getattr(_functions, name)


def stand_ins() -> dict[str, Callable[..., Any]]:
    """For every function one that loads its shard and calls it.

    A module's `__getattr__` would do the same, but the interpreter does not specialise reads of
    modules that have one, and generated code reads `_f.mm` on every call.
    """
    methods = [f"m_{target}" for _, target, varargs in index.METHODS if varargs]
    return {name: _stand_in(name) for name in (*_HOME, *_forms(), *methods, *_ALIASES)}


def _stand_in(name: str) -> Callable[..., Any]:
    def late(*args: Any, **kwargs: Any) -> Any:
        return lookup(name)(*args, **kwargs)

    late.__name__ = name
    return late
