"""Batch normalisation over processes, and the older normalisation across channels."""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn.modules.module import Module
from opsmith.nn.modules.norm import _BatchNorm

__all__ = ["CrossMapLRN2d", "SyncBatchNorm"]


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of (N, C, *) by the statistics of all processes of a group.

    A process alone normalises by its own, as `BatchNorm1d` does.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        bias: bool = True,
    ) -> None:
        """Make the parameters and the statistics; keep the group."""
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module with every batch normalisation in it replaced, parameters and all."""
        result = module
        if isinstance(module, _BatchNorm):
            result = SyncBatchNorm(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
            )
            if module.affine:
                with opsmith.no_grad():
                    result.weight = module.weight
                    result.bias = module.bias
            result.running_mean = module.running_mean
            result.running_var = module.running_var
            result.num_batches_tracked = module.num_batches_tracked
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result


class CrossMapLRN2d(Module):
    """x / (k + alpha / size * squares of neighbouring channels summed)^beta.

    (Krizhevsky et al., 2012.) Unlike `LocalResponseNorm`, and as in PyTorch, of an even `size` the
    farthest neighbour is left out, and the first channel never leaves the sum.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        """Keep the arguments."""
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        batch, channels = input.shape[:2]
        reach = (self.size - 1) // 2
        squares = input * input
        padded = F.pad(squares.reshape(batch, 1, channels, -1), (0, 0, reach, reach))
        sums = F.avg_pool2d(padded, (2 * reach + 1, 1), 1, divisor_override=1).reshape(input.shape)
        late = (opsmith.arange(channels, device=input.device) > reach).to(input.dtype)
        sums = sums + squares[:, :1] * late.reshape(-1, 1, 1)
        return input / (sums * (self.alpha / self.size) + self.k) ** self.beta

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
