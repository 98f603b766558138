"""Ops that rearrange elements: repeat, tile, delete, insert, diagonals, triangles.

Each element of the output is one of the input, or 0. To find which one, NumPy's function is applied to an array of
positions: that gives the rule of most ops here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compose import composed
from ..core import S, Sample
from ..define import op
from ..dispatch import Function
from .index import scatter, take
from .join import concatenate

# --- rules from positions ---


def selection(*numpy: Any, method: bool = False, samples: Sequence[Sample] = ()) -> Callable[[Function], Function]:
    """Define an op whose output elements are elements of its input, or 0, independent of their values."""

    def define(forward: Function) -> Function:
        def put_back(g: Any, y: Any, x: Any, **params: Any) -> Any:
            origin = forward(np.arange(1, x.size + 1).reshape(x.shape), **params)  # from 1 on: the op fills with 0
            return scatter(g.reshape(-1), origin.reshape(-1), (x.size + 1,))[1:].reshape(x.shape)

        return op(put_back, numpy=numpy, method=method, analytic=True, samples=samples)(forward)

    return define


def rearranged(function: Function, *arrays: Any) -> Any:
    """What a function that rearranges elements makes of several arrays, as one differentiable gather."""
    origins, start = [], 0
    for a in arrays:
        origins.append(np.arange(start, start + np.size(a)).reshape(np.shape(a)))
        start += np.size(a)
    return take(concatenate([np.reshape(a, -1) for a in arrays]), function(*origins))


@selection(np.repeat, method=True, samples=(S((2, 3), repeats=2), S((2, 3), repeats=2, axis=1), S((), repeats=3),
                                            S((2, 3), repeats=np.array([2, 0, 1]), axis=1)))
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element `repeats` times in a row along an axis; the input is flattened if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.repeat(tt.tensor([1.0, 2.0]), [2, 1])
    tensor([1., 1., 2.])
    """
    return np.repeat(a, repeats, axis)


@selection(np.tile, samples=(S((3,), reps=2), S((2, 3), reps=(2, 1, 2)), S((), reps=3), S((2, 3), reps=0)))
def tile(A: Any, reps: Any) -> Any:
    """Repeat the whole array `reps` times along each axis.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tile(tt.tensor([1.0, 2.0]), 2)
    tensor([1., 2., 1., 2.])
    """
    return np.tile(A, reps)


@selection(np.resize, samples=(S((2, 3), new_shape=(3, 3)), S((4,), new_shape=7), S((2, 3), new_shape=(2, 1))))
def resize(a: Any, new_shape: Any) -> Any:
    """A new shape filled with the elements in order, repeated as often as needed.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.resize(tt.arange(3), (2, 2))
    tensor([[0, 1],
            [2, 0]])
    """
    return np.resize(a, new_shape)


@selection(np.delete, samples=(S((4,), obj=1), S((2, 3), obj=(0, -1), axis=1), S((4, 2), obj=slice(1, 3), axis=0),
                               S((3,), obj=np.array([True, False, False]))))
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Delete the elements at an index, indices, a slice or a mask along an axis; of the flattened input if it is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.delete(tt.arange(4), [0, 2])
    tensor([1, 3])
    """
    return np.delete(arr, obj, axis)


@composed(np.insert, "arr values", samples=(S((3,), 1, (2,)), S((2, 3), 1, (2,), axis=1), S((3,), np.array([0, 2]), ()),
                                            S((2, 3), slice(0, 2), (2, 3), axis=0)))
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Insert values before an index, indices or a slice along an axis; into the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.insert(tt.tensor([1.0, 2.0]), 1, 5.0)
    tensor([1., 5., 2.])
    """
    return rearranged(lambda a, v: np.insert(a, obj, v, axis), arr, values)


# --- diagonals and triangles ---


@selection(np.diagonal, method=True, samples=(S((3, 3)), S((2, 3), offset=1),
                                              S((2, 3, 4), offset=-1, axis1=2, axis2=1)))
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A diagonal of the matrices along two axes, as a new last axis.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(4).reshape(2, 2).diagonal()
    tensor([0, 3])
    """
    return np.diagonal(a, offset, axis1, axis2)


@selection(np.diag, samples=(S((3,)), S((2,), k=-1), S((3, 3)), S((2, 3), k=1)))
def diag(v: Any, k: int = 0) -> Any:
    """Diagonal k of a matrix; for a vector, the matrix with that diagonal k, and 0 elsewhere.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.diag(tt.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    return np.diag(v, k)


@selection(np.diagflat, samples=(S((3,)), S((2, 2), k=1), S(())))
def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with the flattened input on its diagonal k, and 0 elsewhere.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.diagflat(tt.tensor([[1.0], [2.0]]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    return np.diagflat(v, k)


@composed(np.trace, method=True, samples=(S((3, 3)), S((2, 3), offset=1), S((2, 3, 4), axis1=2, axis2=0)))
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Any:
    """The sum of a diagonal of the matrices along two axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.trace(tt.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


@op(lambda g, y, m, *, k: np.tril(g, k) if m.ndim > 1 else np.sum(np.tril(g, k), axis=0), numpy=(np.tril,),
    analytic=True, samples=(S((3, 3)), S((2, 3, 3), k=-1), S((3,))))
def tril(m: Any, k: int = 0) -> Any:
    """The lower triangle of the last two axes, 0 above diagonal k. A vector is first repeated as rows, as in NumPy.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tril(tt.ones((2, 2)))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return np.tril(m, k)


@op(lambda g, y, m, *, k: np.triu(g, k) if m.ndim > 1 else np.sum(np.triu(g, k), axis=0), numpy=(np.triu,),
    analytic=True, samples=(S((3, 3)), S((2, 3, 3), k=1), S((3,))))
def triu(m: Any, k: int = 0) -> Any:
    """The upper triangle of the last two axes, 0 below diagonal k. A vector is first repeated as rows, as in NumPy.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.triu(tt.ones((2, 2)), k=1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    return np.triu(m, k)


# --- trimming ---


@composed(np.trim_zeros, samples=(S((3,)), S((2, 3), trim="b", axis=1)))
def trim_zeros(filt: Any, trim: Any = "fb", axis: Any = None) -> Any:
    """Remove zeros at the front ("f"), the back ("b") or both ends of the axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.trim_zeros(tt.tensor([0.0, 1.0, 2.0, 0.0]))
    tensor([1., 2.])
    """
    values = filt.data
    shape, nonzero = np.trim_zeros(values, trim, axis).shape, np.argwhere(values)
    first = nonzero.min(axis=0) if "f" in trim.lower() and nonzero.size else [0] * values.ndim
    starts = [min(int(a), n - m) for a, n, m in zip(first, values.shape, shape, strict=True)]
    return filt[tuple([slice(a, a + n) for a, n in zip(starts, shape, strict=True)])]
