"""What losses share: the reduction, and a weight."""

from __future__ import annotations

from typing import Any

from opsmith import Tensor
from opsmith.nn._losses import legacy_reduction
from opsmith.nn.modules.module import Module

__all__ = ["Loss", "WeightedLoss"]


class Loss(Module):
    """Keeps the reduction; `size_average` and `reduce` are its old spelling."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        """Keep the reduction."""
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = legacy_reduction(size_average, reduce)
        self.reduction = reduction


class WeightedLoss(Loss):
    """Keeps a weight, as a buffer, too."""

    weight: Any

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        """Keep the weight as a buffer, and the reduction."""
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
