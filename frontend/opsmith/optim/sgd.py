"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import opsmith
from opsmith.autograd.grad_mode import set_grad_mode
from opsmith.optim.optimizer import Optimizer, check_range, dense_grad, evaluated, with_grads

__all__ = ["SGD"]


class SGD(Optimizer):
    """p -= lr * b, where b = momentum * b + (1 - dampening) * (grad + weight_decay * p).

    At first b is the gradient. With `nesterov`, grad + momentum * b is used in place of b
    (Sutskever et al., 2013).

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        momentum: 0 means none.
        dampening: see above.
        weight_decay: the factor of an L2 penalty.
        nesterov: see above; needs momentum and no dampening.
        maximize: go along the gradient.
        foreach: False updates parameter after parameter; else plain steps are one call for all.
        differentiable: keep the update on the tape.
        fused: accepted.

    Raises:
        ValueError: an option out of range.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        """Check the options."""
        check_range("learning rate", lr, lr >= 0.0)
        check_range("momentum value", momentum, momentum >= 0.0)
        check_range("weight_decay value", weight_decay, weight_decay >= 0.0)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fill in options that older states lack."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; return the closure's loss."""
        loss = evaluated(closure)
        was = opsmith.is_grad_enabled()
        try:
            for group in self.param_groups:
                set_grad_mode(group["differentiable"])
                self._update(group)
        finally:
            set_grad_mode(was)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        lr, momentum, decay = float(group["lr"]), group["momentum"], group["weight_decay"]
        kept = 1 - group["dampening"]
        nesterov, maximize = group["nesterov"], group["maximize"]
        if not (momentum or decay or maximize or group["foreach"] is False):
            params, grads = with_grads(group["params"])
            opsmith._foreach_add_(params, grads, alpha=-lr)
            return
        for param in group["params"]:
            grad = dense_grad(param, maximize)
            if grad is None:
                continue
            if decay:
                grad = grad.add(param, alpha=decay)
            if momentum:
                state = self.state[param]
                buffer = state.get("momentum_buffer")
                if buffer is None:
                    buffer = state["momentum_buffer"] = grad.detach().clone()
                else:
                    buffer.mul_(momentum).add_(grad, alpha=kept)
                grad = grad.add(buffer, alpha=momentum) if nesterov else buffer
            param.add_(grad, alpha=-lr)
