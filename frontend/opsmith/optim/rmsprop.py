"""RMSprop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.optim.adam import steps_as_tensors
from opsmith.optim.optimizer import Optimizer, check_range, dense_grad, evaluated

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """p -= lr * grad / (sqrt(v) + eps), where v = alpha * v + (1 - alpha) * grad^2.

    (Hinton, 2012; centred: Graves, 2013.) With momentum the quotients are accumulated.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        alpha: see above.
        eps: added to the denominator.
        weight_decay: the factor of an L2 penalty.
        momentum: 0 means none.
        centered: subtract from v the square of the gradient's mean.
        capturable: accepted.
        foreach: accepted; each parameter's update is few kernels already.
        maximize: go along the gradient.
        differentiable: keep the update on the tape.

    Raises:
        ValueError: an option out of range.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        """Check the options."""
        check_range("learning rate", lr, lr >= 0.0)
        check_range("epsilon value", eps, eps >= 0.0)
        check_range("momentum value", momentum, momentum >= 0.0)
        check_range("weight_decay value", weight_decay, weight_decay >= 0.0)
        check_range("alpha value", alpha, alpha >= 0.0)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fill in options that older states lack; their "step" may be a number."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("momentum", 0)
            group.setdefault("centered", False)
            group.setdefault("capturable", False)
            group.setdefault("foreach", None)
            group.setdefault("maximize", False)
            group.setdefault("differentiable", False)
        steps_as_tensors(self.state)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; return the closure's loss."""
        loss = evaluated(closure)
        for group in self.param_groups:
            with opsmith.set_grad_enabled(group["differentiable"]):
                self._update(group)
        return loss

    def _start(self, param: Tensor, momentum: float, centered: bool) -> dict[str, Any]:
        state = self.state[param]
        if not state:
            state["step"] = opsmith.zeros((), dtype=opsmith.float32)
            state["square_avg"] = opsmith.zeros_like(param)
            if momentum > 0:
                state["momentum_buffer"] = opsmith.zeros_like(param)
            if centered:
                state["grad_avg"] = opsmith.zeros_like(param)
        return state

    def _update(self, group: dict[str, Any]) -> None:
        lr, alpha, eps = float(group["lr"]), group["alpha"], group["eps"]
        momentum, centered, decay = group["momentum"], group["centered"], group["weight_decay"]
        for param in group["params"]:
            grad = dense_grad(param, group["maximize"])
            if grad is None:
                continue
            state = self._start(param, momentum, centered)
            state["step"].add_(1)
            if decay:
                grad = grad.add(param, alpha=decay)
            square = state["square_avg"]
            square.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
            if centered:
                mean = state["grad_avg"]
                mean.lerp_(grad, 1 - alpha)
                root = square.addcmul(mean, mean, value=-1).sqrt_().add_(eps)
            else:
                root = square.sqrt().add_(eps)
            if momentum > 0:
                buffer = state["momentum_buffer"]
                buffer.mul_(momentum).addcdiv_(grad, root)
                param.add_(buffer, alpha=-lr)
            else:
                param.addcdiv_(grad, root, value=-lr)
