"""The one-cycle schedule."""

from __future__ import annotations

import math
from typing import Any

from opsmith.optim._schedule import LRScheduler, set_rate
from opsmith.optim.optimizer import Optimizer

__all__ = ["OneCycleLR"]


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _linear(start: float, end: float, part: float) -> float:
    return (end - start) * part + start


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr, then down far below (Smith and Topin, 2017).

    Momentum (or the first beta) goes the other way. To be stepped after every batch.

    Args:
        optimizer: whose rates to set.
        max_lr: the peak, or one for each group.
        total_steps: the length of the cycle; else `epochs` * `steps_per_epoch`.
        epochs: see above.
        steps_per_epoch: see above.
        pct_start: the part of the cycle that goes up.
        anneal_strategy: 'cos' or 'linear'.
        cycle_momentum: whether momentum moves too.
        base_momentum: its least value, or one for each group.
        max_momentum: its greatest, or one for each group.
        div_factor: max_lr / the first rate.
        final_div_factor: the first rate / the last one.
        three_phase: go down to the first rate as fast as up, then to the last one.
        last_epoch: the batch to resume after.

    Raises:
        ValueError: no length, options out of range, or an optimizer without momentum.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        """Keep the arguments."""
        self.optimizer = optimizer
        self.total_steps = _length(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or pct_start < 0 or pct_start > 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_func_type = anneal_strategy
        up = float(pct_start * self.total_steps) - 1
        low, high = ("initial_lr", "max_lr"), ("max_momentum", "base_momentum")
        least = "min_lr"
        phases = [(up, low[0], low[1], high[0], high[1])]
        if three_phase:
            down = float(2 * pct_start * self.total_steps) - 2
            phases.append((down, low[1], low[0], high[1], high[0]))
            phases.append((self.total_steps - 1, low[0], least, high[0], high[0]))
        else:
            phases.append((self.total_steps - 1, low[1], least, high[1], high[0]))
        self._schedule_phases = [
            {
                "end_step": end,
                "start_lr": start,
                "end_lr": stop,
                "start_momentum": start_momentum,
                "end_momentum": stop_momentum,
            }
            for end, start, stop, start_momentum, stop_momentum in phases
        ]
        peaks = self._per_group("max_lr", max_lr)
        if last_epoch == -1:
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["initial_lr"] = peak / div_factor
                group["max_lr"] = peak
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _per_group(self, name: str, value: Any) -> list[Any]:
        groups = self.optimizer.param_groups
        if not isinstance(value, list | tuple):
            return [value] * len(groups)
        if len(value) != len(groups):
            raise ValueError(
                f"{name} must have the same length as optimizer.param_groups. {name} has "
                f"{len(value)} values, param_groups has {len(groups)}."
            )
        return list(value)

    def _start_momentum(self, base: Any, greatest: Any, last_epoch: int) -> None:
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
            )
        self.use_beta1 = "betas" in defaults
        if last_epoch != -1:
            return
        bases = self._per_group("base_momentum", base)
        peaks = self._per_group("max_momentum", greatest)
        for group, low, high in zip(self.optimizer.param_groups, bases, peaks, strict=True):
            self._set_momentum(group, high)
            group["max_momentum"] = high
            group["base_momentum"] = low

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            set_rate(group, value, "momentum")

    def get_lr(self) -> list[Any]:
        """The rates of this step; momentum is set on the way.

        Raises:
            ValueError: more steps than the cycle has.
        """
        self._note_called_outside()
        now = self.last_epoch
        if now > self.total_steps:
            raise ValueError(
                f"Tried to step {now} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        anneal = _cosine if self._anneal_func_type == "cos" else _linear
        start = 0.0
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if now <= end or phase is self._schedule_phases[-1]:
                part = (now - start) / (end - start)
                break
            start = end
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(anneal(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                first, last = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, anneal(first, last, part))
        return rates


def _length(total: int | None, epochs: int | None, each: int | None) -> int:
    for name, value in (("total_steps", total), ("epochs", epochs), ("steps_per_epoch", each)):
        if value is not None and (value <= 0 or not isinstance(value, int)):
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    if total is not None:
        return total
    if epochs is None or each is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    return epochs * each
