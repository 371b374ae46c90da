"""TorchScript's names: functions and modules stay Python.

``script`` and ``trace`` return what they are given, which behaves as it would scripted: operations
are compiled already and control flow is Python's. Nothing is written as a program of its own:
``save`` and ``load`` raise; ``opsmith.save(module.state_dict(), ...)`` keeps the weights.
"""

from __future__ import annotations

import contextlib

from .._absent import fill, refusing_class
from ..nn import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WHY = "opsmith has no scripted programs; functions and modules stay Python"


class ScriptModule(Module):
    """A base class to name; ``script`` makes none."""


class ScriptFunction:
    """A class to name; ``script`` makes none."""


class Attribute:
    """A value with a type: the value."""

    def __new__(cls, value: Any, type: Any) -> Any:
        return value


class Future:
    """The result of ``fork``: there already, or the exception that was raised."""

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self._value, self._error = value, error

    def wait(self) -> Any:
        """The result, or its exception raised."""
        if self._error is not None:
            raise self._error
        return self._value

    value = wait

    def done(self) -> bool:
        """True."""
        return True


def script(
    obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None,
    example_inputs: Any = None,
) -> Any:  # fmt: skip
    """``obj`` itself: its Python is what runs."""
    return obj


def trace(
    func: Callable[..., Any], example_inputs: Any = None, optimize: Any = None,
    check_trace: bool = True, check_inputs: Any = None, check_tolerance: float = 1e-5,
    strict: bool = True, **_: Any,
) -> Any:  # fmt: skip
    """``func`` itself, called once on the example inputs to see that it takes them.

    Unlike a trace it decides anew at every call.
    """
    inputs = example_inputs if _several(example_inputs) else (example_inputs,)
    if example_inputs is not None:
        func(*inputs)
    return func


def _several(value: Any) -> bool:
    """Several inputs?"""
    return type(value) in (tuple, list)


def trace_module(mod: Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Module:
    """``mod`` itself, its methods called once on their example inputs."""
    for name, given in inputs.items():
        getattr(mod, name)(*(given if _several(given) else (given,)))
    return mod


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def _same(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    """What a decorator that only marks gives: the function, or itself when it has arguments."""
    return fn if callable(fn) else _same


script_method = export = unused = interface = script_if_tracing = _same
strict_fusion = contextlib.nullcontext


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Marks a method that scripts leave to Python: the method."""
    return drop if callable(drop) else _same


def freeze(mod: Module, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Module:
    """``mod`` itself, which must be in evaluation mode."""
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() "
            "on your module before freezing."
        )
    return mod


def optimize_for_inference(mod: Module, other_methods: Any = None) -> Module:
    """``mod`` in evaluation mode."""
    return mod.eval()


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's, for classes and tuples of classes."""
    import builtins
    import typing

    targets = target_type if type(target_type) is tuple else (target_type,)
    return builtins.isinstance(obj, tuple(typing.get_origin(t) or t for t in targets))


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future:
    """Calls the function at once; ``wait`` gives its result."""
    try:
        return Future(func(*args, **kwargs))
    except Exception as e:
        return Future(error=e)


def wait(future: Future) -> Any:
    """The result of a ``fork``."""
    return future.wait()


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Nothing is fused at run time; returns that no strategy was set."""
    return []


def enable_onednn_fusion(enabled: bool) -> None:
    """Nothing is fused at run time."""


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


Error = RuntimeError
_REFUSED = ("export_opnames", "load", "save")
fill(globals(), _REFUSED, RuntimeError, _WHY)
CompilationUnit = refusing_class("CompilationUnit", RuntimeError, _WHY, __name__)


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "Attribute", "CompilationUnit", "Error", "Future", "ScriptFunction", "ScriptModule",
    "annotate", "enable_onednn_fusion", "export", "export_opnames", "fork", "freeze", "ignore",
    "interface", "is_scripting", "is_tracing", "isinstance", "load", "onednn_fusion_enabled",
    "optimize_for_inference", "save", "script", "script_if_tracing", "script_method",
    "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused", "wait",
]  # fmt: skip
