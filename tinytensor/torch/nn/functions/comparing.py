"""Distances, and losses that compare several inputs with each other or with margins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .... import ops
from ....nn import functional as engine
from ...operators import promoted
from ...tensor import Tensor, wrap
from .losses import reduced, reduction_of
from .offered import Misuse, both, floating, function, node, optional


@function()
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis."""
    return wrap(engine.cosine_similarity(*both("cosine_similarity", x1, x2, ("x1", "x2")), dim, eps))


@function()
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis."""
    a, b = both("pairwise_distance", x1, x2, ("x1", "x2"))
    return wrap(np.linalg.vector_norm(a - b + eps, axis=-1, keepdims=keepdim, ord=p))


@function()
def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None,
                        reduce: Any = None, reduction: str = "mean") -> Tensor:
    """max(0, -target * (input1 - input2) + margin): target 1 where the first should be larger, -1 where the second."""
    reduction = reduction_of("margin_ranking_loss", size_average, reduce, reduction)
    a, b = both("margin_ranking_loss", input1, input2, ("input1", "input2"))
    y = node("margin_ranking_loss", target, "target")
    if not a.data.ndim == b.data.ndim == y.data.ndim:
        raise RuntimeError(f"margin_ranking_loss: all input tensors should have same dimension but got sizes: "
                           f"{[*a.data.shape]}, {[*b.data.shape]}, {[*y.data.shape]}; reshape them")
    a, y = promoted(a, y)
    return wrap(reduced(ops.relu(-y * (a - b) + margin), reduction))


@function()
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, size_average: Any = None,
                         reduce: Any = None, reduction: str = "mean") -> Tensor:
    """The input where the target is 1, max(0, margin - input) where it is -1."""
    reduction = reduction_of("hinge_embedding_loss", size_average, reduce, reduction)
    x, y = node("hinge_embedding_loss", input), node("hinge_embedding_loss", target, "target").data
    far = ops.where(np.not_equal(y, 1), ops.relu(margin - x), 0)
    return wrap(reduced(far + ops.where(np.not_equal(y, -1), x, 0), reduction))


@function()
def soft_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
                     reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)), where targets are 1 and -1."""
    reduction = reduction_of("soft_margin_loss", size_average, reduce, reduction)
    x, y = both("soft_margin_loss", input, target)
    return wrap(reduced(ops.logaddexp(-y * x, 0), reduction))


@function()
def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
                                reduce: Any = None, reduction: str = "mean") -> Tensor:
    """The mean over classes, the last axis, of `binary_cross_entropy_with_logits`."""
    reduction = reduction_of("multilabel_soft_margin_loss", size_average, reduce, reduction)
    x, y = both("multilabel_soft_margin_loss", input, target)
    losses = y * ops.logaddexp(-x, 0) + (1 - y) * ops.logaddexp(x, 0)
    if weight is not None:
        losses = losses * node("multilabel_soft_margin_loss", weight, "weight")
    return wrap(reduced(losses.sum(-1) / x.data.shape[-1], reduction))


@function()
def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None,
                          reduce: Any = None, reduction: str = "mean") -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1."""
    reduction = reduction_of("cosine_embedding_loss", size_average, reduce, reduction)
    a, b = both("cosine_embedding_loss", input1, input2, ("input1", "input2"))
    y = node("cosine_embedding_loss", target, "target").data
    if y.ndim + 1 != a.data.ndim or a.data.ndim not in (1, 2):
        raise RuntimeError(f"cosine_embedding_loss: got inputs of shape {[*a.data.shape]} and a target of shape "
                           f"{[*y.shape]}; expected (N, D) and (N,), or (D,) and (); reshape them")
    eps = 1e-12
    squares = (ops.square(a).sum(-1) + eps) * (ops.square(b).sum(-1) + eps)
    cos = (a * b).sum(-1) / ops.sqrt(squares)
    near, far = ops.where(np.equal(y, 1), 1 - cos, 0), ops.where(np.equal(y, -1), ops.relu(cos - margin), 0)
    return wrap(reduced(near + far, reduction))


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
    """By how much each positive is not nearer to its anchor than the negative, by a margin."""
    if margin <= 0:
        raise Misuse(f"triplet_margin_loss: margin must be greater than 0, got {margin}; expected a distance; 1.0 is "
                     f"usual")
    far = distance(anchor, negative).node
    if swap:
        far = ops.minimum(far, distance(positive, negative).node)
    return wrap(reduced(ops.maximum(distance(anchor, positive).node - far + margin, 0), reduction))


@function()
def multi_margin_loss(input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
                      size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """The mean over the other classes of max(0, margin - input[target] + input)**p."""
    reduction = reduction_of("multi_margin_loss", size_average, reduce, reduction)
    x, y = floating("multi_margin_loss", input), node("multi_margin_loss", target, "target").data
    if p not in (1, 2):
        raise RuntimeError(f"multi_margin_loss: only p == 1 and p == 2 supported; got {p}; choose one of them")
    w = optional("multi_margin_loss", weight, "weight")
    at = y[..., None]
    losses = ops.maximum(margin - ops.take_along_axis(x, at, -1) + x, 0) ** p
    if w is not None:
        losses = losses * ops.take(w, at, 0)
    others = np.not_equal(at, np.arange(x.data.shape[-1]))
    return wrap(reduced(ops.where(others, losses, 0).sum(-1) / x.data.shape[-1], reduction))
