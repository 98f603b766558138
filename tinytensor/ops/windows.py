"""Sliding windows along axes, and their adjoint, which adds up overlapping windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..core import S, primitive
from ..define import composite, op
from ..dispatch import as_python


@op(lambda g, y, x, *, window_shape, axis, stride, dilation:
        overlap_add(g, x.shape[axis], axis % x.ndim, stride=stride, dilation=dilation), analytic=True,
    samples=(S((5,), window_shape=2, axis=0), S((2, 3), window_shape=3, axis=1),
             S((6, 2), window_shape=2, axis=0, stride=2), S((2, 7, 2), window_shape=3, axis=1, dilation=2),
             S((9,), window_shape=2, axis=0, stride=3, dilation=4)))
def sliding_window_view_(x: Any, window_shape: int, axis: int = 0, *, stride: int = 1, dilation: int = 1) -> Any:
    """Every window of `window_shape` elements along one axis, as a new last axis."""
    return window_view(x, window_shape, axis, stride, dilation)


@composite(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False,
                        stride: int = 1, dilation: int = 1) -> Any:
    """Every window of a shape, as new last axes; a read-only view.

    Parameters
    ----------
    x : array_like
    window_shape : int or tuple of int
    axis : int or tuple of int, optional
        The axis that each size of `window_shape` slides along; all axes if left out.
    stride, dilation : int
        The distance between the starts of windows, and between the elements of a window. NumPy's function has neither.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.sliding_window_view(tt.arange(6), 3, stride=2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    if writeable:
        raise ValueError("sliding_window_view: got writeable=True; expected False, for windows share their elements; "
                         "write into x.data on a leaf, outside of any graph")
    if type(window_shape) is int and type(axis) is int:
        return sliding_window_view_(x, window_shape, axis, stride=stride, dilation=dilation)
    sizes, axes = (as_python("axis", x) for x in (window_shape, axis))
    sizes = tuple(sizes) if np.iterable(sizes) else (sizes,)
    axes = range(np.ndim(x)) if axes is None else normalize_axis_tuple(axes, np.ndim(x), "axis", allow_duplicate=True)
    if len(sizes) != len(axes):
        raise ValueError(f"sliding_window_view: got window_shape={window_shape!r} and axis={axis!r} for shape "
                         f"{np.shape(x)}; expected one size for each axis; give both with equal length")
    for size, along in zip(sizes, axes, strict=True):
        x = sliding_window_view_(x, size, along, stride=stride, dilation=dilation)
    return x


@primitive
def window_view(x: Any, window_shape: int, axis: int, stride: int, dilation: int) -> Any:
    windows = count_windows(x.shape[axis], window_shape, stride, dilation)
    shape, strides = list(x.shape), list(x.strides)
    shape[axis], strides[axis] = windows, strides[axis] * stride
    return np.lib.stride_tricks.as_strided(x, (*shape, window_shape), (*strides, x.strides[axis] * dilation),
                                           writeable=False)


def count_windows(size: int, window: Any, stride: Any, dilation: Any) -> int:
    """The number of windows along an axis of `size` elements."""
    if any(not isinstance(n, int | np.integer) or n < 1 for n in (window, stride, dilation)):
        raise ValueError(f"sliding_window_view: got window_shape={window!r}, stride={stride!r} and "
                         f"dilation={dilation!r}; expected integers of 1 or more; mend those that are not")
    span = dilation * (window - 1) + 1
    if span > size:
        raise ValueError(f"sliding_window_view: got windows that span {span} elements for an axis of {size}; expected "
                         f"{size} at most; shorten window_shape={window} or dilation={dilation}, or pad the axis")
    return int((size - span) // stride + 1)


@op(lambda g, y, x, *, size, axis, stride, dilation:
        sliding_window_view_(g, x.shape[-1], axis, stride=stride, dilation=dilation), analytic=True,
    samples=(S((4, 2), size=5), S((3, 2, 2), size=7, axis=0, stride=2), S((2, 3, 3, 2), size=6, axis=1, dilation=3)))
def overlap_add(x: Any, size: int, axis: int = -1, *, stride: int = 1, dilation: int = 1) -> Any:
    """Add up windows where they overlap: the adjoint of `sliding_window_view` along one axis.

    Parameters
    ----------
    x : (..., windows, ..., window_shape)
    size : int
        The size of the axis that the windows are put into, in place of axis `axis` of x.
    axis : int
        The axis of the windows, among those before the last.
    stride, dilation : int
        As in `sliding_window_view`.


    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.overlap_add(tt.ones(3, 2), 4)
    tensor([1., 2., 2., 1.])
    """
    if x.ndim < 2:
        raise ValueError(f"overlap_add: got x of shape {x.shape}; expected two axes or more, of windows and of their "
                         f"elements; add an axis of size 1")
    axis %= x.ndim - 1
    windows = count_windows(size, x.shape[-1], stride, dilation)
    if windows != x.shape[axis]:
        raise ValueError(f"overlap_add: got {x.shape[axis]} windows along axis {axis} of x; expected {windows}, for "
                         f"size={size}; give the size of the axis that the windows were taken from")
    return add_windows(x, size, axis, stride, dilation, windows)


@primitive
def add_windows(x: Any, size: int, axis: int, stride: int, dilation: int, windows: int) -> Any:
    z = np.zeros((*x.shape[:axis], size, *x.shape[axis + 1 : -1]), x.dtype)
    for k in range(x.shape[-1]):
        first = k * dilation
        z[(*[slice(None)] * axis, slice(first, first + (windows - 1) * stride + 1, stride))] += x[..., k]
    return z
