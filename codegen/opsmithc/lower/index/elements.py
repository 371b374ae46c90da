"""In: a program that computes each element of its result once. Out: its kernel's statements.

Must not know: selections and scatters. Two forms: an element at a time, its sum in a register; or
a row of the result at a time, the row being the accumulator, so that the innermost loop is
contiguous.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import formula as fm
from ...derive.algebra import mul, simplify
from ...derive.index import ACC, OUT, Read, affine
from ...formula import Name, Node, Num
from .body import Body
from .ints import position
from .nest import BY_SIZE


class Elements(Body):
    """An element of the result at a time."""

    structure = "loops over elements"

    def shared(self) -> list[str]:
        """Every loop of the result."""
        return [v.var for v in self.p.outer]

    def fill(self) -> None:
        """Write the statements."""
        p, w = self.p, self.w
        outer = [v.var for v in p.outer]
        if outer:
            self.decode(outer)
        else:
            w.open("for (int64_t row = lo; row < hi; ++row)")
        reads = self.reads(p.term)
        acc = "acc"
        if p.fold == "":
            acc = self.value(p.term, {r.name: self.element(r) for r in reads})
        else:
            w(f"{self.ctype} acc = {self.identity()};")
            state = self.state()
            run = p.inner[-1].var if p.inner else ""
            summed = self._run_of_loops(reads)
            joined = self._joinable(reads, summed)
            kept = summed + (joined is not None)
            for v in p.inner[: -kept or -1] if run else ():
                self.loop(v.var)
            if joined is not None:  # whole lines of the axis: one run of several of them
                depth = w.depth
                w.open(f"if ({self.ints.text(joined)})")
                self._add_run(reads[0], kept)
                w.close(depth)
                w.open("else")
                self.loop(p.inner[-kept].var)
            if summed:
                self._add_run(reads[0], summed)
            elif run:
                self.along(run, reads, lambda v: self.accumulate("acc", v))
            self.leave(state)
        values = {r.name: self.element(r) for r in self.reads(p.finish)}
        w(f"out[{self.ints.offset(OUT, p.target)}] = {self.value(p.finish, values, acc)};")
        self.advance(outer)

    def _add_run(self, read: Read, loops: int) -> None:
        """Add the run over which the innermost loops walk."""
        self.sums = True
        at_zero = {v.var: Num(0) for v in self.p.inner[-loops:]}
        index = [simplify(fm.substitute(i, at_zero)) for i in read.index]
        place = position(self.p.dims[read.tensor], index)
        count: Node = Num(1)
        for v in self.p.inner[-loops:]:
            count = mul(count, v.extent)
        first = f"{read.tensor} + {self.ints.text(place, 9)}"
        self.w(f"acc += loops_{self.code}_run({self.ints.text(count)}, {first});")

    def _joinable(self, reads: Sequence[Read], summed: int) -> Node | None:
        """When one more loop is part of the run: the outermost so far walks all of its axis."""
        if not 0 < summed < min(len(self.p.inner), len(reads[0].index)):
            return None
        loop, axis = self.p.inner[-summed], self.p.dims[reads[0].tensor][-summed]
        if not self._steps_by_one(reads[0], summed):
            return None
        return fm.Compare("==", loop.extent, axis.size)

    def _steps_by_one(self, read: Read, k: int) -> bool:
        """Does the k-th loop from inside walk the k-th axis from the end, and nothing else?"""
        loop, i = self.p.inner[-1 - k], read.index[-1 - k]
        others = [x for d, x in enumerate(read.index) if d != len(read.index) - 1 - k]
        bounded = {v for b in self.bounds for v in self.depends(b.subscript)}
        parts = affine(i, self.variables)
        return (
            loop.var not in bounded
            and not any(loop.var in self.depends(x) for x in others)
            and parts is not None
            and parts[0] == {loop.var: Num(1)}
            and loop.var not in self.depends(parts[1])
        )

    def _run_of_loops(self, reads: Sequence[Read]) -> int:
        """How many of the innermost loops walk one contiguous run that is merely summed."""
        p = self.p
        if (
            p.fold != "sum"
            or not isinstance(p.term, Name)
            or len(reads) != 1
            or self.guarded(reads[0])
        ):
            return 0
        axes, index = p.dims[reads[0].tensor], reads[0].index
        n = 0
        while n < min(len(p.inner), len(index)) and self._steps_by_one(reads[0], n):
            loop, i, axis = p.inner[-1 - n], index[-1 - n], axes[-1 - n]
            n += 1
            if i != Name(loop.var) or axis.size != loop.extent:
                return n
        return n


class Rows(Body):
    """A row of the result at a time: its last axis is the innermost loop."""

    structure = "loops over rows of the result"

    def shared(self) -> list[str]:
        """Every loop of the result but the last."""
        return [v.var for v in self.p.outer[:-1]]

    def fits(self) -> bool:
        """Can a row of the result be the accumulator?"""
        p = self.p
        if not p.outer or p.picked is not None or p.indices:
            return False
        last = p.outer[-1].var
        inner = [v.extent for v in p.inner]
        if any(last in self.depends(x) for x in inner) or p.target[-1] != Name(last):
            return False
        if any(last in self.depends(Name(k)) for k in p.let if self.needed(k)) and p.fold:
            finish = {last} & self.depends(p.term) and any(
                last in self.depends(Name(n)) for n in fm.names(p.term) if n in p.let
            )
            if finish:
                return False
        reads = self.reads(p.term)
        steps = self.steps(reads, last)
        if p.fold == "":
            return True
        return steps is not None and not any(
            last in self.depends(i) for r in reads for i in r.index[:-1]
        )

    def fill(self) -> None:
        """Write the statements."""
        p, w = self.p, self.w
        *outer, last = [v.var for v in p.outer]
        reads = self.reads(p.term)
        if outer:
            self.decode(outer)
        else:
            w.open("for (int64_t row = lo; row < hi; ++row)")
        row: Sequence[Node] = (*p.target[:-1], Num(0))
        w(f"{self.ctype} *const acc = out + {self.ints.text(position(p.dims[OUT], row), 9)};")
        depth = w.depth
        size = self.ints.text(self.extent[last])
        if p.fold == "":
            steps = self.steps(reads, last)
            if (
                self.code in BY_SIZE
                and steps
                and list(steps.values()) == [Num(1)]
                and not self.guarded(reads[0])
            ):
                self.bases(reads, last)
                source = f"{reads[0].tensor} + {reads[0].tensor}_at0"
                w(f"memcpy(acc, {source}, (size_t){size} * sizeof *acc);")
            else:
                self.along(last, reads, lambda v: [f"acc[{last}] = {self.value(p.term, v)};"])
        else:
            w.open(f"for (int64_t {last} = 0; {last} < {size}; ++{last})")
            w(f"acc[{last}] = {self.identity()};")
            w.close(depth)
            state = self.state()
            self.roots = [p.term, *(v.extent for v in p.inner)]
            for v in p.inner:
                self.loop(v.var)
            self.along(last, reads, lambda v: self.accumulate(f"acc[{last}]", v))
            self.leave(state)
            if p.finish != Name(ACC):
                self.roots = [p.finish]
                self.open(last, "0", size)
                values = {r.name: self.element(r) for r in self.reads(p.finish)}
                w(f"acc[{last}] = {self.value(p.finish, values, f'acc[{last}]')};")
                self.leave(state)
            self.roots = self.everything()
        w.close(depth)
        self.advance(outer)
