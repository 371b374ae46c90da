"""In: ops. Out: the C entry points of a shard and their cffi declarations.

Must not know: kernels' bodies. An entry decodes handles, asks a driver or the op's own function,
and encodes the result; encodings come from ``abi.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .abi import encode, kernel_params
from .derive.op import Derived, differentiable_outputs
from .lower.pointwise import backward_kernels, number_params
from .opdef import OpDef, Out, Reduce, Reference, Scan
from .pytext.function import has_default_entry


@dataclass(frozen=True, slots=True)
class Entry:
    """One exported function."""

    symbol: str
    declaration: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntriesFile:
    """Context of templates/c/entries.c.j2."""

    shard: str
    externs: tuple[str, ...]
    entries: tuple[Entry, ...]


# Seed and offset of a random op, behind its own scalars: a range of counters as long as the output.
# A call that is diverted must not take one: it comes again.
RANDOM = [
    "{0.0, (int64_t)ops_generator_seed()}",
    "{0.0, (int64_t)ops_generator_reserve(in[0]->numel)}",
]


def _entry(symbol: str, params: list[str], lines: list[str]) -> Entry:
    return Entry(symbol, f"double opse_{symbol}({', '.join(params) or 'void'})", tuple(lines))


def _defaults(op: OpDef) -> str:
    """Initialisers of the default scalars."""
    cells = []
    for name in number_params(op):
        text = op.schema.param(name).default or "0"
        text = {"True": "1", "False": "0", "None": "0"}.get(text, text)
        cells.append(f"{{{float(text)!r}, {int(float(text))}}}")
    return ", ".join(cells)


def pointwise(derived: Derived) -> tuple[list[str], list[Entry]]:
    """Entries of a pointwise op: plain, with a number operand, general, backward."""
    op = derived.op
    n = op.name
    names = [p.name for p in op.schema.tensors]
    differentiable = [t for t in names if t in derived.gradients]
    scalars = len(number_params(op))
    entries = []

    def call(record: str, s: str, dst: str, inplace: str, stamp: str) -> str:
        return f"return ops_pointwise(&opsk_{n}, in, {record}, {s}, {dst}, {inplace}, {stamp});"

    plain = all(op.schema.param(p).default is not None for p in number_params(op))
    operands = f"ops_tensor *in[] = {{{', '.join(f'ops_from_handle({t})' for t in names)}}};"
    rules = op.dtype.numbers
    static = [f"static const ops_scalar s[] = {{{_defaults(op)}}};"] if scalars else []
    if op.random:
        static = [
            *_not_diverted(op, names),
            f"const ops_scalar s[] = {{{', '.join([*([_defaults(op)] if scalars else []), *RANDOM])}}};"  # noqa: E501
        ]
    s = "s" if scalars or op.random else "NULL"
    record = " | ".join(f"ops_records({t})" for t in differentiable) or "0"
    if plain:
        entries.append(
            _entry(n, [f"double {t}" for t in names],
                   [operands, *static, call(record, s, "NULL", "0", "0.0")])
        )  # fmt: skip
        if len(names) == 2:
            a = names[0]
            rec = f"ops_records({a})" if a in differentiable else "0"
            for kind, ctype, make in (
                ("d", "double", "1, value, 0"),
                ("i", "int64_t", "0, 0.0, value"),
            ):
                entries.append(
                    _entry(f"{n}_{kind}", [f"double {a}", f"{ctype} value"], [
                        "ops_number number;",
                        f"ops_tensor *in[] = {{ops_from_handle({a}), ops_number_tensor(&number, {make})}};",  # noqa: E501
                        *_number_rule(op, names[1], "0", "value" if kind == "i" else ""),
                        *static, call(rec, s, "NULL", "0", "0.0"),
                    ])
                )  # fmt: skip
    params: list[str] = []
    lines = [f"ops_number numbers[{max(len(names), 1)}];"] if names else []
    loads = []
    records = []
    for k, t in enumerate(names):
        params += [f"double {t}", f"int64_t {t}_i", f"int {t}_kind"]
        loads.append(f"ops_operand({t}, {t}_i, {t}_kind, &numbers[{k}])")
        if t in differentiable:
            records.append(f"({t}_kind < 0 && ops_records({t}))")
    cells = []
    for p in number_params(op):
        params += [f"int {p}_kind", f"double {p}_f", f"int64_t {p}_i"]
        cells.append(f"ops_make_scalar({p}_kind, {p}_f, {p}_i)")
    lines += [f"ops_tensor *in[] = {{{', '.join(loads)}}};"]
    for name in rules:
        lines += _number_rule(op, name, f"{name}_kind", f"{name}_i")
    if op.random:
        lines += _not_diverted(op, names)
        cells += RANDOM
    if cells:
        lines += [f"const ops_scalar s[] = {{{', '.join(cells)}}};"]
    params += ["double dst", "int inplace", "double stamp"]
    lines += [
        call(
            " | ".join(records) or "0",
            s,
            "dst == 0.0 ? NULL : ops_from_handle(dst)",
            "inplace",
            "stamp",
        )
    ]
    entries.append(_entry(f"{n}_s", params, lines))
    if "inplace" in op.variants:
        entries.append(_inplace(op, names, differentiable, call))
    if "foreach" in op.variants:
        entries.append(_foreach(op, names))
    externs = [f"extern const ops_pointwise_op opsk_{n};"]
    backward = backward_entry(derived)
    if backward:
        externs.append(f"extern const ops_pointwise_op opsk_{n}_backward;")
        entries.append(backward)
    return externs, entries


def _not_diverted(op: OpDef, names: list[str]) -> list[str]:
    """Leave before random numbers are taken where the call goes to Python first."""
    return [f'if (ops_check_operands("{op.name}", in, {len(names)})) {{', "    return 0.0;", "}"]


def _number_rule(op: OpDef, name: str, kind: str, value: str) -> list[str]:
    """Refuse a number that the entry's ``dtype`` does not take; common numbers pass at once."""
    rule = op.dtype.numbers.get(name)
    if rule is None or not value:
        return []
    suspicious = f"{kind} == 0 && {value} < 0" if rule == "natural" else f"{kind} != 0"
    suspicious = suspicious.removeprefix("0 == 0 && ")
    call = f'ops_refuse_number(&opsk_{op.name}, in, OPS_NUMBER_{rule.upper()}, "{name}", {kind}, {value})'  # noqa: E501
    return [f"if ({suspicious} && {call}) {{", "    return 0.0;", "}"]


def _inplace(
    op: OpDef, names: list[str], differentiable: list[str], call: Callable[..., str]
) -> Entry:
    """``op_`` on tensors alone: no operand can be a number."""
    params = [f"double {t}" for t in names]
    cells = []
    for p in number_params(op):
        params += [f"int {p}_kind", f"double {p}_f", f"int64_t {p}_i"]
        cells.append(f"ops_make_scalar({p}_kind, {p}_f, {p}_i)")
    lines = [f"ops_tensor *in[] = {{{', '.join(f'ops_from_handle({t})' for t in names)}}};"]
    for p in number_params(op):
        lines += _number_rule(op, p, f"{p}_kind", f"{p}_i")
    if op.random:
        lines += _not_diverted(op, names)
        cells += RANDOM
    if cells:
        lines.append(f"const ops_scalar s[] = {{{', '.join(cells)}}};")
    record = " | ".join(f"ops_records({t})" for t in differentiable) or "0"
    lines.append(call(record, "s" if cells else "NULL", "in[0]", "1", "stamp"))
    return _entry(f"{op.name}_t", [*params, "double stamp"], lines)


def _foreach(op: OpDef, names: list[str]) -> Entry:
    """``op_`` on each tensor of a list; returns how many were written, so that the caller goes on.

    Every other operand is a list as long (``n_x`` > 0) or one tensor or number for all.
    """
    first, *others = names
    params = [f"const double *{first}", f"int64_t n_{first}"]
    passed = [f"{first}[k], 0, -1"]
    for t in others:
        params += [f"const double *{t}", f"int64_t n_{t}"]
        params += [f"double {t}_one", f"int64_t {t}_i", f"int {t}_kind"]
        passed.append(f"n_{t} > 0 ? {t}[k] : {t}_one, {t}_i, {t}_kind")
    for p in number_params(op):
        params += [f"int {p}_kind", f"double {p}_f", f"int64_t {p}_i"]
        passed.append(f"{p}_kind, {p}_f, {p}_i")
    lines = [
        f"for (int64_t k = 0; k < n_{first}; ++k) {{",
        f"    if (opse_{op.name}_s({', '.join(passed)}, {first}[k], 1, stamp) == 0.0) {{",
        "        return (double)k;",
        "    }",
        "}",
        f"return (double)n_{first};",
    ]
    return _entry(f"{op.name}_foreach", [*params, "double stamp"], lines)


def backward_entry(derived: Derived) -> Entry | None:
    """The first backward's entry: g, what it reads, the scalars, the mask."""
    kernels = backward_kernels(derived)
    if not kernels:
        return None
    op = derived.op
    inputs = [a.name for a in kernels[0].inputs]
    params = [f"double {t}" for t in inputs]
    cells = []
    for p in number_params(op):
        params += [f"int {p}_kind", f"double {p}_f", f"int64_t {p}_i"]
        cells.append(f"ops_make_scalar({p}_kind, {p}_f, {p}_i)")
    params += ["int wanted", "int consume", "double seq"]
    lines = [f"ops_tensor *in[] = {{{', '.join(f'ops_from_handle({t})' for t in inputs)}}};"]
    if cells:
        lines.append(f"const ops_scalar s[] = {{{', '.join(cells)}}};")
    s = "s" if cells else "NULL"
    given = len(differentiable_outputs(op))
    lines += [
        f'if (!ops_saved_are_valid("{op.name}", in + {given}, {len(inputs) - given}, -seq)) {{',
        "    return 0.0;",
        "}",
        f"return ops_pointwise_backward(&opsk_{op.name}_backward, in, {s}, (unsigned)wanted, consume);",  # noqa: E501
    ]
    return _entry(f"{op.name}_backward", params, lines)


def descriptor(derived: Derived, dims: tuple[str, ...]) -> tuple[list[str], list[Entry]]:
    """Entries of a reduce or scan: parameters in schema order, the driver does the rest."""
    op = derived.op
    family = "reduce" if isinstance(op.meaning, Reduce) else "scan"
    params: list[str] = []
    by_name = {}
    for p in op.schema.params:
        e = encode(p, p.name in dims)
        params += e.c
        by_name[p.name] = e
    first = op.schema.params[0].name
    record = f"ops_records({first})" if derived.gradients else "0"
    cells = [by_name[p].value[0] for p in scalar_params(op) if p in by_name]
    cells = [
        c
        if c.startswith("ops_make_scalar")
        else f"ops_make_scalar({kind_of(op, p)}, (double){c}, (int64_t){c})"
        for c, p in zip(cells, scalar_params(op), strict=True)
    ]
    lines = [f"const ops_scalar s[] = {{{', '.join(cells)}}};"] if cells else []
    s = "s" if cells else "NULL"
    dtype = "dtype" if "dtype" in by_name else "-1"
    if family == "reduce":
        dim = "dim" if "dim" in by_name else "0"
        keepdim = "keepdim" if "keepdim" in by_name else "0"
        lines.append(
            f"return ops_reduce(&opsk_{op.name}, ops_from_handle({first}), {record}, {dim}, {dim} == 0, "  # noqa: E501
            f"{keepdim}, {dtype}, {s}, NULL);"
        )
    else:
        lines.append(
            f"return ops_scan(&opsk_{op.name}, ops_from_handle({first}), {record}, dim, {dtype}, {s}, NULL);"  # noqa: E501
        )
    entries = [_entry(op.name, params, lines)]
    if has_default_entry(op):
        number = {"True": "1", "true": "1"}
        keep = (
            number.get(op.schema.param("keepdim").default or "", "0")
            if "keepdim" in by_name
            else "0"
        )
        entries.append(
            _entry(f"{op.name}_0", [f"double {first}"], [
                f"return ops_reduce(&opsk_{op.name}, ops_from_handle({first}), {record}, 0, 1, {keep}, -1, "  # noqa: E501
                f"NULL, NULL);"
            ])
        )  # fmt: skip
    return [f"extern const ops_{family}_op opsk_{op.name};"], entries


def scalar_params(op: OpDef) -> tuple[str, ...]:
    """Number parameters of a reduce or scan other than its axes."""
    return tuple(n for n in number_params(op) if n not in ("dim", "keepdim"))


def kind_of(op: OpDef, name: str) -> str:
    """Scalar kind code of a typed number parameter."""
    return {"float": "1", "bool": "2"}.get(op.schema.param(name).type.base, "0")


def function(derived: Derived, dims: tuple[str, ...] = ()) -> tuple[list[str], list[Entry]]:
    """Entry of an op with a function of its own (view, index, source)."""
    op = derived.op
    params: list[str] = []
    loads: list[str] = []
    values: list[str] = []
    tensors: list[str] = []
    records: list[str] = []
    inner: list[str] = []
    for p in op.schema.params:
        e = encode(p, p.name in dims)
        params += e.c
        loads += e.load
        inner += kernel_params(p, p.name in dims)
        if p.type.is_tensor:
            tensors.append(e.value[0])
            values.append(f"in[{len(tensors) - 1}]")
        else:
            values += e.value
        if e.record and p.name in derived.gradients:
            records.append(e.record)
    record = " | ".join(records) or "0"
    lines = list(loads)
    lines += [f"const int record = {record};"]
    if tensors:
        lines += [
            f"ops_tensor *in[] = {{{', '.join(tensors)}}};",
            f'if (ops_check_operands("{op.name}", in, {len(tensors)}) || '
            f"ops_check_views(in, {len(tensors)}, record)) {{",
            "    return 0.0;",
            "}",
        ]
    own = isinstance(op.meaning, Reference)  # C of its own, which reads memory of the host
    if own and tensors:
        lines += [f'if (ops_host_only("{op.name}", in, {len(tensors)})) {{', "    return 0.0;", "}"]
    for p in op.schema.params:
        if p.type.base == "Tensor" and p.type.is_list:
            given = f"in, {len(tensors)}" if tensors else "NULL, 0"
            lines += [
                f'if (ops_check_list("{op.name}", {given}, h_{p.name}, n_{p.name}, record)) {{',
                "    return 0.0;",
                "}",
            ]
            if own:
                call = f'ops_host_only_list("{op.name}", h_{p.name}, n_{p.name})'
                lines += [f"if ({call}) {{", "    return 0.0;", "}"]
    lines += [f"return ops_result(opsk_{op.name}({', '.join(values)}), record, 0);"]
    extern = f"ops_tensor *opsk_{op.name}({', '.join(inner) or 'void'});"
    return [extern], [_entry(op.name, params, lines)]


__all__ = ["Entry", "EntriesFile", "Out", "Scan"]
