"""In: an OpDef's samples. Out: the scalar settings and the tensor values the gate tries.

Must not know: formulas. Deterministic: the seed of an entry is its name.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, TypeAlias

from ..opdef import OpDef
from ..reader import literal
from ..readings.mp import mpf
from ..schema import Param

Point: TypeAlias = dict[str, Any]  # tensor -> float, int, bool or None
RANGE = (-3.0, 3.0)
SPECIALS = (0.0, 1.0, -1.0, 1e-8, -1e-8, 20.0, -20.0, 1e3, -1e3, 1e6, -1e6)
MOST = 64  # points an argument
_FILL = {"Scalar": 0.7, "float": 0.7, "int": 1, "bool": False, "str": ""}


@dataclass(frozen=True)
class Setting:
    """One choice of everything that is not a tensor; ``absent`` optional tensors are None."""

    scalars: Mapping[str, Any]
    absent: frozenset[str]
    sample: Mapping[str, object]

    def bounds(self, param: str) -> tuple[float, float]:
        """The range tensor ``param`` is drawn from."""
        chosen = self._own("range", param)
        if not isinstance(chosen, list) or len(chosen) != 2:
            return RANGE
        return float(chosen[0]), float(chosen[1])

    def values(self, param: str) -> list[float]:
        """The values tensor ``param`` is drawn from, where the sample lists them."""
        chosen = self._own("values", param)
        return [float(v) for v in chosen] if isinstance(chosen, list) else []

    def choices(self, op: OpDef, param: str) -> list[Any]:
        """What a tensor that is a condition or an index is drawn from; nothing for numbers."""
        kind = op.dtype.classes.get(param)
        if kind == "bool":
            return [False, True]
        chosen = self._own("int_range", param)
        low, high = chosen if isinstance(chosen, list) and len(chosen) == 2 else (0, 3)
        return list(range(low, min(high, low + 7) + 1)) if kind == "integral" else []

    def _own(self, key: str, param: str) -> object:
        chosen = self.sample.get(key)
        return chosen.get(param) if isinstance(chosen, dict) else chosen


def seed(op: OpDef) -> random.Random:
    """The entry's own source of numbers."""
    return random.Random(zlib.crc32(op.name.encode()))


def settings(op: OpDef) -> list[Setting]:
    """The distinct settings of the samples, in order; defaults where there are none."""
    found: dict[str, Setting] = {}
    for sample in op.samples or ({},):
        scalars = {
            p.name: _scalar(op, p, sample) for p in op.schema.params if p.type.base != "Tensor"
        }
        absent = frozenset(
            p.name for p in op.schema.tensors if p.type.optional and sample.get(p.name) is None
        )
        key = repr((scalars, sorted(absent), sample.get("range"), sample.get("values")))
        found.setdefault(key, Setting(scalars, absent, sample))
    return list(found.values())


def _scalar(op: OpDef, p: Param, sample: Mapping[str, object]) -> Any:
    value: object = sample.get(p.name, literal(p.default) if p.default is not None else None)
    if p.name not in sample and p.default is None and not p.type.optional:
        value = _FILL.get(p.type.base)
    others = {q.name for q in op.schema.params}
    if isinstance(value, str) and value in others and value != p.name:  # int[2] stride=kernel
        value = _scalar(op, op.schema.param(value), sample)
    if p.type.is_list and isinstance(value, int | float):
        value = [value] * (p.type.length or 1)
    return lift(value)


def lift(value: Any) -> Any:
    """A Python value as the mp reading computes with it."""
    return mpf(value) if isinstance(value, float) else value


def points(op: OpDef, setting: Setting, count: int, rng: random.Random) -> list[Point]:
    """At most ``count`` points: combinations of specials first (ties among them), then random."""
    tensors = [p.name for p in op.schema.tensors if p.name not in setting.absent]
    if not tensors:
        return [dict.fromkeys(setting.absent)]
    special = [_specials(op, setting, t) for t in tensors]
    crossed = list(islice(product(*special), 4096))
    if len(crossed) > count // 2:
        corners = [row for row in zip(*special, strict=False)][:8]
        crossed = corners + rng.sample(crossed, max(0, count // 2 - len(corners)))
    drawn = [tuple(draw(op, setting, t, rng) for t in tensors) for _ in range(count - len(crossed))]
    none = dict.fromkeys(setting.absent)
    return [{**dict(zip(tensors, row, strict=True)), **none} for row in (*crossed, *drawn)]


def _specials(op: OpDef, setting: Setting, param: str) -> list[Any]:
    if setting.choices(op, param):
        return setting.choices(op, param)
    if setting.values(param):
        return setting.values(param)
    low, high = setting.bounds(param)
    ends = [v for v in (low, high) if abs(v) != float("inf")]
    own = [float(v) for v in setting.scalars.values() if isinstance(v, int | mpf)]  # thresholds
    tried = (*SPECIALS, *ends, *own, *(-v for v in own))
    return [v for v in dict.fromkeys(tried) if low <= v <= high]


def draw(op: OpDef, setting: Setting, param: str, rng: random.Random) -> Any:
    """One value of a tensor's element; few digits, so that messages are readable."""
    if setting.choices(op, param):
        return rng.choice(setting.choices(op, param))
    if setting.values(param):
        return rng.choice(setting.values(param))
    low, high = setting.bounds(param)
    low, high = max(low, -1e6), min(high, 1e6)
    value = rng.uniform(low, high)
    short = float(f"{value:.3g}")
    return short if low <= short <= high else value


def text(point: Mapping[str, Any], scalars: Mapping[str, Any], reads: set[str]) -> str:
    """``input=0.3, other=2.0``: the tensors, and the other arguments that matter."""
    shown = {**point, **{k: v for k, v in scalars.items() if k in reads}}
    return ", ".join(f"{k}={_show(v)}" for k, v in shown.items() if v is not None)


def _show(value: Any) -> str:
    return repr(float(value)) if isinstance(value, mpf) else repr(value)
