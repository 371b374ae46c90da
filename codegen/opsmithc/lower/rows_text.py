"""In: an op lowered to rows, with its gradients. Out: its C entries and its Python text.

Must not know: how kernels compute. The backward appears twice, from the same formulas: one kernel
for all wanted gradients (``b_op``), and calls of registry ops (``r_op``).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..abi import encode
from ..centry import Entry, kind_of
from ..derive.op import Derived, Gradient, cotangent, differentiable_outputs, is_boolean
from ..derive.rows import COLUMN, COUNT, FULL, Rows, layout
from ..formula import Call, IfExp, Name, Node, Num, children, names, transform
from ..opdef import OpDef
from ..pytext.function import assigning
from ..pytext.opening import opening, renaming_late
from ..pytext.record import Record
from ..pytext.result import result_lines
from ..pytext.signature import arguments, doc, itself, safe, signature
from ..pytext.tree import python
from ..schema import Param
from .rows import backward_inputs, backward_reads
from .rows_values import axes, rebuilt, scalars


def _rows(op: OpDef) -> Rows:
    assert isinstance(op.meaning, Rows)
    return op.meaning


# C entries ---------------------------------------------------------------------------------------


def _mask(op: OpDef) -> str:
    """The row's dims as a mask in C."""
    dim = _rows(op).dim
    if isinstance(dim, Name):
        return dim.id
    assert isinstance(dim, Num)
    return f"UINT64_C(1) << {int(dim.value) & 63}"  # type: ignore[arg-type]


def _keeps(op: OpDef) -> str:
    keep = _rows(op).keepdim
    return keep.id if isinstance(keep, Name) else str(int(keep == Num(True)))


def _passed(op: OpDef, params: Sequence[Param]) -> tuple[list[str], list[str], str]:
    """C parameters of the numbers and dims, the cells of the scalars, what to pass for them."""
    wanted = (*scalars(op), *axes(op))
    declared: list[str] = []
    cells: dict[str, str] = {}
    for p in params:
        if p.name not in wanted:
            continue
        e = encode(p, _is_dims(op, p))
        declared += e.c
        value = e.value[0]
        if p.name in scalars(op):
            made = f"ops_make_scalar({kind_of(op, p.name)}, (double){value}, (int64_t){value})"
            cells[p.name] = value if value.startswith("ops_make_scalar") else made
    if not cells:
        return declared, [], "NULL"
    values = ", ".join(cells[n] for n in scalars(op))
    return declared, [f"const ops_scalar s[] = {{{values}}};"], "s"


def _is_dims(op: OpDef, p: Param) -> bool:
    return _rows(op).dim == Name(p.name)


def entries(derived: Derived) -> tuple[list[str], list[Entry]]:
    """The entry of the op, and of its backward."""
    op = derived.op
    tensors = [p.name for p in op.schema.tensors]
    params: list[str] = []
    for p in op.schema.params:
        if p.type.base == "Tensor":
            params.append(f"double {p.name}")
    numbers, lines, s = _passed(op, op.schema.params)
    record = " | ".join(f"ops_records({t})" for t in tensors if t in derived.gradients) or "0"
    operands = f"ops_tensor *in[] = {{{', '.join(f'ops_from_handle({t})' for t in tensors)}}};"
    call = f"return ops_rows(&opsk_{op.name}, in, {record}, {_mask(op)}, {_keeps(op)}, {s});"
    signature = f"double opse_{op.name}({', '.join([*params, *numbers])})"
    externs = [f"extern const ops_rows_op opsk_{op.name};"]
    found = [Entry(op.name, signature, (operands, *lines, call))]
    if derived.gradients:
        found.append(_backward_entry(derived, numbers, lines, s))
        externs.append(f"extern const ops_rows_op opsk_{op.name}_backward;")
    return externs, found


def _backward_entry(derived: Derived, numbers: list[str], lines: list[str], s: str) -> Entry:
    op = derived.op
    read = [i.name for i in backward_inputs(derived)]
    count = len(differentiable_outputs(op))
    params = [*(f"double {t}" for t in read), *numbers, "int wanted", "double seq"]
    body = [
        f"ops_tensor *in[] = {{{', '.join(f'ops_from_handle({t})' for t in read)}}};", *lines,
        f'if (!ops_saved_are_valid("{op.name}", in + {count}, {len(read) - count}, -seq)) {{',
        "    return 0.0;", "}",
        f"return ops_rows_backward(&opsk_{op.name}_backward, in, {_mask(op)}, {_keeps(op)}, {s}, "
        "(unsigned)wanted);",
    ]  # fmt: skip
    name = f"{op.name}_backward"
    return Entry(name, f"double opse_{name}({', '.join(params)})", tuple(body))


# Python ------------------------------------------------------------------------------------------


def record_of(derived: Derived) -> Record:
    """What a node keeps: tensors that gradients read, numbers, and shapes of column parameters."""
    op = derived.op
    grads = tuple(derived.gradients.values())
    read = {n for g in grads for n in names(g.formula)} | {*backward_reads(derived), *axes(op)}
    order = [p.name for p in op.schema.params] + list(op.schema.outputs)
    kept = tuple(Gradient(g.param, g.formula, g.declared, False, g.reads) for g in grads)
    saved = tuple(n for n in order if n in (*read, *scalars(op)))
    edges = tuple(p.name for p in op.schema.params if p.name in derived.gradients)
    return Record(derived, edges, saved, kept)


def function_text(derived: Derived) -> list[str]:
    """The function of the op, after its backward."""
    op = derived.op
    n = op.name
    lines: list[str] = []
    record = None
    rare = len(op.schema.tensors) > 1
    if derived.gradients:
        record = record_of(derived)
        lines += _recorded(record) + _raw(record)
        many = len(differentiable_outputs(op))
        outputs = f", {many}" if many > 1 else ""
        lines.append(f'attach(b_{n}, r_{n}, "{n}", {len(record.edges)}{outputs})')
        if rare:
            lines.append(f"b_{n}_rare = undo_broadcast(b_{n}, r_{n})")
        lines.append("")
    passed = arguments(op)
    lines += [f"def {n}({signature(op)}):", *doc(op), *opening(op)]
    args = []
    for p in op.schema.params:
        if p.type.base == "Tensor":
            args.append(encode(p).py.replace("{x}", safe(p.name)))
    for p in op.schema.params:
        if p.name in (*scalars(op), *axes(op)):
            args.append(encode(p, _is_dims(op, p)).py.replace("{x}", safe(p.name)))
    lines += ["    try:"]
    if any(p.type.base == "dtype" for p in op.schema.params):
        first = safe(op.schema.tensors[0].name)
        lines.append(f"        if dtype is not None: {first} = {first}.to(dtype)")
    lines += [f"        h = c_{n}({', '.join(args)})"]
    lines += ["    except (AttributeError, TypeError, OverflowError, KeyError):"]
    lines += [
        *renaming_late(op, itself(op), passed),
        f"        return retry({itself(op)}, {passed})",
    ]
    lines += result_lines(op, derived, record, "", 4, rare)
    lines += [f"    return failed({itself(op)}, {passed})", ""]
    if "inplace" in op.variants:
        lines += assigning(op)
    return lines


def _cotangents(op: OpDef) -> list[str]:
    return [cotangent(op, o) for o in differentiable_outputs(op)]


def _raw(record: Record) -> list[str]:
    """``b_op``: the kernel on raw handles."""
    derived = record.derived
    op = derived.op
    n = op.name
    gs = _cotangents(op)
    lines = [f"def b_{n}(n, g):"]
    handles = ["g"]
    if len(gs) > 1:
        lines.append(f"    {', '.join(gs)} = g")
        handles = [f"NONE_H if {g} is None else {g}" for g in gs]
    handles += [f"{record.at(t)}._h" for t in backward_reads(derived)]
    for p in op.schema.params:
        if p.name in (*scalars(op), *axes(op)):
            handles.append(encode(p, _is_dims(op, p)).py.replace("{x}", record.at(p.name)))
    if len(record.grads) == 1:
        lines.append(f"    h = c_{n}_backward({', '.join([*handles, '1', 'n[0]'])})")
        return [*lines, "    return (h,) if h else backward_failed(n, g)", ""]
    bits = [
        f"({record.edge(g.param)} is not None)" + (f" << {k}" if k else "")
        for k, g in enumerate(record.grads)
    ]
    lines += [
        f"    mask = {' | '.join(bits)}",
        f"    h = c_{n}_backward({', '.join([*handles, 'mask', 'n[0]'])})",
        "    if not h:",
        "        return backward_failed(n, g)",
        "    return (",
        *(
            f"        next_output({k}) if mask & {1 << k} else None,"
            for k in range(len(record.grads))
        ),
        "    )",
    ]
    return [*lines, ""]


def _recorded(record: Record) -> list[str]:
    """``r_op``: the same formulas as calls of registry ops."""
    op = record.derived.op
    lines = [f"def r_{op.name}(n, g):"]
    gs = _cotangents(op)
    if len(gs) > 1:
        lines.append(f"    {', '.join(gs)} = g")
    tensors = {p.name for p in op.schema.tensors}
    formulas = {g.param: transform(g.formula, _count) for g in record.grads}
    read = {name for f in formulas.values() for name in names(f)}
    for name in record.saved:
        if name not in read and name not in axes(op):
            continue
        if name in op.schema.outputs:
            carried = differentiable_outputs(op)
            which = f", {carried.index(name)}" if len(carried) > 1 else ""
            at = f"{record.at(name)[2:-1]}{which}"
            lines.append(f"    {safe(name)} = saved_output(n, {at})")
        elif name in tensors:
            edge = record.edge(name) if name in record.edges else "None"
            at = record.at(name)[2:-1]
            lines.append(f"    {safe(name)} = saved_input(n, {at}, {edge})")
            if op.schema.param(name).type.optional:
                lines.append(f"    if {safe(name)} is NONE: {safe(name)} = None")
        else:
            lines.append(f"    {safe(name)} = {record.at(name)}")
    dim = python(_rows(op).dim)
    lines += _restored(record, gs, dim)
    if "n" in read:
        like = _like(record)
        lines.append(f"    count = reduced_count({like}.shape, {dim})")
    shared = _Shared(list(formulas.values()))
    lines += [f"    {line}" for line in shared.lines]
    lines.append("    return (")
    for g in record.grads:
        text = python(shared.value(formulas[g.param]))
        if layout(op, g.param) == COLUMN:
            text = f"_f.sum_rows({text}, {dim})"
        lines.append(f"        None if {record.edge(g.param)} is None else {text},")
    return [*lines, "    )", ""]


def _like(record: Record) -> str:
    """A tensor with an element of every row and position."""
    op = record.derived.op
    gs = _cotangents(op)
    whole = [o.name for o in backward_inputs(record.derived) if o.layout == FULL]
    return safe(min(whole, key=lambda name: name in gs))  # a cotangent may be absent


def _restored(record: Record, gs: Sequence[str], dim: str) -> list[str]:
    """Cotangents that are absent are zero; the row's dims come back where they were not kept."""
    op = record.derived.op
    lines = []
    if len(gs) > 1:
        whole = {o.name for o in backward_inputs(record.derived) if o.layout == FULL}
        like = _like(record)
        for g in gs:
            zero = f"_f.expand(number(0.0), {like}.shape)" if g in whole else "number(0.0)"
            lines.append(f"    {g} = {zero} if {g} is None else {g}")
    keep = _rows(op).keepdim
    if keep != Num(True):
        names_ = [*gs, *(o for o in op.schema.outputs if o in record.saved)]
        test = "" if keep == Num(False) else f" if not {python(keep)} else "
        for name in names_:
            again = f"_f.unsqueeze({name}, {dim})"
            lines.append(f"    {name} = {again}{test + name if test else ''}")
    return lines


def _count(n: Node) -> Node:
    return Name("n") if isinstance(n, Call) and n.fn == COUNT else n


class _Shared:
    """Parts of formulas that are read twice, as statements; choices are left whole."""

    def __init__(self, roots: Sequence[Node]) -> None:
        self.at: dict[Node, Name] = {}
        self.lines: list[str] = []
        counts: dict[Node, int] = {}

        def count(n: Node) -> None:
            counts[n] = counts.get(n, 0) + 1
            if counts[n] == 1 and not isinstance(n, IfExp):
                for c in children(n):
                    count(c)

        def visit(n: Node) -> None:
            if n in self.at or isinstance(n, Name | Num) or n not in counts:
                return
            if not isinstance(n, IfExp):
                for c in children(n):
                    visit(c)
            if counts[n] > 1 and not is_boolean(n):
                name = f"t{len(self.at)}"
                self.lines.append(f"{name} = {python(self.value(n))}")
                self.at[n] = Name(name)

        for r in roots:
            count(r)
        for r in roots:
            visit(r)

    def value(self, node: Node) -> Node:
        """The formula over the names of shared parts."""
        if node in self.at:
            return self.at[node]
        return rebuilt(node, self.value)
