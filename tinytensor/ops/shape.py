"""The ops that arrange: no value changes, only where it stands. Adjoint pairs stand side by side.

The adjoint of a slice is `scatter`, in `index.py`; that of `broadcast_to` is the engine's un-broadcasting.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..core import S, Tensor, as_array
from ..define import expose, op

# --- the same elements under another shape or order ---


@op(lambda g, y, x, *, shape: g.reshape(x.shape), numpy=(np.reshape,), method=True, spread=True, analytic=True,
    samples=(S((2, 3), shape=(3, 2)), S((2, 3), shape=-1), S((), shape=(1, 1)), S((0, 3), shape=(3, 0))))
def reshape(x: Any, shape: Any) -> Any:
    """The same elements in another shape; one size may be -1, to be worked out.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return x.reshape(shape)


@expose(np.ravel, method=True, aliases=("flatten",))
def ravel(x: Any) -> Any:
    """The same elements along one axis.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((2, 2)).ravel()
    tensor([1., 1., 1., 1.])
    """
    return reshape(x, -1)


@op(lambda g, y, x, *, axes: g.transpose(None if axes is None else np.argsort([a % x.ndim for a in axes]).tolist()),
    numpy=(np.transpose,), method=True, aliases=("permute_dims",), spread=True, analytic=True,
    samples=(S((2, 3)), S((2, 3, 4), axes=(2, 0, 1)), S((2, 3, 4), axes=(0, -1, 1)), S(())))
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order; reversed if `axes` is left out.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((2, 3, 4)).transpose(2, 0, 1).shape
    (4, 2, 3)
    """
    return x.transpose(axes)


@op(lambda g, y, x, *, axis1, axis2: g.swapaxes(axis1, axis2), numpy=(np.swapaxes,), method=True, analytic=True,
    samples=(S((2, 3, 4), axis1=0, axis2=-1),))
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((2, 3, 4)).swapaxes(0, 2).shape
    (4, 3, 2)
    """
    return x.swapaxes(axis1, axis2)


@op(lambda g, y, x, *, source, destination: np.moveaxis(g, destination, source), numpy=(np.moveaxis,), analytic=True,
    samples=(S((2, 3, 4), source=0, destination=-1), S((2, 3, 4), source=(0, 1), destination=(2, 0))))
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other places; the others keep their order.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.moveaxis(tt.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    return np.moveaxis(x, source, destination)


@op(lambda g, y, x, *, axis: g.reshape(x.shape), numpy=(np.expand_dims,), analytic=True,
    samples=(S((2, 3), axis=1), S((2,), axis=(0, -1)), S((), axis=0)))
def expand_dims(x: Any, axis: Any) -> Any:
    """New axes of size 1 at the places `axis`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.expand_dims(tt.ones(3), 1).shape
    (3, 1)
    """
    return np.expand_dims(x, axis)


@op(lambda g, y, x, *, axis: g.reshape(x.shape), numpy=(np.squeeze,), method=True, analytic=True,
    samples=(S((1, 3, 1)), S((1, 3, 1), axis=0), S((1, 3, 1), axis=(0, -1))))
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without the axes of size 1: all of them, or those given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((1, 3, 1)).squeeze().shape
    (3,)
    """
    return np.squeeze(x, axis=axis)


@op(lambda g, y, x, *, axis: np.flip(g, axis), numpy=(np.flip,), analytic=True,
    samples=(S((2, 3)), S((2, 3), axis=0), S((2, 3), axis=(0, 1))))
def flip(x: Any, axis: Any = None) -> Any:
    """The order of the elements reversed along the axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.flip(tt.arange(3))
    tensor([2, 1, 0])
    """
    return np.flip(x, axis)


# --- more elements than before, or fewer ---


@op(lambda g, y, x, *, shape: g, numpy=(np.broadcast_to,), broadcasts=True, analytic=True,
    samples=(S((3,), shape=(2, 3)), S((2, 1), shape=(2, 3)), S((), shape=(2,)), S((1, 3), shape=(0, 3))))
def broadcast_to(x: Any, shape: Any) -> Any:
    """The elements repeated to fill `shape`, by NumPy's rules of broadcasting. The result is read-only.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.broadcast_to(tt.tensor([1.0, 2.0]), (2, 2))
    tensor([[1., 2.],
            [1., 2.]])
    """
    return np.broadcast_to(x, shape)


def alike(arrays: tuple[Any, ...]) -> list[Any]:
    """The arrays, with Python numbers among them in the dtype of the others: alone they would be float64."""
    numbers = [isinstance(a, int | float) for a in arrays]
    if not any(numbers):
        return list(arrays)
    dtype = np.result_type(*arrays) if not all(numbers) else np.result_type(as_array(list(arrays)))
    return [np.asarray(a, dtype) if number else a for a, number in zip(arrays, numbers, strict=True)]


def part(g: Any, i: int, inputs: tuple[Any, ...], axis: int | None) -> Any:
    """The slice of g that input number i of a concatenation went to."""
    if axis is None:
        start = sum(x.size for x in inputs[:i])
        return g[start : start + inputs[i].size].reshape(inputs[i].shape)
    start = sum(x.shape[axis] for x in inputs[:i])
    return g[(slice(None),) * (axis % g.ndim) + (slice(start, start + inputs[i].shape[axis]),)]


@op(lambda g, y, i, *inputs, axis: part(g, i, inputs, axis), numpy=(np.concatenate,), aliases=("concat",),
    variadic=True, analytic=True,
    samples=(S((2, 3), (1, 3)), S((2, 3), (2, 0), (2, 1), axis=-1), S((2,), (1, 2), axis=None)))
def concatenate(*arrays: Any, axis: int | None = 0) -> Any:
    """The arrays of one sequence joined along an axis; flattened first if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.concatenate([tt.zeros(2), tt.ones(1)])
    tensor([0., 0., 1.])
    """
    return np.concatenate(alike(arrays), axis=axis)


@op(lambda g, y, i, *inputs, axis: g[(slice(None),) * (axis % g.ndim) + (i,)], numpy=(np.stack,), variadic=True,
    analytic=True, samples=(S((2, 3), (2, 3)), S((3,), (3,), (3,), axis=-1)))
def stack(*arrays: Any, axis: int = 0) -> Any:
    """The arrays of one sequence, all of one shape, along a new axis.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.stack([tt.zeros(2), tt.ones(2)]).shape
    (2, 2)
    """
    return np.stack(alike(arrays), axis=axis)


@expose(np.split, method=True)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Slices along an axis: so many of equal size, or cut before each of the indices. As `np.split`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> [part.shape for part in tt.split(tt.ones((2, 6)), 3, axis=1)]
    [(2, 2), (2, 2), (2, 2)]
    """
    size = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or size % indices_or_sections:
            raise ValueError(f"split: {size} elements along axis {axis} do not divide into {indices_or_sections} equal "
                             f"parts; give a divisor, or a list of the indices to cut at")
        cuts = list(range(0, size + 1, size // indices_or_sections or 1))[: indices_or_sections + 1]
        cuts = cuts if size else [0] * (indices_or_sections + 1)
    else:
        cuts = [0, *indices_or_sections, size]
    lead = (slice(None),) * (axis % x.ndim)
    return [x[(*lead, slice(a, b))] for a, b in pairwise(cuts)]


def widths(pad_width: Any, ndim: int) -> list[list[int]]:
    """The padding before and after each axis, from any of NumPy's ways to write it."""
    pairs: list[list[int]] = np.broadcast_to(pad_width, (ndim, 2)).tolist()
    return pairs


@op(lambda g, y, x, *, pad_width, constant_values:
        g[tuple(slice(a, a + n) for (a, _), n in zip(widths(pad_width, x.ndim), x.shape, strict=True))],
    numpy=(np.pad,), analytic=True,
    samples=(S((2, 3), pad_width=1), S((2, 3), pad_width=((0, 1), (2, 0))), S((3,), pad_width=(1, 2))))
def pad(x: Any, pad_width: Any, *, constant_values: float = 0) -> Any:
    """A border of constant values; `pad_width` is one number, one pair (before, after), or a pair for each axis.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.pad(tt.ones(2), (1, 2))
    tensor([0., 1., 1., 0., 0.])
    """
    return np.pad(x, widths(pad_width, np.ndim(x)), constant_values=constant_values)


@op(lambda g, y, x, *, k: np.tril(g, k), numpy=(np.tril,), analytic=True, samples=(S((3, 3)), S((2, 3, 3), k=-1)))
def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle of the last two axes, 0 above diagonal k.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tril(tt.ones((2, 2)))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return np.tril(matrix("tril", x), k)


def matrix(name: str, x: Any) -> Any:
    """x, once it is sure that it has two axes or more; NumPy would make a matrix of a vector."""
    if np.ndim(x) < 2:
        raise ValueError(f"{name}: shape {np.shape(x)} came; expected two axes or more; give it one: x.reshape(1, -1)")
    return x


@op(lambda g, y, x, *, k: np.triu(g, k), numpy=(np.triu,), analytic=True, samples=(S((3, 3)), S((2, 3, 3), k=1)))
def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle of the last two axes, 0 below diagonal k.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.triu(tt.ones((2, 2)), k=1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    return np.triu(matrix("triu", x), k)


setattr(Tensor, "T", property(lambda x: transpose(x), doc="The axes in reverse order."))
setattr(Tensor, "mT", property(lambda x: swapaxes(x, -1, -2), doc="The last two axes exchanged."))
