"""Lengths, angles and distances of rows, with PyTorch's names: each a few ops.

No derivative is defined here. Parameters are NumPy's: ``axis``, not ``dim``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from ..names.calls import explained
from .arguments import as_floating, python_number

__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]


@explained
def normalize(x: Any, p: float = 2.0, axis: Any = 1, eps: float = 1e-12) -> Tensor:
    """x divided by its p-norm along an axis, or by `eps` where that is larger.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.normalize(tt.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6, 0.8],
            [0. , 0. ]])
    """
    x = as_floating("normalize", x)
    return x / np.clip(np.linalg.vector_norm(x, axis=axis, keepdims=True, ord=p), python_number(eps), None)


@explained
def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between two vectors along an axis, 0 for one of length 0; the inputs broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.cosine_similarity(tt.tensor([[1.0, 0.0]]), tt.tensor([[3.0, 4.0]]))
    tensor([0.6])
    """
    a, b = as_floating("cosine_similarity", x1), as_floating("cosine_similarity", x2)
    n, eps = max(a.ndim, b.ndim), python_number(eps)
    if not -n <= axis < n:
        raise IndexError(f"cosine_similarity: got axis={axis} for shapes {a.shape} and {b.shape}; expected one of "
                         f"their {n} axes; use -1 for the last")
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = (x if x.shape == shape else np.broadcast_to(x, shape) for x in (a, b))
    c, d = (np.clip(np.linalg.vector_norm(x, axis=axis, keepdims=True), eps, None) for x in (a, b))
    return ((a / c) * (b / d)).sum(axis)


@explained
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis; the inputs broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.pairwise_distance(tt.tensor([[3.0, 0.0]]), tt.tensor([[0.0, 4.0]]))
    tensor([5.])
    """
    a, b = as_floating("pairwise_distance", x1), as_floating("pairwise_distance", x2)
    return np.linalg.vector_norm(a - b + python_number(eps), axis=-1, keepdims=keepdims, ord=p)
