"""In: a loop program. Out: a kernel for each element type, and how many rows threads share.

Must not know: tensors and their shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ... import formula as fm
from ...derive.index import ACC, OUT, Program, Read, is_adjoint
from ...dtypes import BY_CODE
from ...formula import Binary, Call, Item, Name, Node, Num
from .body import Body
from .elements import Elements, Rows
from .ints import Ints
from .nest import BY_SIZE, FLOATS, Nest
from .products import conv_lines, gemm_lines, match_conv, match_gemm
from .scatter import Scatter
from .selection import Selection

NUMBERS = ("f64", "f32", "i64", "i32")
ALL = ("f64", "f32", "i64", "i32", "b8")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One loop nest for one element type."""

    symbol: str
    ctype: str
    lines: tuple[str, ...]
    sums: bool  # adds contiguous runs
    unpack: tuple[str, ...] = ()


def without_last_group(p: Program) -> tuple[Program, str] | None:
    """The program where the axis `dim` is the last: the group of axes after it has size 1."""
    axes = p.dims[OUT]
    if sum(a.group for a in axes) != 2 or not isinstance(p.target[-1], Name):
        return None
    var, size = p.target[-1].id, axes[-1].name
    tensors = [t for t, v in p.dims.items() if sum(a.group for a in v) == 2]

    def drop(node: Node) -> Node:
        if isinstance(node, Item) and isinstance(node.base, Name) and node.base.id in tensors:
            return replace(node, index=node.index[:-1])
        return node

    def shorter(r: Read) -> Read:
        index = r.index[:-1] if r.tensor in tensors else r.index
        return replace(r, index=tuple(fm.transform(i, drop) for i in index))

    short = replace(
        p,
        dims={t: v[:-1] if t in tensors else v for t, v in p.dims.items()},
        outer=tuple(v for v in p.outer if v.var != var),
        target=tuple(fm.transform(i, drop) for i in p.target[:-1]),
        reads=tuple(shorter(r) for r in p.reads),
    )
    return short, size


def last_axis_first(
    short: tuple[Program, str], code: str, lines: tuple[str, ...]
) -> tuple[tuple[str, ...], Node]:
    """Kernel statements with a case of their own where `dim` is the last axis, and its rows."""
    loops = form(short[0], code)
    body = loops.write()
    text = (f"if ({short[1]} == 1) {{", *(f"    {x}" for x in body), "    return;", "}", *lines)
    return text, loops.rows()


def form(program: Program, code: str, plain: bool = False) -> Body:
    """The form of kernel that the structure of the program asks for.

    ``plain`` forms have a thread for each element: no row is anyone's accumulator.
    """
    if program.picked is not None or program.indices:
        return Selection(program, code, together=not plain)
    if program.scatter:
        return Scatter(program, code)
    rows = Rows(program, code)
    return rows if not plain and rows.fits() else Elements(program, code)


@dataclass(frozen=True)
class Written:
    """Kernels as text."""

    kernels: tuple[Kernel, ...]
    tuned: tuple[Kernel, ...]  # what takes their place where it may
    rows: str  # how many rows their range counts
    strides: Mapping[str, Node]  # steps of windows, which must be positive
    clears: bool  # they set to zero what they add to
    names: frozenset[str]  # that the statements use


class Kernels:
    """What a program is computed with: a shared product, or a loop nest for each element type."""

    def __init__(self, program: Program, plain: bool = False) -> None:
        self.program, self.plain = program, plain
        self.ints = Ints(program, in_kernel=False)
        self.gemm = None if plain else match_gemm(program)
        self.conv = None if plain or self.gemm else match_conv(program)

    @property
    def by_size(self) -> bool:
        """Are values moved only?"""
        p = self.program
        if p.fold or p.picked is not None or p.finish != Name(ACC) or (p.scatter and not p.replace):
            return False
        read = p.read(p.term.id) if isinstance(p.term, Name) else None
        if read is None or p.integral(read.tensor):
            return False
        return not any(Nest(p, "u8").guarded(r) for r in p.reads)

    def codes(self) -> tuple[str, ...]:
        """Element types that get a kernel."""
        p = self.program
        if self.by_size:
            return tuple(BY_SIZE)
        divides = any(
            isinstance(n, Binary) and n.op == "/" for n in (*fm.walk(p.term), *fm.walk(p.finish))
        )
        calls = any(
            isinstance(n, Call) and n.fn != "where" for n in (*fm.walk(p.term), *fm.walk(p.finish))
        )
        if is_adjoint(self.program.op) or self.conv or divides or calls:
            return FLOATS
        return ALL if p.replace else NUMBERS

    def written(self) -> Written:
        """A kernel for each element type."""
        found: list[Kernel] = []
        tuned: list[Kernel] = []
        rows: Node = Num(1)
        at_end: Node = Num(1)
        strides: dict[str, Node] = {}
        clears = False
        products = self.gemm or self.conv
        short = None if products or self.plain else without_last_group(self.program)
        for code in self.codes():
            ctype = BY_SIZE.get(code) or BY_CODE[code].ctype
            if self.gemm and code in FLOATS:
                call = gemm_lines(self.gemm, code, self.ints)
                tuned.append(Kernel(f"product_{code}", ctype, tuple(call), False))
            elif self.conv:
                call = conv_lines(self.conv, code, self.ints)
                tuned.append(Kernel(f"convolve_{code}", ctype, tuple(call), False))
            loops = form(self.program, code, self.plain)
            loops.may_clear = short is None and not self.plain
            lines = loops.write()
            rows, strides = loops.rows(), loops.strides
            clears = loops.clears
            if short is not None:
                lines, at_end = last_axis_first(short, code, lines)
            found.append(Kernel(f"loops_{code}", ctype, lines, loops.sums))
        text = self.ints.text(rows)
        if short is not None:
            text = f"({short[1]} == 1 ? {self.ints.text(at_end)} : {text})"
        if products and text != "1":
            text = f"(tuned ? 1 : {text})"
        names = frozenset(n for k in (*found, *tuned) for n in words(" ".join(k.lines)))
        strides = {**strides, **self.conv_steps()}
        return Written(tuple(found), tuple(tuned), text, strides, clears, names)

    def conv_steps(self) -> dict[str, Node]:
        """Strides and dilations of a convolution."""
        if self.conv is None:
            return {}
        return {self.ints.text(n): n for n in (*self.conv.stride, *self.conv.dilation)}

    def table(self, kernels: Sequence[Kernel]) -> tuple[str, ...]:
        """The kernels in the order in which they are chosen from; empty where there are none."""
        if not kernels:
            return ()
        by_code = {k.symbol.rpartition("_")[2]: k.symbol for k in kernels}
        return tuple(by_code.get(code, "NULL") for code in (BY_SIZE if self.by_size else ALL))

    def structure(self) -> str:
        """What the formula was recognised as."""
        if self.gemm:
            return "a matrix product"
        if self.conv:
            return f"a convolution ({self.conv.function.replace('_', ' ')})"
        return form(self.program, self.codes()[0], self.plain).structure


def words(text: str) -> set[str]:
    """Names in a C text, without those of members."""
    return set(re.findall(r"(?<![.\w])[A-Za-z_]\w*", text))
