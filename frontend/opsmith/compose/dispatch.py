"""Names that PyTorch overloads on the kind of their arguments, and pairs of results."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor, named_tuple
from .._create import tensor

_MAX = named_tuple("max", ("values", "indices"))
_MIN = named_tuple("min", ("values", "indices"))


def max(input: Tensor, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
    """``max(x)``, ``max(x, dim)`` or ``max(x, y)``."""
    return _extreme(input, dim, keepdim, other, f.max_all, f.max_dim, f.maximum, _MAX)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
    """``min(x)``, ``min(x, dim)`` or ``min(x, y)``."""
    return _extreme(input, dim, keepdim, other, f.min_all, f.min_dim, f.minimum, _MIN)


def _extreme(
    input: Tensor, dim: Any, keepdim: bool, other: Any, of_all: Any, along: Any, of_two: Any,
    result: Any,
) -> Any:  # fmt: skip
    if other is None and isinstance(dim, Tensor):  # whatever it holds
        dim, other = None, dim
    if other is not None:
        return of_two(input, other)
    return of_all(input) if dim is None else result(*along(input, dim, keepdim))


def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm over dims; 'fro' is the 2-norm."""
    if not isinstance(input, Tensor):
        raise TypeError(f"norm(): argument 'input' must be Tensor, not {type(input).__name__}")
    if p is None or p == "fro":
        p = 2
    elif p == "nuc":
        from .norms import nuclear_norm

        return nuclear_norm(input if dtype is None else input.to(dtype), dim, keepdim)
    elif isinstance(p, str):
        raise RuntimeError(f"Unknown norm order {p}")
    if dim is not None and not isinstance(dim, int):
        dim = tuple(dim)
    return f.vector_norm(input, p, dim, keepdim, dtype=dtype)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    return f.vector_norm(f.sub(input, other), p)


def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    correction: Any = None,
) -> Any:
    """Variance and mean."""
    return f.var(input, **_options(dim, unbiased, keepdim, correction)), _mean(input, dim, keepdim)


def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    correction: Any = None,
) -> Any:
    """Standard deviation and mean."""
    return f.std(input, **_options(dim, unbiased, keepdim, correction)), _mean(input, dim, keepdim)


def _options(dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> dict[str, Any]:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return {"dim": dim, "correction": correction, "keepdim": keepdim}


def _mean(input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return f.mean(input, None if isinstance(dim, bool) else dim, keepdim)


def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None,
               neginf: float | None = None) -> Tensor:  # fmt: skip
    """NaN and infinities replaced: by 0 and the largest numbers unless said otherwise."""
    if not input.dtype.is_floating_point:
        return input.clone()
    from .._numeric import finfo

    limits = finfo(input.dtype)
    values = (
        0.0 if nan is None else nan, limits.max if posinf is None else posinf,
        limits.min if neginf is None else neginf,
    )  # fmt: skip
    kind = {"dtype": input.dtype, "device": input.device}
    return f.nan_to_num_values(input, *(tensor(v, **kind) for v in values))
