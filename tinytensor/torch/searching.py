"""Searching and counting: different elements, histograms, positions in a sorted sequence, covariance."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from . import return_types
from .dtypes import default, shape_of
from .offer import offer
from .operators import as_dtype
from .reduce import floating, one_axis
from .tensor import Tensor, as_node, of_array, wrap


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
    lines = a.reshape(-1, 1) if dim is None else np.moveaxis(a, dim, 0)
    lines = lines.reshape(len(lines), math.prod(lines.shape[1:]))
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
    """How often each of 0, 1, 2, ... occurs in a vector of integers, or the sums of their weights."""
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
def histogram(input: Tensor, bins: Any = 100, *, range: Any = None, weight: Tensor | None = None,
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
def histogramdd(input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None,
                density: bool = False) -> Any:
    """As `histogram`, of points, the last axis of the input; a number of bins for each of its coordinates, or edges."""
    a = floating("histogramdd", input.node).data
    points = a.reshape(-1, a.shape[-1])
    w = None if weight is None else weight.node.data.reshape(-1)
    given = [b.node.data if isinstance(b, Tensor) else b for b in bins] if isinstance(bins, tuple | list) else bins
    limits = None if range is None else [(range[i], range[i + 1]) for i in np.arange(0, len(range), 2)]
    try:
        counts, edges = np.histogramdd(points, given, limits, density, w)
    except ValueError as error:
        raise RuntimeError(f"histogramdd: {error}") from None
    return return_types.histogramdd((of_array(counts.astype(a.dtype)),
                                     tuple(of_array(e.astype(a.dtype)) for e in edges)))


@offer()
def searchsorted(sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
                 side: str | None = None, sorter: Tensor | None = None) -> Tensor:
    """Where each value would stand in a sequence, or in each line of several."""
    s, v = sorted_sequence.node.data, as_node(input).data
    if sorter is not None:
        s = np.take_along_axis(s, sorter.node.data, -1)
    if s.ndim > 1 and s.shape[:-1] != v.shape[:-1]:
        raise RuntimeError(f"searchsorted: got {[*s.shape]} and {[*v.shape]}; boundaries tensor should be 1 dimension, "
                           f"or have the input's shape but for the last axis; reshape one")
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
    if boundaries.node.data.ndim != 1:
        raise RuntimeError(f"bucketize: boundaries tensor must be 1 dimension; got {[*boundaries.shape]}; use "
                           f"searchsorted for a sequence for each line")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@offer()
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is among the test elements."""
    return of_array(np.asarray(np.isin(as_node(elements).data, as_node(test_elements).data, invert=invert)))


@offer(method=True)
def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None,
        aweights: Tensor | None = None) -> Tensor:
    """The covariance matrix of variables, a row each; `fweights` counts observations, `aweights` weighs them."""
    x = as_dtype(input.node, input.node.data.dtype if input.node.data.dtype.kind == "f" else default[0].numpy)
    if x.data.ndim > 2:
        raise RuntimeError(f"cov: expected input to have two or fewer dimensions but got {x.data.ndim}; reshape it")
    rows = x if x.data.ndim == 2 else ops.reshape(x, (1, -1))
    n = rows.data.shape[-1]
    for name, w, kinds in (("fweights", fweights, "iu"), ("aweights", aweights, "f")):
        if w is not None and (w.node.data.ndim > 1 or w.node.data.dtype.kind not in kinds or w.node.data.size != n
                              or np.any(w.node.data < 0)):
            raise RuntimeError(f"cov: got {name} of {w.dtype} and shape {[*w.shape]}; expected {name} to have one or "
                               f"fewer dimensions, {'integral' if kinds == 'iu' else 'floating point'} dtype, {n} "
                               f"elements, and none that is negative; the {name} cannot be negative")
    weights = [ops.reshape(w.node, (-1,)) for w in (fweights, aweights) if w is not None]
    weights = [w if w.data.dtype.kind == "f" else as_dtype(w, x.data.dtype) for w in weights]
    both = weights[0] if len(weights) == 1 else ops.multiply(*weights) if weights else None
    total = n if both is None else ops.sum(both)
    mean = ops.divide(ops.sum(rows if both is None else ops.multiply(rows, both), 1, keepdims=True), total)
    norm = n - correction if both is None else ops.subtract(total, correction if aweights is None else ops.multiply(
        ops.divide(ops.sum(ops.multiply(both, weights[-1])), total), correction))
    value = norm.data if isinstance(norm, Node) else norm
    if value <= 0:
        warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of "
                      "observations.", stacklevel=3)
        norm = 0.0
    centred = ops.subtract(rows, mean)
    weighed = centred if both is None else ops.multiply(centred, both)
    y = ops.divide(ops.matmul(weighed, ops.matrix_transpose(centred)), norm)
    return wrap(ops.reshape(y, ()) if len(rows.data) == 1 else y)


@offer(method=True)
def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of variables, a row each."""
    x = as_dtype(input.node, input.node.data.dtype if input.node.data.dtype.kind == "f" else default[0].numpy)
    return wrap(as_dtype(ops.corrcoef(x), x.data.dtype))


@offer(method=True)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether elements are equal up to ``atol + rtol * abs(other)``."""
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must be greater than or equal to zero; got {rtol} and {atol}; give "
                           f"0 or more")
    if input.node.data.dtype != other.node.data.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}; expected one dtype; convert one: "
                           f"other.to(input.dtype)")
    a, b = input.node, other.node
    return of_array(np.asarray(np.isclose(a.data, b.data, rtol, atol, equal_nan)))


@offer()
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The indices along each axis of a shape for indices of its flattened order."""
    found = np.unravel_index(indices.node.data, shape_of((shape,)))
    return tuple([of_array(np.asarray(i)) for i in found])
