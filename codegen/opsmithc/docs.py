"""In: the registry with its gradients. Out: Markdown, a page per op, an index and the matrix.

Must not know: how kernels are lowered; it asks ``inspect.py`` for their text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import emit, inspect, matrix, paths, pipeline, samples, trials
from .derive.op import Derived
from .formula import Node, parse
from .opdef import Accumulate, Body, Compose, Index, OpDef, Out, Reduce, Reference, Scan, View
from .readings.latex import latex

RULES = {
    "same": "The result has the dtype of {args}.",
    "default": "The result has the promoted dtype of {args}.",
    "no_opmath": "The result has the promoted dtype of {args}.",
    "int_to_float": "The promoted dtype of {args}; integers and booleans become the default float.",
    "int_to_long": "The promoted dtype of {args}; integers and booleans become int64.",
    "bool_to_long": "The promoted dtype of {args}; booleans become int64.",
    "always_bool": "The result is boolean.",
    "always_long": "The result is int64.",
    "complex_to_float": "The promoted dtype of {args}; complex numbers become real.",
}
NUMBERS = {
    "common": "may be a float or boolean only where the result is",
    "natural": "given as a number may not be negative where the result is an integer",
}


@dataclass(frozen=True, slots=True)
class OpPage:
    """Context of templates/docs/op.md.j2."""

    name: str
    short: str
    long: str
    schema: str
    aliases: tuple[str, ...]
    forms: tuple[str, ...]
    formulas: tuple[tuple[str, str], ...]  # what it is the formula of, LaTeX
    gradients: tuple[tuple[str, str, str], ...]  # parameter, origin, LaTeX
    dtype: str
    kinks: tuple[tuple[str, str], ...]
    example: str
    source: str
    entry: str
    kernel: str
    support: tuple[tuple[str, str], ...]
    tolerances: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class IndexPage:
    """Context of templates/docs/index.md.j2."""

    count: int
    sections: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class MatrixPage:
    """Context of templates/docs/matrix.md.j2."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    tests: tuple[tuple[str, str], ...]
    totals: tuple[tuple[str, int], ...]


def write_docs(out: Path, files: Sequence[Path] = (paths.OPS_YAML,)) -> int:
    """Write ``out``/ops/*.md; returns the number of pages of operations."""
    derived = pipeline.derive_all(pipeline.parse(files))
    shown = [d for d in derived if trials.written(d.op) and not d.op.hidden]
    folder = out / "ops"
    known = {d.op.name: d.op for d in derived}
    for d in shown:
        emit.write(folder / f"{d.op.name}.md", _tidy(emit.render("docs/op.md.j2", page(d, known))))
    sections = _sections(shown, files)
    emit.write(
        folder / "index.md", _tidy(emit.render("docs/index.md.j2", IndexPage(len(shown), sections)))
    )
    emit.write(folder / "matrix.md", _tidy(emit.render("docs/matrix.md.j2", matrix_page(derived))))
    return len(shown)


def _tidy(text: str) -> str:
    """One empty line between paragraphs, one newline at the end."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def page(d: Derived, known: dict[str, OpDef]) -> OpPage:
    """What an op's page says."""
    op = d.op
    rule = RULES[op.dtype.kind].format(
        args=" and ".join(f"`{a}`" for a in op.dtype.args) or "its arguments"
    )
    for name, kind in op.dtype.classes.items():
        rule += f" `{name}` is {'a condition' if kind == 'bool' else 'an index'}."
    for name, kind in op.dtype.numbers.items():
        rule += f" `{name}` {NUMBERS[kind]}."
    return OpPage(
        name=op.name,
        short=op.doc.get("short", ""),
        long=op.doc.get("long", "").strip(),
        schema=str(op.schema),
        aliases=tuple(f"`{a}`" for a in op.alias),
        forms=tuple(forms(op)),
        formulas=tuple(meanings(op)),
        gradients=tuple(
            (g.param, "declared and verified" if g.declared else "derived", latex(g.formula))
            for g in d.gradients.values()
        ),
        dtype=rule,
        kinks=tuple(
            (k.condition.text, ", ".join(f"{p} gets {v.text}" for p, v in k.values.items()))
            for k in op.kinks
        ),
        example=op.doc.get("example", ""),
        source=op.doc.get("source", ""),
        entry=op.text,
        kernel=kernel(d),
        support=tuple(
            (kind, samples.refusal(op, dtype, known) or "taken")
            for kind, dtype in matrix.CLASSES.items()
        ),
        tolerances=tuple(
            (code, f"{value!r}: {reason}") for code, (value, reason) in op.tol.items()
        ),
    )


def forms(op: OpDef) -> list[str]:
    """Where the op is found besides the function."""
    found = []
    for v in op.variants:
        word = v.partition(":")
        if word[0] == "operator":
            found.append(f"operator `{word[2]}`")
        elif v == "inplace":
            found.append(f"in-place `{op.name}_`")
        elif v == "foreach":
            found.append(f"in-place on lists `_foreach_{op.name}_`")
        elif v == "out":
            found.append("`out=`")
        elif v == "nn":
            found.append(f"`nn.functional.{op.name}`")
        elif v in ("method", "property"):
            found.append(f"{v} `Tensor.{op.name}`")
    return found


def meanings(op: OpDef) -> list[tuple[str, str]]:
    """The meaning, as labelled formulas."""
    match op.meaning:
        case Out(outputs=outputs):
            return [
                (f"For {kind}:" if kind else "Element by element:", _equation(o, f.node))
                for o, by_class in outputs.items() for kind, f in by_class.items()
            ]  # fmt: skip
        case Reduce(acc=acc) | Scan(acc=acc):
            what = "Folded over `dim`" if isinstance(op.meaning, Reduce) else "Running along `dim`"
            return [
                (f"{what}: each element, how two states combine, the result.", _monoid(op, acc))
            ]
        case Index(target=target, value=value):
            return [("For every index of the result:", rf"{latex(target)} = {latex(value)}")]
        case View(formula=f):
            return [("A view:", latex(f.node))]
        case Body(cases=cases):
            found = []
            for when, block, _ in cases:
                lines = [_equation(name, node) for name, node in block.lets]
                lines.append(_equation(", ".join(op.schema.outputs), block.result))
                label = "A composition:" if when is None else f"Where `{when.text}`:"
                found.append((label, _lines(lines)))
            return found
        case Compose(function=name):
            return [
                (
                    f"A composition of other operations, `opsmith.compose.{name}`.",
                    r"\text{(Python)}",
                )
            ]
        case Reference(function=name):
            word = name.replace("_", r"\_")
            return [("By its reference function:", rf"\mathrm{{{word}}}")]


def _equation(target: str, node: Node) -> str:
    left = latex(parse(f"[{target}]")) if "," in target else latex(parse(target))
    return f"{left} = {latex(node)}"


def _monoid(op: OpDef, acc: Accumulate) -> str:
    lines = []
    for k, (m, i) in enumerate(zip(acc.map, acc.identity, strict=True)):
        lines.append(
            rf"b_{{{k}}} = {latex(m.node)}, \quad a_{{{k}}} = {latex(i.node)} \text{{ at first}}"
        )
    lines += [_equation(name, f.node) for name, f in acc.let.items()]
    lines += [rf"a_{{{k}}} \leftarrow {latex(c.node)}" for k, c in enumerate(acc.combine)]
    lines += [_equation(o, f.node) for o, f in zip(op.schema.outputs, acc.finish, strict=True)]
    return _lines(lines)


def _lines(lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return lines[0]
    inner = " \\\\\n".join(lines)
    return "\\begin{gathered}\n" + inner + "\n\\end{gathered}"


def kernel(d: Derived) -> str:
    """The op's generated C for float32; '' for compositions."""
    if isinstance(d.op.meaning, Body | Compose | Reference):
        return ""
    return inspect.show(d, "c", "f32").strip()


def matrix_page(derived: Sequence[Derived]) -> MatrixPage:
    """The support matrix, rendered; a hole shows as an empty cell."""
    table = matrix.rows(derived)
    return MatrixPage(
        columns=matrix.COLUMNS,
        rows=tuple((r.op, r.dtype, tuple(c.mark for _, c in r.cells)) for r in table),
        tests=tuple((c, trials.TRIALS[c][1]) for c in matrix.COLUMNS),
        totals=tuple(matrix.counts(table).items()),
    )


def _sections(
    shown: Sequence[Derived], files: Sequence[Path]
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """The registry's own sections: comment lines ``# -- title ---``, in order."""
    titles: list[tuple[str, int, str]] = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            m = re.match(r"# -- (.+?) -*$", line)
            if m:
                titles.append((file.name, number, m[1].strip().capitalize()))
    sections: dict[str, list[tuple[str, str]]] = {}
    for d in shown:
        above = [t for f, n, t in titles if f == d.op.place.file and n < d.op.place.line]
        sections.setdefault(above[-1] if above else "Operations", []).append(
            (d.op.name, d.op.doc.get("short", "").replace("|", "\\|"))
        )
    return tuple((title, tuple(ops)) for title, ops in sections.items())
