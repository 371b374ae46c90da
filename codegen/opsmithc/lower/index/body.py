"""In: reads and element formulas of a loop program. Out: their C text inside the loops.

Must not know: which loops stand around. Along the innermost loop reads advance by steps, and the
loop is printed once more for each common step, so that it vectorises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from ... import formula as fm
from ...backends.ctext import Printer
from ...derive.algebra import add, mul, simplify
from ...derive.index import ACC, OUT, Read, affine
from ...formula import Compare, Name, Node, Num
from ...ir import BOOL, COMMON, LONG
from .ints import joined, position
from .nest import BY_SIZE, FLOATS, Nest


class Body(Nest):
    """What is read and computed inside the loops; a form of kernel says how they are ordered."""

    structure: ClassVar[str]
    sums = False  # adds contiguous runs
    may_clear = False
    clears = False  # sets its part of the result to zero before it adds there

    def write(self) -> tuple[str, ...]:
        """The kernel's statements."""
        self.fill()
        return tuple(self.w.lines)

    def fill(self) -> None:
        """Write the statements."""
        raise NotImplementedError

    def shared(self) -> list[str]:
        """Loops that make up the kernel's range, which threads share."""
        raise NotImplementedError

    def rows(self) -> Node:
        """How many rows the kernel's range counts."""
        total: Node = Num(1)
        for v in self.shared():
            total = mul(total, self.extent[v])
        return total

    def clear(self, shared: Sequence[str]) -> None:
        """Zero what a row adds to, where rows are whole slices of the result: it stays in cache."""
        p = self.p
        axes, first = p.dims[OUT], len(shared)
        own = zip(p.target, axes, shared)  # the leading axes
        if not self.may_clear or not p.partial or p.start or not shared or first == len(axes):
            return
        if any(i != Name(v) or a.size != self.extent[v] or a.at_least for i, a, v in own):
            return
        self.clears = True
        size: Node = Num(1)
        for a in axes[first:]:
            size = mul(size, a.size)
        place = position(axes, (*p.target[:first], *(Num(0) for _ in axes[first:])))
        n = self.ints.text(size, 20)
        self.w(f"memset(out + {self.ints.text(place, 9)}, 0, (size_t){n} * sizeof *out);")

    # Values --------------------------------------------------------------------------------------

    def element(self, read: Read, along: str = "", step: str = "") -> str:
        """C text of one read; along the innermost loop as base + step."""
        t = read.tensor
        if along:
            base = f"{read.tensor}_at{read.name.partition('#')[2]}"
            moved = {"0": "", "1": f" + {along}"}.get(step, f" + {along} * {step}")
            text = f"{t}[{base}{moved}]"
        else:
            text = f"{t}[{self.ints.offset(t, read.index)}]"
        if self.guarded(read):
            tests = []
            for size, i in joined(self.p.dims[t], read.index):
                if not isinstance(i, Name):
                    place = self.ints.text(i, 10)
                    tests.append(f"{place} >= 0 && {place} < {self.ints.text(size, 9)}")
            outside = Printer(self.code, {}).value(self.p.op.outside[t].node, COMMON)
            text = f"({' && '.join(tests)} ? {text} : {outside})"
        return text

    def value(self, node: Node, reads: Mapping[str, str], acc: str = "") -> str:
        """An element formula in the compute dtype."""
        if self.code in BY_SIZE:
            assert isinstance(node, Name), "values are moved, not computed"
            return reads.get(node.id, acc)
        env: dict[str, tuple[str, str]] = {ACC: (acc, COMMON)}
        for name, text in reads.items():
            read = self.p.read(name)
            env[name] = (text, LONG if read and self.p.integral(read.tensor) else COMMON)
        swaps: dict[Node, Node] = {}
        for n in fm.walk(node):
            if isinstance(n, Compare) and n.op in ("is", "is not"):
                swaps[n] = Name(fm.unparse(n))
                env[fm.unparse(n)] = (self.ints.text(n), BOOL)
        node = fm.transform(node, lambda n: swaps.get(n, n))
        for name in fm.names(node):
            if name not in env:
                env[name] = (name, self.kind(name))
        return Printer(self.code, env).value(node, COMMON)

    def kind(self, name: str) -> str:
        """Class of a name that is no read: numbers are unpacked to the compute dtype."""
        param = self.ints.params.get(name)
        if param is None or param.type.base == "int":
            return LONG
        return BOOL if param.type.base == "bool" else COMMON

    def reads(self, node: Node) -> list[Read]:
        """Reads in a formula."""
        names = fm.names(node)
        return [r for r in self.p.reads if r.name in names]

    def identity(self) -> str:
        """What an empty fold gives."""
        value = {"sum": 0, "prod": 1, "max": -fm.INF, "min": fm.INF}[self.p.fold]
        return Printer(self.code, {}).literal(value)

    def combine(self, acc: str, v: str) -> str:
        """Statement that adds ``v`` to the accumulator."""
        if self.p.fold in ("sum", "prod"):
            return f"{acc} {'+' if self.p.fold == 'sum' else '*'}= {v};"
        symbol = ">" if self.p.fold == "max" else "<"
        nan = f" || {v} != {v}" if self.code in FLOATS else ""
        return f"{acc} = {v} {symbol} {acc}{nan} ? {v} : {acc};"

    # Along the innermost loop --------------------------------------------------------------------

    # Along the innermost loop --------------------------------------------------------------------

    def steps(self, reads: Iterable[Read], var: str) -> dict[str, Node] | None:
        """By how many elements each read moves with ``var``; None where it jumps."""
        found: dict[str, Node] = {}
        for r in reads:
            total: Node = Num(0)
            for axis, i in zip(self.p.dims[r.tensor], r.index, strict=True):
                parts = affine(i, self.variables)
                if parts is None:
                    if var in self.depends(i):
                        return None
                    parts = {}, i
                if var in self.depends(parts[1]):
                    return None
                total = add(mul(total, axis.size), parts[0].get(var, Num(0)))
            found[r.name] = simplify(total)
        return found

    def bases(self, reads: Iterable[Read], var: str) -> None:
        """Declare where each read stands when the innermost loop variable is 0."""
        for r in reads:
            at_zero = [simplify(fm.substitute(i, {var: Num(0)})) for i in r.index]
            base = f"{r.tensor}_at{r.name.partition('#')[2]}"
            self.w(f"const int64_t {base} = {self.ints.offset(r.tensor, at_zero)};")

    def along(
        self, var: str, reads: Sequence[Read], body: Callable[[Mapping[str, str]], Sequence[str]],
        lo: str = "0", hi: str = "",
    ) -> None:  # fmt: skip
        """The innermost loop, once more for each common step: those vectorise."""
        steps = self.steps(reads, var)
        if steps is None or any(self.guarded(r) for r in reads):
            state = self.state()
            self.loop(var, lo, hi)
            self.w(*body({r.name: self.element(r) for r in reads}))
            self.leave(state)
            return
        self.bases(reads, var)
        texts = {k: self.ints.text(s, 11) for k, s in steps.items()}
        variable = sorted({s for s in texts.values() if not s.isdigit()})
        cases = ["1", "2", ""] if len(variable) == 1 and variable[0].isidentifier() else [""]
        first, last = self.span(var, lo, hi)
        state = self.state()
        for k, case in enumerate(cases):
            if len(cases) > 1:
                word = "if" if k == 0 else "} else if" if case else "} else"
                self.w.depth = state[2]
                self.w.open(f"{word} ({variable[0]} == {case})" if case else word)
            self.open(var, first, last)
            values = {}
            for r in reads:
                step = case if case and texts[r.name] == variable[0] else texts[r.name]
                values[r.name] = self.element(r, var, step)
            self.w(*body(values))
            self.known, self.pending = set(state[0]), list(state[1])
            self.w.close(state[2] + (len(cases) > 1))
        self.leave(state)

    def accumulate(self, acc: str, values: Mapping[str, str]) -> list[str]:
        """Statements that add the term to an accumulator."""
        v = self.value(self.p.term, values)
        if self.p.fold in ("sum", "prod"):
            return [self.combine(acc, v)]
        return [f"const {self.ctype} v = {v};", self.combine(acc, "v")]
