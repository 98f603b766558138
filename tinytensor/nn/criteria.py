"""The losses as modules, with PyTorch's names, defaults and buffers.

They compute nothing themselves: each calls its function in `losses.py`, which says what it is.
"""

from __future__ import annotations

from typing import Any

from ..core import as_array
from . import losses
from .module import Module


class Loss(Module):
    """What the modules share: the function's parameters are attributes, its arrays buffers."""

    def __init__(self, reduction: str = "mean", **buffers: Any) -> None:
        super().__init__()
        self.reduction = reduction
        for name, array in buffers.items():
            self.register_buffer(name, None if array is None else as_array(array))


class MSELoss(Loss):
    """`functional.mse_loss` as a module."""

    def forward(self, input: Any, target: Any) -> Any:
        return losses.mse_loss(input, target, self.reduction)


class L1Loss(Loss):
    """`functional.l1_loss` as a module."""

    def forward(self, input: Any, target: Any) -> Any:
        return losses.l1_loss(input, target, self.reduction)


class HuberLoss(Loss):
    """`functional.huber_loss` as a module."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return losses.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(Loss):
    """`functional.smooth_l1_loss` as a module."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return losses.smooth_l1_loss(input, target, self.reduction, self.beta)


class KLDivLoss(Loss):
    """`functional.kl_div` as a module."""

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        return losses.kl_div(input, target, self.reduction, self.log_target)


class BCEWithLogitsLoss(Loss):
    """`functional.binary_cross_entropy_with_logits` as a module."""

    weight: Any
    pos_weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction, weight=weight, pos_weight=pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return losses.binary_cross_entropy_with_logits(input, target, self.reduction, weight=self.weight,
                                                       pos_weight=self.pos_weight)


class NLLLoss(Loss):
    """`functional.nll_loss` as a module."""

    weight: Any

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction, weight=weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, targets: Any) -> Any:
        return losses.nll_loss(input, targets, self.reduction, weight=self.weight, ignore_index=self.ignore_index)


class CrossEntropyLoss(Loss):
    """`functional.cross_entropy` as a module."""

    weight: Any

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                 label_smoothing: float = 0.0) -> None:
        super().__init__(reduction, weight=weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, logits: Any, targets: Any) -> Any:
        return losses.cross_entropy(logits, targets, self.reduction, weight=self.weight, ignore_index=self.ignore_index,
                                    label_smoothing=self.label_smoothing)
