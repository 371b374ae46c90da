"""In: a derived op. Out: nothing by itself: what a backend is.

Must not know: ops. A backend is ``backends/<name>.py``, ``templates/<folder>/`` and
``runtime/<name>/``; the pipeline asks it for contexts and renders them. Every backend starts from
the same Kernel IR, so that one means by an op what the others do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..derive.op import Derived


class Backend(Protocol):
    """What the pipeline needs to know of a target."""

    name: str
    templates: str  # folder below templates/
    spelling: str  # column of intrinsics.yaml that names the math functions
    suffix: str  # of generated sources

    def kernel_contexts(self, d: Derived) -> list[tuple[str, Any]]:
        """(template, context) of the op's kernel files; empty where it has none of its own."""
        ...
