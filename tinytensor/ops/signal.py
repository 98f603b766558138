"""Sampled functions: differences, gradients, integrals, interpolation, convolution, phase unwrapping."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import arrays_of, composed
from ..core import S, Tensor
from .index import take  # subtle: np.take of a plain array would not see traced indices
from .masked import NO_VALUE
from .windows import sliding_window_view

GRADIENT_SAMPLES = (S((5,)), S((3, 4)), S((3, 4), axis=0), S((4, 3), axis=0, edge_order=2), S((5,), 0.5),
          S((4,), np.array([0.0, 1.0, 1.5, 3.0])), S((4,), np.array([0.0, 1.0, 1.5, 3.0]), edge_order=2),
          S((3, 4), 2.0, np.array([0.0, 1.0, 1.5, 3.0])))


def axis_slice(x: Any, axis: int, start: int | None, stop: int | None = None) -> Any:
    """A slice along one axis."""
    return x[(*(slice(None),) * (axis % x.ndim), slice(start, stop))]


def as_axis(x: Any, axis: int, ndim: int) -> Any:
    """A vector laid along one of `ndim` axes."""
    return np.reshape(x, (-1, *(1,) * (ndim - axis % ndim - 1)))


# --- differences ---


def broadcast_end(x: Any, end: Any, axis: int) -> Any:
    """What is to be joined to x along the axis; a number is broadcast to the shape that this takes."""
    shape = (*x.shape[: axis % x.ndim], 1, *x.shape[axis % x.ndim + 1 :])
    return np.broadcast_to(end, shape) if np.ndim(arrays_of(end)) == 0 else end


@composed(np.diff, "a prepend append", samples=(
    S((5,)), S((2, 4), n=2), S((3, 2), axis=0), S((3,), prepend=np.array(1.0)),
    S((2, 3), append=np.ones((2, 1)), axis=1), S((3,), n=0)))
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = NO_VALUE, append: Any = NO_VALUE) -> Any:
    """The n-th differences of neighbours along an axis; `prepend` and `append` are first joined to its ends.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.diff(tt.tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    if n == 0:
        return a
    ends = [x if x is NO_VALUE else broadcast_end(a, x, axis) for x in (prepend, append)]
    parts = [x for x in (ends[0], a, ends[1]) if x is not NO_VALUE]
    y = a if len(parts) == 1 else np.concatenate(parts, axis)
    for _ in range(n):
        y = axis_slice(y, axis, 1) - axis_slice(y, axis, None, -1)
    return y


@composed(np.ediff1d, "ary to_end to_begin", samples=(
    S((4,)), S((2, 3)), S((3,), np.array([7.0]), np.array([1.0, 2.0]))))
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of neighbours in the flattened array, with `to_begin` before them and `to_end` after them.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ediff1d(tt.tensor([1.0, 4.0, 9.0]), to_begin=0.0)
    tensor([0., 3., 5.])
    """
    x = np.reshape(ary, -1)
    parts = [None if e is None else np.reshape(e, -1) for e in (to_begin, x[1:] - x[:-1], to_end)]
    return np.concatenate([p for p in parts if p is not None])


def sampled_derivative(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """The derivative along an axis of a function sampled at a constant distance h, or at distances h, a vector."""
    if np.ndim(arrays_of(h)):
        h = as_axis(h, axis, f.ndim)
        left, right, first, second, before, last = h[:-1], h[1:], h[:1], h[1:2], h[-2:-1], h[-1:]
    else:
        left = right = first = second = before = last = h
    span = left + right
    inner = (-right / (left * span) * axis_slice(f, axis, None, -2)
             + (right - left) / (left * right) * axis_slice(f, axis, 1, -1)
             + left / (right * span) * axis_slice(f, axis, 2))
    if edge_order == 1:
        start = (axis_slice(f, axis, 1, 2) - axis_slice(f, axis, None, 1)) / first
        end = (axis_slice(f, axis, -1) - axis_slice(f, axis, -2, -1)) / last
    else:
        start = one_sided_derivative(first, second, *[axis_slice(f, axis, i, i + 1) for i in range(3)])
        end = -one_sided_derivative(last, before, *[axis_slice(f, axis, -i, -i + 1 or None) for i in (1, 2, 3)])
    return np.concatenate([start, inner, end], axis)


def one_sided_derivative(h: Any, k: Any, a: Any, b: Any, c: Any) -> Any:
    """The derivative, at the first of three points with distances h and k, of the parabola through them."""
    return -(2 * h + k) / (h * (h + k)) * a + (h + k) / (h * k) * b - h / (k * (h + k)) * c


@composed(np.gradient, "f varargs", samples=GRADIENT_SAMPLES)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """The derivative of a sampled function along axes, by central differences, and one-sided ones at the ends.

    Parameters
    ----------
    f : array_like
    *varargs : number or (n,)
        The distance of the samples, or their positions: one for all axes, or one for each. Gradients flow to them.
    axis : int or tuple of int, optional
        All axes if left out. The derivatives along several axes are given as a tuple.
    edge_order : {1, 2}
        The order of accuracy at the ends, from two or from three points.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.gradient(tt.tensor([1.0, 4.0, 9.0, 16.0]))
    tensor([3., 4., 6., 7.])
    """
    axes = range(f.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    distances: list[Any] = list(varargs) if len(varargs) else [1]
    spacings = [h[1:] - h[:-1] if np.ndim(arrays_of(h)) else h for h in distances]
    spacings *= 1 if len(spacings) > 1 else len(axes)
    parts = [sampled_derivative(f, h, i % f.ndim, edge_order) for h, i in zip(spacings, axes, strict=True)]
    return parts[0] if len(parts) == 1 else tuple(parts)


# --- integrals ---


@composed(np.trapezoid, "y x dx", samples=(
    S((5,)), S((2, 4), dx=0.5, axis=0), S((2, 4), np.array([0.0, 1.0, 1.5, 3.0])), S((2, 3), (2, 3))))
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral along an axis of a function sampled at x, or at distances dx, by the trapezoidal rule.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.trapezoid(tt.tensor([1.0, 2.0, 4.0]))
    tensor(4.5)
    """
    if x is not None:
        dx = x[1:] - x[:-1] if x.ndim == 1 else axis_slice(x, axis, 1) - axis_slice(x, axis, None, -1)
        dx = as_axis(dx, axis, y.ndim) if x.ndim == 1 else dx
    return np.add.reduce(dx * (axis_slice(y, axis, 1) + axis_slice(y, axis, None, -1)) * 0.5, axis=axis)


# --- interpolation ---


@composed(np.interp, "x xp fp left right", samples=(
    S((6,), np.array([-1.0, 0.0, 0.5, 2.0]), (4,)), S((2, 3), np.array([-1.0, 0.1, 0.5]), (3,), period=2.0)))
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Linear interpolation at x between the points (xp, fp), in float64 as in NumPy.

    Parameters
    ----------
    x : array_like
    xp : (n,)
        Ascending, unless there is a period.
    fp : (n,)
    left, right : number, optional
        The values before the first point and after the last; fp[0] and fp[-1] if left out.
    period : number, optional
        The period of x and xp; `left` and `right` are then ignored.

    Notes
    -----
    Gradients flow to x, xp and fp. At a point xp[i] the derivative by x is the slope of the line to its right.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.interp(tt.tensor([0.5, 3.0]), [0.0, 1.0, 2.0], [0.0, 10.0, 30.0])
    tensor([ 5., 30.], dtype=float64)
    """
    x, xp, fp = (v.astype(np.float64) for v in (x, xp, fp))
    if period is not None:
        period = abs(period)
        x, xp, left, right = np.remainder(x, period), np.remainder(xp, period), None, None
        order = np.argsort(arrays_of(xp), kind="stable")
        xp, fp = take(xp, order), take(fp, order)
        xp, fp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period]), np.concatenate([fp[-1:], fp, fp[:1]])
    points, at, n = arrays_of(xp), arrays_of(x), xp.shape[0]
    i = np.clip(np.searchsorted(points, at, side="right") - 1, 0, max(n - 2, 0))
    j = np.minimum(i + 1, n - 1)
    a: Any
    b: Any
    c: Any
    a, b, c = take(xp, i), take(fp, i), take(fp, j)
    width = take(xp, j) - a
    fraction = (x - a) / np.where(arrays_of(width) == 0, 1, width)
    if not isinstance(fraction, Tensor):  # subtle: 0 * inf is nan, so a value whose weight is 0 becomes 0
        b, c = np.where(fraction == 1, 0, b), np.where(fraction == 0, 0, c)
    y = b * (1 - fraction) + c * fraction
    y = np.where(at < points[0], fp[0] if left is None else left, y)
    return np.where(at > points[-1], fp[-1] if right is None else right, y)


# --- convolution ---


MODES: dict[Any, str] = {0: "valid", 1: "same", 2: "full"}


def slide_product(a: Any, v: Any, mode: Any, flipped: bool) -> Any:
    """The sum of products of v, reversed if `flipped`, with every window of a that it overlaps."""
    a, v, mode = np.reshape(a, -1), np.reshape(v, -1), MODES.get(mode, mode)[:1]
    n, m = a.shape[0], v.shape[0]
    short, swapped = min(n, m), n < m
    border = np.zeros(m - 1, a.dtype)
    full = sliding_window_view(np.concatenate([border, a, border]), m) @ (v[::-1] if flipped else v)
    if mode == "f":
        return full
    if mode == "v":
        return full[short - 1 : n + m - short]
    first = short // 2 if swapped and not flipped else (short - 1) // 2
    return full[first : first + max(n, m)]


CONVOLVE_SAMPLES = (S((5,), (3,)), S((3,), (4,)), S((5,), (2,), mode="same"), S((2,), (5,), mode="same"),
       S((5,), (3,), mode="valid"), S((5,), (4,), mode="full"))


@composed(np.convolve, "a v", samples=CONVOLVE_SAMPLES)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """The convolution of two vectors: the sum over k of a[k] * v[n - k].

    Parameters
    ----------
    mode : {"full", "same", "valid"}
        All points of overlap; the middle ones, as many as the longer vector has; those of complete overlap.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.convolve(tt.tensor([1.0, 2.0, 3.0]), tt.tensor([1.0, 10.0]))
    tensor([ 1., 12., 23., 30.])
    """
    return slide_product(a, v, mode, flipped=True)


@composed(np.correlate, "a v", samples=CONVOLVE_SAMPLES)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """The cross-correlation of two vectors: the sum over k of a[n + k] * v[k]. `mode` is as in `convolve`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.correlate(tt.tensor([1.0, 2.0, 3.0]), tt.tensor([1.0, 10.0]))
    tensor([21., 32.])
    """
    return slide_product(a, v, mode, flipped=False)


# --- angles ---


@composed(np.unwrap, samples=(S(np.array([0.0, 1.0, 5.5, 6.5, 0.3])), S((2, 4)), S((3, 2), axis=0, period=2.0)))
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Remove jumps from angles along an axis by adding multiples of the period. The gradient is g.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.unwrap(tt.tensor([0.0, 3.0, 5.0, 0.0]))
    tensor([0.    , 3.    , 5.    , 6.2832])
    """
    return np.positive(p)
