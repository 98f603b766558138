"""Sorting, and order statistics: the k largest, medians, modes, quantiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from . import return_types
from .dtypes import of
from .extremes import picked
from .offer import offer
from .reduce import floating, one_axis, some
from .tensor import Tensor, as_node, of_array, wrap


def lined(name: str, input: Tensor, dim: Any) -> tuple[Any, int]:
    """The node and the axis; what has no axes gets one."""
    x = input.node
    axis = one_axis(name, x, dim)
    return (ops.reshape(x, (1,)), 0) if axis is None else (x, axis)


def order_of(a: Any, axis: int, descending: bool) -> Any:
    """The indices that sort along an axis; equal elements keep their order, and nan is the largest."""
    if not descending:
        return np.argsort(a, axis=axis, kind="stable")
    flipped = np.argsort(np.flip(a, axis), axis=axis, kind="stable")
    return a.shape[axis] - 1 - np.flip(flipped, axis)


def taken(kind: Any, input: Tensor, x: Any, places: Any, axis: int) -> Any:
    """The elements at these indices along an axis, and the indices, in the shape of the input."""
    values, where = ops.take_along_axis(x, places, axis), places
    if not input.node.data.ndim:
        values, where = ops.reshape(values, ()), where.reshape(())
    found = wrap(values)
    found.note = f"{kind.__name__.capitalize()}Backward0"
    return kind((found, of_array(np.ascontiguousarray(where) if where.ndim else where)))


@offer(method=True, note="Sort")
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: Any = False) -> Any:
    """The elements in order along `dim`, and where they stood; equal ones keep their order."""
    x, axis = lined("sort", input, dim)
    return taken(return_types.sort, input, x, order_of(x.data, axis, descending), axis)


@offer(method=True)
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: Any = False) -> Tensor:
    """Where the elements stand that would be in order along `dim`."""
    return sort(input, dim, descending)[1]  # type: ignore[no-any-return]


@offer(method=True)
def msort(input: Tensor) -> Tensor:
    """The elements in order along the first axis."""
    return sort(input, 0)[0]  # type: ignore[no-any-return]


@offer(method=True)
def topk(input: Tensor, k: Any, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest elements along `dim`, or the smallest, in order, and where they stand."""
    x, axis = lined("topk", input, dim)
    k = int(k)
    if not 0 <= k <= x.data.shape[axis]:
        raise RuntimeError(f"topk: selected index k out of range; got {k} for an axis of {x.data.shape[axis]}; "
                           f"expected 0 to that; write min(k, x.size(dim))")
    places = order_of(x.data, axis, largest)[(slice(None),) * axis + (slice(k),)]
    return taken(return_types.topk, input, x, places, axis)


@offer(method=True)
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest element along `dim`, counted from 1, and its index."""
    x, axis = lined("kthvalue", input, dim)
    n = x.data.shape[axis]
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue: selected number k out of range for dimension {dim}; got {k}; expected 1 to {n}; "
                           f"count from 1")
    places = order_of(x.data, axis, False)[(slice(None),) * axis + (slice(k - 1, k),)]
    return at(return_types.kthvalue, input, x, places, axis, keepdim)


def at(kind: Any, input: Tensor, x: Any, places: Any, axis: int, keepdim: bool) -> Any:
    """One element of each line."""
    return picked(kind, x, Node(places), axis if input.node.data.ndim else None, keepdim)


def middle(a: Any, axis: int, skip: bool) -> Any:
    """The index of the lower median of each line: in a line with nan the first nan, or, to `skip` them, of the rest."""
    ordered = np.argsort(a, axis=axis, kind="stable")
    nan = np.isnan(a) if a.dtype.kind == "f" else np.zeros(a.shape, bool)
    valid = a.shape[axis] - np.count_nonzero(nan, axis=axis, keepdims=True)
    n = a.shape[axis]
    rank = np.maximum(valid - 1, 0) // 2 if skip else np.where(valid < n, valid, (n - 1) // 2)
    return np.take_along_axis(ordered, rank, axis)


def central(name: str, skip: bool) -> Callable[..., Any]:
    kind = getattr(return_types, name)

    def reduce(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            x = ops.reshape(input.node, (-1,))
            if not x.data.size:
                return wrap(Node(np.full((), np.nan, x.data.dtype)))
            y = ops.reshape(ops.take_along_axis(x, middle(x.data, 0, skip), 0), ())
            if x._requires_grad:  # the gradient is split evenly between equal elements, as that of the largest
                same = (x.data == y.data) | (np.isnan(x.data) & np.isnan(y.data))
                y = ops.max(ops.where(same, x, np.asarray(-np.inf, x.data.dtype)))
            found = wrap(y)
            found.note = f"{name.capitalize()}Backward0"
            return found
        x, axis = lined(name, input, dim)
        some(name, x, axis)
        return at(kind, input, x, middle(x.data, axis, skip), axis, keepdim)

    reduce.__name__ = name
    reduce.__doc__ = ("The lower median: one of the elements, never the mean of two" + (
        "; nan is left out." if skip else "; nan where there is one.") + " With `dim` also where it stands.")
    return reduce


offer("median", method=True, note="Median")(central("median", False))
offer("nanmedian", method=True, note="Nanmedian")(central("nanmedian", True))


@offer(method=True)
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along `dim`, the smallest of several, and its last index."""
    x, axis = lined("mode", input, dim)
    some("mode", x, axis)

    def last(line: Any) -> Any:
        values, counts = np.unique(line, return_counts=True)
        return np.flatnonzero(line == values[counts.argmax()])[-1]

    places = np.expand_dims(np.apply_along_axis(last, axis, x.data), axis)
    return at(return_types.mode, input, x, places, axis, keepdim)


METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantiles(name: str, skip: bool) -> Callable[..., Any]:
    def reduce(input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear") -> Any:
        x = floating(name, as_node(input))
        q = q.node if isinstance(q, Tensor) else Node(np.asarray(q, x.data.dtype))
        if interpolation not in METHODS:
            raise RuntimeError(f"{name}: interpolation must be one of {', '.join(METHODS)}; got {interpolation!r}; "
                               f"choose one")
        if q.data.dtype != x.data.dtype:
            raise RuntimeError(f"{name}: q tensor must be same dtype as the input tensor; got {of(q.data.dtype)} and "
                               f"{of(x.data.dtype)}; convert one")
        if q.data.ndim > 1 or not np.all((q.data >= 0) & (q.data <= 1)):
            raise RuntimeError(f"{name}: q must be a scalar or 1D tensor, with values in the range [0, 1]; got "
                               f"{q.data}; divide percentages by 100")
        if not x.data.size:
            raise RuntimeError(f"{name}: input tensor must be non-empty; got shape {[*x.data.shape]}; give it elements")
        axis = None if dim is None else one_axis(name, x, dim)
        ndim = x.data.ndim
        lines = ops.reshape(x, (1, -1)) if axis is None else ops.moveaxis(x, axis, -1)
        y = of_lines(lines, ops.reshape(q, (-1,)), interpolation, skip)  # the quantiles along the last axis
        if axis is None:
            y = ops.reshape(y, (1,) * (ndim if keepdim else 0) + (q.data.size,))
        elif keepdim:
            y = ops.expand_dims(y, axis)
        return wrap(ops.moveaxis(y, -1, 0) if q.data.ndim else ops.squeeze(y, -1))

    reduce.__name__ = name
    reduce.__doc__ = "The q-th quantiles, of all elements or along `dim`; several q stand along a new first axis."
    return reduce


def of_lines(x: Any, q: Any, interpolation: str, skip: bool) -> Any:
    """The quantiles along the last axis; nan where a line has one, or, to `skip` them, of the others."""
    nan = np.isnan(x.data)
    count = x.data.shape[-1] - (np.count_nonzero(nan, -1, keepdims=True) if skip else 0)
    ranks = ops.multiply(q, np.maximum(count - 1, 0).astype(x.data.dtype))
    spoilt = np.zeros((), np.bool_) if skip else np.any(nan, -1, keepdims=True)
    if np.any(spoilt):  # nan comes last
        ranks = ops.where(spoilt, np.asarray(count - 1, x.data.dtype), ranks)
    shape = (*x.data.shape[:-1], q.data.size)
    if interpolation in ("lower", "higher", "nearest"):
        rounded = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}[interpolation](ranks.data)
        below = above = np.broadcast_to(rounded, shape).astype(np.int64)
    else:
        below, above = (np.broadcast_to(f(ranks.data), shape).astype(np.int64) for f in (np.floor, np.ceil))
    ordered = np.argsort(x.data, axis=-1, kind="stable")
    low, high = (ops.take_along_axis(x, np.take_along_axis(ordered, i, -1), -1) for i in (below, above))
    weight = 0.5 if interpolation == "midpoint" else ops.subtract(ranks, np.floor(ranks.data))
    return low if above is below else ops.add(low, ops.multiply(ops.subtract(high, low), weight))


offer("quantile", method=True)(quantiles("quantile", False))
offer("nanquantile", method=True)(quantiles("nanquantile", True))
