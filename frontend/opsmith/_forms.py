"""Functions and methods that arrange the arguments of others, which do the work."""

from __future__ import annotations

from . import _functions as f
from ._core import Tensor, assign, is_number, need_tensor, write_out
from ._create import empty, full, get_default_dtype
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


def histogram(self: Tensor, bins: Any, **options: Any) -> Any:
    """How many elements fall into each bin, and the bins' edges."""
    from .compose import histograms

    return histograms.histogram(self, bins, **options)


def hardshrink(self: Tensor, lambd: float = 0.5) -> Tensor:
    """0 within [-lambd, lambd], the element outside."""
    return f.hardshrink(self, lambd)


def nonzero_static(self: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """As many positions of elements that are not zero as are asked for; filled up, or cut."""
    found = f.nonzero(self)[:size]
    rest = full((size - found.shape[0], self.ndim), fill_value, dtype=found.dtype,
                device=found.device)  # fmt: skip
    return f.cat([found, rest])


def fill(input: Tensor, value: Any) -> Tensor:
    """One value in the shape of ``input``."""
    need_tensor("fill", input=input)
    return f.mul(input, 0).fill_(value) if input.requires_grad else input.clone().fill_(value)


def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Tensor:
    """Undefined values, whose dims lie in memory in the order given."""
    order = tuple(physical_layout)
    if sorted(order) != list(range(len(size))):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout, or "
            f"it is no permutation: {list(size)} and {list(order)}"
        )
    laid = empty([size[d] for d in order], **options)
    return laid.permute([order.index(d) for d in range(len(order))])


def frobenius_norm(input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Tensor:  # noqa: E501
    """The square root of the sum of squares over dims."""
    found = f.vector_norm(input, 2, None if dim is None or dim == [] else dim, keepdim)
    return found if out is None else write_out(out, found, "frobenius_norm")


def native_norm(input: Tensor, p: float = 2, dim: Any = None, keepdim: bool = False,
                dtype: Any = None) -> Tensor:  # fmt: skip
    """The p-norm over dims."""
    return f.vector_norm(input, p, dim, keepdim, dtype=dtype)


def to_dlpack(tensor: Tensor) -> Any:
    """The tensor as a DLPack capsule."""
    return tensor.detach().numpy().__dlpack__()


for _fn in (
    sum_to_size, polygamma, polygamma_, fill_diagonal_, hardshrink, histogram, nonzero_static,
):  # fmt: skip
    setattr(Tensor, _fn.__name__, _fn)
