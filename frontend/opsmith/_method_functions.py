"""Functions of PyTorch's that do what methods of Tensor do, whose first argument is a tensor."""

from __future__ import annotations

from ._core import Tensor, need_tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NAMES = (
    "detach", "detach_", "dim_order", "fill_", "get_device", "index_put", "index_put_",
    "is_distributed", "is_inference", "is_same_size", "is_signed", "resize_as_", "zero_",
)  # fmt: skip


def _function(name: str) -> Callable[..., Any]:
    def call(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        need_tensor(name, input=input)
        return getattr(input, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"What the method ``{name}`` does."
    return call


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module 'opsmith._method_functions' has no attribute '{name}'")
    globals()[name] = made = _function(name)
    return made
