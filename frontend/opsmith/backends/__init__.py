"""What computes: which libraries there are, and switches that programs set.

A switch of a library that is not here is kept and changes nothing.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LAZY = (
    "cpu", "cuda", "cudnn", "cusparselt", "kleidiai", "mha", "miopen", "mkl", "mkldnn", "mps",
    "nnpack", "openmp", "opt_einsum", "quantized", "xnnpack",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"opsmith.backends.{name}")
    from opsmith._names import missing

    raise missing(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def changed(module: dict[str, Any], **values: Any) -> Any:
    """A block in which switches of a module have other values."""
    from contextlib import contextmanager

    @contextmanager
    def block() -> Iterator[None]:
        before = {name: module[name] for name in values}
        module.update({name: v for name, v in values.items() if v is not None})
        try:
            yield
        finally:
            module.update(before)

    return block()


class Switches:
    """Named values that can be set, and no others."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__:
            raise AttributeError(f"Unknown attribute {name}")
        self.__dict__[name] = value

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"Unknown attribute {name}")


__all__ = list(_LAZY)
