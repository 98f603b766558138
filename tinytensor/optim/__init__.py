"""Optimisers that keep all parameters in one flat vector, and what goes with them.

With them: learning-rate schedules, gradient clipping, groups with and without decay, a moving average of the weights,
the best weights so far.
"""

from typing import TYPE_CHECKING, Any

from ..names import Missing as _Missing
from ..names import elsewhere as _elsewhere
from .adaptive import Adagrad, Adam, AdamW, RMSprop
from .average import EMA
from .best import KeepBest
from .clip import clip_grad_norm_, clip_grad_value_
from .descent import SGD
from .groups import decay_groups
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedules import Schedule, constant, cosine, linear, piecewise, warmup

__all__ = [
    "EMA", "SGD", "Adagrad", "Adam", "AdamW", "KeepBest", "Optimizer", "RMSprop", "ReduceLROnPlateau", "Schedule",
    "clip_grad_norm_", "clip_grad_value_", "constant", "cosine", "decay_groups", "linear", "piecewise", "warmup",
]

if not TYPE_CHECKING:  # so that type checkers report missing names

    def __dir__() -> list[str]:
        return __all__

    def __getattr__(name: str) -> Any:
        raise _Missing(_elsewhere, "optim", name, __dir__)
