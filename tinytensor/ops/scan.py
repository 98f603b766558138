"""Cumulative sums and products along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import composed
from ..core import S
from ..define import op
from .flips import flip
from .masked import cast, wide_cumsum

SCAN_SAMPLES = (S((2, 3)), S((2, 3), axis=0), S((3,), axis=-1))


@op(lambda g, y, x, *, axis: running_sum_from_the_end(g, axis).reshape(x.shape),
    numpy=(np.cumsum,), method=True, wider=wide_cumsum, analytic=True, samples=SCAN_SAMPLES)
def cumsum(a: Any, axis: int | None = None) -> Any:
    """The cumulative sum along an axis; of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]).cumsum()
    tensor([1., 3., 6.])
    """
    return np.cumsum(a, axis=axis)


def running_sum_from_the_end(g: Any, axis: int | None) -> Any:
    axis = 0 if axis is None else axis
    return flip(cumsum(flip(g, axis), axis), axis)


def associative_scan(ufunc: np.ufunc, x: Any, axis: int) -> Any:
    """The cumulative result of an associative ufunc along an axis, in log2(n) rounds (Hillis and Steele 1986)."""
    y, step = np.swapaxes(x, 0, axis), 1
    while step < y.shape[0]:
        y, step = np.concatenate([y[:step], ufunc(y[step:], y[:-step])]), 2 * step
    return np.swapaxes(y, 0, axis)


def flatten_if_none(x: Any, axis: int | None) -> tuple[Any, int]:
    """x and the axis; the flattened x and 0 if axis is None or x has no axes."""
    return (x, axis) if axis is not None and x.ndim else (np.reshape(x, -1), 0)


@composed(np.cumprod, method=True, samples=SCAN_SAMPLES)
def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """The cumulative product along an axis; of the flattened input if axis is None. Gradients are exact at 0 too.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]).cumprod(0)
    tensor([1., 2., 6.])
    """
    return associative_scan(np.multiply, *flatten_if_none(cast(a, dtype), axis))


# --- the array API's names ---


def prepend_initial(y: Any, axis: int, first: float) -> Any:
    """y with an initial value before it along an axis."""
    start = np.full((*y.shape[:axis], 1, *y.shape[axis + 1 :]), first, y.dtype)
    return np.concatenate([start, y], axis)


CUMULATIVE = (S((3,)), S((2, 3), axis=1), S((2, 3), axis=0, include_initial=True))


@composed(np.cumulative_sum, samples=CUMULATIVE)
def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, out: None = None,
                   include_initial: bool = False) -> Any:
    """The cumulative sum along an axis, which may be left out if there is only one; `include_initial` puts 0 before it.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.cumulative_sum(tt.tensor([1.0, 2.0, 3.0]), include_initial=True)
    tensor([0., 1., 3., 6.])
    """
    x, axis = flatten_if_none(cast(x, dtype), axis)
    y, axis = np.cumsum(x, axis), axis % x.ndim
    return prepend_initial(y, axis, 0) if include_initial else y


@composed(np.cumulative_prod, samples=CUMULATIVE)
def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, out: None = None,
                    include_initial: bool = False) -> Any:
    """The cumulative product along an axis, which may be left out if there is only one.

    `include_initial` puts 1 before it.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.cumulative_prod(tt.tensor([1.0, 2.0, 3.0]), include_initial=True)
    tensor([1., 1., 2., 6.])
    """
    x, axis = flatten_if_none(cast(x, dtype), axis)
    y, axis = associative_scan(np.multiply, x, axis), axis % x.ndim
    return prepend_initial(y, axis, 1) if include_initial else y
