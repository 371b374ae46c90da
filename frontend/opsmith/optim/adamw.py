"""Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from opsmith.optim.adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    """p *= 1 - lr * weight_decay, then `Adam`'s update (Loshchilov and Hutter, 2017).

    Arguments are those of `Adam`, with a weight decay of 0.01 by default.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        """Check the options."""
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As in `Adam`; the decay is decoupled whatever the state says."""
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
