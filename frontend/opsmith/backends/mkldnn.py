"""oneDNN: not used. What programs set of it is kept."""

from __future__ import annotations

from . import Switches, changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2
enabled, deterministic, allow_tf32, fp32_precision = True, False, True, "none"
matmul, conv, rnn = (Switches(fp32_precision="none") for _ in range(3))


def is_available() -> bool:
    """False."""
    return False


def is_acl_available() -> bool:
    """False."""
    return False


class verbose:
    """A block; there is nothing to report."""

    def __init__(self, level: int) -> None:
        self.level = level

    def __enter__(self) -> verbose:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def flags(
    enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> AbstractContextManager[None]:  # fmt: skip
    """A block with these switches."""
    return changed(  # type: ignore[no-any-return]
        globals(), enabled=enabled, deterministic=deterministic, allow_tf32=allow_tf32,
        fp32_precision=fp32_precision,
    )  # fmt: skip


__all__ = ["flags", "is_acl_available", "is_available", "verbose"]
