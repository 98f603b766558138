"""The ops that take axes away, or run along one: sums, means, extremes, products.

`axis` is None (all), an integer or a tuple; `keepdims` leaves axes of size 1 behind. As in NumPy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import S
from ..define import expose, op
from .elementwise import nonzero
from .join import concatenate
from .turn import flip

AXES = (S((2, 3)), S((2, 3), axis=0), S((2, 3, 2), axis=(0, -1)), S((2, 3), axis=1, keepdims=True), S(()), S((4,)))


def regrown(g: Any, axis: Any, keepdims: bool) -> Any:
    """g with axes of size 1 where the reduction took axes away, so that it broadcasts against the input."""
    return g if keepdims or axis is None else np.expand_dims(g, axis)


@op(lambda g, y, x, *, axis, keepdims: np.broadcast_to(regrown(g, axis, keepdims), x.shape),
    numpy=(np.sum, (np.add, "reduce")), method=True, analytic=True, samples=(*AXES, S((0, 3), axis=0)))
def sum_(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The sum over the axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((2, 3)).sum(axis=1)
    tensor([3., 3.])
    """
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


@op(lambda g, y, x, *, axis, keepdims:
        np.broadcast_to(regrown(g * (1 / max(1, x.size // (g.size or 1))), axis, keepdims), x.shape),
    numpy=(np.mean,), method=True, analytic=True, samples=AXES)
def mean(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The arithmetic mean over the axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0, 2.0], [3.0, 6.0]]).mean(0)
    tensor([2., 4.])
    """
    return np.mean(x, axis=axis, keepdims=keepdims)


def centred(x: Any, y: Any, axis: Any, ddof: float, correction: float | None) -> Any:
    """(x - mean) / (n - ddof): half of the derivative of the variance; nan where ddof leaves nothing."""
    freedom = x.size // (y.size or 1) - (ddof if correction is None else correction)
    return (x - np.mean(x, axis=axis, keepdims=True)) * (1 / freedom if freedom > 0 else math.nan)


@op(lambda g, y, x, *, axis, ddof, correction, keepdims:
        regrown(2 * g, axis, keepdims) * centred(x, y, axis, ddof, correction),
    numpy=(np.var,), method=True, analytic=False,
    samples=(*AXES, S((4, 2), axis=0, ddof=1), S((4,), correction=1)))
def var(x: Any, axis: Any = None, *, ddof: float = 0, correction: float | None = None, keepdims: Any = False) -> Any:
    """The variance over the axes, divided by n - ddof; `correction` is another name of `ddof`.

    NumPy's default, ddof=0, is the biased one (PyTorch's is 1).

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]).var(ddof=1)
    tensor(1.)
    """
    return np.var(x, axis=axis, ddof=ddof if correction is None else correction, keepdims=keepdims)


@op(lambda g, y, x, *, axis, ddof, correction, keepdims:
        regrown(g / nonzero(y), axis, keepdims) * centred(x, y, axis, ddof, correction),
    numpy=(np.std,), method=True,
    samples=(*AXES[:4], S((4,)), S((4, 2), axis=0, ddof=1), S((4,), correction=1)))
def std(x: Any, axis: Any = None, *, ddof: float = 0, correction: float | None = None, keepdims: Any = False) -> Any:
    """The standard deviation over the axes, as `var`. The gradient of constant values is 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]).std(correction=1)
    tensor(1.)
    """
    return np.std(x, axis=axis, ddof=ddof if correction is None else correction, keepdims=keepdims)


def chosen(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """g where x is the extreme y; split evenly where several are."""
    mask = x == regrown(y, axis, keepdims)
    count = np.add.reduce(mask.astype(g.dtype), axis=axis, keepdims=True)
    return np.where(mask, regrown(g, axis, keepdims) / count, 0)


@op(lambda g, y, x, *, axis, keepdims: chosen(g, y, x, axis, keepdims),
    numpy=(np.max, (np.maximum, "reduce")), method=True, aliases=("amax",), samples=AXES)
def max_(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The largest value over the axes; ties share the gradient. An empty axis is NumPy's error.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0, 5.0], [4.0, 2.0]]).max(axis=1)
    tensor([5., 4.])
    """
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


@op(lambda g, y, x, *, axis, keepdims: chosen(g, y, x, axis, keepdims),
    numpy=(np.min, (np.minimum, "reduce")), method=True, aliases=("amin",), samples=AXES)
def min_(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The smallest value over the axes; ties share the gradient. An empty axis is NumPy's error.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0, 5.0], [4.0, 2.0]]).min(axis=1)
    tensor([1., 2.])
    """
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)


# --- products: the gradient is the product of the others, never y / x ---


def last(x: Any, axis: Any) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """x with the reduced axes moved to the end and joined to one; with its shape and order before they were joined."""
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = [a % x.ndim for a in axes]
    order = tuple([a for a in range(x.ndim) if a not in gone] + gone)
    moved = x.transpose(order)
    kept = moved.shape[: x.ndim - len(gone)]
    return moved.reshape((*kept, math.prod(moved.shape[len(kept) :]))), moved.shape, order


def product_of_others(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """For each element the product of all others that it was multiplied with, times g."""
    rows, shape, order = last(x, axis)
    before, after = np.ones_like(rows), np.ones_like(rows)
    np.multiply.accumulate(rows[..., :-1], axis=-1, out=before[..., 1:])
    np.multiply.accumulate(rows[..., :0:-1], axis=-1, out=after[..., -2::-1])
    others = (before * after).reshape(shape).transpose(np.argsort(order))
    return others * regrown(g, axis, keepdims)


def halving(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """The product by a tree of multiplications: the first half times the second, until one is left."""
    rows, _, _ = last(x, axis)
    while rows.shape[-1] > 1:
        half = rows.shape[-1] // 2
        rest = [rows[..., 2 * half :]] if rows.shape[-1] % 2 else []
        rows = concatenate([rows[..., :half] * rows[..., half : 2 * half], *rest], axis=-1)
    y = rows[..., 0] if rows.shape[-1] else np.add.reduce(rows, axis=-1) + 1
    return regrown(y, axis, False) if keepdims and axis is not None else y.reshape((1,) * x.ndim) if keepdims else y


@op(lambda g, y, x, *, axis, keepdims: product_of_others(g, x, axis, keepdims),
    numpy=(np.prod, (np.multiply, "reduce")), method=True, analytic=True, definition=halving, samples=AXES)
def prod(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The product over the axes. The gradient is exact where elements are 0: 6, 0, 0 for 0, 2, 3.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([0.0, 2.0, 3.0], requires_grad=True)
    >>> x.prod().backward()
    >>> x.grad
    array([6., 0., 0.], dtype=float32)
    """
    return np.multiply.reduce(x, axis=axis, keepdims=keepdims)


# --- along an axis ---


@op(lambda g, y, x, *, axis: running_sum_from_the_end(g, axis).reshape(x.shape),
    numpy=(np.cumsum,), method=True, analytic=True, samples=(S((2, 3)), S((2, 3), axis=0), S((3,), axis=-1)))
def cumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum along an axis; of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]).cumsum()
    tensor([1., 3., 6.])
    """
    return np.cumsum(x, axis=axis)


def running_sum_from_the_end(g: Any, axis: int | None) -> Any:
    axis = 0 if axis is None else axis
    return flip(cumsum(flip(g, axis), axis), axis)


@expose(np.cumprod, method=True)
def cumprod(x: Any, axis: int | None = None) -> Any:
    """The running product along an axis; of the flattened input if axis is None. Exact where elements are 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]).cumprod(0)
    tensor([1., 2., 6.])
    """
    y, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    y, step = y.swapaxes(0, axis), 1
    while step < len(y):  # after each round, y holds the products of the last 2 * step elements
        y, step = concatenate([y[:step], y[step:] * y[:-step]]), 2 * step
    return y.swapaxes(0, axis)


@op(lambda g, y, x, *, axis, keepdims: regrown(g, axis, keepdims) * normalised(x, axis)[0], method=True,
    samples=AXES)
def logsumexp(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """log(sum(exp(x))) over the axes, without overflow; its gradient is the softmax, finite even at infinities.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([500.0, 500.0]).logsumexp()
    tensor(500.6931)
    """
    top = np.maximum.reduce(x, axis=axis, keepdims=True)
    shift = np.where(np.isinf(top), 0, top)
    y = np.log(np.add.reduce(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return y if keepdims else np.squeeze(y, axis)


def normalised(x: Any, axis: Any) -> tuple[Any, Any]:
    """softmax(x) and its logarithm; subtle: half of the largest float stands for infinity, so that inf - inf is 0."""
    limit = float(np.finfo(x.dtype).max) / 2
    x = np.clip(x, -limit, limit)
    z = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    e = np.exp(z)
    total = np.add.reduce(e, axis=axis, keepdims=True)
    return e / total, z - np.log(total)


# --- no derivative ---


@op(None, numpy=(np.any, (np.logical_or, "reduce")), method=True, samples=AXES)
def any_(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Whether any element over the axes is true.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([False, True]).any()
    tensor(True)
    """
    return np.any(x, axis=axis, keepdims=keepdims)


@op(None, numpy=(np.all, (np.logical_and, "reduce")), method=True, samples=AXES)
def all_(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Whether all elements over the axes are true.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([False, True]).all()
    tensor(False)
    """
    return np.all(x, axis=axis, keepdims=keepdims)


@op(None, numpy=(np.argmax,), method=True, samples=(S((2, 3)), S((2, 3), axis=1), S((2, 3), axis=0, keepdims=True)))
def argmax(x: Any, axis: int | None = None, *, keepdims: Any = False) -> Any:
    """The index of the largest value along an axis; the first one of several.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 5.0, 2.0]).argmax()
    tensor(1)
    """
    return np.argmax(x, axis=axis, keepdims=keepdims)


@op(None, numpy=(np.argmin,), method=True, samples=(S((2, 3)), S((2, 3), axis=1), S((2, 3), axis=0, keepdims=True)))
def argmin(x: Any, axis: int | None = None, *, keepdims: Any = False) -> Any:
    """The index of the smallest value along an axis; the first one of several.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([3.0, 5.0, 2.0]).argmin()
    tensor(2)
    """
    return np.argmin(x, axis=axis, keepdims=keepdims)
