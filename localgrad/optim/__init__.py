"""Optimisers: PyTorch's names, arguments and defaults; `lr_scheduler` changes `lr` over time."""

from localgrad.optim import lr_scheduler
from localgrad.optim.optimizer import Optimizer
from localgrad.optim.rules import SGD, Adagrad, Adam, AdamW, RMSprop

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
