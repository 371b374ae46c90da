"""CUDA: is it in this build, and switches of its libraries."""

from __future__ import annotations

from . import Switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import Any

matmul = Switches(
    allow_tf32=False, allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True, allow_fp16_accumulation=False,
    fp32_precision="none",
)  # fmt: skip
_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}
_kept = {"linalg": "default", "blas": "default", "reduction": False}


def is_built() -> bool:
    """Is the CUDA library there? Whether there is a GPU for it says ``cuda.is_available()``."""
    from importlib.util import find_spec

    return find_spec("opsmith._generated._cuda") is not None


def preferred_linalg_library(backend: Any = None) -> str:
    """Which library was asked for; returns it."""
    if backend is not None:
        _kept["linalg"] = str(backend)
    return str(_kept["linalg"])


def preferred_blas_library(backend: Any = None) -> str:
    """Which library was asked for; returns it."""
    if backend is not None:
        _kept["blas"] = str(backend)
    return str(_kept["blas"])


def flash_sdp_enabled() -> bool:
    """Was it left on?"""
    return _attention["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Kept: attention has one implementation."""
    _attention["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """Was it left on?"""
    return _attention["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Kept: attention has one implementation."""
    _attention["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """Was it left on?"""
    return _attention["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Kept: attention has one implementation."""
    _attention["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """Was it left on?"""
    return _attention["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Kept: attention has one implementation."""
    _attention["cudnn"] = bool(enabled)


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Kept: sums are wide."""
    _kept["reduction"] = bool(enabled)


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """What was set."""
    return bool(_kept["reduction"])


def is_flash_attention_available() -> bool:
    """False: attention has one implementation."""
    return False


def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> AbstractContextManager[None]:  # fmt: skip
    """A block with these switches."""
    from contextlib import contextmanager

    @contextmanager
    def block() -> Iterator[None]:
        before = dict(_attention)
        _attention.update(
            flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient,
            cudnn=enable_cudnn,
        )  # fmt: skip
        try:
            yield
        finally:
            _attention.update(before)

    return block()


__all__ = [
    "allow_fp16_bf16_reduction_math_sdp", "cudnn_sdp_enabled", "enable_cudnn_sdp",
    "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp", "flash_sdp_enabled",
    "fp16_bf16_reduction_math_sdp_allowed", "is_built", "is_flash_attention_available",
    "math_sdp_enabled", "matmul", "mem_efficient_sdp_enabled", "preferred_blas_library",
    "preferred_linalg_library", "sdp_kernel",
]  # fmt: skip
