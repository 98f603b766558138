"""The ops that pick elements and, side by side with each, the one that puts gradients back: getitem, take, scatter.

What is picked twice adds up. Only `scatter` and `overlap_add` write by index, each into an array of its own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..apply import operand
from ..core import Array, S, Tensor, primitive
from ..define import expose, op

DEFAULT = np.dtype(object)
FEW_ROWS = 128  # up to here a one-hot matmul beats sorting: 27 rows of 16 in 5 us, where `np.add.at` takes 60


def plain(index: Any) -> Any:
    """An index with arrays in the place of Tensors and lists."""
    if isinstance(index, tuple):
        return tuple([plain(i) for i in index])
    if index is None or index is Ellipsis or isinstance(index, int | slice | np.ndarray | np.generic):
        return index
    if isinstance(index, list) and not index:
        return np.zeros(0, np.int64)
    index = operand(index)
    if getattr(index, "dtype", DEFAULT).kind not in "iub":
        raise TypeError(f"getitem: an index of dtype {getattr(index, 'dtype', type(index).__name__)} came; expected "
                        f"integers, booleans or slices; convert it: i.astype(np.int64)")
    return index


@op(lambda g, y, x, *, index: scatter(g, index, x.shape), analytic=True, samples=(
    S((3, 4), index=1), S((3, 4), index=(slice(None), slice(1, 3))), S((3, 4), index=(Ellipsis, None, 2)),
    S((3, 4), index=np.array([2, 0, 2])), S((3, 4), index=(np.array([0, 2]), np.array([3, 3]))),
    S((3, 4), index=np.array([True, False, True])), S((3, 4), index=(slice(None, None, -2), np.array([1, 1])))))
def getitem(x: Any, index: Any) -> Any:
    """``x[index]``: basic, integer and boolean indexing as in NumPy.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.arange(12).reshape(3, 4)
    >>> x[1, ::2], x[[0, 2], 1], x[x > 9]
    (tensor([4, 6]), tensor([1, 9]), tensor([10, 11]))
    """
    return x[plain(index)]


setattr(Tensor, "__getitem__", getitem)


def never_repeats(index: Any) -> bool:
    """Whether an index can't pick an element twice: slices, integers and boolean masks."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(not isinstance(i, np.ndarray) or i.dtype == np.bool_ for i in parts)


def rows_alone(index: Any) -> bool:
    """Whether an index is an array of integers, which `take` is faster at."""
    return isinstance(index, np.ndarray) and index.dtype.kind in "iu"


@lru_cache(maxsize=64)
def one_hot_table(rows: int, dtype: Any) -> Array:
    """The identity matrix whose columns are one-hot vectors; cached, so that a compiled step sees one constant."""
    table: Array = np.eye(rows, dtype=dtype)
    table.flags.writeable = False
    return table


@op(lambda g, y, x, *, index, shape: take(g, index, 0) if rows_alone(index) else g[index], analytic=True, samples=(
    S((4,), index=1, shape=(3, 4)), S((3, 2), index=(slice(None), slice(1, 3)), shape=(3, 4)),
    S((3, 4), index=np.array([2, 0, 2]), shape=(3, 4)), S((5, 2), index=np.array([1, 199, 1, 0, -1]), shape=(200, 2)),
    S((2, 3), index=(np.array([0, 0]), slice(0, 3)), shape=(2, 4))))
def scatter(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` to which x is added at ``[index]``, repeated indices adding up: the adjoint of ``[index]``.

    Subtle: rows of a small table are gathered by a matmul with one-hot rows, so an infinite or nan row of x reaches
    every row of the output.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.scatter(tt.tensor([1.0, 2.0, 3.0]), np.array([0, 2, 2]), (4,))
    tensor([1., 0., 5., 0.])
    """
    index = index if type(index) is np.ndarray else plain(index)
    if getattr(index, "dtype", DEFAULT).kind in "iu" and np.ndim(index) and x.dtype.kind == "f" and x.size:
        z = scatter_rows(x.reshape(index.size, -1), index.reshape(-1), shape[0])
        return z if len(shape) == 2 else z.reshape(shape)
    return put_into_zeros(x, index, shape)


@primitive
def put_into_zeros(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with x added at an index."""
    z = np.zeros(shape, x.dtype)
    if never_repeats(index):
        z[index] = x
    else:
        np.add.at(z, index, x)
    return z


def scatter_rows(x: Any, rows: Any, n: int) -> Any:
    """The sum, for each of n rows, of the rows of x that belong to it."""
    rows = rows if rows.dtype == np.int64 else rows.astype(np.int64)
    return gathered(one_hot_table(n, x.dtype), rows, 0).T @ x if n <= FEW_ROWS else sum_sorted(x, rows, n)


@primitive
def sum_sorted(x: Any, rows: Any, n: int) -> Any:
    """`scatter_rows` for many rows: those of x in the order of the rows they belong to, then summed run by run."""
    rows = np.where(rows < 0, rows + n, rows)
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    z = np.zeros((n, x.shape[1]), x.dtype)
    z[rows[starts]] = np.add.reduceat(x[order], starts, axis=0)
    return z


@op(lambda g, y, x, indices, *, axis: untaken(g, x, indices, axis), None, numpy=(np.take,), method=True, analytic=True,
    samples=(S((3, 4), np.array([2, 0, 2]), axis=0), S((3, 4), np.array([[1, 1], [0, 3]]), axis=1),
             S((3, 4), np.array([5, 5, 0])), S((3,), 1, axis=0)))
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at integer `indices` along an axis; of the flattened input if axis is None.

    For rows of a table (axis 0) five times as fast as ``x[indices]``.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0], [2.0]]).take([1, 1, 0], axis=0)
    tensor([[2.],
            [2.],
            [1.]])
    """
    return gathered(x, whole("take", indices), axis)


@primitive
def gathered(x: Any, indices: Any, axis: int | None) -> Any:
    """The one gather of the engine: a plain array would not ask a compiler's stand-in among the indices."""
    return x.take(indices, axis)


def whole(name: str, indices: Any) -> Any:
    """The indices, once it is sure that they are integers; booleans would be read as 0 and 1."""
    indices = indices if hasattr(indices, "dtype") else np.asarray(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices of dtype {indices.dtype} came; expected integers; for a mask write x[mask], "
                        f"else indices.astype(np.int64)")
    return indices


def untaken(g: Any, x: Any, indices: Any, axis: int | None) -> Any:
    """The adjoint of `take`: g scattered back along the axis."""
    indices = whole("take", indices)
    if axis is None:
        return scatter(g, indices, (x.size,)).reshape(x.shape)
    lead = axis % x.ndim
    return scatter(g, (slice(None),) * lead + (indices,) if lead else indices, x.shape)


def along(indices: Any, axis: int, ndim: int, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The full index that `take_along_axis` stands for: `indices` at the axis, counters of each other axis."""
    axis %= ndim
    counters = [np.arange(n).reshape((1,) * i + (n,) + (1,) * (ndim - i - 1)) for i, n in enumerate(shape)]
    return (*counters[:axis], indices, *counters[axis + 1 :])


@op(lambda g, y, x, indices, *, axis: scatter(g, along(indices, axis, x.ndim, x.shape), x.shape), None,
    numpy=(np.take_along_axis,), analytic=True,
    samples=(S((2, 3), np.array([[2, 0], [1, 1]]), axis=1), S((2, 3), np.array([[1, 0, 1]]), axis=0)))
def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Any:
    """For each line along the axis, the elements at that line's own indices.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.take_along_axis(tt.tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), axis=1)
    tensor([[2.],
            [3.]])
    """
    if axis is None:
        raise ValueError("take_along_axis: axis None came; expected an integer; flatten first: x.reshape(-1)")
    return gathered_along(x, whole("take_along_axis", indices), axis)


gathered_along = primitive(np.take_along_axis)


# --- windows ---


@op(lambda g, y, x, *, window_shape, axis, stride, dilation:
        overlap_add(g, x.shape[axis], axis % x.ndim, stride=stride, dilation=dilation),
    numpy=(np.lib.stride_tricks.sliding_window_view,), analytic=True,
    samples=(S((5,), window_shape=2), S((2, 3), window_shape=3), S((6, 2), window_shape=2, axis=0, stride=2),
             S((2, 7, 2), window_shape=3, axis=1, dilation=2), S((9,), window_shape=2, stride=3, dilation=4)))
def sliding_window_view(x: Any, window_shape: int, axis: int = -1, *, stride: int = 1, dilation: int = 1) -> Any:
    """Every window of so many elements along one axis, as a last axis of its own; a view, which is read-only.

    NumPy's, for one axis; windows start `stride` elements apart, and their elements are `dilation` apart.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.sliding_window_view(tt.arange(6), 3, stride=2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    return windowed(x, window_shape, axis, stride, dilation)


@primitive
def windowed(x: Any, window_shape: int, axis: int, stride: int, dilation: int) -> Any:
    windows = count_windows(x.shape[axis], window_shape, stride, dilation)
    shape, strides = list(x.shape), list(x.strides)
    shape[axis], strides[axis] = windows, strides[axis] * stride
    return np.lib.stride_tricks.as_strided(x, (*shape, window_shape), (*strides, x.strides[axis] * dilation),
                                           writeable=False)


def count_windows(size: int, window: Any, stride: Any, dilation: Any) -> int:
    """How many windows there are in so many elements."""
    if any(not isinstance(n, int | np.integer) or n < 1 for n in (window, stride, dilation)):
        raise ValueError(f"sliding_window_view: window_shape={window!r}, stride={stride!r} and dilation={dilation!r} "
                         f"came; expected integers of 1 or more; for windows along two axes call it twice")
    span = dilation * (window - 1) + 1
    if span > size:
        raise ValueError(f"sliding_window_view: windows that span {span} elements came for an axis of {size}; expected "
                         f"{size} at most; shorten window_shape={window} or dilation={dilation}, or pad the axis")
    return int((size - span) // stride + 1)


@op(lambda g, y, x, *, size, axis, stride, dilation:
        sliding_window_view(g, x.shape[-1], axis, stride=stride, dilation=dilation), analytic=True,
    samples=(S((4, 2), size=5), S((3, 2, 2), size=7, axis=0, stride=2), S((2, 3, 3, 2), size=6, axis=1, dilation=3)))
def overlap_add(x: Any, size: int, axis: int = -1, *, stride: int = 1, dilation: int = 1) -> Any:
    """Windows, the last axis of x, added up where they overlap: the adjoint of `sliding_window_view`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.overlap_add(tt.ones(3, 2), 4)
    tensor([1., 2., 2., 1.])
    """
    axis %= x.ndim - 1
    windows = count_windows(size, x.shape[-1], stride, dilation)
    if windows != x.shape[axis]:
        raise ValueError(f"overlap_add: {x.shape[axis]} windows along axis {axis} of x came; expected {windows}, which "
                         f"an axis of size={size} has; give the size that sliding_window_view was given")
    return added_up(x, size, axis, stride, dilation, windows)


@primitive
def added_up(x: Any, size: int, axis: int, stride: int, dilation: int, windows: int) -> Any:
    z = np.zeros((*x.shape[:axis], size, *x.shape[axis + 1 : -1]), x.dtype)
    for k in range(x.shape[-1]):
        first = k * dilation
        z[(*[slice(None)] * axis, slice(first, first + (windows - 1) * stride + 1, stride))] += x[..., k]
    return z


# --- in order ---


@op(None, numpy=(np.argsort,), method=True, samples=(S((2, 3)), S((2, 3), axis=0)))
def argsort(x: Any, axis: int = -1) -> Any:
    """The indices that put the elements along an axis in ascending order; equal ones keep theirs.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([3.0, 1.0, 2.0]).argsort()
    tensor([1, 2, 0])
    """
    return np.argsort(x, axis=axis, kind="stable")


@expose(np.sort, method=True)
def sort(x: Any, axis: int | None = -1) -> Any:
    """The elements along an axis in ascending order; of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([3.0, 1.0, 2.0]).sort()
    tensor([1., 2., 3.])
    """
    x, axis = (np.reshape(x, -1), 0) if axis is None else (x, axis)
    return take_along_axis(x, argsort(x, axis), axis)
