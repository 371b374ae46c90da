"""Optimizers and learning-rate schedulers."""

import importlib

from opsmith.optim import lr_scheduler
from opsmith.optim.adagrad import Adagrad
from opsmith.optim.adam import Adam
from opsmith.optim.adamw import AdamW
from opsmith.optim.optimizer import Optimizer
from opsmith.optim.rmsprop import RMSprop
from opsmith.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler", "swa_utils"]


def __getattr__(name: str) -> object:
    if name == "swa_utils":  # it needs layers, optimizers do not
        return importlib.import_module("opsmith.optim.swa_utils")
    from opsmith._names import missing

    raise missing(__name__, name)
