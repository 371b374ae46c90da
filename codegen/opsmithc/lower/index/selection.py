"""In: a program that picks an element of a window. Out: its kernel's statements.

Must not know: plain folds. Where windows of a row are alike they are searched together, without
branches; else one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ... import formula as fm
from ...backends.ctext import Printer
from ...derive.algebra import add, mul, simplify
from ...derive.index import OUT, Program, Read
from ...formula import Name, Node, Num
from .body import Body
from .nest import FLOATS


class Selection(Body):
    """Find the largest (or smallest) element of a window, then use its place."""

    structure = "a selection in a window"

    def __init__(self, program: Program, code: str, together: bool = True) -> None:
        super().__init__(program, code)
        self.together = together and self._moves_alike()

    def fill(self) -> None:
        """Write the statements."""
        p, w = self.p, self.w
        rows = self.together
        outer = [v.var for v in p.outer]
        parallel = self.shared()
        if parallel:
            self.decode(parallel)
            self.clear(parallel)
        else:
            w.open("for (int64_t row = lo; row < hi; ++row)")
        for v in outer[:-1] if rows else outer:
            if v not in parallel:
                self.loop(v)
        if rows:
            self._select_row(outer[-1])
        else:
            self._select_element()
        w.close(1)
        self.advance(parallel)

    def shared(self) -> list[str]:
        """Loops that threads share: where several windows write one element, not those."""
        p = self.p
        bare = [i.id for i in p.target if isinstance(i, Name)]
        outer = [v.var for v in p.outer[:-1]] if self.together else [v.var for v in p.outer]
        return [v for v in outer if v in bare] if p.scatter else outer

    def _moves_alike(self) -> bool:
        """Is what is used of the place found one offset, the same for a whole row of windows?"""
        p = self.p
        reads = self.reads(p.term)
        if not p.outer or not isinstance(p.term, Name) or len(reads) != 1:
            return False
        last, read = p.outer[-1].var, reads[0]
        if any(last in self.depends(v.extent) for v in p.inner) or self.steps(reads, last) is None:
            return False
        if any(self.steps(reads, v.var) is None for v in p.inner):
            return False
        folded = {v.var for v in p.inner}
        touched = [bool(self.depends(i) & folded) for i in read.index]
        if touched != sorted(touched):
            return False
        used = (
            [(p.dims[r.tensor], r.index) for r in self.reads(p.picked)]
            if p.picked is not None
            else []
        )
        used += [(p.dims[OUT], p.target)] if p.scatter else []
        used = [x for x in used if any(self.depends(i) & folded for i in x[1])]
        sizes = [a.size for a in p.dims[read.tensor]]
        return all([a.size for a in axes] == sizes and index == read.index for axes, index in used)

    def _better(self, v: str, best: str) -> str:
        symbol = ">" if self.p.fold.endswith("max") else "<"
        return f"{v} {symbol} {best}" + (f" || {v} != {v}" if self.code in FLOATS else "")

    def _select_row(self, last: str) -> None:
        """A row of windows at a time: no branches, so that it vectorises."""
        p, w = self.p, self.w
        reads = self.reads(p.term)
        size = self.ints.text(self.extent[last])
        worst = Printer(self.code, {}).literal(-fm.INF if p.fold.endswith("max") else fm.INF)
        w.open(f"for (int64_t start = 0; start < {size}; start += BLOCK)")
        w(f"const int64_t stop = ops_smaller({size}, start + BLOCK);")
        place = "int64_t" if self.code in ("f64", "i64") else "int32_t"  # vectors of one width
        w(
            f"{self.ctype} best[BLOCK];",
            f"{place} place[BLOCK]; /* relative to the window's first */",
        )
        state = self.state()
        w.open("for (int64_t k = 0; k < stop - start; ++k)")
        w(f"best[k] = {worst};", "place[k] = -1;")
        self.leave(state)
        for v in p.inner:
            self.loop(v.var)
        here: Node = Num(0)
        for v in p.inner:
            steps = self.steps(reads, v.var)
            assert steps is not None
            here = add(here, mul(Name(v.var), steps[reads[0].name]))
        w(f"const {place} here = ({place}){self.ints.text(here, 20)};")

        def body(values: Mapping[str, str]) -> list[str]:
            best = f"best[{last} - start]"
            at_ = f"place[{last} - start]"
            return [
                f"const {self.ctype} v = {self.value(p.term, values)};",
                f"const int better = {at_} < 0 || {self._better('v', best)};",
                f"{best} = better ? v : {best};",
                f"{at_} = better ? here : {at_};",
            ]

        self.along(last, reads, body, "start", "stop")
        self.leave(state)
        self.open(last, "start", "stop")
        found = f"place[{last} - start]"
        if p.scatter:
            w.open(f"if ({found} >= 0)")
        at_first: dict[str, Node] = {v.var: Num(0) for v in p.inner}

        def element(tensor: str, index: Sequence[Node]) -> str:
            moved = any(self.depends(i) & set(at_first) for i in index)
            text = self.ints.offset(tensor, [simplify(fm.substitute(i, at_first)) for i in index])
            return f"{tensor}[{text}{f' + {found}' if moved else ''}]"

        self._use(
            element, f"best[{last} - start]", self._flat(reads[0], at_first, f" + {found}"), found
        )
        self.leave(state)

    def _select_element(self) -> None:
        """One window at a time, where windows of a row differ in size."""
        p, w = self.p, self.w
        inner = [v.var for v in p.inner]
        names = {v: f"best_{v}" for v in inner}
        worst = Printer(self.code, {}).literal(-fm.INF if p.fold.endswith("max") else fm.INF)
        w(f"{self.ctype} best = {worst};")
        w(f"int64_t {', '.join(f'{n} = -1' for n in names.values())};")
        state = self.state()
        for v in inner:
            self.loop(v)
        reads = self.reads(p.term)
        w(f"const {self.ctype} v = {self.value(p.term, {r.name: self.element(r) for r in reads})};")
        first = names[inner[0]]
        w.open(f"if ({first} < 0 || {self._better('v', 'best')})")
        w("best = v;", *(f"{n} = {k};" for k, n in names.items()))
        self.leave(state)
        self.known |= set(inner)
        found: dict[str, Node] = {k: Name(n) for k, n in names.items()}
        if p.scatter:
            w.open(f"if ({first} >= 0)")

        def element(tensor: str, index: Sequence[Node]) -> str:
            return f"{tensor}[{self.ints.offset(tensor, [fm.substitute(i, found) for i in index])}]"

        self._use(element, "best", self._flat(reads[0], found, ""), first)
        self.leave(state)

    def _flat(self, read: Read, found: Mapping[str, Node], moved: str) -> str:
        """Flat position of the selected element over the axes that the fold walks."""
        folded = {v.var for v in self.p.inner}
        flat: Node = Num(0)
        for axis, i in zip(self.p.dims[read.tensor], read.index, strict=True):
            if self.depends(i) & folded:
                flat = add(mul(flat, axis.size), simplify(fm.substitute(i, found)))
        return self.ints.text(flat, 9) + moved

    def _use(
        self, element: Callable[[str, Sequence[Node]], str], best: str, flat: str, found: str
    ) -> None:
        """Write what was selected, or what stands at its place."""
        p, w = self.p, self.w
        out = element(OUT, p.target)
        if p.picked is None:
            w(f"{out} = {best};", f"indices[{out.removeprefix('out[')} = {flat};")
            return
        value = self.value(
            p.picked, {r.name: element(r.tensor, r.index) for r in self.reads(p.picked)}
        )
        w(f"{out} += {value};" if p.scatter else f"{out} = {found} < 0 ? 0 : {value};")
