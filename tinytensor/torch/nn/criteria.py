"""The losses as modules, with PyTorch's names, defaults and buffers; and distances.

They compute nothing themselves: each calls its function.
"""

from __future__ import annotations

from .wrapped import Loss, Wrapped

OLD = {"size_average": None, "reduce": None}  # replaced by `reduction`


class MSELoss(Loss, function="mse_loss", takes={**OLD, "reduction": "mean"}):
    """(input - target)**2."""


class L1Loss(Loss, function="l1_loss", takes={**OLD, "reduction": "mean"}):
    """abs(input - target)."""


class SmoothL1Loss(Loss, function="smooth_l1_loss", takes={**OLD, "reduction": "mean", "beta": 1.0}):
    """`HuberLoss` divided by its delta, here `beta`."""


class HuberLoss(Loss, function="huber_loss", takes={"reduction": "mean", "delta": 1.0}):
    """d**2 / 2 for differences d up to delta, beyond it a straight line."""


class BCELoss(Loss, function="binary_cross_entropy", takes={"weight": None, **OLD, "reduction": "mean"}):
    """-log of the probability of the target, 1 or 0, where 1 has the probability `input`."""


class BCEWithLogitsLoss(Loss, function="binary_cross_entropy_with_logits",
                        takes={"weight": None, **OLD, "reduction": "mean", "pos_weight": None}):
    """`BCELoss` of sigmoid(input), without overflow."""


class KLDivLoss(Loss, function="kl_div", takes={**OLD, "reduction": "mean", "log_target": False}):
    """target * (log(target) - input), where input is the logarithm of a probability."""


class PoissonNLLLoss(Loss, function="poisson_nll_loss",
                     takes={"log_input": True, "full": False, "size_average": None, "eps": 1e-8, "reduce": None,
                            "reduction": "mean"}):
    """-log of the probability of counts, where their mean is exp(input)."""


class GaussianNLLLoss(Loss, function="gaussian_nll_loss", takes={"full": False, "eps": 1e-6, "reduction": "mean"},
                      named=True):
    """-log of the density of the target, normal around the input with a variance that is given."""


class NLLLoss(Loss, function="nll_loss", takes={"weight": None, "size_average": None, "ignore_index": -100,
                                                "reduce": None, "reduction": "mean"}):
    """-input of the target classes, where input is the logarithm of probabilities."""


class CrossEntropyLoss(Loss, function="cross_entropy",
                       takes={"weight": None, "size_average": None, "ignore_index": -100, "reduce": None,
                              "reduction": "mean", "label_smoothing": 0.0}):
    """The negative log-likelihood of the target classes under softmax(input).

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.CrossEntropyLoss()(torch.zeros(2, 27), torch.tensor([3, 5]))
    tensor(3.2958)
    """


class MarginRankingLoss(Loss, function="margin_ranking_loss", takes={"margin": 0.0, **OLD, "reduction": "mean"}):
    """max(0, -target * (input1 - input2) + margin)."""


class HingeEmbeddingLoss(Loss, function="hinge_embedding_loss", takes={"margin": 1.0, **OLD, "reduction": "mean"}):
    """The input where the target is 1, max(0, margin - input) where it is -1."""


class SoftMarginLoss(Loss, function="soft_margin_loss", takes={**OLD, "reduction": "mean"}):
    """log(1 + exp(-target * input))."""


class MultiLabelSoftMarginLoss(Loss, function="multilabel_soft_margin_loss",
                               takes={"weight": None, **OLD, "reduction": "mean"}):
    """The mean over classes of `BCEWithLogitsLoss`."""


class MultiLabelMarginLoss(Loss, function="multilabel_margin_loss", takes={**OLD, "reduction": "mean"}):
    """The mean, over pairs of a target class and another, of max(0, 1 - (input[target] - input[other]))."""


class CosineEmbeddingLoss(Loss, function="cosine_embedding_loss", takes={"margin": 0.0, **OLD, "reduction": "mean"}):
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1."""


class TripletMarginLoss(Loss, function="triplet_margin_loss",
                        takes={"margin": 1.0, "p": 2.0, "eps": 1e-6, "swap": False, **OLD, "reduction": "mean"}):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin)."""


class TripletMarginWithDistanceLoss(Loss, function="triplet_margin_with_distance_loss", named=True,
                                    takes={"distance_function": None, "margin": 1.0, "swap": False,
                                           "reduction": "mean"}):
    """`TripletMarginLoss` of a distance of one's own."""


class MultiMarginLoss(Loss, function="multi_margin_loss",
                      takes={"p": 1, "margin": 1.0, "weight": None, **OLD, "reduction": "mean"}):
    """The mean over the other classes of max(0, margin - input[target] + input)**p."""


# --- distances ---


class CosineSimilarity(Wrapped, function="cosine_similarity", takes={"dim": 1, "eps": 1e-8}):
    """The cosine of the angle between vectors along an axis."""

    def extra_repr(self) -> str:
        return ""


class PairwiseDistance(Wrapped, function="pairwise_distance", takes={"p": 2.0, "eps": 1e-6, "keepdim": False}):
    """The p-norm of x1 - x2 + eps along the last axis."""

    def extra_repr(self) -> str:
        return ""
