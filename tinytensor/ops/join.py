"""Joining arrays and splitting them: concatenate, stack, block, append; split, unstack."""

from __future__ import annotations

import operator
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..apply import operand
from ..compose import composed
from ..core import S, Tensor, as_array
from ..define import composite, op

FEW_INPUTS = 8  # for more inputs, the forward pass saves their offsets: to sum sizes in each rule is quadratic

# --- joining ---


def promote_numbers(arrays: tuple[Any, ...]) -> list[Any]:
    """The arrays, with Python numbers as arrays of the others' dtype; NumPy alone would make float64 of them."""
    numbers = [isinstance(a, int | float) for a in arrays]
    if not any(numbers):
        return list(arrays)
    dtype = np.result_type(*arrays) if not all(numbers) else np.result_type(as_array(list(arrays)))
    return [np.asarray(a, dtype) if number else a for a, number in zip(arrays, numbers, strict=True)]


def offsets(arrays: Any, axis: int | None) -> list[int]:
    """The offset of each array in their concatenation, and its total size."""
    sizes = [a.size if axis is None else a.shape[axis] for a in arrays]
    return list(accumulate(sizes, initial=0))


def input_slice(g: Any, i: int, inputs: tuple[Any, ...], axis: int | None, starts: list[int] | None) -> Any:
    """The gradient of input i of a concatenation: its slice of g."""
    start, stop = (starts or offsets(inputs[: i + 1], axis))[i : i + 2]
    if axis is None:
        return g[start:stop].reshape(inputs[i].shape)
    return g[(slice(None),) * (axis % g.ndim) + (slice(start, stop),)]


@op(lambda g, y, i, *inputs, axis, dtype, casting, extras=None: input_slice(g, i, inputs, axis, extras),
    numpy=(np.concatenate,), aliases=("concat",), variadic=True, analytic=True,
    samples=(S((2, 3), (1, 3)), S((2, 3), (2, 0), (2, 1), axis=-1), S((2,), (1, 2), axis=None)))
def concatenate(*arrays: Any, axis: int | None = 0, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """Join a sequence of arrays along an existing axis; flattened first if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.concatenate([tt.zeros(2), tt.ones(1)])
    tensor([0., 0., 1.])
    """
    alike = promote_numbers(arrays)
    y = np.concatenate(alike, axis) if dtype is None else np.concatenate(alike, axis, dtype=dtype, casting=casting)
    return y if len(alike) <= FEW_INPUTS else (y, offsets(alike, axis))


@op(lambda g, y, i, *inputs, axis, dtype, casting: g[(slice(None),) * (axis % g.ndim) + (i,)], numpy=(np.stack,),
    variadic=True, analytic=True, samples=(S((2, 3), (2, 3)), S((3,), (3,), (3,), axis=-1), S((), ())))
def stack(*arrays: Any, axis: int = 0, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """Join a sequence of arrays of equal shape along a new axis.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.stack([tt.zeros(2), tt.ones(2)]).shape
    (2, 2)
    """
    alike = promote_numbers(arrays)
    return np.stack(alike, axis) if dtype is None else np.stack(alike, axis, dtype=dtype, casting=casting)


def stack_nested(values: Any) -> Any:
    """Nested sequences of numbers and arrays as one array."""
    return stack([stack_nested(v) for v in values]) if isinstance(values, list | tuple) else values


@composed(np.vstack, aliases=("row_stack",), samples=(S([(2, 3), (3,)]), S([(), ()])))
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join arrays vertically, along axis 0; vectors become rows.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.vstack([tt.zeros(2), tt.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    return np.concatenate([np.atleast_2d(x) for x in tup])


@composed(np.hstack, samples=(S([(2, 3), (2, 1)]), S([(2,), (3,)]), S([(), (2,)])))
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join arrays horizontally, along axis 1; vectors along axis 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.hstack([tt.zeros(1), tt.ones(2)])
    tensor([0., 1., 1.])
    """
    parts = [np.atleast_1d(x) for x in tup]
    return np.concatenate(parts, 0 if parts[0].ndim == 1 else 1)


@composed(np.dstack, samples=(S([(2, 3), (2, 3)]), S([(2,), (2,)]), S([(2, 1, 2), (2, 1)])))
def dstack(tup: Any) -> Any:
    """Join arrays in depth, along axis 2, each first made three-dimensional by `atleast_3d`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.dstack([tt.zeros(2), tt.ones(2)]).shape
    (1, 2, 2)
    """
    return np.concatenate([np.atleast_3d(x) for x in tup], 2)


@composed(np.column_stack, samples=(S([(2,), (2,)]), S([(2,), (2, 3)]), S([(), ()])))
def column_stack(tup: Any) -> Any:
    """Join vectors, as columns, and matrices along axis 1.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.column_stack([tt.zeros(2), tt.ones(2)])
    tensor([[0., 1.],
            [0., 1.]])
    """
    return np.concatenate([np.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x for x in tup], 1)


def concatenate_nested(x: Any, ndim: int, axis: int) -> Any:
    """Nested lists of arrays joined along `axis`, inner lists along axis + 1, ...; each array gets `ndim` axes."""
    if isinstance(x, list):
        return np.concatenate([concatenate_nested(inner, ndim, axis + 1) for inner in x], axis)
    return np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x))


def depth_and_axes(x: Any) -> tuple[int, int]:
    """The depth of nested lists, and the largest number of axes of the arrays in them."""
    if not isinstance(x, list):
        return 0, np.ndim(x)
    depths, axes = zip(*map(depth_and_axes, x), strict=True)
    return max(depths) + 1, max(axes)


@composed(np.block, samples=(S([[(2, 2), (2, 1)], [(1, 2), (1, 1)]]), S([(2,), ()]), S((2,))))
def block(arrays: Any) -> Any:
    """Join nested lists of blocks: the innermost lists along the last axis, the next along the one before, and so on.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.block([[tt.zeros((1, 2)), tt.ones((1, 1))], [tt.ones((1, 3))]])
    tensor([[0., 0., 1.],
            [1., 1., 1.]])
    """
    depth, axes = depth_and_axes(arrays)
    return concatenate_nested(arrays, max(depth, axes), -depth)


@composed(np.append, "arr values", samples=(S((2, 3), (1, 3), axis=0), S((2, 3), (2,)), S((2,), ())))
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Append values at the end of an axis; both are flattened if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.append(tt.tensor([1.0, 2.0]), 3.0)
    tensor([1., 2., 3.])
    """
    return np.concatenate([arr, values], axis)


# --- splitting ---


@composite(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split along an axis into a number of nearly equal parts, longer ones first, or at each of several indices.

    Examples
    --------
    >>> import tinytensor as tt
    >>> [part.shape for part in tt.array_split(tt.ones(7), 3)]
    [(3,), (2,), (2,)]
    """
    return split_along("array_split", ary, indices_or_sections, axis, even=False)


@composite(np.split, method=True)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split along an axis into a number of equal parts, or at each of several indices, as `np.split`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> [part.shape for part in tt.split(tt.ones((2, 6)), 3, axis=1)]
    [(2, 2), (2, 2), (2, 2)]
    """
    return split_along("split", ary, indices_or_sections, axis)


@composite(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along axis 1, a vector along axis 0; see `split`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> [part.shape for part in tt.hsplit(tt.ones((2, 4)), [1])]
    [(2, 1), (2, 3)]
    """
    return split_along("hsplit", ary, indices_or_sections, int(np.ndim(ary) > 1), axes=1)


@composite(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along axis 0 of two or more; see `split`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> [part.shape for part in tt.vsplit(tt.ones((2, 3)), 2)]
    [(1, 3), (1, 3)]
    """
    return split_along("vsplit", ary, indices_or_sections, 0, axes=2)


@composite(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along axis 2; see `split`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> [part.shape for part in tt.dsplit(tt.ones((1, 2, 4)), 2)]
    [(1, 2, 2), (1, 2, 2)]
    """
    return split_along("dsplit", ary, indices_or_sections, 2, axes=3)


def split_along(name: str, x: Any, sections: Any, axis: int, even: bool = True, axes: int = 0) -> list[Any]:
    """Slices of x along an axis; parts must be of equal size if `even`, and x have at least `axes` axes."""
    x = x if isinstance(x, Tensor) else operand(x)
    sections = sections.data if isinstance(sections, Tensor) else sections
    if np.ndim(x) < axes:
        raise ValueError(f"{name}: got shape {np.shape(x)}; expected {axes} axes or more; reshape it first")
    try:
        axis = normalize_axis_index(operator.index(axis), np.ndim(x))
    except (TypeError, ValueError) as error:  # an AxisError is a ValueError
        raise type(error)(f"{name}: {error}; expected an axis of shape {np.shape(x)}; give an integer from -ndim to "
                          f"ndim - 1") from None
    size = x.shape[axis]
    if np.iterable(sections) and not isinstance(sections, str | dict):
        bounds = [0, *as_integers(name, sections), size]
    else:
        try:
            n = int(sections)
        except (TypeError, ValueError, OverflowError):
            raise TypeError(f"{name}: got {sections!r} for the parts; expected a number of parts, or a list of "
                            f"indices to split at; give integers") from None
        if n < 1 or (even and size % sections):
            raise ValueError(f"{name}: got {sections} parts for {size} elements along axis {axis}; expected "
                             f"{'a divisor of ' + str(size) if even else '1 or more'}; give such a number, or a list "
                             f"of indices to split at")
        bounds = list(accumulate([size // n + (i < size % n) for i in range(n)], initial=0))
    return [x[(*[slice(None)] * axis, slice(a, b))] for a, b in pairwise(bounds)]


def as_integers(name: str, numbers: Any) -> list[int]:
    """Indices as Python integers."""
    try:
        return [operator.index(n) for n in numbers]
    except TypeError as error:
        raise TypeError(f"{name}: {error}; expected a list of indices to split at; give integers") from None


@composed(np.unstack, samples=(S((2, 3)), S((2, 3, 2), axis=1)))
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """The slices of an array along an axis, without that axis, as a tuple: the inverse of `stack`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.unstack(tt.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    (tensor([1., 3.]), tensor([2., 4.]))
    """
    return tuple(np.moveaxis(x, axis, 0))
