"""Losses of numbers and of probabilities as functions; those of classes too: cross_entropy and nll_loss.

Those that compare several inputs with each other are in `comparing.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .... import ops
from ....nn import functional as engine
from ...dtypes import Size
from ...operators import as_dtype
from ...tensor import Tensor, wrap
from .offered import Misuse, both, called, floating, floats, function, node, optional

REDUCTIONS = ("none", "mean", "sum")
NOBODY = -100  # the target that is ignored where the user names none

# --- what all share ---


def reduction_of(name: str, size_average: Any, reduce: Any, reduction: str, more: tuple[str, ...] = ()) -> str:
    """The reduction, also if it is passed in the old way, by two flags."""
    if size_average is not None or reduce is not None:
        average, reduce = size_average is None or size_average, reduce is None or reduce
        reduction = "none" if not reduce else "mean" if average else "sum"
        warnings.warn(f"{name}: size_average and reduce args will be deprecated, please use reduction={reduction!r} "
                      f"instead.", stacklevel=4)
    if reduction not in (*REDUCTIONS, *more):
        raise Misuse(f"{name}: {reduction} is not a valid value for reduction; expected one of "
                     f"{', '.join((*REDUCTIONS, *more))}; leave it out for the mean")
    return reduction


def reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def together(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Input and target in one dtype and one shape; where they differ in shape, with PyTorch's warning."""
    x, y = both(name, input, target)
    if x.data.shape != y.data.shape:
        warnings.warn(f"{name}: using a target size ({Size(y.data.shape)}) that is different to the input size "
                      f"({Size(x.data.shape)}). This will likely lead to incorrect results due to broadcasting. Please "
                      f"ensure they have the same size.", stacklevel=4)
        x, y = broadcast(x, y)
    if x.data.dtype.kind != "f":
        raise RuntimeError(f"{name}: got input and target of integers; expected floats; convert them: x.float()")
    return x, y


def broadcast(x: Any, y: Any) -> list[Any]:
    """Two nodes in the shape that they have together."""
    shape = np.broadcast_shapes(x.data.shape, y.data.shape)
    return [n if n.data.shape == shape else ops.broadcast_to(n, shape) for n in (x, y)]


def weighted(name: str, losses: Any, weight: Any, input: Any, reduction: str, by_weight: bool = True) -> Tensor:
    """Losses times weights; their mean is divided by the sum of the weights, or by how many there are."""
    w = node(name, weight, "weight")
    if w.data.shape != input.shape:
        raise Misuse(f"{name}: weights and input must have the same size; got {[*w.data.shape]} and {[*input.shape]}; "
                     f"expand the weights")
    losses = losses * as_dtype(w, losses.data.dtype)
    return wrap(losses.sum() / w.sum() if reduction == "mean" and by_weight else reduced(losses, reduction))


def noted(y: Any, kind: str) -> Tensor:
    """A tensor that says what PyTorch calls the node that made it."""
    t = wrap(y)
    if y.op is not None:
        t.note = called(kind)
    return t


# --- of numbers ---


def apart(name: str, loss: Callable[..., Any], input: Tensor, target: Tensor, weight: Tensor | None, size_average: Any,
          reduce: Any, reduction: str) -> Tensor:
    """A loss of how far numbers are from their targets, each with a weight if there are any."""
    reduction = reduction_of(name, size_average, reduce, reduction)
    x, y = together(name, input, target)
    if weight is not None:
        return weighted(name, loss(x, y, "none"), weight, input, reduction)
    return wrap(loss(x, y, reduction))


@function("MseLoss")
def mse_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
             weight: Tensor | None = None) -> Tensor:
    """(input - target)**2."""
    return apart("mse_loss", engine.mse_loss, input, target, weight, size_average, reduce, reduction)


@function()
def l1_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
            weight: Tensor | None = None) -> Tensor:
    """abs(input - target)."""
    return apart("l1_loss", engine.l1_loss, input, target, weight, size_average, reduce, reduction)


@function()
def smooth_l1_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
                   reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` divided by its delta, here `beta`; for beta 0 it is `l1_loss`."""
    reduction = reduction_of("smooth_l1_loss", size_average, reduce, reduction)
    y = engine.smooth_l1_loss(*together("smooth_l1_loss", input, target), reduction, beta)
    return noted(y, "SmoothL1Loss") if beta else wrap(y)


@function("HuberLoss")
def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
               weight: Tensor | None = None) -> Tensor:
    """d**2 / 2 for differences d up to delta, beyond it a straight line."""
    x, y = together("huber_loss", input, target)
    reduction = reduction_of("huber_loss", None, None, reduction)
    if weight is not None:
        return weighted("huber_loss", engine.huber_loss(x, y, "none", delta), weight, input, reduction, by_weight=False)
    return wrap(engine.huber_loss(x, y, reduction, delta))


# --- of probabilities ---


def same_shape(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Input and target in one dtype, once they have been found to be of one shape."""
    x, y = both(name, input, target)
    if target.dtype.numpy.kind != "f":
        raise RuntimeError(f"{name}: got a target of {target.dtype}; expected {input.dtype}; convert it: "
                           f"target.float()")
    if x.data.shape != y.data.shape:
        raise Misuse(f"{name}: target size ({Size(y.data.shape)}) must be the same as input size "
                     f"({Size(x.data.shape)}); got two shapes; reshape one, as by target.unsqueeze(1)")
    return x, y


@function("BinaryCrossEntropy")
def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
                         reduce: Any = None, reduction: str = "mean") -> Tensor:
    """-log of the probability of the target, 1 or 0 (or between), where 1 has the probability `input`."""
    reduction = reduction_of("binary_cross_entropy", size_average, reduce, reduction)
    x, y = same_shape("binary_cross_entropy", input, target)
    w = optional("binary_cross_entropy", weight, "weight")
    if not np.all((x.data >= 0) & (x.data <= 1)):
        raise RuntimeError("binary_cross_entropy: all elements of input should be between 0 and 1; got others; use "
                           "binary_cross_entropy_with_logits for logits")
    if not np.all((y.data >= 0) & (y.data <= 1)):
        raise RuntimeError("binary_cross_entropy: all elements of target should be between 0 and 1; got others; for "
                           "more than two classes use cross_entropy")
    return wrap(engine.binary_cross_entropy(x, y, reduction, weight=w))


@function("BinaryCrossEntropyWithLogits")
def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                     size_average: Any = None, reduce: Any = None, reduction: str = "mean",
                                     pos_weight: Tensor | None = None) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), without overflow; losses of ones are multiplied by `pos_weight`."""
    name = "binary_cross_entropy_with_logits"
    reduction = reduction_of(name, size_average, reduce, reduction)
    x, y = same_shape(name, input, target)
    return wrap(engine.binary_cross_entropy_with_logits(
        x, y, reduction, weight=optional(name, weight, "weight"), pos_weight=optional(name, pos_weight, "pos_weight")))


@function()
def kl_div(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
           log_target: bool = False) -> Tensor:
    """target * (log(target) - input), where input is the logarithm of a probability; "batchmean" is the divergence."""
    reduction = reduction_of("kl_div", size_average, reduce, reduction, ("batchmean",))
    if reduction == "mean":
        warnings.warn("kl_div: reduction: 'mean' divides the total loss by both the batch size and the support size."
                      "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
                      stacklevel=3)
    x, y = broadcast(*both("kl_div", input, target))
    y = engine.kl_div(x, y, reduction, log_target)
    return noted(y, "Sub") if reduction == "none" and not log_target else wrap(y)


@function()
def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
                     size_average: Any = None, eps: float = 1e-08, reduce: Any = None,
                     reduction: str = "mean") -> Tensor:
    """-log of the probability of counts, where their mean is exp(input), or the input if not `log_input`."""
    reduction = reduction_of("poisson_nll_loss", size_average, reduce, reduction)
    x, y = broadcast(*floats("poisson_nll_loss", input, target, ("input", "target")))
    return wrap(engine.poisson_nll_loss(x, y, log_input, full, eps, reduction))


@function()
def gaussian_nll_loss(input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Tensor:
    """-log of the density of the target, normal around the input with a variance of `var`, of eps at least."""
    reduction = reduction_of("gaussian_nll_loss", None, None, reduction)
    x, y = broadcast(*both("gaussian_nll_loss", input, target))
    v = var if isinstance(var, float | int) else node("gaussian_nll_loss", var, "var")
    try:
        return wrap(engine.gaussian_nll_loss(x, y, v, full, eps, reduction))
    except ValueError as error:
        raise Misuse(str(error)) from None


# --- of classes ---


def classes(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Logits and targets, once they have been found to fit: (C,) and (), or (N, C, ...) and (N, ...)."""
    x, y = floating(name, input), node(name, target, "target").data
    if x.data.ndim == 2 and y.ndim == 1 and len(x.data) == len(y) and y.dtype == np.int64:
        return x, y
    shape, wanted = x.data.shape, x.data.shape[:1] + x.data.shape[2:] if x.data.ndim > 1 else ()
    if y.shape != wanted or not shape:
        batch = len(shape) > 1 and y.ndim and shape[0] != y.shape[0]
        error = Misuse if batch or not shape else RuntimeError
        what = (f"expected input batch_size ({shape[0]}) to match target batch_size ({y.shape[0]})" if batch else
                f"expected a target of shape {[*wanted]}")
        raise error(f"{name}: {what}; got an input of shape {[*shape]} and a target of shape {[*y.shape]}; the input "
                    f"is (N, C, ...), with classes along axis 1: reshape by x.view(-1, C)")
    if y.dtype.kind not in "iu" or (y.dtype.itemsize < 8 and y.dtype != np.uint8):
        raise RuntimeError(f"{name}: expected scalar type Long for the target; got {target.dtype}; convert it: "
                           f"target.long()")
    return x, y




def of_rows(x: Any, y: Any, reduction: str, ignore_index: int) -> Any:
    """The cross-entropy of rows; in the faster way where no target is ignored, compiled or not."""
    if ignore_index == NOBODY:
        try:
            return ops.cross_entropy(x, y, reduction)
        except IndexError:
            if not (y == NOBODY).any():
                raise
    return ops.cross_entropy(x, y, reduction, ignore_index)


@function()
def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
             ignore_index: int = NOBODY, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """-input of the target classes, where input is the logarithm of probabilities."""
    reduction = reduction_of("nll_loss", size_average, reduce, reduction)
    x, y = classes("nll_loss", input, target)
    w = optional("nll_loss", weight, "weight")
    return noted(engine.nll_loss(x, y, reduction, weight=w, ignore_index=ignore_index),
                 "NllLoss2D" if x.data.ndim > 2 else "NllLoss")


@function()
def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
                  ignore_index: int = NOBODY, reduce: Any = None, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:
    """The negative log-likelihood of the target classes under softmax(input), in nats.

    Parameters
    ----------
    input : (C,), (N, C) or (N, C, ...)
    target : (), (N,) or (N, ...), of dtype int64
        Or the probability of each class, in the shape of the input.
    weight : (C,), optional
        What the losses of each class are multiplied by; the mean is then the weighted one.
    ignore_index : int
        Targets of this value have no loss, and do not count in the mean.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        How much of the target is spread evenly over all classes.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(2, 27), torch.tensor([3, 5]))  # log(27): all as likely
    tensor(3.2958)
    """
    name = "cross_entropy"
    if (weight is None and type(input) is Tensor and type(target) is Tensor and ignore_index == NOBODY and (
            reduction == "mean") and not label_smoothing and size_average is None and reduce is None):
        x, y = input.node, target.node.data  # the usual call
        if x.data.ndim == 2 and x.data.dtype.kind == "f" and y.dtype == np.int64 and y.shape == x.data.shape[:1]:
            return noted(of_rows(x, y, reduction, NOBODY), "NllLossBackward0")
    if reduction not in REDUCTIONS or size_average is not None or reduce is not None:
        reduction = reduction_of(name, size_average, reduce, reduction)
    w, t = optional(name, weight, "weight"), node(name, target, "target")
    if t.data.dtype.kind == "f":
        x, y = both(name, input, target)
        if x.data.shape != y.data.shape:
            raise RuntimeError(f"{name}: got an input of shape {[*x.data.shape]} and floating targets of shape "
                               f"{[*y.data.shape]}; expected probabilities in the input's shape, or classes: "
                               f"target.long()")
        y = engine.cross_entropy(x, y, reduction, weight=w, label_smoothing=label_smoothing)
        return noted(y, "DivBackward1" if reduction == "mean" else "Neg")
    x, y = classes(name, input, target)
    if x.data.ndim == 2 and w is None and not label_smoothing:
        return noted(of_rows(x, y, reduction, ignore_index), "NllLoss")
    kind = "Add" if label_smoothing else "NllLoss" if x.data.ndim < 3 else "NllLoss2D"
    return noted(engine.cross_entropy(x, y, reduction, weight=w, ignore_index=ignore_index,
                                      label_smoothing=label_smoothing), kind)
