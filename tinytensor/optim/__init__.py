"""Optimisers that keep all parameters in one flat vector, and learning-rate schedules."""

from .descent import SGD
from .flat import Optimizer
from .schedules import Schedule, constant, cosine, linear, piecewise, warmup

__all__ = ["SGD", "Optimizer", "Schedule", "constant", "cosine", "linear", "piecewise", "warmup"]
