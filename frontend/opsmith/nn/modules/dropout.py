"""Dropout of elements and of channels; the identity in evaluation mode."""

from __future__ import annotations

from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn.modules.module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _Dropout(Module):
    """Keeps `p`, the probability of dropping, and `inplace`.

    Raises:
        ValueError: `p` is not in [0, 1].
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The arguments."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeroes elements with probability p, scales the others by 1 / (1 - p).

    (Srivastava et al., 2014.)
    """

    def forward(self, input: Tensor) -> Tensor:
        """(*) -> (*)."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Zeroes whole channels of (N, C, L) or (C, L)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> the same."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Zeroes whole channels of (N, C, H, W) (Tompson et al., 2014)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Zeroes whole channels of (N, C, D, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) -> the same."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance of SELU's outputs (Klambauer et al., 2017)."""

    def forward(self, input: Tensor) -> Tensor:
        """(*) -> (*)."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels of (N, C, *)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *) -> the same."""
        return F.feature_alpha_dropout(input, self.p, self.training)
