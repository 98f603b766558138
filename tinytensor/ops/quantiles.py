"""Medians, quantiles and percentiles: the element at a given rank, or between two ranks.

The rank itself comes from NumPy: its function, applied to ranks instead of values, gives the position of the result
among the sorted elements, for any method and any weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..apply import operand
from ..compose import arrays_of, attach, composed
from ..core import S, Tensor
from .masked import keeps_dims
from .nan import NAN
from .reduce import reduced_axes_last

# The derivative of the rank by q is the number of elements plus this; other methods jump from rank to rank.
RANK_SLOPE = {"linear": -1.0, "interpolated_inverted_cdf": 0.0, "hazen": 0.0, "weibull": 1.0, "median_unbiased": 1 / 3,
          "normal_unbiased": 1 / 4}


def value_at_rank(rank: Callable[[Any], Any], a: Any, axis: Any, keepdims: Any, q: Any = None, rank_slope: Any = None,
                  skip_nan: bool = False) -> Any:
    """The elements at a rank among those along the axes, interpolated between two of them.

    Parameters
    ----------
    rank : callable
        Given the rank of each element, (..., n), gives the rank to pick: q.shape + (...).
    q : array_like or Tensor
        A gradient flows to it if `rank_slope` is given.
    rank_slope : number or array, optional
        The derivative of the rank by q.
    skip_nan : bool
        Whether to ignore nan. If not, the result is nan where there is one.
    """
    rows, _, _ = reduced_axes_last(a, axis)
    n, dims = rows.shape[-1], np.ndim(arrays_of(q))
    values = arrays_of(rows)
    order = np.argsort(values, axis=-1, kind="stable")
    ranks, is_nan = np.argsort(order, axis=-1, kind="stable").astype(np.float64), np.isnan(values)
    if skip_nan:  # if all are nan, the result is nan
        ranks = np.where(is_nan & ~np.logical_and.reduce(is_nan, axis=-1, keepdims=True), np.nan, ranks)
    position = rank(ranks)
    if not skip_nan:  # nans are sorted to the end
        position = np.where(np.logical_or.reduce(is_nan, axis=-1), n - 1.0, position)
    low = np.floor(position).astype(np.int64)
    ordered = np.take_along_axis(rows, order, axis=-1)
    below, above = take_ranks(ordered, low, dims), take_ranks(ordered, np.minimum(low + 1, n - 1), dims)
    fraction: Any = (position - low).astype(rows.dtype)
    if rank_slope is None:  # subtle: 0 * inf is nan, so an element whose fraction is 0 becomes 0
        y = np.where(fraction == 1, 0, below) * (1 - fraction) + np.where(fraction == 0, 0, above) * fraction
        return restore_dims(y, a, axis, keepdims, dims)
    step = q - arrays_of(q)  # 0, but a gradient flows through it
    slope = np.where(position > 0, rank_slope, 0).astype(rows.dtype)  # below the first element it is constant
    fraction = fraction + slope * np.reshape(step, (*step.shape, *(1,) * (rows.ndim - 1)))
    return restore_dims(below + finite_or_zero(above - below) * fraction, a, axis, keepdims, dims)


def finite_or_zero(gap: Any) -> Any:
    """The difference, and 0 where it is not finite, so that no nan reaches the gradients of both elements."""
    return np.where(np.isfinite(arrays_of(gap)), gap, 0)


def take_ranks(ordered: Any, ranks: Any, dims: int) -> Any:
    """For each row, (..., n), the elements at its ranks, q.shape + (...); the result has the shape of the ranks."""
    lead = ranks.shape[:dims]
    rows = np.moveaxis(ranks.reshape((-1, *ranks.shape[dims:])), 0, -1)
    y = np.take_along_axis(ordered, rows, axis=-1)
    return np.reshape(np.moveaxis(y, -1, 0), (*lead, *ordered.shape[:-1]))


def restore_dims(y: Any, a: Any, axis: Any, keepdims: Any, dims: int) -> Any:
    """y, q.shape + (...), with the reduced axes as axes of size 1 if keepdims."""
    if not keeps_dims(keepdims):
        return y
    axes = range(a.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    reduced = {i % a.ndim for i in axes}
    return np.reshape(y, y.shape[:dims] + tuple([1 if i in reduced else n for i, n in enumerate(a.shape)]))


def weight_rows(a: Any, axis: Any, weights: Any) -> Any:
    """The weights, of the shape of a or of its reduced axes, as rows like those of `reduced_axes_last`."""
    if weights is None:
        return None
    weights = np.asarray(operand(weights))
    if weights.shape == a.shape:
        return reduced_axes_last(weights, axis)[0]
    axes = [i % a.ndim for i in (axis if isinstance(axis, tuple) else (axis,))]
    weights = np.transpose(weights, np.argsort(axes).tolist())
    broadcast = np.broadcast_to(weights.reshape([n if i in axes else 1 for i, n in enumerate(a.shape)]), a.shape)
    return reduced_axes_last(broadcast, axis)[0]


def quantile_composition(numpy: Any, value: Any, a: Any, q: Any, axis: Any, method: str, keepdims: Any, weights: Any,
                         percent: float = 1, skip_nan: bool = False) -> Any:
    """The composition of the four functions below; `value` is NumPy's result."""
    if not a.size:
        return attach(value, [0 * x for x in (a, q) if isinstance(x, Tensor) and x._requires_grad])
    if skip_nan and np.ndim(arrays_of(q)) > 1:  # subtle: NumPy moves only q's first axis to the front here
        raise ValueError(f"{numpy.__name__}: got q of shape {np.shape(arrays_of(q))} where a gradient is wanted; "
                         f"expected a number or one axis; flatten q, and reshape the result")
    rows, w = reduced_axes_last(arrays_of(a), axis)[0], weight_rows(a, axis, weights)
    rank_slope = None
    if method in RANK_SLOPE and isinstance(q, Tensor):
        n = np.add.reduce(np.logical_not(np.isnan(rows)), axis=-1) if skip_nan else rows.shape[-1]
        rank_slope = (n + RANK_SLOPE[method]) / percent

    def rank(ranks: Any) -> Any:
        return numpy(ranks, arrays_of(q), axis=-1, method=method, weights=w)

    return value_at_rank(rank, a, axis, keepdims, q, rank_slope, skip_nan)


ODD_EVEN = (S((5,)), S((4,)), S((3, 4)), S((3, 4), axis=0), S((2, 3, 2), axis=(0, -1)),
            S((4, 3), axis=1, keepdims=True))
MISSING = (*ODD_EVEN[:2], S(NAN), S(NAN, axis=1), S(NAN, axis=0, keepdims=True))
RANKS = (S((5,), 0.3), S((3, 4), np.array([0.1, 0.6]), axis=0), S((4, 3), 0.7, axis=1, keepdims=True),
         S((4, 3), 0.7, axis=0, method="hazen"), S((5,), 0.4, method="inverted_cdf"))


@composed(np.median, samples=ODD_EVEN)
def median(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """The median over the axes: the middle element, or the mean of the two middle ones; nan if one is nan.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.median(tt.tensor([3.0, 1.0, 2.0, 10.0]))
    tensor(2.5)
    """
    return value_at_rank(lambda ranks: np.median(ranks, axis=-1), a, axis, keepdims)


@composed(np.nanmedian, samples=MISSING)
def nanmedian(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """The median over the axes, ignoring nan; nan where all are nan.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanmedian(tt.tensor([3.0, np.nan, 1.0]))
    tensor(2.)
    """
    return value_at_rank(lambda ranks: np.nanmedian(ranks, axis=-1), a, axis, keepdims, skip_nan=True)


@composed(np.quantile, "a q", samples=RANKS)
def quantile(a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
             method: str = "linear", keepdims: Any = False, *, weights: Any = None, value: Any) -> Any:
    """The value below which a fraction q of the elements over the axes lies.

    Parameters
    ----------
    a : array_like
    q : float or array_like
        From 0 to 1. The axes of q come first in the result.
    axis : int or tuple of int, optional
        All axes if left out.
    method : str
        How to interpolate; see `np.quantile`.
    keepdims : bool
    weights : array_like, optional
        With the shape of a, or of its reduced axes; for method "inverted_cdf" only.

    Notes
    -----
    Gradients flow to the two elements that the value lies between, and to q if the method interpolates; not to the
    weights.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.quantile(tt.tensor([1.0, 2.0, 4.0]), 0.75)
    tensor(3.)
    """
    return quantile_composition(np.quantile, value, a, q, axis, method, keepdims, weights)


@composed(np.percentile, "a q", samples=tuple(S(s.inputs[0], 100 * s.inputs[1], **s.params) for s in RANKS))
def percentile(a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
               method: str = "linear", keepdims: Any = False, *, weights: Any = None, value: Any) -> Any:
    """The value below which q percent of the elements over the axes lie; otherwise as `quantile`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.percentile(tt.tensor([1.0, 2.0, 4.0]), 75)
    tensor(3.)
    """
    return quantile_composition(np.percentile, value, a, q, axis, method, keepdims, weights, percent=100)


@composed(np.nanquantile, "a q", samples=(*RANKS, S(NAN, 0.4, axis=1)))
def nanquantile(a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
                method: str = "linear", keepdims: Any = False, *, weights: Any = None, value: Any) -> Any:
    """The `quantile`, ignoring nan; nan where all are nan.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanquantile(tt.tensor([1.0, np.nan, 2.0, 4.0]), 0.75)
    tensor(3.)
    """
    return quantile_composition(np.nanquantile, value, a, q, axis, method, keepdims, weights, skip_nan=True)


@composed(np.nanpercentile, "a q", samples=(S((5,), 30.0), S(NAN, 40.0, axis=1)))
def nanpercentile(a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
                  method: str = "linear", keepdims: Any = False, *, weights: Any = None, value: Any) -> Any:
    """The `percentile`, ignoring nan; nan where all are nan.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanpercentile(tt.tensor([1.0, np.nan, 2.0, 4.0]), 75)
    tensor(3.)
    """
    return quantile_composition(np.nanpercentile, value, a, q, axis, method, keepdims, weights, percent=100,
                                skip_nan=True)
