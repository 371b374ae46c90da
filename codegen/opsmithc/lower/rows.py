"""In: an op lowered to rows, with its gradients. Out: kernels as C, and their descriptors.

Must not know: YAML, cffi, or how rows are found in tensors (runtime/cpu/rows.c does that). A kernel
works a row at a time: a pass for each depth of reductions, on independent lanes, then the outputs.
Values that cost much and are needed again are kept from one pass to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from ..backends.ctext import Printer
from ..derive.algebra import is_num, simplify
from ..derive.op import Derived, cotangent, differentiable_outputs, is_boolean
from ..derive.rows import (
    ALONG, COLUMN, COUNT, FULL, POSITIONS, REDUCTIONS, SINGLE, Rows, assume, branch, layout, varies,
)  # fmt: skip
from ..dtypes import BY_CODE
from ..formula import (
    Binary, Call, Compare, IfExp, Logic, Name, Node, Num, Unary, children, names, transform,
    unparse, walk,
)  # fmt: skip
from ..intrinsics import table
from ..ir import BOOL, COMMON, LONG
from ..opdef import OpDef
from .pointwise import CHEAP, CLASS_MACRO, input_class, local, number_params

COMPUTE = ("f64", "f32")
LAYOUTS = {FULL: "OPS_ROWS_FULL", SINGLE: "OPS_ROWS_SINGLE", COLUMN: "OPS_ROWS_COLUMN"}
ERRORS = {
    "IndexError": "OPS_INDEX_ERROR", "ValueError": "OPS_VALUE_ERROR",
    "RuntimeError": "OPS_RUNTIME_ERROR", "TypeError": "OPS_TYPE_ERROR",
}  # fmt: skip
VECTOR_BYTES = 64
KINDS = {  # reduction -> (kind of fold, identity, is it widened)
    "sum": ("sum", "0", True), "mean": ("sum", "0", True), "prod": ("prod", "1", True),
    "amax": ("amax", "-INFINITY", False), "amin": ("amin", "INFINITY", False),
}  # fmt: skip
COMBINE = {
    "sum": "{x} + {y}", "prod": "{x} * {y}", "amax": "ops_maximum_{T}({x}, {y})",
    "amin": "ops_minimum_{T}({x}, {y})",
}  # fmt: skip
POSITION, N = "position_", "n_"  # names that formulas cannot have


@dataclass(frozen=True, slots=True)
class Operand:
    """An input or output of a kernel; ``value`` is an output's formula."""

    name: str
    cls: str
    layout: str
    value: Node | None = None


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


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The static ops_rows_op of an op or of its backward."""

    symbol: str
    name: str
    kernels: tuple[str, ...]
    inputs: int
    outputs: int
    scalars: int
    stashes: int
    cotangents: int
    optional: tuple[str, ...]
    input_class: tuple[str, ...]
    input_layout: tuple[str, ...]
    output_layout: tuple[str, ...]
    check_error: str
    check: str
    cost: str


@dataclass(frozen=True, slots=True)
class RowsFile:
    """Context of templates/c/rows.c.j2: every kernel of one op."""

    op: str
    title: tuple[str, ...]
    kernels: tuple[KernelText, ...]
    descriptors: tuple[Descriptor, ...]


# What is computed --------------------------------------------------------------------------------


def scalars(op: OpDef) -> tuple[str, ...]:
    """Number parameters that kernels read; the dims are the driver's."""
    return tuple(n for n in number_params(op) if n not in axes(op))


def axes(op: OpDef) -> tuple[str, ...]:
    """Parameters that name dims or say whether they are kept."""
    assert isinstance(op.meaning, Rows)
    return tuple(n.id for n in (op.meaning.dim, op.meaning.keepdim) if isinstance(n, Name))


def inputs(op: OpDef) -> tuple[Operand, ...]:
    """The tensors of the op, in schema order."""
    return tuple(
        Operand(p.name, input_class(op, p.name), layout(op, p.name)) for p in op.schema.tensors
    )


def outputs(op: OpDef) -> tuple[Operand, ...]:
    """The outputs of the op."""
    assert isinstance(op.meaning, Rows)
    return tuple(
        Operand(o, COMMON, FULL if varies(v, op) else SINGLE, v)
        for o, v in zip(op.schema.outputs, op.meaning.outputs, strict=True)
    )


def gradients(derived: Derived) -> tuple[Operand, ...]:
    """The outputs of the backward: a gradient a parameter."""
    op = derived.op
    return tuple(
        Operand(f"d_{g.param}", COMMON, layout(op, g.param), g.formula)
        for g in derived.gradients.values()
    )


def backward_inputs(derived: Derived) -> tuple[Operand, ...]:
    """Cotangents, then the parameters and outputs that gradients read."""
    op = derived.op
    carried = differentiable_outputs(op)
    found = [Operand(cotangent(op, o.name), COMMON, o.layout) for o in outputs(op) if o.name in carried]
    read = backward_reads(derived)
    found += [i for i in (*inputs(op), *outputs(op)) if i.name in read]
    return tuple(replace(i, value=None) for i in found)


def backward_reads(derived: Derived) -> tuple[str, ...]:
    """Parameters and outputs that gradients read, in the order of the backward's inputs."""
    op = derived.op
    read = {n for g in derived.gradients.values() for n in names(g.formula)}
    order = [p.name for p in op.schema.tensors] + list(op.schema.outputs)
    whole = [o.name for o in (*inputs(op), *outputs(op)) if o.layout == FULL]
    if not read & set(whole) and all(o.layout != FULL for o in outputs(op)):
        read.add(whole[0])  # for its shape
    return tuple(n for n in order if n in read)


def _bare(n: Node) -> Node:
    if isinstance(n, Call) and n.fn == ALONG:
        return n.args[0]
    if isinstance(n, Call) and n.fn == POSITIONS:
        return Name(POSITION)
    if isinstance(n, Call) and n.fn == COUNT:
        return Name(N)
    if isinstance(n, Call) and n.fn in REDUCTIONS:
        return Call(n.fn, n.args[:1])
    return n


def optional(op: OpDef, operands: Sequence[Operand]) -> tuple[int, ...]:
    """Inputs that may be absent: each is a bit of the variant."""
    maybe = {p.name for p in op.schema.tensors if p.type.optional}
    return tuple(k for k, o in enumerate(operands) if o.name in maybe)


def render_context(derived: Derived) -> RowsFile:
    """Every kernel and descriptor of the op."""
    op = derived.op
    assert isinstance(op.meaning, Rows)
    text = op.meaning.cases[0][2].text
    kernels, descriptors = [], []
    ins, outs = inputs(op), outputs(op)
    made, d = _kernels(op, f"opsk_{op.name}", ins, outs, 0)
    kernels += made
    descriptors.append(d)
    if derived.gradients:
        back = backward_inputs(derived)
        count = len(differentiable_outputs(op))
        made, d = _kernels(op, f"opsk_{op.name}_backward", back, gradients(derived), count)
        kernels += made
        descriptors.append(d)
    title = (f"{op.name}:", *(f"    {line}" for line in text.splitlines()))
    return RowsFile(op.name, title, tuple(kernels), tuple(descriptors))


def _kernels(
    op: OpDef, symbol: str, ins: tuple[Operand, ...], outs: tuple[Operand, ...], cotangents: int
) -> tuple[list[KernelText], Descriptor]:
    bits = optional(op, ins)
    kernels = []
    for absent in product((False, True), repeat=len(bits)):
        missing = [ins[k].name for k, gone in zip(reversed(bits), absent, strict=True) if gone]
        present = [ins[k].name for k in bits if ins[k].name not in missing]
        for compute in COMPUTE:
            suffix = "".join(f"_no_{m}" for m in missing)
            kernels.append(
                _Kernel(op, f"{symbol}{suffix}__{compute}", compute, ins, outs, missing, present,
                        bool(cotangents)).text()
            )  # fmt: skip
    heavy = [n for o in outs if o.value for n in walk(o.value) if _is_heavy(n)]
    check = op.check[0] if op.check and not cotangents else None
    return kernels, Descriptor(
        symbol=symbol,
        name=op.name + ("_backward" if cotangents else ""),
        kernels=tuple(k.symbol for k in kernels),
        inputs=len(ins),
        outputs=len(outs),
        scalars=len(scalars(op)),
        stashes=max(k.stashes for k in kernels),
        cotangents=cotangents,
        optional=tuple(str(bits[k]) if k < len(bits) else "-1" for k in range(2)),
        input_class=tuple(CLASS_MACRO[i.cls] for i in ins),
        input_layout=tuple(LAYOUTS[i.layout] for i in ins),
        output_layout=tuple(LAYOUTS[o.layout] for o in outs),
        check_error=ERRORS[check[1]] if check else "OPS_OK",
        check=f'"{check[0].text}"' if check else "NULL",
        cost=f"{0.4 + 0.6 * len(set(heavy)):.2f}f",
    )


def _is_heavy(node: Node) -> bool:
    return isinstance(node, Call) and node.fn in table() and node.fn not in CHEAP


# A kernel ----------------------------------------------------------------------------------------


class _Kernel:
    """Schedules the values of one kernel into passes and prints them."""

    def __init__(
        self, op: OpDef, symbol: str, compute: str, ins: tuple[Operand, ...],
        outs: tuple[Operand, ...], missing: list[str], present: list[str], backward: bool,
    ) -> None:  # fmt: skip
        self.op, self.symbol, self.compute, self.ins = op, symbol, compute, ins
        self.backward = backward
        self.dtype = BY_CODE[compute]
        self.full = {i.name for i in ins if i.layout != SINGLE}
        self.outs = [replace(o, value=self.variant(o, missing, present)) for o in outs]
        self.env: dict[str, tuple[str, str]] = {}
        self.at: dict[Node, str] = {}  # value -> the C local that holds it
        self.stash: dict[Node, int] = {}
        self.depths: dict[Node, int] = {}
        self.single: dict[Node, bool] = {}

    def variant(self, out: Operand, missing: list[str], present: list[str]) -> Node:
        value = out.value
        assert value is not None
        own = out.name.removeprefix("d_") if self.backward else ""
        for name in missing:
            value = assume(value, name, present=name == own)
        for name in present:
            value = assume(value, name, present=True)
        return simplify(transform(value, _row_name))

    # What is known of values ---------------------------------------------------------------------

    def is_single(self, node: Node) -> bool:
        """One value a row?"""
        if node not in self.single:
            match node:
                case Name(id=name):
                    found = name not in self.full and name != POSITION
                case Call(fn=fn) if fn in REDUCTIONS:
                    found = True
                case _:
                    found = all(self.is_single(c) for c in children(node))
            self.single[node] = found
        return self.single[node]

    def depth(self, node: Node) -> int:
        """Passes that must be over before the value can be computed."""
        if node not in self.depths:
            below = max((self.depth(c) for c in children(node)), default=0)
            self.depths[node] = below + self.is_reduction(node)
        return self.depths[node]

    def is_reduction(self, node: Node) -> bool:
        """Is it found by a pass over the row? (One element of the row is not: see ``picked``.)"""
        return isinstance(node, Call) and node.fn in REDUCTIONS and self.picked(node) is None

    def picked(self, node: Node) -> tuple[Node, Node] | None:
        """Of ``sum(where(position == at, value, 0))``: (at, value)."""
        if not (isinstance(node, Call) and node.fn == "sum"):
            return None
        found = self.hit(node.args[0])
        return None if found is None or not is_num(found[2], 0) else found[:2]

    def hit(self, node: Node) -> tuple[Node, Node, Node] | None:
        """Of ``where(position == at, value, other)``: (at, value, other)."""
        if not (isinstance(node, Call) and node.fn == "where"):
            return None
        test, value, other = node.args
        if not (isinstance(test, Compare) and test.op == "==" and test.left == Name(POSITION)):
            return None
        at = test.right
        if not (isinstance(at, Name) and self.is_single(at)) or self.moves(value):
            return None
        return at, value, other

    def moves(self, node: Node) -> bool:
        """Does the value depend on the position itself?"""
        if self.is_single(node):
            return False
        return node == Name(POSITION) or any(self.moves(c) for c in children(node))

    # Printing ------------------------------------------------------------------------------------

    def printer(self) -> Printer:
        return Printer(self.compute, self.env)

    def rewritten(self, node: Node) -> Node:
        """The formula over C locals."""
        if node in self.at:
            return Name(self.at[node])
        return _rebuilt(node, self.rewritten)

    def text(self) -> KernelText:
        values = [o.value for o in self.outs if o.value is not None]
        declarations, pointers = self.operands(values)
        check = self.op.check[0][0].node if self.op.check and not self.backward else None
        if check is not None:
            env = {**self.env, N: ("(int32_t)n", LONG)}
            condition = Printer(self.compute, env).condition(transform(check, _row_name))
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
            read |= set(names(transform(self.op.check[0][0].node, _row_name)))
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
            if _is_heavy(node) and not self.is_single(node):
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
                lines.extend(self.assign(node, _counts([node], self.is_single)))
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

    def elements(self, roots: Sequence[Node], when: int) -> tuple[list[str], dict[Node, str]]:
        """Statements inside a loop for the roots; kept values are loaded or stored."""
        lines: list[str] = []
        before = dict(self.at)
        counts = _counts(roots, lambda n: not self.is_single(n))

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
                text = self.printer().value(self.rewritten(n), COMMON)
                lines.append(f"const {self.dtype.ctype} {name} = {_bare_text(text)};")
                self.at[n] = name
                self.env[name] = (name, COMMON)
                if slot is not None:
                    lines.append(f"kept{slot}[k + j] = {name};")

        for r in roots:
            visit(r)
        texts = {r: self.printer().value(self.rewritten(r), COMMON) for r in roots}
        self.at = before
        return lines, texts

    # Passes --------------------------------------------------------------------------------------

    @property
    def few(self) -> int:
        """Lanes of one vector."""
        return VECTOR_BYTES // self.dtype.size

    def reduce_pass(self, reductions: Sequence[Node], when: int) -> Pass:
        roots = [r.args[0] for r in reductions if isinstance(r, Call)]
        before = self.singles(roots)
        ctype, code = self.dtype.ctype, self.compute
        count = len(reductions)
        many = self.few * (4 if count == 1 else 2)
        lines, texts = self.elements(roots, when)
        lanes, element, fold, after = [], list(lines), [], []
        for q, (r, root) in enumerate(zip(reductions, roots, strict=True)):
            assert isinstance(r, Call)
            kind, identity, wide = KINDS[r.fn]
            name = f"r{when}_{q}"
            before.append(f"{'double' if wide else ctype} {name} = {identity};")
            lanes += [
                f"{ctype} a{q}[{many}];", f"for (int j = 0; j < {many}; ++j) {{",
                f"    a{q}[j] = {identity};", "}",
            ]  # fmt: skip
            text = _bare_text(texts[root])
            element.append(f"a{q}[j] = {_combined(kind, f'a{q}[j]', text, code)};")
            part = f"ops_fold_{kind}_{code}(a{q}, {many})"
            fold.append(f"{name} = {_combined(kind, name, part, code)};")
            value = f"{name} / (double)n" if r.fn == "mean" else name
            self.at[r] = f"t{len(self.at)}"
            self.env[self.at[r]] = (self.at[r], COMMON)
            after.append(f"const {ctype} {self.at[r]} = ({ctype})({value});")
        walk = self.walk("from", "to", many, element)
        return Pass(tuple(before), tuple(lanes), walk, tuple(fold), tuple(after))

    def walk(self, start: str, end: str, many: int, element: Sequence[str]) -> tuple[str, ...]:
        """Loops over [start, end): full sets of lanes, then a vector at a time, the rest idle."""
        read = any("(at + j)" in line for line in element)
        at = ["    const int32_t at = (int32_t)k;"] if read else []
        return (
            f"int64_t k = {start};",
            f"for (; k + {many} <= {end}; k += {many}) {{",
            *at,
            "    OPS_VECTORIZE",
            f"    for (int j = 0; j < {many}; ++j) {{",
            *(f"        {line}" for line in element),
            "    }",
            "}",
            f"for (; k < {end}; k += {self.few}) {{",
            f"    const int left = (int)({end} - k);",
            *at,
            "    OPS_VECTORIZE",
            f"    for (int j = 0; j < {self.few}; ++j) {{",
            "        if (j < left) {",
            *(f"            {line}" for line in element),
            "        }",
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
        lines, texts = self.elements([v for _, v in loop], when)
        for o, v in loop:
            sign = "+=" if o.layout == COLUMN else "="
            lines.append(f"p_{o.name}[k + j] {sign} {_bare_text(texts[v])};")
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
        walk = self.walk("0", "n", 2 * self.few, lines) if loop else ()
        return before, walk, tuple(after)

    def chosen(self, value: Node, which: int, hits: set[Node]) -> Node:
        """The value at the positions that its ``where`` ask for (1) or at all others (2)."""

        def step(node: Node) -> Node:
            if self.is_single(node):
                return node
            hit = self.hit(node)
            if hit is None:
                return _rebuilt(node, step)
            hits.add(hit[0])
            return step(hit[which])

        return simplify(step(value))

    def split(
        self, outs: Sequence[Operand]
    ) -> tuple[list[tuple[Operand, Node]], list[tuple[Operand, Node, Node]]]:
        """Values of the loop over elements, and values that only one position has."""
        loop: list[tuple[Operand, Node]] = []
        patches: list[tuple[Operand, Node, Node]] = []
        for o in outs:
            value = o.value
            assert value is not None
            hits: set[Node] = set()
            there, rest = self.chosen(value, 1, hits), self.chosen(value, 2, hits)
            if len(hits) == 1:
                if not self.moves(rest) and (o.layout != COLUMN or is_num(rest, 0)):
                    patches.append((o, next(iter(hits)), there))
                    value = rest
            if o.layout != COLUMN or not is_num(value, 0):
                loop.append((o, value))
        return loop, patches


def _row_name(n: Node) -> Node:
    """``positions`` and ``count`` as names, a vector along the row as itself."""
    n = _bare(n)
    if isinstance(n, Call) and n.fn == "sum" and n.args[0] == Num(0):
        return Num(0)
    return n


def _counts(roots: Sequence[Node], inside: object) -> dict[Node, int]:
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


def _rebuilt(node: Node, fn: object) -> Node:
    assert callable(fn)
    match node:
        case Unary(op=op, arg=a):
            return Unary(op, fn(a))
        case Binary(op=op, left=a, right=b):
            return Binary(op, fn(a), fn(b))
        case Compare(op=op, left=a, right=b):
            return Compare(op, fn(a), fn(b))
        case Logic(op=op, args=args):
            return Logic(op, tuple(fn(a) for a in args))
        case Call(fn=name, args=args):
            return Call(name, tuple(fn(a) for a in args))
        case IfExp(test=t, then=a, other=b):
            return branch(t, fn(a), fn(b))
    return node


def _combined(kind: str, x: str, y: str, code: str) -> str:
    return COMBINE[kind].format(x=x, y=f"({y})" if kind in ("sum", "prod") and " " in y else y, T=code)


def _bare_text(text: str) -> str:
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return text[1:-1] if c == ")" and i == len(text) - 1 and text[0] == "(" else text
    return text
