"""Connectionist temporal classification (Graves et al., 2006), under PyTorch's signature."""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith.nn._losses import reduced

__all__ = ["ctc_loss"]


def _integers(lengths: Any) -> list[int]:
    if isinstance(lengths, Tensor):
        if lengths.is_floating_point():
            raise RuntimeError("ctc_loss: lengths must be integral")
        return [int(n) for n in lengths.reshape(-1).tolist()]
    return [int(n) for n in lengths]


def _padded(targets: Tensor, lengths: list[int]) -> Tensor:
    """Targets one behind the other as rows of one length."""
    if targets.numel() != sum(lengths):
        raise RuntimeError(
            f"Expected tensor to have size {sum(lengths)} at dimension 0, but got size "
            f"{targets.numel()} for argument #2 'targets' (while checking arguments for ctc_loss)"
        )
    return opsmith.nn.utils.rnn.pad_sequence(list(targets.split(lengths)), batch_first=True)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability that a sequence, blanks and repeats left out, reads as its target.

    Args:
        log_probs: logarithms of probabilities (T, N, C), or (T, C).
        targets: classes (N, S), or all targets one behind the other.
        input_lengths: how many steps of each sequence count.
        target_lengths: how many classes each target has.
        blank: the class that stands for none.
        reduction: 'none', 'sum' or 'mean', which divides each loss by its target's length first.
        zero_infinity: give 0 where a target is too long for its sequence, in the place of inf.

    Raises:
        RuntimeError: lengths that do not fit, a blank or target that is no class.
    """
    batched = log_probs.dim() == 3
    sizes, lengths = _integers(input_lengths), _integers(target_lengths)
    if not batched:
        log_probs = log_probs.unsqueeze(1)
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, found in (("input_lengths", sizes), ("target_lengths", lengths)):
        if len(found) != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
        if any(n < 0 for n in found):
            raise RuntimeError(f"Expected {name} to be non-negative, but got {min(found)}")
    if max(sizes, default=0) > steps:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value {max(sizes)} "
            "(while checking arguments for ctc_loss)"
        )
    if targets.dim() == 1:
        targets = _padded(targets, lengths)
    elif targets.size(1) < max(lengths, default=0):
        raise RuntimeError(
            f"Expected tensor to have size at least {max(lengths)} at dimension 1, but got size "
            f"{targets.size(1)} for argument #2 'targets' (while checking arguments for ctc_loss)"
        )
    loss = _f.ctc_rows(log_probs, targets, sizes, lengths, blank)
    if zero_infinity:
        loss = loss.masked_fill(loss == float("inf"), 0.0)
    if reduction == "mean":
        counts = [max(n, 1) for n in lengths]
        return (loss / opsmith.tensor(counts, dtype=loss.dtype, device=loss.device)).mean()
    return reduced(loss if batched else loss.squeeze(0), reduction)
