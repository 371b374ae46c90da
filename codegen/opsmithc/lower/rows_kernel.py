"""In: the values of a kernel over rows. Out: the kernel as C.

Must not know: descriptors or files. A pass for each depth of reductions, on independent lanes that
meet in a double, then the outputs. Values that cost much and are needed again are kept from one
pass to the next; what is the same for a whole row is computed between passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..backends.ctext import Printer
from ..derive.op import is_boolean
from ..derive.rows import COLUMN, SINGLE
from ..dtypes import BY_CODE
from ..formula import Call, Name, Node, Num, children, names, transform, unparse, walk
from ..ir import BOOL, COMMON, LONG
from ..opdef import OpDef
from .pointwise import local
from .rows_values import POSITION, N, Operand, Values, is_heavy, rebuilt, row_name, scalars

VECTOR_BYTES = 64
KINDS = {  # reduction -> (kind of fold, identity, is it widened)
    "sum": ("sum", "0", True), "mean": ("sum", "0", True), "prod": ("prod", "1", True),
    "amax": ("amax", "-INFINITY", False), "amin": ("amin", "INFINITY", False),
}  # fmt: skip
COMBINE = {
    "sum": "{x} + {y}", "prod": "{x} * {y}", "amax": "ops_maximum_{T}({x}, {y})",
    "amin": "ops_minimum_{T}({x}, {y})",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pass:
    """One walk over the row that finds all reductions of a depth."""

    before: tuple[str, ...]
    lanes: tuple[str, ...]
    walk: tuple[str, ...]
    fold: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KernelText:
    """A kernel as C."""

    title: str
    symbol: str
    declarations: tuple[str, ...]
    pointers: tuple[str, ...]
    passes: tuple[Pass, ...]
    finish: tuple[str, ...]  # values of the row after the last pass
    walk: tuple[str, ...]  # the element-wise outputs
    patches: tuple[str, ...]
    stashes: int


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
    """Schedules the values of one kernel into passes and prints them."""

    def __init__(
        self, op: OpDef, symbol: str, compute: str, ins: Sequence[Operand],
        outs: Sequence[Operand], missing: Sequence[str], present: Sequence[str], backward: bool,
    ) -> None:  # fmt: skip
        """The kernel of one compute dtype, without the operands ``missing``."""
        super().__init__(ins, outs, missing, present, backward)
        self.op, self.symbol, self.compute = op, symbol, compute
        self.dtype = BY_CODE[compute]
        self.env: dict[str, tuple[str, str]] = {}  # name -> C text and class
        self.at: dict[Node, str] = {}  # value -> the C local that holds it
        self.stash: dict[Node, int] = {}  # value -> which kept row it has

    def printer(self) -> Printer:
        """A printer that knows the locals made so far."""
        return Printer(self.compute, self.env)

    def rewritten(self, node: Node) -> Node:
        """The formula over C locals."""
        if node in self.at:
            return Name(self.at[node])
        return rebuilt(node, self.rewritten)

    def text(self) -> KernelText:
        """The whole kernel."""
        values = [o.value for o in self.outs if o.value is not None]
        declarations, pointers = self.operands(values)
        check = self.op.check[0][0].node if self.op.check and not self.backward else None
        if check is not None:
            env = {**self.env, N: ("(int32_t)n", LONG)}
            condition = Printer(self.compute, env).condition(transform(check, row_name))
            pointers += [f"if (!{condition}) {{", "    return 1;", "}"]
        last = max(self.depth(v) for v in values)
        if any(not self.is_single(v) for v in values):
            last = max(last, max(self.depth(v) for v in values if not self.is_single(v)))
        reductions: dict[Node, None] = {}
        for v in values:
            for n in walk(v):
                if self.is_reduction(n):
                    reductions[n] = None
        by_pass = [[r for r in reductions if self.depth(r) == p + 1] for p in range(last)]
        self.keep(values, by_pass)
        passes = [self.reduce_pass(rs, p) for p, rs in enumerate(by_pass)]
        finish, loops, patches = self.output_pass(last)
        for k in range(len(self.stash)):
            declarations.append(
                f"{self.dtype.ctype} *const restrict kept{k} = "
                f"({self.dtype.ctype} *)(b->stash + {k} * b->pitch);"
            )
        title = "; ".join(f"{o.name}" for o in self.outs)
        return KernelText(
            f"{self.symbol}: {title}", self.symbol, tuple(declarations), tuple(pointers),
            tuple(passes), tuple(finish), loops, patches, len(self.stash),
        )  # fmt: skip

    def operands(self, values: Sequence[Node]) -> tuple[list[str], list[str]]:
        """Declarations of what formulas read, before the rows and at each row."""
        read = {n for v in values for n in names(v)}
        if self.op.check and not self.backward:
            read |= set(names(transform(self.op.check[0][0].node, row_name)))
        ctype = self.dtype.ctype
        integers = {p.name for p in self.op.schema.params if p.type.base == "int"}
        declarations = []
        for k, name in enumerate(scalars(self.op)):
            if name not in read:
                continue
            if name in integers:
                declarations.append(f"const int32_t {local(name)} = ops_rows_narrow(b->s[{k}].i);")
                self.env[name] = (local(name), LONG)
            else:
                declarations.append(f"const {ctype} {local(name)} = ({ctype})b->s[{k}].f;")
                self.env[name] = (local(name), COMMON)
        pointers = []
        for k, o in enumerate(self.outs):
            pointers.append(
                f"{ctype} *const restrict p_{o.name} = ({ctype} *)(b->p[{k}] + r * b->step[{k}]);"
            )
        for k, i in enumerate(self.ins, start=len(self.outs)):
            if i.name not in read:
                continue
            etype = {COMMON: ctype, BOOL: "uint8_t", LONG: "int64_t"}[i.cls]
            address = f"(const {etype} *)(b->p[{k}] + r * b->step[{k}])"
            if i.layout != SINGLE:
                pointers.append(f"const {etype} *const {local(i.name)} = {address};")
                self.env[i.name] = (f"{local(i.name)}[k + j]", i.cls)
            elif i.cls == LONG:
                pointers.append(f"const int32_t {local(i.name)} = ops_rows_narrow(*{address});")
                self.env[i.name] = (local(i.name), LONG)
            else:
                pointers.append(f"const {etype} {local(i.name)} = *{address};")
                self.env[i.name] = (local(i.name), i.cls)
        self.env[POSITION] = ("(at + j)", LONG)
        self.env[N] = (f"({ctype})n", COMMON)
        return declarations, pointers

    def keep(self, values: Sequence[Node], by_pass: Sequence[Sequence[Node]]) -> None:
        """Choose the values to keep from one pass to the next: heavy ones needed again."""
        used: dict[Node, set[int]] = {}

        def visit(node: Node, when: int, top: bool) -> None:
            if self.is_single(node) and not top:
                return
            if is_heavy(node) and not self.is_single(node):
                used.setdefault(node, set()).add(when)
            for c in children(node):
                visit(c, when, False)

        for p, reductions in enumerate(by_pass):
            for r in reductions:
                assert isinstance(r, Call)
                visit(r.args[0], p, False)
        for v in values:
            if not self.is_single(v):
                visit(v, len(by_pass), False)
        for node, when in used.items():
            if len(when) > 1:
                self.stash[node] = len(self.stash)
        self.first = {node: min(used[node]) for node in self.stash}

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
                lines.extend(self.assign(node, _counts([node])))
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
        env = {k: (text.replace("[k + j]", f"[{place}]"), c) for k, (text, c) in self.env.items()}
        return Printer(self.compute, env).value(self.rewritten(value), COMMON)

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
                lines.append(f"const {self.dtype.ctype} {name} = {_bare_text(text)};")
                self.at[n] = name
                self.env[name] = (name, COMMON)

        visit(node)
        return lines

    def elements(self, roots: Sequence[Node], when: int) -> tuple[Element, dict[Node, str]]:
        """Statements inside a loop for the roots; kept values are loaded or stored."""
        found = Element([], [], [])
        before = dict(self.at)
        counts = _counts(roots)

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
            if (counts[n] > 1 or slot is not None) and not is_boolean(n):
                name = f"e{len(self.at)}"
                text = _bare_text(self.printer().value(self.rewritten(n), COMMON))
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

    # Passes --------------------------------------------------------------------------------------

    @property
    def few(self) -> int:
        """Lanes of one vector."""
        return VECTOR_BYTES // self.dtype.size

    def reduce_pass(self, reductions: Sequence[Node], when: int) -> Pass:
        """The reductions of one depth."""
        roots = [r.args[0] for r in reductions if isinstance(r, Call)]
        before = self.singles(roots)
        ctype, code = self.dtype.ctype, self.compute
        count = len(reductions)
        many = self.few * (4 if count == 1 else 2)
        element, texts = self.elements(roots, when)
        lanes, fold, after = [], [], []
        for q, (r, root) in enumerate(zip(reductions, roots, strict=True)):
            assert isinstance(r, Call)
            kind, identity, wide = KINDS[r.fn]
            name = f"r{when}_{q}"
            before.append(f"{'double' if wide else ctype} {name} = {identity};")
            lanes += [
                f"{ctype} a{q}[{many}];", f"for (int j = 0; j < {many}; ++j) {{",
                f"    a{q}[j] = {identity};", "}",
            ]  # fmt: skip
            element.idle.append((f"{ctype} v{q}", identity))
            element.compute.append(f"v{q} = {_bare_text(texts[root])};")
            element.store.append(f"a{q}[j] = {_combined(kind, f'a{q}[j]', f'v{q}', code)};")
            part = f"OPS_ROWS_FOLDED({kind}_{code}, a{q}, n, {many}, {self.few})"
            fold.append(f"{name} = {_combined(kind, name, part, code)};")
            value = f"OPS_ROWS_MEAN_{code}({name}, n)" if r.fn == "mean" else name
            self.at[r] = f"t{len(self.at)}"
            self.env[self.at[r]] = (self.at[r], COMMON)
            after.append(f"const {ctype} {self.at[r]} = ({ctype})({value});")
        walk = self.walk("from", "to", many, element)
        return Pass(tuple(before), tuple(lanes), walk, tuple(fold), tuple(after))

    def walk(self, start: str, end: str, many: int, element: Element) -> tuple[str, ...]:
        """Loops over [start, end): full sets of lanes, then a vector at a time, the rest idle."""
        read = any("(at + j)" in line for line in element.compute)
        at = ["    const int32_t at = (int32_t)k;"] if read else []
        return (
            f"int64_t k = {start};",
            f"for (; k + {many} <= {end}; k += {many}) {{",
            *at,
            "    OPS_VECTORIZE",
            f"    for (int j = 0; j < {many}; ++j) {{",
            *(f"        {line}" for line in element.whole()),
            "    }",
            "}",
            f"for (; k < {end}; k += {self.few}) {{",
            f"    const int left = (int)({end} - k);",
            *at,
            "    OPS_VECTORIZE",
            f"    for (int j = 0; j < {self.few}; ++j) {{",
            *(f"        {line}" for line in element.partial()),
            "    }",
            "}",
        )

    def output_pass(self, when: int) -> tuple[list[str], tuple[str, ...], tuple[str, ...]]:
        """Values of the row, the loop over the element-wise outputs, and what single places get."""
        whole = [o for o in self.outs if o.layout != SINGLE]
        loop, patches = self.split(whole)
        before = self.singles([*(v for _, v in loop), *(v for _, _, v in patches)])
        for o in self.outs:
            if o.layout == SINGLE:
                assert o.value is not None
                before += self.singles([o.value])
                text = _bare_text(self.printer().value(self.rewritten(o.value), COMMON))
                before.append(f"*p_{o.name} = {text};")
        element, texts = self.elements([v for _, v in loop], when)
        for o, v in loop:
            sign = "+=" if o.layout == COLUMN else "="
            element.compute.append(f"p_{o.name}[k + j] {sign} {_bare_text(texts[v])};")
        after = []
        for o, at, v in patches:
            place = self.env[at.id][0] if isinstance(at, Name) else ""
            kept = dict(self.at)
            for node, slot in self.stash.items():
                self.at[node] = f"kept{slot}_"
                self.env[f"kept{slot}_"] = (f"kept{slot}[k + j]", COMMON)
            sign = "+=" if o.layout == COLUMN else "="
            text = _bare_text(self.at_place(v, place))
            self.at = kept
            after += [
                f"if ((uint64_t){place} < (uint64_t)n) {{",
                f"    p_{o.name}[{place}] {sign} {text};", "}",
            ]  # fmt: skip
        walk = self.walk("0", "n", 2 * self.few, element) if loop else ()
        return before, walk, tuple(after)


def _counts(roots: Sequence[Node]) -> dict[Node, int]:
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


def _combined(kind: str, x: str, y: str, code: str) -> str:
    y = f"({y})" if kind in ("sum", "prod") and " " in y else y
    return COMBINE[kind].format(x=x, y=y, T=code)


def _bare_text(text: str) -> str:
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return text[1:-1] if c == ")" and i == len(text) - 1 and text[0] == "(" else text
    return text
