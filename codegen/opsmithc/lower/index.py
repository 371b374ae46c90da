"""In: an op whose meaning is loop notation. Out: IndexFile, what templates/c/index.c.j2 prints.

Must not know: any op by name. Structure decides: a product of two reads summed over one loop is a
matrix product, a product with an affine window is a convolution, all else are loops.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .. import formula as fm
from ..backends.ctext import Printer
from ..derive.algebra import add, is_num, mul, neg, simplify
from ..derive.index import (
    ACC,
    GRAD,
    OUT,
    SIZE,
    Axis,
    Loop,
    Program,
    Read,
    affine,
    analyse,
    is_adjoint,
)  # fmt: skip
from ..dtypes import BY_CODE
from ..errors import FormulaError, at
from ..formula import (
    Attr,
    Binary,
    Call,
    Compare,
    IfExp,
    Item,
    Logic,
    Name,
    Nil,
    Node,
    Num,
    Unary,
)  # fmt: skip
from ..ir import BOOL, COMMON, LONG, key
from ..opdef import OpDef
from ..schema import Param

FLOATS = ("f64", "f32")
NUMBERS = ("f64", "f32", "i64", "i32")
ALL = ("f64", "f32", "i64", "i32", "b8")
BY_SIZE = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t"}
STATUS = {
    "RuntimeError": "OPS_RUNTIME_ERROR", "IndexError": "OPS_INDEX_ERROR",
    "ValueError": "OPS_VALUE_ERROR", "TypeError": "OPS_TYPE_ERROR",
}  # fmt: skip
# Names of the generated functions' own variables: a registry's sizes and loops must not take them.
RESERVED = frozenset(
    "BLOCK T acc arg args arguments axis best compute count direct dtype element hi indices into k "
    "kernels lo ndim operands part ready rest result row run shape typed v whole".split()
)
RULES = {
    "int_to_float": "OPS_RULE_INT_TO_FLOAT", "int_to_long": "OPS_RULE_INT_TO_LONG",
    "always_bool": "OPS_RULE_BOOL",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kernel:
    """One loop nest for one element type."""

    symbol: str
    ctype: str
    lines: tuple[str, ...]
    sums: bool  # adds contiguous runs
    unpack: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexFile:
    """Context of templates/c/index.c.j2."""

    op: str
    key: str  # how other backends find their form of it
    formula: str
    structure: str  # what the formula was recognised as
    fields: tuple[str, ...]  # declarations in the struct of arguments
    kernels: tuple[Kernel, ...]
    table: tuple[str, ...]
    by_size: bool  # kernels are chosen by element size: values are moved, not computed with
    checks: tuple[str, ...]  # of single elements
    params: tuple[str, ...]
    names: tuple[str, ...]
    unused: tuple[str, ...]
    shapes: tuple[str, ...]  # statements: checks, sizes, `dtype`
    ndim: str
    shape: str
    device: str
    operands: tuple[str, ...]
    counted: bool  # there is a second output
    start: str
    zero: bool  # the result is written in places only
    narrow: str  # tensor whose shape bounds the part of the result that is written
    assign: tuple[str, ...]  # initialisers of the struct
    rows: str
    work: str
    inplace: bool


def element_types(program: Program) -> tuple[str, ...]:
    """Codes of the compute dtypes whose elements the op takes."""
    file = _File(program)
    return tuple(BY_CODE) if file.by_size else file.codes()


def render_context(op: OpDef) -> IndexFile:
    """Lower one index op."""
    program = analyse(op)
    with at(op.place, "index"):
        return _File(program).context()


# Integers ----------------------------------------------------------------------------------------


class Ints:
    """Prints integer formulas: sizes, subscripts, conditions."""

    def __init__(self, program: Program, in_kernel: bool) -> None:
        self.program, self.in_kernel = program, in_kernel
        self.params = {p.name: p for p in program.op.schema.params}

    def text(self, node: Node, outer: int = 0) -> str:
        """C text of ``node``, parenthesised for an operator of precedence ``outer``."""
        text, prec = self._text(node)
        return f"({text})" if prec < outer else text

    def _text(self, node: Node) -> tuple[str, int]:
        match node:
            case Num(value=bool() as v):
                return str(int(v)), 20
            case Num(value=int() as v):
                return str(v), 20 if v >= 0 else 9
            case Name(id=name):
                return name, 20
            case Item(base=Name(id=t), index=index) if t in self.program.dims:
                return f"{t}[{self.offset(t, index)}]", 20
            case Item(base=Attr(base=Name(id=t), name="shape"), index=(Num(value=int() as k),)):
                return f"{t}->shape[{k if k >= 0 else f'{t}->ndim - {-k}'}]", 20
            case Item(base=Name(id=t), index=(i,)):
                return f"{t}[{self.text(i)}]", 20
            case Attr(base=Name(id=t), name="ndim" | "dtype" | "numel" as a):
                return f"{t}->{a}", 20
            case Call(fn="numel", args=(Name(id=t),)):
                return f"{t}->numel", 20
            case Call(fn="min" | "max" | "minimum" | "maximum" as fn, args=(a, b)):
                which = "smaller" if fn.startswith("min") else "larger"
                return f"ops_{which}({self.text(a)}, {self.text(b)})", 20
            case Binary(op="//", left=a, right=b):
                return f"ops_floor_div({self.text(a)}, {self.text(b)})", 20
            case Binary(op="%", left=a, right=b):
                return f"ops_floor_mod({self.text(a)}, {self.text(b)})", 20
            case Binary(op="+" | "-" | "*" as op, left=a, right=b):
                p = 10 if op == "*" else 9
                return f"{self.text(a, p)} {op} {self.text(b, p + 1)}", p
            case Unary(op="-", arg=a):
                return f"-{self.text(a, 11)}", 9
            case Unary(op="not", arg=a):
                return f"!{self.text(a, 20)}", 15
            case Compare(op="is" | "is not" as op, left=Name(id=t), right=Nil()):
                return self.absent(t, op == "is"), 15
            case Compare(op=op, left=a, right=b):
                return f"{self.text(a, 8)} {op} {self.text(b, 8)}", 7
            case Logic(op=op, args=args):
                symbol, p = (" && ", 5) if op == "and" else (" || ", 4)
                return symbol.join(self.text(a, 6) for a in args), p
            case IfExp(test=c, then=a, other=b) | Call(fn="where", args=(c, a, b)):
                return f"({self.text(c, 6)} ? {self.text(a)} : {self.text(b)})", 20
        raise FormulaError(f"'{fm.unparse(node)}' is no integer formula", node.col)

    def absent(self, name: str, wanted: bool) -> str:
        """C condition: the parameter is None (or is not)."""
        param = self.params[name]
        if param.type.base == "Tensor":
            if self.in_kernel:
                return f"{name} {'==' if wanted else '!='} NULL"
            return f"{'' if wanted else '!'}({name}->flags & OPS_NONE)"
        if param.type.is_list:
            return f"n_{name} {'<' if wanted else '>='} 0"
        return f"{name} {'==' if wanted else '!='} OPS_NO_INT"

    def offset(self, tensor: str, index: Sequence[Node]) -> str:
        """Position of an element of a contiguous tensor."""
        return self.text(position(self.program.dims[tensor], index))


def position(axes: Sequence[Axis], index: Sequence[Node]) -> Node:
    """The row-major position, as a formula."""
    total: Node = Num(0)
    for axis, i in zip(axes, index, strict=True):
        total = add(mul(total, axis.size), i)
    return total


# Kernels -----------------------------------------------------------------------------------------


class Writer:
    """Indented lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def __call__(self, *lines: str) -> None:
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


@dataclass(frozen=True, slots=True)
class Bound:
    """``0 <= subscript < size`` must hold where the loops stand."""

    subscript: Node
    size: Node


class Loops:
    """Plain loops of a program, for one element type."""

    def __init__(self, program: Program, code: str) -> None:
        self.p, self.code = program, code
        self.ints = Ints(program, in_kernel=True)
        self.w = Writer()
        self.variables = frozenset(v.var for v in program.loops)
        self.extent = {v.var: v.extent for v in program.loops}
        self.known: set[str] = set()
        self.sums = False
        self.ctype = BY_SIZE.get(code) or BY_CODE[code].ctype
        self.pending = [k for k in program.let if self.depends(Name(k))]
        self.bounds = self._bounds()
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

    def _bounds(self) -> list[Bound]:
        places: list[tuple[tuple[Axis, ...], tuple[Node, ...]]] = []
        p = self.p
        if p.scatter and p.picked is None:
            places.append((p.dims[OUT], p.target))
        for r in p.reads:
            if r.name in fm.names(p.term) and not self.guarded(r) and r.tensor in p.op.outside:
                places.append((p.dims[r.tensor], r.index))
        found = {
            fm.unparse(i): Bound(i, axis.size)
            for axes, index in places for axis, i in zip(axes, index, strict=True)
            if not isinstance(i, Name) and affine(i, self.variables) is not None
            and not any(isinstance(n, Item) for n in fm.walk(i))
        }  # fmt: skip
        return list(found.values())

    def guarded(self, read: Read) -> bool:
        """Reads beyond the edge matter: they need the value of `outside`, not fewer loops."""
        outside = self.p.op.outside.get(read.tensor)
        if outside is None or all(isinstance(i, Name) for i in read.index):
            return False
        neutral = {"sum": 0, "max": -fm.INF, "min": fm.INF}.get(self.p.fold)
        if self.p.fold in ("argmax", "argmin"):
            return read.name not in fm.names(self.p.term)
        if self.p.scatter and self.p.fold == "sum":
            neutral = 0
        return neutral is None or not is_num(outside.node, neutral)

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
            for i, axis in zip(read.index, self.p.dims[t], strict=True):
                if not isinstance(i, Name):
                    place = self.ints.text(i, 10)
                    tests.append(f"{place} >= 0 && {place} < {self.ints.text(axis.size, 9)}")
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

    # Forms ---------------------------------------------------------------------------------------

    def write(self) -> tuple[str, ...]:
        """The kernel's statements; also decides what it is parallel over."""
        p = self.p
        if p.picked is not None or p.indices:
            self._select()
        elif p.scatter:
            self._scatter()
        elif self.by_rows:
            self._rows()
        else:
            self._elements()
        return tuple(self.w.lines)

    @property
    def by_rows(self) -> bool:
        """Is a row of the result the accumulator? Its last axis then is the innermost loop."""
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

    def _rows(self) -> None:
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
            self.along(last, reads, lambda v: self._accumulate(f"acc[{last}]", v))
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

    def _accumulate(self, acc: str, values: Mapping[str, str]) -> list[str]:
        v = self.value(self.p.term, values)
        if self.p.fold in ("sum", "prod"):
            return [self.combine(acc, v)]
        return [f"const {self.ctype} v = {v};", self.combine(acc, "v")]

    def _elements(self) -> None:
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
            for v in p.inner[: -summed or -1] if run else ():
                self.loop(v.var)
            if summed:
                self.sums = True
                at_zero = {v.var: Num(0) for v in p.inner[-summed:]}
                index = [simplify(fm.substitute(i, at_zero)) for i in reads[0].index]
                place = position(p.dims[reads[0].tensor], index)
                first = f"{reads[0].tensor} + {self.ints.text(place, 9)}"
                count: Node = Num(1)
                for v in p.inner[-summed:]:
                    count = mul(count, v.extent)
                w(f"acc += loops_{self.code}_run({self.ints.text(count)}, {first});")
            elif run:
                self.along(run, reads, lambda v: self._accumulate("acc", v))
            self.leave(state)
        values = {r.name: self.element(r) for r in self.reads(p.finish)}
        w(f"out[{self.ints.offset(OUT, p.target)}] = {self.value(p.finish, values, acc)};")
        self.advance(outer)

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
        bounded = {v for b in self.bounds for v in self.depends(b.subscript)}
        n = 0
        while n < min(len(p.inner), len(index)):
            loop, i, axis = p.inner[-1 - n], index[-1 - n], axes[-1 - n]
            others = [x for d, x in enumerate(index) if d != len(index) - 1 - n]
            parts = affine(i, self.variables)
            whole = i == Name(loop.var) and axis.size == loop.extent
            if (
                loop.var in bounded
                or any(loop.var in self.depends(x) for x in others)
                or parts is None
            ):
                return n
            if parts[0] != {loop.var: Num(1)} or loop.var in self.depends(parts[1]):
                return n
            n += 1
            if not whole:
                return n
        return n

    def _select(self) -> None:
        """Find the largest (or smallest) element of a window, then use its place."""
        p, w = self.p, self.w
        rows = self._moves_alike()
        outer = [v.var for v in p.outer]
        parallel = self._shared()
        if parallel:
            self.decode(parallel)
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

    def _shared(self) -> list[str]:
        """Loops of a selection that threads share."""
        p = self.p
        bare = [i.id for i in p.target if isinstance(i, Name)]
        outer = [v.var for v in p.outer[:-1]] if self._moves_alike() else [v.var for v in p.outer]
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

    def _scatter(self) -> None:
        """Write at computed places, in parallel over loops that name an axis of the result."""
        p, w = self.p, self.w
        parallel, order, inner = self.schedule()
        if parallel:
            self.decode(parallel)
        elif inner not in order:
            pass  # the innermost loop itself is shared among threads
        else:
            w.open("for (int64_t row = lo; row < hi; ++row)")
        base = w.depth
        for v in order:
            if v != inner:
                self.loop(v)
        if inner and inner not in order:
            self.loop(inner, "lo", "hi")
        elif inner:
            self.loop(inner)
        values = {r.name: self.element(r) for r in self.reads(p.term)}
        sign = "=" if p.replace else "+="
        w(f"out[{self.ints.offset(OUT, p.target)}] {sign} {self.value(p.term, values)};")
        if parallel:
            w.close(base)
            self.advance(parallel)
        else:
            w.close(0)

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

    def rows(self) -> Node:
        """How many rows the kernel's range counts."""
        p = self.p
        if p.picked is not None or p.indices:
            names = self._shared()
        elif p.scatter:
            parallel, order, inner = self.schedule()
            names = parallel or ([inner] if inner and inner not in order else [])
        else:
            names = [v.var for v in p.outer]
            names = names[:-1] if self.by_rows else names
        total: Node = Num(1)
        for v in names:
            total = mul(total, self.extent[v])
        return total


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
    loops = Loops(short[0], code)
    body = loops.write()
    text = (f"if ({short[1]} == 1) {{", *(f"    {x}" for x in body), "    return;", "}", *lines)
    return text, loops.rows()


# Structures --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gemm:
    """A product of two reads summed over one loop, all subscripts bare."""

    a: Read
    b: Read
    batch: Loop | None
    m: Loop | None
    n: Loop | None
    k: Loop
    bias: Read | None


def match_gemm(p: Program) -> Gemm | None:
    """Recognise a matrix product in any transposition, perhaps batched, perhaps with a bias."""
    factors = _product(p)
    if factors is None or len(p.inner) != 1 or p.scatter:
        return None
    a, b = factors
    index = {r.name: [i.id if isinstance(i, Name) else "" for i in r.index] for r in factors}
    if any("" in v or len(set(v)) != len(v) for v in index.values()):
        return None
    loops = {v.var: v for v in p.loops}
    out = [v.var for v in p.outer]
    k = p.inner[0].var
    in_a, in_b = set(index[a.name]), set(index[b.name])
    batch = [v for v in out if v in in_a and v in in_b]
    m = [v for v in out if v in in_a and v not in in_b]
    n = [v for v in out if v in in_b and v not in in_a]
    if n and m and out[-1] == m[0] or (not n and m):  # rows of c are contiguous along n
        a, b, m, n = b, a, n, m
    if not (k in in_a and k in in_b) or max(len(batch), len(m), len(n)) > 1:
        return None
    if out != [*batch, *m, *n] or {*batch, *m, *n, k} != set(loops):
        return None
    bias = _bias(p)
    if p.finish != Name(ACC) and (bias is None or not n or bias.index != (Name(n[0]),)):
        return None

    def one(v: list[str]) -> Loop | None:
        return loops[v[0]] if v else None

    return Gemm(a, b, one(batch), one(m), one(n), loops[k], bias)


def _product(p: Program) -> tuple[Read, Read] | None:
    """The two reads whose product is summed."""
    if p.fold != "sum" or p.picked is not None or p.start:
        return None
    match p.term:
        case Binary(op="*", left=Name(id=a), right=Name(id=b)):
            x, y = p.read(a), p.read(b)
            if (
                x
                and y
                and x.tensor != y.tensor
                and not (p.integral(x.tensor) or p.integral(y.tensor))
            ):
                return x, y
    return None


def _bias(p: Program) -> Read | None:
    """The read of ``acc + (0 if bias is None else bias[..])`` or ``acc + bias[..]``."""
    if isinstance(p.finish, Binary) and p.finish.op == "+" and p.finish.left == Name(ACC):
        term = p.finish.right
        if isinstance(term, IfExp) and is_num(term.then, 0):
            term = term.other
        if isinstance(term, Name):
            return p.read(term.id)
    return None


@dataclass(frozen=True)
class Conv:
    """A convolution or one of its adjoints: which tensor plays which part."""

    function: str
    image: str
    weight: str
    result: str
    bias: Read | None
    channels: Node
    sizes: tuple[Node, ...]
    n: Node
    o: Node
    c: Node
    kernel: tuple[Node, ...]
    out: tuple[Node, ...]
    stride: tuple[Node, ...]
    padding: tuple[Node, ...]
    dilation: tuple[Node, ...]


def match_conv(p: Program) -> Conv | None:
    """Recognise image[n, c, i*s - p + k*d] * weight[o, c, k] against result[n, o, i]."""
    factors = _product(p)
    if factors is None:
        return None
    places = {r.tensor: r.index for r in factors} | {OUT: p.target}
    variables = frozenset(v.var for v in p.loops)
    extent = {v.var: v.extent for v in p.loops}
    windows = [
        t
        for t, index in places.items()
        if len(index) > 2 and all(_window(i, variables) for i in index[2:])
    ]
    if len(windows) != 1:
        return None
    image = windows[0]
    index = places.pop(image)
    spatial = len(index) - 2
    if spatial > 3 or any(len(v) != len(index) for v in places.values()):
        return None
    parts = [affine(i, variables) for i in index[2:]]
    names = [[v.id if isinstance(v, Name) else "" for v in x] for x in places.values()]
    for (result, y), (weight, w) in (
        (list(zip(places, names))[k], list(zip(places, names))[1 - k]) for k in (0, 1)
    ):
        if "" in y or "" in w or index[0] != Name(y[0]) or y[1] != w[0]:
            continue
        if any(
            set(part[0]) != {y[2 + d], w[2 + d]} for d, part in enumerate(parts) if part is not None
        ):
            continue
        channel = index[1]
        og = _channel_groups(channel, y[1], w[1])
        if channel != Name(w[1]) and og is None:
            continue
        if {*y, *w} != set(variables):
            return None
        bias = _bias(p)
        if p.finish != Name(ACC) and (
            bias is None or image == OUT or weight == OUT or bias.index != (Name(y[1]),)
        ):
            return None
        outside = p.op.outside.get(image)
        if image != OUT and (outside is None or not is_num(outside.node, 0)):
            return None
        function = {image: "backward_input", weight: "backward_weight", result: "forward"}[OUT]
        dims = p.dims[image]
        known = [part for part in parts if part is not None]
        return Conv(
            function, image, weight, result, bias, dims[1].size, tuple(a.size for a in dims[2:]),
            extent[y[0]], extent[y[1]], extent[w[1]],
            tuple(extent[v] for v in w[2:]), tuple(extent[v] for v in y[2:]),
            tuple(part[0][y[2 + d]] for d, part in enumerate(known)),
            tuple(simplify(neg(part[1])) for part in known),
            tuple(part[0][w[2 + d]] for d, part in enumerate(known)),
        )  # fmt: skip
    return None


def _window(i: Node, variables: frozenset[str]) -> bool:
    parts = affine(i, variables)
    return parts is not None and len(parts[0]) == 2


def _channel_groups(channel: Node, o: str, c: str) -> Node | None:
    """``og`` of ``o // og * Cg + c``."""
    match channel:
        case Binary(
            op="+",
            left=Binary(op="*", left=Binary(op="//", left=Name(id=a), right=og)),
            right=Name(id=b),
        ):
            return og if (a, b) == (o, c) else None
    return None


# Files -------------------------------------------------------------------------------------------


@dataclass
class _File:
    program: Program
    early: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    bound: dict[str, str] = field(default_factory=dict)  # size -> tensor it came from

    def __post_init__(self) -> None:
        self.op = self.program.op
        self.ints = Ints(self.program, in_kernel=False)
        self.gemm = match_gemm(self.program)
        self.conv = None if self.gemm else match_conv(self.program)

    def context(self) -> IndexFile:
        p, op = self.program, self.op
        taken = {v.var for v in p.loops} | set(p.let) | set(self.ints.params) - {SIZE}
        for name in sorted(taken & (RESERVED - {"k", "v"}) | (set(self.ints.params) & RESERVED)):
            raise FormulaError(f"'{name}' is a name of the generated C; rename it")
        kernels, loops = self.kernels()
        used = self.used_names(kernels)
        read = [t for t in self.tensors() if t.name in used and t.name != p.start]
        body = self.shapes(used, loops)
        checks = self.element_checks()
        used |= _words(" ".join(checks))
        for t in self.tensors():
            if t not in read and t.name in used and t.name != p.start:
                read.append(t)
        ndim, shape, more = self.result_shape()
        fields, unpack, assign = self.arguments(read, kernels, checks)
        params, names = c_params(op)
        text = " ".join([*body, *more, *assign, ndim, shape, loops.rows_text, self.work()])
        operands = [self.operand(t) for t in read]
        text += " ".join(operands) + (p.start or "")
        return IndexFile(
            op=op.name,
            key=key(op.name, [kernels, body, more, checks, ndim, shape]),
            formula=op.meaning.formula.text,  # type: ignore[union-attr]
            structure=self.structure(),
            fields=tuple(fields), kernels=tuple(_with_unpack(k, unpack) for k in kernels),
             table=self.table(kernels), by_size=self.by_size,
            checks=tuple(checks), params=tuple(params), names=tuple(names),
            unused=tuple(n for n in names if n not in _words(text)),
            shapes=(*body, *more), ndim=ndim, shape=shape, device=self.device(),
            operands=tuple(operands), counted=p.indices, start=p.start,
            zero=p.partial and not p.start and self.conv is None, narrow=self.narrow(),
            assign=tuple(assign), rows=loops.rows_text, work=self.work(),
            inplace=bool(p.start) and not is_adjoint(op),
        )  # fmt: skip

    # Kernels -------------------------------------------------------------------------------------

    @property
    def by_size(self) -> bool:
        """Are values moved only?"""
        p = self.program
        if p.fold or p.picked is not None or p.finish != Name(ACC) or (p.scatter and not p.replace):
            return False
        read = p.read(p.term.id) if isinstance(p.term, Name) else None
        if read is None or p.integral(read.tensor):
            return False
        return not any(Loops(p, "u8").guarded(r) for r in p.reads)

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
        if is_adjoint(self.op) or self.conv or divides or calls:
            return FLOATS
        return ALL if p.replace else NUMBERS

    def kernels(self) -> tuple[list[Kernel], _Rows]:
        found: list[Kernel] = []
        rows: Node = Num(1)
        at_end: Node = Num(1)
        loops: Loops | None = None
        short = None if self.gemm or self.conv else without_last_group(self.program)
        for code in self.codes():
            ctype = BY_SIZE.get(code) or BY_CODE[code].ctype
            if self.gemm and code in FLOATS:
                found.append(
                    Kernel(
                        f"product_{code}",
                        ctype,
                        tuple(gemm_lines(self.gemm, code, self.ints)),
                        False,
                    )
                )
                continue
            if self.conv:
                found.append(
                    Kernel(
                        f"convolve_{code}",
                        ctype,
                        tuple(conv_lines(self.conv, code, self.ints)),
                        False,
                    )
                )
                continue
            loops = Loops(self.program, code)
            lines = loops.write()
            rows = loops.rows()
            if short is not None:
                lines, at_end = last_axis_first(short, code, lines)
            found.append(Kernel(f"loops_{code}", ctype, lines, loops.sums))
        text = self.ints.text(rows)
        if short is not None:
            text = f"({short[1]} == 1 ? {self.ints.text(at_end)} : {text})"
        if self.gemm and loops is not None and text != "1":
            text = f"(compute <= OPS_C_F32 ? 1 : {text})"
        return found, _Rows(text, loops.strides if loops else self.conv_steps())

    def conv_steps(self) -> dict[str, Node]:
        if self.conv is None:
            return {}
        return {self.ints.text(n): n for n in (*self.conv.stride, *self.conv.dilation)}

    def table(self, kernels: Sequence[Kernel]) -> tuple[str, ...]:
        by_code = {k.symbol.rpartition("_")[2]: k.symbol for k in kernels}
        return tuple(by_code.get(code, "NULL") for code in (BY_SIZE if self.by_size else ALL))

    def structure(self) -> str:
        if self.gemm:
            return "a matrix product"
        if self.conv:
            return f"a convolution ({self.conv.function.replace('_', ' ')})"
        p = self.program
        if p.picked is not None or p.indices:
            return "a selection in a window"
        if p.scatter:
            return "a scatter: parallel where the loops name an axis of the result"
        return (
            "loops over rows of the result"
            if Loops(p, self.codes()[0]).by_rows
            else "loops over elements"
        )

    def used_names(self, kernels: Sequence[Kernel]) -> set[str]:
        return set().union(*(_words(" ".join(k.lines)) for k in kernels))

    # Arguments of the kernels --------------------------------------------------------------------

    def tensors(self) -> list[Param]:
        return [p for p in self.op.schema.params if p.type.base == "Tensor"]

    def arguments(
        self, read: Sequence[Param], kernels: Sequence[Kernel], checks: Sequence[str]
    ) -> tuple[list[str], dict[str, str], list[str]]:
        """Fields of the struct, how kernels read them, how the entry sets them."""
        p = self.program
        words = self.used_names(kernels)
        fields: list[str] = []
        unpack: dict[str, str] = {}
        assign: list[str] = []
        for k, t in enumerate(read):
            fields.append(f"const void *{t.name};")
            ctype = "int64_t" if p.integral(t.name) else "T"
            if t.name in words:
                unpack[t.name] = f"const {ctype} *restrict const {t.name} = args->{t.name};"
            data = f"operands[{k}]->data"
            if f"args->count_{t.name}" in " ".join(checks):
                fields.append(f"int64_t count_{t.name};")
                assign.append(f".count_{t.name} = operands[{k}]->numel")
            assign.append(
                f".{t.name} = "
                + (f"operands[{k}]->flags & OPS_NONE ? NULL : {data}" if t.type.optional else data)
            )
        fields.append("void *out;")
        unpack[OUT] = "T *restrict const out = args->out;"
        if p.indices:
            fields.append("int64_t *indices;")
            unpack["indices"] = "int64_t *restrict const indices = args->indices;"
        if self.gemm:
            for k, t in enumerate(read):
                for name, end in self.gemm_strides(t.name):
                    fields.append(f"int64_t {name};")
                    if name in words:
                        unpack[name] = f"const int64_t {name} = args->{name};"
                    assign.append(f".{name} = ops_stride(operands[{k}], {end})")
        words |= _words(" ".join(checks))
        inner = {v.var for v in p.loops} | self.loop_lets()
        for name in [*self.bound, *p.sizes, *p.let, *(q.name for q in self.op.schema.params)]:
            if (
                name not in words
                or name in inner
                or any(f.split()[-1] == f"{name};" for f in fields)
            ):
                continue
            param = self.ints.params.get(name)
            base = param.type.base if param else "int"
            if base == "Tensor" or (param and param.type.is_list):
                continue
            ctype = {"int": "int64_t", "bool": "int", "float": "double", "Scalar": "ops_scalar"}[
                base
            ]
            fields.append(f"{ctype} {name};")
            assign.append(f".{name} = {name}")
            if name in self.used_names(kernels):
                unpack[name] = _unpack(name, base)
        return fields, unpack, assign

    def loop_lets(self) -> set[str]:
        loops = Loops(self.program, "f32")
        return {k for k in self.program.let if loops.depends(Name(k))}

    def gemm_strides(self, tensor: str) -> list[tuple[str, str]]:
        assert self.gemm is not None
        found = []
        for r in (self.gemm.a, self.gemm.b):
            if r.tensor == tensor:
                for d, i in enumerate(r.index):
                    assert isinstance(i, Name)
                    found.append((f"{tensor}_{i.id}", str(len(r.index) - d)))
        return found

    def operand(self, t: Param) -> str:
        p = self.program
        if p.integral(t.name):
            want = "OPS_I64"
        else:
            want = "dtype" if self.by_size else "element"
        source = t.name
        if any(a.at_least for a in p.dims.get(t.name, ())):
            return f"ops_narrowed_operand({t.name}, {self.bounding()}, axis, {want})"
        if (
            self.gemm
            and not p.integral(t.name)
            and t.name in (self.gemm.a.tensor, self.gemm.b.tensor)
        ):
            axes = p.dims[t.name]
            test = "compute <= OPS_C_F32"
            if axes and axes[0].group:
                test += f" && ops_collapses({t.name}, {t.name}->ndim - {len(axes) - 1})"
            return f"{test} ? ops_strided_operand({source}, {want}) : ops_operand({source}, {want})"
        return f"ops_operand({source}, {want})"

    def bounding(self) -> str:
        """The tensor whose shape bounds the axes written ``fits(A)``."""
        for name, axes in self.program.dims.items():
            if (
                name not in (OUT, SIZE)
                and sum(a.group for a in axes) == 2
                and not any(a.at_least for a in axes)
            ):
                return name
        raise FormulaError("'fits(A)' needs a tensor with 'many(A)' and 'many(B)'")

    def narrow(self) -> str:
        return self.bounding() if any(a.at_least for a in self.program.dims[OUT]) else ""

    def device(self) -> str:
        return f"{self.tensors()[0].name}->device"

    def work(self) -> str:
        """An estimate of the work, in elements."""
        loops = Loops(self.program, "f32")
        parts = [v.extent for v in self.program.loops if not loops.depends(v.extent)]
        texts = [self.ints.text(x, 11) for x in parts]
        return " * ".join(["1.0" if not texts else f"(double){texts[0]}", *texts[1:]])

    # Shapes --------------------------------------------------------------------------------------

    def shapes(self, used: set[str], rows: _Rows) -> list[str]:
        """Checks, sizes, `let` values and the dtype, in an order that errors read well."""
        p = self.program
        lines: list[str] = []
        late: list[str] = []
        for f, error in self.op.check:
            if self.bare_tensors(f.node):
                continue
            params = set(self.ints.params)
            target = lines if set(fm.names(f.node)) <= params else late
            target += self.check(f.node, error)
        order = [n for n in p.dims if n != OUT]
        order.sort(
            key=lambda n: (
                any(a.at_least for a in p.dims[n]),
                n in self.ints.params and self.ints.params[n].type.optional,
            )
        )
        for name in order:
            lines += self.bind(name, p.dims[name])
        needed = used | _words(" ".join(late)) | _words(self.work()) | _words(rows.rows_text)
        needed |= (
            {n for a in p.dims[OUT] for n in fm.names(a.size)}
            if SIZE not in p.dims and not p.start
            else set()
        )
        lines += self.lets(needed, rows.strides)
        lines += late
        for text, node in rows.strides.items():
            if not isinstance(node, Num):
                lines += self.fail(
                    f"{text} < 1",
                    "RuntimeError",
                    f"{self.op.name}: expected a positive '{text}', found {{{fm.unparse(node)}}}",
                )
        return lines + self.dtype()

    def lets(self, needed: set[str], strides: Mapping[str, Node]) -> list[str]:
        """Static `let` values and computed sizes that something reads, each after what it reads."""
        p = self.program
        table = {**p.let, **p.sizes}
        inner = self.loop_lets()
        wanted = {n for s in strides.values() for n in fm.names(s)} | needed
        todo = [n for n in table if n in wanted]
        todo += [n for k in inner if k in needed for n in fm.names(p.let[k])]
        lines: list[str] = []
        done: set[str] = set()

        def visit(name: str) -> None:
            if name in done or name not in table or name in inner or (name in self.bound):
                return
            done.add(name)
            for n in fm.names(table[name]):
                visit(n)
            lines.append(f"const int64_t {name} = {self.ints.text(table[name])};")

        for name in todo:
            visit(name)
        return lines

    def bare_tensors(self, node: Node) -> list[str]:
        """Tensors whose elements a check reads."""
        found: list[str] = []

        def visit(n: Node) -> None:
            match n:
                case Attr() | Compare(right=Nil()):
                    return
                case Call(fn="numel" | "size"):
                    return
                case Name(id=t) if (
                    t in self.ints.params and self.ints.params[t].type.base == "Tensor"
                ):
                    found.append(t)
            for c in fm.children(n):
                visit(c)

        visit(node)
        return list(dict.fromkeys(found))

    def check(self, node: Node, error: str) -> list[str]:
        kind, _, message = error.partition(":")
        message = message.strip() or f"{self.op.name}: expected {fm.unparse(node)}"
        condition = self.ints.text(node)
        return self.fail(f"!({condition})", kind, message)

    def fail(self, condition: str, kind: str, message: str) -> list[str]:
        text, args = self.message(message)
        return [
            f"if (OPS_UNLIKELY({condition})) {{",
            f"    return ops_fail({STATUS[kind]}, {', '.join([text, *args])});",
            "}",
        ]

    def message(
        self, message: str, values: Mapping[str, str] | None = None
    ) -> tuple[str, list[str]]:
        """A printf format and its arguments; ``{formula}`` is printed."""
        args: list[str] = []

        def put(m: re.Match[str]) -> str:
            node = fm.parse(m[1])
            match node:
                case Attr(base=Name(id=t), name="shape"):
                    args.append(f"ops_shape_text({t}->ndim, {t}->shape)")
                    return "%s"
                case Attr(base=Name(id=t), name="dtype"):
                    args.append(f"ops_dtype_name[{t}->dtype]")
                    return "%s"
                case Attr(base=Name(id=t), name="ctype"):
                    args.append(f"ops_c_name({t}->dtype)")
                    return "%s"
                case Name(id=t) if values and t in values:
                    args.append(f"(long long){values[t]}")
                    return "%lld"
            args.append(f"(long long)({self.ints.text(node)})")
            return "%lld"

        parts = re.split(r"(\{[^{}]*\})", message)
        body = "".join(
            re.sub(r"\{([^{}]*)\}", put, part) if part.startswith("{") else part.replace("%", "%%")
            for part in parts
        )
        return '"' + body.replace("\\", "\\\\").replace('"', '\\"') + '"', args

    def bind(self, name: str, axes: tuple[Axis, ...]) -> list[str]:
        """Check one shape and take the sizes it gives."""
        ndim, shape = (f"n_{SIZE}", SIZE) if name == SIZE else (f"{name}->ndim", f"{name}->shape")
        optional = name in self.ints.params and self.ints.params[name].type.optional
        lines: list[str] = []
        n = len(axes)
        what = f"'{name}'"
        groups = sum(a.group for a in axes)
        found = f'found %d", (int){ndim}'
        if groups == 2:
            lines += self.bind_around(name, axes, ndim, shape)
            return lines
        leading = bool(axes) and (axes[0].group or axes[0].optional)
        if leading and axes[0].group:
            test, expected = f"{ndim} < {n - 1}", f"at least {n - 1}"
        elif leading:
            test, expected = f"{ndim} != {n} && {ndim} != {n - 1}", f"{n - 1} or {n}"
        else:
            test, expected = f"{ndim} != {n}", str(n)
        text = (
            f"{self.op.name}: expected {what} to have {expected} dimension{'s' * (expected != '1')}"
        )
        lines += [
            f"if (OPS_UNLIKELY({test})) {{",
            f'    return ops_fail(OPS_RUNTIME_ERROR, "{text}, {found});',
            "}",
        ]
        for d, axis in enumerate(axes):
            if leading and d == 0:
                value = f"ops_product({shape}, 0, (int){ndim} - {n - 1})"
            elif leading:
                value = f"{shape}[{ndim} - {n - d}]"
            else:
                value = f"{shape}[{d}]"
            lines += self.size(name, axis, value, d - n)
        if optional and lines:
            lines = [f"if (!({name}->flags & OPS_NONE)) {{", *("    " + x for x in lines), "}"]
        return lines

    def size(self, tensor: str, axis: Axis, value: str, d: int) -> list[str]:
        """Bind a size name, or check it against what is known."""
        name = axis.name
        if (
            name
            and name not in self.bound
            and name not in self.program.sizes
            and name not in self.program.let
            and name not in self.ints.params
        ):
            self.bound[name] = tensor
            return [f"const int64_t {name} = {value};"]
        known = self.ints.text(axis.size)
        origin = f" of '{self.bound[name]}'" if name in self.bound else ""
        text = f"{self.op.name}: dimension {d} of '{tensor}' is %lld, expected {known}{origin}"
        return [
            f"if (OPS_UNLIKELY({value} != {known})) {{",
            f'    return ops_fail(OPS_RUNTIME_ERROR, "{text}, which is %lld",',
            f"                    (long long){value}, (long long){known});",
            "}",
        ]

    def bind_around(self, name: str, axes: tuple[Axis, ...], ndim: str, shape: str) -> list[str]:
        """A shape with groups before and after the axis ``dim``."""
        before, middle, after = axes
        lines: list[str] = []
        if "axis" not in self.bound:
            self.bound["axis"] = name
            lines += [
                f"const int axis = ops_axis(dim, (int){ndim});",
                "if (axis < 0) {",
                "    return NULL;",
                "}",
            ]
        if before.at_least:
            small = self.bounding()
            small_ndim, small_shape = (f"{small}->ndim", f"{small}->shape")
            lines += [
                f"if (!ops_fits({small_ndim}, {small_shape}, (int){ndim}, {shape}, axis, "
                f'"{small}", "{"self" if name == "input" else name}")) {{',
                "    return NULL;",
                "}",
            ]
        elif before.name in self.bound:
            other = self.bound[before.name]
            other_ndim, other_shape = (
                (f"(int)n_{SIZE}", SIZE) if other == SIZE else (f"{other}->ndim", f"{other}->shape")
            )
            text = (
                f"{self.op.name}: shapes of '{name}' and '{other}' must agree except in dimension "
            )
            text += "%d, found %s and %s"
            lines += [
                f"if (!ops_same_around((int){ndim}, {shape}, {other_ndim}, {other_shape}, "
                "axis)) {",
                f'    return ops_fail(OPS_RUNTIME_ERROR, "{text}", axis,',
                f"                    ops_shape_text((int){ndim}, {shape}),",
                f"                    ops_shape_text({other_ndim}, {other_shape}));",
                "}",
            ]
        else:
            lines += self.size(name, before, f"ops_product({shape}, 0, axis)", 0)
            lines += self.size(name, after, f"ops_product({shape}, axis + 1, (int){ndim})", 0)
        lines += self.size(name, middle, f"ops_size((int){ndim}, {shape}, axis)", 0)
        return lines

    def dtype(self) -> list[str]:
        rule = self.op.dtype
        lines: list[str] = []
        for t in self.tensors():
            if self.program.integral(t.name):
                text = f"{self.op.name}(): Expected dtype int32 or int64 for {t.name}"
                lines += [
                    f"if ({t.name}->dtype != OPS_I64 && {t.name}->dtype != OPS_I32) {{",
                    f'    return ops_fail(OPS_RUNTIME_ERROR, "{text}");',
                    "}",
                ]
        args = [self.ints.params[a] for a in rule.args]
        first = args[0]
        if rule.kind == "same":
            for other in args[1:]:
                text = f"{self.op.name}: expected {first.name} and {other.name}"
                some = f"!({other.name}->flags & OPS_NONE) && " if other.type.optional else ""
                lines += [
                    f"if (OPS_UNLIKELY({some}{other.name}->dtype != {first.name}->dtype)) {{",
                    f'    return ops_fail(OPS_RUNTIME_ERROR, "{text} to have the same dtype, "',
                    f'                    "but got: %s != %s", ops_c_name({first.name}->dtype),',
                    f"                    ops_c_name({other.name}->dtype));",
                    "}",
                ]
            return [*lines, f"const int dtype = {first.name}->dtype;"]
        names = ", ".join(a.name for a in args)
        lines += [
            f"ops_tensor *const typed[] = {{{names}}};",
            f'const int common = ops_common_dtype("{self.op.name}", typed, NULL, {len(args)});',
            "if (common < 0) {",
            "    return NULL;",
            "}",
        ]
        return [
            *lines,
            f"const int dtype = ops_apply_rule({RULES.get(rule.kind, 'OPS_RULE_COMMON')}, common);",
        ]

    def result_shape(self) -> tuple[str, str, list[str]]:
        """C texts of ndim and shape, and the statements before them."""
        p = self.program
        axes = p.dims[OUT]
        if SIZE in p.dims:
            return f"(int)n_{SIZE}", SIZE, []
        if p.start:
            return f"{p.start}->ndim", f"{p.start}->shape", []
        sizes = [self.ints.text(a.size) for a in axes]
        if not any(a.group or a.optional for a in axes):
            body = f"{{{', '.join(sizes)}}}" if sizes else "{0}"
            return str(len(axes)), "shape", [f"const int64_t shape[] = {body};"]
        if sum(a.group for a in axes) == 2:
            t = self.bound[axes[0].name]
            return "ndim", "shape", [
                "int64_t shape[OPS_MAX_NDIM];",
                f"const int ndim = ops_copy_sizes(shape, {t}->shape, {t}->ndim);",
                "if (ndim > 0) {",
                f"    shape[axis] = {sizes[1]};",
                "}",
            ]  # fmt: skip
        t = self.bound[axes[0].name]
        rest = len(p.dims[t]) - 1
        lines = [
            "int64_t shape[OPS_MAX_NDIM + 8];",
            f"int ndim = ops_copy_sizes(shape, {t}->shape, {t}->ndim - {rest});",
            *(f"shape[ndim++] = {s};" for s in sizes[1:]),
        ]
        return "ndim", "shape", lines

    def element_checks(self) -> list[str]:
        """Statements of the function that looks at every position before the loops do."""
        lines: list[str] = []
        known = (*self.bound, *self.program.let, *self.program.sizes, *self.ints.params)
        for number, (f, error) in enumerate(self.op.check):
            tensors = self.bare_tensors(f.node)
            if not tensors:
                continue
            t = tensors[0]
            kind, _, message = error.partition(":")
            default = f"{self.op.name}: expected {f.text}"
            default = "index out of range in self" if kind == "IndexError" else default
            text, args = self.message(message.strip() or default, {t: "v"})
            node = fm.substitute(f.node, {t: Name("v")})
            terms = node.args if isinstance(node, Logic) and node.op == "and" else (node,)
            conditions = [f"({self.ints.text(x)})" for x in terms]
            for n in dict.fromkeys(known):
                conditions = [re.sub(rf"\b{n}\b", f"args->{n}", x) for x in conditions]
                args = [re.sub(rf"\b{n}\b", f"args->{n}", x) for x in args]
            declared = f"const int64_t *const {t} = args->{t};"
            lines += [] if declared in lines else [declared]
            ok, count = f"ok_{number}", f"args->count_{t}"
            lines += [
                f"int64_t {ok} = 1; /* without jumps first: valid positions are the rule */",
                f"for (int64_t k = 0; k < {count}; ++k) {{",
                f"    const int64_t v = {t}[k];",
                f"    {ok} &= {' & '.join(conditions)};",
                "}",
                f"for (int64_t k = 0; !{ok} && k < {count}; ++k) {{",
                f"    const int64_t v = {t}[k];",
                f"    if (!({' && '.join(conditions)})) {{",
                f"        ops_fail({STATUS[kind]}, {', '.join([text, *args])});",
                "        return 0;",
                "    }",
                "}",
            ]
        return lines


@dataclass(frozen=True)
class _Rows:
    rows_text: str
    strides: Mapping[str, Node]


def gemm_lines(g: Gemm, code: str, ints: Ints) -> list[str]:
    """The call that computes a matrix product."""

    def size(v: Loop | None) -> str:
        return ints.text(v.extent) if v else "1"

    def stride(r: Read, v: Loop | None) -> str:
        return f"{r.tensor}_{v.var}" if v and Name(v.var) in r.index else "0"

    lines: list[str] = []
    epilogue = "NULL"
    if g.bias:
        lines.append(
            f"const ops_gemm_epilogue_{code} epilogue = {{{g.bias.tensor}, 0, OPS_GEMM_IDENTITY}};"
        )
        epilogue = f"{g.bias.tensor} == NULL ? NULL : &epilogue"
    m, n, k = size(g.m), size(g.n), size(g.k)
    a = f"{g.a.tensor}, {stride(g.a, g.m)}, {stride(g.a, g.k)}"
    b = f"{g.b.tensor}, {stride(g.b, g.k)}, {stride(g.b, g.n)}"
    batch = ""
    if g.batch:
        batch = f"{size(g.batch)}, {stride(g.a, g.batch)}, {stride(g.b, g.batch)}, {_times(m, n)}, "
    name = f"ops_gemm_batched_{code}" if g.batch else f"ops_gemm_{code}"
    lines.append(f"{name}({batch}{m}, {n}, {k}, {a}, {b}, out, {n}, 0, {epilogue});")
    return ["(void)lo;", "(void)hi;", *lines]


def _times(a: str, b: str) -> str:
    return b if a == "1" else a if b == "1" else f"{a} * {b}"


def conv_lines(c: Conv, code: str, ints: Ints) -> list[str]:
    """The call that computes a convolution or one of its adjoints."""

    def texts(nodes: Iterable[Node]) -> str:
        return "{" + ", ".join(ints.text(n) for n in nodes) + "}"

    channels, group = ints.text(c.channels), ints.text(c.c)
    operands = {
        "forward": (c.image, c.weight, "NULL" if c.bias is None else c.bias.tensor, OUT),
        "backward_input": (c.result, c.weight, OUT),
        "backward_weight": (c.image, c.result, OUT),
    }[c.function]
    return [
        "(void)lo;",
        "(void)hi;",
        "const ops_conv_shape shape = {",
        f"    .batch = {ints.text(c.n)},",
        f"    .groups = {group} > 0 ? {channels} / {group} : 1,",
        f"    .in_channels = {channels},",
        f"    .out_channels = {ints.text(c.o)},",
        f"    .spatial = {len(c.kernel)},",
        f"    .in_size = {texts(c.sizes)},",
        f"    .kernel = {texts(c.kernel)},",
        f"    .out_size = {texts(c.out)},",
        f"    .stride = {texts(c.stride)},",
        f"    .padding = {texts(c.padding)},",
        f"    .dilation = {texts(c.dilation)},",
        "};",
        f"ops_conv_{c.function}_{code}(&shape, {', '.join(operands)});",
    ]


def c_params(op: OpDef) -> tuple[list[str], list[str]]:
    """C parameters of the op's function: declarations and names."""
    params: list[str] = []
    names: list[str] = []
    for p in op.schema.params:
        if p.type.is_list:
            params += [f"int64_t n_{p.name}", f"const int64_t *{p.name}"]
            names += [f"n_{p.name}", p.name]
            continue
        ctype = {
            "Tensor": "ops_tensor *",
            "int": "int64_t ",
            "bool": "int ",
            "float": "double ",
            "Scalar": "ops_scalar ",
        }
        params.append(f"{ctype[p.type.base]}{p.name}")
        names.append(p.name)
    return params, names


def _unpack(name: str, base: str) -> str:
    """A number argument in the compute dtype."""
    match base:
        case "int":
            return f"const int64_t {name} = args->{name};"
        case "bool":
            return f"const int {name} = args->{name};"
        case "float":
            return f"const T {name} = (T)args->{name};"
    return f"const T {name} = OPS_NUMBER_AS(T, args->{name});"


def _with_unpack(k: Kernel, unpack: Mapping[str, str]) -> Kernel:
    """The kernel with the arguments that it reads as locals."""
    words = _words(" ".join(k.lines))
    return replace(k, unpack=tuple(line for name, line in unpack.items() if name in words))


def _words(text: str) -> set[str]:
    return set(re.findall(r"(?<![.\w])[A-Za-z_]\w*", text))


__all__ = ["GRAD", "IndexFile", "Kernel", "match_conv", "match_gemm", "render_context"]
