"""Optimisers in PyTorch's spelling, each a wrapper of one of `tinytensor.optim`. The public names."""

from typing import TYPE_CHECKING, Any

from ...names import Missing as _Missing
from ...names import refusal as _refusal
from . import lr_scheduler
from .adaptive import Adagrad, Adam, AdamW, RMSprop
from .descent import SGD
from .optimizer import Optimizer
from .rarer import Adadelta, Adamax, RAdam, Rprop

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Optimizer", "RAdam", "RMSprop", "Rprop",
           "lr_scheduler"]

if not TYPE_CHECKING:  # a checker is to find what is not there

    def __getattr__(name: str) -> Any:
        raise _Missing(_refusal, "optim", name, lambda: __all__)
