"""In: the values of a kernel over rows. Out: what it computes when, in statements.

Must not know: how a row is walked; each target's printer adds that (``rows_lanes`` for C,
``backends/cuda_rows`` for CUDA). A pass for each depth of reductions, then the outputs; what is the
same for a whole row is computed between passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..backends.ctext import Printer
from ..derive.op import is_boolean
from ..derive.rows import SINGLE
from ..dtypes import BY_CODE
from ..formula import Call, Name, Node, Num, children, names, transform, unparse, walk
from ..ir import COMMON, LONG
from ..opdef import OpDef
from .rows_values import N, Operand, Values, rebuilt, row_name, scalars

KINDS = {  # reduction -> (kind of fold, identity, is it widened)
    "sum": ("sum", "0", True), "mean": ("sum", "0", True), "prod": ("prod", "1", True),
    "amax": ("amax", "-INFINITY", False), "amin": ("amin", "INFINITY", False),
}  # fmt: skip
COMBINE = {
    "sum": "{x} + {y}", "prod": "{x} * {y}", "amax": "ops_maximum_{T}({x}, {y})",
    "amin": "ops_minimum_{T}({x}, {y})",
}  # fmt: skip


@dataclass
class Element:
    """What a loop does for an element.

    Lanes without one keep the ``idle`` values, and ``store`` works on all lanes, since a masked
    store cannot be forwarded to the load that follows it.
    """

    idle: list[tuple[str, str]]  # declarations with values
    compute: list[str]
    store: list[str]

    def whole(self) -> list[str]:
        """Statements where every lane has an element."""
        declared = {d.split()[-1]: d for d, _ in self.idle}
        lines = []
        for line in self.compute:
            name, _, value = line.partition(" = ")
            lines.append(f"const {declared[name]} = {value}" if name in declared else line)
        return [*lines, *self.store]

    def partial(self) -> list[str]:
        """Statements where lanes from ``left`` on have none."""
        return [
            *(f"{d} = {value};" for d, value in self.idle),
            "if (j < left) {", *(f"    {line}" for line in self.compute), "}", *self.store,
        ]  # fmt: skip


class Kernel(Values):
    """Schedules the values of one kernel into passes and names them."""

    spelling = "c"  # of math functions

    def __init__(
        self, op: OpDef, symbol: str, compute: str, ins: Sequence[Operand],
        outs: Sequence[Operand], missing: Sequence[str], present: Sequence[str], backward: bool,
    ) -> None:  # fmt: skip
        """The kernel of one compute dtype, without the operands ``missing``."""
        super().__init__(ins, outs, missing, present, backward)
        self.op, self.symbol, self.compute = op, symbol, compute
        self.dtype = BY_CODE[compute]
        self.env: dict[str, tuple[str, str]] = {}  # name -> target text and class
        self.at: dict[Node, str] = {}  # value -> the local that holds it
        self.stash: dict[Node, int] = {}  # value -> which kept row it has
        self.first: dict[Node, int] = {}  # and the pass that fills it

    def printer(self, env: Mapping[str, tuple[str, str]] | None = None) -> Printer:
        """A printer that knows the locals made so far."""
        return Printer(self.compute, self.env if env is None else env, self.spelling)

    def rewritten(self, node: Node) -> Node:
        """The formula over locals."""
        if node in self.at:
            return Name(self.at[node])
        return rebuilt(node, self.rewritten)

    def placed(self, text: str, place: str) -> str:
        """The text of an element of the loop, at one position of the row."""
        raise NotImplementedError

    # What there is to compute --------------------------------------------------------------------

    @property
    def values(self) -> list[Node]:
        """The formulas of the outputs."""
        return [o.value for o in self.outs if o.value is not None]

    @property
    def title(self) -> str:
        """The kernel's name and outputs, for its first line."""
        return f"{self.symbol}: {'; '.join(o.name for o in self.outs)}"

    @property
    def check(self) -> Node | None:
        """What must hold of each row."""
        if not self.op.check or self.backward:
            return None
        return transform(self.op.check[0][0].node, row_name)

    def condition(self) -> str | None:
        """The check in the target."""
        if self.check is None:
            return None
        return self.printer({**self.env, N: ("(int32_t)n", LONG)}).condition(self.check)

    def read(self) -> set[str]:
        """Names of operands and scalars that the kernel reads."""
        formulas = [*self.values, *([self.check] if self.check is not None else [])]
        return {n for v in formulas for n in names(v)}

    def scalars(self) -> list[tuple[int, str, bool]]:
        """Numbers that the kernel reads: place among the op's, name, is it an integer?"""
        read = self.read()
        integers = {p.name for p in self.op.schema.params if p.type.base == "int"}
        found = enumerate(scalars(self.op))
        return [(k, name, name in integers) for k, name in found if name in read]

    def by_pass(self) -> list[list[Node]]:
        """The reductions of each pass: those whose parts are ready by then."""
        values = self.values
        last = max(self.depth(v) for v in values)
        reductions: dict[Node, None] = {}
        for v in values:
            for n in walk(v):
                if self.is_reduction(n):
                    reductions[n] = None
        return [[r for r in reductions if self.depth(r) == p + 1] for p in range(last)]

    # Statements ----------------------------------------------------------------------------------

    def singles(self, roots: Sequence[Node]) -> list[str]:
        """Statements for the values of the row that the roots read."""
        lines: list[str] = []

        def visit(node: Node) -> None:
            if node in self.at:
                return
            if self.is_single(node) and not isinstance(node, Name | Num) and not is_boolean(node):
                for n in walk(node):
                    pick = self.picked(n)
                    if pick is not None and n not in self.at:
                        visit(pick[1])
                        lines.append(self.pick(n, *pick))
                    if self.is_reduction(n) and n not in self.at:
                        raise AssertionError(f"{self.symbol}: {unparse(n)} is not ready")
                if node in self.at:
                    return
                lines.extend(self.assign(node, counts([node])))
                return
            for c in children(node):
                visit(c)

        for r in roots:
            visit(r)
        return lines

    def pick(self, node: Node, at: Node, value: Node) -> str:
        """The statement for one element of the row; 0 where there is none."""
        place = self.env[at.id][0] if isinstance(at, Name) else ""
        text = self.at_place(value, place)
        name = f"t{len(self.at)}"
        self.at[node] = name
        self.env[name] = (name, COMMON)
        inside = f"(uint64_t){place} < (uint64_t)n"
        return f"const {self.dtype.ctype} {name} = {inside} ? {text} : 0;"

    def at_place(self, value: Node, place: str) -> str:
        """An element-wise value at one position."""
        env = {k: (self.placed(text, place), c) for k, (text, c) in self.env.items()}
        return self.printer(env).value(self.rewritten(value), COMMON)

    def single_outputs(self) -> list[tuple[Operand, list[str], str]]:
        """Outputs with one element a row: what comes before, and the value."""
        found = []
        for o in self.outs:
            if o.layout == SINGLE:
                assert o.value is not None
                before = self.singles([o.value])
                text = bare_text(self.printer().value(self.rewritten(o.value), COMMON))
                found.append((o, before, text))
        return found

    def folded(self, reduction: Node, name: str) -> str:
        """The statement that makes a value of the row of a finished fold."""
        assert isinstance(reduction, Call)
        ctype = self.dtype.ctype
        value = f"OPS_ROWS_MEAN_{self.compute}({name}, n)" if reduction.fn == "mean" else name
        made = f"t{len(self.at)}"
        self.at[reduction] = made
        self.env[made] = (made, COMMON)
        return f"const {ctype} {made} = ({ctype})({value});"

    def assign(self, node: Node, counts: Mapping[Node, int]) -> list[str]:
        """The value in a local of its own, and before it the parts that it reads twice."""
        lines: list[str] = []

        def visit(n: Node) -> None:
            if n in self.at or isinstance(n, Name | Num):
                return
            for c in children(n):
                visit(c)
            if (counts[n] > 1 or n == node) and not is_boolean(n):
                name = f"t{len(self.at)}"
                text = self.printer().value(self.rewritten(n), COMMON)
                lines.append(f"const {self.dtype.ctype} {name} = {bare_text(text)};")
                self.at[n] = name
                self.env[name] = (name, COMMON)

        visit(node)
        return lines

    def elements(self, roots: Sequence[Node], when: int) -> tuple[Element, dict[Node, str]]:
        """Statements inside a loop for the roots; kept values are loaded or stored."""
        found = Element([], [], [])
        before = dict(self.at)
        counted = counts(roots)

        def visit(n: Node) -> None:
            if n in self.at or isinstance(n, Name | Num) or self.is_single(n):
                return
            slot = self.stash.get(n)
            if slot is not None and self.first[n] < when:
                self.at[n] = f"kept{slot}_"
                self.env[f"kept{slot}_"] = (f"kept{slot}[k + j]", COMMON)
                return
            for c in children(n):
                visit(c)
            if (counted[n] > 1 or slot is not None) and not is_boolean(n):
                name = f"e{len(self.at)}"
                text = bare_text(self.printer().value(self.rewritten(n), COMMON))
                self.at[n] = name
                self.env[name] = (name, COMMON)
                if slot is None:
                    found.compute.append(f"const {self.dtype.ctype} {name} = {text};")
                else:
                    found.idle.append((f"{self.dtype.ctype} {name}", "0"))
                    found.compute.append(f"{name} = {text};")
                    found.store.append(f"kept{slot}[k + j] = {name};")

        for r in roots:
            visit(r)
        texts = {r: self.printer().value(self.rewritten(r), COMMON) for r in roots}
        self.at = before
        return found, texts


def counts(roots: Sequence[Node]) -> dict[Node, int]:
    """How often each part is read by others (once more for a root)."""
    counts: dict[Node, int] = {}

    def visit(node: Node) -> None:
        counts[node] = counts.get(node, 0) + 1
        if counts[node] == 1:
            for c in children(node):
                visit(c)

    for r in roots:
        visit(r)
    return counts


def combined(kind: str, x: str, y: str, code: str) -> str:
    """Two partial results in one."""
    y = f"({y})" if kind in ("sum", "prod") and " " in y else y
    return COMBINE[kind].format(x=x, y=y, T=code)


def bare_text(text: str) -> str:
    """Without the outer parentheses of a group."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return text[1:-1] if c == ")" and i == len(text) - 1 and text[0] == "(" else text
    return text
