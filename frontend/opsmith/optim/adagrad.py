"""Adagrad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import opsmith
from opsmith.optim.adam import steps_as_tensors
from opsmith.optim.optimizer import Optimizer, check_range, dense_grad, evaluated

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """p -= lr / (1 + (t - 1) * lr_decay) * grad / (sqrt(sum of grad^2) + eps).

    (Duchi et al., 2011.)

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        lr_decay: see above.
        weight_decay: the factor of an L2 penalty.
        initial_accumulator_value: what the sums start from.
        eps: added to the denominator.
        foreach: accepted; each parameter's update is few kernels already.
        maximize: go along the gradient.
        differentiable: keep the update on the tape.
        fused: accepted.

    Raises:
        ValueError: an option out of range.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        """Check the options and start the sums."""
        check_range("learning rate", lr, lr >= 0.0)
        check_range("lr_decay value", lr_decay, lr_decay >= 0.0)
        check_range("weight_decay value", weight_decay, weight_decay >= 0.0)
        check_range(
            "initial_accumulator_value value",
            initial_accumulator_value,
            initial_accumulator_value >= 0.0,
        )
        check_range("epsilon value", eps, eps >= 0.0)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                state = self.state[param]
                state["step"] = opsmith.tensor(0.0, dtype=opsmith.float32)
                start = group["initial_accumulator_value"]
                state["sum"] = opsmith.full_like(param, start).detach()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fill in options that older states lack; their "step" may be a number."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)
            group.setdefault("maximize", False)
            group.setdefault("differentiable", False)
            group.setdefault("fused", None)
        steps_as_tensors(self.state)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; return the closure's loss."""
        loss = evaluated(closure)
        for group in self.param_groups:
            with opsmith.set_grad_enabled(group["differentiable"]):
                self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        lr, lr_decay, eps = float(group["lr"]), group["lr_decay"], group["eps"]
        for param in group["params"]:
            grad = dense_grad(param, group["maximize"])
            if grad is None:
                continue
            state = self.state[param]
            if not state:  # the group was added later
                state["step"] = opsmith.tensor(0.0, dtype=opsmith.float32)
                start = group["initial_accumulator_value"]
                state["sum"] = opsmith.full_like(param, start).detach()
            state["step"].add_(1)
            rate = lr / (1 + (state["step"].item() - 1) * lr_decay)
            if group["weight_decay"]:
                grad = grad.add(param, alpha=group["weight_decay"])
            total = state["sum"]
            total.addcmul_(grad, grad, value=1)
            param.addcdiv_(grad, total.sqrt().add_(eps), value=-rate)
