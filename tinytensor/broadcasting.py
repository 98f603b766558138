"""Sums over broadcast axes, and the constants that a backward pass starts from.

It knows no op and no tensor; rules use it too.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .core import Array
from .modes import state

MANY = 8192  # longer rows of ones are not cached
BLOCK = 256  # rows that one product sums


@lru_cache(maxsize=64)
def ones_row(n: int, dtype: Any, each: float = 1) -> Array:
    """A row of ones, or of `each`; cached, so that a compiled step has one constant for it."""
    a = np.full(n, each, dtype)
    a.flags.writeable = False
    return a


@lru_cache(maxsize=64)
def unit_gradient(shape: tuple[int, ...], dtype: Any) -> Array:
    """The gradient of a loss with respect to itself: ones; cached, like `ones_row`."""
    a = np.ones(shape, dtype)
    a.flags.writeable = False
    return a


def sum_rows(g: Any, each: float = 1) -> Any:
    """The sum over the first of two axes, times `each`, as a product with ones: twice as fast as NumPy's sum.

    Many rows are summed in blocks, and the sums of the blocks in the same way. In float32 that is as accurate as
    NumPy's pairwise sum; one product over a million rows would have an error a hundred times as large.
    """
    n = g.shape[0]
    if n <= 2 * BLOCK or state.workers > 1:  # workers add up their parts of one product
        return (ones_row(n, g.dtype, each) if n <= MANY else np.full(n, each, g.dtype)) @ g
    blocks, rest = divmod(n, BLOCK)
    whole = n - rest
    y = sum_rows(ones_row(BLOCK, g.dtype) @ g[:whole].reshape(blocks, BLOCK, g.shape[1]), each)
    return y + ones_row(rest, g.dtype, each) @ g[whole:] if rest else y


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes that broadcasting added to, or stretched in, an array of this shape."""
    lead = g.ndim - len(shape)
    if lead and shape and shape == g.shape[lead:] and g.size:
        return sum_rows(g.reshape(-1, math.prod(shape))).reshape(shape)
    axes = tuple(i for i, n in enumerate((0,) * lead + shape) if i < lead or n != g.shape[i])
    return np.add.reduce(g, axis=axes, keepdims=True).reshape(shape)
