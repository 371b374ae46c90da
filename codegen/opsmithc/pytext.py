"""In: ops with their gradients. Out: the text of their Python functions.

Must not know: kernels. One function text per op and variant; gradients appear twice, from one
tree: on raw handles (``b_op``, may consume its cotangent) and as recorded calls (``r_op``).
A node is ``[-seq, backward, *edges, *saved]``; saved values are addressed from the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .abi import encode
from .derive.algebra import simplify
from .derive.op import Derived, Gradient, cotangent, differentiable_outputs
from .formula import (
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
    Seq,
    Str,
    Unary,
    names,
    substitute,
    transform,
    unparse,
)  # fmt: skip
from .lower.pointwise import NUMBERS, number_params
from .opdef import Body, Compose, OpDef, Out, Reduce, Scan, View
from .schema import Param

NONE_KNOWN: Mapping[str, OpDef] = {}  # no raw programs: every gradient that is one runs as calls
SHAPE_OF, DTYPE_OF = "shape_of_", "dtype_of_"  # facts about a tensor, kept without holding it
FACTS = (SHAPE_OF, DTYPE_OF)
SHAPE = "shape"  # a reduce's node keeps its input's shape under this name


@dataclass(frozen=True, slots=True)
class FunctionsFile:
    """Context of templates/python/functions.py.j2."""

    shard: str
    package: str
    functions: str  # the import that binds _f, the namespace of every op
    symbols: tuple[str, ...]  # C functions bound at the top
    externs: tuple[tuple[str, str], ...]  # (C function, shard it stands in)
    texts: tuple[str, ...]
    public: tuple[str, ...]


def signature(op: OpDef, method: bool = False) -> str:
    """Python parameters of the op, as PyTorch writes them."""
    parts: list[str] = []
    for i, p in enumerate(op.schema.params):
        if p.kwonly and (i == 0 or not op.schema.params[i - 1].kwonly) and not _has_rest(parts):
            parts.append("*")
        parts.append(_parameter(op, p))
    if "out" in op.variants:
        if not _has_rest(parts):
            parts.append("*")
        parts.append("out=None")
    return ", ".join(parts)


def _has_rest(parts: list[str]) -> bool:
    """Is there a ``*`` or ``*tensors`` already?"""
    return any(part.startswith("*") for part in parts)


def _parameter(op: OpDef, p: Param) -> str:
    name = safe(p.name)
    if "varargs" in op.variants and p.type.base == "Tensor" and p.type.is_list:
        return f"*{name}"
    if p.default is None:
        return name
    if p.default in {q.name for q in op.schema.params}:
        return f"{name}=None"
    default = {"true": "True", "false": "False"}.get(p.default, p.default)
    return f"{name}={default}"


def safe(name: str) -> str:
    """A Python identifier for a schema name (``self``/keywords are renamed)."""
    return name + "_" if name in ("lambda", "from", "global", "in", "is", "not", "pass") else name


# Trees as Python ---------------------------------------------------------------------------------


def python(node: Node, local: frozenset[str] = frozenset()) -> str:
    """A tensor-level formula as calls of public functions and operators."""

    def wrap(n: Node) -> str:
        text = python(n, local)
        return f"({text})" if isinstance(n, Binary | Compare | Unary | IfExp) else text

    match node:
        case Num(value=float() as v) if v != v or v in (float("inf"), float("-inf")):
            return f'float("{v}")'
        case Num() | Str() | Nil():
            return unparse(node)
        case Name(id="n"):
            return "count"
        case Name(id=name):
            return safe(name)
        case Unary(op="not", arg=a):
            return f"_f.logical_not({python(a, local)})"
        case Unary(op=op, arg=a):
            return f"{op}{wrap(a)}"
        case Binary(op=op, left=a, right=b):
            return f"{wrap(a)} {op} {wrap(b)}"
        case Compare(op=op, left=a, right=b):
            return f"{wrap(a)} {op} {wrap(b)}"
        case Logic(op=op, args=args):
            text = python(args[0], local)
            for a in args[1:]:
                text = f"_f.logical_{op}({text}, {python(a, local)})"
            return text
        case Call(fn="size", args=(x, d)):
            return f"{wrap(x)}.shape[{python(d, local)}]"
        case Call(fn="numel", args=(x,)):
            return f"{wrap(x)}.numel()"
        case Call(fn="len", args=(x,)):
            return f"len({python(x, local)})"
        case Call(fn=fn, args=args, kwargs=kwargs):
            parts = [python(a, local) for a in args]
            parts += [f"{k}={python(v, local)}" for k, v in kwargs]
            return f"_f.{fn}({', '.join(parts)})"
        case Attr(base=base, name=name):
            return f"{wrap(base)}.{name}"
        case Item(base=base, index=index):
            return f"{wrap(base)}[{', '.join(python(i, local) for i in index)}]"
        case IfExp(test=t, then=a, other=b):
            return f"{wrap(a)} if {static(t)} else {wrap(b)}"
        case Seq(items=items):
            return f"[{', '.join(python(i, local) for i in items)}]"
    raise AssertionError(f"no Python for {node}")


def static(node: Node) -> str:
    """A condition on values known at call time, as plain Python."""
    match node:
        case Logic(op=op, args=args):
            return f" {op} ".join(f"({static(a)})" for a in args)
        case Unary(op="not", arg=a):
            return f"not ({static(a)})"
        case Compare(op=op, left=a, right=b):
            return f"{static(a)} {op} {static(b)}"
        case _:
            return python(node)


# Records -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """What a node of the op keeps, and how its backward reads it."""

    derived: Derived
    edges: tuple[str, ...]  # differentiable parameters, in schema order
    saved: tuple[str, ...]  # tensors, outputs and numbers, in order; position k is n[k - len]
    grads: tuple[Gradient, ...]

    def at(self, name: str) -> str:
        """Where a saved value stands in the node."""
        return f"n[{self.saved.index(name) - len(self.saved)}]"

    def edge(self, param: str) -> str:
        """Where a parameter's edge stands in the node."""
        return f"n[{2 + self.edges.index(param)}]"


def record_of(derived: Derived, defaults: bool = False) -> Record:
    """The record; with ``defaults`` number parameters are folded to their default values."""
    op = derived.op
    fold: dict[str, Node] = {}
    if defaults:
        from .formula import parse

        fold = {
            p.name: parse(p.default)
            for p in op.schema.params
            if p.kwonly and p.default is not None and p.name in number_params(op)
        }

    def folded(g: Gradient) -> Gradient:
        formula = simplify(substitute(g.formula, fold)) if fold else g.formula
        formula = transform(formula, _shape_name)
        known = {p.name for p in op.schema.params} | set(op.schema.outputs)
        reads = tuple(n for n in names(formula) if n in known or n.startswith(FACTS))
        return Gradient(g.param, formula, g.declared, g.elementwise, reads)

    grads = tuple(folded(g) for g in derived.gradients.values())
    edges = tuple(p.name for p in op.schema.params if p.name in derived.gradients)
    reads: dict[str, None] = {}
    for g in grads:
        reads |= dict.fromkeys(g.reads)
    if isinstance(op.meaning, Reduce):
        reads |= dict.fromkeys(p.name for p in op.schema.params if p.name in ("dim", "keepdim"))
    order = [p.name for p in op.schema.params] + list(op.schema.outputs)
    saved = tuple(n for n in order if n in reads)
    saved += tuple(n for n in reads if n.startswith(FACTS))
    if isinstance(op.meaning, Reduce):
        saved += (SHAPE,)
    return Record(derived, edges, saved, grads)


def _shape_name(node: Node) -> Node:
    """``input.shape`` and ``input.dtype`` alone are kept as such: no need to hold the tensor."""
    if isinstance(node, Attr) and node.name in ("shape", "dtype") and isinstance(node.base, Name):
        return Name(f"{node.name}_of_{node.base.id}")
    return node


def _is_list(op: OpDef, name: str) -> bool:
    return any(
        p.name == name and p.type.is_list and p.type.base == "Tensor" for p in op.schema.params
    )


def node_text(record: Record, suffix: str, extra: str = "", stamp: str = "seq()") -> str:
    """The node literal, saving only what the wanted gradients read."""
    op = record.derived.op
    tensors = {p.name for p in op.schema.tensors}
    edges = []
    for e in record.edges:
        if _is_list(op, e):
            edges.append(f"*[t._node for t in {safe(e)}]")
        elif op.schema.param(e).type.optional:
            edges.append(f"None if {safe(e)} is None else {safe(e)}._node")
        else:
            edges.append(f"{safe(e)}._node")
    saved = []
    for name in record.saved:
        if name == SHAPE:
            saved.append(f"{safe(op.schema.params[0].name)}.shape")
            continue
        if name.startswith(FACTS):
            fact, _, param = name.partition("_of_")
            text = f"{safe(param)}.{fact}"
            if _is_list(op, param):
                text = f"tuple([t.{fact} for t in {safe(param)}])"
            elif param not in op.schema.outputs and op.schema.param(param).type.optional:
                text = f"None if {safe(param)} is None else {text}"
            saved.append(text)
            continue
        readers = [g.param for g in record.grads if name in names(g.formula)]
        text = f"saved_{name}" if name in op.schema.outputs else safe(name)
        optional = name in tensors and op.schema.param(name).type.optional
        if name in tensors and len(readers) < len(record.edges):
            wanted = " or ".join(_carries(op, r) for r in readers) or "False"
            wanted = f"{text} is not None and ({wanted})" if optional else wanted
            text = f"{text} if {wanted} else NONE"
        elif optional:
            text = f"NONE if {text} is None else {text}"
        saved.append(text)
    parts = [stamp, f"b_{op.name}{suffix}", *edges, *saved] + ([extra] if extra else [])
    return f"[{', '.join(parts)}]"


def _carries(op: OpDef, name: str) -> str:
    """The Python condition that the operand needs a gradient."""
    text = f"{safe(name)}._node is not None"
    return f"({safe(name)} is not None and {text})" if op.schema.param(name).type.optional else text


def _like(op: OpDef, name: str) -> str:
    """What the gradient of the operand must look like."""
    x = safe(name)
    return (
        f"None if {x} is None else like({x})"
        if op.schema.param(name).type.optional
        else f"like({x})"
    )


def backward_texts(
    derived: Derived, record: Record, suffix: str, known: Mapping[str, OpDef] = NONE_KNOWN
) -> list[str]:
    """``b_op`` on raw handles and ``r_op`` as recorded calls."""
    recorded = _recorded(record, suffix)
    name = f"{derived.op.name}{suffix}"
    kernel = [g for g in record.grads if g.elementwise and unparse(g.formula) != "g"]
    if isinstance(derived.op.meaning, Out) and all(g.elementwise for g in record.grads):
        raw = _raw_pointwise(record, kernel, suffix)
    else:
        raw = _raw_reduce(record, suffix) or _raw_program(record, suffix, known)
        raw = raw or [f"b_{name} = raw(r_{name})"]
    edges = len(record.edges)
    if _has_list(record):  # as many as the list has items: all but what is saved, see the engine
        edges = -1 - len(record.saved)
    outputs = len(differentiable_outputs(derived.op))
    more = f", {outputs}" if outputs > 1 else ""
    attached = f'attach(b_{name}, r_{name}, "{derived.op.name}", {edges}{more})'
    return [*recorded, *raw, attached, ""]


def _raw_reduce(record: Record, suffix: str) -> list[str]:
    """A reduce whose gradient is a multiple of g: one expanded view, scaled before it is expanded."""  # noqa: E501
    op = record.derived.op
    if not isinstance(op.meaning, Reduce) or len(record.grads) != 1:
        return []
    formula = record.grads[0].formula
    if len(differentiable_outputs(op)) != 1 or set(names(formula)) - {"g", "n"}:
        return []
    factor = python(simplify(substitute(formula, {"g": Num(1)})))
    dim = record.at("dim") if "dim" in record.saved else "None"
    keepdim = record.at("keepdim") if "keepdim" in record.saved else "False"
    lines = [f"def b_{op.name}{suffix}(n, g):"]
    divide = int(factor.endswith(" / count"))  # C counts faster
    factor = factor.removesuffix(" / count")
    if "count" in factor:
        lines.append(f"    count = reduced_count(n[-1], {dim})")
    call = f"unreduce_handle(g, DIMS[{dim}], {keepdim}, {factor}, {divide}, *ints(n[-1]))"
    return [*lines, f"    return ({call} or backward_failed(n, g),)", ""]


def _raw_program(record: Record, suffix: str, known: Mapping[str, OpDef]) -> list[str]:
    """A program of ops with C entries, on handles; [] where some part has none."""
    from .pyraw import NoRaw, Program, gradient_lines

    op = record.derived.op
    if _has_list(record) or len(differentiable_outputs(op)) != 1 or isinstance(op.meaning, Reduce):
        return []
    tensors = frozenset(n for n in record.saved if n in {p.name for p in op.schema.tensors})
    if any(n in op.schema.outputs for n in record.saved):
        return []
    lines = [f"def b_{op.name}{suffix}(n, g):"]
    checked = ", ".join(record.at(t) for t in record.saved if t in tensors)
    if checked:
        lines.append(f"    if last_write() > -n[0]: check_saved(n, {checked})")
    results, called = [], []
    single = len(record.grads) == 1
    for k, g in enumerate(record.grads):
        program = Program(record.at, frozenset(record.saved), tensors, known, python)
        try:
            h = gradient_lines(program, g)
        except NoRaw:
            return []
        called += program.called
        body = [*program.lines, f"d{k} = {h}"]
        if single:
            lines += [f"    {line}" for line in body]
        else:
            lines += [f"    d{k} = None", f"    if {record.edge(g.param)} is not None:"]
            lines += [f"        {line}" for line in body]
        results.append(f"d{k}")
    CALLED.update(called)
    lines.append("    drop(g)")
    return [*lines, f"    return ({', '.join(results)},)", ""]


CALLED: set[str] = set()  # ops that the raw programs of the module being written call


def _recorded(record: Record, suffix: str) -> list[str]:
    op = record.derived.op
    lines = [f"def r_{op.name}{suffix}(n, g):"]
    outputs = differentiable_outputs(op)
    if len(outputs) > 1:
        lines.append(f"    {', '.join(cotangent(op, o) for o in outputs)} = cotangents(g)")
    elif cotangent(op, outputs[0]) != "g":
        lines.append(f"    {cotangent(op, outputs[0])} = g")
    for name in record.saved:
        if name == SHAPE:
            lines.append(f"    {SHAPE} = n[-1]")
        elif name.startswith(FACTS):
            lines.append(f"    {safe(name)} = {record.at(name)}")
        elif name in op.schema.outputs:
            at = record.at(name)[2:-1]
            if name not in outputs:  # positions: nothing to differentiate
                lines.append(f"    {safe(name)} = saved_input(n, {at}, None)")
            else:
                which = f", {outputs.index(name)}" if len(outputs) > 1 else ""
                lines.append(f"    {safe(name)} = saved_output(n, {at}{which})")
        elif op.schema.param(name).type.is_tensor:
            edge = record.edge(name) if name in record.edges and not _has_list(record) else "None"
            lines.append(f"    {safe(name)} = saved_input(n, {record.at(name)[2:-1]}, {edge})")
        else:
            lines.append(f"    {safe(name)} = {record.at(name)}")
    if isinstance(op.meaning, Reduce):
        lines += _unreduce(record)
    single = len(record.grads) == 1
    values = []
    for g in record.grads:
        text = python(g.formula)
        if _is_list(op, g.param):
            lines.append(f"    return tuple({text})")
            return [*lines, ""]
        if single:
            lines.append(f"    return ({text},)")
            return [*lines, ""]
        values.append(f"None if {record.edge(g.param)} is None else {text}")
    lines.append("    return (")
    lines += [f"        {v}," for v in values]
    lines.append("    )")
    return [*lines, ""]


def _has_list(record: Record) -> bool:
    return any(_is_list(record.derived.op, e) for e in record.edges)


def _unreduce(record: Record) -> list[str]:
    """A reduce's gradient is written over its unreduced space: expand g and outputs first."""
    op = record.derived.op
    params = [p.name for p in op.schema.params]
    dim = "dim" if "dim" in params else "None"
    keepdim = "keepdim" if "keepdim" in params else "False"
    read = {n for g in record.grads for n in names(g.formula)}
    lines = [
        f"    {name} = unreduce({name}, {SHAPE}, {dim}, {keepdim})"
        for name in (
            *(cotangent(op, o) for o in differentiable_outputs(op)),
            *(o for o in op.schema.outputs if o in read),
        )
    ]
    if "n" in read:
        lines.insert(0, f"    count = reduced_count({SHAPE}, {dim})")
    if "i" in read:
        lines.append(f"    i = reduced_positions({SHAPE}, {dim})")
    return lines


def _raw_pointwise(record: Record, kernel: list[Gradient], suffix: str) -> list[str]:
    op = record.derived.op
    name = f"{op.name}{suffix}"
    identity = [g for g in record.grads if g not in kernel]
    lines = [f"def b_{name}(n, g):"]
    if not kernel:
        if len(record.grads) == 1:
            return [*lines, "    return (g,)", ""]
        wanted = [record.edge(g.param) for g in record.grads]
        lines.append(f"    return share(g, {', '.join(f'{w} is not None' for w in wanted)})")
        return [*lines, ""]
    all_kernel = _kernel_params(record.derived)
    args = ["g"] + [
        f"{record.at(t)}._h" if t in record.saved else "NONE_H"
        for t in _kernel_reads(record.derived)
    ]
    numbers = [
        f"*scalar({record.at(p)})" if p in record.saved else f"*scalar({_default(op, p)})"
        for p in number_params(op)
    ]
    if len(record.grads) == 1:
        mask = "1"
    else:
        bits = []
        for k, param in enumerate(all_kernel):
            if param in [g.param for g in kernel]:
                bits.append(
                    f"({record.edge(param)} is not None) << {k}"
                    if k
                    else f"({record.edge(param)} is not None)"
                )
        mask = " | ".join(bits)
    consume = "1" if not identity else "0"
    call = f"c_{op.name}_backward({', '.join([*args, *numbers, 'MASK', consume, 'n[0]'])})"
    if len(record.grads) == 1:
        lines.append(f"    h = {call.replace('MASK', mask)}")
        lines.append("    return (h,) if h else backward_failed(n, g)")
        return [*lines, ""]
    lines.append(f"    mask = {mask}")
    if identity:
        lines.append("    if mask:")
        lines.append(f"        h = {call.replace('MASK', 'mask')}")
        lines.append("        if not h:")
        lines.append("            return backward_failed(n, g)")
    else:
        lines.append(f"    h = {call.replace('MASK', 'mask')}")
        lines.append("    if not h:")
        lines.append("        return backward_failed(n, g)")
    results = []
    if identity:
        holders = " + ".join(f"({record.edge(g.param)} is not None)" for g in identity)
        lines.append(f"    hold(g, {holders})")
    for g in record.grads:
        if g in kernel:
            k = all_kernel.index(g.param)
            results.append(f"next_output({k}) if mask & {1 << k} else None")
        else:
            results.append(f"g if {record.edge(g.param)} is not None else None")
    lines.append("    return (")
    lines += [f"        {r}," for r in results]
    lines.append("    )")
    return [*lines, ""]


def _kernel_params(derived: Derived) -> list[str]:
    """Parameters whose gradients the backward kernel computes, in its output order."""
    return [
        g.param for g in derived.gradients.values() if g.elementwise and unparse(g.formula) != "g"
    ]


def _kernel_reads(derived: Derived) -> list[str]:
    """Tensors and outputs the backward kernel reads besides g, in its input order."""
    read = {
        n for g in derived.gradients.values()
        if g.elementwise and unparse(g.formula) != "g" for n in names(g.formula)
    }  # fmt: skip
    op = derived.op
    return [p.name for p in op.schema.tensors if p.name in read] + [
        o for o in op.schema.outputs if o in read
    ]


def _default(op: OpDef, name: str) -> str:
    default = op.schema.param(name).default
    return {"true": "True", "false": "False", None: "0"}.get(default, str(default))


# Functions ---------------------------------------------------------------------------------------


def new_tensor(h: str, node: str, view: str) -> str:
    """The one place that says how a generated function makes a tensor."""
    return f"make_view({h}, {node}, {view})" if view else f"make({h}, {node})"


def result_lines(
    op: OpDef,
    derived: Derived,
    record: Record | None,
    suffix: str,
    indent: int,
    rare: bool,
    before: tuple[str, ...] = (),
    view: str = "",
) -> list[str]:
    """From a handle ``h`` to the returned tensor(s), recording when asked to."""
    p = " " * indent
    lines = [f"{p}if h > 0.0:"]
    lines += _return(op, p + "    ", new_tensor("h", "None", view), "None")
    if record is None or not record.edges:
        return lines
    lines += [f"{p}if h < 0.0:"]
    lines += [f"{p}    {b}" for b in before]
    saves = [o for o in record.saved if o in op.schema.outputs]
    many = len(differentiable_outputs(op)) > 1

    def recorded(pad: str, node: str) -> list[str]:
        out = _save_outputs(op, saves, pad)
        if many or len(op.schema.outputs) > 1:
            first = "(node, 0)" if many else "node"
            return [
                *out,
                f"{pad}node = {node}",
                *_return(op, pad, new_tensor("h", first, view), "node"),
            ]
        return [*out, *_return(op, pad, new_tensor("h", node, view), "node")]

    if rare:
        likes = ", ".join(_like(op, e) for e in record.edges)
        lines += [f"{p}    if h < LIMIT:", f"{p}        h += RARE"]
        lines += recorded(p + "        ", node_text(record, suffix + "_rare", f"({likes},)"))
    return lines + recorded(p + "    ", node_text(record, suffix))


def _save_outputs(op: OpDef, saves: list[str], p: str) -> list[str]:
    lines = []
    for o in saves:
        k = op.schema.outputs.index(o)
        handle = "h" if k == 0 else f"next_output({k})"
        lines.append(f"{p}saved_{o} = alias_of({handle})")
    return lines


def _return(op: OpDef, p: str, made: str, node: str) -> list[str]:
    outputs = op.schema.outputs
    if len(outputs) == 1:
        return [f"{p}return {made}"]
    carriers = differentiable_outputs(op)
    rest = []
    for k, o in enumerate(outputs[1:], start=1):
        if o in carriers and node == "node" and len(carriers) > 1:
            rest.append(f"further({k}, (node, {carriers.index(o)}))")
        else:
            rest.append(f"further({k}, None)")
    return [f"{p}return {tuple_name(op)}({made}, {', '.join(rest)})"]


def tuple_name(op: OpDef) -> str:
    """The named tuple class of an op with several outputs."""
    return f"T_{op.name}"


def doc(op: OpDef) -> list[str]:
    short = op.doc.get("short", f"{op.name}.")
    lines = [f'    """{short}']
    if op.doc.get("long"):
        lines += ["", *("    " + line for line in op.doc["long"].strip().splitlines())]
    lines += ["", f"    Schema: ``{op.schema}``"]
    if isinstance(op.meaning, Out):
        for o, by_class in op.meaning.outputs.items():
            for kind, f in by_class.items():
                lines.append(f"    Formula: ``{o} = {f.text}``" + (f" for {kind}" if kind else ""))
    if op.doc.get("source"):
        lines += [f"    Source: {op.doc['source']}"]
    if op.doc.get("example"):
        lines += ["", f"    Example: ``{op.doc['example']}``"]
    escaped = [line.replace("\\", "\\\\") for line in lines]
    return [*escaped, '    """']


def arguments(op: OpDef) -> str:
    """The call's own arguments, for error messages and retries."""
    return ", ".join(
        f"{safe(p.name)}={safe(p.name)}" if p.kwonly else safe(p.name) for p in op.schema.params
    )


def pointwise_text(derived: Derived) -> list[str]:
    """Function, in-place function and operator of a pointwise op."""
    op = derived.op
    n = op.name
    full = record_of(derived)
    short = record_of(derived, defaults=True)
    folded = full.saved != short.saved or any(
        a.formula != b.formula for a, b in zip(full.grads, short.grads, strict=True)
    )
    rare = len(op.schema.tensors) > 1
    lines: list[str] = []
    if derived.gradients:
        lines += backward_texts(derived, full, "_full" if folded else "")
        if folded:
            lines += backward_texts(derived, short, "")
        if rare:
            for suffix in ("", "_full") if folded else ("",):
                lines.append(f"b_{n}{suffix}_rare = undo_broadcast(b_{n}{suffix}, r_{n}{suffix})")
            lines.append("")
    tensors = [p.name for p in op.schema.tensors]
    numbers = list(number_params(op))
    kw = [p for p in op.schema.params if p.name in numbers]
    out = "out" in op.variants
    rec = full if derived.gradients else None
    lines += [f"def {n}({signature(op)}):", *doc(op), "    try:"]
    fast = [f"{safe(p.name)} == {_default(op, p.name)}" for p in kw if p.default is not None]
    plain = all(p.default is not None for p in kw)
    cond = " and ".join((["out is None"] if out else []) + fast)
    body: list[str] = []
    pad = "        "
    if plain:
        if len(tensors) == 2:
            a, b = tensors
            body += [
                f"{pad}t = {b}.__class__",
                f"{pad}if t is float:",
                f"{pad}    h = c_{n}_d({a}._h, {b})",
                f"{pad}elif t is int:",
                f"{pad}    h = c_{n}_i({a}._h, {b})",
                f"{pad}else:",
                f"{pad}    h = c_{n}({a}._h, {b}._h)",
            ]
        else:
            body += [f"{pad}h = c_{n}({', '.join(f'{t}._h' for t in tensors)})"]
    general = _general_call(
        op,
        "out._h if out is not None else 0.0" if out else "0.0",
        "0",
        "-seq() if out is not None else 0.0" if out else "0.0",
    )
    if plain and cond:
        lines += [f"        if {cond}:", *("    " + b for b in body)]
        lines += ["        else:"]
        if out:
            lines += [
                f"            if out is not None: refuse_recorded_out({', '.join(tensors)}, name={n!r})"  # noqa: E501
            ]
        lines += [f"            h = {general}"]
    elif plain:
        lines += body
    else:
        if out:
            lines += [
                f"        if out is not None: refuse_recorded_out({', '.join(tensors)}, name={n!r})"
            ]
        lines += [f"        h = {general}"]
    lines += ["    except (AttributeError, TypeError, OverflowError):"]
    lines += [f"        return retry({n}, {arguments(op)}{', out=out' if out else ''})"]
    before = _wrap_numbers(rec, tensors, full)
    if out:
        lines += [
            "    if out is not None and h > 0.0:",
            "        out._shape = None",
            "        return out",
        ]
    if folded and cond:
        lines += [f"    if {' and '.join(fast)}:"]
        lines += result_lines(
            op, derived, short if derived.gradients else None, "", 8, rare, before
        )
        lines += ["    else:"]
        lines += result_lines(op, derived, rec, "_full", 8, rare, before)
    else:
        lines += result_lines(op, derived, rec, "_full" if folded else "", 4, rare, before)
    lines += [f"    return failed({n}, {arguments(op)}{', out=out' if out else ''})", ""]
    if "inplace" in op.variants:
        lines += _inplace(derived, full, "_full" if folded else "", rare)
    lines += _operator(derived, short, tensors, rare, plain)
    return lines


def _wrap_numbers(record: Record | None, tensors: list[str], full: Record) -> tuple[str, ...]:
    """Numbers become 0-d tensors when recorded, so that every operand has a node and a handle."""
    if record is None or len(tensors) != 2:
        return ()
    b = tensors[1]
    return (f"if {b}.__class__ is float or {b}.__class__ is int: {b} = number({b})",)


def _general_call(op: OpDef, dst: str, inplace: str, stamp: str, first: str = "") -> str:
    parts = []
    for k, p in enumerate(op.schema.tensors):
        name = first if first and k == 0 else safe(p.name)
        parts.append(f"*operand({name})")
    parts += [f"*scalar({safe(p)})" for p in number_params(op)]
    return f"c_{op.name}_s({', '.join([*parts, dst, inplace, stamp])})"


def _inplace(derived: Derived, record: Record, suffix: str, rare: bool) -> list[str]:
    """``op_``: writes into its first argument."""
    op = derived.op
    n, first = op.name, op.schema.tensors[0].name
    sig = ", ".join(part for part in signature(op).split(", ") if part not in ("out=None",))
    if sig.endswith(", *"):
        sig = sig[:-3]
    lines = [f"def {n}_({sig}):", f'    """In-place :func:`{n}`; returns its first argument."""']
    lines += [f"    if {first}._node is not None and grad_enabled(): check_inplace({first})"]
    others = [p.name for p in op.schema.tensors[1:]]
    overwritten = record.edges and first in record.saved
    if overwritten:
        lines += [f"    original = {first}"]
        readers = [g.param for g in record.grads if first in names(g.formula)]
        wanted = " or ".join(f"has_node({safe(r)})" for r in readers)
        lines += [f"    if ({wanted}) and grad_enabled(): original = copy_of({first})"]
    handles = [f"{safe(p.name)}._h" for p in op.schema.tensors]
    numbers = [
        f"*((1, {safe(p)}, 0) if {safe(p)}.__class__ is float else scalar({safe(p)}))"
        for p in number_params(op)
    ]
    lines += ["    stamp = seq()", "    try:"]
    tensors = " and ".join(f"{o}.__class__ is Tensor" for o in others)
    fast = f"c_{n}_t({', '.join([*handles, *numbers, '-stamp'])})"
    general = _general_call(op, f"{first}._h", "1", "-stamp")
    if tensors:
        lines += [f"        if {tensors}:", f"            h = {fast}"]
        lines += ["        else:", f"            h = {general}"]
    else:
        lines += [f"        h = {fast}"]
    lines += ["    except (AttributeError, TypeError, OverflowError):"]
    args = ", ".join(a for a in arguments(op).split(", "))
    lines += [f"        return retry({n}_, {args})"]
    lines += ["    if h > 0.0:", f"        return {first}"]
    if record.edges:
        lines += ["    if h < 0.0:"]
        for o in others:
            lines += [f"        if {o}.__class__ is not Tensor: {o} = as_operand({o})"]
        saves = [o for o in record.saved if o in op.schema.outputs]
        lines += [f"        saved_{o} = alias_of({first}._h)" for o in saves]
        node = node_text(record, suffix + ("_rare" if rare else ""), "", "stamp")
        if rare:
            likes = ", ".join(f"like({e})" for e in record.edges)
            node = node_text(record, suffix + "_rare", f"({likes},)", "stamp")
        if overwritten:
            k = len(record.edges) + 2
            items = node[1:-1].split(", ")
            items = [
                "original" + i[len(first) :]
                if j >= k and (i == first or i.startswith(first + " if"))
                else i
                for j, i in enumerate(items)
            ]
            node = f"[{', '.join(items)}]"
        lines += [f"        return rebase({first}, {node})"]
    lines += [f"    return failed({n}_, {args})", ""]
    return lines


def _operator(
    derived: Derived, record: Record, tensors: list[str], rare: bool, plain: bool
) -> list[str]:
    """``__add__`` and its reflection, without keyword arguments."""
    op = derived.op
    words = [v.partition(":")[2] for v in op.variants if v.startswith("operator:")]
    if not words or len(tensors) != 2 or not plain:
        return []
    a, b = tensors
    lines: list[str] = []
    for word in words:
        fn = DUNDERS.get(word)
        if fn is None:
            continue
        lines += [f"def o_{fn}({a}, {b}):", f"    t = {b}.__class__", "    try:"]
        lines += [
            "        if t is float:",
            f"            h = c_{op.name}_d({a}._h, {b})",
            "        elif t is int:",
            f"            h = c_{op.name}_i({a}._h, {b})",
            "        else:",
            f"            h = c_{op.name}({a}._h, {b}._h)",
            "    except (AttributeError, TypeError, OverflowError):",
            f"        return retry_operator({op.name}, {a}, {b})",
        ]
        rec = record if derived.gradients else None
        lines += result_lines(op, derived, rec, "", 4, rare, _wrap_numbers(rec, tensors, record))
        lines += [f"    return failed({op.name}, {a}, {b})", ""]
        if fn not in COMPARISONS:
            lines += [
                f"def o_r{fn}({b}, {a}):",
                f"    return retry_operator({op.name}, {a}, {b})",
                "",
            ]
    return lines


DUNDERS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow",
    "&": "and", "|": "or", "^": "xor", "<<": "lshift", ">>": "rshift", "==": "eq", "!=": "ne",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "@": "matmul",
}  # fmt: skip
COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
UNARY_DUNDERS = {"-": "neg", "~": "invert", "abs": "abs"}


def function_text(
    derived: Derived, is_dims: tuple[str, ...] = (), known: Mapping[str, OpDef] = NONE_KNOWN
) -> list[str]:
    """The function of an op whose C entry takes all parameters (reduce, scan, view, index)."""
    op = derived.op
    n = op.name
    record = record_of(derived)
    lines: list[str] = []
    if derived.gradients:
        lines += backward_texts(derived, record, "", known)
    args = [encode(p, p.name in is_dims).py.replace("{x}", safe(p.name)) for p in op.schema.params]
    lines += [f"def {n}({signature(op)}):", *doc(op)]
    start = len(lines)
    for p in op.schema.params:
        if p.default in {q.name for q in op.schema.params}:
            lines += [f"    if {safe(p.name)} is None: {safe(p.name)} = {safe(p.default)}"]
    call = ", ".join(args)
    out = "out" in op.variants
    passed = arguments(op) + (", out=out" if out else "")
    lines += ["    try:"]
    if has_default_entry(op):
        first, *rest = op.schema.params
        test = " and ".join(f"{safe(p.name)} is {_literal(p)}" for p in rest)
        lines += [
            f"        if {test}:",
            f"            h = c_{n}_0({safe(first.name)}._h)",
            "        else:",
            f"            h = c_{n}({call})",
        ]
    else:
        lines += [f"        h = c_{n}({call})"]
    lines += ["    except (AttributeError, TypeError, OverflowError, KeyError):"]
    lines += [f"        return retry({n}, {passed})"]
    if out:
        lines += ["    if out is not None and h: return write_out(out, h)"]
    rec = record if derived.gradients else None
    view = ""
    if isinstance(op.meaning, View):
        others = "".join(f", {safe(p.name)}" for p in op.schema.params[1:])
        view = f"({safe(op.schema.params[0].name)}, {n}{others})"
    lines += result_lines(op, derived, rec, "", 4, False, (), view)
    lines += [f"    return failed({n}, {passed})", ""]
    if "varargs" in op.variants:
        lines += _varargs(op, lines[start:])
    if "inplace" in op.variants:
        lines += assigning(op)
    return lines


def has_default_entry(op: OpDef) -> bool:
    """Does the op have an entry with everything but its first tensor at the default?"""
    rest = op.schema.params[1:]
    return (
        isinstance(op.meaning, Reduce)
        and bool(rest)
        and not any(p.type.base in ("Scalar", "float") for p in rest)
        and all(p.default in ("None", "False", "True", "false", "true") for p in rest)
    )


def _literal(p: Param) -> str:
    return {"false": "False", "true": "True"}.get(str(p.default), str(p.default))


def _varargs(op: OpDef, body: list[str]) -> list[str]:
    """The method form ``x.view(2, 3)`` of a function whose second parameter is a list of ints."""
    first, sizes, *rest = op.schema.params
    keywords = "".join(f", {_parameter(op, p)}" for p in rest)
    name = safe(sizes.name)
    return [
        f"def m_{op.name}({safe(first.name)}, *sizes, {name}=None{keywords}):",
        f'    """Method form of :func:`{op.name}`."""',
        "    if sizes:",
        f"        {name} = sizes",
        "        if sizes[0].__class__ is not int and len(sizes) == 1:",
        f"            {name} = sizes[0]",
        f"    elif {name} is None:",
        f"        {name} = ()",
        *body,
    ]


def assigning(op: OpDef) -> list[str]:
    """The in-place form of an op without one of its own: the result is copied."""
    first = safe(op.schema.params[0].name)
    parameters = signature(op).replace(", *, out=None", "").replace(", out=None", "")
    return [
        f"def {op.name}_({parameters}):",
        f'    """In-place :func:`{op.name}`; returns its first argument."""',
        f"    return assign({first}, {op.name}({arguments(op)}))", "",
    ]  # fmt: skip


def body_text(op: OpDef) -> list[str]:
    """A composition: calls of other ops, which record themselves."""
    assert isinstance(op.meaning, Body)
    n = op.name
    lines = [f"def {n}({signature(op)}):", *doc(op)]
    for p in op.schema.params:
        if p.default in {q.name for q in op.schema.params}:
            lines += [f"    if {safe(p.name)} is None: {safe(p.name)} = {safe(p.default)}"]
    if op.schema.tensors:
        first = safe(op.schema.tensors[0].name)
        lines += [
            f"    if {first}.__class__ is not Tensor and overrides({first}): "
            f"return dispatch({n}, {arguments(op)})"
        ]
    lines += prologue(op)
    for when, block, _ in op.meaning.cases:
        pad = "    "
        if when is not None:
            lines.append(f"    if {static(when.node)}:")
            pad = "        "
        for name, value in block.lets:
            lines.append(f"{pad}{safe(name)} = {python(value)}")
        result = python(block.result)
        if isinstance(block.result, Seq) and len(op.schema.outputs) > 1:
            result = f"{tuple_name(op)}({result[1:-1]})"
        if "out" in op.variants:
            result = f"write_out(out, {result}) if out is not None else {result}"
        lines.append(f"{pad}return {result}")
    if op.meaning.cases[-1][0] is not None:
        lines.append(f"    return no_case({n}, {arguments(op)})")
    lines.append("")
    if "inplace" in op.variants:
        lines += _inplace_body(op)
    return lines


def _inplace_body(op: OpDef) -> list[str]:
    """``op_`` of a composition: the in-place form of the op it ends in, where that fits."""
    assert isinstance(op.meaning, Body)
    first = safe(op.schema.params[0].name)
    sig = signature(op).replace(", *, out=None", "").replace(", out=None", "")
    lines = [
        f"def {op.name}_({sig}):",
        f'    """In-place :func:`{op.name}`; returns its first argument."""',
    ]
    for when, block, _ in op.meaning.cases:
        pad = "    "
        if when is not None:
            lines.append(f"    if {static(when.node)}:")
            pad = "        "
        last = block.result
        direct = isinstance(last, Call) and last.args[:1] == (Name(op.schema.params[0].name),)
        if direct and not block.lets:
            assert isinstance(last, Call)
            call = python(last).removeprefix(f"_f.{last.fn}(")
            lines.append(f"{pad}return in_place(_f, {last.fn!r})({call}")
        else:
            lines.append(f"{pad}return assign({first}, {op.name}({arguments(op)}))")
    if op.meaning.cases[-1][0] is not None:
        lines.append(f"    return no_case({op.name}_, {arguments(op)})")
    return [*lines, ""]


def prologue(op: OpDef) -> list[str]:
    """Checks of the arguments; a ``dtype`` argument converts the first tensor."""
    lines = [
        f"    if not ({static(condition.node)}): "
        f"raise {error}({f'{op.name}(): expected {condition.text}'!r})"
        for condition, error in op.check
    ]
    if op.schema.tensors and any(p.type.base == "dtype" for p in op.schema.params):
        first = safe(op.schema.tensors[0].name)
        lines.append(f"    if dtype is not None: {first} = {first}.to(dtype)")
    return lines


def compose_text(op: OpDef) -> list[str]:
    """A Python function of frontend/opsmith/compose, imported on first call."""
    assert isinstance(op.meaning, Compose)
    module, _, function = op.meaning.function.rpartition(".")
    n = op.name
    out = ", out=out" if "out" in op.variants else ""
    body = [f"    return compose({module!r}).{function}({arguments(op)}{out})", ""]
    lines = [f"def {n}({signature(op)}):", *doc(op), *body]
    if "varargs" in op.variants and "method" in op.variants:
        lines += _varargs(op, body)
    if "inplace" in op.variants:
        lines += assigning(op)
    return lines


__all__ = ["NUMBERS", "Reduce", "Scan", "Seq"]
