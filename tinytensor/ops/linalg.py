"""The matrix product, for any number of axes. Other products are in `contract.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import S, Tensor
from ..define import op


def shape_error(a: Any, b: Any) -> ValueError:
    """The error of a matmul whose shapes do not fit."""
    shapes = f"matmul: got shapes {np.shape(a)} and {np.shape(b)}"
    if not np.ndim(a) or not np.ndim(b):
        return ValueError(f"{shapes}; expected one axis or more on both sides; multiply by a number with *")
    rows = "last" if b.ndim == 1 else "second-last"
    if a.shape[-1] != b.shape[-1 if b.ndim == 1 else -2]:
        return ValueError(f"{shapes}; expected the last axis of a ({a.shape[-1]}) to equal the {rows} of b "
                          f"({b.shape[-1 if b.ndim == 1 else -2]}); transpose or reshape one of them")
    return ValueError(f"{shapes}; expected axes before the last two that are equal, or 1; reshape one of them")


def folded_matmul(a: Any, b: Any) -> Any:
    """``a @ b``; a stack of matrices times one matrix as one tall product, which takes half the time for small ones."""
    if np.ndim(a) > 2 and np.ndim(b) == 2 and a.shape[-1] == b.shape[0]:
        rows = math.prod(a.shape[:-1])
        return np.matmul(a.reshape(rows, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])
    return np.matmul(a, b)


def grad_a(g: Any, a: Any, b: Any) -> Any:
    """The gradient of a, before it is summed over the axes that broadcasting added."""
    if b.ndim == 1:
        return g * b if a.ndim == 1 else g[..., None] * b
    return (b @ g[..., None])[..., 0] if a.ndim == 1 else folded_matmul(g, b.mT)


def grad_b(g: Any, a: Any, b: Any) -> Any:
    """The gradient of b, before it is summed over the axes that broadcasting added."""
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[..., None] * g[..., None, :]
    if b.ndim == 1:
        return (a.mT @ g[..., None])[..., 0]
    if b.ndim == 2 and a.ndim > 2:  # one product of tall matrices instead of many small ones and a sum
        rows = math.prod(a.shape[:-1])
        return a.reshape(rows, a.shape[-1]).T @ g.reshape(rows, g.shape[-1])
    return a.mT @ g


@op(lambda g, y, a, b: grad_a(g, a, b), lambda g, y, a, b: grad_b(g, a, b), numpy=(np.matmul,), method=True,
    broadcasts=True, analytic=True,
    samples=(S((2, 3), (3, 4)), S((3,), (3,)), S((2, 3), (3,)), S((3,), (3, 4)), S((5, 2, 3), (3, 4)),
             S((5, 2, 3), (5, 3, 4)), S((5, 1, 2, 3), (6, 3, 4)), S((3,), (5, 3, 4)), S((5, 2, 3), (3,)),
             S((0, 3), (3, 4)), S((2, 0), (0, 4))))
def matmul(a: Any, b: Any) -> Any:
    """The matrix product ``a @ b`` over the last two axes.

    Parameters
    ----------
    a : (..., n, k) or (k,)
    b : (..., k, m) or (k,)
        Axes before the last two broadcast. An array of one axis is a vector.

    Returns
    -------
    (..., n, m), without n or m where a or b is a vector.


    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0, 2.0]]) @ tt.tensor([[3.0], [4.0]])
    tensor([[11.]])
    """
    try:
        return folded_matmul(a, b)
    except ValueError:
        raise shape_error(a, b) from None


setattr(Tensor, "__matmul__", matmul)
setattr(Tensor, "__rmatmul__", lambda b, a: matmul(a, b))
