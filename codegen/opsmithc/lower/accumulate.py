"""In: the monoid of a reduce or scan. Out: AccumulateKernels, and their formulas as C functions.

Must not know: loops, blocks or descriptors; ``reduce.py`` and ``scan.py`` place these functions. A
state lives in a struct of its element types: those of the compute dtype while a block is folded,
wide ones (double or int64) between blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..backends.ctext import Printer, has_reading
from ..derive.folds import is_additive
from ..dtypes import BY_CODE, COMPUTE, DType
from ..formula import (
    Call,
    Logic,
    Name,
    Node,
    Num,
    Unary,
    names,
    substitute,
    transform,
    unparse,
    walk,
)
from ..ir import BOOL, COMMON, LONG, AccumulateKernel, Arg, check
from ..opdef import Accumulate, OpDef, Reduce, Scan

AXES = frozenset({"dim", "keepdim", "dtype"})  # parameters that are the driver's business
NUMBERS = ("Scalar", "float", "int", "bool")
RULES = {
    "same": "OPS_RULE_COMMON", "default": "OPS_RULE_COMMON", "no_opmath": "OPS_RULE_COMMON",
    "int_to_float": "OPS_RULE_INT_TO_FLOAT", "int_to_long": "OPS_RULE_INT_TO_LONG",
    "bool_to_long": "OPS_RULE_BOOL_TO_LONG", "always_long": "OPS_RULE_LONG",
    "always_bool": "OPS_RULE_BOOL", "complex_to_float": "OPS_RULE_COMMON",
}  # fmt: skip
CLASS_MACRO = {COMMON: "OPS_OPERAND_COMMON", BOOL: "OPS_OPERAND_BOOL", LONG: "OPS_OPERAND_LONG"}
CHEAP = frozenset({"where", "abs", "maximum", "minimum", "sign", "isnan", "isinf", "isfinite"})
NEVER_IN_INTEGERS = {"isnan": False, "isinf": False, "isfinite": True}
TAKEN = frozenset({"a", "b", "block", "i", "j", "k", "n", "s", "int", "float", "double", "long"})
MOST_STATES = 4  # OPS_REDUCE_STATES


@dataclass(frozen=True, slots=True)
class Member:
    """A state in its struct."""

    name: str
    ctype: str
    cls: str


@dataclass(frozen=True, slots=True)
class Function:
    """An inline function that returns states of ``type``; a call is ``name(..., <rest>)``."""

    type: str
    name: str
    params: str
    lines: tuple[str, ...]
    values: str
    rest: str


@dataclass(frozen=True, slots=True)
class States:
    """The struct of states of one element type, and how two combine."""

    code: str
    type: str
    members: tuple[Member, ...]
    combine: Function


@dataclass(frozen=True, slots=True)
class Wide:
    """States between blocks, kept as ops_wide; ``identity`` is where folding starts."""

    code: str
    type: str
    load: str
    store: tuple[str, ...]
    identity: str
    combine: str


# OpDef -> IR ------------------------------------------------------------------------------------


def accumulate_of(op: OpDef) -> Accumulate:
    """The monoid: the op's meaning, or its fast form."""
    if isinstance(op.meaning, Reduce | Scan):
        return op.meaning.acc
    assert op.fast is not None and op.fast.acc is not None
    return op.fast.acc


def accumulate_kernels(op: OpDef) -> tuple[AccumulateKernel, ...]:
    """One kernel per compute dtype that the op's rule and formulas admit."""
    acc = accumulate_of(op)
    assert len(acc.map) <= MOST_STATES, f"{op.name}: more than {MOST_STATES} states"
    return tuple(_kernel(op, acc, dtype) for dtype in COMPUTE if _admits(op, acc, dtype))


def _admits(op: OpDef, acc: Accumulate, dtype: DType) -> bool:
    rule, as_bool = op.dtype.kind, "bool" in op.dtype.classes.values()
    if dtype.kind in op.unsupported or dtype.code in op.unsupported:
        return False
    if as_bool:
        return dtype.code == ("i64" if rule in ("int_to_long", "always_long") else "b8")
    if dtype.code == "b8" or (rule == "int_to_float" and dtype.kind != "float"):
        return False  # plain booleans go through the integer kernels
    if rule == "int_to_long" and dtype.code == "i32":
        return False
    every = [f.node for part in (acc.map, acc.combine, acc.finish, acc.let.values()) for f in part]
    return all(_has_reading(node, dtype) for f in every for node in walk(f))


def _has_reading(node: Node, dtype: DType) -> bool:
    if isinstance(node, Call) and node.fn in NEVER_IN_INTEGERS and dtype.kind != "float":
        return True
    return has_reading(node, dtype)


def _kernel(op: OpDef, acc: Accumulate, dtype: DType) -> AccumulateKernel:
    def read(node: Node) -> Node:
        return node if dtype.kind == "float" else _integers(node)

    tensor = op.schema.tensors[0].name
    scalars = tuple(
        Arg(p.name) for p in op.schema.params if p.type.base in NUMBERS and p.name not in AXES
    )
    source = Arg(tensor, BOOL if op.dtype.classes.get(tensor) == "bool" else COMMON)
    let = tuple((name, read(f.node)) for name, f in acc.let.items())
    mapped = tuple(read(f.node) for f in acc.map)
    combine = tuple(read(f.node) for f in acc.combine)
    finish = tuple(read(f.node) for f in acc.finish)
    env = {source.name: ("", source.cls), "i": ("", LONG), "n": ("", LONG)}
    env |= {s.name: ("", COMMON) for s in scalars}
    states = tuple(Arg(f"a{k}", _class_of(dtype.code, env, node)) for k, node in enumerate(mapped))
    env |= {s.name: ("", s.cls) for s in states}
    outputs = tuple(
        Arg(o, COMMON if op.dtype.kind == "always_bool" and dtype.code == "b8"
            else _class_of(dtype.code, env, node))
        for o, node in zip(op.schema.outputs, finish, strict=True)
    )  # fmt: skip
    kernel = AccumulateKernel(
        op=op.name,
        symbol=f"opsk_{op.name}__{dtype.code}",
        compute=dtype.code,
        title=_title(op, acc),
        states=states,
        outputs=outputs,
        scalars=scalars,
        input=source,
        map=mapped,
        identity=tuple(f.node for f in acc.identity),
        let=let,
        combine=combine,
        finish=finish,
        additive=is_additive(acc),
    )
    check(kernel)
    return kernel


def _class_of(code: str, env: dict[str, tuple[str, str]], node: Node) -> str:
    cls = Printer(code, env).cls(node)
    return BOOL if code == "b8" and cls == COMMON else cls


def _integers(node: Node) -> Node:
    """The formula for integers, which are always finite."""

    def step(n: Node) -> Node:
        match n:
            case Call(fn=fn) if fn in NEVER_IN_INTEGERS:
                return Num(NEVER_IN_INTEGERS[fn])
            case Unary(op="not", arg=Num(value=bool() as v)):
                return Num(not v)
            case Logic(op=op, args=args):
                return _logic(op, args)
            case Call(fn="where", args=(Num(value=bool() as v), a, b)):
                return a if v else b
        return n

    return transform(node, step)


def _logic(op: str, args: Sequence[Node]) -> Node:
    neutral = op == "and"
    rest = [a for a in args if not (isinstance(a, Num) and a.value is neutral)]
    if any(isinstance(a, Num) and a.value is (not neutral) for a in rest):
        return Num(not neutral)
    return Num(neutral) if not rest else rest[0] if len(rest) == 1 else Logic(op, tuple(rest))


def _title(op: OpDef, acc: Accumulate) -> str:
    def listed(nodes: Iterable[Node]) -> str:
        return ", ".join(unparse(n) for n in nodes)

    lines = [
        f"{op.name}: each element is [{listed(f.node for f in acc.map)}];"
        f" from [{listed(f.node for f in acc.identity)}]",
        f"combine: [{listed(f.node for f in acc.combine)}]",
    ]
    lines += [f"  where {name} = {unparse(f.node)}" for name, f in acc.let.items()]
    pairs = zip(op.schema.outputs, acc.finish, strict=True)
    results = (f"{output} = {unparse(f.node)}" for output, f in pairs)
    return "\n".join([*lines, "; ".join(results)])


def public_name(op: OpDef) -> str:
    """What users call the op: hidden forms carry a suffix (max_dim is a form of max)."""
    return op.name.rpartition("_")[0] or op.name if op.hidden else op.name


def selects(kernel: AccumulateKernel) -> bool:
    """Is a result one of the elements or its position, so that one must exist?"""
    for node in kernel.finish:
        if isinstance(node, Name) and node.id.startswith("a"):
            start = kernel.identity[int(node.id[1:])]
            if isinstance(start, Num) and start.value in (float("inf"), float("-inf")):
                return True
    return False


def cost(kernel: AccumulateKernel) -> str:
    """Estimated nanoseconds an element, to decide when threads pay."""
    every = [*kernel.map, *kernel.combine, *(node for _, node in kernel.let)]
    heavy = sum(isinstance(n, Call) and n.fn not in CHEAP for f in every for n in walk(f))
    return f"{0.1 + 0.1 * len(kernel.states) + 0.6 * heavy:.2f}f"


def uniform_states(kernel: AccumulateKernel) -> frozenset[int]:
    """States that are the same for all lanes at any time: counts of elements."""
    env = dict(kernel.let)
    combine = [names(substitute(c, env)) for c in kernel.combine]
    found = {k for k, m in enumerate(kernel.map) if not {kernel.input.name, "i"} & set(names(m))}
    while True:
        own = {f"{s}{k}" for k in found for s in "ab"} | {s.name for s in kernel.scalars}
        kept = {k for k in found if set(combine[k]) <= own}
        if kept == found:
            return frozenset(found)
        found = kept


# IR -> C ------------------------------------------------------------------------------------------


def wide_code(code: str) -> str:
    """The dtype in which states of a compute dtype are kept between blocks."""
    return "f64" if BY_CODE[code].kind == "float" else "i64"


def position_type(code: str) -> str:
    """C type of a position inside a block: as wide as an element, so that both vectorise alike."""
    return "int64_t" if BY_CODE[code].size == 8 else "int32_t"


def member_type(code: str, cls: str) -> str:
    """C type of a state."""
    return position_type(code) if cls == LONG else BY_CODE[code].ctype


def state_struct(kernel: AccumulateKernel, code: str) -> States:
    """The struct of the kernel's states in dtype ``code`` and its combine."""
    members = tuple(Member(s.name, member_type(code, s.cls), s.cls) for s in kernel.states)
    env = _scalars(kernel, code)
    for s in kernel.states:
        env[s.name] = (f"a.{s.name}", s.cls)
        env["b" + s.name[1:]] = (f"b.{s.name}", s.cls)
    printer = Printer(code, env)
    lines = []
    for name, node in kernel.let:
        cls = printer.cls(node)
        ctype = "int" if cls == BOOL else member_type(code, cls)
        local = f"{name}_" if name in TAKEN else name
        lines.append(f"const {ctype} {local} = {bare(printer.value(node, cls))};")
        env[name] = (local, cls)
    block = _reads_block(kernel, [*kernel.combine, *(n for _, n in kernel.let)])
    params = [f"state_{code} a", f"state_{code} b"]
    params += ["const ops_reduce_block *block"] if block else []
    combine = Function(
        type=f"state_{code}",
        name=f"combine_{code}",
        params=", ".join(params),
        lines=tuple(lines),
        values=", ".join(bare(printer.value(c, m.cls)) for c, m in zip(kernel.combine, members)),
        rest=", block" if block else "",
    )
    return States(code, f"state_{code}", members, combine)


def map_function(kernel: AccumulateKernel, code: str) -> Function:
    """An element's state in dtype ``code``."""
    read = {n for m in kernel.map for n in names(m)}
    ctype = "uint8_t" if kernel.input.cls == BOOL else BY_CODE[code].ctype
    env = _scalars(kernel, code) | {
        kernel.input.name: (kernel.input.name, kernel.input.cls), "i": ("i", LONG),
    }  # fmt: skip
    printer = Printer(code, env)
    block = _reads_block(kernel, kernel.map)
    params = [f"{ctype} {kernel.input.name}"] if kernel.input.name in read else []
    params += [f"{position_type(code)} i"] if "i" in read else []
    params += ["const ops_reduce_block *block"] if block else []
    return Function(
        type=f"state_{code}",
        name=f"map_{code}",
        params=", ".join(params),
        lines=(),
        values=", ".join(bare(printer.value(m, s.cls)) for m, s in zip(kernel.map, kernel.states)),
        rest="block" if block else "",
    )


def element(kernel: AccumulateKernel, mapping: Function, at: str, position: str) -> str:
    """The state of the element ``at``, as a call of ``mapping``."""
    args = [at] if reads(kernel.map, kernel.input.name) else []
    args += [position] if reads(kernel.map, "i") else []
    args += [mapping.rest] if mapping.rest else []
    return f"{mapping.name}({', '.join(args)})"


def combined(states: States, a: str, b: str) -> str:
    """Two states in one, as a call."""
    return f"{states.combine.name}({a}, {b}{states.combine.rest})"


def wide_of(kernel: AccumulateKernel, states: States) -> Wide:
    """How wide states are kept between blocks."""
    fields = ["f" if m.ctype == "double" else "i" for m in states.members]
    at = ["w[0]", "w[width]", *(f"w[{k} * width]" for k in range(2, len(fields)))]
    return Wide(
        code=states.code,
        type=states.type,
        load=", ".join(f"{at[k]}.{f}" for k, f in enumerate(fields)),
        store=tuple(f"{at[k]}.{f} = a.a{k};" for k, f in enumerate(fields)),
        identity=identity_values(kernel, states.code),
        combine=combined(states, "a", "b"),
    )


def identity_values(kernel: AccumulateKernel, code: str) -> str:
    """Where folding starts, in dtype ``code``."""
    printer = Printer(code, _scalars(kernel, code))
    return ", ".join(
        bare(printer.value(node, s.cls)) for node, s in zip(kernel.identity, kernel.states)
    )


def finish_values(kernel: AccumulateKernel) -> tuple[tuple[str, str], ...]:
    """Element type and value of each output, from wide states."""
    code = wide_code(kernel.compute)
    env = _scalars(kernel, code) | {s.name: (f"a.{s.name}", s.cls) for s in kernel.states}
    printer = Printer(code, env)
    found = []
    for out, node in zip(kernel.outputs, kernel.finish):
        ctype = {LONG: "int64_t", BOOL: "uint8_t"}.get(out.cls, BY_CODE[kernel.compute].ctype)
        wide = "int64_t" if out.cls == LONG else BY_CODE[code].ctype
        value = bare(printer.value(node, out.cls))
        found.append((ctype, value if ctype in (wide, "uint8_t") else f"({ctype}){atom(value)}"))
    return tuple(found)


def reads(nodes: Iterable[Node], name: str) -> bool:
    """Does any formula read the name?"""
    return any(name in names(n) for n in nodes)


def atom(text: str) -> str:
    """Parenthesised unless it is one name."""
    return text if text.replace(".", "").replace("_", "").isalnum() else f"({text})"


def bare(text: str) -> str:
    """Without parentheses around the whole."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for at, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return text[1:-1] if at == len(text) - 1 else text
    return text


def _scalars(kernel: AccumulateKernel, code: str) -> dict[str, tuple[str, str]]:
    dtype = BY_CODE[code]
    field, cast = ("f", "") if code == "f64" else ("f", f"({dtype.ctype})")
    if dtype.kind != "float":
        field, cast = "i", "" if code == "i64" else f"({dtype.ctype})"
    env = {s.name: (f"{cast}block->s[{k}].{field}", COMMON) for k, s in enumerate(kernel.scalars)}
    return env | {"n": ("block->count", LONG)}


def _reads_block(kernel: AccumulateKernel, nodes: Iterable[Node]) -> bool:
    read = {name for n in nodes for name in names(n)}
    return bool(read & {"n", *(s.name for s in kernel.scalars)})
