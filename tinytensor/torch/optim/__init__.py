"""Optimisers in PyTorch's spelling, each a face of one of `tinytensor.optim`. The public names."""

from . import lr_scheduler
from .adaptive import Adagrad, Adam, AdamW, RMSprop
from .descent import SGD
from .optimizer import Optimizer

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
