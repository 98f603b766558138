"""Choosing between arrays, selecting elements by conditions, and applying functions along axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..apply import PUBLIC, operand
from ..compose import composed
from ..core import S, Tensor
from ..define import composite
from .index import take
from .join import concatenate, stack_nested

MASKS = [np.array([[True, False, True], [False, False, True]]), np.array([True, True, False])]
CHOICE = np.array([0, 2, 1])

# --- choosing between arrays ---


@composed(np.select, "choicelist default", samples=(S(MASKS, [(2, 3), (3,)]), S(MASKS[:1], [()], (2, 1))))
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """At each position the choice whose condition is the first that holds there, or the default; all broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([-2.0, 1.0, 4.0])
    >>> tt.select([x < 0, x > 3], [-x, x**2], 0.5)
    tensor([ 2. ,  0.5, 16. ])
    """
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        default = np.where(condition, choice, default)
    return default


@composed(np.choose, "choices", method=True, samples=(
    S(CHOICE, [(3,), (2, 3), ()]), S(CHOICE + 1, [(3,), (3,)], mode="clip"), S(CHOICE - 5, (2, 3), mode="wrap")))
def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """At each position the element of choice number a; all broadcast. `mode` is as in `take`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.choose([0, 1, 0], [tt.tensor([1.0, 2.0, 3.0]), -1.0])
    tensor([ 1., -1.,  3.])
    """
    n = len(choices)
    if mode != "raise":
        a = np.remainder(a, n) if mode == "wrap" else np.minimum(np.maximum(a, 0), n - 1)
    result = np.broadcast_to(choices[0], np.broadcast_shapes(np.shape(a), *map(np.shape, choices)))
    for i in range(1, n):
        result = np.where(np.equal(a, i), choices[i], result)
    return result


# --- selecting by conditions ---


@composite(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: None = None) -> Any:
    """The slices along an axis for which a condition, a vector, holds; of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.compress([False, True], tt.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([[3., 4.]])
    """
    if np.ndim(condition) != 1:
        raise ValueError(f"compress: got a condition of shape {np.shape(condition)}; expected one axis; for a mask of "
                         f"the array's shape write x[mask]")
    return take(a, PUBLIC["flatnonzero"](condition), axis)


setattr(Tensor, "compress", lambda a, condition, axis=None, out=None: compress(condition, a, axis))


@composite(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The elements for which a condition of the array's shape holds, as a vector.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tt.extract(x > 1.5, x)
    tensor([2., 3., 4.])
    """
    return take(arr, PUBLIC["flatnonzero"](condition))


@composite(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Evaluate a function defined piecewise: one function, or number, for each condition.

    Each function is called with the elements of x for which its condition holds only, so a nan or inf that it would
    give for other elements can't reach the gradient. Where several conditions hold, the last one counts. One function
    more than conditions is for where none holds; without it the output is 0 there.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([-1.0, 4.0], requires_grad=True)
    >>> y = tt.piecewise(x, [x > 0], [np.sqrt, 0.0])
    >>> y.sum().backward()
    >>> x.grad
    array([0.  , 0.25], dtype=float32)
    """
    x = x if isinstance(x, Tensor) else operand(np.asarray(x) if isinstance(x, int | float) else x)
    conditions = np.asarray(condlist.data if isinstance(condlist, Tensor) else masks_as_arrays(condlist), bool)
    if conditions.ndim == 0 or (conditions.ndim == 1 and x.ndim):
        conditions = conditions[None]
    if len(conditions) == len(funclist) - 1:
        conditions = np.concatenate([conditions, ~conditions.any(axis=0, keepdims=True)])
    if len(conditions) != len(funclist):
        raise ValueError(f"piecewise: got {len(funclist)} functions for {len(conditions)} conditions; expected "
                         f"{len(conditions)}, or one more; give one for each condition, and one for where none holds")
    origin, parts, start = np.zeros(x.shape, np.int64), [np.zeros(1, x.dtype), np.reshape(x, -1)[:0]], 1
    for condition, f in zip(conditions, funclist, strict=True):
        selected = x[condition]
        if selected.size:
            piece = f(selected, *args, **kw) if callable(f) else f
            piece = np.broadcast_to(piece, selected.shape).astype(x.dtype)
            origin[condition] = np.arange(start, start + selected.size).reshape(selected.shape)
            parts.append(np.reshape(piece, -1))
            start += selected.size
    return take(concatenate(parts), origin).astype(x.dtype)  # subtle: concatenation gives native byte order


def masks_as_arrays(conditions: Any) -> Any:
    """Nested conditions, with arrays in place of Tensors."""
    if isinstance(conditions, list | tuple):
        return [masks_as_arrays(c) for c in conditions]
    return conditions.data if isinstance(conditions, Tensor) else conditions


# --- applying functions along axes ---


@composite(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a function of vectors to each vector along an axis; the axes of its results replace that axis.

    The function is called once for each vector: one that takes an axis itself is much faster.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.apply_along_axis(lambda v: v[0] - v[-1], 0, tt.tensor([[1.0, 2.0], [3.0, 5.0]]))
    tensor([-2., -3.])
    """
    arr = arr if isinstance(arr, Tensor) else operand(arr)
    axis = normalize_axis_index(axis, np.ndim(arr), "apply_along_axis")
    vectors = np.moveaxis(arr, axis, -1)
    lead = vectors.shape[:-1]
    if not math.prod(lead):
        raise ValueError(f"apply_along_axis: got shape {arr.shape}, which has no vectors along axis {axis}; expected "
                         f"one or more, to know the shape of the results; give an array without axes of size 0")
    results = [func1d(vectors[i], *args, **kwargs) for i in np.ndindex(lead)]
    results = stack_nested([np.float64(y) if type(y) is float and arr.dtype == np.float64 else y for y in results])
    inner = results.shape[1:]
    k = len(inner)
    return np.moveaxis(np.reshape(results, (*lead, *inner)), range(-k, 0), range(axis, axis + k))


@composite(np.apply_over_axes)
def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: Any) -> Any:
    """Apply a function of an array and an axis, such as `np.sum`, along several axes; they stay as size 1.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.apply_over_axes(np.sum, tt.ones((2, 3, 4)), [0, 2]).shape
    (1, 3, 1)
    """
    x = a if isinstance(a, Tensor) else operand(a)
    for axis in np.atleast_1d(axes.data if isinstance(axes, Tensor) else axes).tolist():
        axis = axis % x.ndim if -x.ndim <= axis < x.ndim else axis
        y = func(x, axis)
        y = np.expand_dims(y, axis) if np.ndim(y) == x.ndim - 1 else y
        if np.ndim(y) != x.ndim:
            raise ValueError(f"apply_over_axes: got shape {np.shape(y)} from the function for shape {x.shape} and "
                             f"axis={axis}; expected {x.ndim} axes, or one fewer; give one that reduces one axis")
        x = y
    return x
