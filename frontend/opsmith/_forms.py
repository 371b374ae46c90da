"""Functions and methods that arrange the arguments of others, which do the work."""

from __future__ import annotations

from . import _functions as f
from ._core import Tensor, assign, is_number, need_tensor
from ._create import full, get_default_dtype
from ._dtypes import Size, dtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def scalar_tensor(s: Any, *, dtype: dtype | None = None, layout: Any = None, device: Any = None,
                  requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A number as a tensor without dimensions, in the default dtype."""
    if not is_number(s):
        raise TypeError(f"scalar_tensor(): argument 's' must be Number, not {type(s).__name__}")
    return full((), s, dtype=dtype or get_default_dtype(), device=device,
                requires_grad=requires_grad)  # fmt: skip


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Flat positions as coordinates in a shape."""
    need_tensor("unravel_index", indices=indices)
    if indices.dtype.is_floating_point or indices.dtype.kind_rank == 0:
        raise TypeError(f"expected 'indices' to be an integer dtype, but got {indices.dtype}")
    sizes = Size((shape,) if hasattr(shape, "__index__") else shape)
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    found, step = [], 1
    for n in reversed(sizes):
        found.append(f.remainder(f.floor_divide(indices, max(step, 1)), n))
        step *= n
    return tuple(reversed(found))


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sums over dims so that the result has a shape that broadcasts to this tensor's."""
    shape = Size(size[0] if len(size) == 1 and not hasattr(size[0], "__index__") else size)
    lead = self.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, self.shape[lead:], strict=True)):
        raise RuntimeError(f"size {list(shape)} is not expandable to size {list(self.shape)}.")
    return f.sum_to(self, shape)


def polygamma(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma."""
    return f.polygamma(n, self)


def polygamma_(self: Tensor, n: int) -> Tensor:
    """In-place ``polygamma``."""
    return assign(self, f.polygamma(n, self))


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Overwrite the main diagonal; of a tall matrix again and again, with ``wrap``."""
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    count, step = min(self.shape), sum(self.stride())
    where = self.storage_offset()
    f.as_strided(self, (count,), (step,), where).fill_(fill_value)
    rows = self.shape[0]
    if wrap and self.ndim == 2 and rows > self.shape[1] + 1:
        period = self.shape[1] + 1
        for start in range(period, rows, period):
            rest = min(self.shape[1], rows - start)
            at = where + start * self.stride(0)
            f.as_strided(self, (rest,), (step,), at).fill_(fill_value)
    return self


for _fn in (sum_to_size, polygamma, polygamma_, fill_diagonal_):
    setattr(Tensor, _fn.__name__, _fn)
