"""The elements of a tensor turned, shifted, repeated or put on a diagonal: copies, never views."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from .dtypes import numpy_dtype, on_cpu, shape_of
from .offer import offer
from .parts import diagonal
from .shape import axes_at, axis_at, sizes_of
from .tensor import Tensor, of_array, wrap


def own(node: Any) -> Any:
    """Copy a view: PyTorch returns a copy where NumPy returns a view."""
    return node if node.data.base is None else ops.copy(node)


@offer(method=True, note="Flip")
def flip(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The order along the axes reversed."""
    given = sizes_of("flip", dims, named, "dims", "dim", "axis")
    axes = tuple(axes_at("flip", given, input.node.data.ndim))
    return wrap(own(ops.flip(input.node, axes if input.node.data.ndim else ())))


@offer(method=True, note="Flip")
def fliplr(input: Tensor) -> Tensor:
    """The order of the columns reversed."""
    if input.node.data.ndim < 2:
        raise RuntimeError("fliplr: Input must be >= 2-d; got fewer axes; use torch.flip")
    return flip(input, 1)


@offer(method=True, note="Flip")
def flipud(input: Tensor) -> Tensor:
    """The order of the rows reversed."""
    if input.node.data.ndim < 1:
        raise RuntimeError("flipud: Input must be >= 1-d; got a tensor without axes; use torch.flip")
    return flip(input, 0)


@offer(method=True, note="Roll")
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Shifted along the axes; what leaves at the end comes in at the beginning. Without axes: the flattened input."""
    x, shifts = input.node, shape_of((shifts,))
    axes = axes_at("roll", dims, x.data.ndim) if dims is not None and dims != () else []
    if len(shifts) != (len(axes) or 1) or not shifts:
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims: {len(axes)}; give a "
                           f"shift for each axis")
    if axes and not x.data.ndim:
        raise IndexError(f"roll: Dimension specified as {dims} but tensor has no dimensions; got one without axes; "
                         f"leave dims out")
    return wrap(own(ops.roll(x, shifts if axes else shifts[0], tuple(axes) if axes and x.data.ndim else None)))


@offer(method=True, note="Rot90")
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned k times by 90 degrees, from the first axis towards the second."""
    n = input.node.data.ndim
    if len(dims) != 2 or n < 2:
        raise RuntimeError(f"rot90: expected total rotation dims == 2, and as many axes or more, but got {len(dims)} "
                           f"and {n}; give two axes")
    return wrap(own(ops.rot90(input.node, k, tuple(axes_at("rot90", tuple(dims), n)))))


# --- repeated ---


@offer(function=False, method=True, note="Repeat")
def repeat(input: Tensor, *repeats: Any, **named: Any) -> Tensor:
    """Tiles of the tensor: so many along each axis; axes may come in front."""
    sizes = sizes_of("repeat", repeats, named, "repeats", "sizes")
    if len(sizes) < input.node.data.ndim or any(n < 0 for n in sizes):
        raise RuntimeError(f"repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions "
                           f"of tensor, and none negative; got {[*sizes]} for {[*input.node.data.shape]}; give one for "
                           f"each axis")
    return wrap(own(ops.tile(input.node, sizes)))


@offer(method=True, note="Repeat")
def tile(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """As `repeat`; fewer numbers count for the last axes."""
    return wrap(own(ops.tile(input.node, sizes_of("tile", dims, named, "dims"))))


@offer(method=True, note="IndexSelect")
def repeat_interleave(input: Tensor, repeats: Any = None, dim: int | None = None, *,
                      output_size: int | None = None) -> Tensor:
    """Each element so many times in a row, along an axis, or of the flattened input.

    With one tensor of integers alone: the places that many times each, ``0, 0, 1, ...``.
    """
    if repeats is None:
        return of_array(np.repeat(np.arange(len(input.node.data)), input.node.data))
    x = input.node
    times = repeats.node.data if isinstance(repeats, Tensor) else np.asarray(repeats)
    if times.dtype.kind not in "iu" or times.ndim > 1 or (times < 0).any():
        raise RuntimeError(f"repeat_interleave: repeats must be 0-dim or 1-dim integers of 0 or more; got "
                           f"{repeats!r}; convert them: r.long()")
    if dim is None:
        x, axis = ops.reshape(x, (-1,)), 0
    else:
        axis = axis_at("repeat_interleave", dim, x.data.ndim)
        x = x if x.data.ndim else ops.reshape(x, (1,))
    if times.size != 1 and times.size != x.data.shape[axis]:
        raise RuntimeError(f"repeat_interleave: repeats must have the same size as input along dim, but got "
                           f"repeats.size(0) = {times.size} and {x.data.shape[axis]}; give one number for each")
    places = np.repeat(np.arange(x.data.shape[axis]), times.reshape(-1))
    return wrap(ops.take(x, places, axis))


# --- triangles and diagonals ---


@offer(method=True, in_place=True, note="Tril")
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices; zeros above the diagonal of this number."""
    return wrap(ops.tril(matrices("tril", input), diagonal))


@offer(method=True, in_place=True, note="Triu")
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices; zeros below the diagonal of this number."""
    return wrap(ops.triu(matrices("triu", input), diagonal))


def matrices(name: str, x: Tensor) -> Any:
    """The node of a tensor with two axes or more."""
    if x.node.data.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions; got {x.node.data.ndim}; add one: "
                           f"x[None]")
    return x.node


def triangle(name: str, keep: Any) -> None:
    """One of `tril_indices`, `triu_indices`."""
    def apply(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
        on_cpu(device)
        return of_array(np.array(keep(row, col, offset)).astype(numpy_dtype(dtype, np.dtype(np.int64))))

    apply.__name__ = name
    apply.__doc__ = "Where the triangle of a matrix is: the rows, and the columns, of its elements."
    offer(name)(apply)


triangle("tril_indices", lambda n, m, k: np.tril_indices(n, k, m))
triangle("triu_indices", lambda n, m, k: np.triu_indices(n, k, m))


@offer(method=True, note="DiagonalCopy")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with a vector on its diagonal; of a matrix, a copy of the diagonal."""
    n = input.node.data.ndim
    if n not in (1, 2):
        raise RuntimeError(f"diag: Supports 1D or 2D tensors. Got {n}D; use torch.diagonal or torch.diag_embed")
    return diag_embed(input, diagonal) if n == 1 else wrap(ops.copy(ops.diagonal(input.node, diagonal)))


@offer(method=True, note="DiagEmbed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices whose diagonal is the last axis; they lie in the axes dim1 and dim2."""
    x = input.node
    shape = x.data.shape or (1,)
    a, b = axis_at("diag_embed", dim1, len(shape) + 1), axis_at("diag_embed", dim2, len(shape) + 1)
    if a == b:
        raise RuntimeError(f"diag_embed: diagonal dimensions cannot be identical {dim1}, {dim2}; give another")
    places, n = np.arange(shape[-1]), shape[-1] + abs(offset)
    index = (Ellipsis, places + max(-offset, 0), places + max(offset, 0))
    node = ops.index_put(Node(np.zeros((*shape[:-1], n, n), x.data.dtype)), x, index)
    return wrap(own(ops.moveaxis(node, (-2, -1), (a, b)))) if (a, b) != (len(shape) - 1, len(shape)) else wrap(node)


@offer(method=True, note="DiagEmbed")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on its diagonal."""
    return diag_embed(wrap(ops.reshape(input.node, (-1,))), offset)


@offer(method=True, note="Trace")
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal; of integers an int64."""
    if input.node.data.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.node.data.ndim}; use "
                           f"x.diagonal(dim1=-2, dim2=-1).sum(-1)")
    d = diagonal(input).node
    d = d if d.data.dtype.kind == "f" else d.astype(np.int64)
    return wrap(ops.sum(d))
