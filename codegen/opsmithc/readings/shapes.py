"""In: NumPy arguments by parameter name. Out: what ops that join, cut, repeat and pad mean.

Must not know: targets. Part of ``reference.py``: one function each for the names of the registry;
an op that returns several tensors returns a tuple.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any

# Joining and cutting -----------------------------------------------------------------------------


def cat(tensors: Sequence[Array], dim: int = 0) -> Array:
    """One behind the other."""
    return np.concatenate(tensors, dim)


def stack(tensors: Sequence[Array], dim: int = 0) -> Array:
    """Along a new dimension."""
    return np.stack(tensors, dim)


def hstack(tensors: Sequence[Array]) -> Array:
    """Along columns."""
    return np.hstack(tensors)


def vstack(tensors: Sequence[Array]) -> Array:
    """Along rows."""
    return np.vstack(tensors)


def dstack(tensors: Sequence[Array]) -> Array:
    """Along the third dimension."""
    return np.dstack(tensors)


def column_stack(tensors: Sequence[Array]) -> Array:
    """Along columns, vectors as columns."""
    return np.column_stack(tensors)


def block_diag(tensors: Sequence[Array]) -> Array:
    """Blocks along the diagonal."""
    blocks = [np.atleast_2d(t) for t in tensors]
    out = np.zeros(np.sum([b.shape for b in blocks], 0), np.result_type(*blocks))
    row = column = 0
    for b in blocks:
        out[row : row + b.shape[0], column : column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return out


def split(input: Array, split_size_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """Parts of one size or of the sizes given."""
    size, n = split_size_or_sections, input.shape[dim]
    if not isinstance(size, Sequence):  # of nothing there is one empty part
        size = [min(size, n - k) for k in range(0, n, size)] or [0]
    return split_with_sizes(input, size, dim)


def split_with_sizes(input: Array, split_sizes: Sequence[int], dim: int = 0) -> tuple[Array, ...]:
    """Parts of the sizes given."""
    parts = np.split(input, np.cumsum(split_sizes)[:-1], dim)
    return tuple(parts[: len(split_sizes)])


def chunk(input: Array, chunks: int, dim: int = 0) -> tuple[Array, ...]:
    """At most that many parts of one size."""
    return split(input, -(-input.shape[dim] // chunks), dim)


def tensor_split(input: Array, indices_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """So many parts, or parts between positions."""
    return tuple(np.array_split(input, indices_or_sections, dim))


def hsplit(input: Array, indices_or_sections: Any) -> tuple[Array, ...]:
    """Along columns."""
    return tuple(np.hsplit(input, indices_or_sections))


def vsplit(input: Array, indices_or_sections: Any) -> tuple[Array, ...]:
    """Along rows."""
    return tuple(np.vsplit(input, indices_or_sections))


def dsplit(input: Array, indices_or_sections: Any) -> tuple[Array, ...]:
    """Along the third dimension."""
    return tuple(np.dsplit(input, indices_or_sections))


def unbind(input: Array, dim: int = 0) -> tuple[Array, ...]:
    """All slices."""
    return tuple(np.moveaxis(input, dim, 0))


# Repeating, turning, padding ---------------------------------------------------------------------


def repeat(input: Array, repeats: Sequence[int]) -> Array:
    """Side by side."""
    return np.tile(input, repeats)


def tile(input: Array, dims: Sequence[int]) -> Array:
    """Side by side."""
    return np.tile(input, dims)


def repeat_interleave(input: Array, repeats: Array, dim: int | None = None, **_: Any) -> Array:
    """Every element so many times in a row."""
    return np.repeat(input, repeats, dim)


def roll(input: Array, shifts: Sequence[int], dims: Sequence[int] = ()) -> Array:
    """Moved, what leaves enters at the other end."""
    return np.roll(input, shifts, tuple(dims)) if dims else np.roll(input, shifts)


def rot90(input: Array, k: int = 1, dims: Sequence[int] = (0, 1)) -> Array:
    """Turned by right angles."""
    return np.rot90(input, k, (dims[0], dims[1]))


def tril(input: Array, diagonal: int = 0) -> Array:
    """The lower triangle."""
    return np.tril(input, diagonal)


def triu(input: Array, diagonal: int = 0) -> Array:
    """The upper triangle."""
    return np.triu(input, diagonal)


def diag_embed(input: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """The last dimension as a diagonal."""
    n = input.shape[-1]
    side = n + abs(offset)
    out = np.zeros((*input.shape[:-1], side, side), input.dtype)
    k = np.arange(n)
    out[..., k + max(-offset, 0), k + max(offset, 0)] = input
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


def diag(input: Array, diagonal: int = 0) -> Array:
    """A diagonal, or a matrix with one."""
    return np.diag(input, diagonal)


def constant_pad_nd(input: Array, pad: Sequence[int], value: float = 0) -> Array:
    """A value around; negative widths cut."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    wide = np.pad(input, [(max(a, 0), max(b, 0)) for a, b in pairs], constant_values=value)
    cut = tuple(
        slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, wide.shape, strict=True)
    )
    return wide[cut]


def pad_back(input: Array, pad: Sequence[int]) -> Array:
    """What stood inside."""
    return constant_pad_nd(input, [-w for w in pad])


def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Array:
    """Values around, by mode."""
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    names: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    return np.pad(input, pairs, names[mode])


# Grids -------------------------------------------------------------------------------------------


def meshgrid(tensors: Sequence[Array], indexing: str | None = None) -> tuple[Array, ...]:
    """Grids of coordinates."""
    return tuple(np.meshgrid(*tensors, indexing=indexing or "ij"))  # type: ignore[call-overload]


def cartesian_prod(tensors: Sequence[Array]) -> Array:
    """Tuples of one element each."""
    if len(tensors) == 1:
        return tensors[0]
    return np.array(list(itertools.product(*tensors)))


def combinations(input: Array, r: int = 2, with_replacement: bool = False) -> Array:
    """Choices of r elements."""
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return np.array(list(choose(input, r)), input.dtype).reshape(-1, r)


def broadcast_tensors(tensors: Sequence[Array]) -> tuple[Array, ...]:
    """The common shape."""
    return tuple(np.broadcast_arrays(*tensors))


def atleast_1d(tensors: Sequence[Array]) -> tuple[Array, ...]:
    """At least vectors."""
    return tuple(np.atleast_1d(t) for t in tensors)


def atleast_2d(tensors: Sequence[Array]) -> tuple[Array, ...]:
    """At least matrices."""
    return tuple(np.atleast_2d(t) for t in tensors)


def atleast_3d(tensors: Sequence[Array]) -> tuple[Array, ...]:
    """At least three dimensions."""
    return tuple(np.atleast_3d(t) for t in tensors)
