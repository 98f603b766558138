"""The ops that bring values to mean 0 and variance 1: each a fast forward and a fast rule, beside the slow definition.

Running statistics are not kept here: a layer keeps them, from what `observe` is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import sum_rows
from ..core import POSITIVE, REAL, S
from ..define import op

Observe = Callable[[Any, Any, int], None]


def standardised(x: Any, weight: Any = None, bias: Any = None, mean: Any = None, var: Any = None, axis: int = -1,
                 eps: float = 1e-5, correction: int = 0, observe: Observe | None = None) -> Any:
    z = x.swapaxes(axis, -1)
    if mean is None:
        others, n = tuple(range(z.ndim - 1)), math.prod(z.shape[:-1])
        d = z - z.mean(others)
        var = (d * d).sum(others) * (1 / (n - correction))
    else:
        d = z - mean
    y = d / np.sqrt(var + eps)
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias).swapaxes(axis, -1)


def by_channel(x: Any, axis: int) -> Any:
    """x as rows (n, C): the channels' axis last, all others joined to one."""
    last = axis == -1 or axis == x.ndim - 1
    if last and x.ndim == 2:
        return x
    return (x if last else x.swapaxes(axis, -1)).reshape(-1, x.shape[axis])


def as_before(rows: Any, x: Any, axis: int) -> Any:
    """Rows (n, C) in the shape of x: the inverse of `by_channel`."""
    last = axis == -1 or axis == x.ndim - 1
    if last:
        return rows if x.ndim == 2 else rows.reshape(x.shape)
    return rows.reshape(x.swapaxes(axis, -1).shape).swapaxes(axis, -1)


def of_x(g: Any, x: Any, mean: Any, axis: int, extras: Any) -> Any:
    """scale * (g - mean(g) - xhat * mean(g * xhat)): what goes through statistics of x is taken away."""
    d, inverse, scale, freedom = extras
    rows = by_channel(g, axis)
    if mean is not None:
        return as_before(rows * scale, x, axis)
    gx = d * (sum_rows(rows * d) * (inverse * inverse * (-1 / freedom)))
    gx += rows
    gx += sum_rows(rows) * (-1 / len(rows))
    gx *= scale
    return as_before(gx, x, axis)


def of_weight(g: Any, x: Any, mean: Any, axis: int, extras: Any) -> Any:
    """The sum of g * xhat over all but the channels."""
    d, inverse, _, _ = extras
    d = by_channel(x, axis) - mean if d is None else d
    return sum_rows(by_channel(g, axis) * d) * inverse


def of_mean(g: Any, axis: int, extras: Any) -> Any:
    return sum_rows(by_channel(g, axis)) * -extras[2]


def of_var(g: Any, x: Any, mean: Any, axis: int, extras: Any) -> Any:
    _, inverse, scale, _ = extras
    return of_weight(g, x, mean, axis, extras) * inverse * scale * -0.5


@op(lambda g, y, x, weight, bias, mean, var, *, axis, extras, **_: of_x(g, x, mean, axis, extras),
    lambda g, y, x, weight, bias, mean, var, *, axis, extras, **_: of_weight(g, x, mean, axis, extras),
    lambda g, y, x, weight, bias, mean, var, *, axis, **_: sum_rows(by_channel(g, axis)),
    lambda g, y, x, weight, bias, mean, var, *, axis, extras, **_: of_mean(g, axis, extras),
    lambda g, y, x, weight, bias, mean, var, *, axis, extras, **_: of_var(g, x, mean, axis, extras),
    definition=standardised, domain=(REAL, REAL, REAL, REAL, POSITIVE),
    samples=(S((4, 2), (2,), (2,), (2,), (2,), eps=0.1), S((2, 2, 3), (2,), None, (2,), (2,), axis=1, eps=0.1),
             S((5, 3), (3,), (3,), eps=0.1), S((2, 3, 4), (3,), (3,), axis=1, eps=0.1), S((4, 2), eps=0.1),
             S((3, 2, 3), (3,), (3,), correction=1, eps=0.1), S((4, 2), (2,), eps=0.1)))
def batch_norm(x: Any, weight: Any = None, bias: Any = None, mean: Any = None, var: Any = None, axis: int = -1,
               eps: float = 1e-5, correction: int = 0, observe: Observe | None = None) -> Any:
    """Each channel less its mean, divided by its standard deviation, then scaled and shifted (Ioffe and Szegedy 2015).

    Parameters
    ----------
    x : (..., C, ...), floating
    weight, bias : (C,), optional
    mean, var : (C,), optional
        What to normalise with. Left out, they are those of x over all axes but the channels', and the gradient of x
        goes through them.
    axis : int
        The channels' axis.
    eps : float
        Added to the variance.
    correction : int
        The variance of x is divided by n - correction: 0 gives the biased one, 1 the unbiased.
    observe : callable, optional
        ``observe(mean, var, n)`` is told the statistics of x, and of how many values for each channel they are.

    Raises
    ------
    ValueError
        If shapes do not fit, or statistics are needed of one value for each channel.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.batch_norm(tt.tensor([[1.0, 20.0], [3.0, 60.0]]), eps=0)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    fitting(x, axis, weight=weight, bias=bias, mean=mean, var=var)
    rows, d = by_channel(x, axis), None
    n = len(rows)
    if mean is None:
        if n < 2:
            raise ValueError(f"batch_norm: x of shape {x.shape} came, values of each channel: {n}; expected 2 or more, "
                             f"for one has no variance; give a larger batch, or use running statistics: model.eval()")
        mean = sum_rows(rows) * (1 / n)
        d = rows - mean
        var = sum_rows(d * d) * (1 / (n - correction))
        if observe is not None:
            observe(mean, var, n)
    inverse = 1 / np.sqrt(var + eps)
    scale = inverse if weight is None else inverse * weight
    if d is not None:
        y, shift = d * scale, bias
    else:  # one pass less, for statistics that are constants
        y, shift = rows * scale, mean * -scale if bias is None else bias - mean * scale
    if shift is not None:
        y = np.add(y, shift, out=y) if y.dtype == shift.dtype else y + shift
    return as_before(y, x, axis), (d, inverse, scale, n - correction)


def fitting(x: Any, axis: int, **given: Any) -> None:
    """Raise unless all that is given has one value for each channel of x, and statistics come in a pair."""
    channels = x.shape[axis : axis + 1 or None]
    for name, a in given.items():
        if a is not None and a.shape != channels:
            raise ValueError(f"batch_norm: {name} of shape {a.shape} came for x of shape {x.shape}, whose axis {axis} "
                             f"are the channels; expected {channels}; give the axis that they are along")
    if (given["mean"] is None) is not (given["var"] is None):
        raise ValueError("batch_norm: only one of mean and var came; expected both, or none for those of x; give the "
                         "other too")
