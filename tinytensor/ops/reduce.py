"""Reductions: sums, means, variances, extrema and products over axes.

`axis` is None (all axes), an integer or a tuple; `keepdims` keeps reduced axes with size 1, as in NumPy. Calls with
NumPy's other options (`dtype=`, `where=`, `initial=`, ...) are slower, and go to `masked.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import make_nondifferentiable
from ..core import S, ndarray
from ..define import op
from .elementwise import safe_denominator
from .join import concatenate
from .masked import wide_max, wide_mean, wide_min, wide_prod, wide_std, wide_sum, wide_var

FAST = frozenset((np.dtype(np.float32), np.dtype(np.float64)))  # NumPy accumulates these in their own precision
AXES = (S((2, 3)), S((2, 3), axis=0), S((2, 3, 2), axis=(0, -1)), S((2, 3), axis=1, keepdims=True), S(()), S((4,)))


def restore_axes(g: Any, x: Any, axis: Any) -> Any:
    """g with the reduced axes of x put back as axes of size 1, so that it broadcasts against x."""
    if axis is None or g.ndim == x.ndim:
        return g
    if type(g) is not ndarray:
        return np.expand_dims(g, axis)
    index: list[Any] = [slice(None)] * x.ndim  # for arrays five times as fast as expand_dims
    for i in axis if isinstance(axis, tuple) else (axis,):
        index[i] = None
    return g[tuple(index)]


@op(lambda g, y, x, *, axis, keepdims: np.broadcast_to(restore_axes(g, x, axis), x.shape),
    numpy=(np.sum, (np.add, "reduce")), method=True, wider=wide_sum, analytic=True, samples=(*AXES, S((0, 3), axis=0)))
def sum_(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The sum over axes.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        The axes to sum over; all axes if left out.
    keepdims : bool
        Whether the reduced axes are kept, with size 1.
    dtype, initial, where
        As in `np.sum`. `out` is refused.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((2, 3)).sum(axis=1)
    tensor([3., 3.])
    """
    return np.add.reduce(a, axis=axis, keepdims=keepdims)


@op(lambda g, y, x, *, axis, keepdims:
        np.broadcast_to(restore_axes(g * (1 / max(1, x.size // (g.size or 1))), x, axis), x.shape),
    numpy=(np.mean,), method=True, wider=wide_mean, analytic=True, samples=AXES)
def mean(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The arithmetic mean over axes; `axis` and `keepdims` are as in `sum`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0, 2.0], [3.0, 6.0]]).mean(0)
    tensor([2., 4.])
    """
    if type(a) is ndarray and a.dtype in FAST and a.size and a.ndim:  # as np.mean to the bit, without its overhead
        y = np.add.reduce(a, axis=axis, keepdims=keepdims)
        return y / (a.size // y.size)
    return np.mean(a, axis=axis, keepdims=keepdims)


def resolve_ddof(name: str, ddof: float, correction: float | None) -> float:
    """The number subtracted from the count of elements, given under one of its two names."""
    if ddof and correction is not None:
        raise ValueError(f"{name}: got ddof={ddof} and correction={correction}, two names of one parameter; expected "
                         f"one of them; leave out the other")
    return ddof if correction is None else correction


def degrees_of_freedom(name: str, x: Any, y: Any, ddof: float, correction: float | None) -> float:
    """n - ddof, or nan if that is not positive."""
    dof = x.size // (y.size or 1) - resolve_ddof(name, ddof, correction)
    return dof if dof > 0 else math.nan


def var_or_std(numpy: Any, a: Any, axis: Any, ddof: float, keepdims: Any) -> tuple[Any, Any]:
    """The variance or standard deviation, bit for bit as NumPy's, and the deviations from the mean, for the rule."""
    if not a.ndim:  # subtle: for 0-d arrays np.add.reduce would accept any axis
        return numpy(a, axis=axis, ddof=ddof, keepdims=keepdims), np.subtract(a, a) if a.dtype.kind == "f" else a
    mean = np.add.reduce(a, axis=axis, keepdims=True)
    n = a.size // (mean.size or 1)
    d = a - mean / max(n, 1)
    if a.dtype not in FAST or n - ddof <= 0:
        return numpy(a, axis=axis, ddof=ddof, keepdims=keepdims), d
    y = np.add.reduce(d * d, axis=axis, keepdims=keepdims) / (n - ddof)
    return np.sqrt(y) if numpy is np.std else y, d


def var_definition(x: Any, axis: Any = None, *, ddof: float = 0, correction: float | None = None,
                   keepdims: Any = False) -> Any:
    """The variance in terms of other ops, for higher derivatives."""
    d = x - np.mean(x, axis=axis, keepdims=True)
    y = np.sum(d * d, axis=axis, keepdims=keepdims)
    return y / degrees_of_freedom("var", x, y, ddof, correction)


def std_definition(x: Any, axis: Any = None, *, ddof: float = 0, correction: float | None = None,
                   keepdims: Any = False) -> Any:
    """The standard deviation in terms of other ops; its gradient is 0 where all values are equal."""
    y = var_definition(x, axis, ddof=ddof, correction=correction, keepdims=keepdims)
    constant = np.equal(y, 0)
    return np.where(constant, 0, np.sqrt(np.where(constant, 1, y)))


@op(lambda g, y, x, *, axis, ddof, correction, keepdims, extras:
        restore_axes(g * (2 / degrees_of_freedom("var", x, y, ddof, correction)), x, axis) * extras,
    numpy=(np.var,), method=True, wider=wide_var, analytic=False, definition=var_definition,
    samples=(*AXES, S((4, 2), axis=0, ddof=1), S((4,), correction=1)))
def var(a: Any, axis: Any = None, *, ddof: float = 0, correction: float | None = None, keepdims: Any = False) -> Any:
    """The variance over axes: the sum of squared deviations from the mean, divided by n - ddof.

    `correction` is another name of `ddof`. The default 0 is NumPy's and gives the biased variance; PyTorch's is 1.
    `axis` and `keepdims` are as in `sum`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]).var(ddof=1)
    tensor(1.)
    """
    return var_or_std(np.var, a, axis, resolve_ddof("var", ddof, correction), keepdims)


@op(lambda g, y, x, *, axis, ddof, correction, keepdims, extras:
        restore_axes(g / safe_denominator(y) * (1 / degrees_of_freedom("std", x, y, ddof, correction)), x, axis)
        * extras,
    numpy=(np.std,), method=True, wider=wide_std, definition=std_definition,
    samples=(*AXES[:4], S((4,)), S((4, 2), axis=0, ddof=1), S((4,), correction=1)))
def std(a: Any, axis: Any = None, *, ddof: float = 0, correction: float | None = None, keepdims: Any = False) -> Any:
    """The standard deviation over axes, the root of `var`. Its gradient is 0 where all values are equal.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]).std(correction=1)
    tensor(1.)
    """
    return var_or_std(np.std, a, axis, resolve_ddof("std", ddof, correction), keepdims)


def extremum_grad(g: Any, y: Any, x: Any, axis: Any) -> Any:
    """The gradient of a maximum or minimum y: g where x equals y or is nan, split evenly between several of these."""
    if axis is not None:
        g, y = restore_axes(g, x, axis), restore_axes(y, x, axis)
    mask = (x == y) | (x != x)  # if x has a nan, y is nan, and equals nothing
    if axis is None and type(mask) is ndarray:
        count: Any = int(np.count_nonzero(mask))  # for arrays ten times as fast
    else:
        count = np.add.reduce(mask.astype(g.dtype), axis=axis, keepdims=True)
    return np.where(mask, g / count, 0)


@op(lambda g, y, x, *, axis, keepdims: extremum_grad(g, y, x, axis),
    numpy=(np.max, np.amax, (np.maximum, "reduce")), method=True, aliases=("amax",), wider=wide_max, samples=AXES)
def max_(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The largest value over axes; `axis` and `keepdims` are as in `sum`.

    Ties share the gradient evenly, and a nan gets all of it. A maximum over no elements is an error, as in NumPy.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0, 5.0], [4.0, 2.0]]).max(axis=1)
    tensor([5., 4.])
    """
    return np.maximum.reduce(a, axis=axis, keepdims=keepdims)


@op(lambda g, y, x, *, axis, keepdims: extremum_grad(g, y, x, axis),
    numpy=(np.min, np.amin, (np.minimum, "reduce")), method=True, wider=wide_min, aliases=("amin",), samples=AXES)
def min_(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The smallest value over axes; `axis` and `keepdims` are as in `sum`.

    Ties share the gradient evenly, and a nan gets all of it. A minimum over no elements is an error, as in NumPy.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0, 5.0], [4.0, 2.0]]).min(axis=1)
    tensor([1., 2.])
    """
    return np.minimum.reduce(a, axis=axis, keepdims=keepdims)


# --- products: the gradient is the product of the other elements, never y / x, which fails at 0 ---


def reduced_axes_last(x: Any, axis: Any) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """x with its reduced axes moved to the end and flattened to one; its shape before that, and its order of axes."""
    axes = range(x.ndim) if axis is None or not x.ndim else axis if isinstance(axis, tuple) else (axis,)
    reduced = [a % x.ndim for a in axes]
    order = tuple([a for a in range(x.ndim) if a not in reduced] + reduced)
    moved = x.transpose(order)
    kept = moved.shape[: x.ndim - len(reduced)]
    return moved.reshape((*kept, math.prod(moved.shape[len(kept) :]))), moved.shape, order


def product_of_others(g: Any, x: Any, axis: Any) -> Any:
    """The gradient of a product: for each element, g times the product of all other elements."""
    rows, shape, order = reduced_axes_last(x, axis)
    before, after = np.ones_like(rows), np.ones_like(rows)
    np.multiply.accumulate(rows[..., :-1], axis=-1, out=before[..., 1:])
    np.multiply.accumulate(rows[..., :0:-1], axis=-1, out=after[..., -2::-1])
    others = (before * after).reshape(shape).transpose(np.argsort(order))
    return others * restore_axes(g, x, axis)


def product_tree(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """The product, halving the number of factors each time: first half times second half, until one is left."""
    rows, _, _ = reduced_axes_last(x, axis)
    while rows.shape[-1] > 1:
        half = rows.shape[-1] // 2
        rest = [rows[..., 2 * half :]] if rows.shape[-1] % 2 else []
        rows = concatenate([rows[..., :half] * rows[..., half : 2 * half], *rest], axis=-1)
    y = rows[..., 0] if rows.shape[-1] else np.add.reduce(rows, axis=-1) + 1
    return y if not keepdims else y.reshape((1,) * x.ndim) if axis is None else restore_axes(y, x, axis)


@op(lambda g, y, x, *, axis, keepdims: product_of_others(g, x, axis),
    numpy=(np.prod, (np.multiply, "reduce")), method=True, wider=wide_prod, analytic=True, definition=product_tree,
    samples=AXES)
def prod(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The product over axes; `axis` and `keepdims` are as in `sum`.

    The gradient is exact where elements are 0: it is 6, 0, 0 for 0, 2, 3.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([0.0, 2.0, 3.0], requires_grad=True)
    >>> x.prod().backward()
    >>> x.grad
    array([6., 0., 0.], dtype=float32)
    """
    return np.multiply.reduce(a, axis=axis, keepdims=keepdims)


# --- the logarithm of a sum of exponentials ---


@op(lambda g, y, x, *, axis, keepdims: restore_axes(g, x, axis) * softmax_pair(x, axis)[0], method=True,
    samples=AXES)
def logsumexp(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """log(sum(exp(x))) over the axes, without overflow. Its gradient is the softmax, finite even for infinite x.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([500.0, 500.0]).logsumexp()
    tensor(500.6931)
    """
    if not x.size:  # an empty sum is 0, and its logarithm -inf
        return np.add.reduce(x, axis=axis, keepdims=keepdims) - math.inf
    top = np.maximum.reduce(x, axis=axis, keepdims=True)
    shift = np.where(np.isinf(top), 0, top)
    y = np.log(np.add.reduce(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return y if keepdims or not x.ndim else np.squeeze(y, axis)


def softmax_pair(x: Any, axis: Any) -> tuple[Any, Any]:
    """softmax(x) and log_softmax(x); subtle: infinities become half of the largest float, so that inf - inf is 0."""
    if not x.size:
        return np.exp(x), np.exp(x)
    largest = float(np.finfo(x.dtype).max) / 2
    x = np.clip(x, -largest, largest)
    z = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    e = np.exp(z)
    total = np.add.reduce(e, axis=axis, keepdims=True)
    return e / total, z - np.log(total)


# --- no derivative ---


@op(None, wider=make_nondifferentiable(np.any), numpy=(np.any, (np.logical_or, "reduce")), method=True, samples=AXES)
def any_(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Whether any element over the axes is true.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([False, True]).any()
    tensor(True)
    """
    return np.any(a, axis=axis, keepdims=keepdims)


@op(None, wider=make_nondifferentiable(np.all), numpy=(np.all, (np.logical_and, "reduce")), method=True, samples=AXES)
def all_(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Whether all elements over the axes are true.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([False, True]).all()
    tensor(False)
    """
    return np.all(a, axis=axis, keepdims=keepdims)


@op(None, numpy=(np.argmax,), method=True, wider=make_nondifferentiable(np.argmax),
    samples=(S((2, 3)), S((2, 3), axis=1), S((2, 3), axis=0, keepdims=True)))
def argmax(a: Any, axis: int | None = None, *, keepdims: Any = False) -> Any:
    """The index of the largest value along an axis, the first one at a tie; of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 5.0, 2.0]).argmax()
    tensor(1)
    """
    return np.argmax(a, axis=axis, keepdims=keepdims)


@op(None, numpy=(np.argmin,), method=True, wider=make_nondifferentiable(np.argmin),
    samples=(S((2, 3)), S((2, 3), axis=1), S((2, 3), axis=0, keepdims=True)))
def argmin(a: Any, axis: int | None = None, *, keepdims: Any = False) -> Any:
    """The index of the smallest value along an axis, the first one at a tie; of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([3.0, 5.0, 2.0]).argmin()
    tensor(2)
    """
    return np.argmin(a, axis=axis, keepdims=keepdims)
