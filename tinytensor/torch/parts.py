"""Parts of a tensor that are views of it: slices, pieces, diagonals, windows; a write into one is seen by the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided
from numpy.lib.stride_tricks import sliding_window_view

from .. import ops
from ..core import Tensor as Node
from ..core import TracerBase
from .dtypes import shape_of
from .offer import offer
from .shape import axis_at
from .tensor import Tensor
from .writing import as_view, places


def sliced(x: Tensor, axis: int, start: int, stop: int, note: str = "Slice") -> Tensor:
    """The slice from one position to another along an axis."""
    y = as_view(x, ops.getitem(x.node, (slice(None),) * axis + (slice(start, stop),)))
    if y.node.op is not None:
        y.note = f"{note}Backward0"
    return y


def with_axes(name: str, x: Tensor) -> tuple[int, ...]:
    """The shape of a tensor that must have axes."""
    shape = x.node.data.shape
    if not shape:
        raise RuntimeError(f"{name}: expects at least a 1-dimensional tensor; got one without axes; write x.view(1)")
    return shape  # type: ignore[no-any-return]


@offer(method=True, note="Slice")
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements along an axis, from `start` on."""
    shape = with_axes("narrow", input)
    if isinstance(start, Tensor) and (start.ndim or start.node.data.dtype.kind not in "iu"):
        raise RuntimeError(f"narrow: got a start of {start.dtype} with {start.ndim} axes; start must be an 0-dim "
                           f"integral Tensor, or a number; convert it: start.long()")
    axis, start = axis_at("narrow", dim, len(shape)), int(start)
    n = shape[axis]
    if not -n <= start <= n:
        raise IndexError(f"narrow: Dimension out of range (expected start to be in range of [{-n}, {n}], but got "
                         f"{start}); count from 0")
    start += n if start < 0 else 0
    if length < 0 or start + length > n:
        raise RuntimeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({n}), or length is "
                           f"negative; expected a part of the axis; give a shorter length")
    return sliced(input, axis, start, start + length)


@offer(method=True, note="Select")
def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """The slice at one position along an axis, which is dropped."""
    shape = with_axes("select", input)
    axis, i = axis_at("select", dim, len(shape)), int(index)
    if not -shape[axis] <= i < shape[axis]:
        raise IndexError(f"select: index {i} out of range for tensor of size {[*shape]} at dimension {axis}; expected "
                         f"one from {-shape[axis]} to {shape[axis] - 1}; count from 0")
    return as_view(input, ops.getitem(input.node, (slice(None),) * axis + (i, Ellipsis)))


@offer(method=True)
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """A tuple of the slices at all positions along an axis."""
    shape = input.node.data.shape
    if not shape:
        raise IndexError(f"unbind: Dimension specified as {dim} but tensor has no dimensions; got one without axes; "
                         f"write x.view(1)")
    axis = axis_at("unbind", dim, len(shape))
    return named("Unbind", [select(input, axis, i) for i in range(shape[axis])])


def named(name: str, parts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Several results of one function, by PyTorch's name for what made them."""
    for part in parts:
        if part.node.op is not None:
            part.note = f"{name}Backward0"
    return tuple(parts)


# --- pieces ---


def cut(x: Tensor, axis: int, sizes: Sequence[int], name: str = "Split") -> tuple[Tensor, ...]:
    """Pieces of these sizes, one after another."""
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple([sliced(x, axis, start, start + n, name) for start, n in zip(starts[:-1], sizes, strict=True)])


@offer("split", "unsafe_split", method=True)
def split(tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None) -> Any:
    """Pieces of a size, of which the last may be smaller; or pieces of the sizes in a list. Views, in a tuple.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    size = split_size_or_sections if split_size is None else split_size
    if not hasattr(size, "__index__"):
        return split_with_sizes(tensor, size, dim)
    shape = with_axes("split", tensor)
    axis, size = axis_at("split", dim, len(shape)), int(size)
    n = shape[axis]
    if size < 0 or (size == 0 and n):
        raise RuntimeError(f"split: split_size can only be 0 if dimension size is 0, and not negative; got {size} for "
                           f"{n}; give the size of a piece")
    sizes = [min(size, n - start) for start in range(0, n, size)] if n else [0]
    return cut(tensor, axis, sizes)


@offer("split_with_sizes", "unsafe_split_with_sizes", method=True)
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> Any:
    """Pieces of these sizes, which add up to the axis."""
    shape, sizes = with_axes("split_with_sizes", input), shape_of((split_sizes,))
    axis = axis_at("split_with_sizes", dim, len(shape))
    if sum(sizes) != shape[axis] or any(n < 0 for n in sizes):
        raise RuntimeError(f"split_with_sizes: expects split_sizes to sum exactly to {shape[axis]} (input tensor's "
                           f"size at dimension {dim}), but got split_sizes={[*sizes]}; for pieces of one size give it "
                           f"as an integer")
    return cut(input, axis, sizes, "SplitWithSizes")


@offer("chunk", "unsafe_chunk", method=True)
def chunk(input: Tensor, chunks: int, dim: int = 0) -> Any:
    """At most so many pieces of one size, of which the last may be smaller."""
    shape = with_axes("chunk", input)
    if chunks <= 0:
        raise RuntimeError(f"chunk: expects `chunks` to be greater than 0, got: {chunks}; give how many pieces")
    axis = axis_at("chunk", dim, len(shape))
    size = -(-shape[axis] // chunks)
    return cut(input, axis, [0] * chunks) if not size else split(input, size, axis)


@offer(method=True)
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> Any:
    """That many pieces, as even as possible; or the pieces between the positions in a list."""
    shape = with_axes("tensor_split", input)
    axis = axis_at("tensor_split", dim, len(shape))
    where, n = indices_or_sections, shape[axis]
    where = where.tolist() if isinstance(where, Tensor) else where
    if not hasattr(where, "__index__"):
        bounds = [0, *[slice(None, i).indices(n)[1] for i in shape_of((where,))], n]
        parts = [sliced(input, axis, a, b) for a, b in pairwise(bounds)]
        return tuple(parts)
    if where <= 0:
        raise RuntimeError(f"tensor_split: number of sections must be larger than 0, got {where}; give how many pieces")
    return cut(input, axis, [n // where + (i < n % where) for i in range(where)], "Slice")


def splitter(name: str, least: int, axis: int) -> None:
    """One of `hsplit`, `vsplit`, `dsplit`."""
    def apply(input: Tensor, indices_or_sections: Any) -> Any:
        shape = input.node.data.shape
        if len(shape) < least:
            raise RuntimeError(f"{name}: torch.{name} requires a tensor with at least {least} dimension, but got a "
                               f"tensor with {len(shape)} dimensions; use torch.tensor_split")
        dim = 0 if len(shape) == 1 else axis
        n = indices_or_sections
        if hasattr(n, "__index__") and (n.__index__() <= 0 or shape[dim] % n):
            raise RuntimeError(f"{name}: attempted to split along dimension {dim}, but the size of the dimension "
                               f"{shape[dim]} is not divisible by the split_size {n}; use torch.tensor_split")
        return tensor_split(input, n, dim)

    apply.__name__ = name
    apply.__doc__ = f"`tensor_split` along axis {axis}; a number must divide it."
    offer(name, method=True)(apply)


for name, least, axis in (("hsplit", 1, 1), ("vsplit", 2, 0), ("dsplit", 3, 2)):
    splitter(name, least, axis)


# --- diagonals and windows ---


@offer(method=True, note="Diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two axes, as the last axis; a view."""
    shape = input.node.data.shape
    if len(shape) < 2:
        raise IndexError(f"diagonal: Dimension out of range; got {len(shape)} axes; expected two or more; use "
                         f"torch.diag for a vector")
    a, b = axis_at("diagonal", dim1, len(shape)), axis_at("diagonal", dim2, len(shape))
    if a == b:
        raise RuntimeError(f"diagonal: diagonal dimensions cannot be identical {dim1}, {dim2}; expected two axes; give "
                           f"another")
    node = ops.diagonal(input.node, offset, a, b)
    if type(node.data) is np.ndarray and input.node.data.flags.writeable:
        node.data.flags.writeable = True  # subtle: NumPy forbids writes, PyTorch does not
    return as_view(input, node)


@offer(function=False, method=True, note="Unfold")
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows along an axis, each `step` further than the last; their elements are a new last axis. A view."""
    x = input.node
    shape = x.data.shape or (1,)
    axis = axis_at("unfold", dimension, len(shape))
    if not 0 <= size <= shape[axis] or step <= 0:
        raise RuntimeError(f"unfold: maximum size for tensor at dimension {axis} is {shape[axis]} but size is {size}, "
                           f"step {step}; expected a window in the axis and a step above 0; give a smaller one")
    x = x if x.data.ndim else ops.reshape(x, (1,))
    starts = np.arange((shape[axis] - size) // step + 1) * step
    node = ops.take(x, starts[:, None] + np.arange(size), axis)
    node = ops.moveaxis(node, axis + 1, -1)
    if size and not isinstance(node.data, TracerBase):
        windows = sliding_window_view(x.data, size, axis, writeable=x.data.flags.writeable)
        node.data = windows[(slice(None),) * axis + (slice(None, None, step),)]
    return as_view(input, node if input.node.data.ndim else ops.reshape(node, (size,)))


@offer(method=True, note="AsStrided")
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """The elements of the tensor's memory at ``offset + sum(index * stride)``; a view."""
    sizes, strides, x = shape_of((size,)), shape_of((stride,)), input.node
    memory = getattr(input, "base", input).node.data
    if isinstance(x.data, TracerBase) or not memory.flags.forc:
        raise RuntimeError("as_strided: got memory with gaps, or a traced tensor; expected a contiguous one; use "
                           "slices, or x.contiguous() first")
    here = (x.data.__array_interface__["data"][0] - memory.__array_interface__["data"][0]) // x.data.itemsize
    start = here if storage_offset is None else storage_offset
    last = start + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if len(sizes) != len(strides) or any(s < 0 for s in (*strides, *sizes, start)) or (
            0 not in sizes and last >= memory.size):
        raise RuntimeError(f"as_strided: setStorage: sizes {[*sizes]}, strides {[*strides]}, storage offset {start} "
                           f"are out of bounds for storage of {memory.size} elements; expected places inside of it")
    flat = strided(memory, (memory.size,), (memory.itemsize,))
    shown = strided(flat[min(start, memory.size) :], sizes, [s * memory.itemsize for s in strides])
    if not x._requires_grad:
        return as_view(input, Node(shown))
    numbers = places(memory, shown) - here
    if numbers.size and (numbers.min() < 0 or numbers.max() >= x.data.size or not x.data.flags.forc):
        raise RuntimeError("as_strided: got places outside of the tensor, or a view of memory with gaps, where a "
                           "gradient would flow; expected places in the tensor itself; use slices and indices")
    order = ops.transpose(x) if x.data.flags.f_contiguous and not x.data.flags.c_contiguous else x
    node = ops.getitem(ops.reshape(order, (-1,)), numbers)
    node.data = shown
    return as_view(input, node)
