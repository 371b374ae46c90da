"""opt_einsum: not used; `einsum` contracts from left to right."""

from __future__ import annotations

from . import changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

enabled, strategy = False, None


def is_available() -> bool:
    """False."""
    return False


def get_opt_einsum() -> None:
    """None."""


def flags(enabled: bool | None = None, strategy: str | None = None) -> AbstractContextManager[None]:
    """A block with these switches."""
    return changed(globals(), enabled=enabled, strategy=strategy)  # type: ignore[no-any-return]


__all__ = ["flags", "get_opt_einsum", "is_available"]
