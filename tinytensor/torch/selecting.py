"""Functions that pick, add or write whole slices by index, elements by mask, or elements of the flattened tensor.

Those that pick one place in each line are in `gathering.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from .dtypes import RANK, of
from .gathering import REDUCTIONS, places, same_dtype, shaped
from .index import indices as bracketed
from .index import put as put_at
from .offer import offer
from .operators import pair
from .shape import axis_at
from .tensor import Tensor, as_node, of_array, wrap

WHOLE = slice(None)


# --- slices by index ---


def along_axis(name: str, x: Any, dim: int, index: Tensor) -> tuple[Any, int, Any]:
    """The input with at least one axis, the axis, and the positions along it."""
    x = x if x.data.ndim else ops.reshape(x, (1,))
    axis = axis_at(name, dim, x.data.ndim)
    return x, axis, places(name, index, x.data.shape[axis], vector=True)


def from_axis(axis: int, i: Any) -> Any:
    """NumPy's index for positions along an axis."""
    return (WHOLE,) * axis + (i,) if axis else i


@offer(method=True, note="IndexSelect")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices along an axis that the index names."""
    x, axis, i = along_axis("index_select", input.node, dim, index)
    y = ops.take(x, i, axis)
    return wrap(y if input.node.data.ndim else ops.reshape(y, ()))


def slices(name: str, x: Any, axis: int, i: Any, source: Any) -> Any:
    """The source, whose shape is that of the slices."""
    shape = (*x.data.shape[:axis], i.size, *x.data.shape[axis + 1 :])
    if source.data.shape != shape:
        if source.data.size != int(np.prod(shape)) or (source.data.ndim > 1 and x.data.ndim > 1):
            raise (RuntimeError if name == "index_add" else IndexError)(
                f"{name}: source shape {[*source.data.shape]} must match self, but for {i.size} slices along the axis: "
                f"{[*shape]}; reshape it")
        source = ops.reshape(source, shape)
    return source


@offer(method=True, in_place=True, note="IndexAdd")
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """The input with slices added at the indexed positions along an axis; repeated ones add up."""
    x, axis, i = along_axis("index_add", input.node, dim, index)
    src = slices("index_add", x, axis, i, same_dtype("index_add", x, source))
    if alpha != 1:
        src = ops.multiply(*pair("index_add", wrap(src), alpha))
        src = src if src.data.dtype == x.data.dtype else src.astype(x.data.dtype)
    return shaped(ops.add(x, ops.scatter(src, from_axis(axis, i), x.data.shape)), input.node)


@offer(method=True, in_place=True, note="IndexCopy")
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy in which slices along an axis are those of the source."""
    x, axis, i = along_axis("index_copy", input.node, dim, index)
    src = slices("index_copy", x, axis, i, same_dtype("index_copy", x, source))
    return shaped(ops.index_put(x, src, from_axis(axis, i)), input.node)


@offer(method=True, in_place=True, note="IndexFill")
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy in which slices along an axis are one value."""
    x, axis, i = along_axis("index_fill", input.node, dim, index)
    value = one_value("index_fill", x, value)
    return shaped(ops.index_put(x, value, from_axis(axis, np.unique(i))), input.node)


@offer(method=True, in_place=True, note="IndexReduce")
def index_reduce(input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
                 include_self: bool = True) -> Tensor:
    """Combine the slices of the source that have one target position; `reduce` is "prod", "mean", "amax" or "amin"."""
    x, axis, i = along_axis("index_reduce", input.node, dim, index)
    src = slices("index_reduce", x, axis, i, same_dtype("index_reduce", x, source))
    if reduce not in REDUCTIONS or reduce == "sum":
        raise RuntimeError(f"index_reduce: reduce argument must be either prod, mean, amax or amin, got {reduce}; for "
                           f"sums there is index_add")
    if not i.size:
        return wrap(ops.copy(input.node))
    shape = src.data.shape
    found = tuple([np.arange(n).reshape((n, *[1] * (len(shape) - a - 1))) for a, n in enumerate(shape)])
    found = (*found[:axis], i.reshape((-1, *[1] * (len(shape) - axis - 1))), *found[axis + 1 :])
    return shaped(REDUCTIONS[reduce](x, found, src, include_self), input.node)


def one_value(name: str, x: Any, value: Any) -> Any:
    """A number, or tensor without axes, as the value to write into the tensor."""
    if isinstance(value, Tensor):
        if value.node.data.ndim:
            raise RuntimeError(f"{name}: only supports a 0-dimensional value tensor, but got tensor with "
                               f"{value.node.data.ndim} dimension(s); give one number")
        if RANK[value.node.data.dtype.kind] > RANK[x.data.dtype.kind]:
            raise RuntimeError(f"{name}: value cannot be converted to type {of(x.data.dtype)} without loss; got "
                               f"{of(value.node.data.dtype)}; convert one")
        return value.node if value.node.data.dtype == x.data.dtype else value.node.astype(x.data.dtype)
    if isinstance(value, float) and x.data.dtype.kind in "iu" and value != int(value):
        raise RuntimeError(f"{name}: value cannot be converted to type {of(x.data.dtype)} without overflow; got "
                           f"{value}; convert the tensor first: x.float()")
    return np.asarray(value).astype(x.data.dtype)


@offer(method=True, in_place=True, note="IndexPut")
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy in which ``copy[indices]`` is the values; or with the values added there; repeated positions add up."""
    x, v = input.node, same_dtype("index_put", input.node, values)
    parts = tuple([WHOLE if i is None else i for i in indices])
    view, copy = bracketed(input, parts)
    chosen = numbers_of(input)
    for part in (view, copy):
        chosen = chosen if part is None else chosen[part]
    try:
        v = ops.broadcast_to(v, chosen.shape)
    except ValueError as error:
        raise RuntimeError(f"index_put: shape mismatch: value tensor of shape {[*v.data.shape]} cannot be "
                           f"broadcast to indexing result of shape {[*chosen.shape]}; {error}") from None
    flat, chosen = ops.reshape(x, (-1,)), chosen.reshape(-1)
    v = ops.reshape(v, (-1,))
    y = ops.add(flat, ops.scatter(v, chosen, flat.data.shape)) if accumulate else ops.index_put(
        flat, v, chosen)
    return wrap(ops.reshape(y, x.data.shape))


# --- by mask ---


def mask_of(name: str, mask: Any) -> Any:
    """The array of a mask."""
    m = as_node(mask, name).data
    if m.dtype != np.bool_:
        raise RuntimeError(f"{name}: only supports boolean masks, but got mask with dtype {of(m.dtype)}; compare: "
                           f"mask != 0")
    return m


@offer(method=True, in_place=True, note="MaskedFill")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """A copy with one value where the mask is true.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.ones(2, 2).masked_fill(torch.tensor([True, False]), 0)
    tensor([[0., 1.],
            [0., 1.]])
    """
    x, m = input.node, mask_of("masked_fill", mask)
    if x.data.dtype.kind == "f" and type(value) in (int, float):
        return wrap(ops.where(mask.node, float(value), x))
    y = wrap(ops.where(m, one_value("masked_fill", x, value), x))
    if isinstance(value, Tensor) and y.node.op is not None:
        y.note = "MaskedFillBackward1"
    return y


@offer(method=True, note="MaskedSelect")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, along one axis."""
    x, m = input.node, mask_of("masked_select", mask)
    shape = np.broadcast_shapes(x.data.shape, m.shape)
    y = x if x.data.shape == shape else ops.broadcast_to(x, shape)
    return wrap(ops.getitem(y, np.broadcast_to(m, shape)) if shape else ops.getitem(y, m))


@offer(method=True, in_place=True, note="MaskedScatter")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy in which the elements where the mask is true are the first ones of the source."""
    x, m = input.node, mask_of("masked_scatter", mask)
    src = same_dtype("masked_scatter", x, source)
    shape = np.broadcast_shapes(x.data.shape, m.shape)
    m = np.broadcast_to(m, shape)
    n = int(np.count_nonzero(m))
    if n > src.data.size:
        raise RuntimeError(f"masked_scatter: expected self and source to have enough elements: the mask has {n}, the "
                           f"source {src.data.size}; give a longer source")
    x = x if x.data.shape == shape else ops.broadcast_to(x, shape)
    return wrap(ops.index_put(x, ops.getitem(ops.reshape(src, (-1,)), slice(n)), m))


# --- elements of the flattened tensor ---


@offer(method=True, note="Take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened tensor at these positions."""
    x = input.node
    i = places("take", index, x.data.size, -x.data.size)
    return wrap(ops.take(ops.reshape(x, (-1,)), i, 0))


@offer(function=True, method=True, in_place=True, note="Put")
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy in which elements of the flattened tensor are those of the source, or have them added."""
    x, src = input.node, same_dtype("put", input.node, source)
    i = places("put", index, x.data.size, -x.data.size).reshape(-1)
    if i.size != src.data.size:
        raise RuntimeError(f"put: Expected source and index to have the same number of elements, but got "
                           f"{src.data.size} and {i.size}; give as many of both")
    flat, src = ops.reshape(x, (-1,)), ops.reshape(src, (-1,))
    y = ops.add(flat, ops.scatter(src, i, flat.data.shape)) if accumulate else ops.index_put(flat, src, i)
    return wrap(ops.reshape(y, x.data.shape))


@offer(method=True)
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where the elements are that are not zero: a row of indices for each; or a tensor for each axis."""
    a = input.node.data
    if as_tuple:
        return tuple([of_array(i) for i in np.atleast_1d(a).nonzero()])
    return of_array(np.argwhere(a))


@offer(method=True)
def argwhere(input: Tensor) -> Tensor:
    """Where the elements are that are not zero: a row of indices for each."""
    return of_array(np.argwhere(input.node.data))


# --- a part overwritten ---


def written_over(name: str, input: Tensor, src: Tensor, numbers: Any) -> Tensor:
    """A copy in which the elements of these numbers are those of the source."""
    x, src = input.node, as_node(src, name)
    if src.data.shape != numbers.shape:
        raise RuntimeError(f"{name}: expected src to have a size equal to the part of self: got "
                           f"{[*src.data.shape]}, expected {[*numbers.shape]}; reshape it")
    src = src if src.data.dtype == x.data.dtype else src.astype(x.data.dtype)
    return wrap(ops.reshape(ops.index_put(ops.reshape(x, (-1,)), src, numbers), x.data.shape))


def numbers_of(x: Tensor) -> Any:
    """The number of each element."""
    return np.arange(x.node.data.size).reshape(x.node.data.shape)


@offer(method=True, note="SelectScatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with the slice at one position along an axis replaced by the source."""
    axis = axis_at("select_scatter", dim, input.node.data.ndim)
    return written_over("select_scatter", input, src, numbers_of(input)[(WHOLE,) * axis + (int(index),)])


@offer(method=True, note="SliceScatter")
def slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
                  step: int = 1) -> Tensor:
    """A copy in which a slice along an axis is the source."""
    axis = axis_at("slice_scatter", dim, input.node.data.ndim)
    return written_over("slice_scatter", input, src, numbers_of(input)[(WHOLE,) * axis + (slice(start, end, step),)])


@offer(method=True, note="DiagonalScatter")
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy whose diagonal is the source."""
    return written_over("diagonal_scatter", input, src, np.diagonal(numbers_of(input), offset, dim1, dim2))


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write one number on the diagonal; `wrap` goes on with it in tall matrices."""
    shape = self.node.data.shape
    if len(shape) < 2 or (len(shape) > 2 and len({*shape}) > 1):
        raise RuntimeError(f"fill_diagonal_: all dimensions of input must be of equal length, and two or more; got "
                           f"{[*shape]}; use x.diagonal().fill_(value)")
    n, step = min(shape), sum(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    places = np.arange(n) * step
    if wrap and len(shape) == 2 and shape[0] > shape[1]:
        places = np.arange(0, self.node.data.size, step)
    put_at(self, None, np.unravel_index(places, shape), fill_value)
    return self


setattr(Tensor, "fill_diagonal_", fill_diagonal_)
