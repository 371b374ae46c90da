"""Averages of weights along training: `AveragedModel`, its averages, `update_bn` and `SWALR`.

Source: Izmailov et al. 2018, arXiv:1803.05407 (stochastic weight averaging).
"""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import opsmith
from opsmith import Tensor, no_grad
from opsmith.nn import Module
from opsmith.nn.modules.norm import _BatchNorm
from opsmith.optim._schedule import LRScheduler
from opsmith.optim.optimizer import Optimizer

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip

Average = Callable[[Tensor, Tensor, Any], Tensor]
Averages = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def _checked(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """Averages become ``decay * average + (1 - decay) * value``, in place."""
    _checked(decay)

    @no_grad()
    def update(averages: Sequence[Tensor], values: Sequence[Tensor], _: Any) -> None:
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(average * decay + value * (1 - decay))

    return update


def get_swa_multi_avg_fn() -> Averages:
    """Averages of all values so far, updated in place."""

    @no_grad()
    def update(averages: Sequence[Tensor], values: Sequence[Tensor], num_averaged: Any) -> None:
        count = int(num_averaged) + 1
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 / count)
            else:
                average.copy_(average + (value - average) / count)

    return update


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The same as ``get_ema_multi_avg_fn`` for one tensor, which is returned."""
    _checked(decay)

    @no_grad()
    def update(average: Tensor, value: Tensor, num_averaged: Any) -> Tensor:
        return decay * average + (1 - decay) * value

    return update


def get_swa_avg_fn() -> Average:
    """The same as ``get_swa_multi_avg_fn`` for one tensor, which is returned."""

    @no_grad()
    def update(average: Tensor, value: Tensor, num_averaged: Any) -> Tensor:
        return average + (value - average) / (num_averaged + 1)

    return update


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's.

    Args:
        model: what to average.
        device: where the averages are kept.
        avg_fn: from an average, a value and the number of values before: the new average.
        multi_avg_fn: the same for lists, in place. The plain average without both.
        use_buffers: average the buffers, too, instead of copying them.
    """

    n_averaged: Tensor

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None, use_buffers: bool = False,
    ) -> None:  # fmt: skip
        """Copy the model."""
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", opsmith.tensor(0, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model with its averages."""
        return self.module(*args, **kwargs)

    def _averaged(self, module: Module) -> Iterable[Tensor]:
        if self.use_buffers:
            return itertools.chain(module.parameters(), module.buffers())
        return module.parameters()

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the parameters of a model into the averages; the first time, copy them."""
        averages = [t.detach() for t in self._averaged(self.module)]
        values = [t.detach() for t in self._averaged(model)]
        values = [v.to(a.device) for a, v in zip(averages, values, strict=False)]
        if not self.n_averaged:
            for average, value in zip(averages, values, strict=False):
                average.copy_(value)
        elif self.avg_fn is None:
            self._update_lists(averages, values)
        else:
            for average, value in zip(averages, values, strict=True):
                average.copy_(self.avg_fn(average, value, self.n_averaged.to(average.device)))
        if not self.use_buffers:
            for own, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
                own.detach().copy_(buffer.detach().to(own.device))
        self.n_averaged += 1

    def _update_lists(self, averages: list[Tensor], values: list[Tensor]) -> None:
        """By device and dtype, as functions on lists expect."""
        groups: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
        for average, value in zip(averages, values, strict=True):
            own, given = groups.setdefault((average.device, average.dtype), ([], []))
            own.append(average)
            given.append(value)
        update = self.multi_avg_fn or get_swa_multi_avg_fn()
        for (device, _), (own, given) in groups.items():
            update(own, given, self.n_averaged.to(device))


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Estimate the statistics of a model's batch norms anew in one pass over the data.

    Args:
        loader: batches: tensors, or lists and tuples whose first item is one.
        model: whose batch norms.
        device: where batches are moved first.
    """
    momenta = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    training = model.training
    model.train()
    for module in momenta:
        module.momentum = None
    for batch in loader:
        batch = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(training)


def _linear(t: float) -> float:
    return t


def _cosine(t: float) -> float:
    return (1 - math.cos(math.pi * t)) / 2


_STRATEGIES = {"cos": _cosine, "linear": _linear}


class SWALR(LRScheduler):
    """Leads each group's rate to ``swa_lr`` in ``anneal_epochs`` steps and keeps it there.

    Args:
        optimizer: whose rates.
        swa_lr: the last rate, one for all groups or one for each.
        anneal_epochs: how many steps it takes.
        anneal_strategy: "cos" or "linear".
        last_epoch: the epoch to resume after.
    """

    def __init__(
        self, optimizer: Optimizer, swa_lr: Any, anneal_epochs: int = 10,
        anneal_strategy: str = "cos", last_epoch: int = -1,
    ) -> None:  # fmt: skip
        """Note the last rates in the groups."""
        groups = optimizer.param_groups
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(groups)
        if len(rates) != len(groups):
            raise ValueError(
                "swa_lr must have the same length as optimizer.param_groups. swa_lr has "
                f"{len(rates)} values, param_groups has {len(groups)}."
            )
        for group, rate in zip(groups, rates, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in _STRATEGIES:
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}"
            )
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the last rate there is in a step's."""
        return _STRATEGIES[self._anneal_strategy](max(0, min(1, step / max(1, self.anneal_epochs))))

    def get_lr(self) -> list[Any]:
        """The rates of this step, from those before it."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.", stacklevel=2,
            )  # fmt: skip
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            last = group["swa_lr"]
            first = last if before == 1 else (group["lr"] - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)
