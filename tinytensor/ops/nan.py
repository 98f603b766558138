"""Reductions and cumulative functions that ignore nan: nansum, nanmean, nancumsum and others.

Medians and quantiles that ignore nan are in `quantiles.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import arrays_of, composed, nondifferentiable
from ..core import S
from . import masked
from .masked import NO_VALUE, cast, fill_outside, masked_extremum

NAN = np.array([[1.0, np.nan, 3.0], [np.nan, -2.0, 0.5]])
NANS = (S(NAN), S(NAN, axis=0), S(NAN, axis=1, keepdims=True), S((2, 3), axis=(0, 1)), S(()))


def not_nan(x: Any, where: Any) -> Any:
    """Which elements count: those that are not nan, and for which `where` holds."""
    number = np.logical_not(np.isnan(arrays_of(x)))
    return number if where is True else np.logical_and(where, number)


def not_nan_or_all_nan(x: Any, axis: Any, where: Any) -> Any:
    """As `not_nan`, but where all are nan they count, so that the result is nan."""
    number = not_nan(x, where)
    all_nan = np.logical_not(np.logical_or.reduce(number, axis=axis, keepdims=True))
    return np.logical_or(number, all_nan if where is True else np.logical_and(where, all_nan))


@composed(np.nansum, samples=NANS)
def nansum(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False,
           initial: Any = NO_VALUE, where: Any = True) -> Any:
    """The sum over the axes, ignoring nan.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nansum(tt.tensor([1.0, np.nan, 3.0]))
    tensor(4.)
    """
    return masked.sum_(a, axis, dtype, None, keepdims, initial, not_nan(a, where))


@composed(np.nanprod, samples=NANS)
def nanprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False,
            initial: Any = NO_VALUE, where: Any = True) -> Any:
    """The product over the axes, ignoring nan.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanprod(tt.tensor([2.0, np.nan, 3.0]))
    tensor(6.)
    """
    return masked.prod(a, axis, dtype, None, keepdims, initial, not_nan(a, where))


@composed(np.nanmax, samples=NANS)
def nanmax(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = NO_VALUE,
           where: Any = True) -> Any:
    """The largest value over the axes, ignoring nan; nan where all are nan. Ties share the gradient evenly.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanmax(tt.tensor([1.0, np.nan, 3.0]))
    tensor(3.)
    """
    x = np.where(not_nan_or_all_nan(a, axis, where), a, -math.inf)
    return masked_extremum(np.maximum, x, axis, keepdims, initial, True)


@composed(np.nanmin, samples=NANS)
def nanmin(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = NO_VALUE,
           where: Any = True) -> Any:
    """The smallest value over the axes, ignoring nan; nan where all are nan. Ties share the gradient evenly.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanmin(tt.tensor([1.0, np.nan, 3.0]))
    tensor(1.)
    """
    x = np.where(not_nan_or_all_nan(a, axis, where), a, math.inf)
    return masked_extremum(np.minimum, x, axis, keepdims, initial, True)


@composed(np.nanmean, samples=NANS)
def nanmean(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, *,
            where: Any = True) -> Any:
    """The arithmetic mean over the axes, ignoring nan; nan where all are nan.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanmean(tt.tensor([1.0, np.nan, 3.0]))
    tensor(2.)
    """
    return masked.mean(a, axis, dtype, None, keepdims, where=not_nan_or_all_nan(a, axis, where))


@composed(np.nanvar, "a mean", samples=(*NANS[:4], S(NAN, ddof=1), S(NAN, correction=1)))
def nanvar(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False, *,
           where: Any = True, mean: Any = NO_VALUE, correction: Any = NO_VALUE) -> Any:
    """The variance over the axes, ignoring nan; otherwise as `var`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanvar(tt.tensor([1.0, np.nan, 3.0]))
    tensor(1.)
    """
    return masked.var(a, axis, dtype, None, ddof, keepdims, where=not_nan_or_all_nan(a, axis, where), mean=mean,
                      correction=correction)


@composed(np.nanstd, "a mean", samples=(NANS[0], *NANS[2:4], S(NAN, ddof=1), S(NAN, correction=1)))
def nanstd(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False, *,
           where: Any = True, mean: Any = NO_VALUE, correction: Any = NO_VALUE) -> Any:
    """The standard deviation over the axes, ignoring nan; otherwise as `std`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nanstd(tt.tensor([1.0, np.nan, 3.0]))
    tensor(1.)
    """
    return masked.std(a, axis, dtype, None, ddof, keepdims, where=not_nan_or_all_nan(a, axis, where), mean=mean,
                      correction=correction)


@composed(np.nancumsum, samples=(S(NAN), S(NAN, axis=0), S((3,), axis=-1)))
def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """The cumulative sum along an axis, with nan as 0; of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nancumsum(tt.tensor([1.0, np.nan, 3.0]))
    tensor([1., 1., 4.])
    """
    return np.cumsum(fill_outside(cast(a, dtype), not_nan(a, True), 0), axis)


@composed(np.nancumprod, samples=(S(NAN), S(NAN, axis=0), S((3,), axis=-1)))
def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """The cumulative product along an axis, with nan as 1; of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nancumprod(tt.tensor([2.0, np.nan, 3.0]))
    tensor([2., 2., 6.])
    """
    return np.cumprod(fill_outside(cast(a, dtype), not_nan(a, True), 1), axis)


nondifferentiable(np.nanargmax, np.nanargmin)
