"""In: nothing. Out: Program, the loop nest that an index op means.

Must not know: how it was written, derived or lowered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ... import formula as fm
from ...formula import Item, Name, Node
from ...opdef import OpDef

GRAD, SIZE, OUT, ACC = "grad_output", "size", "out", "acc"


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis in ``dims``: a size name, or an expression (of outputs).

    ``many(A)`` (or a leading ``B``) is a group: all axes before the others, or, of two groups,
    those before and after the axis that parameter ``dim`` names. ``fits(A)`` is a group whose sizes
    are at least those of A; the rest is not touched. ``maybe(N)`` may be absent.
    """

    size: Node
    group: bool = False
    optional: bool = False
    at_least: bool = False

    @property
    def text(self) -> str:
        """As written in ``dims``."""
        body = fm.unparse(self.size)
        word = (
            "fits" if self.at_least else "many" if self.group else "maybe" if self.optional else ""
        )
        return f"{word}({body})" if word else body

    @property
    def name(self) -> str:
        """The size name ('' for an expression)."""
        return self.size.id if isinstance(self.size, Name) else ""


@dataclass(frozen=True, slots=True)
class Loop:
    """``for var in range(extent)``."""

    var: str
    extent: Node


@dataclass(frozen=True, slots=True)
class Read:
    """One element read, ``tensor[index]``; ``name`` stands for it in the program's formulas."""

    name: str
    tensor: str
    index: tuple[Node, ...]

    @property
    def item(self) -> Item:
        """The read as written."""
        return Item(Name(self.tensor), self.index)


@dataclass(frozen=True)
class Program:
    """A loop nest: ``target = finish(fold of term over inner)`` for every value of outer."""

    op: OpDef
    dims: Mapping[str, tuple[Axis, ...]]  # tensors, `size` where it is given, and `out`
    sizes: Mapping[str, Node]  # size names that are computed, not bound by a shape
    outer: tuple[Loop, ...]
    inner: tuple[Loop, ...]
    fold: str  # "", sum, prod, max, min, argmax, argmin
    target: tuple[Node, ...]
    term: Node  # of a select: what argmax looks at
    picked: Node | None  # of a select: the value at the place found
    finish: Node  # reads `acc`
    start: str  # tensor whose elements are kept or added to
    replace: bool
    reads: tuple[Read, ...]  # in term, picked and finish
    let: Mapping[str, Node] = field(default_factory=dict)

    @property
    def loops(self) -> tuple[Loop, ...]:
        """All loops, outermost first."""
        return self.outer + self.inner

    @property
    def scatter(self) -> bool:
        """The target is computed: elements may be written more than once, or never."""
        names = [i.id if isinstance(i, Name) else "" for i in self.target]
        return bool(self.start) or sorted(names) != sorted(v.var for v in self.outer)

    @property
    def partial(self) -> bool:
        """Do the loops leave elements of the result unwritten?"""
        axes = self.dims[OUT]
        extents = {v.var: v.extent for v in self.outer}
        return self.scatter or any(
            a.at_least or extents.get(i.id, a.size) != a.size
            for a, i in zip(axes, self.target, strict=True) if isinstance(i, Name)
        )  # fmt: skip

    @property
    def cotangent(self) -> str:
        """The name of the output's cotangent in gradients."""
        outputs = self.op.schema.outputs
        return "g" if len(outputs) == 1 else f"g_{outputs[0]}"

    @property
    def indices(self) -> bool:
        """A second output holds the flat position of the element selected."""
        return len(self.op.schema.outputs) > 1

    def read(self, name: str) -> Read | None:
        """The read that ``name`` stands for."""
        return next((r for r in self.reads if r.name == name), None)

    def integral(self, tensor: str) -> bool:
        """Does the tensor hold positions?"""
        return self.op.dtype.classes.get(tensor) == "integral"


def differentiable(op: OpDef) -> tuple[str, ...]:
    """Tensors of an index op that can have a gradient."""
    return tuple(p.name for p in op.schema.tensors if p.name not in op.dtype.classes)


def is_adjoint(op: OpDef) -> bool:
    """Was the op derived here? Its operands are floats then."""
    return bool(op.schema.params) and op.schema.params[0].name == GRAD
