"""In: a kernel over rows. Out: the context of its C, for templates/c/rows.c.j2.

Must not know: descriptors or files. Reductions run on independent lanes that meet in a double.
Values that cost much and are needed again are kept from one pass to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..derive.rows import COLUMN, SINGLE
from ..formula import Call, Name, Node, children
from ..ir import BOOL, COMMON, LONG
from .pointwise import local
from .rows_kernel import KINDS, Element, Kernel, bare_text, combined
from .rows_values import POSITION, N, is_heavy

VECTOR_BYTES = 64


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


class Lanes(Kernel):
    """Prints a kernel as C loops over lanes."""

    def text(self) -> KernelText:
        """The whole kernel."""
        declarations, pointers = self.operands()
        condition = self.condition()
        if condition is not None:
            pointers += [f"if (!{condition}) {{", "    return 1;", "}"]
        by_pass = self.by_pass()
        self.keep(by_pass)
        passes = [self.reduce_pass(rs, p) for p, rs in enumerate(by_pass)]
        finish, loops, patches = self.output_pass(len(by_pass))
        for k in range(len(self.stash)):
            declarations.append(
                f"{self.dtype.ctype} *const restrict kept{k} = "
                f"({self.dtype.ctype} *)(b->stash + {k} * b->pitch);"
            )
        return KernelText(
            self.title, self.symbol, tuple(declarations), tuple(pointers),
            tuple(passes), tuple(finish), loops, patches, len(self.stash),
        )  # fmt: skip

    def operands(self) -> tuple[list[str], list[str]]:
        """Declarations of what formulas read, before the rows and at each row."""
        read, ctype = self.read(), self.dtype.ctype
        declarations = []
        for k, name, integer in self.scalars():
            if integer:
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

    def placed(self, text: str, place: str) -> str:
        """The text of an element of the loop, at one position of the row."""
        return text.replace("[k + j]", f"[{place}]")

    def keep(self, by_pass: Sequence[Sequence[Node]]) -> None:
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
        for v in self.values:
            if not self.is_single(v):
                visit(v, len(by_pass), False)
        for node, when in used.items():
            if len(when) > 1:
                self.stash[node] = len(self.stash)
        self.first = {node: min(used[node]) for node in self.stash}

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
            element.compute.append(f"v{q} = {bare_text(texts[root])};")
            element.store.append(f"a{q}[j] = {combined(kind, f'a{q}[j]', f'v{q}', code)};")
            part = f"OPS_ROWS_FOLDED({kind}_{code}, a{q}, n, {many}, {self.few})"
            fold.append(f"{name} = {combined(kind, name, part, code)};")
            after.append(self.folded(r, name))
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
        for o, needed, text in self.single_outputs():
            before += [*needed, f"*p_{o.name} = {text};"]
        element, texts = self.elements([v for _, v in loop], when)
        for o, v in loop:
            sign = "+=" if o.layout == COLUMN else "="
            element.compute.append(f"p_{o.name}[k + j] {sign} {bare_text(texts[v])};")
        after = []
        for o, at, v in patches:
            place = self.env[at.id][0] if isinstance(at, Name) else ""
            kept = dict(self.at)
            for node, slot in self.stash.items():
                self.at[node] = f"kept{slot}_"
                self.env[f"kept{slot}_"] = (f"kept{slot}[k + j]", COMMON)
            sign = "+=" if o.layout == COLUMN else "="
            text = bare_text(self.at_place(v, place))
            self.at = kept
            after += [
                f"if ((uint64_t){place} < (uint64_t)n) {{",
                f"    p_{o.name}[{place}] {sign} {text};", "}",
            ]  # fmt: skip
        walk = self.walk("0", "n", 2 * self.few, element) if loop else ()
        return before, walk, tuple(after)
