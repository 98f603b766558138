"""Optimisers in PyTorch's spelling, each a face of one of `tinytensor.optim`. The public names."""

from typing import Any

from ...names import Missing as _Missing
from ...names import refusal as _refusal
from . import lr_scheduler
from .adaptive import Adagrad, Adam, AdamW, RMSprop
from .descent import SGD
from .optimizer import Optimizer

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]


def __getattr__(name: str) -> Any:
    raise _Missing(_refusal, "optim", name, lambda: __all__)
