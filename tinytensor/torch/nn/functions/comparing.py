"""Distances, and losses that compare several inputs with each other or with margins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .... import ops
from ....nn import functional as engine
from ...tensor import Tensor, wrap
from .losses import reduced, reduction_of, with_grad_fn
from .offered import Misuse, both, floating, floats, function, node, optional


def clamped(y: Any, reduction: str) -> Tensor:
    """A loss that PyTorch clamps, before it is reduced."""
    return with_grad_fn(y, "ClampMin") if reduction == "none" else wrap(y)


@function()
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis."""
    a, b = floats("cosine_similarity", x1, x2)
    if not a.data.ndim and not b.data.ndim:
        return wrap(engine.cosine_similarity(a.reshape(1), b.reshape(1), 0, eps))
    return wrap(engine.cosine_similarity(a, b, dim, eps))


@function("NormBackward1")
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis."""
    return wrap(engine.pairwise_distance(*floats("pairwise_distance", x1, x2), p, eps, keepdim))


@function()
def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None,
                        reduce: Any = None, reduction: str = "mean") -> Tensor:
    """max(0, -target * (input1 - input2) + margin): target 1 where the first should be larger, -1 where the second."""
    reduction = reduction_of("margin_ranking_loss", size_average, reduce, reduction)
    a, b = floats("margin_ranking_loss", input1, input2, ("input1", "input2"))
    y = node("margin_ranking_loss", target, "target")
    return clamped(engine.margin_ranking_loss(a, b, y, margin, reduction), reduction)


@function()
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, size_average: Any = None,
                         reduce: Any = None, reduction: str = "mean") -> Tensor:
    """The input where the target is 1, max(0, margin - input) where it is -1."""
    reduction = reduction_of("hinge_embedding_loss", size_average, reduce, reduction)
    x, y = floats("hinge_embedding_loss", input, target, ("input", "target"))
    return wrap(engine.hinge_embedding_loss(x, y, margin, reduction))


@function("SoftMarginLoss")
def soft_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
                     reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)), where targets are 1 and -1."""
    reduction = reduction_of("soft_margin_loss", size_average, reduce, reduction)
    return wrap(engine.soft_margin_loss(*both("soft_margin_loss", input, target), reduction))


@function()
def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
                                reduce: Any = None, reduction: str = "mean") -> Tensor:
    """The mean over classes, the last axis, of `binary_cross_entropy_with_logits`."""
    name = "multilabel_soft_margin_loss"
    reduction = reduction_of(name, size_average, reduce, reduction)
    y = engine.multilabel_soft_margin_loss(*both(name, input, target), reduction,
                                           weight=optional(name, weight, "weight"))
    return with_grad_fn(y, "Div") if reduction == "none" else wrap(y)


@function("MultilabelMarginLoss")
def multilabel_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
                           reduction: str = "mean") -> Tensor:
    """The mean, over pairs of a target class and another, of max(0, 1 - (input[target] - input[other]))."""
    reduction = reduction_of("multilabel_margin_loss", size_average, reduce, reduction)
    x, y = floating("multilabel_margin_loss", input), node("multilabel_margin_loss", target, "target")
    return wrap(engine.multilabel_margin_loss(x, y, reduction))


@function()
def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None,
                          reduce: Any = None, reduction: str = "mean") -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1."""
    reduction = reduction_of("cosine_embedding_loss", size_average, reduce, reduction)
    a, b = floats("cosine_embedding_loss", input1, input2, ("input1", "input2"))
    y = node("cosine_embedding_loss", target, "target")
    return wrap(engine.cosine_embedding_loss(a, b, y, margin, reduction))


@function()
def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
                        eps: float = 1e-6, swap: bool = False, size_average: Any = None, reduce: Any = None,
                        reduction: str = "mean") -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), where d is `pairwise_distance`."""
    reduction = reduction_of("triplet_margin_loss", size_average, reduce, reduction)
    return margins(anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap, reduction)


@function()
def triplet_margin_with_distance_loss(anchor: Tensor, positive: Tensor, negative: Tensor, *,
                                      distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
                                      margin: float = 1.0, swap: bool = False, reduction: str = "mean") -> Tensor:
    """`triplet_margin_loss` of a distance of one's own."""
    reduction = reduction_of("triplet_margin_with_distance_loss", None, None, reduction)
    return margins(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)


def margins(anchor: Any, positive: Any, negative: Any, distance: Any, margin: float, swap: bool,
            reduction: str) -> Tensor:
    """The triplet loss: max(0, d(anchor, positive) - d(anchor, negative) + margin)."""
    if margin <= 0:
        raise Misuse(f"triplet_margin_loss: margin must be greater than 0, got {margin}; expected a distance; 1.0 is "
                     f"usual")
    far = distance(anchor, negative).node
    if swap:
        far = ops.minimum(far, distance(positive, negative).node)
    return clamped(reduced(ops.clip(distance(anchor, positive).node - far + margin, 0, None), reduction), reduction)


@function("MultiMarginLoss")
def multi_margin_loss(input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
                      size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """The mean over the other classes of max(0, margin - input[target] + input)**p."""
    name = "multi_margin_loss"
    reduction = reduction_of(name, size_average, reduce, reduction)
    x, y, w = floating(name, input), node(name, target, "target"), optional(name, weight, "weight")
    if p not in (1, 2):
        raise Misuse(f"{name}: got p={p}; only p == 1 and p == 2 supported; leave it out")
    if w is not None and w.data.ndim != 1:
        raise Misuse(f"{name}: got a weight of shape {[*w.data.shape]}; weight must be one-dimensional; give one "
                     f"number for each class")
    x = x if x.data.ndim else x.reshape(1)
    if x.data.ndim == 1 and y.data.shape == (1,):
        x = x.reshape(1, -1)
    return wrap(engine.multi_margin_loss(x, y, p, margin, w, reduction))
