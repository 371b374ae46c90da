"""Tensors in notebooks: a line that says what they are, and their values.

One or two dimensions are a table, coloured by value; the rest is the text that ``print`` shows.
"""

from __future__ import annotations

import math
from html import escape
from typing import Any

from ._boundary import lib
from ._core import Leaf, Tensor, alias
from ._print import _DOTS, OPTIONS, _flat, _nested, _style, text

CELLS = 24  # a table has at most so many columns
STYLE = "border-collapse:collapse; font-family:monospace; font-size:12px; text-align:right"


def html(t: Tensor) -> str:
    """What ``t._repr_html_()`` gives."""
    head = f'<div style="font-family:sans-serif; font-size:12px; opacity:0.75">{_head(t)}</div>'
    shown = min(t.shape[-1], 2 * OPTIONS.edgeitems + 1) if t.numel() > OPTIONS.threshold else 0
    fits = t.ndim in (1, 2) and 0 < (shown or t.shape[-1]) <= CELLS and t.numel() > 0
    if not fits or lib.ops_device(t._h) == 1:
        return f"{head}<pre>{escape(text(t))}</pre>"
    bare = alias(t._h)
    lib.ops_set_flag(bare._h, 2, 0)
    nested = _nested(bare, t.numel() > OPTIONS.threshold)
    rows = nested if t.ndim == 2 else [nested]
    values = _flat(nested)
    style, _ = _style(values, t.is_floating_point())
    shade = _shades(values)
    lines = [_row(row, style, shade) for row in rows]
    return f'{head}<table style="{STYLE}">{"".join(lines)}</table>'


def _head(t: Tensor) -> str:
    size = " × ".join(map(str, t.shape)) or "scalar"
    parts = [f"<b>{escape(type(t).__name__)}</b> {size}", str(t.dtype).removeprefix("torch.")]
    if lib.ops_device(t._h):
        parts.append(str(t.device))
    if t._node.__class__ is Leaf:
        parts.append("requires grad")
    elif t._node is not None:
        parts.append(f"grad_fn {escape(type(t.grad_fn).__name__)}")
    return " · ".join(parts)


def _row(row: Any, style: Any, shade: Any) -> str:
    if row is _DOTS:
        return "<tr><td>⋮</td></tr>"
    cells = [
        "<td>…</td>"
        if v is _DOTS
        else f'<td style="padding:1px 6px; background:{shade(v)}">{escape(style(v))}</td>'
        for v in row
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _shades(values: list[Any]) -> Any:
    """Red above zero, blue below, the stronger the greater; nothing for what is not finite."""
    sizes = [abs(float(v)) for v in values if math.isfinite(v)]
    greatest = max(sizes, default=0.0)

    def shade(v: Any) -> str:
        if not greatest or not math.isfinite(v) or v == 0:
            return "transparent"
        colour = "214, 69, 65" if v > 0 else "52, 119, 219"
        return f"rgba({colour}, {0.45 * abs(float(v)) / greatest:.2f})"

    return shade


__all__ = ["html"]
