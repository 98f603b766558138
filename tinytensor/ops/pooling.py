"""The maximum and the sum of every window over the last axes, for the pooling layers in `nn/pooling.py`.

At a tie the first of the largest elements gets the whole gradient, as in PyTorch; `tinytensor.max` and all other ops
split it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import S, primitive
from ..define import op
from .patches import SLIDING, Sizes, add_patches, check_windows, window_slices

WHICH = np.array([[[[0, 1, 2], [3, 3, 0]]]])


@primitive
def max_in_windows(x: Any, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    (_, first), *others = window_slices(kernel, stride, dilation, windows)
    y = x[first].copy()
    for _, part in others:
        np.maximum(y, x[part], out=y)
    return y


@primitive
def argmax_in_windows(y: Any, x: Any, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes,
                      border: Sizes = ()) -> Any:
    which = np.zeros(y.shape, np.uint8 if math.prod(kernel) <= 256 else np.int64)
    nan = bool((y != y).any())  # a nan is the maximum, and equals nothing
    for number, (_, part) in reversed(list(enumerate(window_slices(kernel, stride, dilation, windows)))):
        is_max = x[part] == y
        if nan:
            is_max |= x[part] != x[part]
        np.copyto(which, number, where=is_max)
    if any(border):  # subtle: where all of a window is as small as the border, the border is not the largest
        first = first_inside(kernel, stride, dilation, windows, border).astype(which.dtype)
        np.copyto(which, first, where=y == smallest(x.dtype))
    return which


def smallest(dtype: Any) -> Any:
    """What a border is filled with: nothing of this dtype is smaller."""
    return -math.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)


def first_inside(kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes, border: Sizes) -> Any:
    """The first position in each window, counted row by row, that is not in a border before the axes."""
    first: Any = np.zeros((1,) * len(kernel), np.int64)
    for axis, (k, s, d, n, b) in enumerate(zip(kernel, stride, dilation, windows, border, strict=True)):
        skipped = np.maximum(0, -(-(b - np.arange(n) * s) // d))
        first = first * k + skipped.reshape((-1,) + (1,) * (len(kernel) - 1 - axis))
    return first


@primitive
def gather_in_windows(x: Any, which: Any, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    y = np.zeros(which.shape, x.dtype)
    for number, (_, part) in enumerate(window_slices(kernel, stride, dilation, windows)):
        np.copyto(y, x[part], where=which == number)
    return y


@primitive
def scatter_in_windows(g: Any, which: Any, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes,
                       windows: Sizes) -> Any:
    z = np.zeros((*g.shape[: -len(size)], *size), g.dtype)
    disjoint = all(s >= k and d == 1 for s, k, d in zip(stride, kernel, dilation, strict=True))
    for number, (_, part) in enumerate(window_slices(kernel, stride, dilation, windows)):
        if disjoint:  # no two windows overlap
            np.copyto(z[part], g, where=which == number)
        else:
            z[part] += np.where(which == number, g, 0)
    return z


@primitive
def sum_windows(x: Any, kernel: Sizes, stride: Sizes, windows: Sizes) -> Any:
    (_, first), *others = window_slices(kernel, stride, (1,) * len(kernel), windows)
    y = x[first].copy()
    for _, part in others:
        y += x[part]
    return y


def sum_pool_grad(g: Any, size: Sizes, kernel: Sizes, stride: Sizes, windows: Sizes) -> Any:
    """The gradient of x: g of each window for all its elements, added up where windows overlap."""
    n = len(kernel)
    lead = g.shape[:-n]
    g = np.broadcast_to(g.reshape((*lead, *(1,) * n, *windows)), (*lead, *kernel, *windows))
    return add_patches(g, size=size, kernel=kernel, stride=stride, dilation=(1,) * n, windows=windows)


@op(lambda g, y, x, *, kernel, stride, windows: sum_pool_grad(g, x.shape[-len(kernel) :], kernel, stride, windows),
    analytic=True, samples=(S((1, 2, 4, 5), kernel=(2, 3), stride=(2, 1), windows=(2, 3)),
                            S((2, 5), kernel=(2,), stride=(2,), windows=(2,))))
def sum_pool(x: Any, *, kernel: Sizes, stride: Sizes, windows: Sizes) -> Any:
    """The sum of every window over the last axes; the parameters are as in `extract_patches`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.sum_pool(tt.arange(6), kernel=(2,), stride=(2,), windows=(3,))
    tensor([1, 5, 9])
    """
    check_windows("sum_pool", x.shape[-len(kernel) :], kernel, stride, (1,) * len(kernel), windows)
    return sum_windows(x, kernel, stride, windows)


@op(None, samples=(S((1, 1, 4, 5), **SLIDING),))
def pool_index(x: Any, *, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes, border: Sizes = ()) -> Any:
    """The position of the largest element in each window of x, counted row by row; the first one at a tie.

    `border` is as in `max_pool`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.pool_index([0, 5, 3, 3], kernel=(2,), stride=(2,), dilation=(1,), windows=(2,)).tolist()
    [1, 0]
    """
    check_windows("pool_index", x.shape[-len(kernel) :], kernel, stride, dilation, windows)
    y = max_in_windows(x, kernel, stride, dilation, windows)
    return argmax_in_windows(y, x, kernel, stride, dilation, windows, border)


@op(lambda g, y, x, which, *, kernel, stride, dilation, windows: pool_scatter(
        g, which, size=x.shape[-len(kernel) :], kernel=kernel, stride=stride, dilation=dilation, windows=windows), None,
    samples=(S((1, 1, 4, 5), WHICH, **SLIDING),))
def pool_gather(x: Any, which: Any, *, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    """The element of each window of x at the position `which`; the other parameters are as in `extract_patches`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.pool_gather(tt.arange(4), np.array([1, 0]), kernel=(2,), stride=(2,), dilation=(1,), windows=(2,))
    tensor([1, 2])
    """
    check_windows("pool_gather", x.shape[-len(kernel) :], kernel, stride, dilation, windows)
    return gather_in_windows(x, which, kernel, stride, dilation, windows)


@op(lambda g, y, x, which, *, size, kernel, stride, dilation, windows: pool_gather(
        g, which, kernel=kernel, stride=stride, dilation=dilation, windows=windows), None,
    samples=(S((1, 1, 2, 3), WHICH, size=(4, 5), **SLIDING),))
def pool_scatter(x: Any, which: Any, *, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes,
                 windows: Sizes) -> Any:
    """Add each element of x at position `which` of its window, into zeros: the adjoint of `pool_gather`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> sliding = {"kernel": (2,), "stride": (2,), "dilation": (1,), "windows": (2,)}
    >>> tt.pool_scatter(tt.arange(2) + 1, np.array([1, 0]), size=(4,), **sliding)
    tensor([0, 1, 2, 0])
    """
    check_windows("pool_scatter", size, kernel, stride, dilation, windows)
    return scatter_in_windows(x, which, size, kernel, stride, dilation, windows)


@op(lambda g, y, x, *, kernel, stride, dilation, windows, border=(): pool_scatter(
        g, pool_index(x, kernel=kernel, stride=stride, dilation=dilation, windows=windows, border=border),
        size=x.shape[-len(kernel) :], kernel=kernel, stride=stride, dilation=dilation, windows=windows),
    samples=(S((1, 2, 4, 5), **SLIDING),
             S((2, 5), kernel=(3,), stride=(1,), dilation=(2,), windows=(1,))))
def max_pool(x: Any, *, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes, border: Sizes = ()) -> Any:
    """The largest element of every window over the last axes; the parameters are as in `extract_patches`.

    `border` is how many elements at the start of each axis are padding, of the smallest value: they are never the
    largest, not even at a tie.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.max_pool(tt.arange(6), kernel=(2,), stride=(2,), dilation=(1,), windows=(3,))
    tensor([1, 3, 5])
    """
    check_windows("max_pool", x.shape[-len(kernel) :], kernel, stride, dilation, windows)
    return max_in_windows(x, kernel, stride, dilation, windows)
