"""Losses of rankings and margins as functions, with PyTorch's names; `losses.py` has the usual ones.

Each is a few ops; no derivative is defined here. Nothing broadcasts, but a weight; what all share:
`reduction` is "mean" for the mean, "sum" for the sum, "none" for each loss by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, as_array
from ..names.calls import explained
from ..ops.fused import check_range
from ..ops.index import gathered, take_along_axis
from .arguments import as_floating, check_number, python_number
from .distances import pairwise_distance
from .likelihoods import check_targets
from .losses import check_pair, class_weights, reduce_losses

__all__ = ["cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
           "multilabel_margin_loss", "triplet_margin_loss"]


def hinge(z: Any) -> Any:
    """max(z, 0), with a gradient of 1 at 0."""
    return np.clip(z, 0, None)


# --- of pairs and triplets ---


@explained
def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """max(0, margin - target * (input1 - input2)): input1 is to be larger for a target of 1, smaller for -1.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.margin_ranking_loss(tt.tensor([3.0, 3.0]), tt.tensor([1.0, 1.0]), tt.tensor([1, -1]), reduction="none")
    tensor([0., 2.])
    """
    a, b = check_pair("margin_ranking_loss", input1, input2)
    y = check_targets("margin_ranking_loss", target, a.shape, a.dtype)
    return reduce_losses("margin_ranking_loss", hinge(python_number(margin) - y * (a - b)), reduction)


@explained
def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """The input, a distance, where the target is 1; max(0, margin - input) where it is -1.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.hinge_embedding_loss(tt.tensor([0.25, 0.25]), tt.tensor([1, -1]), reduction="none")
    tensor([0.25, 0.75])
    """
    x = as_floating("hinge_embedding_loss", input)
    y = check_targets("hinge_embedding_loss", target, x.shape, x.dtype)
    losses = np.where(y != 1, hinge(python_number(margin) - x), 0) + np.where(y != -1, x, 0)
    return reduce_losses("hinge_embedding_loss", losses, reduction)


@explained
def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0,
                          reduction: str = "mean") -> Tensor:
    """1 - cos of two vectors (N, D) or (D,) where the target is 1; max(0, cos - margin) where it is -1.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> a, b = tt.tensor([[1.0, 0.0], [1.0, 0.0]]), tt.tensor([[3.0, 4.0], [3.0, 4.0]])
    >>> F.cosine_embedding_loss(a, b, tt.tensor([1, -1]), reduction="none")
    tensor([0.4, 0.6])
    """
    name, eps = "cosine_embedding_loss", 1e-12
    a, b = check_pair(name, input1, input2)
    if a.ndim not in (1, 2):
        raise ValueError(f"{name}: got inputs of shape {a.shape}; expected (N, D) or (D,); join the other axes")
    y = check_targets(name, target, a.shape[:-1], a.dtype)
    cosine = (a * b).sum(-1) / np.sqrt(((a * a).sum(-1) + eps) * ((b * b).sum(-1) + eps))
    losses = np.where(y == 1, 1 - cosine, 0) + np.where(y == -1, hinge(cosine - python_number(margin)), 0)
    return reduce_losses(name, losses, reduction)


@explained
def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False, reduction: str = "mean") -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), of p-norm distances (Balntas et al. 2016).

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
    margin = check_number(name, "margin", margin)
    if not margin > 0:
        raise ValueError(f"{name}: got margin={margin!r}; expected a number above 0; 1 is usual")
    (a, b), (_, c) = check_pair(name, anchor, positive), check_pair(name, anchor, negative)
    far: Any = pairwise_distance(a, c, p, eps)
    near = pairwise_distance(a, b, p, eps)
    if swap:
        far = np.minimum(far, pairwise_distance(b, c, p, eps))
    return reduce_losses(name, hinge(margin + near - far), reduction)


# --- of classes ---


@explained
def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None,
                      reduction: str = "mean") -> Tensor:
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
    x, t = as_floating(name, input), as_array(target)
    check_number(name, "p", p)
    if p not in (1, 2):
        raise ValueError(f"{name}: got p={p!r}; expected 1 or 2; 1 is usual")
    if x.ndim not in (1, 2) or t.size != (x.shape[0] if x.ndim == 2 else 1) or t.ndim > 1 or t.dtype.kind not in "iu":
        raise ValueError(f"{name}: got an input of shape {x.shape} and targets of shape {t.shape} and dtype {t.dtype}; "
                         f"expected (N, C) or (C,), and an integer class for each; convert them: "
                         f"targets.astype(np.int64)")
    t, classes, w = t.astype(np.int64).reshape(x.shape[:-1]), x.shape[-1], class_weights(name, weight, x)
    check_range(t, classes, f"{name}: target", f"{classes} classes")
    z = x - take_along_axis(x, t[..., None], -1) + python_number(margin)
    z = np.where((np.arange(classes) != t[..., None]) & (z > 0), z, 0)
    losses = (z * z if p == 2 else z).sum(-1) * (1 / classes)
    return reduce_losses(name, losses if w is None else losses * gathered(w, t, 0), reduction)


@explained
def multilabel_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """The sum of max(0, 1 - input[j] + input[i]) over targets j and all other classes i, divided by how many there are.

    Parameters
    ----------
    input : (N, C) or (C,), floating
    target : the same shape, integer
        The classes of each row, ended by -1; what follows it does not count.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.multilabel_margin_loss(tt.tensor([0.0, 0.5, 2.0]), tt.tensor([1, -1, 0]))
    tensor(1.)
    """
    name = "multilabel_margin_loss"
    x, t = as_floating(name, input), as_array(target)
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
    return reduce_losses(name, z.sum((-2, -1)) * (1 / classes), reduction)
