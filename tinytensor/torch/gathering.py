"""Functions that read or write one position in each line along an axis: gather, scatter and their kin.

Whole slices by index, and masks, are in `selecting.py`, square brackets in `index.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..advice import a_type
from ..core import Tensor as Node
from ..core import TracerBase
from ..ops.index import full_index
from .dtypes import of
from .offer import offer
from .shape import axis_at
from .tensor import Tensor, as_node, of_array, wrap

# --- arguments ---


def places(name: str, index: Any, n: int | None, least: int = 0, vector: bool = False) -> Any:
    """The array of an index tensor, all within `least` and n."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}: got {a_type(index)} as the index; expected a tensor; write torch.tensor(i)")
    i = index.node.data
    if i.dtype not in (np.int64, np.int32) and i.size:
        raise RuntimeError(f"{name}: expected dtype int32/int64 for index; got {of(i.dtype)}; convert it: i.long()")
    if vector:
        if i.ndim > 1:
            raise IndexError(f"{name}: Index is supposed to be a vector; got shape {[*i.shape]}; flatten it")
        i = i.reshape(-1)
    if n is not None and not isinstance(i, TracerBase) and i.size and not (least <= i.min() and i.max() < n):
        kind = IndexError if vector else RuntimeError
        bad = i.min() if i.min() < least else i.max()
        raise kind(f"{name}: index {bad} is out of bounds for dimension with size {n}; expected one from {least} to "
                   f"{n - 1}; these functions count from 0")
    return i


def same_dtype(name: str, x: Any, src: Any) -> Any:
    """The node of a source that has the tensor's dtype."""
    src = as_node(src, name)
    if src.data.dtype != x.data.dtype:
        raise RuntimeError(f"{name}: Expected self.dtype to be equal to src.dtype; got {of(x.data.dtype)} and "
                           f"{of(src.data.dtype)}; convert one: src.to(x.dtype)")
    return src


def lines(name: str, x: Any, dim: int, index: Any, src: Any = None) -> tuple[Any, Any, Any]:
    """The input with at least one axis, NumPy's index for one position in each line, and the source for it."""
    x = x if x.data.ndim else ops.reshape(x, (1,))
    shape = x.data.shape
    axis = axis_at(name, dim, len(shape))
    i = places(name, index, shape[axis])
    i = i if i.ndim or len(shape) > 1 else i.reshape(1)
    if i.size and i.ndim != len(shape):
        raise RuntimeError(f"{name}: Index tensor must have the same number of dimensions as input tensor; got "
                           f"{[*i.shape]} and {[*shape]}; unsqueeze it")
    if not i.size:
        return x, None, src
    if any(n > m for a, (n, m) in enumerate(zip(i.shape, shape, strict=True)) if a != axis):
        raise RuntimeError(f"{name}: Expected index {[*i.shape]} to be no larger than self {[*shape]} apart from "
                           f"dimension {dim}; give a smaller index")
    if src is not None and src.data.shape != i.shape:
        src = src if src.data.ndim else ops.reshape(src, (1,))
        if src.data.ndim != i.ndim or any(n > m for n, m in zip(i.shape, src.data.shape, strict=True)):
            raise RuntimeError(f"{name}: Expected index {[*i.shape]} to be no larger than src {[*src.data.shape]}; "
                               f"give a smaller index")
        src = ops.getitem(src, tuple([slice(n) for n in i.shape]))
    return x, full_index(i, axis, len(shape), i.shape), src


def shaped(node: Any, like: Any) -> Tensor:
    """The result in the shape of the input, which may have had no axes."""
    return wrap(node if node.data.shape == like.data.shape else ops.reshape(node, like.data.shape))


# --- one position in each line ---


@offer(method=True, note="Gather")
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """For each element of the index, the element of that line which it names.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.tensor([[1, 2], [3, 4]]).gather(1, torch.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    x, found, _ = lines("gather", input.node, dim, index)
    if found is None:
        return wrap(ops.reshape(ops.getitem(ops.reshape(x, (-1,)), slice(0)), index.node.data.shape))
    if x.data.ndim == index.node.data.ndim:
        axis = axis_at("gather", dim, x.data.ndim)
        if all(n == m or a == axis for a, (n, m) in enumerate(zip(x.data.shape, index.node.data.shape, strict=True))):
            return wrap(ops.take_along_axis(x, index.node.data, axis))
    y = ops.getitem(x, found)
    return wrap(y if y.data.shape == index.node.data.shape else ops.reshape(y, index.node.data.shape))


@offer(method=True, in_place=True, note="Scatter")
def scatter(input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
            reduce: str | None = None) -> Tensor:
    """A copy with the source, or a number, at the position that the index names in each line."""
    x, src = input.node, value if src is None else src
    if src is None:
        raise TypeError("scatter: got no src; expected a tensor or a number; write x.scatter(dim, index, src)")
    if not isinstance(src, Tensor):
        src = of_array(np.full(index.node.data.shape, src, x.data.dtype))
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError(f"scatter: reduce argument must be either add or multiply; got {reduce!r}; use "
                               f"scatter_reduce")
        return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")
    z, found, source = lines("scatter", x, dim, index, same_dtype("scatter", x, src))
    return shaped(ops.copy(z) if found is None else ops.index_put(z, source, found), x)


@offer(method=True, in_place=True, note="ScatterAdd")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """The input with the source added at the position that the index names in each line; repeated ones add up."""
    x = input.node
    z, found, source = lines("scatter_add", x, dim, index, same_dtype("scatter_add", x, src))
    return shaped(ops.copy(z) if found is None else ops.add(z, ops.scatter(source, found, z.data.shape)), x)


@offer(method=True, in_place=True, note="ScatterReduce")
def scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *,
                   include_self: bool = True) -> Tensor:
    """Combine the elements of the source that have one target position, with the element there.

    `reduce` is "sum", "prod", "mean", "amax" or "amin"; without `include_self`, what stands there does not count.
    """
    x = input.node
    z, found, source = lines("scatter_reduce", x, dim, index, same_dtype("scatter_reduce", x, src))
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"scatter_reduce: reduce argument must be either sum, prod, mean, amax or amin, got "
                           f"{reduce}; give one of them")
    if found is None:
        return wrap(ops.copy(x))
    return shaped(REDUCTIONS[reduce](z, found, source, include_self), x)


def without(x: Any, found: Any, neutral: Any) -> Any:
    """The input with a neutral value where the source goes."""
    return ops.index_put(x, np.asarray(neutral, x.data.dtype), found)


def total(x: Any, found: Any, src: Any, include_self: bool) -> Any:
    x = x if include_self else without(x, found, 0)
    return ops.add(x, ops.scatter(src, found, x.data.shape))


def average(x: Any, found: Any, src: Any, include_self: bool) -> Any:
    counts = np.zeros(x.data.shape, np.int64)
    np.add.at(counts, found, 1)
    counts = np.maximum(counts + include_self, 1)
    y = total(x, found, src, include_self)
    if x.data.dtype.kind == "f":
        return ops.divide(y, counts.astype(x.data.dtype))
    return Node((y.data // counts).astype(x.data.dtype))


def product(x: Any, found: Any, src: Any, include_self: bool) -> Any:
    """Factor by factor: the first of each position, the second of each, ..."""
    y = x if include_self else without(x, found, 1)
    targets = np.ravel_multi_index(np.broadcast_arrays(*found), x.data.shape).reshape(-1)
    order = np.argsort(targets, kind="stable")
    ordered = targets[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size) - np.repeat(starts, np.diff(starts, append=order.size))
    y, src = ops.reshape(y, (-1,)), ops.reshape(src, (-1,))
    for k in range(int(rank.max()) + 1):
        those = np.flatnonzero(rank == k)
        ones = np.ones(y.data.shape, y.data.dtype)
        y = ops.multiply(y, ops.index_put(ones, ops.take(src, those, 0), targets[those]))
    return ops.reshape(y, x.data.shape)


def extreme(function: Any, least: Any) -> Any:
    """`amax` or `amin`: gradients are split evenly between those that are equal to the result."""
    def reduce(x: Any, found: Any, src: Any, include_self: bool) -> Any:
        a, b = x.data, src.data
        result = a.copy()
        own = np.ones(a.shape, bool)
        if not include_self:
            own[found] = False
            result[found] = least(a.dtype)
        function.at(result, found, b)
        own &= a == result
        theirs = b == result[found]
        counts = np.zeros(a.shape, a.dtype if a.dtype.kind == "f" else np.int64)
        np.add.at(counts, found, theirs)
        counts = np.maximum(counts + own, 1)
        if a.dtype.kind != "f":
            return Node(result)
        y = ops.add(ops.where(own, x, 0), ops.scatter(ops.where(theirs, src, 0), found, a.shape))
        y = ops.divide(y, counts)
        y.data = result  # subtle: the same, but for rounding; the rule of divide does not read it
        return y

    return reduce


def lowest(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


def highest(dtype: Any) -> Any:
    return np.inf if dtype.kind == "f" else True if dtype.kind == "b" else np.iinfo(dtype).max


REDUCTIONS = {"sum": total, "mean": average, "prod": product, "amax": extreme(np.maximum, lowest),
              "amin": extreme(np.minimum, highest)}


@offer(method=True, note="Gather")
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As `gather`, with an index that broadcasts; of the flattened input without `dim`."""
    x = input.node
    if dim is None:
        i = places("take_along_dim", indices, x.data.size, -x.data.size).reshape(-1)
        return wrap(ops.take(ops.reshape(x, (-1,)), i, 0))
    axis = axis_at("take_along_dim", dim, x.data.ndim)
    n = x.data.shape[axis] if x.data.ndim else 1
    i = places("take_along_dim", indices, n, -n)
    if i.ndim != x.data.ndim:
        raise RuntimeError(f"take_along_dim: input and indices should have the same number of dimensions, but got "
                           f"{x.data.ndim} and {i.ndim}; unsqueeze one")
    shape = list(np.broadcast_shapes(*[(*s[:axis], 1, *s[axis + 1 :]) for s in (x.data.shape, i.shape)]))
    shape[axis] = x.data.shape[axis]
    x = ops.broadcast_to(x, tuple(shape))
    shape[axis] = i.shape[axis]
    return wrap(ops.take_along_axis(x, np.broadcast_to(i, shape), axis))
