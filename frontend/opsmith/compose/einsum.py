"""Sums of products: einsum and what is made of products of all pairs.

The planner of ``einsum``: labels that repeat within an operand become diagonals, labels that only
one operand has are summed, and what is left is contracted two operands at a time, each pair as one
(batched) matrix product. With more than two operands the pair whose result is smallest goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._ranges import triu_indices
from .arguments import ints_of, unpacked, wrap_dim

Labels = tuple[Any, ...]  # letters; dims of an ellipsis are numbers from the last, -1, -2, ..
Term = tuple[Tensor, Labels]


def einsum(equation: Any, operands: tuple[Any, ...]) -> Tensor:
    """``einsum("ij,jk->ik", a, b)`` or ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""
    if isinstance(equation, str):
        tensors = unpacked(operands)
        left, arrow, right = equation.replace(" ", "").partition("->")
        inputs: list[Any] = left.split(",")
        output: Any = right if arrow else None
    else:
        given = [equation, *operands]
        output = given.pop() if len(given) % 2 else None
        tensors = tuple(given[::2])
        inputs = [_letters(s) for s in given[1::2]]
        output = None if output is None else _letters(output)
    if not tensors:
        raise RuntimeError("einsum(): must provide at least one operand")
    if len(inputs) != len(tensors):
        word = "fewer" if len(inputs) > len(tensors) else "more"
        raise RuntimeError(
            f"einsum(): {word} operands were provided than specified in the equation"
        )
    labels, wanted = _parse(tuple(inputs), output, tuple([t.ndim for t in tensors]))
    _check_sizes(tensors, labels)
    return _contract([_diagonals(t, ls) for t, ls in zip(tensors, labels, strict=True)], wanted)


@lru_cache(256)
def _parse(
    inputs: tuple[str, ...], output: str | None, ranks: tuple[int, ...]
) -> tuple[list[Labels], Labels]:
    """The labels of every operand and of the result."""
    labels = [_labels(s, n, k) for k, (s, n) in enumerate(zip(inputs, ranks, strict=True))]
    return labels, _output(output, labels)


def _letters(sublist: Sequence[Any]) -> str:
    """A sublist of numbers as letters; ``...`` stays."""
    out = ""
    for s in sublist:
        if s is Ellipsis:
            out += "..."
        elif 0 <= s < 52:
            out += chr(s + 65) if s < 26 else chr(s + 71)
        else:
            raise RuntimeError(
                f"einsum(): expected subscripts to be within range [0, 52), but got {s}"
            )
    return out


def _labels(subscripts: str, ndim: int, k: int) -> Labels:
    head, dots, tail = subscripts.partition("...")
    for c in head + tail:
        if not (c.isalpha() and c.isascii()):
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {subscripts.index(c)} in the "
                "equation string, subscripts "
                f"must be in [a-zA-Z]"
                if c != "."
                else f"einsum(): found '.' for operand {k} that is not part of any ellipsis"
            )
    named = len(head) + len(tail)
    if named > ndim or (named < ndim and not dots):
        how = "is more than" if dots else "does not match"
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({named}) {how} the number of "
            "dimensions "
            f"({ndim}) for operand {k}" + ("" if dots else " and no ellipsis was given")
        )
    return (*head, *range(named - ndim, 0), *tail)


def _output(output: str | None, labels: Sequence[Labels]) -> Labels:
    every = [x for ls in labels for x in ls]
    dots = sorted({x for x in every if isinstance(x, int)})
    if output is None:
        letters = sorted({x for x in every if isinstance(x, str) and every.count(x) == 1})
        return (*dots, *letters)
    head, found, tail = output.partition("...")
    for c in head + tail:
        if c not in every:
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation for any input "
                "operand"
            )
        if (head + tail).count(c) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {c} appears more than once in the output"
            )
    return (*head, *(dots if found else ()), *tail)


def _check_sizes(tensors: Sequence[Tensor], labels: Sequence[Labels]) -> None:
    sizes: dict[Any, tuple[int, int]] = {}
    for k, (t, ls) in enumerate(zip(tensors, labels, strict=True)):
        for x, s in zip(ls, t.shape, strict=True):
            have, owner = sizes.get(x, (1, k))
            if s != 1 and have not in (1, s):
                raise RuntimeError(
                    f"einsum(): subscript {x} has size {s} for operand {k} which does not "
                    "broadcast with previously "
                    f"seen size {have}"
                )
            sizes[x] = (s, k) if have == 1 else (have, owner)


def _diagonals(t: Tensor, labels: Labels) -> Term:
    """Labels that appear twice in one operand keep their diagonal."""
    ls = list(labels)
    for x in dict.fromkeys(labels):
        while ls.count(x) > 1:
            a = ls.index(x)
            b = ls.index(x, a + 1)
            if t.shape[a] != t.shape[b]:
                raise RuntimeError(
                    f"einsum(): subscript {x} is repeated for operand but the sizes don't match, "
                    f"{t.shape[b]} != {t.shape[a]}"
                )
            t = f.diagonal(t, 0, a, b)  # the diagonal is the last dim
            del ls[b], ls[a]
            ls.append(x)
    return t, tuple(ls)


def _contract(terms: list[Term], wanted: Labels) -> Tensor:
    while len(terms) > 1:
        i, j = _next_pair(terms, wanted) if len(terms) > 2 else (0, 1)
        a, b = terms[i], terms[j]
        rest = [t for k, t in enumerate(terms) if k not in (i, j)]
        kept = {*wanted, *(x for _, ls in rest for x in ls)}
        terms = [_pair(a, b, kept), *rest]
    t, ls = _sum_out(terms[0], set(wanted))
    return f.permute(t, tuple(ls.index(x) for x in wanted)) if ls != wanted else t


def _next_pair(terms: Sequence[Term], wanted: Labels) -> tuple[int, int]:
    """The pair with the smallest result; of equals the first."""
    best: tuple[int, int, int] | None = None
    for i in range(len(terms)):
        for j in range(i + 1, len(terms)):
            kept = {*wanted, *(x for k, (_, ls) in enumerate(terms) if k not in (i, j) for x in ls)}
            sizes: dict[Any, int] = {}
            for t, ls in (terms[i], terms[j]):
                for x, s in zip(ls, t.shape, strict=True):
                    if x in kept:
                        sizes[x] = max(s, sizes.get(x, 1))
            cost = (prod(sizes.values()), i, j)
            best = cost if best is None or cost < best else best
    assert best is not None
    return best[1], best[2]


def _sum_out(term: Term, kept: set[Any]) -> Term:
    t, ls = term
    dims = tuple(d for d, x in enumerate(ls) if x not in kept)
    if not dims:
        return term
    return f.sum(t, dims, False, dtype=t.dtype), tuple(x for x in ls if x in kept)


def _pair(a: Term, b: Term, kept: set[Any]) -> Term:
    """Product of two terms, summed over what both have and nobody else needs."""
    size_a, size_b = (
        dict(zip(a[1], a[0].shape, strict=True)),
        dict(zip(b[1], b[0].shape, strict=True)),
    )
    # A label of size 1 beside a larger one broadcasts: the operand does not have it.
    a = _drop(a, [x for x, s in size_a.items() if s == 1 and size_b.get(x, 1) != 1])
    b = _drop(b, [x for x, s in size_b.items() if s == 1 and size_a.get(x, 1) != 1])
    a, b = _sum_out(a, kept | set(b[1])), _sum_out(b, kept | set(a[1]))
    (x, la), (y, lb) = a, b
    both = [k for k in la if k in lb]
    summed = [k for k in both if k not in kept]
    batch = [k for k in both if k in kept]
    only_a, only_b = [k for k in la if k not in lb], [k for k in lb if k not in la]
    size = {**dict(zip(la, x.shape, strict=True)), **dict(zip(lb, y.shape, strict=True))}
    out = (*batch, *only_a, *only_b)
    if not summed:
        return f.mul(_spread(x, la, out), _spread(y, lb, out)), out
    n, i, j, m = (prod(size[k] for k in part) for part in (batch, only_a, only_b, summed))
    left = _ordered(x, la, [*batch, *only_a, *summed])
    right = _ordered(y, lb, [*batch, *summed, *only_b])
    if batch:
        found = f.bmm(f.reshape(left, (n, i, m)), f.reshape(right, (n, m, j)))
    else:
        found = f.mm(f.reshape(left, (i, m)), f.reshape(right, (m, j)))
    return f.reshape(found, tuple(size[k] for k in out)), out


def _drop(term: Term, labels: list[Any]) -> Term:
    t, ls = term
    if not labels:
        return term
    return f.squeeze(t, tuple(ls.index(x) for x in labels)), tuple(x for x in ls if x not in labels)


def _ordered(t: Tensor, labels: Labels, order: Sequence[Any]) -> Tensor:
    dims = tuple(labels.index(x) for x in order)
    return t if dims == tuple(range(len(dims))) else f.permute(t, dims)


def _spread(t: Tensor, labels: Labels, out: Labels) -> Tensor:
    """The operand with dims of size 1 for labels of ``out`` it does not have."""
    t = _ordered(t, labels, [x for x in out if x in labels])
    return f.reshape(
        t, tuple(t.shape[_count(labels, out, k)] if x in labels else 1 for k, x in enumerate(out))
    )


def _count(labels: Labels, out: Labels, k: int) -> int:
    return sum(1 for x in out[:k] if x in labels)


# Products of pairs -------------------------------------------------------------------------------


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over dims of both: the last of one and the first of the other, or pairs."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        first, second = tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    else:
        first, second = (ints_of(d) for d in dims)
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    first = tuple(wrap_dim(d, a.ndim) for d in first)
    second = tuple(wrap_dim(d, b.ndim) for d in second)
    labels_a: list[Any] = [f"a{k}" for k in range(a.ndim)]
    labels_b: list[Any] = [f"b{k}" for k in range(b.ndim)]
    for d, e in zip(first, second, strict=True):
        if a.shape[d] != b.shape[e] and 1 not in (a.shape[d], b.shape[e]):
            raise RuntimeError(
                "contracted dimensions need to match, but first has size "
                f"{a.shape[d]} in dim {d} and second has size {b.shape[e]} in dim {e}"
            )
        labels_b[e] = labels_a[d]
    kept = [x for k, x in enumerate(labels_a) if k not in first] + [
        x for k, x in enumerate(labels_b) if k not in second
    ]
    return _contract([(a, tuple(labels_a)), (b, tuple(labels_b))], tuple(kept))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """All products, as blocks of ``other``."""
    n = max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + tuple(input.shape)
    b = (1,) * (n - other.ndim) + tuple(other.shape)
    left = f.reshape(input, tuple(s for p in a for s in (p, 1)))
    right = f.reshape(other, tuple(s for p in b for s in (1, p)))
    return f.reshape(f.mul(left, right), tuple(p * q for p, q in zip(a, b, strict=True)))


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Cross products of vectors of three along a dimension; by default the first of size 3."""
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"inconsistent tensors dimensions input: {input.ndim} other: {other.ndim}"
        )
    if dim is None:
        found = [d for d, s in enumerate(input.shape) if s == 3]
        if not found:
            raise RuntimeError("no dimension of size 3 in input")
        d = found[0]
    else:
        d = wrap_dim(dim, input.ndim)
    if input.shape[d] != 3 or other.shape[d] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[d]} and "
            f"{other.shape[d]}"
        )
    x, y, z = (f.select(input, d, k) for k in range(3))
    u, v, w = (f.select(other, d, k) for k in range(3))
    lines = [
        f.sub(f.mul(p, q), f.mul(r, s)) for p, q, r, s in ((y, w, z, v), (z, u, x, w), (x, v, y, u))
    ]
    return f.stack(lines, d)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Distances of all pairs of rows, each once: (0, 1), (0, 2), .., (1, 2), .."""
    if input.ndim != 2:
        raise RuntimeError(
            f"pdist only supports 2D tensors, got: {input.ndim}D"
        )
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    left, right = triu_indices(input.shape[0], input.shape[0], 1, device=input.device)
    apart = f.sub(f.index_select(input, 0, left), f.index_select(input, 0, right))
    return f.vector_norm(apart, p, 1)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """Distances of all pairs of rows."""
    for k, t in ((1, x1), (2, x2)):
        if t.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, X{k} got: {t.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    apart = f.sub(f.unsqueeze(x1, -2), f.unsqueeze(x2, -3))
    return f.vector_norm(apart, p, (-1,)) if x1.shape[-1] else f.sum(apart, (-1,))


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, in the cheapest order (dynamic programming)."""
    mats = list(tensors)
    if len(mats) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(mats)}")
    row, column = mats[0].ndim == 1, mats[-1].ndim == 1
    if row:
        mats[0] = f.unsqueeze(mats[0], 0)
    if column:
        mats[-1] = f.unsqueeze(mats[-1], 1)
    for k, t in enumerate(mats):
        if t.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {k} must be 2D but got {tensors[k].ndim}D")
    n = len(mats)
    size = [mats[0].shape[0], *(t.shape[1] for t in mats)]
    cost = [[0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + size[i] * size[k + 1] * size[j + 1], k)
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        return mats[i] if i == j else f.mm(product(i, cut[i][j]), product(cut[i][j] + 1, j))

    out = product(0, n - 1)
    out = f.squeeze(out, 0) if row else out
    return f.squeeze(out, -1) if column else out
