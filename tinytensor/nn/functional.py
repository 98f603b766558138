"""Layers as functions, with PyTorch's argument order and layouts: each is an op, or a few of them.

It holds no rule of calculus (those stand in `ops/`) and no weights. Parameters are NumPy's: ``axis``, not ``dim``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor, as_array
from ..ops.elementwise import relu, sigmoid, tanh
from ..ops.fused import embedding as rows_of
from ..ops.fused import linear, log_softmax, softmax

__all__ = ["cross_entropy", "embedding", "linear", "log_softmax", "one_hot", "relu", "sigmoid", "softmax", "tanh"]


def embedding(indices: Any, weight: Any) -> Any:
    """The rows of a table: integer indices (...) and weight (V, D) give (..., D).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.embedding([2, 0], tt.eye(3))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    return rows_of(weight, indices)


def cross_entropy(logits: Any, targets: Any, reduction: str = "mean") -> Any:
    """The negative log-likelihood of the target classes, in nats, under softmax(logits).

    Subtle: classes are axis 1 of logits, as in PyTorch; `tinytensor.cross_entropy` has them last.

    Parameters
    ----------
    logits : (C,), (N, C) or (N, C, ...), floating
    targets : (), (N,) or (N, ...), integer, in [0, C)
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        If shapes or the reduction do not fit.
    TypeError
        If targets are not integers.
    IndexError
        If a target is no class.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.cross_entropy(tt.zeros(2, 27, 8), np.ones((2, 8), np.int64))  # log(27): all classes as likely
    tensor(3.2958)
    """
    shape, given = np.shape(logits), np.shape(targets)
    if len(shape) > 2:
        if shape[:1] + shape[2:] != given:
            raise ValueError(f"cross_entropy: logits of shape {shape} and targets of shape {given}; expected targets "
                             f"of the shape of logits without axis 1, the classes; where classes come last, use "
                             f"tt.cross_entropy")
        logits = ops.shape.moveaxis(logits, 1, -1)
    return ops.fused.cross_entropy(logits, targets, reduction)


def one_hot(indices: Any, num_classes: int = -1, dtype: Any = np.int64) -> Tensor:
    """1 at each index, 0 elsewhere: integer indices (...) give (..., num_classes).

    Parameters
    ----------
    indices : (...), integer, in [0, num_classes)
    num_classes : int
        -1 for the largest index and one more.
    dtype : dtype
        Integer as in PyTorch; subtle: to multiply weights with, ask for theirs, or the product becomes float64.

    Raises
    ------
    TypeError
        If indices are not integers.
    IndexError
        If an index is no class.

    Examples
    --------
    >>> from tinytensor.nn import functional as F
    >>> F.one_hot([2, 0])
    tensor([[0, 0, 1],
            [1, 0, 0]])
    """
    i = as_array(indices)
    if i.dtype.kind not in "iu":
        raise TypeError(f"one_hot: indices of dtype {i.dtype} came; expected integers; convert them: "
                        f"indices.astype(np.int64)")
    low, high = (int(i.min()), int(i.max())) if i.size else (0, -1)
    n = high + 1 if num_classes == -1 else num_classes
    if low < 0 or high >= n:
        raise IndexError(f"one_hot: indices from {low} to {high} came for {n} classes; expected 0 to {n - 1}; check "
                         f"the vocabulary, or num_classes")
    return Tensor(np.equal(i[..., None], np.arange(n)).astype(dtype))
