"""Sums, means and maxima of looked-up rows, under PyTorch's signature."""

from __future__ import annotations

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith.nn._layers import shrink_rows

__all__ = ["embedding_bag"]


def _starts(input: Tensor, offsets: Tensor | None, include_last: bool) -> list[int]:
    """Where each bag of flat indices begins, and where the last one ends."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {type(offsets)}"
            )
        return [k * input.shape[1] for k in range(input.shape[0] + 1)]
    if input.dim() != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    count = input.numel()
    starts: list[int] = offsets.tolist()
    if starts and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}"
        )
    if starts and starts[-1] > count:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {count} but got offsets[-1] of "
            f"{starts[-1]}"
        )
    return starts if include_last else [*starts, count]


def _greatest(rows: Tensor, starts: list[int], kept: Tensor | None) -> Tensor:
    """The maximum of each bag, 0 of empty ones."""
    bags = list(zip(starts, starts[1:], strict=False))
    longest = max((end - start for start, end in bags), default=0)
    if longest == 0:
        return rows.new_zeros((len(bags), rows.shape[1]))
    at = [[min(k, end - 1) if end > start else 0 for k in range(start, start + longest)]
          for start, end in bags]  # fmt: skip
    places = opsmith.tensor(at, device=rows.device)
    values = rows[places]
    empty = opsmith.tensor([[start == end] for start, end in bags], device=rows.device)
    if kept is not None:
        hidden = ~kept[places]
        values = values.masked_fill(hidden.unsqueeze(2), float("-inf"))
        empty = empty | hidden.all(1, keepdim=True)
    return values.max(1).values.masked_fill(empty, 0.0)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum over each bag of the rows of weight (V, D) at its integers: (B, D).

    Args:
        input: bags of one length (B, L), or all bags one behind the other.
        weight: the table.
        offsets: where each bag begins, for the latter.
        max_norm: rows looked up are first scaled down, in place, to at most this norm.
        norm_type: the p of that norm.
        scale_grad_by_freq: not supported.
        mode: 'sum', 'mean' or 'max'.
        sparse: not supported.
        per_sample_weights: factors of the rows, for sums.
        include_last_offset: the last of `offsets` is where the last bag ends.
        padding_idx: a row that does not count.

    Raises:
        ValueError: shapes or a mode that do not fit.
    """
    if sparse or scale_grad_by_freq:
        raise NotImplementedError("embedding_bag: sparse and scale_grad_by_freq are not supported")
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then "
            f"it must have the same shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(
            f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    starts = _starts(input, offsets, include_last_offset)
    if max_norm is not None:
        shrink_rows(weight, input, max_norm, norm_type)
    if padding_idx is not None and padding_idx < 0:
        padding_idx += weight.size(0)
    flat = input.reshape(-1)
    rows = _f.embedding(flat, weight, padding_idx)
    kept = None if padding_idx is None else flat != padding_idx
    if mode == "max":
        return _greatest(rows, starts, kept)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    if kept is not None:
        rows = rows * kept.unsqueeze(1).to(rows.dtype)
    sizes = [end - start for start, end in zip(starts, starts[1:], strict=False)]
    bags = [k for k, size in enumerate(sizes) for _ in range(size)]
    place = opsmith.tensor(bags, dtype=opsmith.int64, device=rows.device)
    out = rows.new_zeros((len(sizes), weight.size(1))).index_add(0, place, rows)
    if mode == "mean":
        ones = rows.new_ones(flat.shape) if kept is None else kept.to(rows.dtype)
        counts = rows.new_zeros(len(sizes)).index_add(0, place, ones)
        out = out / counts.clamp(min=1).unsqueeze(1)
    return out
