"""Alignments of sequences with shorter sequences of labels.

The recursion over time adds probabilities as logarithms. NEVER stands for the logarithm of 0: being
finite, it has differences and derivatives, and no sum of likely logarithms comes near it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._create import full, tensor
from .._dtypes import float32, int64

NEVER = -1e30


def _labels(
    targets: Tensor, lengths: Sequence[int], blank: int, options: Any
) -> tuple[Tensor, Tensor]:
    """Labels with blanks around each (N, 2 S + 1), and what a jump over one costs: 0 or NEVER."""
    batch, most = targets.shape
    place = targets.device
    given = tensor([[k < n for k in range(most)] for n in lengths], device=place)
    blanks = full((batch, most), blank, dtype=int64, device=place)
    labels = f.where(f.reshape(given, (batch, most)), targets.to(int64), blanks)
    around = f.reshape(f.stack([labels, blanks], 2), (batch, 2 * most))
    labels = f.cat([full((batch, 1), blank, dtype=int64, device=place), around], 1)
    start = full((batch, min(2, 2 * most + 1)), NEVER, **options)
    if most == 0:
        return labels, start
    here, before = f.narrow(labels, 1, 2, 2 * most - 1), f.narrow(labels, 1, 0, 2 * most - 1)
    barred = f.logical_or(f.eq(here, blank), f.eq(here, before))
    jumps = f.masked_fill(full((batch, 2 * most - 1), 0.0, **options), barred, NEVER)
    return labels, f.cat([start, jumps], 1)


def ctc_rows(
    log_probs: Tensor, targets: Tensor, input_lengths: Sequence[int],
    target_lengths: Sequence[int], blank: int,
) -> Tensor:  # fmt: skip
    """The loss of each sequence, inf where no alignment is possible."""
    steps, batch, _ = log_probs.shape
    dtype, place = log_probs.dtype, log_probs.device
    if dtype.itemsize < float32.itemsize:
        log_probs = log_probs.to(float32)
    options: Any = {"dtype": log_probs.dtype, "device": place}
    labels, jumps = _labels(targets, target_lengths, blank, options)
    width = labels.shape[1]
    index = labels.unsqueeze(0).expand(steps, batch, width)
    emitted = f.clamp(f.gather(log_probs, 2, index), NEVER)
    sides = full((batch, 2), NEVER, **options)
    start = full((batch, max(width - 2, 0)), NEVER, **options)
    reached = f.cat([f.narrow(f.select(emitted, 0, 0), 1, 0, min(2, width)), start], 1)
    shortest = min(input_lengths, default=steps)
    for t in range(1, max(input_lengths, default=0)):
        padded = f.cat([sides, reached], 1)
        now = f.log_of_three(
            reached,
            f.narrow(padded, 1, 1, width),
            f.narrow(padded, 1, 0, width) + jumps,
            f.select(emitted, 0, t),
        )
        if t >= shortest:
            going = tensor([[t < n] for n in input_lengths], device=place)
            now = f.where(going, now, reached)
        reached = now
    ends = [[2 * n, max(2 * n - 1, 0)] for n in target_lengths]
    lasts = f.gather(reached, 1, tensor(ends, dtype=int64, device=place))
    absent = tensor([[0.0, NEVER if n == 0 else 0.0] for n in target_lengths], **options)
    loss = -f.logsumexp(lasts + absent, [1])
    empty = [n == 0 for n in input_lengths]
    if any(empty):  # nothing aligns with nothing alone
        known = [0.0 if n == 0 else math.inf for n in target_lengths]
        loss = f.where(tensor(empty, device=place), tensor(known, **options), loss)
    loss = f.masked_fill(loss, loss > -NEVER / 10, math.inf)
    return loss if loss.dtype is dtype else loss.to(dtype)
