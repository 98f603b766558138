"""`torch.optim.lr_scheduler`: schedules of the learning rate, in PyTorch's classes. The public names."""

from typing import Any

from ...names import Missing as _Missing
from ...names import refusal as _refusal
from .combined import ChainedScheduler, ReduceLROnPlateau, SequentialLR
from .cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from .factors import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .schedule import LRScheduler

_LRScheduler = LRScheduler  # the older name, by which programs ask for the base

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]


def __getattr__(name: str) -> Any:
    raise _Missing(_refusal, "lr_scheduler", name, lambda: __all__)
