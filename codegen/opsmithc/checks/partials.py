"""In: a row of intrinsics.yaml. Out: its partials, and forms at numbers, that disagree with it.

Must not know: ops.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import inf
from typing import Any

from ..errors import FormulaError, Place, RegistryError
from ..intrinsics import Intrinsic
from ..readings.mp import READING, evaluate_mp, finite, mpf
from .differences import agree, show, slopes

POINTS = (0.3, -0.7, 1.5, 0.0, 1.0, -1.0, -2.25, 2.75, 1e-8)
PAIRS = (0.3, -0.7, 1.5, 0.0, -2.25)


def check(row: Intrinsic, place: Place) -> tuple[int, list[RegistryError]]:
    """Compare every partial with the function's differences; kinks and poles are skipped."""
    if row.random or not row.args or not row.partials or "float" not in row.classes:
        return 0, []
    if len(row.partials) != len(row.args):
        message = f"{row.name}() has {len(row.args)} arguments but {len(row.partials)} partials"
        return 0, [RegistryError(place, message)]
    compared, errors = 0, {}
    try:
        fn = READING.function(row.name, 0)
        for values in product(POINTS if len(row.args) == 1 else PAIRS, repeat=len(row.args)):
            xs = [mpf(v) for v in values]
            out = fn(*xs)
            if not finite(out):
                continue
            env: dict[str, Any] = {**dict(zip(row.args, xs, strict=True)), "out": out}
            for k, (arg, partial) in enumerate(zip(row.args, row.partials, strict=True)):
                near = slopes(_along(fn, xs, k), xs[k], out)
                if arg in errors or near is None or not near.smooth:
                    continue
                compared += 1
                got = evaluate_mp(partial, env)
                if not agree(got, near.middle, near.noise):
                    at = ", ".join(f"{a}={v!r}" for a, v in zip(row.args, values, strict=True))
                    errors[arg] = RegistryError(
                        place, f"partial of '{arg}' of {row.name}() is wrong at {at}: "
                        f"declared {show(got, near.middle)}, "
                        f"the function gives {show(near.middle, got)}",
                    )  # fmt: skip
        compared += _forms(row, fn, place, errors)
    except FormulaError as e:
        return compared, [RegistryError(place, f"{row.name}() cannot be verified: {e.message}")]
    return compared, list(errors.values())


def _forms(
    row: Intrinsic, fn: Callable[..., Any], place: Place, errors: dict[str, RegistryError]
) -> int:
    """Compare what the function is said to be ``at`` numbers with the function."""
    compared = 0
    for name, number, form in row.at:
        rest = [a for a in row.args if a != name]
        for values in product((*POINTS, inf, -inf), repeat=len(rest)):
            env = {a: mpf(v) for a, v in zip(rest, values, strict=True)} | {name: mpf(number)}
            out = fn(*(env[a] for a in row.args))
            got = evaluate_mp(form, env)
            compared += 1
            if f"{name} {number}" not in errors and not agree(got, out):
                at = ", ".join(f"{a}={v!r}" for a, v in zip(rest, values, strict=True))
                errors[f"{name} {number}"] = RegistryError(
                    place, f"{row.name}() at {name} = {number:g} is wrong at {at}: "
                    f"declared {show(got, out)}, the function gives {show(out, got)}",
                )  # fmt: skip
    return compared


def _along(fn: Callable[..., Any], xs: list[Any], k: int) -> Callable[[Any], Any]:
    return lambda v: fn(*xs[:k], v, *xs[k + 1 :])
