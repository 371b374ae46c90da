"""Switches of the process that programs set at their start, and questions about them.

Results are deterministic at any number of threads and products have full precision, so that some
switches have nothing to change: they are kept, so that what was set is what is answered.
"""

from __future__ import annotations

import importlib
import warnings

from ._boundary import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_state: dict[str, Any] = {
    "deterministic": 0, "precision": "highest", "interop": 0, "warn_always": False,
}  # fmt: skip
_MODES = {"default": 0, "warn": 1, "error": 2}
_PRECISIONS = ("highest", "high", "medium")


# Determinism -------------------------------------------------------------------------------------


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for deterministic algorithms; every operation here has no others."""
    _state["deterministic"] = (1 if warn_only else 2) if mode else 0


def are_deterministic_algorithms_enabled() -> bool:
    """Were deterministic algorithms asked for?"""
    return bool(_state["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Were they asked for with a warning in place of an error?"""
    return bool(_state["deterministic"] == 1)


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same as a number or a word: 0 or "default", 1 or "warn", 2 or "error"."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    code = _MODES.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if code not in (0, 1, 2):
        raise RuntimeError(
            "invalid value of debug_mode, expected 0 or `default`, 1 or `warn`, 2 or `error`, but "
            f"got {debug_mode}"
        )
    _state["deterministic"] = code


def get_deterministic_debug_mode() -> int:
    """0: not asked for; 1: with warnings; 2: with errors."""
    return int(_state["deterministic"])


# Precision and threads ---------------------------------------------------------------------------


def set_float32_matmul_precision(precision: str) -> None:
    """Allow products of float32 matrices less precision: "highest", "high" or "medium".

    They have the highest whatever is allowed.
    """
    if precision not in _PRECISIONS:
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current value is kept.",
            stacklevel=2,
        )
        return
    _state["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What was allowed."""
    return str(_state["precision"])


def get_num_threads() -> int:
    """Threads a kernel may use."""
    return int(lib.ops_num_threads_now())


def set_num_threads(n: int) -> None:
    """Choose how many threads a kernel may use."""
    if n < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    lib.ops_set_threads(n)


def get_num_interop_threads() -> int:
    """Threads that run operations side by side: those a program starts itself."""
    return int(_state["interop"] or get_num_threads())


def set_num_interop_threads(n: int) -> None:
    """Kept; operations run in the thread that calls them."""
    if n < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _state["interop"] = n


def set_flush_denormal(mode: bool) -> bool:
    """Is flushing of denormal numbers supported? No: the mode of the processor is never changed."""
    return False


def set_warn_always(b: bool) -> None:
    """Kept: warnings go through Python's `warnings`, whose filters say how often one is shown."""
    _state["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` was given."""
    return bool(_state["warn_always"])


# Compilation -------------------------------------------------------------------------------------


def compile(
    model: Callable[..., Any] | None = None, *, fullgraph: bool = False,
    dynamic: bool | None = None, backend: Any = "default", mode: str | None = None,
    options: Any = None, disable: bool = False, recompile_limit: int | None = None,
) -> Any:  # fmt: skip
    """``model`` itself: operations were compiled when the library was built.

    Nothing is fused at run time yet; a program that asks for it runs as it would without. The
    arguments are checked and otherwise not used. Without ``model``, a decorator.

    Raises:
        RuntimeError: when both ``mode`` and ``options`` are given.
    """
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if model is None:
        return lambda fn: compile(
            fn, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options,
            disable=disable,
        )  # fmt: skip
    if not callable(model):
        raise TypeError(f"A callable function is expected, but {type(model)} is provided.")
    return model


def typename(obj: Any, /) -> str:
    """The name of an object's type, with its module: ``torch.FloatTensor`` for tensors."""
    from ._core import Tensor

    if isinstance(obj, Tensor):
        return obj.type()  # type: ignore[no-any-return, attr-defined]
    module, name = getattr(obj, "__module__", "") or "", ""
    if hasattr(obj, "__qualname__"):
        name = obj.__qualname__
    elif hasattr(obj, "__name__"):
        name = obj.__name__
    else:
        module, name = type(obj).__module__ or "", type(obj).__qualname__
    return name if module in ("", "builtins") else f"{module}.{name}"


def get_device_module(device: Any = None) -> Any:
    """The module of a device: ``opsmith.cpu``, ``opsmith.cuda``, ..."""
    from ._dtypes import device as Device

    name = Device("cpu" if device is None else device).type
    try:
        return importlib.import_module(f"opsmith.{name}")
    except ModuleNotFoundError:
        raise RuntimeError(
            f"Device '{name}' does not have a corresponding module registered as 'opsmith.{name}'."
        ) from None
