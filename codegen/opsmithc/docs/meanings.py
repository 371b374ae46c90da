"""In: an op. Out: its meaning as labelled formulas in LaTeX.

Must not know: pages, or what renders the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..formula import Node, parse
from ..opdef import Accumulate, Body, Compose, Index, OpDef, Out, Reduce, Reference, Scan, View
from ..readings.latex import latex


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
            found = [("For every index of the result:", rf"{latex(target)} = {latex(value)}")]
            if op.let:
                named = _lines([_equation(name, f.node) for name, f in op.let.items()])
                found.append(("With", named))
            for name, f in op.outside.items():
                found.append((f"Beyond the edges of `{name}`:", latex(f.node)))
            return found
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
    return "\\begin{array}{l}\n" + inner + "\n\\end{array}"
