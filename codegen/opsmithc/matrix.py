"""In: the registry with its gradients. Out: the support matrix, and the holes in it.

Must not know: files. A cell is the parametrised test that covers it, or a reason from the closed
list ``trials.REASONS``; a cell that is neither is a hole, and a test fails on one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import samples, trials
from .derive.op import Derived
from .dtypes import BY_CODE, DType
from .opdef import OpDef

COLUMNS = tuple(trials.TRIALS)
CLASSES: Mapping[str, DType] = {
    "float": BY_CODE["f32"], "int": BY_CODE["i64"], "bool": BY_CODE["b8"],
}  # fmt: skip
ONCE = ("stub", "doc")  # columns that do not depend on the dtype
GRADIENTS = ("backward", "double backward")


@dataclass(frozen=True, slots=True)
class Cell:
    """``test`` names the parametrised test; else ``reason`` says why there is none."""

    test: str = ""
    reason: str = ""
    note: str = ""  # a reason in the entry's own words

    @property
    def mark(self) -> str:
        """What the rendered table shows."""
        return "✓" if self.test else "" if not self.reason else self.reason


@dataclass(frozen=True, slots=True)
class Row:
    """An op for one class of dtype."""

    op: str
    dtype: str
    cells: tuple[tuple[str, Cell], ...]


def rows(derived: Sequence[Derived]) -> tuple[Row, ...]:
    """A row per op and class of dtype, in registry order."""
    ops = {d.op.name: d.op for d in derived}
    return tuple(
        Row(d.op.name, kind, tuple((c, cell(d, c, dtype, ops)) for c in COLUMNS))
        for d in derived if trials.written(d.op) for kind, dtype in CLASSES.items()
    )  # fmt: skip


def cell(d: Derived, column: str, dtype: DType, ops: Mapping[str, OpDef]) -> Cell:
    """One cell."""
    reason, test = trials.reason(column, d), trials.TRIALS[column][1]
    if not reason and d.op.hidden and not d.op.samples:
        return Cell(reason=trials.HIDDEN, note="runs within the op that calls it")
    if not reason and column not in ONCE:
        refusal = samples.refusal(d.op, dtype, ops)
        if refusal:
            return Cell(reason=trials.REFUSED, note=refusal)
        if column in GRADIENTS and dtype.kind != "float":
            return Cell(reason=trials.INTEGER)
    if reason:
        return Cell(reason=reason)
    if not trials.applies(column, d) or (column in GRADIENTS and not trials.differentiable(d)):
        return Cell()
    return Cell(test=test)


def holes(table: Sequence[Row]) -> list[str]:
    """One line for every cell that is neither tested nor explained."""
    found = []
    for row in table:
        for column, c in row.cells:
            where = f"{row.op}, {row.dtype}, {column}"
            if not c.test and not c.reason:
                found.append(f"{where}: neither a test nor a reason (has the entry samples?)")
            elif c.reason and c.reason not in trials.REASONS:
                known = ", ".join(trials.REASONS)
                found.append(f"{where}: '{c.reason}' is not among the reasons {known}")
    return found


def counts(table: Sequence[Row]) -> dict[str, int]:
    """How many cells are tested, and how many say each reason."""
    found = {"tested": 0}
    for row in table:
        for _, c in row.cells:
            key = "tested" if c.test else c.reason
            found[key] = found.get(key, 0) + 1
    return found
