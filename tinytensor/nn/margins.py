"""Losses of rankings, margins and distributions as functions, with PyTorch's names; `losses.py` has the usual ones.

Each is a few ops, so it holds no rule of calculus. Nothing broadcasts, but a weight and a variance; what all share:
`reduction` is "mean" for the mean, "sum" for the sum, "none" for each loss by itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Tensor, as_array
from ..ops.bernoulli import bernoulli_cross_entropy
from ..ops.fused import check_range
from ..ops.index import gathered, take_along_axis
from .activations import logsigmoid, numbers
from .distances import pairwise_distance
from .losses import class_weights, paired, reduced

__all__ = ["binary_cross_entropy", "cosine_embedding_loss", "gaussian_nll_loss", "hinge_embedding_loss",
           "margin_ranking_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
           "poisson_nll_loss", "soft_margin_loss", "triplet_margin_loss"]


def answers(name: str, target: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Targets in the dtype of what they judge, once their shape has been found to be the one expected."""
    y = target if isinstance(target, Tensor | np.ndarray) else as_array(target)
    if y.shape != shape:
        raise ValueError(f"{name}: got targets of shape {y.shape}; expected {shape}, one for each; reshape them")
    return y if y.dtype == dtype else y.astype(dtype)


def above(z: Any) -> Any:
    """max(z, 0), with a gradient of 1 at 0."""
    return np.clip(z, 0, None)


# --- of probabilities ---


def binary_cross_entropy(input: Any, target: Any, reduction: str = "mean", *, weight: Any = None) -> Any:
    """-log of the probability of the target, 1 or 0 (or between), where 1 has the probability `input`.

    Subtle: logarithms are -100 at least, as in PyTorch. From logits, `binary_cross_entropy_with_logits` is exact.

    Parameters
    ----------
    input, target : any shape, floating, from 0 to 1
    weight : broadcasts to that shape, optional
        What each loss is multiplied by.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.binary_cross_entropy(tt.tensor([0.5, 0.0]), tt.tensor([1.0, 1.0]), "none")
    tensor([  0.6931, 100.    ])
    """
    name = "binary_cross_entropy"
    x, y = paired(name, input, target)
    if not between(x, 0, 1):
        raise ValueError(f"{name}: got an input outside of 0 to 1; expected probabilities; put a sigmoid before, or "
                         f"use binary_cross_entropy_with_logits")
    losses = bernoulli_cross_entropy(x, y)
    if weight is not None:
        losses = losses * as_array(weight).astype(x.dtype)
    return reduced(name, losses, reduction)


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """log(1 + exp(-target * input)) for targets of 1 and -1, without overflow.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.soft_margin_loss(tt.tensor([0.0, 100.0]), tt.tensor([1.0, -1.0]), "none")
    tensor([  0.6931, 100.    ])
    """
    x = numbers("soft_margin_loss", input)
    y = answers("soft_margin_loss", target, x.shape, x.dtype)
    return reduced("soft_margin_loss", np.logaddexp(-y * x, 0), reduction)


def multilabel_soft_margin_loss(input: Any, target: Any, reduction: str = "mean", *, weight: Any = None) -> Any:
    """The mean over classes, the last axis, of the binary cross-entropy of each from its logit.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.multilabel_soft_margin_loss(tt.zeros(2, 3), tt.ones(2, 3))
    tensor(0.6931)
    """
    name, x = "multilabel_soft_margin_loss", numbers("multilabel_soft_margin_loss", input)
    y = answers(name, target, x.shape, x.dtype)
    losses = -(y * logsigmoid(x) + (1 - y) * logsigmoid(-x))
    if weight is not None:
        losses = losses * as_array(weight).astype(x.dtype)
    return reduced(name, losses.mean(-1), reduction)


def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8,
                     reduction: str = "mean") -> Any:
    """-log of the probability of a count under a Poisson distribution, without the term that is constant.

    Parameters
    ----------
    input, target : any shape, floating
        The mean of the distribution, and what was counted.
    log_input : bool
        Whether the logarithm of the mean came.
    full : bool
        Whether Stirling's approximation of the constant term is added, for counts above 1.
    eps : float
        Added to the mean before its logarithm is taken.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.poisson_nll_loss(tt.tensor([0.0]), tt.tensor([3.0]))
    tensor(1.)
    """
    x, y = paired("poisson_nll_loss", input, target)
    losses = np.exp(x) - y * x if log_input else x - y * np.log(x + eps)
    if full:
        safe = np.where(y > 1, y, 1)
        losses = losses + np.where(y > 1, safe * np.log(safe) - safe + np.log(safe * (2 * math.pi)) * 0.5, 0)
    return reduced("poisson_nll_loss", losses, reduction)


def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Any:
    """-log of the density of the target under a normal distribution of mean `input` and variance `var`.

    Parameters
    ----------
    input, target : any shape, floating
    var : what broadcasts to that shape, or lacks the last axis; or a number
        Not below 0; what is below `eps` counts as that.
    full : bool
        Whether the constant term is added.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.gaussian_nll_loss(tt.zeros(1), tt.tensor([2.0]), tt.ones(1))
    tensor(2.)
    """
    name = "gaussian_nll_loss"
    x, y = paired(name, input, target)
    v = as_array(np.full(x.shape, var, x.dtype)) if isinstance(var, int | float) else numbers(name, var)
    if v.shape == x.shape[:-1] and v.shape != x.shape:
        v = v[..., None]
    if v.ndim > x.ndim or any(a not in (1, b) for a, b in zip(v.shape[::-1], x.shape[::-1], strict=False)):
        raise ValueError(f"{name}: got var of shape {v.shape} for an input of shape {x.shape}; expected what "
                         f"broadcasts to that, or one variance for each row; reshape it")
    if not between(v, 0, math.inf):
        raise ValueError(f"{name}: got a variance below 0; expected 0 or more; give its square, or exp of it")
    lift = np.clip(eps - (v.detach() if isinstance(v, Tensor) else v), 0, None)  # takes no gradient, as in PyTorch
    v = v + lift
    losses = (np.log(v) + np.square(x - y) / v) * 0.5
    return reduced(name, losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def between(x: Any, low: float, high: float) -> bool:
    """Whether all values are in [low, high]; nan is let through. What is traced is not looked at."""
    a = x.data if isinstance(x, Tensor) else x
    return type(a) is not np.ndarray or not ((a < low) | (a > high)).any()


# --- of pairs and triplets ---


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """max(0, margin - target * (input1 - input2)): the first is to be the larger where the target is 1, not -1.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.margin_ranking_loss(tt.tensor([3.0, 3.0]), tt.tensor([1.0, 1.0]), tt.tensor([1, -1]), reduction="none")
    tensor([0., 2.])
    """
    a, b = paired("margin_ranking_loss", input1, input2)
    y = answers("margin_ranking_loss", target, a.shape, a.dtype)
    return reduced("margin_ranking_loss", above(margin - y * (a - b)), reduction)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    """A distance where the target is 1, and where it is -1, by how much the distance lacks the margin.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.hinge_embedding_loss(tt.tensor([0.25, 0.25]), tt.tensor([1, -1]), reduction="none")
    tensor([0.25, 0.75])
    """
    x = numbers("hinge_embedding_loss", input)
    y = answers("hinge_embedding_loss", target, x.shape, x.dtype)
    losses = np.where(y != 1, above(margin - x), 0) + np.where(y != -1, x, 0)
    return reduced("hinge_embedding_loss", losses, reduction)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """1 - the cosine of two vectors (N, D) or (D,) where the target is 1; where it is -1, the cosine above the margin.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> a, b = tt.tensor([[1.0, 0.0], [1.0, 0.0]]), tt.tensor([[3.0, 4.0], [3.0, 4.0]])
    >>> F.cosine_embedding_loss(a, b, tt.tensor([1, -1]), reduction="none")
    tensor([0.4, 0.6])
    """
    name, eps = "cosine_embedding_loss", 1e-12
    a, b = paired(name, input1, input2)
    if a.ndim not in (1, 2):
        raise ValueError(f"{name}: got inputs of shape {a.shape}; expected (N, D) or (D,); join the other axes")
    y = answers(name, target, a.shape[:-1], a.dtype)
    cosine = (a * b).sum(-1) / np.sqrt(((a * a).sum(-1) + eps) * ((b * b).sum(-1) + eps))
    losses = np.where(y == 1, 1 - cosine, 0) + np.where(y == -1, above(cosine - margin), 0)
    return reduced(name, losses, reduction)


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False, reduction: str = "mean") -> Any:
    """By how much a negative is not farther from the anchor than a positive, and the margin (Balntas et al. 2016).

    Parameters
    ----------
    anchor, positive, negative : (N, D) or (D,), floating
    p, eps
        As in `pairwise_distance`.
    swap : bool
        Whether the distance from positive to negative counts, if it is the smaller.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.triplet_margin_loss(tt.tensor([0.0]), tt.tensor([3.0]), tt.tensor([2.0]))
    tensor(2.)
    """
    name = "triplet_margin_loss"
    if not margin > 0:
        raise ValueError(f"{name}: got margin={margin!r}; expected a number above 0; 1 is usual")
    (a, b), (_, c) = paired(name, anchor, positive), paired(name, anchor, negative)
    far, near = pairwise_distance(a, c, p, eps), pairwise_distance(a, b, p, eps)
    if swap:
        far = np.minimum(far, pairwise_distance(b, c, p, eps))
    return reduced(name, above(margin + near - far), reduction)


# --- of classes ---


def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None,
                      reduction: str = "mean") -> Any:
    """The mean over classes of max(0, margin - input[target] + input[i])**p, where i is not the target.

    Parameters
    ----------
    input : (N, C) or (C,), floating
    target : (N,) or (), integer, in [0, C)
    p : {1, 2}
    weight : (C,), optional
        What the losses of each target are multiplied by.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.multi_margin_loss(tt.tensor([[0.0, 0.5, 2.0]]), tt.tensor([1]))
    tensor(1.)
    """
    name = "multi_margin_loss"
    x, t = numbers(name, input), as_array(target)
    if p not in (1, 2):
        raise ValueError(f"{name}: got p={p!r}; expected 1 or 2; 1 is usual")
    if x.ndim not in (1, 2) or t.size != (x.shape[0] if x.ndim == 2 else 1) or t.ndim > 1 or t.dtype.kind not in "iu":
        raise ValueError(f"{name}: got an input of shape {x.shape} and targets of shape {t.shape} and dtype {t.dtype}; "
                         f"expected (N, C) or (C,), and an integer class for each; convert them: "
                         f"targets.astype(np.int64)")
    t, classes, w = t.astype(np.int64).reshape(x.shape[:-1]), x.shape[-1], class_weights(name, weight, x)
    check_range(t, classes, f"{name}: target", f"{classes} classes")
    z = x - take_along_axis(x, t[..., None], -1) + margin
    z = np.where((np.arange(classes) != t[..., None]) & (z > 0), z, 0)
    losses = (z * z if p == 2 else z).sum(-1) * (1 / classes)
    return reduced(name, losses if w is None else losses * gathered(w, t, 0), reduction)


def multilabel_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """The sum of max(0, 1 - input[j] + input[i]) over targets j and all other classes i, divided by how many there are.

    Parameters
    ----------
    input : (N, C) or (C,), floating
    target : the same shape, integer
        The classes of each row, ended by -1; what stands after it does not count.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.multilabel_margin_loss(tt.tensor([0.0, 0.5, 2.0]), tt.tensor([1, -1, 0]))
    tensor(1.)
    """
    name = "multilabel_margin_loss"
    x, t = numbers(name, input), as_array(target)
    if x.ndim not in (1, 2) or t.shape != x.shape or t.dtype.kind not in "iu":
        raise ValueError(f"{name}: got an input of shape {x.shape} and targets of shape {t.shape} and dtype {t.dtype}; "
                         f"expected (N, C) or (C,), and as many integers, -1 after the last class; pad them")
    counts = np.cumulative_sum((t == -1).astype(np.int64), axis=-1) == 0
    t = np.where(counts, t, 0).astype(np.int64)
    classes = x.shape[-1]
    check_range(t, classes, f"{name}: target", f"{classes} classes")
    wanted = ((t[..., None] == np.arange(classes)) & counts[..., None]).any(-2)  # (N, C)
    z = 1 - take_along_axis(x, t, -1)[..., None] + x[..., None, :]  # (N, targets, C)
    z = np.where(counts[..., None] & ~wanted[..., None, :] & (z > 0), z, 0)
    return reduced(name, z.sum((-2, -1)) * (1 / classes), reduction)
