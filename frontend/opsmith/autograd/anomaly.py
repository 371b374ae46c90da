"""Anomaly mode: which forward call made the node whose backward failed or gave NaN?

While it is on, sequence numbers are ints that carry the stack of the call that asked for them, and
the recorded engine checks every gradient. Off, nothing of this runs.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import Any

from .. import _core, _functions
from .._boundary import lib
from .._core import Tensor, grad_enabled
from .._dtypes import DTYPES
from . import engine
from .graph import class_name

_plain_seq = _core.seq
_state = {"on": False, "nan": True}


_OWN = ("/opsmith/_", "/opsmith/autograd/", "/opsmith/compose/", "<frozen")  # no lines of a user's


class _Traced(int):
    """A sequence number that remembers where it was drawn."""

    trace: list[str]


def _traced_seq() -> int:
    number = _Traced(_plain_seq())
    frames = traceback.extract_stack(sys._getframe(1))
    own = [
        f
        for f in frames
        if not any(part in f.filename for part in _OWN)
    ]
    number.trace = traceback.format_list(own)
    return number


def _users() -> list[Any]:
    """Modules that draw sequence numbers by a name of their own."""
    return [
        m
        for name, m in list(sys.modules.items())
        if (name == "opsmith" or name.startswith("opsmith."))
        and m is not None
        and m is not sys.modules[__name__]
        and vars(m).get("seq") in (_plain_seq, _traced_seq)
    ]


def _switch(on: bool, nan: bool) -> None:
    _state["on"], _state["nan"] = on, nan
    for m in _users():
        vars(m)["seq"] = _traced_seq if on else _plain_seq
    engine.watch(checked=_checked if on else None)


def _checked(fn: Any, node: list[Any], g: Any) -> Any:
    """The recorded form of a node, with its errors explained and its results looked at."""
    try:
        out = fn.recorded(node, g)
    except Exception:
        _explain(fn, node)
        raise
    if _state["nan"]:
        for k, t in enumerate(out):
            if isinstance(t, Tensor) and _has_nan(t):
                _explain(fn, node)
                raise RuntimeError(
                    f"Function '{class_name(fn.op)}' returned nan values in its {k}th output."
                )
    return out


def _has_nan(t: Tensor) -> bool:
    if not DTYPES[lib.ops_dtype(t._h)].is_floating_point or lib.ops_device(t._h) == 1:
        return False
    was = grad_enabled()
    lib.ops_set_grad_enabled(0)
    try:
        return bool(_functions.any(_functions.isnan(t)))
    finally:
        lib.ops_set_grad_enabled(was)


def _explain(fn: Any, node: list[Any]) -> None:
    trace = getattr(node[0], "trace", None)
    name = class_name(fn.op)
    if trace is None:
        warnings.warn(
            f"Error detected in {name}. No forward pass information available. Enable detect "
            "anomaly during "
            "forward pass for more information.",
            stacklevel=2,
        )
    else:
        warnings.warn(
            f"Error detected in {name}. Traceback of forward call that caused the "
            f"error:\n{''.join(trace)}",
            stacklevel=2,
        )


def is_anomaly_enabled() -> bool:
    """Is anomaly mode on?"""
    return _state["on"]


def is_anomaly_check_nan_enabled() -> bool:
    """Are gradients searched for NaN?"""
    return _state["nan"]


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switch anomaly mode on or off."""
    _switch(bool(mode), bool(check_nan))


class set_detect_anomaly:
    """Switch anomaly mode at once; as a context manager, until the block ends."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._was = (_state["on"], _state["nan"])
        _switch(bool(mode), check_nan)

    def __enter__(self) -> None:
        """Already switched."""

    def __exit__(self, *_: Any) -> None:
        _switch(*self._was)


class detect_anomaly:
    """A block in which anomaly mode is on."""

    def __init__(self, check_nan: bool = True) -> None:
        self._nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.", stacklevel=2,
        )  # fmt: skip

    def __enter__(self) -> None:
        self._was = (_state["on"], _state["nan"])
        _switch(True, self._nan)

    def __exit__(self, *_: Any) -> None:
        _switch(*self._was)


__all__ = [
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_anomaly_enabled",
    "set_detect_anomaly",
]
