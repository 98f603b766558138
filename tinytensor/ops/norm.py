"""Normalisation: batch_norm, layer_norm and rms_norm, each a fast forward and a fast rule beside its slow definition.

`batch_norm` takes the statistics of each channel over all other axes, `layer_norm` and `rms_norm` those of each
position over its channels. Running statistics are kept by the layers, which get the batch's through `observe`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..broadcasting import ones_row, sum_rows
from ..collectives import all_reduce_sum, world_size
from ..core import POSITIVE, REAL, S
from ..define import op
from .products import as_rows, weighted_rows

Observe = Callable[[Any, Any, int], None]

# --- statistics of each channel ---


def batch_norm_definition(x: Any, weight: Any = None, bias: Any = None, mean: Any = None, var: Any = None,
                          axis: int = -1, eps: float = 1e-5, correction: int = 0,
                          observe: Observe | None = None) -> Any:
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


def channel_rows(x: Any, axis: int) -> Any:
    """x as rows (n, C): the axis of the channels last, all others flattened to one."""
    last = axis == -1 or axis == x.ndim - 1
    if last and x.ndim == 2:
        return x
    return as_rows(x if last else x.swapaxes(axis, -1))


def restore_shape(rows: Any, x: Any, axis: int) -> Any:
    """Rows (n, C) back in the shape of x: the inverse of `channel_rows`."""
    last = axis == -1 or axis == x.ndim - 1
    if last:
        return rows if x.ndim == 2 else rows.reshape(x.shape)
    return rows.reshape(x.swapaxes(axis, -1).shape).swapaxes(axis, -1)


def grad_x(g: Any, x: Any, mean: Any, axis: int, extras: Any) -> Any:
    """scale * (g - mean(g) - xhat * mean(g * xhat)): the gradient through the batch mean and variance is included."""
    d, var_eps, scale, dof = extras
    rows = channel_rows(g, axis)
    if mean is not None:
        return restore_shape(rows * scale, x, axis)
    products, sums = all_reduce_sum(sum_rows(rows * d), sum_rows(rows))
    gx = d * (products / var_eps * (-1 / dof))
    gx += rows
    gx += sums * (-1 / (len(rows) * world_size()))
    gx *= scale
    return restore_shape(gx, x, axis)


def grad_weight(g: Any, x: Any, mean: Any, axis: int, extras: Any) -> Any:
    """The sum of g * xhat over all axes but the channels'."""
    d, var_eps, _, _ = extras
    d = channel_rows(x, axis) - mean if d is None else d
    return sum_rows(channel_rows(g, axis) * d) / np.sqrt(var_eps)


def grad_mean(g: Any, axis: int, extras: Any) -> Any:
    return sum_rows(channel_rows(g, axis)) * -extras[2]


def grad_var(g: Any, x: Any, mean: Any, axis: int, extras: Any) -> Any:
    _, var_eps, scale, _ = extras
    return grad_weight(g, x, mean, axis, extras) / np.sqrt(var_eps) * scale * -0.5


@op(lambda g, y, x, weight, bias, mean, var, *, axis, extras, **_: grad_x(g, x, mean, axis, extras),
    lambda g, y, x, weight, bias, mean, var, *, axis, extras, **_: grad_weight(g, x, mean, axis, extras),
    lambda g, y, x, weight, bias, mean, var, *, axis, **_: sum_rows(channel_rows(g, axis)),
    lambda g, y, x, weight, bias, mean, var, *, axis, extras, **_: grad_mean(g, axis, extras),
    lambda g, y, x, weight, bias, mean, var, *, axis, extras, **_: grad_var(g, x, mean, axis, extras),
    definition=batch_norm_definition, domain=(REAL, REAL, REAL, REAL, POSITIVE),
    samples=(S((4, 2), (2,), (2,), (2,), (2,), eps=0.1), S((2, 2, 3), (2,), None, (2,), (2,), axis=1, eps=0.1),
             S((5, 3), (3,), (3,), eps=0.1), S((2, 3, 4), (3,), (3,), axis=1, eps=0.1), S((4, 2), eps=0.1),
             S((3, 2, 3), (3,), (3,), correction=1, eps=0.1), S((4, 2), (2,), eps=0.1)))
def batch_norm(x: Any, weight: Any = None, bias: Any = None, mean: Any = None, var: Any = None, axis: int = -1,
               eps: float = 1e-5, correction: int = 0, observe: Observe | None = None) -> Any:
    """Normalise each channel to mean 0 and variance 1, then scale and shift it (Ioffe and Szegedy 2015).

    Parameters
    ----------
    x : (..., C, ...), floating
    mean, var : (C,), optional
        The statistics to normalise with. Left out, they are computed from x, over all axes but the channels', and
        gradients flow through them.
    weight, bias : (C,), optional
        The scale and the shift.
    axis : int
        The axis of the channels.
    eps : float
        Added to the variance.
    correction : int
        The variance is a sum of squares divided by n - correction: 0 gives the biased one, 1 the unbiased one.
    observe : callable, optional
        Called as ``observe(mean, var, n)`` with the computed statistics, and the number n of values of each channel.

    Raises
    ------
    ValueError
        If shapes do not fit, or statistics would be computed from one value for each channel.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.batch_norm(tt.tensor([[1.0, 20.0], [3.0, 60.0]]), eps=0)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    check_channels(x, axis, weight=weight, bias=bias, mean=mean, var=var)
    rows, d = channel_rows(x, axis), None
    n = len(rows) * world_size()
    if mean is None:
        if n < 2:
            raise ValueError(f"batch_norm: got x of shape {x.shape}, with {'one value' if n else 'no values'} for each "
                             f"channel; expected 2 or more, for one has no variance; give a larger batch, or use "
                             f"running statistics: model.eval()")
        mean = all_reduce_sum(sum_rows(rows, 1 / n))[0]
        d = rows - mean
        var = all_reduce_sum(sum_rows(d * d, 1 / (n - correction)))[0]
        if observe is not None:
            observe(mean, var, n)
    var_eps = var + eps
    scale = (1 if weight is None else weight) / np.sqrt(var_eps)
    if d is not None:
        y, shift = d * scale, bias
    else:  # for constant statistics, one pass over x less
        y, shift = rows * scale, mean * -scale if bias is None else bias - mean * scale
    if shift is not None:
        y = np.add(y, shift, out=y) if y.dtype == shift.dtype else y + shift
    return restore_shape(y, x, axis), (d, var_eps, scale, n - correction)


def check_channels(x: Any, axis: int, **arrays: Any) -> None:
    """Raise unless each given array has one value for each channel of x, and mean and var are given both or neither."""
    channels = x.shape[axis : axis + 1 or None]
    for name, a in arrays.items():
        if a is not None and a.shape != channels:
            raise ValueError(f"batch_norm: got {name} of shape {a.shape} for x of shape {x.shape} with its channels "
                             f"along axis {axis}; expected {channels}; give the axis of the channels as axis=")
    if (arrays["mean"] is None) is not (arrays["var"] is None):
        raise ValueError("batch_norm: got only one of mean and var; expected both, or neither for those of x; give the "
                         "other too")


# --- statistics of each position, over its channels ---


def layer_norm_definition(x: Any, weight: Any = None, bias: Any = None, axes: int = 1, eps: float = 1e-5) -> Any:
    y = rms_norm_definition(x - x.mean(tuple(range(-axes, 0)), keepdims=True), weight, axes, eps)
    return y if bias is None else y + bias


def rms_norm_definition(x: Any, weight: Any = None, axes: int = 1, eps: float | None = None) -> Any:
    y = x / np.sqrt((x * x).mean(tuple(range(-axes, 0)), keepdims=True) + default_eps(x, eps))
    return y if weight is None else y * weight


def default_eps(x: Any, eps: float | None) -> float:
    return float(np.finfo(x.dtype).eps) if eps is None else eps


def checked_rows(name: str, x: Any, axes: int, **arrays: Any) -> Any:
    """x as rows (n, C), its last `axes` flattened to one; raise unless the arrays have their shape."""
    if not 1 <= axes <= x.ndim:
        raise ValueError(f"{name}: got axes={axes} for x of shape {x.shape}; expected 1 to {x.ndim}, the number of "
                         f"last axes to normalise over; choose one of these, or give an x with more axes")
    shape = x.shape[-axes:]
    for what, a in arrays.items():
        if a is not None and a.shape != shape:
            raise ValueError(f"{name}: got {what} of shape {a.shape} for x of shape {x.shape} and axes={axes}; "
                             f"expected {shape}; give the number of axes of {what} as axes=")
    return as_rows(x, axes)


@lru_cache(maxsize=8)
def one_and_zero(dtype: Any) -> Any:
    """The constant column (1, 0); cached, so that a compiled step sees one constant."""
    a = np.array([[1], [0]], dtype)
    a.flags.writeable = False
    return a


def outer_product(a: Any, b: Any) -> Any:
    """a (n,) times b (C,) as a new array (n, C).

    NumPy broadcasts row by row, which for many short rows takes three times as long as this matrix product. Subtle: its
    inner size is 2, with zeros in one half, because NumPy does not use BLAS for an inner size of 1.
    """
    if len(a) < 8:
        return a[:, None] * b
    return (one_and_zero(a.dtype) * a).T @ (one_and_zero(b.dtype) * b)


def divide_by_rms(d: Any, weight: Any, eps: float) -> tuple[Any, Any]:
    """Rows d (n, C) divided by their root mean squares, times weight; and the inverse root mean squares, (n,)."""
    n = d.shape[1]
    inverse = 1 / np.sqrt(np.vecdot(d, d) * (1 / (n or 1)) + eps)
    y = outer_product(inverse, ones_row(n, d.dtype) if weight is None else weight.reshape(-1))
    y *= d
    return y, inverse


def row_grad_x(g: Any, x: Any, weight: Any, extras: Any, centre: bool) -> Any:
    """h - mean(h) - d * mean(h * d) * inverse**2 with h = g * weight * inverse; without mean(h) unless `centre`.

    The gradient through the mean and variance of each row is included.
    """
    d, inverse = extras
    n = d.shape[1]
    one = ones_row(n, d.dtype)
    gx = outer_product(inverse, one if weight is None else weight.reshape(-1))
    gx *= g.reshape(d.shape)
    minus_inverse_n = ones_row(n, d.dtype, -1 / (n or 1))
    correction_term = outer_product(np.vecdot(gx, d) * inverse * inverse, minus_inverse_n)
    correction_term *= d
    if centre:
        correction_term += outer_product(gx @ one, minus_inverse_n)
    gx += correction_term
    return gx if gx.shape == x.shape else gx.reshape(x.shape)


def row_grad_weight(g: Any, weight: Any, extras: Any) -> Any:
    """The gradient of weight: the sum of g * d * inverse over all rows."""
    d, inverse = extras
    return weighted_rows(inverse, g.reshape(d.shape) * d).reshape(weight.shape)


@op(lambda g, y, x, weight, bias, *, extras, **_: row_grad_x(g, x, weight, extras, centre=True),
    lambda g, y, x, weight, bias, *, extras, **_: row_grad_weight(g, weight, extras),
    lambda g, y, x, weight, bias, **_: sum_rows(as_rows(g, bias.ndim)).reshape(bias.shape),
    definition=layer_norm_definition,
    samples=(S((4, 3), (3,), (3,), eps=0.1), S((2, 3, 4), (3, 4), (3, 4), axes=2, eps=0.1),
             S((2, 3, 4), (4,), (4,), eps=0.1), S((4, 3), eps=0.1), S((3,), (3,), eps=0.1)))
def layer_norm(x: Any, weight: Any = None, bias: Any = None, axes: int = 1, eps: float = 1e-5) -> Any:
    """Normalise each position over its channels to mean 0 and variance 1, then scale and shift it (Ba et al. 2016).

    Parameters
    ----------
    x : (..., C), floating
    weight, bias : (C,), optional
        The scale and the shift of each channel.
    axes : int
        How many of the last axes are the channels. With 2, x is (..., C, D), weight and bias are (C, D).
    eps : float
        Added to the variance, which is the biased one.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.layer_norm(tt.tensor([[1.0, 3.0], [20.0, 60.0]]), eps=0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    rows = checked_rows("layer_norm", x, axes, weight=weight, bias=bias)
    n = rows.shape[1]
    d = outer_product(rows @ ones_row(n, rows.dtype), ones_row(n, rows.dtype, -1 / (n or 1)))
    d += rows
    y, inverse = divide_by_rms(d, weight, eps)
    if bias is not None:
        y = np.add(y, bias.reshape(-1), out=y) if y.dtype == bias.dtype else y + bias.reshape(-1)
    return y if y.shape == x.shape else y.reshape(x.shape), (d, inverse)


@op(lambda g, y, x, weight, *, extras, **_: row_grad_x(g, x, weight, extras, centre=False),
    lambda g, y, x, weight, *, extras, **_: row_grad_weight(g, weight, extras),
    definition=rms_norm_definition,
    samples=(S((4, 3), (3,)), S((2, 3, 4), (3, 4), axes=2, eps=0.1), S((2, 3, 4), (4,), eps=0.1),
             S((4, 3), eps=0.1), S((3,), (3,), eps=0.1)))
def rms_norm(x: Any, weight: Any = None, axes: int = 1, eps: float | None = None) -> Any:
    """Divide each position by the root mean square over its channels, then scale it (Zhang and Sennrich 2019).

    Parameters
    ----------
    x, weight, axes
        As in `layer_norm`.
    eps : float, optional
        Added to the mean of squares. Left out, it is the dtype's machine epsilon, as in PyTorch.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.rms_norm(tt.tensor([[1.0, 7.0], [30.0, 40.0]]))
    tensor([[0.2   , 1.4   ],
            [0.8485, 1.1314]])
    """
    rows = checked_rows("rms_norm", x, axes, weight=weight)
    y, inverse = divide_by_rms(rows, weight, default_eps(x, eps))
    return y if y.shape == x.shape else y.reshape(x.shape), (rows, inverse)
