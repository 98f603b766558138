"""Losses as functions, with PyTorch's names.

They are composed of ops, and no derivative is defined here; `criteria.py` has them as modules. Nothing broadcasts: a
target of another shape or dtype is an error. All take `reduction`: "mean", "sum", or "none" for the single losses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..collectives import all_reduce_mean
from ..core import Tensor, as_array
from ..names.calls import explained
from ..ops.elementwise import safe_denominator
from ..ops.fused import check_range, log_softmax
from ..ops.index import gathered, take_along_axis
from ..ops.shape import moveaxis
from .arguments import check_choice, check_number

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "kl_div", "l1_loss", "mse_loss",
           "nll_loss", "smooth_l1_loss"]


# --- what all share ---


REDUCTIONS = ("mean", "sum", "none")


def check_reduction(name: str, reduction: str, known: tuple[str, ...] = REDUCTIONS) -> None:
    check_choice(name, "reduction", reduction, known, "'mean' is usual")


def reduce_losses(name: str, losses: Any, reduction: str) -> Any:
    check_reduction(name, reduction)
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def check_pair(name: str, x: Any, target: Any) -> tuple[Any, Any]:
    """Input and target as arrays or Tensors; an error unless they have one shape and dtype."""
    x, y = (a if isinstance(a, Tensor | np.ndarray) else as_array(a) for a in (x, target))
    if x.shape != y.shape:
        advice = f"write target.reshape{x.shape}" if x.size == y.size else "pass as many targets as outputs"
        raise ValueError(f"{name}: got input of shape {x.shape} and target of shape {y.shape}; expected one shape, as "
                         f"broadcasting would compare each output with many targets; {advice}")
    if x.dtype != y.dtype:
        raise TypeError(f"{name}: got input of dtype {x.dtype} and target of dtype {y.dtype}; expected one dtype; "
                        f"convert it: target.astype(np.{x.dtype})")
    return x, y


# --- of numbers ---


@explained
def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """(input - target)**2, both of any shape.

    Raises
    ------
    ValueError
        If the two are not of one shape, or of an unknown reduction; so do all losses.
    TypeError
        If the two are not of one dtype.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.mse_loss(tt.tensor([1.0, 5.0]), tt.tensor([1.0, 2.0]))
    tensor(4.5)
    """
    x, y = check_pair("mse_loss", input, target)
    return reduce_losses("mse_loss", np.square(x - y), reduction)


@explained
def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """|input - target|, both of any shape.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.l1_loss(tt.tensor([1.0, 5.0]), tt.tensor([1.0, 2.0]))
    tensor(1.5)
    """
    x, y = check_pair("l1_loss", input, target)
    return reduce_losses("l1_loss", np.absolute(x - y), reduction)


def huber(a: Any, delta: float) -> Any:
    """a**2 / 2 up to delta, beyond it the straight line that continues it, for a of 0 or more."""
    least = np.minimum(a, delta)
    return least * (a - least * 0.5)


@explained
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d**2 / 2 for differences d up to delta, beyond it delta * (|d| - delta / 2) (Huber 1964); of any shape.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.huber_loss(tt.tensor([1.0, 5.0]), tt.tensor([0.0, 2.0]), reduction="none")
    tensor([0.5, 2.5])
    """
    delta = check_number("huber_loss", "delta", delta)
    if not delta > 0:
        raise ValueError(f"huber_loss: got delta={delta!r}; expected a number above 0; use l1_loss for |d|")
    x, y = check_pair("huber_loss", input, target)
    return reduce_losses("huber_loss", huber(np.absolute(x - y), delta), reduction)


@explained
def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` divided by its delta, here `beta`; for beta 0 it is `l1_loss`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.smooth_l1_loss(tt.tensor([1.0, 5.0]), tt.tensor([0.0, 2.0]), reduction="none", beta=2.0)
    tensor([0.25, 2.  ])
    """
    beta = check_number("smooth_l1_loss", "beta", beta)
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: got beta={beta!r}; expected 0 or more; 0 is l1_loss")
    x, y = check_pair("smooth_l1_loss", input, target)
    losses = np.absolute(x - y)
    return reduce_losses("smooth_l1_loss", huber(losses, beta) / beta if beta else losses, reduction)


# --- of probabilities ---


@explained
def binary_cross_entropy_with_logits(input: Any, target: Any, reduction: str = "mean", *, weight: Any = None,
                                     pos_weight: Any = None) -> Tensor:
    """-log of the probability of the target, 1 or 0 (or between), where 1 has the probability sigmoid(input).

    Parameters
    ----------
    input, target : any shape, floating
    weight : broadcasts to that shape, optional
        What each loss is multiplied by.
    pos_weight : broadcasts to that shape, optional
        What the losses of ones are multiplied by; the mean still divides by how many there are.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.binary_cross_entropy_with_logits(tt.tensor([0.0, 200.0]), tt.tensor([1.0, 0.0]), reduction="none")
    tensor([  0.6931, 200.    ])
    """
    x, y = check_pair("binary_cross_entropy_with_logits", input, target)
    missed = np.logaddexp(-x, 0)  # -log(sigmoid(x)), without overflow
    if pos_weight is not None:
        missed = missed * ((as_array(pos_weight).astype(x.dtype) - 1) * y + 1)
    losses = (1 - y) * x + missed
    if weight is not None:
        losses = losses * as_array(weight).astype(x.dtype)
    return reduce_losses("binary_cross_entropy_with_logits", losses, reduction)


@explained
def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target * (log(target) - input), where input is the logarithm of a probability (Kullback and Leibler 1951).

    Parameters
    ----------
    input, target : any shape, floating
    reduction : {"mean", "sum", "none", "batchmean"}
        Subtle: the divergence is the "batchmean", the sum divided by the rows; "mean" divides by all elements.
    log_target : bool
        Whether the target is the logarithm of a probability.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.kl_div(tt.tensor([[0.25, 0.75]]).log(), tt.tensor([[0.0, 1.0]]), "batchmean")  # log(4 / 3)
    tensor(0.2877)
    """
    x, y = check_pair("kl_div", input, target)
    logs = y if log_target else np.log(safe_denominator(y))  # 0 log(0) is 0
    losses = (np.exp(y) if log_target else y) * (logs - x)
    if reduction == "batchmean":
        return losses.sum() / (len(x) if x.ndim else 1)
    return reduce_losses("kl_div", losses, reduction)


# --- of classes ---


def classes_last(name: str, x: Any, targets: Any) -> Any:
    """x with its classes, axis 1, moved to the end; ValueError unless the targets fit."""
    shape, given = np.shape(x), np.shape(targets)
    if shape[:1] + shape[2:] != given if len(shape) > 1 else given or not shape:
        raise ValueError(f"{name}: got logits of shape {shape} and targets of shape {given}; expected targets of the "
                         f"shape of logits without axis 1, the classes; where classes come last, use tt.cross_entropy")
    return moveaxis(x, 1, -1) if len(shape) > 2 else x


def nll_terms(name: str, logp: Any, targets: Any, weight: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """The losses -weight[target] * logp[target], with classes last; whether each counts; and the weight of each."""
    t = as_array(targets)
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: got targets of dtype {t.dtype}; expected integer classes; convert them: "
                        f"targets.astype(np.int64)")
    keep, classes = t != ignore_index, logp.shape[-1]
    t = np.where(keep, t, 0).astype(np.int64)
    check_range(t, classes, f"{name}: target", f"{classes} classes")
    own = keep.astype(logp.dtype) if weight is None else gathered(weight, t, 0) * keep
    return np.where(keep, take_along_axis(logp, t[..., None], -1)[..., 0], 0) * -own, keep, own


def weighted_mean(losses: Any, weights: Any) -> Any:
    """The sum of losses divided by that of their weights; of all workers, where they share a step."""
    return losses.sum() / all_reduce_mean(weights.sum())[0]


def class_weights(name: str, weight: Any, x: Any) -> Any:
    """The weights (C,) of x (..., C) in its dtype, or None."""
    w = None if weight is None else as_array(weight).astype(x.dtype)
    if w is not None and w.shape != x.shape[-1:]:
        raise ValueError(f"{name}: got weight of shape {w.shape} for {x.shape[-1]} classes; expected "
                         f"({x.shape[-1]},); pass one weight for each class")
    return w


@explained
def nll_loss(input: Any, targets: Any, reduction: str = "mean", *, weight: Any = None,
             ignore_index: int = -100) -> Tensor:
    """-input of the target classes, where input is the logarithm of probabilities, as from `log_softmax`.

    Parameters
    ----------
    input : (C,), (N, C) or (N, C, ...), floating
    targets, weight, ignore_index
        As in `cross_entropy`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.nll_loss(tt.tensor([[0.25, 0.75], [0.5, 0.5]]).log(), tt.tensor([1, 0]))
    tensor(0.4904)
    """
    x = classes_last("nll_loss", input if hasattr(input, "shape") else as_array(input), targets)
    losses, _, own = nll_terms("nll_loss", x, targets, class_weights("nll_loss", weight, x), ignore_index)
    return weighted_mean(losses, own) if reduction == "mean" else reduce_losses("nll_loss", losses, reduction)


@explained
def cross_entropy(logits: Any, targets: Any, reduction: str = "mean", *, weight: Any = None,
                  ignore_index: int = -100, label_smoothing: float = 0.0) -> Tensor:
    """The negative log-likelihood of the target classes, in nats, under softmax(logits).

    Subtle: classes are axis 1 of logits, as in PyTorch; `tinytensor.cross_entropy` has them last.

    Parameters
    ----------
    logits : (C,), (N, C) or (N, C, ...), floating
    targets : (), (N,) or (N, ...), integer, in [0, C)
        Or, of the shape and dtype of logits, the probability of each class.
    weight : (C,), optional
        What the losses of each class are multiplied by. The mean is then the weighted one.
    ignore_index : int
        Targets of this value have no loss and do not count in the mean.
    label_smoothing : float
        From 0 to 1: how much of the target is spread evenly over all classes (Szegedy et al. 2015).

    Raises
    ------
    ValueError
        If shapes, the smoothing or the reduction do not fit.
    TypeError
        If targets are neither integers nor probabilities.
    IndexError
        If a target is not a class.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.cross_entropy(tt.zeros(2, 27, 8), np.ones((2, 8), np.int64))  # log(27): all classes as likely
    tensor(3.2958)
    """
    name = "cross_entropy"
    label_smoothing = check_number(name, "label_smoothing", label_smoothing)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: got label_smoothing={label_smoothing!r}; expected 0 to 1; 0.1 is usual")
    x = logits if hasattr(logits, "shape") else as_array(logits)
    probable = x.shape == np.shape(targets) and getattr(targets, "dtype", x.dtype).kind == "f"
    if not probable:
        x = classes_last(name, x, targets)
        if weight is None and not label_smoothing:
            return ops.fused.cross_entropy(x, targets, reduction, ignore_index)
    else:
        x, targets = (moveaxis(a, 1, -1) if a.ndim > 2 else a for a in check_pair(name, x, targets))
    w, logp, even = class_weights(name, weight, x), log_softmax(x), label_smoothing / x.shape[-1]
    weighted = logp if w is None else logp * w
    if probable:
        return reduce_losses(name, -(weighted * (targets * (1 - label_smoothing) + even)).sum(-1), reduction)
    losses, keep, own = nll_terms(name, logp, targets, w, ignore_index)
    if label_smoothing:
        losses = losses * (1 - label_smoothing) - np.where(keep, weighted.sum(-1), 0) * even
    return weighted_mean(losses, own) if reduction == "mean" else reduce_losses(name, losses, reduction)
