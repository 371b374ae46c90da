"""cuDNN: not used. What programs set of it is kept."""

from __future__ import annotations

from . import Switches, changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

enabled, benchmark, deterministic, allow_tf32 = True, False, False, True
benchmark_limit: int | None = None
fp32_precision = "none"
conv, rnn = Switches(fp32_precision="tf32"), Switches(fp32_precision="tf32")


def is_available() -> bool:
    """False."""
    return False


def version() -> int | None:
    """None."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """False."""
    return False


def flags(
    enabled: bool = False, benchmark: bool = False, benchmark_limit: int | None = 10,
    deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none",
) -> AbstractContextManager[None]:  # fmt: skip
    """A block with these switches."""
    return changed(  # type: ignore[no-any-return]
        globals(), enabled=enabled, benchmark=benchmark, benchmark_limit=benchmark_limit,
        deterministic=deterministic, allow_tf32=allow_tf32, fp32_precision=fp32_precision,
    )  # fmt: skip


def set_flags(
    _enabled: bool | None = None, _benchmark: bool | None = None,
    _benchmark_limit: int | None = None, _deterministic: bool | None = None,
    _allow_tf32: bool | None = None, _fp32_precision: str | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Set those that are given; returns what they were."""
    new = {
        "enabled": _enabled, "benchmark": _benchmark, "benchmark_limit": _benchmark_limit,
        "deterministic": _deterministic, "allow_tf32": _allow_tf32,
        "fp32_precision": _fp32_precision,
    }  # fmt: skip
    before = tuple(globals()[name] for name in new)
    globals().update({name: v for name, v in new.items() if v is not None})
    return before


__all__ = ["flags", "is_acceptable", "is_available", "set_flags", "version"]
