"""A graph as SVG without Graphviz: operations in layers, edges as curves between them.

A vertex stands one layer below the lowest of what it reads. Within a layer the order follows the
mean place of the neighbours, swept down and up a few times (Sugiyama et al. 1981).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ._dot import made_by, tip
from ._style import FILL, FONT, LINE, MODULE, WIDTH

if TYPE_CHECKING:
    from ._graph import Graph, Vertex

SIZE, LEADING, PAD = 11, 14, 7
GAP, LEVEL = 22, 34  # between the boxes of a layer, between layers
SWEEPS = 6
CHARACTER = 6.4  # pixels a character takes


class _Box:
    """A vertex with its text, size and place."""

    def __init__(self, v: Vertex) -> None:
        self.v = v
        self.lines = v.lines() + ([made_by(v)] if v.kind == "op" and v.module else [])
        self.width = max(len(t) for t in self.lines) * CHARACTER + 2 * PAD
        self.height = len(self.lines) * LEADING + PAD
        self.x = self.y = 0.0
        self.layer = 0


def svg(g: Graph) -> str:
    """The picture."""
    boxes = {v.key: _Box(v) for v in g.vertices}
    above: dict[str, list[str]] = {key: [] for key in boxes}
    below: dict[str, list[str]] = {key: [] for key in boxes}
    for e in g.edges:
        above[e.target].append(e.source)
        below[e.source].append(e.target)
    layers = _layers(boxes, above, below)
    _order(layers, above, below)
    width, height = _place(layers, boxes, above, below)
    across = g.direction == "LR"
    if across:
        width, height = _turned(layers, boxes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}, sans-serif" '
        f'font-size="{SIZE}">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" '
        f'markerHeight="6" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{LINE}"/></marker>'
        "</defs>",
    ]
    parts += [_curve(boxes[e.source], boxes[e.target], across) for e in g.edges]
    parts += [_drawn(b) for b in boxes.values()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _layers(
    boxes: dict[str, _Box], above: dict[str, list[str]], below: dict[str, list[str]]
) -> list[list[str]]:
    """Keys by layer; leaves stand right above their first reader."""
    left = {key: len(sources) for key, sources in above.items()}
    ready = [key for key in boxes if not left[key]]
    while ready:
        key = ready.pop()
        for target in below[key]:
            boxes[target].layer = max(boxes[target].layer, boxes[key].layer + 1)
            left[target] -= 1
            if not left[target]:
                ready.append(target)
    for key, b in boxes.items():
        if not above[key] and below[key]:
            b.layer = min(boxes[t].layer for t in below[key]) - 1
    layers: list[list[str]] = [[] for _ in range(1 + max(b.layer for b in boxes.values()))]
    for key, b in boxes.items():
        layers[b.layer].append(key)
    return layers


def _order(
    layers: list[list[str]], above: dict[str, list[str]], below: dict[str, list[str]]
) -> None:
    place = {key: float(k) for layer in layers for k, key in enumerate(layer)}
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            near = above if down else below
            mean = {
                key: sum(place[n] for n in near[key]) / len(near[key]) if near[key] else place[key]
                for key in layer
            }
            layer.sort(key=mean.__getitem__)
            place.update({key: float(k) for k, key in enumerate(layer)})


def _place(
    layers: list[list[str]], boxes: dict[str, _Box], above: dict[str, list[str]],
    below: dict[str, list[str]],
) -> tuple[float, float]:  # fmt: skip
    """Give boxes their centres; returns the size of the picture."""
    y = float(PAD)
    for layer in layers:
        tall = max((boxes[key].height for key in layer), default=0.0)
        x = 0.0
        for key in layer:
            b = boxes[key]
            b.x, b.y = x + b.width / 2, y + tall / 2
            x += b.width + GAP
        y += tall + LEVEL
    for sweep in range(SWEEPS):
        near = above if sweep % 2 == 0 else below
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _pull(layer, boxes, near)
    left = min(b.x - b.width / 2 for b in boxes.values()) - PAD
    for b in boxes.values():
        b.x -= left
    return max(b.x + b.width / 2 for b in boxes.values()) + PAD, y - LEVEL + PAD


def _pull(layer: list[str], boxes: dict[str, _Box], near: dict[str, list[str]]) -> None:
    """Move the boxes of a layer towards the mean of their neighbours, as far as there is room."""
    wanted = {
        key: sum(boxes[n].x for n in near[key]) / len(near[key]) if near[key] else boxes[key].x
        for key in layer
    }
    edge = float("-inf")
    for key in layer:
        b = boxes[key]
        b.x = max(wanted[key], edge + b.width / 2)
        edge = b.x + b.width / 2 + GAP
    edge = float("inf")
    for key in reversed(layer):
        b = boxes[key]
        b.x = min(b.x, edge - b.width / 2)
        edge = b.x - b.width / 2 - GAP


def _turned(layers: list[list[str]], boxes: dict[str, _Box]) -> tuple[float, float]:
    """The same from left to right."""
    x = float(PAD)
    for layer in layers:
        wide = max((boxes[key].width for key in layer), default=0.0)
        y = 0.0
        for key in layer:
            b = boxes[key]
            b.x, b.y = x + wide / 2, y + b.height / 2 + PAD
            y += b.height + GAP
        x += wide + LEVEL
    return x - LEVEL + PAD, max(b.y + b.height / 2 for b in boxes.values()) + PAD


def _curve(a: _Box, b: _Box, across: bool) -> str:
    if across:
        x, y, u, v = a.x + a.width / 2, a.y, b.x - b.width / 2, b.y
        bend = f"C{(x + u) / 2:.1f},{y:.1f} {(x + u) / 2:.1f},{v:.1f}"
    else:
        x, y, u, v = a.x, a.y + a.height / 2, b.x, b.y - b.height / 2
        bend = f"C{x:.1f},{(y + v) / 2:.1f} {u:.1f},{(y + v) / 2:.1f}"
    return (
        f'<path d="M{x:.1f},{y:.1f} {bend} {u:.1f},{v:.1f}" fill="none" stroke="{LINE}" '
        'marker-end="url(#arrow)"/>'
    )


def _drawn(b: _Box) -> str:
    v = b.v
    top = b.y - b.height / 2
    rows = []
    for k, line in enumerate(b.lines):
        style = ' font-weight="bold"' if k == 0 else ""
        if v.kind == "op" and v.module and k == len(b.lines) - 1:
            style = f' fill="{MODULE}" font-style="italic"'
        rows.append(
            f'<text x="{b.x:.1f}" y="{top + PAD / 2 + SIZE + k * LEADING:.1f}" '
            f'text-anchor="middle"{style}>{escape(line)}</text>'
        )
    box = (
        f'<rect x="{b.x - b.width / 2:.1f}" y="{top:.1f}" width="{b.width:.1f}" '
        f'height="{b.height:.1f}" rx="5" fill="{FILL[v.kind]}" stroke="{LINE}" '
        f'stroke-width="{WIDTH[v.kind]}"/>'
    )
    return f"<g><title>{escape(tip(v))}</title>{box}{''.join(rows)}</g>"
