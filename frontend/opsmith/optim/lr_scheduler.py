"""Learning-rate schedulers."""

from opsmith.optim._schedule import LRScheduler
from opsmith.optim._schedule_chains import ChainedScheduler, SequentialLR
from opsmith.optim._schedule_formulas import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from opsmith.optim._schedule_onecycle import OneCycleLR
from opsmith.optim._schedule_plateau import ReduceLROnPlateau

_LRScheduler = LRScheduler


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
