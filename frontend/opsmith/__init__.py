"""opsmith: tensors whose operations are compiled from a registry; PyTorch's API.

``import opsmith as torch`` runs a PyTorch program.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import _boundary, _core, _create, _dtypes
from ._core import Tensor
from ._create import (
    as_tensor, empty, empty_like, empty_strided, from_numpy, frombuffer, full, full_like,
    get_default_dtype, ones, ones_like, set_default_dtype, tensor, zeros, zeros_like,
)  # fmt: skip
from ._dtypes import (
    Size, channels_last, channels_last_3d, contiguous_format, device, dtype, layout, memory_format,
    preserve_format, strided,
)  # fmt: skip

__version__ = "0.1.0"

for _name, _value in _dtypes.NAMES.items():
    globals()[_name] = _value
from . import _functions, _tensor  # noqa: E402
from . import _methods  # noqa: E402, I001

for _name in dir(_functions):
    if not _name.startswith(("_", "o_", "m_")) and _name not in _functions._index.HIDDEN:
        globals().setdefault(_name, getattr(_functions, _name))
from .autograd.grad_mode import (  # noqa: E402
    enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled,
)  # fmt: skip

_LAZY = ("autograd", "nn", "optim", "utils", "func", "testing", "compose", "overrides", "ops", "safetensors", "serialization", "random")

_LATE = {"set_printoptions": "_print"}  # functions of modules that load on first touch


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"opsmith.{name}")
    if name in _LATE:
        return getattr(importlib.import_module(f"opsmith.{_LATE[name]}"), name)
    raise AttributeError(f"module 'opsmith' has no attribute '{name}'")


def is_tensor(obj: Any) -> bool:
    """Is it a Tensor?"""
    return isinstance(obj, Tensor)
