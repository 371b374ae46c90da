"""In: an op that is a function of one number. Out: value and gradient as an SVG picture.

Must not know: pages, or the frontend: values are those of the NumPy reading. Imports matplotlib.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import emit, samples
from ..derive.op import Derived
from ..formula import calls
from ..intrinsics import table
from ..opdef import Body, OpDef, Out, by_name
from ..reader import literal
from ..readings.np import evaluate_np
from ..readings.value import NoValue, Values

POINTS = 801
WINDOW = (-5.0, 5.0)
LEAST = 6.0  # the height that a picture has at least, so that flat functions look flat
MOST = 8.0  # values beyond are cut off: poles and exponentials would flatten the rest
BLUE, RED, GREY = "#4c8dd6", "#e0655a", "#8a8f98"  # seen on white and on black
Curve = tuple[Any, Any]
KEY = "<!-- made from {} -->"


def univariate(d: Derived, known: Mapping[str, OpDef]) -> bool:
    """Is the op a function of one number, element by element, with numbers as results?"""
    op = d.op
    tensors = [p for p in op.schema.params if p.type.base == "Tensor"]
    return (
        len(tensors) == 1 and not tensors[0].type.is_list and not tensors[0].type.optional
        and len(op.schema.outputs) == 1 and not op.random and not op.dtype.classes
        and op.dtype.kind != "always_bool" and not samples.refusal(op, samples.FLOAT)
        and _pointwise(op, known)
    )  # fmt: skip


def _pointwise(op: OpDef, known: Mapping[str, OpDef]) -> bool:
    """Is the op a formula, or does it call nothing but such ops?"""
    if not isinstance(op.meaning, Body):
        return isinstance(op.meaning, Out)
    trees = [t for _, b, _ in op.meaning.cases for t in (*(v for _, v in b.lets), b.result)]
    named = {fn for tree in trees for fn in calls(tree)} - {"where", *table()}
    return all(fn in known and _pointwise(known[fn], known) for fn in named)


def curves(d: Derived, values: Values) -> tuple[Curve, Curve | None, str]:
    """(x, value), (x, gradient) or None, and the arguments that were given, as text."""
    op = d.op
    name = op.schema.tensors[0].name
    given, text = _arguments(op)
    x = np.linspace(*WINDOW, POINTS)

    def value(x: Any) -> Any:
        return np.asarray(values.outputs(op, {**given, name: x})[0], float) + 0 * x

    finite = x[np.isfinite(value(x))]
    if len(finite) and np.ptp(finite) < 0.45 * (WINDOW[1] - WINDOW[0]):  # such as asin's domain
        edge = 0.06 * float(np.ptp(finite))
        x = np.linspace(float(finite[0]) - edge, float(finite[-1]) + edge, POINTS)
    y = value(x)
    return (x, y), _slope(d, x, y, given, value), text


def _slope(d: Derived, x: Any, y: Any, given: Any, value: Callable[[Any], Any]) -> Curve | None:
    op, name = d.op, d.op.schema.tensors[0].name
    if name in d.gradients and d.gradients[name].elementwise:
        env = {**given, name: x, op.schema.outputs[0]: y, "g": np.ones_like(x)}
        return x, np.asarray(evaluate_np(d.gradients[name].formula, env), float) + 0 * x
    if isinstance(op.meaning, Body) and "backward" not in op.unsupported:
        h = 1e-5  # the ops it calls have the gradients; their chain is differenced here
        return x, (value(x + h) - value(x - h)) / (2 * h)
    return None


def _arguments(op: OpDef) -> tuple[dict[str, Any], str]:
    """Every other argument: its default, else what the first sample gives."""
    first = samples.case(op, 0, op.samples[0], samples.FLOAT).args
    found, shown = {}, []
    for p in op.schema.params:
        if p.type.base == "Tensor":
            continue
        found[p.name] = first[p.name] if p.default is None else literal(p.default)
        if p.type.base in ("Scalar", "int", "float") and found[p.name] is not None:
            shown.append(f"{p.name} = {found[p.name]:g}")
    return found, ", ".join(shown)


def _broken(x: Any, y: Any, height: float) -> Curve:
    """The curve with gaps where it jumps, so that a jump is not drawn as a line."""
    y = np.where(np.abs(y) > 4 * MOST, np.nan, y)
    jumps = np.flatnonzero(np.abs(np.diff(y)) > height / 25) + 1
    return np.insert(x, jumps, np.nan), np.insert(y, jumps, np.nan)


def draw(d: Derived, values: Values) -> str:
    """The picture, as the text of an SVG file; the same for the same op."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    value, slope, given = curves(d, values)
    lines = [("value", BLUE, "-", value)] + ([("gradient", RED, "--", slope)] if slope else [])
    low, high = _limits([y for *_, (_, y) in lines])
    with matplotlib.rc_context({"svg.hashsalt": "opsmith", "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(5.6, 3.4), layout="constrained")
        for label, color, style, (x, y) in lines:
            axes.plot(*_broken(x, y, high - low), style, color=color, linewidth=2, label=label)
        axes.set_ylim(low, high)
        axes.axhline(0, color=GREY, linewidth=0.8)
        if value[0][0] < 0 < value[0][-1]:
            axes.axvline(0, color=GREY, linewidth=0.8)
        axes.grid(color=GREY, alpha=0.25)
        axes.tick_params(colors=GREY)
        axes.spines[:].set_visible(False)
        name = d.op.schema.tensors[0].name
        axes.set_xlabel(f"{name}   ({given})" if given else name, color=GREY)
        axes.legend(labelcolor=GREY, framealpha=0)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(figure)
    return file.getvalue()


def _limits(curves: Sequence[Any]) -> tuple[float, float]:
    """The range of heights shown: all of the curves, but not what is beyond MOST."""
    seen = np.concatenate([y[np.isfinite(y)] for y in curves])
    low, high = (min(MOST, max(-MOST, float(v))) for v in (seen.min(), seen.max()))
    if high - low < LEAST / 3:
        middle = (low + high) / 2
        low, high = middle - LEAST / 6, middle + LEAST / 6
    edge = 0.05 * (high - low)
    return math.floor(100 * (low - edge)) / 100, math.ceil(100 * (high + edge)) / 100


def write_plots(
    folder: Path, shown: Sequence[Derived], known: Sequence[Derived]
) -> Iterator[str]:
    """Write ``folder``/<op>.svg for every function of one number; yields names as they are done.

    A picture that was made from the same entry by the same code is kept.
    """
    ops = [d.op for d in known]
    values, named = Values(ops), by_name(ops)
    code = Path(__file__).read_bytes()
    for d in shown:
        if not univariate(d, named):
            continue
        path = folder / f"{d.op.name}.svg"
        digest = hashlib.sha256(code + d.op.text.encode() + repr(d.gradients).encode())
        key = KEY.format(digest.hexdigest()[:16])
        if not path.exists() or not path.read_text(encoding="utf-8").rstrip().endswith(key):
            try:
                emit.write(path, f"{draw(d, values).rstrip()}\n{key}\n")
            except NoValue as e:  # pragma: no cover - found by the test of all pages
                raise AssertionError(f"{d.op.name} cannot be drawn: {e}") from e
        yield d.op.name
