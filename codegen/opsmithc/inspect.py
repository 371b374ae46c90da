"""In: an op of a registry. Out: what a stage of the compiler makes of it, as text.

Must not know: the command line. One function a stage; ``explain`` is the derivation step by step.
"""

from __future__ import annotations

import pprint
import re
from collections.abc import Callable, Sequence

from . import backends, paths, pipeline
from .derive.op import Derived, differentiable_outputs, float_tensors, meaning_formula
from .dtypes import COMPUTE
from .emit import render
from .errors import UnknownName, did_you_mean, listing
from .formula import Node, unparse
from .lower import families
from .lower.family import family_of
from .opdef import Body, Compose, Index, OpDef, Out, Reduce, Reference, Scan, View, by_name
from .pytext.record import FACTS, record_of

STAGES = ("ast", "ir", "c", *(b for b in backends.found() if b != "cpu"), "python", "grad")


def select(ops: Sequence[OpDef], name: str) -> OpDef:
    """The op of that name or alias."""
    known = by_name(ops)
    if name not in known:
        raise UnknownName(f"no op '{name}'{did_you_mean(name, known)}")
    return known[name]


def find(ops: Sequence[OpDef], name: str) -> Derived:
    """The op (or alias) of that name with its gradients."""
    return pipeline.derive_all([select(ops, name)])[0]


def show(d: Derived, stage: str, dtype: str | None = None) -> str:
    """The op at a stage."""
    if stage not in STAGES:
        hint = did_you_mean(stage, STAGES)
        raise UnknownName(f"no stage '{stage}'; stages are {listing(STAGES)}{hint}")
    codes = [row.code for row in COMPUTE]
    if dtype not in (None, *codes):
        hint = did_you_mean(str(dtype), codes)
        raise UnknownName(f"no compute dtype '{dtype}'; kernels compute in {listing(codes)}{hint}")
    return _STAGES[stage](d, dtype) if stage in _STAGES else backends.found()[stage].show(d)


def _ast(d: Derived, dtype: str | None) -> str:
    return pprint.pformat(d.op.meaning, width=100, compact=True)


def _ir(d: Derived, dtype: str | None) -> str:
    from .lower import pointwise

    if isinstance(d.op.meaning, Out):
        kernels = [*pointwise.forward_kernels(d.op), *pointwise.backward_kernels(d)]
        chosen = [k for k in kernels if dtype in (None, k.compute)]
        return "\n\n".join(pprint.pformat(k, width=100) for k in chosen)
    contexts = families.kernel_contexts(d)
    return (
        "\n\n".join(pprint.pformat(c, width=100) for _, c in contexts) or "a composition: no kernel"
    )


def _c(d: Derived, dtype: str | None) -> str:
    texts = [render(template, context) for template, context in families.kernel_contexts(d)]
    if texts:
        return _only(d.op, "\n".join(texts), dtype) if dtype else "\n".join(texts)
    if isinstance(d.op.meaning, Reference) or (d.op.fast and d.op.fast.kind == "source"):
        return _written(d.op)
    return f"/* {d.op.name} is a composition: it has no kernel of its own */\n"


def _only(op: OpDef, text: str, dtype: str) -> str:
    """The functions of one compute dtype, each with the comment before it."""
    chosen = [p for p in text.split("\n\n") if re.search(rf"__{dtype}(_|\b)", p)]
    return "\n\n".join(chosen) or f"/* {op.name} has no function of its own for {dtype} */\n"


def _written(op: OpDef) -> str:
    """The hand-written source of an op, after a line that says where it is."""
    target = op.fast.target if op.fast is not None else ""
    for path in sorted((paths.RUNTIME / "cpu" / "source").glob("*.c")):
        text = path.read_text(encoding="utf-8")
        if path.stem == target or re.search(rf"\bopsk_{op.name}\(", text):
            shown = path.relative_to(paths.RUNTIME.parent)
            return f"/* {op.name} is written by hand: {shown} */\n{text}"
    return f"/* {op.name} is written by hand; its source is not in this installation */\n"


def _python(d: Derived, dtype: str | None) -> str:
    return "\n".join(families.function_text(d))


def _grad(d: Derived, dtype: str | None) -> str:
    lines = []
    for g in d.gradients.values():
        how = "declared" if g.declared else "derived"
        lines.append(f"d {d.op.name} / d {g.param} = {unparse(g.formula)}    ({how})")
    return "\n".join(lines) or f"{d.op.name} has no gradient: {_why_none(d.op)}"


_STAGES: dict[str, Callable[[Derived, str | None], str]] = {
    "ast": _ast, "ir": _ir, "c": _c, "python": _python, "grad": _grad,
}  # fmt: skip


def _why_none(op: OpDef) -> str:
    if "backward" in op.unsupported:
        return op.unsupported["backward"]
    if isinstance(op.meaning, Body | Compose):
        return "it is a composition; the ops it calls record themselves"
    if differentiable_outputs(op) and float_tensors(op):
        return "its derivative is zero everywhere"
    return "integer or boolean output" if float_tensors(op) else "no operand has a derivative"


def explain(d: Derived) -> str:
    """How the compiler understands the op: meaning, family, dtypes, gradients, how they close."""
    op = d.op
    lines = [
        f"{op.name}: {op.doc.get('short', '')}",
        f"  written at {op.place}",
        f"  schema  {op.schema}",
    ]
    lines += [f"  meaning {_meaning(op)}"]
    if op.fast is not None:
        form = _meaning(families.fast_form(d.op)) if op.fast.acc else op.fast.target
        lines += [f"  fast    {op.fast.kind}: {form}"]
    lines += [f"  family  {family(families.fast_form(d.op))}"]
    lines += [f"  dtype   {op.dtype.kind} of {', '.join(op.dtype.args) or 'nothing'}"]
    lines += [
        f"  kink    where {k.condition.text}: "
        + ", ".join(f"d {p} = g * {v.text}" for p, v in k.values.items())
        for k in op.kinks
    ]
    if not d.gradients:
        return "\n".join([*lines, f"  gradient: none ({_why_none(op)})"])
    saved = {g.param: g.reads for g in record_of(d).grads}
    for g in d.gradients.values():
        lines.append(f"  gradient of {g.param}:")
        lines += [f"    {step}" for step in _steps(op, g.param, g.formula, g.declared)]
        lines.append(
            f"    kernel: {'first backward is one kernel' if g.elementwise else 'a program of registry ops'}"  # noqa: E501
        )
        facts = (n.replace("_of_", " of ") if n.startswith(FACTS) else n for n in saved[g.param])
        lines.append(f"    saves: {', '.join(facts) or 'nothing'}")
    lines.append(
        "  higher orders: the formula above, printed as calls of registry ops, records itself"
    )
    return "\n".join(lines)


def _steps(op: OpDef, param: str, formula: Node, declared: bool) -> list[str]:
    if declared:
        return [
            f"declared: {unparse(formula)}",
            "the gate compares it with the meaning at 60 digits",
        ]
    if isinstance(op.meaning, Out):
        steps = []
        for output in differentiable_outputs(op):
            meaning = meaning_formula(op, output)
            if meaning is not None:
                steps.append(f"{output} = {unparse(meaning)}")
        return [*steps, f"reverse pass with cotangent g: {unparse(formula)}"]
    return [f"from the {type(op.meaning).__name__.lower()}: {unparse(formula)}"]


def _meaning(op: OpDef) -> str:
    match op.meaning:
        case Out(outputs=outputs):
            return "; ".join(
                f"{o} = {f.text}" + (f" ({k})" if k else "")
                for o, by in outputs.items()
                for k, f in by.items()
            )
        case Reduce(acc=acc) | Scan(acc=acc):
            return (
                f"map {[f.text for f in acc.map]}, identity {[f.text for f in acc.identity]}, "
                f"combine {[f.text for f in acc.combine]}, finish {[f.text for f in acc.finish]}"
            )
        case Index(formula=f) | View(formula=f):
            return f.text
        case Body(cases=cases):
            return "; ".join(
                (f"when {w.text}: " if w else "") + f.text.replace("\n", "; ") for w, _, f in cases
            )
        case Compose(function=name):
            return f"Python composition opsmith.compose.{name}"
        case Reference(function=name):
            return f"reference {name}"
    raise AssertionError(op.meaning)


def family(op: OpDef) -> str:
    """The template family that lowers the op."""
    return family_of(op).name
