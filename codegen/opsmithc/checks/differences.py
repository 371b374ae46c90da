"""In: a function at 60 digits. Out: its one-sided derivatives, and whether two numbers agree.

Must not know: where the function comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..readings.mp import DIGITS, finite, mp, mpf

STEP = mpf(10) ** -22  # differences keep 60 - 22 digits, the error of a step is below 1e-22
RELATIVE = mpf(10) ** -10  # constants in formulas are doubles: 1e-16, a few of them, amplified
ABSOLUTE = mpf(10) ** -14
COARSE = mpf(10) ** -9  # a step that does not see jumps of 1e-16, the rounding of a constant
JUMP = mpf(10) ** -12  # a change of f over STEP beyond this is a jump or a vertical tangent
_NOISE = mpf(10) ** (2 - DIGITS)


@dataclass(frozen=True, slots=True)
class Slopes:
    """Derivatives from the left and from the right; ``noise`` is how far they can be trusted."""

    left: Any
    right: Any
    noise: Any

    @property
    def smooth(self) -> bool:
        """Do the two agree?"""
        return agree(self.left, self.right, self.noise)

    @property
    def middle(self) -> Any:
        """The central difference."""
        return (self.left + self.right) / 2

    def between(self, value: Any) -> bool:
        """Is ``value`` a generalised derivative: between the two?"""
        low, high = min(self.left, self.right), max(self.left, self.right)
        return bool(low <= value <= high) or self.touches(value)

    def touches(self, value: Any) -> bool:
        """Is ``value`` one of the two?"""
        return agree(value, self.left, self.noise) or agree(value, self.right, self.noise)


def slopes(f: Callable[[Any], Any], x: Any, fx: Any) -> Slopes | None:
    """The one-sided derivatives of ``f`` at ``x``; None where f jumps or is not finite nearby.

    Where the branches of a ``where`` meet up to the rounding of a constant (a + 0.693...), the
    fine step sees a tiny jump as two steep slopes; the coarse step sees through it.
    """
    fine = _slopes(f, x, fx, STEP)
    if fine is None or fine.smooth:
        return fine
    coarse = _slopes(f, x, fx, COARSE)
    if coarse is None:
        return fine
    rough = Slopes(coarse.left, coarse.right, mpf(10) ** -6 * (1 + abs(coarse.middle)))
    steep = max(abs(fine.left), abs(fine.right)) > 1000 * (1 + abs(coarse.middle))
    return rough if rough.smooth or steep else fine


def _slopes(f: Callable[[Any], Any], x: Any, fx: Any, step: Any) -> Slopes | None:
    h = step * max(1, abs(x))
    up, down = f(x + h), f(x - h)
    if not (finite(up) and finite(down)):
        return None
    size = abs(fx)
    most = max(JUMP, step * 1000) * (1 + size)
    if abs(up - fx) > most or abs(fx - down) > most:
        return None
    return Slopes((fx - down) / h, (up - fx) / h, size * _NOISE / h)


def agree(a: Any, b: Any, noise: Any = 0) -> bool:
    """Equal up to the rounding of double constants; NaN agrees with NaN."""
    if not (finite(a) and finite(b)):
        return bool(a == b or (a != a and b != b))
    return bool(abs(a - b) <= RELATIVE * max(abs(a), abs(b)) + ABSOLUTE + noise)


def show(value: Any, other: Any = None) -> str:
    """A number for a message: 6 digits, or as many as tell it from ``other``."""
    if isinstance(value, bool):
        return str(value)
    digits = 6
    if other is not None and not isinstance(other, bool) and value != other:
        while digits < 18 and mp.nstr(mpf(value), digits) == mp.nstr(mpf(other), digits):
            digits += 1
    text: str = mp.nstr(mpf(value), digits)
    return text.removesuffix(".0").removeprefix("+")
