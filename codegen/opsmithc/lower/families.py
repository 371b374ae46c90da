"""In: an op. Out: which family lowers it, and what that family makes of it.

Must not know: any op by name. A new family is one row of ``FAMILIES`` and its three files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import centry, emit, paths, pytext
from ..derive.op import Derived
from ..derive.rows import Rows, recognise
from ..opdef import Body, Compose, Index, OpDef, Out, Reduce, Reference, Scan, View
from . import pointwise


def by_structure(ops: Sequence[OpDef], base: Sequence[OpDef] = ()) -> tuple[OpDef, ...]:
    """Ops whose bodies have the structure of a family: one row kernel, or one element-wise one."""
    known: dict[str, OpDef] = {}
    for op in (*ops, *base):
        for name in (op.name, *op.alias):
            known.setdefault(name, op)
    return tuple(recognise(op, known) for op in ops)


def kernel_contexts(d: Derived) -> list[tuple[str, Any]]:
    """(template, context) of the op's kernel file; empty for compositions."""
    match d.op.meaning:
        case Rows():
            from . import rows

            return [("c/rows.c.j2", rows.render_context(d))]
        case Out():
            return [("c/pointwise.c.j2", pointwise.render_context(d))]
        case Reduce():
            from . import reduce

            return [("c/reduce.c.j2", reduce.render_context(d.op))]
        case Scan():
            from . import scan

            return [("c/scan.c.j2", scan.render_context(d.op))]
        case View():
            from . import view

            return [("c/view.c.j2", view.render_context(d.op))]
        case Index():
            from . import index

            return [("c/index.c.j2", index.render_context(d.op))]
    return []


def own_sources(d: Derived) -> list[Path]:
    """Hand-written C of an op whose fast form is ``source: name``."""
    if d.op.fast is None or d.op.fast.kind != "source":
        return []
    path = paths.RUNTIME / "cpu" / "source" / f"{d.op.fast.target}.c"
    return [path] if path.exists() else []


def axes(op: OpDef) -> tuple[str, ...]:
    """Parameters that are sets of axes, passed as a mask."""
    return ("dim",) if isinstance(op.meaning, Reduce) else ()


def entries(d: Derived) -> tuple[list[str], list[centry.Entry]]:
    """C entry points and the externs they need."""
    match d.op.meaning:
        case Rows():
            from . import rows_text

            return rows_text.entries(d)
        case Out():
            return centry.pointwise(d)
        case Reduce() | Scan():
            return centry.descriptor(d, axes(d.op))
        case View() | Index() | Reference():
            return centry.function(d)
    return [], []


def function_text(d: Derived, known: Mapping[str, OpDef] = pytext.NONE_KNOWN) -> list[str]:
    """The op's Python text."""
    match d.op.meaning:
        case Rows():
            from . import rows_text

            return rows_text.function_text(d)
        case Out():
            return pytext.pointwise_text(d)
        case Body():
            return pytext.body_text(d.op)
        case Compose():
            return pytext.compose_text(d.op)
    return pytext.function_text(d, axes(d.op), known)


def hidden_ops(op: OpDef) -> list[OpDef]:
    """Ops that the compiler adds to close the derivatives of ``op`` (adjoints)."""
    match op.meaning:
        case View():
            from . import view

            return [view.adjoint_op(op)] if view.has_adjoint(op) else []
        case Index():
            from ..derive import index

            return list(index.adjoint_ops(op))
    return []


def with_gradients(op: OpDef) -> OpDef:
    """The op with gradients that its family derives as programs of other ops."""
    match op.meaning:
        case View():
            from . import view

            return view.with_adjoint(op)
        case Index():
            from ..derive import index

            return index.with_gradients(op)
    return op


def runtime_sources(work: Path) -> list[Path]:
    """C files of libopsmith.so: the runtime's and the rendered kernels that ops share."""
    sources = sorted((paths.RUNTIME / "cpu").glob("*.c"))
    sources += sorted((paths.RUNTIME / "cpu" / "overrides").glob("*.c"))
    from ..compile import isa
    from . import conv, gemm

    schedules = _schedules()
    for context in gemm.gemm_contexts(schedules, isa()):
        sources.append(_render(work, "c/gemm.c.j2", context, f"gemm_{context.dtype}"))
    for file in conv.conv_contexts(schedules, isa()):
        sources.append(_render(work, "c/conv.c.j2", file, f"conv_{file.dtype}"))
    return sources


def _schedules() -> dict[str, Any]:
    from ..reader import typed

    loaded = typed((paths.PACKAGE / "schedules.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def _render(work: Path, template: str, context: Any, stem: str) -> Path:
    path = work / "c" / f"{stem}.c"
    emit.write(path, emit.render(template, context))
    return path


def index_text(derived: Sequence[Derived], shards: Mapping[str, Sequence[str]]) -> str:
    """The generated index module: the data that the frontend needs before a shard is loaded."""
    lines = ['"""Generated by opsmithc from ops.yaml. Do not edit."""', "", "SHARDS = {"]
    lines += [f"    {shard!r}: {tuple(ops)!r}," for shard, ops in shards.items()]
    lines += ["}", "METHODS = ("]
    methods, properties, aliases, operators, hidden, nn = [], [], [], [], [], []
    for d in derived:
        op = d.op
        names = (op.name, *op.alias)
        varargs = "varargs" in op.variants
        if "method" in op.variants:
            methods += [(n, op.name, varargs) for n in names]
            if "inplace" in op.variants:
                methods += [(f"{n}_", f"{op.name}_", varargs) for n in names]
        if "property" in op.variants:
            properties.append(op.name)
        for n in op.alias:
            aliases.append((n, op.name))
            if "inplace" in op.variants:
                aliases.append((f"{n}_", f"{op.name}_"))
        for v in op.variants:
            if v.startswith("operator:"):
                word = v.partition(":")[2]
                binary = isinstance(op.meaning, Out) and len(op.schema.tensors) == 2
                operators.append((word, op.name, binary, "inplace" in op.variants))
        if op.hidden:
            hidden.append(op.name)
        if "nn" in op.variants:
            nn.append(op.name)
    lines += [f"    {m!r}," for m in methods] + [")"]
    lines += [f"PROPERTIES = {tuple(properties)!r}", f"ALIASES = {tuple(aliases)!r}"]
    lines += ["OPERATORS = ("] + [f"    {o!r}," for o in operators] + [")"]
    lines += [f"HIDDEN = {tuple(hidden)!r}", f"NN = {tuple(nn)!r}", ""]
    return "\n".join(lines)


def params_text(derived: Sequence[Derived]) -> str:
    """The generated module of parameter names and types, read when a call has failed."""
    lines = ['"""Generated by opsmithc from ops.yaml. Do not edit."""', "", "PARAMS = {"]
    for d in derived:
        kinds = tuple((p.name, str(p.type)) for p in d.op.schema.params)
        lines.append(f"    {d.op.name!r}: {kinds!r},")
    return "\n".join([*lines, "}", ""])
