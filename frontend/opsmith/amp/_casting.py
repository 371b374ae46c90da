"""Autocast's state of a thread, and calls whose operands it converts.

The policy is the op's own, its entry's key ``autocast``: ``low`` computes in the dtype of the
block, ``f32`` in float32, ``widest`` in the widest dtype among the operands. Converted are floats
of the block's device other than float64. Inside such a call nothing more is converted.
"""

from __future__ import annotations

from threading import local

from .._boundary import AUTOCAST, check, lib
from .._core import Leaf, Tensor, freed, grad_enabled
from .._dtypes import DEVICES, bfloat16, float16, float32
from .._tensor_copies import _converted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._dtypes import dtype

LOW = {"cpu": bfloat16, "cuda": float16, "xpu": bfloat16, "mps": float16}  # what blocks start with
CASTS = {float32.code, bfloat16.code, float16.code}
_VIEW = 16


class _State(local):
    """One thread's blocks: for each device whether one is on, and its dtype."""

    def __init__(self) -> None:
        self.enabled: dict[str, bool] = dict.fromkeys(LOW, False)
        self.dtypes: dict[str, dtype] = dict(LOW)
        self.cache_enabled = True
        self.nesting = 0
        self.cache: dict[tuple[int, int], tuple[Tensor, int, Tensor]] = {}


STATE = _State()


def enable(device: str, on: bool) -> None:
    """Switch a device's blocks on or off."""
    STATE.enabled[device] = on
    flags = lib.ops_diverted_flags()
    lib.ops_divert(flags | AUTOCAST if any(STATE.enabled.values()) else flags & ~AUTOCAST)


def call(fn: Any, policy: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``fn`` on converted operands; a call that writes into a tensor converts nothing."""
    flags = lib.ops_diverted_flags()
    lib.ops_divert(flags & ~AUTOCAST)
    try:
        if policy != "keep" and kwargs.get("out") is None:
            target = _widest((*args, *kwargs.values())) if policy == "widest" else None
            args = tuple([_cast(a, policy, target) for a in args])
            kwargs = {k: _cast(v, policy, target) for k, v in kwargs.items()}
        return fn(*args, **kwargs)
    finally:
        lib.ops_divert(flags)


def _eligible(t: Tensor) -> bool:
    return lib.ops_dtype(t._h) in CASTS and STATE.enabled.get(_place(t), False)


def _place(t: Tensor) -> str:
    return DEVICES[lib.ops_device(t._h)].type


def _widest(values: Any) -> dtype | None:
    """The dtype that operands of several are brought to; None where none counts."""
    flat = [t for v in values for t in (v if isinstance(v, (list, tuple)) else (v,))]
    found = [t for t in flat if isinstance(t, Tensor) and _eligible(t)]
    if any(lib.ops_dtype(t._h) == float32.code for t in found):
        return float32
    return STATE.dtypes[_place(found[0])] if found else None


def _cast(v: Any, policy: str, target: dtype | None) -> Any:
    if isinstance(v, Tensor):
        code, place = lib.ops_dtype(v._h), _place(v)
        if code not in CASTS or not STATE.enabled.get(place):
            return v
        wanted = STATE.dtypes[place] if policy == "low" else target or float32
        if code == wanted.code:
            return v
        if code == float32.code and v._node.__class__ is Leaf and grad_enabled():
            return _kept(v, wanted)
        return _converted(v, check(lib.ops_convert_to(v._h, wanted.code, -1, 1, 0)))
    if isinstance(v, (list, tuple)):
        return [_cast(t, policy, target) for t in v]
    return v


def _kept(weight: Tensor, wanted: dtype) -> Tensor:
    """A weight is converted once in the outermost block, unless it was written in between."""
    key, version = (id(weight), wanted.code), lib.ops_version_of(weight._h)
    found = STATE.cache.get(key)
    if found is not None and found[1] == version and found[2]._node[1] is not freed:
        return found[2]
    converted = _converted(weight, check(lib.ops_convert_to(weight._h, wanted.code, -1, 1, 0)))
    if STATE.cache_enabled and not lib.ops_flags(weight._h) & _VIEW:
        STATE.cache[key] = weight, version, converted
    return converted
