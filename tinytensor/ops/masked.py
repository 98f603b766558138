"""Reductions with every option of NumPy's: `dtype=`, `where=`, `initial=`, `mean=`.

NumPy computes the values; here stand the compositions that gradients flow through. The ops of `reduce.py` call the
`wide` ones where an option came that they do not take themselves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import arrays_of, differentiated

NOTHING: Any = getattr(np, "_NoValue")  # noqa: B009 (NumPy's own mark of a parameter that was not given)

# --- what the compositions share ---


def flag(keepdims: Any) -> Any:
    return keepdims is not NOTHING and bool(keepdims)


def cast(x: Any, dtype: Any) -> Any:
    """x in the dtype that was asked for."""
    return x if dtype is None else x.astype(dtype)


def kept(x: Any, where: Any, filling: Any) -> Any:
    """x where it counts, else what changes nothing."""
    return x if where is True else np.where(where, x, filling)


def counted(x: Any, axis: Any, where: Any) -> Any:
    """How many elements count, with axes of size 1 where they were counted."""
    if where is True:
        return x.size // (np.add.reduce(arrays_of(x), axis=axis).size or 1)
    return np.add.reduce(np.broadcast_to(where, x.shape), axis=axis, dtype=x.dtype.type, keepdims=True)


def total(x: Any, axis: Any, keepdims: Any, where: Any) -> Any:
    return np.add.reduce(kept(x, where, 0), axis=axis, keepdims=flag(keepdims))


def centre(x: Any, axis: Any, where: Any) -> Any:
    """The mean of what counts, with axes of size 1."""
    return total(x, axis, True, where) / counted(x, axis, where)


def without(y: Any, axis: Any, keepdims: Any, ndim: int) -> Any:
    """y, whose reduced axes have size 1, without them unless they are to be kept."""
    return y if flag(keepdims) or not ndim else np.squeeze(y, axis)


def spread(x: Any, axis: Any, keepdims: Any, ddof: Any, where: Any, mean: Any, correction: Any) -> Any:
    """The sum of squares about the mean, divided by the degrees of freedom; nan where there are none."""
    d = kept(x - (centre(x, axis, where) if mean is NOTHING else mean), where, 0)
    free = counted(x, axis, where) - (ddof if correction is NOTHING or correction is None else correction)
    y = np.add.reduce(d * d, axis=axis, keepdims=True)
    y = y * (1 / free if free > 0 else math.nan) if where is True else y / np.where(free > 0, free, math.nan)
    return without(y, axis, keepdims, x.ndim)


def root(v: Any) -> Any:
    """The square root, whose gradient is 0 at 0."""
    return np.where(arrays_of(v) == 0, 0, np.sqrt(np.where(arrays_of(v) == 0, 1, v)))


def extreme(ufunc: np.ufunc, x: Any, axis: Any, keepdims: Any, initial: Any, where: Any) -> Any:
    """The largest or smallest of what counts and of the initial value."""
    given = initial is not NOTHING and initial is not None
    x = kept(x, where, initial)
    y = (ufunc if x.size or not given else np.add).reduce(x, axis=axis, keepdims=flag(keepdims))
    return ufunc(y, initial) if given and x.size else y


# --- the reductions ---


def sum_(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, initial: Any = NOTHING,
         where: Any = True) -> Any:
    return total(cast(a, dtype), axis, keepdims, where)


def prod(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, initial: Any = NOTHING,
         where: Any = True) -> Any:
    y = np.multiply.reduce(kept(cast(a, dtype), where, 1), axis=axis, keepdims=flag(keepdims))
    return y if initial is NOTHING or initial is None else y * initial


def max_(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = NOTHING,
         where: Any = True) -> Any:
    return extreme(np.maximum, a, axis, keepdims, initial, where)


def min_(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = NOTHING,
         where: Any = True) -> Any:
    return extreme(np.minimum, a, axis, keepdims, initial, where)


def mean(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, *,
         where: Any = True) -> Any:
    x = cast(a, dtype)
    return without(centre(x, axis, where), axis, keepdims, x.ndim)


def var(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False, *,
        where: Any = True, mean: Any = NOTHING, correction: Any = NOTHING) -> Any:
    return spread(cast(a, dtype), axis, keepdims, ddof, where, mean, correction)


def std(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False, *,
        where: Any = True, mean: Any = NOTHING, correction: Any = NOTHING) -> Any:
    return root(spread(cast(a, dtype), axis, keepdims, ddof, where, mean, correction))


def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    return np.cumsum(cast(a, dtype), axis)


wide_sum, wide_prod, wide_mean = [differentiated(f.__name__.rstrip("_"), getattr(np, f.__name__.rstrip("_")), f)
                                  for f in (sum_, prod, mean)]
wide_max, wide_min = differentiated("max", np.max, max_), differentiated("min", np.min, min_)
wide_var, wide_std = differentiated("var", np.var, var, "a mean"), differentiated("std", np.std, std, "a mean")
wide_cumsum = differentiated("cumsum", np.cumsum, cumsum)
