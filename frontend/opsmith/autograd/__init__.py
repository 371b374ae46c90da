"""Differentiation: ``backward``, ``grad``, gradient modes, custom functions."""

from __future__ import annotations

import importlib

from .engine import backward
from .grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .gradients import grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LAZY = (
    "anomaly",
    "forward_ad",
    "function",
    "functional",
    "grad_mode",
    "graph",
    "hooks",
    "profiler",
    "variable",
)
_LATE = {
    "Function": "function", "FunctionCtx": "function", "detect_anomaly": "anomaly", "set_detect_anomaly": "anomaly",  # noqa: E501
    "is_anomaly_enabled": "anomaly", "gradcheck": "gradcheck", "gradgradcheck": "gradcheck",
    "Variable": "variable", "set_multithreading_enabled": "grad_mode",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LATE:
        value = globals()[name] = getattr(
            importlib.import_module(f"{__name__}.{_LATE[name]}"), name
        )
        return value
    if name in _LAZY:
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as e:
            from opsmith._names import missing

            raise missing(__name__, name) from e
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "Function", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck",
    "inference_mode", "is_grad_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
    "Variable", "set_multithreading_enabled",
]  # fmt: skip
