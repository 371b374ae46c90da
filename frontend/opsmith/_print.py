"""Text of tensors, as PyTorch prints them.

A formatter looks at all the numbers that will be shown and chooses one width and style for them;
nested brackets, summarising dots and the suffixes (dtype, device, gradient) are put around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ._boundary import lib
from ._core import Leaf, Tensor, alias
from ._dtypes import DTYPES, bool_, int64

_SUBCLASS = 2
_META = 1


@dataclass
class Options:
    """What ``set_printoptions`` sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = Options()
_PROFILES: dict[str, tuple[int, float, int, int]] = {
    "default": (4, 1000, 3, 80),
    "short": (2, 1000, 2, 80),
    "full": (4, math.inf, 3, 80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed.

    Args:
        precision: digits behind the decimal point.
        threshold: larger tensors are summarised.
        edgeitems: items shown at either end of a summarised dimension.
        linewidth: characters a line.
        profile: ``default``, ``short`` or ``full``; the other arguments override it.
        sci_mode: scientific notation always (True), never (False) or as needed (None).
    """
    if profile is not None:
        chosen = _PROFILES[profile]
        OPTIONS.precision, OPTIONS.threshold, OPTIONS.edgeitems, OPTIONS.linewidth = chosen
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


# Numbers -----------------------------------------------------------------------------------------


def _float_format(values: list[float]) -> tuple[Callable[[float], str], int]:
    """The style for these floats, and its width."""
    shown = [v for v in values if v != 0 and math.isfinite(v)]
    if not shown:
        return _whole, 1
    p = OPTIONS.precision
    largest, smallest = max(map(abs, shown)), min(map(abs, shown))
    whole = all(v == math.floor(v) for v in shown)
    scientific = largest / smallest > 1000 or largest > 1e8 or (not whole and smallest < 1e-4)
    if OPTIONS.sci_mode is not None:
        scientific = OPTIONS.sci_mode
    if scientific:
        style: Callable[[float], str] = lambda v: f"{v:.{p}e}"  # noqa: E731
    elif whole:
        style = _whole
    else:
        style = lambda v: f"{v:.{p}f}"  # noqa: E731
    return style, max(map(len, map(style, shown)))


def _whole(v: float) -> str:
    return f"{v:.0f}." if math.isfinite(v) else f"{v:.0f}"


def _style(values: list[Any], floating: bool) -> tuple[Callable[[Any], str], int]:
    if floating:
        return _float_format(values)
    return str, max(map(len, map(str, values)), default=0)


# Brackets ----------------------------------------------------------------------------------------

_DOTS = object()  # stands for what a summary leaves out


def _nested(t: Tensor, summarise: bool) -> Any:
    """The values that will be shown, as nested lists; a summary has ``_DOTS`` in its gaps."""
    if t.ndim == 0:
        return t.item()
    n, e = t.shape[0], OPTIONS.edgeitems
    if t.ndim == 1:
        if summarise and n > 2 * e:
            return [*_part(t, 0, e), _DOTS, *_part(t, n - e, e)]
        return t.tolist()
    rows: Iterator[int] | range = range(n)
    if summarise and n > 2 * e:
        rows = iter((*range(e), -1, *range(n - e, n)))
    return [_DOTS if k < 0 else _nested(t.select(0, k), summarise) for k in rows]


def _part(t: Tensor, start: int, length: int) -> list[Any]:
    return t.narrow(0, start, length).tolist()  # type: ignore[no-any-return]


def _flat(nested: Any) -> list[Any]:
    if not isinstance(nested, list):
        return [] if nested is _DOTS else [nested]
    return [v for item in nested for v in _flat(item)]


def _text_of(nested: Any, ndim: int, indent: int, style: Callable[[Any], str], width: int) -> str:
    if ndim == 0:
        return style(nested).rjust(width)
    if ndim == 1:
        per_line = max(1, (OPTIONS.linewidth - indent) // (width + 2))
        words = [" ..." if v is _DOTS else style(v).rjust(width) for v in nested]
        lines = [", ".join(words[k : k + per_line]) for k in range(0, len(words), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    parts = [
        "..." if v is _DOTS else _text_of(v, ndim - 1, indent + 1, style, width) for v in nested
    ]
    return "[" + ("," + "\n" * (ndim - 1) + " " * (indent + 1)).join(parts) + "]"


# Tensors -----------------------------------------------------------------------------------------


def text(t: Tensor) -> str:
    """What ``repr(t)`` gives."""
    from ._create import get_default_dtype

    code = lib.ops_dtype(t._h)
    dtype = DTYPES[code]
    default = get_default_dtype()
    name = "tensor" if isinstance(t, Tensor) and _plain(t) else type(t).__name__
    prefix = name + "("
    indent = len(prefix)
    suffixes: list[str] = []
    place = lib.ops_device(t._h)
    if place:
        suffixes.append(f"device='{t.device}'")
    if place == _META:
        suffixes.append(f"size={tuple(t.shape)}")
        if dtype is not default:
            suffixes.append(f"dtype={dtype!r}")
        body = "..."
    elif t.numel() == 0:
        if t.ndim != 1:
            suffixes.append(f"size={tuple(t.shape)}")
        if dtype is not default:
            suffixes.append(f"dtype={dtype!r}")
        body = "[]"
    else:
        if dtype is not default and dtype is not int64 and dtype is not bool_:
            suffixes.append(f"dtype={dtype!r}")
        bare = alias(t._h)
        lib.ops_set_flag(bare._h, _SUBCLASS, 0)
        nested = _nested(bare, t.numel() > OPTIONS.threshold)
        style, width = _style(_flat(nested), dtype.is_floating_point)
        body = _text_of(nested, t.ndim, indent, style, width)
    node = t._node
    if node is not None and node.__class__ is not Leaf:
        suffixes.append(f"grad_fn=<{type(t.grad_fn).__name__}>")
    elif node is not None:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + body, suffixes, indent)


def _plain(t: Tensor) -> bool:
    return type(t) is Tensor or type(t).__name__ == "Parameter"


def _with_suffixes(body: str, suffixes: list[str], indent: int) -> str:
    """Suffixes stay on the line while they fit."""
    column = len(body) - body.rfind("\n") + 1
    parts = [body]
    for suffix in suffixes:
        if column + len(suffix) + 2 > OPTIONS.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            column = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            column += len(suffix) + 2
    return "".join(parts) + ")"


__all__ = ["OPTIONS", "set_printoptions", "text"]
