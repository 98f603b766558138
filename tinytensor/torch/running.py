"""Running sums, products and extremes along `dim`, differences, derivatives and integrals of samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from . import return_types
from .dtypes import default, numpy_dtype
from .offer import offer
from .operators import as_dtype, pair
from .order import lined, taken
from .reduce import axes, floating, one_axis
from .tensor import Tensor, wrap


@offer(method=True, in_place=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sums of the elements up to each, along `dim`; of integers and booleans an int64."""
    return running("cumsum", ops.cumsum, input, dim, dtype)


@offer(method=True, in_place=True, note="Cumprod")
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The products of the elements up to each, along `dim`; of integers and booleans an int64."""
    return running("cumprod", ops.cumprod, input, dim, dtype)


def running(name: str, function: Callable[..., Any], input: Tensor, dim: Any, dtype: Any) -> Tensor:
    x = input.node
    x = as_dtype(x, numpy_dtype(dtype, x.data.dtype if x.data.dtype.kind == "f" else np.dtype(np.int64)))
    axis = one_axis(name, x, dim)
    return wrap(ops.positive(x) if axis is None else as_dtype(function(x, axis), x.data.dtype))


def farthest(name: str, ufunc: Any, beats: Callable[..., Any]) -> Callable[..., Any]:
    kind = getattr(return_types, name)

    def scan(input: Tensor, dim: int) -> Any:
        x, axis = lined(name, input, dim)
        a = x.data
        best = ufunc.accumulate(a.astype(np.uint8) if a.dtype == np.bool_ else a, axis=axis)
        here = (a == best) if a.dtype.kind != "f" else (a == best) | np.isnan(a)
        counter = np.arange(a.shape[axis]).reshape([-1 if i == axis else 1 for i in range(a.ndim)])
        places = np.maximum.accumulate(np.where(here, counter, 0), axis=axis)
        return taken(kind, input, x, places, axis)

    scan.__name__ = name
    scan.__doc__ = f"The {name[3:]}imum of the elements up to each, along `dim`, and the last place where it stands."
    return scan


offer("cummax", method=True)(farthest("cummax", np.maximum, np.greater_equal))
offer("cummin", method=True)(farthest("cummin", np.minimum, np.less_equal))


@offer(method=True)
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """The logarithms of the sums of exponentials up to each element, along `dim`."""
    x = floating("logcumsumexp", input.node)
    axis = one_axis("logcumsumexp", x, dim)
    return wrap(ops.positive(x) if axis is None else np.logaddexp.accumulate(x, axis))


@offer(method=True)
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
         append: Tensor | None = None) -> Tensor:
    """The n-th differences along `dim`."""
    ends = {name: x.node for name, x in (("prepend", prepend), ("append", append)) if x is not None}
    if not input.node.data.ndim:
        raise RuntimeError("diff: expects input to be at least one-dimensional; got no axes; give it elements")
    axis = one_axis("diff", input.node, dim)
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative but got {n}; expected 0 or more; use cumsum for sums")
    if n == 0:
        return wrap(ops.copy(input.node))
    size = input.node.data.shape[axis] + sum(x.data.shape[axis] for x in ends.values() if x.data.ndim)
    try:
        return wrap(ops.diff(input.node, min(n, size), axis, **ends))
    except ValueError as error:
        raise RuntimeError(str(error)) from None


# --- samples of a function ---


def sampled(name: str, y: Tensor, x: Any, dx: Any, dim: Any) -> tuple[Any, int]:
    """The sums of neighbours along an axis, times their distances, and the axis."""
    a = y.node
    axis = one_axis(name, a, dim)
    if axis is None:
        raise IndexError(f"{name}: got a tensor without axes; expected samples along one; give more")
    if x is not None and dx is not None:
        raise TypeError(f"{name}: got both x and dx; expected one of them; leave dx out")
    first, last = ((slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None)))
    sums = ops.add(ops.getitem(a, first), ops.getitem(a, last))
    if x is None:
        return (sums if dx is None else ops.multiply(*pair(name, wrap(sums), dx))), axis
    n = x.node.data.ndim
    gaps = ops.diff(x.node, 1, -1 if n == 1 else axis - a.data.ndim)
    if n == 1:
        gaps = ops.reshape(gaps, (-1, *(1,) * (a.data.ndim - axis - 1)))
    try:
        return ops.multiply(*pair(name, wrap(sums), wrap(gaps))), axis
    except ValueError as error:
        raise RuntimeError(f"{name}: {error}") from None


def halved(x: Any) -> Tensor:
    """Half of a node's values, as floats."""
    return wrap(ops.divide(*pair("trapezoid", wrap(x), 2, True)))


@offer("trapezoid", "trapz")
def trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoidal rule, at points x or at a distance dx."""
    parts, axis = sampled("trapezoid", y, x, dx, dim)
    return halved(ops.sum(parts, axis))


@offer()
def cumulative_trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integrals up to each of the points but the first."""
    parts, axis = sampled("cumulative_trapezoid", y, x, dx, dim)
    return halved(ops.cumsum(parts, axis))


@offer()
def gradient(input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """The derivatives of sampled values along each axis, or along `dim`, by central differences; one-sided at the ends.

    `spacing` is the distance of the samples, one for each axis, or a tuple of tensors, their positions.
    """
    x = as_dtype(input.node, input.node.data.dtype if input.node.data.dtype.kind == "f" else default[0].numpy)
    found = tuple(range(x.data.ndim)) if dim is None else axes("gradient", x, dim)
    found = found if isinstance(found, tuple) else (found,)
    spacing = 1 if spacing is None else spacing
    points = [*spacing] if isinstance(spacing, tuple | list) else [spacing] * len(found)
    if len(points) != len(found):
        raise RuntimeError(f"gradient: expected spacing to be unspecified, a scalar, or a list of {len(found)}; got "
                           f"{len(points)}; give one for each axis")
    points = [p.node if isinstance(p, Tensor) and p.ndim else p.item() if isinstance(p, Tensor) else p for p in points]
    try:
        parts = [ops.gradient(x, p, axis=a, edge_order=edge_order) for p, a in zip(points, found, strict=True)]
    except ValueError as error:
        raise RuntimeError(str(error)) from None
    return tuple([wrap(as_dtype(y, x.data.dtype)) for y in parts])
