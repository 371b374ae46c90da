"""In: a loop program and an element type. Out: loops opened and closed, no wider than they must be.

Must not know: what stands inside the loops. A `let` is printed as soon as all it reads is known;
iterations that would read or write beyond an edge are left out by the range of the last loop that
decides it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import formula as fm
from ...derive.algebra import simplify
from ...derive.index import Program, Read, affine, guarded, narrowing
from ...dtypes import BY_CODE
from ...formula import Name, Node, Num
from .ints import Ints

FLOATS = ("f64", "f32")
BY_SIZE = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t"}


class Writer:
    """Indented lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def __call__(self, *lines: str) -> None:
        """Add lines at the current depth."""
        self.lines += ["    " * self.depth + line for line in lines]

    def open(self, line: str) -> None:
        """A line that begins a block."""
        self(line + " {")
        self.depth += 1

    def close(self, depth: int) -> None:
        """End blocks down to ``depth``."""
        while self.depth > depth:
            self.depth -= 1
            self("}")


class Nest:
    """The loops of a program, for one element type."""

    def __init__(self, program: Program, code: str) -> None:
        self.p, self.code = program, code
        self.ints = Ints(program, in_kernel=True)
        self.w = Writer()
        self.variables = frozenset(v.var for v in program.loops)
        self.extent = {v.var: v.extent for v in program.loops}
        self.known: set[str] = set()
        self.ctype = BY_SIZE.get(code) or BY_CODE[code].ctype
        self.pending = [k for k in program.let if self.depends(Name(k))]
        self.bounds = narrowing(program)
        self.strides: dict[str, Node] = {}
        self.roots = self.everything()

    def depends(self, node: Node) -> frozenset[str]:
        """Loop variables that the value of ``node`` depends on, through `let` too."""
        found: set[str] = set()
        for name in fm.names(node):
            if name in self.variables:
                found.add(name)
            elif name in self.p.let:
                found |= self.depends(self.p.let[name])
            else:
                read = self.p.read(name)
                for i in read.index if read else ():
                    found |= self.depends(i)
        return frozenset(found)

    # Which iterations count ----------------------------------------------------------------------

    def guarded(self, read: Read) -> bool:
        """Does a read beyond the edge need the value of `outside`?"""
        return guarded(self.p, read)

    def span(self, var: str, lo: str = "0", hi: str = "") -> tuple[str, str]:
        """The range of a loop; bounds whose last variable this is narrow it."""
        first, last = lo, hi or self.ints.text(self.extent[var])
        for b in self.bounds:
            used = self.depends(b.subscript)
            if var not in used or not used <= self.known | {var}:
                continue
            parts = affine(b.subscript, self.variables)
            assert parts is not None
            step = parts[0][var]
            at_zero = simplify(fm.substitute(b.subscript, {var: Num(0)}))
            self.strides[self.ints.text(step)] = step
            a, s, n = (self.ints.text(x) for x in (at_zero, step, b.size))
            inside = f"ops_first_inside({a}, {s})"
            first = inside if first == "0" else f"ops_larger({first}, {inside})"
            last = f"ops_last_inside({a}, {s}, {n}, {last})"
        if "(" in first:
            self.w(f"const int64_t {var}_first = {first};")
            first = f"{var}_first"
        if "(" in last:
            self.w(f"const int64_t {var}_last = {last};")
            last = f"{var}_last"
        return first, last

    def loop(self, var: str, lo: str = "0", hi: str = "") -> None:
        """Open a loop over a variable."""
        self.open(var, *self.span(var, lo, hi))

    def open(self, var: str, first: str, last: str) -> None:
        """Open a loop over a range."""
        self.w.open(f"for (int64_t {var} = {first}; {var} < {last}; ++{var})")
        self.enter(var)

    def enter(self, *variables: str) -> None:
        """Variables are known from here: so are the `let` values that depend on them alone."""
        self.known |= set(variables)
        for name in list(self.pending):
            if self.depends(Name(name)) <= self.known and self.needed(name):
                self.pending.remove(name)
                self.w(f"const int64_t {name} = {self.ints.text(self.p.let[name])};")

    def state(self) -> tuple[set[str], list[str], int]:
        """What is known here, to come back to with `leave`."""
        return set(self.known), list(self.pending), self.w.depth

    def leave(self, state: tuple[set[str], list[str], int]) -> None:
        """Close the blocks opened since, and forget what was known inside."""
        self.w.close(state[2])
        self.known, self.pending = set(state[0]), list(state[1])

    def needed(self, name: str) -> bool:
        """Does anything that is about to be printed read this `let`?"""
        seen: set[str] = set()
        todo = [n for r in self.roots for n in fm.names(r)]
        while todo:
            n = todo.pop()
            if n not in seen:
                seen.add(n)
                todo += fm.names(self.p.let[n]) if n in self.p.let else []
                read = self.p.read(n)
                todo += [x for i in read.index for x in fm.names(i)] if read else []
        return name in seen

    def everything(self) -> list[Node]:
        """All formulas of the program that a kernel may print."""
        p = self.p
        picked = [p.picked] if p.picked is not None else []
        return [p.term, p.finish, *picked, *p.target, *(v.extent for v in p.loops)]

    def decode(self, outer: Sequence[str]) -> None:
        """Open the loop over rows: ``outer`` flattened, counted like an odometer."""
        sizes = [self.ints.text(self.extent[v], 20) for v in outer]
        self.w("int64_t rest = lo;") if len(outer) > 1 else None
        for k in range(len(outer) - 1, 0, -1):
            self.w(f"int64_t {outer[k]} = rest % {sizes[k]};", f"rest /= {sizes[k]};")
        if len(outer) > 1:
            self.w(f"int64_t {outer[0]} = rest;")
        if len(outer) == 1:
            self.w.open(f"for (int64_t {outer[0]} = lo; {outer[0]} < hi; ++{outer[0]})")
        else:
            self.w.open("for (int64_t row = lo; row < hi; ++row)")
        self.enter(*outer)

    def advance(self, outer: Sequence[str]) -> None:
        """The end of a row: count up."""
        self.w.close(1)
        depth = self.w.depth
        for k in range(len(outer) - 1, 0, -1):
            size = self.ints.text(self.extent[outer[k]], 20)
            self.w.open(f"if (++{outer[k]} == {size})")
            self.w(f"{outer[k]} = 0;")
        if len(outer) > 1:
            self.w(f"++{outer[0]};")
        self.w.close(depth)
        self.w.close(0)
