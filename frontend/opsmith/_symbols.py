"""Names of programs that are traced: sizes are plain numbers here, and control flow is Python's."""

from __future__ import annotations

import math

from ._core import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class SymInt:
    """The class of symbolic sizes; there are none."""


class SymFloat:
    """The class of symbolic floats; there are none."""


class SymBool:
    """The class of symbolic truth values; there are none."""


def sym_int(a: Any) -> int:
    """Truncated to an int."""
    return math.trunc(a)


def sym_float(a: Any) -> float:
    """As a float."""
    return float(a)


def sym_not(a: Any) -> bool:
    """The other truth value."""
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """The larger; a float if one of them is."""
    return _like(max(a, b), a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller; a float if one of them is."""
    return _like(min(a, b), a, b)


def _like(v: Any, a: Any, b: Any) -> Any:
    return float(v) if isinstance(a, float) or isinstance(b, float) else v


def sym_sum(args: Any) -> Any:
    """The sum of sizes."""
    return sum(args)


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """``t`` if b, else ``f``."""
    return t if b else f


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return math.sqrt(a)


def cond(
    pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any = ()
) -> Any:
    """One function or the other, by a truth value or a tensor of one element."""
    if not (callable(true_fn) and callable(false_fn)):
        raise RuntimeError("Expect both branches to be callable.")
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    return (true_fn if pred else false_fn)(*operands)


def while_loop(
    cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any
) -> Any:
    """``body_fn`` of what it gave last, as long as ``cond_fn`` of that holds."""
    carried = tuple(carried_inputs)
    while cond_fn(*carried):
        found = body_fn(*carried)
        carried = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    return carried
