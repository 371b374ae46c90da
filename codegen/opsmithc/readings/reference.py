"""In: NumPy arguments by parameter name. Out: what an op without a formula means.

Must not know: targets. One function each for the ``reference:`` and ``compose:`` names of the
registry; the simplest NumPy that is right, however slow. Arguments an op has but its value does not
depend on are taken by ``**_``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any


def lay_out(input: Array, model: Array) -> Array:
    """The memory layout is no part of the value."""
    return input


def flip(input: Array, dims: Sequence[int]) -> Array:
    """Reversed along dims."""
    return np.flip(input, tuple(dims) if not isinstance(dims, int) else dims)


def sum_to(input: Array, size: Sequence[int]) -> Array:
    """Summed to the shape that broadcasting came from."""
    lead = input.ndim - len(size)
    dims = tuple(range(lead)) + tuple(
        d + lead for d, s in enumerate(size) if s == 1 and input.shape[d + lead] != 1
    )
    return input.sum(dims, keepdims=True).reshape(size)


def matmul_broadcast(input: Array, mat2: Array) -> Array:
    """Products of matrices."""
    return input @ mat2


def zeros_like(input: Array, **_: Any) -> Array:
    """Zeros."""
    return np.zeros(np.shape(input))


def ones_like(input: Array, **_: Any) -> Array:
    """Ones."""
    return np.ones(np.shape(input))


def empty_like(**_: Any) -> None:
    """Undefined values: nothing to compare with."""


UNDEFINED = empty_like


def full_like(input: Array, fill_value: float, **_: Any) -> Array:
    """One value."""
    return np.full(np.shape(input), fill_value)


# Indexing ----------------------------------------------------------------------------------------


def _at(ndim: int, indices: Sequence[Array], dims: Sequence[int]) -> tuple[Any, ...]:
    """NumPy's index: arrays for dims, everything along the others."""
    found: list[Any] = [slice(None)] * ndim
    for d, i in zip(dims, indices, strict=True):
        found[d] = i
    return tuple(found)


def index_get(input: Array, indices: Sequence[Array], dims: Sequence[int]) -> Array:
    """input[indices]."""
    return input[_at(input.ndim, indices, dims)]


def index_adjoint(
    input: Array, indices: Sequence[Array], dims: Sequence[int], size: Sequence[int]
) -> Array:
    """Zeros with input added at indices."""
    out = np.zeros(tuple(size), input.dtype)
    np.add.at(out, _at(len(size), indices, dims), input)
    return out


def index_put_at(
    input: Array, indices: Sequence[Array], dims: Sequence[int], values: Array,
    accumulate: bool = False,
) -> Array:  # fmt: skip
    """A copy of input with values written or added at indices."""
    out, at = input.copy(), _at(input.ndim, indices, dims)
    if accumulate:
        np.add.at(out, at, values)
    else:
        out[at] = values
    return out


def nonzero(input: Array, as_tuple: bool = False) -> Array:
    """Positions, one row an element; a scalar has positions without coordinates."""
    if as_tuple:
        return tuple(np.nonzero(np.atleast_1d(input)))
    if input.ndim == 0:
        return np.zeros((int(input != 0), 0), np.int64)
    return np.argwhere(input)


def _fold_at(fold: Any, input: Array, dim: int, index: Array, src: Array, start: Any) -> Array:
    """A copy of input with src folded in at positions along dim, one element after the other."""
    out = input.copy()
    at = [(*k[:dim], int(index[k]), *k[dim + 1 :]) for k in np.ndindex(index.shape)]
    for k in at if start is not None else ():
        out[k] = start
    for k, source in zip(at, np.ndindex(index.shape), strict=True):
        out[k] = fold(out[k], src[source])
    return out


def scatter_extreme(
    input: Array, dim: int, index: Array, src: Array, largest: bool, include_self: bool
) -> Array:
    """The largest or least of what comes together at a place."""
    far = src.min() if largest else src.max()
    return _fold_at(max if largest else min, input, dim, index, src, None if include_self else far)


def scatter_product(
    input: Array, dim: int, index: Array, src: Array, include_self: bool
) -> Array:
    """The product of what comes together at a place."""
    return _fold_at(lambda a, b: a * b, input, dim, index, src, None if include_self else 1)


def frexp(input: Array) -> tuple[Array, Array]:
    """Mantissas and exponents; these are those of double precision in any."""
    exponent = np.frexp(np.asarray(input, float))[1].astype(np.int32)
    return np.asarray(input) / np.asarray([2], np.asarray(input).dtype)[0] ** exponent, exponent


# Normalisation and attention ---------------------------------------------------------------------


def positions(input: Array, dim: int) -> Array:
    """0, 1, 2, .. along dim."""
    if input.ndim == 0:
        return np.zeros((), np.int64)
    return np.arange(input.shape[dim]).reshape(-1, *(1,) * (input.ndim - 1 - dim % input.ndim))


def along(input: Array, model: Array, dim: int) -> Array:
    """A vector as a row of ``model`` along dim."""
    n = model.ndim
    if n == 0 or dim % n == n - 1:
        return input
    return input.reshape(-1, *(1,) * (n - 1 - dim % n))


def class_targets(input: Array, target: Array) -> Array:
    """Classes with a dim of size one for that of the classes' scores."""
    return np.expand_dims(target, 1) if input.ndim > 1 else target.reshape(1)


def join_last(input: Array, normalized_shape: Sequence[int]) -> Array:
    """The last dimensions as one."""
    return input.reshape(*input.shape[: input.ndim - len(normalized_shape)], -1)


def rms_norm(
    input: Array, normalized_shape: Sequence[int], weight: Array | None, eps: float | None
) -> Array:
    """input / sqrt(mean of squares + eps) * weight; the default eps is the dtype's own."""
    if eps is None:
        return _unknown()
    dims = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    out = input / np.sqrt((input * input).mean(dims, keepdims=True) + eps)
    return out if weight is None else out * weight


def _channels(v: Array, ndim: int) -> Array:
    return v.reshape(-1, *(1,) * (ndim - 2))


def _normalised(input: Array, mean: Array, var: Array, weight: Any, bias: Any, eps: float) -> Array:
    out = (input - mean) / np.sqrt(var + eps)
    out = out if weight is None else out * _channels(weight, input.ndim)
    return out if bias is None else out + _channels(bias, input.ndim)


def batch_norm(
    input: Array, running_mean: Any, running_var: Any, weight: Any, bias: Any, training: bool,
    momentum: float, eps: float,
) -> Array:  # fmt: skip
    """By the batch's statistics or the running ones."""
    if training or running_mean is None:
        dims = (0, *range(2, input.ndim))
        mean, var = input.mean(dims, keepdims=True), input.var(dims, keepdims=True)
    else:
        mean, var = _channels(running_mean, input.ndim), _channels(running_var, input.ndim)
    return _normalised(input, mean, var, weight, bias, eps)


def instance_norm(
    input: Array, running_mean: Any, running_var: Any, weight: Any, bias: Any,
    use_input_stats: bool, momentum: float, eps: float,
) -> Array:  # fmt: skip
    """Each channel of each instance by its own statistics, or by the running ones."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = tuple(range(2, input.ndim))
    mean, var = input.mean(dims, keepdims=True), input.var(dims, keepdims=True)
    return _normalised(input, mean, var, weight, bias, eps)


def scaled_dot_product_attention(
    query: Array, key: Array, value: Array, attn_mask: Any, dropout_p: float, is_causal: bool,
    scale: float | None, enable_gqa: bool,
) -> Array:  # fmt: skip
    """softmax(query @ key.mT * scale + attn_mask) @ value."""
    if dropout_p:
        return _unknown("random")
    if enable_gqa:
        key = key.repeat(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat(query.shape[-3] // value.shape[-3], -3)
    scores = (
        query @ np.swapaxes(key, -1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    )
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:]) > 0, scores, -np.inf)
    if attn_mask is not None:
        kept = np.where(attn_mask, scores, -np.inf)
        scores = kept if attn_mask.dtype == bool else scores + attn_mask
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ value


def _unknown(why: str = "depends on the dtype, which this reading does not see") -> Any:
    from .value import NoValue

    raise NoValue(why)
