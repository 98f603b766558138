"""Sorting, partitioning, and the functions of sets. Their results are elements of their inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import arrays_of, composed
from ..core import S
from ..define import op
from ..modes import no_grad
from .index import take, take_along_axis
from .join import concatenate

# --- sorting ---


@op(None, numpy=(np.argsort,), method=True, samples=(S((2, 3)), S((2, 3), axis=0), S((2, 3), axis=None, stable=True)))
def argsort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> Any:
    """The indices that sort the elements along an axis in ascending order; of the flattened input if axis is None.

    Equal elements keep their order if `stable`, or with kind="stable".

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([3.0, 1.0, 2.0]).argsort()
    tensor([1, 2, 0])
    """
    return np.argsort(a, axis, kind, stable=stable)


@op(None, numpy=(np.argpartition,), method=True, samples=(S((2, 3), kth=1), S((3, 2), kth=0, axis=0)))
def argpartition(a: Any, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Any:
    """The indices that partition each vector along an axis: element `kth` as if sorted, smaller before, larger after.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.argpartition(tt.tensor([3.0, 1.0, 2.0]), 0)[0]
    tensor(1)
    """
    return np.argpartition(a, kth, axis, kind)


def flatten_if_none(a: Any, axis: int | None) -> tuple[Any, int]:
    """The array and the axis; the flattened array and 0 if the axis is None."""
    return (np.reshape(a, -1), 0) if axis is None else (a, axis)


@composed(np.sort, method=True, samples=(S((2, 3)), S((2, 3), axis=0), S((2, 3), axis=None), S((4,), kind="stable")))
def sort(a: Any, axis: int | None = -1, kind: str | None = None, order: None = None, *,
         stable: bool | None = None) -> Any:
    """The elements sorted along an axis in ascending order; those of the flattened input if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([3.0, 1.0, 2.0]).sort()
    tensor([1., 2., 3.])
    """
    a, axis = flatten_if_none(a, axis)
    return take_along_axis(a, np.argsort(a, axis, "stable"), axis)


@composed(np.partition, samples=(S((4,), 2), S((3, 2), 1, axis=0), S((2, 3), kth=(0, 3), axis=None)))
def partition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Any:
    """Partition each vector along an axis: element `kth` is where sorting would put it, smaller before, larger after.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.partition(tt.tensor([3.0, 1.0, 2.0]), 0)[0]
    tensor(1.)
    """
    a, axis = flatten_if_none(a, axis)
    with no_grad():
        y = np.partition(a, kth, axis, kind)  # type: ignore[call-overload]
    ranks = np.argsort(np.argsort(y, axis, "stable"), axis, "stable")
    return take_along_axis(a, np.take_along_axis(np.argsort(a, axis, "stable"), ranks, axis), axis)


# --- sets: the gradient of a value goes to the first input element that has it ---


def elements_equal_to(y: Any, *arrays: Any) -> Any:
    """For each value in y, the first element of the arrays that equals it."""
    flat = concatenate([np.reshape(a, -1) for a in arrays])
    values = flat.data
    order = np.argsort(values, kind="stable")
    return take(flat, order[np.searchsorted(values, y, sorter=order)])


def first_differentiable(results: Any, x: Any) -> Any:
    """The results of a function of sets, of which only the first one has a gradient."""
    if not isinstance(results, tuple):
        return elements_equal_to(results, x)
    return (elements_equal_to(results[0], x), *[None] * (len(results) - 1))


@composed(np.unique, samples=(S((5,)), S((2, 3), return_inverse=True, return_counts=True), S((3, 2), axis=0)))
def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: int | None = None, *, equal_nan: bool = True, sorted: bool = True) -> Any:
    """The distinct elements, sorted. The gradient of each goes to its first occurrence.

    Parameters
    ----------
    ar : array_like
    return_index, return_inverse, return_counts : bool
        Whether to also return the index of each first occurrence, for each element the index of its value, and how
        often each value occurs.
    axis : int, optional
        The axis whose slices are compared; if left out, single elements are.
    equal_nan : bool
        Whether all nan count as one value.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.unique(tt.tensor([3.0, 1.0, 3.0]), return_counts=True)
    (tensor([1., 3.]), tensor([1, 2]))
    """
    options: Any = {"equal_nan": equal_nan, "sorted": sorted}
    if axis is None:
        options |= {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts}
        return first_differentiable(np.unique(arrays_of(ar), **options), ar)
    _, first = np.unique(arrays_of(ar), True, axis=axis, **options)
    several = return_index + return_inverse + return_counts
    return (take(ar, first, axis), *[None] * several) if several else take(ar, first, axis)


@composed(np.unique_values, samples=(S((5,)),))
def unique_values(x: Any) -> Any:
    """The distinct elements, in no particular order.

    Examples
    --------
    >>> import tinytensor as tt
    >>> sorted(tt.unique_values(tt.tensor([3.0, 1.0, 3.0])).tolist())
    [1.0, 3.0]
    """
    return elements_equal_to(np.unique_values(arrays_of(x)), x)


@composed(np.unique_counts, samples=(S((5,)),))
def unique_counts(x: Any) -> Any:
    """The distinct elements, and how often each occurs.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.unique_counts(tt.tensor([3.0, 1.0, 3.0])).counts
    tensor([1, 2])
    """
    return first_differentiable(np.unique_counts(arrays_of(x)), x)


@composed(np.unique_inverse, samples=(S((5,)),))
def unique_inverse(x: Any) -> Any:
    """The distinct elements, and for each element of x the index of its value.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.unique_inverse(tt.tensor([3.0, 1.0, 3.0])).inverse_indices
    tensor([1, 0, 1])
    """
    return first_differentiable(np.unique_inverse(arrays_of(x)), x)


@composed(np.unique_all, samples=(S((5,)),))
def unique_all(x: Any) -> Any:
    """The distinct elements, the index of each first occurrence, the inverse indices, and the counts.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.unique_all(tt.tensor([3.0, 1.0, 3.0])).indices
    tensor([1, 0])
    """
    return first_differentiable(np.unique_all(arrays_of(x)), x)


@composed(np.intersect1d, "ar1 ar2", samples=(S((3,), (4,)),))
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: Any = False) -> Any:
    """The values that are in both arrays, sorted; optionally their indices in each. The gradient goes to ar1.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.intersect1d(tt.tensor([3.0, 1.0]), tt.tensor([1.0, 2.0]))
    tensor([1.])
    """
    return first_differentiable(np.intersect1d(arrays_of(ar1), arrays_of(ar2), assume_unique, return_indices), ar1)


@composed(np.union1d, "ar1 ar2", samples=(S((3,), (2, 2)),))
def union1d(ar1: Any, ar2: Any) -> Any:
    """The values that are in at least one of two arrays, sorted.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.union1d(tt.tensor([3.0, 1.0]), tt.tensor([1.0, 2.0]))
    tensor([1., 2., 3.])
    """
    return elements_equal_to(np.union1d(arrays_of(ar1), arrays_of(ar2)), ar1, ar2)


@composed(np.setdiff1d, "ar1 ar2", samples=(S((4,), (2,)),))
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The values that are in the first array but not in the second, in order.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.setdiff1d(tt.tensor([3.0, 1.0]), tt.tensor([1.0, 2.0]))
    tensor([3.])
    """
    return elements_equal_to(np.setdiff1d(arrays_of(ar1), arrays_of(ar2), assume_unique), ar1)


@composed(np.setxor1d, "ar1 ar2", samples=(S((3,), (3,)),))
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The values that are in one of two arrays but not in both, in order.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.setxor1d(tt.tensor([3.0, 1.0]), tt.tensor([1.0, 2.0]))
    tensor([2., 3.])
    """
    return elements_equal_to(np.setxor1d(arrays_of(ar1), arrays_of(ar2), assume_unique), ar1, ar2)
