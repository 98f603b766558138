"""The matrix product, for every rank. Other products stand in `contract.py`, decompositions in a file of theirs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import S, Tensor
from ..define import op


def shape_error(a: Any, b: Any) -> ValueError:
    """What is wrong with the shapes of a matmul, and what would be right."""
    shapes = f"matmul: shapes {np.shape(a)} and {np.shape(b)}"
    if not np.ndim(a) or not np.ndim(b):
        return ValueError(f"{shapes}: a number has no matrix product; expected one axis or more on both sides; use *")
    rows = "last" if b.ndim == 1 else "second-last"
    if a.shape[-1] != b.shape[-1 if b.ndim == 1 else -2]:
        return ValueError(f"{shapes}: the last axis of a ({a.shape[-1]}) must equal the {rows} of b "
                          f"({b.shape[-1 if b.ndim == 1 else -2]}); transpose or reshape one of them")
    return ValueError(f"{shapes}: the axes before the last two do not broadcast; they must be equal or 1")


def folded_matmul(a: Any, b: Any) -> Any:
    """``a @ b``; a stack times one matrix as one product of all its rows: half the time, or less, for small stacks."""
    if np.ndim(a) > 2 and np.ndim(b) == 2 and a.shape[-1] == b.shape[0]:
        rows = math.prod(a.shape[:-1])
        return np.matmul(a.reshape(rows, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])
    return np.matmul(a, b)


def grad_a(g: Any, a: Any, b: Any) -> Any:
    """The gradient of a, with the axes that broadcasting added still there."""
    if b.ndim == 1:
        return g * b if a.ndim == 1 else g[..., None] * b
    return (b @ g[..., None])[..., 0] if a.ndim == 1 else folded_matmul(g, b.mT)


def grad_b(g: Any, a: Any, b: Any) -> Any:
    """The gradient of b, with the axes that broadcasting added still there."""
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[..., None] * g[..., None, :]
    if b.ndim == 1:
        return (a.mT @ g[..., None])[..., 0]
    if b.ndim == 2 and a.ndim > 2:  # one product of tall matrices, in the place of many small ones and a sum
        rows = math.prod(a.shape[:-1])
        return a.reshape(rows, a.shape[-1]).T @ g.reshape(rows, g.shape[-1])
    return a.mT @ g


@op(lambda g, y, a, b: grad_a(g, a, b), lambda g, y, a, b: grad_b(g, a, b), numpy=(np.matmul,), method=True,
    broadcasts=True, analytic=True,
    samples=(S((2, 3), (3, 4)), S((3,), (3,)), S((2, 3), (3,)), S((3,), (3, 4)), S((5, 2, 3), (3, 4)),
             S((5, 2, 3), (5, 3, 4)), S((5, 1, 2, 3), (6, 3, 4)), S((3,), (5, 3, 4)), S((5, 2, 3), (3,)),
             S((0, 3), (3, 4)), S((2, 0), (0, 4))))
def matmul(a: Any, b: Any) -> Any:
    """The matrix product ``a @ b`` of the last two axes; axes before them broadcast, one axis alone is a vector.

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
