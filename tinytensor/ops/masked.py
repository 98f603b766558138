"""Reductions with all of NumPy's options: `dtype=`, `where=`, `initial=`, `mean=`.

NumPy computes the values, and compositions of ops the gradients. The ops of `reduce.py` call the `wide` functions for
options that they do not take themselves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import arrays_of, differentiated

NO_VALUE: Any = getattr(np, "_NoValue")  # noqa: B009 (NumPy's sentinel of a parameter that was not given)

# --- helpers of the compositions ---


def keeps_dims(keepdims: Any) -> Any:
    return keepdims is not NO_VALUE and bool(keepdims)


def cast(x: Any, dtype: Any) -> Any:
    """x in the requested dtype."""
    return x if dtype is None else x.astype(dtype)


def fill_outside(x: Any, where: Any, neutral: Any) -> Any:
    """x, with the neutral element where `where` does not hold."""
    return x if where is True else np.where(where, x, neutral)


def count_elements(x: Any, axis: Any, where: Any) -> Any:
    """The number of elements for which `where` holds, with the reduced axes kept as size 1."""
    if where is True:
        return x.size // (np.add.reduce(arrays_of(x), axis=axis).size or 1)
    return np.add.reduce(np.broadcast_to(where, x.shape), axis=axis, dtype=x.dtype.type, keepdims=True)


def masked_sum(x: Any, axis: Any, keepdims: Any, where: Any) -> Any:
    return np.add.reduce(fill_outside(x, where, 0), axis=axis, keepdims=keeps_dims(keepdims))


def masked_mean(x: Any, axis: Any, where: Any) -> Any:
    """The mean of the elements for which `where` holds, with the reduced axes kept as size 1."""
    return masked_sum(x, axis, True, where) / count_elements(x, axis, where)


def drop_axes(y: Any, axis: Any, keepdims: Any, ndim: int) -> Any:
    """y without its reduced axes, which have size 1, unless keepdims."""
    return y if keeps_dims(keepdims) or not ndim else np.squeeze(y, axis)


def masked_var(x: Any, axis: Any, keepdims: Any, ddof: Any, where: Any, mean: Any, correction: Any) -> Any:
    """The sum of squared deviations, divided by the degrees of freedom; nan where these are not positive."""
    d = fill_outside(x - (masked_mean(x, axis, where) if mean is NO_VALUE else mean), where, 0)
    dof = count_elements(x, axis, where) - (ddof if correction is NO_VALUE or correction is None else correction)
    y = np.add.reduce(d * d, axis=axis, keepdims=True)
    y = y * (1 / dof if dof > 0 else math.nan) if where is True else y / np.where(dof > 0, dof, math.nan)
    return drop_axes(y, axis, keepdims, x.ndim)


def zero_safe_sqrt(v: Any) -> Any:
    """The square root, with gradient 0 at 0."""
    return np.where(arrays_of(v) == 0, 0, np.sqrt(np.where(arrays_of(v) == 0, 1, v)))


def masked_extremum(ufunc: np.ufunc, x: Any, axis: Any, keepdims: Any, initial: Any, where: Any) -> Any:
    """The largest or smallest of the initial value and the elements for which `where` holds."""
    has_initial = initial is not NO_VALUE and initial is not None
    x = fill_outside(x, where, initial)
    y = (ufunc if x.size or not has_initial else np.add).reduce(x, axis=axis, keepdims=keeps_dims(keepdims))
    return ufunc(y, initial) if has_initial and x.size else y


# --- the reductions ---


def sum_(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, initial: Any = NO_VALUE,
         where: Any = True) -> Any:
    return masked_sum(cast(a, dtype), axis, keepdims, where)


def prod(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, initial: Any = NO_VALUE,
         where: Any = True) -> Any:
    y = np.multiply.reduce(fill_outside(cast(a, dtype), where, 1), axis=axis, keepdims=keeps_dims(keepdims))
    return y if initial is NO_VALUE or initial is None else y * initial


def max_(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = NO_VALUE,
         where: Any = True) -> Any:
    return masked_extremum(np.maximum, a, axis, keepdims, initial, where)


def min_(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = NO_VALUE,
         where: Any = True) -> Any:
    return masked_extremum(np.minimum, a, axis, keepdims, initial, where)


def mean(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, *,
         where: Any = True) -> Any:
    x = cast(a, dtype)
    return drop_axes(masked_mean(x, axis, where), axis, keepdims, x.ndim)


def var(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False, *,
        where: Any = True, mean: Any = NO_VALUE, correction: Any = NO_VALUE) -> Any:
    return masked_var(cast(a, dtype), axis, keepdims, ddof, where, mean, correction)


def std(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False, *,
        where: Any = True, mean: Any = NO_VALUE, correction: Any = NO_VALUE) -> Any:
    return zero_safe_sqrt(masked_var(cast(a, dtype), axis, keepdims, ddof, where, mean, correction))


def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    return np.cumsum(cast(a, dtype), axis)


wide_sum, wide_prod, wide_mean = [differentiated(f.__name__.rstrip("_"), getattr(np, f.__name__.rstrip("_")), f)
                                  for f in (sum_, prod, mean)]
wide_max, wide_min = differentiated("max", np.max, max_), differentiated("min", np.min, min_)
wide_var, wide_std = differentiated("var", np.var, var, "a mean"), differentiated("std", np.std, std, "a mean")
wide_cumsum = differentiated("cumsum", np.cumsum, cumsum)
