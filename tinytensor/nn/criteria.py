"""The losses as modules, with PyTorch's names, defaults and buffers.

They compute nothing themselves: each calls its function in `losses.py`, `likelihoods.py` or `margins.py`, which says
what it is.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..core import Tensor, as_array
from . import likelihoods, losses, margins
from .module import Module


class Loss(Module):
    """The base of these modules: the function's parameters are attributes, its arrays buffers."""

    reductions: ClassVar[tuple[str, ...]] = losses.REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        losses.check_reduction(type(self).__name__, reduction, self.reductions)
        self.reduction = reduction

    def _keep(self, **buffers: Any) -> None:
        for name, array in buffers.items():
            self.register_buffer(name, None if array is None else as_array(array))


class MSELoss(Loss):
    """The squared difference: see `functional.mse_loss`."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return losses.mse_loss(input, target, self.reduction)


class L1Loss(Loss):
    """The absolute difference: see `functional.l1_loss`."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return losses.l1_loss(input, target, self.reduction)


class HuberLoss(Loss):
    """Squared up to delta, linear beyond: see `functional.huber_loss`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Tensor:
        return losses.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(Loss):
    """`HuberLoss` divided by its delta, here `beta`: see `functional.smooth_l1_loss`."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Tensor:
        return losses.smooth_l1_loss(input, target, self.reduction, self.beta)


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence, from log-probabilities: see `functional.kl_div`."""

    reductions = (*losses.REDUCTIONS, "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Tensor:
        return losses.kl_div(input, target, self.reduction, self.log_target)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits: see `functional.binary_cross_entropy_with_logits`."""

    weight: Any
    pos_weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self._keep(weight=weight, pos_weight=pos_weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return losses.binary_cross_entropy_with_logits(input, target, self.reduction, weight=self.weight,
                                                       pos_weight=self.pos_weight)


class NLLLoss(Loss):
    """Minus the log-probability of the target class: see `functional.nll_loss`."""

    weight: Any

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep(weight=weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, targets: Any) -> Tensor:
        return losses.nll_loss(input, targets, self.reduction, weight=self.weight, ignore_index=self.ignore_index)


class CrossEntropyLoss(Loss):
    """Cross-entropy of logits, with classes along axis 1: see `functional.cross_entropy`."""

    weight: Any

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                 label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        self._keep(weight=weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, logits: Any, targets: Any) -> Tensor:
        return losses.cross_entropy(logits, targets, self.reduction, weight=self.weight, ignore_index=self.ignore_index,
                                    label_smoothing=self.label_smoothing)


# --- of rankings, margins and distributions ---


class BCELoss(Loss):
    """Binary cross-entropy of probabilities: see `functional.binary_cross_entropy`."""

    weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep(weight=weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return likelihoods.binary_cross_entropy(input, target, self.reduction, weight=self.weight)


class SoftMarginLoss(Loss):
    """log(1 + exp(-target * input)): see `functional.soft_margin_loss`."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return likelihoods.soft_margin_loss(input, target, self.reduction)


class MultiLabelSoftMarginLoss(Loss):
    """Binary cross-entropy of several classes at once: see `functional.multilabel_soft_margin_loss`."""

    weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep(weight=weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return likelihoods.multilabel_soft_margin_loss(input, target, self.reduction, weight=self.weight)


class PoissonNLLLoss(Loss):
    """The negative log-likelihood of counts: see `functional.poisson_nll_loss`."""

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Any, target: Any) -> Tensor:
        return likelihoods.poisson_nll_loss(input, target, self.log_input, self.full, self.eps, self.reduction)


class GaussianNLLLoss(Loss):
    """The negative log-likelihood of numbers, with a variance: see `functional.gaussian_nll_loss`."""

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Any, target: Any, var: Any) -> Tensor:
        return likelihoods.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class MarginRankingLoss(Loss):
    """Which of two inputs is to be larger: see `functional.margin_ranking_loss`."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Tensor:
        return margins.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class HingeEmbeddingLoss(Loss):
    """Distances of similar (1) and dissimilar (-1) pairs: see `functional.hinge_embedding_loss`."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Tensor:
        return margins.hinge_embedding_loss(input, target, self.margin, self.reduction)


class CosineEmbeddingLoss(MarginRankingLoss):
    """Cosines of similar (1) and dissimilar (-1) pairs: see `functional.cosine_embedding_loss`."""

    def forward(self, input1: Any, input2: Any, target: Any) -> Tensor:
        return margins.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(Loss):
    """An anchor nearer to a positive than to a negative: see `functional.triplet_margin_loss`."""

    def __init__(self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
                 reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Tensor:
        return margins.triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap,
                                           self.reduction)


class MultiMarginLoss(Loss):
    """A hinge loss of classes: see `functional.multi_margin_loss`."""

    weight: Any

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep(weight=weight)
        self.p, self.margin = p, margin

    def forward(self, input: Any, target: Any) -> Tensor:
        return margins.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelMarginLoss(Loss):
    """A hinge loss of several classes at once: see `functional.multilabel_margin_loss`."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return margins.multilabel_margin_loss(input, target, self.reduction)
