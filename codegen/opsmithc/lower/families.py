"""In: an op. Out: which family lowers it, and what that family makes of it.

Must not know: any op or family by name; ``family.py`` finds the families.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import centry, emit, paths
from ..derive.op import Derived
from ..derive.rows import recognise
from ..errors import RegistryError, did_you_mean
from ..names import spelled
from ..opdef import OpDef, Out, Reduce, Scan, by_name
from ..operators import COMPARISONS, DUNDERS, UNARY
from ..pytext.raw import RawOps
from .family import family_of


def by_structure(ops: Sequence[OpDef], base: Sequence[OpDef] = ()) -> tuple[OpDef, ...]:
    """Ops whose bodies have the structure of a family: one row kernel, or one element-wise one."""
    known = by_name((*ops, *base))
    return tuple(recognise(op, known) for op in ops)


def fast_form(op: OpDef) -> OpDef:
    """The op with its one-pass form, which the gate compared with the meaning, in its place."""
    if op.fast is None or op.fast.acc is None:
        return op
    meaning = Reduce(op.fast.acc) if op.fast.kind == "reduce" else Scan(op.fast.acc)
    return replace(op, meaning=meaning, fast=None)


def _lowered(d: Derived) -> Derived:
    return replace(d, op=fast_form(d.op))


def kernel_contexts(d: Derived) -> list[tuple[str, Any]]:
    """(template, context) of the op's kernel file; empty for compositions."""
    d = spelled(_lowered(d))
    family = family_of(d.op)
    context = family.context(d)
    return [] if context is None else [(f"c/{family.name}.c.j2", context)]


def own_sources(d: Derived) -> list[Path]:
    """Hand-written C of an op whose fast form is ``source: name``."""
    if d.op.fast is None or d.op.fast.kind != "source":
        return []
    path = paths.RUNTIME / "cpu" / "source" / f"{d.op.fast.target}.c"
    if not path.exists():
        near = did_you_mean(d.op.fast.target, [p.stem for p in path.parent.glob("*.c")])
        raise RegistryError(
            d.op.fast.place, f"fast source '{d.op.fast.target}': there is no {path.name} in "
            f"{path.parent.relative_to(paths.RUNTIME.parent)}{near}"
        )  # fmt: skip
    return [path]


def entries(d: Derived) -> tuple[list[str], list[centry.Entry]]:
    """C entry points and the externs they need."""
    d = spelled(_lowered(d))
    return family_of(d.op).entries(d)


def function_text(d: Derived, ops: RawOps | None = None) -> list[str]:
    """The op's Python text; ``ops`` are those that its backward on handles may call."""
    d = _lowered(d)
    return family_of(d.op).text(d, ops or RawOps())


def hidden_ops(op: OpDef) -> list[OpDef]:
    """Ops that the compiler adds to close the derivatives of ``op`` (adjoints)."""
    return family_of(op).hidden_ops(op)


def with_gradients(op: OpDef) -> OpDef:
    """The op with gradients that its family derives as programs of other ops."""
    return family_of(op).with_gradients(op)


def runtime_sources(work: Path) -> list[Path]:
    """C files of libopsmith.so: the runtime's and the rendered kernels that ops share."""
    sources = sorted((paths.RUNTIME / "cpu").glob("*.c"))
    sources += sorted((paths.RUNTIME / "cpu" / "overrides").glob("*.c"))
    from .. import isa
    from . import conv, gemm

    schedules = _schedules()
    for shape in sorted({target.kernels for target in isa.targets(isa.chosen())}):
        for context in gemm.gemm_contexts(schedules, shape):
            sources.append(_render(work, "c/gemm.c.j2", context, f"{shape}/gemm_{context.dtype}"))
        for file in conv.conv_contexts(schedules, shape):
            sources.append(_render(work, "c/conv.c.j2", file, f"{shape}/conv_{file.dtype}"))
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


@dataclass(frozen=True, slots=True)
class IndexRows:
    """What the generated index says of an op."""

    op: str
    methods: tuple[tuple[str, str, bool], ...]  # method, function, takes sizes as varargs?
    aliases: tuple[tuple[str, str], ...]
    operators: tuple[tuple[str, str, str, bool], ...]  # method, function, form, in place?
    params: tuple[tuple[str, str], ...]
    is_property: bool
    inplace: bool
    foreach: bool
    hidden: bool
    nn: bool
    linalg: bool


def index_rows(op: OpDef) -> IndexRows:
    """The rows of an op."""
    methods: list[tuple[str, str, bool]] = []
    aliases: list[tuple[str, str]] = []
    names, varargs = (op.name, *op.alias), "varargs" in op.variants
    inplace = "inplace" in op.variants
    if "method" in op.variants:
        methods += [(n, op.name, varargs) for n in names]
        methods += [(f"{n}_", f"{op.name}_", varargs) for n in names if inplace]
    for n in op.alias:
        aliases += [(n, op.name)] + ([(f"{n}_", f"{op.name}_")] if inplace else [])
    binary = isinstance(op.meaning, Out) and len(op.schema.tensors) == 2
    words = [v.partition(":")[2] for v in op.variants if v.startswith("operator:")]
    return IndexRows(
        op.name, tuple(methods), tuple(aliases),
        tuple(_operator(word, op.name, binary, inplace) for word in words),
        tuple((p.name, str(p.type)) for p in op.schema.params),
        "property" in op.variants, inplace, "foreach" in op.variants, op.hidden,
        "nn" in op.variants, "linalg" in op.variants,
    )  # fmt: skip


def _operator(word: str, fn: str, binary: bool, inplace: bool) -> tuple[str, str, str, bool]:
    """The special method; its form is unary, comparison, or binary, with a function of its own."""
    dunder = DUNDERS.get(word, word)
    form = "unary" if word in UNARY else "comparison" if dunder in COMPARISONS else "binary"
    return dunder, fn, f"own {form}" if binary and form != "unary" else form, inplace


def index_text(rows: Sequence[IndexRows], shards: Mapping[str, Sequence[str]]) -> str:
    """The generated index module: the data that the frontend needs before a shard is loaded."""
    lines = ['"""Generated by opsmithc from ops.yaml. Do not edit."""', "", "SHARDS = {"]
    lines += [f"    {shard!r}: {tuple(ops)!r}," for shard, ops in shards.items()]
    lines += ["}", "METHODS = ("]
    lines += [f"    {m!r}," for r in rows for m in r.methods] + [")"]
    lines += [f"PROPERTIES = {tuple(r.op for r in rows if r.is_property)!r}"]
    lines += [f"ALIASES = {tuple(a for r in rows for a in r.aliases)!r}"]
    lines += ["OPERATORS = ("] + [f"    {o!r}," for r in rows for o in r.operators] + [")"]
    lines += [f"INPLACE = {tuple(r.op for r in rows if r.inplace)!r}"]
    lines += [f"FOREACH = {tuple(r.op for r in rows if r.foreach)!r}"]
    lines += [f"HIDDEN = {tuple(r.op for r in rows if r.hidden)!r}"]
    lines += [f"NN = {tuple(r.op for r in rows if r.nn)!r}"]
    lines += [f"LINALG = {tuple(r.op for r in rows if r.linalg)!r}", ""]
    return "\n".join(lines)


def params_text(rows: Sequence[IndexRows]) -> str:
    """The generated module of parameter names and types, read when a call has failed."""
    lines = ['"""Generated by opsmithc from ops.yaml. Do not edit."""', "", "PARAMS = {"]
    lines += [f"    {r.op!r}: {r.params!r}," for r in rows]
    return "\n".join([*lines, "}", ""])
