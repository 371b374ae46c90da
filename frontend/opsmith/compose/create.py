"""Creation functions under the names the registry gives them, and conversions."""

from __future__ import annotations

import math
from typing import Any

from .. import _functions as f
from .._core import Tensor, as_operand
from .._create import empty_like, full_like, ones_like, zeros_like
from .._dtypes import float64


def float_power(input: Any, exponent: Any) -> Tensor:
    """``input`` raised to ``exponent``, both in double precision."""
    return f.pow(as_operand(input).to(float64), as_operand(exponent).to(float64))




def mvlgamma(input: Tensor, p: int) -> Tensor:
    """log of the multivariate gamma function: a product over p dimensions."""
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1, got {p}")
    terms = [f.lgamma(f.sub(input, 0.5 * j)) for j in range(p)]
    total = terms[0]
    for term in terms[1:]:
        total = f.add(total, term)
    return f.add(total, p * (p - 1) / 4 * math.log(math.pi))


def underived(input: Tensor) -> Tensor:
    """The gradient of a gradient of a gradient of an index formula that is not linear."""
    raise RuntimeError(
        "a derivative of the fourth order: index formulas that are not linear in their operands "
        "have derivatives up to the third"
    )


__all__ = [
    "empty_like", "float_power", "full_like", "mvlgamma", "ones_like", "underived", "zeros_like",
]  # fmt: skip
