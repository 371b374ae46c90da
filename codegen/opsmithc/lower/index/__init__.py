"""In: an op whose meaning is loop notation. Out: IndexFile, what templates/c/index.c.j2 prints.

Must not know: any op by name. Structure decides: a product of two reads summed over one loop is a
matrix product, a product with an affine window is a convolution, all else are loops. Read

    kernels.py     which kernels a program gets, and in which form
    products.py    matrix products and convolutions: calls of shared code
    elements.py, selection.py, scatter.py    the forms of loops
    body.py, nest.py, ints.py    what forms are written with: values, loops, integers
    shapes.py, checks.py, arguments.py    the function around the kernels
    file.py        all of it together
"""

from __future__ import annotations

from typing import Any

from ...derive.index import Program, adjoint_ops, analyse, with_gradients
from ...derive.op import Derived
from ...dtypes import BY_CODE
from ...errors import at
from ...opdef import Index, OpDef
from ..family import Family
from .arguments import c_params
from .file import IndexFile, file_of
from .kernels import Kernel, Kernels


def element_types(program: Program) -> tuple[str, ...]:
    """Codes of the compute dtypes whose elements the op takes."""
    kernels = Kernels(program)
    return tuple(BY_CODE) if kernels.by_size else kernels.codes()


def render_context(op: OpDef, plain: bool = False) -> IndexFile:
    """Lower one index op; ``plain``: to loops with a thread for each element."""
    program = analyse(op)
    with at(op.place, "index"):
        return file_of(Kernels(program, plain))


class IndexFamily(Family):
    """Loop nests, or calls of the shared products and convolutions."""

    def takes(self, op: OpDef) -> bool:
        """Loop notation."""
        return isinstance(op.meaning, Index)

    def context(self, d: Derived) -> Any:
        """IndexFile."""
        return render_context(d.op)

    def hidden_ops(self, op: OpDef) -> list[OpDef]:
        """The adjoints."""
        return list(adjoint_ops(op))

    def with_gradients(self, op: OpDef) -> OpDef:
        """The adjoints are the gradients."""
        return with_gradients(op)


FAMILY = IndexFamily()
__all__ = ["FAMILY", "IndexFile", "Kernel", "c_params", "element_types", "render_context"]
