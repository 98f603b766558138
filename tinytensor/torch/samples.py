"""Functions of sampled values and of indices: gradient, cumulative_trapezoid, unravel_index, renorm, windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import linalg, ops
from .creation import made
from .dtypes import default, numpy_dtype, shape_of
from .elementwise import floats
from .offer import offer
from .operators import as_dtype
from .reduce import axes, one_axis
from .tensor import Tensor, of_array, wrap

# --- slopes and integrals ---


@offer()
def gradient(input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """The derivative of sampled values along every axis, or along `dim`, by central differences.

    Parameters
    ----------
    spacing : number, or a list of numbers or tensors
        The distance of the samples, one for all or for each axis; or their positions, a vector for each axis.
    edge_order : {1, 2}
        2 for the ends' slopes of a parabola through three points.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.gradient(torch.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    """
    x = floats("gradient", input)
    n = x.data.ndim
    found: Any = tuple(range(n)) if dim is None else axes("gradient", x, dim)
    along = found if isinstance(found, tuple) else (found,)
    spacing = 1 if spacing is None else spacing
    steps = list(spacing) if isinstance(spacing, list | tuple) else [spacing] * len(along)
    if len(steps) != len(along):
        raise RuntimeError(f"gradient: got {len(steps)} of spacing for {len(along)} axes; expected one for each; give "
                           f"a number for all")
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient: only supports edge_order=1 and edge_order=2; got {edge_order}; write 1")
    for axis in along:
        if x.data.shape[axis] <= edge_order:
            raise RuntimeError(f"gradient: expected each dimension size to be at least edge_order + 1; got shape "
                               f"{[*x.data.shape]}; give more samples")
    return tuple([slope(x, h, axis, edge_order) for h, axis in zip(steps, along, strict=True)])


def slope(x: Any, h: Any, axis: int, edge_order: int) -> Tensor:
    """The derivative along one axis."""
    h = h.node.data if isinstance(h, Tensor) else h
    if np.ndim(h):
        h = np.asarray(h, x.data.dtype)
    return wrap(ops.gradient(x, h, axis=axis, edge_order=edge_order))


@offer()
def cumulative_trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integrals up to each sample but the first, by the trapezoidal rule, at points x or at a distance dx.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1.5000, 4.0000])
    """
    if x is not None and dx is not None:
        raise RuntimeError("cumulative_trapezoid: got x and dx; expected one of them; leave dx out")
    a = y.node
    axis = one_axis("cumulative_trapezoid", a, dim)
    if axis is None:
        raise RuntimeError("cumulative_trapezoid: got a tensor without axes; expected samples along one; give a vector")
    left, right = ((slice(None),) * axis + (s,) for s in (slice(None, -1), slice(1, None)))
    both = wrap(ops.add(a[left], a[right]))
    gaps: Any = 1 if dx is None else dx
    if x is not None:
        at = x.node
        if at.data.ndim == 1:
            at = ops.reshape(at, (-1,) + (1,) * (a.data.ndim - 1 - axis))
            left, right = left[axis:], right[axis:]
        gaps = wrap(ops.subtract(at[right], at[left]))
    total: Tensor = (both * gaps).cumsum(axis) / 2
    return total


# --- indices ---


@offer()
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The indices along each axis of a shape for indices of the flattened tensor.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.unravel_index(torch.tensor([4, 7]), (3, 3))
    (tensor([1, 2]), tensor([1, 1]))
    """
    flat = indices.node.data
    if flat.dtype.kind not in "iu":
        raise ValueError(f"unravel_index: expected 'indices' to be integer dtype, but got {indices.dtype}; convert it: "
                         f"indices.long()")
    sizes = shape_of(tuple(shape) if isinstance(shape, list | tuple) else (shape,))
    if any(n < 0 for n in sizes):
        raise ValueError(f"unravel_index: 'shape' cannot have negative values, but got {sizes}; expected sizes; give "
                         f"x.shape")
    found, rest = [], flat.astype(np.int64)
    for n in sizes[::-1]:
        rest, place = np.divmod(rest, n) if n else (rest, rest)
        found.append(of_array(np.asarray(place)))
    return tuple(found[::-1])


@offer(method=True, in_place=True, note="Renorm")
def renorm(input: Tensor, p: Any, dim: int, maxnorm: Any) -> Tensor:
    """The slices along `dim`, of which those whose p-norm is above `maxnorm` are made that small."""
    x = input.node
    if x.data.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {x.data.ndim} dimensions; use "
                           f"F.normalize for a vector")
    axis: Any = one_axis("renorm", x, dim)
    if p <= 0 or maxnorm < 0:
        raise RuntimeError(f"renorm: expected p above 0 and maxnorm of 0 or more; got {p} and {maxnorm}; write p=2")
    others = tuple(i for i in range(x.data.ndim) if i != axis)
    norms = linalg.vector_norm(x, axis=others, keepdims=True, ord=p)
    factor = ops.where(norms.data > maxnorm, ops.divide(maxnorm, ops.add(norms, 1e-7)), 1)
    return wrap(ops.multiply(x, as_dtype(factor, x.data.dtype)))


# --- windows ---


def window(name: str, weights: tuple[float, ...]) -> None:
    """Offer a window that is a sum of cosines; `periodic` for one whose next value would be its first."""
    def compute(window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None,
                requires_grad: bool = False) -> Tensor:
        return cosines(name, window_length, periodic, weights, dtype, device, requires_grad)

    compute.__name__ = name
    compute.__doc__ = f"The {name.partition('_')[0].title()} window of so many values; see `numpy.hanning`."
    offer(name)(compute)


def grid(name: str, n: int, periodic: bool, dtype: Any) -> tuple[Any, Any]:
    """Places from 0 to 1, and NumPy's dtype of the result."""
    if not hasattr(n, "__index__") or n < 0:
        raise RuntimeError(f"{name}: requires non-negative window_length, got window_length={n!r}; give an integer")
    wanted = numpy_dtype(dtype, default[0].numpy)
    if wanted.kind != "f":
        raise RuntimeError(f"{name}: expects floating point dtypes, got {dtype}; leave it out")
    return np.arange(n) / max(n - 1 + periodic, 1), wanted


def cosines(name: str, n: int, periodic: bool, weights: tuple[float, ...], dtype: Any, device: Any,
            requires_grad: bool) -> Tensor:
    x, wanted = grid(name, n, periodic, dtype)
    terms = [w * np.cos(2 * math.pi * k * x) for k, w in enumerate(weights)]
    return made((sum(terms) if n != 1 else np.ones(1)).astype(wanted), requires_grad, device)


window("hann_window", (0.5, -0.5))
window("blackman_window", (0.42, -0.5, 0.08))


@offer()
def hamming_window(window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
                   dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The Hamming window of so many values; see `numpy.hamming`."""
    return cosines("hamming_window", window_length, periodic, (alpha, -beta), dtype, device, requires_grad)


@offer()
def bartlett_window(window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None,
                    requires_grad: bool = False) -> Tensor:
    """The triangular window of so many values; see `numpy.bartlett`."""
    x, wanted = grid("bartlett_window", window_length, periodic, dtype)
    return made((1 - np.abs(2 * x - 1) if window_length != 1 else np.ones(1)).astype(wanted), requires_grad, device)


@offer()
def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None,
                  device: Any = None, requires_grad: bool = False) -> Tensor:
    """The Kaiser window of so many values; see `numpy.kaiser`."""
    x, wanted = grid("kaiser_window", window_length, periodic, dtype)
    y = np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta)
    return made((y if window_length != 1 else np.ones(1)).astype(wanted), requires_grad, device)
