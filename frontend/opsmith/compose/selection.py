"""Choosing elements: by condition, by membership, by position; what is found is counted first."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._create import tensor, zeros
from .._dtypes import bool_, float64, int32, int64, uint8
from .arguments import common_shape, wrap_dim


def nonzero(input: Tensor, as_tuple: bool = False) -> Any:
    """Positions that are not zero: rows of a matrix, or a vector for each dimension."""
    if not as_tuple:
        return f.nonzero_rows(input)
    rows = f.nonzero_rows(f.reshape(input, (1,)) if input.ndim == 0 else input)
    return tuple([f.select(rows, 1, d) for d in range(max(input.ndim, 1))])


def _mask(mask: Tensor, name: str) -> Tensor:
    if mask.dtype is uint8:
        return mask.to(bool_)
    if mask.dtype is not bool_:
        raise RuntimeError(f"{name}: expected BoolTensor for mask")
    return mask


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, as a vector."""
    mask = _mask(mask, "masked_select")
    shape = common_shape((input, mask))
    at = f.reshape(f.nonzero_rows(f.reshape(f.expand(mask, shape), (-1,))), (-1,))
    return f.index_select(f.reshape(f.expand(input, shape), (-1,)), 0, at)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements where the mask is true replaced, in order, by those of ``source``."""
    mask = _mask(mask, "masked_scatter_")
    if source.dtype is not input.dtype:
        raise RuntimeError("masked_scatter_: expected self and source to have same dtypes but got "
                           f"{input.dtype} and {source.dtype}")  # fmt: skip
    shape = common_shape((input, mask))
    mask = f.expand(mask, shape)
    count = f.cumsum(f.reshape(mask, (-1,)), 0)
    wanted = int(count[-1].item()) if count.numel() else 0
    if wanted > source.numel():
        raise RuntimeError("masked_scatter_: source has fewer elements than mask has ones: "
                           f"{source.numel()} and {wanted}")  # fmt: skip
    if source.numel() == 0:  # and nobody asks for its elements
        source = f.constant_pad_nd(f.reshape(source, (-1,)), (0, 1))
    at = f.clamp_min(f.sub(count, 1), 0)
    values = f.reshape(f.index_select(f.reshape(source, (-1,)), 0, at), shape)
    return f.where(mask, values, input)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Elements at positions along a dimension, the other dimensions broadcast."""
    if dim is None:
        return f.gather(f.reshape(input, (-1,)), 0, f.reshape(indices, (-1,)))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of "
            "dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    d = wrap_dim(dim, input.ndim)
    like = [*input.shape]
    like[d] = 1
    some = [*indices.shape]
    some[d] = 1
    common = list(_joined(like, some))
    common[d] = input.shape[d]
    wide = f.expand(input, tuple(common))
    common[d] = indices.shape[d]
    return f.gather(wide, d, f.expand(indices, tuple(common)))


def _joined(a: list[int], b: list[int]) -> list[int]:
    from .grids import broadcast_shapes

    return list(broadcast_shapes(a, b))


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Rows of zeros with a one at the class."""
    if input.dtype is not int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        if input.numel() == 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = max(1, int(f.amax(input).item()) + 1)
        if f.amin(input).item() < 0:
            raise RuntimeError("Class values must be non-negative.")
    elif num_classes < 1 and input.numel():
        raise RuntimeError("num_classes should be positive")
    if input.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return zeros(*input.shape, num_classes, dtype=int64, device=input.device)
    return f.one_hot_rows(input, num_classes)


# Search ------------------------------------------------------------------------------------------


def searchsorted(
    sorted_sequence: Tensor, input: Any, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where values would be inserted into sorted lines; before equals, or behind (``right``)."""
    if side not in (None, "left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True"
        )
    if not isinstance(input, Tensor):
        input = tensor(input)
        if sorted_sequence.ndim != 1:
            raise RuntimeError(
                "torch.searchsorted(): input value can be a scalar only when boundaries tensor "
                "dimension is 1"
            )
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape:
            raise RuntimeError("torch.searchsorted(): boundary and sorter must have the same size")
        sorted_sequence = f.gather(sorted_sequence, -1, sorter)
    if sorted_sequence.dtype is not input.dtype and input.ndim:
        raise RuntimeError(
            "torch.searchsorted(): input value tensor and boundary tensor should have same "
            "dtype, but got "
            f"boundary tensor {sorted_sequence.dtype} and input value tensor {input.dtype}"
        )
    out = f.search(sorted_sequence, input, bool(right) or side == "right")
    return out.to(int32) if out_int32 else out


def bucketize(
    input: Any, boundaries: Tensor, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The number of the interval between boundaries that each value falls into."""
    if boundaries.ndim != 1:
        raise RuntimeError(
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return searchsorted(boundaries, input, out_int32, right)


def isin(
    elements: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Is each element among the test elements? By sorting those once."""
    a = elements if isinstance(elements, Tensor) else tensor(elements)
    b = test_elements if isinstance(test_elements, Tensor) else tensor(test_elements)
    known = f.reshape(b, (-1,))
    if known.numel() == 0:
        found = f.ne(a, a) if not a.dtype.is_floating_point else f.logical_and(f.ne(a, a), False)
    else:
        if a.dtype is not known.dtype:
            common = (
                f.add(a, f.reshape(known[:1], (1,) * max(a.ndim, 1))).dtype
                if a.dtype is not bool_ or known.dtype is not bool_
                else bool_
            )
            a, known = a.to(common), known.to(common)
        known = f.sort(known)[0]
        at = f.clamp_max(f.search(known, a, False), known.numel() - 1)
        found = f.eq(f.reshape(f.index_select(known, 0, f.reshape(at, (-1,))), tuple(a.shape)), a)
    return f.logical_not(found) if invert else found


# Counting ----------------------------------------------------------------------------------------


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each non-negative integer occurs, or the sum of its weights."""
    if input.ndim != 1 or input.dtype.is_floating_point or input.dtype is bool_:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and (weights.ndim != 1 or weights.shape != input.shape):
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if input.numel() == 0:
        return zeros(minlength, dtype=int64, device=input.device)
    if f.amin(input).item() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    size = max(minlength, int(f.amax(input).item()) + 1)
    if weights is None:
        weights = zeros(input.numel(), dtype=int64, device=input.device) + 1
    elif not weights.dtype.is_floating_point or weights.dtype.itemsize < 4:
        weights = weights.to(float64)
    empty = zeros(size, dtype=weights.dtype, device=input.device)
    return f.index_add(empty, 0, input.to(int64), weights)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of ``bins`` equal intervals between min and max."""
    if bins <= 0:
        raise RuntimeError("bins must be > 0")
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"\"histogram_cpu\" not implemented for '{_type_name(input)}'")
    x = f.reshape(input.detach(), (-1,)).double()  # an edge belongs to one interval, not to two
    low, high = float(min), float(max)
    if low == high and x.numel():
        low, high = f.amin(x).item(), f.amax(x).item()
    if low == high:
        low, high = low - 1, high + 1
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        raise RuntimeError(f"range of [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError("max must be larger than min")
    x = masked_select(x, f.logical_and(f.ge(x, low), f.le(x, high)))
    at = f.floor(f.mul(f.sub(x, low), bins / (high - low))).to(int64)
    at = f.clamp_max(at, bins - 1)
    empty = zeros(bins, dtype=int64, device=input.device)
    return f.index_add(empty, 0, at, f.add(f.mul(at, 0), 1)).to(input.dtype)


def _type_name(t: Tensor) -> str:
    from .._dtypes import SCALAR_TYPE_NAMES

    return SCALAR_TYPE_NAMES[t.dtype.code]


# Questions with one answer -----------------------------------------------------------------------


def equal(input: Tensor, other: Tensor) -> bool:
    """Same shape and the same values?"""
    if input.shape != other.shape:
        return False
    return bool(f.all(f.eq(input, other)).item())


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Are all elements close?"""
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{_type_name(input)} did not match {_type_name(other)}")
    return bool(f.all(f.isclose(input, other, rtol, atol, equal_nan)).item())


def is_nonzero(input: Tensor) -> bool:
    """Is the only element not zero?"""
    n = input.numel()
    if n != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'no values' if n == 0 else 'more than one value'} "
            "is ambiguous"
        )
    return bool(input.item())
