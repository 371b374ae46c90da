"""A graph in Graphviz's language; modules are boxes around what they made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._style import FILL, FONT, LINE, MODULE, WIDTH

if TYPE_CHECKING:
    from ._graph import Graph, Vertex


def dot(g: Graph) -> str:
    """The source text."""
    lines = [
        "digraph {",
        f'    graph [rankdir={g.direction}, fontname="{FONT}", fontsize=11]',
        f'    node [shape=box, style="filled,rounded", fontname="{FONT}", fontsize=11, '
        f'color="{LINE}", margin="0.12,0.06", height=0.3]',
        f'    edge [color="{LINE}", arrowsize=0.6, fontname="{FONT}", fontsize=9]',
    ]
    tree: dict[str, list[Vertex]] = {}
    for v in g.vertices:
        tree.setdefault(v.module if v.kind == "op" else "", []).append(v)
    for k, (module, members) in enumerate(tree.items()):
        pad = "    "
        if module:
            label = made_by(members[0])
            lines.append(f"    subgraph cluster_{k} {{")
            lines.append(
                f'        label={_quoted(label)}; style="rounded"; color="{MODULE}"; '
                f'fontcolor="{MODULE}"'
            )
            pad = "        "
        for v in members:
            label = "\\n".join(_escaped(line) for line in v.lines())
            lines.append(
                f'{pad}{v.key} [label="{label}", fillcolor="{FILL[v.kind]}", '
                f"penwidth={WIDTH[v.kind]}, tooltip={_quoted(tip(v))}]"
            )
        if module:
            lines.append("    }")
    outputs = {v.key: len(v.looks) for v in g.vertices}
    for e in g.edges:
        label = f' [label="{e.output}"]' if outputs[e.source] > 1 else ""
        lines.append(f"    {e.source} -> {e.target}{label}")
    return "\n".join([*lines, "}"]) + "\n"


def made_by(v: Vertex) -> str:
    """The module that made it, as text."""
    return v.module if v.module_kind in ("", v.module) else f"{v.module}: {v.module_kind}"


def tip(v: Vertex) -> str:
    where = f" in {v.module} ({v.module_kind})" if v.module else ""
    return f"{', '.join(v.lines())}{where}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'
