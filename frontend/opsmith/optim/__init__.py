"""Optimizers and learning-rate schedulers."""

from opsmith.optim import lr_scheduler
from opsmith.optim.adagrad import Adagrad
from opsmith.optim.adam import Adam
from opsmith.optim.adamw import AdamW
from opsmith.optim.optimizer import Optimizer
from opsmith.optim.rmsprop import RMSprop
from opsmith.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
