"""Tensors joined into one, along an axis that there is or a new one; grids and combinations of vectors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..advice import a_type
from ..core import Tensor as Node
from .dtypes import result_dtype
from .offer import FUNCTIONS, offer
from .operators import as_dtype
from .shape import axis_at, reshape
from .stretching import expand
from .tensor import Tensor, as_node, wrap


def given(name: str, tensors: Any) -> list[Any]:
    """The nodes of tensors in a list or tuple, in the dtype that they have together."""
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"{name}: got {a_type(tensors)}; expected a tuple of tensors; write [a, b]")
    xs = []
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: expected Tensor as element {i} in argument 0, but got {type(x).__name__}; write "
                            f"torch.tensor(...) around it")
        xs.append(x.node)
    if not xs:
        raise (ValueError if name == "cat" else RuntimeError)(
            f"{name}: expected a non-empty list of Tensors; got none; give one or more")
    first = xs[0].data.dtype
    if all(x.data.dtype is first for x in xs):
        return xs
    dtype = result_dtype(*[x.data for x in xs])
    return [as_dtype(x, dtype) for x in xs]


@offer("cat", "concat", "concatenate", note="Cat")
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors joined along an axis; all others have the same size.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.cat([torch.zeros(1, 2), torch.ones(1, 2)], 1)
    tensor([[0., 0., 1., 1.]])
    """
    xs = given("cat", tensors)
    if any(not x.data.ndim for x in xs):
        raise RuntimeError("cat: zero-dimensional tensor (at position 0 or later) cannot be concatenated; expected one "
                           "axis or more; use torch.stack")
    some = [x for x in xs if x.data.shape != (0,)] or xs[:1]  # subtle: PyTorch passes over empty vectors
    shape = some[0].data.shape
    axis = axis_at("cat", dim, len(shape))
    for x in some:
        other = x.data.shape
        if len(other) != len(shape) or shape[:axis] != other[:axis] or shape[axis + 1 :] != other[axis + 1 :]:
            raise RuntimeError(f"cat: Sizes of tensors must match except in dimension {dim}; got {[*shape]} and "
                               f"{[*other]}; reshape one, or join along another axis")
    return wrap(ops.concatenate(some, axis))


@offer(note="Stack")
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of one shape, side by side along a new axis."""
    xs = given("stack", tensors)
    shape = xs[0].data.shape
    for i, x in enumerate(xs):
        if x.data.shape != shape:
            raise RuntimeError(f"stack: expects each tensor to be equal size, but got {[*shape]} at entry 0 and "
                               f"{[*x.data.shape]} at entry {i}; pad the shorter, or use torch.cat")
    return wrap(ops.stack(xs, axis_at("stack", dim, len(shape) + 1)))


def stacker(name: str, least: str, axis: int, *others: str) -> Callable[..., Any]:
    """A function that joins along an axis, once all have enough axes."""
    def apply(tensors: Any) -> Tensor:
        xs = FUNCTIONS[least](*[wrap(x) for x in given(name, tensors)])
        xs = xs if isinstance(xs, tuple) else (xs,)
        return cat(xs, min(axis, xs[0].node.data.ndim - 1))

    apply.__name__ = name
    apply.__doc__ = f"Tensors joined along axis {axis}, after `{least}`."
    return offer(name, *others, note="Cat")(apply)


hstack = stacker("hstack", "atleast_1d", 1)
vstack = stacker("vstack", "atleast_2d", 0, "row_stack")
dstack = stacker("dstack", "atleast_3d", 2)


@offer(note="Cat")
def column_stack(tensors: Any) -> Tensor:
    """Vectors as columns, and matrices as they are, side by side."""
    xs = [wrap(x) for x in given("column_stack", tensors)]
    return hstack([reshape(x, x.node.data.size, 1) if x.node.data.ndim < 2 else x for x in xs])  # type: ignore[no-any-return]


@offer(note="BlockDiag")
def block_diag(*tensors: Any) -> Tensor:
    """Matrices along the diagonal of one, with zeros elsewhere."""
    xs = [FUNCTIONS["atleast_2d"](wrap(x)).node for x in given("block_diag", tensors)]
    if any(x.data.ndim > 2 for x in xs):
        raise RuntimeError("block_diag: Input tensors must have 2 or fewer dimensions; got more; give matrices")
    rows, columns = [sum(x.data.shape[i] for x in xs) for i in (0, 1)]
    node, i, j = Node(np.zeros((rows, columns), xs[0].data.dtype)), 0, 0
    for x in xs:
        n, m = x.data.shape
        node = ops.index_put(node, x, (slice(i, i + n), slice(j, j + m)))
        i, j = i + n, j + m
    return wrap(node)


# --- grids ---


@offer()
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of a grid from those along its axes; `indexing` is "ij", which is meant by None, or "xy"."""
    xs = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be one of \"xy\" or \"ij\", but received: {indexing}; leave it "
                           f"out for \"ij\"")
    if any(as_node(x, "meshgrid").data.ndim > 1 for x in xs):
        raise RuntimeError("meshgrid: Expected 0D or 1D tensors; got more axes; give vectors")
    if indexing == "xy" and len(xs) > 1:
        b, a, *others = meshgrid(xs[1], xs[0], *xs[2:])
        return (a, b, *others)
    shape, n = [x.node.data.size for x in xs], len(xs)
    return tuple([expand(reshape(x, *[1] * i, -1, *[1] * (n - i - 1)), *shape) for i, x in enumerate(xs)])


@offer()
def cartesian_prod(*tensors: Any) -> Tensor:
    """All tuples of one element of each vector, as rows."""
    xs = [as_node(x, "cartesian_prod") for x in tensors]
    if any(x.data.ndim != 1 for x in xs) or not xs:
        raise RuntimeError("cartesian_prod: Expect a 1D vector, but got another shape, or none; flatten it first")
    if len(xs) == 1:
        return tensors[0]  # type: ignore[no-any-return]
    return stack([reshape(x, -1) for x in meshgrid(*tensors)], 1)


@offer()
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of r elements of a vector, as rows."""
    x = as_node(input, "combinations")
    if x.data.ndim != 1 or r < 0:
        raise RuntimeError(f"combinations: Expect a 1D vector, but got shape {[*x.data.shape]}, or r={r} below 0; "
                           f"flatten it first")
    chosen: Any = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(chosen(range(x.data.size), r))
    if not r:
        return wrap(Node(np.zeros(0, x.data.dtype)))
    return wrap(ops.take(x, np.array(rows, np.int64).reshape(len(rows), r), 0))
