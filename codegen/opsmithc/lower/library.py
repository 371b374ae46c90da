"""In: an op whose fast form is a library's function. Out: no C: Python that calls the library.

Must not know: which libraries there are. The generated function is that of any op; where it would
call a C entry point it calls ``opsmith._library``'s stand-in for one.
"""

from __future__ import annotations

from ..centry import Entry
from ..derive.op import Derived
from ..dtypes import TABLE
from ..errors import RegistryError
from ..opdef import OpDef, Reference
from ..pytext.raw import RawOps
from .family import Family

OBJECTS = ("dtype", "device", "Generator", "Dimname")  # of opsmith's own: no package knows them


class Library(Family):
    """A function of a Python package that computes on arrays in memory."""

    before = ("source",)

    def takes(self, op: OpDef) -> bool:
        """References with a library's function for their fast form."""
        return isinstance(op.meaning, Reference) and op.fast is not None and (
            op.fast.kind == "library"
        )  # fmt: skip

    def entries(self, d: Derived) -> tuple[list[str], list[Entry]]:
        """None: the library is reached through Python."""
        return [], []

    def text(self, d: Derived, ops: RawOps) -> list[str]:
        """The function, and what stands for its entry point."""
        from ..pytext.function import function_text

        op = d.op
        assert op.fast is not None
        tensors = []
        for k, p in enumerate(op.schema.params):
            if p.type.base == "Tensor" and p.type.is_list or p.type.base in OBJECTS:
                raise RegistryError(
                    op.fast.place, f"fast library: parameter '{p.name}' of type '{p.type}' cannot "
                    "be passed to a library; tensors, numbers, texts and lists of numbers can"
                )  # fmt: skip
            if p.type.is_tensor:
                tensors.append((k, p.name in op.dtype.args and p.name not in op.dtype.classes))
        taken = tuple(t.name for t in TABLE if not {t.code, t.name, t.kind} & op.unsupported.keys())
        facts = (op.name, op.fast.target, taken, tuple(tensors), bool(d.gradients))
        entry = f"library_entry{facts!r}"
        return [
            "from opsmith._library import library_entry",
            f"c_{op.name} = {entry}",
            "",
            *function_text(d, (), ops, plain=True),
        ]


FAMILY = Library()
