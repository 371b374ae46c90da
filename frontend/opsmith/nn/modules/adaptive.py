"""Losses over many classes or alignments: adaptive softmax (Grave et al., 2017) and CTC."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn.modules._loss import Loss
from opsmith.nn.modules.container import ModuleList, Sequential
from opsmith.nn.modules.linear import Linear
from opsmith.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss", "CTCLoss"]

_Output = namedtuple("_ASMoutput", ["output", "loss"])


class CTCLoss(Loss):
    """Connectionist temporal classification; see `nn.functional.ctc_loss`."""

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        """Keep the arguments."""
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        """(T, N, C), (N, S), (N), (N) -> () or (N)."""
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )


class AdaptiveLogSoftmaxWithLoss(Module):
    """log_softmax over classes of which most are rare: those come in clusters of lesser width.

    The head knows the classes below the first cutoff and one entry for each cluster; cluster k has
    the classes from cutoff k on, and in_features / div_value^(k + 1) features.

    Args:
        in_features: the features of the input.
        n_classes: the number of classes, more frequent ones first.
        cutoffs: where each cluster begins.
        div_value: how much narrower each cluster is.
        head_bias: whether the head has a bias.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: `cutoffs` that do not grow, or are not between 1 and n_classes - 1.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make and initialise the parameters."""
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                "order, where each value is between 1 and n_classes-1"
            )
        options = {"device": device, "dtype": dtype}
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **options)
        self.tail = ModuleList()
        for k in range(self.n_clusters):
            width = int(in_features // div_value ** (k + 1))
            size = self.cutoffs[k + 1] - self.cutoffs[k]
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, **options),
                    Linear(width, size, bias=False, **options),
                )
            )

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:  # type: ignore[attr-defined]
            narrow.reset_parameters()
            wide.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> Any:
        """(N, in_features), (N) -> the target's log-probabilities (N) and minus their mean."""
        batched = target_.dim() > 0
        if batched:
            if input_.shape[0] != target_.shape[0]:
                raise RuntimeError(
                    "Input and target should have the same size in the batch dimension."
                )
            if input_.dim() != 2:
                raise RuntimeError(
                    "1D target tensor expects 2D input tensors, but found inputs with size",
                    input_.size(),
                )
        elif input_.dim() != 1:
            raise RuntimeError(
                "0D target tensor expects 1D input tensors, but found inputs with size",
                input_.size(),
            )
        input, target = (input_, target_) if batched else (input_[None], target_[None])
        if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{int(target.min())}, {int(target.max())}] were found. "
            )
        head = F.log_softmax(self.head(input), dim=1)
        entries, parts, places = target, [], []
        for k in range(self.n_clusters):
            low, high = self.cutoffs[k], self.cutoffs[k + 1]
            inside = (target >= low) & (target < high)
            entries = entries.masked_fill(inside, self.shortlist_size + k)
            rows = inside.nonzero().squeeze(1)
            if rows.numel():
                cluster = F.log_softmax(self.tail[k](input.index_select(0, rows)), dim=1)
                own = (target.index_select(0, rows) - low).unsqueeze(1)
                parts.append(cluster.gather(1, own).squeeze(1))
                places.append(rows)
        output = head.gather(1, entries.unsqueeze(1)).squeeze(1)
        if parts:
            output = output.index_add(0, opsmith.cat(places), opsmith.cat(parts))
        loss = -output.mean()
        return _Output(output if batched else output.squeeze(0), loss)

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        """Log-probabilities of all classes, given the head's scores."""
        head = F.log_softmax(head_output, dim=1)
        size = self.shortlist_size
        parts = [head[:, :size]]
        for k in range(self.n_clusters):
            cluster = F.log_softmax(self.tail[k](input), dim=1)
            parts.append(cluster + head[:, size + k : size + k + 1])
        return opsmith.cat(parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """(N, in_features) -> log-probabilities (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """(N, in_features) -> the most probable classes (N)."""
        head = self.head(input)
        best = head.argmax(1)
        if bool((best < self.shortlist_size).all()):
            return best
        return self._get_full_log_prob(input, head).argmax(1)
