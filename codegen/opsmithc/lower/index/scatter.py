"""In: a program whose target is computed. Out: its kernel's statements.

Must not know: how targets are computed. Threads share only loops that name an axis of the result:
two never write one element, and the order of additions is that of the loops.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import formula as fm
from ...derive.index import OUT, beyond
from ...formula import Item, Name
from .body import Body
from .ints import joined


class Scatter(Body):
    """Write at computed places, in parallel over loops that name an axis of the result."""

    structure = "a scatter: parallel where the loops name an axis of the result"

    def shared(self) -> list[str]:
        """Loops that threads share."""
        parallel, order, inner = self.schedule()
        return parallel or ([inner] if inner and inner not in order else [])

    def fill(self) -> None:
        """Write the statements."""
        p, w = self.p, self.w
        parallel, order, inner = self.schedule()
        if parallel:
            self.decode(parallel)
            self.clear(parallel)
        elif inner not in order:
            pass  # the innermost loop itself is shared among threads
        else:
            w.open("for (int64_t row = lo; row < hi; ++row)")
        base = w.depth
        standing = self.standing(parallel)
        if standing:
            self.w.open(f"if ({standing})")
        for v in order:
            if v != inner:
                self.loop(v)
        if inner and inner not in order:
            self.loop(inner, "lo", "hi")
        elif inner:
            self.loop(inner)
        inside = self.inside()
        if inside:
            self.w.open(f"if ({inside})")
        values = {r.name: self.element(r) for r in self.reads(p.term)}
        sign = "=" if p.replace else "+="
        w(f"out[{self.ints.offset(OUT, p.target)}] {sign} {self.value(p.term, values)};")
        if parallel:
            w.close(base)
            self.advance(parallel)
        else:
            w.close(0)

    def standing(self, loops: Sequence[str]) -> str:
        """Condition on what these loops alone decide: no other loop is narrowed by it."""
        tests = []
        for b in self.bounds:
            if self.depends(b.subscript) <= set(loops):
                place, end = self.ints.text(b.subscript), self.ints.text(b.size)
                tests.append(f"(uint64_t)({place}) < (uint64_t)({end})")
        return " && ".join(tests)

    def inside(self) -> str:
        """Condition on positions that nothing has checked: what lies beyond is not written."""
        tests = []
        for size, i in joined(self.p.dims[OUT], self.p.target):
            if any(isinstance(n, Item) for n in fm.walk(i)) and beyond(self.p.op, i):
                place, end = self.ints.text(i), self.ints.text(size)
                tests.append(f"(uint64_t)({place}) < (uint64_t)({end})")
        return " && ".join(tests)

    def schedule(self) -> tuple[list[str], list[str], str]:
        """Loops that threads share, the others in order, and the innermost of all.

        The innermost is not among the others when it is the one that threads share.
        """
        p = self.p
        loops = [v.var for v in p.loops]
        bare = [i.id for i in p.target if isinstance(i, Name)]
        used = {v for x in self.extent.values() for v in self.depends(x)}
        used |= {v for k in p.let if self.needed(k) for v in self.depends(Name(k))}
        places = [
            (p.dims[OUT], p.target),
            *((p.dims[r.tensor], r.index) for r in self.reads(p.term)),
        ]

        def score(v: str) -> int:
            total = 0
            for _, index in places:
                for d, i in enumerate(index):
                    if v in self.depends(i):
                        last = d == len(index) - 1
                        total += (2 if i == Name(v) else 1) if last else -1
            return total

        # What a data-dependent subscript reads must keep its order: the last write wins.
        free = [v for v in loops if v not in used]
        inner = max(free, key=lambda v: (score(v), loops.index(v)), default="")
        parallel = [v for v in loops if v in bare and v != inner and v not in used]
        rest = [v for v in loops if v not in parallel and v != inner]
        if not parallel and inner in bare:
            return [], rest, inner
        return parallel, [*rest, *([inner] if inner else [])], inner
