"""Sorting, searching, running sums and extremes, counts and quantiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from . import return_types
from .dtypes import default, numpy_dtype
from .offer import offer
from .operators import as_dtype
from .reduce import floating, keeps, one_axis, picked, some
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
    """The elements at these places along an axis, and the places, in the shape of the input."""
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
    """The k-th smallest element along `dim`, counted from 1, and where it stands."""
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
    """Where the lower median of each line stands: of a line with nan the first nan, or, to `skip` them, of the rest."""
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
            return wrap(ops.reshape(ops.take_along_axis(x, middle(x.data, 0, skip), 0), ()))
        x, axis = lined(name, input, dim)
        some(name, x, axis)
        return at(kind, input, x, middle(x.data, axis, skip), axis, keepdim)

    reduce.__name__ = name
    reduce.__doc__ = ("The lower median: one of the elements, never the mean of two" + (
        "; nan is left out." if skip else "; nan where there is one.") + " With `dim` also where it stands.")
    return reduce


offer("median", method=True)(central("median", False))
offer("nanmedian", method=True)(central("nanmedian", True))


@offer(method=True)
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along `dim`, the smallest of several, and the last place where it stands."""
    x, axis = lined("mode", input, dim)
    some("mode", x, axis)

    def last(line: Any) -> Any:
        values, counts = np.unique(line, return_counts=True)
        return np.flatnonzero(line == values[counts.argmax()])[-1]

    places = np.expand_dims(np.apply_along_axis(last, axis, x.data), axis)
    return at(return_types.mode, input, x, places, axis, keepdim)


def quantiles(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear") -> Any:
        x = floating(name, as_node(input))
        q = q.node.data if isinstance(q, Tensor) else q
        if np.ndim(q) > 1 or not np.all((np.asarray(q) >= 0) & (np.asarray(q) <= 1)):
            raise RuntimeError(f"{name}: q must be a scalar or 1D tensor, with values in the range [0, 1]; got {q}; "
                               f"divide percentages by 100")
        if not x.data.size:
            raise RuntimeError(f"{name}: input tensor must be non-empty; got shape {[*x.data.shape]}; give it elements")
        axis = None if dim is None else one_axis(name, x, dim)
        y = function(x, np.asarray(q, x.data.dtype), axis, method=interpolation, keepdims=keeps(x, keepdim))
        return wrap(as_dtype(y, x.data.dtype))

    reduce.__name__ = name
    reduce.__doc__ = "The q-th quantiles, of all elements or along `dim`; several q stand along a new first axis."
    return reduce


offer("quantile", method=True)(quantiles("quantile", ops.quantile))
offer("nanquantile", method=True)(quantiles("nanquantile", ops.nanquantile))


# --- running ---


@offer(method=True, in_place=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sums of the elements up to each, along `dim`; of integers and booleans an int64."""
    return running("cumsum", ops.cumsum, input, dim, dtype)


@offer(method=True, in_place=True)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The products of the elements up to each, along `dim`; of integers and booleans an int64."""
    return running("cumprod", ops.cumprod, input, dim, dtype)


def running(name: str, function: Callable[..., Any], input: Tensor, dim: Any, dtype: Any) -> Tensor:
    x = input.node
    x = as_dtype(x, numpy_dtype(dtype, x.data.dtype if x.data.dtype.kind == "f" else np.dtype(np.int64)))
    axis = one_axis(name, x, dim)
    return wrap(ops.positive(x) if axis is None else function(x, axis))


def farthest(name: str, ufunc: Any, beats: Callable[..., Any]) -> Callable[..., Any]:
    kind = getattr(return_types, name)

    def scan(input: Tensor, dim: int) -> Any:
        x, axis = lined(name, input, dim)
        a = x.data
        best = ufunc.accumulate(a.astype(np.uint8) if a.dtype == np.bool_ else a, axis=axis)
        here = (a == best) if a.dtype.kind != "f" else (a == best) | np.isnan(a)
        counter = np.arange(a.shape[axis]).reshape([-1 if i == axis else 1 for i in range(a.ndim)])
        places = np.maximum.accumulate(np.where(here, counter, 0), axis=axis)
        return taken(kind, input, x, places, axis)

    scan.__name__ = name
    scan.__doc__ = f"The {name[3:]}imum of the elements up to each, along `dim`, and the last place where it stands."
    return scan


offer("cummax", method=True)(farthest("cummax", np.maximum, np.greater_equal))
offer("cummin", method=True)(farthest("cummin", np.minimum, np.less_equal))


@offer(method=True)
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """The logarithms of the sums of exponentials up to each element, along `dim`."""
    x = floating("logcumsumexp", input.node)
    axis = one_axis("logcumsumexp", x, dim)
    return wrap(ops.positive(x) if axis is None else np.logaddexp.accumulate(x, axis))


@offer(method=True)
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
         append: Tensor | None = None) -> Tensor:
    """The n-th differences along `dim`."""
    ends = {name: x.node for name, x in (("prepend", prepend), ("append", append)) if x is not None}
    if not input.node.data.ndim:
        raise RuntimeError("diff: expects input to be at least one-dimensional; got no axes; give it elements")
    axis = one_axis("diff", input.node, dim)
    x = input.node
    if x.data.dtype == np.bool_:
        return wrap(ops.diff(x, n, axis, **ends))
    return wrap(ops.diff(x, min(n, x.data.shape[axis]), axis, **ends))


@offer("trapezoid", "trapz")
def trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoidal rule, at points x or at a distance dx."""
    return wrap(ops.trapezoid(y.node, None if x is None else x.node, 1 if dx is None else dx, dim))


# --- searching and counting ---


@offer(method=True)
def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
           dim: int | None = None) -> Any:
    """The elements without repetitions, in order; with `dim` the slices along it."""
    axis = None if dim is None else one_axis("unique", input.node, dim)
    found = np.unique(input.node.data, return_inverse=True, return_counts=True, axis=axis)
    inverse = found[1].reshape(input.node.data.shape if axis is None else -1)
    several = [of_array(found[0])] + [of_array(a) for a, on in ((inverse, return_inverse), (found[2], return_counts))
                                      if on]
    return tuple(several) if len(several) > 1 else several[0]


@offer(method=True)
def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False,
                       dim: int | None = None) -> Any:
    """The elements without those equal to the one before."""
    a = input.node.data
    lines = a.reshape(-1, 1) if dim is None else np.moveaxis(a, dim, 0).reshape(a.shape[dim], -1)
    new = np.ones(len(lines), bool)
    new[1:] = (lines[1:] != lines[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    values = a.reshape(-1)[starts] if dim is None else np.take(a, starts, dim)
    inverse = (np.cumsum(new) - 1).reshape(a.shape if dim is None else -1)
    counts = np.diff(np.append(starts, len(lines)))
    several = [of_array(values)] + [of_array(x) for x, on in ((inverse, return_inverse), (counts, return_counts)) if on]
    return tuple(several) if len(several) > 1 else several[0]


@offer(method=True)
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... stands in a vector of integers, or the sums of their weights."""
    a = input.node.data
    if a.ndim != 1 or a.dtype.kind not in "iu" or (a.size and a.min() < 0):
        raise RuntimeError(f"bincount: only supports 1-d non-negative integral inputs; got {input.dtype} of shape "
                           f"{[*a.shape]}; flatten or convert it first")
    w = None if weights is None else weights.node.data
    y = np.bincount(a, w, minlength)
    return of_array(y if w is None or w.dtype != np.float32 else y.astype(np.float32))


@offer(method=True)
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements are in each of equal bins from min to max, or from the least to the largest."""
    a = floating("histc", input.node).data
    low, high = (a.min(), a.max()) if min == max and a.size else (min, max)
    if low == high:
        low, high = low - 1, high + 1
    return of_array(np.histogram(a, bins, (float(low), float(high)))[0].astype(a.dtype))


@offer(method=True)
def histogram(input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None,
              density: bool = False) -> Any:
    """How many elements are in each bin, or the sums of their weights, or their density; and the edges of the bins."""
    a = floating("histogram", input.node).data
    w = None if weight is None else weight.node.data.reshape(-1)
    if isinstance(bins, Tensor):
        counts, edges = np.histogram(a.reshape(-1), bins.node.data, weights=w, density=density)
    else:
        low, high = range if range is not None else (float(a.min()), float(a.max())) if a.size else (0.0, 1.0)
        if low == high and range is None:
            low, high = low - 0.5, high + 0.5
        counts, edges = np.histogram(a.reshape(-1), bins, (low, high), weights=w, density=density)
    return return_types.histogram((of_array(counts.astype(a.dtype)), of_array(edges.astype(a.dtype))))


@offer()
def searchsorted(sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
                 side: str | None = None, sorter: Tensor | None = None) -> Tensor:
    """Where each value would stand in a sequence, or in each line of several."""
    s, v = sorted_sequence.node.data, as_node(input).data
    if sorter is not None:
        s = np.take_along_axis(s, sorter.node.data, -1)
    side_: Any = side or ("right" if right else "left")
    if s.ndim == 1:
        y = np.searchsorted(s, v, side_)
    else:
        y = np.empty(v.shape, np.int64)
        for i in np.ndindex(s.shape[:-1]):
            y[i] = np.searchsorted(s[i], v[i], side_)
    return of_array(np.asarray(y, np.int32 if out_int32 else np.int64))


@offer()
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """In which of the buckets between boundaries each value is."""
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@offer()
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is among the test elements."""
    return of_array(np.asarray(np.isin(as_node(elements).data, as_node(test_elements).data, invert=invert)))


@offer(method=True)
def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None,
        aweights: Tensor | None = None) -> Tensor:
    """The covariance matrix of variables, a row each."""
    given = {name: w.node.data for name, w in (("fweights", fweights), ("aweights", aweights)) if w is not None}
    x = as_dtype(input.node, input.node.data.dtype if input.node.data.dtype.kind == "f" else default[0].numpy)
    return wrap(as_dtype(ops.cov(x, ddof=correction, **given), x.data.dtype))


@offer(method=True)
def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of variables, a row each."""
    x = as_dtype(input.node, input.node.data.dtype if input.node.data.dtype.kind == "f" else default[0].numpy)
    return wrap(as_dtype(ops.corrcoef(x), x.data.dtype))


@offer(method=True)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether elements are equal up to ``atol + rtol * abs(other)``."""
    if input.node.data.dtype != other.node.data.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}; expected one dtype; convert one: "
                           f"other.to(input.dtype)")
    a, b = input.node, other.node
    return of_array(np.asarray(np.isclose(a.data, b.data, rtol, atol, equal_nan)))
