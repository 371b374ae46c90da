"""Differences, integrals and moments along a dimension."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._create import get_default_dtype, ones
from .._dtypes import bool_, int64
from .arguments import wrap_dim


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours, n times."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    d = wrap_dim(dim, input.ndim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    parts = [t for t in (prepend, input, append) if t is not None]
    out = f.cat(parts, d) if len(parts) > 1 else input
    for _ in range(min(n, out.shape[d])):
        size = out.shape[d]
        after, before = f.narrow(out, d, 1, size - 1), f.narrow(out, d, 0, size - 1)
        out = f.logical_xor(after, before) if out.dtype is bool_ else f.sub(after, before)
    return out.clone() if out is input else out


def _steps(y: Tensor, x: Tensor | None, dx: Any, d: int) -> Any:
    if x is None:
        return dx
    if x.ndim == 1 and y.ndim > 1:
        x = f.reshape(x, (-1, *(1,) * (y.ndim - 1 - d)))
        if x.shape[0] != y.shape[d]:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        return diff(x, 1, 0)
    return diff(x, 1, d - y.ndim)


def _areas(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    d = wrap_dim(dim, y.ndim)
    size = y.shape[d]
    if size == 0:
        return f.narrow(y, d, 0, 0)
    pairs = f.add(f.narrow(y, d, 1, size - 1), f.narrow(y, d, 0, size - 1))
    return f.div(f.mul(pairs, _steps(y, x, dx, d)), 2)


def trapezoid(y: Tensor, x: Tensor | None = None, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral by trapezoids, over points x or steps dx."""
    if x is None and y.ndim and y.shape[dim]:  # as a sum, which narrow integers do not overflow
        ends = f.mul(f.add(f.select(y, dim, 0), f.select(y, dim, -1)), 0.5)
        return f.mul(f.sub(f.sum(y, dim), ends), 1 if dx is None else dx)
    return f.sum(_areas(y, x, 1 if dx is None else dx, dim), dim)


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, dx: Any = None, dim: int = -1
) -> Tensor:
    """The running integral by trapezoids."""
    return f.cumsum(_areas(y, x, 1 if dx is None else dx, dim), dim)


def cov(
    input: Tensor,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """Covariances of the rows, columns being observations."""
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    rows = f.reshape(input, (1, -1)) if input.ndim < 2 else input
    rows = rows if rows.dtype.is_floating_point else f.true_divide(rows, 1)
    n = rows.shape[1]
    weights: Tensor | None = None
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w.ndim > 1 or w.numel() != n:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in "
                "the input"
            )
        weights = w if weights is None else f.mul(weights, w)
    if weights is None:
        mean, total = f.mean(rows, 1, True), float(n)
    else:
        weights = weights.to(rows.dtype)
        sum_w = f.sum(weights)
        mean = f.true_divide(f.sum(f.mul(rows, weights), 1, True), sum_w)
        total = sum_w.item()
        if aweights is not None and correction:
            total_a = f.sum(f.mul(weights, aweights)).item()
            correction = correction * total_a / total
    centred = f.sub(rows, mean)
    other = centred if weights is None else f.mul(centred, weights)
    norm = max(total - correction, 0)
    out = f.true_divide(f.mm(centred, f.mT(other)), norm)
    return f.reshape(out, ()) if rows.shape[0] == 1 else out


def corrcoef(input: Tensor) -> Tensor:
    """Correlations of the rows."""
    c = cov(input)
    if c.ndim == 0:
        return f.true_divide(c, c)
    s = f.sqrt(f.diagonal(c))
    return f.clamp(f.true_divide(f.true_divide(c, f.unsqueeze(s, 1)), f.unsqueeze(s, 0)), -1, 1)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of a vector's elements as rows."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    base = x if x.dtype is not bool_ else x.to(int64)
    base = base if base.dtype.is_floating_point else base.to(int64)
    powers = [ones(x.shape[0], dtype=base.dtype, device=x.device)]
    for _ in range(n - 1):
        powers.append(f.mul(powers[-1], base))
    powers = powers[:n]
    if not n:
        return ones(x.shape[0], 0, dtype=base.dtype, device=x.device)
    return f.stack(powers if increasing else powers[::-1], 1)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along ``dim`` scaled down to a p-norm of at most ``maxnorm``."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    d = wrap_dim(dim, input.ndim)
    others = tuple(k for k in range(input.ndim) if k != d)
    size = f.vector_norm(input, p, others, True)
    factor = f.where(f.gt(size, maxnorm), f.true_divide(maxnorm, f.add(size, 1e-7)), 1.0)
    return f.mul(input, factor.to(input.dtype))


def gradient(input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> Any:
    """Slopes of samples along dims, by differences of the second order inside.

    ``spacing``: the distance of samples, one for each dim, or their coordinates.
    """
    dims = range(input.ndim) if dim is None else [dim] if hasattr(dim, "__index__") else dim
    dims = [wrap_dim(d, input.ndim) for d in dims]
    each = list(spacing) if isinstance(spacing, list | tuple) else [spacing] * len(dims)
    if len(each) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"equal to 'self.dim() = {len(dims)}', since dim argument was not given, but got a "
            f"list of length {len(each)}"
        )
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    return tuple([_slopes(input, d, s, edge_order) for d, s in zip(dims, each, strict=True)])


def _slopes(y: Tensor, d: int, spacing: Any, edge_order: int) -> Tensor:
    n = y.shape[d]
    if n <= edge_order:
        raise RuntimeError(
            "torch.gradient expected each dimension size to be at least edge_order+1"
        )
    if not y.dtype.is_floating_point:
        y = y.to(get_default_dtype())
    steps: Any = spacing
    if isinstance(spacing, Tensor) and spacing.ndim:
        steps = f.reshape(f.diff(spacing.to(y.dtype)), (-1, *(1,) * (y.ndim - 1 - d)))
        after, before = f.narrow(steps, 0, 1, n - 2), f.narrow(steps, 0, 0, n - 2)
        ends = (f.narrow(steps, 0, 0, 1), f.narrow(steps, 0, n - 2, 1))
        near = (f.narrow(steps, 0, min(1, n - 2), 1), f.narrow(steps, 0, max(n - 3, 0), 1))
    else:
        after = before = steps
        ends = near = (steps, steps)
    rise = diff(y, 1, d)
    right, left = f.narrow(rise, d, 1, n - 2), f.narrow(rise, d, 0, n - 2)
    inner = (right / after * before + left / before * after) / (after + before)
    first, last = f.narrow(rise, d, 0, 1) / ends[0], f.narrow(rise, d, n - 2, 1) / ends[1]
    if edge_order == 2:
        second, previous = f.narrow(rise, d, 1, 1) / near[0], f.narrow(rise, d, n - 3, 1) / near[1]
        first = first + (first - second) * ends[0] / (ends[0] + near[0])
        last = last + (last - previous) * ends[1] / (ends[1] + near[1])
    return f.cat([first, inner, last], d)
