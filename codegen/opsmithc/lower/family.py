"""In: nothing. Out: what a family of kernels is, and the families there are.

Must not know: any family by name, nor any op. A family is a module of this package with an object
FAMILY; the module's name is the family's, and that of its templates: ``templates/c/<name>.c.j2``
and, where it has CUDA kernels, ``templates/cuda/<name>.cu.j2``.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

import opsmithc.lower

from ..opdef import OpDef

if TYPE_CHECKING:
    from ..centry import Entry
    from ..derive.op import Derived
    from ..pytext.raw import RawOps


class Family:
    """A way to lower a meaning; a module's FAMILY is an instance of a class derived from this."""

    name = ""  # the module's, set when it is found
    before: tuple[str, ...] = ()  # more general families that take the same ops

    def takes(self, op: OpDef) -> bool:
        """Does the op's meaning have the structure of this family?"""
        raise NotImplementedError

    def context(self, d: Derived) -> Any:
        """What the C template prints; None where the op has no kernel of its own."""

    def cuda(self, d: Derived) -> Any:
        """What the CUDA template prints; None where there is no kernel, or the backend makes it."""

    def entries(self, d: Derived) -> tuple[list[str], list[Entry]]:
        """Extern declarations and C entry points."""
        from .. import centry

        return centry.function(d)

    def text(self, d: Derived, ops: RawOps) -> list[str]:
        """The op's Python text."""
        from ..pytext.function import function_text

        return function_text(d, (), ops)

    def hidden_ops(self, op: OpDef) -> list[OpDef]:
        """Ops that the compiler adds to close the derivatives of ``op`` (adjoints)."""
        return []

    def with_gradients(self, op: OpDef) -> OpDef:
        """The op with gradients that the family derives as programs of other ops."""
        return op


@cache
def families() -> tuple[Family, ...]:
    """Every family, the more special ones first."""
    found: dict[str, Family] = {}
    for info in pkgutil.iter_modules(opsmithc.lower.__path__):
        family = getattr(importlib.import_module(f"opsmithc.lower.{info.name}"), "FAMILY", None)
        if isinstance(family, Family):
            family.name = info.name
            found[info.name] = family
    order: TopologicalSorter[str] = TopologicalSorter()
    for name, family in found.items():
        order.add(name)
        for general in family.before:
            if general not in found:
                raise AssertionError(f"family {name} comes before '{general}', which is none")
            order.add(general, name)
    return tuple(found[name] for name in order.static_order())


def family_of(op: OpDef) -> Family:
    """The family that lowers the op."""
    taking = [f for f in families() if f.takes(op)]
    if not taking:
        raise AssertionError(f"op '{op.name}': no family takes a {type(op.meaning).__name__}")
    for other in taking[1:]:
        if other.name not in taking[0].before:
            raise AssertionError(
                f"op '{op.name}': families {taking[0].name} and {other.name} both take it; one has "
                "to say that it comes `before` the other"
            )
    return taking[0]
