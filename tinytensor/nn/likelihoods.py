"""Losses that are likelihoods, of probabilities, counts and numbers, with PyTorch's names; see `losses.py` for others.

Each is a few ops, so it holds no rule of calculus. Nothing broadcasts, but a weight and a variance.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Tensor, as_array
from ..names.calls import explained
from ..ops.bernoulli import bernoulli_cross_entropy
from .arguments import as_floating, python_number
from .losses import check_pair, reduce_losses
from .smooth import logsigmoid

__all__ = ["binary_cross_entropy", "gaussian_nll_loss", "multilabel_soft_margin_loss", "poisson_nll_loss",
           "soft_margin_loss"]


def check_targets(name: str, target: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Targets in the dtype of the input; ValueError unless they have this shape."""
    y = target if isinstance(target, Tensor | np.ndarray) else as_array(target)
    if y.shape != shape:
        raise ValueError(f"{name}: got targets of shape {y.shape}; expected {shape}; reshape them")
    return y if y.dtype == dtype else y.astype(dtype)


@explained
def binary_cross_entropy(input: Any, target: Any, reduction: str = "mean", *, weight: Any = None) -> Tensor:
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
    x, y = check_pair(name, input, target)
    if not all_between(x, 0, 1):
        raise ValueError(f"{name}: got an input outside of 0 to 1; expected probabilities; put a sigmoid before, or "
                         f"use binary_cross_entropy_with_logits")
    losses = bernoulli_cross_entropy(x, y)
    if weight is not None:
        losses = losses * as_array(weight).astype(x.dtype)
    return reduce_losses(name, losses, reduction)


@explained
def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)) for targets of 1 and -1, without overflow.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.soft_margin_loss(tt.tensor([0.0, 100.0]), tt.tensor([1.0, -1.0]), "none")
    tensor([  0.6931, 100.    ])
    """
    x = as_floating("soft_margin_loss", input)
    y = check_targets("soft_margin_loss", target, x.shape, x.dtype)
    return reduce_losses("soft_margin_loss", np.logaddexp(-y * x, 0), reduction)


@explained
def multilabel_soft_margin_loss(input: Any, target: Any, reduction: str = "mean", *, weight: Any = None) -> Tensor:
    """The mean over classes, the last axis, of the binary cross-entropy of each from its logit.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.multilabel_soft_margin_loss(tt.zeros(2, 3), tt.ones(2, 3))
    tensor(0.6931)
    """
    name, x = "multilabel_soft_margin_loss", as_floating("multilabel_soft_margin_loss", input)
    y = check_targets(name, target, x.shape, x.dtype)
    losses = -(y * logsigmoid(x) + (1 - y) * logsigmoid(-x))
    if weight is not None:
        losses = losses * as_array(weight).astype(x.dtype)
    return reduce_losses(name, losses.mean(-1), reduction)


@explained
def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8,
                     reduction: str = "mean") -> Tensor:
    """-log of the probability of a count under a Poisson distribution, without the term that is constant.

    Parameters
    ----------
    input, target : any shape, floating
        The mean of the distribution, and what was counted.
    log_input : bool
        Whether the input is the logarithm of the mean.
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
    x, y = check_pair("poisson_nll_loss", input, target)
    losses = np.exp(x) - y * x if log_input else x - y * np.log(x + eps)
    if full:
        safe = np.where(y > 1, y, 1)
        losses = losses + np.where(y > 1, safe * np.log(safe) - safe + np.log(safe * (2 * math.pi)) * 0.5, 0)
    return reduce_losses("poisson_nll_loss", losses, reduction)


@explained
def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Tensor:
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
    x, y = check_pair(name, input, target)
    v = as_array(np.full(x.shape, var, x.dtype)) if isinstance(var, int | float) else as_floating(name, var)
    if v.shape == x.shape[:-1] and v.shape != x.shape:
        v = v[..., None]
    if v.ndim > x.ndim or any(a not in (1, b) for a, b in zip(v.shape[::-1], x.shape[::-1], strict=False)):
        raise ValueError(f"{name}: got var of shape {v.shape} for an input of shape {x.shape}; expected what "
                         f"broadcasts to that, or one variance for each row; reshape it")
    if not all_between(v, 0, math.inf):
        raise ValueError(f"{name}: got a variance below 0; expected 0 or more; pass its square, or exp of it")
    lift = np.clip(python_number(eps) - (v.detach() if isinstance(v, Tensor) else v), 0, None)  # takes no gradient, as in PyTorch
    v = v + lift
    losses = (np.log(v) + np.square(x - y) / v) * 0.5
    return reduce_losses(name, losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def all_between(x: Any, low: float, high: float) -> bool:
    """Whether all values are in [low, high] or nan; True while tracing, where values are unknown."""
    a = x.data if isinstance(x, Tensor) else x
    return type(a) is not np.ndarray or not ((a < low) | (a > high)).any()
