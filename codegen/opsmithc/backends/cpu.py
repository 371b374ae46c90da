"""In: a derived op. Out: the contexts of its C kernels.

Must not know: any op by name; families lower by the op's meaning.
"""

from __future__ import annotations

from typing import Any

from ..derive.op import Derived
from ..lower import families
from . import Backend


class Cpu(Backend):
    """C through the system's compiler; the reference every other backend is compared with."""

    name = "cpu"
    templates = "c"
    spelling = "c"
    suffix = ".c"

    def kernel_contexts(self, d: Derived) -> list[tuple[str, Any]]:
        """(template, context) of the op's kernel file."""
        return families.kernel_contexts(d)

    def wanted(self, asked: bool) -> bool:
        """Its kernels are linked into the shards: there is no library beside them."""
        return False


BACKEND = Cpu()
