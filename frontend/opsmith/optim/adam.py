"""Adam and, by its flag, AdamW."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.optim.optimizer import Optimizer, check_range, dense_grad, evaluated

__all__ = ["Adam"]


class Adam(Optimizer):
    """p -= lr * m / (sqrt(v) + eps), m and v being bias-corrected means of grad and grad^2.

    (Kingma and Ba, 2014; `amsgrad`: Reddi et al., 2018.)

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        betas: how much of the two means a step keeps.
        eps: added to the denominator.
        weight_decay: the factor of an L2 penalty, or of decay if decoupled.
        amsgrad: divide by the greatest v so far.
        foreach: accepted; each parameter's update is few kernels already.
        maximize: go along the gradient.
        capturable: accepted.
        differentiable: keep the update on the tape.
        fused: accepted.
        decoupled_weight_decay: shrink parameters directly, as AdamW does.

    Raises:
        ValueError: an option out of range.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        """Check the options."""
        check_range("learning rate", lr, lr >= 0.0)
        check_range("epsilon value", eps, eps >= 0.0)
        check_range("beta parameter at index 0", betas[0], 0.0 <= betas[0] < 1.0)
        check_range("beta parameter at index 1", betas[1], 0.0 <= betas[1] < 1.0)
        check_range("weight_decay value", weight_decay, weight_decay >= 0.0)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fill in options that older states lack; their "step" may be a number."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("fused", None)
            group.setdefault("decoupled_weight_decay", False)
        steps_as_tensors(self.state)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; return the closure's loss."""
        loss = evaluated(closure)
        for group in self.param_groups:
            with opsmith.set_grad_enabled(group["differentiable"]):
                self._update(group)
        return loss

    def _start(self, param: Tensor, amsgrad: bool) -> dict[str, Any]:
        state = self.state[param]
        if not state:
            state["step"] = opsmith.tensor(0.0, dtype=opsmith.float32)
            state["exp_avg"] = opsmith.zeros_like(param)
            state["exp_avg_sq"] = opsmith.zeros_like(param)
            if amsgrad:
                state["max_exp_avg_sq"] = opsmith.zeros_like(param)
        return state

    def _update(self, group: dict[str, Any]) -> None:
        lr, (beta1, beta2), eps = float(group["lr"]), group["betas"], group["eps"]
        decay, amsgrad, maximize = group["weight_decay"], group["amsgrad"], group["maximize"]
        decoupled = group["decoupled_weight_decay"]
        for param in group["params"]:
            grad = dense_grad(param, maximize)
            if grad is None:
                continue
            state = self._start(param, amsgrad)
            mean, square = state["exp_avg"], state["exp_avg_sq"]
            count = state["step"]
            count.add_(1)
            steps = count.item()
            if decay:
                if decoupled:
                    param.mul_(1 - lr * decay)
                else:
                    grad = grad.add(param, alpha=decay)
            mean.lerp_(grad, 1 - beta1)
            square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            if amsgrad:
                greatest = state["max_exp_avg_sq"]
                square = opsmith.maximum(greatest, square, out=greatest)
            scale = math.sqrt(1 - beta2**steps)
            denominator = square.sqrt().div_(scale).add_(eps)
            param.addcdiv_(mean, denominator, value=-lr / (1 - beta1**steps))


def steps_as_tensors(states: Any) -> None:
    """Make "step" a tensor where a loaded state has a number."""
    for state in states.values():
        step = state.get("step") if isinstance(state, dict) else None
        if step is not None and not isinstance(step, Tensor):
            state["step"] = opsmith.tensor(float(step), dtype=opsmith.float32)
